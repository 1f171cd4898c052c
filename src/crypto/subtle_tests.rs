//! Tests that the browser can decrypt what it encrypted, with the private keys of the test vectors; that nothing
//! secret stays in JavaScript; and what happens with hostile scripts, or without WebCrypto.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use js_sys::{Array, Function, Object, Reflect, Symbol, Uint8Array};
use serde_json::Value;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::{JsValue, wasm_bindgen};
use wasm_bindgen_test::wasm_bindgen_test as test;
use web_sys::{CryptoKey, SubtleCrypto};

use super::jwe;
use super::seal::{SealingKey, seal};
use crate::error::{Code, Error, Result};

#[wasm_bindgen(inline_js = r#"
    /** Replaces a member of the global object; the function that it returns puts the old one back. */
    export function replaced(name, value) {
        const before = Object.getOwnPropertyDescriptor(globalThis, name);
        Object.defineProperty(globalThis, name, { value, configurable: true });
        return () => {
            delete globalThis[name];
            if (before) Object.defineProperty(globalThis, name, before);
        };
    }

    const NAMES = ["importKey", "generateKey", "exportKey", "deriveBits", "digest", "encrypt", "sign"];

    /**
     * The browser's cryptography, which writes down all bytes that it is given and that it returns, and does not read what
     * it is given at once.
     */
    export function spy(seen) {
        const [real, subtle] = [globalThis.crypto, {}];
        const note = (value) => {
            if (value instanceof ArrayBuffer) seen.push(new Uint8Array(value));
            else if (ArrayBuffer.isView(value)) seen.push(value);
        };
        for (const name of NAMES) {
            subtle[name] = async (...given) => {
                given.forEach(note);
                await null;
                const result = await real.subtle[name](...given);
                note(result);
                return result;
            };
        }
        return { subtle, getRandomValues: (bytes) => real.getRandomValues(bytes) };
    }

    /** The browser's cryptography, with these bytes in the place of random ones. */
    export function drawing(given) {
        const { subtle } = globalThis.crypto;
        return { subtle, getRandomValues: (bytes) => (bytes.set(given.shift()), bytes) };
    }

    /** Cryptography that gives this one value, whatever it is asked for. */
    export function always(value) {
        return Object.fromEntries(NAMES.map((name) => [name, () => value]));
    }

    /** Gives every object members of these names. Their setters take what is put into them. */
    export function pollute(names, value, caught) {
        // Defined, because `push` would come here, too.
        const set = (put) => { Object.defineProperty(caught, caught.length, { __proto__: null, value: put }); };
        for (const name of names) Object.defineProperty(Object.prototype, name, {
            __proto__: null, configurable: true, get: () => value, set,
        });
        return () => { for (const name of names) delete Object.prototype[name]; };
    }
"#)]
extern "C" {
    fn replaced(name: &str, value: &JsValue) -> Function;
    fn spy(seen: &Array) -> JsValue;
    fn drawing(given: &Array) -> JsValue;
    fn always(value: &JsValue) -> JsValue;
    fn pollute(names: &Array, value: &JsValue, caught: &Array) -> Function;
}

const TEXT: &[u8] = r#"{"number":"4176669999000104","holder":"Zoë Müller"}"#.as_bytes();
const SESSION: &str = "0b0c6d1e-5f0a-4c56-9d59-2f6f6a2f3c11";

fn online_payments() -> Value {
    let mut file: Value =
        serde_json::from_str(include_str!("../../tests/vectors/online-payments.json")).unwrap();
    file["rsa_test_key"].take()
}

fn sealing() -> Value {
    let mut file: Value = serde_json::from_str(include_str!("../../tests/vectors/sealing.json")).unwrap();
    file["key"].take()
}

fn spki() -> Vec<u8> {
    STANDARD
        .decode(online_payments()["public_key_base64_spki"].as_str().unwrap())
        .unwrap()
}

fn sealing_key() -> SealingKey {
    let jwk = &sealing()["jwk"];
    let [x, y] = ["x", "y"].map(|name| decoded(jwk[name].as_str().unwrap()).try_into().unwrap());
    SealingKey::new("vector-2026-11".into(), x, y).unwrap()
}

fn decoded(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// An object without a prototype.
fn parameters(members: &[(&str, JsValue)]) -> Object {
    let object = Object::create(JsValue::NULL.unchecked_ref::<Object>());
    for (name, value) in members {
        Reflect::set(&object, &(*name).into(), value).unwrap();
    }
    object
}

fn copied(bytes: &[u8]) -> JsValue {
    Uint8Array::from(bytes).into()
}

fn own(object: &JsValue, name: &str) -> JsValue {
    Reflect::get(object, &name.into()).unwrap()
}

fn subtle() -> SubtleCrypto {
    own(&own(&js_sys::global(), "crypto"), "subtle").unchecked_into()
}

async fn import(format: &str, key: &[u8], algorithm: &[(&str, JsValue)], usage: &str) -> CryptoKey {
    let algorithm = parameters(algorithm);
    let promise = subtle().import_key_with_object(
        format,
        &Uint8Array::from(key),
        &algorithm,
        false,
        &Array::of1(&usage.into()),
    );
    promise.unwrap().await.unwrap().unchecked_into()
}

/// A private key of the vectors, which is in PEM.
async fn private(pem: &Value, algorithm: &[(&str, JsValue)], usage: &str) -> CryptoKey {
    let body: String = pem
        .as_str()
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    import("pkcs8", &STANDARD.decode(&body).unwrap(), algorithm, usage).await
}

async fn decrypt(algorithm: &[(&str, JsValue)], key: &CryptoKey, cipher: &[u8]) -> Vec<u8> {
    let algorithm = parameters(algorithm);
    let promise = subtle().decrypt_with_object_and_u8_array(&algorithm, key, cipher);
    Uint8Array::new(&promise.unwrap().await.unwrap()).to_vec()
}

/// Opens a token of Online Payments.
async fn open(token: &str) -> Vec<u8> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, wrapped, iv, cipher, tag] = *parts else {
        panic!("not five parts")
    };
    assert_eq!(
        String::from_utf8(decoded(header)).unwrap(),
        r#"{"alg":"RSA-OAEP","enc":"A256CBC-HS512","kid":"11111111-2222-4333-8444-555555555555"}"#
    );
    let oaep = [("name", "RSA-OAEP".into()), ("hash", "SHA-1".into())];
    let rsa = private(&online_payments()["private_key_pem_pkcs8"], &oaep, "decrypt").await;
    let content_key = decrypt(&oaep, &rsa, &decoded(wrapped)).await;
    assert_eq!(
        (content_key.len(), decoded(iv).len(), decoded(tag).len()),
        (64, 16, 32)
    );

    let bits = 8 * header.len() as u64;
    let signed = [
        header.as_bytes(),
        &decoded(iv),
        &decoded(cipher),
        &bits.to_be_bytes(),
    ]
    .concat();
    let hmac = [("name", "HMAC".into()), ("hash", "SHA-512".into())];
    let key = import("raw", &content_key[..32], &hmac, "sign").await;
    let expected = subtle()
        .sign_with_str_and_u8_array("HMAC", &key, &signed)
        .unwrap()
        .await
        .unwrap();
    assert_eq!(Uint8Array::new(&expected).to_vec()[..32], decoded(tag));

    let cbc = [("name", "AES-CBC".into()), ("iv", copied(&decoded(iv)))];
    let aes = import("raw", &content_key[32..], &cbc, "decrypt").await;
    decrypt(&cbc, &aes, &decoded(cipher)).await
}

/// Opens a sealed card.
async fn unseal(token: &str) -> Vec<u8> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, "", iv, cipher, tag] = *parts else {
        panic!("not five parts with an empty one")
    };
    let json = String::from_utf8(decoded(header)).unwrap();
    let read: Value = serde_json::from_str(&json).unwrap();
    let coordinate = |name: &str| read["epk"][name].as_str().unwrap();
    let (x, y) = (coordinate("x"), coordinate("y"));
    assert_eq!(
        json,
        format!(
            concat!(
                r#"{{"alg":"ECDH-ES","enc":"A256GCM","kid":"vector-2026-11","epk":{{"kty":"EC","crv":"P-256","x":"{}","#,
                r#""y":"{}"}},"apv":"{}","typ":"cardseal-card+jwe","exp":1795262400,"sid":"{}"}}"#,
            ),
            x,
            y,
            URL_SAFE_NO_PAD.encode(SESSION.as_bytes()),
            SESSION,
        )
    );
    assert_eq!((decoded(iv).len(), decoded(tag).len()), (12, 16));

    let curve = [("name", "ECDH".into()), ("namedCurve", "P-256".into())];
    let ours = private(&sealing()["pkcs8_pem"], &curve, "deriveBits").await;
    let point = [vec![4], decoded(x), decoded(y)].concat();
    let promise = subtle().import_key_with_object(
        "raw",
        &Uint8Array::from(&*point),
        &parameters(&curve),
        false,
        &Array::new(),
    );
    let theirs = promise.unwrap().await.unwrap();
    let agreement = parameters(&[("name", "ECDH".into()), ("public", theirs)]);
    let agreed = subtle()
        .derive_bits_with_object(&agreement, &ours, 256)
        .unwrap()
        .await
        .unwrap();
    // Concat KDF: its first round, what was agreed on, the algorithm, nobody, the session, 256 bits.
    let length = SESSION.len().try_into().unwrap();
    let input = [
        &[0, 0, 0, 1],
        &*Uint8Array::new(&agreed).to_vec(),
        b"\0\0\0\x07A256GCM",
        &[0, 0, 0, 0],
        &[0, 0, 0, length],
        SESSION.as_bytes(),
        &[0, 0, 1, 0],
    ]
    .concat();
    let hash = subtle()
        .digest_with_str_and_u8_array("SHA-256", &input)
        .unwrap()
        .await
        .unwrap();
    let gcm = [
        ("name", "AES-GCM".into()),
        ("iv", copied(&decoded(iv))),
        ("additionalData", copied(header.as_bytes())),
    ];
    let aes = import("raw", &Uint8Array::new(&hash).to_vec(), &gcm, "decrypt").await;
    decrypt(&gcm, &aes, &[decoded(cipher), decoded(tag)].concat()).await
}

async fn encrypted() -> Result<String> {
    jwe::encrypt("11111111-2222-4333-8444-555555555555", &spki(), TEXT).await
}

async fn sealed() -> Result<String> {
    seal(&sealing_key(), SESSION, 1_795_262_400, TEXT).await
}

#[test]
async fn the_platform_opens_what_is_encrypted_to_its_key() {
    let [first, second] = [encrypted().await.unwrap(), encrypted().await.unwrap()];
    for token in [&first, &second] {
        assert_eq!(open(token).await, TEXT);
    }
    // Only the header repeats.
    for (first, second) in first.split('.').zip(second.split('.')).skip(1) {
        assert_ne!(first, second);
    }
    let empty = jwe::encrypt("11111111-2222-4333-8444-555555555555", &spki(), &[]).await;
    assert!(open(&empty.unwrap()).await.is_empty());
}

#[test]
async fn with_the_random_bytes_of_a_vector_every_part_is_its_own_but_for_the_random_padding() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/online-payments.json")).unwrap();
    let vectors = file["jwe"].as_array().unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in vectors {
        let given = ["cek_hex", "iv_hex"].map(|name| hex::decode(vector[name].as_str().unwrap()).unwrap());
        let given: Array = given.iter().map(|bytes| copied(bytes)).collect();
        let text = vector["plaintext_utf8"].as_str().unwrap();
        let restore = replaced("crypto", &drawing(&given));
        let token = jwe::encrypt("11111111-2222-4333-8444-555555555555", &spki(), text.as_bytes()).await;
        restore.call0(&JsValue::UNDEFINED).unwrap();
        let token = token.unwrap();
        let theirs = vector["token"].as_str().unwrap();
        assert_eq!(token.len(), theirs.len());
        for (at, (ours, theirs)) in token.split('.').zip(theirs.split('.')).enumerate() {
            assert_eq!(ours == theirs, at != 1, "{}, part {at}", vector["id"]);
        }
        assert_eq!(open(&token).await, text.as_bytes());
    }
}

#[test]
async fn the_merchant_opens_what_is_sealed_to_its_key() {
    let [first, second] = [sealed().await.unwrap(), sealed().await.unwrap()];
    for token in [&first, &second] {
        assert_eq!(unseal(token).await, TEXT);
    }
    for (at, (first, second)) in first.split('.').zip(second.split('.')).enumerate() {
        assert_eq!(first == second, at == 1, "part {at}");
    }
}

#[test]
async fn what_crossed_into_javascript_is_overwritten() {
    let seen = Array::new();
    let restore = replaced("crypto", &spy(&seen));
    let tokens = [encrypted().await, sealed().await];
    restore.call0(&JsValue::UNDEFINED).unwrap();
    let [token, sealed] = tokens.map(Result::unwrap);
    assert_eq!(open(&token).await, TEXT);
    assert_eq!(unseal(&sealed).await, TEXT);

    for bytes in seen.iter() {
        let bytes: Uint8Array = bytes.unchecked_into();
        assert!(bytes.length() > 0);
        assert!(bytes.to_vec().iter().all(|byte| *byte == 0));
    }
    // Three keys, three texts and three results; then two keys, two texts and four results.
    assert_eq!(seen.length(), 17);
}

#[test]
async fn members_of_a_prototype_are_neither_read_nor_set() {
    let names = "additionalData name hash iv label length namedCurve public tagLength 0 1 saltLength";
    let names: Array = names.split(' ').map(JsValue::from_str).collect();
    for value in [
        JsValue::TRUE,
        "SHA-256".into(),
        8.into(),
        Uint8Array::new_with_length(7).into(),
    ] {
        let caught = Array::new();
        let restore = pollute(&names, &value, &caught);
        let tokens = [encrypted().await, sealed().await];
        restore.call0(&JsValue::UNDEFINED).unwrap();
        let [token, sealed] = tokens.map(Result::unwrap);
        assert_eq!(open(&token).await, TEXT);
        assert_eq!(unseal(&sealed).await, TEXT);
        assert_eq!(caught.length(), 0);
    }
}

fn code_and_message(error: &Error) -> (Code, &str) {
    (error.code(), error.message())
}

#[test]
async fn a_key_that_is_none_is_a_typed_error() {
    for spki in [vec![], b"no key".to_vec(), spki()[1..].to_vec()] {
        let error = jwe::encrypt("k", &spki, TEXT).await.unwrap_err();
        assert_eq!(
            code_and_message(&error),
            (Code::EncryptionFailed, Code::EncryptionFailed.message())
        );
    }
}

/// Without `crypto.subtle`, as on pages without https.
#[test]
async fn a_browser_without_cryptography_is_a_typed_error() {
    let random = own(&spy(&Array::new()), "getRandomValues");
    for subtle in [JsValue::UNDEFINED, JsValue::NULL, 1.into(), Array::new().into()] {
        let crypto = parameters(&[("getRandomValues", random.clone()), ("subtle", subtle)]);
        for (secure, message) in [
            (true, Code::EncryptionFailed.message()),
            (false, "WebCrypto needs a page over https"),
        ] {
            let restore = [
                replaced("crypto", &crypto),
                replaced("isSecureContext", &secure.into()),
            ];
            let tokens = [encrypted().await, sealed().await];
            for restore in restore {
                restore.call0(&JsValue::UNDEFINED).unwrap();
            }
            for error in tokens.map(Result::unwrap_err) {
                assert_eq!(code_and_message(&error), (Code::EncryptionFailed, message));
            }
        }
    }
}

#[test]
async fn cryptography_that_answers_nonsense_is_a_typed_error() {
    let random = own(&spy(&Array::new()), "getRandomValues");
    for answer in [
        JsValue::UNDEFINED,
        1.into(),
        Array::new().into(),
        Symbol::iterator().into(),
    ] {
        let crypto = parameters(&[("getRandomValues", random.clone()), ("subtle", always(&answer))]);
        let restore = replaced("crypto", &crypto);
        let tokens = [encrypted().await, sealed().await];
        restore.call0(&JsValue::UNDEFINED).unwrap();
        for error in tokens.map(Result::unwrap_err) {
            assert_eq!(error.code(), Code::EncryptionFailed);
        }
    }
}

#[test]
async fn nothing_is_encrypted_without_a_random_source() {
    let nothing = parameters(&[]);
    for crypto in [JsValue::UNDEFINED, nothing.into()] {
        let restore = replaced("crypto", &crypto);
        let tokens = [encrypted().await, sealed().await];
        restore.call0(&JsValue::UNDEFINED).unwrap();
        for error in tokens.map(Result::unwrap_err) {
            assert_eq!(error.code(), Code::RandomUnavailable);
        }
    }
}
