//! Numbers in digits and in words, in the languages customers count in.

use crate::bot::understand::words::Word;

const UNITS: &[(&[&str], i64)] = &[
    (&["satu", "siji", "hiji", "one", "setunggal", "sawiji", "واحد", "seorang"], 1),
    (&["dua", "loro", "kalih", "two", "dos", "اثنين", "اثنان", "rong"], 2),
    (&["tiga", "telu", "tilu", "three", "thre", "tigo", "ثلاثة", "ثلاث", "telung"], 3),
    (&["empat", "papat", "opat", "sekawan", "four", "patang", "اربعة", "اربع"], 4),
    (&["lima", "limo", "gangsal", "five", "خمسة", "خمس"], 5),
    (&["enam", "enem", "genep", "six", "ستة", "ست"], 6),
    (&["tujuh", "pitu", "seven", "tujoh", "سبعة", "سبع"], 7),
    (&["delapan", "lapan", "wolu", "dalapan", "eight", "ثمانية"], 8),
    (&["sembilan", "sanga", "salapan", "nine", "تسعة"], 9),
    (&["sepuluh", "ten", "sedasa", "sapuluh", "عشرة"], 10),
    (&["sebelas", "eleven", "sewelas", "sabelas"], 11),
    (&["twelve", "rolas", "selusin"], 12),
    (&["fifteen"], 15),
    (&["selikur"], 21),
    (&["telulikur"], 23),
    (&["selawe", "salawe", "selangkung"], 25),
    (&["satus", "seratus", "saratus"], 100),
    (&["twenty"], 20),
    (&["thirty"], 30),
];

pub(super) fn unit(word: &str) -> Option<i64> {
    let known = |word: &str| UNITS.iter().find(|(names, _)| names.contains(&word)).map(|(_, n)| *n);
    known(word).or_else(|| known(word.strip_prefix(['ل', 'و', 'ب'])?))
}

/// A whole number at `at`, in digits or words, and the word after it.
pub(super) fn whole(words: &[Word], at: usize) -> Option<(i64, usize)> {
    let text = words.get(at)?.text.as_str();
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(|n| (n, at + 1));
    }
    let first = unit(text)?;
    match words.get(at + 1).map(|word| word.text.as_str()) {
        Some("belas" | "welas") if first < 10 => Some((first + 10, at + 2)),
        Some("puluh" | "puluhan" | "dasa") if first < 10 => match words.get(at + 2).and_then(|word| unit(&word.text)).filter(|n| *n < 10) {
            Some(ones) => Some((first * 10 + ones, at + 3)),
            None => Some((first * 10, at + 2)),
        },
        _ => Some((first, at + 1)),
    }
}

/// `26,5`, `26.5`, `25.000.000`.
pub(super) fn decimal(text: &str) -> Option<f64> {
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let groups: Vec<&str> = text.split(['.', ',']).collect();
    if groups.len() > 1 && groups[1..].iter().all(|group| group.len() == 3) {
        return groups.concat().parse().ok();
    }
    match groups[..] {
        [whole] => whole.parse().ok(),
        [whole, fraction] if fraction.len() <= 2 => format!("{whole}.{fraction}").parse().ok(),
        _ => None,
    }
}

/// What numbers count that is neither people nor money.
pub(super) fn is_unit(word: &str) -> bool {
    matches!(word, "hari" | "juta" | "jt" | "ribu" | "malam" | "bulan" | "tahun" | "th" | "m" | "meter" | "km" | "menit" | "jam" | "kg" | "kali" | "kamar" | "persen" | "k")
}
