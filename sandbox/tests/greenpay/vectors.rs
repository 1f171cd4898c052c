//! The shared vectors against the receiver.

use cardseal::card::Card;
use cardseal_sandbox::SandboxOptions;
use serde_json::{Value, json};

use super::shop::{Answer, Order, Sealed, Shop, seal};

const VECTORS: &str = include_str!("../../../tests/vectors/greenpay.json");

fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

async fn shop_with_key(name: &str) -> Shop {
    let private_key = vectors()["rsa_keys"][name]["private_pkcs1_pem"]
        .as_str()
        .map(str::to_owned);
    Shop::open_with(SandboxOptions {
        private_key,
        ..SandboxOptions::default()
    })
    .await
}

fn wrong_pair(answer: &Answer) -> bool {
    answer.error() == "Session not exists or is wrong"
}

/// Whether what a vector packs is accepted for a token: it always has a good card.
async fn accepts(shop: &Shop, vector: &Value, ld: &str) -> bool {
    let plain: Value = serde_json::from_str(vector["plaintext"].as_str().unwrap()).unwrap();
    let payment = plain.get("kountSession").is_some();
    let order = if payment {
        shop.payment_order("v").await
    } else {
        shop.token_order().await
    };
    let lk = vector["lk_plaintext"].as_str().unwrap();
    let Sealed { lk, .. } = seal(&shop.info().public_key, b"", [0; 16], 0, lk);
    let path = if payment { "/" } else { "/tokenize" };
    let sealed = Sealed { ld: ld.into(), lk };
    let answer = Answer::of(shop.send(path, &order, &sealed).await.unwrap()).await;
    if wrong_pair(&answer) {
        return false;
    }
    if payment {
        // The vector's card is one of those that the bank declines.
        assert_eq!(answer.body["result"]["resp_code"], "05", "{answer:?}");
    } else {
        let number = plain["card"]["cardNumber"].as_str().unwrap();
        assert_eq!(
            answer.body["result"]["last_digits"],
            number[number.len() - 4..],
            "{answer:?}"
        );
        assert_eq!(answer.body["nickname"], plain["card"]["nickname"], "{answer:?}");
        assert_eq!(
            answer.body["cardHolder"], plain["card"]["cardHolder"],
            "{answer:?}"
        );
    }
    true
}

#[tokio::test]
async fn takes_every_vector_in_both_arithmetics() {
    let shop = shop_with_key("t2048").await;
    for vector in vectors()["aes_ctr"].as_array().unwrap() {
        let id = &vector["id"];
        let newer = vector["ld_hex"].as_str().unwrap();
        let older = vector["disagreeing_aes_js"][0]["ld_hex"]
            .as_str()
            .unwrap_or(newer);
        shop.set(&json!({ "counter_arithmetic": "new" }));
        assert!(accepts(&shop, vector, newer).await, "{id}");
        if newer != older {
            assert!(!accepts(&shop, vector, older).await, "{id}");
        }
        shop.set(&json!({ "counter_arithmetic": "old" }));
        assert!(accepts(&shop, vector, older).await, "{id}");
        if newer != older {
            assert!(!accepts(&shop, vector, newer).await, "{id}");
        }
    }
}

#[tokio::test]
async fn the_broken_decoder_mangles_or_refuses_raw_four_byte_characters() {
    let shop = shop_with_key("t2048").await;
    shop.set(&json!({ "utf8_decoder": "aes_js_3" }));
    for vector in vectors()["aes_ctr"].as_array().unwrap() {
        if vector["decodes_with_aes_js_3_1_2_utf8_fromBytes"] == true {
            assert!(
                accepts(&shop, vector, vector["ld_hex"].as_str().unwrap()).await,
                "{}",
                vector["id"]
            );
            continue;
        }
        let plain: Value = serde_json::from_str(vector["plaintext"].as_str().unwrap()).unwrap();
        let answer = shop
            .check_out("/tokenize", &shop.token_order().await, &plain)
            .await;
        assert_eq!(answer.http, 200);
        assert_ne!(answer.body["cardHolder"], plain["card"]["cardHolder"]);
        // Before a quote, nothing of the JSON is left.
        let plain = super::shop::with(plain, "card/nickname", json!("my visa 💳"));
        let answer = shop
            .check_out("/tokenize", &shop.token_order().await, &plain)
            .await;
        assert!(wrong_pair(&answer), "{answer:?}");
    }
}

#[tokio::test]
async fn unwraps_every_lk() {
    for name in ["t1024", "t2048"] {
        let shop = shop_with_key(name).await;
        let own = vectors()["rsa_keys"][name]["public_spki_base64_one_line"].clone();
        assert_eq!(shop.info().public_key, own);
        for vector in vectors()["lk"].as_array().unwrap() {
            let pair: Value = serde_json::from_str(vector["decrypts_to"].as_str().unwrap()).unwrap();
            let key: Vec<u8> = serde_json::from_value(pair["k"].clone()).unwrap();
            let block = match serde_json::from_value::<[u8; 16]>(pair["s"].clone()) {
                Ok(block) => u128::from_be_bytes(block),
                Err(_) => pair["s"].as_u64().unwrap().into(),
            };
            let plain = super::shop::card("4242424242424242").to_string();
            let Sealed { ld, .. } = seal(
                &shop.info().public_key,
                plain.as_bytes(),
                key.try_into().unwrap(),
                block,
                "x",
            );
            let sealed = Sealed {
                ld,
                lk: vector["lk_base64"].as_str().unwrap().into(),
            };
            let answer = Answer::of(
                shop.send("/tokenize", &shop.token_order().await, &sealed)
                    .await
                    .unwrap(),
            )
            .await;
            assert_eq!(
                wrong_pair(&answer),
                vector["key"] != name,
                "{} {answer:?}",
                vector["id"]
            );
        }
    }
}

#[tokio::test]
async fn takes_the_request_vectors_as_they_are() {
    let shop = shop_with_key("t1024").await;
    for vector in vectors()["requests"].as_array().unwrap() {
        let order = shop.token_order().await;
        let mut body = vector["body"].clone();
        body["session"] = order.session.into();
        let method = vector["method"].as_str().unwrap().parse().unwrap();
        let mut request = shop
            .http
            .request(method, shop.checkout_url(vector["path"].as_str().unwrap()));
        for (name, value) in vector["headers"].as_object().unwrap() {
            let value = if name == "liszt-token" {
                &order.token
            } else {
                value.as_str().unwrap()
            };
            request = request.header(name, value);
        }
        let answer = Answer::of(request.body(body.to_string()).send().await.unwrap()).await;
        if vector["id"] == "tokenize" {
            assert_eq!(
                (answer.http, &answer.body["status"]),
                (200, &json!(201)),
                "{answer:?}"
            );
            assert_eq!(answer.body["expiration_date"], "3009");
        } else {
            // It opens; the token inside is of another merchant.
            assert_eq!(answer.error(), "Invalid card token", "{answer:?}");
        }
    }
}

#[tokio::test]
async fn opens_what_the_browser_half_packs() {
    use cardseal::crypto::public_key::PublicKey;
    use cardseal::greenpay::{Counter, GreenPay, Payload};
    use cardseal::random::SystemRandom;

    for (bits, counters) in [
        (1024, &[Counter::Byte, Counter::Integer][..]),
        (2048, &[Counter::Byte, Counter::Integer, Counter::Block]),
    ] {
        let shop = Shop::open_with(SandboxOptions {
            key_bits: bits,
            ..SandboxOptions::default()
        })
        .await;
        shop.set(&json!({ "utf8_decoder": "aes_js_3", "counter_arithmetic": "old" }));
        let packer = GreenPay::new(PublicKey::parse(&shop.info().public_key).unwrap());
        for counter in counters {
            let order: Order = shop.token_order().await;
            let card = packed_card();
            let packed = packer
                .pack(Payload::NewToken(&card), *counter, &mut SystemRandom)
                .unwrap();
            let sealed = Sealed {
                ld: packed.ld,
                lk: packed.lk,
            };
            let answer = Answer::of(shop.send("/tokenize", &order, &sealed).await.unwrap()).await;
            assert_eq!(answer.body["nickname"], "visa 💳 mía", "{counter:?} {answer:?}");
        }
    }
}

fn packed_card() -> Card {
    use cardseal::card::{CardInput, Secret};
    use cardseal::greenpay::TOKEN_RULES;

    let text = |text: &str| Secret::new(text.to_owned());
    let input = CardInput {
        number: text("4242 4242 4242 4242"),
        expiry: text("12/30"),
        cvc: text("123"),
        holder: text("Ana 😀 Mora"),
        nickname: Some(text("visa 💳 mía")),
    };
    Card::parse(&input, &TOKEN_RULES, 1_790_000_000_000.0).unwrap()
}
