//! Access control. The merchant needs the API key, a page an allowed origin and a rate limit, a platform the secret
//! in its webhook address.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Once};

use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use governor::Quota;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::App;
use crate::api_key;
use crate::attempts::Keyed;
use crate::audit::Actor;
use crate::config::{Config, Limits};
use crate::error::{ApiError, Code};
use crate::hints::{Hints, Rate, Tag};
use crate::logging::printable;
use crate::scope::Scope;
use crate::store::{KeyId, Validity};

/// Decides who may call.
pub struct Access {
    key: [u8; 32],
    origins: Vec<String>,
    demo: bool,
    base_path: Option<String>,
    trust_forwarded_for: bool,
    limiter: Arc<Keyed>,
    unreadable_forwarded_for: Once,
}

impl Access {
    /// Reads the key, the origins and the limits from the configuration.
    #[must_use]
    pub(crate) fn new(config: &Config, others: &Hints) -> Self {
        Self {
            key: digest(config.api_key.expose_secret()),
            origins: config.allowed_origins.clone(),
            demo: config.demo.is_some(),
            base_path: config.base_path.clone(),
            trust_forwarded_for: config.trust_forwarded_for,
            limiter: Arc::new(Keyed::new(quota(&config.limits), Rate::Requests, others)),
            unreadable_forwarded_for: Once::new(),
        }
    }

    /// The same with another configuration. Callers are counted on, unless the limit changed.
    pub(crate) fn with_config(&self, config: &Config, others: &Hints) -> Self {
        let mut access = Self::new(config, others);
        if self.limiter.quota() == quota(&config.limits) {
            access.limiter = Arc::clone(&self.limiter);
        }
        access
    }

    /// Whether pages of this origin may call.
    #[must_use]
    pub fn allows_origin(&self, origin: &[u8]) -> bool {
        self.origins.iter().any(|allowed| allowed.as_bytes() == origin)
    }

    /// Counts a request that another process let in.
    pub(crate) fn count(&self, client: Tag) {
        let _ = self.limiter.count(client);
    }

    /// Drops the state of clients that have their full quota again. Call it regularly.
    pub(crate) fn forget_idle(&self) {
        self.limiter.forget_idle();
    }

    /// Who calls, if they may: with a key that has the scope of the operation, or as a page if `browser` is set.
    async fn check(&self, app: &App, parts: &Parts, browser: bool) -> Result<Caller, ApiError> {
        match parts.headers.get(header::AUTHORIZATION) {
            Some(value) => self.check_key(app, parts, value.as_bytes()).await,
            None => self.check_page(parts, browser).map(|()| Caller::Page),
        }
    }

    async fn check_key(&self, app: &App, parts: &Parts, header: &[u8]) -> Result<Caller, ApiError> {
        let key = std::str::from_utf8(header)
            .ok()
            .and_then(|value| value.strip_prefix("Bearer "));
        if key.is_some_and(|key| bool::from(digest(key).ct_eq(&self.key))) {
            actor(parts, &Caller::Configured);
            return Ok(Caller::Configured);
        }
        let stored = match key.filter(|key| api_key::is_stored(key)) {
            Some(key) => app.store.find_api_key(&SecretString::from(key)).await?,
            None => None,
        };
        let Some(key) = stored else {
            // Limits guessing as well.
            self.limit(parts)?;
            return Err(Code::ApiKeyInvalid.into());
        };
        let caller = Caller::Key(key.id.clone());
        actor(parts, &caller);
        let now = app.clock.now();
        match key.validity(now) {
            Validity::Valid => {}
            Validity::Expired => return Err(Code::ApiKeyExpired.into()),
            Validity::Revoked => return Err(Code::ApiKeyRevoked.into()),
        }
        let needed = self.scope(parts);
        if !key.scopes.allow(needed) {
            return Err(ApiError::from(Code::ApiKeyScope).detail(&format!(
                "this call needs a key with the scope `{}`, and the key `{}` has {}",
                needed.as_str(),
                key.id,
                key.scopes
            )));
        }
        if key.use_is_news(now)
            && let Err(cause) = app.store.note_api_key_use(&key.id, now).await
        {
            // The call itself may need no writing.
            tracing::warn!(%cause, key = %key.id, "the use of an API key cannot be noted");
        }
        Ok(caller)
    }

    /// What the contract says that the operation needs. What is not in it needs everything.
    fn scope(&self, parts: &Parts) -> Scope {
        let path = parts
            .extensions
            .get::<MatchedPath>()
            .map_or("", MatchedPath::as_str);
        let base = self.base_path.as_deref().unwrap_or_default();
        crate::api::scope(&parts.method, path.strip_prefix(base).unwrap_or(path))
    }

    fn check_page(&self, parts: &Parts, browser: bool) -> Result<(), ApiError> {
        self.limit(parts)?;
        if !browser && !self.demo {
            return Err(Code::ApiKeyMissing.into());
        }
        match parts.headers.get(header::ORIGIN) {
            Some(origin) if self.allows_origin(origin.as_bytes()) => Ok(()),
            // Browsers send no `Origin` when a page reads from its own server.
            None if parts.method == Method::GET && self.is_own_page(&parts.headers) => Ok(()),
            None => Err(Code::ApiKeyMissing.into()),
            Some(origin) => {
                let origin = printable(&String::from_utf8_lossy(origin.as_bytes()));
                let allowed = self.origins.join(", ");
                Err(ApiError::from(Code::OriginNotAllowed)
                    .because(&format!("origin {origin} is not in allowed_origins ({allowed})")))
            }
        }
    }

    /// Whether this is a same-origin request of an allowed page. The host is checked too, because somebody else's
    /// name may point at this machine.
    fn is_own_page(&self, headers: &HeaderMap) -> bool {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        let host = |origin: &str| {
            origin
                .split_once("://")
                .is_some_and(|(_, host)| host == text("host"))
        };
        text("sec-fetch-site") == "same-origin" && self.origins.iter().any(|origin| host(origin))
    }

    fn limit(&self, parts: &Parts) -> Result<(), ApiError> {
        self.limiter
            .check(&self.client(parts))
            .map_err(|wait| ApiError::from(Code::RateLimited).retry_after(wait))
    }

    /// The client's address, if it is known.
    fn address(&self, parts: &Parts) -> Option<IpAddr> {
        let peer = parts
            .extensions
            .get::<ConnectInfo<std::net::SocketAddr>>()
            .map(|info| info.0.ip());
        let address = if self.trust_forwarded_for {
            self.forwarded(&parts.headers).or(peer)
        } else {
            peer
        };
        address.map(|address| address.to_canonical())
    }

    /// The last entry of `X-Forwarded-For`: the one that the proxy in front of this server wrote.
    fn forwarded(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let list = headers.get_all("x-forwarded-for").iter().next_back()?;
        let address = list
            .to_str()
            .ok()
            .and_then(|list| list.rsplit(',').next())
            .and_then(forwarded_address);
        if address.is_none() {
            self.unreadable_forwarded_for.call_once(|| {
                tracing::warn!(
                    "the last entry of X-Forwarded-For is not an address, so the rate limit counts the proxy's own \
                     address; configure the proxy to write addresses (logged once)"
                );
            });
        }
        address
    }

    /// The key of the rate limit.
    fn client(&self, parts: &Parts) -> IpAddr {
        self.address(parts).map_or(Ipv6Addr::UNSPECIFIED.into(), bucket)
    }
}

/// What counts as one client: an IPv4 address, or the /64 network of an IPv6 address, which one customer has.
pub(crate) fn bucket(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn quota(limits: &Limits) -> Quota {
    let positive = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
    Quota::per_minute(positive(limits.browser_requests_per_minute))
        .allow_burst(positive(limits.browser_burst))
}

/// Parses an entry of `X-Forwarded-For` in the forms that proxies write: an address with or without a port, quoted or
/// not. An IPv6 address may be in brackets and may have a zone.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim().trim_matches('"').trim();
    let host = match entry.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let port = port.strip_prefix(':').or(port.is_empty().then_some("0"))?;
            port.parse::<u16>().ok()?;
            host
        }
        None => match entry.split_once(':') {
            Some((host, port)) if !port.contains(':') => {
                port.parse::<u16>().ok()?;
                host
            }
            _ => entry,
        },
    };
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    let address: IpAddr = host.parse().ok()?;
    Some(address.to_canonical())
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Compares two secrets in constant time.
#[must_use]
pub fn same(given: &str, secret: &SecretString) -> bool {
    digest(given).ct_eq(&digest(secret.expose_secret())).into()
}

/// Leaves word of who calls, for the audit log.
fn actor(parts: &Parts, caller: &Caller) {
    if let Some(actor) = parts.extensions.get::<Actor>() {
        actor.is(caller);
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Whoever has the key of the configuration, which may do everything.
    Configured,
    /// Whoever has this key of the database.
    Key(KeyId),
    /// A page, without a key.
    Page,
}

/// An extractor that admits callers with an API key that has the operation's scope, and in the demo its own page.
pub struct Merchant(pub Caller);

impl FromRequestParts<App> for Merchant {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        app.access.check(app, parts, false).await.map(Self)
    }
}

/// An extractor that admits pages of allowed origins, and callers whom [`Merchant`] would admit.
pub struct Browser {
    /// Whether [`Merchant`] would admit the caller.
    pub merchant: Result<(), ApiError>,
    /// The caller's address. `None` with an API key, because the address is then the merchant's own.
    pub address: Option<IpAddr>,
    /// Who calls.
    pub caller: Caller,
}

impl FromRequestParts<App> for Browser {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = app.access.check(app, parts, true).await?;
        let keyed = caller != Caller::Page;
        let merchant = keyed || app.access.demo;
        Ok(Self {
            address: if keyed { None } else { app.access.address(parts) },
            merchant: if merchant {
                Ok(())
            } else {
                Err(Code::ApiKeyMissing.into())
            },
            caller,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_forms_of_forwarded_addresses() {
        for (entry, address) in [
            ("192.0.2.1", "192.0.2.1"),
            (" 192.0.2.1 ", "192.0.2.1"),
            ("192.0.2.1:4711", "192.0.2.1"),
            ("\"192.0.2.1:4711\"", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]:80", "fe80::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]:4711", "192.0.2.1"),
        ] {
            assert_eq!(forwarded_address(entry), address.parse().ok(), "{entry}");
        }
        for entry in [
            "",
            "unknown",
            "_hidden",
            "192.0.2",
            "192.0.2.1:",
            "192.0.2.1:x",
            "192.0.2.1:99999",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "[2001:db8::1]:",
            "shop.example:80",
            "\"",
            "[]",
            ":",
        ] {
            assert_eq!(forwarded_address(entry), None, "{entry}");
        }
    }
}
