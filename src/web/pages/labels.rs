//! Labels: make, rename, recolour, take out of use; a segment counted as it is typed; what happened to them; how the phones agree.

use super::{Form, Refusal, enter, see};
use crate::app::App;
use crate::chat::inbox::Scope;
use crate::db::StoreError;
use crate::people::contact;
use crate::people::label::{self, LabelError};
use crate::people::label_sync;
use crate::people::segment::{self, SegmentError};
use crate::web::policy::Action;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Lines of the log on the page.
const PAGE: usize = 50;

/// What the page is asked for.
#[derive(Deserialize, Default)]
pub struct LabelQuery {
    before: Option<i64>,
    expr: Option<String>,
}

async fn page(app: &Arc<App>, visitor: &super::Visitor, status: u16, query: LabelQuery, wrong: Option<&str>, typed: Value) -> Result<Response, Refusal> {
    let (now_ms, scope) = (app.now_ms(), visitor.scope());
    let expr = query.expr.clone().filter(|expr| !expr.trim().is_empty());
    let values = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            let mut history = label::history(connection, None, query.before, PAGE)?;
            let next = history.last().filter(|_| history.len() == PAGE).map(|(id, _)| *id);
            if scope != Scope::All {
                history.retain(|(_, event)| contact::seen_by(connection, event.contact_id, &scope).unwrap_or(false));
            }
            let segment = match &expr {
                Some(expr) => match segment::count(connection, expr, &scope, now_ms) {
                    Ok((count, opted_out)) => json!({"expr": expr, "count": count, "opted_out": opted_out}),
                    Err(SegmentError::Db(error)) => return Err(error),
                    Err(SegmentError::NoSuchLabel(name)) => json!({"expr": expr, "unknown": name}),
                    Err(SegmentError::Unreadable(_)) => json!({"expr": expr, "unreadable": true}),
                },
                None => json!({}),
            };
            let check = label_sync::last_check(connection)?
                .map(|(at, labels, added, removed, cause)| json!({"at": at, "labels": labels, "added": added, "removed": removed, "cause": cause}));
            let (untold, cause) = label_sync::untold(connection)?;
            Ok(json!({
                "labels": label::all(connection)?, "events": history.into_iter().map(|(_, event)| event).collect::<Vec<_>>(), "next": next, "segment": segment, "check": check,
                "untold": untold, "untold_cause": cause,
            }))
        })
        .await?;
    let mut values = values;
    values["wrong"] = json!(wrong);
    values["typed"] = typed;
    values["palette"] = json!(label::PALETTE.iter().map(|(index, _)| index).collect::<Vec<_>>());
    Ok(visitor.page(status, "labels.html", "labels", values).await)
}

/// The page.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap, Query(query): Query<LabelQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    page(&app, &visitor, 200, query, None, json!({})).await
}

/// A label made, changed or taken out of use.
#[derive(Deserialize)]
pub struct LabelForm {
    csrf: String,
    id: Option<i64>,
    #[serde(default)]
    name: String,
    color: Option<i64>,
    what: Option<String>,
}

/// Does it.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<LabelForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditLabels).await?;
    visitor.check(&headers, &form.csrf)?;
    let (actor, name, color, retire) = (visitor.actor(), form.name.clone(), form.color, form.what.as_deref() == Some("retire"));
    let done = app
        .store
        .write(move |tx| match form.id {
            Some(id) if retire => label::retire(tx, id, &actor),
            Some(id) => label::change(tx, id, &name, color, &actor),
            None => label::create(tx, &name, color, &actor).map(drop),
        })
        .await;
    let wrong = match done {
        Ok(()) => return Ok(see("/labels")),
        Err(LabelError::Db(error)) => return Err(error.into()),
        Err(LabelError::Taken(_)) => "label-taken",
        Err(LabelError::NoSuchLabel) => return Err(Refusal::NotFound),
        Err(_) => "label-bad-name",
    };
    page(&app, &visitor, 422, LabelQuery::default(), Some(wrong), json!({"id": form.id, "name": form.name, "color": form.color})).await
}
