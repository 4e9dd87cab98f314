//! `user add | list | disable | enable | role | password`.

use super::{Desk, line_from_stdin, say};
use crate::db::DataDir;
use crate::people::user::{self, Role, UserError};
use anyhow::anyhow;
use clap::Subcommand;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// Let somebody in
    Add {
        /// Login name
        #[arg(long)]
        email: String,
        /// Name on screens
        #[arg(long)]
        name: String,
        /// system_admin, marketing_admin, sales_admin, cs or viewer
        #[arg(long, value_parser = role)]
        role: Role,
        /// Read the password (10 to 200 characters) from standard input
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Show everybody
    List,
    /// Lock somebody out; what he did stays
    Disable {
        /// Login name
        email: String,
    },
    /// Let a disabled user in again
    Enable {
        /// Login name
        email: String,
    },
    /// Set a new password from standard input
    Password {
        /// Login name
        email: String,
    },
}

/// Reads a role.
pub fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| format!("one of {}", Role::ALL.map(Role::as_str).join(", ")))
}

/// Does it.
pub fn run(dir: &DataDir, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add { email, name, role, .. } => {
            let hash = user::hash_password(&line_from_stdin("the password")?)?;
            Desk::open_or_make(dir)?.write(|tx| user::create(tx, "cli", &email, &name, role, &hash))?;
            eprintln!("{email} may now log in as {}", role.as_str());
        }
        Command::List => {
            for user in user::list(Desk::open_existing(dir)?.connection())? {
                say(format_args!("{}\t{}\t{}\t{}", user.email, user.name, user.role.as_str(), if user.disabled_at.is_some() { "disabled" } else { "active" }))?;
            }
        }
        Command::Disable { email } => Desk::open_existing(dir)?.write(|tx| user::disable(tx, "cli", &email))?,
        Command::Enable { email } => Desk::open_existing(dir)?.write(|tx| user::enable(tx, "cli", &email))?,
        Command::Password { email } => {
            let mut desk = Desk::open_existing(dir)?;
            let found = user::by_email(desk.connection(), &email)?.ok_or_else(|| anyhow!(UserError::NoSuchUser(email)))?;
            let hash = user::hash_password(&line_from_stdin("the password")?)?;
            desk.write(|tx| user::set_password(tx, "cli", found.id, &hash))?;
        }
    }
    Ok(())
}
