//! What the agency sells.

pub mod catalog;
pub mod package;
