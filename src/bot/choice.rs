//! Choosing from the list the bot has just sent: "yang pertama", "nomor 2", "yang paling murah", "yang VIP", "the last one".

use super::reply::listed;
use super::understand::words;
use crate::travel::catalog::{Catalog, Listed};
use chrono::NaiveDate;

/// A choice is said in few words.
const MOST_WORDS: usize = 7;
const ORDINALS: [&[&str]; 6] = [
    &["pertama", "kesatu", "first", "1", "satu", "one"],
    &["kedua", "second", "2", "dua", "two"],
    &["ketiga", "third", "3", "tiga", "three"],
    &["keempat", "fourth", "4", "empat", "four"],
    &["kelima", "fifth", "5", "lima", "five"],
    &["keenam", "sixth", "6", "enam", "six"],
];
/// Words before a place in the list; a bare number may be how many travel.
const LEADS: &[&str] = &["yang", "yg", "ke", "nomor", "nomer", "no", "paket", "pilihan", "opsi", "the", "number", "option", "package"];
const CHEAPEST: &[&str] = &["termurah", "murah", "cheapest", "hemat", "ekonomis"];
const DEAREST: &[&str] = &["termahal", "terlengkap", "termewah"];
const SOONEST: &[&str] = &["terdekat", "tercepat", "terawal", "soonest", "earliest", "nearest"];
const LAST: &[&str] = &["terakhir", "last", "terbawah"];

/// Words that take the only one there is, and what may stand beside them.
const YES: &[&str] = &["iya", "ya", "mau", "boleh", "minat", "tertarik", "yes", "sure", "berminat", "kersa", "purun", "nggih", "muhun", "mangga"];
const BESIDE: &[&str] = &["kak", "min", "bu", "pak", "saja", "deh", "dong", "yang", "saya", "sih", "oke", "please", "banget"];

/// The package chosen from those listed for `month`, when the words are a choice and fit one of them only.
///
/// `shown_last`: the list is what the bot said last, so that a mere yes takes the only one.
pub fn of_listed<'c>(text: &str, catalog: &'c Catalog, month: Option<&str>, shown_last: bool, today: NaiveDate) -> Option<&'c Listed> {
    // "no 2": a number, no refusal
    let spoken: Vec<&str> = text.split_whitespace().collect();
    let is_number = |at: usize| spoken.get(at).is_some_and(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    let numbered = |(at, word): (usize, &&str)| if matches!(word.to_lowercase().as_str(), "nomor" | "nomer" | "no" | "no.") && is_number(at + 1) { "ke" } else { *word }.to_owned();
    let read = words::read(&spoken.iter().enumerate().map(numbered).collect::<Vec<_>>().join(" "));
    let said: Vec<&str> = read.words.iter().map(|word| word.text.as_str()).collect();
    if said.is_empty() || said.len() > MOST_WORDS || read.asks || read.words.iter().any(|word| word.denied || word.text == "lebih") {
        return None;
    }
    let shown = listed(catalog, month, today);
    let has = |list: &[&str]| said.iter().any(|word| list.contains(word));
    if let ([only], true) = (shown.as_slice(), shown_last)
        && has(YES)
        && said.iter().all(|word| YES.contains(word) || BESIDE.contains(word))
    {
        return Some(only);
    }
    if has(LAST) {
        return shown.last().copied();
    }
    let place = said.windows(2).find_map(|pair| {
        let nth = ORDINALS.iter().position(|names| names.contains(&pair[1]))?;
        LEADS.contains(&pair[0]).then_some(nth)
    });
    let alone = || ORDINALS.iter().position(|names| said.len() <= 2 && said.iter().any(|word| names[..2].contains(word) && !word.bytes().all(|b| b.is_ascii_digit())));
    if let Some(nth) = place.or_else(alone) {
        return shown.get(nth).copied();
    }
    // a kind of package stands in its name or code, once in the list
    let is_kind = |listed: &Listed, word: &str| {
        let names = [listed.package.name.to_lowercase(), listed.package.code.to_lowercase()].join(" ");
        word.len() >= 3 && names.split(|c: char| !c.is_alphanumeric()).any(|name| name == word)
    };
    let led = said.first().is_some_and(|word| LEADS.contains(word)) || said.len() <= 2;
    let kinds = said.iter().filter(|word| !LEADS.contains(word) && !matches!(**word, "umroh" | "umrah" | "umr"));
    let mut fits: Vec<&Listed> = kinds.flat_map(|word| shown.iter().filter(move |listed| led && is_kind(listed, word)).copied()).collect();
    fits.dedup_by_key(|listed| listed.id);
    if let [only] = fits.as_slice() {
        return Some(only);
    }
    if has(CHEAPEST) {
        return shown.into_iter().min_by_key(|listed| listed.package.price_idr);
    }
    if has(DEAREST) {
        return shown.into_iter().max_by_key(|listed| listed.package.price_idr);
    }
    if has(SOONEST) {
        return shown.into_iter().min_by(|a, b| a.package.departs.cmp(&b.package.departs));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::travel::package::Package;
    use serde_json::Value;

    #[test]
    fn what_is_chosen_from_the_list() {
        let rows: Vec<Value> = serde_json::from_str(include_str!("../../assets/demo/catalog.json")).unwrap();
        let packages =
            rows.iter().enumerate().map(|(id, row)| Listed { id: id as i64, package: Package::from_json(None, row).unwrap(), media: vec![], spellings: vec![] }).collect();
        let catalog = Catalog { generation: 1, packages };
        let today: NaiveDate = "2026-11-20".parse().unwrap();
        let shown = listed(&catalog, Some("2027-01"), today);
        assert!(shown.len() >= 2, "the demo has two in January");
        let cheapest = shown.iter().min_by_key(|listed| listed.package.price_idr).unwrap().package.code.clone();
        for (text, wanted) in [
            ("yang pertama", shown[0].package.code.as_str()),
            ("nomor 2 kak", &shown[1].package.code),
            ("yg kedua aja", &shown[1].package.code),
            ("the first one please", &shown[0].package.code),
            ("yang terakhir", &shown[shown.len() - 1].package.code),
            ("yang paling murah", &cheapest),
            ("yang VIP", "UMR_JAN_2027_VIP"),
            ("vip", "UMR_JAN_2027_VIP"),
            ("yang hemat aja", "UMR_JAN_2027_HEMAT"),
        ] {
            assert_eq!(of_listed(text, &catalog, Some("2027-01"), true, today).map(|listed| listed.package.code.as_str()), Some(wanted), "{text}");
        }
        assert_eq!(listed(&catalog, Some("2027-06"), today).len(), 1, "the demo has one in June");
        for (text, takes) in [("iya mau", true), ("boleh kak", true), ("saya minat", true), ("oke", false), ("tidak mau", false), ("iya nanti dulu", false)] {
            assert_eq!(of_listed(text, &catalog, Some("2027-06"), true, today).is_some(), takes, "{text}");
        }
        assert!(of_listed("iya mau", &catalog, Some("2027-01"), true, today).is_none(), "which of them?");
        assert!(of_listed("iya mau", &catalog, Some("2027-06"), false, today).is_none(), "something else was said last");
        for text in [
            "2",
            "dua orang",
            "bukan yang pertama",
            "pertama kali umroh saya jadi banyak yang mau ditanya dulu kak",
            "halo",
            "berapa harganya",
            "ada yang lebih murah",
            "paket paling murah berapa?",
        ] {
            assert!(of_listed(text, &catalog, Some("2027-01"), true, today).is_none(), "{text}");
        }
    }
}
