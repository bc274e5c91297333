//! Listing and fetching: octet by octet, whatever was delivered.

use mailplumb::model::cursor::{Content, Cursor, Part};
use mailplumb::model::limits;
use mailplumb::model::profile::Protocol;
use mailplumb::model::record::ContentHash;
use mailplumb::playground::corpus;

use crate::remote::world::client::fetch;
use crate::remote::world::{ANNA, Client, FirstDot, How, Way, World};

in_every_world! {
    the_corpus_arrives_octet_by_octet,
    odd_messages_arrive_octet_by_octet,
    a_dot_may_be_the_first_octet,
    headers_alone_are_the_block_up_to_the_empty_line,
    nothing_is_marked_as_read,
    sizes_are_told_before_anything_is_fetched,
    a_message_too_large_to_be_held_arrives_octet_by_octet_between_others,
    fetching_all_at_once_and_one_after_the_other_is_the_same,
}

/// Delivers, fetches by both protocols, and compares hashes with what the server promises to hand out.
async fn arrives(world: &dyn World, delivered: &[Vec<u8>]) {
    for raw in delivered {
        world.deliver(ANNA, raw);
    }
    for way in world.receiving() {
        same_octets(world, way, delivered).await;
    }
}

async fn same_octets(world: &dyn World, way: Way, delivered: &[Vec<u8>]) {
    let protocol = way.protocol();
    let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    assert_eq!(listing.messages().len(), delivered.len());
    let contents = fetch(&mut session, listing.messages(), Part::Whole).await;
    session.delete_and_close(&[]).await.unwrap();
    for (at, (raw, content)) in delivered.iter().zip(contents).enumerate() {
        let Content::Bytes(received) = content else { panic!("{way:?}, {at}: {content:?}") };
        let expected = world.handed_out(protocol, raw);
        assert!(
            ContentHash::of(&received) == ContentHash::of(&expected),
            "{way:?}, message {at}: {} octets instead of {}\n{}",
            received.len(),
            expected.len(),
            difference(&received, &expected)
        );
    }
}

/// Where two messages begin to differ.
fn difference(received: &[u8], expected: &[u8]) -> String {
    let at = received.iter().zip(expected).take_while(|(one, other)| one == other).count();
    let around = |octets: &[u8]| {
        let window = &octets[at.saturating_sub(20).min(octets.len())..(at + 20).min(octets.len())];
        String::from_utf8_lossy(window).escape_debug().to_string()
    };
    format!("at {at}: received `{}`, expected `{}`", around(received), around(expected))
}

async fn a_message_too_large_to_be_held_arrives_octet_by_octet_between_others(world: &dyn World) {
    let line = |number: usize| format!("{number:06} {}\r\n..{}\r\n", "x".repeat(60), "y".repeat(number % 7));
    let lines = usize::try_from(limits::HELD_BYTES_MAX).unwrap() / 70 + 1000;
    let large: String =
        std::iter::once("Subject: large\r\n\r\n".to_owned()).chain((0..lines).map(line)).collect();
    assert!(large.len() as u64 > limits::HELD_BYTES_MAX);
    let small = b"Subject: small\r\n\r\nsmall\r\n".to_vec();
    arrives(world, &[small.clone(), large.into_bytes(), small]).await;
}

async fn fetching_all_at_once_and_one_after_the_other_is_the_same(world: &dyn World) {
    for raw in corpus::messages(30, 5) {
        world.deliver(ANNA, &raw);
    }
    for way in world.receiving() {
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let handed = fetch(&mut session, listing.messages(), Part::Whole).await;
        for (listed, handed) in listing.messages().iter().zip(handed) {
            let fetched = session.fetch(std::slice::from_ref(listed), Part::Whole).await.unwrap();
            assert_eq!((fetched.len(), &fetched[0].content), (1, &handed));
        }
        session.delete_and_close(&[]).await.unwrap();
    }
}

async fn the_corpus_arrives_octet_by_octet(world: &dyn World) {
    arrives(world, &corpus::messages(60, 4)).await;
}

async fn odd_messages_arrive_octet_by_octet(world: &dyn World) {
    let large = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\r\n".repeat(32_264);
    assert!(large.len() > 2 * 1024 * 1024);
    let odd: [&[u8]; 17] = [
        b"",
        b"x",
        b"\r\n",
        b"\r\n\r\n",
        b"Subject: no end",
        b"Subject: header only\r\n",
        b"Subject: no body\r\n\r\n",
        b"Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n",
        b"Subject: last line without end\r\n\r\nbody",
        b"Subject: bare line feeds\n\none\n.\ntwo\n",
        b"Subject: bare CR\r\n\r\none\rtwo\r\n",
        b"Subject: 8 bit\r\n\r\n\xe4\xf6\xfc \xff\xfe \x80\r\n",
        b"Subject: NUL\r\n\r\none\0two\0\0\r\n",
        b"Subject: IMAP\r\n\r\n) FLAGS (\\Seen) {3}\r\nM1 OK done\r\n* BYE\r\n+ go\r\n",
        b"+OK 3 octets\r\n-ERR no\r\n\r\n+OK\r\n",
        b"From somebody@example.test Thu Jan  1 00:00:00 1970\r\nSubject: mbox\r\n\r\nFrom here\r\n>From there\r\n",
        &large,
    ];
    let mut delivered: Vec<Vec<u8>> = odd.iter().map(|raw| raw.to_vec()).collect();
    delivered.push([b"Subject: long\r\n\r\n", &b"x".repeat(100_000)[..], b"\r\n"].concat());
    delivered.push(b"X: y\r\n".repeat(5000));
    for size in [4095, 4096, 4097, 16 * 1024 - 1, 16 * 1024, 64 * 1024 + 1] {
        delivered.push([&b"Subject: size\r\n\r\n"[..], &b"z\r\n".repeat(size / 3)].concat());
    }
    arrives(world, &delivered).await;
}

async fn a_dot_may_be_the_first_octet(world: &dyn World) {
    let delivered =
        [".", ".\r\n", "..\r\n.\r\n", ".hidden\r\n\r\n.\r\n"].map(|text| text.as_bytes().to_vec());
    for raw in &delivered {
        world.deliver(ANNA, raw);
    }
    for way in world.receiving() {
        match world.first_dot(way.protocol()) {
            FirstDot::Kept => same_octets(world, way, &delivered).await,
            FirstDot::Lost => {}
        }
    }
}

async fn headers_alone_are_the_block_up_to_the_empty_line(world: &dyn World) {
    let bodies = ["", "one\r\n", "one\r\n\r\ntwo\r\n", &"long\r\n".repeat(50_000)];
    let header = |number: usize| format!("Subject: {number}\r\nX-Folded: a\r\n b\r\n\r\n");
    for (number, body) in bodies.iter().enumerate() {
        world.deliver(ANNA, format!("{}{body}", header(number)).as_bytes());
    }
    for way in world.receiving() {
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let contents = fetch(&mut session, listing.messages(), Part::Headers).await;
        session.delete_and_close(&[]).await.unwrap();
        for (number, content) in contents.iter().enumerate() {
            let Content::Bytes(octets) = content else { panic!("{way:?}, {number}: {content:?}") };
            // The empty line belongs to the answer in IMAP, and is left out in POP3.
            let text = String::from_utf8_lossy(octets);
            assert_eq!(format!("{}\r\n\r\n", text.trim_end()), header(number), "{way:?}");
        }
    }
    let whole = |line: &String| line.starts_with("RETR") || line.contains("BODY.PEEK[]");
    for way in world.receiving() {
        let protocol = way.protocol();
        let commands = world.commands(ANNA, protocol);
        assert!(!commands.iter().any(whole), "{commands:?}");
    }
}

/// By POP3, servers may keep their own notes: Dovecot marks what RETR has handed out, unless it is told not to.
async fn nothing_is_marked_as_read(world: &dyn World) {
    for raw in corpus::messages(5, 1) {
        world.deliver(ANNA, &raw);
    }
    let mut session = Client::receive(world, &How::to(world, Protocol::Imap)).await.unwrap();
    let listing = session.list(&Cursor::Start).await.unwrap();
    fetch(&mut session, listing.messages(), Part::Headers).await;
    fetch(&mut session, listing.messages(), Part::Whole).await;
    session.delete_and_close(&[]).await.unwrap();
    assert_eq!(world.seen(ANNA), 0);
    let changing = |line: &String| {
        let words = line.to_ascii_uppercase();
        words.starts_with("SELECT") && world.notes_numbers_at_once()
            || words.contains("STORE")
            || words.contains("BODY[")
    };
    let commands = world.commands(ANNA, Protocol::Imap);
    assert!(commands.iter().any(|line| line.contains("BODY.PEEK")), "{commands:?}");
    assert!(!commands.iter().any(changing), "{commands:?}");
}

async fn sizes_are_told_before_anything_is_fetched(world: &dyn World) {
    for lines in [1, 1000] {
        world.deliver(ANNA, format!("Subject: x\r\n\r\n{}", "line\r\n".repeat(lines)).as_bytes());
    }
    for way in world.receiving() {
        let mut session = Client::receive(world, &How::by(world, way)).await.unwrap();
        let listing = session.list(&Cursor::Start).await.unwrap();
        let sizes: Vec<Option<u64>> = listing.messages().iter().map(|listed| listed.size).collect();
        // Graph tells none.
        let expected = if way.is_graph() { [None, None] } else { [Some(20), Some(6014)] };
        assert_eq!(sizes, expected, "{way:?}");
        session.delete_and_close(&[]).await.unwrap();
    }
}
