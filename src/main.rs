//! Arguments in, exit code out.

use clap::Parser;
use kafilah::cli;
use std::process::ExitCode;

/// sysexits: the storage itself is at fault.
const EX_IOERR: u8 = 74;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        // whoever read our output has had enough, as `head` does
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) if is_damaged(&error) => {
            eprintln!(
                "kafilah: {error:#}\nThe database is damaged. Put a backup in its place with `kafilah restore FILE` (the damaged one is kept aside), or look at it with `kafilah doctor`."
            );
            ExitCode::from(EX_IOERR)
        }
        Err(error) => {
            eprintln!("kafilah: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe))
}

fn is_damaged(error: &anyhow::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let damaged = |cause: &rusqlite::Error| matches!(cause.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase));
    error.chain().any(|cause| cause.downcast_ref::<rusqlite::Error>().is_some_and(damaged))
}
