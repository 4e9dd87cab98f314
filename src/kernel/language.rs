//! The languages the product answers in. Which language a customer writes is `bot::understand::tongue`'s question.

use serde::{Deserialize, Serialize};

/// A language of screens and replies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Bahasa Indonesia, the default.
    #[default]
    Id,
    /// English.
    En,
}

impl Language {
    /// `id` or `en`, as in rows and URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::En => "en",
        }
    }

    /// Anything that is not `en` is Indonesian.
    pub fn parse(text: &str) -> Self {
        if text == "en" { Self::En } else { Self::Id }
    }
}
