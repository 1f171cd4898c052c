//! What is fuzzed, as functions of bytes that panic where something does not hold. The targets of libFuzzer call them,
//! and `tests/fuzz.rs` runs them on the corpus and on drawn bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a target fails by panicking"
)]
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "of all JSON values most are the rest"
)]
#![allow(unreachable_pub, reason = "a module there, a crate here")]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use cardseal::Code;
use cardseal::boundary::Module;
use cardseal::crypto::public_key::PublicKey;
use cardseal::random::Random;
use cardseal::redact;
use rsa::pkcs1::RsaPublicKey;
use rsa::pkcs8::SubjectPublicKeyInfoRef;
use rsa::pkcs8::der::Decode;
use serde_json::{Value, json};

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("key", key),
    ("boundary_card", boundary_card),
    ("boundary_answer", boundary_answer),
    ("boundary_raw", boundary_raw),
    ("redact", redact),
];

/// The page's clock.
const NOW: i64 = 1_795_219_200_000;

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tests/vectors/greenpay.json")).expect("the vectors")
});

thread_local! {
    // Opened once: only `open` changes a module, and to prepare a key takes longer than everything else.
    static MODULES: RefCell<[Module; 3]> = RefCell::new(modules());
    // With the smallest exponent: what is sealed is not looked into here, and most time would go into sealing.
    static SEALING: RefCell<Module> = RefCell::new(opened(
        "greenpay",
        &json!({"publicKey": format!("30818702818100{}020103", "ff".repeat(128))}),
    ));
}

fn modules() -> [Module; 3] {
    [Module::default(), greenpay(), gp_api()]
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
        let numbers = RsaPublicKey::from_der(&numbers).expect("PKCS #1");
        assert!(!numbers.modulus.as_bytes().is_empty());
    }
}

/// Any JSON as the arguments of the calls that take a card or what was typed.
pub fn boundary_card(data: &[u8]) {
    let arguments = match value(data) {
        Value::Array(items) => items,
        other => vec![other],
    };
    MODULES.with_borrow_mut(|[none, _, gp_api]| {
        SEALING.with_borrow_mut(|greenpay| cards(&arguments, none, greenpay, gp_api));
    });
}

fn cards(arguments: &[Value], none: &mut Module, greenpay: &mut Module, gp_api: &mut Module) {
    for name in [
        "validateCard",
        "candidateBrands",
        "formatCardNumber",
        "formatExpiry",
        "formatSecurityCode",
    ] {
        let _ = ask(none, name, arguments);
    }
    let (card, options) = (argument(arguments, 0), argument(arguments, 1));
    let order = json!({"session": "2b1f0c52-6f0c", "token": "7d9cc4a3-0b4e"});
    let access = json!({"access_token": "t", "reference": "r"});
    let input = json!({"card": card, "token": options["token"], "kountSession": options["kountSession"]});
    // What GreenPay gets is encrypted, so that even a success holds no number.
    for sealed in [
        ask(greenpay, "pack", &[input, options.clone()]),
        ask(
            greenpay,
            "tokenizeRequest",
            &[order.clone(), card.clone(), options.clone()],
        ),
        ask(greenpay, "payRequest", &[order, card.clone(), options.clone()]),
    ]
    .into_iter()
    .flatten()
    {
        no_number(&texts(&card), &texts(&sealed));
    }
    let _ = ask(gp_api, "tokenizeRequest", &[access, card, options]);
}

/// Any JSON as the status and the body of a platform's answer.
pub fn boundary_answer(data: &[u8]) {
    let value = value(data);
    let (status, answer) = match &value {
        Value::Array(items) if items.len() == 2 => (items[0].clone(), items[1].clone()),
        _ => (json!(200), value),
    };
    MODULES.with_borrow_mut(|[_, greenpay, gp_api]| {
        answered(&status, &answer, greenpay, "greenpay");
        answered(&status, &answer, gp_api, "gp_api");
    });
}

fn answered(status: &Value, answer: &Value, module: &mut Module, platform: &str) {
    for name in ["readToken", "readPayment"] {
        let Some(mut read) = ask(module, name, &[status.clone(), answer.clone()]) else {
            continue;
        };
        assert_eq!(read["platform"], platform);
        // The names that the merchant and the platform gave; what else is said of a card is checked or masked.
        for named in ["id", "orderReference"] {
            read[named] = Value::Null;
        }
        no_number(&texts(answer), &texts(&read));
    }
}

/// Any text as a call, to a module without and with each platform.
pub fn boundary_raw(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut given = texts(&serde_json::from_str(&text).unwrap_or_default());
    given.push(text.to_string());
    MODULES.with_borrow_mut(|kept| {
        for module in &mut *kept {
            let _ = checked(&module.call(&text, &mut Drawn(0)), &given);
        }
        if text.contains("open") || text.contains('\\') {
            *kept = modules();
        }
    });
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

fn greenpay() -> Module {
    let key = &VECTORS["rsa_keys"]["t1024"]["public_spki_pem"];
    opened("greenpay", &json!({"publicKey": key, "signature": "warn"}))
}

fn gp_api() -> Module {
    opened("gp_api", &json!({"environment": "sandbox"}))
}

fn opened(platform: &str, options: &Value) -> Module {
    let mut module = Module::default();
    let facts = ask(&mut module, "open", &[json!(platform), options.clone()]);
    assert!(facts.is_some());
    module
}

fn argument(arguments: &[Value], index: usize) -> Value {
    arguments.get(index).cloned().unwrap_or_default()
}

/// Makes a call; `None` for an error.
fn ask(module: &mut Module, name: &str, arguments: &[Value]) -> Option<Value> {
    let mut input = vec![json!(name), json!(NOW)];
    input.extend_from_slice(arguments);
    let input = Value::Array(input);
    checked(&module.call(&input.to_string(), &mut Drawn(0)), &texts(&input))
}

/// The result in an output; an error has the known form, and says nothing of a number in the input.
fn checked(output: &str, input: &[String]) -> Option<Value> {
    match serde_json::from_str(output).expect("JSON") {
        Value::Array(items) => {
            assert_eq!(items.len(), 1);
            items.into_iter().next()
        }
        Value::Object(error) => {
            let code = Code::ALL
                .iter()
                .find(|code| error["code"] == code.as_str())
                .expect("a code of the table");
            assert_eq!(error["message"], code.message());
            for name in error.keys() {
                let known = [
                    "code",
                    "message",
                    "field",
                    "platformCode",
                    "platformMessage",
                    "status",
                    "problems",
                ];
                assert!(known.contains(&&**name), "{name}");
            }
            no_number(input, &texts(&Value::Object(error)));
            None
        }
        other => panic!("neither result nor error: {other}"),
    }
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

/// Every text in a value, and every number as text.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null | Value::Bool(_) => Vec::new(),
        Value::Number(number) => vec![number.to_string()],
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members
            .iter()
            .flat_map(|(name, value)| std::iter::once(name.clone()).chain(texts(value)))
            .collect(),
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

/// The input as JSON: its text where it is some, so that a corpus can be read, or a value built of its bytes.
fn value(data: &[u8]) -> Value {
    serde_json::from_slice(data).unwrap_or_else(|_| Bytes(data).value(5))
}

/// Builds values of bytes.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    fn word(&mut self) -> String {
        WORDS[usize::from(self.byte()) % WORDS.len()].into()
    }

    fn value(&mut self, depth: u8) -> Value {
        let kind = self.byte();
        let count = self.byte() % 8;
        match kind % if depth == 0 { 10 } else { 16 } {
            0 => Value::Null,
            1 => json!(count.is_multiple_of(2)),
            2 => json!(u16::from_be_bytes(self.array())),
            3 => json!(i64::from_be_bytes(self.array())),
            4 => json!(f64::from_be_bytes(self.array())),
            5 | 6 => json!(self.word()),
            7 => {
                let bytes: Vec<u8> = (0..4 * count).map(|_| self.byte()).collect();
                json!(String::from_utf8_lossy(&bytes))
            }
            8 => {
                let mut digits: String = (0..11 + count)
                    .map(|_| char::from(b'0' + self.byte() % 10))
                    .collect();
                let fitting = ('0'..='9').find(|last| {
                    let all = digits.bytes().chain([*last as u8]);
                    cardseal::card::luhn(
                        all.map(|byte| u32::from(byte - b'0'))
                            .collect::<Vec<_>>()
                            .into_iter(),
                    )
                });
                digits.extend(fitting);
                json!(digits)
            }
            9 => json!(format!(
                "{}{}{}",
                self.word(),
                char::from(self.byte()),
                self.word()
            )),
            10 | 11 => (0..count).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object((0..count).map(|_| (self.word(), self.value(depth - 1))).collect()),
        }
    }
}

/// Names and values that mean something at the boundary.
pub const WORDS: &[&str] = &[
    "number",
    "expiry",
    "cvc",
    "holder",
    "nickname",
    "month",
    "year",
    "platform",
    "kind",
    "greenpay",
    "gp_api",
    "tokenize",
    "update",
    "payment",
    "counter",
    "byte",
    "integer",
    "block",
    "kountSession",
    "idempotencyKey",
    "card",
    "status",
    "requestId",
    "result",
    "token",
    "last_digits",
    "bin",
    "khash",
    "expiration_date",
    "brand",
    "cardHolder",
    "callback",
    "errors",
    "_signature",
    "success",
    "resp_code",
    "reserved_private4",
    "orderId",
    "authorization",
    "last4",
    "id",
    "action",
    "masked_number_last4",
    "number_last4",
    "expiry_month",
    "expiry_year",
    "result_code",
    "name",
    "error_code",
    "detailed_error_code",
    "detailed_error_description",
    "session",
    "created_at",
    "expires_at",
    "mode",
    "relay",
    "direct",
    "access_token",
    "reference",
    "base_url",
    "account_name",
    "checkout_url",
    "environment",
    "publicKey",
    "PMT_1",
    "ACTIVE",
    "SUCCESS",
    "DECLINED",
    "00",
    "51",
    "40002",
    "12/30",
    "1230",
    "123",
    "1234",
    "4242424242424242",
    "4242 4242 4242 4242",
    "378282246310005",
    "Ana Maria",
    "My Visa",
    "Invalid token",
    "nd",
    "Visa",
    "XXXXXXXXXXXX1111",
    "2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90",
    "",
];
