//! The simulated GreenPay over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkout;
mod control;
mod faults;
mod merchant;
mod shop;
mod subscriptions;
mod vectors;
mod webhooks;
