//! Private keys as they stand in a configuration: PEM or JWK, each with an id.

use p256::SecretKey;
use p256::pkcs8::DecodePrivateKey;
use secrecy::ExposeSecret;
use zeroize::Zeroizing;

use super::shape::Object;
use super::{ALG, CURVE, KeyRing, SealingKey, exactly, point};
use crate::settings::Settings;

const MAX_KID: usize = 64;

/// What is wrong with a private key. Says nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyMistake {
    /// There is no key.
    #[error("needs a key")]
    None,
    /// An id that is not 1 to 64 letters, digits, `-`, `_` or `.`.
    #[error("must be 1 to 64 letters, digits, -, _ or .")]
    Id,
    /// An id that another key of the ring has.
    #[error("has the id of another key")]
    Twice,
    /// Not a private key of P-256 in PEM.
    #[error("must be a private key of P-256: PKCS #8 or SEC 1, PEM")]
    Pem,
    /// Not a private key of P-256 as JWK.
    #[error("must be the JWK of a private key: kty EC, crv P-256, with x, y and d that belong together")]
    Jwk,
    /// A JWK that is meant for something else, or has another id.
    #[error("is a JWK for another use, or with another kid")]
    Use,
}

/// A private key as it came.
pub enum PrivateKey<'a> {
    /// PKCS #8 or SEC 1.
    Pem(&'a str),
    /// RFC 7517, with `d`.
    Jwk(&'a str),
}

/// Members that tell of something else, such as a certificate, are let be.
#[derive(serde::Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    crv: &'a str,
    x: &'a str,
    y: &'a str,
    d: &'a str,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    purpose: Option<String>,
    #[serde(default)]
    alg: Option<String>,
}

impl SealingKey {
    fn read(kid: &str, key: &PrivateKey<'_>) -> Result<Self, KeyMistake> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=MAX_KID).contains(&kid.len()) || !kid.bytes().all(plain) {
            return Err(KeyMistake::Id);
        }
        let secret = match key {
            PrivateKey::Pem(text) => pem(text.trim()).ok_or(KeyMistake::Pem)?,
            PrivateKey::Jwk(text) => jwk(kid, text)?,
        };
        Ok(Self {
            kid: kid.into(),
            secret,
        })
    }
}

fn pem(text: &str) -> Option<SecretKey> {
    SecretKey::from_pkcs8_pem(text)
        .ok()
        .or_else(|| SecretKey::from_sec1_pem(text).ok())
}

fn jwk(kid: &str, text: &str) -> Result<SecretKey, KeyMistake> {
    let Object(jwk) = serde_json::from_str::<Object<Jwk<'_>>>(text).map_err(|_| KeyMistake::Jwk)?;
    if jwk.kty != "EC" || jwk.crv != CURVE {
        return Err(KeyMistake::Jwk);
    }
    let other = |given: Option<&str>, wanted: &str| given.is_some_and(|given| given != wanted);
    if other(jwk.purpose.as_deref(), "enc")
        || other(jwk.alg.as_deref(), ALG)
        || other(jwk.kid.as_deref(), kid)
    {
        return Err(KeyMistake::Use);
    }
    let d = exactly::<32>(jwk.d)
        .map(Zeroizing::new)
        .map_err(|_| KeyMistake::Jwk)?;
    let secret = SecretKey::from_slice(&*d).map_err(|_| KeyMistake::Jwk)?;
    // A page would otherwise seal to a key that does not open.
    match point(jwk.x, jwk.y) {
        Some(public) if public == secret.public_key() => Ok(secret),
        _ => Err(KeyMistake::Jwk),
    }
}

impl KeyRing {
    /// From private keys with their ids, the sealing one first.
    ///
    /// # Errors
    /// The first mistake, and of which key.
    pub fn new(keys: &[(&str, PrivateKey<'_>)]) -> Result<Self, (usize, KeyMistake)> {
        let mut ring = Self { keys: Vec::new() };
        for (index, (kid, key)) in keys.iter().enumerate() {
            ring.add(kid, key).map_err(|mistake| (index, mistake))?;
        }
        if ring.keys.is_empty() {
            return Err((0, KeyMistake::None));
        }
        Ok(ring)
    }

    fn add(&mut self, kid: &str, key: &PrivateKey<'_>) -> Result<(), KeyMistake> {
        if self.keys.iter().any(|known| known.kid == kid) {
            return Err(KeyMistake::Twice);
        }
        self.keys.push(SealingKey::read(kid, key)?);
        Ok(())
    }

    /// Reads `sealing` and `sealing_keys` of a platform's table. Nothing if it is off, which is how it starts, or
    /// after a mistake, which the settings hold. Keys are looked at even if it is off.
    #[must_use]
    pub fn from_settings(settings: &Settings<'_>) -> Option<Self> {
        let on = settings.boolean("sealing", false);
        let tables = settings.tables("sealing_keys");
        let mut ring = Self { keys: Vec::new() };
        let mut sound = true;
        for table in &tables {
            let kid = table.text("kid");
            let (pem, jwk) = (table.optional_secret("pem"), table.optional_secret("jwk"));
            table.finish();
            let (name, mistake) = match (&pem, &jwk) {
                (Some(pem), None) => ("pem", ring.add(&kid, &PrivateKey::Pem(pem.expose_secret()))),
                (None, Some(jwk)) => ("jwk", ring.add(&kid, &PrivateKey::Jwk(jwk.expose_secret()))),
                _ => {
                    table.mistake("pem", "or `jwk` must be given, but not both");
                    sound = false;
                    continue;
                }
            };
            if let Err(mistake) = mistake {
                sound = false;
                match mistake {
                    // A missing one has been named.
                    KeyMistake::Id if kid.is_empty() => {}
                    KeyMistake::Id | KeyMistake::Twice => table.mistake("kid", mistake.to_string()),
                    KeyMistake::None | KeyMistake::Pem | KeyMistake::Jwk | KeyMistake::Use => {
                        table.mistake(name, mistake.to_string());
                    }
                }
            }
        }
        if on && tables.is_empty() {
            settings.mistake("sealing_keys", "are missing: sealing needs at least one");
        }
        (on && sound && !ring.keys.is_empty()).then_some(ring)
    }
}
