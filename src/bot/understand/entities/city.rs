//! From where: where they live or leave from.

use super::party::SELF;
use crate::bot::understand::places::place;
use crate::bot::understand::words::Word;

/// Words before a place that say one leaves from there, or lives there now.
const LEAVES: &[&str] = &["dari", "from", "saking", "ti", "soko", "seko", "teko", "saka", "من", "embarkasi", "start", "berangkat", "asal", "ex"];
const LIVES: &[&str] =
    &["domisili", "di", "tinggal", "posisi", "kerja", "based", "in", "rumah", "omah", "omahku", "kost", "kos", "area", "daerah", "kota", "sekitar", "warga", "ing", "neng", "off"];
/// Where an office, a landing or a hotel is says nothing about the customer.
const PLACE_OF_OTHERS: &[&str] = &["kantor", "cabang", "office", "kantore", "kantorna", "kantornya", "cabangnya", "branch", "landing", "perwakilan", "transit", "alamat"];

/// The place said, by its usual name.
pub(super) fn said(words: &[Word]) -> Option<String> {
    let mut best: Option<(u8, &str)> = None;
    for (at, word) in words.iter().enumerate() {
        let two = words.get(at + 1).map(|next| format!("{} {}", word.text, next.text));
        let Some(name) = place(&word.text, two.as_deref()) else { continue };
        let before: Vec<&str> = (1..=2).filter_map(|back| at.checked_sub(back)).map(|at| words[at].text.as_str()).collect();
        let leaves = before.iter().any(|word| LEAVES.contains(word));
        let lives = before.iter().any(|word| LIVES.contains(word));
        // "plg lambat", "smg lancar": abbreviations are places only where a place is said
        if word.text.len() <= 3 && word.text.is_ascii() && !leaves && !lives {
            continue;
        }
        let own = before.first().is_some_and(|word| SELF.contains(word) || matches!(*word, "orang" | "wong" | "tiyang" | "urang"));
        if name == "Solo" && !leaves && !lives {
            continue; // also: alone
        }
        let others = words.iter().any(|near| near.clause == word.clause && PLACE_OF_OTHERS.contains(&near.text.as_str()));
        let weight = match (leaves, lives, own) {
            (true, ..) => 4,
            (_, _, true) => 3,
            (_, true, _) if !others => 3,
            _ if !others => 2,
            _ => continue,
        };
        if best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, name));
        }
    }
    best.map(|(_, name)| name.to_owned())
}
