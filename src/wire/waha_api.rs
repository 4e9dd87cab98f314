//! Calls to WAHA's REST API: sending, lookups, history, LIDs, sessions and pairing.
//! Source: the WAHA docs and its OpenAPI file; what each status means for a send is in [`classify`].

use super::client::{Answer, Call, Http, NoAnswer};
use super::gateway::{Ids, LookOutcome, MEDIA_FACTOR, Outbound, SendOutcome};
use super::waha;
use crate::kernel::json;
use base64::Engine;
use serde_json::{Value, json};
use std::time::Duration;

/// Time for a change of a session.
const CHANGE: Duration = Duration::from_secs(25);
/// Longest page of history that is read; a longer one is asked for in parts.
const HISTORY_BYTES: u64 = 8 << 20;
/// Time for a question (not a send).
const LOOKUP: Duration = Duration::from_secs(10);

/// One WAHA session.
#[derive(Clone)]
pub struct Waha {
    http: Http,
    base: String,
    key: String,
    /// Session name.
    pub session: String,
    send_timeout: Duration,
}

/// A QR text, a pairing code, a session's state: why there is none.
#[derive(Debug, thiserror::Error)]
pub enum WahaError {
    /// The gateway did not answer.
    #[error("{0}")]
    NoAnswer(#[from] NoAnswer),
    /// It answered with an error status and a sentence.
    #[error("HTTP {status}: {message}")]
    Status {
        /// HTTP status.
        status: u16,
        /// What it said, without our own request in it.
        message: String,
    },
}

impl WahaError {
    /// The answer was longer than we read.
    pub fn is_too_long(&self) -> bool {
        matches!(self, Self::NoAnswer(NoAnswer::Unknown("answer_too_long")))
    }
}

/// A page of history.
pub struct HistoryPage {
    /// Message payloads as the webhook would have brought them.
    pub messages: Vec<Value>,
    /// Messages on the page before filtering: fewer than asked for ends the pull.
    pub count: usize,
}

/// A label as the gateway tells of it.
#[derive(Clone, Debug)]
pub struct LabelThere {
    /// Its id, a string.
    pub id: String,
    /// Name.
    pub name: Option<String>,
    /// Palette index.
    pub color: Option<i64>,
    /// `#rrggbb`.
    pub color_hex: Option<String>,
}

fn label_there(row: &Value) -> Option<LabelThere> {
    let id = row["id"].as_str().map(str::to_owned).or_else(|| row["id"].as_i64().map(|id| id.to_string()))?;
    Some(LabelThere {
        id,
        name: row["name"].as_str().and_then(crate::kernel::text::clean_name),
        color: row["color"].as_i64().filter(|color| (0..20).contains(color)),
        color_hex: row["colorHex"].as_str().map(|hex| crate::kernel::text::cut(hex, 16).to_owned()),
    })
}

impl Waha {
    /// `base` is `waha.url`.
    pub fn new(http: Http, base: &str, key: &str, session: &str, send_timeout: Duration) -> Self {
        Self { http, base: base.trim_end_matches('/').to_owned(), key: key.to_owned(), session: session.to_owned(), send_timeout }
    }

    /// Whether an address is set at all.
    pub fn is_configured(&self) -> bool {
        !self.base.is_empty()
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>, timeout: Duration) -> Result<Answer, NoAnswer> {
        let url = format!("{}{path}", self.base);
        let headers: &[(&str, &str)] = if self.key.is_empty() { &[] } else { &[("x-api-key", &self.key)] };
        let bytes = body.map(json::text);
        self.http.call(&Call::new(method, &url, headers, bytes.as_ref().map(String::as_bytes), timeout))
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, WahaError> {
        let answer = self.call(method, path, body, LOOKUP)?;
        if (200..300).contains(&answer.status) { Ok(answer.json()) } else { Err(WahaError::Status { status: answer.status, message: said(&answer) }) }
    }

    /// The request for a message: path and body.
    pub fn send_request(&self, message: &Outbound) -> (&'static str, Value) {
        let mut body = json!({"session": self.session, "chatId": message.chat_id});
        if let Some(id) = &message.wa_id {
            body["id"] = id.as_str().into();
        }
        if let Some(quoted) = &message.reply_to {
            body["reply_to"] = format!("{}_{}_{}", quoted.from_me, message.chat_id, quoted.wa_id).into();
        }
        if let Some((latitude, longitude, title)) = &message.place {
            body["latitude"] = (*latitude).into();
            body["longitude"] = (*longitude).into();
            body["title"] = title.as_str().into();
            return ("/api/sendLocation", body);
        }
        if let Some((bytes, mime, name)) = &message.file {
            body["file"] = json!({"mimetype": mime, "filename": name, "data": base64::engine::general_purpose::STANDARD.encode(bytes)});
            if let Some(text) = &message.text {
                body["caption"] = text.as_str().into();
            }
            return match message.kind.as_str() {
                "image" => ("/api/sendImage", body),
                "video" => {
                    body["convert"] = false.into();
                    ("/api/sendVideo", body)
                }
                "voice" => {
                    body["convert"] = false.into();
                    ("/api/sendVoice", body)
                }
                _ => ("/api/sendFile", body),
            };
        }
        body["text"] = message.text.as_deref().unwrap_or("").into();
        body["linkPreview"] = false.into();
        ("/api/sendText", body)
    }

    /// Sends a message.
    pub fn send(&self, message: &Outbound) -> SendOutcome {
        let (path, body) = self.send_request(message);
        let timeout = if message.file.is_some() { self.send_timeout * MEDIA_FACTOR } else { self.send_timeout };
        match self.call("POST", path, Some(&body), timeout) {
            Ok(answer) => classify(answer.status, answer.retry_after_s, &answer.json()),
            Err(NoAnswer::SurelyNot(cause)) => SendOutcome::Later { cause: cause.into(), wait_ms: 0, gateway_down: true },
            Err(NoAnswer::Unknown(cause)) => SendOutcome::Unknown { cause: cause.into(), answered: false },
        }
    }

    /// What became of a send nobody knows about: by its id where we chose it, else among the chat's last messages of ours.
    pub fn look(&self, chat_id: &str, wa_id: Option<&str>, text: Option<&str>, since_ms: i64) -> LookOutcome {
        let chat = chat_id.replace('@', "%40");
        if let Some(id) = wa_id {
            let path = format!("/api/{}/chats/{chat}/messages/true_{chat}_{id}?downloadMedia=false", self.session);
            return match self.call("GET", &path, None, LOOKUP) {
                Ok(answer) if (200..300).contains(&answer.status) && answer.json().is_object() => LookOutcome::Found(vec![id.to_owned()]),
                Ok(answer) if (200..300).contains(&answer.status) || is_not_there(&answer) => LookOutcome::Absent,
                Ok(answer) => LookOutcome::CannotTell(format!("lookup_{}", answer.status)),
                Err(no) => LookOutcome::CannotTell(no.to_string()),
            };
        }
        let since_s = since_ms / 1000 - 5;
        let path = format!("/api/{}/chats/{chat}/messages?limit=20&offset=0&downloadMedia=false&filter.fromMe=true&filter.timestamp.gte={since_s}", self.session);
        match self.call("GET", &path, None, LOOKUP) {
            Ok(answer) if (200..300).contains(&answer.status) => {
                let page = answer.json();
                let Some(messages) = page.as_array() else { return LookOutcome::CannotTell("lookup_shape".into()) };
                let words = |m: &Value| m["body"].as_str().filter(|body| !body.is_empty()) == text && (text.is_some() || m["hasMedia"] == true);
                let same = messages.iter().filter(|m| m["fromMe"] != false && m["timestamp"].as_i64().is_none_or(|at| at >= since_s) && words(m));
                LookOutcome::Found(same.filter_map(|m| Some(waha::bare_id(m["id"].as_str()?).to_owned())).collect())
            }
            // the gateway keeps nothing of this chat: it did not send to it
            Ok(answer) if is_not_there(&answer) => LookOutcome::Absent,
            Ok(answer) => LookOutcome::CannotTell(format!("lookup_{}", answer.status)),
            Err(no) => LookOutcome::CannotTell(no.to_string()),
        }
    }

    /// Whether this gateway lets us choose message ids: it then hands out ids of the very shape we mint. `None`: it cannot say
    /// before its session works.
    pub fn probe_ids(&self) -> Result<Option<Ids>, NoAnswer> {
        let answer = self.call("GET", &format!("/api/{}/new-message-id", self.session), None, LOOKUP)?;
        let id = answer.json();
        let shaped = |id: &str| id.len() == 22 && id.starts_with("3EB0") && id.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
        Ok(match (answer.status, id["id"].as_str()) {
            (200, Some(id)) if shaped(id) => Some(Ids::Ours),
            (422 | 429 | 502..=504, _) => None,
            _ => Some(Ids::Theirs),
        })
    }

    /// Blue ticks for the customer, then "typing…". A failure costs nothing but the show.
    pub fn show_typing(&self, chat_id: &str) {
        let body = json!({"session": self.session, "chatId": chat_id});
        let _ = self.call("POST", "/api/sendSeen", Some(&body), LOOKUP); // cosmetic
        let _ = self.call("POST", "/api/startTyping", Some(&body), LOOKUP); // cosmetic
    }

    /// Ends "typing…"; it never ends by itself.
    pub fn stop_typing(&self, chat_id: &str) {
        let _ = self.call("POST", "/api/stopTyping", Some(&json!({"session": self.session, "chatId": chat_id})), LOOKUP); // cosmetic
    }

    /// Asks to be told when the customer of a chat types (WAHA docs, page "Presence"). A failure costs nothing but the show.
    pub fn watch_typing(&self, chat_id: &str) -> Result<(), WahaError> {
        self.ask("POST", &format!("/api/{}/presence/{}/subscribe", self.session, chat_id.replace('@', "%40")), Some(&json!({}))).map(drop)
    }

    /// `{version, engine, tier, …}`.
    pub fn version(&self) -> Result<Value, WahaError> {
        match self.ask("GET", "/api/server/version", None) {
            Err(WahaError::Status { status: 404, .. }) => self.ask("GET", "/api/version", None), // where it stood before
            answer => answer,
        }
    }

    /// When the gateway started, unix ms.
    pub fn started_at(&self) -> Result<Option<i64>, WahaError> {
        Ok(self.ask("GET", "/api/server/status", None)?["startTimestamp"].as_i64())
    }

    /// The session's state; `Ok(None)` when it does not exist.
    pub fn session_state(&self) -> Result<Option<Value>, WahaError> {
        match self.ask("GET", &format!("/api/sessions/{}", self.session), None) {
            Ok(state) => Ok(Some(state)),
            Err(WahaError::Status { status: 404, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The session configuration we want: our webhook with HMAC and retries, personal chats only.
    pub fn wanted_config(webhook_url: &str, hmac_key: &str) -> Value {
        json!({
            "ignore": {"status": true, "groups": true, "channels": true, "broadcast": true},
            "noweb": {"store": {"enabled": true, "fullSync": false}},
            "webhooks": [{
                "url": webhook_url,
                "events": ["message.any", "message.ack", "message.reaction", "message.edited", "message.revoked", "session.status",
                           "label.upsert", "label.deleted", "label.chat.added", "label.chat.deleted", "call.received", "presence.update"],
                "hmac": {"key": hmac_key},
                "retries": {"policy": "exponential", "delaySeconds": 2, "attempts": 12},
            }],
        })
    }

    /// Makes the session (or gives the present one our configuration) and starts it.
    pub fn connect(&self, webhook_url: &str, hmac_key: &str) -> Result<(), WahaError> {
        let wanted = Self::wanted_config(webhook_url, hmac_key);
        match self.session_state()? {
            None => self.change("POST", "/api/sessions", &json!({"name": self.session, "start": true, "config": wanted}))?,
            Some(state) => {
                // a key the gateway does not show is taken for another one
                if !has_webhook(&state, webhook_url) || shown_key(&state, webhook_url) != Some(hmac_key) {
                    let config = merged(&state["config"], &wanted);
                    self.change("PUT", &format!("/api/sessions/{}", self.session), &json!({"name": self.session, "config": config}))?;
                }
                if matches!(state["status"].as_str(), Some("STOPPED" | "FAILED") | None) {
                    self.session_verb(if state["status"] == "FAILED" { "restart" } else { "start" })?;
                }
            }
        }
        Ok(())
    }

    /// Changes a session, which takes a gateway longer than a question.
    fn change(&self, method: &str, path: &str, body: &Value) -> Result<(), WahaError> {
        let answer = self.call(method, path, Some(body), CHANGE)?;
        if (200..300).contains(&answer.status) { Ok(()) } else { Err(WahaError::Status { status: answer.status, message: said(&answer) }) }
    }

    /// start, stop, restart or logout.
    pub fn session_verb(&self, verb: &str) -> Result<(), WahaError> {
        self.change("POST", &format!("/api/sessions/{}/{verb}", self.session), &json!({}))
    }

    /// The text of the QR code to draw; `Ok(None)` when none is on offer now.
    pub fn qr(&self) -> Result<Option<String>, WahaError> {
        match self.ask("GET", &format!("/api/{}/auth/qr?format=raw", self.session), None) {
            Ok(answer) => Ok(answer["value"].as_str().map(str::to_owned)),
            Err(WahaError::Status { status: 404 | 422, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A code to type on the phone instead of scanning.
    pub fn pairing_code(&self, phone: &str) -> Result<String, WahaError> {
        let answer = self.ask("POST", &format!("/api/{}/auth/request-code", self.session), Some(&json!({"phoneNumber": phone})))?;
        answer["code"].as_str().map(str::to_owned).ok_or(WahaError::Status { status: 200, message: "no code in the answer".into() })
    }

    /// Messages of a chat since `since_ms`, a page of them; chat `all` is every chat, on engines that know it.
    pub fn history(&self, chat: &str, since_ms: i64, limit: usize, offset: usize) -> Result<HistoryPage, WahaError> {
        let path = format!(
            "/api/{}/chats/{}/messages?limit={limit}&offset={offset}&downloadMedia=false&sortBy=timestamp&sortOrder=asc&filter.timestamp.gte={}",
            self.session,
            chat.replace('@', "%40"),
            since_ms / 1000
        );
        let headers: &[(&str, &str)] = if self.key.is_empty() { &[] } else { &[("x-api-key", &self.key)] };
        let url = format!("{}{path}", self.base);
        let answer = self.http.call(&Call { method: "GET", url: &url, headers, body: None, timeout: CHANGE, limit: HISTORY_BYTES })?;
        if !(200..300).contains(&answer.status) {
            return Err(WahaError::Status { status: answer.status, message: said(&answer) });
        }
        let page = answer.json();
        let messages = page.as_array().cloned().unwrap_or_default();
        Ok(HistoryPage { count: messages.len(), messages })
    }

    /// A page of chats, as (address, time of the last message in unix seconds where it is told).
    pub fn chats(&self, limit: usize, offset: usize) -> Result<Vec<(String, Option<i64>)>, WahaError> {
        let page = self.ask("GET", &format!("/api/{}/chats/overview?limit={limit}&offset={offset}", self.session), None)?;
        let chat = |row: &Value| Some((row["id"].as_str().or_else(|| row["id"]["_serialized"].as_str())?.to_owned(), row["lastMessage"]["timestamp"].as_i64()));
        Ok(page.as_array().into_iter().flatten().filter_map(chat).collect())
    }

    /// The phone behind a LID: digits, or `Ok(None)` while WhatsApp does not tell.
    pub fn phone_of_lid(&self, lid: &str) -> Result<Option<String>, WahaError> {
        let answer = self.ask("GET", &format!("/api/{}/lids/{lid}%40lid", self.session), None)?;
        Ok(answer["pn"].as_str().and_then(|pn| pn.split('@').next()).map(str::to_owned))
    }

    /// The labels of the account: `[{id, name, color, colorHex}]`.
    pub fn labels(&self) -> Result<Vec<LabelThere>, WahaError> {
        let answer = self.ask("GET", &format!("/api/{}/labels", self.session), None)?;
        let rows = answer.as_array().ok_or(WahaError::Status { status: 200, message: "no list of labels in the answer".into() })?;
        Ok(rows.iter().filter_map(label_there).collect())
    }

    /// Personal chats that carry a label, by address.
    pub fn label_chats(&self, wa_id: &str) -> Result<Vec<String>, WahaError> {
        let answer = self.ask("GET", &format!("/api/{}/labels/{wa_id}/chats", self.session), None)?;
        let rows = answer.as_array().ok_or(WahaError::Status { status: 200, message: "no list of chats in the answer".into() })?;
        let id = |row: &Value| row["id"].as_str().or_else(|| row["id"]["_serialized"].as_str()).or_else(|| row.as_str()).map(waha::plain_chat);
        let chats: Option<Vec<String>> = rows.iter().map(id).collect(); // a row we cannot read is not "nobody"
        let chats = chats.ok_or(WahaError::Status { status: 200, message: "a chat without an id in the answer".into() })?;
        Ok(chats.into_iter().filter(|chat| chat.ends_with("@c.us") || chat.ends_with("@lid")).collect())
    }

    /// WhatsApp ids of the labels on a chat.
    pub fn chat_labels(&self, chat_id: &str) -> Result<Vec<String>, WahaError> {
        let answer = self.ask("GET", &format!("/api/{}/labels/chats/{}", self.session, chat_id.replace('@', "%40")), None)?;
        let rows = answer.as_array().ok_or(WahaError::Status { status: 200, message: "no list of labels in the answer".into() })?;
        Ok(rows.iter().filter_map(label_there).map(|label| label.id).collect())
    }

    /// Replaces the whole set of labels on a chat.
    pub fn set_chat_labels(&self, chat_id: &str, ids: &[String]) -> Result<(), WahaError> {
        let labels: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        self.ask("PUT", &format!("/api/{}/labels/chats/{}", self.session, chat_id.replace('@', "%40")), Some(&json!({"labels": labels}))).map(drop)
    }

    /// Makes a label; its id.
    pub fn create_label(&self, name: &str, color: i64) -> Result<LabelThere, WahaError> {
        let answer = self.ask("POST", &format!("/api/{}/labels", self.session), Some(&json!({"name": name, "color": color})))?;
        label_there(&answer).ok_or(WahaError::Status { status: 200, message: "no label in the answer".into() })
    }

    /// Renames or recolours a label. An unchanged name is refused by WAHA, so only what differs may be asked for.
    pub fn change_label(&self, wa_id: &str, name: Option<&str>, color: Option<i64>) -> Result<(), WahaError> {
        let mut change = serde_json::Map::new();
        if let Some(name) = name {
            change.insert("name".into(), name.into());
        }
        if let Some(color) = color {
            change.insert("color".into(), color.into());
        }
        self.ask("PUT", &format!("/api/{}/labels/{wa_id}", self.session), Some(&change.into())).map(drop)
    }

    /// Deletes a label; one that is not there is deleted already.
    pub fn delete_label(&self, wa_id: &str) -> Result<(), WahaError> {
        match self.ask("DELETE", &format!("/api/{}/labels/{wa_id}", self.session), None) {
            Ok(_) | Err(WahaError::Status { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A page of the phone's address book: (address, name in the book, name the person gave himself).
    pub fn contacts(&self, limit: usize, offset: usize) -> Result<Vec<(String, Option<String>, Option<String>)>, WahaError> {
        let answer = self.ask("GET", &format!("/api/contacts/all?session={}&limit={limit}&offset={offset}&sortBy=id&sortOrder=asc", self.session), None)?;
        let rows = answer.as_array().ok_or(WahaError::Status { status: 200, message: "no list of contacts in the answer".into() })?;
        let text = |value: &Value| value.as_str().and_then(crate::kernel::text::clean_name);
        let read = |row: &Value| {
            let id = row["id"].as_str().or_else(|| row["id"]["_serialized"].as_str()).map(waha::plain_chat)?;
            // engines that keep a book say so; a name that only repeats the number is none
            let name = text(&row["name"]).filter(|name| row["isMyContact"] != false && name.chars().any(char::is_alphabetic));
            Some((id, name, text(&row["pushname"])))
        };
        Ok(rows.iter().filter_map(read).collect())
    }

    /// A fresh address of a message's file.
    pub fn refetch_media(&self, chat_id: &str, full_id: &str) -> Result<Option<String>, WahaError> {
        let (chat, id) = (chat_id.replace('@', "%40"), full_id.replace('@', "%40"));
        let answer = self.ask("GET", &format!("/api/{}/chats/{chat}/messages/{id}?downloadMedia=true", self.session), None)?;
        Ok(answer["media"]["url"].as_str().map(str::to_owned))
    }

    /// Downloads a file the gateway named; its host is replaced by ours, which is the one that can be reached.
    pub fn download(&self, url: &str, limit: u64) -> Result<Vec<u8>, WahaError> {
        let path = match url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])) {
            Some(path) if is_file_path(path) => path,
            _ => return Err(WahaError::NoAnswer(NoAnswer::SurelyNot("foreign_address"))),
        };
        let address = format!("{}{path}", self.base);
        let headers: &[(&str, &str)] = if self.key.is_empty() { &[] } else { &[("x-api-key", &self.key)] };
        let answer = self.http.call(&Call { method: "GET", url: &address, headers, body: None, timeout: Duration::from_secs(60), limit })?;
        if answer.status == 200 { Ok(answer.body) } else { Err(WahaError::Status { status: answer.status, message: said(&answer) }) }
    }
}

/// Whether the gateway says that a message is not there, and not that the whole session is gone.
fn is_not_there(answer: &Answer) -> bool {
    answer.status == 404 && !said(answer).to_ascii_lowercase().contains("session")
}

/// A file of the gateway's, and nothing else it would give to our key.
fn is_file_path(path: &str) -> bool {
    let plain = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\").replace('\\', "/");
    path.starts_with("/api/files/") && !plain.split(['/', '?', '#']).any(|part| part == "..") && !path.contains(char::is_control)
}

/// Whether a session calls our webhook, with everything we want to hear.
pub fn has_webhook(state: &Value, webhook_url: &str) -> bool {
    let wanted = Waha::wanted_config(webhook_url, "");
    let told = |hook: &Value, event: &Value| hook["events"].as_array().into_iter().flatten().any(|known| known == event);
    let mut hooks = state["config"]["webhooks"].as_array().into_iter().flatten();
    hooks.any(|hook| hook["url"].as_str() == Some(webhook_url) && wanted["webhooks"][0]["events"].as_array().into_iter().flatten().all(|event| told(hook, event)))
}

fn hook_of<'a>(config: &'a Value, url: &str) -> Option<&'a Value> {
    config["webhooks"].as_array().into_iter().flatten().find(|hook| hook["url"].as_str() == Some(url))
}

/// The key a session signs our webhook with, where the gateway shows it.
pub fn shown_key<'a>(state: &'a Value, webhook_url: &str) -> Option<&'a str> {
    hook_of(&state["config"], webhook_url)?["hmac"]["key"].as_str()
}

/// What a session is configured with, and what we want of it above: a change replaces the whole configuration, and the proxy,
/// the other hooks and headers in it are not ours to lose.
fn merged(present: &Value, wanted: &Value) -> Value {
    let mut config = if present.is_object() { present.clone() } else { json!({}) };
    let hook = &wanted["webhooks"][0];
    let url = hook["url"].as_str().unwrap_or("");
    let mut ours = hook_of(present, url).cloned().unwrap_or_else(|| json!({}));
    lay_over(&mut ours, hook);
    let mut hooks = vec![ours];
    hooks.extend(present["webhooks"].as_array().into_iter().flatten().filter(|hook| hook["url"].as_str() != Some(url)).cloned());
    lay_over(&mut config, wanted);
    config["webhooks"] = hooks.into();
    config
}

/// Sets in `base` what `over` holds, object by object.
fn lay_over(base: &mut Value, over: &Value) {
    match (base.as_object_mut(), over.as_object()) {
        (Some(base), Some(over)) => over.iter().for_each(|(key, value)| lay_over(base.entry(key.as_str()).or_insert(Value::Null), value)),
        _ => *base = over.clone(),
    }
}

/// The gateway's sentence, without the echo of our own request that WAHA puts into its errors.
fn said(answer: &Answer) -> String {
    let body = answer.json();
    let first = [&body["message"], &body["error"], &body["exception"]["message"]].iter().find_map(|v| v.as_str().map(str::to_owned).or_else(|| v[0].as_str().map(str::to_owned)));
    crate::kernel::text::preview(&first.unwrap_or_default(), 200)
}

/// The bare id in a send reply: a string on GOWS, an object on WEBJS, `key.id` on NOWEB.
pub fn id_of_reply(body: &Value) -> Option<String> {
    let id = body["id"].as_str().map(waha::bare_id).or_else(|| body["id"]["id"].as_str()).or_else(|| body["key"]["id"].as_str());
    id.filter(|id| !id.is_empty() && id.len() <= 256).map(str::to_owned)
}

/// What an HTTP answer to a send means.
pub fn classify(status: u16, retry_after_s: Option<u64>, body: &Value) -> SendOutcome {
    let wait_ms = retry_after_s.unwrap_or(0).min(3_600) * 1000;
    let later = |cause: &str, gateway_down| SendOutcome::Later { cause: cause.into(), wait_ms, gateway_down };
    let words = || [&body["exception"]["message"], &body["message"], &body["error"]].iter().filter_map(|v| v.as_str()).collect::<Vec<_>>().join(" ").to_lowercase();
    match status {
        200..=299 => SendOutcome::Accepted(id_of_reply(body)),
        429 => later("rate_limited", false),
        401 | 403 => later("unauthorized", true), // about our key, not about the message
        503 => later("gateway_unavailable", true),
        422 => later(if words().contains("does not exist") { "session_missing" } else { "session_not_working" }, true),
        404 if words().contains("session") => later("session_missing", true),
        400..=499 | 501 => SendOutcome::Refused(format!("refused_{status}")),
        500 => {
            let said = words();
            if said.contains("463") {
                SendOutcome::Refused("timelock".into())
            } else if ["no lid for user", "lid is missing", "not on whatsapp", "no such number", "number does not exist"].iter().any(|sign| said.contains(sign)) {
                SendOutcome::Refused("no_such_number".into())
            } else {
                SendOutcome::Unknown { cause: "gateway_500".into(), answered: true }
            }
        }
        other => SendOutcome::Unknown { cause: format!("gateway_{other}"), answered: true },
    }
}
