//! `POST /api/marketing/leads`: another program, or the bot elsewhere, reports a lead. Once a phone, whatever is sent twice.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::inbound::Party;
use crate::chat::phase::Phase;
use crate::growth::lead::{self, Report};
use crate::kernel::phone::Phone;
use crate::kernel::text;
use crate::people::contact::NameSource;
use crate::people::{contact, identity};
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use rusqlite::OptionalExtension;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The body. Unknown fields are left alone.
#[derive(Deserialize)]
pub struct Body {
    phone: String,
    name: Option<String>,
    phase: Option<String>,
    interested_package: Option<String>,
    conversation_summary: Option<String>,
    source: Option<String>,
    ai_confidence: Option<f64>,
}

/// Names other programs send when they know none.
const PLACEHOLDERS: &[&str] = &["from whatsapp", "whatsapp", "unknown", "customer", "-", "n/a"];

/// The handler.
pub async fn post(State(app): State<Arc<App>>, caller: Caller, JsonBody(body): JsonBody<Body>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let phone = Phone::parse(&body.phone).ok_or_else(|| ApiError::field("phone", "phone: a number such as 6281234567890"))?;
    let phase = match body.phase.as_deref() {
        None => Phase::Leads,
        Some(name) => *Phase::ALL.iter().find(|phase| phase.as_str() == name).ok_or_else(|| ApiError::field("phase", "phase: leads, interest, booking or paid"))?,
    };
    if body.ai_confidence.is_some_and(|confidence| !(0.0..=1.0).contains(&confidence)) {
        return Err(ApiError::field("ai_confidence", "ai_confidence: 0 to 1"));
    }
    let name = body.name.as_deref().and_then(text::clean_name).filter(|name| !PLACEHOLDERS.contains(&name.to_lowercase().as_str()));
    let short = |value: Option<String>| value.map(|value| text::clean(value.trim(), 500)).filter(|value| !value.is_empty());
    let session = app.settings().text("waha.session").to_owned();
    let (package, source, summary, confidence) = (short(body.interested_package), short(body.source), body.conversation_summary, body.ai_confidence);
    let (id, contact_id, conversation_id, new) = app
        .store
        .write(move |tx| -> Result<_, ApiError> {
            let channel_id = crate::chat::channel::ensure(tx, &session, None)?;
            let party = Party { chat_id: format!("{}@c.us", phone.as_str()), phone: Some(phone.clone()), lid: None, push_name: None };
            let contact_id = identity::resolve(tx, channel_id, &party)?;
            if let Some(name) = &name {
                contact::rename(tx, contact_id, name, NameSource::Import)?;
            }
            let conversation_id: Option<i64> = tx
                .prepare_cached("SELECT id FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL ORDER BY last_at DESC LIMIT 1")
                .map_err(crate::db::StoreError::from)?
                .query_row([contact_id], |row| row.get(0))
                .optional()
                .map_err(crate::db::StoreError::from)?;
            let report = Report { conversation_id, phase, package_code: package.clone(), source: source.clone(), summary: summary.clone(), confidence };
            let (id, new) = lead::report(tx, contact_id, &caller.actor, &report)?;
            Ok((id, contact_id, conversation_id, new))
        })
        .await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let conversation = conversation_id.map(|id| format!("conv_{id}"));
    Ok((status, Json(json!({"status": if new { "created" } else { "updated" }, "lead_id": id, "contact_id": contact_id, "conversation_id": conversation}))))
}
