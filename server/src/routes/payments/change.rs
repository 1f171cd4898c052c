//! `POST /v1/payments/{id}/void` and `/refund`: whole payments, once.
//!
//! The payment's own status is the lock: it says "under way" on the disk before the platform is asked. Asking for
//! what is done already answers with the payment as it is.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cardseal_gateways::error::Refusal;
use cardseal_gateways::gateway::{Change, PaymentRef};
use serde_json::Value;

use super::{bin, resource};
use crate::App;
use crate::access::Merchant;
use crate::body::Fields;
use crate::error::{ApiError, Code};
use crate::routes::sessions::parse_amount;
use crate::store::{Movement, Payment, Status};

pub(in crate::routes) async fn void(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let bin = bin(&mut fields)?;
    fields.finish()?;
    run(&app, id, Movement::Void, bin).await
}

pub(in crate::routes) async fn refund(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let bin = bin(&mut fields)?;
    let amount = fields.optional("amount", 32)?;
    let currency = fields.optional("currency", 8)?;
    fields.finish()?;
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    let own = payment.amount.currency().code();
    if currency.as_deref().is_some_and(|currency| currency != own) {
        return Err(ApiError::field(Code::FieldInvalid, "currency"));
    }
    if let Some(text) = amount
        && parse_amount(&text, own)? != payment.amount
    {
        return Err(ApiError::field(Code::PartialRefundNotOffered, "amount"));
    }
    run(&app, id, Movement::Refund, bin).await
}

async fn run(
    app: &App,
    id: String,
    movement: Movement,
    bin: Option<String>,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let owner = Arc::clone(app);
    let payment = app
        .to_the_end(async move { change(&owner, &id, movement, bin).await })
        .await?;
    let done = payment.status == movement.done();
    Ok((
        if done {
            StatusCode::OK
        } else {
            StatusCode::ACCEPTED
        },
        Json(resource(&payment)),
    ))
}

async fn change(app: &App, id: &str, movement: Movement, bin: Option<String>) -> Result<Payment, ApiError> {
    let payment = app.store.payment(id).await?.ok_or(Code::PaymentNotFound)?;
    let before = payment.status;
    if before == movement.done() {
        return Ok(payment);
    }
    // A void that may or may not have happened can be asked for again: it cannot happen twice. A refund is not
    // known to be so.
    let again = movement == Movement::Void && before == Status::VoidUnknown;
    if before != Status::Approved && !again {
        return Err(state(&payment));
    }
    let bin = payment.bin.clone().or(bin);
    if bin.is_none() {
        return Err(ApiError::field(Code::FieldMissing, "bin")
            .detail("the platform wants the card's first six digits, which are not known of this payment"));
    }
    if !app
        .store
        .move_payment(id, before, movement.in_flight(), app.clock.now())
        .await?
    {
        return Err(state(&payment));
    }
    let call = ask_platform(app, &payment, bin, movement);
    let (after, result) = match call.await {
        Ok(Change::Done) => (movement.done(), Ok(())),
        Ok(Change::Unknown(doubt)) => {
            tracing::warn!(
                payment = id,
                doubt = doubt.as_str(),
                "the outcome of a void or refund is unknown"
            );
            (movement.unknown(), Ok(()))
        }
        Err(error) => (before, Err(error)),
    };
    app.store
        .move_payment(id, movement.in_flight(), after, app.clock.now())
        .await?;
    result?;
    app.store
        .payment(id)
        .await?
        .ok_or_else(|| Code::PaymentNotFound.into())
}

async fn ask_platform(
    app: &App,
    payment: &Payment,
    bin: Option<String>,
    movement: Movement,
) -> Result<Change, ApiError> {
    let account = app.account(&payment.platform)?;
    let of = PaymentRef {
        reference: &payment.order_reference,
        authorization: payment.authorization.as_deref(),
        platform_id: payment.platform_payment.as_deref(),
        bin: bin.as_deref(),
        last4: payment.last4.as_deref(),
        amount: &payment.amount,
        attempt: &payment.id,
    };
    let result = match movement {
        Movement::Void => account.gateway.void(&app.transport, &of).await,
        Movement::Refund => account.gateway.refund(&app.transport, &of, None).await,
    };
    result.map_err(|refusal| {
        if let Refusal::Invalid(_) = refusal {
            // The payment is in our books without it: the merchant has to go to the platform.
            return ApiError::from(Code::PaymentState).about(&payment.id).detail(
                "the platform needs an authorization and card digits that are not known of this payment",
            );
        }
        ApiError::from(refusal).about(&payment.id)
    })
}

fn state(payment: &Payment) -> ApiError {
    ApiError::from(Code::PaymentState)
        .about(&payment.id)
        .detail(match payment.status {
            Status::InFlight | Status::VoidInFlight | Status::RefundInFlight => {
                "something is under way for this payment"
            }
            Status::Unknown | Status::VoidUnknown | Status::RefundUnknown => {
                "the outcome is unknown; resolve it first, after asking the platform"
            }
            Status::Approved | Status::Declined | Status::Failed | Status::Voided | Status::Refunded => {
                "only an approved payment can be voided or refunded"
            }
        })
}
