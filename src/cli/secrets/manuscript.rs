//! A manifest that is being written: every change is made in memory first, and all files are replaced at the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::cli::context::shown;
use crate::cli::exit::{Failure, UNDECRYPTABLE};
use crate::cli::rewriting::{Folders, Rewrite};
use crate::cli::{Global, problems};
use crate::manifest::{
    self,
    written::{WrittenContent, WrittenSecret, WrittenValue},
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
    /// What was read of each changed file; `None`: it is new.
    changed: BTreeMap<usize, Option<Arc<[u8]>>>,
    folder: std::path::PathBuf,
    /// Kept from others while it is changed.
    folders: Folders,
}

/// What is written of a Secret, as far as an edit depends on it.
#[derive(Debug, PartialEq, Eq)]
pub enum Wording {
    Value { key: String, value: WrittenValue },
    Bundle { ciphertext: Arc<[u8]>, keys: Vec<String> },
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
    ciphertext: Arc<[u8]>,
    pub plain: Zeroizing<Vec<u8>>,
}

impl Manuscript {
    pub fn load(global: &Global) -> Result<Self, Failure> {
        Ok(Self::over(global.source().load()?, global))
    }

    fn over(files: Vec<SourceFile>, global: &Global) -> Self {
        Self {
            recipients: manifest::outline::recipients(&files),
            secrets: manifest::written::secrets(&files),
            files,
            changed: BTreeMap::new(),
            folder: global.last_directory(),
            folders: Folders::default(),
        }
    }

    /// The same, where something is going to be encrypted.
    pub fn load_to_write(global: &Global) -> Result<Self, Failure> {
        Self::load(global)?.with_recipients()
    }

    /// The same, where what is there already is encrypted anew.
    pub fn load_to_rewrite(global: &Global, secrets: &[&Name]) -> Result<Self, Failure> {
        let manuscript = Self::load(global)?.without_faults()?;
        match secrets.iter().find(|name| manuscript.of(name).is_empty()) {
            Some(unknown) => Err(Failure::new(format!("there is no Secret `{unknown}`"))
                .hint(format!("`mailplumb secrets set {unknown}/KEY` makes one"))),
            None => manuscript.with_recipients(),
        }
    }

    /// The manifest as it is by now, and nobody else changes it before this is dropped. People, editors and pipes are waited
    /// for before, so that others need not wait for them too.
    pub fn held(self, global: &Global) -> Result<Self, Failure> {
        let folders = Folders::hold(global.directories())?;
        let files = global.source().load()?;
        let is_same = |(one, other): (&SourceFile, &SourceFile)| {
            one.path == other.path && one.layer == other.layer && one.bytes == other.bytes
        };
        if files.len() == self.files.len() && files.iter().zip(&self.files).all(is_same) {
            return Ok(Self { folders, ..self });
        }
        Self { folders, ..Self::over(files, global) }.with_recipients()
    }

    fn without_faults(self) -> Result<Self, Failure> {
        let manuscript = self;
        let unread = |file: &SourceFile| Some((shown(&file.path), file.fault.clone()?));
        if let Some((path, fault)) = manuscript.files.iter().find_map(unread) {
            return Err(Failure::new(format!("`{path}` cannot be read; nothing is encrypted"))
                .cause(fault)
                .hint("make it readable first: it may declare what would be declared a second time"));
        }
        Ok(manuscript)
    }

    fn with_recipients(self) -> Result<Self, Failure> {
        let manuscript = self.without_faults()?;
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

    /// The bundle that the secret is; `None`: it is none. Of several layers, the last one counts.
    pub fn bundle(&self, secret: &Name) -> Option<&WrittenSecret> {
        self.secrets.iter().rev().find(|it| it.secret == *secret && it.reference().is_none())
    }

    /// The same, opened.
    pub fn open_bundle(&self, secret: &Name, keyring: &Keyring) -> Result<Option<OpenedBundle>, Failure> {
        match self.bundle(secret) {
            Some(written) => self.open_written(written, keyring),
            None => Ok(None),
        }
    }

    /// A bundle that was opened before the manifest was read again. It is opened again only if its file has changed.
    pub fn reopened(&self, opened: OpenedBundle, keyring: &Keyring) -> Result<Option<OpenedBundle>, Failure> {
        let Some(written) = self.bundle(&opened.secret) else { return Ok(None) };
        let WrittenContent::Bundle { found: Some(found), keys, .. } = &written.content else {
            return self.open_written(written, keyring);
        };
        if self.files.get(*found).is_none_or(|file| file.bytes != opened.ciphertext) {
            return self.open_written(written, keyring);
        }
        Ok(Some(OpenedBundle { holder: written.file, found: *found, keys: keys.clone(), ..opened }))
    }

    /// What is written of a Secret now: its bundle, or those of its values whose keys are of concern.
    pub fn wording(&self, secret: &Name, is_concerned: impl Fn(&str) -> bool) -> Vec<Wording> {
        let of_secret = self.secrets.iter().filter(|written| written.secret == *secret);
        let wording = |written: &WrittenSecret| match &written.content {
            WrittenContent::Value { key, value } => {
                is_concerned(key).then(|| Wording::Value { key: key.clone(), value: value.clone() })
            }
            WrittenContent::Bundle { found, keys, .. } => {
                let file = found.and_then(|found| self.files.get(found));
                let ciphertext = file.map(|file| Arc::clone(&file.bytes)).unwrap_or_default();
                Some(Wording::Bundle { ciphertext, keys: keys.clone() })
            }
        };
        of_secret.filter_map(wording).collect()
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
        Ok(Some(OpenedBundle { secret, holder, found, keys, ciphertext, plain }))
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
        self.put(opened.found, sealed);
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
            self.put(index, text.into_bytes());
        }
        Ok(())
    }

    fn put(&mut self, index: usize, bytes: Vec<u8>) {
        let Some(file) = self.files.get_mut(index) else { return };
        let before = std::mem::replace(&mut file.bytes, bytes.into());
        self.changed.entry(index).or_insert(Some(before));
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
            self.changed.insert(self.files.len() - 1, None);
            self.files.len() - 1
        })
    }

    pub fn path(&self, index: usize) -> String {
        self.files.get(index).map_or_else(String::new, |file| shown(&file.path))
    }

    /// Replaces every changed file: bundles first, so that a declaration never names what is not there.
    pub fn save(mut self) -> Result<(), Failure> {
        let mut rewrites: Vec<Rewrite<'_>> = Vec::new();
        for (index, before) in &self.changed {
            if let Some(file) = self.files.get(*index) {
                rewrites.push(Rewrite { path: &file.path, before: before.as_deref(), after: &file.bytes });
            }
        }
        let is_yaml = |path: &std::path::Path| path.extension().is_some_and(|it| it == "yaml" || it == "yml");
        rewrites.sort_by_key(|rewrite| is_yaml(rewrite.path));
        self.folders.replace(&rewrites)
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
    Failure::new("the value cannot be encrypted").code(UNDECRYPTABLE).cause(error)
}
