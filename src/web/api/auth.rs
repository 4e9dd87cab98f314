//! Bearer tokens of the JSON contracts.

use crate::app::App;
use crate::people::user::{self, Role};
use crate::web::error::ApiError;
use crate::web::policy::{self, Action};
use axum::http::HeaderMap;

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
