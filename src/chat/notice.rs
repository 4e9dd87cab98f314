//! Notices to the team: when the bot calls for a person, the phones of `notify.whatsapp` hear of it on the number the customer
//! wrote to, the addresses of `notify.email` by e-mail. They go through queues of rows, so none is lost or said twice.

use super::inbound::Party;
use super::message::Author;
use super::outbox::{self, Priority};
use super::{conversation, escalation, mail};
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::language::Language;
use crate::kernel::phone::Phone;
use crate::people::identity;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;

/// A chat that calls again within this time is no news, ms.
const AGAIN_MS: i64 = 10 * 60_000;
/// Chats named in one notice; more are counted.
const NAMED: usize = 6;
/// After a notice the next waits this long and tells all that came meanwhile, ms.
const GATHER_MS: i64 = 20_000;
/// Up to which escalation the team has heard, and when (process clock).
const MARK: &str = "noticed_escalation";
const TOLD_AT: &str = "noticed_at";

/// Who hears of it, and in what words.
pub struct To {
    /// The team's phones.
    pub phones: Vec<Phone>,
    /// The team's e-mail addresses.
    pub mails: Vec<String>,
    /// The agency's part of e-mail addresses behind the `@`.
    pub mail_domain: String,
    /// Language of the notice.
    pub language: Language,
    /// `server.public_url`; empty: no links.
    pub public_url: String,
}

struct Call {
    conversation_id: i64,
    channel_id: i64,
    contact_id: i64,
    name: Option<String>,
    phone: Option<String>,
    reason: String,
}

fn kept(connection: &Connection, key: &str) -> Result<Option<i64>, StoreError> {
    Ok(connection.prepare_cached("SELECT value FROM meta WHERE key = ?1")?.query_row([key], |row| row.get(0)).optional()?)
}

/// Whether there is anything to tell now.
pub fn is_due(connection: &Connection, process_ms: i64) -> Result<bool, StoreError> {
    let newest: i64 = connection.prepare_cached("SELECT ifnull(max(id), 0) FROM escalation")?.query_row([], |row| row.get(0))?;
    let waits = kept(connection, TOLD_AT)?.is_some_and(|at| (0..GATHER_MS).contains(&(process_ms - at)));
    Ok(!waits && kept(connection, MARK)? != Some(newest))
}

/// Nobody wants notices: what is raised from here on is no news for whoever wants them later.
pub fn forget(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("DELETE FROM meta WHERE key IN (?1, ?2)", [MARK, TOLD_AT])?;
    Ok(())
}

/// Whether notices were wanted at the last look.
pub fn was_on(connection: &Connection) -> Result<bool, StoreError> {
    Ok(kept(connection, MARK)?.is_some())
}

/// Tells the team what is new. The first time what lies behind is not news.
pub fn tell(tx: &Tx<'_>, to: &To) -> Result<(), StoreError> {
    let newest: i64 = tx.query_row("SELECT ifnull(max(id), 0) FROM escalation", [], |row| row.get(0))?;
    let from = kept(tx, MARK)?.unwrap_or(newest);
    let own: Vec<i64> = to.phones.iter().filter_map(|phone| identity::of_phone(tx, phone).transpose()).collect::<Result<_, _>>()?;
    let mut by_channel: BTreeMap<i64, Vec<Call>> = BTreeMap::new();
    for call in calls(tx, from)?.into_iter().filter(|call| !own.contains(&call.contact_id)) {
        let told = by_channel.entry(call.channel_id).or_default();
        if !told.iter().any(|known| known.conversation_id == call.conversation_id) {
            told.push(call);
        }
    }
    let all: Vec<&Call> = by_channel.values().flatten().collect();
    if !all.is_empty() {
        let text = words(to, &all).replace('*', "");
        for address in &to.mails {
            mail::put(tx, address, &title(to.language, all.len()), &text, &to.mail_domain)?;
        }
    }
    for (channel_id, calls) in &by_channel {
        let text = words(to, &calls.iter().collect::<Vec<_>>());
        for phone in &to.phones {
            let party = Party { chat_id: format!("{}@c.us", phone.as_str()), phone: Some(phone.clone()), ..Party::default() };
            let contact_id = identity::resolve(tx, *channel_id, &party)?;
            let conversation = conversation::open(tx, *channel_id, contact_id, &party, tx.now_ms)?;
            outbox::say(tx, &conversation, Author::User(None), &text, Priority::Person)?;
        }
    }
    keep(tx, MARK, newest)?;
    if by_channel.is_empty() { Ok(()) } else { keep(tx, TOLD_AT, tx.process_ms) }
}

fn keep(tx: &Tx<'_>, key: &str, value: i64) -> Result<(), StoreError> {
    tx.execute("INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value", (key, value))?;
    Ok(())
}

/// Calls after a mark that still wait and are news.
fn calls(tx: &Tx<'_>, from: i64) -> Result<Vec<Call>, StoreError> {
    let mut query = tx.prepare_cached(
        "SELECT e.conversation_id, v.channel_id, v.contact_id, c.name, (SELECT value FROM identity i WHERE i.contact_id = c.id AND i.kind = 'phone' LIMIT 1), e.reason
         FROM escalation e JOIN conversation v ON v.id = e.conversation_id JOIN contact c ON c.id = v.contact_id JOIN channel h ON h.id = v.channel_id AND h.kind <> 'simulator'
         WHERE e.id > ?1 AND e.resolved_at IS NULL
           AND NOT EXISTS (SELECT 1 FROM escalation o WHERE o.conversation_id = e.conversation_id AND o.id <= ?1 AND o.resolved_at IS NULL AND o.at > e.at - ?2)
         ORDER BY e.id",
    )?;
    let rows = query.query_map((from, AGAIN_MS), |row| {
        Ok(Call { conversation_id: row.get(0)?, channel_id: row.get(1)?, contact_id: row.get(2)?, name: row.get(3)?, phone: row.get(4)?, reason: row.get(5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn title(language: Language, chats: usize) -> String {
    match language {
        Language::Id => format!("{chats} chat menunggu orang"),
        Language::En => format!("{chats} chats wait for a person"),
    }
}

/// The notice: who waits and why, never what they wrote.
fn words(to: &To, calls: &[&Call]) -> String {
    let (title, somebody, more) = match to.language {
        Language::Id => ("Menunggu orang:", "Pelanggan", "dan {} chat lain"),
        Language::En => ("Waiting for a person:", "Customer", "and {} more chats"),
    };
    let mut lines = vec![format!("🔔 *{title}*")];
    for call in calls.iter().take(NAMED) {
        let name = call.name.as_deref().unwrap_or(somebody);
        let tail = call.phone.as_deref().map(|phone| format!(" (··{})", &phone[phone.len().saturating_sub(4)..])).unwrap_or_default();
        lines.push(format!("• {name}{tail}: {}", escalation::in_words(&call.reason, to.language)));
        if !to.public_url.is_empty() {
            lines.push(format!("  {}/chats/conv_{}", to.public_url.trim_end_matches('/'), call.conversation_id));
        }
    }
    if calls.len() > NAMED {
        lines.push(more.replace("{}", &(calls.len() - NAMED).to_string()));
    }
    lines.join("\n")
}
