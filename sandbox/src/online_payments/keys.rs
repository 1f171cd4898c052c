//! The key pair that pages encrypt to. Made when it is first needed.
//!
//! Nothing here resists a timing attack: it serves tests on loopback.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use getrandom::SysRng;
use rsa::PrivateKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePublicKey};
use sha1::Sha1;
use uuid::Uuid;

/// The real platform's size is not known; its own client's tests have this one.
const BITS: usize = 2048;

/// An RSA key pair with its id.
pub struct KeyPair {
    private: PrivateKey,
    id: String,
    public: String,
}

impl KeyPair {
    pub(crate) fn make() -> Option<Self> {
        let private = PrivateKey::new(&mut SysRng, BITS).ok()?;
        Self::from_private(private, Uuid::new_v4().to_string())
    }

    /// Reads a private key in PEM, PKCS #8.
    #[must_use]
    pub fn parse(pem: &str, id: &str) -> Option<Self> {
        Self::from_private(PrivateKey::from_pkcs8_pem(pem).ok()?, id.to_owned())
    }

    pub(crate) fn from_private(private: PrivateKey, id: String) -> Option<Self> {
        let spki = private.to_public_key().to_public_key_der().ok()?;
        Some(Self {
            public: STANDARD.encode(spki.as_bytes()),
            private,
            id,
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// SPKI in base64, on one line.
    pub(crate) fn public(&self) -> &str {
        &self.public
    }

    /// Opens RSAES-OAEP with SHA-1 for both of its digests.
    pub(crate) fn open(&self, ciphertext: &[u8]) -> Option<Vec<u8>> {
        self.private.oaep_decrypt::<Sha1>(ciphertext).ok()
    }
}
