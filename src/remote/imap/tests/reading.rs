//! Listing, fetching and removing.

use super::*;

#[tokio::test]
async fn a_cycle_lists_fetches_and_deletes() {
    let script = r#"
        C: M3 UID FETCH 1:* (UID INTERNALDATE RFC822.SIZE)
        S: * 1 FETCH (UID 10 RFC822.SIZE 3 INTERNALDATE "01-Jan-2024 00:00:00 +0000")
        S: * 2 FETCH (UID 11 RFC822.SIZE 3)
        S: M3 OK done
        C: M4 UID FETCH 10:11 (UID INTERNALDATE BODY.PEEK[])
        S: * 2 FETCH (UID 11 BODY[] "b")
        S: * 1 FETCH (UID 10 BODY[] {1}
        S: a)
        S: M4 OK done
        C: M5 SELECT INBOX
        S: * OK [UIDVALIDITY 7] ok
        S: M5 OK [READ-WRITE] done
        C: M6 UID STORE 10 +FLAGS.SILENT (\Deleted)
        S: M6 OK done
        C: M7 UID EXPUNGE 10
        S: M7 OK done
        C: M8 LOGOUT
        S: * BYE see you"#;
    let (removed, trace) = session(script, async |mut inbox| {
        let listing = inbox.list(&Cursor::Start).await.unwrap();
        assert_eq!(uids(&listing), ["7:10", "7:11"]);
        let fetched = inbox.fetch(listing.messages(), Part::Whole).await.unwrap();
        let contents: Vec<_> = fetched.iter().map(|fetched| &fetched.content).collect();
        assert_eq!(
            contents,
            [&Content::Bytes(Bytes::from_static(b"a")), &Content::Bytes(Bytes::from_static(b"b"))]
        );
        assert!(fetched[0].received.is_some());
        let stale = RemoteId::Uid { validity: 6, uid: 11 };
        inbox.delete_and_close(&[RemoteId::Uid { validity: 7, uid: 10 }, stale]).await.unwrap()
    })
    .await;
    assert_eq!(removed, [RemoteId::Uid { validity: 7, uid: 10 }]);
    let steps: Vec<(TestStep, Option<String>)> =
        trace.into_steps().into_iter().map(|taken| (taken.step, taken.detail)).collect();
    assert_eq!(
        steps[2..],
        [
            (TestStep::Greet, None),
            (TestStep::Authenticate, Some("PLAIN".to_owned())),
            (TestStep::Open, Some("2 messages".to_owned())),
        ]
    );
}

#[tokio::test]
async fn nothing_new_takes_no_command_and_a_second_listing_sees_new_mail() {
    let script = "
        C: M3 NOOP
        S: M3 OK nothing
        C: M4 NOOP
        S: * 3 EXISTS
        S: M4 OK done
        C: M5 EXAMINE INBOX
        S: * 3 EXISTS
        S: * OK [UIDVALIDITY 7] ok
        S: * OK [UIDNEXT 13] ok
        S: M5 OK done
        C: M6 UID FETCH 12:* (UID INTERNALDATE RFC822.SIZE)
        S: * 3 FETCH (UID 12 RFC822.SIZE 3)
        S: M6 OK done
        C: M7 LOGOUT
        S: M7 OK";
    session(script, async |mut inbox| {
        let cursor = Cursor::Imap { validity: 7, uid_last: 11, mark: Mark::default() };
        assert!(uids(&inbox.list(&cursor).await.unwrap()).is_empty(), "as it was opened");
        assert!(uids(&inbox.list(&cursor).await.unwrap()).is_empty());
        assert_eq!(uids(&inbox.list(&cursor).await.unwrap()), ["7:12"]);
        assert!(inbox.delete_and_close(&[]).await.unwrap().is_empty());
    })
    .await;
}

/// A cursor beyond what the server will ever give to a message would pass everything that is to come.
#[tokio::test]
async fn a_number_above_the_foretold_one_counts_when_it_is_there_again() {
    let listed = |again: &str| {
        opened_with("UIDPLUS", "2 EXISTS\nOK [UIDVALIDITY 7] ok\nOK [UIDNEXT 12] ok")
            + "C: M3 UID FETCH 11:* (UID INTERNALDATE RFC822.SIZE)
               S: * 2 FETCH (UID 11 RFC822.SIZE 3)
               S: * 3 FETCH (UID 77777 RFC822.SIZE 3)
               S: M3 OK done
               C: M4 UID FETCH 12:* (UID INTERNALDATE RFC822.SIZE)\n"
            + again
            + "S: M4 OK done"
    };
    let cursor = Cursor::Imap { validity: 7, uid_last: 10, mark: Mark::default() };
    let arrived = listed("S: * 3 FETCH (UID 77777 RFC822.SIZE 3)\n");
    assert_eq!(uids(&listed_by(&arrived, None, &cursor).await), ["7:11", "7:77777"]);
    let made_up = listed("S: * 2 FETCH (UID 11 RFC822.SIZE 3)\n");
    assert_eq!(uids(&listed_by(&made_up, None, &cursor).await), ["7:11"]);
}

/// Greeting and login of a server with these capabilities, and an inbox that tells this of itself.
fn opened_with(capabilities: &str, told: &str) -> String {
    let told: String = told.lines().map(|line| format!("S: * {}\n", line.trim())).collect();
    format!(
        "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready
         C: M1 AUTHENTICATE PLAIN AGFubmEAcHc=
         S: M1 OK [CAPABILITY IMAP4rev1 {capabilities}] logged in
         C: M2 EXAMINE INBOX
         {told}S: M2 OK [READ-ONLY] done\n"
    )
}

async fn listed_by(script: &str, from: Option<&str>, cursor: &Cursor) -> Listing {
    let client = async |network: Network, trace: &mut Trace| {
        let mut inbox = open(&network, &destination(TlsMode::None), trace).await.unwrap();
        inbox.wants_from(from.map(|moment| moment.parse().unwrap()));
        inbox.list(cursor).await.unwrap()
    };
    against(script, client).await.0
}

const LARGE: &str = "9000 EXISTS\nOK [UIDVALIDITY 7] ok\nOK [UIDNEXT 9001] ok\nOK [HIGHESTMODSEQ 77] ok";

#[tokio::test]
async fn a_large_inbox_is_searched_for_what_is_young_enough_before_it_is_listed() {
    let script = opened_with("ESEARCH", LARGE)
        + r#"C: M3 UID SEARCH RETURN (MIN COUNT) SINCE 31-Oct-2026
             S: * ESEARCH (TAG "M3") UID MIN 8999 COUNT 2
             S: M3 OK done
             C: M4 UID FETCH 8999:* (UID INTERNALDATE RFC822.SIZE)
             S: * 8999 FETCH (UID 8999 RFC822.SIZE 3)
             S: * 9000 FETCH (UID 9000 RFC822.SIZE 3)
             S: M4 OK done"#;
    let listing = listed_by(&script, Some("2026-11-01T00:00:00Z"), &Cursor::Start).await;
    assert_eq!(uids(&listing), ["7:8999", "7:9000"]);
    let mark = Mark { uid_next: Some(9001), modseq: Some(77) };
    assert!(matches!(listing, Listing::Imap { extent, .. } if extent == (Extent { passed: 8998, mark })));

    let nothing = opened_with("ESEARCH", LARGE)
        + r#"C: M3 UID SEARCH RETURN (MIN COUNT) SINCE 31-Oct-2026
             S: * ESEARCH (TAG "M3") UID COUNT 0
             S: M3 OK done"#;
    let listing = listed_by(&nothing, Some("2026-11-01T00:00:00Z"), &Cursor::Start).await;
    assert!(
        matches!(&listing, Listing::Imap { messages, extent, .. } if messages.is_empty() && extent.passed == 9000)
    );
}

#[tokio::test]
async fn a_server_that_does_not_search_lists() {
    let whole = "C: MT UID FETCH 1:* (UID INTERNALDATE RFC822.SIZE)
                 S: * 1 FETCH (UID 8 RFC822.SIZE 3)
                 S: MT OK done";
    let extended = |answer: &str| {
        let asked = "C: M3 UID SEARCH RETURN (MIN COUNT) SINCE 31-Oct-2026\n";
        opened_with("ESEARCH", LARGE) + asked + answer + "\n" + &whole.replace("MT", "M4")
    };
    // The answer of one without ESEARCH would be a line longer than a line may be.
    let without = opened_with("UIDPLUS", LARGE) + &whole.replace("MT", "M3");
    for script in [extended("S: M3 BAD what?"), extended("S: * ESEARCH MIN 4\nS: M3 OK done"), without] {
        let listing = listed_by(&script, Some("2026-11-01T00:00:00Z"), &Cursor::Start).await;
        assert_eq!(uids(&listing), ["7:8"], "{script}");
    }
    let few = "600 EXISTS\nOK [UIDVALIDITY 7] ok\nOK [UIDNEXT 9001] ok";
    let plain = opened_with("UIDPLUS", few)
        + "C: M3 UID SEARCH SINCE 31-Oct-2026
           S: * SEARCH 9 8
           S: M3 OK done\n"
        + &whole.replace("MT", "M4").replace("1:*", "8:*");
    assert_eq!(uids(&listed_by(&plain, Some("2026-11-01T00:00:00Z"), &Cursor::Start).await), ["7:8"]);
}

#[tokio::test]
async fn an_inbox_whose_numbers_have_not_moved_costs_nothing_but_its_opening() {
    let at = |mark| Cursor::Imap { validity: 7, uid_last: 5, mark };
    let numbers =
        |lines: &str| opened_with("CONDSTORE", &format!("6 EXISTS\nOK [UIDVALIDITY 7] ok\n{lines}"));
    let next = |uid_next, modseq| Mark { uid_next, modseq };
    for (told, mark) in [
        ("OK [UIDNEXT 9] ok\nOK [HIGHESTMODSEQ 78] flags changed", next(Some(9), Some(77))),
        ("OK [UIDNEXT 9] ok", next(Some(9), None)),
        ("OK [HIGHESTMODSEQ 9223372036854775807] no UIDNEXT", next(None, Some((1 << 63) - 1))),
    ] {
        assert!(uids(&listed_by(&numbers(told), None, &at(mark)).await).is_empty(), "{told}");
    }
    for (told, mark) in [
        ("OK [UIDNEXT 9] ok\nOK [HIGHESTMODSEQ 77] a server that does not move it", next(Some(8), Some(77))),
        ("OK [HIGHESTMODSEQ 78] no UIDNEXT", next(None, Some(77))),
        ("OK [HIGHESTMODSEQ 0] none", next(None, Some(77))),
        ("OK [NOMODSEQ] none", next(None, None)),
    ] {
        let script = numbers(told)
            + "C: M3 UID FETCH 6:* (UID INTERNALDATE RFC822.SIZE)
               S: * 6 FETCH (UID 8 RFC822.SIZE 3)
               S: M3 OK done";
        assert_eq!(uids(&listed_by(&script, None, &at(mark)).await), ["7:8"], "{told}");
    }
}

#[tokio::test]
async fn an_announced_size_is_a_hint_and_the_literal_is_trusted() {
    let script = r#"
        C: M3 UID FETCH 1:2 (UID INTERNALDATE BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] {1}
        S: a)
        S: * 2 FETCH (UID 2 BODY[] "bb")
        S: M3 OK done"#;
    let (fetched, _) = session(script, async |mut inbox| {
        inbox.fetch(&[listed(1, u64::from(u32::MAX)), listed(2, 0)], Part::Whole).await.unwrap()
    })
    .await;
    let contents: Vec<Content> = fetched.into_iter().map(|fetched| fetched.content).collect();
    assert_eq!(
        contents,
        [b"a".as_slice(), b"bb"].map(|octets| Content::Bytes(Bytes::copy_from_slice(octets)))
    );
}

#[tokio::test]
async fn one_message_that_the_server_cannot_hand_over_does_not_hide_the_others() {
    let script = r#"
        C: M3 UID FETCH 1:3 (UID INTERNALDATE BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] "a")
        S: M3 NO [SERVERBUG] cannot read a message
        C: M4 UID FETCH 2 (UID INTERNALDATE BODY.PEEK[])
        S: M4 NO [SERVERBUG] cannot read a message
        C: M5 UID FETCH 3 (UID INTERNALDATE BODY.PEEK[])
        S: M5 OK done"#;
    let too_large = limits::LITERAL_DROPPED_BYTES_MAX + 1;
    let (fetched, _) = session(script, async |mut inbox| {
        let of_another_epoch =
            Listed { id: RemoteId::Uid { validity: 6, uid: 9 }, size: None, received: None };
        let messages = [listed(1, 1), listed(2, 1), listed(3, 1), listed(4, too_large), of_another_epoch];
        inbox.fetch(&messages, Part::Whole).await.unwrap()
    })
    .await;
    let contents: BTreeMap<String, Content> =
        fetched.into_iter().map(|fetched| (fetched.id.to_string(), fetched.content)).collect();
    assert_eq!(contents["7:1"], Content::Bytes(Bytes::from_static(b"a")));
    assert!(matches!(&contents["7:2"], Content::Deferred(said) if said.contains("cannot read a message")));
    assert_eq!(contents["7:3"], Content::Vanished);
    assert_eq!(contents["7:4"], Content::TooLarge(too_large));
    assert_eq!(contents["6:9"], Content::Vanished);
}

#[derive(Default)]
struct Taken(BTreeMap<String, Content>);

#[async_trait::async_trait]
impl Arrivals for Taken {
    async fn piece(&mut self, _octets: Bytes) -> Result<(), Cause> {
        Ok(())
    }

    async fn message(&mut self, fetched: Fetched) -> Result<(), Cause> {
        assert_eq!(self.0.insert(fetched.id.to_string(), fetched.content), None, "one answer for each");
        Ok(())
    }
}

/// The server says OK, and has not answered for messages 2, 3 and 4. It still lists 2 and 3.
#[tokio::test]
async fn what_is_left_out_of_an_answer_has_vanished_only_if_it_is_not_listed_any_more() {
    let script = r#"
        C: M3 UID FETCH 1:4 (UID BODY.PEEK[])
        S: * 1 FETCH (UID 1 BODY[] "a")
        S: M3 OK done
        C: M4 UID FETCH 2:* (UID INTERNALDATE RFC822.SIZE)
        S: * 2 FETCH (UID 2 RFC822.SIZE 1)
        S: * 3 FETCH (UID 3 RFC822.SIZE 1)
        S: M4 OK done
        C: M5 UID FETCH 2 (UID BODY.PEEK[])
        S: * 2 FETCH (UID 2 BODY[] "b")
        S: M5 OK done
        C: M6 UID FETCH 3 (UID BODY.PEEK[])
        S: M6 OK done
        C: M7 UID FETCH 3:* (UID INTERNALDATE RFC822.SIZE)
        S: * 3 FETCH (UID 3 RFC822.SIZE 1)
        S: M7 OK done"#;
    let (taken, _) = session(script, async |mut inbox| {
        let mut taken = Taken::default();
        let messages = [1, 2, 3, 4].map(|uid| listed(uid, 1));
        inbox.fetch_each(&messages, &mut taken).await.unwrap();
        taken.0
    })
    .await;
    let octets = |text: &'static [u8]| Content::Bytes(Bytes::from_static(text));
    assert_eq!((&taken["7:1"], &taken["7:2"]), (&octets(b"a"), &octets(b"b")));
    assert!(matches!(&taken["7:3"], Content::Deferred(said) if said.contains("leaves it out")));
    assert_eq!(taken["7:4"], Content::Vanished);
}

#[tokio::test]
async fn a_server_that_cannot_at_present_says_nothing_about_the_messages() {
    let script = "
        C: M3 UID FETCH 1 (UID INTERNALDATE BODY.PEEK[HEADER])
        S: M3 NO [UNAVAILABLE] storage is away";
    let (error, _) =
        session(script, async |mut inbox| inbox.fetch(&[listed(1, 1)], Part::Headers).await.unwrap_err())
            .await;
    let said = "[UNAVAILABLE] storage is away".to_owned();
    assert_eq!(error, RemoteError::new(TestStep::Read, Cause::TemporarilyRefused { said }));
}

#[tokio::test]
async fn without_uidplus_messages_are_flagged_and_never_expunged() {
    let script = r"
        S: * OK ready
        C: M1 CAPABILITY
        S: * CAPABILITY IMAP4rev1
        S: M1 OK
        C: M2 LOGIN anna pw
        S: M2 OK in
        C: M3 CAPABILITY
        S: * CAPABILITY IMAP4rev1 IDLE
        S: M3 OK
        C: M4 EXAMINE INBOX
        S: * 0 EXISTS
        S: M4 OK done
        C: M5 SELECT INBOX
        S: * OK [UIDVALIDITY 7] ok
        S: M5 OK done
        C: M6 UID STORE 3:4 +FLAGS.SILENT (\Deleted)
        S: M6 OK done
        C: M7 LOGOUT";
    let ids = [3, 4].map(|uid| RemoteId::Uid { validity: 7, uid });
    let client = async |network: Network, trace: &mut Trace| {
        let mut inbox = open(&network, &destination(TlsMode::None), trace).await.unwrap();
        let listing = inbox.list(&Cursor::Start).await.unwrap();
        assert_eq!(listing, Listing::Imap { validity: 0, messages: Vec::new(), extent: Extent::default() });
        inbox.delete_and_close(&ids).await
    };
    // The server hangs up instead of answering LOGOUT.
    let (listener, address) = listener().await;
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        perform(&mut socket, script).await;
    };
    let mut trace = Trace::new(Arc::new(StoppedClock));
    let (removed, ()) = tokio::join!(client(Network::new(&host(address)), &mut trace), server);
    assert_eq!(removed.unwrap(), ids);
}

#[tokio::test]
async fn an_inbox_that_was_replaced_loses_nothing() {
    let script = "
        C: M3 SELECT INBOX
        S: * OK [UIDVALIDITY 8] ok
        S: M3 OK done
        C: M4 LOGOUT
        S: M4 OK";
    let ids = [RemoteId::Uid { validity: 7, uid: 10 }];
    let (removed, _) = session(script, async |inbox| inbox.delete_and_close(&ids).await).await;
    assert!(removed.unwrap().is_empty());
}

#[test]
fn only_what_is_beyond_the_cursor_is_asked_for() {
    let opened = Opened { validity: 7, uid_next: Some(12), messages: Some(2), modseq: Some(90) };
    let at = |validity, uid_last| Cursor::Imap { validity, uid_last, mark: Mark::default() };
    assert_eq!(first_uid(&Cursor::Start, &opened), Some(1));
    assert_eq!(first_uid(&at(6, 11), &opened), Some(1));
    assert_eq!(first_uid(&at(7, 10), &opened), Some(11));
    assert_eq!(first_uid(&at(7, 11), &opened), None);
    assert_eq!(first_uid(&at(7, u32::MAX), &Opened { uid_next: None, ..opened }), None);
    assert_eq!(first_uid(&at(7, 11), &Opened { uid_next: None, ..opened }), Some(12));
    assert_eq!(first_uid(&Cursor::Start, &Opened { messages: Some(0), ..opened }), None);
}

#[test]
fn uids_that_went_back_within_one_validity_are_told() {
    let opened = Opened { validity: 7, uid_next: Some(12), messages: Some(2), modseq: None };
    let at = |validity, uid_last| Cursor::Imap { validity, uid_last, mark: Mark::default() };
    for fine in [Cursor::Start, at(7, 11), at(7, 3), at(6, 105)] {
        assert_eq!(went_back(&fine, &opened), None, "{fine:?}");
    }
    assert_eq!(went_back(&at(7, 105), &Opened { uid_next: None, ..opened }), None, "nobody knows");
    for empty_or_not in [Some(0), Some(2)] {
        let cause = went_back(&at(7, 105), &Opened { messages: empty_or_not, ..opened });
        assert!(cause.unwrap().to_string().contains("UIDNEXT is 12 although UID 105"));
    }
    assert!(went_back(&at(7, 12), &opened).is_some());
}
