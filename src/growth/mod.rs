//! Where customers come from.

pub mod campaign;
pub mod lead;
