//! What real servers refuse by policy and not by mistake: a login that is switched off, too many sessions, a back end that is
//! away, a full mailbox, a stranger's first mail. Each is told by its name, as what it is, to whom it concerns.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use mailplumb::model::failure::{Failure, Nature, RemoteError, Scope, TestStep};
use mailplumb::model::host::Throttling;
use mailplumb::model::name::Address;
use mailplumb::model::outbox::RecipientResult;
use mailplumb::model::profile::Protocol;
use mailplumb::remote::Submit;
use mailplumb::sync::{known, patience};

use super::errors::judged;
use crate::remote::world::{ANNA, BORIS, BORIS_PASSWORD, Client, How, Real, World};
use crate::support::need::{Need, require};

const READING: [Protocol; 2] = [Protocol::Pop3, Protocol::Imap];

async fn refused(world: &dyn World, how: &How) -> (RemoteError, Failure) {
    let error = Client::refused(Client::open(world, how).await);
    (error.clone(), judged(error, how))
}

fn boris(world: &dyn World, protocol: Protocol) -> How {
    How { username: BORIS.to_owned(), password: Some(BORIS_PASSWORD.to_owned()), ..How::to(world, protocol) }
}

/// Dovecot knows the password and lets nobody in: `[CONTACTADMIN]` by IMAP, only words by POP3.
#[tokio::test]
async fn an_account_that_is_switched_off_is_not_a_wrong_password() {
    let Some(()) = require(Need::Servers) else { return };
    let world = Real::and_first(&|_| {
        format!(
            "passdb {{\n  driver = static\n  args = nopassword=y nologin=y\n  username_filter = {BORIS}\n}}\n"
        )
    });
    for protocol in READING {
        let (error, failure) = refused(&world, &boris(&world, protocol)).await;
        assert_eq!((failure.nature, failure.scope), (Nature::Permanent, Scope::Mailbox), "{failure:?}");
        assert_eq!(error.step, TestStep::Authenticate);
        assert_eq!(known::find(&error).map(|known| known.key), Some("account-disabled"), "{error}");
        assert!(failure.meaning.contains("disabled or locked"), "{failure:?}");
        // Whoever else logs in does.
        Client::receive(&world, &How::to(&world, protocol))
            .await
            .unwrap()
            .delete_and_close(&[])
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn too_many_sessions_of_one_account_are_a_reason_to_wait() {
    let Some(()) = require(Need::Servers) else { return };
    let world = Real::and_extra("mail_max_userip_connections = 1");
    for protocol in READING {
        let how = How::to(&world, protocol);
        let first = Client::receive(&world, &how).await.unwrap();
        let (error, failure) = refused(&world, &how).await;
        assert_eq!((failure.nature, failure.scope), (Nature::Transient, Scope::Mailbox), "{error}");
        let patience = patience::demanded(&error).unwrap_or_else(|| panic!("{error}"));
        assert!(patience::wait(patience, 0, &Throttling::default()) >= Duration::from_secs(60), "{error}");
        assert_eq!(known::find(&error).map(|known| known.key), Some("connections-exhausted"), "{error}");
        first.delete_and_close(&[]).await.unwrap();
    }
}

/// The server that Dovecot asks about passwords is away: whether this one is wrong, nobody knows.
#[tokio::test]
async fn a_server_that_cannot_ask_about_passwords_refuses_for_a_while() {
    let Some(()) = require(Need::Servers) else { return };
    let world =
        Real::and_first(&|_| "passdb {\n  driver = imap\n  args = host=127.0.0.1 port=9\n}\n".to_owned());
    for protocol in READING {
        let how = How { password: Some("perhaps".to_owned()), ..How::to(&world, protocol) };
        let (error, failure) = refused(&world, &how).await;
        assert_eq!(failure.nature, Nature::Transient, "{error}");
        assert!(patience::demanded(&error).is_some(), "{error}");
        assert!(!failure.remedy.contains("secrets set"), "{failure:?}");
    }
}

/// Dovecot's own policy service tells Postfix that a mailbox is full before the mail is taken.
const QUOTA: &str = "mail_plugins = quota\n\
    plugin {\n  quota = maildir:User quota\n  quota_rule = *:bytes=1k\n  quota_status_success = DUNNO\n  \
    quota_status_nouser = DUNNO\n  quota_status_overquota = \"552 5.2.2 Mailbox is full\"\n}\n\
    service quota-status {\n  executable = quota-status -p postfix\n  unix_listener quota-status {\n    mode = 0666\n  }\n  client_limit = 1\n}";

async fn send(session: &mut Box<dyn Submit>, to: &[&str]) -> Vec<RecipientResult> {
    let to: Vec<Address> = to.iter().map(|text| Address::parse(text).unwrap()).collect();
    let raw = [&b"Subject: x\r\n\r\n"[..], &[b'x'; 900], b"\r\n"].concat();
    session.send(&Address::parse(ANNA).unwrap(), &to, &raw).await.unwrap().recipients
}

fn known_key(said: &str) -> Option<&'static str> {
    let cause = mailplumb::model::failure::Cause::Refused { said: said.to_owned() };
    known::find(&RemoteError::new(TestStep::Send, cause)).map(|known| known.key)
}

#[tokio::test]
async fn a_full_mailbox_is_refused_for_its_recipient_and_reads_as_before() {
    let Some(()) = require(Need::Submission) else { return };
    let world = Real::and_extra(QUOTA);
    let socket = world.dovecot.socket("quota-status");
    let world = world.and_postfix_asking(&format!("unix:{}", socket.display()));
    world.deliver(BORIS, &[&b"Subject: large\r\n\r\n"[..], &[b'x'; 4000], b"\r\n"].concat());
    // Dovecot counts what others have delivered when it looks.
    world.dovecot.doveadm(&["quota", "recalc", "-u", BORIS]);
    let mut session = Client::submit(&world, &How::to(&world, Protocol::Smtp)).await.unwrap();
    let results = send(&mut session, &[BORIS, ANNA]).await;
    let RecipientResult::Refused { said } = &results[0] else { panic!("{results:?}\n{}", world.log()) };
    assert_eq!(known_key(said), Some("mailbox-full"), "{said}");
    assert!(matches!(&results[1], RecipientResult::Accepted { .. }), "{results:?}");
    session.close().await;
    for protocol in READING {
        let mut session = Client::receive(&world, &boris(&world, protocol)).await.unwrap();
        let listing = session.list(&mailplumb::model::cursor::Cursor::Start).await.unwrap();
        assert_eq!(listing.messages().len(), 1, "a full mailbox is read like any other");
        session.delete_and_close(&[]).await.unwrap();
    }
}

/// Postfix asks a policy service that refuses each sender and recipient once, as greylisting does (RFC 6647).
#[tokio::test]
async fn greylisting_defers_its_recipient_and_takes_the_second_attempt() {
    let Some(()) = require(Need::Submission) else { return };
    let greylist = greylist();
    let world = Real::start().and_postfix_asking(&format!("inet:{greylist}"));
    let mut session = Client::submit(&world, &How::to(&world, Protocol::Smtp)).await.unwrap();
    let results = send(&mut session, &[BORIS]).await;
    let [RecipientResult::Deferred { said }] = &results[..] else { panic!("{results:?}\n{}", world.log()) };
    assert!(said.starts_with("450 4.2.0") && known_key(said) == Some("greylisted"), "{said}");
    assert!(session.is_open());
    let results = send(&mut session, &[BORIS, ANNA]).await;
    assert!(matches!(&results[0], RecipientResult::Accepted { .. }), "{results:?}");
    assert!(matches!(&results[1], RecipientResult::Deferred { .. }), "a stranger to anna: {results:?}");
    session.close().await;
    assert_eq!(world.inbox_of(BORIS, 1).len(), 1);
}

/// Speaks Postfix's policy protocol: attributes up to an empty line, and one answer. It lives as long as the test process.
fn greylist() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut known = BTreeSet::new();
        for client in listener.incoming().map_while(Result::ok) {
            let mut answers = client.try_clone().unwrap();
            let mut triple = BTreeSet::new();
            for line in BufReader::new(client).lines().map_while(Result::ok) {
                if !line.is_empty() {
                    let is_of_triple =
                        ["sender=", "recipient=", "client_address="].iter().any(|key| line.starts_with(key));
                    triple.extend(is_of_triple.then_some(line));
                    continue;
                }
                let action = match known.insert(std::mem::take(&mut triple)) {
                    true => {
                        "DEFER_IF_PERMIT 4.2.0 Greylisted, see http://postgrey.schweikert.ch/help/example.test.html"
                    }
                    false => "DUNNO",
                };
                if write!(answers, "action={action}\n\n").is_err() {
                    break;
                }
            }
        }
    });
    address
}
