//! Properties: nothing makes the reader panic, and on plain YAML it sees what another reader sees.

use mailplumb::cli::problems::{Renderer, Style};
use mailplumb::manifest;
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::Name;
use mailplumb::model::secret::SecretRef;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::cases::SMALL;
use super::source;

/// Reads, renders and edits; the value does not matter, only that there is one.
fn survive(bytes: &[u8]) {
    for name in ["a.yaml", "a.csv"] {
        let list = "apiVersion: mailplumb/v1\nkind: MailboxList\nmetadata: { name: l }\nspec: { csv: { file: a.csv, type: queue } }\n";
        let files = [source(name, bytes), source("b.yaml", list)];
        let reading = manifest::read(&files, &HostSettings::default());
        let renderer = Renderer::new(&files, &reading.problems, Style::Plain);
        for problem in &reading.problems {
            assert!(!renderer.render(problem).is_empty());
        }
        let _ = manifest::host::read(&files[0]);
        let secret = SecretRef { secret: Name::parse("provider").unwrap(), key: "imap".to_owned() };
        let _ = manifest::edit::put_secret_value(&files[0], &secret, "x", &[]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        survive(&bytes);
    }

    #[test]
    fn arbitrary_yaml_like_text_never_panics(text in "([a-zü:{}\\[\\],\"'|>&*!#%@`~?-]|\n|  |\t|---\n|: |- ){0,60}") {
        survive(text.as_bytes());
    }

    #[test]
    fn a_changed_manifest_never_panics(
        changes in vec((any::<prop::sample::Index>(), 0usize..40, "[ -~\n\t]{0,4}|é|---\n"), 1..6),
    ) {
        let mut text = SMALL.to_owned();
        for (at, length, new) in changes {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, &new);
            }
        }
        survive(text.as_bytes());
    }

    #[test]
    fn plain_values_are_read_as_another_reader_writes_them(
        labels in btree_map("[a-z][a-z0-9]{0,8}", "[ -~éü✓\n]{0,30}", 0..8),
        active in any::<bool>(),
    ) {
        let document = serde_json::json!({
            "apiVersion": "mailplumb/v1",
            "kind": "Mailbox",
            "metadata": { "name": "anna", "labels": labels },
            "spec": { "user": { "address": "anna@contoso.example" }, "active": active },
        });
        let text = serde_yaml::to_string(&document).unwrap();
        let organization = "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: { name: contoso }\n";
        let files = [source("a.yaml", &text), source("o.yaml", organization)];
        let reading = manifest::read(&files, &HostSettings::default());
        let desired = reading.desired.expect(&text);
        let mailbox = &desired.mailboxes[&Name::parse("anna").unwrap()].value;
        prop_assert_eq!(&mailbox.labels, &labels, "{}", text);
        prop_assert_eq!(mailbox.active, active);
    }
}
