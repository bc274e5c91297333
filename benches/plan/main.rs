//! `cargo bench --bench plan`: what reading, planning and applying cost, written into `docs/performance.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program of its own that prints figures")]

mod floor;
mod generate;
mod measure;

use std::path::Path;
use std::process::ExitCode;

use generate::{Layout, Version};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["rusage", ..] => return measure::rusage(&arguments[1..]),
        ["events", folder] => floor::events(Path::new(folder)).map(|events| println!("{events} events")),
        ["stat", folder] => floor::stat(Path::new(folder)).map(|bytes| println!("{bytes} bytes")),
        ["generate", folder, mailboxes, layout, version] => {
            let layout = Layout::ALL.into_iter().find(|known| known.key() == *layout);
            let version = if *version == "first" { Version::First } else { Version::OnePercentChanged };
            let mailboxes = mailboxes.parse().unwrap_or(1000);
            generate::write(Path::new(folder), mailboxes, layout.unwrap_or(Layout::TeamFiles), version)
        }
        _ => Err(std::io::Error::other("unknown arguments")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
