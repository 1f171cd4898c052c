//! Verifies webhooks and reads their events.
//!
//! The signature covers the raw body, but no time, so anyone who has seen an event can send it again at any time.
//! Store the `id` of each event, and look up the payment instead of trusting the event.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use subtle::ConstantTimeEq;

use super::domain::WebhooksEvent;
use super::signature::mac;

/// The header with the id of the webhook key.
pub const KEY_ID: &str = "x-gcs-keyid";
/// The header with the signature.
pub const SIGNATURE: &str = "x-gcs-signature";
/// The header whose value a new webhook URL must return.
pub const ENDPOINT_VERIFICATION: &str = "x-gcs-webhooks-endpoint-verification";

/// Finds the secrets of webhook keys.
pub trait SecretKeyStore: Send + Sync {
    /// Returns the secret of a key, or `None` if the key is unknown.
    fn secret_key(&self, key_id: &str) -> Option<SecretString>;
}

/// Stores keys in memory. To replace a key, store the new one and remove the old one later.
#[derive(Default)]
pub struct InMemorySecretKeyStore(RwLock<BTreeMap<String, SecretString>>);

impl InMemorySecretKeyStore {
    /// Adds a key, or replaces its secret.
    pub fn store_secret_key(&self, key_id: &str, secret: SecretString) {
        self.keys().insert(key_id.into(), secret);
    }

    /// Removes a key.
    pub fn remove_secret_key(&self, key_id: &str) {
        self.keys().remove(key_id);
    }

    /// Removes all keys.
    pub fn clear(&self) {
        self.keys().clear();
    }

    fn keys(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<String, SecretString>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SecretKeyStore for InMemorySecretKeyStore {
    fn secret_key(&self, key_id: &str) -> Option<SecretString> {
        let keys = self.0.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(key_id).cloned()
    }
}

/// Why a webhook is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// A header is missing or repeated, the key is unknown, or the signature does not match.
    #[error("the signature is missing or wrong")]
    SignatureInvalid,
    /// The body is neither an event nor an array of events.
    #[error("the body is not a webhook event")]
    Unreadable,
    /// The event has an `apiVersion` other than `v1`.
    #[error("the event has another API version")]
    ApiVersion,
}

/// Verifies and reads events.
pub struct WebhooksHelper(Arc<dyn SecretKeyStore>);

impl WebhooksHelper {
    /// Creates a helper with the webhook keys from the merchant portal. They are not the API keys.
    #[must_use]
    pub fn new(keys: Arc<dyn SecretKeyStore>) -> Self {
        Self(keys)
    }

    /// Verifies the signature of a body. Pass the body exactly as it was received.
    ///
    /// # Errors
    /// Fails with [`WebhookError::SignatureInvalid`].
    pub fn verify(&self, body: &[u8], headers: &[(&str, &str)]) -> Result<(), WebhookError> {
        let given = STANDARD
            .decode(only(headers, SIGNATURE)?)
            .map_err(|_| WebhookError::SignatureInvalid)?;
        let secret = self
            .0
            .secret_key(only(headers, KEY_ID)?)
            .ok_or(WebhookError::SignatureInvalid)?;
        if bool::from(given.as_slice().ct_eq(&mac(&secret, body))) {
            Ok(())
        } else {
            Err(WebhookError::SignatureInvalid)
        }
    }

    /// Verifies the signature of a body and returns its events.
    pub fn unmarshal(
        &self,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Result<Vec<WebhooksEvent>, WebhookError> {
        self.verify(body, headers)?;
        let events: Vec<WebhooksEvent> = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'[') => serde_json::from_slice(body),
            _ => serde_json::from_slice(body).map(|event| vec![event]),
        }
        .map_err(|_| WebhookError::Unreadable)?;
        if events
            .iter()
            .any(|event| event.api_version.as_deref() != Some("v1"))
        {
            return Err(WebhookError::ApiVersion);
        }
        Ok(events)
    }
}

/// Returns the proof of a secret that `validateCredentials` expects: the signature of an empty body.
#[must_use]
pub fn credentials_proof(secret: &SecretString) -> String {
    STANDARD.encode(mac(secret, b""))
}

/// Returns the plain-text body with which to answer the `GET` that verifies a webhook URL. `None` if the header is
/// missing or has an unexpected value: it comes from outside, so only letters, digits and a few signs are returned.
#[must_use]
pub fn endpoint_verification(headers: &[(&str, &str)]) -> Option<String> {
    let value = only(headers, ENDPOINT_VERIFICATION).ok()?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.=+/".contains(&byte);
    ((1..=128).contains(&value.len()) && value.bytes().all(plain)).then(|| value.into())
}

fn only<'a>(headers: &[(&str, &'a str)], name: &str) -> Result<&'a str, WebhookError> {
    let mut found = headers.iter().filter(|(own, _)| own.eq_ignore_ascii_case(name));
    match (found.next(), found.next()) {
        (Some((_, value)), None) => Ok(value.trim()),
        _ => Err(WebhookError::SignatureInvalid),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn vectors() -> Vec<Value> {
        let all: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/online-payments.json")).unwrap();
        all["webhooks"].as_array().unwrap().clone()
    }

    fn keys() -> Arc<InMemorySecretKeyStore> {
        let keys = InMemorySecretKeyStore::default();
        for vector in vectors() {
            keys.store_secret_key(
                vector["key_id"].as_str().unwrap(),
                vector["secret"].as_str().unwrap().to_owned().into(),
            );
        }
        keys.into()
    }

    fn signed(secret: &str, body: &str) -> String {
        STANDARD.encode(mac(&secret.to_owned().into(), body.as_bytes()))
    }

    #[test]
    fn takes_every_vector_and_nothing_that_differs() {
        let helper = WebhooksHelper::new(keys());
        let all = vectors();
        assert!(all.len() >= 4);
        for vector in &all {
            let body = STANDARD.decode(vector["body_base64"].as_str().unwrap()).unwrap();
            let text = |name: &str| vector["headers"][name].as_str().unwrap();
            let (key, signature) = (text("X-GCS-KeyId"), text("X-GCS-Signature"));
            let id = vector["id"].as_str().unwrap();
            // Headers in any order, in any case, among others.
            for headers in [
                vec![("X-GCS-KeyId", key), ("X-GCS-Signature", signature)],
                vec![
                    ("x-gcs-signature", signature),
                    ("accept", "*/*"),
                    ("X-GCS-KEYID", key),
                ],
            ] {
                assert_eq!(helper.verify(&body, &headers), Ok(()), "{id}");
                let events = helper.unmarshal(&body, &headers);
                assert_eq!(events.is_ok(), !body.is_empty(), "{id}");
            }
            let mut other = body.clone();
            other.push(b' ');
            let short = &signature[..signature.len() - 4];
            for (body, headers) in [
                (&other, vec![("X-GCS-KeyId", key), ("X-GCS-Signature", signature)]),
                (
                    &body,
                    vec![("X-GCS-KeyId", "another"), ("X-GCS-Signature", signature)],
                ),
                (&body, vec![("X-GCS-KeyId", key), ("X-GCS-Signature", "")]),
                (&body, vec![("X-GCS-KeyId", key), ("X-GCS-Signature", short)]),
                (&body, vec![("X-GCS-KeyId", key)]),
                (&body, vec![("X-GCS-Signature", signature)]),
                (
                    &body,
                    vec![
                        ("X-GCS-KeyId", key),
                        ("x-gcs-keyid", key),
                        ("X-GCS-Signature", signature),
                    ],
                ),
                (
                    &body,
                    vec![
                        ("X-GCS-KeyId", key),
                        ("X-GCS-Signature", signature),
                        ("X-GCS-Signature", signature),
                    ],
                ),
            ] {
                assert_eq!(
                    helper.verify(body, &headers),
                    Err(WebhookError::SignatureInvalid),
                    "{id}"
                );
            }
        }
        let proof = all.iter().find(|vector| vector["body_base64"] == "").unwrap();
        let secret = proof["secret"].as_str().unwrap().to_owned();
        assert_eq!(credentials_proof(&secret.into()), proof["signature"]);
    }

    #[test]
    fn takes_both_keys_while_one_replaces_the_other() {
        let keys = keys();
        let helper = WebhooksHelper::new(keys.clone());
        let body = r#"{"apiVersion":"v1","id":"e"}"#;
        keys.store_secret_key("old", "old secret".to_owned().into());
        keys.store_secret_key("new", "new secret".to_owned().into());
        let take = |key, secret| {
            let signature = signed(secret, body);
            helper
                .unmarshal(body.as_bytes(), &[(KEY_ID, key), (SIGNATURE, &signature)])
                .is_ok()
        };
        assert!(take("old", "old secret") && take("new", "new secret"));
        assert!(!take("old", "new secret") && !take("new", "old secret"));
        keys.remove_secret_key("old");
        assert!(!take("old", "old secret") && take("new", "new secret"));
        keys.clear();
        assert!(!take("new", "new secret"));
    }

    #[test]
    fn reads_one_event_or_several_of_its_own_version() {
        let helper = WebhooksHelper::new(keys());
        let read = |body: &str| {
            let signature = signed("hello+world", body);
            helper.unmarshal(
                body.as_bytes(),
                &[(KEY_ID, "dummy-key-id"), (SIGNATURE, &signature)],
            )
        };
        let event = json!({ "apiVersion": "v1", "id": "1", "type": "payment.captured",
            "created": "2023-01-23T09:51:27.9529667+01:00", "payment": { "id": "5_0" } });
        let one = read(&event.to_string()).unwrap();
        assert_eq!(one[0].payment.as_ref().unwrap().id.as_deref(), Some("5_0"));
        assert_eq!(read(&format!(" \r\n[{event},{event}]")).unwrap().len(), 2);
        assert_eq!(read("[]"), Ok(Vec::new()));
        assert_eq!(
            read(r#"{"apiVersion":"v2","id":"1"}"#),
            Err(WebhookError::ApiVersion)
        );
        assert_eq!(
            read(&format!(r#"[{event},{{"id":"1"}}]"#)),
            Err(WebhookError::ApiVersion)
        );
        for body in ["", "5", "\"x\"", "{", "[5]"] {
            assert_eq!(read(body), Err(WebhookError::Unreadable), "{body}");
        }
    }

    #[test]
    fn gives_back_a_word_and_nothing_else() {
        let all: Value =
            serde_json::from_str(include_str!("../../../tests/vectors/online-payments.json")).unwrap();
        let published = &all["webhook_endpoint_verification"];
        let (_, value) = published["request"]
            .as_str()
            .unwrap()
            .split_once("X-GCS-Webhooks-Endpoint-Verification: ")
            .unwrap();
        assert!(
            published["response"]
                .as_str()
                .unwrap()
                .ends_with(&format!(": {value}"))
        );
        assert_eq!(
            endpoint_verification(&[("X-GCS-Webhooks-Endpoint-Verification", value)]).as_deref(),
            Some(value)
        );
        for value in ["", "<script>", "a b", "a\"b", "é", &"a".repeat(129)] {
            assert_eq!(
                endpoint_verification(&[(ENDPOINT_VERIFICATION, value)]),
                None,
                "{value}"
            );
        }
        assert_eq!(endpoint_verification(&[]), None);
    }

    proptest! {
        #[test]
        fn another_body_has_another_signature(body in prop::collection::vec(any::<u8>(), 0..60), at in 0_usize..60, bit in 0_u8..8) {
            let helper = WebhooksHelper::new(keys());
            let signature = STANDARD.encode(mac(&"hello+world".to_owned().into(), &body));
            let headers = [(KEY_ID, "dummy-key-id"), (SIGNATURE, signature.as_str())];
            prop_assert_eq!(helper.verify(&body, &headers), Ok(()));
            let mut other = body.clone();
            if other.is_empty() {
                other.push(0);
            } else {
                let at = at % other.len();
                other[at] ^= 1 << bit;
            }
            prop_assert!(helper.verify(&other, &headers).is_err());
        }
    }
}
