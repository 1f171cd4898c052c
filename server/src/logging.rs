//! Gives each request an id and a log line, and writes the bodies of errors.
//!
//! A line has the method, the route's pattern, the status, the duration, and the code and cause of an error. It never
//! has a body, a header or a path with its values. Refused preflights are the exception: their line has what the
//! browser asked for, and the path if no route matches it.

use std::io::BufWriter;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use cardseal::redact::line;
use tracing::Instrument;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use crate::config::Config;
use crate::error::{ApiError, Code};
use crate::metrics::Metrics;
use crate::traces::TARGET;
#[cfg(feature = "otlp")]
use crate::traces::{self, Traces};

/// The id of a request.
#[derive(Clone)]
pub struct RequestId(pub String);

/// The header that carries it.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How many lines wait for a slow reader of the log. Further ones are dropped and counted.
const WAITING_LINES: usize = 8192;
/// How many bytes are written at once if lines come faster than they can be written.
const WRITTEN_AT_ONCE: usize = 64 * 1024;

/// Counts the lines that were dropped.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Changes the level of the log while the server runs.
static LEVEL: OnceLock<reload::Handle<LevelFilter, Registry>> = OnceLock::new();

/// Writes the last lines, and sends the last spans, when it is dropped.
pub struct Log {
    #[cfg(feature = "otlp")]
    traces: Option<Arc<Traces>>,
    _lines: WorkerGuard,
}

impl Drop for Log {
    fn drop(&mut self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = &self.traces {
            traces.stop();
        }
    }
}

fn level(word: &str) -> LevelFilter {
    match word {
        "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        _ => LevelFilter::INFO,
    }
}

/// Logs from now on what this level has.
pub(crate) fn set_level(word: &str) {
    if let Some(handle) = LEVEL.get() {
        // It can only fail without a log.
        let _ = handle.reload(level(word));
    }
}

/// Sends logs to standard error until the guard is dropped, which writes the last lines.
///
/// A thread of its own writes them: no request waits for whoever reads the log. A process that is killed may lose the
/// lines of its last moments.
pub fn start(config: &Config) -> Log {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(BufWriter::with_capacity(WRITTEN_AT_ONCE, std::io::stderr()));
    let _ = DROPPED.set(writer.error_counter());
    let (filter, handle) = reload::Layer::new(level(config.log_level));
    let lines = tracing_subscriber::fmt::layer()
        // Otherwise an event that cannot be written is reported on standard error by a macro that panics if that
        // fails as well: a full disk under the log would end the task that logs.
        .log_internal_errors(false)
        .with_writer(writer);
    let lines = if config.json_logs {
        lines.json().flatten_event(true).with_span_list(false).boxed()
    } else {
        lines.with_ansi(false).boxed()
    };
    // Spans that are only for traces would be in every line.
    let in_log = filter_fn(|metadata| metadata.target() != TARGET);
    let lines = lines.with_filter(filter.and(in_log));
    #[cfg(feature = "otlp")]
    let traces = config.traces.as_ref().and_then(Traces::start);
    #[cfg(feature = "otlp")]
    let spans = traces.as_ref().map(|traces| traces.layer());
    #[cfg(not(feature = "otlp"))]
    let spans: Option<LevelFilter> = None;
    // A second start, as in tests, keeps the first one.
    if tracing_subscriber::registry()
        .with(lines)
        .with(spans)
        .try_init()
        .is_ok()
    {
        let _ = LEVEL.set(handle);
    }
    Log {
        #[cfg(feature = "otlp")]
        traces,
        _lines: guard,
    }
}

/// How many lines were dropped since the start.
pub(crate) fn dropped() -> u64 {
    let lines = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
    u64::try_from(lines).unwrap_or(u64::MAX)
}

/// Logs how many lines were dropped, if any were since `before`. Returns the total.
pub(crate) fn report_dropped(before: usize) -> usize {
    let total = DROPPED.get().map_or(0, ErrorCounter::dropped_lines);
    if total > before {
        tracing::warn!(
            lines = total - before,
            "lines of the log were dropped because it is read too slowly"
        );
    }
    total
}

/// The logger for a gateway's calls to its platform.
pub fn platform_calls(platform: &'static str) -> Arc<dyn Fn(&str) + Send + Sync> {
    // As a field, so that line ends are escaped.
    Arc::new(move |call| tracing::info!(platform, call, "platform call"))
}

/// An error whose body a route wrote itself, for the log.
#[derive(Clone)]
pub(crate) struct Written {
    /// The stable code.
    pub(crate) code: &'static str,
    /// What happened and what to check.
    pub(crate) cause: String,
}

/// Middleware that gives a request its id, logs it, and writes the body of an error.
pub(crate) async fn observe(
    State((base, metrics)): State<(Option<String>, Arc<Metrics>)>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = uuid::Uuid::new_v4().simple().to_string();
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
        .to_owned();
    let path = within(base.as_deref(), request.uri().path());
    let api = path.starts_with("/v1/") || matches!(path, "/healthz" | "/livez" | "/readyz");
    let span = tracing::info_span!("request", request_id = %id);
    #[cfg(feature = "otlp")]
    traces::begin(&span, &method, &route, request.headers());
    let started = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;

    let mut error = response.extensions_mut().remove::<ApiError>();
    if error.is_none() && api {
        // Errors of the framework itself do not have our body yet.
        error = match response.status() {
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST if !has_json(&response) => {
                Some(Code::NotFound.into())
            }
            StatusCode::METHOD_NOT_ALLOWED => Some(Code::MethodNotAllowed.into()),
            _ => None,
        };
    }
    if let Some(error) = &error {
        let headers = std::mem::take(response.headers_mut());
        response = error.response(&id);
        for (name, value) in &headers {
            if !matches!(*name, header::CONTENT_TYPE | header::CONTENT_LENGTH) {
                response.headers_mut().append(name, value.clone());
            }
        }
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if api {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );

    let status = response.status().as_u16();
    let took = started.elapsed();
    let duration_ms = took.as_millis();
    let written = response.extensions_mut().remove::<Written>();
    let (code, cause) = match (&error, &written) {
        // Without an internal cause, log the detail that the caller gets: it says what to check.
        (Some(error), _) => (
            error.code().as_str(),
            error.cause().unwrap_or(error.detail_text()),
        ),
        (None, Some(written)) => (written.code, written.cause.as_str()),
        (None, None) => match response.status() {
            StatusCode::NOT_FOUND => (Code::NotFound.as_str(), "no route and no file has this path"),
            StatusCode::METHOD_NOT_ALLOWED => {
                (Code::MethodNotAllowed.as_str(), Code::MethodNotAllowed.advice())
            }
            _ => ("http", "the request is not valid HTTP for this route"),
        },
    };
    #[cfg(feature = "otlp")]
    traces::answered(&span, status, (status >= 400).then_some(code));
    metrics.answered(&route, &method, status, took, (status >= 400).then_some(code));
    let _entered = span.enter();
    match status {
        500.. => tracing::error!(%method, route, status, duration_ms, code, cause, "request failed"),
        400.. => tracing::warn!(%method, route, status, duration_ms, code, cause, "request refused"),
        _ => tracing::info!(%method, route, status, duration_ms, "request served"),
    }
    response
}

/// Middleware that logs refused preflights. The CORS layer logs nothing, and the page's script only sees a network
/// error.
pub async fn observe_preflights(
    State(allowed_origins): State<String>,
    request: Request,
    next: Next,
) -> Response {
    if request.method() != Method::OPTIONS {
        return next.run(request).await;
    }
    let header = |headers: &HeaderMap, name| {
        let value = headers.get(name).map(|value: &HeaderValue| value.as_bytes());
        value.map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let asked = request.headers();
    let (Some(origin), Some(method)) = (
        header(asked, header::ORIGIN),
        header(asked, header::ACCESS_CONTROL_REQUEST_METHOD),
    ) else {
        return next.run(request).await;
    };
    let headers = header(asked, header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    // The route's pattern and not the path, because some paths contain a secret.
    let path = request.extensions().get::<MatchedPath>().map_or_else(
        || printable(request.uri().path()),
        |route| route.as_str().to_owned(),
    );
    let response = next.run(request).await;
    let allowed = |name| {
        header(response.headers(), name)
            .unwrap_or_default()
            .to_ascii_lowercase()
    };
    let lists = |list: &str, item: &str| list.split(',').any(|own| own.trim() == item);
    let (methods, names) = (
        allowed(header::ACCESS_CONTROL_ALLOW_METHODS),
        allowed(header::ACCESS_CONTROL_ALLOW_HEADERS),
    );
    let asked_names = headers.to_ascii_lowercase();
    let reason = if !response
        .headers()
        .contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN)
    {
        "the origin is not in allowed_origins"
    } else if !lists(&methods, &method.to_ascii_lowercase()) {
        "pages may not use this method"
    } else if asked_names
        .split(',')
        .map(str::trim)
        .any(|name| !name.is_empty() && !lists(&names, name))
    {
        "pages may not send one of these headers"
    } else {
        return response;
    };
    tracing::warn!(
        path,
        origin = printable(&origin),
        method = printable(&method),
        headers = printable(&headers),
        allowed_origins,
        reason,
        "preflight refused"
    );
    response
}

/// The path below the base path.
pub fn within<'a>(base: Option<&str>, path: &'a str) -> &'a str {
    let below = base.and_then(|base| path.strip_prefix(base));
    below.filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

/// A caller's text for the log: short, on one line, card numbers masked.
pub(crate) fn printable(text: &str) -> String {
    line(text, 200)
}

fn has_json(response: &Response) -> bool {
    response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().ends_with(b"json"))
}
