//! Packages: the list, the form, quota, and the files the bot sends. The form shows what the bot will say from it.

use super::{Form, Refusal, Visitor, enter, see};
use crate::app::App;
use crate::bot::reply::Recipe;
use crate::chat::media;
use crate::db::StoreError;
use crate::kernel::language::Language;
use crate::kernel::{rupiah, text};
use crate::travel::package::{self, Availability, NewMedia, Package, PackageError};
use crate::web::policy::Action;
use axum::extract::{Multipart, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// Largest upload: a file and the form around it.
pub const MAX_UPLOAD: usize = 17 << 20;

fn word(availability: Availability) -> &'static str {
    match availability {
        Availability::Open => "open",
        Availability::Full => "full",
        Availability::Closed => "closed",
        Availability::Departed => "departed",
    }
}

/// The list.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let today = app.settings().day_of(app.now_ms());
    let rows = app
        .store
        .read(move |connection| -> Result<Vec<Value>, StoreError> {
            let mut rows = Vec::new();
            for (id, package) in package::list(connection)? {
                let picture = package::media(connection, id)?.into_iter().find(|media| media.kind == "image").and_then(|media| media.media_id);
                let mut row = json!(package);
                row["left"] = json!(package.seats_left());
                row["availability"] = json!(word(package.availability(today)));
                row["picture"] = json!(picture);
                rows.push(row);
            }
            // what can be sold first, what has left last
            rows.sort_by_key(|row| row["availability"] == "departed");
            Ok(rows)
        })
        .await?;
    Ok(visitor.page(200, "packages.html", "packages", json!({"rows": rows})).await)
}

/// What just happened, in the address.
#[derive(Deserialize, Default)]
pub struct Done {
    saved: Option<String>,
}

/// The form of a new package.
pub async fn blank(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditCatalog).await?;
    Ok(form(&app, &visitor, 200, json!({"new": true, "p": {"status": "open", "days": 9}})).await)
}

/// The form of a package.
pub async fn edit(State(app): State<Arc<App>>, headers: HeaderMap, Path(code): Path<String>, Query(done): Query<Done>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let found = app.store.read(move |connection| package::find(connection, &code)).await?.ok_or(Refusal::NotFound)?;
    let values = json!({"new": false, "p": typed(&found.1), "saved": done.saved.is_some()});
    Ok(form(&app, &visitor, 200, values).await)
}

/// The package as the form's fields hold it: money grouped, lists as lines.
fn typed(package: &Package) -> Value {
    let mut fields = json!(package);
    for (name, value) in fields.as_object_mut().into_iter().flatten() {
        if name.ends_with("_idr") {
            *value = value.as_i64().map_or(Value::Null, |idr| rupiah::full(idr).trim_start_matches("Rp").into());
        }
    }
    for name in ["features", "includes", "excludes"] {
        let lines: Vec<&str> = fields[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        fields[name] = lines.join("\n").into();
    }
    fields["itinerary"] = package.itinerary.iter().map(|day| day.text.clone()).collect::<Vec<_>>().join("\n").into();
    fields
}

async fn form(app: &Arc<App>, visitor: &Visitor, status: u16, mut values: Value) -> Response {
    let code = values["p"]["code"].as_str().unwrap_or("").to_owned();
    let today = app.settings().day_of(app.now_ms());
    let shared = Arc::clone(app);
    let more = app
        .store
        .read(move |connection| -> Result<Value, StoreError> {
            let Some((id, package)) = package::find(connection, &code)? else { return Ok(Value::Null) };
            let catalog = shared.catalog.at(connection)?;
            let recipe = Recipe::Card { code: package.code.clone(), greet: true, lang: Language::Id, hello: None, closing: None };
            let files = package::media(connection, id)?;
            let mut shown = Vec::new();
            for file in &files {
                let row = match file.media_id {
                    Some(id) => media::find(connection, id)?,
                    None => None,
                };
                shown.push(json!({"file": file, "bytes": row.as_ref().and_then(|row| row.bytes), "mime": row.as_ref().map(|row| row.mime.clone())}));
            }
            let chats: i64 =
                connection.query_row("SELECT count(*) FROM (SELECT 1 FROM conversation WHERE package_code = ?1 LIMIT 1000)", [&package.code], |row| row.get(0)).unwrap_or(0);
            let clicks: i64 = connection.query_row("SELECT ifnull(sum(clicks), 0) FROM campaign WHERE code = ?1", [&package.code], |row| row.get(0))?;
            Ok(json!({
                "first_answer": recipe.render(&catalog, today), "media": shown, "left": package.seats_left(), "availability": word(package.availability(today)),
                "quota": package.quota, "taken": package.seats_taken + package.seats_booked, "booked": package.seats_booked, "chats": chats, "clicks": clicks,
                "picture": files.iter().find(|file| file.kind == "image").and_then(|file| file.media_id),
            }))
        })
        .await
        .unwrap_or(Value::Null);
    values["live"] = more;
    values["public_url"] = json!(app.settings().text("server.public_url"));
    visitor.page(status, "package.html", "packages", values).await
}

/// Reads the form, checks, re-shows what was typed, or writes and goes back to the package.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Form(sent): Form<HashMap<String, String>>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditCatalog).await?;
    visitor.check(&headers, sent.get("csrf").map_or("", String::as_str))?;
    let new = sent.get("new").is_some_and(|new| new == "1");
    let read = read_form(&sent).and_then(|fields| Package::from_json(None, &Value::Object(fields)));
    let package = match read {
        Ok(package) => package,
        Err(PackageError::Invalid { field, .. }) => {
            return Ok(form(&app, &visitor, 422, json!({"new": new, "p": sent, "wrong_field": field})).await);
        }
        Err(PackageError::Store(error)) => return Err(error.into()),
        Err(PackageError::NoSuchPackage(_)) => return Err(Refusal::NotFound),
    };
    let (code, actor) = (package.code.clone(), visitor.actor());
    let written = app
        .store
        .write(move |tx| -> Result<bool, StoreError> {
            if new && package::find(tx, &package.code)?.is_some() {
                return Ok(false);
            }
            package::put(tx, &actor, &package)?;
            Ok(true)
        })
        .await?;
    if !written {
        return Ok(form(&app, &visitor, 422, json!({"new": true, "p": sent, "wrong_field": "code_taken"})).await);
    }
    Ok(see(&format!("/packages/{code}?saved=1")))
}

fn read_form(sent: &HashMap<String, String>) -> Result<Map<String, Value>, PackageError> {
    let mut fields = Map::new();
    for field in Package::FIELDS {
        let Some(given) = sent.get(*field).map(|value| value.trim()) else { continue };
        let value = match *field {
            "features" | "includes" | "excludes" => json!(given.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>()),
            "itinerary" => {
                let days = given.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate();
                json!(days.map(|(at, line)| json!({"day": at + 1, "text": line})).collect::<Vec<_>>())
            }
            name if given.is_empty() && !["code", "name", "price_idr", "departs", "days", "status", "seats_taken"].contains(&name) => Value::Null,
            "seats_taken" if given.is_empty() => json!(0),
            name if name.ends_with("_idr") => json!(rupiah::parse(given).ok_or(PackageError::Invalid { field, problem: String::new() })?),
            "days" | "quota" | "seats_taken" | "hotel_makkah_m" | "hotel_madinah_m" => {
                json!(given.replace('.', "").parse::<i64>().map_err(|_| PackageError::Invalid { field, problem: String::new() })?)
            }
            _ => json!(text::clean(given, 8_000)),
        };
        fields.insert((*field).to_owned(), value);
    }
    Ok(fields)
}

/// Adds a file or a place.
pub async fn upload(State(app): State<Arc<App>>, headers: HeaderMap, Path(code): Path<String>, mut parts: Multipart) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditCatalog).await?;
    let mut fields: HashMap<String, String> = HashMap::new();
    let mut file: Option<(String, Vec<u8>)> = None;
    let broken = || Refusal::Said(400, crate::web::view::words(visitor.language(), "upload-broken"));
    while let Some(part) = parts.next_field().await.map_err(|_| broken())? {
        let name = part.name().unwrap_or("").to_owned();
        if name == "file" {
            let file_name = part.file_name().unwrap_or("").to_owned();
            let bytes = part.bytes().await.map_err(|_| broken())?;
            if !bytes.is_empty() {
                file = Some((file_name, bytes.to_vec()));
            }
        } else {
            fields.insert(name, part.text().await.map_err(|_| broken())?);
        }
    }
    visitor.check(&headers, fields.get("csrf").map_or("", String::as_str))?;
    let kind = fields.get("kind").cloned().unwrap_or_default();
    let title = fields.get("title").and_then(|title| text::clean_name(title));
    let refuse = |key: &str| Refusal::Said(422, crate::web::view::words(visitor.language(), key));
    let place = (kind == "location").then(|| {
        let number = |name: &str| fields.get(name).and_then(|value| value.trim().replace(',', ".").parse::<f64>().ok()).filter(|n| n.is_finite() && n.abs() <= 180.0);
        number("latitude").filter(|n| n.abs() <= 90.0).zip(number("longitude"))
    });
    let stored = match (&place, file) {
        (Some(None), _) => return Err(refuse("upload-place")),
        (Some(Some(_)), _) => None,
        (None, None) => return Err(refuse("upload-none")),
        (None, Some((name, bytes))) => {
            let mime = media::sniff(&bytes).unwrap_or("");
            let fits = match kind.as_str() {
                "image" => mime == "image/jpeg" || mime == "image/png",
                "brochure" | "itinerary" => mime == "application/pdf",
                "video" => mime == "video/mp4",
                _ => false,
            };
            if !fits {
                return Err(refuse("upload-type"));
            }
            let dir = app.store.dir.clone();
            let size = bytes.len();
            let kept = tokio::task::spawn_blocking(move || media::keep_bytes(&dir, &bytes)).await.ok().and_then(Result::ok);
            let sha = kept.ok_or(Refusal::Trouble(StoreError::Unavailable("media".into())))?;
            Some((sha, mime, size, text::clean_name(&name).unwrap_or_else(|| "file".into())))
        }
    };
    let actor = visitor.actor();
    let back = format!("/packages/{code}?saved=1#media");
    app.store
        .write(move |tx| -> Result<(), StoreError> {
            let Some((package_id, _)) = package::find(tx, &code)? else { return Ok(()) };
            let media_id = match &stored {
                Some((sha, mime, size, name)) => Some(media::own(tx, sha, mime, *size, name)?),
                None => None,
            };
            let fallback = stored.as_ref().map_or_else(|| kind.clone(), |(_, _, _, name)| name.clone());
            let title = title.clone().unwrap_or(fallback);
            package::add_media(tx, &actor, package_id, &NewMedia { kind: &kind, media_id, title: &title, place: place.flatten() })?;
            Ok(())
        })
        .await?;
    Ok(see(&back))
}

/// Takes a file off.
pub async fn remove_media(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path((code, id)): Path<(String, i64)>,
    Form(form): Form<super::chats::Bare>,
) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditCatalog).await?;
    visitor.check(&headers, &form.csrf)?;
    let actor = visitor.actor();
    app.store.write(move |tx| package::remove_media(tx, &actor, id)).await?;
    Ok(see(&format!("/packages/{code}#media")))
}

/// Moves a file up in the sending order.
pub async fn raise_media(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Path((code, id)): Path<(String, i64)>,
    Form(form): Form<super::chats::Bare>,
) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditCatalog).await?;
    visitor.check(&headers, &form.csrf)?;
    app.store.write(move |tx| package::raise_media(tx, id)).await?;
    Ok(see(&format!("/packages/{code}#media")))
}
