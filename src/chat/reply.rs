//! A person's reply from the dashboard or through the API: once per form, never with a foreign account in it, and from
//! then on the bot is silent.

use super::assignment::Holder;
use super::message::{self, Author};
use super::outbox::{self, Priority};
use super::{conversation, handover};
use crate::bot::guard;
use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

/// Longest reply a person may send, characters (WhatsApp's own limit is 65,536).
pub const LONGEST: usize = 20_000;

/// What is to be said.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Where.
    pub conversation_id: i64,
    /// The words.
    pub text: String,
    /// Who, for the audit trail.
    pub actor: String,
    /// The user behind it.
    pub user_id: Option<i64>,
    /// The form's or caller's token: the same one again says nothing again.
    pub token: Option<String>,
    /// A file that goes along; the words are then its caption.
    pub media_id: Option<i64>,
    /// The message of the chat it answers, shown above it.
    pub reply_to: Option<i64>,
    /// When it was written, if it was kept for later: what came in since is not answered by it.
    pub written_at: Option<i64>,
}

/// Why it was not queued.
#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// Empty or too long.
    #[error("text: 1 to 20,000 characters")]
    BadText,
    /// No such conversation.
    #[error("no such conversation")]
    NoSuchConversation,
    /// An account number that is not the agency's.
    #[error("text: {0} is not one of the agency's accounts; add it under Settings or take it out")]
    UnknownAccount(String),
    /// A message that is not of this chat, or that WhatsApp does not know (yet).
    #[error("reply_to: not a message of this conversation that WhatsApp knows")]
    NotQuotable,
    /// A time that has passed, or is too far ahead.
    #[error("send_at: a time within the next 90 days")]
    BadTime,
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

/// The words as they go out, if they may.
pub fn checked<'a>(text: &'a str, accounts: &[String]) -> Result<&'a str, ReplyError> {
    let text = text.trim();
    if !crate::kernel::text::has_visible(text) || text.chars().count() > LONGEST {
        return Err(ReplyError::BadText);
    }
    match guard::foreign_accounts(text, accounts).into_iter().next() {
        Some(foreign) => Err(ReplyError::UnknownAccount(foreign)),
        None => Ok(text),
    }
}

/// The words of a reply, if they may go out; beside a file there may be none.
pub fn words<'a>(reply: &'a Reply, accounts: &[String]) -> Result<&'a str, ReplyError> {
    if reply.media_id.is_some() && reply.text.trim().is_empty() { Ok("") } else { checked(&reply.text, accounts) }
}

/// Queues a reply; its message row, or `None` when its token has been seen.
pub fn send(tx: &Tx<'_>, reply: &Reply, accounts: &[String]) -> Result<Option<i64>, ReplyError> {
    let text = words(reply, accounts)?;
    let conversation = conversation::find(tx, reply.conversation_id)?.ok_or(ReplyError::NoSuchConversation)?;
    if let Some(token) = &reply.token
        && !first_time(tx, token)?
    {
        return Ok(None);
    }
    let quoted = quoted(tx, reply)?;
    let crosses = match reply.written_at {
        Some(at) => conversation::asked_since(tx, conversation.id, at)?,
        None => false,
    };
    let who = Holder { actor: reply.actor.clone(), user_id: reply.user_id };
    handover::to_person(tx, &conversation, Some(&who), "taken")?;
    let message_id = match reply.media_id {
        Some(media_id) => outbox::show(tx, &conversation, Author::User(reply.user_id), media_id, text, Priority::Person)?,
        None => outbox::say(tx, &conversation, Author::User(reply.user_id), text, Priority::Person)?,
    };
    if let Some(wa_id) = quoted {
        message::quote(tx, message_id, &wa_id)?;
    }
    match crosses {
        true => conversation::still_waits(tx, conversation.id)?,
        false => conversation::answered_by_person(tx, conversation.id, &reply.actor)?,
    }
    if let Some(token) = &reply.token {
        tx.execute("UPDATE once SET made = ?2 WHERE token = ?1", (token, message_id)).map_err(StoreError::from)?;
    }
    Ok(Some(message_id))
}

/// The message a token has made before.
pub fn made(connection: &Connection, token: &str) -> Result<Option<i64>, StoreError> {
    Ok(connection.prepare_cached("SELECT made FROM once WHERE token = ?1")?.query_row([token], |row| row.get(0)).optional()?.flatten())
}

/// Bare id of the message a reply answers, if it answers one.
pub fn quoted(tx: &Tx<'_>, reply: &Reply) -> Result<Option<String>, ReplyError> {
    let Some(id) = reply.reply_to else { return Ok(None) };
    Ok(Some(message::quotable(tx, reply.conversation_id, id)?.ok_or(ReplyError::NotQuotable)?))
}

/// Tells the owner that somebody wrote an account that is not the agency's; `sent`: from the phone itself, so that it could
/// not be held back.
pub fn report_account(tx: &Tx<'_>, actor: &str, conversation_id: i64, quote: &str, sent: bool) -> Result<(), StoreError> {
    let what = if sent { "account.unknown_sent" } else { "account.blocked" };
    tx.audit(actor, what, &format!("conv_{conversation_id}"), &json!({"account": quote}).to_string())?;
    tx.count("account.blocked", 1);
    tx.emit("alert", Some(conversation_id), json!({"kind": "unknown_account", "actor": actor, "sent": sent}))
}

/// Whether a token is new; from now on it is not.
pub fn first_time(tx: &Tx<'_>, token: &str) -> Result<bool, StoreError> {
    Ok(tx.prepare_cached("INSERT OR IGNORE INTO once (token, at) VALUES (?1, ?2)")?.execute((token, tx.now_ms))? > 0)
}

/// Forgets tokens older than a week: no form lives that long.
pub fn forget(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM once WHERE at < ?1", [tx.now_ms - 7 * 86_400_000])?;
    Ok(())
}
