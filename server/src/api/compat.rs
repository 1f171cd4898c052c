//! The API of Global Payments' network-tokenization sample, so that a page written for that sample works unchanged:
//! `GET /config`, `POST /create-network-token`, `GET /list-tokens` and `POST /process-payment`.
//!
//! Shapes and messages are the sample's. The rest is this server's: amounts are read digit by digit from the JSON
//! number; listing and charging need the API key; ids are ours in the platform's form, and the platform's own ids
//! never leave the server; exchanging a payment reference again returns the same token; an `Idempotency-Key` makes a
//! charge happen once.

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cardseal::gp_api::is_id;
use cardseal::platform::Platform;
use cardseal_gateways::gateway::PagePayload;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{ContentBuilder, RefOr, Response as OpenApiResponse, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::fields::{CurrencyCode, parse_amount};
use super::payments::{charge_stored, idempotency_key};
use crate::App;
use crate::access::{Browser, Merchant};
use crate::clock::rfc3339;
use crate::error::{ApiError, Code};
use crate::logging::{RequestId, Written};
use crate::payload::{Checked, Payload, checked};
use crate::reason::Error;
use crate::sessions;
use crate::store::{Key, Scope, Token};
use crate::submission::Submission;
use crate::tokens;

const PLATFORM: Platform = Platform::GpApi;

checked!(ExchangeRequest, ChargeRequest);

/// A payment reference that a page has created.
#[derive(Deserialize, ToSchema)]
#[schema(as = SampleExchange)]
pub(super) struct ExchangeRequest {
    /// The platform's id of the single-use payment method.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = "^PMT_[A-Za-z0-9_-]+$",
        example = "PMT_b4d4a7b1"
    )]
    payment_reference: String,
}

/// A charge of a network token.
#[derive(Deserialize, ToSchema)]
#[schema(as = SampleCharge)]
pub(super) struct ChargeRequest {
    /// The `id` from `/create-network-token`.
    #[schema(min_length = 1, max_length = 100, example = "PMT_5f0c1d2e")]
    pmt_id: String,
    #[schema(schema_with = digits)]
    amount: String,
    /// USD if missing.
    #[schema(nullable = false)]
    currency: Option<CurrencyCode>,
}

fn digits() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Number, Type::String]))
        .description(Some(
            "Major units. The digits are read as they stand, never as a floating-point number.",
        ))
        .examples([json!(12.34)])
        .build()
}

/// An error in the sample's form.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the contract")]
struct SampleFailure {
    /// Always false.
    success: bool,
    /// `<error_code>: …`.
    message: String,
}

/// An access token for the page.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the contract")]
struct SampleConfig {
    success: bool,
    #[schema(inline)]
    data: SampleAccess,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the contract")]
struct SampleAccess {
    access_token: String,
}

/// A new network token.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the contract")]
struct SampleCreated {
    success: bool,
    data: SampleToken,
    message: String,
}

/// All network tokens.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the contract")]
struct SampleTokens {
    success: bool,
    data: Vec<SampleToken>,
}

/// A network token.
#[derive(Serialize, ToSchema)]
struct SampleToken {
    /// This server's id, in the platform's form.
    id: String,
    brand: String,
    #[schema(required)]
    masked_card: Option<String>,
    usage_mode: &'static str,
    status: &'static str,
    created_at: String,
}

/// A successful charge.
#[derive(ToSchema)]
#[expect(dead_code, reason = "for the contract")]
struct SampleCharged {
    success: bool,
    #[schema(inline)]
    data: SampleTransaction,
    message: String,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "for the contract")]
struct SampleTransaction {
    transaction_id: String,
    status: String,
    amount: f64,
    currency: String,
    auth_code: String,
    token_usage_mode: String,
}

/// The errors of the sample's routes.
struct SampleRefused;

impl IntoResponses for SampleRefused {
    fn responses() -> BTreeMap<String, RefOr<OpenApiResponse>> {
        let content = ContentBuilder::new()
            .schema(Some(SampleFailure::schema()))
            .build();
        let failure = ResponseBuilder::new()
            .description("The same refusals as elsewhere, in the sample's form.")
            .content("application/json", content)
            .build();
        [
            "400", "401", "403", "404", "405", "408", "409", "413", "415", "422", "429", "500", "502", "503",
            "504",
        ]
        .map(|status| (status.to_owned(), RefOr::T(failure.clone())))
        .into()
    }
}

/// The routes, with their contract.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(config))
        .routes(routes!(create))
        .routes(routes!(list))
        .routes(routes!(charge))
}

pub(super) async fn wrong_method() -> Response {
    envelope(Err(Code::MethodNotAllowed.into()))
}

/// An error, in the sample's form.
struct Failure {
    status: StatusCode,
    message: String,
    log: Written,
}

impl<E: Into<ApiError>> From<E> for Failure {
    /// `<error_code>: …`. The code is the platform's if the platform refused.
    fn from(error: E) -> Self {
        let error = error.into();
        let (name, text) = match error.rejection() {
            Some(rejection) => (
                rejection.name.clone().or_else(|| rejection.code.clone()),
                rejection.message.as_str(),
            ),
            None => (None, error.own_detail().unwrap_or(error.code().title())),
        };
        let name = name.unwrap_or_else(|| error.code().as_str().to_ascii_uppercase());
        // The sample has one status for all refusals of its platform.
        let code = if error.code() == Code::PlatformSetup {
            Code::PlatformRejected
        } else {
            error.code()
        };
        Self {
            status: code.status(),
            message: format!("{name}: {text}"),
            log: written(&error),
        }
    }
}

fn written(error: &ApiError) -> Written {
    Written {
        code: error.code().as_str(),
        cause: error.cause().unwrap_or(error.detail_text()).into(),
    }
}

/// The sample's envelope. The data is JSON text, because it may have a number that must keep its digits.
fn envelope(result: Result<(String, Option<&str>), Failure>) -> Response {
    let mut log = None;
    let (status, body) = match result {
        Ok((data, Some(message))) => (
            StatusCode::OK,
            format!(r#"{{"success":true,"data":{data},"message":{}}}"#, json!(message)),
        ),
        Ok((data, None)) => (StatusCode::OK, format!(r#"{{"success":true,"data":{data}}}"#)),
        Err(failure) => {
            log = Some(Extension(failure.log));
            (
                failure.status,
                json!({ "success": false, "message": failure.message }).to_string(),
            )
        }
    };
    (
        status,
        log,
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body,
    )
        .into_response()
}

/// Creates an access token for the page.
#[utoipa::path(get, operation_id = "sampleConfig", path = "/config",
    tag = "gp_api sample", security(("api_key" = ["sessions"]), ()),
    responses((status = 200, body = SampleConfig), SampleRefused))]
async fn config(State(app): State<App>, browser: Result<Browser, ApiError>) -> Response {
    let data = async {
        let by_page = browser?.merchant.is_err();
        let token = sessions::access_token(&app, PLATFORM, by_page).await?;
        Ok((json!({ "accessToken": token }).to_string(), None))
    };
    envelope(data.await)
}

/// Creates a network token from a payment reference.
#[utoipa::path(post, operation_id = "sampleCreateNetworkToken", path = "/create-network-token",
    tag = "gp_api sample", security(("api_key" = ["tokens"]), ()),
    request_body = ExchangeRequest,
    responses((status = 200, body = SampleCreated), SampleRefused))]
async fn create(
    State(app): State<App>,
    browser: Result<Browser, ApiError>,
    payload: Result<Payload<ExchangeRequest>, ApiError>,
) -> Response {
    let data = async {
        let by_page = browser?.merchant.is_err();
        let reference = payload?.request.payment_reference;
        if !is_id("PMT_", &reference) {
            return Err(ExchangeRequest::rules()
                .invalid("payment_reference", "text of another form")
                .into());
        }
        let session = sessions::exchange(&app, PLATFORM, &reference, by_page).await?;
        let submission = Submission::new(session, PagePayload::Answer(json!({ "id": reference })));
        let token = tokens::create(&app, submission).await.map_err(not_stored)?;
        Ok((
            json!(listed(&token)).to_string(),
            Some("Network token created successfully"),
        ))
    };
    envelope(data.await)
}

fn not_stored(error: Error) -> Failure {
    let error = ApiError::from(error);
    let reason = match error.rejection() {
        None if error.code() == Code::TokenDeleted => "the token has been deleted",
        Some(rejection) if rejection.code.as_deref() == Some("no_token_returned") => "no token returned",
        Some(rejection) if rejection.name.as_deref() == Some("NOT_VERIFIED") => rejection.message.as_str(),
        Some(_) | None => return error.into(),
    };
    Failure {
        status: error.code().status(),
        message: format!("Failed to create network token: {reason}"),
        log: written(&error),
    }
}

/// Lists all tokens that can be charged, oldest first.
#[utoipa::path(get, operation_id = "sampleListTokens", path = "/list-tokens",
    tag = "gp_api sample", security(("api_key" = ["read"])),
    responses((status = 200, body = SampleTokens), SampleRefused))]
async fn list(State(app): State<App>, merchant: Result<Merchant, ApiError>) -> Response {
    let data = async {
        merchant?;
        let tokens = app.store.active_tokens(PLATFORM).await;
        // The sample appends to a file, so the oldest comes first.
        let data: Vec<SampleToken> = tokens.map_err(ApiError::from)?.iter().map(listed).collect();
        Ok((json!(data).to_string(), None))
    };
    envelope(data.await)
}

/// A token's id in the platform's form.
fn alias(token: &str) -> String {
    format!("PMT_{}", token.strip_prefix("tok_").unwrap_or(token))
}

fn listed(token: &Token) -> SampleToken {
    let time = rfc3339(token.created_at);
    SampleToken {
        id: alias(token.id.as_str()),
        brand: token.brand.as_deref().unwrap_or_default().to_uppercase(),
        masked_card: token.last4.clone(),
        usage_mode: "USE_NETWORK_TOKEN",
        status: "Active",
        created_at: format!("{}+00:00", time.get(..19).unwrap_or(&time)),
    }
}

/// Charges a network token.
#[utoipa::path(post, operation_id = "sampleProcessPayment", path = "/process-payment",
    tag = "gp_api sample", security(("api_key" = ["charge"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes the charge happen once.")),
    request_body = ChargeRequest,
    responses(
        (status = 200, body = SampleCharged),
        (status = 202, body = SampleFailure, description = "The outcome is not known yet. Do not charge again."),
        SampleRefused,
    ))]
async fn charge(
    State(app): State<App>,
    merchant: Result<Merchant, ApiError>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    payload: Result<Payload<ChargeRequest>, ApiError>,
) -> Response {
    let data = async {
        merchant?;
        let key = idempotency_key(&headers)?;
        let Payload { request, fingerprint } = payload?;
        let currency = request.currency.map_or_else(|| "USD".into(), String::from);
        let amount = parse_amount(&plain(&request.amount), &currency)?;
        let id = format!("tok_{}", request.pmt_id.strip_prefix("PMT_").unwrap_or_default());
        let token = tokens::get(&app, &id.into()).await?;
        if token.platform != PLATFORM {
            return Err(Code::TokenNotFound.into());
        }
        let key = key.map(|key| Key {
            scope: Scope::ProcessPayment,
            key,
            fingerprint,
        });
        let answer = charge_stored(&app, token, amount, Some(true), key, request_id).await?;
        paid(&app, &answer.body).await
    };
    envelope(data.await)
}

/// Writes a JSON number as decimal text without an exponent or trailing zeros: `10.00000` and `1e1` become `10`. No
/// digit is lost or rounded. Anything else is returned as it is, to be refused later.
fn plain(text: &str) -> String {
    // Longer than any amount.
    const LONGEST: usize = 40;
    shifted(text)
        .filter(|plain| plain.len() <= LONGEST)
        .unwrap_or_else(|| text.into())
}

fn shifted(text: &str) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    // JSON has no leading zeros, and neither may a text.
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if !digits(whole) || !digits(fraction) || leading_zero || exponent.unsigned_abs() > 20 {
        return None;
    }
    let all = format!("{}{whole}{fraction}{}", "0".repeat(20), "0".repeat(20));
    let point = 20 + whole.len();
    let point = usize::try_from(i32::try_from(point).ok()? + exponent).ok()?;
    let (whole, fraction) = all.split_at_checked(point)?;
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match fraction {
        "" => whole.into(),
        fraction => format!("{whole}.{fraction}"),
    })
}

/// Translates a payment into the sample's answer.
async fn paid<'a>(app: &App, body: &str) -> Result<(String, Option<&'a str>), Failure> {
    let payment: Value = serde_json::from_str(body).unwrap_or_default();
    let word = |name: &str| payment[name].as_str().unwrap_or_default();
    match word("status") {
        "approved" => {
            let stored = app
                .store
                .payment(&word("id").into())
                .await
                .map_err(ApiError::from)?;
            let platform_id = stored.and_then(|payment| payment.platform_payment);
            let data = format!(
                r#"{{"transactionId":{},"status":"SUCCESS","amount":{},"currency":{},"authCode":{},"tokenUsageMode":"USE_NETWORK_TOKEN"}}"#,
                json!(platform_id.as_deref().unwrap_or(word("id"))),
                // Decimal text is a valid JSON number.
                word("amount"),
                json!(word("currency")),
                json!(payment["authorization"].as_str().unwrap_or_default()),
            );
            Ok((data, Some("Payment processed successfully")))
        }
        "declined" => {
            let reason = word_of(&payment["decline"]);
            Err(Failure {
                status: StatusCode::BAD_REQUEST,
                message: format!("Transaction failed: {reason}"),
                log: Written {
                    code: "declined",
                    cause: format!("the bank declined payment {}", word("id")),
                },
            })
        }
        "unknown" => Err(Failure {
            status: StatusCode::ACCEPTED,
            message: format!(
                "Transaction failed: its outcome is not known yet; do not charge again, ask for {}",
                word("id")
            ),
            log: Written {
                code: "unknown",
                cause: format!("the outcome of payment {} is not known yet", word("id")),
            },
        }),
        // A stored error.
        _ => Err(Failure {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            message: format!(
                "{}: {}",
                word("platform_code"),
                payment["platform_message"]
                    .as_str()
                    .unwrap_or("Transaction failed")
            ),
            log: Written {
                code: Code::PlatformRejected.as_str(),
                cause: format!("the platform refused payment {}", word("id")),
            },
        }),
    }
}

/// The bank's reason for people to read, such as "Insufficient funds".
fn word_of(decline: &Value) -> String {
    let reason = decline["reason"].as_str().unwrap_or("declined").replace('_', " ");
    let mut letters = reason.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
