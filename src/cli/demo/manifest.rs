//! The demo's manifest and host file.

use std::collections::BTreeMap;

use crate::cli::exit::Failure;
use crate::model::secret::Secret;
use crate::playground::Playground;
use crate::secrets::seal;

/// The domain of the demo's mailboxes.
pub const DOMAIN: &str = "demo.example";

/// Profiles and mailboxes for the running servers.
pub fn manifest(playground: &Playground, recipient: &str) -> String {
    let ports = [
        ("@imaps@", playground.imaps().port()),
        ("@smtp@", playground.smtp().port()),
        ("@pop3@", playground.pop3().port()),
        ("@smtps@", playground.smtps().port()),
        ("@exchange@", playground.exchange().address().port()),
    ];
    let template = include_str!("mailplumb.yaml");
    // The template's own first line is for its readers.
    let text = template.split_once('\n').map_or(template, |(_, rest)| rest).replace("@recipient@", recipient);
    ports.iter().fold(text, |text, (word, port)| text.replace(word, &port.to_string()))
}

/// What belongs to this machine and not to the manifest.
pub fn host_file(playground: &Playground) -> String {
    format!("trust: {{ demo-ca: demo-ca.pem }}\nhosts: {{ mail.{DOMAIN}: {} }}\n", playground.imaps().ip())
}

/// The passwords, encrypted.
pub fn secrets(passwords: &BTreeMap<String, String>, recipient: &str) -> Result<String, Failure> {
    let recipients = BTreeMap::from([("demo".to_owned(), recipient.to_owned())]);
    let mut text =
        "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: passwords }\nspec:\n  values:\n"
            .to_owned();
    for (key, password) in passwords {
        let armoured = seal::seal(&Secret::new(password.clone()), &recipients)
            .map_err(|error| Failure::new("a password cannot be encrypted").cause(error))?;
        text.push_str(&format!("    {key}:\n      sealedTo: [demo]\n      age: |\n"));
        for line in armoured.trim_end().lines() {
            text.push_str(&format!("        {line}\n"));
        }
    }
    Ok(text)
}
