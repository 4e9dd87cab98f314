//! Days the office is closed: the waiting clocks rest on them.

use crate::db::StoreError;
use crate::db::writer::Tx;
use chrono::NaiveDate;
use rusqlite::Connection;
use std::collections::BTreeSet;

/// All of them.
pub fn all(connection: &Connection) -> Result<BTreeSet<NaiveDate>, StoreError> {
    Ok(list(connection)?.into_iter().filter_map(|(day, _)| day.parse().ok()).collect())
}

/// Days (`YYYY-MM-DD`) with their names, in order.
pub fn list(connection: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    let mut query = connection.prepare_cached("SELECT day, name FROM holiday ORDER BY day")?;
    let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds a day off, or gives it another name.
pub fn put(tx: &Tx<'_>, day: NaiveDate, name: &str, actor: &str) -> Result<(), StoreError> {
    let name = crate::kernel::text::clean_name(name).unwrap_or_default();
    tx.execute("INSERT INTO holiday (day, name) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET name = excluded.name", (day.to_string(), &name))?;
    tx.audit(actor, "holiday.added", &format!("holiday:{day}"), &name)
}

/// Takes a day off away.
pub fn remove(tx: &Tx<'_>, day: NaiveDate, actor: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM holiday WHERE day = ?1", [day.to_string()])?;
    tx.audit(actor, "holiday.removed", &format!("holiday:{day}"), "")
}
