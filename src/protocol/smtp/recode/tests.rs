use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::encoding::ENCODED_LINE_MAX;
use super::*;

fn aimed(text: &str, aim: Aim) -> Result<String, Obstacle> {
    let text = text.replace('\n', "\r\n");
    recoded(text.as_bytes(), aim).map(|text| String::from_utf8(text).unwrap().replace("\r\n", "\n"))
}

fn seven_bit(text: &str) -> Option<String> {
    aimed(text, Aim::SevenBit).ok()
}

fn short(text: &str) -> Result<String, Obstacle> {
    aimed(text, Aim::ShortLines)
}

#[test]
fn a_text_becomes_quoted_printable_and_says_so() {
    let long = "ü".repeat(30);
    let recoded = seven_bit(&format!(
        "Subject: x\nMIME-Version: 1.0\ncontent-type: text/plain;\n charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n\
         Grüße = \n.dot\n{long}\n"
    ));
    let expected = format!(
        "Subject: x\nMIME-Version: 1.0\ncontent-type: text/plain;\n charset=utf-8\n\
         Content-Transfer-Encoding: quoted-printable\n\nGr=C3=BC=C3=9Fe =3D=20\n.dot\n{}=\n{}=\n{}\n",
        "=C3=BC".repeat(12) + "=C3",
        "=BC".to_owned() + &"=C3=BC".repeat(12),
        "=C3=BC".repeat(5)
    );
    assert_eq!(recoded.as_deref(), Some(expected.as_str()));
}

#[test]
fn only_the_parts_that_need_it_are_touched() {
    let text = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 8bit\n\n\
                preamble\n--b\nContent-Type: text/plain\n\nplain  \n--b\nContent-Type: image/png\n\nä\n--b\n\
                Content-Type: message/rfc822\n\nSubject: in\nContent-Type: text/html\n\nö\n--b--\nepilogue\n";
    let expected = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\nContent-Transfer-Encoding: 7bit\n\n\
                    preamble\n--b\nContent-Type: text/plain\n\nplain  \n--b\nContent-Type: image/png\n\
                    Content-Transfer-Encoding: base64\n\nw6Q=\n\n--b\nContent-Type: message/rfc822\n\
                    Content-Transfer-Encoding: 7bit\n\nSubject: in\nContent-Type: text/html\n\
                    Content-Transfer-Encoding: quoted-printable\n\n=C3=B6\n--b--\nepilogue\n";
    assert_eq!(seven_bit(text).as_deref(), Some(expected));
}

#[test]
fn what_must_not_be_touched_is_refused() {
    let mime = "MIME-Version: 1.0\n";
    for text in [
        "Content-Type: text/plain\n\nä\n".to_owned(),
        format!("{mime}\nä\n"),
        format!("{mime}Subject: ä\nContent-Type: text/plain\n\nx\n"),
        format!("{mime}DKIM-Signature: v=1\nContent-Type: text/plain\n\nä\n"),
        format!(
            "{mime}Content-Type: multipart/signed; boundary=b\n\n--b\nContent-Type: text/plain\n\nä\n--b--\n"
        ),
        format!("{mime}Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nä\n"),
        format!("{mime}Content-Type: multipart/mixed\n\nä\n"),
        format!("{mime}Content-Type: multipart/mixed; boundary=b\n\nä\n--b--\n"),
        format!("{mime}Content-Type: message/partial\n\nä\n"),
        format!("{mime}no field\n\nä\n"),
    ] {
        assert_eq!(seven_bit(&text), None, "{text}");
    }
}

#[test]
fn a_long_line_of_a_text_is_encoded_and_the_rest_stays() {
    let long = "y".repeat(1000);
    let encoded = format!("{}=\n", "y".repeat(75)).repeat(13) + &"y".repeat(25);
    let text = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nplain\n--b\n\n{long}\n--b\n\
         Content-Type: text/plain; charset=utf-8\n\nß\n--b--\n"
    );
    let expected = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\nContent-Transfer-Encoding: 8bit\n\n--b\n\nplain\n--b\n\
         Content-Transfer-Encoding: quoted-printable\n\n{encoded}\n--b\n\
         Content-Type: text/plain; charset=utf-8\n\nß\n--b--\n"
    );
    assert_eq!(short(&text), Ok(expected));
}

#[test]
fn a_text_without_mime_becomes_one_with_it_if_that_says_nothing_new() {
    let long = "y".repeat(1000);
    let encoded = format!("{}=\n", "y".repeat(75)).repeat(13) + &"y".repeat(25);
    let expected =
        format!("MIME-Version: 1.0\nSubject: x\nContent-Transfer-Encoding: quoted-printable\n\n{encoded}\n");
    assert_eq!(short(&format!("Subject: x\n\n{long}\n")), Ok(expected));
    assert_eq!(short(&format!("Subject: x\n\nß{long}\n")), Err(Obstacle::NoCharset));
}

#[test]
fn what_is_encoded_already_is_only_broken_into_lines() {
    let long = "=41=3D ".repeat(200) + "x";
    let text = |encoding: &str, body: &str| {
        format!(
            "MIME-Version: 1.0\nContent-Type: application/pdf\nContent-Transfer-Encoding: {encoding}\n\n{body}\n"
        )
    };
    let recoded = short(&text("quoted-printable", &long)).unwrap();
    let (_, body) = recoded.split_once("\n\n").unwrap();
    assert!(body.lines().all(|line| line.len() <= ENCODED_LINE_MAX), "{body}");
    assert_eq!(
        quoted_printable_decode(body.as_bytes()).unwrap(),
        format!("{}x\n", "A= ".repeat(200)).as_bytes()
    );
    let recoded = short(&text("Base64", &"aGFs".repeat(500))).unwrap();
    let (_, body) = recoded.split_once("\n\n").unwrap();
    assert!(body.lines().all(|line| line.len() <= ENCODED_LINE_MAX), "{body}");
    assert_eq!(body.replace('\n', ""), "aGFs".repeat(500));
}

#[test]
fn a_long_header_line_is_folded_at_its_blanks_and_says_the_same() {
    let long = "word ".repeat(400);
    let text = format!("Subject: {long}\nX: ü{}\n {}\n\nbody\n", " y".repeat(600), "z ".repeat(600));
    let folded = short(&text).unwrap();
    assert!(folded.lines().all(
        |line| line.len() <= limits::TEXT_LINE_BYTES_MAX && (line.is_empty() || !line.trim().is_empty())
    ));
    assert_eq!(folded.replace("\n ", " "), text.replace("\n ", " "));
}

#[test]
fn long_lines_that_must_not_be_broken_are_refused() {
    let long = "y".repeat(1000);
    let mime = "MIME-Version: 1.0\n";
    for (text, obstacle) in [
        (format!("X-Note: {long}\n\nx\n"), Obstacle::Field { name: "X-Note".to_owned() }),
        (format!("DKIM-Signature: v=1\n\n{long}\n"), Obstacle::Dkim),
        (format!("DKIM-Signature: v=1\nReferences: {}\n\nx\n", "a ".repeat(600)), Obstacle::Dkim),
        (
            format!("{mime}Content-Type: multipart/signed; boundary=b\n\n--b\n\n{long}\n--b--\n"),
            Obstacle::SignedPart,
        ),
        (
            format!("{mime}Content-Type: message/delivery-status\n\n{long}\n"),
            Obstacle::Kind { kind: "message/delivery-status".to_owned() },
        ),
        (format!("{mime}Content-Type: multipart/mixed; boundary=b\n\n{long}\n--b--\n"), Obstacle::Structure),
    ] {
        assert_eq!(short(&text), Err(obstacle), "{text}");
    }
}

#[test]
fn a_subject_without_blanks_is_told_in_encoded_words() {
    let subject = "xü".repeat(700);
    let recoded = short(&format!("From: a@b\nSubject: {subject}\nTo: c@d\n\nbody\n")).unwrap();
    assert!(recoded.lines().all(|line| line.len() <= 90), "{recoded}");
    let message = mail_parser::MessageParser::default().parse(recoded.as_bytes()).unwrap();
    assert_eq!(message.subject(), Some(subject.as_str()));
    assert_eq!(message.to().unwrap().first().unwrap().address(), Some("c@d"));
    let word = format!("Subject: =?utf-8?Q?{}?=\n\nbody\n", "x".repeat(1000));
    assert_eq!(short(&word), Err(Obstacle::Field { name: "Subject".to_owned() }));
}

#[test]
fn a_part_of_a_digest_is_a_message() {
    let long = "y".repeat(1000);
    let text = format!(
        "MIME-Version: 1.0\nContent-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: in\n\n{long}\n--b--\n"
    );
    let recoded = short(&text).unwrap();
    assert!(recoded.contains("--b\nContent-Transfer-Encoding: 7bit\n\nSubject: in\nContent-Transfer-Encoding: quoted-printable\n\nyyy"), "{recoded}");
}

proptest::proptest! {
    #[test]
    fn what_is_recoded_is_ascii_in_short_lines_and_reads_as_before(lines in proptest::collection::vec("[a-zß =.\t-]{0,200}", 0..6)) {
        let body: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let text = format!("MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{body}");
        let recoded = recoded(text.as_bytes(), Aim::SevenBit).unwrap();
        if text.is_ascii() {
            proptest::prop_assert_eq!(recoded, text.into_bytes());
        } else {
            let recoded = String::from_utf8(recoded).unwrap();
            let (_, encoded) = recoded.split_once("\r\n\r\n").unwrap();
            proptest::prop_assert!(encoded.split("\r\n").all(|line| line.len() <= ENCODED_LINE_MAX));
            let decoded = quoted_printable_decode(encoded.as_bytes());
            proptest::prop_assert_eq!(decoded.unwrap(), body.into_bytes());
        }
    }
}
