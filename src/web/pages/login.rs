//! Signing in and out.

use super::{Form, Refusal, see};
use crate::app::App;
use crate::people::user;
use crate::web::{session, view};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use minijinja::value::Value as View;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use tokio::sync::Semaphore;

/// Passwords checked at once: each takes 19 MiB.
static CHECKS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2));

/// What the form sends.
#[derive(Deserialize)]
pub struct LoginForm {
    email: String,
    password: String,
    code: Option<String>,
}

fn form(app: &App, status: u16, more: Value) -> Response {
    let mut context = view::base(app, app.settings().language(), "auto");
    if let (Value::Object(into), Value::Object(from)) = (&mut context, more) {
        into.extend(from);
    }
    view::page(status, "login.html", &View::from(minijinja::value::Serde(context)))
}

/// The form.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    if session::signed_in(&app, &headers).await.is_some() {
        return Ok(see("/"));
    }
    let nobody = app.store.read(user::list).await?.is_empty();
    Ok(form(&app, 200, json!({"nobody": nobody, "insecure": !session::keeps_cookie(&app, &headers)})))
}

/// Where somebody comes from; a proxy's word is taken only when `server.trusted_proxy` is on.
fn address(app: &App, headers: &HeaderMap, peer: SocketAddr) -> String {
    let forwarded = headers.get("x-forwarded-for").and_then(|value| value.to_str().ok()).and_then(|list| list.rsplit(',').next());
    match forwarded.filter(|_| app.settings().on("server.trusted_proxy")) {
        Some(address) => crate::kernel::text::cut(address.trim(), 64).to_owned(),
        None => peer.ip().to_string(),
    }
}

/// Checks name and password.
pub async fn submit(State(app): State<Arc<App>>, ConnectInfo(peer): ConnectInfo<SocketAddr>, headers: HeaderMap, Form(sent): Form<LoginForm>) -> Result<Response, Refusal> {
    if !session::is_own_origin(&headers) {
        return Err(Refusal::Foreign);
    }
    let (email, address) = (sent.email.trim().to_owned(), address(&app, &headers, peer));
    let now = app.now_ms();
    let (who, place) = (email.clone(), address.clone());
    let wait = app.store.read(move |connection| user::login_delay_ms(connection, &who, &place, now)).await?;
    if wait > 0 {
        return Ok(form(&app, 429, json!({"email": email, "wait_s": (wait + 999) / 1000})));
    }
    let _slot = CHECKS.acquire().await.map_err(|_| Refusal::NotFound)?;
    let (who, password) = (email.clone(), sent.password);
    let found = app.store.read(move |connection| user::check_password(connection, &who, &password)).await?;
    let Some(found) = found else {
        let (who, place) = (email.clone(), address);
        app.store.write(move |tx| user::login_failed(tx, &who, &place)).await?;
        return Ok(form(&app, 422, json!({"email": email, "wrong": true})));
    };
    let (id, now_s, code) = (found.id, now / 1000, sent.code.unwrap_or_default());
    if app.store.read(move |connection| user::has_factor(connection, id)).await? {
        let typed = code.clone();
        let fits = !code.is_empty() && app.store.write(move |tx| user::check_factor(tx, id, &typed, now_s)).await?;
        if !fits {
            if !code.is_empty() {
                let (who, place) = (email.clone(), address);
                app.store.write(move |tx| user::login_failed(tx, &who, &place)).await?;
            }
            return Ok(form(&app, 422, json!({"email": email, "needs_code": true, "wrong_code": !code.is_empty()})));
        }
    }
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("").to_owned();
    let token = app.store.write(move |tx| user::start_session(tx, found.id, &address, &agent)).await?;
    Ok(([(header::SET_COOKIE, session::set_cookie(&app, &headers, Some(&token)))], see("/")).into_response())
}

/// What the sign-out button sends.
#[derive(Deserialize)]
pub struct LogoutForm {
    csrf: String,
}

/// Ends the session on the server.
pub async fn logout(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<LogoutForm>) -> Result<Response, Refusal> {
    let visitor = super::enter(&app, &headers, crate::web::policy::Action::View).await?;
    visitor.check(&headers, &sent.csrf)?;
    if let Some(token) = session::cookie_token(&headers) {
        app.store.write(move |tx| user::end_session(tx, &token)).await?;
    }
    Ok(([(header::SET_COOKIE, session::set_cookie(&app, &headers, None))], see("/login")).into_response())
}
