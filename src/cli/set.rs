//! `set`, `unset`, `get`.

use super::{Desk, line_from_stdin, say};
use crate::db::DataDir;
use crate::db::setting::{self, Settings};

/// Chooses a setting.
pub fn set(dir: &DataDir, key: &str, value: &str) -> anyhow::Result<()> {
    let value = if value == "-" { line_from_stdin(key)? } else { value.to_owned() };
    Desk::open_or_make(dir)?.write(|tx| setting::set(tx, "cli", key, &value))?;
    Ok(())
}

/// Puts a setting back.
pub fn unset(dir: &DataDir, key: &str) -> anyhow::Result<()> {
    Desk::open_or_make(dir)?.write(|tx| setting::unset(tx, "cli", key))?;
    Ok(())
}

/// Shows one setting (the value alone) or all (`key = value`, `*` where it differs from the default).
pub fn get(dir: &DataDir, key: Option<&str>) -> anyhow::Result<()> {
    let desk = Desk::open_existing(dir)?;
    let settings = Settings::load(desk.connection(), &desk.key)?;
    let shown = settings.shown();
    let says = |key: &str, value: String| if settings.sealed.contains(&key) { "*** (sealed with another secret.key)".to_owned() } else { value };
    match key {
        Some(key) => {
            let (spec, value, _) = shown.iter().find(|(spec, ..)| spec.key == key).ok_or_else(|| setting::SettingError::Unknown(key.to_owned()))?;
            say(format_args!("{}", says(spec.key, value.clone())))?;
        }
        None => {
            for (spec, value, changed) in shown {
                say(format_args!("{} {} = {}", if changed { "*" } else { " " }, spec.key, says(spec.key, value)))?;
            }
        }
    }
    Ok(())
}
