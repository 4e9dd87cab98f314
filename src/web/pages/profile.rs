//! Language, theme and password of the one who is signed in.

use super::{Refusal, enter, see};
use crate::app::App;
use crate::kernel::language::Language;
use crate::people::user::{self, UserError};
use crate::web::policy::Action;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

/// What just happened, in the address.
#[derive(Deserialize, Default)]
pub struct Done {
    saved: Option<String>,
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(done): Query<Done>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    Ok(visitor.page(200, "profile.html", "profile", json!({"saved": done.saved.is_some()})).await)
}

/// Looks.
#[derive(Deserialize)]
pub struct Looks {
    csrf: String,
    language: String,
    theme: String,
}

/// Saves the looks.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Looks>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    visitor.check(&headers, &sent.csrf)?;
    let id = visitor.session.user.id;
    app.store.write(move |tx| user::set_looks(tx, id, Language::parse(&sent.language), &sent.theme)).await.map_err(|error| match error {
        UserError::Store(error) => Refusal::Trouble(error),
        _ => Refusal::NotFound,
    })?;
    Ok(see("/profile?saved=1"))
}

/// A new password.
#[derive(Deserialize)]
pub struct NewPassword {
    csrf: String,
    old: String,
    new: String,
}

/// Changes the password; every session ends, this one too.
pub async fn password(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<NewPassword>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    visitor.check(&headers, &sent.csrf)?;
    let (id, email, actor) = (visitor.session.user.id, visitor.session.user.email.clone(), visitor.actor());
    let known = app.store.read(move |connection| user::check_password(connection, &email, &sent.old)).await?;
    let hashed = tokio::task::spawn_blocking(move || user::hash_password(&sent.new)).await.unwrap_or(Err(UserError::BadPassword));
    let (Some(_), Ok(hash)) = (known, hashed) else {
        return Ok(visitor.page(422, "profile.html", "profile", json!({"wrong": true})).await);
    };
    app.store.write(move |tx| user::set_password(tx, &actor, id, &hash)).await.map_err(|_| Refusal::NotFound)?;
    Ok(see("/login"))
}
