//! The simulated Worldline Acquiring over HTTP, by what is published of the platform.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

mod access;
mod cards;
mod faults;
mod follow_ups;
mod operations;
mod services;
mod shop;
