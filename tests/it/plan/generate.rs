//! Estates: small manifests and stores, built by hand or generated, and edits between them.
#![expect(clippy::unwrap_used, reason = "fixed texts of the tests themselves")]

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use jiff::Timestamp;
use mailplumb::model::desired::{Declared, Desired, ManifestDigest};
use mailplumb::model::failure::{FailureSummary, Nature, Scope, TestStep};
use mailplumb::model::mailbox::{
    Accept, ActMethod, IncomingMethod, Lifecycle, Mailbox, MailboxCredentials, MailboxKind, OutgoingMethod,
};
use mailplumb::model::name::{Address, Name};
use mailplumb::model::operation::{Awaiting, ConnectionDigest, OffReason, OperationState};
use mailplumb::model::organization::{
    AlertSettings, Approval, ApprovalSource, Defaults, GuardAction, Guards, Organization, Requirement, Retry,
    Tracking,
};
use mailplumb::model::pending::Pending;
use mailplumb::model::plan::{Guard, Policy};
use mailplumb::model::problem::Origin;
use mailplumb::model::profile::{
    Access, AppProof, Authentication, Cloud, Credentials, Endpoint, Exchange, ExchangeLocation,
    ExchangeLogin, ExchangeOnline, MailServers, Processing, Profile, Server, ServerKind, TlsMode, Transport,
};
use mailplumb::model::secret::{Comparison, Sealed, SealedValue, SecretRef, Verdict};
use mailplumb::model::selection::Selection;
use mailplumb::model::stored::Stored;
use mailplumb::plan;
use proptest::collection::{btree_map, btree_set};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

pub fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub fn time(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

pub fn secret(key: &str) -> SecretRef {
    SecretRef { secret: name("provider"), key: key.to_owned() }
}

pub fn declared<T>(value: T, line: u32) -> Declared<T> {
    Declared { value, origin: Origin { file: "estate.yaml".into(), line, column: 1, start: 0, end: 0 } }
}

pub fn organization() -> Organization {
    Organization {
        name: name("contoso"),
        display_name: None,
        defaults: Defaults::default(),
        approval: Approval::default(),
        tracking: Tracking::default(),
        alerts: AlertSettings::default(),
        retry: Retry::default(),
        guards: Guards::default(),
        recipients: BTreeMap::new(),
    }
}

pub fn endpoint(host: &str) -> Endpoint {
    Endpoint {
        host: host.to_owned(),
        port: None,
        tls: TlsMode::Implicit,
        authentication: Authentication::Auto,
        credentials: Credentials::Mailbox,
        timeout_seconds: None,
    }
}

pub fn profile(profile_name: &str, server: Server) -> Profile {
    Profile {
        name: name(profile_name),
        labels: BTreeMap::new(),
        display_name: None,
        description: None,
        owner: address("team@contoso.example"),
        active: true,
        server,
        processing: Processing::default(),
        mass_failure_alert: true,
    }
}

pub fn pop(profile_name: &str) -> Profile {
    let outgoing = Endpoint { tls: TlsMode::Starttls, ..endpoint("smtp.provider.example") };
    let servers =
        MailServers { trust: None, incoming: endpoint("pop.provider.example"), outgoing: Some(outgoing) };
    profile(profile_name, Server::Pop3Smtp(servers))
}

pub fn mailbox(mailbox_name: &str, profile: Option<&str>) -> Mailbox {
    let own = format!("{mailbox_name}@contoso.example");
    Mailbox {
        name: name(mailbox_name),
        labels: BTreeMap::new(),
        kind: MailboxKind::User,
        address: address(&own),
        display_name: None,
        owner: None,
        active: true,
        approved: Some(address(&own)),
        profile: profile.map(name),
        incoming: IncomingMethod::ServerSideSync,
        forward_to: None,
        outgoing: OutgoingMethod::ServerSideSync,
        appointments_contacts_tasks: ActMethod::None,
        accept: Accept::All,
        delete_after_processing: false,
        process_from: None,
        credentials: Some(MailboxCredentials { username: own, password: secret("shared") }),
        tracked_folders: Vec::new(),
        claim_take_over_from: None,
        lifecycle: Lifecycle::default(),
    }
}

pub fn sealed(text: &str) -> SealedValue {
    SealedValue { sealed: Sealed::Age(text.to_owned()), sealed_to: Vec::new(), expires: None }
}

/// A manifest. The lines are given out in the order organization, secrets, profiles, mailboxes.
pub fn desired(
    organization: Organization,
    secrets: impl IntoIterator<Item = (SecretRef, SealedValue)>,
    profiles: impl IntoIterator<Item = Profile>,
    mailboxes: impl IntoIterator<Item = Mailbox>,
) -> Desired {
    let mut lines = 1..;
    let mut line = || lines.next().unwrap();
    Desired {
        organization: declared(organization, line()),
        secrets: secrets.into_iter().map(|(name, value)| (name, declared(value, line()))).collect(),
        profiles: profiles.into_iter().map(|p| (p.name.clone(), declared(p, line()))).collect(),
        mailboxes: mailboxes.into_iter().map(|m| (m.name.clone(), declared(m, line()))).collect(),
        bundles: BTreeMap::new(),
        notes: Vec::new(),
        digest: ManifestDigest("00".to_owned()),
    }
}

/// One profile and these mailboxes of it.
pub fn small(names: &[&str]) -> Desired {
    let mailboxes = names.iter().map(|n| mailbox(n, Some("provider-pop")));
    desired(organization(), [(secret("shared"), sealed("one"))], [pop("provider-pop")], mailboxes)
}

pub fn policy() -> Policy {
    Policy {
        connectors: [ServerKind::Pop3Smtp, ServerKind::ImapSmtp].into(),
        overrides: BTreeMap::new(),
        selection: Selection::default(),
        compared: BTreeMap::new(),
        as_of: None,
    }
}

/// The store after this manifest was applied and every test passed.
pub fn settled(desired: &Desired) -> Stored {
    let empty = Stored::empty();
    plan::model::apply_and_pass(&plan::plan(desired, &empty, &policy()), &empty)
}

pub fn failed() -> OperationState {
    OperationState::Disabled(FailureSummary {
        code: "login-refused".to_owned(),
        step: TestStep::Authenticate,
        nature: Nature::Permanent,
        scope: Scope::Mailbox,
        cause: "the server refused the login: no".to_owned(),
        remedy: "check the password".to_owned(),
    })
}

// --- generated ---

fn names(prefix: &'static str) -> impl Strategy<Value = Name> {
    (0..6_u8).prop_map(move |n| name(&format!("{prefix}{n}")))
}

fn secrets() -> impl Strategy<Value = SecretRef> {
    select(vec!["k0", "k1", "k2"]).prop_map(secret)
}

fn text() -> impl Strategy<Value = Option<String>> {
    option::of(select(vec!["one", "two\nlines", "", "`\u{1b}[2J"]).prop_map(str::to_owned))
}

fn credentials() -> impl Strategy<Value = Credentials> {
    prop_oneof![
        3 => Just(Credentials::Mailbox),
        2 => secrets().prop_map(|password| Credentials::Profile {
            username: "svc".to_owned(), password, access: None,
        }),
        1 => Just(Credentials::Anonymous),
        1 => option::of(select(vec![Access::Impersonation, Access::Delegation]))
            .prop_map(|access| Credentials::WindowsIntegrated { access }),
        1 => secrets().prop_map(|client_secret| Credentials::Oauth2 {
            token_url: "https://login.example/token".to_owned(), client_id: "id".to_owned(), client_secret,
            scope: "mail".to_owned(), trust: None,
        }),
    ]
}

fn endpoints() -> impl Strategy<Value = Endpoint> {
    let hosts = select(vec!["a.example", "b.example", "A.example"]);
    let ports = option::of(select(vec![995_u16, 993, 4711]));
    let tls = select(vec![TlsMode::Implicit, TlsMode::Starttls, TlsMode::None]);
    let authentication = select(vec![Authentication::Auto, Authentication::ScramSha256]);
    (hosts, ports, tls, authentication, credentials(), option::of(1..3_u32)).prop_map(
        |(host, port, tls, authentication, credentials, timeout_seconds)| Endpoint {
            host: host.to_owned(),
            port: port.and_then(NonZeroU16::new),
            tls,
            authentication,
            credentials,
            timeout_seconds,
        },
    )
}

fn mail_servers() -> impl Strategy<Value = MailServers> {
    let trust = option::of(Just(name("ca")));
    (trust, endpoints(), option::of(endpoints())).prop_map(|(trust, incoming, outgoing)| MailServers {
        trust,
        incoming,
        outgoing,
    })
}

fn exchange() -> impl Strategy<Value = Exchange> {
    let fixed = ExchangeLocation::Fixed {
        incoming: "https://mail.example/EWS".to_owned(),
        outgoing: "https://mail2.example/EWS".to_owned(),
    };
    let anywhere = ExchangeLocation::Autodiscover { allowed_hosts: Vec::new() };
    let some = ExchangeLocation::Autodiscover { allowed_hosts: vec!["auto.example".to_owned()] };
    let login = || {
        credentials()
            .prop_map(|credentials| ExchangeLogin { authentication: Authentication::Negotiate, credentials })
    };
    let tracking = (any::<bool>(), select(vec![None, Some("Tracked".to_owned())]), any::<bool>());
    (select(vec![fixed, anywhere, some]), login(), login(), tracking).prop_map(
        |(location, incoming, outgoing, (undeliverable_folder, tracked_category, track_sent_items))| {
            Exchange {
                trust: None,
                location,
                incoming,
                outgoing,
                undeliverable_folder,
                tracked_category,
                track_sent_items,
                timeout_seconds: None,
            }
        },
    )
}

fn exchange_online() -> impl Strategy<Value = ExchangeOnline> {
    let proof = prop_oneof![
        secrets().prop_map(AppProof::ClientSecret),
        secrets().prop_map(|private_key| AppProof::Certificate {
            chain_file: "app.crt".to_owned(),
            thumbprint: "5e".repeat(32),
            public_key: String::new(),
            expires: None,
            private_key,
        }),
    ];
    let clouds = select(vec![Cloud::Global, Cloud::UsGovernment, Cloud::UsGovernmentDod, Cloud::China]);
    (clouds, select(vec![Transport::Graph, Transport::Ews]), proof).prop_map(|(cloud, transport, proof)| {
        ExchangeOnline {
            tenant: "tenant".to_owned(),
            cloud,
            transport,
            client_id: "client".to_owned(),
            proof,
            undeliverable_folder: true,
            tracked_category: None,
            track_sent_items: true,
            timeout_seconds: None,
        }
    })
}

fn profiles() -> impl Strategy<Value = Profile> {
    let server = prop_oneof![
        3 => mail_servers().prop_map(Server::Pop3Smtp),
        3 => mail_servers().prop_map(Server::ImapSmtp),
        1 => exchange().prop_map(Server::Exchange),
        1 => exchange_online().prop_map(Server::ExchangeOnline),
    ];
    (server, text(), text(), prop::bool::weighted(0.8)).prop_map(
        |(server, display_name, description, active)| Profile {
            display_name,
            description,
            active,
            ..profile("unnamed", server)
        },
    )
}

fn methods() -> impl Strategy<Value = (IncomingMethod, OutgoingMethod, ActMethod)> {
    (
        select(vec![
            IncomingMethod::ServerSideSync,
            IncomingMethod::ServerSideSync,
            IncomingMethod::None,
            IncomingMethod::ForwardMailbox,
        ]),
        select(vec![OutgoingMethod::ServerSideSync, OutgoingMethod::ServerSideSync, OutgoingMethod::None]),
        select(vec![ActMethod::None, ActMethod::ServerSideSync]),
    )
}

fn lifecycles() -> impl Strategy<Value = Lifecycle> {
    (prop::bool::weighted(0.2), btree_set(names("m"), 0..3)).prop_map(|(prevent_destroy, previous)| {
        Lifecycle { prevent_destroy, previous_names: previous.into_iter().collect() }
    })
}

fn mailboxes() -> impl Strategy<Value = Mailbox> {
    let kinds = select(vec![MailboxKind::User, MailboxKind::Queue, MailboxKind::Forward]);
    let addresses = select(vec!["a@x.example", "b@x.example", "A@x.example"]).prop_map(address);
    let approved = option::weighted(0.8, select(vec!["a@x.example", "b@x.example"]).prop_map(address));
    let own = option::of(
        secrets().prop_map(|password| MailboxCredentials { username: "user".to_owned(), password }),
    );
    let details = (
        text(),
        prop::bool::weighted(0.9),
        option::of((0..3_i64).prop_map(time)),
        option::weighted(0.1, Just("them".to_owned())),
        lifecycles(),
    );
    (kinds, addresses, approved, option::weighted(0.9, names("p")), methods(), own, details).prop_map(
        |(kind, address, approved, profile, (incoming, outgoing, act), credentials, details)| {
            let (display_name, active, process_from, claim_take_over_from, lifecycle) = details;
            Mailbox {
                kind,
                address,
                display_name,
                active,
                approved,
                profile,
                incoming,
                outgoing,
                appointments_contacts_tasks: act,
                process_from,
                credentials,
                claim_take_over_from,
                lifecycle,
                ..mailbox("unnamed", None)
            }
        },
    )
}

fn organizations() -> impl Strategy<Value = Organization> {
    let requirement = || select(vec![Requirement::Required, Requirement::NotRequired]);
    let source = prop_oneof![4 => Just(ApprovalSource::Manifest), 1 => Just(ApprovalSource::Command)];
    let approval = (source, requirement(), requirement(), requirement())
        .prop_map(|(source, users, queues, forward)| Approval { source, users, queues, forward });
    let action = || select(vec![GuardAction::Refuse, GuardAction::Allow]);
    let guards = (0..4_u32, 0..101_u8, 0..101_u8, action(), action()).prop_map(
        |(deletions_count, deletions_percent, updates_percent, empty_manifest, claim_take_over)| Guards {
            deletions_count,
            deletions_percent,
            updates_percent,
            empty_manifest,
            claim_take_over,
        },
    );
    (approval, guards, text()).prop_map(|(approval, guards, display_name)| Organization {
        approval,
        guards,
        display_name,
        ..organization()
    })
}

/// A manifest whose references may lead nowhere.
pub fn any_desired() -> impl Strategy<Value = Desired> {
    let sealed_values = select(vec!["one", "two"]).prop_map(sealed);
    (
        organizations(),
        btree_map(secrets(), sealed_values, 0..4),
        btree_map(names("p"), profiles(), 0..5),
        btree_map(names("m"), mailboxes(), 0..7),
    )
        .prop_map(|(organization, secrets, profiles, mailboxes)| {
            let profiles = profiles.into_iter().map(|(name, profile)| Profile { name, ..profile });
            let mailboxes = mailboxes.into_iter().map(|(name, mailbox)| Mailbox { name, ..mailbox });
            desired(organization, secrets, profiles, mailboxes)
        })
}

/// Declares every secret and drops every profile reference that leads nowhere.
pub fn resolved(mut desired: Desired) -> Desired {
    for key in ["k0", "k1", "k2", "shared"] {
        desired.secrets.entry(secret(key)).or_insert_with(|| declared(sealed("one"), 1));
    }
    for mailbox in desired.mailboxes.values_mut() {
        let profiles = &desired.profiles;
        mailbox.value.profile = mailbox.value.profile.take().filter(|name| profiles.contains_key(name));
    }
    desired
}

/// Two manifests that have much in common: the second takes each thing from the first or from a third.
pub fn any_edit() -> impl Strategy<Value = (Desired, Desired)> {
    (any_desired(), any_desired(), any::<[u8; 4]>()).prop_map(|(one, other, picks)| {
        let mut edited = one.clone();
        if picks[0] % 2 == 0 {
            edited.organization = other.organization;
        }
        edited.secrets = mixed(&one.secrets, other.secrets, picks[1]);
        edited.profiles = mixed(&one.profiles, other.profiles, picks[2]);
        edited.mailboxes = mixed(&one.mailboxes, other.mailboxes, picks[3]);
        (one, edited)
    })
}

/// Bit n of the picks: the n-th key comes from the other one.
fn mixed<K: Ord + Clone, V: Clone>(
    one: &BTreeMap<K, V>,
    mut other: BTreeMap<K, V>,
    picks: u8,
) -> BTreeMap<K, V> {
    let keys: BTreeSet<K> = one.keys().chain(other.keys()).cloned().collect();
    let picked = |n: usize| picks >> (n % 8) & 1 == 1;
    keys.into_iter()
        .enumerate()
        .filter_map(|(n, key)| {
            let value = if picked(n) { other.remove(&key) } else { one.get(&key).cloned() };
            value.map(|value| (key, value))
        })
        .collect()
}

pub fn any_policy() -> impl Strategy<Value = Policy> {
    let kinds =
        vec![ServerKind::Exchange, ServerKind::ExchangeOnline, ServerKind::Pop3Smtp, ServerKind::ImapSmtp];
    let overrides = btree_map(select(Guard::ALL.to_vec()), Just("a reason".to_owned()), 0..3);
    (btree_set(select(kinds), 0..5), overrides, compared()).prop_map(|(connectors, overrides, compared)| {
        Policy { connectors, overrides, selection: Selection::default(), compared, as_of: None }
    })
}

/// What opening some of the secrets told, right or wrong.
fn compared() -> impl Strategy<Value = BTreeMap<SecretRef, Comparison>> {
    let verdict = select(vec![Verdict::Same, Verdict::Different, Verdict::Unknown]);
    let before = select(vec![None, Some(Vec::new()), Some(vec!["ops".to_owned()])]);
    let comparison =
        (verdict, before).prop_map(|(verdict, sealed_to_before)| Comparison { verdict, sealed_to_before });
    let name = select(vec!["k0", "k1", "k2", "shared"]).prop_map(secret);
    btree_map(name, comparison, 0..4)
}

fn states() -> impl Strategy<Value = OperationState> {
    let OperationState::Disabled(failure) = failed() else { unreachable!("see `failed`") };
    select(vec![
        OperationState::Enabled,
        OperationState::Testing,
        OperationState::Retrying { attempts: 2, until: time(9), failure: failure.clone() },
        OperationState::Disabled(failure),
        OperationState::Off(OffReason::NotApproved),
        OperationState::Off(OffReason::MethodNone),
        OperationState::AwaitingTest(Awaiting::Test),
        OperationState::AwaitingTest(Awaiting::NoConnector),
        OperationState::AwaitingTest(Awaiting::NoIdentity),
    ])
}

fn pendings() -> impl Strategy<Value = Pending> {
    let OperationState::Disabled(failure) = failed() else { unreachable!("see `failed`") };
    select(vec![
        Pending::Waiting { awaiting: Awaiting::Test, since: time(5) },
        Pending::Waiting { awaiting: Awaiting::NoConnector, since: time(5) },
        Pending::Waiting { awaiting: Awaiting::NoIdentity, since: time(5) },
        Pending::Failed { failure, attempts: 2, at: time(6) },
    ])
}

/// What a store may hold after this manifest was applied and time went by: operations in any state, those that work also
/// with a change that waits.
pub fn worn(stored: Stored) -> impl Strategy<Value = Stored> {
    let count = stored.mailboxes.len() * 3;
    let marks = (option::weighted(0.3, states()), option::of(0..3_i64), option::weighted(0.2, pendings()));
    proptest::collection::vec(marks, count).prop_map(move |marks| {
        let mut stored = stored.clone();
        let mut marks = marks.into_iter();
        for mailbox in stored.mailboxes.values_mut() {
            for known in mailbox.operations.values_mut() {
                let Some((state, process_from, pending)) = marks.next() else { break };
                known.state = state.unwrap_or_else(|| known.state.clone());
                if !known.state.is_driven() {
                    known.pending = None;
                } else if pending.is_some() {
                    known.pending = pending;
                    known.proved = Some(ConnectionDigest("former".to_owned()));
                }
                mailbox.process_from = process_from.map(time);
            }
        }
        let approved = stored.mailboxes.iter().filter(|(_, mailbox)| mailbox.process_from.is_some());
        stored.approvals =
            approved.map(|(name, mailbox)| (name.clone(), mailbox.declared.address.clone())).collect();
        stored
    })
}

/// How it goes on after a first manifest was applied and tested.
#[derive(Debug, Clone, Copy)]
pub enum Goes {
    /// The second one is planned.
    Forward,
    /// The second one is applied, its tests have not run yet, and the first one is planned again.
    BackUntested,
}

impl Arbitrary for Goes {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        prop_oneof![2 => Just(Self::Forward), 1 => Just(Self::BackUntested)].boxed()
    }
}

impl Goes {
    fn on(self, first: Desired, second: Desired, policy: &Policy) -> (Desired, Stored) {
        let empty = Stored::empty();
        let stored = plan::model::apply_and_pass(&plan::plan(&first, &empty, policy), &empty);
        match self {
            Self::Forward => (second, stored),
            Self::BackUntested => {
                let stored = plan::model::apply(&plan::plan(&second, &stored, policy), &stored);
                (first, stored)
            }
        }
    }
}

/// A manifest, a store that an earlier version of it left behind, and a policy; references may lead nowhere.
pub fn any_case() -> impl Strategy<Value = (Desired, Stored, Policy)> {
    (any_edit(), any_policy(), any::<Goes>()).prop_flat_map(|((before, after), policy, goes)| {
        let (wanted, stored) = goes.on(before, after, &policy);
        (Just(wanted), worn(stored), Just(policy))
    })
}

/// The same with every reference resolved, as a manifest without errors has it.
pub fn valid_case() -> impl Strategy<Value = (Desired, Stored, Policy)> {
    (any_edit(), any_policy(), any::<Goes>()).prop_flat_map(|((before, after), policy, goes)| {
        let (wanted, stored) = goes.on(resolved(before), resolved(after), &policy);
        (Just(wanted), worn(stored), Just(policy))
    })
}
