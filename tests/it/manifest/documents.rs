//! One rule in each file of `valid/` and `invalid/`. What is said of each stands beside it in `*.expected`; a directory
//! is a manifest of several files, and one with a file `layers` has a layer in each of the folders named there, in this order.
//! `MAILPLUMB_BLESS=1` writes what is said now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mailplumb::cli::problems::{Renderer, Style};
use mailplumb::manifest::{self, codes};
use mailplumb::model::host::HostSettings;
use mailplumb::model::problem::{Problem, SourceFile};
use mailplumb::model::retirement;

use super::{blessing, errors, files_at, here, layers_at};

/// What stands before every case that brings no organization of its own.
const ORGANIZATION: &str = "apiVersion: mailplumb/v1\nkind: Organization\nmetadata: { name: contoso }\n";

fn cases(directory: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(here().join(directory)).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> =
        entries.filter(|path| path.is_dir() || path.extension().is_some_and(|it| it == "yaml")).collect();
    cases.sort();
    cases
}

fn read_case(path: &Path) -> (Vec<SourceFile>, Vec<Problem>, bool) {
    let order = std::fs::read_to_string(path.join("layers")).ok();
    let mut files = match &order {
        Some(order) => layers_at(path, &order.lines().collect::<Vec<_>>()),
        None => files_at(path),
    };
    let host_file = files.iter().position(|file| &*file.name == "host.yaml").map(|at| files.remove(at));
    let has_organization =
        files.iter().any(|file| String::from_utf8_lossy(&file.bytes).contains("kind: Organization"));
    if !has_organization && !path.ends_with("no-organization.yaml") {
        files.push(super::source("zz-organization.yaml", ORGANIZATION));
    }
    let (host, mut problems) = match host_file.as_ref().map(manifest::host::read) {
        None => (HostSettings::default(), Vec::new()),
        Some(Ok(host)) => (host, Vec::new()),
        Some(Err(problems)) => (HostSettings::default(), problems),
    };
    let reading = manifest::read(&files, &host);
    assert_eq!(reading.desired.is_some(), errors(&reading.problems).is_empty(), "{}", path.display());
    problems.extend(reading.problems);
    files.extend(host_file);
    (files, problems, reading.desired.is_some())
}

fn check(path: &Path) -> Vec<Problem> {
    let (files, problems, _) = read_case(path);
    let renderer = Renderer::new(&files, &problems, Style::Plain);
    let found: String = problems.iter().map(|problem| renderer.render(problem) + "\n").collect();
    let expected_path = path.with_extension("expected");
    if blessing() {
        std::fs::write(&expected_path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
    problems
}

#[test]
fn a_password_under_a_misspelt_key_is_shown_nowhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/manifest/invalid");
    let read =
        |ending: &str| std::fs::read_to_string(folder.join(format!("misspelt-password.{ending}"))).unwrap();
    assert!(read("yaml").matches("hunter2").count() > 5);
    assert!(!read("expected").contains("hunter2"));
}

#[test]
fn valid_manifests_are_read() {
    for path in cases("valid") {
        let (_, problems, read) = read_case(&path);
        assert!(read, "{} {problems:#?}", path.display());
        check(&path);
    }
}

#[test]
fn invalid_manifests_are_refused_with_a_place_and_a_reason() {
    for path in cases("invalid") {
        let problems = check(&path);
        assert!(!problems.is_empty(), "{}", path.display());
        assert!(
            problems.iter().all(|problem| problem.code == codes::ORGANIZATION.0 || problem.origin.is_some())
        );
    }
}

fn too_large() -> Vec<Problem> {
    let bytes = usize::try_from(mailplumb::model::limits::MANIFEST_FILE_BYTES_MAX).unwrap() + 1;
    let files = [super::source("large.yaml", vec![b' '; bytes]), super::source("b.yaml", "kind: X\n")];
    manifest::read(&files, &HostSettings::default()).problems
}

#[test]
fn a_file_that_is_too_large_is_refused_and_the_others_are_read() {
    let problems = too_large();
    let found: Vec<_> = problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(found, [codes::API_VERSION.0, codes::KIND.0, codes::TOO_LARGE.0]);
}

/// The vendor's rules of a profile: `p-05-…` in both folders.
#[test]
fn every_rule_has_a_valid_and_an_invalid_case() {
    for folder in ["valid", "invalid"] {
        let names: Vec<String> = cases(folder)
            .iter()
            .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        for rule in 1..=17 {
            let start = format!("p-{rule:02}-");
            assert!(names.iter().any(|name| name.starts_with(&start)), "{folder}/{start}*");
        }
    }
}

#[test]
fn what_providers_switch_off_is_a_warning_with_its_dates() {
    let profile = "---\napiVersion: mailplumb/v1\nkind: EmailServerProfile\nmetadata: { name: exo }\nspec:\n  \
                   owner: a@b.example\n  exchangeOnline:\n    tenant: x.example\n    transport: ews\n    \
                   serverToServer: { clientId: c, clientSecret: { secret: s, key: k } }\n---\napiVersion: \
                   mailplumb/v1\nkind: Secret\nmetadata: { name: s }\nspec: { values: { k: { env: K } } }\n";
    let desired = super::read_text(&format!("{ORGANIZATION}{profile}")).desired.unwrap();
    for (day, code, words) in [
        (jiff::civil::date(2026, 9, 1), codes::RETIRING, "from 2026-10-01"),
        (jiff::civil::date(2027, 3, 31), codes::RETIRING, "since 2026-10-01"),
        (jiff::civil::date(2027, 4, 1), codes::RETIRED, "since 2027-04-01: switched off for good"),
    ] {
        let found = manifest::dated::warnings(&desired, day);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert_eq!(found[0].code, code.0);
        assert!(found[0].message.contains(words) && found[0].hint.as_ref().unwrap().contains("graph"));
        assert_eq!(found[0].origin.as_ref().unwrap().line, 7);
    }
}

/// One profile for each dated rule, and some that none concerns.
#[test]
fn each_dated_rule_concerns_a_profile_and_no_other() {
    let login = "credentials: { profile: { username: a, password: { secret: s, key: k } } }";
    let proof = "serverToServer: { clientId: c, clientSecret: { secret: s, key: k } }";
    let mail = |incoming: &str, outgoing: &str| {
        format!(
            "imapSmtp: {{ incoming: {{ host: {incoming}, credentials: {{ mailbox: {{}} }} }}, outgoing: {{ host: {outgoing} }} }}"
        )
    };
    let as_somebody = login.replace("key: k }", "key: k }, access: impersonation");
    let exchange = |host: &str, credentials: &str| {
        format!(
            "exchange: {{ location: {{ fixed: {{ incoming: 'https://{host}/EWS/Exchange.asmx' }} }}, incoming: {{ {credentials} }} }}"
        )
    };
    let cases = [
        ("exchange-online-ews", format!("exchangeOnline: {{ tenant: x.example, transport: ews, {proof} }}")),
        ("exchange-online-impersonation", exchange("outlook.office365.com", &as_somebody)),
        ("exchange-online-basic", mail("outlook.office365.com", "a.example")),
        ("exchange-online-smtp-basic", mail("a.example", "smtp.office365.com")),
        ("gmail-passwords", mail("imap.gmail.com", "a.example")),
        ("", format!("exchangeOnline: {{ tenant: x.example, {proof} }}")),
        ("", exchange("mail.contoso.example", &as_somebody)),
        ("", mail("outlook.office365.com.example", "notgmail.com")),
    ];
    let told = |server: &str| -> Vec<String> {
        let profile = format!(
            "---\napiVersion: mailplumb/v1\nkind: EmailServerProfile\nmetadata: {{ name: p }}\nspec:\n  owner: a@b.example\n  \
             {server}\n---\napiVersion: mailplumb/v1\nkind: Secret\nmetadata: {{ name: s }}\nspec: {{ values: {{ k: {{ env: K }} }} }}\n"
        );
        let reading = super::read_text(&format!("{ORGANIZATION}{profile}"));
        let desired = reading.desired.unwrap_or_else(|| panic!("{server}: {:#?}", reading.problems));
        let found = manifest::dated::warnings(&desired, jiff::civil::date(2028, 1, 1));
        found.into_iter().map(|problem| problem.message).collect()
    };
    for rule in retirement::ALL {
        let (_, server) = cases.iter().find(|(key, _)| *key == rule.key).expect("each rule has a case");
        let said = told(server);
        assert!(said.iter().any(|message| message.contains(rule.what)), "{}: {said:?}", rule.key);
    }
    for (_, server) in cases.iter().filter(|(key, _)| key.is_empty()) {
        assert_eq!(told(server), Vec::<String>::new(), "{server}");
    }
}

/// `docs/problems.md`: meaning, an example as it is printed, what to do.
#[test]
fn the_page_of_problems_is_that_of_this_version() {
    let mut examples = BTreeMap::new();
    for path in cases("invalid").into_iter().chain(cases("valid")) {
        let (files, problems, _) = read_case(&path);
        let renderer = Renderer::new(&files, &problems, Style::Plain);
        for problem in &problems {
            let better = |known: &Problem| known.hint.is_none() && problem.hint.is_some();
            if examples.get(&problem.code).is_none_or(|(known, _)| better(known)) {
                examples.insert(problem.code.clone(), (problem.clone(), renderer.render(problem)));
            }
        }
    }
    let mut page = String::from(
        "# Problems\n\nEvery code that `mailplumb validate` prints. A code is never used again for something else. \
         `mailplumb validate --explain MP0023` prints a section.\nThis page is generated from the program and its tests.\n",
    );
    for (code, meaning) in codes::ALL {
        let example = examples.get(code.0);
        let said = example.and_then(|(problem, _)| problem.hint.as_ref().or(problem.label.as_ref()));
        let remedy = manifest::meanings::REMEDIES
            .iter()
            .find(|(of, _)| *of == code.0)
            .map(|(_, text)| (*text).to_owned());
        let remedy =
            remedy.or_else(|| said.map(|text| format!("As the problem says: {}.", text.replace('\n', " "))));
        let remedy = remedy.unwrap_or_else(|| panic!("{} needs a line in `meanings::REMEDIES`", code.0));
        page.push_str(&format!("\n## {}\n\n{}.\n", code.0, capital(meaning)));
        if let Some((_, shown)) = example {
            page.push_str(&format!("\n```text\n{}\n```\n", shown.trim_end()));
        }
        page.push_str(&format!("\nWhat to do: {remedy}\n"));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/problems.md");
    if blessing() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(&path).unwrap() == page, "docs/problems.md is stale: MAILPLUMB_BLESS=1");
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[test]
fn every_code_is_produced_by_a_case() {
    let paths = cases("invalid").into_iter().chain(cases("valid"));
    let mut found: BTreeSet<String> =
        paths.flat_map(|path| read_case(&path).1).map(|problem| problem.code).collect();
    // These do not come from reading; each is tested where it arises.
    found.extend([codes::EDIT, codes::FORMAT, codes::RETIRING, codes::RETIRED].map(|code| code.0.to_owned()));
    // Neither do dates, and what is said of SSH keys depends on the build.
    // Files and floods of problems are tested through the command line.
    found.extend([codes::UNREADABLE, codes::TOO_MANY_PROBLEMS].map(|code| code.0.to_owned()));
    found.extend([codes::EXPIRES.0.to_owned(), codes::SSH_RECIPIENT.0.to_owned()]);
    found.extend(too_large().into_iter().map(|problem| problem.code));
    let missing: Vec<_> = codes::ALL.iter().filter(|(code, _)| !found.contains(code.0)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
