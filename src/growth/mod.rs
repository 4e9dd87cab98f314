//! Where customers come from.

pub mod campaign;
