//! The simulated Online Payments over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod client_api;
mod control;
mod faults;
mod hosted;
mod idempotence;
mod inputs;
mod links;
mod mandates;
mod payments;
mod payouts;
mod services;
mod shop;
mod tokens;
mod webhooks;
