//! Decides one turn, as a pure function of what was loaded for it: no I/O, no clock, no randomness.

pub mod choice;
pub mod claims;
pub mod code;
pub mod decide;
pub mod facts;
pub mod figures;
pub mod fixed;
pub mod flow;
pub mod flow_map;
pub mod grounded;
pub mod guard;
pub mod objection;
pub mod package_text;
pub mod promise;
pub mod proposal;
pub mod reading;
pub mod reply;
pub mod rules;
pub mod style;
pub mod understand;
pub mod wish;
pub mod wording;

use crate::chat::conversation::Conversation;
use crate::chat::faq::Hit;
use crate::chat::lesson::Lessons;
use crate::chat::prompt::Release;
use crate::chat::turn::{Decision, Heard, Said};
use crate::travel::catalog::Catalog;
use crate::wire::openai::Line;
use chrono::NaiveDate;
use flow::{Flow, Place};
use guard::Breach;
use proposal::Proposal;
use std::sync::Arc;

/// Everything a decision may look at: this conversation's data and the catalogue, nothing of anybody else.
#[derive(Clone, Debug)]
pub struct TurnContext {
    /// The conversation before the turn.
    pub conversation: Conversation,
    /// What the customer said since the last turn, oldest first.
    pub heard: Vec<Heard>,
    /// The bot has answered here before.
    pub met_before: bool,
    /// Its last answer was a list of packages to choose from.
    pub list_shown: bool,
    /// Its last answer, a short while ago, was a word back to a nod, to thanks or to something noted.
    pub nodded: bool,
    /// Packages and their files.
    pub catalog: Arc<Catalog>,
    /// Calendar day for the agency.
    pub today: NaiveDate,
    /// The agency's name.
    pub agency: String,
    /// Its PPIU licence number; empty when not set.
    pub licence: String,
    /// Its office address; empty when not set.
    pub address: String,
    /// When its office is open, as the agency has set it; none when not set.
    pub office: Option<fixed::Office>,
    /// Its WhatsApp number; empty when not known.
    pub phone: String,
    /// Its public address on the web; empty when not set.
    pub website: String,
    /// What was said before, oldest first; loaded only where a model may be asked.
    pub earlier: Vec<Said>,
    /// What the model is told; none before the store has any.
    pub prompt: Option<Arc<Release>>,
    /// Published questions there are to search.
    pub questions: i64,
    /// Satisfaction was asked lately and has not been told.
    pub rating_awaited: bool,
    /// The agency's bank accounts: no other may be named.
    pub accounts: Vec<String>,
    /// Published keyword flows.
    pub flows: Arc<Vec<Flow>>,
    /// What the team has told of the meaning of words.
    pub lessons: Arc<Lessons>,
    /// Where the conversation stands in one.
    pub place: Option<Place>,
    /// A model may be asked in this turn.
    pub may_ask: bool,
    /// Language when the customer's words do not tell.
    pub default_language: crate::kernel::language::Language,
    /// Send the picture with the facts as its caption instead of before them.
    pub image_caption: bool,
    /// Words of the first answer for this contact.
    pub wording: wording::Wording,
}

impl TurnContext {
    /// Whether everything a published text names is known.
    pub fn can_say(&self, text: &str) -> bool {
        !(text.contains("{licence}") && self.licence.is_empty() || text.contains("{address}") && self.address.is_empty())
    }

    /// A published text with the agency's own values in place of its merge tags.
    pub fn with_agency(&self, text: &str) -> String {
        with_agency(text, &self.agency, &self.licence, &self.address)
    }
}

/// A published text with these values in place of its merge tags.
pub fn with_agency(text: &str, agency: &str, licence: &str, address: &str) -> String {
    text.replace("{agency}", agency).replace("{licence}", licence).replace("{address}", address)
}

/// What a turn needs next.
#[derive(Debug)]
pub enum Step {
    /// Nothing: it is decided.
    Done(Box<Decision>),
    /// An answer from outside; handed back to [`weigh`] with what has been found out so far.
    Ask(Question, Box<Asked>),
}

/// A question to the world.
#[derive(Debug)]
pub enum Question {
    /// Which published questions is this like?
    Faq(String),
    /// What would the model say?
    Model(Vec<Line>),
}

/// Its answer.
#[derive(Debug)]
pub enum Answer {
    /// Questions found, best first.
    Faq(Vec<Hit>),
    /// A proposal, or the name of why there is none.
    Model(Result<Proposal, &'static str>),
}

/// What has been found out in this turn.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Questions found for the customer's words.
    pub hits: Vec<Hit>,
    /// Packages the model has asked to see.
    pub looked_up: Vec<String>,
    /// What the guard blocked, proposal by proposal.
    pub blocked: Vec<Vec<Breach>>,
    /// Proposals asked for.
    pub proposals: usize,
}

pub use decide::{decide, weigh};
