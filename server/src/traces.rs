//! Traces by OTLP: a span for each request, each call to a platform and each transaction of the database.
//!
//! Spans have what the log has of a request, and less: its id, method, route pattern and status; a call's platform,
//! operation and outcome. A caller's `traceparent` continues its trace. Platforms get none: a header of ours would be
//! the only thing in their requests that they do not document.

#![cfg_attr(
    not(feature = "otlp"),
    expect(dead_code, reason = "the table is still read, and refused")
)]

use cardseal_gateways::Settings;
use secrecy::{ExposeSecret, SecretString};

/// The target of spans that are only for traces, so that they are not in the log.
pub(crate) const TARGET: &str = "cardseal::trace";
/// The span of a request, which the log has too.
pub(crate) const REQUEST: &str = "request";

/// `[traces]`.
#[derive(Clone, Debug)]
pub struct TracesConfig {
    /// The collector's address, without the path of OTLP.
    endpoint: String,
    /// The `authorization` header for the collector.
    authorization: Option<SecretString>,
    /// How many of a hundred traces are kept.
    percent: u64,
}

impl PartialEq for TracesConfig {
    fn eq(&self, other: &Self) -> bool {
        let secret = |config: &Self| {
            config
                .authorization
                .as_ref()
                .map(|text| text.expose_secret().to_owned())
        };
        (&self.endpoint, self.percent) == (&other.endpoint, other.percent) && secret(self) == secret(other)
    }
}

impl TracesConfig {
    /// Reads the table. Without an address, there are no traces.
    pub(crate) fn from_settings(table: &Settings<'_>) -> Option<Self> {
        let given = table.optional("endpoint").is_some();
        let authorization = table.optional_secret("authorization");
        let percent = table.integer("sample_percent", 100, &(1..=100));
        let endpoint = if given { table.base_url("endpoint") } else { None };
        table.finish();
        if !cfg!(feature = "otlp") && given {
            table.mistake(
                "endpoint",
                "needs a server that was built with the feature `otlp`",
            );
            return None;
        }
        Some(Self {
            endpoint: endpoint?,
            authorization,
            percent,
        })
    }
}

#[cfg(feature = "otlp")]
pub(crate) use otlp::{Traces, answered, begin};

#[cfg(feature = "otlp")]
mod otlp {
    use std::fmt;
    use std::sync::Arc;

    use async_trait::async_trait;
    use axum::body::Bytes;
    use axum::http::{HeaderMap, Method, Request, Response};
    use cardseal_gateways::Transport;
    use cardseal_gateways::transport::Timeouts;
    use opentelemetry::propagation::TextMapPropagator;
    use opentelemetry::trace::{Status, TracerProvider};
    use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
    use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
    use opentelemetry_sdk::Resource;
    use opentelemetry_sdk::propagation::TraceContextPropagator;
    use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
    use tracing::{Metadata, Span, Subscriber};
    use tracing_opentelemetry::OpenTelemetrySpanExt;
    use tracing_subscriber::Layer;
    use tracing_subscriber::filter::filter_fn;
    use tracing_subscriber::registry::LookupSpan;

    use super::*;

    /// What sends spans to the collector. Sending is a background job, which drops spans while the collector is down.
    pub(crate) struct Traces(SdkTracerProvider);

    /// Sends a batch with the server's own HTTP client, on the server's runtime.
    struct Sender {
        transport: Transport,
        runtime: tokio::runtime::Handle,
        authorization: Option<SecretString>,
    }

    impl fmt::Debug for Sender {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Sender")
        }
    }

    #[async_trait]
    impl HttpClient for Sender {
        async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
            let mut headers = vec![("content-type", "application/json".to_owned())];
            if let Some(value) = &self.authorization {
                headers.push(("authorization", value.expose_secret().to_owned()));
            }
            let plain = cardseal::http::Request {
                method: "POST",
                url: request.uri().to_string(),
                headers,
                body: String::from_utf8(request.into_body().into())?,
            };
            let transport = self.transport.clone();
            let sent = self.runtime.spawn(async move { transport.send(plain).await });
            let answer = sent.await??;
            Ok(Response::builder()
                .status(answer.status)
                .body(answer.body.into())?)
        }
    }

    impl Traces {
        /// Begins to send. `None` if the HTTP client cannot be set up.
        pub(crate) fn start(config: &TracesConfig) -> Option<Arc<Self>> {
            let sender = Sender {
                transport: Transport::new(Timeouts::default()).ok()?,
                runtime: tokio::runtime::Handle::try_current().ok()?,
                authorization: config.authorization.clone(),
            };
            let exporter = SpanExporter::builder()
                .with_http()
                .with_protocol(Protocol::HttpJson)
                .with_http_client(sender)
                .with_endpoint(format!("{}/v1/traces", config.endpoint))
                .build()
                .ok()?;
            let ratio = f64::from(u32::try_from(config.percent).unwrap_or(100)) / 100.0;
            let provider = SdkTracerProvider::builder()
                .with_batch_exporter(exporter)
                // By the trace's id alone: no caller can have more kept.
                .with_sampler(Sampler::TraceIdRatioBased(ratio))
                .with_resource(Resource::builder().with_service_name("cardseal-server").build())
                .build();
            Some(Arc::new(Self(provider)))
        }

        /// What turns spans into those of a trace. Lines of the log stay out of it.
        pub(crate) fn layer<S>(&self) -> impl Layer<S>
        where
            S: Subscriber + for<'span> LookupSpan<'span>,
        {
            let ours = |metadata: &Metadata<'_>| {
                metadata.is_span() && (metadata.target() == TARGET || metadata.name() == REQUEST)
            };
            tracing_opentelemetry::layer()
                .with_tracer(self.0.tracer("cardseal-server"))
                .with_location(false)
                .with_threads(false)
                .with_target(false)
                .with_tracked_inactivity(false)
                .with_filter(filter_fn(ours))
        }

        /// Sends what is left.
        pub(crate) fn stop(&self) {
            // Without its collector there is nothing to be done about them.
            let _ = self.0.shutdown();
        }
    }

    /// Says what a request's span is about, and continues the caller's trace.
    pub(crate) fn begin(span: &Span, method: &Method, route: &str, headers: &HeaderMap) {
        let caller = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
        // It fails without traces.
        let _ = span.set_parent(caller);
        span.set_attribute("http.request.method", crate::metrics::method_label(method));
        span.set_attribute("http.route", route.to_owned());
    }

    /// Says how a request ended.
    pub(crate) fn answered(span: &Span, status: u16, code: Option<&str>) {
        span.set_attribute("http.response.status_code", i64::from(status));
        if let Some(code) = code {
            span.set_attribute("error.type", code.to_owned());
        }
        if status >= 500 {
            span.set_status(Status::error(""));
        }
    }
}
