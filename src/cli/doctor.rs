//! `doctor`: looks at everything that can go wrong, in prose or as JSON. Exit code 1 when something is.

use super::{Desk, say};
use crate::chat::mail;
use crate::db::setting::Settings;
use crate::db::{DataDir, audit, readers};
use crate::people::label;
use crate::travel::booking;
use crate::wire::client::{Call, Http};
use crate::wire::smtp::Relay;
use crate::wire::waha_api::{Waha, has_webhook};
use rusqlite::{Connection, ErrorCode};
use serde::Serialize;
use std::time::Duration;

/// How a check went.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Ok,
    Warning,
    Failed,
}

#[derive(Serialize)]
struct Check {
    name: &'static str,
    verdict: Verdict,
    message: String,
}

/// Least free space, bytes, before doctor warns.
const FREE_WARNING: u64 = 1 << 30;
/// Rows older than this in `sending`, or due for longer, are stuck, ms.
const STUCK_MS: i64 = 30 * 60_000;

/// Does it.
pub fn run(dir: &DataDir, json: bool) -> anyhow::Result<()> {
    let checks = look(dir).unwrap_or_else(|error| {
        let code = error.chain().find_map(|cause| cause.downcast_ref::<rusqlite::Error>()?.sqlite_error_code());
        let way_out = match code {
            _ if !dir.database().exists() => "",
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => "; the store itself may be well: the folder must be writable, by this user and on this disk",
            _ => "; restore a backup with `kafilah restore`",
        };
        vec![check("store", Verdict::Failed, format!("cannot be opened: {error:#}{way_out}")), disk(dir)]
    });
    let failed = checks.iter().filter(|check| check.verdict == Verdict::Failed).count();
    if json {
        say(format_args!("{}", serde_json::json!({"ok": failed == 0, "checks": checks})))?;
    } else {
        for check in &checks {
            let mark = match check.verdict {
                Verdict::Ok => "ok     ",
                Verdict::Warning => "warning",
                Verdict::Failed => "FAILED ",
            };
            say(format_args!("{mark}  {:<16} {}", check.name, check.message))?;
        }
    }
    anyhow::ensure!(failed == 0, "{failed} of {} checks failed", checks.len());
    Ok(())
}

fn look(dir: &DataDir) -> anyhow::Result<Vec<Check>> {
    let desk = Desk::open_existing(dir)?;
    let settings = Settings::load(desk.connection(), &desk.key)?;
    let reader = readers::open_reader(&dir.database())?;
    let mut checks = vec![
        integrity(&reader),
        foreign_keys(&reader),
        audit_chain(&reader),
        labels(&reader),
        bookings(&reader),
        disk(dir),
        media(dir, &reader),
        stuck_rows(&reader),
        waiting_for_a_person(&reader),
        backups(&settings),
        clock(&reader),
        secrets(&settings),
        server(dir),
    ];
    checks.extend(whatsapp(&settings));
    checks.extend(relay(&settings, &reader));
    Ok(checks)
}

fn check(name: &'static str, verdict: Verdict, message: impl Into<String>) -> Check {
    Check { name, verdict, message: message.into() }
}

fn integrity(reader: &Connection) -> Check {
    match reader.query_row("PRAGMA integrity_check(3)", [], |row| row.get::<_, String>(0)) {
        Ok(said) if said == "ok" => check("integrity", Verdict::Ok, "the database file is whole"),
        Ok(said) => check("integrity", Verdict::Failed, format!("{said}; restore a backup with `kafilah restore`")),
        Err(error) => check("integrity", Verdict::Failed, format!("{error}; restore a backup with `kafilah restore`")),
    }
}

fn foreign_keys(reader: &Connection) -> Check {
    match reader.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get::<_, i64>(0)) {
        Ok(0) => check("foreign keys", Verdict::Ok, "every row points at rows that exist"),
        Ok(n) => check("foreign keys", Verdict::Failed, format!("{n} rows point nowhere")),
        Err(error) => check("foreign keys", Verdict::Failed, error.to_string()),
    }
}

fn audit_chain(reader: &Connection) -> Check {
    match audit::verify(reader) {
        Ok(Ok(rows)) => check("audit trail", Verdict::Ok, format!("{rows} rows, every hash fits")),
        Ok(Err(seq)) => check("audit trail", Verdict::Failed, format!("row {seq} does not fit its hash: somebody changed the past")),
        Err(error) => check("audit trail", Verdict::Failed, error.to_string()),
    }
}

fn labels(reader: &Connection) -> Check {
    match label::proof(reader) {
        Ok(0) => check("labels", Verdict::Ok, "who carries what is what the log says"),
        Ok(n) => check("labels", Verdict::Failed, format!("{n} places differ from the log: somebody wrote past the program")),
        Err(error) => check("labels", Verdict::Failed, error.to_string()),
    }
}

fn bookings(reader: &Connection) -> Check {
    match booking::astray(reader) {
        Ok(0) => check("bookings", Verdict::Ok, "what each has paid is the sum of its payments"),
        Ok(n) => check("bookings", Verdict::Failed, format!("{n} differ from the sum of their payments: somebody wrote past the program")),
        Err(error) => check("bookings", Verdict::Failed, error.to_string()),
    }
}

fn disk(dir: &DataDir) -> Check {
    // `df` is everywhere and there is no portable call for this in the standard library
    let said = std::process::Command::new("df").arg("-Pk").arg(&dir.0).output();
    let free = said.ok().and_then(|out| String::from_utf8_lossy(&out.stdout).lines().nth(1)?.split_whitespace().nth(3)?.parse::<u64>().ok()).map(|kb| kb * 1024);
    let probe = dir.0.join(".doctor");
    let writable = std::fs::write(&probe, b"x");
    let _ = std::fs::remove_file(&probe); // a full disk makes the name and not the content
    match (writable, free) {
        (Err(error), _) => check("disk", Verdict::Failed, format!("the data folder cannot be written: {error}")),
        (Ok(()), Some(free)) if free < FREE_WARNING => check("disk", Verdict::Warning, format!("only {} MB free", free >> 20)),
        (Ok(()), Some(free)) => check("disk", Verdict::Ok, format!("{} MB free", free >> 20)),
        (Ok(()), None) => check("disk", Verdict::Warning, "writable, but the free space could not be read"),
    }
}

fn media(dir: &DataDir, reader: &Connection) -> Check {
    let hashes: rusqlite::Result<Vec<String>> =
        reader.prepare("SELECT DISTINCT sha256 FROM media WHERE state = 'ready' AND sha256 IS NOT NULL").and_then(|mut query| query.query_map([], |row| row.get(0))?.collect());
    match hashes {
        Ok(hashes) => {
            let missing = hashes.iter().filter(|hash| !dir.media().join(hash).exists()).count();
            if missing == 0 {
                check("media", Verdict::Ok, format!("{} files, none missing", hashes.len()))
            } else {
                check("media", Verdict::Failed, format!("{missing} of {} files are missing from the media folder", hashes.len()))
            }
        }
        Err(error) => check("media", Verdict::Failed, error.to_string()),
    }
}

fn stuck_rows(reader: &Connection) -> Check {
    let now = chrono::Utc::now().timestamp_millis();
    let count = |sql: &str, limit: i64| reader.query_row(sql, [limit], |row| row.get::<_, i64>(0)).unwrap_or(-1);
    let sending = count("SELECT count(*) FROM outbox WHERE state = 'sending' AND attempt_at < ?1", now - STUCK_MS);
    let late = count("SELECT count(*) FROM outbox WHERE state = 'due' AND due_at < ?1", now - STUCK_MS);
    let turns = count("SELECT count(*) FROM conversation WHERE turn_due_at IS NOT NULL AND turn_due_at < ?1", now - STUCK_MS);
    let message = format!("{sending} stuck in sending, {late} due for over 30 min, {turns} turns overdue");
    check("queue", if sending + late + turns > 0 { Verdict::Warning } else { Verdict::Ok }, message)
}

fn waiting_for_a_person(reader: &Connection) -> Check {
    let count = |sql: &str| reader.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap_or(-1);
    let dead = count("SELECT count(*) FROM outbox WHERE is_dead = 1");
    let quarantined = count("SELECT count(*) FROM webhook_raw WHERE outcome = 'quarantined'");
    let message = format!("{dead} messages could not be sent, {quarantined} deliveries could not be read; both are on the Antrean page");
    check("to look at", if dead + quarantined == 0 { Verdict::Ok } else { Verdict::Warning }, message)
}

/// Age of the last nightly backup beyond which doctor warns, days.
const OLD_BACKUP_DAYS: i64 = 2;

fn backups(settings: &Settings) -> Check {
    let folder = settings.text("store.backup_folder");
    if folder.is_empty() {
        return check("backup", Verdict::Warning, "no nightly backup; set store.backup_folder, on another disk if there is one");
    }
    let files = crate::worker::nightly::written(std::path::Path::new(folder));
    let Some(newest) = files.last() else { return check("backup", Verdict::Warning, format!("no backup in {folder} yet; one is made after {}", settings.text("store.backup_at"))) };
    let day = newest.file_stem().and_then(|name| name.to_str()).and_then(|name| name.trim_start_matches("kafilah-").parse::<chrono::NaiveDate>().ok());
    let age = day.map_or(i64::MAX, |day| (chrono::Utc::now().date_naive() - day).num_days());
    let verdict = if age > OLD_BACKUP_DAYS { Verdict::Warning } else { Verdict::Ok };
    check("backup", verdict, format!("the newest is {}, {} kept", newest.display(), files.len()))
}

fn clock(reader: &Connection) -> Check {
    let now = chrono::Utc::now().timestamp_millis();
    let newest: i64 = reader.query_row("SELECT ifnull(max(at), 0) FROM event WHERE seq = (SELECT max(seq) FROM event)", [], |row| row.get(0)).unwrap_or(0);
    if now < crate::kernel::date::EARLIEST_MS * 14 / 10 {
        check("clock", Verdict::Failed, "this machine's clock is years behind")
    } else if newest > now + 60_000 {
        check("clock", Verdict::Warning, format!("the store holds events {} s in the future: the clock has been set back", (newest - now) / 1000))
    } else {
        check("clock", Verdict::Ok, chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
    }
}

fn secrets(settings: &Settings) -> Check {
    if settings.sealed.is_empty() {
        check("secrets", Verdict::Ok, "every stored secret opens with secret.key")
    } else {
        check("secrets", Verdict::Failed, format!("{} do not open with this secret.key; put back the right file or set them again", settings.sealed.join(", ")))
    }
}

fn server(dir: &DataDir) -> Check {
    match dir.lock() {
        Ok(None) => check("server", Verdict::Ok, "a server is running on this store"),
        Ok(Some(_)) => check("server", Verdict::Warning, "no server is running on this store"),
        Err(error) => check("server", Verdict::Failed, error.to_string()),
    }
}

fn relay(settings: &Settings, reader: &Connection) -> Vec<Check> {
    let (waiting, cause) = mail::standing(reader).unwrap_or((0, None));
    let tail = match (waiting, cause) {
        (0, _) => String::new(),
        (n, None) => format!("; {n} e-mails wait"),
        (n, Some(cause)) => format!("; {n} e-mails wait, the last try said: {cause}"),
    };
    match Relay::new(settings) {
        Ok(None) if settings.text("notify.email").is_empty() => Vec::new(),
        Ok(None) => vec![check("e-mail", Verdict::Warning, "notify.email is set, but no relay is (smtp.host, smtp.from)")],
        Err(why) => vec![check("e-mail", Verdict::Failed, why)],
        Ok(Some(relay)) => vec![match relay.test() {
            Ok(()) => check("e-mail", if waiting == 0 { Verdict::Ok } else { Verdict::Warning }, format!("{} takes our mail{tail}", settings.text("smtp.host"))),
            Err(why) => check("e-mail", Verdict::Failed, format!("{}: {why}{tail}", settings.text("smtp.host"))),
        }],
    }
}

fn whatsapp(settings: &Settings) -> Vec<Check> {
    if settings.text("whatsapp.provider") != "waha" {
        return vec![check("whatsapp", Verdict::Warning, format!("provider is {}: no real WhatsApp is connected", settings.text("whatsapp.provider")))];
    }
    let http = Http::default();
    let waha = Waha::new(http.clone(), settings.text("waha.url"), settings.text("waha.api_key"), settings.text("waha.session"), Duration::from_secs(10));
    if !waha.is_configured() {
        return vec![check("whatsapp", Verdict::Failed, "waha.url is not set")];
    }
    let mut checks = Vec::new();
    let hook = webhook_url(settings);
    match waha.version() {
        Ok(version) => checks.push(check(
            "waha",
            Verdict::Ok,
            format!("reachable, version {}, engine {}", version["version"].as_str().unwrap_or("?"), version["engine"].as_str().unwrap_or("?")),
        )),
        Err(error) => checks.push(check("waha", Verdict::Failed, format!("not reachable at {}: {error}", settings.text("waha.url")))),
    }
    match waha.session_state() {
        Ok(Some(state)) => {
            let status = state["status"].as_str().unwrap_or("?");
            checks.push(check("session", if status == "WORKING" { Verdict::Ok } else { Verdict::Failed }, format!("{} is {status}", settings.text("waha.session"))));
            if state["config"]["webhooks"].is_array() {
                let set = hook.as_deref().is_some_and(|url| has_webhook(&state, url));
                checks.push(check(
                    "webhook set",
                    if set { Verdict::Ok } else { Verdict::Warning },
                    if set { "the session calls our webhook" } else { "the session does not call our webhook with all it should tell; press Connect on the WhatsApp page" },
                ));
            }
        }
        Ok(None) => checks.push(check("session", Verdict::Failed, format!("{} does not exist; press Connect on the WhatsApp page", settings.text("waha.session")))),
        Err(error) => checks.push(check("session", Verdict::Failed, error.to_string())),
    }
    match hook {
        Some(url) => {
            let health = url.replace("/api/whatsapp/webhook", "/healthz");
            match http.call(&Call::new("GET", &health, &[], None, Duration::from_secs(5))) {
                Ok(answer) if answer.status == 200 => checks.push(check("webhook", Verdict::Ok, format!("{url} answers (seen from here)"))),
                Ok(answer) => checks.push(check("webhook", Verdict::Failed, format!("{health} answers {}", answer.status))),
                Err(error) => checks.push(check("webhook", Verdict::Failed, format!("{health}: {error}"))),
            }
        }
        None => checks.push(check("webhook", Verdict::Warning, "neither waha.webhook_url nor server.public_url is set: WAHA cannot be told where to call")),
    }
    checks
}

/// Where WAHA is told to call: `waha.webhook_url`, else below `server.public_url`.
pub fn webhook_url(settings: &Settings) -> Option<String> {
    let set = settings.text("waha.webhook_url");
    let public = settings.text("server.public_url").trim_end_matches('/');
    match (set.is_empty(), public.is_empty()) {
        (false, _) => Some(set.to_owned()),
        (true, false) => Some(format!("{public}/api/whatsapp/webhook")),
        (true, true) => None,
    }
}
