//! Against the platform's vectors: what its own clients encrypted.

use serde_json::{Value as Json, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::*;
use crate::card::{CardInput, Rules};

const NOW: f64 = 1_795_219_200_000.0;

fn vectors() -> Json {
    serde_json::from_str(include_str!("../../../tests/vectors/online-payments.json")).unwrap()
}

fn value<'a>(plain: &'a Json, key: &str) -> &'a str {
    let values = plain["paymentValues"].as_array().unwrap();
    let pair = values.iter().find(|pair| pair["key"] == key).unwrap();
    pair["value"].as_str().unwrap()
}

#[test]
fn the_payload_is_the_vectors_byte_for_byte() {
    let mut seen = 0;
    for vector in vectors()["jwe"].as_array().unwrap() {
        let id = vector["id"].as_str().unwrap();
        // A token request without a name and a security code is never made here.
        if id.contains("partial") {
            continue;
        }
        let text = vector["plaintext_utf8"].as_str().unwrap();
        let plain: Json = serde_json::from_str(text).unwrap();
        let expiry = value(&plain, "expiryDate");
        let input = CardInput {
            number: value(&plain, "cardNumber").into(),
            expiry: expiry.into(),
            cvc: value(&plain, "cvv").into(),
            holder: value(&plain, "cardholderName").into(),
            ..CardInput::default()
        };
        let from = text.find("{\"timezone").unwrap();
        let payload = Payload {
            session: plain["clientSessionId"].as_str().unwrap(),
            nonce: hex::decode(plain["nonce"].as_str().unwrap())
                .unwrap()
                .try_into()
                .unwrap(),
            product: plain["paymentProductId"].as_i64().unwrap(),
            purpose: match plain.get("tokenize") {
                Some(tokenize) => Purpose::Payment {
                    tokenize: tokenize.as_bool().unwrap(),
                },
                None => Purpose::Token,
            },
            short_year: expiry.len() == 4,
            device: &text[from..text.find(",\"paymentValues\"").unwrap()],
        };
        let card = Card::parse(&input, &Rules::COMMON, NOW).unwrap();
        assert_eq!(payload.write(&card).into_string(), text, "{id}");
        seen += 1;
    }
    assert_eq!(seen, 3);
}

#[test]
fn no_more_than_eight_digits_leave_the_page() {
    for (digits, first) in [
        ("", None),
        ("45673", None),
        ("456735", Some("456735")),
        ("4567350", Some("456735")),
        ("45673500", Some("45673500")),
        ("4567350000427977", Some("45673500")),
    ] {
        assert_eq!(bin(digits), first, "{digits}");
    }
}

fn asked(query: &Query<'_>, context: &Context<'_>) -> Json {
    let session = ClientSession {
        id: "0123",
        base: "https://x.example/client/v1/9991-0".into(),
    };
    serde_json::from_str(&request(&session, query, context, "bWV0YQ==").into_string()).unwrap()
}

#[test]
fn asks_the_client_api_as_its_own_client_does() {
    let none = Context::default();
    let full = Context {
        country: Some("DE"),
        currency: Some("EUR"),
        amount: Some(123_456_789_012),
        recurring: true,
    };
    let key = asked(&Query::PublicKey, &none);
    assert_eq!(key["method"], "GET");
    assert_eq!(key["url"], "https://x.example/client/v1/9991-0/crypto/publickey");
    assert_eq!(key.get("body"), None);
    assert_eq!(key["headers"]["authorization"], "GCS v1Client:0123");
    assert_eq!(key["headers"]["content-type"], "application/json");
    assert_eq!(key["headers"]["x-gcs-clientmetainfo"], "bWV0YQ==");
    assert_eq!(
        asked(&Query::Products, &full)["url"],
        "https://x.example/client/v1/9991-0/products?hide=fields&isRecurring=true&countryCode=DE&amount=123456789012&currencyCode=EUR"
    );
    assert_eq!(
        asked(&Query::Product(3), &none)["url"],
        "https://x.example/client/v1/9991-0/products/3?isRecurring=false"
    );
    let iin = asked(&Query::IinDetails("45673500"), &full);
    assert_eq!(iin["method"], "POST");
    assert_eq!(
        iin["url"],
        "https://x.example/client/v1/9991-0/services/getIINdetails"
    );
    assert_eq!(
        iin["body"],
        r#"{"bin":"45673500","paymentContext":{"countryCode":"DE","amountOfMoney":{"amount":123456789012,"currencyCode":"EUR"},"isRecurring":true}}"#
    );
    assert_eq!(
        asked(&Query::IinDetails("456735"), &none)["body"],
        r#"{"bin":"456735"}"#
    );
}

#[test]
fn tells_errors_apart() {
    let read = |status, body: Json| read_error(status, &Value::parse(&body.to_string()).unwrap());
    let body = |fields: Json| json!({ "errorId": "x", "errors": [fields] });
    let expired = read(
        403,
        body(json!({ "code": "9008", "id": "ACCESS_TO_CONSUMER_ID_NOT_ALLOWED" })),
    );
    assert_eq!(expired.code(), Code::SessionExpired);
    let refused = read(
        403,
        body(json!({ "code": "9002", "message": "4567350000427977" })),
    );
    assert_eq!(
        (refused.code(), refused.platform_code(), refused.status()),
        (Code::PlatformRejected, Some("9002"), Some(403))
    );
    assert_eq!(refused.platform_message(), Some("****************"));
    let new = read(400, body(json!({ "code": "1008", "errorCode": "50001111" })));
    assert_eq!(new.platform_code(), Some("50001111"));
    let named = read(404, body(json!({ "id": "UNKNOWN_PRODUCT_ID" })));
    assert_eq!(named.platform_code(), Some("UNKNOWN_PRODUCT_ID"));
    for (status, body, code) in [
        (500, json!({}), Code::PlatformUnavailable),
        (503, json!(null), Code::PlatformUnavailable),
        (404, json!(null), Code::AnswerMalformed),
        (404, json!({ "errors": [] }), Code::AnswerMalformed),
        (200, json!([]), Code::AnswerMalformed),
        (302, body(json!({ "code": "1" })), Code::AnswerMalformed),
    ] {
        assert_eq!(read(status, body).code(), code, "{status}");
    }
}
