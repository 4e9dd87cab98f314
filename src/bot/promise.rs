//! What a customer says he will do, and by when: "transfer tgl 25", "tanya suami dulu", "besok saya kabari".

use super::figures::{self, Figure};
use super::understand::words;
use chrono::{Datelike, Duration, Months, NaiveDate, Weekday};
use serde::Serialize;

/// A promise heard.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Promise {
    /// `pay`, `send` (papers), `visit`, `decide` (asks the family, thinks it over).
    pub what: &'static str,
    /// The day it is due; when none is said, [`USUAL_DAYS`] from now.
    pub due: NaiveDate,
    /// The words it was said in.
    pub quote: String,
}

/// Days until a promise without a day is asked after.
const USUAL_DAYS: i64 = 3;
/// A promise lies this many days ahead at the most; beyond it a date means something else (the journey).
const FARTHEST_DAYS: i64 = 70;

const PAY: &[&str] = &["transfer", "bayar", "dp", "lunasi", "lunasin", "setor", "cicil", "booking", "daftar", "pay", "deposit"];
const SEND: &[&str] = &["kirim", "paspor", "ktp", "berkas", "dokumen", "foto", "send"];
const VISIT: &[&str] = &["kantor", "mampir", "datang", "visit", "come"];
const DECIDE: &[&str] = &[
    "tanya",
    "tanyakan",
    "diskusi",
    "rembug",
    "rembuk",
    "runding",
    "musyawarah",
    "pikir",
    "istikharah",
    "bicara",
    "kabari",
    "kabarin",
    "konfirmasi",
    "info",
    "discuss",
    "ask",
    "think",
];
const FAMILY: &[&str] = &["suami", "istri", "bapak", "ibu", "anak", "keluarga", "orangtua", "kakak", "adik", "mertua", "husband", "wife", "family"];
/// What makes it his own word about a time to come.
const WILL: &[&str] = &[
    "nanti",
    "besok",
    "lusa",
    "dulu",
    "akan",
    "insyaallah",
    "insya",
    "inshaallah",
    "minggu",
    "bulan",
    "habis",
    "setelah",
    "sesudah",
    "kalau",
    "will",
    "tomorrow",
    "later",
    "first",
    "next",
    "malam",
    "sore",
];
/// Words that say when, whatever else stands there.
const SOON: &[&str] = &["nanti", "besok", "lusa", "tomorrow", "later", "malam", "sore"];
/// Words that name a time only beside another: an age, a journey's month, a condition.
const LOOSE: &[&str] = &["bulan", "kalau", "kalo", "if", "tampilkan"];
/// And what makes it a question, somebody else's word, or a thing done.
const NOT: &[&str] = &["berapa", "kapan", "bagaimana", "gimana", "apakah", "bisa", "boleh", "sudah", "udah", "tadi", "kemarin", "barusan", "how", "when", "can", "already"];

/// Whom of the agency he wants to speak with: a wish, no promise.
const TEAM: &[&str] = &["orang", "petugas", "cs", "admin", "manusia", "operator", "staff", "staf", "agen", "person", "human", "someone"];

/// The promise in a message, if there is one.
pub fn find(text: &str, today: NaiveDate) -> Option<Promise> {
    if text.len() > 600 || text.contains('?') {
        return None;
    }
    // a sentence at a time: one promises, the next may ask
    text.split(['\n', '.', '!', ';']).find_map(|sentence| in_sentence(sentence, today))
}

fn in_sentence(sentence: &str, today: NaiveDate) -> Option<Promise> {
    let read = words::read(sentence);
    let spoken: Vec<&str> = read.words.iter().filter(|word| !word.denied).map(|word| word.text.as_str()).collect();
    let has = |list: &[&str]| spoken.iter().any(|word| list.contains(word) || word.strip_suffix("nya").is_some_and(|stem| list.contains(&stem)));
    // asked without a mark: "bayi saya 8 bulan bayar gak"
    let asks = read
        .words
        .last()
        .is_some_and(|word| ["tidak", "ga", "gak", "nggak", "ngga", "kah", "ya", "kan"].contains(&word.text.as_str()) && (word.text != "ya" || spoken.contains(&"apa")))
        || spoken.first().is_some_and(|word| ["apa", "siapa", "mana", "kenapa", "what", "where", "who", "why"].contains(word));
    if spoken.len() < 2 || has(NOT) || asks {
        return None;
    }
    let day = day(sentence, &spoken, today);
    let decides = has(DECIDE) && (has(FAMILY) || has(WILL) || spoken.contains(&"saya"));
    let what = match () {
        () if has(PAY) && (day.is_some() || has(SOON)) => "pay",
        () if has(PAY) && has(WILL) && !has(LOOSE) => "pay",
        () if decides && !has(TEAM) => "decide",
        () if has(VISIT) && day.is_some() => "visit",
        // "paspor saya 3 tahun lagi habis" tells of the paper, not of sending it
        () if has(SEND) && !has(&["tahun", "expired", "berlaku", "year", "years"]) && (day.is_some() || has(WILL)) => "send",
        () => return None,
    };
    // "nanti kalau sudah cukup": no day, and not soon
    let due = day.unwrap_or(today + Duration::days(USUAL_DAYS));
    ((due - today).num_days() <= FARTHEST_DAYS && due >= today).then(|| Promise { what, due, quote: crate::kernel::text::preview(sentence.trim(), 200) })
}

/// The day named, looking ahead.
fn day(sentence: &str, spoken: &[&str], today: NaiveDate) -> Option<NaiveDate> {
    let ahead = |day: u32| {
        let this = today.with_day(day).filter(|date| *date >= today);
        this.or_else(|| (today.with_day(1)? + Months::new(1)).with_day(day))
    };
    for found in figures::find(sentence) {
        match found.figure {
            Figure::Day(day) => return Some(day),
            Figure::DayOfMonth(month, day) => {
                let this = NaiveDate::from_ymd_opt(today.year(), month, day)?;
                return if this >= today { Some(this) } else { NaiveDate::from_ymd_opt(today.year() + 1, month, day) };
            }
            Figure::DayOnly(day) => return ahead(day),
            _ => {}
        }
    }
    let has = |word: &str| spoken.contains(&word);
    let weekday = spoken.iter().find_map(|word| weekday(word)).map(|weekday| {
        let days = (i64::from(weekday.num_days_from_monday()) - i64::from(today.weekday().num_days_from_monday())).rem_euclid(7);
        today + Duration::days(if days == 0 { 7 } else { days })
    });
    let next = has("depan") || has("next");
    if has("lusa") {
        Some(today + Duration::days(2))
    } else if has("besok") || has("tomorrow") {
        Some(today + Duration::days(1))
    } else if weekday.is_some() {
        weekday
    } else if (has("minggu") || has("pekan") || has("week")) && next {
        Some(today + Duration::days(7))
    } else if (has("bulan") || has("month")) && next {
        Some(today + Months::new(1))
    } else if has("gajian") || (has("akhir") && has("bulan")) {
        (today.with_day(1)? + Months::new(1)).pred_opt()
    } else if has("nanti") && (has("malam") || has("sore") || has("siang")) || has("tonight") {
        Some(today)
    } else {
        None
    }
}

fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "senin" | "monday" => Weekday::Mon,
        "selasa" | "tuesday" => Weekday::Tue,
        "rabu" | "wednesday" => Weekday::Wed,
        "kamis" | "thursday" => Weekday::Thu,
        "jumat" | "jum'at" | "friday" => Weekday::Fri,
        "sabtu" | "saturday" => Weekday::Sat,
        "ahad" | "sunday" => Weekday::Sun,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_and_their_days() {
        let today: NaiveDate = "2026-11-20".parse().unwrap(); // a Friday
        for (text, what, due) in [
            ("insyaAllah saya transfer tgl 25 ya kak", "pay", "2026-11-25"),
            ("dp nya besok pagi ya", "pay", "2026-11-21"),
            ("saya tanya suami dulu ya", "decide", "2026-11-23"),
            ("Ok kak. nanti malam saya kabari", "decide", "2026-11-20"),
            ("saya mampir ke kantor hari senin", "visit", "2026-11-23"),
            ("foto paspornya saya kirim lusa", "send", "2026-11-22"),
            ("dp habis gajian ya bu", "pay", "2026-11-30"),
            ("saya bayar tanggal 5 desember", "pay", "2026-12-05"),
            ("mau rembugan sama istri dulu, minggu depan saya kabari", "decide", "2026-11-27"),
            ("transfernya tgl 3 insyaallah", "pay", "2026-12-03"),
        ] {
            let found = find(text, today).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((found.what, found.due.to_string().as_str()), (what, due), "{text}");
        }
        for text in [
            "kapan terakhir bayar dp?",
            "bayi saya 8 bulan bayar gak",
            "mau daftar kalau bulan januari ada",
            "saya sudah transfer tadi",
            "berangkat tgl 25 april 2027",
            "dp berapa",
            "boleh dicicil nanti?",
            "halo kak",
            "saya mau umroh bulan depan",
            "belum mau daftar dulu",
            "saya mau bicara dengan orang",
            "paspor saya 3 tahun lagi habis",
        ] {
            assert_eq!(find(text, today), None, "{text}");
        }
    }
}
