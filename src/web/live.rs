//! `GET /live`: the live log over a WebSocket, resumed by sequence number (`?after=SEQ`). A socket that cannot keep
//! up is not fed from memory: it reads on from the store where it stopped.

use super::api::auth::{self, Caller};
use super::error::ApiError;
use super::policy::Action;
use crate::app::App;
use crate::chat::inbox::Scope;
use crate::chat::{assignment, conversation};
use crate::db::event::{self, Live};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// Lines read from the store at once while catching up.
const PAGE: usize = 500;
/// A ping this often finds dead peers.
const PING: Duration = Duration::from_secs(25);
/// A peer that takes no bytes for this long is gone.
const SEND: Duration = Duration::from_secs(10);
/// Sockets at once.
const SOCKETS: u64 = 700;

/// Sockets of one user at once (Reliability sheet §4); a program's token has none.
const SOCKETS_OF_USER: usize = 8;
/// What a page says within [`SAYING`]; more is not heard.
const SAYINGS: u32 = 40;
const SAYING: Duration = Duration::from_secs(10);

/// Where to resume.
#[derive(Deserialize)]
pub struct Resume {
    after: Option<i64>,
}

/// The handler: a bearer token opens it as a browser session does.
pub async fn open(State(app): State<Arc<App>>, headers: HeaderMap, resume: Result<Query<Resume>, QueryRejection>, upgrade: WebSocketUpgrade) -> Response {
    let caller = match may_open(&app, &headers).await {
        Ok(caller) => caller,
        Err(error) => return error.into_response(),
    };
    let Ok(Query(resume)) = resume else { return ApiError::field("after", "after: expected the number of an event").into_response() };
    if app.counters.sockets.load(Ordering::Relaxed) >= SOCKETS {
        return ApiError::new(503, "busy", "too many live sockets are open").into_response();
    }
    if caller.user_id.is_some_and(|user_id| app.presence.sockets_of(user_id) >= SOCKETS_OF_USER) {
        return ApiError::new(429, "too_many_sockets", "this user has 8 live sockets open; close one").into_response();
    }
    upgrade.max_message_size(16 << 10).on_upgrade(move |socket| async move {
        app.counters.sockets.fetch_add(1, Ordering::Relaxed);
        let here = app.presence.enter(&app, &caller).await;
        let _ = feed(&app, socket, resume.after, caller, &headers, here).await; // a broken socket resumes by its number
        app.counters.sockets.fetch_sub(1, Ordering::Relaxed);
        app.presence.leave(&app, here);
    })
}

async fn may_open(app: &App, headers: &HeaderMap) -> Result<Caller, ApiError> {
    if auth::bearer(headers).is_none() {
        // a browser: only from our own pages (cookies travel with any page's socket)
        let own = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
        if origin.is_none() || origin != own {
            return Err(ApiError::new(403, "foreign_origin", "the live socket opens from our own pages only"));
        }
    }
    auth::allowed(app, &Method::GET, headers, Action::View).await
}

/// What a page says over its socket.
#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
    conversation_id: Option<String>,
    state: Option<String>,
}

async fn feed(app: &Arc<App>, mut socket: WebSocket, after: Option<i64>, mut caller: Caller, headers: &HeaderMap, here: u64) -> Result<(), axum::Error> {
    let mut live = app.live.subscribe(); // before reading the store, so that nothing falls between
    let mut stop = app.stop.subscribe();
    // a number from before a restore lies ahead of the log: everything from now on is news to such a page
    let newest = app.store.read(event::last_seq).await.unwrap_or(0);
    let mut seq = after.filter(|seq| *seq <= newest).unwrap_or(newest);
    catch_up(app, &mut socket, &mut seq, &caller).await?;
    let mut ping = tokio::time::interval(PING);
    let (mut since, mut said_so_far) = (tokio::time::Instant::now(), 0);
    loop {
        tokio::select! {
            () = stopped(&mut stop) => {
                let bye = CloseFrame { code: close_code::AWAY, reason: "restarting".into() };
                return send(&mut socket, Message::Close(Some(bye))).await;
            }
            line = live.recv() => match line {
                Ok(line) if line.seq <= seq => {}
                Ok(line) if line.seq == seq + 1 => {
                    seq = line.seq;
                    if may_hear(app, &caller, line.conversation_id).await {
                        send(&mut socket, Message::Text(line.frame.clone())).await?;
                    }
                }
                // a gap (pruned numbers) or a lag: the store knows
                Ok(_) | Err(RecvError::Lagged(_)) => catch_up(app, &mut socket, &mut seq, &caller).await?,
                Err(RecvError::Closed) => return Ok(()),
            },
            said = socket.recv() => match said {
                Some(Ok(Message::Close(_))) | None => return Ok(()),
                Some(Ok(Message::Text(words))) => {
                    if let Ok(said) = serde_json::from_str::<Said>(&words)
                        && said.kind == "presence"
                    {
                        if since.elapsed() > SAYING {
                            (since, said_so_far) = (tokio::time::Instant::now(), 0);
                        }
                        said_so_far += 1;
                        let chat = said.conversation_id.as_deref().and_then(conversation::parse_id);
                        if said_so_far > SAYINGS || !may_hear(app, &caller, chat).await {
                            continue;
                        }
                        app.presence.says(app, here, chat, said.state.as_deref().unwrap_or("viewing")).await;
                    }
                }
                Some(Ok(_)) => {} // pongs, and words nobody asked for
                Some(Err(error)) => return Err(error),
            },
            _ = ping.tick() => {
                // who signed out, was shut out or has another role since is heard no longer as he was
                match auth::allowed(app, &Method::GET, headers, Action::View).await {
                    Ok(now) => caller = now,
                    Err(error) if error.is_refusal() => {
                        let bye = CloseFrame { code: close_code::POLICY, reason: "signed out".into() };
                        return send(&mut socket, Message::Close(Some(bye))).await;
                    }
                    Err(_) => {} // the store is busy: the next ping asks again
                }
                send(&mut socket, Message::Ping(Vec::new().into())).await?;
            }
        }
    }
}

/// Whether somebody who sees his own chats only may hear of this one.
async fn may_hear(app: &App, caller: &Caller, conversation_id: Option<i64>) -> bool {
    let (scope, Some(id)) = (caller.scope(app), conversation_id) else { return true };
    if scope == Scope::All {
        return true;
    }
    let holder = app.store.read(move |connection| assignment::holder(connection, id)).await;
    holder.is_ok_and(|holder| scope.sees(holder.as_deref()))
}

/// Ends when the program does; holds no lock across the wait.
async fn stopped(stop: &mut tokio::sync::watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await.is_ok(); // the sender lives as long as the program
}

async fn catch_up(app: &App, socket: &mut WebSocket, seq: &mut i64, caller: &Caller) -> Result<(), axum::Error> {
    loop {
        let from = *seq;
        let lines: Vec<Live> = app.store.read(move |connection| event::after(connection, from, PAGE)).await.map_err(axum::Error::new)?;
        let last = lines.len() < PAGE;
        for line in lines {
            *seq = line.seq;
            if may_hear(app, caller, line.conversation_id).await {
                send(socket, Message::Text(line.frame().into())).await?;
            }
        }
        if last {
            return Ok(());
        }
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), axum::Error> {
    match tokio::time::timeout(SEND, socket.send(message)).await {
        Ok(sent) => sent,
        Err(late) => Err(axum::Error::new(late)),
    }
}
