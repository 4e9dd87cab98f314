//! Every figure a text states, by kind: money, dates, seats, distances, phones, links, accounts and whatever else is counted.
//! The guard compares the figures of a proposed answer with those of the facts; both are read by this one scanner, so that
//! a figure is equal however it is written: `Rp27.000.000`, `27 juta`, `dua puluh tujuh juta`.

use chrono::NaiveDate;
use std::collections::BTreeSet;

/// A figure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Figure {
    /// Whole rupiah.
    Rupiah(i64),
    /// Another currency: unit and hundredths.
    Foreign(String, i64),
    /// Hundredths of a percent.
    Percent(i64),
    /// A calendar day.
    Day(NaiveDate),
    /// A day of a month without its year: (month, day).
    DayOfMonth(u32, u32),
    /// A day of a month nobody named: "tanggal 8".
    DayOnly(u32),
    /// A month of a year.
    Month(i32, u32),
    /// A month without its year.
    AnyMonth(u32),
    /// A year, ours or the Hijri one.
    Year(i64),
    /// A time of day, minutes after midnight.
    Time(i64),
    /// Metres.
    Metres(i64),
    /// Seats that are left or there.
    Seats(i64),
    /// A phone number, national digits without the leading 0 or 62.
    Phone(String),
    /// Another long run of digits: an account, a card, an id.
    Digits(String),
    /// A link, an e-mail address or a handle.
    Link(String),
    /// So many of something: hundredths, and the word after it (`hari`, `orang`, …), folded.
    Count(i64, String),
    /// Digits nobody can read for sure: other scripts, letters among them.
    Unreadable(String),
}

/// A figure and the words it was written in.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The figure.
    pub figure: Figure,
    /// As written.
    pub quote: String,
    /// Byte position in the text that was scanned.
    pub at: usize,
}

const MONTHS: [&[&str]; 12] = [
    &["januari", "january", "jan"],
    &["februari", "february", "feb", "pebruari"],
    &["maret", "march", "mar"],
    &["april", "apr"],
    &["mei", "may"],
    &["juni", "june", "jun"],
    &["juli", "july", "jul"],
    &["agustus", "august", "agt", "ags", "aug", "agu"],
    &["september", "sep", "sept"],
    &["oktober", "october", "okt", "oct"],
    &["november", "nov", "nopember"],
    &["desember", "december", "des", "dec"],
];

fn month(word: &str) -> Option<u32> {
    MONTHS.iter().position(|names| names.contains(&word)).map(|at| at as u32 + 1)
}

/// Month names that are also other words, or too short to be sure of without a number beside them.
const SHY_MONTHS: &[&str] = &["mar", "may", "march", "mei", "jan", "feb", "apr", "jun", "jul", "agt", "ags", "aug", "agu", "sep", "sept", "okt", "oct", "nov", "des", "dec"];

/// Words that count: (word, value). Bigger ones multiply what stands before them.
#[rustfmt::skip] // a table
const NUMBERS: &[(&str, i64)] = &[
    ("nol", 0), ("zero", 0), ("satu", 1), ("one", 1), ("dua", 2), ("two", 2), ("tiga", 3), ("three", 3), ("empat", 4), ("four", 4), ("lima", 5), ("five", 5), ("enam", 6), ("six", 6),
    ("tujuh", 7), ("seven", 7), ("delapan", 8), ("eight", 8), ("sembilan", 9), ("nine", 9), ("sepuluh", 10), ("ten", 10), ("sebelas", 11), ("eleven", 11), ("twelve", 12),
    ("thirteen", 13), ("fourteen", 14), ("fifteen", 15), ("sixteen", 16), ("seventeen", 17), ("eighteen", 18), ("nineteen", 19), ("twenty", 20), ("thirty", 30), ("forty", 40),
    ("fifty", 50), ("sixty", 60), ("seventy", 70), ("eighty", 80), ("ninety", 90), ("seratus", 100), ("seribu", 1_000), ("sejuta", 1_000_000), ("semiliar", 1_000_000_000), ("selusin", 12), ("dozen", 12),
    // Javanese and Sundanese
    ("siji", 1), ("setunggal", 1), ("loro", 2), ("kalih", 2), ("telu", 3), ("tigo", 3), ("papat", 4), ("sekawan", 4), ("gangsal", 5), ("enem", 6), ("pitu", 7), ("wolu", 8), ("sanga", 9),
    ("songo", 9), ("sedasa", 10), ("selikur", 21), ("selawe", 25), ("seket", 50), ("sewidak", 60), ("satus", 100), ("sewu", 1_000), ("hiji", 1), ("tilu", 3), ("opat", 4), ("genep", 6),
    ("dalapan", 8), ("salapan", 9), ("sapuluh", 10), ("sabelas", 11), ("saratus", 100), ("sarebu", 1_000), ("sajuta", 1_000_000), ("sayuta", 1_000_000),
];

fn number_word(word: &str) -> Option<i64> {
    NUMBERS.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
}

/// What a word multiplies by; `belas` adds ten instead.
fn multiplier(word: &str) -> Option<i64> {
    Some(match word {
        "puluh" | "dasa" => 10,
        "ratus" | "hundred" => 100,
        "ribu" | "rebu" | "ewu" | "rb" | "rbu" | "thousand" | "k" => 1_000,
        "juta" | "yuta" | "jt" | "jta" | "jeti" | "million" | "mio" | "mn" => 1_000_000,
        "miliar" | "milyar" | "billion" | "bn" => 1_000_000_000,
        _ => return None,
    })
}

/// Hundredths, so that `26,5` and `0,5` are whole.
const HUNDREDTHS: i64 = 100;

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Digits as written, with their inner separators.
    Digits(String),
    Word(String),
    Sign(char),
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    at: usize,
    end: usize,
    /// A blank stands before it.
    apart: bool,
    /// It begins a line.
    first: bool,
}

impl Token {
    fn word(&self) -> &str {
        if let Kind::Word(word) = &self.kind { word } else { "" }
    }
    fn digits(&self) -> Option<&str> {
        if let Kind::Digits(digits) = &self.kind { Some(digits) } else { None }
    }
    fn is_sign(&self, sign: char) -> bool {
        self.kind == Kind::Sign(sign)
    }
}

/// A digit of any script as ASCII; `Some('?')`: a numeric sign that is no plain digit.
fn plain_digit(c: char) -> Option<char> {
    let zero = match c {
        '0'..='9' => return Some(c),
        '٠'..='٩' => '٠',
        '۰'..='۹' => '۰',
        '०'..='९' => '०',
        '０'..='９' => '０',
        c if c.is_numeric() => return Some('?'),
        _ => return None,
    };
    char::from_digit(c as u32 - zero as u32, 10)
}

/// Characters that show nothing, or turn the direction: they hide what stands beside them.
pub fn is_hidden(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{e0000}'..='\u{e007f}' | '\u{fe00}'..='\u{fe0f}')
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let (mut apart, mut first) = (true, true);
    let mut chars = text.char_indices().filter(|(_, c)| !is_hidden(*c)).peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            apart = true;
            first |= c == '\n';
            continue;
        }
        let mut end = at + c.len_utf8();
        let kind = if let Some(digit) = plain_digit(c) {
            let mut digits = String::from(digit);
            while let Some((next_at, next)) = chars.peek().copied() {
                if let Some(digit) = plain_digit(next) {
                    digits.push(digit);
                } else if matches!(next, '.' | ',' | '٬' | '٫' | '’' | '\'') {
                    // a separator belongs to the number only between digits
                    let mut ahead = chars.clone();
                    ahead.next();
                    if ahead.peek().is_none_or(|(_, after)| plain_digit(*after).is_none()) {
                        break;
                    }
                    digits.push(if next == ',' || next == '٫' { ',' } else { '.' });
                } else {
                    break;
                }
                end = next_at + next.len_utf8();
                chars.next();
            }
            Kind::Digits(digits)
        } else if c.is_alphabetic() {
            let mut word: String = c.to_lowercase().collect();
            while let Some((next_at, next)) = chars.peek().copied().filter(|(_, next)| next.is_alphabetic()) {
                word.extend(next.to_lowercase());
                end = next_at + next.len_utf8();
                chars.next();
            }
            Kind::Word(word)
        } else {
            Kind::Sign(c)
        };
        found.push(Token { kind, at, end, apart, first });
        (apart, first) = (false, false);
    }
    found
}

/// Hundredths of what the digits say. Three digits after every separator are thousands, else the last separator is a comma.
fn value(digits: &str) -> Option<i64> {
    let groups: Vec<&str> = digits.split(['.', ',']).collect();
    let thousands = groups.len() > 1 && groups[0].len() <= 3 && groups[1..].iter().all(|group| group.len() == 3);
    let (whole, part) = match groups.len() {
        1 => (groups[0].to_owned(), String::new()),
        _ if thousands => (groups.concat(), String::new()),
        n if groups[n - 1].len() <= 2 => (groups[..n - 1].concat(), groups[n - 1].to_owned()),
        _ => return None,
    };
    let whole: i64 = whole.parse().ok()?;
    let part: i64 = format!("{part:0<2}").parse().ok()?;
    whole.checked_mul(HUNDREDTHS)?.checked_add(part)
}

/// Every figure of `text`, in order.
pub fn find(text: &str) -> Vec<Found> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let read = link(text, &tokens, at).or_else(|| dated(&tokens, at)).or_else(|| counted(&tokens, at)).or_else(|| lone_month(&tokens, at));
        match read {
            Some((figures, next)) => {
                let quote = text[tokens[at].at..tokens[next - 1].end].to_owned();
                found.extend(figures.into_iter().map(|figure| Found { figure, quote: quote.clone(), at: tokens[at].at }));
                at = next;
            }
            None => at += 1,
        }
    }
    found
}

/// The figures of a text as a set, with what they imply: a day also names its month and year.
pub fn set(text: &str) -> BTreeSet<Figure> {
    let mut set = BTreeSet::new();
    for found in find(text) {
        imply(&found.figure, &mut set);
        set.insert(found.figure);
    }
    set
}

fn imply(figure: &Figure, set: &mut BTreeSet<Figure>) {
    use chrono::Datelike;
    match figure {
        Figure::Day(day) => {
            set.insert(Figure::DayOfMonth(day.month(), day.day()));
            set.insert(Figure::DayOnly(day.day()));
            set.insert(Figure::Month(day.year(), day.month()));
            set.insert(Figure::AnyMonth(day.month()));
            set.insert(Figure::Year(i64::from(day.year())));
        }
        Figure::Month(year, month) => {
            set.insert(Figure::AnyMonth(*month));
            set.insert(Figure::Year(i64::from(*year)));
        }
        Figure::DayOfMonth(month, _) => {
            set.insert(Figure::AnyMonth(*month));
        }
        _ => {}
    }
}

type Read = Option<(Vec<Figure>, usize)>;

/// Endings that make words with a dot between them a link.
#[rustfmt::skip] // a list
const ENDINGS: &[&str] = &["com", "id", "net", "org", "co", "info", "me", "ly", "io", "xyz", "site", "link", "app", "shop", "biz", "online", "store", "top", "web", "gl", "cc", "tk", "ru", "my", "sa"];

fn link(text: &str, tokens: &[Token], at: usize) -> Read {
    let token = &tokens[at];
    let word = token.word();
    let sign = |ahead: usize, sign: char| tokens.get(at + ahead).is_some_and(|token| token.is_sign(sign) && !token.apart);
    let glued = |from: usize| {
        let mut next = from + 1;
        while tokens.get(next).is_some_and(|token| !token.apart) {
            next += 1;
        }
        while next > from + 1 && matches!(tokens[next - 1].kind, Kind::Sign('.' | ',' | '!' | '?' | ';' | ':' | ')' | '*' | '_' | '"' | '>')) {
            next -= 1; // the end of a sentence is not part of an address
        }
        next
    };
    let handle = token.is_sign('@') && tokens.get(at + 1).is_some_and(|next| !next.apart && !next.word().is_empty());
    let scheme = matches!(word, "http" | "https" | "www") && (sign(1, ':') || sign(1, '.'));
    let domain = !word.is_empty() && {
        let mut ahead = at;
        let mut is_domain = false;
        while tokens.get(ahead + 1).is_some_and(|dot| !dot.apart && (dot.is_sign('.') || dot.is_sign('-') || dot.is_sign('_')))
            && tokens.get(ahead + 2).is_some_and(|part| !part.apart && !matches!(part.kind, Kind::Sign(_)))
        {
            is_domain |= tokens[ahead + 1].is_sign('.') && ENDINGS.contains(&tokens[ahead + 2].word());
            ahead += 2;
        }
        is_domain
    };
    let spelled_dot = !word.is_empty()
        && tokens.get(at + 1).is_some_and(|dot| matches!(dot.word(), "dot" | "titik"))
        && tokens.get(at + 2).is_some_and(|ending| ENDINGS.contains(&ending.word()));
    if spelled_dot {
        return Some((vec![Figure::Link(format!("{word}.{}", tokens[at + 2].word()))], at + 3));
    }
    // only the beginning of a run: the rest of it has been taken with it
    let begins = token.apart || at == 0 || matches!(tokens[at - 1].kind, Kind::Sign('(' | '*' | '_' | ':' | '"' | '<'));
    let mail = begins && !word.is_empty() && tokens[at..glued(at)].iter().any(|token| token.is_sign('@'));
    if !(scheme || handle || mail || (domain && begins)) {
        return None;
    }
    let next = glued(at);
    let written = text[token.at..tokens[next - 1].end].to_lowercase();
    Some((vec![Figure::Link(written.trim_end_matches('/').to_owned())], next))
}

/// Dates in their many orders, and times of day.
fn dated(tokens: &[Token], at: usize) -> Read {
    let small = |at: usize| tokens.get(at).and_then(Token::digits).filter(|digits| digits.len() <= 2).and_then(|digits| digits.parse::<u32>().ok());
    let year = |at: usize| {
        tokens.get(at).and_then(Token::digits).filter(|digits| digits.len() == 4).and_then(|digits| digits.parse::<i32>().ok()).filter(|year| (1900..2200).contains(year))
    };
    let month_at = |at: usize| tokens.get(at).and_then(|token| month(token.word()));
    let sign = |at: usize, signs: &[char]| tokens.get(at).is_some_and(|token| signs.iter().any(|sign| token.is_sign(*sign)));
    let day = |year: i32, month: u32, day: u32| match NaiveDate::from_ymd_opt(year, month, day) {
        Some(day) => Figure::Day(day),
        None => Figure::Unreadable(format!("{day}-{month}-{year}")),
    };
    // 8 April 2027, 8-10 April 2027, 8 s/d 10 April
    if let (Some(d), Some(m)) = (small(at), month_at(at + 1)) {
        let with_year = if sign(at + 2, &[',']) { at + 3 } else { at + 2 };
        return Some(match year(with_year) {
            Some(y) => (vec![day(y, m, d)], with_year + 1),
            None => (vec![Figure::DayOfMonth(m, d)], at + 2),
        });
    }
    if let (Some(from), true, Some(to), Some(m)) = (small(at), sign(at + 1, &['-', '–', '—']), small(at + 2), month_at(at + 3)) {
        return Some(match year(at + 4) {
            Some(y) => (vec![day(y, m, from), day(y, m, to)], at + 5),
            None => (vec![Figure::DayOfMonth(m, from), Figure::DayOfMonth(m, to)], at + 4),
        });
    }
    // April 8, 2027 / April 8th
    if let (Some(m), Some(d)) = (month_at(at), small(at + 1)) {
        let mut next = at + 2;
        if tokens.get(next).is_some_and(|token| matches!(token.word(), "st" | "nd" | "rd" | "th")) {
            next += 1;
        }
        let with_year = if sign(next, &[',']) { next + 1 } else { next };
        return Some(match year(with_year) {
            Some(y) => (vec![day(y, m, d)], with_year + 1),
            None => (vec![Figure::DayOfMonth(m, d)], next),
        });
    }
    if let (true, Some(d)) = (matches!(tokens[at].word(), "tanggal" | "tgl"), small(at + 1))
        && month_at(at + 2).is_none()
        && !sign(at + 2, &['-', '/', '–'])
    {
        return Some((vec![Figure::DayOnly(d)], at + 2));
    }
    if let (Some(m), Some(y)) = (month_at(at), year(at + 1)) {
        return Some((vec![Figure::Month(y, m)], at + 2));
    }
    // 2027-04-08, 08/04/2027, 8-4-27
    const SLASHES: &[char] = &['/', '-'];
    if let (Some(y), true, Some(m)) = (year(at), sign(at + 1, SLASHES), small(at + 2)) {
        return Some(match (sign(at + 3, SLASHES), small(at + 4)) {
            (true, Some(d)) => (vec![day(y, m, d)], at + 5),
            _ => (vec![Figure::Month(y, m)], at + 3),
        });
    }
    if let (Some(d), true, Some(m), true) = (small(at), sign(at + 1, SLASHES), small(at + 2), sign(at + 3, SLASHES)) {
        if let Some(y) = year(at + 4) {
            return Some((vec![day(y, m, d)], at + 5));
        }
        if let Some(y) = small(at + 4) {
            return Some((vec![day(2000 + y as i32, m, d)], at + 5));
        }
    }
    if let (Some(d), true, Some(m)) = (small(at), sign(at + 1, &['/']), small(at + 2)) {
        return Some((vec![Figure::DayOfMonth(m, d)], at + 3));
    }
    // 08:30, pukul 08.30, jam 9
    if let (Some(h), true, Some(m)) = (small(at), sign(at + 1, &[':']), small(at + 2)) {
        return Some((vec![Figure::Time(i64::from(h * 60 + m))], at + 3));
    }
    if matches!(tokens[at].word(), "pukul" | "jam") {
        let digits = tokens.get(at + 1).and_then(Token::digits)?;
        let (h, m) = digits.split_once(['.', ',']).unwrap_or((digits, "0"));
        let (h, m): (i64, i64) = (h.parse().ok()?, m.parse().ok()?);
        return Some((vec![Figure::Time(h * 60 + m)], at + 2));
    }
    None
}

fn lone_month(tokens: &[Token], at: usize) -> Read {
    let word = tokens[at].word();
    let sure = !SHY_MONTHS.contains(&word) || at.checked_sub(1).is_some_and(|before| matches!(tokens[before].word(), "bulan" | "awal" | "akhir" | "pertengahan"));
    month(word).filter(|_| sure).map(|month| (vec![Figure::AnyMonth(month)], at + 1))
}

/// Numbers in digits or words, with what they count.
fn counted(tokens: &[Token], at: usize) -> Read {
    let (hundredths, mut next, in_words, is_round) = number(tokens, at)?;
    let digits = tokens[at].digits().unwrap_or("");
    if digits.contains('?') {
        return Some((vec![Figure::Unreadable(digits.to_owned())], next));
    }
    // letters glued into digits: 27.O00.000, 25oo
    let letter = |token: &Token| !token.apart && matches!(token.word(), "o" | "oo" | "ooo" | "l" | "i" | "s" | "b" | "z");
    let disguised = !digits.is_empty()
        && tokens.get(at + 1).is_some_and(|token| letter(token) || ((token.is_sign('.') || token.is_sign(',')) && !token.apart && tokens.get(at + 2).is_some_and(letter)));
    if disguised {
        return Some((vec![Figure::Unreadable(digits.to_owned())], next));
    }
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    let before_word = before.map_or("", Token::word);
    // ten-day, 9-hari
    let hyphen =
        tokens.get(next).is_some_and(|token| token.is_sign('-') && !token.apart) && tokens.get(next + 1).is_some_and(|token| !token.apart && UNITS.contains(&token.word()));
    next += usize::from(hyphen);
    let after = tokens.get(next);
    let after_word = after.map_or("", Token::word).to_owned();
    if let Some(phone_or_account) = long_run(tokens, at) {
        return Some(phone_or_account);
    }
    let Some(hundredths) = hundredths else { return Some((vec![Figure::Unreadable(digits.to_owned())], next)) };
    let whole = hundredths / HUNDREDTHS;
    if after.is_some_and(|token| token.is_sign('%')) || matches!(after_word.as_str(), "persen" | "percent" | "prosen") {
        return Some((vec![Figure::Percent(hundredths)], next + 1));
    }
    let foreign = |word: &str| matches!(word, "usd" | "dollar" | "dolar" | "sar" | "riyal" | "real" | "eur" | "euro" | "ringgit" | "rm" | "sgd" | "myr").then(|| word.to_owned());
    if let Some(unit) = foreign(before_word).or_else(|| foreign(&after_word)).or_else(|| before.filter(|token| token.is_sign('$') || token.is_sign('€')).map(|_| "usd".to_owned()))
    {
        return Some((vec![Figure::Foreign(unit, hundredths)], next));
    }
    let said_rupiah = matches!(before_word, "rp" | "idr" | "rupiah") || matches!(after_word.as_str(), "rupiah" | "idr");
    let grouped = digits.split(['.', ',']).count() > 1 && digits.split(['.', ',']).skip(1).all(|group| group.len() == 3) && whole >= 10_000;
    if said_rupiah || is_round || grouped {
        next += usize::from(matches!(after_word.as_str(), "rupiah" | "idr"));
        return Some((vec![Figure::Rupiah(whole)], next));
    }
    // hari ke-4, Hari 4: …: which day of the journey
    let ordinal = before.is_some_and(|token| token.is_sign('-')) && at >= 2 && tokens[at - 2].word() == "ke";
    let counted_before = at >= 2 && (tokens[at - 2].digits().is_some() || number_word(tokens[at - 2].word()).is_some()); // 9 hari 8 malam
    if ordinal || (matches!(before_word, "hari" | "day") && !digits.is_empty() && !counted_before) {
        return Some((vec![Figure::Count(hundredths, "hari ke".into())], next));
    }
    let seats_before = matches!(before_word, "sisa" | "tersisa" | "tinggal" | "kuota" | "quota" | "seat" | "kursi");
    match after_word.as_str() {
        "m" | "meter" | "metre" | "metres" | "meters" | "mtr" => return Some((vec![Figure::Metres(whole)], next + 1)),
        "km" | "kilometer" | "kilometre" | "kilo" => return Some((vec![Figure::Metres(hundredths * 1_000 / HUNDREDTHS)], next + 1)),
        "seat" | "seats" | "kursi" | "bangku" | "slot" | "tempat" | "kuota" => return Some((vec![Figure::Seats(whole)], next + 1)),
        // spans and shares of what is counted: the figure is the first, the word comes later
        _ if seats_before => return Some((vec![Figure::Seats(whole)], next)),
        _ => {}
    }
    if matches!(before_word, "bintang" | "star") {
        return Some((vec![Figure::Count(hundredths, "bintang".into())], next));
    }
    if digits.len() == 4 && (1_300..2_200).contains(&whole) && !digits.contains(['.', ',']) {
        return Some((vec![Figure::Year(whole)], next));
    }
    // "1." or "2)" at the head of a line numbers a list
    if tokens[at].first && whole <= 20 && !digits.contains(['.', ',']) && after.is_some_and(|token| !token.apart && (token.is_sign('.') || token.is_sign(')'))) {
        return Some((vec![], next + 1));
    }
    if in_words && whole <= 10 && !UNITS.contains(&after_word.as_str()) {
        return None; // "salah satu", "dua-duanya": how people talk
    }
    Some((vec![Figure::Count(hundredths, unit(&after_word).to_owned())], next))
}

/// What small numbers in words must count to be a figure.
#[rustfmt::skip] // a list
const UNITS: &[&str] = &[
    "hari", "day", "days", "dinten", "dina", "poe", "tiyang", "wong", "jalmi", "malam", "night", "nights", "bulan", "month", "months", "tahun", "year", "years", "minggu", "week", "weeks", "jam", "hour", "hours", "menit", "minute", "minutes",
    "orang", "people", "pax", "jamaah", "jemaah", "kamar", "room", "kali", "x", "kg", "kilogram", "liter", "bintang", "star", "stars", "kota", "bagasi", "koper", "langkah",
];

/// One spelling for words that count the same.
fn unit(word: &str) -> &str {
    match word {
        "day" | "days" | "dinten" | "dina" | "poe" => "hari",
        "night" | "nights" => "malam",
        "month" | "months" | "bln" => "bulan",
        "year" | "years" | "thn" => "tahun",
        "week" | "weeks" => "minggu",
        "hour" | "hours" => "jam",
        "minute" | "minutes" | "mnt" => "menit",
        "people" | "pax" | "person" | "persons" | "tiyang" | "wong" | "jalmi" | "jamaah" | "jemaah" | "dewasa" | "adults" => "orang",
        "star" | "stars" => "bintang",
        "room" | "rooms" => "kamar",
        "kilogram" => "kg",
        "x" | "times" => "kali",
        word => word,
    }
}

/// A number from token `at` on: (hundredths, next token, written in words, its last word was juta, ribu, …).
/// Hundredths are `None` for digits that are no number.
fn number(tokens: &[Token], at: usize) -> Option<(Option<i64>, usize, bool, bool)> {
    // duapuluhlima, and "juta" without anything before it (XXV juta): nothing that can be read for sure
    let word = tokens[at].word();
    let glued = word.len() > 7 && number_word(word).is_none() && multiplier(word).is_none() && is_glued(word);
    let headless = matches!(multiplier(word), Some(by) if by >= 1_000_000) && word.len() > 3;
    // empat dua kosong kosong: digits read aloud
    let aloud = tokens[at..].iter().take_while(|token| !token.word().is_empty() && (token.word() == "kosong" || number_word(token.word()).is_some_and(|value| value < 10))).count();
    if glued || headless || aloud >= 4 {
        return Some((None, at + aloud.max(1), false, false));
    }
    let (mut total, mut part, mut next) = (0i64, 0i64, at);
    let (mut in_words, mut is_round, mut any) = (true, false, false);
    while let Some(token) = tokens.get(next) {
        let word = token.word();
        if any
            && in_words
            && token.is_sign('-')
            && !token.apart
            && tokens.get(next + 1).is_some_and(|after| !after.apart && (number_word(after.word()).is_some() || multiplier(after.word()).is_some()))
        {
            next += 1; // forty-four
            continue;
        }
        if let Some(digits) = token.digits() {
            // a second number in digits goes on only after a round word: 26 juta 500 ribu
            if any && !(is_round && tokens.get(next + 1).is_some_and(|after| matches!(multiplier(after.word()), Some(by) if by >= 1_000))) {
                break;
            }
            in_words = false;
            match value(digits) {
                Some(value) => part += value,
                None if any => break,
                None => return Some((None, next + 1, false, false)),
            }
        } else if let Some(value) = number_word(word) {
            if any && !in_words && !is_round {
                break;
            }
            part += value * HUNDREDTHS;
            is_round |= value >= 1_000;
        } else if word == "setengah" && tokens.get(next + 1).is_some_and(|after| multiplier(after.word()).is_some_and(|by| by >= 1_000)) {
            part += HUNDREDTHS / 2;
        } else if word == "belas" && any {
            part += 10 * HUNDREDTHS;
        } else if let Some(by) = multiplier(word).filter(|_| any) {
            if by >= 1_000 {
                total = total.checked_add(part.max(0).checked_mul(by)?)?;
                part = 0;
                is_round = true;
            } else {
                // puluh and ratus multiply the last digit only: dua ratus lima puluh
                let last = part % (by * HUNDREDTHS);
                part = part - last + last.max(HUNDREDTHS).checked_mul(by)?;
            }
        } else {
            break;
        }
        any = true;
        next += 1;
    }
    any.then_some((total.checked_add(part), next, in_words, is_round))
}

/// A word made of number words and nothing else.
fn is_glued(word: &str) -> bool {
    let parts = NUMBERS.iter().map(|(name, _)| *name).chain(["puluh", "belas", "ratus", "ribu", "juta", "miliar"]);
    let mut rest = word;
    let mut taken = 0;
    let parts: Vec<&str> = parts.collect();
    while let Some(part) = parts.iter().filter(|part| part.len() > 2 && rest.starts_with(**part)).max_by_key(|part| part.len()) {
        rest = &rest[part.len()..];
        taken += 1;
    }
    taken >= 2 && matches!(rest, "" | "an" | "nya")
}

/// Seven digits and more in a row, blanks, dots and dashes between groups left out: a phone, an account, an id.
fn long_run(tokens: &[Token], at: usize) -> Read {
    let first = tokens[at].digits()?;
    if first.contains(',') {
        return None;
    }
    let amount = first.contains('.') && value(first).is_some() && first.split('.').skip(1).all(|group| group.len() == 3);
    if amount {
        return None;
    }
    let mut run: String = first.chars().filter(char::is_ascii_digit).collect();
    let mut next = at + 1;
    while let Some(token) = tokens.get(next) {
        let dash = token.is_sign('-') && tokens.get(next + 1).is_some_and(|after| !after.apart && after.digits().is_some());
        let group = if dash { next + 1 } else { next };
        let Some(digits) = tokens.get(group).and_then(Token::digits).filter(|digits| digits.len() >= 2 && !digits.contains(',')) else { break };
        run.extend(digits.chars().filter(char::is_ascii_digit));
        next = group + 1;
    }
    if run.len() < 7 {
        return None;
    }
    let said_rupiah =
        at.checked_sub(1).is_some_and(|before| matches!(tokens[before].word(), "rp" | "idr")) || tokens.get(next).is_some_and(|after| matches!(after.word(), "rupiah" | "idr"));
    if said_rupiah {
        return Some((vec![run.parse().map_or(Figure::Unreadable(run.clone()), Figure::Rupiah)], next));
    }
    let plus = at.checked_sub(1).is_some_and(|before| tokens[before].is_sign('+') && !tokens[at].apart);
    let national = run.strip_prefix("62").filter(|rest| plus || rest.len() >= 8).or_else(|| run.strip_prefix('0').filter(|rest| rest.starts_with('8') || rest.len() >= 8));
    Some((vec![national.map_or_else(|| Figure::Digits(run.clone()), |national| Figure::Phone(national.trim_start_matches('0').to_owned()))], next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figures(text: &str) -> Vec<Figure> {
        find(text).into_iter().map(|found| found.figure).collect()
    }

    #[test]
    fn money_is_one_figure_however_it_is_written() {
        for text in [
            "Rp27.000.000",
            "Rp 27,000,000",
            "IDR 27000000",
            "27 juta",
            "27jt",
            "27.000.000 rupiah",
            "dua puluh tujuh juta",
            "Rp27 juta",
            "２７ juta",
            "٢٧ juta",
            "27 mio",
            "27\u{200b} juta",
        ] {
            assert_eq!(figures(text), [Figure::Rupiah(27_000_000)], "{text}");
        }
        for (text, idr) in [
            ("26,5 juta", 26_500_000),
            ("26.5jt", 26_500_000),
            ("26 juta 500 ribu", 26_500_000),
            ("dua puluh enam juta lima ratus ribu", 26_500_000),
            ("sejuta", 1_000_000),
            ("seratus ribu", 100_000),
            ("lima belas juta", 15_000_000),
            ("500rb", 500_000),
            ("setengah juta", 500_000),
            ("1,2 miliar", 1_200_000_000),
            ("twenty seven million", 27_000_000),
            ("dua ratus lima puluh ribu", 250_000),
            ("Rp500", 500),
        ] {
            assert_eq!(figures(text), [Figure::Rupiah(idr)], "{text}");
        }
    }

    #[test]
    fn dates_seats_distances_and_the_rest() {
        let day = |y, m, d| Figure::Day(NaiveDate::from_ymd_opt(y, m, d).unwrap());
        for (text, want) in [
            ("berangkat 8 April 2027", vec![day(2027, 4, 8)]),
            ("April 8th, 2027", vec![day(2027, 4, 8)]),
            ("08/04/2027", vec![day(2027, 4, 8)]),
            ("2027-04-08", vec![day(2027, 4, 8)]),
            ("8-10 April 2027", vec![day(2027, 4, 8), day(2027, 4, 10)]),
            ("tanggal 8 April", vec![Figure::DayOfMonth(4, 8)]),
            ("bulan April 2027", vec![Figure::Month(2027, 4)]),
            ("pada Desember", vec![Figure::AnyMonth(12)]),
            ("31 Februari 2027", vec![Figure::Unreadable("31-2-2027".into())]),
            ("sisa 5 kursi", vec![Figure::Seats(5)]),
            ("tinggal 3", vec![Figure::Seats(3)]),
            ("850 m dari Haram", vec![Figure::Metres(850)]),
            ("1,2 km", vec![Figure::Metres(1_200)]),
            ("diskon 90%", vec![Figure::Percent(9_000)]),
            ("9 hari", vec![Figure::Count(900, "hari".into())]),
            ("sembilan hari", vec![Figure::Count(900, "hari".into())]),
            ("hotel bintang 5", vec![Figure::Count(500, "bintang".into())]),
            ("pukul 08.30", vec![Figure::Time(510)]),
            ("hubungi 0812-3456-7890", vec![Figure::Phone("81234567890".into())]),
            ("+62 812 3456 7890", vec![Figure::Phone("81234567890".into())]),
            ("BSI 7123456789", vec![Figure::Digits("7123456789".into())]),
            ("rek 7123 4567 89", vec![Figure::Digits("7123456789".into())]),
            ("https://promo.example/x?a=1.", vec![Figure::Link("https://promo.example/x?a=1".into())]),
            ("cek safar.co.id ya", vec![Figure::Link("safar.co.id".into())]),
            ("ikuti @safar_id", vec![Figure::Link("@safar_id".into())]),
            ("27.O00.000", vec![Figure::Unreadable("27".into()), Figure::Count(0, String::new())]),
            ("harga ½ juta", vec![Figure::Unreadable("?".into()), Figure::Unreadable(String::new())]),
            ("USD 1,500", vec![Figure::Foreign("usd".into(), 150_000)]),
            ("1. Paket\n2. Paket", vec![]),
            ("0.5)", vec![Figure::Count(50, String::new())]), // no numbering: found by a random test
            ("salah satu paket kami", vec![]),
            ("tahun 2028", vec![Figure::Year(2028)]),
        ] {
            assert_eq!(figures(text), want, "{text}");
        }
    }

    proptest! {
        /// Whatever rupiah we print is read back, and nothing else with it.
        #[test]
        fn what_we_print_is_read_back(idr in 10_000i64..100_000_000_000) {
            prop_assert_eq!(figures(&crate::kernel::rupiah::full(idr)), vec![Figure::Rupiah(idr)]);
        }

        /// Every date we print is read back.
        #[test]
        fn dates_are_read_back(days in 0i64..20_000) {
            let day = NaiveDate::from_ymd_opt(2000, 1, 1).unwrap() + chrono::Duration::days(days);
            for language in [crate::kernel::language::Language::Id, crate::kernel::language::Language::En] {
                prop_assert_eq!(figures(&crate::kernel::date::long(day, language)), vec![Figure::Day(day)]);
            }
        }

        /// No text makes it panic or skip an ASCII digit: every run of digits is in some quote, or numbers a list.
        #[test]
        fn no_digit_is_overlooked(text in "[a-z0-9.,%/: \\n()-]{0,60}") {
            let found = find(&text);
            for (at, c) in text.char_indices().filter(|(_, c)| c.is_ascii_digit()) {
                let covered = found.iter().any(|f| f.at <= at && at < f.at + f.quote.len());
                let line = text[..at].rsplit('\n').next().unwrap_or("").trim_start();
                prop_assert!(covered || line.chars().all(|c| c.is_ascii_digit()), "{:?} at {at} of {text:?}: {found:?}", c);
            }
        }
    }
}
