//! What people read, as files: `MAILPLUMB_BLESS=1` writes them anew.
#![expect(clippy::unwrap_used, reason = "the estates are made here")]

use std::path::Path;

use mailplumb::model::desired::{Desired, DesiredNote};
use mailplumb::model::mailbox::{Mailbox, MailboxKind};
use mailplumb::model::operation::Operation;
use mailplumb::model::plan::{Guard, Plan};
use mailplumb::model::profile::Server;
use mailplumb::model::secret::SecretRef;
use mailplumb::model::stored::Stored;
use mailplumb::plan::{
    self,
    render::{self, Style},
};

use super::generate::*;

#[expect(clippy::disallowed_methods, reason = "the tests' own switch")]
fn is_blessing() -> bool {
    std::env::var_os("MAILPLUMB_BLESS").is_some()
}

fn assert_golden(file: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/plan/golden").join(file);
    if is_blessing() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "{file} differs (MAILPLUMB_BLESS=1 accepts it):\n{}",
        similar::TextDiff::from_lines(expected.as_str(), found).unified_diff()
    );
}

fn text(plan: &Plan) -> String {
    render::text(plan, Style::Plain)
}

/// A bit of everything: created, updated, renamed, deleted, tested again, blocked and noted.
fn everything() -> Plan {
    let mut before = small(&["anna", "ben", "carl", "helpdesk", "old"]);
    before.profiles.get_mut(&name("provider-pop")).unwrap().value.description =
        Some("Mail of the provider.\nSee the wiki.\nAsk Anna.".to_owned());
    let mut stored = settled(&before);
    stored
        .mailboxes
        .get_mut(&name("carl"))
        .unwrap()
        .operations
        .get_mut(&Operation::Incoming)
        .unwrap()
        .state = failed();
    stored.organization.as_mut().unwrap().guards.deletions_count = 0;

    let mut after = before;
    let profile = &mut after.profiles.get_mut(&name("provider-pop")).unwrap().value;
    profile.description = Some("Mail of the provider.\nSee the handbook.\nAsk Anna.".to_owned());
    let Server::Pop3Smtp(servers) = &mut profile.server else { unreachable!("see `pop`") };
    servers.outgoing.as_mut().unwrap().host = "relay.provider.example".to_owned();
    after.mailboxes.remove(&name("old"));
    let mut support = after.mailboxes.remove(&name("helpdesk")).unwrap();
    support.value.name = name("support");
    support.value.lifecycle.previous_names = vec![name("helpdesk")];
    after.mailboxes.insert(name("support"), support);
    let ben = &mut after.mailboxes.get_mut(&name("ben")).unwrap().value;
    ben.process_from = Some(time(-86_400));
    ben.claim_take_over_from = Some("fabrikam".to_owned());
    after.secrets.insert(secret("spare"), declared(sealed("spare"), 2));
    after.notes.push(DesiredNote {
        subject: "mailbox/ben".to_owned(),
        message: "`trackedFolders` is not acted on by this version".to_owned(),
        origin: Some(declared((), 31).origin),
    });
    plan::plan(&after, &stored, &policy())
}

#[test]
fn a_first_apply() {
    let mut desired = small(&["support"]);
    let support = &mut desired.mailboxes.get_mut(&name("support")).unwrap().value;
    support.kind = MailboxKind::Queue;
    support.display_name = Some("Support".to_owned());
    support.delete_after_processing = true;
    assert_golden("first-apply.txt", &text(&plan::plan(&desired, &Stored::empty(), &policy())));
}

#[test]
fn a_bit_of_everything() {
    assert_golden("everything.txt", &text(&everything()));
    assert_golden("everything.md", &render::markdown(&everything()));
    assert_golden("everything.json", &render::json(&everything()));
}

#[test]
fn colours_add_nothing_to_the_words() {
    let coloured = render::text(&everything(), Style::Coloured);
    let mut bare = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        bare.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    bare.push_str(rest);
    assert_ne!(coloured, bare);
    assert_eq!(bare, text(&everything()));
}

#[test]
fn the_same_of_many_is_said_once() {
    let names: Vec<String> = (0..812).map(|n| format!("m{n:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let before = small(&names);
    let mut after: Desired = before.clone();
    after.secrets.insert(secret("shared"), declared(sealed("two"), 2));
    assert_golden("many-tested.txt", &text(&plan::plan(&after, &settled(&before), &policy())));
    assert_golden("many-created.txt", &text(&plan::plan(&before, &settled(&small(&[])), &policy())));
}

#[test]
fn changes_that_differ_in_each_ones_own_values_are_said_once() {
    let names = ["anna", "ben", "carl", "dora", "emil", "fritz", "gina"];
    let before = small(&names);
    let change = |edit: fn(&mut Mailbox)| {
        let mut after = before.clone();
        after.mailboxes.values_mut().for_each(|mailbox| edit(&mut mailbox.value));
        plan::plan(&after, &settled(&before), &policy())
    };
    let named = change(|mailbox| mailbox.display_name = Some(format!("Person {}", mailbox.name)));
    let shown = text(&named);
    assert!(shown.contains("~ mailbox ×7: anna, ben, carl, dora, emil, …"), "{shown}");
    assert!(shown.contains("displayName: (none) → (each its own)"), "{shown}");
    assert!(shown.contains("      anna: (none) → Person anna\n"), "{shown}");
    assert!(shown.contains("      and 2 more, which the JSON lists\n"), "{shown}");
    let json = render::json(&named);
    assert!(names.iter().all(|name| json.contains(&format!("Person {name}"))), "the JSON keeps every step");
    let owned = change(|mailbox| mailbox.owner = Some(address(&format!("{}@boss.example", mailbox.name))));
    assert!(!text(&owned).contains("×7"), "values that people choose are shown");
    let concise = render::text_in(&owned, Style::Plain, render::Detail::Concise);
    assert!(concise.contains("~ mailbox ×7"), "{concise}");
}

#[test]
fn mailboxes_whose_own_secrets_changed_are_said_once() {
    let names = ["anna", "ben", "carl"];
    let with = |text: &str| {
        let mut desired = small(&names);
        for mailbox in desired.mailboxes.values_mut() {
            let own = SecretRef { secret: name("sales"), key: mailbox.value.name.to_string() };
            desired.secrets.insert(own.clone(), declared(sealed(text), 2));
            mailbox.value.credentials.as_mut().unwrap().password = own;
        }
        desired
    };
    let plan = plan::plan(&with("two"), &settled(&with("one")), &policy());
    let shown = text(&plan);
    assert!(shown.contains("↻ mailbox ×3: anna, ben, carl"), "{shown}");
    assert!(shown.contains("because: secret `sales/(each its own)` changed"), "{shown}");
    assert!(render::json(&plan).contains("secret `sales/ben` changed"), "the JSON keeps every reason");
}

#[test]
fn nothing_to_do() {
    let desired = small(&["anna"]);
    assert_golden("no-changes.txt", &text(&plan::plan(&desired, &settled(&desired), &policy())));
}

#[test]
fn guards_say_how_they_are_overridden() {
    let names: Vec<String> = (0..20).map(|n| format!("m{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut before = small(&names);
    before.mailboxes.get_mut(&name("m07")).unwrap().value.lifecycle.prevent_destroy = true;
    let after = small(&names[..3]);
    let mut policy = policy();
    assert_golden("blocked.txt", &text(&plan::plan(&after, &settled(&before), &policy)));
    policy.overrides.insert(Guard::Deletions, "the branch office closes".to_owned());
    assert_golden("overridden.txt", &text(&plan::plan(&after, &settled(&before), &policy)));
}

#[test]
fn a_manifest_cannot_leave_its_fence() {
    let mut desired = small(&["anna"]);
    let anna = &mut desired.mailboxes.get_mut(&name("anna")).unwrap().value;
    anna.display_name = Some("````\n# @everyone <b>\u{1b}[31m".to_owned());
    let markdown = render::markdown(&plan::plan(&desired, &Stored::empty(), &policy()));
    let fences: Vec<&str> = markdown.lines().filter(|line| line.starts_with("```")).collect();
    assert_eq!(fences, ["`````diff", "`````"]);
    assert!(!markdown.contains('\u{1b}'));
}

#[test]
fn markdown_that_must_be_cut_keeps_the_sum_the_deletions_and_what_blocks_the_plan() {
    let names: Vec<String> = (0..3000).map(|n| format!("m{n:04}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let stored = settled(&small(&["gone", "m0000"]));
    let mut desired = small(&names);
    // Each its own step.
    for (n, mailbox) in desired.mailboxes.values_mut().enumerate() {
        mailbox.value.delete_after_processing = true;
        mailbox.value.tracked_folders = vec![format!("folder {n}")];
    }
    desired.mailboxes.get_mut(&name("m0001")).unwrap().value.profile = Some(name("nowhere"));
    let plan = plan::plan(&desired, &stored, &policy());
    let markdown = render::markdown(&plan);
    assert!(markdown.chars().count() < 65_536);
    for words in [
        "### mailplumb plan: 2999 to create, 1 to update, 1 to delete",
        "- mailbox/gone",
        "! blocked: mailbox/m0001 refers to profile `nowhere`",
        "Plan: 2999 to create",
        "Left out here for want of room: ",
    ] {
        assert!(markdown.contains(words), "no `{words}`");
    }
}
