//! Stores what a gateway told us: one transaction per delivery, idempotent by (channel, direction, bare id).

use super::conversation::{self, Conversation};
use super::inbound::{Ack, Delivery, Doing, Inbound, Message, Party};
use super::message::{self, Author, Known, New};
use super::{channel, early, handover, media, outbox};
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::date;
use crate::people::identity;
use crate::people::label_sync::{self, Click};
use serde_json::{Value, json};

/// What became of a delivery.
#[derive(Debug, PartialEq)]
pub enum Receipt {
    /// A message is stored (or an echo recognised).
    Message { wa_id: String, conversation_id: i64 },
    /// The same message came before; nothing new.
    Duplicate,
    /// It changed what we had.
    Updated,
    /// Nothing for us.
    Ignored(&'static str),
}

/// How to treat what comes in.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The bot's quiet window, or none while it is switched off.
    pub quiet_ms: Option<i64>,
    /// Pulled from history: messages older than this many ms are stored without a turn.
    pub stale_after_ms: Option<i64>,
}

/// Stores one delivery with the bytes it came in.
pub fn take(tx: &Tx<'_>, delivery: &Delivery, raw: &[u8], rules: Rules) -> Result<Receipt, StoreError> {
    if let Inbound::Ignored(reason) = delivery.what {
        tx.count(format!("ignored.{reason}"), 1);
        return Ok(Receipt::Ignored(reason));
    }
    if let Inbound::Typing { party, doing } = &delivery.what {
        return show_typing(tx, &delivery.session, party, *doing);
    }
    let channel_id = channel::ensure(tx, &delivery.session, delivery.engine.as_deref())?;
    match &delivery.what {
        Inbound::Message(message) => take_message(tx, channel_id, delivery, message, raw, rules),
        Inbound::Ack(ack) => take_ack(tx, channel_id, ack),
        Inbound::Reaction { target, target_from_me, from_me, emoji, at, .. } => {
            let (who, at) = (if *from_me { "me" } else { "customer" }, date::believable(*at, tx.now_ms));
            match find_either(tx, channel_id, *target_from_me, target)? {
                Some(known) => message::react(tx, &known, who, emoji.as_deref(), at)?,
                None => early::keep(tx, channel_id, target, "reaction", &json!({"who": who, "emoji": emoji, "at": at}))?,
            }
            Ok(Receipt::Updated)
        }
        Inbound::Edit { target, from_me, party, text, at } => {
            let at = date::believable(*at, tx.now_ms);
            match find_own(tx, channel_id, Some(*from_me), party.as_ref(), target)? {
                Found::Known(known) => message::edit(tx, &known, text.as_deref(), at)?,
                Found::SomebodyElses => return foreign(tx),
                Found::Nothing => early::keep(tx, channel_id, target, "edit", &json!({"text": text, "at": at, "from_me": from_me}))?,
            }
            Ok(Receipt::Updated)
        }
        Inbound::Revoke { target, from_me, party, at } => {
            let at = date::believable(*at, tx.now_ms);
            match find_own(tx, channel_id, *from_me, party.as_ref(), target)? {
                Found::Known(known) => message::revoke(tx, &known, at)?,
                Found::SomebodyElses => return foreign(tx),
                Found::Nothing => early::keep(tx, channel_id, target, "revoke", &json!({"at": at, "from_me": from_me}))?,
            }
            Ok(Receipt::Updated)
        }
        Inbound::LabelUpsert { label_id, name, color, color_hex } => {
            label_sync::upsert(tx, channel_id, label_id, name.as_deref(), *color, color_hex.as_deref())?;
            Ok(Receipt::Updated)
        }
        Inbound::LabelDeleted { label_id } => {
            label_sync::delete(tx, channel_id, label_id)?;
            Ok(Receipt::Updated)
        }
        Inbound::LabelChat { label_id, name, party, added, at, own } => {
            let contact_id = identity::resolve(tx, channel_id, party)?;
            let own = match own {
                Some(own) => Some(own.as_str().to_owned()),
                None => channel::find(tx, channel_id)?.and_then(|channel| channel.phone),
            };
            let click = Click {
                wa_id: label_id,
                name: name.as_deref(),
                contact_id,
                chat_id: &party.chat_id,
                added: *added,
                at: date::believable(*at, tx.now_ms),
                own_phone: own.as_deref(),
            };
            label_sync::record(tx, channel_id, &click)?;
            Ok(Receipt::Updated)
        }
        Inbound::Session { status, timelock, capping, phone, lid } => {
            let report = channel::Report { status, timelock: *timelock, capping: capping.as_deref(), phone: phone.as_ref(), lid: lid.as_deref() };
            channel::report(tx, channel_id, &report)?;
            Ok(Receipt::Updated)
        }
        Inbound::Call { id, party, video, at } => {
            let at = date::believable(*at, tx.now_ms);
            let (conversation, extra) = (locate(tx, channel_id, party, at)?, json!({"video": video}));
            let stored = message::insert(tx, &New { kind: "call", extra: Some(&extra), ..plain(&conversation, id, Author::Customer, at) })?;
            let Some(message_id) = stored else { return Ok(Receipt::Duplicate) };
            conversation::received(tx, &conversation, message_id, at, None)?;
            Ok(Receipt::Message { wa_id: id.clone(), conversation_id: conversation.id })
        }
        Inbound::PollVote { poll, options, .. } => {
            let Some(known) = message::by_wa_id(tx, channel_id, true, poll)? else { return Ok(Receipt::Ignored("unknown_poll")) };
            message::set_extra(tx, &known, "$.poll_vote", &json!(options))?;
            Ok(Receipt::Updated)
        }
        Inbound::Typing { .. } => Ok(Receipt::Ignored("presence")),
        Inbound::Ignored(reason) => Ok(Receipt::Ignored(reason)),
    }
}

/// Tells the open pages that a customer types; of strangers, who have no chat yet, there is nothing to show.
fn show_typing(tx: &Tx<'_>, session: &str, party: &Party, doing: Doing) -> Result<Receipt, StoreError> {
    tx.count("ignored.presence".to_owned(), 1);
    if let Some(channel) = channel::by_session(tx, session)?
        && let Some(contact_id) = identity::known(tx, channel.id, party)?
        && let Some(conversation_id) = conversation::of_contact(tx, channel.id, contact_id)?
    {
        tx.emit("presence", Some(conversation_id), json!({"actor": "customer", "state": doing.as_str()}))?;
    }
    Ok(Receipt::Ignored("presence"))
}

fn locate(tx: &Tx<'_>, channel_id: i64, party: &Party, at: i64) -> Result<Conversation, StoreError> {
    let contact_id = identity::resolve(tx, channel_id, party)?;
    conversation::open(tx, channel_id, contact_id, party, at)
}

fn plain<'a>(conversation: &Conversation, wa_id: &'a str, author: Author, at: i64) -> New<'a> {
    New {
        conversation_id: conversation.id,
        channel_id: conversation.channel_id,
        wa_id: Some(wa_id),
        author,
        kind: "text",
        text: None,
        status: if author == Author::Customer { "received" } else { "sent" },
        at,
        media_id: None,
        reply_to: None,
        extra: None,
        turn_id: None,
        campaign_code: None,
    }
}

fn take_message(tx: &Tx<'_>, channel_id: i64, delivery: &Delivery, inbound: &Message, raw: &[u8], rules: Rules) -> Result<Receipt, StoreError> {
    let at = date::believable(inbound.at, tx.now_ms);
    // a message of ours may be one we are sending; a customer's is told apart by the insert itself
    let known = if inbound.from_me || inbound.file.is_some() { message::by_wa_id(tx, channel_id, inbound.from_me, &inbound.wa_id)? } else { None };
    let awaited = known.as_ref().map_or(Ok(false), |known| message::is_undecrypted(tx, known.id))?;
    if let Some(known) = known.filter(|_| !awaited) {
        identity::resolve(tx, channel_id, &inbound.party)?; // a second delivery may show the other address
        if let Some(file) = &inbound.file {
            media::offer(tx, known.id, file)?; // and where its file is to be had
        }
        if inbound.from_me && matches!(known.status.as_str(), "queued" | "unknown") {
            message::apply_ack(tx, &known, &Ack { wa_id: inbound.wa_id.clone(), from_me: true, level: 1, cause: None, until: None })?;
            return Ok(Receipt::Message { wa_id: inbound.wa_id.clone(), conversation_id: known.conversation_id });
        }
        tx.count("duplicates", 1);
        return Ok(Receipt::Duplicate);
    }
    let conversation = locate(tx, channel_id, &inbound.party, at)?;
    if inbound.from_me
        && let Some(row) = outbox::in_flight_like(tx, conversation.id, inbound.kind, inbound.text.as_deref())?
    {
        outbox::accept(tx, row, Some(&inbound.wa_id))?; // the gateway named our message itself; this is its echo
        return Ok(Receipt::Message { wa_id: inbound.wa_id.clone(), conversation_id: conversation.id });
    }
    let media_id = match &inbound.file {
        Some(file) => Some(media::want(tx, channel_id, &inbound.party.chat_id, &inbound.full_id, file)?),
        None => None,
    };
    let author = if inbound.from_me { Author::Phone } else { Author::Customer };
    let new = New {
        kind: inbound.kind,
        text: inbound.text.as_deref(),
        media_id,
        reply_to: inbound.reply_to.as_deref(),
        extra: inbound.extra.as_ref(),
        ..plain(&conversation, &inbound.wa_id, author, at)
    };
    let stored = match message::insert(tx, &new)? {
        Some(message_id) => Some(message_id),
        None => message::fill(tx, &new)?,
    };
    let Some(message_id) = stored else {
        tx.count("duplicates", 1);
        return Ok(Receipt::Duplicate);
    };
    tx.prepare_cached("INSERT INTO webhook_raw (received_at, session, event, outcome, message_id, body) VALUES (?1, ?2, ?3, 'accepted', ?4, ?5)")?.execute((
        tx.now_ms,
        &delivery.session,
        &delivery.event,
        message_id,
        raw,
    ))?;
    let stale = rules.stale_after_ms.is_some_and(|limit| tx.now_ms - at > limit);
    if inbound.from_me {
        conversation::wrote(tx, conversation.id, message_id, at)?;
        if !stale {
            handover::to_person(tx, &conversation, None, "phone_reply")?;
            conversation::answered_by_person(tx, conversation.id, "phone")?;
        }
    } else {
        let undecrypted = inbound.extra.as_ref().is_some_and(|extra| extra["undecrypted"] == true);
        let quiet_ms = rules.quiet_ms.filter(|_| !stale && inbound.kind != "sticker" && !undecrypted);
        conversation::received(tx, &conversation, message_id, at, quiet_ms)?;
    }
    apply_early(tx, channel_id, &inbound.wa_id)?;
    Ok(Receipt::Message { wa_id: inbound.wa_id.clone(), conversation_id: conversation.id })
}

/// Applies what came before its message.
pub fn apply_early(tx: &Tx<'_>, channel_id: i64, wa_id: &str) -> Result<(), StoreError> {
    for (kind, detail) in early::take(tx, channel_id, wa_id)? {
        let Some(known) = find_either(tx, channel_id, true, wa_id)? else { continue };
        // what changes a message is its sender's word
        if detail["from_me"].as_bool().is_some_and(|from_me| from_me != known.is_ours) {
            foreign(tx)?;
            continue;
        }
        let at = detail["at"].as_i64().unwrap_or(tx.now_ms);
        match kind.as_str() {
            "ack" => {
                let ack =
                    Ack { wa_id: wa_id.to_owned(), from_me: true, level: detail["level"].as_i64().unwrap_or(0), cause: detail["cause"].as_str().map(str::to_owned), until: None };
                message::apply_ack(tx, &known, &ack)?;
            }
            "edit" => message::edit(tx, &known, detail["text"].as_str(), at)?,
            "revoke" => message::revoke(tx, &known, at)?,
            _ => message::react(tx, &known, detail["who"].as_str().unwrap_or("customer"), detail["emoji"].as_str(), at)?,
        }
    }
    Ok(())
}

/// A message that is to be changed by its sender.
enum Found {
    Known(Known),
    /// It is there, and he who wants to change it did not write it.
    SomebodyElses,
    Nothing,
}

/// The message that its sender edits or takes back: of his side (`from_me` none: the gateway does not say) and of his chat.
fn find_own(tx: &Tx<'_>, channel_id: i64, from_me: Option<bool>, party: Option<&Party>, wa_id: &str) -> Result<Found, StoreError> {
    let Some(known) = find_either(tx, channel_id, from_me == Some(true), wa_id)? else { return Ok(Found::Nothing) };
    if from_me.is_some_and(|from_me| from_me != known.is_ours) {
        return Ok(Found::SomebodyElses);
    }
    let Some(who) = party.map(|party| identity::known(tx, channel_id, party)).transpose()?.flatten() else { return Ok(Found::Known(known)) };
    let is_his = conversation::of_contact(tx, channel_id, who)?.is_none_or(|chat| chat == known.conversation_id);
    let writer = conversation::find(tx, known.conversation_id)?.map(|conversation| conversation.contact_id);
    // one of them known by his hidden id alone may be the other
    let both_known = || -> Result<bool, StoreError> { Ok(identity::has_phone(tx, who)? && writer.map_or(Ok(false), |writer| identity::has_phone(tx, writer))?) };
    Ok(if is_his || !both_known()? { Found::Known(known) } else { Found::SomebodyElses })
}

fn foreign(tx: &Tx<'_>) -> Result<Receipt, StoreError> {
    tx.count("ignored.foreign_change", 1);
    Ok(Receipt::Ignored("foreign_change"))
}

/// The side an engine reports for a reaction is from the reacting person's view and not always right: the bare id decides.
fn find_either(tx: &Tx<'_>, channel_id: i64, ours_first: bool, wa_id: &str) -> Result<Option<Known>, StoreError> {
    match message::by_wa_id(tx, channel_id, ours_first, wa_id)? {
        Some(known) => Ok(Some(known)),
        None => message::by_wa_id(tx, channel_id, !ours_first, wa_id),
    }
}

fn take_ack(tx: &Tx<'_>, channel_id: i64, ack: &Ack) -> Result<Receipt, StoreError> {
    if !ack.from_me {
        // another of our own devices read the customer's message
        if let (Some(known), true) = (message::by_wa_id(tx, channel_id, false, &ack.wa_id)?, ack.level >= 3) {
            conversation::mark_read(tx, known.conversation_id)?;
        }
        return Ok(Receipt::Updated);
    }
    if ack.cause.as_deref() == Some("timelock") {
        channel::lock_first_contacts(tx, channel_id, Some(ack.until.unwrap_or(tx.now_ms + 3_600_000)))?;
    }
    match message::by_wa_id(tx, channel_id, true, &ack.wa_id)? {
        Some(known) => message::apply_ack(tx, &known, ack)?,
        None => early::keep(tx, channel_id, &ack.wa_id, "ack", &json!({"level": ack.level, "cause": ack.cause, "rank": message::rank_of_ack(ack.level)}))?,
    }
    Ok(Receipt::Updated)
}

/// Drops raw bodies and orphans past their time, a bounded number at once.
pub fn prune(tx: &Tx<'_>, raw_days: i64, limit: usize) -> Result<usize, StoreError> {
    let before = tx.now_ms - raw_days * 86_400_000;
    let gone = tx
        .execute("DELETE FROM webhook_raw WHERE id IN (SELECT id FROM webhook_raw WHERE received_at < ?1 AND outcome = 'accepted' ORDER BY id LIMIT ?2)", (before, limit as i64))?;
    tx.execute("DELETE FROM early_event WHERE at < ?1", [tx.now_ms - early::KEEP_DAYS * 86_400_000])?;
    Ok(gone)
}

/// What a message carries besides words, for pages.
pub fn extra_of(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}
