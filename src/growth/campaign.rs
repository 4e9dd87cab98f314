//! Campaigns: codes in ads, clicks on our short link, and the conversations they led to.

use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::text;
use rusqlite::{Connection, OptionalExtension};

/// A campaign row.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Campaign {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Package it leads to.
    pub package_code: Option<String>,
    /// Channel of the ad.
    pub source: Option<String>,
    /// Clicks on the short link.
    pub clicks: i64,
    /// Conversations that began or went on with the code.
    pub conversations: i64,
}

/// By code.
pub fn find(connection: &Connection, code: &str) -> Result<Option<Campaign>, StoreError> {
    let mut query = connection.prepare_cached("SELECT code, name, package_code, source, clicks, conversations FROM campaign WHERE code = ?1")?;
    let found = query.query_row([code], |row| {
        Ok(Campaign { code: row.get(0)?, name: row.get(1)?, package_code: row.get(2)?, source: row.get(3)?, clicks: row.get(4)?, conversations: row.get(5)? })
    });
    Ok(found.optional()?)
}

/// Makes or changes a campaign.
pub fn put(tx: &Tx<'_>, actor: &str, code: &str, name: &str, package_code: Option<&str>, source: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO campaign (code, name, package_code, source, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (code) DO UPDATE SET name = excluded.name, package_code = excluded.package_code, source = excluded.source",
        (code, name, package_code, source, tx.now_ms),
    )?;
    tx.audit(actor, "campaign.changed", &format!("campaign:{code}"), name)
}

/// A conversation met a code. `first`: it had met no campaign before, so there is no need to look.
pub fn met(tx: &Tx<'_>, conversation_id: i64, code: &str, first: bool) -> Result<(), StoreError> {
    let mut seen = tx.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM touch WHERE conversation_id = ?1 AND code = ?2 AND via <> 'ignored' LIMIT 2)")?;
    if first || seen.query_row((conversation_id, code), |row| row.get::<_, i64>(0))? <= 1 {
        tx.campaign_met(code);
    }
    Ok(())
}

/// Adds what a batch of work met; a campaign is made when its code is first seen.
pub fn add_conversations(tx: &Tx<'_>, codes: &[String]) -> Result<(), StoreError> {
    let mut sums: std::collections::BTreeMap<&str, i64> = std::collections::BTreeMap::new();
    for code in codes {
        *sums.entry(code).or_default() += 1;
    }
    for (code, n) in sums {
        tx.prepare_cached(
            "INSERT INTO campaign (code, name, package_code, conversations, created_at) VALUES (?1, ?1, (SELECT code FROM package WHERE code = ?1), ?3, ?2)
             ON CONFLICT (code) DO UPDATE SET conversations = conversations + ?3",
        )?
        .execute((code, tx.now_ms, n))?;
    }
    Ok(())
}

/// Logs a click on the short link of a code we know. Anybody can make up a code: those are counted and leave no row.
pub fn clicked(tx: &Tx<'_>, code: &str, referrer: Option<&str>, user_agent: Option<&str>) -> Result<(), StoreError> {
    let known: bool =
        tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM campaign WHERE code = ?1) OR EXISTS (SELECT 1 FROM package WHERE code = ?1)")?.query_row([code], |row| row.get(0))?;
    if !known {
        tx.count("clicks.unknown", 1);
        return Ok(());
    }
    let short = |value: Option<&str>| value.map(|value| text::clean(value, 500));
    tx.execute("INSERT INTO click (code, at, referrer, user_agent) VALUES (?1, ?2, ?3, ?4)", (code, tx.now_ms, short(referrer), short(user_agent)))?;
    tx.execute(
        "INSERT INTO campaign (code, name, package_code, clicks, created_at) VALUES (?1, ?1, (SELECT code FROM package WHERE code = ?1), 1, ?2) ON CONFLICT (code) DO UPDATE SET clicks = clicks + 1",
        (code, tx.now_ms),
    )?;
    tx.count("clicks", 1);
    Ok(())
}
