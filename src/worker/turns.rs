//! The turn worker: takes conversations whose quiet window is over, loads their context from one reader, decides,
//! and writes each decision in its own job. One turn per conversation at a time; a newer message runs it again.

use super::model;
use crate::app::App;
use crate::bot::fixed::Office;
use crate::bot::{self, Answer, Asked, Question, Step, TurnContext, proposal};
use crate::chat::conversation::{self, Conversation};
use crate::chat::escalation::Reason;
use crate::chat::knowledge::Knowledge;
use crate::chat::turn::{self, Before, Decision, Delivery, Heard};
use crate::chat::{faq, satisfaction};
use crate::db::StoreError;
use crate::db::setting::Settings;
use crate::travel::catalog::Catalog;
use crate::wire::openai::Line;
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Conversations in one go.
const BATCH: usize = 48;
/// Longest sleep without a wake.
const IDLE: Duration = Duration::from_secs(5);
/// A turn that broke is tried again after this, ms.
const RETRY_MS: i64 = 3_000;

/// Runs until the program ends.
pub fn run(app: &Arc<App>) {
    crate::bot::understand::warm_up();
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
    Decided {
        context: Box<TurnContext>,
        decision: Box<Decision>,
    },
    /// The model has to be asked: the turn is taken out of the line until it has answered.
    Asks {
        context: Box<TurnContext>,
        lines: Vec<Line>,
        asked: Box<Asked>,
    },
    TooMany {
        id: i64,
    },
    Broke {
        id: i64,
    },
    Nothing {
        id: i64,
        seen: Option<i64>,
    },
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
        let known = Known::at(app, &snapshot)?;
        let prepared = ids.into_iter().map(|id| prepare(app, &snapshot, &known, id, now_ms, limit)).collect();
        snapshot.finish()?;
        prepared
    })?;
    let count = prepared.len();
    let floor = settings.decimal("bot.confidence_floor");
    let away_ms = i64::try_from(thinking_time(&settings).as_millis()).unwrap_or(60_000) + AWAY_MARGIN_MS;
    // every turn is a job of its own: one that breaks does not take its neighbours along
    let waiting: Vec<_> = prepared
        .into_iter()
        .map(|mut one| {
            let thought = if let Prepared::Asks { context, lines, asked } = &mut one { Some((context.clone(), std::mem::take(lines), std::mem::take(asked))) } else { None };
            let answer = app.store.submit_background(move |tx| match &one {
                Prepared::Decided { context, decision } => {
                    turn::apply(tx, &context.conversation, &context.heard, decision, Delivery::Queue, context.catalog.generation, floor).map(|_| ())
                }
                Prepared::Asks { context, .. } => turn::set_aside(tx, &context.conversation, away_ms),
                Prepared::TooMany { id } => turn::stop(tx, *id, Reason::TooManyReplies, ""),
                Prepared::Broke { id } => turn::broke(tx, *id, "panic", RETRY_MS),
                Prepared::Nothing { id, seen } => {
                    // a message that came since then is not heard yet
                    tx.execute("UPDATE conversation SET turn_due_at = NULL, answered_id = ifnull(last_in_id, answered_id) WHERE id = ?1 AND last_in_id IS ?2", (id, seen))?;
                    Ok(())
                }
            });
            (answer, thought)
        })
        .collect();
    // the last one first: jobs are done in order, so that this thread sleeps once and not for each of them
    let written = waiting.into_iter().rev().map(|(answer, thought)| {
        let done: Result<(), StoreError> = answer.and_then(|receiver| receiver.blocking_recv().unwrap_or(Err(StoreError::Closed)));
        (done, thought)
    });
    let written: Vec<_> = written.collect();
    let mut result = Ok(());
    for one in written.into_iter().rev() {
        match one {
            (Ok(()), Some((context, lines, asked))) => think_aside(app, *context, lines, *asked),
            (Ok(()), None) => drop(app.counters.turns.fetch_add(1, Ordering::Relaxed)),
            (Err(error), _) => result = Err(error),
        }
    }
    result.map(|()| count)
}

fn prepare(app: &App, connection: &Connection, known: &Known, id: i64, now_ms: i64, limit: i64) -> Result<Prepared, StoreError> {
    let Some(conversation) = conversation::find(connection, id)? else { return Ok(Prepared::Nothing { id, seen: None }) };
    let heard: Vec<Heard> = turn::heard(connection, &conversation)?;
    if heard.is_empty() {
        return Ok(Prepared::Nothing { id, seen: conversation.last_in_id });
    }
    // nothing was answered yet: nothing to look for
    let before = if conversation.answered_id == 0 { Before::default() } else { turn::replies(connection, id, now_ms - 3_600_000)? };
    if before.lately >= limit && conversation.by_bot {
        return Ok(Prepared::TooMany { id });
    }
    let context = context(app, connection, known, conversation, heard, before)?;
    match catch_unwind(AssertUnwindSafe(|| from_here(connection, &context, bot::decide(&context)))) {
        Ok(Ok(Step::Done(decision))) => Ok(Prepared::Decided { context: Box::new(context), decision }),
        Ok(Ok(Step::Ask(Question::Model(lines), asked))) => Ok(Prepared::Asks { context: Box::new(context), lines, asked }),
        Ok(Ok(Step::Ask(Question::Faq(_), _))) => Ok(Prepared::Broke { id }), // from_here answers these
        Ok(Err(error)) => Err(error),
        Err(_) => {
            tracing::error!(conversation = id, "deciding a turn panicked");
            Ok(Prepared::Broke { id })
        }
    }
}

/// Questions found and shown to the model.
const HITS: usize = 4;

/// Answers what the store can answer, until the turn is decided or the model has to be asked.
fn from_here(connection: &Connection, context: &TurnContext, mut step: Step) -> Result<Step, StoreError> {
    while let Step::Ask(Question::Faq(words), asked) = step {
        let hits = faq::search(connection, &words, HITS)?;
        step = bot::weigh(context, *asked, Answer::Faq(hits));
    }
    Ok(step)
}

/// How long one turn may think, all proposals together.
fn thinking_time(settings: &Settings) -> Duration {
    settings.millis("llm.timeout_ms") * 2
}

/// A turn that is with the model comes back into the line after its time and this, ms: the wait for a free hand included.
const AWAY_MARGIN_MS: i64 = 25_000;

/// Lets a turn think on a hand of the model's and writes what comes of it.
fn think_aside(app: &Arc<App>, context: TurnContext, lines: Vec<Line>, asked: Asked) {
    let shared = Arc::clone(app);
    app.model.run(move |late| {
        let app = shared;
        let id = context.conversation.id;
        let deadline = Instant::now() + thinking_time(&app.settings());
        let thought = catch_unwind(AssertUnwindSafe(|| think(&app, &context, Some(id), lines, asked, late, deadline)));
        let floor = app.settings().decimal("bot.confidence_floor");
        let done = app.store.write_blocking(move |tx| match &thought {
            Ok(Ok(decision)) => turn::apply(tx, &context.conversation, &context.heard, decision, Delivery::Queue, context.catalog.generation, floor).map(|_| ()),
            Ok(Err(_)) | Err(_) => turn::broke(tx, id, "thinking", RETRY_MS),
        });
        match done {
            Ok(()) => drop(app.counters.turns.fetch_add(1, Ordering::Relaxed)),
            // the row comes back into the line by itself
            Err(error) => tracing::warn!(%error, conversation = id, "a turn that had been thought about was not written"),
        }
    });
}

/// Thinks a turn to its end. Blocks on the model.
fn think(app: &App, context: &TurnContext, conversation_id: Option<i64>, lines: Vec<Line>, asked: Asked, late: bool, deadline: Instant) -> Result<Decision, StoreError> {
    let mut blocked = asked.blocked.len();
    let mut step = Step::Ask(Question::Model(lines), Box::new(asked));
    loop {
        step = match step {
            Step::Done(decision) => return Ok(*decision),
            Step::Ask(Question::Faq(words), asked) => {
                let hits = app.store.read_blocking(|connection| faq::search(connection, &words, HITS))?;
                bot::weigh(context, *asked, Answer::Faq(hits))
            }
            Step::Ask(Question::Model(lines), asked) => {
                let answer = if late { Err("no_free_hand") } else { app.model.propose(app, conversation_id, &lines, deadline) };
                let next = bot::weigh(context, *asked, Answer::Model(answer));
                let breaches = breaches(&next);
                if breaches.len() > blocked {
                    blocked = breaches.len();
                    app.model.blocked(app, conversation_id, breaches.last().cloned().unwrap_or_default());
                }
                next
            }
        };
    }
}

/// What the guard has blocked in this turn, proposal by proposal.
fn breaches(step: &Step) -> Vec<serde_json::Value> {
    match step {
        Step::Ask(_, asked) => asked.blocked.iter().map(|breaches| serde_json::json!(breaches)).collect(),
        Step::Done(decision) => decision.trace["blocked"].as_array().cloned().unwrap_or_default(),
    }
}

/// How long a caller of the API waits for the model, all proposals and the wait for a free hand together.
const CALLER_WAITS: Duration = Duration::from_secs(20);

/// Decides a turn for somebody who waits for it (the API): on this thread what the store can answer, the rest on a hand of
/// the model's.
pub async fn decided(app: &Arc<App>, context: TurnContext, conversation_id: Option<i64>) -> Result<(TurnContext, Decision), StoreError> {
    let (context, step) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let step = from_here(connection, &context, bot::decide(&context))?;
            Ok((context, step))
        })
        .await?;
    match step {
        Step::Done(decision) => Ok((context, *decision)),
        Step::Ask(Question::Faq(_), _) => Err(StoreError::Closed), // from_here answers these
        Step::Ask(Question::Model(lines), asked) => {
            let (tell, told) = tokio::sync::oneshot::channel();
            let shared = Arc::clone(app);
            let deadline = Instant::now() + CALLER_WAITS;
            let (without, so_far) = (context.clone(), (*asked).clone());
            app.model.run(move |late| {
                let thought = think(&shared, &context, conversation_id, lines, *asked, late, deadline).map(|decision| (context, decision));
                drop(tell.send(thought)); // nobody waits any more
            });
            match tokio::time::timeout(CALLER_WAITS + Duration::from_secs(2), told).await {
                Ok(Ok(thought)) => thought,
                // every hand is busy, or the thought broke: decided without the model, rather than not at all
                Ok(Err(_)) | Err(_) => match bot::weigh(&without, so_far, Answer::Model(Err("no_free_hand"))) {
                    Step::Done(decision) => Ok((without, *decision)),
                    Step::Ask(..) => Err(StoreError::Closed),
                },
            }
        }
    }
}

/// What every turn of one moment shares.
pub struct Known {
    catalog: Arc<Catalog>,
    knowledge: Arc<Knowledge>,
}

impl Known {
    /// As `connection`'s transaction sees it.
    pub fn at(app: &App, connection: &Connection) -> Result<Self, StoreError> {
        Ok(Self { catalog: app.catalog.at(connection)?, knowledge: app.knowledge.at(connection)? })
    }
}

/// What a decision about `heard` may look at.
pub fn context(app: &App, connection: &Connection, known: &Known, conversation: Conversation, heard: Vec<Heard>, before: Before) -> Result<TurnContext, StoreError> {
    let settings = app.settings();
    let now_ms = app.now_ms();
    // what the bot asked before is not what a person's customer answers
    let conversation = if conversation.by_bot { conversation } else { Conversation { suggested_code: None, flow_place: None, rating_about: None, ..conversation } };
    let may_ask = conversation.by_bot && model::may_ask(connection, &settings, conversation.id, now_ms)?;
    let earlier = match may_ask {
        true => turn::earlier(connection, &conversation, &heard, proposal::EARLIER)?,
        false => Vec::new(),
    };
    let wording = known.knowledge.wording.of_contact(conversation.contact_id, &known.knowledge.trials);
    Ok(TurnContext {
        earlier,
        may_ask,
        prompt: known.knowledge.release(now_ms).cloned(),
        questions: known.knowledge.questions,
        rating_awaited: conversation.rating_about.is_some() && conversation.rating_asked_at.is_some_and(|at| now_ms - at < satisfaction::ANSWER_MS),
        accounts: settings.accounts(),
        flows: Arc::clone(&known.knowledge.flows),
        lessons: Arc::clone(&known.knowledge.lessons),
        place: conversation.flow_place.as_deref().and_then(|text| serde_json::from_str(text).ok()),
        phone: settings.text("whatsapp.phone").to_owned(),
        website: settings.text("server.public_url").to_owned(),
        conversation,
        heard,
        met_before: before.met,
        list_shown: before.listed,
        nodded: before.nodded,
        catalog: Arc::clone(&known.catalog),
        today: settings.day_of(now_ms),
        agency: settings.text("agency.name").to_owned(),
        licence: settings.text("agency.licence").to_owned(),
        address: settings.text("agency.address").to_owned(),
        office: settings.says_hours().then(|| Office::of(&settings.hours(std::collections::BTreeSet::new()))),
        default_language: settings.language(),
        image_caption: settings.on("bot.image_caption"),
        wording,
    })
}
