//! Sends the e-mails that wait, one after the other. A relay that is away holds up nothing but e-mail.

use crate::app::App;
use crate::chat::mail::{self, Outcome};
use crate::wire::smtp::Relay;
use std::sync::Arc;
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until the program ends.
pub fn run(app: &Arc<App>) {
    while !app.is_stopping() {
        let now = app.store.clock.process_ms();
        match app.store.read_blocking(|connection| mail::due(connection, now)) {
            Ok(Some(next)) => {
                // the settings of this moment: a relay mended by hand is used at once
                let outcome = match Relay::new(&app.settings()) {
                    Ok(Some(relay)) => relay.send(&next),
                    Ok(None) => Outcome::Later("smtp.host is not set".into()),
                    Err(why) => Outcome::Later(why),
                };
                let id = next.id;
                if let Err(error) = app.store.write_blocking(move |tx| mail::record(tx, id, &outcome)) {
                    tracing::warn!(%error, "what became of an e-mail was not written; it may be sent once more");
                    std::thread::sleep(LOOK);
                }
            }
            Ok(None) | Err(_) => std::thread::sleep(LOOK), // the store's trouble is told elsewhere
        }
    }
}
