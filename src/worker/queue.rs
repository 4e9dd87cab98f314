//! The queue thread: one per number. It claims what is due, commits, hands the calls to the senders, and writes down
//! what came of them. It never sleeps holding work: pacing, typing and retries are due times.

use super::breaker::Breaker;
use super::senders::{Senders, Task};
use super::simulator;
use crate::app::{App, LineState, Wake};
use crate::bot::reply::Recipe;
use crate::chat::channel::{self, Channel};
use crate::chat::escalation::{self, Reason};
use crate::chat::outbox::{self, Item};
use crate::chat::{media, turn};
use crate::db::StoreError;
use crate::db::setting::Settings;
use crate::db::writer::Tx;
use crate::kernel::ids;
use crate::wire::gateway::{Ids, LookOutcome, Outbound, SendOutcome};
use crate::wire::waha_api::Waha;
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel as pipe};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Rows claimed in one transaction.
const BATCH: usize = 32;
/// Calls that wait behind others for longer than this get hands of their own.
const SPREAD: Duration = Duration::from_millis(3);
/// Wait where something is due and nothing could be done about it.
const STALLED: Duration = Duration::from_millis(250);
/// Wait before the gateway is asked again whose message ids count.
const IDS_AGAIN: Duration = Duration::from_secs(2);
/// Times it is asked before its session works.
const MOST_IDS_ASKS: u32 = 5;
/// Calls for "typing…" at once on one number.
const TYPISTS: usize = 3;
/// Longest sleep without a wake.
const IDLE: Duration = Duration::from_secs(2);
/// After the send timeout a call may still be under way inside the gateway for this long, ms.
const SETTLE_MARGIN_MS: i64 = 5_000;
/// The same after a connection that was closed without an answer.
const CLOSED_MARGIN_MS: i64 = 8_000;
/// Longest wait between two tries of a row while others get through, ms.
const LIVELY_WAIT_MS: i64 = 10_000;
/// Lookups without a clear answer before a row is parked.
const MOST_LOOKUPS: i64 = 6;
/// Sends of one row with unknown fate before it is parked.
const MOST_UNKNOWN: i64 = 15;
/// How fast a person types on a phone, characters a second, and the bounds of the show, ms.
const TYPING_CPS: u64 = 18;
const TYPING_MS: (u64, u64) = (900, 7_000);

/// Starts a queue thread for every number there is or comes to be, until the program ends.
pub fn manage(app: &Arc<App>) {
    let senders = Arc::new(Senders::default());
    let manager = Arc::new(Wake::default());
    app.queues.lock().unwrap_or_else(PoisonError::into_inner).insert(0, Arc::clone(&manager));
    let mut threads = Vec::new();
    let mut running = HashSet::new();
    while !app.is_stopping() {
        for channel in app.store.read_blocking(channel::list).unwrap_or_default() {
            if running.insert(channel.id) {
                let wake = Arc::new(Wake::default());
                app.queues.lock().unwrap_or_else(PoisonError::into_inner).insert(channel.id, Arc::clone(&wake));
                let (app, senders) = (Arc::clone(app), Arc::clone(&senders));
                let name = format!("queue-{}", channel.id);
                let work = move || {
                    while !app.is_stopping() {
                        let run = std::panic::AssertUnwindSafe(|| Line::new(&app, channel.id, &wake, &senders).run());
                        if std::panic::catch_unwind(run).is_err() {
                            tracing::error!(channel = channel.id, "the queue thread panicked; starting again from the rows");
                            std::thread::sleep(Duration::from_secs(1));
                        }
                    }
                };
                threads.push(std::thread::Builder::new().name(name).spawn(work).expect("a thread can be started"));
            }
        }
        manager.wait(IDLE);
    }
    for thread in threads {
        let _ = thread.join(); // panics were logged
    }
}

/// What a call came to.
#[derive(Clone)]
enum Report {
    Sent(i64, SendOutcome),
    Looked(i64, LookOutcome),
    /// Whose ids count; `None` inside: not to be told yet.
    Ids(Result<Option<Ids>, String>),
}

/// Where messages of a number go.
#[derive(Clone)]
enum Gateway {
    Simulator,
    Waha(Box<Waha>),
    /// Nothing is configured: rows wait.
    None,
}

/// One number's line.
struct Line<'a> {
    app: &'a Arc<App>,
    channel_id: i64,
    wake: &'a Arc<Wake>,
    senders: &'a Senders,
    reports: (Sender<Report>, Receiver<Report>),
    inflight: usize,
    ids: Ids,
    ids_asked: bool,
    breaker: Breaker,
    /// The next free time for a send (pacing), process clock, ms.
    slot_at: i64,
    /// Nothing new is begun before this, process clock, ms: the next message's typing would be too long.
    begin_at: i64,
    /// When messages whose typing is shown go out, and their rows: their slots are taken already. A hint; the rows are
    /// what counts.
    typed: BTreeSet<(i64, i64)>,
    typists: Senders,
    /// The gateway was asked in vain whose ids count; not again before this.
    ids_again: Option<Instant>,
    ids_asks: u32,
    broadcasts: Broadcasts,
    status_at: Option<i64>,
    unwritten: Vec<Report>,
}

/// How broadcasts are paced on one number: a gap after each, a rest after some dozens.
#[derive(Default)]
struct Broadcasts {
    /// None before this, process clock, ms.
    at: i64,
    /// Until the next rest; 0: not drawn yet.
    left: u64,
}

impl Broadcasts {
    fn sent(&mut self, now: i64, settings: &Settings) {
        let draw = |key| {
            let (low, high) = settings.range_ms(key);
            ids::draw(low, high)
        };
        if self.left == 0 {
            self.left = draw("queue.broadcast_break_after").max(1);
        }
        self.left -= 1;
        let wait = if self.left == 0 { draw("queue.broadcast_break_ms").max(draw("queue.broadcast_gap_ms")) } else { draw("queue.broadcast_gap_ms") };
        self.at = now + i64::try_from(wait).unwrap_or(i64::MAX / 4);
    }
}

impl<'a> Line<'a> {
    fn new(app: &'a Arc<App>, channel_id: i64, wake: &'a Arc<Wake>, senders: &'a Senders) -> Self {
        Self {
            app,
            channel_id,
            wake,
            senders,
            reports: pipe(),
            inflight: 0,
            ids: Ids::Unknown,
            ids_asked: false,
            breaker: Breaker::default(),
            slot_at: 0,
            begin_at: 0,
            typed: BTreeSet::new(),
            typists: Senders::of(TYPISTS),
            ids_again: None,
            ids_asks: 0,
            broadcasts: Broadcasts::default(),
            status_at: None,
            unwritten: Vec::new(),
        }
    }

    fn run(&mut self) {
        // rows found `sending` belong to an earlier life of this thread or of the program
        let timeout_ms = self.app.settings().int("queue.send_timeout_ms");
        let channel_id = self.channel_id;
        let recovered = self.app.store.write_blocking(move |tx| outbox::recover_channel(tx, channel_id, timeout_ms, SETTLE_MARGIN_MS));
        if let Err(error) = recovered {
            tracing::warn!(%error, "the queue waits for the store");
            std::thread::sleep(Duration::from_secs(1));
            return;
        }
        while !self.app.is_stopping() {
            match self.round() {
                Ok(wait) if wait.is_zero() => {}
                Ok(wait) if self.senders.can_spread() => {
                    self.wake.wait(wait.min(SPREAD));
                    self.senders.spread();
                }
                Ok(wait) => self.wake.wait(wait),
                Err(error) => {
                    tracing::warn!(%error, "the queue waits for the store");
                    self.wake.wait(Duration::from_millis(500));
                }
            }
        }
        self.drain();
    }

    /// A gateway that takes other messages will take this one soon: its customer does not wait out the whole backoff.
    fn longest_wait_ms(&self) -> i64 {
        if self.breaker.is_lively(Instant::now()) { LIVELY_WAIT_MS } else { i64::MAX / 4 }
    }

    /// Before the end: what is under way gets its outcome written down; what takes too long is settled after the next start.
    fn drain(&mut self) {
        let until = Instant::now() + Duration::from_secs(8);
        while self.inflight > 0 && Instant::now() < until {
            self.senders.spread();
            match self.reports.1.recv_timeout(Duration::from_millis(200)) {
                Ok(report) => {
                    let reports = self.note(vec![report]);
                    let timeout_ms = self.app.settings().int("queue.send_timeout_ms");
                    let longest_ms = self.longest_wait_ms();
                    let done = self.app.store.write_blocking(move |tx| record(tx, &reports, timeout_ms, longest_ms));
                    if let Err(error) = done {
                        tracing::warn!(%error, "an outcome could not be written; it will be looked up after the next start");
                    }
                }
                Err(_) => continue,
            }
        }
    }

    /// Does what can be done now; returns how long to wait for more.
    fn round(&mut self) -> Result<Duration, StoreError> {
        let app = self.app;
        let settings = app.settings();
        let mut reports: Vec<Report> = self.reports.1.try_iter().collect();
        reports = self.note(reports);
        let nothing_to_write = reports.is_empty() && self.unwritten.is_empty();
        let process_ms = app.store.clock.process_ms();
        let (channel_id, broadcasts_at) = (self.channel_id, self.broadcasts.at);
        let (channel, next_due) =
            app.store.read_blocking(|c| -> Result<_, StoreError> { Ok((channel::find(c, channel_id)?, outbox::next_due_at(c, channel_id, broadcasts_at)?)) })?;
        let Some(channel) = channel else { return Ok(IDLE) };
        if self.status_at != channel.status_at {
            self.status_at = channel.status_at;
            if channel.status == "WORKING" && self.ids == Ids::Theirs {
                (self.ids, self.ids_asks) = (Ids::Unknown, 0);
            }
            if channel.status == "WORKING" && self.breaker.is_open() {
                self.breaker.close();
                self.tell_line();
            }
        }
        let gateway = gateway_of(app, &settings, &channel);
        if matches!(gateway, Gateway::None) && nothing_to_write {
            return Ok(IDLE);
        }
        if self.ids == Ids::Unknown {
            match &gateway {
                Gateway::Waha(waha) if next_due.is_some() && self.may_ask_ids() => self.ask_ids((**waha).clone()),
                Gateway::Waha(_) => {}
                _ => self.ids = Ids::Ours,
            }
        }
        let free = super::senders::MOST.saturating_sub(self.inflight).min(BATCH);
        let paced = settings.range_ms("queue.reply_gap_ms").1 > 0;
        let typing = settings.on("queue.typing");
        // something new may begin when its typing, at its longest, would end with the next free slot
        let begins_at = if typing { (self.slot_at - TYPING_MS.1 as i64).max(self.begin_at) } else { self.slot_at };
        let typed_at = self.typed.first().map(|(at, _)| *at);
        let slot_open = !paced || process_ms >= begins_at || typed_at.is_some_and(|at| process_ms >= at);
        let ready = self.ids != Ids::Unknown && free > 0 && next_due.is_some_and(|due| due <= process_ms) && self.breaker.allows(Instant::now());
        if nothing_to_write && !(ready && slot_open) {
            let mut wait = next_due.map_or(IDLE, |due| app.store.clock.until(due, IDLE)).max(Duration::from_millis(1));
            if !slot_open {
                wait = wait.max(app.store.clock.until(typed_at.map_or(begins_at, |at| at.min(begins_at)), IDLE));
            }
            if self.breaker.is_open() || self.ids == Ids::Unknown || free == 0 {
                wait = wait.max(Duration::from_millis(200));
            }
            return Ok(wait);
        }
        let limit = if !ready {
            0
        } else if self.breaker.is_open() {
            1
        } else {
            free
        };
        let plan = Plan {
            limit,
            pace: if paced { Some(settings.range_ms("queue.reply_gap_ms")) } else { None },
            slot_at: self.slot_at,
            typed: self.typed.iter().take_while(|(at, _)| *at <= process_ms).map(|(_, id)| *id).collect(),
            mint: self.ids == Ids::Ours,
            broadcasts: match (process_ms >= self.broadcasts.at, settings.range_ms("queue.broadcast_gap_ms").1) {
                (false, _) => 0,
                (true, 0) => limit,
                (true, _) => 1, // the next one waits its gap
            },
            typing,
            channel,
            settings: Arc::clone(&settings),
            timeout_ms: settings.int("queue.send_timeout_ms"),
            longest_ms: self.longest_wait_ms(),
        };
        let shared = Arc::clone(app);
        // kept until they are written: an outcome that is lost would strand its row
        self.unwritten.extend(reports);
        let outcomes = Arc::new(std::mem::take(&mut self.unwritten));
        let theirs = Arc::clone(&outcomes);
        let done = app.store.write_blocking(move |tx| {
            record(tx, &theirs, plan.timeout_ms, plan.longest_ms)?;
            claim(tx, &shared, &plan)
        });
        let work = match done {
            Ok(work) => work,
            Err(error) => {
                self.unwritten = Arc::try_unwrap(outcomes).unwrap_or_else(|shared| shared.to_vec());
                return Err(error);
            }
        };
        let busy = !work.sends.is_empty() || !work.looks.is_empty() || !work.typings.is_empty() || work.settled > 0 || !outcomes.is_empty();
        if limit > 0 {
            self.typed = self.typed.split_off(&(process_ms + 1, 0));
        }
        self.typed.extend(&work.later);
        self.slot_at = work.slot_at;
        self.begin_at = work.begin_at;
        self.dispatch(work, &gateway, &settings);
        // what is due and cannot be taken waits for something that wakes us: an outcome, or a row before it
        let typed_in = self.typed.first().map_or(STALLED, |(at, _)| app.store.clock.until(*at, STALLED).max(Duration::from_millis(1)));
        Ok(if busy { Duration::ZERO } else { typed_in })
    }

    /// Whether the gateway may be asked whose ids count.
    fn may_ask_ids(&self) -> bool {
        let now = Instant::now();
        !self.ids_asked && self.breaker.allows(now) && self.ids_again.is_none_or(|again| now >= again)
    }

    fn ask_ids(&mut self, waha: Waha) {
        self.ids_asked = true;
        self.breaker.tried(Instant::now());
        let task = self.task(move || Report::Ids(waha.probe_ids().map_err(|no| no.to_string())));
        self.senders.run(task);
    }

    /// A call for a sender that brings its report back here.
    fn task(&mut self, call: impl FnOnce() -> Report + Send + 'static) -> Task {
        let (tell, wake) = (self.reports.0.clone(), Arc::clone(self.wake));
        self.inflight += 1;
        Box::new(move || {
            let report = call();
            let _ = tell.send(report); // the line has ended: the row is settled after the next start
            wake.notify();
        })
    }

    fn dispatch(&mut self, work: Work, gateway: &Gateway, settings: &Settings) {
        let now = self.app.store.clock.process_ms();
        let mut tasks: Vec<Task> = Vec::with_capacity(work.sends.len() + work.looks.len());
        for (item, outbound) in work.sends {
            // a broadcast holds up the next broadcast, never a reply
            if item.priority == 2 {
                self.broadcasts.sent(now, settings);
            }
            self.breaker.tried(Instant::now());
            if let (Gateway::Waha(waha), true) = (gateway, item.typing_at.is_some()) {
                let (waha, chat_id) = (waha.clone(), item.chat_id.clone());
                self.type_or_not(move || waha.stop_typing(&chat_id));
            }
            let (gateway, app) = (gateway.clone(), Arc::clone(self.app));
            let row = item.id;
            tasks.push(self.task(move || Report::Sent(row, send(&app, &gateway, item, outbound))));
        }
        for (item, due_at) in work.typings {
            self.typed.insert((due_at, item.id));
            if let Gateway::Waha(waha) = gateway {
                let waha = waha.clone();
                self.type_or_not(move || waha.show_typing(&item.chat_id));
            }
        }
        for item in work.looks {
            let gateway = gateway.clone();
            let since = item.attempt_at.unwrap_or(0);
            tasks.push(self.task(move || {
                let seen = match &gateway {
                    // the simulator delivers or dies with us: what it was given before a crash is gone
                    Gateway::Simulator => LookOutcome::Absent,
                    Gateway::Waha(waha) => waha.look(&item.chat_id, item.wa_id.as_deref(), item.text.as_deref(), since),
                    Gateway::None => LookOutcome::CannotTell("not_connected".into()),
                };
                Report::Looked(item.id, seen)
            }));
        }
        self.senders.run_all(tasks);
    }

    /// Typing is a show: where the gateway is slow with it, it is left out, and no message waits for it.
    fn type_or_not(&self, show: impl FnOnce() + Send + 'static) {
        if self.typists.waiting() < 2 * TYPISTS {
            self.typists.run(Box::new(show));
        }
    }

    /// Takes what the reports say about the gateway itself; passes the rest on to be written.
    fn note(&mut self, reports: Vec<Report>) -> Vec<Report> {
        let now = Instant::now();
        let before = self.breaker.is_open();
        let mut rest = Vec::with_capacity(reports.len());
        for report in reports {
            self.inflight = self.inflight.saturating_sub(1);
            match &report {
                Report::Ids(found) => {
                    self.ids_asked = false;
                    match found {
                        Ok(Some(ids)) => {
                            self.ids = *ids;
                            self.breaker.worked(now);
                        }
                        // sends are tried all the same after a while; a session that begins to work is asked again
                        Ok(None) if self.ids_asks >= MOST_IDS_ASKS => self.ids = Ids::Theirs,
                        Ok(None) => {
                            self.ids_asks += 1;
                            self.ids_again = Some(now + IDS_AGAIN);
                        }
                        Err(_) => {
                            self.ids_again = Some(now + IDS_AGAIN);
                            self.breaker.failed(now, "gateway_unreachable");
                        }
                    }
                    continue;
                }
                Report::Sent(_, outcome) => {
                    let at = match outcome {
                        SendOutcome::Accepted(_) => 0,
                        SendOutcome::Later { .. } => 1,
                        SendOutcome::Refused(_) => 2,
                        SendOutcome::Unknown { .. } => 3,
                    };
                    self.app.counters.sends[at].fetch_add(1, Ordering::Relaxed);
                    match outcome {
                        SendOutcome::Later { gateway_down: true, cause, .. } | SendOutcome::Unknown { cause, .. } => self.breaker.failed(now, cause),
                        SendOutcome::Later { .. } => {}
                        _ => self.breaker.worked(now),
                    }
                }
                Report::Looked(_, LookOutcome::CannotTell(_)) => {}
                Report::Looked(..) => self.breaker.worked(now),
            }
            rest.push(report);
        }
        if before != self.breaker.is_open() {
            self.tell_line();
        }
        rest
    }

    /// Shows pages how the line is.
    fn tell_line(&self) {
        let state = LineState { open: self.breaker.is_open(), cause: self.breaker.cause.clone(), since_at: self.app.now_ms() };
        tracing::warn!(channel = self.channel_id, open = state.open, cause = %state.cause, "line to the gateway");
        self.app.lines.lock().unwrap_or_else(PoisonError::into_inner).insert(self.channel_id, state.clone());
        let done = self.app.store.submit_background::<(), StoreError, _>(move |tx| {
            tx.emit("alert", None, serde_json::json!({"kind": if state.open { "gateway_down" } else { "gateway_up" }, "cause": state.cause}))
        });
        if let Err(error) = done {
            tracing::debug!(%error, "the pages were not told");
        }
    }
}

fn gateway_of(app: &App, settings: &Settings, channel: &Channel) -> Gateway {
    if channel.kind == "simulator" || settings.text("whatsapp.provider") == "simulator" {
        return Gateway::Simulator;
    }
    if settings.text("waha.url").is_empty() || settings.text("whatsapp.provider") != "waha" {
        return Gateway::None;
    }
    let timeout = settings.millis("queue.send_timeout_ms");
    Gateway::Waha(Box::new(Waha::new(app.http.clone(), settings.text("waha.url"), settings.text("waha.api_key"), &channel.session, timeout)))
}

/// What one transaction may do.
struct Plan {
    limit: usize,
    /// The gap between sends, least and most; none: as they come.
    pace: Option<(u64, u64)>,
    /// The next free time for a send, process clock, ms.
    slot_at: i64,
    /// Rows that have been typed and are due.
    typed: Vec<i64>,
    mint: bool,
    /// Broadcasts that may go out now.
    broadcasts: usize,
    typing: bool,
    channel: Channel,
    settings: Arc<Settings>,
    timeout_ms: i64,
    /// Longest wait before a row that could not be sent is tried again.
    longest_ms: i64,
}

/// What is to be done after the commit.
#[derive(Default)]
struct Work {
    sends: Vec<(Item, Outbound)>,
    /// With the time each will have been typed.
    typings: Vec<(Item, i64)>,
    looks: Vec<Item>,
    /// The next free time for a send after these.
    slot_at: i64,
    /// When the first that had to wait for its slot may begin; 0: none waits.
    begin_at: i64,
    /// Typed rows that were late together: one goes, the others a gap later each.
    later: Vec<(i64, i64)>,
    /// Rows that were ended or put off.
    settled: usize,
}

impl Work {
    /// Takes a slot from `least` on; the next one is a gap later.
    fn take_slot(&mut self, plan: &Plan, least: i64) -> i64 {
        let Some((low, high)) = plan.pace else { return least };
        let slot = least.max(self.slot_at);
        self.slot_at = slot + ids::draw(low, high) as i64;
        slot
    }

    /// Something waits for its slot, and nothing behind it takes one before.
    fn wait_until(&mut self, at: i64) {
        self.begin_at = if self.begin_at == 0 { at } else { self.begin_at.min(at) };
    }
}

/// Writes down what the calls came to.
fn record(tx: &Tx<'_>, reports: &[Report], timeout_ms: i64, longest_ms: i64) -> Result<(), StoreError> {
    for report in reports {
        match report {
            Report::Sent(id, SendOutcome::Accepted(wa_id)) => outbox::accept(tx, *id, wa_id.as_deref())?,
            Report::Sent(id, SendOutcome::Refused(cause)) => {
                if cause == "timelock" {
                    let channel_id = tx.query_row("SELECT channel_id FROM outbox WHERE id = ?1", [id], |row| row.get(0))?;
                    channel::lock_first_contacts(tx, channel_id, Some(tx.now_ms + 3_600_000))?;
                }
                outbox::fail(tx, *id, cause)?;
            }
            Report::Sent(id, SendOutcome::Later { cause, wait_ms, .. }) => {
                let attempts: i64 = tx.query_row("SELECT attempts FROM outbox WHERE id = ?1", [id], |row| row.get(0))?;
                outbox::postpone(tx, *id, tx.process_ms + outbox::backoff_ms(attempts, *wait_ms).min(longest_ms.max(i64::try_from(*wait_ms).unwrap_or(longest_ms))), cause)?;
            }
            Report::Sent(id, SendOutcome::Unknown { cause, answered }) => {
                // An answered call is over inside the gateway; a silent one may still be under way until its timeout. When the
                // connection was closed the gateway is done or gone, unless a proxy closed it: a little longer than answered.
                let (attempt_at, attempts): (Option<i64>, i64) =
                    tx.query_row("SELECT attempt_at, attempts FROM outbox WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
                let ask_at = match (*answered, cause.as_str()) {
                    // a proxy answers while the gateway behind it may still be at it
                    (_, "gateway_502" | "gateway_504") => attempt_at.unwrap_or(tx.process_ms) + timeout_ms + SETTLE_MARGIN_MS,
                    (false, "connection_lost") => tx.process_ms + CLOSED_MARGIN_MS,
                    // answered, or silent for its whole time
                    _ => tx.process_ms + SETTLE_MARGIN_MS,
                };
                outbox::lose(tx, *id, cause, ask_at)?;
                if attempts >= MOST_UNKNOWN {
                    outbox::park(tx, *id, cause)?;
                }
            }
            Report::Looked(id, LookOutcome::Found(ids)) if let Some(wa_id) = outbox::free_id(tx, *id, ids)? => outbox::accept(tx, *id, Some(wa_id))?,
            Report::Looked(id, LookOutcome::Absent | LookOutcome::Found(_)) => {
                // a gateway that hangs may still deliver what it does not know of yet: once more, then a person decides
                let (cause, lookups): (Option<String>, i64) = tx.query_row("SELECT last_cause, lookups FROM outbox WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
                match cause {
                    Some(cause) if cause == "timed_out" && lookups > 0 => outbox::park(tx, *id, &cause)?,
                    _ => outbox::missing(tx, *id)?,
                }
            }
            Report::Looked(id, LookOutcome::CannotTell(cause)) => {
                let lookups: i64 = tx.query_row("SELECT lookups FROM outbox WHERE id = ?1", [id], |row| row.get(0))?;
                if lookups + 1 >= MOST_LOOKUPS {
                    outbox::park(tx, *id, cause)?;
                } else {
                    outbox::look_again(tx, *id, tx.process_ms + outbox::backoff_ms(lookups + 2, 0))?;
                }
            }
            Report::Ids(_) => {}
        }
    }
    Ok(())
}

/// Checks what is due once more and takes it.
fn claim(tx: &Tx<'_>, app: &App, plan: &Plan) -> Result<Work, StoreError> {
    let mut work = Work { slot_at: plan.slot_at, ..Work::default() };
    if plan.limit == 0 {
        return Ok(work);
    }
    for item in outbox::unsettled(tx, plan.channel.id, tx.process_ms, plan.limit)? {
        // pushed on so that it is not asked about twice while the answer is under way
        tx.execute("UPDATE outbox SET due_at = ?2 WHERE id = ?1", (item.id, tx.process_ms + 60_000))?;
        work.looks.push(item);
    }
    let room = plan.limit.saturating_sub(work.looks.len());
    let quiet_ms = plan.settings.int("bot.quiet_ms");
    // what is typed has its slot and comes first, however many wait to begin
    let mut items = outbox::typed(tx, &plan.typed, tx.process_ms)?;
    for item in outbox::due(tx, plan.channel.id, tx.process_ms, room.saturating_sub(items.len()), plan.broadcasts)? {
        if !plan.typed.contains(&item.id) {
            items.push(item);
        }
    }
    for item in items {
        let is_typed = item.typing_at.is_some() && plan.pace.is_some();
        if item.valid_until < tx.process_ms {
            outbox::expire(tx, item.id)?;
            work.settled += 1;
            continue;
        }
        if item.priority == 2 && item.opted_out {
            outbox::cancel(tx, item.id, "opted_out")?;
            work.settled += 1;
            continue;
        }
        if work.sends.len() >= plan.limit {
            continue;
        }
        // one waits for its slot: who begins later does not take it
        if work.begin_at > 0 && !is_typed && plan.pace.is_some() {
            continue;
        }
        // several were held up together: they keep their gaps
        if is_typed && !work.sends.is_empty() {
            let gap = plan.pace.map_or(0, |(low, _)| low as i64);
            let at = tx.process_ms + gap * (work.later.len() as i64 + 1);
            outbox::put_off(tx, item.id, at)?;
            work.later.push((at, item.id));
            continue;
        }
        let newer = item.author == "bot" && item.turn_to_id.zip(item.last_in_id).is_some_and(|(to, last)| last > to);
        if newer && quiet_ms > 0 && item.attempts == 0 && item.by_bot && turn::supersede(tx, item.conversation_id, item.message_id, quiet_ms)? {
            work.settled += 1;
            continue;
        }
        let is_first = !item.answered_us && !is_own(plan, &item);
        // who has been tried is counted already
        let is_counted = item.attempts > 0;
        if is_first && let Some((until, cause)) = first_contact_waits(tx, plan, is_counted)? {
            outbox::postpone(tx, item.id, until, cause)?;
            work.settled += 1;
            continue;
        }
        let text = match fresh_text(tx, app, plan, &item)? {
            Some(text) => text,
            None => {
                outbox::cancel(tx, item.id, "package_gone")?;
                work.settled += 1;
                continue;
            }
        };
        if plan.typing && item.typing_at.is_none() && item.priority < 2 && matches!(item.kind.as_str(), "text" | "image") {
            let length = text.as_deref().map_or(20, |text| text.chars().count().min(300)) as u64;
            let show = (length * 1000 / TYPING_CPS).clamp(TYPING_MS.0, TYPING_MS.1);
            // uneven from row to row, and the same each time the row is looked at: the slot is waited for by it
            let show = (show - show * 3 / 10 * (item.id.unsigned_abs().wrapping_mul(2_654_435_761) >> 8 & 0xff) / 0xff) as i64;
            // typing ends with the message's own slot: nobody is shown typing for longer than a person would
            if plan.pace.is_some() && work.slot_at > tx.process_ms + show {
                work.wait_until(work.slot_at - show);
                continue;
            }
            let due_at = work.take_slot(plan, tx.process_ms + show);
            outbox::typing(tx, item.id, due_at)?;
            work.typings.push((item, due_at));
            continue;
        }
        // what was typed has its slot
        if item.typing_at.is_none() && plan.pace.is_some() {
            if work.slot_at > tx.process_ms {
                // a broadcast waits without holding a slot
                if item.priority < 2 {
                    work.wait_until(work.slot_at);
                }
                continue;
            }
            work.take_slot(plan, tx.process_ms);
        }
        if withdrawn(&item, text.as_deref()) {
            escalation::raise(tx, item.conversation_id, None, item.last_in_id, Reason::GuardBlocked, item.text.as_deref().unwrap_or(""))?;
        }
        let changed = text.as_deref().filter(|fresh| item.text.as_deref() != Some(*fresh)).map(str::to_owned);
        let minted = (plan.mint && item.wa_id.is_none()).then(ids::message_id);
        if !outbox::claim(tx, &item, minted.as_deref(), changed.as_deref())? {
            continue;
        }
        if is_first && !is_counted {
            tx.count("first_contacts", 1);
        }
        let outbound = Outbound {
            chat_id: item.chat_id.clone(),
            kind: item.kind.clone(),
            text,
            wa_id: minted.or_else(|| item.wa_id.clone().filter(|_| plan.mint)),
            file: None,
            place: place_of(&item),
            reply_to: outbox::quoted(tx, &item)?,
        };
        work.sends.push((item, outbound));
    }
    Ok(work)
}

/// Whether it goes to a phone of the team: nobody we would write to first.
fn is_own(plan: &Plan, item: &Item) -> bool {
    let digits = item.chat_id.split('@').next().unwrap_or("");
    plan.settings.phones("notify.whatsapp").iter().any(|phone| phone.as_str() == digits)
}

/// The words as of now; `Ok(None)` when what they speak of is gone.
#[allow(clippy::option_option)] // outer: may it go out; inner: has it words
fn fresh_text(tx: &Tx<'_>, app: &App, plan: &Plan, item: &Item) -> Result<Option<Option<String>>, StoreError> {
    let Some(json) = item.render.as_deref() else { return Ok(Some(item.text.clone())) };
    let catalog = app.catalog.at(tx)?;
    let today = plan.settings.day_of(tx.now_ms);
    // made from this very catalogue, today: it would be the same
    if item.render_generation == Some(catalog.generation) && plan.settings.day_of(item.created_at) == today {
        return Ok(Some(item.text.clone()));
    }
    let Ok(recipe) = serde_json::from_str::<Recipe>(json) else { return Ok(Some(item.text.clone())) };
    Ok(recipe.render(&catalog, today).map(Some))
}

/// A proposal of the model's that was true when it was made and is so no more: what goes out instead promises a person.
fn withdrawn(item: &Item, fresh: Option<&str>) -> bool {
    item.text.as_deref() != fresh && item.render.as_deref().is_some_and(|json| matches!(serde_json::from_str(json), Ok(Recipe::Proposal { .. })))
}

fn place_of(item: &Item) -> Option<(f64, f64, String)> {
    let extra: serde_json::Value = serde_json::from_str(item.extra.as_deref()?).ok()?;
    let place = &extra["location"];
    Some((place["latitude"].as_f64()?, place["longitude"].as_f64()?, place["name"].as_str().unwrap_or("").to_owned()))
}

/// First contacts a new number may make in a day from its first one.
const WARMUP_LEAST: i64 = 10;

/// The day's cap on first contacts of a number heard of `age_days` ago: it rises evenly to `cap` over `warmup_days`.
fn warmed_cap(cap: i64, warmup_days: i64, age_days: i64) -> i64 {
    if age_days < 0 || age_days + 1 >= warmup_days { cap } else { (cap * (age_days + 1) / warmup_days).max(WARMUP_LEAST).min(cap) }
}

/// Until when (process clock) writing first has to wait, and why.
fn first_contact_waits(tx: &Tx<'_>, plan: &Plan, is_counted: bool) -> Result<Option<(i64, &'static str)>, StoreError> {
    let wait = |ms: i64| tx.process_ms + ms.clamp(1_000, 3_600_000);
    if let Some(until) = plan.channel.first_contact_until_at.filter(|until| *until > tx.now_ms) {
        return Ok(Some((wait(until - tx.now_ms), "timelock")));
    }
    if plan.channel.capping.as_deref() == Some("CAPPED") {
        return Ok(Some((wait(3_600_000), "capped")));
    }
    if is_counted {
        return Ok(None);
    }
    let today = plan.settings.day_of(tx.now_ms).to_string();
    let mut query = tx.prepare_cached("SELECT ifnull(sum(n), 0) FROM daily_count WHERE day = ?1 AND name = 'first_contacts'")?;
    let used: i64 = query.query_row([today], |row| row.get(0))?;
    // those of this very batch count too: several first contacts may be claimed at once
    let used: i64 = used + tx.counted("first_contacts");
    let cap = warmed_cap(plan.settings.int("queue.daily_new_contacts"), plan.settings.int("queue.warmup_days"), (tx.now_ms - plan.channel.since_at) / 86_400_000);
    Ok((used >= cap).then(|| (wait(1_800_000), "daily_cap")))
}

/// Makes the call.
fn send(app: &Arc<App>, gateway: &Gateway, item: Item, mut outbound: Outbound) -> SendOutcome {
    if let Some((sha, mime, name)) = &item.file {
        match std::fs::read(media::path(&app.store.dir, sha)) {
            Ok(bytes) => outbound.file = Some((bytes, mime.clone(), name.clone().unwrap_or_else(|| "file".into()))),
            Err(_) => return SendOutcome::Refused("file_missing".into()),
        }
    } else if matches!(outbound.kind.as_str(), "image" | "document" | "video" | "voice") {
        return SendOutcome::Refused("file_missing".into());
    }
    match gateway {
        Gateway::Simulator => simulator::deliver(app, &item, &outbound),
        Gateway::Waha(waha) => waha.send(&outbound),
        Gateway::None => SendOutcome::Later { cause: "not_connected".into(), wait_ms: 0, gateway_down: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::setting::{self, SecretKey};
    use crate::db::{migrations, writer};
    use crate::kernel::clock::Clock;

    #[test]
    fn a_new_number_writes_first_to_few_and_to_more_each_day() {
        let caps: Vec<i64> = (-1..8).map(|age| warmed_cap(60, 7, age)).collect();
        assert_eq!(caps, [60, 10, 17, 25, 34, 42, 51, 60, 60]);
        assert_eq!((warmed_cap(2, 7, 0), warmed_cap(60, 0, 0), warmed_cap(0, 7, 0)), (2, 60, 0));
    }

    #[test]
    fn broadcasts_keep_their_gap_and_rest_after_some() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        migrations::bring_up_to_date(&mut connection).unwrap();
        let key = SecretKey::from_text(&"ab".repeat(32)).unwrap();
        for (name, value) in [("queue.broadcast_gap_ms", "10..10"), ("queue.broadcast_break_after", "3..3"), ("queue.broadcast_break_ms", "1000..1000")] {
            writer::once(&mut connection, &Clock::default(), &key, |tx| setting::set(tx, "cli", name, value)).unwrap();
        }
        let settings = Settings::load(&connection, &key).unwrap();
        let mut broadcasts = Broadcasts::default();
        let mut waits = Vec::new();
        for _ in 0..7 {
            broadcasts.sent(50_000, &settings);
            waits.push(broadcasts.at - 50_000);
        }
        assert_eq!(waits, [10, 10, 1_000, 10, 10, 1_000, 10]);
    }
}
