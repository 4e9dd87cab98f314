//! The inbox: which chats are listed, in which order, and how many there are behind each tab. Every list pages by
//! (time, id) along an index, so a page costs the same however long the history is.

use crate::db::StoreError;
use crate::people::search;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use serde::Serialize;
use serde_json::Value;

/// Counts stop here and are shown as "999+": nobody needs them exact, and counting more would cost.
pub const MOST_COUNTED: i64 = 1_000;
/// A label that so many carry is looked for along the list; a rarer one by who carries it.
const COMMON_LABEL: i64 = 3_000;

/// Whose chats somebody may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All.
    All,
    /// His own, those nobody has, and the bot's.
    Own(String),
}

impl Scope {
    /// Whose own chats alone are seen, if not all are.
    pub fn actor(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Own(actor) => Some(actor),
        }
    }

    /// SQL for "this contact may be seen", as [`crate::people::contact::seen_by`] says it: he has no chat, or one of his may be
    /// seen. `id`: the column with his id; `me`: the parameter that is given [`Scope::actor`].
    pub fn contact_sql(&self, id: &str, me: &str) -> String {
        match self {
            Self::All => format!("{me} IS NULL"),
            Self::Own(_) => format!(
                "(NOT EXISTS (SELECT 1 FROM conversation v WHERE v.contact_id = {id} AND v.merged_into IS NULL)
                  OR EXISTS (SELECT 1 FROM conversation v WHERE v.contact_id = {id} AND v.merged_into IS NULL AND (v.held_by IS NULL OR v.held_by = {me})))"
            ),
        }
    }

    /// Whether a conversation held by `holder` may be seen.
    pub fn sees(&self, holder: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Own(actor) => holder.is_none_or(|holder| holder == actor),
        }
    }
}

/// A row of the list.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// Conversation id.
    pub id: i64,
    /// Contact id (picks the avatar's colour).
    pub contact_id: i64,
    /// Best name known.
    pub name: Option<String>,
    /// Digits of the phone, when known.
    pub phone: Option<String>,
    /// Phase.
    pub phase: String,
    /// `bot` or `user`.
    pub handler: String,
    /// Name of who has it.
    pub assignee: Option<String>,
    /// `user:ID` or `token:ID` of who has it.
    pub held_by: Option<String>,
    /// Since when a person is awaited, unix ms.
    pub waiting_since_at: Option<i64>,
    /// Unread messages.
    pub unread: i64,
    /// Last line.
    pub last_text: Option<String>,
    /// Kind of the last message.
    pub last_kind: Option<String>,
    /// Status of the last message.
    pub last_status: Option<String>,
    /// Direction of the last message.
    pub last_direction: Option<String>,
    /// Time of the last message, unix ms.
    pub last_at: i64,
    /// From the phone simulator.
    pub simulated: bool,
    /// Stands on top.
    pub pinned: bool,
    /// Out of the lists until then, unix ms.
    pub snoozed_until_at: Option<i64>,
    /// Done, unix ms.
    pub resolved_at: Option<i64>,
    /// Labels: id, name, colour.
    pub labels: Value,
}

/// Which chats to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tab {
    /// All.
    #[default]
    All,
    /// Held by whoever asks.
    Mine,
    /// A person is wanted, nobody has it.
    Unclaimed,
    /// Somebody waits for a person.
    Waiting,
    /// Handled by a person.
    Handed,
    /// Handled by the bot.
    Bot,
    /// Put off.
    Snoozed,
}

impl Tab {
    /// By the name in addresses; an unknown one is none.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "all" => Self::All,
            "mine" => Self::Mine,
            "unclaimed" | "unassigned" => Self::Unclaimed,
            "waiting" => Self::Waiting,
            "handed" | "handover" => Self::Handed,
            "bot" => Self::Bot,
            "snoozed" => Self::Snoozed,
            _ => return None,
        })
    }
}

/// Which chats, as one asks for them.
#[derive(Clone, Debug)]
pub struct Filter {
    /// Tab.
    pub tab: Tab,
    /// Who asks: `user:ID` or `token:ID`.
    pub me: String,
    /// What he may see.
    pub scope: Scope,
    /// Carry this label.
    pub label: Option<i64>,
    /// In this phase.
    pub phase: Option<String>,
    /// Came by this campaign.
    pub campaign: Option<String>,
    /// Held by this actor; an empty text: by nobody.
    pub assignee: Option<String>,
    /// Only with unread messages.
    pub unread: bool,
    /// Waiting since before this, unix ms.
    pub waiting_before: Option<i64>,
    /// Name, number or words.
    pub text: Option<String>,
    /// Longest waiting first.
    pub longest: bool,
}

impl Filter {
    /// Everything somebody may see.
    pub fn all(me: &str, scope: Scope) -> Self {
        Self { tab: Tab::All, me: me.to_owned(), scope, label: None, phase: None, campaign: None, assignee: None, unread: false, waiting_before: None, text: None, longest: false }
    }

    /// Whether the order is by waiting instead of by last message.
    fn by_waiting(&self) -> bool {
        self.longest || self.tab == Tab::Waiting
    }
}

const COLUMNS: &str = "v.id, v.contact_id, c.name, (SELECT value FROM identity i WHERE i.contact_id = c.id AND i.kind = 'phone' LIMIT 1), v.phase, v.handler,
    CASE WHEN v.assignee_id IS NOT NULL THEN (SELECT name FROM user u WHERE u.id = v.assignee_id) WHEN v.held_by IS NOT NULL THEN (SELECT name FROM api_token t WHERE 'token:' || t.id = v.held_by) END,
    v.held_by, v.waiting_since_at, v.unread_count, m.text, m.kind, m.status, m.direction, v.last_at, h.kind = 'simulator', v.pinned_at IS NOT NULL, v.snoozed_until_at, v.resolved_at,
    (SELECT json_group_array(json_object('id', l.id, 'name', ifnull(l.name, 'Label ' || l.id), 'color', l.color, 'color_hex', l.color_hex)) FROM contact_label x JOIN label l ON l.id = x.label_id AND l.deleted_at IS NULL WHERE x.contact_id = v.contact_id)";
const BESIDE: &str = "JOIN contact c ON c.id = v.contact_id JOIN channel h ON h.id = v.channel_id LEFT JOIN message m ON m.id = v.last_message_id";

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let (text, labels): (Option<String>, String) = (row.get(10)?, row.get(19)?);
    Ok(Listed {
        id: row.get(0)?,
        contact_id: row.get(1)?,
        name: row.get(2)?,
        phone: row.get(3)?,
        phase: row.get(4)?,
        handler: row.get(5)?,
        assignee: row.get(6)?,
        held_by: row.get(7)?,
        waiting_since_at: row.get(8)?,
        unread: row.get(9)?,
        last_text: text.map(|text| crate::kernel::text::preview(&text, 120)),
        last_kind: row.get(11)?,
        last_status: row.get(12)?,
        last_direction: row.get(13)?,
        last_at: row.get(14)?,
        simulated: row.get(15)?,
        pinned: row.get(16)?,
        snoozed_until_at: row.get(17)?,
        resolved_at: row.get(18)?,
        labels: serde_json::from_str(&labels).unwrap_or_default(),
    })
}

struct Sentence {
    from: String,
    conditions: Vec<String>,
    params: Vec<Sql>,
}

impl Sentence {
    fn bind(&mut self, value: impl Into<Sql>) -> String {
        self.params.push(value.into());
        format!("?{}", self.params.len())
    }

    fn and(&mut self, condition: impl Into<String>) {
        self.conditions.push(condition.into());
    }
}

fn sentence(connection: &Connection, filter: &Filter) -> Result<Sentence, StoreError> {
    let mut s = Sentence { from: "conversation v".into(), conditions: vec!["v.merged_into IS NULL".into()], params: Vec::new() };
    let awake = "v.snoozed_until_at IS NULL";
    match filter.tab {
        Tab::All => {}
        Tab::Mine => {
            let me = s.bind(filter.me.clone());
            s.and("v.is_human = 1");
            s.and(format!("v.held_by = {me}"));
            s.and(awake);
        }
        Tab::Unclaimed => {
            s.and("v.is_human = 1 AND v.held_by IS NULL");
            s.and(awake);
        }
        Tab::Waiting => {
            s.and("v.waiting_since_at IS NOT NULL");
            s.and(awake);
        }
        Tab::Handed => {
            // a person's, or the bot has asked for one
            s.and("v.is_human = 1 AND (v.handler = 'user' OR EXISTS (SELECT 1 FROM escalation e WHERE e.conversation_id = v.id AND e.resolved_at IS NULL))");
            s.and(awake);
        }
        Tab::Bot => s.and("v.handler = 'bot'"),
        Tab::Snoozed => {
            s.from = "conversation v INDEXED BY conversation_snoozed".into(); // few, whatever the order
            s.and("v.snoozed_until_at IS NOT NULL");
        }
    }
    if filter.longest {
        s.and("v.waiting_since_at IS NOT NULL");
    }
    if let Scope::Own(actor) = &filter.scope {
        let actor = s.bind(actor.clone());
        s.and(format!("(v.held_by IS NULL OR v.held_by = {actor})"));
    }
    if let Some(label) = filter.label {
        let carried: i64 = connection.prepare_cached("SELECT contacts FROM label WHERE id = ?1")?.query_row([label], |row| row.get(0)).optional()?.unwrap_or(0);
        let label = s.bind(label);
        if carried <= COMMON_LABEL && s.from == "conversation v" {
            s.from = "contact_label y CROSS JOIN conversation v ON v.contact_id = y.contact_id".into();
            s.and(format!("y.label_id = {label}"));
        } else {
            s.and(format!("EXISTS (SELECT 1 FROM contact_label y WHERE y.contact_id = v.contact_id AND y.label_id = {label})"));
        }
    }
    if let Some(phase) = &filter.phase {
        // the index of phases leaves out the first one: nearly every chat is in it
        let phase = s.bind(phase.clone());
        s.and(format!("v.phase = {phase}"));
        if filter.phase.as_deref() != Some("leads") {
            s.and("v.phase <> 'leads'");
        }
    }
    if let Some(campaign) = &filter.campaign {
        let campaign = s.bind(campaign.to_uppercase());
        s.and(format!("(v.first_code = {campaign} OR v.last_code = {campaign})"));
    }
    match filter.assignee.as_deref() {
        Some("") => s.and("v.held_by IS NULL"),
        Some(actor) => {
            let actor = s.bind(actor.to_owned());
            s.and(format!("v.is_human = 1 AND v.held_by = {actor}"));
        }
        None => {}
    }
    if filter.unread {
        s.and("v.unread_count > 0");
    }
    if let Some(before) = filter.waiting_before {
        let before = s.bind(before);
        s.and(format!("v.waiting_since_at <= {before}"));
    }
    if let Some(text) = filter.text.as_deref().map(str::trim).filter(|text| !text.is_empty()) {
        let people = search::contacts(connection, text, &filter.scope, 200)?;
        let chats: Vec<i64> = search::messages(connection, text, &filter.scope, 300)?.into_iter().map(|hit| hit.conversation_id).collect();
        let (people, chats) = (s.bind(Value::from(people).to_string()), s.bind(Value::from(chats).to_string()));
        s.and(format!("(v.contact_id IN (SELECT value FROM json_each({people})) OR v.id IN (SELECT value FROM json_each({chats})))"));
    }
    Ok(s)
}

/// A point in a list: (time, id).
pub type Point = (i64, i64);

/// A page of chats after a point: newest first, or the longest waiting first.
pub fn page(connection: &Connection, filter: &Filter, after: Option<Point>, limit: usize) -> Result<Vec<Listed>, StoreError> {
    let mut s = sentence(connection, filter)?;
    let order = if filter.by_waiting() {
        if let Some((at, id)) = after {
            let (at, id) = (s.bind(at), s.bind(id));
            s.and(format!("(v.waiting_since_at, v.id) > ({at}, {id})"));
        }
        "v.waiting_since_at, v.id"
    } else {
        if let Some((at, id)) = after {
            let (at, id) = (s.bind(at), s.bind(id));
            s.and(format!("(v.last_at, v.id) < ({at}, {id})"));
        }
        "v.last_at DESC, v.id DESC"
    };
    let limit = s.bind(limit as i64);
    // ids first, so that sorting carries nothing else
    let ids = format!("SELECT v.id AS id FROM {} WHERE {} ORDER BY {order} LIMIT {limit}", s.from, s.conditions.join(" AND "));
    let sql = format!("SELECT {COLUMNS} FROM ({ids}) p CROSS JOIN conversation v ON v.id = p.id {BESIDE} ORDER BY {order}");
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map(params_from_iter(s.params), listed)?;
    let mut rows: Vec<Listed> = rows.collect::<Result<_, _>>()?;
    if filter.tab == Tab::Mine && after.is_none() {
        rows.sort_by_key(|row| !row.pinned);
    }
    Ok(rows)
}

/// Where the page after this one goes on.
pub fn point_after(filter: &Filter, rows: &[Listed], limit: usize) -> Option<Point> {
    if rows.len() < limit {
        return None;
    }
    if filter.by_waiting() { rows.last().map(|row| (row.waiting_since_at.unwrap_or(0), row.id)) } else { rows.iter().map(|row| (row.last_at, row.id)).min() }
}

/// How many chats a filter means, up to [`MOST_COUNTED`].
pub fn count(connection: &Connection, filter: &Filter) -> Result<i64, StoreError> {
    let mut s = sentence(connection, filter)?;
    let most = s.bind(MOST_COUNTED);
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} LIMIT {most})", s.from, s.conditions.join(" AND "));
    Ok(connection.prepare_cached(&sql)?.query_row(params_from_iter(s.params), |row| row.get(0))?)
}

/// One row, if it may be seen.
pub fn one(connection: &Connection, id: i64, scope: &Scope) -> Result<Option<Listed>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM conversation v {BESIDE} WHERE v.id = ?1 AND v.merged_into IS NULL");
    Ok(connection.prepare_cached(&sql)?.query_row([id], listed).optional()?.filter(|row| scope.sees(row.held_by.as_deref())))
}

/// A filter of the inbox under a name.
#[derive(Clone, Debug, Serialize)]
pub struct SavedView {
    /// Row.
    pub id: i64,
    /// Name.
    pub name: String,
    /// As in the address of the list.
    pub query: String,
    /// Everybody's.
    pub shared: bool,
}

/// A user's views and everybody's.
pub fn saved_views(connection: &Connection, user_id: i64) -> Result<Vec<SavedView>, StoreError> {
    let mut query = connection
        .prepare_cached("SELECT id, name, query, user_id IS NULL FROM saved_view WHERE user_id = ?1 OR user_id IS NULL ORDER BY user_id IS NULL, name COLLATE NOCASE LIMIT 20")?;
    let rows = query.query_map([user_id], |row| Ok(SavedView { id: row.get(0)?, name: row.get(1)?, query: row.get(2)?, shared: row.get(3)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
