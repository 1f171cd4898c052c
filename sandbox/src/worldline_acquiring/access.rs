//! Access tokens: OAuth 2.0 client credentials, each token with the scopes that it was asked for with.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::settings::{Settings, WrongClient};

/// Everything that a token can be asked for with. The last one is of older libraries.
const SCOPES: [&str; 10] = [
    PAYMENT,
    REFUND,
    VERIFICATION,
    BALANCE,
    REVERSE,
    DCC,
    PING,
    "disputes_retrieve",
    "disputes_manage",
    "processing_credittransfer",
];
pub(crate) const PAYMENT: &str = "processing_payment";
pub(crate) const REFUND: &str = "processing_refund";
pub(crate) const VERIFICATION: &str = "processing_accountverification";
pub(crate) const BALANCE: &str = "processing_balanceinquiry";
pub(crate) const REVERSE: &str = "processing_operation_reverse";
pub(crate) const DCC: &str = "processing_dcc_rate";
pub(crate) const PING: &str = "services_ping";

/// The application of the merchant, made anew at every start.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl Client {
    pub(crate) fn make() -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            // With what a client that does not encode its form would send otherwise than one that does.
            secret: format!("{}+/%{}=", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
        }
    }
}

/// What a token may, and until when.
struct Access {
    scopes: Vec<&'static str>,
    expires_at: OffsetDateTime,
}

/// The tokens that were given out.
#[derive(Default)]
pub(crate) struct Tokens {
    known: BTreeMap<String, Access>,
    made: u64,
}

impl Tokens {
    pub(crate) const fn made(&self) -> u64 {
        self.made
    }

    /// Whether a token has a scope. Nothing if it is unknown, or its time is over.
    pub(crate) fn may(&self, token: &str, scope: &str, now: OffsetDateTime) -> Option<bool> {
        let access = self.known.get(token).filter(|access| now < access.expires_at)?;
        Some(access.scopes.contains(&scope))
    }

    /// Ends all of them; how many there were.
    pub(crate) fn expire(&mut self) -> usize {
        std::mem::take(&mut self.known).len()
    }

    /// `POST /connect/token`, with the credentials in the form.
    pub(crate) fn grant(
        &mut self,
        client: &Client,
        form: &[u8],
        settings: &Settings,
        now: OffsetDateTime,
    ) -> (StatusCode, Value) {
        let refused =
            |status, error: &str, text: &str| (status, json!({ "error": error, "error_description": text }));
        let bad = StatusCode::BAD_REQUEST;
        let Ok(form) = std::str::from_utf8(form) else {
            return refused(bad, "invalid_request", "the form is not readable");
        };
        let form = Form::read(form);
        match form.get("grant_type") {
            None => return refused(bad, "invalid_request", "grant_type is missing"),
            Some("client_credentials") => {}
            Some(_) => {
                return refused(
                    bad,
                    "unsupported_grant_type",
                    "grant_type is not client_credentials",
                );
            }
        }
        if !(form.is("client_id", &client.id) && form.is("client_secret", &client.secret)) {
            return match settings.wrong_client {
                WrongClient::UnauthorizedClient => refused(
                    StatusCode::UNAUTHORIZED,
                    "unauthorized_client",
                    "INVALID_CREDENTIALS: Invalid client credentials",
                ),
                WrongClient::InvalidClient => refused(bad, "invalid_client", "Invalid client"),
            };
        }
        // What a token is good for that is asked for without any is not known.
        let asked = form.decoded("scope");
        let scopes: Option<Vec<&'static str>> = asked
            .split_ascii_whitespace()
            .map(|word| SCOPES.into_iter().find(|scope| *scope == word))
            .collect();
        let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) else {
            return refused(bad, "invalid_scope", "a scope is unknown, or there is none");
        };
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let body = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": settings.token_seconds,
            "scope": scopes.join(" "),
        });
        let expires_at = now + Duration::seconds(settings.token_seconds.into());
        self.known.insert(token, Access { scopes, expires_at });
        self.made += 1;
        (StatusCode::OK, body)
    }
}

/// The members of a form, as they came: official libraries encode nothing, so that a plus sign can be one.
struct Form<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Form<'a> {
    fn read(text: &'a str) -> Self {
        Self(text.split('&').filter_map(|pair| pair.split_once('=')).collect())
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }

    fn decoded(&self, name: &str) -> String {
        let text = self.get(name).unwrap_or_default().replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    }

    /// Encoded or not.
    fn is(&self, name: &str, wanted: &str) -> bool {
        self.get(name) == Some(wanted) || (self.get(name).is_some() && self.decoded(name) == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_encoded_or_as_it_is() {
        let secret = "a+b/%c=";
        for (form, is_it) in [
            ("client_secret=a+b/%c=", true),
            ("client_secret=a%2Bb%2F%25c%3D", true),
            ("client_secret=a b/%c=", false),
            ("client_secret=", false),
            ("client_id=x", false),
        ] {
            assert_eq!(Form::read(form).is("client_secret", secret), is_it, "{form}");
        }
    }
}
