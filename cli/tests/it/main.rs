//! The program as people call it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says where"
)]

mod commands;
mod setups;
mod shop;
