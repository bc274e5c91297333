//! `mailplumb messages show`: headers and text to read, attachments that land where they are meant to.

use mailplumb::playground::Protocol;

use super::office::{Office, SUPPORT};

const PASSWORD: &str = "correct horse battery staple";

const LETTER: &str = "From: =?utf-8?Q?J=C3=BCrgen?= <j@writer.example>\r\nTo: support@office.test\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n\
    Message-ID: <show@writer.example>\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nSch=C3=B6ne \x1b[31mRose\r\n\
    --b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=\"../../escape.pdf\"\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nJVBERg==\r\n\
    --b\r\nContent-Type: application/pdf; name=escape.pdf\r\n\r\nsecond\r\n\
    --b\r\nContent-Type: application/octet-stream; name=setup.exe\r\n\r\nMZ\r\n--b--\r\n";

/// The office with that letter recorded, and its number.
fn with_letter() -> (Office, u64) {
    let office = Office::at_work(PASSWORD);
    office.playground.state().deliver(SUPPORT, LETTER.as_bytes()).unwrap();
    office.person.types("sync").ends(0);
    let list = office.person.types("messages --mailbox support -o json").ends(0).json();
    let found = list["messages"].as_array().unwrap().iter().find(|one| one["facts"]["subject"] == "Grüße");
    let id = found.expect("the letter is recorded")["id"].as_u64().unwrap();
    (office, id)
}

#[test]
fn a_message_is_shown_decoded_and_moves_no_cursor() {
    let (office, id) = with_letter();
    let shown = office.person.types(&format!("messages show {id}")).ends(0);
    shown
        .clone()
        .says("From: Jürgen <j@writer.example>")
        .says("Subject: Grüße")
        .says("Schöne  [31mRose")
        .says("attachment 1  escape.pdf (application/pdf, 4 bytes, blake3 ")
        .does_not_say("\u{1b}");
    assert_eq!(office.person.types(&format!("messages {id}")).ends(0).stdout, shown.stdout, "the short form");
    let json = office.person.types(&format!("messages show {id} -o json")).ends(0).json();
    assert_eq!(json["content"]["body"]["text"], "Schöne \u{1b}[31mRose");
    assert_eq!(json["content"]["attachments"][0]["name"], "../../escape.pdf");
    assert_eq!(json["content"]["attachments"][0]["fileName"], "escape.pdf");
    assert_eq!(
        json["content"]["attachments"][0]["content"],
        mailplumb::model::record::ContentHash::of(b"%PDF").0
    );
    assert_eq!(json["message"]["facts"]["attachments"].as_array().unwrap().len(), 3);
}

#[test]
fn attachments_are_printed_and_saved_with_safe_names_and_never_over_a_file() {
    let (office, id) = with_letter();
    let person = &office.person;
    assert_eq!(person.types(&format!("messages show {id} --attachment 1")).ends(0).stdout, "%PDF");
    person.write("attachments/escape.pdf", "mine");
    let saved = person.types(&format!("messages show {id} --save-to attachments")).ends(0);
    assert_eq!(saved.stdout, "attachments/escape-2.pdf\nattachments/escape-3.pdf\nattachments/setup.exe\n");
    assert_eq!(person.read("attachments/escape.pdf"), "mine");
    assert_eq!(
        (person.read("attachments/escape-2.pdf"), person.read("attachments/escape-3.pdf")),
        ("%PDF".to_owned(), "second".to_owned())
    );
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(person.at("attachments/setup.exe")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(
        !person.at("escape.pdf").exists() && !person.folder().parent().unwrap().join("escape.pdf").exists()
    );

    let refused = person.types(&format!("messages show {id} --attachment 9")).ends(1);
    refused.says("has no attachment 9").says("it has 3 attachments").says("hint: ");
    person.write("file", "");
    person.types(&format!("messages show {id} --save-to file")).ends(1).says("`file` cannot be written");
    person.types(&format!("messages show {id} --raw --attachment 1")).ends(64);
    person.types("messages show").ends(64);
    person.types("messages show 999").ends(1).says("no message 999");
}

/// What takes colour out of a text that goes into a file would take these octets with it.
#[test]
fn octets_that_look_like_colour_reach_a_file_as_they_are() {
    let office = Office::at_work(PASSWORD);
    let letter = "From: j@writer.example\r\nSubject: escapes\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n\x1b$BF|K\\8l\x1b(B \x1b[31m \x07\r\n--b\r\n\
        Content-Type: application/pdf; name=x.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nABtbMzFtBwF/Gw==\r\n--b--\r\n";
    office.playground.state().deliver(SUPPORT, letter.as_bytes()).unwrap();
    office.person.types("sync").ends(0);
    let list = office.person.types("messages --mailbox support -o json").ends(0).json();
    let is_it = |one: &&serde_json::Value| one["facts"]["subject"] == "escapes";
    let id = list["messages"].as_array().unwrap().iter().find(is_it).expect("recorded")["id"].clone();
    assert_eq!(office.person.types(&format!("messages show {id} --raw")).ends(0).stdout, letter);
    let attachment = office.person.types(&format!("messages show {id} --attachment 1")).ends(0).stdout;
    assert_eq!(attachment, "\0\x1b[31m\x07\x01\x7f\x1b");
}

#[test]
fn what_the_organization_does_not_allow_is_listed_and_not_handed_out() {
    let (office, id) = with_letter();
    let person = &office.person;
    let manifest = person.read("mail/mailplumb.yaml");
    let (head, rest) = manifest.split_once("kind: Organization").unwrap();
    let rest = rest.replacen(
        "spec:\n",
        "spec:\n  tracking: { attachments: { sizeMax: 5KiB, blockedTypes: [exe] } }\n",
        1,
    );
    person.write("mail/mailplumb.yaml", &format!("{head}kind: Organization{rest}"));
    person.types("apply --auto-approve --tests defer").ends(0);
    person
        .types(&format!("messages show {id}"))
        .ends(0)
        .says("withheld: its ending `exe` is one of tracking.attachments.blockedTypes");
    person.types(&format!("messages show {id} --attachment 3")).ends(1).says("is withheld").says("--raw");
    let saved =
        person.types(&format!("messages show {id} --save-to out")).ends(0).says("attachment 3 was not saved");
    assert_eq!(saved.stdout, "out/escape.pdf\nout/escape-2.pdf\n");
}

#[test]
fn saving_ends_with_a_signal_between_two_files() {
    const PARTS: usize = 6000;
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    let part = |number: usize| {
        format!(
            "--b\r\nContent-Type: text/plain; name=n{number}.txt\r\nContent-Disposition: attachment\r\n\r\n{number}\r\n"
        )
    };
    let parts: String = (0..PARTS).map(part).collect();
    let letter = format!(
        "From: j@writer.example\r\nSubject: many\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n"
    );
    office.playground.state().deliver(SUPPORT, letter.as_bytes()).unwrap();
    person.types("sync").ends(0);
    let list = person.types("messages --mailbox support --limit 1 -o json").ends(0).json();
    let id = list["messages"][0]["id"].as_u64().unwrap();
    let out = person.at("out");
    let saved = || std::fs::read_dir(&out).map_or(0, Iterator::count);
    person.runs_until(&format!("messages show {id} --save-to out"), "a file", || saved() > 0).ends(130);
    assert!(saved() < PARTS, "{}", saved());
}

/// The same attachment to several mailboxes: on the disk once, printed as it was, and what is damaged is told.
#[test]
fn an_attachment_of_many_messages_is_kept_once_and_printed_as_it_was_received() {
    let office = Office::at_work(PASSWORD);
    let person = &office.person;
    let encoded = format!("{}\r\n", "QUJD".repeat(18)).repeat(4000);
    let letter = |number: usize| {
        format!(
            "From: j@writer.example\r\nSubject: large {number}\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n\
             text {number}\r\n--b\r\nContent-Type: application/pdf; name=large.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n\
             {encoded}--b--\r\n"
        )
    };
    for number in 0..3 {
        office.playground.state().deliver(SUPPORT, letter(number).as_bytes()).unwrap();
    }
    person.types("sync").ends(0);
    let blobs = person.at("mail/.mailplumb/blobs/000001.seg");
    let bytes = std::fs::metadata(&blobs).unwrap().len();
    assert!(bytes < encoded.len() as u64 * 3 / 2, "{bytes}");
    let list = person.types("messages --mailbox support -o json").ends(0).json();
    let id = |number: usize| {
        let subject = format!("large {number}");
        let all = list["messages"].as_array().unwrap();
        let found = all.iter().find(|one| one["facts"]["subject"] == subject.as_str());
        found.expect("it is recorded")["id"].as_u64().unwrap()
    };
    for number in 0..3 {
        assert_eq!(
            person.types(&format!("messages show {} --raw", id(number))).ends(0).stdout,
            letter(number)
        );
        let printed = person.types(&format!("messages show {} --attachment 1", id(number))).ends(0).stdout;
        assert_eq!(printed, "ABC".repeat(18 * 4000));
    }
    let mut octets = std::fs::read(&blobs).unwrap();
    let at = octets.windows(8).position(|octets| octets == b"QUJDQUJD").unwrap();
    octets[at] = b'X';
    std::fs::write(&blobs, octets).unwrap();
    person.types(&format!("messages show {} --raw", id(1))).ends(1).says("holds something else");
}

#[test]
fn servers_hear_a_goodbye_and_the_name_of_the_host_file() {
    let office = Office::at_work(PASSWORD);
    let host = office.person.read("host.yaml");
    office.person.write("host.yaml", &format!("{host}smtpName: mailplumb.office.test\n"));
    office.playground.log().clear();
    office.person.types("outbox add --mailbox support --to reader@office.test --text x").ends(0);
    office.person.types("sync").ends(0);
    let imap = office.playground.log().commands(Protocol::Imap);
    assert!(imap.last().is_some_and(|command| command.contains("LOGOUT")), "{imap:?}");
    let smtp = office.playground.log().commands(Protocol::Smtp);
    assert!(smtp.iter().any(|command| command.contains("EHLO mailplumb.office.test")), "{smtp:?}");
}
