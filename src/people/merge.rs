//! Two contacts are one person: the one lives on in the other, and what moved is written down so that it can be undone.

use super::contact::{self, ContactError};
use super::label;
use crate::chat::conversation;
use crate::db::writer::Tx;
use crate::db::{StoreError, column_value};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What a merge moved.
#[derive(Default, Serialize, Deserialize)]
struct Moved {
    /// `kind:channel:value`.
    identities: Vec<String>,
    conversations: Vec<MovedChat>,
    #[serde(default)]
    labels: label::Merged,
    /// [`FACTS`] of the kept contact and of the merged one, before.
    #[serde(default)]
    kept: Map<String, Value>,
    #[serde(default)]
    merged: Map<String, Value>,
    /// The kept contact's, right after.
    #[serde(default)]
    made: Map<String, Value>,
    #[serde(default)]
    purchases: Vec<i64>,
    #[serde(default)]
    bookings: Vec<i64>,
    /// The merged contact's lead when the kept one had one too, as it was.
    #[serde(default)]
    lead: Option<Value>,
    /// The merged contact's lead went over whole.
    #[serde(default)]
    lead_moved: bool,
}

#[derive(Serialize, Deserialize)]
struct MovedChat {
    id: i64,
    /// Joined into that one; none: went over whole.
    into: Option<i64>,
    #[serde(default)]
    rows: conversation::Joined,
}

/// What the kept contact may take over from the other.
const FACTS: [&str; 8] = ["name", "name_source", "email", "address", "interest", "opted_out_at", "is_active", "fields"];

fn facts(tx: &Tx<'_>, id: i64) -> Result<Map<String, Value>, StoreError> {
    let pairs: Vec<String> = FACTS.iter().map(|column| format!("'{column}', {column}")).collect();
    let text: String = tx.query_row(&format!("SELECT json_object({}) FROM contact WHERE id = ?1", pairs.join(", ")), [id], |row| row.get(0))?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

fn ids(tx: &Tx<'_>, sql: &'static str, id: i64) -> Result<Vec<i64>, StoreError> {
    let mut query = tx.prepare_cached(sql)?;
    let rows = query.query_map([id], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes `merged` live on in `kept`: identities move, conversations on the same channel are joined, the phase is
/// the further one. `actor`: who wanted it; `cause`: lid_resolved, phone_learned, by_hand.
pub fn merge(tx: &Tx<'_>, kept: i64, merged: i64, cause: &str, actor: &str) -> Result<(), StoreError> {
    let mut moved = Moved { kept: facts(tx, kept)?, merged: facts(tx, merged)?, ..Moved::default() };
    let mut query = tx.prepare_cached("SELECT kind || ':' || channel_id || ':' || value FROM identity WHERE contact_id = ?1")?;
    moved.identities = query.query_map([merged], |row| row.get(0))?.collect::<Result<_, _>>()?;
    // before the identities go: a label stands on a personal chat
    moved.labels = label::merge(tx, kept, merged)?;
    tx.execute("UPDATE identity SET contact_id = ?1 WHERE contact_id = ?2", (kept, merged))?;
    let mut query = tx.prepare_cached("SELECT id, channel_id FROM conversation WHERE contact_id = ?1 AND merged_into IS NULL")?;
    let theirs: Vec<(i64, i64)> = query.query_map([merged], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (from, channel) in theirs {
        let into: Option<i64> =
            tx.prepare_cached("SELECT id FROM conversation WHERE contact_id = ?1 AND channel_id = ?2")?.query_row((kept, channel), |row| row.get(0)).optional()?;
        let rows = match into {
            Some(into) => conversation::join(tx, into, from)?,
            None => {
                tx.execute("UPDATE conversation SET contact_id = ?1 WHERE id = ?2", (kept, from))?;
                conversation::Joined::default()
            }
        };
        moved.conversations.push(MovedChat { id: from, into, rows });
    }
    tx.execute("UPDATE contact SET opted_out_at = ifnull(opted_out_at, (SELECT opted_out_at FROM contact WHERE id = ?2)) WHERE id = ?1", (kept, merged))?;
    let name: Option<(String, String)> =
        tx.query_row("SELECT name, name_source FROM contact WHERE id = ?1 AND name IS NOT NULL", [merged], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    if let Some((name, source)) = name {
        // the better known name stays, whichever side it comes from; of two as good the kept one's
        let source = contact::NameSource::parse(&source);
        if moved.kept["name_source"].as_str().is_none_or(|known| source > contact::NameSource::parse(known)) {
            contact::rename(tx, kept, &name, source)?;
        }
    }
    tx.execute(
        "UPDATE contact SET fields = (SELECT json_patch(ifnull(o.fields, '{}'), ifnull(contact.fields, '{}')) FROM contact o WHERE o.id = ?2)
         WHERE id = ?1 AND (SELECT fields FROM contact WHERE id = ?2) IS NOT NULL",
        (kept, merged),
    )?;
    for field in ["email", "address", "interest", "is_active"] {
        tx.execute(&format!("UPDATE contact SET {field} = (SELECT {field} FROM contact WHERE id = ?2) WHERE id = ?1 AND {field} IS NULL"), (kept, merged))?;
    }
    label::tell_all(tx, kept)?;
    moved.purchases = ids(tx, "SELECT id FROM purchase WHERE contact_id = ?1", merged)?;
    tx.execute("UPDATE OR IGNORE purchase SET contact_id = ?1 WHERE contact_id = ?2", (kept, merged))?;
    moved.bookings = ids(tx, "SELECT id FROM booking WHERE contact_id = ?1", merged)?;
    tx.execute("UPDATE booking SET contact_id = ?1 WHERE contact_id = ?2", (kept, merged))?;
    (moved.lead, moved.lead_moved) = crate::growth::lead::merge(tx, kept, merged)?;
    tx.execute("UPDATE contact SET merged_into = ?1 WHERE id = ?2", (kept, merged))?;
    super::search::renamed(tx, kept)?;
    super::search::renamed(tx, merged)?;
    moved.made = facts(tx, kept)?;
    let detail = json!(moved).to_string();
    tx.execute("INSERT INTO contact_merge (kept_id, merged_id, cause, detail, at) VALUES (?1, ?2, ?3, ?4, ?5)", (kept, merged, cause, &detail, tx.now_ms))?;
    tx.audit(actor, "contact.merged", &format!("contact:{kept}"), &json!({"merged": merged, "cause": cause}).to_string())
}

/// Merges two contacts because somebody of the team says so.
pub fn by_hand(tx: &Tx<'_>, kept: i64, merged: i64, actor: &str) -> Result<(), ContactError> {
    if kept == merged {
        return Err(ContactError::Cannot("a contact cannot be merged with itself"));
    }
    for id in [kept, merged] {
        let found = contact::find(tx, id)?.ok_or(ContactError::NoSuchContact)?;
        if found.merged_into.is_some() {
            return Err(ContactError::Cannot("one of the two has been merged already"));
        }
    }
    Ok(merge(tx, kept, merged, "by_hand", actor)?)
}

/// A merge, for pages.
#[derive(Clone, Debug, Serialize)]
pub struct Merge {
    /// Row.
    pub id: i64,
    /// Who lives on.
    pub kept_id: i64,
    /// Who was merged.
    pub merged_id: i64,
    /// His name then.
    pub merged_name: Option<String>,
    /// Why.
    pub cause: String,
    /// When, unix ms.
    pub at: i64,
}

/// Merges into a contact that are not undone, newest first.
pub fn into(connection: &Connection, kept: i64) -> Result<Vec<Merge>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT m.id, m.kept_id, m.merged_id, c.name, m.cause, m.at FROM contact_merge m JOIN contact c ON c.id = m.merged_id WHERE m.kept_id = ?1 AND m.undone_at IS NULL ORDER BY m.id DESC",
    )?;
    let rows = query
        .query_map([kept], |row| Ok(Merge { id: row.get(0)?, kept_id: row.get(1)?, merged_id: row.get(2)?, merged_name: row.get(3)?, cause: row.get(4)?, at: row.get(5)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The merge of that number, if it is into this contact.
pub fn of(connection: &Connection, kept: i64, number: &str) -> Result<i64, ContactError> {
    let number: i64 = number.trim().parse().map_err(|_| ContactError::NoSuchContact)?;
    if into(connection, kept)?.iter().any(|merge| merge.id == number) { Ok(number) } else { Err(ContactError::NoSuchContact) }
}

/// Whose merge it is.
pub fn kept(connection: &Connection, number: i64) -> Result<Option<i64>, StoreError> {
    Ok(connection.query_row("SELECT kept_id FROM contact_merge WHERE id = ?1", [number], |row| row.get(0)).optional()?)
}

/// Takes a merge back: what had moved goes back to where it was; what came since stays with the kept one. The newest merge
/// of a contact goes first.
pub fn undo(tx: &Tx<'_>, merge_id: i64, actor: &str) -> Result<i64, ContactError> {
    let found: Option<(i64, i64, String, bool)> = tx
        .query_row("SELECT kept_id, merged_id, detail, undone_at IS NOT NULL FROM contact_merge WHERE id = ?1", [merge_id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let (kept, merged, detail, is_undone) = found.ok_or(ContactError::NoSuchContact)?;
    if is_undone {
        return Err(ContactError::Cannot("this merge has been undone"));
    }
    let later: i64 =
        tx.query_row("SELECT EXISTS (SELECT 1 FROM contact_merge WHERE id > ?1 AND undone_at IS NULL AND (kept_id = ?2 OR merged_id = ?2))", (merge_id, kept), |row| row.get(0))?;
    if later != 0 {
        return Err(ContactError::Cannot("undo the later merge of this contact first"));
    }
    let moved: Moved = serde_json::from_str(&detail).map_err(|_| ContactError::Cannot("what this merge moved was not written down"))?;
    tx.execute("UPDATE contact SET merged_into = NULL WHERE id = ?1", [merged])?;
    for identity in &moved.identities {
        let mut parts = identity.splitn(3, ':');
        if let (Some(kind), Some(channel), Some(value)) = (parts.next(), parts.next().and_then(|c| c.parse::<i64>().ok()), parts.next()) {
            tx.execute("UPDATE identity SET contact_id = ?4 WHERE kind = ?1 AND channel_id = ?2 AND value = ?3 AND contact_id = ?5", (kind, channel, value, merged, kept))?;
        }
    }
    for chat in &moved.conversations {
        match chat.into {
            Some(into) => conversation::part(tx, into, chat.id, &chat.rows)?,
            None => drop(tx.execute("UPDATE conversation SET contact_id = ?2 WHERE id = ?1 AND contact_id = ?3", (chat.id, merged, kept))?),
        }
    }
    let now = facts(tx, kept)?;
    // the name goes with where it came from: both or neither
    let name_stands = now.get("name") != moved.made.get("name");
    for column in FACTS.iter().filter(|column| moved.kept.contains_key(**column)) {
        let is_name = column.starts_with("name");
        let taken_over = moved.kept.get(*column) != now.get(*column) && now.get(*column) == moved.made.get(*column);
        if if is_name { !name_stands && moved.kept.get("name") != now.get("name") } else { taken_over } {
            tx.execute(&format!("UPDATE contact SET {column} = ?2 WHERE id = ?1"), (kept, column_value(&moved.kept[*column])))?;
        }
    }
    for purchase in &moved.purchases {
        tx.execute("UPDATE purchase SET contact_id = ?2 WHERE id = ?1", (purchase, merged))?;
    }
    for booking in &moved.bookings {
        tx.execute("UPDATE booking SET contact_id = ?2 WHERE id = ?1", (booking, merged))?;
    }
    crate::growth::lead::unmerge(tx, kept, merged, moved.lead.as_ref(), moved.lead_moved)?;
    label::unmerge(tx, kept, merged, &moved.labels)?;
    super::search::renamed(tx, kept)?;
    super::search::renamed(tx, merged)?;
    tx.execute("UPDATE contact_merge SET undone_at = ?2 WHERE id = ?1", (merge_id, tx.now_ms))?;
    tx.audit(actor, "contact.merge_undone", &format!("contact:{kept}"), &json!({"merged": merged}).to_string())?;
    Ok(merged)
}
