//! Refusals: a code, a message, and what is wrong with each field.

use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::fields::FieldErrors;
use crate::host::{Reply, clock};

const ERROR_TYPE: &str = "application/vnd.com.cwie.error.v1+json";

/// The answer to a call that is refused.
pub(crate) struct Refusal {
    status: u16,
    code: u32,
    text: &'static str,
    errors: Value,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: u32, text: &'static str) -> Self {
        Self {
            status,
            code,
            text,
            errors: json!([]),
        }
    }

    pub(crate) fn validation(errors: FieldErrors) -> Self {
        Self {
            errors: errors.into_errors(),
            ..Self::new(400, 200_000, "Validation failed!")
        }
    }

    /// Without a body, as its form is not known.
    pub(crate) const fn unauthorized() -> Self {
        Self {
            status: 401,
            code: 0,
            text: "",
            errors: Value::Null,
        }
    }

    pub(crate) fn forbidden() -> Self {
        Self::new(403, 100_020, "Forbidden")
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, 130_000, "Not Found")
    }

    /// The reply to a request of this address.
    pub(crate) fn reply(self, uri: &Uri, now: OffsetDateTime) -> Reply {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let reply = if self.errors.is_null() {
            Reply::empty(status)
        } else {
            let body = json!({
                "id": Uuid::new_v4().to_string(),
                "url": uri.path().strip_prefix("/ccbill").unwrap_or_default(),
                "errors": self.errors,
                "generalMessage": self.text,
                "errorCode": self.code,
                "timestamp": clock::text(now),
            });
            Reply::json(status, &body).typed(ERROR_TYPE)
        };
        reply.refused(self.code.to_string())
    }
}
