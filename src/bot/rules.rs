//! The rules, each a function from what was heard to what comes of it. In their lists the first that fits wins.

use super::TurnContext;
use super::code::Scan;
use super::figures::{self, Figure};
use super::fixed::{Fixed, company as company_text, did_you_mean, fixed};
use super::guard;
use super::reading::Reading;
use super::reply::{Opening, Particular, Recipe, Term, Topic};
use super::understand::words::{self, Word};
use super::wish::{self, Wish};
use super::wording::{Media, Side, Wording};
use crate::chat::escalation::Reason;
use crate::chat::phase::Phase;
use crate::chat::satisfaction;
use crate::chat::turn::Reply;
use crate::travel::catalog::Listed;
use crate::travel::package::{Availability, PackageMedia};
use serde_json::json;

/// What a rule came to.
pub struct Outcome {
    /// What to say, in order.
    pub replies: Vec<Reply>,
    /// Phase this leads to.
    pub phase: Phase,
    /// Package the chat is about from now on.
    pub package: Option<String>,
    /// Code asked about.
    pub suggested: Option<String>,
    /// A person is needed.
    pub escalation: Option<Reason>,
    /// The bot stops here.
    pub hand_over: bool,
    /// Nothing fitted.
    pub fallback: bool,
    /// How sure, where the words themselves tell more than the reading.
    pub confidence: Option<f64>,
    /// No more promotions.
    pub opt_out: bool,
    /// Package whose bundle this turn sends.
    pub bundle: Option<String>,
    /// Node of a keyword flow this turn came to: `flow.node`.
    pub flow_node: Option<String>,
    /// Satisfaction told, one to five.
    pub rating: Option<i64>,
    /// Trials whose words this turn says, and the side.
    pub trials: Vec<(i64, Side)>,
}

impl Outcome {
    /// These words and nothing else.
    pub fn say(replies: Vec<Reply>) -> Self {
        Self {
            replies,
            phase: Phase::Leads,
            package: None,
            suggested: None,
            escalation: None,
            hand_over: false,
            fallback: false,
            confidence: None,
            opt_out: false,
            bundle: None,
            trials: Vec::new(),
            flow_node: None,
            rating: None,
        }
    }

    /// A fixed text, and a person.
    pub fn escalate(which: Fixed, read: &Reading, reason: Reason) -> Self {
        Self { escalation: Some(reason), ..Self::say(vec![words(fixed(which, read.lang))]) }
    }
}

/// A text that stays as it is.
pub fn words(text: &str) -> Reply {
    Reply { kind: "text", text: Some(text.to_owned()), render: None, media_id: None, extra: None, package_media_id: None }
}

/// A text made again from live data when it is sent.
pub fn live(recipe: &Recipe, context: &TurnContext) -> Reply {
    Reply { text: recipe.render(&context.catalog, context.today), render: Some(recipe.to_json()), ..words("") }
}

/// A rule: what it comes to, or that it does not fit.
pub type Rule = fn(&TurnContext, &Reading) -> Option<Outcome>;

/// What comes before anything is looked up: codes, people, payment, complaints.
pub const FIRST: &[(&str, Rule)] = &[
    ("rating", rating),
    ("account_named", account_named),
    ("opt_out", opt_out),
    ("campaign_code", campaign_code),
    ("suggested_code", suggested_code),
    ("near_code", near_code),
    ("acknowledged", acknowledged),
    ("human_requested", human_requested),
    ("complaint", complaint),
    ("waiting_list", waiting_list),
    ("payment_intent", payment_intent),
    ("cancel_refund", cancel_refund),
    ("price_disputed", price_disputed),
    ("negotiate", negotiate),
    ("own_booking", own_booking),
    ("takes_time", takes_time),
    ("unknown_code", unknown_code),
    ("file_with_words", file_with_words),
];

/// What is answered from rows when no published question fits.
pub const THEN: &[(&str, Rule)] = &[
    ("compare", compare),
    ("wish", wish),
    ("payment_terms", payment_terms),
    ("package_question", package_question),
    ("chosen", chosen),
    ("preferences", preferences),
    ("welcome", welcome),
    ("out_of_scope", out_of_scope),
    ("documents", documents),
    ("company", company),
    ("question_without_package", question_without_package),
    ("file", file),
    ("thanks", thanks),
];

/// The first rule that fits.
pub fn first(rules: &[(&'static str, Rule)], context: &TurnContext, read: &Reading) -> Option<(&'static str, Outcome)> {
    rules.iter().find_map(|(name, rule)| rule(context, read).map(|outcome| (*name, outcome)))
}

/// The answer to "how was it, one to five?".
fn rating(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let score = if context.rating_awaited { satisfaction::score(&read.last_text)? } else { return None };
    Some(Outcome { rating: Some(score), ..Outcome::say(vec![words(fixed(Fixed::Rated, read.lang))]) })
}

/// "Transfer ke BCA 1234567890 ya?": an account that is not ours is never let pass, one of ours is confirmed.
fn account_named(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if context.accounts.is_empty() || guard::foreign_accounts(&read.text, &[]).is_empty() {
        return None;
    }
    let is_ours = guard::foreign_accounts(&read.text, &context.accounts).is_empty();
    if is_ours && read.surely("payment_done") && !read.text.contains('?') {
        return None; // paid to the right one, and nothing asked: the payment is looked at
    }
    let which = if is_ours { Fixed::OurAccount } else { Fixed::ForeignAccount };
    Some(Outcome { phase: if read.understood.payment_intent { Phase::Booking } else { Phase::Leads }, ..Outcome::escalate(which, read, Reason::PaymentIntent) })
}

fn opt_out(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    // silence is not easily undone: only when it is surely meant
    let lower = read.text.to_lowercase();
    // what is kept of them is a person's matter, and a duty by law
    let data = ["data saya", "data kami", "dataku", "my data", "personal data", "data pribadi"].iter().any(|word| lower.contains(word));
    read.surely("opt_out").then(|| match data {
        true => Outcome { opt_out: true, ..Outcome::escalate(Fixed::DataRequest, read, Reason::ComplexQuestion) },
        false => Outcome { opt_out: true, ..Outcome::say(vec![words(fixed(Fixed::Stop, read.lang))]) },
    })
}

/// Greeting, picture, facts, question; or why not, and what else there is.
fn package_card(context: &TurnContext, read: &Reading, code: &str) -> Option<Outcome> {
    let listed = context.catalog.find(code)?;
    let open = listed.package.availability(context.today) == Availability::Open;
    let picture = listed.media.iter().find(|media| media.kind == "image" && media.media_id.is_some()).filter(|_| open);
    // other words than the built-in ones are Indonesian, and about packages that can be booked
    let tried = read.lang == crate::kernel::language::Language::Id && open;
    let wording = if tried { context.wording.clone() } else { Wording::default() };
    let media = wording.media.unwrap_or(if context.image_caption { Media::Caption } else { Media::Between });
    let card = |greet: bool| {
        let hello = wording.hello.clone().filter(|_| greet);
        live(&Recipe::Card { code: code.to_owned(), greet, lang: read.lang, hello, closing: wording.closing.clone() }, context)
    };
    let replies = match picture {
        None => vec![card(true)],
        Some(picture) => {
            let image = Reply { kind: "image", text: None, media_id: picture.media_id, package_media_id: Some(picture.id), ..words("") };
            match media {
                Media::Caption => {
                    let caption = card(true);
                    vec![Reply { text: caption.text, render: caption.render, ..image }]
                }
                Media::Between => vec![live(&Recipe::Hello { code: code.to_owned(), lang: read.lang, hello: wording.hello.clone() }, context), image, card(false)],
                Media::Last => vec![card(true), image],
            }
        }
    };
    let trials = wording.trials;
    Some(Outcome { package: Some(code.to_owned()), trials, ..Outcome::say(replies) })
}

fn campaign_code(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let from_ad = || read.ad.as_ref().and_then(|(_, scan, _)| scan.code.as_deref()).filter(|_| !context.met_before);
    let code = read.scan.code.as_deref().or_else(from_ad)?;
    // a code beside a question about the package: the answer, not the card again
    let same = context.conversation.package_code.as_deref() == Some(code) && context.met_before;
    let asked = TOPICS.iter().any(|(name, _)| read.asks(name)) || read.asks("ask_payment");
    let several = !read.scan.ignored.is_empty() && !read.understood.payment_intent && !read.understood.wants_human;
    if let Some(beside) = several.then(|| compare(context, read)).flatten() {
        return Some(Outcome { package: Some(code.to_owned()), ..beside });
    }
    let is_open = context.catalog.find(code)?.package.availability(context.today) == Availability::Open;
    if (same && is_open) || asked || read.understood.payment_intent || read.understood.wants_human {
        let about =
            TurnContext { conversation: crate::chat::conversation::Conversation { package_code: Some(code.to_owned()), ..context.conversation.clone() }, ..context.clone() };
        let graver = human_requested(&about, read).or_else(|| payment_intent(&about, read));
        // of what cannot be booked the card tells why; of a full one the rest is still worth knowing
        if graver.is_none() && !is_open {
            let card = package_card(context, read, code)?;
            return Some(Outcome {
                replies: card.replies.into_iter().chain(besides(&about, read)).collect(),
                phase: Phase::Interest,
                package: Some(code.to_owned()),
                ..Outcome::say(Vec::new())
            });
        }
        let answer = graver.or_else(|| payment_terms(&about, read)).or_else(|| package_question(&about, read));
        if let Some(mut answer) = answer {
            // a first question about the package: the card, then the answer
            if !same && answer.escalation.is_none() {
                let card = package_card(context, read, code)?;
                answer.replies = card.replies.into_iter().chain(answer.replies).collect();
                answer.trials = card.trials;
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
    Some(Outcome { suggested: Some(code.to_owned()), ..Outcome::say(vec![words(&did_you_mean(&listed.package, read.lang))]) })
}

fn unknown_code(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let written = read.scan.unknown.clone()?;
    Some(Outcome::say(vec![live(&Recipe::UnknownCode { written, lang: read.lang }, context)]))
}

fn human_requested(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("ask_human").then(|| Outcome::escalate(Fixed::Human, read, Reason::HumanRequested))
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
    // who has heard it before is not told the same again
    let again = context.conversation.phase >= Phase::Booking && context.met_before;
    let which = match (paid, again) {
        (true, _) => Fixed::Paid,
        (false, true) => Fixed::PaymentAgain,
        (false, false) => Fixed::Payment,
    };
    let package = read.about(context).and_then(|code| context.catalog.find(code)).map(|listed| &listed.package);
    // who has booked it already is not told that it is full
    let gone = package.filter(|package| !paid && context.conversation.phase < Phase::Booking && package.availability(context.today) != Availability::Open);
    if let Some(package) = gone {
        let card = Recipe::Card { code: package.code.clone(), greet: !context.met_before, lang: read.lang, hello: None, closing: None };
        let escalate = Outcome::escalate(Fixed::BookElsewhere, read, Reason::PaymentIntent);
        return Some(Outcome { phase: Phase::Booking, replies: std::iter::once(live(&card, context)).chain(escalate.replies).collect(), ..escalate });
    }
    let escalate = Outcome::escalate(which, read, Reason::PaymentIntent);
    let knows = package.filter(|package| !paid && read.asks("ask_payment") && (package.dp_idr.is_some() || package.payoff_by.is_some()));
    let replies = match knows {
        Some(package) => {
            let parts: Vec<Term> = TERMS.iter().filter(|(_, names)| again && mentions(&read.last_text, names)).map(|(term, _)| *term).collect();
            let told = live(&Recipe::Payment { code: package.code.clone(), party: read.payers(), parts: parts.clone(), early: false, lang: read.lang }, context);
            match again {
                true if parts.is_empty() && mentions(&read.last_text, ACCOUNT) => vec![words(fixed(Fixed::Account, read.lang))],
                // who has heard it all, and asks for nothing that the row tells
                true if parts.is_empty() || told.text.is_none() => escalate.replies,
                _ => vec![told],
            }
        }
        None => escalate.replies,
    };
    Some(Outcome { phase: Phase::Booking, replies: besides(context, read).into_iter().chain(replies).collect(), ..escalate })
}

/// "Belum mau daftar, cuma mau tahu DP-nya berapa": what the row tells, and nobody is called for it.
fn payment_terms(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if !read.asks("ask_payment") || read.understood.payment_intent {
        return None;
    }
    let listed = read.about(context).and_then(|code| context.catalog.find(code));
    let told = match listed.map(|listed| &listed.package) {
        Some(package) if context.conversation.phase < Phase::Booking && package.availability(context.today) != Availability::Open => {
            vec![live(&Recipe::Card { code: package.code.clone(), greet: false, lang: read.lang, hello: None, closing: None }, context)]
        }
        Some(package) if package.dp_idr.is_some() || package.payoff_by.is_some() => {
            vec![live(&Recipe::Payment { code: package.code.clone(), party: read.payers(), parts: Vec::new(), early: true, lang: read.lang }, context)]
        }
        Some(package) => {
            let price = Recipe::Answer { code: package.code.clone(), topic: Topic::Price, party: read.payers().or(Some(0)), lang: read.lang };
            vec![live(&price, context), words(fixed(Fixed::TermsLater, read.lang))]
        }
        None => std::iter::once(words(fixed(Fixed::TermsLater, read.lang))).chain(offer(context, read, Opening::Which)).collect(),
    };
    Some(Outcome { package: read.named.clone(), ..Outcome::say(besides(context, read).into_iter().chain(told).collect()) })
}

/// Where to pay to.
const ACCOUNT: &[&str] = &["rekening", "norek", "rek", "account", "akun", "va", "qris"];
/// Words that ask for one term of payment.
const TERMS: &[(Term, &[&str])] = &[
    (Term::Deadline, &["lunas", "pelunasan", "melunasi", "terakhir", "batas", "deadline", "lambat", "jatuh", "tempo", "latest"]),
    (
        Term::Ways,
        &[
            "cicil",
            "dicicil",
            "cicilan",
            "nyicil",
            "mencicil",
            "angsur",
            "angsuran",
            "diangsur",
            "ansuran",
            "bertahap",
            "termin",
            "installment",
            "installments",
            "instalment",
            "instalments",
        ],
    ),
    (Term::DownPayment, &["dp", "muka", "deposit", "panjer"]),
];

/// Whether any of the words is said.
fn mentions(text: &str, names: &[&str]) -> bool {
    among(&words::read(text).words, names)
}

/// Whether any of the names is among words that are read already; `-nya` belongs to the word before it.
fn among(said: &[Word], names: &[&str]) -> bool {
    said.iter().any(|word| names.contains(&word.text.strip_suffix("nya").unwrap_or(&word.text)))
}

/// Answers to what was asked about the package beside something graver, from its row.
fn besides(context: &TurnContext, read: &Reading) -> Vec<Reply> {
    let Some(code) = read.about(context).or(read.scan.code.as_deref()).filter(|code| context.catalog.find(code).is_some()) else { return Vec::new() };
    let is_told = |listed: &Listed| matches!(listed.package.availability(context.today), Availability::Departed | Availability::Closed);
    if context.catalog.find(code).is_some_and(is_told) {
        return Vec::new(); // every topic's answer is that it is no more to be had
    }
    let topics = TOPICS.iter().filter(|(name, _)| read.surely(name) && !(*name == "ask_price" && read.asks("ask_payment"))).take(MOST_TOPICS - 1);
    let party = read.payers().or(Some(0)); // whoever pays is not asked how many travel
    topics.map(|(_, topic)| live(&Recipe::Answer { code: code.to_owned(), topic: *topic, party, lang: read.lang }, context)).collect()
}

fn cancel_refund(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("cancel_refund").then(|| Outcome::escalate(Fixed::Cancel, read, Reason::ComplexQuestion))
}

fn negotiate(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("negotiate").then(|| {
        let escalate = Outcome::escalate(Fixed::Negotiate, read, Reason::Negotiation);
        // "mahal, ada yang di bawah 30 juta?": what fits is shown, the rest is a person's
        let wish = looked_for(context, read);
        let fits = (read.asks("ask_packages") && !wish.is_empty()).then(|| offer(context, read, if context.met_before { Opening::Noted } else { Opening::Welcome }));
        let replies = fits.unwrap_or_else(|| besides(context, read)).into_iter().chain(escalate.replies).collect();
        Outcome { phase: Phase::Interest, replies, ..escalate }
    })
}

/// All the words of a yes that has been answered already.
const YES_AGAIN: &[&str] = &["iya", "ya", "ok", "baik", "siap", "sip", "noted", "yes", "kak", "min", "mas", "mbak", "bu", "ibu", "bapak", "emook", "emopray"];

/// "Mantap kak", "oh gitu", "paham": a word back, once; to the next one there is nothing to say.
fn acknowledged(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let only_words = context.heard.iter().all(|message| message.kind == "text");
    if !context.met_before || !only_words || read.scan != Scan::default() || read.slots_said || read.named.is_some() || read.text.contains('?') {
        return None;
    }
    // a yes may still take up what the card's last line offered
    let about = context.conversation.package_code.as_ref();
    let offered = about.is_some() && context.conversation.bundle_code.as_ref() != about && context.conversation.phase < Phase::Booking;
    let again = context.nodded && !offered && words::read(&read.text).words.iter().all(|word| YES_AGAIN.contains(&word.text.as_str()));
    let replies = if context.nodded { Vec::new() } else { vec![words(fixed(Fixed::Nod, read.lang))] };
    ((read.understood.nods && !(read.understood.affirms && offered)) || again).then(|| Outcome { confidence: Some(0.8), ..Outcome::say(replies) })
}

/// Where prices are seen that are not the row's, and words that set them against it.
const ADVERTS: &[&str] =
    &["iklan", "ig", "instagram", "brosur", "poster", "flyer", "pamflet", "tiktok", "facebook", "fb", "web", "website", "spanduk", "ad", "advert", "brochure", "story", "feed"];
const AGAINST: &[&str] = &["beda", "berbeda", "kok", "bukan", "padahal", "different", "why", "lho", "loh", "berubah"];
/// What somebody can spend is no price.
const SPENDS: &[&str] = &["budget", "anggaran", "dana", "punya"];

/// "Di iklan 35 juta kok di sini beda?": the row's price, and a person looks at the advert.
fn price_disputed(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let package = &context.catalog.find(read.about(context)?)?.package;
    let ours = [Some(package.price_idr), package.price_triple_idr, package.price_double_idr, package.price_infant_idr, package.dp_idr];
    let other = figures::find(&read.text).into_iter().any(|found| matches!(found.figure, Figure::Rupiah(told) if !ours.contains(&Some(told))));
    let sets_against = mentions(&read.text, ADVERTS) && mentions(&read.text, AGAINST) && !mentions(&read.text, SPENDS);
    if !other || !sets_against || read.asks("ask_packages") {
        return None;
    }
    let price = live(&Recipe::Answer { code: package.code.clone(), topic: Topic::Price, party: Some(0), lang: read.lang }, context);
    let escalate = Outcome::escalate(Fixed::PriceChecked, read, Reason::ComplexQuestion);
    Some(Outcome { replies: std::iter::once(price).chain(escalate.replies).collect(), ..escalate })
}

/// How a place on the waiting list is asked for.
const WAITS: &[&[&str]] = &[
    &["waiting", "list"],
    &["waitinglist"],
    &["daftar", "tunggu"],
    &["kursi", "cadangan"],
    &["ada", "yang", "batal"],
    &["ada", "yang", "cancel"],
    &["someone", "cancels"],
    &["ada", "yang", "mundur"],
];

/// Wants to be told when a seat of a full package comes free: a person keeps that list.
fn waiting_list(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let listed = context.catalog.find(read.about(context)?)?;
    if listed.package.availability(context.today) != Availability::Full || read.asks("cancel_refund") {
        return None;
    }
    let said = words::read(&read.text).words;
    let wanted = WAITS.iter().any(|phrase| said.windows(phrase.len()).any(|window| window.iter().zip(*phrase).all(|(word, wanted)| word.text == *wanted)));
    wanted.then(|| Outcome { package: read.named.clone(), ..Outcome::escalate(Fixed::WaitingList, read, Reason::ComplexQuestion) })
}

/// Longest "I will ask my husband first", in words.
const TAKING_TIME: usize = 12;

/// Somebody is to be asked, or others compared, before he decides: nothing to answer, and nobody is needed.
fn takes_time(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let asks = TOPICS.iter().any(|(name, _)| read.asks(name)) || ["ask_packages", "thanks", "ask_documents", "ask_company"].iter().any(|name| read.surely(name));
    let reads_on = read.text.contains('?') || asks || read.slots_said || mentions(&read.text, &["untuk", "ikut", "biaya", "harga", "berapa"]);
    let later = mentions(
        &read.text,
        &["dulu", "nanti", "first", "bicara", "bicarakan", "rembuk", "rembug", "diskusi", "runding", "musyawarah", "discuss", "bandingkan", "compare", "sek", "heula"],
    );
    let waits = later && matches!(super::objection::find(&read.text), Some("family" | "compare")) && read.text.split_whitespace().count() <= TAKING_TIME;
    (context.met_before && waits && !reads_on).then(|| Outcome { confidence: Some(0.8), ..Outcome::say(vec![words(fixed(Fixed::TakesTime, read.lang))]) })
}

/// What somebody who has booked asks about his own: whether the visa is out, where the receipt is, that a name is wrong.
const OWN: &[&str] = &["visa", "tiket", "ticket", "paspor", "passport", "koper", "seragam", "voucher", "sertifikat", "certificate", "dokumen", "berkas", "siskopatuh"];
/// What has become of it, and what tells that this is asked.
const STANDS: &[&str] = &["terbit", "jadi", "keluar", "dikirim", "diproses", "selesai", "ready", "issued", "sent", "approved", "rampung", "dadi", "metu", "kaluar"];
const SO_FAR: &[&str] = &["sudah", "belum", "already", "yet", "wis", "wes", "durung", "dereng", "sampun", "atos", "acan", "tos"];
const RECEIPTS: &[&str] = &["kwitansi", "kuitansi", "receipt", "invoice"];
const WANTED: &[&str] = &["mana", "kapan", "kirim", "dikirim", "kirimi", "minta", "belum", "send", "where", "when"];
const GIVEN: &[&str] = &["koper", "seragam", "perlengkapan", "mukena"];
const GIVING: &[&str] = &["dibagikan", "dibagi", "diambil", "dikirim", "pembagian", "pengambilan"];
/// Questions that anybody may ask.
const COMMON: &[&str] = &["termasuk", "included", "apa", "berapa", "bikin", "buat", "pembuatan", "syarat", "masa", "berlaku", "requirements", "valid", "biaya", "bisa"];

/// The state of a booking is in nobody's row: a person looks.
fn own_booking(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if context.conversation.phase < Phase::Booking {
        return None;
    }
    let said = words::read(&read.text).words;
    let has = |list: &[&str]| among(&said, list);
    let stands = has(OWN) && has(STANDS) && has(SO_FAR);
    let own = stands
        || (has(RECEIPTS) && has(WANTED))
        || (has(GIVEN) && has(GIVING) && !has(&["list", "rincian", "isi", "item"]))
        || (has(&["tiket", "ticket", "visa", "paspor"]) && has(&["salah", "keliru", "wrong"]));
    (own && !has(COMMON)).then(|| Outcome::escalate(Fixed::OwnBooking, read, Reason::ComplexQuestion))
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
/// Whether an intent asks about a package.
pub fn is_topic(intent: &str) -> bool {
    TOPICS.iter().any(|(name, _)| *name == intent)
}

/// Topics answered in one turn; more would be a wall of text.
const MOST_TOPICS: usize = 3;

/// Questions about the package the chat is about, answered from its row.
fn package_question(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let code = read.about(context)?;
    let listed = context.catalog.find(code)?;
    let mut topics: Vec<Topic> = TOPICS.iter().filter(|(name, _)| read.asks(name)).map(|(_, topic)| *topic).take(MOST_TOPICS).collect();
    // a yes to the card's closing question; later, or with thanks, it is only a nod
    let is_open = context.conversation.bundle_code.as_deref() != Some(code) && context.conversation.phase < Phase::Booking && !read.asks("thanks");
    if topics.is_empty() && read.understood.affirms && context.met_before && is_open {
        topics.push(Topic::Facilities); // what the card's closing question offered
    }
    if topics.is_empty() {
        return None;
    }
    let details = topics.iter().any(|topic| matches!(topic, Topic::Facilities | Topic::Hotel | Topic::Itinerary));
    let sent_before = context.conversation.bundle_code.as_deref() == Some(code);
    // one thing is asked for: it comes first, and is all that is told to who has had the bundle
    let own = topics.contains(&Topic::Facilities).then(|| own_row(context, read, code)).flatten();
    if details && !sent_before && listed.package.availability(context.today) == Availability::Open {
        return Some(Outcome {
            phase: Phase::Interest,
            bundle: Some(code.to_owned()),
            package: read.named.clone(),
            ..Outcome::say(own.into_iter().chain(infants(read, listed)).chain(bundle(context, read, listed, &topics)).collect())
        });
    }
    let mut replies = Vec::new();
    for topic in topics {
        if let (Topic::Facilities, Some(own)) = (topic, &own) {
            replies.push(own.clone());
            continue;
        }
        replies.extend((topic == Topic::Price).then(|| infants(read, listed)).flatten());
        // of a full package nobody is asked how many would travel
        let party = if listed.package.availability(context.today) == Availability::Full { read.payers().or(Some(0)) } else { read.payers() };
        replies.push(live(&Recipe::Details { code: code.to_owned(), topic, party, lang: read.lang }, context));
        let file_kind = match topic {
            Topic::Itinerary => "itinerary",
            Topic::Facilities => "brochure",
            Topic::Hotel => "location",
            _ => "",
        };
        replies.extend(listed.media.iter().filter(|media| media.kind == file_kind || (topic == Topic::Facilities && media.kind == "video")).filter_map(attachment));
    }
    Some(Outcome { phase: Phase::Interest, package: read.named.clone(), ..Outcome::say(replies) })
}

/// Babies are in the party and the row has no price for them: a person tells it.
fn infants(read: &Reading, listed: &Listed) -> Option<Reply> {
    (read.infants > 0 && listed.package.price_infant_idr.is_none()).then(|| words(fixed(Fixed::InfantPrice, read.lang)))
}

/// What the package's row tells of the particulars a message asks for.
pub fn own_row(context: &TurnContext, read: &Reading, code: &str) -> Option<Reply> {
    let of = Particular::asked(&read.last_text);
    Some(live(&Recipe::Particular { code: code.to_owned(), of, lang: read.lang }, context)).filter(|reply| reply.text.is_some())
}

/// Everything about a package, once: answers to what else was asked, brochure, programme, where the hotels are, then the
/// whole of it in words.
fn bundle(context: &TurnContext, read: &Reading, listed: &Listed, topics: &[Topic]) -> Vec<Reply> {
    let code = &listed.package.code;
    let aside = topics.iter().filter(|topic| matches!(topic, Topic::Price | Topic::Schedule | Topic::Quota));
    let mut replies: Vec<Reply> =
        aside.map(|topic| live(&Recipe::Details { code: code.clone(), topic: *topic, party: read.payers().or(Some(0)), lang: read.lang }, context)).collect();
    for kind in ["brochure", "itinerary", "location", "video"] {
        replies.extend(listed.media.iter().filter(|media| media.kind == kind).filter_map(attachment));
    }
    replies.push(live(&Recipe::Bundle { code: code.clone(), party: read.payers(), lang: read.lang }, context));
    replies
}

/// A file or place of a package as a message.
fn attachment(media: &PackageMedia) -> Option<Reply> {
    match (media.media_id, media.latitude, media.longitude) {
        (Some(media_id), ..) => {
            let kind = if media.kind == "video" { "video" } else { "document" };
            Some(Reply { kind, text: Some(media.title.clone()), media_id: Some(media_id), package_media_id: Some(media.id), ..words("") })
        }
        (None, Some(latitude), Some(longitude)) => {
            let place = json!({"location": {"latitude": latitude, "longitude": longitude, "name": media.title}});
            Some(Reply { kind: "location", text: None, extra: Some(place), package_media_id: Some(media.id), ..words("") })
        }
        _ => None,
    }
}

/// Jobs, loans, medical risk, another trade: a person decides whether it concerns us.
fn out_of_scope(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("out_of_scope").then(|| Outcome::escalate(Fixed::General, read, Reason::ComplexQuestion))
}

fn documents(_: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("ask_documents").then(|| Outcome::say(vec![words(fixed(Fixed::Documents, read.lang))]))
}

/// Whether we are real: licence and office as the agency has set them, and where anybody can check.
fn company(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    read.asks("ask_company").then(|| Outcome::say(vec![words(&company_text(&context.agency, &context.licence, &context.address, context.office.as_ref(), read.lang))]))
}

/// About hotels, programme or facilities, but of which package?
fn question_without_package(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if !TOPICS.iter().any(|(name, _)| read.asks(name)) {
        return None;
    }
    Some(Outcome::say(offer(context, read, Opening::Which)))
}

fn offer(context: &TurnContext, read: &Reading, opening: Opening) -> Vec<Reply> {
    let asked = opening == Opening::Which;
    let wish = looked_for(context, read);
    vec![live(
        &Recipe::Offer { opening, month: read.month.clone(), party: read.party_size, infants: read.infants, asked, lang: read.lang, agency: context.agency.clone(), wish },
        context,
    )]
}

/// What is looked for among the packages, in this turn's words.
fn looked_for(context: &TurnContext, read: &Reading) -> Wish {
    let price = read.about(context).and_then(|code| context.catalog.find(code)).map(|listed| listed.package.price_idr);
    Wish::of(&read.text, &read.understood.entities, read.payers(), price, &context.catalog, context.today)
}

/// "Bedanya hemat sama VIP apa?": their rows beside each other.
fn compare(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if read.text.trim().is_empty() || !wish::compares(&read.text) {
        return None;
    }
    let codes: Vec<&str> = read.scan.code.iter().chain(&read.scan.ignored).map(String::as_str).collect();
    let packages =
        wish::compared(&read.text, &codes, context.conversation.package_code.as_deref().or(read.named.as_deref()), &context.catalog, read.month.as_deref(), context.today);
    if packages.len() < 2 {
        return None;
    }
    let codes = packages.iter().map(|listed| listed.package.code.clone()).collect();
    Some(Outcome::say(vec![live(&Recipe::Compare { codes, party: read.payers(), lang: read.lang }, context)]))
}

/// Cheaper ones, those from one's city, with a hotel near the mosque: the list that fits, also when a package is talked about.
fn wish(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    const ASKS: &[&str] = &["ask_packages", "ask_price", "ask_schedule", "ask_hotel", "ask_itinerary", "ask_facilities", "ask_quota", "provide_info", "greeting"];
    if read.named.is_some() || read.scan != Scan::default() || !ASKS.iter().any(|name| read.asks(name)) {
        return None;
    }
    let looked_for_what = looked_for(context, read);
    if read.about(context).is_some() && !read.asks("ask_packages") && looked_for_what.order != Some(wish::Order::Soonest) {
        return None;
    }
    let opening = if context.met_before { Opening::Noted } else { Opening::Welcome };
    // what is looked for stands in the words, however odd the rest of them
    let confidence = (read.confidence() < 0.8).then_some(0.8);
    (!looked_for_what.is_empty()).then(|| Outcome { confidence, ..Outcome::say(offer(context, read, opening)) })
}

/// A package was chosen from the list, or named, and nothing asked about it: its card.
fn chosen(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let code = read.named.as_deref().filter(|code| context.conversation.package_code.as_deref() != Some(code) && !read.asks("thanks"))?;
    package_card(context, read, code)
}

/// The customer told how many travel or when: noted, never asked again.
fn preferences(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    if !read.slots_said {
        return None;
    }
    // the package stays the one talked about, unless another month is wanted
    let listed = read.about(context).and_then(|code| context.catalog.find(code)).filter(|listed| listed.package.availability(context.today) == Availability::Open);
    if let Some(listed) = listed.filter(|listed| read.understood.entities.month.as_ref().is_none_or(|month| listed.package.departs.starts_with(month.as_str()))) {
        let code = listed.package.code.clone();
        return Some(Outcome {
            package: read.named.clone(),
            ..Outcome::say(
                infants(read, listed).into_iter().chain([live(&Recipe::Details { code, topic: Topic::Price, party: read.payers(), lang: read.lang }, context)]).collect(),
            )
        });
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
    let which = match context.heard.last().map_or("unknown", |message| message.kind.as_str()) {
        "voice" | "audio" => Fixed::Voice,
        "location" => Fixed::Place,
        "contact" => Fixed::Card,
        "view_once" => return Some(Outcome::say(vec![words(fixed(Fixed::ViewOnce, read.lang))])),
        "text" | "unknown" => return Some(Outcome::say(vec![words(fixed(Fixed::Empty, read.lang))])),
        _ => Fixed::File,
    };
    Some(Outcome::escalate(which, read, Reason::MediaReceived))
}

/// A picture or paper with a word about it ("ini paspor saya"), nothing asked: a person looks at it.
fn file_with_words(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let with_file = context.heard.last().is_some_and(|message| matches!(message.kind.as_str(), "image" | "document") && message.text.is_some());
    let asks = read.text.contains('?') || TOPICS.iter().any(|(name, _)| read.surely(name)) || ["ask_packages", "ask_payment", "ask_company"].iter().any(|name| read.surely(name));
    (with_file && !asks && read.scan == Scan::default() && !read.text.trim().is_empty()).then(|| Outcome::escalate(Fixed::File, read, Reason::MediaReceived))
}

fn thanks(context: &TurnContext, read: &Reading) -> Option<Outcome> {
    let only = ["thanks", "greeting", "provide_info"].iter().any(|name| read.asks(name)) || (context.met_before && read.understood.affirms);
    let which = if read.asks("thanks") { Fixed::Thanks } else { Fixed::Noted };
    only.then(|| Outcome::say(vec![words(fixed(which, read.lang))]))
}

/// Nothing fits: a person will answer, and the customer is told so.
pub fn general(read: &Reading) -> Outcome {
    Outcome { fallback: true, ..Outcome::escalate(Fixed::General, read, Reason::ComplexQuestion) }
}
