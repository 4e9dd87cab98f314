//! `GET /openapi.json`.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The description of every JSON contract.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// The handler.
pub async fn document() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// Path and method of every route in the table that speaks JSON or is otherwise part of the contract.
    fn routes() -> BTreeSet<(String, String)> {
        let table = include_str!("../routes.rs");
        let mut found = BTreeSet::new();
        for route in table.split(".route(\"").skip(1) {
            let (path, rest) = route.split_once('"').unwrap();
            let handlers = rest.split(".route(").next().unwrap().lines().next().unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                let at = |prefix: &str| handlers.contains(&format!("{prefix}{method}("));
                if at(" ") || at(").") || at("(") {
                    found.insert((path.to_owned(), method.to_owned()));
                }
            }
        }
        found
    }

    #[test]
    fn it_describes_every_route_and_no_other() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        let described: BTreeSet<(String, String)> = document["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |method| (path.clone(), method.clone())))
            .collect();
        let routes = routes();
        assert!(routes.len() > 10, "the table is read: {routes:?}");
        assert_eq!(described, routes);
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document: Value = serde_json::from_str(DOCUMENT).unwrap();
        for reference in DOCUMENT.split("\"$ref\": \"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
