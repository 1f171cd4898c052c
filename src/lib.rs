//! Cardseal turns a card into a token in the browser, so that the merchant's server does not see the card in clear
//! text.
//!
//! This crate is the browser's half. It checks and encrypts cards, builds requests as plain values, and reads
//! answers. It does no I/O. Compiled to WebAssembly, it is the npm package `cardseal`. The server and the sandbox
//! use it natively.

pub mod authentication;
pub mod card;
pub mod crypto;
pub mod error;
#[cfg(target_arch = "wasm32")]
mod global;
pub mod hosts;
pub mod http;
mod json;
mod object;
pub mod platform;
pub mod random;
pub mod redact;
pub mod session;
mod text;

pub use error::{Code, Error, Result};
pub use platform::*;

#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
