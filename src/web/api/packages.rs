//! `GET /api/packages`, `GET|PUT|PATCH /api/packages/{CODE}`.

use super::auth::Caller;
use super::body::JsonBody;
use crate::app::App;
use crate::travel::package::{self, Package, PackageError};
use crate::web::error::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

fn shown(package: &Package) -> Value {
    let mut value = json!(package);
    value["seats_left"] = json!(package.seats_left());
    value
}

/// The package as it stands now, and the fields of the body that are none of a package's.
fn answer(package: &Package, sent: &Value) -> Value {
    let mut value = shown(package);
    let ignored: Vec<&String> = sent.as_object().into_iter().flatten().map(|(name, _)| name).filter(|name| value.get(name.as_str()).is_none()).collect();
    value["ignored_fields"] = json!(ignored);
    value
}

/// All packages.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, ApiError> {
    let packages = app.store.read(package::list).await?;
    Ok(Json(json!({"packages": packages.iter().map(|(_, package)| shown(package)).collect::<Vec<_>>()})))
}

/// One package.
pub async fn get(State(app): State<Arc<App>>, Path(code): Path<String>) -> Result<Json<Value>, ApiError> {
    let found = app.store.read(move |connection| package::find(connection, &code)).await?;
    found.map(|(_, package)| Json(shown(&package))).ok_or_else(|| ApiError::not_found("the package"))
}

/// Writes a whole package (PUT): 201 when new.
pub async fn put(State(app): State<Arc<App>>, caller: Caller, Path(code): Path<String>, JsonBody(mut body): JsonBody<Value>) -> Result<(StatusCode, Json<Value>), ApiError> {
    if body["code"].as_str().is_some_and(|inner| !inner.trim().eq_ignore_ascii_case(code.trim())) {
        return Err(ApiError::field("code", "code: differs from the one in the address"));
    }
    body["code"] = code.into();
    let package = Package::from_json(None, &body)?;
    let (new, kept) = app
        .store
        .write(move |tx| -> Result<_, PackageError> {
            let new = package::put(tx, &caller.actor, &package)?;
            let (_, kept) = package::find(tx, &package.code)?.ok_or_else(|| PackageError::NoSuchPackage(package.code.clone()))?;
            Ok((new, kept))
        })
        .await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(answer(&kept, &body))))
}

/// Changes the fields that are there (PATCH).
pub async fn patch(State(app): State<Arc<App>>, caller: Caller, Path(code): Path<String>, JsonBody(body): JsonBody<Value>) -> Result<Json<Value>, ApiError> {
    if body["code"].as_str().is_some_and(|inner| !inner.trim().eq_ignore_ascii_case(code.trim())) {
        return Err(ApiError::field("code", "code: a package keeps its code"));
    }
    let sent = body.clone();
    let changed = app
        .store
        .write(move |tx| -> Result<Package, PackageError> {
            let (_, before) = package::find(tx, &code)?.ok_or_else(|| PackageError::NoSuchPackage(code.clone()))?;
            let after = Package::from_json(Some(&before), &body)?;
            package::put(tx, &caller.actor, &after)?;
            Ok(after)
        })
        .await?;
    Ok(Json(answer(&changed, &sent)))
}
