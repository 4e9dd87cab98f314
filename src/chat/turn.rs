//! The bot's one go at a conversation: what it loads before it decides, and how a decision is written.

use super::conversation::{self, Conversation};
use super::escalation::{self, Reason};
use super::message::{self, Author};
use super::outbox::{self, Outgoing, Priority};
use super::phase::{self, Phase};
use super::{objection, promise, satisfaction};
use crate::bot::fixed::{Fixed, fixed};
use crate::bot::flow::Place;
use crate::bot::promise::Promise;
use crate::bot::rules::words;
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::growth::lead;
use crate::kernel::json;
use crate::kernel::language::Language;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json};

/// A message of the customer that waits for an answer.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Row id.
    pub id: i64,
    /// Kind.
    pub kind: String,
    /// Words.
    pub text: Option<String>,
    /// Extras: attribution, reply id.
    pub extra: Option<Value>,
}

/// A message of before, in the same conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// The customer wrote it; else the agency.
    pub by_customer: bool,
    /// Its words.
    pub text: String,
}

/// Conversations whose quiet window is over.
pub fn due(connection: &Connection, process_ms: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
    let mut query = connection.prepare_cached("SELECT id FROM conversation WHERE turn_due_at IS NOT NULL AND turn_due_at <= ?1 ORDER BY turn_due_at LIMIT ?2")?;
    let rows = query.query_map((process_ms, limit as i64), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next turn is due.
pub fn next_due_at(connection: &Connection) -> Result<Option<i64>, StoreError> {
    Ok(connection.prepare_cached("SELECT min(turn_due_at) FROM conversation WHERE turn_due_at IS NOT NULL")?.query_row([], |row| row.get(0))?)
}

/// What the customer said since the bot's last turn, in the order it was written; at most the newest 30.
pub fn heard(connection: &Connection, conversation: &Conversation) -> Result<Vec<Heard>, StoreError> {
    // the index alone tells which messages are new; few of the 200 rows are read
    let mut newest = connection.prepare_cached("SELECT id FROM message WHERE conversation_id = ?1 ORDER BY at DESC, id DESC LIMIT 200")?;
    let mut message = connection.prepare_cached("SELECT id, kind, text, extra FROM message WHERE id = ?1 AND direction = 'in' AND revoked_at IS NULL AND kind <> 'call'")?;
    let new = conversation.answered_id + 1..=conversation.last_in_id.unwrap_or(0);
    let mut heard = Vec::new();
    let mut ids = newest.query([conversation.id])?;
    while let (Some(row), true) = (ids.next()?, heard.len() < 30) {
        let id: i64 = row.get(0)?;
        if new.contains(&id) {
            heard.extend(message.query_row([id], heard_of).optional()?);
        }
    }
    heard.reverse();
    Ok(heard)
}

fn heard_of(row: &Row<'_>) -> rusqlite::Result<Heard> {
    let extra: Option<String> = row.get(3)?;
    Ok(Heard { id: row.get(0)?, kind: row.get(1)?, text: row.get(2)?, extra: extra.and_then(|e| serde_json::from_str(&e).ok()) })
}

/// What the customer said between two messages: after `from_id`, up to `to_id`.
pub fn heard_between(connection: &Connection, conversation_id: i64, from_id: i64, to_id: i64) -> Result<Vec<Heard>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT id, kind, text, extra FROM message WHERE conversation_id = ?1 AND direction = 'in' AND id > ?2 AND id <= ?3 AND revoked_at IS NULL AND kind <> 'call' ORDER BY at, id LIMIT 30",
    )?;
    let rows = query.query_map((conversation_id, from_id, to_id), heard_of)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What was said before the messages heard now, oldest first, at most `limit` messages with words.
pub fn earlier(connection: &Connection, conversation: &Conversation, heard: &[Heard], limit: usize) -> Result<Vec<Said>, StoreError> {
    let first = heard.first().map_or(i64::MAX, |message| message.id);
    let mut query = connection.prepare_cached(
        "SELECT direction = 'in', text FROM message WHERE conversation_id = ?1 AND id < ?2 AND text IS NOT NULL AND revoked_at IS NULL ORDER BY at DESC, id DESC LIMIT ?3",
    )?;
    let rows = query.query_map((conversation.id, first, limit as i64), |row| Ok(Said { by_customer: row.get(0)?, text: row.get(1)? }))?;
    let mut said: Vec<Said> = rows.collect::<Result<_, _>>()?;
    said.reverse();
    Ok(said)
}

/// Takes a turn out of the line for `away_ms` while the model is asked. A newer message brings it back at once; so does a
/// start of the program.
pub fn set_aside(tx: &Tx<'_>, seen: &Conversation, away_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE conversation SET turn_due_at = ?2 WHERE id = ?1 AND turn_due_at <= ?3 AND last_in_id IS ?4 AND answered_id = ?5",
        (seen.id, tx.process_ms + away_ms, tx.process_ms, seen.last_in_id, seen.answered_id),
    )?;
    Ok(())
}

/// What the bot has said in a conversation so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Before {
    /// It has answered before.
    pub met: bool,
    /// How often of late.
    pub lately: i64,
    /// Its last answer was a list of packages to choose from.
    pub listed: bool,
    /// It was a word back to a nod, to thanks or to something noted, within the time asked about.
    pub nodded: bool,
}

/// Rules whose answer is a list of packages.
const LISTING: &[&str] = &["welcome", "wish", "preferences", "question_without_package"];
/// Rules that answer nods.
const NODDING: &[&str] = &["acknowledged", "thanks"];

/// Whether the bot has ever answered here, how often since `since_ms`, and with what at last.
pub fn replies(connection: &Connection, conversation_id: i64, since_ms: i64) -> Result<Before, StoreError> {
    let mut last = connection.prepare_cached("SELECT at, rule, escalation FROM turn WHERE conversation_id = ?1 ORDER BY id DESC LIMIT 1")?;
    let last: Option<(i64, bool, bool)> = last
        .query_row([conversation_id], |row| {
            let rule = row.get_ref(1)?.as_str().unwrap_or("");
            let alone = row.get_ref(2)? == rusqlite::types::ValueRef::Null;
            Ok((row.get(0)?, alone && LISTING.contains(&rule), alone && NODDING.contains(&rule)))
        })
        .optional()?;
    let Some((last, listed, nodded)) = last else { return Ok(Before::default()) };
    let before = Before { met: true, lately: 0, listed, nodded };
    if last < since_ms {
        return Ok(Before { nodded: false, ..before });
    }
    let mut count = connection.prepare_cached("SELECT count(*) FROM (SELECT at FROM turn WHERE conversation_id = ?1 ORDER BY id DESC LIMIT 1000) WHERE at >= ?2")?;
    Ok(Before { lately: count.query_row((conversation_id, since_ms), |row| row.get(0))?, ..before })
}

/// A code met in the customer's words or in the ad he came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Touch {
    /// Message it was in.
    pub message_id: i64,
    /// Which.
    pub code: String,
    /// `text`, `ad`, or `ignored` for valid codes after the first.
    pub via: &'static str,
    /// The ad's referral.
    pub detail: Option<Value>,
}

/// One message the bot wants to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// `text`, `image`, `document`, `location`, `video`.
    pub kind: &'static str,
    /// Words, as of now.
    pub text: Option<String>,
    /// Recipe to make the words again when it is sent.
    pub render: Option<String>,
    /// File.
    pub media_id: Option<i64>,
    /// Location.
    pub extra: Option<Value>,
    /// Row of `package_media`, for its statistics.
    pub package_media_id: Option<i64>,
}

/// What one turn came to. Made by `bot::decide`, written by [`apply`].
#[derive(Clone, Debug)]
pub struct Decision {
    /// What to say, in order.
    pub replies: Vec<Reply>,
    /// Phase afterwards (never behind the present one).
    pub phase: Phase,
    /// Message that moved the phase.
    pub trigger_message_id: Option<i64>,
    /// Package the chat is about from now on.
    pub package_code: Option<String>,
    /// Code the bot asks about.
    pub suggested_code: Option<String>,
    /// Campaigns met.
    pub touches: Vec<Touch>,
    /// A person is needed: why, and the question.
    pub escalation: Option<(Reason, String)>,
    /// The bot stops here and a person takes over.
    pub hand_over: bool,
    /// `rule`, `faq`, `flow`, `llm`, `fallback`.
    pub decided_by: &'static str,
    /// Name of the rule that won.
    pub rule: &'static str,
    /// 0 to 1.
    pub confidence: f64,
    /// Language of the reply, `id` or `en`.
    pub language: &'static str,
    /// Language of the customer's words; `None`: they do not tell.
    pub spoken: Option<&'static str>,
    /// Intent names, likeliest first.
    pub intents: Vec<&'static str>,
    /// Means to register or pay, or has paid.
    pub payment_intent: bool,
    /// Asks for a person.
    pub wants_human: bool,
    /// Said about the trip in this turn.
    pub entities: crate::bot::understand::entities::Entities,
    /// Campaign codes among the words.
    pub scan: crate::bot::code::Scan,
    /// Travellers, when known now.
    pub party_size: Option<i64>,
    /// Babies among them, as far as told.
    pub infants: i64,
    /// Month wanted, when known now.
    pub month: Option<String>,
    /// The customer wants no more messages.
    pub opt_out: bool,
    /// What was looked at, for "why?".
    pub trace: Value,
    /// Release of the prompt that was in force.
    pub prompt_version: Option<String>,
    /// The published question that was the answer.
    pub faq_id: Option<i64>,
    /// Package whose bundle this turn sends.
    pub bundle_code: Option<String>,
    /// Trials whose words this turn says, and the side.
    pub trials: Vec<(i64, crate::bot::wording::Side)>,
    /// Node of a keyword flow this turn came to.
    pub flow_node: Option<String>,
    /// Satisfaction told, one to five.
    pub rating: Option<i64>,
    /// Where the conversation stands in a flow afterwards.
    pub place: Option<Place>,
    /// What the customer said he would do.
    pub promise: Option<Promise>,
    /// What holds him back: price, family, compare, schedule, fear.
    pub objection: Option<&'static str>,
}

impl Decision {
    /// Whether the conversation stays where it stood in a flow: an answer of another rule leaves the customer there.
    pub fn stays_in_flow(&self) -> bool {
        self.decided_by != "flow" && self.flow_node.is_none() && !self.hand_over
    }
}

/// Turns in a row below the confidence floor after which the bot stops.
const LOW_CONFIDENCE_TURNS: i64 = 2;

/// Who brings the bot's words to the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Our own outbox.
    Queue,
    /// Whoever asked for the decision; the words are recorded as sent.
    Caller,
}

/// What a decision becomes when it is the second in a row below the floor; `None`: it stays as it is. What an unsure turn
/// would say and set is left out: the customer hears that a person takes over, and a person hears why.
pub fn given_up(conversation: &Conversation, heard: &[Heard], decision: &Decision, confidence_floor: f64) -> Option<Decision> {
    if decision.confidence >= confidence_floor || conversation.low_confidence + 1 < LOW_CONFIDENCE_TURNS {
        return None;
    }
    let question = match &decision.escalation {
        Some((_, question)) => question.clone(),
        None => heard.last().and_then(|message| message.text.clone()).unwrap_or_default(),
    };
    Some(Decision {
        replies: vec![words(fixed(Fixed::Human, Language::parse(decision.language)))],
        escalation: Some((Reason::LowConfidence, question)),
        hand_over: true,
        opt_out: false,
        bundle_code: None,
        trials: Vec::new(),
        faq_id: None,
        flow_node: None,
        place: None,
        ..decision.clone()
    })
}

/// What became of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The bot has answered.
    Said,
    /// A person has the chat: what was meant is written down, nothing is said.
    Heard,
    /// A newer message came meanwhile: nothing was written and the turn stays due.
    Stale,
}

/// Writes a decision made from `seen`.
pub fn apply(tx: &Tx<'_>, seen: &Conversation, heard: &[Heard], decision: &Decision, delivery: Delivery, generation: i64, confidence_floor: f64) -> Result<Applied, StoreError> {
    let Some(now) = conversation::again(tx, seen)? else { return Ok(Applied::Stale) };
    if now.last_in_id != seen.last_in_id || now.answered_id != seen.answered_id {
        return Ok(Applied::Stale);
    }
    let to_id = seen.last_in_id.unwrap_or(seen.answered_id);
    if !now.by_bot {
        listen(tx, &now, heard, decision)?;
        return Ok(Applied::Heard);
    }
    let unsure = decision.confidence < confidence_floor;
    let low = if unsure { now.low_confidence + 1 } else { 0 };
    let given_up = given_up(&now, heard, decision, confidence_floor);
    let decision = given_up.as_ref().unwrap_or(decision);
    let escalation = &decision.escalation;
    tx.prepare_cached(
        "INSERT INTO turn (conversation_id, at, from_id, to_id, decided_by, rule, confidence, language, intents, phase, escalation, trace, prompt_version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(rusqlite::params![
        seen.id,
        tx.now_ms,
        seen.answered_id,
        to_id,
        decision.decided_by,
        decision.rule,
        decision.confidence.clamp(0.0, 1.0),
        decision.language,
        json::text(&decision.intents),
        decision.phase.max(now.phase).as_str(),
        escalation.as_ref().map(|(reason, _)| reason.as_str()),
        (!decision.trace.is_null()).then(|| json::text(&decision.trace)),
        decision.prompt_version,
    ])?;
    let turn_id = tx.last_insert_rowid();
    let (first, last) = touch(tx, &now, &decision.touches)?;
    let code = decision.touches.iter().find(|touch| touch.via != "ignored").map(|touch| touch.code.as_str());
    let mut last_message = None;
    for reply in &decision.replies {
        let message_id = match delivery {
            Delivery::Queue => outbox::enqueue(
                tx,
                &Outgoing {
                    conversation_id: seen.id,
                    channel_id: now.channel_id,
                    author: Author::Bot,
                    kind: reply.kind,
                    text: reply.text.as_deref(),
                    media_id: reply.media_id,
                    extra: reply.extra.as_ref(),
                    render: reply.render.as_deref(),
                    generation: reply.render.as_ref().map(|_| generation),
                    turn_id: Some(turn_id),
                    campaign_code: code,
                    priority: Priority::Reply,
                },
            )?,
            Delivery::Caller => message::insert(
                tx,
                &message::New {
                    conversation_id: seen.id,
                    channel_id: now.channel_id,
                    wa_id: None,
                    author: Author::Bot,
                    kind: reply.kind,
                    text: reply.text.as_deref(),
                    status: "sent",
                    at: tx.now_ms,
                    media_id: reply.media_id,
                    reply_to: None,
                    extra: reply.extra.as_ref(),
                    turn_id: Some(turn_id),
                    campaign_code: code,
                },
            )?
            .ok_or(StoreError::Closed)?, // a row without an id has nothing to collide with
        };
        last_message = Some(message_id);
        if let Some(id) = reply.package_media_id {
            tx.execute("UPDATE package_media SET sent_count = sent_count + 1 WHERE id = ?1", [id])?;
            tx.audit("bot", "media.sent", &format!("package_media:{id}"), &json!({"conversation": seen.id, "media": reply.media_id}).to_string())?;
        }
    }
    // a nod that gets no word back waits for nobody
    let answered = decision.replies.iter().any(|reply| reply.kind == "text") || decision.rule == "acknowledged";
    tx.prepare_cached(
        "UPDATE conversation SET turn_due_at = NULL, turn_failures = 0, answered_id = ?2, package_code = ifnull(?3, package_code), suggested_code = ?4, party_size = ifnull(?5, party_size),
           month = ifnull(?6, month), language = ?7, low_confidence = ?8, first_code = ifnull(first_code, ?9), last_code = ifnull(?10, last_code),
           unread_count = CASE WHEN ?11 THEN 0 ELSE unread_count END, last_message_id = ifnull(?12, last_message_id), last_at = CASE WHEN ?12 IS NULL THEN last_at ELSE max(last_at, ?13) END,
           bundle_code = ifnull(?14, bundle_code), flow_place = ?15, infants = CASE WHEN ?5 IS NULL THEN infants ELSE ?16 END WHERE id = ?1",
    )?
    .execute(rusqlite::params![
        seen.id, to_id, decision.package_code, decision.suggested_code, decision.party_size, decision.month, decision.language, low, first, last,
        answered && escalation.is_none(),
        last_message,
        tx.now_ms,
        decision.bundle_code,
        decision.place.as_ref().map(json::text).or_else(|| now.flow_place.clone().filter(|_| decision.stays_in_flow())),
        decision.infants,
    ])?;
    if let Some(node) = &decision.flow_node {
        tx.count(format!("flow.{node}"), 1);
    }
    if let Some(score) = decision.rating {
        let last_heard = heard.last().map(|message| message.id);
        satisfaction::keep(tx, seen, turn_id, last_heard, score, heard.last().and_then(|message| message.text.as_deref()).unwrap_or(""))?;
    }
    if let Some(version) = &decision.prompt_version {
        let outcomes = [
            ("turns", true),
            ("asked", decision.decided_by == "llm"),
            ("escalated", escalation.is_some()),
            ("unsure", unsure),
            ("booked", decision.phase == Phase::Booking && now.phase < Phase::Booking),
        ];
        outcomes.iter().filter(|(_, holds)| *holds).for_each(|(what, _)| tx.count(format!("prompt.{version}.{what}"), 1));
    }
    if let Some(id) = decision.faq_id {
        super::faq::said(tx, id)?;
    }
    follow(tx, &now, heard, decision, first, Some(turn_id))?;
    for (experiment_id, side) in &decision.trials {
        super::experiment::shown(tx, *experiment_id, *side, now.contact_id, seen.id, turn_id)?;
    }
    if let Some((reason, question)) = escalation {
        escalation::raise(tx, seen.id, Some(turn_id), heard.last().map(|message| message.id), *reason, question)?;
    }
    if decision.hand_over {
        silence(tx, &now, "escalation")?;
    }
    Ok(Applied::Said)
}

/// What the customer's words change whoever answers them: phase, lead, promises, objections, no more messages.
fn follow(tx: &Tx<'_>, now: &Conversation, heard: &[Heard], decision: &Decision, first_code: Option<String>, turn_id: Option<i64>) -> Result<(), StoreError> {
    let last_heard = heard.last().map(|message| message.id);
    if decision.intents.contains(&"payment_done") && decision.promise.is_none() {
        promise::end(tx, now.id, Some("pay"), "kept")?;
    }
    if let Some(promise) = &decision.promise {
        promise::hear(tx, now.id, last_heard, promise)?;
    }
    if let Some(kind) = decision.objection {
        objection::hear(tx, now.id, last_heard, turn_id, kind, now.phase.as_str())?;
    }
    phase::advance(tx, now.id, now.phase, decision.phase, decision.trigger_message_id.or(now.last_in_id), decision.rule, "bot")?;
    // who is listened to is reported once; every message of his would be an alert
    if decision.payment_intent && (turn_id.is_some() || now.phase < Phase::Booking) {
        let report = lead::Report {
            conversation_id: Some(now.id),
            phase: decision.phase,
            package_code: decision.package_code.clone().or_else(|| now.package_code.clone()),
            source: first_code.or_else(|| now.first_code.clone()),
            summary: decision.escalation.as_ref().map(|(_, question)| question.clone()),
            confidence: Some(decision.confidence.clamp(0.0, 1.0)),
        };
        lead::report(tx, now.contact_id, "bot", &report)?;
    }
    if decision.opt_out {
        crate::people::contact::opt_out(tx, now.contact_id)?;
    }
    Ok(())
}

/// A person has the chat: the bot says nothing, but what the customer means is followed all the same. Who wants to pay or
/// complains is told of again, unless the person has answered already.
fn listen(tx: &Tx<'_>, now: &Conversation, heard: &[Heard], decision: &Decision) -> Result<(), StoreError> {
    let (first, last) = touch(tx, now, &decision.touches)?;
    tx.prepare_cached(
        "UPDATE conversation SET turn_due_at = NULL, turn_failures = 0, answered_id = ifnull(last_in_id, answered_id), package_code = ifnull(?2, package_code),
           party_size = ifnull(?3, party_size), month = ifnull(?4, month), first_code = ifnull(first_code, ?5), last_code = ifnull(?6, last_code), infants = CASE WHEN ?3 IS NULL THEN infants ELSE ?7 END WHERE id = ?1",
    )?
    .execute((now.id, &decision.package_code, decision.party_size, &decision.month, &first, &last, decision.infants))?;
    follow(tx, now, heard, decision, first, None)?;
    let urgent = decision.escalation.as_ref().filter(|(reason, _)| matches!(reason, Reason::PaymentIntent | Reason::Complaint));
    if let (Some((reason, question)), true) = (urgent, now.waiting_since_at.is_some())
        && !escalation::open(tx, now.id)?.iter().any(|(open, ..)| open == reason.as_str())
    {
        escalation::raise(tx, now.id, None, heard.last().map(|message| message.id), *reason, question)?;
    }
    Ok(())
}

/// The bot stops in a conversation and a person is awaited; its own last words still go out.
fn silence(tx: &Tx<'_>, conversation: &Conversation, reason: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE conversation SET handler = 'user', handler_at = ?2, waiting_since_at = ifnull(waiting_since_at, ?2) WHERE id = ?1", (conversation.id, tx.now_ms))?;
    tx.execute(
        "INSERT INTO handover (conversation_id, at, from_handler, to_handler, reason, waited_ms) VALUES (?1, ?2, 'bot', 'user', ?3, NULL)",
        (conversation.id, tx.now_ms, reason),
    )?;
    tx.audit("bot", "handover", &format!("conv_{}", conversation.id), &json!({"to": "user", "reason": reason}).to_string())?;
    tx.emit("conversation.updated", Some(conversation.id), json!({"handler": "user"}))
}

fn touch(tx: &Tx<'_>, conversation: &Conversation, touches: &[Touch]) -> Result<(Option<String>, Option<String>), StoreError> {
    let (mut first, mut last) = (None, None);
    for touch in touches {
        tx.prepare_cached("INSERT INTO touch (conversation_id, message_id, code, via, detail, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
            conversation.id,
            touch.message_id,
            &touch.code,
            touch.via,
            touch.detail.as_ref().map(Value::to_string),
            tx.now_ms,
        ))?;
        if touch.via == "ignored" {
            tx.count("codes.ignored", 1);
            continue;
        }
        crate::growth::campaign::met(tx, conversation.id, &touch.code, conversation.first_code.is_none())?;
        first.get_or_insert_with(|| touch.code.clone());
        last = Some(touch.code.clone());
    }
    Ok((first, last))
}

/// The turn broke: it is tried again after `retry_ms`; the second time a person gets the conversation.
pub fn broke(tx: &Tx<'_>, conversation_id: i64, cause: &str, retry_ms: i64) -> Result<(), StoreError> {
    let failures: i64 = tx.query_row(
        "UPDATE conversation SET turn_failures = turn_failures + 1, turn_due_at = ?2 WHERE id = ?1 RETURNING turn_failures",
        (conversation_id, tx.process_ms + retry_ms),
        |row| row.get(0),
    )?;
    if failures >= 2 {
        stop(tx, conversation_id, Reason::TurnFailed, cause)?;
    }
    Ok(())
}

/// Ends the bot's part in a conversation with an escalation; the customer is told that a person takes over.
pub fn stop(tx: &Tx<'_>, conversation_id: i64, reason: Reason, question: &str) -> Result<(), StoreError> {
    let Some(conversation) = conversation::find(tx, conversation_id)? else { return Ok(()) };
    tx.execute("UPDATE conversation SET turn_due_at = NULL, turn_failures = 0, answered_id = ifnull(last_in_id, answered_id) WHERE id = ?1", [conversation_id])?;
    escalation::raise(tx, conversation_id, None, conversation.last_in_id, reason, question)?;
    if conversation.by_bot {
        let lang = Language::parse(conversation.language.as_deref().unwrap_or("id"));
        outbox::say(tx, &conversation, Author::Bot, fixed(Fixed::Human, lang), Priority::Reply)?;
        silence(tx, &conversation, "escalation")?;
    }
    Ok(())
}

/// Who keeps writing is answered at the latest after this, ms: an answer that is ready then is not taken back any more.
const PATIENCE_MS: i64 = 10_000;

/// A newer message came before the answer went out: the answer is taken back and the turn covers both. What the turn had written
/// down of promises and objections goes with it; the next turn hears the same words again.
pub fn supersede(tx: &Tx<'_>, conversation_id: i64, message_id: i64, quiet_ms: i64) -> Result<bool, StoreError> {
    let turn: Option<(i64, i64)> =
        tx.query_row("SELECT t.id, t.from_id FROM message m JOIN turn t ON t.id = m.turn_id WHERE m.id = ?1", [message_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((turn_id, from_id)) = turn else { return Ok(false) };
    let begun: i64 =
        tx.query_row("SELECT count(*) FROM outbox o JOIN message m ON m.id = o.message_id WHERE m.turn_id = ?1 AND o.state NOT IN ('due', 'cancelled')", [turn_id], |row| {
            row.get(0)
        })?;
    if begun > 0 {
        return Ok(false); // half an answer is out: finish it
    }
    let waits_since: Option<i64> =
        tx.query_row("SELECT min(received_at) FROM message WHERE conversation_id = ?1 AND id > ?2 AND direction = 'in'", (conversation_id, from_id), |row| row.get(0))?;
    if waits_since.is_some_and(|since| tx.now_ms - since > PATIENCE_MS + quiet_ms) {
        return Ok(false);
    }
    outbox::cancel_bot_rows(tx, conversation_id, "superseded")?;
    tx.execute("DELETE FROM objection WHERE turn_id = ?1", [turn_id])?;
    promise::unhear(tx, conversation_id, from_id)?;
    tx.execute("UPDATE conversation SET answered_id = ?2, turn_due_at = ifnull(turn_due_at, ?3) WHERE id = ?1", (conversation_id, from_id, tx.process_ms + quiet_ms))?;
    tx.wake_turns();
    Ok(true)
}

/// After a start: due times beyond the longest quiet window come from a wrong clock, or were with the model when the program ended.
pub fn recover(tx: &Tx<'_>, quiet_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE conversation SET turn_due_at = ?1 WHERE turn_due_at IS NOT NULL AND turn_due_at > ?1 + ?2",
        (tx.process_ms, quiet_ms.max(500) * conversation::MOST_QUIET_WINDOWS),
    )?;
    tx.wake_turns();
    Ok(())
}
