//! Beranda: what needs me now, today's figures, the funnel, number health, the next departures; the first-run checklist.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::chat::inbox::{self, Scope};
use crate::chat::{channel, promise};
use crate::db::StoreError;
use crate::insight::figures;
use crate::kernel::date;
use crate::web::policy::Action;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{Datelike, Timelike};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};

/// Days of a sparkline.
const SPARK_DAYS: i64 = 14;

/// Promises shown; the rest come up as these are settled.
const MOST_PROMISES: i64 = 8;

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let settings = app.settings();
    let today = settings.day_of(app.now_ms());
    let yesterday = (today - chrono::Duration::days(1)).to_string();
    let cap = settings.int("queue.daily_new_contacts");
    let provider = settings.text("whatsapp.provider").to_owned();
    let scope = visitor.scope();
    let configured = !settings.text("waha.url").is_empty();
    let mut values = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            let (day, before) = (figures::day(connection, &today.to_string())?, figures::day(connection, &yesterday)?);
            let n = |day: &std::collections::HashMap<String, i64>, name: &str| day.get(name).copied().unwrap_or(0);
            let sent = n(&day, "sent");
            let failed = n(&day, "outbox.failed") + n(&day, "outbox.parked") + n(&day, "outbox.expired");
            let packages: i64 = connection.query_row("SELECT count(*) FROM package", [], |row| row.get(0))?;
            let messages: i64 = connection.query_row("SELECT EXISTS (SELECT 1 FROM message)", [], |row| row.get(0))?;
            let users: i64 = connection.query_row("SELECT count(*) FROM user WHERE disabled_at IS NULL", [], |row| row.get(0))?;
            let mut promises = promise::due(connection, &today.to_string(), MOST_PROMISES)?;
            if scope != Scope::All {
                promises.retain(|task| inbox::one(connection, task.conversation_id, &scope).is_ok_and(|row| row.is_some()));
            }
            let incoming = figures::series(connection, "in", today, SPARK_DAYS)?;
            Ok(json!({
                "needs": figures::needs(connection, &scope)?,
                "today": {"in": n(&day, "in"), "in_before": n(&before, "in"), "bot": n(&day, "out.bot"), "people": n(&day, "out.user") + n(&day, "out.phone"),
                          "new": n(&day, "conversations.new"), "new_before": n(&before, "conversations.new"), "sent": sent, "failed": failed, "duplicates": n(&day, "duplicates"),
                          "ignored": day.iter().filter(|(name, _)| name.starts_with("ignored.")).map(|(_, n)| n).sum::<i64>(), "first_contacts": n(&day, "first_contacts"), "mute": n(&day, "channel.mute")},
                "spark": sparkline(&incoming), "funnel": figures::phases(connection)?, "departures": figures::departures(connection, &today.to_string(), 4)?,
                "promises": promises, "day": today.to_string(), "channels": channel::list(connection)?, "has_packages": packages > 0, "has_messages": messages > 0, "has_team": users > 1,
            }))
        })
        .await?;
    let lines = app.lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let connected = provider == "waha" && values["channels"].as_array().into_iter().flatten().any(|channel| channel["kind"] == "waha" && channel["status"] == "WORKING");
    let steps = json!([
        {"key": "agency", "done": !app.settings().text("agency.licence").is_empty() && !app.settings().text("agency.address").is_empty(), "href": "/settings"}, {"key": "packages", "done": values["has_packages"], "href": "/packages"}, {"key": "try", "done": values["has_messages"], "href": "/simulator"},
        {"key": "whatsapp", "done": connected, "href": "/whatsapp"}, {"key": "team", "done": values["has_team"], "href": "/team"},
    ]);
    let steps_in_all = steps.as_array().map_or(0, Vec::len);
    let open_steps = steps.as_array().map_or(0, |steps| steps.iter().filter(|step| step["done"] != true).count());
    let local = chrono::DateTime::from_timestamp_millis(app.now_ms()).unwrap_or_default().with_timezone(&settings.zone);
    let greeting = match local.hour() {
        4..=10 => "greeting-morning",
        11..=14 => "greeting-noon",
        15..=17 => "greeting-afternoon",
        _ => "greeting-evening",
    };
    let weekday = format!("weekday-{}", local.weekday().num_days_from_monday());
    values["steps"] = if open_steps > 0 { steps } else { Value::Null };
    values["steps_done"] = json!(steps_in_all - open_steps);
    values["connected"] = json!(connected);
    values["provider"] = json!(provider);
    values["configured"] = json!(configured);
    values["cap"] = json!(cap);
    values["line_open"] = json!(lines.values().any(|line| line.open));
    values["line_cause"] = json!(lines.values().find(|line| line.open).map(|line| line.cause.clone()));
    values["greeting"] = json!(greeting);
    values["weekday"] = json!(weekday);
    values["date"] = json!(date::long(local.date_naive(), visitor.language()));
    Ok(visitor.page(200, "home.html", "home", values).await)
}

/// What became of a promise.
#[derive(Deserialize)]
pub struct Settle {
    csrf: String,
    what: String,
}

/// Kept, or not to be waited for any more.
pub async fn settle(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(form): Form<Settle>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &form.csrf)?;
    let (actor, kept, scope) = (visitor.actor(), form.what == "kept", visitor.scope());
    let seen = app
        .store
        .write(move |tx| -> Result<bool, StoreError> {
            let seen = promise::holder(tx, id)?.is_some_and(|holder| scope.sees(holder.as_deref()));
            if seen {
                promise::settle(tx, &actor, id, kept)?;
            }
            Ok(seen)
        })
        .await?;
    if !seen {
        return Err(Refusal::NotFound);
    }
    Ok(see("/"))
}

/// Points of a 96 x 28 line through the values; the unfinished day is left out.
fn sparkline(values: &[i64]) -> Value {
    let whole = &values[..values.len().saturating_sub(1)];
    let top = whole.iter().copied().max().unwrap_or(0).max(1) as f64;
    let step = 96.0 / (whole.len().max(2) - 1) as f64;
    let points: Vec<String> = whole.iter().enumerate().map(|(at, n)| format!("{:.1},{:.1}", at as f64 * step, 26.0 - *n as f64 / top * 24.0)).collect();
    json!({"points": points.join(" "), "values": whole, "last": whole.last(), "flat": whole.iter().all(|n| *n == 0)})
}
