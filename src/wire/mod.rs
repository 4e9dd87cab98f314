//! The outside world's dialects: their bytes to our types, our types to their requests. No SQL here.

pub mod client;
pub mod gateway;
pub mod openai;
pub mod plain;
pub mod signature;
pub mod smtp;
mod transport;
pub mod waha;
pub mod waha_api;
pub mod webpush;
