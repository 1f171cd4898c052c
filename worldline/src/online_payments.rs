//! Worldline Online Payments, the platform behind PAYONE E-Payment.
//!
//! [`client`] has the calls, [`domain`] what goes over the wire, [`errors`] what can go wrong, and [`webhooks`] verifies
//! and reads events.

pub mod client;
pub mod domain;
pub mod errors;
pub mod signature;
pub mod webhooks;

#[cfg(test)]
mod tests;
