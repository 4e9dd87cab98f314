//! `export`: an atomic file that cron can trust; `--since last` goes on where the last one ended.

use super::{Desk, progress::Progress, say};
use crate::db::draft::Draft;
use crate::db::setting::Settings;
use crate::db::{DataDir, StoreError, readers};
use crate::insight::audience;
use crate::insight::export::{self, Format, Span};
use crate::kernel::date;
use anyhow::{Context, anyhow};
use clap::Args;
use rusqlite::OptionalExtension;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Options.
#[derive(Args)]
pub struct Options {
    /// What to export; `list` shows all kinds
    what: String,
    /// The file; `-` is standard output
    #[arg(long, value_name = "FILE|-", default_value = "-")]
    out: PathBuf,
    /// How to write it
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
    /// From this time on (RFC 3339 or YYYY-MM-DD), or `last`: since the last export of this kind
    #[arg(long, value_name = "T|last")]
    since: Option<String>,
    /// For custom-audience: whom, as in `"Grade A" and not Closing, added < 30 days`
    #[arg(long, value_name = "EXPR")]
    segment: Option<String>,
    /// Up to this time (not with `--since last`, which remembers by itself)
    #[arg(long, value_name = "T")]
    until: Option<String>,
}

/// Does it.
pub fn run(dir: &DataDir, options: &Options) -> anyhow::Result<()> {
    if options.what == "list" {
        for export in export::EXPORTS {
            say(format_args!("{}", export.name))?;
        }
        say(format_args!("{AUDIENCE}"))?;
        return Ok(());
    }
    dir.spare(&options.out)?;
    if options.what == AUDIENCE {
        return audience(dir, options);
    }
    anyhow::ensure!(options.segment.is_none(), "--segment goes with {AUDIENCE}");
    let kinds = || export::EXPORTS.iter().map(|export| export.name).collect::<Vec<_>>().join(", ");
    let kind = export::find(&options.what).ok_or_else(|| anyhow!("there is no export {:?}; one of {}", options.what, kinds()))?;
    let mut desk = Desk::open_existing(dir)?;
    let zone = Settings::load(desk.connection(), &desk.key)?.zone;
    let time = |given: &str| date::parse_instant(given, zone).ok_or_else(|| anyhow!("{given:?} is not a time; write 2026-11-20 or 2026-11-20T07:00:00+07:00"));
    anyhow::ensure!(options.until.is_none() || options.since.as_deref() != Some("last"), "--since last goes up to now; leave --until out");
    let until_ms = options.until.as_deref().map(time).transpose()?.unwrap_or(i64::MAX);
    let remembers = options.since.as_deref() == Some("last");
    let mark: Option<(i64, Option<i64>)> = match remembers {
        true => desk.connection().query_row("SELECT until_at, until_id FROM export_mark WHERE what = ?1", [kind.name], |row| Ok((row.get(0)?, row.get(1)?))).optional()?,
        false => None,
    };
    let fence_ms = if remembers { fence(&mut desk)? } else { i64::MAX };
    let reader = readers::open_reader(&dir.database())?;
    let snapshot = reader.unchecked_transaction()?; // one moment, however long it takes
    let last = kind.last(&snapshot)?;
    let span = match (remembers, last, options.since.as_deref()) {
        (true, Some(last), _) => Span::Numbers(mark.and_then(|(_, id)| id).unwrap_or(0), last),
        (true, None, _) => Span::Time(mark.map_or(0, |(at, _)| at), fence_ms),
        (false, _, Some(given)) => Span::Time(time(given)?, until_ms),
        (false, _, None) => Span::Time(0, until_ms),
    };
    let mut bar = Progress::default();
    let mut tell = |n| bar.tell("rows", n, 0);
    let rows = if options.out.as_os_str() == "-" {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let rows = export::write(&snapshot, kind, span, zone, options.format, &mut out, &mut tell)?;
        out.flush()?;
        rows
    } else {
        whole_file(&options.out, |out| export::write(&snapshot, kind, span, zone, options.format, out, &mut tell))?
    };
    bar.end();
    drop(snapshot);
    if remembers {
        // only now: a failed export is made again in full next time
        desk.write(|tx| -> Result<(), StoreError> {
            tx.execute(
                "INSERT INTO export_mark (what, until_at, until_id) VALUES (?1, ?2, ?3) ON CONFLICT (what) DO UPDATE SET until_at = excluded.until_at, until_id = excluded.until_id",
                (kind.name, fence_ms, last),
            )?;
            Ok(())
        })?;
    }
    eprintln!("{rows} rows of {}", kind.name);
    Ok(())
}

/// The file for Meta's custom audiences.
const AUDIENCE: &str = "custom-audience";

fn audience(dir: &DataDir, options: &Options) -> anyhow::Result<()> {
    anyhow::ensure!(options.since.is_none() && options.until.is_none() && options.format == Format::Csv, "{AUDIENCE} is always all of the segment, as csv");
    drop(Desk::open_existing(dir)?);
    let reader = readers::open_reader(&dir.database())?;
    let now_ms = chrono::Utc::now().timestamp_millis();
    let expr = options.segment.as_deref();
    let rows = if options.out.as_os_str() == "-" {
        audience::write(&reader, expr, now_ms, std::io::stdout().lock())?
    } else {
        whole_file(&options.out, |out| Ok(audience::write(&reader, expr, now_ms, out)?))?
    };
    eprintln!("{rows} people, hashed; those who want no messages are left out");
    Ok(())
}

/// Writes a file beside its place and moves it there when it is whole; the old one stays until then.
fn whole_file(path: &Path, write: impl FnOnce(&mut BufWriter<&mut File>) -> anyhow::Result<u64>) -> anyhow::Result<u64> {
    let mut draft = Draft::begin(path)?;
    let mut out = BufWriter::new(draft.file());
    let rows = write(&mut out)?;
    out.flush().with_context(|| format!("while writing {}", path.display()))?;
    drop(out);
    draft.finish()?;
    Ok(rows)
}

/// A moment that parts what is committed from what is not: rows stamped before it are in the store, rows stamped from it
/// on are not yet. Had by holding the right to write until the clock has passed it. Unix ms.
fn fence(desk: &mut Desk) -> anyhow::Result<i64> {
    desk.write(|tx| -> Result<i64, StoreError> {
        let fence_ms = tx.now_ms + 1;
        while chrono::Utc::now().timestamp_millis() < fence_ms {
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(fence_ms)
    })
    .context("while finding the moment up to which to export")
}
