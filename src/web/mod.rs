//! The web: the server, the route table, sessions, the live hub, one file per page noun, and `api/` for the JSON contracts.

pub mod api;
pub mod error;
pub mod live;
pub mod pages;
pub mod policy;
pub mod presence;
pub mod routes;
pub mod server;
pub mod session;
pub mod view;
