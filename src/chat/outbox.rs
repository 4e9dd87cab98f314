//! Messages on their way to the gateway. The queue thread holds no work that is not a row here.
//!
//! ```text
//! due -> sending -> accepted -> delivered -> read
//!  ^        |  \-> failed                              (refused: visible, with Retry and Discard)
//!  |        \----> unknown -> accepted                 (echo, receipt or lookup found it)
//!  |                  |  \--> due                      (surely absent: the same id again)
//!  |                  \-----> parked                   (cannot tell: a person decides)
//!  \-- later (429, refused connection, 503): due again, later
//! cancelled | expired: before sending
//! ```
//! `sending` is written, with the message id, before the call. What is found `sending` without a live worker is `unknown`.

use super::conversation::{self, Conversation};
use super::message::{self, Author};
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::wire::gateway::{MEDIA_FACTOR, Quoted};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::{Value, json};

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Somebody of the team wrote it.
    Person = 0,
    /// The bot's reply.
    Reply = 1,
    /// One of many.
    Broadcast = 2,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Waits for its time.
    Due,
    /// The call has begun (or is about to).
    Sending,
    /// Nobody knows whether it went out.
    Unknown,
    /// The gateway has it.
    Accepted,
    /// On the customer's phone.
    Delivered,
    /// Read.
    Read,
    /// Refused, visible.
    Failed,
    /// Unknown for good: a person decides.
    Parked,
    /// No longer wanted.
    Cancelled,
    /// Too late to be worth sending.
    Expired,
}

/// What can happen to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// The queue thread takes it for sending.
    Claim,
    /// The gateway took it.
    Accept,
    /// Surely not sent, worth trying again.
    Postpone,
    /// Surely not sent, not worth trying again.
    Refuse,
    /// Anything else after the first byte left.
    Lose,
    /// A lookup, echo or receipt found it at the gateway.
    Find,
    /// A lookup says it is surely not there.
    Miss,
    /// Nobody can tell any more.
    Park,
    /// Receipt: on the phone.
    Deliver,
    /// Receipt: read.
    Open,
    /// No longer wanted.
    Cancel,
    /// Too late.
    Expire,
    /// A person says: once more.
    Retry,
}

impl State {
    /// As in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Due => "due",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::Accepted => "accepted",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Failed => "failed",
            Self::Parked => "parked",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Every state.
    pub const ALL: [Self; 10] = [Self::Due, Self::Sending, Self::Unknown, Self::Accepted, Self::Delivered, Self::Read, Self::Failed, Self::Parked, Self::Cancelled, Self::Expired];

    /// The state of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Where `what` leads from here; `None`: it changes nothing here.
    pub fn after(self, what: Happening) -> Option<Self> {
        use Happening as H;
        Some(match (self, what) {
            (Self::Due, H::Claim) => Self::Sending,
            (Self::Sending, H::Postpone) => Self::Due,
            (Self::Sending, H::Refuse) => Self::Failed,
            (Self::Sending, H::Lose) => Self::Unknown,
            (Self::Sending, H::Accept) | (Self::Sending | Self::Unknown | Self::Parked, H::Find) => Self::Accepted,
            (Self::Unknown, H::Miss) => Self::Due,
            (Self::Unknown, H::Park) => Self::Parked,
            (Self::Sending | Self::Unknown | Self::Parked | Self::Accepted, H::Deliver) => Self::Delivered,
            (Self::Sending | Self::Unknown | Self::Parked | Self::Accepted | Self::Delivered, H::Open) => Self::Read,
            (Self::Accepted, H::Refuse) => Self::Failed, // a gateway that says 201 first and no later
            (Self::Due, H::Cancel) | (Self::Failed | Self::Parked | Self::Expired, H::Cancel) => Self::Cancelled,
            (Self::Due, H::Expire) => Self::Expired,
            (Self::Failed | Self::Parked | Self::Expired, H::Retry) => Self::Due,
            _ => return None,
        })
    }
}

/// A reply is worth sending for this long; then a person should look at it.
pub const REPLY_VALID_MS: i64 = 12 * 3_600_000;
/// What a person wrote is worth more.
pub const PERSON_VALID_MS: i64 = 48 * 3_600_000;
/// First wait after a failure; doubles from there (Reliability sheet §3).
const BACKOFF_FIRST_MS: u64 = 2_000;
/// Longest wait between two tries.
const BACKOFF_CAP_MS: u64 = 15 * 60_000;

/// Full jitter: anywhere between nothing and twice the last wait, capped; at least `floor_ms` (`Retry-After`).
pub fn backoff_ms(attempts: i64, floor_ms: u64) -> i64 {
    let doublings = u32::try_from(attempts.max(1) - 1).unwrap_or(0).min(12);
    let top = (BACKOFF_FIRST_MS << doublings).min(BACKOFF_CAP_MS);
    let wait = crate::kernel::ids::draw(BACKOFF_FIRST_MS / 4, top).max(floor_ms).min(BACKOFF_CAP_MS.max(floor_ms.min(BACKOFF_CAP_MS * 4)));
    i64::try_from(wait).unwrap_or(i64::MAX / 4)
}

/// A message to send.
pub struct Outgoing<'a> {
    /// Where.
    pub conversation_id: i64,
    /// Which number.
    pub channel_id: i64,
    /// Who wrote it.
    pub author: Author,
    /// Kind of message.
    pub kind: &'a str,
    /// Words (final, or as of now when `render` makes them again).
    pub text: Option<&'a str>,
    /// File.
    pub media_id: Option<i64>,
    /// Location and the like.
    pub extra: Option<&'a Value>,
    /// Recipe for the text.
    pub render: Option<&'a str>,
    /// Catalogue generation `text` was made from.
    pub generation: Option<i64>,
    /// Bot's turn.
    pub turn_id: Option<i64>,
    /// Campaign it answers.
    pub campaign_code: Option<&'a str>,
    /// Queue.
    pub priority: Priority,
}

/// Puts a message into thread and queue; returns the message id. The caller moves the conversation along
/// (`conversation::wrote`). The queue is woken after the commit.
pub fn enqueue(tx: &Tx<'_>, new: &Outgoing<'_>) -> Result<i64, StoreError> {
    let message_id = message::insert(
        tx,
        &message::New {
            conversation_id: new.conversation_id,
            channel_id: new.channel_id,
            wa_id: None,
            author: new.author,
            kind: new.kind,
            text: new.text,
            status: "queued",
            at: tx.now_ms,
            media_id: new.media_id,
            reply_to: None,
            extra: new.extra,
            turn_id: new.turn_id,
            campaign_code: new.campaign_code,
        },
    )?
    .ok_or(StoreError::Closed)?; // a row without an id has nothing to collide with
    let valid = if new.priority == Priority::Person { PERSON_VALID_MS } else { REPLY_VALID_MS };
    tx.prepare_cached(
        "INSERT INTO outbox (message_id, conversation_id, channel_id, priority, state, due_at, valid_until, render, render_generation, created_at)
         VALUES (?1, ?2, ?3, ?4, 'due', ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute((message_id, new.conversation_id, new.channel_id, new.priority as i64, tx.process_ms, tx.process_ms + valid, new.render, new.generation, tx.now_ms))?;
    tx.wake_outbox(new.channel_id);
    Ok(message_id)
}

/// Puts plain words into a conversation and its queue, and moves it along; returns the message id.
pub fn say(tx: &Tx<'_>, conversation: &Conversation, author: Author, text: &str, priority: Priority) -> Result<i64, StoreError> {
    put(tx, conversation, author, ("text", None), Some(text), priority)
}

/// Puts a file, with words beneath it, into a conversation and its queue; returns the message id.
pub fn show(tx: &Tx<'_>, conversation: &Conversation, author: Author, media_id: i64, caption: &str, priority: Priority) -> Result<i64, StoreError> {
    let mime: String = tx.query_row("SELECT mime FROM media WHERE id = ?1", [media_id], |row| row.get(0))?;
    let kind = match mime.split('/').next() {
        Some("image") => "image",
        Some("video") => "video",
        _ => "document",
    };
    put(tx, conversation, author, (kind, Some(media_id)), (!caption.is_empty()).then_some(caption), priority)
}

fn put(tx: &Tx<'_>, conversation: &Conversation, author: Author, (kind, media_id): (&'static str, Option<i64>), text: Option<&str>, priority: Priority) -> Result<i64, StoreError> {
    let new = Outgoing {
        conversation_id: conversation.id,
        channel_id: conversation.channel_id,
        author,
        kind,
        text,
        media_id,
        extra: None,
        render: None,
        generation: None,
        turn_id: None,
        campaign_code: None,
        priority,
    };
    let message_id = enqueue(tx, &new)?;
    conversation::wrote(tx, conversation.id, message_id, tx.now_ms)?;
    Ok(message_id)
}

/// The message a row's message answers, as the gateway is to be told of it.
pub fn quoted(connection: &Connection, item: &Item) -> Result<Option<Quoted>, StoreError> {
    let Some(wa_id) = &item.reply_to else { return Ok(None) };
    let direction: Option<String> = connection
        .prepare_cached("SELECT direction FROM message WHERE channel_id = (SELECT channel_id FROM outbox WHERE id = ?1) AND wa_id = ?2 AND direction IN ('in', 'out') LIMIT 1")?
        .query_row((item.id, wa_id), |row| row.get(0))
        .optional()?;
    Ok(direction.map(|direction| Quoted { wa_id: wa_id.clone(), from_me: direction == "out" }))
}

/// Whoever we wrote to first has written: what a cap or a lock on first contacts held back may go out now.
pub fn no_first_contact_any_more(tx: &Tx<'_>, conversation_id: i64) -> Result<(), StoreError> {
    let freed = tx
        .prepare_cached("UPDATE outbox SET due_at = ?2 WHERE conversation_id = ?1 AND is_open = 1 AND state = 'due' AND last_cause IN ('daily_cap', 'timelock', 'capped')")?
        .execute((conversation_id, tx.process_ms))?;
    if freed > 0 {
        tx.wake_every_outbox();
    }
    Ok(())
}

/// The first of the ids a gateway's history names that no other message of ours has: one entry settles one row at most.
pub fn free_id<'i>(tx: &Tx<'_>, id: i64, ids: &'i [String]) -> Result<Option<&'i str>, StoreError> {
    let row: Option<(i64, i64)> = tx.query_row("SELECT channel_id, message_id FROM outbox WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((channel_id, message_id)) = row else { return Ok(None) };
    for wa_id in ids {
        let known = message::by_wa_id(tx, channel_id, true, wa_id)?;
        // an echo that was taken for a message from the phone is this very one
        let is_echo =
            |known: &message::Known| -> Result<bool, StoreError> { Ok(tx.query_row("SELECT author = 'phone' FROM message WHERE id = ?1", [known.id], |row| row.get(0))?) };
        match known {
            Some(known) if known.id != message_id && !is_echo(&known)? => {}
            _ => return Ok(Some(wa_id)),
        }
    }
    Ok(None)
}

/// A row as the queue thread needs it.
#[derive(Clone, Debug)]
pub struct Item {
    /// Outbox row.
    pub id: i64,
    /// Message row.
    pub message_id: i64,
    /// Where.
    pub conversation_id: i64,
    /// Address.
    pub chat_id: String,
    /// Kind of message.
    pub kind: String,
    /// Words.
    pub text: Option<String>,
    /// Bare id chosen for it.
    pub wa_id: Option<String>,
    /// Bare id of the message it answers.
    pub reply_to: Option<String>,
    /// Location and the like.
    pub extra: Option<String>,
    /// File: hash, type, name.
    pub file: Option<(String, String, Option<String>)>,
    /// Queue.
    pub priority: i64,
    /// Tries so far.
    pub attempts: i64,
    /// Lookups so far.
    pub lookups: i64,
    /// Due, process clock.
    pub due_at: i64,
    /// Typing was shown.
    pub typing_at: Option<i64>,
    /// Start of the last try.
    pub attempt_at: Option<i64>,
    /// Not worth sending past this, process clock.
    pub valid_until: i64,
    /// Recipe for the text.
    pub render: Option<String>,
    /// Catalogue generation the text is from.
    pub render_generation: Option<i64>,
    /// Author of the message.
    pub author: String,
    /// The conversation is with the bot.
    pub by_bot: bool,
    /// The customer has written at least once.
    pub answered_us: bool,
    /// The customer wants no more.
    pub opted_out: bool,
    /// Newest message of the customer.
    pub last_in_id: Option<i64>,
    /// The turn that made it answered up to this message.
    pub turn_to_id: Option<i64>,
    /// Name of the last failure.
    pub last_cause: Option<String>,
    /// When it was put here, wall clock.
    pub created_at: i64,
}

const ITEM: &str = "SELECT o.id, o.message_id, o.conversation_id, v.chat_id, m.kind, m.text, m.wa_id, m.extra, d.sha256, d.mime, d.file_name, o.priority, o.attempts,
    o.lookups, o.due_at, o.typing_at, o.attempt_at, o.valid_until, o.render, o.render_generation, m.author, v.handler, v.last_in_id, c.opted_out_at, t.to_id, o.last_cause, m.reply_to, o.created_at
    FROM outbox o JOIN message m ON m.id = o.message_id JOIN conversation v ON v.id = o.conversation_id JOIN contact c ON c.id = v.contact_id
    LEFT JOIN media d ON d.id = m.media_id LEFT JOIN turn t ON t.id = m.turn_id";

fn item(row: &Row<'_>) -> rusqlite::Result<Item> {
    let sha: Option<String> = row.get(8)?;
    Ok(Item {
        id: row.get(0)?,
        message_id: row.get(1)?,
        conversation_id: row.get(2)?,
        chat_id: row.get(3)?,
        kind: row.get(4)?,
        text: row.get(5)?,
        wa_id: row.get(6)?,
        extra: row.get(7)?,
        file: match sha {
            Some(sha) => Some((sha, row.get(9)?, row.get(10)?)),
            None => None,
        },
        priority: row.get(11)?,
        attempts: row.get(12)?,
        lookups: row.get(13)?,
        due_at: row.get(14)?,
        typing_at: row.get(15)?,
        attempt_at: row.get(16)?,
        valid_until: row.get(17)?,
        render: row.get(18)?,
        render_generation: row.get(19)?,
        author: row.get(20)?,
        by_bot: row.get_ref(21)?.as_str().unwrap_or("") == "bot",
        last_in_id: row.get(22)?,
        answered_us: row.get::<_, Option<i64>>(22)?.is_some(),
        opted_out: row.get::<_, Option<i64>>(23)?.is_some(),
        turn_to_id: row.get(24)?,
        last_cause: row.get(25)?,
        reply_to: row.get(26)?,
        created_at: row.get(27)?,
    })
}

/// Rows of a channel that are due and first in their conversation's line, people's words first; of broadcasts `broadcasts` at
/// the most.
pub fn due(tx: &Connection, channel_id: i64, process_ms: i64, limit: usize, broadcasts: usize) -> Result<Vec<Item>, StoreError> {
    let sql = [
        ITEM,
        " WHERE o.channel_id = ?1 AND o.priority = ?2 AND o.state = 'due' AND o.due_at <= ?3 AND NOT EXISTS (SELECT 1 FROM outbox e
          WHERE e.conversation_id = o.conversation_id AND e.id < o.id AND e.is_open = 1)
          ORDER BY o.due_at LIMIT ?4",
    ]
    .concat();
    let mut query = tx.prepare_cached(&sql)?;
    let mut items = Vec::new();
    for priority in [Priority::Person, Priority::Reply, Priority::Broadcast] {
        let room = if priority == Priority::Broadcast { (limit - items.len()).min(broadcasts) } else { limit - items.len() };
        if room > 0 {
            let rows = query.query_map((channel_id, priority as i64, process_ms, room as i64), item)?;
            for row in rows {
                items.push(row?);
            }
        }
    }
    Ok(items)
}

/// Those of the rows `ids` that are still due and first in their conversation's line.
pub fn typed(tx: &Connection, ids: &[i64], process_ms: i64) -> Result<Vec<Item>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = [
        ITEM,
        " WHERE o.id = ?1 AND o.state = 'due' AND o.due_at <= ?2 AND NOT EXISTS (SELECT 1 FROM outbox e WHERE e.conversation_id = o.conversation_id AND e.id < o.id AND e.is_open = 1)",
    ]
    .concat();
    let mut query = tx.prepare_cached(&sql)?;
    let mut items = Vec::new();
    for id in ids {
        items.extend(query.query_row((id, process_ms), item).optional()?);
    }
    Ok(items)
}

/// A typed message goes out later than its typing said.
pub fn put_off(tx: &Tx<'_>, id: i64, due_at: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE outbox SET due_at = ?2 WHERE id = ?1 AND state = 'due'")?.execute((id, due_at))?;
    Ok(())
}

/// Rows whose fate is unknown and may be asked about now.
pub fn unsettled(connection: &Connection, channel_id: i64, process_ms: i64, limit: usize) -> Result<Vec<Item>, StoreError> {
    let sql = [ITEM, " WHERE o.channel_id = ?1 AND o.state = 'unknown' AND o.due_at <= ?2 ORDER BY o.due_at LIMIT ?3"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map((channel_id, process_ms, limit as i64), item)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// When the next row of a channel wants something, broadcasts not before `broadcasts_at`; `None`: nothing waits.
pub fn next_due_at(connection: &Connection, channel_id: i64, broadcasts_at: i64) -> Result<Option<i64>, StoreError> {
    let mut due = connection.prepare_cached("SELECT min(due_at) FROM outbox WHERE channel_id = ?1 AND priority = ?2 AND state = 'due'")?;
    let mut least: Option<i64> =
        connection.prepare_cached("SELECT min(due_at) FROM outbox WHERE channel_id = ?1 AND state = 'unknown'")?.query_row([channel_id], |row| row.get(0))?;
    for priority in 0..3 {
        let at: Option<i64> = due.query_row((channel_id, priority), |row| row.get(0))?;
        let at = if priority == Priority::Broadcast as i64 { at.map(|at| at.max(broadcasts_at)) } else { at };
        least = match (least, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok(least)
}

fn step(tx: &Tx<'_>, id: i64, what: Happening) -> Result<Option<State>, StoreError> {
    let now: Option<String> = tx.prepare_cached("SELECT state FROM outbox WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()?;
    Ok(now.and_then(|state| State::parse(&state)).and_then(|state| state.after(what)))
}

/// Takes a row for sending: counts the attempt and stores the id it will have, before the call.
pub fn claim(tx: &Tx<'_>, item: &Item, wa_id: Option<&str>, text: Option<&str>) -> Result<bool, StoreError> {
    let claimed =
        tx.prepare_cached("UPDATE outbox SET state = 'sending', attempts = attempts + 1, attempt_at = ?2 WHERE id = ?1 AND state = 'due'")?.execute((item.id, tx.process_ms))?;
    if claimed == 0 {
        return Ok(false);
    }
    if wa_id.is_some() || text.is_some() {
        tx.prepare_cached("UPDATE message SET wa_id = ifnull(?2, wa_id), text = ifnull(?3, text) WHERE id = ?1")?.execute((item.message_id, wa_id, text))?;
    }
    Ok(true)
}

/// Typing is shown from now on; the send is due when it has lasted long enough.
pub fn typing(tx: &Tx<'_>, id: i64, due_at: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE outbox SET typing_at = ?2, due_at = ?3 WHERE id = ?1 AND state = 'due'")?.execute((id, tx.process_ms, due_at))?;
    Ok(())
}

/// Not now: due again at `due_at`, with the cause's name. From `due` or `sending`.
pub fn postpone(tx: &Tx<'_>, id: i64, due_at: i64, cause: &str) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE outbox SET state = 'due', due_at = ?2, last_cause = ?3, typing_at = NULL, changed_at = ?4 WHERE id = ?1 AND state IN ('due', 'sending')")?
        .execute((id, due_at, cause, tx.now_ms))?;
    Ok(())
}

/// The gateway has the message, under `wa_id` if it told. An echo that was stored as a message of its own becomes this one.
pub fn accept(tx: &Tx<'_>, id: i64, wa_id: Option<&str>) -> Result<(), StoreError> {
    let found: Option<(String, i64, i64, i64, Option<String>)> = tx
        .prepare_cached("SELECT o.state, o.message_id, o.conversation_id, o.channel_id, m.wa_id FROM outbox o JOIN message m ON m.id = o.message_id WHERE o.id = ?1")?
        .query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
        .optional()?;
    let Some((state, message_id, conversation_id, channel_id, chosen)) = found else { return Ok(()) };
    let state = State::parse(&state).and_then(|state| state.after(Happening::Accept).or(state.after(Happening::Find)));
    let Some(state) = state else { return Ok(()) };
    tx.prepare_cached("UPDATE outbox SET state = ?2, sent_at = ?3, last_cause = NULL WHERE id = ?1")?.execute((id, state.as_str(), tx.now_ms))?;
    let told = wa_id.filter(|told| chosen.as_deref() != Some(*told));
    // nothing is written when another message has the id already
    let name = |told: &str| -> Result<bool, StoreError> {
        Ok(tx.prepare_cached("UPDATE OR IGNORE message SET status = 'sent', wa_id = ?2 WHERE id = ?1")?.execute((message_id, told))? > 0)
    };
    let named = match told {
        Some(told) if name(told)? => true,
        Some(told) => {
            let echo = message::by_wa_id(tx, channel_id, true, told)?.filter(|echo| echo.conversation_id == conversation_id);
            echo.map_or(Ok(false), |echo| adopt_echo(tx, echo.id, conversation_id))? && name(told)?
        }
        None => false,
    };
    if !named {
        if told.is_some() {
            tx.count("gateway.id_reused", 1); // one id given twice: this message goes without, receipts stay with the first
        }
        tx.prepare_cached("UPDATE message SET status = 'sent' WHERE id = ?1")?.execute([message_id])?;
    }
    message::tell_status(tx, message_id, conversation_id, "sent", None)?;
    if let Some(wa_id) = wa_id.or(chosen.as_deref()) {
        super::intake::apply_early(tx, channel_id, wa_id)?;
    }
    tx.count("sent", 1);
    Ok(())
}

/// The gateway's echo of our own send came before its answer and was taken for a message from the phone: undo that.
/// `false` when it is another message of ours that has this id.
fn adopt_echo(tx: &Tx<'_>, echo_id: i64, conversation_id: i64) -> Result<bool, StoreError> {
    let is_echo: i64 = tx.query_row("SELECT count(*) FROM message WHERE id = ?1 AND author = 'phone'", [echo_id], |row| row.get(0))?;
    if is_echo == 0 {
        return Ok(false);
    }
    tx.execute("UPDATE webhook_raw SET message_id = NULL WHERE message_id = ?1", [echo_id])?;
    tx.execute("UPDATE conversation SET last_message_id = NULL WHERE id = ?1 AND last_message_id = ?2", (conversation_id, echo_id))?;
    tx.execute("DELETE FROM message_edit WHERE message_id = ?1", [echo_id])?;
    tx.execute("DELETE FROM message WHERE id = ?1 AND author = 'phone'", [echo_id])?;
    tx.execute(
        "UPDATE conversation SET last_message_id = (SELECT id FROM message WHERE conversation_id = ?1 ORDER BY at DESC, id DESC LIMIT 1) WHERE id = ?1 AND last_message_id IS NULL",
        [conversation_id],
    )?;
    Ok(true)
}

/// Refused for good: visible, with its cause.
pub fn fail(tx: &Tx<'_>, id: i64, cause: &str) -> Result<(), StoreError> {
    end(tx, id, Happening::Refuse, cause, "failed")
}

/// Nobody knows; the first look comes at `look_at`.
pub fn lose(tx: &Tx<'_>, id: i64, cause: &str, look_at: i64) -> Result<(), StoreError> {
    if step(tx, id, Happening::Lose)?.is_none() {
        return Ok(());
    }
    let (message_id, conversation_id): (i64, i64) = tx
        .prepare_cached("UPDATE outbox SET state = 'unknown', last_cause = ?2, due_at = ?3, changed_at = ?4 WHERE id = ?1 RETURNING message_id, conversation_id")?
        .query_row((id, cause, look_at, tx.now_ms), |row| Ok((row.get(0)?, row.get(1)?)))?;
    message::set_status(tx, message_id, conversation_id, "unknown", Some(cause))
}

/// A lookup says it is surely absent: once more, with the same id.
pub fn missing(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    if step(tx, id, Happening::Miss)?.is_none() {
        return Ok(());
    }
    let (message_id, conversation_id): (i64, i64) = tx
        .prepare_cached("UPDATE outbox SET state = 'due', lookups = lookups + 1, due_at = ?2, changed_at = ?3 WHERE id = ?1 RETURNING message_id, conversation_id")?
        .query_row((id, tx.process_ms, tx.now_ms), |row| Ok((row.get(0)?, row.get(1)?)))?;
    message::set_status(tx, message_id, conversation_id, "queued", None)
}

/// The lookup could not tell; asked again at `look_at`.
pub fn look_again(tx: &Tx<'_>, id: i64, look_at: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE outbox SET lookups = lookups + 1, due_at = ?2 WHERE id = ?1 AND state = 'unknown'")?.execute((id, look_at))?;
    Ok(())
}

/// Nobody can tell: "tidak pasti terkirim", a person decides.
pub fn park(tx: &Tx<'_>, id: i64, cause: &str) -> Result<(), StoreError> {
    end(tx, id, Happening::Park, cause, "unknown")
}

/// Too late to be worth sending.
pub fn expire(tx: &Tx<'_>, id: i64) -> Result<(), StoreError> {
    end(tx, id, Happening::Expire, "expired", "failed")
}

/// No longer wanted.
pub fn cancel(tx: &Tx<'_>, id: i64, cause: &str) -> Result<(), StoreError> {
    end(tx, id, Happening::Cancel, cause, "cancelled")
}

fn end(tx: &Tx<'_>, id: i64, what: Happening, cause: &str, status: &str) -> Result<(), StoreError> {
    let Some(state) = step(tx, id, what)? else { return Ok(()) };
    let (message_id, conversation_id): (i64, i64) = tx
        .prepare_cached("UPDATE outbox SET state = ?2, last_cause = ?3, changed_at = ?4 WHERE id = ?1 RETURNING message_id, conversation_id")?
        .query_row((id, state.as_str(), cause, tx.now_ms), |row| Ok((row.get(0)?, row.get(1)?)))?;
    tx.count(format!("outbox.{}", state.as_str()), 1);
    tx.audit("system", "outbox.ended", &format!("msg_{message_id}"), &json!({"state": state.as_str(), "cause": cause}).to_string())?;
    if matches!(state, State::Failed | State::Parked) {
        tx.emit("alert", Some(conversation_id), json!({"kind": "send_failed", "cause": cause, "message_id": message_id}))?;
    }
    message::set_status(tx, message_id, conversation_id, status, Some(cause))
}

/// A receipt moved the message on: the row follows.
pub fn receipt(tx: &Tx<'_>, message_id: i64, status: &str, cause: Option<&str>) -> Result<(), StoreError> {
    let row: Option<(i64, String, i64)> = tx
        .prepare_cached("SELECT id, state, channel_id FROM outbox WHERE message_id = ?1")?
        .query_row([message_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((id, state, channel_id)) = row else { return Ok(()) };
    let what = match status {
        "sent" => Happening::Find,
        "delivered" => Happening::Deliver,
        "read" => Happening::Open,
        _ => Happening::Refuse,
    };
    if let Some(next) = State::parse(&state).and_then(|state| state.after(what)) {
        tx.prepare_cached("UPDATE outbox SET state = ?2, sent_at = ifnull(sent_at, ?3), last_cause = ?4, changed_at = ?3 WHERE id = ?1")?.execute((
            id,
            next.as_str(),
            tx.now_ms,
            cause,
        ))?;
        if next == State::Failed {
            let conversation: i64 = tx.query_row("SELECT conversation_id FROM outbox WHERE id = ?1", [id], |row| row.get(0))?;
            tx.emit("alert", Some(conversation), json!({"kind": "send_failed", "cause": cause, "message_id": message_id}))?;
        }
        if state == "sending" || state == "unknown" {
            tx.wake_outbox(channel_id); // the next in line may go
        }
    }
    Ok(())
}

/// An echo of a message of ours that the gateway named itself: the row in flight in this conversation with the same words.
pub fn in_flight_like(tx: &Tx<'_>, conversation_id: i64, kind: &str, text: Option<&str>) -> Result<Option<i64>, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT o.id FROM outbox o JOIN message m ON m.id = o.message_id WHERE o.conversation_id = ?1 AND o.is_open = 1
         AND o.state IN ('sending', 'unknown') AND m.kind = ?2 AND m.text IS ?3 ORDER BY o.id LIMIT 1",
    )?;
    Ok(query.query_row((conversation_id, kind, text), |row| row.get(0)).optional()?)
}

/// Takes back what the bot has queued in a conversation and not begun to send.
pub fn cancel_bot_rows(tx: &Tx<'_>, conversation_id: i64, cause: &str) -> Result<usize, StoreError> {
    let mut query = tx.prepare_cached("SELECT id FROM outbox WHERE conversation_id = ?1 AND is_open = 1 AND state = 'due' AND priority > 0")?;
    let ids: Vec<i64> = query.query_map([conversation_id], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for id in &ids {
        cancel(tx, *id, cause)?;
    }
    Ok(ids.len())
}

/// Who has the chat an outbox row is for (nobody: the inner `None`); the outer one when there is no such row.
pub fn holder(tx: &Tx<'_>, id: i64) -> Result<Option<Option<String>>, StoreError> {
    let holder = "SELECT v.held_by FROM outbox o JOIN conversation v ON v.id = o.conversation_id WHERE o.id = ?1";
    Ok(tx.prepare_cached(holder)?.query_row([id], |row| row.get(0)).optional()?)
}

/// A person says: once more. For failed, parked and expired rows; `false` when there is nothing to retry.
pub fn retry(tx: &Tx<'_>, actor: &str, id: i64) -> Result<bool, StoreError> {
    if step(tx, id, Happening::Retry)?.is_none() {
        return Ok(false);
    }
    let (message_id, conversation_id, channel_id): (i64, i64, i64) = tx
        .prepare_cached(
            "UPDATE outbox SET state = 'due', due_at = ?2, valid_until = ?3, last_cause = NULL, typing_at = NULL, lookups = 0, changed_at = ?4 WHERE id = ?1
             RETURNING message_id, conversation_id, channel_id",
        )?
        .query_row((id, tx.process_ms, tx.process_ms + PERSON_VALID_MS, tx.now_ms), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    tx.audit(actor, "outbox.retried", &format!("msg_{message_id}"), "")?;
    tx.wake_outbox(channel_id);
    message::set_status(tx, message_id, conversation_id, "queued", None)?;
    Ok(true)
}

/// A person says: never mind. `false` when the row is not waiting for a person.
pub fn discard(tx: &Tx<'_>, actor: &str, id: i64) -> Result<bool, StoreError> {
    if step(tx, id, Happening::Cancel)?.is_none() {
        return Ok(false);
    }
    cancel(tx, id, "discarded")?;
    tx.audit(actor, "outbox.discarded", &format!("outbox:{id}"), "")?;
    Ok(true)
}

/// After a start (of the program or of a queue thread): whatever the channel was sending has an unknown fate; due
/// times and lifetimes beyond their own rule come from a wrong clock and are pulled back.
pub fn recover_channel(tx: &Tx<'_>, channel_id: i64, timeout_ms: i64, margin_ms: i64) -> Result<usize, StoreError> {
    let ids: Vec<(i64, bool)> = {
        let mut query = tx.prepare_cached(
            "SELECT o.id, m.media_id IS NOT NULL FROM outbox o JOIN message m ON m.id = o.message_id WHERE o.is_open = 1 AND o.state = 'sending' AND o.channel_id = ?1",
        )?;
        query.query_map([channel_id], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?
    };
    for (id, has_file) in &ids {
        // the call may still be under way inside the gateway, for as long as we would have waited for it
        let longest_ms = if *has_file { timeout_ms * i64::from(MEDIA_FACTOR) } else { timeout_ms };
        lose(tx, *id, "crashed", tx.process_ms + longest_ms + margin_ms)?;
    }
    // whoever was shown as typing then is so no more
    tx.execute("UPDATE outbox SET typing_at = NULL WHERE state = 'due' AND channel_id = ?1 AND typing_at IS NOT NULL", [channel_id])?;
    replan(tx)?;
    Ok(ids.len())
}

/// Pulls back due times that lie more than an hour beyond the longest wait there is: the clock was wrong.
pub fn replan(tx: &Tx<'_>) -> Result<(), StoreError> {
    let horizon = tx.process_ms + BACKOFF_CAP_MS as i64 + 3_600_000;
    tx.execute("UPDATE outbox SET due_at = ?1 WHERE state = 'due' AND due_at > ?2", (tx.process_ms, horizon))?;
    tx.execute("UPDATE outbox SET due_at = ?1 WHERE state = 'unknown' AND due_at > ?2", (tx.process_ms, horizon))?;
    tx.execute("UPDATE outbox SET valid_until = ?1 + ?2 WHERE state = 'due' AND valid_until > ?1 + ?2 + 3600000", (tx.process_ms, PERSON_VALID_MS))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HAPPENINGS: [Happening; 13] = [
        Happening::Claim,
        Happening::Accept,
        Happening::Postpone,
        Happening::Refuse,
        Happening::Lose,
        Happening::Find,
        Happening::Miss,
        Happening::Park,
        Happening::Deliver,
        Happening::Open,
        Happening::Cancel,
        Happening::Expire,
        Happening::Retry,
    ];

    proptest! {
        /// No order of happenings sends a row again that the gateway has, unless a person (Retry) or a lookup
        /// that says "surely absent" (Miss) or a sure refusal (Postpone) came first.
        #[test]
        fn a_row_the_gateway_has_is_never_claimed_again(order in proptest::collection::vec(0usize..HAPPENINGS.len(), 0..60)) {
            let mut state = State::Due;
            let mut with_gateway = false;
            for at in order {
                let what = HAPPENINGS[at];
                let Some(next) = state.after(what) else { continue };
                match what {
                    Happening::Claim => prop_assert!(!with_gateway, "claimed while the gateway may have it"),
                    Happening::Lose | Happening::Accept | Happening::Find | Happening::Deliver | Happening::Open => with_gateway = true,
                    Happening::Miss | Happening::Retry | Happening::Postpone | Happening::Refuse => with_gateway = false,
                    _ => {}
                }
                state = next;
            }
        }

        /// Receipts only move a row forward.
        #[test]
        fn receipts_never_move_back(level in 0usize..3) {
            let happenings = [Happening::Find, Happening::Deliver, Happening::Open];
            prop_assert_eq!(State::Read.after(happenings[level]), None);
        }

        #[test]
        fn waits_stay_in_bounds(attempts in 0i64..10_000, floor in 0u64..10_000_000) {
            let wait = backoff_ms(attempts, floor);
            prop_assert!((0..=4 * BACKOFF_CAP_MS as i64).contains(&wait));
            prop_assert!(wait >= (floor.min(BACKOFF_CAP_MS)) as i64 / 2);
        }
    }

    #[test]
    fn every_state_has_its_name_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
    }
}
