//! Keyword flows in the store: a draft that is edited and a published form that customers meet.

use crate::bot::flow::Flow;
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::json;

/// A flow as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    /// What is edited.
    pub draft: Flow,
    /// What customers meet.
    pub published: Option<Flow>,
    /// Last change, unix ms.
    pub updated_at: i64,
    /// By whom.
    pub updated_by: String,
}

/// Why a flow was refused.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// Its shape.
    #[error("{0}")]
    Invalid(String),
    /// No such flow.
    #[error("there is no such flow")]
    NoSuchFlow,
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for FlowError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let (draft, published): (String, Option<String>) = (row.get(0)?, row.get(1)?);
    Ok(Kept {
        draft: serde_json::from_str(&draft).unwrap_or_default(),
        published: published.and_then(|text| serde_json::from_str(&text).ok()),
        updated_at: row.get(2)?,
        updated_by: row.get(3)?,
    })
}

const SELECT: &str = "SELECT draft, published, updated_at, updated_by FROM flow";

/// Writes a flow's draft; `publish`: customers meet it from now on. `true` when it is new.
pub fn put(tx: &Tx<'_>, actor: &str, flow: &Flow, publish: bool) -> Result<bool, FlowError> {
    flow.check().map_err(FlowError::Invalid)?;
    let known: Option<i64> = tx.query_row("SELECT 1 FROM flow WHERE key = ?1", [&flow.key], |row| row.get(0)).optional()?;
    let body = json!(flow).to_string();
    tx.execute(
        "INSERT INTO flow (key, draft, published, updated_at, updated_by) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (key) DO UPDATE SET draft = excluded.draft, published = ifnull(excluded.published, published), updated_at = excluded.updated_at, updated_by = excluded.updated_by",
        (&flow.key, &body, publish.then_some(&body), tx.now_ms, actor),
    )?;
    tx.audit(actor, if publish { "flow.published" } else { "flow.saved" }, &format!("flow:{}", flow.key), &json!({"nodes": flow.nodes.len()}).to_string())?;
    Ok(known.is_none())
}

/// Takes a flow from customers; its draft stays.
pub fn withdraw(tx: &Tx<'_>, actor: &str, key: &str) -> Result<(), FlowError> {
    if tx.execute("UPDATE flow SET published = NULL, updated_at = ?2, updated_by = ?3 WHERE key = ?1", (key, tx.now_ms, actor))? == 0 {
        return Err(FlowError::NoSuchFlow);
    }
    tx.audit(actor, "flow.withdrawn", &format!("flow:{key}"), "")?;
    Ok(())
}

/// All of them, by key.
pub fn list(connection: &Connection) -> Result<Vec<Kept>, StoreError> {
    let mut query = connection.prepare_cached(&[SELECT, " ORDER BY key"].concat())?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One.
pub fn find(connection: &Connection, key: &str) -> Result<Option<Kept>, StoreError> {
    Ok(connection.prepare_cached(&[SELECT, " WHERE key = ?1"].concat())?.query_row([key], from_row).optional()?)
}

/// How often each node of a flow was reached, all days together: (node, times).
pub fn counts(connection: &Connection, key: &str) -> Result<Vec<(String, i64)>, StoreError> {
    let prefix = format!("flow.{key}.");
    let mut query = connection.prepare_cached("SELECT substr(name, length(?1) + 1), sum(n) FROM daily_count WHERE substr(name, 1, length(?1)) = ?1 GROUP BY name")?;
    let rows = query.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
