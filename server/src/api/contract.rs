//! The contract in OpenAPI 3.1, built from the types and routes themselves.
//!
//! It is served at `/openapi.json` and kept in `docs/openapi.json`; a test compares them.

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use axum::http::{Method, header};
use axum::response::{IntoResponse, Response as Answer};
use serde_json::json;
use utoipa::openapi::link::Link;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::Object;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{Modify, OpenApi};

use super::{demo, notifications};
use crate::error::{Code, Problem};
use crate::scope::Scope;

/// The document without its paths, which the routes add.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Cardseal server",
        description = "Sessions, tokens and payments for the Cardseal browser module. Amounts are decimal text. \
                       Every error is `application/problem+json` with a stable `code`.\n\n\
                       With `[demo]` the server also serves the demo page: its files, at all other paths. They are \
                       not part of the API.\n\n\
                       With `base_path`, all paths except `/healthz`, `/livez` and `/readyz` start with it.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        notifications::receive,
        notifications::receive_query,
        notifications::receive_event,
        serve,
        demo::facts,
    ),
    components(schemas(Problem)),
    modifiers(&Keys),
    tags(
        (name = "sessions", description = "Prepares a platform for a card from the browser."),
        (name = "tokens", description = "Stored cards."),
        (name = "authentications", description = "3-D Secure before a charge."),
        (name = "payments", description = "Charges, captures, voids and refunds."),
        (name = "subscriptions", description = "Stored cards that a platform charges every so many months."),
        (name = "customers", description = "Erasure of what refers to a customer."),
        (name = "events", description = "What the merchant's server is told."),
        (name = "audit", description = "Who did what."),
        (name = "notifications", description = "Webhooks of the platforms."),
        (name = "health", description = "Whether the server is ready for requests."),
        (name = "demo", description = "For the demo page."),
        (name = "gp_api sample", description = "The API of Global Payments' network-tokenization sample, with \
                                               `compat.gp_network_tokens`."),
    ),
)]
pub(super) struct Document;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_with(Default::default);
        let mut key = Http::new(HttpAuthScheme::Bearer);
        key.description = Some(
            "The merchant's `api_key`, or a key of `cardseal-server keys` with the scope that the operation names. Never put \
             one into a page."
                .into(),
        );
        components.add_security_scheme("api_key", SecurityScheme::Http(key));
    }
}

/// Adds what all operations have in common, and what the derived document lacks.
pub(super) fn finish(document: &mut utoipa::openapi::OpenApi) {
    // Texts in requests have a length limit and no control characters. Every text is checked for both.
    let schemas = document
        .components
        .iter_mut()
        .flat_map(|all| all.schemas.values_mut());
    for schema in schemas.filter_map(object) {
        plain(schema);
        schema.properties.values_mut().filter_map(object).for_each(plain);
    }
    for operation in operations(document) {
        link(operation);
        for (status, response) in &mut operation.responses.responses {
            if let RefOr::T(response) = response
                && response.description.is_empty()
            {
                response.description = if status == "201" { "Created." } else { "Done." }.into();
            }
        }
        // A body that is optional must still not be null.
        let Some(RefOr::T(body)) = &mut operation.request_body else {
            continue;
        };
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content
                && let Some(RefOr::T(Schema::OneOf(either))) = &content.schema
                && let Some(given) = either.items.first()
            {
                content.schema = Some(given.clone());
            }
        }
    }
}

/// The scope that an operation needs, and its name.
struct Needs {
    scope: Scope,
    name: String,
}

/// What each operation needs, by path and method.
static NEEDS: LazyLock<HashMap<String, Vec<(Method, Needs)>>> = LazyLock::new(|| {
    let mut all: HashMap<String, Vec<(Method, Needs)>> = HashMap::new();
    let resources = super::RESOURCES
        .iter()
        .copied()
        .chain([super::compat::routes as fn() -> _]);
    for (path, item) in resources.flat_map(|routes| routes().into_openapi().paths.paths) {
        for (method, operation) in [
            (Method::GET, item.get),
            (Method::POST, item.post),
            (Method::PATCH, item.patch),
            (Method::DELETE, item.delete),
        ] {
            let Some(operation) = operation else { continue };
            let Some(scope) = scope_of(&operation) else {
                continue;
            };
            let name = operation.operation_id.unwrap_or_default();
            all.entry(path.clone())
                .or_default()
                .push((method, Needs { scope, name }));
        }
    }
    all
});

/// The scope that an operation needs. What is not in the contract needs everything.
pub(crate) fn scope(method: &Method, path: &str) -> Scope {
    // As routers serve it.
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    needs(method, path).map_or(Scope::Admin, |needs| needs.scope)
}

/// The name of an operation that needs a key.
pub(crate) fn operation(method: &Method, path: &str) -> Option<&'static str> {
    Some(needs(method, path)?.name.as_str())
}

/// What the operation of a route needs. Every request with a key asks, so it allocates nothing.
fn needs(method: &Method, path: &str) -> Option<&'static Needs> {
    let operations = NEEDS.get(path)?;
    let mut operations = operations.iter();
    operations.find(|(own, _)| own == method).map(|(_, needs)| needs)
}

fn scope_of(operation: &Operation) -> Option<Scope> {
    let all = serde_json::to_value(operation.security.as_ref()?).ok()?;
    let word = all
        .as_array()?
        .iter()
        .find_map(|one| one["api_key"][0].as_str())?;
    Scope::ALL.iter().copied().find(|scope| scope.as_str() == word)
}

fn operations(document: &mut utoipa::openapi::OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.post, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
    })
}

/// Operations that take the id of a token.
const OF_TOKEN: &[&str] = &["showToken", "changeToken", "refreshToken", "deleteToken"];
/// Operations that take the id of a payment.
const OF_PAYMENT: &[&str] = &[
    "showPayment",
    "capturePayment",
    "voidPayment",
    "refundPayment",
    "refreshPayment",
    "resolvePayment",
];
/// Operations that take the id of an authentication.
const OF_AUTHENTICATION: &[&str] = &[
    "showAuthentication",
    "initiateAuthentication",
    "showAuthenticationResult",
];
/// Operations that take the id of a subscription.
const OF_SUBSCRIPTION: &[&str] = &[
    "showSubscription",
    "changeSubscription",
    "cancelSubscription",
    "refreshSubscription",
    "paySubscription",
    "listSubscriptionPayments",
];
/// Operations that take the id of an event.
const OF_EVENT: &[&str] = &["showEvent", "replayEvent"];

/// What can be done with what an operation answers.
fn link(operation: &mut Operation) {
    let id = "$response.body#/id";
    let targets = match operation.operation_id.as_deref().unwrap_or_default() {
        "createSession" => &["showSession", "showSessionPage"],
        "createToken" | "changeToken" | "refreshToken" => OF_TOKEN,
        "createAuthentication" => OF_AUTHENTICATION,
        "createSubscription" | "changeSubscription" | "refreshSubscription" => OF_SUBSCRIPTION,
        "createPayment" | "paySubscription" | "capturePayment" | "refundPayment" | "refreshPayment" => {
            OF_PAYMENT
        }
        "replayEvent" => OF_EVENT,
        _ => return,
    };
    let responses = operation.responses.responses.iter_mut();
    for (_, response) in responses.filter(|(status, _)| status.starts_with('2')) {
        let RefOr::T(response) = response else { continue };
        for target in targets {
            let link = Link::builder().operation_id(*target).parameter("id", id);
            response.links.insert((*target).into(), RefOr::T(link.build()));
        }
        if targets == OF_TOKEN {
            let body = json!({ "token": id, "amount": "12.34", "currency": "USD" });
            let link = Link::builder().operation_id("createPayment");
            let link = link.request_body(Some(body)).build();
            response.links.insert("createPayment".into(), RefOr::T(link));
        }
    }
}

/// No control characters.
const PLAIN: &str = r"^[^\x00-\x1f\x7f-\x9f]*$";

fn plain(text: &mut Object) {
    if text.max_length.is_some() && text.pattern.is_none() {
        text.pattern = Some(PLAIN.into());
    }
}

fn object(schema: &mut RefOr<Schema>) -> Option<&mut Object> {
    match schema {
        RefOr::T(Schema::Object(object)) => Some(object),
        RefOr::T(_) | RefOr::Ref(_) => None,
    }
}

/// This document.
#[utoipa::path(get, operation_id = "describe", path = "/openapi.json", tag = "health",
    responses((status = 200, body = Object)))]
pub(super) fn serve() -> Answer {
    // As an object the contract takes megabytes, and few ever ask for it.
    static TEXT: LazyLock<String> = LazyLock::new(|| super::openapi().to_json().unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

/// Errors of any call.
pub(super) const ALWAYS: &[Code] = &[Code::Internal];
/// Errors of any call that needs the API key.
pub(super) const MERCHANT: &[Code] = &[
    Code::ApiKeyMissing,
    Code::ApiKeyInvalid,
    Code::ApiKeyRevoked,
    Code::ApiKeyExpired,
    Code::ApiKeyScope,
    Code::OriginNotAllowed,
    Code::RateLimited,
];
/// Errors of calls with a body.
pub(super) const BODY: &[Code] = &[
    Code::BadJson,
    Code::DuplicateField,
    Code::BodyTooLarge,
    Code::RequestTimeout,
    Code::UnsupportedMediaType,
    Code::UnknownField,
    Code::FieldMissing,
    Code::FieldType,
    Code::FieldInvalid,
    Code::ClearCardData,
];
/// Errors of calls with a query.
pub(super) const QUERY: &[Code] = &[Code::DuplicateField, Code::UnknownField, Code::FieldInvalid];
/// Errors of calls that need the database.
pub(super) const STORE: &[Code] = &[Code::StorageUnavailable, Code::RecordUnreadable];
/// Errors of calls to a platform.
pub(super) const PLATFORM: &[Code] = &[
    Code::PlatformUnavailable,
    Code::PlatformBusy,
    Code::PlatformTimeout,
    Code::PlatformAnswerInvalid,
    Code::PlatformRejected,
    Code::PlatformSetup,
    Code::SignatureInvalid,
    Code::NotOffered,
];
/// Errors of calls that send a card.
pub(super) const CARD: &[Code] = &[
    Code::CardDeclined,
    Code::SessionNotFound,
    Code::SessionExpired,
    Code::SessionUsed,
    Code::SessionWrongKind,
    Code::TooManyAttempts,
    Code::IdempotencyInProgress,
    Code::PageOpen,
    Code::PageCancelled,
    Code::HandedSignatureInvalid,
    Code::SealedOversized,
    Code::SealedMalformed,
    Code::SealedAlgorithm,
    Code::SealedKeyUnknown,
    Code::SealedWrongSession,
    Code::SealedExpired,
    Code::SealedEphemeralKey,
    Code::SealedChanged,
    Code::SealedNotACard,
    Code::TokenNotFound,
    Code::TokenDeleted,
    Code::TokenBelongsElsewhere,
];

/// The errors of an operation, by status.
pub(super) fn by_status(groups: &[&[Code]]) -> BTreeMap<String, RefOr<Response>> {
    let mut statuses: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in groups.iter().copied().flatten().chain(ALWAYS) {
        let codes = statuses.entry(code.status().as_u16()).or_default();
        if !codes.contains(code) {
            codes.push(*code);
        }
    }
    statuses
        .into_iter()
        .map(|(status, codes)| (status.to_string(), RefOr::T(refusal(&codes))))
        .collect()
}

fn refusal(codes: &[Code]) -> Response {
    let lines: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`: {}", code.as_str(), code.title()))
        .collect();
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let schema: Option<RefOr<Schema>> = serde_json::from_value(json!({
        "allOf": [
            { "$ref": "#/components/schemas/Problem" },
            { "type": "object", "properties": { "code": { "type": "string", "enum": words } } },
        ],
    }))
    .ok();
    ResponseBuilder::new()
        .description(lines.join("\n\n"))
        .content(
            "application/problem+json",
            ContentBuilder::new().schema(schema).build(),
        )
        .build()
}

/// Declares the errors of operations.
macro_rules! refusals {
    ($($(#[doc = $doc:literal])+ $name:ident = $($group:ident)|* [$($code:ident),* $(,)?];)+) => {$(
        $(#[doc = $doc])+
        pub(super) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses()
            -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                $crate::api::contract::by_status(&[
                    $($crate::api::contract::$group,)*
                    &[$($crate::error::Code::$code),*],
                ])
            }
        }
    )+};
}
pub(super) use refusals;
