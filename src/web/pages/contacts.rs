//! Contacts: the list with search, segment and bulk edit; one contact with everything that is known and happened; merging.

use super::{Form, Refusal, Visitor, enter, see};
use crate::app::App;
use crate::chat::inbox::Scope;
use crate::db::StoreError;
use crate::db::readers;
use crate::insight::audience;
use crate::insight::export::{self, Format, Span};
use crate::kernel::phone::Phone;
use crate::kernel::table;
use crate::people::contact::{self, Change, Contact, ContactError};
use crate::people::label::{self, LabelError};
use crate::people::roster::{self, Person, RowError};
use crate::people::segment::{self, SegmentError};
use crate::people::{identity, merge, purchase, search, timeline};
use crate::travel::booking;
use crate::web::policy::Action;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Rows of a page.
const PAGE: usize = 50;
/// Rows of an import in one transaction.
const IMPORTED_AT_ONCE: usize = 200;
/// Contacts one bulk edit may touch.
const BULK: usize = 500;

/// Which contacts.
#[derive(Deserialize, Default)]
pub struct ContactQuery {
    q: Option<String>,
    expr: Option<String>,
    after: Option<i64>,
    done: Option<i64>,
}

fn row(connection: &rusqlite::Connection, contact: &Contact, now_ms: i64) -> Result<Value, StoreError> {
    let mut value = json!(contact);
    value["labels"] = json!(label::of_contact(connection, contact.id)?);
    value["active"] = json!(contact.active(now_ms, segment::ACTIVE_DAYS));
    Ok(value)
}

/// The list.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap, Query(query): Query<ContactQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let (now_ms, scope) = (app.now_ms(), visitor.scope());
    let given = |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    let (text, expr, after) = (given(&query.q), given(&query.expr), query.after);
    let (q, e) = (text.clone(), expr.clone());
    let values = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            let mut wrong = Value::Null;
            let mut count = Value::Null;
            let ids = match (&text, &expr) {
                (Some(text), _) => search::contacts(connection, text, &scope, PAGE)?,
                (None, Some(expr)) => match segment::members(connection, expr, now_ms, after.unwrap_or(0), PAGE) {
                    Ok(ids) => {
                        count = segment::count(connection, expr, &scope, now_ms).map_or(Value::Null, |(count, _)| json!(count));
                        ids
                    }
                    Err(SegmentError::Db(error)) => return Err(error),
                    Err(error) => {
                        wrong = json!(error.to_string());
                        Vec::new()
                    }
                },
                (None, None) => contact::newest(connection, after, PAGE)?,
            };
            let full = ids.len() == PAGE && text.is_none();
            let next = ids.last().filter(|_| full).copied();
            let mut rows = Vec::new();
            for id in ids {
                if let Some(found) = contact::find(connection, id)?
                    && contact::seen_by(connection, id, &scope)?
                {
                    rows.push(row(connection, &found, now_ms)?);
                }
            }
            Ok(json!({"rows": rows, "next": next, "wrong": wrong, "count": count, "labels_all": label::all(connection)?, "fields": contact::fields(connection)?}))
        })
        .await?;
    let mut values = values;
    values["q"] = json!(q);
    values["expr"] = json!(e);
    values["done"] = json!(query.done);
    Ok(visitor.page(200, "contacts.html", "contacts", values).await)
}

/// One contact.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    page(&app, &visitor, 200, id, json!({}), None).await
}

async fn page(app: &Arc<App>, visitor: &Visitor, status: u16, id: i64, typed: Value, wrong: Option<(String, String)>) -> Result<Response, Refusal> {
    let (now_ms, scope, language) = (app.now_ms(), visitor.scope(), visitor.language());
    let values = app
        .store
        .read(move |connection| -> Result<Option<Value>, StoreError> {
            let Some(found) = contact::alive(connection, id)? else { return Ok(None) };
            if !contact::seen_by(connection, found.id, &scope)? {
                return Ok(None);
            }
            // the same name twice is often the same person
            let alike: Vec<Value> = match &found.name {
                Some(name) => {
                    let mut alike = Vec::new();
                    for other in search::contacts(connection, name, &scope, 6)? {
                        if other != found.id
                            && contact::seen_by(connection, other, &scope)?
                            && let Some(other) = contact::find(connection, other)?
                        {
                            alike.push(json!({"id": other.id, "name": other.name, "phone": other.phone}));
                        }
                    }
                    alike
                }
                None => Vec::new(),
            };
            let events = timeline::of_contact(connection, found.id, None, 100)?;
            let mut actors: HashMap<String, String> = HashMap::new();
            for actor in events.iter().filter_map(|event| event.detail["actor"].as_str()) {
                if !actors.contains_key(actor) {
                    actors.insert(actor.to_owned(), super::audit::name_of(connection, language, actor)?);
                }
            }
            Ok(Some(json!({
                "actors": actors, "contact": row(connection, &found, now_ms)?, "identities": identity::of_contact(connection, found.id)?, "chats": contact::conversations(connection, found.id)?,
                "fields": contact::fields(connection)?, "merges": merge::into(connection, found.id)?, "timeline": events,
                "bookings": booking::of_contact(connection, found.id)?, "purchases": purchase::of_contact(connection, found.id)?, "labels_all": label::all(connection)?, "alike": alike,
            })))
        })
        .await?;
    let mut values = values.ok_or(Refusal::NotFound)?;
    values["typed"] = typed;
    values["wrong"] = json!(wrong.as_ref().map(|(field, _)| field));
    values["wrong_why"] = json!(wrong.map(|(_, why)| why));
    app.note_look(&visitor.actor(), values["contact"]["id"].as_i64().unwrap_or(0));
    Ok(visitor.page(status, "contact.html", "contacts", values).await)
}

fn change_of(sent: &HashMap<String, String>) -> Change {
    let given = |name: &str| sent.get(name).cloned();
    let fields: Map<String, Value> = sent.iter().filter_map(|(name, value)| Some((name.strip_prefix("field.")?.to_owned(), json!(value)))).collect();
    Change { name: given("name"), phone: given("phone"), email: given("email"), address: given("address"), interest: given("interest"), status: given("status"), fields }
}

/// Changes one contact.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(sent): Form<HashMap<String, String>>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditContacts).await?;
    visitor.check(&headers, sent.get("csrf").map_or("", String::as_str))?;
    let (change, actor, scope) = (change_of(&sent), visitor.actor(), visitor.scope());
    let done = app
        .store
        .write(move |tx| -> Result<(), ContactError> {
            let found = contact::alive(tx, id)?.ok_or(ContactError::NoSuchContact)?;
            if !contact::seen_by(tx, found.id, &scope)? {
                return Err(ContactError::NoSuchContact);
            }
            contact::edit(tx, found.id, &change, &actor)
        })
        .await;
    match done {
        Ok(()) => Ok(see(&format!("/contacts/{id}"))),
        Err(ContactError::Invalid { field, problem }) => page(&app, &visitor, 422, id, json!(sent), Some((field, problem))).await,
        Err(ContactError::Known(_)) => page(&app, &visitor, 409, id, json!(sent), Some(("phone".into(), "known".into()))).await,
        Err(ContactError::Db(error)) => Err(error.into()),
        Err(_) => Err(Refusal::NotFound),
    }
}

/// Where somebody is written down by hand.
pub async fn new(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditContacts).await?;
    Ok(visitor.page(200, "contact_new.html", "contacts", json!({"typed": {}})).await)
}

/// Does it; what is wrong stands beside its field, and whose number it is already.
pub async fn add(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<HashMap<String, String>>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditContacts).await?;
    visitor.check(&headers, sent.get("csrf").map_or("", String::as_str))?;
    let (change, actor, scope) = (change_of(&sent), visitor.actor(), visitor.scope());
    let done = app.store.write(move |tx| contact::add(tx, &change, &actor)).await;
    let again = match done {
        Ok(id) => return Ok(see(&format!("/contacts/{id}"))),
        Err(ContactError::Db(error)) => return Err(error.into()),
        Err(ContactError::Known(id)) => {
            let seen = app.store.read(move |connection| contact::seen_by(connection, id, &scope)).await?;
            json!({"typed": sent, "wrong": "phone", "known": true, "known_id": seen.then_some(id)})
        }
        Err(ContactError::Invalid { field, .. }) => json!({"typed": sent, "wrong": field}),
        Err(_) => return Err(Refusal::NotFound),
    };
    Ok(visitor.page(422, "contact_new.html", "contacts", again).await)
}

/// Labels of a contact; merging and undoing it.
#[derive(Deserialize)]
pub struct Deed {
    csrf: String,
    what: String,
    #[serde(default)]
    with: String,
}

/// Does it.
pub async fn act(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<i64>, Form(deed): Form<Deed>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditContacts).await?;
    visitor.check(&headers, &deed.csrf)?;
    let (actor, what, scope) = (visitor.actor(), deed.what.clone(), visitor.scope());
    let (field, typed) = (deed.what.clone(), json!({"with": deed.with}));
    let done = app
        .store
        .write(move |tx| -> Result<(), ContactError> {
            let seen = |id: i64| -> Result<i64, ContactError> { if contact::seen_by(tx, id, &scope)? { Ok(id) } else { Err(ContactError::NoSuchContact) } };
            seen(id)?;
            match what.as_str() {
                "merge" => merge::by_hand(tx, id, seen(other(tx, &deed.with)?)?, &actor),
                "undo" => merge::undo(tx, merge::of(tx, id, &deed.with)?, &actor).map(drop),
                "label" | "unlabel" => put_label(tx, id, &deed.with, what == "label", &actor),
                _ => Err(ContactError::NoSuchContact),
            }
        })
        .await;
    match done {
        Ok(()) => Ok(see(&format!("/contacts/{id}"))),
        Err(ContactError::Db(error)) => Err(error.into()),
        Err(ContactError::Cannot(_)) => Err(Refusal::Notice(409, "merge")),
        // what was typed stands in its field, with why beside it
        Err(_) if matches!(field.as_str(), "merge" | "label") => page(&app, &visitor, 422, id, typed, Some((field, String::new()))).await,
        Err(_) => Err(Refusal::NotFound),
    }
}

/// The other contact of a merge, by the number that was typed; few digits are no number, and never a row's.
fn other(tx: &crate::db::writer::Tx<'_>, typed: &str) -> Result<i64, ContactError> {
    let phone = Phone::parse(typed).ok_or(ContactError::NoSuchContact)?;
    identity::of_phone(tx, &phone)?.ok_or(ContactError::NoSuchContact)
}

fn put_label(tx: &crate::db::writer::Tx<'_>, contact_id: i64, name: &str, added: bool, actor: &str) -> Result<(), ContactError> {
    let known = if added { label::by_name(tx, name)? } else { label::named(tx, name)? };
    let label = match known {
        Some(label) => Ok(label),
        None if added => label::create(tx, name, None, actor),
        None => Err(LabelError::NoSuchLabel),
    };
    match label.and_then(|label| label::set(tx, contact_id, label.id, added, "dashboard", actor)) {
        Ok(_) => Ok(()),
        Err(LabelError::Db(error)) => Err(error.into()),
        Err(_) => Err(ContactError::NoSuchContact),
    }
}

/// The same for many contacts at once: a label on or off, or a status. All or nothing.
pub async fn bulk(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<Vec<(String, String)>>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditContacts).await?;
    let first = |name: &str| sent.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str()).to_owned();
    visitor.check(&headers, &first("csrf"))?;
    let ids: Vec<i64> = sent.iter().filter(|(key, _)| key == "id").filter_map(|(_, value)| value.parse().ok()).take(BULK).collect();
    let (actor, what, with, n, scope) = (visitor.actor(), first("what"), first("with"), ids.len(), visitor.scope());
    let done = app
        .store
        .write(move |tx| -> Result<(), ContactError> {
            for id in &ids {
                if !contact::seen_by(tx, *id, &scope)? {
                    return Err(ContactError::NoSuchContact);
                }
                match what.as_str() {
                    "label" | "unlabel" => put_label(tx, *id, &with, what == "label", &actor)?,
                    "active" | "inactive" | "auto" => contact::edit(tx, *id, &Change { status: Some(what.clone()), ..Change::default() }, &actor)?,
                    _ => return Err(ContactError::NoSuchContact),
                }
            }
            Ok(())
        })
        .await;
    match done {
        Ok(()) => Ok(see(&format!("/contacts?done={n}"))),
        Err(ContactError::Db(error)) => Err(error.into()),
        Err(_) => Err(Refusal::Notice(422, "label")),
    }
}

/// A field of the agency's own.
#[derive(Deserialize)]
pub struct FieldForm {
    csrf: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    choices: String,
    remove: Option<String>,
}

/// Adds one or takes one away.
pub async fn save_field(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<FieldForm>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditLabels).await?;
    visitor.check(&headers, &form.csrf)?;
    let actor = visitor.actor();
    let choices: Vec<String> = form.choices.split([',', '\n']).filter_map(crate::kernel::text::clean_name).take(50).collect();
    let done = app.store.write(move |tx| match &form.remove {
        Some(key) => contact::remove_field(tx, key, &actor),
        None => contact::put_field(tx, &form.name, &form.kind, &choices, &actor),
    });
    match done.await {
        Ok(()) => Ok(see("/contacts#fields")),
        Err(ContactError::Db(error)) => Err(error.into()),
        Err(_) => Err(Refusal::Notice(422, "field")),
    }
}

/// Largest list, bytes and rows: the preview keeps it in the page until it is confirmed.
pub const MAX_LIST: usize = 4 << 20;
const MAX_ROWS: usize = 20_000;
/// Rows and mistakes shown before.
const SHOWN: usize = 20;

/// Where a list is handed in.
pub async fn import_form(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditContacts).await?;
    Ok(visitor.page(200, "import.html", "contacts", json!({"columns": roster::COLUMNS})).await)
}

/// Looks through a list and shows what it would do; writes it when it is confirmed and every row is right, 200 rows at a time.
pub async fn import(State(app): State<Arc<App>>, headers: HeaderMap, mut form: Multipart) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditContacts).await?;
    if visitor.scope() != Scope::All {
        return Err(Refusal::NotFound); // a list may name customers he may not see
    }
    let (mut csrf, mut list, mut confirmed) = (String::new(), String::new(), false);
    while let Some(part) = form.next_field().await.map_err(|_| Refusal::Notice(413, "file"))? {
        match part.name().unwrap_or("") {
            "csrf" => csrf = part.text().await.map_err(|_| Refusal::Foreign)?,
            "confirmed" => confirmed = part.text().await.is_ok(),
            "list" | "file" => {
                let bytes = part.bytes().await.map_err(|_| Refusal::Notice(413, "file"))?;
                if !bytes.is_empty() {
                    list = String::from_utf8(bytes.to_vec()).map_err(|_| Refusal::Notice(422, "utf8"))?;
                }
            }
            _ => {}
        }
    }
    visitor.check(&headers, &csrf)?;
    let rows = match table::read(list.trim_start_matches('\u{feff}')) {
        Ok(rows) if !rows.is_empty() && rows.len() <= MAX_ROWS => rows,
        _ => return Err(Refusal::Notice(422, "list")),
    };
    let total = rows.len();
    let mut ignored: Vec<&String> = rows.iter().flat_map(|(_, row)| row.keys()).filter(|name| !roster::COLUMNS.contains(&name.as_str())).collect();
    ignored.sort_unstable();
    ignored.dedup();
    let ignored: Vec<String> = ignored.into_iter().cloned().collect();
    let read: Vec<(usize, Result<Person, RowError>)> = rows.iter().map(|(line, row)| (*line, roster::read(row))).collect();
    let wrong: Vec<Value> = read.iter().filter_map(|(line, row)| row.as_ref().err().map(|why| json!({"line": line, "why": why.told().0, "given": why.told().1}))).collect();
    let people: Vec<Person> = read.into_iter().filter_map(|(_, row)| row.ok()).collect();
    let repeated = people.len() - people.iter().map(|person| person.phone.as_str()).collect::<std::collections::HashSet<_>>().len();
    if confirmed && wrong.is_empty() {
        // in short transactions, so that deliveries come in between; each row may be put twice, so an import cut short is sent again
        let actor = visitor.actor();
        for some in people.chunks(IMPORTED_AT_ONCE) {
            let (some, by) = (some.to_vec(), actor.clone());
            app.store
                .write(move |tx| -> Result<(), StoreError> {
                    let new = some.iter().map(|person| roster::put(tx, person, &by).map(|(_, new)| usize::from(new))).sum::<Result<usize, _>>()?;
                    tx.audit(&by, "contacts.imported", "contacts", &json!({"rows": some.len(), "new": new}).to_string())
                })
                .await?;
        }
        return Ok(see(&format!("/contacts?done={total}")));
    }
    let first: Vec<Person> = people.iter().take(SHOWN).cloned().collect();
    let (known, shown) = app
        .store
        .read(move |connection| -> Result<_, StoreError> {
            let mut known = 0;
            for person in &people {
                known += usize::from(roster::known(connection, &person.phone)?.is_some());
            }
            let mut shown = Vec::new();
            for person in &first {
                shown.push(json!({"phone": person.phone.as_str(), "name": person.name, "email": person.email, "labels": person.labels.join(", "), "new": roster::known(connection, &person.phone)?.is_none()}));
            }
            Ok((known, shown))
        })
        .await?;
    let right = total - wrong.len();
    let values = json!({
        "columns": roster::COLUMNS, "total": total, "wrong_count": wrong.len(), "wrong": wrong.into_iter().take(SHOWN).collect::<Vec<_>>(), "known": known, "new": right - known - repeated.min(right - known), "repeated": repeated, "ignored": ignored.join(", "), "more": right.saturating_sub(shown.len()), "rows": shown, "list": list,
    });
    Ok(visitor.page(200, "import.html", "contacts", values).await)
}

/// Which file.
#[derive(Deserialize, Default)]
pub struct ExportQuery {
    format: Option<String>,
    expr: Option<String>,
}

/// Exports the team may take from a page.
const EXPORTS: [&str; 7] = ["contacts", "bookings", "payments", "conversations", "labels", "label-events", "custom-audience"];

/// A file of contacts, conversations, labels or what happened to labels; hashes for an audience.
pub async fn export(State(app): State<Arc<App>>, headers: HeaderMap, Path(what): Path<String>, Query(query): Query<ExportQuery>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditLabels).await?; // leaders: a whole list leaves the house
    if !EXPORTS.contains(&what.as_str()) {
        return Err(Refusal::NotFound);
    }
    let (format, extension) = if query.format.as_deref() == Some("xlsx") && what != "custom-audience" { (Format::Xlsx, "xlsx") } else { (Format::Csv, "csv") };
    let (database, zone, now_ms, name) = (app.store.dir.database(), app.settings().zone, app.now_ms(), what.clone());
    let expr = query.expr.filter(|expr| !expr.trim().is_empty());
    let made = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<u8>> {
        let reader = readers::open_reader(&database)?; // a long read of its own, so that no page waits for it
        let mut out = Vec::new();
        if what == "custom-audience" {
            audience::write(&reader, expr.as_deref(), now_ms, &mut out)?;
        } else if let Some(kind) = export::find(&what) {
            export::write(&reader, kind, Span::ALL, zone, format, &mut out, &mut |_| {})?;
        }
        Ok(out)
    })
    .await;
    let bytes = match made {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => {
            tracing::info!(%error, "an export was not made");
            return Err(Refusal::Notice(422, "export"));
        }
        Err(_) => return Err(Refusal::Notice(500, "broken")),
    };
    let (actor, detail, object) = (visitor.actor(), json!({"bytes": bytes.len()}).to_string(), format!("export:{name}"));
    app.store.write(move |tx| tx.audit(&actor, "export.downloaded", &object, &detail)).await?;
    let file = format!("attachment; filename=\"{name}-{}.{extension}\"", app.settings().day_of(now_ms));
    Ok(([(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, file)], bytes).into_response())
}
