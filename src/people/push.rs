//! Browsers of the team that want to be told. Their addresses and keys are secrets: never logged, never exported.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::Connection;
use serde_json::Value;

/// Browsers a user may have.
const MOST: i64 = 20;
/// So many refusals of our bytes in a row end a subscription.
const REFUSALS: i64 = 3;

/// A browser.
#[derive(Clone)]
pub struct Subscription {
    /// Row.
    pub id: i64,
    /// Where its push service takes messages.
    pub endpoint: String,
    /// Its public key.
    pub p256dh: Vec<u8>,
    /// Its secret.
    pub auth: Vec<u8>,
}

/// Keeps a browser's subscription; the same browser under another login moves there. The oldest makes room.
pub fn subscribe(tx: &Tx<'_>, user_id: i64, endpoint: &str, p256dh: &[u8], auth: &[u8], device: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO push_subscription (user_id, endpoint, p256dh, auth, device, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (endpoint) DO UPDATE SET user_id = excluded.user_id, p256dh = excluded.p256dh, auth = excluded.auth, device = excluded.device, refusals = 0",
        (user_id, endpoint, p256dh, auth, crate::kernel::text::cut(device, 200), tx.now_ms),
    )?;
    tx.execute("DELETE FROM push_subscription WHERE user_id = ?1 AND id NOT IN (SELECT id FROM push_subscription WHERE user_id = ?1 ORDER BY id DESC LIMIT ?2)", (user_id, MOST))?;
    tx.audit(&format!("user:{user_id}"), "push.subscribed", &format!("user:{user_id}"), device)
}

/// A browser wants no more.
pub fn unsubscribe(tx: &Tx<'_>, user_id: i64, endpoint: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM push_subscription WHERE user_id = ?1 AND endpoint = ?2", (user_id, endpoint))?;
    Ok(())
}

/// Whose browsers hear of a line of the live log, and what is said to them: a key of the words, never the customer's.
/// `None`: nobody.
pub fn audience(connection: &Connection, kind: &str, conversation_id: Option<i64>, data: &Value) -> Result<Option<(Vec<i64>, &'static str)>, StoreError> {
    let named = || data["user_id"].as_i64().into_iter().collect::<Vec<_>>();
    let those = |sql: &str| -> Result<Vec<i64>, StoreError> {
        let mut query = connection.prepare_cached(sql)?;
        let rows = query.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let holder = |id: i64| -> Result<Option<i64>, StoreError> {
        use rusqlite::OptionalExtension;
        Ok(connection.prepare_cached("SELECT assignee_id FROM conversation WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()?.flatten())
    };
    let who = match (kind, data["kind"].as_str().unwrap_or("")) {
        ("message.created", _) if data["direction"] == "in" => match conversation_id {
            Some(id) => (holder(id)?.into_iter().collect(), "push-message"),
            None => return Ok(None),
        },
        ("alert", "dealt" | "handover") if data["user_id"].is_i64() => (named(), "push-given"),
        ("alert", "mention") => (named(), "push-called"),
        ("alert", "snooze_over") => (named(), "push-snooze"),
        ("alert", "later_refused") if data["user_id"].is_i64() => (named(), "push-refused"),
        // its author has left: whoever is there looks after the chat
        ("alert", "later_refused") => (those("SELECT id FROM user WHERE role IN ('cs', 'sales_admin') AND away_at IS NULL AND disabled_at IS NULL")?, "push-refused"),
        ("alert", "payment_voided") => (those("SELECT id FROM user WHERE role IN ('system_admin', 'sales_admin') AND disabled_at IS NULL")?, "push-voided"),
        ("alert", "late") => (those("SELECT id FROM user WHERE role IN ('system_admin', 'sales_admin') AND disabled_at IS NULL")?, "push-late"),
        ("alert", "escalation" | "handover") => match conversation_id.map(holder).transpose()?.flatten() {
            Some(user) => (vec![user], "push-asked"),
            None => (those("SELECT id FROM user WHERE role IN ('cs', 'sales_admin') AND away_at IS NULL AND disabled_at IS NULL")?, "push-asked"),
        },
        ("alert", "whatsapp_down" | "gateway_down" | "backup_failed" | "mail_failed") => {
            (those("SELECT id FROM user WHERE role = 'system_admin' AND disabled_at IS NULL")?, "push-trouble")
        }
        _ => return Ok(None),
    };
    Ok(Some(who).filter(|(users, _)| !users.is_empty()))
}

/// The browsers of a user.
pub fn of_user(connection: &Connection, user_id: i64) -> Result<Vec<Subscription>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT s.id, s.endpoint, s.p256dh, s.auth FROM push_subscription s JOIN user u ON u.id = s.user_id WHERE s.user_id = ?1 AND u.disabled_at IS NULL")?;
    let rows = query.query_map([user_id], |row| Ok(Subscription { id: row.get(0)?, endpoint: row.get(1)?, p256dh: row.get(2)?, auth: row.get(3)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether anybody wants to be told at all.
pub fn anybody(connection: &Connection) -> Result<bool, StoreError> {
    let any: i64 = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM push_subscription)")?.query_row([], |row| row.get(0))?;
    Ok(any != 0)
}

/// What a push service answered: the browser is gone, refused our bytes, or took them.
pub fn heard(tx: &Tx<'_>, id: i64, status: u16) -> Result<(), StoreError> {
    match status {
        404 | 410 => tx.execute("DELETE FROM push_subscription WHERE id = ?1", [id])?,
        400 => {
            tx.execute("UPDATE push_subscription SET refusals = refusals + 1 WHERE id = ?1", [id])?;
            tx.execute("DELETE FROM push_subscription WHERE id = ?1 AND refusals >= ?2", (id, REFUSALS))?
        }
        200..=299 => tx.execute("UPDATE push_subscription SET refusals = 0 WHERE id = ?1 AND refusals > 0", [id])?,
        401 | 403 => {
            tx.audit("system", "push.refused", "vapid", &status.to_string())?;
            0
        }
        _ => 0,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_nobody_is_named_for_is_told_to_those_who_can_act() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::db::migrations::bring_up_to_date(&mut connection).unwrap();
        let add = "INSERT INTO user (id, email, name, role, password_hash, created_at) VALUES (?1, ?1 || '@x', 'X', ?2, 'x', 0)";
        for (id, role) in [(1, "system_admin"), (2, "sales_admin"), (3, "cs"), (4, "viewer")] {
            connection.execute(add, (id, role)).unwrap();
        }
        let told = |data: Value| audience(&connection, "alert", None, &data).unwrap();
        assert_eq!(told(json!({"kind": "later_refused", "user_id": 4})), Some((vec![4], "push-refused")));
        assert_eq!(told(json!({"kind": "later_refused"})), Some((vec![2, 3], "push-refused")));
        assert_eq!(told(json!({"kind": "payment_voided"})), Some((vec![1, 2], "push-voided")));
    }
}
