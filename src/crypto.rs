//! The constructions that the platforms ask for, each a thin layer over a library's primitive.
//!
//! None of them is a general-purpose tool: `aes_ctr` has no integrity and `rsa_wrap` is RSAES-PKCS1-v1_5. They
//! are here because a platform's format demands them.

pub(crate) mod aes_ctr;
#[allow(dead_code, reason = "only the builds of their platforms call it")]
pub(crate) mod encoding;
#[cfg(any(test, target_arch = "wasm32"))]
#[allow(dead_code, reason = "only the builds of their platforms call it")]
pub(crate) mod jwe;
#[cfg(all(test, not(target_arch = "wasm32")))]
mod proofs;
pub mod public_key;
pub(crate) mod rsa_verify;
pub(crate) mod rsa_wrap;
#[cfg(any(test, target_arch = "wasm32"))]
#[allow(dead_code, reason = "only the builds of their platforms call it")]
pub(crate) mod seal;
#[cfg(target_arch = "wasm32")]
mod subtle;
#[cfg(all(test, target_arch = "wasm32"))]
mod subtle_tests;
