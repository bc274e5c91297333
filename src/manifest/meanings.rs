//! What a code means, with an example and what to do: the sections of `docs/problems.md`, which the tests generate.

/// The page. It is part of the program, so that what `validate --explain` says is what the page says.
const PAGE: &str = include_str!("../../docs/problems.md");

/// The section of a code, as Markdown. `None`: there is no such code.
pub fn explanation(code: &str) -> Option<&'static str> {
    let heading = format!("\n## {}\n", code.to_ascii_uppercase());
    let start = PAGE.find(&heading)? + 1;
    let rest = PAGE.get(start..)?;
    let end = rest.get(3..)?.find("\n## ").map_or(rest.len(), |end| end + 4);
    rest.get(..end).map(str::trim_end)
}

/// What to do where the problem itself does not say it, or has no example.
pub const REMEDIES: &[(&str, &str)] = &[
    ("MP0007", "Remove one of the two keys; YAML readers disagree about which of them counts."),
    ("MP0008", "Write the key as a text."),
    ("MP0009", "Write the document with fewer levels; no kind of document needs so many."),
    (
        "MP0010",
        "Split the file or the document into several; lists of mailboxes may also stand in CSV files.",
    ),
    ("MP0011", "Correct the file or its permissions, or move it out of the manifest's directory."),
    ("MP0012", "Correct the problems that are listed first; they may be the cause of the others."),
    ("MP0020", "Begin the document with `apiVersion:` and `kind:`."),
    ("MP0025", "Add the key."),
    ("MP0028", "Write the value in the form that the message names."),
    (
        "MP0032",
        "Write a map, a list or a text as the message says; a text with a comma in `{ }` needs quotes.",
    ),
    (
        "MP0033",
        "Correct the key, or remove it; a secret that stood there in plain text has to be changed at its server.",
    ),
    ("MP0041", "Give one of the two another name; names are unique among the documents of a kind."),
    (
        "MP0042",
        "Remove one of the two mailboxes, or correct its address; upper and lower case make no difference.",
    ),
    ("MP0043", "Correct the name, or declare the profile."),
    ("MP0048", "Choose a name that no mailbox has, and that stands under one mailbox only."),
    (
        "MP0057",
        "Ask for a new value at the server, then `mailplumb secrets set NAME/KEY`, and write the new day. Of an application's certificate: make \
         a new key and certificate, and upload that.",
    ),
    (
        "MP0058",
        "Use an age recipient (`mailplumb secrets keygen`), or a build with the feature that reads SSH keys.",
    ),
    ("MP0060", "Write a host name for POP3, IMAP and SMTP, and the URL of the web service for Exchange."),
    ("MP0065", "Use `mailbox` or `oauth2` credentials here; for sending also `profile`."),
    ("MP0066", "Name credentials; only SMTP servers take mail from everybody."),
    ("MP0067", "Write exactly one of `clientSecret` and `certificate`."),
    ("MP0068", "Write `access: impersonation` (or `delegation` where no calendars are synchronised)."),
    ("MP0069", "Write a number of the range that the message names."),
    ("MP0071", "Choose an authentication that fits the credentials, or `auto`."),
    (
        "MP0073",
        "Write `credentials: { mailbox: {} }` under `incoming`, and `credentials:` at each mailbox; sending may keep the \
         profile's login under `outgoing`.",
    ),
    ("MP0080", "Write `none`, or give the mailbox an Exchange profile."),
    (
        "MP0093",
        "Name the address of a forward mailbox of this manifest, or leave `forwardTo` out and have the rule made by hand.",
    ),
    ("MP0081", "Remove the folders, or give the mailbox an Exchange profile."),
    (
        "MP0082",
        "Write `none`; forward mailboxes only receive, and a profile without `outgoing` sends nothing.",
    ),
    ("MP0083", "Write `none` or `server-side-sync`."),
    ("MP0086", "Remove the credentials, or let the profile say `credentials: { mailbox: {} }`."),
    (
        "MP0087",
        "Approve the address that the mailbox has now: `approved` names it once more so that nobody approves by accident.",
    ),
    ("MP0089", "Remove the address, or correct it."),
    ("MP0091", "Correct the selector, or remove the assignment."),
    ("MP0098", "Write each folder once, by its path below the inbox, without `/` in front, behind or twice."),
    ("MP0099", "Name labels, addresses or types; `addresses: ['*']` selects every mailbox."),
    ("MP0100", "Correct the CSV file; the first line names the columns, and texts with commas are quoted."),
    ("MP0110", "Nothing, or remove the setting: the release notes say when it takes effect."),
    ("MP0120", "Correct the host file; docs/host-file.md explains it."),
    ("MP0130", "Repair the file first: `mailplumb validate` says what is wrong with it."),
    ("MP0140", "Format the file by hand, and report it: every good YAML file should have a canonical form."),
    (
        "MP0150",
        "Move to what the hint names before the date; `--as-of` shows what will be said on another day.",
    ),
    (
        "MP0151",
        "Move to what the hint names. Profiles that are not touched go on being declared, with a note in every plan.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_found_whatever_the_case_and_ends_before_the_next() {
        let text = explanation("mp0023").unwrap();
        assert!(text.starts_with("## MP0023\n") && text.matches("\n## ").count() == 0, "{text}");
        assert_eq!(explanation("MP9999"), None);
        assert_eq!(explanation(""), None);
    }
}
