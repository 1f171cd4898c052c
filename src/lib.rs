//! Cardseal turns a card into a token without the card reaching the merchant's server in clear.
//!
//! This crate is the browser half: card data, packing and encryption, requests as plain values, answers as
//! typed results. It performs no input or output. Compiled to WebAssembly it is the npm package `cardseal`;
//! the server and the sandbox of this workspace use the same definitions natively.

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
