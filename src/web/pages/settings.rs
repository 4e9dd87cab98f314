//! Settings, grouped; secrets are never shown again.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::db::setting::{self, Kind, SettingError};
use crate::kernel::hours;
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

/// How much of the stored value one of the page's units is: people think in seconds, minutes and per cent, the program in
/// milliseconds and parts of one.
fn unit(key: &str) -> Option<f64> {
    match key {
        "queue.broadcast_break_ms" => Some(60_000.0),
        "bot.confidence_floor" => Some(0.01),
        "queue.broadcast_break_after" => Some(1.0),
        _ if key.ends_with("_ms") => Some(1_000.0),
        _ => None,
    }
}

/// A stored number in the page's unit: `1500` ms is `1.5`.
fn in_unit(stored: &str, unit: f64) -> String {
    stored.trim().parse::<f64>().map_or_else(|_| stored.to_owned(), |n| ((n / unit * 1_000.0).round() / 1_000.0).to_string())
}

/// What was typed in the page's unit as it is stored; what is no number stays, and is refused with its field named.
fn from_unit(typed: &str, unit: f64) -> String {
    let number = typed.trim().replace(',', ".").parse::<f64>().ok().filter(|n| n.is_finite());
    number.map_or_else(|| typed.to_owned(), |n| if unit < 1.0 { ((n * unit * 1e6).round() / 1e6).to_string() } else { format!("{:.0}", n * unit) })
}

/// The stored value of a setting from the fields of the form; `None`: the form does not hold it.
fn sent_value(sent: &HashMap<String, String>, key: &str) -> Option<String> {
    let field = |part: &str| sent.get(&format!("{key}.{part}")).map(|value| value.trim());
    if let (Some(low), Some(high)) = (field("low"), field("high")) {
        let unit = unit(key).unwrap_or(1.0);
        return Some(format!("{}..{}", from_unit(low, unit), from_unit(high, unit)));
    }
    if field("days").is_some() {
        return Some(('1'..='7').filter(|day| field(&day.to_string()).is_some()).collect());
    }
    let value = sent.get(key)?.trim();
    Some(unit(key).map_or_else(|| value.to_owned(), |unit| from_unit(value, unit)))
}

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
                    let unit = unit(key);
                    let (input, choices): (&str, &[&str]) = match spec.kind {
                        Kind::RangeMs => ("range", &[]),
                        _ if *key == "hours.days" => ("days", &[]),
                        Kind::Int(..) | Kind::Decimal(..) if unit.is_some() => ("measure", &[]),
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
                    let told = sent_value(typed, key);
                    let value = if spec.kind == Kind::Secret { &empty } else { told.as_ref().unwrap_or(value) };
                    let shown = |stored: &str| unit.map_or_else(|| stored.to_owned(), |unit| stored.split("..").map(|part| in_unit(part, unit)).collect::<Vec<_>>().join("–"));
                    let mut field = json!({"key": key, "label": format!("set-{}", key.replace(['.', '_'], "-")), "value": shown(value), "default": shown(spec.default), "changed": changed, "input": input, "kept": kept, "choices": choices, "wrong": wrong == Some(*key)});
                    if let (Kind::RangeMs, Some((low, high))) = (spec.kind, value.split_once("..")) {
                        field["low"] = shown(low).into();
                        field["high"] = shown(high).into();
                    }
                    if input == "days" {
                        field["days"] = json!(hours::week_days(value));
                        field["changed"] = false.into(); // the boxes tell by themselves
                    }
                    Some(field)
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
        .filter_map(|key| sent_value(&sent, key).map(|value| (*key, value)))
        .filter(|(key, value)| settings.text(key) != value && !(*key == "hours.days" && hours::week_days(settings.text(key)) == hours::week_days(value)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_speaks_in_units_of_people() {
        let sent = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<HashMap<_, _>>();
        assert_eq!(in_unit("1500", 1_000.0), "1.5");
        assert_eq!(in_unit("0.6", 0.01), "60");
        assert_eq!(sent_value(&sent(&[("bot.quiet_ms", "1,5")]), "bot.quiet_ms").as_deref(), Some("1500"));
        assert_eq!(sent_value(&sent(&[("bot.confidence_floor", "57")]), "bot.confidence_floor").as_deref(), Some("0.57"));
        let gap = sent(&[("queue.reply_gap_ms.low", "0.9"), ("queue.reply_gap_ms.high", "2.6")]);
        assert_eq!(sent_value(&gap, "queue.reply_gap_ms").as_deref(), Some("900..2600"));
        let rest = sent(&[("queue.broadcast_break_ms.low", "5"), ("queue.broadcast_break_ms.high", "x")]);
        assert_eq!(sent_value(&rest, "queue.broadcast_break_ms").as_deref(), Some("300000..x"), "what is no number is left for the check to refuse");
        let days = sent(&[("hours.days.days", "1"), ("hours.days.1", "on"), ("hours.days.6", "on")]);
        assert_eq!(sent_value(&days, "hours.days").as_deref(), Some("16"));
        assert_eq!(sent_value(&sent(&[]), "hours.days"), None);
    }
}
