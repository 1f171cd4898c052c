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
    /// Of a capture, a void and a refund.
    ChangeRefused = MERCHANT | BODY | STORE | PLATFORM [
        PaymentNotFound, PaymentState, AmountInvalid, PartialRefundNotOffered, IdempotencyKeyInvalid,
        IdempotencyKeyReused, IdempotencyInProgress,
    ];
}
checked!(Part, Whole);

/// How much of a payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Part {
    /// Without it, all that is left.
    #[schema(nullable = false)]
    amount: Option<AmountText>,
    /// The payment's own currency.
    #[schema(nullable = false)]
    currency: Option<CurrencyCode>,
    /// The first digits of the card, for platforms that want them where they are not known.
    #[schema(nullable = false)]
    bin: Option<Bin>,
}

/// A whole payment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Whole {
    /// The first digits of the card, for platforms that want them where they are not known.
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

/// Takes the money of an authorized payment.
///
/// Once, up to the limit of the platform.
#[utoipa::path(post, operation_id = "capturePayment", path = "/v1/payments/{id}/capture",
    tag = "payments", security(("api_key" = [])),
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

/// Undoes a whole payment.
///
/// Asking for what is done already answers with the payment as it is.
#[utoipa::path(post, operation_id = "voidPayment", path = "/v1/payments/{id}/void",
    tag = "payments", security(("api_key" = [])),
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

/// Pays back a payment, or a part of it.
///
/// A refund of a part is new each time: send an `Idempotency-Key`, so that a repeated request is not a second refund.
#[utoipa::path(post, operation_id = "refundPayment", path = "/v1/payments/{id}/refund",
    tag = "payments", security(("api_key" = [])),
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
