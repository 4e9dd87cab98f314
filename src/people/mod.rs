//! People: contacts, the ways to reach them, and who logs in.

pub mod contact;
pub mod identity;
pub mod label;
pub mod purchase;
pub mod user;
