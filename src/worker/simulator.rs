//! The built-in phone simulator: a customer's phone without WhatsApp. What the customer writes goes through our own
//! webhook over HTTP, signed like a gateway's; what we send comes back as receipts the same way.

use crate::app::App;
use crate::chat::channel::SIMULATOR;
use crate::chat::outbox::Item;
use crate::kernel::ids;
use crate::wire::client::{Call, NoAnswer};
use crate::wire::gateway::{Outbound, SendOutcome};
use crate::wire::signature;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// How long after a send the simulated phone reports "delivered" and "read".
const DELIVERED: Duration = Duration::from_millis(250);
const READ: Duration = Duration::from_millis(900);

/// Why a simulated message could not be brought to the webhook.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    /// Our own server did not answer.
    #[error("our own webhook did not answer: {0}")]
    NoAnswer(#[from] NoAnswer),
    /// It refused.
    #[error("our own webhook answered {0}")]
    Refused(u16),
}

/// Writes as a customer: posts a text from `phone` to our own webhook and returns its answer.
pub fn customer_writes(app: &App, phone: &str, name: &str, text: &str) -> Result<Value, SimulatorError> {
    let id = ids::message_id();
    let payload = json!({
        "id": format!("false_{phone}@c.us_{id}"), "timestamp": app.now_ms() / 1000, "from": format!("{phone}@c.us"), "fromMe": false, "source": "app",
        "body": text, "hasMedia": false, "media": null, "_data": {"notifyName": name, "type": "chat"},
    });
    post(app, "message.any", &payload)
}

fn post(app: &App, event: &str, payload: &Value) -> Result<Value, SimulatorError> {
    let envelope = json!({"id": format!("evt_{}", ids::hex(&ids::random::<13>())), "timestamp": app.now_ms(), "event": event, "session": SIMULATOR, "engine": "SIMULATOR", "payload": payload});
    let body = envelope.to_string();
    let Some(address) = app.listen.get() else { return Err(SimulatorError::NoAnswer(NoAnswer::SurelyNot("not_listening"))) };
    let url = format!("http://{address}/api/whatsapp/webhook");
    let settings = app.settings();
    let key = settings.text("waha.hmac_key");
    let signature = signature::sign_sha512(key, body.as_bytes());
    let signed = [("x-webhook-hmac", signature.as_str()), ("x-webhook-hmac-algorithm", "sha512")];
    let headers: &[(&str, &str)] = if key.is_empty() { &[] } else { &signed };
    let answer = app.http.call(&Call::new("POST", &url, headers, Some(body.as_bytes()), Duration::from_secs(10)))?;
    if answer.status == 200 { Ok(answer.json()) } else { Err(SimulatorError::Refused(answer.status)) }
}

/// Takes a message of ours: accepted at once, then delivered and read by way of the webhook.
pub fn deliver(app: &Arc<App>, item: &Item, outbound: &Outbound) -> SendOutcome {
    let wa_id = outbound.wa_id.clone().unwrap_or_else(ids::message_id);
    let (phone_reads, full) = (Arc::clone(app), format!("true_{}_{wa_id}", item.chat_id));
    let chat = item.chat_id.clone();
    let receipts = move || {
        for (wait, level) in [(DELIVERED, 2), (READ - DELIVERED, 3)] {
            std::thread::sleep(wait);
            let payload = json!({"id": full, "from": chat, "fromMe": true, "ack": level});
            if phone_reads.is_stopping() || post(&phone_reads, "message.ack", &payload).is_err() {
                return; // receipts may be missing on real phones, too
            }
        }
    };
    if app.settings().range_ms("queue.reply_gap_ms").1 > 0 || app.settings().on("queue.typing") {
        // a thread a message: fit for a person playing the phone, not for a load test
        let _ = std::thread::Builder::new().name("phone".into()).stack_size(256 * 1024).spawn(receipts);
    }
    SendOutcome::Accepted(Some(wa_id))
}
