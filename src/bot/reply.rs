//! The bot's words, in Indonesian and English, made from package rows. A text that quotes a package carries its
//! recipe ([`Recipe`]), so that the queue makes it again from live data at the moment of sending.

use crate::kernel::language::Language;
use crate::kernel::{date, rupiah};
use crate::travel::catalog::{Catalog, Listed};
use crate::travel::package::{Availability, Package};
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// How to make a text from live data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", rename_all = "snake_case")]
pub enum Recipe {
    /// Price, departure, length and the closing question; with `greet`, the greeting in front of it.
    Card { code: String, greet: bool, lang: Language },
    /// The greeting alone, before the picture.
    Hello { code: String, lang: Language },
    /// Hotels, facilities, what is in and out.
    Details { code: String, topic: Topic, party: Option<i64>, lang: Language },
    /// Open packages, of a month if one was named, and what is still to be asked.
    Offer { opening: Opening, month: Option<String>, party: Option<i64>, asked: bool, lang: Language, agency: String },
    /// Down payment and the day by which all is paid, then that a person takes it from here.
    Payment { code: String, lang: Language },
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

/// How an offer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    /// First words in this chat.
    Welcome,
    /// The customer has told month or party size.
    Noted,
}

fn t<'a>(lang: Language, id: &'a str, en: &'a str) -> &'a str {
    if lang == Language::En { en } else { id }
}

fn day(text: &str, lang: Language) -> String {
    text.parse::<NaiveDate>().map_or_else(|_| text.to_owned(), |day| date::long(day, lang))
}

/// One line of a list: name, date, price, code.
fn line(package: &Package, lang: Language) -> String {
    let left = package.seats_left().filter(|left| (1..=10).contains(left));
    let seats = left.map_or(String::new(), |left| match lang {
        Language::Id => format!(" · sisa {left} kursi"),
        Language::En => format!(" · {left} seats left"),
    });
    format!(
        "• *{}*\n  {} · {} {} · {}{}{}\n  {}: {}",
        package.name,
        day(&package.departs, lang),
        package.days,
        t(lang, "hari", "days"),
        t(lang, "mulai ", "from "),
        rupiah::full(package.price_idr),
        seats,
        t(lang, "kode", "code"),
        package.code
    )
}

fn lines(packages: &[&Listed], lang: Language) -> String {
    packages.iter().map(|listed| line(&listed.package, lang)).collect::<Vec<_>>().join("\n")
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
            Self::Card { code, greet, lang } => Some(card(&catalog.find(code)?.package, catalog, today, *greet, *lang)),
            Self::Hello { code, lang } => Some(hello(&catalog.find(code)?.package, *lang)),
            Self::Details { code, topic, party, lang } => Some(details(&catalog.find(code)?.package, *topic, *party, catalog, today, *lang)),
            Self::Offer { opening, month, party, asked, lang, agency } => Some(offer(*opening, month.as_deref(), *party, *asked, catalog, today, *lang, agency)),
            Self::Payment { code, lang } => Some(payment(&catalog.find(code)?.package, *lang)),
            Self::UnknownCode { written, lang } => Some(unknown_code(written, catalog, today, *lang)),
        }
    }
}

fn hello(package: &Package, lang: Language) -> String {
    match lang {
        Language::Id => format!("Assalamualaikum! Terima kasih telah tertarik dengan *{}* ({}) kami 🕋", package.name, package.code),
        Language::En => format!("Assalamualaikum! Thank you for your interest in our *{}* ({}) 🕋", package.name, package.code),
    }
}

fn card(package: &Package, catalog: &Catalog, today: NaiveDate, greet: bool, lang: Language) -> String {
    match package.availability(today) {
        Availability::Open => {
            let mut text = if greet { hello(package, lang) + "\n\n" } else { String::new() };
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
            text.push_str(t(lang, "Apakah Bapak/Ibu ingin mengetahui detail fasilitasnya?", "Would you like to know the details of the facilities?"));
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
        lines(&near, lang),
        t(lang, "Paket mana yang Bapak/Ibu minati?", "Which one would you like?")
    )
}

fn details(package: &Package, topic: Topic, party: Option<i64>, catalog: &Catalog, today: NaiveDate, lang: Language) -> String {
    let availability = package.availability(today);
    if matches!(availability, Availability::Departed | Availability::Closed) {
        return not_open(package, availability, catalog, today, false, lang);
    }
    let mut text = String::new();
    let mut add = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let hotel = |name: &Option<String>, metres: Option<i64>, place: &str| {
        name.as_ref()
            .map(|name| match (metres, lang) {
                (Some(m), Language::Id) => format!("{name}, {m} m dari {place}"),
                (Some(m), Language::En) => format!("{name}, {m} m from {place}"),
                (None, _) => name.clone(),
            })
            .or_else(|| {
                metres.map(|m| match lang {
                    Language::Id => format!("{m} m dari {place}"),
                    Language::En => format!("{m} m from {place}"),
                })
            })
    };
    let makkah = hotel(&package.hotel_makkah, package.hotel_makkah_m, "Masjidil Haram");
    let madinah = hotel(&package.hotel_madinah, package.hotel_madinah_m, "Masjid Nabawi");
    let hotels: Vec<String> = [(makkah, t(lang, "Hotel Makkah", "Makkah hotel")), (madinah, t(lang, "Hotel Madinah", "Madinah hotel"))]
        .into_iter()
        .filter_map(|(hotel, label)| hotel.map(|hotel| format!("{label}: {hotel}")))
        .collect();
    add(format!("*{}* ({})", package.name, package.code));
    match topic {
        Topic::Hotel => hotels.into_iter().for_each(&mut add),
        Topic::Facilities => {
            hotels.into_iter().for_each(&mut add);
            if let Some(airline) = &package.airline {
                add(format!("{}: {airline}", t(lang, "Maskapai", "Airline")));
            }
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
            for (price, room) in rooms {
                if let Some(price) = price {
                    add(format!("{room}: *{}*", rupiah::full(price)));
                }
            }
            if let Some(dp) = package.dp_idr {
                add(format!("DP: {}", rupiah::full(dp)));
            }
        }
        Topic::Schedule => {
            add(match lang {
                Language::Id => format!("Berangkat *{}*, {} hari.", day(&package.departs, lang), package.days),
                Language::En => format!("Departs *{}*, {} days.", day(&package.departs, lang), package.days),
            });
            if let Some(payoff) = &package.payoff_by {
                add(format!("{} {}.", t(lang, "Pelunasan paling lambat", "To be paid in full by"), day(payoff, lang)));
            }
        }
        Topic::Quota => add(match (availability, package.seats_left(), lang) {
            (Availability::Full, _, Language::Id) => "Mohon maaf, kursinya sudah penuh.".into(),
            (Availability::Full, _, Language::En) => "We are sorry, it is fully booked.".into(),
            (_, Some(left), Language::Id) => format!("Masih ada {left} kursi."),
            (_, Some(left), Language::En) => format!("{left} seats are still available."),
            (_, None, Language::Id) => "Masih bisa dipesan.".into(),
            (_, None, Language::En) => "It is still open.".into(),
        }),
    }
    let ask = match topic {
        Topic::Price | Topic::Quota if party.is_none() => t(lang, "Rencananya untuk berapa orang, Bapak/Ibu?", "How many people will travel?"),
        _ => t(lang, "Ada lagi yang ingin Bapak/Ibu tanyakan tentang paket ini?", "Is there anything else you would like to know about it?"),
    };
    text.push('\n');
    text + ask
}

/// What is known about paying for a package, without any account number: that comes from a person.
fn payment(package: &Package, lang: Language) -> String {
    let mut lines = vec![match lang {
        Language::Id => format!("Pembayaran *{}* ({}):", package.name, package.code),
        Language::En => format!("Paying for *{}* ({}):", package.name, package.code),
    }];
    lines.push(format!("• {}: *{}*", t(lang, "Harga per orang mulai", "Price per person from"), rupiah::full(package.price_idr)));
    if let Some(dp) = package.dp_idr {
        lines.push(format!("• DP: *{}*", rupiah::full(dp)));
    }
    if let Some(payoff) = &package.payoff_by {
        lines.push(format!("• {}: *{}*", t(lang, "Pelunasan paling lambat", "To be paid in full by"), day(payoff, lang)));
    }
    lines.push(String::new());
    lines.push(fixed(Fixed::Account, lang).to_owned());
    lines.join("\n")
}

fn bullets(items: &[String]) -> String {
    items.iter().map(|item| format!("• {item}")).collect::<Vec<_>>().join("\n")
}

#[allow(clippy::too_many_arguments)] // the fields of Recipe::Offer, in their order
fn offer(opening: Opening, month: Option<&str>, party: Option<i64>, asked: bool, catalog: &Catalog, today: NaiveDate, lang: Language, agency: &str) -> String {
    let wanted = month.and_then(|month| format!("{month}-15").parse::<NaiveDate>().ok());
    let named = wanted.map(|day| format!("{} {}", date::month_name(day.month(), lang), day.year()));
    let in_month: Vec<&Listed> = month.map_or(Vec::new(), |month| catalog.open(today).filter(|listed| listed.package.departs.starts_with(month)).collect());
    let mut text = match (opening, lang) {
        (Opening::Welcome, Language::Id) => format!("Assalamualaikum! Selamat datang di {agency} 🕋"),
        (Opening::Welcome, Language::En) => format!("Assalamualaikum! Welcome to {agency} 🕋"),
        (Opening::Noted, Language::Id) => "Baik, Bapak/Ibu.".to_owned(),
        (Opening::Noted, Language::En) => "Noted, thank you.".to_owned(),
    };
    let known: Vec<String> = [
        party.map(|n| if lang == Language::En { format!("{n} people") } else { format!("{n} orang") }),
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
    if !questions.is_empty() && !asked {
        let _ = write!(text, "\n\n{}", t(lang, "Untuk membantu memberikan rekomendasi terbaik:", "To help us give the best recommendation:"));
        for (at, question) in questions.iter().enumerate() {
            if questions.len() == 1 {
                let _ = write!(text, "\n{question}");
            } else {
                let _ = write!(text, "\n{}. {question}", at + 1);
            }
        }
    }
    let (head, shown): (String, Vec<&Listed>) = match (&named, in_month.is_empty()) {
        (Some(name), false) => (format!("{} {name}:", t(lang, "Paket yang masih buka di", "Packages still open in")), in_month),
        (Some(name), true) => {
            let near = catalog.nearest(wanted.unwrap_or(today), today, 3);
            let head = match lang {
                Language::Id => format!("Untuk {name} belum ada paket yang buka. Yang paling dekat:"),
                Language::En => format!("There is no open package in {name}. The nearest ones:"),
            };
            (head, near)
        }
        (None, _) => (t(lang, "Berikut jadwal umroh kami musim ini:", "Our umroh schedule this season:").to_owned(), catalog.open(today).take(LISTED).collect()),
    };
    if shown.is_empty() {
        let _ =
            write!(text, "\n\n{}", t(lang, "Jadwal baru sedang kami siapkan; tim kami akan segera mengabari.", "New dates are being prepared; our team will be in touch soon."));
        return text;
    }
    let _ = write!(text, "\n\n{head}\n{}", lines(&shown, lang));
    if questions.is_empty() || asked {
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
        lines(&open, lang),
        t(lang, "Paket mana yang Bapak/Ibu maksud?", "Which one do you mean?")
    )
}

/// "Did you mean …?"
pub fn did_you_mean(package: &Package, lang: Language) -> String {
    match lang {
        Language::Id => format!("Assalamualaikum! Maksud Bapak/Ibu kode *{}* ({})? Balas *ya* jika benar, atau tuliskan kodenya sekali lagi.", package.code, package.name),
        Language::En => format!("Assalamualaikum! Did you mean the code *{}* ({})? Reply *yes* if so, or write the code once more.", package.code, package.name),
    }
}

/// Texts without any package in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fixed {
    /// Nothing fits: a person will answer.
    General,
    /// A person was asked for.
    Human,
    /// Wants to pay or register.
    Payment,
    /// Is not happy.
    Complaint,
    /// Haggles.
    Negotiate,
    /// Cancels.
    Cancel,
    /// Says to have paid.
    Paid,
    /// Sent a file.
    File,
    /// Sent a voice note.
    Voice,
    /// Said thanks.
    Thanks,
    /// Said STOP.
    Stop,
    /// Which package is meant?
    WhichPackage,
    /// A person sends the account; no other is to be trusted.
    Account,
    /// Noted, nothing to add.
    Noted,
    /// What papers one needs.
    Documents,
}

/// Licence and office, as far as the agency has told them, and how anybody can check.
pub fn company(agency: &str, licence: &str, address: &str, lang: Language) -> String {
    let mut lines = vec![match lang {
        Language::Id => format!("*{agency}* adalah penyelenggara perjalanan umroh."),
        Language::En => format!("*{agency}* organises umrah journeys."),
    }];
    if !licence.is_empty() {
        lines.push(format!("{}: {licence}", t(lang, "Nomor izin PPIU", "PPIU licence number")));
    }
    if !address.is_empty() {
        lines.push(format!("{}: {address}", t(lang, "Kantor", "Office")));
    }
    lines.push(
        t(
            lang,
            "Izin setiap travel umroh bisa dicek sendiri di situs dan aplikasi resmi Kementerian Agama. Kalau Bapak/Ibu ingin melihat dokumen kami atau datang ke kantor, silakan sampaikan di chat ini.",
            "Every umrah agency's licence can be checked on the official site and app of the Indonesian Ministry of Religious Affairs. If you would like to see our papers or visit us, just say so in this chat.",
        )
        .to_owned(),
    );
    lines.join("\n")
}

/// A text without any package in it.
pub fn fixed(which: Fixed, lang: Language) -> &'static str {
    match which {
        Fixed::General => t(
            lang,
            "Terima kasih atas pertanyaannya, Bapak/Ibu. Supaya jawabannya tepat, kami teruskan ke tim kami dan akan dijawab di chat ini sesegera mungkin.",
            "Thank you for your question. To be sure of the right answer we have passed it on to our team; they will reply in this chat as soon as possible.",
        ),
        Fixed::Human => {
            t(lang, "Baik, Bapak/Ibu. Chat ini kami sambungkan ke tim kami; mohon ditunggu sebentar.", "Of course. We are connecting you with our team; one moment, please.")
        }
        Fixed::Payment => t(
            lang,
            "Alhamdulillah. Untuk pendaftaran dan pembayaran, tim kami akan membantu langsung di chat ini. Demi keamanan, mohon hanya membayar ke rekening yang dikirim oleh tim kami di sini.",
            "Alhamdulillah. For registration and payment our team will help you right here in this chat. For your safety, please pay only to the account our team sends you here.",
        ),
        Fixed::Complaint => t(
            lang,
            "Mohon maaf atas ketidaknyamanannya, Bapak/Ibu. Kami sampaikan sekarang juga ke tim kami agar segera ditangani.",
            "We are sorry for the inconvenience. We are passing this on to our team right now so that they can look into it.",
        ),
        Fixed::Negotiate => t(
            lang,
            "Terima kasih, Bapak/Ibu. Soal harga khusus akan dijawab langsung oleh tim kami di chat ini.",
            "Thank you. Our team will answer about special prices here in this chat.",
        ),
        Fixed::Cancel => t(
            lang,
            "Baik, Bapak/Ibu. Permintaan pembatalan ini kami teruskan ke tim kami dan akan dijawab di chat ini.",
            "Understood. We have passed your cancellation request to our team; they will reply in this chat.",
        ),
        Fixed::Paid => t(
            lang,
            "Terima kasih, Bapak/Ibu. Tim kami akan memeriksa pembayarannya dan mengabari di chat ini.",
            "Thank you. Our team will check the payment and let you know in this chat.",
        ),
        Fixed::File => t(
            lang,
            "Terima kasih, berkasnya sudah kami terima. Tim kami akan memeriksanya dan mengabari Bapak/Ibu di chat ini.",
            "Thank you, we have received your file. Our team will check it and let you know in this chat.",
        ),
        Fixed::Voice => t(
            lang,
            "Terima kasih, pesan suaranya sudah kami terima. Tim kami akan mendengarkan dan menjawab di chat ini.",
            "Thank you, we have received your voice message. Our team will listen to it and reply in this chat.",
        ),
        Fixed::Thanks => t(lang, "Sama-sama, Bapak/Ibu. Semoga dimudahkan niat umrohnya 🤲", "You are most welcome. May your journey be made easy 🤲"),
        Fixed::Stop => t(
            lang,
            "Baik, kami tidak akan mengirim info promo lagi ke nomor ini. Jika suatu saat butuh bantuan, silakan tulis di sini kapan saja.",
            "Understood, we will not send promotions to this number any more. If you need anything, write to us here at any time.",
        ),
        Fixed::Noted => t(
            lang,
            "Baik, Bapak/Ibu, kami catat. Kalau ada yang ingin ditanyakan lagi, silakan tulis di sini.",
            "Noted, thank you. If you have any further questions, just write to us here.",
        ),
        Fixed::Documents => t(
            lang,
            "Untuk umroh biasanya disiapkan:\n• Paspor asli yang masih berlaku minimal 7 bulan saat berangkat\n• KTP dan Kartu Keluarga\n• Pas foto terbaru\n• Buku nikah bagi suami istri, akta lahir bagi anak\n• Kartu vaksin meningitis\n\nSyarat rincinya mengikuti aturan saat keberangkatan; tim kami akan memeriksa berkasnya satu per satu.",
            "For umrah you usually prepare:\n• A passport valid for at least 7 months at departure\n• Identity card and family card\n• A recent photo\n• Marriage book for couples, birth certificate for children\n• Meningitis vaccination card\n\nThe exact requirements follow the rules at the time of departure; our team checks every paper with you.",
        ),
        Fixed::Account => t(
            lang,
            "Tim kami akan mengirim rekening resmi dan membantu pembayarannya di chat ini. Demi keamanan, mohon jangan membayar ke rekening lain.",
            "Our team will send the official account and help with the payment in this chat. For your safety, please do not pay to any other account.",
        ),
        Fixed::WhichPackage => t(lang, "Untuk paket yang mana, Bapak/Ibu?", "Which package do you mean?"),
    }
}
