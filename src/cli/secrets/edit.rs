//! `mailplumb secrets edit`

use std::collections::{BTreeMap, BTreeSet};
use std::io::IsTerminal;

use clap::Args;
use zeroize::Zeroizing;

use super::is_plain_name;
use super::manuscript::{Manuscript, OpenedBundle, open_value, unopened};
use super::scratch::Scratch;
use crate::cli::exit::{DONE, Failure, INTERRUPTED, Outcome};
use crate::cli::{Global, output};
use crate::manifest::written::{WrittenContent, WrittenValue};
use crate::model::limits;
use crate::model::name::Name;
use crate::model::secret::{Secret, SecretRef};
use crate::secrets::bundle::{self, Values};
use crate::secrets::environment::Environment;
use crate::secrets::identity::Keyring;

/// Edit the values of a Secret in an editor
///
/// Opens the values with your identity, shows them in $VISUAL, $EDITOR or vi, and encrypts those that you changed to the
/// organization's recipients. The text is in a private folder in memory meanwhile, and wiped afterwards. Of a Secret with
/// `values`, all that are encrypted are shown as one YAML map; of one with a `bundle`, the text of its file; of SECRET/KEY, that
/// value alone.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  mailplumb secrets edit provider\n  mailplumb secrets edit provider/support"
)]
pub struct Edit {
    /// What to edit: a Secret, or one value of it
    #[arg(value_name = "SECRET[/KEY]", value_parser = parse_subject)]
    subject: Subject,
}

#[derive(Debug, Clone)]
enum Subject {
    Secret(Name),
    Value(SecretRef),
}

fn parse_subject(text: &str) -> Result<Subject, String> {
    match text.contains('/') {
        true => super::parse_secret(text).map(Subject::Value),
        false => Name::parse(text).map(Subject::Secret).map_err(str::to_owned),
    }
}

impl Edit {
    pub fn run(self, global: &Global) -> Outcome {
        let secret = match &self.subject {
            Subject::Secret(name) => name,
            Subject::Value(of) => &of.secret,
        };
        let manuscript = Manuscript::load_to_rewrite(global, &[secret])?;
        let keyring = global.keyring()?;
        match self.subject {
            Subject::Value(secret) => value(global, manuscript, &keyring, &secret),
            Subject::Secret(name) => match manuscript.open_bundle(&name, &keyring)? {
                Some(opened) => whole_bundle(global, manuscript, &keyring, opened),
                None => values(global, manuscript, &keyring, &name),
            },
        }
    }
}

/// What came out of the editor, and what it is called when it cannot be written.
struct Edited<'a> {
    what: String,
    file: &'a str,
    text: &'a [u8],
}

impl Edited<'_> {
    /// Somebody else has changed the same meanwhile. The text stays where only this person can read it.
    fn refused(&self) -> Failure {
        let kept = Scratch::new(&Environment::Process, self.file, self.text).map(Scratch::keep);
        let kept = kept.map_or_else(
            |failure| format!("your text cannot be kept: {}", failure.message),
            |path| {
                format!(
                    "your text is kept in `{}`, which you alone can read: remove it afterwards",
                    path.display()
                )
            },
        );
        Failure::new(format!("{} was changed meanwhile; nothing was written", self.what))
            .hint(format!("edit it again, beginning with what is there now; {kept}"))
    }
}

/// The manifest as it is by now, unless somebody else has changed what was in the editor.
fn held(
    global: &Global,
    manuscript: Manuscript,
    (secret, edited): (&Name, &Edited<'_>),
    is_concerned: impl Fn(&str) -> bool,
) -> Result<Manuscript, Failure> {
    let before = manuscript.wording(secret, &is_concerned);
    let manuscript = manuscript.held(global)?;
    if manuscript.wording(secret, &is_concerned) != before {
        return Err(edited.refused());
    }
    Ok(manuscript)
}

/// A bundle's text with what an edit changed. `None`: somebody else has changed the same, or the edit took away what cannot be
/// taken away from a text that has changed.
fn merged(before: &[u8], edited: &[u8], now: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if now == before {
        return Some(Zeroizing::new(edited.to_vec()));
    }
    let [old, new, current] = [before, edited, now].map(|text| bundle::parse(text).ok());
    let (old, new, current) = (old?, new?, current?);
    let value =
        |values: &Values, key: &str| values.get(key).map(|value| Zeroizing::new(value.expose().to_owned()));
    if old.keys().any(|key| !new.contains_key(key)) {
        return None;
    }
    let mut text = Zeroizing::new(now.to_vec());
    let mut touched = 0;
    for (key, wanted) in new.iter().filter(|(key, _)| value(&old, key) != value(&new, key)) {
        if value(&old, key) != value(&current, key) {
            return None;
        }
        text = Zeroizing::new(bundle::put(&text, key, wanted).ok()?.expose().as_bytes().to_vec());
        touched += 1;
    }
    (touched > 0).then_some(text)
}

fn value(global: &Global, manuscript: Manuscript, keyring: &Keyring, secret: &SecretRef) -> Outcome {
    let bundle = manuscript.open_bundle(&secret.secret, keyring)?;
    let old = match &bundle {
        Some(opened) => parsed(&opened.secret, &opened.plain)?.remove(&secret.key),
        None => opened(&manuscript, keyring, &secret.secret)?.remove(&secret.key),
    };
    let old = old.ok_or_else(|| {
        Failure::new(format!("there is no encrypted value `{secret}`"))
            .hint(format!("`mailplumb secrets set {secret}` makes one"))
    })?;
    let edited = edited("value.txt", old.expose().as_bytes())?;
    // Most editors end a file with a line end, whether the value has one or not.
    let mut text = text_of(&edited)?;
    if !old.expose().ends_with('\n') {
        text = text.strip_suffix('\n').unwrap_or(text);
    }
    if text == old.expose() {
        return unchanged();
    }
    let new = Secret::new(text.to_owned());
    let edited = Edited { what: secret.to_string(), file: "value.txt", text: text.as_bytes() };
    let mut manuscript = match &bundle {
        Some(_) => manuscript.held(global)?,
        None => held(global, manuscript, (&secret.secret, &edited), |key| key == secret.key)?,
    };
    match bundle {
        Some(opened) => {
            let opened = manuscript.reopened(opened, keyring)?.ok_or_else(|| edited.refused())?;
            let now = parsed(&opened.secret, &opened.plain)?.remove(&secret.key);
            if now.is_none_or(|now| now.expose() != old.expose()) {
                return Err(edited.refused());
            }
            let plain = bundle::put(&opened.plain, &secret.key, &new).map_err(|fault| {
                Failure::new("the value cannot be put into the bundle")
                    .cause(fault)
                    .hint(format!("edit the whole bundle: `mailplumb secrets edit {}`", secret.secret))
            })?;
            manuscript.put_bundle(&opened, plain.expose().as_bytes(), &opened.keys)?;
        }
        None => manuscript.put_value(secret, &new)?,
    }
    let names = manuscript.recipient_names().join(", ");
    manuscript.save()?;
    output::talk(&format!("encrypted {secret} to {names}"));
    Ok(DONE)
}

fn whole_bundle(global: &Global, manuscript: Manuscript, keyring: &Keyring, opened: OpenedBundle) -> Outcome {
    let edited = edited_until(&opened.plain, |text| keys_after(&opened, text).map(drop))?;
    if *edited == *opened.plain {
        return unchanged();
    }
    let (name, before) = (opened.secret.clone(), opened.plain.clone());
    let refused =
        || Edited { what: format!("the bundle `{name}`"), file: "values.yaml", text: &edited }.refused();
    let mut manuscript = manuscript.held(global)?;
    let opened = manuscript.reopened(opened, keyring)?.ok_or_else(refused)?;
    let text = merged(&before, &edited, &opened.plain).ok_or_else(refused)?;
    let keys = keys_after(&opened, &text)?;
    manuscript.put_bundle(&opened, &text, &keys)?;
    let (names, path) = (manuscript.recipient_names().join(", "), manuscript.path(opened.found));
    manuscript.save()?;
    output::talk(&format!("encrypted {path} to {names}"));
    Ok(DONE)
}

/// The declared keys that are still there, and those that were added just now. Keys are written into the manifest in the
/// clear, so what was in the bundle before without being declared stays out of it, and so does what hardly is a name.
fn keys_after(opened: &OpenedBundle, edited: &[u8]) -> Result<Vec<String>, Failure> {
    let values = parsed(&opened.secret, edited)?;
    let lines = bundle::lines(edited).unwrap_or_default();
    // What cannot be read now held no key that anybody knows.
    let before = bundle::parse(&opened.plain).unwrap_or_default();
    let mut keys: Vec<String> = opened.keys.clone();
    keys.retain(|key| values.contains_key(key));
    let known: BTreeSet<String> = keys.iter().cloned().collect();
    for key in values.into_keys().filter(|key| !known.contains(key) && !before.contains_key(key)) {
        if !is_plain_name(&key) {
            let line = lines.get(&key).copied().unwrap_or_default();
            return Err(Failure::new(format!("the key on line {line} is no plain name"))
                .cause("a key is written into the manifest in the clear")
                .hint("use letters, digits and `-_.@`, at most 64 of them; is it the value, in the wrong place?"));
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(Failure::new("a bundle holds at least one value"));
    }
    Ok(keys)
}

fn values(global: &Global, manuscript: Manuscript, keyring: &Keyring, name: &Name) -> Outcome {
    let old = opened(&manuscript, keyring, name)?;
    if old.is_empty() {
        return Err(Failure::new(format!("there is no Secret `{name}` with encrypted values"))
            .hint(format!("`mailplumb secrets set {name}/KEY` makes one")));
    }
    let shown = bundle::render(&old);
    let edited = edited_until(shown.expose().as_bytes(), |text| {
        let new = parsed(name, text)?;
        match old.keys().find(|key| !new.contains_key(*key)) {
            Some(gone) => Err(Failure::new(format!("the key `{gone}` is gone"))
                .hint("values are not deleted here: remove the key from the manifest's file")),
            None => Ok(()),
        }
    })?;
    let new = parsed(name, &edited)?;
    let is_changed = |(key, value): &(&String, &Secret<String>)| {
        old.get(*key).is_none_or(|old| old.expose() != value.expose())
    };
    let changed: Vec<_> = new.iter().filter(is_changed).collect();
    if changed.is_empty() {
        return unchanged();
    }
    let is_concerned = |key: &str| changed.iter().any(|(changed, _)| *changed == key);
    let edited = Edited { what: format!("the Secret `{name}`"), file: "values.yaml", text: &edited };
    let mut manuscript = held(global, manuscript, (name, &edited), is_concerned)?;
    for (key, value) in &changed {
        let secret = SecretRef { secret: name.clone(), key: (*key).clone() };
        manuscript.put_value(&secret, value)?;
    }
    let names = manuscript.recipient_names().join(", ");
    manuscript.save()?;
    let keys: Vec<String> = changed.iter().map(|(key, _)| format!("{name}/{key}")).collect();
    output::talk(&format!("encrypted {} to {names}", keys.join(", ")));
    Ok(DONE)
}

fn unchanged() -> Outcome {
    output::talk("unchanged; nothing was written");
    Ok(DONE)
}

/// The encrypted values of a Secret, opened.
fn opened(manuscript: &Manuscript, keyring: &Keyring, name: &Name) -> Result<Values, Failure> {
    let mut values = BTreeMap::new();
    for written in manuscript.of(name) {
        let (Some(secret), WrittenContent::Value { key, value: WrittenValue::Age(armoured) }) =
            (written.reference(), written.content)
        else {
            continue;
        };
        let value = open_value(&secret, &armoured, &written.sealed_to, keyring)
            .map_err(|error| unopened(&format!("`{secret}`"), error))?;
        values.insert(key, value);
    }
    Ok(values)
}

fn parsed(name: &Name, text: &[u8]) -> Result<Values, Failure> {
    bundle::parse(text).map_err(|fault| {
        Failure::new(format!("the text of secret `{name}` cannot be used"))
            .cause(fault)
            .hint("a line is `key: value`; a value with `: `, `#` or quotes in it needs quotes")
    })
}

fn text_of(bytes: &[u8]) -> Result<&str, Failure> {
    if bytes.len() > limits::SECRET_VALUE_BYTES_MAX + 1 {
        return Err(Failure::new(format!(
            "the value is larger than {} bytes",
            limits::SECRET_VALUE_BYTES_MAX
        )));
    }
    std::str::from_utf8(bytes).map_err(|_| Failure::new("the value is not valid UTF-8 text"))
}

/// The text after a person edited it. Where it cannot be used and somebody is there, it can be edited again.
fn edited_until(
    text: &[u8],
    check: impl Fn(&[u8]) -> Result<(), Failure>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let mut text = edited("values.yaml", text)?;
    loop {
        let Err(failure) = check(&text) else { return Ok(text) };
        if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Err(Failure { message: format!("{}; nothing was changed", failure.message), ..failure });
        }
        crate::cli::exit::explain(&failure);
        let again = dialoguer::Confirm::new().with_prompt("Edit it again?").default(true).interact();
        if !again.unwrap_or(false) {
            return Err(Failure::new("not edited; nothing was changed"));
        }
        text = edited("values.yaml", &text)?;
    }
}

fn edited(name: &str, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let environment = Environment::Process;
    let scratch = Scratch::new(&environment, name, text)?;
    let editor = ["VISUAL", "EDITOR"].into_iter().find_map(|name| environment.variable(name));
    let editor = editor.map_or_else(|| "vi".to_owned(), |editor| editor.to_string_lossy().into_owned());
    run_editor(&editor, &scratch)?;
    scratch.read()
}

/// Ctrl-C belongs to the editor. A request to end ends the editor too, so that the text is wiped.
fn run_editor(editor: &str, scratch: &Scratch) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(format!("the editor `{editor}` cannot be run")).cause(error).hint("set $EDITOR")
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let status = runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", &command_line(editor), "editor"])
            .arg(scratch.path())
            .spawn()?;
        loop {
            tokio::select! {
                status = child.wait() => return status.map(Some),
                _ = interrupt.recv() => {}
                _ = terminate.recv() => break,
                _ = hangup.recv() => break,
            }
        }
        child.kill().await?;
        Ok(None)
    });
    match status.map_err(failed)? {
        Some(status) if status.success() => Ok(()),
        Some(status) => {
            Err(Failure::new(format!("the editor `{editor}` ended with {status}; nothing was changed")))
        }
        None => Err(Failure::new("interrupted; nothing was changed").code(INTERRUPTED)),
    }
}

/// For `sh`, with the file as its argument. An editor that is a command alone takes the shell's place, so that ending it
/// ends the editor.
fn command_line(editor: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || " -_./:,+@%'\"".contains(c);
    let is_command = editor.chars().all(is_plain);
    format!("{}{editor} \"$@\"", if is_command { "exec " } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_of_a_bundle_is_laid_over_what_others_changed_in_it() {
        use super::merged as merged_of;
        let before = b"anna: a # hers\nben: b\n";
        let merged = |edited: &str, now: &str| {
            let text = merged_of(before, edited.as_bytes(), now.as_bytes())?;
            Some(String::from_utf8(text.to_vec()).unwrap())
        };
        let now = "anna: a # hers\nben: other\n";
        let text = merged("anna: new # hers\nben: b\n", now).unwrap();
        let values = bundle::parse(text.as_bytes()).unwrap();
        assert_eq!(
            (values["anna"].expose(), values["ben"].expose()),
            (&"new".to_owned(), &"other".to_owned())
        );
        assert!(text.contains("# hers"), "{text}");
        assert_eq!(merged("anna: a # hers\nben: new\n", now), None, "the same value");
        assert_eq!(merged("ben: b\n", now), None, "a value that is gone");
        assert_eq!(merged("anna: a\nben: b\n", now), None, "no value");
        assert_eq!(merged("anna: a\n", "anna: a # hers\nben: b\n").as_deref(), Some("anna: a\n"));
    }

    #[test]
    fn a_command_takes_the_shells_place_and_a_script_does_not() {
        assert_eq!(command_line("vim -n -i NONE"), "exec vim -n -i NONE \"$@\"");
        assert_eq!(command_line("TERM=xterm vi"), "TERM=xterm vi \"$@\"");
        assert_eq!(command_line("true; false"), "true; false \"$@\"");
    }
}
