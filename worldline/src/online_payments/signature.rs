//! The signature of every request, `v1HMAC`.
//!
//! It is HMAC-SHA256 over the method, `Content-Type`, `Date`, all `X-GCS-…` headers sorted by their lower-case
//! names, and path with query, each followed by a line feed. The key is the secret as text: it looks like base64,
//! but it is not decoded. The body is not signed; only TLS protects it.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use crate::communicator::{Authenticator, ToSign};
use crate::connection::Connection;
use crate::errors::OAuth2Error;

/// The value of `authorizationType` in a properties file, and the scheme in the header.
pub const V1_HMAC: &str = "v1HMAC";

/// Signs requests with an API key.
pub struct V1HmacAuthenticator {
    key_id: String,
    secret: SecretString,
}

impl V1HmacAuthenticator {
    /// Creates an authenticator with the id and the secret from the merchant portal.
    #[must_use]
    pub const fn new(key_id: String, secret: SecretString) -> Self {
        Self { key_id, secret }
    }

    /// Returns the value of `Authorization`.
    #[must_use]
    pub fn sign(&self, request: &ToSign<'_>) -> SecretString {
        let signature = mac(&self.secret, string_to_hash(request).as_bytes());
        format!("GCS {V1_HMAC}:{}:{}", self.key_id, STANDARD.encode(signature)).into()
    }
}

#[async_trait]
impl Authenticator for V1HmacAuthenticator {
    async fn authorization(
        &self,
        request: &ToSign<'_>,
        _: &dyn Connection,
    ) -> Result<SecretString, OAuth2Error> {
        Ok(self.sign(request))
    }
}

/// HMAC-SHA256 with a secret, taken as text.
#[expect(
    clippy::expect_used,
    reason = "HMAC takes a key of any length; going on without the key would be worse"
)]
pub(super) fn mac(secret: &SecretString, message: &[u8]) -> [u8; 32] {
    Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("a key of any length")
        .chain_update(message)
        .finalize()
        .into_bytes()
        .into()
}

/// Returns the text that is signed.
#[must_use]
pub fn string_to_hash(request: &ToSign<'_>) -> String {
    let mut own: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), canonical(value)))
        .filter(|(name, _)| name.starts_with("x-gcs"))
        .collect();
    own.sort();
    let mut text = format!(
        "{}\n{}\n{}\n",
        request.method.to_ascii_uppercase(),
        request.header("content-type"),
        request.header("date")
    );
    for (name, value) in own {
        text.push_str(&name);
        text.push(':');
        text.push_str(&value);
        text.push('\n');
    }
    text.push_str(request.resource);
    text.push('\n');
    text
}

/// Unfolds a header's value with a space for each fold, and trims it.
fn canonical(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find('\n') {
        let (line, after) = rest.split_at(at);
        out.push_str(line.strip_suffix('\r').unwrap_or(line));
        out.push(' ');
        rest = after
            .strip_prefix('\n')
            .unwrap_or(after)
            .trim_start_matches(|c: char| c.is_whitespace() && !matches!(c, '\r' | '\n'));
    }
    out.push_str(rest);
    out.trim().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/online-payments.json")).unwrap()
    }

    /// Header names are `&'static str`, so the names in the test vectors are leaked.
    fn leaked(text: &str) -> &'static str {
        Box::leak(text.to_owned().into_boxed_str())
    }

    fn text<'a>(value: &'a Value, name: &str) -> &'a str {
        value[name].as_str().unwrap_or_default()
    }

    #[test]
    fn signs_every_vector() {
        let all = vectors();
        let all = all["hmac"].as_array().unwrap();
        assert!(all.len() >= 12);
        let mut from_headers = 0;
        for vector in all {
            let id = text(vector, "id");
            let expected = text(vector, "string_to_hash");
            let signer = V1HmacAuthenticator::new(
                text(vector, "api_key_id").into(),
                text(vector, "secret_api_key").to_owned().into(),
            );
            // The signature of the vector's own text.
            let signature = STANDARD.encode(mac(&signer.secret, expected.as_bytes()));
            assert_eq!(signature, text(vector, "signature"), "{id}");
            // And the whole, from the headers as sent if the vector has them, or else from its lines.
            let (method, resource, headers) = match vector["sent_headers"].as_array() {
                Some(sent) => {
                    let mut headers: Vec<(&'static str, String)> = sent
                        .iter()
                        .map(|header| (leaked(text(header, "name")), text(header, "value").to_owned()))
                        .collect();
                    if id.contains("content-type-sent-but-unsigned") {
                        headers.retain(|(name, _)| *name != "Content-Type");
                    }
                    let signed = expected.trim_end_matches('\n').rsplit('\n').next().unwrap();
                    let decoded = id.ends_with("signed-decoded") || id.ends_with("non-ascii");
                    let sent = text(vector, "wire_request_target");
                    from_headers += usize::from(!decoded);
                    (
                        text(vector, "method"),
                        if decoded { signed } else { sent },
                        headers,
                    )
                }
                None => {
                    let lines: Vec<&str> = expected.trim_end_matches('\n').split('\n').collect();
                    let mut headers = vec![
                        ("content-type", lines[1].to_owned()),
                        ("date", lines[2].to_owned()),
                    ];
                    headers.extend(lines[3..lines.len() - 1].iter().rev().map(|line| {
                        let (name, value) = line.split_once(':').unwrap();
                        (leaked(name), value.to_owned())
                    }));
                    (lines[0], lines[lines.len() - 1], headers)
                }
            };
            let request = ToSign {
                method,
                resource,
                headers: &headers,
            };
            assert_eq!(string_to_hash(&request), expected, "{id}");
            assert_eq!(
                signer.sign(&request).expose_secret(),
                text(vector, "authorization"),
                "{id}"
            );
        }
        assert!(from_headers >= 6);
    }

    /// A second implementation to compare with: HMAC as in RFC 2104, over text joined from lines.
    fn oracle(secret: &str, method: &str, resource: &str, headers: &[(&'static str, String)]) -> String {
        use sha2::Digest;
        let mut pad = [0_u8; 64];
        if secret.len() > 64 {
            pad[..32].copy_from_slice(&Sha256::digest(secret));
        } else {
            pad[..secret.len()].copy_from_slice(secret.as_bytes());
        }
        let find = |wanted: &str| {
            let found = headers.iter().find(|(name, _)| name.to_lowercase() == wanted);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let own: BTreeMap<String, String> = headers
            .iter()
            .filter(|(name, _)| name.to_lowercase().starts_with("x-gcs"))
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        let mut lines = vec![method.to_uppercase(), find("content-type"), find("date")];
        lines.extend(own.iter().map(|(name, value)| format!("{name}:{value}")));
        lines.push(resource.to_owned());
        let message = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let inner = Sha256::new()
            .chain_update(pad.map(|byte| byte ^ 0x36))
            .chain_update(&message)
            .finalize();
        let outer = Sha256::new()
            .chain_update(pad.map(|byte| byte ^ 0x5c))
            .chain_update(inner)
            .finalize();
        STANDARD.encode(outer)
    }

    proptest! {
        #[test]
        fn signs_whatever_is_sent(
            secret in "\\PC{0,90}",
            method in prop::sample::select(vec!["GET", "POST", "DELETE", "PUT", "get"]),
            resource in "/v2/[ -~é]{0,40}(\\?[ -~]{0,40})?",
            content_type in prop::option::of("application/json(; charset=utf-8)?"),
            values in prop::collection::vec("[ -~]{1,30}", 4),
            rotate in 0_usize..6,
        ) {
            let mut headers: Vec<(&'static str, String)> = vec![("Date", "Sat, 21 Nov 2026 08:30:00 GMT".into())];
            headers.extend(content_type.map(|value| ("Content-Type", value)));
            for (name, value) in ["X-GCS-ServerMetaInfo", "x-gcs-Idempotence-Key", "X-Other", "X-GCS-A"].iter().zip(&values) {
                headers.push((name, value.clone()));
            }
            let count = headers.len();
            headers.rotate_left(rotate % count);
            let signer = V1HmacAuthenticator::new("k".into(), secret.clone().into());
            let signed = signer.sign(&ToSign { method, resource: &resource, headers: &headers });
            let expected = format!("GCS v1HMAC:k:{}", oracle(&secret, method, &resource, &headers));
            prop_assert_eq!(signed.expose_secret(), expected);
        }
    }
}
