//! Mailboxes of Exchange Online that a forward mailbox serves: the rule, and what comes out at the other end.

use mailplumb::model::failure::Cause;
use mailplumb::model::forwarding::{RuleOutcome, RuleWish};
use mailplumb::model::name::Address;
use mailplumb::playground::{GraphCall, GraphFault};
use serde_json::{Value, json};

use super::story::{Office, manifest};
use super::world::{ANNA, APPLICATION, BORIS, World, error, options};

const OURS: &str = "mailplumb: forward to boris@contoso.example";
const RULES: &str = "/mailFolders/inbox/messageRules";
const COLLECTOR: &str = "---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: collector }
spec:
  forward: { address: boris@contoso.example, deleteAfterProcessing: true }
  approved: boris@contoso.example
  owner: anna@contoso.example
  profile: exo
  incoming: server-side-sync
";

/// Anna's mail goes to boris, who collects.
fn office() -> Office {
    let forwarded = "  incoming: forward-mailbox\n  forwardTo: boris@contoso.example\n";
    let declared = manifest("graph").replace("  incoming: server-side-sync\n", forwarded);
    Office::opens_with(&format!("{declared}{COLLECTOR}"), options())
}

fn wish(to: Option<&str>) -> RuleWish {
    RuleWish { to: to.map(|to| Address::parse(to).unwrap()), known: None }
}

/// A person does something about the rules.
fn person_asks(world: &World, line: &str, body: &Value) {
    let (method, rest) = line.split_once(' ').unwrap();
    let line = format!("{method} /v1.0/users/{ANNA}{RULES}{rest}");
    let fields = vec![("Content-Type", "application/json".to_owned())];
    world.playground.graph().asks(APPLICATION, &line, fields, body.to_string().into_bytes());
}

fn by_hand(name: &str, to: &str) -> Value {
    json!({
        "displayName": name, "sequence": 2, "isEnabled": true,
        "actions": { "forwardAsAttachmentTo": [{ "emailAddress": { "address": to } }] },
    })
}

/// The rules as the service shows them to whoever asks.
fn rules(world: &World) -> Vec<Value> {
    person_asks(world, "GET ", &Value::Null);
    let is_list = |call: &GraphCall| call.method == "GET" && call.path.ends_with(RULES);
    let last = world.calls().into_iter().rfind(is_list).unwrap();
    let body: Value = serde_json::from_str(&last.response).unwrap();
    body["value"].as_array().unwrap().clone()
}

fn names(world: &World) -> Vec<String> {
    rules(world).iter().map(|rule| rule["displayName"].as_str().unwrap().to_owned()).collect()
}

fn written(world: &World) -> usize {
    let is_write = |call: &&GraphCall| call.path.contains(RULES) && call.method != "GET";
    world.calls().iter().filter(is_write).count()
}

#[test]
fn a_declared_rule_forwards_what_arrives_and_the_record_is_about_the_message_itself() {
    let Office { person, playground } = office();
    person.types("validate").ends(0).says("2 mailboxes");
    person.types("plan").says("forwards every message, as an attachment, to boris@contoso.example");
    person.types("apply --auto-approve").ends(0).says("forward-rule").says("created");
    person.types("plan --detailed-exitcode").ends(0);
    let raw = b"Message-ID: <q@d.example>\r\nSubject: Question\r\nFrom: c@d.example\r\n\r\nWhy?\r\n";
    playground.state().deliver(ANNA, raw).unwrap();
    person.types("sync").ends(0).says("1 recorded");
    person
        .types("messages")
        .ends(0)
        .says("collector")
        .says("Question")
        .says("forwarded by anna@contoso.example");
    assert_eq!(playground.state().inbox(BORIS).unwrap().len(), 0, "processed and removed");

    person.replace(
        "mail/mailplumb.yaml",
        "incoming: forward-mailbox\n  forwardTo: boris@contoso.example",
        "incoming: server-side-sync",
    );
    person.types("plan").says("its test removes the inbox rule that forwards to boris@contoso.example");
    person.types("apply --auto-approve").ends(0).says("removed");
    playground.state().deliver(ANNA, b"Subject: Direct\r\nFrom: c@d.example\r\n\r\nx\r\n").unwrap();
    person.types("sync").ends(0).says("recorded");
    person.types("messages --mailbox anna").says("Direct");
}

#[test]
fn without_the_permission_for_rules_it_is_said_which_one_is_missing() {
    let Office { person, playground } = office();
    let denied =
        GraphFault::error(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.");
    playground.graph().misbehave(RULES, u32::MAX, denied);
    let said = person.types("apply --auto-approve");
    said.says("failed at step forward-rule").says("MailboxSettings.ReadWrite");
    person.types("doctor mailbox/anna").says("MailboxSettings.ReadWrite");
}

#[tokio::test]
async fn a_rule_is_made_once_put_right_and_removed_and_nobody_elses_is_touched() {
    let world = World::new();
    person_asks(&world, "POST ", &by_hand("my own", "x@contoso.example"));
    let mut session = world.receive(ANNA).await.unwrap();
    assert_eq!(session.look_for_rule(&wish(Some(BORIS))).await.unwrap(), RuleOutcome::Missing);
    assert!(matches!(session.keep_rule(&wish(Some(BORIS))).await.unwrap(), RuleOutcome::Created { .. }));
    assert_eq!(names(&world), ["my own", OURS]);
    let before = written(&world);
    assert!(matches!(session.keep_rule(&wish(Some(BORIS))).await.unwrap(), RuleOutcome::Unchanged { .. }));
    assert_eq!(written(&world), before, "what is right is not written");

    let id = rules(&world)[1]["id"].as_str().unwrap().to_owned();
    let spoilt = [
        json!({ "isEnabled": false }),
        json!({ "conditions": { "subjectContains": ["x"] } }),
        json!({ "exceptions": { "senderContains": ["boss"] } }),
        json!({ "actions": { "forwardAsAttachmentTo": [{ "emailAddress": { "address": "x@contoso.example" } }] } }),
    ];
    for change in spoilt {
        person_asks(&world, &format!("PATCH /{id}"), &change);
        assert_eq!(session.look_for_rule(&wish(Some(BORIS))).await.unwrap(), RuleOutcome::Wrong, "{change}");
        let put_right = session.keep_rule(&wish(Some(BORIS))).await.unwrap();
        assert_eq!(put_right, RuleOutcome::Changed { id: id.clone() }, "{change}");
        assert_eq!(
            session.look_for_rule(&wish(Some(BORIS))).await.unwrap(),
            RuleOutcome::Unchanged { id: id.clone() }
        );
    }
    person_asks(&world, "POST ", &by_hand(OURS, BORIS));
    let one = session.keep_rule(&wish(Some(BORIS))).await.unwrap();
    assert!(matches!(one, RuleOutcome::Changed { .. }), "a copy would forward everything twice");
    assert_eq!(names(&world), ["my own", OURS]);

    assert_eq!(session.keep_rule(&wish(None)).await.unwrap(), RuleOutcome::Removed);
    assert_eq!(names(&world), ["my own"]);
    assert_eq!(
        rules(&world)[0]["actions"]["forwardAsAttachmentTo"][0]["emailAddress"]["address"],
        "x@contoso.example"
    );
    assert_eq!(session.keep_rule(&wish(None)).await.unwrap(), RuleOutcome::Absent);
}

#[tokio::test]
async fn what_keeps_our_rule_from_its_work_is_mended_or_told_by_name() {
    let world = World::new();
    let mut session = world.receive(ANNA).await.unwrap();
    session.keep_rule(&wish(Some(BORIS))).await.unwrap();
    let stopper = json!({ "displayName": "stop", "sequence": 1, "isEnabled": true, "actions": { "stopProcessingRules": true } });
    person_asks(&world, "POST ", &stopper);
    let overtaken = RuleOutcome::Overtaken { by: "stop".to_owned() };
    assert_eq!(session.look_for_rule(&wish(Some(BORIS))).await.unwrap(), overtaken);
    assert!(matches!(session.keep_rule(&wish(Some(BORIS))).await.unwrap(), RuleOutcome::Changed { .. }));
    let places = |world: &World| -> Vec<(String, u64)> {
        let place = |rule: &Value| {
            (rule["displayName"].as_str().unwrap().to_owned(), rule["sequence"].as_u64().unwrap())
        };
        rules(world).iter().map(place).collect()
    };
    assert_eq!(places(&world), [(OURS.to_owned(), 1), ("stop".to_owned(), 2)]);
    let before = written(&world);
    assert!(matches!(session.keep_rule(&wish(Some(BORIS))).await.unwrap(), RuleOutcome::Unchanged { .. }));
    assert_eq!(written(&world), before, "what is right is not written");

    let mut ours = rules(&world).remove(0);
    ours["hasError"] = Value::Bool(true);
    let body = json!({ "value": [ours] }).to_string();
    let broken = GraphFault::Answer { status: 200, fields: Vec::new(), body };
    world.playground.graph().misbehave("GET", u32::MAX, broken);
    assert_eq!(session.look_for_rule(&wish(Some(BORIS))).await.unwrap(), RuleOutcome::InError);
    let failed = error(session.keep_rule(&wish(Some(BORIS))).await);
    assert!(matches!(&failed.cause, Cause::RuleInError { rule } if rule == OURS), "{failed}");
}

#[tokio::test]
async fn a_rule_made_by_hand_is_taken_as_it_is() {
    let world = World::new();
    person_asks(&world, "POST ", &by_hand("my own", BORIS));
    let mut session = world.receive(ANNA).await.unwrap();
    let outcome = session.keep_rule(&wish(Some(BORIS))).await.unwrap();
    assert_eq!(outcome, RuleOutcome::DoneByAnother { name: "my own".to_owned() });
    assert_eq!(names(&world), ["my own"]);
}

#[tokio::test]
async fn a_service_that_says_yes_and_does_nothing_is_not_believed_and_no_list_is_endless() {
    let world = World::new();
    let mut session = world.receive(ANNA).await.unwrap();
    let made = GraphFault::Answer { status: 201, fields: Vec::new(), body: "{}".to_owned() };
    world.playground.graph().misbehave("POST", 1, made);
    let failed = error(session.keep_rule(&wish(Some(BORIS))).await);
    assert!(matches!(&failed.cause, Cause::Garbage { .. }), "{failed}");
    let page = |rules: &str| {
        let body = format!(
            "{{\"value\":[{rules}],\"@odata.nextLink\":\"https://graph.microsoft.com/v1.0/users/x{RULES}\"}}"
        );
        GraphFault::Answer { status: 200, fields: Vec::new(), body }
    };
    world.playground.graph().misbehave(RULES, 1, page(""));
    let failed = error(session.look_for_rule(&wish(Some(BORIS))).await);
    assert!(matches!(&failed.cause, Cause::Garbage { .. }), "{failed}");
    world.playground.graph().misbehave(RULES, u32::MAX, page(&vec!["{\"id\":\"A\"}"; 100].join(",")));
    let failed = error(session.look_for_rule(&wish(Some(BORIS))).await);
    assert!(matches!(&failed.cause, Cause::LimitExceeded { .. }), "{failed}");
}
