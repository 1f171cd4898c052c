//! `POST /v1/sessions`: prepares a platform for a card from the browser.

use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use cardseal::session::{Kind, Mode};
use cardseal_gateways::gateway::{Capture, Page, SessionAsk};
use cardseal_gateways::{Amount, AmountError};
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::payments::{self, CAPTURES, order_reference, text_or_default};
use super::tokens;
use crate::App;
use crate::access::{Browser, Merchant};
use crate::body::Fields;
use crate::clock::rfc3339;
use crate::config::Account;
use crate::error::{ApiError, Code};
use crate::gate::Purpose;
use crate::logging::RequestId;
use crate::store::{NewSession, SessionId, SessionResult, SessionState, Token, TokenId, TokenStatus};

const KINDS: &[(&str, Kind)] = &[
    ("tokenize", Kind::Tokenize),
    ("update", Kind::Update),
    ("payment", Kind::Payment),
];
const MODES: &[(&str, Mode)] = &[("relay", Mode::Relay), ("direct", Mode::Direct)];

pub(super) async fn create(
    State(app): State<App>,
    browser: Browser,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let kind = fields.word("kind", KINDS, Kind::Tokenize)?;
    let asked_mode = if fields.has("mode") {
        Some(fields.word("mode", MODES, Mode::Relay)?)
    } else {
        None
    };
    let customer = fields.optional("customer", 255)?;
    let platform = fields.optional("platform", 32)?;
    let merchant = browser.merchant;
    // Charging a card, or putting another in the place of a stored one, is the merchant's decision.
    if kind != Kind::Tokenize {
        merchant.clone()?;
    }
    let token = match kind {
        Kind::Update => Some(updatable(&app, &fields.text("token", 64)?.into()).await?),
        Kind::Payment if fields.has("token") => {
            Some(updatable(&app, &fields.text("token", 64)?.into()).await?)
        }
        Kind::Tokenize | Kind::Payment => None,
    };
    let platform = match &token {
        Some(token) => token.platform.clone(),
        None => platform.unwrap_or_else(|| default_platform(&app)),
    };
    let account = app.account(&platform)?;
    if kind == Kind::Payment && token.is_some() && !account.gateway.capabilities().session_stored_card {
        return Err(ApiError::field(Code::NotOffered, "token"));
    }
    let capture = match kind {
        Kind::Payment => fields.word("capture", CAPTURES, Capture::Auto)?,
        Kind::Tokenize | Kind::Update => Capture::Auto,
    };
    if capture == Capture::Later && !account.gateway.capabilities().session_capture_later {
        return Err(ApiError::field(Code::NotOffered, "capture"));
    }
    let mode = asked_mode.unwrap_or_else(|| account.gateway.capabilities().default_mode);
    // Without notifications, a token that a browser hands over could never become more than its word.
    let confirmable =
        account.webhook_path_secret.is_some() || !account.gateway.capabilities().direct_needs_notifications;
    if mode == Mode::Direct && kind != Kind::Payment && !confirmable {
        return Err(
            ApiError::field(Code::NotOffered, "mode").detail("the direct way needs webhook_path_secret")
        );
    }
    let customer_ip = customer_ip(account, &mut fields, &merchant, browser.address)?;
    let (amount, description, reference) = match kind {
        Kind::Payment => {
            let amount = amount(account, &mut fields)?;
            (
                Some(amount),
                text_or_default(&mut fields)?,
                order_reference(&mut fields)?,
            )
        }
        // Nobody can guess it, so an answer that names it belongs to this session.
        Kind::Tokenize | Kind::Update => (None, String::new(), uuid::Uuid::new_v4().to_string()),
    };
    let page = if mode == Mode::Direct && account.gateway.capabilities().hosted_page {
        OwnPage::read(&mut fields, &merchant)?
    } else {
        OwnPage::default()
    };
    fields.finish()?;
    if kind == Kind::Payment && app.store.reference_used(&platform, &reference).await? {
        return Err(ApiError::field(Code::OrderReferenceUsed, "order_reference"));
    }

    let _permit = app.enter(&platform, Purpose::Session).await?;
    app.attempts
        .open_session(customer.as_deref(), merchant.is_err())?;
    // Taken before the platform makes its order: ours never looks younger than the platform's.
    let created_at = app.clock.now();
    let ask = SessionAsk {
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
            return_url: page.return_url.as_deref(),
            locale: page.locale.as_deref(),
            variant: page.variant.as_deref(),
        },
        customer_ip,
    };
    let transport = app.transport(&platform)?;
    let opened = account.gateway.open_session(transport, &ask).await?;
    let expires_at = created_at + i64::from(opened.seconds) * 1000;
    let currency = amount.as_ref().map(|amount| amount.currency().code());
    let minor = amount
        .as_ref()
        .and_then(|amount| i64::try_from(amount.minor()).ok());
    let id = app
        .store
        .add_session(&NewSession {
            platform: &platform,
            kind,
            mode,
            reference: &reference,
            kept: &opened.kept,
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

    let mut session: Map<String, Value> = opened.public;
    session.insert("id".into(), id.as_str().into());
    session.insert("platform".into(), platform.into());
    session.insert("kind".into(), word(KINDS, kind).into());
    session.insert("mode".into(), word(MODES, mode).into());
    session.insert("created_at".into(), rfc3339(created_at).into());
    session.insert("expires_at".into(), rfc3339(expires_at).into());
    session.insert("expires_in".into(), opened.seconds.into());
    if let Some(amount) = amount {
        session.insert("amount".into(), amount.to_decimal_text().into());
        session.insert("currency".into(), amount.currency().code().into());
        session.insert("order_reference".into(), reference.into());
    }
    Ok((StatusCode::CREATED, Json(Value::Object(session))))
}

/// How a page of the platform's is to look and end.
#[derive(Default)]
struct OwnPage {
    return_url: Option<String>,
    locale: Option<String>,
    variant: Option<String>,
}

impl OwnPage {
    /// A page of the shop may choose a language; the rest is the merchant's.
    fn read(fields: &mut Fields, merchant: &Result<(), ApiError>) -> Result<Self, ApiError> {
        if fields.has("return_url") || fields.has("variant") {
            merchant.clone()?;
        }
        let locale = fields.optional("locale", 10)?;
        let plain = |text: &String| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        };
        if locale.as_ref().is_some_and(|locale| !plain(locale)) {
            return Err(ApiError::field(Code::FieldInvalid, "locale"));
        }
        Ok(Self {
            return_url: fields.optional("return_url", 200)?,
            locale,
            variant: fields.optional("variant", 64)?,
        })
    }
}

/// `GET /v1/sessions/{id}`: what came of it. Of one whose customer is on a page of the platform's, the platform is asked.
pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Extension(RequestId(request_id)): Extension<RequestId>,
    Path(id): Path<SessionId>,
) -> Result<Json<Value>, ApiError> {
    let mut session = app.store.session(&id).await?.ok_or(Code::SessionNotFound)?;
    let gateway = &app.account(&session.platform)?.gateway;
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
    let (mut payment, mut token) = (Value::Null, Value::Null);
    match &session.result {
        Some(SessionResult::Payment(id)) => {
            payment = app
                .store
                .payment(id)
                .await?
                .as_ref()
                .map(payments::resource)
                .into();
        }
        Some(SessionResult::Token(id)) => {
            token = app.store.token(id).await?.as_ref().map(tokens::resource).into();
        }
        None => {}
    }
    let status = match session.state {
        SessionState::Used => "used",
        SessionState::Busy => "busy",
        SessionState::Open if cancelled => "cancelled",
        SessionState::Open if session.is_expired(app.clock.now(), 0) => "expired",
        SessionState::Open => "open",
    };
    Ok(Json(json!({
        "id": session.id,
        "platform": session.platform,
        "kind": word(KINDS, session.kind),
        "mode": word(MODES, session.mode),
        "status": status,
        "expires_at": rfc3339(session.expires_at),
        "payment": payment,
        "token": token,
    })))
}

fn word<T: PartialEq + Copy>(words: &[(&'static str, T)], value: T) -> &'static str {
    words
        .iter()
        .find(|(_, of)| *of == value)
        .map_or("", |(word, _)| word)
}

/// A merchant with one platform need not name it; of several, it is the first of the table of platforms.
pub(super) fn default_platform(app: &App) -> String {
    let platforms = app.config.platforms();
    platforms.first().map(|(id, _)| *id).unwrap_or_default().into()
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
    fields: &mut Fields,
    merchant: &Result<(), ApiError>,
    caller: Option<IpAddr>,
) -> Result<Option<IpAddr>, ApiError> {
    // Elsewhere it is a field that nobody asked for.
    if !account.gateway.capabilities().needs_customer_ip {
        return Ok(None);
    }
    let Some(text) = fields.optional("customer_ip", 45)? else {
        return Ok(caller);
    };
    merchant.clone()?;
    text.parse()
        .map(Some)
        .map_err(|_| ApiError::field(Code::FieldInvalid, "customer_ip"))
}

/// `amount` and `currency`, which the platform has to offer.
pub(super) fn amount(account: &Account, fields: &mut Fields) -> Result<Amount, ApiError> {
    let text = fields.text("amount", 32)?;
    let currency = fields.text("currency", 8)?;
    let amount = parse_amount(&text, &currency)?;
    if !account.gateway.accepts(amount.currency()) {
        return Err(ApiError::field(Code::CurrencyNotSupported, "currency"));
    }
    Ok(amount)
}

pub(super) fn parse_amount(text: &str, currency: &str) -> Result<Amount, ApiError> {
    Amount::parse(text, currency).map_err(|error| match error {
        AmountError::Currency => ApiError::field(Code::CurrencyNotSupported, "currency"),
        AmountError::Malformed | AmountError::TooManyDecimals | AmountError::TooLarge | AmountError::Zero => {
            ApiError::field(Code::AmountInvalid, "amount").detail(&error.to_string())
        }
    })
}
