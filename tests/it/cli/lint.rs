//! `fmt` and the forms of `validate`, as a person and a pipeline use them.

use std::os::unix::fs::PermissionsExt;

use super::person::Person;

const MESSY: &str = "kind: Organization   # ours\napiVersion: 'mailplumb/v1'\nmetadata: {name: \"o\"}\n";
const CLEAN: &str = "apiVersion: mailplumb/v1\nkind: Organization  # ours\nmetadata: { name: o }\n";

#[test]
fn fmt_writes_files_keeps_their_modes_and_names_them() {
    let person = Person::new();
    person.write("mail/a.yaml", MESSY);
    person.write("mail/b.csv", "name,  address\n");
    std::fs::set_permissions(person.at("mail/a.yaml"), std::fs::Permissions::from_mode(0o640)).unwrap();
    let heard = person.types("fmt --file mail").ends(0).says("formatted 1 of 1 file");
    assert_eq!(heard.stdout, "mail/a.yaml\n");
    assert_eq!(person.read("mail/a.yaml"), CLEAN);
    assert_eq!(person.read("mail/b.csv"), "name,  address\n");
    let mode = std::fs::metadata(person.at("mail/a.yaml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    let heard = person.types("fmt mail").ends(0).says("1 file in canonical form");
    assert_eq!(heard.stdout, "");
}

#[test]
fn fmt_check_shows_what_would_change_and_writes_nothing() {
    let person = Person::new();
    person.write("mail/a.yaml", MESSY);
    let heard = person.types("fmt --check mail/a.yaml").ends(2).says("nothing was written");
    assert!(heard.stdout.contains("--- mail/a.yaml\n"), "{heard}");
    assert!(heard.stdout.contains("\n-metadata: {name: \"o\"}\n+apiVersion: mailplumb/v1\n"), "{heard}");
    person.types("fmt --diff mail").ends(0).says("@@ -1,3 +1,3 @@");
    assert_eq!(person.read("mail/a.yaml"), MESSY);
    person.write("mail/a.yaml", CLEAN);
    assert_eq!(person.types("fmt --check mail").ends(0).stdout, "");
}

#[test]
fn fmt_reads_stdin_and_leaves_alone_what_it_cannot_read() {
    let person = Person::new();
    assert_eq!(person.pipes("fmt -", MESSY).ends(0).stdout, CLEAN);
    assert_eq!(person.pipes("fmt -", "a: [1\n").ends(1).says("MP0003").stdout, "");
    person.write("mail/a.yaml", "a: &x 1\n");
    person.write("mail/b.yaml", MESSY);
    person.types("fmt mail").ends(1).says("MP0005").says("formatted 1 of 2 files");
    assert_eq!(
        (person.read("mail/a.yaml").as_str(), person.read("mail/b.yaml").as_str()),
        ("a: &x 1\n", CLEAN)
    );
}

#[test]
fn fmt_shows_no_secret_that_stands_in_plain_text() {
    let person = Person::new();
    let secret =
        "apiVersion: mailplumb/v1\nkind:  Secret\nmetadata: { name: s }\nspec: { values: { x: hunter2 } }\n";
    person.write("mail/a.yaml", secret);
    person.types("fmt --diff mail").ends(0).says("not shown").does_not_say("hunter2");
}

#[test]
fn what_init_and_secrets_set_write_is_in_canonical_form() {
    for kind in ["imap-smtp", "pop3-smtp", "exchange", "exchange-online"] {
        let person = Person::new();
        person.types(&format!("init --file mail --profile {kind}")).ends(0);
        person.types("fmt --check mail").ends(0);
        person.pipes("secrets set mail/password --file mail", "x").ends(0);
        person.pipes("secrets set other/one --file mail", "x").ends(0);
        person.types("fmt --check mail").ends(0);
        for file in ["mail/mailplumb.yaml", "mail/secrets.yaml"] {
            assert!(person.read(file).starts_with("# yaml-language-server: $schema=mailplumb.schema.json\n"));
        }
    }
}

#[test]
fn validate_speaks_to_people_programs_and_pipelines() {
    let person = Person::new();
    person.write("mail/a.yaml", "apiVersion: mailplumb/v1\nkind: Organizatoin\nmetadata: { name: o }\n");
    person.types("validate --file mail").ends(1).says("--> a.yaml:2:7").says("did you mean `Organization`?");
    let json = person.types("validate --file mail -o json").ends(1).json();
    assert_eq!(
        (&json["formatVersion"], &json["problems"][0]["path"]),
        (&"1.0".into(), &"mail/a.yaml".into())
    );
    let heard = person.types("validate --file mail -o github").ends(1).says("--> a.yaml:2:7");
    assert!(heard.stdout.lines().all(|line| line.starts_with("::")), "{heard}");
    assert!(heard.stdout.contains("::error file=mail/a.yaml,line=2,"), "{heard}");
    for (variable, folder, path) in
        [("X=1", "mail", "a.yaml"), ("GITHUB_WORKSPACE=$PWD", "mail", "mail/a.yaml")]
    {
        let asked = format!("env {variable} mailplumb -C {folder} validate -o github");
        let heard = person.shell(&asked).ends(1);
        assert!(heard.stdout.contains(&format!("::error file={path},line=2,")), "{heard}");
    }
    person.shell("mkdir .git").ends(0);
    let heard = person.shell("cd mail && mailplumb validate -o github").ends(1);
    assert!(heard.stdout.contains("::error file=mail/a.yaml,line=2,"), "{heard}");
    let sarif = person.types("validate --file mail -o sarif").ends(1).json();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "MP0022");
}

#[test]
fn a_code_is_explained_with_an_example() {
    let person = Person::new();
    person.types("validate --explain mp0023").ends(0).says("## MP0023").says("What to do: ").says("-->");
    person.types("validate --explain MP9999").ends(64).says("there is no code `MP9999`");
    let set = "MAILPLUMB_STATE=/x MAILPLUMB_FILE=/x MAILPLUMB_IDENTITY=/x MAILPLUMB_NO_CACHE=1 MAILPLUMB_HOST_CONFIG=/x";
    person.shell(&format!("{set} mailplumb validate --explain MP0023")).ends(0).says("## MP0023");
    person.types("validate --explain MP0023 --output json").ends(64).says("--output");
}

const ONLINE: &str = "apiVersion: mailplumb/v1
kind: Organization
metadata: { name: o }
---
apiVersion: mailplumb/v1
kind: EmailServerProfile
metadata: { name: exo }
spec:
  owner: team@contoso.example
  exchangeOnline:
    tenant: contoso.example
    transport: ews
    serverToServer: { clientId: app, clientSecret: { secret: s, key: k } }
---
apiVersion: mailplumb/v1
kind: Secret
metadata: { name: s }
spec: { values: { k: { env: K } } }
";

#[test]
fn what_a_provider_switches_off_warns_and_then_blocks_what_is_new_or_changed() {
    let person = Person::new();
    person.write("mail/a.yaml", ONLINE);
    person.types("validate --file mail --as-of 2026-09-01").ends(0).says("MP0150").says("from 2027-04-01");
    person.types("validate --file mail --as-of 2027-04-01").ends(0).says("MP0151").says("transport: graph");
    person
        .types("plan --file mail --as-of 2027-04-01")
        .ends(0)
        .says("since 2027-04-01")
        .says("use `exchangeOnline`");
    person.types("apply --file mail --as-of 2027-04-01 --auto-approve").ends(10).says("since 2027-04-01");
    person.types("apply --file mail --as-of 2027-03-31 --auto-approve").ends(0);
    // It is stored now, and nobody touches it: no later day blocks.
    person
        .types("plan --file mail --as-of 2027-04-01")
        .ends(0)
        .says("since 2027-04-01")
        .does_not_say("blocked");
    person.replace("mail/a.yaml", "owner: team@", "owner: others@");
    person.types("apply --file mail --as-of 2027-04-01 --auto-approve").ends(10);
    person.types("validate --file mail --as-of yesterday").ends(64);
}
