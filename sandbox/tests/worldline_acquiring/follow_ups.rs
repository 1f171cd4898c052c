use std::time::Duration;

use serde_json::{Value, json};

use crate::shop::{Shop, pounds, put};

fn status(answer: &Value) -> &Value {
    &answer["payment"]["status"]
}

#[tokio::test]
async fn a_payment_is_captured_in_parts_and_closed() {
    let shop = Shop::open().await;
    let id = shop.paid(1000).await;
    let capture = async |more: Value| {
        shop.post(&format!("/payments/{id}/captures"), &shop.body(&more))
            .await
    };
    let refund = async |more: Value| {
        shop.post(&format!("/payments/{id}/refunds"), &shop.body(&more))
            .await
    };
    refund(json!({})).await.refused(409, "state", "less left");
    let first = capture(json!({ "amount": pounds(300), "captureSequenceNumber": 1 }))
        .await
        .is(201);
    assert_eq!(
        (
            status(&first),
            &first["responseCode"],
            &first["payment"]["paymentId"]
        ),
        (&json!("PENDING_CAPTURE"), &json!("0"), &json!(id))
    );
    capture(json!({ "amount": pounds(701) }))
        .await
        .refused(409, "state", "less left");
    let mut euros = pounds(100);
    euros["currencyCode"] = "EUR".into();
    capture(json!({ "amount": euros }))
        .await
        .refused(400, "validation", "amount.currencyCode");
    capture(json!({ "captureSequenceNumber": 0 }))
        .await
        .refused(400, "validation", "captureSequenceNumber");
    capture(json!({ "amount": pounds(500), "captureSequenceNumber": 2, "isFinal": true }))
        .await
        .is(201);
    capture(json!({ "amount": pounds(1) }))
        .await
        .refused(409, "state", "last capture");
    // Up to what was captured, in parts.
    let part = refund(json!({ "amount": pounds(200), "captureImmediately": true }))
        .await
        .is(201);
    assert_eq!(
        (&part["refund"]["status"], part.get("payment")),
        (&json!("PENDING_CAPTURE"), None)
    );
    refund(json!({ "amount": pounds(601) }))
        .await
        .refused(409, "state", "less left");
    refund(json!({ "captureImmediately": true })).await.is(201);
    let state = shop.state();
    let payment = &state["payments"][0];
    assert_eq!(
        (
            &payment["captured"],
            &payment["refunded"],
            &state["refunds"][1]["amount"]
        ),
        (&json!(800), &json!(800), &json!(600))
    );
    let read = shop
        .get(&format!("/payments/{id}?returnOperations=true"))
        .await
        .is(200);
    let kinds: Vec<&str> = read["operations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|operation| operation["operationType"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["AUTHORIZATION", "CAPTURE", "CAPTURE", "REFUND", "REFUND"]);
    // In time it is confirmed, or at once.
    shop.sandbox.clock().advance(Duration::from_secs(24 * 60 * 60));
    // The access token has ended, too.
    let bearer = shop.bearer("processing_payment").await;
    let path = format!("/processing/v1/100812/520000214/payments/{id}");
    let read = shop.send(shop.request("GET", &path, &bearer)).await.is(200);
    assert_eq!(read["status"], "CONFIRMED");
}

#[tokio::test]
async fn a_payment_at_once_is_refunded_without_a_capture() {
    let shop = Shop::open().await;
    shop.set(&json!({ "confirm_after_seconds": 0 }));
    let mut body = shop.payment_body(500);
    put(&mut body, "cardPaymentData.captureImmediately", true.into());
    put(&mut body, "authorizationType", "FINAL_AUTHORIZATION".into());
    let payment = shop.post("/payments", &body).await.is(201);
    assert_eq!(payment["status"], "CONFIRMED");
    let at = |what: &str| format!("/payments/{}/{what}", payment["paymentId"].as_str().unwrap());
    shop.post(&at("captures"), &shop.body(&json!({})))
        .await
        .refused(409, "state", "last capture");
    shop.post(&at("authorization-reversals"), &shop.body(&json!({})))
        .await
        .refused(409, "state", "captured");
    let body = shop.body(&json!({ "captureImmediately": true }));
    shop.post(&at("refunds"), &body).await.is(201);
    assert_eq!(shop.state()["payments"][0]["refunded"], 500);
}

#[tokio::test]
async fn what_is_held_is_raised_and_let_go() {
    let shop = Shop::open().await;
    let id = shop.paid(1000).await;
    let at = |what: &str| format!("/payments/{id}/{what}");
    let raised = shop
        .post(
            &at("increments"),
            &shop.body(&json!({ "incrementAmount": pounds(200) })),
        )
        .await
        .is(201);
    assert_eq!(raised["totalAuthorizedAmount"], pounds(1200));
    assert!(!raised["authorizationCode"].as_str().unwrap().is_empty());
    // Declined by its own amount, and nothing changes.
    let declined = shop
        .post(
            &at("increments"),
            &shop.body(&json!({ "incrementAmount": pounds(205) })),
        )
        .await
        .is(201);
    assert_eq!(
        (
            &declined["responseCodeCategory"],
            &declined["totalAuthorizedAmount"]
        ),
        (&json!("DECLINED"), &pounds(1200))
    );
    shop.post(&at("increments"), &shop.body(&json!({})))
        .await
        .refused(400, "validation", "incrementAmount is missing");
    let part = shop
        .post(
            &at("authorization-reversals"),
            &shop.body(&json!({ "reversalAmount": pounds(700) })),
        )
        .await
        .is(201);
    assert_eq!(
        (status(&part), &part["totalAuthorizedAmount"]),
        (&json!("AUTHORIZED"), &pounds(500))
    );
    shop.post(
        &at("authorization-reversals"),
        &shop.body(&json!({ "reversalAmount": pounds(501) })),
    )
    .await
    .refused(409, "state", "less left");
    let all = shop
        .post(&at("authorization-reversals"), &shop.body(&json!({})))
        .await
        .is(201);
    assert_eq!(
        (status(&all), &all["totalAuthorizedAmount"]["amount"]),
        (&json!("REVERSED"), &json!(0))
    );
    for what in ["captures", "authorization-reversals", "refunds"] {
        shop.post(&at(what), &shop.body(&json!({})))
            .await
            .refused(409, "state", "not authorized");
    }
}

#[tokio::test]
async fn a_refund_can_be_held_and_let_go() {
    let shop = Shop::open().await;
    let id = shop.paid(1000).await;
    shop.post(&format!("/payments/{id}/captures"), &shop.body(&json!({})))
        .await
        .is(201);
    let refunds = format!("/payments/{id}/refunds");
    let held = shop.post(&refunds, &shop.body(&json!({}))).await.is(201);
    assert_eq!(held["refund"]["status"], "AUTHORIZED");
    let refund = held["refund"]["refundId"].as_str().unwrap();
    // It counts while it is held.
    shop.post(&refunds, &shop.body(&json!({})))
        .await
        .refused(409, "state", "less left");
    let back = shop
        .post(
            &format!("/refunds/{refund}/authorization-reversals"),
            &shop.body(&json!({})),
        )
        .await
        .is(201);
    assert_eq!(back["refund"]["status"], "REVERSED");
    // What the types of the platform's own client do not have.
    for answer in [&held, &back] {
        for member in ["authorizationCode", "totalAuthorizedAmount"] {
            assert_eq!(answer.get(member), None, "{member}");
        }
    }
    let read = shop.get(&format!("/refunds/{refund}")).await.is(200);
    assert_eq!(read["referencedPaymentId"], id.as_str());
    let again = shop
        .post(&refunds, &shop.body(&json!({ "amount": pounds(400) })))
        .await
        .is(201);
    let refund = again["refund"]["refundId"].as_str().unwrap();
    shop.post(&format!("/refunds/{refund}/captures"), &shop.body(&json!({})))
        .await
        .is(201);
    let read = shop
        .get(&format!("/refunds/{refund}?returnOperations=true"))
        .await
        .is(200);
    assert_eq!(
        (&read["status"], read["operations"].as_array().unwrap().len()),
        (&json!("PENDING_CAPTURE"), 2)
    );
    shop.post(
        &format!("/refunds/{refund}/authorization-reversals"),
        &shop.body(&json!({})),
    )
    .await
    .refused(409, "state", "captured");
    assert_eq!(shop.state()["payments"][0]["refunded"], 400);
}

#[tokio::test]
async fn a_refund_can_stand_alone() {
    let shop = Shop::open().await;
    let mut body = shop.payment_body(700);
    body.as_object_mut().unwrap().remove("authorizationType");
    put(&mut body, "cardPaymentData.captureImmediately", true.into());
    let refund = shop.post("/refunds", &body).await.is(201);
    assert_eq!(
        (&refund["status"], &refund["responseCode"], &refund["operationId"]),
        (&json!("PENDING_CAPTURE"), &json!("0"), &body["operationId"])
    );
    let id = refund["refundId"].as_str().unwrap();
    let read = shop.get(&format!("/refunds/{id}")).await.is(200);
    assert_eq!(read["refundId"], id);
    assert_eq!(
        (
            &refund["authorizationCode"],
            refund.get("initialAuthorizationCode")
        ),
        (&read["initialAuthorizationCode"], None)
    );
    assert!(refund["cardPaymentData"].get("ecommerceData").is_some());
    assert_eq!(read["cardPaymentData"], json!({ "brand": "VISA" }));
    shop.get("/refunds/unknown")
        .await
        .refused(404, "not-found", "refund");
}
