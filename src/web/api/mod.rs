//! The JSON contracts.

pub mod analytics;
pub mod auth;
pub mod body;
pub mod bookings;
pub mod clock;
pub mod contacts;
pub mod conversations;
pub mod dashboard;
pub mod faq;
pub mod flows;
pub mod handover;
pub mod health;
pub mod labels;
pub mod leads;
pub mod openapi;
pub mod packages;
pub mod process_message;
pub mod prompts;
pub mod push;
pub mod short_link;
pub mod webhook;
