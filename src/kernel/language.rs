//! The languages the product answers in, and which of them a text is in.
//! Indonesian unless there is clear evidence of English: short chat is full of words both share.

use serde::{Deserialize, Serialize};

/// A language of screens and replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Bahasa Indonesia, the default.
    #[default]
    Id,
    /// English.
    En,
}

impl Language {
    /// `id` or `en`, as in rows and URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::En => "en",
        }
    }

    /// Anything that is not `en` is Indonesian.
    pub fn parse(text: &str) -> Self {
        if text == "en" { Self::En } else { Self::Id }
    }
}

/// Function words that occur in one of the two only; loan words of the trade (hotel, visa, booking) count for neither.
const ENGLISH: &[&str] = &[
    "the",
    "is",
    "are",
    "what",
    "how",
    "much",
    "when",
    "which",
    "where",
    "do",
    "does",
    "you",
    "your",
    "have",
    "i",
    "we",
    "my",
    "for",
    "to",
    "of",
    "and",
    "can",
    "would",
    "like",
    "please",
    "want",
    "interested",
    "hello",
    "hi",
    "there",
    "people",
    "persons",
    "price",
    "with",
    "in",
    "about",
    "any",
    "available",
    "looking",
    "need",
    "tell",
    "me",
    "more",
    "information",
    "still",
    "seats",
    "from",
    "will",
    "be",
    "it",
    "this",
    "that",
    "a",
];
const INDONESIAN: &[&str] = &[
    "yang",
    "dan",
    "di",
    "ke",
    "dari",
    "untuk",
    "ada",
    "apa",
    "apakah",
    "berapa",
    "kapan",
    "dimana",
    "saya",
    "kami",
    "bisa",
    "mau",
    "tanya",
    "tolong",
    "dong",
    "kak",
    "min",
    "pak",
    "bu",
    "ya",
    "nya",
    "paket",
    "harga",
    "jadwal",
    "berangkat",
    "orang",
    "bulan",
    "dengan",
    "ini",
    "itu",
    "tidak",
    "gak",
    "ga",
    "nggak",
    "sudah",
    "belum",
    "aja",
    "info",
    "umroh",
    "assalamualaikum",
    "terima",
    "kasih",
    "jamaah",
    "biaya",
    "brp",
];

/// The language to answer in, from the customer's words; `None` when they say nothing either way (a code, "ok").
pub fn detect(text: &str) -> Option<Language> {
    let lower = text.to_lowercase();
    let (mut english, mut indonesian) = (0, 0);
    for word in lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()) {
        english += usize::from(ENGLISH.contains(&word));
        indonesian += usize::from(INDONESIAN.contains(&word));
    }
    match (english, indonesian) {
        (0, 0) => None,
        (en, id) if en >= 2 && en > id => Some(Language::En),
        _ => Some(Language::Id),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_needs_evidence() {
        assert_eq!(detect("Hello, how much is the April package for 2 people?"), Some(Language::En));
        assert_eq!(detect("Assalamualaikum, mau tanya paket umroh"), Some(Language::Id));
        assert_eq!(detect("info hotel dong kak"), Some(Language::Id));
        assert_eq!(detect("UMR_APR_2027_HEMAT"), None);
        assert_eq!(detect("hi"), Some(Language::Id));
    }
}
