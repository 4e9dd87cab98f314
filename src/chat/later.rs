//! Replies that wait for their time.

use super::conversation;
use super::reply::{self, Reply, ReplyError};
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde_json::json;

/// Farthest ahead a reply may be put: 90 days.
pub const FARTHEST_MS: i64 = 90 * 86_400_000;

/// A reply that waits.
#[derive(Clone, Debug, Serialize)]
pub struct Later {
    /// Row.
    pub id: i64,
    /// Words; empty: only a file.
    pub text: String,
    /// Name of who wrote it.
    pub author: String,
    /// When it goes out, unix ms.
    pub send_at: i64,
}

/// Keeps a reply for later; its row.
pub fn keep(tx: &Tx<'_>, reply: &Reply, send_at: i64, accounts: &[String]) -> Result<Option<i64>, ReplyError> {
    let user_id = reply.user_id.ok_or(ReplyError::NoSuchConversation)?;
    if send_at <= tx.now_ms || send_at > tx.now_ms + FARTHEST_MS {
        return Err(ReplyError::BadTime);
    }
    let text = reply::words(reply, accounts)?;
    let conversation = conversation::find(tx, reply.conversation_id)?.ok_or(ReplyError::NoSuchConversation)?;
    if let Some(token) = &reply.token
        && !reply::first_time(tx, token)?
    {
        return Ok(None);
    }
    reply::quoted(tx, reply)?;
    tx.execute(
        "INSERT INTO later (conversation_id, text, user_id, at, send_at, media_id, reply_to) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (conversation.id, text, user_id, tx.now_ms, send_at, reply.media_id, reply.reply_to),
    )
    .map_err(StoreError::from)?;
    let id = tx.last_insert_rowid();
    tx.audit(&reply.actor, "reply.kept_for_later", &format!("conv_{}", conversation.id), &json!({"later": id, "send_at": send_at}).to_string())?;
    tx.emit("conversation.updated", Some(conversation.id), json!({"later": id, "send_at": send_at}))?;
    Ok(Some(id))
}

/// What waits in a conversation, the next first.
pub fn of_conversation(connection: &Connection, conversation_id: i64) -> Result<Vec<Later>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT l.id, l.text, u.name, l.send_at FROM later l JOIN user u ON u.id = l.user_id WHERE l.conversation_id = ?1 AND l.done_at IS NULL ORDER BY l.send_at, l.id",
    )?;
    let rows = query.query_map([conversation_id], |row| Ok(Later { id: row.get(0)?, text: row.get(1)?, author: row.get(2)?, send_at: row.get(3)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Called off before its time.
pub fn call_off(tx: &Tx<'_>, conversation_id: i64, id: i64, actor: &str) -> Result<(), StoreError> {
    let conversation: Option<i64> = tx
        .query_row(
            "UPDATE later SET done_at = ?2, outcome = 'called_off' WHERE id = ?1 AND conversation_id = ?3 AND done_at IS NULL RETURNING conversation_id",
            (id, tx.now_ms, conversation_id),
            |row| row.get(0),
        )
        .optional()?;
    if let Some(conversation) = conversation {
        tx.audit(actor, "reply.called_off", &format!("conv_{conversation}"), &id.to_string())?;
        tx.emit("conversation.updated", Some(conversation), json!({"later": id}))?;
    }
    Ok(())
}

/// Calls off everything somebody kept for later; whoever works on the chats is told.
pub fn call_off_all(tx: &Tx<'_>, user_id: i64, actor: &str) -> Result<(), StoreError> {
    let mut query = tx.prepare_cached("SELECT id, conversation_id FROM later WHERE user_id = ?1 AND done_at IS NULL")?;
    let kept: Vec<(i64, i64)> = query.query_map([user_id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (id, conversation_id) in kept {
        call_off(tx, conversation_id, id, actor)?;
        tx.emit("alert", Some(conversation_id), json!({"kind": "later_refused", "cause": "its author has left the team"}))?;
    }
    Ok(())
}

/// Sends what is due. A reply that may no longer be sent (an account was taken off the list) is refused and told of.
pub fn send_due(tx: &Tx<'_>, accounts: &[String], limit: usize) -> Result<usize, StoreError> {
    let mut query =
        tx.prepare_cached("SELECT id, conversation_id, text, user_id, media_id, at, reply_to FROM later WHERE done_at IS NULL AND send_at <= ?1 ORDER BY send_at, id LIMIT ?2")?; // authors who left have none: see `call_off_all`
    let rows = query.query_map((tx.now_ms, limit as i64), |row| {
        let (id, user_id): (i64, i64) = (row.get(0)?, row.get(3)?);
        let reply = Reply {
            conversation_id: row.get(1)?,
            text: row.get(2)?,
            actor: format!("user:{user_id}"),
            user_id: Some(user_id),
            token: Some(format!("later:{id}")),
            media_id: row.get(4)?,
            reply_to: row.get(6)?,
            written_at: row.get(5)?,
        };
        Ok((id, reply))
    })?;
    let due: Vec<(i64, Reply)> = rows.collect::<Result<_, _>>()?;
    let count = due.len();
    for (id, mut reply) in due {
        // what it answers may have been taken back meanwhile: the words still go out
        if reply::quoted(tx, &reply).is_err() {
            reply.reply_to = None;
        }
        let (conversation_id, user_id) = (reply.conversation_id, reply.user_id);
        let cause = match reply::send(tx, &reply, accounts) {
            Ok(_) => None,
            Err(ReplyError::Db(error)) => return Err(error),
            Err(error) => Some(error.to_string()),
        };
        let outcome = if cause.is_none() { "queued" } else { "refused" };
        tx.execute("UPDATE later SET done_at = ?2, outcome = ?3, cause = ?4 WHERE id = ?1", (id, tx.now_ms, outcome, &cause))?;
        if cause.is_some() {
            tx.emit("alert", Some(conversation_id), json!({"kind": "later_refused", "cause": cause, "user_id": user_id}))?;
        }
        tx.emit("conversation.updated", Some(conversation_id), json!({"later": id}))?;
    }
    Ok(count)
}
