//! The demo page: its files with a strict Content-Security-Policy, and the data for its banner.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::{Map, Value};
use tower_http::services::{ServeDir, ServeFile};
use utoipa::ToSchema;

use super::contract::refusals;
use crate::App;
use crate::config::Demo;

refusals! {
    /// Without the demo.
    Refused = [NotFound];
}

/// Adds the demo page to the routes.
pub(super) fn mount(router: Router<App>, app: &App, demo: &Demo) -> Router<App> {
    let policy =
        HeaderValue::from_str(&policy(app)).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    let files = Router::new()
        .nest_service("/pkg", ServeDir::new(&demo.pkg))
        // Where a platform's form sends the customer back, with its answer as the rest of the path.
        .nest_service("/return", ServeFile::new(demo.www.join("index.html")))
        .fallback_service(ServeDir::new(&demo.www))
        .layer(axum::middleware::map_response(move |response| {
            guard(response, policy.clone())
        }));
    router
        .route("/v1/demo", get(facts))
        .route("/v1/{*rest}", get(super::nothing))
        .fallback_service(files)
}

/// The Content-Security-Policy. Scripts, styles and calls are our own only, except that the page calls platforms in
/// the direct mode, and some platforms have a card form in a frame with a script of theirs.
fn policy(app: &App) -> String {
    let connect = connect_sources(app);
    let mut scripts = String::from("'self' 'wasm-unsafe-eval'");
    let mut frames = String::new();
    for account in app.config.platforms.values() {
        if let Some(frame) = account.gateway.frame()
            && let Some(origin) = origin(frame.pages)
        {
            add(&mut scripts, frame.script);
            add(&mut frames, origin);
        }
    }
    // The page shows isolated fields from the server's other name.
    for origin in app.config.fields.iter().flat_map(|fields| &fields.parents) {
        add(&mut frames, origin);
    }
    if frames.is_empty() {
        frames.push_str("'none'");
    }
    format!(
        "default-src 'none'; script-src {scripts}; style-src 'self'; img-src 'self' data:; connect-src {connect}; \
         frame-src {frames}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
}

/// What a page with a card form calls: this server, and the platforms in the direct mode.
pub(super) fn connect_sources(app: &App) -> String {
    let mut sources = String::from("'self'");
    for account in app.config.platforms.values() {
        for origin in account.gateway.browser_urls().into_iter().filter_map(origin) {
            add(&mut sources, origin);
        }
    }
    sources
}

/// Adds a source to a list of them, once.
fn add(list: &mut String, source: &str) {
    if !list.split(' ').any(|known| known == source) {
        if !list.is_empty() {
            list.push(' ');
        }
        list.push_str(source);
    }
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let end = url.get(host..)?.find('/').map_or(url.len(), |path| host + path);
    url.get(..end)
}

async fn guard(mut response: Response, policy: HeaderValue) -> Response {
    if response.status() == StatusCode::NOT_FOUND {
        response = (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        super::name("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    );
    // Browsers always revalidate, so that they see a rebuilt package. An unchanged file costs one 304.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The data of the demo page.
#[derive(Serialize, ToSchema)]
pub(super) struct DemoFacts {
    /// True.
    demo: bool,
    /// The ids of the platforms, in the order of the page.
    #[schema(value_type = Vec<String>)]
    offered: Vec<&'static str>,
    /// The public settings of each platform, and whether it is a sandbox.
    platforms: Map<String, Value>,
    /// The settings of the first platform again.
    #[serde(flatten)]
    first: Map<String, Value>,
}

/// Returns the platforms that the demo page offers.
///
/// Only with `[demo]`. It serves that page alone and may change with it.
#[utoipa::path(get, operation_id = "demo", path = "/v1/demo", tag = "demo",
    responses((status = 200, body = DemoFacts), Refused))]
pub(super) async fn facts(State(app): State<App>) -> Json<DemoFacts> {
    let mut first = Map::new();
    let mut platforms = Map::new();
    for (id, account) in app.config.platforms() {
        let mut of = account.gateway.public_settings();
        of.insert("sandbox".into(), (!account.gateway.capabilities().live).into());
        if first.is_empty() {
            first.clone_from(&of);
        }
        platforms.insert(id.id().into(), Value::Object(of));
    }
    let offered = app
        .config
        .platforms()
        .into_iter()
        .map(|(id, _)| id.id())
        .collect();
    Json(DemoFacts {
        demo: true,
        offered,
        platforms,
        first,
    })
}
