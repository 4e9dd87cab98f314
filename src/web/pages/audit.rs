//! The audit trail.

use super::{Refusal, enter};
use crate::app::App;
use crate::chat::assignment;
use crate::db::{StoreError, audit};
use crate::kernel::language::Language;
use crate::kernel::phone::Phone;
use crate::kernel::{date, rupiah, text};
use crate::web::policy::Action;
use crate::web::view::words;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Characters of a row's particulars on the page.
const SHOWN: usize = 200;
/// Rows of a page.
const PAGE: usize = 100;

/// Which rows.
#[derive(Deserialize, Default)]
pub struct AuditQuery {
    action: Option<String>,
    before: Option<i64>,
}

/// Kinds of rows to choose from; each is the beginning of action names.
const KINDS: &[&str] = &["", "setting", "user", "package", "phase", "handover", "escalation", "outbox", "channel", "contact", "backup", "webhook"];

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(query): Query<AuditQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Audit).await?;
    let kind = query.action.filter(|action| KINDS.contains(&action.as_str())).unwrap_or_default();
    let (wanted, before) = (kind.clone(), query.before.unwrap_or(i64::MAX));
    let language = visitor.language();
    let (rows, names, objects) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let rows = audit::page(connection, before, &wanted, PAGE)?;
            let mut names: BTreeMap<String, String> = BTreeMap::new();
            let objects = rows.iter().map(|row| object_in_words(connection, language, &row.object)).collect::<Result<Vec<_>, _>>()?;
            for row in &rows {
                if !names.contains_key(&row.actor) {
                    names.insert(row.actor.clone(), name_of(connection, language, &row.actor)?);
                }
            }
            Ok((rows, names, objects))
        })
        .await?;
    let details: Vec<String> = rows.iter().map(|row| text::preview(&in_words(language, &row.detail), SHOWN)).collect();
    let next = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.seq);
    let deeds: BTreeMap<&str, String> = rows.iter().map(|row| (row.action.as_str(), deed(language, &row.action))).collect();
    Ok(visitor
        .page(200, "audit.html", "audit", json!({"rows": rows, "deeds": deeds, "kind": kind, "kinds": KINDS, "next": next, "names": names, "objects": objects, "details": details}))
        .await)
}

/// What an actor of the trail is called on a page.
pub fn name_of(connection: &rusqlite::Connection, language: Language, actor: &str) -> Result<String, StoreError> {
    let name = assignment::actor_name(connection, actor)?;
    let key = format!("actor-{name}");
    let said = words(language, &key);
    Ok(if said == key { name } else { said })
}

/// What a row tells besides, for people: the fields of an object as "field: value", a change as "old → new".
fn in_words(language: Language, detail: &str) -> String {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(detail) else { return spelled(language, "", detail) };
    let told = fields.iter().map(|(name, value)| {
        let said = match value.as_array().map(Vec::as_slice) {
            Some([old, new]) => format!("{} → {}", value_in_words(language, name, old), value_in_words(language, name, new)),
            Some(list) => list.iter().map(|one| value_in_words(language, name, one)).collect::<Vec<_>>().join(", "),
            None => value_in_words(language, name, value),
        };
        format!("{}: {said}", known(language, "field-", name).unwrap_or_else(|| name.replace('_', " ")))
    });
    told.collect::<Vec<_>>().join(" · ")
}

fn value_in_words(language: Language, field: &str, value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Number(number) if field.ends_with("_idr") => number.as_i64().map_or_else(|| number.to_string(), rupiah::full),
        Value::Number(number) if field.ends_with("_ms") => number.as_i64().map_or_else(|| number.to_string(), |ms| format!("{} s", ms / 1000)),
        Value::Bool(is) => words(language, if *is { "yes" } else { "no" }),
        Value::String(text) => spelled(language, field, text),
        other => other.to_string(),
    }
}

/// A word of ours in the reader's language, a number and a day as he writes them, the rest as it stands.
fn spelled(language: Language, field: &str, text: &str) -> String {
    let kinds: &[&str] = match field {
        "from" | "to" | "phase" => &["phase-", "actor-"],
        "cause" | "reason" | "why" => &["reason-", "cause-"],
        "role" => &["role-"],
        "state" | "status" => &["state-", "booking-", "wa-status-"],
        "method" => &["method-"],
        _ if field.is_empty() => &["role-", "phase-", "wa-status-", "reason-"],
        _ => &[],
    };
    if let Some(said) = kinds.iter().find_map(|kind| known(language, kind, text)) {
        return said;
    }
    if text.len() == 24 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return format!("{} {}", words(language, "digest"), &text[..8]); // of words that are not kept here
    }
    match (text.parse::<chrono::NaiveDate>(), Phone::parse(text).filter(|_| field == "phone")) {
        (Ok(day), _) => date::long(day, language),
        (_, Some(phone)) => phone.pretty(),
        _ => text.to_owned(),
    }
}

/// What a word of ours is called, where it has a name: the kind and the word, in either spelling the names have.
fn known(language: Language, kind: &str, word: &str) -> Option<String> {
    let is_word = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let keys = [format!("{kind}{word}"), format!("{kind}{}", word.replace('_', "-").to_lowercase())];
    keys.into_iter().filter(|_| is_word).find_map(|key| Some(words(language, &key)).filter(|said| *said != key))
}

/// What a row is about, and where to look at it.
fn object_in_words(connection: &rusqlite::Connection, language: Language, object: &str) -> Result<(String, Option<String>), StoreError> {
    let Some((kind, name)) =
        object.split_once([':', '_']).filter(|_| !object.starts_with("package_media:") && !object.starts_with("contact_field:")).or_else(|| object.split_once(':'))
    else {
        return Ok((known(language, "object-", object).unwrap_or_else(|| object.to_owned()), None));
    };
    let called = match kind {
        "user" | "token" => name_of(connection, language, object)?,
        "setting" => known(language, "set-", &name.replace('.', "-")).unwrap_or_else(|| name.to_owned()),
        "contact" => connection.query_row("SELECT name FROM contact WHERE id = ?1", [name], |row| row.get(0)).unwrap_or(None).unwrap_or_else(|| name.to_owned()),
        _ => name.to_owned(),
    };
    let link = match kind {
        "conv" => Some(format!("/chats/{object}")),
        "contact" => Some(format!("/contacts/{name}")),
        "booking" => Some(format!("/bookings/{name}")),
        "package" => Some(format!("/packages/{name}")),
        _ => None,
    };
    Ok((known(language, "object-", kind).map_or_else(|| object.to_owned(), |kind| format!("{kind} {called}")), link))
}

/// An action in words; one that another version wrote keeps its own name.
fn deed(language: Language, action: &str) -> String {
    let key = key_of(action);
    let said = words(language, &key);
    if said == key { action.to_owned() } else { said }
}

fn key_of(action: &str) -> String {
    format!("did-{}", action.replace(['.', '_'], "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sources(folder: &Path, found: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn every_action_the_trail_is_told_has_words() {
        let mut all = String::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
        let mut actions: Vec<&str> = ["message.in", "message.out", "handover", "account.blocked", "account.unknown_sent", "webhook.read_again", "webhook.thrown_away"].into();
        for call in all.split("audit(").skip(1) {
            let call = call.split(';').next().unwrap();
            actions.extend(call.split('"').skip(1).step_by(2).filter(|text| {
                text.split_once('.').is_some_and(|(noun, verb)| !noun.is_empty() && !verb.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.'))
            }));
        }
        assert!(actions.len() > 80, "{actions:?}");
        for language in [Language::Id, Language::En] {
            let bare: Vec<&&str> = actions.iter().filter(|action| words(language, &key_of(action)) == key_of(action)).collect();
            assert!(bare.is_empty(), "without words: {bare:?}");
        }
    }
}
