//! Counts what happens, for Prometheus. Every label has a small and fixed set of values: no customer, no reference, no
//! address, no path with its values.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cardseal::platform::Platform;
use cardseal_gateways::transport::{Failure, Observer};
use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TEXT_FORMAT, TextEncoder,
};

use crate::access::same;
use crate::bounds::Bound;
use crate::connections::Connections;
use crate::store::{Effect, Status, SubscriptionStatus};
use crate::{App, Live, logging};

/// The time of a request, in seconds: a page's request takes milliseconds, one to a platform up to its time-out.
const REQUEST_SECONDS: &[f64] = &[
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
];
/// The time of a call to a platform.
const CALL_SECONDS: &[f64] = &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0];

/// What the server asks a platform to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    OpenSession,
    Tokenize,
    ReadToken,
    UpdateToken,
    DeleteToken,
    Authenticate,
    Charge,
    Capture,
    Void,
    Refund,
    Subscribe,
    ChangeSubscription,
    CancelSubscription,
    PaySubscription,
    Lookup,
    List,
}

impl Operation {
    pub(crate) const ALL: [Self; 16] = [
        Self::OpenSession,
        Self::Tokenize,
        Self::ReadToken,
        Self::UpdateToken,
        Self::DeleteToken,
        Self::Authenticate,
        Self::Charge,
        Self::Capture,
        Self::Void,
        Self::Refund,
        Self::Subscribe,
        Self::ChangeSubscription,
        Self::CancelSubscription,
        Self::PaySubscription,
        Self::Lookup,
        Self::List,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::OpenSession => "open_session",
            Self::Tokenize => "tokenize",
            Self::ReadToken => "read_token",
            Self::UpdateToken => "update_token",
            Self::DeleteToken => "delete_token",
            Self::Authenticate => "authenticate",
            Self::Charge => "charge",
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
            Self::Subscribe => "subscribe",
            Self::ChangeSubscription => "change_subscription",
            Self::CancelSubscription => "cancel_subscription",
            Self::PaySubscription => "charge_subscription",
            Self::Lookup => "lookup",
            Self::List => "list",
        }
    }
}

/// The metrics of this process. They go on when the configuration is reloaded.
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    errors: IntCounterVec,
    calls: IntCounterVec,
    call_seconds: HistogramVec,
    operations: IntGaugeVec,
    outcomes: IntCounterVec,
    subscriptions: IntCounterVec,
    unknown: IntGaugeVec,
    oldest_unknown: IntGaugeVec,
    sessions: IntCounterVec,
    tokens: IntCounterVec,
    notifications: IntCounterVec,
    database_ready: IntGaugeVec,
    database_bytes: IntGauge,
    writes_waiting: IntGauge,
    rows_unsealed: IntGauge,
    rows_all_sealed: IntGauge,
    reloads: IntCounterVec,
    limits: IntCounterVec,
    log_lines_dropped: IntCounter,
    connections: IntGauge,
    #[cfg(feature = "tls")]
    certificate_expiry: IntGaugeVec,
    #[cfg(feature = "tls")]
    certificate_failures: IntCounter,
}

/// Raises a counter to a number that is counted elsewhere.
fn raise(counter: &IntCounter, number: u64) {
    counter.inc_by(number.saturating_sub(counter.get()));
}

fn gauge_value(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}

const fn class(status: u16) -> &'static str {
    match status {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// The method as a label. Callers may make up others.
pub(crate) fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "HEAD" => "HEAD",
        "PUT" => "PUT",
        _ => "other",
    }
}

impl Metrics {
    /// All of them, at zero.
    pub(crate) fn new() -> prometheus::Result<Arc<Self>> {
        fn known<T: Collector + Clone + 'static>(registry: &Registry, metric: T) -> prometheus::Result<T> {
            registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        }
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            known(&registry, IntCounterVec::new(Opts::new(name, help), labels)?)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            known(&registry, IntGaugeVec::new(Opts::new(name, help), labels)?)
        };
        let histograms = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            known(&registry, HistogramVec::new(opts, labels)?)
        };
        let build = gauges(
            "cardseal_build_info",
            "The version of this server; always 1.",
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let started = IntGauge::new(
            "cardseal_start_time_seconds",
            "When this process started, in seconds since 1970.",
        )?;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        known(&registry, started)?.set(gauge_value(since.as_secs()));
        let metrics = Self {
            requests: counters(
                "cardseal_http_requests_total",
                "Requests that were answered, by the route's pattern, method and class of status.",
                &["route", "method", "status"],
            )?,
            request_seconds: histograms(
                "cardseal_http_request_duration_seconds",
                "How long requests took until the answer began.",
                REQUEST_SECONDS,
                &["route", "method"],
            )?,
            errors: counters(
                "cardseal_http_errors_total",
                "Answers with an error, by its code, such as the limits rate_limited and too_many_attempts.",
                &["code"],
            )?,
            calls: counters(
                "cardseal_platform_calls_total",
                "Requests to platforms, by what they were for and how they ended: class of status, or why no answer came.",
                &["platform", "operation", "outcome"],
            )?,
            call_seconds: histograms(
                "cardseal_platform_call_duration_seconds",
                "How long requests to platforms took.",
                CALL_SECONDS,
                &["platform", "operation"],
            )?,
            operations: gauges(
                "cardseal_platform_operations",
                "Operations at platforms, in progress and waiting for a place.",
                &["platform", "state"],
            )?,
            outcomes: counters(
                "cardseal_payment_outcomes_total",
                "Payments and changes of payments, by the state that a call or a lookup left the payment in.",
                &["platform", "status"],
            )?,
            subscriptions: counters(
                "cardseal_subscription_states_total",
                "Subscriptions, by the state that a call or a lookup left the subscription in.",
                &["platform", "status"],
            )?,
            unknown: gauges(
                "cardseal_payments_unknown",
                "Payments whose outcome, or whose change's outcome, is unknown now. The same at every instance.",
                &["platform"],
            )?,
            oldest_unknown: gauges(
                "cardseal_payments_oldest_unknown_seconds",
                "The age of the oldest of them, from the request for the payment or the change; 0 if there is none.",
                &["platform"],
            )?,
            sessions: counters(
                "cardseal_sessions_opened_total",
                "Sessions that were opened.",
                &["platform"],
            )?,
            tokens: counters(
                "cardseal_tokens_stored_total",
                "Cards that were stored.",
                &["platform"],
            )?,
            notifications: counters(
                "cardseal_notifications_total",
                "Notifications of platforms, by what they changed.",
                &["platform", "effect"],
            )?,
            database_ready: gauges(
                "cardseal_database_ready",
                "Whether the database passes a check of /readyz, 1 or 0.",
                &["check"],
            )?,
            database_bytes: known(
                &registry,
                IntGauge::new("cardseal_database_bytes", "The size of the database.")?,
            )?,
            writes_waiting: known(
                &registry,
                IntGauge::new(
                    "cardseal_database_writes_waiting",
                    "Transactions that wait for a writer.",
                )?,
            )?,
            rows_unsealed: known(
                &registry,
                IntGauge::new(
                    "cardseal_encryption_rows_left",
                    "Rows that are not yet sealed with the current key, as far as they have been counted.",
                )?,
            )?,
            rows_all_sealed: known(
                &registry,
                IntGauge::new(
                    "cardseal_encryption_complete",
                    "Whether every row was found sealed with the current key, 1 or 0: then no earlier key is needed.",
                )?,
            )?,
            reloads: counters(
                "cardseal_config_reloads_total",
                "Reloads of the configuration, by what came of them.",
                &["result"],
            )?,
            limits: counters(
                "cardseal_limits_acted_total",
                "How often each limit on connections and on calls to platforms took effect.",
                &["limit"],
            )?,
            log_lines_dropped: known(
                &registry,
                IntCounter::new(
                    "cardseal_log_lines_dropped_total",
                    "Lines of the log that were dropped because it is read too slowly.",
                )?,
            )?,
            connections: known(
                &registry,
                IntGauge::new("cardseal_connections", "Open connections.")?,
            )?,
            #[cfg(feature = "tls")]
            certificate_expiry: gauges(
                "cardseal_certificate_expiry_seconds",
                "The last second of the certificate in use, since 1970. Without TLS there is none.",
                &[],
            )?,
            #[cfg(feature = "tls")]
            certificate_failures: known(
                &registry,
                IntCounter::new(
                    "cardseal_certificate_reload_failures_total",
                    "How often changed certificate files could not be used.",
                )?,
            )?,
            registry,
        };
        for result in ["done", "failed"] {
            metrics.reloads.with_label_values(&[result]);
        }
        Ok(Arc::new(metrics))
    }

    /// Counts a request that was answered, with the code of its error.
    pub(crate) fn answered(
        &self,
        route: &str,
        method: &Method,
        status: u16,
        took: Duration,
        code: Option<&str>,
    ) {
        let method = method_label(method);
        self.requests
            .with_label_values(&[route, method, class(status)])
            .inc();
        self.request_seconds
            .with_label_values(&[route, method])
            .observe(took.as_secs_f64());
        if let Some(code) = code {
            self.errors.with_label_values(&[code]).inc();
        }
    }

    /// Counts what a call or a lookup left a payment as.
    pub(crate) fn outcome(&self, platform: Platform, status: Status) {
        self.outcomes
            .with_label_values(&[platform.id(), status.stored()])
            .inc();
    }

    /// Counts a state that a call or a lookup left a subscription in.
    pub(crate) fn subscription(&self, platform: Platform, status: SubscriptionStatus) {
        self.subscriptions
            .with_label_values(&[platform.id(), status.stored()])
            .inc();
    }

    /// Counts a session that was opened.
    pub(crate) fn session_opened(&self, platform: Platform) {
        self.sessions.with_label_values(&[platform.id()]).inc();
    }

    /// Counts a card that was stored.
    pub(crate) fn token_stored(&self, platform: Platform) {
        self.tokens.with_label_values(&[platform.id()]).inc();
    }

    /// Counts a notification.
    pub(crate) fn notified(&self, platform: Platform, effect: Effect) {
        self.notifications
            .with_label_values(&[platform.id(), effect.stored()])
            .inc();
    }

    /// Reads from the database what is not counted as it happens. What cannot be read keeps its last value, and the
    /// check that failed says why.
    async fn read_database(&self, app: &App) {
        let now = app.clock.now();
        let health = app.store.health(now).await;
        for (check, passed) in [
            ("reader", health.reader),
            ("writer", health.writer),
            ("migrations", health.migrations),
        ] {
            self.database_ready
                .with_label_values(&[check])
                .set(i64::from(passed));
        }
        self.writes_waiting.set(gauge_value(app.store.writes_waiting()));
        let (left, complete) = app.store.unsealed();
        self.rows_unsealed.set(gauge_value(left));
        self.rows_all_sealed.set(i64::from(complete));
        for platform in app.config.platforms.keys() {
            if let Ok(unknown) = app.store.unknown(*platform).await {
                let age = unknown.oldest.map_or(0, |created| (now - created).max(0) / 1000);
                self.unknown
                    .with_label_values(&[platform.id()])
                    .set(unknown.count);
                self.oldest_unknown.with_label_values(&[platform.id()]).set(age);
            }
        }
        if let Ok(bytes) = app.store.bytes().await {
            self.database_bytes.set(bytes);
        }
    }

    /// Counts a reload of the configuration.
    pub(crate) fn reloaded(&self, done: bool) {
        let result = if done { "done" } else { "failed" };
        self.reloads.with_label_values(&[result]).inc();
    }

    /// What counts the calls of an operation at a platform.
    pub(crate) fn calls(self: &Arc<Self>, platform: Platform, operation: Operation) -> Arc<dyn Observer> {
        Arc::new(Calls {
            platform: platform.id(),
            operation: operation.as_str(),
            seconds: self
                .call_seconds
                .with_label_values(&[platform.id(), operation.as_str()]),
            metrics: Arc::clone(self),
        })
    }

    /// All metrics as Prometheus reads them.
    fn text(&self, app: &App, connections: &Connections) -> prometheus::Result<Vec<u8>> {
        for bound in Bound::ALL {
            raise(
                &self.limits.with_label_values(&[bound.as_str()]),
                app.bounds.count(bound),
            );
        }
        for (platform, load) in app.gates.load() {
            for (state, number) in [("in_progress", load.in_progress), ("waiting", load.waiting)] {
                let gauge = self.operations.with_label_values(&[platform.id(), state]);
                gauge.set(gauge_value(number));
            }
        }
        raise(&self.log_lines_dropped, logging::dropped());
        self.connections.set(gauge_value(connections.open()));
        #[cfg(feature = "tls")]
        if let Some(listener) = &app.tls {
            let end = gauge_value(listener.validity().not_after);
            self.certificate_expiry.with_label_values::<&str>(&[]).set(end);
            raise(&self.certificate_failures, listener.failed());
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}

/// Counts the calls of an operation.
struct Calls {
    platform: &'static str,
    operation: &'static str,
    seconds: Histogram,
    metrics: Arc<Metrics>,
}

impl Observer for Calls {
    fn span(&self) -> tracing::Span {
        tracing::info_span!(
            target: "cardseal::trace",
            "platform call",
            platform = self.platform,
            operation = self.operation,
            outcome = tracing::field::Empty,
        )
    }

    fn ended(&self, outcome: Result<u16, Failure>, took: Duration) {
        let outcome = outcome.map_or_else(Failure::as_str, class);
        tracing::Span::current().record("outcome", outcome);
        let calls = &self.metrics.calls;
        calls
            .with_label_values(&[self.platform, self.operation, outcome])
            .inc();
        self.seconds.observe(took.as_secs_f64());
    }
}

/// What the listener for metrics serves: `GET /metrics`.
pub(crate) fn router(live: &Arc<Live>, connections: &Arc<Connections>) -> Router {
    let state = (Arc::clone(live), Arc::clone(connections));
    Router::new().route("/metrics", get(scrape)).with_state(state)
}

async fn scrape(
    State((live, connections)): State<(Arc<Live>, Arc<Connections>)>,
    headers: HeaderMap,
) -> Response {
    let app = live.app();
    let token = app
        .config
        .metrics
        .as_ref()
        .and_then(|metrics| metrics.token.as_ref());
    if let Some(token) = token {
        let given = headers.get(header::AUTHORIZATION);
        let given = given.and_then(|value| value.to_str().ok());
        let given = given.and_then(|value| value.strip_prefix("Bearer "));
        if !given.is_some_and(|given| same(given, token)) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
    }
    app.metrics.read_database(&app).await;
    match app.metrics.text(&app, &connections) {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every name of ours in a text, without the endings that Prometheus adds to a histogram.
    fn names(text: &str) -> BTreeSet<String> {
        let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        let own = words.filter(|word| word.starts_with("cardseal_"));
        let ending = |word: &str| {
            let base = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|end| word.strip_suffix(end));
            base.unwrap_or(word).to_owned()
        };
        own.map(ending).collect()
    }

    #[test]
    fn rules_dashboard_and_guide_have_the_metrics_that_there_are() {
        let metrics = Metrics::new().unwrap();
        // A metric without a row is not written: each gets one.
        let row = |labels: usize| vec!["x"; labels];
        for counter in [
            &metrics.requests,
            &metrics.errors,
            &metrics.calls,
            &metrics.outcomes,
            &metrics.subscriptions,
            &metrics.sessions,
            &metrics.tokens,
            &metrics.notifications,
            &metrics.limits,
        ] {
            let labels = counter.desc()[0].variable_labels.len();
            counter.with_label_values(&row(labels));
        }
        for gauge in [
            &metrics.operations,
            &metrics.unknown,
            &metrics.oldest_unknown,
            &metrics.database_ready,
            #[cfg(feature = "tls")]
            &metrics.certificate_expiry,
        ] {
            let labels = gauge.desc()[0].variable_labels.len();
            gauge.with_label_values(&row(labels));
        }
        for histogram in [&metrics.request_seconds, &metrics.call_seconds] {
            let labels = histogram.desc()[0].variable_labels.len();
            histogram.with_label_values(&row(labels));
        }
        let families = metrics.registry.gather();
        let there: BTreeSet<String> = families.iter().map(|family| family.name().to_owned()).collect();
        let rules = names(include_str!("../../deploy/prometheus/alerts.yml"));
        let dashboard = names(include_str!("../../deploy/grafana/cardseal.json"));
        assert!(
            rules.len() > 10 && dashboard.len() > 20,
            "{rules:?} {dashboard:?}"
        );
        let unknown: Vec<_> = rules
            .union(&dashboard)
            .filter(|name| !there.contains(*name))
            .collect();
        assert!(unknown.is_empty(), "no metric has the name of {unknown:?}");
        let guide = include_str!("../../docs/server.md");
        let table = guide
            .lines()
            .filter(|line| line.starts_with("| `cardseal_"))
            .collect::<String>();
        assert_eq!(names(&table), there, "the table of docs/server.md");
    }
}
