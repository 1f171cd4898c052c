//! Cards that a page sealed to the merchant's own key, for platforms that give a page nothing to seal to.
//!
//! The form is JWE compact (RFC 7516) with one algorithm and no choice: ECDH-ES on P-256, used directly
//! (RFC 7518, 4.6), and A256GCM. The id of the session is in the header and in the derivation of the key, so that a
//! card sealed for one session opens for no other. [`KeyRing`] holds the private keys. Whoever has it can read the
//! cards: see `docs/security.md`.
//!
//! Nothing here makes a card single-use. The server does, by closing the session.

mod config;
mod shape;

use std::fmt;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::elliptic_curve::sec1::{FromSec1Point, ToSec1Point};
use p256::{PublicKey, Sec1Point, SecretKey, ecdh};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

pub use config::{KeyMistake, PrivateKey};

/// How the key is agreed on.
pub const ALG: &str = "ECDH-ES";
/// How the card is encrypted.
pub const ENC: &str = "A256GCM";
/// What the text is, so that no other JWE is taken for one.
pub const TYP: &str = "cardseal-card+jwe";
/// The curve.
pub const CURVE: &str = "P-256";
/// No sealed card is longer.
pub const MAX_BYTES: usize = 8 * 1024;

const COORDINATE_BYTES: usize = 32;
const KEY_BYTES: usize = 32;
const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// Why a sealed card was not opened. Says nothing of what is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than [`MAX_BYTES`].
    #[error("the sealed card is too long")]
    Oversized,
    /// Not five parts of base64url, or a header that is not exactly the documented one.
    #[error("the sealed card is not a JWE of the documented form")]
    Malformed,
    /// Another `alg`, `enc` or `typ`.
    #[error("the sealed card uses another algorithm")]
    Algorithm,
    /// A `kid` that is not, or no longer, in the ring.
    #[error("the sealed card names a key that is not in use")]
    UnknownKey,
    /// Sealed for another session.
    #[error("the sealed card belongs to another session")]
    WrongSession,
    /// Past its `exp`.
    #[error("the sealed card has expired")]
    Expired,
    /// An ephemeral key that is no point of the curve.
    #[error("the sealed card's ephemeral key is not valid")]
    EphemeralKey,
    /// Changed on its way, or sealed with another key than it says.
    #[error("the sealed card was changed")]
    Changed,
    /// Authentic, and not a card of the documented form.
    #[error("what was sealed is not a card")]
    NotACard,
}

impl Refusal {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::Oversized,
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::WrongSession,
        Self::Expired,
        Self::EphemeralKey,
        Self::Changed,
        Self::NotACard,
    ];

    /// A stable word for answers and logs.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Oversized => "sealed_oversized",
            Self::Malformed => "sealed_malformed",
            Self::Algorithm => "sealed_algorithm",
            Self::UnknownKey => "sealed_key_unknown",
            Self::WrongSession => "sealed_wrong_session",
            Self::Expired => "sealed_expired",
            Self::EphemeralKey => "sealed_ephemeral_key",
            Self::Changed => "sealed_changed",
            Self::NotACard => "sealed_not_a_card",
        }
    }
}

/// A card in clear. It is wiped when it is dropped, and cannot be printed.
pub struct SealedCard {
    /// The number: 12 to 19 digits with a right check digit. Of a network token, the token.
    pub number: SecretString,
    /// The month it ends with.
    pub month: u8,
    /// The year of it, four digits.
    pub year: u16,
    /// The security code.
    pub cvc: Option<SecretString>,
    /// The name on the card.
    pub holder: Option<SecretString>,
    /// What comes with a token of the card network.
    pub network_token: Option<NetworkToken>,
}

/// What comes with a token of the card network.
pub struct NetworkToken {
    /// The cryptogram of this one payment.
    pub cryptogram: SecretString,
    /// The electronic commerce indicator, two digits.
    pub eci: Option<String>,
    /// Who requested the token.
    pub requestor_id: Option<String>,
}

impl Drop for SealedCard {
    fn drop(&mut self) {
        self.month.zeroize();
        self.year.zeroize();
    }
}

impl fmt::Debug for SealedCard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedCard([redacted])")
    }
}

impl fmt::Debug for NetworkToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkToken([redacted])")
    }
}

/// One private key, by its id. Wiped when it is dropped.
struct SealingKey {
    kid: String,
    secret: SecretKey,
}

/// The private keys. The first is what new sessions are sealed to; the others still open what was sealed before.
pub struct KeyRing {
    keys: Vec<SealingKey>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| &key.kid))
            .finish()
    }
}

impl KeyRing {
    /// The member `seal` of a session: what its page seals a card to.
    #[must_use]
    pub fn public(&self) -> Value {
        let Some(key) = self.keys.first() else {
            return Value::Null;
        };
        let point = key.secret.public_key().to_sec1_point(false);
        let coordinate = |bytes: Option<&p256::FieldBytes>| {
            bytes.map_or_else(String::new, |bytes| URL_SAFE_NO_PAD.encode(bytes))
        };
        json!({
            "kid": key.kid,
            "alg": ALG,
            "enc": ENC,
            "key": {
                "kty": "EC",
                "crv": CURVE,
                "x": coordinate(point.x()),
                "y": coordinate(point.y()),
            },
        })
    }

    /// The ids of the keys, the sealing one first.
    #[must_use]
    pub fn ids(&self) -> Vec<&str> {
        self.keys.iter().map(|key| key.kid.as_str()).collect()
    }

    /// Opens a card that was sealed for a session. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// If it is not a card sealed for this session to one of these keys, whole and in time.
    pub fn open(&self, jwe: &str, session_id: &str, now: i64) -> Result<SealedCard, Refusal> {
        if jwe.len() > MAX_BYTES {
            return Err(Refusal::Oversized);
        }
        let mut parts = jwe.split('.');
        let mut part = || parts.next().ok_or(Refusal::Malformed);
        let (protected, wrapped, iv, ciphertext, tag) = (part()?, part()?, part()?, part()?, part()?);
        // The key is agreed on, so there is none to unwrap.
        if parts.next().is_some() || !wrapped.is_empty() {
            return Err(Refusal::Malformed);
        }
        let header_text = bytes(protected)?;
        let header = shape::Header::read(&header_text)?;
        let iv = exactly::<IV_BYTES>(iv)?;
        let tag = exactly::<TAG_BYTES>(tag)?;
        let mut text = Zeroizing::new(bytes(ciphertext)?);
        if header.alg != ALG || header.enc != ENC || header.typ != TYP {
            return Err(Refusal::Algorithm);
        }
        let mut keys = self.keys.iter();
        let key = keys.find(|key| key.kid == header.kid);
        let key = key.ok_or(Refusal::UnknownKey)?;
        if header.sid != session_id || bytes(&header.apv)? != session_id.as_bytes() {
            return Err(Refusal::WrongSession);
        }
        if i64::try_from(header.exp).is_ok_and(|exp| now >= exp) {
            return Err(Refusal::Expired);
        }
        let epk = header.epk.0;
        if epk.kty != "EC" || epk.crv != CURVE {
            return Err(Refusal::EphemeralKey);
        }
        let ephemeral = point(&epk.x, &epk.y).ok_or(Refusal::EphemeralKey)?;
        let agreed = ecdh::diffie_hellman(key.secret.to_nonzero_scalar(), ephemeral.as_affine());
        let derived = derive(agreed.raw_secret_bytes(), ENC, b"", session_id.as_bytes(), 256);
        Aes256Gcm::new((&*derived).into())
            .decrypt_inout_detached(
                &iv.into(),
                protected.as_bytes(),
                text.as_mut_slice().into(),
                &tag.into(),
            )
            .map_err(|_| Refusal::Changed)?;
        shape::card(&text)
    }
}

/// base64url without padding, in its one form.
fn bytes(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)
}

fn exactly<const N: usize>(part: &str) -> Result<[u8; N], Refusal> {
    bytes(part)?.try_into().map_err(|_| Refusal::Malformed)
}

/// A point of the curve, and not the one at infinity, which has no coordinates.
fn point(x: &str, y: &str) -> Option<PublicKey> {
    let coordinate = |text: &str| exactly::<COORDINATE_BYTES>(text).ok();
    let (x, y) = (coordinate(x)?, coordinate(y)?);
    let point = Sec1Point::from_affine_coordinates(&x.into(), &y.into(), false);
    PublicKey::from_sec1_point(&point).into()
}

/// Concat KDF of RFC 7518, 4.6.2, for keys of at most one digest: SHA-256 over the round, the agreed secret, the
/// algorithm and both parties, each with its length, and the bits wanted.
fn derive(
    agreed: &[u8],
    algorithm: &str,
    party_u: &[u8],
    party_v: &[u8],
    bits: u32,
) -> Zeroizing<[u8; KEY_BYTES]> {
    let mut digest = Sha256::new_with_prefix(1_u32.to_be_bytes());
    digest.update(agreed);
    for part in [algorithm.as_bytes(), party_u, party_v] {
        // No part is longer than a sealed card.
        digest.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.update(bits.to_be_bytes());
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    digest.finalize_into((&mut *key).into());
    key
}

#[cfg(test)]
mod tests;
