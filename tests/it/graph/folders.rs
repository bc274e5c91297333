//! Folders beside the inbox: those that are tracked, and the one for what could not be recorded.

use mailplumb::model::cursor::{Content, Cursor, Listing, Shown};
use mailplumb::model::record::{CategoryChange, TrackedBy};
use mailplumb::playground::GraphFault;
use mailplumb::remote::SetAside;

use super::story::{Office, manifest};
use super::world::{ANNA, World, behind, ids, options, whole};

fn raw(subject: &str) -> Vec<u8> {
    format!(
        "Message-ID: <{subject}@contoso.example>\r\nFrom: c@d.example\r\nSubject: {subject}\r\n\r\nbody\r\n"
    )
    .into_bytes()
}

const PATHS: [&str; 3] = ["Customers/Contoso", "customers/CONTOSO/", "Gone"];

fn subjects(contents: Vec<Content>) -> Vec<String> {
    let subject = |content: Content| {
        let Content::Bytes(octets) = &content else { panic!("{content:?}") };
        let text = String::from_utf8(octets.to_vec()).unwrap();
        text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap()
    };
    let mut subjects: Vec<String> = contents.into_iter().map(subject).collect();
    subjects.sort();
    subjects
}

#[tokio::test]
async fn tracked_folders_are_read_with_the_inbox_and_others_are_not() {
    let world = World::new();
    let exchange = world.playground.exchange();
    world.playground.state().deliver(ANNA, &raw("inbox")).unwrap();
    exchange.deliver_into(ANNA, &["Customers", "Contoso"], &raw("tracked"));
    exchange.deliver_into(ANNA, &["Customers"], &raw("above"));
    exchange.deliver_into(ANNA, &["Contoso"], &raw("of the same name"));
    let mut session = world.receive_tracking(&PATHS).await.unwrap();
    assert_eq!(world.asked("childFolders"), 2, "each level is asked for once");
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!(ids(&listing).iter().filter(|id| session.standing(id).tracked.is_some()).count(), 1);
    assert_eq!(subjects(whole(&mut session, &listing).await), ["inbox", "tracked"]);

    let cursor = behind(&listing);
    let idle = session.list(&cursor).await.unwrap();
    assert_eq!(ids(&idle).len(), 0);
    exchange.deliver_into(ANNA, &["Customers", "Contoso"], &raw("second"));
    let new = session.list(&behind(&idle)).await.unwrap();
    assert_eq!(subjects(whole(&mut session, &new).await), ["second"]);
    let deleted = session.delete_and_close(&ids(&new)).await.unwrap();
    assert_eq!(deleted, ids(&new), "what is tracked can be removed like what is not");
}

#[tokio::test]
async fn a_message_that_a_person_moves_into_a_tracked_folder_is_there_and_not_gone() {
    let world = World::new();
    world.playground.state().deliver(ANNA, &raw("moved")).unwrap();
    world.playground.exchange().deliver_into(ANNA, &["Customers", "Contoso"], &raw("other"));
    let mut session = world.receive_tracking(&PATHS).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let moved = ids(&listing).into_iter().find(|id| session.standing(id).tracked.is_none()).unwrap();
    world.moved_by_person(&moved, &world.folder_id("Contoso"));
    let next = session.list(&behind(&listing)).await.unwrap();
    let Listing::Exchange { gone, .. } = &next else { panic!() };
    assert_eq!(
        (ids(&next), gone.len(), session.standing(&moved).tracked),
        (vec![moved.clone()], 0, Some(TrackedBy::Folder))
    );
    world.moved_by_person(&moved, "inbox");
    let back = session.list(&behind(&next)).await.unwrap();
    assert_eq!((ids(&back), session.standing(&moved).tracked), (vec![moved], None));
}

impl World {
    /// Of a folder below the first level below the inbox.
    fn folder_id(&self, name: &str) -> String {
        let calls = self.calls();
        let listed = calls.iter().filter(|call| call.path.contains("childFolders"));
        let folders = listed.flat_map(|call| {
            let body: serde_json::Value = serde_json::from_str(&call.response).unwrap();
            body["value"].as_array().cloned().unwrap_or_default()
        });
        let found = folders.into_iter().find(|folder| folder["displayName"] == name).unwrap();
        found["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_folder_that_is_tracked_later_is_read_from_its_beginning_and_one_that_is_not_any_more_is_forgotten()
{
    let world = World::new();
    world.playground.state().deliver(ANNA, &raw("inbox")).unwrap();
    world.playground.exchange().deliver_into(ANNA, &["Customers", "Contoso"], &raw("tracked"));
    let mut session = world.receive(ANNA).await.unwrap();
    let alone = session.list(&Cursor::Start).await.unwrap();
    let mut session = world.receive_tracking(&PATHS).await.unwrap();
    let both = session.list(&behind(&alone)).await.unwrap();
    assert!(matches!(both, Listing::Exchange { shown: Shown::Changes, .. }));
    assert_eq!(subjects(whole(&mut session, &both).await), ["tracked"]);
    let mut session = world.receive(ANNA).await.unwrap();
    let Listing::Exchange { state, .. } = session.list(&behind(&both)).await.unwrap() else { panic!() };
    assert!(state.starts_with("https://"), "the inbox alone is the service's own link: {state}");
}

#[tokio::test]
async fn a_tracked_folder_that_is_forgotten_or_deleted_holds_up_nobody() {
    let world = World::new();
    world.playground.state().deliver(ANNA, &raw("inbox")).unwrap();
    world.playground.exchange().deliver_into(ANNA, &["Customers", "Contoso"], &raw("tracked"));
    let mut session = world.receive_tracking(&PATHS).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    world.playground.graph().forget_delta_links();
    let again = session.list(&behind(&listing)).await.unwrap();
    assert!(matches!(again, Listing::Exchange { shown: Shown::Again, .. }), "all of it is listed again");
    assert_eq!(ids(&again).len(), 2);
    world.playground.exchange().remove_folder(ANNA, "Contoso");
    world.playground.state().deliver(ANNA, &raw("next")).unwrap();
    let next = session.list(&behind(&again)).await.unwrap();
    assert_eq!(subjects(whole(&mut session, &next).await), ["next"]);
}

#[tokio::test]
async fn the_folder_for_what_could_not_be_recorded_is_made_once_and_again_when_it_is_gone() {
    let world = World::new();
    let exchange = world.playground.exchange();
    for round in ["first", "second", "third"] {
        world.playground.state().deliver(ANNA, &raw(round)).unwrap();
    }
    let mut session = world.receive(ANNA).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let all = ids(&listing);
    let SetAside { folder, moved } = session.set_aside(&all[..1], None).await.unwrap().unwrap();
    assert_eq!((moved.as_slice(), exchange.held_in(ANNA, "Undeliverable")), (&all[..1], vec![raw("first")]));
    world.playground.graph().misbehave("part POST", 1, GraphFault::throttled(0));
    let again = session.set_aside(&all[..2], Some(&folder)).await.unwrap().unwrap();
    assert_eq!((&again.folder, again.moved.len()), (&folder, 2), "what is moved already is done");
    exchange.remove_folder(ANNA, "Undeliverable");
    let anew = session.set_aside(&all[2..], Some(&folder)).await.unwrap().unwrap();
    assert_ne!(anew.folder, folder);
    assert_eq!(exchange.held_in(ANNA, "Undeliverable"), [raw("third")]);
    let found = session.set_aside(&[], Some("an id of another transport")).await.unwrap().unwrap();
    assert_eq!(found.folder, anew.folder, "it is found by its name before another one is made");
}

#[tokio::test]
async fn who_gives_a_message_the_category_tracks_it_and_who_takes_it_away_does_not_any_more() {
    let world = World::new();
    world.playground.state().deliver(ANNA, &raw("one")).unwrap();
    let mut session = world.receive(ANNA).await.unwrap();
    let before = session.list(&Cursor::Start).await.unwrap();
    let one = ids(&before).pop().unwrap();
    // A round that began without categories never tells of them, so another one begins.
    let mut session = world.receive_categorised("Tracked").await.unwrap();
    let first = session.list(&behind(&before)).await.unwrap();
    assert!(matches!(first, Listing::Exchange { shown: Shown::Everything, .. }));
    let changes = |session: &dyn mailplumb::remote::Receive| {
        session.categorised().into_iter().map(|it| (it.id, it.change)).collect::<Vec<_>>()
    };
    assert_eq!(changes(session.as_ref()), [(one.clone(), CategoryChange::Absent)]);
    world.categorised_by_person(&one, "[\"Red\", \"tracked \"]");
    let given = session.list(&behind(&first)).await.unwrap();
    assert_eq!(
        (ids(&given), changes(session.as_ref())),
        (vec![one.clone()], vec![(one.clone(), CategoryChange::Given)])
    );
    assert_eq!(session.standing(&one).tracked, Some(TrackedBy::Category));
    world.categorised_by_person(&one, "[\"Red\"]");
    let taken = session.list(&behind(&given)).await.unwrap();
    assert_eq!(changes(session.as_ref()), [(one, CategoryChange::Absent)]);
    let idle = session.list(&behind(&taken)).await.unwrap();
    assert_eq!((ids(&idle).len(), changes(session.as_ref()).len()), (0, 0));
}

#[test]
fn a_message_that_was_not_wanted_becomes_a_record_by_its_category() {
    let declared = manifest("graph")
        .replace("transport: graph", "transport: graph\n    trackedCategory: Tracked")
        .replace("  incoming: server-side-sync", "  incoming: server-side-sync\n  accept: none");
    let Office { person, playground } = Office::opens_with(&declared, options());
    person.types("apply --auto-approve").ends(0);
    playground.state().deliver(ANNA, &raw("later wanted")).unwrap();
    person.types("sync").ends(0);
    assert!(!person.types("messages").stdout.contains("later wanted"));
    categorise_all(&playground, "[\"Tracked\"]");
    person.types("sync").ends(0).says("1 recorded");
    person.types("messages").says("later wanted");
    categorise_all(&playground, "[]");
    person.types("sync").ends(0);
    person.types("messages").says("later wanted");
}

/// Gives each message of the inbox these categories, as a person does.
fn categorise_all(playground: &mailplumb::playground::Playground, categories: &str) {
    let told: Vec<String> = playground.graph().calls().into_iter().map(|call| call.response).collect();
    let delta = told.iter().filter_map(|text| serde_json::from_str::<serde_json::Value>(text).ok());
    let messages = delta.flat_map(|body| body["value"].as_array().cloned().unwrap_or_default());
    let ids = messages.filter(|it| it.get("receivedDateTime").is_some());
    for id in ids.filter_map(|it| it["id"].as_str().map(str::to_owned)) {
        let line = format!("PATCH /v1.0/users/{ANNA}/messages/{id}");
        let fields = vec![("Content-Type", "application/json".to_owned())];
        let body = format!("{{\"categories\":{categories}}}").into_bytes();
        playground.graph().asks(super::world::APPLICATION, &line, fields, body);
    }
}

#[test]
fn what_cannot_be_recorded_is_moved_aside_and_its_record_stays() {
    let declared =
        manifest("graph").replace("transport: graph", "transport: graph\n    undeliverableFolder: true");
    let Office { person, playground } = Office::opens_with(&declared, options());
    person.types("apply --auto-approve").ends(0);
    let before = playground.state().inbox(ANNA).unwrap().len();
    for broken in [&b"  \r\n"[..], b" \r\n\r\n"] {
        playground.state().deliver(ANNA, broken).unwrap();
        playground.state().deliver(ANNA, b"Subject: fine\r\nFrom: c@d.example\r\n\r\nbody\r\n").unwrap();
        person.types("sync").ends(0);
    }
    person.types("messages --quarantined").ends(0).says("quarantined");
    assert_eq!(playground.exchange().held_in(ANNA, "Undeliverable").len(), 2);
    assert_eq!(playground.state().inbox(ANNA).unwrap().len(), before + 2);
    person.types("sync").ends(0);
}

#[test]
fn a_tracked_folder_is_read_whatever_the_filter_accepts_and_a_move_doubles_nothing() {
    let declared = manifest("graph").replace(
        "  incoming: server-side-sync",
        "  incoming: server-side-sync\n  trackedFolders: [Customers, Elsewhere]\n  accept: none",
    );
    let Office { person, playground } = Office::opens_with(&declared, options());
    playground.state().deliver(ANNA, &raw("not wanted")).unwrap();
    playground.exchange().deliver_into(ANNA, &["Customers"], &raw("wanted"));
    let said = person.types("validate").ends(0);
    assert!(
        !said.stdout.contains("does not act on") && !said.stderr.contains("does not act on"),
        "{said:#?}"
    );
    person
        .types("apply --auto-approve")
        .ends(0)
        .says("1 of 2 tracked folders; not below the inbox: Elsewhere");
    person.types("sync").ends(0).says("1 recorded");
    let listed = person.types("messages");
    assert!(listed.stdout.contains("wanted") && !listed.stdout.contains("not wanted"), "{listed:#?}");
    playground.graph().forget_delta_links();
    person.types("sync").ends(0).says("1 already recorded");
}
