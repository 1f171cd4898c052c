//! Verification of RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2.2). None of its inputs is secret.

use sha2::Sha256;

use super::public_key::PublicKey;

/// Whether `signature_hex` is a valid signature of `message`.
///
/// Hex can be in upper or lower case, and leading zeros can be missing, even if the number of digits is odd then: real
/// signers print the number, not the block. A signature longer than the modulus is refused.
pub(crate) fn verify(key: &PublicKey, message: &[u8], signature_hex: &str) -> bool {
    let size = key.modulus_bytes();
    let Some(missing) = (2 * size).checked_sub(signature_hex.len()) else {
        return false;
    };
    if signature_hex.is_empty() {
        return false;
    }
    let mut digits = vec![b'0'; missing];
    digits.extend_from_slice(signature_hex.as_bytes());
    let mut signature = vec![0; size];
    hex::decode_to_slice(digits, &mut signature).is_ok()
        && key
            .as_rsa()
            .pkcs1v15_verify::<Sha256>(message, &signature)
            .is_ok()
}
