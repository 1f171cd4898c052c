//! What is packed is what was typed, for any card: opened here with the private key by the libraries' own
//! decryption, not by ours.
#![cfg(not(target_arch = "wasm32"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::card::{Brand, Card, CardInput, check};
use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::{Counter, GreenPay, Packed, Payload, TOKEN_RULES};
use cardseal::random::SystemRandom;
use cardseal::redact;
use ctr::cipher::{KeyIvInit, StreamCipher};
use proptest::prelude::*;
use rsa::PrivateKey;
use rsa::pkcs1::DecodeRsaPrivateKey;
use serde_json::{Value, json};

const NOW: f64 = 1_795_219_200_000.0;

fn keys() -> (PublicKey, PrivateKey) {
    let vectors: Value = serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap();
    let pem = vectors["rsa_keys"]["t1024"]["private_pkcs1_pem"]
        .as_str()
        .unwrap();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let private = PrivateKey::from_pkcs1_der(&STANDARD.decode(der).unwrap()).unwrap();
    (
        PublicKey::parse(vectors["rsa_keys"]["t1024"]["public_spki_pem"].as_str().unwrap()).unwrap(),
        private,
    )
}

fn open(packed: &Packed, private: &PrivateKey) -> String {
    let pair: Value = serde_json::from_slice(
        &private
            .pkcs1v15_decrypt(&STANDARD.decode(&packed.lk).unwrap())
            .unwrap(),
    )
    .unwrap();
    let key: [u8; 16] = serde_json::from_value(pair["k"].clone()).unwrap();
    let counter = u128::from(pair["s"].as_u64().unwrap()).to_be_bytes();
    let mut text = hex::decode(&packed.ld).unwrap();
    ctr::Ctr128BE::<aes::Aes128>::new(&key.into(), &counter.into()).apply_keystream(&mut text);
    String::from_utf8(text).unwrap()
}

/// A number of any accepted length, its check digit right.
fn number() -> impl Strategy<Value = String> {
    ("4[0-9]{11}|4[0-9]{14}|5[1-5][0-9]{13}|3[47][0-9]{12}", 0..10_u32).prop_map(|(start, _)| {
        let last = (0..10).find(|last| {
            cardseal::card::luhn(
                format!("{start}{last}")
                    .chars()
                    .map(|c| c.to_digit(10).unwrap())
                    .collect::<Vec<_>>()
                    .into_iter(),
            )
        });
        format!("{start}{}", last.unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_packed_is_what_was_typed(
        number in number(),
        month in 1..=12_u16,
        year in 27..=51_u16,
        cvc in "[0-9]{4}",
        holder in "[\\PC&&[^0-9\u{fffd}]]{5,60}",
        nickname in "[\\PC&&[^0-9\u{fffd}]]{6,24}",
        wide in any::<bool>(),
    ) {
        let (key, private) = keys();
        let amex = Brand::candidates(&number).contains(&Brand::Amex);
        let cvc = &cvc[..if amex { 4 } else { 3 }];
        let input = CardInput {
            number: number.as_str().into(),
            expiry: format!("{month}/{year}").as_str().into(),
            cvc: cvc.into(),
            holder: holder.as_str().into(),
            nickname: Some(nickname.as_str().into()),
        };
        let (holder, nickname) = (holder.trim(), nickname.trim());
        prop_assume!(holder.chars().count() >= 5 && nickname.chars().count() >= 6);
        prop_assume!(nickname.encode_utf16().count() <= 49);
        let card = Card::parse(&input, &TOKEN_RULES, NOW).unwrap();
        let counter = if wide { Counter::Integer } else { Counter::Byte };
        let packed = GreenPay::new(key).pack(Payload::NewToken(&card), counter, &mut SystemRandom).unwrap();
        let text = open(&packed, &private);
        // Nothing above the basic plane stands in it raw, and it reads as exactly the card.
        let raw = text.chars().any(|c| c > '\u{ffff}');
        prop_assert!(!raw);
        prop_assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            json!({"card": {
                "cardHolder": holder, "expirationDate": {"month": month, "year": year},
                "cardNumber": number, "cvc": cvc, "nickname": nickname,
            }})
        );
    }

    #[test]
    fn no_input_makes_the_check_panic_or_speak(
        number in "\\PC*|.*", expiry in "\\PC*|.*", cvc in ".*", holder in ".*", nickname in proptest::option::of(".*"),
        now in proptest::num::f64::ANY,
    ) {
        let input = CardInput {
            number: number.as_str().into(),
            expiry: expiry.as_str().into(),
            cvc: cvc.as_str().into(),
            holder: holder.as_str().into(),
            nickname: nickname.as_deref().map(Into::into),
        };
        let checked = check(&input, &TOKEN_RULES, now);
        prop_assert_eq!(checked.card.is_some(), checked.problems.is_empty());
    }

    #[test]
    fn no_text_makes_a_key(text in "\\PC*|.*|[0-9a-f]{0,600}|[A-Za-z0-9+/=\\\\n ]{0,400}") {
        prop_assert!(PublicKey::parse(&text).is_err());
    }

    #[test]
    fn a_damaged_key_is_an_error_or_a_key_and_never_a_panic(at in 0..162_usize, to in any::<u8>()) {
        let vectors: Value = serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap();
        let bare = vectors["rsa_keys"]["t1024"]["public_spki_base64_one_line"].as_str().unwrap();
        let mut der = STANDARD.decode(bare).unwrap();
        der[at] = to;
        if let Ok(key) = PublicKey::parse(&hex::encode(der)) {
            prop_assert!(key.bits() >= 1016);
        }
    }

    #[test]
    fn masking_leaves_no_card_number(before in "\\PC{0,20}", number in number(), after in "\\PC{0,20}") {
        let masked = redact::card_digits(&format!("{before} {number} {after}"));
        prop_assert!(!masked.contains(&number));
        prop_assert!(!redact::holds_card_number(&masked));
    }
}

/// Pseudo-random, so that a failure can be repeated (xorshift64*).
struct Digits(u64);

impl Digits {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let count = u64::try_from(letters.len()).unwrap();
        let mut letter = || letters[usize::try_from((self.next() >> 32) % count).unwrap()];
        (0..length).map(|_| letter()).collect()
    }
}

const HEX: &str = "0123456789abcdef";

#[test]
fn identifiers_of_the_common_forms_are_no_card_numbers() {
    let mut digits = Digits(0x9e37_79b9_7f4a_7c15);
    for _ in 0..100_000 {
        let hex = digits.text(HEX, 32);
        let part = |range| hex.get(range).unwrap();
        let uuid = format!(
            "{}-{}-{}-{}-{}",
            part(0..8),
            part(8..12),
            part(12..16),
            part(16..20),
            part(20..32)
        );
        for id in [
            hex.to_uppercase(),
            format!("PMT_{uuid}"),
            uuid,
            digits.text(HEX, 40),
            digits.text(HEX, 64),
            digits.text(
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
                22,
            ),
            format!("01{}", digits.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", 24)),
            format!("INV{}", digits.text("0123456789", 16)),
            hex,
        ] {
            assert!(!redact::holds_card_number(&id), "{id}");
        }
    }
}

#[test]
fn card_numbers_are_card_numbers_in_every_form() {
    for number in [
        "4242424242424242",
        "4222222222222",
        "4012000033330026",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "6011111111111117",
        "30569309025904",
        "36227206271667",
        "3530111333300000",
        "6200000000000005",
        "6759649826438453",
        "2200000000000004",
        "6062825624254001",
        "6362970000457013",
        "6703444444444449",
        "4571000000000001",
    ] {
        let mut forms = vec![number.to_owned()];
        for separator in [
            " ", "-", ".", "/", "_", "\u{a0}", "\u{2013}", "\u{2022}", "\u{200b}", " - ",
        ] {
            for group in [1, 2, 4, 6] {
                let digits: Vec<char> = number.chars().collect();
                let groups: Vec<String> = digits.chunks(group).map(|group| group.iter().collect()).collect();
                forms.push(groups.join(separator));
            }
        }
        forms.push(
            number
                .chars()
                .map(|c| char::from_u32(u32::from(c) + 0xfee0).unwrap())
                .collect(),
        );
        for form in forms {
            for text in [
                form.clone(),
                format!("card {form}, thanks"),
                format!("card:{form};"),
                format!("{{\"number\":\"{form}\"}}"),
                format!("{{\\\"note\\\":\\\"a\\n{form}\\\"}}"),
                format!("\u{30ab}\u{30fc}\u{30c9}{form}\u{3067}\u{3059}"),
                format!("9c17a1fa-8e72-4163-8274-9896cdf3942f {form}"),
            ] {
                assert!(redact::holds_card_number(&text), "{text}");
                assert!(redact::typed_card_number(&text), "{text}");
                assert!(!redact::holds_card_number(&redact::card_digits(&text)), "{text}");
            }
        }
    }
}
