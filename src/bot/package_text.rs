//! What is said of one package, from its row: the card, details by topic, the whole bundle, what paying needs, and why it
//! cannot be booked.

use super::fixed::{Fixed, fixed};
use super::reply::{Particular, Term, Topic, day, lines, t};
use crate::kernel::date;
use crate::kernel::language::Language;
use crate::kernel::rupiah;
use crate::travel::catalog::Catalog;
use crate::travel::package::{Availability, Package};
use chrono::NaiveDate;
use std::fmt::Write;

/// Words of the card that may be others than the built-in ones.
#[derive(Clone, Copy, Default)]
pub struct Words<'a> {
    /// Greeting.
    pub hello: Option<&'a str>,
    /// Closing question.
    pub closing: Option<&'a str>,
}

/// The greeting that names the package.
pub fn hello(package: &Package, lang: Language, words: Option<&str>) -> String {
    if let Some(words) = words {
        return super::wording::fill(words, package);
    }
    match lang {
        Language::Id => format!("Assalamualaikum! Terima kasih telah tertarik dengan *{}* ({}) kami 🕋", package.name, package.code),
        Language::En => format!("Assalamualaikum! Thank you for your interest in our *{}* ({}) 🕋", package.name, package.code),
    }
}

/// Price, departure, length and the closing question; or why it cannot be booked.
pub fn card(package: &Package, catalog: &Catalog, today: NaiveDate, greet: bool, lang: Language, words: Words<'_>) -> String {
    match package.availability(today) {
        Availability::Open => {
            let mut text = if greet { hello(package, lang, words.hello) + "\n\n" } else { String::new() };
            let price = rupiah::full(package.price_idr);
            let departs = day(&package.departs, lang);
            let _ = match lang {
                Language::Id => write!(text, "Harga: *{price}*\nKeberangkatan: *{departs}*\nDurasi: *{} hari*\n", package.days),
                Language::En => write!(text, "Price: *{price}*\nDeparture: *{departs}*\nDuration: *{} days*\n", package.days),
            }; // writing into a String cannot fail
            if let Some(left) = package.seats_left().filter(|left| *left <= 10) {
                let _ = match lang {
                    Language::Id => writeln!(text, "Sisa kursi: {left}"),
                    Language::En => writeln!(text, "Seats left: {left}"),
                };
            }
            text.push('\n');
            text.push_str(words.closing.unwrap_or(t(lang, "Apakah Bapak/Ibu ingin mengetahui detail fasilitasnya?", "Would you like to know the details of the facilities?")));
            text
        }
        other => not_open(package, other, catalog, today, greet, lang),
    }
}

fn not_open(package: &Package, why: Availability, catalog: &Catalog, today: NaiveDate, greet: bool, lang: Language) -> String {
    let departs = day(&package.departs, lang);
    let (name, code) = (&package.name, &package.code);
    let salam = match (greet, lang) {
        (false, _) => "",
        (true, Language::Id) => "Assalamualaikum! Terima kasih sudah menghubungi kami. ",
        (true, Language::En) => "Assalamualaikum! Thank you for contacting us. ",
    };
    let sorry = match (why, lang) {
        (Availability::Departed, Language::Id) => format!("{salam}*{name}* ({code}) sudah berangkat pada {departs}."),
        (Availability::Departed, Language::En) => format!("{salam}*{name}* ({code}) already departed on {departs}."),
        (Availability::Full, Language::Id) => format!("{salam}Mohon maaf, kursi *{name}* ({code}) keberangkatan {departs} sudah penuh."),
        (Availability::Full, Language::En) => format!("{salam}We are sorry, *{name}* ({code}) departing {departs} is fully booked."),
        (_, Language::Id) => format!("{salam}Mohon maaf, *{name}* ({code}) sedang tidak dijual."),
        (_, Language::En) => format!("{salam}We are sorry, *{name}* ({code}) is not on sale at the moment."),
    };
    let wanted = package.departure().filter(|day| *day > today).unwrap_or(today);
    let near = catalog.nearest(wanted, today, 3);
    if near.is_empty() {
        return format!(
            "{sorry}\n\n{}",
            t(
                lang,
                "Jadwal berikutnya sedang kami siapkan. Tim kami akan mengabari Bapak/Ibu begitu dibuka.",
                "The next dates are being prepared. Our team will let you know as soon as they open."
            )
        );
    }
    format!(
        "{sorry}\n\n{}\n{}\n\n{}",
        t(lang, "Jadwal terdekat yang masih bisa dipesan:", "The nearest dates that are still open:"),
        lines(&near, None, lang),
        t(lang, "Paket mana yang Bapak/Ibu minati?", "Which one would you like?")
    )
}

/// The day they come back, counted from the departure: the first day is the day of leaving.
fn back(package: &Package, lang: Language) -> String {
    let last = package.departure().zip(package.days.checked_sub(1).and_then(|days| u64::try_from(days).ok())).and_then(|(day, more)| day.checked_add_days(chrono::Days::new(more)));
    last.map_or(String::new(), |day| format!(", {} {}", t(lang, "hari terakhir", "last day"), date::long(day, lang)))
}

/// What is known about one topic.
pub fn answer(package: &Package, topic: Topic, party: Option<i64>, catalog: &Catalog, today: NaiveDate, lang: Language) -> String {
    let availability = package.availability(today);
    if matches!(availability, Availability::Departed | Availability::Closed) {
        return not_open(package, availability, catalog, today, false, lang);
    }
    let mut text = String::new();
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let hotels = stay(package, lang);
    add(format!("*{}* ({})", package.name, package.code));
    match topic {
        Topic::Hotel => hotels.into_iter().for_each(&mut add),
        Topic::Facilities => {
            hotels.into_iter().for_each(&mut add);
            for feature in &package.features {
                add(format!("• {feature}"));
            }
            if !package.includes.is_empty() {
                add(format!("\n{}\n{}", t(lang, "Sudah termasuk:", "Included:"), bullets(&package.includes)));
            }
            if !package.excludes.is_empty() {
                add(format!("\n{}\n{}", t(lang, "Belum termasuk:", "Not included:"), bullets(&package.excludes)));
            }
        }
        Topic::Itinerary => {
            for day in &package.itinerary {
                add(format!("{} {}: {}", t(lang, "Hari", "Day"), day.day, day.text));
            }
        }
        Topic::Price => {
            let rooms = [
                (Some(package.price_idr), t(lang, "Mulai", "From")),
                (package.price_triple_idr, "Triple"),
                (package.price_double_idr, "Double"),
                (package.price_infant_idr, t(lang, "Bayi", "Infant")),
            ];
            let infants = rooms.len() - 1; // their price is not the party's
            for (at, (price, room)) in rooms.into_iter().enumerate() {
                if let Some(price) = price {
                    let all = party.filter(|party| *party > 1 && at != infants).map(|party| match lang {
                        Language::Id => format!(" · {party} orang {}", rupiah::full(price * party)),
                        Language::En => format!(" · {party} people {}", rupiah::full(price * party)),
                    });
                    add(format!("{room}: *{}*{}", rupiah::full(price), all.unwrap_or_default()));
                }
            }
            if let Some(dp) = package.dp_idr {
                add(format!("DP: {}", rupiah::full(dp)));
            }
        }
        Topic::Schedule => {
            add(match lang {
                Language::Id => format!("Berangkat *{}*, {} hari{}.", day(&package.departs, lang), package.days, back(package, lang)),
                Language::En => format!("Departs *{}*, {} days{}.", day(&package.departs, lang), package.days, back(package, lang)),
            });
            if let Some(payoff) = &package.payoff_by {
                add(format!("{} {}.", t(lang, "Pelunasan paling lambat", "To be paid in full by"), day(payoff, lang)));
            }
        }
        Topic::Quota => add(match (availability, package.seats_left(), lang) {
            (Availability::Full, _, Language::Id) => "Mohon maaf, kursinya sudah penuh.".into(),
            (Availability::Full, _, Language::En) => "We are sorry, it is fully booked.".into(),
            (_, Some(left), Language::Id) if party.is_some_and(|party| party > left) => format!("Tinggal {left} kursi, belum cukup untuk {} orang.", party.unwrap_or(0)),
            (_, Some(left), Language::En) if party.is_some_and(|party| party > left) => format!("Only {left} seats are left, not enough for {}.", party.unwrap_or(0)),
            (_, Some(left), Language::Id) => format!("Masih ada {left} kursi."),
            (_, Some(left), Language::En) => format!("{left} seats are still available."),
            (_, None, Language::Id) => "Masih bisa dipesan.".into(),
            (_, None, Language::En) => "It is still open.".into(),
        }),
    }
    text.truncate(text.trim_end().len());
    text
}

/// What the row tells of some particulars; `None`: nothing.
pub fn particulars(package: &Package, of: &[Particular], lang: Language) -> Option<String> {
    let airline = package.airline.iter().filter(|_| of.contains(&Particular::Flight)).map(|airline| format!("{}: {airline}", t(lang, "Maskapai", "Airline")));
    let listed = |items: &[String], label: &str| {
        items.iter().filter(|item| of.iter().any(|of| of.is_in(item))).map(|item| if label.is_empty() { item.clone() } else { format!("{label}: {item}") }).collect::<Vec<_>>()
    };
    let included: Vec<String> = package.includes.iter().filter(|item| !package.features.contains(item)).cloned().collect(); // said once
    let rest = [listed(&package.features, ""), listed(&included, t(lang, "Sudah termasuk", "Included")), listed(&package.excludes, t(lang, "Belum termasuk", "Not included"))];
    let lines: Vec<String> = airline.chain(rest.into_iter().flatten()).collect();
    (!lines.is_empty()).then(|| format!("*{}* ({})\n{}", package.name, package.code, bullets(&lines)))
}

/// The answer to a question about one topic, and what to ask next.
pub fn details(package: &Package, topic: Topic, party: Option<i64>, catalog: &Catalog, today: NaiveDate, lang: Language) -> String {
    let known = answer(package, topic, party, catalog, today, lang);
    if matches!(package.availability(today), Availability::Departed | Availability::Closed) {
        return known;
    }
    let ask = match topic {
        Topic::Price | Topic::Quota if party.is_none() => t(lang, "Rencananya untuk berapa orang, Bapak/Ibu?", "How many people will travel?"),
        _ => t(lang, "Ada lagi yang ingin Bapak/Ibu tanyakan tentang paket ini?", "Is there anything else you would like to know about it?"),
    };
    format!("{known}\n\n{ask}")
}

/// Packages beside each other, and by how much their prices differ.
pub fn compare(packages: &[&Package], party: Option<i64>, catalog: &Catalog, today: NaiveDate, lang: Language) -> String {
    let mut parts: Vec<String> = packages
        .iter()
        .map(|package| {
            if package.availability(today) != Availability::Open {
                return format!("*{}* ({})\n{}", package.name, package.code, unavailable(package.availability(today), lang));
            }
            let mut lines = vec![
                format!("*{}* ({})", package.name, package.code),
                format!("{} · {} {} · {} *{}*", day(&package.departs, lang), package.days, t(lang, "hari", "days"), t(lang, "mulai", "from"), rupiah::full(package.price_idr)),
            ];
            if let Some(party) = party.filter(|party| *party > 1) {
                lines.push(match lang {
                    Language::Id => format!("{party} orang mulai {}", rupiah::full(package.price_idr * party)),
                    Language::En => format!("{party} people from {}", rupiah::full(package.price_idr * party)),
                });
            }
            lines.extend(stay(package, lang));
            lines.extend(package.features.iter().map(|feature| format!("• {feature}")));
            lines.join("\n")
        })
        .collect();
    if let [one, other] = packages
        && one.price_idr != other.price_idr
    {
        let apart = rupiah::full((one.price_idr - other.price_idr).abs());
        parts.push(match lang {
            Language::Id => format!("Selisih harganya {apart} per orang."),
            Language::En => format!("The prices are {apart} apart per person."),
        });
    }
    let open = packages.iter().any(|package| package.availability(today) == Availability::Open);
    if !open {
        parts.push(lines(&catalog.open(today).take(packages.len()).collect::<Vec<_>>(), party, lang));
    }
    parts.push(t(lang, "Paket mana yang lebih cocok untuk Bapak/Ibu?", "Which one suits you better?").to_owned());
    parts.join("\n\n")
}

fn unavailable(why: Availability, lang: Language) -> &'static str {
    match why {
        Availability::Departed => t(lang, "Sudah berangkat.", "Already departed."),
        Availability::Full => t(lang, "Kursinya sudah penuh.", "Fully booked."),
        _ => t(lang, "Sedang tidak dijual.", "Not on sale at the moment."),
    }
}

/// What is known about paying for a package, without any account number: that comes from a person. `early`: who asks does not
/// want to pay yet, and is promised nobody.
pub fn payment(package: &Package, party: Option<i64>, early: bool, today: NaiveDate, lang: Language) -> String {
    let mut lines = vec![match lang {
        Language::Id => format!("Pembayaran *{}* ({}):", package.name, package.code),
        Language::En => format!("Paying for *{}* ({}):", package.name, package.code),
    }];
    lines.extend(terms(package, party, today, lang).into_iter().map(|(_, line)| format!("• {line}")));
    lines.push(String::new());
    lines.push(fixed(if early { Fixed::NothingDue } else { Fixed::Account }, lang).to_owned());
    lines.join("\n")
}

/// Some of the terms, for who has heard them all; `None` where the package tells none of them.
pub fn payment_terms(package: &Package, wanted: &[Term], party: Option<i64>, today: NaiveDate, lang: Language) -> Option<String> {
    let said: Vec<String> = terms(package, party, today, lang).into_iter().filter(|(term, _)| wanted.contains(term)).map(|(_, line)| line).collect();
    (!said.is_empty()).then(|| format!("{}\n\n{}", said.join("\n"), fixed(Fixed::PaymentAgain, lang)))
}

fn bullets(items: &[String]) -> String {
    items.iter().map(|item| format!("• {item}")).collect::<Vec<_>>().join("\n")
}

/// Everything somebody who is interested gets once: programme, hotels, what is in and out, how to pay.
pub fn bundle(package: &Package, party: Option<i64>, catalog: &Catalog, today: NaiveDate, lang: Language) -> String {
    let availability = package.availability(today);
    if availability != Availability::Open {
        return not_open(package, availability, catalog, today, false, lang);
    }
    let mut parts = vec![format!("*{}* ({})", package.name, package.code)];
    let mut put = |title: &str, body: String| {
        if !body.is_empty() {
            parts.push(format!("*{title}*\n{body}"));
        }
    };
    let programme: Vec<String> = package.itinerary.iter().map(|day| format!("{} {}: {}", t(lang, "Hari", "Day"), day.day, day.text)).collect();
    put(t(lang, "Perjalanan", "Programme"), programme.join("\n"));
    put(t(lang, "Hotel & penerbangan", "Hotels & flight"), stay(package, lang).join("\n"));
    put(t(lang, "Keunggulan", "Highlights"), bullets(&package.features));
    put(t(lang, "Sudah termasuk", "Included"), bullets(&package.includes));
    put(t(lang, "Belum termasuk", "Not included"), bullets(&package.excludes));
    put(t(lang, "Pembayaran", "Payment"), terms(package, party, today, lang).into_iter().map(|(_, line)| line).collect::<Vec<_>>().join("\n"));
    parts.push(
        if party.is_none() {
            t(lang, "Rencananya untuk berapa orang, Bapak/Ibu?", "How many people will travel?")
        } else {
            t(lang, "Ada lagi yang ingin Bapak/Ibu tanyakan tentang paket ini?", "Is there anything else you would like to know about it?")
        }
        .to_owned(),
    );
    parts.join("\n\n")
}

/// Hotels with their distances, and the airline.
fn stay(package: &Package, lang: Language) -> Vec<String> {
    let hotel = |name: &Option<String>, metres: Option<i64>, place: &str| {
        let distance = metres.map(|m| match lang {
            Language::Id => format!("{m} m dari {place}"),
            Language::En => format!("{m} m from {place}"),
        });
        match (name, distance) {
            (Some(name), Some(distance)) => Some(format!("{name}, {distance}")),
            (name, distance) => name.clone().or(distance),
        }
    };
    let makkah = hotel(&package.hotel_makkah, package.hotel_makkah_m, "Masjidil Haram");
    let madinah = hotel(&package.hotel_madinah, package.hotel_madinah_m, "Masjid Nabawi");
    let labelled =
        [(t(lang, "Hotel Makkah", "Makkah hotel"), makkah), (t(lang, "Hotel Madinah", "Madinah hotel"), madinah), (t(lang, "Maskapai", "Airline"), package.airline.clone())];
    labelled.into_iter().filter_map(|(label, value)| value.map(|value| format!("{label}: {value}"))).collect()
}

/// What is known about paying, a line each; for how many, where that is known.
fn terms(package: &Package, party: Option<i64>, today: NaiveDate, lang: Language) -> Vec<(Term, String)> {
    let all = |each: i64| match (party.filter(|party| *party > 1), lang) {
        (Some(party), Language::Id) => format!(" ({party} orang {})", rupiah::full(each * party)),
        (Some(party), Language::En) => format!(" ({party} people {})", rupiah::full(each * party)),
        (None, _) => String::new(),
    };
    let price = format!("{}: *{}*{}", t(lang, "Harga per orang mulai", "Price per person from"), rupiah::full(package.price_idr), all(package.price_idr));
    let mut lines = vec![(Term::Price, price)];
    lines.extend(package.dp_idr.map(|dp| (Term::DownPayment, format!("{}: *{}*{}", t(lang, "DP per orang", "Down payment per person"), rupiah::full(dp), all(dp)))));
    if let Some(payoff) = &package.payoff_by {
        let passed = date::day(payoff).is_some_and(|day| day < today);
        let note = if passed { t(lang, " (sudah lewat; tim kami memastikan apakah masih bisa)", " (has passed; our team will tell whether it is still possible)") } else { "" };
        lines.push((Term::Deadline, format!("{}: *{}*{note}", t(lang, "Pelunasan paling lambat", "To be paid in full by"), day(payoff, lang))));
    }
    lines.extend(package.payment_terms.iter().map(|terms| (Term::Ways, terms.clone())));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_particular_is_told_from_the_row() {
        let row = json!({"code": "UMR_JAN_2027_HEMAT", "name": "Januari", "price_idr": 25_900_000, "departs": "2027-01-14", "days": 10, "airline": "Rimal Airways",
            "features": ["Makan 3 kali sehari"], "includes": ["Makan 3 kali sehari", "Visa umroh dan asuransi perjalanan"], "excludes": ["Kelebihan bagasi", "Vaksin meningitis"]});
        let package = Package::from_json(None, &row).unwrap();
        for (asked, told) in [
            ("transit ga kak", Some("• Maskapai: Rimal Airways")),
            ("visanya udah termasuk?", Some("• Sudah termasuk: Visa umroh dan asuransi perjalanan")),
            ("makannya gimana", Some("• Makan 3 kali sehari")),
            ("bagasi berapa kilo", Some("• Belum termasuk: Kelebihan bagasi")),
            ("visa dan vaksin termasuk?", Some("• Sudah termasuk: Visa umroh dan asuransi perjalanan\n• Belum termasuk: Vaksin meningitis")),
            ("di pesawat dapat makan ga", Some("• Makan 3 kali sehari")),
            ("menurut kakak gimana", None),
            ("naik kereta cepat?", None),
            ("hotelnya dekat?", None),
        ] {
            let text = particulars(&package, &Particular::asked(asked), Language::Id);
            assert_eq!(text.map(|text| text.lines().skip(1).collect::<Vec<_>>().join("\n")).as_deref(), told, "{asked}");
        }
    }
}
