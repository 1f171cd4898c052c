//! The platforms, from one table.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! platforms {
    ($($(#[doc = $doc:literal])+ $name:ident = $id:literal, $display:literal;)+) => {
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

            /// The name for people.
            #[must_use]
            pub const fn display_name(self) -> &'static str {
                match self { $(Self::$name => $display,)+ }
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
    GreenPay = "greenpay", "GreenPay";
    /// Global Payments GP API.
    GpApi = "gp_api", "Global Payments GP API";
    /// Worldline Online Payments, the platform behind PAYONE E-Payment.
    OnlinePayments = "online_payments", "Worldline Online Payments";
    /// CCBill's RESTful Transaction API.
    CcBill = "ccbill", "CCBill";
    /// Worldline Acquiring, an acquirer's API for servers alone.
    WorldlineAcquiring = "worldline_acquiring", "Worldline Acquiring";
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}
