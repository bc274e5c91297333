use super::*;

fn offered(names: &str) -> Vec<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

fn password(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn exchange(mechanism: Mechanism, nonce: &str) -> Exchange {
    Exchange::new(mechanism, "user", &password("pencil"), Nonce::from_text(nonce)).unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

const CLEAR: Channel = Channel::Clear { allowed: false };

#[test]
fn auto_takes_the_strongest_that_both_sides_speak() {
    for (names, expected) in [
        ("PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256", Mechanism::ScramSha256),
        ("login plain scram-sha-1", Mechanism::ScramSha1),
        ("LOGIN CRAM-MD5 PLAIN", Mechanism::CramMd5),
        ("LOGIN PLAIN XOAUTH2", Mechanism::Plain),
        ("LOGIN", Mechanism::Login),
    ] {
        let chosen = select(&offered(names), Authentication::Auto, Channel::Encrypted);
        assert_eq!(chosen, Ok(expected), "{names}");
    }
}

#[test]
fn a_password_crosses_a_clear_connection_only_if_the_host_allows_it() {
    let names = offered("PLAIN LOGIN");
    for wanted in [Authentication::Auto, Authentication::Plain, Authentication::Login] {
        assert_eq!(select(&names, wanted, CLEAR), Err(Cause::PlaintextLogin));
    }
    let allowed = Channel::Clear { allowed: true };
    assert_eq!(select(&names, Authentication::Auto, allowed), Ok(Mechanism::Plain));
}

#[test]
fn on_a_clear_connection_auto_takes_what_hides_the_password() {
    let names = offered("PLAIN CRAM-MD5");
    assert_eq!(select(&names, Authentication::Auto, CLEAR), Ok(Mechanism::CramMd5));
}

#[test]
fn a_mechanism_that_is_asked_for_is_not_replaced_by_another() {
    let error = select(&offered("PLAIN LOGIN"), Authentication::ScramSha256, Channel::Encrypted);
    assert_eq!(
        error,
        Err(Cause::NoMechanism { wanted: "SCRAM-SHA-256".to_owned(), offered: offered("PLAIN LOGIN") })
    );
}

#[test]
fn an_empty_offer_is_named_as_such() {
    let Err(cause) = select(&[], Authentication::Auto, Channel::Encrypted) else { panic!("no mechanism") };
    assert!(cause.to_string().ends_with("it offers nothing"), "{cause}");
}

#[test]
fn negotiate_is_kerberos_or_ntlm_where_there_is_none() {
    let choose = |names: &str, wanted| select(&offered(names), wanted, Channel::Encrypted);
    assert_eq!(choose("PLAIN GSSAPI NTLM", Authentication::Negotiate), Ok(Mechanism::Gssapi));
    assert_eq!(choose("PLAIN NTLM", Authentication::Negotiate), Ok(Mechanism::Ntlm));
    assert!(matches!(choose("PLAIN", Authentication::Negotiate), Err(Cause::NoMechanism { .. })));
    assert_eq!(choose("NTLM GSSAPI", Authentication::Gssapi), Ok(Mechanism::Gssapi));
    assert_eq!(choose("LOGIN NTLM PLAIN", Authentication::Auto), Ok(Mechanism::Ntlm));
    // It exists over HTTP only.
    assert!(matches!(choose("PLAIN", Authentication::Basic), Err(Cause::Unsupported { .. })));
}

#[test]
fn plain_says_all_at_once() {
    let mut exchange = exchange(Mechanism::Plain, "");
    assert_eq!(exchange.initial().unwrap(), b"\0user\0pencil");
    assert_eq!(exchange.finish(), Ok(()));
    assert!(exchange.respond(b"more?").is_err());
}

#[test]
fn login_answers_two_prompts_whatever_they_say() {
    let mut exchange = exchange(Mechanism::Login, "");
    assert_eq!(exchange.initial(), None);
    assert!(exchange.finish().is_err());
    assert_eq!(exchange.respond(b"Username:").unwrap(), b"user");
    assert_eq!(exchange.respond(b"Kennwort?").unwrap(), b"pencil");
    assert_eq!(exchange.finish(), Ok(()));
    assert!(exchange.respond(b"Realm:").is_err());
}

#[test]
fn a_nul_cannot_shift_the_fields_of_plain() {
    let made = Exchange::new(Mechanism::Plain, "admin\0user", &password("x"), Nonce::from_text(""));
    assert!(matches!(made, Err(Cause::Unsupported { .. })));
}

/// RFC 5802 section 5.
#[test]
fn scram_sha_1_is_that_of_its_rfc() {
    let mut exchange = exchange(Mechanism::ScramSha1, "fyko+d2lbbFgONRv9qkxdawL");
    assert_eq!(text(exchange.initial().unwrap()), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    let answer =
        exchange.respond(b"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096").unwrap();
    assert_eq!(
        text(answer),
        "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="
    );
    assert!(exchange.finish().is_err(), "not before the server's proof");
    assert_eq!(exchange.respond(b"v=rmF9pqV8S7suAoZWja4dJRkFsKQ=").unwrap(), b"");
    assert_eq!(exchange.finish(), Ok(()));
}

const SHA256_NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SHA256_SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

/// RFC 7677 section 3.
#[test]
fn scram_sha_256_is_that_of_its_rfc() {
    let mut exchange = exchange(Mechanism::ScramSha256, SHA256_NONCE);
    assert_eq!(text(exchange.initial().unwrap()), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let answer = exchange.respond(SHA256_SERVER_FIRST.as_bytes()).unwrap();
    assert_eq!(
        text(answer),
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
         p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    );
    exchange.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
    assert_eq!(exchange.finish(), Ok(()));
}

#[test]
fn a_server_that_cannot_prove_itself_is_not_believed() {
    for last in ["v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "", "x"] {
        let mut exchange = exchange(Mechanism::ScramSha256, SHA256_NONCE);
        exchange.respond(SHA256_SERVER_FIRST.as_bytes()).unwrap();
        assert!(matches!(exchange.respond(last.as_bytes()), Err(Cause::Garbage { .. })), "{last}");
        assert!(exchange.finish().is_err(), "{last}");
    }
}

#[test]
fn a_scram_refusal_is_a_refused_login() {
    let mut exchange = exchange(Mechanism::ScramSha256, SHA256_NONCE);
    exchange.respond(SHA256_SERVER_FIRST.as_bytes()).unwrap();
    let refused = Cause::LoginRefused { said: "invalid-proof".to_owned() };
    assert_eq!(exchange.respond(b"e=invalid-proof"), Err(refused));
}

#[test]
fn a_hostile_server_first_message_is_an_error() {
    let long = format!("r={SHA256_NONCE}x,s=AAAA,i=99999999999999999999");
    for challenge in [
        "",
        "r",
        "r=",
        "m=x,r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=4096",
        "r=somebodyelses,s=AAAA,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s",
        "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i",
        "r=rOprNGfwEbeRWgbNEkqOx,s=?,i=4096",
        "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=0",
        "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1",
        "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=-1",
        "r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=4294967295",
        &long,
    ] {
        let mut exchange = exchange(Mechanism::ScramSha256, SHA256_NONCE);
        assert!(exchange.respond(challenge.as_bytes()).is_err(), "{challenge}");
        assert!(exchange.finish().is_err(), "{challenge}");
    }
}

#[test]
fn commas_and_equals_signs_in_a_user_name_are_escaped() {
    let nonce = Nonce::from_text("n");
    let exchange = Exchange::new(Mechanism::ScramSha1, "a=b,c", &password("x"), nonce).unwrap();
    assert_eq!(text(exchange.initial().unwrap()), "n,,n=a=3Db=2Cc,r=n");
}
