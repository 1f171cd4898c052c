//! The platforms: a table, and a module for each.

pub mod ccbill;
pub mod gp_api;
pub mod greenpay;
pub mod lenient;
pub mod online_payments;
pub mod worldline_acquiring;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::card::Rules;
use crate::error::{Code, Error};

macro_rules! platforms {
    ($($(#[doc = $doc:literal])+ $name:ident = $id:literal;)+) => {
        /// A payment platform.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Platform { $($(#[doc = $doc])+ #[serde(rename = $id)] $name,)+ }

        impl Platform {
            /// Every platform.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Every id as a type of TypeScript.
            pub const TYPESCRIPT: &'static str =
                concat!("/** The platforms. */\nexport type Platform =", $(" | \"", $id, "\"",)+ ";\n");

            /// The id in JSON, configuration and TypeScript.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)+ }
            }

            /// The platform with this id.
            #[must_use]
            pub fn from_id(id: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|platform| platform.id() == id)
            }
        }
    };
}

platforms! {
    /// GreenPay, generation 1 (`ld`/`lk`).
    GreenPay = "greenpay";
    /// Global Payments GP API.
    GpApi = "gp_api";
    /// Worldline Online Payments, the platform behind PAYONE E-Payment.
    OnlinePayments = "online_payments";
    /// CCBill's RESTful Transaction API.
    CcBill = "ccbill";
    /// Worldline Acquiring, an acquirer's API for servers only.
    WorldlineAcquiring = "worldline_acquiring";
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// Returns a platform's rules for a card. Some have other rules for cards that are stored.
#[must_use]
pub const fn rules(platform: Platform, stored: bool) -> Rules {
    // By reference, so that the rules are copied only once, not in each arm.
    let rules: &Rules = match (platform, stored) {
        (Platform::GreenPay, true) => &greenpay::TOKEN_RULES,
        (Platform::GreenPay, false) => &greenpay::PAYMENT_RULES,
        (Platform::GpApi, _) => &gp_api::RULES,
        (Platform::CcBill, _) => &ccbill::RULES,
        (Platform::WorldlineAcquiring, _) => &worldline_acquiring::RULES,
        // The platform sends its rules with each payment product.
        (Platform::OnlinePayments, _) => &online_payments::RULES,
    };
    *rules
}

/// The error for an answer that does not have the documented form.
pub(crate) fn unreadable(status: u16) -> Error {
    let code = match status {
        502..=504 => Code::PlatformUnavailable,
        _ => Code::AnswerMalformed,
    };
    Error::new(code).with_status(status)
}
