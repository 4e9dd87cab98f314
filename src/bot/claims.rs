//! Statements that are no figures and yet must be facts: promises, what has been done or paid, flights and places, secrets
//! asked for, names of people, hotels, airlines and towns. Deny by default: what the facts do not say in these words is
//! held back, and costs a second proposal.

/// Stems of promises; any word that holds one makes it (`diskonnya`, `digratiskan`).
const STEMS: &[&str] = &[
    "gratis",
    "diskon",
    "discount",
    "potongan",
    "korting",
    "promo",
    "cashback",
    "garansi",
    "jaminan",
    "dijamin",
    "menjamin",
    "guarantee",
    "refund",
    "pengembalian",
    "dikembalikan",
    "cuma-cuma",
];

/// What may be said only in words the facts hold too.
#[rustfmt::skip] // a list
const PHRASES: &[&str] = &[
    // promises
    "bonus", "free", "potong harga", "uang kembali", "uangnya balik", "uang balik", "dana kembali", "kembalikan penuh", "kami kembalikan", "tanpa biaya", "tanpa tambahan", "harga khusus", "harga spesial",
    "special price", "lebih murah", "kuota aman", "turunkan", "diturunkan", "kami kurangi", "dikurangi", "pasti berangkat", "pasti dapat", "pasti lolos", "pasti terbit", "pasti keluar", "pasti ada",
    "pasti disetujui", "visa pasti", "berlaku sampai", "berlaku hingga", "hanya berlaku", "hari ini saja", "today only", "only today", "valid until", "harga naik", "harga akan naik", "naik minggu depan",
    "harga turun", "semua paket kami", "seluruh paket", "untuk sekeluarga", "satu keluarga cukup",
    // what only a person knows to be done
    "sudah kami terima", "sudah diterima", "sudah masuk", "sudah kami pesankan", "sudah dipesankan", "sudah kami booking", "sudah terdaftar", "sudah kami daftarkan", "sudah terbit", "sudah keluar",
    "sudah lunas", "sudah dikonfirmasi", "kami konfirmasi", "payment received", "is confirmed", "has been issued", "sudah dp", "sudah bayar", "sudah transfer",
    // what is asked for by thieves, and where they lead
    "otp", "pin", "password", "kata sandi", "cvv", "nomor kartu", "kartu atm", "mobile banking", "m-banking", "kode verifikasi", "pesan pribadi", "japri", "atas nama", "transfer ke", "rekening bca",
    "rekening bni", "rekening bri", "rekening mandiri", "rekening bsi", "telegram", "instagram", "facebook", "tiktok", "shopee", "tokopedia", "bit ly", "slash", "(dot)", "[dot]", "titik com",
    // rules of states and health
    "tidak wajib", "tidak perlu visa", "tanpa visa", "tidak perlu paspor", "tanpa paspor", "tanpa vaksin", "tidak perlu vaksin", "no visa", "no vaccine",
    // where, how and whether
    "tanpa transit", "no transit", "non-stop", "nonstop", "kelas bisnis", "business class", "first class", "persis di depan", "depan masjid", "pelataran", "seberang masjid", "ring satu", "ring 1",
    "in front of", "sudah penuh", "fully booked", "sold out", "sudah tidak dijual", "tidak dijual", "sudah berangkat", "sudah ditutup",
    "sudah habis", "kursi habis", "kuota habis", "hampir penuh", "hampir habis", "tinggal sedikit", "masih banyak", "banyak kursi", "kursinya banyak", "plenty of seats", "many seats", "almost full",
    "sebelah masjid", "samping masjid", "beberapa langkah", "di pelataran", "dekat sekali", "next to the mosque", "walking distance",
    // terms of payment
    "tidak perlu dp", "tanpa dp", "tidak usah dp", "bayar saat pulang", "bayar setelah pulang", "bayar belakangan", "bayar nanti saja", "no deposit", "no down payment", "pay later", "pay after",
    // other terms than the row's
    "setahun", "sebulan", "seminggu", "setelah pulang", "sesudah pulang", "satu rombongan", "per rombongan", "per keluarga", "per kamar", "boleh setelah", "bisa setelah", "boleh sesudah", "bisa sesudah", "boleh lewat", "bisa lewat", "boleh dilewati", "bisa dilewati", "boleh tidak", "boleh tanpa", "bisa tanpa",
    "after you return", "per family", "per group", "for the whole group", "a year", "can skip", "may skip",
    // amounts without a number
    "sejutaan", "jutaan", "puluhan juta", "ratusan juta", "ratusan ribu", "separuh harga", "setengah harga", "half price", "seperempat", "sepertiga", "cepek", "ceban", "gopek", "goceng", "noceng",
];

/// What is said of a package's state, and how its facts say it.
const STATES: &[(&str, &str)] = &[
    ("sudah penuh", "sudah penuh"),
    ("fully booked", "sudah penuh"),
    ("sold out", "sudah penuh"),
    ("sudah tidak dijual", "tidak dijual"),
    ("tidak dijual", "tidak dijual"),
    ("sudah ditutup", "tidak dijual"),
    ("sudah berangkat", "sudah berangkat"),
];

/// Words about a flight without a stop, and what the facts must say then.
const DIRECT: &[&str] = &[
    "penerbangan langsung",
    "penerbangannya langsung",
    "terbang langsung",
    "pesawatnya langsung",
    "direct flight",
    "langsung ke jeddah",
    "langsung ke madinah",
    "langsung jakarta",
];
/// Days told by their distance, and what is said of the journey then.
const RELATIVE: &[&str] =
    &["besok", "lusa", "minggu depan", "pekan depan", "bulan depan", "nanti malam", "tomorrow", "next week", "next month", "setelah lebaran", "habis lebaran"];
/// Days of the week, said of a journey: the facts give dates.
const WEEKDAYS: &[&str] =
    &["senin", "selasa", "rabu", "kamis", "jumat", "jum'at", "sabtu", "ahad", "hari minggu", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Parts of a month, the same.
const PARTS: &[&str] = &["awal ", "pertengahan ", "akhir ", "early ", "mid ", "late ", "end of "];
const MONTHS: &[&str] = &[
    "januari",
    "februari",
    "maret",
    "april",
    "mei",
    "juni",
    "juli",
    "agustus",
    "september",
    "oktober",
    "november",
    "desember",
    "january",
    "february",
    "march",
    "may",
    "june",
    "july",
    "august",
    "october",
    "december",
];
const LEAVING: &[&str] = &["berangkat", "terbang", "keberangkatan", "leave", "depart", "fly"];

/// What says that a thing is in the price, and words beside it that are no thing.
const INCLUDED: &[&str] = &["termasuk", "included", "includes", "include"];
#[rustfmt::skip] // a list
const NO_THINGS: &[&str] = &[
    "sudah", "belum", "tidak", "bukan", "harga", "harganya", "biaya", "paket", "paketnya", "dalam", "untuk", "semua", "semuanya", "juga", "dengan", "yang", "kakak", "bapak", "saja", "kami", "sendiri", "bayar", "price",
    "package", "already", "your", "this", "that", "with", "also", "are", "not", "the", "and",
];
const JOURNEY: &[&str] = &["berangkat", "terbang", "tutup", "naik", "habis", "mulai", "leave", "depart", "flight"];

/// Names of other people's hotels, airlines, towns and feasts, in any case of letters: facts or nothing.
#[rustfmt::skip] // a list
const NAMES: &[&str] = &[
    "garuda", "saudia", "lion air", "citilink", "batik air", "emirates", "etihad", "qatar", "oman air", "turkish", "flynas", "airasia", "scoot", "malindo", "sriwijaya", "hilton", "pullman", "swissotel",
    "fairmont", "movenpick", "conrad", "hyatt", "marriott", "sheraton", "intercontinental", "zamzam tower", "clock tower", "anjum", "dar al", "turki", "dubai", "mesir", "istanbul", "kairo", "aqsa",
    "yordania", "surabaya", "medan", "makassar", "palembang", "semarang", "yogyakarta", "solo", "balikpapan", "padang", "pekanbaru", "aceh", "lombok", "banjarmasin", "kertajati", "idul adha",
    "idul fitri", "lebaran", "idulfitri", "iduladha",
];

/// Words that are written with a capital and name nobody.
#[rustfmt::skip] // a list
const CAPITALS: &[&str] = &[
    "bapak", "ibu", "pak", "bu", "kak", "kakak", "mas", "mbak", "bang", "teh", "kang", "ustadz", "ustadzah", "ustaz", "haji", "hajah", "insya", "insyaallah", "allah", "alhamdulillah", "masya", "subhanallah",
    "assalamualaikum", "assalamu", "alaikum", "waalaikumsalam", "waalaikumussalam", "wa", "warahmatullahi", "wabarakatuh", "bismillah", "aamiin", "amin", "makkah", "mekkah", "mekah", "madinah", "saudi", "arab",
    "arabia", "indonesia", "jeddah", "masjidil", "masjid", "haram", "nabawi", "kabah", "ka", "bah", "raudhah", "raudah", "safa", "marwah", "ramadhan", "ramadan", "ihram", "miqat", "umroh", "umrah", "hajj", "whatsapp",
    "senin", "selasa", "rabu", "kamis", "jumat", "sabtu", "minggu", "ahad", "januari", "februari", "maret", "april", "mei", "juni", "juli", "agustus", "september", "oktober", "november", "desember",
    "january", "february", "march", "may", "june", "july", "august", "october", "december", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "ktp", "kk", "dp", "ppiu", "ac",
    "wib", "wita", "wit", "pdf", "baitullah", "puan", "tuan", "encik", "islam", "quran", "al", "nabi", "rasulullah", "muhammad", "saw", "swt", "kemenag", "kementerian", "agama", "sir", "madam", "mr", "mrs", "ms", "i", "we", "our", "you", "your",
    "the", "english", "indonesian", "rp", "idr", "faq", "ok", "oke", "ya",
];

/// Words that turn a statement into its opposite, how far before it in its clause, and how far after.
const DENIALS: &[&str] = &["tidak", "belum", "bukan", "no", "not", "cannot", "tak", "tdk"];
const DENIAL_REACH: usize = 4;
const LATE_DENIAL_REACH: usize = 7;
/// Denials that deny nothing of what follows them.
const EMPTY_DENIALS: &[&str] = &["ragu", "main", "usah", "hanya", "cuma", "doubt", "only", "perlu", "khawatir"];
/// Words that only name a subject: "pertanyaan tentang diskon", "soal refund".
const SUBJECTS: &[&str] = &["soal", "tentang", "mengenai", "pertanyaan", "perihal", "urusan", "permintaan", "about", "regarding", "feel"];
const SUBJECT_REACH: usize = 2;

/// Letters spaced out to pass unseen, joined: `d i s k o n`, `d u a p u l u h`.
pub fn joined(text: &str) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut run = String::new();
    let mut letters = 0;
    for line in text.split('\n') {
        for word in line.split(' ') {
            if word.chars().count() == 1 && word.chars().all(char::is_alphabetic) {
                run.push_str(word);
                letters += 1;
                continue;
            }
            flush(&mut out, &mut run, &mut letters);
            out.push(word.to_owned());
        }
        flush(&mut out, &mut run, &mut letters);
        out.push("\n".into());
    }
    out.join(" ").trim_end().to_owned()
}

fn flush(out: &mut Vec<String>, run: &mut String, letters: &mut usize) {
    if *letters >= 4 {
        out.push(std::mem::take(run));
    } else {
        out.extend(run.chars().map(String::from));
        run.clear();
    }
    *letters = 0;
}

/// Statements of `text` that the facts do not make, in the words they were made. `facts`: everything that is known, in
/// lower case; `of_package`: what is known of the package that is spoken of.
pub fn unfounded(text: &str, facts: &str, of_package: &str) -> Vec<String> {
    let lower = joined(text).to_lowercase();
    let mut found = Vec::new();
    for sentence in lower.split(['.', '!', '?', ';', '\n']) {
        let clauses: Vec<Vec<&str>> = sentence
            .split([',', ':'])
            .map(|clause| clause.split(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '(' | ')' | '[' | ']')).filter(|word| !word.is_empty()).collect())
            .collect();
        for clause in &clauses {
            found.extend(in_clause(clause, facts, of_package));
            found.extend(wrongly_included(clause, of_package));
        }
        let says = |phrase: &&&str| sentence.contains(**phrase);
        if let Some(phrase) = DIRECT.iter().find(says)
            && (!of_package.contains("langsung") || of_package.contains("transit"))
        {
            found.push((*phrase).to_owned());
        }
        if let Some(phrase) = RELATIVE.iter().find(says)
            && JOURNEY.iter().any(|word| sentence.contains(word))
        {
            found.push((*phrase).to_owned());
        }
        if LEAVING.iter().any(|word| sentence.contains(word)) {
            let weekday = WEEKDAYS.iter().find(|day| has_words(sentence, day) && !of_package.contains(**day)).map(|day| (*day).to_owned());
            let part = PARTS
                .iter()
                .flat_map(|part| MONTHS.iter().map(move |month| format!("{part}{month}")))
                .find(|said| sentence.contains(said.as_str()) && !facts.contains(said.as_str()));
            found.extend(weekday.into_iter().chain(part));
        }
        if sentence.contains("transit") && !sentence.contains("tanpa transit") && !of_package.contains("transit") && !facts.contains("transit") {
            found.push("transit".into());
        }
    }
    found.extend(NAMES.iter().filter(|name| has_words(&lower, name) && !facts.contains(**name)).map(|name| (*name).to_owned()));
    found.extend(strange_names(text, facts));
    found
}

/// Things said to be in the price, or not, against what the package's row says.
fn wrongly_included(words: &[&str], of_package: &str) -> Option<String> {
    let at = words.iter().position(|word| INCLUDED.contains(word))?;
    let lines = |head: &str| of_package.lines().filter_map(|line| line.trim().trim_start_matches(['-', '•', ' ']).strip_prefix(head)).collect::<Vec<_>>().join(" ");
    let (with, without) = (lines("termasuk:"), lines("tidak termasuk:"));
    let denied = words[at.saturating_sub(2)..at].iter().any(|word| DENIALS.contains(word));
    words
        .iter()
        .map(|word| word.trim_end_matches("nya"))
        .map(super::grounded::in_indonesian)
        .filter(|word| word.chars().count() >= 4 && !NO_THINGS.contains(word) && !INCLUDED.contains(word))
        .find(|thing| {
            let (is_in, is_out) = (has_words(&with, thing), has_words(&without, thing));
            if denied { is_in && !is_out } else { is_out && !is_in }
        })
        .map(|thing| format!("{} {thing}", if denied { "tidak termasuk" } else { "termasuk" }))
}

/// Promises and phrases of one clause.
fn in_clause(words: &[&str], facts: &str, of_package: &str) -> Vec<String> {
    let mut found = Vec::new();
    let any = |from: usize, to: usize, list: &[&str]| words[from.min(words.len())..to.min(words.len())].iter().any(|word| list.contains(word));
    let denied = |at: usize, after: usize| {
        let from = at.saturating_sub(DENIAL_REACH);
        let before = (from..at).any(|place| {
            DENIALS.contains(&words[place])
                && !words.get(place + 1).is_some_and(|next| EMPTY_DENIALS.contains(next))
                && !words.get(place + 2).is_some_and(|next| EMPTY_DENIALS.contains(next))
        });
        before || any(after, after + LATE_DENIAL_REACH, DENIALS)
    };
    let mut check = |at: usize, len: usize, phrase: &str| {
        let after = at + len;
        let next = words.get(after).copied().unwrap_or("");
        let of_state = STATES.iter().find(|(said, _)| *said == phrase);
        let stated = match of_state {
            Some((_, state)) => of_package.contains(state),
            None => facts.contains(format!("{phrase} {next}").trim()),
        };
        if !stated && !denied(at, after) && !any(at.saturating_sub(SUBJECT_REACH), at, SUBJECTS) {
            found.push(format!("{phrase} {next}").trim().to_owned());
        }
    };
    for (at, word) in words.iter().enumerate() {
        if STEMS.iter().any(|stem| word.contains(stem)) {
            check(at, 1, word);
        }
    }
    for phrase in PHRASES {
        let parts: Vec<&str> = phrase.split(' ').collect();
        for at in 0..(words.len() + 1).saturating_sub(parts.len()) {
            if words[at..at + parts.len()] == parts[..] || (parts.len() == 1 && words[at].contains("(dot)") && *phrase == "(dot)") {
                check(at, parts.len(), phrase);
            }
        }
    }
    found
}

fn has_words(lower: &str, phrase: &str) -> bool {
    lower.match_indices(phrase).any(|(at, hit)| {
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        edge(lower[..at].chars().next_back()) && edge(lower[at + hit.len()..].chars().next())
    })
}

/// Words with a capital in the middle of a sentence that name nobody we know of.
fn strange_names(text: &str, facts: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut begins = true;
    for piece in text.split_inclusive(char::is_whitespace) {
        let word = piece.trim_matches(|c: char| !c.is_alphanumeric());
        let starts_upper = word.chars().next().is_some_and(char::is_uppercase);
        let all_upper = word.chars().all(|c| !c.is_lowercase());
        if starts_upper && !begins && word.chars().count() >= 3 && !(all_upper && word.chars().count() > 12) {
            let parts = word.split(|c: char| !c.is_alphanumeric()).filter(|part| part.chars().next().is_some_and(char::is_uppercase));
            for part in parts {
                let lower = part.to_lowercase();
                let bare = lower.trim_end_matches("nya");
                let known = CAPITALS.contains(&lower.as_str())
                    || CAPITALS.contains(&bare)
                    || has_words(facts, &lower)
                    || has_words(facts, bare)
                    || lower.chars().any(|c| c.is_ascii_digit());
                if !known {
                    found.push(part.to_owned());
                }
            }
        }
        let last = piece.trim_end().chars().next_back();
        begins = last.is_none() && begins || matches!(last, Some('.' | '!' | '?' | ':' | ';' | '"' | '“' | '-' | '–' | '•' | '*')) || piece.contains('\n');
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaced_out_letters_are_joined_and_ordinary_ones_are_not() {
        assert_eq!(joined("D I S K O N khusus"), "DISKON khusus");
        assert_eq!(joined("A atau B"), "A atau B");
    }

    #[test]
    fn denials_deny_only_what_follows_them_in_their_clause() {
        for harmless in ["kami belum bisa memberi diskon", "soal refund, tim kami yang menjawab", "diskon memang belum ada"] {
            assert!(unfounded(harmless, "", "").is_empty(), "{harmless}: {:?}", unfounded(harmless, "", ""));
        }
        for made in ["tidak ada ragu, diskon ada", "bukan main, gratis", "diskonnya besar"] {
            assert!(!unfounded(made, "", "").is_empty(), "{made}");
        }
    }
}
