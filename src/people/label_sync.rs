//! The same labels on the phones: which label is which there, what a gateway has still to be told or asked, what it tells us,
//! and comparisons. Its events get lost and are sometimes made up, so nothing it says counts for ever.

use super::identity;
use super::label::{Hand, by_system, carries, write};
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

/// A delivery about a label that we ourselves changed so recently is the echo of our own call.
const ECHO_MS: i64 = 120_000;
/// After a click on the phone the gateway is asked whether it is so: some engines tell of clicks nobody made (WAHA #1875).
const ASK_AFTER_MS: i64 = 5_000;

pub(super) fn tell_label(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO label_job (channel_id, chat_id, label_id, what, due_at) SELECT h.id, '', ?1, 'tell', ?2 FROM channel h WHERE h.kind = 'waha'
         ON CONFLICT DO UPDATE SET due_at = excluded.due_at, attempts = 0, what = 'tell'",
        (id, tx.now_ms),
    )?;
    tx.wake_labels();
    Ok(())
}

/// Has the gateways told, for every chat of the contact, whether it carries the label. `except`: the number that said so itself.
pub(super) fn tell_chats(tx: &Tx<'_>, contact_id: i64, label_id: i64, except: Option<i64>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO label_job (channel_id, chat_id, label_id, what, due_at)
         SELECT v.channel_id, v.chat_id, ?2, 'tell', ?3 FROM conversation v JOIN channel h ON h.id = v.channel_id WHERE v.contact_id = ?1 AND v.merged_into IS NULL AND h.kind = 'waha' AND h.id IS NOT ?4
         ON CONFLICT DO UPDATE SET what = 'tell', due_at = excluded.due_at, attempts = 0, last_cause = NULL",
        (contact_id, label_id, tx.now_ms, except),
    )?;
    tx.wake_labels();
    Ok(())
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
    if label_waits(tx, channel_id, id)? {
        return Ok(id); // renamed or retired here, and that number has not heard of it yet
    }
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

/// Whether a gateway has still to be told of a label itself.
fn label_waits(connection: &Connection, channel_id: i64, label_id: i64) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT 1 FROM label_job WHERE channel_id = ?1 AND chat_id = '' AND label_id = ?2 AND what = 'tell'")?.exists((channel_id, label_id))?)
}

/// A gateway no longer knows a label by that id.
pub fn unlink(tx: &Tx<'_>, channel_id: i64, wa_id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM label_link WHERE channel_id = ?1 AND wa_id = ?2", (channel_id, wa_id))?;
    Ok(())
}

/// A label was deleted on the phone: it leaves the views.
pub fn delete(tx: &Tx<'_>, channel_id: i64, wa_id: &str) -> Result<(), StoreError> {
    let id = linked(tx, channel_id, wa_id, None)?;
    if label_waits(tx, channel_id, id)? {
        return Ok(());
    }
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

/// A click on the phone, as a delivery tells of it.
pub struct Click<'a> {
    /// WhatsApp's id of the label.
    pub wa_id: &'a str,
    /// Its name, where the engine tells.
    pub name: Option<&'a str>,
    /// Whose chat.
    pub contact_id: i64,
    /// Its address.
    pub chat_id: &'a str,
    /// Put on, or taken off.
    pub added: bool,
    /// When, unix ms.
    pub at: i64,
    /// Our number the phone belongs to.
    pub own_phone: Option<&'a str>,
}

/// A label was put on a chat or taken off on the phone. Nobody can name the person who held it: the number is all we know
/// for certain, and beside it stands who it probably was.
pub fn record(tx: &Tx<'_>, channel_id: i64, click: &Click<'_>) -> Result<Heard, StoreError> {
    let (contact_id, added) = (click.contact_id, click.added);
    let label_id = linked(tx, channel_id, click.wa_id, click.name)?;
    if click.name.is_some() {
        tx.execute("UPDATE label SET name = ?2 WHERE id = ?1 AND name IS NULL", (label_id, click.name))?;
    }
    if carries(tx, contact_id, label_id)? == added {
        tx.count("label.repeated", 1);
        return Ok(Heard::Repeated);
    }
    // our own call comes back as a delivery, and one that was held up tells of a state that has been changed here since
    let change = if added { "added" } else { "removed" };
    let ours: i64 = tx.query_row(
        "SELECT EXISTS (SELECT 1 FROM label_event WHERE contact_id = ?1 AND label_id = ?2 AND source IN ('dashboard', 'api') AND (change = ?3 AND at > ?4 OR at > ?5))",
        (contact_id, label_id, change, tx.now_ms - ECHO_MS, click.at),
        |row| row.get(0),
    )?;
    if ours != 0 {
        tx.count("label.echo", 1);
        ask(tx, channel_id, click.chat_id, label_id, false)?; // or somebody did click just now: the gateway knows
        return Ok(Heard::Echo);
    }
    let likely = likely_user(tx, contact_id)?;
    let hand = Hand {
        source: "whatsapp",
        actor: format!("number:{}", click.own_phone.unwrap_or("unknown")),
        certainty: if likely.is_some() { "likely" } else { "number_only" },
        likely_user_id: likely,
        why: None,
    };
    write(tx, label_id, contact_id, click.chat_id, added, &hand)?;
    ask(tx, channel_id, click.chat_id, label_id, true)?; // the phone's word is newer than what we meant to tell
    tell_chats(tx, contact_id, label_id, Some(channel_id))?;
    Ok(Heard::News)
}

/// Has a gateway asked whether a chat carries a label. `overrules`: also where it was still to be told.
pub fn ask(tx: &Tx<'_>, channel_id: i64, chat_id: &str, label_id: i64, overrules: bool) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO label_job (channel_id, chat_id, label_id, what, due_at) VALUES (?1, ?2, ?3, 'ask', ?4)
         ON CONFLICT DO UPDATE SET what = 'ask', due_at = excluded.due_at, attempts = 0, last_cause = NULL WHERE ?5",
        (channel_id, chat_id, label_id, tx.now_ms + ASK_AFTER_MS, overrules),
    )?;
    tx.wake_labels();
    Ok(())
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
    let mut query = connection.prepare_cached("SELECT id FROM user WHERE online_at IS NOT NULL AND away_at IS NULL AND disabled_at IS NULL AND role <> 'viewer' LIMIT 2")?;
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
    let differed = write(tx, label_id, contact_id, chat_id, there, &by_system(if spurious { "spurious" } else { "missed" }))?;
    if differed {
        tell_chats(tx, contact_id, label_id, Some(channel_id))?;
        tx.count(if spurious { "label.spurious" } else { "label.missed" }, 1);
    }
    Ok(differed)
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
    match identity::of_chat(connection, channel_id, chat_id)? {
        Some(contact_id) => carries(connection, contact_id, label_id),
        None => Ok(false),
    }
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
