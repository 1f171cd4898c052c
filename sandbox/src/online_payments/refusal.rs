//! The platform's errors: `errorId` and a list. What is not known about an error is left out, as the real platform
//! leaves members out too.

use axum::http::StatusCode;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::with_id;
use crate::host::Reply;

/// The answer to a call that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    status: StatusCode,
    /// What `errors[0]` holds besides `httpStatusCode`.
    error: Error,
    /// The status that the body tells, where it is another one.
    status_in_body: Option<u16>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Error {
    error_code: Option<String>,
    code: Option<&'static str>,
    id: &'static str,
    property: Option<String>,
}

/// An error in the form it is sent.
struct ErrorBody {
    status: StatusCode,
    id: String,
    body: Value,
    /// The text itself where its form was recorded.
    text: Option<String>,
}

const DIRECT: &str = "DIRECT_PLATFORM_ERROR";
/// Of answers that the issuer or acquirer gave.
const PAYMENT: &str = "PAYMENT_PLATFORM_ERROR";
const NO_ACCESS: &str = "ACCESS_TO_MERCHANT_NOT_ALLOWED";
const NO_NETWORKS: &str = "PAYMENT_PRODUCT_ID_MISMATCH";
const NO_CONVERSION: &str = "CURRENCY_CONVERSION_NOT_FOUND_REQUEST";

/// The message of an error: its id, where no other words are known.
fn message(id: &'static str) -> &'static str {
    match id {
        NO_NETWORKS => {
            "The given payment product id does not correspond to the paymentproductid in the given token."
        }
        NO_CONVERSION => "Some request parameter e.g. merchant, card etc not found in the system.",
        _ => id,
    }
}

impl Refusal {
    const fn new(status: StatusCode, error: Error) -> Self {
        Self {
            status,
            error,
            status_in_body: None,
        }
    }

    fn coded(status: StatusCode, error_code: &str, code: &'static str, id: &'static str) -> Self {
        Self::new(
            status,
            Error {
                error_code: Some(error_code.into()),
                code: Some(code),
                id,
                ..Error::default()
            },
        )
    }

    fn named(status: StatusCode, id: &'static str, property: &str) -> Self {
        Self::new(
            status,
            Error {
                id,
                property: Some(property.into()),
                ..Error::default()
            },
        )
    }

    fn forbidden(code: &'static str, id: &'static str) -> Self {
        let error = Error {
            code: Some(code),
            id,
            ..Error::default()
        };
        Self::new(StatusCode::FORBIDDEN, error)
    }

    fn at(mut self, property: impl Into<String>) -> Self {
        self.error.property = Some(property.into());
        self
    }

    /// Wrong key, wrong signature, wrong merchant: all the same, and without an `errorCode`.
    pub(crate) fn no_access() -> Self {
        Self::forbidden("9007", NO_ACCESS)
    }

    pub(crate) fn no_session() -> Self {
        Self::forbidden("9002", "MISSING_OR_INVALID_AUTHORIZATION")
    }

    pub(crate) fn expired_session() -> Self {
        Self::forbidden("9008", "ACCESS_TO_CONSUMER_ID_NOT_ALLOWED")
    }

    pub(crate) fn invalid(property: impl Into<String>) -> Self {
        Self::coded(StatusCode::BAD_REQUEST, "50001111", "1008", "INVALID_VALUE").at(property)
    }

    /// Only the number is documented, not which member carries it.
    pub(crate) fn missing(property: &str) -> Self {
        let (status, id) = (StatusCode::BAD_REQUEST, "PARAMETER_NOT_FOUND_IN_REQUEST");
        Self::coded(status, "20000000", "20000000", id).at(property)
    }

    pub(crate) fn unknown_payment() -> Self {
        Self::coded(StatusCode::NOT_FOUND, "50001130", "1002", "UNKNOWN_PAYMENT_ID").at("paymentId")
    }

    pub(crate) fn unknown_token() -> Self {
        Self::named(StatusCode::NOT_FOUND, "UNKNOWN_TOKEN_ID", "token")
    }

    pub(crate) fn unknown_product() -> Self {
        let mut refusal = Self::named(StatusCode::NOT_FOUND, "UNKNOWN_PRODUCT_ID", "paymentProductId");
        refusal.error.code = Some("1007");
        refusal
    }

    /// As recorded of a hosted checkout that is not there: 404 with a body that says 500.
    pub(crate) fn unknown_hosted() -> Self {
        let mut refusal = Self::coded(StatusCode::NOT_FOUND, "20001101", "9999", "UNKNOWN_SERVER_ERROR");
        refusal.status_in_body = Some(500);
        refusal
    }

    pub(crate) fn product_not_available() -> Self {
        Self::named(
            StatusCode::BAD_REQUEST,
            "PAYMENT_PRODUCT_NOT_AVAILABLE",
            "paymentProductId",
        )
    }

    pub(crate) fn product_mismatch() -> Self {
        Self::named(
            StatusCode::BAD_REQUEST,
            "CARDNUMBER_PAYMENTPRODUCTID_MISMATCH",
            "paymentProductId",
        )
    }

    pub(crate) fn not_allowed_now() -> Self {
        Self::named(
            StatusCode::BAD_REQUEST,
            "ACTION_NOT_ALLOWED_ON_TRANSACTION",
            "paymentId",
        )
    }

    /// The first call with this key is still running. The real platform's `errorCode` is neither of the two that
    /// the official libraries take for this case: their own tests get the general exception of a 409.
    pub(crate) fn in_progress(error_code: Option<&str>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            Error {
                error_code: error_code.map(Into::into),
                id: "DUPLICATE_REQUEST_IN_PROGRESS",
                ..Error::default()
            },
        )
    }

    pub(crate) fn unknown_payout() -> Self {
        Self::named(StatusCode::NOT_FOUND, "UNKNOWN_PAYOUT_ID", "payoutId")
    }

    pub(crate) fn unknown_product_group() -> Self {
        Self::named(
            StatusCode::NOT_FOUND,
            "UNKNOWN_PRODUCT_GROUP_ID",
            "paymentProductGroupId",
        )
    }

    /// An error of which only the status is known.
    pub(crate) fn unnamed(status: StatusCode, property: &str) -> Self {
        Self::named(status, "", property)
    }

    /// Networks of a product that has none, with the words that were recorded.
    pub(crate) fn no_networks() -> Self {
        Self::coded(StatusCode::BAD_REQUEST, "50001111", "1431", NO_NETWORKS)
    }

    /// A card without an offer in another currency, with the words that were recorded.
    pub(crate) fn no_conversion() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Error {
                error_code: Some("50001111".into()),
                id: NO_CONVERSION,
                ..Error::default()
            },
        )
    }

    /// The platform's own failure.
    pub(crate) fn server_error() -> Self {
        Self::coded(
            StatusCode::INTERNAL_SERVER_ERROR,
            "20001101",
            "9999",
            "UNKNOWN_SERVER_ERROR",
        )
    }

    pub(crate) fn bad_gateway() -> Self {
        Self::coded(
            StatusCode::BAD_GATEWAY,
            "20001101",
            "9999",
            "UNKNOWN_SERVER_ERROR",
        )
    }

    pub(crate) fn reply(&self) -> Reply {
        let error = self.error_body();
        let reply = match error.text {
            // As recorded: without a charset.
            Some(text) => Reply::text(error.status, text).typed("application/json"),
            None => Reply::json(error.status, &error.body),
        };
        with_id(reply, &error.id).refused(self.error.id)
    }

    fn error_body(&self) -> ErrorBody {
        let id = Uuid::new_v4().to_string();
        let error = &self.error;
        let mut fields = Map::new();
        if let Some(error_code) = &error.error_code {
            fields.insert("errorCode".into(), error_code.as_str().into());
        }
        if let Some(code) = error.code {
            fields.insert("code".into(), code.into());
        }
        if !error.id.is_empty() {
            fields.insert("id".into(), error.id.into());
            fields.insert("message".into(), message(error.id).into());
        }
        if let Some(property) = &error.property {
            fields.insert("propertyName".into(), property.as_str().into());
        }
        fields.insert("category".into(), DIRECT.into());
        fields.insert(
            "httpStatusCode".into(),
            self.status_in_body.unwrap_or(self.status.as_u16()).into(),
        );
        if error.id != NO_ACCESS {
            fields.insert("retriable".into(), false.into());
        }
        let status = self.status.as_u16();
        ErrorBody {
            status: self.status,
            body: json!({ "errorId": id, "errors": [fields], "status": status }),
            text: (error.id == NO_ACCESS).then(|| no_access_text(&id)),
            id,
        }
    }
}

/// With the line ends and the order in which it was recorded.
fn no_access_text(id: &str) -> String {
    format!(
        "{{\r\n  \"errorId\": \"{id}\",\r\n  \"errors\": [\r\n    {{\r\n      \"code\": \"9007\",\r\n      \
         \"id\": \"{NO_ACCESS}\",\r\n      \"category\": \"{DIRECT}\",\r\n      \"message\": \"{NO_ACCESS}\",\r\n      \
         \"httpStatusCode\": 403\r\n    }}\r\n  ],\r\n  \"status\": 403\r\n}}"
    )
}

/// What a decline says, in the answer and in the payment.
pub(crate) fn decline(error_code: &str) -> Value {
    json!([{
        "errorCode": error_code,
        "category": PAYMENT,
        "httpStatusCode": 402,
        "retriable": false,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_refused_key_as_recorded() {
        let error = Refusal::no_access().error_body();
        let text = error.text.unwrap();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), error.body);
        assert_eq!(error.body["errors"][0].get("errorCode"), None);
        assert_eq!(error.body["errorId"], error.id);
    }

    #[test]
    fn leaves_out_what_is_not_known() {
        let error = Refusal::unknown_token().error_body();
        assert_eq!(error.status, StatusCode::NOT_FOUND);
        let error = &error.body["errors"][0];
        assert_eq!((error.get("errorCode"), error.get("code")), (None, None));
        assert_eq!(error["id"], "UNKNOWN_TOKEN_ID");
        let error = Refusal::unknown_hosted().error_body();
        assert_eq!(error.status, StatusCode::NOT_FOUND);
        assert_eq!(error.body["errors"][0]["httpStatusCode"], 500);
        let error = Refusal::in_progress(Some("1409")).error_body();
        assert_eq!(error.body["errors"].as_array().unwrap().len(), 1);
        assert_eq!(error.body["errors"][0]["errorCode"], "1409");
        let error = Refusal::unnamed(StatusCode::NOT_FOUND, "x").error_body();
        assert_eq!(error.body["errors"][0].get("id"), None);
        assert_eq!(error.body["errors"][0].get("message"), None);
    }
}
