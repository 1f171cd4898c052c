//! What is fuzzed, as functions of bytes that panic where something does not hold. The targets of libFuzzer call them,
//! and `tests/fuzz.rs` runs them on the corpus and on drawn bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target fails by panicking"
)]
#![allow(unreachable_pub, reason = "a module there, a crate here")]

use std::cell::RefCell;
use std::collections::BTreeSet;

use cardseal::Code;
use cardseal::boundary::Module;
use cardseal::card::ProblemCode;
use cardseal::crypto::public_key::PublicKey;
use cardseal::random::Random;
use cardseal::redact;
use rsa::pkcs1::RsaPublicKeyRef;
use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::Decode;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[("key", key), ("boundary", boundary), ("redact", redact)];

thread_local! {
    // With a key of the smallest exponent: what is sealed is not looked into here, and most time would go into sealing.
    static MODULES: RefCell<[Module; 2]> = RefCell::new(modules());
}

fn modules() -> [Module; 2] {
    let mut sealing = Module::default();
    let der = [
        &[0x30, 0x81, 0x87, 0x02, 0x81, 0x81, 0x00][..],
        &[0xff; 128],
        &[0x02, 0x01, 0x03],
    ]
    .concat();
    let key: String = der.iter().map(|byte| char::from(*byte)).collect();
    assert!(
        sealing
            .call(&format!("key\0{key}"), &mut Drawn(0))
            .starts_with("1024\0")
    );
    [Module::default(), sealing]
}

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

/// Any text as a call, to a module without a key and to one with. `|` stands for the character between the parts, so
/// that a corpus can be read.
pub fn boundary(data: &[u8]) {
    let text = String::from_utf8_lossy(data).replace('|', "\0");
    MODULES.with_borrow_mut(|kept| {
        for module in &mut *kept {
            answered(&text, &module.call(&text, &mut Drawn(0)));
        }
        if text.starts_with("key\0") {
            *kept = modules();
        }
    });
}

/// An error has the known form, and says nothing of a number in the call; neither does what was encrypted.
fn answered(call: &str, output: &str) {
    let given: Vec<String> = call.split('\0').map(Into::into).collect();
    let said: Vec<String> = output.split('\0').map(Into::into).collect();
    let Some(code) = output.strip_prefix('\u{1}') else {
        match given[0].as_str() {
            "pack" => {
                assert!(said.len() >= 2 && said[0].bytes().all(|byte| byte.is_ascii_hexdigit()));
                no_number(&given, &said);
            }
            "check" => assert!(matches!(said.len(), 2 | 8), "{said:?}"),
            "key" => assert_eq!(said.len(), 3),
            "brands" => assert_eq!(said.len(), 1),
            other => panic!("{other:?} is a call"),
        }
        return;
    };
    assert_eq!(said.len(), 3);
    let code = code
        .split('\0')
        .next()
        .and_then(|place| place.parse::<usize>().ok());
    assert!(code.is_some_and(|place| place < Code::ALL.len()));
    assert!(["", "counter", "platform"].contains(&&*said[1]), "{}", said[1]);
    for place in said[2].split_terminator(',') {
        let place = place.trim_start_matches('~').parse::<usize>();
        assert!(place.is_ok_and(|place| place < ProblemCode::ALL.len()));
    }
    no_number(&given, &said);
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

/// Names and values that mean something at the boundary.
pub const WORDS: &[&str] = &[
    "|",
    "|=",
    "|!",
    "pack",
    "check",
    "brands",
    "key",
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
