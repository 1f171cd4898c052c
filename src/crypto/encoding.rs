//! Base64 (RFC 4648) by the crate of that name.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// With padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    encoded(&STANDARD, bytes)
}

/// For a URL, without padding.
pub(crate) fn base64url(bytes: &[u8]) -> String {
    encoded(&URL_SAFE_NO_PAD, bytes)
}

/// The same the other way.
pub(crate) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    decoded(&URL_SAFE_NO_PAD, text)
}

/// With its padding or without.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    decoded(&STANDARD_NO_PAD, text.trim_end_matches('='))
}

// Four characters at a time: the crate's loops for long texts, which it unrolls, are not in the module then. What it reads
// a whole text back with is a kilobyte more.
#[inline(never)]
fn encoded(engine: &GeneralPurpose, bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let mut four = [0; 4];
        // There is room for all of it.
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
