//! WAHA webhook envelopes to our types. Lenient about what is unknown, strict about what we need.
//! Source: the WAHA docs (pages Events, Receive messages) and payloads of its engines WEBJS, WPP, NOWEB and GOWS.

use crate::chat::inbound::{Ack, Delivery, Doing, File, FileState, Inbound, Message, Party};
use crate::kernel::phone::Phone;
use crate::kernel::{date, text};
use serde_json::{Map, Value, json};
use serde_json_borrow::Value as Json;

/// Why an authentic body cannot be read; kept with the quarantined bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON.
    #[error("json_syntax")]
    JsonSyntax,
    /// Not an object, or without an event name.
    #[error("not_an_envelope")]
    NotAnEnvelope,
    /// The event came without its payload.
    #[error("payload_missing")]
    PayloadMissing,
    /// A message without usable id.
    #[error("message_id_missing")]
    MessageIdMissing,
    /// A message without a chat.
    #[error("chat_id_missing")]
    ChatIdMissing,
    /// Another field this event cannot do without.
    #[error("field_missing")]
    FieldMissing,
    /// A field that holds content, or says whose it is, has a type no engine sends: reading on would lose it.
    #[error("wrong_type")]
    WrongType(&'static str),
}

impl Unreadable {
    /// The field at fault, where it is known.
    pub fn field(self) -> Option<&'static str> {
        match self {
            Self::JsonSyntax => None,
            Self::NotAnEnvelope => Some("event"),
            Self::PayloadMissing | Self::FieldMissing => Some("payload"),
            Self::MessageIdMissing => Some("payload.id"),
            Self::ChatIdMissing => Some("payload.from"),
            Self::WrongType(field) => Some(field),
        }
    }
}

/// A value inside a body, borrowed from its bytes: a delivery is read and forgotten, so nothing of it is copied.
type Field<'a> = &'a Json<'a>;

/// What kind of chat an address names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chat {
    Direct,
    Ignored(&'static str),
}

/// Reads one envelope that has already been parsed as JSON.
pub fn parse(envelope: Field<'_>) -> Result<Delivery, Unreadable> {
    let event = envelope.get("event").as_str().ok_or(Unreadable::NotAnEnvelope)?;
    let session = match envelope.get("session") {
        Json::Null => "default",
        Json::Str(session) => session,
        _ => return Err(Unreadable::WrongType("session")),
    };
    if !is_session_name(session) {
        return Err(Unreadable::WrongType("session"));
    }
    let payload = envelope.get("payload");
    let own = Own::of(envelope.get("me"));
    let what = match event {
        "message" | "message.any" => message(object(payload)?, &own)?,
        // content not decrypted yet; the message itself follows under the same id
        "message.waiting" => Inbound::Ignored("waiting"),
        "message.ack" => ack(object(payload)?)?,
        "message.ack.group" => Inbound::Ignored("group"),
        "message.reaction" => reaction(object(payload)?, &own)?,
        "message.edited" => edited(object(payload)?, &own)?,
        "message.revoked" => revoked(object(payload)?, &own)?,
        "session.status" => session_status(object(payload)?, envelope.get("me"))?,
        "label.upsert" => label_upsert(object(payload)?)?,
        "label.deleted" => Inbound::LabelDeleted { label_id: id_text(payload.get("id")).ok_or(Unreadable::FieldMissing)? },
        "label.chat.added" => label_chat(object(payload)?, true, envelope, &own)?,
        "label.chat.deleted" => label_chat(object(payload)?, false, envelope, &own)?,
        "call.received" => call(object(payload)?, &own)?,
        "call.accepted" | "call.rejected" => Inbound::Ignored("call_progress"),
        "poll.vote" => poll_vote(object(payload)?, &own)?,
        "presence.update" => presence(object(payload)?, &own)?,
        _ if event.starts_with("group.") => Inbound::Ignored("group"),
        _ => Inbound::Ignored("unknown_event"),
    };
    let engine = envelope.get("engine").as_str().or(envelope.get("environment").get("engine").as_str());
    Ok(Delivery { session: session.to_owned(), event: text::cut(event, 64).to_owned(), engine: engine.map(|e| text::cut(e, 32).to_owned()), what })
}

/// A name WAHA gives a session: it stands in addresses we ask of the gateway.
fn is_session_name(name: &str) -> bool {
    (1..=54).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Our own number as the envelope tells it. An address beside a customer's that is ours says nothing of the customer.
#[derive(Default)]
struct Own {
    phone: Option<Phone>,
    lid: Option<String>,
}

impl Own {
    fn of(me: Field<'_>) -> Self {
        Self { phone: phone_of(me.get("id").as_str()), lid: lid_of(me.get("lid").as_str()) }
    }

    fn is(&self, address: &str) -> bool {
        let phone = self.phone.is_some() && phone_of(Some(address)) == self.phone;
        phone || self.lid.is_some() && lid_of(Some(address)) == self.lid
    }
}

fn object(payload: Field<'_>) -> Result<Field<'_>, Unreadable> {
    if payload.is_object() { Ok(payload) } else { Err(Unreadable::PayloadMissing) }
}

/// `{fromMe}_{chatId}_{bareId}` or with `_{participant}`: the third part. A bare id stays as it is.
pub fn bare_id(full: &str) -> &str {
    let mut parts = full.splitn(4, '_');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("true" | "false"), Some(_), Some(bare)) if !bare.is_empty() => bare,
        _ => full,
    }
}

fn kind_of_chat(chat_id: &str) -> Chat {
    match chat_id.rsplit_once('@') {
        Some((user, "c.us" | "s.whatsapp.net")) => {
            // other servers (bots, hosted numbers) are rewritten to @c.us: believe plausible numbers only
            let user = user.split(':').next().unwrap_or(user);
            if user == "0" || Phone::from_digits(user).is_none() { Chat::Ignored("system") } else { Chat::Direct }
        }
        Some((_, "lid")) if lid_of(Some(chat_id)).is_some() => Chat::Direct,
        Some((_, "g.us")) => Chat::Ignored("group"),
        Some(("status", "broadcast")) => Chat::Ignored("status"),
        Some((_, "broadcast")) => Chat::Ignored("broadcast"),
        Some((_, "newsletter")) => Chat::Ignored("newsletter"),
        _ => Chat::Ignored("system"),
    }
}

fn phone_of(address: Option<&str>) -> Option<Phone> {
    let (user, server) = address?.rsplit_once('@')?;
    let user = user.split(':').next().unwrap_or(user);
    matches!(server, "c.us" | "s.whatsapp.net").then(|| Phone::from_digits(user)).flatten()
}

/// Digits of a LID address; devices (`:12`) are dropped.
pub fn lid_of(address: Option<&str>) -> Option<String> {
    let (user, server) = address?.rsplit_once('@')?;
    let user = user.split(':').next().unwrap_or(user);
    (server == "lid" && (5..=20).contains(&user.len()) && user.bytes().all(|b| b.is_ascii_digit())).then(|| user.to_owned())
}

/// The customer of a direct chat, from its address and the other addresses the engine may give beside it.
fn party(chat_id: &str, payload: Field<'_>, from_me: bool, own: &Own) -> Party {
    let data = payload.get("_data");
    let (key, info) = (data.get("key"), data.get("Info"));
    let beside = if from_me { [info.get("RecipientAlt"), data.get("RecipientAlt")] } else { [info.get("SenderAlt"), data.get("SenderAlt")] };
    let own_device_reads = !from_me && data.get("MessageIDs").is_array(); // a receipt of our own phone: its Alt is ours
    // the sender of what we wrote is us
    let mut others: Vec<Option<&str>> = vec![key.get("remoteJidAlt").as_str(), key.get("senderPn").as_str().filter(|_| !from_me)];
    // id and sides may name the chat in its two forms; of a message of ours one side is us, and unless we know which, neither counts
    let is_known = own.phone.is_some() && own.lid.is_some();
    if !from_me || is_known {
        others.push(payload.get("from").as_str());
    }
    if from_me && is_known {
        others.push(payload.get("to").as_str());
    }
    if !own_device_reads {
        others.extend(beside.iter().map(|v| v.as_str()));
        // receipts for our messages carry the customer as their sender
        others.push(data.get("SenderAlt").as_str().filter(|_| from_me && data.get("MessageIDs").is_array()));
    }
    others.push(data.get("CallCreatorAlt").as_str());
    let addresses = || std::iter::once(Some(chat_id)).chain(others.iter().copied().filter(|other| other.is_none_or(|address| !own.is(address))));
    let push = [data.get("notifyName"), data.get("pushName"), info.get("PushName")];
    let push_name = if from_me { None } else { push.iter().find_map(|v| v.as_str()).and_then(text::clean_name) };
    let chat_id = match phone_of(Some(chat_id)) {
        Some(phone) => format!("{}@c.us", phone.as_str()),
        None => lid_of(Some(chat_id)).map_or_else(|| chat_id.to_owned(), |lid| format!("{lid}@lid")),
    };
    Party { phone: addresses().find_map(phone_of), lid: addresses().find_map(lid_of), chat_id, push_name }
}

/// Whether a message's id can be one: named in addresses, files and exports.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 512 && !id.contains(char::is_control)
}

/// The other side of a personal chat, from its address alone.
pub fn party_of(chat: &str) -> Party {
    party(chat, &Json::Null, false, &Own::default())
}

/// A chat's address as we write it: `…@s.whatsapp.net` is `…@c.us`.
pub fn plain_chat(chat: &str) -> String {
    party_of(chat).chat_id
}

fn is_from_me(payload: Field<'_>) -> bool {
    payload.get("fromMe").as_bool().unwrap_or_else(|| payload.get("fromMe").as_i64() == Some(1))
}

/// The address of the chat. On WEBJS and WPP a message of ours names the customer in `to`; the id always names the chat.
fn chat_of<'a>(payload: Field<'a>, from_me: bool, own: &Own) -> Option<&'a str> {
    let id = payload.get("id").as_str().unwrap_or("");
    let mut parts = id.splitn(4, '_');
    let by_id = (parts.next().is_some_and(|p| p == "true" || p == "false")).then(|| parts.next()).flatten();
    let (from, to) = (payload.get("from").as_str(), payload.get("to").as_str());
    let webjs_style = from_me && to.is_some() && (payload.get("_data").get("id").is_object() || from.is_some_and(|from| own.is(from)));
    let chat = if webjs_style { to } else { by_id.filter(|chat| chat.contains('@')).or(from) };
    chat.filter(|chat| !chat.is_empty())
}

/// Refuses a message whose content, time or sides have a type that reading would drop without a word.
fn check_types(payload: Field<'_>) -> Result<(), Unreadable> {
    let text = |value: Field<'_>| value.is_null() || value.is_string();
    let wrong = [
        ("payload.body", text(payload.get("body"))),
        ("payload.from", text(payload.get("from"))),
        ("payload.to", text(payload.get("to"))),
        ("payload.fromMe", matches!(payload.get("fromMe"), Json::Null | Json::Bool(_)) || matches!(payload.get("fromMe").as_i64(), Some(0 | 1))),
        ("payload.timestamp", matches!(payload.get("timestamp"), Json::Null | Json::Number(_) | Json::Str(_))),
    ];
    wrong.iter().find(|(_, fits)| !fits).map_or(Ok(()), |(field, _)| Err(Unreadable::WrongType(field)))
}

fn message(payload: Field<'_>, own: &Own) -> Result<Inbound, Unreadable> {
    check_types(payload)?;
    let from_me = is_from_me(payload);
    let full_id = payload.get("id").as_str().filter(|id| is_id(id)).ok_or(Unreadable::MessageIdMissing)?;
    let chat_id = chat_of(payload, from_me, own).filter(|chat| chat.len() <= 128).ok_or(Unreadable::ChatIdMissing)?;
    let data = payload.get("_data");
    for address in [Some(chat_id), data.get("key").get("remoteJid").as_str(), data.get("Info").get("Chat").as_str()].into_iter().flatten() {
        if let Chat::Ignored(reason) = kind_of_chat(address) {
            return Ok(Inbound::Ignored(reason));
        }
    }
    let content = unwrap_content(if data.get("message").is_object() { data.get("message") } else { data.get("Message") });
    let body = payload.get("body").as_str();
    let file = file_of(payload, content);
    let kind = match kind_of(payload, data, content, file.as_ref()) {
        Ok(kind) => kind,
        Err(reason) => return Ok(Inbound::Ignored(reason)),
    };
    if own.is(chat_id) {
        return Ok(Inbound::Ignored("self")); // notes to oneself
    }
    let location = payload.get("location");
    let mut extra = Map::new();
    if location.is_object() {
        let number = |v: Field<'_>| v.as_f64().or_else(|| v.as_str()?.trim().parse().ok()).filter(|n| n.is_finite());
        extra.insert(
            "location".into(),
            json!({"latitude": number(location.get("latitude")), "longitude": number(location.get("longitude")),
                   "name": location.get("name").as_str().or(location.get("description").as_str()).map(|n| text::clean(n, 1024))}),
        );
    }
    let mut cards: Vec<Value> = payload.get("vCards").as_array().into_iter().flatten().filter_map(|card| vcard(card.as_str()?)).collect();
    if cards.is_empty() {
        let many = content.get("contactsArrayMessage").get("contacts").as_array().into_iter().flatten();
        cards = std::iter::once(content.get("contactMessage")).chain(many).filter_map(|card| vcard(card.get("vcard").as_str()?)).collect();
    }
    if !cards.is_empty() {
        extra.insert("vcards".into(), cards.into());
    }
    // not decrypted yet (NOWEB's CIPHERTEXT): the same id may come again with its content
    if kind == "unknown" && data.get("messageStubType").as_i64() == Some(2) {
        extra.insert("undecrypted".into(), true.into());
    }
    if let Some(id) = reply_id(content) {
        extra.insert("reply_id".into(), text::clean(id, 256).into());
    }
    if let Some(ad) = attribution(content) {
        extra.insert("attribution".into(), ad);
    }
    let has_words = !matches!(kind, "location" | "contact" | "view_once");
    Ok(Inbound::Message(Box::new(Message {
        wa_id: bare_id(full_id).to_owned(),
        full_id: full_id.to_owned(),
        from_me,
        party: party(chat_id, payload, from_me, own),
        at: instant(payload.get("timestamp")),
        kind,
        text: body.filter(|_| has_words).map(|b| text::clean(b, text::MAX_TEXT)).filter(|b| !b.trim().is_empty()),
        file,
        reply_to: payload.get("replyTo").get("id").as_str().map(|id| bare_id(id).to_owned()),
        extra: (!extra.is_empty()).then_some(Value::Object(extra)),
    })))
}

/// Seconds, milliseconds, or either as text.
fn instant(value: Field<'_>) -> Option<i64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).and_then(date::unix_to_ms)
}

/// Takes the wrappers off: disappearing, view-once, document-with-caption, album children.
fn unwrap_content(mut content: Field<'_>) -> Field<'_> {
    const WRAPPERS: &[&str] =
        &["ephemeralMessage", "viewOnceMessage", "viewOnceMessageV2", "viewOnceMessageV2Extension", "documentWithCaptionMessage", "associatedChildMessage", "deviceSentMessage"];
    for _ in 0..4 {
        match WRAPPERS.iter().map(|name| content.get(*name).get("message")).find(|inner| inner.is_object()) {
            Some(inner) => content = inner,
            None => break,
        }
    }
    content
}

/// Content keys of the socket engines and what they are to us.
const CONTENT_KINDS: &[(&str, &str)] = &[
    ("conversation", "text"),
    ("extendedTextMessage", "text"),
    ("imageMessage", "image"),
    ("videoMessage", "video"),
    ("ptvMessage", "video"),
    ("documentMessage", "document"),
    ("stickerMessage", "sticker"),
    ("locationMessage", "location"),
    ("liveLocationMessage", "location"),
    ("contactMessage", "contact"),
    ("contactsArrayMessage", "contact"),
    ("buttonsResponseMessage", "button_reply"),
    ("templateButtonReplyMessage", "button_reply"),
    ("interactiveResponseMessage", "button_reply"),
    ("listResponseMessage", "list_reply"),
];

/// The kind of a message, or why it is none.
fn kind_of(payload: Field<'_>, data: Field<'_>, content: Field<'_>, file: Option<&File>) -> Result<&'static str, &'static str> {
    let once = [data.get("key").get("isViewOnce"), data.get("IsViewOnce"), data.get("isViewOnce")].iter().any(|v| v.as_bool() == Some(true));
    if once && file.is_none() {
        return Ok("view_once");
    }
    if payload.get("location").is_object() {
        return Ok("location");
    }
    if let Some(content) = content.as_object().filter(|c| !c.is_empty()) {
        let audio = content.get("audioMessage");
        if let Some(audio) = audio {
            let spoken = [audio.get("ptt"), audio.get("PTT")].iter().any(|v| v.as_bool() == Some(true));
            return Ok(if spoken { "voice" } else { "audio" });
        }
        if let Some((_, kind)) = CONTENT_KINDS.iter().find(|(key, _)| content.contains_key(key)) {
            return Ok(kind);
        }
        if content.keys().any(|key| key.starts_with("pollCreationMessage")) {
            return Ok("poll");
        }
        // changes to other messages, keys, headers: what matters of them comes as an event of its own
        const SILENT: &[&str] = &[
            "protocolMessage",
            "secretEncryptedMessage",
            "senderKeyDistributionMessage",
            "fastRatchetKeySenderKeyDistributionMessage",
            "messageContextInfo",
            "encReactionMessage",
            "reactionMessage",
            "editedMessage",
            "pinInChatMessage",
            "keepInChatMessage",
            "pollUpdateMessage",
            "albumMessage",
        ];
        if content.keys().all(|key| SILENT.contains(&key)) {
            return Err("protocol");
        }
    }
    match data.get("type").as_str() {
        Some("chat") => return Ok("text"),
        Some("image") => return Ok("image"),
        Some("video") => return Ok("video"),
        Some("ptt") => return Ok("voice"),
        Some("audio") => return Ok("audio"),
        Some("document") => return Ok("document"),
        Some("sticker") => return Ok("sticker"),
        Some("location") => return Ok("location"),
        Some("vcard" | "multi_vcard") => return Ok("contact"),
        Some("poll_creation") => return Ok("poll"),
        Some("buttons_response" | "template_button_reply" | "interactive_response") => return Ok("button_reply"),
        Some("list_response") => return Ok("list_reply"),
        Some("ciphertext") => return Err("waiting"),
        Some("revoked") => return Err("protocol"),
        Some("e2e_notification" | "notification" | "notification_template" | "gp2" | "call_log" | "protocol" | "broadcast_notification") => return Err("system"),
        _ => {}
    }
    if let Some(file) = file {
        return Ok(match file.mime.split('/').next() {
            Some("image") => "image",
            Some("video") => "video",
            Some("audio") => "voice",
            _ => "document",
        });
    }
    if payload.get("vCards").as_array().is_some_and(|cards| !cards.is_empty()) {
        return Ok("contact");
    }
    Ok(if payload.get("body").as_str().is_some_and(|b| !b.is_empty()) { "text" } else { "unknown" })
}

fn file_of(payload: Field<'_>, content: Field<'_>) -> Option<File> {
    let media = payload.get("media");
    let has = payload.get("hasMedia").as_bool() == Some(true);
    if !media.is_object() && !has {
        return None;
    }
    let inner = ["imageMessage", "videoMessage", "ptvMessage", "audioMessage", "documentMessage", "stickerMessage"].iter().map(|key| content.get(*key)).find(|v| v.is_object());
    let claimed = media.get("mimetype").as_str().or_else(|| inner?.get("mimetype").as_str()).or(payload.get("_data").get("mimetype").as_str());
    let mime = claimed.unwrap_or("application/octet-stream").split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let url = media.get("url").as_str().filter(|url| !url.is_empty() && url.len() <= 4096).map(str::to_owned);
    let state = match (&url, media.get("error").is_null()) {
        (_, false) => FileState::Failed,
        (Some(_), true) => FileState::Ready,
        (None, true) => FileState::Missing,
    };
    let url = url.filter(|_| state == FileState::Ready);
    Some(File { state, url, mime: text::cut(&mime, 128).to_owned(), name: media.get("filename").as_str().and_then(text::clean_name) })
}

fn reply_id(content: Field<'_>) -> Option<&str> {
    let (buttons, template, list) = (content.get("buttonsResponseMessage"), content.get("templateButtonReplyMessage"), content.get("listResponseMessage").get("singleSelectReply"));
    [buttons.get("selectedButtonId"), buttons.get("selectedButtonID"), template.get("selectedId"), template.get("selectedID"), list.get("selectedRowId"), list.get("selectedRowID")]
        .iter()
        .find_map(|v| v.as_str())
}

/// The ad a first message came from; every field may be missing.
fn attribution(content: Field<'_>) -> Option<Value> {
    let context =
        content.as_object()?.values().map(|part| part.get("contextInfo")).find(|c| c.get("externalAdReply").is_object() || c.get("entryPointConversionSource").is_string())?;
    let ad = context.get("externalAdReply");
    let first = |names: [&str; 2]| names.iter().find_map(|n| ad.get(*n).as_str()).map(|v| text::clean(v, 2048));
    if ad.get("sourceType").is_null() && context.get("entryPointConversionSource").as_str().is_none_or(|s| !s.contains("ad")) {
        return None; // a shared link preview is no ad
    }
    Some(json!({
        "source_type": ad.get("sourceType").as_str(), "source_id": first(["sourceId", "sourceID"]), "source_url": first(["sourceUrl", "sourceURL"]),
        "headline": first(["title", "title"]), "body": first(["body", "body"]), "ctwa_clid": first(["ctwaClid", "ctwaCLID"]),
        "app": context.get("entryPointConversionApp").as_str(),
    }))
}

/// Name and number of a card; of several numbers the one WhatsApp knows.
fn vcard(card: &str) -> Option<Value> {
    // a property may stand in a group (`item1.TEL`) and have parameters (`TEL;waid=…`)
    let property = |line: &str| line.split([':', ';']).next().unwrap_or("").rsplit('.').next().unwrap_or("").to_ascii_uppercase();
    let lines = |name: &'static str| card.lines().filter(move |line| property(line) == name);
    let waid = |line: &str| line.split([';', ':']).find_map(|part| part.strip_prefix("waid=")).and_then(Phone::from_digits);
    let plain = |line: &str| Phone::parse(line.rsplit_once(':')?.1.trim());
    let phone = lines("TEL").find_map(waid).or_else(|| lines("TEL").find_map(plain));
    let name = lines("FN").find_map(|line| text::clean_name(line.split_once(':')?.1.trim()));
    (name.is_some() || phone.is_some()).then(|| json!({"name": name, "phone": phone}))
}

fn ack(payload: Field<'_>) -> Result<Inbound, Unreadable> {
    let id = payload.get("id").as_str().ok_or(Unreadable::MessageIdMissing)?;
    let from_me = is_from_me(payload);
    // told apart by the bare id alone: a chat that is not named is no reason to drop it
    if let Some(Chat::Ignored(reason)) = chat_of(payload, from_me, &Own::default()).map(kind_of_chat) {
        return Ok(Inbound::Ignored(reason));
    }
    let named = match payload.get("ackName").as_str() {
        Some("ERROR") => Some(-1),
        Some("PENDING") => Some(0),
        Some("SERVER") => Some(1),
        Some("DEVICE") => Some(2),
        Some("READ") => Some(3),
        Some("PLAYED") => Some(4),
        _ => None,
    };
    let Some(level) = payload.get("ack").as_i64().filter(|n| (-1..=4).contains(n)).or(named) else { return Ok(Inbound::Ignored("unknown_ack")) };
    let error = payload.get("error");
    let code = error.get("code").as_str().map(str::to_owned).or_else(|| error.get("code").as_i64().map(|n| n.to_string()));
    let locked = code.as_deref() == Some("463") || error.get("reason").as_str() == Some("account_restricted");
    let cause = (level == -1).then(|| if locked { "timelock".to_owned() } else { code.map_or("refused_by_whatsapp".to_owned(), |c| format!("whatsapp_{}", text::cut(&c, 32))) });
    let until = error.get("until").as_str().and_then(|t| date::parse_instant(t, chrono_tz::UTC));
    Ok(Inbound::Ack(Ack { wa_id: bare_id(id).to_owned(), from_me, level, cause, until }))
}

fn reaction(payload: Field<'_>, own: &Own) -> Result<Inbound, Unreadable> {
    let full = payload.get("reaction").get("messageId").as_str().ok_or(Unreadable::FieldMissing)?;
    let from_me = is_from_me(payload);
    let chat = chat_of(payload, from_me, own).ok_or(Unreadable::ChatIdMissing)?;
    if let Chat::Ignored(reason) = kind_of_chat(chat) {
        return Ok(Inbound::Ignored(reason));
    }
    let emoji = payload.get("reaction").get("text").as_str().filter(|e| !e.is_empty()).map(|e| text::clean(e, 64));
    let party = party(chat, payload, from_me, own);
    Ok(Inbound::Reaction { party, target: bare_id(full).to_owned(), target_from_me: full.starts_with("true_"), from_me, emoji, at: instant(payload.get("timestamp")) })
}

fn edited(payload: Field<'_>, own: &Own) -> Result<Inbound, Unreadable> {
    let data = payload.get("_data");
    let from_me = is_from_me(payload);
    let chat = chat_of(payload, from_me, own);
    if let Some(Chat::Ignored(reason)) = chat.map(kind_of_chat) {
        return Ok(Inbound::Ignored(reason));
    }
    let content = if data.get("message").is_object() { data.get("message") } else { data.get("Message") };
    let secret = content.get("secretEncryptedMessage").get("targetMessageKey");
    let target = payload.get("editedMessageId").as_str().or(secret.get("id").as_str()).or(secret.get("ID").as_str()).ok_or(Unreadable::FieldMissing)?;
    let said = payload.get("body").as_str().map(|b| text::clean(b, text::MAX_TEXT)).filter(|b| !b.trim().is_empty());
    let party = chat.map(|chat| party(chat, payload, from_me, own));
    Ok(Inbound::Edit { target: bare_id(target).to_owned(), from_me, party, text: said, at: instant(payload.get("timestamp")) })
}

fn revoked(payload: Field<'_>, own: &Own) -> Result<Inbound, Unreadable> {
    let (after, before) = (payload.get("after"), payload.get("before"));
    let shown = if after.is_object() { after } else { before };
    let from_me = shown.is_object().then(|| is_from_me(shown));
    let chat = chat_of(shown, from_me == Some(true), own);
    if let Some(Chat::Ignored(reason)) = chat.map(kind_of_chat) {
        return Ok(Inbound::Ignored(reason));
    }
    // WEBJS may lack the id and repeat its own action's id in `before`: a guess, harmless when it matches nothing
    let target = payload.get("revokedMessageId").as_str().or(before.get("id").as_str()).or(after.get("id").as_str()).ok_or(Unreadable::FieldMissing)?;
    let party = chat.map(|chat| party(chat, shown, from_me == Some(true), own));
    Ok(Inbound::Revoke { target: bare_id(target).to_owned(), from_me, party, at: instant(shown.get("timestamp")) })
}

fn session_status(payload: Field<'_>, me: Field<'_>) -> Result<Inbound, Unreadable> {
    let status = payload.get("status").as_str().ok_or(Unreadable::FieldMissing)?;
    let (capping, timelock) = limits_of(me);
    let told = lock_of(payload.get("data").get("reachoutTimelock"));
    Ok(Inbound::Session {
        status: text::cut(status, 40).to_owned(),
        timelock: told.or(timelock),
        capping,
        phone: phone_of(me.get("id").as_str()),
        lid: lid_of(me.get("lid").as_str()),
    })
}

/// `(capping status, (timelock active, ends at unix ms))` as WAHA's `me` object tells them.
pub fn limits_of(me: Field<'_>) -> (Option<String>, Option<(bool, Option<i64>)>) {
    let capping = me.get("messageCapping").get("cappingStatus").as_str().map(|c| text::cut(c, 40).to_owned());
    let lock = if me.as_object().and_then(|me| me.get("reachoutTimelock")).is_some_and(Json::is_null) { Some((false, None)) } else { lock_of(me.get("reachoutTimelock")) };
    (capping, lock)
}

fn lock_of(lock: Field<'_>) -> Option<(bool, Option<i64>)> {
    lock.is_object().then(|| (lock.get("isActive").as_bool() == Some(true), instant(lock.get("timeEnforcementEnds"))))
}

fn id_text(value: Field<'_>) -> Option<String> {
    value.as_str().filter(|v| !v.is_empty()).map(|v| text::cut(v, 64).to_owned()).or_else(|| value.as_i64().map(|n| n.to_string()))
}

fn label_upsert(payload: Field<'_>) -> Result<Inbound, Unreadable> {
    Ok(Inbound::LabelUpsert {
        label_id: id_text(payload.get("id")).ok_or(Unreadable::FieldMissing)?,
        name: payload.get("name").as_str().and_then(text::clean_name),
        color: payload.get("color").as_i64().filter(|c| (0..20).contains(c)),
        color_hex: payload.get("colorHex").as_str().map(|c| text::cut(c, 16).to_owned()),
    })
}

fn label_chat(payload: Field<'_>, added: bool, envelope: Field<'_>, own: &Own) -> Result<Inbound, Unreadable> {
    let chat = payload.get("chatId").as_str().ok_or(Unreadable::ChatIdMissing)?;
    if let Chat::Ignored(reason) = kind_of_chat(chat) {
        return Ok(Inbound::Ignored(reason));
    }
    let label_id = id_text(payload.get("labelId")).ok_or(Unreadable::FieldMissing)?;
    let name = payload.get("label").get("name").as_str().and_then(text::clean_name);
    let at = instant(envelope.get("timestamp"));
    Ok(Inbound::LabelChat { label_id, name, party: party(chat, payload, false, own), added, at, own: own.phone.clone() })
}

/// Who types; who is online only ends it.
fn presence(payload: Field<'_>, own: &Own) -> Result<Inbound, Unreadable> {
    let chat = payload.get("id").as_str().ok_or(Unreadable::ChatIdMissing)?;
    if let Chat::Ignored(reason) = kind_of_chat(chat) {
        return Ok(Inbound::Ignored(reason));
    }
    let doing = payload.get("presences").as_array().into_iter().flatten().find_map(|one| match one.get("lastKnownPresence").as_str() {
        Some("typing") => Some(Doing::Typing),
        Some("recording") => Some(Doing::Recording),
        // engines without a pause of their own say that somebody is there, or no longer
        Some("paused" | "online" | "offline") => Some(Doing::Paused),
        _ => None,
    });
    Ok(doing.map_or(Inbound::Ignored("presence"), |doing| Inbound::Typing { party: party(chat, payload, false, own), doing }))
}

fn call(payload: Field<'_>, own: &Own) -> Result<Inbound, Unreadable> {
    let from = payload.get("from").as_str().ok_or(Unreadable::ChatIdMissing)?;
    if payload.get("isGroup").as_bool() == Some(true) {
        return Ok(Inbound::Ignored("group"));
    }
    if let Chat::Ignored(reason) = kind_of_chat(from) {
        return Ok(Inbound::Ignored(reason));
    }
    let id = payload.get("id").as_str().ok_or(Unreadable::MessageIdMissing)?;
    Ok(Inbound::Call {
        id: bare_id(id).to_owned(),
        party: party(from, payload, false, own),
        video: payload.get("isVideo").as_bool() == Some(true),
        at: instant(payload.get("timestamp")),
    })
}

fn poll_vote(payload: Field<'_>, own: &Own) -> Result<Inbound, Unreadable> {
    let (vote, poll) = (payload.get("vote"), payload.get("poll"));
    let from = vote.get("from").as_str().filter(|f| f.contains('@')).or_else(|| chat_of(vote, false, own)).ok_or(Unreadable::ChatIdMissing)?;
    if let Chat::Ignored(reason) = kind_of_chat(from) {
        return Ok(Inbound::Ignored(reason));
    }
    let options = vote.get("selectedOptions").as_array().into_iter().flatten().filter_map(|o| o.as_str().map(|o| text::clean(o, 512))).collect();
    let poll = poll.get("id").as_str().map(|id| bare_id(id).to_owned()).ok_or(Unreadable::FieldMissing)?;
    Ok(Inbound::PollVote { poll, party: party(from, payload, false, own), options, at: instant(vote.get("timestamp")) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bare_ids() {
        assert_eq!(bare_id("false_6281200000011@c.us_AC47"), "AC47");
        assert_eq!(bare_id("false_1203@g.us_AC47_62812@c.us"), "AC47");
        assert_eq!(bare_id("AC47"), "AC47");
        assert_eq!(bare_id("wamid.HBg_x"), "wamid.HBg_x");
    }

    proptest! {
        /// The same bare id whatever the chat form in front of it.
        #[test]
        fn the_bare_id_does_not_depend_on_the_chat(id in "[A-F0-9]{8,32}", phone in "628[0-9]{8,10}", lid in "[1-9][0-9]{14}") {
            let (by_phone, by_lid) = (format!("true_{phone}@c.us_{id}"), format!("true_{lid}@lid_{id}"));
            prop_assert_eq!(bare_id(&by_phone), id.as_str());
            prop_assert_eq!(bare_id(&by_lid), id.as_str());
        }

        /// No JSON makes the parser panic.
        #[test]
        fn any_payload_is_survived(event in "(message|message.any|message.ack|message.reaction|message.edited|message.revoked|session.status|label.chat.added|call.received|poll.vote|presence.update)", key in "(id|from|body|fromMe|reaction|vote|_data|location)", value in "\\PC{0,40}") {
            let envelope = json!({"event": event, "session": "s", "payload": {key: value}});
            let _ = parse(&Json::from(&envelope));
        }
    }
}
