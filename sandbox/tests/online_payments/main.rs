//! The simulated Online Payments over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod client_api;
mod control;
mod faults;
mod hosted;
mod idempotence;
mod inputs;
mod payments;
mod shop;
mod tokens;
mod webhooks;
