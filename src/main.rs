//! Arguments in, exit code out.

use clap::Parser;
use kafilah::cli;
use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("kafilah: {error:#}");
            ExitCode::FAILURE
        }
    }
}
