//! Figures of Beranda, from counters and small indexes: a page costs the same at any age of the store.

use crate::chat::inbox::Scope;
use crate::db::StoreError;
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};
use std::collections::HashMap;

/// Counts of one day.
pub fn day(connection: &Connection, day: &str) -> Result<HashMap<String, i64>, StoreError> {
    let mut query = connection.prepare_cached("SELECT name, n FROM daily_count WHERE day = ?1")?;
    let rows = query.query_map([day], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One figure over the last `days` days up to and including `today`, oldest first.
pub fn series(connection: &Connection, name: &str, today: chrono::NaiveDate, days: i64) -> Result<Vec<i64>, StoreError> {
    let mut query = connection.prepare_cached("SELECT n FROM daily_count WHERE day = ?1 AND name = ?2")?;
    let mut values = Vec::new();
    for back in (0..days).rev() {
        let day = (today - chrono::Duration::days(back)).to_string();
        values.push(query.query_row((day, name), |row| row.get(0)).unwrap_or(0));
    }
    Ok(values)
}

/// What needs a person now: who waits longest, open escalations by reason, dead letters.
pub fn needs(connection: &Connection, scope: &Scope) -> Result<Value, StoreError> {
    let (waiting, oldest): (i64, Option<i64>) = connection
        .prepare_cached("SELECT count(*), min(waiting_since_at) FROM conversation WHERE waiting_since_at IS NOT NULL AND snoozed_until_at IS NULL")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let oldest_name: Option<String> = match oldest {
        Some(at) => connection
            .prepare_cached(
                "SELECT ifnull(c.name, (SELECT '+' || value FROM identity i WHERE i.contact_id = c.id AND i.kind = 'phone')) FROM conversation v JOIN contact c ON c.id = v.contact_id
                 WHERE v.waiting_since_at = ?1 AND (?2 IS NULL OR v.held_by IS NULL OR v.held_by = ?2) LIMIT 1",
            )?
            .query_row((at, if let Scope::Own(actor) = scope { Some(actor) } else { None }), |row| row.get(0))
            .optional()?
            .flatten(),
        None => None,
    };
    let mut query = connection.prepare_cached("SELECT reason, count(*) FROM escalation e JOIN conversation v ON v.id = e.conversation_id WHERE e.resolved_at IS NULL AND v.snoozed_until_at IS NULL GROUP BY reason ORDER BY count(*) DESC")?;
    let reasons: Vec<Value> = query.query_map([], |row| Ok(json!({"reason": row.get::<_, String>(0)?, "n": row.get::<_, i64>(1)?})))?.collect::<Result<_, _>>()?;
    let dead: i64 = connection.prepare_cached("SELECT count(*) FROM outbox WHERE is_dead = 1")?.query_row([], |row| row.get(0))?;
    let due: i64 = connection.prepare_cached("SELECT count(*) FROM outbox WHERE state = 'due'")?.query_row([], |row| row.get(0))?;
    let quarantined: i64 = crate::chat::quarantine::count(connection)?;
    let escalated: i64 = connection
        .prepare_cached("SELECT count(DISTINCT v.id) FROM escalation e JOIN conversation v ON v.id = e.conversation_id WHERE e.resolved_at IS NULL AND v.snoozed_until_at IS NULL")?
        .query_row([], |row| row.get(0))?;
    Ok(
        json!({"waiting": waiting, "oldest_at": oldest, "oldest_name": oldest_name, "escalated": escalated, "reasons": reasons, "dead": dead, "due": due, "quarantined": quarantined}),
    )
}

/// Conversations by phase.
pub fn phases(connection: &Connection) -> Result<Value, StoreError> {
    let all: i64 = connection.prepare_cached("SELECT ifnull(sum(n), 0) FROM daily_count WHERE name = 'conversations.new'")?.query_row([], |row| row.get(0))?;
    let mut query = connection.prepare_cached("SELECT ifnull(sum(n), 0) FROM daily_count WHERE name = ?1")?;
    let mut reached = |name: &str| -> Result<i64, StoreError> { Ok(query.query_row([name], |row| row.get(0))?) };
    let (interest, booking, paid) = (reached("phase.interest")?, reached("phase.booking")?, reached("phase.paid")?);
    // whoever reached a later phase has passed the earlier ones, also when he jumped
    let booking = booking.max(paid);
    let interest = interest.max(booking);
    Ok(json!([["leads", all.max(interest)], ["interest", interest], ["booking", booking], ["paid", paid]]))
}

/// A conversation is active while something was written in it within this time.
const ACTIVE_MS: i64 = 24 * 3_600_000;
/// Longest list of conversations that wait for a person.
const PENDING: i64 = 100;

/// The marketing dashboard of the JSON contract. `active_conversations`: something was written in the last 24 hours.
/// `phase_distribution`: where every conversation stands now. `pending_handover`: who waits for a person, longest first.
pub fn marketing(connection: &Connection, now_ms: i64) -> Result<Value, StoreError> {
    let count = |sql: &str, value: &dyn rusqlite::ToSql| -> Result<i64, StoreError> { Ok(connection.prepare_cached(sql)?.query_row([value], |row| row.get(0))?) };
    let active = count("SELECT count(*) FROM conversation WHERE merged_into IS NULL AND last_at >= ?1", &(now_ms - ACTIVE_MS))?;
    let stands = |phase: &str| count("SELECT count(*) FROM conversation WHERE phase = ?1 AND phase <> 'leads'", &phase);
    let (interest, booking, paid) = (stands("interest")?, stands("booking")?, stands("paid")?);
    let all = count("SELECT ifnull(sum(n), 0) FROM daily_count WHERE name = ?1", &"conversations.new")?;
    let mut query = connection.prepare_cached(
        "SELECT v.id, (SELECT value FROM identity i WHERE i.contact_id = v.contact_id AND i.kind = 'phone' LIMIT 1), v.phase, m.text, p.name, v.package_code,
           (SELECT e.reason || ifnull(': ' || e.question, '') FROM escalation e WHERE e.conversation_id = v.id AND e.resolved_at IS NULL ORDER BY e.id DESC LIMIT 1), v.waiting_since_at, c.name
         FROM conversation v JOIN contact c ON c.id = v.contact_id LEFT JOIN message m ON m.id = v.last_in_id LEFT JOIN package p ON p.code = v.package_code
         WHERE v.waiting_since_at IS NOT NULL ORDER BY v.waiting_since_at LIMIT ?1",
    )?;
    let pending: Vec<Value> = query
        .query_map([PENDING], |row| {
            let id: i64 = row.get(0)?;
            let (package, code): (Option<String>, Option<String>) = (row.get(4)?, row.get(5)?);
            Ok(json!({
                "id": id, "phone": row.get::<_, Option<String>>(1)?, "phase": row.get::<_, String>(2)?, "last_message": row.get::<_, Option<String>>(3)?, "interested_package": package.or(code),
                "conversation_url": format!("/api/conversations/conv_{id}"), "ai_notes": row.get::<_, Option<String>>(6)?, "waiting_since_at": row.get::<_, Option<i64>>(7)?, "name": row.get::<_, Option<String>>(8)?,
            }))
        })?
        .collect::<Result<_, _>>()?;
    let escalated = connection.prepare_cached("SELECT count(DISTINCT conversation_id) FROM escalation WHERE resolved_at IS NULL")?.query_row([], |row| row.get::<_, i64>(0))?;
    Ok(json!({
        "active_conversations": active,
        "phase_distribution": {"leads": (all - interest - booking - paid).max(0), "interest": interest, "booking": booking, "paid": paid},
        "pending_handover": pending,
        "escalated_conversations": escalated,
    }))
}

/// The next departures with their seats.
pub fn departures(connection: &Connection, today: &str, limit: i64) -> Result<Vec<Value>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT code, name, departs, quota, seats_taken + seats_booked, status FROM package WHERE departs >= ?1 AND status <> 'closed' ORDER BY departs LIMIT ?2",
    )?;
    let rows = query.query_map((today, limit), |row| {
        let (quota, taken): (Option<i64>, i64) = (row.get(3)?, row.get(4)?);
        Ok(json!({"code": row.get::<_, String>(0)?, "name": row.get::<_, String>(1)?, "departs": row.get::<_, String>(2)?, "quota": quota, "taken": taken,
                  "left": quota.map(|quota| (quota - taken).max(0)), "status": row.get::<_, String>(5)?}))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
