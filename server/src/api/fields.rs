//! Fields that several requests have, and the order in which what belongs together is checked.

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::gateway::Capture;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::error::{ApiError, Code};

/// When the money is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CaptureTime {
    /// With the authorization.
    #[default]
    Auto,
    /// By `POST /v1/payments/{id}/capture`.
    Later,
}

impl From<CaptureTime> for Capture {
    fn from(time: CaptureTime) -> Self {
        match time {
            CaptureTime::Auto => Self::Auto,
            CaptureTime::Later => Self::Later,
        }
    }
}

pub(super) fn kind() -> Object {
    words(
        "What the session is for: a new card, another card in the place of a token, or a payment.",
        &[Kind::Tokenize, Kind::Update, Kind::Payment].map(Kind::as_str),
    )
}

pub(super) fn mode() -> Object {
    words(
        "Who sends the encrypted card to the platform: this server or the browser.",
        &[mode_word(Mode::Relay), mode_word(Mode::Direct)],
    )
}

pub(super) fn capture() -> Object {
    words(
        "When the money is taken: with the authorization, or later by a capture.",
        &["auto", "later"],
    )
}

pub(super) fn platform() -> Object {
    words(
        "The platform's id. Without it, the first one that is configured.",
        &Platform::ALL
            .iter()
            .copied()
            .map(Platform::id)
            .collect::<Vec<_>>(),
    )
}

fn words(description: &str, words: &[&str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.to_vec()))
        .examples(words.first().map(|word| serde_json::Value::from(*word)))
        .description(Some(description))
        .build()
}

pub(super) const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Relay => "relay",
        Mode::Direct => "direct",
    }
}

/// Refuses fields that the call knows and that do not belong to what it asks for.
pub(super) fn none_left(left: &[(&str, bool)], why: &str) -> Result<(), ApiError> {
    match left.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(misplaced(name, why)),
        None => Ok(()),
    }
}

/// A field that the call knows and that does not belong to what it asks for.
pub(super) fn misplaced(name: &str, why: &str) -> ApiError {
    ApiError::field(Code::UnknownField, name).detail(&format!("`{name}` does not belong here: {why}"))
}
