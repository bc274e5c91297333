//! What the server knows beside mailboxes: people and time zones.

use super::node::{element, escaped};
use super::soap::{Message, Turn};

pub(super) fn resolve_names(turn: &mut Turn<'_>) -> Vec<Message> {
    let entry = turn.request.text_at(&["UnresolvedEntry"]).unwrap_or_default().to_lowercase();
    let entry = entry.strip_prefix("smtp:").unwrap_or(&entry).to_owned();
    let users = turn.world.options.users.iter();
    let found: Vec<&str> = users
        .map(|user| user.address.as_str())
        .filter(|address| !entry.is_empty() && address.to_lowercase().starts_with(&entry))
        .collect();
    if found.is_empty() {
        return vec![Message::error("ErrorNameResolutionNoResults", "No results were found.")];
    }
    let one = |address: &&str| {
        format!(
            "<t:Resolution><t:Mailbox>{}{}<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType>\
             </t:Mailbox></t:Resolution>",
            element("t:Name", address),
            element("t:EmailAddress", address)
        )
    };
    let inside: String = found.iter().map(one).collect();
    vec![Message::Success(format!(
        "<m:ResolutionSet TotalItemsInView=\"{}\" IncludesLastItemInRange=\"true\">{inside}</m:ResolutionSet>",
        found.len()
    ))]
}

pub(super) fn time_zones(turn: &mut Turn<'_>) -> Vec<Message> {
    const ZONES: [(&str, &str); 3] = [
        ("UTC", "(UTC) Coordinated Universal Time"),
        ("W. Europe Standard Time", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"),
        ("Pacific Standard Time", "(UTC-08:00) Pacific Time (US & Canada)"),
    ];
    let wanted = turn.request.get("Ids").map(|ids| ids.all("Id"));
    let is_wanted = |id: &str| wanted.as_ref().is_none_or(|all| all.iter().any(|it| it.text.trim() == id));
    let one = |(id, name): &(&str, &str)| {
        format!("<t:TimeZoneDefinition Id=\"{}\" Name=\"{}\"/>", escaped(id), escaped(name))
    };
    let inside: String = ZONES.iter().filter(|(id, _)| is_wanted(id)).map(one).collect();
    vec![Message::Success(format!("<m:TimeZoneDefinitions>{inside}</m:TimeZoneDefinitions>"))]
}
