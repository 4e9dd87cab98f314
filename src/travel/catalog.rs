//! All packages with their files at one moment, shared read-only. Remade when its generation in the store moves on,
//! so a decision always speaks from the data of its own transaction.

use super::package::{self, Availability, Package, PackageMedia};
use crate::db::StoreError;
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
