//! `/v1/payments`: money.

mod change;
mod charge;
mod refresh;
mod resolve;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, HeaderName};
use cardseal_gateways::amount::decimal_text;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Page, listed};
use crate::App;
use crate::access::Merchant;
use crate::body::Fields;
use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::store::Payment;

pub(super) use change::{capture, refund, void};
pub(super) use charge::{CAPTURES, Charge, charge_stored, create, look};
pub(crate) use refresh::{Asking, watch};
pub(super) use refresh::{find_out, refresh};
pub(super) use resolve::resolve;

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
    let payments = app.store.payments(page.after.as_deref(), page.limit + 1).await?;
    Ok(listed(payments.iter().map(resource).collect(), page.limit))
}

pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    Ok(Json(resource(&payment)))
}

pub(super) fn resource(payment: &Payment) -> Value {
    let decline = payment
        .decline
        .as_ref()
        .map(|decline| json!({ "code": decline.code, "reason": decline.reason, "message": decline.message }));
    let mut resource = json!({
        "id": payment.id,
        "platform": payment.platform,
        "status": payment.status.shown(),
        "amount": payment.amount.to_decimal_text(),
        "currency": payment.amount.currency().code(),
        "captured": decimal_text(payment.captured, payment.amount.currency()),
        "refunded": decimal_text(payment.refunded, payment.amount.currency()),
        "token": payment.token_id,
        "order_reference": payment.order_reference,
        "authorization": payment.authorization,
        "last4": payment.last4,
        "brand": payment.brand,
        "decline": decline,
        "created_at": rfc3339(payment.created_at),
        "updated_at": rfc3339(payment.updated_at),
    });
    if let (true, Some(url)) = (payment.status.is_unknown(), &payment.redirect) {
        resource["redirect"] = json!({ "url": url });
    }
    resource
}

/// The caller's key, if there is one.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value
        .to_str()
        .ok()
        .filter(|text| (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()));
    match (text, values.next()) {
        // Whatever the caller put there, the key that is kept says nothing of it.
        (Some(text), None) => Ok(Some(hex::encode(Sha256::digest(text)))),
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
