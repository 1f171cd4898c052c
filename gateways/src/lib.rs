//! The server half of every platform that Cardseal speaks, usable by itself as a Rust client.
//!
//! Every platform implements [`Gateway`]. No implementation keeps an HTTP client: the caller owns one [`Transport`] and
//! passes it to each call. Amounts are [`Amount`], never floating-point numbers. Text from a platform is masked by
//! `cardseal::redact` before it leaves this crate.
//!
//! ```no_run
//! use cardseal::platform::Platform;
//! use cardseal_gateways::gateway::{Capture, ChargeParams, Outcome};
//! use cardseal_gateways::settings::Mistakes;
//! use cardseal_gateways::transport::Timeouts;
//! use cardseal_gateways::{Amount, Settings, Transport, gateway};
//!
//! # async fn example(settings: serde_json::Value, token: String) -> Result<(), Box<dyn std::error::Error>> {
//! let mistakes = Mistakes::default();
//! let table = settings.as_object().ok_or("a table of settings")?;
//! let greenpay = gateway(Platform::GreenPay, &Settings::root(table, &mistakes)).ok_or("see the mistakes")?;
//! let transport = Transport::new(Timeouts::default())?;
//! let params = ChargeParams {
//!     token: &token.into(),
//!     amount: &Amount::parse("19.99", "USD")?,
//!     reference: "an order reference that nobody can guess",
//!     description: "Coffee",
//!     attempt: "1",
//!     capture: Capture::Auto,
//!     network_token: None,
//!     platform_id: None,
//!     requested_at: 0,
//!     now: 0,
//!     customer_ip: None,
//!     authentication: None,
//!     recurring: None,
//! };
//! match greenpay.charge(&transport, &params).await? {
//!     Outcome::Approved(approval) => println!("authorization {:?}", approval.authorization),
//!     Outcome::Authorized(_) => println!("to be captured"),
//!     Outcome::Voided(_) => println!("undone since"),
//!     Outcome::Declined(decline) => println!("declined: {}", decline.reason),
//!     Outcome::Pending(_) => println!("the platform has not decided"),
//!     Outcome::Unknown(doubt) => println!("{}: do not charge again, wait for the notification", doubt.as_str()),
//! }
//! # Ok(())
//! # }
//! ```

pub mod amount;
pub mod authentication;
pub mod ccbill;
pub mod error;
pub mod gateway;
pub mod gp_api;
pub mod greenpay;
mod lenient;
pub mod online_payments;
pub mod sealing;
pub mod settings;
pub mod subscription;
#[cfg(test)]
mod variants;
mod worldline;
pub mod worldline_acquiring;

use std::sync::Arc;

use cardseal::platform::Platform;

pub use cardseal_transport as transport;

pub use amount::{Amount, AmountError, Currency};
pub use error::{Error, Refusal};
pub use gateway::Gateway;
pub use settings::Settings;
pub use transport::Transport;

/// Makes a platform's gateway from its settings. `None` after a mistake, which the settings record.
#[must_use]
pub fn gateway(platform: Platform, settings: &Settings<'_>) -> Option<Arc<dyn Gateway>> {
    match platform {
        Platform::GreenPay => {
            greenpay::GreenPay::from_settings(settings).map(|gateway| Arc::new(gateway) as _)
        }
        Platform::GpApi => gp_api::GpApi::from_settings(settings).map(|gateway| Arc::new(gateway) as _),
        Platform::OnlinePayments => {
            online_payments::OnlinePayments::from_settings(settings).map(|gateway| Arc::new(gateway) as _)
        }
        Platform::WorldlineAcquiring => worldline_acquiring::WorldlineAcquiring::from_settings(settings)
            .map(|gateway| Arc::new(gateway) as _),
        Platform::CcBill => ccbill::CcBill::from_settings(settings).map(|gateway| Arc::new(gateway) as _),
    }
}
