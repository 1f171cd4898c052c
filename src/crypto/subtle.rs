//! The browser's own cryptography, `crypto.subtle`, as far as the platforms' formats need it.
//!
//! WebCrypto reads its parameters as JavaScript reads any object, prototypes included, and another script may have put
//! members on `Object.prototype`. So every object given to it has no prototype: nothing is read that was not set here,
//! and no setter sees what is.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CryptoKey, SubtleCrypto};
use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
use crate::global::{get, global};

/// What the browser has computed.
pub(super) type Bytes = Zeroizing<Vec<u8>>;

/// The parameters of an algorithm, in an object without a prototype.
pub(super) struct Parameters(Object);

impl Parameters {
    pub(super) fn of(algorithm: &str) -> Self {
        let object = Object::create(JsValue::NULL.unchecked_ref::<Object>());
        Self(object).text("name", algorithm)
    }

    pub(super) fn text(self, name: &str, value: &str) -> Self {
        self.with(name, &value.into())
    }

    pub(super) fn number(self, name: &str, value: u32) -> Self {
        self.with(name, &value.into())
    }

    /// The bytes are copied, and the copy is not wiped: an initial vector, a header, never a secret.
    pub(super) fn public(self, name: &str, bytes: &[u8]) -> Self {
        self.with(name, &Uint8Array::from(bytes))
    }

    /// What a page that breaks `Reflect.set` leaves out, WebCrypto misses.
    fn with(self, name: &str, value: &JsValue) -> Self {
        let _ = Reflect::set(&self.0, &name.into(), value);
        self
    }
}

/// `crypto.subtle`. Whatever it throws or rejects with becomes `encryption_failed`.
///
/// What goes in is a copy, and what comes out is one: JavaScript's is overwritten as soon as it has served.
pub(super) struct Subtle(SubtleCrypto);

impl Subtle {
    /// Pages without https have none.
    pub(super) fn find() -> Result<Self> {
        let subtle = get(&global(), "crypto")
            .and_then(|crypto| get(&crypto, "subtle"))
            .map_err(failed)?;
        if subtle.is_object() {
            Ok(Self(subtle.unchecked_into()))
        } else {
            Err(failed(JsValue::UNDEFINED))
        }
    }

    /// Encrypts with a key that is used once. The parameters are those of the key and those of the encryption.
    pub(super) async fn encrypt(
        &self,
        format: &str,
        key: &[u8],
        parameters: &Parameters,
        data: &[u8],
    ) -> Result<Bytes> {
        let key = self.import(format, key, parameters, Some("encrypt")).await?;
        let data = Crossing::new(data);
        bytes(
            self.0
                .encrypt_with_object_and_js_u8_array(&parameters.0, &key, &data.0),
        )
        .await
    }

    /// Computes a code of authentication with a key that is used once.
    pub(super) async fn authenticate(
        &self,
        key: &[u8],
        parameters: &Parameters,
        data: &[u8],
    ) -> Result<Bytes> {
        let key = self.import("raw", key, parameters, Some("sign")).await?;
        let data = Crossing::new(data);
        bytes(
            self.0
                .sign_with_object_and_js_u8_array(&parameters.0, &key, &data.0),
        )
        .await
    }

    /// Hashes with SHA-256.
    pub(super) async fn sha256(&self, data: &[u8]) -> Result<Bytes> {
        let sha256 = Parameters::of("SHA-256");
        let data = Crossing::new(data);
        bytes(self.0.digest_with_object_and_js_u8_array(&sha256.0, &data.0)).await
    }

    /// Agrees on a secret with whoever has the private key of a point of P-256: the point of the key pair that is
    /// generated for it, and the secret.
    pub(super) async fn agree(&self, receiver: &[u8]) -> Result<(Bytes, Bytes)> {
        let curve = Parameters::of("ECDH").text("namedCurve", "P-256");
        // A public key has no use of its own.
        let receiver = self.import("raw", receiver, &curve, None).await?;
        let pair = self
            .0
            .generate_key_with_object(&curve.0, false, &usages(Some("deriveBits")));
        let pair = settled(pair).await?;
        let half = |name: &str| get(&pair, name).map(CryptoKey::unchecked_from_js);
        let (public, private) = (
            half("publicKey").map_err(failed)?,
            half("privateKey").map_err(failed)?,
        );
        let point = bytes(self.0.export_key("raw", &public)).await?;
        let agreement = Parameters::of("ECDH").with("public", &receiver);
        let secret = self.0.derive_bits_with_object(&agreement.0, &private, 256);
        Ok((point, bytes(secret).await?))
    }

    async fn import(
        &self,
        format: &str,
        key: &[u8],
        parameters: &Parameters,
        usage: Option<&str>,
    ) -> Result<CryptoKey> {
        let copy = Crossing::new(key);
        let key = self
            .0
            .import_key_with_object(format, &copy.0, &parameters.0, false, &usages(usage));
        settled(key).await.map(JsCast::unchecked_into)
    }
}

/// `Array.of` defines its elements, where `push` would go through a prototype's setter.
fn usages(usage: Option<&str>) -> JsValue {
    usage
        .map_or_else(Array::new, |usage| Array::of1(&usage.into()))
        .into()
}

/// Bytes on JavaScript's side, overwritten when dropped. That is after the browser has answered: WebCrypto itself copies
/// what it is given before it returns, but a page may have put something slower in its place.
struct Crossing(Uint8Array);

impl Crossing {
    fn new(bytes: &[u8]) -> Self {
        Self(Uint8Array::from(bytes))
    }
}

impl Drop for Crossing {
    fn drop(&mut self) {
        self.0.fill(0, 0, self.0.length());
    }
}

async fn bytes(promise: Result<Promise, JsValue>) -> Result<Bytes> {
    let buffer = settled(promise).await?;
    if buffer.is_object() {
        Ok(Zeroizing::new(Crossing(Uint8Array::new(&buffer)).0.to_vec()))
    } else {
        Err(failed(buffer))
    }
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue> {
    // The browser returns a promise; a page's replacement may not.
    let promise = Promise::resolve(&promise.map_err(failed)?);
    promise.await.map_err(failed)
}

/// Nothing of what was thrown is told on: its text is the browser's, or a page's.
fn failed(_: JsValue) -> Error {
    let error = Error::new(Code::EncryptionFailed);
    match get(&global(), "isSecureContext") {
        Ok(secure) if secure == JsValue::FALSE => error.with_message("WebCrypto needs a page over https"),
        _ => error,
    }
}
