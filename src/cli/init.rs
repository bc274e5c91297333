//! `mailplumb init`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::context::shown;
use super::exit::{DONE, Failure, Outcome};
use super::{Global, output, secrets};
use crate::manifest;
use crate::manifest::format::{self, Order};
use crate::model::problem::SourceFile;
use crate::model::secret::Secret;
use crate::secrets::environment::Environment;
use crate::secrets::seal;
use crate::source::Source;

/// Write a small, valid manifest and a key pair to begin with
///
/// Writes `mailplumb.yaml`, `secrets.yaml`, the JSON Schema for your editor and a `.gitignore` into the manifest's directory. The
/// private key goes to ~/.config/mailplumb/age.key, outside of it; a key that is there already is used.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb init\n  mailplumb init --profile pop3-smtp --file ./mail \\\n      \
                        --incoming-host pop.provider.example --outgoing-host smtp.provider.example \\\n      \
                        --address support@contoso.example"
)]
pub struct Init {
    /// The kind of mail server
    #[arg(long, value_name = "KIND", default_value = "imap-smtp")]
    profile: Kind,
    /// The address of the first mailbox
    #[arg(long, value_name = "ADDRESS", default_value = "support@contoso.example", value_parser = parse_address)]
    address: String,
    /// Where mail comes from
    #[arg(long, value_name = "HOST", default_value = "mail.contoso.example", value_parser = parse_host)]
    incoming_host: String,
    /// Where mail goes out [default: the incoming host]
    #[arg(long, value_name = "HOST", value_parser = parse_host)]
    outgoing_host: Option<String>,
    /// Keep the private key in this file instead
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Exchange,
    ExchangeOnline,
    Pop3Smtp,
    ImapSmtp,
}

fn parse_address(text: &str) -> Result<String, String> {
    crate::model::name::Address::parse(text).map(|address| address.to_string()).map_err(str::to_owned)
}

/// What may stand unquoted in YAML and in a URL.
fn parse_host(text: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-".contains(c);
    if !text.is_empty() && text.len() <= 253 && text.chars().all(fits) {
        Ok(text.to_owned())
    } else {
        Err("expected a host name, for example mail.contoso.example".to_owned())
    }
}

impl Init {
    pub fn run(self, global: &Global) -> Outcome {
        let directory = global.only_file("`init`")?;
        if directory.is_file() {
            return Err(Failure::new(format!("`{}` is a file", shown(directory)))
                .hint("name a directory with --file"));
        }
        let manifest_file = directory.join("mailplumb.yaml");
        let secrets_file = directory.join("secrets.yaml");
        for file in [&manifest_file, &secrets_file] {
            if file.exists() {
                return Err(Failure::new(format!("`{}` is there already; nothing was written", shown(file)))
                    .hint("name another directory with --file"));
            }
        }
        if let Some(file) = global.source().load().ok().and_then(|files| files.into_iter().next()) {
            return Err(Failure::new(format!(
                "`{}` has files of a manifest already, `{}` for example; nothing was written",
                shown(directory),
                shown(&file.path)
            ))
            .hint("name a directory of its own with --file: every YAML file in it belongs to the manifest"));
        }
        std::fs::create_dir_all(directory)
            .map_err(|error| Failure::new(format!("`{}` cannot be made", shown(directory))).cause(error))?;
        let key_file = self.key_file()?;
        let recipient = recipient(&key_file)?;
        write(&secrets_file, &canonical(&secrets_file, placeholder(&recipient)?))?;
        write(&manifest_file, &canonical(&manifest_file, self.manifest(&recipient)))?;
        write(
            &directory.join("mailplumb.schema.json"),
            &pretty(&manifest::for_editors(manifest::schema()))?,
        )?;
        ignore_state(directory)?;
        output::data(&format!(
            "Wrote {}, {} and mailplumb.schema.json.\nThe private key is in {}; whoever applies needs it, git does not.",
            shown(&manifest_file),
            shown(&secrets_file),
            shown(&key_file)
        ))?;
        output::hint(&format!(
            "set the password with `mailplumb secrets set mail/password`, edit {}, then `mailplumb validate`",
            shown(&manifest_file)
        ));
        Ok(DONE)
    }

    fn key_file(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = &self.key_file {
            return Ok(path.clone());
        }
        let variable = |name| Environment::Process.variable(name).map(PathBuf::from);
        variable("XDG_CONFIG_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| variable("HOME").map(|home| home.join(".config")))
            .map(|config| config.join("mailplumb/age.key"))
            .ok_or_else(|| {
                Failure::new("there is no home directory for the key").hint("name a file with --key-file")
            })
    }

    fn manifest(&self, recipient: &str) -> String {
        let owner = &self.address;
        let secrets = match self.profile {
            Kind::Exchange | Kind::ExchangeOnline => "",
            Kind::Pop3Smtp | Kind::ImapSmtp => {
                "\n  credentials: { password: { secret: mail, key: password } }"
            }
        };
        format!(
            "# yaml-language-server: $schema=mailplumb.schema.json\n\
             apiVersion: mailplumb/v1\n\
             kind: Organization\n\
             metadata: {{ name: organization }}\n\
             spec:\n  \
               recipients:\n    \
                 ops: {recipient}\n\
             ---\n\
             apiVersion: mailplumb/v1\n\
             kind: EmailServerProfile\n\
             metadata: {{ name: mail }}\n\
             spec:\n  \
               owner: {owner}  # receives profile-level alerts\n\
             {server}\n\
             ---\n\
             apiVersion: mailplumb/v1\n\
             kind: Mailbox\n\
             metadata: {{ name: support }}\n\
             spec:\n  \
               queue: {{ displayName: Support, address: {owner} }}\n  \
               approved: {owner}  # this very address and no other\n  \
               profile: mail\n  \
               incoming: server-side-sync\n  \
               outgoing: server-side-sync{secrets}\n",
            server = self.server()
        )
    }

    fn server(&self) -> String {
        let incoming = &self.incoming_host;
        let outgoing = self.outgoing_host.as_ref().unwrap_or(incoming);
        match self.profile {
            Kind::ImapSmtp => format!(
                "  imapSmtp:\n    incoming: {{ host: {incoming}, tls: implicit, credentials: {{ mailbox: {{}} }} }}  # port 993\n    \
                 outgoing: {{ host: {outgoing}, tls: starttls }}  # port 587; credentials as incoming"
            ),
            Kind::Pop3Smtp => format!(
                "  pop3Smtp:\n    incoming: {{ host: {incoming}, tls: implicit, credentials: {{ mailbox: {{}} }} }}  # port 995\n    \
                 outgoing: {{ host: {outgoing}, tls: starttls }}  # port 587; credentials as incoming"
            ),
            Kind::Exchange => format!(
                "  exchange:\n    location: {{ fixed: {{ incoming: https://{incoming}/EWS/Exchange.asmx, outgoing: https://{outgoing}/EWS/Exchange.asmx }} }}\n    \
                 incoming:\n      authentication: auto\n      \
                 credentials: {{ profile: {{ username: svc-sync, password: {{ secret: mail, key: password }}, access: impersonation }} }}"
            ),
            Kind::ExchangeOnline => "  exchangeOnline:\n    tenant: 00000000-0000-0000-0000-000000000000  # yours\n    \
                 serverToServer:\n      clientId: 00000000-0000-0000-0000-000000000000  # the application's\n      \
                 clientSecret: { secret: mail, key: password }"
                .to_owned(),
        }
    }
}

/// The recipient of the key file; the file is made when it is not there.
fn recipient(key_file: &Path) -> Result<String, Failure> {
    if !key_file.exists() {
        return secrets::write_identity(key_file);
    }
    let text = std::fs::read_to_string(key_file).map(Secret::new).map_err(|error| {
        Failure::new(format!("the key `{}` cannot be read", shown(key_file))).cause(error)
    })?;
    let named = text.expose().lines().find_map(|line| line.strip_prefix("# public key: "));
    named.map(|recipient| recipient.trim().to_owned()).ok_or_else(|| {
        Failure::new(format!("`{}` does not say its recipient", shown(key_file)))
            .hint("add a line `# public key: age1…` to it (`age-keygen -y` prints it), or name another file with --key-file")
    })
}

/// A Secret whose value is to be replaced: the manifest is valid from the first moment.
fn placeholder(recipient: &str) -> Result<String, Failure> {
    let recipients = std::collections::BTreeMap::from([("ops".to_owned(), recipient.to_owned())]);
    let armoured = seal::seal(&Secret::new("to be set".to_owned()), &recipients)
        .map_err(|error| Failure::new("the placeholder cannot be encrypted").cause(error))?;
    let indented: String = armoured.trim_end().lines().map(|line| format!("        {line}\n")).collect();
    Ok(format!(
        "# yaml-language-server: $schema=mailplumb.schema.json\n\
         # Written by `mailplumb secrets set mail/password`; the value is a placeholder until then.\n\
         apiVersion: mailplumb/v1\nkind: Secret\nmetadata: {{ name: mail }}\nspec:\n  values:\n    password:\n      \
         sealedTo: [ops]\n      age: |\n{indented}"
    ))
}

/// As `mailplumb fmt` would write it.
fn canonical(path: &Path, text: String) -> String {
    let file = SourceFile {
        name: "mailplumb.yaml".into(),
        path: path.to_owned(),
        bytes: text.as_bytes().into(),
        layer: None,
        fault: None,
    };
    format::format(&file, &Order::of_manifest()).unwrap_or(text)
}

fn pretty(schema: &serde_json::Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(schema)
        .map_err(|error| Failure::new("the schema cannot be written").cause(error))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let is_new = !path.exists();
    std::fs::write(path, text).map_err(|error| {
        if is_new {
            // On a full disk: half a file would only stand in the way of the next try.
            let _ = std::fs::remove_file(path);
        }
        Failure::unwritten(path, &error)
    })
}

/// The state and keys stay out of git.
fn ignore_state(directory: &Path) -> Result<(), Failure> {
    let path = directory.join(".gitignore");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let missing: String = [".mailplumb/", "*.key"]
        .into_iter()
        .filter(|entry| !text.lines().any(|line| line.trim() == *entry))
        .map(|entry| format!("{entry}\n"))
        .collect();
    let separator = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    write(&path, &format!("{text}{separator}{missing}"))
}
