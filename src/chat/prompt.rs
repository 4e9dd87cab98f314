//! What the model is told: five blocks, each with versions that never change, and releases that say which version of each
//! is in force since when. Going back is a new release of old versions.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::json;

/// The blocks, in the order they are put together.
pub const BLOCKS: [&str; 5] = ["base", "company", "packages", "rules", "escalation"];
/// What the program brings along, in the same order.
const BUILT_IN: [&str; 5] = [
    include_str!("../../assets/prompts/base.md"),
    include_str!("../../assets/prompts/company.md"),
    include_str!("../../assets/prompts/packages.md"),
    include_str!("../../assets/prompts/rules.md"),
    include_str!("../../assets/prompts/escalation.md"),
];
/// Longest block, characters: five of them and the facts must leave room for the conversation.
pub const LONGEST: usize = 8_000;

/// A version of a block.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Block {
    /// Row id.
    pub id: i64,
    /// Which of [`BLOCKS`].
    pub block: String,
    /// Its name.
    pub version: String,
    /// The words.
    pub content: String,
    /// Who is said to have written it.
    pub author: String,
    /// When it came, unix ms.
    pub at: i64,
}

/// One version of every block, from a moment on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Release {
    /// Row id; its name is [`Release::version`].
    pub id: i64,
    /// The blocks, in the order of [`BLOCKS`].
    pub blocks: Vec<Block>,
    /// Since when, unix ms.
    pub active_from: i64,
    /// first, edit, schedule, rollback.
    pub cause: String,
    /// Who did it.
    pub actor: String,
    /// When it was made, unix ms.
    pub at: i64,
    /// Called off, unix ms.
    pub withdrawn_at: Option<i64>,
}

impl Release {
    /// Row ids of its blocks, in the order of [`BLOCKS`].
    fn ids(&self) -> [i64; 5] {
        let mut ids = [0; 5];
        self.blocks.iter().zip(&mut ids).for_each(|(block, slot)| *slot = block.id);
        ids
    }

    /// As stored with every bot message.
    pub fn version(&self) -> String {
        format!("p{}", self.id)
    }
}

/// Why a prompt was not changed.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// No such block.
    #[error("prompt_type: one of base, company, packages, rules, escalation")]
    NoSuchBlock,
    /// Empty or too long.
    #[error("content: 1 to {LONGEST} characters")]
    BadContent,
    /// Empty, too long, or strange characters.
    #[error("version: 1 to 40 letters, digits, dots, dashes")]
    BadVersion,
    /// The name stands for other words already.
    #[error("version: {0} already exists with other words; a version is never changed, choose a new name")]
    Exists(String),
    /// No such release.
    #[error("there is no such release")]
    NoSuchRelease,
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for PromptError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

const BLOCK: &str = "SELECT id, block, version, content, author, at FROM prompt_block";

fn block(row: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block { id: row.get(0)?, block: row.get(1)?, version: row.get(2)?, content: row.get(3)?, author: row.get(4)?, at: row.get(5)? })
}

/// Puts the built-in blocks in place where there are none yet.
pub fn seed(tx: &Tx<'_>) -> Result<(), PromptError> {
    let known: i64 = tx.query_row("SELECT count(*) FROM prompt_release", [], |row| row.get(0))?;
    if known > 0 {
        return Ok(());
    }
    let mut ids = [0; 5];
    for (at, content) in BUILT_IN.iter().enumerate() {
        tx.execute(
            "INSERT INTO prompt_block (block, version, content, author, actor, at) VALUES (?1, '1.0', ?2, 'kafilah', 'kafilah', ?3)",
            (BLOCKS[at], content.trim(), tx.now_ms),
        )?;
        ids[at] = tx.last_insert_rowid();
    }
    release(tx, &ids, 0, "first", "kafilah").map(|_| ())
}

/// Stores a new version of a block and releases it with the present version of the others, at once or from `active_from` on.
/// The same words under the same name again change nothing. Returns the release it is in.
pub fn put(tx: &Tx<'_>, actor: &str, name: &str, version: &str, content: &str, author: &str, active_from: Option<i64>) -> Result<Release, PromptError> {
    let at = BLOCKS.iter().position(|known| *known == name).ok_or(PromptError::NoSuchBlock)?;
    let content = content.trim();
    if content.is_empty() || content.chars().count() > LONGEST {
        return Err(PromptError::BadContent);
    }
    let version = version.trim();
    if version.is_empty() || version.len() > 40 || !version.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
        return Err(PromptError::BadVersion);
    }
    let known: Option<Block> = tx.query_row(&[BLOCK, " WHERE block = ?1 AND version = ?2"].concat(), (name, version), block).optional()?;
    let id = match known {
        Some(known) if known.content != content => return Err(PromptError::Exists(version.to_owned())),
        Some(known) => known.id,
        None => {
            tx.execute(
                "INSERT INTO prompt_block (block, version, content, author, actor, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (name, version, content, author, actor, tx.now_ms),
            )?;
            tx.last_insert_rowid()
        }
    };
    let later = active_from.filter(|from| *from > tx.now_ms);
    let base = releases(tx, 1_000)?.into_iter().find(|release| release.withdrawn_at.is_none() && release.active_from <= later.unwrap_or(tx.now_ms));
    let base = base.ok_or(PromptError::NoSuchRelease)?;
    if base.blocks[at].id == id && later.is_none() {
        return Ok(base);
    }
    let mut ids = base.ids();
    ids[at] = id;
    let from = later.unwrap_or(tx.now_ms);
    let made = release(tx, &ids, from, if later.is_some() { "schedule" } else { "edit" }, actor)?;
    rebase(tx, actor, from, base.ids(), ids)?;
    Ok(made)
}

/// Puts what is scheduled after an instant on top of what holds there now: each scheduled release changes its own blocks and
/// brings back no other. `was` and `is`: the blocks in force at that instant, before and now.
fn rebase(tx: &Tx<'_>, actor: &str, from: i64, mut was: [i64; 5], mut is: [i64; 5]) -> Result<(), PromptError> {
    let mut pending: Vec<Release> = releases(tx, 1_000)?.into_iter().filter(|release| release.withdrawn_at.is_none() && release.active_from > from.max(tx.now_ms)).collect();
    pending.sort_by_key(|release| (release.active_from, release.id));
    for planned in pending {
        let old = planned.ids();
        let new: [i64; 5] = std::array::from_fn(|at| if old[at] == was[at] { is[at] } else { old[at] });
        if new != old {
            withdraw(tx, actor, planned.id)?;
            release(tx, &new, planned.active_from, "schedule", actor)?;
        }
        (was, is) = (old, new);
    }
    Ok(())
}

/// Makes the versions of an earlier release the present ones again. What was scheduled is called off: it was meant to follow
/// what is no longer there.
pub fn roll_back(tx: &Tx<'_>, actor: &str, release_id: i64) -> Result<Release, PromptError> {
    let old = releases(tx, 10_000)?.into_iter().find(|release| release.id == release_id).ok_or(PromptError::NoSuchRelease)?;
    for planned in releases(tx, 1_000)?.into_iter().filter(|release| release.withdrawn_at.is_none() && release.active_from > tx.now_ms) {
        withdraw(tx, actor, planned.id)?;
    }
    release(tx, &old.ids(), tx.now_ms, "rollback", actor)
}

/// Calls off a release that has not begun.
pub fn withdraw(tx: &Tx<'_>, actor: &str, release_id: i64) -> Result<(), PromptError> {
    let done = tx.execute("UPDATE prompt_release SET withdrawn_at = ?2 WHERE id = ?1 AND active_from > ?2 AND withdrawn_at IS NULL", (release_id, tx.now_ms))?;
    if done == 0 {
        return Err(PromptError::NoSuchRelease);
    }
    tx.audit(actor, "prompt.withdrawn", &format!("prompt:p{release_id}"), "")?;
    Ok(())
}

fn release(tx: &Tx<'_>, ids: &[i64; 5], active_from: i64, cause: &str, actor: &str) -> Result<Release, PromptError> {
    tx.execute(
        "INSERT INTO prompt_release (base_id, company_id, packages_id, rules_id, escalation_id, active_from, cause, actor, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (ids[0], ids[1], ids[2], ids[3], ids[4], active_from, cause, actor, tx.now_ms),
    )?;
    let id = tx.last_insert_rowid();
    tx.audit(actor, "prompt.released", &format!("prompt:p{id}"), &json!({"cause": cause, "blocks": ids, "active_from": active_from}).to_string())?;
    tx.wake_settings();
    releases(tx, 10_000)?.into_iter().find(|release| release.id == id).ok_or(PromptError::NoSuchRelease)
}

/// Releases, the one that became (or becomes) active last first.
pub fn releases(connection: &Connection, limit: usize) -> Result<Vec<Release>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT id, active_from, cause, actor, at, withdrawn_at, base_id, company_id, packages_id, rules_id, escalation_id FROM prompt_release ORDER BY active_from DESC, id DESC LIMIT ?1",
    )?;
    let rows = query.query_map([limit as i64], |row| {
        let ids: [i64; 5] = [row.get(6)?, row.get(7)?, row.get(8)?, row.get(9)?, row.get(10)?];
        Ok((Release { id: row.get(0)?, blocks: Vec::new(), active_from: row.get(1)?, cause: row.get(2)?, actor: row.get(3)?, at: row.get(4)?, withdrawn_at: row.get(5)? }, ids))
    })?;
    let mut one = connection.prepare_cached(&[BLOCK, " WHERE id = ?1"].concat())?;
    let mut found = Vec::new();
    for row in rows {
        let (mut release, ids) = row?;
        for id in ids {
            release.blocks.push(one.query_row([id], block)?);
        }
        found.push(release);
    }
    Ok(found)
}

/// What came of the turns made with a release, all days together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Outcomes {
    /// Turns.
    pub turns: i64,
    /// Of them answered by the model.
    pub asked: i64,
    /// Of them ended with a person being called.
    pub escalated: i64,
    /// Of them below the confidence floor.
    pub unsure: i64,
    /// Conversations that reached BOOKING.
    pub booked: i64,
}

/// Outcomes of a release, from the counters.
pub fn outcomes(connection: &Connection, version: &str) -> Result<Outcomes, StoreError> {
    let mut query = connection.prepare_cached("SELECT ifnull(sum(n), 0) FROM daily_count WHERE name = ?1")?;
    let mut count = |what: &str| query.query_row([format!("prompt.{version}.{what}")], |row| row.get(0));
    Ok(Outcomes { turns: count("turns")?, asked: count("asked")?, escalated: count("escalated")?, unsure: count("unsure")?, booked: count("booked")? })
}

/// Versions of a block, newest first.
pub fn versions(connection: &Connection, name: &str, limit: usize) -> Result<Vec<Block>, StoreError> {
    let mut query = connection.prepare_cached(&[BLOCK, " WHERE block = ?1 ORDER BY id DESC LIMIT ?2"].concat())?;
    let rows = query.query_map((name, limit as i64), block)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
