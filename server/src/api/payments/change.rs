//! `POST /v1/payments/{id}/capture`, `/void` and `/refund`.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::{Answers, Changed};
use super::{KeyHeader, PaymentPath, idempotency_key};
use crate::App;
use crate::access::Merchant;
use crate::api::contract::refusals;
use crate::api::fields::{AmountText, Bin, CurrencyCode};
use crate::error::{ApiError, Code};
use crate::logging::RequestId;
use crate::payload::{Payload, checked};
use crate::payments::{self, ChangeRequest};
use crate::store::{Movement, PaymentId, Status};

refusals! {
    /// Errors of captures, voids and refunds.
    ChangeRefused = MERCHANT | BODY | STORE | PLATFORM [
        PaymentNotFound, PaymentState, AmountInvalid, PartialRefundNotOffered, IdempotencyKeyInvalid,
        IdempotencyKeyReused, IdempotencyInProgress, OutboxFull,
    ];
}
checked!(Part, Whole);

/// The amount to capture or refund.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Part {
    /// Without it, the whole remaining amount.
    #[schema(nullable = false)]
    amount: Option<AmountText>,
    /// The payment's currency.
    #[schema(nullable = false)]
    currency: Option<CurrencyCode>,
    /// The first digits of the card, if the platform needs them and they are not known.
    #[schema(nullable = false)]
    bin: Option<Bin>,
}

/// A void of a whole payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Whole {
    /// The first digits of the card, if the platform needs them and they are not known.
    #[schema(nullable = false)]
    bin: Option<Bin>,
}

impl From<Whole> for Part {
    fn from(Whole { bin }: Whole) -> Self {
        Self {
            amount: None,
            currency: None,
            bin,
        }
    }
}

/// Captures an authorized payment.
///
/// A payment is captured once, up to the platform's limit.
#[utoipa::path(post, operation_id = "capturePayment", path = "/v1/payments/{id}/capture",
    tag = "payments", security(("api_key" = ["charge"])),
    params(PaymentPath, KeyHeader), request_body = Option<Part>,
    responses(Changed, ChangeRefused))]
pub(in crate::api) async fn capture(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    payload: Payload<Part>,
) -> Result<Response, ApiError> {
    change(&app, id, Movement::Capture, &headers, payload, request_id).await
}

/// Voids a whole payment.
///
/// If the payment has been voided already, the answer is the payment as it is.
#[utoipa::path(post, operation_id = "voidPayment", path = "/v1/payments/{id}/void",
    tag = "payments", security(("api_key" = ["refund"])),
    params(PaymentPath, KeyHeader), request_body = Option<Whole>,
    responses(Changed, ChangeRefused))]
pub(in crate::api) async fn void(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    payload: Payload<Whole>,
) -> Result<Response, ApiError> {
    change(
        &app,
        id,
        Movement::Void,
        &headers,
        payload.map(Part::from),
        request_id,
    )
    .await
}

/// Refunds a payment or a part of it.
///
/// Each request for a part is a new refund. Send an `Idempotency-Key`, so that a repeated request does not refund
/// twice.
#[utoipa::path(post, operation_id = "refundPayment", path = "/v1/payments/{id}/refund",
    tag = "payments", security(("api_key" = ["refund"])),
    params(PaymentPath, KeyHeader), request_body = Option<Part>,
    responses(Changed, ChangeRefused))]
pub(in crate::api) async fn refund(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    payload: Payload<Part>,
) -> Result<Response, ApiError> {
    change(&app, id, Movement::Refund, &headers, payload, request_id).await
}

async fn change(
    app: &App,
    id: PaymentId,
    movement: Movement,
    headers: &HeaderMap,
    Payload { request, fingerprint }: Payload<Part>,
    request_id: String,
) -> Result<Response, ApiError> {
    let key = idempotency_key(headers)?;
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    let gateway = &app.account(payment.platform)?.gateway;
    let own = payment.amount.currency().code();
    if request
        .currency
        .as_deref()
        .is_some_and(|currency| currency != own)
    {
        return Err(ApiError::field(Code::FieldInvalid, "currency").detail(&format!(
            "`currency` must be the payment's own, \"{own}\", or left out; got other text"
        )));
    }
    let amount = request.amount.map(|text| text.parse(own)).transpose()?;
    if movement == Movement::Refund
        && !gateway.capabilities().partial_refunds
        && amount.is_some_and(|amount| amount != payment.amount)
    {
        return Err(ApiError::field(Code::PartialRefundNotOffered, "amount"));
    }
    let bin = payment.bin.clone().or(request.bin.map(String::from));
    let settled = matches!(payment.status, Status::Voided | Status::Refunded);
    if gateway.capabilities().changes_need_bin && bin.is_none() && !settled {
        return Err(ApiError::field(Code::FieldMissing, "bin")
            .detail("the platform wants the card's first digits, which are not known of this payment: `bin` must be 6 to 8 \
                 digits, for example \"424242\""));
    }
    let answers = Answers::changed(request_id);
    let request = ChangeRequest {
        payment: id,
        movement,
        amount: amount.map(|amount| amount.minor()),
        bin,
        key: key.map(|key| (key, fingerprint)),
        render: answers.clone(),
    };
    Ok(answers.response(payments::change(app, request).await?))
}
