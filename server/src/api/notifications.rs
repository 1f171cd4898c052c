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
use cardseal_gateways::gateway::Notification;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, IntoResponses, ToSchema};

use super::contract::refusals;
use super::fields::platform;
use crate::App;
use crate::access::same;
use crate::body;
use crate::config::Account;
use crate::error::{ApiError, Code};
use crate::payments::{self, Received};
use crate::subscriptions;

/// The platforms' notifications are smaller.
const MAX_BYTES: usize = 64 * 1024;

refusals! {
    /// Of a notification.
    Refused = STORE | PLATFORM [
        NotFound, MethodNotAllowed, BadJson, BodyTooLarge, RequestTimeout, HandedSignatureInvalid,
    ];
}

/// A webhook address. Configure it at the platform.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the contract")]
struct Address {
    #[param(schema_with = platform, required = true)]
    platform: String,
    /// `webhook_path_secret` of the platform's section in the configuration.
    secret: String,
}

/// A webhook address of one kind of event.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[expect(dead_code, reason = "for the contract")]
struct Event {
    /// `newCard`: GreenPay sends its notifications of stored cards there. No other platform has such an address.
    #[param(example = "newCard")]
    event: String,
}

/// The notification and its effect are stored.
#[derive(Serialize, ToSchema)]
pub(super) struct Receipt {
    /// True.
    received: bool,
}

/// The answer to a notification.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "for the contract")]
enum Taken {
    /// Accepted, now or before. The platform need not send it again.
    #[response(status = 200)]
    Received(Receipt),
}

/// Receives one or several notifications from a platform.
///
/// The platform defines and signs the body. A notification that is sent twice has its effect once.
#[utoipa::path(post, operation_id = "receiveNotification", path = "/v1/notifications/{platform}/{secret}",
    tag = "notifications", params(Address), request_body(content = Object, description = "The platform's own JSON."),
    responses(Taken, Refused))]
pub(super) async fn receive(
    State(app): State<App>,
    Path((platform, address)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Receipt>, ApiError> {
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
        let taken = match &noticed.notification {
            Notification::Subscription { platform_id } => {
                subscriptions::take(&app, &received, platform_id).await
            }
            Notification::Payment { .. }
            | Notification::Card { .. }
            | Notification::Hint { .. }
            | Notification::Nothing { .. } => payments::take(&app, &received).await,
        };
        if let Err(error) = taken {
            failed.get_or_insert(error);
        }
    }
    failed.map_or_else(|| Ok(received()), |error| Err(error.into()))
}

/// Receives a notification in the query, or verifies the address for the platform.
///
/// Only GP API sends notifications this way, and only Online Payments verifies addresses.
#[utoipa::path(
    get,
    operation_id = "receiveQueryNotification",
    path = "/v1/notifications/{platform}/{secret}",
    tag = "notifications",
    params(Address),
    responses(
        (status = 200, description = "Accepted; or, as text, the challenge of the platform.",
            content((Receipt = "application/json"), (String = "text/plain"))),
        Refused,
    )
)]
pub(super) async fn receive_query(
    State(app): State<App>,
    Path((platform, address)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if address.trim_end_matches('/').contains('/') {
        // Events that have their own address come only by `POST`.
        return Ok(only_post());
    }
    let endpoint = Endpoint::find(&app, &platform, &address)?;
    let platform = endpoint.platform;
    let gateway = &endpoint.account.gateway;
    if let Some(word) = gateway.endpoint_verification(&pairs(&headers)) {
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], word).into_response());
    }
    let query = query.unwrap_or_default();
    let notification = match gateway.read_query_notification(endpoint.route, &query) {
        Err(Error::Refused(Refusal::NotOffered)) => return Ok(only_post()),
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

/// Receives a notification of an event that has its own address.
#[utoipa::path(post, operation_id = "receiveEvent", path = "/v1/notifications/{platform}/{secret}/{event}",
    tag = "notifications", params(Address, Event),
    request_body(content = Object, description = "The platform's own JSON."), responses(Taken, Refused))]
#[expect(dead_code, reason = "for the contract: `receive` takes both")]
pub(super) const fn receive_event() {}

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

const fn received() -> Json<Receipt> {
    Json(Receipt { received: true })
}

/// A 405 with the `Allow` header that HTTP requires.
fn only_post() -> Response {
    let refusal = ApiError::from(Code::MethodNotAllowed);
    ([(header::ALLOW, "POST")], refusal).into_response()
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
