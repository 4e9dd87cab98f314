//! `token create`: prints the bearer token alone on stdout, once.

use super::{Desk, say};
use crate::db::{DataDir, StoreError};
use crate::people::user::{self, Role};
use anyhow::Context;
use clap::Subcommand;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Make a bearer token; it is shown this once
    Create {
        /// system_admin, marketing_admin, sales_admin, cs or viewer
        #[arg(long, value_parser = super::user::role)]
        role: Role,
        /// What it is for
        #[arg(long)]
        name: String,
        /// E-mail of the user it acts as; without it the token acts under its own name
        #[arg(long, value_name = "E")]
        user: Option<String>,
    },
    /// Show all tokens by name
    List,
    /// Make a token useless
    Revoke {
        /// Its number, as `list` shows it
        id: i64,
    },
}

/// Does it.
pub fn run(dir: &DataDir, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { role, name, user } => {
            anyhow::ensure!(!name.trim().is_empty(), "--name: say what the token is for");
            let mut desk = Desk::open_or_make(dir)?;
            let behind = match &user {
                Some(email) => Some(user::by_email(desk.connection(), email)?.ok_or_else(|| anyhow::anyhow!("there is no user {email}"))?),
                None => None,
            };
            let token = desk.write(|tx| user::create_token(tx, "cli", &name, role, behind.as_ref()))?;
            say(format_args!("{token}")).context("the token was made and cannot be shown again: revoke it (`kafilah token list`) and make another")?;
        }
        Command::List => {
            let desk = Desk::open_existing(dir)?;
            let mut query = desk.connection().prepare("SELECT id, name, role, revoked_at IS NOT NULL FROM api_token ORDER BY id")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let state = if row.get::<_, bool>(3)? { "revoked" } else { "active" };
                say(format_args!("{}\t{}\t{}\t{state}", row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))?;
            }
        }
        Command::Revoke { id } => {
            let gone = Desk::open_existing(dir)?.write(|tx| -> Result<usize, StoreError> {
                let gone = tx.execute("UPDATE api_token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL", (id, tx.now_ms))?;
                tx.audit("cli", "token.revoked", &format!("token:{id}"), "")?;
                Ok(gone)
            })?;
            anyhow::ensure!(gone > 0, "there is no active token {id}");
        }
    }
    Ok(())
}
