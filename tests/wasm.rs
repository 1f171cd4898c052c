//! The JavaScript boundary, in a real browser: what only exists there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(target_arch = "wasm32")]

use cardseal::greenpay::js::GreenPayCore;
use cardseal::js::{candidate_brands, format_card_number, format_card_number_input, validate_card};
use js_sys::{Array, JSON, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};
use web_sys::HtmlInputElement;

wasm_bindgen_test_configure!(run_in_browser);

const NOW: f64 = 1_795_219_200_000.0;

fn object(json: &str) -> JsValue {
    JSON::parse(json).unwrap()
}

fn text(object: &JsValue, name: &str) -> String {
    Reflect::get(object, &name.into())
        .unwrap()
        .as_string()
        .unwrap_or_default()
}

fn core(key: &str, more: &str) -> Result<GreenPayCore, JsValue> {
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap();
    let key = vectors["rsa_keys"][key]["public_spki_base64_one_line"]
        .as_str()
        .unwrap()
        .to_owned();
    GreenPayCore::new(&object(&format!(r#"{{"publicKey":"{key}"{more}}}"#)))
}

fn card() -> JsValue {
    object(
        r#"{"number":"4242 4242 4242 4242","expiry":"12/30","cvc":"123","holder":"Ana Mora","nickname":"My Visa"}"#,
    )
}

const ORDER: &str =
    r#"{"session":"2b1f0c52-6f0c-4d7c-8b0e-9a1d3a5c7e90","token":"7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11"}"#;

#[wasm_bindgen_test]
fn packs_a_card_into_a_request() {
    let core = core("t1024", "").unwrap();
    assert!(core.is_short() && core.bits() == 1024);
    let request = core
        .tokenize_request(&object(ORDER), &card(), &JsValue::UNDEFINED, NOW)
        .unwrap();
    assert_eq!(
        text(&request, "url"),
        "https://sandbox-checkout.greenpay.me/tokenize"
    );
    assert_eq!(text(&request, "method"), "POST");
    let headers = Reflect::get(&request, &"headers".into()).unwrap();
    assert_eq!(
        text(&headers, "liszt-token"),
        "7d9cc4a3-0b4e-4a7c-9a66-2f3a1c0d5e11"
    );
    let body = object(&text(&request, "body"));
    assert_eq!(text(&body, "lk").len(), 172);
    assert!(
        text(&body, "ld")
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    );
}

#[wasm_bindgen_test]
fn an_encryptor_cannot_exist_without_a_key() {
    for (options, code) in [
        ("{}", "key_missing"),
        (r#"{"publicKey":""}"#, "key_missing"),
        (r#"{"publicKey":"junk"}"#, "key_malformed"),
        (r#"{"publicKey":7}"#, "type_invalid"),
    ] {
        assert_eq!(
            text(&GreenPayCore::new(&object(options)).err().unwrap(), "code"),
            code,
            "{options}"
        );
    }
    assert_eq!(
        text(&GreenPayCore::new(&JsValue::UNDEFINED).err().unwrap(), "code"),
        "key_missing"
    );
}

#[wasm_bindgen_test]
fn only_safe_hosts_are_taken() {
    for url in [
        "http://shop.example",
        "ftp://x",
        "https://",
        "https://a b",
        "https://u@h",
        "//x",
        "javascript:1",
    ] {
        let error = core("t1024", &format!(r#","environment":{{"checkout":"{url}"}}"#))
            .err()
            .unwrap();
        assert_eq!(
            (text(&error, "code").as_str(), text(&error, "field").as_str()),
            ("option_invalid", "environment")
        );
    }
    for url in [
        "https://c.example",
        "http://127.0.0.1:81/x/",
        "http://localhost",
        "http://[::1]:9",
    ] {
        core("t1024", &format!(r#","environment":{{"checkout":"{url}"}}"#)).unwrap();
    }
}

#[wasm_bindgen_test]
fn an_old_session_is_refused_before_the_card_is_looked_at() {
    let core = core("t1024", "").unwrap();
    let session = |created: f64| object(&ORDER.replace('}', &format!(r#","created_at":{created}}}"#)));
    let request =
        |created| core.tokenize_request(&session(created), &JsValue::NULL, &JsValue::UNDEFINED, NOW);
    assert_eq!(
        text(&request(NOW - 1_800_000.0).err().unwrap(), "code"),
        "session_expired"
    );
    // A second younger it is the missing card that is refused.
    assert_eq!(
        text(&request(NOW - 1_799_000.0).err().unwrap(), "code"),
        "type_invalid"
    );
    let text_date = object(&ORDER.replace('}', r#","created_at":"2026-11-20T23:29:59Z"}"#));
    let error = core
        .tokenize_request(&text_date, &card(), &JsValue::UNDEFINED, NOW)
        .err()
        .unwrap();
    assert_eq!(text(&error, "code"), "session_expired");
    let error = core.tokenize_request(
        &object(&ORDER.replace("7d9c", "\\r\\nx")),
        &card(),
        &JsValue::UNDEFINED,
        NOW,
    );
    assert_eq!(text(&error.err().unwrap(), "code"), "session_malformed");
}

#[wasm_bindgen_test]
fn bad_values_are_named_and_never_repeated() {
    let core = core("t1024", "").unwrap();
    let deep = Object::new();
    for (name, value) in [
        ("number", JsValue::from_f64(4_242_424_242_424_242.0)),
        ("cvc", Array::of1(&"987".into()).into()),
        ("holder", deep.into()),
        ("expiry", JsValue::TRUE),
    ] {
        let card = card();
        Reflect::set(&card, &name.into(), &value).unwrap();
        let error = core
            .tokenize_request(&object(ORDER), &card, &JsValue::UNDEFINED, NOW)
            .err()
            .unwrap();
        assert_eq!(
            (text(&error, "code").as_str(), text(&error, "field").as_str()),
            ("type_invalid", name)
        );
        assert!(!String::from(JSON::stringify(&error).unwrap()).contains("4242"));
    }
    // A lone surrogate cannot be encoded; it is a problem of its field, not a replaced character.
    let broken = card();
    Reflect::set(
        &broken,
        &"holder".into(),
        &js_sys::eval("'\\ud800 Ana Mora'").unwrap(),
    )
    .unwrap();
    let error = core
        .tokenize_request(&object(ORDER), &broken, &JsValue::UNDEFINED, NOW)
        .err()
        .unwrap();
    assert!(String::from(JSON::stringify(&error).unwrap()).contains("holder_characters"));
}

#[wasm_bindgen_test]
fn answers_are_read_whatever_they_are() {
    let core = core("t1024", "").unwrap();
    let read = |status, json: &str| core.read_token(status, object(json));
    assert_eq!(text(&read(200, "{}").err().unwrap(), "code"), "answer_malformed");
    assert_eq!(
        text(&read(504, "null").err().unwrap(), "code"),
        "platform_unavailable"
    );
    assert_eq!(
        text(&core.read_token(502, JsValue::UNDEFINED).err().unwrap(), "code"),
        "platform_unavailable"
    );
    let refused = r#"{"status":500,"requestId":"r","errors":["Error: Session not found"]}"#;
    for status in [200, 500] {
        let error = read(status, refused).err().unwrap();
        assert_eq!(
            (
                text(&error, "code").as_str(),
                text(&error, "platformCode").as_str()
            ),
            ("platform_rejected", "session_not_found")
        );
    }
    let unsigned = r#"{"status":201,"requestId":"r0","result":{"token":"t","bin":"424242","last_digits":"4242"},"errors":[]}"#;
    assert_eq!(
        text(&read(200, unsigned).err().unwrap(), "code"),
        "signature_invalid"
    );
    let vectors: serde_json::Value = serde_json::from_str(include_str!("vectors/greenpay.json")).unwrap();
    let signature = vectors["signatures"][1]["signature_hex"].as_str().unwrap();
    let signed = unsigned
        .replace("\"r0\"", "\"xwr-1023\"")
        .replace("[]}", &format!("[],\"_signature\":\"{signature}\"}}"));
    let token = read(200, &signed).unwrap();
    assert_eq!(
        (text(&token, "id").as_str(), text(&token, "status").as_str()),
        ("t", "unconfirmed")
    );
    let paid = |status, json: &str| text(&core.read_payment(status, object(json)).unwrap(), "status");
    assert_eq!(paid(504, "null"), "unknown");
    assert_eq!(
        paid(
            200,
            r#"{"status":200,"orderId":"o","authorization":"1","result":{"success":true,"resp_code":"00"}}"#
        ),
        "approved"
    );
    assert_eq!(
        paid(
            500,
            r#"{"status":500,"orderId":"o","result":{"success":false,"resp_code":"51"},"errors":["x"]}"#
        ),
        "declined"
    );
    assert_eq!(
        paid(
            200,
            r#"{"status":500,"orderId":"o","result":{"success":false,"resp_code":"51"}}"#
        ),
        "declined"
    );
    // An approval inside a failure, and a failure without a reason, say nothing.
    assert_eq!(
        paid(
            500,
            r#"{"status":200,"orderId":"o","result":{"success":true,"resp_code":"00"}}"#
        ),
        "unknown"
    );
    assert_eq!(
        paid(500, r#"{"status":500,"orderId":"o","result":null,"errors":[]}"#),
        "unknown"
    );
}

#[wasm_bindgen_test]
fn formats_an_input_in_place_and_keeps_its_caret() {
    let document = web_sys::window().unwrap().document().unwrap();
    let input: HtmlInputElement = document.create_element("input").unwrap().dyn_into().unwrap();
    document.body().unwrap().append_child(&input).unwrap();
    input.set_value("42429424242");
    input.set_selection_range(5, 5).unwrap();
    let brands = format_card_number_input(&input).unwrap();
    assert_eq!(input.value(), "4242 9424 242");
    assert_eq!(input.selection_start().unwrap(), Some(6));
    assert_eq!(String::from(JSON::stringify(&brands).unwrap()), r#"["visa"]"#);
    assert_eq!(
        text(&format_card_number_input(&JsValue::NULL).err().unwrap(), "code"),
        "type_invalid"
    );
}

/// A card drawn in JavaScript at run time: nothing of it is in this program's text or was ever in its memory.
fn drawn() -> JsValue {
    js_sys::eval(
        "(() => { const d = (n) => Array.from({length: n}, () => Math.floor(Math.random() * 10)).join('');
           let n = '4' + d(14); let s = 0;
           [...n].reverse().forEach((c, i) => { let v = +c; if (i % 2 === 0) { v *= 2; if (v > 9) v -= 9; } s += v; });
           n += (10 - s % 10) % 10;
           const letters = Array.from({length: 9}, () => String.fromCharCode(97 + Math.floor(Math.random() * 26))).join('');
           return { number: n.replace(/(....)(?=.)/g, '$1 '), plain: n, expiry: '12/30', cvc: d(3),
                    holder: 'Q' + letters, nickname: letters + 'Q' }; })()",
    )
    .unwrap()
}

/// How often the card is in memory, or a run of eight of its digits. Searched in JavaScript, because a search
/// in here would put the card into the memory that it searches.
fn found(card: &JsValue) -> f64 {
    let search = js_sys::Function::new_with_args(
        "memory, card",
        "const text = new TextDecoder('latin1').decode(new Uint8Array(memory.buffer).slice());
         const runs = Array.from({length: 9}, (_, i) => card.plain.slice(i, i + 8));
         const secrets = [card.number, card.holder, card.nickname, JSON.stringify(card.cvc), ...runs];
         return secrets.filter((secret) => text.includes(secret)).length;",
    );
    search
        .call2(&JsValue::NULL, &wasm_bindgen::memory(), card)
        .unwrap()
        .as_f64()
        .unwrap()
}

#[wasm_bindgen_test]
fn the_search_finds_what_is_there() {
    let card = drawn();
    let kept = text(&card, "plain");
    assert!(found(&card) > 8.0);
    drop(kept);
    assert_eq!(found(&card), 0.0);
}

#[wasm_bindgen_test]
fn no_card_is_left_in_memory() {
    let core = core("t1024", "").unwrap();
    for round in 0..4 {
        let card = drawn();
        match round {
            0 => drop(
                core.tokenize_request(&object(ORDER), &card, &JsValue::UNDEFINED, NOW)
                    .unwrap(),
            ),
            1 => {
                Reflect::set(&card, &"expiry".into(), &"01/20".into()).unwrap();
                core.tokenize_request(&object(ORDER), &card, &JsValue::UNDEFINED, NOW)
                    .unwrap_err();
            }
            2 => drop(validate_card(&card, &object(r#"{"platform":"greenpay"}"#), NOW).unwrap()),
            _ => {
                let number = Reflect::get(&card, &"number".into()).unwrap();
                format_card_number(&number, Some(3)).unwrap();
                candidate_brands(&number).unwrap();
            }
        }
        assert_eq!(found(&card), 0.0, "round {round}");
    }
}
