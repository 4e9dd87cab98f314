//! A call of the model: what it cost and what came of it. What was asked and answered is not kept here: the answer, where
//! it was used, is a message like any other.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::Connection;
use serde_json::Value;

/// One question put to the model, all tries together.
#[derive(Clone, Debug)]
pub struct Call {
    /// Whose turn; `None`: a dry run.
    pub conversation_id: Option<i64>,
    /// Model name.
    pub model: String,
    /// `proposed`, `guard_blocked`, `declined`, or the name of a failure.
    pub outcome: String,
    /// From the first byte to the last, ms.
    pub latency_ms: i64,
    /// Requests made.
    pub tries: i64,
    /// Tokens read, where told.
    pub prompt_tokens: Option<i64>,
    /// Tokens written, where told.
    pub completion_tokens: Option<i64>,
    /// What the guard blocked, what was looked up.
    pub detail: Value,
}

/// Keeps one.
pub fn keep(tx: &Tx<'_>, call: &Call) -> Result<(), StoreError> {
    tx.prepare_cached(
        "INSERT INTO llm_call (conversation_id, at, model, outcome, latency_ms, tries, prompt_tokens, completion_tokens, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute((
        call.conversation_id,
        tx.now_ms,
        &call.model,
        &call.outcome,
        call.latency_ms,
        call.tries,
        call.prompt_tokens,
        call.completion_tokens,
        (!call.detail.is_null()).then(|| call.detail.to_string()),
    ))?;
    tx.count("llm.calls", 1);
    tx.count("llm.tokens", call.prompt_tokens.unwrap_or(0) + call.completion_tokens.unwrap_or(0));
    Ok(())
}

/// Marks the last call of a conversation (or dry run) as one whose proposal the guard blocked, with what was wrong.
pub fn blocked(tx: &Tx<'_>, conversation_id: Option<i64>, breaches: &Value) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE llm_call SET outcome = 'guard_blocked', detail = ?2 WHERE id = (SELECT max(id) FROM llm_call WHERE conversation_id IS ?1)",
        (conversation_id, breaches.to_string()),
    )?;
    tx.count("guard.blocked", 1);
    Ok(())
}

/// What has been spent: calls of a conversation since `since_ms`, and tokens of everybody on `day` (YYYY-MM-DD).
pub fn spent(connection: &Connection, conversation_id: i64, since_ms: i64, day: &str) -> Result<(i64, i64), StoreError> {
    let calls = connection.prepare_cached("SELECT count(*) FROM llm_call WHERE conversation_id = ?1 AND at >= ?2")?.query_row((conversation_id, since_ms), |row| row.get(0))?;
    let tokens = connection.prepare_cached("SELECT ifnull(sum(n), 0) FROM daily_count WHERE day = ?1 AND name = 'llm.tokens'")?.query_row([day], |row| row.get(0))?;
    Ok((calls, tokens))
}
