//! Notes of the team in a conversation: customers never see them. `@Nama` calls a colleague.

use super::conversation;
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde_json::json;

/// Longest note, characters.
pub const LONGEST: usize = 5_000;

/// A note.
#[derive(Clone, Debug, Serialize)]
pub struct Note {
    /// Row.
    pub id: i64,
    /// Words.
    pub text: String,
    /// Name of who wrote it.
    pub author: String,
    /// When, unix ms.
    pub at: i64,
    /// Stands on top of the thread.
    pub pinned: bool,
    /// `user:ID` or `token:ID` of who wrote it.
    pub actor: String,
}

/// Why a note was not kept.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// Empty or too long.
    #[error("text: 1 to 5,000 characters")]
    BadText,
    /// No such conversation, or no such note.
    #[error("no such conversation")]
    NoSuchConversation,
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for NoteError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Writes a note; whoever is called by name is told. Returns its id.
pub fn add(tx: &Tx<'_>, conversation_id: i64, text: &str, actor: &str) -> Result<i64, NoteError> {
    let text = crate::kernel::text::clean(text.trim(), LONGEST * 4);
    if text.is_empty() || text.chars().count() > LONGEST {
        return Err(NoteError::BadText);
    }
    let conversation = conversation::find(tx, conversation_id)?.ok_or(NoteError::NoSuchConversation)?;
    tx.execute("INSERT INTO note (conversation_id, text, actor, at) VALUES (?1, ?2, ?3, ?4)", (conversation.id, &text, actor, tx.now_ms))?;
    let id = tx.last_insert_rowid();
    let called = called_in(tx, &text)?;
    for user_id in &called {
        tx.execute("INSERT OR IGNORE INTO mention (note_id, user_id) VALUES (?1, ?2)", (id, user_id))?;
        tx.emit("alert", Some(conversation.id), json!({"kind": "mention", "user_id": user_id, "note_id": id}))?;
    }
    tx.audit(actor, "note.added", &format!("conv_{}", conversation.id), &json!({"note": id, "called": called}).to_string())?;
    tx.emit("conversation.updated", Some(conversation.id), json!({"note_id": id}))?;
    Ok(id)
}

/// Users whose name, or first name, stands behind an `@`. The longest name wins: `@Siti Rahma` is not Siti alone.
fn called_in(tx: &Tx<'_>, text: &str) -> Result<Vec<i64>, StoreError> {
    if !text.contains('@') {
        return Ok(Vec::new());
    }
    let mut query = tx.prepare_cached("SELECT id, name FROM user WHERE disabled_at IS NULL")?;
    let users: Vec<(i64, String)> = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut called = Vec::new();
    for (_, after) in text.match_indices('@').map(|(at, _)| (at, text[at + 1..].to_lowercase())) {
        let fits = |name: &str| after.strip_prefix(name).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
        let whole = users.iter().filter(|(_, name)| fits(&name.to_lowercase())).max_by_key(|(_, name)| name.len());
        let first = || {
            let by_first: Vec<&(i64, String)> = users.iter().filter(|(_, name)| name.split_whitespace().next().is_some_and(|first| fits(&first.to_lowercase()))).collect();
            if let [only] = by_first[..] { Some(only) } else { None }
        };
        called.extend(whole.or_else(first).map(|(id, _)| *id));
    }
    called.sort_unstable();
    called.dedup();
    Ok(called)
}

/// Puts a note on top of its thread, or takes it down.
pub fn pin(tx: &Tx<'_>, conversation: i64, id: i64, pinned: bool, actor: &str) -> Result<(), NoteError> {
    touch(tx, "UPDATE note SET pinned_at = ?2 WHERE id = ?1 AND conversation_id = ?3 AND removed_at IS NULL", id, pinned.then_some(tx.now_ms), conversation)?;
    tx.audit(actor, if pinned { "note.pinned" } else { "note.unpinned" }, &format!("conv_{conversation}"), &id.to_string())?;
    Ok(tx.emit("conversation.updated", Some(conversation), json!({"note_id": id}))?)
}

/// Takes a note away; it stays in the store. `own`: only one the actor wrote himself.
pub fn remove(tx: &Tx<'_>, conversation: i64, id: i64, actor: &str, own: bool) -> Result<(), NoteError> {
    let author: Option<String> = tx.query_row("SELECT actor FROM note WHERE id = ?1", [id], |row| row.get(0)).optional()?;
    if own && author.as_deref() != Some(actor) {
        return Err(NoteError::NoSuchConversation);
    }
    touch(tx, "UPDATE note SET removed_at = ?2 WHERE id = ?1 AND conversation_id = ?3 AND removed_at IS NULL", id, Some(tx.now_ms), conversation)?;
    tx.audit(actor, "note.removed", &format!("conv_{conversation}"), &id.to_string())?;
    Ok(tx.emit("conversation.updated", Some(conversation), json!({"note_id": id}))?)
}

fn touch(tx: &Tx<'_>, sql: &'static str, id: i64, at: Option<i64>, conversation: i64) -> Result<(), NoteError> {
    if tx.prepare_cached(sql)?.execute((id, at, conversation))? > 0 { Ok(()) } else { Err(NoteError::NoSuchConversation) }
}

/// Notes of a conversation, oldest first.
pub fn of_conversation(connection: &Connection, conversation_id: i64) -> Result<Vec<Note>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT n.id, n.text, n.at, n.pinned_at IS NOT NULL, n.actor FROM note n WHERE n.conversation_id = ?1 AND n.removed_at IS NULL ORDER BY n.at DESC, n.id DESC LIMIT 200",
    )?;
    let rows =
        query.query_map([conversation_id], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, bool>(3)?, row.get::<_, String>(4)?)))?;
    let mut notes = Vec::new();
    for row in rows {
        let (id, text, at, pinned, actor) = row?;
        notes.push(Note { id, text, author: super::assignment::actor_name(connection, &actor)?, at, pinned, actor });
    }
    notes.reverse();
    Ok(notes)
}

/// Conversations in which a user is called and has not looked yet.
pub fn calls_for(connection: &Connection, user_id: i64) -> Result<Vec<i64>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT DISTINCT n.conversation_id FROM mention x JOIN note n ON n.id = x.note_id WHERE x.user_id = ?1 AND x.seen_at IS NULL AND n.removed_at IS NULL LIMIT 100",
    )?;
    let rows = query.query_map([user_id], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// He has looked.
pub fn seen(tx: &Tx<'_>, user_id: i64, conversation_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE mention SET seen_at = ?3 WHERE user_id = ?1 AND seen_at IS NULL AND note_id IN (SELECT id FROM note WHERE conversation_id = ?2)",
        (user_id, conversation_id, tx.now_ms),
    )?;
    Ok(())
}
