//! Watches the gateway: its session, its restarts, mute sessions; pulls from its history what the webhook missed;
//! learns the phones behind LIDs. WAHA keeps no queue of its own: what it could not deliver is only in the history.

use crate::app::App;
use crate::chat::channel::{self, Channel, Report};
use crate::chat::intake::{self, Receipt, Rules};
use crate::chat::quarantine;
use crate::db::StoreError;
use crate::kernel::phone::Phone;
use crate::people::identity;
use crate::wire::waha;
use crate::wire::waha_api::Waha;
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

/// Messages a page of history.
const PAGE: usize = 100;
/// Messages of one chat, or chats, in one pull; a gateway that never comes to an end is not believed.
const MOST: usize = 100_000;
/// History is pulled from a little before the last known point: events are unordered.
const OVERLAP_MS: i64 = 10 * 60_000;
/// On the first pull, how far back.
const FIRST_PULL_MS: i64 = 24 * 3_600_000;
/// Between pulls without a reason.
const PULL_EVERY_MS: i64 = 15 * 60_000;
/// Messages older than this are stored without an answer of the bot.
pub const STALE_MS: i64 = 24 * 3_600_000;
/// LIDs asked about in one look; each is asked again later and later.
const LIDS: usize = 10;

/// What the watch remembers between looks; all of it can be learnt anew.
#[derive(Default)]
pub struct Watch {
    lid_tries: HashMap<String, (u32, i64)>,
    muted_alarm_at: i64,
    looked: HashSet<i64>,
    /// Numbers whose history is to be pulled for a reason that a failed pull does not settle.
    owed: HashSet<i64>,
}

impl Watch {
    /// One look at every WAHA number.
    pub fn look(&mut self, app: &App) {
        let settings = app.settings();
        if settings.text("whatsapp.provider") != "waha" || settings.text("waha.url").is_empty() {
            return;
        }
        let mut channels = app.store.read_blocking(channel::list).unwrap_or_default();
        channels.retain(|channel| channel.kind == "waha");
        if channels.is_empty() {
            let session = settings.text("waha.session").to_owned();
            let made = app.store.write_blocking(move |tx| -> Result<_, StoreError> {
                let id = channel::ensure(tx, &session, None)?;
                channel::find(tx, id)
            });
            channels.extend(made.unwrap_or(None));
        }
        for channel in channels {
            let waha = Waha::new(app.http.clone(), settings.text("waha.url"), settings.text("waha.api_key"), &channel.session, settings.millis("queue.send_timeout_ms"));
            if let Err(error) = self.look_at(app, &channel, &waha) {
                tracing::debug!(%error, session = %channel.session, "the gateway was not asked");
            }
        }
    }

    fn look_at(&mut self, app: &App, channel: &Channel, waha: &Waha) -> anyhow::Result<()> {
        let id = channel.id;
        let Some(state) = waha.session_state()? else {
            // the gateway knows no such session any more; one we never heard of was never made
            if channel.status == "WORKING" {
                app.store.write_blocking(move |tx| channel::report(tx, id, &Report { status: "STOPPED", ..Report::default() }))?;
            }
            return Ok(());
        };
        let status = state["status"].as_str().unwrap_or("UNKNOWN").to_owned();
        let (capping, timelock) = waha::limits_of(&(&state["me"]).into());
        let phone = state["me"]["id"].as_str().and_then(|id| id.split(['@', ':']).next()).and_then(Phone::from_digits);
        let lid = waha::lid_of(state["me"]["lid"].as_str());
        let engine = state["engine"]["engine"].as_str().map(str::to_owned);
        let channel = &Channel { engine: engine.clone().or_else(|| channel.engine.clone()), ..channel.clone() };
        let (word, was) = (status.clone(), channel.status.clone());
        app.store.write_blocking(move |tx| -> Result<(), StoreError> {
            if let Some(engine) = &engine {
                tx.execute("UPDATE channel SET engine = ?2 WHERE id = ?1 AND engine IS NOT ?2", (id, engine))?;
            }
            channel::report(tx, id, &Report { status: &word, timelock, capping: capping.as_deref(), phone: phone.as_ref(), lid: lid.as_deref() })
        })?;
        if status != "WORKING" {
            return Ok(());
        }
        // without a start time (older gateways) only our own downtime and the clock call for a pull
        let started = waha.started_at().unwrap_or(None);
        let restarted = started.is_some() && started != channel.gateway_started_at;
        let came_back = was != "WORKING";
        let late = channel.reconciled_to_at.is_none_or(|at| (app.now_ms() - at).abs() > PULL_EVERY_MS);
        // the first look after our own start: what came while we were away is only in the history
        let we_were_away = self.looked.insert(id);
        if restarted || came_back || we_were_away {
            self.owed.insert(id);
        }
        let is_owed = self.owed.contains(&id);
        if is_owed || late {
            let now = app.now_ms(); // before: what arrives meanwhile lies behind the mark
            let Pulled { found, whole } = pull(app, channel, waha)?;
            if whole {
                self.owed.remove(&id);
            } else {
                tracing::warn!(found, "the history pull ended early and will be made again");
            }
            app.store.write_blocking(move |tx| -> Result<(), StoreError> {
                if whole {
                    tx.execute("UPDATE channel SET gateway_started_at = ifnull(?2, gateway_started_at), reconciled_to_at = ?3 WHERE id = ?1", (id, started, now))?;
                }
                if found > 0 {
                    tx.audit("system", "history.pulled", &format!("channel:{id}"), &json!({"messages": found}).to_string())?;
                }
                Ok(())
            })?;
            // WORKING, not restarted, and yet messages had gone by: the webhook is mute
            if found > 0 && !is_owed && channel.reconciled_to_at.is_some() && now - self.muted_alarm_at > PULL_EVERY_MS {
                self.muted_alarm_at = now;
                tracing::warn!(found, "history held messages the webhook never brought");
                app.store.write_blocking(move |tx| -> Result<(), StoreError> {
                    tx.audit("system", "channel.mute", &format!("channel:{id}"), &json!({"messages": found}).to_string())?;
                    tx.count("channel.mute", i64::try_from(found).unwrap_or(i64::MAX));
                    tx.emit("alert", None, json!({"kind": "session_mute", "found": found}))
                })?;
            }
        }
        self.learn_lids(app, channel, waha)
    }

    fn learn_lids(&mut self, app: &App, channel: &Channel, waha: &Waha) -> anyhow::Result<()> {
        let channel_id = channel.id;
        let now = app.store.clock.process_ms();
        let unresolved = app.store.read_blocking(|connection| identity::unresolved(connection, channel_id, 200))?;
        let due: Vec<String> = unresolved.into_iter().filter(|lid| self.lid_tries.get(lid).is_none_or(|(_, at)| *at <= now)).take(LIDS).collect();
        for lid in due {
            // one that cannot be asked about holds up no other
            match waha.phone_of_lid(&lid).unwrap_or(None).as_deref().and_then(Phone::from_digits) {
                Some(phone) => {
                    self.lid_tries.remove(&lid);
                    app.store.write_blocking(move |tx| identity::learn_phone(tx, channel_id, &lid, &phone).map(|_| ()))?;
                }
                None => {
                    let tries = self.lid_tries.get(&lid).map_or(0, |(tries, _)| *tries) + 1;
                    self.lid_tries.insert(lid, (tries, now + 60_000 * i64::from(2u32.pow(tries.min(10)))));
                }
            }
        }
        Ok(())
    }
}

/// What a pull brought.
struct Pulled {
    /// Messages that were news.
    found: usize,
    /// It got to the end, so the mark may move.
    whole: bool,
}

/// Pulls what is newer than the last known point. Doing it again costs time only: every message is stored once.
fn pull(app: &App, channel: &Channel, waha: &Waha) -> anyhow::Result<Pulled> {
    // a mark in the future is one a wrong clock has set
    let since = channel.reconciled_to_at.map_or(app.now_ms() - FIRST_PULL_MS, |mark| mark.min(app.now_ms())) - OVERLAP_MS;
    let mut found = 0;
    let chats = match waha_knows_all_chats(channel.engine.as_deref()) {
        true => vec!["all".to_owned()],
        false => chats_since(waha, since)?,
    };
    for chat in chats {
        let (mut offset, mut page) = (0, PAGE);
        loop {
            if app.is_stopping() || offset >= MOST {
                return Ok(Pulled { found, whole: false });
            }
            let history = match waha.history(&chat, since, page, offset) {
                // thumbnails and the like: fewer at a time
                Err(error) if error.is_too_long() && page > 1 => {
                    page = (page / 4).max(1);
                    continue;
                }
                history => history?,
            };
            // oldest first, whatever order the engine gives
            let mut messages = history.messages;
            messages.sort_by_key(|message| message["timestamp"].as_f64().unwrap_or(0.0) as i64);
            for payload in messages {
                found += usize::from(take(app, channel, waha, payload)?);
            }
            if history.count == 0 {
                break;
            }
            offset += page; // by the page's size, also when it came short
        }
    }
    Ok(Pulled { found, whole: true })
}

/// Stores one message of the history; says whether it was news. What cannot be read is kept for a person, once.
fn take(app: &App, channel: &Channel, waha: &Waha, payload: Value) -> Result<bool, StoreError> {
    let settings = app.settings();
    let me = json!({"id": channel.phone.as_ref().map(|phone| format!("{phone}@c.us")), "lid": channel.lid.as_ref().map(|lid| format!("{lid}@lid"))});
    let envelope = json!({"event": "message.any", "session": waha.session, "engine": channel.engine, "me": me, "payload": payload});
    let raw = Value::to_string(&envelope);
    let rules = Rules { quiet_ms: settings.on("bot.enabled").then(|| settings.int("bot.quiet_ms")), stale_after_ms: Some(STALE_MS) };
    match waha::parse(&(&envelope).into()) {
        Ok(delivery) => {
            let receipt = app.store.write_blocking(move |tx| intake::take(tx, &delivery, raw.as_bytes(), rules))?;
            Ok(matches!(receipt, Receipt::Message { .. }))
        }
        Err(why) => {
            let session = waha.session.clone();
            app.store.write_blocking(move |tx| quarantine::keep_once(tx, "message.any", &session, &why.to_string(), raw.as_bytes()))?;
            Ok(false)
        }
    }
}

/// Engines that give the messages of all chats at once (WAHA docs, "Get messages": `chatId=all`).
fn waha_knows_all_chats(engine: Option<&str>) -> bool {
    matches!(engine, None | Some("GOWS" | "NOWEB"))
}

/// Personal chats in which something happened since then.
fn chats_since(waha: &Waha, since_ms: i64) -> anyhow::Result<Vec<String>> {
    let mut wanted = Vec::new();
    for page in 0..MOST / PAGE {
        let chats = waha.chats(PAGE, page * PAGE)?;
        let is_last = chats.is_empty();
        let is_personal = |chat: &str| chat.ends_with("@c.us") || chat.ends_with("@lid");
        wanted.extend(chats.into_iter().filter(|(chat, last)| is_personal(chat) && last.is_none_or(|last| last >= since_ms / 1000)).map(|(chat, _)| chat));
        if is_last {
            break;
        }
    }
    Ok(wanted)
}
