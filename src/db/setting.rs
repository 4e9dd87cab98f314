//! Settings: what the agency chose, one row per key that differs from its default. Secrets are encrypted with a
//! key that is kept outside the database and outside backups.

use super::StoreError;
use super::writer::Tx;
use crate::kernel::hours::{self, Hours};
use crate::kernel::language::Language;
use crate::kernel::phone::Phone;
use crate::kernel::{date, ids};
use crate::wire::smtp;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use chrono_tz::Tz;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Any text of at most 2,000 characters.
    Text,
    /// The same, but something must stand there: customers read it.
    Name,
    /// Text that is never shown again.
    Secret,
    /// `on` or `off`.
    Switch,
    /// A whole number between the two.
    Int(i64, i64),
    /// A decimal between the two.
    Decimal(f64, f64),
    /// `MIN..MAX`, milliseconds.
    RangeMs,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// http or https address without credentials; empty allowed.
    Url,
    /// IANA time zone name.
    Zone,
    /// `HH:MM`.
    Time,
    /// E-mail addresses, parted by commas; empty allowed.
    Mails,
    /// Phone numbers, parted by commas; empty allowed.
    Phones,
}

/// A setting the program knows.
#[derive(Debug)]
pub struct Spec {
    /// Name, as in `kafilah set`.
    pub key: &'static str,
    /// Value while nobody chose another.
    pub default: &'static str,
    /// What is accepted.
    pub kind: Kind,
}

const fn spec(key: &'static str, default: &'static str, kind: Kind) -> Spec {
    Spec { key, default, kind }
}

/// Every setting there is.
pub const SPECS: &[Spec] = &[
    spec("agency.name", "Biro Umroh", Kind::Name),
    spec("agency.licence", "", Kind::Text),
    spec("agency.address", "", Kind::Text),
    spec("agency.timezone", "Asia/Jakarta", Kind::Zone),
    spec("agency.language", "id", Kind::Choice(&["id", "en"])),
    spec("server.public_url", "", Kind::Url),
    spec("server.trusted_proxy", "off", Kind::Switch),
    spec("store.raw_days", "30", Kind::Int(1, 3650)),
    spec("store.backup_folder", "", Kind::Text),
    spec("store.backup_at", "02:30", Kind::Time),
    spec("store.backup_keep", "7", Kind::Int(1, 365)),
    spec("whatsapp.provider", "simulator", Kind::Choice(&["simulator", "waha", "cloud"])),
    spec("whatsapp.phone", "", Kind::Text),
    spec("waha.url", "", Kind::Url),
    spec("waha.api_key", "", Kind::Secret),
    spec("waha.session", "default", Kind::Text),
    spec("waha.hmac_key", "", Kind::Secret),
    spec("waha.webhook_url", "", Kind::Url),
    spec("cloud.phone_number_id", "", Kind::Text),
    spec("cloud.access_token", "", Kind::Secret),
    spec("cloud.app_secret", "", Kind::Secret),
    spec("cloud.verify_token", "", Kind::Secret),
    spec("llm.base_url", "", Kind::Url),
    spec("llm.model", "", Kind::Text),
    spec("llm.api_key", "", Kind::Secret),
    spec("llm.timeout_ms", "15000", Kind::Int(500, 120_000)),
    spec("llm.max_tokens", "700", Kind::Int(100, 8_000)),
    spec("llm.daily_tokens", "500000", Kind::Int(0, 1_000_000_000)),
    spec("llm.calls_per_hour", "20", Kind::Int(0, 1_000)),
    spec("llm.input_idr_per_million", "0", Kind::Int(0, 1_000_000_000)),
    spec("llm.output_idr_per_million", "0", Kind::Int(0, 1_000_000_000)),
    spec("payment.accounts", "", Kind::Text),
    spec("bot.enabled", "on", Kind::Switch),
    spec("bot.quiet_ms", "1500", Kind::Int(0, 60_000)),
    spec("bot.confidence_floor", "0.6", Kind::Decimal(0.0, 1.0)),
    spec("bot.resume_after_min", "120", Kind::Int(1, 100_000)),
    spec("bot.ask_satisfaction", "off", Kind::Switch),
    spec("bot.image_caption", "off", Kind::Switch),
    spec("bot.emoji_limit", "1", Kind::Int(0, 20)),
    spec("bot.replies_per_hour", "20", Kind::Int(1, 1_000)),
    spec("queue.reply_gap_ms", "900..2600", Kind::RangeMs),
    spec("queue.broadcast_gap_ms", "30000..60000", Kind::RangeMs),
    spec("queue.typing", "on", Kind::Switch),
    spec("queue.broadcast_break_after", "40..60", Kind::RangeMs),
    spec("queue.broadcast_break_ms", "300000..900000", Kind::RangeMs),
    spec("queue.daily_new_contacts", "60", Kind::Int(0, 100_000)),
    spec("queue.warmup_days", "7", Kind::Int(0, 90)),
    spec("queue.send_timeout_ms", "20000", Kind::Int(500, 120_000)),
    spec("hours.open", "08:00", Kind::Time),
    spec("hours.close", "20:00", Kind::Time),
    spec("hours.days", "1-7", Kind::Text),
    spec("hours.pauses", "", Kind::Text),
    spec("hours.friday_pauses", "", Kind::Text),
    spec("hours.first_answer_min", "5", Kind::Int(1, 10_000)),
    spec("assign.mode", "manual", Kind::Choice(&["manual", "round_robin", "least_loaded"])),
    spec("assign.cap", "30", Kind::Int(1, 1_000)),
    spec("team.cs_sees", "all", Kind::Choice(&["all", "own"])),
    spec("smtp.host", "", Kind::Text),
    spec("smtp.port", "587", Kind::Int(1, 65_535)),
    spec("smtp.security", "starttls", Kind::Choice(&["starttls", "tls", "none"])),
    spec("smtp.user", "", Kind::Text),
    spec("smtp.password", "", Kind::Secret),
    spec("smtp.from", "", Kind::Mails),
    spec("push.vapid_key", "", Kind::Secret),
    spec("push.allow_hosts", "", Kind::Text),
    spec("notify.email", "", Kind::Mails),
    spec("notify.whatsapp", "", Kind::Phones),
];

/// The spec of a key.
pub fn find(key: &str) -> Option<&'static Spec> {
    SPECS.iter().find(|spec| spec.key == key)
}

/// Why a setting was refused.
#[derive(Debug, thiserror::Error)]
pub enum SettingError {
    /// No such key.
    #[error("no setting is called {0:?}; `kafilah get` lists them all")]
    Unknown(String),
    /// The value has the wrong shape.
    #[error("{key}: {problem}")]
    Invalid {
        /// Which setting.
        key: &'static str,
        /// What is wrong with the value and what is wanted.
        problem: String,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for SettingError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

fn check(spec: &'static Spec, value: &str) -> Result<(), SettingError> {
    let fail = |problem: String| Err(SettingError::Invalid { key: spec.key, problem });
    let fits = value.chars().count() <= 2_000 && !value.chars().any(char::is_control);
    match spec.kind {
        _ if !fits => fail("at most 2,000 characters on one line".into()),
        Kind::Text | Kind::Secret => Ok(()),
        Kind::Name if value.trim().is_empty() => fail("a name; customers read it".into()),
        Kind::Name => Ok(()),
        Kind::Switch if ["on", "off"].contains(&value) => Ok(()),
        Kind::Switch => fail("on or off".into()),
        Kind::Int(low, high) if value.parse().is_ok_and(|n| (low..=high).contains(&n)) => Ok(()),
        Kind::Int(low, high) => fail(format!("a whole number from {low} to {high}")),
        Kind::Decimal(low, high) if value.parse().is_ok_and(|n: f64| (low..=high).contains(&n)) => Ok(()),
        Kind::Decimal(low, high) => fail(format!("a number from {low} to {high}, with a decimal point")),
        Kind::RangeMs if parse_range(value).is_some() => Ok(()),
        Kind::RangeMs => fail("MIN..MAX in milliseconds, for example 900..2600".into()),
        Kind::Choice(words) if words.contains(&value) => Ok(()),
        Kind::Choice(words) => fail(format!("one of {}", words.join(", "))),
        Kind::Url if value.is_empty() || is_plain_url(value) => Ok(()),
        Kind::Url => fail("an address such as https://waha.example:3000, without user name or password".into()),
        Kind::Zone if value.parse::<Tz>().is_ok() => Ok(()),
        Kind::Zone => fail("a time zone name such as Asia/Jakarta, Asia/Makassar or Asia/Jayapura".into()),
        Kind::Time if chrono::NaiveTime::parse_from_str(value, "%H:%M").is_ok() => Ok(()),
        Kind::Time => fail("a time such as 08:00".into()),
        Kind::Mails if parse_mails(value).is_some() => Ok(()),
        Kind::Mails => fail(format!("at most {MOST_LISTED} e-mail addresses, parted by commas")),
        Kind::Phones if parse_phones(value).is_some() => Ok(()),
        Kind::Phones => fail(format!("at most {MOST_LISTED} phone numbers, parted by commas, for example +62 812 3456 7890")),
    }
}

fn is_plain_url(value: &str) -> bool {
    value
        .parse::<hyper::http::Uri>()
        .is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.authority().is_some_and(|a| !a.host().is_empty() && !a.as_str().contains('@')))
}

fn parse_mails(value: &str) -> Option<Vec<String>> {
    let list: Vec<String> = value.split([',', ';']).map(str::trim).filter(|one| !one.is_empty()).map(str::to_owned).collect();
    (list.len() <= MOST_LISTED && list.iter().all(|one| smtp::is_address(one))).then_some(list)
}

/// Phones or addresses a list may have.
const MOST_LISTED: usize = 5;

fn parse_phones(value: &str) -> Option<Vec<Phone>> {
    let phones: Vec<Phone> = value.split([',', ';']).map(str::trim).filter(|one| !one.is_empty()).map(Phone::parse).collect::<Option<_>>()?;
    (phones.len() <= MOST_LISTED).then_some(phones)
}

fn parse_range(value: &str) -> Option<(u64, u64)> {
    let (low, high) = value.split_once("..")?;
    let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (low <= high && high <= 3_600_000).then_some((low, high))
}

/// Encrypts and decrypts secret settings.
#[derive(Clone)]
pub struct SecretKey(XChaCha20Poly1305);

impl SecretKey {
    /// From the 64 hex digits of the key file.
    pub fn from_text(text: &str) -> anyhow::Result<Self> {
        let bytes = ids::unhex(text.trim()).filter(|bytes| bytes.len() == 32);
        let bytes = bytes.ok_or_else(|| anyhow::anyhow!("secret.key must hold 64 hex digits; put back the file that belongs to this store"))?;
        Ok(Self(XChaCha20Poly1305::new_from_slice(&bytes)?))
    }

    /// Encrypts a text, bound to the name of its place.
    pub fn seal(&self, key: &str, value: &str) -> String {
        let nonce = ids::random::<24>();
        let aad = format!("setting:value:{key}");
        let payload = Payload { msg: value.as_bytes(), aad: aad.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).expect("a short text can be encrypted");
        ids::hex(&[nonce.as_slice(), &sealed].concat())
    }

    /// The text again, if it was sealed with this key for this place.
    pub fn open(&self, key: &str, sealed: &str) -> Option<String> {
        let bytes = ids::unhex(sealed)?;
        let (nonce, body) = bytes.split_at_checked(24)?;
        let aad = format!("setting:value:{key}");
        let nonce: [u8; 24] = nonce.try_into().ok()?;
        let plain = self.0.decrypt(&XNonce::from(nonce), Payload { msg: body, aad: aad.as_bytes() }).ok()?;
        String::from_utf8(plain).ok()
    }
}

/// Stores a value, checked. `actor` goes into the audit trail; a secret's value never does.
pub fn set(tx: &Tx<'_>, actor: &str, key: &str, value: &str) -> Result<(), SettingError> {
    let spec = find(key).ok_or_else(|| SettingError::Unknown(key.to_owned()))?;
    let value = value.trim();
    check(spec, value)?;
    let secret = spec.kind == Kind::Secret;
    let stored = if secret && !value.is_empty() { tx.key.seal(key, value) } else { value.to_owned() };
    tx.prepare_cached(
        "INSERT INTO setting (key, value, secret, updated_at, updated_by) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET value = excluded.value, secret = excluded.secret, updated_at = excluded.updated_at, updated_by = excluded.updated_by",
    )?
    .execute((key, stored, secret && !value.is_empty(), tx.now_ms, actor))?;
    tx.audit(actor, "setting.changed", &format!("setting:{key}"), if secret { "***" } else { value })?;
    tx.wake_settings();
    Ok(())
}

/// Back to the default; `false` when it was there already.
pub fn unset(tx: &Tx<'_>, actor: &str, key: &str) -> Result<bool, SettingError> {
    let spec = find(key).ok_or_else(|| SettingError::Unknown(key.to_owned()))?;
    let gone = tx.execute("DELETE FROM setting WHERE key = ?1", [spec.key])? > 0;
    if gone {
        tx.audit(actor, "setting.unset", &format!("setting:{key}"), "")?;
        tx.wake_settings();
    }
    Ok(gone)
}

/// Counts every change of any setting, from any process.
pub fn generation(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached("SELECT value FROM meta WHERE key = 'settings_generation'")?.query_row([], |row| row.get(0))?)
}

/// Today in the agency's zone, for the daily figures.
pub fn today(connection: &Connection, now_ms: i64) -> Result<String, StoreError> {
    let zone: Option<String> = connection.prepare_cached("SELECT value FROM setting WHERE key = 'agency.timezone'")?.query_row([], |row| row.get(0)).optional()?;
    let zone = zone.and_then(|name| name.parse().ok()).unwrap_or(Tz::Asia__Jakarta);
    Ok(date::day_of(now_ms, zone).to_string())
}

/// All settings at one moment, secrets in the clear: never printed whole.
#[derive(Clone)]
pub struct Settings {
    /// Changes counted up to here.
    pub generation: i64,
    values: BTreeMap<&'static str, String>,
    /// Secrets that could not be opened with this key file.
    pub sealed: Vec<&'static str>,
    /// The agency's zone, parsed once.
    pub zone: Tz,
}

impl Settings {
    /// Reads them all.
    pub fn load(connection: &Connection, key: &SecretKey) -> Result<Self, StoreError> {
        let generation = generation(connection)?;
        let mut values: BTreeMap<&'static str, String> = SPECS.iter().map(|spec| (spec.key, spec.default.to_owned())).collect();
        let mut sealed = Vec::new();
        let mut query = connection.prepare_cached("SELECT key, value, secret FROM setting")?;
        let rows = query.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?)))?;
        for row in rows {
            let (name, value, secret) = row?;
            let Some(spec) = find(&name) else { continue }; // from a newer or older program
            match if secret { key.open(&name, &value) } else { Some(value) } {
                Some(value) => drop(values.insert(spec.key, value)),
                None => sealed.push(spec.key),
            }
        }
        let zone = values["agency.timezone"].parse().unwrap_or(Tz::Asia__Jakarta);
        Ok(Self { generation, values, sealed, zone })
    }

    /// The value of a key that is in [`SPECS`].
    pub fn text(&self, key: &'static str) -> &str {
        self.values.get(key).map_or("", String::as_str)
    }
    /// Whether a switch is on.
    pub fn on(&self, key: &'static str) -> bool {
        self.text(key) == "on"
    }
    /// A whole number.
    pub fn int(&self, key: &'static str) -> i64 {
        self.text(key).parse().unwrap_or(0)
    }
    /// A decimal.
    pub fn decimal(&self, key: &'static str) -> f64 {
        self.text(key).parse().unwrap_or(0.0)
    }
    /// A range of milliseconds.
    pub fn range_ms(&self, key: &'static str) -> (u64, u64) {
        parse_range(self.text(key)).unwrap_or((0, 0))
    }
    /// A span of milliseconds.
    pub fn millis(&self, key: &'static str) -> Duration {
        Duration::from_millis(u64::try_from(self.int(key)).unwrap_or(0))
    }
    /// The agency's bank accounts, as written: no other may be named in a message.
    pub fn accounts(&self) -> Vec<String> {
        self.text("payment.accounts").split([',', ';', '\n']).map(str::trim).filter(|account| !account.is_empty()).map(str::to_owned).collect()
    }
    /// Phones, in the order they were given.
    pub fn phones(&self, key: &'static str) -> Vec<Phone> {
        parse_phones(self.text(key)).unwrap_or_default()
    }
    /// E-mail addresses, in the order they were given.
    pub fn mails(&self, key: &'static str) -> Vec<String> {
        parse_mails(self.text(key)).unwrap_or_default()
    }
    /// The agency's language.
    pub fn language(&self) -> Language {
        Language::parse(self.text("agency.language"))
    }
    /// Whether the agency has told its hours at all.
    pub fn says_hours(&self) -> bool {
        ["hours.open", "hours.close", "hours.days"].iter().any(|key| find(key).is_some_and(|spec| self.text(key) != spec.default))
    }
    /// When the office is open; days off are rows of their own.
    pub fn hours(&self, holidays: std::collections::BTreeSet<chrono::NaiveDate>) -> Hours {
        let time = |key| chrono::NaiveTime::parse_from_str(self.text(key), "%H:%M").unwrap_or_default();
        Hours {
            zone: self.zone,
            open: time("hours.open"),
            close: time("hours.close"),
            days: hours::week_days(self.text("hours.days")),
            pauses: hours::spans(self.text("hours.pauses")),
            friday: hours::spans(self.text("hours.friday_pauses")),
            holidays,
        }
    }
    /// Calendar day of an instant for the agency.
    pub fn day_of(&self, at_ms: i64) -> chrono::NaiveDate {
        date::day_of(at_ms, self.zone)
    }

    /// Key, value as it may be shown, whether it differs from the default.
    pub fn shown(&self) -> Vec<(&'static Spec, String, bool)> {
        SPECS
            .iter()
            .map(|spec| {
                let value = self.text(spec.key);
                let shown = if spec.kind == Kind::Secret && !value.is_empty() { "***".to_owned() } else { value.to_owned() };
                (spec, shown, value != spec.default)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::{migrations, writer};
    use crate::kernel::clock::Clock;

    fn fresh() -> (Connection, SecretKey) {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::bring_up_to_date(&mut connection).unwrap();
        (connection, SecretKey::from_text(&"ab".repeat(32)).unwrap())
    }

    #[test]
    fn a_secret_is_stored_sealed_and_comes_back() {
        let (mut connection, key) = fresh();
        let before = generation(&connection).unwrap();
        writer::once(&mut connection, &Clock::default(), &key, |tx| set(tx, "cli", "waha.api_key", "kunci-rahasia")).unwrap();
        let stored: String = connection.query_row("SELECT value FROM setting", [], |row| row.get(0)).unwrap();
        assert!(!stored.contains("kunci"));
        assert!(generation(&connection).unwrap() > before);
        assert_eq!(Settings::load(&connection, &key).unwrap().text("waha.api_key"), "kunci-rahasia");
        let other = SecretKey::from_text(&"cd".repeat(32)).unwrap();
        assert_eq!(Settings::load(&connection, &other).unwrap().sealed, ["waha.api_key"]);
        let trail: String = connection.query_row("SELECT detail FROM audit", [], |row| row.get(0)).unwrap();
        assert_eq!(trail, "***");
    }

    #[test]
    fn wrong_values_are_refused_with_what_is_wanted() {
        let (mut connection, key) = fresh();
        for (name, value) in [
            ("bot.quiet_ms", "soon"),
            ("queue.reply_gap_ms", "9..1"),
            ("waha.url", "ftp://x"),
            ("waha.url", "http://user:pw@host"),
            ("agency.timezone", "Mars/Base"),
            ("bot.enabled", "yes"),
            ("hours.open", "25:00"),
            ("no.such", "1"),
        ] {
            let refused = writer::once(&mut connection, &Clock::default(), &key, |tx| set(tx, "cli", name, value));
            assert!(refused.is_err(), "{name} = {value}");
        }
        assert_eq!(Settings::load(&connection, &key).unwrap().range_ms("queue.reply_gap_ms"), (900, 2600));
    }

    #[test]
    fn every_default_is_acceptable() {
        for spec in SPECS {
            assert!(check(spec, spec.default).is_ok(), "{}", spec.key);
        }
    }
}
