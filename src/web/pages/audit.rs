//! The audit trail.

use super::{Refusal, enter};
use crate::app::App;
use crate::db::{StoreError, audit};
use crate::people::user;
use crate::web::policy::Action;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Rows of a page.
const PAGE: usize = 100;

/// Which rows.
#[derive(Deserialize, Default)]
pub struct AuditQuery {
    action: Option<String>,
    before: Option<i64>,
}

/// Kinds of rows to choose from; each is the beginning of action names.
const KINDS: &[&str] = &["", "setting", "user", "package", "phase", "handover", "escalation", "outbox", "channel", "contact", "backup", "webhook"];

/// The page.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Query(query): Query<AuditQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::Audit).await?;
    let kind = query.action.filter(|action| KINDS.contains(&action.as_str())).unwrap_or_default();
    let (wanted, before) = (kind.clone(), query.before.unwrap_or(i64::MAX));
    let (rows, names) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let names: BTreeMap<String, String> = user::list(connection)?.into_iter().map(|user| (format!("user:{}", user.id), user.name)).collect();
            Ok((audit::page(connection, before, &wanted, PAGE)?, names))
        })
        .await?;
    let next = rows.last().filter(|_| rows.len() == PAGE).map(|row| row.seq);
    Ok(visitor.page(200, "audit.html", "audit", json!({"rows": rows, "kind": kind, "kinds": KINDS, "next": next, "names": names})).await)
}
