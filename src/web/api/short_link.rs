//! `GET /c/{CODE}`: logs the click and sends the visitor to WhatsApp with the code in the text.

use crate::app::App;
use crate::growth::campaign;
use crate::kernel::phone::Phone;
use crate::web::error::ApiError;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The handler. An unknown code still leads to WhatsApp: a lost customer costs more than a strange click.
pub async fn follow(State(app): State<Arc<App>>, headers: HeaderMap, Path(code): Path<String>) -> Result<Response, ApiError> {
    let code = code.trim().to_uppercase();
    if code.is_empty() || code.len() > 64 || !code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Err(ApiError::not_found("the link"));
    }
    let settings = app.settings();
    let set = Phone::parse(settings.text("whatsapp.phone"));
    let session = settings.text("waha.session").to_owned();
    let known = app.store.read(move |connection| crate::chat::channel::by_session(connection, &session)).await?;
    let phone = set.or_else(|| known.and_then(|channel| channel.phone).as_deref().and_then(Phone::from_digits));
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (referrer, agent, clicked) = (text(header::REFERER), text(header::USER_AGENT), code.clone());
    // a full disk must not cost the customer: the click is lost, the visitor is not
    let logged = app.store.write(move |tx| campaign::clicked(tx, &clicked, referrer.as_deref(), agent.as_deref())).await;
    if let Err(error) = logged {
        tracing::warn!(%error, "a click could not be logged");
    }
    let Some(phone) = phone else { return Err(ApiError::new(404, "no_number", "this agency has not connected its WhatsApp number yet")) };
    let address = format!("https://wa.me/{}?text={code}", phone.as_str());
    Ok((StatusCode::FOUND, [(header::LOCATION, address), (header::CACHE_CONTROL, "no-store".to_owned())]).into_response())
}
