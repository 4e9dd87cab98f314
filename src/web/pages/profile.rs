//! The one who is signed in: language, theme, password, second factor, sessions, and whether he is away.

use super::{Form, Refusal, Visitor, enter, see};
use crate::app::App;
use crate::db::StoreError;
use crate::kernel::language::Language;
use crate::kernel::totp;
use crate::people::user::{self, UserError};
use crate::web::policy::Action;
use crate::web::session;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// What just happened, in the address.
#[derive(Deserialize, Default)]
pub struct Done {
    saved: Option<String>,
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(done): Query<Done>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    page(&app, &headers, &visitor, 200, json!({"saved": done.saved.is_some()})).await
}

/// The page with his sessions; `more`: what just happened.
async fn page(app: &Arc<App>, headers: &HeaderMap, visitor: &super::Visitor, status: u16, more: Value) -> Result<Response, Refusal> {
    let (id, token) = (visitor.session.user.id, session::cookie_token(headers).unwrap_or_default());
    let (sessions, has_factor, away) = app
        .store
        .read(move |connection| -> Result<_, StoreError> { Ok((user::sessions(connection, id, &token)?, user::has_factor(connection, id)?, user::is_away(connection, id)?)) })
        .await?;
    let mut values = json!({"sessions": sessions, "has_factor": has_factor, "away": away});
    if let (Value::Object(into), Value::Object(from)) = (&mut values, more) {
        into.extend(from);
    }
    Ok(visitor.page(status, "profile.html", "profile", values).await)
}

/// Away or back.
#[derive(Deserialize)]
pub struct AwayForm {
    csrf: String,
    away: Option<String>,
}

/// Says that he is away: no chats are dealt to him until he is back.
pub async fn away(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<AwayForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    visitor.check(&headers, &sent.csrf)?;
    let id = visitor.session.user.id;
    app.store.write(move |tx| user::set_away(tx, id, sent.away.is_some())).await?;
    Ok(see("/profile?saved=1"))
}

/// Which session.
#[derive(Deserialize)]
pub struct SessionForm {
    csrf: String,
    session: String,
}

/// Ends one of his sessions, on whatever device.
pub async fn end_session(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<SessionForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    visitor.check(&headers, &sent.csrf)?;
    let (id, actor) = (visitor.session.user.id, visitor.actor());
    app.store.write(move |tx| user::revoke_session(tx, id, &sent.session, &actor)).await?;
    Ok(see("/profile?saved=1"))
}

/// The second factor, step by step: asked for, proved by a first code, taken away by a code.
#[derive(Deserialize)]
pub struct FactorForm {
    csrf: String,
    what: String,
    secret: Option<String>,
    code: Option<String>,
}

/// Guesses at a password or a code from within a session are slowed like those at the door.
async fn may_guess(app: &App, visitor: &Visitor) -> Result<(), Refusal> {
    let (email, here, now) = (visitor.session.user.email.clone(), format!("session of {}", visitor.actor()), app.now_ms());
    let wait = app.store.read(move |connection| user::login_delay_ms(connection, &email, &here, now)).await?;
    if wait > 0 { Err(Refusal::Notice(429, "slow")) } else { Ok(()) }
}

async fn guessed_wrong(app: &App, visitor: &Visitor) -> Result<(), Refusal> {
    let (email, here) = (visitor.session.user.email.clone(), format!("session of {}", visitor.actor()));
    Ok(app.store.write(move |tx| user::login_failed(tx, &email, &here)).await?)
}

/// Switches the second factor on or off.
pub async fn second_factor(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<FactorForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    visitor.check(&headers, &sent.csrf)?;
    let (id, email) = (visitor.session.user.id, visitor.session.user.email.clone());
    let offer = |secret: &str, wrong: bool| {
        let address = totp::address(secret, &email, app.settings().text("agency.name"));
        json!({"factor": {"secret": secret, "qr": super::whatsapp::qr_picture(&address), "wrong": wrong}})
    };
    match sent.what.as_str() {
        "begin" => page(&app, &headers, &visitor, 200, offer(&totp::new_secret(), false)).await,
        "confirm" => {
            if app.store.read(move |connection| user::has_factor(connection, id)).await? {
                return Err(Refusal::NotFound); // the one in place is switched off first, with its own code
            }
            let secret = sent.secret.unwrap_or_default();
            if !totp::is_long_enough(&secret) {
                return Err(Refusal::Foreign); // none of those we offered
            }
            let now_s = app.now_ms() / 1000;
            let Some(step) = totp::check(&secret, sent.code.as_deref().unwrap_or(""), now_s, 0) else {
                return page(&app, &headers, &visitor, 422, offer(&secret, true)).await;
            };
            app.store.write(move |tx| user::set_factor(tx, id, Some((&secret, step)))).await?;
            Ok(see("/profile?saved=1"))
        }
        _ => {
            may_guess(&app, &visitor).await?;
            let (code, now_s) = (sent.code.unwrap_or_default(), app.now_ms() / 1000);
            let fits = app.store.write(move |tx| user::check_factor(tx, id, &code, now_s)).await?;
            if !fits {
                guessed_wrong(&app, &visitor).await?;
                return page(&app, &headers, &visitor, 422, json!({"factor_wrong": true})).await;
            }
            app.store.write(move |tx| user::set_factor(tx, id, None)).await?;
            Ok(see("/profile?saved=1"))
        }
    }
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
    may_guess(&app, &visitor).await?;
    let known = app.store.read(move |connection| user::check_password(connection, &email, &sent.old)).await?;
    if known.is_none() {
        guessed_wrong(&app, &visitor).await?;
    }
    let hashed = tokio::task::spawn_blocking(move || user::hash_password(&sent.new)).await.unwrap_or(Err(UserError::BadPassword));
    let (Some(_), Ok(hash)) = (known, hashed) else {
        return page(&app, &headers, &visitor, 422, json!({"wrong": true})).await;
    };
    app.store.write(move |tx| user::set_password(tx, &actor, id, &hash)).await.map_err(|_| Refusal::NotFound)?;
    Ok(see("/login"))
}
