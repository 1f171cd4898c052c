//! Access tokens: OAuth 2.0 client credentials, each token with the scopes that it was requested with.

use axum::http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::json;
use uuid::Uuid;

use super::WorldlineAcquiring;
use super::settings::WrongClient;
use crate::StartError;
use crate::host::{Reply, Secrets};

/// Everything that a token can be requested with. The last one is of older libraries.
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
    pub(crate) fn make(secrets: Secrets) -> Result<Self, StartError> {
        Ok(Self {
            id: secrets.uuid("client")?.to_string(),
            // With what a client that does not encode its form would send otherwise than one that does.
            secret: format!(
                "{}+/%{}=",
                secrets.hex("client secret")?,
                secrets.hex("client secret, second half")?
            ),
        })
    }
}

impl WorldlineAcquiring {
    /// `POST /connect/token`, with the credentials in the form.
    pub(crate) fn grant(&self, form: &[u8]) -> Reply {
        let settings = self.host.with(|ledger| ledger.settings.clone());
        let scopes = match self.client.check(form, settings.wrong_client) {
            Ok(scopes) => scopes,
            Err((status, error, text)) => {
                let body = json!({ "error": error, "error_description": text });
                return Reply::json(status, &body).refused(error);
            }
        };
        let token = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let body = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": settings.token_seconds,
            "scope": scopes.join(" "),
        });
        let now = self.host.now();
        self.host.with(|ledger| {
            let book = &mut ledger.book;
            book.tokens.add(token, scopes, now, settings.token_seconds);
            book.tokens_made += 1;
        });
        Reply::json(StatusCode::OK, &body)
    }
}

type Wrong = (StatusCode, &'static str, &'static str);

impl Client {
    /// The scopes of a request for a token, or what is wrong with it.
    fn check(&self, form: &[u8], wrong_client: WrongClient) -> Result<Vec<&'static str>, Wrong> {
        let bad = |error, text| (StatusCode::BAD_REQUEST, error, text);
        let form = std::str::from_utf8(form)
            .map(Form::read)
            .map_err(|_| bad("invalid_request", "the form is not readable"))?;
        match form.get("grant_type") {
            None => return Err(bad("invalid_request", "grant_type is missing")),
            Some("client_credentials") => {}
            Some(_) => {
                let text = "grant_type is not client_credentials";
                return Err(bad("unsupported_grant_type", text));
            }
        }
        if !(form.is("client_id", &self.id) && form.is("client_secret", &self.secret)) {
            return Err(match wrong_client {
                WrongClient::UnauthorizedClient => (
                    StatusCode::UNAUTHORIZED,
                    "unauthorized_client",
                    "INVALID_CREDENTIALS: Invalid client credentials",
                ),
                WrongClient::InvalidClient => bad("invalid_client", "Invalid client"),
            });
        }
        // What a token is good for that is requested without any is not known.
        let scopes: Option<Vec<&'static str>> = form
            .decoded("scope")
            .split_ascii_whitespace()
            .map(|word| SCOPES.into_iter().find(|scope| *scope == word))
            .collect();
        scopes
            .filter(|scopes| !scopes.is_empty())
            .ok_or_else(|| bad("invalid_scope", "a scope is unknown, or there is none"))
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
