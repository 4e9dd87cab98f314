//! One-time codes by time (RFC 6238 with SHA-1, six digits, thirty seconds: what every authenticator app shows).

use super::ids;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// Length of a step, seconds.
const STEP_S: i64 = 30;
/// A clock may be off by so many steps to either side.
const DRIFT: i64 = 1;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new secret, 160 bits in base 32.
pub fn new_secret() -> String {
    base32(&ids::random::<20>())
}

fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        text.extend((0..digits).map(|at| char::from(ALPHABET[((bits >> (35 - 5 * at)) & 31) as usize])));
    }
    text
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut n) = (0u64, 0);
    for c in text.bytes().filter(|c| *c != b'=' && *c != b' ') {
        let digit = ALPHABET.iter().position(|known| *known == c.to_ascii_uppercase())?;
        bits = (bits << 5) | digit as u64;
        n += 5;
        if n >= 8 {
            n -= 8;
            bytes.push((bits >> n) as u8);
            bits &= (1 << n) - 1;
        }
    }
    (!bytes.is_empty()).then_some(bytes)
}

fn code(secret: &[u8], step: i64) -> Option<String> {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).ok()?;
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let at = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes([hash[at] & 0x7f, hash[at + 1], hash[at + 2], hash[at + 3]]);
    Some(format!("{:06}", number % 1_000_000))
}

/// The step a code belongs to, if it is right now and later than `after`: a code counts once.
pub fn check(secret: &str, typed: &str, now_s: i64, after: i64) -> Option<i64> {
    let (secret, typed) = (unbase32(secret)?, typed.replace(' ', ""));
    let now = now_s / STEP_S;
    (now - DRIFT..=now + DRIFT)
        .filter(|step| *step > after)
        .find(|step| code(&secret, *step).is_some_and(|code| subtle::ConstantTimeEq::ct_eq(code.as_bytes(), typed.as_bytes()).into()))
}

/// Whether a secret has the 160 bits of those we make (RFC 4226 §4 R6).
pub fn is_long_enough(secret: &str) -> bool {
    unbase32(secret).is_some_and(|bytes| bytes.len() >= 20)
}

/// The address an authenticator app reads from a QR code.
pub fn address(secret: &str, account: &str, issuer: &str) -> String {
    let escape =
        |text: &str| text.bytes().map(|b| if b.is_ascii_alphanumeric() || b"-_.@".contains(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect::<String>();
    format!("otpauth://totp/{0}:{1}?secret={secret}&issuer={0}", escape(issuer), escape(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B (SHA-1), last six of the eight digits.
    #[test]
    fn codes_of_the_standard() {
        let secret = b"12345678901234567890";
        for (time, want) in [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")] {
            assert_eq!(code(secret, time / 30).unwrap(), want);
            assert_eq!(check(&base32(secret), want, time, 0), Some(time / 30));
            assert_eq!(check(&base32(secret), want, time, time / 30), None, "a code counts once");
        }
        assert_eq!(unbase32(&base32(secret)).unwrap(), secret);
        assert_eq!(check("!", "000000", 59, 0), None);
    }
}
