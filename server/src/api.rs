//! The HTTP API: its routes, and the OpenAPI contract that is built from them.

#![expect(
    unused_qualifications,
    reason = "utoipa's macros name the traits of types by their whole path"
)]

mod audit;
mod authentications;
mod card_fields;
mod compat;
mod contract;
mod customers;
mod demo;
mod errors;
mod events;
mod fields;
mod health;
mod notifications;
mod payments;
mod reconciliation;
mod sessions;
mod subscriptions;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, Method, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::{IntoParams, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use card_fields::PAGE as FIELDS_PAGE;
pub(crate) use contract::{operation, scope};

use crate::App;
use crate::error::{ApiError, Code};
use crate::logging;
use crate::payload::is_ordinary;

/// The contract of all routes, in OpenAPI 3.1.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    let mut contract = contract::Document::openapi();
    for routes in RESOURCES {
        contract.merge(routes().into_openapi());
    }
    contract.merge(compat::routes().into_openapi());
    contract::finish(&mut contract);
    contract
}

/// The routes of every server, a resource each. Their part of the contract is megabytes of small blocks, which the process
/// would keep: whoever does not need the whole of it makes one resource after the other and drops what it describes.
const RESOURCES: &[fn() -> OpenApiRouter<App>] = &[
    health,
    sessions,
    tokens,
    customers,
    events,
    authentications,
    payments::routes,
    payments::changes,
    payments::lookups,
    subscriptions::routes,
    reconciliation,
    notifications,
];

fn sessions() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(sessions::create))
        .routes(routes!(sessions::show))
        .routes(routes!(sessions::page))
}

fn tokens() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(tokens::create, tokens::list))
        .routes(routes!(tokens::show, tokens::change, tokens::delete))
        .routes(routes!(tokens::refresh))
}

fn customers() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(customers::erase))
        .routes(routes!(audit::list))
}

fn events() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(events::list))
        .routes(routes!(events::show))
        .routes(routes!(events::replay))
}

fn authentications() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(authentications::create))
        .routes(routes!(authentications::show))
        .routes(routes!(authentications::initiate))
        .routes(routes!(authentications::result))
        // Banks' pages send frames there; it is none of the API.
        .route("/v1/authentications/returns/{step}", post(authentications::back))
}

fn reconciliation() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(reconciliation::show))
}

/// Their addresses are the platforms'; the contract describes them by hand.
fn notifications() -> OpenApiRouter<App> {
    OpenApiRouter::new().route(
        "/v1/notifications/{platform}/{*address}",
        post(notifications::receive).get(notifications::receive_query),
    )
}

/// The health checks.
fn health() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health::show))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// The whole application.
pub fn router(app: &App) -> Router {
    let mut router = RESOURCES
        .iter()
        .fold(Router::new(), |router, routes| {
            router.merge(Router::from(routes()))
        })
        .route("/openapi.json", get(async || contract::serve()))
        .method_not_allowed_fallback(async || ApiError::from(Code::MethodNotAllowed));
    if app.config.compat.gp_network_tokens {
        router =
            router.merge(Router::from(compat::routes()).method_not_allowed_fallback(compat::wrong_method));
    }
    if let Some(fields) = &app.config.fields {
        router = card_fields::mount(router, app, fields);
    }
    router = match &app.config.demo {
        Some(demo) => demo::mount(router, app, demo),
        None => router.fallback(nothing),
    };
    if let Some(base) = &app.config.base_path {
        // Health checks reach the process without the proxy.
        router = Router::from(health()).nest(base, router).fallback(nothing);
    }
    router
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::internal("a handler panicked").into_response()
        }))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(app),
            crate::audit::note,
        ))
        .layer(axum::middleware::from_fn_with_state(
            (app.config.base_path.clone(), Arc::clone(&app.metrics)),
            logging::observe,
        ))
        .layer(cors(app))
        .layer(axum::middleware::from_fn_with_state(
            app.config.allowed_origins.join(", "),
            logging::observe_preflights,
        ))
        .with_state(Arc::clone(app))
}

async fn nothing(State(app): State<App>, method: Method, uri: Uri) -> ApiError {
    let path = uri.path();
    if path.contains("/notifications/") {
        // The path contains a secret.
        return Code::NotFound.into();
    }
    let hint = match (&app.config.base_path, path.find("/v1/")) {
        _ if path.ends_with('/') && path.len() > 1 => "; leave out the slash at the end".into(),
        _ if path.contains("//") => "; its paths have single slashes".into(),
        (Some(base), _) => format!("; its routes stand under {base} (`base_path`)"),
        (None, Some(prefix @ 1..)) => format!(
            "; its routes start with /v1: set `base_path` to {}, or let the proxy remove that prefix",
            logging::printable(path.get(..prefix).unwrap_or_default())
        ),
        (None, _) => "; its routes start with /v1 and stand in /openapi.json".into(),
    };
    ApiError::from(Code::NotFound).detail(&format!(
        "this server has nothing at {method} {}{hint}",
        logging::printable(path)
    ))
}

/// CORS for pages of the configured origins. They never send the API key, so the `Authorization` header is not
/// allowed.
fn cors(app: &App) -> CorsLayer {
    let app = Arc::clone(app);
    let allowed = AllowOrigin::predicate(move |origin, _| app.access.allows_origin(origin.as_bytes()));
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::ACCEPT, header::CONTENT_TYPE, payments::IDEMPOTENCY_KEY])
        .expose_headers([logging::REQUEST_ID, payments::REPLAYED, header::RETRY_AFTER])
        .max_age(Duration::from_secs(600))
}

/// Query parameters of a list.
#[derive(Debug, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
struct PageQuery {
    /// The most items to return.
    #[param(minimum = 1, maximum = 100, default = 20, required = false)]
    limit: u32,
    /// `next` of the previous page.
    #[param(min_length = 1, max_length = 255, nullable = false, value_type = String, required = false)]
    after: Option<String>,
}

/// Query parameter of lists.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the contract")]
struct CustomerQuery {
    /// Only what has this reference of a customer.
    #[param(min_length = 1, max_length = 255, value_type = String, required = false)]
    customer: Option<String>,
}

/// The parsed query of a list.
struct Page {
    limit: u32,
    after: Option<String>,
    filters: Vec<(&'static str, String)>,
}

impl Page {
    /// Reads a query that takes `limit`, `after` and the given filters.
    fn read(query: Option<&str>, filters: &[&'static str]) -> Result<Self, ApiError> {
        let mut page = Self {
            limit: 20,
            after: None,
            filters: Vec::new(),
        };
        let takes = [&["limit", "after"], filters].concat();
        for (name, value) in pairs(query, &takes)? {
            match name {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=100).contains(limit));
                    page.limit = limit.ok_or_else(|| {
                        ApiError::field(Code::FieldInvalid, "limit")
                            .detail("`limit` must be a whole number from 1 to 100, for example 20")
                    })?;
                }
                "after" => page.after = Some(text(name, value)?),
                filter => page.filters.push((filter, text(filter, value)?)),
            }
        }
        Ok(page)
    }

    /// The value of a filter.
    fn filter(&self, name: &str) -> Option<&str> {
        let mut filters = self.filters.iter();
        filters
            .find(|(filter, _)| *filter == name)
            .map(|(_, value)| value.as_str())
    }

    /// The items of this page, and `after` for the next one. `items` has one more than the page if there is a next
    /// page.
    fn cut<T>(&self, mut items: Vec<T>, id: impl Fn(&T) -> &str) -> (Vec<T>, Option<String>) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|last| id(last).to_owned());
        (items, next)
    }
}

/// The parameters of a query, each of them at most once and known to the route.
fn pairs(query: Option<&str>, takes: &[&'static str]) -> Result<Vec<(&'static str, String)>, ApiError> {
    let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(&uri(query)?)
        .map_err(|_| unreadable_query())?
        .0;
    let mut read: Vec<(&'static str, String)> = Vec::new();
    for (name, value) in pairs {
        let Some(known) = takes.iter().find(|known| **known == name) else {
            let takes = format!("the query takes `{}`", takes.join("`, `"));
            return Err(if is_ordinary(&name) {
                let unknown = ApiError::field(Code::UnknownField, &name);
                unknown.detail(&format!("`{name}` is not known here; {takes}"))
            } else {
                ApiError::from(Code::UnknownField).detail(&takes)
            });
        };
        if read.iter().any(|(name, _)| name == known) {
            let error = ApiError::from(Code::DuplicateField);
            return Err(error.detail("a parameter stands in the query twice; send it once"));
        }
        read.push((known, value));
    }
    Ok(read)
}

/// The value of a parameter that is text.
fn text(name: &str, value: String) -> Result<String, ApiError> {
    if (1..=255).contains(&value.chars().count()) && !value.chars().any(char::is_control) {
        return Ok(value);
    }
    Err(ApiError::field(Code::FieldInvalid, name).detail(&format!(
        "`{name}` must be text of 1 to 255 characters without control characters"
    )))
}

fn uri(query: Option<&str>) -> Result<axum::http::Uri, ApiError> {
    let text = format!("/?{}", query.unwrap_or_default());
    text.parse().map_err(|_| unreadable_query())
}

fn unreadable_query() -> ApiError {
    ApiError::from(Code::FieldInvalid)
        .detail("the query is not of the form `name=value&name=value`, percent-encoded")
}

/// A header name.
const fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}
