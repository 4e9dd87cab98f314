//! Kafilah: a WhatsApp desk for a small umroh travel agency, one executable with SQLite inside.
//!
//! The house, arrows pointing down only:
//!
//! - [`cli`] one file per subcommand; [`web`] the server, its pages and the JSON contracts; [`worker`] what runs by
//!   itself. These three wire everything else together.
//! - [`wire`] the outside world's dialects: bytes to our types and back. No SQL.
//! - [`bot`] decides one turn as a pure function. No I/O.
//! - [`insight`] questions asked of the store: figures, exports.
//! - [`chat`], [`people`], [`travel`], [`growth`]: the nouns, each with its type, its SQL and its tests.
//! - [`db`] the store: one writer, several readers, migrations, backup.
//! - [`kernel`] words with no I/O.

pub mod app;
pub mod bot;
pub mod chat;
pub mod cli;
pub mod db;
pub mod growth;
pub mod insight;
pub mod kernel;
pub mod people;
pub mod travel;
pub mod web;
pub mod wire;
pub mod worker;
