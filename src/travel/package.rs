//! A package: what is sold, when it leaves, for how much, how many seats are left, and the files the bot sends.

use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::date;
use chrono::NaiveDate;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Whether it can be booked today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Availability {
    /// On sale with seats left.
    Open,
    /// No seats left.
    Full,
    /// Taken off sale.
    Closed,
    /// Has left.
    Departed,
}

/// One day of the itinerary.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// 1 to days.
    pub day: i64,
    /// What happens.
    pub text: String,
}

/// A package row. Names, units and shapes are those of the API and of import files.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Package {
    /// `PKG_MONTH_YEAR_TYPE`.
    pub code: String,
    /// Name customers read.
    pub name: String,
    /// "From" price per person, rupiah.
    pub price_idr: i64,
    /// Departure, `YYYY-MM-DD`.
    pub departs: String,
    /// Length in days.
    pub days: i64,
    /// `open`, `full` or `closed`.
    pub status: String,
    /// Seats in all; none: not limited.
    pub quota: Option<i64>,
    /// Seats sold or held.
    pub seats_taken: i64,
    /// Seats booked here; kept by the bookings, never written with the package.
    #[serde(default)]
    pub seats_booked: i64,
    /// Hotel in Makkah.
    pub hotel_makkah: Option<String>,
    /// Metres to Masjidil Haram.
    pub hotel_makkah_m: Option<i64>,
    /// Hotel in Madinah.
    pub hotel_madinah: Option<String>,
    /// Metres to Masjid Nabawi.
    pub hotel_madinah_m: Option<i64>,
    /// Airline and route.
    pub airline: Option<String>,
    /// City the group leaves from.
    pub departure_city: Option<String>,
    /// Down payment per person, rupiah.
    pub dp_idr: Option<i64>,
    /// Last day to pay in full.
    pub payoff_by: Option<String>,
    /// Price in a triple room.
    pub price_triple_idr: Option<i64>,
    /// Price in a double room.
    pub price_double_idr: Option<i64>,
    /// Price of an infant.
    pub price_infant_idr: Option<i64>,
    /// Short selling points.
    pub features: Vec<String>,
    /// What the price includes.
    pub includes: Vec<String>,
    /// What it does not.
    pub excludes: Vec<String>,
    /// Terms of payment.
    pub payment_terms: Option<String>,
    /// Day by day.
    pub itinerary: Vec<Day>,
}

/// A file of a package.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PackageMedia {
    /// Row id.
    pub id: i64,
    /// `image`, `brochure`, `itinerary`, `location` or `video`.
    pub kind: String,
    /// File; none for a location.
    pub media_id: Option<i64>,
    /// Caption.
    pub title: String,
    /// Coordinates of a location.
    pub latitude: Option<f64>,
    /// Coordinates of a location.
    pub longitude: Option<f64>,
    /// Times the bot sent it.
    pub sent_count: i64,
}

/// Why a package was refused.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A field is missing or wrong.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which.
        field: &'static str,
        /// What is wanted.
        problem: String,
    },
    /// No package has this code.
    #[error("no package has the code {0}")]
    NoSuchPackage(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for PackageError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Package {
    /// Departure as a date.
    pub fn departure(&self) -> Option<NaiveDate> {
        date::day(&self.departs)
    }

    /// Seats left; none when not limited.
    pub fn seats_left(&self) -> Option<i64> {
        self.quota.map(|quota| (quota - self.seats_taken - self.seats_booked).max(0))
    }

    /// Whether it can be booked on `today`.
    pub fn availability(&self, today: NaiveDate) -> Availability {
        if self.departure().is_some_and(|day| day < today) {
            Availability::Departed
        } else if self.status == "closed" {
            Availability::Closed
        } else if self.status == "full" || self.seats_left() == Some(0) {
            Availability::Full
        } else {
            Availability::Open
        }
    }

    /// Folds the code, fills the status, checks every field.
    pub fn checked(mut self) -> Result<Self, PackageError> {
        let fail = |field, problem: &str| Err(PackageError::Invalid { field, problem: problem.to_owned() });
        self.code = self.code.trim().to_uppercase();
        self.name = self.name.trim().to_owned();
        if self.status.is_empty() {
            self.status = "open".into();
        }
        let parts: Vec<&str> = self.code.split('_').collect();
        let word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
        if self.code.len() > 64 || parts.len() < 2 || !parts.iter().all(word) {
            return fail("code", "letters and digits joined by _, for example UMR_APR_2027_HEMAT");
        }
        if self.name.is_empty() || self.name.chars().count() > 200 {
            return fail("name", "1 to 200 characters");
        }
        let money = [
            ("price_idr", Some(self.price_idr)),
            ("dp_idr", self.dp_idr),
            ("price_triple_idr", self.price_triple_idr),
            ("price_double_idr", self.price_double_idr),
            ("price_infant_idr", self.price_infant_idr),
        ];
        for (field, amount) in money {
            if amount.is_some_and(|idr| !(0..=10_000_000_000).contains(&idr)) {
                return fail(field, "whole rupiah from 0 to 10,000,000,000");
            }
        }
        if self.departure().is_none() {
            return fail("departs", "a date YYYY-MM-DD");
        }
        if self.payoff_by.as_deref().is_some_and(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").is_err()) {
            return fail("payoff_by", "a date YYYY-MM-DD");
        }
        if !(1..=90).contains(&self.days) {
            return fail("days", "1 to 90");
        }
        if !["open", "full", "closed"].contains(&self.status.as_str()) {
            return fail("status", "open, full or closed");
        }
        if self.quota.is_some_and(|quota| !(0..=100_000).contains(&quota)) {
            return fail("quota", "0 to 100,000 seats, or null");
        }
        if !(0..=100_000).contains(&self.seats_taken) {
            return fail("seats_taken", "0 to 100,000 seats");
        }
        for (field, metres) in [("hotel_makkah_m", self.hotel_makkah_m), ("hotel_madinah_m", self.hotel_madinah_m)] {
            if metres.is_some_and(|m| !(0..=100_000).contains(&m)) {
                return fail(field, "metres from 0 to 100,000");
            }
        }
        let texts = [&self.hotel_makkah, &self.hotel_madinah, &self.airline, &self.departure_city, &self.payment_terms];
        if texts.into_iter().flatten().any(|text| text.chars().count() > 2_000) || self.features.len() + self.includes.len() + self.excludes.len() + self.itinerary.len() > 300 {
            return fail("text", "at most 2,000 characters a field and 300 lines in all");
        }
        Ok(self)
    }

    /// Reads a JSON object on top of `base` (PATCH) or of nothing (PUT). Unknown fields are ignored.
    pub fn from_json(base: Option<&Self>, change: &Value) -> Result<Self, PackageError> {
        let Value::Object(change) = change else {
            return Err(PackageError::Invalid { field: "body", problem: "a JSON object".into() });
        };
        let mut whole: Map<String, Value> = match base {
            Some(base) => serde_json::to_value(base).ok().and_then(|v| v.as_object().cloned()).unwrap_or_default(),
            None => Map::new(),
        };
        for (field, value) in change {
            // null clears a field that may be empty, and is like leaving out one that may not
            if value.is_null() && !matches!(whole.get(field), Some(Value::Null) | None) && Self::REQUIRED.contains(&field.as_str()) {
                continue;
            }
            whole.insert(field.clone(), value.clone());
        }
        for field in Self::FIELDS {
            let alone = Value::Object(whole.get(*field).map(|value| ((*field).to_owned(), value.clone())).into_iter().collect());
            if let Err(error) = serde_json::from_value::<Self>(alone) {
                return Err(PackageError::Invalid { field, problem: problem_in_words(&error) });
            }
        }
        serde_json::from_value::<Self>(Value::Object(whole)).map_err(|error| PackageError::Invalid { field: "body", problem: problem_in_words(&error) })?.checked()
    }

    const REQUIRED: &[&str] = &["code", "name", "price_idr", "departs", "days", "status", "seats_taken", "features", "includes", "excludes", "itinerary"];

    /// Every field, in the order of exports and forms.
    pub const FIELDS: &[&str] = &[
        "code",
        "name",
        "price_idr",
        "departs",
        "days",
        "status",
        "quota",
        "seats_taken",
        "hotel_makkah",
        "hotel_makkah_m",
        "hotel_madinah",
        "hotel_madinah_m",
        "airline",
        "departure_city",
        "dp_idr",
        "payoff_by",
        "price_triple_idr",
        "price_double_idr",
        "price_infant_idr",
        "features",
        "includes",
        "excludes",
        "payment_terms",
        "itinerary",
    ];
}

const SELECT: &str =
    "SELECT id, code, name, price_idr, departs, days, status, quota, seats_taken, seats_booked, hotel_makkah, hotel_makkah_m, hotel_madinah, hotel_madinah_m, airline,
    departure_city, dp_idr, payoff_by, price_triple_idr, price_double_idr, price_infant_idr, features, includes, excludes, payment_terms, itinerary FROM package";

fn from_row(row: &Row<'_>) -> rusqlite::Result<(i64, Package)> {
    let list = |name: &str| -> rusqlite::Result<Vec<String>> { Ok(serde_json::from_str(&row.get::<_, String>(name)?).unwrap_or_default()) };
    let package = Package {
        code: row.get("code")?,
        name: row.get("name")?,
        price_idr: row.get("price_idr")?,
        departs: row.get("departs")?,
        days: row.get("days")?,
        status: row.get("status")?,
        quota: row.get("quota")?,
        seats_taken: row.get("seats_taken")?,
        seats_booked: row.get("seats_booked")?,
        hotel_makkah: row.get("hotel_makkah")?,
        hotel_makkah_m: row.get("hotel_makkah_m")?,
        hotel_madinah: row.get("hotel_madinah")?,
        hotel_madinah_m: row.get("hotel_madinah_m")?,
        airline: row.get("airline")?,
        departure_city: row.get("departure_city")?,
        dp_idr: row.get("dp_idr")?,
        payoff_by: row.get("payoff_by")?,
        price_triple_idr: row.get("price_triple_idr")?,
        price_double_idr: row.get("price_double_idr")?,
        price_infant_idr: row.get("price_infant_idr")?,
        features: list("features")?,
        includes: list("includes")?,
        excludes: list("excludes")?,
        payment_terms: row.get("payment_terms")?,
        itinerary: serde_json::from_str(&row.get::<_, String>("itinerary")?).unwrap_or_default(),
    };
    Ok((row.get("id")?, package))
}

/// All packages with their row ids, soonest departure first.
pub fn list(connection: &Connection) -> Result<Vec<(i64, Package)>, StoreError> {
    let sql = [SELECT, " ORDER BY departs, code"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// One package by code.
pub fn find(connection: &Connection, code: &str) -> Result<Option<(i64, Package)>, StoreError> {
    let sql = [SELECT, " WHERE code = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([code.trim().to_uppercase()], from_row).optional()?)
}

/// Writes a checked package under its code; `true` when it is new. The audit row names the changed fields.
pub fn put(tx: &Tx<'_>, actor: &str, package: &Package) -> Result<bool, StoreError> {
    let before = find(tx, &package.code)?.map(|(_, old)| old);
    // what is booked here is the bookings' business
    let package = &Package { seats_booked: before.as_ref().map_or(0, |before| before.seats_booked), ..package.clone() };
    if before.as_ref() == Some(package) {
        return Ok(false);
    }
    let list = |items: &[String]| json!(items).to_string();
    tx.execute(
        "INSERT INTO package (code, name, price_idr, departs, days, status, quota, seats_taken, hotel_makkah, hotel_makkah_m, hotel_madinah, hotel_madinah_m, airline, departure_city,
           dp_idr, payoff_by, price_triple_idr, price_double_idr, price_infant_idr, features, includes, excludes, payment_terms, itinerary, created_at, updated_at, updated_by)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?25, ?26)
         ON CONFLICT (code) DO UPDATE SET name = excluded.name, price_idr = excluded.price_idr, departs = excluded.departs, days = excluded.days, status = excluded.status,
           quota = excluded.quota, seats_taken = excluded.seats_taken, hotel_makkah = excluded.hotel_makkah, hotel_makkah_m = excluded.hotel_makkah_m,
           hotel_madinah = excluded.hotel_madinah, hotel_madinah_m = excluded.hotel_madinah_m, airline = excluded.airline, departure_city = excluded.departure_city,
           dp_idr = excluded.dp_idr, payoff_by = excluded.payoff_by, price_triple_idr = excluded.price_triple_idr, price_double_idr = excluded.price_double_idr,
           price_infant_idr = excluded.price_infant_idr, features = excluded.features, includes = excluded.includes, excludes = excluded.excludes,
           payment_terms = excluded.payment_terms, itinerary = excluded.itinerary, updated_at = excluded.updated_at, updated_by = excluded.updated_by",
        rusqlite::params![
            package.code, package.name, package.price_idr, package.departs, package.days, package.status, package.quota, package.seats_taken, package.hotel_makkah,
            package.hotel_makkah_m, package.hotel_madinah, package.hotel_madinah_m, package.airline, package.departure_city, package.dp_idr, package.payoff_by,
            package.price_triple_idr, package.price_double_idr, package.price_infant_idr, list(&package.features), list(&package.includes), list(&package.excludes),
            package.payment_terms, json!(package.itinerary).to_string(), tx.now_ms, actor,
        ],
    )?;
    let (old, new) = (json!(before), json!(package));
    let mut changed = Map::new();
    for field in Package::FIELDS {
        if old[*field] != new[*field] {
            changed.insert((*field).to_owned(), if before.is_some() { json!([old[*field], new[*field]]) } else { new[*field].clone() });
        }
    }
    tx.audit(actor, if before.is_some() { "package.changed" } else { "package.added" }, &format!("package:{}", package.code), &Value::Object(changed).to_string())?;
    tx.emit("alert", None, json!({"kind": "package_changed", "code": package.code}))?;
    Ok(before.is_none())
}

/// Files of a package in sending order.
pub fn media(connection: &Connection, package_id: i64) -> Result<Vec<PackageMedia>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT id, kind, media_id, title, latitude, longitude, sent_count FROM package_media WHERE package_id = ?1 AND removed_at IS NULL ORDER BY position, id",
    )?;
    let rows = query.query_map([package_id], |row| {
        Ok(PackageMedia { id: row.get(0)?, kind: row.get(1)?, media_id: row.get(2)?, title: row.get(3)?, latitude: row.get(4)?, longitude: row.get(5)?, sent_count: row.get(6)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A file to hang on a package.
pub struct NewMedia<'a> {
    /// `image`, `brochure`, `itinerary`, `location` or `video`.
    pub kind: &'a str,
    /// File row; none for a location.
    pub media_id: Option<i64>,
    /// Caption.
    pub title: &'a str,
    /// Where, for a location.
    pub place: Option<(f64, f64)>,
}

/// Adds a file at the end of the sending order.
pub fn add_media(tx: &Tx<'_>, actor: &str, package_id: i64, new: &NewMedia<'_>) -> Result<i64, StoreError> {
    tx.execute(
        "INSERT INTO package_media (package_id, kind, media_id, title, latitude, longitude, position, added_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, (SELECT ifnull(max(position), 0) + 1 FROM package_media WHERE package_id = ?1), ?7)",
        (package_id, new.kind, new.media_id, new.title, new.place.map(|p| p.0), new.place.map(|p| p.1), tx.now_ms),
    )?;
    let id = tx.last_insert_rowid();
    tx.audit(actor, "package.media_added", &format!("package_media:{id}"), new.kind)?;
    Ok(id)
}

/// Takes a file off a package; what was sent stays explained.
pub fn remove_media(tx: &Tx<'_>, actor: &str, id: i64) -> Result<bool, StoreError> {
    let gone = tx.execute("UPDATE package_media SET removed_at = ?2 WHERE id = ?1 AND removed_at IS NULL", (id, tx.now_ms))? > 0;
    if gone {
        tx.audit(actor, "package.media_removed", &format!("package_media:{id}"), "")?;
    }
    Ok(gone)
}

/// Moves a file one place up in the sending order.
pub fn raise_media(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    let above: Option<(i64, i64, i64)> = tx
        .query_row(
            "SELECT a.id, a.position, m.position FROM package_media m JOIN package_media a ON a.package_id = m.package_id AND a.removed_at IS NULL AND a.position < m.position
             WHERE m.id = ?1 ORDER BY a.position DESC LIMIT 1",
            [id],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    if let Some((other, upper, lower)) = above {
        tx.execute("UPDATE package_media SET position = ?2 WHERE id = ?1", (id, upper))?;
        tx.execute("UPDATE package_media SET position = ?2 WHERE id = ?1", (other, lower))?;
    }
    Ok(())
}

/// What is wrong with a value, without the words of our types.
fn problem_in_words(error: &serde_json::Error) -> String {
    let said = error.to_string();
    if said.starts_with("missing field") {
        return "is missing".into();
    }
    let wanted = said.rsplit_once("expected ").map_or("", |(_, wanted)| wanted);
    let words = match wanted.split([' ', ',']).next().unwrap_or("") {
        "i64" | "u64" | "i32" | "u32" | "u16" | "u8" => "a whole number is wanted",
        "a" if wanted.starts_with("a string") => "a text is wanted",
        "a" if wanted.starts_with("a sequence") => "a list is wanted",
        "a" if wanted.starts_with("a formatted date") => "a day such as 2027-01-31 is wanted",
        "one" | "variant" => "is none of the known words",
        _ if said.contains("unknown variant") => "is none of the known words",
        _ if said.contains("input") => "a day such as 2027-01-31 is wanted", // chrono's words for a text that is no day
        _ => "cannot be read",
    };
    words.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Value {
        json!({"code": "umr_apr_2027_hemat", "name": "Hemat", "price_idr": 27000000, "departs": "2027-04-08", "days": 9, "quota": 45, "seats_taken": 45, "whatever": 1})
    }

    #[test]
    fn availability_by_date_status_and_seats() {
        let package = Package::from_json(None, &sample()).unwrap();
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(package.code, "UMR_APR_2027_HEMAT");
        assert_eq!(package.availability(day("2026-11-20")), Availability::Full);
        assert_eq!(package.availability(day("2027-04-09")), Availability::Departed);
        let more = Package::from_json(Some(&package), &json!({"quota": 46})).unwrap();
        assert_eq!(more.availability(day("2027-04-08")), Availability::Open);
        assert_eq!(Package::from_json(Some(&more), &json!({"status": "closed"})).unwrap().availability(day("2027-01-01")), Availability::Closed);
        assert_eq!(Package::from_json(Some(&more), &json!({"quota": null})).unwrap().seats_left(), None);
    }

    #[test]
    fn wrong_fields_are_named() {
        for (field, value) in
            [("price_idr", json!(-1)), ("price_idr", json!("murah")), ("departs", json!("besok")), ("days", json!(0)), ("status", json!("ada")), ("code", json!("umr apr"))]
        {
            let mut change = sample();
            change[field] = value;
            match Package::from_json(None, &change) {
                Err(PackageError::Invalid { field: named, .. }) => assert_eq!(named, field),
                other => panic!("{field}: {other:?}"),
            }
        }
        assert!(Package::from_json(None, &json!([])).is_err());
    }
}
