//! The isolated fields: the page that shops show in a frame, with a strict Content-Security-Policy of its own.

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use tower_http::services::ServeDir;

use super::demo::connect_sources;
use crate::App;
use crate::config::Fields;

/// The page, in the folder of the package.
pub(crate) const PAGE: &str = "card-fields.html";

/// What the fields never use.
const PERMISSIONS: &str = "accelerometer=(), camera=(), clipboard-read=(), clipboard-write=(), display-capture=(), \
    fullscreen=(), geolocation=(), gyroscope=(), hid=(), magnetometer=(), microphone=(), midi=(), payment=(), \
    publickey-credentials-get=(), serial=(), usb=(), xr-spatial-tracking=()";

/// Adds the fields to the routes, below `/fields`.
pub(super) fn mount(router: Router<App>, app: &App, fields: &Fields) -> Router<App> {
    let policy =
        HeaderValue::from_str(&policy(app, fields)).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let settings = json!({
        "parents": fields.parents,
        "server": app.config.base_path.as_deref().unwrap_or_default(),
    })
    .to_string();
    let files = Router::new()
        .route(
            "/card-fields.json",
            get(async move || ([(header::CONTENT_TYPE, "application/json")], settings)),
        )
        .fallback_service(ServeDir::new(&fields.pkg).append_index_html_on_directories(false))
        .layer(from_fn(move |request, next| guard(request, next, policy.clone())));
    router.nest("/fields", files)
}

/// The Content-Security-Policy. Nothing but our own scripts and styles, and calls to this server and to platforms; and
/// only the shop's pages may be around it.
fn policy(app: &App, fields: &Fields) -> String {
    let connect = connect_sources(app);
    let parents = fields.parents.join(" ");
    format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; connect-src {connect}; \
         frame-ancestors {parents}; form-action 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'"
    )
}

async fn guard(request: Request, next: Next, policy: HeaderValue) -> Response {
    let page = request.uri().path().ends_with(PAGE);
    let mut response = next.run(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        response = (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
    }
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(super::name(name), HeaderValue::from_static(value));
    };
    set("referrer-policy", "no-referrer");
    set("permissions-policy", PERMISSIONS);
    // The page has to be readable for a shop that isolates itself, and its files for nobody but the page.
    set(
        "cross-origin-resource-policy",
        if page { "cross-origin" } else { "same-origin" },
    );
    set("cross-origin-embedder-policy", "require-corp");
    set("cross-origin-opener-policy", "same-origin");
    // A process of its own, also where the shop is of the same site.
    set("origin-agent-cluster", "?1");
    set("x-dns-prefetch-control", "off");
    // Browsers always revalidate, so that a fixed package is used at once. An unchanged file costs one 304.
    set("cache-control", "no-cache");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
