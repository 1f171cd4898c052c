//! `/v1/notifications/{platform}/{secret}/…`: webhooks, by `POST` or, at some platforms, in the query of a `GET`.
//!
//! The secret in the path keeps out a browser that has seen a signed answer, because the signature covers neither a
//! token nor an amount. Without a configured secret, notifications are refused. The answer is 200 only after the
//! notification and its effect are on disk.

use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use cardseal::platform::Platform;
use cardseal_gateways::Error;
use cardseal_gateways::error::Refusal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::App;
use crate::access::same;
use crate::body;
use crate::config::Account;
use crate::error::{ApiError, Code};
use crate::payments::{self, Received};

/// The platforms' notifications are smaller.
const MAX_BYTES: usize = 64 * 1024;

/// `POST`: one or several notifications.
pub(super) async fn receive(
    State(app): State<App>,
    Path((platform, address)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let endpoint = Endpoint::find(&app, &platform, &address)?;
    let platform = endpoint.platform;
    let headers = request.headers().clone();
    let body = body::read(request, &app, MAX_BYTES).await?;
    let gateway = &endpoint.account.gateway;
    let all = gateway
        .read_notifications(endpoint.route, &pairs(&headers), &body)
        .map_err(refused)?;
    // One that fails does not hold up the others. The platform sends all of them again.
    let mut failed = None;
    for (at, noticed) in all.iter().enumerate() {
        let digest = match (&noticed.id, at) {
            (Some(id), _) => Sha256::digest(format!("{platform} {id}")),
            (None, 0) => Sha256::digest(&body),
            // Each entry of a body is a notification of its own.
            (None, _) => Sha256::new()
                .chain_update(&body)
                .chain_update(at.to_be_bytes())
                .finalize(),
        };
        let received = Received {
            platform,
            route: endpoint.route,
            digest: &hex::encode(digest),
            notification: &noticed.notification,
        };
        if let Err(error) = payments::take(&app, &received).await {
            failed.get_or_insert(error);
        }
    }
    failed.map_or_else(|| Ok(received()), |error| Err(error.into()))
}

/// `GET`: a notification in the query, or a platform that verifies the address before it uses it.
pub(super) async fn receive_query(
    State(app): State<App>,
    Path((platform, address)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let endpoint = Endpoint::find(&app, &platform, &address)?;
    let platform = endpoint.platform;
    let gateway = &endpoint.account.gateway;
    if let Some(word) = gateway.endpoint_verification(&pairs(&headers)) {
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], word).into_response());
    }
    let query = query.unwrap_or_default();
    let notification = match gateway.read_query_notification(endpoint.route, &query) {
        Err(Error::Refused(Refusal::NotOffered)) => return Err(Code::MethodNotAllowed.into()),
        read => read.map_err(refused)?,
    };
    let notice = Received {
        platform,
        route: endpoint.route,
        digest: &hex::encode(Sha256::digest(query.as_bytes())),
        notification: &notification,
    };
    payments::take(&app, &notice).await?;
    Ok(received().into_response())
}

/// The webhook address that a notification came in at, after its secret was checked.
struct Endpoint<'a> {
    platform: Platform,
    account: &'a Account,
    route: &'static str,
}

impl<'a> Endpoint<'a> {
    /// `address` is the secret, followed by the platform's own route.
    fn find(app: &'a App, platform: &str, address: &str) -> Result<Self, ApiError> {
        let platform = Platform::from_id(platform).ok_or(Code::NotFound)?;
        let (secret, route) = address.split_once('/').unwrap_or((address, ""));
        let account = app.account(platform).map_err(|_| Code::NotFound)?;
        let expected = account.webhook_path_secret.as_ref();
        if !expected.is_some_and(|expected| same(secret, expected)) {
            return Err(Code::NotFound.into());
        }
        let routes = account.gateway.notification_routes();
        let route = routes
            .iter()
            .copied()
            .find(|known| *known == route.trim_matches('/'))
            .ok_or(Code::NotFound)?;
        Ok(Self {
            platform,
            account,
            route,
        })
    }
}

fn received() -> Json<Value> {
    Json(json!({ "received": true }))
}

fn pairs(headers: &HeaderMap) -> Vec<(&str, &str)> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect()
}

fn refused(error: Error) -> ApiError {
    match error {
        Error::SignatureInvalid => Code::HandedSignatureInvalid.into(),
        Error::Doubtful(_) => Code::BadJson.into(),
        Error::Refused(Refusal::NotOffered) => Code::NotFound.into(),
        Error::Refused(_) | Error::Incomplete(_) => error.into(),
    }
}
