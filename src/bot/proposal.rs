//! What the model is asked for and what it may answer: one JSON object. It proposes words and gives hints from our own
//! lists; whom, when, which file, which phase is not its business.

use super::TurnContext;
use super::facts::Facts;
use super::understand::model::HEADS;
use crate::chat::escalation::Reason;
use crate::chat::prompt::Release;
use crate::wire::openai::{Line, Role};
use serde_json::{Value, json};

/// A proposed answer, read and found to have the right shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// What to say.
    pub reply: String,
    /// Intents the model sees, of ours.
    pub intents: Vec<&'static str>,
    /// A person should take it from here.
    pub needs_person: bool,
    /// Why, of ours.
    pub reason: Option<Reason>,
    /// How sure it says it is; advice only.
    pub confidence: Option<f64>,
    /// It wants to see this package first.
    pub lookup_code: Option<String>,
    /// It wants to see answers to this question first.
    pub lookup_question: Option<String>,
}

/// Reasons the model may name.
const REASONS: &[(&str, Reason)] = &[
    ("payment_intent", Reason::PaymentIntent),
    ("human_requested", Reason::HumanRequested),
    ("complex_question", Reason::ComplexQuestion),
    ("complaint", Reason::Complaint),
    ("negotiation", Reason::Negotiation),
];
/// Longest reply read, characters; the guard is stricter.
const LONGEST_REPLY: usize = 4_000;

/// The JSON schema. Written in the dialect every provider takes: one closed object, everything required, no formats.
pub fn schema() -> Value {
    let intents: Vec<&str> = intents().collect();
    let reasons: Vec<&str> = reason_names().into_iter().chain([""]).collect();
    json!({
        "type": "object",
        "properties": {
            "reply": {"type": "string", "description": "Balasan untuk pelanggan, teks biasa WhatsApp"},
            "intents": {"type": "array", "items": {"type": "string", "enum": intents}},
            "needs_person": {"type": "boolean"},
            "reason": {"type": "string", "enum": reasons},
            "confidence": {"type": "number"},
            "lookup_code": {"type": "string", "description": "Kode paket yang datanya diperlukan, atau kosong"},
            "lookup_question": {"type": "string", "description": "Pertanyaan yang jawabannya diperlukan, atau kosong"},
        },
        "required": ["reply", "intents", "needs_person", "reason", "confidence", "lookup_code", "lookup_question"],
        "additionalProperties": false,
    })
}

fn intents() -> impl Iterator<Item = &'static str> {
    HEADS.iter().copied().take(HEADS.len() - 1)
}

/// Reads an answer. Unknown fields are left alone; a wrong type or length makes it no proposal.
///
/// Errors: what is wrong, in words the model can be told.
pub fn read(value: &Value) -> Result<Proposal, String> {
    let text = |name: &str| match &value[name] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        _ => Err(format!("{name} must be a string")),
    };
    let reply = text("reply")?.ok_or("reply must be a string that is not empty");
    let (lookup_code, lookup_question) = (text("lookup_code")?, text("lookup_question")?);
    let reply = match reply {
        Ok(reply) => reply,
        Err(_) if lookup_code.is_some() || lookup_question.is_some() => String::new(), // it wants to look first
        Err(why) => return Err(why.to_owned()),
    };
    if reply.chars().count() > LONGEST_REPLY {
        return Err(format!("reply is longer than {LONGEST_REPLY} characters"));
    }
    let needs_person = match &value["needs_person"] {
        Value::Null => false,
        Value::Bool(needs) => *needs,
        _ => return Err("needs_person must be true or false".into()),
    };
    let known: Vec<&'static str> = match &value["intents"] {
        Value::Null => Vec::new(),
        Value::Array(named) => intents().filter(|intent| named.iter().any(|name| name == intent)).collect(),
        _ => return Err("intents must be a list".into()),
    };
    let reason = match text("reason")? {
        None => None,
        Some(name) => Some(REASONS.iter().find(|(known, _)| *known == name).ok_or_else(|| format!("reason must be one of {:?}", reason_names()))?.1),
    };
    let confidence = value["confidence"].as_f64().filter(|confidence| (0.0..=1.0).contains(confidence));
    Ok(Proposal {
        reply,
        intents: known,
        needs_person,
        reason,
        confidence,
        lookup_code,
        lookup_question: lookup_question.map(|question| crate::kernel::text::preview(&question, 300)),
    })
}

fn reason_names() -> Vec<&'static str> {
    REASONS.iter().map(|(name, _)| *name).collect()
}

/// Everything of the conversation the model is shown, characters; with the facts some 6,000 tokens.
const HISTORY: usize = 6_000;
/// Earlier messages shown.
pub const EARLIER: usize = 16;

/// The blocks of a release as one text, with the agency's own values in place.
pub fn compose(release: &Release, context: &TurnContext) -> String {
    with_values(release, &context.agency, &context.licence, &context.address)
}

/// The same, for these values.
pub fn with_values(release: &Release, agency: &str, licence: &str, address: &str) -> String {
    let put = |name: &str, value: &str| if value.is_empty() { format!("(belum diisi: {name})") } else { value.to_owned() };
    let blocks: Vec<String> = release
        .blocks
        .iter()
        .map(|block| block.content.replace("{agency}", &put("nama biro", agency)).replace("{licence}", &put("izin", licence)).replace("{address}", &put("alamat", address)))
        .collect();
    blocks.join("\n\n")
}

/// The lines put to the model: our rules and facts, what was said before, what the customer says now, and what was wrong
/// with its last proposal. Phones, e-mail addresses and long numbers of the customer are masked: the model needs none.
pub fn lines(release: &Release, context: &TurnContext, facts: &Facts, objection: Option<&str>) -> Vec<Line> {
    let mut system = compose(release, context);
    system.push_str("\n\nFAKTA\n");
    system.push_str(&facts.text);
    let mut lines = vec![Line { role: Role::System, content: system }];
    let mut room = HISTORY;
    let mut earlier: Vec<Line> = Vec::new();
    let now = context.heard.iter().filter_map(|heard| heard.text.as_deref()).map(|text| (Role::User, text));
    let before = context.earlier.iter().map(|said| (if said.by_customer { Role::User } else { Role::Assistant }, said.text.as_str()));
    for (role, text) in before.chain(now).collect::<Vec<_>>().into_iter().rev() {
        let mut masked = mask(text);
        if earlier.is_empty() && masked.chars().count() > room {
            // the newest words are never left out, only cut
            masked = masked.chars().take(room).collect();
        }
        if masked.chars().count() > room {
            break;
        }
        room -= masked.chars().count();
        earlier.push(Line { role, content: masked });
    }
    lines.extend(earlier.into_iter().rev());
    if let Some(objection) = objection {
        lines.push(Line { role: Role::User, content: format!("[Pemeriksa otomatis, bukan pelanggan] Usulan tadi ditolak: {objection} Tulis ulang hanya dengan FAKTA di atas.") });
    }
    lines
}

/// Text without phones, e-mail addresses and long numbers.
fn mask(text: &str) -> String {
    use super::figures::{Figure, find};
    let mut masked = String::with_capacity(text.len());
    let mut from = 0;
    for found in find(text) {
        let hide = match &found.figure {
            Figure::Phone(_) | Figure::Digits(_) => "[nomor]",
            Figure::Link(link) if link.contains('@') => "[alamat]",
            _ => continue,
        };
        if found.at >= from {
            masked.push_str(&text[from..found.at]);
            masked.push_str(hide);
            from = found.at + found.quote.len();
        }
    }
    masked.push_str(&text[from..]);
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_that_are_no_proposal() {
        let good = json!({"reply": "Baik, Kak.", "intents": ["greeting", "made_up"], "needs_person": true, "reason": "complaint", "confidence": 7, "lookup_code": "", "extra": 1});
        let proposal = read(&good).unwrap();
        assert_eq!((proposal.intents, proposal.reason, proposal.confidence, proposal.lookup_code), (vec!["greeting"], Some(Reason::Complaint), None, None));
        for bad in [
            json!({}),
            json!({"reply": ""}),
            json!({"reply": 5}),
            json!({"reply": "x", "needs_person": "yes"}),
            json!({"reply": "x", "reason": "because"}),
            json!({"reply": "x".repeat(5_000)}),
            json!({"reply": "x", "intents": "greeting"}),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
        }
        assert!(read(&json!({"reply": "", "lookup_code": "UMR_X"})).is_ok(), "it may look before it speaks");
    }

    #[test]
    fn personal_numbers_are_masked() {
        assert_eq!(mask("hp saya 0812-3456-7890, email a.b@mail.com, nik 3201234567890001, budget 25 juta"), "hp saya [nomor], email [alamat], nik [nomor], budget 25 juta");
    }
}
