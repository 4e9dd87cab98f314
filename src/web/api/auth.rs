//! Who calls the JSON contracts: a program with a bearer token, or one of our own pages.

use super::body;
use crate::app::App;
use crate::chat::assignment::Holder;
use crate::chat::inbox::Scope;
use crate::people::user::{self, Role};
use crate::web::error::ApiError;
use crate::web::policy::{self, Action};
use crate::web::session;
use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use axum::middleware::{self, Next};
use axum::response::IntoResponse;
use axum::routing::MethodRouter;
use std::sync::Arc;
use std::time::Duration;

/// A program that came with a valid token.
#[derive(Clone, Debug)]
pub struct Caller {
    /// `token:ID` or `user:ID`, for the audit trail.
    pub actor: String,
    /// The user behind a browser session.
    pub user_id: Option<i64>,
    /// What it may do.
    pub role: Role,
    /// It is one of our own pages, not a program.
    pub is_page: bool,
}

/// The token in `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

impl Caller {
    /// As one who can have a conversation.
    pub fn holder(&self) -> Holder {
        Holder { actor: self.actor.clone(), user_id: self.user_id }
    }

    /// Which chats it may see.
    pub fn scope(&self, app: &App) -> Scope {
        policy::scope(self.role, &self.actor, app.settings().text("team.cs_sees"))
    }

    /// The `Idempotency-Key` it sent, as this caller's own.
    ///
    /// # Errors
    /// 400 when the key cannot be kept as it is: taken for none, the call would count twice.
    pub fn idempotency(&self, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
        let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
        let key = key.to_str().ok().filter(|key| (1..=200).contains(&key.len()));
        let key = key.ok_or_else(|| ApiError::new(400, "bad_idempotency_key", "Idempotency-Key: 1 to 200 visible ASCII characters"))?;
        Ok(Some(format!("{}:{key}", self.actor)))
    }

    /// Where a change it makes came from, as label events say it.
    pub fn source(&self) -> &'static str {
        if self.is_page { "dashboard" } else { "api" }
    }
}

/// The caller, if its token is valid and its role may do `action`. A browser session counts too; what changes something then
/// needs the session's token in `X-CSRF-Token` and must come from our own pages.
pub async fn allowed(app: &App, method: &Method, headers: &HeaderMap, action: Action) -> Result<Caller, ApiError> {
    let caller = match bearer(headers) {
        Some(token) => {
            let token = token.to_owned();
            let found = app.store.read(move |connection| user::token(connection, &token)).await?.ok_or_else(ApiError::unauthorized)?;
            let actor = found.user_id.map_or_else(|| format!("token:{}", found.id), |id| format!("user:{id}"));
            Caller { actor, user_id: found.user_id, role: found.role, is_page: false }
        }
        None => {
            let session = session::signed_in(app, headers).await.ok_or_else(ApiError::unauthorized)?;
            let sent = headers.get("x-csrf-token").and_then(|value| value.to_str().ok()).unwrap_or("");
            let is_ours = session::is_own_origin(headers) && session::is_right_csrf(&session, sent);
            if !method.is_safe() && !is_ours {
                return Err(ApiError::new(403, "foreign_form", "send the session's token in X-CSRF-Token"));
            }
            Caller { actor: format!("user:{}", session.user.id), user_id: Some(session.user.id), role: session.user.role, is_page: true }
        }
    };
    if !policy::may(caller.role, action) {
        return Err(ApiError::new(403, "forbidden", format!("the role {} may not do this", caller.role.as_str())));
    }
    Ok(caller)
}

/// How long a body nobody may send is listened to.
const HEAR_OUT: Duration = Duration::from_secs(2);

/// A route only for those who may do `action`. Asked before anything of the body is read, so that a stranger learns nothing.
pub fn need(app: &Arc<App>, action: Action, route: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    route.route_layer(middleware::from_fn_with_state(Arc::clone(app), move |State(app): State<Arc<App>>, mut request: Request, next: Next| async move {
        match allowed(&app, request.method(), request.headers(), action).await {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                // read to its end also where nobody wants it: a connection with unread bytes is closed under the next request
                let (parts, body) = request.into_parts();
                match body::read(body).await {
                    Ok(bytes) => next.run(Request::from_parts(parts, Body::from(bytes))).await,
                    Err(error) => error.into_response(),
                }
            }
            Err(error) => {
                // taken off the line and thrown away: a connection closed over unread bytes would swallow the answer
                drop(tokio::time::timeout(HEAR_OUT, body::read(request.into_body())).await);
                error.into_response()
            }
        }
    }))
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    /// The caller [`need`] let in. A route without it lets nobody in.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get().cloned().ok_or_else(ApiError::unauthorized)
    }
}
