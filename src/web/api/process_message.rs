//! `POST /api/ai/process-message`: what the bot would say to a message, for callers who deliver the answer themselves.
//! With `dry_run` nothing is written; without it the exchange is recorded as if it had come over WhatsApp.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::bot::TurnContext;
use crate::chat::assignment;
use crate::chat::conversation::{self, Conversation};
use crate::chat::inbound::{self, Inbound, Party};
use crate::chat::inbox::Scope;
use crate::chat::intake::{self, Receipt, Rules};
use crate::chat::phase::Phase;
use crate::chat::turn::{self, Applied, Before, Decision, Delivery, Heard};
use crate::kernel::ids;
use crate::kernel::phone::Phone;
use crate::people::identity;
use crate::web::error::ApiError;
use crate::worker::turns::{self, Known};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The body. Unknown fields are left alone.
#[derive(Deserialize)]
pub struct Body {
    phone: Option<String>,
    message: String,
    conversation_id: Option<String>,
    current_phase: Option<String>,
    #[serde(default)]
    dry_run: bool,
    context_code: Option<String>,
}

/// A caller's message arriving while one is answered makes the answer start again; not for ever.
const MOST_ROUNDS: usize = 4;

/// The handler.
pub async fn post(State(app): State<Arc<App>>, caller: Caller, JsonBody(body): JsonBody<Body>) -> Result<Json<Value>, ApiError> {
    if let (Some(id), scope) = (body.conversation_id.as_deref().and_then(conversation::parse_id), caller.scope(&app))
        && scope != Scope::All
    {
        let holder = app.store.read(move |connection| assignment::holder(connection, id)).await?;
        if !scope.sees(holder.as_deref()) {
            return Err(ApiError::not_found("the conversation"));
        }
    }
    if body.message.trim().is_empty() || body.message.len() > crate::kernel::text::MAX_TEXT {
        return Err(ApiError::field("message", "message: 1 byte to 64 KiB of text"));
    }
    if let Some(phase) = &body.current_phase
        && !Phase::ALL.iter().any(|known| known.as_str() == phase)
    {
        return Err(ApiError::field("current_phase", "current_phase: leads, interest, booking or paid"));
    }
    let phone = match &body.phone {
        Some(text) => Some(Phone::parse(text).ok_or_else(|| ApiError::field("phone", "phone: a number such as 6281234567890"))?),
        None => None,
    };
    if body.dry_run { dry_run(app, body, phone).await } else { record(app, body, phone).await }
}

async fn dry_run(app: Arc<App>, body: Body, phone: Option<Phone>) -> Result<Json<Value>, ApiError> {
    let reading = Arc::clone(&app);
    let (context, conversation_id) = app
        .store
        .read(move |connection| -> Result<_, ApiError> {
            // an id the caller made up is not an error here: nothing is written
            let known = match body.conversation_id.as_deref().and_then(conversation::parse_id) {
                Some(id) => conversation::find(connection, id)?,
                None => None,
            };
            // another customer's chat is none of this caller's: the message is read as a stranger's
            let known = known.filter(|known| phone.as_ref().is_none_or(|phone| identity::is_of(connection, known.contact_id, phone).unwrap_or(false)));
            let met_before = known.is_some() || body.context_code.is_some() || body.current_phase.as_deref().is_some_and(|phase| phase != "leads");
            let mut conversation = known.unwrap_or_default();
            if let Some(phase) = &body.current_phase {
                conversation.phase = Phase::parse(phase);
            }
            if body.context_code.is_some() {
                conversation.package_code.clone_from(&body.context_code);
            }
            let heard = vec![Heard { id: 0, kind: "text".into(), text: Some(body.message), extra: None }];
            let context = turns::context(&reading, connection, &Known::at(&reading, connection)?, conversation, heard, Before { met: met_before, ..Before::default() })?;
            Ok((context, body.conversation_id))
        })
        .await?;
    let (_, decision) = turns::decided(&app, context, None).await?;
    Ok(Json(answer(&app, &decision, conversation_id)))
}

async fn record(app: Arc<App>, body: Body, phone: Option<Phone>) -> Result<Json<Value>, ApiError> {
    let given = body.conversation_id.as_deref().map(|id| conversation::parse_id(id).ok_or_else(|| ApiError::not_found("the conversation"))).transpose()?;
    if given.is_none() && phone.is_none() {
        return Err(ApiError::field("phone", "phone or conversation_id: whose message is this?"));
    }
    let session = app.settings().text("waha.session").to_owned();
    let (message, context_code) = (body.message, body.context_code);
    let id = app
        .store
        .write(move |tx| -> Result<i64, ApiError> {
            let known = match given {
                Some(id) => Some(conversation::find(tx, id)?.ok_or_else(|| ApiError::not_found("the conversation"))?),
                None => None,
            };
            if let (Some(known), Some(phone)) = (&known, &phone)
                && !identity::is_of(tx, known.contact_id, phone)?
            {
                return Err(ApiError::new(409, "other_contact", "this conversation is with another phone").about("phone"));
            }
            let (party, session) = address(tx, known.as_ref(), phone.as_ref(), &session)?;
            let wa_id = format!("API{}", ids::hex(&ids::random::<10>()).to_uppercase());
            let heard = inbound::Message {
                full_id: wa_id.clone(),
                wa_id,
                from_me: false,
                party,
                at: None,
                kind: "text",
                text: Some(crate::kernel::text::clean(&message, crate::kernel::text::MAX_TEXT)),
                file: None,
                reply_to: None,
                extra: None,
            };
            let raw = json!({"process_message": {"message": message}}).to_string();
            let delivery = inbound::Delivery { session, engine: None, event: "process-message".into(), what: Inbound::Message(Box::new(heard)) };
            let Receipt::Message { conversation_id, .. } = intake::take(tx, &delivery, raw.as_bytes(), Rules { quiet_ms: None, stale_after_ms: None })? else {
                return Err(ApiError::new(409, "duplicate", "this message is already stored"));
            };
            if let Some(code) = &context_code {
                tx.execute("UPDATE conversation SET package_code = ?2 WHERE id = ?1", (conversation_id, code)).map_err(crate::db::StoreError::from)?;
            }
            Ok(conversation_id)
        })
        .await?;
    // from here on the message is stored: it is answered also when the caller has gone
    let work = tokio::spawn(answered(app, id));
    work.await.unwrap_or_else(|_| Err(ApiError::new(500, "internal", "something went wrong here; it has been logged")))
}

/// Decides and writes the turn of a stored message.
async fn answered(app: Arc<App>, id: i64) -> Result<Json<Value>, ApiError> {
    for _ in 0..MOST_ROUNDS {
        let reading = Arc::clone(&app);
        let context: Option<TurnContext> = app
            .store
            .read(move |connection| -> Result<_, ApiError> {
                let Some(conversation) = conversation::find(connection, id)? else { return Ok(None) };
                let heard = turn::heard(connection, &conversation)?;
                let before = turn::replies(connection, id, 0)?;
                Ok(Some(turns::context(&reading, connection, &Known::at(&reading, connection)?, conversation, heard, before)?))
            })
            .await?;
        let context = context.ok_or_else(|| ApiError::not_found("the conversation"))?;
        let by_bot = context.conversation.by_bot;
        let (context, decision) = turns::decided(&app, context, Some(id)).await?;
        let floor = app.settings().decimal("bot.confidence_floor");
        let told = silent(&decision, &context.conversation);
        // what is written is what the caller is told
        let given_up = if by_bot { turn::given_up(&context.conversation, &context.heard, &decision, floor) } else { None };
        let decision = given_up.unwrap_or(decision);
        let apply = (context, decision.clone());
        let done = app.store.write(move |tx| turn::apply(tx, &apply.0.conversation, &apply.0.heard, &apply.1, Delivery::Caller, apply.0.catalog.generation, floor)).await?;
        match done {
            Applied::Said => return Ok(Json(answer(&app, &decision, Some(format!("conv_{id}"))))),
            Applied::Heard => return Ok(Json(told)), // also when a person took the chat while the bot thought
            Applied::Stale => {}
        }
    }
    Err(ApiError::new(503, "busy", "more messages kept arriving in this conversation; try again"))
}

/// The customer and the number of ours to record the message under.
fn address(tx: &crate::db::writer::Tx<'_>, known: Option<&Conversation>, phone: Option<&Phone>, session: &str) -> Result<(Party, String), ApiError> {
    if let Some(known) = known {
        let channel = crate::chat::channel::find(tx, known.channel_id)?.ok_or_else(|| ApiError::not_found("the conversation"))?;
        let digits = known.chat_id.split('@').next().unwrap_or("").to_owned();
        let is_lid = known.chat_id.ends_with("@lid");
        let party = Party { chat_id: known.chat_id.clone(), phone: if is_lid { None } else { Phone::from_digits(&digits) }, lid: is_lid.then_some(digits), push_name: None };
        return Ok((party, channel.session));
    }
    let phone = phone.ok_or_else(|| ApiError::field("phone", "phone: a number such as 6281234567890"))?;
    Ok((Party { chat_id: format!("{}@c.us", phone.as_str()), phone: Some(phone.clone()), lid: None, push_name: None }, session.to_owned()))
}

/// What a program hears of a chat a person handles: what was understood, and the phase it has come to.
fn silent(decision: &Decision, stands: &Conversation) -> Value {
    json!({
        "response_text": "", "media_to_send": [], "new_phase": decision.phase.max(stands.phase), "confidence": decision.confidence, "should_escalate": false, "silent": "a person handles this conversation",
        "conversation_id": format!("conv_{}", stands.id), "language": decision.spoken.unwrap_or(decision.language), "intents": decision.intents, "decided_by": decision.decided_by,
        "campaign_code": decision.scan.code, "codes_ignored": decision.scan.ignored, "code_suggest": decision.scan.suggest, "entities": decision.entities,
        "payment_intent": decision.payment_intent, "wants_human": decision.wants_human, "escalation_reason": null, "prompt_version": null,
    })
}

fn answer(app: &App, decision: &Decision, conversation_id: Option<String>) -> Value {
    let texts: Vec<&str> = decision.replies.iter().filter(|reply| reply.kind == "text").filter_map(|reply| reply.text.as_deref()).collect();
    let settings = app.settings();
    let base = match settings.text("server.public_url") {
        "" => app.listen.get().map_or(String::new(), |address| format!("http://{address}")),
        url => url.trim_end_matches('/').to_owned(),
    };
    let media: Vec<Value> = decision
        .replies
        .iter()
        .filter(|reply| reply.kind != "text")
        .map(|reply| match (reply.media_id, &reply.extra) {
            (Some(id), _) => json!({"type": reply.kind, "url": format!("{base}/media/{id}"), "caption": reply.text}),
            (None, extra) => json!({"type": reply.kind, "location": extra.as_ref().map(|extra| extra["location"].clone())}),
        })
        .collect();
    json!({
        "response_text": texts.join("\n\n"),
        "media_to_send": media,
        "new_phase": decision.phase,
        "confidence": (decision.confidence * 1000.0).round() / 1000.0,
        "should_escalate": decision.escalation.is_some(),
        "conversation_id": conversation_id,
        "language": decision.spoken.unwrap_or("id"),
        "reply_language": decision.language,
        "intents": decision.intents,
        "campaign_code": decision.scan.code,
        "codes_ignored": decision.scan.ignored,
        "code_suggest": decision.scan.suggest,
        "entities": decision.entities,
        "payment_intent": decision.payment_intent,
        "wants_human": decision.wants_human,
        "escalation_reason": decision.escalation.as_ref().map(|(reason, _)| reason.as_str()),
        "prompt_version": decision.prompt_version,
        "decided_by": decision.decided_by,
        "rule": decision.rule,
    })
}
