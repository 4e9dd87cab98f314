//! Which month of travel.

use super::number::{is_unit, whole};
use crate::bot::code::is_one_slip;
use crate::bot::understand::words::Word;
use chrono::{Datelike, Days, Months, NaiveDate};

/// Month names in the six languages, as words are spelled after folding.
const MONTHS: [&[&str]; 12] = [
    &["januari", "january", "jan", "يناير", "jannuari", "janwari", "januwari", "jenuari"],
    &["februari", "february", "feb", "pebruari", "febuari", "فبراير", "peb", "pebuari"],
    &["maret", "march", "mar", "mac", "مارس", "mart"],
    &["april", "apr", "ابريل", "aprl", "avril"],
    &["mei", "may", "مايو", "mey"],
    &["juni", "june", "jun", "يونيو", "juny"],
    &["juli", "july", "jul", "julai", "يوليو"],
    &["agustus", "august", "agt", "agust", "aug", "agu", "ags", "ogos", "اغسطس", "agts", "agustu"],
    &["september", "sept", "sep", "سبتمبر", "septembr"],
    &["oktober", "october", "okt", "oct", "اكتوبر", "oktobr"],
    &["november", "nopember", "nov", "nop", "نوفمبر", "novembr"],
    &["desember", "december", "des", "dec", "disember", "ديسمبر", "desembr", "dis", "desmber"],
];

/// First days of Ramadhan. Source: Umm al-Qura calendar as published for these years; the sighting may move them by a day.
const RAMADHAN: &[(i32, u32, u32)] =
    &[(2026, 2, 18), (2027, 2, 8), (2028, 1, 28), (2029, 1, 16), (2030, 1, 5), (2030, 12, 26), (2031, 12, 15), (2032, 12, 4), (2033, 11, 23), (2034, 11, 12), (2035, 11, 1)];
const FASTING: &[&str] = &["ramadhan", "ramadan", "romadhon", "romadon", "ramadlan", "romadlon", "puasa", "ramadhon", "رمضان", "romadan", "poso", "pasa", "siyam", "ramadlon"];

/// Words near a month that make it another month than the journey's: a passport's end, a pay day, something past.
const OTHER_MONTH: &[&str] = &["paspor", "exp", "expired", "berlaku", "gaji", "gajian", "lahir", "expires", "panen", "mati", "visa", "cair"];

/// Words that put a month into the past, when they stand beside it.
const PAST: &[&str] = &["kemarin", "lalu", "kepungkur", "wingi", "last", "kapungkur", "dulu", "biyen"];

/// Which month of the year a word is, from 0.
fn month_named(word: &str) -> Option<usize> {
    MONTHS.iter().position(|names| names.contains(&word) || word.strip_suffix("an").is_some_and(|base| base.len() > 3 && names.contains(&base)))
}

/// A long month with one slip in it: `dsember`, `jnuari`.
fn misspelt(word: &str) -> Option<usize> {
    let is_slip = |name: &&str| name.is_ascii() && name.len() >= 6 && name.len().abs_diff(word.len()) <= 1 && is_one_slip(name.as_bytes(), word.as_bytes());
    (word.len() >= 6 && word.is_ascii()).then(|| MONTHS.iter().position(|names| names.iter().any(is_slip))).flatten()
}

/// The month said, `YYYY-MM`.
pub(super) fn said(words: &[Word], today: NaiveDate) -> Option<String> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let year_at = |at: usize| text(at).parse::<i32>().ok().map(|y| if y < 100 { 2000 + y } else { y }).filter(|y| (2020..=2100).contains(y) && matches!(text(at).len(), 2 | 4));
    let next_year = |at: usize| (at..at + 4).any(|at| matches!((text(at), text(at + 1)), ("tahun", "depan" | "ngarep" | "ngajeng" | "payun" | "hareup") | ("next", "year")));
    let next = |month: u32, year: Option<i32>, later: bool| {
        let soonest = if month >= today.month() { today.year() } else { today.year() + 1 };
        format!("{:04}-{month:02}", year.unwrap_or(if later { today.year() + 1 } else { soonest }))
    };
    let other = |at: usize| {
        let near = |list: &[&str], before: usize, after: usize| {
            (at.saturating_sub(before)..at).chain(at + 1..=at + after).any(|near| words.get(near).is_some_and(|word| word.clause == words[at].clause) && list.contains(&text(near)))
        };
        near(OTHER_MONTH, 4, 2) || near(PAST, 1, 1)
    };
    let mut fasting = false;
    let named = |at: usize| month_named(text(at)).or_else(|| (at == 0 || text(at - 1) != "nama").then(|| misspelt(text(at))).flatten());
    for at in 0..words.len() {
        let word = text(at);
        // "tgl 12/8"
        if word == "tanggal"
            && let (Ok(day), Ok(month)) = (text(at + 1).parse::<u32>(), text(at + 2).parse::<u32>())
            && (1..=31).contains(&day)
            && (1..=12).contains(&month)
            && words[at + 1].clause == words[at + 2].clause
            && !is_unit(text(at + 3))
            && !other(at)
        {
            return Some(next(month, year_at(at + 3), false));
        }
        // "3 minggu lagi", "in 3 weeks"
        if let Some((n, after)) = whole(words, at).filter(|(n, _)| (1..=11).contains(n))
            && (matches!(text(after + 1), "lagi" | "deui" | "malih" | "maneh") || (at > 0 && text(at - 1) == "in"))
            && !other(at)
            && !words.iter().any(|word| matches!(word.text.as_str(), "bayar" | "transfer" | "lunas" | "tunggu" | "kabari" | "gaji"))
        {
            let days = |n: i64| u64::try_from(n).ok().and_then(|n| today.checked_add_days(Days::new(n)));
            let then = match text(after) {
                "minggu" | "week" | "weeks" | "pekan" => days(n * 7),
                "bulan" | "wulan" | "sasih" | "month" | "months" => u32::try_from(n).ok().and_then(|n| today.checked_add_months(Months::new(n))),
                _ => None,
            };
            if let Some(then) = then {
                return Some(format!("{:04}-{:02}", then.year(), then.month()));
            }
        }
        fasting |= FASTING.contains(&word);
        if matches!(word, "bulan" | "wulan" | "sasih" | "month" | "sasi") && !other(at) {
            match text(at + 1) {
                "depan" | "dpn" | "ngajeng" | "hareup" | "ngarep" | "payun" if !words.iter().any(|word| matches!(word.text.as_str(), "bayar" | "gaji" | "transfer" | "lunas")) => {
                    return Some(next(today.month() % 12 + 1, None, false));
                }
                "ini" | "iki" | "ieu" | "niki" => return Some(next(today.month(), None, false)),
                _ => {}
            }
            if let Some((n, after)) = whole(words, at + 1).filter(|(n, _)| (1..=12).contains(n))
                && !matches!(text(after), "lagi" | "kedepan" | "ke" | "deui" | "malih" | "kali")
                && !matches!(text(at.wrapping_sub(1)), "usia" | "umur")
            {
                return Some(next(n as u32, year_at(after), next_year(after)));
            }
        }
        if word == "next" && text(at + 1) == "month" {
            return Some(next(today.month() % 12 + 1, None, false));
        }
        let Some(month) = named(at) else { continue };
        let born = text(at + 1).len() == 4 && text(at + 1).parse::<i32>().is_ok_and(|year| (1900..2020).contains(&year));
        // "bukan april, mei"
        let denied = words[at].denied && (at + 1..words.len()).any(|later| !words[later].denied && named(later).is_some());
        if other(at) || born || denied {
            continue;
        }
        let year = year_at(at + 1);
        let doubtful = matches!(word, "may" | "march" | "mac" | "dis" | "mar" | "mart" | "dec" | "jan" | "jun" | "jul" | "sep" | "des" | "nop" | "peb" | "agu" | "ags");
        let beside = |list: &[&str]| list.contains(&text(at.wrapping_sub(1))) || list.contains(&text(at + 1));
        let day_before = at > 0 && text(at - 1).parse::<u32>().is_ok_and(|d| (1..=31).contains(&d));
        let anchored = year.is_some()
            || day_before
            || beside(&[
                "bulan",
                "wulan",
                "sasih",
                "in",
                "next",
                "awal",
                "akhir",
                "pertengahan",
                "tanggal",
                "atau",
                "sekitar",
                "yang",
                "for",
                "the",
                "early",
                "late",
                "buat",
                "untuk",
                "umroh",
                "paket",
                "this",
                "pas",
                "berangkat",
                "keberangkatan",
                "ke",
                "dari",
                "sampai",
                "ada",
                "masih",
            ]);
        if (doubtful && !anchored && words.len() > 3) || (word == "may" && matches!(text(at + 1), "i" | "we" | "be" | "allah" | "you")) {
            continue;
        }
        return Some(next(month as u32 + 1, year, next_year(at + 1)));
    }
    let last_ten = (0..words.len()).any(|at| {
        matches!(text(at), "10" | "sepuluh" | "sedasa")
            && matches!(text(at + 1), "hari" | "malam" | "dino" | "dinten" | "poe" | "nights" | "days")
            && matches!(text(at + 2), "terakhir" | "pungkasan" | "panungtung" | "ahir" | "akhir")
    });
    if fasting || last_ten {
        let all: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        let late = last_ten
            || all
                .iter()
                .any(|word| matches!(*word, "terakhir" | "itikaf" | "lailatul" | "qadar" | "pungkasan" | "ahir" | "last" | "اواخر" | "العشر" | "panungtung" | "penghujung"))
            || all.windows(2).any(|pair| pair[0] == "akhir" && FASTING.contains(&pair[1]));
        let first = RAMADHAN.iter().filter_map(|(y, m, d)| NaiveDate::from_ymd_opt(*y, *m, *d)).find(|first| *first + Days::new(29) >= today)?;
        // the last ten nights are named for the month most of them fall in
        let day = if late { first + Days::new(24) } else { first };
        return Some(format!("{:04}-{:02}", day.year(), day.month()));
    }
    None
}
