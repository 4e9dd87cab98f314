//! A person, whatever number or hidden id he writes from. Names have a source and a better source wins.

use crate::chat::inbox::Scope;
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::phone::Phone;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Map, Value, json};

/// Where a name came from, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NameSource {
    /// What the customer calls himself on WhatsApp.
    Push,
    /// The office phone's address book.
    Phonebook,
    /// An imported list.
    Import,
    /// Somebody of the team typed it.
    Typed,
}

impl NameSource {
    /// As in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Phonebook => "phonebook",
            Self::Import => "import",
            Self::Typed => "typed",
        }
    }
}

impl NameSource {
    /// From a row; what is unknown is the weakest.
    pub fn parse(text: &str) -> Self {
        [Self::Phonebook, Self::Import, Self::Typed].into_iter().find(|source| source.as_str() == text).unwrap_or(Self::Push)
    }
}

/// A contact as screens and exports show it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Contact {
    /// Row id.
    pub id: i64,
    /// Best name known.
    pub name: Option<String>,
    /// Digits without plus, when known.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Said STOP, unix ms.
    pub opted_out_at: Option<i64>,
    /// Where the name came from: push, phonebook, import, typed.
    pub name_source: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Product he prefers.
    pub interest: Option<String>,
    /// A person's word on whether he is active; none: computed.
    pub is_active: Option<bool>,
    /// Custom fields.
    pub fields: Map<String, Value>,
    /// First seen, unix ms.
    pub created_at: i64,
    /// Last wrote, unix ms.
    pub last_in_at: Option<i64>,
    /// Lives on in that contact.
    pub merged_into: Option<i64>,
}

impl Contact {
    /// Whether he counts as active: a person's word, else whether he wrote (or was first seen) within `days`.
    pub fn active(&self, now_ms: i64, days: i64) -> bool {
        self.is_active.unwrap_or_else(|| now_ms - self.last_in_at.unwrap_or(self.created_at) <= days * 86_400_000)
    }
}

const COLUMNS: &str = "c.id, c.name, c.email, c.opted_out_at, c.created_at, c.name_source, c.address, c.interest, c.is_active, c.fields, c.merged_into,
    (SELECT value FROM identity i WHERE i.contact_id = c.id AND i.kind = 'phone' LIMIT 1) AS phone,
    (SELECT max(v.last_in_at) FROM conversation v WHERE v.contact_id = c.id) AS last_in_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Contact> {
    Ok(Contact {
        id: row.get("id")?,
        name: row.get("name")?,
        phone: row.get("phone")?,
        email: row.get("email")?,
        opted_out_at: row.get("opted_out_at")?,
        name_source: row.get("name_source")?,
        address: row.get("address")?,
        interest: row.get("interest")?,
        is_active: row.get("is_active")?,
        fields: row.get::<_, Option<String>>("fields")?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default(),
        created_at: row.get("created_at")?,
        last_in_at: row.get("last_in_at")?,
        merged_into: row.get("merged_into")?,
    })
}

/// One contact.
pub fn find(connection: &Connection, id: i64) -> Result<Option<Contact>, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM contact c WHERE c.id = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([id], from_row).optional()?)
}

/// The contact, or the one he lives on in.
pub fn alive(connection: &Connection, id: i64) -> Result<Option<Contact>, StoreError> {
    let mut found = find(connection, id)?;
    for _ in 0..10 {
        match found.as_ref().and_then(|contact| contact.merged_into) {
            Some(into) => found = find(connection, into)?,
            None => break,
        }
    }
    Ok(found)
}

/// Contacts before row `before`, newest first.
pub fn newest(connection: &Connection, before: Option<i64>, limit: usize) -> Result<Vec<i64>, StoreError> {
    let mut query = connection.prepare_cached("SELECT id FROM contact WHERE merged_into IS NULL AND id < ?1 ORDER BY id DESC LIMIT ?2")?;
    let rows = query.query_map((before.unwrap_or(i64::MAX), limit as i64), |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// His conversations, the newest first.
pub fn conversations(connection: &Connection, id: i64) -> Result<Vec<i64>, StoreError> {
    let mut query = connection.prepare_cached("SELECT id FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL ORDER BY last_at DESC")?;
    let rows = query.query_map([id], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether somebody may see him: who has no chat may be seen by all, else one of his chats must be visible.
pub fn seen_by(connection: &Connection, id: i64, scope: &Scope) -> Result<bool, StoreError> {
    if *scope == Scope::All {
        return Ok(true);
    }
    let mut query = connection.prepare_cached("SELECT held_by FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL")?;
    let holders: Vec<Option<String>> = query.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(holders.is_empty() || holders.iter().any(|holder| scope.sees(holder.as_deref())))
}

/// Makes a contact and returns its id.
pub fn create(tx: &Tx<'_>, name: Option<&str>, source: NameSource) -> Result<i64, StoreError> {
    tx.prepare_cached("INSERT INTO contact (name, name_source, created_at) VALUES (?1, ?2, ?3)")?.execute((name, name.map(|_| source.as_str()), tx.now_ms))?;
    tx.count("contacts.new", 1);
    Ok(tx.last_insert_rowid())
}

/// Names the contact if `source` is at least as good as where the present name came from.
pub fn rename(tx: &Tx<'_>, id: i64, name: &str, source: NameSource) -> Result<bool, StoreError> {
    let better: &[&str] = match source {
        NameSource::Push => &["push"],
        NameSource::Phonebook => &["push", "phonebook"],
        NameSource::Import => &["push", "phonebook", "import"],
        NameSource::Typed => &["push", "phonebook", "import", "typed"],
    };
    let changed = tx
        .prepare_cached(
            "UPDATE contact SET name = ?2, name_source = ?3, updated_at = ?5 WHERE id = ?1 AND name IS NOT ?2
             AND (name_source IS NULL OR name_source IN (SELECT value FROM json_each(?4)))",
        )?
        .execute((id, name, source.as_str(), json!(better).to_string(), tx.now_ms))?;
    if changed > 0 {
        super::search::renamed(tx, id)?;
    }
    Ok(changed > 0)
}

/// Remembers that the customer wants no more messages.
pub fn opt_out(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE contact SET opted_out_at = ?2, updated_at = ?2 WHERE id = ?1 AND opted_out_at IS NULL", (id, tx.now_ms))?;
    tx.audit("customer", "contact.opted_out", &format!("contact:{id}"), "")
}

/// Why a contact was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// Not there.
    #[error("the contact was not found")]
    NoSuchContact,
    /// A field has a value it cannot have.
    #[error("{field}: {problem}")]
    Invalid {
        /// Which.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// The number is another contact's.
    #[error("this number belongs to contact {0}")]
    Known(i64),
    /// Merging or undoing cannot be done.
    #[error("{0}")]
    Cannot(&'static str),
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for ContactError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// Whether a text can be an e-mail address.
pub fn is_email(text: &str) -> bool {
    text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && host.contains('.') && !text.contains(char::is_whitespace))
}

fn invalid(field: &str, problem: impl Into<String>) -> ContactError {
    ContactError::Invalid { field: field.to_owned(), problem: problem.into() }
}

/// What somebody of the team changed of a contact; `None` leaves as it is, an empty text takes away.
#[derive(Clone, Debug, Default, serde::Deserialize)]
pub struct Change {
    /// Name; from now on it is a typed one.
    pub name: Option<String>,
    /// A number to reach him by, beside those already known.
    pub phone: Option<String>,
    /// E-mail.
    pub email: Option<String>,
    /// Address.
    pub address: Option<String>,
    /// Product he prefers.
    pub interest: Option<String>,
    /// `active`, `inactive` or `auto`.
    pub status: Option<String>,
    /// Custom fields by key.
    #[serde(default)]
    pub fields: Map<String, Value>,
}

/// Longest text of a field, characters.
const LONGEST: usize = 500;

fn text_of<'a>(field: &str, text: &'a str) -> Result<Option<&'a str>, ContactError> {
    let text = text.trim();
    if text.chars().count() > LONGEST {
        return Err(invalid(field, "at most 500 characters"));
    }
    Ok((!text.is_empty()).then_some(text))
}

/// Makes a contact by hand, from his number and what is known of him.
///
/// Errors: no number, a number that is somebody's already, a field with a value it cannot have.
pub fn add(tx: &Tx<'_>, change: &Change, actor: &str) -> Result<i64, ContactError> {
    if change.phone.as_deref().is_none_or(|phone| phone.trim().is_empty()) {
        return Err(invalid("phone", "a phone number, for example 0812-3456-7890"));
    }
    let id = create(tx, None, NameSource::Typed)?;
    edit(tx, id, change, actor)?;
    super::search::renamed(tx, id)?;
    tx.audit(actor, "contact.added", &format!("contact:{id}"), "")?;
    Ok(id)
}

/// Applies a change; every field it touches goes into the audit trail with its old value.
pub fn edit(tx: &Tx<'_>, id: i64, change: &Change, actor: &str) -> Result<(), ContactError> {
    let before = find(tx, id)?.ok_or(ContactError::NoSuchContact)?;
    if let Some(name) = &change.name {
        match crate::kernel::text::clean_name(name) {
            Some(name) => drop(rename(tx, id, &name, NameSource::Typed)?),
            None => drop(tx.execute("UPDATE contact SET name = NULL, name_source = NULL, updated_at = ?2 WHERE id = ?1", (id, tx.now_ms))?),
        }
    }
    if let Some(phone) = change.phone.as_deref().map(str::trim).filter(|phone| !phone.is_empty()) {
        let phone = Phone::parse(phone).ok_or_else(|| invalid("phone", "a phone number, for example 0812-3456-7890"))?;
        match super::identity::of_phone(tx, &phone)? {
            Some(theirs) if theirs != id => return Err(ContactError::Known(theirs)),
            Some(_) => {}
            None => super::identity::learn(tx, &phone, id)?,
        }
    }
    if let Some(email) = &change.email {
        let email = text_of("email", email)?;
        if email.is_some_and(|email| !is_email(email)) {
            return Err(invalid("email", "an address such as nama@contoh.id"));
        }
        tx.execute("UPDATE contact SET email = ?2 WHERE id = ?1", (id, email))?;
    }
    for (field, value) in [("address", &change.address), ("interest", &change.interest)] {
        if let Some(value) = value {
            tx.execute(&format!("UPDATE contact SET {field} = ?2 WHERE id = ?1"), (id, text_of(field, value)?))?;
        }
    }
    if let Some(status) = &change.status {
        let word = match status.as_str() {
            "active" => Some(true),
            "inactive" => Some(false),
            "auto" | "" => None,
            _ => return Err(invalid("status", "active, inactive or auto")),
        };
        tx.execute("UPDATE contact SET is_active = ?2 WHERE id = ?1", (id, word))?;
    }
    if !change.fields.is_empty() {
        let known = fields(tx)?;
        let mut values = before.fields.clone();
        for (key, value) in &change.fields {
            let field = known.iter().find(|field| field.key == *key).ok_or_else(|| invalid(key, "there is no such field"))?;
            match field.read(value)? {
                Some(value) => drop(values.insert(key.clone(), value)),
                None => drop(values.remove(key)),
            }
        }
        tx.execute("UPDATE contact SET fields = ?2 WHERE id = ?1", (id, Value::Object(values).to_string()))?;
    }
    tx.execute("UPDATE contact SET updated_at = ?2 WHERE id = ?1", (id, tx.now_ms))?;
    let after = find(tx, id)?.ok_or(ContactError::NoSuchContact)?;
    let (old, new) = (json!(before), json!(after));
    let differing: Map<String, Value> = new
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, value)| old.get(key.as_str()) != Some(value) && key.as_str() != "name_source")
        .map(|(key, value)| (key.clone(), json!([old[key.as_str()], value])))
        .collect();
    if !differing.is_empty() {
        tx.audit(actor, "contact.changed", &format!("contact:{id}"), &Value::Object(differing).to_string())?;
        let conversation: Option<i64> =
            tx.query_row("SELECT id FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL ORDER BY last_at DESC LIMIT 1", [id], |row| row.get(0)).optional()?;
        tx.emit("conversation.updated", conversation, json!({"contact_id": id, "name": after.name}))?;
    }
    Ok(())
}

/// A field the agency added.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Field {
    /// Key in JSON and columns.
    pub key: String,
    /// Name on screens.
    pub name: String,
    /// text, number, date, choice.
    pub kind: String,
    /// What may be chosen.
    pub choices: Vec<String>,
}

impl Field {
    /// The value as it is kept; `None`: taken away.
    fn read(&self, value: &Value) -> Result<Option<Value>, ContactError> {
        let text = match value {
            Value::Null => return Ok(None),
            Value::String(text) => crate::kernel::text::clean(text, LONGEST).trim().to_owned(),
            Value::Number(number) => number.to_string(),
            _ => return Err(invalid(&self.key, "a text or a number")),
        };
        if text.is_empty() {
            return Ok(None);
        }
        let bad = |problem: &str| Err(invalid(&self.key, problem));
        match self.kind.as_str() {
            "number" => match text.replace('.', "").parse::<i64>() {
                Ok(number) => Ok(Some(number.into())),
                Err(_) => bad("a whole number"),
            },
            "date" if text.parse::<chrono::NaiveDate>().is_err() => bad("a day such as 2026-11-20"),
            "choice" if !self.choices.contains(&text) => bad(&format!("one of {}", self.choices.join(", "))),
            _ => Ok(text_of(&self.key, &text)?.map(Value::from)),
        }
    }
}

/// The agency's own fields, in their order.
pub fn fields(connection: &Connection) -> Result<Vec<Field>, StoreError> {
    let mut query = connection.prepare_cached("SELECT key, name, kind, choices FROM contact_field WHERE removed_at IS NULL ORDER BY position, key")?;
    let rows = query.query_map([], |row| {
        let choices: String = row.get(3)?;
        Ok(Field { key: row.get(0)?, name: row.get(1)?, kind: row.get(2)?, choices: serde_json::from_str(&choices).unwrap_or_default() })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Adds a field, or changes one of that name; its key comes from the name.
pub fn put_field(tx: &Tx<'_>, name: &str, kind: &str, choices: &[String], actor: &str) -> Result<(), ContactError> {
    let name = crate::kernel::text::clean_name(name).filter(|name| name.chars().count() <= 60).ok_or_else(|| invalid("name", "1 to 60 characters"))?;
    if !["text", "number", "date", "choice"].contains(&kind) {
        return Err(invalid("kind", "text, number, date or choice"));
    }
    if kind == "choice" && choices.is_empty() {
        return Err(invalid("choices", "at least one choice"));
    }
    let key: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let key = key.trim_matches('_');
    if key.is_empty() {
        return Err(invalid("name", "needs a letter"));
    }
    tx.execute(
        "INSERT INTO contact_field (key, name, kind, choices, position) VALUES (?1, ?2, ?3, ?4, (SELECT ifnull(max(position), 0) + 1 FROM contact_field))
         ON CONFLICT DO UPDATE SET name = excluded.name, kind = excluded.kind, choices = excluded.choices, removed_at = NULL",
        (key, &name, kind, json!(choices).to_string()),
    )?;
    Ok(tx.audit(actor, "contact_field.changed", &format!("contact_field:{key}"), &name)?)
}

/// Takes a field away; what was written in it stays in the store.
pub fn remove_field(tx: &Tx<'_>, key: &str, actor: &str) -> Result<(), ContactError> {
    tx.execute("UPDATE contact_field SET removed_at = ?2 WHERE key = ?1 AND removed_at IS NULL", (key, tx.now_ms))?;
    Ok(tx.audit(actor, "contact_field.removed", &format!("contact_field:{key}"), "")?)
}

/// Notes that somebody of the team looked at this person, once a day each: for the owner.
pub fn looked_at(tx: &Tx<'_>, actor: &str, contact_id: i64, day: &str) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT INTO staff_access (day, actor, contact_id, first_at, times) VALUES (?1, ?2, ?3, ?4, 1) ON CONFLICT DO UPDATE SET times = times + 1")?
        .execute((day, actor, contact_id, tx.now_ms))?;
    Ok(())
}
