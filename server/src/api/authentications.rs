//! `/v1/authentications`: 3-D Secure before a charge.

use std::net::IpAddr;
use std::sync::LazyLock;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::platform::Platform;
use cardseal_gateways::authentication::{
    BrowserData, BrowserStep, ChallengeWindow, MethodOutcome, Preference,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::contract::refusals;
use super::fields::{AmountText, CurrencyCode, IpAddress, TokenReference, platform};
use super::payments::{KeyHeader, idempotency_key};
use crate::App;
use crate::access::{Browser, Caller, Merchant};
use crate::authentications::{self, Request};
use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::payload::{Checked, Payload, checked};
use crate::store::{Authentication, AuthenticationId, AuthenticationState, TokenId, preference_text};

refusals! {
    /// Errors of `POST /v1/authentications`.
    CreateRefused = MERCHANT | BODY | STORE | PLATFORM [
        IdempotencyKeyInvalid, IdempotencyKeyReused, AmountInvalid, CurrencyNotSupported, TokenNotFound, TokenDeleted,
        TokenUnconfirmed,
    ];
    /// Errors of `POST /v1/authentications/{id}/initiate`.
    InitiateRefused = MERCHANT | BODY | STORE | PLATFORM [
        AuthenticationNotFound, TokenNotFound, TokenDeleted, TokenUnconfirmed,
    ];
    /// Errors of `POST /v1/authentications/{id}/result`.
    ResultRefused = MERCHANT | STORE | PLATFORM [
        AuthenticationNotFound, TokenNotFound, TokenDeleted, TokenUnconfirmed,
    ];
    /// Errors of `GET /v1/authentications/{id}`.
    ShowRefused = MERCHANT | STORE [AuthenticationNotFound];
}
checked!(AuthenticationRequest, BrowserRequest);

/// What is to be paid with which card.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthenticationRequest {
    /// The stored card that is to be charged.
    token: TokenReference,
    /// The amount of the charge.
    amount: AmountText,
    /// The currency of the charge.
    currency: CurrencyCode,
    /// Whether the bank should ask the customer. The bank decides. Without it, no preference.
    #[schema(nullable = false)]
    preference: Option<PreferenceWord>,
}

/// What the merchant prefers.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum PreferenceWord {
    None,
    NoChallenge,
    Challenge,
    ChallengeMandated,
}

/// What a page tells of its browser. It helps the bank to decide whether to ask the customer, and decides nothing itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BrowserRequest {
    /// `navigator.language`.
    #[schema(min_length = 1, max_length = 35, example = "en-US")]
    language: String,
    /// `screen.colorDepth`.
    #[schema(minimum = 1, maximum = 99, example = 24)]
    color_depth: u8,
    /// `screen.width`.
    #[schema(minimum = 0, maximum = 999_999, example = 1920)]
    screen_width: u32,
    /// `screen.height`.
    #[schema(minimum = 0, maximum = 999_999, example = 1080)]
    screen_height: u32,
    /// `new Date().getTimezoneOffset()`, with its sign as text.
    #[schema(min_length = 1, max_length = 5, pattern = "^-?[0-9]{1,4}$", example = "-60")]
    timezone_offset: String,
    /// `navigator.javaEnabled()`. Without it, no.
    #[schema(nullable = false)]
    java_enabled: Option<bool>,
    /// The size of the frame for the bank's page, in pixels. Without it, `full_screen`.
    #[schema(nullable = false)]
    window: Option<WindowWord>,
    /// What became of the step `method`.
    method: MethodWord,
    /// The header `Accept` of the browser. From a page, without it, that of this request.
    #[schema(min_length = 1, max_length = 2048, nullable = false, example = "text/html")]
    accept_header: Option<String>,
    /// The header `User-Agent` of the browser. From a page, without it, that of this request.
    #[schema(min_length = 1, max_length = 2048, nullable = false, example = "Mozilla/5.0")]
    user_agent: Option<String>,
    /// The browser's address. From a page it is that of this request, and is not to be sent.
    #[schema(nullable = false)]
    customer_ip: Option<IpAddress>,
}

/// The sizes that EMV 3-D Secure knows.
#[derive(Clone, Copy, Deserialize, ToSchema)]
enum WindowWord {
    #[serde(rename = "250x400")]
    W250H400,
    #[serde(rename = "390x400")]
    W390H400,
    #[serde(rename = "500x600")]
    W500H600,
    #[serde(rename = "600x400")]
    W600H400,
    #[serde(rename = "full_screen")]
    FullScreen,
}

/// What became of the frame in which the bank looks at the browser.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum MethodWord {
    /// The bank's page has sent the frame back.
    Completed,
    /// It has not, within ten seconds.
    Failed,
    /// There was no such step.
    Unavailable,
}

/// An authentication of a customer, for one charge.
#[derive(Serialize, ToSchema)]
#[schema(as = Authentication)]
pub(super) struct AuthenticationResource {
    /// The id of the authentication. For its page it is the permission to go on.
    #[schema(example = "aut_5f0c1d2e")]
    id: String,
    #[schema(schema_with = platform)]
    platform: Platform,
    status: StatusWord,
    /// The stored card.
    #[schema(example = "tok_5f0c1d2e")]
    token: String,
    /// As decimal text.
    #[schema(example = "12.34")]
    amount: String,
    #[schema(example = "USD")]
    currency: &'static str,
    /// What the merchant prefers.
    #[schema(value_type = PreferenceWord)]
    preference: &'static str,
    /// Whether the bank answers for a charge that its customer denies, as the platform says.
    liability_shift: bool,
    /// The card network's number for the result.
    #[schema(required, example = "05")]
    eci: Option<String>,
    /// The version of EMV 3-D Secure.
    #[schema(required, example = "2.2.0")]
    version: Option<String>,
    /// What the page has to do next.
    #[schema(required)]
    step: Option<Step>,
    /// The payment that used it.
    #[schema(required, example = "pay_5f0c1d2e")]
    payment: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// Until when a charge may use it.
    #[schema(format = DateTime)]
    expires_at: String,
}

/// What a page may know of an authentication.
#[derive(Serialize, ToSchema)]
pub(super) struct PageAuthentication {
    /// The id of the authentication.
    #[schema(example = "aut_5f0c1d2e")]
    id: String,
    status: StatusWord,
    /// What the page has to do next.
    #[schema(required)]
    step: Option<Step>,
}

/// How far an authentication is.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StatusWord {
    /// The platform is being asked, or its answer was lost: send the request again with its key.
    Started,
    /// The card does not take part in 3-D Secure.
    NotEnrolled,
    /// The page tells of its browser next.
    Available,
    /// The bank asks the customer.
    Challenge,
    /// The customer is the holder of the card.
    Authenticated,
    /// The bank could not tell, and answers for it.
    Attempted,
    /// The customer is not the holder, gave up, or the bank refuses.
    Failed,
}

/// A form that the page sends into a frame.
#[derive(Serialize, ToSchema)]
struct Step {
    kind: StepWord,
    /// Where the form goes.
    #[schema(example = "https://acs.bank.example/challenge")]
    url: String,
    /// The name of its only field.
    #[schema(example = "creq")]
    field: &'static str,
    /// The value of it.
    #[schema(example = "eyJtZXNzYWdlVHlwZSI6IkNSZXEifQ")]
    value: String,
}

/// What the frame is for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum StepWord {
    /// The bank looks at the browser, in a frame that nobody sees.
    Method,
    /// The bank asks the customer.
    Challenge,
}

const fn status_word(state: AuthenticationState) -> StatusWord {
    use cardseal_gateways::authentication::AuthenticationStatus as Told;
    match state {
        AuthenticationState::Started => StatusWord::Started,
        AuthenticationState::Told(Told::NotEnrolled) => StatusWord::NotEnrolled,
        AuthenticationState::Told(Told::Available) => StatusWord::Available,
        AuthenticationState::Told(Told::Challenge) => StatusWord::Challenge,
        AuthenticationState::Told(Told::Authenticated) => StatusWord::Authenticated,
        AuthenticationState::Told(Told::Attempted) => StatusWord::Attempted,
        AuthenticationState::Told(Told::Failed) => StatusWord::Failed,
    }
}

fn step(known: &Authentication) -> Option<Step> {
    let kind = match status_word(known.state) {
        StatusWord::Available => StepWord::Method,
        StatusWord::Challenge => StepWord::Challenge,
        StatusWord::Started
        | StatusWord::NotEnrolled
        | StatusWord::Authenticated
        | StatusWord::Attempted
        | StatusWord::Failed => return None,
    };
    let BrowserStep { url, field, value } = known.step.clone()?;
    Some(Step {
        kind,
        url,
        field,
        value,
    })
}

impl From<&Authentication> for AuthenticationResource {
    fn from(known: &Authentication) -> Self {
        Self {
            id: known.id.to_string(),
            platform: known.platform,
            status: status_word(known.state),
            token: known.token_id.to_string(),
            amount: known.amount.to_decimal_text(),
            currency: known.amount.currency().code(),
            preference: preference_text(known.preference),
            liability_shift: known.liability_shift,
            eci: known.eci.clone(),
            version: known.version.clone(),
            step: step(known),
            payment: known.payment_id.as_ref().map(ToString::to_string),
            created_at: rfc3339(known.created_at),
            expires_at: rfc3339(known.expires_at),
        }
    }
}

impl From<&Authentication> for PageAuthentication {
    fn from(known: &Authentication) -> Self {
        Self {
            id: known.id.to_string(),
            status: status_word(known.state),
            step: step(known),
        }
    }
}

/// Begins an authentication: asks whether a stored card takes part in 3-D Secure, for a charge to come.
///
/// No money moves. Give the page `id` and `step`; it goes on with `initiate`.
#[utoipa::path(post, operation_id = "createAuthentication", path = "/v1/authentications",
    tag = "authentications", security(("api_key" = ["charge"])),
    params(KeyHeader),
    request_body = AuthenticationRequest,
    responses((status = 201, body = AuthenticationResource), CreateRefused))]
pub(super) async fn create(
    State(app): State<App>,
    _: Merchant,
    headers: HeaderMap,
    payload: Payload<AuthenticationRequest>,
) -> Result<(StatusCode, Json<AuthenticationResource>), ApiError> {
    let key = idempotency_key(&headers)?;
    let request = payload.request;
    let amount = request.amount.parse(&request.currency)?;
    let preference = match request.preference.unwrap_or(PreferenceWord::None) {
        PreferenceWord::None => Preference::None,
        PreferenceWord::NoChallenge => Preference::NoChallenge,
        PreferenceWord::Challenge => Preference::Challenge,
        PreferenceWord::ChallengeMandated => Preference::ChallengeMandated,
    };
    let request = Request {
        token: TokenId::from(request.token),
        amount,
        preference,
        key,
        fingerprint: payload.fingerprint,
    };
    let known = authentications::begin(&app, request).await?;
    Ok((StatusCode::CREATED, Json(AuthenticationResource::from(&known))))
}

/// Shows an authentication, as far as it is known here.
#[utoipa::path(get, operation_id = "showAuthentication", path = "/v1/authentications/{id}",
    tag = "authentications", security(("api_key" = ["read"])),
    params(("id" = String, Path, description = "The id of the authentication.")),
    responses((status = 200, body = AuthenticationResource), ShowRefused))]
pub(super) async fn show(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<AuthenticationId>,
) -> Result<Json<AuthenticationResource>, ApiError> {
    let known = authentications::get(&app, &id).await?;
    Ok(Json(AuthenticationResource::from(&known)))
}

/// Goes on with an authentication: the bank decides, or asks the customer.
///
/// For the page. The id is the permission, so it needs no API key. Sent again, it answers the same.
#[utoipa::path(post, operation_id = "initiateAuthentication", path = "/v1/authentications/{id}/initiate",
    tag = "authentications", security(("api_key" = ["charge"]), ()),
    params(("id" = String, Path, description = "The id of the authentication.")),
    request_body = BrowserRequest,
    responses((status = 200, body = PageAuthentication), InitiateRefused))]
pub(super) async fn initiate(
    State(app): State<App>,
    browser: Browser,
    Path(id): Path<AuthenticationId>,
    headers: HeaderMap,
    payload: Payload<BrowserRequest>,
) -> Result<Json<PageAuthentication>, ApiError> {
    let data = browser_data(payload.request, &browser, &headers)?;
    let known = authentications::initiate(&app, id, data).await?;
    Ok(Json(PageAuthentication::from(&known)))
}

/// Asks the platform for the result, after the bank's page has sent the customer back.
///
/// For the page. Before the customer has answered, the status stays `challenge`.
#[utoipa::path(post, operation_id = "showAuthenticationResult", path = "/v1/authentications/{id}/result",
    tag = "authentications", security(("api_key" = ["charge"]), ()),
    params(("id" = String, Path, description = "The id of the authentication.")),
    responses((status = 200, body = PageAuthentication), ResultRefused))]
pub(super) async fn result(
    State(app): State<App>,
    _: Browser,
    Path(id): Path<AuthenticationId>,
) -> Result<Json<PageAuthentication>, ApiError> {
    let known = authentications::result(&app, id).await?;
    Ok(Json(PageAuthentication::from(&known)))
}

/// What the gateway needs of the browser: from the page's own request, as far as that says it.
fn browser_data(
    request: BrowserRequest,
    browser: &Browser,
    headers: &HeaderMap,
) -> Result<BrowserData, ApiError> {
    let missing = |name| BrowserRequest::rules().missing(name);
    // With an API key, the request is the shop's server's, and its headers say nothing of the customer.
    let by_page = browser.caller == Caller::Page;
    let header = |name: header::HeaderName| {
        let value = headers.get(name).filter(|_| by_page)?.to_str().ok()?;
        (!value.is_empty() && value.len() <= 2048).then(|| value.to_owned())
    };
    let given = request
        .customer_ip
        .map(|ip| ip.parse(BrowserRequest::rules()))
        .transpose()?;
    let ip: Option<IpAddr> = browser.address.or(given);
    Ok(BrowserData {
        accept_header: request
            .accept_header
            .or_else(|| header(header::ACCEPT))
            .ok_or_else(|| missing("accept_header"))?,
        user_agent: request
            .user_agent
            .or_else(|| header(header::USER_AGENT))
            .ok_or_else(|| missing("user_agent"))?,
        ip: ip.ok_or_else(|| missing("customer_ip"))?,
        language: request.language,
        color_depth: request.color_depth,
        screen_width: request.screen_width,
        screen_height: request.screen_height,
        timezone_offset: request
            .timezone_offset
            .parse()
            .map_err(|_| ApiError::field(Code::FieldInvalid, "timezone_offset"))?,
        java_enabled: request.java_enabled.unwrap_or(false),
        window: match request.window.unwrap_or(WindowWord::FullScreen) {
            WindowWord::W250H400 => ChallengeWindow::W250H400,
            WindowWord::W390H400 => ChallengeWindow::W390H400,
            WindowWord::W500H600 => ChallengeWindow::W500H600,
            WindowWord::W600H400 => ChallengeWindow::W600H400,
            WindowWord::FullScreen => ChallengeWindow::FullScreen,
        },
        method: match request.method {
            MethodWord::Completed => MethodOutcome::Completed,
            MethodWord::Failed => MethodOutcome::Failed,
            MethodWord::Unavailable => MethodOutcome::Unavailable,
        },
    })
}

/// What a frame does when the bank has sent it back: it tells the page around it, and nothing else. What the bank's form
/// says is not read; the page asks for the result.
const RETURN: &str = r#"parent.postMessage({ type: "cardseal-authentication", step: location.pathname.split("/").pop() }, "*");"#;

/// Its policy: this script, and nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = STANDARD.encode(Sha256::digest(RETURN));
    HeaderValue::from_str(&format!("default-src 'none'; script-src 'sha256-{digest}'"))
        .unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
});

/// `POST /v1/authentications/returns/{step}`: where the bank's pages send a frame back to.
pub(super) async fn back(Path(step): Path<String>) -> Response {
    if !matches!(step.as_str(), "method" | "challenge") {
        return ApiError::from(Code::NotFound).into_response();
    }
    let page = format!("<!DOCTYPE html><title>Done</title><script>{RETURN}</script>");
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
    ];
    (headers, page).into_response()
}
