//! RSAES-PKCS1-v1_5 encryption with a public key (RFC 8017, section 7.2.1).
//!
//! The padding is the platform's choice. Its dangers lie with the receiver: one that tells bad padding from
//! good can be made a decryption oracle (Bleichenbacher 1998, "Marvin" 2023). The sender's only duties are
//! random non-zero filler and a message that fits.

use crate::wiped::Wiped;

use super::public_key::PublicKey;
use crate::error::{Code, Result};
use crate::prelude::*;
use crate::random::Random;

/// Bytes of padding that PKCS #1 v1.5 needs at least.
const OVERHEAD: usize = 11;

/// A source that gives only zeros so many times is broken, and would be asked for ever.
const MOST_DRAWS: usize = 16;

/// The longest message that fits the key.
pub(crate) fn capacity(key: &PublicKey) -> usize {
    key.modulus_bytes().saturating_sub(OVERHEAD)
}

/// Encrypts `message`; the result is exactly as long as the modulus.
pub(crate) fn encrypt(key: &PublicKey, message: &[u8], random: &mut dyn Random) -> Result<Vec<u8>> {
    if message.len() > capacity(key) {
        return Err(Code::EncryptionFailed.into());
    }
    let size = key.modulus_bytes();
    // 00 02 | filler without a zero | 00 | message
    let mut block = Wiped::new(vec![0; size]);
    let filler = size - message.len() - 1;
    if let Some(filler) = block.get_mut(2..filler) {
        non_zero(filler, random)?;
    }
    if let [_, kind, ..] = &mut **block {
        *kind = 2;
    }
    for (place, byte) in block.iter_mut().skip(filler + 1).zip(message) {
        *place = *byte;
    }
    Ok(core::mem::take(&mut *key.apply(&block)))
}

/// Fills with bytes of which every value but zero is equally likely: zeros are drawn again.
fn non_zero(bytes: &mut [u8], random: &mut dyn Random) -> Result<()> {
    random.fill(bytes)?;
    for byte in bytes {
        let mut draws = 0;
        while *byte == 0 {
            draws += 1;
            if draws > MOST_DRAWS {
                return Err(Code::RandomUnavailable.into());
            }
            random.fill(core::slice::from_mut(byte))?;
        }
    }
    Ok(())
}
