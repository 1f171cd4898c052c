//! The errors that both products share. They are variants of each product's own `Error`.

use cardseal_transport::Failure;

/// A mistake of the caller. The request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// A value has characters or a length that its place in the request does not allow.
    #[error("the value of `{0}` is not valid")]
    Value(&'static str),
    /// The request contains a card number where the communicator does not allow one.
    #[error("the request contains a card number in clear text")]
    ClearCardData,
    /// The client, or one that shares its communicator, has been closed.
    #[error("the client has been closed")]
    Closed,
}

/// There is no usable response (`CommunicationException`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Communication {
    /// There is no connection, or no response.
    #[error(transparent)]
    Failure(#[from] Failure),
    /// The response is not JSON, or not the documented JSON. Contains its HTTP status.
    #[error("the response with status {0} is not the documented JSON")]
    NotJson(u16),
    /// The response is a redirect, which the client does not follow. Contains its HTTP status.
    #[error("the response with status {0} is a redirect")]
    Redirect(u16),
}

/// There is no access token (`OAuth2Exception`). The request that needed it was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OAuth2Error {
    /// There is no connection to the authorization server, or no response.
    #[error("the authorization server did not respond")]
    Failure(#[from] Failure),
    /// The authorization server refused, with an error of OAuth 2. Card numbers are masked.
    #[error("the authorization server refused: {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// For example `invalid_client`.
        code: String,
        /// The `error_description`; empty if there is none.
        description: String,
    },
    /// The response contains neither a token nor an error.
    #[error("the response of the authorization server is not valid; check the token URI")]
    Unreadable,
}

/// A product's error, which the communicator can create.
pub trait CallError: From<Mistake> + From<Communication> + From<OAuth2Error> {
    /// 404 with a body that is not JSON (`NotFoundException`).
    fn not_found() -> Self;
}
