//! Everything that happened with a contact, from every table that knows of it, newest first. Messages are in the thread.

use crate::db::StoreError;
use rusqlite::Connection;
use serde::Serialize;
use serde_json::Value;

/// One thing that happened.
#[derive(Clone, Debug, Serialize)]
pub struct Happened {
    /// When, unix ms.
    pub at: i64,
    /// label, phase, handover, note, escalation, promise, purchase, booking, payment, lead, merge, change, campaign.
    pub kind: String,
    /// What, by kind.
    pub detail: Value,
}

const SQL: &str = "
    SELECT at, 'label', json_object('label', (SELECT ifnull(name, 'Label ' || id) FROM label l WHERE l.id = label_id), 'change', change, 'source', source, 'actor', actor, 'certainty', actor_certainty, 'why', why)
      FROM label_event WHERE contact_id = ?1 AND at < ?2
    UNION ALL SELECT p.at, 'phase', json_object('from', p.from_phase, 'to', p.to_phase, 'cause', p.cause, 'actor', p.actor) FROM conversation v JOIN phase_transition p ON p.conversation_id = v.id WHERE v.contact_id = ?1 AND p.at < ?2
    UNION ALL SELECT h.at, 'handover', json_object('from', h.from_handler, 'to', h.to_handler, 'reason', h.reason, 'actor', CASE WHEN h.to_handler = 'bot' THEN NULL ELSE h.to_handler END) FROM conversation v JOIN handover h ON h.conversation_id = v.id WHERE v.contact_id = ?1 AND h.at < ?2
    UNION ALL SELECT n.at, 'note', json_object('text', n.text, 'actor', n.actor) FROM conversation v JOIN note n ON n.conversation_id = v.id WHERE v.contact_id = ?1 AND n.at < ?2 AND n.removed_at IS NULL
    UNION ALL SELECT e.at, 'escalation', json_object('reason', e.reason, 'question', e.question) FROM conversation v JOIN escalation e ON e.conversation_id = v.id WHERE v.contact_id = ?1 AND e.at < ?2
    UNION ALL SELECT p.at, 'promise', json_object('what', p.what, 'quote', p.quote, 'due_on', p.due_on, 'ended_as', p.ended_as) FROM conversation v JOIN promise p ON p.conversation_id = v.id WHERE v.contact_id = ?1 AND p.at < ?2
    UNION ALL SELECT t.at, 'campaign', json_object('code', t.code, 'via', t.via) FROM conversation v JOIN touch t ON t.conversation_id = v.id WHERE v.contact_id = ?1 AND t.at < ?2 AND t.via <> 'ignored'
    UNION ALL SELECT imported_at, 'purchase', json_object('product', product, 'total_idr', total_idr, 'on', bought_on) FROM purchase WHERE contact_id = ?1 AND imported_at < ?2
    UNION ALL SELECT b.created_at, 'booking', json_object('id', b.id, 'package', (SELECT code FROM package p WHERE p.id = b.package_id), 'seats', b.seats) FROM booking b WHERE b.contact_id = ?1 AND b.created_at < ?2
    UNION ALL SELECT y.recorded_at, 'payment', json_object('booking', b.id, 'amount_idr', y.amount_idr, 'method', y.method) FROM booking b JOIN payment y ON y.booking_id = b.id WHERE b.contact_id = ?1 AND y.recorded_at < ?2 AND y.voided_at IS NULL
    UNION ALL SELECT created_at, 'lead', json_object('phase', phase, 'package', package_code) FROM lead WHERE contact_id = ?1 AND created_at < ?2
    UNION ALL SELECT at, 'merge', json_object('merged', merged_id, 'name', (SELECT name FROM contact c WHERE c.id = merged_id), 'cause', cause, 'undone', undone_at IS NOT NULL) FROM contact_merge WHERE kept_id = ?1 AND at < ?2
    UNION ALL SELECT at, 'change', json_object('actor', actor, 'fields', json(detail)) FROM audit WHERE action = 'contact.changed' AND object = 'contact:' || ?1 AND at < ?2 AND json_valid(detail)
    ORDER BY 1 DESC LIMIT ?3";

/// The newest things before an instant (none: now), at most `limit`.
pub fn of_contact(connection: &Connection, contact_id: i64, before: Option<i64>, limit: usize) -> Result<Vec<Happened>, StoreError> {
    let mut query = connection.prepare_cached(SQL)?;
    let rows = query.query_map((contact_id, before.unwrap_or(i64::MAX), limit as i64), |row| {
        let detail: String = row.get(2)?;
        Ok(Happened { at: row.get(0)?, kind: row.get(1)?, detail: serde_json::from_str(&detail).unwrap_or(Value::Null) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
