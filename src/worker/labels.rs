//! Keeps labels the same here and on the phones: tells the gateway what was changed here, asks whether what it told us is so,
//! and compares everything now and then, because its events get lost and are sometimes made up (WAHA #1875).

use crate::app::App;
use crate::chat::channel::{self, Channel};
use crate::db::StoreError;
use crate::people::label_sync::{self, Job};
use crate::people::{contact, identity};
use crate::wire::waha;
use crate::wire::waha_api::{Waha, WahaError};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Between two looks at what is due.
const LOOK: Duration = Duration::from_millis(500);
/// Between two comparisons of a number's labels; the first after a start and every return of the session come at once.
const COMPARE_EVERY_MS: i64 = 15 * 60_000;
/// After this long a number that came back has read its own labels and is compared in earnest.
const FRESH_MS: i64 = 60_000;
/// Between two readings of a phone's address book.
const BOOK_EVERY_MS: i64 = 6 * 3_600_000;
/// Jobs taken at once.
const AT_ONCE: usize = 200;
/// Contacts a page of the address book, and at the most.
const BOOK_PAGE: usize = 500;
const BOOK_MOST: usize = 100_000;
/// Colour of a label that has none.
const NO_COLOR: i64 = 0;

#[derive(Default)]
struct Seen {
    compared_at: i64,
    book_at: i64,
    was_working: bool,
}

/// Runs until the program ends.
pub fn run(app: &Arc<App>) {
    let mut seen: HashMap<i64, Seen> = HashMap::new();
    while !app.is_stopping() {
        let settings = app.settings();
        if settings.text("whatsapp.provider") == "waha" && !settings.text("waha.url").is_empty() {
            for channel in app.store.read_blocking(channel::list).unwrap_or_default().into_iter().filter(|channel| channel.kind == "waha") {
                let waha = Waha::new(app.http.clone(), settings.text("waha.url"), settings.text("waha.api_key"), &channel.session, settings.millis("queue.send_timeout_ms"));
                let state = seen.entry(channel.id).or_default();
                if let Err(error) = look(app, &channel, &waha, state) {
                    tracing::debug!(%error, session = %channel.session, "labels wait for the store");
                }
            }
        }
        app.labels.wait(LOOK);
    }
}

fn look(app: &App, channel: &Channel, waha: &Waha, seen: &mut Seen) -> Result<(), StoreError> {
    let working = channel.status == "WORKING";
    let came_back = working && !seen.was_working;
    seen.was_working = working;
    let (now, channel_id) = (app.now_ms(), channel.id);
    if came_back {
        app.store.write_blocking(move |tx| label_sync::wake_jobs(tx, channel_id))?;
    }
    let jobs: Vec<Job> = app.store.read_blocking(|connection| label_sync::due_jobs(connection, channel_id, now, AT_ONCE))?;
    // a number that has never said what it is may work: its jobs find out
    if !jobs.is_empty() && matches!(channel.status.as_str(), "WORKING" | "UNKNOWN") {
        work_off(app, waha, &jobs)?;
    }
    if working && (came_back || (now - seen.compared_at).abs() > COMPARE_EVERY_MS) {
        seen.compared_at = if came_back { now - COMPARE_EVERY_MS + FRESH_MS } else { now };
        compare(app, channel_id, waha, came_back)?;
    }
    if working && (came_back || (now - seen.book_at).abs() > BOOK_EVERY_MS) {
        seen.book_at = now;
        read_book(app, channel_id, waha)?;
    }
    Ok(())
}

/// Why a call did not work, for the row: short, and whether trying again is useless.
fn reason(error: &WahaError) -> (String, bool) {
    match error {
        WahaError::NoAnswer(_) => ("no_answer".into(), false),
        WahaError::Status { status: 501 | 404, .. } => ("not_supported".into(), true),
        WahaError::Status { status: 422, message } if message.contains("20 labels") || message.to_lowercase().contains("limit") => ("too_many_labels".into(), true),
        WahaError::Status { status, .. } => (format!("gateway_{status}"), false),
    }
}

fn work_off(app: &App, waha: &Waha, jobs: &[Job]) -> Result<(), StoreError> {
    let mut by_chat: BTreeMap<&str, Vec<&Job>> = BTreeMap::new();
    for job in jobs {
        by_chat.entry(&job.chat_id).or_default().push(job);
    }
    // labels themselves come first: chats need their ids
    for (chat, jobs) in by_chat {
        if app.is_stopping() {
            return Ok(());
        }
        if chat.is_empty() {
            for job in jobs {
                or_later(app, tell_label(app, waha, job), &[job])?; // a label that is refused holds no other up
            }
        } else {
            or_later(app, settle_chat(app, waha, chat, &jobs), &jobs)?;
        }
    }
    Ok(())
}

/// What the gateway did not take is put off.
fn or_later(app: &App, done: Result<(), Failed>, jobs: &[&Job]) -> Result<(), StoreError> {
    let error = match done {
        Ok(()) => return Ok(()),
        Err(Failed::Store(error)) => return Err(error),
        Err(Failed::Gateway(error)) => error,
    };
    let (cause, for_good) = reason(&error);
    tracing::info!(%error, "the gateway did not take a change of labels");
    let jobs: Vec<Job> = jobs.iter().map(|job| (*job).clone()).collect();
    app.store.write_blocking(move |tx| jobs.iter().try_for_each(|job| label_sync::postpone(tx, job, &cause, for_good)))
}

enum Failed {
    Gateway(WahaError),
    Store(StoreError),
}

impl From<WahaError> for Failed {
    fn from(error: WahaError) -> Self {
        Self::Gateway(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The label of that name there, if any; else a new one.
fn make_there(app: &App, waha: &Waha, channel_id: i64, label_id: i64, name: &str, color: i64) -> Result<String, Failed> {
    let there = waha.labels()?.into_iter().find(|label| label.name.as_deref().is_some_and(|theirs| theirs.eq_ignore_ascii_case(name)));
    let id = match there {
        Some(label) => label.id,
        None => waha.create_label(name, color)?.id,
    };
    let wa_id = id.clone();
    app.store.write_blocking(move |tx| label_sync::link(tx, channel_id, &wa_id, label_id))?;
    Ok(id)
}

fn tell_label(app: &App, waha: &Waha, job: &Job) -> Result<(), Failed> {
    let (channel_id, label_id) = (job.channel_id, job.label_id);
    let (face, wa_id) = app
        .store
        .read_blocking(move |connection| -> Result<_, StoreError> { Ok((label_sync::face(connection, label_id)?, label_sync::wa_id(connection, channel_id, label_id)?)) })?;
    match (face, wa_id) {
        (Some((_, _, true)), Some(wa_id)) => waha.delete_label(&wa_id)?,
        (Some((Some(name), color, false)), Some(wa_id)) => {
            match waha.labels()?.into_iter().find(|label| label.id == wa_id) {
                Some(there) => {
                    // a name that stays the same is refused, even beside a new colour
                    let new_name = (there.name.as_deref() != Some(name.as_str())).then_some(name.as_str());
                    let new_color = color.filter(|_| there.color != color);
                    if new_name.is_some() || new_color.is_some() {
                        waha.change_label(&wa_id, new_name, new_color)?;
                    }
                }
                // deleted on the phone while it lives here
                None => {
                    app.store.write_blocking(move |tx| label_sync::unlink(tx, channel_id, &wa_id))?;
                    make_there(app, waha, channel_id, label_id, &name, color.unwrap_or(NO_COLOR))?;
                }
            }
        }
        (Some((Some(name), color, false)), None) => drop(make_there(app, waha, channel_id, label_id, &name, color.unwrap_or(NO_COLOR))?),
        _ => {}
    }
    let job = job.clone();
    Ok(app.store.write_blocking(move |tx| label_sync::finish(tx, &job))?)
}

/// One chat: reads its set of labels there, changes in it what we have to tell, and learns from it what we wanted to know.
fn settle_chat(app: &App, waha: &Waha, chat: &str, jobs: &[&Job]) -> Result<(), Failed> {
    let known: HashSet<String> = waha.labels()?.into_iter().map(|label| label.id).collect();
    let there = waha.chat_labels(chat)?;
    let mut wanted = there.clone();
    for job in jobs {
        let (channel_id, label_id, chat_id) = (job.channel_id, job.label_id, chat.to_owned());
        let (face, wa_id, carries) = app.store.read_blocking(move |connection| -> Result<_, StoreError> {
            Ok((label_sync::face(connection, label_id)?, label_sync::wa_id(connection, channel_id, label_id)?, label_sync::carries_in(connection, channel_id, &chat_id, label_id)?))
        })?;
        let Some((name, color, false)) = face else { continue };
        if job.tells {
            let wa_id = match (wa_id, name) {
                (Some(wa_id), _) => wa_id,
                (None, Some(name)) if carries => make_there(app, waha, channel_id, label_id, &name, color.unwrap_or(NO_COLOR))?,
                _ => continue,
            };
            wanted.retain(|id| *id != wa_id);
            if carries {
                wanted.push(wa_id);
            }
        } else if let Some(wa_id) = wa_id.filter(|wa_id| known.contains(wa_id)) {
            let (chat_id, is_there) = (chat.to_owned(), there.contains(&wa_id));
            app.store.write_blocking(move |tx| -> Result<(), StoreError> {
                if let Some(contact_id) = identity::of_chat(tx, channel_id, &chat_id)? {
                    label_sync::put_right(tx, channel_id, label_id, contact_id, &chat_id, is_there)?;
                }
                Ok(())
            })?;
        }
    }
    let differs = wanted.len() != there.len() || wanted.iter().any(|id| !there.contains(id));
    if differs {
        waha.set_chat_labels(chat, &wanted)?;
    }
    let jobs: Vec<Job> = jobs.iter().map(|job| (*job).clone()).collect();
    Ok(app.store.write_blocking(move |tx| jobs.iter().try_for_each(|job| label_sync::finish(tx, job)))?)
}

/// Compares every label and who carries it with the gateway's word; what events missed is put right and written down as such.
/// An empty list of labels is not believed: a gateway without labels gives one too. `fresh`: the number has only just come back
/// and may not have read its labels yet, so what is missing there is looked at again before it counts.
fn compare(app: &App, channel_id: i64, waha: &Waha, fresh: bool) -> Result<(), StoreError> {
    match compared(app, channel_id, waha, fresh) {
        Ok(None) => Ok(()),
        Ok(Some((labels, added, removed))) => {
            if added + removed > 0 {
                tracing::info!(added, removed, "labels were put right after a comparison with the gateway");
            }
            app.store.write_blocking(move |tx| label_sync::note_check(tx, channel_id, labels, added, removed, None))
        }
        Err(Failed::Store(error)) => Err(error),
        Err(Failed::Gateway(error)) => {
            let (cause, _) = reason(&error);
            app.store.write_blocking(move |tx| label_sync::note_check(tx, channel_id, 0, 0, 0, Some(&cause)))
        }
    }
}

fn compared(app: &App, channel_id: i64, waha: &Waha, fresh: bool) -> Result<Option<(usize, i64, i64)>, Failed> {
    let there = waha.labels()?;
    if there.is_empty() {
        return Ok(None);
    }
    let names = there.clone();
    // ours that are no longer there were deleted while nobody told us
    app.store.write_blocking(move |tx| -> Result<(), StoreError> {
        let ids: HashSet<&str> = names.iter().map(|label| label.id.as_str()).collect();
        for (wa_id, _) in label_sync::links(tx, channel_id)?.into_iter().filter(|(wa_id, _)| !fresh && !ids.contains(wa_id.as_str())) {
            label_sync::delete(tx, channel_id, &wa_id)?;
        }
        names.iter().try_for_each(|label| label_sync::upsert(tx, channel_id, &label.id, label.name.as_deref(), label.color, label.color_hex.as_deref()).map(drop))
    })?;
    let (mut added, mut removed) = (0, 0);
    for one in &there {
        if app.is_stopping() {
            return Ok(None);
        }
        let chats = waha.label_chats(&one.id)?;
        if fresh && chats.is_empty() {
            continue;
        }
        let wa_id = one.id.clone();
        let (more, fewer) = app.store.write_blocking(move |tx| -> Result<(i64, i64), StoreError> {
            let Some(label_id) = label_sync::links(tx, channel_id)?.into_iter().find(|(id, _)| *id == wa_id).map(|(_, id)| id) else { return Ok((0, 0)) };
            let (mut more, mut fewer) = (0, 0);
            let mut carriers = HashSet::new();
            for chat in &chats {
                let contact_id = identity::resolve(tx, channel_id, &waha::party_of(chat))?;
                carriers.insert(contact_id);
                more += i64::from(label_sync::put_right(tx, channel_id, label_id, contact_id, chat, true)?);
            }
            for (contact_id, chat) in label_sync::carriers(tx, channel_id, label_id)? {
                // a list may be cut short: each is asked about before it counts
                if !carriers.contains(&contact_id) {
                    label_sync::ask(tx, channel_id, &chat, label_id, false)?;
                    fewer += 1;
                }
            }
            Ok((more, fewer))
        })?;
        added += more;
        removed += fewer;
    }
    Ok(Some((there.len(), added, removed)))
}

/// Takes over the names of the phone's address book, for people who wrote to us; a name the team typed stays.
fn read_book(app: &App, channel_id: i64, waha: &Waha) -> Result<(), StoreError> {
    for page in 0..BOOK_MOST / BOOK_PAGE {
        let rows = match waha.contacts(BOOK_PAGE, page * BOOK_PAGE) {
            Ok(rows) => rows,
            Err(error) => {
                tracing::debug!(%error, "the address book was not read");
                return Ok(());
            }
        };
        if rows.is_empty() || app.is_stopping() {
            return Ok(());
        }
        app.store.write_blocking(move |tx| -> Result<(), StoreError> {
            for (chat, book, push) in &rows {
                let Some(contact_id) = identity::of_chat(tx, channel_id, chat)? else { continue };
                if let Some(name) = book {
                    contact::rename(tx, contact_id, name, contact::NameSource::Phonebook)?;
                } else if let Some(name) = push {
                    contact::rename(tx, contact_id, name, contact::NameSource::Push)?;
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}
