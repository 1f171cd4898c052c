//! `POST /v1/payments/{id}/capture`, `/void` and `/refund`.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::answer::Answers;
use super::{bin, idempotency_key};
use crate::App;
use crate::access::Merchant;
use crate::api::sessions::parse_amount;
use crate::body::Fields;
use crate::error::{ApiError, Code};
use crate::logging::RequestId;
use crate::payments::{self, ChangeRequest};
use crate::store::{Fingerprint, Movement, PaymentId, Status};

pub(in crate::api) async fn capture(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    change(&app, id, Movement::Capture, &headers, fields, request_id).await
}

pub(in crate::api) async fn void(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    change(&app, id, Movement::Void, &headers, fields, request_id).await
}

pub(in crate::api) async fn refund(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    change(&app, id, Movement::Refund, &headers, fields, request_id).await
}

async fn change(
    app: &App,
    id: PaymentId,
    movement: Movement,
    headers: &HeaderMap,
    mut fields: Fields,
    request_id: String,
) -> Result<Response, ApiError> {
    let key = idempotency_key(headers)?;
    let fingerprint = Fingerprint::from(fields.fingerprint());
    let bin = bin(&mut fields)?;
    let (amount, currency) = match movement {
        Movement::Void => (None, None),
        Movement::Capture | Movement::Refund => {
            (fields.optional("amount", 32)?, fields.optional("currency", 8)?)
        }
    };
    fields.finish()?;
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    let gateway = &app.account(&payment.platform)?.gateway;
    let own = payment.amount.currency().code();
    if currency.as_deref().is_some_and(|currency| currency != own) {
        return Err(ApiError::field(Code::FieldInvalid, "currency"));
    }
    let amount = amount.map(|text| parse_amount(&text, own)).transpose()?;
    if movement == Movement::Refund
        && !gateway.capabilities().partial_refunds
        && amount.is_some_and(|amount| amount != payment.amount)
    {
        return Err(ApiError::field(Code::PartialRefundNotOffered, "amount"));
    }
    let bin = payment.bin.clone().or(bin);
    let settled = matches!(payment.status, Status::Voided | Status::Refunded);
    if gateway.capabilities().changes_need_bin && bin.is_none() && !settled {
        return Err(ApiError::field(Code::FieldMissing, "bin")
            .detail("the platform wants the card's first six digits, which are not known of this payment"));
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
