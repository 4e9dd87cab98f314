//! Which language a message is in: id, en, ms, jv, su, ar, or mixed. Short Indonesian chat is the usual case, and what
//! every one of them writes alike (greetings, loan words, names, codes, numbers) says nothing.

use super::linear::{Feature, Linear, hash, merge};
use std::sync::LazyLock;

/// The languages, in the order of the model's heads.
pub const TONGUES: [&str; 7] = ["id", "en", "ms", "jv", "su", "ar", "mixed"];
/// Buckets a feature can fall into.
pub const BUCKETS: u32 = 1 << 18;

static MODEL: LazyLock<Linear> = LazyLock::new(|| Linear::from_packed(include_bytes!("learnt/tongues.model")).expect("the weights in the binary are whole"));

/// The weights in the binary.
pub fn own() -> &'static Linear {
    &MODEL
}

/// Words all of them use.
const SHARED: &[&str] = &[
    "assalamualaikum",
    "assalamu",
    "alaikum",
    "waalaikumsalam",
    "warahmatullahi",
    "wabarakatuh",
    "wr",
    "wb",
    "ass",
    "aslm",
    "salam",
    "halo",
    "hallo",
    "hai",
    "hi",
    "p",
    "ok",
    "oke",
    "okay",
    "dp",
    "hotel",
    "visa",
    "booking",
    "seat",
    "transfer",
    "umroh",
    "umrah",
    "umr",
    "admin",
    "min",
    "promo",
    "vip",
    "plus",
    "bismillah",
    "alhamdulillah",
    "insyaallah",
    "inshaallah",
    "insya",
    "allah",
    "ramadhan",
    "ramadan",
    "info",
    "pax",
    "jan",
    "feb",
    "mar",
    "apr",
    "mei",
    "jun",
    "jul",
    "agt",
    "sep",
    "okt",
    "nov",
    "des",
    "januari",
    "februari",
    "maret",
    "april",
    "juni",
    "juli",
    "agustus",
    "september",
    "oktober",
    "november",
    "desember",
    "hemat",
    "reguler",
    "plusturki",
    "keluarga",
    "itikaf",
    "bsi",
    "bca",
    "bri",
    "wa",
    "whatsapp",
    "haram",
    "masjidil",
    "nabawi",
    "makkah",
    "mekah",
    "madinah",
    "jeddah",
    "online",
    "email",
    "pdf",
    "ktp",
    "kk",
    "double",
    "triple",
    "quad",
    "all",
    "in",
    "checkin",
    "full",
    "cancel",
    "refund",
];

/// The words that count, folded to lower case; digits and codes are none.
fn telling(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars().take(2_000).chain(std::iter::once(' ')) {
        if c.is_alphabetic() || (matches!(c, '\'' | '’') && !word.is_empty()) {
            if c.is_alphabetic() {
                word.extend(c.to_lowercase());
            }
        } else if c.is_ascii_digit() || c == '_' {
            word.push(c);
        } else if !matches!(c, '\u{200b}'..='\u{200f}' | '\u{64b}'..='\u{652}') && !word.is_empty() {
            let whole = std::mem::take(&mut word);
            let letters = whole.trim_end_matches(|c: char| c.is_ascii_digit());
            if !letters.is_empty() && !letters.contains(|c: char| c.is_ascii_digit() || c == '_') && !SHARED.contains(&letters) {
                words.push(letters.to_owned());
            }
        }
    }
    words
}

/// Features of the telling words.
pub fn features(text: &str) -> Vec<Feature> {
    features_of(&telling(text))
}

fn features_of(words: &[String]) -> Vec<Feature> {
    let mut found = Vec::with_capacity(128);
    let mut piece = String::new();
    for (at, word) in words.iter().enumerate() {
        found.push((hash(BUCKETS, b'w', &[word]), 1.0));
        if let Some(next) = words.get(at + 1) {
            found.push((hash(BUCKETS, b'2', &[word, next]), 0.5));
        }
        let marked: Vec<char> = std::iter::once('<').chain(word.chars().take(20)).chain(std::iter::once('>')).collect();
        for size in 1..=4usize {
            for window in marked.windows(size) {
                piece.clear();
                piece.extend(window);
                found.push((hash(BUCKETS, b'c', &[&piece]), 0.4));
            }
        }
    }
    found.push((hash(BUCKETS, b'#', &[if words.len() < 3 { "few" } else { "some" }]), 0.3));
    found.push((hash(BUCKETS, b'0', &[]), 0.5));
    merge(found)
}

/// The language of `text`; `None` when nothing in it tells.
pub fn detect(text: &str) -> Option<&'static str> {
    let words = telling(text);
    if words.is_empty() {
        return None;
    }
    let letters = words.iter().map(|word| word.chars().count()).sum::<usize>();
    let arabic = words.iter().map(|word| word.chars().filter(|c| matches!(c, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}')).count()).sum::<usize>();
    if arabic * 2 > letters {
        return Some("ar");
    }
    let sums = own().sums(&features_of(&words));
    let best = (0..TONGUES.len()).max_by(|a, b| sums[*a].total_cmp(&sums[*b]))?;
    Some(TONGUES[best])
}
