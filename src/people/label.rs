//! WhatsApp labels. What a contact carries now is the fold of an append-only log; a label deleted on the phone
//! leaves the views and stays in history.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

fn ensure(tx: &Tx<'_>, channel_id: i64, wa_id: &str) -> Result<i64, StoreError> {
    tx.prepare_cached("INSERT INTO label (channel_id, wa_id) VALUES (?1, ?2) ON CONFLICT DO NOTHING")?.execute((channel_id, wa_id))?;
    Ok(tx.prepare_cached("SELECT id FROM label WHERE channel_id = ?1 AND wa_id = ?2")?.query_row((channel_id, wa_id), |row| row.get(0))?)
}

/// A label was made, renamed or recoloured; its id stays.
pub fn upsert(tx: &Tx<'_>, channel_id: i64, wa_id: &str, name: Option<&str>, color: Option<i64>, color_hex: Option<&str>) -> Result<(), StoreError> {
    let id = ensure(tx, channel_id, wa_id)?;
    tx.execute(
        "UPDATE label SET name = ifnull(?2, name), color = ifnull(?3, color), color_hex = ifnull(?4, color_hex), deleted_at = NULL WHERE id = ?1",
        (id, name, color, color_hex),
    )?;
    Ok(())
}

/// A label was deleted on the phone.
pub fn delete(tx: &Tx<'_>, channel_id: i64, wa_id: &str) -> Result<(), StoreError> {
    let id = ensure(tx, channel_id, wa_id)?;
    tx.execute("UPDATE label SET deleted_at = ifnull(deleted_at, ?2) WHERE id = ?1", (id, tx.now_ms))?;
    Ok(())
}

/// A label was put on a contact or taken off by the phone; a repeat changes nothing. `true` when it was news.
pub fn record(tx: &Tx<'_>, channel_id: i64, wa_id: &str, name: Option<&str>, contact_id: i64, added: bool, own_phone: Option<&str>) -> Result<bool, StoreError> {
    let label_id = ensure(tx, channel_id, wa_id)?;
    if let Some(name) = name {
        tx.execute("UPDATE label SET name = ?2 WHERE id = ?1", (label_id, name))?;
    }
    let last: Option<String> = tx
        .prepare_cached("SELECT change FROM label_event WHERE contact_id = ?1 AND label_id = ?2 ORDER BY id DESC LIMIT 1")?
        .query_row((contact_id, label_id), |row| row.get(0))
        .optional()?;
    let change = if added { "added" } else { "removed" };
    if last.as_deref().unwrap_or("removed") == change {
        return Ok(false);
    }
    // nobody can name the person who held the phone: the number is all we know, and we say so
    let actor = format!("number:{}", own_phone.unwrap_or("unknown"));
    tx.execute(
        "INSERT INTO label_event (label_id, contact_id, change, source, actor, actor_certainty, at) VALUES (?1, ?2, ?3, 'whatsapp', ?4, 'number_only', ?5)",
        (label_id, contact_id, change, &actor, tx.now_ms),
    )?;
    tx.audit(&actor, if added { "label.added" } else { "label.removed" }, &format!("contact:{contact_id}"), &json!({"label": label_id}).to_string())?;
    tx.emit("label.changed", None, json!({"contact_id": contact_id, "label_id": label_id, "change": change}))?;
    Ok(true)
}

/// Names of the labels a contact carries now.
pub fn of_contact(connection: &Connection, contact_id: i64) -> Result<Vec<(String, Option<String>)>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT ifnull(l.name, 'Label ' || l.wa_id), l.color_hex FROM label l WHERE l.deleted_at IS NULL AND 'added' =
         (SELECT change FROM label_event e WHERE e.contact_id = ?1 AND e.label_id = l.id ORDER BY e.id DESC LIMIT 1) ORDER BY l.id",
    )?;
    let rows = query.query_map([contact_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
