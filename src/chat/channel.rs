//! A number of ours: a WAHA session, a Cloud API number, or the phone simulator.

use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::phone::Phone;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;

/// Session name of the built-in phone simulator.
pub const SIMULATOR: &str = "simulator";
/// `last_event_at` is written at most this often, in ms: it tells a mute session, not the time of day.
const SEEN_EVERY_MS: i64 = 5_000;

/// A number.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Channel {
    /// Row id.
    pub id: i64,
    /// `waha`, `cloud` or `simulator`.
    pub kind: String,
    /// WAHA session name.
    pub session: String,
    /// Our own number, digits.
    pub phone: Option<String>,
    /// Our own hidden id, digits.
    #[serde(skip)]
    pub lid: Option<String>,
    /// Engine of the gateway.
    pub engine: Option<String>,
    /// Session status in the gateway's words.
    pub status: String,
    /// Since when.
    pub status_at: Option<i64>,
    /// Last webhook delivery.
    pub last_event_at: Option<i64>,
    /// Gateway's own start time, to notice its restarts.
    pub gateway_started_at: Option<i64>,
    /// History known to be complete up to here.
    pub reconciled_to_at: Option<i64>,
    /// WhatsApp forbids writing first until then.
    pub first_contact_until_at: Option<i64>,
    /// First heard of, unix ms.
    pub since_at: i64,
    /// New-chat quota state.
    pub capping: Option<String>,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Channel> {
    Ok(Channel {
        id: row.get("id")?,
        kind: row.get("kind")?,
        session: row.get("session")?,
        phone: row.get("phone")?,
        lid: row.get("lid")?,
        engine: row.get("engine")?,
        status: row.get("status")?,
        status_at: row.get("status_at")?,
        last_event_at: row.get("last_event_at")?,
        gateway_started_at: row.get("gateway_started_at")?,
        reconciled_to_at: row.get("reconciled_to_at")?,
        first_contact_until_at: row.get("first_contact_until_at")?,
        since_at: row.get("since_at")?,
        capping: row.get("capping")?,
    })
}

const SELECT: &str =
    "SELECT id, kind, session, phone, lid, engine, status, status_at, last_event_at, gateway_started_at, reconciled_to_at, first_contact_until_at, since_at, capping FROM channel";

/// States of a session that somebody has to mend.
const DOWN: [&str; 5] = ["FAILED", "STOPPED", "SCAN_QR_CODE", "PASSKEY_REQUIRED", "PASSKEY_CONFIRMATION_REQUIRED"];
/// A session may fall and rise again by itself for so long (contract: wait ~30 s before alarming).
const PATIENCE_MS: i64 = 30_000;

/// The state of a WhatsApp number that neither sends nor hears and will not by itself.
pub fn down(connection: &Connection, now_ms: i64) -> Result<Option<String>, StoreError> {
    let channels = list(connection)?;
    let is_down = |channel: &&Channel| channel.kind == "waha" && DOWN.contains(&channel.status.as_str()) && channel.status_at.is_none_or(|at| now_ms - at > PATIENCE_MS);
    Ok(channels.iter().find(is_down).map(|channel| channel.status.clone()))
}

/// The channel of a session name.
pub fn by_session(connection: &Connection, session: &str) -> Result<Option<Channel>, StoreError> {
    let sql = [SELECT, " WHERE session = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([session], from_row).optional()?)
}

/// By row id.
pub fn find(connection: &Connection, id: i64) -> Result<Option<Channel>, StoreError> {
    let sql = [SELECT, " WHERE id = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([id], from_row).optional()?)
}

/// All of them.
pub fn list(connection: &Connection) -> Result<Vec<Channel>, StoreError> {
    let sql = [SELECT, " ORDER BY id"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The channel of a session, made on its first delivery; notes that the session is alive.
pub fn ensure(tx: &Tx<'_>, session: &str, engine: Option<&str>) -> Result<i64, StoreError> {
    if let Some(id) = tx.channel_memo(session) {
        return Ok(id);
    }
    let id = find_or_make(tx, session, engine)?;
    tx.remember_channel(session, id);
    Ok(id)
}

fn find_or_make(tx: &Tx<'_>, session: &str, engine: Option<&str>) -> Result<i64, StoreError> {
    let known: Option<(i64, Option<i64>)> =
        tx.prepare_cached("SELECT id, last_event_at FROM channel WHERE session = ?1")?.query_row([session], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    match known {
        Some((id, Some(seen))) if (0..SEEN_EVERY_MS).contains(&(tx.now_ms - seen)) => Ok(id),
        Some((id, _)) => {
            tx.prepare_cached("UPDATE channel SET last_event_at = ?2, engine = ifnull(?3, engine) WHERE id = ?1")?.execute((id, tx.now_ms, engine))?;
            Ok(id)
        }
        None => {
            let kind = if session == SIMULATOR { "simulator" } else { "waha" };
            let status = if kind == "simulator" { "WORKING" } else { "UNKNOWN" };
            tx.execute(
                "INSERT INTO channel (kind, session, engine, status, status_at, last_event_at, since_at) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5)",
                (kind, session, engine, status, tx.now_ms),
            )?;
            let id = tx.last_insert_rowid();
            tx.wake_every_outbox(); // a new number gets its own queue thread
            Ok(id)
        }
    }
}

/// What the gateway says of its session.
#[derive(Default)]
pub struct Report<'a> {
    /// Status word.
    pub status: &'a str,
    /// `(active, until)` of the reach-out timelock, when told.
    pub timelock: Option<(bool, Option<i64>)>,
    /// New-chat quota state, when told.
    pub capping: Option<&'a str>,
    /// Our number.
    pub phone: Option<&'a Phone>,
    /// Our LID.
    pub lid: Option<&'a str>,
}

/// Without an end the gateway tells only that first contacts are forbidden: look again after an hour.
const LOCK_WITHOUT_END_MS: i64 = 3_600_000;

/// Writes down a session's state; tells pages when it changed.
pub fn report(tx: &Tx<'_>, channel_id: i64, report: &Report<'_>) -> Result<(), StoreError> {
    let before: Option<String> = tx.query_row("SELECT status FROM channel WHERE id = ?1", [channel_id], |row| row.get(0)).optional()?;
    tx.execute(
        "UPDATE channel SET status = ?2, status_at = CASE WHEN status = ?2 THEN status_at ELSE ?3 END, phone = ifnull(?4, phone), lid = ifnull(?5, lid),
         capping = ifnull(?6, capping) WHERE id = ?1",
        (channel_id, report.status, tx.now_ms, report.phone.map(Phone::as_str), report.lid, report.capping),
    )?;
    if let Some((active, until)) = report.timelock {
        lock_first_contacts(tx, channel_id, active.then(|| until.unwrap_or(tx.now_ms + LOCK_WITHOUT_END_MS)))?;
    }
    if before.as_deref() != Some(report.status) {
        tx.audit("system", "channel.status", &format!("channel:{channel_id}"), report.status)?;
        tx.emit("alert", None, json!({"kind": "channel_status", "channel_id": channel_id, "status": report.status}))?;
        tx.wake_outbox(channel_id);
        if matches!(report.status, "FAILED" | "STOPPED") {
            tx.emit("alert", None, json!({"kind": "whatsapp_down", "status": report.status}))?;
        }
    }
    Ok(())
}

/// WhatsApp forbids (or allows again) writing to people who never wrote; replies stay allowed.
pub fn lock_first_contacts(tx: &Tx<'_>, channel_id: i64, until: Option<i64>) -> Result<(), StoreError> {
    let changed = tx.execute("UPDATE channel SET first_contact_until_at = ?2 WHERE id = ?1 AND first_contact_until_at IS NOT ?2", (channel_id, until))?;
    if changed > 0 && until.is_some() {
        tx.audit("system", "channel.timelock", &format!("channel:{channel_id}"), "")?;
        tx.emit("alert", None, json!({"kind": "timelock", "channel_id": channel_id, "until": until}))?;
    }
    Ok(())
}
