//! Payments: money a person of the team saw come in for a booking, or go back. Rows are never changed; a mistake is voided.

use super::booking::{self, Booking, BookingError, MOST_IDR};
use crate::chat::phase::Phase;
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::text;
use chrono::{Datelike, NaiveDate};
use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use serde_json::json;

/// How money comes.
pub const METHODS: [&str; 4] = ["transfer", "cash", "card", "other"];

/// A payment to write down.
#[derive(Clone, Debug)]
pub struct New {
    /// For which booking.
    pub booking_id: i64,
    /// Rupiah; below zero: given back.
    pub amount_idr: i64,
    /// One of [`METHODS`].
    pub method: String,
    /// Day the money came; none: today.
    pub received_on: Option<NaiveDate>,
    /// The bank's or the receipt's number; the same one counts once for a booking.
    pub reference: Option<String>,
    /// The form or call it comes with; the same one counts once.
    pub token: Option<String>,
}

/// A payment, for pages and calls.
#[derive(Clone, Debug, Serialize)]
pub struct Payment {
    /// Row.
    pub id: i64,
    /// Rupiah.
    pub amount_idr: i64,
    /// How.
    pub method: String,
    /// Day, `YYYY-MM-DD`.
    pub received_on: String,
    /// Number.
    pub reference: Option<String>,
    /// Who wrote it down: `user:ID` or `token:ID`.
    pub recorded_by: String,
    /// His name.
    pub recorded_by_name: Option<String>,
    /// Taken back as a mistake, unix ms.
    pub voided_at: Option<i64>,
}

/// Payments of a booking, oldest first.
pub fn of_booking(connection: &Connection, booking_id: i64) -> Result<Vec<Payment>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT p.id, p.amount_idr, p.method, p.received_on, p.reference, p.recorded_by,
           CASE WHEN p.recorded_by LIKE 'user:%' THEN (SELECT name FROM user WHERE id = CAST(substr(p.recorded_by, 6) AS INTEGER)) ELSE (SELECT name FROM api_token WHERE id = CAST(substr(p.recorded_by, 7) AS INTEGER)) END,
           p.voided_at FROM payment p WHERE p.booking_id = ?1 ORDER BY p.id LIMIT 200",
    )?;
    let rows = query.query_map([booking_id], |row| {
        Ok(Payment {
            id: row.get(0)?,
            amount_idr: row.get(1)?,
            method: row.get(2)?,
            received_on: row.get(3)?,
            reference: row.get(4)?,
            recorded_by: row.get(5)?,
            recorded_by_name: row.get(6)?,
            voided_at: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Which booking a payment belongs to.
pub fn booking_of(connection: &Connection, id: i64) -> Result<Option<i64>, StoreError> {
    Ok(connection.prepare_cached("SELECT booking_id FROM payment WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()?)
}

/// Writes a payment down; once everything is paid the customer moves on to PAID. The same token counts once.
///
/// # Errors
/// [`BookingError::Repeated`] when the reference stands already; [`BookingError::TooMuch`] with what is still to pay; [`BookingError::Invalid`] for an amount of nothing, more
/// given back than was paid, or a day to come.
pub fn add(tx: &Tx<'_>, actor: &str, new: &New) -> Result<Booking, BookingError> {
    let booking = booking::find(tx, new.booking_id)?.ok_or(BookingError::NoSuch("booking"))?;
    if let Some(token) = &new.token {
        let known: Option<(i64, i64, String)> = tx
            .prepare_cached("SELECT booking_id, amount_idr, method FROM payment WHERE token = ?1")?
            .query_row([token], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        if let Some((of, amount, method)) = known {
            let same = of == new.booking_id && amount == new.amount_idr && method == new.method;
            return if same { Ok(booking) } else { Err(BookingError::OtherUse) };
        }
    }
    if new.amount_idr == 0 || !(-MOST_IDR..=MOST_IDR).contains(&new.amount_idr) || booking.paid_idr + new.amount_idr < 0 {
        return Err(BookingError::Invalid { field: "amount_idr", problem: "whole rupiah; below zero only as much as was paid" });
    }
    if booking.cancelled_at.is_some() && new.amount_idr > 0 {
        return Err(BookingError::Cancelled);
    }
    if !METHODS.contains(&new.method.as_str()) {
        return Err(BookingError::Invalid { field: "method", problem: "transfer, cash, card or other" });
    }
    let today = tx.today()?;
    let received_on = new.received_on.unwrap_or(today);
    if received_on > today || received_on.year() < 2009 {
        return Err(BookingError::Invalid { field: "received_on", problem: "a day up to today" });
    }
    if new.amount_idr > 0 && booking.paid_idr + new.amount_idr > booking.total_idr {
        return Err(BookingError::TooMuch(booking.total_idr - booking.paid_idr));
    }
    let reference = new.reference.as_deref().map(|reference| text::clean(reference.trim(), 100)).filter(|reference| !reference.is_empty());
    let key = reference.as_deref().map(|reference| reference.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_uppercase()).filter(|key| !key.is_empty());
    let added = tx.execute(
        "INSERT INTO payment (booking_id, amount_idr, method, received_on, reference, reference_key, token, recorded_by, recorded_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        rusqlite::params![new.booking_id, new.amount_idr, new.method, received_on.to_string(), reference, key, new.token, actor, tx.now_ms],
    )?;
    if added == 0 {
        return Err(BookingError::Repeated);
    }
    let id = tx.last_insert_rowid();
    tx.audit(actor, "payment.added", &format!("payment:{id}"), &json!({"booking": new.booking_id, "amount_idr": new.amount_idr, "method": new.method}).to_string())?;
    settle(tx, actor, new.booking_id)
}

/// Takes a payment back that was written down by mistake. `false` when it was taken back already.
pub fn void(tx: &Tx<'_>, actor: &str, id: i64) -> Result<bool, BookingError> {
    let booking_id = booking_of(tx, id)?.ok_or(BookingError::NoSuch("payment"))?;
    let (amount, is_void): (i64, bool) = tx.query_row("SELECT amount_idr, voided_at IS NOT NULL FROM payment WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let booking = booking::find(tx, booking_id)?.ok_or(BookingError::NoSuch("booking"))?;
    if !is_void && booking.paid_idr < amount {
        return Err(BookingError::Invalid { field: "amount_idr", problem: "more was given back since; void that first" });
    }
    let done = tx.execute("UPDATE payment SET voided_at = ?2, voided_by = ?3 WHERE id = ?1 AND voided_at IS NULL", (id, tx.now_ms, actor))? > 0;
    if done {
        // phases only move forward: who was moved on by a mistake is looked at by a person
        if booking.state == "paid" {
            tx.emit("alert", None, json!({"kind": "payment_voided", "booking": booking_id, "contact": booking.contact_id}))?;
        }
        tx.audit(actor, "payment.voided", &format!("payment:{id}"), &json!({"booking": booking_id}).to_string())?;
        settle(tx, actor, booking_id)?;
    }
    Ok(done)
}

/// Brings the booking's sum up to its payments and the customer on when all is paid.
pub(super) fn settle(tx: &Tx<'_>, actor: &str, booking_id: i64) -> Result<Booking, BookingError> {
    tx.execute(
        "UPDATE booking SET paid_idr = (SELECT ifnull(sum(amount_idr), 0) FROM payment WHERE booking_id = ?1 AND voided_at IS NULL), updated_at = ?2 WHERE id = ?1",
        (booking_id, tx.now_ms),
    )?;
    let booking = booking::find(tx, booking_id)?.ok_or(BookingError::NoSuch("booking"))?;
    if booking.state == "paid" && booking.paid_idr > 0 {
        booking::advance(tx, actor, &booking, Phase::Paid, "paid_in_full")?;
    }
    Ok(booking)
}
