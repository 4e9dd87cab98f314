//! People: contacts, the ways to reach them, and who logs in.

pub mod contact;
pub mod holiday;
pub mod identity;
pub mod label;
pub mod label_sync;
pub mod merge;
pub mod purchase;
pub mod push;
pub mod roster;
pub mod search;
pub mod segment;
pub mod timeline;
pub mod user;
