//! Chats: channels (our numbers), conversations, messages and everything that happens to them.

pub mod channel;
pub mod conversation;
pub mod early;
pub mod escalation;
pub mod faq;
pub mod flow;
pub mod handover;
pub mod inbound;
pub mod intake;
pub mod knowledge;
pub mod llm_call;
pub mod media;
pub mod message;
pub mod objection;
pub mod outbox;
pub mod phase;
pub mod promise;
pub mod prompt;
pub mod quarantine;
pub mod replay_run;
pub mod reply;
pub mod satisfaction;
pub mod thread;
pub mod turn;
