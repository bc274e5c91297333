//! The harness itself, tested with Python's own clients, so that a test that fails does not fail because of it.

use std::net::TcpStream;

use super::certificates::{CertificateKind, HOST};
use super::dovecot::{Dovecot, DovecotOptions};
use super::need::{Need, require};
use super::postfix::{MESSAGE_BYTES_MAX, Postfix};
use super::program::{outcome, run};

const ANNA: &str = "anna@example.test";
const MESSAGE: &str =
    "From: bob@example.test\r\nSubject: hello\r\nMessage-ID: <1@example.test>\r\n\r\nbody\r\n";

/// What every script starts with. `Host` connects to the server's address, but verifies its name.
const PRELUDE: &str = r"
import imaplib, poplib, smtplib, socket, ssl, sys
address, port, authority = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context(cafile=authority)
HOST = 'mail.example.test'
real = socket.create_connection
def connect(destination, *rest, **named):
    return real((address, destination[1]), *rest, **named)
socket.create_connection = connect
";

fn anna() -> DovecotOptions<'static> {
    DovecotOptions::with_users([(ANNA, "anna-pw"), ("bob@example.test", "bob-pw")])
}

fn python(script: &str, address: std::net::SocketAddr, dovecot: &Dovecot) -> (Option<i32>, String) {
    let authority = dovecot.certificate.authority.display().to_string();
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    outcome("python3", &["-c", &format!("{PRELUDE}{script}"), &ip, &port, &authority], "")
}

#[track_caller]
fn succeeds(script: &str, address: std::net::SocketAddr, dovecot: &Dovecot) -> String {
    let (code, printed) = python(script, address, dovecot);
    assert_eq!(code, Some(0), "{printed}\n{}", dovecot.log());
    printed
}

#[track_caller]
fn fails_with(words: &str, script: &str, address: std::net::SocketAddr, dovecot: &Dovecot) {
    let (code, printed) = python(script, address, dovecot);
    assert!(code != Some(0) && printed.contains(words), "expected {words:?}, exit code {code:?}:\n{printed}");
}

#[test]
fn delivered_mail_is_read_over_imap_and_its_commands_are_known() {
    let Some(()) = require(Need::Servers) else { return };
    let dovecot = Dovecot::start(anna());
    dovecot.deliver(ANNA, MESSAGE);
    let script = "
c = imaplib.IMAP4_SSL(HOST, port, ssl_context=context); c.login('anna@example.test', 'anna-pw')
c.select('INBOX'); print(c.fetch('1', '(BODY.PEEK[])')[1][0][1].decode()); c.logout()";
    assert!(succeeds(script, dovecot.imaps, &dovecot).contains("Subject: hello"));
    let commands = dovecot.commands(ANNA);
    assert!(commands.iter().any(|line| line.ends_with("FETCH 1 (BODY.PEEK[])")), "{commands:?}");
    assert!(commands.iter().any(|line| line.ends_with("LOGOUT")), "{commands:?}");
    assert_eq!(dovecot.inbox_messages(ANNA), [MESSAGE]);
    assert!(dovecot.log().contains("imap-login: Info: Login: user=<anna@example.test>"), "{}", dovecot.log());
}

#[test]
fn delivered_mail_is_read_over_pop3_in_the_order_of_delivery() {
    let Some(()) = require(Need::Servers) else { return };
    let dovecot = Dovecot::start(anna());
    for subject in ["one", "two", "three"] {
        dovecot.deliver(ANNA, format!("Subject: {subject}\n\nbody\n"));
    }
    let script = "
c = poplib.POP3(HOST, port); c.stls(context); c.user('anna@example.test'); c.pass_('anna-pw')
print([c.retr(n)[1][0].decode() for n in (1, 2, 3)]); c.dele(1); c.quit()";
    let printed = succeeds(script, dovecot.pop3, &dovecot);
    assert_eq!(printed.trim(), "['Subject: one', 'Subject: two', 'Subject: three']");
    assert_eq!(dovecot.inbox_messages(ANNA).len(), 2);
    assert!(dovecot.commands(ANNA).contains(&"DELE 1".to_owned()), "{:?}", dovecot.commands(ANNA));
}

#[test]
fn a_wrong_password_and_a_login_without_tls_are_refused() {
    let Some(()) = require(Need::Servers) else { return };
    let mut dovecot = Dovecot::start(anna());
    let login = |password: &str| {
        format!(
            "c = poplib.POP3_SSL(HOST, port, context=context); c.user('{ANNA}'); c.pass_('{password}'); c.quit()"
        )
    };
    succeeds(&login("anna-pw"), dovecot.pop3s, &dovecot);
    fails_with("Authentication failed", &login("wrong"), dovecot.pop3s, &dovecot);
    fails_with("PRIVACYREQUIRED", "imaplib.IMAP4(HOST, port).login('a', 'b')", dovecot.imap, &dovecot);
    dovecot.set_password(ANNA, "a-new-one");
    fails_with("Authentication failed", &login("anna-pw"), dovecot.pop3s, &dovecot);
    succeeds(&login("a-new-one"), dovecot.pop3s, &dovecot);
}

#[test]
fn each_bad_certificate_is_refused_for_its_own_reason() {
    let Some(()) = require(Need::Servers) else { return };
    let script = format!("assert HOST == '{HOST}'; imaplib.IMAP4_SSL(HOST, port, ssl_context=context)");
    let reasons = [
        (CertificateKind::Expired, "certificate has expired"),
        (CertificateKind::SelfSigned, "self-signed certificate"),
        (CertificateKind::WrongName, "Hostname mismatch"),
    ];
    for (certificate, reason) in reasons {
        let dovecot = Dovecot::start(DovecotOptions { certificate, ..anna() });
        fails_with(reason, &script, dovecot.imaps, &dovecot);
    }
}

#[test]
fn a_stopped_server_refuses_and_a_restarted_one_answers_on_the_same_port() {
    let Some(()) = require(Need::Servers) else { return };
    let mut dovecot = Dovecot::start(DovecotOptions { mechanisms: "cram-md5", ..anna() });
    let script = "
c = imaplib.IMAP4_SSL(HOST, port, ssl_context=context); print(c.login_cram_md5('anna@example.test', 'anna-pw'))";
    succeeds(script, dovecot.imaps, &dovecot);
    dovecot.stop();
    fails_with("Connection refused", script, dovecot.imaps, &dovecot);
    dovecot.restart();
    succeeds(script, dovecot.imaps, &dovecot);
    dovecot.kill();
    fails_with("Connection refused", script, dovecot.imaps, &dovecot);
    dovecot.restart();
    succeeds(script, dovecot.imaps, &dovecot);
}

#[test]
fn mail_is_submitted_with_a_password_and_delivered_to_dovecot() {
    let Some(()) = require(Need::Submission) else { return };
    let dovecot = Dovecot::start(anna());
    let postfix = Postfix::start(&dovecot);
    let send = "
c.login('bob@example.test', 'bob-pw'); c.sendmail('bob@example.test', ['anna@example.test'], 'Subject: sent\\r\\n\\r\\nx')";
    let starttls = format!("c = smtplib.SMTP(HOST, port); c.starttls(context=context){send}");
    succeeds(&starttls, postfix.submission, &dovecot);
    succeeds(
        &format!("c = smtplib.SMTP_SSL(HOST, port, context=context){send}"),
        postfix.submissions,
        &dovecot,
    );
    let delivered = postfix.wait_for_delivery(&dovecot, ANNA, 2);
    assert!(delivered.iter().all(|message| message.contains("Subject: sent")), "{delivered:?}");
    let wrong = starttls.replace("bob-pw", "wrong");
    fails_with("535", &wrong, postfix.submission, &dovecot);
    fails_with("530", "smtplib.SMTP(HOST, port).sendmail('a@b', ['c@d'], '')", postfix.submission, &dovecot);
}

#[test]
fn refusals_have_the_promised_codes_and_nothing_leaves_the_machine() {
    let Some(()) = require(Need::Submission) else { return };
    let dovecot = Dovecot::start(anna());
    let postfix = Postfix::start(&dovecot);
    let script = format!(
        "
c = smtplib.SMTP(HOST, port)
def code(sender, recipient, size=10):
    try: c.ehlo_or_helo_if_needed(); c.sendmail(sender, [recipient], 'Subject: x\\r\\n\\r\\n' + 'x' * size); return 250
    except smtplib.SMTPRecipientsRefused as e: return list(e.recipients.values())[0][0]
    except smtplib.SMTPResponseException as e: return e.smtp_code
b = 'bob@example.test'
print([code(b, r + '@example.test') for r in ('anna', 'defer', 'nouser', 'full')],
  code('banned@example.test', 'anna@example.test'), code(b, 'anna@example.test', {MESSAGE_BYTES_MAX}),
  code(b, 'someone@other.test'), code(b, 'busy@example.test'))"
    );
    let printed = succeeds(&script, postfix.anonymous, &dovecot);
    assert_eq!(printed.trim(), "[250, 450, 550, 452] 554 552 550 421");
    assert!(postfix.log().contains("no route outside this test"), "{}", postfix.log());
    let (smtp, imap) = (postfix.anonymous, dovecot.imap);
    drop((postfix, dovecot));
    let left: Vec<_> = [smtp, imap].into_iter().filter(|port| TcpStream::connect(port).is_ok()).collect();
    assert!(left.is_empty(), "something still listens on {left:?}");
}

#[test]
fn a_server_does_not_outlive_its_test() {
    let folder = super::scratch::folder();
    let log = folder.path().join("log");
    let server = super::program::Server::start(&["sh", "-c", "echo $$; exec sleep 1000"], &log);
    let pid = || std::fs::read_to_string(&log).unwrap().trim().to_owned();
    super::scratch::wait_until("the process number", || !pid().is_empty(), String::new);
    let alive = || outcome("kill", &["-0", &pid()], "").0 == Some(0);
    assert!(alive());
    drop(server);
    assert!(!alive());
}

#[test]
fn a_command_that_fails_fails_the_test() {
    assert_eq!(run("cat", &["-"], "text"), "text");
    assert!(std::panic::catch_unwind(|| run::<&str>("false", &[], "")).is_err());
}
