//! AES-128 in counter mode with a 128-bit big-endian counter, as `aes-128-ctr` of OpenSSL.
//!
//! It does not protect integrity: anyone who can change the ciphertext can flip bits of the plaintext. The same key
//! and counter must never be used twice, so callers generate a new key for every message.

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit, StreamCipher};

/// Encrypts (or decrypts) in place.
pub(crate) fn apply(key: &[u8; 16], counter: &[u8; 16], data: &mut [u8]) {
    Ctr128BE::<Aes128>::new(key.into(), counter.into()).apply_keystream(data);
}
