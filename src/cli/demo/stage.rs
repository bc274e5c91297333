//! The demo's folder and servers, and the commands that are run on them.

use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use super::manifest::{self, DOMAIN};
use crate::cli::exit::Failure;
use crate::cli::output::{self, FAINT, GOOD};
use crate::cli::secrets::write_identity;
use crate::engine::clock::SystemClock;
use crate::playground::{Impersonation, Options, Playground, User};

/// Where the demo takes place. The folder is removed when it is dropped.
pub struct Stage {
    folder: PathBuf,
    playground: Playground,
}

/// Works in the mailboxes of Exchange for their owners.
const SERVICE: &str = "DEMO\\svc-sync";

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Stage {
    /// Starts the servers with mail in their mailboxes and writes the folder.
    pub fn build(seeded: &[(&str, usize)]) -> Result<Self, Failure> {
        let mut passwords = BTreeMap::from([("exchange".to_owned(), random()?)]);
        for (user, _) in seeded {
            passwords.insert((*user).to_owned(), random()?);
        }
        let user = |(name, _): &(&str, usize)| {
            let address = format!("{name}@{DOMAIN}");
            User::new(&address, &address, &passwords[*name])
        };
        let mut users: Vec<User> = seeded.iter().map(user).collect();
        users.push(User::new(&format!("svc-sync@{DOMAIN}"), SERVICE, &passwords["exchange"]));
        let options = Options {
            host_names: vec![format!("mail.{DOMAIN}")],
            users,
            impersonation: Impersonation::By(SERVICE.to_owned()),
            clock: Arc::new(SystemClock::new()),
            ..Options::default()
        };
        let playground = Playground::start(options)
            .map_err(|error| Failure::new("the demo's mail servers cannot be started").cause(error))?;
        for (seed, (name, count)) in seeded.iter().enumerate() {
            playground.state().seed(&format!("{name}@{DOMAIN}"), *count, seed as u64).map_err(|error| {
                Failure::new("the demo's mailboxes cannot be filled").cause(format!("{error:?}"))
            })?;
        }
        let folder = std::env::temp_dir().join(format!("mailplumb-demo-{}", &random()?[..8]));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(|error| Failure::new(format!("`{}` cannot be made", folder.display())).cause(error))?;
        let stage = Self { folder, playground };
        let recipient = write_identity(&stage.folder.join("age.key"))?;
        let playground = &stage.playground;
        stage.write("mail/mailplumb.yaml", &manifest::manifest(playground, &recipient))?;
        stage.write("mail/secrets.yaml", &manifest::secrets(&passwords, &recipient)?)?;
        stage.write("host.yaml", &manifest::host_file(playground))?;
        stage.write("demo-ca.pem", playground.ca_pem())?;
        Ok(stage)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        let parent = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        parent
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| Failure::new(format!("`{}` cannot be written", path.display())).cause(error))
    }

    pub fn say(&self, words: &str) -> Result<(), Failure> {
        output::data(&format!("\n{GOOD}# {words}{GOOD:#}"))
    }

    /// What a person would have typed before.
    pub fn show_setting(&self) -> Result<(), Failure> {
        let folder = self.folder.display();
        output::data(&format!(
            "{FAINT}$ cd {folder}\n$ export MAILPLUMB_FILE=mail MAILPLUMB_HOST_CONFIG=host.yaml \
             MAILPLUMB_AGE_KEY_FILE=age.key{FAINT:#}"
        ))
    }

    /// Shows a command, runs it, and insists on its exit code.
    pub fn command(&self, arguments: &[&str], expected: u8) -> Result<(), Failure> {
        let typed = arguments.iter().map(|argument| quoted(argument)).collect::<Vec<_>>().join(" ");
        output::data(&format!("\n{FAINT}$ mailplumb {typed}{FAINT:#}"))?;
        let status = self
            .process(arguments)?
            // One stream, so that talk and data stay in order.
            .stderr(std::io::stdout())
            .status()
            .map_err(|error| Failure::new("the demo cannot run a command").cause(error))?;
        match status.code() {
            Some(code) if code == i32::from(expected) => Ok(()),
            code => {
                Err(Failure::new(format!("`mailplumb {typed}` ended with {code:?}, expected {expected}")))
            }
        }
    }

    /// Exchange does not know any more how far it was read.
    pub fn forget_sync_states(&self) {
        self.playground.exchange().forget_sync_states();
    }

    /// Insists on the number of records.
    pub fn expect_records(&self, expected: usize) -> Result<(), Failure> {
        let output = self
            .process(&["messages", "--limit", "1000000", "--output", "json"])?
            .output()
            .map_err(|error| Failure::new("the demo cannot run a command").cause(error))?;
        let document: serde_json::Value = serde_json::from_slice(&output.stdout)
            .map_err(|error| Failure::new("the demo cannot read the records").cause(error))?;
        let records = document["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        if records.len() == expected {
            output::talk(&format!(
                "{FAINT}({expected} messages are recorded, as many as the servers had){FAINT:#}"
            ));
            Ok(())
        } else {
            Err(Failure::new(format!("{} messages are recorded, expected {expected}", records.len())))
        }
    }

    fn process(&self, arguments: &[&str]) -> Result<Command, Failure> {
        let program = std::env::current_exe()
            .map_err(|error| Failure::new("the demo cannot find its own program").cause(error))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .env_remove("MAILPLUMB_STATE")
            .env_remove("MAILPLUMB_IDENTITY")
            .env_remove("MAILPLUMB_AGE_KEY")
            .env_remove("MAILPLUMB_AGE_KEY_CMD")
            .env("MAILPLUMB_FILE", "mail")
            .env("MAILPLUMB_HOST_CONFIG", "host.yaml")
            .env("MAILPLUMB_AGE_KEY_FILE", "age.key");
        Ok(command)
    }

    pub fn invite_to_stay(&self) -> Result<(), Failure> {
        let folder = self.folder.display();
        output::data(&format!(
            "\nThe servers stay until you press Ctrl-C; then {folder} is removed. In another terminal:\n\n  \
               cd {folder}\n  export MAILPLUMB_FILE=mail MAILPLUMB_HOST_CONFIG=host.yaml MAILPLUMB_AGE_KEY_FILE=age.key\n  \
               mailplumb watch                       # then edit mail/mailplumb.yaml and see\n  \
               mailplumb outbox add --mailbox ben --to support@{DOMAIN} --subject Hi --text there\n  \
               mailplumb messages"
        ))?;
        Ok(())
    }
}

/// An argument as a shell takes it.
fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:=".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}

/// 96 random bits in hex.
fn random() -> Result<String, Failure> {
    let mut bytes = [0_u8; 12];
    getrandom::fill(&mut bytes).map_err(|error| Failure::new("no randomness").cause(error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn an_argument_is_shown_as_a_shell_takes_it() {
        assert_eq!(quoted("--to"), "--to");
        assert_eq!(quoted("It works."), "'It works.'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
