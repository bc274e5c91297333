//! Declared things, plans and messages for the tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use mailplumb::model::cursor::{CursorAdvance, Mark, RemoteId};
use mailplumb::model::desired::ManifestDigest;
use mailplumb::model::failure::{FailureSummary, Nature, Scope, TestStep};
use mailplumb::model::lease::{Holder, Lease, LeaseScope};
use mailplumb::model::mailbox::{
    Accept, ActMethod, IncomingMethod, Lifecycle, Mailbox, MailboxKind, OutgoingMethod,
};
use mailplumb::model::name::{Address, Name};
use mailplumb::model::operation::{
    Awaiting, ConnectionDigest, OffReason, Operation, OperationState, Readiness,
};
use mailplumb::model::organization::Organization;
use mailplumb::model::outbox::{AttemptOutcome, NewOutgoing, OutgoingState, Recipient};
use mailplumb::model::plan::{Action, Effect, OperationPlan, Plan, PutMailbox, Step, Target};
use mailplumb::model::profile::{
    Authentication, Credentials, Endpoint, MailServers, Processing, Profile, Server, TlsMode,
};
use mailplumb::model::record::{ContentHash, IncomingBatch, MessageFacts, NewRecord, Octets};
use mailplumb::model::revision::Revision;
use mailplumb::model::secret::{Sealed, SealedValue, SecretRef};
use mailplumb::model::selection::Selection;
use mailplumb::store::{Openings, RevisionCommit, Store, StoreError};

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + second).unwrap()
}

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A holder on a host that is not this one, so that only time ends its leases.
pub fn holder(nonce: &str) -> Holder {
    Holder {
        purpose: "test".to_owned(),
        host: "elsewhere.example".to_owned(),
        pid: 7,
        process_started: 1,
        nonce: nonce.to_owned(),
    }
}

pub async fn lease_state(store: &dyn Store) -> Lease {
    store.acquire(&LeaseScope::State, &holder("one"), at(0)).await.unwrap()
}

pub async fn lease_mailbox(store: &dyn Store, mailbox: &str) -> Lease {
    store.acquire(&LeaseScope::Mailbox(name(mailbox)), &holder("one"), at(0)).await.unwrap()
}

pub fn organization() -> Organization {
    Organization {
        name: name("contoso"),
        display_name: None,
        defaults: Default::default(),
        approval: Default::default(),
        tracking: Default::default(),
        alerts: Default::default(),
        retry: Default::default(),
        guards: Default::default(),
        recipients: BTreeMap::new(),
    }
}

pub fn secret_ref() -> SecretRef {
    SecretRef { secret: name("provider"), key: "support".to_owned() }
}

pub fn sealed(text: &str) -> SealedValue {
    SealedValue { sealed: Sealed::Age(text.to_owned()), sealed_to: vec!["ops".to_owned()], expires: None }
}

pub fn profile() -> Profile {
    let endpoint = Endpoint {
        host: "mail.contoso.example".to_owned(),
        port: None,
        tls: TlsMode::Implicit,
        authentication: Authentication::Auto,
        credentials: Credentials::Profile {
            username: "support".to_owned(),
            password: secret_ref(),
            access: None,
        },
        timeout_seconds: None,
    };
    Profile {
        name: name("provider"),
        labels: BTreeMap::new(),
        display_name: Some("The provider".to_owned()),
        description: None,
        owner: address("ops@contoso.example"),
        active: true,
        server: Server::ImapSmtp(MailServers {
            trust: None,
            incoming: endpoint.clone(),
            outgoing: Some(endpoint),
        }),
        processing: Processing::default(),
        mass_failure_alert: true,
    }
}

pub fn mailbox(text: &str) -> Mailbox {
    Mailbox {
        name: name(text),
        labels: BTreeMap::new(),
        kind: MailboxKind::Queue,
        address: address(&format!("{text}@contoso.example")),
        display_name: None,
        owner: None,
        active: true,
        approved: None,
        profile: Some(name("provider")),
        incoming: IncomingMethod::ServerSideSync,
        forward_to: None,
        outgoing: OutgoingMethod::ServerSideSync,
        appointments_contacts_tasks: ActMethod::None,
        accept: Accept::All,
        delete_after_processing: true,
        process_from: None,
        credentials: None,
        tracked_folders: Vec::new(),
        claim_take_over_from: None,
        lifecycle: Lifecycle::default(),
    }
}

/// `connection` stands for all that a test proves.
pub fn put(text: &str, connection: &str) -> PutMailbox {
    let wanted = || OperationPlan {
        readiness: Readiness::NeedsTest,
        connection: Some(ConnectionDigest(connection.to_owned())),
    };
    let off = OperationPlan { readiness: Readiness::Off(OffReason::MethodNone), connection: None };
    PutMailbox {
        mailbox: mailbox(text),
        renamed_from: None,
        operations: BTreeMap::from([
            (Operation::Incoming, wanted()),
            (Operation::Outgoing, wanted()),
            (Operation::Act, off),
        ]),
        replay_from: None,
        hands_over: false,
    }
}

pub fn renamed(from: &str, to: &str) -> Effect {
    Effect::PutMailbox(Box::new(PutMailbox { renamed_from: Some(name(from)), ..put(to, "c1") }))
}

pub fn step(effect: Effect) -> Step {
    let (action, target) = match &effect {
        Effect::PutOrganization(_) => (Action::Update, Target::Organization),
        Effect::PutSecret { secret, .. } => (Action::Create, Target::Secret(secret.clone())),
        Effect::DeleteSecret(secret) => (Action::Delete, Target::Secret(secret.clone())),
        Effect::PutProfile(profile) => (Action::Create, Target::Profile(profile.name.clone())),
        Effect::DeleteProfile(name) => (Action::Delete, Target::Profile(name.clone())),
        Effect::PutMailbox(put) if put.renamed_from.is_some() => {
            (Action::Rename, Target::Mailbox(put.mailbox.name.clone()))
        }
        Effect::PutMailbox(put) => (Action::Create, Target::Mailbox(put.mailbox.name.clone())),
        Effect::DeleteMailbox(name) => (Action::Delete, Target::Mailbox(name.clone())),
    };
    Step {
        action,
        target,
        changes: Vec::new(),
        consequences: Vec::new(),
        reason: "because".to_owned(),
        origin: None,
        effect,
    }
}

pub async fn plan(store: &dyn Store, effects: Vec<Effect>) -> Plan {
    let stored = store.stored().await.unwrap();
    Plan {
        format_version: Plan::FORMAT_VERSION,
        store: stored.store,
        revision: stored.revision,
        decisions: stored.decisions,
        manifest: ManifestDigest(format!("digest-{}", stored.revision.0 + 1)),
        selection: Selection::default(),
        overridden: Vec::new(),
        steps: Arc::new(effects.into_iter().map(step).collect()),
        blocked: Vec::new(),
        notes: Vec::new(),
    }
}

/// The commit for a plan: every wanted operation awaits its test.
pub fn commit_of(plan: &Plan, second: i64) -> RevisionCommit<'_> {
    let mut states = Vec::new();
    for step in plan.steps.iter() {
        if let Effect::PutMailbox(put) = &step.effect {
            let state = |planned: &OperationPlan| match planned.connection {
                Some(_) => OperationState::AwaitingTest(Awaiting::Test),
                None => OperationState::Off(OffReason::MethodNone),
            };
            let after = put
                .operations
                .iter()
                .map(|(operation, planned)| (*operation, Arc::new(state(planned).into())));
            states.push((put.mailbox.name.clone(), after.collect()));
        }
    }
    let fingerprint = Some(mailplumb::plan::fingerprint(plan));
    RevisionCommit {
        plan,
        fingerprint,
        secrets: vec![(secret_ref(), sealed("ciphertext"))],
        openings: Openings::default(),
        states,
        kept: Vec::new(),
        at: at(second),
    }
}

pub async fn apply(store: &dyn Store, effects: Vec<Effect>) -> Result<Revision, StoreError> {
    let plan = plan(store, effects).await;
    let lease = lease_state(store).await;
    store.commit_revision(&lease, commit_of(&plan, 1)).await
}

/// A store with a profile, its secret and the given mailboxes.
pub async fn set_up(store: &dyn Store, mailboxes: &[&str]) {
    let mut effects = vec![
        Effect::PutOrganization(Box::new(organization())),
        Effect::PutSecret { secret: secret_ref(), digest: sealed("ciphertext").digest(), proof: None },
        Effect::PutProfile(Box::new(profile())),
    ];
    effects.extend(mailboxes.iter().map(|text| Effect::PutMailbox(Box::new(put(text, "c1")))));
    apply(store, effects).await.unwrap();
}

pub fn record(uid: u32, text: &str) -> NewRecord {
    let raw = Bytes::from(format!("Subject: {text}\r\n\r\n{text}\r\n"));
    NewRecord {
        remote: RemoteId::Uid { validity: 1, uid },
        content: ContentHash::of(&raw),
        raw: Octets::Held(raw),
        received_at: Some(at(-10)),
        facts: MessageFacts { subject: Some(text.to_owned()), ..MessageFacts::default() },
        quarantine: None,
        delete_after: false,
        settles: None,
    }
}

pub fn batch(mailbox: &str, uid_last: u32, records: Vec<NewRecord>) -> IncomingBatch {
    let advance = CursorAdvance::Imap { validity: 1, uid_last, mark: Mark::default() };
    IncomingBatch {
        mailbox: name(mailbox),
        records: records.into(),
        remove: Vec::new(),
        set_aside: Vec::new(),
        owed: Vec::new(),
        answered: Vec::new(),
        advance,
        at: at(5),
    }
}

pub fn outgoing(mailbox: &str, key: Option<&str>) -> NewOutgoing {
    NewOutgoing {
        mailbox: name(mailbox),
        recipients: vec![address("a@fabrikam.example"), address("b@fabrikam.example")],
        raw: Bytes::from_static(b"Subject: hello\r\n\r\nhello\r\n"),
        message_id: "m1@contoso.example".to_owned(),
        subject: Some("hello".to_owned()),
        idempotency_key: key.map(str::to_owned),
        at: at(10),
    }
}

pub fn recipient(text: &str, state: OutgoingState) -> Recipient {
    Recipient { address: address(text), state, said: Some("as it said".to_owned()) }
}

pub fn failure() -> FailureSummary {
    FailureSummary {
        code: "refused".to_owned(),
        step: TestStep::Send,
        nature: Nature::Permanent,
        scope: Scope::Message,
        cause: "the server refused".to_owned(),
        remedy: "ask".to_owned(),
    }
}

pub const A: &str = "a@fabrikam.example";
pub const B: &str = "b@fabrikam.example";

pub fn outcome(id: u64, state: OutgoingState, of_a: OutgoingState, of_b: OutgoingState) -> AttemptOutcome {
    AttemptOutcome {
        id,
        state,
        recipients: vec![recipient(A, of_a), recipient(B, of_b)],
        attempts: 1,
        next_attempt_at: at(300),
        failure: Some(failure()),
        at: at(20),
    }
}

pub fn put_effect(text: &str, connection: &str) -> Effect {
    Effect::PutMailbox(Box::new(put(text, connection)))
}
