//! `mailplumb secrets rekey`

use clap::Args;

use super::manuscript::{Manuscript, open_value, unopened};
use super::stale;
use crate::cli::exit::{DONE, Failure, Outcome, PARTIAL, UNDECRYPTABLE, explain};
use crate::cli::{Global, output};
use crate::manifest::written::{WrittenContent, WrittenSecret, WrittenValue};
use crate::model::name::Name;
use crate::secrets::identity::Keyring;

/// Encrypt values again, to the recipients that the organization has now
///
/// Opens each value that is encrypted to other recipients than the organization's, and encrypts it to those. The values stay the
/// same, so that nothing has to be tested again. Whoever lost the right to read them still has the old ciphertexts in the
/// history of git: change the passwords at the servers too.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb secrets rekey\n  mailplumb secrets rekey provider --all")]
pub struct Rekey {
    /// Only these Secrets
    #[arg(value_name = "SECRET", value_parser = parse_name)]
    secrets: Vec<Name>,
    /// Also what is encrypted to recipients of these names already, because a key behind a name has changed
    #[arg(long)]
    all: bool,
}

fn parse_name(text: &str) -> Result<Name, String> {
    Name::parse(text).map_err(str::to_owned)
}

impl Rekey {
    pub fn run(self, global: &Global) -> Outcome {
        let manuscript = Manuscript::load_to_rewrite(global, &self.secrets.iter().collect::<Vec<_>>())?;
        if self.chosen(&manuscript).is_empty() {
            output::talk("everything is encrypted to the organization's recipients already");
            return Ok(DONE);
        }
        let keyring = global.keyring()?;
        let mut manuscript = manuscript.held(global)?;
        let chosen = self.chosen(&manuscript);
        let mut failed = 0;
        for written in &chosen {
            if let Err(failure) = again(&mut manuscript, &keyring, written) {
                explain(&failure);
                failed += 1;
            }
        }
        let names = manuscript.recipient_names().join(", ");
        manuscript.save()?;
        let done = output::counted(chosen.len() - failed, "ciphertext", "ciphertexts");
        output::talk(&format!("encrypted {done} to {names}; {failed} failed"));
        Ok(match (failed, chosen.len() - failed) {
            (0, _) => DONE,
            (_, 0) => UNDECRYPTABLE,
            (_, _) => PARTIAL,
        })
    }

    /// The ciphertexts that are to be encrypted again.
    fn chosen(&self, manuscript: &Manuscript) -> Vec<WrittenSecret> {
        let is_chosen = |written: &&WrittenSecret| {
            (self.secrets.is_empty() || self.secrets.contains(&written.secret))
                && (self.all || stale::words(manuscript, written).is_some())
                && is_ciphertext(written)
        };
        manuscript.secrets.iter().filter(is_chosen).cloned().collect()
    }
}

fn is_ciphertext(written: &WrittenSecret) -> bool {
    match &written.content {
        WrittenContent::Bundle { .. } => true,
        WrittenContent::Value { value, .. } => match value {
            WrittenValue::Age(_) => true,
            WrittenValue::File(_)
            | WrittenValue::Env(_)
            | WrittenValue::Plaintext
            | WrittenValue::Unreadable => false,
        },
    }
}

fn again(manuscript: &mut Manuscript, keyring: &Keyring, written: &WrittenSecret) -> Result<(), Failure> {
    match (&written.content, written.reference()) {
        (WrittenContent::Bundle { .. }, _) => match manuscript.open_written(written, keyring)? {
            Some(opened) => manuscript.put_bundle(&opened, &opened.plain, &opened.keys),
            None => Ok(()),
        },
        (WrittenContent::Value { value: WrittenValue::Age(armoured), .. }, Some(secret)) => {
            let value = open_value(&secret, armoured, &written.sealed_to, keyring)
                .map_err(|error| unopened(&format!("`{secret}`"), error))?;
            manuscript.put_value_into(written.file, &secret, &value)
        }
        (WrittenContent::Value { .. }, _) => Ok(()),
    }
}
