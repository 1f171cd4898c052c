//! One module a platform; each has its `wire` shapes beside it.

pub mod gp_api;
pub mod greenpay;
pub mod online_payments;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod proofs;

use crate::boundary::Client;
use crate::card::Rules;
use crate::error::Result;
use crate::json::{Json, Value};
use crate::platform::Platform;
use crate::prelude::*;

/// What a platform asks of a card, to be stored or to be charged at once.
#[must_use]
pub const fn rules(platform: Platform, stored: bool) -> Rules {
    match (platform, stored) {
        (Platform::GreenPay, true) => greenpay::TOKEN_RULES,
        (Platform::GreenPay, false) => greenpay::PAYMENT_RULES,
        (Platform::GpApi, _) => gp_api::RULES,
        // Its own rules come with each payment product, from the platform itself.
        (Platform::OnlinePayments | Platform::CcBill, _) => Rules::COMMON,
    }
}

/// The browser half of a platform with its options, and what the page is told of it at once. A module that was built
/// without the platform refuses it like an unknown one.
pub(crate) fn open(platform: Platform, options: &Value) -> Result<(Box<dyn Client>, Json)> {
    match platform {
        #[cfg(feature = "greenpay")]
        Platform::GreenPay => greenpay::boundary::open(options),
        #[cfg(feature = "gp_api")]
        Platform::GpApi => gp_api::boundary::open(options),
        #[cfg(feature = "online_payments")]
        Platform::OnlinePayments => online_payments::boundary::open(options),
        // The card goes in clear JSON: there is nothing to encrypt, and the page's half is JavaScript alone.
        Platform::CcBill => Err(absent()),
        #[cfg(not(feature = "greenpay"))]
        Platform::GreenPay => Err(absent()),
        #[cfg(not(feature = "gp_api"))]
        Platform::GpApi => Err(absent()),
        #[cfg(not(feature = "online_payments"))]
        Platform::OnlinePayments => Err(absent()),
    }
}

fn absent() -> crate::Error {
    crate::Error::new(crate::Code::OptionInvalid).at("platform")
}
