//! Errors of the JSON contracts: `{"error":{"code","message","field"?}}`, a sentence for people, nothing of the inside.

use crate::db::StoreError;
use crate::travel::package::PackageError;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::borrow::Cow;

/// An error answer.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    field: Option<Cow<'static, str>>,
    more: Option<Value>,
}

impl ApiError {
    /// Any error.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), code, message: message.into(), field: None, more: None }
    }

    /// Whether the caller may not (401, 403), whatever the state of the program.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    /// 422 about one field.
    pub fn field(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(422, "invalid_field", message) }
    }

    /// The same error with more facts beside it.
    pub fn with(self, more: Value) -> Self {
        Self { more: Some(more), ..self }
    }

    /// The same error about a field.
    pub fn about(self, field: &'static str) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Its name for programs.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// 404: not there, or not for this caller.
    pub fn not_found(what: &str) -> Self {
        Self::new(404, "not_found", format!("{what} was not found"))
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(401, "unauthorized", "send a valid bearer token: Authorization: Bearer TOKEN")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Some(field) = self.field {
            error["field"] = field.into_owned().into();
        }
        if let (Some(Value::Object(more)), Some(error)) = (self.more, error.as_object_mut()) {
            error.extend(more);
        }
        let mut response = (self.status, Json(json!({"error": error}))).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(why) => Self::new(503, "store_unavailable", format!("the store cannot be written now ({why}); try again")),
            StoreError::Closed => Self::new(503, "busy", "too much is waiting; try again"),
            StoreError::Db(cause) => {
                tracing::error!(%cause, "a request failed in the store");
                Self::new(500, "internal", "something went wrong here; it has been logged")
            }
        }
    }
}

impl From<rusqlite::Error> for ApiError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<PackageError> for ApiError {
    fn from(error: PackageError) -> Self {
        match error {
            PackageError::Invalid { field, problem } => Self::field(field, format!("{field}: {problem}")),
            PackageError::NoSuchPackage(code) => Self::not_found(&format!("package {code}")),
            PackageError::Store(store) => store.into(),
        }
    }
}
