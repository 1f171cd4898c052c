//! Posts to the merchant's server, which is on this machine: the sandbox never talks to anyone else.
//!
//! It is not documented whether the real platforms repeat a failed post; this one tries three times.

use std::time::Duration;

use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

const ATTEMPTS: u32 = 3;
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(500);
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_ANSWER: usize = 64 * 1024;

/// A URL of the merchant: plain HTTP to this machine.
pub(crate) fn check(url: &str) -> Result<(), String> {
    let refused = || "a webhook URL is http:// and a loopback host".to_owned();
    let uri: Uri = url.parse().map_err(|_| refused())?;
    let host = uri
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');
    let loopback = host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if uri.scheme_str() == Some("http") && loopback && uri.query().is_none() {
        Ok(())
    } else {
        Err(refused())
    }
}

/// The same for an optional URL.
pub(crate) fn check_optional(url: Option<&str>) -> Result<(), String> {
    url.map_or(Ok(()), check)
}

/// A request to the merchant.
pub(crate) struct Message {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

/// The result of a delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    pub(crate) attempts: u32,
    /// The merchant's HTTP status; `None` if there was no answer.
    pub(crate) status: Option<u16>,
}

/// Sends until the merchant accepts it or the attempts are used up.
pub(crate) async fn deliver(message: &Message) -> Delivery {
    let mut delivery = Delivery {
        attempts: 0,
        status: None,
    };
    while delivery.attempts < ATTEMPTS && !delivery.status.is_some_and(|status| (200..300).contains(&status))
    {
        if delivery.attempts > 0 {
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
        delivery.attempts += 1;
        delivery.status = send(message).await;
    }
    delivery
}

/// Sends once, and returns the merchant's HTTP status.
pub(crate) async fn send(message: &Message) -> Option<u16> {
    let answer = timeout(ATTEMPT_TIMEOUT, exchange(message)).await.ok()??;
    Some(answer.status().as_u16())
}

/// The merchant's answer.
pub(crate) struct MerchantResponse {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

/// Sends once, and reads the answer up to a limit.
pub(crate) async fn fetch(message: &Message) -> Option<MerchantResponse> {
    let fetching = async {
        let (parts, body) = exchange(message).await?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await.ok()?.to_bytes();
        let content_type = parts.headers.get(CONTENT_TYPE);
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        Some(MerchantResponse {
            status: parts.status.as_u16(),
            content_type: content_type.to_owned(),
            body,
        })
    };
    timeout(ATTEMPT_TIMEOUT, fetching).await.ok()?
}

async fn exchange(message: &Message) -> Option<Response<Incoming>> {
    let client: Client<HttpConnector, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder()
        .method(&message.method)
        .uri(&message.url)
        .header(ACCEPT, "application/json");
    if message.method != Method::GET {
        request = request.header(CONTENT_TYPE, "application/json");
    }
    for (name, value) in &message.headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::from(message.body.clone())).ok()?;
    client.request(request).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posts_to_this_machine_only() {
        for good in [
            "http://127.0.0.1:8080",
            "http://localhost/hooks",
            "http://[::1]:9/",
            "http://127.9.9.9/a/b",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "https://127.0.0.1",
            "http://example.com",
            "http://127.0.0.1.example.com",
            "/",
            "",
            "http://127.0.0.1/?a=b",
            "http://10.0.0.1",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
