//! What a customer says about the trip: how many travel, which month, how much money, from where. Taken from any of the
//! languages and spellings; only what is said, never guessed.

use super::places::place;
use super::words::{self, Word};
use chrono::{Datelike, Days, NaiveDate};

/// What was said; each part only when it was.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Entities {
    /// Everyone travelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pax: Option<i64>,
    /// `YYYY-MM`: the year said, else the next such month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
    /// Whole rupiah, as said (per person or for all).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<i64>,
    /// Where they live or leave from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// `quad`, `triple` or `double`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<&'static str>,
}

/// Everything in one message. `bare`: the bot has just asked how many, so a lone number is the answer.
pub fn find(text: &str, today: NaiveDate, bare: bool) -> Entities {
    let read = words::read(text);
    let words = &read.words[..];
    Entities { pax: pax(words, bare), month: month(words, today), budget: budget(words), city: city(words), room: room(words) }
}

const UNITS: &[(&[&str], i64)] = &[
    (&["satu", "siji", "hiji", "one", "setunggal", "sawiji", "واحد", "seorang"], 1),
    (&["dua", "loro", "kalih", "two", "dos", "اثنين", "اثنان", "rong"], 2),
    (&["tiga", "telu", "tilu", "three", "tigo", "ثلاثة", "ثلاث", "telung"], 3),
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

fn unit(word: &str) -> Option<i64> {
    UNITS.iter().find(|(names, _)| names.contains(&word)).map(|(_, n)| *n)
}

/// A whole number at `at`, in digits or words, and the word after it.
fn whole(words: &[Word], at: usize) -> Option<(i64, usize)> {
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

/// Words for being so many.
const TOGETHER: &[(&str, i64)] = &[
    ("sendiri", 1),
    ("sendirian", 1),
    ("dewean", 1),
    ("dewekan", 1),
    ("piyambakan", 1),
    ("piyambak", 1),
    ("sorangan", 1),
    ("nyalira", 1),
    ("alone", 1),
    ("solo", 1),
    ("myself", 1),
    ("single", 1),
    ("berdua", 2),
    ("duaan", 2),
    ("couple", 2),
    ("wong loro", 2),
    ("شخصين", 2),
    ("لشخصين", 2),
    ("شخصان", 2),
    ("pasutri", 2),
    ("bertiga", 3),
    ("tiluan", 3),
    ("telon", 3),
    ("berempat", 4),
    ("opatan", 4),
    ("berlima", 5),
    ("limaan", 5),
    ("berenam", 6),
    ("genepan", 6),
    ("bertujuh", 7),
    ("berdelapan", 8),
    ("bersembilan", 9),
    ("bersepuluh", 10),
];
const PEOPLE: &[&str] = &[
    "orang",
    "pax",
    "jamaah",
    "people",
    "person",
    "persons",
    "adult",
    "adults",
    "pilgrims",
    "seat",
    "seats",
    "kursi",
    "wong",
    "tiyang",
    "jalmi",
    "urang",
    "jiwa",
    "kepala",
    "dewasa",
    "peserta",
    "members",
    "اشخاص",
    "افراد",
    "شخص",
    "org2",
    "people's",
    "slot",
    "travellers",
    "travelers",
    "uwong",
    "jelema",
];
const CHILDREN: &[&str] = &[
    "anak",
    "bayi",
    "balita",
    "infant",
    "kids",
    "kid",
    "child",
    "children",
    "krucil",
    "bocah",
    "cucu",
    "toddler",
    "baby",
    "budak",
    "putra",
    "putri",
    "lare",
    "remaja",
    "keponakan",
    "adik",
    "kakak",
    "adek",
];
const COMPANIONS: &[(&str, i64)] = &[
    ("istri", 1),
    ("suami", 1),
    ("misua", 1),
    ("laki", 1),
    ("bojo", 1),
    ("bini", 1),
    ("istriku", 1),
    ("suamiku", 1),
    ("ibu", 1),
    ("ibuku", 1),
    ("bapak", 1),
    ("ayah", 1),
    ("mama", 1),
    ("papa", 1),
    ("emak", 1),
    ("mamah", 1),
    ("umi", 1),
    ("abi", 1),
    ("mertua", 1),
    ("adik", 1),
    ("kakak", 1),
    ("nenek", 1),
    ("kakek", 1),
    ("anak", 1),
    ("teman", 1),
    ("sahabat", 1),
    ("wife", 1),
    ("husband", 1),
    ("mother", 1),
    ("mom", 1),
    ("father", 1),
    ("dad", 1),
    ("son", 1),
    ("daughter", 1),
    ("sister", 1),
    ("brother", 1),
    ("friend", 1),
    ("parents", 2),
    ("ortu", 2),
    ("bibi", 1),
    ("paman", 1),
    ("tante", 1),
    ("om", 1),
    ("زوجتي", 1),
    ("زوجي", 1),
    ("امي", 1),
    ("والدتي", 1),
    ("pun bojo", 1),
    ("garwa", 1),
    ("nyokap", 1),
    ("bokap", 1),
    ("pacar", 1),
    ("tunangan", 1),
    ("cucu", 1),
    ("simbok", 1),
    ("lanceuk", 1),
    ("isteri", 1),
    ("mak", 1),
    ("abah", 1),
];
const SELF: &[&str] = &["saya", "aku", "kami", "kita", "kulo", "kula", "abdi", "i", "me", "انا", "ane", "my"];
const WITH: &[&str] = &[
    "dan", "sama", "dengan", "bareng", "ama", "and", "with", "karo", "kaliyan", "kalih", "sareng", "jeung", "plus", "و", "ditambah", "ajak", "ngajak", "beserta", "serta",
    "nemenin", "temenin",
];

fn pax(words: &[Word], bare: bool) -> Option<i64> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let mut sum = 0;
    let mut at = 0;
    while at < words.len() {
        if let Some((_, n)) = TOGETHER.iter().find(|(name, _)| *name == text(at)) {
            // "sendiri" is also "itself": alone only beside a person or a wish to go
            let self_said = *n > 1
                || text(at) != "sendiri"
                || (at.saturating_sub(4)..at + 3)
                    .any(|near| SELF.contains(&text(near)) || matches!(text(near), "berangkat" | "ikut" | "umroh" | "pergi" | "cuma" | "orang" | "buat" | "untuk"));
            if self_said && sum == 0 {
                sum = *n;
                at += 1;
                continue;
            }
        }
        if let Some((n, next)) = whole(words, at).filter(|(n, _)| (1..=500).contains(n)) {
            let reversed = at > 0
                && ["wong", "tiyang", "jalmi", "keluarga", "rombongan", "bertotal", "totalnya", "sekeluarga", "pax", "jumlahnya"].contains(&text(at - 1))
                && !is_unit(text(next));
            let other_meaning = matches!((text(next), text(next + 1)), ("orang", "tua") | ("kursi", "roda")); // parents, wheelchair
            let counted = PEOPLE.contains(&text(next)) && !other_meaning && !per_person(words, at);
            let seats = matches!(text(next), "korsi" | "tempat" | "nama" | "bangku" | "porsi") && !per_person(words, at);
            let group =
                at > 0 && matches!(text(at - 1), "ber" | "of" | "ambil" | "njupuk") && !is_unit(text(next)) && n <= 60 && decimal(text(at)).is_none_or(|value| value < 61.0)
                    || (at > 0 && text(at - 1) == "for" && n <= 12 && !is_unit(text(next)) && !matches!(text(next), "days" | "nights" | "weeks" | "million"));
            if counted || reversed || seats || group {
                sum += n;
                at = if counted || seats { next + 1 } else { next };
                continue;
            }
            if CHILDREN.contains(&text(next)) && !years_old(words, next) && n < 12 {
                sum += n;
                if sum == n {
                    sum += family_before(words, at);
                }
                at = next + 1;
                continue;
            }
            if text(next) == "orang" && text(next + 1) == "tua" {
                sum += n;
            }
            at = next;
            continue;
        }
        at += 1;
    }
    if sum == 0 {
        sum = company(words);
    }
    if sum == 0 && bare && words.len() <= 4 {
        sum = (0..words.len()).find_map(|at| whole(words, at)).map(|(n, _)| n).filter(|n| *n <= 60).unwrap_or(0);
    }
    (1..=500).contains(&sum).then_some(sum)
}

fn is_unit(word: &str) -> bool {
    matches!(word, "hari" | "juta" | "jt" | "ribu" | "malam" | "bulan" | "tahun" | "th" | "m" | "meter" | "km" | "menit" | "jam" | "kg" | "kali" | "kamar" | "persen" | "k")
}

/// `per orang`, `1 orang berapa`: a price for each, not how many go.
fn per_person(words: &[Word], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", |word| word.text.as_str());
    let after = words.get(at + 2).map_or("", |word| word.text.as_str());
    before == "per" || (words[at].text == "satu" || words[at].text == "1") && (matches!(after, "berapa" | "kamar") || matches!(before, "kamar" | "harga"))
}

fn years_old(words: &[Word], at: usize) -> bool {
    words.get(at + 1).is_some_and(|word| matches!(word.text.as_str(), "th" | "tahun" | "years" | "bulan"))
}

/// The grown-ups named before the children: `suami istri + 2 anak`, `aku sama misua dan 2 krucil`.
fn family_before(words: &[Word], to: usize) -> i64 {
    let before = &words[to.saturating_sub(7)..to];
    let named: i64 = COMPANIONS
        .iter()
        .filter(|(name, _)| !CHILDREN.contains(name) || matches!(*name, "adik" | "kakak"))
        .map(|(name, n)| if before.iter().any(|word| word.text == *name) { *n } else { 0 })
        .sum();
    let self_too = before.iter().any(|word| SELF.contains(&word.text.as_str())) && !before.windows(2).any(|pair| pair[0].text == "suami" && pair[1].text == "istri");
    named + i64::from(self_too)
}

/// `saya dan istri`, `suami istri`, `berangkat sama istri`, `ibu sama bapak`, `my wife and I`.
fn company(words: &[Word]) -> i64 {
    let is = |at: usize, list: &[&str]| words.get(at).is_some_and(|word| list.contains(&word.text.as_str()));
    // how many the word at `at` names, and the word after it
    let companion = |at: usize| -> Option<(i64, usize)> {
        let word = words.get(at)?.text.as_str();
        if (word == "orang" && is(at + 1, &["tua"])) || (word == "wong" && is(at + 1, &["tuwo", "tuo", "tua"])) {
            return Some((2, at + 2));
        }
        let bare = ["ku", "nya", "mu", "e", "ne", "s", "kula", "kulo"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
        let n = COMPANIONS.iter().find(|(name, _)| *name == word || *name == bare).map(|(_, n)| *n)?;
        let mut next = at + 1;
        while is(next, &["mertua", "saya", "aku", "kulo", "kula", "abdi", "bungsu", "sulung", "kandung", "lanang", "wadon", "i"]) {
            next += 1;
        }
        Some((n, next))
    };
    for at in 0..words.len() {
        if is(at, &["suami", "laki"]) && (is(at + 1, &["istri", "isteri", "bini"]) || (is(at + 1, WITH) && is(at + 2, &["istri", "isteri"]))) {
            return 2;
        }
        if is(at, &["pasangan", "couple"]) {
            return 2;
        }
        // with whom: somebody joins the one who writes
        let with = is(at, WITH) || is(at, &["bawa", "take", "bring", "mbeta", "nggowo", "memberangkatkan", "temani", "nemani"]);
        let mut next = at + 1;
        while is(next, SELF) || is(next, &["pun", "sang", "si", "mr", "my", "our"]) {
            next += 1;
        }
        if with && let Some((n, after)) = companion(next) {
            // "ibu sama bapak": both are named, the writer stays at home
            let before = (1..=2).filter_map(|back| at.checked_sub(back)).find_map(|before| companion(before).filter(|(_, end)| *end == at));
            let mut sum = n + before.map_or(1, |(n, _)| n);
            if is(at, &["memberangkatkan"]) {
                sum -= 1;
            }
            if before.is_some() && words[..at].iter().any(|word| matches!(word.text.as_str(), "bareng" | "bersama" | "ajak" | "bawa")) {
                sum += 1;
            }
            let mut at = after;
            while is(at, WITH) || is(at, &["n", "terus", "juga"]) || companion(at).is_some() {
                match companion(at) {
                    Some((n, after)) => {
                        sum += n;
                        at = after;
                    }
                    None => at += 1,
                }
            }
            return sum;
        }
        if is(at, &["wife", "husband", "mother", "mom", "mum", "dad", "father", "sister", "brother"]) && is(at + 1, &["and"]) && is(at + 2, &["i", "me", "myself"]) {
            return 2;
        }
        if is(at, &["for", "untuk", "buat", "kagem", "kanggo", "my"])
            && let Some((2, _)) = companion(at + 1 + usize::from(is(at + 1, &["my", "kedua"])))
        {
            return 2;
        }
    }
    0
}

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
const OTHER_MONTH: &[&str] = &[
    "paspor",
    "exp",
    "expired",
    "berlaku",
    "gaji",
    "gajian",
    "lahir",
    "kemarin",
    "lalu",
    "kepungkur",
    "wingi",
    "last",
    "expires",
    "panen",
    "mati",
    "kapungkur",
    "visa",
    "dulu",
    "cair",
];

fn month(words: &[Word], today: NaiveDate) -> Option<String> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let year_at = |at: usize| text(at).parse::<i32>().ok().map(|y| if y < 100 { 2000 + y } else { y }).filter(|y| (2020..=2100).contains(y) && matches!(text(at).len(), 2 | 4));
    let next_year = |at: usize| (at..at + 4).any(|at| matches!((text(at), text(at + 1)), ("tahun", "depan" | "ngarep" | "ngajeng" | "payun" | "hareup") | ("next", "year")));
    let next = |month: u32, year: Option<i32>, later: bool| {
        let soonest = if month >= today.month() { today.year() } else { today.year() + 1 };
        format!("{:04}-{month:02}", year.unwrap_or(if later { today.year() + 1 } else { soonest }))
    };
    let other = |at: usize| {
        (at.saturating_sub(4)..at).chain(at + 1..at + 3).any(|near| words.get(near).is_some_and(|word| word.clause == words[at].clause) && OTHER_MONTH.contains(&text(near)))
    };
    let mut fasting = false;
    for at in 0..words.len() {
        let word = text(at);
        fasting |= FASTING.contains(&word);
        if matches!(word, "bulan" | "wulan" | "sasih" | "month" | "sasi") && !other(at) {
            match text(at + 1) {
                "depan" | "ngajeng" | "hareup" | "ngarep" | "payun" if !words.iter().any(|word| matches!(word.text.as_str(), "bayar" | "gaji" | "transfer" | "lunas")) => {
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
        let Some(month) = MONTHS.iter().position(|names| names.contains(&word) || word.strip_suffix("an").is_some_and(|base| base.len() > 3 && names.contains(&base))) else {
            continue;
        };
        if other(at) {
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

/// Amounts nobody pays for an umroh, above or below, are something else.
const BUDGET_IDR: std::ops::RangeInclusive<i64> = 5_000_000..=500_000_000;
/// Words before an amount that make it a payment or a part, not what one will spend.
const NOT_BUDGET: &[&str] = &[
    "dp",
    "transfer",
    "setor",
    "bayar",
    "deposit",
    "cicil",
    "cicilan",
    "diskon",
    "potongan",
    "panjar",
    "bonus",
    "sebulan",
    "refund",
    "denda",
    "muka",
    "ditransfer",
    "nambah",
    "tambah",
    "tambahan",
    "kurang",
];
/// Words that make a lone number below a hundred millions of rupiah.
const HAGGLING: &[&str] = &[
    "budget",
    "budjet",
    "bajet",
    "anggaran",
    "nego",
    "harga",
    "dana",
    "maks",
    "max",
    "maksimal",
    "under",
    "dibawah",
    "pas",
    "bulet",
    "bulat",
    "deal",
    "tawar",
    "nett",
    "net",
    "sanggup",
    "mentok",
    "duit",
    "duwit",
    "kemahalan",
    "overbudget",
    "kumpul",
    "kekumpul",
    "tabungan",
    "kisaran",
    "modal",
    "kurangi",
    "kurangin",
    "dikurangi",
    "nawar",
];

fn budget(words: &[Word]) -> Option<i64> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let haggles =
        words.len() <= 3 || words.iter().any(|word| HAGGLING.contains(&word.text.as_str())) || words.windows(2).any(|pair| pair[0].text == "kurang" && pair[1].text == "dikit");
    let named = words.iter().any(|word| matches!(word.text.as_str(), "budget" | "anggaran" | "bajet"));
    let (mut bare, mut said) = (None, None);
    let mut at = 0;
    while at < words.len() {
        let start = at;
        let (value, next) = match decimal(text(at)).map(|value| (value, at + 1)).or_else(|| whole(words, at).map(|(n, next)| (n as f64, next))) {
            Some(found) => found,
            None => {
                at += 1;
                continue;
            }
        };
        at = next;
        let excluded = (1..=2).any(|back| start.checked_sub(back).is_some_and(|before| NOT_BUDGET.contains(&text(before))));
        let half = text(next) == "setengah";
        let unit_at = next + usize::from(half || text(next) == "an");
        let value = value + if half { 0.5 } else { 0.0 };
        let factor = match text(unit_at) {
            "juta" | "jt" | "jutaan" | "jtan" | "million" | "mio" | "yuta" | "yuto" | "jutan" | "مليون" | "jtaan" | "jeti" | "mil" => 1e6,
            "ribu" | "k" | "rb" => 1e3,
            _ if value >= 1e6 => 1.0,
            other => {
                // 26,5 is a price in this trade whatever stands around it
                let priced = value.fract() != 0.0 && (10.0..=99.0).contains(&value);
                let counted = is_unit(other)
                    || PEOPLE.contains(&other)
                    || CHILDREN.contains(&other)
                    || matches!(other, "kamar" | "persen" | "am" | "pm" | "malam" | "nama" | "tempat" | "bintang");
                if (priced || (haggles && (15.0..=99.0).contains(&value) && value.fract() == 0.0))
                    && !counted
                    && !excluded
                    && !matches!(text(start.wrapping_sub(1)), "tanggal" | "jam" | "umur" | "usia" | "ber" | "bulan" | "nomor")
                {
                    bare = Some((value * 1e6).round() as i64);
                }
                continue;
            }
        };
        let amount = (value * factor).round() as i64;
        if BUDGET_IDR.contains(&amount) && !excluded {
            said = Some(amount);
            if factor < 1e6 || named {
                break;
            }
        }
    }
    said.or(bare)
}

/// `26,5`, `26.5`, `25.000.000`.
fn decimal(text: &str) -> Option<f64> {
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

fn room(words: &[Word]) -> Option<&'static str> {
    words.iter().find_map(|word| match word.text.as_str() {
        "quad" | "quadruple" | "kuad" => Some("quad"),
        "triple" | "tripel" => Some("triple"),
        "double" | "dobel" | "twin" => Some("double"),
        _ => None,
    })
}

/// Words before a place that say one leaves from there, or lives there now.
const LEAVES: &[&str] = &["dari", "from", "saking", "ti", "soko", "seko", "teko", "saka", "من", "embarkasi", "start", "berangkat", "asal", "ex"];
const LIVES: &[&str] =
    &["domisili", "di", "tinggal", "posisi", "kerja", "based", "in", "rumah", "omah", "omahku", "kost", "kos", "area", "daerah", "kota", "sekitar", "warga", "ing", "neng", "off"];
/// Where an office, a landing or a hotel is says nothing about the customer.
const PLACE_OF_OTHERS: &[&str] = &["kantor", "cabang", "office", "kantore", "kantorna", "kantornya", "cabangnya", "branch", "landing", "perwakilan", "transit", "alamat"];

fn city(words: &[Word]) -> Option<String> {
    let mut best: Option<(u8, &str)> = None;
    for (at, word) in words.iter().enumerate() {
        let two = words.get(at + 1).map(|next| format!("{} {}", word.text, next.text));
        let Some(name) = place(&word.text, two.as_deref()) else { continue };
        let before: Vec<&str> = (1..=2).filter_map(|back| at.checked_sub(back)).map(|at| words[at].text.as_str()).collect();
        let leaves = before.iter().any(|word| LEAVES.contains(word));
        let lives = before.iter().any(|word| LIVES.contains(word));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
    }

    #[test]
    fn how_many() {
        for (text, n) in [
            ("kami berdua", 2),
            ("rencana 4 orang kak", 4),
            ("dua orang", 2),
            ("2org", 2),
            ("we are 3 people", 3),
            ("sendirian aja", 1),
            ("18 jamaah", 18),
            ("papat wong", 4),
            ("tilu jalmi", 3),
            ("suami istri + 2 anak", 4),
            ("saya dan istri", 2),
            ("aku sama misua dan 2 krucil", 4),
            ("dua belas orang", 12),
            ("2 dewasa 1 anak", 3),
            ("عمرة لشخصين", 2),
            ("saya sama ibu bapak", 3),
        ] {
            assert_eq!(find(text, today(), false).pax, Some(n), "{text}");
        }
        for text in ["harga 25 juta", "2", "9 hari", "harga per 1 orang berapa", "kursi roda", "anak saya umur 2 tahun"] {
            assert_eq!(find(text, today(), false).pax, None, "{text}");
        }
        assert_eq!(find("2 kak", today(), true).pax, Some(2));
    }

    #[test]
    fn which_month() {
        for (text, month) in [
            ("bulan maret", "2027-03"),
            ("Desember", "2026-12"),
            ("april 2028", "2028-04"),
            ("in December", "2026-12"),
            ("november", "2026-11"),
            ("jan 27", "2027-01"),
            ("bln 4", "2027-04"),
            ("bulan depan", "2026-12"),
            ("pas ramadhan", "2027-02"),
            ("10 hari terakhir ramadhan", "2027-03"),
            ("sasih Mei", "2027-05"),
            ("bulan Ogos", "2027-08"),
        ] {
            assert_eq!(find(text, today(), false).month.as_deref(), Some(month), "{text}");
        }
        for text in ["may i ask something", "halo", "UMR_JAN_2027_VIP"] {
            assert_eq!(find(text, today(), false).month, None, "{text}");
        }
    }

    #[test]
    fn how_much_and_from_where() {
        for (text, idr) in [
            ("budget 30 juta", 30_000_000),
            ("yg 25 jutaan", 25_000_000),
            ("26,5 jt", 26_500_000),
            ("Rp 27.000.000", 27_000_000),
            ("dua puluh lima juta", 25_000_000),
            ("budget 30an", 30_000_000),
            ("under 28jt", 28_000_000),
        ] {
            assert_eq!(find(text, today(), false).budget, Some(idr), "{text}");
        }
        assert_eq!(find("udah dp 5jt tadi", today(), false).budget, None);
        for (text, name) in [
            ("sy di bekasi", "Bekasi"),
            ("brgkt dr surabya", "Surabaya"),
            ("domisili makasar", "Makassar"),
            ("posisi jogja", "Yogyakarta"),
            ("kami tiga orang dari Johor", "Johor"),
            ("asal tangerang selatan", "Tangerang Selatan"),
        ] {
            assert_eq!(find(text, today(), false).city.as_deref(), Some(name), "{text}");
        }
        assert_eq!(find("kantornya di Bekasi ya?", today(), false).city, None);
    }
}
