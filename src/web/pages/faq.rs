//! Questions and answers: the list by topic, the form of one, and a box to try what the bot would find.

use super::replay;
use super::{Form, Refusal, Visitor, enter, see};
use crate::app::App;
use crate::bot::style;
use crate::bot::with_agency;
use crate::chat::faq::{self, Faq, FaqError, TOPICS};
use crate::chat::replay_run;
use crate::db::StoreError;
use crate::insight::questions;
use crate::web::policy::Action;
use crate::worker::replay::Draft;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What to try and what to list.
#[derive(Deserialize, Default)]
pub struct Asked {
    #[serde(rename = "try")]
    tried: Option<String>,
    topic: Option<String>,
    saved: Option<String>,
}

/// The list.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap, Query(asked): Query<Asked>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let tried = asked.tried.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(|text| crate::kernel::text::preview(text, 300));
    let words = tried.clone();
    let week = app.now_ms() - 7 * 86_400_000;
    let (all, hits, groups) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let hits = words.map(|words| faq::search(connection, &words, 5)).transpose()?.unwrap_or_default();
            Ok((faq::list(connection)?, hits, questions::unanswered(connection, week, 8)?))
        })
        .await?;
    let topic = asked.topic.filter(|topic| TOPICS.contains(&topic.as_str()));
    let topics: Vec<Value> = TOPICS.iter().map(|name| json!({"name": name, "count": all.iter().filter(|faq| faq.topic == *name).count()})).collect();
    // as customers read it; the merge tags are for whoever edits it
    let settings = app.settings();
    let told = [("agency.name", "{agency}"), ("agency.licence", "{licence}"), ("agency.address", "{address}")];
    let agency = told.map(|(key, tag)| Some(settings.text(key)).filter(|value| !value.is_empty()).unwrap_or(tag));
    let said = |faq: &Faq| Faq { answer: with_agency(&faq.answer, agency[0], agency[1], agency[2]), ..faq.clone() };
    let all: Vec<Faq> = all.iter().map(said).collect();
    let rows: Vec<&Faq> = all.iter().filter(|faq| topic.as_ref().is_none_or(|topic| faq.topic == *topic)).collect();
    let hits: Vec<Value> = hits.iter().map(|hit| json!({"faq": said(&hit.faq), "percent": (hit.score * 100.0).round() as i64})).collect();
    let values = json!({"rows": rows, "topics": topics, "topic": topic, "total": all.len(), "tried": tried, "hits": hits, "groups": groups, "saved": asked.saved.is_some()});
    Ok(visitor.page(200, "faq.html", "bot", values).await)
}

async fn form(app: &App, visitor: &Visitor, status: u16, faq: &Faq, new: bool, wrong: Option<&str>) -> Response {
    let limit = usize::try_from(app.settings().int("bot.emoji_limit")).unwrap_or(1);
    visitor
        .page(
            status,
            "faq_edit.html",
            "bot",
            json!({"style": style::check(&faq.answer, limit), "f": faq, "variants": faq.variants.join("\n"), "new": new, "topics": TOPICS, "wrong": wrong}),
        )
        .await
}

/// What a draft is made from: a group of unanswered questions, or a replay it was tried in.
#[derive(Deserialize, Default)]
pub struct From {
    group: Option<usize>,
    replay: Option<i64>,
}

/// The question a replay tried.
async fn tried(app: &App, replay: i64) -> Result<Faq, Refusal> {
    let run = app.store.read(move |connection| replay_run::find(connection, replay)).await?.ok_or(Refusal::NotFound)?;
    serde_json::from_value(run.draft["questions"][0].clone()).map_err(|_| Refusal::NotFound)
}

/// The form of a new one.
pub async fn blank(State(app): State<Arc<App>>, headers: HeaderMap, Query(from): Query<From>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    let mut faq = Faq { topic: "booking".into(), status: "published".into(), ..Faq::default() };
    if let Some(replay) = from.replay {
        faq = tried(&app, replay).await?;
    }
    if let Some(nth) = from.group {
        let week = app.now_ms() - 7 * 86_400_000;
        let groups = app.store.read(move |connection| questions::unanswered(connection, week, 8)).await?;
        if let Some(group) = groups.get(nth) {
            faq = Faq { question: group.question.clone(), variants: group.others.clone(), status: "draft".into(), ..faq };
        }
    }
    Ok(form(&app, &visitor, 200, &faq, true, None).await)
}

/// The form of one.
pub async fn edit(State(app): State<Arc<App>>, headers: HeaderMap, Path(key): Path<String>, Query(from): Query<From>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let mut found = app.store.read(move |connection| faq::find(connection, &key)).await?.ok_or(Refusal::NotFound)?;
    if let Some(replay) = from.replay {
        let tried = tried(&app, replay).await?;
        found = Faq { id: found.id, said: found.said, updated_at: found.updated_at, updated_by: found.updated_by, ..tried };
    }
    Ok(form(&app, &visitor, 200, &found, false, None).await)
}

/// What the form sends.
#[derive(Deserialize)]
pub struct Save {
    csrf: String,
    key: String,
    topic: String,
    question: String,
    variants: String,
    answer: String,
    answer_en: String,
    status: String,
    replay: Option<String>,
}

/// Writes it, or tries it on the past first.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Save>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    visitor.check(&headers, &sent.csrf)?;
    let new = sent.key.is_empty();
    let text = |text: &str| text.replace("\r\n", "\n").trim().to_owned();
    let faq = Faq {
        key: if new { key_of(&sent.question) } else { sent.key.clone() },
        topic: sent.topic,
        question: text(&sent.question),
        variants: sent.variants.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
        answer: text(&sent.answer),
        answer_en: Some(text(&sent.answer_en)).filter(|text| !text.is_empty()),
        status: sent.status,
        ..Faq::default()
    };
    let (kept, actor) = (faq.clone(), visitor.actor());
    if sent.replay.is_some() {
        let draft = Faq { status: "published".into(), ..faq };
        return match faq::check(&draft) {
            Ok(()) => replay::queue(&app, &actor, &Draft { questions: vec![draft], ..Draft::default() }, &json!({"question": kept.question})).await,
            Err(FaqError::Invalid { field, .. }) => Ok(form(&app, &visitor, 422, &kept, new, Some(field)).await),
            Err(FaqError::Db(error)) => Err(error.into()),
        };
    }
    match app.store.write(move |tx| faq::put(tx, &actor, &faq)).await {
        Ok(_) => Ok(see("/bot/faq?saved=1")),
        Err(FaqError::Invalid { field, .. }) => Ok(form(&app, &visitor, 422, &kept, new, Some(field)).await),
        Err(FaqError::Db(error)) => Err(error.into()),
    }
}

/// A name from the question's words, with something of its own so that two alike do not meet.
fn key_of(question: &str) -> String {
    let words: Vec<String> = question.to_lowercase().split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).take(5).map(str::to_owned).collect();
    let tail = crate::kernel::ids::hex(&crate::kernel::ids::random::<2>());
    crate::kernel::text::cut(&[words.join("-"), tail].join("-"), 60).trim_start_matches('-').to_owned()
}
