//! What the marketing team asks of a span of time: how far customers came, what the campaigns brought, how the bot did, what is
//! asked most and where people stop.
//!
//! Definitions, the same everywhere: a *cohort* is the conversations that began in the span, wherever they stand now; *conversion*
//! from one phase to the next is the share of those who reached the first and reached the second too; *drop-off* is the rest of
//! them; a conversation is *successful* when the bot answered in it and never had to ask for a person. Percentages of nothing are
//! null, never zero.

use crate::db::StoreError;
use rusqlite::{Connection, OptionalExtension};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Turns looked at for times and questions: the newest of the span, so that the cost is bounded.
const TURNS: i64 = 20_000;
/// Messages whose words make the pattern of a question.
const SAMPLE: usize = 100;
/// Lines of each list.
const LISTED: i64 = 20;
/// Silent for this long, a conversation has stopped.
const SILENT_MS: i64 = 3 * 86_400_000;

/// `7.5%`, as the contract writes it.
fn percent(part: i64, whole: i64) -> Value {
    if whole == 0 {
        return Value::Null;
    }
    let tenths = (part as f64 * 1000.0 / whole as f64).round() / 10.0;
    json!(if tenths.fract() == 0.0 { format!("{tenths:.0}%") } else { format!("{tenths:.1}%") })
}

struct Funnel {
    leads: i64,
    interest: i64,
    booking: i64,
    paid: i64,
}

impl Funnel {
    fn shown(&self) -> Value {
        json!({
            "total_leads": self.leads, "leads_to_interest": self.interest, "interest_to_booking": self.booking, "booking_to_paid": self.paid,
            "conversion_rate": percent(self.paid, self.leads),
        })
    }
}

/// The whole answer for conversations and happenings from `since` to `until`, unix ms.
pub fn marketing(connection: &Connection, since: i64, until: i64, now_ms: i64) -> Result<Value, StoreError> {
    let cohort = cohort(connection, since, until)?;
    let happened = happened(connection, since, until)?;
    let lost = |from: i64, to: i64| percent(from - to, from);
    Ok(json!({
        "conversion_metrics": cohort.shown(),
        "conversion_metrics_by_event": happened.shown(),
        "campaign_performance": campaigns(connection, since, until)?,
        "ai_performance": bot(connection, since, until)?,
        "common_questions": questions(connection, since, until)?,
        "objections": crate::chat::objection::by_kind(connection, since, until)?,
        "drop_off_analysis": {
            "leads_to_interest": lost(cohort.leads, cohort.interest), "interest_to_booking": lost(cohort.interest, cohort.booking), "booking_to_payment": lost(cohort.booking, cohort.paid),
            "converted": {"leads_to_interest": percent(cohort.interest, cohort.leads), "interest_to_booking": percent(cohort.booking, cohort.interest), "booking_to_payment": percent(cohort.paid, cohort.booking)},
            "last_words_before_silence": silent(connection, since, until, now_ms)?,
        },
        "definitions": {
            "conversion_metrics": "conversations that began in the span, by the farthest phase they have reached since; conversion_rate = paid of all of them",
            "conversion_metrics_by_event": "conversations begun and phases reached within the span, whoever began when",
            "drop_off_analysis": "share of those who reached a phase and went no further; converted is the other share",
            "objections": "what held customers back, by kind; moved_on = a later phase was reached afterwards; wrote_again = the customer wrote within seven days",
            "campaign_performance.conversion": "bookings of clicks; conversion_of_conversations: bookings of conversations",
            "ai_performance.successful_conversations": "the bot answered and never asked for a person",
            "ai_performance.avg_response_time": "from the customer's last message of a turn to the gateway taking the first answer",
        },
    }))
}

fn cohort(connection: &Connection, since: i64, until: i64) -> Result<Funnel, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT count(*), ifnull(sum(phase <> 'leads'), 0), ifnull(sum(phase = 'booking' OR phase = 'paid'), 0), ifnull(sum(phase = 'paid'), 0)
         FROM conversation WHERE merged_into IS NULL AND created_at >= ?1 AND created_at < ?2",
    )?;
    Ok(query.query_row((since, until), |row| Ok(Funnel { leads: row.get(0)?, interest: row.get(1)?, booking: row.get(2)?, paid: row.get(3)? }))?)
}

fn happened(connection: &Connection, since: i64, until: i64) -> Result<Funnel, StoreError> {
    let leads = connection
        .prepare_cached("SELECT count(*) FROM conversation WHERE merged_into IS NULL AND created_at >= ?1 AND created_at < ?2")?
        .query_row((since, until), |row| row.get(0))?;
    let mut query = connection.prepare_cached("SELECT count(DISTINCT conversation_id) FROM phase_transition WHERE to_phase = ?1 AND at >= ?2 AND at < ?3")?;
    let mut reached = |phase: &str| query.query_row((phase, since, until), |row| row.get(0));
    Ok(Funnel { leads, interest: reached("interest")?, booking: reached("booking")?, paid: reached("paid")? })
}

fn campaigns(connection: &Connection, since: i64, until: i64) -> Result<Vec<Value>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT c.code, (SELECT count(*) FROM click k WHERE k.code = c.code AND k.at >= ?1 AND k.at < ?2), count(v.id), ifnull(sum(v.phase = 'booking' OR v.phase = 'paid'), 0), ifnull(sum(v.phase = 'paid'), 0)
         FROM campaign c LEFT JOIN conversation v ON v.first_code = c.code AND v.merged_into IS NULL AND v.created_at >= ?1 AND v.created_at < ?2
         GROUP BY c.code ORDER BY count(v.id) DESC, c.code LIMIT 200",
    )?;
    let rows = query.query_map((since, until), |row| {
        let (code, clicks, conversations, bookings, paid): (String, i64, i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(json!({"campaign_code": code, "clicks": clicks, "conversations": conversations, "bookings": bookings, "paid": paid, "conversion": percent(bookings, clicks),
                  "conversion_of_conversations": percent(bookings, conversations)}))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn bot(connection: &Connection, since: i64, until: i64) -> Result<Value, StoreError> {
    let satisfaction = crate::chat::satisfaction::summary(connection, since, until)?;
    let mut query = connection.prepare_cached(
        "SELECT (SELECT min(o.sent_at) FROM message m JOIN outbox o ON o.message_id = m.id WHERE m.conversation_id = t.conversation_id AND m.turn_id = t.id AND o.sent_at IS NOT NULL) - h.received_at
         FROM (SELECT id, conversation_id, to_id FROM turn WHERE at >= ?1 AND at < ?2 ORDER BY id DESC LIMIT ?3) t JOIN message h ON h.id = t.to_id",
    )?;
    let mut waits: Vec<i64> = query.query_map((since, until, TURNS), |row| row.get::<_, Option<i64>>(0))?.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    waits.retain(|wait| *wait >= 0); // a clock set back in between tells nothing
    waits.sort_unstable();
    let at = |share: f64| waits.get(((waits.len().max(1) - 1) as f64 * share).round() as usize).map(|ms| *ms as f64 / 1000.0);
    let mean = (!waits.is_empty()).then(|| waits.iter().sum::<i64>() as f64 / waits.len() as f64 / 1000.0);
    let (answered, escalated): (i64, i64) = connection
        .prepare_cached(
            "SELECT count(DISTINCT conversation_id), count(DISTINCT CASE WHEN escalation IS NOT NULL THEN conversation_id END) FROM (SELECT conversation_id, escalation FROM turn
             WHERE at >= ?1 AND at < ?2 ORDER BY id DESC LIMIT ?3)",
        )?
        .query_row((since, until, TURNS), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut reasons = connection.prepare_cached("SELECT reason, count(*) FROM escalation WHERE at >= ?1 AND at < ?2 GROUP BY reason ORDER BY count(*) DESC")?;
    let reasons: serde_json::Map<String, Value> =
        reasons.query_map((since, until), |row| Ok((row.get::<_, String>(0)?, json!(row.get::<_, i64>(1)?))))?.collect::<Result<_, _>>()?;
    Ok(json!({
        "avg_response_time": mean.map(|seconds| format!("{seconds:.1} seconds")), "response_time_p50_s": at(0.5), "response_time_p95_s": at(0.95), "turns_measured": waits.len(),
        "successful_conversations": percent(answered - escalated, answered), "escalation_rate": percent(escalated, answered), "escalations_by_reason": reasons, "satisfaction_score": satisfaction["score"], "satisfaction_answers": satisfaction["answers"],
    }))
}

/// One thing that is asked, while it is counted.
#[derive(Default)]
struct Asked {
    times: i64,
    alone: i64,
    latest: i64,
    some: Vec<i64>,
}

/// What is asked most, with how often the bot could do without a person and the words of the latest. A published question is
/// called by its own words, anything else by the words most used for it.
fn questions(connection: &Connection, since: i64, until: i64) -> Result<Vec<Value>, StoreError> {
    const NO_QUESTION: &[&str] = &["greeting", "thanks", "campaign_code", "provide_info"];
    let mut query =
        connection.prepare_cached("SELECT to_id, intents, escalation IS NULL, json_extract(trace, '$.faq') FROM turn WHERE at >= ?1 AND at < ?2 ORDER BY id DESC LIMIT ?3")?;
    let mut rows = query.query((since, until, TURNS))?;
    let mut asked: BTreeMap<(bool, String), Asked> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (to, intents, alone, faq): (i64, String, bool, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let intents: Vec<String> = serde_json::from_str(&intents).unwrap_or_default();
        let meant = intents.into_iter().filter(|intent| !NO_QUESTION.contains(&intent.as_str())).map(|intent| (false, intent));
        let keys: Vec<(bool, String)> = faq.map_or_else(|| meant.collect(), |key| vec![(true, key)]);
        for key in keys {
            let one = asked.entry(key).or_default();
            one.times += 1;
            one.alone += i64::from(alone);
            one.latest = one.latest.max(to);
            if one.some.len() < SAMPLE {
                one.some.push(to);
            }
        }
    }
    let mut asked: Vec<((bool, String), Asked)> = asked.into_iter().collect();
    asked.sort_by(|a, b| b.1.times.cmp(&a.1.times).then_with(|| a.0.cmp(&b.0)));
    asked.truncate(LISTED as usize);
    let mut text = connection.prepare_cached("SELECT text FROM message WHERE id = ?1")?;
    let mut published = connection.prepare_cached("SELECT question FROM faq WHERE key = ?1")?;
    let mut told = Vec::new();
    for ((is_faq, name), one) in asked {
        let mut texts = Vec::new();
        for id in &one.some {
            texts.extend(text.query_row([id], |row| row.get::<_, Option<String>>(0)).optional()?.flatten());
        }
        let question: Option<String> = if is_faq { published.query_row([&name], |row| row.get(0)).optional()? } else { super::questions::pattern(&texts) };
        let latest: Option<String> = text.query_row([one.latest], |row| row.get::<_, Option<String>>(0)).optional()?.flatten();
        told.push(json!({
            "question_pattern": question.unwrap_or_else(|| name.clone()), "frequency": one.times, "ai_success_rate": percent(one.alone, one.times),
            (if is_faq { "faq" } else { "intent" }): name, "latest": latest.map(|text| crate::kernel::text::preview(&text, 160)),
        }));
    }
    Ok(told)
}

/// The customer's last words in conversations that stopped short of paying, newest first.
fn silent(connection: &Connection, since: i64, until: i64, now_ms: i64) -> Result<Vec<Value>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT v.id, v.phase, substr(m.text, 1, 160), v.last_in_at FROM conversation v JOIN message m ON m.id = v.last_in_id
         WHERE v.merged_into IS NULL AND v.phase <> 'paid' AND v.created_at >= ?1 AND v.created_at < ?2 AND v.last_at < ?3 AND m.text IS NOT NULL ORDER BY v.last_at DESC, v.id DESC LIMIT ?4",
    )?;
    let rows = query.query_map((since, until, now_ms - SILENT_MS, LISTED), |row| {
        let id: i64 = row.get(0)?;
        Ok(json!({"conversation_id": format!("conv_{id}"), "phase": row.get::<_, String>(1)?, "text": row.get::<_, Option<String>>(2)?, "at_ms": row.get::<_, Option<i64>>(3)?}))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_of_nothing_are_nothing() {
        assert_eq!([percent(1, 0), percent(15, 200), percent(40, 500), percent(1, 3)], [Value::Null, json!("7.5%"), json!("8%"), json!("33.3%")]);
    }
}
