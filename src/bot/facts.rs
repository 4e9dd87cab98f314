//! What may be said in one turn: the packages, the questions found and what the agency says of itself, as words for the
//! model and as figures for the guard. Both are made from the same lines, so the model is never shown a fact the guard
//! does not know.

use super::TurnContext;
use super::figures::{self, Figure};
use crate::chat::faq::Hit;
use crate::kernel::language::Language;
use crate::kernel::{date, rupiah};
use crate::travel::catalog::Catalog;
use crate::travel::package::{Availability, Package, PackageMedia};
use chrono::{Datelike, NaiveDate};
use std::collections::BTreeSet;

/// The facts of a turn.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Packages that may be spoken of.
    pub packages: Vec<PackageFacts>,
    /// Figures that belong to no package: answers to questions, the agency, what the customer has said of his own party.
    pub common: BTreeSet<Figure>,
    /// Everything above as the model reads it.
    pub text: String,
}

/// One package.
#[derive(Clone, Debug)]
pub struct PackageFacts {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Its figures.
    pub figures: BTreeSet<Figure>,
    /// It can be booked.
    pub open: bool,
    /// Everything known of it, in lower case.
    pub words: String,
    /// Figures that mean one thing only: what for, and which.
    pub roles: Vec<(Role, Figure)>,
}

/// What a figure is said of, told by a word beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A room for two.
    Double,
    /// A room for three.
    Triple,
    /// A baby.
    Infant,
    /// Down payment.
    Dp,
    /// To the Masjidil Haram.
    Makkah,
    /// To the Masjid Nabawi.
    Madinah,
    /// The day it leaves.
    Departure,
    /// The day by which all is paid.
    Payoff,
    /// The day they come home: nothing we know.
    Return,
    /// A grown-up's price.
    Adult,
    /// For the whole party.
    Total,
}

/// Packages listed in short beside the one the chat is about.
const LISTED: usize = 12;

/// What facts are made from. Kept with a proposal in the queue, so that it can be checked again against the packages of
/// that moment.
pub struct Ground<'g> {
    /// Packages as they are now.
    pub catalog: &'g Catalog,
    /// Calendar day for the agency.
    pub today: NaiveDate,
    /// Travellers, when known.
    pub party: Option<i64>,
    /// Month wanted, when known: `YYYY-MM`.
    pub month: Option<&'g str>,
    /// Facts that belong to no package: questions found with their answers, the agency's own data.
    pub lines: Vec<String>,
}

impl<'g> Ground<'g> {
    /// Of a turn and the questions found in it.
    pub fn of(context: &'g TurnContext, party: Option<i64>, month: Option<&'g str>, hits: &[Hit]) -> Self {
        let mut lines: Vec<String> = Vec::new();
        for hit in hits {
            let english = hit.faq.answer_en.as_deref().filter(|_| context.default_language == Language::En).map_or(String::new(), |text| format!(" / {text}"));
            lines.push(format!("TANYA-JAWAB: {} -> {}{english}", hit.faq.question, context.with_agency(&hit.faq.answer)));
        }
        let own = [
            ("Biro", &context.agency),
            ("Nomor izin PPIU", &context.licence),
            ("Alamat kantor", &context.address),
            ("WhatsApp biro", &context.phone),
            ("Situs biro", &context.website),
        ];
        lines.extend(own.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}: {value}")));
        Self { catalog: &context.catalog, today: context.today, party, month, lines }
    }
}

impl Facts {
    /// The facts on this ground: packages `about` in full, other open ones in short, and the lines.
    pub fn of(ground: &Ground<'_>, about: &[&str]) -> Self {
        let mut facts = Self::default();
        let mut lines = vec![format!("Hari ini {}.", date::long(ground.today, Language::Id))];
        for code in about {
            let Some(listed) = ground.catalog.find(code) else { continue };
            let sheet = sheet(&listed.package, ground.today) + &files(&listed.media);
            facts.add(&listed.package, &sheet, ground);
            lines.push(format!("PAKET (lengkap)\n{sheet}"));
        }
        for listed in ground.catalog.open(ground.today).filter(|listed| !about.contains(&listed.package.code.as_str())).take(LISTED) {
            let line = brief(&listed.package);
            facts.add(&listed.package, &line, ground);
            lines.push(format!("PAKET LAIN: {line}"));
        }
        for line in &ground.lines {
            facts.common.extend(figures::set(line));
            lines.push(line.clone());
        }
        if let Some(party) = ground.party {
            facts.common.insert(Figure::Count(party * 100, "orang".into()));
            lines.push(format!("Pelanggan: {party} orang."));
        }
        if let Some((year, month)) = ground.month.and_then(year_and_month) {
            facts.common.extend([Figure::Month(year, month), Figure::AnyMonth(month), Figure::Year(i64::from(year))]);
            lines.push(format!("Pelanggan ingin bulan {} {year}.", date::month_name(month, Language::Id)));
        }
        facts.text = lines.join("\n\n");
        facts
    }

    fn add(&mut self, package: &Package, sheet: &str, ground: &Ground<'_>) {
        let mut figures = figures::set(sheet);
        if let Some(party) = ground.party.filter(|party| (2..=100).contains(party)) {
            // the sum for the whole party is arithmetic, not invention
            figures.insert(Figure::Rupiah(package.price_idr * party));
        }
        let open = package.availability(ground.today) == Availability::Open;
        let rupiah = [(Role::Double, package.price_double_idr), (Role::Triple, package.price_triple_idr), (Role::Infant, package.price_infant_idr), (Role::Dp, package.dp_idr)];
        let metres = [(Role::Makkah, package.hotel_makkah_m), (Role::Madinah, package.hotel_madinah_m)];
        let days = [(Role::Departure, Some(package.departs.as_str())), (Role::Payoff, package.payoff_by.as_deref())];
        let mut roles: Vec<(Role, Figure)> = rupiah.into_iter().filter_map(|(role, idr)| Some((role, Figure::Rupiah(idr?)))).collect();
        roles.extend(metres.into_iter().filter_map(|(role, metres)| Some((role, Figure::Metres(metres?)))));
        roles.extend(days.into_iter().filter_map(|(role, day)| Some((role, Figure::Day(day?.parse().ok()?)))));
        roles.extend([Some(package.price_idr), package.price_triple_idr, package.price_double_idr].into_iter().flatten().map(|idr| (Role::Adult, Figure::Rupiah(idr))));
        roles.extend(ground.party.map(|party| (Role::Total, Figure::Rupiah(package.price_idr * party.clamp(1, 100)))));
        self.packages.push(PackageFacts { code: package.code.clone(), name: package.name.clone(), figures, open, roles, words: sheet.to_lowercase() });
    }
}

/// `YYYY-MM`.
fn year_and_month(text: &str) -> Option<(i32, u32)> {
    let (year, month) = text.split_once('-')?;
    Some((year.parse().ok()?, month.parse().ok()?))
}

fn day(text: &str) -> String {
    date::day(text).map_or_else(|| text.to_owned(), |day| date::long(day, Language::Id))
}

fn brief(package: &Package) -> String {
    let seats = package.seats_left().map_or(String::new(), |left| format!(", sisa {left} kursi"));
    format!("{} (kode {}), berangkat {}, {} hari, mulai {}{seats}", package.name, package.code, day(&package.departs), package.days, rupiah::full(package.price_idr))
}

/// The files a package has, so that the model promises no other. Which are sent, and when, is the rules' business.
fn files(media: &[PackageMedia]) -> String {
    let kind = |kind: &str| match kind {
        "image" => "gambar",
        "brochure" => "brosur PDF",
        "itinerary" => "program PDF",
        "location" => "lokasi",
        _ => "video",
    };
    let named: Vec<String> = media.iter().map(|file| format!("{} ({})", file.title, kind(&file.kind))).collect();
    format!("\nBerkas yang ada: {}", if named.is_empty() { "belum ada".to_owned() } else { named.join("; ") })
}

/// The day of the week, in both languages.
fn weekday(day: NaiveDate) -> String {
    let names = ["Senin (Monday)", "Selasa (Tuesday)", "Rabu (Wednesday)", "Kamis (Thursday)", "Jumat (Friday)", "Sabtu (Saturday)", "Ahad (Sunday)"];
    names[day.weekday().num_days_from_monday() as usize].to_owned()
}

/// Everything the catalogue knows of a package, a line per fact.
pub fn sheet(package: &Package, today: NaiveDate) -> String {
    let state = match package.availability(today) {
        Availability::Open => "masih bisa dipesan",
        Availability::Full => "sudah penuh",
        Availability::Closed => "tidak dijual",
        Availability::Departed => "sudah berangkat",
    };
    let mut lines = vec![brief(package), format!("Keadaan: {state}")];
    let mut put = |name: &str, value: Option<String>| lines.extend(value.map(|value| format!("{name}: {value}")));
    put("Hari berangkat", package.departure().map(weekday));
    put("Harga triple", package.price_triple_idr.map(rupiah::full));
    put("Harga double", package.price_double_idr.map(rupiah::full));
    put("Harga bayi", package.price_infant_idr.map(rupiah::full));
    put("DP", package.dp_idr.map(rupiah::full));
    put("Pelunasan paling lambat", package.payoff_by.as_deref().map(day));
    put("Hotel Makkah", package.hotel_makkah.clone());
    put("Jarak hotel Makkah ke Masjidil Haram", package.hotel_makkah_m.map(|m| format!("{m} m")));
    put("Hotel Madinah", package.hotel_madinah.clone());
    put("Jarak hotel Madinah ke Masjid Nabawi", package.hotel_madinah_m.map(|m| format!("{m} m")));
    put("Maskapai", package.airline.clone());
    put("Kota keberangkatan", package.departure_city.clone());
    let list = |items: &[String]| (!items.is_empty()).then(|| items.join("; "));
    put("Keunggulan", list(&package.features));
    put("Termasuk", list(&package.includes));
    put("Tidak termasuk", list(&package.excludes));
    put("Ketentuan pembayaran", package.payment_terms.clone());
    let days: Vec<String> = package.itinerary.iter().map(|day| format!("Hari {}: {}", day.day, day.text)).collect();
    put("Perjalanan", list(&days));
    lines.join("\n")
}
