//! One turn: rules in order, first that fits wins. Pure: the same context gives the same decision.

use super::TurnContext;
use super::code::{self, Scan};
use super::reply::{self, Fixed, Opening, Recipe, Topic};
use super::understand::{self, Understanding};
use crate::chat::escalation::Reason;
use crate::chat::phase::Phase;
use crate::chat::turn::{Decision, Heard, Reply, Touch};
use crate::kernel::language::Language;
use crate::travel::package::Availability;
use serde_json::{Value, json};

/// Decides what the bot says and does about everything heard since its last turn.
pub fn decide(context: &TurnContext) -> Decision {
    let read = Reading::of(context);
    let decided = RULES.iter().find_map(|(name, rule)| rule(context, &read).map(|outcome| (*name, outcome)));
    let (rule, outcome) = decided.unwrap_or_else(|| ("general", general(&read)));
    finish(context, read, rule, outcome)
}

/// What was heard, read once for all rules.
struct Reading {
    text: String,
    last_text: String,
    scan: Scan,
    ad: Option<(i64, Scan, Value)>,
    code_message: Option<i64>,
    understood: Understanding,
    lang: Language,
    party_size: Option<i64>,
    month: Option<String>,
    slots_said: bool,
}

impl Reading {
    fn of(context: &TurnContext) -> Self {
        let said: Vec<&str> = context.heard.iter().filter_map(|message| message.text.as_deref()).collect();
        let text = said.join("\n");
        let scan = code::scan(&text, &context.catalog);
        let code_message = scan.code.as_ref().and_then(|wanted| {
            let holds = |message: &&Heard| message.text.as_deref().is_some_and(|text| code::scan(text, &context.catalog).code.as_ref() == Some(wanted));
            context.heard.iter().find(holds).or(context.heard.last()).map(|message| message.id)
        });
        let ad = context.heard.iter().find_map(|message| {
            let ad = message.extra.as_ref()?.get("attribution")?;
            let words: Vec<&str> = ["headline", "body", "source_url"].iter().filter_map(|key| ad[*key].as_str()).collect();
            Some((message.id, code::scan(&words.join("\n"), &context.catalog), ad.clone()))
        });
        let just_asked = context.met_before && context.conversation.package_code.is_none();
        let about = scan.code.is_some() || context.conversation.package_code.is_some();
        let understood = understand::understand(&text, scan != Scan::default(), about, just_asked, context.today);
        let known = context.conversation.language.as_deref().map(Language::parse);
        let lang = understood.language.map(Language::parse).or(known).unwrap_or(context.default_language);
        Self {
            last_text: said.last().map_or(String::new(), |text| (*text).to_owned()),
            slots_said: understood.entities.pax.is_some() || understood.entities.month.is_some(),
            party_size: understood.entities.pax.or(context.conversation.party_size),
            month: understood.entities.month.clone().or_else(|| context.conversation.month.clone()),
            understood,
            text,
            scan,
            ad,
            code_message,
            lang,
        }
    }

    fn asks(&self, intent: &str) -> bool {
        self.understood.means(intent)
    }

    /// How sure the reading is, spread so that "likelier than not" is above the usual floor of 0.6.
    fn confidence(&self) -> f64 {
        let likeliest = f64::from(self.understood.confidence);
        if self.scan.code.is_some() {
            0.98
        } else if likeliest >= 0.4 {
            0.6 + (likeliest - 0.4) * 0.38 / 0.6
        } else {
            likeliest
        }
    }
}

/// What a rule came to.
struct Outcome {
    replies: Vec<Reply>,
    phase: Phase,
    package: Option<String>,
    suggested: Option<String>,
    escalation: Option<Reason>,
    hand_over: bool,
    fallback: bool,
    opt_out: bool,
}

impl Outcome {
    fn say(replies: Vec<Reply>) -> Self {
        Self { replies, phase: Phase::Leads, package: None, suggested: None, escalation: None, hand_over: false, fallback: false, opt_out: false }
    }

    fn escalate(which: Fixed, read: &Reading, reason: Reason) -> Self {
        Self { escalation: Some(reason), ..Self::say(vec![words(reply::fixed(which, read.lang))]) }
    }
}

fn words(text: &str) -> Reply {
    Reply { kind: "text", text: Some(text.to_owned()), render: None, media_id: None, extra: None, package_media_id: None }
}

fn live(recipe: &Recipe, context: &TurnContext) -> Reply {
    Reply { text: recipe.render(&context.catalog, context.today), render: Some(recipe.to_json()), ..words("") }
}

type Rule = fn(&TurnContext, &Reading) -> Option<Outcome>;

/// The rules in their order.
const RULES: &[(&str, Rule)] = &[
    ("opt_out", opt_out),
    ("campaign_code", campaign_code),
    ("suggested_code", suggested_code),
    ("near_code", near_code),
    ("human_requested", human_requested),
    ("complaint", complaint),
    ("payment_intent", payment_intent),
    ("cancel_refund", cancel_refund),
    ("negotiate", negotiate),
    ("unknown_code", unknown_code),
    ("package_question", package_question),
    ("preferences", preferences),
    ("welcome", welcome),
    ("out_of_scope", out_of_scope),
    ("documents", documents),
    ("company", company),
    ("question_without_package", question_without_package),
    ("file", file),
    ("thanks", thanks),
];

fn opt_out(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("opt_out").then(|| Outcome { opt_out: true, ..Outcome::say(vec![words(reply::fixed(Fixed::Stop, read.lang))]) })
}

/// Greeting, picture, facts, question; or why not, and what else there is.
fn package_card(context: &TurnContext, read: &Reading, code: &str) -> Option<Outcome> {
    let listed = context.catalog.find(code)?;
    let open = listed.package.availability(context.today) == Availability::Open;
    let picture = listed.media.iter().find(|media| media.kind == "image" && media.media_id.is_some()).filter(|_| open);
    let replies = match picture {
        None => vec![live(&Recipe::Card { code: code.to_owned(), greet: true, lang: read.lang }, context)],
        Some(picture) => {
            let image = Reply { kind: "image", text: None, media_id: picture.media_id, package_media_id: Some(picture.id), ..words("") };
            if context.image_caption {
                let caption = live(&Recipe::Card { code: code.to_owned(), greet: true, lang: read.lang }, context);
                vec![Reply { text: caption.text, render: caption.render, ..image }]
            } else {
                vec![
                    live(&Recipe::Hello { code: code.to_owned(), lang: read.lang }, context),
                    image,
                    live(&Recipe::Card { code: code.to_owned(), greet: false, lang: read.lang }, context),
                ]
            }
        }
    };
    Some(Outcome { package: Some(code.to_owned()), ..Outcome::say(replies) })
}

fn campaign_code(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let from_ad = || read.ad.as_ref().and_then(|(_, scan, _)| scan.code.as_deref()).filter(|_| !context.met_before);
    let code = read.scan.code.as_deref().or_else(from_ad)?;
    // a code beside a question about the package: the answer, not the card again
    let same = context.conversation.package_code.as_deref() == Some(code) && context.met_before;
    let asked = TOPICS.iter().any(|(name, _)| read.asks(name));
    if same || asked || read.understood.payment_intent || read.understood.wants_human {
        let about =
            TurnContext { conversation: crate::chat::conversation::Conversation { package_code: Some(code.to_owned()), ..context.conversation.clone() }, ..context.clone() };
        let answer = human_requested(&about, read).or_else(|| payment_intent(&about, read)).or_else(|| package_question(&about, read));
        if let Some(mut answer) = answer {
            // a first question about the package: the card, then the answer
            if !same && answer.escalation.is_none() {
                let card = package_card(context, read, code)?;
                answer.replies = card.replies.into_iter().chain(answer.replies).collect();
            }
            return Some(Outcome { package: Some(code.to_owned()), ..answer });
        }
    }
    package_card(context, read, code)
}

fn suggested_code(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let code = context.conversation.suggested_code.as_deref()?;
    if read.understood.affirms { package_card(context, read, code) } else { None }
}

fn near_code(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let code = read.scan.suggest.as_deref()?;
    let listed = context.catalog.find(code)?;
    Some(Outcome { suggested: Some(code.to_owned()), ..Outcome::say(vec![words(&reply::did_you_mean(&listed.package, read.lang))]) })
}

fn unknown_code(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let written = read.scan.unknown.clone()?;
    Some(Outcome::say(vec![live(&Recipe::UnknownCode { written, lang: read.lang }, context)]))
}

fn human_requested(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("ask_human").then(|| Outcome { hand_over: true, ..Outcome::escalate(Fixed::Human, read, Reason::HumanRequested) })
}

fn complaint(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("complaint").then(|| Outcome::escalate(Fixed::Complaint, read, Reason::Complaint))
}

/// Registering and paying are a person's work; what the package row knows about it is told at once.
fn payment_intent(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if !read.understood.payment_intent {
        return None;
    }
    let paid = read.asks("payment_done");
    let escalate = Outcome::escalate(if paid { Fixed::Paid } else { Fixed::Payment }, read, Reason::PaymentIntent);
    let package = context.conversation.package_code.as_deref().and_then(|code| context.catalog.find(code)).map(|listed| &listed.package);
    let knows = package.filter(|package| !paid && read.asks("ask_payment") && (package.dp_idr.is_some() || package.payoff_by.is_some()));
    let replies = match knows {
        Some(package) => vec![live(&Recipe::Payment { code: package.code.clone(), lang: read.lang }, context)],
        None => escalate.replies,
    };
    Some(Outcome { phase: Phase::Booking, replies, ..escalate })
}

fn cancel_refund(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("cancel_refund").then(|| Outcome::escalate(Fixed::Cancel, read, Reason::ComplexQuestion))
}

fn negotiate(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("negotiate").then(|| Outcome { phase: Phase::Interest, ..Outcome::escalate(Fixed::Negotiate, read, Reason::Negotiation) })
}

/// Intents that ask about a package, and what answers them.
const TOPICS: &[(&str, Topic)] = &[
    ("ask_hotel", Topic::Hotel),
    ("ask_itinerary", Topic::Itinerary),
    ("ask_facilities", Topic::Facilities),
    ("ask_quota", Topic::Quota),
    ("ask_price", Topic::Price),
    ("ask_schedule", Topic::Schedule),
];
/// Topics answered in one turn; more would be a wall of text.
const MOST_TOPICS: usize = 3;

/// Questions about the package the chat is about, answered from its row.
fn package_question(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let code = context.conversation.package_code.as_deref()?;
    let listed = context.catalog.find(code)?;
    let mut topics: Vec<Topic> = TOPICS.iter().filter(|(name, _)| read.asks(name)).map(|(_, topic)| *topic).take(MOST_TOPICS).collect();
    if topics.is_empty() && read.understood.affirms && context.met_before {
        topics.push(Topic::Facilities); // what the card's closing question offered
    }
    if topics.is_empty() {
        return None;
    }
    let mut replies = Vec::new();
    for topic in topics {
        replies.push(live(&Recipe::Details { code: code.to_owned(), topic, party: read.party_size, lang: read.lang }, context));
        let file_kind = match topic {
            Topic::Itinerary => "itinerary",
            Topic::Facilities => "brochure",
            Topic::Hotel => "location",
            _ => "",
        };
        for media in listed.media.iter().filter(|media| media.kind == file_kind || (topic == Topic::Facilities && media.kind == "video")) {
            replies.push(match (media.media_id, media.latitude, media.longitude) {
                (Some(media_id), ..) => {
                    let kind = if media.kind == "video" { "video" } else { "document" };
                    Reply { kind, text: Some(media.title.clone()), media_id: Some(media_id), package_media_id: Some(media.id), ..words("") }
                }
                (None, Some(latitude), Some(longitude)) => {
                    let place = json!({"location": {"latitude": latitude, "longitude": longitude, "name": media.title}});
                    Reply { kind: "location", text: None, extra: Some(place), package_media_id: Some(media.id), ..words("") }
                }
                _ => continue,
            });
        }
    }
    Some(Outcome { phase: Phase::Interest, ..Outcome::say(replies) })
}

/// Jobs, loans, medical risk, another trade: a person decides whether it concerns us.
fn out_of_scope(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("out_of_scope").then(|| Outcome::escalate(Fixed::General, read, Reason::ComplexQuestion))
}

fn documents(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("ask_documents").then(|| Outcome::say(vec![words(reply::fixed(Fixed::Documents, read.lang))]))
}

/// Whether we are real: licence and office as the agency has set them, and where anybody can check.
fn company(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("ask_company").then(|| Outcome::say(vec![words(&reply::company(&context.agency, &context.licence, &context.address, read.lang))]))
}

/// About hotels, programme or facilities, but of which package?
fn question_without_package(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if !TOPICS.iter().any(|(name, _)| read.asks(name)) {
        return None;
    }
    let mut replies = vec![words(reply::fixed(Fixed::WhichPackage, read.lang))];
    let recipe = Recipe::Offer { opening: Opening::Noted, month: read.month.clone(), party: read.party_size, asked: true, lang: read.lang, agency: context.agency.clone() };
    replies.push(live(&recipe, context));
    Some(Outcome::say(replies))
}

fn offer(context: &TurnContext, read: &Reading, opening: Opening) -> Vec<Reply> {
    let recipe = Recipe::Offer { opening, month: read.month.clone(), party: read.party_size, asked: false, lang: read.lang, agency: context.agency.clone() };
    vec![live(&recipe, context)]
}

/// The customer told how many travel or when: noted, never asked again.
fn preferences(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if !read.slots_said {
        return None;
    }
    let opening = if context.met_before { Opening::Noted } else { Opening::Welcome };
    Some(Outcome::say(offer(context, read, opening)))
}

fn welcome(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let asks_what_there_is = ["ask_packages", "ask_price", "ask_schedule", "ask_quota"].iter().any(|name| read.asks(name));
    let greets = read.asks("greeting") && !context.met_before;
    let from_ad = read.ad.is_some() && !context.met_before;
    if !(asks_what_there_is || greets || from_ad) {
        return None;
    }
    let opening = if context.met_before { Opening::Noted } else { Opening::Welcome };
    Some(Outcome::say(offer(context, read, opening)))
}

/// No words, only a file, a voice note, a place.
fn file(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if !read.text.trim().is_empty() {
        return None;
    }
    let kind = context.heard.last().map_or("unknown", |message| message.kind.as_str());
    let which = if kind == "voice" || kind == "audio" { Fixed::Voice } else { Fixed::File };
    Some(Outcome::escalate(which, read, Reason::MediaReceived))
}

fn thanks(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let only = ["thanks", "greeting", "provide_info"].iter().any(|name| read.asks(name)) || (context.met_before && read.understood.affirms);
    let which = if read.asks("thanks") || !context.met_before { Fixed::Thanks } else { Fixed::Noted };
    only.then(|| Outcome::say(vec![words(reply::fixed(which, read.lang))]))
}

fn general(read: &Reading) -> Outcome {
    Outcome { fallback: true, ..Outcome::escalate(Fixed::General, read, Reason::ComplexQuestion) }
}

fn finish(context: &TurnContext, read: Reading, rule: &'static str, outcome: Outcome) -> Decision {
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
    let about = read.scan.code.is_some() || outcome.package.is_some() || context.conversation.package_code.is_some();
    let phase = outcome.phase.max(phase_of(understood, about)).max(context.conversation.phase);
    let escalation = outcome.escalation.or_else(|| reason_of(understood));
    let confidence = if outcome.fallback { read.confidence().min(0.3) } else { read.confidence() };
    Decision {
        replies: outcome.replies.into_iter().filter(|reply| reply.kind != "text" || reply.text.is_some()).collect(),
        phase,
        trigger_message_id: (phase > context.conversation.phase).then(|| context.heard.last().map(|message| message.id)).flatten(),
        package_code: outcome.package,
        suggested_code: outcome.suggested,
        touches,
        escalation: escalation.map(|reason| (reason, if read.last_text.is_empty() { describe(&context.heard) } else { read.last_text.clone() })),
        hand_over: outcome.hand_over || understood.wants_human,
        decided_by: if outcome.fallback { "fallback" } else { "rule" },
        rule,
        confidence,
        language: read.lang.as_str(),
        trace: trace(context, &read),
        intents: understood.intents.iter().map(|(name, _)| *name).collect(),
        payment_intent: understood.payment_intent,
        wants_human: understood.wants_human,
        entities: understood.entities.clone(),
        spoken: understood.language,
        party_size: read.party_size,
        month: read.month,
        opt_out: outcome.opt_out,
        scan: read.scan,
    }
}

/// What the decision was made from, for "why?": only what there is to say.
fn trace(context: &TurnContext, read: &Reading) -> Value {
    let mut trace = serde_json::Map::new();
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
    let scores: serde_json::Map<String, Value> =
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
fn reason_of(understood: &Understanding) -> Option<Reason> {
    if understood.wants_human {
        return Some(Reason::HumanRequested);
    }
    if understood.payment_intent {
        return Some(Reason::PaymentIntent);
    }
    [("complaint", Reason::Complaint), ("cancel_refund", Reason::ComplexQuestion), ("negotiate", Reason::Negotiation), ("out_of_scope", Reason::ComplexQuestion)]
        .into_iter()
        .find(|(name, _)| understood.means(name))
        .map(|(_, reason)| reason)
}

fn describe(heard: &[Heard]) -> String {
    heard.last().map_or(String::new(), |message| format!("[{}]", message.kind))
}

#[cfg(test)]
mod tests {
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
            catalog: Arc::new(Catalog { generation: 1, packages }),
            today: "2026-11-20".parse().unwrap(),
            agency: "Safar Amanah Wisata".into(),
            licence: String::new(),
            address: String::new(),
            default_language: Language::Id,
            image_caption: false,
        }
    }

    #[test]
    fn a_code_gets_greeting_image_facts_and_question_in_order() {
        let decision = decide(&context(&["UMR_APR_2027_HEMAT"]));
        let kinds: Vec<&str> = decision.replies.iter().map(|reply| reply.kind).collect();
        assert_eq!(kinds, ["text", "image", "text"]);
        let facts = decision.replies[2].text.as_deref().unwrap();
        for part in ["Rp27.000.000", "8 April 2027", "9 hari", "fasilitasnya?"] {
            assert!(facts.contains(part), "{facts}");
        }
        assert_eq!(decision.touches[0].code, "UMR_APR_2027_HEMAT");
        let captioned = decide(&TurnContext { image_caption: true, ..context(&["UMR_APR_2027_HEMAT"]) });
        assert_eq!(captioned.replies.len(), 1);
        assert!(captioned.replies[0].text.as_deref().unwrap().contains("Assalamualaikum"));
    }

    #[test]
    fn gone_or_full_says_so_and_offers_the_nearest() {
        let gone = decide(&context(&["UMR_MAR_2025_HEMAT"]));
        let text = gone.replies[0].text.as_deref().unwrap();
        assert!(text.contains("sudah berangkat") && text.contains("UMR_JAN_2027_VIP") && !text.contains("LIBURAN\n"), "{text}");
        let full = decide(&context(&["UMR_DES_2027_LIBURAN"]));
        assert_eq!(full.replies.len(), 1, "no picture of a package that cannot be booked");
        assert!(full.replies[0].text.as_deref().unwrap().contains("sudah penuh"));
    }

    #[test]
    fn codes_several_near_unknown() {
        let several = decide(&context(&["UMR_JAN_2027_VIP atau UMR_APR_2027_HEMAT ya"]));
        assert_eq!(several.package_code.as_deref(), Some("UMR_JAN_2027_VIP"));
        assert_eq!(several.touches[1].via, "ignored");
        let near = decide(&context(&["umr apr 2027 hemet"]));
        assert_eq!((near.rule, near.suggested_code.as_deref()), ("near_code", Some("UMR_APR_2027_HEMAT")));
        let mut yes = context(&["iya betul"]);
        yes.met_before = true;
        yes.conversation.suggested_code = Some("UMR_APR_2027_HEMAT".into());
        assert_eq!(decide(&yes).package_code.as_deref(), Some("UMR_APR_2027_HEMAT"));
        let unknown = decide(&context(&["UMR_JUL_2031_PLUS"]));
        assert_eq!(unknown.rule, "unknown_code");
    }

    #[test]
    fn slots_are_remembered_and_not_asked_again() {
        let first = decide(&context(&["Assalamualaikum, mau tanya umroh"]));
        let text = first.replies[0].text.as_deref().unwrap();
        assert!(text.contains("Berapa orang") && text.contains("Bulan apa"), "{text}");
        let mut second = context(&["berdua kak"]);
        second.met_before = true;
        let decision = decide(&second);
        let text = decision.replies[0].text.as_deref().unwrap();
        assert!(!text.contains("Berapa orang") && text.contains("Bulan apa") && text.contains("2 orang"), "{text}");
        assert_eq!(decision.party_size, Some(2));
        let mut third = context(&["april"]);
        third.met_before = true;
        third.conversation.party_size = Some(2);
        let text = decide(&third).replies[0].text.clone().unwrap();
        assert!(!text.contains("Berapa orang") && !text.contains("Bulan apa") && text.contains("UMR_APR_2027_HEMAT"), "{text}");
    }

    #[test]
    fn payment_human_and_anything_else() {
        let pay = decide(&context(&["cara bayar?"]));
        assert_eq!((pay.phase, pay.escalation.as_ref().map(|e| e.0)), (Phase::Booking, Some(Reason::PaymentIntent)));
        assert!(decide(&context(&["mau ngomong sama CS"])).hand_over);
        let other = decide(&context(&["apakah kucing boleh ikut ke pesawat tahun depan"]));
        assert!(other.escalation.as_ref().map(|e| e.0).is_some() || other.rule == "package_question");
        let odd = decide(&context(&["bolehkah membawa kucing"]));
        assert_eq!(odd.escalation.map(|e| e.0), Some(Reason::ComplexQuestion), "{}", odd.rule);
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
        let decision = decide(&context);
        let text = decision.replies[0].text.as_deref().unwrap();
        assert!(text.contains("Rp5.000.000") && text.contains("1 Maret 2027") && decision.replies[0].render.is_some(), "{text}");
        assert_eq!((decision.phase, decision.escalation.map(|e| e.0)), (Phase::Booking, Some(Reason::PaymentIntent)));
    }

    #[test]
    fn english_is_answered_in_english() {
        let decision = decide(&context(&["Hello, I am interested in the package UMR_APR_2027_HEMAT, how much is it?"]));
        assert_eq!(decision.language, "en");
        assert!(decision.replies[2].text.as_deref().unwrap().contains("Price: *Rp27.000.000*"));
    }

    #[test]
    fn a_phase_is_never_decided_backward() {
        let mut booked = context(&["hotelnya dimana"]);
        booked.conversation.phase = Phase::Booking;
        booked.conversation.package_code = Some("UMR_APR_2027_HEMAT".into());
        assert_eq!(decide(&booked).phase, Phase::Booking);
    }
}
