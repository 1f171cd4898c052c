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
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// With its padding or without.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// The crate's own `encode` reads its text back as UTF-8 and can say at length where that is none: two kilobytes of the
/// module.
#[inline(never)]
fn encoded(engine: &GeneralPurpose, bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len().div_ceil(3) * 4];
    // There is room for all of it.
    let length = engine.encode_slice(bytes, &mut text).unwrap_or_default();
    text.into_iter().take(length).map(char::from).collect()
}
