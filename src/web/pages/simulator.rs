//! The phone simulator: anybody may play the customer against the live rules. What is written goes through the real
//! webhook, turn and queue; nothing leaves for WhatsApp.

use super::{Form, Refusal, Visitor, enter, see};
use crate::app::App;
use crate::chat::channel::SIMULATOR;
use crate::chat::{channel, thread};
use crate::db::StoreError;
use crate::web::policy::Action;
use crate::worker::simulator;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use rusqlite::OptionalExtension;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Openings to try, by their key and what they type; `{code}` is an open package's code.
const SCENARIOS: &[(&str, &str)] = &[
    ("code", "{code}"),
    ("nocode", "Assalamualaikum, mau tanya paket umroh"),
    ("typo", "{typo}"),
    ("pay", "DP berapa kak?"),
    ("person", "mau ngomong sama CS dong"),
    ("hotel", "hotelnya jauh dari haram?"),
    ("odd", "boleh bawa kucing?"),
];

/// The number a visitor's simulated phone has: one for each user, changed by starting over.
async fn phone_of(app: &Arc<App>, visitor: &Visitor) -> Result<String, StoreError> {
    let name = format!("simulator:{}", visitor.session.user.id);
    let round = app
        .store
        .read(move |connection| -> Result<i64, StoreError> {
            Ok(connection.query_row("SELECT count(*) FROM audit WHERE action = 'simulator.reset' AND object = ?1", [name], |row| row.get(0))?)
        })
        .await?;
    Ok(format!("6280{:03}{:05}", visitor.session.user.id % 1000, round % 100_000))
}

async fn values(app: &Arc<App>, visitor: &Visitor) -> Result<Value, Refusal> {
    let phone = phone_of(app, visitor).await?;
    let today = app.settings().day_of(app.now_ms());
    let (wanted, shared) = (phone.clone(), Arc::clone(app));
    let mut values = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            let catalog = shared.catalog.at(connection)?;
            let code = catalog.open(today).find(|listed| listed.package.code.contains("HEMAT")).or(catalog.open(today).next()).map(|listed| listed.package.code.clone()).unwrap_or_default();
            let typo = code.to_lowercase().replace('_', " ").replace("hemat", "hemet").replace("vip", "vap");
            let scenarios: Vec<Value> = SCENARIOS
                .iter()
                .filter(|_| !code.is_empty())
                .map(|(key, said)| json!({"key": key, "text": said.replace("{code}", &code).replace("{typo}", &typo)}))
                .collect();
            let session = channel::by_session(connection, SIMULATOR)?;
            let id: Option<i64> = match session {
                Some(session) => connection
                    .query_row(
                        "SELECT v.id FROM conversation v JOIN identity i ON i.contact_id = v.contact_id AND i.kind = 'phone' WHERE i.value = ?1 AND v.channel_id = ?2",
                        (&wanted, session.id),
                        |row| row.get(0),
                    )
                    .optional()?,
                None => None,
            };
            let Some(id) = id else { return Ok(json!({"scenarios": scenarios, "bubbles": []})) };
            let bubbles = thread::messages(connection, id, None, 40)?;
            let turns: Vec<Value> = connection
                .prepare_cached("SELECT id, at, decided_by, rule, confidence, language, intents, phase, escalation, from_id, to_id, trace FROM turn WHERE conversation_id = ?1 ORDER BY id DESC LIMIT 1")?
                .query_map([id], |row| {
                    let (intents, trace): (String, Option<String>) = (row.get(6)?, row.get(11)?);
                    Ok(json!({
                        "id": row.get::<_, i64>(0)?, "at": row.get::<_, i64>(1)?, "decided_by": row.get::<_, String>(2)?, "rule": row.get::<_, String>(3)?,
                        "confidence": row.get::<_, f64>(4)?, "percent": (row.get::<_, f64>(4)? * 100.0).round(), "language": row.get::<_, String>(5)?,
                        "intents": serde_json::from_str::<Value>(&intents).unwrap_or(Value::Null), "phase": row.get::<_, String>(7)?, "escalation": row.get::<_, Option<String>>(8)?,
                        "trace": trace.and_then(|trace| serde_json::from_str::<Value>(&trace).ok()).unwrap_or_else(|| json!({})),
                    }))
                })?
                .collect::<Result<_, _>>()?;
            let turn = turns.into_iter().next();
            let queued: Vec<Value> = match &turn {
                Some(turn) => connection
                    .prepare_cached("SELECT m.kind, o.state, m.text, o.typing_at IS NOT NULL FROM outbox o JOIN message m ON m.id = o.message_id WHERE m.turn_id = ?1 ORDER BY o.id")?
                    .query_map([turn["id"].as_i64()], |row| {
                        let text: Option<String> = row.get(2)?;
                        Ok(json!({"kind": row.get::<_, String>(0)?, "state": row.get::<_, String>(1)?, "text": text.map(|t| crate::kernel::text::preview(&t, 60)), "typing": row.get::<_, bool>(3)?}))
                    })?
                    .collect::<Result<_, _>>()?,
                None => Vec::new(),
            };
            let typing = queued.iter().any(|row| row["state"] == "due") || connection.query_row("SELECT turn_due_at IS NOT NULL FROM conversation WHERE id = ?1", [id], |row| row.get::<_, bool>(0))?;
            let handler: String = connection.query_row("SELECT handler FROM conversation WHERE id = ?1", [id], |row| row.get(0))?;
            Ok(json!({"scenarios": scenarios, "bubbles": bubbles, "turn": turn, "queued": queued, "conversation_id": id, "typing": typing, "handler": handler}))
        })
        .await?;
    values["phone"] = json!(phone);
    values["floor"] = json!(app.settings().decimal("bot.confidence_floor") * 100.0);
    values["bot_on"] = json!(app.settings().on("bot.enabled"));
    Ok(values)
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Simulate).await?;
    let values = values(&app, &visitor).await?;
    Ok(visitor.page(200, "simulator.html", "simulator", values).await)
}

/// What the simulated phone sends.
#[derive(Deserialize)]
pub struct Write {
    csrf: String,
    text: String,
}

/// Writes as the customer, through our own webhook.
pub async fn write(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Write>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Simulate).await?;
    visitor.check(&headers, &sent.csrf)?;
    let text = crate::kernel::text::clean(sent.text.trim(), 4_000);
    if !text.is_empty() {
        let phone = phone_of(&app, &visitor).await?;
        let name = format!("{} (simulator)", visitor.session.user.name);
        let shared = Arc::clone(&app);
        let written = tokio::task::spawn_blocking(move || simulator::customer_writes(&shared, &phone, &name, &text)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(%error, "the simulator's message did not arrive");
            return Err(Refusal::Trouble(StoreError::Closed));
        }
    }
    Ok(see("/simulator#end"))
}

/// Starts over with a new number.
pub async fn reset(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<super::chats::Bare>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Simulate).await?;
    visitor.check(&headers, &form.csrf)?;
    let (actor, object) = (visitor.actor(), format!("simulator:{}", visitor.session.user.id));
    app.store.write(move |tx| tx.audit(&actor, "simulator.reset", &object, "")).await?;
    Ok(see("/simulator"))
}
