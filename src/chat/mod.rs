//! Chats: channels (our numbers), conversations, messages and everything that happens to them.

pub mod channel;
pub mod conversation;
pub mod early;
pub mod escalation;
pub mod handover;
pub mod inbound;
pub mod intake;
pub mod media;
pub mod message;
pub mod outbox;
pub mod quarantine;
pub mod phase;
pub mod thread;
pub mod turn;
