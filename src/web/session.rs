//! Browser sessions: the cookie, who is signed in, and the checks every changing request passes (CSRF token *and* origin).

use crate::app::App;
use crate::people::user::{self, Session};
use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq;

/// Cookie name on plain-http loopback; elsewhere the `__Host-` form, which browsers bind to this host over TLS.
const PLAIN: &str = "kafilah";
const HOST: &str = "__Host-kafilah";

/// The token in the session cookie.
pub fn cookie_token(headers: &HeaderMap) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == HOST || name == PLAIN).then(|| value.to_owned())
    })
}

/// The `Set-Cookie` value that starts (or, without token, ends) a session.
pub fn set_cookie(app: &App, headers: &HeaderMap, token: Option<&str>) -> String {
    let secure = !is_plain_loopback(app, headers);
    let (name, flag) = if secure { (HOST, "; Secure") } else { (PLAIN, "") };
    match token {
        Some(token) => format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1209600{flag}"),
        None => format!("{name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0{flag}"),
    }
}

/// Whether a browser would keep the cookie of [`set_cookie`]: not over plain http to another machine.
pub fn keeps_cookie(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    let host = text("host");
    let host_is_local = host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
    let https = text("x-forwarded-proto") == "https" || app.settings().text("server.public_url").starts_with("https://");
    https || host_is_local || is_plain_loopback(app, headers)
}

/// Plain http straight to a loopback listener, not through a TLS proxy.
fn is_plain_loopback(app: &App, headers: &HeaderMap) -> bool {
    let loopback = app.listen.get().is_some_and(|address| address.ip().is_loopback());
    let proto = headers.get("x-forwarded-proto").and_then(|value| value.to_str().ok());
    let https_outside = app.settings().text("server.public_url").starts_with("https://");
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("");
    let host_is_local = host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
    loopback && proto != Some("https") && (host_is_local || !https_outside)
}

/// Who is signed in.
pub async fn signed_in(app: &App, headers: &HeaderMap) -> Option<Session> {
    let token = cookie_token(headers)?;
    let now = app.now_ms();
    app.store.read(move |connection| user::session(connection, &token, now)).await.ok().flatten()
}

/// Whether a changing request comes from one of our own pages: `Sec-Fetch-Site` where the browser sends it, else `Origin`.
pub fn is_own_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some("same-origin" | "none"), ..) => true,
        (Some(_), ..) => false,
        (None, Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, site)| site == host),
        (None, None, _) => true, // no browser: it holds no cookie it did not put there itself
        _ => false,
    }
}

/// Compares a form's token with the session's in constant time.
pub fn is_right_csrf(session: &Session, sent: &str) -> bool {
    session.csrf.as_bytes().ct_eq(sent.as_bytes()).into()
}
