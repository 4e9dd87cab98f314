//! Chats: the list, one thread, the reply box, take over and hand back. Live over the socket; without JavaScript the
//! pages are read and written all the same.

use super::{Refusal, Visitor, enter, see};
use crate::app::App;
use crate::chat::handover::{self, AssignError};
use crate::chat::reply::{Reply, ReplyError};
use crate::chat::thread::{self, Bubble, Tab};
use crate::chat::{conversation, escalation, promise};
use crate::db::{StoreError, event};
use crate::kernel::date;
use crate::people::label;
use crate::travel::package;
use crate::web::api::conversations as api;
use crate::web::policy::Action;
use axum::Form;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Rows of a page of the list, and messages of a page of a thread.
const LIST_PAGE: usize = 50;
const THREAD_PAGE: usize = 60;

/// Which chats.
#[derive(Deserialize, Default)]
pub struct ListQuery {
    tab: Option<String>,
    before: Option<String>,
}

fn tab_of(name: &str, me: i64) -> Tab {
    match name {
        "waiting" => Tab::Waiting,
        "handed" => Tab::Handed,
        "bot" => Tab::Bot,
        "mine" => Tab::Mine(me),
        _ => Tab::All,
    }
}

/// `time_id`, the point a page goes on from.
fn point(text: Option<&str>) -> Option<(i64, i64)> {
    let (at, id) = text?.split_once('_')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

/// The list beside nothing.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap, Query(query): Query<ListQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let values = panes(&app, &visitor, &query, None).await?;
    Ok(visitor.page(200, "chats.html", "chats", values).await)
}

async fn panes(app: &Arc<App>, visitor: &Visitor, query: &ListQuery, open: Option<i64>) -> Result<Value, Refusal> {
    let name = query.tab.clone().unwrap_or_else(|| "all".into());
    let (tab, before) = (tab_of(&name, visitor.session.user.id), point(query.before.as_deref()));
    let (rows, seq) = app.store.read(move |connection| -> Result<_, StoreError> { Ok((thread::list(connection, tab, before, LIST_PAGE)?, event::last_seq(connection)?)) }).await?;
    let next = rows.last().filter(|_| rows.len() == LIST_PAGE && tab != Tab::Waiting).map(|row| format!("{}_{}", row.last_at, row.id));
    Ok(json!({"tab": name, "rows": rows, "next": next, "open_id": open, "seq": seq}))
}

/// Where a thread goes on.
#[derive(Deserialize, Default)]
pub struct ThreadQuery {
    tab: Option<String>,
    before: Option<String>,
    sent: Option<String>,
}

/// One thread, with the list beside it.
pub async fn thread(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Query(query): Query<ThreadQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let id = conversation::parse_id(&id).ok_or(Refusal::NotFound)?;
    let before = point(query.before.as_deref());
    let mut values = panes(&app, &visitor, &ListQuery { tab: query.tab, before: None }, Some(id)).await?;
    let zone = app.settings().zone;
    let more = app
        .store
        .read(move |connection| -> Result<Option<Value>, StoreError> {
            let Some(found) = conversation::find(connection, id)? else { return Ok(None) };
            let Some(row) = thread::one(connection, found.id)? else { return Ok(None) };
            let bubbles = thread::messages(connection, found.id, before, THREAD_PAGE)?;
            let first_at = bubbles.first().map_or(0, |bubble| bubble.at);
            let earlier = bubbles.first().filter(|_| bubbles.len() == THREAD_PAGE).map(|bubble| format!("{}_{}", bubble.at, bubble.id));
            let marks = thread::marks(connection, found.id, first_at)?;
            let package = match &found.package_code {
                Some(code) => package::find(connection, code)?.map(|(_, package)| {
                    json!({"code": package.code, "name": package.name, "departs": package.departs, "days": package.days,
                    "price_idr": package.price_idr, "quota": package.quota, "left": package.seats_left(), "taken": package.seats_taken, "hotel_makkah_m": package.hotel_makkah_m})
                }),
                None => None,
            };
            let labels: Vec<Value> = label::of_contact(connection, found.contact_id)?.into_iter().map(|(name, color)| json!({"name": name, "color": color})).collect();
            let open: Vec<Value> =
                escalation::open(connection, found.id)?.into_iter().map(|(reason, question, at)| json!({"reason": reason, "question": question, "at": at})).collect();
            let touches: Vec<Value> = connection
                .prepare_cached("SELECT code, via, at FROM touch WHERE conversation_id = ?1 ORDER BY id DESC LIMIT 5")?
                .query_map([found.id], |r| Ok(json!({"code": r.get::<_, String>(0)?, "via": r.get::<_, String>(1)?, "at": r.get::<_, i64>(2)?})))?
                .collect::<Result<_, _>>()?;
            let phases: Vec<Value> = connection
                .prepare_cached("SELECT to_phase, min(at) FROM phase_transition WHERE conversation_id = ?1 GROUP BY to_phase")?
                .query_map([found.id], |r| Ok(json!({"phase": r.get::<_, String>(0)?, "at": r.get::<_, i64>(1)?})))?
                .collect::<Result<_, _>>()?;
            let created: i64 = connection.query_row("SELECT created_at FROM conversation WHERE id = ?1", [found.id], |r| r.get(0))?;
            Ok(Some(json!({
                "chat": row, "items": items(&bubbles, marks, zone), "earlier": earlier, "package": package, "labels": labels, "promises": promise::open(connection, found.id)?, "escalations": open, "touches": touches,
                "phase_log": phases, "created_at": created, "party_size": found.party_size, "month": found.month, "chat_id": found.chat_id,
            })))
        })
        .await?
        .ok_or(Refusal::NotFound)?;
    if let (Value::Object(into), Value::Object(from)) = (&mut values, more) {
        into.extend(from);
    }
    if visitor.may(Action::Chat) && values["chat"]["unread"] != 0 && values["chat"]["handler"] == "user" {
        app.store.write(move |tx| conversation::mark_read(tx, id)).await?;
    }
    values["draft"] = json!("");
    values["token"] = json!(crate::kernel::ids::hex(&crate::kernel::ids::random::<12>()));
    values["sent"] = json!(query.sent.is_some());
    Ok(visitor.page(200, "chats.html", "chats", values).await)
}

/// Bubbles, date lines, phase and handover lines in one order.
fn items(bubbles: &[Bubble], marks: Vec<(i64, String, String, String, String)>, zone: chrono_tz::Tz) -> Vec<Value> {
    let mut all: Vec<(i64, Value)> = bubbles.iter().map(|bubble| (bubble.at, json!({"kind": "bubble", "m": bubble}))).collect();
    all.extend(marks.into_iter().map(|(at, kind, from, to, cause)| (at, json!({"kind": kind, "at": at, "from": from, "to": to, "cause": cause}))));
    all.sort_by_key(|(at, _)| *at);
    let mut shown = Vec::with_capacity(all.len() + 4);
    let mut last = None;
    for (at, item) in all {
        let day = date::day_of(at, zone);
        if last != Some(day) {
            last = Some(day);
            shown.push(json!({"kind": "day", "day": day.to_string()}));
        }
        shown.push(item);
    }
    shown
}

/// What the reply box sends.
#[derive(Deserialize)]
pub struct ReplyForm {
    csrf: String,
    text: String,
    token: Option<String>,
}

/// A person's reply.
pub async fn send(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Form(form): Form<ReplyForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &form.csrf)?;
    let id = conversation::parse_id(&id).ok_or(Refusal::NotFound)?;
    let text = form.text.replace("\r\n", "\n");
    let token = form.token.filter(|token| token.len() <= 64).map(|token| format!("{}:{token}", visitor.actor()));
    let reply = Reply { conversation_id: id, text, actor: visitor.actor(), user_id: Some(visitor.session.user.id), token };
    match api::say(&app, reply).await {
        Ok(_) => Ok(see(&format!("/chats/conv_{id}?sent=1#end"))),
        Err(ReplyError::BadText) => Ok(see(&format!("/chats/conv_{id}"))),
        Err(ReplyError::UnknownAccount(_)) => Err(Refusal::Notice(422, "account")),
        Err(ReplyError::NoSuchConversation) => Err(Refusal::NotFound),
        Err(ReplyError::Db(error)) => Err(error.into()),
    }
}

/// A form that carries only its token.
#[derive(Deserialize)]
pub struct Bare {
    pub(super) csrf: String,
}

/// Take over: the bot is silent from here on.
pub async fn take(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Form(form): Form<Bare>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &form.csrf)?;
    let id = conversation::parse_id(&id).ok_or(Refusal::NotFound)?;
    let (user_id, actor) = (visitor.session.user.id, visitor.actor());
    app.store
        .write(move |tx| -> Result<(), StoreError> {
            match handover::assign(tx, id, Some(user_id), None, &actor) {
                // a colleague was quicker: the thread shows who
                Ok(()) | Err(AssignError::Taken(_) | AssignError::NoSuchConversation) => Ok(()),
                Err(AssignError::Db(error)) => Err(error),
            }
        })
        .await?;
    Ok(see(&format!("/chats/conv_{id}#end")))
}

/// Hand back to the bot.
pub async fn release(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Form(form): Form<Bare>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &form.csrf)?;
    let id = conversation::parse_id(&id).ok_or(Refusal::NotFound)?;
    let actor = visitor.actor();
    let asks = app.settings().on("bot.ask_satisfaction");
    app.store.write(move |tx| handover::give_back(tx, id, &actor, asks)).await?;
    Ok(see(&format!("/chats/conv_{id}#end")))
}
