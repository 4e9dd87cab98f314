//! The audit trail: who did what, when. Each row's hash covers the row before it, so a change in the past shows.

use super::StoreError;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// Where the trail ends: the newest row's number and hash, which the next row builds on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Number of the newest row; 0 in an empty trail.
    pub seq: i64,
    hash: [u8; 32],
}

/// The end of the trail in the store.
pub fn head(connection: &Connection) -> Result<Chain, StoreError> {
    let newest: Option<(i64, Vec<u8>)> =
        connection.prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(newest.map_or(Chain::default(), |(seq, hash)| Chain { seq, hash: hash.try_into().unwrap_or_default() }))
}

/// A row that has its place in the trail and is still to be written.
#[derive(Debug)]
pub struct Row {
    at: i64,
    actor: Cow<'static, str>,
    action: Cow<'static, str>,
    object: String,
    detail: String,
    chain: Chain,
}

impl Row {
    /// The end of the trail once this row is written.
    pub fn chain(&self) -> Chain {
        self.chain
    }
}

/// The row that follows `previous`.
pub fn follow(previous: &Chain, at: i64, actor: Cow<'static, str>, action: Cow<'static, str>, object: String, detail: String) -> Row {
    let hash = link(&previous.hash, at, &actor, &action, &object, &detail);
    Row { at, actor, action, object, detail, chain: Chain { seq: previous.seq + 1, hash } }
}

fn link(previous: &[u8; 32], at: i64, actor: &str, action: &str, object: &str, detail: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(at.to_be_bytes());
    for part in [actor, action, object, detail] {
        hash.update((part.len() as u64).to_be_bytes()); // lengths keep "ab"+"c" apart from "a"+"bc"
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// Rows in one statement: a batch of webhooks writes many.
const AT_ONCE: usize = 8;
const INSERT_ONE: &str = "INSERT INTO audit (seq, at, actor, action, object, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?)";
const INSERT_MANY: &str = "INSERT INTO audit (seq, at, actor, action, object, detail, hash) VALUES (?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?),
    (?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?)";

/// Writes rows in their order.
pub fn append(connection: &Connection, rows: &[Row]) -> Result<(), StoreError> {
    let chunks = rows.chunks_exact(AT_ONCE);
    let singles = chunks.remainder().chunks(1);
    for (sql, chunk) in chunks.map(|chunk| (INSERT_MANY, chunk)).chain(singles.map(|chunk| (INSERT_ONE, chunk))) {
        let mut insert = connection.prepare_cached(sql)?;
        for (at, row) in chunk.iter().enumerate() {
            let at = at * 7;
            insert.raw_bind_parameter(at + 1, row.chain.seq)?;
            insert.raw_bind_parameter(at + 2, row.at)?;
            insert.raw_bind_parameter(at + 3, &*row.actor)?;
            insert.raw_bind_parameter(at + 4, &*row.action)?;
            insert.raw_bind_parameter(at + 5, &row.object)?;
            insert.raw_bind_parameter(at + 6, &row.detail)?;
            insert.raw_bind_parameter(at + 7, row.chain.hash.as_slice())?;
        }
        insert.raw_execute()?;
    }
    Ok(())
}

/// Short digest of a text for the trail: proves what it was without repeating it.
pub fn digest(text: &str) -> String {
    crate::kernel::ids::hex(&Sha256::digest(text.as_bytes())[..12])
}

/// Walks the whole trail; `Ok(rows)` when every hash fits, `Err(seq)` of the first that does not.
pub fn verify(connection: &Connection) -> Result<Result<i64, i64>, StoreError> {
    let mut query = connection.prepare("SELECT seq, at, actor, action, object, detail, hash FROM audit ORDER BY seq")?;
    let mut rows = query.query([])?;
    let (mut previous, mut count) = ([0u8; 32], 0);
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
    /// Particulars, cut for the screen.
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
        Ok(Entry {
            seq: row.get(0)?,
            at: row.get(1)?,
            actor: row.get(2)?,
            action: row.get(3)?,
            object: row.get(4)?,
            detail: crate::kernel::text::cut(&row.get::<_, String>(5)?, 4_000).to_owned(),
        })
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
        let mut rows = Vec::new();
        for n in 0..21 {
            rows.push(follow(&chain, n, "bot".into(), "message.out".into(), format!("msg_{n}"), String::new()));
            chain = rows[rows.len() - 1].chain();
        }
        append(&connection, &rows).unwrap();
        assert_eq!(head(&connection).unwrap(), chain);
        assert_eq!(verify(&connection).unwrap(), Ok(21));
        connection.execute("UPDATE audit SET actor = 'user:1' WHERE seq = 3", []).unwrap();
        assert_eq!(verify(&connection).unwrap(), Err(3));
    }
}
