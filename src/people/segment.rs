//! Segments: who is meant by an expression over labels and a few facts, as in
//! `"Grade A" and not Closing, added < 30 days` or `(Grade A or Grade B) and phase:interest`.

use super::label;
use crate::chat::inbox::Scope;
use crate::db::StoreError;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

/// Deepest nesting of parentheses, and longest expression.
const DEEPEST: usize = 20;
const LONGEST: usize = 1_000;
/// Words and signs of an expression: SQLite joins 500 sets at the most.
const MOST_TOKENS: usize = 200;
/// Without another word, who wrote within so many days is active.
pub const ACTIVE_DAYS: i64 = 90;

/// Why an expression means nobody.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// It cannot be read.
    #[error("expr: {0}")]
    Unreadable(String),
    /// It names a label that is not there.
    #[error("expr: there is no label {0:?}")]
    NoSuchLabel(String),
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for SegmentError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// An expression as it was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Carries the label; since a time between the two many ms ago.
    Label { name: String, age: Option<Age> },
    /// A fact: phase, campaign, package, status.
    Fact(String, String),
    /// Whatever labels stand beside it were put on then.
    Added(Age),
    /// All of them.
    And(Vec<Expr>),
    /// One of them.
    Or(Vec<Expr>),
    /// Not so.
    Not(Box<Expr>),
}

/// How long ago: less than, or more than, so many ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Age {
    within: bool,
    ms: i64,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    And,
    Or,
    Not,
    Word(String),
    Quoted(String),
    Less,
    More,
}

fn tokens(text: &str) -> Result<Vec<Token>, SegmentError> {
    let mut found = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' => found.push(Token::Open),
            ')' => found.push(Token::Close),
            '&' | ',' | '+' => {
                while chars.peek() == Some(&'&') {
                    chars.next();
                }
                found.push(Token::And);
            }
            '|' => {
                while chars.peek() == Some(&'|') {
                    chars.next();
                }
                found.push(Token::Or);
            }
            '!' => found.push(Token::Not),
            '<' | '>' => {
                if chars.peek() == Some(&'=') {
                    chars.next();
                }
                found.push(if c == '<' { Token::Less } else { Token::More });
            }
            '"' | '\'' | '“' | '”' => {
                let mut words = String::new();
                loop {
                    match chars.next() {
                        Some('"' | '”' | '“') if c != '\'' => break,
                        Some('\'') if c == '\'' => break,
                        Some(other) => words.push(other),
                        None => return Err(SegmentError::Unreadable("a quotation mark is not closed".into())),
                    }
                }
                found.push(Token::Quoted(words));
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = chars.peek().filter(|c| !c.is_whitespace() && !"()&,|!<>\"“”".contains(**c)) {
                    word.push(*next);
                    chars.next();
                }
                // phase:"booking" is one word
                if (word.ends_with(':') || word.ends_with('=')) && matches!(chars.peek(), Some('"' | '“')) {
                    chars.next();
                    for next in chars.by_ref() {
                        if next == '"' || next == '”' {
                            break;
                        }
                        word.push(next);
                    }
                }
                found.push(match word.to_lowercase().as_str() {
                    "and" | "dan" => Token::And,
                    "or" | "atau" => Token::Or,
                    "not" | "bukan" | "tanpa" | "tidak" => Token::Not,
                    _ => Token::Word(word),
                });
            }
        }
    }
    Ok(found)
}

/// Facts that can be asked for, as `name:value`.
const FACTS: [&str; 5] = ["phase", "campaign", "package", "status", "interest"];

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn any_of(&mut self) -> Result<Expr, SegmentError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(SegmentError::Unreadable("too many parentheses".into()));
        }
        let mut list = vec![self.all_of()?];
        while self.peek() == Some(&Token::Or) {
            self.at += 1;
            list.push(self.all_of()?);
        }
        self.depth -= 1;
        Ok(if list.len() == 1 { list.remove(0) } else { Expr::Or(list) })
    }

    fn all_of(&mut self) -> Result<Expr, SegmentError> {
        let mut list = vec![self.one()?];
        loop {
            match self.peek() {
                Some(Token::And) => {
                    self.at += 1;
                    list.push(self.one()?);
                }
                // "A not B" is "A and not B"
                Some(Token::Not | Token::Open | Token::Quoted(_) | Token::Word(_)) => list.push(self.one()?),
                _ => break,
            }
        }
        Ok(if list.len() == 1 { list.remove(0) } else { Expr::And(list) })
    }

    fn one(&mut self) -> Result<Expr, SegmentError> {
        let Some(token) = self.peek().cloned() else { return Err(SegmentError::Unreadable("something is missing at the end".into())) };
        self.at += 1;
        match token {
            Token::Not => {
                // a run of "not not not" nests too
                self.depth += 1;
                if self.depth > DEEPEST {
                    return Err(SegmentError::Unreadable("too many nots".into()));
                }
                let inner = self.one()?;
                self.depth -= 1;
                Ok(Expr::Not(Box::new(inner)))
            }
            Token::Open => {
                let inner = self.any_of()?;
                if self.peek() != Some(&Token::Close) {
                    return Err(SegmentError::Unreadable("a parenthesis is not closed".into()));
                }
                self.at += 1;
                Ok(inner)
            }
            Token::Quoted(name) => {
                let age = self.age()?;
                Ok(Expr::Label { name, age })
            }
            Token::Word(first) => self.words(first),
            Token::Close | Token::And | Token::Or | Token::Less | Token::More => Err(SegmentError::Unreadable("two signs stand side by side".into())),
        }
    }

    fn words(&mut self, first: String) -> Result<Expr, SegmentError> {
        if let Some((name, value)) = first.split_once([':', '=']) {
            let name = name.to_lowercase();
            if name == "label" && !value.is_empty() {
                let mut name = value.to_owned();
                self.more_words(&mut name);
                let age = self.age()?;
                return Ok(Expr::Label { name, age });
            }
            if !FACTS.contains(&name.as_str()) || value.is_empty() {
                return Err(SegmentError::Unreadable(format!("{name:?} cannot be asked for; one of label, {}", FACTS.join(", "))));
            }
            return Ok(Expr::Fact(name, value.to_owned()));
        }
        self.at -= 1;
        if let Some(age) = self.age()? {
            return Ok(Expr::Added(age));
        }
        self.at += 1;
        let mut name = first;
        self.more_words(&mut name);
        let age = self.age()?;
        Ok(Expr::Label { name, age })
    }

    /// A label's name may have several words.
    fn more_words(&mut self, name: &mut String) {
        while let Some(Token::Word(word)) = self.peek() {
            if word.contains(':') || (is_added(word) && matches!(self.tokens.get(self.at + 1), Some(Token::Less | Token::More))) {
                return;
            }
            name.push(' ');
            name.push_str(word);
            self.at += 1;
        }
    }

    /// `added < 30 days`, if that is what stands here.
    fn age(&mut self) -> Result<Option<Age>, SegmentError> {
        let (Some(Token::Word(word)), Some(sign @ (Token::Less | Token::More))) = (self.tokens.get(self.at), self.tokens.get(self.at + 1)) else { return Ok(None) };
        if !is_added(word) {
            return Ok(None);
        }
        let within = *sign == Token::Less;
        let Some(Token::Word(number)) = self.tokens.get(self.at + 2) else { return Err(SegmentError::Unreadable("added < N days: the number is missing".into())) };
        let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
        let mut unit = number[digits.len()..].to_lowercase();
        let n: i64 = digits.parse().ok().filter(|n| *n <= 36_500).ok_or_else(|| SegmentError::Unreadable("added < N days: the number is missing".into()))?;
        self.at += 3;
        if unit.is_empty()
            && let Some(Token::Word(next)) = self.peek()
            && unit_ms(&next.to_lowercase()).is_some()
        {
            unit = next.to_lowercase();
            self.at += 1;
        }
        let one = if unit.is_empty() { Some(86_400_000) } else { unit_ms(&unit) };
        let one = one.ok_or_else(|| SegmentError::Unreadable(format!("{unit:?} is not a time: hours, days, weeks or months")))?;
        Ok(Some(Age { within, ms: n * one }))
    }
}

fn is_added(word: &str) -> bool {
    ["added", "ditambah", "ditambahkan", "dipasang", "sejak"].contains(&word.to_lowercase().as_str())
}

fn unit_ms(unit: &str) -> Option<i64> {
    Some(match unit {
        "h" | "hour" | "hours" | "jam" => 3_600_000,
        "d" | "day" | "days" | "hari" | "hr" => 86_400_000,
        "w" | "week" | "weeks" | "minggu" | "pekan" => 7 * 86_400_000,
        "month" | "months" | "bulan" | "bln" => 30 * 86_400_000,
        _ => return None,
    })
}

/// Reads an expression.
pub fn parse(text: &str) -> Result<Expr, SegmentError> {
    if text.chars().count() > LONGEST {
        return Err(SegmentError::Unreadable("at most 1,000 characters".into()));
    }
    let mut reader = Reader { tokens: tokens(text)?, at: 0, depth: 0 };
    if reader.tokens.len() > MOST_TOKENS {
        return Err(SegmentError::Unreadable("too many words; at most 200".into()));
    }
    if reader.tokens.is_empty() {
        return Err(SegmentError::Unreadable("is empty".into()));
    }
    let expr = reader.any_of()?;
    if reader.peek().is_some() {
        return Err(SegmentError::Unreadable("a parenthesis too many".into()));
    }
    Ok(expr)
}

/// Whether a label is wanted in it.
fn names_label(expr: &Expr) -> bool {
    match expr {
        Expr::Label { .. } => true,
        Expr::And(list) | Expr::Or(list) => list.iter().any(names_label),
        Expr::Fact(..) | Expr::Added(_) | Expr::Not(_) => false,
    }
}

/// The same with an age for every wanted label that has none: `(A or B), added < 30 days`.
fn aged(expr: &Expr, age: Option<Age>) -> Expr {
    match expr {
        Expr::Label { name, age: None } => Expr::Label { name: name.clone(), age },
        Expr::And(list) => Expr::And(list.iter().map(|part| aged(part, age)).collect()),
        Expr::Or(list) => Expr::Or(list.iter().map(|part| aged(part, age)).collect()),
        other => other.clone(),
    }
}

/// SQL that gives the ids of whom it means, with its parameters.
struct Compiler<'c> {
    connection: &'c Connection,
    now_ms: i64,
    params: Vec<Sql>,
}

impl Compiler<'_> {
    fn bind(&mut self, value: impl Into<Sql>) -> String {
        self.params.push(value.into());
        format!("?{}", self.params.len())
    }

    fn sql(&mut self, expr: &Expr) -> Result<String, SegmentError> {
        Ok(match expr {
            Expr::Label { name, age } => {
                let label = label::named(self.connection, name)?.ok_or_else(|| SegmentError::NoSuchLabel(name.clone()))?;
                let id = self.bind(label.id);
                let when = match age {
                    Some(age) => format!(" AND added_at {} {}", if age.within { ">" } else { "<=" }, self.bind(self.now_ms - age.ms)),
                    None => String::new(),
                };
                format!("SELECT contact_id FROM contact_label WHERE label_id = {id}{when}")
            }
            Expr::Fact(name, value) => self.fact(name, value)?,
            // beside no label: any label put on then
            Expr::Added(age) => format!("SELECT contact_id FROM contact_label WHERE added_at {} {}", if age.within { ">" } else { "<=" }, self.bind(self.now_ms - age.ms)),
            Expr::Not(inner) => {
                let inner = self.sql(inner)?;
                format!("SELECT id FROM contact WHERE merged_into IS NULL EXCEPT SELECT * FROM ({inner})")
            }
            Expr::Or(list) => {
                let parts = list.iter().map(|part| self.sql(part).map(|sql| format!("SELECT * FROM ({sql})"))).collect::<Result<Vec<_>, _>>()?;
                parts.join(" UNION ")
            }
            Expr::And(list) => self.all_of(list)?,
        })
    }

    fn all_of(&mut self, list: &[Expr]) -> Result<String, SegmentError> {
        let age = list.iter().find_map(|part| if let Expr::Added(age) = part { Some(*age) } else { None });
        let has_label = list.iter().any(names_label);
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for part in list {
            match part {
                Expr::Added(_) if has_label => {}
                Expr::Not(inner) => unwanted.push(self.sql(inner)?),
                other => wanted.push(self.sql(&aged(other, age))?),
            }
        }
        if wanted.is_empty() {
            wanted.push("SELECT id FROM contact WHERE merged_into IS NULL".into());
        }
        let mut sql = wanted.iter().map(|sql| format!("SELECT * FROM ({sql})")).collect::<Vec<_>>().join(" INTERSECT ");
        for part in unwanted {
            sql = format!("{sql} EXCEPT SELECT * FROM ({part})");
        }
        Ok(sql)
    }

    fn fact(&mut self, name: &str, value: &str) -> Result<String, SegmentError> {
        let low = value.to_lowercase();
        Ok(match name {
            "phase" if ["leads", "interest", "booking", "paid"].contains(&low.as_str()) => {
                let phase = self.bind(low);
                format!("SELECT contact_id FROM conversation WHERE merged_into IS NULL AND phase = {phase}")
            }
            "phase" => return Err(SegmentError::Unreadable("phase: leads, interest, booking or paid".into())),
            "campaign" => {
                let code = self.bind(value.to_uppercase());
                format!("SELECT contact_id FROM conversation WHERE merged_into IS NULL AND (first_code = {code} OR last_code = {code})")
            }
            "package" => {
                let code = self.bind(value.to_uppercase());
                format!("SELECT contact_id FROM conversation WHERE merged_into IS NULL AND package_code = {code}")
            }
            "interest" => {
                let like = self.bind(format!("%{}%", value.replace(['%', '_'], "")));
                format!("SELECT id FROM contact WHERE merged_into IS NULL AND interest LIKE {like}")
            }
            "status" => {
                let since = self.bind(self.now_ms - ACTIVE_DAYS * 86_400_000);
                let active = format!(
                    "SELECT id FROM contact c WHERE merged_into IS NULL AND (is_active = 1 OR (is_active IS NULL AND (created_at >= {since} OR EXISTS (SELECT 1 FROM conversation v WHERE v.contact_id = c.id AND v.last_in_at >= {since}))))"
                );
                match low.as_str() {
                    "active" | "aktif" => active,
                    "inactive" | "nonaktif" => format!("SELECT id FROM contact WHERE merged_into IS NULL EXCEPT SELECT * FROM ({active})"),
                    _ => return Err(SegmentError::Unreadable("status: active or inactive".into())),
                }
            }
            _ => return Err(SegmentError::Unreadable(format!("{name} cannot be asked for"))),
        })
    }
}

fn compile(connection: &Connection, text: &str, now_ms: i64) -> Result<(String, Vec<Sql>), SegmentError> {
    let expr = parse(text)?;
    let mut compiler = Compiler { connection, now_ms, params: Vec::new() };
    let sql = compiler.sql(&expr)?;
    Ok((sql, compiler.params))
}

/// How many contacts are meant, and how many of them want no more messages.
pub fn count(connection: &Connection, text: &str, scope: &Scope, now_ms: i64) -> Result<(i64, i64), SegmentError> {
    let (sql, mut params) = compile(connection, text, now_ms)?;
    params.push(scope.actor().map_or(Sql::Null, |actor| Sql::from(actor.to_owned())));
    let seen = scope.contact_sql("c.id", &format!("?{}", params.len()));
    let sql = format!("SELECT count(*), ifnull(sum(c.opted_out_at IS NOT NULL), 0) FROM ({sql}) s JOIN contact c ON c.id = s.contact_id AND c.merged_into IS NULL AND {seen}")
        .replace("SELECT id FROM contact", "SELECT id AS contact_id FROM contact");
    Ok(connection.prepare(&sql)?.query_row(params_from_iter(params), |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// The contacts meant, by id, after `after`.
pub fn members(connection: &Connection, text: &str, now_ms: i64, after: i64, limit: usize) -> Result<Vec<i64>, SegmentError> {
    let (sql, mut params) = compile(connection, text, now_ms)?;
    let sql = format!(
        "SELECT c.id FROM ({sql}) s JOIN contact c ON c.id = s.contact_id AND c.merged_into IS NULL WHERE c.id > ?{} ORDER BY c.id LIMIT ?{}",
        params.len() + 1,
        params.len() + 2
    )
    .replace("SELECT id FROM contact", "SELECT id AS contact_id FROM contact");
    params.extend([Sql::from(after), Sql::from(limit as i64)]);
    let mut query = connection.prepare(&sql)?;
    let rows = query.query_map(params_from_iter(params), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str) -> Expr {
        Expr::Label { name: name.into(), age: None }
    }

    #[test]
    fn reads_what_people_write() {
        let month = Age { within: true, ms: 30 * 86_400_000 };
        let age = Some(month);
        assert_eq!(parse("Grade A").unwrap(), label("Grade A"));
        assert_eq!(parse("Grade A and not Grade B").unwrap(), Expr::And(vec![label("Grade A"), Expr::Not(Box::new(label("Grade B")))]));
        assert_eq!(parse("\"Grade A\" dan bukan Closing").unwrap(), Expr::And(vec![label("Grade A"), Expr::Not(Box::new(label("Closing")))]));
        assert_eq!(parse("Grade A added < 30 days").unwrap(), Expr::Label { name: "Grade A".into(), age });
        assert_eq!(parse("Grade A added<30d").unwrap(), Expr::Label { name: "Grade A".into(), age });
        assert_eq!(parse("A and not B, added < 30 hari").unwrap(), Expr::And(vec![label("A"), Expr::Not(Box::new(label("B"))), Expr::Added(month)]));
        assert_eq!(parse("(A or B) & phase:interest").unwrap(), Expr::And(vec![Expr::Or(vec![label("A"), label("B")]), Expr::Fact("phase".into(), "interest".into())]));
        for bad in ["", "(A", "A)", "and", "A and", "\"A", "umur:5", "A added < x", &"(".repeat(100), &"not ".repeat(100)] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
