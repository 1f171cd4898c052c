//! Who may call: the merchant's server by its signature, a page by its session.

use std::time::{Duration, SystemTime};

use axum::http::header::{AUTHORIZATION, DATE};
use axum::http::uri::PathAndQuery;

use super::refusal::Refusal;
use super::signature::{self, Signed};
use super::{OnlinePayments, Operation};
use crate::host::Request;

impl OnlinePayments {
    /// Whether the server may call. Every mistake has the same answer.
    pub(crate) fn authenticate_server(&self, request: &Request<Operation>) -> Result<(), Refusal> {
        let refused = Refusal::no_access;
        let (strict, tolerance) = self.host.with(|ledger| {
            (
                ledger.settings.strict_signature,
                ledger.settings.date_tolerance_seconds,
            )
        });
        let known = &self.info.credentials;
        let (key_id, given) = request
            .header(AUTHORIZATION.as_str())
            .and_then(signature::parse)
            .filter(|(key_id, _)| *key_id == known.api_key_id)
            .ok_or_else(refused)?;
        if request.param("merchant") != self.info.merchant_id {
            return Err(refused());
        }
        // By this machine's time: the sandbox's own clock may have been moved.
        let date = request
            .header(DATE.as_str())
            .and_then(|text| httpdate::parse_http_date(text).ok())
            .ok_or_else(refused)?;
        if tolerance.is_some_and(|seconds| distance(date) > Duration::from_secs(seconds.into())) {
            return Err(refused());
        }
        let target = request.uri.path_and_query().map(PathAndQuery::as_str);
        let signed = Signed {
            method: &request.method,
            target: target.unwrap_or_default(),
            headers: &request.headers,
        };
        let form = signed
            .check(&known.secret_api_key, given, strict)
            .ok_or_else(refused)?;
        tracing::debug!(?form, key_id, "online_payments signature");
        Ok(())
    }

    /// Whether a page may call.
    pub(crate) fn authenticate_page(&self, request: &Request<Operation>) -> Result<(), Refusal> {
        let id = session(request).ok_or_else(Refusal::no_session)?;
        let now = self.host.now();
        self.host.with(|ledger| {
            let session = ledger.book.sessions.get(id).ok_or_else(Refusal::no_session)?;
            // What a session of another customer is told is not known; the name of this error fits.
            if now >= session.expires_at || session.customer_id != request.param("customer") {
                return Err(Refusal::expired_session());
            }
            Ok(())
        })
    }
}

/// The session that a page calls with.
pub(crate) fn session(request: &Request<Operation>) -> Option<&str> {
    let authorization = request.header(AUTHORIZATION.as_str())?;
    authorization.strip_prefix("GCS v1Client:")
}

/// How far a date is from this machine's time.
fn distance(date: SystemTime) -> Duration {
    let now = SystemTime::now();
    now.duration_since(date)
        .or_else(|_| date.duration_since(now))
        .unwrap_or_default()
}
