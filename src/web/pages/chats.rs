//! Chats: the inbox with its tabs and filters, one thread with its context, and everything that is done with a chat. Live over
//! the socket; without JavaScript the pages are read and written all the same.

use super::{Form, Refusal, Visitor, enter, see};
use crate::app::App;
use crate::chat::assignment::{self, AssignError, Holder};
use crate::chat::inbox::{self, Filter, Tab};
use crate::chat::note::{self, NoteError};
use crate::chat::reply::{self, Reply, ReplyError};
use crate::chat::thread::{self, Bubble};
use crate::chat::{canned, conversation, escalation, handover, later, promise};
use crate::db::{StoreError, event};
use crate::kernel::date;
use crate::people::label::{self, LabelError};
use crate::people::user::Role;
use crate::people::{contact, search, user};
use crate::travel::{booking, package};
use crate::web::api::conversations::{self as api, Asked};
use crate::web::policy::{self, Action};
use axum::Json;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Rows of a page of the list, messages of a page of a thread, and messages found by a search.
const LIST_PAGE: usize = 50;
const THREAD_PAGE: usize = 60;
const HITS: usize = 20;

/// `time_id`, the point a page goes on from.
fn point(text: Option<&str>) -> Option<(i64, i64)> {
    let (at, id) = text?.split_once('_')?;
    Some((at.parse().ok()?, id.parse().ok()?))
}

/// The inbox beside nothing.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap, Query(query): Query<Asked>, Query(more): Query<ThreadQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let mut values = panes(&app, &visitor, &query, None).await?;
    put_away(&app, &visitor, &mut values, &more).await?;
    Ok(visitor.page(200, "chats.html", "chats", values).await)
}

/// When the office opens on the next day.
fn next_morning(app: &App) -> Option<i64> {
    let zone = app.settings().zone;
    app.hours().next_open_ms(date::day_start_ms(date::day_of(app.now_ms(), zone) + chrono::Duration::days(1), zone))
}

/// The chat that was just resolved or put off, and whose it was: another may be open by now.
async fn put_away(app: &App, visitor: &Visitor, values: &mut Value, query: &ThreadQuery) -> Result<(), Refusal> {
    let Some(id) = query.undo.or(query.away) else { return Ok(()) };
    let scope = visitor.scope();
    let found = app.store.read(move |connection| inbox::one(connection, id, &scope)).await?;
    let until = found.as_ref().and_then(|chat| chat.snoozed_until_at).filter(|_| query.away.is_some());
    if query.undo.is_some() || until.is_some() {
        values["undo"] = json!({"id": id, "name": found.and_then(|chat| chat.name.or(chat.phone)), "until": until});
    }
    Ok(())
}

/// The query of an address, without what belongs to one page of it.
fn query_text(asked: &Asked) -> String {
    let parts = [
        ("tab", &asked.tab),
        ("label", &asked.label),
        ("phase", &asked.phase),
        ("campaign", &asked.campaign),
        ("assignee", &asked.assignee),
        ("unread", &asked.unread),
        ("waiting", &asked.waiting),
        ("q", &asked.q),
        ("sort", &asked.sort),
    ];
    let mut text = String::new();
    for (name, value) in parts.into_iter().filter_map(|(name, value)| value.as_deref().filter(|value| !value.is_empty()).map(|value| (name, value))) {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text.push(char::from(byte)),
                other => text.push_str(&format!("%{other:02X}")),
            }
        }
    }
    text
}

async fn panes(app: &Arc<App>, visitor: &Visitor, query: &Asked, open: Option<i64>) -> Result<Value, Refusal> {
    let (caller, scope, now_ms) = (visitor.caller(), visitor.scope(), app.now_ms());
    let mut asked = query.clone();
    if asked.tab.as_deref().is_none_or(|tab| Tab::parse(tab).is_none()) {
        asked.tab = Some("all".into());
    }
    let after = asked.point().unwrap_or(None);
    let user_id = visitor.session.user.id;
    let office = app.hours();
    let limit_ms = app.settings().int("hours.first_answer_min") * 60_000;
    let wanted = asked.clone();
    let values = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            // what an address names wrongly (a label that is gone) is left out, and the page says so
            let (filter, wrong) = match wanted.filter(connection, &caller, scope.clone(), &office, now_ms) {
                Ok(filter) => (filter, false),
                Err(_) => (Filter { tab: wanted.tab.as_deref().and_then(Tab::parse).unwrap_or_default(), ..Filter::all(&caller.actor, scope.clone()) }, true),
            };
            let rows = inbox::page(connection, &filter, after, LIST_PAGE)?;
            let next = inbox::point_after(&filter, &rows, LIST_PAGE).map(|(at, id)| format!("{at}_{id}"));
            let hits = match filter.text.as_deref().filter(|_| after.is_none()) {
                Some(text) => found(connection, text, &scope)?,
                None => Vec::new(),
            };
            let rows: Vec<Value> = rows
                .iter()
                .map(|row| {
                    let mut value = json!(row);
                    // the clock rests while the office is closed
                    let waited_ms = row.waiting_since_at.map(|since| office.between_ms(since, now_ms));
                    value["waited_ms"] = json!(waited_ms);
                    value["late"] = json!(waited_ms.is_some_and(|ms| ms > limit_ms));
                    value
                })
                .collect();
            let tab_count = |tab| inbox::count(connection, &Filter { tab, ..Filter::all(&caller.actor, scope.clone()) });
            let mut views = Vec::new();
            for view in inbox::saved_views(connection, user_id)? {
                let asked: Option<Asked> = axum::extract::Query::try_from_uri(&format!("/?{}", view.query).parse().unwrap_or_default()).ok().map(|Query(asked)| asked);
                let count = match asked.and_then(|asked: Asked| asked.filter(connection, &caller, scope.clone(), &office, now_ms).ok()) {
                    Some(filter) => Some(inbox::count(connection, &filter)?),
                    None => None,
                };
                views.push(json!({"id": view.id, "name": view.name, "query": view.query, "shared": view.shared, "count": count}));
            }
            Ok(json!({
                "rows": rows, "next": next, "hits": hits, "wrong": wrong, "seq": event::last_seq(connection)?, "views": views, "most": inbox::MOST_COUNTED,
                "counts": {"mine": tab_count(Tab::Mine)?, "unclaimed": tab_count(Tab::Unclaimed)?, "waiting": tab_count(Tab::Waiting)?, "handed": tab_count(Tab::Handed)?, "snoozed": tab_count(Tab::Snoozed)?},
                "labels_all": label::all(connection)?, "users": user::list(connection)?.into_iter().filter(|user| user.disabled_at.is_none()).collect::<Vec<_>>(),
                "calls": note::calls_for(connection, user_id)?,
            }))
        })
        .await?;
    let mut values = values;
    let filtered =
        [&asked.label, &asked.phase, &asked.campaign, &asked.assignee, &asked.unread, &asked.waiting].iter().any(|value| value.as_deref().is_some_and(|value| !value.is_empty()));
    values["tab"] = json!(asked.tab);
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    values["asked"] = json!({"label": text(&asked.label), "phase": text(&asked.phase), "campaign": text(&asked.campaign), "assignee": text(&asked.assignee), "unread": text(&asked.unread), "waiting": text(&asked.waiting), "q": text(&asked.q), "sort": text(&asked.sort)});
    values["filtered"] = json!(filtered);
    values["qs"] = json!(query_text(&asked));
    values["qs_plain"] = json!(query_text(&Asked { sort: None, ..asked }));
    values["open_id"] = json!(open);
    Ok(values)
}

/// Messages that hold what was typed, of chats that may be seen.
fn found(connection: &rusqlite::Connection, text: &str, scope: &inbox::Scope) -> Result<Vec<Value>, StoreError> {
    let mut hits = Vec::new();
    for hit in search::messages(connection, text, scope, HITS)? {
        if let Some(row) = inbox::one(connection, hit.conversation_id, scope)? {
            hits.push(json!({"conversation_id": row.id, "contact_id": row.contact_id, "name": row.name, "phone": row.phone, "parts": hit.parts, "at": hit.at, "message_id": hit.message_id}));
        }
    }
    Ok(hits)
}

/// Where a thread goes on, and what just happened.
#[derive(Deserialize, Default)]
pub struct ThreadQuery {
    before: Option<String>,
    sent: Option<String>,
    lost: Option<String>,
    /// A message to show amid its neighbours, as a search found it.
    at: Option<i64>,
    /// A chat that was just resolved.
    undo: Option<i64>,
    /// A chat that was just put off.
    away: Option<i64>,
}

/// One thread, with the inbox beside it.
pub async fn thread(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<ThreadQuery>,
    Query(asked): Query<Asked>,
) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let id = conversation::parse_id(&id).ok_or(Refusal::NotFound)?;
    let given = point(query.before.as_deref());
    let hit = query.at;
    let mut values = panes(&app, &visitor, &Asked { after: None, ..asked }, Some(id)).await?;
    let (zone, scope) = (app.settings().zone, visitor.scope());
    let more = app
        .store
        .read(move |connection| -> Result<Option<Value>, StoreError> {
            let Some(found) = conversation::find(connection, id)? else { return Ok(None) };
            let Some(row) = inbox::one(connection, found.id, &scope)? else { return Ok(None) };
            let before = match hit {
                Some(hit) => thread::point_behind(connection, found.id, hit, THREAD_PAGE / 3)?,
                None => given,
            };
            let bubbles = thread::messages(connection, found.id, before, THREAD_PAGE)?;
            let newest: i64 = connection.prepare_cached("SELECT ifnull(max(id), 0) FROM message WHERE conversation_id = ?1")?.query_row([found.id], |r| r.get(0))?;
            let first_at = bubbles.first().map_or(0, |bubble| bubble.at);
            let last_at = if before.is_some() { bubbles.last().map_or(0, |bubble| bubble.at) } else { i64::MAX };
            let earlier = bubbles.first().filter(|_| bubbles.len() == THREAD_PAGE).map(|bubble| format!("{}_{}", bubble.at, bubble.id));
            let marks: Vec<_> = thread::marks(connection, found.id, first_at)?.into_iter().filter(|mark| mark.0 <= last_at).collect();
            let notes = note::of_conversation(connection, found.id)?;
            let pinned: Vec<&note::Note> = notes.iter().filter(|note| note.pinned).collect();
            let in_page: Vec<&note::Note> = notes.iter().filter(|note| note.at >= first_at && note.at <= last_at).collect();
            let package = match &found.package_code {
                Some(code) => package::find(connection, code)?.map(|(_, package)| {
                    json!({"code": package.code, "name": package.name, "departs": package.departs, "days": package.days,
                    "price_idr": package.price_idr, "quota": package.quota, "left": package.seats_left(), "taken": package.seats_taken + package.seats_booked, "hotel_makkah_m": package.hotel_makkah_m})
                }),
                None => None,
            };
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
            let given: Option<String> = connection
                .prepare_cached("SELECT note FROM handover WHERE conversation_id = ?1 ORDER BY id DESC LIMIT 1")?
                .query_row([found.id], |r| r.get(0))
                .unwrap_or(None);
            let opted_out = contact::find(connection, found.contact_id)?.is_some_and(|contact| contact.opted_out_at.is_some());
            Ok(Some(json!({
                "chat": row, "items": items(&bubbles, marks, &in_page, row.unread, zone), "earlier": earlier, "package": package, "labels": label::of_contact(connection, found.contact_id)?,
                "promises": promise::open(connection, found.id)?, "bookings": booking::of_contact(connection, found.contact_id)?, "escalations": open, "touches": touches, "notes_pinned": pinned, "notes_count": notes.len(),
                "later": later::of_conversation(connection, found.id)?, "phase_log": phases, "created_at": created, "party_size": found.party_size, "month": found.month, "chat_id": found.chat_id,
                "last_seen": newest, "is_old": before.is_some(), "hit": hit, "given_note": given, "opted_out": opted_out,
            })))
        })
        .await?
        .ok_or(Refusal::NotFound)?;
    if let (Value::Object(into), Value::Object(from)) = (&mut values, more) {
        into.extend(from);
    }
    let id = values["chat"]["id"].as_i64().unwrap_or(id);
    app.note_look(&visitor.actor(), values["chat"]["contact_id"].as_i64().unwrap_or(0));
    let (user_id, reads) = (
        visitor.session.user.id,
        visitor.may(Action::Chat)
            && values["chat"]["unread"] != 0
            && values["chat"]["handler"] == "user"
            && (values["chat"]["held_by"].is_null() || values["chat"]["held_by"] == visitor.actor()),
    );
    let called = values["calls"].as_array().is_some_and(|calls| calls.contains(&json!(id)));
    if reads || called {
        app.store
            .write(move |tx| -> Result<(), StoreError> {
                if reads {
                    conversation::mark_read(tx, id)?;
                }
                note::seen(tx, user_id, id)
            })
            .await?;
    }
    let me = visitor.actor();
    values["viewers"] = json!(app.presence.viewers(id).into_iter().filter(|viewer| viewer.actor != me).collect::<Vec<_>>());
    values["token"] = json!(crate::kernel::ids::hex(&crate::kernel::ids::random::<12>()));
    values["sent"] = json!(query.sent.is_some());
    values["lost"] = json!(query.lost);
    put_away(&app, &visitor, &mut values, &query).await?;
    values["may_remove_notes"] = json!(visitor.may(Action::EditLabels));
    values["next_morning"] = json!(next_morning(&app).map(|at| local_input(at, zone)));
    Ok(visitor.page(200, "chats.html", "chats", values).await)
}

/// A time as a `datetime-local` field has it.
fn local_input(at: i64, zone: chrono_tz::Tz) -> String {
    date::rfc3339(at, zone).chars().take(16).collect()
}

/// Bubbles, notes, date lines, phase and handover lines in one order; a line stands before the first message nobody has read.
fn items(bubbles: &[Bubble], marks: Vec<(i64, String, String, String, String)>, notes: &[&note::Note], unread: i64, zone: chrono_tz::Tz) -> Vec<Value> {
    let first_unread = bubbles.iter().rev().filter(|bubble| bubble.direction == "in").take(usize::try_from(unread).unwrap_or(0)).last().map(|bubble| bubble.id);
    let mut all: Vec<(i64, Value)> = bubbles.iter().map(|bubble| (bubble.at, json!({"kind": "bubble", "m": bubble, "first_unread": first_unread == Some(bubble.id)}))).collect();
    all.extend(marks.into_iter().map(|(at, kind, from, to, cause)| (at, json!({"kind": kind, "at": at, "from": from, "to": to, "cause": cause}))));
    all.extend(notes.iter().map(|note| (note.at, json!({"kind": "note", "n": note}))));
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

/// The chat a form is about, if the visitor may write in it.
async fn chat_of(app: &Arc<App>, visitor: &Visitor, id: &str) -> Result<i64, Refusal> {
    let (id, scope) = (conversation::parse_id(id).ok_or(Refusal::NotFound)?, visitor.scope());
    let found = app.store.read(move |connection| inbox::one(connection, id, &scope)).await?;
    found.map(|row| row.id).ok_or(Refusal::NotFound)
}

/// What the reply box sends: a reply, a reply for later, or a note.
#[derive(Deserialize)]
pub struct ReplyForm {
    csrf: String,
    text: String,
    token: Option<String>,
    mode: Option<String>,
    when: Option<String>,
    send_at: Option<String>,
    canned: Option<String>,
    seen: Option<i64>,
    reply_to: Option<String>,
    force: Option<String>,
    qs: Option<String>,
}

fn back(id: i64, qs: Option<&str>, and: &str) -> Response {
    let qs = qs.filter(|qs| qs.len() < 1_000 && qs.bytes().all(|b| b.is_ascii_graphic())).unwrap_or("");
    let joined = [qs, and].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("&");
    see(&format!("/chats/conv_{id}{}{joined}#end", if joined.is_empty() { "" } else { "?" }))
}

/// A person's reply, now or later, or a note.
pub async fn send(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Form(form): Form<ReplyForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &form.csrf)?;
    let id = chat_of(&app, &visitor, &id).await?;
    let text = form.text.replace("\r\n", "\n");
    let actor = visitor.actor();
    if form.mode.as_deref() == Some("note") {
        let token = form.token.filter(|token| token.len() <= 64).map(|token| format!("{actor}:{token}"));
        let kept = app.store.write(move |tx| match &token {
            Some(token) if !reply::first_time(tx, token).map_err(NoteError::Db)? => Ok(None),
            _ => note::add(tx, id, &text, &actor).map(Some),
        });
        return match kept.await {
            Ok(_) | Err(NoteError::BadText) => Ok(back(id, form.qs.as_deref(), "")),
            Err(NoteError::NoSuchConversation) => Err(Refusal::NotFound),
            Err(NoteError::Db(error)) => Err(error.into()),
        };
    }
    let token = form.token.filter(|token| token.len() <= 64).map(|token| format!("{actor}:{token}"));
    let user_id = visitor.session.user.id;
    if form.force.is_none()
        && let Some(seen) = form.seen
        && app.store.read(move |connection| thread::answered_since(connection, id, seen, user_id)).await?.is_some()
    {
        return Err(Refusal::Notice(409, "collision"));
    }
    let ready = form.canned.and_then(|id| id.parse::<i64>().ok());
    let media_id = match ready {
        Some(ready) => app.store.read(move |connection| canned::find(connection, ready)).await?.and_then(|ready| ready.media_id),
        None => None,
    };
    let reply_to = form.reply_to.and_then(|id| id.parse().ok());
    let reply = Reply { conversation_id: id, text, actor, user_id: Some(user_id), token, media_id, reply_to, written_at: None };
    match say(&app, reply, form.send_at.filter(|_| form.when.as_deref() == Some("later"))).await {
        Ok(_) => {
            if let Some(ready) = ready {
                app.store.write(move |tx| canned::used(tx, ready)).await?;
            }
            Ok(back(id, form.qs.as_deref(), "sent=1"))
        }
        Err(ReplyError::BadText) => Ok(back(id, form.qs.as_deref(), "")),
        Err(error) => Err(error.into()),
    }
}

impl From<ReplyError> for Refusal {
    fn from(error: ReplyError) -> Self {
        match error {
            ReplyError::BadTime => Self::Notice(422, "time"),
            ReplyError::UnknownAccount(_) => Self::Notice(422, "account"),
            ReplyError::NotQuotable => Self::Notice(422, "quote"),
            ReplyError::NoSuchConversation | ReplyError::BadText => Self::NotFound,
            ReplyError::Db(error) => error.into(),
        }
    }
}

/// Says it now, or at the time a form named.
async fn say(app: &Arc<App>, reply: Reply, send_at: Option<String>) -> Result<Option<i64>, ReplyError> {
    let Some(send_at) = send_at else { return api::say(app, reply).await };
    let settings = app.settings();
    let send_at = date::parse_instant(&send_at.replace('T', " "), settings.zone).unwrap_or(0);
    let accounts = settings.accounts();
    app.store.write(move |tx| later::keep(tx, &reply, send_at, &accounts)).await
}

/// Largest file a person may send, bytes: WhatsApp's own limit for documents is higher, a phone's patience is not.
pub const MAX_FILE: usize = 16 << 20;

/// A file with words beneath it.
pub async fn send_file(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, form: Multipart) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    let id = chat_of(&app, &visitor, &id).await?;
    let (sent, file) = super::files::sent(form).await?;
    let given = |name: &str| sent.get(name).filter(|value| !value.is_empty()).cloned();
    visitor.check(&headers, sent.get("csrf").map_or("", String::as_str))?;
    if given("mode").as_deref() == Some("note") {
        return Err(Refusal::Notice(422, "notefile"));
    }
    let Some((file_name, bytes)) = file else { return Ok(back(id, None, "")) };
    let (actor, user_id) = (visitor.actor(), visitor.session.user.id);
    if given("force").is_none()
        && let Some(seen) = given("seen").and_then(|seen| seen.parse::<i64>().ok())
        && app.store.read(move |connection| thread::answered_since(connection, id, seen, user_id)).await?.is_some()
    {
        return Err(Refusal::Notice(409, "collision"));
    }
    let media_id = super::files::keep(&app, &file_name, &bytes).await?;
    let token = given("token").filter(|token| token.len() <= 64).map(|token| format!("{actor}:{token}"));
    let reply_to = given("reply_to").and_then(|id| id.parse().ok());
    let text = given("text").unwrap_or_default().replace("\r\n", "\n");
    let reply = Reply { conversation_id: id, text, actor, user_id: Some(user_id), token, media_id: Some(media_id), reply_to, written_at: None };
    say(&app, reply, given("send_at").filter(|_| given("when").as_deref() == Some("later"))).await?;
    Ok(back(id, given("qs").as_deref(), "sent=1"))
}

/// A form that carries only its token.
#[derive(Deserialize)]
pub struct Bare {
    pub(super) csrf: String,
    qs: Option<String>,
}

/// Take over: the bot is silent from here on.
pub async fn take(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Form(form): Form<Bare>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &form.csrf)?;
    let id = conversation::parse_id(&id).ok_or(Refusal::NotFound)?;
    let who = Holder::user(visitor.session.user.id);
    match app.store.write(move |tx| assignment::claim(tx, id, &who)).await {
        Ok(_) => Ok(back(id, form.qs.as_deref(), "")),
        // a colleague was quicker: the thread says who, or the inbox for those who may not see it any more
        Err(AssignError::Taken { actor, .. }) if visitor.scope().sees(Some(&actor)) => Ok(back(id, form.qs.as_deref(), "lost=1")),
        Err(AssignError::Taken { .. }) => Err(Refusal::Notice(409, "taken")),
        Err(AssignError::NoSuchConversation | AssignError::NoSuchUser(_)) => Err(Refusal::NotFound),
        Err(AssignError::Db(error)) => Err(error.into()),
    }
}

/// Hand back to the bot.
pub async fn release(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Form(form): Form<Bare>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &form.csrf)?;
    let id = chat_of(&app, &visitor, &id).await?;
    let actor = visitor.actor();
    let asks = app.settings().on("bot.ask_satisfaction");
    app.store.write(move |tx| handover::give_back(tx, id, &actor, asks, "released")).await?;
    Ok(back(id, form.qs.as_deref(), ""))
}

/// What is done with a chat, by name.
#[derive(Deserialize)]
pub struct Deed {
    csrf: String,
    what: String,
    /// An hour, a day, a user, a label, a note: whatever the deed is about.
    with: Option<String>,
    qs: Option<String>,
}

/// Gives it to a colleague, puts it off, pins it, marks it unread, says it is done; labels and notes.
pub async fn act(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>, Form(deed): Form<Deed>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &deed.csrf)?;
    let id = chat_of(&app, &visitor, &id).await?;
    let (actor, with) = (visitor.actor(), deed.with.unwrap_or_default());
    let qs = deed.qs.as_deref();
    match deed.what.as_str() {
        "assign" => {
            let done = app.store.write(move |tx| -> Result<(), AssignError> {
                match with.parse::<i64>() {
                    Ok(user_id) if user::list(tx)?.iter().any(|user| user.id == user_id && user.disabled_at.is_none() && user.role != Role::Viewer) => {
                        assignment::give(tx, id, &Holder::user(user_id), None, &actor)
                    }
                    _ => assignment::put_back(tx, id, &actor),
                }
            });
            match done.await {
                Ok(()) => {}
                Err(AssignError::Db(error)) => return Err(error.into()),
                Err(_) => return Err(Refusal::NotFound),
            }
        }
        "snooze" => {
            let (now, office, zone) = (app.now_ms(), app.hours(), app.settings().zone);
            let tomorrow = date::day_start_ms(date::day_of(now, zone) + chrono::Duration::days(1), zone);
            let until = match with.as_str() {
                "wake" => None,
                "tomorrow" => Some(office.next_open_ms(tomorrow).unwrap_or(tomorrow + 8 * 3_600_000)),
                hours => Some(now + hours.parse::<i64>().ok().filter(|hours| (1..=24 * 30).contains(hours)).unwrap_or(1) * 3_600_000),
            };
            let next = if until.is_some() { Some(next_after(&app, &visitor, id, qs, "away").await?) } else { None };
            app.store.write(move |tx| conversation::snooze(tx, id, until, &actor)).await?;
            if let Some(next) = next {
                return Ok(next);
            }
        }
        "reopen" => {
            let who = Holder::user(visitor.session.user.id);
            match app.store.write(move |tx| assignment::claim(tx, id, &who)).await {
                Ok(_) | Err(AssignError::Taken { .. }) => {}
                Err(AssignError::Db(error)) => return Err(error.into()),
                Err(_) => return Err(Refusal::NotFound),
            }
        }
        "pin" | "unpin" => app.store.write(move |tx| conversation::pin(tx, id, deed.what == "pin")).await?,
        "unread" => {
            app.store.write(move |tx| conversation::mark_unread(tx, id)).await?;
            return Ok(see(&format!("/chats?{}", qs.unwrap_or(""))));
        }
        "resolve" => {
            let asks = app.settings().on("bot.ask_satisfaction");
            let next = next_after(&app, &visitor, id, qs, "undo").await?; // before it leaves its place in the list
            app.store.write(move |tx| conversation::resolve(tx, id, &actor, asks)).await?;
            return Ok(next);
        }
        "label" | "unlabel" => {
            let added = deed.what == "label";
            let done = app
                .store
                .write(move |tx| -> Result<(), LabelError> {
                    let Some(found) = conversation::find(tx, id)? else { return Ok(()) };
                    let known = if added { label::by_name(tx, &with)? } else { label::named(tx, &with)? };
                    let label = match known {
                        Some(label) => label,
                        None if added => label::create(tx, &with, None, &actor)?,
                        None => return Err(LabelError::NoSuchLabel),
                    };
                    label::set(tx, found.contact_id, label.id, added, "dashboard", &actor).map(drop)
                })
                .await;
            match done {
                Ok(()) => {}
                Err(LabelError::Db(error)) => return Err(error.into()),
                Err(_) => return Err(Refusal::Notice(422, "label")),
            }
        }
        "note-pin" | "note-unpin" | "note-remove" => {
            let note_id: i64 = with.parse().map_err(|_| Refusal::NotFound)?;
            let (what, any_note) = (deed.what.clone(), visitor.may(Action::EditLabels));
            let done = app.store.write(move |tx| match what.as_str() {
                "note-remove" => note::remove(tx, id, note_id, &actor, !any_note),
                other => note::pin(tx, id, note_id, other == "note-pin", &actor),
            });
            match done.await {
                Ok(()) => {}
                Err(NoteError::Db(error)) => return Err(error.into()),
                Err(_) => return Err(Refusal::NotFound),
            }
        }
        "call-off" => {
            let later_id: i64 = with.parse().map_err(|_| Refusal::NotFound)?;
            app.store.write(move |tx| later::call_off(tx, id, later_id, &actor)).await?;
        }
        _ => return Err(Refusal::Foreign), // none of our forms says that
    }
    Ok(back(id, qs, ""))
}

/// The next chat below this one, in the list it was opened from, that still wants a person; else the first such; else the
/// list. Chats that somebody else holds are his. `done`: by what name the next page hears of this one, so that it can be
/// taken back.
async fn next_after(app: &Arc<App>, visitor: &Visitor, id: i64, qs: Option<&str>, done: &str) -> Result<Response, Refusal> {
    let qs = qs.unwrap_or("");
    let asked = format!("/?{qs}").parse().ok().and_then(|uri| Query::<Asked>::try_from_uri(&uri).ok()).map(|Query(asked)| asked).unwrap_or_default();
    let (caller, scope, office, now_ms, me) = (visitor.caller(), visitor.scope(), app.hours(), app.now_ms(), visitor.actor());
    let next = app
        .store
        .read(move |connection| -> Result<Option<i64>, StoreError> {
            let Ok(filter) = asked.filter(connection, &caller, scope, &office, now_ms) else { return Ok(None) };
            let rows = inbox::page(connection, &filter, None, LIST_PAGE)?;
            let below = rows.iter().position(|row| row.id == id).map_or(0, |at| at + 1);
            let wanted = |row: &&inbox::Listed| {
                row.id != id
                    && row.held_by.as_ref().is_none_or(|holder| *holder == me)
                    && row.resolved_at.is_none()
                    && (row.handler == "user" || row.waiting_since_at.is_some() || row.unread > 0)
            };
            Ok(rows[below..].iter().find(wanted).or_else(|| rows.iter().find(wanted)).map(|row| row.id))
        })
        .await?;
    let and = format!("{done}={id}");
    Ok(match next {
        Some(next) => back(next, Some(qs), &and),
        None => see(&format!("/chats?{qs}{}{and}", if qs.is_empty() { "" } else { "&" })),
    })
}

/// Answers kept ready, filled in for this chat: asked for by the reply box when a `/` is typed.
pub async fn ready(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    let id = chat_of(&app, &visitor, &id).await?;
    let (scope, cs, agency) = (visitor.scope(), visitor.session.user.name.clone(), app.settings().text("agency.name").to_owned());
    let found = app
        .store
        .read(move |connection| -> Result<Vec<Value>, StoreError> {
            let row = inbox::one(connection, id, &scope)?;
            let package = match conversation::find(connection, id)?.and_then(|found| found.package_code) {
                Some(code) => package::find(connection, &code)?.map(|(_, package)| package.name),
                None => None,
            };
            let known = json!({"nama": row.and_then(|row| row.name), "cs": cs, "paket": package, "biro": agency});
            Ok(canned::all(connection)?
                .into_iter()
                .map(|ready| json!({"id": ready.id, "shortcut": ready.shortcut, "text": canned::fill(&ready.text, &known), "file": ready.file_name}))
                .collect())
        })
        .await?;
    Ok(Json(found).into_response())
}

/// A filter to keep under a name, or one to forget.
#[derive(Deserialize)]
pub struct ViewForm {
    csrf: String,
    name: Option<String>,
    query: Option<String>,
    shared: Option<String>,
    remove: Option<i64>,
}

/// Saves a view of the inbox, or takes one away.
pub async fn save_view(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<ViewForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Chat).await?;
    visitor.check(&headers, &form.csrf)?;
    let (user_id, may_share) = (visitor.session.user.id, policy::may(visitor.session.user.role, Action::EditLabels));
    let query = form.query.filter(|query| query.len() < 1_000 && query.bytes().all(|b| b.is_ascii_graphic())).unwrap_or_default();
    let to = format!("/chats?{query}");
    let name = form.name.as_deref().and_then(crate::kernel::text::clean_name).map(|name| name.chars().take(40).collect::<String>());
    let shared = form.shared.is_some() && may_share;
    app.store
        .write(move |tx| -> Result<(), StoreError> {
            if let Some(id) = form.remove {
                tx.execute("DELETE FROM saved_view WHERE id = ?1 AND (user_id = ?2 OR (user_id IS NULL AND ?3))", (id, user_id, may_share))?;
            } else if let Some(name) = &name {
                tx.execute("INSERT INTO saved_view (user_id, name, query, at) VALUES (?1, ?2, ?3, ?4)", ((!shared).then_some(user_id), name, &query, tx.now_ms))?;
            }
            Ok(())
        })
        .await?;
    Ok(see(&to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::media;

    #[test]
    fn a_query_keeps_what_was_asked() {
        let asked = Asked { tab: Some("waiting".into()), label: Some("Grade A & B".into()), q: Some("\"><script>".into()), ..Asked::default() };
        assert_eq!(query_text(&asked), "tab=waiting&label=Grade%20A%20%26%20B&q=%22%3E%3Cscript%3E");
        assert_eq!(query_text(&Asked::default()), "");
    }

    #[test]
    fn media_limits_are_the_fetchers_too() {
        assert!(MAX_FILE as u64 <= media::MAX_BYTES);
    }
}
