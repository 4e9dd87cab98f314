//! The brief's own webhook body: `{"from","body","timestamp","message_id"}`. A time without zone is the agency's.

use crate::chat::inbound::{Delivery, Inbound, Message, Party};
use crate::kernel::phone::Phone;
use crate::kernel::{date, text};
use chrono_tz::Tz;
use serde_json_borrow::Value as Json;

/// A field that is missing or wrong.
#[derive(Debug, PartialEq)]
pub struct FieldError {
    /// Its name.
    pub field: &'static str,
    /// What is wanted.
    pub wanted: &'static str,
}

/// Whether this JSON object is the plain body rather than a gateway's envelope.
pub fn is_plain(body: &Json<'_>) -> bool {
    let has = |key: &str| body.as_object().is_some_and(|body| body.contains_key(key));
    !has("event") && ["from", "body", "message_id"].into_iter().any(has)
}

/// Reads the plain body as an inbound text on `session`.
pub fn parse<'a>(body: &'a Json<'a>, session: &str, zone: Tz) -> Result<Delivery, FieldError> {
    let wrong = |field, wanted| FieldError { field, wanted };
    let from = match body.get("from") {
        Json::Str(from) => from.to_string(),
        Json::Number(from) => from.to_string(),
        _ => return Err(wrong("from", "the customer's phone number, for example \"6281234567890\"")),
    };
    let phone = Phone::parse(from.trim_end_matches("@c.us")).ok_or(wrong("from", "a phone number of 8 to 15 digits"))?;
    let said = body.get("body").as_str().ok_or(wrong("body", "the message text"))?;
    if said.len() > text::MAX_TEXT {
        return Err(wrong("body", "at most 65,536 bytes of text"));
    }
    let wa_id = body.get("message_id").as_str().map(str::trim).filter(|id| !id.is_empty() && id.len() <= 256 && !id.contains(char::is_control));
    let wa_id = wa_id.ok_or(wrong("message_id", "the message's id, 1 to 256 characters"))?;
    let at = match body.get("timestamp") {
        Json::Null => None,
        Json::Str(at) => Some(date::parse_instant(at, zone).ok_or(wrong("timestamp", "\"YYYY-MM-DD HH:MM:SS\", RFC 3339 or unix seconds"))?),
        Json::Number(at) => Some(at.as_f64().and_then(date::unix_to_ms).ok_or(wrong("timestamp", "unix seconds above 0"))?),
        _ => return Err(wrong("timestamp", "\"YYYY-MM-DD HH:MM:SS\", RFC 3339 or unix seconds")),
    };
    let party = Party { chat_id: format!("{}@c.us", phone.as_str()), push_name: body.get("name").as_str().and_then(text::clean_name), phone: Some(phone), lid: None };
    let message = Message {
        full_id: wa_id.to_owned(),
        wa_id: wa_id.to_owned(),
        from_me: false,
        party,
        at,
        kind: "text",
        text: Some(text::clean(said, text::MAX_TEXT)).filter(|said| !said.trim().is_empty()),
        file: None,
        reply_to: None,
        extra: None,
    };
    Ok(Delivery { session: session.to_owned(), event: "message".into(), engine: None, what: Inbound::Message(Box::new(message)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_briefs_sample() {
        let body = json!({"from": "6281234567890", "body": "UMR_MAR_2025_HEMAT", "timestamp": "2025-01-25 10:30:00", "message_id": "wamid.xxx"});
        let body = Json::from(&body);
        assert!(is_plain(&body));
        let delivery = parse(&body, "default", Tz::Asia__Jakarta).unwrap();
        let Inbound::Message(message) = delivery.what else { panic!("a message") };
        assert_eq!(message.at, Some(1_737_775_800_000));
        assert_eq!((message.wa_id.as_str(), message.party.chat_id.as_str()), ("wamid.xxx", "6281234567890@c.us"));
    }

    #[test]
    fn wrong_fields_are_named() {
        for (body, field) in [
            (json!({"body": "x", "message_id": "1"}), "from"),
            (json!({"from": {}, "body": "x", "message_id": "1"}), "from"),
            (json!({"from": "6281234567890", "body": 5, "message_id": "1"}), "body"),
            (json!({"from": "6281234567890", "body": "x"}), "message_id"),
            (json!({"from": "6281234567890", "body": "x", "message_id": "p\u{0}12"}), "message_id"),
            (json!({"from": "6281234567890", "body": "x", "message_id": "1", "timestamp": "kemarin"}), "timestamp"),
        ] {
            assert_eq!(parse(&Json::from(&body), "default", Tz::Asia__Jakarta).unwrap_err().field, field);
        }
    }
}
