//! Objections customers raised, the turn that answered each, and what became of it.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::Connection;
use serde_json::{Value, json};

/// Keeps one.
pub fn hear(tx: &Tx<'_>, conversation_id: i64, message_id: Option<i64>, turn_id: Option<i64>, kind: &str, phase: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO objection (conversation_id, message_id, turn_id, kind, phase, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (conversation_id, message_id, turn_id, kind, phase, tx.now_ms),
    )?;
    Ok(())
}

/// By kind in a span of time: how often, how many of them wrote again within a week, how many moved on to a later phase, and
/// the answers that did best (rule or question, how often, how many moved on).
pub fn by_kind(connection: &Connection, since: i64, until: i64) -> Result<Vec<Value>, StoreError> {
    const WEEK_MS: i64 = 7 * 86_400_000;
    let mut query = connection.prepare_cached(
        "SELECT o.kind, count(*), sum(EXISTS (SELECT 1 FROM message m WHERE m.conversation_id = o.conversation_id AND m.direction = 'in' AND m.id > o.message_id AND m.at < o.at + ?3)),
           sum(EXISTS (SELECT 1 FROM phase_transition p WHERE p.conversation_id = o.conversation_id AND p.at > o.at AND p.cause <> 'correction'))
         FROM objection o WHERE o.at >= ?1 AND o.at < ?2 GROUP BY o.kind ORDER BY count(*) DESC",
    )?;
    let rows = query.query_map((since, until, WEEK_MS), |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?)))?;
    let mut kinds = Vec::new();
    let mut answers = connection.prepare_cached(
        "SELECT t.decided_by, t.rule, ifnull(json_extract(t.trace, '$.faq'), ''), count(*), sum(EXISTS (SELECT 1 FROM phase_transition p WHERE p.conversation_id = o.conversation_id AND p.at > o.at AND p.cause <> 'correction'))
         FROM objection o JOIN turn t ON t.id = o.turn_id WHERE o.kind = ?1 AND o.at >= ?2 AND o.at < ?3 GROUP BY 1, 2, 3 ORDER BY 5 DESC, 4 DESC LIMIT 5",
    )?;
    for row in rows {
        let (kind, n, stayed, moved) = row?;
        let best: Vec<Value> = answers
            .query_map((&kind, since, until), |row| {
                Ok(json!({"decided_by": row.get::<_, String>(0)?, "rule": row.get::<_, String>(1)?, "question": row.get::<_, String>(2)?, "count": row.get::<_, i64>(3)?, "moved_on": row.get::<_, i64>(4)?}))
            })?
            .collect::<Result<_, _>>()?;
        kinds.push(json!({"objection": kind, "count": n, "wrote_again": stayed, "moved_on": moved, "answers": best}));
    }
    Ok(kinds)
}
