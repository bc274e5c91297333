//! The only room that talks to a person. One file per command; data to stdout, talk to stderr.

mod alerts;
mod apply;
mod approve;
mod bar;
mod choice;
mod compare;
mod completions;
mod confirm;
mod context;
#[cfg(feature = "demo")]
mod demo;
mod describe;
mod discoveries;
mod doctor;
mod events;
mod exit;
mod explain;
mod fmt;
mod get;
mod hidden;
mod history;
mod init;
mod layers;
mod listing;
mod machine;
mod mailboxes;
mod man;
mod messages;
mod open_files;
mod outbox;
mod output;
mod plan;
mod private_file;
pub mod problems;
mod progress;
mod report;
mod resource;
mod rewriting;
mod saved;
mod schema;
mod secrets;
mod selectors;
mod state;
mod status;
mod sync;
mod test;
mod typed;
mod uses;
mod validate;
mod view;
mod watch;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Keep an organisation's mail plumbing true to what is written in git.
///
/// Declare mail-server profiles and mailboxes in YAML with age-encrypted secrets. `plan` shows what would change, `apply`
/// changes it and tests every mailbox, `sync` moves mail once, and `watch` does all of it continuously.
#[derive(Debug, Parser)]
#[command(name = "mailplumb", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Begin with `mailplumb demo`, or with `mailplumb init --profile imap-smtp`.")]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Read the manifest from this directory or file; given several times, later ones are laid over earlier ones
    ///
    /// `--file base --file overlays/prod`: what a later layer says wins, field by field. In the environment variable, several
    /// are separated by `:`.
    #[arg(
        short,
        long = "file",
        global = true,
        value_name = "PATH",
        env = "MAILPLUMB_FILE",
        default_value = "."
    )]
    file: Vec<PathBuf>,
    /// Keep the stored state in this file [default: .mailplumb/state.db beside the manifest's first layer]
    #[arg(long, global = true, value_name = "FILE", env = "MAILPLUMB_STATE")]
    state: Option<PathBuf>,
    /// Read this host's switches, CA bundles and name overrides from this file
    #[arg(long, global = true, value_name = "FILE", env = "MAILPLUMB_HOST_CONFIG")]
    host_config: Option<PathBuf>,
    /// Open secrets with this age identity file and no other; may be given several times
    #[arg(long, global = true, value_name = "FILE", env = "MAILPLUMB_IDENTITY")]
    identity: Vec<PathBuf>,
    /// Work in this directory: other paths are relative to it
    #[arg(short = 'C', long, global = true, value_name = "DIR", env = "MAILPLUMB_CHDIR")]
    chdir: Option<PathBuf>,
    /// Read everything again, without what the last reading remembers beside the stored state
    #[arg(
        long,
        global = true,
        env = "MAILPLUMB_NO_CACHE",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    no_cache: bool,
    /// Colour the output
    #[arg(long, global = true, value_name = "WHEN", env = "MAILPLUMB_COLOR", default_value = "auto")]
    color: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colour {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    Always,
    Never,
}

/// How a listing is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Each command is described by its own arguments: a doc comment here would take the place of theirs.
#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    Init(init::Init),
    Validate(validate::Validate),
    Explain(explain::Explain),
    Fmt(fmt::Fmt),
    Plan(plan::PlanCommand),
    Apply(apply::Apply),
    Test(test::Test),
    Approve(approve::Approve),
    Reject(approve::Reject),
    Sync(sync::Sync),
    Watch(watch::WatchCommand),
    Doctor(doctor::Doctor),
    Status(status::Status),
    Get(get::Get),
    Describe(describe::Describe),
    Messages(messages::Messages),
    Outbox(outbox::Outbox),
    Alerts(alerts::Alerts),
    History(history::History),
    State(state::State),
    Secrets(secrets::Secrets),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::ManPages),
}

/// The whole command line, for whatever is made of it: completions, manual pages, the reference.
pub fn commands() -> clap::Command {
    Arguments::command()
}

/// Goes to the directory that `--chdir` names, before any path is looked at.
fn enter(global: &Global) -> Result<(), exit::Failure> {
    let Some(directory) = &global.chdir else { return Ok(()) };
    std::env::set_current_dir(directory)
        .map_err(|error| exit::Failure::new(format!("cannot work in `{}`", directory.display())).cause(error))
}

/// Other programs take what they work on without an option.
fn hint_at_path(error: &clap::Error) {
    if let (ErrorKind::UnknownArgument, Some(ContextValue::String(word))) =
        (error.kind(), error.get(ContextKind::InvalidArg))
        && std::path::Path::new(word).exists()
    {
        output::hint(&format!("a manifest is named with an option: `--file {}`", typed::word(word)));
    }
}

/// A variable that is set to nothing, as CI systems do, is as one that is not set.
#[expect(clippy::disallowed_methods, reason = "clap says which variables it reads, and not what they hold")]
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |argument: &clap::Arg| {
        argument.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty())
    };
    command.mut_args(|argument| if is_empty(&argument) { argument.env(None) } else { argument })
}

/// Runs the program; the exit codes are in `exit.rs`.
pub fn main() -> ExitCode {
    let given: Vec<OsString> = std::env::args_os().collect();
    let parsed = without_empty_variables(Arguments::command())
        .try_get_matches_from(&given)
        .and_then(|matches| Ok((Arguments::from_arg_matches(&matches)?, matches)));
    let (mut arguments, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let _ = error.print();
            hint_at_path(&error);
            if !error.use_stderr() {
                return ExitCode::from(exit::DONE);
            }
            exit::tell_usage(&error, exit::Reader::of_words(&given));
            return ExitCode::from(exit::USAGE);
        }
    };
    output::set_colour(arguments.global.color);
    let reader = exit::Reader::of(&matches);
    if let Err(failure) = layers::settle(&mut arguments.global, &matches, &given) {
        return ExitCode::from(exit::conclude(Err(failure), reader));
    }
    let global = &arguments.global;
    typed::remember(global, &matches);
    if let Err(failure) = enter(global) {
        return ExitCode::from(exit::conclude(Err(failure), reader));
    }
    let result = match arguments.command {
        #[cfg(feature = "demo")]
        Command::Demo(command) => command.run(global),
        Command::Init(command) => command.run(global),
        Command::Validate(command) => command.run(global),
        Command::Explain(command) => command.run(global),
        Command::Fmt(command) => command.run(global),
        Command::Plan(command) => command.run(global),
        Command::Apply(command) => command.run(global),
        Command::Test(command) => command.run(global),
        Command::Approve(command) => command.run(global),
        Command::Reject(command) => command.run(global),
        Command::Sync(command) => command.run(global),
        Command::Watch(command) => command.run(global),
        Command::Doctor(command) => command.run(global),
        Command::Status(command) => command.run(global),
        Command::Get(command) => command.run(global),
        Command::Describe(command) => command.run(global),
        Command::History(command) => command.run(global),
        Command::State(command) => command.run(global),
        Command::Completions(command) => command.run(global),
        Command::Man(command) => command.run(global),
        Command::Messages(command) => command.run(global),
        Command::Outbox(command) => command.run(global),
        Command::Alerts(command) => command.run(global),
        Command::Secrets(command) => command.run(global),
        Command::Schema(command) => command.run(),
    };
    ExitCode::from(exit::conclude(result, reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// clap lets a command's own argument take the place of a global one with the same name, and fails when it is read.
    #[test]
    fn no_command_has_an_argument_with_the_name_of_a_global_one() {
        let mut arguments = Arguments::command();
        arguments.build();
        let globals: Vec<String> = arguments
            .get_arguments()
            .filter(|argument| argument.is_global_set())
            .map(|argument| argument.get_id().to_string())
            .collect();
        assert!(globals.len() >= 5, "{globals:?}");
        let mut commands: Vec<&clap::Command> = arguments.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            commands.extend(command.get_subcommands());
            let own = |argument: &&clap::Arg| {
                globals.contains(&argument.get_id().to_string()) && !argument.is_global_set()
            };
            let clashes: Vec<_> = command.get_arguments().filter(own).map(clap::Arg::get_id).collect();
            assert!(clashes.is_empty(), "{}: {clashes:?}", command.get_name());
        }
    }
}
