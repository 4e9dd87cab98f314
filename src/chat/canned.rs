//! Answers kept ready: typed as `/shortcut` in the reply box, with a file if one goes along.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::Value;

/// An answer kept ready.
#[derive(Clone, Debug, Serialize)]
pub struct Canned {
    /// Row.
    pub id: i64,
    /// What is typed behind the `/`.
    pub shortcut: String,
    /// Words, with `{{nama}}` and the like.
    pub text: String,
    /// File that goes along.
    pub media_id: Option<i64>,
    /// Its name.
    pub file_name: Option<String>,
    /// Times it was used.
    pub used: i64,
}

/// Why one was refused.
#[derive(Debug, thiserror::Error)]
pub enum CannedError {
    /// Not a shortcut.
    #[error("shortcut: 1 to 32 letters, digits, - or _")]
    BadShortcut,
    /// No words, or too many.
    #[error("text: 1 to 4,000 characters")]
    BadText,
    /// A variable nobody knows.
    #[error("text: {0} is not known; there are {{{{nama}}}}, {{{{sapaan}}}}, {{{{cs}}}}, {{{{paket}}}} and {{{{biro}}}}")]
    UnknownVariable(String),
    /// An account number that is not the agency's.
    #[error("text: {0} is not one of the agency's accounts")]
    UnknownAccount(String),
    /// The shortcut is taken.
    #[error("shortcut: there is already /{0}")]
    Taken(String),
    /// Not there.
    #[error("no such answer")]
    NotFound,
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for CannedError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Variables that may stand in an answer.
pub const VARIABLES: [&str; 5] = ["nama", "sapaan", "cs", "paket", "biro"];

fn row(row: &Row<'_>) -> rusqlite::Result<Canned> {
    Ok(Canned { id: row.get(0)?, shortcut: row.get(1)?, text: row.get(2)?, media_id: row.get(3)?, file_name: row.get(4)?, used: row.get(5)? })
}

const SELECT: &str = "SELECT c.id, c.shortcut, c.text, c.media_id, d.file_name, c.used FROM canned c LEFT JOIN media d ON d.id = c.media_id";

/// All of them, the most used first.
pub fn all(connection: &Connection) -> Result<Vec<Canned>, StoreError> {
    let sql = [SELECT, " ORDER BY c.used DESC, c.shortcut COLLATE NOCASE"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([], row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One of them.
pub fn find(connection: &Connection, id: i64) -> Result<Option<Canned>, StoreError> {
    let sql = [SELECT, " WHERE c.id = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([id], row).optional()?)
}

/// Keeps an answer (`id` none: a new one); returns its id.
pub fn put(tx: &Tx<'_>, id: Option<i64>, shortcut: &str, text: &str, media_id: Option<i64>, accounts: &[String], actor: &str) -> Result<i64, CannedError> {
    let shortcut = shortcut.trim().trim_start_matches('/').to_lowercase();
    let text = text.trim().replace("\r\n", "\n");
    if shortcut.is_empty() || shortcut.len() > 32 || !shortcut.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        return Err(CannedError::BadShortcut);
    }
    if text.is_empty() || text.chars().count() > 4_000 {
        return Err(CannedError::BadText);
    }
    for rest in text.split("{{").skip(1) {
        let name = rest.split("}}").next().unwrap_or("").trim();
        if !VARIABLES.contains(&name) {
            return Err(CannedError::UnknownVariable(crate::kernel::text::preview(name, 40)));
        }
    }
    if let Some(foreign) = crate::bot::guard::foreign_accounts(&text, accounts).into_iter().next() {
        return Err(CannedError::UnknownAccount(foreign));
    }
    let other: Option<i64> = tx.query_row("SELECT id FROM canned WHERE shortcut = ?1", [&shortcut], |row| row.get(0)).optional()?;
    if other.is_some() && other != id {
        return Err(CannedError::Taken(shortcut));
    }
    let id = match id {
        Some(id) => {
            let changed = tx.execute(
                "UPDATE canned SET shortcut = ?2, text = ?3, media_id = ifnull(?4, media_id), updated_at = ?5, updated_by = ?6 WHERE id = ?1",
                (id, &shortcut, &text, media_id, tx.now_ms, actor),
            )?;
            if changed == 0 {
                return Err(CannedError::NotFound);
            }
            id
        }
        None => {
            tx.execute("INSERT INTO canned (shortcut, text, media_id, updated_at, updated_by) VALUES (?1, ?2, ?3, ?4, ?5)", (&shortcut, &text, media_id, tx.now_ms, actor))?;
            tx.last_insert_rowid()
        }
    };
    tx.audit(actor, "canned.changed", &format!("canned:{shortcut}"), &text)?;
    Ok(id)
}

/// Takes one away.
pub fn remove(tx: &Tx<'_>, id: i64, actor: &str) -> Result<(), CannedError> {
    let gone: Option<String> = tx.query_row("DELETE FROM canned WHERE id = ?1 RETURNING shortcut", [id], |row| row.get(0)).optional()?;
    let gone = gone.ok_or(CannedError::NotFound)?;
    Ok(tx.audit(actor, "canned.removed", &format!("canned:{gone}"), "")?)
}

/// One was used.
pub fn used(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE canned SET used = used + 1 WHERE id = ?1", [id])?;
    Ok(())
}

/// Puts what is known in place of the variables; what is not known takes a polite word that reads well.
pub fn fill(text: &str, known: &Value) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((name, behind)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        let name = name.trim();
        let instead = match name {
            "nama" | "sapaan" => "Bapak/Ibu",
            "paket" => "yang Bapak/Ibu minati",
            _ => "",
        };
        out.push_str(known[name].as_str().filter(|value| !value.is_empty()).unwrap_or(instead));
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn variables_are_filled_or_read_well_without() {
        assert_eq!(fill("Halo {{nama}}, saya {{ cs }}.", &json!({"nama": "Bu Siti", "cs": "Rani"})), "Halo Bu Siti, saya Rani.");
        assert_eq!(fill("Halo {{nama}}, {{x", &json!({})), "Halo Bapak/Ibu, {{x");
    }
}
