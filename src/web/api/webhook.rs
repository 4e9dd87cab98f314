//! `POST /api/whatsapp/webhook`: signature over the raw bytes, parse, one transaction, commit, then 200.
//! Nothing is kept "to be stored later".

use super::{auth, body};
use crate::app::App;
use crate::chat::channel::SIMULATOR;
use crate::chat::inbound::Delivery;
use crate::chat::intake::{self, Receipt, Rules};
use crate::chat::quarantine;
use crate::kernel::json::without_lone_surrogates;
use crate::web::error::ApiError;
use crate::web::policy::Action;
use crate::wire::{plain, signature, waha};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use serde_json_borrow::Value as Borrowed;
use std::sync::Arc;
use std::sync::atomic::Ordering;

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
    crate::web::routes::caught(&app, answer(&app, request)).await
}

async fn answer(app: &Arc<App>, request: Request<Body>) -> Response {
    let answer = handle(app, request).await;
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
    let (parts, sent) = request.into_parts();
    crate::web::routes::one_host(&parts.headers)?;
    let bytes = body::read(sent).await?;
    let proof = prove(app, &parts.headers, &bytes).await?;
    let settings = app.settings();
    let parsed = parse(&parts.headers, &bytes, &settings);
    let delivery = match parsed {
        Ok(delivery) => delivery,
        Err(refusal) if proof == Proof::Signature => return put_aside(app, bytes, refusal).await,
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

async fn prove(app: &App, headers: &HeaderMap, bytes: &[u8]) -> Result<Proof, ApiError> {
    let settings = app.settings();
    let key = settings.text("waha.hmac_key");
    // a key that does not open is no missing key: nothing is let in unproven, and the gateway tries again
    if settings.sealed.contains(&"waha.hmac_key") {
        return Err(ApiError::new(503, "key_sealed", "waha.hmac_key was sealed with another secret.key: put that file back, or set the key again"));
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let (Some(claimed), false) = (text("x-webhook-hmac"), key.is_empty()) {
        let algorithm = text("x-webhook-hmac-algorithm").unwrap_or("sha512");
        if algorithm.eq_ignore_ascii_case("sha512") && signature::is_valid_sha512(key, bytes, claimed) {
            return Ok(Proof::Signature);
        }
        return Err(ApiError::new(401, "bad_signature", "X-Webhook-Hmac is not the HMAC-SHA512 of this body under waha.hmac_key"));
    }
    if auth::bearer(headers).is_some() {
        auth::allowed(app, &axum::http::Method::POST, headers, Action::Deliver).await?;
        return Ok(Proof::Caller);
    }
    let loopback = app.listen.get().is_some_and(|address| address.ip().is_loopback());
    if key.is_empty() && loopback {
        return Ok(Proof::Caller);
    }
    Err(ApiError::new(401, "unsigned", "sign the body (X-Webhook-Hmac) or send a bearer token"))
}

/// Reads a quarantined body again, by the rules of today.
///
/// Errors: the name of why it still cannot be read.
pub fn read_again(bytes: &[u8], settings: &crate::db::setting::Settings) -> Result<Delivery, &'static str> {
    parse(&HeaderMap::new(), bytes, settings).map_err(|refusal| refusal.reason)
}

/// Why a body was not taken, in the two forms it may be needed.
struct Refusal {
    error: ApiError,
    reason: &'static str,
    event: Option<String>,
    session: Option<String>,
}

/// A body as JSON that borrows its texts from the bytes.
fn read_json(bytes: &[u8]) -> serde_json::Result<Borrowed<'_>> {
    // checked as a whole, which is quicker than text by text; the slow way knows where in the body the fault is
    std::str::from_utf8(bytes).map_or_else(|_| serde_json::from_slice(bytes), serde_json::from_str)
}

fn parse(headers: &HeaderMap, bytes: &[u8], settings: &crate::db::setting::Settings) -> Result<Delivery, Refusal> {
    let refuse = |status, code, message: &str, reason| Refusal { error: ApiError::new(status, code, message), reason, event: None, session: None };
    body::check_json(headers, bytes).map_err(|error| Refusal { reason: error.code(), error, event: None, session: None })?;
    let mended;
    let read = match read_json(bytes) {
        Ok(body) => Ok(body),
        Err(error) => match without_lone_surrogates(bytes) {
            Some(whole) => {
                mended = whole;
                read_json(&mended)
            }
            None => Err(error),
        },
    };
    let body = read.map_err(|error| refuse(400, "bad_json", &format!("the body is not valid JSON (line {}, column {})", error.line(), error.column()), "json_syntax"))?;
    if !body.is_object() {
        return Err(refuse(422, "not_an_object", "the body must be a JSON object", "not_an_envelope"));
    }
    if plain::is_plain(&body) {
        let session = if settings.text("whatsapp.provider") == "simulator" { SIMULATOR } else { settings.text("waha.session") };
        return plain::parse(&body, session, settings.zone).map_err(|wrong| Refusal {
            error: ApiError::field(wrong.field, format!("{}: expected {}", wrong.field, wrong.wanted)),
            reason: "field_missing",
            event: None,
            session: None,
        });
    }
    waha::parse(&body).map_err(|why| {
        let name = |key: &str| body.get(key).as_str().map(|text| crate::kernel::text::cut(text, 64).to_owned());
        let reason = match why {
            waha::Unreadable::JsonSyntax => "json_syntax",
            waha::Unreadable::NotAnEnvelope => "not_an_envelope",
            waha::Unreadable::PayloadMissing => "payload_missing",
            waha::Unreadable::MessageIdMissing => "message_id_missing",
            waha::Unreadable::ChatIdMissing => "chat_id_missing",
            waha::Unreadable::FieldMissing => "field_missing",
            waha::Unreadable::WrongType(_) => "wrong_type",
        };
        let error = match why.field() {
            Some(field) => ApiError::new(422, reason, format!("this event cannot be read: {} ({field})", reason.replace('_', " "))).about(field),
            None => ApiError::new(422, reason, format!("this event cannot be read: {}", reason.replace('_', " "))),
        };
        Refusal { error, reason, event: name("event"), session: name("session") }
    })
}

/// Authentic but unreadable: kept for a person, answered 200 so that the gateway does not repeat it.
async fn put_aside(app: &App, bytes: Bytes, refusal: Refusal) -> Result<(usize, Value), ApiError> {
    let reason = refusal.reason;
    app.store.write(move |tx| quarantine::keep(tx, refusal.event.as_deref(), refusal.session.as_deref(), reason, &bytes)).await?;
    Ok((3, json!({"status": "quarantined", "reason": reason})))
}
