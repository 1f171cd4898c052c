//! `/v1/payments`: payments.

mod answer;
mod change;
mod charge;
mod reconcile;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::contract::refusals;
use super::fields::{misplaced, read_status};
use super::{CustomerQuery, Page, PageQuery};
use crate::App;
use crate::access::Merchant;
use crate::error::{ApiError, Code};
use crate::store::{IdempotencyKey, Payment, PaymentFilter, PaymentId, Status};

pub(super) use answer::{Answers, PaymentResource, refusal, replayed, response as stored_response};
pub(super) use charge::charge_stored;

/// Charges, and what became of them.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(charge::create, list))
        .routes(routes!(show))
}

/// What moves the money of a payment again.
pub(super) fn changes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(change::capture))
        .routes(routes!(change::void))
        .routes(routes!(change::refund))
}

/// What settles an unknown outcome.
pub(super) fn lookups() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(reconcile::refresh))
        .routes(routes!(reconcile::resolve))
}

refusals! {
    /// Errors of the list.
    ListRefused = MERCHANT | QUERY | STORE [];
    /// Errors of `GET /v1/payments/{id}`.
    ShowRefused = MERCHANT | STORE [PaymentNotFound];
}

/// The payment in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the contract")]
struct PaymentPath {
    /// The id of the payment.
    #[param(example = "pay_5f0c1d2e")]
    id: String,
}

/// The idempotency key of a request.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "for the contract")]
pub(super) struct KeyHeader {
    /// 1 to 255 visible ASCII characters. A repeated request with the same key and body gets the stored answer and
    /// moves no money.
    #[param(rename = "Idempotency-Key", required = false, value_type = String, min_length = 1, max_length = 255,
        pattern = "^[!-~]+$")]
    key: Option<String>,
}

/// A page of payments.
#[derive(Serialize, ToSchema)]
pub(super) struct PaymentList {
    data: Vec<PaymentResource>,
    /// `after` for the next page; null on the last page.
    #[schema(required)]
    next: Option<String>,
}

impl PaymentList {
    pub(super) fn of(payments: &[Payment], next: Option<String>) -> Self {
        Self {
            data: payments.iter().map(PaymentResource::from).collect(),
            next,
        }
    }
}

/// The header with the caller's idempotency key.
pub(super) const IDEMPOTENCY_KEY: HeaderName = super::name("idempotency-key");
/// The header that marks a stored answer.
pub(super) const REPLAYED: HeaderName = super::name("idempotency-replayed");

/// Query parameter of the list of payments.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the contract")]
struct StatusQuery {
    /// Only payments with this status. Those whose platform is being called right now have none of them yet.
    #[param(inline, value_type = answer::PaymentStatus, required = false)]
    status: Option<String>,
}

/// Lists payments, newest first.
///
/// `status` and `customer` do not go together.
#[utoipa::path(get, operation_id = "listPayments", path = "/v1/payments",
    tag = "payments", security(("api_key" = ["read"])),
    params(PageQuery, StatusQuery, CustomerQuery),
    responses((status = 200, body = PaymentList), ListRefused))]
async fn list(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<PaymentList>, ApiError> {
    let page = Page::read(query.as_deref(), &["status", "customer"])?;
    let filter = match (page.filter("status"), page.filter("customer")) {
        (None, None) => PaymentFilter::All,
        (Some(status), None) => {
            PaymentFilter::Status(read_status(status, Status::ALL, Status::stored, Status::shown)?)
        }
        (None, Some(customer)) => PaymentFilter::Customer(customer.into()),
        (Some(_), Some(_)) => return Err(misplaced("customer", "the query has a `status` already")),
    };
    let after = page.after.as_deref().map(PaymentId::from);
    let payments = app.store.payments(filter, after.as_ref(), page.limit + 1).await?;
    let (payments, next) = page.cut(payments, |payment| payment.id.as_str());
    Ok(Json(PaymentList::of(&payments, next)))
}

/// Shows a payment.
#[utoipa::path(get, operation_id = "showPayment", path = "/v1/payments/{id}",
    tag = "payments", security(("api_key" = ["read"])),
    params(PaymentPath),
    responses((status = 200, body = PaymentResource), ShowRefused))]
async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
) -> Result<Json<PaymentResource>, ApiError> {
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    Ok(Json(PaymentResource::from(&payment)))
}

/// The caller's idempotency key, if there is one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()));
    match (text, values.next()) {
        // The hash reveals nothing that the caller may have put into the key.
        (Some(text), None) => Ok(Some(hex::encode(Sha256::digest(text)).into())),
        _ => Err(Code::IdempotencyKeyInvalid.into()),
    }
}
