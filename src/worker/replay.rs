//! The replay lab: past turns decided once more with a draft of the prompt, of questions or of a keyword flow, beside what is decided
//! without it. Deciding is pure, so nothing is sent and no conversation changes; only the model, where it is asked, costs.

use crate::app::App;
use crate::bot::flow::{Flow, Place};
use crate::bot::{self, Answer, Question, Step, TurnContext};
use crate::chat::conversation::{self, Conversation};
use crate::chat::faq::{self, Faq};
use crate::chat::phase::Phase;
use crate::chat::prompt::{BLOCKS, Release};
use crate::chat::turn::{self, Before, Decision, Heard};
use crate::db::setting::SecretKey;
use crate::db::{StoreError, migrations, writer};
use crate::kernel::clock::Clock;
use crate::worker::turns::{self, Known};
use anyhow::Context;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What is tried.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Draft {
    /// New words of a block, by its name.
    #[serde(default)]
    pub blocks: BTreeMap<String, String>,
    /// Questions added or changed.
    #[serde(default)]
    pub questions: Vec<Faq>,
    /// Keyword flows added or changed.
    #[serde(default)]
    pub flows: Vec<Flow>,
}

impl Draft {
    /// Everything in it that a customer may read.
    fn words(&self) -> impl Iterator<Item = &str> {
        let answers = self.questions.iter().flat_map(|faq| [Some(faq.answer.as_str()), faq.answer_en.as_deref()]);
        let said = self.flows.iter().flat_map(|flow| &flow.nodes).flat_map(|node| [Some(node.say.as_str()), node.say_en.as_deref()]);
        self.blocks.values().map(String::as_str).chain(answers.chain(said).flatten())
    }
}

/// One decision, as far as it is compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Side {
    /// Words of the reply; files by their kind.
    pub reply: String,
    /// Phase after the turn.
    pub phase: String,
    /// Reason a person was called for.
    pub escalation: Option<String>,
    /// rule, faq, llm, fallback.
    pub decided_by: String,
    /// Name of the rule.
    pub rule: String,
    /// Figures the guard blocked on the way.
    pub blocked: usize,
}

/// A turn on which the two differ.
#[derive(Clone, Debug, Serialize)]
pub struct Case {
    /// Whose.
    pub conversation_id: i64,
    /// Which turn.
    pub turn_id: i64,
    /// When it was, unix ms.
    pub at: i64,
    /// What the customer had written.
    pub heard: String,
    /// As things are.
    pub before: Side,
    /// With the draft.
    pub after: Side,
    /// In what they differ: `reply`, `phase`, `escalation`, `facts`.
    pub differs: Vec<&'static str>,
}

/// A condition for publishing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// `escalations`, `phases`, `facts`, `length`.
    pub name: String,
    /// It holds.
    pub passed: bool,
    /// The figure without the draft.
    pub before: f64,
    /// The figure with it.
    pub after: f64,
}

/// What came of a replay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Turns decided again.
    pub turns: usize,
    /// Turns on which the two differ.
    pub changed: usize,
    /// Turns the model would be asked in but was not.
    pub not_asked: usize,
    /// Conditions for publishing.
    pub gates: Vec<Gate>,
}

impl Summary {
    /// Whether the draft may be published.
    pub fn passed(&self) -> bool {
        self.turns > 0 && self.gates.iter().all(|gate| gate.passed)
    }
}

/// Share of turns by which calls for a person may rise, and phases may change.
const ESCALATIONS_MAY_RISE: f64 = 0.02;
const PHASES_MAY_CHANGE: f64 = 0.02;
/// How much longer the middle reply may become.
const LENGTH_MAY_GROW: f64 = 1.3;

/// What is known at present with the draft's among it; the questions in a store of their own.
struct Lab {
    questions: Connection,
    count: i64,
    release: Option<Arc<Release>>,
    flows: Arc<Vec<Flow>>,
}

impl Lab {
    fn new(app: &App, draft: &Draft) -> anyhow::Result<Self> {
        let present = app.store.read_blocking(faq::list)?;
        let mut questions = Connection::open_in_memory()?;
        migrations::bring_up_to_date(&mut questions)?;
        let key = SecretKey::from_text(&"00".repeat(32))?;
        writer::once(&mut questions, &Clock::default(), &key, |tx| present.iter().chain(&draft.questions).try_for_each(|faq| faq::put(tx, "kafilah", faq).map(drop)))
            .context("while putting the questions in place")?;
        let count = questions.query_row("SELECT count(*) FROM faq WHERE status = 'published'", [], |row| row.get(0))?;
        let now_ms = app.now_ms();
        let knowledge = app.store.read_blocking(|connection| app.knowledge.at(connection))?;
        let release = knowledge.release(now_ms).map(|active| {
            let mut release = (**active).clone();
            for (block, name) in release.blocks.iter_mut().zip(BLOCKS) {
                if let Some(content) = draft.blocks.get(name) {
                    block.content.clone_from(content);
                }
            }
            Arc::new(release)
        });
        let mut flows = Vec::clone(&knowledge.flows);
        for drafted in &draft.flows {
            match flows.iter_mut().find(|flow| flow.key == drafted.key) {
                Some(flow) => flow.clone_from(drafted),
                None => flows.push(drafted.clone()),
            }
        }
        flows.sort_by(|a, b| a.key.cmp(&b.key)); // as the store lists them
        Ok(Self { questions, count, release, flows: Arc::new(flows) })
    }

    /// What a turn may look at, with this lab's knowledge.
    fn context(&self, context: TurnContext, place: Option<Place>, may_ask: bool) -> TurnContext {
        TurnContext { may_ask, place, questions: self.count, prompt: self.release.clone(), flows: Arc::clone(&self.flows), ..context }
    }

    /// Decides with this lab's knowledge. `ask`: the model too; else a turn that needs it is decided without.
    /// The second half: whether the model was needed.
    fn decide(&self, app: &App, context: &TurnContext, ask: bool) -> Result<(Decision, bool), StoreError> {
        let deadline = Instant::now() + app.settings().millis("llm.timeout_ms") * 2;
        let (mut step, mut needed) = (bot::decide(context), false);
        loop {
            step = match step {
                Step::Done(decision) => return Ok((*decision, needed)),
                Step::Ask(Question::Faq(words), asked) => bot::weigh(context, *asked, Answer::Faq(faq::search(&self.questions, &words, 4)?)),
                Step::Ask(Question::Model(lines), asked) => {
                    needed = true;
                    let answer = if ask { app.model.propose(app, None, &lines, deadline) } else { Err("not_asked") };
                    bot::weigh(context, *asked, Answer::Model(answer))
                }
            };
        }
    }
}

/// Decides the turns since `since_ms`, at most `limit`, again with and without the draft. `each` gets every turn on which
/// they differ, `tell` how far it is; either may end it by returning `false`.
pub fn run(app: &App, since_ms: i64, limit: usize, draft: &Draft, ask_model: bool, tell: &mut dyn FnMut(u64, u64) -> bool, each: &mut dyn FnMut(Case)) -> anyhow::Result<Summary> {
    let accounts = app.settings().accounts();
    if let Some(account) = draft.words().flat_map(|text| crate::bot::guard::foreign_accounts(text, &accounts)).next() {
        anyhow::bail!("the draft names the account {account}, which is not the agency's (payment.accounts)");
    }
    for name in draft.blocks.keys() {
        anyhow::ensure!(BLOCKS.contains(&name.as_str()), "there is no prompt block {name:?}; one of {}", BLOCKS.join(", "));
    }
    for flow in &draft.flows {
        flow.check().map_err(|wrong| anyhow::anyhow!("flow {:?}: {wrong}", flow.key))?;
    }
    let (present, drafted) = (Lab::new(app, &Draft::default())?, Lab::new(app, draft)?);
    let known = app.store.read_blocking(|connection| Known::at(app, connection))?;
    let turns = app.store.read_blocking(|connection| past_turns(connection, since_ms, limit))?;
    let total = turns.iter().filter(|turn| turn.at >= since_ms).count() as u64;
    let mut summary = Summary::default();
    let mut tally = Tally::default();
    let mut state = Conversation::default();
    let mut nth = 0;
    // where the conversation stands in a flow, without the draft and with it
    let mut places: [Option<Place>; 2] = [None, None];
    for past in &turns {
        if state.id != past.conversation_id {
            state = Conversation { id: past.conversation_id, by_bot: true, ..Conversation::default() };
            nth = 0;
            places = [None, None];
        }
        let heard = app.store.read_blocking(|connection| past.heard(connection))?;
        let met_before = nth > 0;
        nth += 1;
        let context =
            app.store.read_blocking(|connection| turns::context(app, connection, &known, state.clone(), heard.clone(), Before { met: met_before, ..Before::default() }))?;
        // what would be asked without the draft was asked then: its recorded words stand for it
        let now = present.context(context.clone(), places[0].clone(), false);
        let (was, _) = present.decide(app, &now, false)?;
        let mut drafted_place = place_after(&was, &places[1]);
        if past.at >= since_ms {
            let recorded = past.decided_by == "llm";
            let before = if recorded { app.store.read_blocking(|connection| past.recorded(connection))? } else { side(&was) };
            let ask = ask_model && context.may_ask;
            let then = drafted.context(context, places[1].clone(), ask || recorded);
            let (decision, needed) = drafted.decide(app, &then, ask)?;
            // what the model answered then and is not asked now stands, unless the draft answers it without the model
            let after = if recorded && !ask_model && needed {
                summary.not_asked += 1;
                before.clone()
            } else {
                drafted_place = place_after(&decision, &places[1]);
                let decided = side(&decision);
                tally.asked += usize::from(decided.decided_by == "llm" || decided.blocked > 0 || decided.escalation.as_deref() == Some("llm_failed"));
                decided
            };
            summary.turns += 1;
            tally.count(&before, &after);
            let differs = differences(&before, &after);
            if !differs.is_empty() {
                summary.changed += 1;
                let words: Vec<&str> = heard.iter().filter_map(|message| message.text.as_deref()).collect();
                each(Case { conversation_id: past.conversation_id, turn_id: past.id, at: past.at, heard: words.join("\n"), before, after, differs });
            }
            if !tell(summary.turns as u64, total) {
                anyhow::bail!("stopped");
            }
        }
        places = [place_after(&was, &places[0]), drafted_place];
        go_on(&mut state, &was, &past.phase);
    }
    let asked = tally.asked;
    summary.gates = tally.gates(summary.turns);
    if !draft.blocks.is_empty() {
        // a prompt only shows in what the model says: without asking it nothing has been tried
        summary.gates.push(Gate { name: "model".into(), passed: asked > 0, before: 1.0, after: asked as f64 });
    }
    Ok(summary)
}

fn place_after(decision: &Decision, before: &Option<Place>) -> Option<Place> {
    decision.place.clone().or_else(|| before.clone().filter(|_| decision.stays_in_flow()))
}

/// The conversation after a turn, for the next one.
fn go_on(state: &mut Conversation, decision: &Decision, phase: &str) {
    state.phase = Phase::parse(phase).max(state.phase);
    for (slot, new) in [(&mut state.package_code, &decision.package_code), (&mut state.bundle_code, &decision.bundle_code), (&mut state.month, &decision.month)] {
        if new.is_some() {
            slot.clone_from(new);
        }
    }
    state.suggested_code.clone_from(&decision.suggested_code);
    state.party_size = decision.party_size.or(state.party_size);
    state.infants = decision.infants;
    state.language = Some(decision.language.to_owned());
}

struct Past {
    id: i64,
    conversation_id: i64,
    at: i64,
    from_id: i64,
    to_id: i64,
    phase: String,
    decided_by: String,
    rule: String,
    escalation: Option<String>,
}

/// All turns of the conversations that had one since `since_ms`: the earlier ones make the state of the later.
fn past_turns(connection: &Connection, since_ms: i64, limit: usize) -> Result<Vec<Past>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT t.id, t.conversation_id, t.at, t.from_id, t.to_id, t.phase, t.decided_by, t.rule, t.escalation FROM turn t
         WHERE t.conversation_id IN (SELECT conversation_id FROM (SELECT conversation_id FROM turn WHERE at >= ?1 ORDER BY id DESC LIMIT ?2)) ORDER BY t.conversation_id, t.id",
    )?;
    let rows = query.query_map((since_ms, limit as i64), |row| {
        Ok(Past {
            id: row.get(0)?,
            conversation_id: row.get(1)?,
            at: row.get(2)?,
            from_id: row.get(3)?,
            to_id: row.get(4)?,
            phase: row.get(5)?,
            decided_by: row.get(6)?,
            rule: row.get(7)?,
            escalation: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Past {
    fn heard(&self, connection: &Connection) -> Result<Vec<Heard>, StoreError> {
        let id = conversation::find(connection, self.conversation_id)?.map_or(self.conversation_id, |found| found.id);
        turn::heard_between(connection, id, self.from_id, self.to_id)
    }

    fn recorded(&self, connection: &Connection) -> Result<Side, StoreError> {
        let mut query = connection.prepare_cached("SELECT kind, ifnull(text, '') FROM message WHERE turn_id = ?1 ORDER BY id")?;
        let rows = query.query_map([self.id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        let parts: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
        Ok(Side {
            reply: said(parts.iter().map(|(kind, text)| (kind.as_str(), text.as_str()))),
            phase: self.phase.clone(),
            escalation: self.escalation.clone(),
            decided_by: self.decided_by.clone(),
            rule: self.rule.clone(),
            blocked: 0,
        })
    }
}

fn said<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let words: Vec<String> = parts.map(|(kind, text)| if kind == "text" { text.to_owned() } else { format!("[{kind}] {text}").trim_end().to_owned() }).collect();
    words.join("\n\n")
}

fn side(decision: &Decision) -> Side {
    Side {
        reply: said(decision.replies.iter().map(|reply| (reply.kind, reply.text.as_deref().unwrap_or("")))),
        phase: decision.phase.as_str().to_owned(),
        escalation: decision.escalation.as_ref().map(|(reason, _)| reason.as_str().to_owned()),
        decided_by: decision.decided_by.to_owned(),
        rule: decision.rule.to_owned(),
        blocked: decision.trace["blocked"].as_array().map_or(0, Vec::len),
    }
}

fn differences(before: &Side, after: &Side) -> Vec<&'static str> {
    [
        ("reply", before.reply != after.reply),
        ("phase", before.phase != after.phase),
        ("escalation", before.escalation != after.escalation),
        ("facts", after.blocked > before.blocked),
    ]
    .into_iter()
    .filter_map(|(name, differs)| differs.then_some(name))
    .collect()
}

#[derive(Default)]
struct Tally {
    escalated: [usize; 2],
    phases: usize,
    /// Turns the model was asked in with the draft.
    asked: usize,
    blocked: [usize; 2],
    lengths: [Vec<usize>; 2],
}

impl Tally {
    fn count(&mut self, before: &Side, after: &Side) {
        for (at, side) in [before, after].into_iter().enumerate() {
            self.escalated[at] += usize::from(side.escalation.is_some());
            self.blocked[at] += side.blocked;
            self.lengths[at].push(side.reply.chars().count());
        }
        self.phases += usize::from(before.phase != after.phase);
    }

    fn gates(mut self, turns: usize) -> Vec<Gate> {
        let share = |n: usize| n as f64 / turns.max(1) as f64;
        let mut middle = |at: usize| {
            self.lengths[at].sort_unstable();
            self.lengths[at].get(self.lengths[at].len() / 2).copied().unwrap_or(0) as f64
        };
        let (short, long) = (middle(0), middle(1));
        let gate = |name: &str, passed, before, after| Gate { name: name.into(), passed, before, after };
        let (was, is) = (share(self.escalated[0]), share(self.escalated[1]));
        vec![
            gate("escalations", is <= was + ESCALATIONS_MAY_RISE, was, is),
            gate("phases", share(self.phases) <= PHASES_MAY_CHANGE, 0.0, share(self.phases)),
            gate("facts", self.blocked[1] <= self.blocked[0], self.blocked[0] as f64, self.blocked[1] as f64),
            gate("length", long <= (short * LENGTH_MAY_GROW).max(short + 40.0), short, long),
        ]
    }
}

/// Between two looks for runs somebody has asked for.
const LOOK: Duration = Duration::from_secs(20);

/// Makes the replays asked for in the dashboard, one after the other, until the program ends.
pub fn run_asked(app: &Arc<App>) {
    if let Err(error) = app.store.write_blocking(crate::chat::replay_run::start_over) {
        tracing::debug!(%error, "replays were not looked at");
    }
    while !app.is_stopping() {
        match app.store.write_blocking(crate::chat::replay_run::take) {
            Ok(Some(asked)) => make(app, &asked),
            Ok(None) => app.lab.wait(LOOK),
            Err(_) => std::thread::sleep(Duration::from_secs(2)), // the store's trouble is told elsewhere
        }
    }
}

fn make(app: &Arc<App>, asked: &crate::chat::replay_run::Asked) {
    use crate::chat::replay_run;
    let (id, mut told) = (asked.id, Instant::now());
    let since = app.now_ms() - asked.days * 86_400_000;
    let draft: Draft = serde_json::from_str(&asked.draft).unwrap_or_default();
    let mut tell = |done: u64, total: u64| {
        if told.elapsed() > Duration::from_millis(400) || done == total {
            told = Instant::now();
            let _ = app.store.write_blocking(move |tx| replay_run::progress(tx, id, done, total)); // only a figure on a page
        }
        !app.is_stopping()
    };
    let mut kept = 0;
    let mut each = |case: Case| {
        if kept < replay_run::MOST_CASES {
            kept += 1;
            let case = serde_json::to_string(&case).unwrap_or_default();
            let _ = app.store.write_blocking(move |tx| replay_run::keep(tx, id, &case)); // the summary counts them all
        }
    };
    let done = run(app, since, replay_run::MOST_TURNS, &draft, asked.ask_model, &mut tell, &mut each);
    if app.is_stopping() {
        return; // made anew at the next start
    }
    let outcome = done.map(|summary| (serde_json::to_string(&summary).unwrap_or_default(), summary.passed())).map_err(|error| format!("{error:#}"));
    if let Err(error) = app.store.write_blocking(move |tx| replay_run::finish(tx, id, &outcome)) {
        tracing::warn!(%error, "a replay's outcome was not written");
    }
}
