//! Repeats, and operations that are undone.

use serde_json::{Value, json};

use crate::shop::{Shop, pounds, put};

#[tokio::test]
async fn the_same_operation_is_told_the_same_and_done_once() {
    let shop = Shop::open().await;
    let body = shop.payment_body(1000);
    let first = shop.post("/payments", &body).await.is(201);
    assert_eq!(shop.post("/payments", &body).await.is(201), first);
    let id = first["paymentId"].as_str().unwrap();
    let capture = shop.body(&json!({ "amount": pounds(400) }));
    let path = format!("/payments/{id}/captures");
    let done = shop.post(&path, &capture).await.is(201);
    assert_eq!(shop.post(&path, &capture).await.is(201), done);
    let state = shop.state();
    assert_eq!(
        (
            state["payments"].as_array().unwrap().len(),
            &state["payments"][0]["captured"],
            &state["replays"]
        ),
        (1, &json!(400), &json!(2))
    );
    // With anything else in it, or for anything else, it is another one with the same id.
    let mut other = body.clone();
    put(&mut other, "amount.amount", 1001.into());
    shop.post("/payments", &other)
        .await
        .refused(409, "duplicate-operation", "operationId");
    shop.post(&format!("/payments/{id}/refunds"), &capture)
        .await
        .refused(409, "duplicate-operation", "operationId");
    shop.set(&json!({ "repeats": "conflict" }));
    shop.post("/payments", &body)
        .await
        .refused(409, "duplicate-operation", "operationId");
    assert_eq!(shop.state()["payments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn many_at_once_with_one_id_are_one_payment() {
    let shop = Shop::open().await;
    let body = shop.payment_body(1000);
    // The token first: each would ask for its own.
    shop.service("GET", "/ping", None).await;
    let calls = (0..8).map(|_| shop.post("/payments", &body));
    let answers = futures_util::future::join_all(calls).await;
    let ids: std::collections::HashSet<String> = answers
        .into_iter()
        .map(|answer| answer.is(201)["paymentId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(shop.state()["payments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refused_operation_has_not_used_its_id() {
    let shop = Shop::open().await;
    let mut body = shop.payment_body(1000);
    put(&mut body, "cardPaymentData.cardData.expiryDate", "012020".into());
    shop.post("/payments", &body)
        .await
        .refused(400, "validation", "expiryDate");
    put(&mut body, "cardPaymentData.cardData.expiryDate", "122031".into());
    shop.post("/payments", &body).await.is(201);
}

async fn undo(shop: &Shop, operation: &Value) -> crate::shop::Answer {
    let path = format!("/operations/{}/reverse", operation.as_str().unwrap());
    shop.post(&path, &shop.body(&json!({ "reason": "no answer" })))
        .await
}

#[tokio::test]
async fn an_undone_operation_is_as_if_it_had_never_been() {
    let shop = Shop::open().await;
    let body = shop.payment_body(1000);
    let payment = shop.post("/payments", &body).await.is(201);
    let id = payment["paymentId"].as_str().unwrap();
    let at = |what: &str| format!("/payments/{id}/{what}");
    let [capture, refund] = [
        json!({ "amount": pounds(600) }),
        json!({ "captureImmediately": true }),
    ]
    .map(|more| shop.body(&more));
    shop.post(&at("captures"), &capture).await.is(201);
    shop.post(&at("refunds"), &refund).await.is(201);
    let payment = || shop.state()["payments"][0].clone();
    assert_eq!(
        (&payment()["captured"], &payment()["refunded"]),
        (&json!(600), &json!(600))
    );
    // Not while something stands on it.
    for operation in [&body, &capture] {
        undo(&shop, &operation["operationId"])
            .await
            .refused(409, "state", "stand on it");
    }
    let undone = undo(&shop, &refund["operationId"]).await.is(201);
    assert_eq!(
        (&undone["responseCodeCategory"], &undone["responder"]),
        (&json!("APPROVED"), &json!("WORLDLINE"))
    );
    assert_eq!(
        (&payment()["captured"], &payment()["refunded"]),
        (&json!(600), &json!(0))
    );
    assert_eq!(shop.state()["refunds"][0]["status"], "REVERSED");
    undo(&shop, &capture["operationId"]).await.is(201);
    assert_eq!(
        (&payment()["captured"], &payment()["status"]),
        (&json!(0), &json!("AUTHORIZED"))
    );
    undo(&shop, &body["operationId"]).await.is(201);
    let read = shop
        .get(&format!("/payments/{id}?returnOperations=true"))
        .await
        .is(200);
    assert_eq!(
        (
            &read["status"],
            &read["operations"],
            &read["totalAuthorizedAmount"]["amount"]
        ),
        (&json!("REVERSED"), &json!([]), &json!(0))
    );
    // Its id is used up, for itself too.
    shop.post("/payments", &body)
        .await
        .refused(409, "duplicate-operation", "operationId");
    undo(&shop, &body["operationId"])
        .await
        .refused(409, "state", "undone before");
    assert_eq!(
        shop.state()["technical_reversals"],
        json!([refund["operationId"], capture["operationId"], body["operationId"]])
    );
}

#[tokio::test]
async fn a_reversal_is_repeated_and_not_undone() {
    let shop = Shop::open().await;
    let body = shop.payment_body(1000);
    shop.post("/payments", &body).await.is(201);
    let path = format!("/operations/{}/reverse", body["operationId"].as_str().unwrap());
    let reversal = shop.body(&json!({}));
    let first = shop.post(&path, &reversal).await.is(201);
    assert_eq!(shop.post(&path, &reversal).await.is(201), first);
    undo(&shop, &reversal["operationId"])
        .await
        .refused(409, "state", "cannot be undone");
    undo(&shop, &json!("unknown"))
        .await
        .refused(404, "not-found", "operation");
}

#[tokio::test]
async fn what_was_let_go_is_held_again_when_that_is_undone() {
    let shop = Shop::open().await;
    let id = shop.paid(1000).await;
    let reversal = shop.body(&json!({}));
    let path = format!("/payments/{id}/authorization-reversals");
    shop.post(&path, &reversal).await.is(201);
    undo(&shop, &reversal["operationId"]).await.is(201);
    let read = shop.get(&format!("/payments/{id}")).await.is(200);
    assert_eq!(
        (&read["status"], &read["totalAuthorizedAmount"]),
        (&json!("AUTHORIZED"), &pounds(1000))
    );
    // And so with a refund, as long as nothing has taken its place.
    shop.post(&format!("/payments/{id}/captures"), &shop.body(&json!({})))
        .await
        .is(201);
    let refunds = format!("/payments/{id}/refunds");
    let held = shop.post(&refunds, &shop.body(&json!({}))).await.is(201);
    let refund = held["refund"]["refundId"].as_str().unwrap();
    let reversal = shop.body(&json!({}));
    shop.post(&format!("/refunds/{refund}/authorization-reversals"), &reversal)
        .await
        .is(201);
    let other = shop.body(&json!({ "amount": pounds(1) }));
    shop.post(&refunds, &other).await.is(201);
    undo(&shop, &reversal["operationId"])
        .await
        .refused(409, "state", "stand on it");
    undo(&shop, &other["operationId"]).await.is(201);
    undo(&shop, &reversal["operationId"]).await.is(201);
    assert_eq!(shop.state()["payments"][0]["refunded"], 1000);
}
