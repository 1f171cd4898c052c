//! RSA public keys in every form that people paste.

use rsa::pkcs1::der::Decode;
use rsa::pkcs1::{ObjectIdentifier, RsaPublicKey as Pkcs1};
use rsa::pkcs8::{EncodePublicKey, SubjectPublicKeyInfoRef};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPublicKey};

use crate::error::{Code, Result};

/// The shortest modulus that is accepted: a 1023-bit key is in the field, 1016 is what still holds the wrap.
const MIN_BITS: usize = 1016;
/// The longest; above it an encryption would only burn time.
const MAX_BITS: usize = 8192;
/// Below it the key is accepted with a warning.
const RECOMMENDED_BITS: usize = 2048;
/// PKCS #1 `rsaEncryption`.
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A checked RSA public key. There is no way to an encryptor without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(RsaPublicKey);

impl PublicKey {
    /// Reads a key: SPKI or PKCS #1; PEM with any line ends, on one line or many, or bare base64, wrapped or
    /// not, or hex; blanks around and between, and a literal `\n` as a badly quoted setting has it, are fine.
    ///
    /// # Errors
    /// `key_missing` for blank text; `key_is_private`, `key_is_certificate`, `key_not_rsa` for something else
    /// that was recognised; `key_malformed` for what was not; `key_exponent_invalid`, `key_too_short` and
    /// `key_modulus_invalid` for RSA keys that cannot serve.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.replace("\\r", "\n").replace("\\n", "\n");
        let text = text.trim();
        if text.is_empty() {
            return Err(Code::KeyMissing.into());
        }
        Self::from_der(&decode(body(text)?)?)
    }

    fn from_der(der: &[u8]) -> Result<Self> {
        if let Ok(info) = SubjectPublicKeyInfoRef::from_der(der) {
            if info.algorithm.oid != RSA_ENCRYPTION {
                return Err(Code::KeyNotRsa.into());
            }
            let bits = info.subject_public_key.as_bytes().ok_or(Code::KeyMalformed)?;
            return Self::from_pkcs1(&Pkcs1::from_der(bits).map_err(|_| Code::KeyMalformed)?);
        }
        if let Ok(key) = Pkcs1::from_der(der) {
            return Self::from_pkcs1(&key);
        }
        Err(match Shape::of(der) {
            Shape::PrivateKey => Code::KeyIsPrivate,
            Shape::Other => Code::KeyMalformed,
        }
        .into())
    }

    fn from_pkcs1(key: &Pkcs1<'_>) -> Result<Self> {
        let exponent = BigUint::from_bytes_be(key.public_exponent.as_bytes());
        let modulus = BigUint::from_bytes_be(key.modulus.as_bytes());
        let odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte & 1 == 1);
        if !odd(key.public_exponent.as_bytes()) || exponent < BigUint::from(3u8) || exponent.bits() > 33 {
            return Err(Code::KeyExponentInvalid.into());
        }
        if modulus.bits() < MIN_BITS {
            return Err(Code::KeyTooShort.into());
        }
        if !odd(key.modulus.as_bytes()) || modulus.bits() > MAX_BITS {
            return Err(Code::KeyModulusInvalid.into());
        }
        RsaPublicKey::new_with_max_size(modulus, exponent, MAX_BITS)
            .map(Self)
            .map_err(|_| Code::KeyModulusInvalid.into())
    }

    pub(crate) const fn rsa(&self) -> &RsaPublicKey {
        &self.0
    }

    /// The key as bare base64 of its SPKI, however it was written.
    ///
    /// # Errors
    /// None for a key that was parsed; the encoder's signature has one.
    pub fn to_spki_base64(&self) -> Result<String> {
        use base64::Engine;
        let der = self.0.to_public_key_der().map_err(|_| Code::KeyMalformed)?;
        Ok(base64::engine::general_purpose::STANDARD.encode(der.as_bytes()))
    }

    /// Length of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.0.n().bits()
    }

    /// Whether the key is shorter than today's recommendation of 2048 bits. It is accepted all the same: some
    /// platforms hand out nothing longer.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.bits() < RECOMMENDED_BITS
    }

    pub(crate) fn modulus_bytes(&self) -> usize {
        self.0.size()
    }
}

/// What stands between the PEM lines, or the whole text where there are none.
fn body(text: &str) -> Result<&str> {
    let Some(rest) = text.strip_prefix("-----BEGIN ") else {
        return Ok(text);
    };
    let (label, rest) = rest.split_once("-----").ok_or(Code::KeyMalformed)?;
    if label.ends_with("PRIVATE KEY") {
        return Err(Code::KeyIsPrivate.into());
    }
    match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {}
        "CERTIFICATE" => return Err(Code::KeyIsCertificate.into()),
        _ => return Err(Code::KeyMalformed.into()),
    }
    let (body, end) = rest.split_once("-----END ").ok_or(Code::KeyMalformed)?;
    if end.trim_end().strip_suffix("-----") == Some(label) {
        Ok(body)
    } else {
        Err(Code::KeyMalformed.into())
    }
}

/// Hex or base64. No key's base64 is all hex digits: it starts with `M`.
fn decode(body: &str) -> Result<Vec<u8>> {
    use base64::Engine;
    let compact: String = body.split_ascii_whitespace().collect();
    if let Ok(der) = hex::decode(&compact) {
        return Ok(der);
    }
    let compact = compact.trim_end_matches('=');
    base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(compact)
        .map_err(|_| Code::KeyMalformed.into())
}

/// Tells a private key from junk, without reading it.
enum Shape {
    PrivateKey,
    Other,
}

impl Shape {
    fn of(der: &[u8]) -> Self {
        // SEQUENCE { INTEGER version 0 or 1, … }: PKCS #1, PKCS #8 and SEC 1 private keys all begin so.
        let Some((0x30, rest)) = der.split_first().map(|(tag, rest)| (*tag, rest)) else {
            return Self::Other;
        };
        let content = match rest {
            [length, content @ ..] if *length < 0x80 => content,
            [0x81, _, content @ ..] | [0x82, _, _, content @ ..] => content,
            _ => return Self::Other,
        };
        match content {
            [0x02, 0x01, 0x00 | 0x01, ..] => Self::PrivateKey,
            _ => Self::Other,
        }
    }
}
