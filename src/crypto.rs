//! The encryption that the platforms' formats require, as thin layers over library primitives.
//!
//! Do not use them for anything else: `aes_ctr` does not protect integrity, and `rsa_wrap` is RSAES-PKCS1-v1_5.

pub(crate) mod aes_ctr;
#[allow(dead_code, reason = "only the builds of some platforms call it")]
pub(crate) mod encoding;
#[cfg(any(test, target_arch = "wasm32"))]
#[allow(dead_code, reason = "only the builds of some platforms call it")]
pub(crate) mod jwe;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod proofs;
pub mod public_key;
pub(crate) mod rsa_verify;
pub(crate) mod rsa_wrap;
#[cfg(any(test, target_arch = "wasm32"))]
#[allow(dead_code, reason = "only the builds of some platforms call it")]
pub(crate) mod seal;
#[cfg(target_arch = "wasm32")]
mod subtle;
#[cfg(all(test, target_arch = "wasm32"))]
mod subtle_tests;
