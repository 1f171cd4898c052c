//! Requests to the checkout host, or to the merchant's server, which relays them.

use super::Packed;
use crate::error::{Code, Result};
use crate::hosts::BaseUrl;
use crate::http::Request;
use crate::platform::Platform;
use crate::session::{self, Kind, Mode, ServerSession, SessionInput};

/// The checkout host, by environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// The platform's sandbox.
    Sandbox,
    /// The live platform.
    Production,
    /// Another base URL.
    Custom(String),
}

impl Hosts {
    /// The base URL of the checkout host, without a slash at the end.
    #[must_use]
    pub fn checkout(&self) -> &str {
        match self {
            Self::Sandbox => "https://sandbox-checkout.greenpay.me",
            Self::Production => "https://checkout.greenpay.me",
            Self::Custom(url) => url.trim_end_matches('/'),
        }
    }
}

/// A call to the checkout host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Store a new card.
    Tokenize,
    /// Replace the card of a token.
    UpdateToken,
    /// Charge a card.
    Pay {
        /// Whether there is a session of the Kount collector.
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

/// Where the encrypted card is sent.
#[derive(Clone)]
pub enum Target {
    /// The merchant's server, which relays it. The platform's session never leaves the server.
    Relay {
        /// Base URL of the server.
        server: String,
        /// The server's id of the session.
        session: String,
        /// The server makes a payment only once for each key.
        idempotency_key: Option<String>,
    },
    /// The checkout host itself.
    Direct {
        /// The checkout host.
        hosts: Hosts,
        /// The order's session.
        session: String,
        /// The order's token.
        token: String,
    },
}

/// A session, as the page passes it in. It comes from the Cardseal server, or is the platform's own order.
#[derive(Clone, Debug, Default)]
pub struct OrderInput {
    /// The members that every session has.
    pub common: SessionInput,
    /// The order's session.
    pub session: Option<String>,
    /// The order's token.
    pub token: Option<String>,
    /// The checkout host, by environment.
    pub checkout_url: Option<String>,
    /// The token whose card is replaced.
    pub card_token: Option<String>,
}

impl OrderInput {
    /// Checks the session, first its age, and returns where to send the encrypted card.
    ///
    /// # Errors
    /// Those of a session, and `session_host_refused`.
    pub fn target(
        &self,
        kind: Kind,
        idempotency_key: Option<String>,
        place: &Place<'_>,
        now_ms: f64,
    ) -> Result<Target> {
        let own = self.common.of_server(Platform::GreenPay, kind, now_ms)?;
        if let Some(created_at) = self.common.created_at {
            session::fresh(created_at + f64::from(super::SESSION_SECONDS) * 1000.0, now_ms)?;
        }
        if let Some(ServerSession {
            id,
            mode: Mode::Relay,
            ..
        }) = own
        {
            return Ok(Target::Relay {
                server: place.server.as_str().into(),
                session: session::id(id, "id", Code::SessionMalformed)?,
                idempotency_key,
            });
        }
        let hosts = match &self.checkout_url {
            None => place.hosts.clone(),
            Some(url) => {
                let known = [
                    place.hosts.checkout(),
                    Hosts::Sandbox.checkout(),
                    Hosts::Production.checkout(),
                ];
                let url = BaseUrl::of_session(url, "checkout_url", &known, place.local, Code::OptionInvalid)?;
                Hosts::Custom(url.as_str().into())
            }
        };
        let id = |value: &Option<String>, name| {
            let value = value.clone().ok_or_else(|| session::malformed(name))?;
            session::id(value, name, Code::SessionMalformed)
        };
        Ok(Target::Direct {
            hosts,
            session: id(&self.session, "session")?,
            token: id(&self.token, "token")?,
        })
    }
}

/// Where requests may go.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The platform's hosts.
    pub hosts: &'a Hosts,
    /// The merchant's server.
    pub server: &'a BaseUrl,
    /// Whether the page is from this machine.
    pub local: bool,
}

impl Verb {
    /// The request that sends an encrypted card.
    #[must_use]
    pub fn request(self, target: &Target, packed: &Packed) -> Request {
        let (url, session) = match target {
            Target::Relay { server, session, .. } => (
                [server.trim_end_matches('/'), self.server_path()].concat(),
                session,
            ),
            Target::Direct { hosts, session, .. } => ([hosts.checkout(), self.path()].concat(), session),
        };
        let relayed = matches!(target, Target::Relay { .. });
        let request = Request::post(url, |body| {
            body.text("session", session)
                .text("ld", &packed.ld)
                .text("lk", &packed.lk);
            // The server needs this to choose the platform's path.
            if relayed && self == (Self::Pay { kount: true }) {
                body.flag("kount", true);
            }
        });
        match target {
            Target::Relay { idempotency_key, .. } => request.idempotent(idempotency_key.clone()),
            Target::Direct { token, .. } => request.header("liszt-token", token.clone()),
        }
    }

    /// Path on the merchant's server.
    const fn server_path(self) -> &'static str {
        match self {
            Self::Tokenize => Kind::Tokenize.server_path(),
            Self::UpdateToken => Kind::Update.server_path(),
            Self::Pay { .. } => Kind::Payment.server_path(),
        }
    }
}
