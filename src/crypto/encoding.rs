//! Base64 (RFC 4648) by the crate of that name.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Encodes with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    encoded(&STANDARD, bytes)
}

/// Encodes with the URL alphabet, without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    encoded(&URL_SAFE_NO_PAD, bytes)
}

/// Decodes the URL alphabet, without padding.
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    decoded(&URL_SAFE_NO_PAD, text)
}

/// Decodes with or without padding.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    decoded(&STANDARD_NO_PAD, text.trim_end_matches('='))
}

// Encodes four characters at a time, which keeps the crate's unrolled loops for long texts out of the module.
#[inline(never)]
fn encoded(engine: &GeneralPurpose, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut four = [0; 4];
        // The buffer is large enough.
        let length = engine.encode_slice(three, &mut four).unwrap_or_default();
        text.extend(four.iter().take(length).map(|byte| char::from(*byte)));
    }
    text
}

#[inline(never)]
fn decoded(engine: &GeneralPurpose, text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len().div_ceil(4) * 3);
    for four in text.as_bytes().chunks(4) {
        let mut three = [0; 3];
        let length = engine.decode_slice(four, &mut three).ok()?;
        bytes.extend(three.get(..length)?);
    }
    Some(bytes)
}
