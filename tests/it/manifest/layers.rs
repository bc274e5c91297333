//! What several layers become together.

use mailplumb::manifest::{self, Reading};
use mailplumb::model::host::HostSettings;
use mailplumb::model::mailbox::{IncomingMethod, OutgoingMethod};
use mailplumb::model::name::Name;
use mailplumb::model::problem::SourceFile;
use mailplumb::model::profile::{Credentials, Server};
use mailplumb::model::secret::{Sealed, SecretRef};
use proptest::prelude::*;

use super::cases::SMALL;
use super::{here, layers_at, layers_of};

fn read(texts: &[&str]) -> Reading {
    manifest::read(&layers_of(texts), &HostSettings::default())
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// What the program makes of it, without the places.
fn meaning(texts: &[&str]) -> serde_json::Value {
    let reading = read(texts);
    let Some(desired) = reading.desired else { return format!("{:#?}", reading.problems).into() };
    let mailboxes: Vec<_> = desired.mailboxes.values().map(|it| &it.value).collect();
    let profiles: Vec<_> = desired.profiles.values().map(|it| &it.value).collect();
    let secrets: Vec<_> = desired.secrets.values().map(|it| &it.value).collect();
    serde_json::json!([desired.organization.value, profiles, mailboxes, secrets])
}

#[test]
fn a_later_layer_wins_field_by_field() {
    let files = layers_at(&here().join("valid/layers-win-field-by-field"), &["base", "region", "prod"]);
    let organization = super::source(
        "o.yaml",
        "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: { name: contoso }\n",
    );
    let files = [files, vec![organization]].concat();
    let desired = manifest::read(&files, &HostSettings::default()).desired.unwrap();
    let profile = &desired.profiles[&name("provider")];
    let labels: Vec<_> = profile.value.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(labels, ["region=eu", "site=hq"]);
    let Server::ImapSmtp(servers) = &profile.value.server else {
        panic!("the other type is replaced as a whole")
    };
    assert_eq!(
        (servers.incoming.credentials.clone(), servers.outgoing.is_none()),
        (Credentials::Mailbox, true)
    );
    let secret = |key: &str| SecretRef { secret: name("provider"), key: key.to_owned() };
    assert_eq!(desired.secrets[&secret("all")].value.sealed, Sealed::Env("ALL".to_owned()));
    assert!(!desired.secrets.contains_key(&secret("old")));
    let names: Vec<_> = desired.mailboxes.keys().map(Name::as_str).collect();
    assert_eq!(names, ["anna", "carl", "eve", "more"]);
    assert_eq!(desired.mailboxes[&name("carl")].value.incoming, IncomingMethod::None);
    let declared = |text: &str| desired.mailboxes[&name(text)].origin.to_string();
    assert_eq!(declared("anna"), "base/all.yaml:21:15");
    assert_eq!(declared("eve"), "region/all.yaml:18:15");
}

#[test]
fn a_document_that_is_removed_can_be_written_anew() {
    let removed = "kind: Mailbox\nmetadata: { name: anna, remove: true }\n";
    let anew = "apiVersion: mailplumb/v1\nkind: Mailbox\nmetadata: { name: anna }\nspec: { incoming: none, queue: { address: a@b.example } }\n";
    assert!(!read(&[SMALL, removed]).desired.unwrap().mailboxes.contains_key(&name("anna")));
    let desired = read(&[SMALL, removed, anew]).desired.unwrap();
    let anna = &desired.mailboxes[&name("anna")].value;
    assert_eq!((anna.address.as_str(), anna.profile.as_ref()), ("a@b.example", Some(&name("pop"))));
}

#[test]
fn a_row_of_a_csv_file_that_one_layer_removes_stays_removed_for_later_ones() {
    let of = |users: &str| format!("kind: MailboxList\nmetadata: {{ name: l }}\nspec:\n  users: [{users}]\n");
    let base = format!(
        "{SMALL}---\napiVersion: mailplumb/v1\n{}",
        of("").replace("users: []", "common: { incoming: none }\n  csv: { file: l.csv, type: user }")
    );
    let read = |later: &[&str]| {
        let texts: Vec<String> = later.iter().map(|users| of(users)).collect();
        let texts: Vec<&str> =
            std::iter::once(base.as_str()).chain(texts.iter().map(String::as_str)).collect();
        let mut files = layers_of(&texts);
        let rows = "name,address,approved,owner\ncarl,carl@b.example,carl@b.example,base@b.example\n";
        let csv = super::source("layer-0/l.csv", rows);
        files.insert(1, SourceFile { layer: files[0].layer.clone(), ..csv });
        let reading = manifest::read(&files, &HostSettings::default());
        let desired = reading.desired.unwrap_or_else(|| panic!("{:#?}", reading.problems));
        let carl = desired.mailboxes.get(&name("carl")).map(|carl| carl.value.clone());
        carl.map(|carl| (carl.address.to_string(), carl.is_approved(), carl.owner.is_some()))
    };
    let (removed, anew) = ("{ name: carl, remove: true }", "{ name: carl, address: carl@b.example }");
    let row = Some(("carl@b.example".to_owned(), true, true));
    let other = Some(("carl@b.example".to_owned(), false, false));
    assert_eq!(read(&[]), row);
    assert_eq!(read(&[anew]), row, "changed, not replaced");
    assert_eq!(read(&[removed]), None);
    assert_eq!(read(&[removed, anew]), other, "nobody approved this one");
    assert_eq!(
        read(&[removed, anew, "{ name: carl, approved: carl@b.example }"]).map(|it| (it.1, it.2)),
        Some((true, false))
    );
    assert_eq!(read(&[anew, removed]), None);
    assert_eq!(read(&[removed, anew, removed]), None);
    let elsewhere = "{ name: carl, address: new@b.example }";
    assert_eq!(read(&[removed, elsewhere]), Some(("new@b.example".to_owned(), false, false)));
}

#[test]
fn the_digest_follows_the_layers_and_their_order() {
    let digest = |texts: &[&str]| read(texts).desired.unwrap().digest;
    let one = "kind: Mailbox\nmetadata: { name: anna }\nspec: { outgoing: none }\n";
    let other = "kind: Mailbox\nmetadata: { name: anna }\nspec: { active: false }\n";
    assert_eq!(digest(&[SMALL, one, other]), digest(&[SMALL, one, other]));
    assert_ne!(digest(&[SMALL, one, other]), digest(&[SMALL, other, one]));
    assert_ne!(digest(&[SMALL, one]), digest(&[SMALL]));
}

#[test]
fn the_digest_does_not_depend_on_where_the_layers_stand() {
    let root = here().join("valid/layers-add-what-the-base-leaves-out");
    let digest = |folder: &std::path::Path| {
        let mut files = layers_at(folder, &["base", "prod"]);
        files.push(super::source(
            "o.yaml",
            "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: { name: a }\n",
        ));
        manifest::read(&files, &HostSettings::default()).desired.unwrap().digest
    };
    let elsewhere = tempfile::tempdir().unwrap();
    for layer in ["base", "prod"] {
        std::fs::create_dir_all(elsewhere.path().join(layer)).unwrap();
        std::fs::copy(root.join(layer).join("all.yaml"), elsewhere.path().join(layer).join("all.yaml"))
            .unwrap();
    }
    assert_eq!(digest(&root), digest(elsewhere.path()));
}

/// One document of an overlay over [`SMALL`], and what must be seen of it.
fn overlay() -> impl Strategy<Value = (String, OutgoingMethod, bool)> {
    (any::<bool>(), any::<bool>()).prop_map(|(sends, active)| {
        let (method, word) = if sends {
            (OutgoingMethod::ServerSideSync, "server-side-sync")
        } else {
            (OutgoingMethod::None, "none")
        };
        let text = format!(
            "kind: Mailbox\nmetadata: {{ name: support }}\nspec: {{ outgoing: {word}, active: {active} }}\n"
        );
        (text, method, active)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_of_the_last_layer_is_the_effective_one(
        layers in prop::collection::vec(overlay(), 1..5),
    ) {
        let mut texts = vec![SMALL];
        texts.extend(layers.iter().map(|(text, ..)| text.as_str()));
        let desired = read(&texts).desired.unwrap();
        let support = &desired.mailboxes[&name("support")].value;
        let (_, outgoing, active) = layers.last().unwrap();
        prop_assert_eq!((support.outgoing, support.active), (*outgoing, *active));
    }

    #[test]
    fn an_empty_layer_changes_nothing(at in 0usize..3, (text, ..) in overlay()) {
        for empty in ["", "# nothing\n", "---\n---\n", "kind: Mailbox\nmetadata: { name: support }\n", "kind: Mailbox\nmetadata: { name: support }\nspec: {}\n"] {
            let mut texts = vec![SMALL, &text];
            texts.insert(at.max(1), empty);
            prop_assert_eq!(meaning(&texts), meaning(&[SMALL, &text]));
        }
    }

    #[test]
    fn layers_of_anything_never_panic(texts in prop::collection::vec("(kind: |Mailbox\n|metadata: |\\{ name: |anna|support|, remove: true| \\}\n|spec: |\\{|\\}|users: |- |null|\n|---\n|  ){0,24}", 1..4)) {
        let mut layers = vec![SMALL];
        layers.extend(texts.iter().map(String::as_str));
        let _ = read(&layers);
        layers.reverse();
        let _ = read(&layers);
    }
}
