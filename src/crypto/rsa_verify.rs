//! RSASSA-PKCS1-v1_5 with SHA-256, verification only.

use rsa::Pkcs1v15Sign;
use sha2::{Digest, Sha256};

use super::public_key::PublicKey;

/// Whether `signature_hex` is the key's signature over `message`.
///
/// Upper and lower case are accepted, and so are dropped leading zeros, even down to an odd number of digits:
/// the field's signers print the number, not the block. Longer than the modulus or not hex is refused.
pub(crate) fn verify(key: &PublicKey, message: &[u8], signature_hex: &str) -> bool {
    let size = key.modulus_bytes();
    if signature_hex.is_empty() || signature_hex.len() > 2 * size {
        return false;
    }
    let mut signature = vec![0; size];
    let padded = format!("{signature_hex:0>width$}", width = 2 * size);
    hex::decode_to_slice(padded, &mut signature).is_ok()
        && key
            .rsa()
            .verify(
                Pkcs1v15Sign::new::<Sha256>(),
                &Sha256::digest(message),
                &signature,
            )
            .is_ok()
}
