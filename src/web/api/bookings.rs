//! `GET`/`POST /api/bookings`, `GET /api/bookings/{id}`, their payments, cancelling and voiding.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::inbox::Scope;
use crate::db::StoreError;
use crate::kernel::date;
use crate::people::contact::{self, Contact};
use crate::travel::booking::{self, Booking, BookingError};
use crate::travel::payment;
use crate::web::error::ApiError;
use crate::web::policy::{self, Action};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use chrono::NaiveDate;
use chrono_tz::Tz;
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Rows of a page.
const PAGE: usize = 100;

impl From<BookingError> for ApiError {
    fn from(error: BookingError) -> Self {
        let said = error.to_string();
        match error {
            BookingError::NoSuch(what) => Self::not_found(&format!("the {what}")),
            BookingError::Invalid { field, .. } => Self::field(field, said),
            BookingError::NoSeats(left) => Self::new(409, "no_seats", said).with(json!({"seats_left": left})),
            BookingError::NotOpen => Self::new(409, "not_open", said).about("package"),
            BookingError::Cancelled => Self::new(409, "cancelled", said),
            BookingError::TooMuch(rest) => Self::new(409, "too_much", said).about("amount_idr").with(json!({"still_to_pay_idr": rest})),
            BookingError::OtherUse => Self::new(409, "idempotency_key_reused", said),
            BookingError::Repeated => Self::new(409, "repeated", said).about("reference"),
            BookingError::Db(error) => error.into(),
        }
    }
}

/// The booking, if its contact may be seen.
pub fn seen(connection: &Connection, id: i64, scope: &Scope) -> Result<Booking, BookingError> {
    let booking = booking::find(connection, id)?.ok_or(BookingError::NoSuch("booking"))?;
    if contact::seen_by(connection, booking.contact_id, scope)? { Ok(booking) } else { Err(BookingError::NoSuch("booking")) }
}

/// Who books, if he may be seen: the contact a merged one lives on in.
pub fn buyer(connection: &Connection, id: i64, scope: &Scope) -> Result<Contact, BookingError> {
    let found = contact::alive(connection, id)?.ok_or(BookingError::NoSuch("contact"))?;
    if contact::seen_by(connection, found.id, scope)? { Ok(found) } else { Err(BookingError::NoSuch("contact")) }
}

fn shown(booking: &Booking, zone: Tz) -> Value {
    let mut value = json!(booking);
    value["created_at"] = json!(date::rfc3339(booking.created_at, zone));
    value["cancelled_at"] = json!(booking.cancelled_at.map(|at| date::rfc3339(at, zone)));
    value
}

/// A booking with its payments.
fn whole(connection: &Connection, booking: &Booking, zone: Tz) -> Result<Value, StoreError> {
    let mut value = shown(booking, zone);
    let payments = payment::of_booking(connection, booking.id)?.into_iter().map(|payment| {
        let mut value = json!(payment);
        value["voided_at"] = json!(payment.voided_at.map(|at| date::rfc3339(at, zone)));
        value
    });
    value["payments"] = payments.collect();
    Ok(value)
}

/// Which bookings.
#[derive(Deserialize)]
pub struct Which {
    state: Option<String>,
    before: Option<i64>,
}

/// `GET /api/bookings?state=unpaid|part|paid|cancelled&before=`: newest first.
pub async fn list(State(app): State<Arc<App>>, caller: Caller, Query(which): Query<Which>) -> Result<Json<Value>, ApiError> {
    let state = which.state.unwrap_or_else(|| "unpaid".into());
    if !booking::STATES.contains(&state.as_str()) {
        return Err(ApiError::field("state", "state: unpaid, part, paid or cancelled"));
    }
    let (scope, zone) = (caller.scope(&app), app.settings().zone);
    let (rows, next) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let all = booking::list(connection, &state, &scope, which.before, PAGE)?;
            let next = all.last().filter(|_| all.len() == PAGE).map(|last| last.id);
            Ok((all.iter().map(|booking| shown(booking, zone)).collect::<Vec<_>>(), next))
        })
        .await?;
    Ok(Json(json!({"bookings": rows, "next": next})))
}

/// `GET /api/bookings/{id}`: with its payments.
pub async fn get(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<i64>) -> Result<Json<Value>, ApiError> {
    let (scope, zone) = (caller.scope(&app), app.settings().zone);
    let found = app.store.read(move |connection| -> Result<Value, BookingError> { Ok(whole(connection, &seen(connection, id, &scope)?, zone)?) }).await?;
    app.note_look(&caller.actor, found["contact_id"].as_i64().unwrap_or(0));
    Ok(Json(found))
}

/// What is booked.
#[derive(Deserialize)]
pub struct NewBooking {
    contact: i64,
    package: String,
    seats: i64,
    total_idr: Option<i64>,
    note: Option<String>,
}

/// `POST /api/bookings {"contact","package","seats","total_idr"?,"note"?}`: 201; 409 `no_seats` with how many are left. With an
/// `Idempotency-Key` the same call again books nothing again.
pub async fn add(State(app): State<Arc<App>>, caller: Caller, headers: HeaderMap, JsonBody(body): JsonBody<NewBooking>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (token, scope, zone) = (caller.idempotency(&headers)?, caller.scope(&app), app.settings().zone);
    let new = booking::New { contact_id: body.contact, package_code: body.package, seats: body.seats, total_idr: body.total_idr, note: body.note, token };
    let made = app
        .store
        .write(move |tx| -> Result<Value, BookingError> {
            buyer(tx, new.contact_id, &scope)?;
            Ok(whole(tx, &booking::add(tx, &caller.actor, &new)?, zone)?)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// What was agreed anew.
#[derive(Deserialize)]
pub struct NewTotal {
    total_idr: i64,
}

/// `PATCH /api/bookings/{id} {"total_idr"}`: an extra, a better room, a mistake.
pub async fn patch(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<i64>, JsonBody(body): JsonBody<NewTotal>) -> Result<Json<Value>, ApiError> {
    let (scope, zone) = (caller.scope(&app), app.settings().zone);
    let left = app
        .store
        .write(move |tx| -> Result<Value, BookingError> {
            seen(tx, id, &scope)?;
            Ok(whole(tx, &booking::set_total(tx, &caller.actor, id, body.total_idr)?, zone)?)
        })
        .await?;
    Ok(Json(left))
}

/// `POST /api/bookings/{id}/cancel`: its seats are free again.
pub async fn cancel(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<i64>) -> Result<Json<Value>, ApiError> {
    let (scope, zone) = (caller.scope(&app), app.settings().zone);
    let left = app
        .store
        .write(move |tx| -> Result<Value, BookingError> {
            seen(tx, id, &scope)?;
            booking::cancel(tx, &caller.actor, id)?;
            Ok(whole(tx, &seen(tx, id, &scope)?, zone)?)
        })
        .await?;
    Ok(Json(left))
}

/// What was paid.
#[derive(Deserialize)]
pub struct NewPayment {
    amount_idr: i64,
    method: String,
    received_on: Option<String>,
    reference: Option<String>,
}

/// `POST /api/bookings/{id}/payments {"amount_idr","method","received_on"?,"reference"?}`: 201; below zero is money given back.
pub async fn pay(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<i64>,
    JsonBody(body): JsonBody<NewPayment>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (token, scope, zone) = (caller.idempotency(&headers)?, caller.scope(&app), app.settings().zone);
    // who writes money down may not give it back alone
    if body.amount_idr < 0 && !policy::may(caller.role, Action::EditCatalog) {
        return Err(ApiError::new(403, "forbidden", format!("the role {} may not give money back", caller.role.as_str())));
    }
    let received_on = match body.received_on.as_deref() {
        None => None,
        Some(day) => Some(day.parse::<NaiveDate>().map_err(|_| ApiError::field("received_on", "received_on: a day such as 2026-12-31"))?),
    };
    let new = payment::New { booking_id: id, amount_idr: body.amount_idr, method: body.method, received_on, reference: body.reference, token };
    let left = app
        .store
        .write(move |tx| -> Result<Value, BookingError> {
            seen(tx, id, &scope)?;
            Ok(whole(tx, &payment::add(tx, &caller.actor, &new)?, zone)?)
        })
        .await?;
    Ok((StatusCode::CREATED, Json(left)))
}

/// `POST /api/payments/{id}/void`: a payment written down by mistake.
pub async fn void(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<i64>) -> Result<Json<Value>, ApiError> {
    let (scope, zone) = (caller.scope(&app), app.settings().zone);
    let left = app
        .store
        .write(move |tx| -> Result<Value, BookingError> {
            let booking_id = payment::booking_of(tx, id)?.ok_or(BookingError::NoSuch("payment"))?;
            seen(tx, booking_id, &scope)?;
            payment::void(tx, &caller.actor, id)?;
            Ok(whole(tx, &seen(tx, booking_id, &scope)?, zone)?)
        })
        .await?;
    Ok(Json(left))
}
