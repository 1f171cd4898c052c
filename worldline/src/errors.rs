//! What can go wrong with a call of either product, before the platform says anything.
//!
//! Each product has one `Error` of its own, which also names its exceptions. A failure of the connection becomes part of
//! it in one step.

use cardseal_transport::Failure;

/// A request that was not made because of the caller's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A value cannot be sent in its place.
    #[error("the value of `{0}` is not valid")]
    Value(&'static str),
    /// The request contains a card number in a member that must not have one.
    #[error("the request contains a card number in clear")]
    ClearCardData,
    /// The client, or one that shares its communicator, has been closed.
    #[error("the client has been closed")]
    Closed,
}

/// No usable answer (`CommunicationException`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Communication {
    /// No connection, or no answer.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The answer is not JSON, or not the documented JSON. Contains the status.
    #[error("the answer with status {0} is not JSON of the documented form")]
    NotJson(u16),
    /// The answer is a redirect. Contains the status.
    #[error("the answer with status {0} is a redirect")]
    Redirect(u16),
}

/// There is no access token (`OAuth2Exception`). The call that needed one was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuth2Error {
    /// No connection to the authorization server, or no answer.
    #[error("the authorization server gave no answer")]
    Failure(#[from] Failure),
    /// The authorization server refused, in the words of OAuth. Card numbers are masked.
    #[error("the authorization server refused: {code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Such as `invalid_client`.
        code: String,
        /// Its `error_description`.
        description: String,
    },
    /// The answer is neither a token nor a refusal.
    #[error("the answer of the authorization server cannot be read")]
    Unreadable,
}

/// A product's error, as the communicator makes one.
pub trait CallError: From<Mistake> + From<Communication> + From<OAuth2Error> {
    /// 404 of something that is not the API (`NotFoundException`).
    fn not_found() -> Self;
}
