//! What is remembered of a reading changes nothing but the time that the next one takes.

use std::sync::Mutex;

use mailplumb::engine::reading::{Against, Survey, survey};
use mailplumb::model::host::HostSettings;
use mailplumb::model::plan::Policy;
use mailplumb::model::problem::{Extent, FileStamp, FoundFile, SourceFile};
use mailplumb::model::profile::ServerKind;
use mailplumb::model::stored::{Outline, Stored};
use mailplumb::plan::{self, render};
use mailplumb::source::{Source, SourceError};
use proptest::prelude::*;

/// Files in memory, each with the number of its version as its time, and what is remembered of their last reading.
#[derive(Default)]
struct Shelf {
    files: Vec<(String, u64, String)>,
    remembered: Mutex<Option<Vec<u8>>>,
    /// Names of the files that were read.
    read: Mutex<Vec<String>>,
}

impl Shelf {
    fn put(&mut self, files: Vec<(String, String)>) {
        let version_of = |name: &str, text: &str| {
            let before = self.files.iter().find(|(known, _, _)| known == name);
            before.map_or(1, |(_, version, known)| version + u64::from(known != text))
        };
        let files: Vec<_> =
            files.into_iter().map(|(name, text)| (name.clone(), version_of(&name, &text), text)).collect();
        self.files = files;
    }

    fn source_file(name: &str, text: &str) -> SourceFile {
        SourceFile {
            name: name.into(),
            path: name.into(),
            bytes: text.as_bytes().into(),
            layer: None,
            fault: None,
        }
    }
}

impl Source for Shelf {
    fn load(&self) -> Result<Vec<SourceFile>, SourceError> {
        Ok(self.files.iter().map(|(name, _, text)| Self::source_file(name, text)).collect())
    }

    fn load_changed(&self, known: &dyn Fn(&str) -> Option<FileStamp>) -> Result<Vec<FoundFile>, SourceError> {
        let found = self.files.iter().map(|(name, version, text)| {
            let modified = i64::try_from(*version).unwrap();
            let stamp =
                FileStamp { bytes: text.len() as u64, modified, changed: modified, inode: 1, device: 1 };
            if known(name) == Some(stamp) {
                let file = Self::source_file(name, "");
                return FoundFile { file, stamp: Some(stamp), extent: Extent::Unread };
            }
            self.read.lock().unwrap().push(name.clone());
            FoundFile { file: Self::source_file(name, text), stamp: Some(stamp), extent: Extent::Whole }
        });
        Ok(found.collect())
    }

    fn remembers(&self) -> bool {
        true
    }

    fn recall(&self) -> Option<Vec<u8>> {
        self.remembered.lock().unwrap().clone()
    }

    fn remember(&self, bytes: &[u8]) {
        *self.remembered.lock().unwrap() = Some(bytes.to_vec());
    }
}

fn policy() -> Policy {
    Policy { connectors: [ServerKind::ImapSmtp].into(), ..Policy::default() }
}

fn document(kind: &str, name: &str, spec: &str) -> String {
    format!("---\napiVersion: mailplumb/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
}

const ORGANIZATIONS: [&str; 3] = [
    "{ defaults: { incoming: server-side-sync, profile: p0 } }",
    "{ defaults: { incoming: server-side-sync, profile: p0 }, approval: { users: not-required } }",
    "{ defaults: { incoming: server-side-sync, appointmentsContactsTasks: server-side-sync, profile: p0 } }",
];

fn profile(number: u8, variant: u8) -> String {
    let host = if variant == 0 { "a" } else { "b" };
    let server = match number {
        0 | 1 => {
            format!("imapSmtp: {{ incoming: {{ host: {host}.example, credentials: {{ mailbox: {{}} }} }} }}")
        }
        _ => format!(
            "imapSmtp: {{ incoming: {{ host: {host}.example, credentials: {{ oauth2: {{ tokenUrl: \"https://login.example/token\", clientId: x, clientSecret: {{ secret: s, key: k }}, scope: mail }} }} }} }}"
        ),
    };
    document("EmailServerProfile", &format!("p{number}"), &format!("{{ owner: o@a.example, {server} }}"))
}

/// One mailbox: most variants are fine, some are worth a remark, some are wrong.
fn mailbox(number: u8, variant: u8) -> String {
    let (name, login) = (format!("m{number}"), "credentials: { password: { secret: s, key: k } }");
    let address = format!("user: {{ address: {name}@a.example }}");
    let approved = format!("approved: {name}@a.example");
    let spec = match variant {
        0 => format!("{{ {address}, {approved}, {login} }}"),
        1 => format!("{{ {address}, {approved}, profile: p1, {login} }}"),
        2 => format!("{{ {address}, {login}, profile: p2 }}"),
        3 => format!("{{ {address}, {approved}, accept: replies, {login} }}"),
        4 => format!("{{ {address}, {login}, lifecycle: {{ previousNames: [m{}] }} }}", (number + 1) % 8),
        5 => format!("{{ user: {{ address: M0@a.example }}, {login} }}"),
        6 => format!("{{ forward: {{ address: {name}@a.example }}, {approved}, {login} }}"),
        7 => format!("{{ {address}, profile: absent }}"),
        _ => format!("{{ {address}, incoming: none, active: false"),
    };
    let labels = if number.is_multiple_of(2) { ", labels: { team: even }" } else { "" };
    document("Mailbox", &format!("{name}{labels}"), &spec)
}

fn other(kind: u8, variant: u8) -> String {
    match kind {
        0 => document(
            "MailboxAssignment",
            "even",
            "{ select: { labels: { team: even } }, owner: t@a.example }",
        ),
        1 if variant == 0 => {
            document("MailboxAssignment", "none", "{ select: { addresses: ['x*'] }, owner: t@a.example }")
        }
        1 => document("MailboxAssignment", "none", "{ select: { addresses: ['m3*'] }, profile: p1 }"),
        2 => document("ApprovalList", "all", "{ addresses: [m1@a.example, m9@a.example] }"),
        _ => document(
            "MailboxList",
            "list",
            "{ common: { credentials: { password: { secret: s, key: k } } }, users: [{ name: m7, address: m7@a.example, approved: m7@a.example }] }",
        ),
    }
}

/// A document of a manifest, and the file that it stands in.
#[derive(Debug, Clone)]
enum Piece {
    Mailbox { number: u8, variant: u8, file: u8 },
    Profile { number: u8, variant: u8 },
    Other { kind: u8, variant: u8 },
    Organization(u8),
}

fn piece() -> impl Strategy<Value = Piece> {
    let variant = prop_oneof![12 => 0..3_u8, 3 => 3..5_u8, 1 => 5..9_u8];
    prop_oneof![
        12 => (0..8_u8, variant, 0..3_u8)
            .prop_map(|(number, variant, file)| Piece::Mailbox { number, variant, file }),
        1 => (0..3_u8, 0..2_u8).prop_map(|(number, variant)| Piece::Profile { number, variant }),
        1 => (0..4_u8, 0..2_u8).prop_map(|(kind, variant)| Piece::Other { kind, variant }),
        1 => (0..3_u8).prop_map(Piece::Organization),
    ]
}

/// A manifest as a table: each edit sets one place of it, or, where it says the same again, empties that place.
#[derive(Default)]
struct Table {
    mailboxes: [Option<(u8, u8)>; 8],
    profiles: [u8; 3],
    others: [Option<u8>; 4],
    organization: u8,
}

impl Table {
    fn edit(&mut self, piece: &Piece) {
        match piece {
            Piece::Mailbox { number, variant, file } => {
                let place = &mut self.mailboxes[usize::from(*number)];
                *place = if *place == Some((*variant, *file)) { None } else { Some((*variant, *file)) };
            }
            Piece::Profile { number, variant } => self.profiles[usize::from(*number)] = *variant,
            Piece::Other { kind, variant } => {
                let place = &mut self.others[usize::from(*kind)];
                *place = if place.is_some() { None } else { Some(*variant) };
            }
            Piece::Organization(variant) => self.organization = *variant,
        }
    }

    fn files(&self) -> Vec<(String, String)> {
        let mut behind = document("Organization", "o", ORGANIZATIONS[usize::from(self.organization)]);
        behind.push_str(&document("Secret", "s", "{ values: { k: { env: SOME_VARIABLE } } }"));
        for (number, variant) in (0..3).zip(self.profiles) {
            behind.push_str(&profile(number, variant));
        }
        for (kind, variant) in (0..4).zip(self.others) {
            variant.into_iter().for_each(|variant| behind.push_str(&other(kind, variant)));
        }
        let mut files = vec![("a.yaml".to_owned(), behind)];
        for file in 0..3 {
            let mut text = String::from("# mailboxes\n");
            for (number, place) in (0..8).zip(self.mailboxes) {
                if let Some((variant, _)) = place.filter(|(_, of)| *of == file) {
                    text.push_str(&mailbox(number, variant));
                }
            }
            files.push((format!("m{file}.yaml"), text));
        }
        files
    }
}

/// All that a person or a program gets to see of a reading.
fn shown(survey: &Survey) -> String {
    let Survey { files: _, desired, problems, not_judged, rest, unsettled } = survey;
    format!("{problems:#?}\n{desired:#?}\n{rest:?}\n{unsettled:?}\n{not_judged:?}")
}

fn cold(shelf: &Shelf, stored: &Stored) -> Survey {
    let fresh = Shelf { files: shelf.files.clone(), ..Shelf::default() };
    survey(&fresh, &HostSettings::default(), &policy(), Against::Stored(&Outline::of(stored.clone())))
        .unwrap()
}

fn warm(shelf: &Shelf, stored: &Stored) -> Survey {
    let outline = Outline::of(stored.clone());
    survey(shelf, &HostSettings::default(), &policy(), Against::Stored(&outline)).unwrap()
}

fn narrowed(survey: &Survey, stored: &Stored) -> Option<String> {
    let mut stored = stored.clone();
    stored.mailboxes.retain(|name, _| survey.unsettled.contains(name));
    let plan = plan::narrowed(survey.desired.as_ref()?, &stored, &policy(), &survey.rest);
    Some(
        plan::saved::to_text(&plan, &plan::saved::Circumstances::default())
            + &render::text(&plan, render::Style::Plain),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    /// Problems, notes, what is left out and the plan are the same to the last byte, whatever was edited in between, and
    /// the plan is that of everything.
    #[test]
    fn a_reading_that_remembers_says_what_one_that_does_not_says(
        first in prop::collection::vec(piece(), 4..16),
        edits in prop::collection::vec((prop::collection::vec(piece(), 0..3), any::<bool>()), 1..6),
    ) {
        let (mut shelf, mut table, mut stored) = (Shelf::default(), Table::default(), Stored::empty());
        let rounds = std::iter::once((first, true)).chain(edits);
        for (pieces, is_applied) in rounds {
            pieces.iter().for_each(|piece| table.edit(piece));
            shelf.put(table.files());
            let (cold, warm) = (cold(&shelf, &stored), warm(&shelf, &stored));
            prop_assert_eq!(shown(&warm), shown(&cold));
            let everything = mailplumb::manifest::read(&shelf.load().unwrap(), &HostSettings::default());
            prop_assert_eq!(&everything.problems, &warm.problems);
            prop_assert_eq!(everything.desired.is_some(), warm.desired.is_some());
            let Some(desired) = everything.desired else { continue };
            let plan = plan::plan(&desired, &stored, &policy());
            let whole = plan::saved::to_text(&plan, &plan::saved::Circumstances::default()) + &render::text(&plan, render::Style::Plain);
            prop_assert_eq!(narrowed(&warm, &stored), Some(whole));
            if is_applied {
                stored = plan::model::apply_and_pass(&plan, &stored);
            }
        }
    }
}

#[test]
fn a_file_that_has_not_changed_is_not_read_again() {
    let (mut shelf, mut table) = (Shelf::default(), Table::default());
    for number in 0..6 {
        table.edit(&Piece::Mailbox { number, variant: 0, file: number % 3 });
    }
    shelf.put(table.files());
    let before = warm(&shelf, &Stored::empty());
    let stored = applied(&shelf);
    assert_eq!((before.rest.mailboxes, before.desired.unwrap().mailboxes.len()), (0, 6));
    // What mailboxes come to is remembered from now on.
    warm(&shelf, &stored);

    shelf.read.lock().unwrap().clear();
    let again = warm(&shelf, &stored);
    assert_eq!((again.rest.mailboxes, again.desired.unwrap().mailboxes.len()), (6, 0));
    assert_eq!(
        *shelf.read.lock().unwrap(),
        ["a.yaml"],
        "only what stands behind the mailboxes is read each time"
    );

    table.edit(&Piece::Mailbox { number: 4, variant: 1, file: 1 });
    shelf.put(table.files());
    shelf.read.lock().unwrap().clear();
    let edited = warm(&shelf, &stored);
    assert_eq!((edited.rest.mailboxes, edited.desired.unwrap().mailboxes.len()), (5, 1));
    assert_eq!(*shelf.read.lock().unwrap(), ["a.yaml", "m1.yaml"]);
}

#[test]
fn a_damaged_memory_is_ignored_and_written_anew() {
    let (mut shelf, mut table) = (Shelf::default(), Table::default());
    table.edit(&Piece::Mailbox { number: 0, variant: 0, file: 0 });
    shelf.put(table.files());
    let stored = applied(&shelf);
    let expected = shown(&warm(&shelf, &stored));
    let good = shelf.recall().unwrap();
    for damaged in [b"something else".to_vec(), good[..good.len() - 1].to_vec()] {
        shelf.remember(&damaged);
        assert_eq!(shown(&warm(&shelf, &stored)), expected);
        assert_eq!(shelf.recall().unwrap(), good);
    }
}

/// Before a mailbox is stored, what it comes to is of no use to anybody.
#[test]
fn nothing_is_remembered_before_something_is_stored() {
    let (mut shelf, mut table) = (Shelf::default(), Table::default());
    table.edit(&Piece::Mailbox { number: 0, variant: 0, file: 0 });
    shelf.put(table.files());
    warm(&shelf, &Stored::empty());
    assert!(shelf.recall().is_none());
    warm(&shelf, &applied(&shelf));
    assert!(shelf.recall().is_some());
}

/// What is stored after an apply of the shelf whose tests have passed.
fn applied(shelf: &Shelf) -> Stored {
    let desired =
        mailplumb::manifest::read(&shelf.load().unwrap(), &HostSettings::default()).desired.unwrap();
    plan::model::apply_and_pass(&plan::plan(&desired, &Stored::empty(), &policy()), &Stored::empty())
}
