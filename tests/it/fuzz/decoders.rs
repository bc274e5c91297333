//! The decoders, one line each, and how an input is put into them.

use bytes::BytesMut;
use jiff::Timestamp;

use mailplumb::manifest;
use mailplumb::model::certificate;
use mailplumb::model::cursor::Part;
use mailplumb::model::host::HostSettings;
use mailplumb::model::name::{Address, Name};
use mailplumb::model::problem::SourceFile;
use mailplumb::model::profile::Authentication;
use mailplumb::model::secret::{Secret, SecretRef};
use mailplumb::plan::{saved, snapshot};
use mailplumb::protocol::compose::{self, MessageId};
use mailplumb::protocol::sasl::{Channel, Exchange, Mechanism, Nonce};
use mailplumb::protocol::{
    Conversation, Progress, autodiscover, disguise, ews, graph, http, http_auth, imap, ntlm, oauth2, pop3,
    smtp, spnego,
};
use mailplumb::secrets::bundle;
use mailplumb::secrets::environment::Environment;
use mailplumb::secrets::identity::{Discovery, Keyring};
use mailplumb::sync::message;
use mailplumb::sync::mime::{self, Allowed};

use super::Decoder;

#[rustfmt::skip]
pub(super) const ALL: &[Decoder] = &[
    Decoder { name: "imap-greeting", feed: imap_greeting, reads: &["src/protocol/imap/greet.rs", "src/protocol/imap/reader.rs", "src/protocol/imap/response.rs"] },
    Decoder { name: "imap-capability", feed: imap_capability, reads: &["src/protocol/imap/capability.rs", "src/protocol/imap/exchange.rs"] },
    Decoder { name: "imap-login", feed: imap_login, reads: &["src/protocol/imap/authenticate.rs"] },
    Decoder { name: "imap-inbox", feed: imap_inbox, reads: &["src/protocol/imap/inbox.rs", "src/protocol/imap/idle.rs"] },
    Decoder { name: "imap-list", feed: imap_list, reads: &["src/protocol/imap/list.rs"] },
    Decoder { name: "imap-search", feed: imap_search, reads: &["src/protocol/imap/search.rs"] },
    Decoder { name: "imap-fetch", feed: imap_fetch, reads: &["src/protocol/imap/fetch.rs", "src/protocol/imap/fetch_each.rs", "src/protocol/imap/fetch_line.rs"] },
    Decoder { name: "imap-delete", feed: imap_delete, reads: &["src/protocol/imap/delete.rs"] },
    Decoder { name: "pop3-opening", feed: pop3_opening, reads: &["src/protocol/pop3/opening.rs", "src/protocol/pop3/reply.rs"] },
    Decoder { name: "pop3-login", feed: pop3_login, reads: &["src/protocol/pop3/login.rs"] },
    Decoder { name: "pop3-listing", feed: pop3_listing, reads: &["src/protocol/pop3/listing.rs", "src/protocol/pop3/identity.rs"] },
    Decoder { name: "pop3-retrieval", feed: pop3_retrieval, reads: &["src/protocol/pop3/retrieval.rs", "src/protocol/pop3/body.rs"] },
    Decoder { name: "pop3-removal", feed: pop3_removal, reads: &["src/protocol/pop3/removal.rs"] },
    Decoder { name: "smtp-hello", feed: smtp_hello, reads: &["src/protocol/smtp/hello.rs", "src/protocol/smtp/reply.rs", "src/protocol/smtp/command.rs"] },
    Decoder { name: "smtp-login", feed: smtp_login, reads: &["src/protocol/smtp/login.rs"] },
    Decoder { name: "smtp-envelope", feed: smtp_envelope, reads: &["src/protocol/smtp/envelope.rs"] },
    Decoder { name: "smtp-delivery", feed: smtp_delivery, reads: &["src/protocol/smtp/delivery.rs", "src/protocol/smtp/content.rs", "src/protocol/smtp/recode.rs", "src/protocol/smtp/recode/encoding.rs", "src/protocol/smtp/recode/header.rs"] },
    Decoder { name: "sasl-challenge", feed: sasl_challenge, reads: &["src/protocol/sasl/mod.rs", "src/protocol/sasl/scram.rs", "src/protocol/sasl/cram_md5.rs", "src/protocol/sasl/gssapi.rs", "src/protocol/sasl/token.rs"] },
    Decoder { name: "http-offers", feed: http_offers, reads: &["src/protocol/http_auth.rs"] },
    Decoder { name: "ntlm-challenge", feed: ntlm_challenge, reads: &["src/protocol/ntlm/challenge.rs", "src/protocol/ntlm/keys.rs", "src/protocol/ntlm/message.rs", "src/protocol/ntlm/mod.rs", "src/protocol/spnego.rs"] },
    Decoder { name: "disguised-words", feed: disguised_words, reads: &["src/protocol/disguise.rs"] },
    Decoder { name: "oauth2-answer", feed: oauth2_answer, reads: &["src/protocol/oauth2.rs"] },
    Decoder { name: "http-answer", feed: http_answer, reads: &["src/protocol/http.rs", "src/protocol/http/blame.rs", "src/protocol/ews/status.rs"] },
    Decoder { name: "ews-answer", feed: ews_answer, reads: &["src/protocol/ews/mod.rs", "src/protocol/ews/element.rs", "src/protocol/ews/split.rs", "src/protocol/ews/streaming.rs", "src/protocol/ews/rebuilt.rs"] },
    Decoder { name: "autodiscover-answer", feed: autodiscover_answer, reads: &["src/protocol/autodiscover/mod.rs", "src/protocol/autodiscover/pox.rs", "src/protocol/autodiscover/soap.rs", "src/protocol/autodiscover/search.rs"] },
    Decoder { name: "graph-answer", feed: graph_answer, reads: &["src/protocol/graph/mod.rs", "src/protocol/graph/document.rs", "src/protocol/graph/refusal.rs", "src/protocol/graph/messages_delta.rs", "src/protocol/graph/batch.rs", "src/protocol/graph/find_messages.rs", "src/protocol/graph/create_message.rs", "src/protocol/graph/get_mail_folder.rs", "src/protocol/graph/list_mail_folders.rs", "src/protocol/graph/create_mail_folder.rs", "src/protocol/graph/move_message.rs", "src/protocol/graph/apart.rs", "src/protocol/graph/create_upload_session.rs", "src/protocol/graph/list_attachments.rs", "src/protocol/graph/message_rules.rs", "src/protocol/graph/get_message.rs", "src/protocol/graph/upload.rs"] },
    Decoder { name: "message", feed: message_facts, reads: &["src/sync/message.rs", "src/sync/forwarded.rs", "src/sync/incoming.rs", "src/sync/report.rs", "src/sync/mime/content.rs", "src/sync/mime/decode.rs", "src/sync/mime/fields.rs", "src/sync/mime/header.rs", "src/sync/mime/mod.rs", "src/sync/mime/pieces.rs", "src/sync/mime/split.rs", "src/sync/mime/words.rs"] },
    Decoder { name: "compose", feed: composed, reads: &["src/protocol/compose.rs"] },
    Decoder { name: "certificate", feed: certificate_facts, reads: &["src/model/certificate.rs"] },
    Decoder { name: "manifest", feed: manifest_file, reads: &["src/manifest/text.rs", "src/manifest/arena.rs", "src/manifest/arena/plain.rs", "src/manifest/csv.rs", "src/manifest/resolve/certificate.rs", "src/manifest/resolve/ciphertext.rs", "src/manifest/place.rs", "src/manifest/format/layout.rs"] },
    Decoder { name: "manifest-edit", feed: manifest_edit, reads: &["src/manifest/edit.rs"] },
    Decoder { name: "host-file", feed: host_file, reads: &["src/manifest/host.rs"] },
    Decoder { name: "secret-bundle", feed: secret_bundle, reads: &["src/secrets/bundle.rs"] },
    Decoder { name: "identity-file", feed: identity_file, reads: &["src/secrets/parse.rs", "src/secrets/read.rs"] },
    Decoder { name: "saved-plan", feed: saved_plan, reads: &["src/plan/saved.rs"] },
    Decoder { name: "snapshot", feed: stored_snapshot, reads: &["src/plan/snapshot.rs"] },
    Decoder { name: "stored-json", feed: stored_json, reads: &["src/model/footing.rs", "src/model/ledger.rs", "src/model/operation.rs", "src/model/record.rs"] },
    Decoder { name: "words", feed: words, reads: &["src/model/name.rs", "src/model/selection.rs"] },
];

/// Files that look as if they decoded and do not read what others wrote.
#[rustfmt::skip]
pub(super) const READS_NOTHING_FOREIGN: &[(&str, &str)] = &[
    ("src/secrets/plugin.rs", "cuts and cleans words for people, and reads process numbers of the kernel"),
    ("src/remote/ews/tracking.rs", "reads back what it has put into the store; states of servers are texts in it"),
    ("src/protocol/md5.rs", "digests octets"),
    ("src/protocol/shelf.rs", "keeps octets next to each other, and looks at none of them"),
    ("src/sync/samples.rs", "values that tests begin with"),
    ("src/protocol/mod.rs", "the trait, without a reader"),
    ("src/manifest/memory.rs", "reads its own cache beside the store, which is keyed and checked by a digest"),
    ("src/manifest/recall.rs", "reads the same cache"),
    ("src/model/secret.rs", "digests octets"),
    ("src/protocol/ews/write.rs", "writes"),
    ("src/remote/discovery.rs", "hands questions and answers on"),
    ("src/protocol/assertion.rs", "writes"),
    ("src/protocol/graph/attachment_value.rs", "reads nothing of the answer"),
    ("src/protocol/graph/create_attachment.rs", "reads nothing of the answer"),
    ("src/remote/graph/line.rs", "hands the answer to `Uploaded` and `Refusal`, which are"),
    ("src/protocol/graph/delete_message.rs", "reads nothing of the answer"),
    ("src/protocol/graph/message_value.rs", "reads nothing of the answer"),
    ("src/protocol/graph/send_mail.rs", "reads nothing of the answer"),
    ("src/protocol/graph/send_message.rs", "reads nothing of the answer"),
    ("src/protocol/graph/update_message.rs", "reads nothing of the answer"),
    ("src/remote/graph/sending.rs", "looks at the header of a message that is to be sent"),
    ("src/remote/graph/session.rs", "hands requests and answers on"),
    ("src/remote/ews/sending.rs", "looks at the header of a message that is to be sent"),
    ("src/remote/ews/session.rs", "hands requests and answers on"),
    ("src/remote/mod.rs", "traits"),
    ("src/remote/redact.rs", "replaces words in texts, and has its own properties"),
    ("src/remote/redact/forms.rs", "writes the forms that are looked for"),
    ("src/remote/smtp.rs", "hands a message on"),
    ("src/secrets/digest.rs", "digests octets"),
    ("src/secrets/open.rs", "age decrypts; what is in the ciphertext was sealed by whoever holds the key"),
    ("src/secrets/seal.rs", "encrypts"),
    ("src/source/cache.rs", "keeps octets by their digest"),
    ("src/source/directory.rs", "reads files without looking into them"),
    ("src/source/mod.rs", "digests files"),
];

fn http_offers(said: &[u8]) {
    let text = String::from_utf8_lossy(said);
    if let Ok(offers) = http_auth::Offers::read(text.lines()) {
        for holder in [http_auth::Holder::Password, http_auth::Holder::Ticket, http_auth::Holder::AccessToken]
        {
            let _ = http_auth::select(&offers, Authentication::Auto, holder, Channel::Encrypted);
        }
        let _ = offers.names();
    }
}

fn certificate_facts(der: &[u8]) {
    let _ = (certificate::facts(der), certificate::public_key(der), certificate::end_point(der));
}

/// By itself, and inside SPNEGO.
fn ntlm_challenge(said: &[u8]) {
    let (first, password) = (ntlm::negotiate(), password());
    let answer = |challenge: &[u8]| {
        let binding = Some(ntlm::Binding(&[7; 32]));
        let (username, service) = ("CONTOSO\\anna", "HTTP/mail.contoso.example");
        let login = ntlm::Login {
            username,
            password: &password,
            service,
            binding,
            nonce: [7; 8],
            now_nanoseconds: 0,
        };
        if let Ok(answered) = ntlm::answer(&login, &first, challenge) {
            let _ = spnego::answer(&answered);
        }
    };
    answer(said);
    if let Ok(spnego::Response { token: Some(challenge), .. }) = spnego::read(said) {
        answer(challenge);
    }
}

/// Says everything at once, and in pieces, and lets the conversation come to its end or to asking for more.
fn hear<C: Conversation>(make: impl Fn() -> C, said: &[u8]) {
    for piece in [usize::MAX, 7] {
        let mut conversation = make();
        let mut input = BytesMut::new();
        let mut pieces = said.chunks(piece.min(said.len().max(1)));
        // A conversation that neither ends nor takes anything in for so long runs on.
        let turns_max = 4 * said.len() + 100;
        let mut turns = 0;
        loop {
            turns += 1;
            assert!(turns < turns_max, "it runs on");
            match conversation.advance(&mut input) {
                Ok(Progress::Send(_)) => {}
                Ok(Progress::NeedInput) => match pieces.next() {
                    Some(piece) => input.extend_from_slice(piece),
                    None => break,
                },
                Ok(Progress::Done(_)) | Err(_) => break,
            }
        }
    }
}

fn tag() -> imap::Tag {
    imap::Tags::default().next_tag()
}

fn password() -> Secret<String> {
    Secret::new("geheim".to_owned())
}

const MECHANISMS: [Mechanism; 7] = [
    Mechanism::ScramSha256,
    Mechanism::ScramSha1,
    Mechanism::CramMd5,
    Mechanism::Login,
    Mechanism::Plain,
    Mechanism::Oauthbearer,
    Mechanism::Xoauth2,
];

fn exchange(mechanism: Mechanism) -> Exchange {
    Exchange::new(mechanism, "anna", &password(), Nonce::from_random([7; 18])).unwrap()
}

fn imap_greeting(said: &[u8]) {
    hear(imap::greet, said);
    hear(|| imap::start_tls(tag()), said);
}

fn imap_capability(said: &[u8]) {
    hear(|| imap::ask_capabilities(tag()), said);
}

fn imap_login(said: &[u8]) {
    let none = imap::Capabilities::default();
    hear(|| imap::login(tag(), &none, "anna", "geheim \"ä\"").unwrap(), said);
    for mechanism in MECHANISMS {
        hear(|| imap::authenticate(tag(), &none, mechanism, exchange(mechanism)), said);
    }
}

fn imap_inbox(said: &[u8]) {
    for access in [imap::Access::ReadOnly, imap::Access::ReadWrite] {
        hear(|| imap::open_inbox(tag(), access), said);
    }
    hear(|| imap::idle(tag()), said);
}

fn imap_list(said: &[u8]) {
    hear(|| imap::list_from(tag(), 1, 1, None), said);
}

fn imap_search(said: &[u8]) {
    for searching in [imap::Searching::Extended, imap::Searching::Plain] {
        hear(|| imap::search_since(tag(), searching, jiff::civil::date(2026, 11, 1)), said);
    }
}

fn imap_fetch(said: &[u8]) {
    for part in [Part::Whole, Part::Headers] {
        hear(|| imap::fetch(tag(), [1, 2, 7].into(), part), said);
    }
    hear(|| imap::FetchEach::new(Box::leak(Box::default()), [1, 2, 7].into()), said);
}

fn imap_delete(said: &[u8]) {
    hear(|| imap::flag_deleted(tag(), "1,2,7", 3), said);
    hear(|| imap::expunge(tag(), "1,2,7", 3), said);
    hear(|| imap::logout(tag()), said);
}

fn pop3_opening(said: &[u8]) {
    hear(pop3::Greet::default, said);
    hear(pop3::AskCapabilities::default, said);
    hear(pop3::MailboxSize::default, said);
}

fn pop3_login(said: &[u8]) {
    let told = ["PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256"].map(str::to_owned).to_vec();
    let offers = [
        pop3::Capabilities::Untold,
        pop3::Capabilities::Told([("SASL".to_owned(), told)].into_iter().collect()),
    ];
    let wanted =
        [Authentication::Auto, Authentication::Plain, Authentication::Login, Authentication::CramMd5];
    for (offer, wanted) in offers.iter().flat_map(|offer| wanted.map(|wanted| (offer, wanted))) {
        let password = password();
        let begun = || match pop3::choose_method(offer, wanted, Channel::Encrypted)? {
            pop3::Method::UserPass => pop3::Authenticate::user_pass("anna", &password),
            pop3::Method::Sasl(mechanism) => {
                let nonce = Nonce::from_random([7; 18]);
                let exchange = Exchange::new(mechanism, "anna", &password, nonce)?;
                Ok(pop3::Authenticate::sasl(mechanism, exchange))
            }
        };
        if begun().is_ok() {
            hear(|| begun().unwrap_or_else(|_| panic!("it was begun before")), said);
        }
    }
}

const PIPELINING: [pop3::Pipelining; 2] = [pop3::Pipelining::Offered, pop3::Pipelining::NotOffered];

fn pop3_listing(said: &[u8]) {
    for pipelining in PIPELINING {
        hear(|| pop3::ListAll::new(pipelining), said);
    }
    let _ = pop3::identity::HeaderMark::of(said);
}

fn pop3_retrieval(said: &[u8]) {
    for pipelining in PIPELINING {
        for part in [Part::Whole, Part::Headers] {
            hear(|| pop3::Retrieve::new(vec![1, 2, 7], part, pipelining), said);
        }
    }
}

fn pop3_removal(said: &[u8]) {
    for pipelining in PIPELINING {
        hear(|| pop3::RemoveAndQuit::new(vec![1, 2], pipelining), said);
    }
}

fn smtp_hello(said: &[u8]) {
    hear(|| smtp::Hello::greeted("a.example"), said);
    hear(|| smtp::Hello::again("a.example"), said);
    hear(smtp::StartTls::default, said);
    hear(smtp::Quit::default, said);
}

fn smtp_login(said: &[u8]) {
    for mechanism in MECHANISMS {
        hear(|| smtp::Login::new(mechanism, exchange(mechanism)), said);
    }
}

fn smtp_envelope(said: &[u8]) {
    let from = Address::parse("a@a.example").unwrap();
    let to = ["b@b.example", "c@c.example"].map(|text| Address::parse(text).unwrap());
    let content = smtp::Content::prepare(b"x\n");
    hear(|| smtp::Envelope::new(&from, &to, &content, &smtp::Capabilities::default()), said);
}

fn smtp_delivery(said: &[u8]) {
    let _ = smtp::Content::prepare(said).fitting(&smtp::Capabilities::default());
    for transfer in [smtp::Transfer::Data, smtp::Transfer::Chunk] {
        hear(|| smtp::Delivery::new(&smtp::Content::prepare(b"x\n"), transfer), said);
        hear(|| smtp::Delivery::new(&smtp::Content::prepare(said), transfer), b"250 ok\r\n");
    }
    for next in [smtp::Next::LoneDot, smtp::Next::Deliver] {
        hear(|| smtp::Abandon::new(next), said);
    }
}

fn sasl_challenge(said: &[u8]) {
    for mechanism in MECHANISMS {
        let mut exchange = exchange(mechanism);
        let _ = exchange.initial();
        for challenge in said.split(|byte| *byte == b'\n').take(4) {
            if exchange.respond(&with_little_work(challenge)).is_err() {
                break;
            }
        }
        let _ = exchange.finish();
    }
}

/// A number of iterations that is allowed costs up to a second and decides nothing; the bounds have a test of their own.
fn with_little_work(challenge: &[u8]) -> Vec<u8> {
    use mailplumb::model::limits::{SCRAM_ITERATIONS_MAX, SCRAM_ITERATIONS_MIN};
    let Some(at) = challenge.windows(3).position(|octets| octets == b",i=") else {
        return challenge.to_vec();
    };
    let (before, rest) = challenge.split_at(at + 3);
    let digits = rest.iter().take_while(|octet| octet.is_ascii_digit()).count();
    let asked = String::from_utf8_lossy(&rest[..digits]).parse::<u32>();
    match asked {
        Ok(count) if (SCRAM_ITERATIONS_MIN..=SCRAM_ITERATIONS_MAX).contains(&count) => {
            [before, SCRAM_ITERATIONS_MIN.to_string().as_bytes(), &rest[digits..]].concat()
        }
        Ok(_) | Err(_) => challenge.to_vec(),
    }
}

fn disguised_words(said: &[u8]) {
    let words = mailplumb::model::failure::server_words(&String::from_utf8_lossy(said));
    let mut end = 0;
    for (from, to) in disguise::places(&words, "hunter2!", 4) {
        assert!(words.get(from..to).is_some() && from >= end && from < to, "{from}..{to} of {words}");
        end = to;
    }
}

fn oauth2_answer(said: &[u8]) {
    for status in [200, 302, 400, 401, 429, 503] {
        if let Ok(oauth2::Grant { token, lifetime }) = oauth2::parse(status, said) {
            assert!(token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
            assert!(lifetime <= mailplumb::model::limits::TOKEN_LIFETIME_MAX);
        }
    }
}

fn http_answer(said: &[u8]) {
    let request = http::Request {
        method: http::Method::Post,
        host: "h",
        path: "/",
        authorization: None,
        fields: &[],
        body: b"<a/>",
    };
    hear(|| http::Exchange::new(&request), said);
    let mut exchange = http::Exchange::new(&request);
    let mut input = BytesMut::from(said);
    let _ = exchange.advance(&mut input);
    if let Ok(Progress::Done(head)) = exchange.advance(&mut input) {
        assert!(!ews::status::refused(&head, said).to_string().is_empty());
        let _ = ews::status::is_answer(said);
    }
}

/// Both dialects, and what a search makes of it.
fn autodiscover_answer(said: &[u8]) {
    use autodiscover::{Dialect, Heard, Search};
    use mailplumb::model::limits;
    for dialect in [Dialect::Soap, Dialect::Pox] {
        let Ok(answer) = dialect.read(said) else { continue };
        let mut search = Search::new(&Address::parse("anna@contoso.example").unwrap(), &[]);
        let mut asks = 0;
        while let Some(ask) = search.next_ask() {
            asks += 1;
            assert!(asks <= limits::AUTODISCOVER_ASKS_MAX);
            if let Some(found) = search.hear(&ask, Heard::Answer(answer.clone())).found {
                assert!(search.allowed().kin(&found.host).is_some(), "{found}");
                break;
            }
        }
    }
    let mut search = Search::new(&Address::parse("anna@contoso.example").unwrap(), &[]);
    while let Some(ask) = search.next_ask() {
        search.hear(&ask, Heard::Moved(String::from_utf8_lossy(said).into_owned()));
    }
    assert!(!search.failure().to_string().is_empty());
}

fn ews_answer(said: &[u8]) {
    let mut splitter = ews::Splitter::default();
    let (mut octets, mut ended) = (0, 0);
    for piece in said.chunks(11) {
        let fed = splitter.feed(piece, &mut |found| match found {
            ews::Found::Octets(some) => octets += some.len(),
            ews::Found::Garbled => {}
            ews::Found::End(number) => {
                assert_eq!(number, ended);
                ended += 1;
            }
        });
        if fed.is_err() {
            return;
        }
    }
    assert!(octets <= said.len(), "base64 makes nothing longer");
    let mut stream = ews::StreamedEnvelopes::default();
    if stream.feed(said).is_ok() {
        while stream.next_envelope().is_some_and(|envelope| !envelope.is_empty()) {}
    }
    let Ok(document) = splitter.into_document() else { return };
    let _ = ews::server_version(&document);
    let inbox = || ews::FolderRef::Own(ews::WellKnown::Inbox);
    let items =
        ews::GetItem { ids: vec![ews::ItemId::new("A")], mime: ews::item::WithMime::Yes, fields: &[] };
    let _ = ews::read(&items, &document);
    let whole =
        ews::GetItemProperties { id: ews::ItemId::new("A"), body: ews::item_properties::WithBody::Yes };
    if let Ok(properties) = ews::read(&whole, &document) {
        let (frame, beginning) = ews::rebuilt::Rebuilt::begin(&properties, "no");
        for place in [ews::rebuilt::Place::InText, ews::rebuilt::Place::Attached] {
            let ends = |it| frame.attachment(it, place).ends_with(b"\r\n\r\n");
            assert!(properties.attachments.iter().all(ends));
        }
        let _ = properties.attachments.iter().filter(|it| properties.shows(it)).count();
        assert!(beginning.windows(4).any(|window| window == b"\r\n\r\n"), "it has a header of its own");
    }
    let _ = ews::read(
        &ews::SyncFolderItems { folder: inbox(), state: None, changes_max: 1, further: &[] },
        &document,
    );
    let _ = ews::read(&ews::GetFolder { folder: inbox() }, &document);
    let mailbox = Address::parse("a@b.example").unwrap();
    let _ = ews::read(&ews::GetInboxRules { mailbox }, &document);
    let _ = ews::read(&ews::GetStreamingEvents { subscriptions: vec![], minutes: 1 }, &document);
}

/// As each answer that there is, and as a refusal.
fn graph_answer(said: &[u8]) {
    use graph::Operation;
    const HOST: &str = "graph.microsoft.com";
    let user = Address::parse("a@b.example").unwrap();
    let delta = |position| graph::MessagesDelta {
        host: HOST,
        folder: graph::Folder::Inbox,
        position,
        about: graph::About::Arrival,
        page: 1,
    };
    if let Ok(page) = delta(graph::Position::Start).read(said) {
        let (graph::Next::Page(link) | graph::Next::Round(link)) = page.next;
        let call = delta(graph::Position::After(link)).call(&user);
        assert!(call.path.starts_with("/v1.0/") && !call.path.contains(['\r', '\n', ' ']), "{}", call.path);
    }
    let _ = graph::FindMessages { internet_message_id: "<1@x>" }.read(said);
    let _ = graph::CreateMessage { raw: b"" }.read(said);
    let _ = graph::GetMailFolder { folder: graph::Folder::Inbox }.read(said);
    let _ = graph::ListMailFolders { host: HOST, below: None, after: None }.read(said);
    let _ = graph::CreateMailFolder { below: None, name: String::new() }.read(said);
    let _ = graph::MoveMessage { id: "A", to: graph::Folder::Inbox }.read(said);
    let _ = graph::ListAttachments { message: "A", pictures: graph::Pictures::Told }.read(said);
    let _ = graph::ListMessageRules { host: HOST, after: None }.read(said);
    let _ = graph::GetMessage { id: "A", body: ews::item_properties::WithBody::Yes }.read(said);
    let _ = graph::Uploaded::read(200, said);
    let file = graph::File {
        name: String::new(),
        media_type: String::new(),
        content_id: None,
        display: graph::Display::Attached,
        content: Vec::new(),
    };
    if let Ok(opened) = (graph::CreateUploadSession { message: "A", file: &file, hosts: &[HOST] }).read(said)
    {
        assert_eq!(opened.place.host(), HOST);
    }
    if let Ok(apart) = graph::take_apart(said, 64) {
        assert!(apart.draft.len() <= 64);
    }
    let parts = vec![graph::DeleteMessage { id: "A" }.call(&user); 3];
    if let Ok(answers) = (graph::Batch { parts }).read(said) {
        assert_eq!(answers.len(), 3);
    }
    let octets = b"HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let method = http::Method::Get;
    let request = http::Request { method, host: "h", path: "/", authorization: None, fields: &[], body: b"" };
    let mut exchange = http::Exchange::new(&request);
    let mut input = BytesMut::from(&octets[..]);
    let _ = exchange.advance(&mut input);
    if let Ok(Progress::Done(head)) = exchange.advance(&mut input) {
        let refusal = graph::Refusal::of(&head, said);
        let _ = (refusal.is_missing(), refusal.has_forgotten(), refusal.took_too_long());
        assert!(!refusal.cause().to_string().is_empty());
    }
}

fn message_facts(raw: &[u8]) {
    let facts = message::parse(raw);
    let _ = message::parse_headers(raw);
    for attachment in facts.iter().flat_map(|facts| &facts.attachments) {
        assert!(attachment.start <= attachment.end && attachment.end <= raw.len() as u64, "{attachment:?}");
    }
    let blocked = ["exe".to_owned()];
    let content = mime::content(raw, Allowed { bytes_max: 1000, blocked_types: &blocked });
    assert!(
        !content.notes.iter().any(|note| note.contains("could not be taken apart")),
        "it panicked within"
    );
    if let Ok(facts) = facts {
        let unwrapped = mailplumb::sync::forwarded::unwrapped(raw, facts.clone());
        for (start, end) in unwrapped
            .attachments
            .iter()
            .map(|it| (it.start, it.end))
            .chain(unwrapped.forwarded.iter().map(|it| (it.start, it.end)))
        {
            assert!(start <= end && end <= raw.len() as u64, "{unwrapped:?}");
        }
        assert_eq!(facts.attachments.len(), content.attachments.len(), "the record and the content disagree");
    }
    for part in &content.attachments {
        let octets = mime::octets(raw, part.number).expect("it was listed");
        assert_eq!(octets.len() as u64, part.bytes);
        let name = &part.file_name;
        let is_safe = !name.is_empty() && name.len() < 200 && !name.starts_with(['.', '-']);
        assert!(is_safe && !name.contains(['/', '\\', '\0']), "{name:?}");
    }
    assert_eq!(mime::octets(raw, content.attachments.len() as u32 + 1), None);
}

fn composed(raw: &[u8]) {
    let _ = compose::prepare(raw, MessageId::parse("1@a.example").unwrap(), Timestamp::UNIX_EPOCH);
}

fn file(bytes: &[u8]) -> SourceFile {
    SourceFile {
        name: "manifest.yaml".into(),
        path: "manifest.yaml".into(),
        bytes: bytes.into(),
        layer: None,
        fault: None,
    }
}

fn manifest_file(bytes: &[u8]) {
    // A list beside it, for manifests that name one: it is made of the same octets.
    let list = SourceFile {
        name: "list.csv".into(),
        path: "list.csv".into(),
        bytes: bytes.into(),
        layer: None,
        fault: None,
    };
    let files = [file(bytes), list];
    let reading = manifest::read(&files, &HostSettings::default());
    let has_errors =
        reading.problems.iter().any(|problem| problem.severity == mailplumb::model::problem::Severity::Error);
    assert!(has_errors || reading.desired.is_some(), "neither a manifest nor a problem");
}

fn manifest_edit(bytes: &[u8]) {
    let secret = SecretRef { secret: Name::parse("mail").unwrap(), key: "password".to_owned() };
    let _ = manifest::edit::put_secret_value(
        &file(bytes),
        &secret,
        "-----BEGIN AGE ENCRYPTED FILE-----\nx\n",
        &[],
    );
}

fn host_file(bytes: &[u8]) {
    let _ = manifest::host::read(&file(bytes));
}

fn secret_bundle(bytes: &[u8]) {
    let _ = bundle::parse(bytes);
    let _ = bundle::lines(bytes);
    let _ = bundle::put(bytes, "key", &password());
}

fn identity_file(bytes: &[u8]) {
    // An identity that is encrypted with a passphrase costs a second to refuse, which is its purpose.
    if bytes.starts_with(b"age-encryption") || bytes.starts_with(b"-----BEGIN AGE") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("age.key");
    std::fs::write(&path, bytes).unwrap();
    let discovery =
        Discovery { named: &[path], environment: Environment::fixed([]), ask_passphrase: &|_| None };
    let _ = Keyring::discover(&discovery);
}

fn saved_plan(bytes: &[u8]) {
    let _ = saved::parse(&String::from_utf8_lossy(bytes));
}

fn stored_snapshot(bytes: &[u8]) {
    let _ = snapshot::parse(&String::from_utf8_lossy(bytes));
}

fn stored_json(bytes: &[u8]) {
    use mailplumb::model::{alert, ledger, operation, organization, outbox, pending, profile, record};
    let text = String::from_utf8_lossy(bytes);
    let _ = serde_json::from_str::<record::MessageFacts>(&text);
    let _ = serde_json::from_str::<ledger::Outcome>(&text);
    let _ = serde_json::from_str::<operation::OperationState>(&text);
    let _ = serde_json::from_str::<pending::Pending>(&text);
    let _ = serde_json::from_str::<profile::Profile>(&text);
    let _ = serde_json::from_str::<organization::Organization>(&text);
    let _ = serde_json::from_str::<alert::Alert>(&text);
    let _ = serde_json::from_str::<Vec<outbox::Recipient>>(&text);
}

fn words(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines() {
        let _ = Name::parse(line);
        let _ = Address::parse(line);
        let _ = MessageId::parse(line);
        let _ = mailplumb::model::selection::Selector::parse(line);
        let pattern = mailplumb::model::selection::Pattern::new(line);
        let _ = pattern.matches(&text);
    }
}
