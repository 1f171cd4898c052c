//! What of the simulated GreenPay can be set while it runs: mostly what is not documented of the real one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decrypt::{CounterArithmetic, Utf8Decoder};
use super::webhooks;

/// Stands in `cors_origins` for every origin of this machine.
const LOOPBACK: &str = "loopback";
/// Stands in `cors_origins` for every origin.
const ANY: &str = "*";

/// The settings; each has the default that the simulation starts with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// HTTP status of refusals and declines: 500, or 200 with the same body.
    pub failure_http_status: u16,
    /// Whether a session can be used again after it has succeeded.
    pub session_reuse: bool,
    /// Which aes-js the receiver is taken to have.
    pub counter_arithmetic: CounterArithmetic,
    /// Which UTF-8 decoder the receiver is taken to have.
    pub utf8_decoder: Utf8Decoder,
    /// The merchant's base URL for webhooks.
    pub webhook_url: Option<String>,
    /// Whether answers are signed.
    pub sign: bool,
    /// Whether `/kount` declines with 996 what comes without a `kountSession`.
    pub require_kount_session: bool,
    /// Origins that may call the checkout host from a page; `loopback` for all of this machine, `*` for all.
    /// The real host is not known to answer preflights.
    pub cors_origins: Vec<String>,
    /// Whether the bank of the terminals offers refunds.
    pub refunds: bool,
    /// Whether an update returns the token it was given; else it returns a new one, and the old one is gone.
    pub update_keeps_token: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            failure_http_status: 500,
            session_reuse: false,
            counter_arithmetic: CounterArithmetic::default(),
            utf8_decoder: Utf8Decoder::default(),
            webhook_url: None,
            sign: true,
            require_kount_session: false,
            cors_origins: vec![LOOPBACK.into()],
            refunds: true,
            update_keeps_token: false,
        }
    }
}

impl Settings {
    /// These settings with the given fields replaced.
    pub(crate) fn changed(&self, change: &Value) -> Result<Self, String> {
        let change = change.as_object().ok_or("settings are an object")?;
        let mut all = serde_json::to_value(self).map_err(|error| error.to_string())?;
        if let Some(fields) = all.as_object_mut() {
            fields.extend(change.clone());
        }
        let changed: Self = serde_json::from_value(all).map_err(|error| error.to_string())?;
        changed.check()?;
        Ok(changed)
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if !matches!(self.failure_http_status, 200 | 500) {
            return Err("failure_http_status is 200 or 500".into());
        }
        self.webhook_url.as_deref().map_or(Ok(()), webhooks::check_base)
    }

    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        self.cors_origins.iter().any(|allowed| match allowed.as_str() {
            ANY => true,
            LOOPBACK => is_loopback(origin),
            exact => exact == origin,
        })
    }
}

fn is_loopback(origin: &str) -> bool {
    let Some((_, rest)) = origin.split_once("://") else {
        return false;
    };
    let host = match rest.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => rest.split(':').next(),
    };
    host.is_some_and(|host| {
        host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn changes_only_what_is_named() {
        let settings = Settings {
            webhook_url: Some("http://127.0.0.1:1".into()),
            ..Settings::default()
        };
        let changed = settings
            .changed(&json!({ "failure_http_status": 200, "webhook_url": null }))
            .unwrap();
        assert_eq!(changed.failure_http_status, 200);
        assert_eq!(changed.webhook_url, None);
        assert!(changed.sign);
        for wrong in [
            json!({ "failure_http_status": 404 }),
            json!({ "sing": true }),
            json!({ "counter_arithmetic": "newest" }),
            json!({ "webhook_url": "https://example.com" }),
            json!([]),
        ] {
            assert!(settings.changed(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn allows_origins_of_this_machine_by_default() {
        let settings = Settings::default();
        for origin in [
            "http://127.0.0.1:8080",
            "http://localhost",
            "https://localhost:3000",
            "http://[::1]:80",
        ] {
            assert!(settings.allows_origin(origin), "{origin}");
        }
        for origin in [
            "https://example.com",
            "http://127.0.0.1.example.com",
            "null",
            "http://localhost.evil",
        ] {
            assert!(!settings.allows_origin(origin), "{origin}");
        }
        let one = settings
            .changed(&json!({ "cors_origins": ["https://shop.example"] }))
            .unwrap();
        assert!(one.allows_origin("https://shop.example") && !one.allows_origin("http://localhost"));
    }
}
