//! Access tokens: OAuth 2.0 client credentials, of two applications whose tokens do different things.

use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use uuid::Uuid;

use super::{CcBill, Credentials, Operation};
use crate::host::{Reply, Request};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    FrontEnd,
    BackEnd,
}

impl Role {
    pub(crate) const fn scope(self) -> &'static str {
        match self {
            Self::FrontEnd => "frontend",
            Self::BackEnd => "backend",
        }
    }
}

impl CcBill {
    /// `POST /ccbill-auth/oauth/token`, with the grant type in the form or the query.
    pub(crate) fn grant(&self, request: &Request<Operation>) -> Reply {
        let query = form_urlencoded::parse(request.query().as_bytes());
        let grants = query
            .chain(form_urlencoded::parse(&request.body))
            .any(|(name, value)| name == "grant_type" && value == "client_credentials");
        if !grants {
            return refused(StatusCode::BAD_REQUEST, "unsupported_grant_type");
        }
        let basic = |pair: &Credentials| {
            let pair = STANDARD.encode(format!("{}:{}", pair.application_id, pair.secret));
            format!("Basic {pair}")
        };
        let given = request.header(AUTHORIZATION.as_str());
        let role = if given == Some(&basic(&self.info.frontend)) {
            Role::FrontEnd
        } else if given == Some(&basic(&self.info.backend)) {
            Role::BackEnd
        } else {
            return refused(StatusCode::UNAUTHORIZED, "unauthorized");
        };
        let now = self.host.now();
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let seconds = self.host.with(|ledger| {
            let seconds = ledger.settings.token_seconds;
            ledger.book.add_access(token.clone(), role, now, seconds);
            seconds
        });
        let body = json!({
            "access_token": token,
            "token_type": "bearer",
            "expires_in": seconds,
            "scope": role.scope(),
        });
        Reply::json(StatusCode::OK, &body)
    }
}

fn refused(status: StatusCode, error: &str) -> Reply {
    let body = json!({
        "error": error,
        "error_description": "Full authentication is required to access this resource",
    });
    Reply::json(status, &body).refused(error)
}
