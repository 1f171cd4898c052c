//! The documented test cards, at every place where a card's issuer is asked.

use serde_json::{Value, json};

use super::merchant::{Merchant, card, sale_by_card, sale_by_id, verification, with};

const APPROVED: [&str; 13] = [
    "4263970000005262",
    "5425230000004415",
    "374101000000608",
    "36256000000725",
    "6011000000000087",
    "3566000000000000",
    "4111111111111111",
    "4242424242424242",
    "4263982640269299",
    "4622943123052970",
    "5186151950000055",
    "370295069663597",
    "4222000006285344",
];

const DECLINED: [(&str, &str); 21] = [
    ("4000120000001154", "101"),
    ("5114610000004778", "101"),
    ("376525000000010", "101"),
    ("36256000000998", "101"),
    ("6011000000001010", "101"),
    ("3566000000001016", "101"),
    ("4000130000001724", "102"),
    ("5114630000009791", "102"),
    ("375425000000907", "102"),
    ("36256000000634", "102"),
    ("6011000000001028", "102"),
    ("3566000000001024", "102"),
    ("4000160000004147", "103"),
    ("5121220000006921", "103"),
    ("343452000000306", "103"),
    ("38865000000705", "103"),
    ("6011000000001036", "103"),
    ("3566000000001032", "103"),
    ("4242420000000091", "111"),
    ("5100000000000131", "111"),
    ("374205502001004", "111"),
];

/// With what the tests of the official Node client expect.
const FAILED: [(&str, &str); 6] = [
    ("4009830000001985", TIMED_OUT),
    ("5135020000005871", TIMED_OUT),
    ("372349000000852", TIMED_OUT),
    ("30450000000985", BROKEN),
    ("6011000000002000", BROKEN),
    ("3566000000002006", BROKEN),
];

const TIMED_OUT: &str = "205,Timeout error—Action failed unexpectedly. An automatic reversal will happen if charged. Please retry the transaction..";
const BROKEN: &str = "200,eCom error—Developers are notified";

#[tokio::test]
async fn approves_what_is_documented_as_approved() {
    let merchant = Merchant::open().await;
    for number in APPROVED {
        let answer = merchant
            .post("/transactions", &sale_by_card("ok", number))
            .await
            .good();
        assert_eq!(
            (&answer["status"], &answer["payment_method"]["result"]),
            (&json!("CAPTURED"), &json!("00")),
            "{number}"
        );
        assert_ne!(answer["payment_method"]["card"]["authcode"], "");
        let masked = answer["payment_method"]["card"]["masked_number_last4"]
            .as_str()
            .unwrap();
        assert_eq!(masked.len(), number.len());
        assert!(masked.starts_with("XXXXXXXXXX") && masked.ends_with(&number[number.len() - 4..]));
    }
}

#[tokio::test]
async fn a_decline_is_an_answer_like_any_other() {
    let merchant = Merchant::open().await;
    for (number, result) in DECLINED {
        let answer = merchant
            .post("/transactions", &sale_by_card("no", number))
            .await
            .good();
        assert_eq!(
            (&answer["status"], &answer["action"]["result_code"]),
            (&json!("DECLINED"), &json!("DECLINED"))
        );
        assert_eq!(answer["payment_method"]["result"], result, "{number}");
        assert_eq!(answer["payment_method"]["card"]["authcode"], "");

        // The card can be tokenized all the same; what is known comes when it is used.
        let stored = merchant.stored(number).await;
        let answer = merchant
            .post("/transactions", &sale_by_id("no", &stored))
            .await
            .good();
        assert_eq!(answer["payment_method"]["result"], result);
        let single = merchant.single(number).await;
        let answer = merchant
            .post("/verifications", &verification(&single))
            .await
            .good();
        assert_eq!(
            (&answer["status"], &answer["action"]["result_code"]),
            (&json!("NOT_VERIFIED"), &json!("NOT_VERIFIED"))
        );
        assert_eq!(answer["payment_method"]["result"], result);
        assert_eq!(answer["payment_method"].get("id"), None);
    }
    assert_eq!(merchant.transactions().len(), 2 * DECLINED.len());
}

#[tokio::test]
async fn the_processor_fails_on_some_cards() {
    let merchant = Merchant::open().await;
    for (number, text) in FAILED {
        let answer = merchant.post("/transactions", &sale_by_card("err", number)).await;
        assert_eq!(
            answer.refusal(),
            (502, "SYSTEM_ERROR_DOWNSTREAM", "50013"),
            "{number}"
        );
        assert_eq!(answer.told(), text, "{number}");
        let single = merchant.single(number).await;
        let answer = merchant.post("/verifications", &verification(&single)).await;
        assert_eq!(answer.refusal(), (502, "SYSTEM_ERROR_DOWNSTREAM", "50013"));
    }
    let odd = with(sale_by_card("err", FAILED[0].0), "currency", json!("XXX"));
    let answer = merchant.post("/transactions", &odd).await;
    assert_eq!(answer.refusal(), (502, "SYSTEM_ERROR_DOWNSTREAM", "50024"));
    assert_eq!(answer.told(), "currency card combination not allowed");
    let brand = sale_by_card("err", "135400000007187");
    let answer = merchant.post("/transactions", &brand).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "50020"));
    assert_eq!(answer.told(), "Transaction not supported Please contact support ");
    assert!(merchant.transactions().is_empty());
}

#[tokio::test]
async fn tells_how_the_security_code_and_the_address_compare() {
    let merchant = Merchant::open().await;
    for (number, status, letters, words) in [
        (
            "4263970000005262",
            "CAPTURED",
            ["M", "M", "M"],
            ["MATCHED", "MATCHED", "MATCHED"],
        ),
        (
            "5167308114614170",
            "CAPTURED",
            ["M", "U", "U"],
            ["MATCHED", "NOT_CHECKED", "NOT_CHECKED"],
        ),
        (
            "4259917010910078",
            "DECLINED",
            ["I", "U", "U"],
            ["NOT_CHECKED", "NOT_CHECKED", "NOT_CHECKED"],
        ),
        (
            "5218042821896924",
            "CAPTURED",
            ["N", "N", "N"],
            ["NOT_MATCHED", "NOT_MATCHED", "NOT_MATCHED"],
        ),
    ] {
        let answer = merchant
            .post("/transactions", &sale_by_card("avs", number))
            .await
            .good();
        assert_eq!(answer["status"], status, "{number}");
        let card = &answer["payment_method"]["card"];
        let fields = ["cvv_result", "avs_address_result", "avs_postal_code_result"];
        assert_eq!(fields.map(|name| card[name].as_str().unwrap()), words);
        assert_eq!(
            fields.map(|name| card["provider"][name].as_str().unwrap()),
            letters
        );
    }
}

#[tokio::test]
async fn a_security_code_matches_only_if_it_was_sent() {
    let merchant = Merchant::open().await;
    let result = |answer: &Value| {
        let card = &answer["payment_method"]["card"];
        (
            card["cvv_result"].as_str().unwrap().to_owned(),
            card["provider"]["cvv_result"].as_str().unwrap().to_owned(),
        )
    };
    let matched = ("MATCHED".to_owned(), "M".to_owned());
    let not_checked = ("NOT_CHECKED".to_owned(), "I".to_owned());
    let number = "4263970000005262";
    let charge = async |body: Value| result(&merchant.post("/transactions", &body).await.good());
    let with_code = sale_by_card("cvv", number);
    let without = with(with_code.clone(), "payment_method/card/cvv", Value::Null);
    let empty = with(with_code.clone(), "payment_method/card/cvv", json!(""));
    assert_eq!(charge(with_code).await, matched);
    assert_eq!(charge(without.clone()).await, not_checked);
    assert_eq!(charge(empty).await, not_checked);
    // The single-use payment method of a page holds the code; a lasting one never does.
    let single = merchant.single(number).await;
    assert_eq!(charge(sale_by_id("cvv", &single)).await, matched);
    let stored = merchant.stored(number).await;
    let by_id = sale_by_id("cvv", &stored);
    assert_eq!(charge(by_id.clone()).await, not_checked);
    let by_id = with(by_id, "payment_method/card", json!({ "cvv": "123" }));
    assert_eq!(charge(by_id).await, matched);
    let verify = async |id: &str| merchant.post("/verifications", &verification(id)).await.good();
    assert_eq!(result(&verify(&stored).await), not_checked);
    let single = merchant.single(number).await;
    let verified = verify(&single).await;
    assert_eq!(result(&verified), matched);
    let lasting = verified["payment_method"]["id"].as_str().unwrap();
    assert_eq!(charge(sale_by_id("cvv", lasting)).await, not_checked);
    // What is read back says the same.
    let id = merchant.post("/transactions", &without).await.good();
    let read = merchant
        .get(&format!("/transactions/{}", id["id"].as_str().unwrap()))
        .await
        .good();
    assert_eq!(read["payment_method"]["card"]["cvv_result"], "NOT_CHECKED");
    // A card whose code is wrong is wrong only where it is sent.
    let odd = "5218042821896924";
    assert_eq!(charge(sale_by_card("cvv", odd)).await.0, "NOT_MATCHED");
    let stored = merchant.stored(odd).await;
    assert_eq!(charge(sale_by_id("cvv", &stored)).await, not_checked);
    let by_id = with(
        sale_by_id("cvv", &stored),
        "payment_method/card",
        json!({ "cvv": "123" }),
    );
    assert_eq!(charge(by_id).await.0, "NOT_MATCHED");
}

#[tokio::test]
async fn a_fingerprint_is_told_on_request() {
    let merchant = Merchant::open().await;
    let mut prints = Vec::new();
    for (path, body, at) in [
        (
            "/transactions",
            sale_by_card("print", "4263970000005262"),
            "payment_method/",
        ),
        (
            "/payment-methods",
            json!({ "card": card("4263970000005262") }),
            "",
        ),
    ] {
        for mode in ["ALWAYS", "ON_SUCCESS"] {
            let body = with(body.clone(), &format!("{at}fingerprint_mode"), json!(mode));
            let answer = merchant.post(path, &body).await.good();
            let told = answer.pointer(&format!("/{at}fingerprint")).unwrap();
            let presence = answer
                .pointer(&format!("/{at}fingerprint_presence_indicator"))
                .unwrap();
            assert_eq!(presence, "EXISTS");
            prints.push(told.as_str().unwrap().to_owned());
        }
        let wrong = with(body, &format!("{at}fingerprint_mode"), json!("NOT_ALWAYS"));
        let answer = merchant.post(path, &wrong).await;
        assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
        assert_eq!(answer.told(), "fingerprint_mode contains unexpected data");
    }
    prints.dedup();
    assert_eq!((prints.len(), prints[0].len()), (1, 32));
    let other = with(
        sale_by_card("print", "5425230000004415"),
        "payment_method/fingerprint_mode",
        json!("ALWAYS"),
    );
    let answer = merchant.post("/transactions", &other).await.good();
    assert_ne!(answer["payment_method"]["fingerprint"], prints[0]);
}

#[tokio::test]
async fn takes_the_published_card_whose_check_digit_is_wrong() {
    let merchant = Merchant::open().await;
    let sale = sale_by_card("published", "5425233424241200");
    let answer = merchant.post("/transactions", &sale).await.good();
    assert_eq!(answer["status"], "CAPTURED");
}

#[tokio::test]
async fn refuses_what_is_no_card() {
    let merchant = Merchant::open().await;
    let good = card("4263970000005262");
    for (field, value, status, code, detailed) in [
        (
            "number",
            json!("4263970000005263"),
            400,
            "INVALID_REQUEST_DATA",
            "40213",
        ),
        (
            "number",
            json!("4263 9700 0000 5262"),
            400,
            "INVALID_REQUEST_DATA",
            "40213",
        ),
        ("number", json!("4263"), 400, "INVALID_REQUEST_DATA", "40213"),
        (
            "number",
            json!("４２６３970000005262"),
            400,
            "INVALID_REQUEST_DATA",
            "40213",
        ),
        (
            "number",
            json!(4_263_970_000_005_262_u64),
            400,
            "INVALID_REQUEST_DATA",
            "40213",
        ),
        ("number", Value::Null, 400, "MANDATORY_DATA_MISSING", "40005"),
        (
            "expiry_month",
            Value::Null,
            400,
            "MANDATORY_DATA_MISSING",
            "40005",
        ),
        ("expiry_month", json!("5"), 400, "INVALID_REQUEST_DATA", "40213"),
        ("expiry_month", json!("13"), 400, "INVALID_REQUEST_DATA", "40085"),
        ("expiry_month", json!("00"), 400, "INVALID_REQUEST_DATA", "40085"),
        ("expiry_year", json!("2030"), 400, "INVALID_REQUEST_DATA", "40213"),
        ("expiry_year", json!("25"), 400, "INVALID_REQUEST_DATA", "40085"),
        ("cvv", json!("1234"), 400, "INVALID_REQUEST_DATA", "40085"),
        ("cvv", json!("12"), 400, "INVALID_REQUEST_DATA", "40085"),
        ("cvv", json!("12a"), 502, "SYSTEM_ERROR_DOWNSTREAM", "50018"),
    ] {
        let bad = with(good.clone(), field, value.clone());
        let body = json!({ "usage_mode": "SINGLE", "card": bad });
        let answer = merchant.post("/payment-methods", &body).await;
        assert_eq!(answer.refusal(), (status, code, detailed), "{field} {value}");
        assert!(!answer.told().contains("42639700"), "{}", answer.told());
        if field != "number" || !value.is_null() {
            let sale = with(
                sale_by_card("bad", "4263970000005262"),
                "payment_method/card",
                bad,
            );
            let answer = merchant.post("/transactions", &sale).await;
            assert_eq!(answer.refusal(), (status, code, detailed), "{field} {value}");
        }
    }
    for (cvv, text) in [
        ("1234", "Security Code/CVV2/CVC must be 3 digits"),
        (
            "SMA",
            "The line number 12 which contains '         [number] XXX [/number] ' does not conform to the schema",
        ),
    ] {
        let body = json!({ "card": with(good.clone(), "cvv", json!(cvv)) });
        assert_eq!(merchant.post("/payment-methods", &body).await.told(), text);
    }
    let body = json!({ "card": with(good, "number", Value::Null) });
    let answer = merchant.post("/payment-methods", &body).await;
    assert_eq!(answer.told(), "Request expects the following fields : number");
    // The security code and the name may be left out.
    let bare = with(card("374101000000608"), "cvv", Value::Null);
    merchant
        .post("/payment-methods", &json!({ "card": bare }))
        .await
        .good();
}

#[tokio::test]
async fn never_tells_a_whole_number() {
    let merchant = Merchant::open().await;
    merchant.single("4263970000005262").await;
    merchant.stored("4000120000001154").await;
    merchant
        .post("/transactions", &sale_by_card("pan", "4263970000005262"))
        .await
        .good();
    let answer = merchant
        .post("/transactions", &sale_by_id("pan", "4263970000005262"))
        .await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
    assert!(!answer.told().contains("42639700"), "{}", answer.told());
    let state = merchant.sandbox.state().to_string();
    for number in ["4263970000005262", "4000120000001154"] {
        assert!(!state.contains(number) && state.contains(&number[12..]));
    }
}
