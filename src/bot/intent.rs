//! What a message asks for, by its words. Names of intents are those of the agency's labelled messages.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The phrase lists, most telling first. A phrase of several words must stand as such.
const PHRASES: &[(&str, &[&str])] = &[
    ("opt_out", &["stop", "berhenti", "unsubscribe", "jangan kirim pesan lagi", "jangan wa saya lagi", "berhenti berlangganan"]),
    (
        "ask_human",
        &[
            "cs",
            "admin manusia",
            "orang asli",
            "bicara dengan",
            "ngomong sama",
            "telepon saya",
            "telpon saya",
            "minta ditelpon",
            "hubungi saya",
            "sama orang",
            "dengan manusia",
            "speak to",
            "talk to",
            "real person",
            "human",
            "call me",
            "bukan bot",
            "bukan robot",
            "minta admin",
            "panggil admin",
        ],
    ),
    (
        "complaint",
        &["kecewa", "komplain", "complain", "penipuan", "penipu", "parah banget", "tidak profesional", "ga profesional", "lama banget dibalas", "disappointed", "mengecewakan"],
    ),
    ("cancel_refund", &["refund", "batal", "membatalkan", "dibatalkan", "uang kembali", "cancel"]),
    (
        "payment_done",
        &["sudah transfer", "udah transfer", "sdh transfer", "bukti transfer", "sudah bayar", "udah bayar", "have paid", "already paid", "sudah dp", "sudah tf", "udah tf"],
    ),
    (
        "register",
        &[
            "mau daftar",
            "ingin daftar",
            "daftar sekarang",
            "cara daftar",
            "mau booking",
            "booking seat",
            "mau pesan",
            "daftarkan",
            "register",
            "book now",
            "i want to book",
            "ambil paket",
        ],
    ),
    (
        "ask_payment",
        &[
            "cara bayar",
            "bayarnya",
            "pembayaran",
            "dp berapa",
            "berapa dp",
            "dp nya",
            "dpnya",
            "nomor rekening",
            "no rekening",
            "rekening",
            "cicil",
            "cicilan",
            "dicicil",
            "angsuran",
            "how to pay",
            "payment",
            "installment",
            "transfer kemana",
            "bayar dp",
            "mau dp",
            "down payment",
        ],
    ),
    ("negotiate", &["diskon", "discount", "kurangin", "nego", "potongan harga", "bisa kurang", "lebih murah"]),
    ("ask_hotel", &["hotel", "hotelnya", "penginapan", "jarak", "jauh dari haram", "dekat haram", "meter"]),
    ("ask_itinerary", &["itinerary", "jadwal perjalanan", "kegiatan", "rundown", "agenda"]),
    (
        "ask_facilities",
        &[
            "fasilitas",
            "fasilitasnya",
            "facilities",
            "termasuk apa",
            "include",
            "included",
            "dapat apa",
            "detail",
            "detailnya",
            "brosur",
            "brochure",
            "maskapai",
            "pesawat",
            "airline",
        ],
    ),
    ("ask_quota", &["sisa seat", "sisa kursi", "masih ada seat", "masih ada kursi", "kuota", "seats left", "still available", "masih tersedia", "masih bisa", "masih ada slot"]),
    ("ask_price", &["harga", "harganya", "biaya", "biayanya", "berapa", "brp", "price", "cost", "how much", "tarif"]),
    ("ask_schedule", &["jadwal", "kapan", "tanggal berapa", "berangkat kapan", "keberangkatan", "when", "schedule", "departure"]),
    ("ask_packages", &["paket", "umroh", "umrah", "info", "package", "packages", "daftar harga", "pilihan", "program"]),
    ("greeting", &["assalamualaikum", "assalamu", "salam", "halo", "hallo", "hai", "hi", "hello", "pagi", "siang", "sore", "malam", "permisi", "p", "ass", "aslm"]),
    ("thanks", &["terima kasih", "makasih", "trimakasih", "thanks", "thank you", "syukron", "jazakallah", "tengkyu", "mksh", "terimakasih"]),
    ("affirm", &["ya", "iya", "yes", "betul", "benar", "boleh", "mau", "ok", "oke", "yup", "sip", "lanjut", "silakan", "silahkan", "yes please"]),
];

/// Words that turn a wish to register or pay into its opposite when they stand up to three words before it.
const NEGATIONS: &[&str] = &["belum", "blm", "tidak", "nggak", "ngga", "gak", "ga", "jangan", "bukan", "dont", "not", "tdk", "engga", "enggak"];
const NEGATABLE: &[&str] = &["register", "ask_payment", "payment_done", "cancel_refund", "ask_human"];

/// The words of a text, folded.
fn words(text: &str) -> Vec<String> {
    text.to_lowercase().replace(['\'', '’'], "").split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// One phrase: which intent, which of its phrases, its words.
struct Phrase {
    rank: usize,
    at: usize,
    words: Vec<&'static str>,
}

/// Phrases by their first word, so that a message costs as many look-ups as it has words.
static BY_FIRST_WORD: LazyLock<HashMap<&'static str, Vec<Phrase>>> = LazyLock::new(|| {
    let mut index: HashMap<&'static str, Vec<Phrase>> = HashMap::new();
    for (rank, (_, phrases)) in PHRASES.iter().enumerate() {
        for (at, phrase) in phrases.iter().enumerate() {
            let words: Vec<&str> = phrase.split(' ').collect();
            index.entry(words[0]).or_default().push(Phrase { rank, at, words });
        }
    }
    index
});

/// Single words that are a command only when they are nearly all there is.
const COMMANDS: usize = 3;

/// Intents found, most telling first.
pub fn detect(text: &str) -> Vec<&'static str> {
    let words = words(text);
    let mut found = [false; PHRASES.len()];
    for (start, word) in words.iter().enumerate() {
        for phrase in BY_FIRST_WORD.get(word.as_str()).into_iter().flatten() {
            let intent = PHRASES[phrase.rank].0;
            let meets = words.len() >= start + phrase.words.len() && words[start..].iter().zip(&phrase.words).all(|(word, want)| word == want);
            let negated = NEGATABLE.contains(&intent) && words[start.saturating_sub(3)..start].iter().any(|word| NEGATIONS.contains(&word.as_str()));
            let alone = words.len() <= 3 || intent != "opt_out" || phrase.at >= COMMANDS;
            // a nod is a nod only in a short message
            let nod = intent != "affirm" || words.len() <= 4;
            found[phrase.rank] |= meets && !negated && alone && nod;
        }
    }
    PHRASES.iter().zip(found).filter(|(_, found)| *found).map(|((intent, _), _)| *intent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intents_by_words() {
        for (text, intent) in [
            ("Cara bayar?", "ask_payment"),
            ("DP berapa?", "ask_payment"),
            ("Mau daftar", "register"),
            ("hotelnya jauh dari haram?", "ask_hotel"),
            ("STOP", "opt_out"),
            ("mau ngomong sama CS dong", "ask_human"),
            ("harganya berapa kak", "ask_price"),
            ("Assalamualaikum", "greeting"),
            ("makasih ya", "thanks"),
            ("boleh", "affirm"),
        ] {
            assert!(detect(text).contains(&intent), "{text}: {:?}", detect(text));
        }
    }

    #[test]
    fn negation_and_scope() {
        assert!(!detect("belum mau daftar dulu kak").contains(&"register"));
        assert!(!detect("jangan stop dulu ya promonya, saya masih tertarik").contains(&"opt_out"));
        assert!(!detect("ya tapi saya masih mikir dulu soal harga").contains(&"affirm"));
    }
}
