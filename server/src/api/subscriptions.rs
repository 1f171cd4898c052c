//! `/v1/subscriptions`: stored cards that a platform charges every so many months by itself.

use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use cardseal::platform::Platform;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::contract::refusals;
use super::fields::{
    AmountText, CurrencyCode, CustomerReference, Description, OrderReference, TokenReference, misplaced,
    platform, read_status,
};
use super::payments::{
    Answers, KeyHeader, PaymentList, PaymentResource, idempotency_key, refusal, replayed, stored_response,
};
use super::tokens::Nothing;
use super::{CustomerQuery, Page, PageQuery};
use crate::App;
use crate::access::Merchant;
use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::logging::RequestId;
use crate::payload::{Checked, Payload, checked};
use crate::sessions::{accepted, new_reference};
use crate::store::{
    Key, PaymentFilter, PaymentId, Scope, Subscription, SubscriptionFilter, SubscriptionId,
    SubscriptionStatus, TokenId,
};
use crate::subscriptions::{self, Created};
use crate::tokens;

/// Subscriptions.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(show, change))
        .routes(routes!(cancel))
        .routes(routes!(refresh))
        .routes(routes!(pay, payments))
}

refusals! {
    /// Errors of `POST /v1/subscriptions`.
    CreateRefused = MERCHANT | BODY | STORE | PLATFORM [
        IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress, AmountInvalid, CurrencyNotSupported,
        TokenNotFound, TokenDeleted, TokenUnconfirmed, OutboxFull,
    ];
    /// Errors of the list.
    ListRefused = MERCHANT | QUERY | STORE [];
    /// Errors of `GET /v1/subscriptions/{id}`.
    ShowRefused = MERCHANT | STORE [SubscriptionNotFound];
    /// Errors of changes.
    ChangeRefused = MERCHANT | BODY | STORE | PLATFORM [
        SubscriptionNotFound, SubscriptionState, AmountInvalid, TokenNotFound, TokenDeleted, TokenUnconfirmed,
    ];
    /// Errors of the end and of a lookup.
    CallRefused = MERCHANT | BODY | STORE | PLATFORM [SubscriptionNotFound, SubscriptionState];
    /// Errors of a payment now.
    PayRefused = MERCHANT | BODY | STORE | PLATFORM [
        SubscriptionNotFound, SubscriptionState, SubscriptionPaymentOpen, TokenDeleted, TokenUnconfirmed,
        OrderReferenceUsed, OutboxFull, IdempotencyKeyInvalid, IdempotencyKeyReused, IdempotencyInProgress,
    ];
    /// Errors of the list of payments.
    PaymentsRefused = MERCHANT | QUERY | STORE [SubscriptionNotFound];
}
checked!(SubscriptionRequest, SubscriptionChange, Cancellation, PaymentNow);

/// What to charge, and how often.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubscriptionRequest {
    /// The stored card to charge.
    token: TokenReference,
    /// What each payment takes.
    amount: AmountText,
    currency: CurrencyCode,
    /// Months between two payments.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 120, default = 1, required = false)]
    months: u8,
    #[schema(nullable = false)]
    description: Option<Description>,
    /// Without it, the card's customer.
    #[schema(nullable = false)]
    customer: Option<CustomerReference>,
    /// When the first payment is due, in the RFC 3339 form. Without it, the platform decides.
    #[schema(nullable = false, max_length = 64, format = DateTime, example = "2027-01-01T12:00:00Z")]
    starts_at: Option<String>,
    /// After this time nothing is charged. Without it, the subscription goes on until it is cancelled.
    #[schema(nullable = false, max_length = 64, format = DateTime, example = "2028-01-01T12:00:00Z")]
    ends_at: Option<String>,
}

const fn one() -> u8 {
    1
}

/// What a subscription is to be: `amount` with `currency`, or `token`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SubscriptionChange {
    /// What each payment takes from now on.
    #[schema(nullable = false)]
    amount: Option<AmountText>,
    /// The subscription's currency.
    #[schema(nullable = false)]
    currency: Option<CurrencyCode>,
    /// The stored card to charge from now on.
    #[schema(nullable = false)]
    token: Option<TokenReference>,
}

/// The end of a subscription.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Cancellation {
    /// Why, for the platform's records.
    #[schema(nullable = false)]
    reason: Option<Description>,
}

/// A payment now.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PaymentNow {
    /// Without it, the server generates one. The platform numbers the payment itself.
    #[schema(nullable = false)]
    order_reference: Option<OrderReference>,
}

/// A subscription. Amounts are decimal text in major units.
#[derive(Serialize, ToSchema)]
#[schema(as = Subscription)]
struct SubscriptionResource {
    /// The id of the subscription.
    #[schema(example = "sub_5f0c1d2e")]
    id: String,
    #[schema(schema_with = platform)]
    platform: Platform,
    #[schema(value_type = SubscriptionState)]
    status: &'static str,
    /// What each payment takes.
    #[schema(example = "12.34")]
    amount: String,
    #[schema(example = "USD")]
    currency: &'static str,
    /// Months between two payments.
    #[schema(minimum = 1, maximum = 120)]
    months: u8,
    description: String,
    /// The stored card that is charged.
    #[schema(example = "tok_5f0c1d2e")]
    token: String,
    /// The merchant's reference of the customer.
    #[schema(required)]
    customer: Option<String>,
    #[schema(required, format = DateTime)]
    starts_at: Option<String>,
    #[schema(required, format = DateTime)]
    ends_at: Option<String>,
    /// The day of the next payment, as the platform says.
    #[schema(required, example = "2026-12-31")]
    next_payment: Option<String>,
    /// The platform's own id.
    #[schema(required)]
    platform_id: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

/// The status of a subscription. `unknown` means that it is not known whether the platform has it. It is never asked for
/// again; the platform's list tells.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the words of `SubscriptionStatus`, for the contract")]
enum SubscriptionState {
    Unknown,
    Failed,
    Pending,
    Active,
    NotPaid,
    OnHold,
    Cancelled,
}

/// A page of subscriptions.
#[derive(Serialize, ToSchema)]
struct SubscriptionList {
    data: Vec<SubscriptionResource>,
    /// `after` for the next page; null on the last page.
    #[schema(required)]
    next: Option<String>,
}

/// The subscription in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the contract")]
struct SubscriptionPath {
    /// The id of the subscription.
    #[param(example = "sub_5f0c1d2e")]
    id: String,
}

/// Query parameter of the list of subscriptions.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the contract")]
struct StatusQuery {
    /// Only subscriptions with this status.
    #[param(inline, value_type = SubscriptionState, required = false)]
    status: Option<String>,
}

impl From<&Subscription> for SubscriptionResource {
    fn from(subscription: &Subscription) -> Self {
        Self {
            id: subscription.id.to_string(),
            platform: subscription.platform,
            status: subscription.status.shown(),
            amount: subscription.amount.to_decimal_text(),
            currency: subscription.amount.currency().code(),
            months: subscription.months,
            description: subscription.description.clone(),
            token: subscription.token_id.to_string(),
            customer: subscription.customer.clone(),
            starts_at: subscription.starts_at.map(rfc3339),
            ends_at: subscription.ends_at.map(rfc3339),
            next_payment: subscription.next_payment.clone(),
            platform_id: subscription.platform_subscription.clone(),
            created_at: rfc3339(subscription.created_at),
            updated_at: rfc3339(subscription.updated_at),
        }
    }
}

/// Makes a subscription of a stored card, which the platform charges by itself from then on.
///
/// Send an `Idempotency-Key`, so that a repeated request does not make a second one.
#[utoipa::path(post, operation_id = "createSubscription", path = "/v1/subscriptions",
    tag = "subscriptions", security(("api_key" = ["charge"])),
    params(KeyHeader),
    request_body = SubscriptionRequest,
    responses(
        (status = 201, body = SubscriptionResource, description = "The subscription."),
        (status = 202, body = SubscriptionResource,
            description = "Whether there is one is not known yet. Do not make another one."),
        CreateRefused,
    ),
)]
async fn create(
    State(app): State<App>,
    _: Merchant,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    payload: Payload<SubscriptionRequest>,
) -> Result<Response, ApiError> {
    let key = idempotency_key(&headers)?.map(|key| (key, payload.fingerprint));
    let request = payload.request;
    let starts_at = instant("starts_at", request.starts_at.as_deref())?;
    let ends_at = instant("ends_at", request.ends_at.as_deref())?;
    if ends_at.is_some_and(|end| end <= starts_at.unwrap_or_else(|| app.clock.now())) {
        return Err(ApiError::field(Code::FieldInvalid, "ends_at")
            .detail("`ends_at` must be later than `starts_at`, and later than now"));
    }
    let token = tokens::get(&app, &TokenId::from(request.token)).await?;
    let amount = request.amount.parse(&request.currency)?;
    accepted(app.account(token.platform)?, &amount)?;
    let request = subscriptions::Request {
        customer: request
            .customer
            .map(String::from)
            .or_else(|| token.customer.clone()),
        token,
        amount,
        description: request
            .description
            .map_or_else(|| "Subscription".into(), String::from),
        months: request.months,
        starts_at,
        ends_at,
        key,
        refusal: Box::new(move |error| refusal(error, &request_id)),
    };
    Ok(match subscriptions::create(&app, request).await? {
        Created::Refused(answer) => replayed(stored_response(answer)),
        Created::Subscription(made, repeated) => {
            let status = if made.status.is_unknown() {
                StatusCode::ACCEPTED
            } else {
                StatusCode::CREATED
            };
            let response = (status, Json(SubscriptionResource::from(&*made))).into_response();
            if repeated { replayed(response) } else { response }
        }
    })
}

/// Milliseconds since 1970.
fn instant(name: &'static str, text: Option<&str>) -> Result<Option<i64>, ApiError> {
    let read = |text| {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
    };
    let invalid = || {
        ApiError::field(Code::FieldInvalid, name).detail(&format!(
            "`{name}` must be a time in the RFC 3339 form, for example \"2027-01-01T12:00:00Z\"; got other text"
        ))
    };
    text.map(|text| read(text).filter(|time| *time >= 0).ok_or_else(invalid))
        .transpose()
}

/// Lists subscriptions, newest first.
///
/// `status` and `customer` do not go together.
#[utoipa::path(get, operation_id = "listSubscriptions", path = "/v1/subscriptions",
    tag = "subscriptions", security(("api_key" = ["read"])),
    params(PageQuery, StatusQuery, CustomerQuery),
    responses((status = 200, body = SubscriptionList), ListRefused))]
async fn list(
    State(app): State<App>,
    _: Merchant,
    RawQuery(query): RawQuery,
) -> Result<Json<SubscriptionList>, ApiError> {
    let page = Page::read(query.as_deref(), &["status", "customer"])?;
    let filter = match (page.filter("status"), page.filter("customer")) {
        (None, None) => SubscriptionFilter::All,
        (Some(status), None) => SubscriptionFilter::Status(read_status(
            status,
            SubscriptionStatus::ALL,
            SubscriptionStatus::stored,
            SubscriptionStatus::shown,
        )?),
        (None, Some(customer)) => SubscriptionFilter::Customer(customer.into()),
        (Some(_), Some(_)) => return Err(misplaced("customer", "the query has a `status` already")),
    };
    let after = page.after.as_deref().map(SubscriptionId::from);
    let found = app
        .store
        .subscriptions(filter, after.as_ref(), page.limit + 1)
        .await?;
    let (found, next) = page.cut(found, |subscription| subscription.id.as_str());
    let data = found.iter().map(SubscriptionResource::from).collect();
    Ok(Json(SubscriptionList { data, next }))
}

/// Shows a subscription.
#[utoipa::path(get, operation_id = "showSubscription", path = "/v1/subscriptions/{id}",
    tag = "subscriptions", security(("api_key" = ["read"])),
    params(SubscriptionPath),
    responses((status = 200, body = SubscriptionResource), ShowRefused))]
async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<SubscriptionId>,
) -> Result<Json<SubscriptionResource>, ApiError> {
    let subscription = subscriptions::get(&app, &id).await?;
    Ok(Json(SubscriptionResource::from(&subscription)))
}

/// Has a subscription take another amount, or charge another card, at the platform first.
///
/// If the answer is lost, send the same request again: it says what is to be, and changes nothing twice.
#[utoipa::path(patch, operation_id = "changeSubscription", path = "/v1/subscriptions/{id}",
    tag = "subscriptions", security(("api_key" = ["charge"])),
    params(SubscriptionPath),
    request_body = SubscriptionChange,
    responses((status = 200, body = SubscriptionResource), ChangeRefused))]
async fn change(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<SubscriptionId>,
    payload: Payload<SubscriptionChange>,
) -> Result<Json<SubscriptionResource>, ApiError> {
    let SubscriptionChange {
        amount,
        currency,
        token,
    } = payload.request;
    let before = subscriptions::get(&app, &id).await?;
    let own = before.amount.currency().code();
    if currency.as_deref().is_some_and(|currency| currency != own) {
        return Err(ApiError::field(Code::FieldInvalid, "currency").detail(&format!(
            "`currency` must be the subscription's own, \"{own}\", or left out; got other text"
        )));
    }
    let amount = amount.map(|text| text.parse(own)).transpose()?;
    let token = match token {
        Some(_) if amount.is_some() => {
            return Err(misplaced(
                "token",
                "the request has an `amount` already; send one change at a time",
            ));
        }
        Some(token) => {
            let token = tokens::active(&app, &TokenId::from(token)).await?;
            if token.platform != before.platform {
                return Err(ApiError::field(Code::FieldInvalid, "token")
                    .detail("`token` must be a card that is stored at the subscription's platform"));
            }
            Some(token)
        }
        None if amount.is_none() => return Err(SubscriptionChange::rules().missing("amount")),
        None => None,
    };
    let changed = subscriptions::change(&app, id, amount, token).await?;
    Ok(Json(SubscriptionResource::from(&changed)))
}

/// Ends a subscription, at the platform first. One that is over stays as it is.
#[utoipa::path(post, operation_id = "cancelSubscription", path = "/v1/subscriptions/{id}/cancel",
    tag = "subscriptions", security(("api_key" = ["charge"])),
    params(SubscriptionPath), request_body = Option<Cancellation>,
    responses((status = 200, body = SubscriptionResource), CallRefused))]
async fn cancel(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<SubscriptionId>,
    payload: Payload<Cancellation>,
) -> Result<Json<SubscriptionResource>, ApiError> {
    let reason = payload.request.reason;
    let reason = reason.map_or_else(|| "cancelled by the merchant".into(), String::from);
    let cancelled = subscriptions::cancel(&app, id, reason).await?;
    Ok(Json(SubscriptionResource::from(&cancelled)))
}

/// Asks the platform about a subscription and its payments, and stores what it says.
#[utoipa::path(post, operation_id = "refreshSubscription", path = "/v1/subscriptions/{id}/refresh",
    tag = "subscriptions", security(("api_key" = ["charge"])),
    params(SubscriptionPath), request_body = Option<Nothing>,
    responses((status = 200, body = SubscriptionResource), CallRefused))]
async fn refresh(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<SubscriptionId>,
    _: Payload<Nothing>,
) -> Result<Json<SubscriptionResource>, ApiError> {
    let known = subscriptions::refresh(&app, id).await?;
    Ok(Json(SubscriptionResource::from(&known)))
}

/// Charges a subscription now, whenever its next payment is due.
///
/// Send an `Idempotency-Key`, so that a repeated request does not charge again. While the outcome of one payment is not
/// known, no other is made.
#[utoipa::path(post, operation_id = "paySubscription", path = "/v1/subscriptions/{id}/payments",
    tag = "subscriptions", security(("api_key" = ["charge"])),
    params(SubscriptionPath, KeyHeader), request_body = Option<PaymentNow>,
    responses(
        (status = 201, body = PaymentResource, description = "The payment, even if it was declined."),
        (status = 202, body = PaymentResource, description = "The outcome is not known yet. Do not charge again."),
        PayRefused,
    ),
)]
async fn pay(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<SubscriptionId>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    payload: Payload<PaymentNow>,
) -> Result<Response, ApiError> {
    let answers = Answers::created(request_id);
    let key = idempotency_key(&headers)?.map(|key| Key {
        scope: Scope::Subscription(id.clone()),
        key,
        fingerprint: payload.fingerprint,
    });
    let request = subscriptions::Payment {
        subscription: id,
        order_reference: payload
            .request
            .order_reference
            .map_or_else(new_reference, String::from),
        key,
        render: answers.clone(),
    };
    Ok(answers.response(subscriptions::pay(&app, request).await?))
}

/// Lists the payments of a subscription, newest first: those that were asked for, and those that the platform made.
#[utoipa::path(get, operation_id = "listSubscriptionPayments", path = "/v1/subscriptions/{id}/payments",
    tag = "subscriptions", security(("api_key" = ["read"])),
    params(SubscriptionPath, PageQuery),
    responses((status = 200, body = PaymentList), PaymentsRefused))]
async fn payments(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<SubscriptionId>,
    RawQuery(query): RawQuery,
) -> Result<Json<PaymentList>, ApiError> {
    let page = Page::read(query.as_deref(), &[])?;
    subscriptions::get(&app, &id).await?;
    let after = page.after.as_deref().map(PaymentId::from);
    let filter = PaymentFilter::Subscription(id);
    let payments = app.store.payments(filter, after.as_ref(), page.limit + 1).await?;
    let (payments, next) = page.cut(payments, |payment| payment.id.as_str());
    Ok(Json(PaymentList::of(&payments, next)))
}
