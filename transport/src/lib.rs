//! The only crate that knows the HTTP client.
//!
//! A [`Transport`] sends plain request values, follows no redirect, bounds time and size, and says of every failure
//! whether the request can have arrived ([`Failure`]). The HTTP library's own errors contain addresses; none of them
//! leaves this crate. [`access`] is the OAuth client-credentials flow on top of it.

pub mod access;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use cardseal::http::Request;
use cardseal::redact::line;
use secrecy::{ExposeSecret, SecretString};
use tracing::Instrument;
use url::{Host, Url};
use zeroize::Zeroizing;

/// Common servers close idle connections after five seconds. A request that crosses that closing on its way would leave
/// a payment in doubt.
pub const IDLE: Duration = Duration::from_secs(4);

/// No documented answer comes near.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// A pooled HTTP client, cheap to clone.
#[derive(Clone)]
pub struct Transport {
    client: reqwest::Client,
    reach: Option<Arc<Reach>>,
    observer: Option<Arc<dyn Observer>>,
}

/// Learns how calls end.
pub trait Observer: Send + Sync {
    /// The span of a call. It is the current one when the call ends.
    fn span(&self) -> tracing::Span {
        tracing::Span::none()
    }

    /// A call ended: with an answer of this status, or without one.
    fn ended(&self, outcome: Result<u16, Failure>, took: Duration);
}

/// How the last call to a platform ended.
#[derive(Debug)]
pub struct Reach {
    platform: &'static str,
    last: AtomicU8,
}

/// Whether a platform can be reached, by the last call to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// Nothing was sent yet.
    Unknown,
    /// It answered, whatever it said.
    Reachable,
    /// It could not be connected to, or did not answer.
    Unreachable,
}

impl Reachability {
    /// In JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Reachable => "reachable",
            Self::Unreachable => "unreachable",
        }
    }
}

impl Reach {
    /// Of a platform to which nothing was sent yet.
    #[must_use]
    pub const fn of(platform: &'static str) -> Self {
        Self {
            platform,
            last: AtomicU8::new(0),
        }
    }

    /// By the last call.
    #[must_use]
    pub fn last(&self) -> Reachability {
        match self.last.load(Ordering::Relaxed) {
            0 => Reachability::Unknown,
            1 => Reachability::Reachable,
            _ => Reachability::Unreachable,
        }
    }
}

/// A proxy that calls go through.
#[derive(Clone)]
pub struct Proxy {
    /// `http://host:port` or `https://host:port`.
    pub uri: String,
    /// Name and password.
    pub credentials: Option<(String, SecretString)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.uri)
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        let known = |proxy: &Self| {
            let credentials = proxy.credentials.as_ref();
            credentials.map(|(name, password)| (name.clone(), password.expose_secret().to_owned()))
        };
        self.uri == other.uri && known(self) == known(other)
    }
}

impl Eq for Proxy {}

/// How long a call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The time limit for connecting. [`Duration::MAX`] means none.
    pub connect: Duration,
    /// The time limit for the whole answer. [`Duration::MAX`] means none.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            request: Duration::from_secs(30),
        }
    }
}

/// An answer.
#[derive(Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Headers whose value is text, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body, at most 1 MiB.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of a name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let (_, value) = headers.find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        Some(value)
    }
}

/// Why there is no answer. Whatever is not [`Failure::NotSent`] may have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The request never left.
    #[error("the request was not sent")]
    NotSent,
    /// No answer within the time-out.
    #[error("no answer came in time")]
    TimedOut,
    /// The connection broke after the request was on its way.
    #[error("the connection was lost")]
    ConnectionLost,
    /// The answer is larger than any that is documented.
    #[error("the answer is too large")]
    AnswerTooLarge,
}

impl Failure {
    /// A stable code for logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::TimedOut => "timed_out",
            Self::ConnectionLost => "connection_lost",
            Self::AnswerTooLarge => "answer_too_large",
        }
    }
}

/// Whether calls can go over TLS: the crate's feature `tls`, which is on by default.
pub const TLS: bool = cfg!(feature = "tls");

/// What is wrong with an address that needs TLS if there is none.
pub const NO_TLS: &str =
    "needs TLS, which this program was built without; build it with cargo's default features";

/// A base URL that secrets may be sent to, without a slash at its end. Clear HTTP is allowed on this machine only.
///
/// # Errors
/// What is wrong with it, without repeating it.
pub fn base_url(text: &str) -> Result<String, &'static str> {
    reachable_base(text, TLS)
}

fn reachable_base(text: &str, tls: bool) -> Result<String, &'static str> {
    let plain = |url: &Url| {
        let bare = url.query().is_none() && url.fragment().is_none();
        bare && url.username().is_empty() && url.password().is_none() && url.has_host()
    };
    let url = Url::parse(text)
        .ok()
        .filter(plain)
        .ok_or("must be an address such as https://host/path")?;
    match url.scheme() {
        "https" if !tls => Err(NO_TLS),
        "http" if !is_loopback(&url) => Err("must be https, or http on this machine"),
        "https" | "http" => Ok(url.as_str().trim_end_matches('/').to_owned()),
        _ => Err("must be https, or http on this machine"),
    }
}

/// Whether an address is of this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The client could not be built: no usable TLS configuration on this system.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the HTTP client could not be set up")]
pub struct Unusable;

impl Transport {
    /// A client with these time-outs.
    ///
    /// # Errors
    /// Only if the system's TLS set-up is unusable.
    pub fn new(timeouts: Timeouts) -> Result<Self, Unusable> {
        Self::pooled(timeouts, usize::MAX)
    }

    /// The same, which keeps no more than so many idle connections to a host.
    ///
    /// # Errors
    /// Only if the system's TLS set-up is unusable.
    pub fn pooled(timeouts: Timeouts, idle: usize) -> Result<Self, Unusable> {
        Self::through(timeouts, idle, None)
    }

    /// The same through a proxy.
    ///
    /// # Errors
    /// If the system's TLS set-up or the proxy's address is unusable.
    pub fn through(timeouts: Timeouts, idle: usize, proxy: Option<&Proxy>) -> Result<Self, Unusable> {
        // An error means that the process has a provider already, which serves as well.
        #[cfg(feature = "tls")]
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // A repeated money call is never the client's to decide.
            .retry(reqwest::retry::never())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(idle)
            .http1_only()
            .no_proxy();
        if timeouts.connect != Duration::MAX {
            builder = builder.connect_timeout(timeouts.connect);
        }
        if timeouts.request != Duration::MAX {
            builder = builder.timeout(timeouts.request);
        }
        if let Some(proxy) = proxy {
            let mut own = reqwest::Proxy::all(&proxy.uri).map_err(|_| Unusable)?;
            if let Some((name, password)) = &proxy.credentials {
                own = own.basic_auth(name, password.expose_secret());
            }
            builder = builder.proxy(own);
        }
        let client = builder.build().map_err(|_| Unusable)?;
        Ok(Self {
            client,
            reach: None,
            observer: None,
        })
    }

    /// The same client, whose calls leave word of how they ended.
    #[must_use]
    pub fn reporting(&self, reach: &Arc<Reach>) -> Self {
        Self {
            client: self.client.clone(),
            reach: Some(Arc::clone(reach)),
            observer: self.observer.clone(),
        }
    }

    /// The same client, with somebody who learns how each call ends.
    #[must_use]
    pub fn observed(&self, observer: Arc<dyn Observer>) -> Self {
        Self {
            observer: Some(observer),
            ..self.clone()
        }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`Failure`], if no whole answer arrives. No HTTP status is a failure.
    pub async fn send(&self, request: Request) -> Result<Response, Failure> {
        self.send_to_refuser(request, |_| false).await
    }

    /// The same, to a platform that says "no" with a status that is a warning from others. An answer that `is_no` knows as
    /// one is logged as a refusal.
    ///
    /// # Errors
    /// As [`Transport::send`].
    pub async fn send_to_refuser(
        &self,
        request: Request,
        is_no: impl Fn(&Response) -> bool + Send,
    ) -> Result<Response, Failure> {
        let Some(reach) = &self.reach else {
            return self.observe(request).await.map_err(|(failure, _)| failure);
        };
        let (platform, url) = (reach.platform, request.url.clone());
        let result = self.observe(request).await;
        let answered = matches!(result, Ok(_) | Err((Failure::AnswerTooLarge, _)));
        reach.last.store(if answered { 1 } else { 2 }, Ordering::Relaxed);
        match &result {
            Ok(response) => {
                let status = response.status;
                if is_suspect(response) && !is_no(response) {
                    let content_type = line(content_type(response), 80);
                    tracing::warn!(
                        platform,
                        host = host(&url),
                        status,
                        content_type,
                        "a platform did not answer a call as documented; check its address, the credentials and its \
                         status page"
                    );
                } else if status >= 400 {
                    tracing::info!(
                        platform,
                        host = host(&url),
                        status,
                        "a platform answered a call with an error"
                    );
                }
            }
            Err((failure, reason)) => {
                let sent = *failure != Failure::NotSent;
                tracing::warn!(
                    platform,
                    host = host(&url),
                    reason,
                    sent,
                    "a call to a platform failed; check its address, DNS, the firewall and the proxy"
                );
            }
        }
        result.map_err(|(failure, _)| failure)
    }

    async fn observe(&self, request: Request) -> Result<Response, (Failure, String)> {
        let Some(observer) = &self.observer else {
            return self.exchange(request).await;
        };
        let observed = async {
            let began = Instant::now();
            let result = self.exchange(request).await;
            let outcome = result.as_ref().map(|response| response.status);
            observer.ended(outcome.map_err(|(failure, _)| *failure), began.elapsed());
            result
        };
        observed.instrument(observer.span()).await
    }

    /// The answer, or why there is none, with the root cause for the log.
    async fn exchange(&self, request: Request) -> Result<Response, (Failure, String)> {
        let method = request
            .method
            .parse::<reqwest::Method>()
            .map_err(|_| (Failure::NotSent, "not a method".to_owned()))?;
        // It may hold a card: it is wiped when it has been sent.
        let body = Bytes::from_owner(Zeroizing::new(request.body.into_bytes()));
        let mut builder = self.client.request(method, request.url).body(body);
        for (name, value) in request.headers {
            builder = builder.header(name, value);
        }
        let mut answer = builder.send().await.map_err(|error| failure(&error))?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| failure(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err((Failure::AnswerTooLarge, "the answer is too large".into()));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response {
            status,
            headers,
            body,
        })
    }
}

fn content_type(response: &Response) -> &str {
    let mut headers = response.headers.iter();
    let found = headers.find(|(name, _)| name == "content-type");
    found.map_or("", |(_, value)| value)
}

/// Whether somebody else seems to answer, or the platform is broken or does not know us: a redirect, a page, 401, 403 or
/// a server error.
fn is_suspect(response: &Response) -> bool {
    matches!(response.status, 300..=399 | 401 | 403 | 500..)
        || (!response.body.is_empty() && content_type(response).starts_with("text/html"))
}

fn failure(error: &reqwest::Error) -> (Failure, String) {
    let failure = if error.is_connect() || error.is_builder() {
        Failure::NotSent
    } else if error.is_timeout() {
        Failure::TimedOut
    } else {
        Failure::ConnectionLost
    };
    (failure, innermost(error))
}

/// The first cause, such as "Connection refused". The client's own text holds the address.
fn innermost(error: &reqwest::Error) -> String {
    let unknown = if error.is_timeout() {
        "no answer in time"
    } else {
        "the HTTP client does not say"
    };
    let mut text = unknown.to_owned();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = inner.to_string();
        cause = inner.source();
    }
    line(&text, 200)
}

/// Host and port of an address, without its path.
fn host(url: &str) -> String {
    let read = Url::parse(url).ok();
    let host = read
        .as_ref()
        .and_then(|url| Some((url.host_str()?, url.port_or_known_default()?)));
    host.map(|(host, port)| format!("{host}:{port}"))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn transport() -> Transport {
        Transport::new(Timeouts {
            connect: Duration::from_millis(500),
            request: Duration::from_millis(500),
        })
        .unwrap()
    }

    fn post(url: String) -> Request {
        Request {
            method: "POST",
            url,
            headers: vec![("content-type", "application/json".into())],
            body: "{}".into(),
        }
    }

    /// Answers every connection with the bytes after having read something, then closes.
    async fn answering(bytes: Vec<u8>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let bytes = bytes.clone();
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    let _ = socket.read(&mut buffer).await;
                    let _ = socket.write_all(&bytes).await;
                    let _ = socket.shutdown().await;
                });
            }
        });
        url
    }

    #[tokio::test]
    async fn a_refused_connection_was_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        assert_eq!(transport().send(post(url)).await.err(), Some(Failure::NotSent));
    }

    #[tokio::test]
    async fn a_broken_connection_is_doubtful() {
        let url = answering(Vec::new()).await;
        assert_eq!(
            transport().send(post(url)).await.err(),
            Some(Failure::ConnectionLost)
        );
        let url = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":".to_vec()).await;
        assert_eq!(
            transport().send(post(url)).await.err(),
            Some(Failure::ConnectionLost)
        );
    }

    #[tokio::test]
    async fn silence_is_doubtful() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        assert_eq!(transport().send(post(url)).await.err(), Some(Failure::TimedOut));
    }

    #[tokio::test]
    async fn a_huge_answer_is_cut_off() {
        let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 3000000\r\n\r\n".to_vec();
        bytes.resize(3_000_000, b' ');
        let url = answering(bytes).await;
        assert_eq!(
            transport().send(post(url)).await.err(),
            Some(Failure::AnswerTooLarge)
        );
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let url = answering(
            b"HTTP/1.1 307 x\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n".to_vec(),
        )
        .await;
        assert_eq!(
            transport().send(post(url)).await.ok().map(|answer| answer.status),
            Some(307)
        );
    }

    #[test]
    fn secrets_go_to_https_or_to_this_machine() {
        for (text, base) in [
            ("https://host.example/path/", Ok("https://host.example/path")),
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
            ("http://[::1]/", Ok("http://[::1]")),
            ("http://localhost", Ok("http://localhost")),
            (
                "http://host.example",
                Err("must be https, or http on this machine"),
            ),
            ("ftp://localhost", Err("must be https, or http on this machine")),
            (
                "https://user:word@host",
                Err("must be an address such as https://host/path"),
            ),
            (
                "https://host/?a=1",
                Err("must be an address such as https://host/path"),
            ),
            (
                "https://host/#a",
                Err("must be an address such as https://host/path"),
            ),
            ("host", Err("must be an address such as https://host/path")),
        ] {
            assert_eq!(
                reachable_base(text, true).as_deref(),
                base.as_ref().copied(),
                "{text}"
            );
        }
    }

    #[test]
    fn without_tls_only_this_machine_is_reached() {
        for (text, base) in [
            ("https://host.example/path/", Err(NO_TLS)),
            ("https://127.0.0.1", Err(NO_TLS)),
            ("http://127.0.0.1:8080", Ok("http://127.0.0.1:8080")),
            (
                "http://host.example",
                Err("must be https, or http on this machine"),
            ),
        ] {
            assert_eq!(
                reachable_base(text, false).as_deref(),
                base.as_ref().copied(),
                "{text}"
            );
        }
    }
}
