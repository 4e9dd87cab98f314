//! E-mails on their way: rows that wait for the mailer. One row is one message to one address under one Message-ID, so that a
//! try nobody knows the fate of is recognised by whoever receives it twice.

use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::ids;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

/// Waits before the tries after the first, minutes (contract sheet); then it is given up.
const RETRY_MIN: [i64; 5] = [1, 5, 15, 60, 240];

/// One to send.
#[derive(Clone, Debug)]
pub struct Mail {
    /// Row.
    pub id: i64,
    /// Address.
    pub to: String,
    /// Subject.
    pub subject: String,
    /// Plain text.
    pub body: String,
    /// Its Message-ID, without angle brackets.
    pub message_id: String,
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The relay has it.
    Sent,
    /// Refused for good; why.
    Refused(String),
    /// Worth another try; why.
    Later(String),
}

/// Puts one in the queue. `domain`: the sender's, for the Message-ID.
pub fn put(tx: &Tx<'_>, to: &str, subject: &str, body: &str, domain: &str) -> Result<(), StoreError> {
    let message_id = format!("{}@{domain}", ids::hex(&ids::random::<16>()));
    tx.execute(
        "INSERT INTO mail (to_address, subject, body, message_id, created_at, due_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (to, subject, body, message_id, tx.now_ms, tx.process_ms),
    )?;
    Ok(())
}

/// The next that is due.
pub fn due(connection: &Connection, process_ms: i64) -> Result<Option<Mail>, StoreError> {
    let mut query = connection.prepare_cached("SELECT id, to_address, subject, body, message_id FROM mail WHERE ended_at IS NULL AND due_at <= ?1 ORDER BY due_at LIMIT 1")?;
    Ok(query.query_row([process_ms], |row| Ok(Mail { id: row.get(0)?, to: row.get(1)?, subject: row.get(2)?, body: row.get(3)?, message_id: row.get(4)? })).optional()?)
}

/// Writes down what became of a try. What is given up is told.
pub fn record(tx: &Tx<'_>, id: i64, outcome: &Outcome) -> Result<(), StoreError> {
    let tries: i64 = tx.query_row("UPDATE mail SET tries = tries + 1 WHERE id = ?1 RETURNING tries", [id], |row| row.get(0))?;
    let wait = usize::try_from(tries - 1).ok().and_then(|nth| RETRY_MIN.get(nth));
    match (outcome, wait) {
        (Outcome::Sent, _) => {
            tx.execute("UPDATE mail SET ended_at = ?2, outcome = 'sent', cause = NULL WHERE id = ?1", (id, tx.now_ms))?;
            tx.count("mail.sent", 1);
        }
        (Outcome::Later(why), Some(minutes)) => {
            tx.execute("UPDATE mail SET due_at = ?2, cause = ?3 WHERE id = ?1", (id, tx.process_ms + minutes * 60_000, why))?;
        }
        (Outcome::Later(why) | Outcome::Refused(why), _) => {
            tx.execute("UPDATE mail SET ended_at = ?2, outcome = 'failed', cause = ?3 WHERE id = ?1", (id, tx.now_ms, why))?;
            tx.count("mail.failed", 1);
            tx.emit("alert", None, json!({"kind": "mail_failed", "cause": why}))?;
        }
    }
    Ok(())
}

/// How many wait, and why the last try failed if it did.
pub fn standing(connection: &Connection) -> Result<(i64, Option<String>), StoreError> {
    let waiting = connection.query_row("SELECT count(*) FROM mail WHERE ended_at IS NULL", [], |row| row.get(0))?;
    let cause = connection.query_row("SELECT cause FROM mail ORDER BY max(ifnull(ended_at, 0), created_at) DESC, id DESC LIMIT 1", [], |row| row.get(0)).optional()?.flatten();
    Ok((waiting, cause))
}

/// Forgets what ended more than 30 days ago.
pub fn forget(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM mail WHERE ended_at < ?1", [tx.now_ms - 30 * 86_400_000])?;
    Ok(())
}
