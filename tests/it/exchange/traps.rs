//! What real servers, and what stands in front of them, are known to do wrong.

use std::time::Duration;

use jiff::Timestamp;
use mailplumb::model::claim::{Claim, Claimed, Wish};
use mailplumb::model::cursor::{Content, Cursor, Listing, RemoteId, SyncState};
use mailplumb::model::failure::{Cause, RemoteError, TestStep};
use mailplumb::model::limits;
use mailplumb::model::name::Address;
use mailplumb::model::outbox::{Attempt, Before, RecipientResult};
use mailplumb::model::profile::Access;
use mailplumb::sync::{exchange, patience};

use super::scripted::{
    Asked, Scripted, answers, created, envelope, failure, fault, gotten, http, ids_in, page, responses,
    success,
};
use super::world::{ANNA, BORIS, behind, ids, whole};

const RAW: &str = "Subject: x\r\n\r\nbody\r\n";

/// Lists these changes, and hands everything over.
fn usual(asked: &Asked, changes: &str) -> Option<Vec<u8>> {
    match asked.operation.as_str() {
        "SyncFolderItems" => Some(page("s1", "true", changes)),
        "GetItem" => {
            let all: Vec<String> = ids_in(&asked.body).iter().map(|id| gotten(id, RAW)).collect();
            Some(answers("GetItem", &all))
        }
        _ => None,
    }
}

/// A server that is opened as usual, and answers every other request so.
async fn always(answer: Vec<u8>) -> Scripted {
    Scripted::start(move |asked| (asked.operation != "GetFolder").then(|| answer.clone())).await
}

async fn listing_error(answer: Vec<u8>) -> RemoteError {
    let server = always(answer).await;
    let mut session = server.receive().await.unwrap();
    match session.list(&Cursor::Start).await {
        Ok(listing) => panic!("it must not succeed: {listing:?}"),
        Err(error) => error,
    }
}

fn at(state: &str) -> Cursor {
    Cursor::Exchange { state: SyncState(Some(state.to_owned())), ahead: Default::default() }
}

// --- sync states and pages ---

#[tokio::test]
async fn a_sync_state_of_any_length_is_kept_whole_and_given_back() {
    let long = "x".repeat(limits::EWS_SYNC_STATE_BYTES_MAX);
    let state = long.clone();
    let server = Scripted::start(move |asked| {
        (asked.operation == "SyncFolderItems").then(|| page(&state, "true", &created("Message", "A")))
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    session.list(&behind(&listing)).await.unwrap();
    let last = server.asked().pop().unwrap();
    assert!(last.body.contains(&format!("<m:SyncState>{long}</m:SyncState>")));
    let error = listing_error(page(&format!("{long}x"), "true", "")).await;
    assert!(matches!(error.cause, Cause::LimitExceeded { .. }), "{error}");
}

#[tokio::test]
async fn a_state_that_the_server_does_not_know_any_more_begins_again_once() {
    let server = Scripted::start(|asked| match asked.operation.as_str() {
        "SyncFolderItems" if asked.body.contains("<m:SyncState>") => {
            Some(answers("SyncFolderItems", &[failure("SyncFolderItems", "ErrorInvalidSyncStateData", "")]))
        }
        _ => usual(asked, &created("Message", "A")),
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&at("lost")).await.unwrap();
    assert_eq!((ids(&listing).len(), server.count("SyncFolderItems")), (1, 2));
}

#[tokio::test]
async fn a_folder_that_is_gone_is_said_to_be_gone_and_nothing_is_taken_for_removed() {
    for code in ["ErrorSyncFolderNotFound", "ErrorFolderNotFound"] {
        let error = listing_error(answers("SyncFolderItems", &[failure("SyncFolderItems", code, "")])).await;
        let Cause::Exchange { code: said, .. } = &error.cause else { panic!("{error}") };
        assert_eq!((said.as_str(), error.step), (code, TestStep::Read));
        assert!(exchange::find(said, "").is_some());
    }
}

#[tokio::test]
async fn a_server_that_promises_more_and_tells_nothing_does_not_keep_us_for_ever() {
    let server = always(page("s1", "false", "")).await;
    let mut session = server.receive().await.unwrap();
    let Err(error) = session.list(&Cursor::Start).await else { panic!() };
    assert!(matches!(error.cause, Cause::Garbage { .. }), "{error}");
    assert_eq!(server.count("SyncFolderItems"), 2);
}

#[tokio::test]
async fn a_server_that_promises_more_under_ever_new_states_does_not_keep_us_for_ever_either() {
    let mut number = 0;
    let server = Scripted::start(move |asked| {
        number += 1;
        (asked.operation == "SyncFolderItems").then(|| page(&format!("s{number}"), "false", ""))
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let Err(error) = session.list(&Cursor::Start).await else { panic!() };
    assert!(matches!(error.cause, Cause::Garbage { .. }), "{error}");
    assert!(server.count("SyncFolderItems") <= limits::EWS_EMPTY_PAGES_MAX + 1);
}

#[tokio::test]
async fn a_password_that_was_taken_is_shown_once_more_when_it_is_suddenly_refused() {
    for refusals in [1, 2] {
        let mut left = refusals;
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "SyncFolderItems" if left > 0 => {
                left -= 1;
                Some(http("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\""], b""))
            }
            _ => usual(asked, &created("Message", "A")),
        })
        .await;
        let mut session = server.receive().await.unwrap();
        let listed = session.list(&Cursor::Start).await;
        match refusals {
            1 => assert_eq!(ids(&listed.unwrap()).len(), 1),
            _ => assert!(matches!(listed.unwrap_err().cause, Cause::LoginRefused { .. })),
        }
    }
}

#[tokio::test]
async fn a_message_that_came_and_went_within_the_pages_is_not_fetched() {
    let server = Scripted::start(|asked| {
        let has_state = asked.body.contains("<m:SyncState>");
        (asked.operation == "SyncFolderItems").then(|| match has_state {
            false => page("s1", "false", &format!("{}{}", created("Message", "A"), created("Message", "B"))),
            true => page("s2", "true", "<t:Delete><t:ItemId Id=\"A\"/></t:Delete>"),
        })
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!(ids(&listing), [RemoteId::Item("B".to_owned())]);
}

// --- items ---

#[tokio::test]
async fn ids_that_differ_in_nothing_but_case_name_two_messages() {
    let changes = format!("{}{}", created("Message", "AAb="), created("Message", "AAB="));
    let server = Scripted::start(move |asked| match asked.operation.as_str() {
        "GetItem" => {
            let all: Vec<String> =
                ids_in(&asked.body).iter().map(|id| gotten(id, &format!("Subject: {id}\r\n\r\n"))).collect();
            Some(answers("GetItem", &all))
        }
        _ => usual(asked, &changes),
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let contents = whole(&mut session, &listing).await;
    let expected = ["Subject: AAb=\r\n\r\n", "Subject: AAB=\r\n\r\n"];
    assert_eq!(contents, expected.map(|text| Content::Bytes(text.as_bytes().into())));
}

#[tokio::test]
async fn items_of_kinds_that_nobody_knows_hold_up_nobody() {
    let kinds =
        ["Message", "MeetingRequest", "MeetingCancellation", "PostItem", "ItemOfTheFuture", "CalendarItem"];
    let mut changes: String = kinds.iter().map(|kind| created(kind, kind)).collect();
    changes.push_str("<t:Relocate><t:ItemId Id=\"R\"/></t:Relocate>");
    changes.push_str("<t:Create><t:Message><t:Subject>without an id</t:Subject></t:Message></t:Create>");
    changes
        .push_str("<t:ReadFlagChange><t:ItemId Id=\"Message\"/><t:IsRead>true</t:IsRead></t:ReadFlagChange>");
    let server = Scripted::start(move |asked| usual(asked, &changes)).await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let found: Vec<String> = ids(&listing).iter().map(ToString::to_string).collect();
    assert_eq!(found, kinds[..5], "all but the appointment, which is no mail");
    assert_eq!(whole(&mut session, &listing).await.len(), 5);
}

#[tokio::test]
async fn an_item_that_cannot_be_converted_or_is_gone_holds_up_nobody() {
    let changes: String = ["A", "B", "C", "D"].map(|id| created("Message", id)).concat();
    let server = Scripted::start(move |asked| match asked.operation.as_str() {
        "GetItem" if !asked.body.contains("IncludeMimeContent") => {
            Some(answers("GetItem", &[failure("GetItem", "ErrorItemCorrupt", "<m:Items/>")]))
        }
        "GetItem" => Some(answers(
            "GetItem",
            &[
                gotten("A", RAW),
                failure("GetItem", "ErrorMimeContentConversionFailed", "<m:Items/>"),
                failure("GetItem", "ErrorItemNotFound", "<m:Items/>"),
                gotten("D", RAW),
            ],
        )),
        _ => usual(asked, &changes),
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let contents = whole(&mut session, &listing).await;
    let octets = Content::Bytes(RAW.as_bytes().into());
    assert_eq!((&contents[0], &contents[2], &contents[3]), (&octets, &Content::Vanished, &octets));
    let Content::Refused(said) = &contents[1] else { panic!("{contents:?}") };
    assert!(said.contains("ErrorMimeContentConversionFailed"));
}

/// A proxy that answers from a cache, or a server that works on several items at once.
#[tokio::test]
async fn answers_in_another_order_are_told_by_their_ids() {
    let changes: String = ["A", "B", "C"].map(|id| created("Message", id)).concat();
    let server = Scripted::start(move |asked| match asked.operation.as_str() {
        "GetItem" if asked.body.contains("IncludeMimeContent") => Some(answers(
            "GetItem",
            &[
                gotten("C", "Subject: C\r\n\r\n"),
                failure("GetItem", "ErrorItemNotFound", "<m:Items/>"),
                gotten("A", "Subject: A\r\n\r\n"),
            ],
        )),
        _ => usual(asked, &changes),
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let octets = |text: &'static str| Content::Bytes(text.as_bytes().into());
    let expected = [octets("Subject: A\r\n\r\n"), Content::Vanished, octets("Subject: C\r\n\r\n")];
    assert_eq!(whole(&mut session, &listing).await, expected);
}

#[tokio::test]
async fn a_request_that_one_item_spoils_is_made_for_each_alone() {
    for code in ["ErrorMimeContentConversionFailed", "ErrorInternalServerError", "ErrorCorruptData"] {
        let changes: String = ["A", "B", "C"].map(|id| created("Message", id)).concat();
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "GetItem" if asked.body.contains("Id=\"B\"") => Some(fault(code, None)),
            _ => usual(asked, &changes),
        })
        .await;
        let mut session = server.receive().await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let contents = whole(&mut session, &listing).await;
        let is_there = |content: &Content| matches!(content, Content::Bytes(_));
        assert_eq!(contents.iter().map(is_there).collect::<Vec<_>>(), [true, false, true], "{code}");
        // What may be the server's trouble is not looked into.
        let properties = if code == "ErrorInternalServerError" { 0 } else { 2 };
        assert_eq!(server.count("GetItem"), 4 + properties);
    }
}

// --- versions, rights ---

#[tokio::test]
async fn a_server_that_does_not_know_the_version_is_asked_in_an_older_one() {
    for code in ["ErrorInvalidServerVersion", "ErrorSchemaValidation"] {
        let server = Scripted::start(move |asked| match asked.body.contains("\"Exchange2007_SP1\"") {
            true => usual(asked, ""),
            false => Some(fault(code, None)),
        })
        .await;
        let mut session = server.receive().await.unwrap();
        session.list(&Cursor::Start).await.unwrap();
        assert_eq!(server.count("GetFolder"), 2, "once, and not again: {code}");
        let none = Scripted::start(move |_| Some(fault(code, None))).await;
        let Err(error) = none.receive().await else { panic!() };
        let Cause::Exchange { code, said } = &error.cause else { panic!("{error}") };
        assert_eq!(exchange::find(code, said).map(|meaning| meaning.key), Some("server-too-old"));
    }
}

#[tokio::test]
async fn a_removal_or_a_move_that_is_refused_for_all_is_told_with_the_servers_words() {
    let server = Scripted::start(|asked| match asked.operation.as_str() {
        "DeleteItem" => Some(answers("DeleteItem", &[failure("DeleteItem", "ErrorDeleteItemsFailed", "")])),
        "FindFolder" => Some(answers("FindFolder", &[failure("FindFolder", "ErrorAccessDenied", "")])),
        _ => usual(asked, &created("Message", "A")),
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let all = ids(&session.list(&Cursor::Start).await.unwrap());
    let error = session.set_aside(&all, None).await.unwrap_err();
    assert_eq!(error.step, TestStep::Delete, "{error}");
    let error = session.delete_and_close(&all).await.unwrap_err();
    let Cause::Refused { said } = &error.cause else { panic!("{error}") };
    assert!(said.starts_with("ErrorDeleteItemsFailed"), "{said}");
}

#[tokio::test]
async fn every_call_for_somebody_else_says_for_whom() {
    for access in [Access::Impersonation, Access::Delegation] {
        let server = Scripted::start(|asked| match asked.operation.as_str() {
            "DeleteItem" => Some(answers("DeleteItem", &[success("DeleteItem", "")])),
            "CreateItem" => Some(answers("CreateItem", &[success("CreateItem", "<m:Items/>")])),
            _ => usual(asked, &created("Message", "A")),
        })
        .await;
        let mut session = server.receive_as(Some(access)).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        whole(&mut session, &listing).await;
        session.delete_and_close(&ids(&listing)).await.unwrap();
        let mut session = server.submit_as(Some(access)).await.unwrap();
        let [from, to] = [ANNA, BORIS].map(|address| Address::parse(address).unwrap());
        let raw = format!("To: {BORIS}\r\n\r\nx\r\n");
        session.send(&from, &[to], raw.as_bytes()).await.unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 6);
        for one in &asked {
            assert!(one.head.contains(&format!("\r\nx-anchormailbox: {ANNA}\r\n")), "{}", one.head);
            let sid = format!("<t:ConnectingSID><t:SmtpAddress>{ANNA}</t:SmtpAddress></t:ConnectingSID>");
            assert_eq!(one.body.contains(&sid), access == Access::Impersonation, "{}", one.body);
            let folder = format!("<t:Mailbox><t:EmailAddress>{ANNA}</t:EmailAddress></t:Mailbox>");
            let names_folder = one.body.contains("DistinguishedFolderId");
            let expected = access == Access::Delegation && names_folder;
            assert_eq!(one.body.contains(&folder), expected, "{}", one.body);
        }
    }
}

// --- servers that are busy ---

#[tokio::test]
async fn a_short_wait_is_waited_for_and_the_request_made_again() {
    let retry_at_once =
        http("503 Service Unavailable", &["Retry-After: 0", "Content-Type: text/html"], b"<html>busy</html>");
    for busy in [fault("ErrorServerBusy", Some(0)), fault("ErrorServerBusy", None), retry_at_once] {
        let mut left = 2;
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "SyncFolderItems" if left > 0 => {
                left -= 1;
                Some(busy.clone())
            }
            _ => usual(asked, &created("Message", "A")),
        })
        .await;
        let mut session = server.receive().await.unwrap();
        assert_eq!(session.list(&Cursor::Start).await.unwrap().messages().len(), 1);
        assert_eq!(server.count("SyncFolderItems"), 3);
    }
}

/// An answer about one item that says how long to stay away.
fn busy_item(back_off: u64) -> String {
    failure(
        "GetItem",
        "ErrorServerBusy",
        &format!(
            "<m:MessageXml><t:Value Name=\"BackOffMilliseconds\">{back_off}</t:Value></m:MessageXml><m:Items/>"
        ),
    )
}

#[tokio::test]
async fn a_server_without_time_for_some_items_is_asked_for_them_again_and_the_others_are_used() {
    // One item of three; the rest of the batch in one word; no item at all.
    let answers_at_first = [
        vec![gotten("A", RAW), busy_item(1), gotten("C", RAW)],
        vec![gotten("A", RAW), busy_item(1)],
        vec![busy_item(1)],
    ];
    for at_first in answers_at_first {
        let changes: String = ["A", "B", "C"].map(|id| created("Message", id)).concat();
        let mut first = Some(answers("GetItem", &at_first));
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "GetItem" => first.take().or_else(|| usual(asked, &changes)),
            _ => usual(asked, &changes),
        })
        .await;
        let mut session = server.receive().await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let contents = whole(&mut session, &listing).await;
        assert!(
            contents.len() == 3 && contents.iter().all(|it| matches!(it, Content::Bytes(_))),
            "{contents:?}"
        );
        assert_eq!(server.count("GetItem"), 2);
    }
}

#[tokio::test]
async fn a_server_without_time_for_an_item_for_long_is_left_alone_after_the_others_were_handed_over() {
    let changes: String = ["A", "B", "C"].map(|id| created("Message", id)).concat();
    for answer in [vec![busy_item(240_000), gotten("B", RAW), gotten("C", RAW)], vec![busy_item(240_000)]] {
        let changes = changes.clone();
        let taken = answer.len().saturating_sub(1);
        let answer = answers("GetItem", &answer);
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "GetItem" => Some(answer.clone()),
            _ => usual(asked, &changes),
        })
        .await;
        let mut session = server.receive().await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let mut arrived = Arrived::default();
        let busy = session.fetch_each(listing.messages(), &mut arrived).await.unwrap_err();
        let asked = patience::demanded(&busy).expect("it asks for patience").asked;
        assert!(asked > Some(Duration::from_secs(200)), "{busy}");
        assert_eq!((arrived.0, server.count("GetItem")), (taken, 1));
    }
}

/// Counts messages.
#[derive(Default)]
struct Arrived(usize);

#[async_trait::async_trait]
impl mailplumb::remote::Arrivals for Arrived {
    async fn piece(&mut self, _: bytes::Bytes) -> Result<(), Cause> {
        Ok(())
    }

    async fn message(&mut self, _: mailplumb::model::cursor::Fetched) -> Result<(), Cause> {
        self.0 += 1;
        Ok(())
    }
}

#[tokio::test]
async fn a_server_that_is_always_busy_is_given_up_for_now() {
    let server = always(fault("ErrorServerBusy", Some(1))).await;
    let mut session = server.receive().await.unwrap();
    let Err(error) = session.list(&Cursor::Start).await else { panic!() };
    assert!(patience::demanded(&error).is_some(), "{error}");
    assert_eq!(server.count("SyncFolderItems"), limits::EWS_BUSY_TRIES_MAX as usize);
}

#[tokio::test]
async fn nobody_asks_for_a_mailbox_before_its_server_wants_to_be_asked() {
    let words = |wait: &str| http("429 Too Many Requests", &[&format!("Retry-After: {wait}")], b"");
    let in_band = failure(
        "SyncFolderItems",
        "ErrorServerBusy",
        "<m:MessageXml><t:Value Name=\"BackOffMilliseconds\">240000</t:Value></m:MessageXml>",
    );
    for busy in [
        fault("ErrorServerBusy", Some(240_000)),
        answers("SyncFolderItems", &[in_band]),
        words("240"),
        http("503 Service Unavailable", &["Retry-After: 240"], b"<html>busy</html>"),
    ] {
        let mut is_first = true;
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "SyncFolderItems" if std::mem::take(&mut is_first) => Some(busy.clone()),
            _ => usual(asked, ""),
        })
        .await;
        let mut session = server.receive().await.unwrap();
        let Err(error) = session.list(&Cursor::Start).await else { panic!() };
        let asked = patience::demanded(&error).expect("it asks for patience").asked;
        assert_eq!(asked, Some(Duration::from_secs(240)), "{error}");
        let before = server.asked().len();
        // Neither this session nor another one, in whichever direction.
        let Err(error) = session.list(&Cursor::Start).await else { panic!() };
        assert!(patience::demanded(&error).is_some(), "{error}");
        let Err(error) = server.submit_as(None).await else { panic!() };
        assert!(patience::demanded(&error).is_some(), "{error}");
        assert_eq!(server.asked().len(), before, "no call falls inside the window");
    }
}

#[tokio::test]
async fn a_server_that_has_no_time_for_the_mark_is_asked_once_and_not_waited_for() {
    let claim = Claim { holder: "a".repeat(32), host: "h".to_owned(), since: Timestamp::UNIX_EPOCH };
    let wish = Wish { claim, take_over_from: None };
    let retry = http("503 Service Unavailable", &["Retry-After: 1"], b"");
    for busy in [fault("ErrorServerBusy", Some(1)), retry] {
        let server = always(busy).await;
        let mut session = server.receive().await.unwrap();
        assert_eq!(session.claim(&wish).await, Ok(Claimed::Unknown));
        assert_eq!(server.count("GetUserConfiguration"), 1);
        assert_eq!(session.claim(&wish).await, Ok(Claimed::Unknown));
        assert_eq!(server.count("GetUserConfiguration"), 1, "no call falls inside the window");
    }
    let server = always(fault("ErrorAccessDenied", None)).await;
    let mut session = server.receive().await.unwrap();
    assert_eq!(session.claim(&wish).await, Ok(Claimed::NoMark));
}

#[tokio::test]
async fn a_message_that_a_busy_server_did_not_take_is_certainly_not_sent() {
    let mut is_first = true;
    let server = Scripted::start(move |asked| match asked.operation.as_str() {
        "CreateItem" if std::mem::take(&mut is_first) => Some(fault("ErrorServerBusy", Some(60_000))),
        _ => None,
    })
    .await;
    let mut session = server.submit_as(None).await.unwrap();
    let [from, to] = [ANNA, BORIS].map(|address| Address::parse(address).unwrap());
    let raw = format!("To: {BORIS}\r\n\r\nx\r\n");
    for _ in 0..2 {
        let sent = session.send(&from, std::slice::from_ref(&to), raw.as_bytes()).await;
        let Err(error) = sent else { panic!("{sent:?}") };
        assert!(patience::demanded(&error).is_some(), "{error}");
    }
    assert_eq!((server.count("CreateItem"), server.count("FindItem")), (1, 0));
}

#[tokio::test]
async fn an_answer_that_got_lost_leaves_a_message_in_doubt_and_it_is_looked_for() {
    for (found, is_sent) in [(created_copy(), true), (String::new(), false)] {
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "CreateItem" => Some(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<s:Env".to_vec()),
            "FindItem" => {
                let root = format!(
                    "<m:RootFolder TotalItemsInView=\"1\" IncludesLastItemInRange=\"true\"><t:Items>{found}</t:Items>\
                     </m:RootFolder>"
                );
                Some(answers("FindItem", &[success("FindItem", &root)]))
            }
            _ => None,
        })
        .await;
        let mut session = server.submit_as(None).await.unwrap();
        let [from, to] = [ANNA, BORIS].map(|address| Address::parse(address).unwrap());
        let raw = format!("To: {BORIS}\r\nMessage-ID: <1@x>\r\n\r\nx\r\n");
        let submitted = session.send(&from, &[to], raw.as_bytes()).await.unwrap();
        let result = &submitted.recipients[0];
        assert_eq!(matches!(result, RecipientResult::Accepted { .. }), is_sent, "{result:?}");
        assert_eq!(matches!(result, RecipientResult::Unsure { .. }), !is_sent, "{result:?}");
        assert_eq!(server.count("CreateItem"), 1, "it is never sent again");
    }
}

fn created_copy() -> String {
    "<t:Message><t:ItemId Id=\"COPY\" ChangeKey=\"C\"/></t:Message>".to_owned()
}

// --- answers that are none ---

#[tokio::test]
async fn a_page_in_the_place_of_an_answer_is_said_to_be_one() {
    let login =
        b"<!DOCTYPE html><html><head><title>Sign in to Contoso</title></head><body>&nbsp;<br></body></html>";
    let error = listing_error(http("200 OK", &["Content-Type: text/html"], login)).await;
    let said = error.to_string();
    assert!(said.contains("page") && said.contains("Sign in to Contoso"), "{said}");
    let gateway = b"<html><head><title>502 Bad Gateway</title></head></html>";
    let error = listing_error(http("502 Bad Gateway", &["Content-Type: text/html"], gateway)).await;
    assert!(matches!(error.cause, Cause::TemporarilyRefused { .. }), "{error}");
    let error = listing_error(http("403 Forbidden", &[], b"blocked by policy 7")).await;
    assert!(error.to_string().contains("HTTP 403") && error.to_string().contains("blocked by policy 7"));
    let error = listing_error(http("200 OK", &[], b"")).await;
    assert!(matches!(error.cause, Cause::Garbage { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_wherever_it_leads() {
    for target in ["http://169.254.169.254/latest/meta-data/iam?token=1", "https://elsewhere.example/EWS"] {
        let location = format!("Location: {target}");
        let error = listing_error(http("302 Found", &[&location], b"")).await;
        let said = error.to_string();
        assert!(
            said.contains("HTTP 302") && !said.contains("meta-data") && !said.contains("token"),
            "{said}"
        );
        let Cause::Exchange { code, .. } = &error.cause else { panic!("{error}") };
        assert!(exchange::find(code, "").is_some());
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let whole = page("s1", "true", &created("Message", "A"));
    for cut in [whole.len() - 1, whole.len() / 2, 20] {
        let error = listing_error(whole[..cut].to_vec()).await;
        assert!(matches!(error.cause, Cause::ConnectionLost { .. }), "{cut}: {error}");
    }
    // Of chunks nobody knows how many are to come.
    let error =
        listing_error(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<s:En\r\n".to_vec()).await;
    assert!(matches!(error.cause, Cause::ConnectionLost { .. }), "{error}");
}

#[tokio::test]
async fn a_message_that_breaks_off_is_not_handed_over() {
    let changes: String = ["A", "B"].map(|id| created("Message", id)).concat();
    let server = Scripted::start(move |asked| match asked.operation.as_str() {
        "GetItem" => {
            let answer = answers("GetItem", &[gotten("A", RAW), gotten("B", &"long ".repeat(1000))]);
            Some(answer[..answer.len() - 500].to_vec())
        }
        _ => usual(asked, &changes),
    })
    .await;
    let mut session = server.receive().await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let fetched = session.fetch(listing.messages(), mailplumb::model::cursor::Part::Whole).await;
    assert!(matches!(fetched, Err(RemoteError { cause: Cause::ConnectionLost { .. }, .. })), "{fetched:?}");
}

#[tokio::test]
async fn neither_the_declared_type_nor_the_declared_charset_nor_a_mark_at_the_beginning_matters() {
    let body = envelope(&responses(
        "SyncFolderItems",
        &[success(
            "SyncFolderItems",
            &format!(
                "<m:SyncState>ü</m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange>\
                 <m:Changes>{}</m:Changes>",
                created("Message", "A")
            ),
        )],
    ));
    let marked = [b"\xef\xbb\xbf", body.as_bytes()].concat();
    let lying = body.replace("encoding=\"utf-8\"", "encoding=\"iso-8859-1\"");
    for (fields, octets) in [
        (["Content-Type: text/html"], body.as_bytes()),
        (["Content-Type: text/xml; charset=iso-8859-1"], body.as_bytes()),
        (["Content-Type: application/octet-stream"], &marked),
        (["X-None: 1"], lying.as_bytes()),
    ] {
        let server = always(http("200 OK", &fields, octets)).await;
        let mut session = server.receive().await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let Listing::Exchange { state, messages, .. } = &listing else { panic!() };
        assert_eq!((state.as_str(), messages.len()), ("ü", 1), "{fields:?}");
    }
    let wide: Vec<u8> =
        std::iter::once(0xfeff).chain(body.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let error = listing_error(http("200 OK", &[], &wide)).await;
    assert!(error.to_string().contains("UTF-16"), "{error}");
}

#[tokio::test]
async fn characters_that_xml_forbids_hold_up_nobody() {
    let name = "bad &#x0;&#x1F;&#xFFFF; \u{1} & \u{fffe} name";
    let changes = format!(
        "<t:Create><t:Message><t:ItemId Id=\"A\"/><t:Subject>{name}</t:Subject></t:Message></t:Create>{}",
        created("Message", "B")
    );
    let server = Scripted::start(move |asked| usual(asked, &changes)).await;
    let mut session = server.receive().await.unwrap();
    assert_eq!(session.list(&Cursor::Start).await.unwrap().messages().len(), 2);
}

#[tokio::test]
async fn what_is_too_deep_too_many_or_declares_entities_is_refused() {
    let deep = "<t:a>".repeat(100_000);
    let error = listing_error(page("s1", "true", &deep)).await;
    assert!(matches!(error.cause, Cause::LimitExceeded { .. }), "{error}");
    let many = "<t:a/>".repeat(limits::EWS_ELEMENTS_MAX);
    let error = listing_error(page("s1", "true", &many)).await;
    assert!(matches!(error.cause, Cause::LimitExceeded { .. }), "{error}");
    let large = "x".repeat(limits::EWS_DOCUMENT_BYTES_MAX);
    let error = listing_error(page("s1", "true", &large)).await;
    assert!(matches!(error.cause, Cause::LimitExceeded { .. }), "{error}");
    let bomb = envelope("<m:x/>").replace(
        "<s:Envelope",
        "<!DOCTYPE s:Envelope [<!ENTITY a \"aa\"><!ENTITY b SYSTEM \"file:///etc/passwd\">]><s:Envelope",
    );
    let error = listing_error(http("200 OK", &[], bomb.as_bytes())).await;
    assert!(error.to_string().contains("document type"), "{error}");
}

#[tokio::test]
async fn chunks_are_put_together_and_compression_is_neither_asked_for_nor_taken() {
    let body = envelope(&responses(
        "SyncFolderItems",
        &[success(
            "SyncFolderItems",
            "<m:SyncState>s</m:SyncState><m:IncludesLastItemInRange>true</m:IncludesLastItemInRange><m:Changes/>",
        )],
    ));
    let chunks: String = body
        .as_bytes()
        .chunks(7)
        .map(|chunk| format!("{:x};x=y\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
        .collect();
    let chunked = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n");
    let server = always(chunked.into_bytes()).await;
    let mut session = server.receive().await.unwrap();
    session.list(&Cursor::Start).await.unwrap();
    assert!(server.asked().iter().all(|asked| asked.head.contains("\r\naccept-encoding: identity\r\n")));
    let error = listing_error(http("200 OK", &["Content-Encoding: gzip"], b"\x1f\x8b\x08\0\0")).await;
    assert!(error.to_string().contains("compressed (gzip)"), "{error}");
}

// --- sending ---

/// Whether the mailbox holds a copy of what was sent.
fn found(is_there: bool) -> Vec<u8> {
    let item = if is_there { "<t:Message><t:ItemId Id=\"S\"/></t:Message>" } else { "" };
    let root =
        format!("<m:RootFolder IncludesLastItemInRange=\"true\"><t:Items>{item}</t:Items></m:RootFolder>");
    answers("FindItem", &[success("FindItem", &root)])
}

async fn send(session: &mut Box<dyn mailplumb::remote::Submit>) -> Result<RecipientResult, Cause> {
    let [from, to] = [ANNA, BORIS].map(|address| Address::parse(address).unwrap());
    let raw = format!("Message-ID: <1@a.example>\r\nTo: {BORIS}\r\n\r\nx\r\n");
    let sent = session.send(&from, &[to], raw.as_bytes()).await.map_err(|error| error.cause)?;
    Ok(sent.recipients[0].clone())
}

const VAGUE: [&str; 3] =
    ["ErrorTimeoutExpired", "ErrorInternalServerTransientError", "ErrorInternalServerError"];

#[tokio::test]
async fn an_error_that_comes_after_the_work_is_seen_through_by_the_copy() {
    for code in VAGUE {
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "CreateItem" => Some(answers("CreateItem", &[failure("CreateItem", code, "<m:Items/>")])),
            "FindItem" => Some(found(true)),
            _ => None,
        })
        .await;
        let mut session = server.submit_as(None).await.unwrap();
        let sent = send(&mut session).await.unwrap();
        assert!(matches!(&sent, RecipientResult::Accepted { said } if said.contains(code)), "{sent:?}");
    }
}

#[tokio::test]
async fn a_later_attempt_looks_for_the_copy_before_it_sends() {
    for (status, is_there) in [("503 Service Unavailable", true), ("503 Service Unavailable", false)] {
        let mut failures = 1;
        let server = Scripted::start(move |asked| match asked.operation.as_str() {
            "CreateItem" if failures > 0 => {
                failures -= 1;
                Some(http(status, &["Retry-After: 0"], b""))
            }
            "CreateItem" => Some(answers("CreateItem", &[success("CreateItem", "<m:Items/>")])),
            "FindItem" => Some(found(is_there)),
            _ => None,
        })
        .await;
        let mut session = server.submit_as(None).await.unwrap();
        let error = send(&mut session).await.unwrap_err();
        assert!(matches!(error, Cause::TemporarilyRefused { .. }), "{error:?}");
        assert_eq!(server.count("CreateItem"), 1, "nobody repeats by himself what may have been done");
        session.begins(Attempt { round: 1, before: Before::Attempts });
        assert!(matches!(send(&mut session).await.unwrap(), RecipientResult::Accepted { .. }));
        assert_eq!(server.count("CreateItem"), if is_there { 1 } else { 2 });
    }
}

#[tokio::test]
async fn what_a_person_has_sent_once_more_is_not_looked_for_and_has_a_mark_of_its_own() {
    let server = Scripted::start(|asked| match asked.operation.as_str() {
        "CreateItem" => Some(answers("CreateItem", &[success("CreateItem", "<m:Items/>")])),
        _ => None,
    })
    .await;
    let mut session = server.submit_as(None).await.unwrap();
    session.begins(Attempt { round: 2, before: Before::Nothing });
    send(&mut session).await.unwrap();
    assert_eq!(server.count("FindItem"), 0);
    assert!(server.asked().pop().unwrap().body.contains("<t:Value>1@a.example 2</t:Value>"));
}
