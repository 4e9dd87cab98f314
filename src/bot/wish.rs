//! What a customer looks for among the packages: a price, a city to leave from, a hotel near the mosque, the soonest. The
//! list they get is picked by it from the rows, and says honestly when nothing fits.

use super::reply::{listed, t};
use super::understand::entities::Entities;
use super::understand::words::{self, Read};
use crate::kernel::language::Language;
use crate::kernel::rupiah;
use crate::travel::catalog::{Catalog, Listed};
use crate::travel::package::Package;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// Packages shown when they are ranked.
const RANKED: usize = 3;
/// Less is no price of a journey but a down payment or a saving.
const LEAST_BUDGET_IDR: i64 = 10_000_000;

/// What is looked for; each part only when it was said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Wish {
    /// Most to pay per person, rupiah.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_idr: Option<i64>,
    /// Less than the package talked about costs, rupiah: "ada yang lebih murah?".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below_idr: Option<i64>,
    /// Days the journey is to last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<i64>,
    /// City to leave from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Which first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// Which package comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Lowest price.
    Cheapest,
    /// Highest price.
    Dearest,
    /// Next departure.
    Soonest,
    /// Hotel in Makkah nearest to Masjidil Haram.
    NearHotel,
    /// Most days.
    Longest,
    /// Fewest days.
    Shortest,
}

impl Wish {
    /// What the words look for. `cheaper_than`: price of the package the chat is about, for "ada yang lebih murah?".
    pub fn of(text: &str, entities: &Entities, party: Option<i64>, cheaper_than: Option<i64>, catalog: &Catalog, today: NaiveDate) -> Self {
        let read = words::read(text);
        let order = order(&read);
        let dearest = catalog.open(today).map(|listed| listed.package.price_idr).max().unwrap_or(i64::MAX);
        let said = entities.budget.filter(|budget| *budget >= LEAST_BUDGET_IDR).map(|budget| match party {
            // more than any seat costs: told for all of them
            Some(party) if party > 1 && budget > dearest.saturating_add(dearest / 4) => budget / party,
            _ => budget,
        });
        let compares = has(&read, &["lebih", "cheaper", "less"]) && order == Some(Order::Cheapest);
        let leaves = has(&read, &["berangkat", "keberangkatan", "start", "depart", "departure", "departing", "embarkasi", "bandara", "terbang", "flight", "langsung", "direct"]);
        Self { budget_idr: said, below_idr: cheaper_than.filter(|_| compares), days: days(&read), city: entities.city.clone().filter(|_| leaves), order }
    }

    /// Nothing in particular is looked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The packages that fit, best first, and the words above them; none when nothing in particular is looked for.
    pub fn pick<'c>(&self, catalog: &'c Catalog, month: Option<&str>, today: NaiveDate, lang: Language) -> Option<(Vec<&'c Listed>, String)> {
        if self.is_empty() {
            return None;
        }
        let in_month = month.filter(|month| catalog.open(today).any(|listed| listed.package.departs.starts_with(month)));
        let mut found: Vec<&Listed> = match in_month {
            Some(month) => catalog.open(today).filter(|listed| listed.package.departs.starts_with(month)).collect(),
            None if month.is_some() => listed(catalog, month, today),
            None => catalog.open(today).collect(),
        };
        // what is said above the list, and whether it says that nothing fits
        let mut heads: Vec<(bool, String)> = Vec::new();
        if let Some(city) = &self.city {
            let leaves = |listed: &&Listed| listed.package.departure_city.as_ref().is_some_and(|from| from.to_lowercase().contains(&city.to_lowercase()));
            if found.iter().any(leaves) {
                found.retain(leaves);
                heads.push((false, t(lang, &format!("Paket yang berangkat dari {city}:"), &format!("Packages departing from {city}:")).to_owned()));
            } else {
                heads.push((
                    true,
                    t(
                        lang,
                        &format!("Belum ada jadwal yang tercatat berangkat dari {city}. Yang ada:"),
                        &format!("We have no departure from {city} on our schedule yet. What there is:"),
                    )
                    .to_owned(),
                ));
            }
        }
        if let Some(budget) = self.budget_idr {
            let most = rupiah::full(budget);
            let within = |listed: &&Listed| listed.package.price_idr <= budget;
            if found.iter().any(within) {
                found.retain(within);
                heads.push((false, t(lang, &format!("Paket sampai {most} per orang:"), &format!("Packages up to {most} per person:")).to_owned()));
            } else {
                found.sort_by_key(|listed| listed.package.price_idr);
                found.truncate(RANKED);
                heads.push((
                    true,
                    t(
                        lang,
                        &format!("Belum ada paket sampai {most} per orang. Yang paling mendekati:"),
                        &format!("There is no package up to {most} per person. The nearest ones:"),
                    )
                    .to_owned(),
                ));
            }
        }
        if let Some(days) = self.days {
            if found.iter().any(|listed| listed.package.days == days) {
                found.retain(|listed| listed.package.days == days);
                heads.push((false, t(lang, &format!("Paket {days} hari:"), &format!("Packages of {days} days:")).to_owned()));
            } else {
                found.sort_by_key(|listed| (listed.package.days - days).abs());
                found.truncate(RANKED);
                heads.push((
                    true,
                    t(lang, &format!("Belum ada paket {days} hari. Yang paling mendekati:"), &format!("There is no package of {days} days. The nearest ones:")).to_owned(),
                ));
            }
        }
        if let Some(price) = self.below_idr {
            let below = |listed: &&Listed| listed.package.price_idr < price;
            if found.iter().any(below) {
                found.retain(below);
                heads.push((false, t(lang, "Yang lebih terjangkau:", "More affordable ones:").to_owned()));
            } else {
                heads.push((true, t(lang, "Itu sudah yang paling terjangkau saat ini. Pilihan lainnya:", "That is already the most affordable one now. The others:").to_owned()));
            }
        }
        if let Some(order) = self.order {
            order.sort(&mut found);
            if self.budget_idr.is_none() && self.below_idr.is_none() {
                found.truncate(RANKED);
            }
            if heads.is_empty() {
                heads.push((false, order.head(lang).to_owned()));
            }
        }
        // one thing is said of the list: that something is not to be had, else what narrows it most
        let at = heads.iter().position(|(refused, _)| *refused).or(heads.len().checked_sub(1))?;
        let head = heads.swap_remove(at).1;
        Some((found, head))
    }

    /// What a line of the list tells besides: what was asked for.
    pub fn note(&self, package: &Package, lang: Language) -> Option<String> {
        if self.order == Some(Order::NearHotel) {
            return package
                .hotel_makkah_m
                .map(|metres| format!("{} {metres} m {}", t(lang, "hotel Makkah", "Makkah hotel"), t(lang, "dari Masjidil Haram", "from Masjidil Haram")));
        }
        self.city.as_ref().and(package.departure_city.as_ref()).map(|city| format!("{} {city}", t(lang, "berangkat dari", "departs from")))
    }
}

impl Order {
    fn sort(self, found: &mut Vec<&Listed>) {
        match self {
            Self::Cheapest => found.sort_by_key(|listed| listed.package.price_idr),
            Self::Dearest => found.sort_by_key(|listed| std::cmp::Reverse(listed.package.price_idr)),
            Self::Soonest => found.sort_by(|a, b| a.package.departs.cmp(&b.package.departs)),
            Self::Longest => found.sort_by_key(|listed| std::cmp::Reverse(listed.package.days)),
            Self::Shortest => found.sort_by_key(|listed| listed.package.days),
            Self::NearHotel => {
                if found.iter().any(|listed| listed.package.hotel_makkah_m.is_some()) {
                    found.retain(|listed| listed.package.hotel_makkah_m.is_some());
                }
                found.sort_by_key(|listed| listed.package.hotel_makkah_m.unwrap_or(i64::MAX));
            }
        }
    }

    fn head(self, lang: Language) -> &'static str {
        match self {
            Self::Cheapest => t(lang, "Yang paling terjangkau saat ini:", "The most affordable ones now:"),
            Self::Dearest => t(lang, "Dari yang tertinggi harganya:", "From the highest price down:"),
            Self::Soonest => t(lang, "Yang paling dekat keberangkatannya:", "The next departures:"),
            Self::NearHotel => t(lang, "Yang hotelnya paling dekat dengan Masjidil Haram:", "Those with the hotel nearest to Masjidil Haram:"),
            Self::Longest => t(lang, "Yang paling lama perjalanannya:", "The longest journeys:"),
            Self::Shortest => t(lang, "Yang paling singkat perjalanannya:", "The shortest journeys:"),
        }
    }
}

fn has(read: &Read, list: &[&str]) -> bool {
    read.words.iter().any(|word| !word.denied && list.contains(&word.text.as_str()))
}

/// Days a journey may last.
const JOURNEY_DAYS: std::ops::RangeInclusive<i64> = 5..=45;

/// `yang 12 hari`, `12 days`; not in so many days, nor so many days ago.
fn days(read: &Read) -> Option<i64> {
    let text = |at: usize| read.words.get(at).map_or("", |word| word.text.as_str());
    let at = (1..read.words.len()).find(|at| matches!(text(*at), "hari" | "harian" | "days" | "day" | "dinten") && !read.words[at - 1].denied)?;
    let days = text(at - 1).parse().ok().filter(|days| JOURNEY_DAYS.contains(days))?;
    let of_time = |word: &str| matches!(word, "lagi" | "lalu" | "kemarin" | "sebelum" | "setelah" | "dalam" | "in" | "ago" | "before" | "kerja" | "sesudah" | "bayar" | "transfer");
    const AFTER: &[&str] = &["apa", "terakhir", "pertama", "senin", "selasa", "rabu", "kamis", "jumat", "jum'at", "sabtu", "minggu", "ahad", "raya"];
    const BEFORE: &[&str] = &["tanggal", "tgl", "jam", "pukul", "umur"];
    const PART: &[&str] = &["madinah", "makkah", "mekah", "mekkah", "hotel", "manasik", "visa", "umur", "lunas", "pelunasan", "ramadhan", "ramadan", "nginap", "menginap"];
    let other = of_time(text(at + 1)) || AFTER.contains(&text(at + 1)) || (at >= 2 && (of_time(text(at - 2)) || BEFORE.contains(&text(at - 2))));
    let of_a_part = read.words.iter().any(|word| PART.contains(&word.text.strip_suffix("nya").unwrap_or(&word.text)));
    (!other && !of_a_part).then_some(days)
}

fn order(read: &Read) -> Option<Order> {
    let about = |name: &str| words::idea(name).is_some_and(|idea| read.ideas.iter().any(|(at, _, found)| *found == idea && !read.words[*at].denied));
    let most = has(read, &["paling", "most"]);
    let most_of = |list: &[&str]| most && has(read, list);
    let near = has(read, &["terdekat", "nearest", "closest"]) || most_of(&["dekat", "cedhak", "caket", "deukeut"]);
    if (about("hotel") || about("haram")) && (near || about("distance")) && !about("code") {
        Some(Order::NearHotel)
    } else if has(read, &["termurah", "murah", "murmer", "terjangkau", "cheap", "cheapest", "cheaper", "affordable", "mirah"]) {
        Some(Order::Cheapest)
    } else if has(read, &["termahal", "termewah", "luxurious"]) || most_of(&["mahal", "mewah", "expensive"]) {
        Some(Order::Dearest)
    } else if near || has(read, &["tercepat", "terawal", "secepatnya", "soonest", "earliest"]) || most_of(&["cepat", "awal"]) {
        Some(Order::Soonest)
    } else if has(read, &["terlama", "longest"]) || most_of(&["lama", "panjang"]) {
        Some(Order::Longest)
    } else if has(read, &["tersingkat", "shortest"]) || most_of(&["singkat", "sebentar", "pendek"]) {
        Some(Order::Shortest)
    } else {
        None
    }
}

/// Words that set packages beside each other.
const BESIDE: &[&str] = &["vs", "versus", "mending", "mendingan", "bagusan", "compare", "comparison", "difference", "differences", "different", "better", "antara", "between"];

/// Whether packages are to be compared.
pub fn compares(text: &str) -> bool {
    let read = words::read(text);
    let stems = ["beda", "perbeda", "banding", "dibanding", "selisih"];
    read.words.iter().any(|word| !word.denied && (BESIDE.contains(&word.text.as_str()) || stems.iter().any(|stem| word.text.starts_with(stem))))
}

/// The packages a comparison is about, at the most [`RANKED`]: those named by code, name or kind, else the one the chat is
/// about beside the one named, else the first of the list.
pub fn compared<'c>(text: &str, codes: &[&str], about: Option<&str>, catalog: &'c Catalog, month: Option<&str>, today: NaiveDate) -> Vec<&'c Listed> {
    let lower = text.to_lowercase();
    let said: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| word.len() >= 3).collect();
    let parts = |listed: &Listed| -> Vec<String> { listed.package.name.to_lowercase().split(|c: char| !c.is_alphanumeric()).map(str::to_owned).collect() };
    let mut found: Vec<&Listed> = codes.iter().filter_map(|code| catalog.find(code)).collect();
    // "januari hemat sama april hemat": each month's own
    let months: Vec<u32> = said.iter().filter_map(|word| crate::travel::catalog::month_of(word)).collect();
    let kinds: Vec<&&str> = said.iter().filter(|word| crate::travel::catalog::month_of(word).is_none()).collect();
    if months.len() > 1 {
        for month in &months {
            let leaves = |listed: &&Listed| listed.package.departure().is_some_and(|day| chrono::Datelike::month(&day) == *month);
            let kind = |listed: &&Listed| parts(listed).iter().any(|part| kinds.iter().any(|word| **word == part.as_str() && !matches!(part.as_str(), "umroh" | "umrah")));
            found.extend(catalog.open(today).filter(leaves).find(kind).or_else(|| catalog.open(today).find(leaves)));
        }
    }
    for word in said
        .iter()
        .filter(|_| months.len() < 2)
        .filter(|word| !matches!(**word, "umroh" | "umrah" | "paket" | "yang") && !word.starts_with("20") && !crate::travel::catalog::is_month(word))
    {
        let fits = |listed: &&Listed| parts(listed).iter().any(|part| part == word) && month.is_none_or(|month| listed.package.departs.starts_with(month));
        found.extend(catalog.open(today).find(|listed| about == Some(listed.package.code.as_str()) && fits(listed)).or_else(|| catalog.open(today).find(fits)));
    }
    if found.len() < 2 {
        found.splice(0..0, about.and_then(|code| catalog.find(code)));
    }
    let mut once: Vec<&Listed> = Vec::new();
    for listed in found {
        if once.iter().all(|known| known.id != listed.id) {
            once.push(listed);
        }
    }
    if once.is_empty() && said.iter().any(|word| matches!(*word, "paket" | "package" | "packages" | "semua" | "semuanya" | "itu")) {
        once = listed(catalog, month, today);
    }
    once.truncate(RANKED);
    once
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bot::understand;
    use serde_json::Value;

    fn demo() -> Catalog {
        let rows: Vec<Value> = serde_json::from_str(include_str!("../../assets/demo/catalog.json")).unwrap();
        let packages =
            rows.iter().enumerate().map(|(id, row)| Listed { id: id as i64, package: Package::from_json(None, row).unwrap(), media: vec![], spellings: vec![] }).collect();
        Catalog { generation: 1, packages }
    }

    fn today() -> NaiveDate {
        "2026-11-20".parse().unwrap()
    }

    fn wish(text: &str, party: Option<i64>) -> Wish {
        let understood = understand::understand(text, false, false, false, today());
        Wish::of(text, &understood.entities, party, None, &demo(), today())
    }

    #[test]
    fn what_is_looked_for() {
        for (text, order) in [
            ("paket paling murah berapa?", Some(Order::Cheapest)),
            ("ada yg murmer ga kak", Some(Order::Cheapest)),
            ("hotel yang paling deket haram paket mana", Some(Order::NearHotel)),
            ("which package has a hotel near the haram?", Some(Order::NearHotel)),
            ("keberangkatan terdekat kapan?", Some(Order::Soonest)),
            ("yang paling cepat berangkat", Some(Order::Soonest)),
            ("yang paling lama berapa hari", Some(Order::Longest)),
            ("bukan yang murah", None),
            ("ada paket apa saja", None),
        ] {
            assert_eq!(wish(text, None).order, order, "{text}");
        }
        assert_eq!(wish("yang di bawah 30 juta ada?", None).budget_idr, Some(30_000_000));
        assert_eq!(wish("budget kami 120 juta berempat", Some(4)).budget_idr, Some(30_000_000), "told for all of them");
        assert_eq!(wish("ada yang berangkat dari surabaya?", None).city.as_deref(), Some("Surabaya"));
        assert_eq!(wish("saya tinggal di surabaya", None).city, None, "where one lives is no wish");
        for (text, days) in [
            ("yang 12 hari ada?", Some(12)),
            ("any package of 10 days?", Some(10)),
            ("3 hari lagi", None),
            ("15 hari lagi saya transfer", None),
            ("dalam 7 hari", None),
            ("bukan 12 hari", None),
            ("berangkatnya tanggal 8 hari apa", None),
            ("tanggal 10 hari kamis bisa", None),
            ("di madinah 5 hari ya", None),
            ("10 hari terakhir ramadhan", None),
        ] {
            assert_eq!(wish(text, None).days, days, "{text}");
        }
    }

    #[test]
    fn the_list_is_picked_from_the_rows() {
        let catalog = demo();
        let picked = |wish: Wish| wish.pick(&catalog, None, today(), Language::Id).unwrap();
        let (cheap, head) = picked(Wish { budget_idr: Some(30_000_000), ..Wish::default() });
        assert!(!cheap.is_empty() && cheap.iter().all(|listed| listed.package.price_idr <= 30_000_000), "{head}");
        let (near, head) = picked(Wish { budget_idr: Some(12_000_000), ..Wish::default() });
        assert!(head.starts_with("Belum ada") && near.len() == RANKED && near[0].package.price_idr <= near[1].package.price_idr, "{head}");
        let (hotels, _) = picked(Wish { order: Some(Order::NearHotel), ..Wish::default() });
        assert!(hotels.windows(2).all(|pair| pair[0].package.hotel_makkah_m <= pair[1].package.hotel_makkah_m));
        let (all, head) = picked(Wish { city: Some("Wamena".into()), ..Wish::default() });
        assert!(head.contains("Belum ada") && all.len() == catalog.open(today()).count(), "{head}");
        let (twelve, head) = picked(Wish { days: Some(12), ..Wish::default() });
        assert!(twelve.iter().all(|listed| listed.package.days == 12) && head == "Paket 12 hari:", "{head}");
        let (nearest, head) = picked(Wish { days: Some(30), ..Wish::default() });
        assert!(head.starts_with("Belum ada paket 30 hari") && nearest[0].package.days >= nearest[1].package.days, "{head}");
        assert!(Wish::default().pick(&catalog, None, today(), Language::Id).is_none());
    }

    #[test]
    fn what_is_compared() {
        let catalog = demo();
        let codes = |text: &str, about: Option<&str>| compared(text, &[], about, &catalog, None, today()).iter().map(|listed| listed.package.code.clone()).collect::<Vec<_>>();
        let two = codes("bedanya hemat sama vip apa", None);
        assert!(two.len() == 2 && two[0].ends_with("HEMAT") && two[1].ends_with("VIP"), "{two:?}");
        let beside = codes("kalau dibanding yang vip gimana", Some("UMR_APR_2027_HEMAT"));
        assert_eq!((beside.len(), beside[0].as_str()), (2, "UMR_APR_2027_HEMAT"), "{beside:?}");
        assert_eq!(codes("bedanya paket-paket itu apa", None).len(), 3);
        assert!(codes("bedanya sama travel lain apa", None).is_empty());
        assert_eq!(codes("saya mau bandingin januari hemat sama april hemat", None), ["UMR_JAN_2027_HEMAT", "UMR_APR_2027_HEMAT"]);
        assert!(compares("bedanya apa") && compares("mending mana kak") && !compares("berapa harganya"));
    }
}
