//! The merchant's API key: which keys are refused, and how to make a good one.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Random bytes of a generated key.
const BYTES: usize = 32;

/// Words in placeholder keys. They are long enough that no random key contains one.
const PLACEHOLDERS: &[&str] = &[
    "replace",
    "changeme",
    "change-me",
    "change_me",
    "placeholder",
    "example",
    "password",
    "your-key",
    "your-api",
    "your_api",
    "api-key",
    "api_key",
    "random-char",
];

/// Generates a key from the operating system's random source, in hexadecimal.
///
/// # Errors
/// If the system has no random source.
pub fn generate() -> Result<SecretString, getrandom::Error> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(hex::encode(bytes).into())
}

/// How a key begins that the database knows.
const STORED: &str = "csk_";

/// Generates a key for the database.
///
/// # Errors
/// If the system has no random source.
pub fn generate_stored() -> Result<SecretString, getrandom::Error> {
    Ok(format!("{STORED}{}", generate()?.expose_secret()).into())
}

/// Whether the database may know a key.
pub(crate) fn is_stored(key: &str) -> bool {
    key.starts_with(STORED) && key.len() == STORED.len() + 2 * BYTES
}

/// What the database keeps of a key. It has 256 random bits, so a plain hash cannot be guessed back.
pub(crate) fn hash(key: &SecretString) -> String {
    hex::encode(Sha256::digest(key.expose_secret()))
}

/// Why a key is refused, if it is. The reason never contains the key.
#[must_use]
pub fn weakness(key: &str) -> Option<&'static str> {
    if !(32..=256).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Some("must be 32 to 256 visible ASCII characters");
    }
    pattern(key)
}

/// Why a secret is obviously not random, if it is: a placeholder, few different characters, a repeated pattern or a
/// sequence.
#[must_use]
pub fn pattern(secret: &str) -> Option<&'static str> {
    let lower = secret.to_ascii_lowercase();
    if PLACEHOLDERS.iter().any(|word| lower.contains(word)) {
        return Some("is a placeholder; `cardseal-server --generate-api-key` prints a random value");
    }
    let bytes = secret.as_bytes();
    // Of 32 random hexadecimal digits, fewer than one key in ten million has less than eight different ones.
    let mut distinct = bytes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 8 {
        return Some(
            "has too few different characters; `cardseal-server --generate-api-key` prints a random value",
        );
    }
    // In a random key hardly any three characters occur together twice.
    let mut triples: Vec<&[u8]> = bytes.windows(3).collect();
    let all = triples.len();
    triples.sort_unstable();
    triples.dedup();
    if triples.len() * 4 < all * 3 {
        return Some("repeats a pattern; `cardseal-server --generate-api-key` prints a random value");
    }
    let neighbours = bytes
        .windows(2)
        .filter(|pair| matches!(pair, [a, b] if a.abs_diff(*b) <= 1))
        .count();
    if neighbours * 2 > bytes.len() {
        return Some("is a sequence; `cardseal-server --generate-api-key` prints a random value");
    }
    None
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn refuses_what_nobody_drew_at_random() {
        for (key, reason) in [
            ("hunter2-short", "32 to 256"),
            ("0bf81b9c7d2f4c4a9e1d\u{e9}e5a6b7c8d9e0f1", "32 to 256"),
            ("0bf81b9c 7d2f4c4a9e1d3e5a6b7c8d9e0f1", "32 to 256"),
            ("replace-me-with-32-or-more-random-characters", "placeholder"),
            ("CHANGEME-CHANGEME-CHANGEME-CHANGEME", "placeholder"),
            ("my-Password-is-4Hx8-Qp2z-Lm6w-Tr9k", "placeholder"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "too few"),
            ("abababababababababababababababab", "too few"),
            ("0000000000000000000000000000000001234567", "repeats"),
            ("0123456789012345678901234567890123456789", "repeats"),
            ("test-key-test-key-test-key-test-key-0001", "repeats"),
            ("Zx9!kQ2#Zx9!kQ2#Zx9!kQ2#Zx9!kQ2#", "repeats"),
            ("abcdefghijklmnopqrstuvwxyz012345", "sequence"),
            ("zyxwvutsrqponmlkjihgfedcba987654", "sequence"),
        ] {
            let found = weakness(key).unwrap_or_default();
            assert!(found.contains(reason), "{key}: {found:?}");
            assert!(!found.contains(key));
        }
    }

    #[test]
    fn takes_what_random_sources_give() {
        for key in [
            "5f3a9c1e7b2d4068af91c3e5d7b80246",
            "3f0c9a52-7d1e-4b86-9a47-e25c80d1f6b3",
            "Qm9v3kZt7XcR1wLp8YhN2sJd5GfB6eVa",
            "60318274951726384095513827460912",
        ] {
            assert_eq!(weakness(key), None, "{key}");
        }
    }

    #[test]
    fn generated_keys_are_good_and_different() {
        let keys: Vec<String> = (0..2000)
            .map(|_| generate().unwrap().expose_secret().to_owned())
            .collect();
        for key in &keys {
            assert_eq!((key.len(), weakness(key)), (64, None), "{key}");
        }
        let distinct: std::collections::BTreeSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
    }
}
