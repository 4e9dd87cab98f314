//! Brings a store to the shape of `schema.sql`. The list only grows; each step is one transaction and counts up
//! `user_version`. A store newer than this program is refused.

use anyhow::{Context, bail};
use rusqlite::{Connection, TransactionBehavior};

/// The whole schema, for a new store.
pub const SCHEMA: &str = include_str!("../../schema.sql");
/// `application_id` of our files, as in schema.sql.
pub const APPLICATION_ID: i32 = 1_262_568_012;

/// Steps from version 1 on: entry 0 leads from 1 to 2.
const STEPS: &[&str] = &[];

/// The version `schema.sql` describes.
pub fn current() -> i64 {
    1 + STEPS.len() as i64
}

/// Makes a new store or steps an older one up.
///
/// Errors: not a Kafilah store; made by a newer program; SQLite's own.
pub fn bring_up_to_date(connection: &mut Connection) -> anyhow::Result<()> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).context("the file is not a database")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if version == 0 && tables == 0 {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // two processes may make the same store at once: the second finds it made
        if tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))? == 0 {
            tx.execute_batch(SCHEMA)?;
            tx.pragma_update(None, "user_version", current())?;
        }
        tx.commit()?;
        return Ok(());
    }
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application != APPLICATION_ID {
        bail!("this database was not made by kafilah (application_id {application})");
    }
    if version > current() {
        bail!("this store has version {version}, made by a newer kafilah; this program knows up to {}. Install the newer program, or restore an older backup", current());
    }
    for (at, step) in STEPS.iter().enumerate().skip(version as usize - 1) {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step).with_context(|| format!("while bringing the store from version {} to {}", at + 1, at + 2))?;
        tx.pragma_update(None, "user_version", at as i64 + 2)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Version 1 as it was first released; never edited again.
    const FIRST: &str = include_str!("schema_v1.sql");

    fn shape(connection: &Connection) -> Vec<(String, String)> {
        let squeeze = |sql: String| sql.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut query = connection.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name").unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, squeeze(row.get(1)?)))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn oldest_schema_plus_steps_equals_schema_sql() {
        let mut old = Connection::open_in_memory().unwrap();
        old.execute_batch(FIRST).unwrap();
        old.pragma_update(None, "user_version", 1).unwrap();
        bring_up_to_date(&mut old).unwrap();
        let mut fresh = Connection::open_in_memory().unwrap();
        bring_up_to_date(&mut fresh).unwrap();
        assert!(shape(&fresh).len() > 60, "the comparison looks at something");
        assert_eq!(shape(&old), shape(&fresh));
    }

    #[test]
    fn a_newer_store_and_a_foreign_file_are_refused() {
        let mut newer = Connection::open_in_memory().unwrap();
        bring_up_to_date(&mut newer).unwrap();
        newer.pragma_update(None, "user_version", current() + 1).unwrap();
        assert!(bring_up_to_date(&mut newer).unwrap_err().to_string().contains("newer kafilah"));
        let mut foreign = Connection::open_in_memory().unwrap();
        foreign.execute_batch("CREATE TABLE t (x)").unwrap();
        assert!(bring_up_to_date(&mut foreign).unwrap_err().to_string().contains("not made by kafilah"));
    }
}
