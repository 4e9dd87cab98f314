//! Asking the model: one question with its tries, within one deadline, four at once, behind a circuit breaker. Nobody but
//! the turn that asked waits for it.

use super::breaker::Breaker;
use super::senders::Senders;
use crate::app::App;
use crate::bot::proposal::{self, Proposal};
use crate::chat::llm_call::{self, Call};
use crate::db::StoreError;
use crate::db::setting::Settings;
use crate::wire::client::{self, Http, NoAnswer};
use crate::wire::openai::{self, Adapt, Habits, Line, Outcome, Role, Usage};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Calls at once (Reliability sheet §4).
const AT_ONCE: usize = 4;
/// Turns that may wait for one of those calls at once; a thread each.
const THINKING: usize = 32;
/// A question that has waited this long for its turn goes to a person instead.
const LONGEST_QUEUE: Duration = Duration::from_secs(20);
/// Tries for one question when the server is in trouble (contract sheet: 0.5, 1, 2 s).
const TRIES: u32 = 3;
/// Requests for one question, learning how a provider wants to be asked included.
const MOST_REQUESTS: i64 = 8;
/// Longest answer read, bytes (Reliability sheet §4).
const ANSWER: u64 = 256 << 10;

/// The model's line.
pub struct Model {
    hands: Senders,
    state: Mutex<State>,
    asking: Mutex<usize>,
    asked: Condvar,
}

#[derive(Default)]
struct State {
    breaker: Breaker,
    /// By address and model name.
    habits: HashMap<String, Habits>,
}

impl Default for Model {
    fn default() -> Self {
        Self { hands: Senders::of(THINKING), state: Mutex::default(), asking: Mutex::new(0), asked: Condvar::new() }
    }
}

/// Whether a model is set up.
pub fn is_set(settings: &Settings) -> bool {
    !settings.text("llm.base_url").is_empty() && !settings.text("llm.model").is_empty()
}

/// Whether a turn of this conversation may ask the model now: it is set up and neither budget is spent.
pub fn may_ask(connection: &Connection, settings: &Settings, conversation_id: i64, now_ms: i64) -> Result<bool, StoreError> {
    if !is_set(settings) {
        return Ok(false);
    }
    let (calls, tokens) = llm_call::spent(connection, conversation_id, now_ms - 3_600_000, &settings.day_of(now_ms).to_string())?;
    Ok(calls < settings.int("llm.calls_per_hour") && tokens < settings.int("llm.daily_tokens"))
}

impl Model {
    /// Runs `work`, which may ask, on one of the few hands. `late` is given when it had to wait too long.
    pub fn run(&self, work: impl FnOnce(bool) + Send + 'static) {
        let queued = Instant::now();
        self.hands.run(Box::new(move || work(queued.elapsed() > LONGEST_QUEUE)));
    }

    /// Asks for a proposal until `deadline` and keeps what it cost.
    ///
    /// Errors: the name of why there is none.
    pub fn propose(&self, app: &App, conversation_id: Option<i64>, lines: &[Line], deadline: Instant) -> Result<Proposal, &'static str> {
        let settings = app.settings();
        let started = Instant::now();
        let limit = settings.millis("llm.timeout_ms").min(deadline.saturating_duration_since(started));
        let mut talk = Talk { lines: lines.to_vec(), requests: 0, usage: None };
        let said = match self.turn(deadline.saturating_duration_since(started)) {
            Some(_permit) => self.talk(&app.http, &settings, &mut talk, Instant::now(), limit.min(deadline.saturating_duration_since(Instant::now()))),
            None => Err("no_free_hand"),
        };
        let mut detail = Value::Null;
        if let Ok(proposal) = &said
            && (proposal.lookup_code.is_some() || proposal.lookup_question.is_some())
        {
            detail = json!({"lookup_code": proposal.lookup_code, "lookup_question": proposal.lookup_question});
        }
        let call = Call {
            conversation_id,
            model: settings.text("llm.model").to_owned(),
            outcome: said.as_ref().err().copied().unwrap_or("proposed").to_owned(),
            latency_ms: i64::try_from(started.elapsed().as_millis()).unwrap_or(i64::MAX),
            tries: talk.requests,
            prompt_tokens: talk.usage.map(|usage| usage.prompt),
            completion_tokens: talk.usage.map(|usage| usage.completion),
            detail,
        };
        let kept = app.store.write_blocking(move |tx| llm_call::keep(tx, &call));
        if let Err(error) = kept {
            tracing::warn!(%error, "a call of the model was not written down");
        }
        if let Err(cause) = &said {
            tracing::warn!(cause, "the model gave no proposal");
        }
        said
    }

    /// Notes that the guard blocked the last proposal: a row and a figure on the dashboard.
    pub fn blocked(&self, app: &App, conversation_id: Option<i64>, breaches: Value) {
        let kept = app.store.write_blocking(move |tx| llm_call::blocked(tx, conversation_id, &breaches));
        if let Err(error) = kept {
            tracing::warn!(%error, "a blocked proposal was not written down");
        }
    }

    /// Waits for one of the calls that may be made at once; `None` when it takes too long.
    fn turn(&self, patience: Duration) -> Option<Permit<'_>> {
        let asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut asking, waited) = self.asked.wait_timeout_while(asking, patience.min(LONGEST_QUEUE), |asking| *asking >= AT_ONCE).unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() && *asking >= AT_ONCE {
            return None;
        }
        *asking += 1;
        Some(Permit(self))
    }

    fn talk(&self, http: &Http, settings: &Settings, talk: &mut Talk, started: Instant, limit: Duration) -> Result<Proposal, &'static str> {
        if !lock(&self.state).breaker.allows(started) {
            return Err("breaker_open");
        }
        lock(&self.state).breaker.tried(started);
        let said = self.ask(http, settings, talk, started, limit);
        let mut state = lock(&self.state);
        match &said {
            // it is there and answers, however badly
            Ok(_) | Err("garbage" | "declined" | "cut" | "empty" | "context_too_long") => state.breaker.worked(Instant::now()),
            Err(cause) => state.breaker.failed(Instant::now(), cause),
        }
        said
    }

    fn ask(&self, http: &Http, settings: &Settings, talk: &mut Talk, started: Instant, limit: Duration) -> Result<Proposal, &'static str> {
        let name = format!("{} {}", settings.text("llm.base_url"), settings.text("llm.model"));
        let schema = proposal::schema();
        let (mut troubles, mut mended, mut room) = (0, false, u32::try_from(settings.int("llm.max_tokens")).unwrap_or(700));
        loop {
            let left = limit.checked_sub(started.elapsed()).filter(|left| *left > Duration::from_millis(100)).ok_or("timed_out")?;
            if talk.requests >= MOST_REQUESTS {
                return Err("refused");
            }
            talk.requests += 1;
            let habits = lock(&self.state).habits.get(&name).copied().unwrap_or_default();
            let body = openai::body(settings.text("llm.model"), &talk.lines, &schema, habits, room);
            let outcome = match post(http, settings, &body, left) {
                Ok(answer) => openai::read(answer.status, answer.retry_after_s, &answer.body),
                Err(NoAnswer::Unknown("timed_out") | NoAnswer::SurelyNot("timed_out")) => return Err("timed_out"),
                Err(_) => Outcome::Retry("unreachable"),
            };
            let pause = match outcome {
                Outcome::Said { text, usage } => {
                    talk.count(usage);
                    let object = openai::object_in(&text);
                    // some servers say "tool_calls" over arguments that end in the middle
                    if object.is_none() && usage.is_some_and(|usage| usage.completion >= i64::from(room)) && !mended {
                        mended = true;
                        room = room.saturating_mul(2);
                        continue;
                    }
                    let read = object.ok_or_else(|| "the answer held no JSON object".to_owned()).and_then(|value| proposal::read(&value));
                    match read {
                        Ok(proposal) => return Ok(proposal),
                        Err(_) if mended => return Err("garbage"),
                        Err(wrong) => {
                            mended = true;
                            talk.lines.push(Line {
                                role: Role::User,
                                content: format!("[Pemeriksa otomatis, bukan pelanggan] Jawaban tadi tidak sesuai skema: {wrong}. Jawab lagi dengan satu objek JSON saja."),
                            });
                            Duration::ZERO
                        }
                    }
                }
                Outcome::Cut(usage) => {
                    talk.count(usage);
                    if mended {
                        return Err("cut");
                    }
                    mended = true;
                    room = room.saturating_mul(2);
                    Duration::ZERO
                }
                Outcome::Downgrade => {
                    let weaker = habits.rung.weaker().ok_or("refused")?;
                    lock(&self.state).habits.insert(name.clone(), Habits { rung: weaker, ..habits });
                    Duration::ZERO
                }
                Outcome::Adapt(adapt) => {
                    let learnt = match adapt {
                        Adapt::NewLimitName if !habits.new_limit_name => Habits { new_limit_name: true, ..habits },
                        Adapt::NoTemperature if !habits.no_temperature => Habits { no_temperature: true, ..habits },
                        _ => return Err("refused"),
                    };
                    lock(&self.state).habits.insert(name.clone(), learnt);
                    Duration::ZERO
                }
                Outcome::RetryAfter(seconds) => {
                    troubles += 1;
                    if troubles >= TRIES {
                        return Err("rate_limited");
                    }
                    Duration::from_secs(seconds.max(1))
                }
                Outcome::Retry(cause) => {
                    troubles += 1;
                    if troubles >= TRIES {
                        return Err(cause);
                    }
                    Duration::from_millis(500 << (troubles - 1)) + Duration::from_millis(crate::kernel::ids::draw(0, 250))
                }
                Outcome::GiveUp("context_too_long") if talk.lines.len() > 2 => {
                    // the rules and the customer's last words; what was said before is left out
                    talk.lines.drain(1..talk.lines.len() - 1);
                    Duration::ZERO
                }
                Outcome::GiveUp(cause) => return Err(cause),
                Outcome::Declined => return Err("declined"),
            };
            if started.elapsed() + pause >= limit {
                return Err(if pause.is_zero() { "timed_out" } else { "rate_limited" });
            }
            std::thread::sleep(pause);
        }
    }
}

/// One of the calls that may be made at once; given back when dropped.
struct Permit<'m>(&'m Model);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        *self.0.asking.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.asked.notify_one();
    }
}

/// One question with its tries.
struct Talk {
    lines: Vec<Line>,
    requests: i64,
    usage: Option<Usage>,
}

impl Talk {
    fn count(&mut self, usage: Option<Usage>) {
        if let Some(usage) = usage {
            let before = self.usage.unwrap_or_default();
            self.usage = Some(Usage { prompt: before.prompt + usage.prompt, completion: before.completion + usage.completion });
        }
    }
}

fn post(http: &Http, settings: &Settings, body: &Value, timeout: Duration) -> Result<client::Answer, NoAnswer> {
    let url = format!("{}/chat/completions", settings.text("llm.base_url").trim_end_matches('/'));
    let key = settings.text("llm.api_key");
    let authorization = format!("Bearer {}", if key.is_empty() { "none" } else { key });
    let bytes = body.to_string();
    http.call(&client::Call { method: "POST", url: &url, headers: &[("authorization", &authorization)], body: Some(bytes.as_bytes()), timeout, limit: ANSWER })
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
