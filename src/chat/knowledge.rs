//! What the bot knows besides packages, at one moment: the prompt in force and whether there are questions to search.
//! Shared read-only and remade when its generation in the store moves on.

use super::lesson::Lessons;
use super::prompt::{self, Release};
use super::{experiment, flow};
use crate::bot::flow::Flow;
use crate::bot::wording::{Trial, Wording};
use crate::db::StoreError;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};

/// The knowledge.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// Changes counted up to here.
    pub generation: i64,
    /// Releases that are or will be in force, the one that begins last first.
    releases: Vec<Arc<Release>>,
    /// Published questions.
    pub questions: i64,
    /// Published keyword flows.
    pub flows: Arc<Vec<Flow>>,
    /// What the team has told of the meaning of words.
    pub lessons: Arc<Lessons>,
    /// Words of the first answer in force.
    pub wording: Wording,
    /// Trials that run.
    pub trials: Vec<Trial>,
}

/// Releases kept at hand; older ones are history.
const KEPT: usize = 50;

impl Knowledge {
    fn load(connection: &Connection, generation: i64) -> Result<Self, StoreError> {
        let releases = prompt::releases(connection, KEPT)?.into_iter().filter(|release| release.withdrawn_at.is_none()).map(Arc::new).collect();
        let questions = connection.query_row("SELECT count(*) FROM faq WHERE status = 'published'", [], |row| row.get(0))?;
        let flows = Arc::new(flow::list(connection)?.into_iter().filter_map(|kept| kept.published).collect());
        let lessons = Arc::new(Lessons::load(connection)?);
        Ok(Self { generation, releases, questions, flows, lessons, wording: experiment::wording(connection)?, trials: experiment::running(connection)? })
    }

    /// The release in force at that time, unix ms.
    pub fn release(&self, now_ms: i64) -> Option<&Arc<Release>> {
        self.releases.iter().find(|release| release.active_from <= now_ms)
    }
}

/// The newest knowledge, remade only when it changed.
#[derive(Default)]
pub struct KnowledgeCache(Mutex<Arc<Knowledge>>);

impl KnowledgeCache {
    /// The knowledge as `connection`'s transaction sees it.
    pub fn at(&self, connection: &Connection) -> Result<Arc<Knowledge>, StoreError> {
        let generation: i64 = connection.prepare_cached("SELECT value FROM meta WHERE key = 'knowledge_generation'")?.query_row([], |row| row.get(0))?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.generation != generation {
            *held = Arc::new(Knowledge::load(connection, generation)?);
        }
        Ok(Arc::clone(&held))
    }
}
