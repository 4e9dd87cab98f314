//! What was heard in one turn, read once for all rules.

use super::TurnContext;
use super::choice;
use super::code::{self, Scan};
use super::understand::{self, Understanding};
use super::{reply, rules};
use crate::chat::turn::Heard;
use crate::kernel::language::Language;
use serde_json::Value;

/// Longest answer that tells no more than party and month, in words.
const SLOTS: usize = 4;
/// Below this a reading is a guess: a published question or the model may know better, and a polite nod to noise is none.
pub const GUESS: f64 = 0.4;
/// Probability from which an intent is beyond doubt.
const SURELY: f32 = 0.5;

/// What was heard, read once for all rules.
pub struct Reading {
    /// All words of the turn.
    pub text: String,
    /// The last message's words.
    pub last_text: String,
    /// Campaign codes among them.
    pub scan: Scan,
    /// The ad the customer came from: message, codes in it, the referral.
    pub ad: Option<(i64, Scan, Value)>,
    /// Message that held the code.
    pub code_message: Option<i64>,
    /// Package named in words.
    pub named: Option<String>,
    /// What the words mean.
    pub understood: Understanding,
    /// Language of the reply.
    pub lang: Language,
    /// Travellers, when known.
    pub party_size: Option<i64>,
    /// Babies among them, when known.
    pub infants: i64,
    /// Month wanted, when known.
    pub month: Option<String>,
    /// Party or month were told in this turn.
    pub slots_said: bool,
}

impl Reading {
    /// Reads what was heard since the last turn.
    pub fn of(context: &TurnContext) -> Self {
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
        let named = if scan.code.is_some() { None } else { context.catalog.named(&text, context.today).map(|listed| listed.package.code.clone()) };
        let just_asked = context.met_before && context.conversation.package_code.is_none() && context.conversation.by_bot;
        let about = scan.code.is_some() || named.is_some() || context.conversation.package_code.is_some();
        let mut understood = understand::understand(&text, scan != Scan::default(), about, just_asked, context.today);
        context.lessons.correct(&text, &mut understood);
        if said.len() > 1 {
            let alone: Vec<Understanding> = said.iter().map(|one| understand::understand(one, false, about, just_asked, context.today)).collect();
            understood.weigh(&alone);
        }
        let month = understood.entities.month.clone().or_else(|| context.conversation.month.clone());
        let last = said.last().copied().unwrap_or("");
        let chosen = (just_asked && scan == Scan::default() && named.is_none())
            .then(|| choice::of_listed(last, &context.catalog, month.as_deref(), context.list_shown, context.today))
            .flatten();
        let by_name = just_asked && named.is_some() && last.split_whitespace().count() <= SLOTS;
        if chosen.is_some() || by_name {
            understood.choose();
        }
        // one package was listed, and now something is asked: of that one
        let only = || match &reply::listed(&context.catalog, context.conversation.month.as_deref(), context.today)[..] {
            [only] if just_asked && understood.intents.iter().any(|(name, _)| rules::is_topic(name)) => Some(only.package.code.clone()),
            _ => None,
        };
        let named = named.or(chosen.map(|listed| listed.package.code.clone())).or_else(only);
        let known = context.conversation.language.as_deref().map(Language::parse);
        // "mixed" tells nothing: the language of before holds
        let told = understood.language.filter(|spoken| *spoken != "mixed" || known.is_none()).map(Language::parse);
        let lang = told.or(known).unwrap_or(context.default_language);
        Self {
            last_text: said.last().map_or(String::new(), |text| (*text).to_owned()),
            slots_said: understood.entities.pax.is_some() || understood.entities.month.is_some(),
            party_size: understood.entities.pax.or(context.conversation.party_size),
            // another party is told whole
            infants: match understood.entities.pax {
                Some(party) if Some(party) != context.conversation.party_size => understood.entities.infants.unwrap_or(0),
                _ => understood.entities.infants.unwrap_or(context.conversation.infants),
            },
            month,
            named,
            understood,
            text,
            scan,
            ad,
            code_message,
            lang,
        }
    }

    /// Those of the party who pay a place in a room each.
    pub fn payers(&self) -> Option<i64> {
        self.party_size.map(|party| (party - self.infants).max(1))
    }

    /// Something is asked or told that a published question may answer: not only a greeting, thanks or the party's size.
    pub fn may_be_in_faq(&self) -> bool {
        const PLAIN: &[&str] = &["greeting", "thanks", "provide_info", "ask_packages", "campaign_code"];
        // "bulan depan", "2 orang": the answer to what the bot asked
        let only_slots = self.slots_said && !self.text.contains('?') && self.text.split_whitespace().count() <= SLOTS;
        let is_guess = self.confidence() < GUESS;
        !self.text.trim().is_empty() && !only_slots && (is_guess || self.understood.intents.iter().any(|(name, _)| !PLAIN.contains(name)))
    }

    /// The package this turn is about: the one named now, else the one the chat is about.
    pub fn about<'r>(&'r self, context: &'r TurnContext) -> Option<&'r str> {
        self.named.as_deref().or(context.conversation.package_code.as_deref())
    }

    /// Whether an intent is among those meant.
    pub fn asks(&self, intent: &str) -> bool {
        self.understood.means(intent)
    }

    /// Whether an intent is meant beyond doubt.
    pub fn surely(&self, intent: &str) -> bool {
        self.understood.intents.iter().any(|(name, score)| *name == intent && *score >= SURELY)
    }

    /// How sure the reading is, spread so that "likelier than not" is above the usual floor of 0.6.
    pub fn confidence(&self) -> f64 {
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
