//! Party size and month, from what people say: `berdua`, `4 orang`, `bulan maret`, `next April`.

use chrono::{Datelike, NaiveDate};

/// Numbers in words, up to twelve.
const NUMBERS: &[(&str, i64)] = &[
    ("satu", 1),
    ("dua", 2),
    ("tiga", 3),
    ("empat", 4),
    ("lima", 5),
    ("enam", 6),
    ("tujuh", 7),
    ("delapan", 8),
    ("sembilan", 9),
    ("sepuluh", 10),
    ("sebelas", 11),
    ("one", 1),
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
];
const TOGETHER: &[(&str, i64)] = &[
    ("sendiri", 1),
    ("sendirian", 1),
    ("berdua", 2),
    ("bertiga", 3),
    ("berempat", 4),
    ("berlima", 5),
    ("berenam", 6),
    ("bertujuh", 7),
    ("berdelapan", 8),
    ("alone", 1),
    ("couple", 2),
];
const PEOPLE: &[&str] = &["orang", "org", "orng", "pax", "jamaah", "jemaah", "jamaa", "people", "persons", "person", "adults", "pilgrims", "seat", "kursi"];
const MONTHS: [&[&str]; 12] = [
    &["januari", "january", "jan"],
    &["februari", "february", "feb", "pebruari"],
    &["maret", "march", "mar"],
    &["april", "apr"],
    &["mei", "may"],
    &["juni", "june", "jun"],
    &["juli", "july", "jul"],
    &["agustus", "august", "agt", "agust", "aug"],
    &["september", "sept", "sep"],
    &["oktober", "october", "okt", "oct"],
    &["november", "nopember", "nov"],
    &["desember", "december", "des", "dec"],
];

/// Everyone travelling, when the text says so. `bare`: the bot has just asked, so a lone number is the answer.
pub fn party_size(text: &str, bare: bool) -> Option<i64> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let number = |word: &str| word.parse::<i64>().ok().or_else(|| NUMBERS.iter().find(|(name, _)| *name == word).map(|(_, n)| *n)).filter(|n| (1..=500).contains(n));
    for (at, word) in words.iter().enumerate() {
        if let Some((_, n)) = TOGETHER.iter().find(|(name, _)| name == word) {
            return Some(*n);
        }
        if let Some(n) = number(word).filter(|_| words.get(at + 1).is_some_and(|next| PEOPLE.contains(next))) {
            return Some(n);
        }
        let glued = word.trim_end_matches(char::is_alphabetic);
        if glued.len() < word.len() && PEOPLE.contains(&&word[glued.len()..]) {
            return number(glued);
        }
    }
    if bare && words.len() <= 3 { words.iter().find_map(|word| number(word)).filter(|n| *n <= 60) } else { None }
}

/// The month wanted as `YYYY-MM`: the year said, else the next such month from `today`.
pub fn month(text: &str, today: NaiveDate) -> Option<String> {
    let lower = text.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    for (at, word) in words.iter().enumerate() {
        let Some(month) = MONTHS.iter().position(|names| names.contains(word)) else { continue };
        // "may I ask", "march" as verbs; "mar" and "dec" alone are names too: short forms need a neighbour that fits
        let beside = [at.checked_sub(1).and_then(|i| words.get(i)), words.get(at + 1)];
        let year = words.get(at + 1).and_then(|next| next.parse::<i32>().ok()).map(|y| if y < 100 { 2000 + y } else { y }).filter(|y| (2020..=2100).contains(y));
        let anchored = beside.iter().flatten().any(|w| ["bulan", "bln", "in", "next", "awal", "akhir", "pertengahan", "tgl", "atau", "sekitar"].contains(*w)) || year.is_some();
        if (word.len() <= 3 && *word != "mei" && !anchored && words.len() > 2) || (*word == "may" && !anchored) || (*word == "march" && !anchored && words.len() > 4) {
            continue;
        }
        let month = month as u32 + 1;
        let year = year.unwrap_or(if month >= today.month() { today.year() } else { today.year() + 1 });
        return Some(format!("{year:04}-{month:02}"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_many() {
        for (text, n) in [("kami berdua", 2), ("rencana 4 orang kak", 4), ("dua orang", 2), ("2org", 2), ("we are 3 people", 3), ("sendirian aja", 1), ("18 jamaah", 18)] {
            assert_eq!(party_size(text, false), Some(n), "{text}");
        }
        for text in ["harga 25 juta", "2", "umr apr 2027", "9 hari"] {
            assert_eq!(party_size(text, false), None, "{text}");
        }
        assert_eq!(party_size("2", true), Some(2));
        assert_eq!(party_size("2 kak", true), Some(2));
    }

    #[test]
    fn which_month() {
        let today = NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        for (text, month) in [
            ("bulan maret", "2027-03"),
            ("Desember", "2026-12"),
            ("april 2028", "2028-04"),
            ("rencana juni kak", "2027-06"),
            ("in December", "2026-12"),
            ("november", "2026-11"),
            ("jan 27", "2027-01"),
        ] {
            assert_eq!(super::month(text, today).as_deref(), Some(month), "{text}");
        }
        for text in ["may i ask something", "halo", "paket mar berapa kak ya"] {
            assert_eq!(super::month(text, today), None, "{text}");
        }
    }
}
