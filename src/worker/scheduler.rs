//! Chores by the clock: settings that another process changed, idle handovers back to the bot, pruning, the
//! gateway's state, LIDs without a phone, and history after a gap.

use super::reconcile;
use crate::app::App;
use crate::chat::assignment::{self, Mode};
use crate::chat::{conversation, experiment, handover, intake, later, mail, notice, outbox, promise, reply};
use crate::db::{StoreError, event};
use crate::people::search;
use crate::wire::smtp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often another process's changes are looked for.
const TICK: Duration = Duration::from_millis(250);
/// Chores of the minute.
const MINUTE: Duration = Duration::from_secs(60);
/// How often the gateway's own state is asked.
const GATEWAY: Duration = Duration::from_secs(30);
/// Deliveries, turns and sends of one tick that leave time for other things.
const QUIET: u64 = 40;
/// Rows pruned at once, so that nobody waits long for the writer.
const PRUNE: usize = 2_000;

/// Runs until the program ends.
pub fn run(app: &Arc<App>) {
    let long_ago = Instant::now().checked_sub(MINUTE * 2).unwrap_or_else(Instant::now);
    let (mut minute, mut gateway) = (long_ago, long_ago);
    let mut watch = reconcile::Watch::default();
    let (mut seen, mut wall_ms) = (0, app.now_ms());
    while !app.is_stopping() {
        match app.refresh_settings() {
            Ok(true) => gateway = long_ago, // perhaps another gateway
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "settings were not read"),
        }
        if let Err(error) = at_once(app, &mut seen) {
            tracing::debug!(%error, "dealing waits for the store");
        }
        // a wall clock that was set forward makes due what was not
        let jumped = app.now_ms() - wall_ms > MINUTE.as_millis() as i64;
        wall_ms = app.now_ms();
        if minute.elapsed() >= MINUTE || jumped {
            minute = Instant::now();
            if let Err(error) = chores(app) {
                tracing::warn!(%error, "chores wait for the store");
            }
        }
        if gateway.elapsed() >= GATEWAY {
            gateway = Instant::now();
            watch.look(app);
        }
        app.chores.wait(TICK);
    }
}

/// What must not wait for the minute: chats are dealt, replies go out at their time, put-off chats come back, the team's phones
/// hear who calls for a person, words become findable.
fn at_once(app: &App, seen: &mut u64) -> Result<(), StoreError> {
    let settings = app.settings();
    let mode = Mode::parse(settings.text("assign.mode"));
    let now = app.now_ms();
    let (hours, limit_ms) = (app.hours(), settings.int("hours.first_answer_min") * 60_000);
    let office = Arc::clone(&hours);
    let (backlog, due, behind, late) = app.store.read_blocking(move |connection| -> Result<_, StoreError> {
        Ok((
            assignment::has_backlog(connection)?,
            conversation::anything_due(connection, now)?,
            search::is_behind(connection)?,
            assignment::late(connection, &office, limit_ms, now)?,
        ))
    })?;
    if !late.is_empty() {
        app.store.write_blocking(move |tx| assignment::tell_late(tx, &late))?;
    }
    if backlog && mode != Mode::Manual {
        let (hours, cap) = (Arc::clone(&hours), settings.int("assign.cap"));
        app.store.write_blocking(move |tx| assignment::deal(tx, mode, &hours, cap))?;
    }
    if due {
        let accounts = settings.accounts();
        app.store.write_blocking(move |tx| -> Result<(), StoreError> {
            later::send_due(tx, &accounts, 100)?;
            conversation::wake_snoozed(tx, 200)
        })?;
    }
    match team(app) {
        Some(to) if app.store.read_blocking(|connection| notice::is_due(connection, app.store.clock.process_ms()))? => app.store.write_blocking(move |tx| notice::tell(tx, &to))?,
        None if app.store.read_blocking(notice::was_on)? => app.store.write_blocking(notice::forget)?,
        _ => {}
    }
    // words wait for a quiet moment: deliveries, turns and sends come first
    let done = app.counters.done();
    let is_quiet = done - std::mem::replace(&mut *seen, done) < QUIET;
    if behind && is_quiet {
        app.store.write_blocking(|tx| search::advance(tx).map(drop))?;
    }
    Ok(())
}

/// Who of the team wants notices; none: nobody.
fn team(app: &App) -> Option<notice::To> {
    let settings = app.settings();
    let mail_domain = smtp::sender_domain(&settings);
    let mails = if mail_domain.is_some() { settings.mails("notify.email") } else { Vec::new() };
    let phones = settings.phones("notify.whatsapp");
    (!phones.is_empty() || !mails.is_empty()).then(|| notice::To {
        phones,
        mails,
        mail_domain: mail_domain.unwrap_or_default(),
        language: settings.language(),
        public_url: settings.text("server.public_url").to_owned(),
    })
}

fn chores(app: &App) -> Result<(), StoreError> {
    let settings = app.settings();
    let resume_ms = settings.int("bot.resume_after_min") * 60_000;
    let today = settings.day_of(app.now_ms()).to_string();
    let raw_days = settings.int("store.raw_days");
    app.store.write_blocking(move |tx| -> Result<(), StoreError> {
        for id in handover::idle(tx, tx.now_ms - resume_ms, 200)? {
            handover::to_bot(tx, id, "system", "idle")?;
        }
        outbox::replan(tx)?;
        event::prune(tx, tx.now_ms, PRUNE)?;
        intake::prune(tx, raw_days, PRUNE)?;
        reply::forget(tx)?;
        mail::forget(tx)?;
        promise::tell_missed(tx, &today)?;
        experiment::look(tx)?;
        Ok(())
    })
}
