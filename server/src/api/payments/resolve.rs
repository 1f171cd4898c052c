//! `POST /v1/payments/{id}/resolve`: the merchant asked the platform and says what became of an unknown payment.

use axum::Json;
use axum::extract::{Path, State};
use cardseal_gateways::gateway::Approval;
use serde_json::Value;

use super::refresh::Turn;
use super::resource;
use crate::App;
use crate::access::Merchant;
use crate::body::Fields;
use crate::error::{ApiError, Code};
use crate::store::{ChangeResult, Settlement, Status};

/// What it can have come to.
const WORDS: &[(&str, Option<Status>)] = &[
    ("approved", Some(Status::Approved)),
    ("authorized", Some(Status::Authorized)),
    ("failed", Some(Status::Failed)),
    ("voided", Some(Status::Voided)),
    ("refunded", Some(Status::Refunded)),
];

pub(in crate::api) async fn resolve(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
    mut fields: Fields,
) -> Result<Json<Value>, ApiError> {
    let word = fields.word("status", WORDS, None)?;
    let to = word.ok_or_else(|| ApiError::field(Code::FieldMissing, "status"))?;
    let authorization = fields.optional("authorization", 64)?;
    fields.finish()?;
    app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    // Whoever is asking the platform just now may send a charge again; that must not come after this word.
    let turn = Turn::wait(&app.asking, &id, app.config.limits.idempotency_wait).await;
    let _turn = turn.ok_or_else(|| {
        ApiError::from(Code::PaymentState)
            .about(&id)
            .detail("the platform is being asked about the payment just now; try again")
            .retry_after(5)
    })?;
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    let now = app.clock.now();
    match (payment.status, to) {
        (Status::Unknown, Status::Approved) => {
            let approval = Approval {
                authorization,
                ..Approval::default()
            };
            app.store
                .resolve_payment(&id, &Settlement::Approved(&approval), now)
                .await?;
        }
        (Status::Unknown, Status::Failed) => {
            app.store.resolve_payment(&id, &Settlement::Failed, now).await?;
        }
        (Status::Unknown, Status::Authorized) => {
            let approval = Approval {
                authorization,
                ..Approval::default()
            };
            app.store
                .resolve_payment(&id, &Settlement::Authorized(&approval), now)
                .await?;
        }
        (Status::VoidUnknown, Status::Voided)
        | (Status::RefundUnknown, Status::Refunded)
        | (Status::CaptureUnknown, Status::Approved) => {
            settle(&app, &id, ChangeResult::Done).await?;
        }
        // It was not done: the payment is as it was.
        (Status::VoidUnknown | Status::RefundUnknown, Status::Approved | Status::Authorized)
        | (Status::CaptureUnknown, Status::Authorized) => {
            settle(&app, &id, ChangeResult::Failed).await?;
        }
        _ => return Err(ApiError::from(Code::PaymentState).about(&id)),
    }
    app.asking.settled(&id);
    tracing::warn!(
        payment = id,
        from = payment.status.stored(),
        to = to.stored(),
        "resolved by the merchant"
    );
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    Ok(Json(resource(&payment)))
}

async fn settle(app: &App, payment: &str, result: ChangeResult) -> Result<(), ApiError> {
    let change = app.store.unknown_change(payment).await?;
    let change = change.ok_or_else(|| ApiError::from(Code::PaymentState).about(payment))?;
    app.store
        .finish_change(&change.id, result, |_| None, app.clock.now())
        .await?;
    Ok(())
}
