//! Who has a conversation, the bot or a person, and every change of it.

use super::conversation::{self, Conversation};
use super::outbox;
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::OptionalExtension;
use serde_json::json;

/// Gives a conversation to a person: the bot is silent from here on and what it had queued is taken back.
///
/// `user_id` none: somebody writes from the phone. `reason`: taken, phone_reply, escalation, assigned.
pub fn to_person(tx: &Tx<'_>, conversation: &Conversation, user_id: Option<i64>, reason: &str) -> Result<(), StoreError> {
    let to = user_id.map_or("user".to_owned(), |id| format!("user:{id}"));
    outbox::cancel_bot_rows(tx, conversation.id, "person_took_over")?;
    if conversation.by_bot {
        row(tx, conversation, "bot", &to, reason)?;
    }
    tx.execute(
        "UPDATE conversation SET handler = 'user', handler_at = ?2, assignee_id = ifnull(?3, assignee_id), turn_due_at = NULL WHERE id = ?1",
        (conversation.id, tx.now_ms, user_id),
    )?;
    tx.emit("conversation.updated", Some(conversation.id), json!({"handler": "user", "assignee": user_id}))
}

/// Why a handover did not happen.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// No such conversation.
    #[error("no such conversation")]
    NoSuchConversation,
    /// Somebody else has it.
    #[error("{0} has it")]
    Taken(String),
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

/// Gives a conversation to a user, or to whoever of the team takes it first (`user_id` none), with a note. One transaction:
/// of two who want it at once, the second is told who has it.
pub fn assign(tx: &Tx<'_>, id: i64, user_id: Option<i64>, note: Option<&str>, actor: &str) -> Result<(), AssignError> {
    let conversation = conversation::find(tx, id)?.ok_or(AssignError::NoSuchConversation)?;
    let holder: Option<(i64, String)> = tx
        .prepare_cached("SELECT u.id, u.name FROM conversation v JOIN user u ON u.id = v.assignee_id WHERE v.id = ?1 AND v.handler = 'user'")
        .map_err(StoreError::from)?
        .query_row([conversation.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
        .map_err(StoreError::from)?;
    if let Some((holder_id, name)) = &holder
        && user_id != Some(*holder_id)
    {
        return Err(AssignError::Taken(name.clone()));
    }
    let was_bot = conversation.by_bot;
    to_person(tx, &conversation, user_id, "assigned")?;
    if !was_bot && holder.is_none() {
        let to = user_id.map_or("user".to_owned(), |id| format!("user:{id}"));
        row(tx, &conversation, actor, &to, "assigned")?;
    }
    if let Some(note) = note {
        tx.execute("UPDATE handover SET note = ?2 WHERE id = (SELECT max(id) FROM handover WHERE conversation_id = ?1)", (conversation.id, note)).map_err(StoreError::from)?;
    }
    tx.execute("UPDATE conversation SET waiting_since_at = ifnull(waiting_since_at, ?2) WHERE id = ?1", (conversation.id, tx.now_ms)).map_err(StoreError::from)?;
    tx.emit("alert", Some(conversation.id), json!({"kind": "handover", "assignee": user_id, "note": note}))?;
    Ok(())
}

/// Gives a conversation back to the bot. `due`: unanswered messages get their turn at once.
pub fn to_bot(tx: &Tx<'_>, id: i64, actor: &str, reason: &str) -> Result<bool, StoreError> {
    let Some(conversation) = conversation::find(tx, id)? else { return Ok(false) };
    if !conversation.by_bot {
        row(tx, &conversation, actor, "bot", reason)?;
    }
    tx.execute(
        "UPDATE conversation SET handler = 'bot', handler_at = ?2, assignee_id = NULL, waiting_since_at = NULL, low_confidence = 0, answered_id = ifnull(last_in_id, answered_id) WHERE id = ?1",
        (id, tx.now_ms),
    )?;
    super::escalation::resolve(tx, id, actor)?;
    tx.emit("conversation.updated", Some(id), json!({"handler": "bot"}))?;
    Ok(true)
}

/// A person gives a conversation back; `asks`: the customer is asked how it was.
pub fn give_back(tx: &Tx<'_>, id: i64, actor: &str, asks: bool) -> Result<bool, StoreError> {
    let was_with_person = conversation::find(tx, id)?.is_some_and(|conversation| !conversation.by_bot);
    let done = to_bot(tx, id, actor, "released")?;
    if done && asks && was_with_person {
        super::satisfaction::ask(tx, id, actor)?;
    }
    Ok(done)
}

fn row(tx: &Tx<'_>, conversation: &Conversation, from: &str, to: &str, reason: &str) -> Result<(), StoreError> {
    let waited = conversation.waiting_since_at.map(|since| (tx.now_ms - since).max(0));
    tx.execute(
        "INSERT INTO handover (conversation_id, at, from_handler, to_handler, reason, waited_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (conversation.id, tx.now_ms, from, to, reason, waited),
    )?;
    tx.count("handovers", 1);
    tx.audit(from, "handover", &format!("conv_{}", conversation.id), &json!({"to": to, "reason": reason}).to_string())
}

/// Conversations whose person has been silent since before `before_ms`, with nobody waiting: back to the bot.
pub fn idle(tx: &Tx<'_>, before_ms: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
    let mut query =
        tx.prepare_cached("SELECT id FROM conversation WHERE handler = 'user' AND handler_at < ?1 AND waiting_since_at IS NULL AND last_at < ?1 AND merged_into IS NULL LIMIT ?2")?;
    let rows = query.query_map((before_ms, limit as i64), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
