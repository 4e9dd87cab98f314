//! Lessons: messages whose meaning the team has told. Who writes the same words again, in whatever spelling, is understood so.

use crate::bot::understand::{Understanding, model, words};
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::text;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;

/// Lessons kept, and the longest message one may teach, characters.
pub const MOST: usize = 20_000;
const LONGEST: usize = 1_000;

/// A message and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lesson {
    /// As it was written.
    pub text: String,
    /// Published intent names, at least one.
    pub intents: Vec<&'static str>,
    /// Means to register or pay, or has paid, for themselves.
    pub payment_intent: bool,
}

/// Why nothing was learnt.
#[derive(Debug, thiserror::Error)]
pub enum LessonError {
    /// Empty, or too long.
    #[error("text: 1 to 1,000 characters with at least one word")]
    BadText,
    /// None, or a name that is not published.
    #[error("intents: at least one of {}", names().join(", "))]
    BadIntents,
    /// Enough.
    #[error("20,000 lessons are kept; take some away first")]
    Full,
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for LessonError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Intents that can be taught. A campaign code is seen by its form.
pub fn names() -> Vec<&'static str> {
    model::HEADS.into_iter().filter(|name| !["campaign_code", "payment_intent"].contains(name)).collect()
}

/// The words of a message as they are compared.
fn key(text: &str) -> String {
    words::read(text).words.into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ")
}

impl Lesson {
    /// Checks what was typed. `payment_intent` none: whoever registers, pays or has paid means to.
    pub fn new(typed: &str, intents: &[String], payment_intent: Option<bool>) -> Result<Self, LessonError> {
        let text = text::clean(typed.trim(), LONGEST + 1);
        if text.chars().count() > LONGEST || key(&text).is_empty() {
            return Err(LessonError::BadText);
        }
        let known = names();
        let intents: Vec<&'static str> = intents.iter().map(|name| known.iter().copied().find(|known| known == name).ok_or(LessonError::BadIntents)).collect::<Result<_, _>>()?;
        if intents.is_empty() {
            return Err(LessonError::BadIntents);
        }
        let pays = intents.iter().any(|name| ["register", "ask_payment", "payment_done"].contains(name));
        Ok(Self { payment_intent: payment_intent.unwrap_or(pays), text, intents })
    }
}

/// All lessons at one moment.
#[derive(Debug, Default)]
pub struct Lessons(HashMap<String, Lesson>);

impl Lessons {
    /// Reads them.
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self(list(connection)?.into_iter().map(|lesson| (key(&lesson.text), lesson)).collect()))
    }

    /// Puts the team's word in place of a guess, where these very words were taught. `true` when it did.
    pub fn correct(&self, text: &str, understood: &mut Understanding) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some(lesson) = self.0.get(&key(text)) else { return false };
        understood.intents = lesson.intents.iter().map(|name| (*name, 1.0)).collect();
        understood.payment_intent = lesson.payment_intent;
        understood.wants_human = lesson.intents.contains(&"ask_human");
        understood.nods = false;
        understood.confidence = 1.0;
        true
    }
}

/// All of them, the newest first.
pub fn list(connection: &Connection) -> Result<Vec<Lesson>, StoreError> {
    let mut query = connection.prepare_cached("SELECT text, intents, payment_intent FROM lesson ORDER BY taught_at DESC, words LIMIT ?1")?;
    let rows = query.query_map([MOST as i64], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?)))?;
    let mut lessons = Vec::new();
    for row in rows {
        let (text, intents, payment_intent) = row?;
        let intents: Vec<String> = serde_json::from_str(&intents).unwrap_or_default();
        lessons.extend(Lesson::new(&text, &intents, Some(payment_intent)).ok()); // an intent that is no longer published is forgotten
    }
    Ok(lessons)
}

/// Learns it; the same words again replace what was taught. `true` when they are new.
pub fn put(tx: &Tx<'_>, actor: &str, lesson: &Lesson) -> Result<bool, LessonError> {
    let words = key(&lesson.text);
    let known = tx.prepare_cached("SELECT 1 FROM lesson WHERE words = ?1")?.exists([&words])?;
    let count: i64 = tx.query_row("SELECT count(*) FROM lesson", [], |row| row.get(0))?;
    if !known && count >= MOST as i64 {
        return Err(LessonError::Full);
    }
    tx.execute(
        "INSERT INTO lesson (words, text, intents, payment_intent, taught_by, taught_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET text = excluded.text, intents = excluded.intents, payment_intent = excluded.payment_intent, taught_by = excluded.taught_by, taught_at = excluded.taught_at",
        (&words, &lesson.text, json!(lesson.intents).to_string(), lesson.payment_intent, actor, tx.now_ms),
    )?;
    tx.audit(actor, "lesson.taught", "lesson", &json!({"text": lesson.text, "intents": lesson.intents, "payment_intent": lesson.payment_intent}).to_string())?;
    Ok(!known)
}

/// Unlearns what these words mean.
pub fn forget(tx: &Tx<'_>, actor: &str, text: &str) -> Result<bool, StoreError> {
    let gone = tx.execute("DELETE FROM lesson WHERE words = ?1 OR text = ?2", (key(text), text))? > 0;
    if gone {
        tx.audit(actor, "lesson.forgotten", "lesson", &json!({"text": text}).to_string())?;
    }
    Ok(gone)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_in_another_spelling_are_the_same_lesson() {
        let lesson = Lesson::new("Gmn cara bayarnya kak?", &["ask_payment".into()], None).unwrap();
        assert!(lesson.payment_intent);
        let lessons = Lessons([(key(&lesson.text), lesson)].into());
        let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 20).unwrap();
        let mut understood = crate::bot::understand::understand("halo", false, false, false, today);
        assert!(lessons.correct("gimana  cara BAYARNYA, kak", &mut understood));
        assert_eq!((understood.intents, understood.payment_intent, understood.wants_human), (vec![("ask_payment", 1.0)], true, false));
        let mut other = crate::bot::understand::understand("halo", false, false, false, today);
        assert!(!lessons.correct("cara bayarnya gimana", &mut other) && !Lessons::default().correct("x", &mut other));
    }

    #[test]
    fn what_cannot_be_taught_is_refused() {
        for (text, intents) in [("", vec!["thanks"]), ("?!", vec!["thanks"]), ("halo", vec![]), ("halo", vec!["greetings"]), ("UMR", vec!["campaign_code"])] {
            let intents: Vec<String> = intents.into_iter().map(str::to_owned).collect();
            assert!(Lesson::new(text, &intents, None).is_err(), "{text} {intents:?}");
        }
        assert!(Lesson::new(&"a ".repeat(600), &["thanks".into()], None).is_err());
    }
}
