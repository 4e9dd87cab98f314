//! Receipts, edits and revocations that overtake their message. They wait here and are applied when it arrives.

use crate::db::StoreError;
use crate::db::writer::Tx;
use serde_json::Value;

/// Days an orphan is kept.
pub const KEEP_DAYS: i64 = 14;

/// Keeps `detail` for the message `wa_id`; of two receipts the higher stays, of two edits or reactions the later made.
pub fn keep(tx: &Tx<'_>, channel_id: i64, wa_id: &str, kind: &str, detail: &Value) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO early_event (channel_id, wa_id, kind, detail, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET detail = excluded.detail, at = excluded.at
         WHERE CASE kind WHEN 'ack' THEN json_extract(excluded.detail, '$.rank') > json_extract(detail, '$.rank')
                         ELSE json_extract(excluded.detail, '$.at') >= json_extract(detail, '$.at') END",
    )?
    .execute((channel_id, wa_id, kind, detail.to_string(), tx.now_ms))?;
    tx.note_early_event();
    Ok(())
}

/// Takes what waited for a message, receipts first.
pub fn take(tx: &Tx<'_>, channel_id: i64, wa_id: &str) -> Result<Vec<(String, Value)>, StoreError> {
    if !tx.has_early_events()? {
        return Ok(Vec::new());
    }
    let mut query = tx.prepare_cached("DELETE FROM early_event WHERE channel_id = ?1 AND wa_id = ?2 RETURNING kind, detail")?;
    let rows = query.query_map((channel_id, wa_id), |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut taken: Vec<(String, Value)> = rows.map(|row| row.map(|(kind, detail)| (kind, serde_json::from_str(&detail).unwrap_or(Value::Null)))).collect::<Result<_, _>>()?;
    taken.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(taken)
}
