//! Settings of the simulated platform, for what is not known about the real one.

use serde::{Deserialize, Serialize};

use crate::host;

/// What a repeated `operationId` with the same content is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repeats {
    /// The first answer again.
    Replay,
    /// 409, as another content always is.
    Conflict,
}

/// How wrong credentials are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WrongClient {
    /// 401 and `unauthorized_client`, as the tests of the official libraries have it.
    UnauthorizedClient,
    /// 400 and `invalid_client`, as the likely identity server has it.
    InvalidClient,
}

/// The settings; each has the default that the simulation starts with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long access tokens live.
    pub token_seconds: u32,
    /// How wrong credentials are refused.
    pub wrong_client: WrongClient,
    /// What a repeated operation is answered with.
    pub repeats: Repeats,
    /// How long after a capture a payment stays `PENDING_CAPTURE`, before it is `CONFIRMED`; 0 for at once.
    pub confirm_after_seconds: u32,
    /// How long a pending payment stays `PENDING`.
    pub pending_seconds: u32,
    /// Whether a call needs a sound `X-WL-ServerMetaInfo`.
    pub metadata_required: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_seconds: 300,
            wrong_client: WrongClient::UnauthorizedClient,
            repeats: Repeats::Replay,
            confirm_after_seconds: 24 * 60 * 60,
            pending_seconds: 60,
            metadata_required: true,
        }
    }
}

impl host::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}
