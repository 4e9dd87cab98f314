//! Labels: one set for chats, contacts, segments and exports, kept the same on WhatsApp. Every label put on or taken off is
//! a line of an append-only log; what a contact carries now is the fold over it, and a label deleted leaves the views only.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::json;

/// Longest name of a label, characters (WhatsApp's own limit is 100).
pub const LONGEST_NAME: usize = 60;
/// A delivery about a label that we ourselves changed so recently is the echo of our own call.
const ECHO_MS: i64 = 120_000;
/// After a click on the phone the gateway is asked whether it is so: some engines tell of clicks nobody made (WAHA #1875).
const ASK_AFTER_MS: i64 = 5_000;
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

fn tell_label(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO label_job (channel_id, chat_id, label_id, what, due_at) SELECT h.id, '', ?1, 'tell', ?2 FROM channel h WHERE h.kind = 'waha'
         ON CONFLICT DO UPDATE SET due_at = excluded.due_at, attempts = 0, what = 'tell'",
        (id, tx.now_ms),
    )?;
    tx.wake_labels();
    Ok(())
}

/// Who changed it, as far as we know.
struct Hand<'a> {
    source: &'a str,
    actor: String,
    certainty: &'a str,
    likely_user_id: Option<i64>,
    why: Option<&'a str>,
}

/// Writes the line and tells the pages, unless it is so already.
fn write(tx: &Tx<'_>, label_id: i64, contact_id: i64, chat_id: &str, added: bool, hand: &Hand<'_>) -> Result<bool, StoreError> {
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

fn carries(connection: &Connection, contact_id: i64, label_id: i64) -> Result<bool, StoreError> {
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
        tell_chats(tx, contact_id, label_id)?;
    }
    Ok(news)
}

/// Has the gateways told, for every chat of the contact, whether it carries the label.
fn tell_chats(tx: &Tx<'_>, contact_id: i64, label_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO label_job (channel_id, chat_id, label_id, what, due_at)
         SELECT v.channel_id, v.chat_id, ?2, 'tell', ?3 FROM conversation v JOIN channel h ON h.id = v.channel_id WHERE v.contact_id = ?1 AND v.merged_into IS NULL AND h.kind = 'waha'
         ON CONFLICT DO UPDATE SET what = 'tell', due_at = excluded.due_at, attempts = 0, last_cause = NULL",
        (contact_id, label_id, tx.now_ms),
    )?;
    tx.wake_labels();
    Ok(())
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

/// The label behind WhatsApp's id on one of our numbers; an unknown one is made, and joined to ours of the same name.
fn linked(tx: &Tx<'_>, channel_id: i64, wa_id: &str, name: Option<&str>) -> Result<i64, StoreError> {
    let known: Option<i64> =
        tx.prepare_cached("SELECT label_id FROM label_link WHERE channel_id = ?1 AND wa_id = ?2")?.query_row((channel_id, wa_id), |row| row.get(0)).optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    let ours: Option<i64> = match name {
        Some(name) => tx
            .query_row(
                "SELECT id FROM label l WHERE name = ?1 COLLATE NOCASE AND deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM label_link k WHERE k.label_id = l.id AND k.channel_id = ?2)",
                (name, channel_id),
                |row| row.get(0),
            )
            .optional()?,
        None => None,
    };
    let id = match ours {
        Some(id) => id,
        None => {
            tx.execute("INSERT INTO label (name, created_at, created_by) VALUES (?1, ?2, 'whatsapp')", (name, tx.now_ms))?;
            tx.last_insert_rowid()
        }
    };
    tx.execute("INSERT INTO label_link (channel_id, wa_id, label_id) VALUES (?1, ?2, ?3)", (channel_id, wa_id, id))?;
    Ok(id)
}

/// Joins a label of ours to the id a gateway gave it.
pub fn link(tx: &Tx<'_>, channel_id: i64, wa_id: &str, label_id: i64) -> Result<(), StoreError> {
    tx.execute("INSERT INTO label_link (channel_id, wa_id, label_id) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING", (channel_id, wa_id, label_id))?;
    Ok(())
}

/// A label was made, renamed or recoloured on the phone; its row stays.
pub fn upsert(tx: &Tx<'_>, channel_id: i64, wa_id: &str, name: Option<&str>, color: Option<i64>, color_hex: Option<&str>) -> Result<i64, StoreError> {
    let id = linked(tx, channel_id, wa_id, name)?;
    let changed = tx.execute(
        "UPDATE label SET name = ifnull(?2, name), color = ifnull(?3, color), color_hex = ifnull(?4, color_hex), deleted_at = NULL
         WHERE id = ?1 AND (name IS NOT ifnull(?2, name) OR color IS NOT ifnull(?3, color) OR color_hex IS NOT ifnull(?4, color_hex) OR deleted_at IS NOT NULL)",
        (id, name, color, color_hex),
    )?;
    if changed > 0 {
        tx.audit("phone", "label.changed", &format!("label:{id}"), name.unwrap_or(""))?;
        tx.emit("label.changed", None, json!({"label_id": id, "name": name, "change": "renamed"}))?;
    }
    Ok(id)
}

/// A label was deleted on the phone: it leaves the views.
pub fn delete(tx: &Tx<'_>, channel_id: i64, wa_id: &str) -> Result<(), StoreError> {
    let id = linked(tx, channel_id, wa_id, None)?;
    if tx.execute("UPDATE label SET deleted_at = ?2 WHERE id = ?1 AND deleted_at IS NULL", (id, tx.now_ms))? > 0 {
        tx.audit("phone", "label.deleted", &format!("label:{id}"), "")?;
        tx.emit("label.changed", None, json!({"label_id": id, "change": "deleted"}))?;
    }
    Ok(())
}

/// What a delivery about a chat's label turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Written down.
    News,
    /// It was so already.
    Repeated,
    /// The echo of what we told the gateway ourselves.
    Echo,
}

/// A label was put on a chat or taken off on the phone. Nobody can name the person who held it: the number is all we know
/// for certain, and beside it stands who it probably was.
pub fn record(tx: &Tx<'_>, channel_id: i64, wa_id: &str, name: Option<&str>, contact_id: i64, chat_id: &str, added: bool, own_phone: Option<&str>) -> Result<Heard, StoreError> {
    let label_id = linked(tx, channel_id, wa_id, name)?;
    if name.is_some() {
        tx.execute("UPDATE label SET name = ?2 WHERE id = ?1 AND name IS NULL", (label_id, name))?;
    }
    if carries(tx, contact_id, label_id)? == added {
        tx.count("label.repeated", 1);
        return Ok(Heard::Repeated);
    }
    let change = if added { "added" } else { "removed" };
    let ours: i64 = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM label_event WHERE contact_id = ?1 AND label_id = ?2 AND change = ?3 AND source IN ('dashboard', 'api') AND at > ?4)",
        (contact_id, label_id, change, tx.now_ms - ECHO_MS),
        |row| row.get(0),
    )?;
    if ours != 0 {
        tx.count("label.echo", 1);
        return Ok(Heard::Echo);
    }
    let likely = likely_user(tx, contact_id)?;
    let hand = Hand {
        source: "whatsapp",
        actor: format!("number:{}", own_phone.unwrap_or("unknown")),
        certainty: if likely.is_some() { "likely" } else { "number_only" },
        likely_user_id: likely,
        why: None,
    };
    write(tx, label_id, contact_id, chat_id, added, &hand)?;
    // the phone's word is newer than what we meant to tell
    tx.execute(
        "INSERT INTO label_job (channel_id, chat_id, label_id, what, due_at) VALUES (?1, ?2, ?3, 'ask', ?4)
         ON CONFLICT DO UPDATE SET what = 'ask', due_at = excluded.due_at, attempts = 0, last_cause = NULL",
        (channel_id, chat_id, label_id, tx.now_ms + ASK_AFTER_MS),
    )?;
    tx.wake_labels();
    Ok(Heard::News)
}

/// Who probably held the phone: he who has claimed the chat, else the only one of the team who is there.
fn likely_user(connection: &Connection, contact_id: i64) -> Result<Option<i64>, StoreError> {
    let claimed: Option<i64> = connection
        .prepare_cached("SELECT assignee_id FROM conversation WHERE contact_id = ?1 AND assignee_id IS NOT NULL AND merged_into IS NULL ORDER BY last_at DESC LIMIT 1")?
        .query_row([contact_id], |row| row.get(0))
        .optional()?;
    if claimed.is_some() {
        return Ok(claimed);
    }
    let mut query = connection.prepare_cached("SELECT id FROM user WHERE online_at IS NOT NULL AND away_at IS NULL AND disabled_at IS NULL LIMIT 2")?;
    let there: Vec<i64> = query.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(if let [only] = there[..] { Some(only) } else { None })
}

/// What the gateway says of a label on a contact, found by asking it: what differs is put right and written down as such.
/// `true` when it differed.
pub fn put_right(tx: &Tx<'_>, channel_id: i64, label_id: i64, contact_id: i64, chat_id: &str, there: bool) -> Result<bool, StoreError> {
    let waits: i64 = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM label_job j WHERE j.channel_id = ?1 AND j.label_id = ?2 AND j.what = 'tell'
                        AND (j.chat_id = ?3 OR j.chat_id IN (SELECT chat_id FROM conversation WHERE contact_id = ?4)))",
        (channel_id, label_id, chat_id, contact_id),
        |row| row.get(0),
    )?;
    if waits != 0 {
        return Ok(false); // the gateway has not been told yet
    }
    let last: Option<(String, i64)> = tx
        .prepare_cached("SELECT source, at FROM label_event WHERE contact_id = ?1 AND label_id = ?2 ORDER BY id DESC LIMIT 1")?
        .query_row((contact_id, label_id), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // a click nobody made: told by a delivery, and never once seen to be true
    let unseen = |at: i64| -> Result<bool, StoreError> {
        Ok(tx.query_row("SELECT NOT EXISTS (SELECT 1 FROM label_check WHERE channel_id = ?1 AND cause IS NULL AND at > ?2)", (channel_id, at), |row| row.get(0))?)
    };
    let spurious = match &last {
        Some((source, at)) => source == "whatsapp" && unseen(*at)?,
        None => false,
    };
    let hand = Hand { source: "reconcile", actor: "system".into(), certainty: "certain", likely_user_id: None, why: Some(if spurious { "spurious" } else { "missed" }) };
    let differed = write(tx, label_id, contact_id, chat_id, there, &hand)?;
    if differed {
        tx.count(if spurious { "label.spurious" } else { "label.missed" }, 1);
    }
    Ok(differed)
}

/// What `merged` carried, `kept` carries from now on; when the merge is undone, no longer.
pub fn merge(tx: &Tx<'_>, kept: i64, merged: i64) -> Result<Vec<i64>, StoreError> {
    let mut query = tx.prepare_cached("SELECT label_id FROM contact_label WHERE contact_id = ?1 AND label_id NOT IN (SELECT label_id FROM contact_label WHERE contact_id = ?2)")?;
    let moved: Vec<i64> = query.query_map((merged, kept), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let Some(chat_id) = address(tx, kept)? else { return Ok(Vec::new()) };
    let hand = Hand { source: "reconcile", actor: "system".into(), certainty: "certain", likely_user_id: None, why: Some("merge") };
    for label_id in &moved {
        write(tx, *label_id, kept, &chat_id, true, &hand)?;
    }
    Ok(moved)
}

/// Takes back what [`merge`] gave.
pub fn unmerge(tx: &Tx<'_>, kept: i64, given: &[i64]) -> Result<(), StoreError> {
    let Some(chat_id) = address(tx, kept)? else { return Ok(()) };
    let hand = Hand { source: "reconcile", actor: "system".into(), certainty: "certain", likely_user_id: None, why: Some("merge_undone") };
    for label_id in given {
        write(tx, *label_id, kept, &chat_id, false, &hand)?;
    }
    Ok(())
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

/// A thing a gateway has to be told of or asked about.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which number.
    pub channel_id: i64,
    /// Chat; empty: the label itself.
    pub chat_id: String,
    /// Label.
    pub label_id: i64,
    /// Tell (as it is here) or ask (whether it is so there).
    pub tells: bool,
    /// Tries so far.
    pub attempts: i64,
    /// When it was to be done, Unix ms: tells a job from the same one given anew.
    pub due_at: i64,
}

/// Jobs whose time has come, those of one chat together.
pub fn due_jobs(connection: &Connection, channel_id: i64, now_ms: i64, limit: usize) -> Result<Vec<Job>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT channel_id, chat_id, label_id, what = 'tell', attempts, due_at FROM label_job WHERE channel_id = ?3 AND due_at <= ?1 ORDER BY chat_id, label_id LIMIT ?2",
    )?;
    let rows = query.query_map((now_ms, limit as i64, channel_id), |row| {
        Ok(Job { channel_id: row.get(0)?, chat_id: row.get(1)?, label_id: row.get(2)?, tells: row.get(3)?, attempts: row.get(4)?, due_at: row.get(5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A job is done, unless it was given anew in the meantime.
pub fn finish(tx: &Tx<'_>, job: &Job) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM label_job WHERE channel_id = ?1 AND chat_id = ?2 AND label_id = ?3 AND due_at = ?4 AND what = ?5",
        (job.channel_id, &job.chat_id, job.label_id, job.due_at, if job.tells { "tell" } else { "ask" }),
    )?;
    Ok(())
}

/// Tries before a job is left to the comparison.
const MOST_TRIES: i64 = 12;

/// How long a job rests that was refused for good or tried often enough.
const REST_MS: i64 = 24 * 3_600_000;

/// A job did not work: again later and later, in the end once a day. One given anew in the meantime is left as it is.
pub fn postpone(tx: &Tx<'_>, job: &Job, cause: &str, for_good: bool) -> Result<(), StoreError> {
    if !job.tells && (for_good || job.attempts >= MOST_TRIES) {
        return finish(tx, job); // the comparison asks anyway
    }
    let wait = if for_good || job.attempts >= MOST_TRIES { REST_MS } else { (2_000i64 << job.attempts.min(9)).min(15 * 60_000) };
    tx.execute(
        "UPDATE label_job SET attempts = attempts + 1, due_at = ?4 + ?5, last_cause = ?6 WHERE channel_id = ?1 AND chat_id = ?2 AND label_id = ?3 AND due_at = ?7",
        (job.channel_id, &job.chat_id, job.label_id, tx.now_ms, wait, cause, job.due_at),
    )?;
    Ok(())
}

/// A number is back: what rested while it was away is tried at once.
pub fn wake_jobs(tx: &Tx<'_>, channel_id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE label_job SET attempts = 0, due_at = ?2 WHERE channel_id = ?1 AND attempts > 0", (channel_id, tx.now_ms))?;
    Ok(())
}

/// WhatsApp's id of a label on one of our numbers.
pub fn wa_id(connection: &Connection, channel_id: i64, label_id: i64) -> Result<Option<String>, StoreError> {
    Ok(connection.prepare_cached("SELECT wa_id FROM label_link WHERE channel_id = ?1 AND label_id = ?2")?.query_row((channel_id, label_id), |row| row.get(0)).optional()?)
}

/// Whether a contact of that chat carries the label now, as the gateway has to be told.
pub fn carries_in(connection: &Connection, channel_id: i64, chat_id: &str, label_id: i64) -> Result<bool, StoreError> {
    let found: i64 = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM conversation v JOIN contact_label x ON x.contact_id = v.contact_id WHERE v.channel_id = ?1 AND v.chat_id = ?2 AND v.merged_into IS NULL AND x.label_id = ?3)")?
        .query_row((channel_id, chat_id, label_id), |row| row.get(0))?;
    Ok(found != 0)
}

/// What a label is called, and whether it is gone: what a gateway has to be told of it.
pub fn face(connection: &Connection, label_id: i64) -> Result<Option<(Option<String>, Option<i64>, bool)>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT name, color, deleted_at IS NOT NULL FROM label WHERE id = ?1")?
        .query_row([label_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?)
}

/// Contacts that carry a label and write on this number: (contact, chat).
pub fn carriers(connection: &Connection, channel_id: i64, label_id: i64) -> Result<Vec<(i64, String)>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT x.contact_id, v.chat_id FROM contact_label x JOIN conversation v ON v.contact_id = x.contact_id AND v.channel_id = ?1 AND v.merged_into IS NULL WHERE x.label_id = ?2",
    )?;
    let rows = query.query_map((channel_id, label_id), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Labels linked to one of our numbers and in use: (WhatsApp's id, label).
pub fn links(connection: &Connection, channel_id: i64) -> Result<Vec<(String, i64)>, StoreError> {
    let mut query = connection.prepare_cached("SELECT k.wa_id, k.label_id FROM label_link k JOIN label l ON l.id = k.label_id WHERE k.channel_id = ?1 AND l.deleted_at IS NULL")?;
    let rows = query.query_map([channel_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A comparison was made, or could not be.
pub fn note_check(tx: &Tx<'_>, channel_id: i64, labels: usize, added: i64, removed: i64, cause: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO label_check (channel_id, at, labels, added, removed, cause) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (channel_id, tx.now_ms, labels as i64, added, removed, cause),
    )?;
    tx.execute("DELETE FROM label_check WHERE id < (SELECT max(id) FROM label_check) - 2000 AND added = 0 AND removed = 0", [])?;
    Ok(())
}

/// The last comparison: (at, labels, added, removed, cause).
pub fn last_check(connection: &Connection) -> Result<Option<(i64, i64, i64, i64, Option<String>)>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT at, labels, added, removed, cause FROM label_check ORDER BY id DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?)
}

/// Chats the gateway could not be told of: (how many, why the last).
pub fn untold(connection: &Connection) -> Result<(i64, Option<String>), StoreError> {
    Ok(connection.query_row("SELECT count(*), max(last_cause) FROM label_job WHERE what = 'tell' AND attempts > 0", [], |row| Ok((row.get(0)?, row.get(1)?)))?)
}
