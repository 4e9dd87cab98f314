//! The audit trail.

use super::{Refusal, enter};
use crate::app::App;
use crate::chat::assignment;
use crate::db::{StoreError, audit};
use crate::kernel::language::Language;
use crate::kernel::text;
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
    let (rows, names) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let rows = audit::page(connection, before, &wanted, PAGE)?;
            let mut names: BTreeMap<String, String> = BTreeMap::new();
            for row in &rows {
                if !names.contains_key(&row.actor) {
                    names.insert(row.actor.clone(), name_of(connection, language, &row.actor)?);
                }
            }
            Ok((rows, names))
        })
        .await?;
    let details: Vec<String> = rows.iter().map(|row| text::preview(&in_words(language, &row.detail), SHOWN)).collect();
    let next = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.seq);
    let deeds: BTreeMap<&str, String> = rows.iter().map(|row| (row.action.as_str(), deed(language, &row.action))).collect();
    Ok(visitor.page(200, "audit.html", "audit", json!({"rows": rows, "deeds": deeds, "kind": kind, "kinds": KINDS, "next": next, "names": names, "details": details})).await)
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
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(detail) else { return detail.to_owned() };
    let plain = |value: &Value| match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let told = fields.iter().map(|(name, value)| {
        let key = format!("field-{}", name.replace('_', "-"));
        let called = words(language, &key);
        let said = match value.as_array().map(Vec::as_slice) {
            Some([old, new]) => format!("{} → {}", plain(old), plain(new)),
            Some(list) => list.iter().map(plain).collect::<Vec<_>>().join(", "),
            None => plain(value),
        };
        format!("{}: {said}", if called == key { name.replace('_', " ") } else { called })
    });
    told.collect::<Vec<_>>().join(" · ")
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
