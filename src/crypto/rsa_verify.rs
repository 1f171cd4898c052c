//! RSASSA-PKCS1-v1_5 with SHA-256, verification only (RFC 8017, section 8.2.2). Everything here is public.

use sha2::{Digest, Sha256};

use super::public_key::PublicKey;
use crate::prelude::*;

/// DER of `DigestInfo` for SHA-256, up to the digest (RFC 8017, section 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// Whether `signature_hex` is the key's signature over `message`.
///
/// Upper and lower case are accepted, and so are dropped leading zeros, even down to an odd number of digits:
/// the field's signers print the number, not the block. Longer than the modulus or not hex is refused.
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
        && key.is_below(&signature)
        && *key.apply(&signature) == encoded(message, size)
}

/// 00 01 | ff … | 00 | `DigestInfo`: the whole block is built and compared, so that nothing in it is ever parsed.
fn encoded(message: &[u8], size: usize) -> Vec<u8> {
    let digest = Sha256::digest(message);
    let filler = size.saturating_sub(3 + DIGEST_INFO.len() + digest.len());
    let mut block = vec![0xff; filler];
    block.splice(..0, [0, 1]);
    block.push(0);
    block.extend_from_slice(&DIGEST_INFO);
    block.extend_from_slice(&digest);
    block
}
