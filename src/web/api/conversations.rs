//! `GET /api/conversations` (the inbox) and what is done with one conversation: read it, reply, note, claim, assign, release.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::chat::assignment::{self, AssignError, Holder};
use crate::chat::inbox::{self, Filter, Listed, Point, Tab};
use crate::chat::note::{self, NoteError};
use crate::chat::reply::{self, Reply, ReplyError};
use crate::chat::{conversation, handover, thread};
use crate::db::StoreError;
use crate::kernel::date;
use crate::kernel::hours::Hours;
use crate::kernel::phone::Phone;
use crate::people::{label, user};
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

fn id_of(text: &str) -> Result<i64, ApiError> {
    conversation::parse_id(text).ok_or_else(|| ApiError::not_found("the conversation"))
}

/// The conversation, if the caller may see it.
async fn seen(app: &App, caller: &Caller, id: &str) -> Result<i64, ApiError> {
    let (id, scope) = (id_of(id)?, caller.scope(app));
    let found = app
        .store
        .read(move |connection| -> Result<Option<i64>, StoreError> {
            let Some(found) = conversation::find(connection, id)? else { return Ok(None) };
            Ok(scope.sees(assignment::holder(connection, found.id)?.as_deref()).then_some(found.id))
        })
        .await?;
    found.ok_or_else(|| ApiError::not_found("the conversation"))
}

/// Rows of one page.
const LIST_PAGE: usize = 50;

/// Which chats: as in the addresses of the inbox.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Asked {
    /// all, mine, unclaimed, waiting, handed, bot, snoozed.
    pub tab: Option<String>,
    /// A label's name or id.
    pub label: Option<String>,
    /// leads, interest, booking, paid.
    pub phase: Option<String>,
    /// A campaign code.
    pub campaign: Option<String>,
    /// `me`, `none`, or a user's e-mail, name or id.
    pub assignee: Option<String>,
    /// `1`: only with unread messages.
    pub unread: Option<String>,
    /// Waiting longer than so many minutes.
    pub waiting: Option<String>,
    /// Name, number or words.
    pub q: Option<String>,
    /// `longest`: longest waiting first.
    pub sort: Option<String>,
    /// Where the page goes on, as `next` of the one before.
    pub after: Option<String>,
    /// Rows, 1 to 200.
    pub limit: Option<usize>,
}

impl Asked {
    /// The filter it means. What it names and is not there is said.
    pub fn filter(&self, connection: &Connection, caller: &Caller, scope: inbox::Scope, hours: &Hours, now_ms: i64) -> Result<Filter, ApiError> {
        let given = |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        let mut filter = Filter::all(&caller.actor, scope);
        filter.tab = Tab::parse(self.tab.as_deref().unwrap_or("")).ok_or_else(|| ApiError::field("tab", "tab: all, mine, unclaimed, waiting, handed, bot or snoozed"))?;
        if let Some(name) = given(&self.label) {
            filter.label = Some(label::named(connection, &name)?.ok_or_else(|| ApiError::field("label", format!("label: there is no label {name:?}")))?.id);
        }
        filter.phase = given(&self.phase).map(|phase| phase.to_lowercase());
        if filter.phase.as_deref().is_some_and(|phase| !["leads", "interest", "booking", "paid"].contains(&phase)) {
            return Err(ApiError::field("phase", "phase: leads, interest, booking or paid"));
        }
        filter.campaign = given(&self.campaign);
        filter.assignee = match given(&self.assignee).as_deref() {
            None => None,
            Some("me") => Some(caller.actor.clone()),
            Some("none") => Some(String::new()),
            Some(name) => Some(format!("user:{}", somebody(connection, name)?.id)),
        };
        filter.unread = matches!(self.unread.as_deref(), Some("1" | "true" | "on"));
        if let Some(minutes) = given(&self.waiting) {
            let minutes: i64 = minutes.parse().ok().filter(|n| (0..=1_000_000).contains(n)).ok_or_else(|| ApiError::field("waiting", "waiting: minutes"))?;
            filter.waiting_before = Some(hours.open_since_ms(now_ms, minutes * 60_000));
        }
        filter.text = given(&self.q).map(|text| text.chars().take(200).collect());
        filter.longest = self.sort.as_deref() == Some("longest");
        Ok(filter)
    }

    /// Where the page goes on.
    pub fn point(&self) -> Result<Option<Point>, ApiError> {
        let Some(after) = self.after.as_deref().filter(|after| !after.is_empty()) else { return Ok(None) };
        let point = after.split_once('_').and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
        point.map(Some).ok_or_else(|| ApiError::field("after", "after: the `next` of the page before"))
    }
}

/// A user by e-mail, name or id who may write in chats.
fn somebody(connection: &Connection, name: &str) -> Result<user::User, AssignError> {
    let by_id = name.strip_prefix("user:").unwrap_or(name).parse::<i64>().ok();
    let found = match by_id {
        Some(id) => user::list(connection)?.into_iter().find(|user| user.id == id && user.disabled_at.is_none()),
        None => user::named(connection, name)?,
    };
    found.filter(|user| user.role != user::Role::Viewer).ok_or_else(|| AssignError::NoSuchUser(name.to_owned()))
}

fn row(row: &Listed, zone: chrono_tz::Tz) -> Value {
    let time = |at: i64| date::rfc3339(at, zone);
    json!({
        "id": format!("conv_{}", row.id), "contact": {"id": row.contact_id, "name": row.name, "phone": row.phone.as_deref().and_then(Phone::from_digits).map(|phone| phone.e164())},
        "phase": row.phase, "handler": row.handler, "assignee": row.assignee, "held_by": row.held_by, "waiting_since": row.waiting_since_at.map(time), "unread": row.unread,
        "last_message": {"text": row.last_text, "kind": row.last_kind, "status": row.last_status, "direction": row.last_direction}, "last_at": time(row.last_at),
        "labels": row.labels, "pinned": row.pinned, "snoozed_until": row.snoozed_until_at.map(time), "resolved_at": row.resolved_at.map(time),
    })
}

/// `GET /api/conversations?tab=&label=&phase=&assignee=&q=&after=`.
pub async fn list(State(app): State<Arc<App>>, caller: Caller, Query(asked): Query<Asked>) -> Result<Json<Value>, ApiError> {
    let limit = asked.limit.unwrap_or(LIST_PAGE);
    if !(1..=200).contains(&limit) {
        return Err(ApiError::field("limit", "limit: 1 to 200"));
    }
    let (after, scope, now_ms, hours, zone) = (asked.point()?, caller.scope(&app), app.now_ms(), app.hours(), app.settings().zone);
    let (rows, next) = app
        .store
        .read(move |connection| -> Result<_, ApiError> {
            let filter = asked.filter(connection, &caller, scope, &hours, now_ms)?;
            let rows = inbox::page(connection, &filter, after, limit)?;
            let next = inbox::point_after(&filter, &rows, limit);
            Ok((rows, next))
        })
        .await?;
    let rows: Vec<Value> = rows.iter().map(|one| row(one, zone)).collect();
    Ok(Json(json!({"conversations": rows, "next": next.map(|(at, id)| format!("{at}_{id}"))})))
}

/// Messages of one page.
const PAGE: usize = 200;

/// Which messages: a page before a message's `id`.
#[derive(Deserialize)]
pub struct Page {
    before: Option<i64>,
    limit: Option<usize>,
}

/// Messages, phase log, turns, escalations, handovers and notes of one conversation.
pub async fn get(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, Query(page): Query<Page>) -> Result<Json<Value>, ApiError> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(ApiError::field("limit", "limit: 1 to 200"));
    }
    let (id, zone, scope) = (id_of(&id)?, app.settings().zone, caller.scope(&app));
    let found = app.store.read(move |connection| thread::export(connection, id, &scope, zone, page.before, limit)).await?;
    let found = found.ok_or_else(|| ApiError::not_found("the conversation"))?;
    app.note_look(&caller.actor, found["contact"]["id"].as_i64().unwrap_or(0));
    Ok(Json(found))
}

impl From<ReplyError> for ApiError {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::NoSuchConversation => Self::not_found("the conversation"),
            ReplyError::UnknownAccount(_) => Self::new(422, "unknown_account", error.to_string()).about("text"),
            ReplyError::BadText => Self::field("text", error.to_string()),
            ReplyError::BadTime => Self::field("send_at", error.to_string()),
            ReplyError::NotQuotable => Self::field("reply_to", error.to_string()),
            ReplyError::Db(error) => error.into(),
        }
    }
}

/// Queues a reply; a foreign account in it is reported.
pub async fn say(app: &App, reply: Reply) -> Result<Option<i64>, ReplyError> {
    let accounts = app.settings().accounts();
    let (id, actor) = (reply.conversation_id, reply.actor.clone());
    let said = app.store.write(move |tx| reply::send(tx, &reply, &accounts)).await;
    if let Err(ReplyError::UnknownAccount(quote)) = &said {
        let quote = quote.clone();
        app.store.write(move |tx| reply::report_account(tx, &actor, id, &quote, false)).await?;
    }
    said
}

/// A note.
#[derive(Deserialize)]
pub struct Body {
    text: String,
}

/// A person's reply.
#[derive(Deserialize)]
pub struct Said {
    text: String,
    /// The message it answers, by the id the conversation tells of it.
    reply_to: Option<i64>,
}

/// `POST /api/conversations/{id}/messages {"text", "reply_to"?}`. With an `Idempotency-Key` the same call again says nothing again.
pub async fn send(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Said>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let id = seen(&app, &caller, &id).await?;
    let token = caller.idempotency(&headers)?;
    let reply = Reply { conversation_id: id, text: body.text, actor: caller.actor, user_id: caller.user_id, token, media_id: None, reply_to: body.reply_to, written_at: None };
    let again = reply.token.clone();
    let (status, message_id) = match (say(&app, reply).await?, again) {
        (None, Some(token)) => ("duplicate", app.store.read(move |connection| reply::made(connection, &token)).await?),
        (new, _) => ("queued", new),
    };
    Ok((StatusCode::ACCEPTED, Json(json!({"status": status, "state": "due", "message": message_id, "conversation_id": format!("conv_{id}")}))))
}

impl From<NoteError> for ApiError {
    fn from(error: NoteError) -> Self {
        match error {
            NoteError::NoSuchConversation => Self::not_found("the conversation"),
            NoteError::BadText => Self::field("text", error.to_string()),
            NoteError::Db(error) => error.into(),
        }
    }
}

/// `POST /api/conversations/{id}/notes {"text"}`: for the team alone.
pub async fn add_note(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, JsonBody(body): JsonBody<Body>) -> Result<(StatusCode, Json<Value>), ApiError> {
    let id = seen(&app, &caller, &id).await?;
    let note_id = app.store.write(move |tx| note::add(tx, id, &body.text, &caller.actor)).await?;
    Ok((StatusCode::CREATED, Json(json!({"status": "noted", "note": note_id, "conversation_id": format!("conv_{id}")}))))
}

/// `POST /api/conversations/{id}/claim`: 200 for the one who has it from now on, 409 naming who was quicker.
pub async fn claim(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let id = id_of(&id)?;
    let who = caller.holder();
    let (news, name) = app.store.write(move |tx| -> Result<_, AssignError> { Ok((assignment::claim(tx, id, &who)?, assignment::actor_name(tx, &who.actor)?)) }).await?;
    let status = if news { "claimed" } else { "already_yours" };
    Ok(Json(json!({"status": status, "conversation_id": format!("conv_{id}"), "handler": "user", "assignee": name, "held_by": caller.actor})))
}

/// Who gets it.
#[derive(Deserialize)]
pub struct Assign {
    user: Value,
    note: Option<String>,
}

/// `POST /api/conversations/{id}/assign {"user"}`: e-mail, name or id; null gives it back to the team.
pub async fn assign(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, JsonBody(body): JsonBody<Assign>) -> Result<Json<Value>, ApiError> {
    let id = seen(&app, &caller, &id).await?;
    let name = match &body.user {
        Value::Null => None,
        Value::String(name) if name.trim().is_empty() => None,
        Value::String(name) => Some(name.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        _ => return Err(ApiError::field("user", "user: an e-mail, a name or an id; null for nobody")),
    };
    let note = body.note.map(|note| crate::kernel::text::clean(note.trim(), 4_000)).filter(|note| !note.is_empty());
    let assignee = app
        .store
        .write(move |tx| -> Result<Option<user::User>, AssignError> {
            let Some(name) = &name else {
                assignment::put_back(tx, id, &caller.actor)?;
                return Ok(None);
            };
            let to = somebody(tx, name)?;
            assignment::give(tx, id, &Holder::user(to.id), note.as_deref(), &caller.actor)?;
            Ok(Some(to))
        })
        .await?;
    let (status, name, held_by) = match &assignee {
        Some(user) => ("assigned", Some(&user.name), Some(format!("user:{}", user.id))),
        None => ("unassigned", None, None),
    };
    Ok(Json(json!({"status": status, "conversation_id": format!("conv_{id}"), "handler": "user", "assignee": name, "held_by": held_by})))
}

/// Who gets it back: the bot, or the team.
#[derive(Deserialize)]
pub struct Release {
    to: Option<String>,
}

/// `POST /api/conversations/{id}/release {"to":"bot"|"team"}`; without a body: to the bot.
pub async fn release(State(app): State<Arc<App>>, caller: Caller, Path(id): Path<String>, body: axum::body::Bytes) -> Result<Json<Value>, ApiError> {
    let wish = || ApiError::field("to", "to: \"bot\" or \"team\"");
    let to = match body.is_empty() {
        true => None,
        false => serde_json::from_slice::<Release>(&body).map_err(|error| if error.is_data() { wish() } else { ApiError::new(400, "bad_json", "the body is not valid JSON") })?.to,
    };
    let id = seen(&app, &caller, &id).await?;
    let handler = match to.as_deref() {
        None | Some("bot") => {
            let asks = app.settings().on("bot.ask_satisfaction");
            app.store.write(move |tx| handover::give_back(tx, id, &caller.actor, asks, "released")).await?;
            "bot"
        }
        Some("team") => {
            app.store.write(move |tx| assignment::put_back(tx, id, &caller.actor)).await?;
            "user"
        }
        Some(_) => return Err(wish()),
    };
    Ok(Json(json!({"status": "released", "handler": handler, "conversation_id": format!("conv_{id}")})))
}
