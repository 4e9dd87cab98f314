//! What customers bought: a ledger of lines, each imported once however often the file is read.

use crate::db::StoreError;
use crate::db::writer::Tx;
use rusqlite::Connection;
use serde_json::{Value, json};

/// One line of the ledger.
pub struct Purchase {
    /// Buyer.
    pub contact_id: i64,
    /// What.
    pub product: String,
    /// How many.
    pub quantity: i64,
    /// Price of one, rupiah.
    pub price_idr: i64,
    /// Day, `YYYY-MM-DD`.
    pub bought_on: String,
}

/// Adds a line; `false` when the very same line is there already.
pub fn add(tx: &Tx<'_>, line: &Purchase) -> Result<bool, StoreError> {
    let total = line.quantity.saturating_mul(line.price_idr);
    let added = tx.execute(
        "INSERT INTO purchase (contact_id, product, quantity, price_idr, total_idr, bought_on, imported_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        (line.contact_id, &line.product, line.quantity, line.price_idr, total, &line.bought_on, tx.now_ms),
    )?;
    Ok(added > 0)
}

/// What a contact bought, newest first.
pub fn of_contact(connection: &Connection, contact_id: i64) -> Result<Vec<Value>, StoreError> {
    let mut query = connection.prepare_cached("SELECT product, quantity, total_idr, bought_on FROM purchase WHERE contact_id = ?1 ORDER BY bought_on DESC, id DESC LIMIT 50")?;
    let rows = query.query_map([contact_id], |row| {
        Ok(json!({"product": row.get::<_, String>(0)?, "quantity": row.get::<_, i64>(1)?, "total_idr": row.get::<_, i64>(2)?, "bought_on": row.get::<_, String>(3)?}))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
