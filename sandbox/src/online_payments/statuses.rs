//! The platform's status codes, and what they are called. The pairing of rare ones is inferred.

use serde_json::{Map, Value, json};

pub(crate) const CANCELLED_BY_CUSTOMER: u16 = 1;
pub(crate) const REJECTED: u16 = 2;
pub(crate) const AUTHORIZED: u16 = 5;
pub(crate) const CANCELLED: u16 = 6;
pub(crate) const REFUNDED: u16 = 8;
pub(crate) const CAPTURED: u16 = 9;
pub(crate) const REDIRECTED: u16 = 46;
pub(crate) const AUTHORIZATION_WAITS: u16 = 51;
pub(crate) const CANCEL_WAITS: u16 = 61;
pub(crate) const REFUND_WAITS: u16 = 81;
pub(crate) const REFUND_UNCERTAIN: u16 = 82;
pub(crate) const REFUND_REFUSED: u16 = 83;
pub(crate) const CAPTURE_WAITS: u16 = 91;
pub(crate) const CAPTURE_UNCERTAIN: u16 = 92;
pub(crate) const CAPTURE_REFUSED: u16 = 93;

const UNSUCCESSFUL: &str = "UNSUCCESSFUL";
const ELSEWHERE: &str = "PENDING_CONNECT_OR_3RD_PARTY";

/// `status` and `statusCategory` of a code.
pub(crate) const fn names(code: u16) -> (&'static str, &'static str) {
    match code {
        CANCELLED_BY_CUSTOMER | CANCELLED => ("CANCELLED", UNSUCCESSFUL),
        REJECTED | REFUND_REFUSED => ("REJECTED", UNSUCCESSFUL),
        AUTHORIZED => ("PENDING_CAPTURE", "PENDING_MERCHANT"),
        REFUNDED => ("REFUNDED", "REFUNDED"),
        CAPTURED => ("CAPTURED", "COMPLETED"),
        REDIRECTED => ("REDIRECTED", "PENDING_PAYMENT"),
        AUTHORIZATION_WAITS => ("AUTHORIZATION_REQUESTED", ELSEWHERE),
        // As recorded.
        CANCEL_WAITS => ("CANCELLED", "PENDING_MERCHANT"),
        REFUND_WAITS | REFUND_UNCERTAIN => ("REFUND_REQUESTED", ELSEWHERE),
        CAPTURE_WAITS | CAPTURE_UNCERTAIN => ("CAPTURE_REQUESTED", ELSEWHERE),
        CAPTURE_REFUSED => ("REJECTED_CAPTURE", UNSUCCESSFUL),
        _ => ("CREATED", "CREATED"),
    }
}

/// How the status of a hosted checkout sums a payment up.
pub(crate) const fn category(code: u16) -> &'static str {
    match code {
        REJECTED | CANCELLED_BY_CUSTOMER | CAPTURE_REFUSED => "REJECTED",
        REDIRECTED | AUTHORIZATION_WAITS => "STATUS_UNKNOWN",
        _ => "SUCCESSFUL",
    }
}

/// `statusOutput`.
pub(crate) fn output(code: u16, cancellable: bool, refundable: bool, errors: Option<&Value>) -> Value {
    let mut fields = Map::new();
    fields.insert("statusCode".into(), code.into());
    fields.insert("statusCategory".into(), names(code).1.into());
    fields.insert("isAuthorized".into(), (code == AUTHORIZED).into());
    fields.insert("isCancellable".into(), cancellable.into());
    fields.insert("isRefundable".into(), refundable.into());
    if let Some(errors) = errors {
        fields.insert("errors".into(), errors.clone());
    }
    json!(fields)
}
