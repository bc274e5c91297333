//! CRAM-MD5 (RFC 2195). Weak, and still the best that some old servers offer on a connection without TLS.
//!
//! MD5 (RFC 1321) stands here because this login is its only use in the product, and no crate in the tree has it.

use std::fmt::Write as _;

use zeroize::Zeroizing;

use crate::model::secret::Secret;

/// `username SPACE hex(HMAC-MD5(password, challenge))`.
pub(super) fn respond(challenge: &[u8], username: &str, password: &Secret<String>) -> Vec<u8> {
    let mut answer = format!("{username} ");
    for byte in hmac(password.expose().as_bytes(), challenge) {
        let _ = write!(answer, "{byte:02x}");
    }
    answer.into_bytes()
}

const BLOCK_BYTES: usize = 64;

/// RFC 2104.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 16] {
    let mut block = Zeroizing::new([0u8; BLOCK_BYTES]);
    if key.len() > BLOCK_BYTES {
        block[..16].copy_from_slice(&md5(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8, rest: &[u8]| {
        let mut text = Zeroizing::new(block.map(|byte| byte ^ pad).to_vec());
        text.extend_from_slice(rest);
        md5(&text)
    };
    let inner = padded(0x36, message);
    padded(0x5c, &inner)
}

const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The table `T` of RFC 1321 section 3.4: the integer part of 2³² · |sin(i + 1)|.
fn sine(index: usize) -> u32 {
    let angle = f64::from(u32::try_from(index + 1).unwrap_or(u32::MAX));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "|sin| · 2³² is below 2³²")]
    let value = (angle.sin().abs() * 4_294_967_296.0) as u32;
    value
}

fn md5(message: &[u8]) -> [u8; 16] {
    let mut padded = Zeroizing::new(message.to_vec());
    padded.push(0x80);
    while padded.len() % BLOCK_BYTES != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64 * 8).to_le_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(BLOCK_BYTES) {
        let words: Vec<u32> = block
            .chunks_exact(4)
            .map(|word| word.iter().rev().fold(0, |value, byte| (value << 8) | u32::from(*byte)))
            .collect();
        state = mix(state, &words);
    }
    let mut digest = [0; 16];
    for (place, word) in digest.chunks_exact_mut(4).zip(state) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

/// The four rounds over one block of sixteen words.
fn mix(state: [u32; 4], words: &[u32]) -> [u32; 4] {
    let [mut a, mut b, mut c, mut d] = state;
    for step in 0..64 {
        let round = step / 16;
        let (blend, word) = match round {
            0 => ((b & c) | (!b & d), step),
            1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
            2 => (b ^ c ^ d, (3 * step + 5) % 16),
            _ => (c ^ (b | !d), (7 * step) % 16),
        };
        let sum = a.wrapping_add(blend).wrapping_add(sine(step)).wrapping_add(words[word]);
        (a, d, c) = (d, c, b);
        b = b.wrapping_add(sum.rotate_left(SHIFTS[round][step % 4]));
    }
    [state[0].wrapping_add(a), state[1].wrapping_add(b), state[2].wrapping_add(c), state[3].wrapping_add(d)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn md5_is_that_of_rfc_1321() {
        for (text, digest) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("abc", "900150983cd24fb0d6963f7d28e17f72"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57edf4a22be3c955ac49da2e2107b67a",
            ),
        ] {
            assert_eq!(hex(&md5(text.as_bytes())), digest);
        }
    }

    #[test]
    fn a_key_longer_than_a_block_is_hashed_first() {
        // RFC 2202 section 2, test case 6.
        let digest = hmac(&[0xaa; 80], b"Test Using Larger Than Block-Size Key - Hash Key First");
        assert_eq!(hex(&digest), "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
    }

    #[test]
    fn the_answer_is_that_of_rfc_2195() {
        let password = Secret::new("tanstaaftanstaaf".to_owned());
        let answer = respond(b"<1896.697170952@postoffice.reston.mci.net>", "tim", &password);
        assert_eq!(answer, b"tim b913a602c7eda7a495b4e6e7334d3890");
    }
}
