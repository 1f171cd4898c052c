//! `/v1/sessions`: prepares a platform for a card from the browser.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::{Amount, Currency};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::contract::refusals;
use super::fields::{
    AmountText, CaptureTime, CurrencyCode, CustomerReference, Description, IpAddress, OrderReference,
    TokenReference, capture, kind, misplaced, mode, none_left, platform,
};
use super::payments::{Answers, PaymentResource};
use super::tokens::TokenResource;
use crate::App;
use crate::access::{Browser, Merchant};
use crate::clock::rfc3339;
use crate::error::ApiError;
use crate::logging::RequestId;
use crate::payload::{Checked, Payload, checked};
use crate::sessions::{self, CustomerIp, PageOptions, PaymentTerms, Status, new_reference};
use crate::store::{SessionId, TokenId};

refusals! {
    /// Errors of `POST /v1/sessions`.
    CreateRefused = MERCHANT | BODY | STORE | PLATFORM [
        AmountInvalid, CurrencyNotSupported, TooManyAttempts, TokenNotFound, TokenDeleted, TokenUnconfirmed,
        OrderReferenceUsed, OutboxFull,
    ];
    /// Errors of `POST /v1/sessions/{id}/page`.
    PageRefused = MERCHANT | STORE [
        SessionNotFound, SessionExpired, SessionUsed, TokenNotFound, TokenDeleted, TokenUnconfirmed,
    ];
    /// Errors of `GET /v1/sessions/{id}`.
    ShowRefused = MERCHANT | STORE | PLATFORM | CARD [OutboxFull];
}
checked!(SessionRequest);

/// A request for a session.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionRequest {
    #[schema(schema_with = kind)]
    kind: Option<Kind>,
    #[schema(schema_with = mode)]
    mode: Option<Mode>,
    #[schema(schema_with = platform)]
    platform: Option<String>,
    /// The merchant's reference of the customer. If a page opens the session, it is not verified.
    #[schema(nullable = false)]
    customer: Option<CustomerReference>,
    /// The stored card: for an update, the one to replace; for a payment, the one that it refers to.
    #[schema(nullable = false)]
    token: Option<TokenReference>,
    /// For a payment.
    #[schema(nullable = false)]
    amount: Option<AmountText>,
    /// For a payment.
    #[schema(nullable = false)]
    currency: Option<CurrencyCode>,
    /// For a payment.
    #[schema(nullable = false)]
    description: Option<Description>,
    /// For a payment. Without it, the server generates one.
    #[schema(nullable = false)]
    order_reference: Option<OrderReference>,
    #[schema(schema_with = capture)]
    capture: Option<CaptureTime>,
    /// The customer's address, for platforms that need it.
    #[schema(nullable = false)]
    customer_ip: Option<IpAddress>,
    /// Where the platform's own page sends the customer at the end.
    #[schema(
        min_length = 1,
        max_length = 200,
        nullable = false,
        example = "https://shop.example/done"
    )]
    return_url: Option<String>,
    /// The language of the platform's own page.
    #[schema(
        min_length = 1,
        max_length = 10,
        pattern = "^[A-Za-z_]+$",
        nullable = false,
        example = "de_DE"
    )]
    locale: Option<String>,
    /// The template of the platform's own page.
    #[schema(min_length = 1, max_length = 64, nullable = false, example = "my-template")]
    variant: Option<String>,
}

/// An open session, with what the page needs for its platform.
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
    /// Seconds until the session expires.
    expires_in: u32,
    /// For a payment, as decimal text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "12.34")]
    amount: Option<String>,
    /// For a payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "USD")]
    currency: Option<&'static str>,
    /// For a payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "order-1001")]
    order_reference: Option<String>,
    /// What the page needs for this platform and mode. Each platform's guide lists it.
    #[serde(flatten)]
    page: Map<String, Value>,
}

/// The outcome of a session.
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
    /// The resulting payment.
    #[schema(required)]
    payment: Option<PaymentResource>,
    /// The resulting token.
    #[schema(required)]
    token: Option<TokenResource>,
}

/// The status of a session.
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
/// A page may open a session for a new card. Sessions for updates and payments need the API key.
#[utoipa::path(post, operation_id = "createSession", path = "/v1/sessions",
    tag = "sessions", security(("api_key" = ["sessions"]), ()),
    request_body = Option<SessionRequest>,
    responses((status = 201, body = SessionResource), CreateRefused))]
pub(super) async fn create(
    State(app): State<App>,
    browser: Browser,
    payload: Payload<SessionRequest>,
) -> Result<(StatusCode, Json<SessionResource>), ApiError> {
    let request = payload.request;
    let kind = request.kind.unwrap_or(Kind::Tokenize);
    // Charging a card and replacing a stored one are the merchant's decisions. A page may choose its language, but
    // not where the customer returns to.
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
            amount: amount.parse(&currency)?,
            description: request.description.map_or_else(|| "Payment".into(), String::from),
            reference: request.order_reference.map_or_else(new_reference, String::from),
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
    let given = request.customer_ip.map(|ip| ip.parse(SessionRequest::rules()));
    let opened = sessions::open(
        &app,
        sessions::Request {
            kind,
            mode: request.mode,
            platform: request.platform.map(named).transpose()?,
            token: request.token.map(TokenId::from),
            customer: request.customer.map(String::from),
            payment,
            capture: request.capture.unwrap_or_default().into(),
            page: PageOptions {
                return_url: request.return_url,
                locale: request.locale,
                variant: request.variant,
            },
            customer_ip: CustomerIp {
                given: given.transpose()?,
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

/// Returns an open session once more, to its page.
///
/// For a page that has only the id, such as isolated fields in a frame: what `POST /v1/sessions` answered, while the
/// session is open. The id is the permission, so it needs no API key. A `POST`, because browsers then always send
/// `Origin`.
#[utoipa::path(post, operation_id = "showSessionPage", path = "/v1/sessions/{id}/page",
    tag = "sessions", security(("api_key" = ["sessions"]), ()),
    params(("id" = String, Path, description = "The id of the session.")),
    responses((status = 200, body = SessionResource), PageRefused))]
pub(super) async fn page(
    State(app): State<App>,
    _: Browser,
    Path(id): Path<SessionId>,
) -> Result<Json<SessionResource>, ApiError> {
    let shown = sessions::page(&app, &id).await?;
    let session = shown.session;
    let amount = session.amount.and_then(|(minor, currency)| {
        let currency = Currency::from_code(&currency)?;
        Amount::from_minor(u64::try_from(minor).ok()?, currency).ok()
    });
    Ok(Json(SessionResource {
        id: session.id.to_string(),
        platform: session.platform,
        kind: session.kind,
        mode: session.mode,
        created_at: rfc3339(session.created_at),
        expires_at: rfc3339(session.expires_at),
        expires_in: shown.seconds,
        amount: amount.as_ref().map(Amount::to_decimal_text),
        currency: amount.as_ref().map(|amount| amount.currency().code()),
        order_reference: amount.is_some().then_some(session.reference),
        page: shown.public,
    }))
}

/// Shows the outcome of a session.
///
/// If the customer is on the platform's own page, the platform is asked.
#[utoipa::path(get, operation_id = "showSession", path = "/v1/sessions/{id}",
    tag = "sessions", security(("api_key" = ["sessions"])),
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
