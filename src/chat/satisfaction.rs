//! Satisfaction asked in the chat: one to five, after a person has helped. Asked at most once a month, counted once.

use super::conversation::Conversation;
use super::message::Author;
use super::outbox::{self, Priority};
use super::{conversation, escalation};
use crate::bot::fixed::{Fixed, fixed};
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::language::Language;
use rusqlite::Connection;
use serde_json::{Value, json};

/// The same customer is asked again after this, ms.
const AGAIN_MS: i64 = 30 * 86_400_000;
/// A number within this time of the question is the answer to it, ms.
pub const ANSWER_MS: i64 = 24 * 3_600_000;
/// Scores that call for a person.
const UNHAPPY: i64 = 2;

/// Asks, if it is time; `false` when not. `about`: who helped.
pub fn ask(tx: &Tx<'_>, id: i64, about: &str) -> Result<bool, StoreError> {
    let Some(conversation) = conversation::find(tx, id)? else { return Ok(false) };
    if conversation.rating_asked_at.is_some_and(|at| tx.now_ms - at < AGAIN_MS) {
        return Ok(false);
    }
    let helped: bool = tx.query_row("SELECT EXISTS (SELECT 1 FROM message WHERE conversation_id = ?1 AND author IN ('user', 'phone'))", [id], |row| row.get(0))?;
    if !helped {
        return Ok(false);
    }
    let lang = Language::parse(conversation.language.as_deref().unwrap_or("id"));
    outbox::say(tx, &conversation, Author::Bot, fixed(Fixed::Rate, lang), Priority::Reply)?;
    tx.execute("UPDATE conversation SET rating_asked_at = ?2, rating_about = ?3 WHERE id = ?1", (id, tx.now_ms, about))?;
    Ok(true)
}

/// The score in an answer: a number from 1 to 5 or so many stars, with hardly a word around it.
pub fn score(text: &str) -> Option<i64> {
    let stars = text.chars().filter(|c| matches!(c, '⭐' | '★' | '🌟')).count();
    if (1..=5).contains(&stars) {
        return i64::try_from(stars).ok();
    }
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let numbers: Vec<i64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    match numbers.as_slice() {
        [score] if (1..=5).contains(score) && words.len() <= 6 => Some(*score),
        _ => None,
    }
}

/// Keeps an answer; unhappy customers get a person.
pub fn keep(tx: &Tx<'_>, seen: &Conversation, turn_id: i64, message_id: Option<i64>, score: i64, words: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO satisfaction (conversation_id, score, words, about, asked_at, at) SELECT id, ?2, ?3, ifnull(rating_about, 'bot'), ifnull(rating_asked_at, ?4), ?4 FROM conversation WHERE id = ?1",
        (seen.id, score, words, tx.now_ms),
    )?;
    tx.execute("UPDATE conversation SET rating_about = NULL WHERE id = ?1", [seen.id])?;
    tx.audit("bot", "satisfaction.told", &format!("conv_{}", seen.id), &json!({"score": score}).to_string())?;
    if score <= UNHAPPY {
        escalation::raise(tx, seen.id, Some(turn_id), message_id, escalation::Reason::Complaint, words)?;
    }
    Ok(())
}

/// Mean and number of answers in a span; the mean is null without any.
pub fn summary(connection: &Connection, since: i64, until: i64) -> Result<Value, StoreError> {
    let (mean, n): (Option<f64>, i64) =
        connection.prepare_cached("SELECT avg(score), count(*) FROM satisfaction WHERE at >= ?1 AND at < ?2")?.query_row((since, until), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(json!({"score": mean.map(|mean| (mean * 100.0).round() / 100.0), "answers": n}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_as_people_answer() {
        for (text, want) in [
            ("5", Some(5)),
            ("nilai 4 kak", Some(4)),
            ("⭐⭐⭐", Some(3)),
            ("saya kasih 5 ya, terima kasih", Some(5)),
            ("10", None),
            ("berangkat 2 orang tanggal 5", None),
            ("bagus", None),
            ("berapa harga untuk 2 orang di bulan april ya kak", None),
        ] {
            assert_eq!(score(text), want, "{text}");
        }
    }
}
