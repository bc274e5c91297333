//! Which layers a command line names.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::Global;
use super::exit::{Failure, USAGE};

/// Completes what clap makes of `--file`: the environment variable holds several separated by `:`, and an option before the
/// command is not added to one behind it.
pub fn settle(global: &mut Global, matches: &ArgMatches, arguments: &[OsString]) -> Result<(), Failure> {
    match matches.value_source("file") {
        Some(ValueSource::EnvVariable) => {
            let split = |path: &PathBuf| {
                std::env::split_paths(path).filter(|path| !path.as_os_str().is_empty()).collect::<Vec<_>>()
            };
            global.file = global.file.iter().flat_map(split).collect();
            if global.file.is_empty() {
                return Err(Failure::new("MAILPLUMB_FILE names no path").code(USAGE));
            }
        }
        // Half of the layers would be another manifest, and a plan of it would delete things.
        Some(ValueSource::CommandLine) if named(arguments) > global.file.len() => {
            return Err(Failure::new(
                "`--file` stands before and behind the command; only one of them would count",
            )
            .code(USAGE)
            .hint(
                "write all of them behind the command: `mailplumb plan --file base --file overlays/prod`",
            ));
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// How often the command line has the option.
fn named(arguments: &[OsString]) -> usize {
    let is_file = |argument: &&OsString| {
        let text = argument.to_string_lossy();
        text == "--file" || text.starts_with("--file=") || (text.starts_with("-f") && !text.starts_with("--"))
    };
    arguments.iter().skip(1).take_while(|argument| *argument != OsStr::new("--")).filter(is_file).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_option_counts_and_nothing_else_does() {
        let count = |line: &str| named(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(count("mailplumb -f a plan --file b --file=c -fd"), 4);
        assert_eq!(count("mailplumb plan --output json -- -f x"), 0);
    }
}
