//! The outbox and its dead letters: what waits, what went wrong in plain words, Retry and Discard.

use super::{Form, Refusal, enter, see};
use crate::app::{App, LineState};
use crate::chat::{intake, outbox, quarantine};
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::web::api::webhook;
use crate::web::policy::Action;
use crate::worker::reconcile;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};

/// Rows of a page.
const PAGE: i64 = 100;

/// Which rows.
#[derive(Deserialize, Default)]
pub struct QueueQuery {
    tab: Option<String>,
    before: Option<i64>,
    still: Option<String>,
}

const ROW: &str = "SELECT o.id, o.conversation_id, o.state, o.attempts, o.last_cause, o.due_at, o.sent_at, o.created_at, m.kind, m.text, m.author, o.priority, o.channel_id,
    ifnull(c.name, (SELECT '+' || value FROM identity i WHERE i.contact_id = c.id AND i.kind = 'phone' LIMIT 1)), v.held_by FROM outbox o JOIN message m ON m.id = o.message_id
    JOIN conversation v ON v.id = o.conversation_id JOIN contact c ON c.id = v.contact_id";

/// The page.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap, Query(query): Query<QueueQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let tab = match query.tab.as_deref() {
        Some("waiting") => "waiting",
        Some("sent") => "sent",
        Some("unread") if visitor.may(Action::Administer) => "unread",
        _ => "dead",
    };
    let (before, scope) = (query.before.unwrap_or(i64::MAX), visitor.scope());
    let now_process = app.store.clock.process_ms();
    let (mut rows, counts) = app
        .store
        .read(move |connection| -> Result<(Vec<Value>, Value), StoreError> {
            let quarantined = quarantine::count(connection)?;
            let filter = match tab {
                "waiting" => " WHERE o.is_open = 1 AND o.id < ?1 ORDER BY o.id DESC LIMIT ?2",
                "sent" => " WHERE o.state IN ('accepted', 'delivered', 'read') AND o.id < ?1 ORDER BY o.id DESC LIMIT ?2",
                _ => " WHERE o.is_dead = 1 AND o.id < ?1 ORDER BY o.id DESC LIMIT ?2",
            };
            let sql = [ROW, filter].concat();
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = if tab == "unread" {
                quarantine::list(connection, before, PAGE)?.into_iter().map(|row| json!(row)).collect()
            } else {
                statement
                .query_map((before, PAGE), |row| {
                    let text: Option<String> = row.get(9)?;
                    Ok(json!({
                        "id": row.get::<_, i64>(0)?, "conversation_id": row.get::<_, i64>(1)?, "state": row.get::<_, String>(2)?, "attempts": row.get::<_, i64>(3)?,
                        "cause": row.get::<_, Option<String>>(4)?, "wait_s": ((row.get::<_, i64>(5)? - now_process) / 1000).max(0), "sent_at": row.get::<_, Option<i64>>(6)?,
                        "created_at": row.get::<_, i64>(7)?, "kind": row.get::<_, String>(8)?, "text": text.map(|text| crate::kernel::text::preview(&text, 140)),
                        "author": row.get::<_, String>(10)?, "priority": row.get::<_, i64>(11)?, "name": row.get::<_, Option<String>>(13)?, "held_by": row.get::<_, Option<String>>(14)?, "channel_id": row.get::<_, i64>(12)?,
                    }))
                })?
                .collect::<Result<Vec<_>, _>>()?
            };
            let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
            let counts = json!({
                "dead": count("SELECT count(*) FROM outbox WHERE is_dead = 1")?,
                "waiting": count("SELECT count(*) FROM outbox WHERE is_open = 1")?,
                "unread": quarantined,
            });
            Ok((rows, counts))
        })
        .await?;
    let next = rows.last().filter(|_| rows.len() as i64 == PAGE).map(|row| row["id"].clone());
    rows.retain(|row| scope.sees(row["held_by"].as_str()));
    let open: Vec<(i64, LineState)> = app.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|(_, line)| line.open).map(|(id, line)| (*id, line.clone())).collect();
    // a row that was never tried waits for its gateway, for the gateway's reason
    for row in rows.iter_mut().filter(|row| row["state"] == "due" && row["cause"].is_null()) {
        row["cause"] = open.iter().find(|(id, _)| row["channel_id"] == *id).map_or(Value::Null, |(_, line)| line.cause.clone().into());
    }
    let lines: Vec<Value> = open.iter().map(|(_, line)| json!(line)).collect();
    Ok(visitor.page(200, "queue.html", "queue", json!({"tab": tab, "rows": rows, "counts": counts, "next": next, "lines": lines, "still": query.still.is_some()})).await)
}

/// What a person does with a row of the outbox: [`outbox::retry`] or [`outbox::discard`].
type Step = fn(&Tx<'_>, &str, i64) -> Result<bool, StoreError>;

/// Does it, if he may see the chat the row is for.
async fn act(app: &Arc<App>, headers: &HeaderMap, id: i64, form: &Act, step: Step) -> Result<Response, Refusal> {
    let visitor = enter(app, headers, Action::Chat).await?;
    visitor.check(headers, &form.csrf)?;
    let (actor, scope) = (visitor.actor(), visitor.scope());
    let seen = app
        .store
        .write(move |tx| -> Result<bool, StoreError> {
            let seen = outbox::holder(tx, id)?.is_some_and(|holder| scope.sees(holder.as_deref()));
            if seen {
                step(tx, &actor, id)?;
            }
            Ok(seen)
        })
        .await?;
    if seen { Ok(see(back(form.back.as_deref()).as_str())) } else { Err(Refusal::NotFound) }
}

/// Once more.
pub async fn retry(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(form): Form<Act>) -> Result<Response, Refusal> {
    act(&app, &headers, id, &form, outbox::retry).await
}

/// Never mind.
pub async fn discard(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(form): Form<Act>) -> Result<Response, Refusal> {
    act(&app, &headers, id, &form, outbox::discard).await
}

/// Reads a quarantined delivery again.
pub async fn read_again(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(form): Form<Act>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &form.csrf)?;
    let bytes = app.store.read(move |connection| quarantine::body(connection, id)).await?.ok_or(Refusal::NotFound)?;
    let settings = app.settings();
    let Ok(delivery) = webhook::read_again(&bytes, &settings) else {
        return Ok(see("/queue?tab=unread&still=1"));
    };
    let actor = visitor.actor();
    let rules = intake::Rules { quiet_ms: settings.on("bot.enabled").then(|| settings.int("bot.quiet_ms")), stale_after_ms: Some(reconcile::STALE_MS) };
    app.store
        .write(move |tx| -> Result<(), StoreError> {
            if quarantine::remove(tx, &actor, id, "webhook.read_again")? {
                intake::take(tx, &delivery, &bytes, rules)?;
            }
            Ok(())
        })
        .await?;
    Ok(see("/queue?tab=unread"))
}

/// Throws a quarantined delivery away.
pub async fn throw_away(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(form): Form<Act>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    visitor.check(&headers, &form.csrf)?;
    let actor = visitor.actor();
    app.store.write(move |tx| quarantine::remove(tx, &actor, id, "webhook.thrown_away")).await?;
    Ok(see("/queue?tab=unread"))
}

/// A button's form: its token, and the page to go back to.
#[derive(Deserialize)]
pub struct Act {
    csrf: String,
    back: Option<String>,
}

/// Only our own pages: a path, never an address.
fn back(given: Option<&str>) -> String {
    given.filter(|path| path.starts_with("/chats/conv_") && path.len() < 40).map_or_else(|| "/queue".to_owned(), str::to_owned)
}
