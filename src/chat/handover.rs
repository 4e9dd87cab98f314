//! Who has a conversation, the bot or a person, and every change of it.

use super::assignment::{self, Holder};
use super::conversation::{self, Conversation};
use super::outbox;
use crate::db::StoreError;
use crate::db::writer::Tx;
use serde_json::json;

/// Gives a conversation to a person: the bot is silent from here on and what it had queued is taken back. If nobody has it,
/// `who` has it now.
///
/// `who` none: somebody writes from the phone. `reason`: taken, phone_reply, assigned, dealt.
pub fn to_person(tx: &Tx<'_>, conversation: &Conversation, who: Option<&Holder>, reason: &str) -> Result<(), StoreError> {
    let to = who.map_or("user", |who| who.actor.as_str());
    let unsaid = outbox::cancel_bot_rows(tx, conversation.id, "person_took_over")? > 0;
    if conversation.by_bot {
        row(tx, conversation, "bot", to, reason)?;
    }
    tx.execute(
        "UPDATE conversation SET handler = 'user', handler_at = ?2, held_by = ifnull(held_by, ?3), assignee_id = CASE WHEN held_by IS NULL THEN ?4 ELSE assignee_id END,
           turn_due_at = CASE WHEN turn_due_at IS NOT NULL THEN ?5 END, suggested_code = NULL, flow_place = NULL,
           waiting_since_at = CASE WHEN turn_due_at IS NOT NULL OR ?6 THEN ifnull(waiting_since_at, ?2) ELSE waiting_since_at END, resolved_at = NULL, snoozed_until_at = NULL WHERE id = ?1",
        (conversation.id, tx.now_ms, who.map(|who| &who.actor), who.and_then(|who| who.user_id), tx.process_ms, unsaid),
    )?;
    tx.wake_turns(); // what was not heard yet is heard now, without an answer
    let held_by = assignment::holder(tx, conversation.id)?;
    let name = held_by.as_deref().map(|actor| assignment::actor_name(tx, actor)).transpose()?;
    tx.emit("conversation.updated", Some(conversation.id), json!({"handler": "user", "held_by": held_by, "assignee": name}))
}

/// Gives a conversation back to the bot, which answers what comes from then on; what waits for its turn with it still has it.
pub fn to_bot(tx: &Tx<'_>, id: i64, actor: &str, reason: &str) -> Result<bool, StoreError> {
    let Some(conversation) = conversation::find(tx, id)? else { return Ok(false) };
    if !conversation.by_bot {
        row(tx, &conversation, actor, "bot", reason)?;
    }
    tx.execute(
        "UPDATE conversation SET handler = 'bot', handler_at = ?2, assignee_id = NULL, held_by = NULL, pinned_at = NULL, late_told_at = NULL, waiting_since_at = NULL, low_confidence = 0,
           turn_due_at = CASE handler WHEN 'bot' THEN turn_due_at END, answered_id = CASE handler WHEN 'bot' THEN answered_id ELSE ifnull(last_in_id, answered_id) END WHERE id = ?1",
        (id, tx.now_ms),
    )?;
    super::escalation::resolve(tx, id, actor)?;
    tx.emit("conversation.updated", Some(id), json!({"handler": "bot", "held_by": null, "assignee": null}))?;
    Ok(true)
}

/// A person gives a conversation back (`reason`: released, resolved); `asks`: the customer is asked how it was.
pub fn give_back(tx: &Tx<'_>, id: i64, actor: &str, asks: bool, reason: &str) -> Result<bool, StoreError> {
    let was_with_person = conversation::find(tx, id)?.is_some_and(|conversation| !conversation.by_bot);
    let done = to_bot(tx, id, actor, reason)?;
    if done && asks && was_with_person {
        super::satisfaction::ask(tx, id, actor)?;
    }
    Ok(done)
}

/// Writes a change of hands down.
pub fn row(tx: &Tx<'_>, conversation: &Conversation, from: &str, to: &str, reason: &str) -> Result<(), StoreError> {
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
        tx.prepare_cached("SELECT id FROM conversation WHERE is_human = 1 AND handler = 'user' AND handler_at < ?1 AND waiting_since_at IS NULL AND last_at < ?1 LIMIT ?2")?;
    let rows = query.query_map((before_ms, limit as i64), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
