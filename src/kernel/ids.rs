//! Random names: tokens, ids and draws. The randomness is the operating system's.

use sha2::{Digest, Sha256};

/// `n` random bytes. Panics only if the operating system has no randomness left to give, when nothing is safe.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// 256 random bits as 64 hex digits: sessions, CSRF tokens, bearer tokens.
pub fn token() -> String {
    hex(&random::<32>())
}

/// What is stored of a token.
pub fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// A message id in the shape WhatsApp's own web client uses: `3EB0` and 18 hex digits.
/// Source: ids returned by WAHA `GET /api/{session}/new-message-id`.
pub fn message_id() -> String {
    format!("3EB0{}", hex(&random::<9>()).to_uppercase())
}

/// A whole number drawn evenly from `low..=high`.
pub fn draw(low: u64, high: u64) -> u64 {
    if high <= low {
        return low;
    }
    low + u64::from_le_bytes(random::<8>()) % (high - low + 1)
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// Bytes of a hex string of either case; `None` when it is not one.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |c: u8| (c as char).to_digit(16).map(|d| d as u8);
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_there_and_back() {
        assert_eq!(unhex(&hex(&[0, 255, 16])), Some(vec![0, 255, 16]));
        assert_eq!(unhex("0g"), None);
        assert_eq!(unhex("abc"), None);
        assert_eq!(message_id().len(), 22);
        for _ in 0..200 {
            assert!((3..=5).contains(&draw(3, 5)));
        }
        assert_eq!(draw(7, 7), 7);
    }
}
