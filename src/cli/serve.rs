//! `serve`: opens the store, binds, prints `listening on http://ADDR`, works until SIGTERM or SIGINT, drains.

use super::say;
use crate::app::App;
use crate::db::{DataDir, setting};
use crate::web::{routes, server};
use crate::worker::Workers;
use anyhow::{Context, bail};
use clap::Args;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Options.
#[derive(Args, Clone)]
pub struct Options {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Let tests set the wall clock with POST /api/test/clock
    #[arg(long)]
    pub test_clock: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), test_clock: false }
    }
}

/// Threads of the async runtime: two cores are what the smallest VPS has; the store and the gateway have their own threads.
const RUNTIME_THREADS: usize = 2;

/// Serves until told to stop.
pub fn run(dir: DataDir, options: &Options) -> anyhow::Result<()> {
    run_with(dir, options, |_| Ok(()))
}

/// Serves, and calls `ready` on its own thread once everything runs.
pub fn run_with(dir: DataDir, options: &Options, ready: impl FnOnce(Arc<App>) -> anyhow::Result<()> + Send + 'static) -> anyhow::Result<()> {
    log_to_stderr();
    dir.create().with_context(|| format!("while making the folder {}", dir.0.display()))?;
    let Some(_lock) = dir.lock()? else { bail!("another kafilah is serving {}; stop it first", dir.0.display()) };
    let mark = dir.running_mark();
    let unclean = mark.exists();
    let app = App::open(dir, options.test_clock)?;
    std::fs::write(&mark, b"")?;
    let settings = app.settings();
    let quiet_ms = settings.int("bot.quiet_ms");
    let session = settings.text("waha.session").to_owned();
    app.store.write_blocking(move |tx| -> Result<(), setting::SettingError> {
        crate::chat::turn::recover(tx, quiet_ms)?;
        crate::chat::channel::ensure(tx, crate::chat::channel::SIMULATOR, None)?;
        crate::chat::channel::ensure(tx, &session, None)?;
        Ok(())
    })?;
    if unclean {
        check_in_background(&app);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).max_blocking_threads(16).thread_name("web").enable_all().build()?;
    let served = runtime.block_on(async {
        let listener = TcpListener::bind(options.listen).await.with_context(|| format!("while listening on {}", options.listen))?;
        let address = listener.local_addr()?;
        app.listen.set(address).expect("set once");
        let workers = Workers::start(&app);
        // before the line that others wait for: a stop right after it must drain like any other
        let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        say(format_args!("listening on http://{address}"))?;
        std::io::stdout().flush()?;
        let begun = Arc::clone(&app);
        std::thread::Builder::new().name("ready".into()).spawn(move || {
            if let Err(error) = ready(begun) {
                tracing::error!("{error:#}");
            }
        })?;
        let stopper = Arc::clone(&app);
        tokio::spawn(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("stopping");
            stopper.begin_stop();
        });
        server::serve(Arc::clone(&app), listener, routes::router(Arc::clone(&app))).await;
        anyhow::Ok(workers)
    });
    match served {
        Ok(workers) => {
            workers.join();
            app.store.close();
            runtime.shutdown_timeout(std::time::Duration::from_secs(1));
            let _ = std::fs::remove_file(mark); // only a hint for the next start
            Ok(())
        }
        Err(error) => {
            app.begin_stop();
            app.store.close();
            let _ = std::fs::remove_file(mark); // as above
            Err(error)
        }
    }
}

/// After an end that was not clean the file is checked while it is already served: SQLite has replayed its log, and a
/// check of a large store would keep customers waiting.
fn check_in_background(app: &Arc<App>) {
    let path = app.store.dir.database();
    let check = move || match crate::db::readers::open_reader(&path).and_then(|c| c.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0))) {
        Ok(said) if said == "ok" => tracing::info!("the last run did not end cleanly; the store was checked and is whole"),
        Ok(said) => tracing::error!(%said, "the store is damaged; restore a backup"),
        Err(error) => tracing::error!(%error, "the store could not be checked"),
    };
    if let Err(error) = std::thread::Builder::new().name("check".into()).spawn(check) {
        tracing::warn!(%error, "the store was not checked");
    }
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("KAFILAH_LOG").unwrap_or_else(|_| "info".into());
    // set once a process; the demo comes here through the same door
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false).try_init();
}
