//! `/v1/payments`: money.

mod answer;
mod change;
mod charge;
mod reconcile;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Page, listed};
use crate::App;
use crate::access::Merchant;
use crate::body::Fields;
use crate::error::{ApiError, Code};
use crate::store::{IdempotencyKey, PaymentId};

pub(super) use answer::resource;
pub(super) use change::{capture, refund, void};
pub(super) use charge::{CAPTURES, charge_stored, create, refresh_page};
pub(super) use reconcile::{refresh, resolve};

/// The caller's key of a payment.
pub(super) const IDEMPOTENCY_KEY: HeaderName = super::name("idempotency-key");
/// On an answer that was stored.
pub(super) const REPLAYED: HeaderName = super::name("idempotency-replayed");

pub(super) async fn list(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let page = Page::read(query.as_deref())?;
    if page.customer.is_some() {
        return Err(ApiError::field(Code::UnknownField, "customer"));
    }
    let payments = {
        let after = page.after.map(PaymentId::from);
        app.store.payments(after.as_ref(), page.limit + 1).await?
    };
    Ok(listed(payments.iter().map(resource).collect(), page.limit))
}

pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<PaymentId>,
) -> Result<Json<Value>, ApiError> {
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    Ok(Json(resource(&payment)))
}

/// The caller's key, if there is one.
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
        // The stored key reveals nothing that the caller put there.
        (Some(text), None) => Ok(Some(hex::encode(Sha256::digest(text)).into())),
        _ => Err(Code::IdempotencyKeyInvalid.into()),
    }
}

/// The merchant's reference; without one, one that nobody can guess.
pub(super) fn order_reference(fields: &mut Fields) -> Result<String, ApiError> {
    match fields.optional("order_reference", 64)? {
        None => Ok(uuid::Uuid::new_v4().to_string()),
        Some(text) if text.bytes().all(|byte| byte.is_ascii_graphic()) => Ok(text),
        Some(_) => Err(ApiError::field(Code::FieldInvalid, "order_reference")),
    }
}

/// What the customer reads.
pub(super) fn text_or_default(fields: &mut Fields) -> Result<String, ApiError> {
    Ok(fields
        .optional("description", 255)?
        .unwrap_or_else(|| "Payment".into()))
}

/// First digits of a card: enough for a void, not for anything else.
fn bin(fields: &mut Fields) -> Result<Option<String>, ApiError> {
    match fields.optional("bin", 8)? {
        Some(text) if text.len() < 6 || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(ApiError::field(Code::FieldInvalid, "bin"))
        }
        bin => Ok(bin),
    }
}
