//! The turn worker: takes conversations whose quiet window is over, loads their context from one reader, decides,
//! and writes each decision in its own job. One turn per conversation at a time; a newer message runs it again.

use crate::app::App;
use crate::bot::{self, TurnContext};
use crate::chat::conversation::{self, Conversation};
use crate::chat::escalation::Reason;
use crate::chat::turn::{self, Decision, Delivery, Heard};
use crate::db::StoreError;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Conversations in one go.
const BATCH: usize = 48;
/// Longest sleep without a wake.
const IDLE: Duration = Duration::from_secs(5);
/// A turn that broke is tried again after this, ms.
const RETRY_MS: i64 = 3_000;

/// Runs until the program ends.
pub fn run(app: &Arc<App>) {
    while !app.is_stopping() {
        match round(app) {
            Ok(0) => {
                let next = app.store.read_blocking(turn::next_due_at).unwrap_or(None);
                app.turns.wait(next.map_or(IDLE, |due| app.store.clock.until(due, IDLE).max(Duration::from_millis(1))));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(%error, "turns wait for the store");
                std::thread::sleep(Duration::from_millis(500));
            }
        }
    }
}

enum Prepared {
    Decided { context: Box<TurnContext>, decision: Box<Decision> },
    TooMany { id: i64 },
    Broke { id: i64 },
    Nothing { id: i64 },
}

fn round(app: &Arc<App>) -> Result<usize, StoreError> {
    let settings = app.settings();
    if !settings.on("bot.enabled") {
        return Ok(0);
    }
    let now_ms = app.now_ms();
    let prepared = app.store.read_blocking(|connection| -> Result<Vec<Prepared>, StoreError> {
        // one read transaction: the catalogue and every conversation are of the same moment
        let snapshot = connection.unchecked_transaction()?;
        let ids = turn::due(&snapshot, app.store.clock.process_ms(), BATCH)?;
        let limit = settings.int("bot.replies_per_hour");
        let prepared = ids.into_iter().map(|id| prepare(app, &snapshot, id, now_ms, limit)).collect();
        snapshot.finish()?;
        prepared
    })?;
    let count = prepared.len();
    let floor = settings.decimal("bot.confidence_floor");
    // every turn is a job of its own: one that breaks does not take its neighbours along
    let waiting: Vec<_> = prepared
        .into_iter()
        .map(|one| {
            app.store.submit_background(move |tx| match &one {
                Prepared::Decided { context, decision } => {
                    turn::apply(tx, &context.conversation, &context.heard, decision, Delivery::Queue, context.catalog.generation, floor).map(|_| ())
                }
                Prepared::TooMany { id } => turn::stop(tx, *id, Reason::TooManyReplies, ""),
                Prepared::Broke { id } => turn::broke(tx, *id, "panic", RETRY_MS),
                Prepared::Nothing { id } => {
                    tx.execute("UPDATE conversation SET turn_due_at = NULL, answered_id = ifnull(last_in_id, answered_id) WHERE id = ?1", [id])?;
                    Ok(())
                }
            })
        })
        .collect();
    let mut result = Ok(());
    for answer in waiting {
        let done: Result<(), StoreError> = answer.and_then(|receiver| receiver.blocking_recv().unwrap_or(Err(StoreError::Closed)));
        match done {
            Ok(()) => drop(app.counters.turns.fetch_add(1, Ordering::Relaxed)),
            Err(error) => result = Err(error),
        }
    }
    result.map(|()| count)
}

fn prepare(app: &App, connection: &Connection, id: i64, now_ms: i64, limit: i64) -> Result<Prepared, StoreError> {
    let Some(conversation) = conversation::find(connection, id)? else { return Ok(Prepared::Nothing { id }) };
    let heard: Vec<Heard> = turn::heard(connection, &conversation)?;
    if heard.is_empty() || !conversation.by_bot {
        return Ok(Prepared::Nothing { id });
    }
    let (met_before, lately) = turn::replies(connection, id, now_ms - 3_600_000)?;
    if lately >= limit {
        return Ok(Prepared::TooMany { id });
    }
    let context = context(app, connection, conversation, heard, met_before)?;
    match catch_unwind(AssertUnwindSafe(|| bot::decide(&context))) {
        Ok(decision) => Ok(Prepared::Decided { context: Box::new(context), decision: Box::new(decision) }),
        Err(_) => {
            tracing::error!(conversation = id, "deciding a turn panicked");
            Ok(Prepared::Broke { id })
        }
    }
}

/// What a decision about `heard` may look at.
pub fn context(app: &App, connection: &Connection, conversation: Conversation, heard: Vec<Heard>, met_before: bool) -> Result<TurnContext, StoreError> {
    let settings = app.settings();
    Ok(TurnContext {
        conversation,
        heard,
        met_before,
        catalog: app.catalog.at(connection)?,
        today: settings.day_of(app.now_ms()),
        agency: settings.text("agency.name").to_owned(),
        licence: settings.text("agency.licence").to_owned(),
        address: settings.text("agency.address").to_owned(),
        default_language: settings.language(),
        image_caption: settings.on("bot.image_caption"),
    })
}
