//! Who is there, who looks at which chat, who is typing: known from the live sockets alone and told over them. Pages come and go
//! as people click, so leaving counts only after a while.

use super::api::auth::Caller;
use crate::app::App;
use crate::chat::conversation;
use crate::db::StoreError;
use crate::people::user;
use crate::wire::waha_api::Waha;
use crate::worker::senders::Senders;
use serde::Serialize;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A socket that closed may be a page that reloads.
const LEFT_AFTER: Duration = Duration::from_secs(3);
/// Somebody without a page for this long is no longer there.
const OFFLINE_AFTER: Duration = Duration::from_secs(20);

/// A gateway forgets who watches; it is asked again after this.
const WATCH_AGAIN: Duration = Duration::from_secs(600);
/// Chats asked about within that time: nobody opens more by hand.
const MOST_WATCHED: usize = 100;
const WATCH_TIMEOUT: Duration = Duration::from_secs(3);

/// What one socket told of its page.
#[derive(Clone, Debug)]
struct Here {
    actor: String,
    user_id: Option<i64>,
    name: String,
    chat: Option<i64>,
    typing: bool,
}

/// Somebody who looks at a chat.
#[derive(Clone, Debug, Serialize, PartialEq, Eq)]
pub struct Viewer {
    /// `user:ID` or `token:ID`.
    pub actor: String,
    /// Name.
    pub name: String,
    /// Writes a reply just now.
    pub typing: bool,
}

/// Everybody with an open socket.
#[derive(Default)]
pub struct Presence {
    sockets: Mutex<(u64, HashMap<u64, Here>)>,
    /// Chats whose customer's typing the gateway was asked to tell, and when.
    watched: Mutex<HashMap<i64, Instant>>,
    /// The hand that asks: one, so that a gateway that hangs holds up no reader of the store.
    watcher: Watcher,
}

struct Watcher(Senders);

impl Default for Watcher {
    fn default() -> Self {
        Self(Senders::of(1))
    }
}

impl Presence {
    fn lock(&self) -> MutexGuard<'_, (u64, HashMap<u64, Here>)> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A socket opened; the number it is known by.
    pub async fn enter(&self, app: &Arc<App>, caller: &Caller) -> u64 {
        let actor = caller.actor.clone();
        let name = app.store.read(move |connection| crate::chat::assignment::actor_name(connection, &actor)).await.unwrap_or_default();
        let here = Here { actor: caller.actor.clone(), user_id: caller.user_id, name, chat: None, typing: false };
        let number = {
            let mut sockets = self.lock();
            sockets.0 += 1;
            let number = sockets.0;
            sockets.1.insert(number, here.clone());
            number
        };
        if let Some(user_id) = here.user_id {
            tell_online(app, user_id, here.name, true).await;
        }
        number
    }

    /// A socket closed.
    pub fn leave(&self, app: &Arc<App>, number: u64) {
        let Some(gone) = self.lock().1.remove(&number) else { return };
        let app = Arc::clone(app);
        tokio::spawn(async move {
            tokio::time::sleep(LEFT_AFTER).await;
            if let Some(chat) = gone.chat
                && !app.presence.viewers(chat).iter().any(|viewer| viewer.actor == gone.actor)
            {
                tell(&app, chat, &gone, "left").await;
            }
            tokio::time::sleep(OFFLINE_AFTER - LEFT_AFTER).await;
            if let Some(user_id) = gone.user_id {
                tell_online(&app, user_id, gone.name, false).await;
            }
        });
    }

    /// A page says what it shows: `viewing`, `typing` or `left`. Told on only when it is news.
    pub async fn says(&self, app: &Arc<App>, number: u64, chat: Option<i64>, state: &str) {
        let (before, now) = {
            let mut sockets = self.lock();
            let Some(here) = sockets.1.get_mut(&number) else { return };
            let before = here.clone();
            here.chat = chat.filter(|_| state != "left");
            here.typing = state == "typing" && here.chat.is_some();
            (before, here.clone())
        };
        if before.chat == now.chat && before.typing == now.typing {
            return;
        }
        if let Some(old) = before.chat.filter(|old| Some(*old) != now.chat) {
            tell(app, old, &now, "left").await;
        }
        if let Some(chat) = now.chat {
            self.watch_typing(app, chat);
            tell(app, chat, &now, if now.typing { "typing" } else { "viewing" }).await;
        }
    }

    /// Has the gateway tell when the customer of an open chat types. It tells of no other: whoever watches every chat looks like
    /// no person.
    fn watch_typing(&self, app: &Arc<App>, chat: i64) {
        let settings = app.settings();
        let is_down = app.lines.lock().unwrap_or_else(PoisonError::into_inner).values().any(|line| line.open);
        if settings.text("whatsapp.provider") != "waha" || settings.text("waha.url").is_empty() || is_down {
            return;
        }
        {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            watched.retain(|_, at| at.elapsed() < WATCH_AGAIN);
            if watched.len() >= MOST_WATCHED || watched.contains_key(&chat) {
                return;
            }
            watched.insert(chat, Instant::now());
        }
        let app = Arc::clone(app);
        self.watcher.0.run(Box::new(move || {
            let found = app.store.read_blocking(|connection| conversation::address(connection, chat));
            let Ok(Some((session, chat_id))) = found else { return }; // gone, or the phone simulator
            let waha = Waha::new(app.http.clone(), settings.text("waha.url"), settings.text("waha.api_key"), &session, WATCH_TIMEOUT);
            if let Err(error) = waha.watch_typing(&chat_id) {
                tracing::debug!(%error, "the gateway will not tell who types");
            }
        }));
    }

    /// Whether somebody has a socket.
    pub fn is_here(&self, actor: &str) -> bool {
        self.lock().1.values().any(|here| here.actor == actor)
    }

    /// How many sockets a user has.
    pub fn sockets_of(&self, user_id: i64) -> usize {
        self.lock().1.values().filter(|here| here.user_id == Some(user_id)).count()
    }

    /// Who looks at a chat now, each once.
    pub fn viewers(&self, chat: i64) -> Vec<Viewer> {
        let mut found: Vec<Viewer> = Vec::new();
        for here in self.lock().1.values().filter(|here| here.chat == Some(chat)) {
            match found.iter_mut().find(|viewer| viewer.actor == here.actor) {
                Some(viewer) => viewer.typing |= here.typing,
                None => found.push(Viewer { actor: here.actor.clone(), name: here.name.clone(), typing: here.typing }),
            }
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }
}

async fn tell(app: &App, chat: i64, who: &Here, state: &'static str) {
    let data = json!({"actor": who.actor, "name": who.name, "state": state});
    if let Err(error) = app.store.write(move |tx| tx.emit("presence", Some(chat), data.clone())).await {
        tracing::debug!(%error, "presence was not told");
    }
}

async fn tell_online(app: &Arc<App>, user_id: i64, name: String, online: bool) {
    let here = Arc::clone(app);
    let done = app
        .store
        .write(move |tx| -> Result<(), StoreError> {
            // he may have come back while this waited
            if !online && here.presence.is_here(&format!("user:{user_id}")) {
                return Ok(());
            }
            if user::set_online(tx, user_id, online)? {
                let state = if online { "online" } else { "offline" };
                tx.emit("presence", None, json!({"actor": format!("user:{user_id}"), "name": name, "state": state}))?;
            }
            Ok(())
        })
        .await;
    match done {
        Ok(()) => app.chores.notify(), // chats may be dealt now
        Err(error) => tracing::debug!(%error, "presence was not told"),
    }
}
