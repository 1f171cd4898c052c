//! What is fuzzed, as functions of bytes that panic where something does not hold. The targets of libFuzzer call them,
//! and `tests/fuzz.rs` runs them on the corpus and on drawn bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target fails by panicking"
)]
#![allow(unreachable_pub, reason = "a module there, a crate here")]

use std::collections::BTreeSet;

use cardseal::Code;
use cardseal::card::{Brand, Card, CardInput, Rules, Secret, check, format};
use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::{Counter, GreenPay, Payload};
use cardseal::platform::Platform;
use cardseal::random::Random;
use cardseal::redact;
use rsa::pkcs1::RsaPublicKeyRef;
use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::Decode;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[("key", key), ("card", card), ("redact", redact)];

/// Any text or DER as a public key: it is one, and comes back as the same, or it is refused.
pub fn key(data: &[u8]) {
    let hex: String = data.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = String::from_utf8_lossy(data);
    for form in [&*text, &*hex] {
        let Ok(key) = PublicKey::parse(form) else { continue };
        assert!((1016..=8192).contains(&key.bits()), "{} bits", key.bits());
        assert_eq!(key.is_short(), key.bits() < 2048);
        let written = key.to_spki_base64();
        assert_eq!(PublicKey::parse(&written).as_ref(), Ok(&key));
        assert_eq!(PublicKey::parse(&written).unwrap().to_spki_base64(), written);
    }
    // Whatever we take for a key must be one to a general reader of DER.
    if PublicKey::parse(&hex).is_ok() {
        let numbers = match SubjectPublicKeyInfoRef::from_der(data) {
            Ok(info) => info.subject_public_key.as_bytes().expect("whole bytes").to_vec(),
            Err(_) => data.to_vec(),
        };
        let numbers = RsaPublicKeyRef::from_der(&numbers).expect("PKCS #1");
        assert!(!numbers.modulus.as_bytes().is_empty());
    }
}

/// Any text as a card and what is done with it: `check` or `pack` with options, or `brands` and `format` with a number.
/// `|` stands between the parts, and what is there of those that may be missing begins with `=`.
pub fn card(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let given: Vec<String> = text.split('|').map(Into::into).collect();
    let mut parts = given.iter().map(String::as_str);
    let said = match parts.next() {
        Some("brands" | "format") => formatted(parts.next().unwrap_or_default()),
        Some("check") => checked(parts),
        _ => packed(parts),
    };
    no_number(&given, &said);
}

fn optional<'a>(parts: &mut impl Iterator<Item = &'a str>) -> Option<&'a str> {
    parts.next().and_then(|part| part.strip_prefix('='))
}

/// The clock, and what was typed.
fn typed<'a>(parts: &mut impl Iterator<Item = &'a str>) -> (f64, CardInput) {
    let now: u32 = parts
        .next()
        .and_then(|text| text.parse::<u64>().ok())
        .and_then(|ms| u32::try_from(ms / 1000).ok())
        .unwrap_or_default();
    let mut secret = || optional(parts).map(Secret::from);
    let input = CardInput {
        number: secret().unwrap_or_default(),
        expiry: secret().unwrap_or_default(),
        cvc: secret().unwrap_or_default(),
        holder: secret().unwrap_or_default(),
        nickname: secret(),
    };
    (f64::from(now) * 1000.0, input)
}

/// The codes of the problems. Only a card without one that stops it comes back, and never in what is said of it.
fn checked<'a>(mut parts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let platform = optional(&mut parts).and_then(Platform::from_id);
    let asked: u8 = parts
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    let mut rules = platform.map_or(Rules::COMMON, |platform| {
        cardseal::rules(platform, asked & 1 == 1)
    });
    rules.cvc = asked & 2 == 0;
    rules.strict = asked & 4 == 4;
    let (now, input) = typed(&mut parts);
    let found = check(&input, &rules, now);
    assert_eq!(found.card.is_none(), !found.problems.is_empty());
    assert!(!rules.strict || found.warnings.is_empty());
    let codes = found.problems.iter().chain(found.warnings);
    let codes = codes.map(|code| code.message().to_owned());
    codes.chain([format!("{found:?}")]).collect()
}

/// What was encrypted, or what is said of why it was not.
fn packed<'a>(mut parts: impl Iterator<Item = &'a str>) -> Vec<String> {
    thread_local! {
        // With a key of the smallest exponent: what is sealed is not looked into here, and most time would go into sealing.
        static SEALING: GreenPay = {
            let der = [&[0x30, 0x81, 0x87, 0x02, 0x81, 0x81, 0x00][..], &[0xff; 128], &[0x02, 0x01, 0x03]].concat();
            let hex: String = der.iter().map(|byte| format!("{byte:02x}")).collect();
            GreenPay::new(PublicKey::parse(&hex).unwrap())
        };
    }
    let counter = match parts.next() {
        Some("integer") => Counter::Integer,
        Some("block") => Counter::Block,
        _ => Counter::Byte,
    };
    let stored = parts.next() == Some("1");
    let (token, tokenize, kount_session) = (optional(&mut parts), optional(&mut parts), optional(&mut parts));
    let (now, input) = typed(&mut parts);
    let card = match Card::parse(&input, &cardseal::rules(Platform::GreenPay, stored), now) {
        Ok(card) => card,
        Err(error) => return vec![error.to_string(), format!("{error:?}")],
    };
    let payload = match (token, tokenize) {
        (Some(token), _) => Payload::UpdateToken(&card, token),
        (None, Some(tokenize)) => Payload::Payment {
            card: &card,
            tokenize: tokenize == "1",
            kount_session,
        },
        (None, None) => Payload::NewToken(&card),
    };
    match SEALING.with(|greenpay| greenpay.pack(payload, counter, &mut Drawn(0))) {
        Ok(packed) => {
            assert!(packed.ld.bytes().all(|byte| byte.is_ascii_hexdigit()));
            vec![packed.ld, packed.lk]
        }
        Err(error) => {
            assert_eq!((error.code(), counter), (Code::CounterDoesNotFit, Counter::Block));
            vec![error.to_string()]
        }
    }
}

/// Whatever is typed is shown, and shown the same when it is formatted again.
fn formatted(text: &str) -> Vec<String> {
    let (number, brands) = format::card_number(text, None);
    let (again, same) = format::card_number(number.text.expose(), Some(number.caret));
    assert_eq!((&again, &same), (&number, &brands));
    for formatted in [
        format::expiry(text, None),
        format::security_code(text, None, text),
    ] {
        assert!(formatted.caret <= formatted.text.expose().len());
    }
    let digits = cardseal::card::digits(text);
    let candidates = digits
        .map(|digits| Brand::candidates(&digits))
        .unwrap_or_default();
    candidates.iter().map(|brand| brand.id().to_owned()).collect()
}

/// Any text of a platform: what is left of it holds no card number, and would not be masked further.
pub fn redact(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let masked = redact::card_digits(&text);
    assert_eq!(redact::card_digits(&masked), masked, "{text:?}");
    assert_eq!(
        numbers(std::slice::from_ref(&masked), &[false]),
        BTreeSet::new(),
        "{text:?} -> {masked:?}"
    );
    assert!(!redact::holds_card_number(&masked), "{text:?} -> {masked:?}");
    // Nothing but digits and what stands between them is touched.
    let words = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
    assert_eq!(words(&masked), words(&text));
}

fn no_number(given: &[String], said: &[String]) {
    let said = numbers(said, &[false]);
    if !said.is_empty() {
        let given = numbers(given, &[false, true]);
        assert_eq!(
            said.intersection(&given).next(),
            None,
            "a number of the input in the output"
        );
    }
}

/// The runs of 13 to 19 digits with a fitting check digit: whole, or with blanks between them.
fn numbers(texts: &[String], forms: &[bool]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for text in texts {
        for blanks in forms {
            let between = |c: char| !(c.is_ascii_digit() || *blanks && c == ' ');
            for run in text.split(between) {
                let digits: String = run.chars().filter(char::is_ascii_digit).collect();
                let values = || digits.bytes().map(|byte| u32::from(byte - b'0'));
                if (13..=19).contains(&digits.len())
                    && cardseal::card::luhn(values())
                    && values().any(|digit| digit > 0)
                {
                    found.insert(digits);
                }
            }
        }
    }
    found
}

/// Bytes that look random and are the same every time.
struct Drawn(u64);

impl Random for Drawn {
    fn fill(&mut self, bytes: &mut [u8]) -> cardseal::Result<()> {
        for byte in bytes {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = self.0.to_be_bytes()[0];
        }
        Ok(())
    }
}

/// Names and values that mean something there.
pub const WORDS: &[&str] = &[
    "|",
    "|=",
    "|!",
    "pack",
    "check",
    "brands",
    "format",
    "=greenpay",
    "=gp_api",
    "=online_payments",
    "=ccbill",
    "byte",
    "integer",
    "block",
    "|1|",
    "1795219200000",
    "=12/30",
    "=1230",
    "=123",
    "=1234",
    "=4242424242424242",
    "=4242 4242 4242 4242",
    "=378282246310005",
    "=Ana Maria",
    "=My Visa",
    "12 / 30",
    "3782 822463 10005",
    "\u{661}",
    "2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90",
    "",
];
