//! Requests as they are written, and answers of servers that keep to nothing.

use serde_json::json;

use super::*;
use crate::model::failure::Cause;
use crate::protocol::ews::item_properties::WithBody;

const HOST: &str = "graph.microsoft.com";

fn user() -> Address {
    Address::parse("o'neil+x@contoso.example").unwrap()
}

fn delta(position: Position) -> MessagesDelta<'static> {
    MessagesDelta { host: HOST, folder: Folder::Inbox, position, about: About::Arrival, page: 200 }
}

fn prefer(call: &Call) -> String {
    call.fields().into_iter().find(|(name, _)| *name == "Prefer").unwrap().1
}

#[test]
fn an_attachment_may_be_a_page_and_a_message_may_not() {
    use crate::protocol::Conversation;
    use crate::protocol::http::{Exchange, Request};
    let request =
        Request { method: Method::Get, host: HOST, path: "/", authorization: None, fields: &[], body: &[] };
    let mut exchange = Exchange::new(&request);
    let mut answer = bytes::BytesMut::new();
    let _sent = exchange.advance(&mut answer).unwrap();
    answer.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9\r\n\r\n");
    let _waits = exchange.advance(&mut answer).unwrap();
    let head = exchange.head().unwrap();
    let user = Address::parse("anna@contoso.example").unwrap();
    assert!(AttachmentValue { message: "A", id: "B" }.call(&user).expected.is(head));
    assert!(!MessageValue { id: "A" }.call(&user).expected.is(head));
    assert!(!SendMessage { id: "A" }.call(&user).expected.is(head));
    assert!(!DeleteMessage { id: "A" }.call(&user).expected.is(head));
}

#[test]
fn every_request_asks_for_ids_that_stay() {
    let user = user();
    let ids = ["A=", "B"];
    let calls = vec![
        delta(Position::Start).call(&user),
        MessageValue { id: ids[0] }.call(&user),
        GetMessage { id: ids[0], body: WithBody::Yes }.call(&user),
        AttachmentValue { message: ids[0], id: ids[1] }.call(&user),
        CreateMessage { raw: b"x" }.call(&user),
        SendMessage { id: ids[0] }.call(&user),
        SendMail { raw: b"x" }.call(&user),
        FindMessages { internet_message_id: "<1@x>" }.call(&user),
        GetMailFolder { folder: Folder::Inbox }.call(&user),
        ListMailFolders { host: HOST, below: None, after: None }.call(&user),
        CreateMailFolder { below: Some(Folder::Inbox), name: "x".to_owned() }.call(&user),
        MoveMessage { id: ids[0], to: Folder::DeletedItems }.call(&user),
        UpdateMessage { id: ids[0], categories: None, read: None }.call(&user),
        DeleteMessage { id: ids[1] }.call(&user),
        ListMessageRules { host: HOST, after: None }.call(&user),
        DeleteMessageRule { id: ids[0] }.call(&user),
    ];
    for call in &calls {
        assert!(prefer(call).starts_with("IdType=\"ImmutableId\""), "{call:?}");
    }
    let batch = Batch { parts: calls };
    let call = batch.call(&user);
    assert!(prefer(&call).starts_with("IdType=\"ImmutableId\""));
    let Body::Json(body) = call.body else { panic!() };
    for part in body["requests"].as_array().unwrap() {
        assert!(part["headers"]["Prefer"].as_str().unwrap().starts_with("IdType="), "{part}");
    }
}

#[test]
fn what_stands_in_a_path_cannot_leave_its_place() {
    let call = MessageValue { id: "../../x?y#z=" }.call(&user());
    assert_eq!(call.path, "/v1.0/users/o%27neil%2Bx@contoso.example/messages/..%2F..%2Fx%3Fy%23z%3D/$value");
    let call = FindMessages { internet_message_id: "<a'b&c@x>" }.call(&user());
    assert!(call.path.contains("%27%3Ca%27%27b%26c@x%3E%27&$select"), "{}", call.path);
}

#[test]
fn a_page_tells_what_is_there_what_is_gone_and_where_to_go_on() {
    let body = json!({
        "@odata.context": "x",
        "@odata.nextLink": "https://graph.microsoft.com/v1.0/next?$skiptoken=1",
        "value": [
            { "id": "A", "receivedDateTime": "2026-11-01T10:00:00Z", "@odata.etag": "W/x", "subject": "more than asked" },
            { "id": "B", "receivedDateTime": null },
            { "id": "C", "@removed": { "reason": "deleted" } },
            { "id": "D", "@removed": { "reason": "changed" } },
        ],
    });
    let page = delta(Position::Start).read(body.to_string().as_bytes()).unwrap();
    assert_eq!(
        page.changes,
        [
            Change::Present {
                id: "A".to_owned(),
                received: Some("2026-11-01T10:00:00Z".parse().unwrap()),
                categories: Vec::new()
            },
            Change::Present { id: "B".to_owned(), received: None, categories: Vec::new() },
            Change::Gone { id: "C".to_owned(), removal: Removal::Deleted },
            Change::Gone { id: "D".to_owned(), removal: Removal::Changed },
        ]
    );
    let Next::Page(link) = page.next else { panic!() };
    let call = delta(Position::After(link)).call(&user());
    assert_eq!(call.path, "/v1.0/next?$skiptoken=1");
    assert_eq!(prefer(&call), "IdType=\"ImmutableId\", odata.maxpagesize=200");
}

#[test]
fn a_page_that_leads_elsewhere_or_nowhere_is_an_error() {
    for body in [
        json!({ "value": [] }),
        json!({ "value": [], "@odata.nextLink": "https://evil.example/v1.0/x" }),
        json!({ "value": [], "@odata.deltaLink": "https://evil.example/v1.0/x" }),
        json!({ "value": [{ "id": "" }], "@odata.deltaLink": "https://graph.microsoft.com/v1.0/x" }),
        json!({ "value": "x", "@odata.deltaLink": "https://graph.microsoft.com/v1.0/x" }),
        json!([]),
    ] {
        assert!(delta(Position::Start).read(body.to_string().as_bytes()).is_err(), "{body}");
    }
    for body in [&b""[..], b"<html><title>Sign in</title></html>", b"{\"value\":[", b"\xff\xfe"] {
        assert!(delta(Position::Start).read(body).is_err());
    }
}

#[test]
fn each_part_of_a_batch_is_judged_by_itself_in_whatever_order() {
    let parts = (0..4).map(|_| DeleteMessage { id: "x" }.call(&user())).collect();
    let body = json!({ "responses": [
        { "id": "2", "status": 429, "headers": { "Retry-After": "7" }, "body": { "error": { "code": "ApplicationThrottled", "message": "slow" } } },
        { "id": "0", "status": 204 },
        { "id": "1", "status": 404, "body": { "error": { "code": "ErrorItemNotFound", "message": "gone" } } },
        { "id": "99", "status": 200 }, { "id": "x", "status": 200 },
    ] });
    let answers = Batch { parts }.read(body.to_string().as_bytes()).unwrap();
    let [Some(Ok(_)), Some(Err(missing)), Some(Err(busy)), None] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert!(missing.is_missing() && busy.is_throttled());
    for status in [200, 202] {
        let body = json!({ "responses": [{ "id": "0", "status": status, "body": {} }] }).to_string();
        let parts = vec![DeleteMessage { id: "x" }.call(&user())];
        assert_eq!(Batch { parts }.read(body.as_bytes()).unwrap(), [None], "{status}: nothing was removed");
    }
    assert_eq!(busy.retry_after, Some(std::time::Duration::from_secs(7)));
}

fn refusal(status: u16, body: &str) -> Refusal {
    Refusal::new(status, body.as_bytes(), None)
}

#[test]
fn a_refusal_keeps_the_code_and_the_words() {
    let denied = r#"{"error":{"code":"ErrorAccessDenied","message":"Access is denied. Check credentials and try again."}}"#;
    let cause = refusal(403, denied).cause();
    let words = "Microsoft Graph refused: HTTP 403 ErrorAccessDenied: Access is denied. Check credentials and try again.";
    assert_eq!(cause.to_string(), words);
    let vague =
        r#"{"error":{"code":"generalException","message":"x","innerError":{"code":"ErrorQuotaExceeded"}}}"#;
    assert_eq!(refusal(507, vague).code, "ErrorQuotaExceeded");
    let page = refusal(502, "<html><head><title>Bad gateway</title></head></html>");
    assert_eq!((page.code.as_str(), page.said.as_str()), ("", "Bad gateway"));
    assert!(matches!(page.cause(), Cause::TemporarilyRefused { .. }));
}

#[test]
fn throttling_names_the_wait_in_words_that_are_understood() {
    let wait = Some(std::time::Duration::from_secs(42));
    let body = br#"{"error":{"code":"ApplicationThrottled","message":"Application is over its MailboxConcurrency limit."}}"#;
    let cause = Refusal::new(429, body, wait).cause();
    let Cause::TemporarilyRefused { said } = &cause else { panic!("{cause}") };
    assert!(said.starts_with("[THROTTLED] HTTP 429") && said.ends_with("(retry after 42 seconds)"), "{said}");
}

#[test]
fn a_forgotten_state_is_no_missing_item() {
    for (status, code) in [(410, "syncStateNotFound"), (410, "resyncRequired"), (400, "SyncStateInvalid")] {
        let refusal = refusal(status, &format!(r#"{{"error":{{"code":"{code}","message":"x"}}}}"#));
        assert!(refusal.has_forgotten() && !refusal.is_missing(), "{refusal}");
    }
    assert!(refusal(404, r#"{"error":{"code":"ErrorItemNotFound","message":"x"}}"#).is_missing());
}
