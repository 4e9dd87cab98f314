//! Request bodies: how much, how long, how deep, and JSON read into a type with the wrong field named.

use crate::web::error::ApiError;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::BytesMut;
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// Largest body (Reliability sheet §2).
pub const MAX_BODY: usize = 1 << 20;
/// Time for the body to arrive.
pub const BODY_TIME: Duration = Duration::from_secs(15);
/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// What is read and thrown away of a body that is too large, so that its sender gets to hear why.
const DISCARD: usize = 16 << 20;

/// The whole body within [`MAX_BODY`] and [`BODY_TIME`].
pub async fn read(body: Body) -> Result<Bytes, ApiError> {
    tokio::time::timeout(BODY_TIME, collect(body)).await.unwrap_or_else(|_| Err(ApiError::new(408, "body_timeout", "the body did not arrive within 15 seconds")))
}

async fn collect(mut body: Body) -> Result<Bytes, ApiError> {
    let mut whole = BytesMut::new();
    let mut seen = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err(ApiError::new(400, "body_broken", "the body broke off")) };
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= MAX_BODY {
            whole.extend_from_slice(&data);
        } else if seen > DISCARD {
            break;
        }
    }
    if seen > MAX_BODY {
        return Err(ApiError::new(413, "body_too_large", "the body is larger than 1 MiB"));
    }
    Ok(whole.freeze())
}

/// Checks that `bytes` may be parsed as JSON at all: content type (absent counts as JSON) and depth.
pub fn check_json(headers: &HeaderMap, bytes: &[u8]) -> Result<(), ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).map_or(Some("application/json"), |value| value.to_str().ok()).unwrap_or("");
    if !kind.to_ascii_lowercase().split(';').next().unwrap_or("").trim().ends_with("json") {
        return Err(ApiError::new(415, "not_json", "send the body as application/json"));
    }
    if is_too_deep(bytes) {
        return Err(ApiError::new(400, "too_deep", "the JSON is nested deeper than 64 levels"));
    }
    Ok(())
}

/// A JSON object read into `T`. Refusals name the field and say nothing of our types.
pub struct JsonBody<T>(pub T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(body).await?;
        check_json(&parts.headers, &bytes)?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|error| ApiError::new(400, "bad_json", format!("the body is not valid JSON (line {}, column {})", error.line(), error.column())))?;
        if !value.is_object() {
            return Err(ApiError::new(422, "not_an_object", "the body must be a JSON object"));
        }
        serde_path_to_error::deserialize(value).map(Self).map_err(|error| {
            let (path, said) = (error.path().to_string(), error.inner().to_string());
            let missing = said.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
            match missing {
                Some(name) => ApiError::field(name.to_owned(), format!("{name}: is missing")),
                None => ApiError::field(path.clone(), format!("{path}: has the wrong type")),
            }
        })
    }
}

/// Nesting deeper than [`MAX_DEPTH`], found without building anything.
fn is_too_deep(bytes: &[u8]) -> bool {
    // most bodies have fewer brackets than levels are allowed; counting them all, in bytes, takes next to no time
    let brackets = |part: &[u8]| part.iter().map(|byte| u8::from(matches!(byte, b'{' | b'['))).sum::<u8>();
    if bytes.chunks(128).map(|part| usize::from(brackets(part))).sum::<usize>() <= MAX_DEPTH {
        return false;
    }
    let (mut depth, mut in_text, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_text = false,
            (false, b'"') => in_text = true,
            (false, b'{' | b'[') => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return true;
                }
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_outside_of_text() {
        assert!(!is_too_deep("[".repeat(64).as_bytes()));
        assert!(is_too_deep("[".repeat(65).as_bytes()));
        let text = format!("{{\"a\":\"{}\\\"{}\"}}", "[".repeat(100), "{".repeat(100));
        assert!(!is_too_deep(text.as_bytes()));
    }
}
