//! The team: who logs in, with which role; letting people in and out.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::chat::assignment::Shift;
use crate::db::StoreError;
use crate::kernel::hours;
use crate::people::user::{self, Role, UserError};
use crate::web::policy::{self, Action};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

async fn page(app: &Arc<App>, visitor: &super::Visitor, status: u16, typed: Value, wrong: Option<&str>) -> Result<Response, Refusal> {
    let (users, duties) = app.store.read(|connection| -> Result<_, StoreError> { Ok((user::list(connection)?, user::duties(connection)?)) }).await?;
    let duties: Vec<Value> = duties
        .into_iter()
        .map(|duty| {
            let shift = duty.shift.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or(json!({}));
            json!({"user_id": duty.user_id, "takes": duty.takes_chats, "cap": duty.chat_cap, "shift": shift, "online": duty.online, "away": duty.away, "open": duty.open})
        })
        .collect();
    let actions =
        [("view", Action::View), ("chat", Action::Chat), ("labels", Action::EditLabels), ("catalog", Action::EditCatalog), ("audit", Action::Audit), ("admin", Action::Administer)];
    let matrix: Vec<Value> = Role::ALL
        .iter()
        .map(|role| json!({"role": role, "may": actions.iter().map(|(name, action)| json!({"name": name, "yes": policy::may(*role, *action)})).collect::<Vec<_>>()}))
        .chain(std::iter::once(json!({"role": "bot", "may": actions.iter().map(|(name, action)| json!({"name": name, "yes": policy::bot_may(*action)})).collect::<Vec<_>>()})))
        .collect();
    Ok(visitor.page(status, "team.html", "team", json!({"users": users, "duties": duties, "matrix": matrix, "typed": typed, "wrong": wrong})).await)
}

/// The page.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    page(&app, &visitor, 200, json!({"role": "cs"}), None).await
}

/// Somebody new.
#[derive(Deserialize)]
pub struct NewUser {
    csrf: String,
    name: String,
    email: String,
    role: String,
    password: String,
}

/// Lets somebody in.
pub async fn add(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<NewUser>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &sent.csrf)?;
    let role = Role::parse(&sent.role).ok_or(Refusal::NotFound)?;
    let password = sent.password.clone();
    let hashed = tokio::task::spawn_blocking(move || user::hash_password(&password)).await.unwrap_or(Err(UserError::BadPassword));
    let (actor, email, name) = (visitor.actor(), sent.email.clone(), sent.name.clone());
    let done = match hashed {
        Ok(hash) => app.store.write(move |tx| user::create(tx, &actor, &email, &name, role, &hash)).await.map(drop),
        Err(error) => Err(error),
    };
    answer(&app, &visitor, done, json!({"name": sent.name, "email": sent.email, "role": sent.role})).await
}

async fn answer(app: &Arc<App>, visitor: &super::Visitor, done: Result<(), UserError>, typed: Value) -> Result<Response, Refusal> {
    let wrong = match done {
        Ok(()) => return Ok(see("/team")),
        Err(UserError::Store(error)) => return Err(error.into()),
        Err(UserError::BadEmail(_)) => "team-bad-email",
        Err(UserError::BadPassword) => "team-bad-password",
        Err(UserError::BadName) => "team-bad-name",
        Err(UserError::Taken(_)) => "team-taken",
        Err(UserError::NoSuchUser(_)) => return Err(Refusal::NotFound),
        Err(UserError::LastAdmin(_)) => "team-last-admin",
    };
    page(app, visitor, 422, typed, Some(wrong)).await
}

/// A change of somebody.
#[derive(Deserialize)]
pub struct Change {
    csrf: String,
    email: String,
    what: String,
    role: Option<String>,
}

/// Role, out, in again.
pub async fn change(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Change>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &sent.csrf)?;
    let actor = visitor.actor();
    let role = sent.role.as_deref().and_then(Role::parse);
    let done = app
        .store
        .write(move |tx| match (sent.what.as_str(), role) {
            ("disable", _) => user::disable(tx, &actor, &sent.email),
            ("enable", _) => user::enable(tx, &actor, &sent.email),
            ("role", Some(role)) => user::set_role(tx, &actor, &sent.email, role),
            _ => Ok(()),
        })
        .await;
    answer(&app, &visitor, done, json!({"role": "cs"})).await
}

/// Hours and share of the dealing.
#[derive(Deserialize)]
pub struct DutyForm {
    csrf: String,
    user: i64,
    takes: Option<String>,
    #[serde(default)]
    cap: String,
    #[serde(default)]
    days: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
}

/// Sets somebody's hours, cap and whether chats are dealt to him.
pub async fn duty(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<DutyForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &sent.csrf)?;
    let cap = match sent.cap.trim() {
        "" => Ok(None),
        text => text.parse::<i64>().ok().filter(|cap| (1..=1_000).contains(cap)).map(Some).ok_or(()),
    };
    let shift = match (sent.from.trim(), sent.until.trim()) {
        ("", "") => Ok(None),
        (from, until) => {
            let time = |text: &str| chrono::NaiveTime::parse_from_str(text, "%H:%M").ok();
            let days = if sent.days.trim().is_empty() { "1-7" } else { sent.days.trim() };
            let right = time(from).is_some() && time(until).is_some() && from != until && !hours::week_days(days).is_empty();
            let shift = Shift { days: days.to_owned(), from: from.to_owned(), until: until.to_owned() };
            if right { Ok(Some(json!(shift).to_string())) } else { Err(()) }
        }
    };
    let (Ok(cap), Ok(shift)) = (cap, shift) else { return page(&app, &visitor, 422, json!({"role": "cs"}), Some("bad-shift")).await };
    let actor = visitor.actor();
    app.store.write(move |tx| user::set_duty(tx, &actor, sent.user, sent.takes.is_some(), cap, shift.as_deref())).await?;
    Ok(see("/team"))
}
