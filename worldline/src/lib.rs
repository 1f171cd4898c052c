//! Worldline's server APIs in Rust, with the names of the official SDKs.
//!
//! | product | module | official SDK |
//! | --- | --- | --- |
//! | Online Payments, the platform behind PAYONE E-Payment | [`online_payments`] | `onlinepayments-sdk` |
//! | Acquiring | [`acquiring`] | `acquiring-sdk` |
//!
//! Both are built from the same parts, which a program can replace one by one: the properties file ([`properties`]), the
//! connection with its pool and time-outs ([`connection`]), the [`communicator`] that signs, sends and reads, the
//! metadata header ([`metadata`]), and logs ([`logging`]) without what is secret in them ([`obfuscation`]).
//!
//! ```no_run
//! use cardseal_worldline::online_payments::client::Client;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::from_file("payments_sdk.prp", "api key id", "api secret".to_owned().into())?;
//! let answer = client.merchant("merchant id")?.services().test_connection().await?;
//! println!("{:?}", answer.result);
//! # Ok(())
//! # }
//! ```
//!
//! A call fails with its product's `Error`, whose variants are the official exceptions. What the platform said is in
//! them, without the secrets of the request; `Display` never repeats it.

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
