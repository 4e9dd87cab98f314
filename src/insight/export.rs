//! Exports: one table of columns and SQL per kind. First line is the header, order never changes (new columns join at
//! the end), times RFC 3339 with zone, phones `+62…`, rupiah whole, and no cell a spreadsheet would run.

use crate::db::StoreError;
use crate::kernel::{date, text};
use chrono_tz::Tz;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::{Map, Value, json};
use std::io::Write;

/// How a column of the SQL becomes a cell.
#[derive(Clone, Copy, PartialEq)]
enum Cell {
    Text,
    Number,
    Time,
    Phone,
    /// `conv_<id>`.
    Conversation,
}
use Cell::{Conversation, Number, Phone, Text, Time};

/// An export.
pub struct Export {
    /// Name on the command line.
    pub name: &'static str,
    columns: &'static [(&'static str, Cell)],
    /// Columns in the order of `columns`; `{SPAN}` is where the rows are chosen, `{PHONE}` the contact's number.
    sql: &'static str,
    rows: Rows,
}

/// What the rows are, and so how "since" is told.
#[derive(Clone, Copy)]
enum Rows {
    /// Written once, never changed: (row number, time). Numbers are given in the order of commits, so a mark by number
    /// neither skips nor repeats a row.
    Log(&'static str, &'static str),
    /// The latest state of something: when it last changed, unix ms. A row comes again whenever it has changed.
    State(&'static str),
}
use Rows::{Log, State};

const PHONE: &str = "(SELECT value FROM identity i WHERE i.contact_id = v.contact_id AND i.kind = 'phone' LIMIT 1)";

/// Every export there is.
pub const EXPORTS: &[Export] = &[
    Export {
        name: "messages",
        columns: &[
            ("message_id", Text), ("conversation_id", Conversation), ("contact_phone", Phone), ("direction", Text), ("author", Text), ("kind", Text), ("text", Text), ("status", Text),
            ("at", Time), ("phase", Text), ("confidence", Number), ("decided_by", Text), ("prompt_version", Text), ("campaign_code", Text), ("contact_name", Text), ("user", Text),
            ("reply_to", Text), ("edited_at", Time), ("revoked_at", Time), ("session", Text),
        ],
        sql: "SELECT m.wa_id, m.conversation_id, {PHONE}, m.direction, m.author, m.kind, m.text, m.status, m.at,
              coalesce(t.phase, (SELECT p.to_phase FROM phase_transition p WHERE p.conversation_id = m.conversation_id AND p.at <= m.received_at ORDER BY p.id DESC LIMIT 1), 'leads'),
              t.confidence, t.decided_by, t.prompt_version,
              ifnull(m.campaign_code, (SELECT x.code FROM touch x WHERE x.conversation_id = m.conversation_id AND x.message_id = m.id AND x.via <> 'ignored' LIMIT 1)), c.name, u.name, m.reply_to, m.edited_at, m.revoked_at, h.session
              FROM message m JOIN conversation v ON v.id = m.conversation_id JOIN contact c ON c.id = v.contact_id JOIN channel h ON h.id = m.channel_id
              LEFT JOIN turn t ON t.id = m.turn_id LEFT JOIN user u ON u.id = m.user_id WHERE {SPAN} ORDER BY m.id",
        rows: Log("m.id", "m.received_at"),
    },
    Export {
        name: "conversations",
        columns: &[
            ("conversation_id", Conversation), ("contact_phone", Phone), ("contact_name", Text), ("phase", Text), ("package_code", Text), ("handler", Text), ("assignee", Text), ("unread", Number),
            ("waiting_since", Time), ("last_at", Time), ("party_size", Number), ("month", Text), ("first_code", Text), ("last_code", Text), ("created_at", Time), ("session", Text), ("labels", Text), ("held_by", Text), ("resolved_at", Time),
        ],
        sql: "SELECT v.id, {PHONE}, c.name, v.phase, v.package_code, v.handler, u.name, v.unread_count, v.waiting_since_at, v.last_at, v.party_size, v.month, v.first_code, v.last_code,
              v.created_at, h.session, (SELECT group_concat(l.name, '; ') FROM contact_label x JOIN label l ON l.id = x.label_id AND l.deleted_at IS NULL WHERE x.contact_id = v.contact_id),
              v.held_by, v.resolved_at FROM conversation v JOIN contact c ON c.id = v.contact_id JOIN channel h ON h.id = v.channel_id LEFT JOIN user u ON u.id = v.assignee_id
              WHERE v.merged_into IS NULL AND {SPAN} ORDER BY v.id",
        rows: State("max(v.created_at, v.last_at, v.phase_at, ifnull(v.handler_at, 0), ifnull(v.resolved_at, 0), ifnull((SELECT max(x.at) FROM label_event x WHERE x.contact_id = v.contact_id), 0))"),
    },
    Export {
        name: "contacts",
        columns: &[("contact_id", Number), ("phone", Phone), ("name", Text), ("email", Text), ("address", Text), ("opted_out_at", Time), ("created_at", Time), ("lid", Text),
            ("name_source", Text), ("interest", Text), ("labels", Text), ("fields", Text), ("last_in_at", Time), ("updated_at", Time)],
        sql: "SELECT v.contact_id, {PHONE}, v.name, v.email, v.address, v.opted_out_at, v.created_at,
              (SELECT value || '@lid' FROM identity i WHERE i.contact_id = v.contact_id AND i.kind = 'lid' LIMIT 1), v.name_source, v.interest,
              (SELECT group_concat(l.name, '; ') FROM contact_label x JOIN label l ON l.id = x.label_id AND l.deleted_at IS NULL WHERE x.contact_id = v.contact_id), v.fields,
              (SELECT max(last_in_at) FROM conversation y WHERE y.contact_id = v.contact_id), v.updated_at
              FROM (SELECT id AS contact_id, * FROM contact) v WHERE v.merged_into IS NULL AND {SPAN} ORDER BY v.contact_id",
        rows: State("max(v.created_at, ifnull(v.opted_out_at, 0), ifnull(v.updated_at, 0), ifnull((SELECT max(x.at) FROM label_event x WHERE x.contact_id = v.contact_id), 0))"),
    },
    Export {
        name: "label-events",
        columns: &[
            ("at", Time), ("label", Text), ("contact_phone", Phone), ("change", Text), ("source", Text), ("actor", Text), ("actor_certainty", Text), ("label_id", Number), ("contact_name", Text),
            ("actor_name", Text), ("likely_user", Text), ("why", Text), ("contact_id", Number),
        ],
        sql: "SELECT v.at, ifnull(l.name, 'Label ' || ifnull((SELECT wa_id FROM label_link k WHERE k.label_id = l.id LIMIT 1), l.id)),
              (SELECT value FROM identity i WHERE i.kind = 'phone' AND i.contact_id = ifnull(c.merged_into, c.id) LIMIT 1), v.change, v.source, v.actor, v.actor_certainty, v.label_id, c.name,
              CASE WHEN v.actor LIKE 'user:%' THEN (SELECT name FROM user WHERE id = CAST(substr(v.actor, 6) AS INTEGER))
                   WHEN v.actor LIKE 'token:%' THEN (SELECT name FROM api_token WHERE id = CAST(substr(v.actor, 7) AS INTEGER)) END, u.name, v.why, v.contact_id
              FROM label_event v JOIN label l ON l.id = v.label_id JOIN contact c ON c.id = v.contact_id LEFT JOIN user u ON u.id = v.likely_user_id WHERE {SPAN} ORDER BY v.id",
        rows: Log("v.id", "v.at"),
    },
    Export {
        name: "labels",
        columns: &[("label_id", Number), ("label", Text), ("color", Number), ("color_hex", Text), ("contacts", Number), ("deleted_at", Time), ("whatsapp_id", Text), ("created_at", Time), ("created_by", Text)],
        sql: "SELECT l.id, ifnull(l.name, 'Label ' || ifnull((SELECT wa_id FROM label_link k WHERE k.label_id = l.id LIMIT 1), l.id)), l.color, l.color_hex, l.contacts, l.deleted_at,
              (SELECT wa_id FROM label_link k WHERE k.label_id = l.id LIMIT 1), l.created_at, l.created_by FROM label l WHERE {SPAN} ORDER BY l.id",
        rows: State("?2 - 1"),
    },
    Export {
        name: "notes",
        columns: &[("at", Time), ("conversation_id", Conversation), ("contact_phone", Phone), ("text", Text), ("actor", Text), ("pinned_at", Time), ("removed_at", Time)],
        sql: "SELECT n.at, n.conversation_id, {PHONE}, n.text, n.actor, n.pinned_at, n.removed_at FROM note n JOIN conversation v ON v.id = n.conversation_id WHERE {SPAN} ORDER BY n.id",
        rows: State("max(n.at, ifnull(n.pinned_at, 0), ifnull(n.removed_at, 0))"),
    },
    Export {
        name: "staff-access",
        columns: &[("day", Text), ("actor", Text), ("name", Text), ("contact_id", Number), ("contact_phone", Phone), ("contact_name", Text), ("first_at", Time), ("times", Number)],
        sql: "SELECT v.day, v.actor, CASE WHEN v.actor LIKE 'user:%' THEN (SELECT name FROM user WHERE id = CAST(substr(v.actor, 6) AS INTEGER)) ELSE (SELECT name FROM api_token WHERE id = CAST(substr(v.actor, 7) AS INTEGER)) END,
              v.contact_id, {PHONE}, c.name, v.first_at, v.times FROM staff_access v JOIN contact c ON c.id = v.contact_id WHERE {SPAN} ORDER BY v.day, v.actor, v.contact_id",
        rows: State("v.first_at"),
    },
    Export {
        name: "leads",
        columns: &[
            ("lead_id", Number), ("contact_phone", Phone), ("contact_name", Text), ("phase", Text), ("package_code", Text), ("source", Text), ("summary", Text), ("confidence", Number),
            ("conversation_id", Conversation), ("created_by", Text), ("created_at", Time), ("updated_at", Time),
        ],
        sql: "SELECT v.id, {PHONE}, c.name, v.phase, v.package_code, v.source, v.summary, v.confidence, v.conversation_id, v.created_by, v.created_at, v.updated_at
              FROM lead v JOIN contact c ON c.id = v.contact_id WHERE {SPAN} ORDER BY v.id",
        rows: State("v.updated_at"),
    },
    Export {
        name: "phase-transitions",
        columns: &[("at", Time), ("conversation_id", Conversation), ("contact_phone", Phone), ("from", Text), ("to", Text), ("trigger_message_id", Text), ("cause", Text), ("actor", Text)],
        sql: "SELECT p.at, p.conversation_id, {PHONE}, p.from_phase, p.to_phase, (SELECT wa_id FROM message WHERE id = p.trigger_message_id), p.cause, p.actor
              FROM phase_transition p JOIN conversation v ON v.id = p.conversation_id WHERE {SPAN} ORDER BY p.id",
        rows: Log("p.id", "p.at"),
    },
    Export {
        name: "handovers",
        columns: &[("at", Time), ("conversation_id", Conversation), ("contact_phone", Phone), ("from", Text), ("to", Text), ("reason", Text), ("waited_ms", Number), ("note", Text)],
        sql: "SELECT o.at, o.conversation_id, {PHONE}, o.from_handler, o.to_handler, o.reason, o.waited_ms, o.note FROM handover o JOIN conversation v ON v.id = o.conversation_id
              WHERE {SPAN} ORDER BY o.id",
        rows: Log("o.id", "o.at"),
    },
    Export {
        name: "escalations",
        columns: &[("at", Time), ("conversation_id", Conversation), ("contact_phone", Phone), ("reason", Text), ("question", Text), ("resolved_at", Time), ("resolved_by", Text)],
        sql: "SELECT e.at, e.conversation_id, {PHONE}, e.reason, e.question, e.resolved_at, e.resolved_by FROM escalation e JOIN conversation v ON v.id = e.conversation_id
              WHERE {SPAN} ORDER BY e.id",
        rows: State("max(e.at, ifnull(e.resolved_at, 0))"),
    },
    Export {
        name: "campaigns",
        columns: &[("code", Text), ("name", Text), ("package_code", Text), ("source", Text), ("clicks", Number), ("conversations", Number), ("created_at", Time)],
        sql: "SELECT code, name, package_code, source, clicks, conversations, created_at FROM campaign WHERE {SPAN} ORDER BY code",
        rows: State("max(created_at, ifnull((SELECT max(at) FROM click k WHERE k.code = campaign.code), 0))"),
    },
    Export {
        name: "clicks",
        columns: &[("at", Time), ("code", Text), ("referrer", Text), ("user_agent", Text)],
        sql: "SELECT at, code, referrer, user_agent FROM click WHERE {SPAN} ORDER BY id",
        rows: Log("id", "at"),
    },
    Export {
        name: "packages",
        columns: &[
            ("code", Text), ("name", Text), ("price_idr", Number), ("departs", Text), ("days", Number), ("status", Text), ("quota", Number), ("seats_taken", Number), ("hotel_makkah", Text),
            ("hotel_makkah_m", Number), ("hotel_madinah", Text), ("hotel_madinah_m", Number), ("airline", Text), ("departure_city", Text), ("dp_idr", Number), ("payoff_by", Text),
            ("price_triple_idr", Number), ("price_double_idr", Number), ("price_infant_idr", Number), ("features", Text), ("includes", Text), ("excludes", Text), ("payment_terms", Text), ("itinerary", Text), ("seats_booked", Number),
        ],
        sql: "SELECT code, name, price_idr, departs, days, status, quota, seats_taken, hotel_makkah, hotel_makkah_m, hotel_madinah, hotel_madinah_m, airline, departure_city, dp_idr, payoff_by,
              price_triple_idr, price_double_idr, price_infant_idr, features, includes, excludes, payment_terms, itinerary, seats_booked FROM package WHERE {SPAN} ORDER BY departs, code",
        rows: State("updated_at"),
    },
    Export {
        name: "bookings",
        columns: &[
            ("booking_id", Number), ("contact_phone", Phone), ("contact_name", Text), ("package_code", Text), ("departs", Text), ("seats", Number), ("total_idr", Number), ("paid_idr", Number), ("state", Text),
            ("note", Text), ("created_by", Text), ("created_at", Time), ("cancelled_at", Time), ("contact_id", Number),
        ],
        sql: "SELECT v.id, {PHONE}, c.name, p.code, p.departs, v.seats, v.total_idr, v.paid_idr, v.state, v.note, v.created_by, v.created_at, v.cancelled_at, v.contact_id
              FROM booking v JOIN contact c ON c.id = v.contact_id JOIN package p ON p.id = v.package_id WHERE {SPAN} ORDER BY v.id",
        rows: State("v.updated_at"),
    },
    Export {
        name: "payments",
        columns: &[
            ("payment_id", Number), ("booking_id", Number), ("contact_phone", Phone), ("contact_name", Text), ("package_code", Text), ("amount_idr", Number), ("method", Text), ("received_on", Text),
            ("reference", Text), ("recorded_by", Text), ("recorded_at", Time), ("voided_at", Time),
        ],
        sql: "SELECT y.id, y.booking_id, {PHONE}, c.name, p.code, y.amount_idr, y.method, y.received_on, y.reference, y.recorded_by, y.recorded_at, y.voided_at
              FROM payment y JOIN booking v ON v.id = y.booking_id JOIN contact c ON c.id = v.contact_id JOIN package p ON p.id = v.package_id WHERE {SPAN} ORDER BY y.id",
        rows: State("max(y.recorded_at, ifnull(y.voided_at, 0))"),
    },
    Export {
        name: "purchases",
        columns: &[("bought_on", Text), ("contact_phone", Phone), ("contact_name", Text), ("product", Text), ("quantity", Number), ("price_idr", Number), ("total_idr", Number)],
        sql: "SELECT v.bought_on, {PHONE}, c.name, v.product, v.quantity, v.price_idr, v.total_idr FROM purchase v JOIN contact c ON c.id = v.contact_id
              WHERE {SPAN} ORDER BY v.id",
        rows: Log("v.id", "v.imported_at"),
    },
    Export {
        name: "outbox",
        columns: &[
            ("outbox_id", Number), ("conversation_id", Conversation), ("message_id", Text), ("state", Text), ("attempts", Number), ("last_cause", Text), ("due_at", Time), ("sent_at", Time),
            ("contact_phone", Phone), ("kind", Text), ("text", Text), ("created_at", Time),
        ],
        sql: "SELECT o.id, o.conversation_id, m.wa_id, o.state, o.attempts, o.last_cause, o.due_at, o.sent_at, {PHONE}, m.kind, m.text, o.created_at
              FROM outbox o JOIN message m ON m.id = o.message_id JOIN conversation v ON v.id = o.conversation_id WHERE {SPAN} ORDER BY o.id",
        rows: State("max(o.created_at, ifnull(o.attempt_at, 0), ifnull(o.sent_at, 0), ifnull(o.changed_at, 0))"),
    },
    Export {
        name: "faq",
        columns: &[
            ("key", Text), ("topic", Text), ("question", Text), ("variants", Text), ("answer", Text), ("answer_en", Text), ("status", Text), ("said", Number), ("updated_at", Time), ("updated_by", Text),
        ],
        sql: "SELECT key, topic, question, variants, answer, answer_en, status, said, updated_at, updated_by FROM faq WHERE {SPAN} ORDER BY topic, key",
        rows: State("updated_at"),
    },
    Export {
        name: "training",
        columns: &[
            ("source", Text), ("text", Text), ("intents", Text), ("payment_intent", Number), ("language", Text), ("decided_by", Text), ("confidence", Number), ("phase", Text), ("escalation", Text), ("at", Time),
        ],
        sql: "SELECT source, text, intents, payment_intent, language, decided_by, confidence, phase, escalation, at FROM (
                SELECT 'lesson' AS source, text, intents, payment_intent, NULL AS language, taught_by AS decided_by, 1.0 AS confidence, NULL AS phase, NULL AS escalation, taught_at AS at, 0 AS n FROM lesson
                UNION ALL SELECT 'turn', (SELECT group_concat(m.text, char(10)) FROM message m WHERE m.conversation_id = t.conversation_id AND m.direction = 'in' AND m.id > t.from_id AND m.id <= t.to_id AND m.text IS NOT NULL),
                  t.intents, NULL, t.language, t.decided_by, t.confidence, t.phase, t.escalation, t.at, t.id FROM turn t)
              WHERE text IS NOT NULL AND {SPAN} ORDER BY source, at, n",
        rows: State("at"),
    },
    Export {
        name: "prompts",
        columns: &[("prompt_type", Text), ("version", Text), ("content", Text), ("updated_by", Text), ("actor", Text), ("created_at", Time)],
        sql: "SELECT block, version, content, author, actor, at FROM prompt_block WHERE {SPAN} ORDER BY id",
        rows: Log("id", "at"),
    },
    Export {
        name: "llm-calls",
        columns: &[
            ("at", Time), ("conversation_id", Conversation), ("model", Text), ("outcome", Text), ("latency_ms", Number), ("tries", Number), ("prompt_tokens", Number),
            ("completion_tokens", Number), ("detail", Text),
        ],
        sql: "SELECT at, conversation_id, model, outcome, latency_ms, tries, prompt_tokens, completion_tokens, detail FROM llm_call WHERE {SPAN} ORDER BY id",
        rows: Log("id", "at"),
    },
    Export {
        name: "promises",
        columns: &[
            ("at", Time), ("conversation_id", Conversation), ("contact_phone", Phone), ("contact_name", Text), ("what", Text), ("quote", Text), ("due_on", Text), ("missed_at", Time), ("ended_at", Time), ("ended_as", Text),
        ],
        sql: "SELECT p.at, p.conversation_id, {PHONE}, c.name, p.what, p.quote, p.due_on, p.missed_at, p.ended_at, p.ended_as
              FROM promise p JOIN conversation v ON v.id = p.conversation_id JOIN contact c ON c.id = v.contact_id WHERE {SPAN} ORDER BY p.id",
        rows: State("max(p.at, ifnull(p.missed_at, 0), ifnull(p.ended_at, 0))"),
    },
    Export {
        name: "objections",
        columns: &[("at", Time), ("conversation_id", Conversation), ("contact_phone", Phone), ("kind", Text), ("phase", Text), ("words", Text), ("decided_by", Text), ("rule", Text)],
        sql: "SELECT o.at, o.conversation_id, {PHONE}, o.kind, o.phase, m.text, t.decided_by, t.rule FROM objection o JOIN conversation v ON v.id = o.conversation_id
              LEFT JOIN message m ON m.id = o.message_id JOIN turn t ON t.id = o.turn_id WHERE {SPAN} ORDER BY o.id",
        rows: Log("o.id", "o.at"),
    },
    Export {
        name: "satisfaction",
        columns: &[("at", Time), ("conversation_id", Conversation), ("contact_phone", Phone), ("score", Number), ("words", Text), ("about", Text), ("asked_at", Time)],
        sql: "SELECT s.at, s.conversation_id, {PHONE}, s.score, s.words, s.about, s.asked_at FROM satisfaction s JOIN conversation v ON v.id = s.conversation_id WHERE {SPAN} ORDER BY s.id",
        rows: Log("s.id", "s.at"),
    },
    Export {
        name: "experiments",
        columns: &[
            ("experiment", Text), ("slot", Text), ("goal", Text), ("side", Text), ("contact_phone", Phone), ("conversation_id", Conversation), ("at", Time), ("reached_at", Time), ("verdict", Text),
        ],
        sql: "SELECT e.name, e.slot, e.goal, v.side, {PHONE}, v.conversation_id, v.at, v.reached_at, e.verdict FROM experiment_subject v JOIN experiment e ON e.id = v.experiment_id
              WHERE {SPAN} ORDER BY v.experiment_id, v.contact_id",
        rows: State("max(v.at, ifnull(v.reached_at, 0), ifnull(e.stopped_at, 0))"),
    },
    Export {
        name: "quarantine",
        columns: &[("at", Time), ("session", Text), ("event", Text), ("reason", Text), ("body", Text)],
        sql: "SELECT received_at, session, event, reason, body FROM webhook_raw WHERE outcome = 'quarantined' AND {SPAN} ORDER BY id",
        rows: Log("id", "received_at"),
    },
    Export {
        name: "audit",
        columns: &[("seq", Number), ("at", Time), ("actor", Text), ("action", Text), ("object", Text), ("detail", Text), ("hash", Text)],
        sql: "SELECT seq, at, actor, action, object, detail, lower(hex(hash)) FROM audit WHERE {SPAN} ORDER BY seq",
        rows: Log("seq", "at"),
    },
];

/// The export of that name.
pub fn find(name: &str) -> Option<&'static Export> {
    EXPORTS.iter().find(|export| export.name == name)
}

/// What a file is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// RFC 4180 with a header.
    Csv,
    /// One JSON object a line.
    Jsonl,
    /// Excel.
    Xlsx,
}

/// Which rows.
#[derive(Clone, Copy, Debug)]
pub enum Span {
    /// Of this time: from, and up to but not including, unix ms.
    Time(i64, i64),
    /// With a number above the first and up to the second: logs only, see [`Export::last`].
    Numbers(i64, i64),
}

impl Span {
    /// Everything there is.
    pub const ALL: Self = Self::Time(0, i64::MAX);
}

impl Export {
    /// How far a log goes now, by row number; `None` for what is no log.
    pub fn last(&self, connection: &Connection) -> Result<Option<i64>, StoreError> {
        let Log(id, _) = self.rows else { return Ok(None) };
        let column = id.rsplit('.').next().unwrap_or(id);
        let table = self.table();
        Ok(connection.query_row(&["SELECT ifnull(max(", column, "), 0) FROM ", table].concat(), [], |row| row.get(0))?)
    }

    /// The table the rows are of: the first one the SQL reads.
    fn table(&self) -> &'static str {
        self.sql.rsplit_once("{SPAN}").and_then(|(before, _)| before.rsplit_once(" FROM ")).and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or("")
    }

    fn statement(&self, span: Span) -> String {
        let column = match (self.rows, span) {
            (Log(id, _), Span::Numbers(..)) => [id, " > ?1 AND ", id, " <= ?2"].concat(),
            (Log(_, at) | State(at), _) => [at, " >= ?1 AND ", at, " < ?2"].concat(),
        };
        self.sql.replace("{PHONE}", PHONE).replace("{SPAN}", &column) // constants of this file, not values
    }
}

/// Writes an export and returns the number of rows. `progress` hears of every thousandth.
///
/// Errors: the store's, or writing to `out`.
pub fn write(connection: &Connection, export: &Export, span: Span, zone: Tz, format: Format, out: &mut dyn Write, progress: &mut dyn FnMut(u64)) -> anyhow::Result<u64> {
    let mut sink = Sink::new(format, export, out)?;
    let mut query = connection.prepare(&export.statement(span)).map_err(StoreError::from)?;
    let (Span::Time(from, to) | Span::Numbers(from, to)) = span;
    let mut rows = query.query((from, to)).map_err(StoreError::from)?;
    let mut count = 0;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        let mut cells = Vec::with_capacity(export.columns.len());
        for (at, (_, kind)) in export.columns.iter().enumerate() {
            cells.push(cell(row.get_ref(at)?, *kind, zone));
        }
        sink.row(&cells)?;
        count += 1;
        if count % 1000 == 0 {
            progress(count);
        }
    }
    sink.finish()?;
    Ok(count)
}

fn cell(value: ValueRef<'_>, kind: Cell, zone: Tz) -> Value {
    match (value, kind) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(at), Time) => date::rfc3339(at, zone).into(),
        (ValueRef::Integer(id), Conversation) => format!("conv_{id}").into(),
        (ValueRef::Integer(n), _) => json!(n),
        (ValueRef::Real(n), _) => json!(n),
        (ValueRef::Text(bytes), Phone) => format!("+{}", String::from_utf8_lossy(bytes)).into(),
        (ValueRef::Text(bytes) | ValueRef::Blob(bytes), _) => String::from_utf8_lossy(bytes).into_owned().into(),
    }
}

/// A text that no spreadsheet runs as a formula: a leading `'` in front of `= + - @`, tab, CR, LF and full-width forms,
/// also behind blanks. Our own phone numbers (`+` and digits) are data and stay.
pub fn neutral(cell: &str) -> String {
    let first = cell.trim_start_matches([' ', '\u{a0}', '\u{3000}']).chars().next();
    let runs = matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'));
    if runs { format!("'{cell}") } else { cell.to_owned() }
}

enum Sink<'o> {
    Csv(Box<csv::Writer<&'o mut dyn Write>>, &'static [(&'static str, Cell)]),
    Jsonl(&'o mut dyn Write, &'static [(&'static str, Cell)]),
    Xlsx(Box<Sheet>, &'o mut dyn Write),
}

struct Sheet {
    book: rust_xlsxwriter::Workbook,
    row: u32,
}

/// Rows of one Excel sheet below the header.
const SHEET_ROWS: u32 = 1_048_575;

impl<'o> Sink<'o> {
    fn new(format: Format, export: &Export, out: &'o mut dyn Write) -> anyhow::Result<Self> {
        let names = export.columns.iter().map(|(name, _)| *name);
        Ok(match format {
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).terminator(csv::Terminator::CRLF).from_writer(out);
                writer.write_record(names)?;
                Self::Csv(Box::new(writer), export.columns)
            }
            Format::Jsonl => Self::Jsonl(out, export.columns),
            Format::Xlsx => {
                let mut book = rust_xlsxwriter::Workbook::new();
                let bold = rust_xlsxwriter::Format::new().set_bold();
                let sheet = book.add_worksheet().set_name(export.name)?;
                for (at, name) in names.enumerate() {
                    sheet.write_string_with_format(0, at as u16, name, &bold)?;
                }
                Self::Xlsx(Box::new(Sheet { book, row: 1 }), out)
            }
        })
    }

    fn row(&mut self, cells: &[Value]) -> anyhow::Result<()> {
        match self {
            Self::Csv(writer, columns) => {
                let texts = cells.iter().zip(*columns).map(|(value, (_, kind))| match value {
                    Value::Null => String::new(),
                    Value::String(text) if *kind == Text => neutral(text),
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                });
                writer.write_record(texts)?;
            }
            Self::Jsonl(out, columns) => {
                let object: Map<String, Value> = columns.iter().map(|(name, _)| (*name).to_owned()).zip(cells.iter().cloned()).collect();
                writeln!(out, "{}", Value::Object(object))?;
            }
            Self::Xlsx(sheet, ..) => {
                let at = sheet.row;
                if at > SHEET_ROWS {
                    anyhow::bail!("an Excel sheet holds 1,048,575 rows; narrow it with --since and --until, or use csv");
                }
                let page = sheet.book.worksheet_from_index(0)?;
                for (column, value) in cells.iter().enumerate() {
                    match value {
                        Value::Null => {}
                        Value::Number(n) => drop(page.write_number(at, column as u16, n.as_f64().unwrap_or(0.0))?),
                        Value::String(words) => drop(page.write_string(at, column as u16, text::cut(words, 32_000))?),
                        other => drop(page.write_string(at, column as u16, other.to_string())?),
                    }
                }
                sheet.row += 1;
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Csv(mut writer, _) => writer.flush()?,
            Self::Jsonl(out, _) => out.flush()?,
            Self::Xlsx(mut sheet, out) => out.write_all(&sheet.book.save_to_buffer()?)?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::migrations;

    #[test]
    fn every_export_runs_on_an_empty_store_and_has_its_columns() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::bring_up_to_date(&mut connection).unwrap();
        for export in EXPORTS {
            let columns = connection.prepare(&export.statement(Span::ALL)).unwrap().column_count();
            assert_eq!(columns, export.columns.len(), "{}", export.name);
            assert_eq!(export.last(&connection).unwrap(), matches!(export.rows, Log(..)).then_some(0), "{}", export.name);
            for span in [Span::ALL, Span::Numbers(0, 9)] {
                for format in [Format::Csv, Format::Jsonl, Format::Xlsx] {
                    let mut out = Vec::new();
                    assert_eq!(write(&connection, export, span, chrono_tz::Asia::Jakarta, format, &mut out, &mut |_| {}).unwrap(), 0);
                    assert_eq!(out.is_empty(), format == Format::Jsonl, "{}", export.name);
                }
            }
        }
    }

    #[test]
    fn formulas_are_made_harmless() {
        for bad in ["=1+1", "+62", "-5", "@x", "\t=1", "  =HYPERLINK()", "\r\n=1", "＝1"] {
            assert_eq!(neutral(bad), format!("'{bad}"));
        }
        for good in ["halo", "1-2", "'x", ""] {
            assert_eq!(neutral(good), good);
        }
    }
}
