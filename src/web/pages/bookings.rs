//! Bookings: who has booked what and how much is still to pay; one booking with its payments.

use super::{Form, Refusal, Visitor, enter, see};
use crate::app::App;
use crate::db::StoreError;
use crate::kernel::{date, ids, rupiah};
use crate::people::contact;
use crate::travel::booking::{self, BookingError};
use crate::travel::{package, payment};
use crate::web::api::bookings::{buyer, seen};
use crate::web::policy::Action;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Rows of a page.
const PAGE: usize = 50;

impl From<BookingError> for Refusal {
    fn from(error: BookingError) -> Self {
        match error {
            BookingError::Db(error) => error.into(),
            _ => Self::NotFound,
        }
    }
}

/// Which bookings.
#[derive(Deserialize, Default)]
pub struct Which {
    tab: Option<String>,
    before: Option<i64>,
}

/// The list.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap, Query(which): Query<Which>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let scope = visitor.scope();
    let tab = which.tab.filter(|tab| booking::STATES.contains(&tab.as_str())).unwrap_or_else(|| "unpaid".into());
    let state = tab.clone();
    let mut values = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            let rows = booking::list(connection, &state, &scope, which.before, PAGE)?;
            let next = rows.last().filter(|_| rows.len() == PAGE).map(|last| last.id);
            Ok(json!({"rows": rows, "next": next, "counts": booking::counts(connection, &scope)?}))
        })
        .await?;
    values["tab"] = json!(tab);
    values["tabs"] = json!(booking::STATES);
    Ok(visitor.page(200, "bookings.html", "bookings", values).await)
}

/// For whom a booking is made.
#[derive(Deserialize)]
pub struct ForWhom {
    contact: Option<i64>,
    package: Option<String>,
    seats: Option<i64>,
}

/// The empty form.
pub async fn blank(State(app): State<Arc<App>>, headers: HeaderMap, Query(whom): Query<ForWhom>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    let typed = json!({"package": whom.package, "seats": whom.seats.filter(|seats| (1..=booking::MOST_SEATS).contains(seats))});
    let contact_id = whom.contact.ok_or(Refusal::NotFound)?;
    form(&app, &visitor, 200, contact_id, typed, None).await
}

async fn form(app: &Arc<App>, visitor: &Visitor, status: u16, contact_id: i64, typed: Value, wrong: Option<(&str, i64)>) -> Result<Response, Refusal> {
    let (scope, zone, now_ms) = (visitor.scope(), app.settings().zone, app.now_ms());
    let mut values = app
        .store
        .read(move |connection| -> Result<Value, BookingError> {
            let found = buyer(connection, contact_id, &scope)?;
            let today = date::day_of(now_ms, zone);
            let open: Vec<Value> = package::list(connection)?
                .into_iter()
                .filter(|(_, package)| package.availability(today) == package::Availability::Open)
                .map(|(_, package)| json!({"code": package.code, "name": package.name, "departs": package.departs, "left": package.seats_left(), "price_idr": package.price_idr}))
                .collect();
            Ok(json!({"contact": found, "packages": open}))
        })
        .await?;
    values["typed"] = typed;
    values["wrong"] = json!(wrong.map(|(field, _)| field));
    values["left"] = json!(wrong.map(|(_, left)| left));
    values["token"] = json!(ids::hex(&ids::random::<12>()));
    Ok(visitor.page(status, "booking_new.html", "bookings", values).await)
}

/// A form's token, as this person's own; a form without one is taken each time.
fn token_of(actor: &str, sent: &str) -> Option<String> {
    (1..=64).contains(&sent.len()).then(|| format!("{actor}:{sent}"))
}

/// A booking as the form sends it.
#[derive(Deserialize)]
pub struct BookingForm {
    csrf: String,
    token: String,
    contact: i64,
    package: String,
    seats: String,
    total: String,
    note: String,
}

/// Books.
pub async fn add(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<BookingForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &sent.csrf)?;
    let typed = json!({"package": sent.package, "seats": sent.seats, "total": sent.total, "note": sent.note});
    let total_idr = match sent.total.trim() {
        "" => None,
        text => match rupiah::parse(text) {
            Some(total) => Some(total),
            None => return form(&app, &visitor, 422, sent.contact, typed, Some(("total_idr", 0))).await,
        },
    };
    let (actor, scope, contact_id) = (visitor.actor(), visitor.scope(), sent.contact);
    let new = booking::New {
        contact_id,
        package_code: sent.package,
        seats: sent.seats.trim().parse().unwrap_or(0),
        total_idr,
        note: Some(sent.note),
        token: token_of(&actor, &sent.token),
    };
    let made = app
        .store
        .write(move |tx| {
            buyer(tx, new.contact_id, &scope)?;
            booking::add(tx, &actor, &new)
        })
        .await;
    let wrong = match made {
        Ok(booking) => return Ok(see(&format!("/bookings/{}", booking.id))),
        Err(BookingError::NoSeats(left)) => ("no_seats", left),
        Err(BookingError::NotOpen | BookingError::NoSuch("package")) => ("package", 0),
        Err(BookingError::Invalid { field, .. }) => (field, 0),
        Err(error) => return Err(error.into()),
    };
    form(&app, &visitor, 422, contact_id, typed, Some(wrong)).await
}

/// One booking.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    page(&app, &visitor, 200, id, json!({}), None).await
}

async fn page(app: &Arc<App>, visitor: &Visitor, status: u16, id: i64, typed: Value, wrong: Option<&str>) -> Result<Response, Refusal> {
    let scope = visitor.scope();
    let mut values = app
        .store
        .read(move |connection| -> Result<Value, BookingError> {
            let booking = seen(connection, id, &scope)?;
            let chat: Option<i64> = contact::conversations(connection, booking.contact_id)?.first().copied();
            Ok(json!({"payments": payment::of_booking(connection, id)?, "booking": booking, "chat": chat}))
        })
        .await?;
    values["typed"] = typed;
    values["wrong"] = json!(wrong);
    values["methods"] = json!(payment::METHODS);
    values["today"] = json!(date::day_of(app.now_ms(), app.settings().zone).to_string());
    values["token"] = json!(ids::hex(&ids::random::<12>()));
    app.note_look(&visitor.actor(), values["booking"]["contact_id"].as_i64().unwrap_or(0));
    Ok(visitor.page(status, "booking.html", "bookings", values).await)
}

/// A payment as the form sends it.
#[derive(Deserialize)]
pub struct PaymentForm {
    csrf: String,
    token: String,
    amount: String,
    back: Option<String>,
    method: String,
    received_on: String,
    reference: String,
}

/// Writes a payment down.
pub async fn pay(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(sent): Form<PaymentForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &sent.csrf)?;
    let typed = json!({"amount": sent.amount, "back": sent.back.is_some(), "method": sent.method, "received_on": sent.received_on, "reference": sent.reference});
    if sent.back.is_some() && !visitor.may(Action::EditCatalog) {
        return Err(Refusal::NotFound); // who writes money down may not give it back alone
    }
    let sign = if sent.back.is_some() { -1 } else { 1 };
    let (actor, scope) = (visitor.actor(), visitor.scope());
    let received_on = sent.received_on.trim();
    let new = payment::New {
        booking_id: id,
        amount_idr: rupiah::parse(&sent.amount).unwrap_or(0) * sign,
        method: sent.method,
        received_on: match received_on {
            "" => None,
            day => match day.parse() {
                Ok(day) => Some(day),
                Err(_) => return page(&app, &visitor, 422, id, typed, Some("received_on")).await,
            },
        },
        reference: Some(sent.reference),
        token: token_of(&actor, &sent.token),
    };
    let done = app
        .store
        .write(move |tx| {
            seen(tx, id, &scope)?;
            payment::add(tx, &actor, &new)
        })
        .await;
    let wrong = match done {
        Ok(_) => return Ok(see(&format!("/bookings/{id}"))),
        Err(BookingError::Invalid { field, .. }) => field,
        Err(BookingError::Repeated) => "reference",
        Err(BookingError::TooMuch(_)) => "too_much",
        Err(BookingError::Cancelled) => "cancelled",
        Err(error) => return Err(error.into()),
    };
    page(&app, &visitor, 422, id, typed, Some(wrong)).await
}

/// What is taken back.
#[derive(Deserialize)]
pub struct Deed {
    csrf: String,
    what: String,
    with: Option<i64>,
    total: Option<String>,
}

/// Cancels the booking, changes what was agreed, or voids one of its payments.
pub async fn act(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(deed): Form<Deed>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditCatalog).await?;
    visitor.check(&headers, &deed.csrf)?;
    let (actor, scope, total) = (visitor.actor(), visitor.scope(), deed.total.as_deref().and_then(rupiah::parse));
    let wrong = if deed.what == "total" { "total_idr" } else { "void" };
    let done = app
        .store
        .write(move |tx| -> Result<bool, BookingError> {
            seen(tx, id, &scope)?;
            match (deed.what.as_str(), deed.with) {
                ("total", _) => {
                    let total = total.ok_or(BookingError::Invalid { field: "total_idr", problem: "whole rupiah" })?;
                    booking::set_total(tx, &actor, id, total).map(|_| true)
                }
                ("cancel", _) => booking::cancel(tx, &actor, id),
                ("void", Some(payment_id)) if payment::booking_of(tx, payment_id)? == Some(id) => payment::void(tx, &actor, payment_id),
                _ => Err(BookingError::NoSuch("payment")),
            }
        })
        .await;
    match done {
        Ok(_) => Ok(see(&format!("/bookings/{id}"))),
        Err(BookingError::Invalid { .. }) => page(&app, &visitor, 422, id, json!({}), Some(wrong)).await,
        Err(error) => Err(error.into()),
    }
}
