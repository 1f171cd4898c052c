//! The table of routes.

mod compat;
mod demo;
mod health;
mod notifications;
mod payments;
mod sessions;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::App;
use crate::error::{ApiError, Code};
use crate::logging;

/// The whole application.
pub fn router(app: &App) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(health::show))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/v1/sessions", post(sessions::create))
        .route("/v1/sessions/{id}", get(sessions::show))
        .route("/v1/tokens", post(tokens::create).get(tokens::list))
        .route(
            "/v1/tokens/{id}",
            get(tokens::show).patch(tokens::change).delete(tokens::delete),
        )
        .route("/v1/tokens/{id}/refresh", post(tokens::refresh))
        .route("/v1/payments", post(payments::create).get(payments::list))
        .route("/v1/payments/{id}", get(payments::show))
        .route("/v1/payments/{id}/capture", post(payments::capture))
        .route("/v1/payments/{id}/refresh", post(payments::refresh))
        .route("/v1/payments/{id}/void", post(payments::void))
        .route("/v1/payments/{id}/refund", post(payments::refund))
        .route("/v1/payments/{id}/resolve", post(payments::resolve))
        .route(
            "/v1/notifications/{platform}/{*address}",
            post(notifications::receive).get(notifications::receive_query),
        )
        .method_not_allowed_fallback(async || ApiError::from(Code::MethodNotAllowed));
    if app.config.compat.gp_network_tokens {
        router = compat::mount(router);
    }
    router = match &app.config.demo {
        Some(demo) => demo::mount(router, app, demo),
        None => router.fallback(nothing),
    };
    router
        .layer(CatchPanicLayer::custom(|_| {
            ApiError::internal("a handler panicked").into_response()
        }))
        .layer(axum::middleware::from_fn(logging::observe))
        .layer(cors(app))
        .layer(axum::middleware::from_fn(logging::observe_preflights))
        .with_state(Arc::clone(app))
}

async fn nothing() -> ApiError {
    Code::NotFound.into()
}

/// For pages of the configured origins. They never send the merchant's key, so that header is not allowed.
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

/// Query of the lists.
struct Page {
    limit: u32,
    after: Option<String>,
    customer: Option<String>,
}

impl Page {
    fn read(query: Option<&str>) -> Result<Self, ApiError> {
        let mut page = Self {
            limit: 20,
            after: None,
            customer: None,
        };
        let pairs: Vec<(String, String)> = axum::extract::Query::try_from_uri(&uri(query)?)
            .map_err(|_| ApiError::from(Code::FieldInvalid))?
            .0;
        let mut seen = Vec::new();
        for (name, value) in pairs {
            if seen.contains(&name) {
                return Err(Code::DuplicateField.into());
            }
            let valid = (1..=255).contains(&value.chars().count()) && !value.chars().any(char::is_control);
            match name.as_str() {
                "limit" => {
                    let limit = value.parse().ok().filter(|limit| (1..=100).contains(limit));
                    page.limit = limit.ok_or_else(|| ApiError::field(Code::FieldInvalid, "limit"))?;
                }
                "after" if valid => page.after = Some(value),
                "customer" if valid => page.customer = Some(value),
                "after" => return Err(ApiError::field(Code::FieldInvalid, "after")),
                "customer" => return Err(ApiError::field(Code::FieldInvalid, "customer")),
                _ => return Err(Code::UnknownField.into()),
            }
            seen.push(name);
        }
        Ok(page)
    }
}

fn uri(query: Option<&str>) -> Result<axum::http::Uri, ApiError> {
    let text = format!("/?{}", query.unwrap_or_default());
    text.parse().map_err(|_| Code::FieldInvalid.into())
}

/// The page and where the next one begins.
fn listed(mut data: Vec<serde_json::Value>, limit: u32) -> axum::Json<serde_json::Value> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = data.len() > limit;
    data.truncate(limit);
    let next = data.last().filter(|_| more).map(|last| last["id"].clone());
    axum::Json(serde_json::json!({ "data": data, "next": next }))
}

/// A header that is ours.
const fn name(text: &'static str) -> HeaderName {
    HeaderName::from_static(text)
}
