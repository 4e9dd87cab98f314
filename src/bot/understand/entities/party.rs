//! How many travel: counted, or named one by one.

use super::number::{decimal, is_unit, whole};
use crate::bot::understand::words::Word;

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
pub(super) const PEOPLE: &[&str] = &[
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
pub(super) const CHILDREN: &[&str] = &[
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
    ("bude", 1),
    ("mum", 1),
    ("ipar", 1),
    ("keponakan", 1),
    ("adek", 1),
    ("semah", 1),
    ("salaki", 1),
    ("pamajikan", 1),
    ("rayi", 1),
    ("pakde", 1),
    ("bulik", 1),
    ("paklik", 1),
    ("sepupu", 1),
    ("saudara", 1),
    ("besan", 1),
    ("temen", 1),
    ("kawan", 1),
    ("rekan", 1),
    ("والدي", 1),
    ("bayi", 1),
    ("balita", 1),
    ("baby", 1),
    ("ابني", 1),
    ("ابنتي", 1),
    ("اختي", 1),
    ("اخي", 1),
];
pub(super) const SELF: &[&str] = &["saya", "aku", "kami", "kita", "kulo", "kula", "abdi", "i", "me", "انا", "ane", "my"];
const WITH: &[&str] = &[
    "dan", "sama", "dengan", "bareng", "ama", "and", "with", "karo", "kaliyan", "kalih", "sareng", "jeung", "plus", "و", "ditambah", "ajak", "ngajak", "beserta", "serta",
    "nemenin", "temenin",
];

/// Under two years old: a place on a lap, a price of its own.
const BABIES: &[&str] = &["bayi", "bayinya", "infant", "infants", "baby", "babies", "orok"];
/// Words after which a baby is one of those counted.
const AMONG: &[&str] = &["termasuk", "including", "includes", "satunya", "satu", "salah", "seorang", "salahsatunya", "one", "kalebet", "kaasup"];
/// And words that leave it at home.
const STAYS: &[&str] = &["ditinggal", "tinggal", "titip", "dititip", "dititipkan", "tanpa", "without"];

/// Babies among those [`size`] counts.
pub(super) fn infants(words: &[Word], bare: bool) -> Option<i64> {
    let at = words.iter().position(|word| BABIES.contains(&word.text.as_str()))?;
    let all = size(words, bare)?;
    if words[at].denied || words.iter().any(|word| STAYS.contains(&word.text.as_str())) {
        return None;
    }
    let before = at.checked_sub(1).and_then(|before| whole(words, before).map(|(n, _)| (before, n)));
    // with the baby taken out: how many are left
    let from = before.map_or(at, |(from, _)| from);
    let others: Vec<Word> = words[..from].iter().chain(&words[at + 1..]).cloned().collect();
    let without = size(&others, bare).unwrap_or(0);
    let told = before.map_or(1, |(_, n)| n);
    // "5 orang termasuk 2 bayi", "berempat, satunya bayi": among those told before
    let among = words[..from].iter().rev().take(2).any(|word| AMONG.contains(&word.text.as_str()));
    let n = match all - without {
        0 if among => told,
        0 => 0, // on top of those counted, or only asked about
        more if without == 0 => told.min(more),
        more => more,
    };
    (n > 0 && n < all).then_some(n)
}

/// Longest "just me", in words.
const ONLY_ME: usize = 6;

/// Everyone travelling. `bare`: a lone number is the answer.
pub(super) fn size(words: &[Word], bare: bool) -> Option<i64> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let mut sum = 0;
    let mut parts: Vec<Part> = Vec::new();
    let mut at = 0;
    // "cuma saya", "just me, no one else"
    if words.len() <= ONLY_ME && matches!(text(0), "cuma" | "hanya" | "just" | "only" | "mung" | "ngan") && matches!(text(1), "saya" | "aku" | "me" | "kulo" | "kula" | "abdi") {
        let goes_on = words.get(2).is_some_and(|word| word.clause == words[0].clause && !matches!(word.text.as_str(), "saja" | "sendiri" | "kok" | "kak" | "bu" | "pak"));
        if !goes_on {
            return Some(1);
        }
    }
    while at < words.len() {
        // "dua belas orang, termasuk tiga balita": who is included is counted already
        let includes = matches!(text(at), "termasuk" | "including" | "includes" | "incl" | "kalebet" | "kaasup");
        if sum > 1 && includes && (whole(words, at + 1).is_some() || companion(words, at + 1).is_some() || SELF.contains(&text(at + 1))) {
            break;
        }
        // "tadinya berenam, jadi berlima": the later one holds
        let corrected =
            sum > 0 && (1..=2).any(|back| at.checked_sub(back).is_some_and(|before| matches!(text(before), "jadi" | "jadinya" | "tinggal" | "sekarang" | "ternyata" | "now")));
        if let Some((_, n)) = TOGETHER.iter().find(|(name, _)| *name == text(at)) {
            if corrected {
                sum = *n;
                parts = vec![Part { n: *n, next: at + 1, whole: true }];
                at += 1;
                continue;
            }
            // "sendiri" is also "itself": alone only beside a person or a wish to go
            let self_said = *n > 1
                || text(at) != "sendiri"
                || (at.saturating_sub(4)..at + 3)
                    .any(|near| SELF.contains(&text(near)) || matches!(text(near), "berangkat" | "ikut" | "umroh" | "pergi" | "cuma" | "orang" | "buat" | "untuk"))
                || at == 0 && text(1) == "saja" && words.len() <= 6;
            if self_said && sum == 0 {
                sum = *n;
                parts.push(Part { n: *n, next: at + 1, whole: true });
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
            let seats = matches!(text(next), "korsi" | "tempat" | "nama" | "bangku" | "porsi" | "places" | "spots" | "diri") && !per_person(words, at);
            let group = at > 0
                && matches!(text(at - 1), "ber" | "of" | "ambil" | "njupuk" | "ikut")
                && !is_unit(text(next))
                && n <= 60
                && decimal(text(at)).is_none_or(|value| value < 61.0)
                || (at > 0 && text(at - 1) == "for" && n <= 12 && !is_unit(text(next)) && !matches!(text(next), "days" | "nights" | "weeks" | "million"));
            // "four of us: my parents, my sister and I": all are counted already
            if text(next) == "of" && matches!(text(next + 1), "us" | "them") {
                return Some(n);
            }
            let we_are = at > 0 && matches!(text(at - 1), "kami" | "are" | "نحن" | "احنا") && n <= 60 && !is_unit(text(next)) && decimal(text(at)).is_none_or(|value| value < 61.0);
            if (counted || we_are) && corrected {
                sum = 0;
                parts.clear();
            }
            if counted || reversed || seats || group || we_are {
                sum += n;
                at = if counted || seats { next + 1 } else { next };
                parts.push(Part { n, next: at, whole: ![text(next), text(at)].iter().any(|word| matches!(*word, "dewasa" | "adult" | "adults")) });
                // "two adults and a toddler"
                if matches!(text(at), "and" | "dan" | "plus") && matches!(text(at + 1), "a" | "an" | "seorang") && CHILDREN.contains(&text(at + 2)) {
                    sum += 1;
                    at += 3;
                }
                continue;
            }
            if CHILDREN.contains(&text(next)) && !years_old(words, next) && n < 12 {
                sum += n;
                parts.push(Part { n, next: next + 1, whole: false });
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
    if let Some(all) = told_apart(words, &parts) {
        sum = all;
    }
    if sum == 0 {
        sum = company(words);
    }
    if sum == 0 && bare && words.len() <= 4 {
        sum = (0..words.len()).find_map(|at| lone(words, at)).filter(|n| *n <= 60).unwrap_or(0);
    }
    (1..=500).contains(&sum).then_some(sum)
}

/// A number of people in the text.
struct Part {
    n: i64,
    /// The word after it.
    next: usize,
    /// Said of people, not of grown-ups or children: it may be all of them.
    whole: bool,
}

/// All of them, when a number is followed by whom it is made up of: `kami berempat, istri sama dua anak`, `5 orang, 2 dewasa
/// 3 anak`. Two or more must follow, and they must come to that number, with or without the one who writes.
fn told_apart(words: &[Word], parts: &[Part]) -> Option<i64> {
    let (first, rest) = parts.split_first()?;
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    // "3 orang plus 2 anak 1 bayi" adds
    let adds = WITH.contains(&text(first.next)) || matches!(text(first.next), "tambah" | "+" | "nambah");
    if !first.whole || first.n < 3 || rest.is_empty() || adds {
        return None;
    }
    let is_counted = |at: usize| at > first.next && whole(words, at - 1).is_some();
    let named: Vec<usize> = (first.next..words.len()).filter(|at| COMPANIONS.iter().any(|(name, _)| *name == text(*at)) && !is_counted(*at)).collect();
    let counted: i64 = rest.iter().map(|part| part.n).sum();
    let others: i64 = named.iter().map(|at| COMPANIONS.iter().find(|(name, _)| *name == text(*at)).map_or(0, |(_, n)| *n)).sum();
    let comes_to = [counted + others, counted + others + 1].contains(&first.n);
    (rest.len() + named.len() >= 2 && comes_to).then_some(first.n)
}

/// Words before a number that make it another thing than people.
const OF_OTHERS: &[&str] = &[
    "umur", "usia", "age", "aged", "budget", "bujet", "anggaran", "dana", "tanggal", "tgl", "jam", "pukul", "harga", "kamar", "nomor", "no", "bulan", "tahun", "hari", "bintang",
    "tipe", "quad",
];
/// Words after a number that measure another thing than people.
const MEASURES: &[&str] = &[
    "tahun", "th", "thn", "years", "year", "bulan", "months", "hari", "days", "malam", "nights", "jam", "menit", "meter", "m", "km", "kali", "x", "persen", "kamar", "bintang",
    "an", "kg",
];

/// A number that stands for itself.
fn lone(words: &[Word], at: usize) -> Option<i64> {
    let (n, next) = whole(words, at)?;
    let before = at.checked_sub(1).and_then(|at| words.get(at)).map_or("", |word| word.text.as_str());
    let after = words.get(next).map_or("", |word| word.text.as_str());
    (!OF_OTHERS.contains(&before) && !MEASURES.contains(&after) && !is_unit(after)).then_some(n)
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

/// Words that begin a party without the one who writes: `daftarin bapak ibu mertua`.
const FOR_OTHERS: &[&str] = &["for", "untuk", "buat", "kagem", "kanggo", "my", "daftarin", "daftarkan", "mendaftarkan", "berangkatkan", "memberangkatkan", "ndaftarin", "register"];
/// Words that bring somebody along.
const BRINGS: &[&str] = &["bawa", "take", "bring", "mbeta", "nggowo", "memberangkatkan", "temani", "nemani"];
/// Words that may stand between two who are named.
const BETWEEN: &[&str] = &["n", "terus", "juga", "the", "pun", "sang", "si", "mr", "my", "our", "kedua"];
/// Words after a person that name nobody else.
const WHOSE: &[&str] = &["mertua", "saya", "aku", "kulo", "kula", "abdi", "bungsu", "sulung", "kandung", "lanang", "wadon", "i", "kuliah", "kantor", "sekolah", "kecil"];

fn is(words: &[Word], at: usize, list: &[&str]) -> bool {
    words.get(at).is_some_and(|word| list.contains(&word.text.as_str()))
}

/// How many people the word at `at` names, and the word after it.
fn companion(words: &[Word], at: usize) -> Option<(i64, usize)> {
    let word = words.get(at)?.text.as_str();
    if (word == "orang" && is(words, at + 1, &["tua"])) || (word == "wong" && is(words, at + 1, &["tuwo", "tuo", "tua"])) {
        return Some((2, at + 2));
    }
    let named = |word: &str| {
        let bare = ["ku", "nya", "mu", "e", "ne", "s", "kula", "kulo"].iter().find_map(|ending| word.strip_suffix(ending)).unwrap_or(word);
        COMPANIONS.iter().find(|(name, _)| *name == word || *name == bare).map(|(_, n)| *n)
    };
    // "2 temen kuliah", "anak dua"
    if let Some((count, next)) = whole(words, at).filter(|(n, _)| (1..=12).contains(n))
        && let Some(counted) = words.get(next)
        && named(&counted.text).is_some_and(|n| n == 1)
        && !years_old(words, next)
    {
        return Some((count, skip(words, next + 1, WHOSE)));
    }
    let n = named(word).or_else(|| named(word.strip_prefix('و')?))?;
    let after = skip(words, at + 1, WHOSE);
    match whole(words, after)
        .filter(|(count, next)| n == 1 && (1..=9).contains(count) && !words.get(*next).is_some_and(|word| is_unit(&word.text) || PEOPLE.contains(&word.text.as_str())))
    {
        Some((count, next)) if words[after].clause == words[at].clause => Some((count, next)),
        _ => Some((n, after)),
    }
}

/// Past the words of `list`, within a clause.
fn skip(words: &[Word], from: usize, list: &[&str]) -> usize {
    let mut at = from;
    while is(words, at, list) && (at == 0 || words[at].clause == words[at - 1].clause) {
        at += 1;
    }
    at
}

/// Adds up who is named one after the other from `at`: `istri, ibu sama dua anak`.
fn row(words: &[Word], mut at: usize) -> (i64, usize) {
    let mut sum = 0;
    loop {
        while is(words, at, BETWEEN) {
            at += 1;
        }
        match companion(words, at) {
            Some((n, after)) => {
                sum += n;
                at = after;
            }
            None if is(words, at, WITH) || is(words, at, BRINGS) => at += 1,
            None => return (sum, at),
        }
    }
}

/// "mak dan ayah saya, saya pun ikut"
fn joins(words: &[Word], at: usize) -> bool {
    (at..at + 2).any(|at| is(words, at, SELF) && (at + 1..at + 4).any(|near| is(words, near, &["ikut", "ikutan", "join", "sekali", "juga", "melu", "ngiring"])))
}

/// `saya dan istri`, `suami istri`, `berangkat sama istri`, `ibu sama bapak`, `my wife and I`, `saya suami anak dua`.
fn company(words: &[Word]) -> i64 {
    for at in 0..words.len() {
        if is(words, at, &["suami", "laki"])
            && (is(words, at + 1, &["istri", "isteri", "bini"]) || (is(words, at + 1, WITH) && is(words, at + 2, &["istri", "isteri"])))
            && !is(words, at.wrapping_sub(1), SELF)
        {
            return 2;
        }
        if is(words, at, &["pasangan", "couple"]) {
            return 2;
        }
        // "istri dan saya"
        if let Some((n, after)) = companion(words, at)
            && is(words, after, WITH)
            && is(words, after + 1, SELF)
            && companion(words, at.wrapping_sub(2)).is_none()
        {
            return n + 1;
        }
        // the one who writes, then a row of others right after: "saya suami anak dua", "saya, ibu, bude sama sepupu"
        if is(words, at, SELF) {
            let (n, _) = row(words, at + 1);
            let is_row = n > 1 || is(words, at + 1, WITH) || words.get(at + 1).is_some_and(|word| word.text.starts_with('و') && word.text.len() > 4);
            if n > 0 && is_row && companion(words, at.wrapping_sub(1)).is_none() {
                return n + 1;
            }
        }
        // with whom: somebody joins the one who writes
        let with = is(words, at, WITH) || is(words, at, BRINGS);
        let mut next = at + 1;
        while is(words, next, SELF) || is(words, next, BETWEEN) {
            next += 1;
        }
        if with && companion(words, next).is_some() {
            // "ibu sama bapak": both are named, the writer stays at home
            let before = (1..=2).filter_map(|back| at.checked_sub(back)).find_map(|before| companion(words, before).filter(|(_, end)| *end == at));
            let (n, after) = row(words, next);
            let mut sum = n + before.map_or(1, |(n, _)| n);
            if is(words, at, &["memberangkatkan"]) {
                sum -= 1;
            }
            if before.is_some() && words[..at].iter().any(|word| matches!(word.text.as_str(), "bareng" | "bersama" | "ajak" | "bawa")) {
                sum += 1;
            }
            return sum + i64::from(before.is_some() && joins(words, after));
        }
        if is(words, at, &["wife", "husband", "mother", "mom", "mum", "dad", "father", "sister", "brother"])
            && is(words, at + 1, &["and"])
            && is(words, at + 2, &["i", "me", "myself"])
        {
            return 2;
        }
        if is(words, at, FOR_OTHERS) {
            let (n, after) = row(words, at + 1);
            if n > 1 {
                return n + i64::from(joins(words, after));
            }
        }
    }
    0
}
