//! `demo`: a seeded agency and the phone simulator. Plays one conversation through the real webhook, turn and queue,
//! prints it, and keeps serving.

use super::{Desk, serve};
use crate::app::App;
use crate::chat::canned;
use crate::chat::media;
use crate::db::{DataDir, StoreError, setting};
use crate::people::label;
use crate::people::user::{self, Role};
use crate::travel::package::{self, NewMedia, Package};
use crate::web::view::{Assets, asset_text};
use crate::worker::simulator;
use anyhow::Context;
use clap::Args;
use serde_json::Value;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Options.
#[derive(Args, Clone)]
pub struct Options {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
}

/// Agency, owner and customer of the demo; all made up.
const AGENCY: &str = "Safar Amanah Wisata";
const OWNER: &str = "demo@safaramanah.example";
const PASSWORD: &str = "demo-kafilah";
const CUSTOMER: (&str, &str) = ("6281200001234", "Ibu Ratna");
/// Longest the script waits for the bot's answer to one message.
const PATIENCE: Duration = Duration::from_secs(40);

/// Does it.
pub fn run(dir: DataDir, options: &Options) -> anyhow::Result<()> {
    seed(&dir)?;
    let address = serve::Options { listen: options.listen, test_clock: false };
    serve::run_with(dir, &address, |app| {
        if let Err(error) = play(&app) {
            eprintln!("the demo conversation broke off: {error:#}");
        }
        Ok(())
    })
}

/// Fills an empty store; the demo's own is left as it is.
///
/// Errors: a store that is not the demo's.
fn seed(dir: &DataDir) -> anyhow::Result<()> {
    let mut desk = Desk::open(dir)?;
    let used: i64 = desk.connection().query_row("SELECT count(*) FROM user", [], |row| row.get(0))?;
    if used > 0 {
        let ours: i64 = desk.connection().query_row("SELECT count(*) FROM user WHERE email = ?1", [OWNER], |row| row.get(0))?;
        anyhow::ensure!(ours > 0, "the store in {} is a real agency's; the demo would write made-up conversations into it. Choose another folder with --data", dir.0.display());
        return Ok(());
    }
    let rows: Vec<Value> = serde_json::from_str(&asset_text("demo/catalog.json")).context("the demo catalogue")?;
    let team: Vec<Value> = serde_json::from_str(&asset_text("demo/team.json")).context("the demo team")?;
    let hash = user::hash_password(PASSWORD)?;
    let mut packages = Vec::new();
    for row in &rows {
        let mut files = Vec::new();
        for file in row["media"].as_array().into_iter().flatten() {
            let stored = match file["file"].as_str() {
                Some(name) => {
                    let bytes = Assets::get(&format!("demo/{name}")).with_context(|| format!("the demo file {name}"))?.data;
                    Some((media::keep_bytes(dir, &bytes)?, bytes.len(), name.to_owned()))
                }
                None => None,
            };
            files.push((file.clone(), stored));
        }
        packages.push((Package::from_json(None, row)?, files));
    }
    desk.write(|tx| -> anyhow::Result<()> {
        for (key, value) in [
            ("agency.name", AGENCY),
            ("agency.licence", "PPIU contoh 0000/2026"),
            ("agency.address", "Jl. Contoh Raya No. 1, Jakarta Selatan"),
            ("whatsapp.provider", "simulator"),
            ("bot.quiet_ms", "800"),
            ("queue.reply_gap_ms", "200..500"),
            ("queue.typing", "on"),
        ] {
            setting::set(tx, "demo", key, value)?;
        }
        user::create(tx, "demo", OWNER, "Hendra Gunawan", Role::SystemAdmin, &hash)?;
        for person in &team {
            let role = person["role"].as_str().and_then(Role::parse).unwrap_or(Role::Cs);
            user::create(tx, "demo", person["email"].as_str().unwrap_or(""), person["name"].as_str().unwrap_or(""), role, &hash)?;
        }
        for (name, color) in [("Grade A", 0), ("Grade B", 1), ("Rombongan", 5), ("Lansia", 4), ("Komplain", 3)] {
            label::create(tx, name, Some(color), "demo")?;
        }
        let ready: Vec<Value> = serde_json::from_str(&asset_text("demo/canned.json")).context("the demo's quick replies")?;
        for one in &ready {
            canned::put(tx, None, one["shortcut"].as_str().unwrap_or(""), one["text"].as_str().unwrap_or(""), None, &[], "demo")?;
        }
        for (package, files) in &packages {
            package::put(tx, "demo", package)?;
            let Some((id, _)) = package::find(tx, &package.code)? else { continue };
            for (file, stored) in files {
                let media_id = match stored {
                    Some((sha, size, name)) => Some(media::own(tx, sha, file["mime"].as_str().unwrap_or("application/octet-stream"), *size, name)?),
                    None => None,
                };
                let place = file["latitude"].as_f64().zip(file["longitude"].as_f64());
                let (kind, title) = (file["kind"].as_str().unwrap_or("image"), file["title"].as_str().unwrap_or(""));
                package::add_media(tx, "demo", id, &NewMedia { kind, media_id, title, place })?;
            }
        }
        Ok(())
    })
}

/// Plays the script and prints what both sides said.
fn play(app: &Arc<App>) -> anyhow::Result<()> {
    let script: Vec<Value> = serde_json::from_str(&asset_text("demo/script.json")).context("the demo script")?;
    let address = app.listen.get().context("the server listens")?;
    let mut out = std::io::stdout();
    writeln!(out, "\n{AGENCY} · percakapan lewat webhook, giliran bot dan antrean yang sebenarnya\n")?;
    let before: i64 = app.store.read_blocking(|c| -> Result<i64, StoreError> { Ok(c.query_row("SELECT ifnull(max(id), 0) FROM message", [], |row| row.get(0))?) })?;
    let mut shown = before;
    for line in &script {
        let text = line["text"].as_str().unwrap_or("");
        simulator::customer_writes(app, CUSTOMER.0, CUSTOMER.1, text)?;
        let until = Instant::now() + PATIENCE;
        // the bot is done when its turn is over and nothing of this chat is left in the queue
        while !app.is_stopping() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(150));
            let busy: i64 = app.store.read_blocking(|c| -> Result<i64, StoreError> {
                Ok(c.query_row(
                    "SELECT (SELECT count(*) FROM conversation WHERE turn_due_at IS NOT NULL) + (SELECT count(*) FROM outbox WHERE is_open = 1 AND state <> 'unknown')",
                    [],
                    |row| row.get(0),
                )?)
            })?;
            if busy == 0 {
                break;
            }
        }
        shown = print_after(app, shown, &mut out)?;
        let silent: i64 =
            app.store.read_blocking(|c| -> Result<i64, StoreError> { Ok(c.query_row("SELECT count(*) FROM conversation WHERE handler = 'user'", [], |row| row.get(0))?) })?;
        if silent > 0 || app.is_stopping() {
            break;
        }
    }
    if app.is_stopping() {
        return Ok(());
    }
    let state: Option<(String, String)> = app.store.read_blocking(|c| -> Result<_, StoreError> {
        use rusqlite::OptionalExtension;
        let found = c.query_row(
            "SELECT v.phase, ifnull((SELECT reason FROM escalation e WHERE e.conversation_id = v.id ORDER BY id DESC LIMIT 1), '-') FROM conversation v ORDER BY v.id LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        );
        Ok(found.optional()?)
    })?;
    if let Some((phase, reason)) = state {
        writeln!(out, "  fase: {phase} · eskalasi: {reason}\n")?;
    }
    writeln!(out, "Dasbor    http://{address}\nMasuk     {OWNER}\nSandi     {PASSWORD}\nSimulator http://{address}/simulator\n\nCtrl-C untuk berhenti.")?;
    out.flush()?;
    Ok(())
}

/// Prints the messages after `id`; returns the newest id.
fn print_after(app: &App, id: i64, out: &mut impl Write) -> anyhow::Result<i64> {
    let rows: Vec<(i64, String, String, Option<String>, i64)> = app.store.read_blocking(|c| -> Result<_, StoreError> {
        let mut query = c.prepare("SELECT id, direction, kind, text, at FROM message WHERE id > ?1 ORDER BY id")?;
        let rows = query.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    })?;
    let zone = app.settings().zone;
    let mut last = id;
    for (id, direction, kind, text, at) in rows {
        last = id;
        let who = if direction == "in" { CUSTOMER.1 } else { "Bot" };
        let words = match (kind.as_str(), text) {
            ("text", Some(text)) => text,
            (kind, Some(text)) => format!("[{kind}] {text}"),
            (kind, None) => format!("[{kind}]"),
        };
        writeln!(out, "{} {who}", crate::kernel::date::clock_time(at, zone))?;
        for line in words.lines() {
            writeln!(out, "      {line}")?;
        }
        writeln!(out)?;
    }
    out.flush()?;
    Ok(last)
}
