//! Questions asked of the store: figures and exports.

pub mod export;
pub mod figures;
