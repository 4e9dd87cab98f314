//! Understanding a message in-process: language, intents, entities, and the judgements that cost money when they are wrong.
//! `words` makes typing comparable, `model` and `tongue` weigh it, `entities` picks out what was said about the trip.

pub mod entities;
pub mod linear;
pub mod model;
pub mod network;
pub mod places;
pub mod tongue;
pub mod words;

use entities::Entities;
use model::HEADS;

/// What one turn's words mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Understanding {
    /// `id`, `en`, `ms`, `jv`, `su`, `ar`, `mixed`; `None` when nothing tells.
    pub language: Option<&'static str>,
    /// Intents with their probability, likeliest first. At least one.
    pub intents: Vec<(&'static str, f32)>,
    /// The customer means to register, to pay, or has paid, for themselves.
    pub payment_intent: bool,
    /// The customer asks for a person.
    pub wants_human: bool,
    /// A short yes, to whatever was asked.
    pub affirms: bool,
    /// Praise, or a sign that something was understood, and nothing else.
    pub nods: bool,
    /// Of the likeliest intent, 0..=1.
    pub confidence: f32,
    /// Party, month, budget, city, room.
    pub entities: Entities,
}

impl Understanding {
    /// Whether `intent` is among those meant.
    pub fn means(&self, intent: &str) -> bool {
        self.intents.iter().any(|(name, _)| *name == intent)
    }
}

/// Intents of somebody who means to register or to pay, or has paid.
const PAYING: [&str; 3] = ["register", "ask_payment", "payment_done"];
/// An intent of one message among several is believed from this probability on.
const ALONE: f32 = 0.5;

impl Understanding {
    /// Sets several messages read as one against each of them read `alone`: paying must be meant by one of them, and what one
    /// of them surely means is not lost among the others.
    pub fn weigh(&mut self, alone: &[Self]) {
        for intent in PAYING {
            if self.means(intent) && !alone.iter().any(|one| one.means(intent)) {
                self.intents.retain(|(name, _)| *name != intent);
            }
        }
        self.payment_intent &= alone.iter().any(|one| one.payment_intent);
        self.wants_human |= alone.iter().any(|one| one.wants_human);
        for (name, score) in alone.iter().flat_map(|one| &one.intents) {
            let small = ["greeting", "thanks", "provide_info", "campaign_code", "out_of_scope"].contains(name);
            if *score >= ALONE && !small && !PAYING.contains(name) && !self.means(name) {
                self.intents.push((name, *score));
            }
        }
        if self.intents.is_empty() {
            self.intents.push(("provide_info", self.confidence));
        }
        self.intents.sort_by(|a, b| b.1.total_cmp(&a.1));
    }
}

impl Understanding {
    /// The words choose a package from a list: that alone registers nobody, unless it is surely said too.
    pub fn choose(&mut self) {
        if !self.intents.iter().any(|(name, score)| PAYING.contains(name) && *score >= ALONE) {
            self.intents.retain(|(name, _)| !PAYING.contains(name));
            self.payment_intent = false;
        }
        self.intents.retain(|(name, _)| !matches!(*name, "out_of_scope" | "ask_packages" | "negotiate"));
        if self.intents.is_empty() {
            self.intents.push(("provide_info", CHOSEN));
        }
        self.confidence = self.confidence.max(CHOSEN);
    }
}

/// How sure a choice from the list is.
const CHOSEN: f32 = 0.9;

/// Longest message that is a nod, in words.
const NOD: usize = 4;

fn affirms(read: &words::Read) -> bool {
    let Some(yes) = words::idea("yes") else { return false };
    // "oh iya" is a yes, "oh gitu ya" is none
    let only_heard = nods(read) && read.words.iter().any(|word| matches!(word.text.as_str(), "gitu" | "begitu"));
    read.words.len() <= NOD && !read.asks && !only_heard && read.ideas.iter().any(|(at, _, idea)| *idea == yes && !read.words[*at].denied)
}

/// Words that praise, or say that something was understood, and want nothing.
const NODS: &[&str] = &[
    "mantap",
    "mantul",
    "keren",
    "bagus",
    "top",
    "jos",
    "good",
    "great",
    "nice",
    "cool",
    "perfect",
    "alhamdulillah",
    "masyaallah",
    "masya",
    "subhanallah",
    "barakallah",
    "paham",
    "faham",
    "ngerti",
    "mengerti",
    "understood",
    "jelas",
    "wkwk",
    "wkwkwk",
    "hehe",
    "haha",
    "hmm",
    "oh",
    "ooh",
    "o",
    "wah",
    "wow",
    "begitu",
    "gitu",
    "emolaugh",
    "emolove",
];
/// And words that may stand beside them.
const BESIDE_NODS: &[&str] = &[
    "kak", "min", "mas", "mbak", "bu", "ibu", "bapak", "ustadz", "kang", "teh", "ya", "iya", "ok", "deh", "nih", "banget", "sekali", "ini", "itu", "saya", "aku", "i", "see",
    "very", "so", "allah", "emopray", "emook", "sip", "siap", "lah",
];

/// Whether all there is to a message is a nod.
fn nods(read: &words::Read) -> bool {
    let nod = |word: &words::Word| NODS.contains(&word.text.as_str());
    let fits = |word: &words::Word| !word.denied && (nod(word) || BESIDE_NODS.contains(&word.text.as_str()));
    !read.asks && read.words.len() <= NOD && read.words.iter().all(fits) && read.words.iter().any(nod)
}

/// An intent is meant from this probability on. Source: the best F1 over all intents on files left out of learning
/// (`examples/learn.rs --cross`); the model is unsure of wordings it has not met.
const MEANT: f32 = 0.34;
/// Payment is meant from this probability on; from far less when registering, paying or having paid is among the intents.
/// Source: the best F1 of payment on files left out of learning (the same, rows "said").
const PAYS: f32 = 0.5;
const PAYS_AS_SAID: f32 = 0.17;
/// How many of the model's heads are published intents.
const INTENTS: usize = HEADS.len() - 1;

fn head(name: &str) -> usize {
    HEADS.iter().position(|head| *head == name).unwrap_or(0)
}

/// A code and nothing else: what most ads make people send.
fn bare_code() -> Understanding {
    Understanding {
        language: None,
        intents: vec![("campaign_code", 1.0)],
        payment_intent: false,
        wants_human: false,
        affirms: false,
        nods: false,
        confidence: 1.0,
        entities: Entities::default(),
    }
}

/// Unpacks the weights now, so that the first customer does not wait for it.
pub fn warm_up() {
    model::own();
    tongue::own();
}

/// Understands the words of one turn. `has_code`: something like a campaign code is among them. `about`: a package is already
/// talked about. `bare`: the bot has just asked how many.
pub fn understand(text: &str, has_code: bool, about: bool, bare: bool, today: chrono::NaiveDate) -> Understanding {
    let read = words::read(text);
    if has_code && read.words.iter().all(|word| word.text == words::CODE) {
        return bare_code();
    }
    let scores = model::score(model::own(), &read, about);
    let mut intents: Vec<(&'static str, f32)> = HEADS[..INTENTS]
        .iter()
        .zip(&scores)
        .map(|(name, score)| match *name {
            "campaign_code" => (*name, if has_code { 1.0 } else { 0.0 }), // the scanner knows
            _ => (*name, *score),
        })
        .collect();
    intents.sort_by(|a, b| b.1.total_cmp(&a.1));
    // a code alone asks for nothing else; anything else means at least one thing
    let meant = intents.iter().take_while(|(_, score)| *score >= MEANT).count().max(1);
    intents.truncate(meant);
    let payment = scores[INTENTS];
    let said = intents.iter().any(|(name, score)| PAYING.contains(name) && *score >= MEANT); // the likeliest of guesses is not said
    let nods = nods(&read);
    if nods {
        intents.retain(|(name, _)| ["greeting", "thanks", "provide_info"].contains(name));
        if intents.is_empty() {
            intents.push(("provide_info", ALONE));
        }
    }
    let has = |wanted: &[&str]| intents.iter().any(|(name, _)| wanted.contains(name));
    let payment_intent = !nods && (payment >= PAYS || (payment >= PAYS_AS_SAID && said)) && !(has(&["cancel_refund"]) && payment < 0.8);
    if payment_intent && !has(&PAYING) {
        let likeliest = PAYING.into_iter().max_by(|a, b| scores[head(a)].total_cmp(&scores[head(b)]));
        intents.extend(likeliest.map(|name| (name, scores[head(name)])));
    }
    Understanding {
        language: tongue::detect(text),
        affirms: affirms(&read),
        nods,
        confidence: intents.first().map_or(0.0, |(_, score)| *score),
        wants_human: intents.iter().any(|(name, _)| *name == "ask_human"),
        payment_intent,
        intents,
        entities: entities::find(&read.words, today, bare),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(intents: &[(&'static str, f32)], payment_intent: bool) -> Understanding {
        let read = understand("halo", false, false, false, "2026-11-20".parse().unwrap());
        Understanding { intents: intents.to_vec(), payment_intent, wants_human: false, ..read }
    }

    #[test]
    fn several_messages_pay_only_when_one_of_them_does() {
        let names = |understood: &Understanding| understood.intents.iter().map(|(name, _)| *name).collect::<Vec<_>>();
        let mut joined = meaning(&[("payment_done", 0.8), ("ask_price", 0.4)], true);
        joined.weigh(&[meaning(&[("provide_info", 0.9)], false), meaning(&[("complaint", 0.7)], false), meaning(&[("negotiate", 0.4)], false)]);
        assert_eq!((names(&joined), joined.payment_intent), (vec!["complaint", "ask_price"], false), "nobody paid, a complaint is not lost, a guess is none");
        let mut joined = meaning(&[("payment_done", 0.8)], true);
        joined.weigh(&[meaning(&[("greeting", 0.9)], false), meaning(&[("payment_done", 0.6)], true)]);
        assert_eq!((names(&joined), joined.payment_intent), (vec!["payment_done"], true));
        let mut joined = meaning(&[("register", 0.7)], true);
        joined.weigh(&[meaning(&[("provide_info", 0.9)], false)]);
        assert_eq!((names(&joined), joined.payment_intent), (vec!["provide_info"], false), "something is always meant");
    }
}
