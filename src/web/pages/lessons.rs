//! Lessons: what the team told the bot that certain words mean.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::chat::inbox::Scope;
use crate::chat::lesson::{self, Lesson, LessonError};
use crate::web::policy::Action;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Lessons shown.
const SHOWN: usize = 200;

/// Words to begin with: from a message somebody is looking at.
#[derive(Deserialize, Default)]
pub struct Begin {
    text: Option<String>,
}

async fn page(app: &Arc<App>, visitor: &super::Visitor, status: u16, wrong: Option<&str>, typed: Value) -> Result<Response, Refusal> {
    // customers' own words: not for who may see some chats only
    let all = if visitor.scope() == Scope::All { app.store.read(lesson::list).await? } else { Vec::new() };
    let values = json!({"count": all.len(), "lessons": all.into_iter().take(SHOWN).collect::<Vec<_>>(), "names": lesson::names(), "wrong": wrong, "typed": typed});
    Ok(visitor.page(status, "lessons.html", "bot", values).await)
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(begin): Query<Begin>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    page(&app, &visitor, 200, None, json!({"text": begin.text})).await
}

/// Teaches (`text`, `intent` as often as needed, `pays`), or forgets (`forget`).
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(pairs): Form<Vec<(String, String)>>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    let first = |name: &str| pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    visitor.check(&headers, first("csrf"))?;
    let actor = visitor.actor();
    if !first("forget").is_empty() {
        let text = first("forget").to_owned();
        app.store.write(move |tx| lesson::forget(tx, &actor, &text)).await?;
        return Ok(see("/bot/lessons"));
    }
    let intents: Vec<String> = pairs.iter().filter(|(key, _)| key == "intent").map(|(_, value)| value.clone()).collect();
    let typed = json!({"text": first("text"), "intents": intents, "pays": !first("pays").is_empty()});
    let done = match Lesson::new(first("text"), &intents, Some(!first("pays").is_empty())) {
        Ok(lesson) => app.store.write(move |tx| lesson::put(tx, &actor, &lesson)).await,
        Err(error) => Err(error),
    };
    let wrong = match done {
        Ok(_) => return Ok(see("/bot/lessons")),
        Err(LessonError::Db(error)) => return Err(error.into()),
        Err(LessonError::BadText) => "lesson-bad-text",
        Err(LessonError::BadIntents) => "lesson-bad-intents",
        Err(LessonError::Full) => "lesson-full",
    };
    page(&app, &visitor, 422, Some(wrong), typed).await
}
