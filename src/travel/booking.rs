//! Bookings: seats a person of the team sold to a customer. The seats leave the package's quota in the same transaction, so
//! two people cannot sell the last one twice.

use super::package::{self, Availability};
use crate::chat::inbox::Scope;
use crate::chat::phase::{self, Phase};
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::growth::lead;
use crate::kernel::text;
use crate::people::contact;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::json;

/// Most seats in one booking.
pub const MOST_SEATS: i64 = 500;
/// Highest total or payment, rupiah.
pub const MOST_IDR: i64 = 100_000_000_000;

/// States a booking can be in.
pub const STATES: [&str; 4] = ["unpaid", "part", "paid", "cancelled"];

/// What the team sells.
#[derive(Clone, Debug)]
pub struct New {
    /// To whom.
    pub contact_id: i64,
    /// What.
    pub package_code: String,
    /// How many seats.
    pub seats: i64,
    /// What was agreed for all of them, rupiah; none: the package's price for each.
    pub total_idr: Option<i64>,
    /// For the team.
    pub note: Option<String>,
    /// The form or call it comes with; the same one books once.
    pub token: Option<String>,
}

/// A booking as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Booking {
    /// Row.
    pub id: i64,
    /// Whose.
    pub contact_id: i64,
    /// His name.
    pub contact_name: Option<String>,
    /// Package.
    pub package_code: String,
    /// Its name.
    pub package_name: String,
    /// Its departure, `YYYY-MM-DD`.
    pub departs: String,
    /// Seats.
    pub seats: i64,
    /// Agreed for all seats, rupiah.
    pub total_idr: i64,
    /// Paid so far, rupiah.
    pub paid_idr: i64,
    /// `unpaid`, `part`, `paid` or `cancelled`.
    pub state: String,
    /// For the team.
    pub note: Option<String>,
    /// Who booked: `user:ID` or `token:ID`.
    pub created_by: String,
    /// When, unix ms.
    pub created_at: i64,
    /// Cancelled, unix ms.
    pub cancelled_at: Option<i64>,
}

/// Why a booking or a payment cannot be.
#[derive(Debug, thiserror::Error)]
pub enum BookingError {
    /// No such booking, contact or package.
    #[error("there is no such {0}")]
    NoSuch(&'static str),
    /// A value cannot be.
    #[error("{field}: {problem}")]
    Invalid {
        /// Its name.
        field: &'static str,
        /// What is wanted.
        problem: &'static str,
    },
    /// Fewer seats are left than wanted.
    #[error("only {0} seats are left")]
    NoSeats(i64),
    /// The package cannot be booked any more.
    #[error("the package has departed or is closed")]
    NotOpen,
    /// The booking was cancelled.
    #[error("the booking was cancelled")]
    Cancelled,
    /// That payment is written down already.
    #[error("a payment with this reference is written down already")]
    Repeated,
    /// More than is still to pay.
    #[error("amount_idr: more than is still to pay ({0}); change the total first if more was agreed")]
    TooMuch(i64),
    /// The token came with something else before.
    #[error("this idempotency key was used for something else")]
    OtherUse,
    /// The store failed.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for BookingError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

const SELECT: &str = "SELECT b.id, b.contact_id, c.name, p.code, p.name, p.departs, b.seats, b.total_idr, b.paid_idr, b.state, b.note, b.created_by, b.created_at, b.cancelled_at
    FROM booking b JOIN contact c ON c.id = b.contact_id JOIN package p ON p.id = b.package_id";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Booking> {
    Ok(Booking {
        id: row.get(0)?,
        contact_id: row.get(1)?,
        contact_name: row.get(2)?,
        package_code: row.get(3)?,
        package_name: row.get(4)?,
        departs: row.get(5)?,
        seats: row.get(6)?,
        total_idr: row.get(7)?,
        paid_idr: row.get(8)?,
        state: row.get(9)?,
        note: row.get(10)?,
        created_by: row.get(11)?,
        created_at: row.get(12)?,
        cancelled_at: row.get(13)?,
    })
}

/// One booking.
pub fn find(connection: &Connection, id: i64) -> Result<Option<Booking>, StoreError> {
    let sql = [SELECT, " WHERE b.id = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([id], from_row).optional()?)
}

/// A contact's bookings, newest first.
pub fn of_contact(connection: &Connection, contact_id: i64) -> Result<Vec<Booking>, StoreError> {
    let sql = [SELECT, " WHERE b.contact_id = ?1 ORDER BY b.id DESC LIMIT 20"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([contact_id], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Bookings of one state (`unpaid`, `part`, `paid`, `cancelled`), newest first, before the row `before`.
pub fn list(connection: &Connection, state: &str, scope: &Scope, before: Option<i64>, limit: usize) -> Result<Vec<Booking>, StoreError> {
    let sql = [SELECT, " WHERE b.state = ?1 AND b.id < ?2 AND ", &scope.contact_sql("b.contact_id", "?4"), " ORDER BY b.id DESC LIMIT ?3"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map((state, before.unwrap_or(i64::MAX), i64::try_from(limit).unwrap_or(i64::MAX), scope.actor()), from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many bookings of each state there are, up to 1,000.
pub fn counts(connection: &Connection, scope: &Scope) -> Result<serde_json::Value, StoreError> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM booking b WHERE b.state = ?1 AND b.id < ?2 AND {} LIMIT ?3)", scope.contact_sql("b.contact_id", "?4"));
    let mut counts = serde_json::Map::new();
    for state in STATES {
        let n: i64 = connection.prepare_cached(&sql)?.query_row((state, i64::MAX, 1_000, scope.actor()), |row| row.get(0))?;
        counts.insert(state.to_owned(), n.into());
    }
    Ok(counts.into())
}

/// The chat a contact's phase stands in: the one last written in.
fn chat_of(tx: &Tx<'_>, contact_id: i64) -> Result<Option<(i64, Phase)>, StoreError> {
    Ok(tx
        .prepare_cached("SELECT id, phase FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL ORDER BY last_at DESC LIMIT 1")?
        .query_row([contact_id], |row| Ok((row.get(0)?, Phase::parse(&row.get::<_, String>(1)?))))
        .optional()?)
}

/// Moves the contact's chat and lead on to `to`, because of a booking or a payment.
pub(super) fn advance(tx: &Tx<'_>, actor: &str, booking: &Booking, to: Phase, cause: &str) -> Result<(), StoreError> {
    let chat = chat_of(tx, booking.contact_id)?;
    if let Some((id, from)) = chat {
        phase::advance(tx, id, from, to, None, cause, actor)?;
        tx.emit("conversation.updated", Some(id), json!({"phase": from.max(to), "booking": booking.id}))?;
    }
    let report = lead::Report { conversation_id: chat.map(|(id, _)| id), phase: to, package_code: Some(booking.package_code.clone()), ..lead::Report::default() };
    lead::report(tx, booking.contact_id, actor, &report)?;
    Ok(())
}

/// Books: takes the seats, moves the customer on to BOOKING. The same token books once and answers with the same booking.
///
/// # Errors
/// [`BookingError::NoSeats`] with how many are left, and nothing is taken.
pub fn add(tx: &Tx<'_>, actor: &str, new: &New) -> Result<Booking, BookingError> {
    let contact_id = contact::alive(tx, new.contact_id)?.ok_or(BookingError::NoSuch("contact"))?.id;
    if let Some(token) = &new.token {
        let known: Option<i64> = tx.prepare_cached("SELECT id FROM booking WHERE token = ?1")?.query_row([token], |row| row.get(0)).optional()?;
        if let Some(id) = known {
            let known = find(tx, id)?.ok_or(BookingError::NoSuch("booking"))?;
            let same = known.contact_id == contact_id && known.package_code == new.package_code.trim().to_uppercase() && known.seats == new.seats;
            return if same { Ok(known) } else { Err(BookingError::OtherUse) };
        }
    }
    if !(1..=MOST_SEATS).contains(&new.seats) {
        return Err(BookingError::Invalid { field: "seats", problem: "1 to 500" });
    }
    if new.total_idr.is_some_and(|total| !(0..=MOST_IDR).contains(&total)) {
        return Err(BookingError::Invalid { field: "total_idr", problem: "whole rupiah, not below zero" });
    }
    let (package_id, package) = package::find(tx, &new.package_code)?.ok_or(BookingError::NoSuch("package"))?;
    match package.availability(tx.today()?) {
        Availability::Departed | Availability::Closed => return Err(BookingError::NotOpen),
        Availability::Full => return Err(BookingError::NoSeats(0)),
        Availability::Open => {}
    }
    if package.seats_left().is_some_and(|left| left < new.seats) {
        return Err(BookingError::NoSeats(package.seats_left().unwrap_or(0)));
    }
    let total = new.total_idr.unwrap_or_else(|| package.price_idr.saturating_mul(new.seats));
    let note = new.note.as_deref().map(|note| text::clean(note.trim(), 2_000)).filter(|note| !note.is_empty());
    tx.execute(
        "INSERT INTO booking (contact_id, package_id, seats, total_idr, note, token, created_by, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        rusqlite::params![contact_id, package_id, new.seats, total, note, new.token, actor, tx.now_ms],
    )?;
    let booking = find(tx, tx.last_insert_rowid())?.ok_or(BookingError::NoSuch("booking"))?;
    advance(tx, actor, &booking, Phase::Booking, "booked")?;
    tx.audit(
        actor,
        "booking.added",
        &format!("booking:{}", booking.id),
        &json!({"contact": contact_id, "package": booking.package_code, "seats": new.seats, "total_idr": total}).to_string(),
    )?;
    Ok(booking)
}

/// Bookings whose kept sum differs from their payments, and packages whose booked seats differ from their bookings; none,
/// unless somebody wrote past the program.
pub fn astray(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "SELECT (SELECT count(*) FROM booking b WHERE paid_idr <> (SELECT ifnull(sum(amount_idr), 0) FROM payment p WHERE p.booking_id = b.id AND voided_at IS NULL))
      + (SELECT count(*) FROM package k WHERE seats_booked <> (SELECT ifnull(sum(seats), 0) FROM booking b WHERE b.package_id = k.id AND b.cancelled_at IS NULL))";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// What was agreed has changed: an extra, a better room, a mistake.
pub fn set_total(tx: &Tx<'_>, actor: &str, id: i64, total_idr: i64) -> Result<Booking, BookingError> {
    let booking = find(tx, id)?.ok_or(BookingError::NoSuch("booking"))?;
    if !(0..=MOST_IDR).contains(&total_idr) || total_idr < booking.paid_idr {
        return Err(BookingError::Invalid { field: "total_idr", problem: "whole rupiah, not below what was paid" });
    }
    tx.execute("UPDATE booking SET total_idr = ?2, updated_at = ?3 WHERE id = ?1", (id, total_idr, tx.now_ms))?;
    tx.audit(actor, "booking.total", &format!("booking:{id}"), &json!({"total_idr": [booking.total_idr, total_idr]}).to_string())?;
    super::payment::settle(tx, actor, id)
}

/// Cancels: the seats are free again. The phase stays (phases only move forward), and so do the payments, until they are
/// given back. `false` when it was cancelled already.
pub fn cancel(tx: &Tx<'_>, actor: &str, id: i64) -> Result<bool, BookingError> {
    let booking = find(tx, id)?.ok_or(BookingError::NoSuch("booking"))?;
    if booking.cancelled_at.is_some() {
        return Ok(false);
    }
    tx.execute("UPDATE booking SET cancelled_at = ?2, updated_at = ?2 WHERE id = ?1", (id, tx.now_ms))?;
    if let Some((chat, _)) = chat_of(tx, booking.contact_id)? {
        tx.emit("conversation.updated", Some(chat), json!({"booking": id}))?;
    }
    tx.audit(actor, "booking.cancelled", &format!("booking:{id}"), &json!({"seats": booking.seats, "paid_idr": booking.paid_idr}).to_string())?;
    Ok(true)
}
