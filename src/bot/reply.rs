//! The bot's words, in Indonesian and English, made from package rows. A text that quotes a package carries its
//! recipe ([`Recipe`]), so that the queue makes it again from live data at the moment of sending.

use super::facts::{Facts, Ground};
use super::fixed::{Fixed, fixed};
use super::wish::Wish;
use super::{guard, package_text};
use crate::kernel::language::Language;
use crate::kernel::{date, rupiah};
use crate::travel::catalog::{Catalog, Listed};
use crate::travel::package::Package;
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// How to make a text from live data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Recipe {
    /// Price, departure, length and the closing question; with `greet`, the greeting in front of it.
    Card {
        code: String,
        greet: bool,
        lang: Language,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hello: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closing: Option<String>,
    },
    /// The greeting alone, before the picture.
    Hello {
        code: String,
        lang: Language,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hello: Option<String>,
    },
    /// Hotels, facilities, what is in and out.
    Details { code: String, topic: Topic, party: Option<i64>, lang: Language },
    /// The same without a question after it: something else follows.
    Answer { code: String, topic: Topic, party: Option<i64>, lang: Language },
    /// What the row tells of particulars: the flight, luggage, meals.
    Particular { code: String, of: Vec<Particular>, lang: Language },
    /// Open packages, of a month if one was named, and what is still to be asked.
    Offer {
        opening: Opening,
        month: Option<String>,
        party: Option<i64>,
        /// Babies of the party, who pay no place in a room.
        #[serde(default)]
        infants: i64,
        asked: bool,
        lang: Language,
        agency: String,
        #[serde(default, skip_serializing_if = "Wish::is_empty")]
        wish: Wish,
    },
    /// Packages beside each other.
    Compare { codes: Vec<String>, party: Option<i64>, lang: Language },
    /// Down payment and the day by which all is paid, then that a person takes it from here, or that nothing is due yet.
    Payment {
        code: String,
        #[serde(default)]
        party: Option<i64>,
        /// Only these, for who has heard it all before.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parts: Vec<Term>,
        /// Who asks does not want to pay yet.
        #[serde(default)]
        early: bool,
        lang: Language,
    },
    /// Programme, hotels, what is in and out, how to pay: everything a customer who is interested gets once.
    Bundle { code: String, party: Option<i64>, lang: Language },
    /// A proposal of the model, with what it was checked against. Checked again when it is sent: a figure that is no fact
    /// any more takes the whole text with it.
    Proposal { text: String, about: Option<String>, packages: Vec<String>, party: Option<i64>, month: Option<String>, lines: Vec<String>, lang: Language },
    /// A code nobody knows, and what is open.
    UnknownCode { written: String, lang: Language },
}

/// What somebody wants to know of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Hotels and distances.
    Hotel,
    /// What one gets.
    Facilities,
    /// Day by day.
    Itinerary,
    /// Prices per room.
    Price,
    /// Dates.
    Schedule,
    /// Seats.
    Quota,
}

/// A particular of a journey that stands in the row among other things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Particular {
    /// Airline, direct or not.
    Flight,
    /// Kilograms.
    Luggage,
    /// What one eats.
    Meals,
    /// Bus and train.
    Transport,
    /// Who leads.
    Guide,
    /// Bags, cloths, books.
    Equipment,
    /// Visa.
    Visa,
    /// Insurance.
    Insurance,
    /// Vaccination.
    Vaccine,
    /// Wheelchair.
    Wheelchair,
}

impl Particular {
    /// Each with the words that ask for it and stand in the row.
    const WORDS: &[(Self, &[&str])] = &[
        (Self::Flight, &["transit", "direct", "pesawat", "penerbangan", "maskapai", "flight", "airline"]),
        (Self::Wheelchair, &["kursi roda", "wheelchair"]),
        (Self::Luggage, &["bagasi", "luggage", "baggage"]),
        (Self::Meals, &["makan", "makanan", "menu", "katering", "catering", "meal", "meals"]),
        (Self::Transport, &["bus", "bis", "kereta", "train"]),
        (Self::Guide, &["pembimbing", "muthawif", "muthowif", "ustadz", "tour leader", "guide"]),
        (Self::Equipment, &["perlengkapan", "seragam", "ihram", "mukena", "koper", "batik"]),
        (Self::Insurance, &["asuransi", "insurance"]),
        (Self::Vaccine, &["vaksin", "vaksinasi", "vaccine", "meningitis", "polio"]),
        (Self::Visa, &["visa"]),
    ];

    /// Those a text speaks of. The aeroplane is only where something else happens, when something else is named.
    pub fn asked(text: &str) -> Vec<Self> {
        let mut asked: Vec<Self> = Self::WORDS.iter().filter(|(_, words)| speaks(text, words)).map(|(of, _)| *of).collect();
        if asked.len() > 1 {
            asked.retain(|of| *of != Self::Flight);
        }
        asked
    }

    /// Whether a line of the row is about it.
    pub fn is_in(self, line: &str) -> bool {
        Self::WORDS.iter().any(|(of, words)| *of == self && speaks(line, words))
    }
}

/// Whether one of the words, which may be two in a row, is said; `-nya` belongs to the word before it.
fn speaks(text: &str, words: &[&str]) -> bool {
    let lower = text.to_lowercase();
    let said: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(|word| word.strip_suffix("nya").unwrap_or(word)).collect();
    words.iter().any(|word| match word.split_once(' ') {
        Some((first, second)) => said.windows(2).any(|pair| pair == [first, second]),
        None => said.contains(word),
    })
}

/// One of the terms of payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Term {
    /// Price per person.
    Price,
    /// Down payment.
    DownPayment,
    /// By when all is paid.
    Deadline,
    /// In parts, by which ways: the agency's own words.
    Ways,
}

/// How an offer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// First words in this chat.
    Welcome,
    /// The customer has told month or party size.
    Noted,
    /// A question about a package, but which?
    Which,
}

pub(super) fn t<'a>(lang: Language, id: &'a str, en: &'a str) -> &'a str {
    if lang == Language::En { en } else { id }
}

pub(super) fn day(text: &str, lang: Language) -> String {
    date::day(text).map_or_else(|| text.to_owned(), |day| date::long(day, lang))
}

/// One line of a list: name, date, price, what else was asked for, code.
fn line(package: &Package, lang: Language, party: Option<i64>, note: Option<String>) -> String {
    let total = party.filter(|party| *party > 1).map_or(String::new(), |party| match lang {
        Language::Id => format!(" ({party} orang {})", rupiah::full(package.price_idr * party)),
        Language::En => format!(" ({party} people {})", rupiah::full(package.price_idr * party)),
    });
    let wanted = party.unwrap_or(0);
    let left = package.seats_left().filter(|left| (1..=10).contains(left) || (*left > 0 && *left < wanted));
    let seats = left.map_or(String::new(), |left| match (lang, left < wanted) {
        (Language::Id, false) => format!(" · sisa {left} kursi"),
        (Language::Id, true) => format!(" · tinggal {left} kursi, belum cukup untuk {wanted} orang"),
        (Language::En, false) => format!(" · {left} seats left"),
        (Language::En, true) => format!(" · only {left} seats left, not enough for {wanted}"),
    });
    format!(
        "• *{}*\n  {} · {} {} · {}{}{}{}{}\n  {}: {}",
        package.name,
        day(&package.departs, lang),
        package.days,
        t(lang, "hari", "days"),
        t(lang, "mulai ", "from "),
        rupiah::full(package.price_idr),
        total,
        seats,
        note.map_or(String::new(), |note| format!("\n  {note}")),
        t(lang, "kode", "code"),
        package.code
    )
}

pub(super) fn lines(packages: &[&Listed], party: Option<i64>, lang: Language) -> String {
    packages.iter().map(|listed| line(&listed.package, lang, party, None)).collect::<Vec<_>>().join("\n")
}

/// Longest list in one message.
const LISTED: usize = 8;

impl Recipe {
    /// As stored in the outbox row.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The text as of now; `None` when the package is gone from the catalogue.
    pub fn render(&self, catalog: &Catalog, today: NaiveDate) -> Option<String> {
        match self {
            Self::Card { code, greet, lang, hello, closing } => {
                let words = package_text::Words { hello: hello.as_deref(), closing: closing.as_deref() };
                Some(package_text::card(&catalog.find(code)?.package, catalog, today, *greet, *lang, words))
            }
            Self::Hello { code, lang, hello } => Some(package_text::hello(&catalog.find(code)?.package, *lang, hello.as_deref())),
            Self::Details { code, topic, party, lang } => Some(package_text::details(&catalog.find(code)?.package, *topic, *party, catalog, today, *lang)),
            Self::Answer { code, topic, party, lang } => Some(package_text::answer(&catalog.find(code)?.package, *topic, *party, catalog, today, *lang)),
            Self::Offer { opening, month, party, infants, asked, lang, agency, wish } => {
                Some(offer(*opening, month.as_deref(), *party, *infants, *asked, catalog, today, *lang, agency, wish))
            }
            Self::Compare { codes, party, lang } => {
                let packages: Vec<&Package> = codes.iter().filter_map(|code| catalog.find(code)).map(|listed| &listed.package).collect();
                (packages.len() > 1).then(|| package_text::compare(&packages, *party, catalog, today, *lang))
            }
            Self::Particular { code, of, lang } => package_text::particulars(&catalog.find(code)?.package, of, *lang),
            Self::Payment { code, party, parts, early, lang } if parts.is_empty() => Some(package_text::payment(&catalog.find(code)?.package, *party, *early, today, *lang)),
            Self::Payment { code, party, parts, lang, .. } => package_text::payment_terms(&catalog.find(code)?.package, parts, *party, today, *lang),
            Self::Bundle { code, party, lang } => Some(package_text::bundle(&catalog.find(code)?.package, *party, catalog, today, *lang)),
            Self::Proposal { text, about, packages, party, month, lines, lang } => {
                let ground = Ground { catalog, today, party: *party, month: month.as_deref(), lines: lines.clone() };
                let codes: Vec<&str> = packages.iter().map(String::as_str).collect();
                let still_true = guard::check(text, &Facts::of(&ground, &codes), about.as_deref(), &[]).is_ok();
                Some(if still_true { text.clone() } else { fixed(Fixed::General, *lang).to_owned() })
            }
            Self::UnknownCode { written, lang } => Some(unknown_code(written, catalog, today, *lang)),
        }
    }
}

/// The packages an offer lists: those open in the month wanted, else the nearest to it; without a month the next ones.
pub fn listed<'c>(catalog: &'c Catalog, month: Option<&str>, today: NaiveDate) -> Vec<&'c Listed> {
    let Some(month) = month else { return catalog.open(today).take(LISTED).collect() };
    let in_month: Vec<&Listed> = catalog.open(today).filter(|listed| listed.package.departs.starts_with(month)).collect();
    let wanted = format!("{month}-15").parse().unwrap_or(today);
    if in_month.is_empty() { catalog.nearest(wanted, today, NEAREST) } else { in_month }
}

/// Packages offered instead when a month has none.
const NEAREST: usize = 3;

#[allow(clippy::too_many_arguments)] // the fields of Recipe::Offer, in their order
fn offer(
    opening: Opening,
    month: Option<&str>,
    party: Option<i64>,
    infants: i64,
    asked: bool,
    catalog: &Catalog,
    today: NaiveDate,
    lang: Language,
    agency: &str,
    wish: &Wish,
) -> String {
    let wanted = month.and_then(|month| date::day(&format!("{month}-15")));
    let named = wanted.map(|day| format!("{} {}", date::month_name(day.month(), lang), day.year()));
    let shown = listed(catalog, month, today);
    let in_month = month.is_some_and(|month| shown.iter().any(|listed| listed.package.departs.starts_with(month)));
    let mut text = match (opening, lang) {
        (Opening::Welcome, Language::Id) => format!("Assalamualaikum! Selamat datang di {agency} 🕋"),
        (Opening::Welcome, Language::En) => format!("Assalamualaikum! Welcome to {agency} 🕋"),
        (Opening::Which, _) => fixed(Fixed::WhichPackage, lang).to_owned(),
        (Opening::Noted, Language::Id) => "Baik, Bapak/Ibu.".to_owned(),
        (Opening::Noted, Language::En) => "Noted, thank you.".to_owned(),
    };
    let payers = party.map(|party| (party - infants).max(1));
    let known: Vec<String> = [
        party.map(|n| if lang == Language::En { format!("{n} {}", if n == 1 { "person" } else { "people" }) } else { format!("{n} orang") }),
        named.clone().map(|name| if lang == Language::En { name } else { format!("bulan {name}") }),
    ]
    .into_iter()
    .flatten()
    .collect();
    if opening == Opening::Noted && !known.is_empty() {
        let _ = write!(text, " {} {}.", t(lang, "Kami catat:", "We noted:"), known.join(", "));
    }
    let mut questions = Vec::new();
    if party.is_none() {
        questions.push(t(lang, "Berapa orang yang akan berangkat?", "How many people will travel?"));
    }
    if month.is_none() {
        questions.push(t(lang, "Bulan apa yang Bapak/Ibu inginkan?", "Which month would you like?"));
    }
    let picked = wish.pick(catalog, month, today, lang);
    if !questions.is_empty() && !asked && picked.is_none() {
        let _ = write!(text, "\n\n{}", t(lang, "Untuk membantu memberikan rekomendasi terbaik:", "To help us give the best recommendation:"));
        for (at, question) in questions.iter().enumerate() {
            if questions.len() == 1 {
                let _ = write!(text, "\n{question}");
            } else {
                let _ = write!(text, "\n{}. {question}", at + 1);
            }
        }
    }
    let head = match (&named, lang) {
        (Some(name), _) if in_month => format!("{} {name}:", t(lang, "Paket yang masih buka di", "Packages still open in")),
        (Some(name), Language::Id) => format!("Untuk {name} belum ada paket yang buka. Yang paling dekat:"),
        (Some(name), Language::En) => format!("There is no open package in {name}. The nearest ones:"),
        (None, _) => t(lang, "Berikut jadwal umroh kami musim ini:", "Our umroh schedule this season:").to_owned(),
    };
    if shown.is_empty() {
        let _ =
            write!(text, "\n\n{}", t(lang, "Jadwal baru sedang kami siapkan; tim kami akan segera mengabari.", "New dates are being prepared; our team will be in touch soon."));
        return text;
    }
    let answered = picked.is_some();
    match picked {
        // a month without packages is said before what is shown instead
        Some((found, picked)) => {
            let missing = named.as_ref().filter(|_| !in_month).map_or(String::new(), |name| match lang {
                Language::Id => format!("Untuk {name} belum ada paket yang buka.\n\n"),
                Language::En => format!("There is no open package in {name}.\n\n"),
            });
            let _ = write!(
                text,
                "\n\n{missing}{picked}\n{}",
                found.iter().map(|listed| line(&listed.package, lang, payers, wish.note(&listed.package, lang))).collect::<Vec<_>>().join("\n")
            );
        }
        None => {
            let _ = write!(text, "\n\n{head}\n{}", lines(&shown, payers, lang));
        }
    }
    if answered && !questions.is_empty() {
        // the answer first, then what helps to narrow it down
        let _ = write!(text, "\n\n{}", questions.join(" "));
    } else if opening != Opening::Which && (questions.is_empty() || asked) {
        let _ = write!(text, "\n\n{}", t(lang, "Paket mana yang Bapak/Ibu minati?", "Which one would you like?"));
    }
    text
}

fn unknown_code(written: &str, catalog: &Catalog, today: NaiveDate, lang: Language) -> String {
    let sorry = match lang {
        Language::Id => format!("Assalamualaikum! Terima kasih sudah menghubungi kami. Kode {written} belum ada di daftar paket kami."),
        Language::En => format!("Assalamualaikum! Thank you for contacting us. The code {written} is not in our list of packages."),
    };
    let open: Vec<&Listed> = catalog.open(today).take(LISTED).collect();
    if open.is_empty() {
        return format!("{sorry}\n\n{}", t(lang, "Tim kami akan segera membantu Bapak/Ibu.", "Our team will help you shortly."));
    }
    format!(
        "{sorry}\n\n{}\n{}\n\n{}",
        t(lang, "Berikut paket yang masih bisa dipesan:", "These packages are open:"),
        lines(&open, None, lang),
        t(lang, "Paket mana yang Bapak/Ibu maksud?", "Which one do you mean?")
    )
}
