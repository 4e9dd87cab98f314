//! Reading one chat: its thread, and the conversation whole for the API. Pages and APIs ask here; lists are in `inbox`.

use super::inbox::{self, Scope};
use super::intake::extra_of;
use super::{conversation, escalation, note};
use crate::db::StoreError;
use crate::kernel::date;
use crate::kernel::phone::Phone;
use chrono_tz::Tz;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::{Value, json};

/// A bubble.
#[derive(Clone, Debug, Serialize)]
pub struct Bubble {
    /// Message id.
    pub id: i64,
    /// Bare WhatsApp id.
    pub wa_id: Option<String>,
    /// `in` or `out`.
    pub direction: String,
    /// customer, bot, user, phone, broadcast.
    pub author: String,
    /// Name of the person of the team.
    pub user: Option<String>,
    /// Kind.
    pub kind: String,
    /// Words.
    pub text: Option<String>,
    /// Status.
    pub status: String,
    /// Its time, unix ms.
    pub at: i64,
    /// File.
    pub media: Option<Value>,
    /// Extras.
    pub extra: Value,
    /// Quoted words.
    pub quoted: Option<String>,
    /// Edited, unix ms.
    pub edited_at: Option<i64>,
    /// Taken back, unix ms.
    pub revoked_at: Option<i64>,
    /// Bot: 0 to 1.
    pub confidence: Option<f64>,
    /// Bot: what decided.
    pub decided_by: Option<String>,
    /// Bot: which rule.
    pub rule: Option<String>,
    /// Bot: prompt version.
    pub prompt_version: Option<String>,
    /// Campaign.
    pub campaign_code: Option<String>,
    /// Queue row, while it matters.
    pub outbox_id: Option<i64>,
    /// Its state.
    pub outbox_state: Option<String>,
    /// Name of its last failure.
    pub cause: Option<String>,
    /// Tries made.
    pub attempts: Option<i64>,
}

const BUBBLE: &str = "SELECT m.id, m.wa_id, m.direction, m.author, u.name, m.kind, m.text, m.status, m.at, d.id, d.state, d.mime, d.bytes, d.file_name, d.cause, m.extra,
    (SELECT q.text FROM message q WHERE m.reply_to IS NOT NULL AND q.channel_id = m.channel_id AND q.wa_id = m.reply_to AND q.wa_id IS NOT NULL AND q.direction IN ('in', 'out') LIMIT 1),
    m.edited_at, m.revoked_at, t.confidence, t.decided_by, t.rule, t.prompt_version,
    ifnull(m.campaign_code, (SELECT x.code FROM touch x WHERE x.conversation_id = m.conversation_id AND x.message_id = m.id AND x.via <> 'ignored' LIMIT 1)), o.id, o.state, o.last_cause, o.attempts
    FROM message m LEFT JOIN user u ON u.id = m.user_id LEFT JOIN media d ON d.id = m.media_id LEFT JOIN turn t ON t.id = m.turn_id LEFT JOIN outbox o ON o.message_id = m.id";

fn bubble(row: &Row<'_>) -> rusqlite::Result<Bubble> {
    let media: Option<i64> = row.get(9)?;
    let media = match media {
        Some(id) => Some(json!({
            "id": id, "state": row.get::<_, String>(10)?, "mime": row.get::<_, String>(11)?, "bytes": row.get::<_, Option<i64>>(12)?,
            "name": row.get::<_, Option<String>>(13)?, "cause": row.get::<_, Option<String>>(14)?,
        })),
        None => None,
    };
    let extra: Option<String> = row.get(15)?;
    Ok(Bubble {
        id: row.get(0)?,
        wa_id: row.get(1)?,
        direction: row.get(2)?,
        author: row.get(3)?,
        user: row.get(4)?,
        kind: row.get(5)?,
        text: row.get(6)?,
        status: row.get(7)?,
        at: row.get(8)?,
        media,
        extra: extra_of(extra.as_deref()),
        quoted: row.get(16)?,
        edited_at: row.get(17)?,
        revoked_at: row.get(18)?,
        confidence: row.get(19)?,
        decided_by: row.get(20)?,
        rule: row.get(21)?,
        prompt_version: row.get(22)?,
        campaign_code: row.get(23)?,
        outbox_id: row.get(24)?,
        outbox_state: row.get(25)?,
        cause: row.get(26)?,
        attempts: row.get(27)?,
    })
}

/// A page of a thread that ends before (time, id), oldest first.
pub fn messages(connection: &Connection, conversation_id: i64, before: Option<(i64, i64)>, limit: usize) -> Result<Vec<Bubble>, StoreError> {
    let (at, id) = before.unwrap_or((i64::MAX, i64::MAX));
    let sql = [BUBBLE, " WHERE m.conversation_id = ?1 AND (m.at, m.id) < (?2, ?3) ORDER BY m.at DESC, m.id DESC LIMIT ?4"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map((conversation_id, at, id, limit as i64), bubble)?;
    let mut page: Vec<Bubble> = rows.collect::<Result<_, _>>()?;
    page.reverse();
    Ok(page)
}

/// One bubble, with its conversation.
pub fn message(connection: &Connection, id: i64) -> Result<Option<Bubble>, StoreError> {
    let sql = [BUBBLE, " WHERE m.id = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([id], bubble).optional()?)
}

/// The point a page must end before so that it shows message `hit` with `behind` later ones; none: the newest page holds it.
pub fn point_behind(connection: &Connection, conversation_id: i64, hit: i64, behind: usize) -> Result<Option<(i64, i64)>, StoreError> {
    let Some(at): Option<i64> =
        connection.prepare_cached("SELECT at FROM message WHERE id = ?1 AND conversation_id = ?2")?.query_row((hit, conversation_id), |row| row.get(0)).optional()?
    else {
        return Ok(None);
    };
    Ok(connection
        .prepare_cached("SELECT at, id FROM message WHERE conversation_id = ?1 AND (at, id) > (?2, ?3) ORDER BY at, id LIMIT 1 OFFSET ?4")?
        .query_row((conversation_id, at, hit, behind as i64), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// Who else of the team wrote in a conversation after message `seen`: a reply that crosses another should not go out unseen.
pub fn answered_since(connection: &Connection, conversation_id: i64, seen: i64, user_id: i64) -> Result<Option<String>, StoreError> {
    Ok(connection
        .prepare_cached(
            "SELECT ifnull(u.name, m.author) FROM message m LEFT JOIN user u ON u.id = m.user_id
             WHERE m.conversation_id = ?1 AND m.id > ?2 AND m.direction = 'out' AND m.author IN ('user', 'phone') AND m.user_id IS NOT ?3 ORDER BY m.id DESC LIMIT 1",
        )?
        .query_row((conversation_id, seen, user_id), |row| row.get(0))
        .optional()?)
}

/// Phase moves and handovers for the thread's centred lines: (at, kind, from, to, detail).
pub fn marks(connection: &Connection, conversation_id: i64, from_at: i64) -> Result<Vec<(i64, String, String, String, String)>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT at, 'phase', from_phase, to_phase, cause FROM phase_transition WHERE conversation_id = ?1 AND at >= ?2
         UNION ALL SELECT at, 'handover', from_handler, to_handler, reason FROM handover WHERE conversation_id = ?1 AND at >= ?2 ORDER BY 1 LIMIT 200",
    )?;
    let rows = query.query_map((conversation_id, from_at), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Figures beside the tabs: waiting, handed to a person, unread.
pub fn counts(connection: &Connection) -> Result<(i64, i64), StoreError> {
    let waiting =
        connection.prepare_cached("SELECT count(*) FROM conversation WHERE waiting_since_at IS NOT NULL AND snoozed_until_at IS NULL")?.query_row([], |row| row.get(0))?;
    let escalated = connection.prepare_cached("SELECT count(DISTINCT conversation_id) FROM escalation WHERE resolved_at IS NULL")?.query_row([], |row| row.get(0))?;
    Ok((waiting, escalated))
}

/// A conversation, as `GET /api/conversations/{id}` gives it: its newest `limit` messages, or those before message
/// `before`; `older_before` is what to ask with for the page before this one, null on the first.
pub fn export(connection: &Connection, id: i64, scope: &Scope, zone: Tz, before: Option<i64>, limit: usize) -> Result<Option<Value>, StoreError> {
    let Some(found) = conversation::find(connection, id)? else { return Ok(None) };
    let Some(row) = inbox::one(connection, found.id, scope)? else { return Ok(None) };
    let time = |at: i64| date::rfc3339(at, zone);
    let all = |sql: &str, f: fn(&Row<'_>, &dyn Fn(i64) -> String) -> rusqlite::Result<Value>| -> Result<Vec<Value>, StoreError> {
        let mut query = connection.prepare_cached(sql)?;
        let rows = query.query_map([found.id], |row| f(row, &time))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let point: Option<(i64, i64)> = match before {
        Some(before) => connection
            .prepare_cached("SELECT at, id FROM message WHERE id = ?1 AND conversation_id = ?2")?
            .query_row((before, found.id), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .or(Some((0, 0))), // a message that is not of this conversation: nothing lies before it
        None => None,
    };
    let mut page = messages(connection, found.id, point, limit + 1)?;
    let has_older = page.len() > limit;
    page.drain(..page.len().saturating_sub(limit));
    let older_before = page.first().filter(|_| has_older).map(|bubble| bubble.id);
    let messages: Vec<Value> = page
        .into_iter()
        .map(|b| {
            json!({"id": b.id, "message_id": b.wa_id, "direction": b.direction, "author": b.author, "kind": b.kind, "text": b.text, "status": b.status, "at": time(b.at),
                   "confidence": b.confidence, "decided_by": b.decided_by, "prompt_version": b.prompt_version, "campaign_code": b.campaign_code,
                   "edited": b.edited_at.is_some(), "revoked": b.revoked_at.is_some(), "media": b.media, "extra": b.extra})
        })
        .collect();
    let phases = all("SELECT at, from_phase, to_phase, trigger_message_id, cause, actor FROM phase_transition WHERE conversation_id = ?1 ORDER BY id", |r, time| {
        Ok(
            json!({"at": time(r.get(0)?), "from": r.get::<_, String>(1)?, "to": r.get::<_, String>(2)?, "trigger_message_id": r.get::<_, Option<i64>>(3)?, "cause": r.get::<_, String>(4)?, "actor": r.get::<_, String>(5)?}),
        )
    })?;
    let turns = all(
        "SELECT at, decided_by, rule, confidence, language, intents, phase, escalation, prompt_version FROM turn WHERE conversation_id = ?1 ORDER BY id DESC LIMIT 200",
        |r, time| {
            let intents: String = r.get(5)?;
            Ok(
                json!({"at": time(r.get(0)?), "decided_by": r.get::<_, String>(1)?, "rule": r.get::<_, String>(2)?, "confidence": r.get::<_, f64>(3)?, "language": r.get::<_, String>(4)?,
                  "intents": serde_json::from_str::<Value>(&intents).unwrap_or(Value::Null), "phase": r.get::<_, String>(6)?, "escalation_reason": r.get::<_, Option<String>>(7)?,
                  "prompt_version": r.get::<_, Option<String>>(8)?}),
            )
        },
    )?;
    let escalations = all("SELECT at, reason, question, resolved_at, resolved_by FROM escalation WHERE conversation_id = ?1 ORDER BY id", |r, time| {
        Ok(
            json!({"at": time(r.get(0)?), "reason": r.get::<_, String>(1)?, "question": r.get::<_, Option<String>>(2)?, "resolved_at": r.get::<_, Option<i64>>(3)?.map(time), "resolved_by": r.get::<_, Option<String>>(4)?}),
        )
    })?;
    let handovers = all("SELECT at, from_handler, to_handler, reason, waited_ms FROM handover WHERE conversation_id = ?1 ORDER BY id", |r, time| {
        Ok(json!({"at": time(r.get(0)?), "from": r.get::<_, String>(1)?, "to": r.get::<_, String>(2)?, "reason": r.get::<_, String>(3)?, "waited_ms": r.get::<_, Option<i64>>(4)?}))
    })?;
    let labels: Vec<String> = crate::people::label::of_contact(connection, found.contact_id)?.into_iter().map(|label| label.name).collect();
    let notes: Vec<Value> = note::of_conversation(connection, found.id)?
        .into_iter()
        .map(|note| json!({"id": note.id, "text": note.text, "by": note.author, "at": time(note.at), "pinned": note.pinned}))
        .collect();
    let open: Vec<String> = escalation::open(connection, found.id)?.into_iter().map(|(reason, ..)| reason).collect();
    Ok(Some(json!({
        "id": format!("conv_{}", found.id), "contact": {"id": found.contact_id, "name": row.name, "phone": row.phone.as_deref().and_then(Phone::from_digits).map(|p| p.e164())},
        "phase": found.phase, "handler": row.handler, "assignee": row.assignee, "held_by": row.held_by, "package_code": found.package_code, "party_size": found.party_size, "month": found.month,
        "language": found.language, "unread": row.unread, "waiting_since": found.waiting_since_at.map(time), "open_escalations": open, "labels": labels,
        "messages": messages, "older_before": older_before, "phase_log": phases, "turns": turns, "escalations": escalations, "handovers": handovers, "notes": notes,
    })))
}
