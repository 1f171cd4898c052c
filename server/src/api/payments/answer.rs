//! Writes payments in HTTP.

use cardseal::platform::Platform;
use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cardseal_gateways::amount::decimal_text;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};

use super::REPLAYED;
use crate::api::fields::platform;
use crate::clock::rfc3339;
use crate::error::{ApiError, problem};
use crate::payments::{Render, Reply};
use crate::reason::Error;
use crate::store::{Payment, StoredAnswer};

/// A payment. Amounts are decimal text in major units.
#[derive(Serialize, ToSchema)]
#[schema(as = Payment)]
pub(in crate::api) struct PaymentResource {
    /// The id of the payment.
    #[schema(example = "pay_5f0c1d2e")]
    pub(in crate::api) id: String,
    #[schema(schema_with = platform)]
    platform: Platform,
    #[schema(value_type = PaymentStatus)]
    pub(in crate::api) status: &'static str,
    #[schema(example = "12.34")]
    pub(in crate::api) amount: String,
    #[schema(example = "USD")]
    pub(in crate::api) currency: &'static str,
    /// The captured amount.
    #[schema(example = "12.34")]
    captured: String,
    /// The refunded amount.
    #[schema(example = "0.00")]
    refunded: String,
    /// The stored card that was charged.
    #[schema(required)]
    token: Option<String>,
    /// The subscription that it is a payment of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "sub_5f0c1d2e")]
    subscription: Option<String>,
    /// The merchant's reference. The platform has numbered a payment of a subscription that it made by itself.
    #[schema(example = "order-1001")]
    order_reference: String,
    /// The bank's authorization.
    #[schema(required)]
    pub(in crate::api) authorization: Option<String>,
    /// The last four digits of the card number.
    #[schema(required, example = "4242")]
    last4: Option<String>,
    /// The card's brand, in lower case.
    #[schema(required, example = "visa")]
    brand: Option<String>,
    #[schema(required)]
    pub(in crate::api) decline: Option<DeclineResource>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    /// The page that the customer has to visit, while the payment waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect: Option<Redirect>,
}

/// The answers to a change of a payment or a lookup.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the contract")]
pub(super) enum Changed {
    /// Done.
    #[response(status = 200)]
    Known(PaymentResource),
    /// The outcome is not known yet. Get the payment again later.
    #[response(status = 202)]
    Unknown(PaymentResource),
}

/// Why the bank declined.
#[derive(Serialize, ToSchema)]
#[schema(as = Decline)]
pub(in crate::api) struct DeclineResource {
    /// The bank's code.
    #[schema(required, example = "51")]
    code: Option<String>,
    /// The reason, in the same words for every platform.
    #[schema(example = "insufficient_funds")]
    pub(in crate::api) reason: String,
    /// The bank's text, masked.
    #[schema(required)]
    message: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct Redirect {
    url: String,
}

/// The status of a payment. `unknown`, `capture_unknown`, `void_unknown` and `refund_unknown` mean that the outcome
/// is not known. Such a payment is never charged again.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the words of `Status`, for the contract")]
pub(super) enum PaymentStatus {
    Approved,
    Authorized,
    Declined,
    Failed,
    Unknown,
    CaptureUnknown,
    VoidUnknown,
    RefundUnknown,
    Voided,
    PartiallyRefunded,
    Refunded,
}

impl From<&Payment> for PaymentResource {
    fn from(payment: &Payment) -> Self {
        let currency = payment.amount.currency();
        let redirect = payment.redirect.clone().filter(|_| payment.status.is_unknown());
        Self {
            id: payment.id.to_string(),
            platform: payment.platform,
            status: payment.status.shown(),
            amount: payment.amount.to_decimal_text(),
            currency: currency.code(),
            captured: decimal_text(payment.captured, currency),
            refunded: decimal_text(payment.refunded, currency),
            token: payment.token_id.as_ref().map(ToString::to_string),
            subscription: payment.subscription_id.as_ref().map(ToString::to_string),
            order_reference: payment.order_reference.clone(),
            authorization: payment.authorization.clone(),
            last4: payment.last4.clone(),
            brand: payment.brand.clone(),
            decline: payment.decline.as_ref().map(|decline| DeclineResource {
                code: decline.code.clone(),
                reason: decline.reason.clone(),
                message: decline.message.clone(),
            }),
            created_at: rfc3339(payment.created_at),
            updated_at: rfc3339(payment.updated_at),
            redirect: redirect.map(|url| Redirect { url }),
        }
    }
}

/// Writes the answers to one request: with its own status if the outcome is known, with 202 if it is not.
pub(in crate::api) struct Answers {
    known: StatusCode,
    request_id: String,
}

impl Answers {
    /// For a new payment.
    pub(in crate::api) fn created(request_id: String) -> Arc<Self> {
        Arc::new(Self {
            known: StatusCode::CREATED,
            request_id,
        })
    }

    /// For a change of a payment.
    pub(super) fn changed(request_id: String) -> Arc<Self> {
        Arc::new(Self {
            known: StatusCode::OK,
            request_id,
        })
    }

    /// The answer, and whether it was sent before.
    pub(super) fn of(&self, reply: Reply) -> (StoredAnswer, bool) {
        match reply {
            Reply::Payment { payment, replayed } => (self.payment(&payment), replayed),
            Reply::Stored(answer) => (answer, true),
        }
    }

    pub(in crate::api) fn response(&self, reply: Reply) -> Response {
        let (answer, again) = self.of(reply);
        let response = response(answer);
        if again { replayed(response) } else { response }
    }
}

impl Render for Answers {
    fn payment(&self, payment: &Payment) -> StoredAnswer {
        let status = if payment.status.is_unknown() {
            StatusCode::ACCEPTED
        } else {
            self.known
        };
        StoredAnswer {
            status: status.as_u16(),
            body: serde_json::to_string(&PaymentResource::from(payment)).unwrap_or_default(),
        }
    }

    fn error(&self, error: &Error) -> StoredAnswer {
        refusal(error, &self.request_id)
    }
}

/// The answer to a refused request, for those that repeat it.
pub(in crate::api) fn refusal(error: &Error, request_id: &str) -> StoredAnswer {
    let error = ApiError::from(error.clone());
    StoredAnswer {
        status: error.code().status().as_u16(),
        body: error.render(request_id),
    }
}

/// Says that the answer was sent before.
pub(in crate::api) fn replayed(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

pub(in crate::api) fn response(answer: StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_client_error() || status.is_server_error() {
        return problem(status, answer.body);
    }
    (status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
}
