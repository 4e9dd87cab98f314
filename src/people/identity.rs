//! The ways to reach a contact. A phone is the same everywhere; a LID (WhatsApp's hidden id) belongs to one of our
//! numbers. When a delivery shows both, they are one person: two contacts made before that are merged.

use super::contact::{self, NameSource};
use super::merge;
use crate::chat::inbound::Party;
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension};

/// The channel id of identities that are not bound to a channel.
const ANY_CHANNEL: i64 = 0;

fn find(connection: &Connection, kind: &str, channel_id: i64, value: &str) -> Result<Option<i64>, StoreError> {
    let mut query = connection.prepare_cached("SELECT contact_id FROM identity WHERE kind = ?1 AND channel_id = ?2 AND value = ?3")?;
    Ok(query.query_row((kind, channel_id, value), |row| row.get(0)).optional()?)
}

fn add(tx: &Tx<'_>, kind: &str, channel_id: i64, value: &str, contact_id: i64) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO identity (kind, channel_id, value, contact_id, added_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING")?
        .execute((kind, channel_id, value, contact_id, tx.now_ms))?;
    Ok(())
}

/// Adds a number to a contact; it must be nobody else's.
pub fn learn(tx: &Tx<'_>, phone: &crate::kernel::phone::Phone, contact_id: i64) -> Result<(), StoreError> {
    add(tx, "phone", ANY_CHANNEL, phone.as_str(), contact_id)?;
    super::search::renamed(tx, contact_id) // found by it from now on
}

/// The contact behind `party` on `channel_id`, made if it is new; learns what this delivery adds (the other
/// identity, a name) and merges contacts that turn out to be one person.
pub fn resolve(tx: &Tx<'_>, channel_id: i64, party: &Party) -> Result<i64, StoreError> {
    let phone = party.phone.as_ref().map(|p| p.as_str());
    let lid = party.lid.as_deref();
    let by_phone = phone.map(|p| find(tx, "phone", ANY_CHANNEL, p)).transpose()?.flatten();
    let by_lid = lid.map(|l| find(tx, "lid", channel_id, l)).transpose()?.flatten();
    let id = match (by_phone, by_lid) {
        (Some(kept), Some(other)) if kept != other => {
            merge::merge(tx, kept, other, "lid_resolved", "system")?;
            kept
        }
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => contact::create(tx, party.push_name.as_deref(), NameSource::Push)?,
    };
    if let (Some(phone), None) = (phone, by_phone) {
        add(tx, "phone", ANY_CHANNEL, phone, id)?;
        super::search::renamed(tx, id)?; // found by his number from now on
    }
    if let (Some(lid), None) = (lid, by_lid) {
        add(tx, "lid", channel_id, lid, id)?;
    }
    if let (Some(name), true) = (&party.push_name, by_phone.is_some() || by_lid.is_some()) {
        contact::rename(tx, id, name, NameSource::Push)?;
    }
    Ok(id)
}

/// The contact behind `party`, if we know him; learns nothing.
pub fn known(connection: &Connection, channel_id: i64, party: &Party) -> Result<Option<i64>, StoreError> {
    let by_phone = party.phone.as_ref().map(|phone| find(connection, "phone", ANY_CHANNEL, phone.as_str())).transpose()?.flatten();
    match (by_phone, &party.lid) {
        (None, Some(lid)) => find(connection, "lid", channel_id, lid),
        (found, _) => Ok(found),
    }
}

/// Whether a phone is not somebody else's: the contact's own, or he has none we know of and nobody else has this one.
pub fn is_of(connection: &Connection, contact_id: i64, phone: &crate::kernel::phone::Phone) -> Result<bool, StoreError> {
    let known: Vec<(String, String)> = of_contact(connection, contact_id)?.into_iter().filter(|(kind, _)| kind == "phone").collect();
    match known.is_empty() {
        true => Ok(find(connection, "phone", ANY_CHANNEL, phone.as_str())?.is_none()),
        false => Ok(known.iter().any(|(_, value)| value == phone.as_str())),
    }
}

/// Whether a number of the contact's is known.
pub fn has_phone(connection: &Connection, contact_id: i64) -> Result<bool, StoreError> {
    let mut query = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM identity WHERE contact_id = ?1 AND kind = 'phone')")?;
    Ok(query.query_row([contact_id], |row| row.get(0))?)
}

/// Who a personal chat of a number belongs to, if we know him.
pub fn of_chat(connection: &Connection, channel_id: i64, chat_id: &str) -> Result<Option<i64>, StoreError> {
    match chat_id.split_once('@') {
        Some((phone, "c.us")) => find(connection, "phone", ANY_CHANNEL, phone),
        Some((lid, "lid")) => find(connection, "lid", channel_id, lid),
        _ => Ok(None),
    }
}

/// Whose number it is.
pub fn of_phone(tx: &Tx<'_>, phone: &crate::kernel::phone::Phone) -> Result<Option<i64>, StoreError> {
    find(tx, "phone", ANY_CHANNEL, phone.as_str())
}

/// The ways to reach a contact: (kind, digits).
pub fn of_contact(connection: &Connection, contact_id: i64) -> Result<Vec<(String, String)>, StoreError> {
    let mut query = connection.prepare_cached("SELECT kind, value FROM identity WHERE contact_id = ?1 ORDER BY kind DESC, added_at")?;
    let rows = query.query_map([contact_id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Learns the phone behind a LID, as a lookup told it. Returns the contact, merged where needed.
pub fn learn_phone(tx: &Tx<'_>, channel_id: i64, lid: &str, phone: &crate::kernel::phone::Phone) -> Result<i64, StoreError> {
    let party = Party { chat_id: String::new(), phone: Some(phone.clone()), lid: Some(lid.to_owned()), push_name: None };
    resolve(tx, channel_id, &party)
}

/// LIDs on `channel_id` whose phone nobody has told yet, newest contacts first.
pub fn unresolved(connection: &Connection, channel_id: i64, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT l.value FROM identity l WHERE l.kind = 'lid' AND l.channel_id = ?1
         AND NOT EXISTS (SELECT 1 FROM identity p WHERE p.contact_id = l.contact_id AND p.kind = 'phone') ORDER BY l.added_at DESC LIMIT ?2",
    )?;
    let rows = query.query_map((channel_id, limit as i64), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
