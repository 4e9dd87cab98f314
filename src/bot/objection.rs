//! What holds a customer back, by kind: `price`, `family`, `compare`, `schedule`, `fear`.

use super::understand::words;

/// Kinds and the folded words that show them; of a list of several all must be there.
#[rustfmt::skip] // a table
const SIGNS: &[(&str, &[&[&str]])] = &[
    ("fear", &[&["takut"], &["penipuan"], &["tipu"], &["ditipu"], &["bodong"], &["gagal", "berangkat"], &["aman"], &["terpercaya"], &["scam"], &["ragu"], &["khawatir"], &["abal"]]),
    ("family", &[&["tanya", "suami"], &["tanya", "istri"], &["tanya", "keluarga"], &["diskusi"], &["rembug"], &["rembuk"], &["runding"], &["musyawarah"], &["izin", "suami"], &["izin", "anak"], &["discuss"]]),
    ("compare", &[&["travel", "lain"], &["travel", "sebelah"], &["bandingkan"], &["banding"], &["dibanding"], &["tetangga", "lebih", "murah"], &["biro", "lain"], &["compare"], &["elsewhere"]]),
    ("price", &[&["mahal"], &["kemahalan"], &["budget", "kurang"], &["dana", "kurang"], &["belum", "cukup"], &["tidak", "cukup"], &["lebih", "murah"], &["kejangkau"], &["expensive"], &["pricey"], &["awis"], &["larang"]]),
    ("schedule", &[&["cuti"], &["bentrok"], &["jadwal", "tidak", "cocok"], &["tanggal", "tidak", "cocok"], &["ujian"], &["belum", "libur"], &["kerja", "libur"], &["tidak", "bisa", "bulan"]]),
];

/// The kind of objection in a message; the gravest first.
pub fn find(text: &str) -> Option<&'static str> {
    if text.len() > 1_500 {
        return None;
    }
    let read = words::read(text);
    let has = |word: &&str| read.words.iter().any(|spoken| spoken.text == *word || spoken.text.strip_suffix("nya") == Some(*word));
    SIGNS.iter().find(|(_, signs)| signs.iter().any(|sign| sign.iter().all(has))).map(|(kind, _)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (text, kind) in [
            ("waduh mahal juga ya kak", Some("price")),
            ("saya tanya suami dulu", Some("family")),
            ("travel sebelah cuma 23 juta", Some("compare")),
            ("takut penipuan kak, soalnya tetangga pernah kena", Some("fear")),
            ("cuti saya cuma 7 hari", Some("schedule")),
            ("harganya berapa", None),
        ] {
            assert_eq!(find(text), kind, "{text}");
        }
    }
}
