//! Settings, grouped; secrets are never shown again.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::db::setting::{self, Kind, SettingError};
use crate::people::holiday;
use crate::web::policy::Action;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Groups of the page; what is not here (`waha.*`) has a page of its own.
const GROUPS: &[(&str, &[&str])] = &[
    ("agency", &["agency.name", "agency.licence", "agency.address", "agency.timezone", "agency.language", "server.public_url", "whatsapp.phone"]),
    (
        "bot",
        &["bot.enabled", "bot.quiet_ms", "bot.confidence_floor", "bot.resume_after_min", "bot.replies_per_hour", "bot.image_caption", "bot.emoji_limit", "bot.ask_satisfaction"],
    ),
    ("payment", &["payment.accounts"]),
    (
        "ai",
        &[
            "llm.base_url",
            "llm.model",
            "llm.api_key",
            "llm.timeout_ms",
            "llm.max_tokens",
            "llm.daily_tokens",
            "llm.calls_per_hour",
            "llm.input_idr_per_million",
            "llm.output_idr_per_million",
        ],
    ),
    (
        "queue",
        &[
            "queue.typing",
            "queue.reply_gap_ms",
            "queue.broadcast_gap_ms",
            "queue.broadcast_break_after",
            "queue.broadcast_break_ms",
            "queue.daily_new_contacts",
            "queue.warmup_days",
            "queue.send_timeout_ms",
        ],
    ),
    ("hours", &["hours.open", "hours.close", "hours.days", "hours.pauses", "hours.friday_pauses", "hours.first_answer_min"]),
    ("assign", &["assign.mode", "assign.cap", "team.cs_sees"]),
    ("notify", &["notify.whatsapp", "notify.email", "smtp.host", "smtp.port", "smtp.security", "smtp.user", "smtp.password", "smtp.from"]),
    ("store", &["store.backup_folder", "store.backup_at", "store.backup_keep", "store.raw_days", "server.trusted_proxy"]),
];

/// What just happened, in the address.
#[derive(Deserialize, Default)]
pub struct Done {
    saved: Option<String>,
}

async fn form(app: &Arc<App>, visitor: &super::Visitor, status: u16, typed: &HashMap<String, String>, wrong: Option<&str>, saved: bool) -> Response {
    let settings = app.settings();
    let shown = settings.shown();
    let groups: Vec<Value> = GROUPS
        .iter()
        .map(|(group, keys)| {
            let fields: Vec<Value> = keys
                .iter()
                .filter_map(|key| {
                    let (spec, value, changed) = shown.iter().find(|(spec, ..)| spec.key == *key)?;
                    let (input, choices): (&str, &[&str]) = match spec.kind {
                        Kind::Switch => ("switch", &["on", "off"]),
                        Kind::Choice(words) => ("choice", words),
                        Kind::Zone => ("choice", &["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura", "Asia/Riyadh"]),
                        Kind::Int(..) => ("number", &[]),
                        Kind::Time => ("time", &[]),
                        Kind::Secret => ("password", &[]),
                        _ => ("text", &[]),
                    };
                    let kept = spec.kind == Kind::Secret && !value.is_empty();
                    let empty = String::new(); // a secret is never shown again
                    let value = if spec.kind == Kind::Secret { &empty } else { typed.get(*key).unwrap_or(value) };
                    Some(json!({"key": key, "label": format!("set-{}", key.replace(['.', '_'], "-")), "value": value, "default": spec.default, "changed": changed, "input": input, "kept": kept, "choices": choices, "wrong": wrong == Some(*key)}))
                })
                .collect();
            json!({"group": group, "fields": fields})
        })
        .collect();
    visitor.page(status, "settings.html", "settings", json!({"groups": groups, "saved": saved, "holidays": app.store.read(holiday::list).await.unwrap_or_default()})).await
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(done): Query<Done>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    Ok(form(&app, &visitor, 200, &HashMap::new(), None, done.saved.is_some()).await)
}

/// Writes what changed, all or nothing.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<HashMap<String, String>>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, sent.get("csrf").map_or("", String::as_str))?;
    let settings = app.settings();
    let keys = GROUPS.iter().flat_map(|(_, keys)| keys.iter());
    let changes: Vec<(&'static str, String)> = keys
        .filter_map(|key| sent.get(*key).map(|value| (*key, value.trim().to_owned())))
        .filter(|(key, value)| settings.text(key) != value)
        // an empty field keeps a secret as it is
        .filter(|(key, value)| !(value.is_empty() && setting::find(key).is_some_and(|spec| spec.kind == Kind::Secret)))
        .collect();
    let actor = visitor.actor();
    let done = app.store.write(move |tx| -> Result<(), SettingError> { changes.iter().try_for_each(|(key, value)| setting::set(tx, &actor, key, value)) }).await;
    match done {
        Ok(()) => {
            app.refresh_settings()?;
            Ok(see("/settings?saved=1"))
        }
        Err(SettingError::Invalid { key, .. }) => Ok(form(&app, &visitor, 422, &sent, Some(key), false).await),
        Err(SettingError::Unknown(_)) => Err(Refusal::NotFound),
        Err(SettingError::Store(error)) => Err(error.into()),
    }
}

/// A day off, added or taken away.
#[derive(Deserialize)]
pub struct HolidayForm {
    csrf: String,
    day: String,
    #[serde(default)]
    name: String,
    remove: Option<String>,
}

/// Keeps it; the waiting clocks follow at once.
pub async fn holiday(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<HolidayForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &sent.csrf)?;
    let day: chrono::NaiveDate = sent.day.parse().map_err(|_| Refusal::Notice(422, "field"))?;
    let actor = visitor.actor();
    app.store.write(move |tx| if sent.remove.is_some() { holiday::remove(tx, day, &actor) } else { holiday::put(tx, day, &sent.name, &actor) }).await?;
    app.refresh_hours()?;
    Ok(see("/settings#holidays"))
}
