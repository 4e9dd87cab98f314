//! Words with no I/O of their own: time, phones, rupiah, dates, ids, text limits, languages.
//! Nothing here knows of the store, the web or a gateway.

pub mod clock;
pub mod date;
pub mod diff;
pub mod hours;
pub mod ids;
pub mod json;
pub mod language;
pub mod phone;
pub mod rupiah;
pub mod stats;
pub mod table;
pub mod text;
pub mod totp;
