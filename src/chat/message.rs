//! Messages of both directions: how they are written, and how receipts, edits, revocations and reactions change them.

use super::inbound::Ack;
use crate::db::writer::Tx;
use crate::db::{StoreError, audit};
use crate::kernel::{json, text};
use rusqlite::OptionalExtension;
use serde_json::{Value, json};
use std::borrow::Cow;

/// Who wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The customer.
    Customer,
    /// The bot.
    Bot,
    /// A person through the dashboard or the API.
    User(Option<i64>),
    /// A person on the agency's own phone.
    Phone,
}

impl Author {
    /// As in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Bot => "bot",
            Self::User(_) => "user",
            Self::Phone => "phone",
        }
    }

    /// As in the audit trail.
    pub fn actor(self) -> String {
        match self {
            Self::User(Some(id)) => format!("user:{id}"),
            other => other.as_str().to_owned(),
        }
    }
}

/// A message to write.
pub struct New<'a> {
    /// Where.
    pub conversation_id: i64,
    /// Which number.
    pub channel_id: i64,
    /// Bare id, when it has one already.
    pub wa_id: Option<&'a str>,
    /// Who.
    pub author: Author,
    /// What kind.
    pub kind: &'a str,
    /// Words.
    pub text: Option<&'a str>,
    /// `received`, `queued`, `sent`.
    pub status: &'a str,
    /// Its own time.
    pub at: i64,
    /// File.
    pub media_id: Option<i64>,
    /// Quoted message.
    pub reply_to: Option<&'a str>,
    /// What only some kinds have.
    pub extra: Option<&'a Value>,
    /// Bot's turn.
    pub turn_id: Option<i64>,
    /// Code recognised.
    pub campaign_code: Option<&'a str>,
}

/// Writes a message once; `None` when (channel, direction, id) is there already.
pub fn insert(tx: &Tx<'_>, new: &New<'_>) -> Result<Option<i64>, StoreError> {
    let incoming = new.author == Author::Customer;
    let user_id = if let Author::User(id) = new.author { id } else { None };
    let added = tx
        .prepare_cached(
            "INSERT INTO message (conversation_id, channel_id, direction, wa_id, author, user_id, kind, text, status, at, received_at, media_id, reply_to, extra, turn_id, campaign_code)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) ON CONFLICT DO NOTHING",
        )?
        .execute(rusqlite::params![
            new.conversation_id, new.channel_id, if incoming { "in" } else { "out" }, new.wa_id, new.author.as_str(), user_id, new.kind, new.text, new.status,
            new.at, tx.now_ms, new.media_id, new.reply_to, new.extra.map(Value::to_string), new.turn_id, new.campaign_code,
        ])?;
    if added == 0 {
        return Ok(None);
    }
    let id = tx.last_insert_rowid();
    tx.count(
        match new.author {
            Author::Customer => "in",
            Author::Bot => "out.bot",
            Author::User(_) => "out.user",
            Author::Phone => "out.phone",
        },
        1,
    );
    let (action, direction) = if incoming { ("message.in", "in") } else { ("message.out", "out") };
    let actor = match new.author {
        Author::User(_) => Cow::Owned(new.author.actor()),
        other => Cow::Borrowed(other.as_str()),
    };
    tx.audit_owned(actor, Cow::Borrowed(action), format!("msg_{id}"), audit::digest(new.text.unwrap_or("")))?;
    let preview = json::text(&new.text.map(|text| text::preview(text, 120)));
    let (author, kind) = (new.author.as_str(), new.kind);
    let data = format!("{{\"message_id\":{id},\"direction\":\"{direction}\",\"author\":\"{author}\",\"kind\":\"{kind}\",\"text\":{preview}}}");
    tx.emit_json("message.created", Some(new.conversation_id), data)?;
    Ok(Some(id))
}

/// Whether a message is there by its id only, its content still to come.
pub fn is_undecrypted(tx: &Tx<'_>, id: i64) -> Result<bool, StoreError> {
    let mut query = tx.prepare_cached("SELECT kind = 'unknown' AND json_extract(extra, '$.undecrypted') IS 1 FROM message WHERE id = ?1")?;
    Ok(query.query_row([id], |row| row.get(0))?)
}

/// The content of a customer's message that came undecrypted the first time; `None` when there is none such to fill.
pub fn fill(tx: &Tx<'_>, new: &New<'_>) -> Result<Option<i64>, StoreError> {
    if new.author != Author::Customer || new.kind == "unknown" {
        return Ok(None);
    }
    let filled: Option<i64> = tx
        .prepare_cached(
            "UPDATE message SET kind = ?4, text = ?5, media_id = ?6, reply_to = ?7, extra = ?8
             WHERE channel_id = ?1 AND direction = 'in' AND wa_id = ?2 AND conversation_id = ?3 AND kind = 'unknown' AND json_extract(extra, '$.undecrypted') = 1 RETURNING id",
        )?
        .query_row((new.channel_id, new.wa_id, new.conversation_id, new.kind, new.text, new.media_id, new.reply_to, new.extra.map(Value::to_string)), |row| row.get(0))
        .optional()?;
    let Some(id) = filled else { return Ok(None) };
    crate::people::search::reworded(tx, id)?;
    // it is heard anew, wherever the bot had got to
    tx.execute("UPDATE conversation SET answered_id = min(answered_id, ?2 - 1) WHERE id = ?1", (new.conversation_id, id))?;
    tx.emit("message.status", Some(new.conversation_id), json!({"message_id": id, "changed": true}))?;
    Ok(Some(id))
}

/// Row and state of a message by its bare id.
pub struct Known {
    /// Row id.
    pub id: i64,
    /// Where.
    pub conversation_id: i64,
    /// Status now.
    pub status: String,
    /// We wrote it.
    pub is_ours: bool,
}

/// Finds a message by bare id.
pub fn by_wa_id(tx: &Tx<'_>, channel_id: i64, outgoing: bool, wa_id: &str) -> Result<Option<Known>, StoreError> {
    let mut query = tx.prepare_cached("SELECT id, conversation_id, status FROM message WHERE channel_id = ?1 AND direction = ?2 AND wa_id = ?3 AND wa_id IS NOT NULL")?;
    let direction = if outgoing { "out" } else { "in" };
    Ok(query.query_row((channel_id, direction, wa_id), |row| Ok(Known { id: row.get(0)?, conversation_id: row.get(1)?, status: row.get(2)?, is_ours: outgoing })).optional()?)
}

/// Bare id of a message of a conversation that can be answered by name: WhatsApp knows it and it stands.
pub fn quotable(tx: &Tx<'_>, conversation_id: i64, id: i64) -> Result<Option<String>, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT wa_id FROM message WHERE id = ?1 AND conversation_id = ?2 AND wa_id IS NOT NULL AND revoked_at IS NULL AND status IN ('received', 'sent', 'delivered', 'read')",
    )?;
    Ok(query.query_row((id, conversation_id), |row| row.get(0)).optional()?)
}

/// Puts above a message of ours the one it answers.
pub fn quote(tx: &Tx<'_>, id: i64, quoted: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE message SET reply_to = ?2 WHERE id = ?1", (id, quoted))?;
    Ok(())
}

/// How far a message has come. A refusal may follow what the server took, and is overtaken only by a phone that has it.
fn rank(status: &str) -> i64 {
    match status {
        "queued" | "unknown" => 0,
        "sent" => 1,
        "failed" => 2,
        "delivered" => 3,
        "read" => 4,
        _ => -1,
    }
}

fn status_of_ack(level: i64) -> Option<&'static str> {
    match level {
        -1 => Some("failed"),
        1 => Some("sent"),
        2 => Some("delivered"),
        3 | 4 => Some("read"),
        _ => None,
    }
}

/// Which of two receipts stands, in whatever order they come: the higher.
pub fn rank_of_ack(level: i64) -> i64 {
    status_of_ack(level).map_or(0, rank)
}

/// Applies a receipt to a message of ours: forward by maximum. Moves the outbox row along.
pub fn apply_ack(tx: &Tx<'_>, message: &Known, ack: &Ack) -> Result<(), StoreError> {
    let Some(status) = status_of_ack(ack.level) else { return Ok(()) };
    if rank(status) <= rank(&message.status) {
        return Ok(());
    }
    set_status(tx, message.id, message.conversation_id, status, ack.cause.as_deref())?;
    super::outbox::receipt(tx, message.id, status, ack.cause.as_deref())
}

/// Sets the status shown on the bubble and tells the pages.
pub fn set_status(tx: &Tx<'_>, id: i64, conversation_id: i64, status: &str, cause: Option<&str>) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE message SET status = ?2 WHERE id = ?1")?.execute((id, status))?;
    tell_status(tx, id, conversation_id, status, cause)
}

/// Tells the pages of a status that is written already.
pub fn tell_status(tx: &Tx<'_>, id: i64, conversation_id: i64, status: &str, cause: Option<&str>) -> Result<(), StoreError> {
    let cause = cause.map_or_else(String::new, |cause| format!(",\"cause\":{}", json::text(&cause)));
    tx.emit_json("message.status", Some(conversation_id), format!("{{\"message_id\":{id},\"status\":\"{status}\"{cause}}}"))
}

/// Changes the text, keeping the old one; no text: only marks it as edited. Of several edits the one made last holds,
/// in whatever order they come.
pub fn edit(tx: &Tx<'_>, message: &Known, text: Option<&str>, at: i64) -> Result<(), StoreError> {
    let (edited_at, now): (Option<i64>, Option<String>) = tx.query_row("SELECT edited_at, text FROM message WHERE id = ?1", [message.id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if edited_at.is_some_and(|last| last > at || last == at && text.is_none_or(|text| now.as_deref() == Some(text))) {
        // overtaken, or told once more
        tx.execute(
            "INSERT INTO message_edit (message_id, old_text, at) SELECT ?1, ?2, ?3 WHERE ?2 IS NOT NULL AND ?3 < ?4
               AND NOT EXISTS (SELECT 1 FROM message_edit WHERE message_id = ?1 AND at = ?3 AND old_text IS ?2)",
            (message.id, text, at, edited_at),
        )?;
        return Ok(());
    }
    if let Some(text) = text {
        tx.execute("INSERT INTO message_edit (message_id, old_text, at) SELECT id, text, ?2 FROM message WHERE id = ?1 AND text IS NOT ?3", (message.id, at, text))?;
        tx.execute("UPDATE message SET text = ?2 WHERE id = ?1", (message.id, text))?;
        crate::people::search::reworded(tx, message.id)?;
    }
    tx.execute("UPDATE message SET edited_at = ?2 WHERE id = ?1", (message.id, at))?;
    tx.audit("customer", "message.edited", &format!("msg_{}", message.id), &audit::digest(text.unwrap_or("")))?;
    tx.emit("message.status", Some(message.conversation_id), json!({"message_id": message.id, "changed": true}))
}

/// The sender took it back: it stays in the store, struck out.
pub fn revoke(tx: &Tx<'_>, message: &Known, at: i64) -> Result<(), StoreError> {
    let changed = tx.execute("UPDATE message SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL", (message.id, at))?;
    if changed > 0 {
        tx.audit("customer", "message.revoked", &format!("msg_{}", message.id), "")?;
        tx.emit("message.status", Some(message.conversation_id), json!({"message_id": message.id, "revoked": true}))?;
    }
    Ok(())
}

/// Puts somebody's emoji on a message or takes it off. Of several the one of the latest time holds, in whatever order they come.
pub fn react(tx: &Tx<'_>, message: &Known, who: &str, emoji: Option<&str>, at: i64) -> Result<(), StoreError> {
    let text: Option<String> = tx.query_row("SELECT extra FROM message WHERE id = ?1", [message.id], |row| row.get(0))?;
    let mut extra: Value = text.and_then(|text| serde_json::from_str(&text).ok()).filter(Value::is_object).unwrap_or_else(|| json!({}));
    if extra["reacted_at"][who].as_i64().is_some_and(|last| last > at) {
        return Ok(());
    }
    for part in ["reactions", "reacted_at"] {
        if !extra[part].is_object() {
            extra[part] = json!({});
        }
    }
    extra["reacted_at"][who] = json!(at);
    match emoji {
        Some(emoji) => extra["reactions"][who] = json!(emoji),
        None => drop(extra["reactions"].as_object_mut().and_then(|all| all.remove(who))),
    }
    tx.execute("UPDATE message SET extra = ?2 WHERE id = ?1", (message.id, extra.to_string()))?;
    tx.emit("message.status", Some(message.conversation_id), json!({"message_id": message.id, "changed": true}))
}

/// Sets one path of the message's extras.
pub fn set_extra(tx: &Tx<'_>, message: &Known, path: &str, value: &Value) -> Result<(), StoreError> {
    tx.execute("UPDATE message SET extra = json_set(ifnull(extra, '{}'), ?2, json(?3)) WHERE id = ?1", (message.id, path, value.to_string()))?;
    tx.emit("message.status", Some(message.conversation_id), json!({"message_id": message.id, "changed": true}))
}
