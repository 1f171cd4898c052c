//! Compact JWE with RSA-OAEP and A256CBC-HS512 (RFC 7516; RFC 7518, 4.3 and 5.2.5).

#[cfg(target_arch = "wasm32")]
use zeroize::Zeroizing;

use super::encoding::base64url;
#[cfg(target_arch = "wasm32")]
use super::subtle::{Parameters, Subtle};
#[cfg(target_arch = "wasm32")]
use crate::error::{Code, Result};
use crate::json;
#[cfg(target_arch = "wasm32")]
use crate::random::{Random, SystemRandom};

/// Encrypts `text` with the RSA key in `spki` (`SubjectPublicKeyInfo`, DER). `kid` is the key's id.
///
/// # Errors
/// `random_unavailable`; `encryption_failed` if the browser rejects the key or has no WebCrypto.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn encrypt(kid: &str, spki: &[u8], text: &[u8]) -> Result<String> {
    // The first half authenticates, the second half encrypts.
    let mut content_key = Zeroizing::new(vec![0; 64]);
    let mut iv = [0; 16];
    SystemRandom.fill(&mut content_key)?;
    SystemRandom.fill(&mut iv)?;
    let (authentication, encryption) = content_key.split_at(32);
    let header = header(kid);

    let subtle = Subtle::find()?;
    let oaep = Parameters::of("RSA-OAEP")
        // The platform accepts only SHA-1 here. OAEP does not depend on its collision resistance.
        .text("hash", "SHA-1")
        .public("label", &[]);
    let wrapped = subtle.encrypt("spki", spki, &oaep, &content_key).await?;
    let cbc = Parameters::of("AES-CBC").public("iv", &iv);
    let cipher = subtle.encrypt("raw", encryption, &cbc, text).await?;
    let hmac = Parameters::of("HMAC")
        .text("hash", "SHA-512")
        .number("length", 256);
    let authenticated = authenticated(&header, &iv, &cipher);
    let tag = subtle.authenticate(authentication, &hmac, &authenticated).await?;
    let tag = tag.get(..32).ok_or(Code::EncryptionFailed)?;
    Ok(compact(&header, [&wrapped, &iv, &cipher, tag]))
}

/// The protected header, encoded.
fn header(kid: &str) -> String {
    let json = json::object(|header| {
        header
            .text("alg", "RSA-OAEP")
            .text("enc", "A256CBC-HS512")
            .text("kid", kid);
    });
    base64url(json.as_bytes())
}

/// The input of the tag: the header, the initialization vector, the ciphertext, and the header's length in bits as
/// a 64-bit number.
fn authenticated(header: &str, iv: &[u8], cipher: &[u8]) -> Vec<u8> {
    let bits = 8 * header.len() as u64;
    [header.as_bytes(), iv, cipher, &bits.to_be_bytes()].concat()
}

/// Joins the five parts: header, wrapped key, initialization vector, ciphertext and tag.
pub(super) fn compact(header: &str, parts: [&[u8]; 4]) -> String {
    let mut text = String::from(header);
    for part in parts {
        text.push('.');
        text.push_str(&base64url(part));
    }
    text
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::Value;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn vectors() -> Vec<Value> {
        let mut file: Value =
            serde_json::from_str(include_str!("../../tests/vectors/online-payments.json")).unwrap();
        serde_json::from_value(file["jwe"].take()).unwrap()
    }

    fn bytes(vector: &Value, member: &str) -> Vec<u8> {
        hex::decode(vector[member].as_str().unwrap()).unwrap()
    }

    #[test]
    fn a_token_is_put_together_as_the_official_client_does() {
        let vectors = vectors();
        assert_eq!(vectors.len(), 4);
        for vector in vectors {
            let id = vector["id"].as_str().unwrap();
            let protected: Value =
                serde_json::from_str(vector["protected_header_json"].as_str().unwrap()).unwrap();
            let header = header(protected["kid"].as_str().unwrap());
            assert_eq!(header, vector["aad_ascii"].as_str().unwrap(), "{id}");

            let (iv, cipher) = (bytes(&vector, "iv_hex"), bytes(&vector, "ciphertext_hex"));
            let length = bytes(&vector, "al_hex");
            let expected = [header.as_bytes(), &iv, &cipher, &length].concat();
            assert_eq!(authenticated(&header, &iv, &cipher), expected, "{id}");

            let token = vector["token"].as_str().unwrap();
            let wrapped = token.split('.').nth(1).unwrap();
            let wrapped = URL_SAFE_NO_PAD.decode(wrapped).unwrap();
            let compact = compact(&header, [&wrapped, &iv, &cipher, &bytes(&vector, "tag_hex")]);
            assert_eq!(compact, token, "{id}");
        }
    }

    #[test]
    fn the_name_of_a_key_is_escaped_in_the_header() {
        for kid in ["", "a\"b\\c\n\u{1}", "clé"] {
            let json = URL_SAFE_NO_PAD.decode(header(kid)).unwrap();
            let kid = serde_json::to_string(kid).unwrap();
            let expected = format!(r#"{{"alg":"RSA-OAEP","enc":"A256CBC-HS512","kid":{kid}}}"#);
            assert_eq!(String::from_utf8(json).unwrap(), expected);
        }
    }

    #[test]
    fn the_length_of_a_long_header_takes_more_than_one_byte() {
        let header = "h".repeat(8192);
        let text = authenticated(&header, &[], &[]);
        assert_eq!(text.get(8192..), Some(&[0, 0, 0, 0, 0, 1, 0, 0][..]));
    }
}
