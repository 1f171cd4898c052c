//! RSAES-PKCS1-v1_5 encryption with a public key (RFC 8017, section 7.2.1).
//!
//! The platform requires this padding. Its risk is on the receiving side: a receiver that reveals whether the
//! padding was right becomes a decryption oracle (Bleichenbacher 1998, "Marvin" 2023). The sender needs only random
//! non-zero filler, and a message that fits.

use rsa::Error;

use super::public_key::PublicKey;
use crate::error::{Code, Result};
use crate::random::{Random, Source};

/// The fewest bytes of padding in PKCS #1 v1.5.
const OVERHEAD: usize = 11;

/// The longest message, in bytes, that fits the key.
pub(crate) fn capacity(key: &PublicKey) -> usize {
    key.modulus_bytes().saturating_sub(OVERHEAD)
}

/// Encrypts `message`; the result is exactly as long as the modulus.
pub(crate) fn encrypt(key: &PublicKey, message: &[u8], random: &mut dyn Random) -> Result<Vec<u8>> {
    let sealed = key
        .as_rsa()
        .pkcs1v15_encrypt_with_rng(&mut Source::new(random), message);
    sealed.map_err(|error| {
        if error == Error::Rng {
            Code::RandomUnavailable.into()
        } else {
            Code::EncryptionFailed.into()
        }
    })
}
