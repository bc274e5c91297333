//! `mailplumb secrets check`

use std::collections::BTreeSet;

use clap::Args;
use schemars::JsonSchema;
use serde::Serialize;

use super::manuscript::{Manuscript, open_value, with_names};
use super::stale;
use crate::cli::context::today;
use crate::cli::exit::{DONE, ERROR, Failure, Outcome, UNDECRYPTABLE};
use crate::cli::listing::FORMAT_VERSION;
use crate::cli::{Format, Global, output};
use crate::manifest::expiry::{self, Expiry};
use crate::manifest::written::{WrittenContent, WrittenSecret, WrittenValue};
use crate::model::secret::{Sealed, SealedValue, SecretRef};
use crate::secrets::identity::Keyring;
use crate::secrets::{Presence, Unseal as _, UnsealError, bundle};

/// List who can read which secret, and what is stale
///
/// Compares what each value is encrypted to with the organization's recipients, and looks at the days on which values expire.
/// Needs no key; with an identity that opens without asking, or one named by --identity, it also tries whether each value opens. Exits with 1 when a value is
/// stale, expired, not encrypted or not usable, and with 14 when all that is wrong is that this identity does not open it. A file or
/// variable that this machine does not have is named, and no reason for another exit code: the server may have it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mailplumb secrets check\n  mailplumb secrets check --output json")]
pub struct Check {
    /// Print the list in this form
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// The document of `--output json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SecretsCheck")]
pub struct Document<'d> {
    format_version: &'static str,
    /// Names of the organization's recipients: who should be able to read every value.
    recipients: Vec<&'d String>,
    /// Whether each ciphertext was tried with an identity.
    opened: bool,
    secrets: &'d [Row],
}

/// A value, or a bundle with all of its values.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// `provider/support`; of a bundle `provider/*`.
    name: String,
    /// `age`, `bundle`, `file`, `env`, `plaintext` or `unreadable`.
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<usize>,
    sealed_to: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<jiff::civil::Date>,
    file: String,
    line: u32,
    problems: Vec<Trouble>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct Trouble {
    code: Code,
    message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Code {
    Plaintext,
    Unusable,
    FileMissing,
    /// Encrypted to other recipients than the organization's.
    Stale,
    Expired,
    ExpiresSoon,
    /// This identity does not open it.
    Unreadable,
    /// The file or the variable that holds it is not on this machine, or cannot be read by this user.
    NotHere,
    /// A key is declared and not in the bundle, or the other way round.
    Keys,
}

impl Check {
    pub fn run(self, global: &Global) -> Outcome {
        let manuscript = Manuscript::load(global)?;
        let keyring = self.keyring(global)?;
        let rows: Vec<Row> =
            manuscript.secrets.iter().map(|written| row(&manuscript, &keyring, written)).collect();
        match self.output {
            Format::Json => output::json(&Document {
                format_version: FORMAT_VERSION,
                recipients: manuscript.recipients.keys().collect(),
                opened: !keyring.is_empty(),
                secrets: &rows,
            })?,
            Format::Text => print(&manuscript, &keyring, &rows)?,
        }
        Ok(code(&rows))
    }

    /// Whoever names an identity wants it to be used, and may be asked for its passphrase.
    fn keyring(&self, global: &Global) -> Result<Keyring, Failure> {
        let is_named = !global.identity.is_empty();
        global.keyring_at_hand(if is_named { Presence::Attended } else { Presence::Unattended })
    }
}

fn code(rows: &[Row]) -> u8 {
    let found: Vec<Code> = rows.iter().flat_map(|row| row.problems.iter().map(|it| it.code)).collect();
    let is_wrong = |code: &Code| match code {
        Code::Plaintext | Code::Unusable | Code::FileMissing | Code::Stale | Code::Expired | Code::Keys => {
            true
        }
        Code::ExpiresSoon | Code::Unreadable | Code::NotHere => false,
    };
    if found.iter().any(is_wrong) {
        ERROR
    } else if found.contains(&Code::Unreadable) {
        UNDECRYPTABLE
    } else {
        DONE
    }
}

fn row(manuscript: &Manuscript, keyring: &Keyring, written: &WrittenSecret) -> Row {
    let (name, source, keys) = match &written.content {
        WrittenContent::Bundle { keys, .. } => (format!("{}/*", written.secret), "bundle", Some(keys.len())),
        WrittenContent::Value { key, value } => (format!("{}/{key}", written.secret), source(value), None),
    };
    let mut problems = content_problems(manuscript, keyring, written);
    if matches!(source, "age" | "bundle") {
        problems.extend(stale::words(manuscript, written).map(|words| trouble(Code::Stale, words)));
    }
    problems.extend(expired(written));
    Row {
        name,
        source,
        keys,
        sealed_to: written.sealed_to.clone(),
        expires: written.expires,
        file: written.origin.file.to_string(),
        line: written.origin.line,
        problems,
    }
}

fn source(value: &WrittenValue) -> &'static str {
    match value {
        WrittenValue::Age(_) => "age",
        WrittenValue::File(_) => "file",
        WrittenValue::Env(_) => "env",
        WrittenValue::Plaintext => "plaintext",
        WrittenValue::Unreadable => "unreadable",
    }
}

fn trouble(code: Code, message: impl Into<String>) -> Trouble {
    Trouble { code, message: message.into() }
}

fn expired(written: &WrittenSecret) -> Option<Trouble> {
    let day = written.expires?;
    match expiry::judge(Some(day), today()) {
        Expiry::Far => None,
        Expiry::Soon(days) => {
            let days = output::counted(usize::try_from(days).unwrap_or(0), "day", "days");
            Some(trouble(Code::ExpiresSoon, format!("expires in {days}")))
        }
        Expiry::Past(_) => Some(trouble(Code::Expired, format!("expired on {day}"))),
    }
}

fn content_problems(manuscript: &Manuscript, keyring: &Keyring, written: &WrittenSecret) -> Vec<Trouble> {
    match &written.content {
        WrittenContent::Bundle { file, found, keys } => {
            let Some(ciphertext) = found.and_then(|index| manuscript.files.get(index)) else {
                return vec![trouble(Code::FileMissing, format!("the file `{file}` does not exist"))];
            };
            bundle_problems(&ciphertext.bytes, keyring, written, keys)
        }
        WrittenContent::Value { key, value } => match value {
            WrittenValue::Age(armoured) => {
                let secret = SecretRef { secret: written.secret.clone(), key: key.clone() };
                let opened = open_value(&secret, armoured, &written.sealed_to, keyring);
                opened.err().and_then(unopened).into_iter().collect()
            }
            WrittenValue::File(path) => kept_outside(written, key, Sealed::File(path.clone()), keyring),
            WrittenValue::Env(variable) => kept_outside(written, key, Sealed::Env(variable.clone()), keyring),
            WrittenValue::Plaintext => {
                let words = format!(
                    "in plain text: `mailplumb secrets set {}/{key}`, and change it at the server",
                    written.secret
                );
                vec![trouble(Code::Plaintext, words)]
            }
            WrittenValue::Unreadable => vec![trouble(Code::Unusable, "neither `age` nor `file` nor `env`")],
        },
    }
}

/// Of a value that the manifest only names the place of.
fn kept_outside(written: &WrittenSecret, key: &str, sealed: Sealed, keyring: &Keyring) -> Vec<Trouble> {
    let secret = SecretRef { secret: written.secret.clone(), key: key.to_owned() };
    let sealed = SealedValue { sealed, sealed_to: Vec::new(), expires: None };
    let trouble = match keyring.open(&secret, &sealed) {
        Ok(_) => None,
        Err(error @ (UnsealError::File { .. } | UnsealError::EnvironmentUnset(_))) => {
            Some(trouble(Code::NotHere, format!("not on this machine: {error}")))
        }
        Err(error) => unopened(error),
    };
    trouble.into_iter().collect()
}

fn bundle_problems(
    ciphertext: &[u8],
    keyring: &Keyring,
    written: &WrittenSecret,
    keys: &[String],
) -> Vec<Trouble> {
    let opened = keyring.open_file(ciphertext, Presence::Unattended);
    let plain = match opened.map_err(|error| with_names(error, &written.sealed_to)) {
        Ok(plain) => plain,
        Err(error) => return unopened(error).into_iter().collect(),
    };
    let lines = match bundle::lines(&plain) {
        Ok(lines) => lines,
        Err(fault) => return vec![trouble(Code::Unusable, fault.to_string())],
    };
    let declared: BTreeSet<&String> = keys.iter().collect();
    let missing = keys.iter().filter(|key| !lines.contains_key(*key));
    let missing = missing.map(|key| trouble(Code::Keys, format!("the file holds no key `{key}`")));
    // What is not declared is told by its line: a value may stand where a key should.
    let surplus = lines.iter().filter(|(key, _)| !declared.contains(key));
    let surplus = surplus.map(|(_, line)| {
        trouble(Code::Keys, format!("line {line} of the plaintext has a key that `keys` does not name"))
    });
    missing.chain(surplus).take(PROBLEMS_SHOWN_MAX).collect()
}

/// Of one bundle.
const PROBLEMS_SHOWN_MAX: usize = 20;

/// Without an identity nothing is known, and nothing is wrong.
fn unopened(error: UnsealError) -> Option<Trouble> {
    match &error {
        UnsealError::NoIdentity => None,
        UnsealError::NotForThisIdentity { .. } => {
            Some(trouble(Code::Unreadable, "this identity does not open it"))
        }
        UnsealError::IdentityUnusable { .. } => Some(trouble(Code::Unreadable, error.to_string())),
        UnsealError::Damaged(_)
        | UnsealError::Unsupported(_)
        | UnsealError::Bundle { .. }
        | UnsealError::NoSuchKey { .. }
        | UnsealError::BundleMissing(_)
        | UnsealError::File { .. }
        | UnsealError::EnvironmentUnset(_)
        | UnsealError::NotText
        | UnsealError::TooLarge(_) => Some(trouble(Code::Unusable, error.to_string())),
    }
}

fn print(manuscript: &Manuscript, keyring: &Keyring, rows: &[Row]) -> Result<(), Failure> {
    let cells = |row: &Row| {
        let names = if row.sealed_to.is_empty() { "-".to_owned() } else { row.sealed_to.join(", ") };
        let source = match row.keys {
            Some(keys) => format!("bundle of {keys}"),
            None => row.source.to_owned(),
        };
        let expires = row.expires.map_or_else(|| "-".to_owned(), |day| day.to_string());
        let words: Vec<&str> = row.problems.iter().map(|trouble| trouble.message.as_str()).collect();
        let state = if words.is_empty() { "ok".to_owned() } else { words.join("; ") };
        vec![row.name.clone(), source, names, expires, format!("{}:{}", row.file, row.line), state]
    };
    if !rows.is_empty() {
        let header = ["secret", "kept as", "readable for", "expires", "declared at", "state"];
        output::data(&output::table(&header, rows.iter().map(cells).collect()))?;
    }
    let recipients: Vec<&str> = manuscript.recipients.keys().map(String::as_str).collect();
    let recipients = if recipients.is_empty() { "nobody".to_owned() } else { recipients.join(", ") };
    output::talk(&format!("the organization's recipients: {recipients}"));
    if keyring.is_empty() {
        output::talk(
            "no identity is at hand that opens without asking: whether the values open was not tried",
        );
    }
    if rows.iter().any(|row| row.problems.iter().any(|trouble| trouble.code == Code::Stale)) {
        output::hint("`mailplumb secrets rekey` encrypts what is stale to the organization's recipients");
    }
    Ok(())
}
