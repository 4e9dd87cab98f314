//! What a gateway can tell us, in our own words. Gateways' dialects are read into these types by `wire`;
//! `chat::intake` stores them. Nothing here knows JSON of any gateway.

use crate::kernel::phone::Phone;
use serde_json::Value;

/// The other side of a personal chat as one delivery shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Party {
    /// Address to send to, as the gateway gave it (`…@c.us` or `…@lid`).
    pub chat_id: String,
    /// The customer's phone, when this delivery tells it.
    pub phone: Option<Phone>,
    /// The customer's hidden id, digits only.
    pub lid: Option<String>,
    /// The name the customer gave himself.
    pub push_name: Option<String>,
}

/// Whether a file can be had.
#[derive(Clone, Debug, PartialEq)]
pub enum FileState {
    /// The url works now, and not for long.
    Ready,
    /// The gateway did not download it.
    Missing,
    /// The gateway says that its download failed.
    Failed,
}

/// A file that came with a message.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// Can it be had?
    pub state: FileState,
    /// Where, as the gateway wrote it (its host is often unreachable from here).
    pub url: Option<String>,
    /// Type without parameters, as claimed.
    pub mime: String,
    /// Name the sender gave; never a path of ours.
    pub name: Option<String>,
}

/// A message of either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The gateway's whole id, for questions about it later.
    pub full_id: String,
    /// Bare id: with session and direction it names the message once and for all.
    pub wa_id: String,
    /// We sent it (from the phone or through the API).
    pub from_me: bool,
    /// The customer.
    pub party: Party,
    /// The message's own time, unix ms.
    pub at: Option<i64>,
    /// text, image, voice, …
    pub kind: &'static str,
    /// Readable text.
    pub text: Option<String>,
    /// The file.
    pub file: Option<File>,
    /// Bare id of the quoted message.
    pub reply_to: Option<String>,
    /// location, vcards, reply_id, attribution: what only some kinds have.
    pub extra: Option<Value>,
}

/// A receipt for a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    /// Bare id of the message.
    pub wa_id: String,
    /// For a message of ours; otherwise our own phone read the customer's message.
    pub from_me: bool,
    /// -1 error, 0 pending, 1 server, 2 device, 3 read, 4 played.
    pub level: i64,
    /// Named cause of an error: `timelock` or the gateway's code.
    pub cause: Option<String>,
    /// Until when WhatsApp forbids, unix ms.
    pub until: Option<i64>,
}

/// What a customer does in the chat just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Types.
    Typing,
    /// Records a voice message.
    Recording,
    /// Neither any more.
    Paused,
}

impl Doing {
    /// As in the live log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Typing => "typing",
            Self::Recording => "recording",
            Self::Paused => "paused",
        }
    }
}

/// One thing a gateway told us.
#[derive(Clone, Debug, PartialEq)]
pub enum Inbound {
    /// A message to store.
    Message(Box<Message>),
    /// A receipt.
    Ack(Ack),
    /// An emoji put on a message, or taken off (`emoji` none).
    Reaction { party: Party, target: String, target_from_me: bool, from_me: bool, emoji: Option<String>, at: Option<i64> },
    /// A message's text was changed; `text` none when the gateway could not read the change.
    Edit { target: String, from_me: bool, party: Option<Party>, text: Option<String>, at: Option<i64> },
    /// A message was taken back by its sender; `from_me` none when the gateway does not say whose it was.
    Revoke { target: String, from_me: Option<bool>, party: Option<Party>, at: Option<i64> },
    /// A label was made or renamed.
    LabelUpsert { label_id: String, name: Option<String>, color: Option<i64>, color_hex: Option<String> },
    /// A label was deleted.
    LabelDeleted { label_id: String },
    /// A label was put on a chat or taken off; `at` as the envelope has it.
    LabelChat { label_id: String, name: Option<String>, party: Party, added: bool, at: Option<i64>, own: Option<Phone> },
    /// The state of the session.
    Session { status: String, timelock: Option<(bool, Option<i64>)>, capping: Option<String>, phone: Option<Phone>, lid: Option<String> },
    /// Somebody rang.
    Call { id: String, party: Party, video: bool, at: Option<i64> },
    /// A vote: the whole selection each time.
    PollVote { poll: String, party: Party, options: Vec<String>, at: Option<i64> },
    /// The customer writes or speaks just now (or has stopped): a line of the live log, no message.
    Typing { party: Party, doing: Doing },
    /// Nothing for us, and why: group, status, newsletter, broadcast, system, protocol, presence, unknown_event, …
    Ignored(&'static str),
}

/// One delivery of a gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// Session (number) it belongs to.
    pub session: String,
    /// Event name as the gateway said it.
    pub event: String,
    /// Engine of the gateway, when told.
    pub engine: Option<String>,
    /// What happened.
    pub what: Inbound,
}
