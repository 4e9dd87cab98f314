//! Copies customers' files out of the gateway at once: it keeps them for three minutes only.

use crate::app::App;
use crate::chat::media::{self, Wanted};
use crate::chat::{channel, outbox};
use crate::db::StoreError;
use crate::wire::waha_api::Waha;
use std::sync::Arc;
use std::time::Duration;

/// Files in one go.
const BATCH: usize = 8;
/// Longest sleep without a wake.
const IDLE: Duration = Duration::from_secs(10);

/// Runs until the program ends.
pub fn run(app: &Arc<App>) {
    while !app.is_stopping() {
        let now = app.store.clock.process_ms();
        let due = app.store.read_blocking(|connection| media::due(connection, now, BATCH)).unwrap_or_default();
        if due.is_empty() {
            app.media.wait(IDLE);
        }
        for wanted in due {
            if let Err(error) = fetch(app, &wanted) {
                tracing::warn!(%error, "a file waits for the store");
                app.media.wait(Duration::from_secs(2));
            }
        }
    }
}

fn fetch(app: &App, wanted: &Wanted) -> Result<(), StoreError> {
    let (id, attempts) = (wanted.id, wanted.attempts);
    match download(app, wanted) {
        Ok(bytes) => {
            let Some(mime) = media::sniff(&bytes).or(Some("application/octet-stream").filter(|_| !bytes.is_empty())) else {
                return app.store.write_blocking(move |tx| {
                    media::missed(tx, id, "empty_file", Some(tx.process_ms + outbox::backoff_ms(attempts + 1, 0)).filter(|_| attempts + 1 < media::MAX_ATTEMPTS))
                });
            };
            match media::keep_bytes(&app.store.dir, &bytes) {
                Ok(sha256) => app.store.write_blocking(move |tx| media::arrived(tx, id, &sha256, mime, bytes.len())),
                Err(error) => {
                    tracing::error!(%error, "a file could not be written");
                    // not the file's fault: it does not count as a try
                    app.store.write_blocking(move |tx| -> Result<(), StoreError> {
                        tx.execute("UPDATE media SET due_at = ?2, cause = 'disk' WHERE id = ?1", (id, tx.process_ms + 30_000))?;
                        Ok(())
                    })
                }
            }
        }
        Err(cause) => {
            let gone = attempts + 1 >= media::MAX_ATTEMPTS || cause == "too_large";
            app.store.write_blocking(move |tx| {
                let again = (!gone).then(|| tx.process_ms + outbox::backoff_ms(attempts + 2, 0));
                media::missed(tx, id, &cause, again)
            })
        }
    }
}

fn download(app: &App, wanted: &Wanted) -> Result<Vec<u8>, String> {
    let settings = app.settings();
    let found = app.store.read_blocking(|connection| channel::find(connection, wanted.channel_id)).map_err(|error| error.to_string())?;
    let session = found.map_or_else(|| settings.text("waha.session").to_owned(), |channel| channel.session);
    let waha = Waha::new(app.http.clone(), settings.text("waha.url"), settings.text("waha.api_key"), &session, settings.millis("queue.send_timeout_ms"));
    if !waha.is_configured() {
        return Err("not_connected".into());
    }
    let url = match &wanted.source_url {
        Some(url) => Some(url.clone()),
        None => waha.refetch_media(&wanted.chat_id, &wanted.message_wa).map_err(|error| name(&error.to_string()))?,
    };
    let url = url.ok_or("not_downloaded_by_gateway")?;
    waha.download(&url, media::MAX_BYTES).map_err(|error| {
        let said = error.to_string();
        if said.contains("answer_too_long") { "too_large".to_owned() } else { name(&said) }
    })
}

/// A short name for the row: the status or the cause, never an address.
fn name(said: &str) -> String {
    said.split(':').next().unwrap_or("failed").trim().replace("HTTP ", "http_").replace(' ', "_")
}
