//! Who of the team looked at whom: for the owner.

use super::{Refusal, enter};
use crate::app::App;
use crate::chat::assignment;
use crate::db::StoreError;
use crate::web::policy::Action;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Days shown.
const DAYS: i64 = 30;
/// Rows shown.
const PAGE: i64 = 200;

/// Whose looks, or at whom.
#[derive(Deserialize, Default)]
pub struct AccessQuery {
    who: Option<String>,
    contact: Option<i64>,
}

/// The page: looks per person and day, and the newest one by one.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(query): Query<AccessQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Administer).await?;
    let since = (app.settings().day_of(app.now_ms()) - chrono::Duration::days(DAYS)).to_string();
    let (who, contact) = (query.who.clone().filter(|who| !who.is_empty()), query.contact);
    let values = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            let mut names: BTreeMap<String, String> = BTreeMap::new();
            let mut sums = connection.prepare_cached("SELECT actor, count(DISTINCT contact_id), sum(times), max(day) FROM staff_access WHERE day >= ?1 GROUP BY actor ORDER BY 2 DESC")?;
            let people: Vec<(String, i64, i64, String)> = sums.query_map([&since], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?.collect::<Result<_, _>>()?;
            let mut table = Vec::new();
            for (actor, contacts, times, day) in people {
                let name = assignment::actor_name(connection, &actor)?;
                names.insert(actor.clone(), name.clone());
                table.push(json!({"actor": actor, "name": name, "contacts": contacts, "times": times, "day": day}));
            }
            let mut looks = connection.prepare_cached(
                "SELECT s.day, s.actor, s.contact_id, c.name, (SELECT value FROM identity i WHERE i.contact_id = s.contact_id AND i.kind = 'phone' LIMIT 1), s.first_at, s.times
                 FROM staff_access s JOIN contact c ON c.id = s.contact_id WHERE s.day >= ?1 AND (?2 IS NULL OR s.actor = ?2) AND (?3 IS NULL OR s.contact_id = ?3) ORDER BY s.first_at DESC LIMIT ?4",
            )?;
            let rows = looks.query_map((&since, &who, contact, PAGE), |r| {
                let actor: String = r.get(1)?;
                Ok((actor, json!({"day": r.get::<_, String>(0)?, "contact_id": r.get::<_, i64>(2)?, "name": r.get::<_, Option<String>>(3)?, "phone": r.get::<_, Option<String>>(4)?, "first_at": r.get::<_, i64>(5)?, "times": r.get::<_, i64>(6)?})))
            })?;
            let mut shown = Vec::new();
            for row in rows {
                let (actor, mut value) = row?;
                value["who"] = json!(names.get(&actor).cloned().unwrap_or(actor));
                shown.push(value);
            }
            Ok(json!({"people": table, "looks": shown}))
        })
        .await?;
    let mut values = values;
    values["who"] = json!(query.who);
    Ok(visitor.page(200, "access.html", "access", values).await)
}
