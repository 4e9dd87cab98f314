//! What customers asked lately and nobody had an answer ready for: questions the bot passed on, grouped by likeness, with
//! the messages as evidence. One tap makes a group the draft of a published question.

use crate::bot::understand::words;
use crate::db::StoreError;
use rusqlite::Connection;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Questions that are alike.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Group {
    /// The one most like the others.
    pub question: String,
    /// The others, each once.
    pub others: Vec<String>,
    /// How many asked.
    pub count: usize,
    /// Conversations they stood in, newest first.
    pub conversations: Vec<i64>,
}

/// Questions looked at: the newest.
const LOOKED_AT: i64 = 500;
/// Likeness from which two are of a group: shared words of all their words, twice.
const ALIKE: f64 = 0.5;
/// Wordings and conversations shown with a group.
const SHOWN: usize = 8;

/// Groups of questions passed on since `since_ms`, largest first.
pub fn unanswered(connection: &Connection, since_ms: i64, limit: usize) -> Result<Vec<Group>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT conversation_id, question FROM escalation WHERE at >= ?1 AND question IS NOT NULL
         AND reason IN ('complex_question', 'low_confidence', 'llm_failed', 'guard_blocked') ORDER BY id DESC LIMIT ?2",
    )?;
    let rows = query.query_map((since_ms, LOOKED_AT), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let asked: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
    let mut groups = grouped(&asked);
    groups.truncate(limit);
    Ok(groups)
}

/// Puts questions that are alike together; each joins the first group it is like.
fn grouped(asked: &[(i64, String)]) -> Vec<Group> {
    let mut groups: Vec<(BTreeSet<String>, Vec<usize>)> = Vec::new();
    for (at, (_, question)) in asked.iter().enumerate() {
        let words: BTreeSet<String> = words::read(question).words.into_iter().map(|word| word.text).filter(|word| word.len() > 2).collect();
        if words.is_empty() {
            continue;
        }
        let alike = |known: &BTreeSet<String>| 2.0 * known.intersection(&words).count() as f64 / (known.len() + words.len()) as f64;
        match groups.iter_mut().find(|(known, _)| alike(known) >= ALIKE) {
            Some((_, members)) => members.push(at),
            None => groups.push((words, vec![at])),
        }
    }
    groups.sort_by_key(|(_, members)| std::cmp::Reverse(members.len()));
    groups
        .into_iter()
        .map(|(_, members)| {
            let mut wordings: Vec<String> = Vec::new();
            let mut conversations: Vec<i64> = Vec::new();
            for at in &members {
                let (conversation, question) = &asked[*at];
                if !wordings.iter().any(|known| known.eq_ignore_ascii_case(question)) {
                    wordings.push(question.clone());
                }
                if !conversations.contains(conversation) {
                    conversations.push(*conversation);
                }
            }
            // the middle length tells it best: neither a word nor a story
            wordings.sort_by_key(|text| text.chars().count());
            let question = wordings.remove(wordings.len() / 2);
            wordings.truncate(SHOWN);
            conversations.truncate(SHOWN);
            Group { question, others: wordings, count: members.len(), conversations }
        })
        .collect()
}

/// Words that say nothing of what is asked.
const EMPTY: &[&str] = &[
    "saya",
    "aku",
    "kami",
    "kita",
    "kak",
    "kakak",
    "min",
    "admin",
    "pak",
    "bapak",
    "ibu",
    "bu",
    "mas",
    "mbak",
    "mau",
    "ingin",
    "tanya",
    "apa",
    "apakah",
    "yang",
    "ada",
    "kalau",
    "itu",
    "ini",
    "bisa",
    "boleh",
    "dong",
    "sih",
    "kok",
    "nya",
    "untuk",
    "buat",
    "dan",
    "dengan",
    "sama",
    "dari",
    "juga",
    "tidak",
    "belum",
    "sudah",
    "iya",
    "tolong",
    "mohon",
    "terima",
    "kasih",
    "assalamualaikum",
    "halo",
    "selamat",
    "pagi",
    "siang",
    "sore",
    "malam",
    "umroh",
    "umrah",
    "berapa",
    "bagaimana",
    "the",
    "and",
    "for",
    "what",
    "how",
    "much",
    "can",
    "you",
    "please",
    "want",
    "would",
    "like",
    "there",
    "have",
    "are",
    "with",
    "about",
    "kodepaket",
    "dulu",
    "saja",
    "lagi",
    "punten",
    "nggih",
];
/// Words a pattern has at the most.
const PATTERN: usize = 3;

/// The words most used in `texts`, in the order they are said: "hotel dekat haram". `None`: they have none in common worth
/// telling.
pub fn pattern(texts: &[String]) -> Option<String> {
    let mut found: BTreeMap<String, (usize, f64)> = BTreeMap::new();
    for text in texts {
        let words: Vec<String> = words::read(text).words.into_iter().map(|word| word.text).collect();
        let mut seen = BTreeSet::new();
        for (at, word) in words.iter().enumerate() {
            let tells = word.chars().count() > 2 && !word.chars().any(|c| c.is_ascii_digit()) && !EMPTY.contains(&word.as_str());
            if tells && seen.insert(word.clone()) {
                let known = found.entry(word.clone()).or_default();
                known.0 += 1;
                known.1 += at as f64 / words.len() as f64;
            }
        }
    }
    let least = texts.len().div_ceil(6);
    let mut common: Vec<(String, usize, f64)> = found.into_iter().filter(|(_, (n, _))| *n >= least).map(|(word, (n, place))| (word, n, place / n as f64)).collect();
    common.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.2.total_cmp(&b.2)));
    common.truncate(PATTERN);
    common.sort_by(|a, b| a.2.total_cmp(&b.2));
    (!common.is_empty()).then(|| common.into_iter().map(|(word, ..)| word).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alike_questions_are_one_group() {
        let asked: Vec<(i64, String)> =
            [(1, "boleh bawa kucing ke pesawat?"), (2, "bawa kucing boleh ke pesawat kak"), (3, "ada kolam renang di hotel?"), (2, "Boleh bawa kucing ke pesawat?")]
                .map(|(id, text)| (id, text.to_owned()))
                .to_vec();
        let groups = grouped(&asked);
        assert_eq!((groups.len(), groups[0].count, groups[0].conversations.clone(), groups[0].others.len()), (2, 3, vec![1, 2], 1), "{groups:?}");
    }

    #[test]
    fn a_pattern_is_the_words_most_used() {
        let texts = ["hotelnya dekat haram ga kak?", "hotel dekat masjidil haram?", "assalamualaikum mau tanya hotel yang dekat haram ada?"].map(str::to_owned);
        assert_eq!(pattern(&texts).as_deref(), Some("hotel dekat haram"));
        assert_eq!(pattern(&["ya kak".to_owned()]), None);
    }
}
