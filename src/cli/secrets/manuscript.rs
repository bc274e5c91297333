//! A manifest that is being written: every change is made in memory first, and all files are replaced at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::cli::context::shown;
use crate::cli::exit::{Failure, UNDECRYPTABLE};
use crate::cli::{Global, problems};
use crate::manifest::{
    self,
    written::{WrittenContent, WrittenSecret},
};
use crate::model::name::Name;
use crate::model::problem::{Problem, SourceFile};
use crate::model::secret::{Sealed, SealedValue, Secret, SecretRef};
use crate::secrets::identity::Keyring;
use crate::secrets::seal::{self, Form};
use crate::secrets::{Presence, Unseal, UnsealError};
use crate::source::Source;

pub struct Manuscript {
    pub files: Vec<SourceFile>,
    /// Name → public recipient.
    pub recipients: BTreeMap<String, String>,
    pub secrets: Vec<WrittenSecret>,
    changed: BTreeSet<usize>,
    folder: std::path::PathBuf,
}

/// A bundle that is part of the manifest.
pub struct OpenedBundle {
    pub secret: Name,
    /// The index of the file that declares it.
    holder: usize,
    /// The index of its file.
    pub found: usize,
    /// As they are declared.
    pub keys: Vec<String>,
    pub plain: Zeroizing<Vec<u8>>,
}

impl Manuscript {
    pub fn load(global: &Global) -> Result<Self, Failure> {
        let files = global.source().load()?;
        Ok(Self {
            recipients: manifest::outline::recipients(&files),
            secrets: manifest::written::secrets(&files),
            files,
            changed: BTreeSet::new(),
            folder: global.last_directory(),
        })
    }

    /// The same, where something is going to be encrypted.
    pub fn load_to_write(global: &Global) -> Result<Self, Failure> {
        let manuscript = Self::load(global)?;
        if manuscript.recipients.is_empty() {
            return Err(Failure::new("the manifest names no recipients to encrypt to").hint(
                "make a key with `mailplumb secrets keygen` and put its recipient under `recipients:` of the Organization",
            ));
        }
        Ok(manuscript)
    }

    pub fn recipient_names(&self) -> Vec<String> {
        self.recipients.keys().cloned().collect()
    }

    pub fn of(&self, secret: &Name) -> Vec<WrittenSecret> {
        self.secrets.iter().filter(|written| written.secret == *secret).cloned().collect()
    }

    /// The bundle that the secret is, opened; `None`: it is none. Of several layers, the last one counts.
    pub fn open_bundle(&self, secret: &Name, keyring: &Keyring) -> Result<Option<OpenedBundle>, Failure> {
        let is_bundle = |it: &&WrittenSecret| it.secret == *secret && it.reference().is_none();
        match self.secrets.iter().rev().find(is_bundle) {
            Some(written) => self.open_written(written, keyring),
            None => Ok(None),
        }
    }

    /// One declared bundle; `None`: it is none.
    pub fn open_written(
        &self,
        written: &WrittenSecret,
        keyring: &Keyring,
    ) -> Result<Option<OpenedBundle>, Failure> {
        let WrittenContent::Bundle { file, found, keys } = &written.content else { return Ok(None) };
        let missing = || {
            Failure::new(format!("the bundle `{file}` of secret `{}` does not exist", written.secret))
                .hint("make it with `age -R recipients.txt -o FILE.age values.yaml`, in the folder of its declaration")
        };
        let found = found.ok_or_else(missing)?;
        let ciphertext = self.files.get(found).map(|file| Arc::clone(&file.bytes)).unwrap_or_default();
        let plain = keyring.open_file(&ciphertext, Presence::Attended).map_err(|error| {
            unopened(&format!("the bundle `{file}`"), with_names(error, &written.sealed_to))
        })?;
        let (secret, holder, keys) = (written.secret.clone(), written.file, keys.clone());
        Ok(Some(OpenedBundle { secret, holder, found, keys, plain }))
    }

    /// Encrypts a value into the document that declares it, else into that of its Secret, else into `secrets.yaml`.
    pub fn put_value(&mut self, secret: &SecretRef, value: &Secret<String>) -> Result<(), Failure> {
        let index = self.holder(secret);
        self.put_value_into(index, secret, value)
    }

    /// The same, into this file.
    pub fn put_value_into(
        &mut self,
        index: usize,
        secret: &SecretRef,
        value: &Secret<String>,
    ) -> Result<(), Failure> {
        let armoured = seal::seal(value, &self.recipients).map_err(not_encrypted)?;
        let names = self.recipient_names();
        self.edit(index, |file| {
            manifest::edit::put_secret_value(file, secret, &armoured, &names).map_err(Box::new)
        })
    }

    /// Encrypts a bundle anew, in the form that it has, and writes down its recipients and these keys. Keys stand in the
    /// manifest in the clear: only those that are meant to be keys may be given.
    pub fn put_bundle(
        &mut self,
        opened: &OpenedBundle,
        plain: &[u8],
        keys: &[String],
    ) -> Result<(), Failure> {
        let old = self.files.get(opened.found).map(|file| Arc::clone(&file.bytes)).unwrap_or_default();
        let sealed = seal::seal_file(plain, &self.recipients, Form::of(&old)).map_err(not_encrypted)?;
        if let Some(file) = self.files.get_mut(opened.found) {
            file.bytes = sealed.into();
            self.changed.insert(opened.found);
        }
        let names = self.recipient_names();
        self.edit(opened.holder, |file| {
            manifest::edit::put_bundle(file, &opened.secret, &names, keys).map_err(Box::new)
        })
    }

    fn edit(
        &mut self,
        index: usize,
        edit: impl FnOnce(&SourceFile) -> Result<String, Box<Problem>>,
    ) -> Result<(), Failure> {
        let Some(file) = self.files.get_mut(index) else { return Ok(()) };
        let text = edit(file).map_err(|problem| {
            problems::print(std::slice::from_ref(&*problem), std::slice::from_ref(file));
            Failure::new(format!("`{}` cannot be edited", shown(&file.path)))
        })?;
        if text.as_bytes() != &*file.bytes {
            file.bytes = text.into_bytes().into();
            self.changed.insert(index);
        }
        Ok(())
    }

    /// The file that declares the value, else the one that declares the Secret, else `secrets.yaml` beside the manifest;
    /// of several layers that of the last one that has it, because that one wins.
    pub fn holder(&mut self, secret: &SecretRef) -> usize {
        let declaring = manifest::outline::value_file(&self.files, secret)
            .or_else(|| manifest::outline::declaring_file(&self.files, &secret.secret));
        if let Some(file) = declaring {
            let path = file.path.clone();
            return self.files.iter().position(|file| file.path == path).unwrap_or(0);
        }
        let path = self.folder.join("secrets.yaml");
        let known = self.files.iter().position(|file| {
            let is_top = file.layer.is_none() && file.name.as_ref() == "secrets.yaml";
            file.path == path || is_top
        });
        known.unwrap_or_else(|| {
            let name = Arc::from("secrets.yaml");
            self.files.push(SourceFile {
                name,
                path,
                bytes: Arc::from(Vec::new()),
                layer: None,
                fault: None,
            });
            self.files.len() - 1
        })
    }

    pub fn path(&self, index: usize) -> String {
        self.files.get(index).map_or_else(String::new, |file| shown(&file.path))
    }

    /// Replaces every changed file: bundles first, so that a declaration never names what is not there.
    pub fn save(&self) -> Result<(), Failure> {
        let is_yaml = |file: &&SourceFile| file.name.ends_with(".yaml") || file.name.ends_with(".yml");
        let changed = self.changed.iter().filter_map(|index| self.files.get(*index));
        let (declarations, bundles): (Vec<&SourceFile>, Vec<&SourceFile>) = changed.partition(is_yaml);
        for file in bundles.into_iter().chain(declarations) {
            replace(&file.path, &file.bytes)?;
        }
        Ok(())
    }
}

/// Opens an armoured value.
pub fn open_value(
    secret: &SecretRef,
    armoured: &str,
    sealed_to: &[String],
    keyring: &dyn Unseal,
) -> Result<Secret<String>, UnsealError> {
    let sealed = Sealed::Age(armoured.to_owned());
    keyring.open(secret, &SealedValue { sealed, sealed_to: sealed_to.to_vec(), expires: None })
}

/// A file does not know its recipients' names; its declaration does.
pub fn with_names(error: UnsealError, sealed_to: &[String]) -> UnsealError {
    let is_stranger = matches!(error, UnsealError::NotForThisIdentity { .. });
    if is_stranger { UnsealError::NotForThisIdentity { sealed_to: sealed_to.to_vec() } } else { error }
}

pub fn unopened(what: &str, error: UnsealError) -> Failure {
    let hint = if error == UnsealError::NoIdentity {
        "name the identity file with --identity, or see the secrets guide for where identities are looked for"
    } else {
        "name another identity with --identity, or ask a holder of one of these keys"
    };
    Failure::new(format!("{what} cannot be opened")).code(UNDECRYPTABLE).cause(error).hint(hint)
}

fn not_encrypted(error: seal::SealError) -> Failure {
    Failure::new("the value cannot be encrypted").cause(error)
}

/// Writes beside the file and renames, so that a crash leaves the old or the new content.
pub fn replace(path: &Path, content: impl AsRef<[u8]>) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::new(format!("`{}` cannot be written", shown(path))).cause(error);
    // A link is followed: the file that it names is what is replaced.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = target.with_file_name(name);
    std::fs::write(&beside, content).map_err(failed)?;
    if let Ok(metadata) = std::fs::metadata(&target) {
        std::fs::set_permissions(&beside, metadata.permissions()).map_err(failed)?;
    }
    std::fs::rename(&beside, &target).map_err(failed)
}
