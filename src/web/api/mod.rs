//! The JSON contracts.

pub mod auth;
pub mod clock;
pub mod conversations;
pub mod health;
pub mod openapi;
pub mod packages;
pub mod process_message;
pub mod short_link;
pub mod webhook;
