//! Who logs in: users with one of five roles, their passwords, browser sessions and programs' bearer tokens.

use crate::chat::assignment;
use crate::db::StoreError;
use crate::db::writer::Tx;
use crate::kernel::ids;
use crate::kernel::language::Language;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

/// What somebody may do; see `web::policy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everything, and the only one for connections, keys and users.
    SystemAdmin,
    /// Packages, campaigns, prompts, figures.
    MarketingAdmin,
    /// Bookings and chats.
    SalesAdmin,
    /// Chats.
    Cs,
    /// Looks, changes nothing.
    Viewer,
}

impl Role {
    /// All of them, most powerful first.
    pub const ALL: [Self; 5] = [Self::SystemAdmin, Self::MarketingAdmin, Self::SalesAdmin, Self::Cs, Self::Viewer];

    /// As in rows and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SystemAdmin => "system_admin",
            Self::MarketingAdmin => "marketing_admin",
            Self::SalesAdmin => "sales_admin",
            Self::Cs => "cs",
            Self::Viewer => "viewer",
        }
    }

    /// The role of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Days a browser session lasts without being used.
const SESSION_DAYS: i64 = 14;
/// Failures before the next try is delayed; the delay doubles from there up to [`MAX_DELAY_MS`].
const FREE_FAILURES: i64 = 5;
const MAX_DELAY_MS: i64 = 15 * 60 * 1000;

/// Why a user could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// Not an e-mail address.
    #[error("{0:?} is not an e-mail address")]
    BadEmail(String),
    /// Shorter than ten characters, or longer than 200.
    #[error("a password has 10 to 200 characters")]
    BadPassword,
    /// No name.
    #[error("a user needs a name of 1 to 100 characters")]
    BadName,
    /// The address is taken.
    #[error("there is already a user {0}")]
    Taken(String),
    /// Nobody of that name.
    #[error("there is no user {0}")]
    NoSuchUser(String),
    /// The last one who can manage the system.
    #[error("{0} is the last active system_admin; make another one first")]
    LastAdmin(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for UserError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Somebody who can log in.
#[derive(Clone, Debug, Serialize)]
pub struct User {
    /// Row id.
    pub id: i64,
    /// Login name.
    pub email: String,
    /// Name on screens.
    pub name: String,
    /// What he may do.
    pub role: Role,
    /// Language of his screens.
    pub language: Language,
    /// `auto`, `light` or `dark`.
    pub theme: String,
    /// No longer lets in, unix ms.
    pub disabled_at: Option<i64>,
}

const COLUMNS: &str = "u.id, u.email, u.name, u.role, u.language, u.theme, u.disabled_at";

fn from_row(row: &Row<'_>) -> rusqlite::Result<User> {
    let (role, language): (String, String) = (row.get("role")?, row.get("language")?);
    Ok(User {
        id: row.get("id")?,
        email: row.get("email")?,
        name: row.get("name")?,
        role: Role::parse(&role).unwrap_or(Role::Viewer),
        language: Language::parse(&language),
        theme: row.get("theme")?,
        disabled_at: row.get("disabled_at")?,
    })
}

/// Hash of a password (argon2id with the crate's recommended cost: 19 MiB, 2 passes; OWASP Password Storage sheet).
pub fn hash_password(password: &str) -> Result<String, UserError> {
    if !(10..=200).contains(&password.chars().count()) {
        return Err(UserError::BadPassword);
    }
    let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| UserError::BadPassword)?;
    Ok(hash.to_string())
}

/// Checked against when the name is unknown, so that the answer takes the same time.
static DUMMY: LazyLock<String> = LazyLock::new(|| hash_password("a password nobody has").unwrap_or_default());

fn fits(password: &str, stored: &str) -> bool {
    argon2::password_hash::phc::PasswordHash::new(stored).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

/// Makes a user with a hash from [`hash_password`].
pub fn create(tx: &Tx<'_>, actor: &str, email: &str, name: &str, role: Role, password_hash: &str) -> Result<i64, UserError> {
    let (email, name) = (email.trim(), name.trim());
    let plausible = email.len() <= 200 && email.split_once('@').is_some_and(|(l, d)| !l.is_empty() && d.len() > 2 && d.contains('.')) && !email.contains(char::is_whitespace);
    if !plausible {
        return Err(UserError::BadEmail(email.to_owned()));
    }
    if name.is_empty() || name.chars().count() > 100 {
        return Err(UserError::BadName);
    }
    let added = tx.execute(
        "INSERT INTO user (email, name, role, password_hash, language, created_at) VALUES (?1, ?2, ?3, ?4,
         ifnull((SELECT value FROM setting WHERE key = 'agency.language'), 'id'), ?5) ON CONFLICT (email) DO NOTHING",
        (email, name, role.as_str(), password_hash, tx.now_ms),
    )?;
    if added == 0 {
        return Err(UserError::Taken(email.to_owned()));
    }
    let id = tx.last_insert_rowid();
    tx.audit(actor, "user.added", &format!("user:{id}"), role.as_str())?;
    Ok(id)
}

fn guard_last_admin(tx: &Tx<'_>, user: &User) -> Result<(), UserError> {
    let others: i64 = tx.query_row("SELECT count(*) FROM user WHERE role = 'system_admin' AND disabled_at IS NULL AND id <> ?1", [user.id], |row| row.get(0))?;
    if user.role == Role::SystemAdmin && user.disabled_at.is_none() && others == 0 {
        return Err(UserError::LastAdmin(user.email.clone()));
    }
    Ok(())
}

/// Locks a user out: sessions end, the row stays.
pub fn disable(tx: &Tx<'_>, actor: &str, email: &str) -> Result<(), UserError> {
    let user = by_email(tx, email)?.ok_or_else(|| UserError::NoSuchUser(email.to_owned()))?;
    guard_last_admin(tx, &user)?;
    tx.execute("UPDATE user SET disabled_at = ifnull(disabled_at, ?2) WHERE id = ?1", (user.id, tx.now_ms))?;
    tx.execute("DELETE FROM session WHERE user_id = ?1", [user.id])?;
    assignment::leave(tx, user.id, actor)?;
    Ok(tx.audit(actor, "user.disabled", &format!("user:{}", user.id), "")?)
}

/// Lets a disabled user in again.
pub fn enable(tx: &Tx<'_>, actor: &str, email: &str) -> Result<(), UserError> {
    let user = by_email(tx, email)?.ok_or_else(|| UserError::NoSuchUser(email.to_owned()))?;
    tx.execute("UPDATE user SET disabled_at = NULL WHERE id = ?1", [user.id])?;
    Ok(tx.audit(actor, "user.enabled", &format!("user:{}", user.id), "")?)
}

/// Changes what a user may do; his sessions end.
pub fn set_role(tx: &Tx<'_>, actor: &str, email: &str, role: Role) -> Result<(), UserError> {
    let user = by_email(tx, email)?.ok_or_else(|| UserError::NoSuchUser(email.to_owned()))?;
    if role != Role::SystemAdmin {
        guard_last_admin(tx, &user)?;
    }
    tx.execute("UPDATE user SET role = ?2 WHERE id = ?1", (user.id, role.as_str()))?;
    tx.execute("DELETE FROM session WHERE user_id = ?1", [user.id])?;
    if role == Role::Viewer {
        assignment::leave(tx, user.id, actor)?;
    }
    Ok(tx.audit(actor, "user.role", &format!("user:{}", user.id), role.as_str())?)
}

/// Sets a new password; other sessions end.
pub fn set_password(tx: &Tx<'_>, actor: &str, id: i64, password_hash: &str) -> Result<(), UserError> {
    tx.execute("UPDATE user SET password_hash = ?2 WHERE id = ?1", (id, password_hash))?;
    tx.execute("DELETE FROM session WHERE user_id = ?1", [id])?;
    Ok(tx.audit(actor, "user.password", &format!("user:{id}"), "")?)
}

/// Language and theme of somebody's screens.
pub fn set_looks(tx: &Tx<'_>, id: i64, language: Language, theme: &str) -> Result<(), UserError> {
    let theme = if ["auto", "light", "dark"].contains(&theme) { theme } else { "auto" };
    tx.execute("UPDATE user SET language = ?2, theme = ?3 WHERE id = ?1", (id, language.as_str(), theme))?;
    Ok(())
}

/// Everybody, disabled ones last.
pub fn list(connection: &Connection) -> Result<Vec<User>, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM user u ORDER BY u.disabled_at IS NOT NULL, u.name, u.id"].concat();
    let mut query = connection.prepare_cached(&sql)?;
    let rows = query.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Somebody by e-mail or by name, as other programs call people.
pub fn named(connection: &Connection, name: &str) -> Result<Option<User>, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM user u WHERE (u.email = ?1 COLLATE NOCASE OR u.name = ?1 COLLATE NOCASE) AND u.disabled_at IS NULL ORDER BY u.id LIMIT 1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([name], from_row).optional()?)
}

/// By login name.
pub fn by_email(connection: &Connection, email: &str) -> Result<Option<User>, StoreError> {
    let sql = ["SELECT ", COLUMNS, " FROM user u WHERE u.email = ?1"].concat();
    Ok(connection.prepare_cached(&sql)?.query_row([email.trim()], from_row).optional()?)
}

/// Milliseconds until the next login try for these subjects is allowed; 0 = now.
pub fn login_delay_ms(connection: &Connection, email: &str, address: &str, now_ms: i64) -> Result<i64, StoreError> {
    let next: Option<i64> = connection
        .prepare_cached("SELECT max(next_at) FROM login_failure WHERE subject IN (?1, ?2)")?
        .query_row((subject("email", email), subject("address", address)), |row| row.get(0))?;
    Ok(next.map_or(0, |next| (next - now_ms).clamp(0, MAX_DELAY_MS)))
}

fn subject(kind: &str, value: &str) -> String {
    format!("{kind}:{}", crate::kernel::text::cut(&value.trim().to_lowercase(), 200))
}

/// Checks a password (60 ms of work, call it off the async threads). The same work is done for unknown names.
pub fn check_password(connection: &Connection, email: &str, password: &str) -> Result<Option<User>, StoreError> {
    let stored: Option<String> =
        connection.prepare_cached("SELECT password_hash FROM user WHERE email = ?1 AND disabled_at IS NULL")?.query_row([email.trim()], |row| row.get(0)).optional()?;
    let good = fits(password, stored.as_deref().unwrap_or(&DUMMY));
    if good && stored.is_some() { by_email(connection, email) } else { Ok(None) }
}

/// Notes a failed login; after five the next try waits, longer each time.
pub fn login_failed(tx: &Tx<'_>, email: &str, address: &str) -> Result<(), StoreError> {
    for subject in [subject("email", email), subject("address", address)] {
        let failures: i64 = tx.query_row(
            "INSERT INTO login_failure (subject, failures, next_at) VALUES (?1, 1, 0) ON CONFLICT DO UPDATE SET failures = failures + 1 RETURNING failures",
            [&subject],
            |row| row.get(0),
        )?;
        if failures >= FREE_FAILURES {
            let delay = (1_000i64 << (failures - FREE_FAILURES).min(20)).min(MAX_DELAY_MS);
            tx.execute("UPDATE login_failure SET next_at = ?2 WHERE subject = ?1", (&subject, tx.now_ms + delay))?;
        }
    }
    tx.count("login.failed", 1);
    Ok(())
}

/// A browser session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Who.
    pub user: User,
    /// Token every form carries.
    pub csrf: String,
}

/// Starts a session and returns the token for the cookie.
pub fn start_session(tx: &Tx<'_>, user_id: i64, address: &str, user_agent: &str) -> Result<String, StoreError> {
    let (token, csrf) = (ids::token(), ids::token());
    tx.execute(
        "INSERT INTO session (token_hash, user_id, csrf, created_at, seen_at, expires_at, address, user_agent) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
        (ids::token_hash(&token).as_slice(), user_id, csrf, tx.now_ms, tx.now_ms + SESSION_DAYS * 86_400_000, address, crate::kernel::text::cut(user_agent, 200)),
    )?;
    tx.execute("DELETE FROM login_failure WHERE subject = (SELECT 'email:' || lower(email) FROM user WHERE id = ?1)", [user_id])?;
    tx.execute("DELETE FROM session WHERE expires_at < ?1", [tx.now_ms])?;
    tx.audit(&format!("user:{user_id}"), "user.login", &format!("user:{user_id}"), address)?;
    Ok(token)
}

/// The live session of a cookie token.
pub fn session(connection: &Connection, token: &str, now_ms: i64) -> Result<Option<Session>, StoreError> {
    let sql = ["SELECT ", COLUMNS, ", s.csrf FROM session s JOIN user u ON u.id = s.user_id WHERE s.token_hash = ?1 AND s.expires_at > ?2 AND u.disabled_at IS NULL"].concat();
    let hash = ids::token_hash(token);
    Ok(connection.prepare_cached(&sql)?.query_row((hash.as_slice(), now_ms), |row| Ok(Session { user: from_row(row)?, csrf: row.get("csrf")? })).optional()?)
}

/// Ends a session.
pub fn end_session(tx: &Tx<'_>, token: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM session WHERE token_hash = ?1", [ids::token_hash(token).as_slice()])?;
    Ok(())
}

/// Makes a bearer token; it is shown this once. `user`: what is done with it is done by him.
pub fn create_token(tx: &Tx<'_>, actor: &str, name: &str, role: Role, user: Option<&User>) -> Result<String, StoreError> {
    let token = ids::token();
    tx.execute(
        "INSERT INTO api_token (name, role, token_hash, user_id, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        (name, role.as_str(), ids::token_hash(&token).as_slice(), user.map(|user| user.id), tx.now_ms),
    )?;
    tx.audit(actor, "token.added", &format!("token:{}", tx.last_insert_rowid()), role.as_str())?;
    Ok(token)
}

/// A live bearer token.
#[derive(Clone, Debug)]
pub struct Token {
    /// Row.
    pub id: i64,
    /// What it may do.
    pub role: Role,
    /// As whom it acts.
    pub user_id: Option<i64>,
}

/// The live bearer token of that text; one that acts as a user ends with him, and may no more than he.
pub fn token(connection: &Connection, token: &str) -> Result<Option<Token>, StoreError> {
    let found: Option<(i64, String, Option<i64>, Option<String>)> = connection
        .prepare_cached(
            "SELECT t.id, t.role, t.user_id, u.role FROM api_token t LEFT JOIN user u ON u.id = t.user_id WHERE t.token_hash = ?1 AND t.revoked_at IS NULL AND (t.user_id IS NULL OR u.disabled_at IS NULL)",
        )?
        .query_row([ids::token_hash(token).as_slice()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    Ok(found.map(|(id, role, user_id, own)| {
        let role = Role::parse(&role).unwrap_or(Role::Viewer);
        let own = own.as_deref().and_then(Role::parse).unwrap_or(role);
        let rank = |role: Role| Role::ALL.iter().position(|other| *other == role);
        Token { id, role: if rank(own) > rank(role) { own } else { role }, user_id }
    }))
}

/// Whether a page of his is open, as the live sockets tell; changes only are written. `true` when it changed.
pub fn set_online(tx: &Tx<'_>, id: i64, online: bool) -> Result<bool, StoreError> {
    let changed = match online {
        true => tx.execute("UPDATE user SET online_at = ?2 WHERE id = ?1 AND online_at IS NULL", (id, tx.now_ms))?,
        false => tx.execute("UPDATE user SET online_at = NULL WHERE id = ?1 AND online_at IS NOT NULL", [id])?,
    };
    Ok(changed > 0)
}

/// Nobody is there: the program has just started.
pub fn all_offline(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("UPDATE user SET online_at = NULL WHERE online_at IS NOT NULL", [])?;
    Ok(())
}

/// Says that he is away, or back.
pub fn set_away(tx: &Tx<'_>, id: i64, away: bool) -> Result<(), StoreError> {
    tx.execute("UPDATE user SET away_at = CASE WHEN ?2 THEN ifnull(away_at, ?3) END WHERE id = ?1", (id, away, tx.now_ms))?;
    tx.audit(&format!("user:{id}"), if away { "user.away" } else { "user.back" }, &format!("user:{id}"), "")
}

/// A browser session, for its owner to see.
#[derive(Clone, Debug, Serialize)]
pub struct OpenSession {
    /// What it is ended by.
    pub id: String,
    /// Where it was started from.
    pub address: String,
    /// Browser.
    pub user_agent: String,
    /// Started, unix ms.
    pub created_at: i64,
    /// The one that asks.
    pub is_this: bool,
}

/// A user's sessions, newest first. `token`: the cookie of the one who asks.
pub fn sessions(connection: &Connection, user_id: i64, token: &str) -> Result<Vec<OpenSession>, StoreError> {
    let own = ids::hex(&ids::token_hash(token)[..8]);
    let mut query = connection
        .prepare_cached("SELECT lower(hex(substr(token_hash, 1, 8))), address, user_agent, created_at FROM session WHERE user_id = ?1 ORDER BY created_at DESC LIMIT 50")?;
    let rows = query.query_map([user_id], |row| {
        let id: String = row.get(0)?;
        Ok(OpenSession { is_this: id == own, id, address: row.get(1)?, user_agent: row.get(2)?, created_at: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ends one of a user's sessions.
pub fn revoke_session(tx: &Tx<'_>, user_id: i64, id: &str, actor: &str) -> Result<(), StoreError> {
    let gone = tx.execute("DELETE FROM session WHERE user_id = ?1 AND lower(hex(substr(token_hash, 1, 8))) = ?2", (user_id, id))?;
    if gone > 0 { tx.audit(actor, "user.session_ended", &format!("user:{user_id}"), id) } else { Ok(()) }
}

/// Whether a second factor is asked for.
pub fn has_factor(connection: &Connection, id: i64) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT totp_secret IS NOT NULL FROM user WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// Whether he said that he is away.
pub fn is_away(connection: &Connection, id: i64) -> Result<bool, StoreError> {
    Ok(connection.prepare_cached("SELECT away_at IS NOT NULL FROM user WHERE id = ?1")?.query_row([id], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// Sets the second factor (its secret is kept sealed, with the step of the code that proved it), or takes it away.
pub fn set_factor(tx: &Tx<'_>, id: i64, secret: Option<(&String, i64)>) -> Result<(), StoreError> {
    let sealed = secret.map(|(secret, _)| tx.key.seal(&format!("user:{id}:totp"), secret));
    tx.execute("UPDATE user SET totp_secret = ?2, totp_step = ?3 WHERE id = ?1", (id, &sealed, secret.map_or(0, |(_, step)| step)))?;
    tx.audit(&format!("user:{id}"), if sealed.is_some() { "user.factor_on" } else { "user.factor_off" }, &format!("user:{id}"), "")
}

/// Whether a code of the second factor is right; it counts once. Without a factor every code is.
pub fn check_factor(tx: &Tx<'_>, id: i64, typed: &str, now_s: i64) -> Result<bool, StoreError> {
    let (sealed, after): (Option<String>, i64) = tx.query_row("SELECT totp_secret, totp_step FROM user WHERE id = ?1", [id], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let Some(sealed) = sealed else { return Ok(true) };
    let step = tx.key.open(&format!("user:{id}:totp"), &sealed).and_then(|secret| crate::kernel::totp::check(&secret, typed, now_s, after));
    if let Some(step) = step {
        tx.execute("UPDATE user SET totp_step = ?2 WHERE id = ?1", (id, step))?;
    }
    Ok(step.is_some())
}

/// How somebody shares in the dealing of chats.
#[derive(Clone, Debug, Serialize)]
pub struct Duty {
    /// User.
    pub user_id: i64,
    /// Chats are dealt to him.
    pub takes_chats: bool,
    /// Open chats at the most; none: as for everybody.
    pub chat_cap: Option<i64>,
    /// His own hours, as JSON; none: the office's.
    pub shift: Option<String>,
    /// A page of his is open.
    pub online: bool,
    /// Said that he is away.
    pub away: bool,
    /// Open chats he has.
    pub open: i64,
}

/// Everybody's duty.
pub fn duties(connection: &Connection) -> Result<Vec<Duty>, StoreError> {
    let mut query = connection.prepare_cached(
        "SELECT u.id, u.takes_chats, u.chat_cap, u.shift, u.online_at IS NOT NULL, u.away_at IS NOT NULL,
         (SELECT count(*) FROM conversation v WHERE v.is_human = 1 AND v.held_by = 'user:' || u.id AND v.resolved_at IS NULL) FROM user u ORDER BY u.id",
    )?;
    let rows = query.query_map([], |row| {
        Ok(Duty { user_id: row.get(0)?, takes_chats: row.get(1)?, chat_cap: row.get(2)?, shift: row.get(3)?, online: row.get(4)?, away: row.get(5)?, open: row.get(6)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sets it. `shift` is JSON that was checked.
pub fn set_duty(tx: &Tx<'_>, actor: &str, user_id: i64, takes_chats: bool, chat_cap: Option<i64>, shift: Option<&str>) -> Result<(), StoreError> {
    tx.execute("UPDATE user SET takes_chats = ?2, chat_cap = ?3, shift = ?4 WHERE id = ?1", (user_id, takes_chats, chat_cap, shift))?;
    tx.audit(actor, "user.duty", &format!("user:{user_id}"), shift.unwrap_or(""))
}
