//! `demo`: a seeded agency and the phone simulator. Plays one conversation through the real webhook, turn and queue,
//! prints it, and keeps serving.

use super::serve;
use crate::db::DataDir;
use clap::Args;

/// Options.
#[derive(Args, Clone)]
pub struct Options {
    /// Address to listen on; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: std::net::SocketAddr,
}

/// Does it.
pub fn run(dir: DataDir, options: &Options) -> anyhow::Result<()> {
    serve::run(dir, &serve::Options { listen: options.listen, test_clock: false })
}
