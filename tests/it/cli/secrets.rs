//! Secrets as a person meets them: bundles, editing, checking, encrypting anew, and what `plan` says of it.

use std::os::unix::fs::PermissionsExt;

use super::office::Office;
use super::person::{KEY, Person, signal};
use crate::support::need::{Need, require};
use crate::support::scratch;

const PASSWORD: &str = "correct horse battery staple";
const BUNDLE: &str = "---
apiVersion: mailplumb/v1
kind: Secret
metadata: { name: team }
spec:
  bundle:
    file: team.age
    sealedTo: [ops]
    keys: [password]
";

/// An office whose passwords are in a bundle that `age` made, in its binary form.
fn with_bundle(password: &str) -> Office {
    let office = Office::opens(password);
    let person = &office.person;
    let manifest = person.read("mail/mailplumb.yaml");
    person.write("mail/mailplumb.yaml", &(manifest.replace("secret: mail", "secret: team") + BUNDLE));
    person.shell_pipes(
        &format!("age -r {} -o mail/team.age", recipient(person)),
        &format!("password: \"{password}\"\n"),
    );
    office
}

fn recipient(person: &Person) -> String {
    let manifest = person.read("mail/mailplumb.yaml");
    manifest.lines().find_map(|line| line.trim().strip_prefix("ops: ")).unwrap().to_owned()
}

/// Another key pair; its recipient.
fn another_key(person: &Person, file: &str) -> String {
    person.types(&format!("secrets keygen --out {file}")).ends(0).stdout.trim().to_owned()
}

/// Adds a recipient to the organization.
fn admit(person: &Person, name: &str, recipient: &str) {
    let ops = self::recipient(person);
    person.replace(
        "mail/mailplumb.yaml",
        &format!("ops: {ops}"),
        &format!("ops: {ops}\n    {name}: {recipient}"),
    );
}

/// An editor that changes the text with `sed`.
fn edits_with(office: &mut Office, script: &str) {
    office.person.write(
        "editor",
        &format!("#!/bin/sh\nls -ld \"$(dirname \"$1\")\" \"$1\" > seen\nsed -i '{script}' \"$1\"\n"),
    );
    let path = office.person.at("editor");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    office.person.export("EDITOR", "./editor");
    let runtime = office.person.at("runtime");
    let _ = std::fs::create_dir(&runtime);
    office.person.export("XDG_RUNTIME_DIR", &runtime.display().to_string());
}

fn nothing_is_left(person: &Person) {
    assert_eq!(std::fs::read_dir(person.at("runtime")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(person.at("tmp")).unwrap().count(), 0);
}

#[test]
fn mailboxes_log_in_with_the_values_of_a_bundle() {
    let Some(()) = require(Need::Age) else { return };
    let office = with_bundle(PASSWORD);
    office.person.types("validate").ends(0).says("0 errors, 0 warnings");
    office.person.types("apply --auto-approve").ends(0).says("4 passed, 0 failed");
    office.person.types("sync").ends(0).says("40 recorded");
    // A value is put into the bundle, and `age` reads it.
    office.person.pipes("secrets set team/other", "new").ends(0).says("encrypted team/other to ops");
    assert!(office.person.read("mail/mailplumb.yaml").contains("keys: [password, other]"));
    let plain = office.person.shell(&format!("age -d -i {KEY} mail/team.age")).ends(0).stdout;
    assert_eq!(plain, format!("password: \"{PASSWORD}\"\nother: \"new\"\n"));
    office.person.types("validate").ends(0);
    // With the identity at hand, plan knows that the old value is the same.
    office.person.types("plan").ends(0).says("re-encrypted, same value").does_not_say("needs re-test");
    office.person.types("apply --auto-approve").ends(0);
    office.person.types("plan --detailed-exitcode").ends(0);
    office.person.types("sync").ends(0);
}

#[test]
fn a_key_that_a_bundle_lacks_is_named_and_so_is_a_bundle_that_is_none() {
    let Some(()) = require(Need::Age) else { return };
    let office = with_bundle(PASSWORD);
    let person = &office.person;
    person.replace("mail/mailplumb.yaml", "keys: [password]", "keys: [pasword]");
    person
        .types("validate")
        .ends(1)
        .says("the Secret `team` has no key `password`")
        .says("did you mean `pasword`?");
    person.replace("mail/mailplumb.yaml", "keys: [pasword]", "keys: [password, absent]");
    person.types("secrets check").ends(1).says("the file holds no key `absent`");
    person.replace("mail/mailplumb.yaml", "key: password", "key: absent");
    person.types("apply --auto-approve").ends(16).says("the bundle `team.age` holds no key `absent`");
    person.write("mail/team.age", "password: in plain text\n");
    person.types("validate").ends(1).says("error[MP0055]").does_not_say("in plain text\n");
    std::fs::remove_file(person.at("mail/team.age")).unwrap();
    person.types("validate").ends(1).says("the file `team.age` does not exist");
}

#[test]
fn what_is_only_encrypted_again_is_not_tested_again() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    office.sets(PASSWORD);
    let plan = person.types("plan").ends(0).says("re-encrypted, same value");
    plan.clone().does_not_say("re-test").does_not_say("sales");
    person.types("plan --output json").ends(0).says("(re-encrypted)");
    // Without the identity nobody can know.
    let uncompared = person.types("plan --compare-secrets never").ends(0);
    uncompared.says("its value was not compared").says("sales, support");
    std::fs::rename(person.at(KEY), person.at("hidden.key")).unwrap();
    let uncompared = person.types("plan").ends(0).says("its value was not compared");
    uncompared.says("1 changed secret was not compared: no age identity is at hand");
    std::fs::rename(person.at("hidden.key"), person.at(KEY)).unwrap();
    person.types("apply --auto-approve").ends(0).says("0 to test");
    person.types("plan --detailed-exitcode").ends(0);
    office.sets("another one");
    person.types("plan").ends(0).says("its value changed").says("sales, support");
}

#[test]
fn a_plan_asks_nobody_for_anything_unless_it_is_told_to() {
    let mut office = Office::at_work(PASSWORD);
    office.sets(PASSWORD);
    let key = office.person.read(KEY);
    std::fs::remove_file(office.person.at(KEY)).unwrap();
    office.person.write("the.key", &key);
    office.person.export("MAILPLUMB_AGE_KEY_CMD", "touch ran; cat the.key");
    let left_out = office.person.types("plan").ends(0).says("its value was not compared");
    left_out.says("a command may ask for something").says("--compare-secrets attended");
    assert!(!office.person.at("ran").exists());
    office.person.types("plan --compare-secrets attended").ends(0).says("re-encrypted, same value");
    assert!(office.person.at("ran").exists());
}

#[test]
fn a_value_that_this_machine_does_not_have_is_named_and_is_no_fault_of_the_manifest() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    person.write(
        "mail/outside.yaml",
        "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: outside }\n\
         spec: { values: { relay: { env: RELAY_OF_NOBODY }, here: { file: here.txt }, gone: { file: /nowhere/gone } } }\n",
    );
    let here = person.at("mail/here.txt").display().to_string();
    person.write("mail/here.txt", "hunter2\n");
    person.replace("mail/outside.yaml", "here.txt", &here);
    let check = person.types("secrets check").ends(0).says("not on this machine").does_not_say("hunter2");
    check.says("RELAY_OF_NOBODY").says("/nowhere/gone");
    let json = person.types("secrets check --output json").ends(0).json();
    let of = |name: &str| {
        let rows = json["secrets"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()["problems"].clone()
    };
    assert_eq!(of("outside/here"), serde_json::json!([]));
    assert_eq!(of("outside/relay")[0]["code"], "not-here");
    assert_eq!(of("outside/gone")[0]["code"], "not-here");
}

#[test]
fn a_new_recipient_makes_values_stale_until_they_are_encrypted_again() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    person.types("secrets check").ends(0).says("mail/password").says("ok");
    let server = another_key(person, "server.key");
    admit(person, "server", &server);
    let check = person.types("secrets check").ends(1).says("stale: not for server");
    check.says("mailplumb secrets rekey");
    let json = person.types("secrets check --output json").ends(1).json();
    assert_eq!((&json["formatVersion"], &json["opened"]), (&"1.0".into(), &true.into()));
    assert_eq!(json["recipients"], serde_json::json!(["ops", "server"]));
    assert_eq!(json["secrets"][0]["problems"][0]["code"], "stale");
    person.types("secrets rekey").ends(0).says("encrypted 1 ciphertext to ops, server; 0 failed");
    person.types("secrets check").ends(0);
    person.types("--identity server.key secrets check").ends(0).says("ok");
    person.types("plan").ends(0).says("re-encrypted for ops, server instead of ops, same value");
    person.types("apply --auto-approve").ends(0).says("0 to test");
    person.types("secrets rekey").ends(0).says("already");
    another_key(person, "stranger.key");
    person.types("--identity stranger.key secrets check").ends(14).says("this identity does not open it");
    person.types("--identity stranger.key secrets rekey --all").ends(14).says("encrypted to ops, server");
}

/// As somebody leaves it who encrypts with another program and names more readers than there are.
#[test]
fn a_ciphertext_for_fewer_than_it_names_is_stale_and_the_hint_mends_it() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    let server = another_key(person, "server.key");
    admit(person, "server", &server);
    person.replace("mail/secrets.yaml", "sealedTo: [ops]", "sealedTo: [ops, server]");
    let warned = person.types("validate").ends(0).says("warning[MP0056]");
    warned.says("mailplumb secrets rekey");
    person.types("secrets check").ends(1).says("stale: encrypted to 1 of the 2 in `sealedTo`");
    let lie = person.types("--identity server.key test sales").says("no identity at hand opens it");
    lie.says("said to be encrypted to ops;").says("secrets rekey --all mail");
    person.types("secrets rekey").ends(0).says("encrypted 1 ciphertext to ops, server; 0 failed");
    person.types("validate").ends(0).says("0 warnings");
    person.types("--identity server.key secrets check").ends(0).says("ok");
}

#[test]
fn only_what_was_changed_in_the_editor_is_encrypted_and_nothing_is_left_behind() {
    let mut office = Office::applied(PASSWORD);
    office.person.pipes("secrets set mail/other", "stays").ends(0);
    let before = office.person.read("mail/secrets.yaml");
    edits_with(&mut office, "s/^other: .*/other: \"edited\"/");
    office.person.types("secrets edit mail").ends(0).says("encrypted mail/other to ops");
    let seen = office.person.read("seen");
    assert!(seen.contains("drwx------") && seen.contains("-rw-------"), "{seen}");
    assert!(seen.contains("/runtime/mailplumb-"), "{seen}");
    let after = office.person.read("mail/secrets.yaml");
    let armour = |text: &str| text.split("-----END").next().unwrap().to_owned();
    assert_eq!(armour(&before), armour(&after));
    assert_ne!(before, after);
    nothing_is_left(&office.person);

    // A second look without a change writes nothing.
    office.person.types("secrets edit mail").ends(0).says("unchanged");
    office.person.types("secrets edit mail/other").ends(0).says("unchanged");
    assert_eq!(office.person.read("mail/secrets.yaml"), after);
    edits_with(&mut office, "s/edited/once more/");
    office.person.types("secrets edit mail/other").ends(0).says("encrypted mail/other to ops");
    edits_with(&mut office, "s/once more/once more/");
    office.person.types("secrets edit mail").ends(0).says("unchanged");
    nothing_is_left(&office.person);
}

#[test]
fn an_edit_that_fails_changes_nothing_and_leaves_nothing() {
    let mut office = Office::applied(PASSWORD);
    let before = office.person.read("mail/secrets.yaml");
    for (script, words) in [
        ("s/^password: .*/password: [1]/", "line 1 of its plaintext: a value is a text"),
        ("s/^password: /pass: /", "the key `password` is gone"),
    ] {
        edits_with(&mut office, script);
        office.person.types("secrets edit mail").ends(1).says(words);
        nothing_is_left(&office.person);
    }
    office.person.export("EDITOR", "false");
    office.person.types("secrets edit mail").ends(1).says("nothing was changed");
    office.person.export("EDITOR", "no-such-editor");
    office.person.types("secrets edit mail").ends(1);
    office.person.types("secrets edit absent").ends(1).says("there is no Secret `absent`");
    office.person.types("secrets edit mail/absent").ends(1).says("there is no encrypted value `mail/absent`");
    // Asked to end while the editor is open.
    office.person.write("editor", "#!/bin/sh\ntouch open\nexec sleep 600\n");
    office.person.export("EDITOR", "./editor");
    let open = office.person.at("open");
    let ended = office.person.runs_until("secrets edit mail", "the editor", || open.exists());
    ended.ends(130).says("interrupted; nothing was changed");
    nothing_is_left(&office.person);
    assert_eq!(office.person.read("mail/secrets.yaml"), before);
}

#[test]
fn values_that_are_set_at_the_same_time_are_all_there() {
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    let at_once = "for n in 1 2 3 4 5 6 7 8; do printf v$n | mailplumb secrets set other/k$n & pids=\"$pids $!\"; done; \
                   for pid in $pids; do wait $pid || exit 9; done";
    person.shell(at_once).ends(0);
    person.types("validate").ends(0);
    let written = person.read("mail/secrets.yaml");
    assert_eq!(
        (1..=8).filter(|number| written.contains(&format!("    k{number}:\n"))).count(),
        8,
        "{written}"
    );
    let names: Vec<_> = std::fs::read_dir(person.at("mail")).unwrap().collect();
    assert!(!names.iter().any(|name| format!("{name:?}").contains(".new")), "{names:?}");
}

#[test]
fn an_edit_writes_nothing_over_what_was_set_meanwhile() {
    let mut office = Office::applied(PASSWORD);
    office.person.pipes("secrets set mail/second", "two").ends(0);
    // The editor sets a value while it is open.
    edits_with(&mut office, "s/two/TWO/");
    let editor = office.person.read("editor");
    office
        .person
        .write("editor", &format!("{editor}printf hers | mailplumb --file mail secrets set mail/$KEY\n"));
    office.person.export("KEY", "second");
    let refused = office.person.types("secrets edit mail").ends(1);
    refused.says("the Secret `mail` was changed meanwhile; nothing was written");
    office.person.export("KEY", "third");
    office.person.export("EDITOR", "sed -i s/hers/mine/");
    office.person.types("secrets edit mail/second").ends(0);
    edits_with(&mut office, "s/mine/MINE/");
    let editor = office.person.read("editor");
    office
        .person
        .write("editor", &format!("{editor}printf hers | mailplumb --file mail secrets set mail/$KEY\n"));
    office.person.types("secrets edit mail").ends(0).says("encrypted mail/second");
    office.person.export("EDITOR", "cat");
    let shown = office.person.types("secrets edit mail").ends(0);
    shown.says("MINE").says("hers");
}

#[test]
fn a_bundle_is_edited_as_it_is_written_and_keeps_its_form() {
    let Some(()) = require(Need::Age) else { return };
    let mut office = with_bundle(PASSWORD);
    edits_with(&mut office, "1i # ours\n$ a extra: yes");
    office.person.types("secrets edit team").ends(0).says("encrypted mail/team.age to ops");
    let plain = office.person.shell(&format!("age -d -i {KEY} mail/team.age")).ends(0).stdout;
    assert_eq!(plain, format!("# ours\npassword: \"{PASSWORD}\"\nextra: yes\n"));
    assert!(
        std::fs::read(office.person.at("mail/team.age")).unwrap().starts_with(b"age-encryption.org/v1\n")
    );
    assert!(office.person.read("mail/mailplumb.yaml").contains("keys: [password, extra]"));
    office.person.types("secrets check").ends(0).says("bundle of 2");
    // What was typed where a key belongs is hardly meant for the manifest, and is not repeated.
    edits_with(&mut office, "$ a \"p4ss word!\": anna");
    let refused = office.person.types("secrets edit team").ends(1).says("the key on line 4 is no plain name");
    refused.does_not_say("p4ss");
    office.person.types("apply --auto-approve").ends(0).says("4 passed, 0 failed");
    nothing_is_left(&office.person);
    let server = another_key(&office.person, "server.key");
    admit(&office.person, "server", &server);
    office.person.types("secrets rekey").ends(0).says("encrypted 2 ciphertexts to ops, server; 0 failed");
    office.person.shell("age -d -i server.key mail/team.age").ends(0).says("extra: yes");
    office.person.types("plan").ends(0).says("re-encrypted for ops, server instead of ops, same value");
}

#[test]
fn a_secret_that_expired_is_warned_about_by_validate_plan_and_check() {
    let office = Office::applied(PASSWORD);
    office.person.replace("mail/secrets.yaml", "sealedTo:", "expires: 2020-02-29\n      sealedTo:");
    let words = "secret `mail/password` expired on 2020-02-29";
    office.person.types("validate").ends(0).says("warning[MP0057]").says(words);
    office.person.types("plan").ends(0).says(words);
    office.person.types("secrets check").ends(1).says("expired on 2020-02-29");
    office.person.replace("mail/secrets.yaml", "2020-02-29", "9999-01-01");
    office.person.types("validate").ends(0).says("0 warnings");
    office.person.types("plan").ends(0).does_not_say("expires");
    office.person.types("plan --as-of 9998-12-31").ends(0).says("secret `mail/password` expires");
}

#[test]
fn a_password_in_plain_text_is_listed_with_the_way_out_and_not_shown() {
    let office = Office::opens(PASSWORD);
    let head = "apiVersion: mailplumb/v1\nkind: Secret\nmetadata: { name: mail }\n";
    office.person.write("mail/secrets.yaml", &format!("{head}spec:\n  values:\n    password: {PASSWORD}\n"));
    let check = office.person.types("secrets check").ends(1).says("mailplumb secrets set mail/password");
    check.does_not_say(PASSWORD);
}

#[test]
fn an_identity_that_age_locked_opens_with_its_passphrase_on_a_terminal() {
    let Some(()) = require(Need::Servers) else { return };
    let mut office = Office::applied(PASSWORD);
    let asks = [("Enter passphrase", "open sesame\n"), ("Confirm passphrase", "open sesame\n")];
    office.person.on_a_terminal(&format!("age -p -o locked.key {KEY}"), &asks).ends(0);
    std::fs::remove_file(office.person.at(KEY)).unwrap();
    let line = "mailplumb --identity locked.key test";
    office.person.on_a_terminal(line, &[("Passphrase", "open sesame\n")]).ends(0).says("4 passed");
    office.person.types("--identity locked.key test").ends(14).says("there is nobody to ask");
    office.person.write("passphrase", "open sesame\n");
    office.person.export("MAILPLUMB_AGE_PASSPHRASE_FILE", "passphrase");
    office.person.types("--identity locked.key test").ends(0).says("4 passed");
}

#[test]
fn what_has_to_open_nothing_goes_on_with_a_locked_identity() {
    let Some(()) = require(Need::Servers) else { return };
    let office = Office::opens(PASSWORD);
    let person = &office.person;
    let asks = [("Enter passphrase", "open sesame\n"), ("Confirm passphrase", "open sesame\n")];
    person.on_a_terminal(&format!("age -p -o locked.key {KEY}"), &asks).ends(0);
    let deferred = person.types("--identity locked.key apply --auto-approve --tests defer").ends(0);
    deferred.says("locked.key` was left out: it is locked").says("Applied");
    person.types("--identity locked.key plan --detailed-exitcode").ends(0);
    person.types("--identity locked.key test").ends(14);
    let checked = person.types("--identity locked.key secrets check").ends(0);
    checked.says("was left out").says("whether the values open was not tried");
    let asked = [("Passphrase", "open sesame\n")];
    let checked = person.on_a_terminal("mailplumb --identity locked.key secrets check", &asked).ends(0);
    checked.does_not_say("not tried").does_not_say("left out");
}

#[test]
fn a_new_identity_goes_to_stdout_or_into_folders_that_are_made_for_its_owner() {
    let person = Person::new();
    let made = person.types("secrets keygen --out keys/new/age.key").ends(0).says("made the folder keys/new");
    let mode = std::fs::metadata(person.at("keys")).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode, made.stdout.starts_with("age1")), (0o700, true));
    let printed = person.types("secrets keygen --out -").ends(0).says("its recipient is age1");
    assert!(
        printed.stdout.starts_with("# public key: age1") && printed.stdout.contains("\nAGE-SECRET-KEY-1")
    );
    assert!(!person.at("-").exists());
}

#[test]
fn an_identity_that_was_named_to_check_must_be_one() {
    let office = Office::applied(PASSWORD);
    let person = &office.person;
    person.types("--identity absent.key secrets check").ends(14).says("absent.key");
    person.write("empty.key", "# nothing\n");
    person.types("--identity empty.key secrets check").ends(14).says("it holds no identity");
    person.shell("MAILPLUMB_AGE_KEY=garbage mailplumb secrets check").ends(14).says("`MAILPLUMB_AGE_KEY`");
    person
        .shell("MAILPLUMB_AGE_KEY_FILE=absent mailplumb secrets check")
        .ends(14)
        .says("identity file `absent`");
    person
        .shell("SOPS_AGE_KEY=garbage mailplumb secrets check")
        .ends(0)
        .says("`SOPS_AGE_KEY` was passed over");
    std::fs::set_permissions(person.at(KEY), std::fs::Permissions::from_mode(0o644)).unwrap();
    let warns = "can be read by other users (mode 0644)";
    person.types(&format!("--identity {KEY} secrets check")).ends(0).says(warns);
    person.types("secrets check").ends(0).says(warns);
    office.sets("another one");
    person.types("plan").ends(0).says(warns);
    let applied = person.types("apply --auto-approve --tests defer").ends(0);
    assert_eq!(applied.stderr.matches(warns).count(), 1, "{applied}");
}

/// Bech32 of `age1plain` with two octets that mean nothing.
const PLUGIN_RECIPIENT: &str = "age1plain1qqqqlpvgsk";

/// A plugin that speaks the protocol of age's plugins: its one recipient and identity wrap the file key with nothing.
const PLUGIN: &str = r#"#!/usr/bin/env python3
import base64, os, sys
def read():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    words, body = line.rstrip("\n")[3:].split(" "), ""
    while True:
        part = sys.stdin.readline().rstrip("\n")
        body += part
        if len(part) < 64:
            return words, base64.b64decode(body + "=" * (-len(body) % 4))
def write(words, body=b""):
    text = base64.b64encode(body).decode().rstrip("=")
    lines = [text[at:at + 64] for at in range(0, len(text), 64)] or [""]
    if len(lines[-1]) == 64:
        lines.append("")
    sys.stdout.write("-> " + " ".join(words) + "\n" + "\n".join(lines) + "\n")
    sys.stdout.flush()
if os.environ.get("FAILS") == "hangs":
    import time
    open(os.environ["HOME"] + "/pid", "w").write(str(os.getpid()))
    time.sleep(600)
if os.environ.get("FAILS") == "dies":
    sys.exit(3)
phase, keys, stanzas = sys.argv[1].split("=")[1], [], []
while True:
    words, body = read()
    if words[0] == "done":
        break
    if words[0] == "wrap-file-key":
        keys.append(body)
    if words[0] == "recipient-stanza" and words[2] == "plain":
        stanzas.append((words[1], body))
if phase == "recipient-v1":
    for number, key in enumerate(keys):
        write(["recipient-stanza", str(number), "plain", "x"], key)
        read()
else:
    open(os.environ["HOME"] + "/used", "w").close()
    if os.environ.get("FAILS") == "has no token":
        write(["error", "identity", "0"], b"token is not there")
        read()
        stanzas = []
    for number, body in stanzas[:1]:
        write(["file-key", number], body)
        read()
write(["done"])
"#;

/// An office whose only identity is in `plugin.key`.
fn with_plugin() -> Office {
    let mut office = Office::opens(PASSWORD);
    office.person.write("bin/age-plugin-plain", PLUGIN);
    let path = office.person.at("bin/age-plugin-plain");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let search = format!("{}:{}", office.person.at("bin").display(), office.person.environment()["PATH"]);
    office.person.export("PATH", &search);
    let identity = age::plugin::Identity::default_for_plugin("plain").unwrap().to_string();
    office.person.write("plugin.key", &format!("{identity}\n"));
    let ops = recipient(&office.person);
    office.person.replace("mail/mailplumb.yaml", &ops, PLUGIN_RECIPIENT);
    std::fs::remove_file(office.person.at(KEY)).unwrap();
    office.sets(PASSWORD);
    office.person.types("--identity plugin.key apply --auto-approve").ends(0).says("4 passed, 0 failed");
    office
}

#[test]
fn a_plugin_that_fails_is_not_the_ciphertexts_fault_and_disables_nothing() {
    let Some(()) = require(Need::Servers) else { return };
    let mut office = with_plugin();
    for (fails, words) in [("has no token", "token is not there"), ("dies", "unexpectedly died")] {
        office.person.export("FAILS", fails);
        let tested = office.person.types("--identity plugin.key test").ends(15);
        let tested = tested.says(words).says("`age-plugin-plain`").says("0 failed, 4 skipped");
        let tested = tested.does_not_say("another process");
        tested.does_not_say("damaged").does_not_say("secrets set").does_not_say("\u{2068}");
        office.person.types("--identity plugin.key sync").says(words);
        let status = office.person.types("status").ends(0);
        status.says("enabled").does_not_say("disabled").does_not_say("secret-unavailable");
        let set = office.person.pipes("secrets set mail/other", "x");
        if fails == "dies" {
            set.ends(14).says(words).does_not_say("AGEDEBUG").does_not_say("\u{2068}");
        }
    }
}

#[test]
fn a_plugin_that_hangs_ends_with_the_command() {
    let Some(()) = require(Need::Servers) else { return };
    let mut office = with_plugin();
    office.person.export("FAILS", "hangs");
    let mut child = office.person.begins(&["--identity", "plugin.key", "test"]);
    let pid = || std::fs::read_to_string(office.person.at("home/pid")).unwrap_or_default();
    scratch::wait_until("the plugin", || !pid().is_empty(), String::new);
    let stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    signal(&child, "TERM");
    let mut lines = std::io::BufRead::lines(stderr);
    assert!(lines.any(|line| line.unwrap().contains("once more to stop at once")));
    signal(&child, "INT");
    office.person.hears("test, interrupted", child).ends(130);
    let plugin = format!("/proc/{}", pid());
    scratch::wait_until("the plugin's end", || !std::path::Path::new(&plugin).exists(), String::new);
}

#[test]
fn a_plugin_wraps_and_opens_values_and_a_plan_does_not_touch_it() {
    let Some(()) = require(Need::Servers) else { return };
    let mut office = with_plugin();
    assert!(office.person.at("home/used").exists());
    std::fs::remove_file(office.person.at("home/used")).unwrap();
    office.sets(PASSWORD);
    let plan = office.person.types("--identity plugin.key plan").ends(0);
    plan.says("its value was not compared").says("a plugin may ask for a touch or a PIN");
    assert!(!office.person.at("home/used").exists());
    let plan = office.person.types("--identity plugin.key plan --compare-secrets attended").ends(0);
    plan.says("re-encrypted, same value");
    office.person.export("PATH", "/usr/bin:/bin");
    office.person.types("--identity plugin.key test").ends(14).says("`age-plugin-plain` is not installed");
}
