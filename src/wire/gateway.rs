//! What a gateway can be asked to do and what it can answer, in our own words.

/// What became of a send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    /// The gateway has it; the bare id, when it told one.
    Accepted(Option<String>),
    /// Surely not sent; try again, not before `wait_ms`.
    Later {
        /// Named cause.
        cause: String,
        /// `Retry-After`.
        wait_ms: u64,
        /// The gateway itself is in trouble (counts towards the circuit breaker).
        gateway_down: bool,
    },
    /// Surely not sent; trying again would not help.
    Refused(String),
    /// Nobody knows. `answered`: the gateway has finished with the call, so it may be asked soon.
    Unknown {
        /// Named cause.
        cause: String,
        /// The call was answered.
        answered: bool,
    },
}

/// What a lookup of an unknown send came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LookOutcome {
    /// It went out, under the first of these ids that is no other message's.
    Found(Vec<String>),
    /// It surely did not.
    Absent,
    /// The gateway could not say; named cause.
    CannotTell(String),
}

/// Media may take so many times as long as text: the gateway uploads it first.
pub const MEDIA_FACTOR: u32 = 6;

/// How ids for our own messages come about on a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// Not asked yet.
    Unknown,
    /// We choose them.
    Ours,
    /// The gateway names messages itself.
    Theirs,
}

/// A message of the chat that another one answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quoted {
    /// Bare id.
    pub wa_id: String,
    /// One of ours.
    pub from_me: bool,
}

/// A message to send.
#[derive(Clone, Debug)]
pub struct Outbound {
    /// Address.
    pub chat_id: String,
    /// `text`, `image`, `document`, `video`, `voice`, `location`.
    pub kind: String,
    /// Words or caption.
    pub text: Option<String>,
    /// Bare id chosen for it.
    pub wa_id: Option<String>,
    /// File bytes, type, name.
    pub file: Option<(Vec<u8>, String, String)>,
    /// Latitude, longitude, title.
    pub place: Option<(f64, f64, String)>,
    /// The message it answers, shown above it.
    pub reply_to: Option<Quoted>,
}
