//! WebCrypto (`crypto.subtle`), as far as the platforms' formats need it.
//!
//! WebCrypto also reads members of prototypes, and another script may have added some to
//! `Object.prototype`. So every object that is passed to it has no prototype: only members that are set here are read,
//! and no setter sees them.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CryptoKey, SubtleCrypto};
use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
use crate::global::{get, global};

/// A result of WebCrypto.
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

    /// Adds bytes that are not secret, because their copy is not wiped: an initialization vector or a header.
    pub(super) fn public(self, name: &str, bytes: &[u8]) -> Self {
        self.with(name, &Uint8Array::from(bytes))
    }

    /// If a page breaks `Reflect.set`, the member is missing, and WebCrypto fails.
    fn with(self, name: &str, value: &JsValue) -> Self {
        let _ = Reflect::set(&self.0, &name.into(), value);
        self
    }
}

/// `crypto.subtle`. All its exceptions and rejections become `encryption_failed`.
///
/// Inputs and results are copied, and the copies in JavaScript are overwritten after use.
pub(super) struct Subtle(SubtleCrypto);

impl Subtle {
    /// Only pages over HTTPS, or on this machine, have it.
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

    /// Encrypts with a key that is used only once.
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

    /// Computes a MAC with a key that is used only once.
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

    /// Runs ECDH on P-256 with a new key pair and the receiver's public point. Returns the public point of the pair and
    /// the shared secret.
    pub(super) async fn agree(&self, receiver: &[u8]) -> Result<(Bytes, Bytes)> {
        let curve = Parameters::of("ECDH").text("namedCurve", "P-256");
        // In ECDH, a public key has no usages.
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

/// Uses `Array.of`, because `push` would call a prototype's setter.
fn usages(usage: Option<&str>) -> JsValue {
    usage
        .map_or_else(Array::new, |usage| Array::of1(&usage.into()))
        .into()
}

/// Bytes in JavaScript, which are overwritten on drop. That is after the promise has settled: WebCrypto copies its
/// input at once, but a page may have replaced it by something slower.
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
    // A page's replacement may not return a promise.
    let promise = Promise::resolve(&promise.map_err(failed)?);
    promise.await.map_err(failed)
}

/// Drops what was thrown, because its text comes from the browser or the page.
fn failed(_: JsValue) -> Error {
    let error = Error::new(Code::EncryptionFailed);
    match get(&global(), "isSecureContext") {
        Ok(secure) if secure == JsValue::FALSE => error.with_message("WebCrypto needs a page over https"),
        _ => error,
    }
}
