//! `POST /api/whatsapp/webhook`: signature over the raw bytes, parse, one transaction, commit, then 200.
//! Nothing is kept "to be stored later".

use super::auth;
use crate::app::App;
use crate::chat::channel::SIMULATOR;
use crate::chat::inbound::Delivery;
use crate::chat::intake::{self, Receipt, Rules};
use crate::web::error::ApiError;
use crate::web::policy::Action;
use crate::wire::{plain, signature, waha};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Largest body (Reliability sheet §2).
pub const MAX_BODY: usize = 1 << 20;
/// Time for the body to arrive.
pub const BODY_TIME: Duration = Duration::from_secs(15);
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Deliveries waiting for their commit; one more gets 503.
const MAX_WAITING: u64 = 1_024;

/// How a delivery proved itself.
#[derive(Clone, Copy, PartialEq)]
enum Proof {
    /// The gateway's signature: what we cannot read is kept, never refused.
    Signature,
    /// A bearer token, or nothing at all on a loopback listener without a key.
    Caller,
}

/// The handler.
pub async fn receive(State(app): State<Arc<App>>, request: Request<Body>) -> Response {
    let answer = handle(&app, request).await;
    let (slot, response) = match answer {
        Ok((slot, body)) => (slot, Json(body).into_response()),
        Err(error) => {
            let response = error.into_response();
            (if response.status().is_server_error() { 5 } else { 4 }, response)
        }
    };
    app.counters.webhooks[slot].fetch_add(1, Ordering::Relaxed);
    response
}

async fn handle(app: &Arc<App>, request: Request<Body>) -> Result<(usize, Value), ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = read_body(body, MAX_BODY).await?;
    let proof = prove(app, &parts.headers, &bytes).await?;
    let settings = app.settings();
    let parsed = parse(&parts.headers, &bytes, &settings);
    let delivery = match parsed {
        Ok(delivery) => delivery,
        Err(refusal) if proof == Proof::Signature => return quarantine(app, bytes, refusal).await,
        Err(refusal) => return Err(refusal.error),
    };
    if app.counters.waiting.fetch_add(1, Ordering::AcqRel) >= MAX_WAITING {
        app.counters.waiting.fetch_sub(1, Ordering::AcqRel);
        return Err(ApiError::new(503, "busy", "too many deliveries are waiting; try again"));
    }
    let rules = Rules { quiet_ms: settings.on("bot.enabled").then(|| settings.int("bot.quiet_ms")), stale_after_ms: None };
    let stored = app.store.write(move |tx| intake::take(tx, &delivery, &bytes, rules)).await;
    app.counters.waiting.fetch_sub(1, Ordering::AcqRel);
    Ok(match stored? {
        Receipt::Message { wa_id, conversation_id } => (0, json!({"status": "accepted", "message_id": wa_id, "conversation_id": format!("conv_{conversation_id}")})),
        Receipt::Updated => (0, json!({"status": "accepted"})),
        Receipt::Duplicate => (1, json!({"status": "duplicate"})),
        Receipt::Ignored(reason) => (2, json!({"status": "ignored", "reason": reason})),
    })
}

/// What is read and thrown away of a body that is too large, so that its sender gets to hear why.
const DISCARD: usize = 16 << 20;

/// The whole body within `limit` bytes and [`BODY_TIME`].
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    tokio::time::timeout(BODY_TIME, collect(body, limit)).await.unwrap_or_else(|_| Err(ApiError::new(408, "body_timeout", "the body did not arrive within 15 seconds")))
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut whole = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(ApiError::new(400, "body_broken", "the body broke off")) };
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= limit {
            whole.extend_from_slice(&data);
        } else if seen > DISCARD {
            break;
        }
    }
    if seen > limit {
        return Err(ApiError::new(413, "body_too_large", format!("the body is larger than {limit} bytes")));
    }
    Ok(whole.freeze())
}

async fn prove(app: &App, headers: &HeaderMap, bytes: &[u8]) -> Result<Proof, ApiError> {
    let settings = app.settings();
    let key = settings.text("waha.hmac_key");
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let (Some(claimed), false) = (text("x-webhook-hmac"), key.is_empty()) {
        let algorithm = text("x-webhook-hmac-algorithm").unwrap_or("sha512");
        if algorithm.eq_ignore_ascii_case("sha512") && signature::is_valid_sha512(key, bytes, claimed) {
            return Ok(Proof::Signature);
        }
        return Err(ApiError::new(401, "bad_signature", "X-Webhook-Hmac is not the HMAC-SHA512 of this body under waha.hmac_key"));
    }
    if auth::bearer(headers).is_some() {
        auth::allowed(app, headers, Action::Deliver).await?;
        return Ok(Proof::Caller);
    }
    let loopback = app.listen.get().is_some_and(|address| address.ip().is_loopback());
    if key.is_empty() && loopback {
        return Ok(Proof::Caller);
    }
    Err(ApiError::new(401, "unsigned", "sign the body (X-Webhook-Hmac) or send a bearer token"))
}

/// Why a body was not taken, in the two forms it may be needed.
struct Refusal {
    error: ApiError,
    reason: &'static str,
    event: Option<String>,
    session: Option<String>,
}

fn parse(headers: &HeaderMap, bytes: &[u8], settings: &crate::db::setting::Settings) -> Result<Delivery, Refusal> {
    let refuse = |status, code, message: &str, reason| Refusal { error: ApiError::new(status, code, message), reason, event: None, session: None };
    let kind = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("application/json");
    if !kind.to_ascii_lowercase().split(';').next().unwrap_or("").trim().ends_with("json") {
        return Err(refuse(415, "not_json", "send the body as application/json", "content_type"));
    }
    if is_too_deep(bytes) {
        return Err(refuse(400, "too_deep", "the JSON is nested deeper than 64 levels", "too_deep"));
    }
    let body: Value = serde_json::from_slice(bytes).map_err(|_| refuse(400, "bad_json", "the body is not valid JSON", "json_syntax"))?;
    if !body.is_object() {
        return Err(refuse(422, "not_an_object", "the body must be a JSON object", "not_an_envelope"));
    }
    if plain::is_plain(&body) {
        let session = if settings.text("whatsapp.provider") == "simulator" { SIMULATOR } else { settings.text("waha.session") };
        return plain::parse(&body, session, settings.zone).map_err(|wrong| Refusal {
            error: ApiError::field(wrong.field, format!("{}: {}", wrong.field, wrong.wanted)),
            reason: "field_missing",
            event: None,
            session: None,
        });
    }
    waha::parse(&body).map_err(|why| {
        let name = |key: &str| body[key].as_str().map(|text| crate::kernel::text::cut(text, 64).to_owned());
        let reason = match why {
            waha::Unreadable::JsonSyntax => "json_syntax",
            waha::Unreadable::NotAnEnvelope => "not_an_envelope",
            waha::Unreadable::PayloadMissing => "payload_missing",
            waha::Unreadable::MessageIdMissing => "message_id_missing",
            waha::Unreadable::ChatIdMissing => "chat_id_missing",
            waha::Unreadable::FieldMissing => "field_missing",
        };
        Refusal { error: ApiError::new(422, reason, format!("this event cannot be read: {}", reason.replace('_', " "))), reason, event: name("event"), session: name("session") }
    })
}

/// Nesting deeper than [`MAX_DEPTH`], found without building anything.
fn is_too_deep(bytes: &[u8]) -> bool {
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_text = false,
            (false, b'"') => in_text = true,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

/// Authentic but unreadable: kept for a person, answered 200 so that the gateway does not repeat it.
async fn quarantine(app: &App, bytes: Bytes, refusal: Refusal) -> Result<(usize, Value), ApiError> {
    let reason = refusal.reason;
    app.store.write(move |tx| intake::quarantine(tx, refusal.event.as_deref(), refusal.session.as_deref(), reason, &bytes)).await?;
    Ok((3, json!({"status": "quarantined", "reason": reason})))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_text() {
        assert!(!is_too_deep("[".repeat(64).as_bytes()));
        assert!(is_too_deep("[".repeat(65).as_bytes()));
        let text = format!("{{\"a\":\"{}\\\"{}\"}}", "[".repeat(100), "{".repeat(100));
        assert!(!is_too_deep(text.as_bytes()));
    }
}
