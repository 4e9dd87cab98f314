//! Who of the team has a conversation: claiming it, being given it, and having chats dealt to those who are there.

use super::conversation::{self, Conversation};
use super::handover;
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::hours::{self, Hours};
use rusqlite::{Connection, OptionalExtension};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Somebody who can have a conversation: a user, or a program with a token of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// `user:ID` or `token:ID`.
    pub actor: String,
    /// The user behind it.
    pub user_id: Option<i64>,
}

impl Holder {
    /// A user.
    pub fn user(id: i64) -> Self {
        Self { actor: format!("user:{id}"), user_id: Some(id) }
    }
}

/// Why somebody did not get a conversation.
#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    /// No such conversation.
    #[error("no such conversation")]
    NoSuchConversation,
    /// Nobody of that name.
    #[error("user: there is no active user {0:?}")]
    NoSuchUser(String),
    /// Somebody else has it.
    #[error("{name} already has this conversation")]
    Taken {
        /// His name.
        name: String,
        /// `user:ID` or `token:ID`.
        actor: String,
    },
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for AssignError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

/// What an actor is called on screens.
pub fn actor_name(connection: &Connection, actor: &str) -> Result<String, StoreError> {
    let (sql, id) = match actor.split_once(':') {
        Some(("user", id)) => ("SELECT name FROM user WHERE id = ?1", id),
        Some(("token", id)) => ("SELECT name FROM api_token WHERE id = ?1", id),
        _ => return Ok(actor.to_owned()),
    };
    let name: Option<String> = connection.prepare_cached(sql)?.query_row([id.parse::<i64>().unwrap_or(0)], |row| row.get(0)).optional()?;
    Ok(name.unwrap_or_else(|| actor.to_owned()))
}

/// Who has it now.
pub fn holder(connection: &Connection, conversation_id: i64) -> Result<Option<String>, StoreError> {
    Ok(connection.prepare_cached("SELECT held_by FROM conversation WHERE id = ?1")?.query_row([conversation_id], |row| row.get(0)).optional()?.flatten())
}

fn taken(tx: &Tx<'_>, actor: String) -> Result<AssignError, StoreError> {
    Ok(AssignError::Taken { name: actor_name(tx, &actor)?, actor })
}

/// Takes a conversation nobody has. One transaction: of two who want it at once, the second is told who has it. Claiming
/// what one has already changes nothing (`false`).
pub fn claim(tx: &Tx<'_>, id: i64, who: &Holder) -> Result<bool, AssignError> {
    let conversation = conversation::find(tx, id)?.ok_or(AssignError::NoSuchConversation)?;
    match holder(tx, conversation.id)? {
        Some(actor) if actor == who.actor => Ok(false),
        Some(actor) => Err(taken(tx, actor)?),
        None => {
            handover::to_person(tx, &conversation, Some(who), "taken")?;
            Ok(true)
        }
    }
}

/// Gives a conversation to a user, whoever has it now; `note` is for him to read.
pub fn give(tx: &Tx<'_>, id: i64, to: &Holder, note: Option<&str>, by: &str) -> Result<(), AssignError> {
    let conversation = conversation::find(tx, id)?.ok_or(AssignError::NoSuchConversation)?;
    let before = holder(tx, conversation.id)?;
    if before.as_deref() != Some(to.actor.as_str()) {
        set_holder(tx, conversation.id, None)?;
        handover::to_person(tx, &conversation, Some(to), "assigned")?;
        if !conversation.by_bot {
            handover::row(tx, &conversation, before.as_deref().unwrap_or(by), &to.actor, "assigned")?;
        }
    }
    // passed on, not asked for: whom nobody owes an answer does not begin to wait
    let owes = tx.prepare_cached("SELECT ifnull(last_in_id, 0) > answered_id FROM conversation WHERE id = ?1")?.query_row([conversation.id], |row| row.get(0))?;
    finish(tx, &conversation, to.user_id, note, by, owes)
}

/// Hands a conversation to whoever of the team takes it first.
pub fn offer(tx: &Tx<'_>, id: i64, note: Option<&str>, by: &str) -> Result<(), AssignError> {
    let conversation = conversation::find(tx, id)?.ok_or(AssignError::NoSuchConversation)?;
    if let Some(actor) = holder(tx, conversation.id)? {
        return Err(taken(tx, actor)?);
    }
    let was_bot = conversation.by_bot;
    handover::to_person(tx, &conversation, None, "assigned")?;
    if !was_bot {
        handover::row(tx, &conversation, by, "user", "assigned")?;
    }
    finish(tx, &conversation, None, note, by, true)
}

/// Like [`give`], but refuses when somebody else has it already.
pub fn give_if_free(tx: &Tx<'_>, id: i64, to: &Holder, note: Option<&str>, by: &str) -> Result<(), AssignError> {
    let conversation = conversation::find(tx, id)?.ok_or(AssignError::NoSuchConversation)?;
    match holder(tx, conversation.id)? {
        Some(actor) if actor != to.actor => Err(taken(tx, actor)?),
        _ => {
            give(tx, id, to, note, by)?;
            Ok(wants_answer(tx, conversation.id)?)
        }
    }
}

/// The customer waits for a person from now on, if he has written at all and does not wait already.
fn wants_answer(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE conversation SET waiting_since_at = ifnull(waiting_since_at, ?2) WHERE id = ?1 AND last_in_at IS NOT NULL", (id, tx.now_ms))?;
    Ok(())
}

fn finish(tx: &Tx<'_>, conversation: &Conversation, user_id: Option<i64>, note: Option<&str>, by: &str, owes: bool) -> Result<(), AssignError> {
    if let Some(note) = note {
        tx.execute("UPDATE handover SET note = ?2 WHERE id = (SELECT max(id) FROM handover WHERE conversation_id = ?1)", (conversation.id, note))?;
    }
    if owes {
        wants_answer(tx, conversation.id)?;
    }
    let name: Option<String> = match user_id {
        Some(id) => Some(actor_name(tx, &format!("user:{id}"))?),
        None => None,
    };
    Ok(tx.emit("alert", Some(conversation.id), json!({"kind": "handover", "assignee": name, "user_id": user_id, "note": note, "by": by}))?)
}

/// Back to the team: nobody has it any more, the bot stays silent.
pub fn put_back(tx: &Tx<'_>, id: i64, by: &str) -> Result<(), AssignError> {
    let conversation = conversation::find(tx, id)?.ok_or(AssignError::NoSuchConversation)?;
    if let Some(before) = holder(tx, conversation.id)? {
        set_holder(tx, conversation.id, None)?;
        handover::row(tx, &conversation, &before, "user", "released")?;
        tx.audit(by, "conversation.put_back", &format!("conv_{}", conversation.id), &before)?;
        tx.emit("conversation.updated", Some(conversation.id), json!({"handler": "user", "held_by": null, "assignee": null}))?;
    }
    Ok(())
}

/// Somebody leaves the team, or may no longer write: what he had goes back to it, what he kept for later is called off.
pub fn leave(tx: &Tx<'_>, user_id: i64, by: &str) -> Result<(), StoreError> {
    let mut query = tx.prepare_cached("SELECT id FROM conversation WHERE is_human = 1 AND held_by = 'user:' || ?1")?;
    let held: Vec<i64> = query.query_map([user_id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in held {
        if let Err(AssignError::Db(error)) = put_back(tx, id, by) {
            return Err(error);
        }
    }
    super::later::call_off_all(tx, user_id, by)
}

/// Writes down who has it.
pub fn set_holder(tx: &Tx<'_>, conversation_id: i64, who: Option<&Holder>) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE conversation SET held_by = ?2, assignee_id = ?3, pinned_at = NULL WHERE id = ?1")?.execute((
        conversation_id,
        who.map(|who| &who.actor),
        who.and_then(|who| who.user_id),
    ))?;
    Ok(())
}

/// How chats are dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all: people take what they want.
    Manual,
    /// In turn.
    RoundRobin,
    /// To whom has least to do.
    LeastLoaded,
}

impl Mode {
    /// From the setting `assign.mode`.
    pub fn parse(text: &str) -> Self {
        match text {
            "round_robin" => Self::RoundRobin,
            "least_loaded" => Self::LeastLoaded,
            _ => Self::Manual,
        }
    }
}

/// A person's own hours, as kept in `user.shift`.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Shift {
    /// Days, `12345`.
    pub days: String,
    /// From, `HH:MM`.
    pub from: String,
    /// Until, `HH:MM`.
    pub until: String,
}

impl Shift {
    /// This shift's hours in place of the office's, with its pauses and holidays; a shift that cannot be read is the office's.
    pub fn hours(&self, office: &Hours) -> Hours {
        let time = |text: &str| chrono::NaiveTime::parse_from_str(text, "%H:%M").ok();
        match (time(&self.from), time(&self.until)) {
            (Some(from), Some(until)) if from != until => office.with(from, until, hours::week_days(&self.days)),
            _ => office.clone(),
        }
    }
}

/// Somebody chats can be dealt to.
#[derive(Clone, Debug)]
struct Candidate {
    id: i64,
    dealt_at: i64,
    cap: i64,
    open: i64,
    load: i64,
}

/// What one open chat, one unread message and a booking weigh.
const OPEN: i64 = 10;
const UNREAD: i64 = 2;
const BOOKING: i64 = 10;

/// Those who are there: online, not away, on shift, under their cap.
fn candidates(tx: &Tx<'_>, office: &Hours, cap: i64) -> Result<Vec<Candidate>, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT u.id, u.dealt_at, ifnull(u.chat_cap, ?1), u.shift, count(v.id), ifnull(sum(min(v.unread_count, 10)), 0), ifnull(sum(v.phase = 'booking'), 0)
         FROM user u LEFT JOIN conversation v INDEXED BY conversation_human ON v.is_human = 1 AND v.held_by = 'user:' || u.id AND v.resolved_at IS NULL
         WHERE u.online_at IS NOT NULL AND u.away_at IS NULL AND u.disabled_at IS NULL AND u.takes_chats = 1 AND u.role IN ('cs', 'sales_admin') GROUP BY u.id",
    )?;
    let rows = query.query_map([cap], |row| {
        let shift: Option<String> = row.get(3)?;
        let (open, unread, booking): (i64, i64, i64) = (row.get(4)?, row.get(5)?, row.get(6)?);
        Ok((shift, Candidate { id: row.get(0)?, dealt_at: row.get(1)?, cap: row.get(2)?, open, load: open * OPEN + unread * UNREAD + booking * BOOKING }))
    })?;
    let all: Vec<(Option<String>, Candidate)> = rows.collect::<Result<_, _>>()?;
    let on_shift = |shift: &Option<String>| match shift.as_deref().and_then(|text| serde_json::from_str::<Shift>(text).ok()) {
        Some(shift) => shift.hours(office).is_open(tx.now_ms),
        None => office.is_open(tx.now_ms),
    };
    Ok(all.into_iter().filter(|(shift, candidate)| candidate.open < candidate.cap && on_shift(shift)).map(|(_, candidate)| candidate).collect())
}

/// Chats dealt in one transaction.
const AT_ONCE: usize = 50;

/// Whether a chat waits that nobody has.
pub fn has_backlog(connection: &Connection) -> Result<bool, StoreError> {
    let any: i64 = connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM conversation WHERE waiting_since_at IS NOT NULL AND held_by IS NULL AND snoozed_until_at IS NULL AND merged_into IS NULL)")?
        .query_row([], |row| row.get(0))?;
    Ok(any != 0)
}

/// Deals the chats that wait, oldest first, until nobody waits or nobody can take more. Returns how many.
pub fn deal(tx: &Tx<'_>, mode: Mode, office: &Hours, cap: i64) -> Result<usize, StoreError> {
    if mode == Mode::Manual {
        return Ok(0);
    }
    let mut there = candidates(tx, office, cap)?;
    let mut query = tx.prepare_cached(
        "SELECT id, unread_count, phase = 'booking' FROM conversation WHERE waiting_since_at IS NOT NULL AND held_by IS NULL AND snoozed_until_at IS NULL AND merged_into IS NULL
         ORDER BY waiting_since_at, id LIMIT ?1",
    )?;
    let waiting: Vec<(i64, i64, bool)> = query.query_map([AT_ONCE as i64], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut dealt = 0;
    for (id, unread, booking) in waiting {
        let Some(next) = there.iter_mut().min_by_key(|one| if mode == Mode::LeastLoaded { (one.load, one.dealt_at, one.id) } else { (0, one.dealt_at, one.id) }) else { break };
        let Some(conversation) = conversation::find(tx, id)? else { continue };
        let who = Holder::user(next.id);
        handover::to_person(tx, &conversation, Some(&who), "dealt")?;
        if !conversation.by_bot {
            handover::row(tx, &conversation, "system", &who.actor, "dealt")?;
        }
        next.open += 1;
        next.load += OPEN + unread.min(10) * UNREAD + if booking { BOOKING } else { 0 };
        next.dealt_at = tx.now_ms + i64::try_from(dealt).unwrap_or(0); // in turn also within one millisecond
        tx.execute("UPDATE user SET dealt_at = ?2 WHERE id = ?1", (next.id, next.dealt_at))?;
        let name = actor_name(tx, &who.actor)?;
        tx.emit("alert", Some(id), json!({"kind": "dealt", "assignee": name, "user_id": next.id}))?;
        dealt += 1;
        there.retain(|one| one.open < one.cap);
    }
    Ok(dealt)
}

/// Chats that wait longer than `limit_ms` of office hours and nobody was told of: (conversation, how long, ms).
pub fn late(connection: &Connection, office: &Hours, limit_ms: i64, now_ms: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT id, waiting_since_at FROM conversation WHERE waiting_since_at IS NOT NULL AND waiting_since_at <= ?1 AND late_told_at IS NULL AND snoozed_until_at IS NULL AND merged_into IS NULL
         ORDER BY waiting_since_at LIMIT 200",
    )?;
    let waiting: Vec<(i64, i64)> = query.query_map([now_ms - limit_ms], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(waiting.into_iter().map(|(id, since)| (id, office.between_ms(since, now_ms))).filter(|(_, waited_ms)| *waited_ms > limit_ms).collect())
}

/// Tells the leaders of them; each once.
pub fn tell_late(tx: &Tx<'_>, late: &[(i64, i64)]) -> Result<(), StoreError> {
    for (id, waited_ms) in late {
        let changed = tx.execute("UPDATE conversation SET late_told_at = ?2 WHERE id = ?1 AND waiting_since_at IS NOT NULL AND late_told_at IS NULL", (id, tx.now_ms))?;
        if changed == 0 {
            continue; // answered in the meantime
        }
        let held_by = match holder(tx, *id)? {
            Some(actor) => Some(actor_name(tx, &actor)?),
            None => None,
        };
        tx.audit("system", "conversation.late", &format!("conv_{id}"), &json!({"waited_ms": waited_ms}).to_string())?;
        tx.count("late", 1);
        tx.emit("alert", Some(*id), json!({"kind": "late", "waited_ms": waited_ms, "assignee": held_by}))?;
    }
    Ok(())
}
