//! `init`: a store, its owner, perhaps a catalogue.

use super::{Desk, import, line_from_stdin};
use crate::db::setting::SecretKey;
use crate::db::writer::{self, Tx};
use crate::db::{DataDir, migrations, setting};
use crate::kernel::clock::Clock;
use crate::people::user::{self, Role};
use clap::Args;
use rusqlite::Connection;
use std::path::PathBuf;

/// Options.
#[derive(Args)]
pub struct Options {
    /// The agency's name, as customers read it
    #[arg(long)]
    agency: String,
    /// The owner's login name
    #[arg(long)]
    owner_email: String,
    /// Read the owner's password (10 to 200 characters) from standard input
    #[arg(long, required = true)]
    owner_password_stdin: bool,
    /// Packages to begin with, as for `import packages`
    #[arg(long, value_name = "FILE.json")]
    catalog: Option<PathBuf>,
}

/// Does it.
pub fn run(dir: &DataDir, options: &Options) -> anyhow::Result<()> {
    let hash = user::hash_password(&line_from_stdin("the owner's password")?)?;
    let packages = options.catalog.as_deref().map(import::read_packages).transpose()?;
    let (agency, email) = (options.agency.trim().to_owned(), options.owner_email.clone());
    let name = email.split('@').next().unwrap_or("owner").to_owned();
    let fill = |tx: &Tx<'_>| -> anyhow::Result<()> {
        setting::set(tx, "cli", "agency.name", &agency)?;
        user::create(tx, "cli", &email, &name, Role::SystemAdmin, &hash)?;
        for package in packages.iter().flatten() {
            crate::travel::package::put(tx, "cli", package)?;
        }
        Ok(())
    };
    // tried first on a store that is nowhere: what is wrong leaves none behind
    let mut nowhere = Connection::open_in_memory()?;
    migrations::bring_up_to_date(&mut nowhere)?;
    writer::once(&mut nowhere, &Clock::default(), &SecretKey::from_text(&crate::kernel::ids::token())?, fill)?;
    let mut desk = Desk::open(dir)?;
    let owners: i64 = desk.connection().query_row("SELECT count(*) FROM user", [], |row| row.get(0))?;
    anyhow::ensure!(
        owners == 0,
        "the store in {} has users already; add more with `kafilah user add`, or choose another folder with --data (the demo keeps its made-up agency in this one)",
        dir.0.display()
    );
    desk.write(fill)?;
    eprintln!("made the store in {} for {agency}; {email} is its system_admin. Next: kafilah serve", dir.0.display());
    Ok(())
}
