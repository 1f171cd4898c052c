//! Access tokens by client credentials. A token is reused until shortly before it expires. If the platform rejects it
//! earlier, a new one is fetched, once per call.

use std::time::Duration;

use async_trait::async_trait;
use cardseal::http::Request;
use cardseal::redact::line;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::communicator::{Authenticator, ToSign};
use crate::connection::Connection;
use crate::errors::OAuth2Error;
use cardseal_transport::Response;
use cardseal_transport::access::{ClientCredentials, is_token};

/// The value of `authorizationType` in a properties file.
pub const OAUTH2: &str = "OAuth2";

/// The scopes that the client's calls need.
pub const SCOPES: &[&str] = &[
    "processing_payment",
    "processing_refund",
    "processing_accountverification",
    "processing_balanceinquiry",
    "processing_operation_reverse",
    "processing_dcc_rate",
    "services_ping",
];

/// Real tokens are much shorter.
const LONGEST_TOKEN: usize = 8192;

/// Longer texts of the authorization server are cut off.
const LONGEST_TEXT: usize = 300;

/// Gets access tokens.
pub struct OAuth2Authenticator {
    token_uri: String,
    client_id: String,
    client_secret: SecretString,
    scopes: String,
    access: ClientCredentials<SecretString, OAuth2Error>,
}

impl OAuth2Authenticator {
    /// Creates an authenticator for an account. `scopes` are separated by spaces.
    #[must_use]
    pub fn new(token_uri: &str, client_id: &str, client_secret: SecretString, scopes: &str) -> Self {
        Self {
            token_uri: token_uri.into(),
            client_id: client_id.into(),
            client_secret,
            scopes: scopes.into(),
            access: ClientCredentials::default(),
        }
    }

    /// The body of the token request. Percent-encoded, unlike in the official SDK, so a secret can have any character.
    fn form(&self) -> String {
        Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client_id)
            .append_pair("client_secret", self.client_secret.expose_secret())
            .append_pair("scope", &self.scopes)
            .finish()
    }

    async fn fetch(&self, connection: &dyn Connection) -> Result<(SecretString, Duration), OAuth2Error> {
        let request = Request {
            method: "POST",
            url: self.token_uri.clone(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".into())],
            body: self.form(),
        };
        read(&connection.send(request).await?)
    }
}

fn read(answer: &Response) -> Result<(SecretString, Duration), OAuth2Error> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if answer.status != 200 {
        let said = |name: &str| body[name].as_str().map(|text| line(text, LONGEST_TEXT));
        let code = said("error").ok_or(OAuth2Error::Unreadable)?;
        return Err(OAuth2Error::Refused {
            status: answer.status,
            code,
            description: said("error_description").unwrap_or_default(),
        });
    }
    let token = body["access_token"]
        .as_str()
        .filter(|token| is_token(token, LONGEST_TOKEN));
    let seconds = &body["expires_in"];
    let seconds = seconds
        .as_i64()
        .or_else(|| seconds.as_str().and_then(|digits| digits.parse().ok()));
    let (Some(token), Some(seconds)) = (token, seconds) else {
        return Err(OAuth2Error::Unreadable);
    };
    // A token that has already expired is used for one call.
    let lifetime = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    Ok((format!("Bearer {token}").into(), lifetime))
}

#[async_trait]
impl Authenticator for OAuth2Authenticator {
    async fn authorization(
        &self,
        _: &ToSign<'_>,
        connection: &dyn Connection,
    ) -> Result<SecretString, OAuth2Error> {
        Ok(self.access.token(self.fetch(connection)).await?.value)
    }

    async fn refused(&self, authorization: &SecretString) -> bool {
        let refused = |value: &SecretString| value.expose_secret() == authorization.expose_secret();
        self.access.give_up_where(refused).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_rest_of_an_answer_is_read_whatever_type_a_member_has() {
        let answer = |status: u16, body: Value| {
            read(&Response {
                status,
                headers: Vec::new(),
                body: body.to_string().into_bytes(),
            })
        };
        for seconds in [json!(300), json!("300")] {
            let body = json!({ "access_token": "t", "expires_in": seconds, "token_type": 1, "scope": [] });
            let (token, lifetime) = answer(200, body).unwrap();
            assert_eq!((token.expose_secret(), lifetime.as_secs()), ("Bearer t", 300));
        }
        let refused = answer(
            401,
            json!({ "error": "invalid_client", "error_description": { "a": 1 } }),
        );
        assert!(matches!(refused, Err(OAuth2Error::Refused { code, .. }) if code == "invalid_client"));
    }
}
