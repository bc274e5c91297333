//! What is explained is what is planned, and each place holds the value that is said to come from there.

use std::collections::BTreeMap;

use mailplumb::manifest::explain::{self, Explaining, Unexplained};
use mailplumb::manifest::{self};
use mailplumb::model::explanation::{Explained, Explanation, Provenance, Subject, Why};
use mailplumb::model::host::HostSettings;
use mailplumb::model::problem::SourceFile;
use mailplumb::plan::fields;
use proptest::prelude::*;

use super::cases::SMALL;
use super::{files_at, here, layers_at, layers_of, source};

fn explain(files: &[SourceFile], subjects: &[Subject]) -> Explaining {
    explain::explain(files, &HostSettings::default(), subjects)
}

fn one(files: &[SourceFile], word: &str) -> Explanation {
    explain(files, &[Subject::Any(word.to_owned())]).answers.remove(0).unwrap()
}

/// The text of the file at the place of a source.
fn written<'f>(files: &'f [SourceFile], source: &Provenance) -> Option<&'f str> {
    let origin = &source.place.as_ref()?.origin;
    let file = files.iter().find(|file| file.name == origin.file).unwrap();
    Some(std::str::from_utf8(&file.bytes[origin.start as usize..origin.end as usize]).unwrap())
}

/// Every mailbox: the value is that of the plan, and what stands at the place of a field is its value. Returns how many fields
/// had a place.
fn check(files: &[SourceFile]) -> usize {
    let desired = manifest::read(files, &HostSettings::default()).desired.unwrap();
    let subjects: Vec<Subject> =
        desired.mailboxes.keys().map(|name| Subject::Mailbox(name.to_string())).collect();
    let mut placed = 0;
    for (answer, declared) in explain(files, &subjects).answers.into_iter().zip(desired.mailboxes.values()) {
        let explanation = answer.unwrap();
        assert_eq!(explanation.value, Explained::Mailbox(Box::new(declared.value.clone())));
        assert_eq!(explanation.declared.origin, declared.origin);
        let fields = fields::mailbox(&declared.value);
        for (field, value) in &fields {
            let Some(source) = explanation.sources.get(field) else { continue };
            let Some(text) = written(files, source) else { continue };
            placed += 1;
            let fits = match field.as_str() {
                "credentials.password" => value.starts_with(&format!("{}/", text.trim_matches('"'))),
                // The same moment, in another zone.
                "processFrom" => text.len() >= 20,
                _ if value.starts_with('[') => text.starts_with('[') || text.starts_with('-'),
                _ => text.trim_matches('"').eq_ignore_ascii_case(value),
            };
            assert!(fits, "{field} of {} is {value}, but there stands {text}", explanation.subject);
        }
        // Nothing of what is written is left without a source.
        let settings = ["profile", "incoming", "outgoing", "owner", "credentials.password"];
        for field in settings.into_iter().filter(|field| fields.get(*field).is_some_and(|it| it != "none")) {
            assert!(explanation.sources.contains_key(field), "{field} of {}", explanation.subject);
        }
    }
    placed
}

#[test]
fn what_stands_at_the_place_of_a_field_is_its_value() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut placed = 0;
    for example in ["list-with-csv", "pop3-smtp", "queue", "forward-mailbox", "exchange-on-premises"] {
        placed += check(&files_at(&root.join(example)));
    }
    placed += check(&layers_at(&root.join("overlays"), &["base", "prod"]));
    placed += check(&layers_at(&root.join("overlays"), &["base", "test"]));
    placed += check(&files_at(&here().join("valid/every-field.yaml")));
    assert!(placed > 150, "{placed}");
}

#[test]
fn a_default_that_is_impossible_says_why_and_what_it_hides() {
    let files = files_at(&here().join("valid/every-field.yaml"));
    let collector = one(&files, "collector");
    let outgoing = &collector.sources["outgoing"];
    assert_eq!(outgoing.why, Why::Computed("a forward mailbox sends nothing".to_owned()));
    assert_eq!(outgoing.hides[0].why, Why::OrganizationDefault);
}

#[test]
fn an_overlay_says_what_it_hides_and_what_it_removes() {
    let overlay = "kind: Mailbox\nmetadata: { name: support }\nspec: { outgoing: none, approved: null }\n";
    let files = layers_of(&[SMALL, overlay]);
    let support = one(&files, "support@CONTOSO.example");
    let outgoing = &support.sources["outgoing"];
    assert_eq!(outgoing.place.as_ref().unwrap().origin.to_string(), "layer-1/manifest.yaml:3:19");
    assert!(outgoing.place.as_ref().unwrap().is_overlay);
    let hidden: Vec<_> = outgoing.hides.iter().map(|it| (it.value.as_str(), it.place.is_overlay)).collect();
    assert_eq!(hidden, [("server-side-sync", false)]);
    let approved = &support.sources["approved"];
    assert_eq!(approved.why, Why::Default(Some("nobody has approved this address".to_owned())));
    assert_eq!(approved.hides[0].removed_at.as_ref().unwrap().origin.line, 3);
}

#[test]
fn outgoing_credentials_and_ports_say_where_they_come_from() {
    let files = [source("manifest.yaml", SMALL)];
    let pop = explain(&files, &[Subject::Profile("pop".to_owned())]).answers.remove(0).unwrap();
    let source = &pop.sources["pop3Smtp.outgoing.credentials"];
    assert_eq!(source.why, Why::Inherited("those of incoming".to_owned()));
    assert_eq!(source.place.as_ref().unwrap().origin.line, 14);
    let port = &pop.sources["pop3Smtp.outgoing.port"];
    assert_eq!(port.why, Why::Computed("default port of SMTP with STARTTLS".to_owned()));
}

#[test]
fn a_secret_is_never_shown_whatever_hides_it() {
    let base = SMALL.replace("password: { secret: provider }", "password: hunter2");
    let overlay = "kind: Mailbox\nmetadata: { name: support }\nspec: { credentials: { password: { secret: provider } } }\n";
    let files = layers_of(&[&base, overlay]);
    let explaining = explain(&files, &[Subject::Any("support".to_owned())]);
    assert!(!format!("{:?}", explaining.answers).contains("hunter2"));
    assert!(explaining.problems.iter().any(|problem| problem.code == "MP0030"), "{:#?}", explaining.problems);
}

#[test]
fn unknown_and_ambiguous_subjects_and_those_with_errors_are_told_apart() {
    let text = SMALL.replace("name: anna", "name: pop").replace("host: imap.provider", "hots: imap.provider");
    let files = [source("manifest.yaml", &text)];
    let word = |word: &str| explain(&files, &[Subject::Any(word.to_owned())]).answers.remove(0).err();
    assert_eq!(word("pop"), Some(Unexplained::Ambiguous(vec!["mailbox/pop".into(), "profile/pop".into()])));
    assert_eq!(word("imap"), Some(Unexplained::Broken));
    assert_eq!(word("suport"), Some(Unexplained::Missing { hint: Some("did you mean `support`?".into()) }));
    assert_eq!(word("support"), None, "errors elsewhere do not matter");
}

/// A list, an assignment, defaults and an overlay, each with or without some of the settings.
fn manifests() -> impl Strategy<Value = Vec<String>> {
    let methods = || prop::option::of(prop::sample::select(vec!["none", "server-side-sync"]));
    let settings =
        || (methods(), methods(), prop::option::of(any::<bool>()), prop::option::of("[a-c]@x\\.example"));
    let places = prop::array::uniform6(settings());
    places.prop_map(|[defaults, common, own, assigned, over_own, over_common]| {
        let spell = |(incoming, outgoing, active, owner): (Option<&str>, Option<&str>, Option<bool>, Option<String>)| {
            let mut settings: BTreeMap<&str, String> = BTreeMap::new();
            settings.extend(incoming.map(|it| ("incoming", it.to_owned())));
            settings.extend(outgoing.map(|it| ("outgoing", it.to_owned())));
            settings.extend(active.map(|it| ("active", it.to_string())));
            settings.extend(owner.map(|it| ("owner", it)));
            settings.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ")
        };
        let of_defaults = spell((defaults.0, defaults.1, None, None));
        let base = format!(
            "apiVersion: mailplumb/v1
kind: Organization
metadata: {{ name: contoso }}
spec: {{ defaults: {{ {of_defaults} }} }}
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: {{ name: p }}
spec: {{ owner: o@x.example, imapSmtp: {{ incoming: {{ host: a.example, credentials: {{ oauth2: {{ tokenUrl: \"https://login.example/token\", clientId: u, clientSecret: {{ secret: s, key: k }}, scope: mail }} }} }}, outgoing: {{ host: b.example }} }} }}
---
apiVersion: mailplumb/v1
kind: Secret
metadata: {{ name: s }}
spec: {{ values: {{ k: {{ env: K }} }} }}
---
apiVersion: mailplumb/v1
kind: MailboxList
metadata: {{ name: l, labels: {{ team: sales }} }}
spec:
  common: {{ {} }}
  users: [{{ name: anna, address: anna@x.example, {} }}, {{ name: ben, address: ben@x.example }}]
---
apiVersion: mailplumb/v1
kind: MailboxAssignment
metadata: {{ name: a }}
spec: {{ select: {{ types: [user] }}, profile: p, {} }}
",
            spell(common), spell(own), spell(assigned)
        );
        let overlay = format!(
            "kind: MailboxList\nmetadata: {{ name: l }}\nspec:\n  common: {{ {} }}\n  users: [{{ name: anna, {} }}]\n",
            spell(over_common), spell(over_own)
        );
        vec![base, overlay]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_value_that_is_explained_is_the_one_that_is_planned(texts in manifests()) {
        prop_assert!(check(&[source("manifest.yaml", &texts[0])]) > 4);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        prop_assert!(check(&layers_of(&texts)) > 4);
    }
}
