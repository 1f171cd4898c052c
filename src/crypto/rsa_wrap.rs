//! RSAES-PKCS1-v1_5 encryption with a public key.
//!
//! The padding is the platform's choice. Its dangers lie with the receiver: one that tells bad padding from
//! good can be made a decryption oracle (Bleichenbacher 1998, "Marvin" 2023). The sender's only duties are
//! random non-zero filler and a message that fits. Nothing secret passes through a variable-time operation
//! here but the message itself, which is encrypted under a public exponent once.

use rsa::Pkcs1v15Encrypt;

use super::public_key::PublicKey;
use crate::error::{Code, Result};
use crate::random::Random;

/// Bytes of padding that PKCS #1 v1.5 needs at least.
const OVERHEAD: usize = 11;

/// The longest message that fits the key.
pub(crate) fn capacity(key: &PublicKey) -> usize {
    key.modulus_bytes().saturating_sub(OVERHEAD)
}

/// Encrypts `message`; the result is exactly as long as the modulus.
pub(crate) fn encrypt(key: &PublicKey, message: &[u8], random: &mut dyn Random) -> Result<Vec<u8>> {
    let mut source = Filler {
        random,
        failed: false,
    };
    let sealed = key.rsa().encrypt(&mut source, Pkcs1v15Encrypt, message);
    if source.failed {
        return Err(Code::RandomUnavailable.into());
    }
    sealed.map_err(|_| Code::EncryptionFailed.into())
}

/// Shows a [`Random`] to `rsa` 0.9, which asks for filler by a call that cannot fail.
///
/// After a failure it hands out ones, so that the search for non-zero filler ends, and remembers; the caller
/// then throws the result away.
struct Filler<'a> {
    random: &'a mut dyn Random,
    failed: bool,
}

impl rand_core::CryptoRng for Filler<'_> {}

impl rand_core::RngCore for Filler<'_> {
    fn next_u32(&mut self) -> u32 {
        rand_core::impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        rand_core::impls::next_u64_via_fill(self)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        if self.failed || self.random.fill(bytes).is_err() {
            self.failed = true;
            bytes.fill(1);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> core::result::Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}
