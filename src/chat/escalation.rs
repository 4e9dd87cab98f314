//! The bot asks for a person, with a reason. Always a row, an alert and a figure; settled when a person answers.

use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::language::Language;
use rusqlite::{Connection, OptionalExtension};
use serde_json::json;

/// Why a person is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Wants to pay or register.
    PaymentIntent,
    /// Asked for a person.
    HumanRequested,
    /// A question the rules cannot answer.
    ComplexQuestion,
    /// Two unsure turns in a row.
    LowConfidence,
    /// Is not happy.
    Complaint,
    /// Haggles.
    Negotiation,
    /// Sent a file somebody must look at.
    MediaReceived,
    /// The turn broke twice.
    TurnFailed,
    /// More bot replies in an hour than allowed.
    TooManyReplies,
    /// The model gave no usable answer, and nothing else had one.
    LlmFailed,
    /// The fact guard blocked what the model proposed, twice.
    GuardBlocked,
}

impl Reason {
    /// As in rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PaymentIntent => "payment_intent",
            Self::HumanRequested => "human_requested",
            Self::ComplexQuestion => "complex_question",
            Self::LowConfidence => "low_confidence",
            Self::Complaint => "complaint",
            Self::Negotiation => "negotiation",
            Self::MediaReceived => "media_received",
            Self::TurnFailed => "turn_failed",
            Self::TooManyReplies => "too_many_replies",
            Self::LlmFailed => "llm_failed",
            Self::GuardBlocked => "guard_blocked",
        }
    }
}

/// A reason as the team reads it.
pub fn in_words(reason: &str, language: Language) -> &str {
    let (id, en) = match reason {
        "payment_intent" => ("ingin mendaftar atau membayar", "wants to register or pay"),
        "human_requested" => ("minta bicara dengan orang", "asks for a person"),
        "complex_question" => ("pertanyaan yang tidak ada jawabannya", "a question without an answer"),
        "low_confidence" => ("bot dua kali tidak yakin", "the bot was unsure twice"),
        "complaint" => ("keluhan", "a complaint"),
        "negotiation" => ("menawar harga", "haggles"),
        "media_received" => ("mengirim berkas", "sent a file"),
        "turn_failed" => ("bot gagal menjawab", "the bot could not answer"),
        "too_many_replies" => ("terlalu banyak balasan bot dalam satu jam", "too many replies of the bot in an hour"),
        "llm_failed" => ("AI tidak menjawab", "the model did not answer"),
        "guard_blocked" => ("jawaban ditahan penjaga fakta", "the fact guard held the answer back"),
        _ => return reason,
    };
    if language == Language::En { en } else { id }
}

/// Questions of one conversation that stay open beside each other.
const MOST_QUESTIONS: i64 = 5;

/// Raises one. While one of the same reason is open the question is renewed instead of piling up rows; questions nobody has
/// answered stand beside each other, up to [`MOST_QUESTIONS`], so that none is forgotten.
pub fn raise(tx: &Tx<'_>, conversation_id: i64, turn_id: Option<i64>, message_id: Option<i64>, reason: Reason, question: &str) -> Result<(), StoreError> {
    let question = crate::kernel::text::preview(question, 500);
    let open: Option<i64> = tx
        .prepare_cached("SELECT id FROM escalation WHERE conversation_id = ?1 AND resolved_at IS NULL AND reason = ?2 ORDER BY id DESC LIMIT 1")?
        .query_row((conversation_id, reason.as_str()), |row| row.get(0))
        .optional()?;
    let is_another = reason == Reason::ComplexQuestion && {
        let (open, same): (i64, i64) = tx
            .prepare_cached("SELECT count(*), ifnull(sum(question IS ?3), 0) FROM escalation WHERE conversation_id = ?1 AND resolved_at IS NULL AND reason = ?2")?
            .query_row((conversation_id, reason.as_str(), &question), |row| Ok((row.get(0)?, row.get(1)?)))?;
        same == 0 && open < MOST_QUESTIONS
    };
    if let Some(id) = open.filter(|_| !is_another) {
        tx.execute("UPDATE escalation SET question = ?2, message_id = ifnull(?3, message_id) WHERE id = ?1", (id, &question, message_id))?;
    } else {
        tx.prepare_cached("INSERT INTO escalation (conversation_id, turn_id, message_id, at, reason, question) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?.execute((
            conversation_id,
            turn_id,
            message_id,
            tx.now_ms,
            reason.as_str(),
            &question,
        ))?;
        tx.count(format!("escalation.{}", reason.as_str()), 1);
        tx.audit("bot", "escalation.raised", &format!("conv_{conversation_id}"), reason.as_str())?;
    }
    tx.prepare_cached("UPDATE conversation SET waiting_since_at = ifnull(waiting_since_at, ?2) WHERE id = ?1")?.execute((conversation_id, tx.now_ms))?;
    tx.emit("alert", Some(conversation_id), json!({"kind": "escalation", "reason": reason, "question": question}))
}

/// Settles all open ones of a conversation.
pub fn resolve(tx: &Tx<'_>, conversation_id: i64, actor: &str) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE escalation SET resolved_at = ?2, resolved_by = ?3 WHERE conversation_id = ?1 AND resolved_at IS NULL")?.execute((
        conversation_id,
        tx.now_ms,
        actor,
    ))?;
    Ok(())
}

/// Reason and question of the open ones, newest first.
pub fn open(connection: &Connection, conversation_id: i64) -> Result<Vec<(String, String, i64)>, StoreError> {
    let mut query = connection.prepare_cached("SELECT reason, ifnull(question, ''), at FROM escalation WHERE conversation_id = ?1 AND resolved_at IS NULL ORDER BY id DESC")?;
    let rows = query.query_map([conversation_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
