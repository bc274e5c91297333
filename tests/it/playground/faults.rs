//! Faults, limits and refusals, seen through a bare socket.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use mailplumb::playground::{
    ClearLogins, Fault, Happening, Options, Playground, Pop3Sessions, Protocol, Senders, Times,
};

use super::{three_messages, users};

fn open_to_passwords() -> Playground {
    let options = Options { users: users(), clear_logins: ClearLogins::Allowed, ..Options::default() };
    Playground::start(options).expect("loopback has free ports")
}

/// A client that says what it is told to.
struct Raw(BufReader<TcpStream>);

impl Raw {
    fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(address).expect("the port is open")))
    }

    /// Connects and reads the greeting.
    fn greeted(address: SocketAddr) -> Self {
        let mut raw = Self::connect(address);
        assert!(!raw.line().is_empty());
        raw
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).expect("the connection is open");
    }

    /// The next line without its end; empty when the connection is closed.
    fn line(&mut self) -> String {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(_) => String::from(line.trim_end()),
            Err(_) => String::new(),
        }
    }

    fn ask(&mut self, text: &str) -> String {
        self.send(&format!("{text}\r\n"));
        self.line()
    }

    fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        // A reset is as closed as an end.
        self.0.read_to_end(&mut rest).map_or(true, |_| rest.is_empty())
    }
}

fn pop3_login(playground: &Playground) -> Raw {
    let mut raw = Raw::greeted(playground.pop3());
    assert_eq!(raw.ask("USER boris"), "+OK");
    assert!(raw.ask("PASS b").starts_with("+OK"));
    raw
}

fn smtp_to_the_dot(playground: &Playground) -> Raw {
    let mut raw = Raw::greeted(playground.smtp());
    assert!(raw.ask("HELO client.test").starts_with("250"));
    assert!(raw.ask("MAIL FROM:<x@away.test>").starts_with("250"));
    assert!(raw.ask("RCPT TO:<boris@example.test>").starts_with("250"));
    assert!(raw.ask("DATA").starts_with("354"));
    raw.send("Subject: x\r\n\r\n");
    raw
}

#[test]
fn refused_connections_are_refused_until_healed() {
    let playground = open_to_passwords();
    let address = playground.imap();
    playground.inject(Protocol::Imap, Fault::RefuseConnections);
    let refused = TcpStream::connect(address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    Raw::greeted(playground.pop3());
    playground.heal(Protocol::Imap);
    assert!(Raw::connect(address).line().starts_with("* OK"));
}

#[test]
fn a_greeting_can_be_anything() {
    let playground = open_to_passwords();
    playground.inject(Protocol::Smtp, Fault::Greet(String::from("554 5.3.2 closed today")));
    assert_eq!(Raw::connect(playground.smtp()).line(), "554 5.3.2 closed today");
}

#[test]
fn a_connection_breaks_after_so_many_bytes() {
    let playground = open_to_passwords();
    playground.inject(Protocol::Pop3, Fault::CloseAfterBytes(5));
    let mut received = Vec::new();
    let _ = Raw::connect(playground.pop3()).0.read_to_end(&mut received);
    assert_eq!(received, b"+OK p");
}

#[test]
fn a_chosen_command_gets_a_chosen_answer() {
    let playground = open_to_passwords();
    let answer = |at: &str, line: &str, times| Fault::Answer { at: at.into(), line: line.into(), times };
    playground.inject(Protocol::Pop3, answer("USER", "-ERR [IN-USE] later", Times::Always));
    playground.inject(Protocol::Smtp, answer(".", "451 4.3.0 try later", Times::Next(1)));
    playground.inject(Protocol::Imap, answer("LOGIN", "NO [UNAVAILABLE] later", Times::Always));
    playground.inject(Protocol::Imap, answer("NOOP", "* BYE maintenance", Times::Always));
    assert_eq!(Raw::greeted(playground.pop3()).ask("USER boris"), "-ERR [IN-USE] later");

    assert_eq!(smtp_to_the_dot(&playground).ask("."), "451 4.3.0 try later");
    assert_eq!(playground.state().accepted().len(), 0);
    assert_eq!(smtp_to_the_dot(&playground).ask("."), "250 2.0.0 accepted");

    let mut imap = Raw::greeted(playground.imap());
    assert_eq!(imap.ask("a LOGIN boris b"), "a NO [UNAVAILABLE] later");
    assert_eq!(imap.ask("b NOOP"), "* BYE maintenance");
    assert!(imap.is_closed());
}

#[test]
fn a_message_may_be_taken_without_a_word() {
    let playground = open_to_passwords();
    playground.inject(Protocol::Smtp, Fault::CloseAfter { at: String::from(".") });
    assert_eq!(smtp_to_the_dot(&playground).ask("."), "");
    assert_eq!(playground.state().inbox("boris@example.test").unwrap().len(), 1);
}

#[test]
fn a_quit_may_take_effect_or_not_when_it_is_not_answered() {
    let playground = open_to_passwords();
    playground.state().deliver("boris@example.test", b"Subject: x\r\n\r\n").unwrap();
    let left = |at_quit: fn(String) -> Fault| {
        playground.inject(Protocol::Pop3, at_quit(String::from("QUIT")));
        let mut raw = pop3_login(&playground);
        assert_eq!(raw.ask("DELE 1"), "+OK marked");
        assert_eq!(raw.ask("QUIT"), "");
        playground.heal(Protocol::Pop3);
        playground.state().inbox("boris@example.test").unwrap().len()
    };
    assert_eq!(left(|at| Fault::CloseBefore { at }), 1);
    assert_eq!(left(|at| Fault::CloseAfter { at }), 0);
}

#[test]
fn a_stalled_command_is_never_answered() {
    let playground = open_to_passwords();
    playground.inject(Protocol::Pop3, Fault::Stall { at: String::from("UIDL") });
    let mut raw = pop3_login(&playground);
    raw.send("STAT\r\nUIDL\r\nNOOP\r\nQUIT\r\n");
    assert_eq!(raw.line(), "+OK 0 0");
    // Our end of the stream ends the stall; everything the server would have said has been said by then.
    raw.0.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
    assert!(raw.is_closed());
    assert_eq!(playground.log().commands(Protocol::Pop3).last().unwrap(), "UIDL");
}

#[test]
fn pipelined_commands_are_answered_in_order() {
    let playground = open_to_passwords();
    three_messages(&playground);
    playground.state().set_password("anna@example.test", "a").unwrap();
    let mut raw = Raw::greeted(playground.pop3());
    raw.send("USER anna\r\nPASS a\r\nSTAT\r\nRETR 3\r\nDELE 3\r\nSTAT\r\nQUIT\r\n");
    let expected = [
        "+OK",
        "+OK 3 messages",
        "+OK 3 77",
        "+OK 18 octets",
        "Subject: three",
        "",
        ".",
        "+OK marked",
        "+OK 2 59",
        "+OK goodbye",
    ];
    assert_eq!(expected.map(|_| raw.line()), expected);
}

#[test]
fn plain_text_after_starttls_ends_the_connection() {
    let playground = open_to_passwords();
    let mut raw = Raw::greeted(playground.imap());
    raw.send("a STARTTLS\r\nb NOOP\r\n");
    assert_eq!(raw.line(), "a OK begin TLS");
    assert!(raw.is_closed());
    assert_eq!(playground.log().commands(Protocol::Imap), ["STARTTLS"]);
}

#[test]
fn a_maildrop_can_be_exclusive() {
    let options = Options {
        users: users(),
        clear_logins: ClearLogins::Allowed,
        pop3_sessions: Pop3Sessions::Exclusive,
        ..Options::default()
    };
    let playground = Playground::start(options).unwrap();
    let mut first = pop3_login(&playground);
    let mut second = Raw::greeted(playground.pop3());
    second.ask("USER boris");
    assert!(second.ask("PASS b").starts_with("-ERR [IN-USE]"));
    assert_eq!(first.ask("QUIT"), "+OK goodbye");
    second.ask("USER boris");
    assert!(second.ask("PASS b").starts_with("+OK"));
}

#[test]
fn a_sender_can_be_held_to_its_own_addresses() {
    let options = Options {
        users: users(),
        clear_logins: ClearLogins::Allowed,
        senders: Senders::Own,
        ..Options::default()
    };
    let playground = Playground::start(options).unwrap();
    let mut raw = Raw::greeted(playground.smtp());
    raw.send("EHLO client.test\r\n");
    while raw.line().starts_with("250-") {}
    assert!(raw.ask("AUTH PLAIN AGJvcmlzAGI=").starts_with("235"));
    assert!(raw.ask("MAIL FROM:<anna@example.test>").starts_with("553 5.7.1"));
    assert!(raw.ask("MAIL FROM:<postmaster@example.test>").starts_with("250"));
}

#[test]
fn a_replaced_mailbox_ends_the_session_that_has_it_open() {
    let playground = open_to_passwords();
    let mut raw = Raw::greeted(playground.imap());
    assert!(raw.ask("a LOGIN boris b").starts_with("a OK"));
    raw.send("b SELECT INBOX\r\n");
    while !raw.line().starts_with("b OK") {}
    playground.state().deliver("boris@example.test", b"Subject: x\r\n\r\n").unwrap();
    assert_eq!(raw.ask("c NOOP"), "* 1 EXISTS");
    assert_eq!(raw.line(), "c OK done");
    playground.state().change_uid_validity("boris@example.test").unwrap();
    assert!(raw.ask("d NOOP").starts_with("* BYE"));
    assert!(raw.is_closed());
}

#[test]
fn overlong_lines_and_bare_line_feeds_are_refused() {
    let playground = open_to_passwords();
    let long = "x".repeat(9000);
    assert!(Raw::greeted(playground.smtp()).ask(&long).starts_with("500"));
    assert!(Raw::greeted(playground.pop3()).ask(&long).starts_with("-ERR"));
    assert!(Raw::greeted(playground.imap()).ask(&long).starts_with("* BAD"));
    for address in [playground.smtp(), playground.pop3(), playground.imap()] {
        let mut raw = Raw::greeted(address);
        raw.send("NOOP\n");
        let answer = raw.line();
        assert!(["500", "-ERR", "* BAD"].iter().any(|refusal| answer.starts_with(refusal)), "{answer}");
    }
}

#[test]
fn the_connection_after_the_last_is_turned_away() {
    let playground = open_to_passwords();
    let open: Vec<Raw> = (0..256).map(|_| Raw::greeted(playground.pop3())).collect();
    assert!(Raw::connect(playground.pop3()).line().starts_with("-ERR [SYS/TEMP]"));
    drop(open);
}

#[test]
fn a_message_over_the_limit_is_refused_whole() {
    let options = Options { users: users(), message_bytes_max: 1000, ..Options::default() };
    let playground = Playground::start(options).unwrap();
    let mut raw = smtp_to_the_dot(&playground);
    raw.send(&"0123456789\r\n".repeat(100));
    assert_eq!(raw.ask("."), "552 5.3.4 message too big");
    assert_eq!(raw.ask("NOOP"), "250 2.0.0 ok");
    assert!(playground.state().inbox("boris@example.test").unwrap().is_empty());
}

#[test]
fn dropping_the_playground_closes_connections_and_ports() {
    let playground = open_to_passwords();
    let address = playground.pop3();
    let mut raw = pop3_login(&playground);
    drop(playground);
    assert!(raw.is_closed());
    assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn the_log_orders_what_happened_over_all_connections() {
    let playground = open_to_passwords();
    let mut one = Raw::greeted(playground.smtp());
    let mut two = Raw::greeted(playground.smtp());
    two.ask("NOOP");
    one.ask("RSET");
    let entries = playground.log().entries();
    let commands = entries.iter().filter_map(|entry| Some((entry.connection, entry.what.command()?)));
    assert_eq!(commands.collect::<Vec<_>>(), [(2, "NOOP"), (1, "RSET")]);
    assert!(entries.is_sorted_by_key(|entry| entry.sequence));
    assert_eq!(entries[0].what, Happening::Connected);
    assert_eq!(playground.log().connections(Protocol::Smtp), 2);
}
