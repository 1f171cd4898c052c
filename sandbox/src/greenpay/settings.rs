//! Settings of the simulated GreenPay, mostly for what is not documented about the real one.

use serde::{Deserialize, Serialize};

use super::decrypt::{CounterArithmetic, Utf8Decoder};
use crate::host::{self, cors, delivery};

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
            cors_origins: vec![cors::LOOPBACK.into()],
            refunds: true,
            update_keeps_token: false,
        }
    }
}

impl host::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        if !matches!(self.failure_http_status, 200 | 500) {
            return Err("failure_http_status is 200 or 500".into());
        }
        delivery::check_optional(self.webhook_url.as_deref())
    }

    fn cors_origins(&self) -> &[String] {
        &self.cors_origins
    }

    fn notify(&mut self, url: Option<String>) {
        self.webhook_url = url;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::host::settings::changed as change;

    #[test]
    fn changes_only_what_is_named() {
        let settings = Settings {
            webhook_url: Some("http://127.0.0.1:1".into()),
            ..Settings::default()
        };
        let changed = change(
            &settings,
            &json!({ "failure_http_status": 200, "webhook_url": null }),
        )
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
            assert!(change(&settings, &wrong).is_err(), "{wrong}");
        }
    }
}
