//! Settings of the simulated GP API, mostly for what is not documented about the real one or differs between its
//! accounts.

use serde::{Deserialize, Serialize};

use crate::host::{self, cors, delivery};

/// The settings; each has the default that the simulation starts with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where notifications go, unless the transaction names a URL of its own.
    pub webhook_url: Option<String>,
    /// Whether an approved verification with a storage mode stores the card and returns its id. It happens
    /// that the real one does not.
    pub verification_returns_id: bool,
    /// Whether the stored payment method keeps the id of the single-use one; else it has a new one.
    pub verification_keeps_id: bool,
    /// How long a single-use payment method can be used.
    pub single_use_minutes: u32,
    /// Whether payment methods can be deleted. Applications in the platform's sandbox cannot, by default.
    pub delete_permission: bool,
    /// Whether network tokens are enabled on the account.
    pub network_tokens: bool,
    /// Whether issuers decline charges that come without a successful authentication, with result 111.
    pub authentication_required: bool,
    /// Up to which part of a charge can be refunded: 100, or 115 as on some accounts.
    pub refund_percent: u8,
    /// How long after it was made a transaction can be read and found.
    pub readable_after_ms: u32,
    /// How long after it was captured a transaction is settled and in a deposit.
    pub settled_after_seconds: u32,
    /// Whether answers are compressed for clients that accept it.
    pub gzip: bool,
    /// Origins that may create payment methods from a page; `loopback` for all of this machine, `*` for all.
    /// Which ones the real API allows is not known.
    pub cors_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            webhook_url: None,
            verification_returns_id: true,
            verification_keeps_id: false,
            single_use_minutes: 20,
            delete_permission: false,
            network_tokens: true,
            authentication_required: false,
            refund_percent: 100,
            readable_after_ms: 0,
            settled_after_seconds: 0,
            gzip: true,
            cors_origins: vec![cors::LOOPBACK.into()],
        }
    }
}

impl host::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        if !matches!(self.refund_percent, 100 | 115) {
            return Err("refund_percent is 100 or 115".into());
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
