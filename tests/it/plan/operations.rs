//! What is said of each operation of a mailbox, and what makes it be tested again.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use mailplumb::model::desired::Desired;
use mailplumb::model::mailbox::{Accept, ActMethod, IncomingMethod, Mailbox, MailboxKind, OutgoingMethod};
use mailplumb::model::operation::{Awaiting, OffReason, Operation, OperationState, Readiness};
use mailplumb::model::organization::{ApprovalSource, Requirement};
use mailplumb::model::pending::Pending;
use mailplumb::model::plan::{Action, Consequence, Effect, Plan, PutMailbox, Step, Target};
use mailplumb::model::profile::{
    Authentication, Credentials, MailServers, Profile, Server, ServerKind, TlsMode,
};
use mailplumb::model::stored::Stored;
use mailplumb::plan::{self, connection};

use super::generate::*;

fn with(mut desired: Desired, edit: impl Fn(&mut Mailbox)) -> Desired {
    desired.mailboxes.values_mut().for_each(|declared| edit(&mut declared.value));
    desired
}

fn servers(profile: &mut Profile) -> &mut MailServers {
    match &mut profile.server {
        Server::Pop3Smtp(servers) | Server::ImapSmtp(servers) => servers,
        Server::Exchange(_) | Server::ExchangeOnline(_) => panic!("not a mail server"),
    }
}

fn with_profile(mut desired: Desired, edit: impl Fn(&mut Profile)) -> Desired {
    desired.profiles.values_mut().for_each(|declared| edit(&mut declared.value));
    desired
}

fn put<'a>(plan: &'a Plan, mailbox: &str) -> (&'a Step, &'a PutMailbox) {
    let target = Target::Mailbox(name(mailbox));
    let step = plan.steps.iter().find(|step| step.target == target).expect("it has a step");
    match &step.effect {
        Effect::PutMailbox(put) => (step, put),
        Effect::PutOrganization(_)
        | Effect::PutSecret { .. }
        | Effect::DeleteSecret(_)
        | Effect::PutProfile(_)
        | Effect::DeleteProfile(_)
        | Effect::DeleteMailbox(_) => panic!("{:?}", step.effect),
    }
}

fn readiness(desired: &Desired) -> [Readiness; 3] {
    let plan = plan::plan(desired, &Stored::empty(), &policy());
    let (_, put) = put(&plan, "anna");
    Operation::ALL.map(|operation| put.operations[&operation].readiness)
}

const OFF: Readiness = Readiness::Off(OffReason::MethodNone);

#[test]
fn a_new_mailbox_is_tested_where_nothing_speaks_against_it() {
    assert_eq!(readiness(&small(&["anna"])), [Readiness::NeedsTest, Readiness::NeedsTest, OFF]);
}

#[test]
fn an_operation_is_off_for_the_first_reason_that_applies() {
    let off = |reason| [Readiness::Off(reason), Readiness::Off(reason), OFF];
    let anna = || small(&["anna"]);
    assert_eq!(readiness(&with(anna(), |m| m.profile = None)), off(OffReason::NoProfile));
    assert_eq!(readiness(&with(anna(), |m| m.active = false)), off(OffReason::MailboxInactive));
    assert_eq!(readiness(&with_profile(anna(), |p| p.active = false)), off(OffReason::ProfileInactive));
    assert_eq!(readiness(&with(anna(), |m| m.approved = None)), off(OffReason::NotApproved));
    let other = |m: &mut Mailbox| m.approved = Some(address("other@contoso.example"));
    assert_eq!(readiness(&with(anna(), other)), off(OffReason::NotApproved));
    let none = |m: &mut Mailbox| m.outgoing = OutgoingMethod::None;
    assert_eq!(readiness(&with(anna(), none)), [Readiness::NeedsTest, OFF, OFF]);
    let forward = |m: &mut Mailbox| m.incoming = IncomingMethod::ForwardMailbox;
    let by_forward = Readiness::Off(OffReason::ForwardMailbox);
    assert_eq!(readiness(&with(anna(), forward)), [by_forward, Readiness::NeedsTest, OFF]);
    let no_smtp = |p: &mut Profile| servers(p).outgoing = None;
    assert_eq!(readiness(&with_profile(anna(), no_smtp)), [Readiness::NeedsTest, OFF, OFF]);
}

#[test]
fn a_new_mailbox_that_cannot_be_tested_says_why() {
    let reason = |desired: &Desired| {
        let plan = plan::plan(desired, &Stored::empty(), &policy());
        put(&plan, "anna").0.reason.clone()
    };
    let unapproved = with(small(&["anna"]), |m| m.approved = None);
    assert_eq!(reason(&unapproved), "declared, not stored yet; its address is not approved");
    let inactive = with_profile(small(&["anna"]), |p| p.active = false);
    assert_eq!(reason(&inactive), "declared, not stored yet; profile `provider-pop` is inactive");
    let quiet = with(small(&["anna"]), |m| {
        (m.incoming, m.outgoing) = (IncomingMethod::None, OutgoingMethod::None);
    });
    assert_eq!(reason(&quiet), "declared, not stored yet");
}

#[test]
fn approval_is_required_kind_by_kind() {
    for (kind, is_required) in
        [(MailboxKind::User, true), (MailboxKind::Queue, false), (MailboxKind::Forward, true)]
    {
        let mut desired = with(small(&["anna"]), |mailbox| {
            mailbox.kind = kind;
            mailbox.approved = None;
        });
        desired.organization.value.approval.queues = Requirement::NotRequired;
        let expected =
            if is_required { Readiness::Off(OffReason::NotApproved) } else { Readiness::NeedsTest };
        assert_eq!(readiness(&desired)[0], expected, "{kind:?}");
    }
}

#[test]
fn an_approval_by_command_counts_for_the_mailbox_and_the_address_that_it_was_given_for() {
    let mut desired = small(&["anna"]);
    desired.organization.value.approval.source = ApprovalSource::Command;
    assert_eq!(readiness(&desired)[0], Readiness::Off(OffReason::NotApproved));
    let mut stored = settled(&desired);
    assert!(plan::plan(&desired, &stored, &policy()).is_empty());
    stored.approvals.insert(name("ben"), address("anna@contoso.example"));
    assert!(plan::plan(&desired, &stored, &policy()).is_empty(), "somebody else's approval");

    stored.approvals.insert(name("anna"), address("Anna@Contoso.example"));
    let approved = plan::plan(&desired, &stored, &policy());
    let (step, put) = put(&approved, "anna");
    assert_eq!((step.action, step.reason.as_str()), (Action::Retest, "approved now"));
    assert_eq!(put.operations[&Operation::Incoming].readiness, Readiness::NeedsTest);

    let stored = plan::model::apply_and_pass(&approved, &stored);
    assert!(plan::plan(&desired, &stored, &policy()).is_empty());
    let moved = desired.mailboxes.get_mut(&name("anna")).unwrap();
    moved.value.address = address("other@contoso.example");
    let plan = plan::plan(&desired, &stored, &policy());
    let (step, put) = self::put(&plan, "anna");
    assert!(step.consequences.contains(&Consequence::NeedsReapproval));
    assert_eq!(put.operations[&Operation::Incoming].readiness, Readiness::Off(OffReason::NotApproved));
}

#[test]
fn an_approval_by_command_follows_a_rename() {
    let mut desired = small(&["anna"]);
    desired.organization.value.approval.source = ApprovalSource::Command;
    let mut stored = settled(&desired);
    stored.approvals.insert(name("anna"), address("anna@contoso.example"));
    let stored = plan::model::apply_and_pass(&plan::plan(&desired, &stored, &policy()), &stored);
    let mut anne = desired.mailboxes.remove(&name("anna")).unwrap();
    anne.value.name = name("anne");
    anne.value.lifecycle.previous_names = vec![name("anna")];
    desired.mailboxes.insert(name("anne"), anne);
    let renamed = plan::plan(&desired, &stored, &policy());
    let (_, put) = put(&renamed, "anne");
    assert_eq!(put.operations[&Operation::Incoming].readiness, Readiness::Unchanged);
    let stored = plan::model::apply(&renamed, &stored);
    assert!(plan::plan(&desired, &stored, &policy()).is_empty());
}

#[test]
fn a_mailbox_without_connector_waits_and_is_counted_without_a_step() {
    let desired = small(&["anna", "ben", "carl"]);
    let mut policy = policy();
    policy.connectors = [ServerKind::ImapSmtp].into();
    let first = plan::plan(&desired, &Stored::empty(), &policy);
    let stored = plan::model::apply_and_pass(&first, &Stored::empty());
    let second = plan::plan(&desired, &stored, &policy);
    assert!(second.is_empty());
    let notes: Vec<&str> = second.notes.iter().map(|note| note.message.as_str()).collect();
    assert_eq!(notes, ["3 mailboxes await a connector for pop3Smtp"]);

    policy.connectors.insert(ServerKind::Pop3Smtp);
    let third = plan::plan(&desired, &stored, &policy);
    let (step, put) = put(&third, "anna");
    assert_eq!(step.reason, "this version can speak to pop3Smtp");
    assert_eq!(put.operations[&Operation::Incoming].readiness, Readiness::NeedsTest);
}

#[test]
fn appointments_contacts_and_tasks_wait_for_a_connector() {
    let mut desired = with(small(&["anna"]), |m| m.appointments_contacts_tasks = ActMethod::ServerSideSync);
    let exchange_online = mailplumb::model::profile::ExchangeOnline {
        tenant: "t".to_owned(),
        cloud: mailplumb::model::profile::Cloud::Global,
        transport: mailplumb::model::profile::Transport::Graph,
        client_id: "c".to_owned(),
        proof: mailplumb::model::profile::AppProof::ClientSecret(secret("shared")),
        undeliverable_folder: false,
        tracked_category: None,
        track_sent_items: false,
        timeout_seconds: None,
    };
    let server = Server::ExchangeOnline(exchange_online);
    desired.profiles.values_mut().for_each(|declared| declared.value.server = server.clone());
    let mut policy = policy();
    policy.connectors.insert(ServerKind::ExchangeOnline);
    let plan = plan::plan(&desired, &Stored::empty(), &policy);
    let (_, put) = put(&plan, "anna");
    assert_eq!(put.operations[&Operation::Act].readiness, Readiness::NoConnector);
    assert_eq!(put.operations[&Operation::Incoming].readiness, Readiness::NeedsTest);
}

#[test]
fn a_digest_covers_what_a_test_proves_and_nothing_else() {
    type Edit = fn(&mut Profile, &mut Mailbox);
    let edits: [(&str, Edit, [bool; 2]); 17] = [
        ("host", |p, _| servers(p).incoming.host = "new.example".to_owned(), [true, false]),
        ("case of host", |p, _| servers(p).incoming.host.make_ascii_uppercase(), [false, false]),
        ("port", |p, _| servers(p).incoming.port = NonZeroU16::new(4711), [true, false]),
        ("computed port", |p, _| servers(p).incoming.port = NonZeroU16::new(995), [false, false]),
        ("tls", |p, _| servers(p).incoming.tls = TlsMode::None, [true, false]),
        ("authentication", |p, _| servers(p).incoming.authentication = Authentication::Plain, [true, false]),
        ("trust", |p, _| servers(p).trust = Some(name("ca")), [true, true]),
        ("source", |p, _| servers(p).incoming.credentials = Credentials::Anonymous, [true, false]),
        ("user name", |_, m| m.credentials.as_mut().unwrap().username.push('x'), [true, true]),
        ("password", |_, m| m.credentials.as_mut().unwrap().password = secret("k1"), [true, true]),
        ("address", |_, m| m.address = address("new@contoso.example"), [true, true]),
        ("time-out", |p, _| servers(p).incoming.timeout_seconds = Some(5), [false, false]),
        ("display name", |p, m| (p.display_name, m.display_name) = (Some("x".into()), None), [false, false]),
        ("owner", |p, m| (p.owner, m.owner) = (address("a@b"), Some(address("a@b"))), [false, false]),
        ("labels", |p, _| drop(p.labels.insert("a".into(), "b".into())), [false, false]),
        ("interval", |p, _| p.processing.min_polling_interval_minutes = 60, [false, false]),
        ("name", |_, m| m.name = name("other"), [false, false]),
    ];
    let secrets =
        BTreeMap::from([(secret("shared"), sealed("one").digest()), (secret("k1"), sealed("two").digest())]);
    let (profile, mailbox) = (pop("provider-pop"), mailbox("anna", Some("provider-pop")));
    for (what, edit, expected) in edits {
        let (mut new_profile, mut new_mailbox) = (profile.clone(), mailbox.clone());
        edit(&mut new_profile, &mut new_mailbox);
        let differs = [Operation::Incoming, Operation::Outgoing].map(|operation| {
            connection::digest(&profile, &mailbox, &secrets, operation)
                != connection::digest(&new_profile, &new_mailbox, &secrets, operation)
        });
        assert_eq!(differs, expected, "{what}");
    }
}

#[test]
fn a_changed_profile_is_blamed_for_the_tests_of_its_mailboxes() {
    let before = small(&["anna", "ben"]);
    let after = with_profile(before.clone(), |p| servers(p).incoming.host = "new.example".to_owned());
    let plan = plan::plan(&after, &settled(&before), &policy());
    let (step, put) = put(&plan, "anna");
    assert_eq!((step.action, step.reason.as_str()), (Action::Retest, "profile `provider-pop` changed"));
    let retest = Consequence::NeedsRetest([Operation::Incoming].into());
    let keeps = Consequence::KeepsWorking([Operation::Incoming].into());
    assert_eq!(step.consequences, [retest.clone(), keeps.clone()]);
    assert_eq!(put.operations[&Operation::Outgoing].readiness, Readiness::Unchanged);
    let shares = Consequence::SharesMailWith { host: "new.example".to_owned() };
    assert_eq!(plan.steps[0].consequences, [retest, keeps, shares]);
}

#[test]
fn a_changed_secret_is_blamed_and_its_profile_is_not() {
    let before = small(&["anna"]);
    let mut after = with_profile(before.clone(), |p| p.display_name = Some("New".to_owned()));
    after.secrets.insert(secret("shared"), declared(sealed("two"), 1));
    let plan = plan::plan(&after, &settled(&before), &policy());
    assert_eq!(put(&plan, "anna").0.reason, "secret `provider/shared` changed");
    let profile = &plan.steps[1];
    assert_eq!(
        (&profile.target, &profile.consequences[..]),
        (&Target::Profile(name("provider-pop")), &[Consequence::NoEffectOnTraffic][..])
    );
}

#[test]
fn a_description_tests_nothing() {
    let before = small(&["anna"]);
    let after = with_profile(before.clone(), |p| p.description = Some("New".to_owned()));
    let plan = plan::plan(&after, &settled(&before), &policy());
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].consequences, [Consequence::NoEffectOnTraffic]);
}

#[test]
fn each_state_that_calls_for_a_test_says_why() {
    let desired = small(&["anna"]);
    for (state, reason) in [
        (failed(), "last test failed at authenticate: the server refused the login: no"),
        (OperationState::Off(OffReason::NotApproved), "approved now"),
        (OperationState::Off(OffReason::ProfileInactive), "profile `provider-pop` is active now"),
    ] {
        let mut stored = settled(&desired);
        for mailbox in stored.mailboxes.values_mut() {
            mailbox.operations.get_mut(&Operation::Incoming).unwrap().state = state.clone();
        }
        let plan = plan::plan(&desired, &stored, &policy());
        assert_eq!(plan.steps.len(), 1);
        assert_eq!((plan.steps[0].action, plan.steps[0].reason.as_str()), (Action::Retest, reason));
    }
}

#[test]
fn what_waits_for_its_test_is_counted_and_is_no_step() {
    let desired = small(&["anna", "ben"]);
    for state in [
        OperationState::Testing,
        OperationState::AwaitingTest(Awaiting::Test),
        OperationState::AwaitingTest(Awaiting::NoIdentity),
    ] {
        let mut stored = settled(&desired);
        for mailbox in stored.mailboxes.values_mut() {
            mailbox.operations.get_mut(&Operation::Incoming).unwrap().state = state.clone();
        }
        let waiting = plan::plan(&desired, &stored, &policy());
        assert_eq!(*waiting.steps, []);
        assert_eq!(noted(&waiting), ["2 operations of 2 mailboxes wait for a test"], "{state:?}");
        // Something else of a mailbox changes: its test goes on waiting.
        let mut renamed = desired.clone();
        renamed.mailboxes.get_mut(&name("anna")).unwrap().value.display_name = Some("Anna".to_owned());
        let plan = plan::plan(&renamed, &stored, &policy());
        assert_eq!(plan.steps[0].consequences, [Consequence::NoEffectOnTraffic]);
        assert_eq!(noted(&plan), ["2 operations of 2 mailboxes wait for a test"]);
        let after = plan::model::apply(&plan, &stored);
        assert_eq!(noted(&plan::plan(&renamed, &after, &policy())), noted(&plan));
        // What is tested for another reason is that reason's step.
        let plan = plan::plan(&moved(desired.clone(), "new.example"), &stored, &policy());
        assert!(noted(&plan).is_empty(), "{:?}", plan.notes);
    }
}

/// What a plan says of the tests that wait, without who runs them.
fn noted(plan: &Plan) -> Vec<String> {
    let about_tests = plan.notes.iter().filter(|note| note.subject == "tests");
    about_tests.map(|note| note.message.split("; ").next().unwrap().to_owned()).collect()
}

#[test]
fn what_was_created_and_not_tested_yet_needs_no_further_step() {
    let desired = small(&["anna"]);
    let empty = Stored::empty();
    let untested = plan::model::apply(&plan::plan(&desired, &empty, &policy()), &empty);
    let plan = plan::plan(&desired, &untested, &policy());
    assert_eq!(
        (plan.steps.len(), noted(&plan)),
        (0, vec!["2 operations of 1 mailbox wait for a test".to_owned()])
    );
}

#[test]
fn an_inactive_profile_stops_its_mailboxes() {
    let before = small(&["anna"]);
    let after = with_profile(before.clone(), |p| p.active = false);
    let plan = plan::plan(&after, &settled(&before), &policy());
    let stops = [Consequence::StopsTraffic([Operation::Incoming, Operation::Outgoing].into())];
    assert_eq!(plan.steps[0].consequences, stops);
    let (step, _) = put(&plan, "anna");
    assert_eq!(
        (&step.consequences[..], step.reason.as_str()),
        (&stops[..], "profile `provider-pop` is inactive")
    );
}

#[test]
fn a_rename_is_one_step_and_tests_nothing_by_itself() {
    let before = small(&["anna"]);
    let mut mailbox = before.mailboxes[&name("anna")].value.clone();
    mailbox.name = name("hanna");
    mailbox.lifecycle.previous_names = vec![name("gone"), name("anna")];
    let after =
        desired(organization(), [(secret("shared"), sealed("one"))], [pop("provider-pop")], [mailbox]);
    let plan = plan::plan(&after, &settled(&before), &policy());
    assert_eq!(plan.steps.len(), 1);
    let (step, put) = put(&plan, "hanna");
    assert_eq!((step.action, step.reason.as_str()), (Action::Rename, "renamed from `anna`"));
    assert_eq!(put.renamed_from, Some(name("anna")));
    assert_eq!(step.consequences, [Consequence::NoEffectOnTraffic]);
    let fields: Vec<&str> = step.changes.iter().map(|change| &*change.field).collect();
    assert_eq!(fields, ["lifecycle.previousNames", "name"]);
}

#[test]
fn two_mailboxes_do_not_share_a_previous_name() {
    let before = small(&["anna"]);
    let after = with(small(&["ben", "carl"]), |m| m.lifecycle.previous_names = vec![name("anna")]);
    let plan = plan::plan(&after, &settled(&before), &policy());
    let actions: Vec<Action> = plan.steps.iter().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Rename, Action::Create]);
    assert_eq!(plan.notes[0].message, "its previous name `anna` already goes on as `ben`");
}

#[test]
fn a_mailbox_stored_under_both_names_keeps_the_new_one_and_says_so() {
    let before = small(&["anna", "hanna"]);
    let after = with(small(&["hanna"]), |m| m.lifecycle.previous_names = vec![name("anna")]);
    let plan = plan::plan(&after, &settled(&before), &policy());
    let actions: Vec<Action> = plan.steps.iter().map(|step| step.action).collect();
    assert_eq!(actions, [Action::Update, Action::Delete]);
    assert_eq!(
        plan.notes[0].message,
        "it is stored under this name and under its previous name `anna`, which is deleted"
    );
}

#[test]
fn a_new_address_needs_a_new_approval() {
    let before = small(&["anna"]);
    let after = with(before.clone(), |m| m.address = address("new@contoso.example"));
    let plan = plan::plan(&after, &settled(&before), &policy());
    let stops = Consequence::StopsTraffic([Operation::Incoming, Operation::Outgoing].into());
    assert_eq!(plan.steps[0].consequences, [stops, Consequence::NeedsReapproval]);
}

#[test]
fn mail_is_replayed_only_where_a_mailboxs_own_date_moves_back() {
    let before = small(&["anna"]);
    let mut stored = settled(&before);
    stored.mailboxes.get_mut(&name("anna")).unwrap().process_from = Some(time(1000));
    for (own, replay_from) in [(Some(500), Some(500)), (Some(1000), None), (Some(2000), None), (None, None)] {
        let after = with(before.clone(), |m| {
            m.process_from = own.map(time);
            m.display_name = Some("Anna".to_owned());
        });
        let plan = plan::plan(&after, &stored, &policy());
        assert_eq!(put(&plan, "anna").1.replay_from, replay_from.map(time), "{own:?}");
    }
    let of_profile = with_profile(before, |p| p.processing.from = Some(time(1)));
    assert_eq!(plan::plan(&of_profile, &stored, &policy()).steps.len(), 1, "the profile only");
}

#[test]
fn who_hands_an_address_over_does_not_work_on_with_it() {
    let before = small(&["anna", "ben"]);
    let stored = settled(&before);
    let mut after = before.clone();
    let address_of = |name: &str| before.mailboxes[&self::name(name)].value.address.clone();
    let (anna, ben) = (address_of("anna"), address_of("ben"));
    after.mailboxes.get_mut(&name("anna")).unwrap().value.address = ben;
    after.mailboxes.get_mut(&name("ben")).unwrap().value.address = anna;
    let plan = plan::plan(&after, &stored, &policy());
    for mailbox in ["anna", "ben"] {
        let (step, put) = put(&plan, mailbox);
        assert!(put.hands_over);
        let stops = |one: &Consequence| matches!(one, Consequence::StopsTraffic(_));
        let keeps = |one: &Consequence| matches!(one, Consequence::KeepsWorking(_));
        assert!(step.consequences.iter().any(stops) && !step.consequences.iter().any(keeps), "{step:?}");
    }
}

#[test]
fn what_loses_mail_is_said() {
    let before = small(&["anna"]);
    let mut stored = settled(&before);
    stored.mailboxes.get_mut(&name("anna")).unwrap().process_from = Some(time(1000));
    let said = |edit: fn(&mut Mailbox)| {
        let plan = plan::plan(&with(before.clone(), edit), &stored, &policy());
        plan.steps[0].consequences.clone()
    };
    assert_eq!(said(|m| m.accept = Accept::None), [Consequence::RecordsNothing]);
    assert_eq!(said(|m| m.delete_after_processing = true), [Consequence::RemovesMail]);
    let left_out = Consequence::LeavesOutMail { before: time(2000) };
    assert_eq!(said(|m| m.process_from = Some(time(2000))), [left_out]);
    assert_eq!(said(|m| m.display_name = Some("Anna".to_owned())), [Consequence::NoEffectOnTraffic]);
}

#[test]
fn mail_is_replayed_from_the_date_that_held_and_not_from_the_one_that_was_copied() {
    let before = with(small(&["anna"]), |m| m.process_from = Some(time(9000)));
    let mut stored = settled(&before);
    stored.mailboxes.get_mut(&name("anna")).unwrap().process_from = Some(time(1000));
    for (own, replay_from) in [(Some(5000), Some(5000)), (None, Some(1000)), (Some(9500), None)] {
        let after = with(before.clone(), |m| m.process_from = own.map(time));
        let plan = plan::plan(&after, &stored, &policy());
        assert_eq!(put(&plan, "anna").1.replay_from, replay_from.map(time), "{own:?}");
    }
}

#[test]
fn a_mailbox_takes_over_the_date_of_its_new_profile_and_keeps_its_own_where_there_is_none() {
    let mut before = small(&["anna"]);
    let other = pop("other");
    let declared = mailplumb::model::desired::Declared {
        value: other,
        origin: before.profiles[&name("provider-pop")].origin.clone(),
    };
    before.profiles.insert(name("other"), declared);
    let mut stored = settled(&before);
    stored.mailboxes.get_mut(&name("anna")).unwrap().process_from = Some(time(1000));
    for (of_other, replay_from) in [(None, None), (Some(500), Some(500)), (Some(2000), Some(2000))] {
        let mut after = with(before.clone(), |m| m.profile = Some(name("other")));
        after.profiles.get_mut(&name("other")).unwrap().value.processing.from = of_other.map(time);
        let plan = plan::plan(&after, &stored, &policy());
        let (step, put) = put(&plan, "anna");
        assert_eq!(put.replay_from, replay_from.map(time), "{of_other:?}");
        let is_replay = |it: &Consequence| matches!(it, Consequence::ReplaysMail { .. });
        assert_eq!(step.consequences.iter().any(is_replay), of_other == Some(500), "{of_other:?}");
    }
}

fn moved(desired: Desired, host: &str) -> Desired {
    with_profile(desired, |p| servers(p).incoming.host = host.to_owned())
}

/// The change is applied, and its test of incoming mail stands like this.
fn changed(before: &Desired, after: &Desired, pending: Pending) -> Stored {
    let stored = settled(before);
    let mut stored = plan::model::apply(&plan::plan(after, &stored, &policy()), &stored);
    for mailbox in stored.mailboxes.values_mut() {
        mailbox.operations.get_mut(&Operation::Incoming).unwrap().pending = Some(pending.clone());
    }
    stored
}

fn failed_change() -> Pending {
    let OperationState::Disabled(failure) = failed() else { panic!("see `failed`") };
    Pending::Failed { failure, attempts: 3, at: time(7) }
}

fn waits(awaiting: Awaiting) -> Pending {
    Pending::Waiting { awaiting, since: time(7) }
}

#[test]
fn what_works_goes_on_until_its_change_has_passed_a_test() {
    let before = small(&["anna"]);
    let after = moved(before.clone(), "new.example");
    let stored = settled(&before);
    let applied = plan::model::apply(&plan::plan(&after, &stored, &policy()), &stored);
    let incoming = &applied.mailboxes[&name("anna")].operations[&Operation::Incoming];
    assert_eq!(incoming.state, OperationState::Enabled);
    assert!(matches!(incoming.pending, Some(Pending::Waiting { awaiting: Awaiting::Test, .. })));
    let passed = plan::model::apply_and_pass(&plan::plan(&after, &stored, &policy()), &stored);
    assert!(plan::plan(&after, &passed, &policy()).is_empty());
}

#[test]
fn a_change_that_waits_for_its_test_is_no_step() {
    let before = small(&["anna"]);
    let after = moved(before.clone(), "new.example");
    for awaiting in [Awaiting::Test, Awaiting::NoIdentity] {
        let plan = plan::plan(&after, &changed(&before, &after, waits(awaiting)), &policy());
        assert_eq!((plan.steps.len(), noted(&plan).len()), (0, 1), "{:?}", plan.steps);
    }
}

#[test]
fn a_change_whose_test_failed_is_a_test_that_says_why() {
    let before = small(&["anna"]);
    let after = moved(before.clone(), "new.example");
    let plan = plan::plan(&after, &changed(&before, &after, failed_change()), &policy());
    assert_eq!(plan.steps.len(), 1);
    let (step, put) = put(&plan, "anna");
    let reason = "its change failed its test 3 times, last at authenticate: the server refused the login: no";
    assert_eq!((step.action, step.reason.as_str()), (Action::Retest, reason));
    assert_eq!(put.operations[&Operation::Incoming].readiness, Readiness::StillPending);
    let keeps = Consequence::KeepsWorking([Operation::Incoming].into());
    assert!(step.consequences.contains(&keeps), "{:?}", step.consequences);
}

#[test]
fn another_change_takes_the_place_of_the_one_that_waits() {
    let before = small(&["anna"]);
    let stored = changed(&before, &moved(before.clone(), "new.example"), failed_change());
    let third = moved(before, "third.example");
    let plan = plan::plan(&third, &stored, &policy());
    let (step, put) = put(&plan, "anna");
    assert_eq!(step.reason, "profile `provider-pop` changed");
    assert_eq!(put.operations[&Operation::Incoming].readiness, Readiness::NeedsTest);
    let after = plan::model::apply(&plan, &stored);
    let incoming = &after.mailboxes[&name("anna")].operations[&Operation::Incoming];
    assert!(matches!(incoming.pending, Some(Pending::Waiting { awaiting: Awaiting::Test, .. })));
    assert_eq!(
        incoming.proved,
        settled(&small(&["anna"])).mailboxes[&name("anna")].operations[&Operation::Incoming].proved
    );
}

#[test]
fn changing_back_to_what_works_tests_nothing() {
    let before = small(&["anna"]);
    for pending in [failed_change(), waits(Awaiting::Test), waits(Awaiting::NoConnector)] {
        let stored = changed(&before, &moved(before.clone(), "new.example"), pending);
        let plan = plan::plan(&before, &stored, &policy());
        let (step, put) = put(&plan, "anna");
        assert_eq!(step.reason, "it is again what works; the change that waited is dropped");
        assert_eq!(step.consequences, [Consequence::NoEffectOnTraffic]);
        assert_eq!(put.operations[&Operation::Incoming].readiness, Readiness::Proved);
        let after = plan::model::apply(&plan, &stored);
        assert!(plan::plan(&before, &after, &policy()).is_empty());
    }
}

#[test]
fn what_works_goes_on_when_its_change_leads_to_a_server_without_connector() {
    let before = small(&["anna"]);
    let after = with_profile(before.clone(), |p| {
        let Server::Pop3Smtp(servers) = p.server.clone() else { panic!("see `pop`") };
        p.server = Server::ImapSmtp(servers);
    });
    let mut narrow = policy();
    narrow.connectors = [ServerKind::Pop3Smtp].into();
    let stored = settled(&before);
    let first = plan::plan(&after, &stored, &narrow);
    let keeps = Consequence::KeepsWorking([Operation::Incoming, Operation::Outgoing].into());
    assert!(put(&first, "anna").0.consequences.contains(&keeps));
    let stored = plan::model::apply(&first, &stored);
    assert_eq!(
        stored.mailboxes[&name("anna")].operations[&Operation::Incoming].state,
        OperationState::Enabled
    );
    assert!(plan::plan(&after, &stored, &narrow).is_empty());
    let with_connector = plan::plan(&after, &stored, &policy());
    assert_eq!(put(&with_connector, "anna").0.reason, "this version can speak to imapSmtp");
}

#[test]
fn turning_off_acts_at_once_on_a_change_that_waits() {
    let before = small(&["anna"]);
    let after = moved(before.clone(), "new.example");
    let stored = changed(&before, &after, failed_change());
    let off = with(after, |m| m.active = false);
    let stored = plan::model::apply(&plan::plan(&off, &stored, &policy()), &stored);
    let incoming = &stored.mailboxes[&name("anna")].operations[&Operation::Incoming];
    assert_eq!(incoming.standing(), OperationState::Off(OffReason::MailboxInactive).into());
}
