//! The two applications of a merchant, and their access tokens, kept apart by type.
//!
//! CCBill gives a merchant two pairs of credentials: one whose tokens a page may hold, which make payment tokens and
//! nothing else, and one whose tokens charge them. Which is which stands in the type, so that what would hand the
//! wrong one out does not compile:
//!
//! ```
//! use cardseal_gateways::ccbill::{BackEnd, Bearer, FrontEnd};
//!
//! fn to_the_page(bearer: &Bearer<FrontEnd>) -> &str {
//!     bearer.for_page()
//! }
//! fn to_the_platform(api: &cardseal_gateways::ccbill::Api, bearer: &Bearer<BackEnd>) {
//!     let _request = api.token_request(bearer, "01");
//! }
//! ```
//!
//! ```compile_fail
//! use cardseal_gateways::ccbill::{BackEnd, Bearer};
//!
//! fn to_the_page(bearer: &Bearer<BackEnd>) -> &str {
//!     bearer.for_page()
//! }
//! ```
//!
//! ```compile_fail
//! use cardseal_gateways::ccbill::{Api, Bearer, FrontEnd};
//!
//! fn to_the_platform(api: &Api, bearer: &Bearer<FrontEnd>) {
//!     let _request = api.token_request(bearer, "01");
//! }
//! ```
//!
//! ```compile_fail
//! use cardseal_gateways::ccbill::{BackEnd, Credentials, FrontEnd};
//!
//! fn swap(credentials: Credentials<BackEnd>) -> Credentials<FrontEnd> {
//!     credentials
//! }
//! ```

use std::marker::PhantomData;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardseal::http::Request;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::answer::{Problem, read};
use super::wire::LongId;
use crate::error::{Doubt, Error, Refusal, Rejection};
use crate::transport::access::is_token;
use crate::transport::{Response, Transport};

/// No token of the platform comes near.
const LONGEST_TOKEN: usize = 8192;

/// The application whose tokens a page may hold. There is no value of it.
#[derive(Debug)]
pub enum FrontEnd {}

/// The application that charges. There is no value of it.
#[derive(Debug)]
pub enum BackEnd {}

/// What one application authenticates with.
pub struct Credentials<Role> {
    application_id: String,
    secret: SecretString,
    role: PhantomData<fn() -> Role>,
}

/// An access token of one application.
pub struct Bearer<Role> {
    token: SecretString,
    lifetime: Duration,
    role: PhantomData<fn() -> Role>,
}

/// The platform's answer.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    /// Also as digits.
    expires_in: LongId,
}

/// How OAuth says no. Which of its words the platform uses is not known.
#[derive(Deserialize)]
struct Denied {
    error: String,
}

fn denied(answer: &Response) -> Refusal {
    let word = serde_json::from_slice::<Denied>(&answer.body)
        .ok()
        .map(|denied| denied.error)
        .filter(|word| (1..=40).contains(&word.len()))
        .filter(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    Refusal::Rejected(Rejection {
        code: Some(word.unwrap_or_else(|| "unauthorized".into())),
        name: None,
        message: "the platform does not take these credentials".into(),
        status: Some(answer.status),
    })
}

impl<Role> Credentials<Role> {
    /// Of an application id and its secret.
    #[must_use]
    pub const fn new(application_id: String, secret: SecretString) -> Self {
        Self {
            application_id,
            secret,
            role: PhantomData,
        }
    }

    /// The application. Of the page's own it is no secret.
    #[must_use]
    pub fn application_id(&self) -> &str {
        &self.application_id
    }

    /// The grant type stands in the form. Older texts of the platform have it in the query.
    fn request(&self, base_url: &str) -> Request {
        let pair = format!("{}:{}", self.application_id, self.secret.expose_secret());
        Request {
            method: "POST",
            url: format!("{base_url}/ccbill-auth/oauth/token"),
            headers: vec![
                ("authorization", format!("Basic {}", STANDARD.encode(pair))),
                ("content-type", "application/x-www-form-urlencoded".into()),
                ("accept", "application/json".into()),
            ],
            body: "grant_type=client_credentials".into(),
        }
    }

    /// A new token.
    ///
    /// # Errors
    /// `Rejected` if the platform does not know the pair.
    pub async fn bearer(&self, transport: &Transport, base_url: &str) -> Result<Bearer<Role>, Error> {
        let answer = transport.send(self.request(base_url)).await?;
        if matches!(answer.status, 400 | 401 | 403) {
            return Err(denied(&answer).into());
        }
        let granted: Granted = read(&answer).map_err(Problem::into_error)?;
        let token = SecretString::from(granted.access_token);
        let text = token.expose_secret();
        let plain = is_token(text, LONGEST_TOKEN);
        // What would otherwise never end, or be over before it was used.
        let seconds = granted.expires_in.as_str().parse().unwrap_or_default();
        if !plain || !(1..=7 * 24 * 3600).contains(&seconds) {
            return Err(Error::Doubtful(Doubt::Undecodable));
        }
        Ok(Bearer {
            token,
            lifetime: Duration::from_secs(seconds),
            role: PhantomData,
        })
    }
}

impl<Role> Bearer<Role> {
    /// How long it is valid, counted from the request.
    #[must_use]
    pub const fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl Bearer<FrontEnd> {
    /// The token itself, for a page.
    #[must_use]
    pub fn for_page(&self) -> &str {
        self.token.expose_secret()
    }
}

impl Bearer<BackEnd> {
    /// The header of a call. It leaves this crate in a request to the platform only.
    pub(super) fn header(&self) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.token.expose_secret()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authenticates_as_recorded() {
        let pair: Credentials<FrontEnd> = Credentials::new("fu".into(), "fp".to_owned().into());
        let request = pair.request("https://api.ccbill.com");
        assert_eq!(request.url, "https://api.ccbill.com/ccbill-auth/oauth/token");
        assert_eq!(request.headers[0], ("authorization", "Basic ZnU6ZnA=".into()));
        assert_eq!(request.body, "grant_type=client_credentials");
    }
}
