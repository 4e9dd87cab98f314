//! A list of people from a file: read row by row, each row right or told what is wrong with it.

use super::contact::{self, NameSource};
use super::identity;
use super::label::{self, LabelError};
use crate::chat::inbound::Party;
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::phone::Phone;
use crate::kernel::table::words;
use crate::kernel::text;
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Map, Value};

/// Columns that are read.
pub const COLUMNS: &[&str] = &["phone", "contact_phone", "name", "email", "address", "interest", "labels"];
/// Labels one row may carry.
const LABELS: usize = 20;

/// Somebody on the list.
#[derive(Clone, Debug)]
pub struct Person {
    /// His number.
    pub phone: Phone,
    /// Name; better than what he calls himself, not than what the team typed.
    pub name: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Product he prefers.
    pub interest: Option<String>,
    /// Labels to put on; those he carries stay.
    pub labels: Vec<String>,
}

/// What is wrong with a row.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RowError {
    /// No number.
    #[error("phone is missing")]
    NoPhone,
    /// Not a number.
    #[error("phone: {0:?} is not a phone number")]
    Phone(String),
    /// Not an address.
    #[error("email: {0:?} is not an e-mail address")]
    Email(String),
    /// Not a label's name.
    #[error("labels: {0:?} is not a label's name")]
    Label(String),
    /// Too many labels.
    #[error("labels: more than {LABELS}")]
    Labels,
}

impl RowError {
    /// Key of the sentence on a page, and what stood there.
    pub fn told(&self) -> (&'static str, &str) {
        match self {
            Self::NoPhone => ("no-phone", ""),
            Self::Phone(given) => ("phone", given),
            Self::Email(given) => ("email", given),
            Self::Label(given) => ("label", given),
            Self::Labels => ("labels", ""),
        }
    }
}

/// A row, or what is wrong with it.
pub fn read(row: &Map<String, Value>) -> Result<Person, RowError> {
    let given = words(row, "phone").or_else(|| words(row, "contact_phone")).ok_or(RowError::NoPhone)?;
    let phone = Phone::parse(&given).ok_or(RowError::Phone(given))?;
    let email = words(row, "email");
    if let Some(email) = email.as_ref().filter(|email| !contact::is_email(email)) {
        return Err(RowError::Email(email.clone()));
    }
    let labels: Vec<String> = words(row, "labels").map_or(Vec::new(), |list| list.split([';', '|']).filter_map(text::clean_name).collect());
    let unfit = |name: &&String| name.chars().count() > label::LONGEST_NAME || name.chars().all(|c| c.is_ascii_digit());
    if let Some(name) = labels.iter().find(unfit) {
        return Err(RowError::Label(name.clone()));
    }
    if labels.len() > LABELS {
        return Err(RowError::Labels);
    }
    Ok(Person { phone, name: words(row, "name").and_then(|name| text::clean_name(&name)), email, address: words(row, "address"), interest: words(row, "interest"), labels })
}

/// Whose number it is, if we know it.
pub fn known(connection: &Connection, phone: &Phone) -> Result<Option<i64>, StoreError> {
    Ok(connection
        .prepare_cached("SELECT contact_id FROM identity WHERE kind = 'phone' AND channel_id = 0 AND value = ?1")?
        .query_row([phone.as_str()], |row| row.get(0))
        .optional()?)
}

/// Writes somebody down: his contact, and whether it is new.
pub fn put(tx: &Tx<'_>, person: &Person, actor: &str) -> Result<(i64, bool), StoreError> {
    let is_new = known(tx, &person.phone)?.is_none();
    let party = Party { chat_id: String::new(), phone: Some(person.phone.clone()), lid: None, push_name: None };
    let id = identity::resolve(tx, 0, &party)?;
    if let Some(name) = &person.name {
        contact::rename(tx, id, name, NameSource::Import)?;
    }
    tx.execute(
        "UPDATE contact SET email = ifnull(?2, email), address = ifnull(?3, address), interest = ifnull(?4, interest), updated_at = ?5
         WHERE id = ?1 AND (email IS NOT ifnull(?2, email) OR address IS NOT ifnull(?3, address) OR interest IS NOT ifnull(?4, interest))",
        (id, &person.email, &person.address, &person.interest, tx.now_ms),
    )?;
    for name in &person.labels {
        let made = match label::named(tx, name)? {
            Some(label) => Ok(label),
            None => label::create(tx, name, None, actor),
        };
        match made.and_then(|label| label::set(tx, id, label.id, true, if actor.starts_with("user:") { "dashboard" } else { "api" }, actor)) {
            Ok(_) => {}
            Err(LabelError::Db(error)) => return Err(error),
            Err(error) => return Err(StoreError::Unavailable(format!("label {name:?}: {error}"))), // names were checked while reading
        }
    }
    Ok((id, is_new))
}
