//! All packages with their files at one moment, shared read-only. Remade when its generation in the store moves on,
//! so a decision always speaks from the data of its own transaction.

use super::package::{self, Availability, Package, PackageMedia};
use crate::db::StoreError;
use crate::kernel::date;
use chrono::NaiveDate;
use rusqlite::Connection;
use std::sync::{Arc, Mutex, PoisonError};

/// A package and its files.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Row id.
    pub id: i64,
    /// The package.
    pub package: Package,
    /// Its files in sending order.
    pub media: Vec<PackageMedia>,
    /// Months and forms its code may be written in; see `bot::code`.
    pub spellings: Vec<String>,
}

/// The catalogue.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// Changes counted up to here.
    pub generation: i64,
    /// Packages, soonest departure first.
    pub packages: Vec<Listed>,
}

impl Catalog {
    /// Reads it whole.
    pub fn load(connection: &Connection) -> Result<Self, StoreError> {
        let generation = generation(connection)?;
        let mut packages = Vec::new();
        for (id, package) in package::list(connection)? {
            let spellings = crate::bot::code::spellings(&package.code);
            packages.push(Listed { id, media: package::media(connection, id)?, package, spellings });
        }
        Ok(Self { generation, packages })
    }

    /// By code.
    pub fn find(&self, code: &str) -> Option<&Listed> {
        self.packages.iter().find(|listed| listed.package.code == code)
    }

    /// The one package a text names in words: by its name, or by a word no other has ("yang VIP", "paket ramadhan"). Packages
    /// that have left are not meant.
    pub fn named(&self, text: &str, today: NaiveDate) -> Option<&Listed> {
        let lower = text.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let spoken = words.join(" ");
        let here: Vec<&Listed> = self.packages.iter().filter(|listed| !matches!(listed.package.availability(today), Availability::Departed | Availability::Closed)).collect();
        let name =
            |listed: &Listed| listed.package.name.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>();
        let whole = |listed: &&&Listed| {
            let name = name(listed).join(" ");
            name.contains(' ') && format!(" {spoken} ").contains(&format!(" {name} "))
        };
        let by_name: Vec<&&Listed> = here.iter().filter(whole).collect();
        if let Some(longest) = by_name.into_iter().max_by_key(|listed| listed.package.name.len()) {
            return Some(longest);
        }
        let own = |listed: &Listed, word: &str| {
            word.len() >= 3 && name(listed).iter().any(|known| known == word) && here.iter().filter(|other| name(other).iter().any(|known| known == word)).count() == 1
        };
        let led = words.windows(2).filter(|pair| matches!(pair[0], "yang" | "yg" | "paket" | "umroh" | "umrah" | "package")).map(|pair| pair[1]);
        let mut found: Vec<&Listed> = led.flat_map(|word| here.iter().filter(move |listed| own(listed, word) && !is_month(word)).copied()).collect();
        found.dedup_by_key(|listed| listed.id);
        if let [only] = found.as_slice() { Some(only) } else { None }
    }

    /// Those that can be booked on `today`, soonest first.
    pub fn open(&self, today: NaiveDate) -> impl Iterator<Item = &Listed> {
        self.packages.iter().filter(move |listed| listed.package.availability(today) == Availability::Open)
    }

    /// The `n` open packages that leave nearest to `wanted`.
    pub fn nearest(&self, wanted: NaiveDate, today: NaiveDate, n: usize) -> Vec<&Listed> {
        let mut open: Vec<&Listed> = self.open(today).collect();
        let far = |listed: &&Listed| listed.package.departure().map_or(i64::MAX, |day| (day - wanted).num_days().abs());
        open.sort_by_key(far);
        open.truncate(n);
        open.sort_by(|a, b| a.package.departs.cmp(&b.package.departs));
        open
    }
}

/// Which month a whole name means: `april` is 4.
pub fn month_of(word: &str) -> Option<u32> {
    use crate::kernel::language::Language;
    (1..=12).find(|month| [Language::Id, Language::En].iter().any(|language| date::month_name(*month, *language).to_lowercase() == word))
}

/// Months are said of journeys in general, not of the one package that leaves then.
pub fn is_month(word: &str) -> bool {
    use crate::kernel::language::Language;
    (1..=12).any(|month| [Language::Id, Language::En].iter().any(|language| date::month_name(month, *language).to_lowercase().starts_with(word)))
}

/// Counts every change of the catalogue, from any process.
pub fn generation(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT value FROM meta WHERE key = 'catalog_generation'")?.query_row([], |row| row.get(0))?)
}

/// The newest catalogue, remade only when it changed.
#[derive(Default)]
pub struct CatalogCache(Mutex<Arc<Catalog>>);

impl CatalogCache {
    /// The catalogue as `connection`'s transaction sees it.
    pub fn at(&self, connection: &Connection) -> Result<Arc<Catalog>, StoreError> {
        let generation = generation(connection)?;
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.generation != generation {
            *held = Arc::new(Catalog::load(connection)?);
        }
        Ok(Arc::clone(&held))
    }
}
