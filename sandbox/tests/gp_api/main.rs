//! The simulated GP API over real HTTP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod adjustments;
mod authentications;
mod cards;
mod control;
mod faults;
mod follow_ups;
mod merchant;
mod notifications;
mod payment_methods;
mod settlement;
mod transactions;
mod transport;
mod verifications;
