//! Webhook signatures over the raw bytes.
//! Source: WAHA docs, page Events, "HMAC authentication": `X-Webhook-Hmac` is hex HMAC-SHA512 of the body.

use crate::kernel::ids;
use ring::hmac::{self, HMAC_SHA512, Key};

/// Whether `claimed` (hex) is the HMAC-SHA512 of `body` under `key`; compares in constant time.
pub fn is_valid_sha512(key: &str, body: &[u8], claimed: &str) -> bool {
    let Some(claimed) = ids::unhex(claimed.trim()) else { return false };
    hmac::verify(&Key::new(HMAC_SHA512, key.as_bytes()), body, &claimed).is_ok()
}

/// The signature of `body`, as a gateway would send it.
pub fn sign_sha512(key: &str, body: &[u8]) -> String {
    ids::hex(hmac::sign(&Key::new(HMAC_SHA512, key.as_bytes()), body).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vector printed in the WAHA docs.
    #[test]
    fn documented_vector() {
        let body = br#"{"event":"message","session":"default","engine":"WEBJS"}"#;
        let claimed = "208f8a55dde9e05519e898b10b89bf0d0b3b0fdf11fdbf09b6b90476301b98d8097c462b2b17a6ce93b6b47a136cf2e78a33a63f6752c2c1631777076153fa89";
        assert!(is_valid_sha512("my-secret-key", body, claimed));
        assert_eq!(sign_sha512("my-secret-key", body), claimed);
        assert!(!is_valid_sha512("my-secret-key", b"other", claimed));
        assert!(!is_valid_sha512("my-secret-key", body, &claimed[..64]));
        assert!(!is_valid_sha512("my-secret-key", body, "zz"));
    }
}
