//! Trials of the first answer: begin one, look at it any day, call it off.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::chat::experiment::{self, ExperimentError};
use crate::db::StoreError;
use crate::web::policy::Action;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

async fn page(app: &Arc<App>, visitor: &super::Visitor, status: u16, wrong: Option<&str>, typed: Value) -> Result<Response, Refusal> {
    let (trials, words) = app
        .store
        .read(|connection| -> Result<_, StoreError> {
            let mut shown = Vec::new();
            for trial in experiment::list(connection)? {
                let readout = experiment::readout(connection, trial.id)?;
                shown.push(json!({"e": trial, "r": readout, "rate_a": readout.a.rate(), "rate_b": readout.b.rate()}));
            }
            let wording = experiment::wording(connection)?;
            Ok((shown, json!({"hello": wording.text("hello"), "closing": wording.text("closing"), "media": wording.text("media")})))
        })
        .await?;
    Ok(visitor.page(status, "trials.html", "bot", json!({"trials": trials, "words": words, "wrong": wrong, "typed": typed})).await)
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    page(&app, &visitor, 200, None, json!({})).await
}

/// A trial to begin, or one to call off.
#[derive(Deserialize)]
pub struct TrialForm {
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    slot: String,
    #[serde(default)]
    b: String,
    #[serde(default)]
    place: String,
    #[serde(default)]
    goal: String,
    stop: Option<i64>,
}

/// Does it.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<TrialForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    visitor.check(&headers, &form.csrf)?;
    let (actor, accounts) = (visitor.actor(), app.settings().accounts());
    let typed = json!({"name": form.name, "slot": form.slot, "b": form.b, "place": form.place, "goal": form.goal});
    let b = if form.slot == "media" { form.place } else { form.b };
    let done = app
        .store
        .write(move |tx| match form.stop {
            Some(id) => experiment::stop(tx, id, "called_off", &actor).map(drop).map_err(ExperimentError::Db),
            None => experiment::begin(tx, &form.name, &form.slot, &b, &form.goal, &accounts, &actor).map(drop),
        })
        .await;
    match done {
        Ok(()) => Ok(see("/bot/trials")),
        Err(ExperimentError::Db(error)) => Err(error.into()),
        Err(ExperimentError::Running) => page(&app, &visitor, 422, Some("trial-running"), typed).await,
        Err(ExperimentError::Invalid("b")) => page(&app, &visitor, 422, Some("trial-bad-words"), typed).await,
        Err(ExperimentError::Invalid(_)) => page(&app, &visitor, 422, Some("trial-bad"), typed).await,
    }
}
