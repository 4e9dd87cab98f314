//! Black box: the real binary over HTTP, a real SQLite file, a fake WAHA on loopback. One file per feature.

mod answering;
mod bookings;
mod browser;
mod cli;
mod contracts;
mod day;
mod fake_llm;
mod faults;
mod fixtures;
mod guard;
mod inbox;
mod labels;
mod lessons;
mod live;
mod model;
mod pages;
mod queue;
mod replay;
mod support;
mod team;
mod trials;
mod understanding;
mod webhook;

#[path = "../../examples/fake_waha.rs"]
mod fake_waha;
