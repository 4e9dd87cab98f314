//! Labels: one set for chats, contacts, segments and exports, kept the same on WhatsApp. Every label put on or taken off is
//! a line of an append-only log; what a contact carries now is the fold over it, and a label deleted leaves the views only.

use super::label_sync::{tell_chats, tell_label};
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Longest name of a label, characters (WhatsApp's own limit is 100).
pub const LONGEST_NAME: usize = 60;
/// The palette of the dashboard, by WhatsApp's index (WAHA docs, page "Labels").
pub const PALETTE: [(i64, &str); 7] = [(0, "#ff9485"), (1, "#64c4ff"), (2, "#ffd429"), (3, "#dfaef0"), (4, "#99b6c1"), (5, "#55ccb3"), (6, "#ff9dff")];

/// A label.
#[derive(Clone, Debug, Serialize)]
pub struct Label {
    /// Row id; stays when it is renamed.
    pub id: i64,
    /// Name; one that has not been seen yet is called after WhatsApp's id.
    pub name: String,
    /// Index in WhatsApp's palette.
    pub color: Option<i64>,
    /// Its colour, `#rrggbb`.
    pub color_hex: Option<String>,
    /// Contacts that carry it now.
    pub contacts: i64,
    /// WhatsApp's id, when it is on a phone.
    pub whatsapp_id: Option<String>,
}

const COLUMNS: &str = "l.id, ifnull(l.name, 'Label ' || ifnull((SELECT wa_id FROM label_link k WHERE k.label_id = l.id LIMIT 1), l.id)) AS shown, l.color, l.color_hex, l.contacts,
    (SELECT wa_id FROM label_link k WHERE k.label_id = l.id LIMIT 1) AS wa_id";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Label> {
    Ok(Label { id: row.get(0)?, name: row.get(1)?, color: row.get(2)?, color_hex: row.get(3)?, contacts: row.get(4)?, whatsapp_id: row.get(5)? })
}

/// Why a label was not made, changed or put on.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// Empty, too long, or only digits (those are ids).
    #[error("name: 1 to 60 characters, not only digits")]
    BadName,
    /// There is one of that name.
    #[error("name: there is already a label {0:?}")]
    Taken(String),
    /// Not in the palette.
    #[error("color: an index of WhatsApp's palette, 0 to 19")]
    BadColor,
    /// No such label.
    #[error("the label was not found")]
    NoSuchLabel,
    /// No such contact.
    #[error("the contact was not found")]
    NoSuchContact,
    /// The contact has no address that a label can be put on.
    #[error("this contact has no WhatsApp address")]
    NoAddress,
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for LabelError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Labels in use, by name.
pub fn all(connection: &Connection) -> Result<Vec<Label>, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM label l WHERE l.deleted_at IS NULL ORDER BY shown COLLATE NOCASE, l.id"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Labels a contact carries now.
pub fn of_contact(connection: &Connection, contact_id: i64) -> Result<Vec<Label>, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM contact_label x JOIN label l ON l.id = x.label_id WHERE x.contact_id = ?1 AND l.deleted_at IS NULL ORDER BY l.id"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([contact_id], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A label in use by its name (any case) or, in digits, by its id.
pub fn named(connection: &Connection, text: &str) -> Result<Option<Label>, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM label l WHERE l.deleted_at IS NULL AND (l.name = ?1 COLLATE NOCASE OR l.id = ?2 OR (l.name IS NULL AND shown = ?1)) ORDER BY l.name IS NULL, l.name <> ?1 COLLATE NOCASE LIMIT 1"].concat();
    let id = text.trim().parse::<i64>().unwrap_or(0);
    Ok(connection.prepare_cached(&sql)?.query_row((text.trim(), id), from_row).optional()?)
}

/// A label by its name alone, as people type it.
pub fn by_name(connection: &Connection, text: &str) -> Result<Option<Label>, StoreError> {
    Ok(named(connection, text)?.filter(|label| label.name.to_lowercase() == text.trim().to_lowercase()))
}

fn clean_name(name: &str) -> Result<String, LabelError> {
    let name = crate::kernel::text::clean_name(name).unwrap_or_default();
    let only_digits = name.chars().all(|c| c.is_ascii_digit());
    if name.chars().count() > LONGEST_NAME || only_digits { Err(LabelError::BadName) } else { Ok(name) }
}

/// Makes a label and has the phones told of it.
pub fn create(tx: &Tx<'_>, name: &str, color: Option<i64>, actor: &str) -> Result<Label, LabelError> {
    let name = clean_name(name)?;
    if named(tx, &name)?.is_some() {
        return Err(LabelError::Taken(name));
    }
    if color.is_some_and(|color| !(0..20).contains(&color)) {
        return Err(LabelError::BadColor);
    }
    // without a wish: the colours in turn
    let n: i64 = tx.query_row("SELECT count(*) FROM label", [], |row| row.get(0))?;
    let color = color.unwrap_or(PALETTE[usize::try_from(n).unwrap_or(0) % PALETTE.len()].0);
    let hex = PALETTE.iter().find(|(index, _)| *index == color).map(|(_, hex)| *hex);
    tx.execute("INSERT INTO label (name, color, color_hex, created_at, created_by) VALUES (?1, ?2, ?3, ?4, ?5)", (&name, color, hex, tx.now_ms, actor))?;
    let id = tx.last_insert_rowid();
    tx.audit(actor, "label.created", &format!("label:{id}"), &name)?;
    tell_label(tx, id)?;
    tx.emit("label.changed", None, json!({"label_id": id, "name": name, "change": "created"}))?;
    Ok(Label { id, name, color: Some(color), color_hex: hex.map(str::to_owned), contacts: 0, whatsapp_id: None })
}

/// Renames or recolours a label; who carries it carries it still.
pub fn change(tx: &Tx<'_>, id: i64, name: &str, color: Option<i64>, actor: &str) -> Result<(), LabelError> {
    let name = clean_name(name)?;
    if color.is_some_and(|color| !(0..20).contains(&color)) {
        return Err(LabelError::BadColor);
    }
    if named(tx, &name)?.is_some_and(|other| other.id != id) {
        return Err(LabelError::Taken(name));
    }
    let hex = color.and_then(|color| PALETTE.iter().find(|(index, _)| *index == color)).map(|(_, hex)| *hex);
    let changed = tx.execute(
        "UPDATE label SET name = ?2, color = ifnull(?3, color), color_hex = CASE WHEN ?3 IS NULL THEN color_hex ELSE ?4 END WHERE id = ?1 AND deleted_at IS NULL",
        (id, &name, color, hex),
    )?;
    if changed == 0 {
        return Err(LabelError::NoSuchLabel);
    }
    tx.audit(actor, "label.renamed", &format!("label:{id}"), &name)?;
    tell_label(tx, id)?;
    tx.emit("label.changed", None, json!({"label_id": id, "name": name, "change": "renamed"}))?;
    Ok(())
}

/// Takes a label out of use, here and on the phones. Its history stays.
pub fn retire(tx: &Tx<'_>, id: i64, actor: &str) -> Result<(), LabelError> {
    let changed = tx.execute("UPDATE label SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL", (id, tx.now_ms))?;
    if changed == 0 {
        return Err(LabelError::NoSuchLabel);
    }
    tx.audit(actor, "label.deleted", &format!("label:{id}"), "")?;
    tell_label(tx, id)?;
    tx.emit("label.changed", None, json!({"label_id": id, "change": "deleted"}))?;
    Ok(())
}

/// Who changed it, as far as we know.
pub(super) struct Hand<'a> {
    pub source: &'a str,
    pub actor: String,
    pub certainty: &'a str,
    pub likely_user_id: Option<i64>,
    pub why: Option<&'a str>,
}

/// Writes the line and tells the pages, unless it is so already.
pub(super) fn write(tx: &Tx<'_>, label_id: i64, contact_id: i64, chat_id: &str, added: bool, hand: &Hand<'_>) -> Result<bool, StoreError> {
    if carries(tx, contact_id, label_id)? == added {
        return Ok(false);
    }
    let change = if added { "added" } else { "removed" };
    tx.prepare_cached(
        "INSERT INTO label_event (label_id, contact_id, chat_id, change, source, actor, actor_certainty, likely_user_id, why, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute((label_id, contact_id, chat_id, change, hand.source, &hand.actor, hand.certainty, hand.likely_user_id, hand.why, tx.now_ms))?;
    tx.audit(&hand.actor, if added { "label.added" } else { "label.removed" }, &format!("contact:{contact_id}"), &json!({"label": label_id, "source": hand.source}).to_string())?;
    let name: Option<String> = tx.prepare_cached("SELECT name FROM label WHERE id = ?1")?.query_row([label_id], |row| row.get(0))?;
    let conversation: Option<i64> = tx
        .prepare_cached("SELECT id FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL ORDER BY last_at DESC LIMIT 1")?
        .query_row([contact_id], |row| row.get(0))
        .optional()?;
    let data =
        json!({"contact_id": contact_id, "label_id": label_id, "label": name, "change": change, "source": hand.source, "actor": hand.actor, "actor_certainty": hand.certainty});
    tx.emit("label.changed", conversation, data)?;
    tx.count(if added { "label.added" } else { "label.removed" }, 1);
    Ok(true)
}

pub(super) fn carries(connection: &Connection, contact_id: i64, label_id: i64) -> Result<bool, StoreError> {
    let found: i64 =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM contact_label WHERE contact_id = ?1 AND label_id = ?2)")?.query_row((contact_id, label_id), |row| row.get(0))?;
    Ok(found != 0)
}

/// Somebody of the team, or a program, puts a label on a contact or takes it off; the phones are told. `false`: it was so already.
pub fn set(tx: &Tx<'_>, contact_id: i64, label_id: i64, added: bool, source: &str, actor: &str) -> Result<bool, LabelError> {
    let chat_id = address(tx, contact_id)?.ok_or(LabelError::NoAddress)?;
    let hand = Hand { source, actor: actor.to_owned(), certainty: "certain", likely_user_id: None, why: None };
    let news = write(tx, label_id, contact_id, &chat_id, added, &hand)?;
    if news {
        tell_chats(tx, contact_id, label_id, None)?;
    }
    Ok(news)
}

/// The personal chat a contact's labels stand on: where he writes, else his number.
fn address(connection: &Connection, contact_id: i64) -> Result<Option<String>, StoreError> {
    let chat: Option<String> = connection
        .prepare_cached("SELECT chat_id FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL ORDER BY last_at DESC LIMIT 1")?
        .query_row([contact_id], |row| row.get(0))
        .optional()?;
    if chat.is_some() {
        return Ok(chat);
    }
    Ok(connection
        .prepare_cached("SELECT value || CASE kind WHEN 'phone' THEN '@c.us' ELSE '@lid' END FROM identity WHERE contact_id = ?1 ORDER BY kind DESC LIMIT 1")?
        .query_row([contact_id], |row| row.get(0))
        .optional()?)
}

/// What a merge did to labels.
#[derive(Default, Serialize, Deserialize)]
pub struct Merged {
    /// Labels the kept contact did not carry before.
    pub given: Vec<i64>,
    /// Labels the merged one carried.
    pub carried: Vec<i64>,
}

/// What `merged` carried, `kept` carries from now on, and `merged` no longer.
pub fn merge(tx: &Tx<'_>, kept: i64, merged: i64) -> Result<Merged, StoreError> {
    let mut query =
        tx.prepare_cached("SELECT label_id, label_id IN (SELECT label_id FROM contact_label WHERE contact_id = ?2) FROM contact_label WHERE contact_id = ?1 ORDER BY label_id")?;
    let both: Vec<(i64, bool)> = query.query_map((merged, kept), |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let (Some(here), Some(there)) = (address(tx, kept)?, address(tx, merged)?) else { return Ok(Merged::default()) };
    let hand = by_system("merge");
    let mut done = Merged::default();
    for (label_id, has_it) in both {
        if !has_it {
            write(tx, label_id, kept, &here, true, &hand)?;
            done.given.push(label_id);
        }
        write(tx, label_id, merged, &there, false, &hand)?;
        done.carried.push(label_id);
    }
    Ok(done)
}

/// Takes back what [`merge`] did, once the two have their own addresses again.
pub fn unmerge(tx: &Tx<'_>, kept: i64, merged: i64, done: &Merged) -> Result<(), StoreError> {
    let hand = by_system("merge_undone");
    for (contact_id, labels, added) in [(kept, &done.given, false), (merged, &done.carried, true)] {
        let Some(chat_id) = address(tx, contact_id)? else { continue };
        for label_id in labels {
            write(tx, *label_id, contact_id, &chat_id, added, &hand)?;
            tell_chats(tx, contact_id, *label_id, None)?;
        }
    }
    Ok(())
}

/// Has every chat of a contact told what it carries now: chats have joined it.
pub fn tell_all(tx: &Tx<'_>, contact_id: i64) -> Result<(), StoreError> {
    for label in of_contact(tx, contact_id)? {
        tell_chats(tx, contact_id, label.id, None)?;
    }
    Ok(())
}

/// The program itself did it.
pub(super) fn by_system(why: &str) -> Hand<'_> {
    Hand { source: "reconcile", actor: "system".into(), certainty: "certain", likely_user_id: None, why: Some(why) }
}

/// A line of the log, for pages.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// When, unix ms.
    pub at: i64,
    /// Label.
    pub label: String,
    /// Contact.
    pub contact_id: i64,
    /// His name or number.
    pub contact: Option<String>,
    /// `added` or `removed`.
    pub change: String,
    /// Where it came from.
    pub source: String,
    /// Who.
    pub actor: String,
    /// His name, when the actor is a user or a program.
    pub actor_name: Option<String>,
    /// How sure we are of that.
    pub certainty: String,
    /// Who it probably was.
    pub likely: Option<String>,
    /// missed, spurious, merge, …
    pub why: Option<String>,
}

/// The newest lines before row `before`, of one contact or of all.
pub fn history(connection: &Connection, contact_id: Option<i64>, before: Option<i64>, limit: usize) -> Result<Vec<(i64, Event)>, StoreError> {
    let filter = if contact_id.is_some() { "e.contact_id = ?1 AND" } else { "?1 IS NULL AND" };
    let sql = format!(
        "SELECT e.id, e.at, ifnull(l.name, 'Label ' || l.id), e.contact_id, ifnull(c.name, (SELECT value FROM identity i WHERE i.contact_id = c.id AND i.kind = 'phone' LIMIT 1)), e.change,
         e.source, e.actor, CASE WHEN e.actor LIKE 'user:%' THEN (SELECT name FROM user WHERE id = CAST(substr(e.actor, 6) AS INTEGER))
                                 WHEN e.actor LIKE 'token:%' THEN (SELECT name FROM api_token WHERE id = CAST(substr(e.actor, 7) AS INTEGER)) END,
         e.actor_certainty, u.name, e.why
         FROM label_event e JOIN label l ON l.id = e.label_id JOIN contact c ON c.id = e.contact_id LEFT JOIN user u ON u.id = e.likely_user_id
         WHERE {filter} e.id < ?2 ORDER BY e.id DESC LIMIT ?3"
    );
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map((contact_id, before.unwrap_or(i64::MAX), limit as i64), |row| {
        Ok((
            row.get(0)?,
            Event {
                at: row.get(1)?,
                label: row.get(2)?,
                contact_id: row.get(3)?,
                contact: row.get(4)?,
                change: row.get(5)?,
                source: row.get(6)?,
                actor: row.get(7)?,
                actor_name: row.get(8)?,
                certainty: row.get(9)?,
                likely: row.get(10)?,
                why: row.get(11)?,
            },
        ))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Places where the kept fold differs from the log; none, unless somebody wrote past the program.
pub fn proof(connection: &Connection) -> Result<i64, StoreError> {
    let differing: i64 = connection.query_row(
        "WITH fold AS (SELECT contact_id, label_id FROM label_event e WHERE change = 'added'
                       AND id = (SELECT max(id) FROM label_event x WHERE x.contact_id = e.contact_id AND x.label_id = e.label_id))
         SELECT (SELECT count(*) FROM (SELECT * FROM fold EXCEPT SELECT contact_id, label_id FROM contact_label))
              + (SELECT count(*) FROM (SELECT contact_id, label_id FROM contact_label EXCEPT SELECT * FROM fold))
              + (SELECT count(*) FROM label l WHERE contacts <> (SELECT count(*) FROM contact_label x WHERE x.label_id = l.id))",
        [],
        |row| row.get(0),
    )?;
    Ok(differing)
}
