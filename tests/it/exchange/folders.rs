//! Folders of a mailbox that only Exchange has: those that are tracked, and the one for what could not be recorded.

use std::process::Command;

use mailplumb::model::cursor::{Content, Cursor, Listing, Shown};
use mailplumb::model::record::TrackedBy;
use mailplumb::remote::SetAside;

use super::schema::validate;
use super::story::Office;
use super::world::{ANNA, PASSWORD, SELF, Who, World, behind, ids, whole};
use crate::support::need::{Need, python, require};

fn raw(subject: &str) -> Vec<u8> {
    format!(
        "Message-ID: <{subject}@contoso.example>\r\nFrom: c@d.example\r\nSubject: {subject}\r\n\r\nbody\r\n"
    )
    .into_bytes()
}

const TRACKING: Who = Who { tracked: &["Customers/Contoso", "Gone"], ..SELF };

fn subjects(contents: Vec<Content>) -> Vec<String> {
    let subject = |content: Content| match &content {
        Content::Bytes(octets) => {
            let text = String::from_utf8(octets.to_vec()).unwrap();
            text.lines().find_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).unwrap()
        }
        Content::Streamed(_)
        | Content::Vanished
        | Content::Refused(_)
        | Content::Deferred(_)
        | Content::TooLarge(_) => {
            panic!("{content:?}")
        }
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
    let mut session = world.receive(&TRACKING).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let tracked: Vec<bool> =
        ids(&listing).iter().map(|id| session.standing(id).tracked == Some(TrackedBy::Folder)).collect();
    assert_eq!(tracked.iter().filter(|it| **it).count(), 1);
    assert_eq!(subjects(whole(&mut session, &listing).await), ["inbox", "tracked"]);

    let cursor = behind(&listing);
    let idle = session.list(&cursor).await.unwrap();
    assert_eq!((ids(&idle).len(), behind(&idle)), (0, cursor.clone()), "an idle reading moves nothing");
    exchange.deliver_into(ANNA, &["Customers", "Contoso"], &raw("second"));
    let new = session.list(&cursor).await.unwrap();
    assert_eq!(subjects(whole(&mut session, &new).await), ["second"]);
    let deleted = session.delete_and_close(&ids(&new)).await.unwrap();
    assert_eq!(deleted, ids(&new), "what is tracked can be removed like what is not");
}

#[tokio::test]
async fn a_folder_that_is_tracked_later_is_read_from_its_beginning_and_one_that_is_not_any_more_is_forgotten()
{
    let world = World::new();
    world.playground.state().deliver(ANNA, &raw("inbox")).unwrap();
    world.playground.exchange().deliver_into(ANNA, &["Customers", "Contoso"], &raw("tracked"));
    let mut session = world.receive(&SELF).await.unwrap();
    let alone = session.list(&Cursor::Start).await.unwrap();
    let mut session = world.receive(&TRACKING).await.unwrap();
    let both = session.list(&behind(&alone)).await.unwrap();
    assert!(matches!(both, Listing::Exchange { shown: Shown::Changes, .. }));
    assert_eq!(subjects(whole(&mut session, &both).await), ["tracked"]);
    let mut session = world.receive(&SELF).await.unwrap();
    assert_eq!(behind(&session.list(&behind(&both)).await.unwrap()), behind(&alone));
}

#[tokio::test]
async fn a_tracked_folder_that_its_owner_deletes_holds_up_nobody() {
    let world = World::new();
    world.playground.exchange().deliver_into(ANNA, &["Customers", "Contoso"], &raw("tracked"));
    let mut session = world.receive(&TRACKING).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    world.playground.exchange().remove_folder(ANNA, "Contoso");
    world.playground.state().deliver(ANNA, &raw("inbox")).unwrap();
    let next = session.list(&behind(&listing)).await.unwrap();
    assert_eq!(subjects(whole(&mut session, &next).await), ["inbox"]);
}

#[tokio::test]
async fn the_folder_for_what_could_not_be_recorded_is_made_once_and_again_when_it_is_gone() {
    let world = World::new();
    let exchange = world.playground.exchange();
    for round in ["first", "second", "third"] {
        world.playground.state().deliver(ANNA, &raw(round)).unwrap();
    }
    let mut session = world.receive(&SELF).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    let all = ids(&listing);
    let SetAside { folder, moved } = session.set_aside(&all[..1], None).await.unwrap().unwrap();
    assert_eq!((moved.as_slice(), exchange.held_in(ANNA, "Undeliverable")), (&all[..1], vec![raw("first")]));
    let again = session.set_aside(&all[..2], Some(&folder)).await.unwrap().unwrap();
    assert_eq!(
        (&again.folder, again.moved.as_slice()),
        (&folder, &all[..2]),
        "what is not there any more is done"
    );
    exchange.remove_folder(ANNA, "Undeliverable");
    let anew = session.set_aside(&all[2..], Some(&folder)).await.unwrap().unwrap();
    assert_ne!(anew.folder, folder);
    assert_eq!(exchange.held_in(ANNA, "Undeliverable"), [raw("third")]);
    let found = session.set_aside(&[], None).await.unwrap().unwrap();
    assert_eq!(found.folder, anew.folder, "it is found by its name before another one is made");
}

/// Does to Anna's folders what a person does; returns the subjects that a search finds.
fn in_outlook(world: &World, steps: &[&str]) -> serde_json::Value {
    let port = world.playground.exchange().address().port().to_string();
    let output = Command::new(python().unwrap())
        .args(["-c", include_str!("refiling.py"), &port, ANNA, PASSWORD])
        .args(steps)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(said.lines().last().unwrap()).unwrap()
}

/// With exchangelib as the person.
#[tokio::test]
async fn folders_that_a_person_renames_moves_and_deletes_are_followed_as_documented() {
    let Some(()) = require(Need::Python) else { return };
    let world = World::new();
    let exchange = world.playground.exchange();
    let put = |subject: &str| exchange.deliver_into(ANNA, &["Customers", "Contoso"], &raw(subject));
    put("first");
    for round in ["one", "two", "Onerous"] {
        world.playground.state().deliver(ANNA, &raw(round)).unwrap();
    }
    assert_eq!(in_outlook(&world, &["starting On"]), serde_json::json!(["Onerous"]));
    let mut session = world.receive(&TRACKING).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!(ids(&listing).len(), 4);

    // Its path is what is tracked: under another name it is another folder, and under the former one it is read again.
    in_outlook(&world, &["rename Inbox/Customers/Contoso Fabrikam"]);
    exchange.deliver_into(ANNA, &["Customers", "Fabrikam"], &raw("unseen"));
    let mut session = world.receive(&TRACKING).await.unwrap();
    let renamed = session.list(&behind(&listing)).await.unwrap();
    assert_eq!(subjects(whole(&mut session, &renamed).await), Vec::<String>::new());
    in_outlook(&world, &["rename Inbox/Customers/Fabrikam Contoso"]);
    let mut session = world.receive(&TRACKING).await.unwrap();
    let back = session.list(&behind(&renamed)).await.unwrap();
    assert!(subjects(whole(&mut session, &back).await).contains(&"unseen".to_owned()));
    in_outlook(&world, &["move Inbox/Customers/Contoso Drafts"]);
    let mut session = world.receive(&TRACKING).await.unwrap();
    let moved = session.list(&behind(&back)).await.unwrap();
    assert_eq!(ids(&moved).len(), 0);

    // The folder for what cannot be recorded is known by its id, whatever it is called, until it is gone.
    let all = ids(&listing);
    let SetAside { folder, .. } = session.set_aside(&all[..1], None).await.unwrap().unwrap();
    in_outlook(&world, &["rename Undeliverable Strange"]);
    let again = session.set_aside(&all[1..2], Some(&folder)).await.unwrap().unwrap();
    assert_eq!((&again.folder, exchange.held_in(ANNA, "Strange").len()), (&folder, 2));
    in_outlook(&world, &["delete Strange"]);
    let anew = session.set_aside(&all[2..3], Some(&folder)).await.unwrap().unwrap();
    assert_ne!(anew.folder, folder);
    assert_eq!(exchange.held_in(ANNA, "Undeliverable").len(), 1);

    let Some(()) = require(Need::Schemas) else { return };
    let calls =
        exchange.calls().into_iter().enumerate().filter(|(_, call)| call.operation.ends_with("Folder"));
    let all = calls.flat_map(|(at, call)| {
        let name = |what| format!("{at}-{}-{what}", call.operation);
        [(name("asks"), call.request.clone()), (name("says"), call.response.clone())]
    });
    validate(&all.collect::<Vec<_>>());
}

#[test]
fn what_cannot_be_recorded_is_moved_aside_and_its_record_stays() {
    let office = Office::opens_with(
        "incoming:\n      credentials",
        "undeliverableFolder: true\n    incoming:\n      credentials",
    );
    let (person, playground) = (&office.person, &office.playground);
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
    let office = Office::opens_with(
        "  incoming: server-side-sync",
        "  incoming: server-side-sync\n  trackedFolders: [Customers, Elsewhere]\n  accept: none",
    );
    let (person, playground) = (&office.person, &office.playground);
    playground.state().deliver(ANNA, &raw("not wanted")).unwrap();
    playground.exchange().deliver_into(ANNA, &["Customers"], &raw("wanted"));
    person.types("validate").ends(0);
    person
        .types("apply --auto-approve")
        .ends(0)
        .says("1 of 2 tracked folders; not below the inbox: Elsewhere");
    person.types("sync").ends(0).says("1 recorded");
    let listed = person.types("messages");
    assert!(listed.stdout.contains("wanted") && !listed.stdout.contains("not wanted"), "{listed:#?}");
    // Somebody drags it into the inbox and back: it has other ids, and the same octets.
    playground.exchange().remove_folder(ANNA, "Customers");
    person.types("sync").ends(0);
    playground.exchange().deliver_into(ANNA, &["Customers"], &raw("wanted"));
    person.types("sync").ends(0).says("1 already recorded");
    playground.exchange().forget_sync_states();
    person.types("sync").ends(0).says("1 already recorded");
}
