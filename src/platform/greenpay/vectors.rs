//! Tests with the byte-exact vectors of `tests/vectors/greenpay.json`, natively and in a browser.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::card::CardInput;
use crate::crypto::rsa_verify;
use crate::error::Error;
use crate::http::Request;
use crate::random::SystemRandom;

const NOW: f64 = 1_795_219_200_000.0;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/greenpay.json")).unwrap()
}

fn list<'a>(vectors: &'a Value, name: &str) -> &'a Vec<Value> {
    let list = vectors[name].as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn key(vectors: &Value, name: &str) -> PublicKey {
    PublicKey::parse(vectors["rsa_keys"][name]["public_spki_pem"].as_str().unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap())
        .collect()
}

/// Returns the given bytes, then fails.
struct Script(Vec<u8>);

impl Random for Script {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        if self.0.len() < bytes.len() {
            return Err(Code::RandomUnavailable.into());
        }
        let drawn: Vec<u8> = self.0.drain(..bytes.len()).collect();
        bytes.copy_from_slice(&drawn);
        Ok(())
    }
}

/// Returns the given bytes for key and counter, then random padding.
struct Then(Script);

impl Random for Then {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.0.fill(bytes).or_else(|_| SystemRandom.fill(bytes))
    }
}

fn card(nickname: Option<&str>) -> Card {
    let input = CardInput {
        number: "4242424242424242".into(),
        expiry: "12/30".into(),
        cvc: "123".into(),
        holder: "Tico payment user".into(),
        nickname: nickname.map(Into::into),
    };
    Card::parse(&input, &PAYMENT_RULES, NOW).unwrap()
}

#[test]
fn every_ld_is_byte_exact() {
    for vector in list(&vectors(), "aes_ctr") {
        let key: [u8; 16] = bytes(&vector["k"]).try_into().unwrap();
        let block = hex::decode(vector["initial_counter_block_hex"].as_str().unwrap()).unwrap();
        let mut text = hex::decode(vector["plaintext_utf8_hex"].as_str().unwrap()).unwrap();
        assert_eq!(text, vector["plaintext"].as_str().unwrap().as_bytes());
        aes_ctr::apply(&key, &block.try_into().unwrap(), &mut text);
        assert_eq!(
            hex::encode(text),
            vector["ld_hex"].as_str().unwrap(),
            "{}",
            vector["id"]
        );
    }
}

#[test]
fn every_counter_and_wrapped_text_in_our_range_is_byte_exact() {
    let mut made = 0;
    for vector in list(&vectors(), "aes_ctr") {
        let start = match &vector["s"] {
            Value::Number(s) => match u32::try_from(s.as_u64().unwrap()) {
                Ok(s) if s <= i32::MAX.cast_unsigned() => Start::Integer(s),
                _ => continue,
            },
            Value::Array(_) => Start::Block(bytes(&vector["s"]).try_into().unwrap()),
            Value::Null | Value::Bool(_) | Value::String(_) | Value::Object(_) => continue,
        };
        let pair = Pair {
            key: Zeroizing::new(bytes(&vector["k"]).try_into().unwrap()),
            start,
        };
        assert_eq!(
            hex::encode(pair.start.block()),
            vector["initial_counter_block_hex"].as_str().unwrap()
        );
        assert_eq!(
            *pair.to_json(),
            vector["lk_plaintext"].as_str().unwrap(),
            "{}",
            vector["id"]
        );
        made += 1;
    }
    assert_eq!(made, 14);
}

#[test]
fn a_drawn_pair_gives_the_vectors_ld() {
    // The random bytes: sixteen for the key, then those of the counter.
    let vectors = vectors();
    let mut made = 0;
    for vector in list(&vectors, "aes_ctr") {
        let (form, drawn) = match (&vector["s"], vector["s"].as_u64()) {
            (_, Some(s @ 0..=254)) => (Counter::Byte, vec![u8::try_from(s).unwrap()]),
            (_, Some(s @ 255..=0x7fff_ffff)) => (
                Counter::Integer,
                (u32::try_from(s).unwrap() << 1).to_be_bytes().to_vec(),
            ),
            (Value::Array(_), _) => (Counter::Block, bytes(&vector["s"])),
            _ => continue,
        };
        let mut random = Then(Script([bytes(&vector["k"]), drawn].concat()));
        let text = Zeroizing::new(vector["plaintext"].as_str().unwrap().as_bytes().to_vec());
        let (ld, lk) = GreenPay::new(key(&vectors, "t2048"))
            .seal(text, form, &mut random)
            .unwrap();
        assert_eq!(ld, vector["ld_hex"].as_str().unwrap(), "{}", vector["id"]);
        assert_eq!(lk.len(), 256);
        made += 1;
    }
    assert_eq!(made, 14);
}

#[test]
fn the_wrap_is_byte_exact_with_the_vectors_filler() {
    let vectors = vectors();
    for vector in list(&vectors, "lk") {
        let text = vector["decrypts_to"].as_str().unwrap();
        let filler = hex::decode(vector["padding_ps_hex"].as_str().unwrap()).unwrap();
        let key = key(&vectors, vector["key"].as_str().unwrap());
        let sealed = rsa_wrap::encrypt(&key, text.as_bytes(), &mut Script(filler)).unwrap();
        let expected = STANDARD.decode(vector["lk_base64"].as_str().unwrap()).unwrap();
        // Older clients omit leading zeros of the ciphertext; this one does not.
        assert_eq!(sealed.len(), key.modulus_bytes());
        assert_eq!(
            sealed.split_at(sealed.len() - expected.len()).1,
            expected,
            "{}",
            vector["id"]
        );
        assert!(
            sealed
                .iter()
                .take(sealed.len() - expected.len())
                .all(|byte| *byte == 0)
        );
    }
}

#[test]
fn every_signature_is_judged_right() {
    let vectors = vectors();
    for vector in list(&vectors, "signatures") {
        let key = key(&vectors, vector["key"].as_str().unwrap());
        let message = vector["signed_string"].as_str().unwrap();
        let verify = |hex: &str| rsa_verify::verify(&key, message.as_bytes(), hex);
        let signature = vector["signature_hex"].as_str().unwrap();
        let id = vector["id"].as_str().unwrap();
        assert_eq!(verify(signature), !id.starts_with("negative"), "{id}");
        if let Some(stripped) = vector["signature_hex_stripped"].as_str() {
            assert!(verify(stripped) && verify(&signature.to_uppercase()));
        }
        assert!(!verify(&format!("00{signature}")) && !verify(&signature.replace('0', "g")) && !verify(""));
    }
}

#[test]
fn every_request_is_the_vectors() {
    let vectors = vectors();
    for vector in list(&vectors, "requests") {
        let packed = Packed {
            ld: vector["body"]["ld"].as_str().unwrap().into(),
            lk: vector["body"]["lk"].as_str().unwrap().into(),
        };
        let target = Target::Direct {
            hosts: Hosts::Custom("https://checkout.example/".into()),
            session: vector["body"]["session"].as_str().unwrap().into(),
            token: vector["headers"]["liszt-token"].as_str().unwrap().into(),
        };
        let verb = if vector["id"] == "tokenize" {
            Verb::Tokenize
        } else {
            Verb::UpdateToken
        };
        let Request {
            method,
            url,
            headers,
            body,
        } = verb.request(&target, &packed);
        assert_eq!(method, vector["method"].as_str().unwrap());
        assert_eq!(
            url,
            format!("https://checkout.example{}", vector["path"].as_str().unwrap())
        );
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), vector["body"]);
        for (name, value) in vector["headers"].as_object().unwrap() {
            assert!(
                headers
                    .iter()
                    .any(|(n, v)| n.eq_ignore_ascii_case(name) && v == value),
                "{name}"
            );
        }
        assert_eq!(headers.len(), vector["headers"].as_object().unwrap().len());
    }
}

#[test]
fn the_plaintexts_have_the_platforms_shape() {
    let card = card(Some("nickname"));
    let json = |payload| plaintext(payload).to_string();
    let inner = r#"{"cardHolder":"Tico payment user","expirationDate":{"month":12,"year":30},"cardNumber":"4242424242424242","cvc":"123","nickname":"nickname"}"#;
    assert_eq!(json(Payload::NewToken(&card)), format!(r#"{{"card":{inner}}}"#));
    assert_eq!(
        json(Payload::UpdateToken(
            &card,
            "1c3a0f89-1515-402c-88e5-50814f854706"
        )),
        format!(r#"{{"card":{inner},"token":"1c3a0f89-1515-402c-88e5-50814f854706"}}"#)
    );
    assert_eq!(
        json(Payload::Payment {
            card: &card,
            tokenize: false,
            kount_session: Some("abc")
        }),
        format!(r#"{{"card":{inner},"tokenize":false,"kountSession":"abc"}}"#)
    );
    assert_eq!(
        json(Payload::Payment {
            card: &card,
            tokenize: false,
            kount_session: None
        }),
        format!(r#"{{"card":{inner}}}"#)
    );
}

#[test]
fn the_array_counter_needs_room_and_is_refused_before_encrypting() {
    let vectors = vectors();
    for name in ["t1024", "t1023"] {
        let greenpay = GreenPay::new(key(&vectors, name));
        let error = greenpay.pack(
            Payload::NewToken(&card(Some("nickname"))),
            Counter::Block,
            &mut Script(vec![]),
        );
        assert_eq!(error.err(), Some(Error::new(Code::CounterDoesNotFit)));
        // The longest integer form fits the smallest key: 28 fixed bytes, 48 of key, 10 of counter.
        let mut random = Then(Script([vec![255; 16], vec![255; 4]].concat()));
        greenpay
            .pack(
                Payload::NewToken(&card(Some("nickname"))),
                Counter::Integer,
                &mut random,
            )
            .unwrap();
    }
    let greenpay = GreenPay::new(key(&vectors, "t2048"));
    let mut random = Then(Script(vec![255; 32]));
    greenpay
        .pack(
            Payload::NewToken(&card(Some("nickname"))),
            Counter::Block,
            &mut random,
        )
        .unwrap();
    assert_eq!(LONGEST_BLOCK_WRAP, 141);
}

#[test]
fn without_randomness_there_is_an_error_at_every_draw() {
    // The source fails in turn at the key, the counter byte (255 is drawn again) and the padding.
    let greenpay = GreenPay::new(key(&vectors(), "t1024"));
    for drawn in [0, 15, 16, 17, 18, 40, 70] {
        let mut random = Script(vec![255; drawn]);
        let packed = greenpay.pack(
            Payload::NewToken(&card(Some("nickname"))),
            Counter::Byte,
            &mut random,
        );
        assert_eq!(packed.err(), Some(Error::new(Code::RandomUnavailable)), "{drawn}");
    }
}

#[test]
fn draws_every_value_and_never_the_same_key_twice() {
    let mut keys = std::collections::HashSet::new();
    let mut highest = 0;
    let mut full = false;
    for _ in 0..4_000 {
        let pair = Pair::draw(Counter::Byte, &mut SystemRandom).unwrap();
        let Start::Integer(start) = pair.start else {
            panic!()
        };
        assert!(start <= 254);
        highest = highest.max(start);
        full |= pair.key.contains(&255);
        assert!(keys.insert(*pair.key));
    }
    assert!(highest == 254 && full);
}
