//! What a page of another origin may read: which origins are allowed, and the headers that tell a browser so.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ORIGIN, VARY,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// Stands in a list of origins for every origin of this machine.
pub(crate) const LOOPBACK: &str = "loopback";
/// Stands in a list of origins for every origin.
const ANY: &str = "*";

pub(crate) fn allows(origins: &[String], origin: &str) -> bool {
    origins.iter().any(|allowed| match allowed.as_str() {
        ANY => true,
        LOOPBACK => is_loopback(origin),
        exact => exact == origin,
    })
}

fn is_loopback(origin: &str) -> bool {
    let Some((_, rest)) = origin.split_once("://") else {
        return false;
    };
    let host = match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => rest.split(':').next(),
    };
    host.is_some_and(|host| {
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

/// Answers what a browser asks before it sends headers of its own.
pub(crate) fn preflight(methods: &'static str, headers: Option<HeaderValue>) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    if let Some(names) = headers {
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets the page of an allowed origin read the response, also when it tells a failure.
pub(crate) fn share(mut response: Response<Body>, origin: Option<HeaderValue>) -> Response {
    if let Some(origin) = origin {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        response
            .headers_mut()
            .append(VARY, HeaderValue::from_name(ORIGIN));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_origins_of_this_machine() {
        let loopback = [LOOPBACK.to_owned()];
        for origin in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "https://localhost:3000",
            "http://[::1]:80",
        ] {
            assert!(allows(&loopback, origin), "{origin}");
        }
        for origin in [
            "https://example.com",
            "http://127.0.0.1.example.com",
            "null",
            "http://localhost.evil",
        ] {
            assert!(!allows(&loopback, origin), "{origin}");
            assert!(allows(&[ANY.to_owned()], origin));
        }
        let one = ["https://shop.example".to_owned()];
        assert!(allows(&one, "https://shop.example") && !allows(&one, "http://localhost"));
    }
}
