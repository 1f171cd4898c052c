//! Refusals, after RFC 7807. The addresses in `type` are made up: the platform's are not published.

use axum::http::header::WWW_AUTHENTICATE;
use axum::http::{HeaderValue, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::host::Reply;

/// No host has such a name, so that nobody takes the addresses for the platform's.
const TYPES: &str = "https://worldline-acquiring.sandbox.invalid/errors/";

/// The answer to a refused call. Its texts name members, and never their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    kind: &'static str,
    title: &'static str,
    detail: String,
}

impl Refusal {
    fn new(status: StatusCode, kind: &'static str, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            title,
            detail: detail.into(),
        }
    }

    fn validation(detail: String) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "validation",
            "The request is not valid",
            detail,
        )
    }

    /// A member that has to be there.
    pub(crate) fn missing(path: &str) -> Self {
        Self::validation(format!("{path} is missing"))
    }

    /// A member with another type, form or value than it may have.
    pub(crate) fn invalid(path: &str) -> Self {
        Self::validation(format!("{path} is not valid"))
    }

    /// No access token, or one that is unknown or has ended.
    pub(crate) fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "authentication",
            "There is no valid access token",
            "the access token is missing, unknown or has expired",
        )
    }

    /// An access token that was not asked for with this scope.
    pub(crate) fn scope(scope: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "authorization",
            "Access was refused",
            format!("the access token does not have the scope {scope}"),
        )
    }

    /// Another acquirer, or another merchant.
    pub(crate) fn account() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "authorization",
            "Access was refused",
            "the client may not act for this acquirer and merchant",
        )
    }

    /// A path, a payment or an operation that is not there.
    pub(crate) fn unknown(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "There is no such resource",
            format!("there is no such {what}"),
        )
    }

    /// More than any request of the platform's own clients.
    pub(crate) fn too_large() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too-large",
            "The request is too large",
            "the body of the request is too large",
        )
    }

    /// A step that what was done before does not allow.
    pub(crate) fn state(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "state",
            "The operation is not possible",
            detail,
        )
    }

    /// An operation's id that is in use.
    pub(crate) fn duplicate() -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "duplicate-operation",
            "The operation is known already",
            "there was another operation with this operationId",
        )
    }

    pub(crate) fn reply(self) -> Reply {
        let id = Uuid::new_v4().to_string();
        let body = json!({
            "type": format!("{TYPES}{}", self.kind),
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
            "instance": format!("/requests/{id}"),
            "requestId": id,
        });
        let reply = Reply::json(self.status, &body)
            .typed("application/problem+json")
            .refused(self.kind);
        if self.status == StatusCode::UNAUTHORIZED {
            let invalid = HeaderValue::from_static("Bearer error=\"invalid_token\"");
            reply.with(WWW_AUTHENTICATE, invalid)
        } else {
            reply
        }
    }
}
