//! One turn: rules first, then the published questions, then what rows can answer, and only what is left is asked of the
//! model. Pure: the same context and the same answers give the same decision.

use super::code::Scan;
use super::facts::{Facts, Ground};
use super::flow::{self, Place, Stepped};
use super::guard::{self, Breach};
use super::proposal::{self, Proposal};
use super::reading::{GUESS, Reading};
use super::reply::Recipe;
use super::rules::{FIRST, Outcome, THEN, first, general, own_row, words};
use super::understand::{Understanding, tongue};
use super::{Answer, Asked, Question, Step, TurnContext, objection, promise};
use crate::chat::escalation::Reason;
use crate::chat::faq::Hit;
use crate::chat::phase::Phase;
use crate::chat::turn::{Decision, Heard, Touch};
use crate::kernel::language::Language;
use serde_json::{Map, Value, json};

/// A published question is the one asked from this likeness on, and when it leads the next by [`LEAD`]. Source: built-in
/// questions asked in ways left out of the search, and the learning messages that ask something else (examples/learn.rs --faq).
const SURE: f64 = 0.6;
/// Where rows have an answer of their own, the question must be liker.
const SURER: f64 = 0.75;
/// Better than sending the customer away, when nothing else answers.
const LIKELY: f64 = 0.52;
const LEAD: f64 = 0.04;
/// Proposals asked for in one turn, looking up and writing again included.
const MOST_PROPOSALS: usize = 3;
/// Proposals that may be blocked in one turn: one is written again, two are the end of it.
const MOST_BLOCKED: usize = 2;
/// A model's word on how sure it is counts at the most so much.
const MOST_TRUST: f64 = 0.9;
/// Words the model itself believes in less than this are not said.
const LEAST_TRUST: f64 = 0.3;
/// And so much when it does not say.
const USUAL_TRUST: f64 = 0.7;

/// Words from which the language of a text tells.
const SENTENCE: usize = 6;
/// Words of a model that leave the customer waiting for a person.
const PERSON_PROMISED: &[&str] = &[
    "tim kami",
    "admin kami",
    "petugas kami",
    "staf kami",
    "cs kami",
    "kami hubungi",
    "kami kabari",
    "kami teruskan",
    "sudah saya teruskan",
    "saya teruskan",
    "diteruskan",
    "mengabari",
    "menghubungi",
    "mohon ditunggu",
    "kami sambungkan",
    "disambungkan",
    "our team",
    "our staff",
    "our admin",
    "get back to you",
    "will call",
    "will contact",
    "pass it on",
    "passed it on",
    "forward",
];

/// Intents that leave a keyword flow when they are meant beyond doubt.
const GRAVE: &[&str] = &["opt_out", "ask_human", "complaint", "cancel_refund", "register", "ask_payment", "payment_done", "negotiate"];

/// Decides what the bot says and does about everything heard since its last turn, or says what it must ask first.
pub fn decide(context: &TurnContext) -> Step {
    let read = Reading::of(context);
    // a keyword is a keyword, unless more is said and something graver is meant beyond doubt
    let grave = read.scan != Scan::default() || (GRAVE.iter().any(|intent| read.surely(intent)) && !flow::is_bare_choice(context, &read));
    let stepped = if grave { None } else { flow::step(context, &read) };
    if let Some(Stepped { outcome, place }) = stepped {
        let by = By { who: "flow", place, ..By::rule("flow") };
        return done(context, read, by, outcome);
    }
    if let Some((rule, outcome)) = first(FIRST, context, &read) {
        return done(context, read, By::rule(rule), outcome);
    }
    if context.questions > 0 && read.may_be_in_faq() {
        return Step::Ask(Question::Faq(read.text), Box::default());
    }
    from_rows(context, read, Asked::default())
}

/// Goes on with the answer to what was asked.
pub fn weigh(context: &TurnContext, mut asked: Asked, mut answer: Answer) -> Step {
    let read = Reading::of(context);
    if let Answer::Faq(hits) = &mut answer {
        hits.retain(|hit| context.can_say(&hit.faq.answer));
    }
    match answer {
        Answer::Faq(hits) if asked.proposals == 0 => {
            asked.hits = hits;
            let answered_by_rows = first(THEN, context, &read).is_some_and(|(rule, _)| ["payment_terms", "package_question", "company", "compare", "wish"].contains(&rule));
            match lead(&asked.hits, if answered_by_rows { SURER } else { SURE }) {
                Some(hit) => said_from(context, read, hit.clone()),
                None => from_rows(context, read, asked),
            }
        }
        Answer::Faq(found) => {
            // looked up for the model, beside what is known
            found.into_iter().for_each(|hit| {
                if asked.hits.iter().all(|known| known.faq.id != hit.faq.id) {
                    asked.hits.push(hit);
                }
            });
            ask_model(context, read, asked)
        }
        Answer::Model(Ok(proposal)) => consider(context, read, asked, proposal),
        Answer::Model(Err(cause)) => without_model(context, read, asked, Reason::LlmFailed, Some(cause)),
    }
}

/// The best hit, if it is good enough and no other question is as good.
fn lead(hits: &[Hit], least: f64) -> Option<&Hit> {
    let best = hits.first().filter(|hit| hit.score >= least)?;
    let next = hits.get(1).map_or(0.0, |hit| hit.score);
    (best.score - next >= LEAD).then_some(best)
}

fn from_rows(context: &TurnContext, read: Reading, asked: Asked) -> Step {
    let is_guess = read.confidence() < GUESS && read.scan == Scan::default() && !read.slots_said && !read.text.trim().is_empty();
    if is_guess && let Some(hit) = lead(&asked.hits, LIKELY) {
        let hit = hit.clone();
        return said_from(context, read, hit);
    }
    let may_ask = context.may_ask && context.prompt.is_some() && !read.text.trim().is_empty();
    match first(THEN, context, &read) {
        // out of scope is a guess of last resort: the model may know better than to send the customer away
        Some((rule, _)) if may_ask && (rule == "out_of_scope" || is_guess) => ask_model(context, read, asked),
        Some(("thanks", _)) if is_guess && !read.understood.affirms => without_model(context, read, asked, Reason::ComplexQuestion, None),
        Some((rule, outcome)) => done(context, read, By::rule(rule), outcome),
        _ if may_ask => ask_model(context, read, asked),
        _ => without_model(context, read, asked, Reason::ComplexQuestion, None),
    }
}

fn ask_model(context: &TurnContext, read: Reading, mut asked: Asked) -> Step {
    let Some(release) = context.prompt.as_ref().filter(|_| asked.proposals < MOST_PROPOSALS) else {
        return without_model(context, read, asked, Reason::ComplexQuestion, None);
    };
    let facts = Facts::of(&ground(context, &read, &asked.hits), &about(context, &asked));
    let objection = asked.blocked.last().map(|breaches| {
        let quotes: Vec<&str> = breaches.iter().map(|breach| breach.quote.as_str()).collect();
        match breaches.iter().any(|breach| breach.kind == "language") {
            true => "Jawab dalam bahasa pelanggan.".to_owned(),
            false => format!("\"{}\" tidak ada di FAKTA atau tidak boleh dikatakan.", quotes.join("\", \"")),
        }
    });
    asked.proposals += 1;
    Step::Ask(Question::Model(proposal::lines(release, context, &facts, objection.as_deref())), Box::new(asked))
}

fn ground<'g>(context: &'g TurnContext, read: &'g Reading, hits: &[Hit]) -> Ground<'g> {
    Ground::of(context, read.payers(), read.month.as_deref(), hits)
}

/// Packages shown in full: the one the chat is about and those looked up.
fn about<'a>(context: &'a TurnContext, asked: &'a Asked) -> Vec<&'a str> {
    let mut codes: Vec<&str> = context.conversation.package_code.as_deref().into_iter().chain(asked.looked_up.iter().map(String::as_str)).collect();
    codes.dedup();
    codes
}

/// Whether a reply is in another language than the customer is answered in. Few words do not tell.
fn is_foreign(lang: Language, reply: &str) -> bool {
    let spoken = tongue::detect(reply).filter(|_| reply.split_whitespace().count() >= SENTENCE);
    matches!((lang, spoken), (Language::Id, Some("en" | "ar")) | (Language::En, Some("id" | "ms" | "jv" | "su" | "ar"))) || guard::is_foreign_script(reply)
}

fn consider(context: &TurnContext, read: Reading, mut asked: Asked, proposal: Proposal) -> Step {
    let may_look = asked.proposals < MOST_PROPOSALS - 1;
    let code = proposal.lookup_code.as_deref().map(str::to_uppercase).filter(|code| context.catalog.find(code).is_some() && !about(context, &asked).contains(&code.as_str()));
    if let Some(code) = code.filter(|_| may_look && asked.looked_up.len() < 2) {
        asked.looked_up.push(code);
        return ask_model(context, read, asked);
    }
    if let Some(question) = proposal.lookup_question.clone().filter(|_| may_look && context.questions > 0 && asked.proposals == 1) {
        return Step::Ask(Question::Faq(question), Box::new(asked));
    }
    if proposal.reply.trim().is_empty() {
        return without_model(context, read, asked, Reason::ComplexQuestion, Some("empty"));
    }
    if proposal.confidence.is_some_and(|confidence| confidence < LEAST_TRUST) {
        return without_model(context, read, asked, Reason::ComplexQuestion, Some("unsure"));
    }
    let ground = ground(context, &read, &asked.hits);
    let codes = about(context, &asked);
    let facts = Facts::of(&ground, &codes);
    let subject = context.conversation.package_code.as_deref().or(codes.first().copied());
    let instructions: Vec<&str> = context.prompt.iter().flat_map(|release| release.blocks.iter().map(|block| block.content.as_str())).collect();
    let verdict = match is_foreign(read.lang, &proposal.reply) {
        true => Err(vec![Breach { kind: "language", quote: crate::kernel::text::preview(&proposal.reply, 80) }]),
        false => guard::check(&proposal.reply, &facts, subject, &instructions),
    };
    if let Err(breaches) = verdict {
        asked.blocked.push(breaches);
        return if asked.blocked.len() < MOST_BLOCKED { ask_model(context, read, asked) } else { without_model(context, read, asked, Reason::GuardBlocked, None) };
    }
    let mut text = proposal.reply.trim().to_owned();
    let told = text.to_lowercase();
    // who is told that somebody will see to it is seen to, whatever the model says of it
    let promises_person = PERSON_PROMISED.iter().any(|words| told.contains(words));
    let needs_person = proposal.needs_person || promises_person;
    if proposal.needs_person && !["tim", "team"].iter().any(|word| told.contains(word)) {
        text.push_str(match read.lang {
            Language::Id => "\n\nTim kami akan melanjutkan di chat ini.",
            Language::En => "\n\nOur team will continue in this chat.",
        });
    }
    let recipe = Recipe::Proposal {
        text: text.clone(),
        about: subject.map(str::to_owned),
        packages: codes.iter().map(|code| (*code).to_owned()).collect(),
        party: read.payers(),
        month: read.month.clone(),
        lines: ground.lines.clone(),
        lang: read.lang,
    };
    let reply = crate::chat::turn::Reply { render: Some(recipe.to_json()), ..words(&text) };
    let escalation = needs_person.then(|| proposal.reason.unwrap_or(Reason::ComplexQuestion));
    let mut notes = notes_of(&asked);
    notes.insert("model_intents".into(), json!(proposal.intents));
    let confidence = proposal.confidence.map_or(USUAL_TRUST, |confidence| confidence.min(MOST_TRUST));
    let by = By { who: "llm", rule: "proposal", confidence: Some(confidence), faq_id: None, notes, place: None };
    done(context, read, by, Outcome { escalation, ..Outcome::say(vec![reply]) })
}

/// The published answer, in the customer's language where there is one.
fn said_from(context: &TurnContext, read: Reading, hit: Hit) -> Step {
    let text = match read.lang {
        Language::En => hit.faq.answer_en.as_deref().unwrap_or(&hit.faq.answer),
        Language::Id => &hit.faq.answer,
    };
    let text = context.with_agency(text);
    let notes = Map::from_iter([("faq".to_owned(), json!(hit.faq.key)), ("likeness".to_owned(), json!((hit.score * 100.0).round() / 100.0))]);
    let by = By { who: "faq", rule: "faq", confidence: Some((0.35 + hit.score * 0.65).min(0.99)), faq_id: Some(hit.faq.id), notes, place: None };
    // what the package's own row tells of it comes before what holds for all
    let own = read.about(context).and_then(|code| own_row(context, &read, code));
    done(context, read, by, Outcome::say(own.into_iter().chain([words(&text)]).collect()))
}

/// Nothing the model said can be used, or there is none: a likely question's answer, else a person.
fn without_model(context: &TurnContext, read: Reading, asked: Asked, reason: Reason, cause: Option<&str>) -> Step {
    if let Some(hit) = lead(&asked.hits, LIKELY) {
        let hit = hit.clone();
        return said_from(context, read, hit);
    }
    let mut notes = notes_of(&asked);
    notes.extend(cause.map(|cause| ("model".to_owned(), json!(cause))));
    let by = By { notes, ..By::rule("general") };
    let outcome = Outcome { escalation: Some(reason), ..general(&read) };
    done(context, read, by, outcome)
}

fn notes_of(asked: &Asked) -> Map<String, Value> {
    let mut notes = Map::new();
    if !asked.hits.is_empty() {
        notes.insert("questions".into(), asked.hits.iter().map(|hit| json!([hit.faq.key, (hit.score * 100.0).round() / 100.0])).collect());
    }
    if !asked.looked_up.is_empty() {
        notes.insert("looked_up".into(), json!(asked.looked_up));
    }
    if !asked.blocked.is_empty() {
        notes.insert("blocked".into(), json!(asked.blocked));
    }
    notes
}

/// Who decided, and how.
struct By {
    who: &'static str,
    rule: &'static str,
    confidence: Option<f64>,
    faq_id: Option<i64>,
    notes: Map<String, Value>,
    place: Option<Place>,
}

impl By {
    fn rule(rule: &'static str) -> Self {
        Self { who: "rule", rule, confidence: None, faq_id: None, notes: Map::new(), place: None }
    }
}

fn done(context: &TurnContext, read: Reading, mut by: By, mut outcome: Outcome) -> Step {
    // whoever wrote the words, a question, a flow or the model: no account but the agency's own; rules name none
    let foreign_account = || outcome.replies.iter().filter_map(|reply| reply.text.as_deref()).flat_map(|text| guard::foreign_accounts(text, &context.accounts)).next();
    if by.who != "rule"
        && let Some(account) = foreign_account()
    {
        by.notes.insert("blocked".into(), json!([[{"kind": "account", "quote": account}]]));
        (by.place, by.faq_id) = (None, None);
        outcome = Outcome { escalation: Some(Reason::GuardBlocked), ..general(&read) };
    }
    Step::Done(Box::new(finish(context, read, by, outcome)))
}

fn finish(context: &TurnContext, read: Reading, by: By, outcome: Outcome) -> Decision {
    let mut touches = Vec::new();
    if let (Some(code), Some(message_id)) = (&read.scan.code, read.code_message) {
        touches.push(Touch { message_id, code: code.clone(), via: "text", detail: None });
        touches.extend(read.scan.ignored.iter().map(|code| Touch { message_id, code: code.clone(), via: "ignored", detail: None }));
    }
    if let Some((message_id, scan, ad)) = &read.ad {
        let source = ad["source_id"].as_str().map(|id| format!("ad:{id}"));
        if let Some(code) = scan.code.clone().or(source) {
            touches.push(Touch { message_id: *message_id, code, via: "ad", detail: Some(ad.clone()) });
        }
    }
    let understood = &read.understood;
    let bare = understood.intents.len() == 1 && understood.means("campaign_code");
    let about = read.scan.code.is_some() || outcome.package.is_some() || context.conversation.package_code.is_some();
    let said_phase = if outcome.rating.is_some() { Phase::Leads } else { phase_of(understood, about) };
    let phase = outcome.phase.max(said_phase).max(context.conversation.phase);
    // a score is a score, whatever else a bare number looks like
    let escalation = outcome.escalation.or_else(|| reason_of(understood, by.who == "llm").filter(|_| outcome.rating.is_none()));
    let confidence = if outcome.fallback { read.confidence().min(0.3) } else { read.confidence() };
    Decision {
        replies: outcome.replies.into_iter().filter(|reply| reply.kind != "text" || reply.text.is_some()).collect(),
        phase,
        trigger_message_id: (phase > context.conversation.phase).then(|| context.heard.last().map(|message| message.id)).flatten(),
        package_code: outcome.package,
        suggested_code: outcome.suggested,
        touches,
        escalation: escalation.map(|reason| (reason, if read.last_text.is_empty() { describe(&context.heard) } else { read.last_text.clone() })),
        // a wish for a person is told at once; the bot falls silent only when it was surely meant
        hand_over: outcome.hand_over || read.surely("ask_human"),
        decided_by: if outcome.fallback { "fallback" } else { by.who },
        rule: by.rule,
        confidence: by.confidence.or(outcome.confidence).unwrap_or(confidence),
        language: read.lang.as_str(),
        trace: trace(context, &read, by.notes),
        prompt_version: context.prompt.as_ref().map(|release| release.version()),
        faq_id: by.faq_id,
        // a bare code promises nothing and objects to nothing
        promise: if bare || understood.means("payment_done") { None } else { promise::find(&read.last_text, context.today) },
        objection: if bare { None } else { objection::find(&read.text) },
        bundle_code: outcome.bundle,
        trials: outcome.trials,
        flow_node: outcome.flow_node,
        rating: outcome.rating,
        place: by.place,
        intents: understood.intents.iter().map(|(name, _)| *name).collect(),
        payment_intent: understood.payment_intent,
        wants_human: understood.wants_human,
        entities: understood.entities.clone(),
        spoken: understood.language,
        party_size: read.party_size,
        infants: read.infants,
        month: read.month,
        opt_out: outcome.opt_out,
        scan: read.scan,
    }
}

/// What the decision was made from, for "why?": only what there is to say.
fn trace(context: &TurnContext, read: &Reading, notes: Map<String, Value>) -> Value {
    let mut trace = notes;
    if context.heard.len() > 1 {
        trace.insert("messages".into(), json!(context.heard.len()));
    }
    for (name, code) in [("code", &read.scan.code), ("suggest", &read.scan.suggest), ("unknown", &read.scan.unknown)] {
        if let Some(code) = code {
            trace.insert(name.into(), json!(code));
        }
    }
    if !read.scan.ignored.is_empty() {
        trace.insert("ignored".into(), json!(read.scan.ignored));
    }
    if let Some(spoken) = read.understood.language.filter(|spoken| *spoken != "id") {
        trace.insert("spoken".into(), json!(spoken));
    }
    let scores: Map<String, Value> =
        read.understood.intents.iter().filter(|(_, score)| *score < 1.0).map(|(name, score)| ((*name).to_owned(), json!((f64::from(*score) * 100.0).round() / 100.0))).collect();
    if !scores.is_empty() {
        trace.insert("scores".into(), Value::Object(scores));
    }
    if trace.is_empty() { Value::Null } else { Value::Object(trace) }
}

/// How far the words alone lead. A price or date asked of nothing in particular is still only looking around.
fn phase_of(understood: &Understanding, about: bool) -> Phase {
    let particulars = ["ask_hotel", "ask_facilities", "ask_itinerary", "ask_documents", "ask_quota", "negotiate"];
    if understood.payment_intent {
        Phase::Booking
    } else if particulars.iter().any(|name| understood.means(name)) || (about && (understood.means("ask_price") || understood.means("ask_schedule"))) {
        Phase::Interest
    } else {
        Phase::Leads
    }
}

/// A person is needed whatever the bot answered, gravest first.
fn reason_of(understood: &Understanding, model_answered: bool) -> Option<Reason> {
    if understood.wants_human {
        return Some(Reason::HumanRequested);
    }
    if understood.payment_intent {
        return Some(Reason::PaymentIntent);
    }
    [("complaint", Reason::Complaint), ("cancel_refund", Reason::ComplexQuestion), ("negotiate", Reason::Negotiation), ("out_of_scope", Reason::ComplexQuestion)]
        .into_iter()
        // what seemed to concern somebody else and was answered all the same needs nobody
        .find(|(name, _)| understood.means(name) && !(model_answered && *name == "out_of_scope"))
        .map(|(_, reason)| reason)
}

fn describe(heard: &[Heard]) -> String {
    heard.last().map_or(String::new(), |message| format!("[{}]", message.kind))
}

#[cfg(test)]
mod tests {
    use super::super::code;
    use super::*;
    use crate::chat::conversation::Conversation;
    use crate::travel::catalog::{Catalog, Listed};
    use crate::travel::package::{Package, PackageMedia};
    use std::sync::Arc;

    fn listed(code: &str, name: &str, departs: &str, status: &str, image: bool) -> Listed {
        let package = Package {
            code: code.into(),
            name: name.into(),
            price_idr: 27_000_000,
            departs: departs.into(),
            days: 9,
            status: status.into(),
            hotel_makkah: Some("Sunbula".into()),
            hotel_makkah_m: Some(850),
            ..Package::default()
        };
        let media = if image {
            vec![PackageMedia { id: 7, kind: "image".into(), media_id: Some(3), title: "Poster".into(), latitude: None, longitude: None, sent_count: 0 }]
        } else {
            vec![]
        };
        Listed { id: 1, package, media, spellings: code::spellings(code) }
    }

    fn context(texts: &[&str]) -> TurnContext {
        let packages = vec![
            listed("UMR_MAR_2025_HEMAT", "Umroh Maret 2025 Hemat", "2025-03-15", "open", false),
            listed("UMR_JAN_2027_VIP", "Umroh Januari 2027 VIP", "2027-01-22", "open", false),
            listed("UMR_APR_2027_HEMAT", "Umroh April 2027 Hemat", "2027-04-08", "open", true),
            listed("UMR_DES_2027_LIBURAN", "Umroh Liburan", "2027-12-20", "full", true),
        ];
        TurnContext {
            conversation: Conversation { id: 1, contact_id: 1, channel_id: 1, chat_id: "6281@c.us".into(), last_in_id: Some(9), ..Conversation::default() },
            heard: texts.iter().enumerate().map(|(at, text)| Heard { id: at as i64 + 1, kind: "text".into(), text: Some((*text).to_owned()), extra: None }).collect(),
            met_before: false,
            list_shown: false,
            nodded: false,
            catalog: Arc::new(Catalog { generation: 1, packages }),
            today: "2026-11-20".parse().unwrap(),
            agency: "Safar Amanah Wisata".into(),
            licence: String::new(),
            address: String::new(),
            office: None,
            phone: String::new(),
            website: String::new(),
            earlier: Vec::new(),
            prompt: None,
            questions: 0,
            rating_awaited: false,
            accounts: Vec::new(),
            flows: Arc::default(),
            lessons: Arc::default(),
            place: None,
            may_ask: false,
            default_language: Language::Id,
            image_caption: false,
            wording: super::super::wording::Wording::default(),
        }
    }

    fn decided(context: &TurnContext) -> Decision {
        match decide(context) {
            Step::Done(decision) => *decision,
            Step::Ask(question, _) => panic!("{question:?}"),
        }
    }

    #[test]
    fn a_code_gets_greeting_image_facts_and_question_in_order() {
        let decision = decided(&context(&["UMR_APR_2027_HEMAT"]));
        let kinds: Vec<&str> = decision.replies.iter().map(|reply| reply.kind).collect();
        assert_eq!(kinds, ["text", "image", "text"]);
        let facts = decision.replies[2].text.as_deref().unwrap();
        for part in ["Rp27.000.000", "8 April 2027", "9 hari", "fasilitasnya?"] {
            assert!(facts.contains(part), "{facts}");
        }
        assert_eq!(decision.touches[0].code, "UMR_APR_2027_HEMAT");
        let captioned = decided(&TurnContext { image_caption: true, ..context(&["UMR_APR_2027_HEMAT"]) });
        assert_eq!(captioned.replies.len(), 1);
        assert!(captioned.replies[0].text.as_deref().unwrap().contains("Assalamualaikum"));
    }

    #[test]
    fn gone_or_full_says_so_and_offers_the_nearest() {
        let gone = decided(&context(&["UMR_MAR_2025_HEMAT"]));
        let text = gone.replies[0].text.as_deref().unwrap();
        assert!(text.contains("sudah berangkat") && text.contains("UMR_JAN_2027_VIP") && !text.contains("LIBURAN\n"), "{text}");
        let full = decided(&context(&["UMR_DES_2027_LIBURAN"]));
        assert_eq!(full.replies.len(), 1, "no picture of a package that cannot be booked");
        assert!(full.replies[0].text.as_deref().unwrap().contains("sudah penuh"));
    }

    #[test]
    fn codes_several_near_unknown() {
        let several = decided(&context(&["UMR_JAN_2027_VIP atau UMR_APR_2027_HEMAT ya"]));
        assert_eq!(several.package_code.as_deref(), Some("UMR_JAN_2027_VIP"));
        assert_eq!(several.touches[1].via, "ignored");
        let near = decided(&context(&["umr apr 2027 hemet"]));
        assert_eq!((near.rule, near.suggested_code.as_deref()), ("near_code", Some("UMR_APR_2027_HEMAT")));
        let mut yes = context(&["iya betul"]);
        yes.met_before = true;
        yes.conversation.suggested_code = Some("UMR_APR_2027_HEMAT".into());
        assert_eq!(decided(&yes).package_code.as_deref(), Some("UMR_APR_2027_HEMAT"));
        let unknown = decided(&context(&["UMR_JUL_2031_PLUS"]));
        assert_eq!(unknown.rule, "unknown_code");
    }

    #[test]
    fn slots_are_remembered_and_not_asked_again() {
        let first = decided(&context(&["Assalamualaikum, mau tanya umroh"]));
        let text = first.replies[0].text.as_deref().unwrap();
        assert!(text.contains("Berapa orang") && text.contains("Bulan apa"), "{text}");
        let mut second = context(&["berdua kak"]);
        second.met_before = true;
        let decision = decided(&second);
        let text = decision.replies[0].text.as_deref().unwrap();
        assert!(!text.contains("Berapa orang") && text.contains("Bulan apa") && text.contains("2 orang"), "{text}");
        assert_eq!(decision.party_size, Some(2));
        let mut third = context(&["april"]);
        third.met_before = true;
        third.conversation.party_size = Some(2);
        let text = decided(&third).replies[0].text.clone().unwrap();
        assert!(!text.contains("Berapa orang") && !text.contains("Bulan apa") && text.contains("UMR_APR_2027_HEMAT"), "{text}");
    }

    #[test]
    fn payment_human_and_anything_else() {
        let pay = decided(&context(&["cara bayar?"]));
        assert_eq!((pay.phase, pay.escalation.as_ref().map(|e| e.0)), (Phase::Booking, Some(Reason::PaymentIntent)));
        assert!(decided(&context(&["mau ngomong sama CS"])).hand_over);
        let other = decided(&context(&["apakah kucing boleh ikut ke pesawat tahun depan"]));
        assert!(other.escalation.as_ref().map(|e| e.0).is_some() || other.rule == "package_question");
        let odd = decided(&context(&["bolehkah membawa kucing"]));
        assert_eq!(odd.escalation.map(|e| e.0), Some(Reason::ComplexQuestion), "{}", odd.rule);
    }

    #[test]
    fn an_account_the_customer_names_is_confirmed_or_warned_of() {
        let told = |text: &str| {
            let mut context = context(&[text]);
            context.accounts = vec!["BSI 7123456789".into()];
            let decision = decided(&context);
            (decision.replies[0].text.clone().unwrap(), decision.escalation.is_some(), decision.rule)
        };
        let (text, alarm, rule) = told("transfer ke BCA 1234567890 an Budi ya kak, bener kan?");
        assert!(text.contains("jangan transfer") && alarm, "{rule}: {text}");
        let (text, alarm, rule) = told("transfer ke BSI 7123456789 ya kak?");
        assert!(text.contains("rekening resmi kami") && alarm, "{rule}: {text}");
        assert_ne!(told("transfernya ke rekening mana kak?").2, "account_named");
    }

    #[test]
    fn who_asks_to_pay_again_is_not_told_the_same_and_who_asks_for_his_data_gets_a_person() {
        let first = decided(&context(&["saya mau daftar kak"]));
        let mut later = context(&["saya mau daftar kak"]);
        (later.met_before, later.conversation.phase) = (true, Phase::Booking);
        let again = decided(&later);
        assert!(first.replies[0].text != again.replies[0].text && again.escalation.is_some(), "{:?}", again.replies[0].text);
        let data = decided(&context(&["tolong hapus data saya dari sistem"]));
        assert!(data.opt_out && data.escalation.is_some(), "{}", data.rule);
    }

    #[test]
    fn a_reply_in_another_language_is_told_from_the_customers() {
        for (lang, reply) in [
            (Language::Id, "The package departs in April and there are still some seats left for you."),
            (Language::En, "Paketnya berangkat bulan April dan kursinya masih ada untuk keluarga Bapak."),
            (Language::Id, "您好，我们会为您安排一切。"),
        ] {
            assert!(is_foreign(lang, reply), "{reply}");
        }
        assert!(!is_foreign(Language::Id, "Paketnya berangkat bulan April, Bu, dan kursinya masih ada.") && !is_foreign(Language::En, "OK 🤲"));
    }

    #[test]
    fn what_is_known_about_paying_is_told_without_an_account() {
        let mut context = context(&["DP berapa kak, pelunasan kapan?"]);
        context.conversation.package_code = Some("UMR_APR_2027_HEMAT".into());
        let mut catalog = (*context.catalog).clone();
        let package = &mut catalog.packages[2].package;
        package.dp_idr = Some(5_000_000);
        package.payoff_by = Some("2027-03-01".into());
        context.catalog = Arc::new(catalog);
        let decision = decided(&context);
        let text = decision.replies[0].text.as_deref().unwrap();
        assert!(text.contains("Rp5.000.000") && text.contains("1 Maret 2027") && decision.replies[0].render.is_some(), "{text}");
        assert_eq!((decision.phase, decision.escalation.map(|e| e.0)), (Phase::Booking, Some(Reason::PaymentIntent)));
    }

    /// Praise books nobody and calls nobody; it gets a word back once.
    #[test]
    fn a_nod_is_a_nod() {
        for text in ["mantap", "keren kak", "alhamdulillah", "oh gitu ya", "paham min", "masya Allah", "wkwk", "very nice"] {
            let mut context = context(&[text]);
            context.met_before = true;
            context.conversation.package_code = Some("UMR_APR_2027_HEMAT".into());
            let once = decided(&context);
            assert_eq!((once.rule, once.phase, once.escalation.is_none(), once.replies.len()), ("acknowledged", Phase::Leads, true, 1), "{text}");
            context.nodded = true;
            assert!(decided(&context).replies.is_empty(), "{text}");
        }
        for text in [
            "mantap, saya daftar ya",
            "bagus ga hotelnya?",
            "belum paham",
            "info lengkap dong kak",
            "harganya berapa ya",
            "ok saya daftar",
            "boleh minta brosurnya",
            "alhamdulillah sudah kak",
        ] {
            let mut context = context(&[text]);
            (context.met_before, context.nodded) = (true, true);
            assert_ne!(decided(&context).rule, "acknowledged", "{text}");
        }
    }

    #[test]
    fn a_price_from_an_advert_is_set_against_the_row_and_looked_at() {
        let mut context = context(&["di iklan ig katanya 20 juta kok di sini beda?"]);
        context.conversation.package_code = Some("UMR_APR_2027_HEMAT".into());
        let decision = decided(&context);
        assert_eq!((decision.rule, decision.escalation.map(|e| e.0)), ("price_disputed", Some(Reason::ComplexQuestion)));
        assert!(decision.replies[0].text.as_deref().unwrap().contains("Rp27.000.000"));
        context.heard[0].text = Some("di iklan 20 juta kok di sini 27 juta?".into());
        assert_eq!(decided(&context).rule, "price_disputed", "both prices are said");
        for text in ["di brosur 27 juta kok murah ya", "Saya sudah lunas 54 juta, kok di web belum lunas?", "saya tahu dari IG kak, budget saya 35 juta kok"] {
            context.heard[0].text = Some(text.into());
            assert_ne!(decided(&context).rule, "price_disputed", "{text}");
        }
    }

    #[test]
    fn the_waiting_list_of_a_full_package_is_a_persons() {
        let mut context = context(&["kalau ada yang batal boleh masuk daftar tunggu kak?"]);
        context.conversation.package_code = Some("UMR_DES_2027_LIBURAN".into());
        let decision = decided(&context);
        assert_eq!((decision.rule, decision.escalation.is_some()), ("waiting_list", true));
        for (text, waits) in [("klo ada yg batal kabarin ya kak", true), ("bisa minta nomor cadangan admin?", false), ("kalau saya batal uangnya kembali berapa persen?", false)] {
            context.heard[0].text = Some(text.into());
            assert_eq!(decided(&context).rule == "waiting_list", waits, "{text}");
        }
        context.conversation.package_code = Some("UMR_APR_2027_HEMAT".into());
        assert_ne!(decided(&context).rule, "waiting_list");
    }

    /// Who only wants to know hears the terms, calls nobody and stays where he is; a row that tells none says who does.
    #[test]
    fn terms_are_told_to_who_does_not_want_to_pay_yet() {
        let mut context = context(&["belum mau daftar dulu ya kak, cuma pengen tau aja DP nya berapa"]);
        let text_of = |context: &TurnContext| {
            let decision = decided(context);
            assert_eq!((decision.rule, decision.phase, decision.escalation.is_none()), ("payment_terms", Phase::Leads, true));
            decision.replies.iter().filter_map(|reply| reply.text.clone()).collect::<Vec<_>>().join("\n")
        };
        assert!(text_of(&context).contains("balas *minta admin*"), "no package is talked about");
        context.conversation.package_code = Some("UMR_APR_2027_HEMAT".into());
        let untold = text_of(&context);
        assert!(untold.contains("Rp27.000.000") && untold.contains("Belum perlu membayar"), "{untold}");
        let mut catalog = (*context.catalog).clone();
        catalog.packages[2].package.dp_idr = Some(5_000_000);
        context.catalog = Arc::new(catalog);
        let told = text_of(&context);
        assert!(told.contains("Rp5.000.000") && told.contains("Belum perlu membayar") && !told.contains("Tim kami akan"), "{told}");
    }

    #[test]
    fn english_is_answered_in_english() {
        let decision = decided(&context(&["Hello, I am interested in the package UMR_APR_2027_HEMAT, how much is it?"]));
        assert_eq!(decision.language, "en");
        assert!(decision.replies[2].text.as_deref().unwrap().contains("Price: *Rp27.000.000*"));
    }

    #[test]
    fn a_phase_is_never_decided_backward() {
        let mut booked = context(&["hotelnya dimana"]);
        booked.conversation.phase = Phase::Booking;
        booked.conversation.package_code = Some("UMR_APR_2027_HEMAT".into());
        assert_eq!(decided(&booked).phase, Phase::Booking);
    }
}
