//! The fact guard: a proposed text is said only when every figure in it is a fact of this turn, of the package it is said
//! of, and it promises nothing the facts do not. Whoever wrote the text: the guard does not ask.

use super::facts::{Facts, PackageFacts, Role};
use super::figures::{self, Figure};
use super::{claims, grounded};
use serde::Serialize;

/// Something that must not be said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Breach {
    /// `figure`, `claim`, `length`, `blank`, `leak`, `markup`, `noise`.
    pub kind: &'static str,
    /// The words at fault.
    pub quote: String,
}

/// Longest text a customer gets in one message, characters.
const LONGEST: usize = 1_500;
/// A piece of our instructions this long is a leak, characters.
const LEAK: usize = 40;
/// Words of our own machinery that no customer should read.
const MACHINERY: &[&str] = &[
    "needs_person",
    "lookup_code",
    "lookup_question",
    "system prompt",
    "instruksi sistem",
    "json schema",
    "paket (lengkap)",
    "paket lain:",
    "tanya-jawab:",
    "pemeriksa otomatis",
    "usulan tadi",
];

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
    if hides(text) || ["```", "**", "__", "~~~"].iter().any(|mark| text.contains(mark)) || text.lines().any(|line| line.starts_with('#')) || has_tag(text) {
        breach("markup", "control characters or markup");
    }
    if is_noise(text) {
        breach("noise", text);
    }
    let lower = text.to_lowercase();
    for word in MACHINERY.iter().filter(|word| lower.contains(**word)) {
        breach("leak", word);
    }
    let flat = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let said = flat(text);
    if let Some(piece) = instructions.iter().find_map(|block| leaked(&said, &flat(block))) {
        breach("leak", &piece);
    }
    // the package the chat is about, and those the text names
    let spoken_of = facts.packages.iter().filter(|package| Some(package.code.as_str()) == about).chain(named(text, facts).into_iter().map(|(.., package)| package));
    let of_package: String = spoken_of.map(|package| package.words.as_str()).collect::<Vec<_>>().join("\n");
    for claim in claims::unfounded(text, &facts.text.to_lowercase(), &of_package) {
        breach("claim", &claim);
    }
    // beside the package spoken of: what is known of no package, and how packages are called
    let apart = facts.text.split("\n\n").filter(|part| !part.starts_with("PAKET")).collect::<Vec<_>>().join("\n").to_lowercase();
    let names = facts.packages.iter().map(|package| format!("{} {}", package.name, package.code)).collect::<Vec<_>>().join(" ").to_lowercase();
    for claim in grounded::unfounded(text, &format!("{of_package}\n{apart}"), &names) {
        breach("claim", &claim);
    }
    let text = &claims::joined(text);
    for quote in foreign_figures(text, facts, about) {
        breach("figure", &quote);
    }
    if breaches.is_empty() { Ok(()) } else { Err(breaches) }
}

/// A piece of our instructions, from the beginning of any word on, that stands in what is said.
fn leaked(said: &str, instructions: &str) -> Option<String> {
    let starts = std::iter::once(0).chain(instructions.match_indices(' ').map(|(at, _)| at + 1));
    let mut pieces = starts.map(|at| instructions[at..].chars().take(LEAK).collect::<String>()).filter(|piece| piece.chars().count() == LEAK);
    pieces.find(|piece| said.contains(piece.as_str()))
}

/// Control characters, and signs that hide: but for those that join or colour emoji.
fn hides(text: &str) -> bool {
    let mut before = ' ';
    text.chars().any(|c| {
        let joins = matches!(c, '\u{200d}' | '\u{fe0f}') && !before.is_alphanumeric() && !before.is_whitespace();
        before = c;
        (c.is_control() && c != '\n') || (figures::is_hidden(c) && !joins)
    })
}

/// Letters that make no words: the same one four times running, words without end, or hardly a word at all.
fn is_noise(text: &str) -> bool {
    let stretched = |word: &str| {
        let letters: Vec<char> = word.chars().collect();
        letters.len() > 30 || letters.windows(4).any(|run| run.iter().all(|c| *c == run[0] && c.is_alphabetic()))
    };
    let words: Vec<&str> = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty()).collect();
    let whole = words.iter().filter(|word| word.chars().count() >= 3).count();
    !text.trim().is_empty() && (words.iter().any(|word| stretched(word)) || whole == 0 || whole * 4 < words.len())
}

/// `<b>`, `</a>`, `<script src…>`: an angle bracket with a letter or slash right behind it, and one that closes.
fn has_tag(text: &str) -> bool {
    text.split('<').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!') && rest.contains('>'))
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
    found.extend(nicknames(&lower, facts));
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

/// Packages named in short, by a word of their name or code that no other has: "paket VIP", "yang Ramadhan".
fn nicknames<'f>(lower: &str, facts: &'f Facts) -> Vec<(usize, usize, &'f PackageFacts)> {
    let words = |package: &PackageFacts| -> Vec<String> {
        let both = format!("{} {}", package.name, package.code).to_lowercase();
        both.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() >= 3 && !word.bytes().all(|b| b.is_ascii_digit())).map(str::to_owned).collect()
    };
    let all: Vec<Vec<String>> = facts.packages.iter().map(words).collect();
    let mut found = Vec::new();
    for (at, package) in facts.packages.iter().enumerate() {
        for word in &all[at] {
            let is_own = all.iter().enumerate().all(|(other, words)| other == at || !words.contains(word));
            let is_month = SHORT_MONTHS.contains(&word.as_str()) || figures::find(word).iter().any(|found| matches!(found.figure, Figure::AnyMonth(_)));
            if !is_own || is_month || LEADS.contains(&word.as_str()) {
                continue; // months are said of other things too
            }
            for lead in LEADS {
                let name = format!("{lead} {word}");
                let ends = |to: usize| lower[to..].chars().next().is_none_or(|c| !c.is_alphanumeric());
                found.extend(lower.match_indices(&name).filter(|(from, hit)| ends(from + hit.len())).map(|(from, hit)| (from, from + hit.len(), package)));
            }
        }
    }
    found
}

/// Words a package's nickname follows.
const LEADS: &[&str] = &["paket", "yang", "umroh", "umrah", "program", "kelas", "package", "the", "untuk"];
/// Month parts of codes.
const SHORT_MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "mei", "jun", "jul", "agt", "sep", "okt", "nov", "des"];

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
        let start = if here == 0 { 0 } else { ends[here - 1] };
        let role = role_of(&found, text, start, ends[here]);
        let misplaced = subject.zip(role).is_some_and(|(package, role)| !fits_role(&found.figure, role, package));
        if misplaced || !is_fact(&found.figure, subject, facts) {
            wrong.push(found.quote);
        }
    }
    wrong
}

/// Words that say what a figure is of.
#[rustfmt::skip] // a table
const ROLES: &[(&str, Role)] = &[
    ("double", Role::Double), ("berdua", Role::Double), ("triple", Role::Triple), ("bertiga", Role::Triple), ("infant", Role::Infant), ("bayi", Role::Infant), ("dp", Role::Dp),
    ("muka", Role::Dp), ("deposit", Role::Dp), ("makkah", Role::Makkah), ("mekkah", Role::Makkah), ("haram", Role::Makkah), ("madinah", Role::Madinah), ("nabawi", Role::Madinah),
    ("berangkat", Role::Departure), ("keberangkatan", Role::Departure), ("berangkatnya", Role::Departure), ("departs", Role::Departure), ("departure", Role::Departure),
    ("leaves", Role::Departure), ("mangkat", Role::Departure), ("terbang", Role::Departure), ("pulang", Role::Return), ("kepulangan", Role::Return), ("tiba", Role::Return), ("return", Role::Return),
    ("dewasa", Role::Adult), ("adult", Role::Adult), ("total", Role::Total), ("seluruhnya", Role::Total), ("totalnya", Role::Total), ("cukup", Role::Total), ("bah", Role::Makkah), ("kabah", Role::Makkah), ("pelunasan", Role::Payoff), ("lunas", Role::Payoff), ("pelunasannya", Role::Payoff), ("full", Role::Payoff),
];

/// What a figure is said of: the role named last before it in its sentence, else the first one after it.
fn role_of(found: &figures::Found, text: &str, start: usize, end: usize) -> Option<Role> {
    let fits = |role: Role| match found.figure {
        Figure::Rupiah(_) => matches!(role, Role::Double | Role::Triple | Role::Infant | Role::Dp | Role::Adult | Role::Total),
        Figure::Metres(_) => matches!(role, Role::Makkah | Role::Madinah),
        Figure::Day(_) | Figure::DayOfMonth(..) => matches!(role, Role::Departure | Role::Payoff | Role::Return),
        _ => false,
    };
    let role = |word: &str| ROLES.iter().find(|(name, role)| *name == word && fits(*role)).map(|(_, role)| *role);
    let words = |part: &str| part.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>();
    let before = words(text.get(start..found.at)?);
    let after = words(text.get((found.at + found.quote.len()).min(end)..end)?);
    let each = after.iter().filter(|word| !word.is_empty()).take(2).any(|word| matches!(word.as_str(), "per" | "each" | "seorang"));
    let role = |word: &str| role(word).filter(|role| !(each && *role == Role::Total));
    before.iter().rev().find_map(|word| role(word)).or_else(|| after.iter().take(6).find_map(|word| role(word)))
}

/// Whether a figure is what the package has for that role.
fn fits_role(figure: &Figure, role: Role, package: &PackageFacts) -> bool {
    use chrono::Datelike;
    package.roles.iter().filter(|(known, _)| *known == role).any(|(_, fact)| match (figure, fact) {
        (Figure::DayOfMonth(month, day), Figure::Day(date)) => date.month() == *month && date.day() == *day,
        _ => figure == fact,
    })
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

/// Whether a text is mostly in letters our customers do not read: neither Latin nor Arabic.
pub fn is_foreign_script(text: &str) -> bool {
    let letters: Vec<char> = text.chars().filter(|c| c.is_alphabetic()).collect();
    let foreign = letters.iter().filter(|c| **c > '\u{24f}' && !matches!(**c, '\u{600}'..='\u{6ff}' | '\u{750}'..='\u{77f}' | '\u{fb50}'..='\u{feff}')).count();
    foreign * 5 > letters.len().max(1)
}

/// A text without account numbers but those of the agency. Returns the foreign ones, as written.
///
/// A run of digits counts as an account when a word about paying stands within reach; phones and amounts do not.
pub fn foreign_accounts(text: &str, own: &[String]) -> Vec<String> {
    let mut found = accounts_in(text, own);
    let plain = digits_plain(text);
    if found.is_empty() && plain != text {
        found = accounts_in(&plain, own);
    }
    found
}

/// Digits as figures: said one by one ("satu dua tiga"), parted ("1 2 3") or with letters that look like them ("7l2O").
fn digits_plain(text: &str) -> String {
    let digit = |word: &str| match word.to_lowercase().as_str() {
        one if one.len() == 1 && one.as_bytes()[0].is_ascii_digit() => one.chars().next(),
        "nol" | "kosong" | "zero" => Some('0'),
        "satu" | "one" => Some('1'),
        "dua" | "two" => Some('2'),
        "tiga" | "three" => Some('3'),
        "empat" | "four" => Some('4'),
        "lima" | "five" => Some('5'),
        "enam" | "six" => Some('6'),
        "tujuh" | "seven" => Some('7'),
        "delapan" | "eight" => Some('8'),
        "sembilan" | "nine" => Some('9'),
        _ => None,
    };
    let look_alike = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        match digits >= 5 && word.chars().all(|c| c.is_ascii_digit() || "lIiOoSsBb.-".contains(c)) {
            true => word
                .chars()
                .map(|c| match c {
                    'l' | 'I' | 'i' => '1',
                    'O' | 'o' => '0',
                    'S' | 's' => '5',
                    'B' | 'b' => '8',
                    other => other,
                })
                .collect(),
            false => word.to_owned(),
        }
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let (mut plain, mut at) = (Vec::new(), 0);
    while at < words.len() {
        let run: String = words[at..].iter().map_while(|word| digit(word.trim_matches([',', '.', '-']))).collect();
        if run.len() >= SHORTEST_ACCOUNT {
            at += run.len();
            plain.push(run);
        } else {
            plain.push(look_alike(words[at]));
            at += 1;
        }
    }
    plain.join(" ")
}

fn accounts_in(text: &str, own: &[String]) -> Vec<String> {
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
