//! The Rust that runs at every key press and at every payment: `cargo bench -p cardseal`. What a page feels is measured in
//! browsers, see docs/benchmarks.md.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use cardseal::card::{Brand, Card, CardInput, check, format};
use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::{Counter, GreenPay, Payload, TOKEN_RULES};
use cardseal::random::SystemRandom;
use cardseal::redact;
use divan::{Bencher, black_box};
use serde_json::Value;

/// A day of 2026, in milliseconds since 1970.
const NOW: f64 = 1_795_219_200_000.0;

fn main() {
    divan::main();
}

fn typed() -> CardInput {
    CardInput {
        number: "4242 4242 4242 4242".into(),
        expiry: "12/30".into(),
        cvc: "123".into(),
        holder: "Ana Mora".into(),
        nickname: Some("My Visa".into()),
    }
}

fn key(name: &str) -> PublicKey {
    let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/greenpay.json")).unwrap();
    let text = vectors["rsa_keys"][name]["public_spki_base64_one_line"]
        .as_str()
        .unwrap();
    PublicKey::parse(text).unwrap()
}

/// One card, encrypted and wrapped.
#[divan::bench(args = ["t1024", "t2048"])]
fn pack(bencher: Bencher, name: &str) {
    let greenpay = GreenPay::new(key(name));
    let card = Card::parse(&typed(), &TOKEN_RULES, NOW).unwrap();
    bencher.bench(|| {
        greenpay
            .pack(
                Payload::NewToken(black_box(&card)),
                Counter::Byte,
                &mut SystemRandom,
            )
            .unwrap()
    });
}

/// Reading a key, which a page does once.
#[divan::bench]
fn read_key(bencher: Bencher) {
    let vectors: Value = serde_json::from_str(include_str!("../tests/vectors/greenpay.json")).unwrap();
    let text = vectors["rsa_keys"]["t2048"]["public_spki_base64_one_line"]
        .as_str()
        .unwrap()
        .to_owned();
    bencher.bench(|| PublicKey::parse(black_box(&text)).unwrap());
}

/// Every problem of a card.
#[divan::bench]
fn check_card(bencher: Bencher) {
    let input = typed();
    bencher.bench(|| check(black_box(&input), &TOKEN_RULES, NOW));
}

/// The brands of a number, at every digit that is typed.
#[divan::bench(args = ["4", "6011", "4242424242424242"])]
fn brands(number: &str) -> Vec<Brand> {
    Brand::candidates(black_box(number))
}

/// A number in groups, with its caret.
#[divan::bench]
fn format_number() -> impl Sized {
    format::card_number(black_box("4242424242424242"), Some(16))
}

/// A line of a log.
#[divan::bench]
fn mask() -> String {
    redact::card_digits(black_box(
        "POST /v1/payments 201 order 2026-000123 card 4242 4242 4242 4242 in 12 ms",
    ))
}
