//! Holding, releasing, increments, edits and reauthorization, as the tests of the official clients call them.

use serde_json::{Value, json};

use super::merchant::{Answer, GOOD_CARD, Merchant, sale_by_card, with};

async fn follow(merchant: &Merchant, id: &str, action: &str, body: Value) -> Answer {
    merchant
        .post(&format!("/transactions/{id}/{action}"), &body)
        .await
}

#[tokio::test]
async fn a_held_charge_is_not_captured_until_it_is_released() {
    let merchant = Merchant::open().await;
    for (mode, status) in [("LATER", "PREAUTHORIZED"), ("AUTO", "CAPTURED")] {
        let id = merchant.charged("hold", mode).await;
        let early = follow(&merchant, &id, "release", json!({})).await;
        assert_eq!(early.refusal(), (400, "INVALID_REQUEST_DATA", "50020"));
        assert_eq!(early.told(), "Cant release transaction that is not held");
        for (action, reason, result) in [
            ("hold", json!("FRAUD"), "HOLD_SUCCESSFUL"),
            ("release", json!("FALSE_POSITIVE"), "RELEASE_SUCCESSFUL"),
            ("hold", Value::Null, "HOLD_SUCCESSFUL"),
        ] {
            let answer = follow(&merchant, &id, action, json!({ "reason_code": reason }))
                .await
                .good();
            assert_eq!(
                (
                    &answer["status"],
                    &answer["action"]["result_code"],
                    &answer["risk_assessment"][0]["result"]
                ),
                (&json!(status), &json!("SUCCESS"), &json!(result))
            );
        }
        let capture = follow(&merchant, &id, "capture", json!({})).await;
        assert_eq!(capture.refusal(), (400, "INVALID_REQUEST_DATA", "50020"));
        assert_eq!(capture.told(), "This transaction has been held");
        follow(&merchant, &id, "release", json!({})).await.good();
        if mode == "LATER" {
            follow(&merchant, &id, "capture", json!({})).await.good();
        }
    }
    let odd = merchant.charged("hold", "LATER").await;
    let odd = follow(&merchant, &odd, "hold", json!({ "reason_code": "WHIM" })).await;
    assert_eq!(odd.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
}

#[tokio::test]
async fn an_increment_adds_to_what_was_authorized() {
    let merchant = Merchant::open().await;
    let id = merchant.charged("more", "LATER").await;
    for (amount, total) in [("1000", "2999"), ("000", "2999")] {
        let answer = follow(&merchant, &id, "incremental", json!({ "amount": amount }))
            .await
            .good();
        assert_eq!(
            (&answer["status"], &answer["amount"]),
            (&json!("PREAUTHORIZED"), &json!(total))
        );
    }
    for nothing in [json!({}), json!({ "amount": "" }), json!({ "amount": null })] {
        let answer = follow(&merchant, &id, "incremental", nothing).await;
        assert_eq!(answer.refusal(), (400, "MANDATORY_DATA_MISSING", "40005"));
        assert_eq!(answer.told(), "Request expects the following fields [amount]");
    }
    let captured = follow(&merchant, &id, "capture", json!({})).await.good();
    assert_eq!(captured["amount"], "2999");
    let late = follow(&merchant, &id, "incremental", json!({ "amount": "1" })).await;
    assert_eq!(late.refusal(), (400, "INVALID_ACTION", "40290"));
    assert_eq!(
        late.told(),
        "Cannot PROCESS Incremental Authorization over a transaction that does not have a status of PREAUTHORIZED."
    );
}

#[tokio::test]
async fn an_edit_needs_something_to_change() {
    let merchant = Merchant::open().await;
    for (mode, status) in [("LATER", "PREAUTHORIZED"), ("AUTO", "CAPTURED")] {
        let id = merchant.charged("edit", mode).await;
        for (body, amount) in [
            (json!({ "amount": "2199" }), "2199"),
            (json!({ "gratuity_amount": "100" }), "2199"),
            (json!({ "gratuity_amount": "000" }), "2199"),
            (
                json!({ "payment_method": { "card": { "tag": "9F4005F000F0A001" } } }),
                "2199",
            ),
            (json!({ "amount": "1000", "gratuity_amount": "" }), "1000"),
        ] {
            let answer = follow(&merchant, &id, "adjustment", body).await.good();
            assert_eq!(
                (&answer["status"], &answer["amount"]),
                (&json!(status), &json!(amount))
            );
        }
        let answer = follow(&merchant, &id, "adjustment", json!({})).await;
        assert_eq!(answer.refusal(), (400, "MANDATORY_DATA_MISSING", "40005"));
        assert_eq!(
            answer.told(),
            "Request expects the following fields [amount or tag or gratuityAmount]"
        );
    }
    assert_eq!(merchant.transactions()[1]["captured"], "1000");
    // What was given back cannot be edited away.
    let id = merchant.charged("edit", "AUTO").await;
    follow(&merchant, &id, "refund", json!({ "amount": "1500" }))
        .await
        .good();
    let answer = follow(&merchant, &id, "adjustment", json!({ "amount": "1000" })).await;
    assert_eq!(answer.http, 400);
}

#[tokio::test]
async fn a_reversed_charge_is_done_again() {
    let merchant = Merchant::open().await;
    for (mode, status) in [("AUTO", "CAPTURED"), ("LATER", "PREAUTHORIZED")] {
        let id = merchant.charged("again", mode).await;
        let early = follow(&merchant, &id, "reauthorization", json!({})).await;
        assert_eq!(early.refusal(), (400, "INVALID_REQUEST_DATA", "40044"));
        follow(&merchant, &id, "reversal", json!({})).await.good();
        let path = format!("/transactions/{id}/reauthorization");
        let again = merchant
            .post_with_key(&path, &json!({ "amount": "1500" }), mode)
            .await
            .good();
        assert_eq!(
            (&again["status"], &again["amount"]),
            (&json!(status), &json!("1500"))
        );
        assert_ne!(again["id"], id);
        let twice = merchant.post_with_key(&path, &json!({}), mode).await;
        assert_eq!(twice.refusal(), (409, "DUPLICATE_ACTION", "40039"));
        let new = again["id"].as_str().unwrap();
        assert!(twice.told().ends_with(new));
        // It is a charge of its own.
        follow(&merchant, new, "reversal", json!({})).await.good();
    }
    let refund = with(sale_by_card("back", GOOD_CARD), "type", json!("REFUND"));
    let refund = merchant.post("/transactions", &refund).await.good();
    let answer = follow(
        &merchant,
        refund["id"].as_str().unwrap(),
        "reauthorization",
        json!({}),
    )
    .await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
}

#[tokio::test]
async fn unknown_charges_are_not_found_first() {
    let merchant = Merchant::open().await;
    for action in ["hold", "release", "incremental", "adjustment", "reauthorization"] {
        let answer = follow(&merchant, "TRN_unknown", action, json!({})).await;
        assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40008"), "{action}");
        assert_eq!(
            answer.told(),
            "Transaction TRN_unknown not found at this location."
        );
    }
}
