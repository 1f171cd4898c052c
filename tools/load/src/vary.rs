//! Other values of the same form: what makes a copy of a row a row of its own.
//!
//! Ids, keys and digests are recognised by their looks, long runs without a gap, so nothing here knows any table. The
//! same text becomes the same other text in each column of each table, and so a copy refers to copies.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// From this length on, letters, digits, `-` and `_` in a row are an id.
const SHORTEST_ID: usize = 16;
/// The longest prefix of an id that all of its kind have: `tok_`.
const LONGEST_PREFIX: usize = 9;
/// Integers from here on are milliseconds since 1970: September 2001.
const FIRST_TIME: i64 = 1_000_000_000_000;

/// A text, cut into what stays and what varies.
#[derive(Debug)]
pub(crate) struct Pattern {
    parts: Vec<Part>,
}

#[derive(Debug)]
enum Part {
    Text(String),
    Id {
        seed: u64,
        length: usize,
        /// How many copies have it in common.
        shared: u64,
    },
}

impl Pattern {
    pub(crate) fn new(text: &str, shared: &BTreeMap<String, u64>) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let end = rest.find(|letter| !of_id(letter)).unwrap_or(rest.len());
            let (run, after) = rest.split_at(end.max(first.len_utf8()));
            rest = after;
            if run.len() < SHORTEST_ID || !run.bytes().any(|byte| byte.is_ascii_digit()) {
                plain.push_str(run);
                continue;
            }
            let prefix = run.find('_').map_or(0, |at| at + 1);
            let (prefix, id) = run.split_at(if prefix > LONGEST_PREFIX { 0 } else { prefix });
            plain.push_str(prefix);
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Id {
                seed: hash((id, 0_u64)),
                length: id.len(),
                shared: shared.get(run).copied().unwrap_or(1).max(1),
            });
        }
        parts.push(Part::Text(plain));
        Self { parts }
    }

    /// The text of a copy.
    pub(crate) fn write(&self, copy: u64) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Id { seed, length, shared } => hex(&mut text, *seed, copy / shared, *length),
            }
        }
        text
    }
}

const fn of_id(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_')
}

fn hash(of: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

fn hex(text: &mut String, seed: u64, copy: u64, length: usize) {
    let end = text.len() + length;
    let mut block = 0_u64;
    while text.len() < end {
        let digits = format!("{:016x}", hash((seed, copy, block)));
        text.push_str(
            digits
                .get(..digits.len().min(end - text.len()))
                .unwrap_or_default(),
        );
        block += 1;
    }
}

/// The bytes of a copy. Short ones are no ids.
pub(crate) fn bytes(original: &[u8], copy: u64) -> Vec<u8> {
    if original.len() < SHORTEST_ID {
        return original.into();
    }
    let seed = hash((original, 0_u64));
    let blocks = (0_u64..).flat_map(|block| hash((seed, copy, block)).to_le_bytes());
    blocks.take(original.len()).collect()
}

/// The integer of a copy: times move, others stay.
pub(crate) const fn integer(original: i64, back_ms: i64) -> i64 {
    if original >= FIRST_TIME {
        original.saturating_sub(back_ms)
    } else {
        original
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text, &BTreeMap::new())
    }

    #[test]
    fn ids_differ_and_everything_else_stays() {
        let text = r#"{"id":"tok_0b7a3f1c9d2e4f60","status":"active","note":"Ana Núñez – approved"}"#;
        let other = pattern(text).write(1);
        assert_ne!(other, text);
        assert_eq!(other.len(), text.len());
        let (before, after) = (text.find("0b7a").unwrap(), text.find(r#"","status"#).unwrap());
        assert_eq!(other[..before], text[..before]);
        assert_eq!(other[after..], text[after..]);
        for text in [
            "",
            "a",
            "in_flight",
            "2030-05",
            "4242",
            "payments_by_reference",
            "é",
            "x é y",
        ] {
            assert_eq!(pattern(text).write(5), text);
        }
    }

    #[test]
    fn the_same_id_becomes_the_same_everywhere() {
        let id = "pay_5f0c1d2e3a4b5c6d7e8f";
        let alone = pattern(id).write(9);
        assert!(
            pattern(&format!(r#"{{"payment":"{id}"}}"#))
                .write(9)
                .contains(&alone)
        );
        assert!(alone.starts_with("pay_"));
        assert_ne!(alone, pattern(id).write(10));
    }

    #[test]
    fn no_two_copies_are_alike() {
        let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        for text in [
            digest,
            "ses_5f0c1d2e3a4b5c6d",
            "8c1d1e8e-31f9-4f4f-9d5a-0f9f0c1d2e3a",
        ] {
            let pattern = pattern(text);
            let all: BTreeSet<String> = (0..2000).map(|copy| pattern.write(copy)).collect();
            assert_eq!(all.len(), 2000);
        }
        let all: BTreeSet<Vec<u8>> = (0..2000).map(|copy| bytes(&[7; 16], copy)).collect();
        assert_eq!(all.len(), 2000);
        assert_eq!(bytes(b"short", 1), b"short");
    }

    #[test]
    fn what_is_shared_changes_only_with_the_group() {
        let customer = "customer-5f0c1d2e3a4b";
        let shared = [(customer.to_owned(), 10)].into();
        let pattern = Pattern::new(customer, &shared);
        let all: Vec<String> = (0..20).map(|copy| pattern.write(copy)).collect();
        assert!(all[..10].iter().all(|one| *one == all[0]));
        assert!(all[10..].iter().all(|one| *one == all[10]));
        assert_ne!(all[0], all[10]);
    }

    #[test]
    fn only_times_move() {
        assert_eq!(integer(1_700_000_000_000, 5), 1_699_999_999_995);
        assert_eq!(integer(1234, 5), 1234);
        assert_eq!(integer(-1, 5), -1);
    }
}
