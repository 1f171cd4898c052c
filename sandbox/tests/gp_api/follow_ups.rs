//! Captures, refunds, reversals.

use serde_json::{Value, json};

use super::merchant::{Answer, GOOD_CARD, Merchant, sale_by_card, with};

async fn follow(merchant: &Merchant, id: &str, action: &str, body: Value) -> Answer {
    merchant
        .post(&format!("/transactions/{id}/{action}"), &body)
        .await
}

async fn status(merchant: &Merchant, id: &str) -> Value {
    merchant.get(&format!("/transactions/{id}")).await.good()["status"].clone()
}

#[tokio::test]
async fn captures_all_or_a_part() {
    let merchant = Merchant::open().await;
    for (body, captured) in [
        (json!({}), "1999"),
        (json!({ "amount": "" }), "1999"),
        (json!({ "amount": null }), "1999"),
        (json!({ "amount": "500" }), "500"),
        (json!({ "amount": "2298" }), "2298"),
    ] {
        let id = merchant.charged("cap", "LATER").await;
        let answer = follow(&merchant, &id, "capture", body).await.good();
        assert_eq!(
            (&answer["status"], &answer["amount"], &answer["action"]["type"]),
            (&json!("CAPTURED"), &json!(captured), &json!("CAPTURE"))
        );
        let new_id = answer["id"].as_str().unwrap();
        assert_ne!(new_id, id);
        assert_eq!(status(&merchant, &id).await, "CAPTURED");
        // Its own id leads to the same charge.
        let read = merchant.get(&format!("/transactions/{new_id}")).await.good();
        assert_eq!(
            (&read["id"], &read["parent_resource_id"]),
            (&json!(new_id), &json!(id))
        );
        assert_eq!(merchant.transactions().last().unwrap()["captured"], captured);
        let again = follow(&merchant, &id, "capture", json!({})).await;
        assert_eq!(again.refusal(), (400, "INVALID_ACTION", "40290"));
    }
    // A capture is no transaction of its own.
    assert_eq!(merchant.transactions().len(), 5);
}

#[tokio::test]
async fn captures_at_most_115_percent() {
    let merchant = Merchant::open().await;
    for (authorized, most) in [
        ("1999", 2298),
        ("100", 115),
        ("1", 1),
        ("7", 8),
        ("1000000", 1_150_000),
    ] {
        let body = with(sale_by_card("cap", GOOD_CARD), "amount", json!(authorized));
        let body = with(body, "capture_mode", json!("LATER"));
        let made = merchant.post("/transactions", &body).await.good();
        let id = made["id"].as_str().unwrap();
        let more = json!({ "amount": (most + 1).to_string() });
        let answer = follow(&merchant, id, "capture", more).await;
        assert_eq!(
            answer.refusal(),
            (400, "INVALID_REQUEST_DATA", "50020"),
            "{authorized}"
        );
        assert_eq!(
            answer.told(),
            "Can't settle for more than 115% of that which you authorised "
        );
        let amount = json!({ "amount": most.to_string() });
        follow(&merchant, id, "capture", amount).await.good();
    }
}

#[tokio::test]
async fn captures_in_parts_where_that_was_agreed() {
    let merchant = Merchant::open().await;
    let id = merchant.charged("multi", "MULTIPLE").await;
    for _ in 0..3 {
        follow(&merchant, &id, "capture", json!({ "amount": "700" }))
            .await
            .good();
    }
    let answer = follow(&merchant, &id, "capture", json!({ "amount": "700" })).await;
    assert_eq!(answer.text("detailed_error_code"), "50020");
    assert_eq!(merchant.transactions()[0]["captured"], "2100");
}

#[tokio::test]
async fn refunds_up_to_the_whole() {
    let merchant = Merchant::open().await;
    let id = merchant.charged("ref", "AUTO").await;
    let part = follow(&merchant, &id, "refund", json!({ "amount": "500" }))
        .await
        .good();
    assert_eq!(
        (
            &part["type"],
            &part["status"],
            &part["amount"],
            &part["action"]["type"]
        ),
        (
            &json!("REFUND"),
            &json!("CAPTURED"),
            &json!("500"),
            &json!("REFUND")
        )
    );
    let refund = part["id"].as_str().unwrap();
    assert_ne!(refund, id);
    let read = merchant.get(&format!("/transactions/{refund}")).await.good();
    assert_eq!(
        (&read["type"], &read["amount"], &read["parent_resource_id"]),
        (&json!("REFUND"), &json!("500"), &json!(id))
    );
    let answer = follow(&merchant, &id, "refund", json!({ "amount": "1500" })).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40087"));
    assert_eq!(
        answer.told(),
        "You may only refund up to 100% of the original amount "
    );
    for rest in ["", "null"] {
        let body = if rest.is_empty() {
            json!({ "amount": "" })
        } else {
            json!({ "amount": null })
        };
        let answer = follow(&merchant, &id, "refund", body).await;
        if rest.is_empty() {
            assert_eq!(answer.good()["amount"], "1499");
        } else {
            assert_eq!(answer.text("detailed_error_code"), "40087");
        }
    }
    assert_eq!(status(&merchant, &id).await, "CAPTURED");
    let state = merchant.transactions();
    assert_eq!(
        (&state[0]["refunded"], &state[0]["status"]),
        (&json!("1999"), &json!("CAPTURED"))
    );
    assert_eq!(state.len(), 3);
    assert_eq!(
        (&state[1]["type"], &state[1]["parent"]),
        (&json!("REFUND"), &json!(id))
    );
    // The same reference finds charge and refunds.
    let found = merchant.get("/transactions?reference=ref").await.good();
    assert_eq!(found["total_record_count"], 3);
}

#[tokio::test]
async fn refunds_what_was_captured_and_nothing_else() {
    let merchant = Merchant::open().await;
    let id = merchant.charged("ref", "LATER").await;
    let answer = follow(&merchant, &id, "refund", json!({})).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40087"));
    follow(&merchant, &id, "capture", json!({ "amount": "1000" }))
        .await
        .good();
    let answer = follow(&merchant, &id, "refund", json!({ "amount": "1001" })).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40087"));
    merchant.set(&json!({ "refund_percent": 115 }));
    let answer = follow(&merchant, &id, "refund", json!({ "amount": "1151" })).await;
    assert_eq!(
        answer.told(),
        "You may only refund up to 115% of the original amount "
    );
    follow(&merchant, &id, "refund", json!({ "amount": "1150" }))
        .await
        .good();
    let declined = merchant
        .post("/transactions", &sale_by_card("no", "4000120000001154"))
        .await
        .good();
    let answer = follow(&merchant, declined["id"].as_str().unwrap(), "refund", json!({})).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40087"));
}

#[tokio::test]
async fn refunds_without_a_charge() {
    let merchant = Merchant::open().await;
    let body = with(sale_by_card("alone", GOOD_CARD), "type", json!("REFUND"));
    let answer = merchant.post("/transactions", &body).await.good();
    assert_eq!(
        (&answer["type"], &answer["status"]),
        (&json!("REFUND"), &json!("CAPTURED"))
    );
}

#[tokio::test]
async fn of_many_refunds_none_is_too_much() {
    let merchant = Merchant::open().await;
    let id = merchant.charged("race", "AUTO").await;
    let refunds = (0..10).map(|_| follow(&merchant, &id, "refund", json!({ "amount": "500" })));
    let answers = futures_util::future::join_all(refunds).await;
    assert_eq!(answers.iter().filter(|answer| answer.http == 200).count(), 3);
    assert_eq!(merchant.transactions()[0]["refunded"], "1500");
}

#[tokio::test]
async fn reverses_the_whole_only() {
    let merchant = Merchant::open().await;
    for (mode, body) in [
        ("AUTO", json!({})),
        ("LATER", json!({ "amount": "" })),
        ("AUTO", json!({ "amount": "1999" })),
    ] {
        let id = merchant.charged("rev", mode).await;
        let partial = follow(&merchant, &id, "reversal", json!({ "amount": "129" })).await;
        assert_eq!(partial.refusal(), (400, "INVALID_REQUEST_DATA", "40214"));
        assert_eq!(partial.told(), "partial reversal not supported");
        let answer = follow(&merchant, &id, "reversal", body).await.good();
        assert_eq!(
            (&answer["status"], &answer["action"]["type"]),
            (&json!("REVERSED"), &json!("REVERSE"))
        );
        assert_ne!(answer["id"], id);
        assert_eq!(status(&merchant, &id).await, "REVERSED");
        let again = follow(&merchant, &id, "reversal", json!({})).await;
        assert_eq!(again.refusal(), (400, "INVALID_ACTION", "40290"));
        let refund = follow(&merchant, &id, "refund", json!({})).await;
        assert_eq!(refund.text("detailed_error_code"), "40087");
        let capture = follow(&merchant, &id, "capture", json!({})).await;
        assert_eq!(capture.text("detailed_error_code"), "40290");
    }
}

#[tokio::test]
async fn takes_follow_ups_without_a_body_and_refuses_unknown_ids() {
    let merchant = Merchant::open().await;
    let id = merchant.charged("bare", "LATER").await;
    for action in ["capture", "refund"] {
        let path = format!("/transactions/{id}/{action}");
        let request = merchant.request(reqwest::Method::POST, &path, &merchant.token);
        Answer::of(request.send().await.unwrap()).await.good();
    }
    for action in ["capture", "refund", "reversal"] {
        let answer = follow(&merchant, "TRN_unknown", action, json!({})).await;
        assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40008"));
        assert_eq!(
            answer.told(),
            "Transaction TRN_unknown not found at this location."
        );
    }
    let answer = follow(&merchant, &id, "split", json!({})).await;
    assert_eq!(answer.http, 404);
}

#[tokio::test]
async fn each_has_a_key_of_its_own() {
    let merchant = Merchant::open().await;
    let id = merchant.charged("keys", "LATER").await;
    for action in ["capture", "refund"] {
        let path = format!("/transactions/{id}/{action}");
        let body = json!({ "amount": "700" });
        let made = merchant.post_with_key(&path, &body, action).await.good();
        let again = merchant.post_with_key(&path, &body, action).await;
        assert_eq!(again.refusal(), (409, "DUPLICATE_ACTION", "40039"));
        let new_id = made["id"].as_str().unwrap();
        assert!(again.told().ends_with(&format!("id={new_id}")));
        merchant.get(&format!("/transactions/{new_id}")).await.good();
    }
    let state = merchant.transactions();
    assert_eq!(
        (&state[0]["captured"], &state[0]["refunded"]),
        (&json!("700"), &json!("700"))
    );
}
