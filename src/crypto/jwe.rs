//! Compact JWE with RSA-OAEP and A256CBC-HS512 (RFC 7516; RFC 7518, 4.3 and 5.2.5).

use base64ct::{Base64UrlUnpadded, Encoding};
#[cfg(target_arch = "wasm32")]
use zeroize::Zeroizing;

#[cfg(target_arch = "wasm32")]
use super::subtle::{Subtle, parameters, public_bytes};
#[cfg(target_arch = "wasm32")]
use crate::error::{Code, Result};
use crate::json;
#[cfg(target_arch = "wasm32")]
use crate::random::{Random, SystemRandom};

/// Encrypts `text` to the RSA key in `spki` (`SubjectPublicKeyInfo`, DER), whose name is `kid`.
///
/// # Errors
/// `random_unavailable`; `encryption_failed` if the browser does not take the key, or has no cryptography.
#[cfg(target_arch = "wasm32")]
pub(crate) async fn encrypt(kid: &str, spki: &[u8], text: &[u8]) -> Result<String> {
    // Authenticates with the first half and encrypts with the second.
    let mut content_key = Zeroizing::new(vec![0; 64]);
    let mut iv = [0; 16];
    SystemRandom.fill(&mut content_key)?;
    SystemRandom.fill(&mut iv)?;
    let (authentication, encryption) = content_key.split_at(32);
    let header = header(kid);

    let subtle = Subtle::find()?;
    // The platform's receivers take SHA-1 here and nothing else; for OAEP it is as good as any.
    let oaep = parameters(&[("name", "RSA-OAEP".into()), ("hash", "SHA-1".into())])?;
    let rsa = subtle.import("spki", spki, &oaep, Some("encrypt")).await?;
    let oaep = parameters(&[("name", "RSA-OAEP".into()), ("label", public_bytes(&[]))])?;
    let wrapped = subtle.encrypt(&oaep, &rsa, &content_key).await?;

    let cbc = parameters(&[("name", "AES-CBC".into()), ("iv", public_bytes(&iv))])?;
    let aes = subtle.import("raw", encryption, &cbc, Some("encrypt")).await?;
    let cipher = subtle.encrypt(&cbc, &aes, text).await?;

    let hmac = parameters(&[
        ("name", "HMAC".into()),
        ("hash", "SHA-512".into()),
        ("length", 256.into()),
    ])?;
    let key = subtle.import("raw", authentication, &hmac, Some("sign")).await?;
    let tag = subtle
        .sign(&hmac, &key, &authenticated(&header, &iv, &cipher))
        .await?;
    let tag = tag.get(..32).ok_or(Code::EncryptionFailed)?;
    Ok(compact(&header, [&wrapped, &iv, &cipher, tag]))
}

pub(super) fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
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

/// What the tag is computed over: the header, the initial vector, the ciphertext, and the header's length in bits as a
/// number of 64 bits.
fn authenticated(header: &str, iv: &[u8], cipher: &[u8]) -> Vec<u8> {
    let bits = 8 * header.len() as u64;
    [header.as_bytes(), iv, cipher, &bits.to_be_bytes()].concat()
}

/// The five parts: the header, and then the wrapped key, the initial vector, the ciphertext and the tag.
pub(super) fn compact(header: &str, parts: [&[u8]; 4]) -> String {
    let mut text = String::from(header);
    for part in parts {
        text.push('.');
        text.push_str(&base64url(part));
    }
    text
}
