//! One contact on one of our numbers: its phase, who handles it, who waits since when, and when the bot's turn is due.

use super::inbound::Party;
use super::phase::Phase;
use crate::db::writer::Tx;
use crate::db::{StoreError, column_value};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The state a decision and the store need to know.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Row id; `conv_<id>` outside.
    pub id: i64,
    /// Whose.
    pub contact_id: i64,
    /// Which of our numbers.
    pub channel_id: i64,
    /// Address to send to.
    pub chat_id: String,
    /// Phase.
    pub phase: Phase,
    /// Package the chat is about.
    pub package_code: Option<String>,
    /// The bot, or a person?
    pub by_bot: bool,
    /// Since when a person handles it.
    pub handler_at: Option<i64>,
    /// Customer's last message.
    pub last_in_id: Option<i64>,
    /// Its time.
    pub last_in_at: Option<i64>,
    /// The bot has had its turn up to this message.
    pub answered_id: i64,
    /// The bot's turn is due then, process clock.
    pub turn_due_at: Option<i64>,
    /// Low-confidence turns in a row.
    pub low_confidence: i64,
    /// Travellers, when said.
    pub party_size: Option<i64>,
    /// Babies among them.
    pub infants: i64,
    /// Month wanted, `YYYY-MM`, when said.
    pub month: Option<String>,
    /// Code the bot asked about.
    pub suggested_code: Option<String>,
    /// Satisfaction was asked, unix ms.
    pub rating_asked_at: Option<i64>,
    /// Of whose help, while the answer is awaited.
    pub rating_about: Option<String>,
    /// Where it stands in a keyword flow, as JSON.
    pub flow_place: Option<String>,
    /// Package whose bundle has been sent.
    pub bundle_code: Option<String>,
    /// Language of the last turn.
    pub language: Option<String>,
    /// Since when a person is awaited.
    pub waiting_since_at: Option<i64>,
    /// Put off, or done: until the customer writes.
    pub put_away: bool,
    /// Campaign of the first touch.
    pub first_code: Option<String>,
    /// Made for the message at hand: it stands at that message's time and nothing else was said in it.
    pub is_new: bool,
}

/// A conversation in which nothing was said yet.
impl Default for Conversation {
    fn default() -> Self {
        Self {
            id: 0,
            contact_id: 0,
            channel_id: 0,
            chat_id: String::new(),
            phase: Phase::Leads,
            package_code: None,
            by_bot: true,
            handler_at: None,
            last_in_id: None,
            last_in_at: None,
            answered_id: 0,
            turn_due_at: None,
            low_confidence: 0,
            party_size: None,
            infants: 0,
            month: None,
            suggested_code: None,
            rating_asked_at: None,
            rating_about: None,
            flow_place: None,
            bundle_code: None,
            language: None,
            waiting_since_at: None,
            put_away: false,
            first_code: None,
            is_new: false,
        }
    }
}

/// The one list of columns [`from_row`] reads, with what follows it.
macro_rules! select {
    ($which:literal) => {
        concat!(
            "SELECT id, contact_id, channel_id, chat_id, phase, package_code, handler, handler_at, last_in_id, last_in_at, answered_id, turn_due_at, low_confidence, party_size, month, suggested_code, language, waiting_since_at, first_code, bundle_code, flow_place, rating_asked_at, rating_about, snoozed_until_at IS NOT NULL OR resolved_at IS NOT NULL, merged_into, infants FROM conversation",
            $which
        )
    };
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    Ok(Conversation {
        id: row.get(0)?,
        contact_id: row.get(1)?,
        channel_id: row.get(2)?,
        chat_id: row.get(3)?,
        phase: Phase::parse(row.get_ref(4)?.as_str().unwrap_or("")),
        package_code: row.get(5)?,
        by_bot: row.get_ref(6)?.as_str().unwrap_or("") == "bot",
        handler_at: row.get(7)?,
        last_in_id: row.get(8)?,
        last_in_at: row.get(9)?,
        answered_id: row.get(10)?,
        turn_due_at: row.get(11)?,
        low_confidence: row.get(12)?,
        party_size: row.get(13)?,
        infants: row.get(25)?,
        month: row.get(14)?,
        suggested_code: row.get(15)?,
        rating_asked_at: row.get(21)?,
        rating_about: row.get(22)?,
        flow_place: row.get(20)?,
        bundle_code: row.get(19)?,
        language: row.get(16)?,
        waiting_since_at: row.get(17)?,
        put_away: row.get(23)?,
        first_code: row.get(18)?,
        is_new: false,
    })
}

/// By row id; a joined conversation is followed to where it lives on.
pub fn find(connection: &Connection, id: i64) -> Result<Option<Conversation>, StoreError> {
    let mut query = connection.prepare_cached(select!(" WHERE id = ?1"))?;
    let found = query.query_row([id], |row| Ok((from_row(row)?, row.get::<_, Option<i64>>(24)?))).optional()?;
    match found {
        Some((_, Some(into))) => Ok(query.query_row([into], from_row).optional()?),
        found => Ok(found.map(|(conversation, _)| conversation)),
    }
}

/// The conversation as it is now: `seen` itself, when nothing that writing a turn looks at has changed since it was read.
pub fn again<'s>(connection: &Connection, seen: &'s Conversation) -> Result<Option<Cow<'s, Conversation>>, StoreError> {
    let mut same = connection.prepare_cached(
        "SELECT 1 FROM conversation WHERE id = ?1 AND last_in_id IS ?2 AND answered_id = ?3 AND handler = ?4 AND phase = ?5 AND low_confidence = ?6 AND flow_place IS ?7
           AND first_code IS ?8 AND package_code IS ?9 AND contact_id = ?10 AND waiting_since_at IS ?11 AND merged_into IS NULL",
    )?;
    let handler = if seen.by_bot { "bot" } else { "user" };
    let is_same = same.exists(rusqlite::params![
        seen.id,
        seen.last_in_id,
        seen.answered_id,
        handler,
        seen.phase.as_str(),
        seen.low_confidence,
        seen.flow_place,
        seen.first_code,
        seen.package_code,
        seen.contact_id,
        seen.waiting_since_at
    ])?;
    if is_same { Ok(Some(Cow::Borrowed(seen))) } else { Ok(find(connection, seen.id)?.map(Cow::Owned)) }
}

/// `conv_12` → 12.
pub fn parse_id(text: &str) -> Option<i64> {
    text.strip_prefix("conv_").unwrap_or(text).parse().ok().filter(|id| *id > 0)
}

/// The conversation of a contact on a channel, made if it is new; remembers the address last written from.
pub fn open(tx: &Tx<'_>, channel_id: i64, contact_id: i64, party: &Party, at: i64) -> Result<Conversation, StoreError> {
    let mut query = tx.prepare_cached(select!(" WHERE contact_id = ?1 AND channel_id = ?2"))?;
    if let Some(found) = query.query_row((contact_id, channel_id), from_row).optional()? {
        if found.chat_id != party.chat_id {
            tx.prepare_cached("UPDATE conversation SET chat_id = ?2 WHERE id = ?1")?.execute((found.id, &party.chat_id))?;
        }
        return Ok(Conversation { chat_id: party.chat_id.clone(), ..found });
    }
    tx.prepare_cached("INSERT INTO conversation (contact_id, channel_id, chat_id, phase_at, last_at, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?4)")?.execute((
        contact_id,
        channel_id,
        &party.chat_id,
        tx.now_ms,
        at,
    ))?;
    tx.count("conversations.new", 1);
    Ok(Conversation { id: tx.last_insert_rowid(), contact_id, channel_id, chat_id: party.chat_id.clone(), is_new: true, ..Conversation::default() })
}

/// The conversation of a contact on a channel, if they have one.
pub fn of_contact(connection: &Connection, channel_id: i64, contact_id: i64) -> Result<Option<i64>, StoreError> {
    let mut query = connection.prepare_cached("SELECT ifnull(merged_into, id) FROM conversation WHERE contact_id = ?1 AND channel_id = ?2")?;
    Ok(query.query_row((contact_id, channel_id), |row| row.get(0)).optional()?)
}

/// Session and address a conversation goes by on WhatsApp; none for the phone simulator.
pub fn address(connection: &Connection, id: i64) -> Result<Option<(String, String)>, StoreError> {
    let mut query = connection.prepare_cached("SELECT h.session, v.chat_id FROM conversation v JOIN channel h ON h.id = v.channel_id WHERE v.id = ?1 AND h.kind <> 'simulator'")?;
    Ok(query.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Quiet windows that a customer who keeps typing can stretch the wait to.
pub const MOST_QUIET_WINDOWS: i64 = 6;

/// A customer's message came in: lists, unread count, the bot's turn or the person's clock.
///
/// `quiet_ms`: the bot waits that long for more; `None`: no turn of the bot (switched off, or nothing to answer).
pub fn received(tx: &Tx<'_>, conversation: &Conversation, message_id: i64, at: i64, quiet_ms: Option<i64>) -> Result<(), StoreError> {
    let by_bot = conversation.by_bot;
    // while a person has the chat the bot listens, to what belongs together as when it answers
    let due = quiet_ms.map(|quiet| {
        // from the first unanswered message a turn waits six windows at the most
        let first_due = conversation.turn_due_at.unwrap_or(tx.process_ms + quiet);
        (tx.process_ms + quiet).min(first_due + quiet * MOST_QUIET_WINDOWS)
    });
    if conversation.is_new {
        // as below, without the columns lists are sorted by: naming one makes its indexes be written again
        tx.prepare_cached("UPDATE conversation SET unread_count = 1, last_in_id = ?2, last_in_at = ?3, last_message_id = ?2, turn_due_at = ?4 WHERE id = ?1")?.execute((
            conversation.id,
            message_id,
            at,
            due,
        ))?;
        if due.is_some() {
            tx.wake_turns();
        }
        return Ok(());
    }
    tx.prepare_cached(
        "UPDATE conversation SET unread_count = unread_count + 1, last_in_id = max(ifnull(last_in_id, 0), ?2), last_in_at = max(ifnull(last_in_at, 0), ?3),
           last_message_id = CASE WHEN ?3 >= last_at THEN ?2 ELSE last_message_id END, last_at = max(last_at, ?3), turn_due_at = ifnull(?4, turn_due_at) WHERE id = ?1",
    )?
    .execute((conversation.id, message_id, at, due))?;
    let waits = !by_bot && conversation.waiting_since_at.is_none();
    if waits || conversation.put_away {
        // apart: naming a column makes every index on it be looked at
        tx.prepare_cached("UPDATE conversation SET snoozed_until_at = NULL, resolved_at = NULL, waiting_since_at = ifnull(waiting_since_at, ?2) WHERE id = ?1")?
            .execute((conversation.id, waits.then_some(tx.now_ms)))?;
    }
    if due.is_some() {
        tx.wake_turns();
    }
    if conversation.last_in_id.is_none() {
        super::outbox::no_first_contact_any_more(tx, conversation.id)?;
    }
    Ok(())
}

/// A message of ours went into the thread.
pub fn wrote(tx: &Tx<'_>, conversation_id: i64, message_id: i64, at: i64) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE conversation SET last_message_id = CASE WHEN ?3 >= last_at THEN ?2 ELSE last_message_id END, last_at = max(last_at, ?3) WHERE id = ?1")?
        .execute((conversation_id, message_id, at))?;
    Ok(())
}

/// A person has answered: nobody waits, everything is read, the bot does not answer any more, open escalations are settled.
/// What it was still to hear it hears, once the chat is a person's.
pub fn answered_by_person(tx: &Tx<'_>, conversation_id: i64, actor: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE conversation SET waiting_since_at = NULL, late_told_at = NULL, unread_count = 0, low_confidence = 0, turn_due_at = CASE handler WHEN 'user' THEN turn_due_at END,
           answered_id = CASE WHEN handler = 'user' AND turn_due_at IS NOT NULL THEN answered_id ELSE ifnull(last_in_id, answered_id) END WHERE id = ?1",
        [conversation_id],
    )?;
    super::escalation::resolve(tx, conversation_id, actor)
}

/// Whether the customer has written after an instant and nobody, the bot included, has answered.
pub fn asked_since(tx: &Tx<'_>, conversation_id: i64, at: i64) -> Result<bool, StoreError> {
    let asked = "SELECT EXISTS (SELECT 1 FROM conversation v JOIN message m ON m.id = v.last_in_id WHERE v.id = ?1 AND m.received_at > ?2
                   AND (v.waiting_since_at IS NOT NULL OR v.turn_due_at IS NOT NULL))";
    Ok(tx.prepare_cached(asked)?.query_row((conversation_id, at), |row| row.get(0))?)
}

/// A person wrote without knowing the customer's last words: those still want an answer, from a person.
pub fn still_waits(tx: &Tx<'_>, conversation_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE conversation SET waiting_since_at = ifnull(waiting_since_at, ?2), turn_due_at = CASE handler WHEN 'user' THEN turn_due_at END WHERE id = ?1",
        (conversation_id, tx.now_ms),
    )?;
    Ok(())
}

/// Somebody looked at the thread.
pub fn mark_read(tx: &Tx<'_>, conversation_id: i64) -> Result<(), StoreError> {
    let changed = tx.execute("UPDATE conversation SET unread_count = 0 WHERE id = ?1 AND unread_count > 0", [conversation_id])?;
    if changed > 0 {
        tx.emit("conversation.updated", Some(conversation_id), json!({"unread": 0}))?;
    }
    Ok(())
}

/// Puts a conversation off until a time, or (none) brings it back. Out of the lists, and nobody's clock runs, until then.
pub fn snooze(tx: &Tx<'_>, conversation_id: i64, until: Option<i64>, actor: &str) -> Result<(), StoreError> {
    // put off is not waited: the clock of who waits begins anew
    tx.execute(
        "UPDATE conversation SET snoozed_until_at = ?2, waiting_since_at = CASE WHEN waiting_since_at IS NULL THEN NULL WHEN ?2 IS NULL THEN ?3 ELSE waiting_since_at END,
           late_told_at = CASE WHEN ?2 IS NULL THEN NULL ELSE late_told_at END WHERE id = ?1",
        (conversation_id, until, tx.now_ms),
    )?;
    tx.audit(actor, if until.is_some() { "conversation.snoozed" } else { "conversation.woken" }, &format!("conv_{conversation_id}"), &json!({"until": until}).to_string())?;
    tx.emit("conversation.updated", Some(conversation_id), json!({"snoozed_until": until}))
}

/// Whether a put-off conversation or a reply kept for later is due.
pub fn anything_due(connection: &Connection, now_ms: i64) -> Result<bool, StoreError> {
    let due: i64 = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM conversation WHERE snoozed_until_at IS NOT NULL AND snoozed_until_at <= ?1) OR EXISTS (SELECT 1 FROM later WHERE done_at IS NULL AND send_at <= ?1)",
        )?
        .query_row([now_ms], |row| row.get(0))?;
    Ok(due != 0)
}

/// Brings back what was put off until now.
pub fn wake_snoozed(tx: &Tx<'_>, limit: usize) -> Result<(), StoreError> {
    let mut query = tx.prepare_cached("SELECT id, assignee_id FROM conversation WHERE snoozed_until_at IS NOT NULL AND snoozed_until_at <= ?1 LIMIT ?2")?;
    let due: Vec<(i64, Option<i64>)> = query.query_map((tx.now_ms, limit as i64), |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (id, user_id) in due {
        snooze(tx, id, None, "system")?;
        tx.emit("alert", Some(id), json!({"kind": "snooze_over", "user_id": user_id}))?;
    }
    Ok(())
}

/// Stands on top of its holder's list, or no longer.
pub fn pin(tx: &Tx<'_>, conversation_id: i64, pinned: bool) -> Result<(), StoreError> {
    tx.execute("UPDATE conversation SET pinned_at = CASE WHEN ?2 THEN ?3 END WHERE id = ?1", (conversation_id, pinned, tx.now_ms))?;
    tx.emit("conversation.updated", Some(conversation_id), json!({"pinned": pinned}))
}

/// Shows as unread again, so that it is not forgotten.
pub fn mark_unread(tx: &Tx<'_>, conversation_id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE conversation SET unread_count = max(unread_count, 1) WHERE id = ?1", [conversation_id])?;
    tx.emit("conversation.updated", Some(conversation_id), json!({"unread": 1}))
}

/// Done: nobody waits any more, the bot takes what comes next.
pub fn resolve(tx: &Tx<'_>, conversation_id: i64, actor: &str, asks: bool) -> Result<bool, StoreError> {
    if !super::handover::give_back(tx, conversation_id, actor, asks, "resolved")? {
        return Ok(false);
    }
    tx.execute("UPDATE conversation SET resolved_at = ?2, unread_count = 0, snoozed_until_at = NULL WHERE id = ?1", (conversation_id, tx.now_ms))?;
    tx.audit(actor, "conversation.resolved", &format!("conv_{conversation_id}"), "")?;
    tx.count("resolved", 1);
    tx.emit("conversation.updated", Some(conversation_id), json!({"resolved": true}))?;
    Ok(true)
}

/// Tables whose rows belong to a conversation and move with it.
const OWNED: [&str; 13] = ["message", "outbox", "turn", "phase_transition", "escalation", "handover", "touch", "promise", "objection", "satisfaction", "llm_call", "note", "later"];

/// What a [`join`] changed, so that it can be taken back.
#[derive(Default, Serialize, Deserialize)]
pub struct Joined {
    /// Row ids that moved, by table.
    #[serde(default)]
    rows: BTreeMap<String, Vec<i64>>,
    /// Conversations that had been joined into the one that went.
    #[serde(default)]
    followers: Vec<i64>,
    /// [`STATE`] of the one that stayed and of the one that went, before.
    #[serde(default)]
    stayed: Map<String, Value>,
    #[serde(default)]
    went: Map<String, Value>,
    /// [`STATE`] of the one that stayed, after.
    #[serde(default)]
    made: Map<String, Value>,
}

/// Columns that a join mixes and a parting gives back; each group is one fact. Not the phase: it only moves forward; not the
/// bot's turn: its clock is the process's.
const STATE: [&[&str]; 6] = [
    &["handler", "handler_at", "assignee_id", "held_by", "pinned_at", "snoozed_until_at", "resolved_at"],
    &["waiting_since_at", "late_told_at", "unread_count", "answered_id"],
    &["package_code"],
    &["party_size", "infants"],
    &["month"],
    &["last_code"],
];

fn state(tx: &Tx<'_>, id: i64) -> Result<Map<String, Value>, StoreError> {
    let pairs: Vec<String> = STATE.iter().copied().flatten().map(|column| format!("'{column}', {column}")).collect();
    let text: String = tx.query_row(&format!("SELECT json_object({}) FROM conversation WHERE id = ?1", pairs.join(", ")), [id], |row| row.get(0))?;
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

/// Joins `from` into `into`: rows move, the further phase and the older waiting clock win. Returns what is needed to undo it.
pub fn join(tx: &Tx<'_>, into: i64, from: i64) -> Result<Joined, StoreError> {
    let mut joined = Joined { stayed: state(tx, into)?, went: state(tx, from)?, ..Joined::default() };
    for table in OWNED {
        let mut query = tx.prepare(&format!("UPDATE {table} SET conversation_id = ?1 WHERE conversation_id = ?2 RETURNING id"))?;
        let rows: Vec<i64> = query.query_map((into, from), |row| row.get(0))?.collect::<Result<_, _>>()?;
        if !rows.is_empty() {
            joined.rows.insert(table.to_owned(), rows);
        }
    }
    let (Some(kept), Some(gone)) = (find(tx, into)?, find(tx, from)?) else { return Ok(joined) };
    super::phase::advance(tx, into, kept.phase, gone.phase, None, "merged", "system")?;
    tx.execute(
        "UPDATE conversation SET
           unread_count = conversation.unread_count + o.unread_count, last_in_id = nullif(max(ifnull(conversation.last_in_id, 0), ifnull(o.last_in_id, 0)), 0),
           last_in_at = nullif(max(ifnull(conversation.last_in_at, 0), ifnull(o.last_in_at, 0)), 0),
           answered_id = max(conversation.answered_id, o.answered_id), last_at = max(conversation.last_at, o.last_at),
           last_message_id = CASE WHEN o.last_at > conversation.last_at THEN o.last_message_id ELSE conversation.last_message_id END,
           turn_due_at = ifnull(conversation.turn_due_at, o.turn_due_at), waiting_since_at = ifnull(conversation.waiting_since_at, o.waiting_since_at),
           package_code = ifnull(conversation.package_code, o.package_code), party_size = ifnull(conversation.party_size, o.party_size), infants = CASE WHEN conversation.party_size IS NULL THEN o.infants ELSE conversation.infants END,
           month = ifnull(conversation.month, o.month), first_code = ifnull(o.first_code, conversation.first_code), last_code = ifnull(conversation.last_code, o.last_code),
           handler = CASE WHEN o.handler = 'user' THEN 'user' ELSE conversation.handler END, assignee_id = ifnull(conversation.assignee_id, o.assignee_id), held_by = ifnull(conversation.held_by, o.held_by),
           snoozed_until_at = CASE WHEN o.snoozed_until_at IS NULL THEN NULL ELSE conversation.snoozed_until_at END,
           resolved_at = CASE WHEN o.resolved_at IS NULL THEN NULL ELSE conversation.resolved_at END
         FROM conversation o WHERE conversation.id = ?1 AND o.id = ?2",
        (into, from),
    )?;
    // whoever was joined into this one before is found in one step still
    let mut query = tx.prepare_cached("UPDATE conversation SET merged_into = ?1 WHERE merged_into = ?2 RETURNING id")?;
    joined.followers = query.query_map((into, from), |row| row.get(0))?.collect::<Result<_, _>>()?;
    tx.execute(
        "UPDATE conversation SET merged_into = ?1, turn_due_at = NULL, waiting_since_at = NULL, unread_count = 0, assignee_id = NULL, held_by = NULL, snoozed_until_at = NULL, pinned_at = NULL WHERE id = ?2",
        (into, from),
    )?;
    joined.made = state(tx, into)?;
    tx.emit("conversation.updated", Some(into), json!({"merged_from": format!("conv_{from}")}))?;
    Ok(joined)
}

/// Takes a [`join`] back: the rows it moved return, the one that went is as it was, and the one that stayed gives back what it
/// had taken over and nobody changed since. Both show their own last message again.
pub fn part(tx: &Tx<'_>, into: i64, from: i64, joined: &Joined) -> Result<(), StoreError> {
    for (table, rows) in joined.rows.iter().filter(|(table, _)| OWNED.contains(&table.as_str())) {
        let rows = json!(rows).to_string();
        tx.execute(&format!("UPDATE {table} SET conversation_id = ?2 WHERE conversation_id = ?1 AND id IN (SELECT value FROM json_each(?3))"), (into, from, rows))?;
    }
    tx.execute("UPDATE conversation SET merged_into = NULL WHERE id = ?1", [from])?;
    tx.execute("UPDATE conversation SET merged_into = ?2 WHERE merged_into = ?1 AND id IN (SELECT value FROM json_each(?3))", (into, from, json!(joined.followers).to_string()))?;
    let now = state(tx, into)?;
    for group in STATE.iter().filter(|group| group.iter().all(|column| joined.made.contains_key(*column))) {
        let untouched = group.iter().all(|column| now[*column] == joined.made[*column]);
        for column in *group {
            tx.execute(&format!("UPDATE conversation SET {column} = ?2 WHERE id = ?1"), (from, column_value(&joined.went[*column])))?;
            if untouched {
                tx.execute(&format!("UPDATE conversation SET {column} = ?2 WHERE id = ?1"), (into, column_value(&joined.stayed[*column])))?;
            }
        }
        // read or answered since, in one for both
        if !untouched && group.contains(&"unread_count") {
            tx.execute(
                "UPDATE conversation SET waiting_since_at = NULL, late_told_at = NULL, unread_count = 0, answered_id = ifnull(last_in_id, answered_id) WHERE id = ?1",
                [from],
            )?;
        }
    }
    // who has left since, or may only look, does not get it back
    tx.execute(
        "UPDATE conversation SET held_by = NULL, assignee_id = NULL, pinned_at = NULL, waiting_since_at = ifnull(waiting_since_at, ?2)
         WHERE id = ?1 AND assignee_id IN (SELECT id FROM user WHERE disabled_at IS NOT NULL OR role = 'viewer')",
        (from, tx.now_ms),
    )?;
    tx.execute("UPDATE conversation SET snoozed_until_at = NULL WHERE id = ?1 AND snoozed_until_at <= ?2", (from, tx.now_ms))?;
    for id in [into, from] {
        tx.execute(
            "UPDATE conversation SET last_message_id = (SELECT m.id FROM message m WHERE m.conversation_id = ?1 ORDER BY m.at DESC, m.id DESC LIMIT 1),
               last_in_id = (SELECT max(m.id) FROM message m WHERE m.conversation_id = ?1 AND m.direction = 'in'),
               last_in_at = (SELECT max(m.at) FROM message m WHERE m.conversation_id = ?1 AND m.direction = 'in'),
               last_at = ifnull((SELECT max(m.at) FROM message m WHERE m.conversation_id = ?1), last_at) WHERE id = ?1",
            [id],
        )?;
        tx.emit("conversation.updated", Some(id), json!({"parted": true}))?;
    }
    Ok(())
}
