//! The fact guard: a proposed text is said only when every figure in it is a fact of this turn, of the package it is said
//! of, and it promises nothing the facts do not. Whoever wrote the text: the guard does not ask.

use super::facts::{Facts, PackageFacts};
use super::figures::{self, Figure};
use serde::Serialize;

/// Something that must not be said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breach {
    /// `figure`, `promise`, `length`, `blank`, `leak`, `markup`.
    pub kind: &'static str,
    /// The words at fault.
    pub quote: String,
}

/// Longest text a customer gets in one message, characters.
const LONGEST: usize = 1_500;
/// A piece of our instructions this long is a leak, characters.
const LEAK: usize = 40;
/// Words of our own machinery that no customer should read.
const MACHINERY: &[&str] = &["needs_person", "lookup_code", "lookup_question", "system prompt", "instruksi sistem", "json schema", "paket (lengkap)"];

/// Promises only a fact may make. The first word or words of each.
const PROMISES: &[&str] = &[
    "gratis",
    "free",
    "diskon",
    "discount",
    "potongan",
    "potong harga",
    "korting",
    "promo",
    "cashback",
    "bonus",
    "garansi",
    "jaminan",
    "dijamin",
    "menjamin",
    "guarantee",
    "guaranteed",
    "refund",
    "uang kembali",
    "dana kembali",
    "dikembalikan",
    "pengembalian",
    "pasti berangkat",
    "pasti dapat",
    "pasti lolos",
    "pasti terbit",
    "pasti dikabulkan",
    "pasti disetujui",
    "visa pasti",
    "tanpa biaya",
    "cuma-cuma",
    "harga khusus",
    "harga spesial",
    "special price",
    "lebih murah untuk",
    "kuota aman",
];
/// Words that turn a promise into its opposite, and how far before it they may stand, in words.
const DENIALS: &[&str] = &["tidak", "belum", "bukan", "tanpa", "no", "not", "cannot", "tak", "tdk", "jangan"];
const DENIAL_REACH: usize = 4;

/// Checks a text. `about`: the package the chat is about. `instructions`: what the model was told, which must not come out.
///
/// Errors: everything that is wrong, in the order it stands.
pub fn check(text: &str, facts: &Facts, about: Option<&str>, instructions: &[&str]) -> Result<(), Vec<Breach>> {
    let mut breaches = Vec::new();
    let mut breach = |kind, quote: &str| breaches.push(Breach { kind, quote: crate::kernel::text::preview(quote, 80) });
    let length = text.trim().chars().count();
    if length == 0 {
        breach("blank", "");
    } else if length > LONGEST {
        breach("length", &format!("{length} characters"));
    }
    if text.chars().any(|c| (c.is_control() && c != '\n') || figures::is_hidden(c) && !matches!(c, '\u{200d}' | '\u{fe0f}')) || text.contains("```") || has_tag(text) {
        breach("markup", "control characters or markup");
    }
    let lower = text.to_lowercase();
    for word in MACHINERY.iter().filter(|word| lower.contains(**word)) {
        breach("leak", word);
    }
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let said = flat(text);
    for line in instructions.iter().flat_map(|block| block.lines()).map(flat).filter(|line| line.chars().count() >= LEAK) {
        let head: String = line.chars().take(LEAK).collect();
        if said.contains(&line) || said.contains(&head) {
            breach("leak", &head);
        }
    }
    for promise in promises(&lower, &facts.text.to_lowercase()) {
        breach("promise", &promise);
    }
    for quote in foreign_figures(text, facts, about) {
        breach("figure", &quote);
    }
    if breaches.is_empty() { Ok(()) } else { Err(breaches) }
}

/// `<b>`, `</a>`, `<script src…>`: an angle bracket with a letter or slash right behind it, and one that closes.
fn has_tag(text: &str) -> bool {
    text.split('<').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') && rest.contains('>'))
}

/// Promises made that no fact makes in the same words and that are not denied.
fn promises(lower: &str, facts: &str) -> Vec<String> {
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric() && c != '-').filter(|word| !word.is_empty()).collect();
    let mut made = Vec::new();
    for promise in PROMISES {
        let parts: Vec<&str> = promise.split(' ').collect();
        for at in 0..words.len().saturating_sub(parts.len() - 1) {
            let here = &words[at..at + parts.len()];
            if here != parts.as_slice() {
                continue;
            }
            let denied = words[at.saturating_sub(DENIAL_REACH)..at].iter().any(|word| DENIALS.contains(word));
            // the fact must make the same promise of the same thing: the word and its neighbour
            let next = words.get(at + parts.len()).copied().unwrap_or("");
            let stated = facts.contains(&format!("{promise} {next}")) || (next.is_empty() && facts.contains(promise));
            if !denied && !stated {
                made.push(format!("{promise} {next}").trim().to_owned());
            }
        }
    }
    made
}

/// Where a package is named: (from, to, which), bytes, in order.
fn named<'f>(text: &str, facts: &'f Facts) -> Vec<(usize, usize, &'f PackageFacts)> {
    let lower = text.to_lowercase();
    if lower.len() != text.len() {
        return Vec::new(); // a letter that changes its length in lower case: nobody's package name
    }
    let mut found: Vec<(usize, usize, &PackageFacts)> = Vec::new();
    for package in &facts.packages {
        for name in [package.code.to_lowercase(), package.name.to_lowercase()] {
            if name.len() >= 6 {
                found.extend(lower.match_indices(&name).map(|(at, hit)| (at, at + hit.len(), package)));
            }
        }
    }
    // the longest name wins where two overlap
    found.sort_by_key(|(from, to, _)| (*from, std::cmp::Reverse(*to)));
    let mut kept: Vec<(usize, usize, &PackageFacts)> = Vec::new();
    for mention in found {
        if kept.last().is_none_or(|(_, to, _)| mention.0 >= *to) {
            kept.push(mention);
        }
    }
    kept
}

/// Ends of sentences and lines, as byte positions.
fn sentence_ends(text: &str) -> Vec<usize> {
    let bytes = text.as_bytes();
    let is_end = |at: usize| match bytes[at] {
        b'\n' => true,
        b'.' | b'!' | b'?' | b';' => bytes.get(at + 1).is_none_or(u8::is_ascii_whitespace),
        _ => false,
    };
    (0..bytes.len()).filter(|at| is_end(*at)).map(|at| at + 1).chain([text.len()]).collect()
}

/// Figures that are no fact of the package they are said of.
fn foreign_figures(text: &str, facts: &Facts, about: Option<&str>) -> Vec<String> {
    let mentions = named(text, facts);
    let ends = sentence_ends(text);
    let sentence = |at: usize| ends.iter().position(|end| at < *end).unwrap_or(0);
    let mut wrong = Vec::new();
    for found in figures::find(text) {
        if mentions.iter().any(|(from, to, _)| found.at >= *from && found.at < *to) {
            continue; // part of a package's own name
        }
        let here = sentence(found.at);
        let in_sentence: Vec<_> = mentions.iter().filter(|(from, ..)| sentence(*from) == here).collect();
        // one package in the sentence: it is the one. Several: the one named last before. None: the one named last at all.
        let subject = match in_sentence.as_slice() {
            [only] => Some(only.2),
            [] => mentions.iter().rev().find(|(from, ..)| *from < found.at).map(|(.., package)| *package),
            several => several.iter().rev().find(|(from, ..)| *from < found.at).map(|(.., package)| *package),
        };
        let subject = subject.or_else(|| facts.packages.iter().find(|package| Some(package.code.as_str()) == about));
        if !is_fact(&found.figure, subject, facts) {
            wrong.push(found.quote);
        }
    }
    wrong
}

fn is_fact(figure: &Figure, subject: Option<&PackageFacts>, facts: &Facts) -> bool {
    let common = facts.common.contains(figure);
    // a figure of a package is a fact of that package only; unnamed, of any that can be booked
    match (figure, subject) {
        (Figure::Unreadable(_), _) => false,
        (_, Some(package)) => common || package.figures.contains(figure),
        (_, None) => common || facts.packages.iter().any(|package| package.open && package.figures.contains(figure)),
    }
}

/// A text without account numbers but those of the agency. Returns the foreign ones, as written.
///
/// A run of digits counts as an account when a word about paying stands within reach; phones and amounts do not.
pub fn foreign_accounts(text: &str, own: &[String]) -> Vec<String> {
    let own: Vec<String> = own.iter().map(|account| account.chars().filter(char::is_ascii_digit).collect()).collect();
    let lower = text.to_lowercase();
    let about_paying = |from: usize, to: usize| {
        let from = (0..=from.saturating_sub(ACCOUNT_REACH)).rev().find(|at| lower.is_char_boundary(*at)).unwrap_or(0);
        let to = ((to + ACCOUNT_REACH).min(lower.len())..=lower.len()).find(|at| lower.is_char_boundary(*at)).unwrap_or(lower.len());
        lower
            .get(from.min(to)..to)
            .is_some_and(|near| near.split(|c: char| !c.is_alphanumeric()).any(|word| ACCOUNT_WORDS.contains(&word)) || near.contains("a.n") || near.contains("a/n"))
    };
    figures::find(text)
        .into_iter()
        .filter_map(|found| {
            let digits = match &found.figure {
                Figure::Digits(digits) => digits.clone(),
                // an e-wallet is paid by phone number
                Figure::Phone(national) => format!("0{national}"),
                _ => return None,
            };
            let is_phone = matches!(found.figure, Figure::Phone(_));
            let pays = about_paying(found.at, found.at + found.quote.len());
            let known = own.iter().any(|account| *account == digits || (is_phone && account.trim_start_matches("62").trim_start_matches('0') == digits.trim_start_matches('0')));
            let wallet = is_phone && lower.split(|c: char| !c.is_alphanumeric()).any(|word| WALLETS.contains(&word));
            (!known && pays && (!is_phone || wallet) && digits.len() >= SHORTEST_ACCOUNT).then_some(found.quote)
        })
        .collect()
}

/// How far from the digits a word about paying may stand, bytes.
const ACCOUNT_REACH: usize = 80;
/// Indonesian bank accounts have 8 to 16 digits, some older ones fewer; below this it is an order number.
const SHORTEST_ACCOUNT: usize = 7;
const WALLETS: &[&str] = &["gopay", "ovo", "dana", "shopeepay", "linkaja"];
#[rustfmt::skip] // a list
const ACCOUNT_WORDS: &[&str] = &[
    "rek", "rekening", "norek", "account", "transfer", "tf", "trf", "bayar", "pembayaran", "dp", "setor", "kirim", "va", "virtual", "bank", "bca", "bni", "bri", "bsi", "btn", "mandiri", "muamalat",
    "cimb", "niaga", "danamon", "permata", "syariah", "jago", "seabank", "bjb", "mega", "panin", "ocbc", "gopay", "ovo", "dana", "shopeepay", "linkaja", "qris", "atas", "an", "swift", "iban",
];
