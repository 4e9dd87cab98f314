//! Finds campaign codes (`PKG_MONTH_YEAR_TYPE`) in what people write: any case, any separators, Indonesian or
//! English months, two-digit years, inside a sentence, letters spaced out. A code one slip away is asked about,
//! never accepted.

use crate::travel::catalog::Catalog;

/// What the words hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scan {
    /// First valid code.
    pub code: Option<String>,
    /// Valid codes after the first, in order.
    pub ignored: Vec<String>,
    /// The one code a slip away, when none is valid.
    pub suggest: Option<String>,
    /// Looks like a code, is none: upper case, joined by `_`.
    pub unknown: Option<String>,
}

/// Spellings of each month in codes; the first is how the catalogue writes it.
const MONTHS: [&[&str]; 12] = [
    &["JAN", "JANUARI", "JANUARY"],
    &["FEB", "FEBRUARI", "FEBRUARY", "PEB"],
    &["MAR", "MARET", "MARCH"],
    &["APR", "APRIL"],
    &["MEI", "MAY"],
    &["JUN", "JUNI", "JUNE"],
    &["JUL", "JULI", "JULY"],
    &["AGT", "AUG", "AGU", "AGS", "AGUSTUS", "AUGUST"],
    &["SEP", "SEPT", "SEPTEMBER"],
    &["OKT", "OCT", "OKTOBER", "OCTOBER"],
    &["NOV", "NOP", "NOVEMBER", "NOPEMBER"],
    &["DES", "DEC", "DESEMBER", "DECEMBER"],
];

/// The other ways to write `code`, folded (letters and digits only), the code itself first.
pub fn spellings(code: &str) -> Vec<String> {
    let parts: Vec<&str> = code.split('_').collect();
    let mut forms = vec![String::new()];
    for part in &parts {
        let months = MONTHS.iter().find(|names| names.contains(part));
        let year = (part.len() == 4 && part.starts_with("20") && part.bytes().all(|b| b.is_ascii_digit())).then(|| &part[2..]);
        let choices: Vec<&str> = match (months, year) {
            (Some(names), _) => std::iter::once(*part).chain(names.iter().copied().filter(|name| name != part)).collect(),
            (None, Some(short)) => vec![part, short],
            (None, None) => vec![part],
        };
        forms = choices.iter().flat_map(|choice| forms.iter().map(move |form| format!("{form}{choice}"))).collect();
    }
    let own: String = parts.concat();
    forms.sort_by_key(|form| *form != own);
    forms
}

/// The text as upper-case letters and digits, and where words begin in it.
struct Folded {
    text: String,
    starts: Vec<usize>,
}

fn fold(text: &str) -> Folded {
    let (mut folded, mut starts, mut inside) = (String::with_capacity(text.len()), Vec::new(), false);
    for c in text.chars() {
        let c = match c {
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c), // full-width forms
            '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => continue,      // invisible: does not part words
            c => c,
        };
        if c.is_ascii_alphanumeric() {
            if !inside {
                starts.push(folded.len());
            }
            inside = true;
            folded.push(c.to_ascii_uppercase());
        } else {
            inside = false;
        }
    }
    starts.push(folded.len());
    Folded { text: folded, starts }
}

/// Words one code may be spread over when every letter stands alone.
const MOST_WORDS: usize = 24;

/// Looks for the catalogue's codes.
pub fn scan(text: &str, catalog: &Catalog) -> Scan {
    let folded = fold(text);
    let words = folded.starts.len() - 1;
    let mut scan = Scan::default();
    let mut at = 0;
    while at < words {
        match exact(&folded, at, catalog) {
            Some((code, next)) => {
                if scan.code.is_none() {
                    scan.code = Some(code.to_owned());
                } else if scan.code.as_deref() != Some(code) && !scan.ignored.iter().any(|seen| seen == code) {
                    scan.ignored.push(code.to_owned());
                }
                at = next;
            }
            None => at += 1,
        }
    }
    if scan.code.is_none() {
        scan.suggest = near(&folded, catalog);
        if scan.suggest.is_none() {
            scan.unknown = code_like(&folded, catalog);
        }
    }
    scan
}

/// The longest code that begins at word `at` and ends at a word's end, with the word after it.
fn exact<'c>(folded: &Folded, at: usize, catalog: &'c Catalog) -> Option<(&'c str, usize)> {
    let rest = &folded.text[folded.starts[at]..];
    let mut best: Option<(&str, usize, usize)> = None;
    for listed in &catalog.packages {
        if !listed.package.code.starts_with(&rest[..rest.len().min(2)]) {
            continue;
        }
        for form in &listed.spellings {
            if !rest.starts_with(form.as_str()) || best.is_some_and(|(_, _, len)| len >= form.len()) {
                continue;
            }
            if let Ok(next) = folded.starts.binary_search(&(folded.starts[at] + form.len())) {
                best = Some((&listed.package.code, next, form.len()));
            }
        }
    }
    best.map(|(code, next, _)| (code, next))
}

/// The only code that is one slip from some run of words.
fn near(folded: &Folded, catalog: &Catalog) -> Option<String> {
    let words = folded.starts.len() - 1;
    let mut found: Option<&str> = None;
    for at in 0..words {
        for to in at + 1..=words.min(at + MOST_WORDS) {
            let piece = &folded.text[folded.starts[at]..folded.starts[to]];
            if piece.len() > 48 {
                break;
            }
            if piece.len() < 8 || !piece.bytes().any(|b| b.is_ascii_digit()) {
                continue;
            }
            for listed in &catalog.packages {
                let slip = listed.spellings.iter().any(|form| form.len().abs_diff(piece.len()) <= 1 && is_one_slip(piece.as_bytes(), form.as_bytes()));
                if slip {
                    match found {
                        Some(code) if code != listed.package.code => return None, // two candidates: ask nothing
                        _ => found = Some(&listed.package.code),
                    }
                }
            }
        }
    }
    found.map(str::to_owned)
}

/// One insertion, deletion, substitution or swap of neighbours apart (Damerau distance 1).
pub fn is_one_slip(a: &[u8], b: &[u8]) -> bool {
    let same_head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[same_head..], &b[same_head..]);
    let same_tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - same_tail], &b[..b.len() - same_tail]);
    match (a.len(), b.len()) {
        (1, 0) | (0, 1) | (1, 1) => true,
        (2, 2) => a[0] == b[1] && a[1] == b[0],
        _ => false,
    }
}

/// Prefix, month and year in a row: a code of ours by its looks, though not in the catalogue.
fn code_like(folded: &Folded, catalog: &Catalog) -> Option<String> {
    let words: Vec<&str> = folded.starts.windows(2).map(|pair| &folded.text[pair[0]..pair[1]]).collect();
    let is_prefix = |word: &str| word == "UMR" || word == "UMROH" || catalog.packages.iter().any(|listed| listed.package.code.split('_').next() == Some(word));
    let month = |word: &str| MONTHS.iter().find(|names| names.contains(&word)).map(|names| names[0]);
    let is_year = |word: &str| word.len() == 4 && word.starts_with("20") && word.bytes().all(|b| b.is_ascii_digit());
    for (at, window) in words.windows(3).enumerate() {
        // "umroh maret 2027" is how people ask for a month; only the short prefix makes it a code
        if is_prefix(window[0])
            && window[0] != "UMROH"
            && is_year(window[2])
            && let Some(name) = month(window[1]).or((window[1].len() == 3).then_some(window[1]))
        {
            let kind = words.get(at + 3).filter(|word| word.len() >= 3 && word.bytes().all(|b| b.is_ascii_alphanumeric()));
            return Some([Some(window[0]), Some(name), Some(window[2]), kind.copied()].into_iter().flatten().collect::<Vec<_>>().join("_"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::travel::catalog::Listed;
    use crate::travel::package::Package;
    use proptest::prelude::*;

    fn catalog() -> Catalog {
        let codes = [
            "UMR_DES_2026_REGULER",
            "UMR_JAN_2027_HEMAT",
            "UMR_JAN_2027_VIP",
            "UMR_APR_2027_HEMAT",
            "UMR_APR_2027_PLUSTURKI",
            "UMR_AGT_2027_REGULER",
            "UMR_OKT_2027_VIP",
            "UMR_MEI_2027_PLUS",
        ];
        let packages =
            codes.iter().map(|code| Listed { id: 1, package: Package { code: (*code).into(), ..Package::default() }, media: vec![], spellings: spellings(code) }).collect();
        Catalog { generation: 1, packages }
    }

    #[test]
    fn the_ways_people_write_a_code() {
        let catalog = catalog();
        for text in [
            "UMR_APR_2027_HEMAT",
            "umr apr 2027 hemat",
            "Halo, saya mau tanya umr-apr-2027-hemat dong",
            "*UMR_APR_2027_HEMAT*",
            "UMR__APR__2027__HEMAT",
            "umr april 27 hemat",
            "U M R _ A P R _ 2 0 2 7 _ H E M A T",
            "UMR\u{200b}_APR_2027_HEMAT",
            "umrapr2027hemat",
            "ＵＭＲ_APR_2027_HEMAT",
            "info UMR.APR.2027.HEMAT?",
        ] {
            assert_eq!(scan(text, &catalog).code.as_deref(), Some("UMR_APR_2027_HEMAT"), "{text}");
        }
        assert_eq!(scan("umr dec 2026 reguler", &catalog).code.as_deref(), Some("UMR_DES_2026_REGULER"));
        assert_eq!(scan("UMR_AUG_2027_REGULER", &catalog).code.as_deref(), Some("UMR_AGT_2027_REGULER"));
        assert_eq!(scan("umr may 2027 plus", &catalog).code.as_deref(), Some("UMR_MEI_2027_PLUS"));
        assert_eq!(scan("umr oct 2027 vip", &catalog).code.as_deref(), Some("UMR_OKT_2027_VIP"));
    }

    #[test]
    fn first_wins_near_is_asked_unknown_is_named() {
        let catalog = catalog();
        let two = scan("bandingin UMR_JAN_2027_VIP sama UMR_APR_2027_PLUSTURKI dan umr jan 2027 vip", &catalog);
        assert_eq!((two.code.as_deref(), two.ignored), (Some("UMR_JAN_2027_VIP"), vec!["UMR_APR_2027_PLUSTURKI".to_owned()]));
        for text in ["UMR_APR_2027_HEMET", "umr apr 2027 hemta", "UNR_APR_2027_HEMAT", "UMR_APR_2027_HEMATT"] {
            let near = scan(text, &catalog);
            assert_eq!((near.code, near.suggest.as_deref()), (None, Some("UMR_APR_2027_HEMAT")), "{text}");
        }
        assert_eq!(scan("UMR_MAR_2025_HEMAT", &catalog).unknown.as_deref(), Some("UMR_MAR_2025_HEMAT"));
        for text in ["umroh april 2027 ada?", "halo", "", "paket hemat berapa", "2027"] {
            assert_eq!(scan(text, &catalog), Scan::default(), "{text}");
        }
    }

    proptest! {
        /// Any code, in any case, with any separators, inside any words that hold no digits, is found.
        #[test]
        fn separators_and_case_do_not_matter(at in 0usize..8, upper in proptest::bool::ANY, separator in "[ _.*-]{1,3}", before in "[a-tv-z]{0,8}", after in "( [a-z]{1,6}){0,3}") {
            let catalog = catalog();
            let code = catalog.packages[at].package.code.clone();
            let written = code.replace('_', &separator);
            let written = if upper { written } else { written.to_lowercase() };
            let text = format!("{before} {written}{after}");
            prop_assert_eq!(scan(&text, &catalog).code, Some(code));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,200}") {
            let _ = scan(&text, &catalog());
        }

        /// One changed letter is never accepted.
        #[test]
        fn a_slip_is_never_accepted(at in 0usize..8, place in 0usize..20, letter in "[XQZ]") {
            let catalog = catalog();
            let code = catalog.packages[at].package.code.clone();
            let place = place % code.len();
            prop_assume!(code.as_bytes()[place].is_ascii_alphabetic());
            let mut slipped = code.clone();
            slipped.replace_range(place..=place, &letter);
            prop_assert_eq!(scan(&slipped, &catalog).code, None);
        }
    }
}
