//! Seals a card to the merchant's own key, as a page does, to test the code that opens it. It is written from the
//! documented form and shares nothing with that code, so that both do not share a misreading.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use getrandom::SysRng;
use p256::elliptic_curve::Generate;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::{FieldBytes, PublicKey, SecretKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The recipient and the header of a sealed text. Tests of refusals can change either.
pub struct Sealer {
    receiver: PublicKey,
    ephemeral: SecretKey,
    /// The protected header.
    pub header: Value,
}

impl Sealer {
    /// For the member `seal` of a session, its id, and its expiry in seconds since 1970. `None` if the key is not
    /// valid.
    #[must_use]
    pub fn new(seal: &Value, session_id: &str, expires_at: i64) -> Option<Self> {
        let key = seal.get("key")?;
        let jwk =
            json!({ "kty": key.get("kty")?, "crv": key.get("crv")?, "x": key.get("x")?, "y": key.get("y")? });
        let receiver = point(&jwk)?;
        let ephemeral = SecretKey::try_generate_from_rng(&mut SysRng).ok()?;
        let header = json!({
            "alg": seal.get("alg")?,
            "enc": seal.get("enc")?,
            "kid": seal.get("kid")?,
            "epk": public_jwk(&ephemeral.public_key()),
            "apv": URL_SAFE_NO_PAD.encode(session_id),
            "typ": "cardseal-card+jwe",
            "exp": expires_at,
            "sid": session_id,
        });
        Some(Self {
            receiver,
            ephemeral,
            header,
        })
    }

    /// JWE compact of a text.
    #[must_use]
    pub fn seal(&self, plain: &[u8]) -> Option<String> {
        self.seal_as(&self.header.to_string(), plain)
    }

    /// The same with this text as the header; `apv` is taken from [`Sealer::header`].
    #[must_use]
    pub fn seal_as(&self, header: &str, plain: &[u8]) -> Option<String> {
        let protected = URL_SAFE_NO_PAD.encode(header);
        let party = URL_SAFE_NO_PAD.decode(self.header.get("apv")?.as_str()?).ok()?;
        let agreed =
            p256::ecdh::diffie_hellman(self.ephemeral.to_nonzero_scalar(), self.receiver.as_affine());
        let length = |bytes: usize| u32::try_from(bytes).map(u32::to_be_bytes);
        let key = Sha256::new()
            .chain_update([0, 0, 0, 1])
            .chain_update(agreed.raw_secret_bytes())
            .chain_update([0, 0, 0, 7])
            .chain_update("A256GCM")
            .chain_update([0; 4])
            .chain_update(length(party.len()).ok()?)
            .chain_update(party)
            .chain_update([0, 0, 1, 0])
            .finalize();
        let mut iv = [0; 12];
        getrandom::fill(&mut iv).ok()?;
        let mut text = plain.to_vec();
        let tag = Aes256Gcm::new(&key)
            .encrypt_inout_detached(&iv.into(), protected.as_bytes(), text.as_mut_slice().into())
            .ok()?;
        let [iv, text, tag] = [&iv[..], &text, &tag].map(|part| URL_SAFE_NO_PAD.encode(part));
        Some(format!("{protected}..{iv}.{text}.{tag}"))
    }
}

/// Seals a card, given as the documented JSON. `None` if the key is not valid.
#[must_use]
pub fn seal(seal: &Value, session_id: &str, expires_at: i64, card: &Value) -> Option<String> {
    Sealer::new(seal, session_id, expires_at)?.seal(card.to_string().as_bytes())
}

/// The private key of these bytes as JWK. `None` if they are none, which of random ones one in 2^32 is.
pub(crate) fn private_jwk(kid: &str, bytes: &[u8; 32]) -> Option<Value> {
    let secret = SecretKey::from_slice(bytes).ok()?;
    let mut jwk = public_jwk(&secret.public_key());
    if let Some(members) = jwk.as_object_mut() {
        members.insert("d".into(), URL_SAFE_NO_PAD.encode(secret.to_bytes()).into());
        members.insert("kid".into(), kid.into());
    }
    Some(jwk)
}

fn public_jwk(key: &PublicKey) -> Value {
    let point = key.to_sec1_point(false);
    let text = |coordinate: Option<&FieldBytes>| coordinate.map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    json!({ "kty": "EC", "crv": "P-256", "x": text(point.x()), "y": text(point.y()) })
}

fn point(jwk: &Value) -> Option<PublicKey> {
    let coordinate = |name: &str| -> Option<[u8; 32]> {
        let text = jwk.get(name)?.as_str()?;
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
    };
    let (x, y) = (coordinate("x")?, coordinate("y")?);
    let uncompressed = [&[4][..], &x, &y].concat();
    PublicKey::from_sec1_bytes(&uncompressed).ok()
}
