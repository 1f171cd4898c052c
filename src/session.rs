//! The session that the merchant's server opens and the page uses. One definition for both.

use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// To store a new card.
    Tokenize,
    /// To store a card in the place of a token.
    Update,
    /// To charge a card.
    Payment,
}

impl Kind {
    /// The word for it in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tokenize => "tokenize",
            Self::Update => "update",
            Self::Payment => "payment",
        }
    }
}

/// Who sends the encrypted card to the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The merchant's server: the platform's session never leaves it.
    #[default]
    Relay,
    /// The browser.
    Direct,
}

/// What every answer to `POST /v1/sessions` has; each platform adds its own members.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The server's id of the session.
    pub id: String,
    /// The platform.
    pub platform: Platform,
    /// What it is for.
    pub kind: Kind,
    /// Who sends.
    pub mode: Mode,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub expires_at: String,
    /// Seconds from `created_at` to `expires_at`.
    pub expires_in: u32,
}
