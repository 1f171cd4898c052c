//! `POST /v1/sessions`: prepares a platform for a card from the browser.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::{Amount, AmountError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::contract::refusals;
use super::fields::{CaptureTime, capture, kind, misplaced, mode, none_left, platform};
use super::payments::{Answers, PaymentResource};
use super::tokens::TokenResource;
use crate::App;
use crate::access::{Browser, Merchant};
use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::logging::RequestId;
use crate::payload::{Checked, Payload, checked};
use crate::sessions::{self, CustomerIp, PageOptions, PaymentTerms, Status, new_reference};
use crate::store::SessionId;

refusals! {
    /// Of `POST /v1/sessions`.
    CreateRefused = MERCHANT | BODY | STORE | PLATFORM [
        AmountInvalid, CurrencyNotSupported, TooManyAttempts, TokenNotFound, TokenDeleted, TokenUnconfirmed,
        OrderReferenceUsed,
    ];
    /// Of one session.
    ShowRefused = MERCHANT | STORE | PLATFORM | CARD [];
}
checked!(SessionRequest);

/// What a session is to be for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionRequest {
    #[schema(schema_with = kind)]
    kind: Option<Kind>,
    #[schema(schema_with = mode)]
    mode: Option<Mode>,
    #[schema(schema_with = platform)]
    platform: Option<String>,
    /// The merchant's reference of the customer. In a page's session it is the page's own word.
    #[schema(min_length = 1, max_length = 255, nullable = false, example = "customer-17")]
    customer: Option<String>,
    /// The stored card: for an update the one to replace, for a payment the one that it refers to.
    #[schema(min_length = 1, max_length = 64, nullable = false, example = "tok_5f0c1d2e")]
    token: Option<String>,
    /// For a payment: decimal text in major units, in quotes.
    #[schema(min_length = 1, max_length = 32, nullable = false, example = "12.34")]
    amount: Option<String>,
    /// For a payment: the ISO 4217 code in capitals.
    #[schema(min_length = 1, max_length = 8, nullable = false, example = "USD")]
    currency: Option<String>,
    /// For a payment: what the customer reads.
    #[schema(min_length = 1, max_length = 255, nullable = false, example = "Two tickets")]
    description: Option<String>,
    /// For a payment: the merchant's unique reference. Without it, one is made.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[!-~]+$",
        nullable = false,
        example = "order-1001"
    )]
    order_reference: Option<String>,
    #[schema(schema_with = capture)]
    capture: Option<CaptureTime>,
    /// The customer's IPv4 or IPv6 address, for platforms that want it.
    #[schema(min_length = 1, max_length = 45, nullable = false, example = "192.0.2.1")]
    customer_ip: Option<String>,
    /// Where a page of the platform's sends the customer at the end.
    #[schema(
        min_length = 1,
        max_length = 200,
        nullable = false,
        example = "https://shop.example/done"
    )]
    return_url: Option<String>,
    /// The language of a page of the platform's.
    #[schema(
        min_length = 1,
        max_length = 10,
        pattern = "^[A-Za-z_]+$",
        nullable = false,
        example = "de_DE"
    )]
    locale: Option<String>,
    /// The template of a page of the platform's.
    #[schema(min_length = 1, max_length = 64, nullable = false, example = "my-template")]
    variant: Option<String>,
}

/// A session that was opened. Each platform adds what its page needs.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionResource {
    /// The id of the session.
    #[schema(example = "ses_5f0c1d2e")]
    id: String,
    #[schema(schema_with = platform)]
    platform: Platform,
    #[schema(schema_with = kind)]
    kind: Kind,
    #[schema(schema_with = mode)]
    mode: Mode,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    /// Seconds.
    expires_in: u32,
    /// Of a payment, as decimal text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "12.34")]
    amount: Option<String>,
    /// Of a payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "USD")]
    currency: Option<&'static str>,
    /// Of a payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "order-1001")]
    order_reference: Option<String>,
    /// What the page needs for this platform and mode, as the guide of each platform lists it.
    #[serde(flatten)]
    page: Map<String, Value>,
}

/// What came of a session.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionOutcome {
    /// The id of the session.
    id: String,
    #[schema(schema_with = platform)]
    platform: Platform,
    #[schema(schema_with = kind)]
    kind: Kind,
    #[schema(schema_with = mode)]
    mode: Mode,
    status: SessionStatus,
    #[schema(format = DateTime)]
    expires_at: String,
    /// The payment that it led to.
    #[schema(required)]
    payment: Option<PaymentResource>,
    /// The token that it led to.
    #[schema(required)]
    token: Option<TokenResource>,
}

/// How far a session is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SessionStatus {
    Open,
    /// A card is on its way to the platform.
    Busy,
    Used,
    /// The customer left the platform's page.
    Cancelled,
    Expired,
}

/// Opens a session: prepares a platform for a card from the browser.
///
/// A page may open one for a token; one for an update or a payment is the merchant's.
#[utoipa::path(post, path = "/v1/sessions", tag = "sessions", security(("api_key" = []), ()),
    request_body = Option<SessionRequest>,
    responses((status = 201, body = SessionResource), CreateRefused))]
pub(super) async fn create(
    State(app): State<App>,
    browser: Browser,
    payload: Payload<SessionRequest>,
) -> Result<(StatusCode, Json<SessionResource>), ApiError> {
    let request = payload.request;
    let kind = request.kind.unwrap_or(Kind::Tokenize);
    // Charging a card, or putting another in the place of a stored one, is the merchant's decision. A page of the shop
    // may choose a language; where its customer returns to is the merchant's.
    let by_page = browser.merchant.is_err();
    if kind != Kind::Tokenize
        || request.customer_ip.is_some()
        || request.return_url.is_some()
        || request.variant.is_some()
    {
        browser.merchant?;
    }
    match (kind, &request.token) {
        (Kind::Update, None) => return Err(SessionRequest::rules().missing("token")),
        (Kind::Tokenize, Some(_)) => return Err(misplaced("token", "a new card has no token yet")),
        (Kind::Tokenize | Kind::Payment, None) | (Kind::Update | Kind::Payment, Some(_)) => {}
    }
    let payment = if kind == Kind::Payment {
        let missing = |name| SessionRequest::rules().missing(name);
        let amount = request.amount.ok_or_else(|| missing("amount"))?;
        let currency = request.currency.ok_or_else(|| missing("currency"))?;
        Some(PaymentTerms {
            amount: parse_amount(&amount, &currency)?,
            description: request.description.unwrap_or_else(|| "Payment".into()),
            reference: request.order_reference.unwrap_or_else(new_reference),
        })
    } else {
        none_left(
            &[
                ("amount", request.amount.is_some()),
                ("currency", request.currency.is_some()),
                ("description", request.description.is_some()),
                ("order_reference", request.order_reference.is_some()),
                ("capture", request.capture.is_some()),
            ],
            "it is for a session with `kind` `payment`",
        )?;
        None
    };
    let named = |id: String| Platform::from_id(&id).ok_or_else(|| app.unknown_platform());
    let opened = sessions::open(
        &app,
        sessions::Request {
            kind,
            mode: request.mode,
            platform: request.platform.map(named).transpose()?,
            token: request.token.map(Into::into),
            customer: request.customer,
            payment,
            capture: request.capture.unwrap_or_default().into(),
            page: PageOptions {
                return_url: request.return_url,
                locale: request.locale,
                variant: request.variant,
            },
            customer_ip: CustomerIp {
                given: address(request.customer_ip.as_deref())?,
                caller: browser.address,
            },
            by_page,
        },
    )
    .await?;
    let amount = opened.payment.as_ref().map(|payment| &payment.amount);
    let session = SessionResource {
        id: opened.id.to_string(),
        platform: opened.platform,
        kind,
        mode: opened.mode,
        created_at: rfc3339(opened.created_at),
        expires_at: rfc3339(opened.expires_at),
        expires_in: opened.seconds,
        amount: amount.map(Amount::to_decimal_text),
        currency: amount.map(|amount| amount.currency().code()),
        order_reference: opened.payment.map(|payment| payment.reference),
        page: opened.public,
    };
    Ok((StatusCode::CREATED, Json(session)))
}

/// Shows what came of a session.
///
/// Of one whose customer is on a page of the platform's, the platform is asked.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", security(("api_key" = [])),
    params(("id" = String, Path, description = "The id of the session.")),
    responses((status = 200, body = SessionOutcome), ShowRefused))]
pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<SessionId>,
) -> Result<Json<SessionOutcome>, ApiError> {
    let found = sessions::outcome(&app, &id, Answers::created(request_id)).await?;
    let session = found.session;
    Ok(Json(SessionOutcome {
        id: session.id.to_string(),
        platform: session.platform,
        kind: session.kind,
        mode: session.mode,
        status: match found.status {
            Status::Open => SessionStatus::Open,
            Status::Busy => SessionStatus::Busy,
            Status::Used => SessionStatus::Used,
            Status::Cancelled => SessionStatus::Cancelled,
            Status::Expired => SessionStatus::Expired,
        },
        expires_at: rfc3339(session.expires_at),
        payment: found.payment.as_ref().map(PaymentResource::from),
        token: found.token.as_ref().map(TokenResource::from),
    }))
}

/// A customer's address.
pub(super) fn address(text: Option<&str>) -> Result<Option<IpAddr>, ApiError> {
    let read = text.map(str::parse).transpose();
    read.map_err(|_| SessionRequest::rules().invalid("customer_ip", "text that is no address"))
}

pub(super) fn parse_amount(text: &str, currency: &str) -> Result<Amount, ApiError> {
    Amount::parse(text, currency).map_err(|error| match error {
        AmountError::Currency => {
            let lower = currency.bytes().any(|byte| byte.is_ascii_lowercase());
            let came = if lower { "text in small letters" } else { "other text" };
            ApiError::field(Code::CurrencyNotSupported, "currency").detail(&format!(
                "`currency` must be an ISO 4217 code in capitals, for example \"USD\"; got {came}"
            ))
        }
        AmountError::Malformed | AmountError::TooManyDecimals | AmountError::TooLarge | AmountError::Zero => {
            let example = if Amount::parse("12.34", currency).is_ok() {
                "12.34"
            } else {
                "1234"
            };
            ApiError::field(Code::AmountInvalid, "amount").detail(&format!(
                "{error}; `amount` must be decimal text above zero, for example \"{example}\" with this currency"
            ))
        }
    })
}
