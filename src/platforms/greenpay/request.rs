//! Requests to the checkout host, or to the merchant's own server that relays them.

use super::Packed;
use crate::http::{Request, json_headers};
use crate::json::Json;

/// Where the checkout host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// The platform's sandbox.
    Sandbox,
    /// The live platform.
    Production,
    /// A base URL of the caller's.
    Custom(String),
}

impl Hosts {
    /// Base URL of the checkout host, without a slash at the end.
    #[must_use]
    pub fn checkout(&self) -> &str {
        match self {
            Self::Sandbox => "https://sandbox-checkout.greenpay.me",
            Self::Production => "https://checkout.greenpay.me",
            Self::Custom(url) => url.trim_end_matches('/'),
        }
    }

    /// Base URL of the merchant host, which only a server may call.
    #[must_use]
    pub const fn merchant(&self) -> Option<&'static str> {
        match self {
            Self::Sandbox => Some("https://sandbox-merchant.greenpay.me"),
            Self::Production => Some("https://merchant.greenpay.me"),
            Self::Custom(_) => None,
        }
    }
}

/// What is asked of the checkout host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Store a new card.
    Tokenize,
    /// Store a card in the place of a token.
    UpdateToken,
    /// Charge a card.
    Pay {
        /// With a session of the Kount collector.
        kount: bool,
    },
}

impl Verb {
    /// Path on the checkout host.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::Tokenize => "/tokenize",
            Self::UpdateToken => "/tokenize/update",
            Self::Pay { kount: true } => "/kount",
            Self::Pay { kount: false } => "/",
        }
    }
}

/// Who gets the encrypted card.
#[derive(Clone)]
pub enum Target {
    /// The merchant's server, which relays it; the platform's session never leaves it.
    Relay {
        /// Base URL of the server.
        server: String,
        /// The server's id of the session.
        session: String,
        /// Makes a payment that was sent twice happen once.
        idempotency_key: Option<String>,
    },
    /// The checkout host itself.
    Direct {
        /// Where it is.
        hosts: Hosts,
        /// The order's session.
        session: String,
        /// The order's token.
        token: String,
    },
}

impl Verb {
    /// The request that hands over an encrypted card.
    #[must_use]
    pub fn request(self, target: &Target, packed: &Packed) -> Request {
        let mut headers = json_headers();
        let (url, session) = match target {
            Target::Relay {
                server,
                session,
                idempotency_key,
            } => {
                if let Some(key) = idempotency_key {
                    headers.push(("idempotency-key", key.clone()));
                }
                let path = match self {
                    Self::Tokenize | Self::UpdateToken => "/v1/tokens",
                    Self::Pay { .. } => "/v1/payments",
                };
                ([server.trim_end_matches('/'), path].concat(), session)
            }
            Target::Direct {
                hosts,
                session,
                token,
            } => {
                headers.push((super::wire::LISZT_TOKEN, token.clone()));
                ([hosts.checkout(), self.path()].concat(), session)
            }
        };
        let mut body = Json::with_capacity(64 + session.len() + packed.ld.len() + packed.lk.len());
        body.raw("{\"session\":").text(session);
        body.raw(",\"ld\":").text(&packed.ld);
        body.raw(",\"lk\":").text(&packed.lk);
        if let (Self::Pay { kount: true }, Target::Relay { .. }) = (self, target) {
            body.raw(",\"kount\":true");
        }
        body.raw("}");
        Request {
            method: "POST",
            url,
            headers,
            body: body.into_string(),
        }
    }
}
