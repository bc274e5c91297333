//! The example of MS-NLMP 4.2.4, and what servers must not get away with.

use super::challenge::Challenge;
use super::*;

const EPOCH_NANOSECONDS: i128 = -116_444_736_000_000_000 * 100;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// 4.2.4.3, the server's message.
fn example() -> Vec<u8> {
    bytes(
        "4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef 0000000000000000 2400240044000000
         060070170000000f 53006500720076006500720002000c0044006f006d00610069006e0001000c005300650072007600650072000000
         0000",
    )
}

fn login<'a>(username: &'a str, password: &'a Secret<String>, binding: Option<Binding<'a>>) -> Login<'a> {
    Login {
        username,
        password,
        service: "HTTP/mail.contoso.example",
        binding,
        nonce: [0xaa; 8],
        now_nanoseconds: EPOCH_NANOSECONDS,
    }
}

#[test]
fn the_published_example_comes_out() {
    let password = Secret::new("Password".to_owned());
    let login = login("Domain\\User", &password, None);
    let challenge = Challenge::read(&example()).unwrap();
    let echo = bytes("02000c0044006f006d00610069006e0001000c00530065007200760065007200 00000000");
    let identity = Identity::of(login.username);
    let keys = Keys::derive(&identity, &password, &challenge, &echo, &login);
    assert_eq!(&keys.nt_response[..16], bytes("68cd0ab851e51c96aabc927bebef6a1c"));
    assert_eq!(keys.lm_response[..], bytes("86c35097ac9cec102554764a57cccc19 aaaaaaaaaaaaaaaa"));
}

#[test]
fn every_shorter_or_damaged_challenge_is_refused_or_answered_and_never_panics() {
    let whole = example();
    let password = Secret::new("p".to_owned());
    for end in 0..whole.len() {
        assert!(answer(&login("a", &password, None), &negotiate(), &whole[..end]).is_err());
    }
    for place in 0..whole.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut damaged = whole.clone();
            damaged[place] = value;
            let _ = answer(&login("a", &password, None), &negotiate(), &damaged);
        }
    }
}

#[test]
fn a_server_without_version_two_is_not_answered() {
    let mut old = example();
    // Without extended session security.
    old[22] &= !0x08;
    let password = Secret::new("p".to_owned());
    let refused = answer(&login("a", &password, None), &negotiate(), &old);
    assert!(matches!(refused, Err(Cause::Garbage { detail }) if detail.contains("version 1")));
}

#[test]
fn the_login_is_bound_to_the_service_and_the_certificate() {
    let password = Secret::new("Password".to_owned());
    let bound = |binding| {
        let challenge = Challenge::read(&example()).unwrap();
        challenge::echo(&challenge, &login("a@b.example", &password, binding)).unwrap()
    };
    let free = bound(None);
    let service = utf16("HTTP/mail.contoso.example");
    assert!(free.windows(service.len()).any(|window| window == &service[..]));
    assert!(free.windows(20).any(|window| window[..4] == [10, 0, 16, 0] && window[4..] == [0; 16]));
    let tied = bound(Some(Binding(&[1; 32])));
    assert_ne!(tied, free);
    assert_ne!(tied, bound(Some(Binding(&[2; 32]))));
}
