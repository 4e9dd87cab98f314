//! Questions with their answers, and finding the one a customer asks. Search runs over every published way to ask, in
//! folded words; a hit's score says how much of the question's weight the two share, rare words weighing more.

use crate::bot::understand::{places, words};
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{HashMap, HashSet};

/// Topics a question may be filed under.
pub const TOPICS: [&str; 10] = ["documents", "worship", "travel", "lodging", "health", "money", "company", "family", "booking", "after"];

/// A question and its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Faq {
    /// Row id; 0 while it has none.
    #[serde(default)]
    pub id: i64,
    /// Stable name.
    pub key: String,
    /// One of [`TOPICS`].
    pub topic: String,
    /// The question as a title.
    pub question: String,
    /// Other ways to ask it.
    #[serde(default)]
    pub variants: Vec<String>,
    /// The answer.
    pub answer: String,
    /// In English.
    #[serde(default)]
    pub answer_en: Option<String>,
    /// draft, published, retired.
    #[serde(default)]
    pub status: String,
    /// Times it was the answer.
    #[serde(default)]
    pub said: i64,
    /// Last change, unix ms.
    #[serde(default)]
    pub updated_at: i64,
    /// By whom; `kafilah`: brought along, not looked at yet.
    #[serde(default)]
    pub updated_by: String,
}

/// A question found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The entry.
    pub faq: Faq,
    /// How alike, 0 to 1.
    pub score: f64,
}

/// Why an entry was refused.
#[derive(Debug, thiserror::Error)]
pub enum FaqError {
    /// A field is wrong.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wanted.
        problem: &'static str,
    },
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for FaqError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

const COLUMNS: &str = "SELECT id, key, topic, question, variants, answer, answer_en, status, said, updated_at, updated_by FROM faq";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Faq> {
    let variants: String = row.get(4)?;
    Ok(Faq {
        id: row.get(0)?,
        key: row.get(1)?,
        topic: row.get(2)?,
        question: row.get(3)?,
        variants: serde_json::from_str(&variants).unwrap_or_default(),
        answer: row.get(5)?,
        answer_en: row.get(6)?,
        status: row.get(7)?,
        said: row.get(8)?,
        updated_at: row.get(9)?,
        updated_by: row.get(10)?,
    })
}

/// The questions the program brings along.
pub fn built_in() -> Vec<Faq> {
    let list: Vec<Faq> = serde_json::from_str(include_str!("../../assets/knowledge/faq.json")).unwrap_or_default();
    list.into_iter().map(|faq| Faq { status: "published".into(), ..faq }).collect()
}

/// Puts the built-in questions in place of an empty list.
pub fn seed(tx: &Tx<'_>) -> Result<(), FaqError> {
    let known: i64 = tx.query_row("SELECT count(*) FROM faq", [], |row| row.get(0))?;
    if known > 0 {
        return Ok(());
    }
    for faq in built_in() {
        put(tx, "kafilah", &faq)?;
    }
    Ok(())
}

/// Whether an entry may be written as it is.
pub fn check(faq: &Faq) -> Result<(), FaqError> {
    let invalid = |field, problem| Err(FaqError::Invalid { field, problem });
    let length = |text: &str, most: usize| (1..=most).contains(&text.trim().chars().count());
    if !length(&faq.key, 60) || !faq.key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
        return invalid("key", "1 to 60 letters, digits and dashes");
    }
    if !TOPICS.contains(&faq.topic.as_str()) {
        return invalid("topic", "one of documents, worship, travel, lodging, health, money, company, family, booking, after");
    }
    if !length(&faq.question, 300) {
        return invalid("question", "1 to 300 characters");
    }
    if !length(&faq.answer, 3_000) || faq.answer_en.as_deref().is_some_and(|text| text.chars().count() > 3_000) {
        return invalid("answer", "1 to 3,000 characters");
    }
    if faq.variants.len() > 40 || faq.variants.iter().any(|text| !length(text, 300)) {
        return invalid("variants", "at most 40 ways to ask, each 1 to 300 characters");
    }
    if !["draft", "published", "retired"].contains(&faq.status.as_str()) {
        return invalid("status", "draft, published or retired");
    }
    Ok(())
}

/// Writes an entry by its key; `true` when it is new.
pub fn put(tx: &Tx<'_>, actor: &str, faq: &Faq) -> Result<bool, FaqError> {
    check(faq)?;
    let known: Option<i64> = tx.query_row("SELECT id FROM faq WHERE key = ?1", [&faq.key], |row| row.get(0)).optional()?;
    let english = faq.answer_en.as_deref().map(str::trim).filter(|text| !text.is_empty());
    tx.execute(
        "INSERT INTO faq (key, topic, question, variants, answer, answer_en, status, updated_at, updated_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (key) DO UPDATE SET topic = excluded.topic, question = excluded.question, variants = excluded.variants, answer = excluded.answer,
           answer_en = excluded.answer_en, status = excluded.status, updated_at = excluded.updated_at, updated_by = excluded.updated_by",
        (&faq.key, &faq.topic, faq.question.trim(), json!(faq.variants).to_string(), faq.answer.trim(), english, &faq.status, tx.now_ms, actor),
    )?;
    let id = known.unwrap_or_else(|| tx.last_insert_rowid());
    tx.execute("DELETE FROM faq_phrase WHERE faq_id = ?1", [id])?;
    if faq.status == "published" {
        for phrase in std::iter::once(&faq.question).chain(&faq.variants) {
            tx.prepare_cached("INSERT INTO faq_phrase (words, faq_id) VALUES (?1, ?2)")?.execute((folded(phrase).join(" "), id))?;
        }
    }
    if actor != "kafilah" {
        tx.audit(actor, "faq.saved", &format!("faq:{}", faq.key), &json!({"status": faq.status, "question": faq.question, "answer": faq.answer}).to_string())?;
    }
    Ok(known.is_none())
}

/// One more time that an entry was the answer.
pub fn said(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE faq SET said = said + 1 WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Takes one wording out of the search, to see whether the others find it.
pub fn forget_wording(connection: &Connection, wording: &str) -> Result<(), StoreError> {
    connection.execute("DELETE FROM faq_phrase WHERE words = ?1", [folded(wording).join(" ")])?;
    Ok(())
}

/// Every entry, by topic and key.
pub fn list(connection: &Connection) -> Result<Vec<Faq>, StoreError> {
    let mut query = connection.prepare_cached(&[COLUMNS, " ORDER BY topic, key"].concat())?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One entry by key.
pub fn find(connection: &Connection, key: &str) -> Result<Option<Faq>, StoreError> {
    Ok(connection.prepare_cached(&[COLUMNS, " WHERE key = ?1"].concat())?.query_row([key], from_row).optional()?)
}

/// Words of a question that carry meaning, each once, folded to letters and digits as the index keeps them.
fn folded(text: &str) -> Vec<String> {
    let mut seen = HashSet::new();
    words::read(text)
        .words
        .iter()
        .flat_map(|word| word.text.split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect::<Vec<_>>())
        // a number or where somebody lives is in no question, and would make every other word count for less
        .filter(|word| !word.is_empty() && !word.bytes().all(|b| b.is_ascii_digit()) && !places::is_place(word))
        .filter(|word| !EMPTY.contains(&word.as_str()) && seen.insert(word.clone()))
        .collect()
}

/// Words that say nothing of what is asked.
const EMPTY: &[&str] = &[
    "ya",
    "iya",
    "kak",
    "kakak",
    "min",
    "admin",
    "mas",
    "mbak",
    "bu",
    "pak",
    "bapak",
    "ibu",
    "ustadz",
    "tolong",
    "mohon",
    "maaf",
    "permisi",
    "mau",
    "ingin",
    "tanya",
    "nanya",
    "saya",
    "aku",
    "kami",
    "kita",
    "nya",
    "sih",
    "dong",
    "deh",
    "kok",
    "kan",
    "nih",
    "itu",
    "ini",
    "yang",
    "di",
    "ke",
    "dan",
    "atau",
    "untuk",
    "apakah",
    "apa",
    "bisa",
    "boleh",
    "ada",
    "the",
    "a",
    "is",
    "are",
    "do",
    "does",
    "i",
    "we",
    "to",
    "of",
    "for",
    "in",
    "it",
    "can",
    "please",
    "umroh",
    "umrah",
    "assalamualaikum",
    "waalaikumsalam",
    "halo",
    "hai",
    "terima",
    "kasih",
    "dengan",
    "juga",
    "kalau",
    "pas",
    "nanti",
    "gimana",
    "bagaimana",
    "tidak",
    "perlu",
    "sama",
    "punya",
    "be",
    "my",
    "if",
    "at",
    "on",
    "you",
    "need",
];

/// Entries looked at closely in one search.
const CANDIDATES: i64 = 24;
/// Words of a question searched for; the rest of a novel is not.
const MOST_WORDS: usize = 40;

/// The entries that `text` asks most likely, best first, at most `limit`.
pub fn search(connection: &Connection, text: &str, limit: usize) -> Result<Vec<Hit>, StoreError> {
    let mut asked = folded(text);
    asked.truncate(MOST_WORDS);
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let phrases: i64 = connection.prepare_cached("SELECT count(*) FROM faq_phrase")?.query_row([], |row| row.get(0))?;
    if phrases == 0 {
        return Ok(Vec::new());
    }
    // rare words tell more; a word no question has tells that something else is asked
    let mut weights: HashMap<String, f64> = HashMap::new();
    let mut rarity = connection.prepare_cached("SELECT doc FROM faq_word WHERE term = ?1")?;
    let mut weigh = |word: &str| -> Result<f64, StoreError> {
        if let Some(weight) = weights.get(word) {
            return Ok(*weight);
        }
        let known: Option<i64> = rarity.query_row([word], |row| row.get(0)).optional()?;
        let weight = ((phrases as f64 + 1.0) / (known.unwrap_or(0) as f64 + 1.0)).ln();
        weights.insert(word.to_owned(), weight);
        Ok(weight)
    };
    let mut of_question = 0.0;
    for word in &asked {
        of_question += weigh(word)?;
    }
    let query: Vec<String> = asked.iter().map(|word| format!("\"{word}\"")).collect(); // letters and digits only: nothing to escape
    let mut candidates = connection.prepare_cached("SELECT words, faq_id FROM faq_phrase WHERE faq_phrase MATCH ?1 ORDER BY rank LIMIT ?2")?;
    let rows = candidates.query_map((query.join(" OR "), CANDIDATES), |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
    let mut best: HashMap<i64, f64> = HashMap::new();
    for row in rows {
        let (phrase, id) = row?;
        let (mut shared, mut of_phrase) = (0.0, 0.0);
        let (mut heaviest, mut has_heaviest, mut in_common) = (0.0, false, 0);
        for word in phrase.split(' ').filter(|word| !word.is_empty()) {
            let weight = weigh(word)?;
            of_phrase += weight;
            let is_shared = asked.iter().any(|asked| asked == word);
            if is_shared {
                shared += weight;
                in_common += 1;
            }
            if weight > heaviest {
                (heaviest, has_heaviest) = (weight, is_shared);
            }
        }
        // "zamzam, beli sendiri?" is not asked without the zamzam, and "syarat" alone may be asked of anything
        if !has_heaviest || (in_common < 2 && phrase.contains(' ')) {
            continue;
        }
        let score = 2.0 * shared / (of_question + of_phrase).max(f64::EPSILON);
        let held = best.entry(id).or_insert(0.0);
        *held = held.max(score);
    }
    let mut ranked: Vec<(i64, f64)> = best.into_iter().collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked.truncate(limit);
    let mut one = connection.prepare_cached(&[COLUMNS, " WHERE id = ?1"].concat())?;
    ranked.into_iter().map(|(id, score)| Ok(Hit { faq: one.query_row([id], from_row)?, score })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::setting::SecretKey;
    use crate::db::writer;
    use crate::kernel::clock::Clock;

    fn seeded() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::db::migrations::bring_up_to_date(&mut connection).unwrap();
        let key = SecretKey::from_text(&"00".repeat(32)).unwrap();
        writer::once(&mut connection, &Clock::default(), &key, seed).unwrap();
        connection
    }

    #[test]
    fn the_built_in_questions_are_right_and_say_no_figures() {
        let all = built_in();
        assert!(all.len() >= 60);
        let mut keys = HashSet::new();
        for faq in &all {
            assert!(keys.insert(&faq.key), "{} twice", faq.key);
            assert!(TOPICS.contains(&faq.topic.as_str()) && faq.answer_en.is_some(), "{}", faq.key);
            assert!(!faq.answer.contains(|c: char| c.is_ascii_digit()), "{}: figures come from the agency's rows", faq.key);
        }
        assert_eq!(list(&seeded()).unwrap().len(), all.len());
    }

    #[test]
    fn a_question_put_another_way_is_found_and_another_question_is_not() {
        let connection = seeded();
        let best = |text: &str| search(&connection, text, 3).unwrap().into_iter().next().map(|hit| (hit.faq.key, hit.score));
        for (text, key) in [("kak paspor saya tinggal 5 bulan lagi bisa dipakai umroh ga?", "passport-validity"), ("nama di paspor saya cuma satu kata gimana ya", "passport-name")]
        {
            let (found, score) = best(text).unwrap();
            assert_eq!(found, key, "{text} ({score})");
            assert!(score > 0.5, "{text}: {score}");
        }
        for text in ["harga saham hari ini", "", "😀", "\" OR 1=1 --"] {
            assert!(best(text).is_none_or(|(_, score)| score < 0.5), "{text}: {:?}", best(text));
        }
    }
}
