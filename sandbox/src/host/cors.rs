//! What a page of another origin may read: which origins are allowed, and the headers that say so.

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
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

/// What pages of an allowed origin may send.
#[derive(Clone, Copy)]
pub(crate) struct PageAccess {
    pub(crate) methods: &'static str,
    /// Names of headers.
    pub(crate) headers: &'static str,
    /// Whether a preflight may send any headers that it names itself.
    pub(crate) any_headers: bool,
}

impl PageAccess {
    pub(crate) const NONE: Self = Self {
        methods: "",
        headers: "",
        any_headers: false,
    };
}

/// Answers the preflight of a page, which came with these headers.
pub(crate) fn preflight(access: PageAccess, headers: &HeaderMap) -> Response {
    let requested = headers.get(ACCESS_CONTROL_REQUEST_HEADERS);
    let names = requested.filter(|_| access.any_headers).cloned();
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().extend([
        (
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static(access.methods),
        ),
        (
            ACCESS_CONTROL_ALLOW_HEADERS,
            names.unwrap_or(HeaderValue::from_static(access.headers)),
        ),
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600")),
    ]);
    response
}

/// Lets a page of an allowed origin read the response, failures included.
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
