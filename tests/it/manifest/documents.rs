//! One rule in each file of `valid/` and `invalid/`. What is said of each stands beside it in `*.expected`; a directory
//! is a manifest of several files, and one with a file `layers` has a layer in each of the folders named there, in this order.
//! `MAILPLUMB_BLESS=1` writes what is said now.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use mailplumb::cli::problems::{Renderer, Style};
use mailplumb::manifest::{self, codes};
use mailplumb::model::host::HostSettings;
use mailplumb::model::problem::{Problem, SourceFile};

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

#[test]
fn every_code_is_produced_by_a_case() {
    let paths = cases("invalid").into_iter().chain(cases("valid"));
    let mut found: BTreeSet<String> =
        paths.flat_map(|path| read_case(&path).1).map(|problem| problem.code).collect();
    // `put_secret_value` is not part of reading; its refusals are tested beside it.
    found.insert(codes::EDIT.0.to_owned());
    // Neither are dates, and what is said of SSH keys depends on the build.
    found.extend([codes::EXPIRES.0.to_owned(), codes::SSH_RECIPIENT.0.to_owned()]);
    found.extend(too_large().into_iter().map(|problem| problem.code));
    let missing: Vec<_> = codes::ALL.iter().filter(|(code, _)| !found.contains(code.0)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
