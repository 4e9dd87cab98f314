//! A fake WAHA on loopback: takes sends, keeps them, echoes receipts, and misbehaves on request. To try things by hand:
//!
//! ```text
//! cargo run --example fake_waha -- 127.0.0.1:3000
//! kafilah set whatsapp.provider waha && kafilah set waha.url http://127.0.0.1:3000
//! curl 127.0.0.1:3000/_sent
//! curl -X POST '127.0.0.1:3000/_chaos?fail=0.3&busy=0.1&lie=0.1&wait_ms=500'   # 500s, 429s, delivered but told 500
//! curl -X POST '127.0.0.1:3000/_chaos?always=463'                              # every send; always=0 ends it
//! curl -X POST '127.0.0.1:3000/_chaos?session=SCAN_QR_CODE&own_ids=1'          # a session that is down, ids of its own
//! ```
//! The tests use the same server in their own process.

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One call to a send address.
#[derive(Clone, Debug)]
pub struct Sent {
    /// `/api/sendText`, …
    pub path: String,
    /// Address.
    pub chat: String,
    /// Text or caption.
    pub text: String,
    /// Id we gave it, bare.
    pub id: String,
    /// It reached the customer, whatever the caller heard.
    pub delivered: bool,
    /// Full id of the message it answers.
    pub reply_to: Option<String>,
    /// When it came.
    pub at: Instant,
}

/// How it misbehaves.
#[derive(Clone, Debug)]
pub struct Chaos {
    /// Share of sends answered 500, not delivered.
    pub fail: f64,
    /// Share answered 429 with `Retry-After: 1`.
    pub busy: f64,
    /// Share delivered and then answered 500: the caller cannot know.
    pub deliver_and_fail: f64,
    /// Every send gets this status.
    pub always: Option<u16>,
    /// The next so many sends get this status.
    pub next: Vec<u16>,
    /// Wait before answering.
    pub wait: Duration,
    /// Wait before "typing…" is answered.
    pub typing_wait: Duration,
    /// Ids of our own choosing are not honoured (as on WEBJS).
    pub own_ids: bool,
    /// Status of the session.
    pub session: String,
    /// The engine it says it runs on.
    pub engine: String,
}

impl Default for Chaos {
    fn default() -> Self {
        Self {
            fail: 0.0,
            busy: 0.0,
            deliver_and_fail: 0.0,
            always: None,
            next: vec![],
            wait: Duration::ZERO,
            typing_wait: Duration::ZERO,
            own_ids: false,
            session: "WORKING".into(),
            engine: "GOWS".into(),
        }
    }
}

/// What it knows.
#[derive(Default)]
pub struct Memory {
    /// Every send, in order.
    pub sent: Vec<Sent>,
    /// Other calls: method and path.
    pub calls: Vec<String>,
    /// When "typing…" was begun.
    pub typed_at: Vec<Instant>,
    /// Message payloads the history holds.
    pub history: Vec<Value>,
    /// LID digits to phone digits.
    pub lids: HashMap<String, String>,
    /// Files by path below `/api/files/`.
    pub files: HashMap<String, Vec<u8>>,
    /// Labels of the account: id, name, colour.
    pub labels: Vec<(String, String, i64)>,
    /// Labels on chats: chat (of a session that is not the default one: `session/chat`), label id.
    pub chat_labels: Vec<(String, String)>,
    /// Renaming and recolouring are refused.
    pub refuses_label_changes: bool,
    /// The phone's address book: chat, name.
    pub book: Vec<(String, String)>,
    /// Session configuration as it was set.
    pub config: Value,
    /// How it misbehaves.
    pub chaos: Chaos,
    serial: u64,
    seed: u64,
}

/// The server.
#[derive(Clone)]
pub struct FakeWaha {
    memory: Arc<Mutex<Memory>>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl FakeWaha {
    /// Starts it on `listen` (port 0: any) in a thread of its own.
    pub fn start(listen: &str) -> Self {
        let memory = Arc::new(Mutex::new(Memory { seed: 42, ..Memory::default() }));
        let std_listener = std::net::TcpListener::bind(listen).expect("the fake gateway can listen");
        std_listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let address = std_listener.local_addr().expect("a bound listener has an address");
        let theirs = Arc::clone(&memory);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(std_listener).expect("a listener");
                serve(listener, router(theirs)).await;
            });
        });
        Self { memory, address }
    }

    /// Looks at or changes what it knows.
    pub fn memory(&self) -> MutexGuard<'_, Memory> {
        lock(&self.memory)
    }

    /// `chat: text` of everything delivered, in order.
    pub fn delivered(&self) -> Vec<String> {
        self.memory().sent.iter().filter(|sent| sent.delivered).map(|sent| format!("{}: {}", sent.chat, sent.text)).collect()
    }

    /// Its address as a setting.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(listener: tokio::net::TcpListener, router: Router) {
    use tower::ServiceExt;
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let router = router.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| router.clone().oneshot(request.map(axum::body::Body::new)));
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(hyper_util::rt::TokioIo::new(stream), service).await; // the peer went away
        });
    }
}

type Shared = Arc<Mutex<Memory>>;

fn lock(memory: &Mutex<Memory>) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

fn router(memory: Shared) -> Router {
    let mut router = Router::new();
    for path in ["/api/sendText", "/api/sendImage", "/api/sendFile", "/api/sendVideo", "/api/sendVoice", "/api/sendLocation"] {
        router = router.route(path, post(move |state, body| send(path, state, body)));
    }
    router
        .route("/api/sendSeen", post(|| async { Json(json!({"result": true})) }))
        .route("/api/startTyping", post(note_typing))
        .route("/api/stopTyping", post(|| async { Json(json!({"result": true})) }))
        .route("/api/{session}/presence/{chat}/subscribe", post(watch_typing))
        .route("/api/{session}/new-message-id", get(new_id))
        .route("/api/{session}/chats/{chat}/messages/{id}", get(one_message))
        .route("/api/{session}/chats/overview", get(overview))
        .route("/api/{session}/chats/{chat}/messages", get(history))
        .route("/api/{session}/lids/{lid}", get(lid))
        .route("/api/{session}/labels", get(labels).post(make_label))
        .route("/api/{session}/labels/{label}", axum::routing::put(change_label).delete(delete_label))
        .route("/api/{session}/labels/{label}/chats", get(label_chats))
        .route("/api/{session}/labels/chats/{chat}", get(chat_labels).put(set_chat_labels))
        .route("/api/contacts/all", get(book))
        .route("/api/{session}/auth/qr", get(|| async { Json(json!({"value": "2@FAKEQR,KEY1,KEY2,KEY3,1"})) }))
        .route("/api/{session}/auth/request-code", post(|| async { (StatusCode::CREATED, Json(json!({"code": "ABCD-EFGH"}))) }))
        .route("/api/sessions", post(make_session))
        .route("/api/sessions/{name}", get(session).put(make_session_named))
        .route("/api/sessions/{name}/{verb}", post(session_verb))
        .route("/api/server/version", get(|| async { Json(json!({"version": "2026.8.1", "engine": "GOWS", "tier": "CORE"})) }))
        .route("/api/server/status", get(|| async { Json(json!({"startTimestamp": 1_700_000_000_000i64, "uptime": 1})) }))
        .route("/api/files/{session}/{name}", get(file))
        .route("/_sent", get(sent))
        .route("/_chaos", post(chaos))
        .with_state(memory)
}

fn roll(memory: &mut Memory) -> f64 {
    // a small generator with a fixed seed: a failing run can be repeated
    memory.seed = memory.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (memory.seed >> 11) as f64 / (1u64 << 53) as f64
}

async fn send(path: &'static str, State(memory): State<Shared>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (status, id, wait) = {
        let mut memory = lock(&memory);
        memory.serial += 1;
        let chaos = memory.chaos.clone();
        let given = body["id"].as_str().filter(|_| !chaos.own_ids).map(str::to_owned);
        let id = given.unwrap_or_else(|| format!("3EB0{:018X}", memory.serial + 0xABCD_0000));
        let draw = roll(&mut memory);
        let forced = if memory.chaos.next.is_empty() { chaos.always } else { Some(memory.chaos.next.remove(0)) };
        let (status, delivered) = match forced {
            Some(201) => (201, true),
            Some(status) => (status, false),
            None if chaos.session != "WORKING" => (422, false),
            None if draw < chaos.fail => (500, false),
            None if draw < chaos.fail + chaos.busy => (429, false),
            None if draw < chaos.fail + chaos.busy + chaos.deliver_and_fail => (500, true),
            None => (201, true),
        };
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let sent = Sent {
            path: path.into(),
            chat: text("chatId").unwrap_or_default(),
            text: text("text").or(text("caption")).or(text("title")).unwrap_or_default(),
            id: id.clone(),
            delivered,
            reply_to: text("reply_to"),
            at: Instant::now(),
        };
        memory.sent.push(sent);
        (status, id, chaos.wait)
    };
    tokio::time::sleep(wait).await;
    let chat = body["chatId"].as_str().unwrap_or("");
    match status {
        201 => (StatusCode::CREATED, Json(json!({"id": format!("true_{chat}_{id}"), "_data": {}}))).into_response(),
        429 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")], Json(json!({"message": "Too Many Requests"}))).into_response(),
        422 => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": "Session status is not as expected", "status": lock(&memory).chaos.session, "expected": ["WORKING"]})))
            .into_response(),
        463 => (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"statusCode": 500, "exception": {"message": "server returned error 463"}}))).into_response(),
        other => {
            (StatusCode::from_u16(other).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(json!({"statusCode": other, "exception": {"message": "on request"}}))).into_response()
        }
    }
}

async fn note_typing(State(memory): State<Shared>, body: Bytes) -> Json<Value> {
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let wait = {
        let mut memory = lock(&memory);
        memory.calls.push(format!("typing {}", body["chatId"].as_str().unwrap_or("")));
        memory.typed_at.push(Instant::now());
        memory.chaos.typing_wait
    };
    tokio::time::sleep(wait).await;
    Json(json!({"result": true}))
}

async fn watch_typing(State(memory): State<Shared>, Path((_, chat)): Path<(String, String)>) -> StatusCode {
    lock(&memory).calls.push(format!("watch {chat}"));
    StatusCode::CREATED
}

async fn new_id(State(memory): State<Shared>) -> Response {
    let mut memory = lock(&memory);
    if memory.chaos.own_ids {
        return (StatusCode::NOT_IMPLEMENTED, Json(json!({"message": "not supported", "statusCode": 501}))).into_response();
    }
    memory.serial += 1;
    Json(json!({"id": format!("3EB0{:018X}", memory.serial)})).into_response()
}

async fn one_message(State(memory): State<Shared>, Path((_, _, id)): Path<(String, String, String)>) -> Response {
    let mut memory = lock(&memory);
    memory.calls.push(format!("look {id}"));
    let bare = id.rsplit('_').next().unwrap_or(&id);
    let ours = memory.sent.iter().any(|sent| sent.delivered && sent.id == bare);
    let theirs = memory.history.iter().find(|payload| payload["id"].as_str().is_some_and(|full| full.ends_with(bare))).cloned();
    match (ours, theirs) {
        (_, Some(payload)) => Json(payload).into_response(),
        (true, None) => Json(json!({"id": id, "fromMe": true, "ack": 1})).into_response(),
        (false, None) => (StatusCode::NOT_FOUND, Json(json!({"message": "Message not found", "statusCode": 404}))).into_response(),
    }
}

async fn overview(State(memory): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let memory = lock(&memory);
    let number = |name: &str| query.get(name).and_then(|n| n.parse::<usize>().ok());
    let mut chats: Vec<&str> = memory.history.iter().filter_map(|payload| payload["from"].as_str()).collect();
    chats.sort_unstable();
    chats.dedup();
    let rows = chats.into_iter().map(|chat| json!({"id": chat, "name": null, "lastMessage": {"timestamp": chrono::Utc::now().timestamp()}}));
    Json(rows.skip(number("offset").unwrap_or(0)).take(number("limit").unwrap_or(100)).collect())
}

async fn history(State(memory): State<Shared>, Path((_, chat)): Path<(String, String)>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let mut memory = lock(&memory);
    memory.calls.push(format!("history {chat}"));
    let number = |name: &str| query.get(name).and_then(|n| n.parse::<usize>().ok());
    let mut all: Vec<Value> = memory.history.clone();
    if chat == "all" && matches!(memory.chaos.engine.as_str(), "WEBJS" | "WPP") {
        return Json(Value::Array(Vec::new())); // these engines know single chats only
    }
    if chat != "all" {
        let ours = memory.sent.iter().filter(|sent| sent.delivered && sent.chat == chat);
        all.retain(|payload| payload["from"] == chat.as_str());
        all.extend(ours.map(|sent| json!({"id": format!("true_{}_{}", sent.chat, sent.id), "fromMe": true, "body": sent.text, "timestamp": chrono::Utc::now().timestamp()})));
    }
    let since = query.get("filter.timestamp.gte").and_then(|n| n.parse::<i64>().ok()).unwrap_or(0);
    all.retain(|payload| payload["timestamp"].as_i64().unwrap_or(i64::MAX) >= since);
    Json(all.into_iter().skip(number("offset").unwrap_or(0)).take(number("limit").unwrap_or(100)).collect())
}

async fn lid(State(memory): State<Shared>, Path((_, lid)): Path<(String, String)>) -> Json<Value> {
    let digits = lid.split('@').next().unwrap_or("").to_owned();
    let phone = lock(&memory).lids.get(&digits).map(|phone| format!("{phone}@c.us"));
    Json(json!({"lid": format!("{digits}@lid"), "pn": phone}))
}

fn label_json((id, name, color): &(String, String, i64)) -> Value {
    json!({"id": id, "name": name, "color": color, "colorHex": "#00a0f2"})
}

async fn labels(State(memory): State<Shared>) -> Json<Value> {
    Json(lock(&memory).labels.iter().map(label_json).collect())
}

async fn make_label(State(memory): State<Shared>, Json(body): Json<Value>) -> Response {
    let mut memory = lock(&memory);
    let name = body["name"].as_str().unwrap_or("").to_owned();
    if memory.labels.len() >= 20 || memory.labels.iter().any(|label| label.1 == name) {
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"message": "20 labels exist, or this one does", "statusCode": 422}))).into_response();
    }
    let label = ((memory.labels.len() + 1).to_string(), name, body["color"].as_i64().unwrap_or(0));
    memory.labels.push(label.clone());
    (StatusCode::CREATED, Json(label_json(&label))).into_response()
}

async fn change_label(State(memory): State<Shared>, Path((_, id)): Path<(String, String)>, Json(body): Json<Value>) -> Response {
    let mut memory = lock(&memory);
    memory.calls.push(format!("rename label {id}"));
    let name = body["name"].as_str();
    if memory.refuses_label_changes || name.is_some_and(|name| memory.labels.iter().any(|label| label.1 == name)) {
        return (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"message": "a label of that name exists", "statusCode": 422}))).into_response();
    }
    match memory.labels.iter_mut().find(|label| label.0 == id) {
        Some(label) => {
            label.1 = body["name"].as_str().unwrap_or(&label.1).to_owned();
            label.2 = body["color"].as_i64().unwrap_or(label.2);
            Json(label_json(label)).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn delete_label(State(memory): State<Shared>, Path((_, id)): Path<(String, String)>) -> StatusCode {
    let mut memory = lock(&memory);
    memory.labels.retain(|label| label.0 != id);
    memory.chat_labels.retain(|(_, label)| *label != id);
    StatusCode::OK
}

/// Where a session's chat stands in [`Memory::chat_labels`].
fn place(session: &str, chat: &str) -> String {
    if session == "default" { chat.to_owned() } else { format!("{session}/{chat}") }
}

async fn label_chats(State(memory): State<Shared>, Path((session, id)): Path<(String, String)>) -> Json<Value> {
    let memory = lock(&memory);
    let chats = memory.chat_labels.iter().filter(|(_, label)| *label == id).filter_map(|(at, _)| {
        let (of, chat) = at.split_once('/').unwrap_or(("default", at));
        (of == session).then(|| json!({"id": chat}))
    });
    Json(chats.collect())
}

async fn chat_labels(State(memory): State<Shared>, Path((session, chat)): Path<(String, String)>) -> Json<Value> {
    let (memory, at) = (lock(&memory), place(&session, &chat));
    Json(memory.labels.iter().filter(|label| memory.chat_labels.iter().any(|(on, id)| *on == at && *id == label.0)).map(label_json).collect())
}

async fn set_chat_labels(State(memory): State<Shared>, Path((session, chat)): Path<(String, String)>, Json(body): Json<Value>) -> Json<Value> {
    let (mut memory, at) = (lock(&memory), place(&session, &chat));
    memory.calls.push(format!("labels of {at}"));
    memory.chat_labels.retain(|(on, _)| *on != at);
    let ids: Vec<String> = body["labels"].as_array().into_iter().flatten().filter_map(|label| label["id"].as_str().map(str::to_owned)).collect();
    memory.chat_labels.extend(ids.into_iter().map(|id| (at.clone(), id)));
    Json(json!({"result": true}))
}

async fn book(State(memory): State<Shared>, Query(query): Query<HashMap<String, String>>) -> Json<Value> {
    let number = |name: &str| query.get(name).and_then(|n| n.parse::<usize>().ok());
    let memory = lock(&memory);
    let rows = memory.book.iter().map(|(chat, name)| json!({"id": chat, "name": name, "pushname": null}));
    Json(rows.skip(number("offset").unwrap_or(0)).take(number("limit").unwrap_or(100)).collect())
}

async fn session(State(memory): State<Shared>, Path(name): Path<String>) -> Response {
    let memory = lock(&memory);
    if memory.chaos.session == "NONE" {
        return (StatusCode::NOT_FOUND, Json(json!({"message": "Session not found", "statusCode": 404}))).into_response();
    }
    Json(json!({"name": name, "status": memory.chaos.session, "config": memory.config, "me": {"id": "6281100000000@c.us", "pushName": "Kantor"}, "engine": {"engine": memory.chaos.engine}}))
        .into_response()
}

async fn make_session(State(memory): State<Shared>, Json(body): Json<Value>) -> Response {
    let mut memory = lock(&memory);
    memory.config = body["config"].clone();
    memory.chaos.session = "SCAN_QR_CODE".into();
    memory.calls.push("make session".into());
    (StatusCode::CREATED, Json(json!({"name": body["name"], "status": "STARTING"}))).into_response()
}

async fn make_session_named(State(memory): State<Shared>, Path(name): Path<String>, Json(body): Json<Value>) -> Json<Value> {
    let mut memory = lock(&memory);
    memory.config = body["config"].clone();
    memory.calls.push(format!("configure {name}"));
    Json(json!({"name": name}))
}

async fn session_verb(State(memory): State<Shared>, Path((name, verb)): Path<(String, String)>) -> Response {
    lock(&memory).calls.push(format!("{verb} {name}"));
    (StatusCode::CREATED, Json(json!({"name": name}))).into_response()
}

async fn file(State(memory): State<Shared>, Path((session, name)): Path<(String, String)>) -> Response {
    match lock(&memory).files.get(&format!("{session}/{name}")) {
        Some(bytes) => bytes.clone().into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({"message": "File not found", "statusCode": 404}))).into_response(),
    }
}

async fn sent(State(memory): State<Shared>) -> Json<Value> {
    let list = lock(&memory).sent.iter().map(|sent| json!({"path": sent.path, "chatId": sent.chat, "text": sent.text, "id": sent.id, "delivered": sent.delivered})).collect();
    Json(list)
}

async fn chaos(State(memory): State<Shared>, Query(query): Query<HashMap<String, String>>, _: HeaderMap) -> Json<Value> {
    let mut memory = lock(&memory);
    let share = |name: &str| query.get(name).and_then(|n| n.parse::<f64>().ok());
    memory.chaos.fail = share("fail").unwrap_or(memory.chaos.fail);
    memory.chaos.busy = share("busy").unwrap_or(memory.chaos.busy);
    memory.chaos.deliver_and_fail = share("lie").unwrap_or(memory.chaos.deliver_and_fail);
    memory.chaos.wait = share("wait_ms").map_or(memory.chaos.wait, |ms| Duration::from_millis(ms as u64));
    memory.chaos.always = share("always").map_or(memory.chaos.always, |status| Some(status as u16).filter(|status| *status > 0));
    memory.chaos.own_ids = share("own_ids").map_or(memory.chaos.own_ids, |on| on > 0.0);
    if let Some(session) = query.get("session") {
        memory.chaos.session.clone_from(session);
    }
    let chaos = &memory.chaos;
    Json(
        json!({"fail": chaos.fail, "busy": chaos.busy, "lie": chaos.deliver_and_fail, "wait_ms": chaos.wait.as_millis() as u64, "always": chaos.always, "own_ids": chaos.own_ids, "session": chaos.session}),
    )
}

#[allow(dead_code)] // the tests include this file as a module
fn main() {
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".into());
    let waha = FakeWaha::start(&listen);
    println!("fake WAHA on {}", waha.url());
    loop {
        std::thread::park();
    }
}
