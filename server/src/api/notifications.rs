//! `/v1/notifications/{platform}/{secret}/…`: what a platform tells us by itself, by `POST` or, where it does so, in the
//! query of a `GET`.
//!
//! The secret in the address keeps out a browser that has seen a signed answer: the signature covers neither a
//! token nor an amount. Without one in the configuration nothing is taken. The answer is 200 only when the
//! notification and its effect are on the disk.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use cardseal_gateways::Error;
use cardseal_gateways::error::Refusal;
use cardseal_gateways::gateway::Notification;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::App;
use crate::access::same;
use crate::body;
use crate::config::Account;
use crate::error::{ApiError, Code};
use crate::gate::Purpose;
use crate::payments;
use crate::store::Notice;

/// The platform's own answers are smaller.
const MAX_BYTES: usize = 64 * 1024;

pub(super) async fn receive(
    State(app): State<App>,
    Path((platform, secret)): Path<(String, String)>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    posted(&app, &platform, &secret, "", request).await
}

pub(super) async fn receive_at(
    State(app): State<App>,
    Path((platform, secret, route)): Path<(String, String, String)>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    posted(&app, &platform, &secret, &route, request).await
}

pub(super) async fn receive_query(
    State(app): State<App>,
    Path((platform, secret)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    queried(&app, &platform, &secret, "", query, &headers).await
}

pub(super) async fn receive_query_at(
    State(app): State<App>,
    Path((platform, secret, route)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    queried(&app, &platform, &secret, &route, query, &headers).await
}

/// Where a notification came in, once the caller has shown that it knows the address.
struct Place<'a> {
    platform: &'a str,
    account: &'a Account,
    route: &'static str,
}

impl<'a> Place<'a> {
    fn find(app: &'a App, platform: &'a str, secret: &str, route: &str) -> Result<Self, ApiError> {
        let account = app.config.platforms.get(platform).ok_or(Code::NotFound)?;
        if !account
            .webhook_path_secret
            .as_ref()
            .is_some_and(|expected| same(secret, expected))
        {
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

async fn posted(
    app: &App,
    platform: &str,
    secret: &str,
    route: &str,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let place = Place::find(app, platform, secret, route)?;
    let headers = request.headers().clone();
    let body = body::read(request, app, MAX_BYTES).await?;
    let all = place
        .account
        .gateway
        .read_notifications(place.route, &pairs(&headers), &body)
        .map_err(refused)?;
    // One that cannot be taken does not keep back those behind it: what is sent again is the whole.
    let mut failed = None;
    for (at, noticed) in all.iter().enumerate() {
        let digest = match (&noticed.id, at) {
            (Some(id), _) => Sha256::digest(format!("{platform} {id}")),
            (None, 0) => Sha256::digest(&body),
            // Another of the same body is another one.
            (None, _) => Sha256::new()
                .chain_update(&body)
                .chain_update(at.to_be_bytes())
                .finalize(),
        };
        if let Err(error) = take(app, &place, &hex::encode(digest), &noticed.notification).await {
            failed.get_or_insert(error);
        }
    }
    failed.map_or_else(|| Ok(received()), Err)
}

/// `GET`: a notification in the query, or a platform that asks whether the address is ours before it uses it.
async fn queried(
    app: &App,
    platform: &str,
    secret: &str,
    route: &str,
    query: Option<String>,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let place = Place::find(app, platform, secret, route)?;
    let gateway = &place.account.gateway;
    if let Some(word) = gateway.endpoint_verification(&pairs(headers)) {
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], word).into_response());
    }
    let query = query.unwrap_or_default();
    let notification = match gateway.read_query_notification(place.route, &query) {
        Err(Error::Refused(Refusal::NotOffered)) => return Err(Code::MethodNotAllowed.into()),
        read => read.map_err(refused)?,
    };
    let digest = hex::encode(Sha256::digest(query.as_bytes()));
    take(app, &place, &digest, &notification).await?;
    Ok(received().into_response())
}

fn received() -> Json<Value> {
    Json(json!({ "received": true }))
}

/// Stores what was verified, once, and does what it says.
async fn take(
    app: &App,
    place: &Place<'_>,
    digest: &str,
    notification: &Notification,
) -> Result<(), ApiError> {
    let Place {
        platform,
        account,
        route,
    } = place;
    // What only hints at something counts as far as the platform itself says the same.
    let confirmed = if let Notification::Hint { platform_id, .. } = notification
        && !app.store.knows_notification(digest).await?
    {
        let _permit = app.enter(platform, Purpose::Operation).await?;
        Some(
            account
                .gateway
                .confirm(app.transport(platform)?, platform_id)
                .await?,
        )
    } else {
        None
    };
    let notice = Notice {
        digest,
        platform,
        route,
        notification: confirmed.as_ref().unwrap_or(notification),
        tries_on_page: account.gateway.capabilities().hosted_page,
    };
    let effect = app.store.notify(&notice, app.clock.now()).await?;
    if effect == "conflict" || effect == "payment_corrected" {
        tracing::warn!(
            platform,
            route,
            effect,
            "a notification contradicts what was known"
        );
    } else {
        tracing::info!(platform, route, effect, "notification taken");
    }
    // It may be about a capture, a void or a refund whose outcome is open: that is asked about now, and not later.
    if let Some(Notification::Payment { reference, .. } | Notification::Nothing { reference }) = &confirmed
        && account.gateway.capabilities().change_lookup
        && let Some(payment) = app.store.unknown_of(platform, reference).await?
    {
        let owner = Arc::clone(app);
        app.to_the_end(async move { payments::reconcile(&owner, &payment).await })
            .await?;
    }
    Ok(())
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
