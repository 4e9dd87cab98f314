//! `/healthz` (the process runs), `/readyz` (it can take and store), `/metrics` (Prometheus text).

use crate::app::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Write-ahead log larger than this is an alarm, bytes (Reliability sheet §2).
const WAL_ALARM: u64 = 64 << 20;

/// The process runs.
pub async fn healthz() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// It can take deliveries and store them; 503 with the reason when not.
pub async fn readyz(State(app): State<Arc<App>>) -> Response {
    let trouble = if app.is_stopping() { Some("stopping".to_owned()) } else { app.store.writer().trouble() };
    let readable = app.store.read(|connection| -> Result<i64, crate::db::StoreError> { Ok(connection.query_row("SELECT 1", [], |row| row.get(0))?) }).await;
    let trouble = trouble.or_else(|| readable.err().map(|error| format!("unreadable: {error}")));
    match trouble {
        None => Json(json!({"status": "ready"})).into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"status": "not_ready", "reason": reason}))).into_response(),
    }
}

/// Counters and gauges in Prometheus' text format.
pub async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut text = String::new();
    let mut put = |name: &str, kind: &str, help: &str, rows: &[(String, u64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}"); // into a String: cannot fail
        for (labels, value) in rows {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let webhooks: Vec<_> = ["accepted", "duplicate", "ignored", "quarantined", "refused", "unavailable"]
        .iter()
        .zip(&app.counters.webhooks)
        .map(|(name, n)| (format!("{{answer=\"{name}\"}}"), n.load(Ordering::Relaxed)))
        .collect();
    put("kafilah_webhooks_total", "counter", "Webhook deliveries by answer.", &webhooks);
    let sends: Vec<_> =
        ["accepted", "later", "refused", "unknown"].iter().zip(&app.counters.sends).map(|(name, n)| (format!("{{outcome=\"{name}\"}}"), n.load(Ordering::Relaxed))).collect();
    put("kafilah_sends_total", "counter", "Sends to the gateway by outcome.", &sends);
    let one = |n: u64| [(String::new(), n)];
    put("kafilah_turns_total", "counter", "Turns the bot has taken.", &one(app.counters.turns.load(Ordering::Relaxed)));
    put("kafilah_panics_total", "counter", "Requests that panicked.", &one(app.counters.panics.load(Ordering::Relaxed)));
    put("kafilah_writer_queue", "gauge", "Jobs waiting for the writer.", &one(app.store.writer().depth() as u64));
    put("kafilah_sockets", "gauge", "Open live sockets.", &one(app.counters.sockets.load(Ordering::Relaxed)));
    let wal = std::fs::metadata(app.store.dir.database().with_extension("db-wal")).map_or(0, |meta| meta.len());
    put("kafilah_wal_bytes", "gauge", "Size of the write-ahead log.", &one(wal));
    put("kafilah_wal_alarm", "gauge", "1 when the write-ahead log is larger than 64 MiB.", &one(u64::from(wal > WAL_ALARM)));
    put("kafilah_store_trouble", "gauge", "1 while the store cannot be written.", &one(u64::from(app.store.writer().trouble().is_some())));
    let waiting = app
        .store
        .read(|connection| -> Result<Vec<(String, u64)>, crate::db::StoreError> {
            let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
            Ok(vec![
                ("{state=\"due\"}".into(), count("SELECT count(*) FROM outbox WHERE state = 'due'")? as u64),
                ("{state=\"unknown\"}".into(), count("SELECT count(*) FROM outbox WHERE state = 'unknown'")? as u64),
                ("{state=\"failed\"}".into(), count("SELECT count(*) FROM outbox WHERE is_dead = 1")? as u64),
            ])
        })
        .await
        .unwrap_or_default();
    put("kafilah_outbox_rows", "gauge", "Outbox rows by state.", &waiting);
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
