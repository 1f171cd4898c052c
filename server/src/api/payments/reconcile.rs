//! `POST /v1/payments/{id}/refresh` and `/resolve`: what became of an unknown payment.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::Value;

use super::answer::resource;
use crate::App;
use crate::access::Merchant;
use crate::body::Fields;
use crate::error::{ApiError, Code};
use crate::payments;
use crate::store::{PaymentId, Status};

/// What the merchant may say that it came to.
const OUTCOMES: &[(&str, Option<Status>)] = &[
    ("approved", Some(Status::Approved)),
    ("authorized", Some(Status::Authorized)),
    ("failed", Some(Status::Failed)),
    ("voided", Some(Status::Voided)),
    ("refunded", Some(Status::Refunded)),
];

/// Looks it up at the platform.
pub(in crate::api) async fn refresh(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    fields: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    fields.finish()?;
    let payment = payments::refresh(&app, id).await?;
    let status = if payment.status.is_unknown() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(resource(&payment))))
}

/// The merchant says what the platform's own records show.
pub(in crate::api) async fn resolve(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    mut fields: Fields,
) -> Result<Json<Value>, ApiError> {
    let to = fields.word("status", OUTCOMES, None)?;
    let to = to.ok_or_else(|| ApiError::field(Code::FieldMissing, "status"))?;
    let authorization = fields.optional("authorization", 64)?;
    fields.finish()?;
    let payment = payments::resolve(&app, &id, to, authorization).await?;
    Ok(Json(resource(&payment)))
}
