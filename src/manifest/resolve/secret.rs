//! `Secret` documents and references to them. Values never pass through here, only ciphertexts and names.

use std::collections::{BTreeMap, BTreeSet};

use super::ciphertext::{self, bundle_values};
use super::organization::{self, check_sealed_to};
use super::{Existence, exactly_one, unique};
use crate::manifest::codes;
use crate::manifest::decode::spanned::Spanned;
use crate::manifest::documents::{Document, SecretContent};
use crate::manifest::mirror::secret::{SecretReference, SecretValue};
use crate::manifest::report::{Draft, Report, did_you_mean};
use crate::model::desired::Declared;
use crate::model::name::Name;
use crate::model::secret::{BundleDigest, Sealed, SealedBundle, SealedValue, SecretRef};

/// Every declared value, and which names exist.
#[derive(Debug)]
pub struct Secrets<'d> {
    pub values: BTreeMap<SecretRef, Declared<SealedValue>>,
    /// The bundles that they are in.
    pub bundles: BTreeMap<BundleDigest, SealedBundle>,
    /// All keys of each secret, also those whose value could not be read.
    keys: BTreeMap<Name, BTreeSet<String>>,
    existence: Existence<'d>,
}

pub fn resolve<'d>(
    documents: Vec<Document<SecretContent>>,
    organization: Option<&organization::Resolved>,
    existence: Existence<'d>,
    report: &mut Report<'_>,
) -> Secrets<'d> {
    let mut secrets =
        Secrets { values: BTreeMap::new(), bundles: BTreeMap::new(), keys: BTreeMap::new(), existence };
    for document in unique(documents, "Secret", report) {
        let name = document.name.value.clone();
        secrets.keys.insert(name.clone(), BTreeSet::new());
        let values = match document.spec {
            SecretContent::Values(values) => values
                .into_iter()
                .map(|(key, value)| (key, value.and_then(|value| sealed(value, organization, report))))
                .collect(),
            SecretContent::Bundle(bundle) => {
                bundle_values(&bundle, &mut secrets.bundles, organization, report)
            }
        };
        for (key, value) in values {
            secrets.keys.entry(name.clone()).or_default().insert(key.value.clone());
            if let Some(value) = value {
                let declared = report.declared(value, key.place);
                secrets.values.insert(SecretRef { secret: name.clone(), key: key.value }, declared);
            }
        }
    }
    secrets
}

fn sealed(
    value: SecretValue,
    organization: Option<&organization::Resolved>,
    report: &mut Report<'_>,
) -> Option<SealedValue> {
    check_sealed_to(&value.sealed_to, organization, report);
    let places = [&value.age, &value.file, &value.env].map(|given| given.as_ref().map(|given| given.place));
    let place =
        places.into_iter().flatten().next().or_else(|| value.sealed_to.first().map(|name| name.place));
    if let Some(age) = &value.age
        && let Some(draft) = ciphertext::check_armour(age, &value.sealed_to)
    {
        report.add(draft);
    }
    if let Some(draft) = value.env.as_ref().and_then(check_variable) {
        report.add(draft);
    }
    if let Some(file) = value.file.as_ref().filter(|file| file.value.trim().is_empty()) {
        report.add(
            Draft::error(codes::INVALID_VALUE, file.place, "the path of a file is empty")
                .label("expected a path on the machine that makes the connection, best from `/` on"),
        );
    }
    let text = |given: Option<Spanned<String>>| given.map(|given| given.value);
    let sealed = exactly_one(
        [
            ("age", text(value.age).map(Sealed::Age)),
            ("file", text(value.file).map(Sealed::File)),
            ("env", text(value.env).map(Sealed::Env)),
        ],
        place.unwrap_or_default(),
        "where the value comes from",
        report,
    )?;
    let sealed_to = value.sealed_to.into_iter().map(|name| name.value).collect();
    Some(SealedValue { sealed, sealed_to, expires: value.expires.map(|day| day.value.0) })
}

impl Secrets<'_> {
    /// The reference, if its secret and key exist.
    pub fn refer(&self, reference: &SecretReference, report: &mut Report<'_>) -> Option<SecretRef> {
        self.find(&reference.secret, &reference.key, report)
    }

    /// The value with this key of this secret; a missing one is reported at whichever of the two is wrong.
    pub fn find(
        &self,
        secret: &Spanned<Name>,
        key: &Spanned<String>,
        report: &mut Report<'_>,
    ) -> Option<SecretRef> {
        let found = SecretRef { secret: secret.value.clone(), key: key.value.clone() };
        let Some(keys) = self.keys.get(&secret.value) else {
            if self.existence.surely_missing("Secret", secret.value.as_str()) {
                let hint = did_you_mean(secret.value.as_str(), self.keys.keys().map(Name::as_str));
                let message = format!("there is no Secret `{}`", secret.value);
                let draft = Draft::error(codes::UNKNOWN_SECRET, secret.place, message);
                report.add(draft.hint(format!("`mailplumb secrets set {found}` makes one")).hint_if(hint));
            }
            return None;
        };
        if keys.contains(&key.value) {
            return Some(found);
        }
        if self.existence.surely_missing("Secret", secret.value.as_str()) {
            let key_words = key.value.escape_debug();
            let message = format!("the Secret `{}` has no key `{key_words}`", secret.value);
            let hint = did_you_mean(&key.value, keys.iter().map(String::as_str));
            let draft = Draft::error(codes::UNKNOWN_SECRET, key.place, message);
            report.add(draft.hint(format!("`mailplumb secrets set {found}` adds it")).hint_if(hint));
        }
        None
    }
}

/// A text that can be no variable's name may well be the value itself, written in the wrong place.
fn check_variable(variable: &Spanned<String>) -> Option<Draft> {
    let mut letters = variable.value.chars();
    let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    let is_name = begins && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    (!is_name).then(|| {
        Draft::error(codes::PLAINTEXT, variable.place, "this is not the name of an environment variable")
            .label("expected letters, digits and `_`")
            .hint("`mailplumb secrets set NAME/KEY` encrypts a value; if this is one in plain text, change it at the server too")
    })
}

/// Whether a text is a public age recipient.
pub fn check_recipient(recipient: &Spanned<String>) -> Option<Draft> {
    let text = &recipient.value;
    if text.to_ascii_uppercase().contains("AGE-SECRET-KEY-")
        || text.to_ascii_uppercase().starts_with("AGE-PLUGIN-")
    {
        return Some(
            Draft::error(codes::PRIVATE_KEY, recipient.place, "a private age identity stands in the manifest")
                .label("expected the public recipient, `age1…`")
                .hint("everybody who can read this file can open every secret: make a new key pair and encrypt anew"),
        );
    }
    let native = text.parse::<age::x25519::Recipient>().is_ok();
    let plugin = text.parse::<age::plugin::Recipient>().is_ok();
    #[cfg(feature = "ssh")]
    let native = native || text.parse::<age::ssh::Recipient>().is_ok();
    if !cfg!(feature = "ssh") && (text.starts_with("ssh-ed25519 ") || text.starts_with("ssh-rsa ")) {
        return Some(
            Draft::error(codes::SSH_RECIPIENT, recipient.place, "this build encrypts to no SSH keys")
                .label("expected `age1…`")
                .hint("the code for RSA keys has an open advisory (RUSTSEC-2023-0071), so it is built on demand only: use an age recipient (`mailplumb secrets keygen`), or a build with `--features ssh`"),
        );
    }
    let is_ssh = ["ssh-", "ecdsa-", "sk-"].iter().any(|kind| text.starts_with(kind));
    if cfg!(feature = "ssh") && is_ssh && !native {
        return Some(
            Draft::error(codes::RECIPIENT, recipient.place, "this is no SSH key that age can encrypt to")
                .label("expected `ssh-ed25519 …`, `ssh-rsa …` of at least 2048 bits, or `age1…`")
                .hint("ecdsa and hardware-backed `sk-` keys cannot be used; `mailplumb secrets keygen` makes a key pair that can"),
        );
    }
    (!native && !plugin).then(|| {
        Draft::error(codes::RECIPIENT, recipient.place, "this is not an age recipient")
            .label("expected `age1…`")
            .hint("`mailplumb secrets keygen` makes a key pair and prints the recipient")
    })
}
