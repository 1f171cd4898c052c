//! Finds the route of a request by axum's router, and takes the request through what every platform has: CORS for
//! pages, the limit of the body, faults.

use std::collections::BTreeSet;
use std::iter::zip;
use std::sync::Arc;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::OriginalUri;
use axum::http::header::{AUTHORIZATION, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use percent_encoding::percent_decode_str;
use tower::ServiceExt;

use super::{Platform, Settings, cors};

/// Longer bodies are refused. Those of the platforms' clients are small; orders may list products.
pub(crate) const MAX_BODY: usize = 256 * 1024;

/// A path whose sub-paths all belong to the platform, unknown ones included.
pub(crate) struct Mount<O: 'static> {
    at: &'static str,
    pub(super) tables: &'static [Table<O>],
    pages: bool,
    lenient: bool,
}

impl<O> Mount<O> {
    pub(crate) const fn new(at: &'static str, tables: &'static [Table<O>]) -> Self {
        Self {
            at,
            tables,
            pages: false,
            lenient: false,
        }
    }

    /// Lets pages call unknown paths as well.
    pub(crate) const fn for_pages(self) -> Self {
        Self { pages: true, ..self }
    }

    /// Ignores slashes at the end of a path, and doubled ones.
    pub(crate) const fn lenient(self) -> Self {
        Self {
            lenient: true,
            ..self
        }
    }
}

/// Routes with one prefix.
pub(crate) struct Table<O: 'static> {
    prefix: &'static str,
    pub(super) routes: &'static [Route<O>],
    /// Whether pages may call them.
    pages: bool,
}

impl<O> Table<O> {
    pub(crate) const fn new(prefix: &'static str, routes: &'static [Route<O>]) -> Self {
        Self {
            prefix,
            routes,
            pages: false,
        }
    }

    /// Lets pages call the routes.
    pub(crate) const fn for_pages(self) -> Self {
        Self { pages: true, ..self }
    }
}

/// A method and a path, and what they do.
pub(crate) struct Route<O: 'static> {
    /// The name that faults use.
    pub(crate) name: &'static str,
    pub(crate) method: Method,
    /// Below the prefix of its table.
    pub(crate) path: &'static str,
    pub(crate) operation: O,
}

/// A table of routes, one per line: method, name for faults, path, operation.
macro_rules! routes {
    ($($method:ident $name:literal $path:literal => $operation:expr;)+) => {
        &[$($crate::host::Route {
            name: $name,
            method: axum::http::Method::$method,
            path: $path,
            operation: $operation,
        }),+]
    };
}

pub(crate) use routes;

/// A request whose route is known.
pub(crate) struct Request<O: 'static> {
    pub(crate) route: &'static Route<O>,
    params: Vec<(String, String)>,
    pub(crate) method: Method,
    /// As the client sent it.
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl<O> Request<O> {
    /// A variable of the path; empty if it has none of this name.
    pub(crate) fn param(&self, name: &str) -> &str {
        let mut params = self.params.iter();
        params
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header(AUTHORIZATION.as_str())?.strip_prefix("Bearer ")
    }

    pub(crate) fn query(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }
}

/// A request without a route.
pub(crate) struct Unrouted {
    /// As the client sent it.
    pub(crate) uri: Uri,
    /// The values of the path's variables if the path is known, and the method is not.
    pub(crate) known_path: Option<Vec<String>>,
}

/// The platform's routes below its mounts.
pub(super) fn router<P: Platform>(platform: &Arc<P>) -> Router {
    P::MOUNTS.iter().fold(Router::new(), |router, mount| {
        let routes = below(platform, mount);
        if mount.lenient {
            router.nest_service(mount.at, routes.map_request(without_empty_segments))
        } else {
            router.nest(mount.at, routes)
        }
    })
}

/// A route below its mount.
struct Mounted<O: 'static> {
    path: String,
    page: bool,
    route: &'static Route<O>,
}

impl<O> Mounted<O> {
    /// Whether a request for another route's path fits this one's as well.
    fn covers(&self, path: &str) -> bool {
        self.path.split('/').count() == path.split('/').count()
            && zip(self.path.split('/'), path.split('/'))
                .all(|(own, other)| own == other || variable(own).is_some())
    }
}

fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn below<P: Platform>(platform: &Arc<P>, mount: &'static Mount<P::Operation>) -> Router {
    let tables = mount.tables.iter();
    let all = tables.flat_map(|table| {
        table.routes.iter().map(|route| Mounted {
            path: format!("{}{}", table.prefix, route.path),
            page: table.pages,
            route,
        })
    });
    let all: Arc<[Mounted<P::Operation>]> = all.collect();
    let paths: BTreeSet<&str> = all.iter().map(|route| route.path.as_str()).collect();
    let router = paths.into_iter().fold(Router::new(), |router, path| {
        let (platform, all, own) = (platform.clone(), all.clone(), path.to_owned());
        // Not axum's method router, which answers HEAD as GET, and an unknown method with `Allow`.
        let handler = async move |request: axum::extract::Request| {
            // `GET /things/search` is the thing `search` where `search` is only posted to.
            let routes = || all.iter().filter(|route| route.covers(&own));
            let page = routes().any(|route| route.page);
            let of_method = routes().filter(|route| route.route.method == request.method());
            match of_method.min_by_key(|route| route.path != own) {
                Some(route) => receive(platform, route, page, request).await,
                None => unrouted(platform, page, Some(&own), request).await,
            }
        };
        router.route(path, any(handler))
    });
    let platform = platform.clone();
    router.fallback(async move |request| unrouted(platform, mount.pages, None, request).await)
}

async fn receive<P: Platform>(
    platform: Arc<P>,
    mounted: &Mounted<P::Operation>,
    page: bool,
    request: axum::extract::Request,
) -> Response {
    let route = mounted.route;
    let (parts, body) = request.into_parts();
    let origin = allowed_origin(&*platform, page, &parts.headers);
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let response = platform.too_large().into_response();
        return cors::share(response, origin);
    };
    let request = Request {
        route,
        params: params(&mounted.path, parts.uri.path()).collect(),
        method: parts.method.clone(),
        uri: original_uri(&parts),
        headers: parts.headers,
        body,
    };
    // In a task of its own, as the platform goes on when its caller has lost patience.
    let response = tokio::spawn(async move {
        let accepts = request.headers.clone();
        let fault = platform.host().shared.faults.take(P::ID, route.name);
        let response = platform.clone().serve(request, fault).await;
        platform.encode(&accepts, response).await
    });
    let response = response
        .await
        .unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response());
    cors::share(response, origin)
}

async fn unrouted<P: Platform>(
    platform: Arc<P>,
    page: bool,
    path: Option<&str>,
    request: axum::extract::Request,
) -> Response {
    let (parts, _body) = request.into_parts();
    let origin = allowed_origin(&*platform, page, &parts.headers);
    if parts.method == Method::OPTIONS && origin.is_some() {
        return cors::share(cors::preflight(P::PAGE_ACCESS, &parts.headers), origin);
    }
    let values = |path| params(path, parts.uri.path()).map(|(_, value)| value);
    let request = Unrouted {
        uri: original_uri(&parts),
        known_path: path.map(|path| values(path).collect()),
    };
    let response = platform.unrouted(&request).into_response();
    cors::share(platform.encode(&parts.headers, response).await, origin)
}

/// The origin of a page that may read the response.
fn allowed_origin<P: Platform>(platform: &P, page: bool, headers: &HeaderMap) -> Option<HeaderValue> {
    let origin = headers.get(ORIGIN).filter(|_| page)?;
    let text = origin.to_str().ok()?;
    platform
        .host()
        .with(|ledger| cors::allows(ledger.settings.cors_origins(), text))
        .then(|| origin.clone())
}

/// The variables of a path, percent-decoded.
fn params(pattern: &str, path: &str) -> impl Iterator<Item = (String, String)> {
    zip(pattern.split('/'), path.split('/')).filter_map(|(own, given)| {
        let value = percent_decode_str(given).decode_utf8_lossy();
        Some((variable(own)?.to_owned(), value.into_owned()))
    })
}

/// The URI with the mount, which nesting strips.
fn original_uri(parts: &Parts) -> Uri {
    let original = parts.extensions.get::<OriginalUri>();
    original.map_or_else(|| parts.uri.clone(), |OriginalUri(uri)| uri.clone())
}

fn without_empty_segments(mut request: axum::extract::Request) -> axum::extract::Request {
    let uri = request.uri();
    let segments = uri.path().split('/').filter(|segment| !segment.is_empty());
    let mut target: String = segments.flat_map(|segment| ["/", segment]).collect();
    if target.is_empty() {
        target.push('/');
    }
    if let Some(query) = uri.query() {
        target = format!("{target}?{query}");
    }
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = PathAndQuery::try_from(target).ok();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    request
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    #[test]
    fn reads_the_variables_of_a_path() {
        let route = Mounted {
            path: "/things/{id}/parts/{part}".into(),
            page: false,
            route: &Route {
                name: "",
                method: Method::GET,
                path: "",
                operation: (),
            },
        };
        assert!(route.covers("/things/search/parts/{part}"));
        assert!(!route.covers("/things/search") && !route.covers("/things/a/b/c"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            params(&route.path, "/things/a%2Fb/parts/%ff").collect::<Vec<_>>(),
            [pair("id", "a/b"), pair("part", "\u{fffd}")]
        );
    }

    #[test]
    fn drops_empty_segments() {
        for (given, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/a//b/", "/a/b"),
            ("/a/b?c=/d//", "/a/b?c=/d//"),
        ] {
            let request = axum::http::Request::get(given).body(Body::empty()).unwrap();
            let target = without_empty_segments(request).uri().to_string();
            assert_eq!(target, expected);
        }
    }
}
