//! Tells browsers of the team what the live log says, one message a conversation and ten seconds. Nothing is kept for a
//! restart: what is older than the program is not news.

use crate::app::App;
use crate::db::{StoreError, event};
use crate::kernel::language::Language;
use crate::people::push::{self, Subscription};
use crate::wire::client::Call;
use crate::wire::webpush;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at the log.
const LOOK: Duration = Duration::from_millis(700);
/// Lines read at once.
const PAGE: usize = 500;
/// One message a conversation within this time.
const AGAIN: Duration = Duration::from_secs(10);
/// A push service gets this long (contract sheet).
const TIMEOUT: Duration = Duration::from_secs(10);
/// Waits before the tries after the first.
const RETRIES: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(60), Duration::from_secs(300)];
/// A chat message nobody could be told of for so long is no news any more, seconds.
const TTL_S: u64 = 3_600;
/// Messages under way at once: one slow service holds up no other for long.
const AT_ONCE: usize = 20;
/// Messages that wait for a try; the oldest gives way.
const MOST: usize = 1_000;

struct Waiting {
    to: Subscription,
    body: String,
    topic: String,
    tries: usize,
    due: Instant,
}

/// Runs until the program ends.
pub fn run(app: &Arc<App>) {
    let mut seq = app.store.read_blocking(event::last_seq).unwrap_or(0);
    let mut last: HashMap<(i64, i64), Instant> = HashMap::new();
    let mut waiting: VecDeque<Waiting> = VecDeque::new();
    while !app.is_stopping() {
        std::thread::sleep(LOOK);
        if let Err(error) = hear(app, &mut seq, &mut last, &mut waiting) {
            tracing::debug!(%error, "the live log was not read for browsers");
        }
        last.retain(|_, at| at.elapsed() < AGAIN);
        let now = Instant::now();
        let (mut due, later): (Vec<Waiting>, Vec<Waiting>) = waiting.drain(..).partition(|next| next.due <= now);
        waiting.extend(later);
        while !due.is_empty() && !app.is_stopping() {
            let some: Vec<Waiting> = due.drain(..due.len().min(AT_ONCE)).collect();
            let again: Vec<Option<Waiting>> = std::thread::scope(|scope| {
                let tries: Vec<_> = some.into_iter().map(|next| scope.spawn(move || send(app, next))).collect();
                tries.into_iter().map(|one| one.join().unwrap_or(None)).collect()
            });
            waiting.extend(again.into_iter().flatten());
        }
        while waiting.len() > MOST {
            waiting.pop_front();
        }
    }
}

fn hear(app: &App, seq: &mut i64, last: &mut HashMap<(i64, i64), Instant>, waiting: &mut VecDeque<Waiting>) -> Result<(), StoreError> {
    let from = *seq;
    let lines = app.store.read_blocking(move |connection| -> Result<_, StoreError> {
        if push::anybody(connection)? { event::after(connection, from, PAGE).map(Ok) } else { event::last_seq(connection).map(Err) }
    })?;
    let lines = match lines {
        Ok(lines) => lines,
        Err(newest) => {
            *seq = newest; // nobody to tell: whoever comes hears from there
            return Ok(());
        }
    };
    for line in lines {
        *seq = line.seq;
        if !matches!(&*line.kind, "message.created" | "alert") {
            continue;
        }
        let data: Value = serde_json::from_str(&line.data).unwrap_or_default();
        let (kind, conversation) = (line.kind.clone(), line.conversation_id);
        let told = app.store.read_blocking(move |connection| push::audience(connection, &kind, conversation, &data))?;
        let Some((users, words)) = told else { continue };
        for user in users {
            let about = conversation.unwrap_or(0);
            // who has the chat before his eyes needs no bell
            let looks = app.presence.viewers(about).iter().any(|viewer| viewer.actor == format!("user:{user}"));
            if looks || last.get(&(user, about)).is_some_and(|at| at.elapsed() < AGAIN) {
                continue;
            }
            last.insert((user, about), Instant::now());
            let language = app.settings().language();
            let url = conversation.map_or("/".to_owned(), |id| format!("/chats/conv_{id}"));
            let body = message(language, words, &url, about, line.at);
            for to in app.store.read_blocking(move |connection| push::of_user(connection, user))? {
                waiting.push_back(Waiting { to, body: body.clone(), topic: format!("c{about}"), tries: 0, due: Instant::now() });
            }
        }
    }
    Ok(())
}

/// What a lock screen may show: that there is something, never what or from whom.
fn message(language: Language, words: &str, url: &str, about: i64, at: i64) -> String {
    let say = |key: &str| crate::web::view::words(language, key);
    json!({"title": say(words), "body": say("push-open"), "url": url, "tag": format!("c{about}"), "ts": at}).to_string()
}

/// One try; `Some`: once more, later.
fn send(app: &App, waiting: Waiting) -> Option<Waiting> {
    let settings = app.settings();
    let body = webpush::encrypt(waiting.body.as_bytes(), &waiting.to.p256dh, &waiting.to.auth).ok()?;
    let subject = match settings.text("server.public_url") {
        "" => "https://kafilah.invalid".to_owned(),
        url => url.to_owned(),
    };
    let authorization = webpush::authorization(settings.text("push.vapid_key"), &waiting.to.endpoint, &subject, app.now_ms() / 1000)?;
    let ttl = TTL_S.to_string();
    let headers: [(&str, &str); 6] = [
        ("ttl", &ttl),
        ("content-encoding", "aes128gcm"),
        ("content-type", "application/octet-stream"),
        ("authorization", &authorization),
        ("urgency", "high"),
        ("topic", &waiting.topic),
    ];
    let answer = app.http.call(&Call::new("POST", &waiting.to.endpoint, &headers, Some(&body), TIMEOUT));
    let status = answer.as_ref().map_or(0, |answer| answer.status);
    let id = waiting.to.id;
    if status != 0 && status < 500 && status != 429 {
        if let Err(error) = app.store.write_blocking(move |tx| push::heard(tx, id, status)) {
            tracing::debug!(%error, "what a push service answered was not kept");
        }
        return None;
    }
    let wait = match answer {
        Ok(answer) if status == 429 => Duration::from_secs(answer.retry_after_s.unwrap_or(60).min(TTL_S)),
        _ => *RETRIES.get(waiting.tries)?,
    };
    Some(Waiting { tries: waiting.tries + 1, due: Instant::now() + wait, ..waiting })
}
