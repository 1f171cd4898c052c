//! Encrypted inputs: opened, checked, used once.

use serde_json::{Value, json};

use super::shop::{Shop, VISA, order, payload, seal, with};

fn paying(input: &str) -> Value {
    with(order(1000), "encryptedCustomerInput", json!(input))
}

#[tokio::test]
async fn pays_with_what_a_page_encrypted() {
    let shop = Shop::open().await;
    let input = shop.input(VISA).await;
    let made = shop.post("/payments", &paying(&input)).await.good(201);
    assert_eq!(made["payment"]["status"], "PENDING_CAPTURE");
    let card = &made["payment"]["paymentOutput"]["cardPaymentMethodSpecificOutput"]["card"];
    assert_eq!(card["cardNumber"], "************7977");
    assert_eq!(made["creationOutput"]["tokenizationSucceeded"], false);
    let text = shop.state().to_string() + &made.to_string();
    assert!(!text.contains(VISA));
    assert_eq!(shop.state()["inputs_opened"], 1);
}

#[tokio::test]
async fn takes_an_input_once() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    let inside = payload(&session, "0123456789abcdef0123456789abcdef", VISA);
    let first = shop.seal(&session, &inside).await;
    let same_nonce = shop.seal(&session, &inside).await;
    let other = shop
        .seal(&session, &with(inside, "nonce", json!("another")))
        .await;
    shop.post("/payments", &paying(&first)).await.good(201);
    for used in [&first, &same_nonce] {
        let answer = shop.post("/payments", &paying(used)).await;
        assert_eq!(answer.refusal(), (400, "INVALID_VALUE", "encryptedCustomerInput"));
        assert_eq!(answer.body["errors"][0]["errorCode"], "50001111");
    }
    shop.post("/payments", &paying(&other)).await.good(201);
    assert_eq!(
        shop.state()["inputs_refused"],
        json!(["used before", "used before"])
    );
}

#[tokio::test]
async fn of_two_payments_with_one_input_one_is_made() {
    let shop = Shop::open().await;
    let body = paying(&shop.input(VISA).await);
    let calls = (0..8).map(|_| shop.post("/payments", &body));
    let answers = futures_util::future::join_all(calls).await;
    let made = answers.iter().filter(|answer| answer.http == 201).count();
    assert_eq!((made, shop.payments().len()), (1, 1));
    assert!(answers.iter().all(|answer| matches!(answer.http, 201 | 400)));
}

#[tokio::test]
async fn tells_nobody_what_is_wrong_with_an_input() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    let key = shop.page_get(&session, "/crypto/publickey").await.good(200);
    let inside = || payload(&session, &shop.unique(), VISA);
    let value = |index: usize, value: Value| {
        let mut changed = inside();
        changed["paymentValues"][index]["value"] = value;
        changed
    };
    let good = seal(&key, &inside());
    let mut inputs: Vec<(String, &str)> = vec![
        ("x".into(), "not opened: Parts"),
        (format!("{}A", &good[..good.len() - 1]), "not opened: Tag"),
        (
            seal(&with(key.clone(), "keyId", json!("other")), &inside()),
            "not opened: KeyId",
        ),
    ];
    for (changed, reason) in [
        (
            with(inside(), "clientSessionId", json!("unknown")),
            "no such session",
        ),
        (with(inside(), "nonce", Value::Null), "no nonce"),
        (with(inside(), "paymentProductId", json!("1")), "no product"),
        (
            with(inside(), "accountOnFileId", json!(1001)),
            "no such account on file",
        ),
        (value(0, json!("4567350000427978")), "card: Number"),
        (value(1, json!("")), "card: Holder"),
        (value(2, json!("012020")), "card: Expiry"),
        (value(3, json!("12")), "card: Cvv"),
        (value(3, Value::Null), "card: Cvv"),
    ] {
        inputs.push((seal(&key, &changed), reason));
    }
    // The tag's last letter may have been an A.
    if good.ends_with('A') {
        inputs[1].0 = format!("{}E", &good[..good.len() - 1]);
    }
    for (input, reason) in inputs {
        let answer = shop.post("/payments", &paying(&input)).await;
        assert_eq!(
            answer.refusal(),
            (400, "INVALID_VALUE", "encryptedCustomerInput"),
            "{reason}"
        );
        let refused = shop.state()["inputs_refused"].as_array().unwrap().last().cloned();
        assert!(refused.unwrap().as_str().unwrap().starts_with(reason), "{reason}");
    }
    // The product is no secret.
    let mastercard = seal(&key, &with(inside(), "paymentProductId", json!(3)));
    let answer = shop.post("/payments", &paying(&mastercard)).await;
    assert_eq!(answer.refusal().1, "CARDNUMBER_PAYMENTPRODUCTID_MISMATCH");
    let outside = with(
        paying(&seal(&key, &inside())),
        "cardPaymentMethodSpecificInput",
        json!({ "paymentProductId": 3 }),
    );
    let answer = shop.post("/payments", &outside).await;
    assert_eq!(answer.refusal().1, "CARDNUMBER_PAYMENTPRODUCTID_MISMATCH");
    shop.set(&json!({ "products": [3] }));
    let answer = shop.post("/payments", &paying(&seal(&key, &inside()))).await;
    assert_eq!(answer.refusal().1, "PAYMENT_PRODUCT_NOT_AVAILABLE");
    assert!(shop.payments().is_empty());
    // Nothing of it used the first one up.
    shop.set(&json!({ "products": [1, 3] }));
    shop.post("/payments", &paying(&good)).await.good(201);
}

#[tokio::test]
async fn takes_no_input_of_a_session_that_is_over() {
    let shop = Shop::open().await;
    let input = shop.input(VISA).await;
    shop.set(&json!({ "session_minutes": 5 }));
    let short = shop.input(VISA).await;
    shop.advance(301);
    assert_eq!(shop.post("/payments", &paying(&short)).await.http, 400);
    shop.post("/payments", &paying(&input)).await.good(201);
}

#[tokio::test]
async fn pays_with_a_stored_card_that_a_page_chose() {
    let shop = Shop::open().await;
    let token = shop.stored(VISA).await;
    let session = shop.session(json!({ "tokens": [token] })).await;
    let product = "/products/1?countryCode=DE&currencyCode=EUR";
    let account = shop.page_get(&session, product).await.good(200)["accountsOnFile"][0]["id"].clone();
    let mut inside = payload(&session, &shop.unique(), VISA);
    inside["accountOnFileId"] = account;
    inside["paymentValues"] = json!([{ "key": "cvv", "value": "123" }]);
    let input = shop.seal(&session, &inside).await;
    let made = shop.post("/payments", &paying(&input)).await.good(201);
    let output = &made["payment"]["paymentOutput"]["cardPaymentMethodSpecificOutput"];
    assert_eq!(
        (&output["token"], &output["card"]["bin"]),
        (&json!(token), &json!("456735"))
    );
    inside["nonce"] = json!(shop.unique());
    inside["paymentValues"] = json!([]);
    let without_cvv = shop.seal(&session, &inside).await;
    assert_eq!(shop.post("/payments", &paying(&without_cvv)).await.http, 400);
}

#[tokio::test]
async fn stores_the_card_if_the_page_asks_to() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    let inside = with(payload(&session, &shop.unique(), VISA), "tokenize", json!(true));
    let input = shop.seal(&session, &inside).await;
    let made = shop.post("/payments", &paying(&input)).await.good(201);
    let token = made["creationOutput"]["token"].as_str().unwrap();
    assert_eq!(made["creationOutput"]["tokenizationSucceeded"], true);
    assert_eq!(
        shop.get(&format!("/tokens/{token}")).await.good(200)["isTemporary"],
        false
    );
}
