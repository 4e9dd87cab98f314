//! A person, whatever number or hidden id he writes from. Names have a source and a better source wins.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json};

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
    /// First seen, unix ms.
    pub created_at: i64,
}

const COLUMNS: &str = "c.id, c.name, c.email, c.opted_out_at, c.created_at,
    (SELECT value FROM identity i WHERE i.contact_id = c.id AND i.kind = 'phone' LIMIT 1) AS phone";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Contact> {
    Ok(Contact {
        id: row.get("id")?,
        name: row.get("name")?,
        phone: row.get("phone")?,
        email: row.get("email")?,
        opted_out_at: row.get("opted_out_at")?,
        created_at: row.get("created_at")?,
    })
}

/// One contact.
pub fn find(connection: &Connection, id: i64) -> Result<Option<Contact>, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM contact c WHERE c.id = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([id], from_row).optional()?)
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
            "UPDATE contact SET name = ?2, name_source = ?3 WHERE id = ?1 AND name IS NOT ?2
             AND (name_source IS NULL OR name_source IN (SELECT value FROM json_each(?4)))",
        )?
        .execute((id, name, source.as_str(), json!(better).to_string()))?;
    Ok(changed > 0)
}

/// Remembers that the customer wants no more messages.
pub fn opt_out(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE contact SET opted_out_at = ifnull(opted_out_at, ?2) WHERE id = ?1", (id, tx.now_ms))?;
    tx.audit("customer", "contact.opted_out", &format!("contact:{id}"), "")
}

/// Makes `merged` live on in `kept`: identities move, conversations on the same channel are joined, the phase is
/// the further one. What moved is written down, so that it can be undone.
pub fn merge(tx: &Tx<'_>, kept: i64, merged: i64, cause: &str) -> Result<(), StoreError> {
    let ids = |sql: &str, id: i64| -> Result<Vec<Value>, StoreError> {
        let mut query = tx.prepare_cached(sql)?;
        let rows = query.query_map([id], |row| row.get::<_, String>(0).map(Value::from))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    let identities = ids("SELECT kind || ':' || channel_id || ':' || value FROM identity WHERE contact_id = ?1", merged)?;
    tx.execute("UPDATE identity SET contact_id = ?1 WHERE contact_id = ?2", (kept, merged))?;
    let mut query = tx.prepare_cached("SELECT id, channel_id FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL")?;
    let theirs: Vec<(i64, i64)> = query.query_map([merged], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut conversations = Vec::new();
    for (from, channel) in theirs {
        let into: Option<i64> =
            tx.prepare_cached("SELECT id FROM conversation WHERE contact_id = ?1 AND channel_id = ?2")?.query_row((kept, channel), |row| row.get(0)).optional()?;
        let Some(into) = into else {
            tx.execute("UPDATE conversation SET contact_id = ?1 WHERE id = ?2", (kept, from))?;
            conversations.push(json!({"conversation": from, "moved_whole": true}));
            continue;
        };
        let moved = ids("SELECT CAST(id AS TEXT) FROM message WHERE conversation_id = ?1", from)?;
        crate::chat::conversation::join(tx, into, from)?;
        conversations.push(json!({"conversation": from, "into": into, "messages": moved}));
    }
    tx.execute("UPDATE contact SET opted_out_at = ifnull(opted_out_at, (SELECT opted_out_at FROM contact WHERE id = ?2)) WHERE id = ?1", (kept, merged))?;
    let name: Option<(String, String)> =
        tx.query_row("SELECT name, name_source FROM contact WHERE id = ?1 AND name IS NOT NULL", [merged], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((name, _)) = name {
        tx.execute("UPDATE contact SET name = ?2, name_source = 'push' WHERE id = ?1 AND name IS NULL", (kept, name))?;
    }
    tx.execute("UPDATE purchase SET contact_id = ?1 WHERE contact_id = ?2", (kept, merged))?;
    tx.execute("UPDATE label_event SET contact_id = ?1 WHERE contact_id = ?2", (kept, merged))?;
    crate::growth::lead::merge(tx, kept, merged)?;
    tx.execute("UPDATE contact SET merged_into = ?1 WHERE id = ?2", (kept, merged))?;
    let detail = json!({"identities": identities, "conversations": conversations}).to_string();
    tx.execute("INSERT INTO contact_merge (kept_id, merged_id, cause, detail, at) VALUES (?1, ?2, ?3, ?4, ?5)", (kept, merged, cause, &detail, tx.now_ms))?;
    tx.audit("system", "contact.merged", &format!("contact:{kept}"), &json!({"merged": merged, "cause": cause}).to_string())
}
