//! Text as people type it, made comparable: one spelling, one word a token, ideas named across languages, what is denied
//! marked. Everything that understands a message reads it through here.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One word of a message after folding.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// Lower case, folded, slang spelled out.
    pub text: String,
    /// Which clause of the message it stands in, from 0.
    pub clause: usize,
    /// A denial stands up to three words before it in its clause.
    pub denied: bool,
}

/// A message as words, and the ideas they name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// Words in order.
    pub words: Vec<Word>,
    /// Ideas in order: where (index of the first word), how many words, which.
    pub ideas: Vec<(usize, usize, Idea)>,
    /// It asks with a question mark.
    pub asks: bool,
}

impl Read {
    /// Up to `count` words from word `from` on, with the ideas wholly among them.
    pub fn part(&self, from: usize, count: usize) -> Self {
        let to = (from + count).min(self.words.len());
        Self {
            words: self.words[from..to].to_vec(),
            ideas: self.ideas.iter().filter(|(at, len, _)| *at >= from && at + len <= to).map(|(at, len, idea)| (at - from, *len, *idea)).collect(),
            asks: self.asks,
        }
    }
}

/// Index of a line of the lexicon.
pub type Idea = u8;

struct Lexicon {
    names: Vec<&'static str>,
    /// First word -> (all words, idea), longest first.
    entries: HashMap<String, Vec<(Vec<String>, Idea)>>,
}

static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| {
    let mut lexicon = Lexicon { names: Vec::new(), entries: HashMap::new() };
    for line in include_str!("learnt/lexicon.txt").lines().filter(|line| !line.starts_with('#')) {
        let Some((name, items)) = line.split_once(':') else { continue };
        let idea = lexicon.names.len() as Idea;
        lexicon.names.push(name);
        for item in items.split(',').map(str::trim).filter(|item| !item.is_empty()) {
            // as a message would be spelled, so that slang need not be thought of when a line is added
            let words: Vec<String> = item.split_whitespace().flat_map(spell).collect();
            lexicon.entries.entry(words[0].clone()).or_default().push((words, idea));
        }
    }
    for entries in lexicon.entries.values_mut() {
        entries.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
    }
    lexicon
});

static SLANG: LazyLock<HashMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    include_str!("learnt/slang.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(written, meant)| (written, meant.split_whitespace().collect()))
        .collect()
});

/// The idea of that name in the lexicon.
pub fn idea(name: &str) -> Option<Idea> {
    LEXICON.names.iter().position(|known| *known == name).map(|at| at as Idea)
}

/// The name of an idea.
pub fn idea_name(idea: Idea) -> &'static str {
    LEXICON.names.get(usize::from(idea)).copied().unwrap_or("")
}

/// Words that start a new thought, as a comma would.
const TURNS: &[&str] = &["tapi", "tetapi", "terus", "cuma", "cuman", "namun", "but", "lalu", "trus", "nanging", "ning", "tapina", "mung", "لكن"];
/// How far a denial reaches, in words.
const REACH: usize = 3;
/// Longest text looked at, characters: enough for any sentence, bounded for the pasted novel.
const LONGEST: usize = 4_000;

/// Reads a message.
pub fn read(text: &str) -> Read {
    let mut read = Read { asks: text.contains(['?', '؟']), ..Read::default() };
    let mut clause = 0;
    for piece in without_codes(pieces(text)) {
        match piece {
            Piece::Break => clause += 1,
            Piece::Word(word, _) => {
                for meant in spell(&word) {
                    if TURNS.contains(&meant.as_str()) {
                        clause += 1;
                    }
                    read.words.push(Word { text: meant, clause, denied: false });
                }
            }
        }
    }
    name_ideas(&mut read);
    mark_denied(&mut read);
    read
}

#[derive(Debug, PartialEq)]
enum Piece {
    /// A word, and whether `_` or `-` ties it to the one before.
    Word(String, bool),
    Break,
}

/// What stands for a campaign code among the words: its month and kind are not the customer's own.
pub const CODE: &str = "kodepaket";
/// Kinds that codes end with, when only a blank parts them from the year.
const KINDS: &[&str] = &["hemat", "vip", "reguler", "regular", "plus", "ramadhan", "itikaf", "keluarga", "plusturki", "promo", "ekonomi", "bisnis", "premium", "liburan"];

/// Replaces what looks like a code (`umr jan 2027 vip`, `UMR_JAN_2027_VIP`, `u m r j a n …`) by [`CODE`].
fn without_codes(pieces: Vec<Piece>) -> Vec<Piece> {
    let word = |at: usize| match pieces.get(at) {
        Some(Piece::Word(word, tied)) => Some((word.as_str(), *tied)),
        _ => None,
    };
    let is_year = |text: &str| matches!(text.len(), 2 | 4) && text.bytes().all(|b| b.is_ascii_digit()) && (text.len() == 2 || text.starts_with("20"));
    let mut out = Vec::with_capacity(pieces.len());
    let mut at = 0;
    while at < pieces.len() {
        let mut next = at;
        if let Some((first, _)) = word(at) {
            let prefix = matches!(first, "umr" | "umrh" | "unr" | "urm" | "mur" | "imr" | "umrr" | "ummr");
            let glued = first.len() > 9 && (first.starts_with("umr") || first.starts_with("unr")) && first.bytes().filter(u8::is_ascii_digit).count() >= 2;
            let spaced = first == "u" && word(at + 1).is_some_and(|(w, _)| w == "m") && word(at + 2).is_some_and(|(w, _)| w == "r");
            if spaced {
                while word(next).is_some_and(|(w, _)| w.chars().count() == 1) {
                    next += 1;
                }
            } else if glued {
                next += 1;
            } else if prefix {
                let mut year = at + 1;
                if word(year).is_some_and(|(w, _)| w.len() >= 3 && w.bytes().all(|b| b.is_ascii_alphabetic())) {
                    year += 1;
                }
                let breaks = matches!(pieces.get(year), Some(Piece::Break)) && word(year + 1).is_some_and(|(w, _)| is_year(w));
                year += usize::from(breaks);
                if word(year).is_some_and(|(w, _)| is_year(w.trim_end_matches(|c: char| c.is_ascii_alphabetic()))) {
                    next = year + 1;
                    while let Some((w, tied)) = word(next) {
                        let kind = KINDS.contains(&w) && next == year + 1;
                        if !tied && !kind {
                            break;
                        }
                        next += 1;
                    }
                }
            }
        }
        if next > at {
            out.push(Piece::Word(CODE.to_owned(), false));
            at = next;
        } else {
            match &pieces[at] {
                Piece::Word(word, tied) => out.push(Piece::Word(word.clone(), *tied)),
                Piece::Break => out.push(Piece::Break),
            }
            at += 1;
        }
    }
    out
}

/// Words and clause breaks, letters folded.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut word = String::new();
    let mut tied = false;
    let end = |word: &mut String, tied: bool, pieces: &mut Vec<Piece>| {
        if !word.is_empty() {
            pieces.push(Piece::Word(std::mem::take(word), tied));
        }
    };
    let chars: Vec<char> = text.chars().take(LONGEST).filter_map(fold).collect();
    for (at, &c) in chars.iter().enumerate() {
        let between_digits = matches!(c, '.' | ',') && at > 0 && chars[at - 1].is_ascii_digit() && chars.get(at + 1).is_some_and(char::is_ascii_digit);
        if c.is_alphanumeric() || between_digits || (matches!(c, '\'' | '’') && !word.is_empty()) {
            if c.is_alphanumeric() || between_digits {
                word.push(c);
            }
            continue;
        }
        end(&mut word, tied, &mut pieces);
        tied = matches!(c, '_' | '-');
        match c {
            '.' | ',' | '?' | '!' | ';' | '\n' | '؟' | '،' | ':' | '(' | ')' => pieces.push(Piece::Break),
            _ => {
                if let Some(name) = feeling(c) {
                    pieces.push(Piece::Word(name.to_owned(), false));
                }
            }
        }
    }
    end(&mut word, tied, &mut pieces);
    pieces
}

/// One letter in its plain form; `None`: it does not count.
fn fold(c: char) -> Option<char> {
    Some(match c {
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fe0f}' => return None,
        '\u{64b}'..='\u{652}' | '\u{640}' => return None, // Arabic vowel marks and the stretching stroke
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0)?.to_ascii_lowercase(),
        '٠'..='٩' => char::from(b'0' + (u32::from(c) - 0x660) as u8),
        'أ' | 'إ' | 'آ' => 'ا',
        'ى' => 'ي',
        'é' | 'è' | 'ê' | 'ë' | 'É' | 'È' => 'e',
        _ => c.to_lowercase().next().unwrap_or(c),
    })
}

fn feeling(c: char) -> Option<&'static str> {
    Some(match c {
        '🙏' => "emopray",
        '😡' | '😠' | '🤬' | '👎' | '😤' | '💢' => "emoangry",
        '😭' | '😢' | '😞' | '😔' | '😥' => "emosad",
        '😂' | '🤣' | '😅' | '😁' | '😆' => "emolaugh",
        '👍' | '👌' | '✅' => "emook",
        '😍' | '🥰' | '❤' | '😘' | '🤲' | '☺' | '😊' => "emolove",
        _ => return None,
    })
}

/// A written word as the words it stands for.
fn spell(word: &str) -> Vec<String> {
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return number(word);
    }
    if let Some(meant) = SLANG.get(word) {
        return meant.iter().map(|word| (*word).to_owned()).collect();
    }
    let unstretched = unstretch(word);
    if let Some(meant) = SLANG.get(unstretched.as_str()) {
        return meant.iter().map(|word| (*word).to_owned()).collect();
    }
    // tanya2: the word twice
    if let Some(base) = unstretched.strip_suffix('2').filter(|base| base.len() > 2) {
        return spell(base);
    }
    // letters run into digits: bln4, dp5jt
    if let Some(at) = unstretched.find(|c: char| c.is_ascii_digit()).filter(|at| *at > 0 && unstretched.is_char_boundary(*at)) {
        let (letters, digits) = unstretched.split_at(at);
        let mut both = spell(letters);
        both.extend(number(digits));
        return both;
    }
    vec![unstretched]
}

/// `26,5jt` is a number and what it counts.
fn number(word: &str) -> Vec<String> {
    let at = word.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == ',')).unwrap_or(word.len());
    let (digits, unit) = word.split_at(at);
    let mut both = vec![digits.trim_end_matches(['.', ',']).to_owned()];
    if !unit.is_empty() {
        both.extend(if unit.len() == 1 { vec![unit.to_owned()] } else { spell(unit) });
    }
    both
}

/// Three and more of a letter are one; two at the end of a word are one.
fn unstretch(word: &str) -> String {
    let chars: Vec<char> = word.chars().collect();
    let mut out = String::with_capacity(word.len());
    let mut at = 0;
    while at < chars.len() {
        let run = chars[at..].iter().take_while(|c| **c == chars[at]).count();
        let keep = if run >= 3 || (run == 2 && at + run == chars.len() && chars.len() > 3) { 1 } else { run };
        out.extend(std::iter::repeat_n(chars[at], keep));
        at += run;
    }
    out
}

/// Endings that do not change the idea. Longest first.
const ENDINGS: &[&str] = &["kannya", "annya", "inya", "ipun", "nipun", "nya", "kah", "lah", "pun", "kan", "ku", "mu", "in", "na", "ne", "an", "e", "s", "i"];
const BEGINNINGS: &[&str] = &["di", "ng", "nge", "me", "mem", "men", "meng", "ter", "ال", "وال", "بال", "و", "ب", "ل"];

fn name_ideas(read: &mut Read) {
    let words: Vec<&str> = read.words.iter().map(|word| word.text.as_str()).collect();
    let mut ideas = Vec::new();
    for at in 0..words.len() {
        let before = ideas.len();
        look_up(&words, at, words[at], &mut ideas);
        if ideas.len() == before {
            'bare: for ending in ENDINGS {
                if let Some(base) = words[at].strip_suffix(ending).filter(|base| base.chars().count() >= 3) {
                    look_up(&words, at, base, &mut ideas);
                    if ideas.len() > before {
                        break 'bare;
                    }
                }
            }
        }
        if ideas.len() == before {
            for beginning in BEGINNINGS {
                if let Some(base) = words[at].strip_prefix(beginning).filter(|base| base.chars().count() >= 3) {
                    look_up(&words, at, base, &mut ideas);
                    if ideas.len() > before {
                        break;
                    }
                }
            }
        }
    }
    read.ideas = ideas;
}

/// Adds the ideas that begin at word `at`, reading its first word as `first`. Each idea once a place.
fn look_up(words: &[&str], at: usize, first: &str, ideas: &mut Vec<(usize, usize, Idea)>) {
    let from = ideas.len();
    for (entry, idea) in LEXICON.entries.get(first).into_iter().flatten() {
        let rest = &entry[1..];
        let fits = words.len() >= at + entry.len()
            && words[at + 1..].iter().zip(rest).all(|(word, want)| *word == want.as_str() || ENDINGS.iter().any(|ending| word.strip_suffix(ending) == Some(want.as_str())));
        if fits && !ideas[from..].iter().any(|(_, _, known)| known == idea) {
            ideas.push((at, entry.len(), *idea));
        }
    }
}

fn mark_denied(read: &mut Read) {
    let Some(neg) = idea("neg") else { return };
    let denials: Vec<(usize, usize)> = read.ideas.iter().filter(|(_, _, known)| *known == neg).map(|(at, len, _)| (*at, *len)).collect();
    for (at, len) in denials {
        let clause = read.words[at].clause;
        for word in read.words.iter_mut().skip(at + len).take(REACH).take_while(|word| word.clause == clause) {
            word.denied = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        read(text).words.into_iter().map(|word| word.text).collect()
    }

    fn names(text: &str) -> Vec<&'static str> {
        read(text).ideas.into_iter().map(|(_, _, idea)| idea_name(idea)).collect()
    }

    #[test]
    fn one_spelling() {
        assert_eq!(texts("Brpaaa hrgnya kak??"), ["berapa", "hrgnya", "kak"]);
        assert_eq!(texts("gmn dgn dp5jt"), ["bagaimana", "dengan", "dp", "5", "jt"]);
        assert_eq!(texts("tanya2 26,5jt"), ["tanya", "26,5", "jt"]);
        assert_eq!(texts("ｕｍｒoh\u{200b} AJA"), ["umroh", "saja"]);
    }

    #[test]
    fn a_code_is_one_word() {
        for text in ["UMR_JAN_2027_VIP", "umr jan 2027 vip", "*UMR-JAN-2027-VIP*", "u m r j a n 2 0 2 7", "umrjan2027vip", "UMR JAN 27 HEMAT"] {
            assert_eq!(texts(text), [CODE], "{text}");
        }
        assert_eq!(texts("mau UMR_JAN_2027_VIP berdua"), ["mau", CODE, "berdua"]);
        assert_eq!(texts("umroh januari 2027"), ["umroh", "januari", "2027"]);
    }

    #[test]
    fn ideas_across_languages() {
        for text in ["berapa harga", "pinten regine", "sabaraha hargana", "how much is the price", "كم سعر"] {
            let found = names(text);
            assert!(found.contains(&"howmuch") && found.contains(&"price"), "{text}: {found:?}");
        }
    }

    #[test]
    fn denial_reaches_three_words_and_not_past_a_comma() {
        let read = read("belum mau daftar dulu, itinerary gimana");
        let denied: Vec<&str> = read.words.iter().filter(|word| word.denied).map(|word| word.text.as_str()).collect();
        assert_eq!(denied, ["mau", "daftar", "dulu"]);
    }

    #[test]
    fn the_lexicon_holds_no_line_that_cannot_match() {
        for (first, entries) in &LEXICON.entries {
            for (words, idea) in entries {
                let folded: Vec<String> = words.iter().map(|word| word.chars().filter_map(fold).collect()).collect();
                assert_eq!(folded, words.to_vec(), "line {} of the lexicon is not folded: {first}", idea_name(*idea));
            }
        }
    }
}
