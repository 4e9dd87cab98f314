//! Questions asked of the store: figures and exports.

pub mod analytics;
pub mod audience;
pub mod export;
pub mod figures;
pub mod questions;
