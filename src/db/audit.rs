//! The audit trail: who did what, when. Each row's hash covers the row before it, so a change in the past shows.

use super::StoreError;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};

/// The newest row's hash: what the next row builds on.
pub type Chain = [u8; 32];

/// The newest hash in the store; zeroes for an empty trail.
pub fn head(connection: &Connection) -> Result<Chain, StoreError> {
    let newest: Option<Vec<u8>> = connection.prepare_cached("SELECT hash FROM audit ORDER BY seq DESC LIMIT 1")?.query_row([], |row| row.get(0)).optional()?;
    Ok(newest.and_then(|hash| hash.try_into().ok()).unwrap_or_default())
}

fn link(previous: &Chain, at: i64, actor: &str, action: &str, object: &str, detail: &str) -> Chain {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(at.to_be_bytes());
    for part in [actor, action, object, detail] {
        hash.update((part.len() as u64).to_be_bytes()); // lengths keep "ab"+"c" apart from "a"+"bc"
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// Adds a row after `previous` and returns its hash.
pub fn append(connection: &Connection, previous: Chain, at: i64, actor: &str, action: &str, object: &str, detail: &str) -> Result<Chain, StoreError> {
    let hash = link(&previous, at, actor, action, object, detail);
    connection.prepare_cached("INSERT INTO audit (at, actor, action, object, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
        at,
        actor,
        action,
        object,
        detail,
        hash.as_slice(),
    ))?;
    Ok(hash)
}

/// Short digest of a text for the trail: proves what it was without repeating it.
pub fn digest(text: &str) -> String {
    crate::kernel::ids::hex(&Sha256::digest(text.as_bytes())[..12])
}

/// Walks the whole trail; `Ok(rows)` when every hash fits, `Err(seq)` of the first that does not.
pub fn verify(connection: &Connection) -> Result<Result<i64, i64>, StoreError> {
    let mut query = connection.prepare("SELECT seq, at, actor, action, object, detail, hash FROM audit ORDER BY seq")?;
    let mut rows = query.query([])?;
    let (mut previous, mut count) = (Chain::default(), 0);
    while let Some(row) = rows.next()? {
        let text = |name: &str| row.get::<_, String>(name);
        let hash = link(&previous, row.get("at")?, &text("actor")?, &text("action")?, &text("object")?, &text("detail")?);
        if row.get::<_, Vec<u8>>("hash")? != hash {
            return Ok(Err(row.get("seq")?));
        }
        previous = hash;
        count += 1;
    }
    Ok(Ok(count))
}

/// One row as screens and exports show it.
#[derive(Debug, serde::Serialize)]
pub struct Entry {
    /// Number in the trail.
    pub seq: i64,
    /// When, unix ms.
    pub at: i64,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub object: String,
    /// Particulars.
    pub detail: String,
}

/// Rows before `before` (newest first), of actions that start with `action`, at most `limit`.
pub fn page(connection: &Connection, before: i64, action: &str, limit: usize) -> Result<Vec<Entry>, StoreError> {
    // an index range per prefix: '~' sorts after every character our action names use
    let sql = if action.is_empty() {
        "SELECT seq, at, actor, action, object, detail FROM audit WHERE seq < ?1 AND ?2 = '' ORDER BY seq DESC LIMIT ?3"
    } else {
        "SELECT seq, at, actor, action, object, detail FROM audit WHERE seq < ?1 AND action >= ?2 AND action < ?2 || '~' AND action NOT IN ('message.in', 'message.out')
         ORDER BY seq DESC LIMIT ?3"
    };
    let mut query = connection.prepare_cached(sql)?;
    let rows = query.query_map((before, action, limit as i64), |row| {
        Ok(Entry { seq: row.get(0)?, at: row.get(1)?, actor: row.get(2)?, action: row.get(3)?, object: row.get(4)?, detail: row.get(5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_row_shows() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(super::super::migrations::SCHEMA).unwrap();
        let mut chain = head(&connection).unwrap();
        for n in 0..5 {
            chain = append(&connection, chain, n, "bot", "message.out", &format!("msg_{n}"), "").unwrap();
        }
        assert_eq!(head(&connection).unwrap(), chain);
        assert_eq!(verify(&connection).unwrap(), Ok(5));
        connection.execute("UPDATE audit SET actor = 'user:1' WHERE seq = 3", []).unwrap();
        assert_eq!(verify(&connection).unwrap(), Err(3));
    }
}
