//! Keyword flows: the list, and the tree of one with its words, counts, draft and published form. The whole tree is one
//! form, so that nothing typed is lost when a branch is added or taken away.

use super::replay;
use super::{Form, Refusal, Visitor, enter, see};
use crate::app::App;
use crate::bot::flow::{Flow, Node};
use crate::bot::flow_map;
use crate::chat::flow::{self, FlowError};
use crate::db::StoreError;
use crate::web::policy::Action;
use crate::worker::replay::Draft;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;

/// The list.
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let flows = app.store.read(flow::list).await?;
    let rows: Vec<Value> =
        flows.iter().map(|kept| json!({"key": kept.draft.key, "name": kept.draft.name, "nodes": kept.draft.nodes.len(), "published": kept.published.is_some(), "changed": kept.published.as_ref().is_some_and(|published| *published != kept.draft), "updated_at": kept.updated_at})).collect();
    Ok(visitor.page(200, "flows.html", "bot", json!({"rows": rows})).await)
}

/// What just happened.
#[derive(Deserialize, Default)]
pub struct Done {
    done: Option<String>,
    /// `canvas`: drawn as a tree; else the list, where it is edited.
    view: Option<String>,
}

/// One flow.
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Path(key): Path<String>, Query(done): Query<Done>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::View).await?;
    let wanted = key.clone();
    let kept = app.store.read(move |connection| flow::find(connection, &wanted)).await?.ok_or(Refusal::NotFound)?;
    if done.view.as_deref() == Some("canvas") {
        return canvas(&app, &visitor, &kept.draft).await;
    }
    tree(&app, &visitor, 200, &kept.draft, None, kept.published.is_some(), kept.published.as_ref() != Some(&kept.draft), done.done.is_some()).await
}

/// The same tree drawn; each box leads to its place in the list.
async fn canvas(app: &Arc<App>, visitor: &Visitor, flow: &Flow) -> Result<Response, Refusal> {
    let key = flow.key.clone();
    let counts: HashMap<String, i64> = app.store.read(move |connection| -> Result<_, StoreError> { Ok(flow::counts(connection, &key)?.into_iter().collect()) }).await?;
    let map = flow_map::lay_out(flow);
    let boxes: Vec<Value> = map
        .boxes
        .iter()
        .map(|placed| {
            let node = &flow.nodes[placed.node];
            let short = |words: &str, most: usize| crate::kernel::text::preview(words, most);
            json!({"x": placed.x, "y": placed.y, "id": node.id, "title": short(&node.title, 22), "keywords": short(&node.keywords.join(", "), 30), "person": node.person, "count": counts.get(&node.id).copied().unwrap_or(0)})
        })
        .collect();
    let values = json!({"key": flow.key, "name": flow.name, "map": map, "boxes": boxes});
    Ok(visitor.page(200, "flow_canvas.html", "bot", values).await)
}

#[allow(clippy::too_many_arguments)] // the states of one page
async fn tree(app: &Arc<App>, visitor: &Visitor, status: u16, flow: &Flow, wrong: Option<&str>, published: bool, changed: bool, done: bool) -> Result<Response, Refusal> {
    let key = flow.key.clone();
    let counts: HashMap<String, i64> = app.store.read(move |connection| -> Result<_, StoreError> { Ok(flow::counts(connection, &key)?.into_iter().collect()) }).await?;
    let mut rows = Vec::new();
    fn put(flow: &Flow, parent: Option<&str>, depth: usize, counts: &HashMap<String, i64>, rows: &mut Vec<Value>) {
        for node in flow.nodes.iter().filter(|node| node.parent.as_deref() == parent) {
            rows.push(json!({"n": node, "keywords": node.keywords.join(", "), "depth": depth.min(6), "count": counts.get(&node.id).copied().unwrap_or(0)}));
            if depth < 50 {
                put(flow, Some(&node.id), depth + 1, counts, rows);
            }
        }
    }
    put(flow, None, 0, &counts, &mut rows);
    let values = json!({"key": flow.key, "name": flow.name, "rows": rows, "wrong": wrong, "published": published, "changed": changed, "done": done});
    Ok(visitor.page(status, "flow.html", "bot", values).await)
}

/// A new flow: its name.
#[derive(Deserialize)]
pub struct New {
    csrf: String,
    name: String,
}

/// Makes one with a first node.
pub async fn make(State(app): State<Arc<App>>, headers: HeaderMap, Form(form): Form<New>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    visitor.check(&headers, &form.csrf)?;
    let name = crate::kernel::text::clean(form.name.trim(), 100);
    if name.is_empty() {
        return Ok(see("/bot/flows"));
    }
    let tail = crate::kernel::ids::hex(&crate::kernel::ids::random::<2>());
    let words: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    let key = format!("{}-{tail}", words.trim_matches('-'));
    let first = Node { id: "awal".into(), title: crate::kernel::text::cut(&name, 60).to_owned(), keywords: vec!["menu".into()], say: "Silakan pilih:".into(), ..Node::default() };
    let flow = Flow { key: key.clone(), name, nodes: vec![first] };
    let actor = visitor.actor();
    app.store.write(move |tx| flow::put(tx, &actor, &flow, false)).await.map_err(|error| match error {
        FlowError::Db(error) => Refusal::Trouble(error),
        _ => Refusal::NotFound,
    })?;
    Ok(see(&format!("/bot/flows/{key}")))
}

/// Writes the tree as sent: `title.ID`, `keywords.ID`, `say.ID`, `say_en.ID`, `parent.ID`, `person.ID`, in the order of
/// `order`; then adds a branch, takes one away, publishes, withdraws or tries it on the past.
pub async fn save(State(app): State<Arc<App>>, headers: HeaderMap, Path(key): Path<String>, Form(sent): Form<HashMap<String, String>>) -> Result<Response, Refusal> {
    let visitor = enter(&app, &headers, Action::EditBot).await?;
    let text = |name: &str| sent.get(name).map_or("", String::as_str).replace("\r\n", "\n").trim().to_owned();
    visitor.check(&headers, &text("csrf"))?;
    let wanted = key.clone();
    let kept = app.store.read(move |connection| flow::find(connection, &wanted)).await?.ok_or(Refusal::NotFound)?;
    let mut nodes: Vec<Node> = text("order")
        .split(',')
        .filter(|id| !id.is_empty())
        .map(|id| Node {
            id: id.to_owned(),
            parent: Some(text(&format!("parent.{id}"))).filter(|parent| !parent.is_empty()),
            title: text(&format!("title.{id}")),
            keywords: text(&format!("keywords.{id}")).split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect(),
            say: text(&format!("say.{id}")),
            say_en: Some(text(&format!("say_en.{id}"))).filter(|said| !said.is_empty()),
            person: sent.contains_key(&format!("person.{id}")),
        })
        .collect();
    if let Some(parent) = sent.get("add") {
        let id = format!("n{}", crate::kernel::ids::hex(&crate::kernel::ids::random::<3>()));
        nodes.push(Node { id, parent: Some(parent.clone()), title: "…".into(), say: "…".into(), ..Node::default() });
    }
    if let Some(gone) = sent.get("drop") {
        // a branch goes with all that hangs on it
        let mut dropped = vec![gone.clone()];
        while let Some(id) = dropped.pop() {
            dropped.extend(nodes.iter().filter(|node| node.parent.as_deref() == Some(id.as_str())).map(|node| node.id.clone()));
            nodes.retain(|node| node.id != id);
        }
    }
    let flow = Flow { key: key.clone(), name: text("name"), nodes };
    let (publish, withdraw, actor) = (sent.contains_key("publish"), sent.contains_key("withdraw"), visitor.actor());
    let copy = flow.clone();
    let done = app
        .store
        .write(move |tx| -> Result<(), FlowError> {
            flow::put(tx, &actor, &copy, publish)?;
            if withdraw { flow::withdraw(tx, &actor, &copy.key) } else { Ok(()) }
        })
        .await;
    match done {
        Ok(()) if sent.contains_key("replay") => {
            let named = json!({"flow": flow.name});
            replay::queue(&app, &visitor.actor(), &Draft { flows: vec![flow], ..Draft::default() }, &named).await
        }
        Ok(()) => Ok(see(&format!("/bot/flows/{key}?done=1"))),
        Err(FlowError::Invalid(why)) => tree(&app, &visitor, 422, &flow, Some(&why), kept.published.is_some(), true, false).await,
        Err(FlowError::NoSuchFlow) => Err(Refusal::NotFound),
        Err(FlowError::Db(error)) => Err(error.into()),
    }
}
