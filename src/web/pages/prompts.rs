//! What the bot is told: five blocks with their versions, what is in force since when and what came of it; a new version
//! with its difference to the present one, at once or at a set time; one tap back.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::bot::proposal;
use crate::chat::prompt::{self, BLOCKS, PromptError};
use crate::db::StoreError;
use crate::kernel::{date, diff};
use crate::web::policy::Action;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Which block, and which of its versions beside the present one.
#[derive(Deserialize, Default)]
pub struct Asked {
    block: Option<String>,
    version: Option<i64>,
    done: Option<String>,
    wrong: Option<String>,
}

/// Releases shown with their outcomes.
const RELEASES: usize = 12;

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(asked): Query<Asked>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let at = asked.block.as_deref().and_then(|name| BLOCKS.iter().position(|known| *known == name)).unwrap_or(0);
    let (now_ms, settings) = (app.now_ms(), app.settings());
    let values = app
        .store
        .read(move |connection| -> Result<Option<Value>, StoreError> {
            let releases = prompt::releases(connection, RELEASES)?;
            let Some(active) = releases.iter().find(|release| release.withdrawn_at.is_none() && release.active_from <= now_ms) else { return Ok(None) };
            let versions = prompt::versions(connection, BLOCKS[at], 30)?;
            let other = asked.version.and_then(|id| versions.iter().find(|version| version.id == id));
            let difference = other.map(|other| diff::lines(&active.blocks[at].content, &other.content));
            let mut rows = Vec::new();
            for release in &releases {
                let state = match release.withdrawn_at {
                    Some(_) => "withdrawn",
                    None if release.id == active.id => "active",
                    None if release.active_from > now_ms => "scheduled",
                    None => "past",
                };
                rows.push(json!({"id": release.id, "version": release.version(), "state": state, "cause": release.cause, "at": release.at, "active_from": release.active_from, "actor": release.actor,
                                 "blocks": release.blocks.iter().map(|block| json!([block.block, block.version])).collect::<Vec<_>>(), "outcomes": prompt::outcomes(connection, &release.version())?}));
            }
            let composed = proposal::with_values(active, settings.text("agency.name"), settings.text("agency.licence"), settings.text("agency.address"));
            Ok(Some(json!({
                "block": BLOCKS[at], "blocks": BLOCKS, "now": active.blocks[at], "next_version": next_version(&versions.iter().map(|version| version.version.as_str()).collect::<Vec<_>>()),
                "versions": versions, "other": other, "difference": difference, "releases": rows, "composed": composed, "active": active.version(), "model": settings.text("llm.model"),
                "done": asked.done.is_some(), "wrong": asked.wrong.filter(|wrong| ["version", "exists", "content", "time"].contains(&wrong.as_str())),
            })))
        })
        .await?
        .ok_or(Refusal::NotFound)?;
    Ok(visitor.page(200, "prompts.html", "bot", values).await)
}

/// `1.3` after `1.2`: the newest name that ends in a number, counted on.
fn next_version(known: &[&str]) -> String {
    let counted = known.iter().find_map(|name| {
        let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let (stem, number) = name.split_at(name.len() - digits);
        Some(format!("{stem}{}", number.parse::<u64>().ok()? + 1)).filter(|next| !known.contains(&next.as_str()))
    });
    counted.unwrap_or_else(|| format!("{}.0", known.len() + 1))
}

/// A new version from the page.
#[derive(Deserialize)]
pub struct Save {
    csrf: String,
    block: String,
    version: String,
    content: String,
    #[serde(default)]
    from: String,
}

/// Stores and releases it.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<Save>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    visitor.check(&headers, &form.csrf)?;
    let block = BLOCKS.iter().find(|known| **known == form.block).copied().ok_or(Refusal::NotFound)?;
    let back = |what: &str| see(&format!("/bot?block={block}&{what}"));
    let from = match form.from.trim() {
        "" => None,
        text => match date::parse_instant(&text.replace('T', " "), app.settings().zone) {
            Some(at) => Some(at),
            None => return Ok(back("wrong=time")),
        },
    };
    let (actor, author) = (visitor.actor(), visitor.session.user.name.clone());
    let content = form.content.replace("\r\n", "\n");
    let done = app.store.write(move |tx| prompt::put(tx, &actor, &form.block, &form.version, &content, &author, from)).await;
    Ok(match done {
        Ok(_) => back("done=1"),
        Err(PromptError::Exists(_)) => back("wrong=exists"),
        Err(PromptError::BadVersion) => back("wrong=version"),
        Err(PromptError::BadContent) => back("wrong=content"),
        Err(PromptError::NoSuchBlock | PromptError::NoSuchRelease) => return Err(Refusal::NotFound),
        Err(PromptError::Db(error)) => return Err(error.into()),
    })
}

/// A release and what becomes of it.
#[derive(Deserialize)]
pub struct Turn {
    csrf: String,
    release: i64,
    what: String,
}

/// Back to an earlier release, or calling off one that has not begun.
pub async fn turn(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<Turn>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    visitor.check(&headers, &form.csrf)?;
    let actor = visitor.actor();
    let done = app
        .store
        .write(move |tx| match form.what.as_str() {
            "withdraw" => prompt::withdraw(tx, &actor, form.release),
            _ => prompt::roll_back(tx, &actor, form.release).map(|_| ()),
        })
        .await;
    match done {
        Ok(()) => Ok(see("/bot?done=1")),
        Err(PromptError::Db(error)) => Err(error.into()),
        Err(_) => Err(Refusal::NotFound),
    }
}
