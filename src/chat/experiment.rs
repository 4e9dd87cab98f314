//! Trials of the first answer: its greeting, its closing question, the place of its picture. Each contact sees one side for good,
//! the readout may be looked at any day, and the trial ends by itself: the winner is the wording from then on.

use crate::bot::wording::{Media, Side, Trial, Wording};
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::stats::{self, Share};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;
use serde_json::json;

/// Both sides together must have been seen by so many before there is a verdict.
const LEAST: u64 = 100;
/// Without a difference a trial ends after so many days, or when so many have seen it.
const LONGEST_DAYS: i64 = 60;
const MOST: u64 = 20_000;
/// Differences of about ten points are looked for: an agency has hundreds of customers, not millions.
const SOUGHT: f64 = 0.1;
/// A difference is believed below this always-valid p.
const BELIEVED: f64 = 0.05;
/// Below this the dealing itself is broken.
const BROKEN: f64 = 0.001;
/// An answer counts when it comes within this time; a phase within the other.
const REPLY_MS: i64 = 48 * 3_600_000;
const PHASE_MS: i64 = 14 * 86_400_000;

/// A trial.
#[derive(Clone, Debug, Serialize)]
pub struct Experiment {
    /// Row.
    pub id: i64,
    /// Name.
    pub name: String,
    /// hello, closing, media.
    pub slot: String,
    /// As it is now.
    pub a: String,
    /// What is tried.
    pub b: String,
    /// reply, interest, booking.
    pub goal: String,
    /// Still running.
    pub running: bool,
    /// Begun, unix ms.
    pub started_at: i64,
    /// Ended, unix ms.
    pub stopped_at: Option<i64>,
    /// a, b, none, called_off, dealing_wrong.
    pub verdict: Option<String>,
}

/// What a trial shows so far.
#[derive(Clone, Debug, Serialize)]
pub struct Readout {
    /// The present side.
    pub a: Share,
    /// The side that is tried.
    pub b: Share,
    /// Difference b - a with its 95 % interval.
    pub difference: (f64, f64, f64),
    /// Always-valid p.
    pub p: f64,
    /// Chance that b is better.
    pub chance_b: f64,
    /// p of an even dealing.
    pub even_p: f64,
    /// People both sides need before a verdict.
    pub least: u64,
}

/// Why a trial was not begun.
#[derive(Debug, thiserror::Error)]
pub enum ExperimentError {
    /// Not a name, slot or goal.
    #[error("{0}")]
    Invalid(&'static str),
    /// One is running there.
    #[error("another trial of this part is running")]
    Running,
    /// The store.
    #[error(transparent)]
    Db(#[from] StoreError),
}

impl From<rusqlite::Error> for ExperimentError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(error.into())
    }
}

const SELECT: &str = "SELECT id, name, slot, a, b, goal, state = 'running', started_at, stopped_at, verdict FROM experiment";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        id: row.get(0)?,
        name: row.get(1)?,
        slot: row.get(2)?,
        a: row.get(3)?,
        b: row.get(4)?,
        goal: row.get(5)?,
        running: row.get(6)?,
        started_at: row.get(7)?,
        stopped_at: row.get(8)?,
        verdict: row.get(9)?,
    })
}

/// All of them, running first, then the newest.
pub fn list(connection: &Connection) -> Result<Vec<Experiment>, StoreError> {
    let mut query = connection.prepare_cached(&[SELECT, " ORDER BY state, id DESC LIMIT 100"].concat())?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The wording in force: what won a slot, else the built-in words.
pub fn wording(connection: &Connection) -> Result<Wording, StoreError> {
    let mut query = connection.prepare_cached("SELECT slot, text FROM wording w WHERE version = (SELECT max(version) FROM wording x WHERE x.slot = w.slot)")?;
    let rows: Vec<(String, String)> = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut wording = Wording::default();
    rows.iter().for_each(|(slot, text)| wording.set(slot, text));
    Ok(wording)
}

/// The trials that run, as the bot needs them.
pub fn running(connection: &Connection) -> Result<Vec<Trial>, StoreError> {
    let mut query = connection.prepare_cached(&[SELECT, " WHERE state = 'running' ORDER BY id"].concat())?;
    let rows = query.query_map([], from_row)?.collect::<Result<Vec<_>, _>>()?;
    Ok(rows.into_iter().map(|row| Trial { experiment_id: row.id, slot: row.slot, a: row.a, b: row.b }).collect())
}

/// Begins one: what is in force against `b`.
pub fn begin(tx: &Tx<'_>, name: &str, slot: &str, b: &str, goal: &str, accounts: &[String], actor: &str) -> Result<i64, ExperimentError> {
    let name = crate::kernel::text::clean_name(name).filter(|name| name.chars().count() <= 80).ok_or(ExperimentError::Invalid("name"))?;
    let b = b.trim();
    let fits = match slot {
        "hello" | "closing" => !b.is_empty() && b.chars().count() <= 300 && crate::bot::wording::is_plain(b, slot) && crate::bot::guard::foreign_accounts(b, accounts).is_empty(),
        "media" => Media::parse(b).is_some(),
        _ => return Err(ExperimentError::Invalid("slot")),
    };
    if !fits {
        return Err(ExperimentError::Invalid("b"));
    }
    if !["reply", "interest", "booking"].contains(&goal) {
        return Err(ExperimentError::Invalid("goal"));
    }
    let taken: i64 = tx.query_row("SELECT EXISTS (SELECT 1 FROM experiment WHERE slot = ?1 AND state = 'running')", [slot], |row| row.get(0))?;
    if taken != 0 {
        return Err(ExperimentError::Running);
    }
    let a = wording(tx)?.text(slot);
    if a == b {
        return Err(ExperimentError::Invalid("b"));
    }
    tx.execute(
        "INSERT INTO experiment (name, slot, a, b, goal, state, started_at, actor) VALUES (?1, ?2, ?3, ?4, ?5, 'running', ?6, ?7)",
        (&name, slot, a, b, goal, tx.now_ms, actor),
    )?;
    let id = tx.last_insert_rowid();
    tx.audit(actor, "experiment.begun", &format!("experiment:{id}"), &json!({"slot": slot, "b": b, "goal": goal}).to_string())?;
    Ok(id)
}

/// Somebody was shown one side.
pub fn shown(tx: &Tx<'_>, experiment_id: i64, side: Side, contact_id: i64, conversation_id: i64, turn_id: i64) -> Result<(), StoreError> {
    tx.prepare_cached("INSERT OR IGNORE INTO experiment_subject (experiment_id, contact_id, conversation_id, side, at, turn_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
        experiment_id,
        contact_id,
        conversation_id,
        side.as_str(),
        tx.now_ms,
        turn_id,
    ))?;
    Ok(())
}

/// Looks who has done what was hoped for since the last look.
fn update(tx: &Tx<'_>, experiment: &Experiment) -> Result<(), StoreError> {
    match experiment.goal.as_str() {
        "reply" => tx.execute(
            "UPDATE experiment_subject AS s SET reached_at = (SELECT min(m.at) FROM message m JOIN turn t ON t.id = s.turn_id
               WHERE m.conversation_id = s.conversation_id AND m.direction = 'in' AND m.id > t.to_id AND m.received_at <= s.at + ?2)
             WHERE s.experiment_id = ?1 AND s.reached_at IS NULL AND s.at > ?3 - 2 * ?2",
            (experiment.id, REPLY_MS, tx.now_ms),
        )?,
        goal => tx.execute(
            "UPDATE experiment_subject AS s SET reached_at = (SELECT min(p.at) FROM phase_transition p WHERE p.conversation_id = s.conversation_id AND p.at >= s.at AND p.at <= s.at + ?2
               AND (p.to_phase = ?4 OR p.to_phase = 'paid' OR (p.to_phase = 'booking' AND ?4 = 'interest')))
             WHERE s.experiment_id = ?1 AND s.reached_at IS NULL AND s.at > ?3 - 2 * ?2",
            (experiment.id, PHASE_MS, tx.now_ms, goal),
        )?,
    };
    Ok(())
}

/// What it shows now.
pub fn readout(connection: &Connection, id: i64) -> Result<Readout, StoreError> {
    let share = |side: &str| -> Result<Share, StoreError> {
        Ok(connection
            .prepare_cached("SELECT count(reached_at), count(*) FROM experiment_subject WHERE experiment_id = ?1 AND side = ?2")?
            .query_row((id, side), |row| Ok(Share { hits: row.get::<_, i64>(0)?.unsigned_abs(), of: row.get::<_, i64>(1)?.unsigned_abs() }))?)
    };
    let (a, b) = (share("a")?, share("b")?);
    let (low, high) = stats::newcombe(a, b);
    Ok(Readout {
        a,
        b,
        difference: (b.rate() - a.rate(), low, high),
        p: stats::always_valid_p(a, b, SOUGHT),
        chance_b: stats::chance_b_better(a, b),
        even_p: stats::dealt_evenly_p(a.of, b.of),
        least: LEAST,
    })
}

/// Ends a trial; a winner is the wording from now on, as the next version of its slot.
pub fn stop(tx: &Tx<'_>, id: i64, verdict: &str, actor: &str) -> Result<bool, StoreError> {
    let found: Option<(String, String)> = tx
        .query_row(
            "UPDATE experiment SET state = 'stopped', stopped_at = ?2, verdict = ?3 WHERE id = ?1 AND state = 'running' RETURNING slot, b",
            (id, tx.now_ms, verdict),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let Some((slot, b)) = found else { return Ok(false) };
    if verdict == "b" {
        tx.execute(
            "INSERT INTO wording (slot, version, text, experiment_id, at) VALUES (?1, (SELECT ifnull(max(version), 0) + 1 FROM wording WHERE slot = ?1), ?2, ?3, ?4)",
            (&slot, &b, id, tx.now_ms),
        )?;
    }
    tx.audit(actor, "experiment.ended", &format!("experiment:{id}"), verdict)?;
    tx.emit("alert", None, json!({"kind": "experiment_ended", "experiment": id, "verdict": verdict}))?;
    Ok(true)
}

/// Looks at every running trial and ends those that have an answer, or will have none.
pub fn look(tx: &Tx<'_>) -> Result<(), StoreError> {
    for experiment in list(tx)?.into_iter().filter(|experiment| experiment.running) {
        update(tx, &experiment)?;
        let seen = readout(tx, experiment.id)?;
        let all = seen.a.of + seen.b.of;
        let old = tx.now_ms - experiment.started_at > LONGEST_DAYS * 86_400_000;
        let verdict = match () {
            () if all >= LEAST && seen.even_p < BROKEN => "dealing_wrong",
            () if all >= LEAST && seen.p < BELIEVED => {
                if seen.difference.0 > 0.0 {
                    "b"
                } else {
                    "a"
                }
            }
            () if old || all >= MOST => "none",
            () => continue,
        };
        stop(tx, experiment.id, verdict, "system")?;
    }
    Ok(())
}
