//! Leads: who means to book. One a contact, whoever reports it and however often; what is newly learnt joins what was known.

use crate::chat::phase::Phase;
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::text;
use rusqlite::OptionalExtension;
use serde_json::{Value, json};

/// What is reported about a lead.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Chat it comes from.
    pub conversation_id: Option<i64>,
    /// How far the customer is.
    pub phase: Phase,
    /// Package wanted.
    pub package_code: Option<String>,
    /// Campaign or ad.
    pub source: Option<String>,
    /// What was said, for whoever follows up.
    pub summary: Option<String>,
    /// How sure the reporter is, 0..=1.
    pub confidence: Option<f64>,
}

/// Longest summary kept, characters.
const SUMMARY: usize = 2_000;

/// Makes the contact's lead or joins the report to it. Returns its id and whether it is new.
pub fn report(tx: &Tx<'_>, contact_id: i64, actor: &str, report: &Report) -> Result<(i64, bool), StoreError> {
    let summary = report.summary.as_deref().map(|summary| text::preview(summary, SUMMARY));
    let known: Option<(i64, String)> =
        tx.prepare_cached("SELECT id, phase FROM lead WHERE contact_id = ?1")?.query_row([contact_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (id, new) = match known {
        Some((id, phase)) => {
            let phase = Phase::parse(&phase).max(report.phase);
            tx.execute(
                "UPDATE lead SET conversation_id = ifnull(?2, conversation_id), phase = ?3, package_code = ifnull(?4, package_code), source = ifnull(source, ?5),
                   summary = ifnull(?6, summary), confidence = ifnull(?7, confidence), updated_at = ?8 WHERE id = ?1",
                (id, report.conversation_id, phase.as_str(), &report.package_code, &report.source, &summary, report.confidence, tx.now_ms),
            )?;
            (id, false)
        }
        None => {
            tx.execute(
                "INSERT INTO lead (contact_id, conversation_id, phase, package_code, source, summary, confidence, created_by, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)",
                rusqlite::params![contact_id, report.conversation_id, report.phase.as_str(), report.package_code, report.source, summary, report.confidence, actor, tx.now_ms],
            )?;
            tx.count("leads.new", 1);
            (tx.last_insert_rowid(), true)
        }
    };
    tx.audit(
        actor,
        if new { "lead.created" } else { "lead.updated" },
        &format!("lead:{id}"),
        &json!({"contact": contact_id, "phase": report.phase, "package": report.package_code}).to_string(),
    )?;
    tx.emit("alert", report.conversation_id, json!({"kind": "lead", "lead": id, "phase": report.phase, "new": new}))?;
    Ok((id, new))
}

/// Two contacts are one person: the kept one's lead takes what the other's knew. What is needed to undo it: the other's
/// lead as it was, when both had one, and whether it went over whole.
pub fn merge(tx: &Tx<'_>, kept: i64, merged: i64) -> Result<(Option<Value>, bool), StoreError> {
    let moved = tx.execute("UPDATE lead SET contact_id = ?1 WHERE contact_id = ?2 AND NOT EXISTS (SELECT 1 FROM lead WHERE contact_id = ?1)", (kept, merged))?;
    if moved > 0 {
        return Ok((None, true));
    }
    let other: Option<String> = tx
        .query_row(
            "SELECT json_object('id', id, 'conversation_id', conversation_id, 'phase', phase, 'package_code', package_code, 'source', source, 'summary', summary, 'confidence', confidence,
                                'created_by', created_by, 'created_at', created_at, 'updated_at', updated_at) FROM lead WHERE contact_id = ?1",
            [merged],
            |row| row.get(0),
        )
        .optional()?;
    tx.execute(
        "UPDATE lead SET package_code = ifnull(lead.package_code, o.package_code), source = ifnull(lead.source, o.source), summary = ifnull(lead.summary, o.summary), updated_at = max(lead.updated_at, o.updated_at),
           phase = CASE WHEN (CASE o.phase WHEN 'paid' THEN 3 WHEN 'booking' THEN 2 WHEN 'interest' THEN 1 ELSE 0 END) > (CASE lead.phase WHEN 'paid' THEN 3 WHEN 'booking' THEN 2 WHEN 'interest' THEN 1 ELSE 0 END)
                        THEN o.phase ELSE lead.phase END
         FROM lead o WHERE o.contact_id = ?2 AND lead.contact_id = ?1",
        (kept, merged),
    )?;
    tx.execute("DELETE FROM lead WHERE contact_id = ?1", [merged])?;
    Ok((other.and_then(|text| serde_json::from_str(&text).ok()), false))
}

/// Takes back what [`merge`] did: the other's lead as it was.
pub fn unmerge(tx: &Tx<'_>, kept: i64, merged: i64, lead: Option<&Value>, moved: bool) -> Result<(), StoreError> {
    if moved {
        tx.execute("UPDATE lead SET contact_id = ?2 WHERE contact_id = ?1", (kept, merged))?;
    }
    if let Some(lead) = lead {
        tx.execute(
            "INSERT OR IGNORE INTO lead (contact_id, conversation_id, phase, package_code, source, summary, confidence, created_by, created_at, updated_at)
             SELECT ?1, j ->> 'conversation_id', j ->> 'phase', j ->> 'package_code', j ->> 'source', j ->> 'summary', j ->> 'confidence', j ->> 'created_by', j ->> 'created_at', ?3 FROM (SELECT ?2 AS j)",
            (merged, lead.to_string(), tx.now_ms),
        )?;
    }
    Ok(())
}
