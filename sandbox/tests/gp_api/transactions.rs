//! `/transactions`: charging, idempotency, amounts, lookup.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::merchant::{Answer, GOOD_CARD, Merchant, card, sale_by_card, sale_by_id, with};

#[tokio::test]
async fn charges_a_card_a_single_use_id_and_a_stored_one() {
    let merchant = Merchant::open().await;
    let reference = "0b7a0d4c-5f0b-4b4e-9d52-1234567890ab";
    let answer = merchant
        .post("/transactions", &sale_by_card(reference, GOOD_CARD))
        .await
        .good();
    let id = answer["id"].as_str().unwrap();
    let (random, suffix) = id.strip_prefix("TRN_").unwrap().split_once('_').unwrap();
    assert_eq!((random.len(), suffix), (30, "1234567890ab"));
    assert_eq!(answer["action"]["id"], format!("ACT_{random}"));
    for (name, value) in [
        ("type", "SALE"),
        ("status", "CAPTURED"),
        ("channel", "CNP"),
        ("capture_mode", "AUTO"),
        ("amount", "1999"),
        ("currency", "USD"),
        ("country", "US"),
        ("reference", reference),
        ("account_name", "transaction_processing"),
    ] {
        assert_eq!(answer[name], value);
    }
    assert_eq!(
        (&answer["action"]["type"], &answer["action"]["result_code"]),
        (&json!("AUTHORIZE"), &json!("SUCCESS"))
    );
    assert!(answer["batch_id"].as_str().unwrap().starts_with("BAT_"));
    assert_eq!(answer["payment_method"].get("id"), None);

    let (single, stored) = (merchant.single(GOOD_CARD).await, merchant.stored(GOOD_CARD).await);
    merchant
        .post("/transactions", &sale_by_id("s", &single))
        .await
        .good();
    let again = merchant.post("/transactions", &sale_by_id("s", &single)).await;
    assert_eq!(again.refusal(), (404, "RESOURCE_NOT_FOUND", "40116"));
    for _ in 0..2 {
        let answer = merchant
            .post("/transactions", &sale_by_id("m", &stored))
            .await
            .good();
        assert_eq!(answer["payment_method"]["id"], stored);
    }
    let state = merchant.transactions();
    assert_eq!(state.len(), 4);
    for (name, value) in [
        ("id", json!(id)),
        ("reference", json!(reference)),
        ("amount", json!("1999")),
        ("captured", json!("1999")),
        ("refunded", json!("0")),
        ("status", json!("CAPTURED")),
        ("type", json!("SALE")),
        ("idempotency_key", Value::Null),
        ("last4", json!("5262")),
    ] {
        assert_eq!(state[0][name], value);
    }
}

#[tokio::test]
async fn authorizes_only_if_told_to() {
    let merchant = Merchant::open().await;
    let body = with(sale_by_card("later", GOOD_CARD), "capture_mode", json!("LATER"));
    let answer = merchant.post("/transactions", &body).await.good();
    assert_eq!(
        (&answer["status"], &answer["action"]["type"], &answer["batch_id"]),
        (&json!("PREAUTHORIZED"), &json!("PREAUTHORIZE"), &json!(""))
    );
    assert_eq!(merchant.transactions()[0]["captured"], "0");
}

#[tokio::test]
async fn stores_a_card_with_its_charge() {
    let merchant = Merchant::open().await;
    let body = with(
        sale_by_card("store", GOOD_CARD),
        "payment_method/storage_mode",
        json!("ALWAYS"),
    );
    let body = with(body, "payment_method/usage_mode", json!("USE_NETWORK_TOKEN"));
    let answer = merchant.post("/transactions", &body).await.good();
    let stored = answer["payment_method"]["id"].as_str().unwrap();
    merchant
        .post("/transactions", &sale_by_id("again", stored))
        .await
        .good();
    // The security code may come with an id; a number may not.
    let with_cvv = with(
        sale_by_id("cvv", stored),
        "payment_method/card",
        json!({ "cvv": "123" }),
    );
    merchant.post("/transactions", &with_cvv).await.good();
    let with_card = with(sale_by_id("both", stored), "payment_method/card", card(GOOD_CARD));
    assert_eq!(
        merchant.post("/transactions", &with_card).await.refusal(),
        (400, "INVALID_REQUEST_DATA", "40006")
    );
}

#[tokio::test]
async fn takes_amounts_as_texts_of_digits() {
    let merchant = Merchant::open().await;
    for (given, told) in [("1999", "1999"), ("029", "29"), ("05", "5"), ("1", "1")] {
        let body = with(sale_by_card("amount", GOOD_CARD), "amount", json!(given));
        let answer = merchant.post("/transactions", &body).await.good();
        assert_eq!(answer["amount"], told);
    }
    for wrong in [
        json!("19.99"),
        json!("100.5"),
        json!("1,999"),
        json!("-100"),
        json!(1999),
        json!(19.99),
        json!("0"),
        json!(" 1"),
        json!("99999999999999999999"),
    ] {
        let body = with(sale_by_card("amount", GOOD_CARD), "amount", wrong.clone());
        let answer = merchant.post("/transactions", &body).await;
        assert_eq!(
            answer.refusal(),
            (400, "INVALID_REQUEST_DATA", "40213"),
            "{wrong}"
        );
        assert_eq!(answer.told(), "amount contains unexpected data");
    }
    for missing in [json!(""), Value::Null] {
        let body = with(sale_by_card("amount", GOOD_CARD), "amount", missing);
        let answer = merchant.post("/transactions", &body).await;
        assert_eq!(answer.refusal(), (400, "MANDATORY_DATA_MISSING", "40005"));
        assert_eq!(answer.told(), "Request expects the following fields amount");
    }
    assert_eq!(merchant.transactions().len(), 4);
}

#[tokio::test]
async fn names_what_is_missing_or_wrong() {
    let merchant = Merchant::open().await;
    for (field, value, detailed) in [
        ("currency", Value::Null, "40005"),
        ("country", Value::Null, "40005"),
        ("channel", Value::Null, "40005"),
        ("reference", Value::Null, "40005"),
        ("payment_method/entry_mode", Value::Null, "40005"),
        ("payment_method/card", Value::Null, "40007"),
        ("currency", json!("usd"), "40213"),
        ("country", json!("USA"), "40213"),
        ("type", json!("GIFT"), "40213"),
        ("capture_mode", json!("NEVER"), "40213"),
        ("payment_method/entry_mode", json!("CHIP"), "40213"),
        ("payment_method/usage_mode", json!("NETWORK_TOKEN"), "40213"),
        ("channel", json!("CP"), "40041"),
    ] {
        let body = with(sale_by_card("bad", GOOD_CARD), field, value.clone());
        let answer = merchant.post("/transactions", &body).await;
        assert_eq!(
            (answer.http, answer.text("detailed_error_code")),
            (400, detailed),
            "{field} {value}"
        );
    }
    let unknown = "PMT_fdbdcb02-1f84-4f6f-8fda-9b34d3e8a6ea";
    let answer = merchant.post("/transactions", &sale_by_id("bad", unknown)).await;
    assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40116"));
    let answer = merchant.post("/transactions", &sale_by_id("bad", "PMT_1")).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
    assert!(merchant.transactions().is_empty());
}

#[tokio::test]
async fn checks_in_the_documented_order() {
    let merchant = Merchant::open().await;
    let single = merchant.single(GOOD_CARD).await;
    let taken = merchant.charged("taken", "AUTO").await;
    merchant
        .post_with_key("/transactions", &sale_by_card("k", GOOD_CARD), "k")
        .await
        .good();
    // Each request has all the faults of those after it.
    let send = async |version: bool, token: &str, body: String| {
        let mut request = merchant
            .http
            .post(merchant.url("/transactions"))
            .bearer_auth(token);
        if version {
            request = request.header("x-gp-version", "2021-03-22");
        }
        let answer = request.header("x-gp-idempotency", "k").body(body).send().await;
        let answer = Answer::of(answer.unwrap()).await;
        answer.text("detailed_error_code").to_owned()
    };
    let page = merchant.page_token().await;
    let unknown = sale_by_id("o", "PMT_fdbdcb02-1f84-4f6f-8fda-9b34d3e8a6ea");
    let no_account = with(unknown.clone(), "account_name", json!("nobody"));
    let no_amount = with(no_account.clone(), "amount", Value::Null);
    let all = &merchant.token;
    let fresh = async |body: &Value| {
        let answer = merchant.post("/transactions", body).await;
        answer.text("detailed_error_code").to_owned()
    };
    assert_eq!(send(false, "x", "{".into()).await, "40005");
    assert_eq!(send(true, "x", "{".into()).await, "40001");
    assert_eq!(send(true, &page, "{".into()).await, "40212");
    assert_eq!(send(true, all, "{".into()).await, "40213");
    // A key that was seen goes before all that the body lacks: official clients have it in their tests.
    assert_eq!(send(true, all, no_amount.to_string()).await, "40039");
    assert_eq!(fresh(&no_amount).await, "40005");
    assert_eq!(fresh(&no_account).await, "40003");
    let answer = merchant.post("/transactions", &unknown).await;
    assert_eq!(answer.text("detailed_error_code"), "40116");
    // A refusal used up nothing.
    merchant
        .post("/transactions", &sale_by_id("o", &single))
        .await
        .good();
    assert!(taken.starts_with("TRN_"));
}

#[tokio::test]
async fn refuses_a_key_that_was_seen_on_whatever_route_of_transactions() {
    let merchant = Merchant::open().await;
    let sale = with(sale_by_card("idem", GOOD_CARD), "capture_mode", json!("LATER"));
    let made = merchant
        .post_with_key("/transactions", &sale, "key-1")
        .await
        .good();
    let id = made["id"].as_str().unwrap();
    let text = format!("Idempotency Key seen before: id={id}");
    for (path, body) in [
        ("/transactions".to_owned(), sale.clone()),
        (format!("/transactions/{id}/capture"), json!({})),
        (format!("/transactions/{id}/refund"), json!({})),
        (format!("/transactions/{id}/reversal"), json!({})),
    ] {
        let answer = merchant.post_with_key(&path, &body, "key-1").await;
        assert_eq!(answer.refusal(), (409, "DUPLICATE_ACTION", "40039"), "{path}");
        assert_eq!(answer.told(), text);
    }
    assert_eq!(merchant.transactions().len(), 1);
    assert_eq!(merchant.transactions()[0]["idempotency_key"], "key-1");
    let read = merchant.get(&format!("/transactions/{id}")).await.good();
    assert_eq!(read["status"], "PREAUTHORIZED");
    // Payment methods, verifications and transactions have keys of their own.
    let card = json!({ "card": card(GOOD_CARD) });
    let method = merchant
        .post_with_key("/payment-methods", &card, "key-1")
        .await
        .good();
    let body = super::merchant::verification(method["id"].as_str().unwrap());
    merchant
        .post_with_key("/verifications", &body, "key-1")
        .await
        .good();

    // A decline made something, a refusal did not.
    let declined = sale_by_card("idem", "4000120000001154");
    merchant
        .post_with_key("/transactions", &declined, "key-2")
        .await
        .good();
    assert_eq!(
        merchant
            .post_with_key("/transactions", &declined, "key-2")
            .await
            .http,
        409
    );
    let wrong = with(sale.clone(), "amount", json!("1.5"));
    assert_eq!(
        merchant
            .post_with_key("/transactions", &wrong, "key-3")
            .await
            .http,
        400
    );
    merchant
        .post_with_key("/transactions", &sale, "key-3")
        .await
        .good();
}

#[tokio::test]
async fn of_many_charges_with_one_key_one_is_made() {
    let merchant = Merchant::open().await;
    let sale = sale_by_card("race", GOOD_CARD);
    let answers = futures_util::future::join_all(
        (0..20).map(|_| merchant.post_with_key("/transactions", &sale, "race")),
    )
    .await;
    let (good, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.http == 200);
    assert_eq!((good.len(), refused.len()), (1, 19));
    for answer in refused {
        assert!(answer.told().ends_with(good[0].text("id")));
    }
    assert_eq!(merchant.transactions().len(), 1);
}

#[tokio::test]
async fn of_many_uses_of_one_single_use_id_one_wins() {
    let merchant = Merchant::open().await;
    let single = merchant.single(GOOD_CARD).await;
    let sale = sale_by_id("race", &single);
    let verification = super::merchant::verification(&single);
    let answers = futures_util::future::join_all((0..20).map(|count| {
        let (path, body) = if count % 2 == 0 {
            ("/transactions", &sale)
        } else {
            ("/verifications", &verification)
        };
        merchant.post(path, body)
    }))
    .await;
    assert_eq!(answers.iter().filter(|answer| answer.http == 200).count(), 1);
    assert!(
        answers
            .iter()
            .filter(|answer| answer.http != 200)
            .all(|answer| answer.refusal() == (404, "RESOURCE_NOT_FOUND", "40116"))
    );
}

#[tokio::test]
async fn reads_a_transaction_back() {
    let merchant = Merchant::open().await;
    let body = with(
        sale_by_card("read", GOOD_CARD),
        "order",
        json!({ "reference": "order-9" }),
    );
    let body = with(body, "description", json!("Two books"));
    let made = merchant.post("/transactions", &body).await.good();
    let id = made["id"].as_str().unwrap();
    let read = merchant.get(&format!("/transactions/{id}")).await.good();
    for name in [
        "id",
        "status",
        "amount",
        "currency",
        "reference",
        "batch_id",
        "time_created",
    ] {
        assert_eq!(read[name], made[name], "{name}");
    }
    assert_eq!(
        read["payment_method"]["card"]["masked_number_first6last4"],
        "426397XXXXXX5262"
    );
    assert_eq!(
        (
            &read["order_reference"],
            &read["description"],
            &read["ip_address"]
        ),
        (&json!("order-9"), &json!("Two books"), &json!(""))
    );
    assert_eq!(read["action"]["type"], "TRANSACTION_SINGLE");
    let answer = merchant.get("/transactions/TRN_unknown").await;
    assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40118"));
    assert_eq!(
        answer.told(),
        "Transactions TRN_unknown not found at this /ucp/transactions/TRN_unknown"
    );
}

#[tokio::test]
async fn finds_a_charge_by_its_reference() {
    let merchant = Merchant::open().await;
    for reference in ["Find-me", "find-me-not", "Find-me", "other"] {
        merchant.charged(reference, "AUTO").await;
    }
    let declined = sale_by_card("Find-me", "4000120000001154");
    merchant.post("/transactions", &declined).await.good();
    let find = async |query: &str| merchant.get(&format!("/transactions?{query}")).await.good();
    let found = find("reference=Find-me").await;
    assert_eq!(found["total_record_count"], 3);
    assert_eq!(found["action"]["type"], "TRANSACTION_LIST");
    assert_eq!(found["filter"]["reference"], "FIND-ME");
    let all = found["transactions"].as_array().unwrap();
    assert!(
        all.iter()
            .all(|transaction| transaction["reference"] == "Find-me")
    );
    let total = async |query: &str| find(query).await["total_record_count"].clone();
    assert_eq!(total("reference=find-ME").await, 3);
    assert_eq!(total("reference=Find-me&status=DECLINED").await, 1);
    assert_eq!(total("reference=nothing").await, 0);
    assert_eq!(total("amount=1999&currency=USD&type=SALE&brand=VISA").await, 5);
    assert_eq!(total("number_last4=1154&number_first6=400012").await, 1);
    assert_eq!(total("account_name=transaction_processing").await, 5);
    assert_eq!(
        find("page=2&page_size=2").await["transactions"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let answer = merchant.get("/transactions?account_name=nobody").await;
    assert_eq!(answer.refusal(), (403, "ACTION_NOT_AUTHORIZED", "40003"));
}

#[tokio::test]
async fn a_fresh_transaction_may_not_be_readable_yet() {
    let merchant = Merchant::open().await;
    merchant.set(&json!({ "readable_after_ms": 5000 }));
    let id = merchant.charged("fresh", "AUTO").await;
    let path = format!("/transactions/{id}");
    assert_eq!(merchant.get(&path).await.text("detailed_error_code"), "40118");
    let found = merchant.get("/transactions?reference=fresh").await.good();
    assert_eq!(found["total_record_count"], 0);
    merchant.advance(5);
    merchant.get(&path).await.good();
    let found = merchant.get("/transactions?reference=fresh").await.good();
    assert_eq!(found["total_record_count"], 1);
}

#[tokio::test]
async fn stays_fast_with_many_transactions() {
    let merchant = Merchant::open().await;
    for round in 0..100 {
        let sales: Vec<_> = (0..20)
            .map(|count| sale_by_card(&format!("many-{round}-{count}"), GOOD_CARD))
            .collect();
        let posts = sales.iter().map(|sale| merchant.post("/transactions", sale));
        for answer in futures_util::future::join_all(posts).await {
            answer.good();
        }
    }
    let start = Instant::now();
    assert_eq!(merchant.transactions().len(), 2000);
    let found = merchant.get("/transactions?reference=many-50-10").await.good();
    assert_eq!(found["total_record_count"], 1);
    assert!(start.elapsed() < Duration::from_secs(2));
}
