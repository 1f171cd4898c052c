//! The session that the merchant's server opens and the page uses.

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error, Result};
use crate::hosts::BaseUrl;
use crate::platform::Platform;

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Storing a new card.
    Tokenize,
    /// Replacing the card of a token.
    Update,
    /// Charging a card.
    Payment,
}

impl Kind {
    /// The value in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tokenize => "tokenize",
            Self::Update => "update",
            Self::Payment => "payment",
        }
    }

    /// The path on the merchant's server for submissions of this kind of session.
    #[must_use]
    pub const fn server_path(self) -> &'static str {
        match self {
            Self::Tokenize | Self::Update => "/v1/tokens",
            Self::Payment => "/v1/payments",
        }
    }
}

/// Who sends the encrypted card to the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The merchant's server. The platform's session never leaves it.
    #[default]
    Relay,
    /// The browser.
    Direct,
}

/// The members that every session has, as the page passes them in. They are not checked yet: the session may come
/// from the Cardseal server, the merchant's own back end, or elsewhere. Times are in milliseconds since 1970.
#[derive(Clone, Debug, Default)]
pub struct SessionInput {
    /// The server's id of the session.
    pub id: Option<String>,
    /// The platform's id.
    pub platform: Option<String>,
    /// What the session is for.
    pub kind: Option<String>,
    /// Who sends the card to the platform. Only sessions of the Cardseal server have it.
    pub mode: Option<String>,
    /// When the session was created.
    pub created_at: Option<f64>,
    /// When it expires, by this machine's clock.
    pub expires_at: Option<f64>,
}

/// A checked session of the Cardseal server, which has not expired.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerSession {
    /// The server's id of the session.
    pub id: String,
    /// Who sends the card to the platform.
    pub mode: Mode,
    /// Milliseconds since 1970, by this machine's clock.
    pub expires_at: f64,
}

impl SessionInput {
    /// Checks the session. Returns `None` if it is not from the Cardseal server.
    ///
    /// # Errors
    /// `session_malformed`, with the member at fault; `session_wrong_platform`; `session_wrong_kind`;
    /// `session_expired`.
    pub fn of_server(&self, platform: Platform, kind: Kind, now_ms: f64) -> Result<Option<ServerSession>> {
        let mode = match self.mode.as_deref() {
            None => return Ok(None),
            Some("relay") => Mode::Relay,
            Some("direct") => Mode::Direct,
            Some(_) => return Err(malformed("mode")),
        };
        if self.platform.as_deref().is_some_and(|id| id != platform.id()) {
            return Err(Code::SessionWrongPlatform.into());
        }
        match self.kind.as_deref() {
            None => return Err(malformed("kind")),
            Some(other) if other != kind.as_str() => return Err(Code::SessionWrongKind.into()),
            Some(_) => {}
        }
        if self.created_at.is_none() {
            return Err(malformed("created_at"));
        }
        let expires_at = self.expires_at.ok_or_else(|| malformed("expires_at"))?;
        fresh(expires_at, now_ms)?;
        let id = self.id.clone().ok_or_else(|| malformed("id"))?;
        Ok(Some(ServerSession { id, mode, expires_at }))
    }
}

/// The address and the access token of a platform that the page calls itself, not checked yet.
#[derive(Clone, Default)]
pub struct AccessInput {
    /// The base URL of the platform.
    pub base_url: Option<String>,
    /// The access token.
    pub access_token: Option<String>,
}

/// The checked address of a platform, and the authorization of a call.
#[derive(Clone)]
pub struct Access {
    /// The base URL of the platform.
    pub base: BaseUrl,
    /// The value of the header `authorization`.
    pub authorization: String,
}

impl AccessInput {
    /// Checks the access. `chosen`, from the page's options, takes precedence. A session may name one of the
    /// `published` hosts, or this machine if `local` says that the page is from this machine.
    ///
    /// # Errors
    /// `option_invalid` without a host; `session_host_refused`; `session_malformed`, with the member at fault.
    pub fn open(&self, chosen: Option<&BaseUrl>, published: &[&str], local: bool) -> Result<Access> {
        let named = self.base_url.as_deref().filter(|url| !url.is_empty());
        let base = match (chosen, named) {
            (Some(base), _) => base.clone(),
            (None, Some(url)) => BaseUrl::of_session(url, "base_url", published, local, Code::OptionInvalid)?,
            (None, None) => {
                return Err(Error::new(Code::OptionInvalid)
                    .at("environment")
                    .with_message("the session has no base_url, so the page must name the environment"));
            }
        };
        const TOKEN: &str = "access_token";
        let token = self.access_token.clone().ok_or_else(|| malformed(TOKEN))?;
        let token = visible(token, 4096, TOKEN, Code::SessionMalformed)?;
        Ok(Access {
            base,
            authorization: ["Bearer ", &token].concat(),
        })
    }
}

/// Checks that a session has not expired.
///
/// # Errors
/// `session_expired`.
pub(crate) fn fresh(expires_at_ms: f64, now_ms: f64) -> Result<()> {
    if now_ms < expires_at_ms {
        Ok(())
    } else {
        Err(Code::SessionExpired.into())
    }
}

/// Checks that an id is safe in a header, a path and a log.
///
/// # Errors
/// `code` at `field`.
pub(crate) fn id(text: String, field: &'static str, code: Code) -> Result<String> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if (1..=80).contains(&text.len()) && text.bytes().all(safe) {
        Ok(text)
    } else {
        Err(Error::new(code).at(field))
    }
}

/// Checks that a text is visible ASCII, and so is safe in a header.
///
/// # Errors
/// `code` at `field`.
pub(crate) fn visible(text: String, longest: usize, field: &'static str, code: Code) -> Result<String> {
    if (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text)
    } else {
        Err(Error::new(code).at(field))
    }
}

/// The error for a member of a session.
pub(crate) fn malformed(field: &'static str) -> Error {
    Error::new(Code::SessionMalformed).at(field)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const NOW: f64 = 1_795_219_200_000.0;

    #[test]
    fn a_session_of_the_server_is_taken_for_its_own_platform_and_kind_alone() {
        let own = SessionInput {
            id: Some("ses_1".into()),
            platform: Some("greenpay".into()),
            kind: Some("tokenize".into()),
            mode: Some("relay".into()),
            created_at: Some(NOW),
            expires_at: Some(NOW + 1000.0),
        };
        let read = |change: fn(&mut SessionInput)| {
            let mut session = own.clone();
            change(&mut session);
            session
                .of_server(Platform::GreenPay, Kind::Tokenize, NOW)
                .map_err(|error| (error.code(), error.field()))
        };
        assert_eq!(read(|_| {}).unwrap().unwrap().mode, Mode::Relay);
        assert_eq!(read(|session| session.mode = None), Ok(None));
        let malformed = |field| Err((Code::SessionMalformed, Some(field)));
        assert_eq!(
            read(|session| session.mode = Some("both".into())),
            malformed("mode")
        );
        assert_eq!(read(|session| session.kind = None), malformed("kind"));
        assert_eq!(read(|session| session.created_at = None), malformed("created_at"));
        assert_eq!(read(|session| session.expires_at = None), malformed("expires_at"));
        assert_eq!(read(|session| session.id = None), malformed("id"));
        let is = |code| Err((code, None));
        assert_eq!(
            read(|session| session.platform = Some("gp_api".into())),
            is(Code::SessionWrongPlatform)
        );
        assert_eq!(
            read(|session| session.kind = Some("payment".into())),
            is(Code::SessionWrongKind)
        );
        assert_eq!(
            read(|session| session.expires_at = Some(NOW)),
            is(Code::SessionExpired)
        );
    }

    #[test]
    fn a_platform_is_called_where_the_page_or_a_session_says_with_a_token_that_fits_a_header() {
        let open = |base_url: &str, token: Option<&str>, chosen: Option<&str>| {
            let given = AccessInput {
                base_url: Some(base_url.into()),
                access_token: token.map(Into::into),
            };
            let chosen = chosen.and_then(BaseUrl::parse);
            given
                .open(chosen.as_ref(), &["https://api.example/ucp"], false)
                .map(|access| [access.base.as_str(), "|", &access.authorization].concat())
                .map_err(|error| (error.code(), error.field()))
        };
        assert_eq!(
            open("https://api.example/v2/", Some("t0"), None).unwrap(),
            "https://api.example/v2|Bearer t0"
        );
        assert_eq!(
            open("https://evil.example", Some("t0"), Some("https://own.example/x/")).unwrap(),
            "https://own.example/x|Bearer t0"
        );
        assert_eq!(
            open("https://evil.example", Some("t0"), None),
            Err((Code::SessionHostRefused, Some("base_url")))
        );
        assert_eq!(
            open("http://api.example", Some("t0"), None),
            Err((Code::OptionInvalid, Some("base_url")))
        );
        assert_eq!(
            open("", Some("t0"), None),
            Err((Code::OptionInvalid, Some("environment")))
        );
        let long = "t".repeat(4097);
        for token in [None, Some(""), Some("a\r\nb"), Some("a b"), Some(long.as_str())] {
            assert_eq!(
                open("https://api.example", token, None),
                Err((Code::SessionMalformed, Some("access_token")))
            );
        }
    }
}
