//! The replay lab's pages: ask for a replay of a draft, watch it, look at what differs, publish when its gates hold.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::chat::faq::{self, FaqError};
use crate::chat::flow::{self, FlowError};
use crate::chat::prompt::{self, BLOCKS, PromptError};
use crate::chat::replay_run;
use crate::db::StoreError;
use crate::kernel::diff;
use crate::web::policy::Action;
use crate::worker::replay::Draft;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Differing turns on one page.
const PAGE: i64 = 25;

/// A draft from the prompt page.
#[derive(Deserialize)]
pub struct Ask {
    csrf: String,
    block: String,
    content: String,
    version: String,
    #[serde(default)]
    days: Option<i64>,
    #[serde(default)]
    ask_model: Option<String>,
}

/// Asks for a replay.
pub async fn ask(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<Ask>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    visitor.check(&headers, &form.csrf)?;
    if !BLOCKS.contains(&form.block.as_str()) || form.content.trim().is_empty() || form.content.chars().count() > prompt::LONGEST {
        return Ok(see("/bot?wrong=content"));
    }
    let content = form.content.replace("\r\n", "\n").trim().to_owned();
    let draft = Draft { blocks: [(form.block.clone(), content)].into(), ..Draft::default() };
    let named = json!({"block": form.block, "version": form.version, "days": form.days, "ask_model": form.ask_model.is_some()});
    queue(&app, &visitor.actor(), &draft, &named).await
}

/// Asks for a replay of a draft and goes to its page. `named`: what the page calls it (`block` and `version`, `question` or
/// `flow`), and how it is made (`days`, `ask_model`).
pub async fn queue(app: &App, actor: &str, draft: &Draft, named: &Value) -> Result<Response, Refusal> {
    let mut kept = json!(draft);
    for name in ["block", "version", "question", "flow"] {
        kept[name] = named[name].clone();
    }
    let (actor, draft, days, ask_model) = (actor.to_owned(), draft.clone(), named["days"].as_i64().unwrap_or(30), named["ask_model"] == true);
    let id = app
        .store
        .write(move |tx| -> Result<i64, StoreError> {
            let mut kept = kept.clone();
            kept["base"] = base(tx, &draft)?;
            replay_run::ask(tx, &actor, days, &kept.to_string(), ask_model)
        })
        .await?;
    app.lab.notify();
    Ok(see(&format!("/bot/replay/{id}")))
}

/// What the questions and flows of a draft are at present: published over something newer, a draft would undo it unseen.
fn base(connection: &rusqlite::Connection, draft: &Draft) -> Result<Value, StoreError> {
    let mut found = serde_json::Map::new();
    for question in &draft.questions {
        let known = faq::find(connection, &question.key)?;
        found.insert(format!("question:{}", question.key), json!(known.map(|faq| (faq.question, faq.variants, faq.answer, faq.answer_en, faq.status))));
    }
    for drafted in &draft.flows {
        let known = flow::find(connection, &drafted.key)?;
        found.insert(format!("flow:{}", drafted.key), json!(known.map(|kept| (kept.draft, kept.published))));
    }
    Ok(Value::Object(found))
}

/// The replays made so far.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let runs = app.store.read(|connection| -> Result<_, StoreError> { replay_run::list(connection, 50) }).await?;
    Ok(visitor.page(200, "replays.html", "bot", json!({"runs": runs})).await)
}

/// Where to go on.
#[derive(Deserialize, Default)]
pub struct After {
    after: Option<i64>,
    done: Option<String>,
}

/// One replay: how far it is, its gates, what differs.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Query(query): Query<After>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let after = query.after.unwrap_or(0);
    let (run, cases) =
        app.store.read(move |connection| -> Result<_, StoreError> { Ok((replay_run::find(connection, id)?, replay_run::cases(connection, id, after, PAGE)?)) }).await?;
    let run = run.ok_or(Refusal::NotFound)?;
    let next = cases.last().filter(|_| cases.len() as i64 == PAGE).map(|(id, _)| *id);
    let rows: Vec<Value> = cases
        .into_iter()
        .map(|(_, mut case)| {
            let text = |side: &str| case[side]["reply"].as_str().unwrap_or("").to_owned();
            case["difference"] = json!(diff::lines(&text("before"), &text("after")));
            case
        })
        .collect();
    let percent = if run.total > 0 { run.done * 100 / run.total } else { 0 };
    let key = run.draft["questions"][0]["key"].as_str().unwrap_or("").to_owned();
    let known = !key.is_empty() && app.store.read(move |connection| faq::find(connection, &key)).await?.is_some();
    let values = json!({"run": run, "known": known, "cases": rows, "next": next, "percent": percent, "done": query.done.is_some()});
    Ok(visitor.page(200, "replay.html", "bot", values).await)
}

/// Publishes a draft whose gates hold.
pub async fn publish(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(form): Form<super::chats::Bare>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    visitor.check(&headers, &form.csrf)?;
    let run = app.store.read(move |connection| replay_run::find(connection, id)).await?.ok_or(Refusal::NotFound)?;
    let draft: Draft = serde_json::from_value(run.draft.clone()).map_err(|_| Refusal::Notice(409, "replay"))?;
    let was = run.draft["base"].clone();
    let version = run.draft["version"].as_str().unwrap_or("").to_owned();
    let (actor, author) = (visitor.actor(), visitor.session.user.name.clone());
    let home = if !draft.flows.is_empty() {
        "/bot/flows"
    } else if !draft.questions.is_empty() {
        "/bot/faq?saved=1"
    } else {
        "/bot?done=1"
    };
    let done = app
        .store
        .write(move |tx| -> Result<bool, PublishError> {
            if !was.is_null() && base(tx, &draft)? != was {
                return Err(PublishError::Changed);
            }
            if !replay_run::publish(tx, id)? {
                return Ok(false);
            }
            for (block, content) in &draft.blocks {
                prompt::put(tx, &actor, block, &version, content, &author, None)?;
            }
            for question in &draft.questions {
                faq::put(tx, &actor, question)?;
            }
            for drafted in &draft.flows {
                flow::put(tx, &actor, drafted, true)?;
            }
            Ok(true)
        })
        .await;
    match done {
        Ok(true) => Ok(see(home)),
        Ok(false) => Ok(see(&format!("/bot/replay/{id}"))),
        Err(PublishError::Changed) => Err(Refusal::Notice(409, "replay")),
        Err(PublishError::Prompt(PromptError::Exists(_) | PromptError::BadVersion)) => Err(Refusal::Notice(409, "version")),
        Err(PublishError::Prompt(PromptError::Db(error)) | PublishError::Question(FaqError::Db(error)) | PublishError::Flow(FlowError::Db(error)) | PublishError::Db(error)) => {
            Err(error.into())
        }
        Err(_) => Err(Refusal::NotFound),
    }
}

/// Why a draft was not published.
#[derive(Debug, thiserror::Error)]
enum PublishError {
    #[error("it was changed since the replay")]
    Changed,
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(transparent)]
    Question(#[from] FaqError),
    #[error(transparent)]
    Flow(#[from] FlowError),
    #[error(transparent)]
    Db(#[from] StoreError),
}
