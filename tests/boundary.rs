//! The JavaScript boundary, whatever a page hands over: natively, and in a real browser.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use cardseal::boundary::Module;
use cardseal::random::SystemRandom;
use serde_json::{Value, json};
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

#[cfg(target_arch = "wasm32")]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

const NOW: i64 = 1_795_219_200_000;

fn call(module: &mut Module, name: &str, arguments: &[Value]) -> Result<Value, Value> {
    let mut input = vec![json!(name), json!(NOW)];
    input.extend_from_slice(arguments);
    let output = module.call(&Value::from(input).to_string(), &mut SystemRandom);
    let output: Value = serde_json::from_str(&output).unwrap();
    match output.get(0) {
        Some(result) => Ok(result.clone()),
        None => Err(output),
    }
}

fn open(platform: &str, options: Value) -> Result<Module, Value> {
    let mut module = Module::default();
    call(&mut module, "open", &[json!(platform), options]).map(|_| module)
}

fn key(name: &str) -> String {
    let vectors: Value = serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap();
    vectors["rsa_keys"][name]["public_spki_base64_one_line"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn greenpay() -> Module {
    open("greenpay", json!({"publicKey": key("t1024")})).unwrap()
}

fn card() -> Value {
    json!({"number": "4242 4242 4242 4242", "expiry": "12/30", "cvc": "123", "holder": "Ana Mora", "nickname": "My Visa"})
}

fn order() -> Value {
    json!({"session": "2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90", "token": "7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11"})
}

fn tokenize(module: &mut Module, session: Value, card: Value) -> Result<Value, Value> {
    call(module, "tokenizeRequest", &[session, card, json!({})])
}

#[test]
fn packs_a_card_into_a_request() {
    let mut module = Module::default();
    let facts = call(
        &mut module,
        "open",
        &[json!("greenpay"), json!({"publicKey": key("t1024")})],
    );
    assert_eq!(facts.unwrap(), json!({"bits": 1024, "isShort": true}));
    let request = tokenize(&mut module, order(), card()).unwrap();
    assert_eq!(request["url"], "https://sandbox-checkout.greenpay.me/tokenize");
    assert_eq!(request["method"], "POST");
    assert_eq!(
        request["headers"]["liszt-token"],
        "7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11"
    );
    let body: Value = serde_json::from_str(request["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["lk"].as_str().unwrap().len(), 172);
    let ld = body["ld"].as_str().unwrap();
    assert!(ld.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')));
}

#[test]
fn an_encryptor_cannot_exist_without_a_key() {
    for (options, code) in [
        (json!({}), "key_missing"),
        (json!({"publicKey": ""}), "key_missing"),
        (json!({"publicKey": "junk"}), "key_malformed"),
        (json!({"publicKey": 7}), "type_invalid"),
        (Value::Null, "key_missing"),
    ] {
        assert_eq!(
            open("greenpay", options.clone()).err().unwrap()["code"],
            code,
            "{options}"
        );
    }
    let error = open("nobody", json!({})).err().unwrap();
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("option_invalid"), &json!("platform"))
    );
    // What belongs to a platform is refused before there is one.
    let error = call(&mut Module::default(), "pack", &[json!({"card": card()})]).unwrap_err();
    assert_eq!(error["code"], "type_invalid");
}

#[test]
fn only_safe_hosts_are_taken() {
    let open = |url: &str| {
        open(
            "greenpay",
            json!({"publicKey": key("t1024"), "environment": {"checkout": url}}),
        )
    };
    for url in [
        "http://shop.example",
        "http://127.0.0.1.example",
        "http://[::1].example",
        "ftp://x",
        "https://",
        "https://a b",
        "https://u@h",
        "//x",
        "javascript:1",
    ] {
        let Err(error) = open(url) else {
            panic!("{url}");
        };
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("option_invalid"), &json!("environment")),
            "{url}"
        );
    }
    for url in [
        "https://c.example",
        "http://127.0.0.1:81/x/",
        "http://localhost",
        "http://[::1]:9",
    ] {
        assert!(open(url).is_ok(), "{url}");
    }
}

#[test]
fn an_old_session_is_refused_before_the_card_is_looked_at() {
    let mut module = greenpay();
    let mut made = |created: Value, card| {
        let mut session = order();
        session["created_at"] = created;
        tokenize(&mut module, session, card).unwrap_err()["code"].clone()
    };
    assert_eq!(made(json!(NOW - 1_800_000), Value::Null), "session_expired");
    // A second younger it is the missing card that is refused.
    assert_eq!(made(json!(NOW - 1_799_000), Value::Null), "type_invalid");
    // JavaScript has made a number of every time; a text is one that it could not read.
    assert_eq!(made(json!("yesterday"), card()), "session_malformed");
    let mut session = order();
    session["token"] = json!("\r\nx");
    assert_eq!(
        tokenize(&mut module, session, card()).unwrap_err()["code"],
        "session_malformed"
    );
}

#[test]
fn bad_values_are_named_and_never_repeated() {
    let mut module = greenpay();
    for (name, value) in [
        ("number", json!(4_242_424_242_424_242_i64)),
        ("cvc", json!(["987"])),
        ("holder", json!({})),
        ("expiry", json!(true)),
    ] {
        let mut card = card();
        card[name] = value;
        let error = tokenize(&mut module, order(), card).unwrap_err();
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("type_invalid"), &json!(name))
        );
        assert!(!error.to_string().contains("4242"));
    }
}

/// A lone surrogate cannot be encoded; it is a problem of its field, not a replaced character.
#[test]
fn unpaired_surrogates_are_a_problem_of_their_field() {
    for (escaped, fine) in [
        (r"\ud800 Ana Mora", false),
        (r"Ana \udc00 Mora", false),
        (r"Ana \ud800\ud800 Mora", false),
        (r"Ana \ud800A Mora", false),
        (r"Ana \ud83d\ude00 Mora", true),
    ] {
        let card = card().to_string().replace("Ana Mora", escaped);
        let input = format!(r#"["validateCard",{NOW},{card},{{"platform":"greenpay"}}]"#);
        let output = Module::default().call(&input, &mut SystemRandom);
        assert_eq!(!output.contains("holder_characters"), fine, "{escaped}: {output}");
        assert_eq!(output.contains(r#""valid":true"#), fine, "{escaped}");
    }
}

#[test]
fn an_expiry_may_be_an_object() {
    let check = |expiry: Value| {
        let mut card = card();
        card["expiry"] = expiry;
        call(
            &mut Module::default(),
            "validateCard",
            &[card, json!({"platform": "greenpay"})],
        )
    };
    for expiry in [
        json!({"month": 5, "year": 2030}),
        json!({"month": "05", "year": "30"}),
        json!({"month": 12, "year": 30}),
    ] {
        assert_eq!(check(expiry.clone()).unwrap()["valid"], true, "{expiry}");
    }
    for (expiry, code) in [
        (json!({}), "expiry_missing"),
        (json!({"month": 5}), "expiry_malformed"),
        (json!({"month": 5.5, "year": 2030}), "expiry_malformed"),
        (json!({"month": 13, "year": 2030}), "expiry_month"),
        (
            json!({"month": "5555555555554444", "year": 30}),
            "expiry_malformed",
        ),
    ] {
        assert_eq!(
            check(expiry.clone()).unwrap()["problems"][0]["code"],
            code,
            "{expiry}"
        );
    }
    assert_eq!(
        check(json!({"month": [], "year": 30})).unwrap_err()["code"],
        "type_invalid"
    );
}

#[test]
fn what_is_no_call_is_refused() {
    for input in [
        "",
        "x",
        "{}",
        "[]",
        "[1]",
        r#"["pack"]"#,
        r#"["pack",null]"#,
        r#"["pack",1.5]"#,
        r#"["pack",1] 2"#,
    ] {
        let output = greenpay().call(input, &mut SystemRandom);
        assert!(output.contains("type_invalid"), "{input}: {output}");
    }
    let deep = format!(
        r#"["validateCard",1,{}{}]"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert!(greenpay().call(&deep, &mut SystemRandom).contains("type_invalid"));
}

#[test]
fn answers_are_read_whatever_they_are() {
    let mut module = greenpay();
    let mut read = |status: u16, answer: Value| call(&mut module, "readToken", &[json!(status), answer]);
    assert_eq!(read(200, json!({})).unwrap_err()["code"], "answer_malformed");
    assert_eq!(
        read(504, Value::Null).unwrap_err()["code"],
        "platform_unavailable"
    );
    let refused = json!({"status": 500, "requestId": "r", "errors": ["Error: Session not found"]});
    for status in [200, 500] {
        let error = read(status, refused.clone()).unwrap_err();
        assert_eq!(
            (&error["code"], &error["platformCode"]),
            (&json!("platform_rejected"), &json!("session_not_found"))
        );
    }
    let mut answer = json!({"status": 201, "requestId": "r0", "errors": [],
        "result": {"token": "t", "bin": "424242", "last_digits": "4242"}});
    assert_eq!(
        read(200, answer.clone()).unwrap_err()["code"],
        "signature_invalid"
    );
    let vectors: Value = serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap();
    answer["requestId"] = json!("xwr-1023");
    answer["_signature"] = vectors["signatures"][1]["signature_hex"].clone();
    assert_eq!(
        read(200, answer).unwrap(),
        json!({"id": "t", "platform": "greenpay", "brand": null, "bin": "424242", "last4": "4242", "expiry": null,
            "holder": null, "nickname": null, "status": "unconfirmed",
            "signature": {"verified": true, "signedFields": ["status", "requestId"]}})
    );
    let mut paid = |status: u16, answer| {
        call(&mut module, "readPayment", &[json!(status), answer]).unwrap()["status"].clone()
    };
    assert_eq!(paid(504, Value::Null), "unknown");
    let approved = json!({"status": 200, "orderId": "o", "authorization": "1", "result": {"success": true, "resp_code": "00"}});
    assert_eq!(paid(200, approved.clone()), "approved");
    let declined = json!({"status": 500, "orderId": "o", "result": {"success": false, "resp_code": "51"}, "errors": ["x"]});
    assert_eq!(paid(500, declined.clone()), "declined");
    assert_eq!(paid(200, declined), "declined");
    // An approval inside a failure, and a failure without a reason, say nothing.
    assert_eq!(paid(500, approved), "unknown");
    assert_eq!(
        paid(
            500,
            json!({"status": 500, "orderId": "o", "result": null, "errors": []})
        ),
        "unknown"
    );
}

#[test]
fn gp_api_requests_and_answers() {
    let mut module = open("gp_api", json!({"environment": "sandbox"})).unwrap();
    let session = json!({"access_token": "t0", "reference": "r-1"});
    let request = tokenize(&mut module, session.clone(), card()).unwrap();
    assert_eq!(
        request["url"],
        "https://apis.sandbox.globalpay.com/ucp/payment-methods"
    );
    assert_eq!(request["headers"]["authorization"], "Bearer t0");
    let expired = json!({"error_code": "NOT_AUTHENTICATED", "detailed_error_code": "40002"});
    let mut read = |status: u16, answer| call(&mut module, "readToken", &[json!(status), answer]);
    assert_eq!(read(401, expired).unwrap_err()["code"], "session_expired");
    let token = read(
        200,
        json!({"id": "PMT_1", "status": "ACTIVE", "card": {"brand": "VISA"}}),
    )
    .unwrap();
    assert_eq!((&token["id"], &token["brand"]), (&json!("PMT_1"), &json!("visa")));
    assert_eq!(read(200, json!([])).unwrap_err()["code"], "answer_malformed");
}

#[test]
fn a_failing_random_source_is_an_error_and_nothing_is_packed() {
    struct Fails(usize);
    impl cardseal::random::Random for Fails {
        fn fill(&mut self, bytes: &mut [u8]) -> cardseal::Result<()> {
            self.0 = self.0.checked_sub(1).ok_or(cardseal::Code::RandomUnavailable)?;
            bytes.fill(7);
            Ok(())
        }
    }
    let input = json!(["pack", NOW, {"card": card()}, {}]).to_string();
    for calls in 0..3 {
        let output = greenpay().call(&input, &mut Fails(calls));
        assert!(
            output.contains("random_unavailable") && !output.contains("ld"),
            "{calls}: {output}"
        );
    }
    assert!(greenpay().call(&input, &mut Fails(3)).contains("\"ld\""));
}

fn client_session() -> Value {
    json!({"clientSessionId": "0123", "customerId": "9991-0", "clientApiUrl": "https://x.example/client"})
}

fn payload(session: &Value, card: Value, options: Value) -> Result<Value, Value> {
    let mut module = open("online_payments", json!({})).unwrap();
    call(&mut module, "payload", &[session.clone(), card, options])
}

#[test]
fn writes_what_is_encrypted_for_online_payments() {
    let options = json!({"paymentProductId": 1, "device": "{\"locale\":\"de\"}"});
    let text = payload(&client_session(), card(), options.clone()).unwrap();
    let text: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(text["paymentValues"][2]["value"], "122030");
    assert_eq!(text["tokenize"], false);
    assert_eq!(text["collectedDeviceInformation"], json!({"locale": "de"}));
    // Without a product, session and card are checked and nothing is written.
    assert_eq!(
        payload(&client_session(), card(), json!({})).unwrap(),
        Value::Null
    );
    let wrong = json!({"number": "1", "expiry": "12/30", "cvc": "123", "holder": "Ana Mora"});
    assert_eq!(
        payload(&client_session(), wrong, json!({})).unwrap_err()["code"],
        "card_invalid"
    );
    for (name, value, code) in [
        ("device", json!("{} ,\"x\":1"), "type_invalid"),
        ("device", json!("[]"), "type_invalid"),
        ("device", json!({}), "type_invalid"),
        ("paymentProductId", json!(0), "option_invalid"),
        ("paymentProductId", json!(1.5), "option_invalid"),
        ("kind", json!("update"), "option_invalid"),
        ("tokenize", json!("yes"), "type_invalid"),
    ] {
        let mut options = options.clone();
        options[name] = value.clone();
        assert_eq!(
            payload(&client_session(), card(), options).unwrap_err()["code"],
            code,
            "{name} {value}"
        );
    }
}

#[test]
fn takes_no_other_client_api_than_the_sessions() {
    let mut module = open("online_payments", json!({})).unwrap();
    let mut asked = |url: &str| {
        let mut session = client_session();
        session["clientApiUrl"] = json!(url);
        call(
            &mut module,
            "publicKeyRequest",
            &[session, Value::Null, json!({"meta": "bQ=="})],
        )
    };
    for (url, whole) in [
        (
            "https://x.example",
            "https://x.example/client/v1/9991-0/crypto/publickey",
        ),
        (
            "https://x.example/client/",
            "https://x.example/client/v1/9991-0/crypto/publickey",
        ),
        (
            "http://127.0.0.1:8",
            "http://127.0.0.1:8/client/v1/9991-0/crypto/publickey",
        ),
    ] {
        assert_eq!(asked(url).unwrap()["url"], whole);
    }
    for url in [
        "",
        "http://x.example",
        "https://",
        "https://x.example/v1",
        "https://x.example/client/x",
        "https://x\"y.example",
        "https://a@x.example",
        "https://x.example?x",
        "javascript:alert(1)",
        "//x.example",
    ] {
        assert_eq!(asked(url).unwrap_err()["code"], "session_malformed", "{url}");
    }
}

#[test]
fn asks_for_what_is_bought_in_checked_words_alone() {
    let mut module = open("online_payments", json!({})).unwrap();
    for (name, value) in [
        ("countryCode", json!("de")),
        ("countryCode", json!("DE&x=1")),
        ("currencyCode", json!("EU")),
        ("amount", json!(-1)),
        ("amount", json!("1")),
        ("amount", json!(1.5)),
        ("isRecurring", json!(1)),
    ] {
        let context = json!({"context": {name: value}});
        let asked = call(
            &mut module,
            "productsRequest",
            &[client_session(), Value::Null, context.clone()],
        );
        let code = asked.unwrap_err()["code"].clone();
        assert!(code == "option_invalid" || code == "type_invalid", "{context}");
    }
}

#[test]
fn reads_what_online_payments_answers() {
    let mut module = open("online_payments", json!({})).unwrap();
    let mut iin = |status: u16, answer: Value| call(&mut module, "readIinDetails", &[json!(status), answer]);
    let details = iin(
        200,
        json!({"paymentProductId": 1, "isAllowedInContext": false, "countryCode": "DE",
        "coBrands": [{"paymentProductId": 130, "isAllowedInContext": true}]}),
    );
    assert_eq!(
        details.unwrap(),
        json!({"status": "existing_but_not_allowed", "paymentProductId": 1, "countryCode": "DE", "cardType": null,
            "coBrands": [{"paymentProductId": 130, "isAllowedInContext": true}]})
    );
    assert_eq!(
        iin(200, json!({"paymentProductId": 1})).unwrap()["status"],
        "supported"
    );
    let error = |id: &str, code: &str| json!({"errors": [{"id": id, "code": code}]});
    assert_eq!(
        iin(404, error("UNKNOWN_PRODUCT_ID", "1007")).unwrap()["status"],
        "unknown"
    );
    // A session that has ended is not a card that is not known.
    assert_eq!(
        iin(403, error("ACCESS_TO_CONSUMER_ID_NOT_ALLOWED", "9008")).unwrap_err()["code"],
        "session_expired"
    );
    for (status, answer) in [(404, Value::Null), (200, json!({})), (200, json!("x"))] {
        assert_eq!(iin(status, answer).unwrap_err()["code"], "answer_malformed");
    }
    let key = key("t2048");
    let mut read = |answer: Value| call(&mut module, "readPublicKey", &[json!(200), answer]);
    assert_eq!(
        read(json!({"keyId": "k-1", "publicKey": key, "x": 1})).unwrap(),
        json!({"keyId": "k-1", "publicKey": key})
    );
    for answer in [
        json!({}),
        json!({"keyId": "k\n", "publicKey": key}),
        json!({"keyId": "k", "publicKey": "AAAA"}),
    ] {
        assert_eq!(read(answer).unwrap_err()["code"], "answer_malformed");
    }
}
