//! Decides one turn, as a pure function of what was loaded for it: no I/O, no clock, no randomness.

pub mod code;
pub mod decide;
pub mod reply;
pub mod understand;

use crate::chat::conversation::Conversation;
use crate::chat::turn::Heard;
use crate::travel::catalog::Catalog;
use chrono::NaiveDate;
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
    /// Language when the customer's words do not tell.
    pub default_language: crate::kernel::language::Language,
    /// Send the picture with the facts as its caption instead of before them.
    pub image_caption: bool,
}

pub use decide::decide;
