//! Bearer tokens of the JSON contracts.

use super::body;
use crate::app::App;
use crate::people::user::{self, Role};
use crate::web::error::ApiError;
use crate::web::policy::{self, Action};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::request::Parts;
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
}

/// The token in `Authorization: Bearer …`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

/// The caller, if its token is valid and its role may do `action`.
pub async fn allowed(app: &App, headers: &HeaderMap, action: Action) -> Result<Caller, ApiError> {
    let token = bearer(headers).ok_or_else(ApiError::unauthorized)?.to_owned();
    let found = app.store.read(move |connection| user::token(connection, &token)).await?;
    let (id, role) = found.ok_or_else(ApiError::unauthorized)?;
    if !policy::may(role, action) {
        return Err(ApiError::new(403, "forbidden", format!("the role {} may not do this", role.as_str())));
    }
    Ok(Caller { actor: format!("token:{id}"), user_id: None, role })
}

/// How long a body nobody may send is listened to.
const HEAR_OUT: Duration = Duration::from_secs(2);

/// A route only for those who may do `action`. Asked before anything of the body is read, so that a stranger learns nothing.
pub fn need(app: &Arc<App>, action: Action, route: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    route.route_layer(middleware::from_fn_with_state(Arc::clone(app), move |State(app): State<Arc<App>>, mut request: Request, next: Next| async move {
        match allowed(&app, request.headers(), action).await {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
                next.run(request).await
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
