//! Web Push: one message encrypted for one browser (RFC 8291, aes128gcm of RFC 8188) and the token that says who sends it
//! (VAPID, RFC 8292).

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes128Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{PublicKey, SecretKey};
use serde_json::json;
use sha2::Sha256;

/// Longest plain text, bytes: services guarantee 4,096 for the whole body.
pub const LONGEST: usize = 3_000;
/// Record size named in the header.
const RECORD: u32 = 4_096;
/// A token is good for so long, seconds (24 h at the most; Apple is strict).
const TOKEN_S: i64 = 12 * 3_600;
/// Push services messages may be sent to, by the end of their host names.
pub const SERVICES: [&str; 4] = ["fcm.googleapis.com", "updates.push.services.mozilla.com", ".push.apple.com", ".notify.windows.com"];

/// Why a subscription or a message was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PushError {
    /// Not an https address of a push service.
    #[error("endpoint: an https address of a browser's push service")]
    BadEndpoint,
    /// Not a point of the curve, or not 16 bytes.
    #[error("keys: p256dh of 65 bytes and auth of 16")]
    BadKeys,
    /// Too much to say.
    #[error("the message is longer than 3,000 bytes")]
    TooLong,
}

/// Base64 as browsers and libraries write it: either alphabet, with or without padding.
pub fn unbase64(text: &str) -> Option<Vec<u8>> {
    let plain: String = text
        .trim()
        .trim_end_matches('=')
        .chars()
        .map(|c| {
            if c == '+' {
                '-'
            } else if c == '/' {
                '_'
            } else {
                c
            }
        })
        .collect();
    URL_SAFE_NO_PAD.decode(plain).ok()
}

/// Where messages for one browser go. `extra_hosts`: hosts with ports the agency allows besides the known services.
pub fn check_endpoint(endpoint: &str, extra_hosts: &str) -> Result<(), PushError> {
    let uri: hyper::http::Uri = endpoint.parse().map_err(|_| PushError::BadEndpoint)?;
    let (Some(authority), true) = (uri.authority(), endpoint.len() <= 2_048) else { return Err(PushError::BadEndpoint) };
    if extra_hosts.split([',', ' ']).any(|allowed| !allowed.is_empty() && allowed == authority.as_str()) {
        return Ok(());
    }
    let host = authority.host().to_lowercase();
    let known = SERVICES
        .iter()
        .any(|service| host == service.trim_start_matches('.') || (host.ends_with(service) && (service.starts_with('.') || host[..host.len() - service.len()].ends_with('.'))));
    let plain = !authority.as_str().contains('@') && authority.port_u16().is_none_or(|port| port == 443);
    if uri.scheme_str() == Some("https") && known && plain { Ok(()) } else { Err(PushError::BadEndpoint) }
}

/// A browser's keys, checked.
pub fn check_keys(p256dh: &str, auth: &str) -> Result<(Vec<u8>, Vec<u8>), PushError> {
    let (key, auth) = (unbase64(p256dh).ok_or(PushError::BadKeys)?, unbase64(auth).ok_or(PushError::BadKeys)?);
    let fits = key.len() == 65 && key[0] == 4 && auth.len() == 16 && PublicKey::from_sec1_bytes(&key).is_ok();
    if fits { Ok((key, auth)) } else { Err(PushError::BadKeys) }
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn secret_key() -> SecretKey {
    loop {
        // one in 2^32 draws is no key of this curve
        if let Ok(key) = SecretKey::from_slice(&crate::kernel::ids::random::<32>()) {
            return key;
        }
    }
}

/// The body for one browser.
pub fn encrypt(plain: &[u8], p256dh: &[u8], auth: &[u8]) -> Result<Vec<u8>, PushError> {
    seal(plain, p256dh, auth, &secret_key(), crate::kernel::ids::random::<16>())
}

fn seal(plain: &[u8], p256dh: &[u8], auth: &[u8], sender: &SecretKey, salt: [u8; 16]) -> Result<Vec<u8>, PushError> {
    if plain.len() > LONGEST {
        return Err(PushError::TooLong);
    }
    let theirs = PublicKey::from_sec1_bytes(p256dh).map_err(|_| PushError::BadKeys)?;
    let ours = sender.public_key().to_sec1_point(false);
    let shared = sender.diffie_hellman(&theirs);
    let prk_key = hmac(auth, &[shared.raw_secret_bytes()]);
    let ikm = hmac(&prk_key, &[b"WebPush: info\0", p256dh, ours.as_bytes(), &[1]]);
    let prk = hmac(&salt, &[&ikm]);
    let key = hmac(&prk, &[b"Content-Encoding: aes128gcm\0", &[1]]);
    let nonce = hmac(&prk, &[b"Content-Encoding: nonce\0", &[1]]);
    let cipher = Aes128Gcm::new_from_slice(&key[..16]).map_err(|_| PushError::BadKeys)?;
    let record = [plain, &[2]].concat();
    let nonce: [u8; 12] = nonce[..12].try_into().map_err(|_| PushError::BadKeys)?;
    let sealed = cipher.encrypt(&Nonce::from(nonce), Payload { msg: &record, aad: &[] }).map_err(|_| PushError::TooLong)?;
    Ok([salt.as_slice(), &RECORD.to_be_bytes(), &[65], ours.as_bytes(), &sealed].concat())
}

/// The key pair of one installation, as 43 characters of base64.
pub fn new_vapid_key() -> String {
    URL_SAFE_NO_PAD.encode(secret_key().to_bytes())
}

/// The public half, 87 characters: browsers subscribe with it.
pub fn public_key(private: &str) -> Option<String> {
    let key = SecretKey::from_slice(&unbase64(private)?).ok()?;
    Some(URL_SAFE_NO_PAD.encode(key.public_key().to_sec1_point(false).as_bytes()))
}

/// The `Authorization` header for an endpoint. `subject`: a mailto: or https: address of the agency.
pub fn authorization(private: &str, endpoint: &str, subject: &str, now_s: i64) -> Option<String> {
    let uri: hyper::http::Uri = endpoint.parse().ok()?;
    let audience = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    let part = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let head = part(json!({"typ": "JWT", "alg": "ES256"}));
    let claims = part(json!({"aud": audience, "exp": now_s + TOKEN_S, "sub": subject}));
    let signed = format!("{head}.{claims}");
    let key = SigningKey::from_slice(&unbase64(private)?).ok()?;
    let signature: Signature = key.sign(signed.as_bytes());
    Some(format!("vapid t={signed}.{}, k={}", URL_SAFE_NO_PAD.encode(signature.to_bytes()), public_key(private)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier;

    /// The example of RFC 8291, section 5.
    #[test]
    fn the_standards_own_example() {
        let sender = SecretKey::from_slice(&unbase64("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw").unwrap()).unwrap();
        let (key, auth) = check_keys("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4", "BTBZMqHH6r4Tts7J_aSIgg").unwrap();
        let salt: [u8; 16] = unbase64("DGv6ra1nlYgDCS1FRnbzlw").unwrap().try_into().unwrap();
        let body = seal(b"When I grow up, I want to be a watermelon", &key, &auth, &sender, salt).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn tokens_verify_and_name_the_service() {
        let private = new_vapid_key();
        let header = authorization(&private, "https://fcm.googleapis.com/fcm/send/abc", "mailto:a@b.example", 1_800_000_000).unwrap();
        let (token, key) = header.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let key = VerifyingKey::from_sec1_bytes(&unbase64(key).unwrap()).unwrap();
        key.verify(signed.as_bytes(), &Signature::from_slice(&unbase64(signature).unwrap()).unwrap()).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&unbase64(signed.split_once('.').unwrap().1).unwrap()).unwrap();
        assert_eq!(claims, json!({"aud": "https://fcm.googleapis.com", "exp": 1_800_043_200, "sub": "mailto:a@b.example"}));
    }

    #[test]
    fn only_push_services_are_written_to() {
        for good in [
            "https://fcm.googleapis.com/fcm/send/x",
            "https://web.push.apple.com/Q",
            "https://updates.push.services.mozilla.com/wpush/v2/g",
            "https://wns2-sg2p.notify.windows.com/w",
        ] {
            assert_eq!(check_endpoint(good, ""), Ok(()), "{good}");
        }
        for bad in [
            "http://fcm.googleapis.com/x",
            "https://127.0.0.1/x",
            "https://evilfcm.googleapis.com/x",
            "https://fcm.googleapis.com.evil.example/",
            "https://fcm.googleapis.com:22/",
            "https://a@fcm.googleapis.com/",
            "x",
        ] {
            assert_eq!(check_endpoint(bad, ""), Err(PushError::BadEndpoint), "{bad}");
        }
        assert_eq!(check_endpoint("http://127.0.0.1:9/x", "127.0.0.1:9"), Ok(()));
        assert_eq!(check_keys("AAAA", "AAAAAAAAAAAAAAAAAAAAAA"), Err(PushError::BadKeys));
    }
}
