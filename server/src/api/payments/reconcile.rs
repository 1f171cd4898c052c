//! `POST /v1/payments/{id}/refresh` and `/resolve`: settle an unknown payment.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::PaymentPath;
use super::answer::{Changed, PaymentResource};
use crate::App;
use crate::access::Merchant;
use crate::api::contract::refusals;
use crate::api::tokens::Nothing;
use crate::error::{ApiError, Code};
use crate::payload::{Payload, checked};
use crate::store::{PaymentId, Status};
use crate::{payments, subscriptions};

refusals! {
    /// Errors of a lookup.
    RefreshRefused = MERCHANT | BODY | STORE | PLATFORM [PaymentNotFound, PaymentState];
    /// Errors of a resolution.
    ResolveRefused = MERCHANT | BODY | STORE [PaymentNotFound, PaymentState];
}
checked!(Resolution);

/// The outcome of an unknown payment, from the platform's own records.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Resolution {
    #[schema(inline, example = "approved")]
    status: ResolvedStatus,
    /// The bank's authorization.
    #[schema(min_length = 1, max_length = 64, nullable = false, example = "063874")]
    authorization: Option<String>,
}

/// The outcome.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum ResolvedStatus {
    Approved,
    Authorized,
    Failed,
    Voided,
    Refunded,
}

impl From<ResolvedStatus> for Status {
    fn from(status: ResolvedStatus) -> Self {
        match status {
            ResolvedStatus::Approved => Self::Approved,
            ResolvedStatus::Authorized => Self::Authorized,
            ResolvedStatus::Failed => Self::Failed,
            ResolvedStatus::Voided => Self::Voided,
            ResolvedStatus::Refunded => Self::Refunded,
        }
    }
}

/// Looks an unknown payment up at the platform.
#[utoipa::path(post, operation_id = "refreshPayment", path = "/v1/payments/{id}/refresh",
    tag = "payments", security(("api_key" = ["charge"])),
    params(PaymentPath), request_body = Option<Nothing>,
    responses(Changed, RefreshRefused))]
pub(in crate::api) async fn refresh(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    _: Payload<Nothing>,
) -> Result<(StatusCode, Json<PaymentResource>), ApiError> {
    let known = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    let payment = match known.subscription_id {
        Some(subscription) => {
            subscriptions::refresh(&app, subscription).await?;
            app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?
        }
        None => payments::refresh(&app, id).await?,
    };
    let status = if payment.status.is_unknown() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(PaymentResource::from(&payment))))
}

/// Resolves an unknown payment by the merchant's word.
///
/// Ask the platform first. Nothing is sent to the platform again after this.
#[utoipa::path(post, operation_id = "resolvePayment", path = "/v1/payments/{id}/resolve",
    tag = "payments", security(("api_key" = ["admin"])),
    params(PaymentPath), request_body = Resolution,
    responses((status = 200, body = PaymentResource), ResolveRefused))]
pub(in crate::api) async fn resolve(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
    payload: Payload<Resolution>,
) -> Result<Json<PaymentResource>, ApiError> {
    let Resolution {
        status,
        authorization,
    } = payload.request;
    let payment = payments::resolve(&app, &id, status.into(), authorization).await?;
    Ok(Json(PaymentResource::from(&payment)))
}
