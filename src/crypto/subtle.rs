//! The browser's own cryptography, `crypto.subtle`, as far as the platforms' formats need it.
//!
//! WebCrypto reads its parameters as JavaScript reads any object, prototypes included, and another script may have put
//! members on `Object.prototype`. So every object given to it has no prototype: nothing is read that was not set here,
//! and no setter sees what is.

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{CryptoKey, CryptoKeyPair, SubtleCrypto};
use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};

/// Parameters as an object without a prototype.
pub(super) fn parameters(members: &[(&str, JsValue)]) -> Result<Object> {
    let object = Object::create(JsValue::NULL.unchecked_ref::<Object>());
    for (name, value) in members {
        Reflect::set(&object, &JsValue::from_str(name), value).map_err(failed)?;
    }
    Ok(object)
}

/// Bytes as a parameter. They are copied, and the copy is not wiped: an initial vector, a header, never a secret.
pub(super) fn public_bytes(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

/// `crypto.subtle`. Whatever it throws or rejects with becomes `encryption_failed`.
///
/// Except for keys, what goes in is a view of the module's memory, which WebCrypto copies before it returns. What comes
/// out is moved: the browser's buffer is overwritten once it is read.
pub(super) struct Subtle(SubtleCrypto);

impl Subtle {
    /// Pages without https have none.
    pub(super) fn find() -> Result<Self> {
        let subtle = Reflect::get(&js_sys::global(), &"crypto".into())
            .and_then(|crypto| Reflect::get(&crypto, &"subtle".into()))
            .map_err(failed)?;
        if subtle.is_object() {
            Ok(Self(subtle.unchecked_into()))
        } else {
            Err(failed(JsValue::UNDEFINED))
        }
    }

    /// Imports a key for one use, or for none, as WebCrypto has it for a public key of a key agreement.
    pub(super) async fn import(
        &self,
        format: &str,
        key: &[u8],
        algorithm: &Object,
        usage: Option<&str>,
    ) -> Result<CryptoKey> {
        let copy = Uint8Array::from(key);
        let key = self
            .0
            .import_key_with_object(format, &copy, algorithm, false, &usages(usage));
        copy.fill(0, 0, copy.length());
        settled(key).await.map(JsCast::unchecked_into)
    }

    /// Generates a key pair for a key agreement.
    pub(super) async fn generate(&self, algorithm: &Object) -> Result<CryptoKeyPair> {
        let pair = self
            .0
            .generate_key_with_object(algorithm, false, &usages(Some("deriveBits")));
        settled(pair).await.map(JsCast::unchecked_into)
    }

    /// Exports a public key as a point.
    pub(super) async fn export(&self, key: &CryptoKey) -> Result<Zeroizing<Vec<u8>>> {
        bytes(self.0.export_key("raw", key)).await
    }

    /// Derives so many bits.
    pub(super) async fn derive(
        &self,
        algorithm: &Object,
        key: &CryptoKey,
        bits: u32,
    ) -> Result<Zeroizing<Vec<u8>>> {
        bytes(self.0.derive_bits_with_object(algorithm, key, bits)).await
    }

    /// Hashes.
    pub(super) async fn digest(&self, algorithm: &Object, data: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        bytes(self.0.digest_with_object_and_u8_array(algorithm, data)).await
    }

    /// Encrypts.
    pub(super) async fn encrypt(
        &self,
        algorithm: &Object,
        key: &CryptoKey,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        bytes(self.0.encrypt_with_object_and_u8_array(algorithm, key, data)).await
    }

    /// Signs, which for HMAC is to authenticate.
    pub(super) async fn sign(
        &self,
        algorithm: &Object,
        key: &CryptoKey,
        data: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>> {
        bytes(self.0.sign_with_object_and_u8_array(algorithm, key, data)).await
    }
}

/// `Array.of` defines its elements, where `push` would go through a prototype's setter.
fn usages(usage: Option<&str>) -> JsValue {
    usage
        .map_or_else(Array::new, |usage| Array::of1(&usage.into()))
        .into()
}

async fn settled(promise: Result<Promise, JsValue>) -> Result<JsValue> {
    promise.map_err(failed)?.await.map_err(failed)
}

async fn bytes(promise: Result<Promise, JsValue>) -> Result<Zeroizing<Vec<u8>>> {
    let view = Uint8Array::new(&settled(promise).await?);
    let bytes = Zeroizing::new(view.to_vec());
    view.fill(0, 0, view.length());
    Ok(bytes)
}

/// Nothing of what was thrown is told on: its text is the browser's, or a page's.
fn failed(_: JsValue) -> Error {
    let error = Error::new(Code::EncryptionFailed);
    match Reflect::get(&js_sys::global(), &"isSecureContext".into()) {
        Ok(secure) if secure == JsValue::FALSE => {
            error.with_message("a page without https has no cryptography")
        }
        _ => error,
    }
}
