//! Commands that are advised, as they have to be typed here: with the options that say which manifest, store and keys
//! this command line was about. What comes from the environment is there for the next command, too.

use std::borrow::Cow;
use std::path::Path;
use std::sync::OnceLock;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::{Global, output};

/// ` --file mail --state mail.db`. Empty: nothing was given.
static GIVEN: OnceLock<String> = OnceLock::new();

/// How every advised command begins.
const BEGINS: &str = "`mailplumb ";

/// What these do does not depend on a manifest or a store.
const ANYWHERE: [&str; 6] = ["demo", "init", "schema", "completions", "man", "secrets keygen"];

/// Remembers what the command line gave.
pub(super) fn remember(global: &Global, matches: &ArgMatches) {
    let is_given = |option: &str| matches.value_source(option) == Some(ValueSource::CommandLine);
    let Global { file, state, host_config, identity, chdir, no_cache: _, color: _ } = global;
    let mut given = String::new();
    let mut add = |id: &str, option: &str, paths: &mut dyn Iterator<Item = &Path>| {
        for path in paths.filter(|_| is_given(id)) {
            given.push_str(&format!(" {option} {}", word(&path.to_string_lossy())));
        }
    };
    add("chdir", "-C", &mut chdir.iter().map(AsRef::as_ref));
    add("file", "--file", &mut file.iter().map(AsRef::as_ref));
    add("state", "--state", &mut state.iter().map(AsRef::as_ref));
    add("host_config", "--host-config", &mut host_config.iter().map(AsRef::as_ref));
    add("identity", "--identity", &mut identity.iter().map(AsRef::as_ref));
    // Only the first command line of a process counts, and there is one.
    let _ = GIVEN.set(given);
}

/// An advice with its commands as they have to be typed.
pub(super) fn advice(text: &str) -> Cow<'_, str> {
    GIVEN.get().map_or(Cow::Borrowed(text), |given| with(text, given))
}

/// The same of somebody else's making, on one line.
pub(super) fn remedy(text: &str) -> String {
    advice(&output::shown(text)).into_owned()
}

fn with<'a>(text: &'a str, given: &str) -> Cow<'a, str> {
    if given.is_empty() || !text.contains(BEGINS) {
        return Cow::Borrowed(text);
    }
    let mut advice = String::with_capacity(text.len() + given.len());
    let mut rest = text;
    while let Some(at) = rest.find(BEGINS) {
        let (before, command) = rest.split_at(at + BEGINS.len());
        advice.push_str(before);
        let has_own = command.split('`').next().is_some_and(|command| command.contains(" --file "));
        if !has_own && !ANYWHERE.iter().any(|name| command.starts_with(name)) {
            advice.push_str(given.trim_start());
            advice.push(' ');
        }
        rest = command;
    }
    advice.push_str(rest);
    Cow::Owned(advice)
}

/// As a POSIX shell takes it for one word.
pub(super) fn word(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_advised_command_gets_the_options_and_nothing_else_does() {
        let given = " --file mail --state mail.db";
        let told =
            with("run `mailplumb plan`, then `mailplumb apply --resume`; `mailplumb` reads mail", given);
        assert_eq!(
            told,
            "run `mailplumb --file mail --state mail.db plan`, \
             then `mailplumb --file mail --state mail.db apply --resume`; `mailplumb` reads mail"
        );
        for same in [
            "`mailplumb secrets keygen` makes one",
            "nothing to type",
            "`mailplumb apply --file other` applies it",
        ] {
            assert_eq!(with(same, given), same);
            assert_eq!(with("`mailplumb plan`", ""), "`mailplumb plan`");
        }
    }

    #[test]
    fn paths_are_one_word_of_a_shell_each() {
        for (path, word) in
            [("a/b-1.yaml", "a/b-1.yaml"), ("my mail", "'my mail'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(super::word(path), word);
        }
    }
}
