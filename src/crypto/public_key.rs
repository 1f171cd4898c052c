//! Reads RSA public keys in every common form.

use std::fmt;

use rsa::BoxedUint;
use rsa::traits::PublicKeyParts;

use super::encoding::{base64, from_base64};
use crate::error::{Code, Result};
use crate::text::split_once;

/// The shortest modulus that is accepted. There are 1023-bit keys in use; 1016 bits are just enough for the wrapped
/// key.
const MIN_BITS: usize = 1016;
/// The longest modulus that is accepted. Encryption with a longer one would take too long.
const MAX_BITS: usize = 8192;
/// A shorter key is accepted with a warning.
const RECOMMENDED_BITS: usize = 2048;
/// The `AlgorithmIdentifier` of PKCS #1 `rsaEncryption`, 1.2.840.113549.1.1.1: the OID, and what may follow it.
const RSA_ENCRYPTION: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const NULL: u8 = 0x05;
const SEQUENCE: u8 = 0x30;

/// The checked numbers of an RSA public key. Modules that do not encrypt with it themselves need no RSA library.
#[derive(Clone, PartialEq, Eq)]
pub struct Numbers {
    /// Big-endian, without leading zeros.
    modulus: Vec<u8>,
    exponent: u64,
}

impl Numbers {
    /// Reads a key: SPKI or PKCS #1, as PEM, bare base64 or hex. Any line endings and spaces are accepted, also a
    /// literal `\n` from a badly quoted setting.
    ///
    /// # Errors
    /// `key_missing` for an empty text; `key_is_private`, `key_is_certificate` or `key_not_rsa` for another known
    /// format; `key_malformed` for anything else; `key_exponent_invalid`, `key_too_short` or `key_modulus_invalid`
    /// for RSA keys that cannot be used.
    pub fn parse(text: &str) -> Result<Self> {
        let text = lines(text);
        let text = text.trim();
        if text.is_empty() {
            return Err(Code::KeyMissing.into());
        }
        Self::from_der(&decode(body(text)?)?)
    }

    /// Reads a key from a platform's answer, where it is bare base64. The other forms would add a kilobyte to the
    /// module.
    ///
    /// # Errors
    /// As for [`Self::parse`].
    pub fn parse_base64(text: &str) -> Result<Self> {
        Self::from_der(&decode_base64(&compact(text))?)
    }

    pub(crate) fn from_der(der: &[u8]) -> Result<Self> {
        let outer = only(der, SEQUENCE).ok_or(Code::KeyMalformed)?;
        if let Some((algorithm, rest)) = element(outer, SEQUENCE) {
            let named = algorithm.strip_prefix(RSA_ENCRYPTION);
            let (Some(parameters), Some([0, key @ ..])) = (named, only(rest, BIT_STRING)) else {
                let other =
                    named.is_none() && element(algorithm, OID).is_some() && only(rest, BIT_STRING).is_some();
                return Err(if other {
                    Code::KeyNotRsa
                } else {
                    Code::KeyMalformed
                }
                .into());
            };
            if !parameters.is_empty() && only(parameters, NULL) != Some(&[]) {
                return Err(Code::KeyMalformed.into());
            }
            return Self::from_numbers(only(key, SEQUENCE).ok_or(Code::KeyMalformed)?);
        }
        // A private key of PKCS #1, PKCS #8 or SEC 1 starts with a version number. No modulus is that short.
        if let Some(([0 | 1], _)) = element(outer, INTEGER) {
            return Err(Code::KeyIsPrivate.into());
        }
        Self::from_numbers(outer)
    }

    /// `INTEGER modulus, INTEGER publicExponent`.
    fn from_numbers(content: &[u8]) -> Result<Self> {
        let (modulus, rest) = element(content, INTEGER).ok_or(Code::KeyMalformed)?;
        let exponent = only(rest, INTEGER).ok_or(Code::KeyMalformed)?;
        let (modulus, exponent) = (positive(modulus)?, positive(exponent)?);
        let value = number(exponent);
        if exponent.len() > 5 || value.is_multiple_of(2) || value < 3 || value >> 33 != 0 {
            return Err(Code::KeyExponentInvalid.into());
        }
        if bits(modulus) < MIN_BITS {
            return Err(Code::KeyTooShort.into());
        }
        if bits(modulus) > MAX_BITS || modulus.last().is_none_or(|byte| byte.is_multiple_of(2)) {
            return Err(Code::KeyModulusInvalid.into());
        }
        Ok(Self {
            modulus: modulus.into(),
            exponent: value,
        })
    }

    /// The length of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        bits(&self.modulus)
    }

    /// The modulus, big-endian, without leading zeros.
    #[must_use]
    pub fn modulus(&self) -> &[u8] {
        &self.modulus
    }

    /// The public exponent.
    #[must_use]
    pub const fn exponent(&self) -> u64 {
        self.exponent
    }

    /// Returns the key as `SubjectPublicKeyInfo` in DER.
    #[must_use]
    pub fn to_spki(&self) -> Vec<u8> {
        let exponent = self.exponent.to_be_bytes();
        let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
        let exponent = exponent.get(zeros..).unwrap_or_default();
        let numbers = [integer(&self.modulus), integer(exponent)].concat();
        let key = [&[0], &*wrapped(SEQUENCE, &numbers)].concat();
        let algorithm = wrapped(SEQUENCE, &[RSA_ENCRYPTION, &[NULL, 0]].concat());
        wrapped(SEQUENCE, &[algorithm, wrapped(BIT_STRING, &key)].concat())
    }
}

impl fmt::Debug for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Numbers").field("bits", &self.bits()).finish()
    }
}

/// A checked RSA public key for encryption.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(rsa::PublicKey);

impl PublicKey {
    /// Reads a key in every form that [`Numbers::parse`] accepts.
    ///
    /// # Errors
    /// As for [`Numbers::parse`].
    pub fn parse(text: &str) -> Result<Self> {
        Self::new(&Numbers::parse(text)?)
    }

    fn new(numbers: &Numbers) -> Result<Self> {
        let modulus = BoxedUint::from_be_slice_vartime(&numbers.modulus);
        // The library's default limits start at 1024 bits.
        rsa::PublicKey::new_with_size_limits(modulus, numbers.exponent.into(), MIN_BITS..=MAX_BITS)
            .map(Self)
            .map_err(|_| Code::KeyModulusInvalid.into())
    }

    /// Returns the key for the RSA library.
    pub(crate) const fn as_rsa(&self) -> &rsa::PublicKey {
        &self.0
    }

    /// Returns the key as bare base64 of its SPKI.
    #[must_use]
    pub fn to_spki_base64(&self) -> String {
        let numbers = Numbers {
            modulus: self.modulus().into(),
            exponent: number(&self.exponent()),
        };
        base64(&numbers.to_spki())
    }

    /// The length of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        bits(&self.modulus())
    }

    /// Whether the key is shorter than the recommended 2048 bits. It is still accepted, because some platforms
    /// issue no longer keys.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.bits() < RECOMMENDED_BITS
    }

    /// Big-endian, without leading zeros.
    pub(crate) fn modulus(&self) -> Box<[u8]> {
        self.0.n_bytes()
    }

    /// Big-endian, without leading zeros.
    pub(crate) fn exponent(&self) -> Box<[u8]> {
        self.0.e_bytes()
    }

    pub(crate) fn modulus_bytes(&self) -> usize {
        self.0.size()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("bits", &self.bits()).finish()
    }
}

/// Returns the content of the first DER element, if it has this tag, and the bytes after it. A length must be in its
/// shortest form and within the data.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, rest) = der.split_first()?;
    let (length, rest) = match rest {
        [length @ 0..=0x7f, rest @ ..] | [0x81, length @ 0x80..=0xff, rest @ ..] => {
            (usize::from(*length), rest)
        }
        [0x82, high @ 1..=0xff, low, rest @ ..] => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    (*found == tag).then(|| rest.split_at_checked(length))?
}

/// Returns the content of an element if nothing follows it.
fn only(der: &[u8], tag: u8) -> Option<&[u8]> {
    element(der, tag)
        .filter(|(_, rest)| rest.is_empty())
        .map(|(content, _)| content)
}

/// Returns the bytes of a positive DER INTEGER, which has a leading zero only if its highest bit is set.
fn positive(content: &[u8]) -> Result<&[u8]> {
    match content {
        [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Ok(rest),
        [0] => Ok(&[]),
        [1..=0x7f, ..] => Ok(content),
        _ => Err(Code::KeyMalformed.into()),
    }
}

/// Returns the value of at most eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |byte| byte.leading_zeros() as usize);
    8 * number.len() - unused
}

fn integer(magnitude: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if magnitude.first().is_some_and(|byte| *byte >= 0x80) {
        &[0]
    } else {
        &[]
    };
    wrapped(INTEGER, &[sign, magnitude].concat())
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "no key is longer than 65535 bytes"
    )]
    let length = match content.len() {
        length @ 0..=0x7f => [tag, length as u8].to_vec(),
        length @ 0x80..=0xff => [tag, 0x81, length as u8].to_vec(),
        length => [tag, 0x82, (length >> 8) as u8, length as u8].to_vec(),
    };
    [&*length, content].concat()
}

/// Replaces literal `\n` and `\r` by the line endings that they stand for.
fn lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let mut next = rest.clone();
        if c == '\\' && matches!(next.next(), Some('n' | 'r')) {
            rest = next;
            lines.push('\n');
        } else {
            lines.push(c);
        }
    }
    lines
}

/// Returns the text between the PEM lines, or the whole text if there are none.
fn body(text: &str) -> Result<&str> {
    let Some(rest) = text.strip_prefix("-----BEGIN ") else {
        return Ok(text);
    };
    let (label, rest) = split_once(rest, "-----").ok_or(Code::KeyMalformed)?;
    if label.ends_with("PRIVATE KEY") {
        return Err(Code::KeyIsPrivate.into());
    }
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
        "CERTIFICATE" => return Err(Code::KeyIsCertificate.into()),
        _ => return Err(Code::KeyMalformed.into()),
    }
    let (body, end) = split_once(rest, "-----END ").ok_or(Code::KeyMalformed)?;
    if end.trim_end().strip_suffix("-----") == Some(label) {
        Ok(body)
    } else {
        Err(Code::KeyMalformed.into())
    }
}

/// Decodes hex or base64. The base64 of a key starts with `M`, so it is never mistaken for hex.
fn decode(body: &str) -> Result<Vec<u8>> {
    let compact = compact(body);
    if let Ok(der) = hex::decode(&compact) {
        return Ok(der);
    }
    decode_base64(&compact)
}

fn compact(text: &str) -> String {
    text.split_ascii_whitespace().collect()
}

fn decode_base64(compact: &str) -> Result<Vec<u8>> {
    from_base64(compact).ok_or_else(|| Code::KeyMalformed.into())
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn vector(name: &str) -> String {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/vectors/greenpay.json")).unwrap();
        file["rsa_keys"][name]["public_spki_base64_one_line"]
            .as_str()
            .unwrap()
            .into()
    }

    #[test]
    fn the_numbers_of_a_key_are_those_of_the_key_and_give_the_same_spki() {
        for (name, bits) in [("t1024", 1024), ("t2048", 2048)] {
            let text = vector(name);
            let numbers = Numbers::parse(&text).unwrap();
            assert_eq!(numbers.bits(), bits);
            assert_eq!(numbers, Numbers::parse_base64(&text).unwrap());
            assert_eq!(STANDARD.encode(numbers.to_spki()), text);
            assert_eq!(PublicKey::parse(&text).unwrap().to_spki_base64(), text);
            // As PKCS #1, on several lines and without padding, it is the same key.
            let inner = [integer(&numbers.modulus), integer(&[1, 0, 1])].concat();
            let pkcs1 = STANDARD.encode(wrapped(SEQUENCE, &inner));
            let (start, end) = pkcs1.split_at(64);
            let wrapped = [start, "\r\n", end.trim_end_matches('='), "\n"].concat();
            assert_eq!(Numbers::parse_base64(&wrapped).unwrap(), numbers);
        }
    }

    #[test]
    fn base64_alone_is_no_other_form_of_a_key() {
        let text = vector("t2048");
        let hex = hex::encode(STANDARD.decode(&text).unwrap());
        let pem = [
            "-----BEGIN PUBLIC KEY-----\n",
            &text,
            "\n-----END PUBLIC KEY-----",
        ]
        .concat();
        for other in ["", "AAAA", "x", &hex, &pem, &[&text, "AAAA"].concat()] {
            assert!(Numbers::parse_base64(other).is_err(), "{other}");
        }
        let mut even = Numbers::parse(&text).unwrap();
        if let Some(last) = even.modulus.last_mut() {
            *last -= 1;
        }
        let even = STANDARD.encode(even.to_spki());
        let refused = Numbers::parse_base64(&even).map_err(|error| error.code());
        assert_eq!(refused, Err(Code::KeyModulusInvalid));
    }
}
