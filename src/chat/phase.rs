//! How far a customer has come: leads, interest, booking, paid. Phases only move forward; the schema enforces it.

use crate::db::StoreError;
use crate::db::writer::Tx;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The four phases in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Wrote to us.
    #[default]
    Leads,
    /// Asks about particulars.
    Interest,
    /// Wants to book or pay.
    Booking,
    /// Has paid.
    Paid,
}

impl Phase {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Leads, Self::Interest, Self::Booking, Self::Paid];

    /// As in rows and APIs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leads => "leads",
            Self::Interest => "interest",
            Self::Booking => "booking",
            Self::Paid => "paid",
        }
    }

    /// The phase of that name; leads for anything else.
    pub fn parse(text: &str) -> Self {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text).unwrap_or_default()
    }
}

/// Moves a conversation on to `to` if that is forward; writes the transition with its trigger. `true` when it moved.
pub fn advance(tx: &Tx<'_>, conversation_id: i64, from: Phase, to: Phase, trigger_message_id: Option<i64>, cause: &str, actor: &str) -> Result<bool, StoreError> {
    if to <= from {
        return Ok(false);
    }
    tx.prepare_cached("UPDATE conversation SET phase = ?2, phase_at = ?3 WHERE id = ?1")?.execute((conversation_id, to.as_str(), tx.now_ms))?;
    tx.prepare_cached("INSERT INTO phase_transition (conversation_id, at, from_phase, to_phase, trigger_message_id, cause, actor) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
        .execute((conversation_id, tx.now_ms, from.as_str(), to.as_str(), trigger_message_id, cause, actor))?;
    tx.count(
        match to {
            Phase::Leads => "phase.leads",
            Phase::Interest => "phase.interest",
            Phase::Booking => "phase.booking",
            Phase::Paid => "phase.paid",
        },
        1,
    );
    let detail = json!({"from": from, "to": to, "cause": cause, "message": trigger_message_id}).to_string();
    tx.audit(actor, "phase.moved", &format!("conv_{conversation_id}"), &detail)?;
    Ok(true)
}
