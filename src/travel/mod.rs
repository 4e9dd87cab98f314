//! What the agency sells.

pub mod booking;
pub mod catalog;
pub mod package;
pub mod payment;
