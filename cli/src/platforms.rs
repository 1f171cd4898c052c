//! What differs by platform: a file for each, and the one place that lists them.

mod ccbill;
mod gp_api;
mod greenpay;
mod online_payments;
mod worldline_acquiring;

use std::pin::Pin;

use cardseal::platform::Platform;
use serde_json::Value;

use crate::Result;
use crate::capture::Exchange;
use crate::config::Config;
use crate::doctor::online::Asker;
use crate::doctor::{Cause, Checks, Evidence};
use crate::pack::Packer;

/// A question to a platform. Its failure says why nothing could be asked.
pub(crate) type Asked<'a> = Pin<Box<dyn Future<Output = std::result::Result<(), String>> + 'a>>;

/// Verifies a notification: whether it is valid, and why.
pub(crate) type Notified = fn(&Exchange, &Config) -> Result<(bool, String)>;

/// What the command line has for a platform.
pub(crate) struct Entry {
    /// What doctor knows.
    pub(crate) causes: &'static [&'static Cause],
    /// What a configuration without `environment` means.
    pub(crate) usual_environment: &'static str,
    /// Whether a request is this platform's, by what it is.
    pub(crate) recognises: fn(&Exchange) -> bool,
    /// Doctor's checks.
    pub(crate) check: fn(&Evidence, &mut Checks),
    /// Doctor's checks that ask the platform.
    pub(crate) ask: for<'a> fn(&'a Asker<'a>, &'a mut Checks) -> Asked<'a>,
    /// The request with a packed card.
    pub(crate) pack: fn(&Packer<'_>) -> Result<Value>,
    /// How a notification is verified. `None` where the platform documents no signature.
    pub(crate) notified: Option<Notified>,
}

/// The entry of a platform.
pub(crate) fn of(platform: Platform) -> &'static Entry {
    match platform {
        Platform::GreenPay => &greenpay::ENTRY,
        Platform::GpApi => &gp_api::ENTRY,
        Platform::OnlinePayments => &online_payments::ENTRY,
        Platform::CcBill => &ccbill::ENTRY,
        Platform::WorldlineAcquiring => &worldline_acquiring::ENTRY,
    }
}
