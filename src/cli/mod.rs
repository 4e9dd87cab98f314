//! The command line: one file per subcommand. Results go to stdout, everything else to stderr.
//! Exit codes: 0 done, 1 failed (why on stderr), 2 usage.

pub mod backup;
pub mod demo;
pub mod doctor;
pub mod export;
pub mod import;
pub mod init;
pub mod progress;
pub mod replay;
pub mod serve;
pub mod set;
pub mod token;
pub mod user;

use crate::db::setting::SecretKey;
use crate::db::writer::{self, Tx};
use crate::db::{DataDir, StoreError, migrations};
use crate::insight::export::Format;
use crate::kernel::clock::Clock;
use anyhow::Context;
use clap::{Args, CommandFactory, Parser, Subcommand};
use rusqlite::Connection;
use std::io::Write;
use std::path::PathBuf;

/// WhatsApp desk for a small umroh travel agency: one executable, SQLite inside.
#[derive(Parser)]
#[command(name = "kafilah", version, about, long_about = None, after_help = "Without a subcommand: serve. Start with `kafilah demo`.")]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every subcommand.
#[derive(Args, Clone)]
struct Global {
    /// Folder of the store
    #[arg(long, global = true, env = "KAFILAH_DATA", default_value = "./kafilah-data", value_name = "DIR")]
    data: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Play a conversation in a seeded agency with the built-in phone simulator, then keep serving
    Demo(demo::Options),
    /// Serve the webhook, the bot, the queue and the dashboard
    Serve(serve::Options),
    /// Make a store with its owner
    Init(init::Options),
    /// Choose a setting; works while the server runs
    Set {
        /// Name, for example waha.url
        key: String,
        /// Value; `-` reads it from standard input (for secrets)
        value: String,
    },
    /// Put a setting back to its default
    Unset {
        /// Name
        key: String,
    },
    /// Show one setting or all; secrets are shown as ***
    Get {
        /// Name; none: all
        key: Option<String>,
    },
    /// Manage the people who log in
    User {
        #[command(subcommand)]
        command: user::Command,
    },
    /// Manage bearer tokens for programs
    Token {
        #[command(subcommand)]
        command: token::Command,
    },
    /// Read packages, campaigns, contacts or purchases from a CSV or JSON file: all rows or none
    Import(import::Options),
    /// Write a CSV, JSON Lines or Excel file, fit for cron
    Export(export::Options),
    /// Write a backup of everything into one file, also while the server runs
    Backup {
        /// The file
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Put a backup in place of the store; the old store is kept aside
    Restore {
        /// The file
        file: PathBuf,
    },
    /// Try a draft prompt or questions on past conversations, offline, and compare
    Replay(replay::Options),
    /// Check the store, the disk, the clock and the connection to WhatsApp
    Doctor {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print completions for a shell
    Completions {
        /// bash, zsh, fish, elvish or powershell
        shell: clap_complete::Shell,
    },
}

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let dir = DataDir(cli.global.data);
    match cli.command.unwrap_or(Command::Serve(serve::Options::default())) {
        Command::Demo(options) => demo::run(dir, &options),
        Command::Serve(options) => serve::run(dir, &options),
        Command::Init(options) => init::run(&dir, &options),
        Command::Set { key, value } => set::set(&dir, &key, &value),
        Command::Unset { key } => set::unset(&dir, &key),
        Command::Get { key } => set::get(&dir, key.as_deref()),
        Command::User { command } => user::run(&dir, command),
        Command::Token { command } => token::run(&dir, command),
        Command::Import(options) => import::run(&dir, &options),
        Command::Export(options) => export::run(&dir, &options),
        Command::Backup { out } => backup::backup(&dir, &out),
        Command::Restore { file } => backup::restore(&dir, &file),
        Command::Replay(options) => replay::run(&dir, &options),
        Command::Doctor { json } => doctor::run(&dir, json),
        Command::Completions { shell } => {
            let mut script = Vec::new(); // the generator panics on a closed pipe
            clap_complete::generate(shell, &mut Cli::command(), "kafilah", &mut script);
            Ok(std::io::stdout().write_all(&script)?)
        }
    }
}

/// The store opened for one command, beside a running server or without one.
pub struct Desk {
    connection: Connection,
    clock: Clock,
    /// Key of sealed secrets.
    pub key: SecretKey,
}

impl Desk {
    /// Opens the store in `dir`, making it if it is not there.
    pub fn open(dir: &DataDir) -> anyhow::Result<Self> {
        dir.create().with_context(|| format!("while making the folder {}", dir.0.display()))?;
        let mut connection = crate::db::connect(&dir.database()).with_context(|| format!("while opening {}", dir.database().display()))?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?; // checkpoints are the server's
        migrations::bring_up_to_date(&mut connection)?;
        let key = dir.key()?;
        Ok(Self { connection, clock: Clock::default(), key })
    }

    /// Like [`Desk::open`], and says so when there was none: the folder may be the wrong one.
    pub fn open_or_make(dir: &DataDir) -> anyhow::Result<Self> {
        let is_new = !dir.database().exists();
        let desk = Self::open(dir)?;
        if is_new {
            eprintln!("there was no store in {}: a new, empty one was made (is --data right?)", dir.0.display());
        }
        Ok(desk)
    }

    /// Opens a store that must be there already.
    pub fn open_existing(dir: &DataDir) -> anyhow::Result<Self> {
        anyhow::ensure!(dir.database().exists(), "there is no store in {}; make one with `kafilah init` or `kafilah demo`", dir.0.display());
        Self::open(dir)
    }

    /// Runs `job` in one transaction.
    pub fn write<T, E: From<StoreError>>(&mut self, job: impl FnOnce(&Tx<'_>) -> Result<T, E>) -> Result<T, E> {
        writer::once(&mut self.connection, &self.clock, &self.key, job)
    }

    /// For reading.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }
}

/// A line of the result on standard output.
///
/// Errors: nothing takes it (a full disk); unlike `println!`, which panics.
fn say(line: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("while writing the result to standard output")
}

/// The first line of standard input, without its end.
fn line_from_stdin(what: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).with_context(|| format!("while reading {what} from standard input"))?;
    let line = line.trim_end_matches(['\r', '\n']).to_owned();
    anyhow::ensure!(!line.is_empty(), "{what} must come on standard input, for example: echo SECRET | kafilah …");
    Ok(line)
}

/// Formats of `export`, re-exported for the option.
pub type ExportFormat = Format;
