//! Settings of the simulated CCBill, for what is not documented about the real one.

use serde::{Deserialize, Serialize};

use crate::host::{self, cors};

/// The settings; each has the default that the simulation starts with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long access tokens live.
    pub token_seconds: u32,
    /// Which version answers a call that names none: 1 has ids as numbers, 2 as strings.
    pub default_version: u8,
    /// The code of an unknown payment token's 404: 100101 or 130000.
    pub unknown_token_code: u32,
    /// Origins whose pages may call; `loopback` for all of this machine, `*` for all. The real platform has a
    /// list that merchants are put on.
    pub cors_origins: Vec<String>,
    /// Whether loopback addresses of customers are refused, as someone reports about the real platform.
    pub refuse_loopback: bool,
    /// Whether a charge needs the customer's address (`X-Origin-IP` or `ipAddress`) if its payment token has
    /// none. The platform's documents ask for it, its own sample does not send it.
    pub charge_needs_ip_address: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_seconds: 3600,
            default_version: 1,
            unknown_token_code: 100_101,
            cors_origins: vec![cors::LOOPBACK.into()],
            refuse_loopback: false,
            charge_needs_ip_address: false,
        }
    }
}

impl host::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        if !(1..=2).contains(&self.default_version) {
            return Err("default_version is 1 or 2".into());
        }
        if ![100_101, 130_000].contains(&self.unknown_token_code) {
            return Err("unknown_token_code is 100101 or 130000".into());
        }
        if self.token_seconds == 0 {
            return Err("token_seconds is a number from 1 on".into());
        }
        Ok(())
    }

    fn cors_origins(&self) -> &[String] {
        &self.cors_origins
    }
}
