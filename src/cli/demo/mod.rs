//! `mailplumb demo`: the whole way, on mail servers inside this process.
//!
//! Every command that is shown is run as a process of its own, as a person would type it; this process only serves mail.

mod manifest;
mod stage;

use clap::Args;

use super::context::run;
use super::exit::{DONE, Failure, Outcome};
use super::{Global, output};
use stage::Stage;

/// Messages that wait in each mailbox when the demo begins.
const SEEDED: [(&str, usize); 4] = [("anna", 180), ("ben", 90), ("support", 60), ("chief", 40)];

/// Show everything at work, on mail servers inside this process
///
/// Starts POP3, IMAP, SMTP and Exchange servers with TLS on loopback and fills their mailboxes with mail, broken mail among it; writes a
/// manifest with encrypted passwords into a temporary folder; then goes the whole way: validate, plan, apply, test and enable,
/// sync, send. Each command is shown as one would type it. Nothing outside of this machine is contacted.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb demo\n  mailplumb demo --exchange   # what Exchange does beyond it\n  mailplumb demo --stay   # keep the servers and the folder, to try for yourself"
)]
pub struct Demo {
    /// Keep the servers running and the folder in place until Ctrl-C
    #[arg(long)]
    stay: bool,
    /// Show also how Exchange is read again after it forgot how far it had been read
    #[arg(long)]
    exchange: bool,
}

impl Demo {
    pub fn run(self, _global: &Global) -> Outcome {
        let stage = Stage::build(&SEEDED)?;
        play(&stage)?;
        if self.exchange {
            play_exchange(&stage)?;
        }
        stage.say("And the state of everything:")?;
        stage.command(&["status"], DONE)?;
        if self.stay {
            stage.invite_to_stay()?;
            let stopping = tokio_util::sync::CancellationToken::new();
            let waiting = stopping.clone();
            run(stopping, async move {
                waiting.cancelled().await;
                Ok(())
            })?;
        } else {
            say_what_next()?;
        }
        Ok(DONE)
    }
}

/// The story. Each chapter checks what it claims.
fn play(stage: &Stage) -> Result<(), Failure> {
    let seeded: usize = SEEDED.iter().map(|(_, count)| count).sum();
    stage.say("Four mailboxes wait on loopback servers: IMAP, POP3 twice, and Exchange.")?;
    stage.show_setting()?;
    stage.say("Is the manifest right? This needs no key and no network.")?;
    stage.command(&["validate"], DONE)?;
    stage.say("What would change? Nothing is stored yet, so everything is new.")?;
    stage.command(&["plan", "--out", "demo.plan"], DONE)?;
    stage.say("Apply exactly this plan: one transaction; then every mailbox is tested and enabled.")?;
    stage.command(&["apply", "demo.plan"], DONE)?;
    stage.say("A second plan is empty. (`--detailed-exitcode` would end with 2 otherwise.)")?;
    stage.command(&["plan", "--detailed-exitcode"], DONE)?;
    stage.say("Fetch the mail that waits. Broken messages are kept, never lost.")?;
    stage.command(&["sync"], DONE)?;
    stage.expect_records(seeded)?;
    stage.say("A second cycle finds nothing new, and fetches nothing.")?;
    stage.command(&["sync"], DONE)?;
    stage.expect_records(seeded)?;
    stage.say("Send a message from one mailbox to another, and fetch it there.")?;
    let send = [
        "outbox",
        "add",
        "--mailbox",
        "support",
        "--to",
        "anna@demo.example",
        "--subject",
        "Hello",
        "--text",
        "It works.",
    ];
    stage.command(&send, DONE)?;
    stage.command(&["sync", "support"], DONE)?;
    stage.command(&["sync", "anna"], DONE)?;
    stage.expect_records(seeded + 1)?;
    stage.command(&["outbox", "list"], DONE)?;
    stage.command(&["messages", "--mailbox", "anna", "--limit", "5"], DONE)
}

/// Exchange loses what it knew of the reader, as after a restore from a backup; nothing is recorded twice.
fn play_exchange(stage: &Stage) -> Result<(), Failure> {
    let seeded: usize = SEEDED.iter().map(|(_, count)| count).sum();
    stage.say("Exchange sends, too; the copy lies in Sent Items.")?;
    let send = [
        "outbox",
        "add",
        "--mailbox",
        "chief",
        "--to",
        "ben@demo.example",
        "--subject",
        "Lunch",
        "--text",
        "At noon?",
    ];
    stage.command(&send, DONE)?;
    stage.command(&["sync", "chief"], DONE)?;
    stage.say("Now its server forgets how far it was read. Everything is looked at again, and nothing is recorded twice.")?;
    stage.forget_sync_states();
    stage.command(&["sync", "chief"], DONE)?;
    stage.expect_records(seeded + 1)
}

fn say_what_next() -> Result<(), Failure> {
    output::data(
        "\nWhat to try next:\n  \
           mailplumb demo --stay              the same, and the servers stay for you to play with\n  \
           mailplumb init --profile imap-smtp begin a manifest for your own server\n  \
           mailplumb secrets set mail/password, then validate, plan, apply\n  \
           mailplumb watch                    follow the manifest and drive the mailboxes continuously\n  \
           mailplumb help                     everything else\n",
    )
}
