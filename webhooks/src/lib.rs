//! Signs and verifies events after [Standard Webhooks](https://www.standardwebhooks.com): three headers, an HMAC-SHA256
//! over `id.timestamp.body`, and secrets that start with `whsec_`.
//!
//! Cardseal's server signs with this, and a merchant's server in Rust verifies with it:
//!
//! ```
//! # use cardseal_webhooks::{Message, Secret, verify};
//! # fn handle(id: &str, timestamp: &str, signature: &str, body: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let secrets = [Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")?];
//! verify(&secrets, &Message { id, timestamp, body }, signature, std::time::SystemTime::now())?;
//! // Only now is the body read as JSON. Drop it if its `webhook-id` was processed before.
//! # Ok(()) }
//! ```

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The header with the event's id. It is the same each time the event is sent.
pub const ID: &str = "webhook-id";
/// The header with the time of sending, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE: &str = "webhook-signature";
/// How far the time of sending may be from the receiver's clock, in either direction.
pub const TOLERANCE: Duration = Duration::from_secs(5 * 60);

/// How a secret begins.
const PREFIX: &str = "whsec_";
/// How a signature begins that an HMAC made.
const VERSION: &str = "v1";

/// A secret that the sender and the receiver share. It is wiped when it is dropped, and its `Debug` output is redacted.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Reads a secret: `whsec_` and 24 to 64 bytes as base64.
    ///
    /// # Errors
    /// If it has another form.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| InvalidSecret)?);
        if (24..=64).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(InvalidSecret)
        }
    }

    /// The text of a secret of these bytes, for a new one.
    ///
    /// # Errors
    /// If there are fewer than 24 bytes or more than 64.
    pub fn text(bytes: &[u8]) -> Result<Zeroizing<String>, InvalidSecret> {
        let text = Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(bytes)));
        Self::parse(&text)?;
        Ok(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// A secret has another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is whsec_ and 24 to 64 bytes as base64")]
pub struct InvalidSecret;

/// What is signed.
#[derive(Clone, Copy)]
pub struct Message<'a> {
    /// The header [`ID`].
    pub id: &'a str,
    /// The header [`TIMESTAMP`].
    pub timestamp: &'a str,
    /// The body, as it was received.
    pub body: &'a [u8],
}

/// Why a message is refused. Answer 400 and take nothing from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The id is empty or contains a full stop, which separates what is signed.
    #[error("the webhook-id has another form")]
    Id,
    /// The time is not a whole number of seconds.
    #[error("the webhook-timestamp is not a number of seconds")]
    Timestamp,
    /// The message was sent more than five minutes ago.
    #[error("the message is too old; check the clock")]
    TooOld,
    /// The message was sent more than five minutes from now.
    #[error("the message is from the future; check the clock")]
    TooNew,
    /// No signature belongs to the message and one of the secrets.
    #[error("no signature fits; check the secret, and verify the body as it was received")]
    Signature,
}

fn mac(secret: &Secret, message: &Message<'_>) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).ok()?;
    mac.update(message.id.as_bytes());
    mac.update(b".");
    mac.update(message.timestamp.as_bytes());
    mac.update(b".");
    mac.update(message.body);
    Some(mac)
}

/// The header [`SIGNATURE`]: a signature with each secret. While a secret is being replaced, there are two.
#[must_use]
pub fn sign(secrets: &[Secret], message: &Message<'_>) -> String {
    let signatures = secrets.iter().filter_map(|secret| {
        let signature = mac(secret, message)?.finalize().into_bytes();
        Some(format!("{VERSION},{}", STANDARD.encode(signature)))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

/// Verifies a message against its header [`SIGNATURE`]. One signature with one of the secrets is enough. Signatures of
/// other versions are skipped.
///
/// # Errors
/// Why it is refused.
pub fn verify(
    secrets: &[Secret],
    message: &Message<'_>,
    signatures: &str,
    now: SystemTime,
) -> Result<(), Refused> {
    if message.id.is_empty() || message.id.contains('.') {
        return Err(Refused::Id);
    }
    let digits = !message.timestamp.is_empty() && message.timestamp.bytes().all(|byte| byte.is_ascii_digit());
    let sent: u64 = message
        .timestamp
        .parse()
        .ok()
        .filter(|_| digits)
        .ok_or(Refused::Timestamp)?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if now.saturating_sub(sent) > TOLERANCE.as_secs() {
        return Err(Refused::TooOld);
    }
    if sent.saturating_sub(now) > TOLERANCE.as_secs() {
        return Err(Refused::TooNew);
    }
    for signature in signatures.split(' ') {
        let Some((VERSION, encoded)) = signature.split_once(',') else {
            continue;
        };
        let Ok(signature) = STANDARD.decode(encoded) else {
            continue;
        };
        for secret in secrets {
            if mac(secret, message).is_some_and(|mac| mac.verify_slice(&signature).is_ok()) {
                return Ok(());
            }
        }
    }
    Err(Refused::Signature)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vector {
        secret: String,
        id: String,
        timestamp: String,
        body: String,
        signature: String,
    }

    #[derive(Deserialize)]
    struct Vectors {
        messages: Vec<Vector>,
        invalid_secrets: Vec<String>,
    }

    fn vectors() -> Vectors {
        serde_json::from_str(include_str!("../../tests/vectors/webhooks.json")).unwrap()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    impl Vector {
        fn message(&self) -> Message<'_> {
            Message {
                id: &self.id,
                timestamp: &self.timestamp,
                body: self.body.as_bytes(),
            }
        }

        fn secret(&self) -> Secret {
            Secret::parse(&self.secret).unwrap()
        }

        fn now(&self) -> SystemTime {
            at(self.timestamp.parse().unwrap())
        }
    }

    #[test]
    fn signs_and_verifies_the_vectors() {
        for vector in vectors().messages {
            let message = vector.message();
            assert_eq!(sign(&[vector.secret()], &message), vector.signature);
            assert_eq!(
                verify(&[vector.secret()], &message, &vector.signature, vector.now()),
                Ok(())
            );
        }
    }

    #[test]
    fn one_of_several_secrets_and_signatures_is_enough() {
        let vectors = vectors().messages;
        let [first, second] = &vectors[..2] else {
            panic!("two vectors")
        };
        let (old, new) = (first.secret(), second.secret());
        let both = [new.clone(), old.clone()];
        let message = first.message();
        let header = sign(&both, &message);
        assert_eq!(header.split(' ').count(), 2);
        for secrets in [&both[..], &[old][..], &[new][..]] {
            assert_eq!(verify(secrets, &message, &header, first.now()), Ok(()));
        }
        let foreign = format!("v1a,AAAA v2,xxxx {}", first.signature);
        assert_eq!(verify(&both, &message, &foreign, first.now()), Ok(()));
        assert_eq!(
            verify(&[], &message, &header, first.now()),
            Err(Refused::Signature)
        );
        assert_eq!(verify(&both, &message, "", first.now()), Err(Refused::Signature));
    }

    #[test]
    fn every_bit_of_a_signed_message_counts() {
        for vector in vectors().messages {
            let secrets = [vector.secret()];
            let parts = [&vector.id, &vector.timestamp, &vector.body, &vector.signature];
            for part in 0..parts.len() {
                for index in 0..parts[part].len() {
                    for bit in 0..8 {
                        let mut bytes = parts[part].as_bytes().to_vec();
                        bytes[index] ^= 1 << bit;
                        let changed = |which: usize| {
                            if which == part {
                                bytes.clone()
                            } else {
                                parts[which].as_bytes().to_vec()
                            }
                        };
                        // A header that is no text never arrives here.
                        let (Ok(id), Ok(timestamp), Ok(signature)) = (
                            String::from_utf8(changed(0)),
                            String::from_utf8(changed(1)),
                            String::from_utf8(changed(3)),
                        ) else {
                            continue;
                        };
                        let message = Message {
                            id: &id,
                            timestamp: &timestamp,
                            body: &changed(2),
                        };
                        // At the time that it claims, so that the signature alone decides.
                        let now = timestamp.parse().map_or_else(|_| vector.now(), at);
                        let result = verify(&secrets, &message, &signature, now);
                        assert!(result.is_err(), "part {part}, byte {index}, bit {bit}");
                    }
                }
            }
        }
    }

    #[test]
    fn bytes_cannot_move_between_the_parts() {
        let secret = [vectors().messages[0].secret()];
        let signature = sign(
            &secret,
            &Message {
                id: "evt_1",
                timestamp: "100",
                body: b"200.{}",
            },
        );
        let moved = Message {
            id: "evt_1.100",
            timestamp: "200",
            body: b"{}",
        };
        assert_eq!(verify(&secret, &moved, &signature, at(200)), Err(Refused::Id));
    }

    #[test]
    fn old_and_early_messages_are_refused() {
        let vector = &vectors().messages[0];
        let sent: u64 = vector.timestamp.parse().unwrap();
        let at_time = |seconds| {
            verify(
                &[vector.secret()],
                &vector.message(),
                &vector.signature,
                at(seconds),
            )
        };
        assert_eq!(at_time(sent + 300), Ok(()));
        assert_eq!(at_time(sent - 300), Ok(()));
        assert_eq!(at_time(sent + 301), Err(Refused::TooOld));
        assert_eq!(at_time(sent - 301), Err(Refused::TooNew));
        for timestamp in [
            "",
            "+1614265330",
            "-1",
            "1614265330.0",
            "99999999999999999999",
            "x",
        ] {
            let message = Message {
                timestamp,
                ..vector.message()
            };
            let result = verify(&[vector.secret()], &message, &vector.signature, at(sent));
            assert_eq!(result, Err(Refused::Timestamp), "{timestamp}");
        }
    }

    #[test]
    fn secrets_of_another_form_are_refused_and_none_is_printed() {
        for text in vectors().invalid_secrets {
            assert_eq!(Secret::parse(&text).err(), Some(InvalidSecret), "{text}");
        }
        let text = Secret::text(&[7; 32]).unwrap();
        assert_eq!(format!("{:?}", Secret::parse(&text).unwrap()), "Secret(***)");
        assert_eq!(Secret::text(&[7; 23]).err(), Some(InvalidSecret));
    }
}
