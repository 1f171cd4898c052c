//! `POST /v1/sessions`: prepares a platform for a card from the browser.

use cardseal::platform::Platform;
use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use cardseal::session::{Kind, Mode};
use cardseal_gateways::gateway::{Capture, Page, SessionParams};
use cardseal_gateways::{Amount, AmountError};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::contract::refusals;
use super::fields::{CaptureTime, capture, kind, misplaced, mode, none_left, platform};
use super::payments::{self, PaymentResource};
use super::tokens::{self, TokenResource};
use crate::access::{Browser, Merchant};
use crate::clock::rfc3339;
use crate::config::Account;
use crate::error::{ApiError, Code};
use crate::gate::Purpose;
use crate::logging::RequestId;
use crate::payload::{Checked, Payload, checked};
use crate::store::{NewSession, SessionId, SessionResult, SessionState, Token, TokenId, TokenStatus};
use crate::{App, UnknownPlatform};

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
    let mut request = payload.request;
    let kind = request.kind.unwrap_or(Kind::Tokenize);
    let merchant = browser.merchant;
    // Charging a card, or putting another in the place of a stored one, is the merchant's decision.
    if kind != Kind::Tokenize {
        merchant.clone()?;
    }
    let token = match (kind, request.token.take()) {
        (Kind::Update, None) => return Err(SessionRequest::rules().missing("token")),
        (Kind::Update | Kind::Payment, Some(id)) => Some(updatable(&app, &id.into()).await?),
        (Kind::Tokenize, Some(_)) => return Err(misplaced("token", "a new card has no token yet")),
        (Kind::Tokenize | Kind::Payment, None) => None,
    };
    let customer = request.customer.take();
    let platform = match &token {
        Some(token) => token.platform,
        None => chosen(&app, request.platform.as_deref())?,
    };
    let account = app.account(platform)?;
    if kind == Kind::Payment && token.is_some() && !account.gateway.capabilities().session_stored_card {
        return Err(ApiError::field(Code::NotOffered, "token"));
    }
    if kind != Kind::Payment {
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
    }
    let capture = Capture::from(request.capture.unwrap_or_default());
    if capture == Capture::Later && !account.gateway.capabilities().session_capture_later {
        return Err(ApiError::field(Code::NotOffered, "capture"));
    }
    let mode = request
        .mode
        .unwrap_or_else(|| account.gateway.capabilities().default_mode);
    // Without notifications, a token that a browser hands over could never become more than its word.
    let confirmable =
        account.webhook_path_secret.is_some() || !account.gateway.capabilities().direct_needs_notifications;
    if mode == Mode::Direct && kind != Kind::Payment && !confirmable {
        return Err(
            ApiError::field(Code::NotOffered, "mode").detail("the direct way needs webhook_path_secret")
        );
    }
    let customer_ip = customer_ip(
        account,
        request.customer_ip.as_deref(),
        &merchant,
        browser.address,
    )?;
    let (amount, description, reference) = match kind {
        Kind::Payment => {
            let missing = |name| SessionRequest::rules().missing(name);
            let amount = request.amount.as_deref().ok_or_else(|| missing("amount"))?;
            let currency = request.currency.as_deref().ok_or_else(|| missing("currency"))?;
            (
                Some(accepted_amount(account, amount, currency)?),
                request.description.take().unwrap_or_else(|| "Payment".into()),
                request.order_reference.take().unwrap_or_else(new_reference),
            )
        }
        // Nobody can guess it, so an answer that names it belongs to this session.
        Kind::Tokenize | Kind::Update => (None, String::new(), new_reference()),
    };
    if request.return_url.is_some() || request.variant.is_some() {
        // A page of the shop may choose a language; the rest is the merchant's.
        merchant.clone()?;
    }
    if mode != Mode::Direct || !account.gateway.capabilities().hosted_page {
        none_left(
            &[
                ("return_url", request.return_url.is_some()),
                ("locale", request.locale.is_some()),
                ("variant", request.variant.is_some()),
            ],
            "it is for a platform that shows a page of its own, in the mode `direct`",
        )?;
    }
    if kind == Kind::Payment && app.store.reference_used(platform, &reference).await? {
        return Err(ApiError::field(Code::OrderReferenceUsed, "order_reference"));
    }

    let _permit = app.enter(platform, Purpose::Session).await?;
    app.attempts
        .open_session(customer.as_deref(), merchant.is_err())?;
    // Taken before the platform makes its order: ours never looks younger than the platform's.
    let created_at = app.clock.now();
    let ask = SessionParams {
        kind,
        mode,
        reference: &reference,
        token: token
            .as_ref()
            .and_then(|token| token.platform_token.as_ref())
            .map(ExposeSecret::expose_secret),
        amount: amount.as_ref(),
        description: &description,
        capture,
        page: Page {
            return_url: request.return_url.as_deref(),
            locale: request.locale.as_deref(),
            variant: request.variant.as_deref(),
        },
        customer_ip,
    };
    let transport = app.transport(platform)?;
    let opened = account.gateway.open_session(transport, &ask).await?;
    let expires_at = created_at + i64::from(opened.seconds) * 1000;
    let currency = amount.as_ref().map(|amount| amount.currency().code());
    let minor = amount
        .as_ref()
        .and_then(|amount| i64::try_from(amount.minor()).ok());
    let id = app
        .store
        .add_session(&NewSession {
            platform,
            kind,
            mode,
            reference: &reference,
            platform_state: &opened.state,
            customer: customer.as_deref(),
            // A payment that refers to a stored card is not one of its token: the card comes again.
            token_id: token
                .as_ref()
                .filter(|_| kind == Kind::Update)
                .map(|token| &token.id),
            amount: minor.zip(currency),
            description: &description,
            capture_later: capture == Capture::Later,
            created_at,
            expires_at,
        })
        .await?;

    let session = SessionResource {
        id: id.to_string(),
        platform,
        kind,
        mode,
        created_at: rfc3339(created_at),
        expires_at: rfc3339(expires_at),
        expires_in: opened.seconds,
        amount: amount.as_ref().map(Amount::to_decimal_text),
        currency,
        order_reference: amount.is_some().then_some(reference),
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
    let mut session = app.store.session(&id).await?.ok_or(Code::SessionNotFound)?;
    let gateway = &app.account(session.platform)?.gateway;
    let mut cancelled = false;
    if session.state == SessionState::Open
        && session.mode == Mode::Direct
        && gateway.capabilities().hosted_page
    {
        let looked = match session.kind {
            Kind::Payment => payments::refresh_page(&app, &session, request_id).await,
            Kind::Tokenize | Kind::Update => tokens::look(&app, &session.id).await,
        };
        match looked.as_ref().map_err(ApiError::code) {
            Ok(()) | Err(Code::PageOpen) => {}
            Err(Code::PageCancelled) => cancelled = true,
            Err(_) => looked?,
        }
        session = app.store.session(&id).await?.ok_or(Code::SessionNotFound)?;
    }
    let (mut payment, mut token) = (None, None);
    match &session.result {
        Some(SessionResult::Payment(id)) => {
            payment = app.store.payment(id).await?.as_ref().map(PaymentResource::from);
        }
        Some(SessionResult::Token(id)) => {
            token = app.store.token(id).await?.as_ref().map(TokenResource::from);
        }
        None => {}
    }
    let status = match session.state {
        SessionState::Used => SessionStatus::Used,
        SessionState::Busy => SessionStatus::Busy,
        SessionState::Open if cancelled => SessionStatus::Cancelled,
        SessionState::Open if session.is_expired(app.clock.now(), 0) => SessionStatus::Expired,
        SessionState::Open => SessionStatus::Open,
    };
    Ok(Json(SessionOutcome {
        id: session.id.to_string(),
        platform: session.platform,
        kind: session.kind,
        mode: session.mode,
        status,
        expires_at: rfc3339(session.expires_at),
        payment,
        token,
    }))
}

/// A reference that nobody can guess.
pub(super) fn new_reference() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A merchant with one platform need not name it; of several, it is the first of the table of platforms.
fn chosen(app: &App, platform: Option<&str>) -> Result<Platform, UnknownPlatform> {
    let platform = match platform {
        Some(id) => Platform::from_id(id),
        None => app.config.platforms.keys().next().copied(),
    };
    platform.ok_or_else(|| app.unknown_platform())
}

async fn updatable(app: &App, id: &TokenId) -> Result<Token, ApiError> {
    let token = app.store.token(id).await?.ok_or(Code::TokenNotFound)?;
    match token.status {
        TokenStatus::Active => Ok(token),
        TokenStatus::Unconfirmed => Err(Code::TokenUnconfirmed.into()),
        TokenStatus::Deleted => Err(Code::TokenDeleted.into()),
    }
}

/// The customer's address, for platforms that want it: the merchant's word, or where a page's call came from.
pub(super) fn customer_ip(
    account: &Account,
    given: Option<&str>,
    merchant: &Result<(), ApiError>,
    caller: Option<IpAddr>,
) -> Result<Option<IpAddr>, ApiError> {
    let wanted = account.gateway.capabilities().needs_customer_ip;
    match given {
        Some(_) if !wanted => Err(misplaced("customer_ip", "the platform does not ask for it")),
        None => Ok(caller.filter(|_| wanted)),
        Some(text) => {
            merchant.clone()?;
            let read = text.parse().map(Some);
            read.map_err(|_| SessionRequest::rules().invalid("customer_ip", "text that is no address"))
        }
    }
}

/// An amount in a currency that the platform has to offer.
pub(super) fn accepted_amount(account: &Account, text: &str, currency: &str) -> Result<Amount, ApiError> {
    let amount = parse_amount(text, currency)?;
    if account.gateway.accepts(amount.currency()) {
        Ok(amount)
    } else {
        let code = amount.currency().code();
        Err(
            ApiError::field(Code::CurrencyNotSupported, "currency").detail(&format!(
                "the configuration of {} has no account for {code}",
                account.gateway.platform()
            )),
        )
    }
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
