//! What the model did and cost: calls, tokens, rupiah by day, and what came of them.

use super::{Refusal, enter};
use crate::app::App;
use crate::db::StoreError;
use crate::web::policy::Action;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use std::sync::Arc;

/// Days shown.
const DAYS: i64 = 14;

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let settings = app.settings();
    let zone = settings.zone;
    let since = crate::kernel::date::day_start_ms(settings.day_of(app.now_ms()), zone) - (DAYS - 1) * 86_400_000;
    let (input, output) = (settings.int("llm.input_idr_per_million"), settings.int("llm.output_idr_per_million"));
    let (days, outcomes, last) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let mut query = connection.prepare_cached("SELECT at, outcome, latency_ms, ifnull(prompt_tokens, 0), ifnull(completion_tokens, 0) FROM llm_call WHERE at >= ?1 ORDER BY at")?;
            let rows = query.query_map([since], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?, row.get::<_, i64>(4)?)))?;
            let mut days: std::collections::BTreeMap<String, (i64, i64, i64, Vec<i64>)> = std::collections::BTreeMap::new();
            let mut outcomes: std::collections::BTreeMap<String, i64> = std::collections::BTreeMap::new();
            for row in rows {
                let (at, outcome, latency, prompt, completion) = row?;
                let day = days.entry(crate::kernel::date::day_of(at, zone).to_string()).or_default();
                *day = (day.0 + 1, day.1 + prompt, day.2 + completion, { day.3.push(latency); std::mem::take(&mut day.3) });
                *outcomes.entry(outcome).or_default() += 1;
            }
            let last: Vec<Value> = connection
                .prepare_cached("SELECT at, model, outcome, latency_ms, tries, prompt_tokens, completion_tokens, conversation_id FROM llm_call ORDER BY id DESC LIMIT 30")?
                .query_map([], |row| {
                    Ok(json!({"at": row.get::<_, i64>(0)?, "model": row.get::<_, String>(1)?, "outcome": row.get::<_, String>(2)?, "latency_ms": row.get::<_, i64>(3)?, "tries": row.get::<_, i64>(4)?,
                              "prompt": row.get::<_, Option<i64>>(5)?, "completion": row.get::<_, Option<i64>>(6)?, "conversation_id": row.get::<_, Option<i64>>(7)?}))
                })?
                .collect::<Result<_, _>>()?;
            Ok((days, outcomes, last))
        })
        .await?;
    let days: Vec<Value> = days
        .into_iter()
        .rev()
        .map(|(day, (calls, prompt, completion, mut latencies))| {
            latencies.sort_unstable();
            let part = |share: usize| latencies.get((latencies.len() * share / 100).min(latencies.len().saturating_sub(1))).copied().unwrap_or(0);
            json!({"day": day, "calls": calls, "prompt": prompt, "completion": completion, "idr": (prompt * input + completion * output) / 1_000_000, "p50": part(50), "p95": part(95)})
        })
        .collect();
    let outcomes: Vec<Value> = outcomes.into_iter().map(|(name, n)| json!({"name": name, "n": n})).collect();
    let values =
        json!({"days": days, "outcomes": outcomes, "last": last, "priced": input + output > 0, "model": settings.text("llm.model"), "budget": settings.int("llm.daily_tokens")});
    Ok(visitor.page(200, "usage.html", "bot", values).await)
}
