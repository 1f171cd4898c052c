//! Worldline Online Payments, the platform behind PAYONE E-Payment.
//!
//! Start with [`client`]. [`domain`] has the request and response bodies, [`errors`] the errors, and [`webhooks`]
//! verifies and reads events.

pub mod client;
pub mod domain;
pub mod errors;
pub mod signature;
pub mod webhooks;

#[cfg(test)]
mod tests;
