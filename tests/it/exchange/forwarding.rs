//! Mailboxes that a forward mailbox serves: the rule that forwards, and what comes out at the other end.

use std::process::Command;

use mailplumb::model::name::Address;
use mailplumb::protocol::ews::{
    self, GetInboxRules, Header, InboxRule, Operation, RuleChange, RuleHealth, RuleReach, ServerVersion,
    UpdateInboxRules,
};

use super::schema::validate;
use super::story::Office;
use super::world::{ANNA, BORIS, PASSWORD};
use crate::support::need::{Need, python, require};

const FORWARDED: &str = "incoming: forward-mailbox\n  forwardTo: boris@contoso.example";
const COLLECTOR: &str = "
---
apiVersion: mailplumb/v1
kind: Mailbox
metadata: { name: collector }
spec:
  forward: { address: boris@contoso.example, deleteAfterProcessing: true }
  approved: boris@contoso.example
  owner: anna@contoso.example
  profile: hq
  incoming: server-side-sync
";

/// Anna's mail goes to boris, who collects.
fn office() -> Office {
    let office = Office::opens_with("incoming: server-side-sync", FORWARDED);
    let text = office.person.read("mail/mailplumb.yaml");
    office.person.write("mail/mailplumb.yaml", &format!("{}{COLLECTOR}", text.trim_end()));
    office
}

fn asks<O: Operation>(office: &Office, operation: &O) -> O::Response {
    let header = Header { version: ServerVersion::FIRST, impersonated: None, time_zone: None };
    let said = office.playground.exchange().asks(ANNA, &ews::envelope(operation, &header));
    ews::read(operation, said.as_bytes()).unwrap()
}

fn rules(office: &Office) -> Vec<InboxRule> {
    asks(office, &GetInboxRules { mailbox: Address::parse(ANNA).unwrap() })
}

fn change(office: &Office, change: RuleChange) {
    asks(office, &UpdateInboxRules { mailbox: Address::parse(ANNA).unwrap(), changes: vec![change] });
}

fn by_hand(to: &str) -> InboxRule {
    InboxRule {
        id: None,
        name: "my own".to_owned(),
        priority: 2,
        is_enabled: true,
        health: RuleHealth::Works,
        reach: RuleReach::EveryMessage,
        stops: false,
        forward_as_attachment_to: vec![to.to_owned()],
    }
}

fn names(office: &Office) -> Vec<String> {
    rules(office).into_iter().map(|rule| rule.name).collect()
}

const OURS: &str = "mailplumb: forward to boris@contoso.example";

fn an_hour_passes(office: &Office) {
    let db = rusqlite::Connection::open(office.person.at("mail/.mailplumb/state.db")).unwrap();
    let changed = db.execute("UPDATE forward_rules SET checked_at = checked_at - 3600000000", []).unwrap();
    assert_eq!(changed, 1);
}

#[test]
fn a_declared_rule_forwards_what_arrives_and_the_record_is_about_the_message_itself() {
    let office = office();
    let Office { person, playground } = &office;
    person.types("validate").ends(0).says("2 mailboxes");
    person.types("plan").says("forwards every message, as an attachment, to boris@contoso.example");
    person.types("apply --auto-approve").ends(0).says("forward-rule").says("created").says("3 passed");
    assert_eq!(names(&office), [OURS]);
    person.types("describe mailbox/anna").says("every message is forwarded as an attachment to boris@");
    person.types("plan --detailed-exitcode").ends(0);

    let raw = b"Message-ID: <q@d.example>\r\nSubject: Question\r\nFrom: c@d.example\r\n\r\nWhy?\r\n";
    playground.state().deliver(ANNA, raw).unwrap();
    person.types("sync").ends(0).says("1 recorded");
    let listed = person.types("messages").ends(0);
    let listed = listed.says("collector").says("c@d.example").says("Question");
    listed.says("forwarded by anna@contoso.example");
    person.types("messages show 1").ends(0).says("forwarded   by anna@contoso.example").says("Why?");
    person.types("messages show 1 --raw").ends(0).says("Subject: FW: Question");
    assert_eq!(playground.state().inbox(BORIS).unwrap().len(), 0, "processed and removed");
    let count = playground.state().inbox(ANNA).unwrap().len();
    assert!(count > 0, "what is forwarded stays where it was");

    let Some(()) = require(Need::Schemas) else { return };
    let calls = playground.exchange().calls().into_iter().enumerate();
    let all = calls.flat_map(|(at, call)| {
        let name = |what| format!("{at}-{}-{what}", call.operation);
        [(name("asks"), call.request.clone()), (name("says"), call.response.clone())]
    });
    validate(&all.collect::<Vec<_>>());
}

#[test]
fn exchangelib_sees_the_rule() {
    let Some(()) = require(Need::Python) else { return };
    let office = office();
    office.person.types("apply --auto-approve").ends(0);
    let port = office.playground.exchange().address().port().to_string();
    let output = Command::new(python().unwrap())
        .args(["-c", include_str!("stream.py"), &port, ANNA, PASSWORD])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let seen: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(seen["rules"], serde_json::json!([[OURS, true, [BORIS]]]), "{seen}");
}

#[test]
fn a_rule_that_somebody_spoils_is_put_right_and_nobody_elses_is_touched() {
    let office = office();
    let person = &office.person;
    change(&office, RuleChange::Create(by_hand("x@contoso.example")));
    person.types("apply --auto-approve").ends(0);
    assert_eq!(names(&office), ["my own", OURS]);
    let ours = rules(&office).into_iter().find(|rule| rule.name == OURS).unwrap();
    change(&office, RuleChange::Set(InboxRule { is_enabled: false, ..ours }));
    person.types("sync").ends(0);
    assert!(!rules(&office)[1].is_enabled, "it is not looked at in each cycle");
    person.types("doctor mailbox/anna").says("it is there, and not as declared").says("mailplumb test anna");
    assert!(!rules(&office)[1].is_enabled, "a doctor changes nothing");
    an_hour_passes(&office);
    person.types("sync").ends(0).says("put right");
    assert!(rules(&office)[1].is_enabled);
    assert_eq!(
        rules(&office)[0],
        InboxRule { id: rules(&office)[0].id.clone(), ..by_hand("x@contoso.example") }
    );
}

#[test]
fn our_rule_is_put_before_one_that_stops_and_that_one_stays_as_it_is() {
    let office = office();
    let Office { person, playground } = &office;
    person.types("apply --auto-approve").ends(0);
    let stopper = InboxRule { stops: true, priority: 1, ..by_hand("x@contoso.example") };
    change(&office, RuleChange::Create(stopper.clone()));
    let raw = b"Subject: Stopped\r\nFrom: c@d.example\r\n\r\nx\r\n";
    playground.state().deliver(ANNA, raw).unwrap();
    person.types("sync").ends(0).does_not_say("recorded");
    person.types("doctor mailbox/anna").says("the rule `my own` comes before it").says("mailplumb test anna");
    an_hour_passes(&office);
    person.types("sync").ends(0).says("put right");
    let mut all = rules(&office);
    all.sort_by_key(|rule| rule.priority);
    assert_eq!(all.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), [OURS, "my own"]);
    assert_eq!(all[1], InboxRule { id: all[1].id.clone(), priority: 2, ..stopper });
    playground.state().deliver(ANNA, raw).unwrap();
    person.types("sync").ends(0).says("1 recorded");
    let written = || {
        let calls = playground.exchange().calls();
        calls.iter().filter(|call| call.operation == "UpdateInboxRules").count()
    };
    let before = written();
    an_hour_passes(&office);
    person.types("sync").ends(0);
    assert_eq!(written(), before, "what is right is not written");
}

#[test]
fn a_rule_made_by_hand_is_taken_as_it_is() {
    let office = office();
    change(&office, RuleChange::Create(by_hand(BORIS)));
    office
        .person
        .types("apply --auto-approve")
        .ends(0)
        .says("the rule `my own`, which somebody made by hand");
    assert_eq!(names(&office), ["my own"]);
    office.person.types("describe mailbox/anna").says("by a rule that somebody made by hand");
}

#[test]
fn a_rule_that_is_not_declared_any_more_is_removed_where_somebody_still_logs_in() {
    let office = office();
    let person = &office.person;
    change(&office, RuleChange::Create(by_hand("x@contoso.example")));
    person.types("apply --auto-approve").ends(0);
    person.replace("mail/mailplumb.yaml", FORWARDED, "incoming: none");
    person.types("plan").says("stays in the mailbox").says("incoming: server-side-sync");
    person.replace("mail/mailplumb.yaml", "incoming: none", "incoming: server-side-sync");
    person.types("plan").says("its test removes the inbox rule that forwards to boris@contoso.example");
    person.types("apply --auto-approve").ends(0).says("removed");
    assert_eq!(names(&office), ["my own"]);
    office.playground.state().deliver(ANNA, b"Subject: Direct\r\nFrom: c@d.example\r\n\r\nx\r\n").unwrap();
    person.types("sync").ends(0).says("recorded");
    person.types("messages --mailbox anna").says("Direct");
}

#[test]
fn a_change_whose_test_fails_leaves_the_mailbox_as_it_was_served() {
    let office = Office::opens();
    let person = &office.person;
    let text = person.read("mail/mailplumb.yaml");
    person.write("mail/mailplumb.yaml", &format!("{}{COLLECTOR}", text.trim_end()));
    person.types("apply --auto-approve").ends(0);
    office.playground.exchange().keep_outlook_rules(ANNA);
    person.replace(
        "mail/mailplumb.yaml",
        "incoming: server-side-sync\n  outgoing",
        &format!("{FORWARDED}\n  outgoing"),
    );
    let refused = person.types("apply --auto-approve");
    refused.says("failed at step forward-rule").says("Outlook keeps rules").says("New-InboxRule");
    assert_eq!(names(&office), Vec::<String>::new());
    office.playground.state().deliver(ANNA, b"Subject: Still\r\nFrom: c@d.example\r\n\r\nx\r\n").unwrap();
    person.types("sync").says("1 recorded");
    person.types("messages --mailbox anna").says("Still");
}
