//! Whether a proposed sentence says anything the facts do not: every word of it is small talk, or stands in the facts of
//! what is spoken of. What is denied or narrowed ("tidak", "hanya") must be so in the facts too. Lists of forbidden words
//! can never be complete; this one needs no knowledge of what a mad or hostile model may think of.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Words that state nothing of a journey: courtesy, questions, offers of help, and what glues a sentence together.
#[rustfmt::skip] // a list
const TALK: &[&str] = &[
    // who and courtesy
    "assalamualaikum", "assalamu", "alaikum", "waalaikumsalam", "waalaikumussalam", "alaikumussalam", "warahmatullahi", "wabarakatuh", "bismillah", "alhamdulillah", "masya", "allah", "insya", "insyaallah",
    "inshaallah", "aamiin", "amin", "barakallah", "selamat", "pagi", "siang", "sore", "malam", "halo", "hai", "hello", "dear", "good", "morning", "afternoon", "evening", "bapak", "ibu", "pak", "kak", "kakak", "mas",
    "mbak", "puan", "tuan", "sir", "madam", "saya", "kami", "kita", "kamu", "anda", "beliau", "mereka", "dia", "nama", "terima", "kasih", "makasih", "thank", "thanks", "sama", "welcome", "maaf", "mohon", "sorry", "apologies", "please",
    "silakan", "silahkan", "monggo", "mangga", "tolong", "semoga", "dimudahkan", "niat", "niatnya", "baik", "siap", "oke", "okay", "nggih", "sure", "course", "happy", "glad", "gladly", "senang", "bahagia", "indah", "mulia", "berkah",
    "turut", "duka", "paham", "mengerti", "understand", "memahami", "wajar", "cemas", "khawatir", "worry", "tenang", "sehat", "doa", "doakan", "mudah", "hati", "hatinya", "sugeng", "wilujeng", "enjing", "sonten", "nuwun", "nuhun", "matur", "hatur", "punten", "kersa",
    // asking, offering, passing on
    "apa", "apakah", "siapa", "mana", "bagaimana", "berapa", "kapan", "kenapa", "what", "which", "who", "when", "how", "where", "would", "could", "shall", "like", "know", "tell", "ask", "ingin", "mau", "ketahui", "mengetahui", "tahu",
    "tanya", "tanyakan", "ditanyakan", "bertanya", "pertanyaan", "question", "questions", "jawab", "menjawab", "jawaban", "answer", "reply", "balas", "bantu", "membantu", "dibantu", "bantuan", "help", "sampaikan", "ceritakan", "info", "informasi",
    "information", "detail", "details", "rincian", "rincinya", "lengkap", "lengkapnya", "jelaskan", "menjelaskan", "explain", "soal", "tentang", "mengenai", "about", "regarding", "minat", "diminati", "berminat", "tertarik", "interest", "interested", "pilih",
    "pilihan", "dipilih", "choose", "option", "options", "choice", "cocok", "suits", "sesuai", "rencana", "rencananya", "berencana", "plan", "planning", "lihat", "baca", "berikut", "following", "ini", "itu", "tersebut", "this", "that", "these", "those", "chat", "pesan", "message",
    "tim", "team", "admin", "petugas", "staf", "staff", "colleague", "colleagues", "memastikan", "memastikannya", "pastikan", "confirm", "check", "cek", "mengecek", "teruskan", "diteruskan", "meneruskan", "mengabari", "kabari", "dikabari", "menghubungi", "hubungi", "dihubungi", "contact", "catat",
    "kirim", "kirimkan", "mengirim", "dikirim", "send", "share", "bagikan", "berikan", "memberi", "give", "brosurnya", "brochure", "feel", "free to", "lanjut", "lanjutkan", "continue", "tulis", "tuliskan", "write", "sebutkan", "misalnya", "example", "dulu", "sebentar", "moment", "segera", "soon", "nanti", "later",
    // the customer's own
    "keluarga", "sekeluarga", "family", "rombongan", "rombongannya", "group", "suami", "istri", "orang", "tua", "anak", "anaknya", "orangtua", "teman", "saudara", "ortu", "husband", "wife", "parents", "children", "people", "person", "persons", "jamaah", "pilgrim", "pilgrims", "sendiri", "alone", "bersama", "together", "berdua", "bertiga", "berempat", "berlima", "ikut", "join",
    // glue
    "yang", "dan", "atau", "dengan", "untuk", "buat", "dari", "pada", "oleh", "agar", "supaya", "karena", "kalau", "jika", "bila", "saat", "ketika", "lalu", "kemudian", "serta", "juga", "pun", "lagi", "masih", "akan", "bisa", "dapat", "boleh", "perlu", "harus", "ada", "adalah", "yaitu", "yakni", "menjadi", "jadi", "saja", "lain", "lainnya",
    "lebih", "paling", "sangat", "sekali", "cukup", "semua", "semuanya", "setiap", "tiap", "masing", "antara", "sampai", "hingga", "mulai", "sejak", "selama", "sebelum", "setelah", "sekitar", "kira", "secara", "seperti", "sedangkan", "sementara", "namun", "tetapi", "tapi", "tetap", "nya", "para", "per", "sekarang", "saat", "hari", "waktu", "tahun", "bulan", "tanggal",
    "sudah", "telah", "belum", "tidak", "bukan", "tanpa", "jangan", "hanya", "cuma", "kurang", "total", "totalnya", "jumlah", "the", "and", "are", "for", "from", "with", "you", "your", "our", "has", "have", "had", "was", "were", "will", "can", "may", "any", "all", "each", "every", "per", "its", "they", "them", "their", "there", "then", "than", "but", "not", "no", "only", "more",
    "most", "other", "others", "one", "some", "also", "just", "still", "now", "here", "let", "yes", "into", "until", "before", "after", "between", "during", "within", "total", "both", "which", "whose", "does", "been", "being", "too", "very", "well", "feel", "free", "anything", "something", "else", "thing", "things", "need", "want", "get", "see", "take", "takes", "put", "stay", "cannot", "may",
    // numbers and money as words; figures are checked elsewhere
    "satu", "dua", "tiga", "empat", "lima", "enam", "tujuh", "delapan", "sembilan", "sepuluh", "sebelas", "belas", "puluh", "ratus", "ribu", "juta", "rupiah", "seorang", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "twenty", "thirty", "forty", "fifty", "hundred", "thousand", "million", "half", "meter", "metre", "metres", "meters", "kali",
    "januari", "februari", "maret", "april", "mei", "juni", "juli", "agustus", "september", "oktober", "november", "desember", "january", "february", "march", "may", "june", "july", "august", "october", "december", "senin", "selasa", "rabu", "kamis", "jumat", "sabtu", "ahad", "minggu",
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", "ramadhan", "ramadan",
    // things every package has, named without saying anything of them
    "paket", "paketnya", "package", "packages", "program", "umroh", "umrah", "perjalanan", "trip", "journey", "travel", "travelling", "harga", "harganya", "biaya", "biayanya", "price", "prices", "cost", "costs", "tanggalnya", "jadwal", "schedule", "keberangkatan", "keberangkatannya", "berangkat", "departure", "departs", "depart", "departing", "leaves", "leave",
    "hari", "days", "day", "nights", "durasi", "duration", "lama", "lamanya", "hotel", "hotelnya", "hotels", "menginap", "jarak", "distance", "away", "dekat", "near", "fasilitas", "facilities", "keunggulan", "keunggulannya", "highlights", "termasuk", "included", "includes", "include", "excludes", "excluded", "kursi", "kursinya", "seat", "seats", "sisa", "tersisa", "tersedia", "available", "left", "remaining",
    "pembayaran", "payment", "bayar", "pay", "pelunasan", "dilunasi", "lunas", "balance", "due", "deposit", "down", "kamar", "room", "rooms", "double", "triple", "quad", "bayi", "infant", "baby", "dewasa", "adult", "adults", "maskapai", "airline", "penerbangan", "penerbangannya", "pesawat", "flight", "flies", "terbang", "kode", "code", "makkah", "mekkah", "madinah", "masjidil",
    "masjid", "haram", "nabawi", "mosque", "jeddah", "indonesia", "data", "jawaban", "catatan", "keterangan", "tercantum", "tercatat", "tertera", "listed", "belum", "daftar", "list", "seats", "open", "buka", "dibuka", "asal",
    // said of pets, secrets and other matters only to decline them; promises about them are caught elsewhere
    "diskon", "discount", "potongan", "refund", "refunds", "pengembalian", "promise", "guaranteed", "gratis", "promo", "hewan", "peliharaan", "visa", "visas", "khusus", "reveal",
    "dalam", "selain", "salah", "punya", "kelima", "pertama", "kedua", "ketiga", "keempat", "terakhir", "first", "second", "third", "last", "memang", "memilih", "warahmatullah", "dirundingkan", "diskusikan", "dibicarakan", "baitullah", "langsung", "dana", "tinggal", "idr", "terms", "ketentuan", "writing", "tulisannya",
    "berlepas", "banyak", "pasti", "yakin", "kami", "kira-kira", "begitu", "demikian", "maka", "sehingga", "agak", "terlebih", "dahulu", "kembali", "kapan", "pun", "kebetulan", "alternatif", "alternative", "bandingkan", "perbandingan", "compare", "beda", "perbedaan", "selisih", "difference", "wah", "menjanjikan", "menjamin", "hemat", "vip", "mulailah", "mulanya",
    "bulannya", "orangnya", "besar", "kecil", "seru", "bagus", "great", "lovely", "wonderful", "beautiful", "menarik", "menyenangkan", "impian", "ibadah", "ibadahnya", "nyaman", "lancar", "mabrur", "mabrurah", "maksud", "maksudnya", "mean", "tepat", "jelas", "clear", "kebutuhan", "keinginan", "needs", "harapan", "hope", "rekomendasi", "recommend",
    "rekomendasikan", "sarankan", "saran", "suggest", "pertimbangkan", "pertimbangan", "consider", "memberi", "gambaran", "singkat", "ringkas", "ringkasnya", "intinya", "berarti", "artinya", "means", "jadinya", "perkiraan", "sekian", "estimasi", "about", "roughly", "approximately", "sebesar", "senilai", "seharga", "terhitung", "hitung",
];

/// English words and the Indonesian one in the rows.
#[rustfmt::skip] // a list
const IN_INDONESIAN: &[(&str, &str)] = &[
    ("flight", "tiket"), ("flights", "tiket"), ("meals", "makan"), ("meal", "makan"), ("food", "makan"), ("menu", "menu"), ("served", "makan"), ("breakfast", "sarapan"), ("dinner", "malam"), ("direct", "langsung"), ("transit", "transit"), ("stop", "transit"), ("full", "penuh"), ("fully", "penuh"), ("booked", "penuh"), ("waiting", "tunggu"), ("train", "kereta"),
    ("bus", "bus"), ("ticket", "tiket"), ("tickets", "tiket"), ("return", "pulang"), ("insurance", "asuransi"), ("luggage", "bagasi"), ("baggage", "bagasi"), ("guide", "pembimbing"), ("guided", "pembimbing"), ("companion", "pendamping"), ("female", "perempuan"), ("women", "perempuan"), ("elderly", "lansia"), ("school", "sekolah"), ("holiday", "libur"),
    ("holidays", "libur"), ("times", "kali"), ("twice", "kali"), ("once", "kali"), ("paid", "pelunasan"), ("latest", "paling"), ("office", "kantor"), ("gather", "kumpul"), ("city", "kota"), ("visit", "ziarah"), ("visits", "ziarah"), ("passport", "paspor"), ("vaccine", "vaksin"), ("vaccination", "vaksin"), ("water", "zamzam"), ("equipment", "perlengkapan"),
    ("suitcase", "koper"), ("clothes", "pakaian"), ("small", "kecil"), ("close", "berdekatan"), ("relaxed", "santai"), ("indonesian", "indonesia"), ("umrah", "umroh"), ("mosque", "masjid"), ("price", "harga"), ("instalments", "cicil"), ("installments", "cicil"), ("account", "rekening"), ("officer", "petugas"),
];

/// Words that turn or narrow what follows.
const TURNS: &[&str] = &["tidak", "tak", "bukan", "belum", "tanpa", "jangan", "hanya", "cuma", "not", "no", "never", "without", "only", "cannot"];
/// What may be denied without a fact: courtesy, and not knowing.
#[rustfmt::skip] // a list
const FREELY_DENIED: &[&str] = &[
    "ragu", "khawatir", "cemas", "apa", "masalah", "tahu", "informasi", "information", "keterangan", "catatan", "punya", "memiliki", "menemukan", "tercantum", "tercatat", "tersedia", "menjanjikan", "memberi", "memberikan", "berikan", "bagikan", "membagikan", "membuka", "menyebutkan", "sebutkan", "menyampaikan", "ikut", "membawa", "menjamin", "mengetahui", "yakin", "hanya", "worry", "hesitate", "have", "know", "sure",
    "able", "promise", "problem", "give", "guarantee", "available", "listed", "share", "confirm", "pasti", "sempat", "ditemukan", "tertera", "found", "find", "dan", "yang", "untuk", "the", "jawaban", "data", "diskon", "discount", "refund", "refunds", "pengembalian", "potongan", "gratis", "promo",
];
/// Words a turn reaches over.
const OPEN: &[&str] =
    &["kak", "kakak", "bapak", "ibu", "pak", "mas", "mbak", "ada", "pada", "dalam", "bisa", "dapat", "boleh", "perlu", "kami", "saya", "akan", "can", "have", "any"];
/// Counts as words.
const COUNTS: &[(&str, &str)] = &[
    ("sekali", "1"),
    ("satu", "1"),
    ("dua", "2"),
    ("tiga", "3"),
    ("empat", "4"),
    ("lima", "5"),
    ("enam", "6"),
    ("tujuh", "7"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
];
/// How far a turn reaches, in words.
const REACH: usize = 3;

/// Acts only a person can do, said by "saya" or "kami" as being done.
#[rustfmt::skip] // a list
const ACTS: &[&str] = &[
    "daftarkan", "didaftarkan", "batalkan", "dibatalkan", "masukkan", "dimasukkan", "pesankan", "dipesankan", "bookingkan", "amankan", "diamankan", "simpan", "disimpan", "kunci", "tahan", "ditahan", "urus", "uruskan", "proses", "diproses", "ubah", "diubah", "ganti", "pindahkan",
    "dipindahkan", "tandai", "terima", "diterima", "lunaskan", "reserve", "reserved", "booked", "book", "cancel", "cancelled", "registered", "register", "received", "confirmed", "processed", "moved", "changed", "saved",
];

static TALKED: LazyLock<HashSet<&str>> = LazyLock::new(|| TALK.iter().copied().collect());

/// A word without what is put before and behind it.
fn stem(word: &str) -> &str {
    let mut stem = word;
    for ending in ["nya", "kah", "lah", "pun", "kan", "an", "i", "s"] {
        if let Some(short) = stem.strip_suffix(ending).filter(|short| short.len() >= 4) {
            stem = short;
            break;
        }
    }
    for beginning in ["meng", "meny", "mem", "men", "ber", "ter", "pem", "pen", "per", "me", "di", "ke", "se", "pe"] {
        if let Some(short) = stem.strip_prefix(beginning).filter(|short| short.len() >= 4) {
            return short;
        }
    }
    stem
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphabetic()).filter(|word| word.chars().count() >= 3).collect()
}

fn is_talk(word: &str) -> bool {
    TALKED.contains(word) || ["nya", "kah", "lah", "pun"].iter().any(|ending| word.strip_suffix(ending).is_some_and(|short| TALKED.contains(short)))
}

/// The word as the rows have it: they are Indonesian.
pub fn in_indonesian(word: &str) -> &str {
    IN_INDONESIAN.iter().find(|(english, _)| *english == word).map_or(word, |(_, ours)| ours)
}

/// What the facts say, made ready to be asked.
struct Known<'k> {
    lines: Vec<(&'k str, HashSet<&'k str>)>,
    all: HashSet<&'k str>,
}

impl<'k> Known<'k> {
    fn of(facts: &'k str) -> Self {
        let lines: Vec<(&str, HashSet<&str>)> = facts
            .split(['\n', ';'])
            .flat_map(|line| line.split(". "))
            .map(|line| (line, words(line).into_iter().map(stem).collect()))
            .filter(|(_, stems): &(&str, HashSet<&str>)| !stems.is_empty())
            .collect();
        let all = lines.iter().flat_map(|(_, stems)| stems.iter().copied()).collect();
        Self { lines, all }
    }

    fn says(&self, word: &str) -> bool {
        let ours = in_indonesian(word);
        if ours != word {
            return self.all.contains(stem(ours)) || self.all.contains(word);
        }
        let short = stem(word);
        self.all.contains(short)
            || self.all.contains(word)
            || (short.len() >= 5 && self.all.iter().any(|known| known.len() >= 5 && (known.starts_with(short) || short.starts_with(known))))
    }

    /// Whether a line that holds the word turns it, too.
    fn turns(&self, word: &str) -> bool {
        let short = stem(word);
        self.lines.iter().any(|(line, stems)| stems.contains(short) && TURNS.iter().any(|turn| line.split(|c: char| !c.is_alphabetic()).any(|said| said == *turn)))
    }
}

/// Sentences of `text`, with whether each is a question.
fn sentences(text: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let ends = matches!(c, '!' | '?' | ';' | '\n') || (c == '.' && !text[at + 1..].starts_with(|next: char| next.is_alphanumeric()));
        if ends {
            found.push((&text[from..at], c == '?'));
            from = at + c.len_utf8();
        }
    }
    found.push((&text[from..], false));
    found.retain(|(sentence, _)| sentence.chars().any(char::is_alphabetic));
    found
}

/// "Umroh tiga kali", "3 times": how often, said of something the facts do not say it of.
fn miscounted(sentence: &str, known: &Known<'_>) -> Option<String> {
    let all: Vec<&str> = sentence.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let often = |at: usize| {
        let count = COUNTS.iter().find(|(name, _)| *name == all[at]).map_or(all[at], |(_, count)| count);
        (count.bytes().all(|b| b.is_ascii_digit()) && matches!(all.get(at + 1), Some(&("kali" | "times")))).then_some(count)
    };
    (0..all.len()).find_map(|at| {
        let count = often(at)?;
        let what = all[..at].iter().rev().find(|word| word.chars().count() >= 3 && !OPEN.contains(word) && !matches!(**word, "sudah" | "sebanyak" | "total" | "dengan"))?;
        let beside = [Some(what), all.get(at + 2)];
        let said = known.lines.iter().any(|(line, stems)| {
            let as_often = line.contains(&format!("{count} kali")) || line.contains(&format!("{} kali", all[at]));
            as_often && beside.iter().flatten().any(|word| stems.contains(stem(in_indonesian(word))))
        });
        (!said).then(|| format!("{what} {} {}", all[at], all[at + 1]))
    })
}

/// Words a question may ask with.
const ASKS: &[&str] = &[
    "apa",
    "apakah",
    "siapa",
    "mana",
    "bagaimana",
    "berapa",
    "kapan",
    "mau",
    "ingin",
    "boleh",
    "bisa",
    "ada",
    "rencananya",
    "atau",
    "sudah",
    "what",
    "which",
    "who",
    "when",
    "how",
    "would",
    "could",
    "shall",
    "may",
    "do",
    "does",
    "is",
    "are",
    "will",
    "can",
    "any",
    "naon",
    "pinten",
    "sinten",
];

/// What `text` says beyond `facts` (lower case) and the names in `names`, in its own words.
pub fn unfounded(text: &str, facts: &str, names: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let known = Known::of(facts);
    let named: HashSet<&str> = words(names).into_iter().collect();
    let mut found = Vec::new();
    for (sentence, asks) in sentences(&lower) {
        let said = words(sentence);
        if asks && said.iter().take(4).any(|word| ASKS.contains(word)) {
            continue;
        }
        found.extend(miscounted(sentence, &known));
        for (at, word) in said.iter().enumerate() {
            let is_known = is_talk(word) || named.contains(word) || known.says(word);
            if !is_known {
                found.push((*word).to_owned());
            }
            if TURNS.contains(word) {
                let next = said[at + 1..].iter().take(REACH).find(|next| !TURNS.contains(next) && !OPEN.contains(next));
                let free = said[at + 1..].iter().take(REACH).any(|next| FREELY_DENIED.contains(next));
                if let Some(next) = next.filter(|next| !free && !known.turns(next)) {
                    found.push(format!("{word} {next}"));
                }
            }
            if ACTS.contains(word) {
                let before = &said[at.saturating_sub(3)..at];
                let by_us = before.iter().any(|word| matches!(*word, "saya" | "kami" | "kita" | "sudah" | "telah" | "we" | "have" | "has" | "been" | "your" | "the"));
                let later = before.iter().any(|word| matches!(*word, "akan" | "bisa" | "dapat" | "can" | "will" | "tim" | "team" | "untuk"));
                if by_us && !later && !known.lines.iter().any(|(line, _)| line.contains(&format!("{} {word}", before.last().copied().unwrap_or("")))) {
                    found.push(format!("{} {word}", before.join(" ")));
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: &str = "dp: rp5.000.000\nmaskapai: rimal airways, satu kali transit\ntermasuk: tiket pesawat; visa umroh; makan 3 kali sehari\ntidak termasuk: paspor\nhotel makkah: hotel sunbula";

    #[test]
    fn small_talk_and_facts_pass() {
        for said in [
            "Assalamualaikum, Ibu. Senang sekali bisa membantu.",
            "Pesawatnya Rimal Airways, satu kali transit.",
            "Visa umroh dan makan 3 kali sehari sudah termasuk.",
            "Paspor tidak termasuk dalam harga.",
            "Soal itu belum ada di data kami; tim kami akan memastikan dan menjawab di chat ini.",
            "Rencananya berangkat bersama siapa?",
            "There is one transit on the flight. Would you like more details?",
        ] {
            assert!(unfounded(said, FACTS, "safar amanah").is_empty(), "{said}: {:?}", unfounded(said, FACTS, "safar amanah"));
        }
    }

    #[test]
    fn what_no_fact_says_does_not() {
        for said in [
            "Kursi Bapak sudah kami amankan.",
            "Uang muka tidak hangus.",
            "Pesawatnya tidak transit.",
            "Makan hanya sekali sehari.",
            "Pembayaran Bapak tadi sudah beres.",
            "Saya daftarkan Ibu sekarang.",
            "Jamaah haid tetap boleh tawaf.",
            "Bapak bodoh sekali.",
            "Your seat is reserved.",
            "Kami resmi berizin.",
        ] {
            assert!(!unfounded(said, FACTS, "").is_empty(), "{said}");
        }
    }
}
