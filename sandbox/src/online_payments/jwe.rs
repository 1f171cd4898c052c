//! Opens `encryptedCustomerInput`: JWE compact with RSA-OAEP and A256CBC-HS512.
//!
//! This is the only place that decrypts a card of this platform. What it returns lives as long as one call.

use aes::Aes256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha512;

use super::keys::KeyPair;

const KEY_BYTES: usize = 32;
const TAG_BYTES: usize = 32;

/// What was inside.
#[derive(Debug, PartialEq, Eq)]
pub struct Decrypted {
    /// The JSON.
    pub payload: Value,
    /// The text was not UTF-8, as older clients write it: one byte per character.
    pub latin1: bool,
}

/// Which step failed. Nobody outside is told: the answer to all of them is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Not five parts of base64url.
    Parts,
    /// Another algorithm.
    Header,
    /// Another key's id.
    KeyId,
    /// The wrapped key does not open.
    Key,
    /// The tag does not fit.
    Tag,
    /// The padding is wrong.
    Padding,
    /// The text is no JSON object.
    Json,
}

/// Opens a text in the order of the parts.
///
/// # Errors
/// Which step failed.
pub fn open(keys: &KeyPair, text: &str) -> Result<Decrypted, Failed> {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, key, iv, ciphertext, tag] = parts.as_slice() else {
        return Err(Failed::Parts);
    };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Failed::Parts);
    // Spaces and order are the client's: the text is authenticated as it came.
    let read: Value = serde_json::from_slice(&bytes(header)?).map_err(|_| Failed::Header)?;
    if read["alg"] != "RSA-OAEP" || read["enc"] != "A256CBC-HS512" {
        return Err(Failed::Header);
    }
    if read["kid"] != keys.id() {
        return Err(Failed::KeyId);
    }
    let key = keys.open(&bytes(key)?).ok_or(Failed::Key)?;
    let (mac_key, cipher_key) = key
        .split_at_checked(KEY_BYTES)
        .filter(|(_, cipher_key)| cipher_key.len() == KEY_BYTES)
        .ok_or(Failed::Key)?;
    let (iv, ciphertext, tag) = (bytes(iv)?, bytes(ciphertext)?, bytes(tag)?);
    if tag.len() != TAG_BYTES {
        return Err(Failed::Tag);
    }
    let header_bits = u64::try_from(header.len() * 8).map_err(|_| Failed::Parts)?;
    Hmac::<Sha512>::new_from_slice(mac_key)
        .map_err(|_| Failed::Key)?
        .chain_update(header.as_bytes())
        .chain_update(&iv)
        .chain_update(&ciphertext)
        .chain_update(header_bits.to_be_bytes())
        .verify_truncated_left(&tag)
        .map_err(|_| Failed::Tag)?;
    let plain = Decryptor::<Aes256>::new_from_slices(cipher_key, &iv)
        .map_err(|_| Failed::Padding)?
        .decrypt_padded_vec::<Pkcs7>(&ciphertext)
        .map_err(|_| Failed::Padding)?;
    let (text, latin1) = match String::from_utf8(plain) {
        Ok(text) => (text, false),
        Err(error) => (error.as_bytes().iter().copied().map(char::from).collect(), true),
    };
    let payload: Value = serde_json::from_str(&text).map_err(|_| Failed::Json)?;
    if payload.is_object() {
        Ok(Decrypted { payload, latin1 })
    } else {
        Err(Failed::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cbc::cipher::BlockModeEncrypt;
    use getrandom::SysRng;
    use rsa::PrivateKey;
    use rsa::pkcs8::DecodePrivateKey;
    use serde_json::json;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/online-payments.json")).unwrap()
    }

    fn private(vectors: &Value) -> PrivateKey {
        let pem = vectors["rsa_test_key"]["private_key_pem_pkcs8"].as_str().unwrap();
        PrivateKey::from_pkcs8_pem(pem).unwrap()
    }

    fn keys(vectors: &Value) -> KeyPair {
        let id = vectors["rsa_test_key"]["key_id"].as_str().unwrap();
        KeyPair::from_private(private(vectors), id.to_owned()).unwrap()
    }

    #[test]
    fn opens_what_every_official_client_made() {
        let vectors = vectors();
        let keys = keys(&vectors);
        assert_eq!(keys.public(), vectors["rsa_test_key"]["public_key_base64_spki"]);
        let all = vectors["jwe"].as_array().unwrap();
        assert!(all.len() >= 4);
        for vector in all {
            let opened = open(&keys, vector["token"].as_str().unwrap()).unwrap();
            assert_eq!(opened.payload, vector["plaintext_json"], "{}", vector["id"]);
            assert!(!opened.latin1, "{}", vector["id"]);
        }
    }

    #[test]
    fn notices_every_change() {
        let vectors = vectors();
        let keys = keys(&vectors);
        let token = vectors["jwe"][0]["token"].as_str().unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        for (index, failed) in [
            (1, Failed::Key),
            (2, Failed::Tag),
            (3, Failed::Tag),
            (4, Failed::Tag),
        ] {
            let mut parts = parts.clone();
            let first = if parts[index].starts_with('A') { "B" } else { "A" };
            let changed = format!("{first}{}", &parts[index][1..]);
            parts[index] = &changed;
            assert_eq!(open(&keys, &parts.join(".")), Err(failed), "part {index}");
        }
        let short_tag = format!("{}.{}", parts[..4].join("."), &parts[4][..20]);
        assert_eq!(open(&keys, &short_tag), Err(Failed::Tag));
        for wrong in ["", "a.b.c.d", &format!("{token}.x"), &token.replace('.', "=.")] {
            assert_eq!(open(&keys, wrong), Err(Failed::Parts), "{wrong}");
        }
        for (header, failed) in [
            (
                json!({ "alg": "RSA-OAEP-256", "enc": "A256CBC-HS512", "kid": keys.id() }),
                Failed::Header,
            ),
            (
                json!({ "alg": "RSA-OAEP", "enc": "A256GCM", "kid": keys.id() }),
                Failed::Header,
            ),
            (
                json!({ "alg": "RSA-OAEP", "enc": "A256CBC-HS512", "kid": "other" }),
                Failed::KeyId,
            ),
            (
                json!({ "alg": "RSA-OAEP", "enc": "A256CBC-HS512" }),
                Failed::KeyId,
            ),
            // Another text of the same header: no longer what was authenticated.
            (
                json!({ "alg": "RSA-OAEP", "enc": "A256CBC-HS512", "kid": keys.id(), "x": 1 }),
                Failed::Tag,
            ),
        ] {
            let header = URL_SAFE_NO_PAD.encode(header.to_string());
            let text = format!("{header}.{}", parts[1..].join("."));
            assert_eq!(open(&keys, &text), Err(failed));
        }
        assert_eq!(
            open(&keys, &format!("e30=.{}", parts[1..].join("."))),
            Err(Failed::Parts)
        );
    }

    fn seal(keys: &PrivateKey, header: &str, cek: &[u8], plain: &[u8]) -> String {
        let public = keys.to_public_key();
        let wrapped = public
            .oaep_encrypt_with_rng::<sha1::Sha1, _>(&mut SysRng, cek)
            .unwrap();
        let (iv, header) = ([7; 16], URL_SAFE_NO_PAD.encode(header));
        let (mac_key, cipher_key) = cek.split_at(32);
        let cipher = cbc::Encryptor::<Aes256>::new_from_slices(&cipher_key[..32], &iv).unwrap();
        let ciphertext = cipher.encrypt_padded_vec::<Pkcs7>(plain);
        let tag = Hmac::<Sha512>::new_from_slice(mac_key)
            .unwrap()
            .chain_update(&header)
            .chain_update(iv)
            .chain_update(&ciphertext)
            .chain_update((header.len() as u64 * 8).to_be_bytes())
            .finalize()
            .into_bytes();
        let rest = [&wrapped[..], &iv, &ciphertext, &tag[..32]].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{}", rest.join("."))
    }

    #[test]
    fn takes_blanks_in_the_header_and_no_other_length_of_key() {
        let private = PrivateKey::new(&mut SysRng, 1024).unwrap();
        let keys = KeyPair::from_private(private.clone(), "k".into()).unwrap();
        let header = r#"{"alg": "RSA-OAEP", "enc": "A256CBC-HS512", "kid": "k"}"#;
        let opened = open(&keys, &seal(&private, header, &[1; 64], "{\"é\":1}".as_bytes())).unwrap();
        assert_eq!((opened.payload, opened.latin1), (json!({ "é": 1 }), false));
        let opened = open(&keys, &seal(&private, header, &[1; 64], b"{\"\xe9\":1}")).unwrap();
        assert_eq!((opened.payload, opened.latin1), (json!({ "é": 1 }), true));
        let sealed = |cek: &[u8], plain: &[u8]| open(&keys, &seal(&private, header, cek, plain));
        assert_eq!(sealed(&[1; 65], b"{}"), Err(Failed::Key));
        assert_eq!(sealed(&[1; 64], b"[]"), Err(Failed::Json));
        assert_eq!(sealed(&[1; 64], b"{"), Err(Failed::Json));
    }
}
