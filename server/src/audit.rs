//! Notes who did what: each call with an API key that changes something, or was refused.
//!
//! The entry is stored before the caller gets its answer. It names the operation, what it was done to and how it ended,
//! and nothing of the request's body.

use std::sync::{Arc, OnceLock};

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::App;
use crate::access::Caller;
use crate::error::ApiError;
use crate::logging::{RequestId, Written};
use crate::store::AuditEntry;

/// Where the access control leaves word of who calls.
#[derive(Clone, Default)]
pub(crate) struct Actor(Arc<OnceLock<Caller>>);

impl Actor {
    pub(crate) fn is(&self, caller: &Caller) {
        // The first one stays, and there is one.
        let _ = self.0.set(caller.clone());
    }

    /// The name in the log. A page has none.
    fn name(&self) -> Option<String> {
        match self.0.get()? {
            Caller::Configured => Some("configuration".into()),
            Caller::Key(id) => Some(id.to_string()),
            Caller::Page => None,
        }
    }
}

/// The longest body in which the id of a new object is looked up.
const LONGEST_BODY: usize = 1024 * 1024;

/// The id of what an answer shows.
#[derive(Deserialize)]
struct Shown {
    id: Option<String>,
}

/// Middleware that stores an entry for a call that changes something.
pub(crate) async fn note(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return next.run(request).await;
    }
    let actor = Actor::default();
    request.extensions_mut().insert(actor.clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let base = app.config.base_path.as_deref().unwrap_or_default();
    let route = route.strip_prefix(base).unwrap_or(route).to_owned();
    let path = request.uri().path().to_owned();
    let path = path.strip_prefix(base).unwrap_or(&path);
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let method = request.method().clone();
    let response = next.run(request).await;
    let Some(actor) = actor.name() else {
        return response;
    };
    let Some(operation) = crate::api::operation(&method, &route) else {
        return response;
    };
    let status = response.status();
    let error = response.extensions().get::<ApiError>();
    let written = response.extensions().get::<Written>().map(|written| written.code);
    let outcome = error
        .map(|error| error.code().as_str())
        .or(written)
        .unwrap_or("done");
    let (response, shown) = match object(&route, path) {
        None if error.is_none() && status.is_success() => shown(response).await,
        object => (response, object),
    };
    let entry = AuditEntry {
        actor,
        operation: operation.to_owned(),
        object: shown,
        outcome: outcome.to_owned(),
        status: Some(status.as_u16()),
        request_id,
        at: app.clock.now(),
    };
    if let Err(cause) = app.store.add_audit_entry(entry).await {
        // What was done is done, and its answer says so.
        tracing::error!(%cause, operation, outcome, "an entry is missing in the audit log");
    }
    response
}

/// What the path names: an id as it is, a customer as a digest.
fn object(route: &str, path: &str) -> Option<String> {
    let mut parts = route.split('/').zip(path.split('/'));
    let (name, value) = parts.find(|(name, _)| name.starts_with('{'))?;
    if name == "{id}" {
        // Of our ids, none is longer; anything else was refused.
        let plain = value.len() <= 64
            && value
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        return plain.then(|| value.to_owned());
    }
    let customer = percent_decoded(value)?;
    Some(hex::encode(Sha256::digest(customer)))
}

/// The bytes that a segment of a path stands for.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let pair = [rest.next()?, rest.next()?];
            bytes.extend(hex::decode(pair).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

/// The id of what was made, and the response again.
async fn shown(response: Response) -> (Response, Option<String>) {
    let (parts, body) = response.into_parts();
    match to_bytes(body, LONGEST_BODY).await {
        Ok(bytes) => {
            let shown: Option<Shown> = serde_json::from_slice(&bytes).ok();
            let response = Response::from_parts(parts, Body::from(bytes));
            (response, shown.and_then(|shown| shown.id))
        }
        // Our own bodies are in memory and short.
        Err(_) => {
            let mut response = Response::from_parts(parts, Body::empty());
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            (response, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_an_id_or_the_digest_of_a_customer() {
        let of = |route, path| object(route, path);
        assert_eq!(
            of("/v1/payments/{id}/void", "/v1/payments/pay_1/void").as_deref(),
            Some("pay_1")
        );
        assert_eq!(of("/v1/payments/{id}", "/v1/payments/4242%20x"), None);
        assert_eq!(of("/v1/payments", "/v1/payments"), None);
        let digest = of("/v1/customers/{customer}", "/v1/customers/c%C3%A9%201").unwrap();
        assert_eq!(digest, hex::encode(Sha256::digest("cé 1")));
        assert_eq!(of("/v1/customers/{customer}", "/v1/customers/%4"), None);
    }
}
