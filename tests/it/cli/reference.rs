//! `docs/commands.md` is made from the program's own help, and is fresh.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command};

use crate::support::need::setting;

const HEAD: &str = "# Commands

This page is made from the program's own help; `mailplumb COMMAND --help` shows the same with examples.

Data goes to stdout, talk to stderr. With `--output json`, stdout holds one JSON object with `formatVersion` and nothing
else, also when something fails; `mailplumb schema` prints its JSON Schema. Times are RFC 3339. New members may appear in
an object without a new `formatVersion`. Exit codes are in [exit-codes.md](exit-codes.md).

";

#[test]
fn the_reference_of_commands_is_fresh() {
    let mut all = mailplumb::cli::commands();
    all.build();
    let mut page = HEAD.to_owned();
    write_globals(&mut page, &all);
    write_command(&mut page, &all, "mailplumb");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    if setting("MAILPLUMB_BLESS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "docs/commands.md is stale: run the tests with MAILPLUMB_BLESS=1");
}

#[test]
fn every_command_tells_more_than_its_summary() {
    let mut all = mailplumb::cli::commands();
    all.build();
    for command in all.get_subcommands().filter(|command| command.get_name() != "help") {
        let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
        // A doc comment on the variant in `cli/mod.rs` takes the place of the command's own.
        assert!(long.contains('\n'), "`{} --help` has lost its description", command.get_name());
    }
}

fn is_shown(argument: &&Arg) -> bool {
    !argument.is_hide_set() && !["help", "version"].contains(&argument.get_id().as_str())
}

fn write_globals(page: &mut String, all: &Command) {
    page.push_str("## Options of every command\n\n| option | variable | meaning |\n|---|---|---|\n");
    for argument in all.get_arguments().filter(is_shown) {
        let variable = argument.get_env().map(|name| format!("`{}`", name.to_string_lossy()));
        assert!(variable.is_some(), "{} has no variable", argument.get_id());
        let _ = writeln!(page, "| {} | {} | {} |", option(argument), variable.unwrap(), meaning(argument));
    }
    page.push('\n');
}

fn write_command(page: &mut String, command: &Command, name: &str) {
    for below in command.get_subcommands().filter(|below| below.get_name() != "help" && !below.is_hide_set())
    {
        let name = format!("{name} {}", below.get_name());
        let _ = writeln!(page, "## `{name}`\n\n{}\n", paragraphs(below));
        let own: Vec<&Arg> =
            below.get_arguments().filter(is_shown).filter(|argument| !argument.is_global_set()).collect();
        if !own.is_empty() {
            page.push_str("| argument | meaning |\n|---|---|\n");
            for argument in own {
                let _ = writeln!(page, "| {} | {} |", option(argument), meaning(argument));
            }
            page.push('\n');
        }
        write_command(page, below, &name);
    }
}

fn paragraphs(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    about.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn option(argument: &Arg) -> String {
    let values: Vec<String> = argument
        .get_value_names()
        .filter(|_| argument.get_action().takes_values())
        .map(|names| names.iter().map(ToString::to_string).collect())
        .unwrap_or_default();
    let value = values.join(" ");
    let flags = match (argument.get_short(), argument.get_long()) {
        (Some(short), Some(long)) => format!("-{short}, --{long}"),
        (None, Some(long)) => format!("--{long}"),
        (Some(short), None) => format!("-{short}"),
        (None, None) => String::new(),
    };
    format!("`{}`", format!("{flags} {value}").trim())
}

fn meaning(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default().replace('|', "\\|");
    let values: Vec<String> = argument
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if argument.get_action().takes_values() && !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    let defaults: Vec<String> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    if argument.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(text, " (default `{}`)", defaults.join(" "));
    }
    text
}
