//! The merchant's key pair at GreenPay: it opens `lk` and signs answers. New at every start.
//!
//! Nothing here resists a timing attack: it serves tests on loopback.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use getrandom::SysRng;
use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use sha1::Sha1;
use sha2::Sha256;

/// Sizes that a key pair may be made with.
const BITS: core::ops::RangeInclusive<usize> = 1024..=4096;

/// Why there is no key pair.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The size is not offered.
    #[error("a key of {0} bits is not offered: 1024 to 4096")]
    Bits(usize),
    /// The given text is not an RSA private key.
    #[error("the given private key is not an RSA key in PKCS #1 or PKCS #8 PEM")]
    Malformed,
    /// Key generation or encoding failed.
    #[error("the key pair could not be made")]
    Failed,
}

/// A new private key in PKCS #8 PEM, for [`SandboxOptions::private_key`](crate::SandboxOptions::private_key).
///
/// # Errors
/// If the size is not offered, or the key cannot be made.
pub fn new_private_key(bits: usize) -> Result<String, KeyError> {
    let pair = KeyPair::make(bits)?;
    let pem = pair.private.to_pkcs8_pem(LineEnding::LF);
    Ok(pem.map_err(|_| KeyError::Failed)?.to_string())
}

/// An RSA key pair.
pub struct KeyPair {
    private: PrivateKey,
    public: String,
}

impl KeyPair {
    pub(crate) fn make(bits: usize) -> Result<Self, KeyError> {
        if !BITS.contains(&bits) {
            return Err(KeyError::Bits(bits));
        }
        let private = PrivateKey::new(&mut SysRng, bits).map_err(|_| KeyError::Failed)?;
        Self::from_private(private)
    }

    /// Reads a private key in PEM, PKCS #1 or PKCS #8.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(pem: &str) -> Result<Self, KeyError> {
        let private = PrivateKey::from_pkcs8_pem(pem).or_else(|_| PrivateKey::from_pkcs1_pem(pem));
        Self::from_private(private.map_err(|_| KeyError::Malformed)?)
    }

    fn from_private(private: PrivateKey) -> Result<Self, KeyError> {
        let spki = private
            .to_public_key()
            .to_public_key_der()
            .map_err(|_| KeyError::Failed)?;
        Ok(Self {
            public: STANDARD.encode(spki.as_bytes()),
            private,
        })
    }

    /// SPKI in base64 on one line, as GreenPay hands keys out.
    #[must_use]
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The length of the modulus in bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        self.private.n().bit_width() as usize
    }

    /// Opens RSAES-PKCS1-v1_5. Old versions of jsencrypt drop leading zero bytes of the ciphertext.
    #[must_use]
    pub fn open(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        let missing = self.private.size().checked_sub(ciphertext.len())?;
        let mut padded = vec![0; missing];
        padded.extend_from_slice(ciphertext);
        self.private.pkcs1v15_decrypt(&padded).ok()
    }

    /// Opens RSAES-OAEP, which clients of other platforms send by mistake, with the digests that their libraries have.
    #[must_use]
    pub fn open_oaep(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        self.private
            .oaep_decrypt::<Sha1>(ciphertext)
            .or_else(|_| self.private.oaep_decrypt::<Sha256>(ciphertext))
            .ok()
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256, in lower-case hex.
    pub(crate) fn sign(&self, text: &str) -> Option<String> {
        self.private
            .pkcs1v15_sign::<Sha256>(text.as_bytes())
            .ok()
            .map(hex::encode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_sizes_and_texts_that_cannot_serve() {
        assert!(matches!(KeyPair::make(512), Err(KeyError::Bits(512))));
        assert!(matches!(KeyPair::make(1 << 20), Err(KeyError::Bits(_))));
        assert!(matches!(
            KeyPair::parse("-----BEGIN PUBLIC KEY-----"),
            Err(KeyError::Malformed)
        ));
    }

    #[test]
    fn hands_out_its_public_key_as_greenpay_does() {
        let pair = KeyPair::make(1024).unwrap();
        assert_eq!(pair.bits(), 1024);
        assert!(pair.public().starts_with("MIGf"));
        assert_eq!(pair.sign("status:201,requestId:1").unwrap().len(), 256);
    }
}
