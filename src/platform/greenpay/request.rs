//! Requests to the checkout host, or to the merchant's server, which relays them.

use super::Packed;
use crate::error::{Code, Result};
use crate::hosts::BaseUrl;
use crate::http::Request;
use crate::platform::Platform;
use crate::session::{self, Kind, Mode, ServerSession, SessionInput};
use crate::text;

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

    /// The base URL of the web form for payments. Of another base URL, the platform's documents know none.
    #[must_use]
    pub const fn payment_form(&self) -> Option<&'static str> {
        match self {
            Self::Sandbox => Some(FORMS[0]),
            Self::Production => Some(FORMS[1]),
            Self::Custom(_) => None,
        }
    }

    /// The base URL of the web form for card tokens.
    #[must_use]
    pub const fn token_form(&self) -> Option<&'static str> {
        match self {
            Self::Sandbox => Some(FORMS[2]),
            Self::Production => Some(FORMS[3]),
            Self::Custom(_) => None,
        }
    }
}

/// The published web forms. The platform's documents have the sandbox's form for tokens without TLS.
const FORMS: [&str; 4] = [
    "https://sandbox-checkoutform.greenpay.me",
    "https://checkout-form.greenpay.me",
    "http://sandbox-tokenizeform.greenpay.me",
    "https://tokenizeform.greenpay.me",
];

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

impl Place<'_> {
    /// Checks a session of the platform's web form, and returns where its customer goes.
    ///
    /// # Errors
    /// Those of a session, and `session_host_refused`.
    pub fn form(&self, session: &SessionInput, form_url: Option<String>, now_ms: f64) -> Result<String> {
        const FORM: &str = "form_url";
        let kinds = [Kind::Tokenize, Kind::Update, Kind::Payment];
        let kind = kinds
            .into_iter()
            .find(|kind| session.kind.as_deref() == Some(kind.as_str()));
        let kind = kind.ok_or_else(|| session::malformed("kind"))?;
        if session.of_server(Platform::GreenPay, kind, now_ms)?.is_none() {
            return Err(session::malformed("mode"));
        }
        let url = form_url.ok_or_else(|| session::malformed(FORM))?;
        let url = session::visible(url, 500, FORM, Code::SessionMalformed)?;
        // Of an update, the stored card follows the question mark.
        let page = text::before(&url, b'?');
        let published = FORMS
            .iter()
            .any(|form| page.strip_prefix(form).is_some_and(|rest| rest.starts_with('/')));
        if !published {
            let hosts = [self.hosts.checkout()];
            BaseUrl::of_session(page, FORM, &hosts, self.local, Code::SessionMalformed)?;
        }
        Ok(url)
    }
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

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    const NOW: f64 = 1_795_219_200_000.0;

    #[test]
    fn a_customer_is_sent_to_a_web_form_of_the_platform_alone() {
        let session = SessionInput {
            id: Some("ses_1".into()),
            platform: Some("greenpay".into()),
            kind: Some("update".into()),
            mode: Some("direct".into()),
            created_at: Some(NOW),
            expires_at: Some(NOW + 1000.0),
        };
        let server = BaseUrl::parse("https://shop.example").unwrap();
        let hosts = Hosts::Custom("https://checkout.example/x".into());
        let form = |session: &SessionInput, url: &str, local: bool, now_ms: f64| {
            let place = Place {
                hosts: &hosts,
                server: &server,
                local,
            };
            let url = Some(url.to_owned()).filter(|url| !url.is_empty());
            place
                .form(session, url, now_ms)
                .map_err(|error| (error.code(), error.field()))
        };
        for url in [
            "https://tokenizeform.greenpay.me/1c3a?0f89",
            "http://sandbox-tokenizeform.greenpay.me/1c3a",
            "https://sandbox-checkoutform.greenpay.me/1c3a",
            "https://checkout.example/forms/1c3a?0f89",
        ] {
            assert_eq!(form(&session, url, false, NOW).unwrap(), url);
        }
        let local = "http://127.0.0.1:1/forms/1c3a?0f89";
        assert_eq!(form(&session, local, true, NOW).unwrap(), local);
        for url in [
            local,
            "https://tokenizeform.greenpay.me.evil.example/1c3a",
            "https://evil.example/tokenizeform.greenpay.me/1c3a",
        ] {
            let refused = form(&session, url, false, NOW);
            assert_eq!(
                refused,
                Err((Code::SessionHostRefused, Some("form_url"))),
                "{url}"
            );
        }
        for url in [
            "",
            "https://tokenizeform.greenpay.me@evil.example/",
            "javascript:alert(1)",
            "/form",
            "https://a b/",
        ] {
            let malformed = form(&session, url, false, NOW);
            assert_eq!(
                malformed,
                Err((Code::SessionMalformed, Some("form_url"))),
                "{url}"
            );
        }
        let fine = "https://tokenizeform.greenpay.me/1c3a";
        assert_eq!(
            form(&session, fine, false, NOW + 1000.0),
            Err((Code::SessionExpired, None))
        );
        let order = SessionInput::default();
        assert_eq!(
            form(&order, fine, false, NOW),
            Err((Code::SessionMalformed, Some("kind")))
        );
    }
}
