//! Finding people and messages by what is typed. The indexes are filled a little after the rows are written, when the machine
//! has time for it, so that no delivery waits for them; what is not in them yet is looked through row by row.

use crate::chat::inbox::Scope;
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::Connection;

/// Rows put into an index at once.
pub const STEP: i64 = 1_000;
/// Newest rows that are looked through although no index knows them yet.
const TAIL: i64 = 20_000;

fn until(connection: &Connection, what: &str) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT until FROM search_mark WHERE what = ?1")?.query_row([what], |row| row.get(0))?)
}

/// Puts contacts into their index: those for which `which` holds.
macro_rules! put_contacts {
    ($which:literal) => {
        concat!(
            "INSERT INTO contact_search (rowid, name, phone, enohp) SELECT c.id, ifnull(c.name, ''), ifnull(p.value, ''), ifnull(backwards(p.value), '') FROM contact c LEFT JOIN identity p ON p.contact_id = c.id AND p.kind = 'phone' WHERE c.merged_into IS NULL AND",
            $which
        )
    };
}

/// Brings the indexes forward by up to [`STEP`] rows each; how many were put in.
pub fn advance(tx: &Tx<'_>) -> Result<usize, StoreError> {
    let (contact, message) = (until(tx, "contact")?, until(tx, "message")?);
    let last_contact: i64 = tx.prepare_cached("SELECT min(ifnull(max(id), 0), ?1) FROM contact")?.query_row([contact + STEP], |row| row.get(0))?;
    let last_message: i64 = tx.prepare_cached("SELECT min(ifnull(max(id), 0), ?1) FROM message")?.query_row([message + STEP], |row| row.get(0))?;
    let mut done = 0;
    if last_contact > contact {
        done += tx.prepare_cached(put_contacts!(" c.id > ?1 AND c.id <= ?2 GROUP BY c.id"))?.execute((contact, last_contact))?;
        tx.execute("UPDATE search_mark SET until = ?1 WHERE what = 'contact'", [last_contact])?;
    }
    if last_message > message {
        done += tx
            .prepare_cached("INSERT INTO message_search (rowid, text) SELECT id, text FROM message WHERE id > ?1 AND id <= ?2 AND text IS NOT NULL")?
            .execute((message, last_message))?;
        tx.execute("UPDATE search_mark SET until = ?1 WHERE what = 'message'", [last_message])?;
    }
    Ok(done)
}

/// Whether anything is still to be put in.
pub fn is_behind(connection: &Connection) -> Result<bool, StoreError> {
    let behind: i64 = connection.query_row(
        "SELECT (SELECT ifnull(max(id), 0) FROM contact) > (SELECT until FROM search_mark WHERE what = 'contact') OR (SELECT ifnull(max(id), 0) FROM message) > (SELECT until FROM search_mark WHERE what = 'message')",
        [],
        |row| row.get(0),
    )?;
    Ok(behind != 0)
}

/// A contact that is in the index has another name, or lives on elsewhere.
pub fn renamed(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    if id > until(tx, "contact")? {
        return Ok(());
    }
    tx.execute("DELETE FROM contact_search WHERE rowid = ?1", [id])?;
    tx.prepare_cached(put_contacts!(" c.id = ?1 LIMIT 1"))?.execute([id])?;
    Ok(())
}

/// The words of a message that is in the index were changed.
pub fn reworded(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    if id > until(tx, "message")? {
        return Ok(());
    }
    tx.execute("DELETE FROM message_search WHERE rowid = ?1", [id])?;
    tx.execute("INSERT INTO message_search (rowid, text) SELECT id, text FROM message WHERE id = ?1 AND text IS NOT NULL", [id])?;
    Ok(())
}

/// What was typed as words an index can be asked for: letters and digits only, the last one as a beginning.
fn terms(typed: &str) -> Vec<String> {
    typed.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(8).map(|word| word.chars().take(40).collect()).collect()
}

fn query(terms: &[String]) -> String {
    let last = terms.len().saturating_sub(1);
    terms.iter().enumerate().map(|(at, term)| if at == last { format!("\"{term}\"*") } else { format!("\"{term}\"") }).collect::<Vec<_>>().join(" ")
}

/// Contacts whose name begins so, or whose number begins or ends so; best first.
pub fn contacts(connection: &Connection, typed: &str, scope: &Scope, limit: usize) -> Result<Vec<i64>, StoreError> {
    let terms = terms(typed);
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let only_number = digits.len() >= 3 && typed.chars().all(|c| c.is_ascii_digit() || " +-().".contains(c));
    let wanted = if only_number {
        let local = digits.strip_prefix('0').map_or(digits.clone(), |rest| format!("62{rest}"));
        let backwards: String = digits.chars().rev().collect();
        format!("phone:\"{local}\"* OR phone:\"{digits}\"* OR enohp:\"{backwards}\"*")
    } else {
        format!("name:({})", query(&terms))
    };
    let me = scope.actor();
    let indexed = format!("SELECT rowid FROM contact_search WHERE contact_search MATCH ?1 AND {} ORDER BY rowid DESC LIMIT ?2", scope.contact_sql("contact_search.rowid", "?3"));
    let mut found: Vec<i64> = connection.prepare_cached(&indexed)?.query_map((&wanted, limit as i64, me), |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mark = until(connection, "contact")?;
    let like =
        format!("%{}%", if only_number { Some(digits.trim_start_matches('0')).filter(|rest| !rest.is_empty()).unwrap_or(&digits) } else { typed.trim() }.replace(['%', '_'], ""));
    let tail = format!(
        "SELECT DISTINCT c.id FROM contact c LEFT JOIN identity i ON i.contact_id = c.id AND i.kind = 'phone' WHERE c.id > max(?1, (SELECT ifnull(max(id), 0) FROM contact) - ?4)
         AND c.merged_into IS NULL AND (c.name LIKE ?2 OR i.value LIKE ?2) AND {} ORDER BY c.id DESC LIMIT ?3",
        scope.contact_sql("c.id", "?5")
    );
    let newest: Vec<i64> = connection.prepare_cached(&tail)?.query_map((mark, &like, limit as i64, TAIL, me), |row| row.get(0))?.collect::<Result<_, _>>()?;
    found.splice(0..0, newest);
    found.truncate(limit);
    Ok(found)
}

/// A message that holds what was typed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Hit {
    /// Message.
    pub message_id: i64,
    /// Its conversation.
    pub conversation_id: i64,
    /// Words around the place, in parts: `(is it what was typed, words)`.
    pub parts: Vec<(bool, String)>,
    /// Its time, unix ms.
    pub at: i64,
}

/// Messages that hold all the words typed (the last one may be a beginning), newest first.
pub fn messages(connection: &Connection, typed: &str, scope: &Scope, limit: usize) -> Result<Vec<Hit>, StoreError> {
    let terms = terms(typed);
    if terms.is_empty() {
        return Ok(Vec::new());
    }
    let mark = until(connection, "message")?;
    let me = scope.actor();
    let own = match me {
        Some(_) => "EXISTS (SELECT 1 FROM conversation v WHERE v.id = m.conversation_id AND (v.held_by IS NULL OR v.held_by = ?3))",
        None => "?3 IS NULL",
    };
    let mut found: Vec<(i64, i64, String, i64)> = Vec::new();
    let tail = format!(
        "SELECT m.id, m.conversation_id, m.text, m.at FROM message m WHERE m.id > max(?1, (SELECT ifnull(max(id), 0) FROM message) - ?4) AND m.text LIKE ?2 AND {own} ORDER BY m.id DESC LIMIT ?5"
    );
    let like = format!("%{}%", terms.join("%"));
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    found.extend(connection.prepare_cached(&tail)?.query_map((mark, &like, me, TAIL, limit as i64), row)?.collect::<Result<Vec<_>, _>>()?);
    let indexed = format!(
        "SELECT m.id, m.conversation_id, m.text, m.at FROM message_search s JOIN message m ON m.id = s.rowid WHERE message_search MATCH ?1 AND ?2 IS NOT NULL AND {own} AND ?4 IS NOT NULL ORDER BY s.rowid DESC LIMIT ?5"
    );
    let hits = connection.prepare_cached(&indexed)?.query_map((query(&terms), &like, me, TAIL, limit as i64), row)?.collect::<Result<Vec<_>, _>>();
    found.extend(match hits {
        // the index keeps no places of words: what it takes for several words in a row (scripts with vowel signs) it cannot look for
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::Unknown) => Vec::new(),
        hits => hits?,
    });
    found.truncate(limit);
    Ok(found.into_iter().map(|(message_id, conversation_id, text, at)| Hit { message_id, conversation_id, parts: around(&text, &terms), at }).collect())
}

/// Characters shown before the first place, and in all.
const BEFORE: usize = 30;
const SHOWN: usize = 160;

/// The words around the first place, cut into what was typed and what was not. Upper and lower case are one.
pub fn around(text: &str, terms: &[String]) -> Vec<(bool, String)> {
    let chars: Vec<char> = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().collect();
    let low: Vec<char> = chars.iter().map(|c| c.to_lowercase().next().unwrap_or(*c)).collect();
    let terms: Vec<Vec<char>> = terms.iter().map(|term| term.to_lowercase().chars().collect()).collect();
    let here = |at: usize| terms.iter().filter(|term| low[at..].starts_with(term)).map(Vec::len).max();
    let word_start = |at: usize| at == 0 || !low[at - 1].is_alphanumeric();
    let first = (0..low.len()).find(|at| word_start(*at) && here(*at).is_some()).unwrap_or(0);
    let start = first.saturating_sub(BEFORE);
    let end = (start + SHOWN).min(chars.len());
    let mut parts: Vec<(bool, String)> = if start > 0 { vec![(false, "…".into())] } else { Vec::new() };
    let mut at = start;
    let mut add = |marked: bool, piece: &[char]| match parts.last_mut() {
        Some((was, words)) if *was == marked => words.extend(piece),
        _ => parts.push((marked, piece.iter().collect())),
    };
    while at < end {
        match here(at).filter(|_| word_start(at)) {
            Some(len) => {
                add(true, &chars[at..(at + len).min(end)]);
                at += len;
            }
            None => {
                add(false, &chars[at..=at]);
                at += 1;
            }
        }
    }
    if end < chars.len() {
        add(false, &['…']);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_marked_and_the_rest_is_kept() {
        let parts = around("Mau tanya harga paket umroh, HARGA pas Ramadan", &["harga".into()]);
        assert_eq!(parts, [(false, "Mau tanya ".into()), (true, "harga".into()), (false, " paket umroh, ".into()), (true, "HARGA".into()), (false, " pas Ramadan".into())]);
        assert_eq!(around("<script>", &["script".into()]), [(false, "<".into()), (true, "script".into()), (false, ">".into())]);
        assert_eq!(terms("' OR \"1\"=\"1"), ["OR", "1", "1"]);
    }
}
