//! Worldline's server APIs in Rust, with the names of the official SDKs.
//!
//! | product | module | official SDK |
//! | --- | --- | --- |
//! | Online Payments, the platform behind PAYONE E-Payment | [`online_payments`] | `onlinepayments-sdk` |
//! | Acquiring | [`acquiring`] | `acquiring-sdk` |
//!
//! ```no_run
//! use cardseal_worldline::online_payments::client::{CallContext, Client};
//! use cardseal_worldline::online_payments::domain::CapturePaymentRequest;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::from_file("payments_sdk.prp", "api key id", "api secret".to_owned().into())?;
//! let merchant = client.merchant("merchant id")?;
//!
//! // Use the same key for every attempt: a repeat returns the first outcome and moves no money.
//! let context = CallContext::with_idempotence_key("order-1-capture")?;
//! let request = CapturePaymentRequest { amount: Some(1000), is_final: Some(true), ..Default::default() };
//! let response = merchant.payments().capture("3254564310_0", &request, Some(&context)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A failed call returns the product's `Error`, whose variants are the official exceptions. They contain the
//! platform's response, with the secrets of the request masked. `Display` never repeats the response.
//!
//! Both products share these modules: [`properties`] reads the configuration files, [`communicator`] signs requests
//! and sends them, [`connection`] has the pool and the timeouts, [`metadata`] describes the caller, and [`logging`]
//! writes logs, which [`obfuscation`] masks. You can replace the connection, the signing, the metadata and the
//! JSON.

pub mod acquiring;
mod answer;
pub mod communicator;
pub mod connection;
pub mod errors;
pub mod logging;
pub mod metadata;
pub mod obfuscation;
mod objects;
pub mod online_payments;
pub mod properties;
pub mod resource;

pub use cardseal::http::Request;
pub use cardseal_transport::{Failure, Response, Unusable};
