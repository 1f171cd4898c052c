//! `/verifications`: asking the issuer, and storing the card.

use serde_json::{Value, json};

use super::merchant::{GOOD_CARD, Merchant, card, sale_by_id, verification, with};

#[tokio::test]
async fn turns_a_single_use_id_into_a_stored_one() {
    let merchant = Merchant::open().await;
    let single = merchant.single(GOOD_CARD).await;
    let answer = merchant
        .post("/verifications", &verification(&single))
        .await
        .good();
    assert!(answer["id"].as_str().unwrap().starts_with("VER_"));
    assert_eq!(
        (
            &answer["status"],
            &answer["action"]["type"],
            &answer["action"]["result_code"]
        ),
        (&json!("VERIFIED"), &json!("VERIFY"), &json!("SUCCESS"))
    );
    assert_eq!(answer["payment_method"]["result"], "00");
    assert_eq!(answer["account_name"], "transaction_processing");
    let stored = answer["payment_method"]["id"].as_str().unwrap();
    assert_ne!(stored, single);
    for reference in ["a", "b"] {
        merchant
            .post("/transactions", &sale_by_id(reference, stored))
            .await
            .good();
    }
    // The single-use one is gone, and no money was taken for the verification.
    let answer = merchant.post("/verifications", &verification(&single)).await;
    assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40116"));
    assert_eq!(merchant.transactions().len(), 2);
    // A stored one keeps its id.
    let answer = merchant
        .post("/verifications", &verification(stored))
        .await
        .good();
    assert_eq!(answer["payment_method"]["id"], stored);
}

#[tokio::test]
async fn stores_only_as_told() {
    let merchant = Merchant::open().await;
    let declined = "4000120000001154";
    for (number, mode, stores) in [
        (GOOD_CARD, Value::Null, false),
        (GOOD_CARD, json!("ON_SUCCESS"), true),
        (GOOD_CARD, json!("ALWAYS"), true),
        (declined, json!("ON_SUCCESS"), false),
        (declined, json!("ALWAYS"), true),
    ] {
        let single = merchant.single(number).await;
        let by_id = with(verification(&single), "payment_method/storage_mode", mode.clone());
        let by_card = with(
            with(by_id.clone(), "payment_method/id", Value::Null),
            "payment_method/card",
            card(number),
        );
        for body in [by_id, by_card] {
            let answer = merchant.post("/verifications", &body).await.good();
            assert_eq!(answer["payment_method"].get("id").is_some(), stores, "{mode}");
            assert_eq!(answer["status"] == "VERIFIED", number == GOOD_CARD);
        }
        // Used up, whatever came of it.
        let answer = merchant.post("/verifications", &verification(&single)).await;
        assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40116"));
    }
    let prompt = with(
        verification(&merchant.single(GOOD_CARD).await),
        "payment_method/storage_mode",
        json!("PROMPT"),
    );
    assert_eq!(
        merchant.post("/verifications", &prompt).await.refusal(),
        (400, "INVALID_REQUEST_DATA", "40213")
    );
}

#[tokio::test]
async fn may_approve_without_an_id_or_keep_the_same() {
    let merchant = Merchant::open().await;
    merchant.set(&json!({ "verification_returns_id": false }));
    let single = merchant.single(GOOD_CARD).await;
    let answer = merchant
        .post("/verifications", &verification(&single))
        .await
        .good();
    assert_eq!(
        (&answer["status"], answer["payment_method"].get("id")),
        (&json!("VERIFIED"), None)
    );
    assert_eq!(merchant.state()["payment_methods"].as_array().unwrap().len(), 1);

    merchant.set(&json!({ "verification_returns_id": true, "verification_keeps_id": true }));
    let single = merchant.single(GOOD_CARD).await;
    let answer = merchant
        .post("/verifications", &verification(&single))
        .await
        .good();
    assert_eq!(answer["payment_method"]["id"], single);
    for reference in ["a", "b"] {
        merchant
            .post("/transactions", &sale_by_id(reference, &single))
            .await
            .good();
    }
}

#[tokio::test]
async fn names_what_is_missing() {
    let merchant = Merchant::open().await;
    let single = merchant.single(GOOD_CARD).await;
    for (field, detailed) in [
        ("currency", "40005"),
        ("country", "40005"),
        ("channel", "40005"),
        ("reference", "40005"),
        ("payment_method/entry_mode", "40005"),
        ("payment_method/id", "40007"),
        ("payment_method", "40005"),
        ("account_name", "40007"),
    ] {
        let body = with(verification(&single), field, Value::Null);
        let answer = merchant.post("/verifications", &body).await;
        assert_eq!(answer.text("detailed_error_code"), detailed, "{field}");
        assert_eq!(answer.http, 400);
    }
    let body = with(verification(&single), "currency", Value::Null);
    assert_eq!(
        merchant.post("/verifications", &body).await.told(),
        "Request expects the following fields currency"
    );
    // None of it used up the id.
    merchant
        .post("/verifications", &verification(&single))
        .await
        .good();
}

#[tokio::test]
async fn a_key_leads_back_to_the_verification() {
    let merchant = Merchant::open().await;
    let single = merchant.single(GOOD_CARD).await;
    let body = verification(&single);
    let made = merchant
        .post_with_key("/verifications", &body, "v-1")
        .await
        .good();
    let again = merchant.post_with_key("/verifications", &body, "v-1").await;
    assert_eq!(again.refusal(), (409, "DUPLICATE_ACTION", "40039"));
    let id = made["id"].as_str().unwrap();
    assert!(again.told().ends_with(id));
    let read = merchant.get(&format!("/verifications/{id}")).await.good();
    assert_eq!(read, made);
    let answer = merchant.get("/verifications/VER_unknown").await;
    assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40118"));
}
