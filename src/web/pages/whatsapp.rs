//! Connecting WhatsApp: address and key of WAHA, test, session with our webhook and HMAC key, QR and pairing code.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::chat::channel;
use crate::cli::doctor::webhook_url;
use crate::db::StoreError;
use crate::db::setting::{self, SettingError};
use crate::kernel::ids;
use crate::kernel::language::Language;
use crate::kernel::phone::Phone;
use crate::web::policy::Action;
use crate::wire::waha_api::{Waha, WahaError, has_webhook, shown_key};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn waha(app: &App) -> Waha {
    let settings = app.settings();
    Waha::new(app.http.clone(), settings.text("waha.url"), settings.text("waha.api_key"), settings.text("waha.session"), Duration::from_secs(10))
}

/// Why the gateway told nothing: the key of a sentence, and what it said where that helps.
#[derive(serde::Serialize)]
struct Problem {
    key: &'static str,
    said: Option<String>,
}

impl Problem {
    fn of(error: &WahaError) -> Self {
        let key = match error {
            WahaError::Status { status: 401 | 403, .. } => "bad-key",
            WahaError::Status { .. } => "not-waha",
            WahaError::NoAnswer(no) if no.to_string() == "timed_out" => "slow",
            WahaError::NoAnswer(_) => "unreachable",
        };
        Self { key, said: (key == "not-waha").then(|| error.to_string()) }
    }
}

/// The page does not wait longer for a gateway that hangs: here its address is put right.
const PATIENCE: Duration = Duration::from_secs(4);

/// What the gateway says now.
struct Look {
    version: Result<(Value, u128), Problem>,
    state: Option<Value>,
}

async fn look(app: &Arc<App>) -> Look {
    let waha = waha(app);
    if !waha.is_configured() {
        return Look { version: Err(Problem { key: "not_configured", said: None }), state: None };
    }
    let asked = tokio::task::spawn_blocking(move || {
        let started = Instant::now();
        let version = match waha.version() {
            Ok(version) if version["version"].is_string() => Ok((version, started.elapsed().as_millis())),
            Ok(_) => Err(Problem { key: "not-waha", said: None }),
            Err(error) => Err(Problem::of(&error)),
        };
        let state = if version.is_ok() { waha.session_state().unwrap_or(None) } else { None };
        Look { version, state }
    });
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(look)) => look,
        _ => Look { version: Err(Problem { key: "slow", said: None }), state: None },
    }
}

/// What just happened, in the address.
#[derive(Deserialize, Default)]
pub struct Done {
    note: Option<String>,
    code: Option<String>,
}

/// The page: form, QR, checklist.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(done): Query<Done>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    let settings = app.settings();
    let look = look(&app).await;
    let hook = webhook_url(&settings);
    let session = settings.text("waha.session").to_owned();
    let channel = app.store.read(move |connection| channel::by_session(connection, &session)).await?;
    let state = look.state.clone().unwrap_or(Value::Null);
    let status = state["status"].as_str().unwrap_or("NONE").to_owned();
    let reachable = look.version.is_ok();
    let hook_set = hook.as_deref().is_some_and(|url| has_webhook(&state, url));
    let keyed = !settings.text("waha.hmac_key").is_empty();
    let working = status == "WORKING";
    let heard = channel.as_ref().and_then(|channel| channel.last_event_at);
    let step = |key: &str, done: bool, proof: Option<String>| json!({"key": key, "done": done, "proof": proof});
    let proof = look.version.as_ref().ok().map(|(version, ms)| format!("{} {} · {ms} ms", version["engine"].as_str().unwrap_or("?"), version["version"].as_str().unwrap_or("?")));
    let mut steps = vec![
        step("gateway", reachable, proof),
        step("hook", hook_set, hook.clone()),
        step("hmac", keyed && hook_set && hook.as_deref().and_then(|url| shown_key(&state, url)).is_none_or(|key| key == settings.text("waha.hmac_key")), None),
        step("scan", working, Some(status.clone())),
        step("heard", heard.is_some() && working, None),
        step("history", channel.as_ref().is_some_and(|channel| channel.reconciled_to_at.is_some()), None),
    ];
    if let Some(now) = steps.iter().position(|step| step["done"] != true) {
        steps[now]["now"] = json!(true);
    }
    let values = json!({
        "url": settings.text("waha.url"), "has_key": !settings.text("waha.api_key").is_empty(), "session": settings.text("waha.session"), "provider": settings.text("whatsapp.provider"),
        "hook": hook, "public_url": settings.text("server.public_url"), "webhook_url": settings.text("waha.webhook_url"), "status": status, "reachable": reachable,
        "problem": look.version.err(), "steps": steps, "done_count": steps.iter().filter(|step| step["done"] == true).count(), "channel": channel, "heard_at": heard,
        "phone": state["me"]["id"].as_str().and_then(|id| id.split('@').next()), "note": done.note, "code": done.code,
        "cap": settings.int("queue.daily_new_contacts"), "gap": seconds(settings.range_ms("queue.reply_gap_ms"), visitor.language()), "typing": settings.on("queue.typing"), "hours": [settings.text("hours.open"), settings.text("hours.close")],
    });
    Ok(visitor.page(200, "whatsapp.html", "whatsapp", values).await)
}

/// A span of milliseconds in seconds, as the reader writes a fraction.
fn seconds((low, high): (u64, u64), language: Language) -> String {
    let one = |ms: u64| match ((ms + 50) / 1000, (ms + 50) / 100 % 10) {
        (whole, 0) => whole.to_string(),
        (whole, tenths) => format!("{whole}{}{tenths}", if language == Language::Id { ',' } else { '.' }),
    };
    if low == high { one(low) } else { format!("{}–{}", one(low), one(high)) }
}

/// Address and key.
#[derive(Deserialize)]
pub struct Address {
    csrf: String,
    url: String,
    api_key: String,
    session: String,
    webhook_url: String,
}

/// Saves address and key, makes the HMAC key, and tries the address.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Address>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &sent.csrf)?;
    let actor = visitor.actor();
    let keyed = !app.settings().text("waha.hmac_key").is_empty();
    let done = app
        .store
        .write(move |tx| -> Result<(), SettingError> {
            setting::set(tx, &actor, "waha.url", &sent.url)?;
            setting::set(tx, &actor, "waha.session", if sent.session.trim().is_empty() { "default" } else { &sent.session })?;
            setting::set(tx, &actor, "waha.webhook_url", &sent.webhook_url)?;
            setting::set(tx, &actor, "whatsapp.provider", if sent.url.trim().is_empty() { "simulator" } else { "waha" })?;
            if !sent.api_key.is_empty() {
                setting::set(tx, &actor, "waha.api_key", &sent.api_key)?;
            }
            if !keyed {
                setting::set(tx, &actor, "waha.hmac_key", &ids::token())?;
            }
            let session = if sent.session.trim().is_empty() { "default" } else { sent.session.trim() };
            channel::ensure(tx, session, None)?;
            Ok(())
        })
        .await;
    match done {
        Ok(()) => {
            app.refresh_settings()?;
            Ok(see("/whatsapp?note=saved"))
        }
        Err(SettingError::Store(error)) => Err(error.into()),
        Err(_) => Ok(see("/whatsapp?note=bad-address")),
    }
}

/// A button.
#[derive(Deserialize)]
pub struct Press {
    csrf: String,
    verb: Option<String>,
    phone: Option<String>,
}

/// Makes or mends the session and starts it.
pub async fn connect(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Press>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &sent.csrf)?;
    let settings = app.settings();
    let Some(hook) = webhook_url(&settings) else { return Ok(see("/whatsapp?note=no-hook")) };
    let (waha, key) = (waha(&app), settings.text("waha.hmac_key").to_owned());
    let done = tokio::task::spawn_blocking(move || waha.connect(&hook, &key)).await;
    let actor = visitor.actor();
    app.store.write(move |tx| tx.audit(&actor, "channel.connect", "waha", "")).await?;
    Ok(see(note(&done.unwrap_or(Err(WahaError::Status { status: 0, message: String::new() })))))
}

fn note(done: &Result<(), WahaError>) -> &'static str {
    match done {
        Ok(()) => "/whatsapp?note=started",
        Err(WahaError::Status { status: 401 | 403, .. }) => "/whatsapp?note=bad-key",
        Err(WahaError::NoAnswer(_)) => "/whatsapp?note=unreachable",
        Err(WahaError::Status { .. }) => "/whatsapp?note=refused",
    }
}

/// restart, stop or logout.
pub async fn verb(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Press>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &sent.csrf)?;
    let verb = sent.verb.filter(|verb| ["start", "restart", "stop", "logout"].contains(&verb.as_str())).ok_or(Refusal::NotFound)?;
    let (waha, actor, word) = (waha(&app), visitor.actor(), verb.clone());
    let done = tokio::task::spawn_blocking(move || waha.session_verb(&verb)).await.unwrap_or(Err(WahaError::Status { status: 0, message: String::new() }));
    app.store.write(move |tx| -> Result<(), StoreError> { tx.audit(&actor, "channel.verb", "waha", &word) }).await?;
    Ok(see(note(&done)))
}

/// Asks for a code to type on the phone.
pub async fn pairing(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Press>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &sent.csrf)?;
    let Some(phone) = sent.phone.as_deref().and_then(Phone::parse) else { return Ok(see("/whatsapp?note=bad-phone")) };
    let waha = waha(&app);
    let code = tokio::task::spawn_blocking(move || waha.pairing_code(phone.as_str())).await;
    match code {
        Ok(Ok(code)) if code.len() <= 16 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') => Ok(see(&format!("/whatsapp?code={code}"))),
        _ => Ok(see("/whatsapp?note=no-code")),
    }
}

/// The QR code, drawn by us.
pub async fn qr(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    enter(&app, &headers, Action::Administer).await?;
    let waha = waha(&app);
    let text = tokio::task::spawn_blocking(move || waha.qr()).await.ok().and_then(Result::ok).flatten();
    let Some(drawing) = text.and_then(|text| draw(&text)) else { return Ok(StatusCode::NOT_FOUND.into_response()) };
    Ok(([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "no-store")], drawing).into_response())
}

fn draw(text: &str) -> Option<String> {
    let code = QrCode::new(text).ok()?;
    Some(code.render::<svg::Color<'_>>().min_dimensions(320, 320).dark_color(svg::Color("#14322A")).light_color(svg::Color("#FFFFFF")).build())
}

/// A QR code as the address of a picture, for a page.
pub fn qr_picture(text: &str) -> Option<String> {
    use base64::Engine;
    draw(text).map(|drawing| format!("data:image/svg+xml;base64,{}", base64::engine::general_purpose::STANDARD.encode(drawing)))
}
