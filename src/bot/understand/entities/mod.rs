//! What a customer says about the trip: how many travel, which month, how much money, from where. Taken from any of the
//! languages and spellings; only what is said, never guessed.

mod budget;
mod city;
mod month;
mod number;
mod party;

use super::words;
use chrono::NaiveDate;

/// What was said; each part only when it was.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Entities {
    /// Everyone travelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pax: Option<i64>,
    /// Babies among them: they do not pay what the others pay.
    #[serde(skip)]
    pub infants: Option<i64>,
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
pub fn find(words: &[words::Word], today: NaiveDate, bare: bool) -> Entities {
    Entities {
        pax: party::size(words, bare),
        infants: party::infants(words, bare),
        month: month::said(words, today),
        budget: budget::said(words),
        city: city::said(words),
        room: room(words),
    }
}

fn room(words: &[words::Word]) -> Option<&'static str> {
    words.iter().find_map(|word| match word.text.as_str() {
        "quad" | "quadruple" | "kuad" => Some("quad"),
        "triple" | "tripel" => Some("triple"),
        "double" | "dobel" | "twin" => Some("double"),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(text: &str, today: NaiveDate, bare: bool) -> Entities {
        super::find(&words::read(text).words, today, bare)
    }

    fn today() -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 11, 20).unwrap()
    }

    #[test]
    fn babies_among_them() {
        for (text, pax, infants) in [
            ("kami 2 dewasa 1 bayi, total berapa", 3, Some(1)),
            ("2 dewasa 1 anak 1 bayi", 4, Some(1)),
            ("3 orang plus 2 anak 1 bayi", 6, Some(1)),
            ("5 orang termasuk 2 bayi", 5, Some(2)),
            ("kami berempat, satunya bayi 9 bulan", 4, Some(1)),
            ("we are 3 including a baby", 3, Some(1)),
            ("2 orang dewasa 2 anak", 4, None),
            ("kami berdua", 2, None),
            ("kami berdua, bayinya ditinggal", 2, None),
            ("Kami bertiga. bayi kena biaya?", 3, None),
            ("kami berdua, kalau bayi bayar berapa", 2, None),
            ("2 dewasa 1 anak, ada bayi juga. totalnya berapa", 3, None),
            ("saya, istri dan bayi. total berapa", 3, Some(1)),
        ] {
            let found = find(text, today(), false);
            assert_eq!((found.pax, found.infants), (Some(pax), infants), "{text}");
        }
        assert_eq!(find("bayi bayar berapa kak", today(), false).infants, None, "nobody travels yet");
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
            ("Just me, no one else", 1),
            ("cuma saya aja kak", 1),
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
            ("tadinya berenam tapi kakek ga kuat, jadi berlima", 5),
            ("aku sm 2 temen kuliah", 3),
            ("saya, ibu, bude, sama sepupu yg baru lulus", 4),
            ("saya suami anak dua mertua satu", 5),
            ("We're in. Two adults and a toddler", 3),
            ("Four of us: my parents, my sister and I", 4),
            ("mau ndaftarin bapak ibu mertua", 2),
            ("Nak daftar untuk mak dan ayah saya, saya pun ikut sekali", 3),
            ("نحن ثلاثة، أنا وزوجتي وابني الصغير", 3),
            ("أنا وزوجتي", 2),
            ("istri dan saya", 2),
            ("Please book three seats for us", 3),
            ("put down to hold three places", 3),
            ("seorang diri kak", 1),
            ("sendiri aja kak jomblo", 1),
            ("Just me and my mum", 2),
            ("ikut satu ya min", 1),
            ("نريد الحجز لأربعة أشخاص", 4),
            ("saya, adik, ipar, sama keponakan 1", 4),
            ("kami ber 4, istri sama 2 anak", 4),
            ("kami 5 orang, saya istri dan 3 anak", 5),
            ("saya sekeluarga 5 orang 2 dewasa 3 anak", 5),
            ("rombongan 12 orang termasuk 3 balita", 12),
            ("4 orang, 2 dewasa 2 anak", 4),
            ("kami berdua dan 2 anak", 4),
            ("4 orang dewasa, 2 anak, 1 bayi", 7),
            ("3 orang plus 2 anak 1 bayi", 6),
            ("5 orang tambah 3 anak 2 bayi", 10),
            ("3 orang, harga termasuk apa saja", 3),
            ("3 orang plus 2 anak", 5),
            ("2 dewasa 1 anak 1 bayi", 4),
            ("berdua sama ibu", 2),
            ("saya dan istri bawa bayi 1", 3),
            ("saya, istri, bawa balita satu", 3),
        ] {
            assert_eq!(find(text, today(), false).pax, Some(n), "{text} {:?}", words::read(text).words.iter().map(|word| word.text.clone()).collect::<Vec<_>>());
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
            ("yang kemarin tanya2 soal dsember jadi saya ambil", "2026-12"),
            ("seat yg tgl 12/8", "2027-08"),
            ("bukan april kak, mei", "2027-05"),
            ("3 minggu lagi ada yg berangkat?", "2026-12"),
            ("bln dpn brp", "2026-12"),
            ("harus ngurus apa dulu biar keburu desember", "2026-12"),
            ("lahir Klaten 4 mei 1961, berangkat jnuari", "2027-01"),
        ] {
            assert_eq!(find(text, today(), false).month.as_deref(), Some(month), "{text} {:?}", words::read(text).words);
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
            ("27 jt kemahalan kl cuma hotel bintang 3. 25,5 ya?", 25_500_000),
            ("umroh dua puluh enam juta lima ratus itu", 26_500_000),
            ("jgn 45 lah, 40 gmn", 40_000_000),
            ("waduh empat tujuh ya... ga bisa empat lima aja buat harga", 45_000_000),
            ("kalau bisa turun jadi 29 saya transfer", 29_000_000),
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
            ("posisi sy di pekan baru, mau tanya", "Pekanbaru"),
            ("نحن خمسة أشخاص من جاكرتا", "Jakarta"),
        ] {
            assert_eq!(find(text, today(), false).city.as_deref(), Some(name), "{text}");
        }
        assert_eq!(find("kantornya di Bekasi ya?", today(), false).city, None);
        // everyday words one letter from a place, and abbreviations where no place is said
        for text in ["booking sekarang", "ibu kandung saya ikut", "orang kampung ikut semua", "bayar dp kapan plg lambat"] {
            assert_eq!(find(text, today(), false).city, None, "{text}");
        }
        assert_eq!(find("saya dari plg", today(), false).city.as_deref(), Some("Palembang"));
    }
}
