//! How much money: what one will spend, or offers.

use super::number::{decimal, is_unit, unit, whole};
use super::party::{CHILDREN, PEOPLE};
use crate::bot::understand::words::Word;

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
    "turun",
    "turunin",
];
/// Said right after an amount, it is the agency's and the offer follows.
const TOO_MUCH: &[&str] = &["mahal", "kemahalan", "larang", "awis", "expensive", "kemahalen"];

/// The amount, rupiah.
pub(super) fn said(words: &[Word]) -> Option<i64> {
    let text = |at: usize| words.get(at).map_or("", |word| word.text.as_str());
    let haggles =
        words.len() <= 3 || words.iter().any(|word| HAGGLING.contains(&word.text.as_str())) || words.windows(2).any(|pair| pair[0].text == "kurang" && pair[1].text == "dikit");
    let named = words.iter().any(|word| matches!(word.text.as_str(), "budget" | "anggaran" | "bajet"));
    let (mut bare, mut said, mut theirs) = (None, None, None);
    let mut at = 0;
    while at < words.len() {
        let start = at;
        let colloquial = (haggles || named).then(|| two_digits(words, at)).flatten();
        let (value, next) = match decimal(text(at)).map(|value| (value, at + 1)).or(colloquial).or_else(|| whole(words, at).map(|(n, next)| (n as f64, next))) {
            Some(found) => found,
            None => {
                at += 1;
                continue;
            }
        };
        at = next;
        let refused = matches!(text(start.wrapping_sub(1)), "jangan" | "bukan" | "not")
            || (next..next + 3).any(|near| words.get(near).is_some_and(|word| word.clause == words[start].clause) && TOO_MUCH.contains(&text(near)));
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
                if refused && bare.is_some() {
                    continue;
                }
                if (priced || ((haggles || other == "bagaimana") && (15.0..=99.0).contains(&value) && value.fract() == 0.0))
                    && !counted
                    && !excluded
                    && !matches!(text(start.wrapping_sub(1)), "tanggal" | "jam" | "umur" | "usia" | "ber" | "bulan" | "nomor")
                {
                    bare = Some((value * 1e6).round() as i64);
                }
                continue;
            }
        };
        // "dua puluh enam juta lima ratus", "27 juta setengah"
        let more = match (factor >= 1e6, unit(text(unit_at + 1)), text(unit_at + 2), text(unit_at + 1)) {
            (true, Some(n), "ratus" | "atus", _) if n < 10 => 0.1 * n as f64,
            (true, _, _, "setengah") => 0.5,
            _ => 0.0,
        };
        let amount = ((value + more) * factor).round() as i64;
        if BUDGET_IDR.contains(&amount) && !excluded {
            if refused {
                theirs = theirs.or(Some(amount));
                continue;
            }
            said = Some(amount);
            if factor < 1e6 || named {
                break;
            }
        }
    }
    said.or(bare).or(theirs)
}

/// `empat lima` for 45, where money is talked about.
fn two_digits(words: &[Word], at: usize) -> Option<(f64, usize)> {
    let digit = |at: usize| words.get(at).and_then(|word| unit(&word.text)).filter(|n| (1..10).contains(n));
    let (tens, ones) = (digit(at)?, digit(at + 1)?);
    (words[at].clause == words[at + 1].clause).then(|| ((tens * 10 + ones) as f64, at + 2))
}
