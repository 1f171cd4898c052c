//! Keys that keep a call from being made twice: the same key returns the first answer, whatever it was.

use std::collections::HashMap;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use time::{Duration, OffsetDateTime};

use super::refusal::Refusal;
use super::{OnlinePayments, Operation, replied};
use crate::host::faults::{ActiveFault, Kind};
use crate::host::{Platform, Reply, Request};

const KEY: &str = "x-gcs-idempotence-key";
const FIRST_TIME: HeaderName = HeaderName::from_static("x-gcs-idempotence-request-timestamp");
/// The documentation says 40, the platform's own tests use up to 52 and are answered.
const MAX_CHARS: usize = 64;

/// How long they count.
const LIFETIME: Duration = Duration::hours(24);

/// What a call with a key led to.
#[derive(Clone)]
pub(crate) enum Outcome {
    Running,
    Done(StatusCode, Option<String>),
}

/// The keys of each route: when a key came first, and what the call led to.
#[derive(Default)]
pub(crate) struct Keys(HashMap<(&'static str, String), (OffsetDateTime, Outcome)>);

impl Keys {
    fn get(
        &mut self,
        route: &'static str,
        key: &str,
        now: OffsetDateTime,
    ) -> Option<(OffsetDateTime, Outcome)> {
        self.0.retain(|_, (at, _)| now - *at < LIFETIME);
        self.0.get(&(route, key.to_owned())).cloned()
    }

    fn set(&mut self, route: &'static str, key: &str, at: OffsetDateTime, outcome: Outcome) {
        self.0.insert((route, key.to_owned()), (at, outcome));
    }

    fn forget(&mut self, route: &'static str, key: &str) {
        self.0.remove(&(route, key.to_owned()));
    }
}

/// The key, where the route knows keys. What the platform does with a wrong one is not documented.
fn key(request: &Request<Operation>) -> Result<Option<String>, Refusal> {
    let Some(key) = request
        .headers
        .get(KEY)
        .filter(|_| request.route.operation.is_idempotent)
    else {
        return Ok(None);
    };
    match key.to_str() {
        Ok(key) if (1..=MAX_CHARS).contains(&key.len()) => Ok(Some(key.to_owned())),
        _ => Err(Refusal::invalid("X-GCS-Idempotence-Key")),
    }
}

/// With the time of the first call with the same key.
fn stamped(reply: Reply, first: OffsetDateTime) -> Reply {
    let stamp = (first.unix_timestamp_nanos() / 1_000_000).to_string();
    match HeaderValue::from_str(&stamp) {
        Ok(stamp) => reply.with(FIRST_TIME, stamp),
        Err(_) => reply,
    }
}

impl OnlinePayments {
    pub(super) async fn serve_once(
        self: Arc<Self>,
        request: Request<Operation>,
        fault: ActiveFault,
    ) -> Response {
        let name = request.route.name;
        let allowed = if request.route.operation.is_page {
            self.authenticate_page(&request)
        } else {
            self.authenticate_server(&request)
        };
        let key = match allowed.and_then(|()| key(&request)) {
            Ok(key) => key,
            Err(refusal) => {
                let reply = refusal.reply();
                reply.log(Self::ID, name, &fault);
                let failed = self.fail_before(&fault);
                return failed.unwrap_or_else(|| self.respond(reply, &fault));
            }
        };
        let now = self.host.now();
        let before = key.as_deref().and_then(|key| {
            self.host.with(|ledger| {
                let before = ledger.book.keys.get(name, key, now);
                if before.is_none() {
                    ledger.book.keys.set(name, key, now, Outcome::Running);
                }
                before
            })
        });
        fault.pause(Kind::Delay).await;
        if let Some(response) = self.fail_before(&fault) {
            if let (Some(key), None) = (&key, &before) {
                self.host.with(|ledger| ledger.book.keys.forget(name, key));
            }
            return response;
        }
        let reply = match before {
            Some((at, Outcome::Done(status, body))) => stamped(replied(status, body), at),
            Some((at, Outcome::Running)) => {
                let code = self.host.with(|ledger| ledger.settings.in_progress_code.clone());
                stamped(Refusal::in_progress(code.as_deref()).reply(), at)
            }
            None => {
                // The key pair is made, and inputs are opened, where nothing else waits for it.
                let (platform, spoiled) = (self.clone(), fault.clone());
                let work = tokio::task::spawn_blocking(move || platform.answer(&request, &spoiled));
                let Ok(reply) = work.await else {
                    return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                };
                fault.pause(Kind::DelayAfterCommit).await;
                if let Some(key) = &key {
                    let outcome = Outcome::Done(reply.status, reply.body.clone());
                    self.host
                        .with(|ledger| ledger.book.keys.set(name, key, now, outcome));
                }
                reply
            }
        };
        reply.log(Self::ID, name, &fault);
        self.respond(reply, &fault)
    }
}
