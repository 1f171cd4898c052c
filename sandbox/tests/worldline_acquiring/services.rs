use serde_json::json;

use crate::shop::{Shop, TIME, pounds, put};

#[tokio::test]
async fn a_ping_is_answered_with_nothing() {
    let shop = Shop::open().await;
    let answer = shop.service("GET", "/ping", None).await;
    assert_eq!(
        (answer.status, answer.text.as_str(), answer.kind.as_str()),
        (204, "", "")
    );
}

#[tokio::test]
async fn a_rate_is_offered_for_the_amount_that_was_asked() {
    let shop = Shop::open().await;
    let mut body = json!({ "operationId": shop.id(), "targetCurrency": "EUR",
        "cardPaymentData": { "bin": "41766699", "brand": "VISA" },
        "pointOfSaleData": { "terminalId": "12345678" },
        "transaction": { "amount": pounds(200), "transactionType": "PAYMENT", "transactionTimestamp": TIME } });
    let path = "/100812/520000214/dcc-rates";
    let offer = shop.service("POST", path, Some(&body)).await.is(200);
    let proposal = &offer["proposal"];
    assert_eq!(proposal["originalAmount"], pounds(200));
    assert_eq!(
        proposal["resultingAmount"],
        json!({ "amount": 240, "currencyCode": "EUR", "numberOfDecimals": 2 })
    );
    assert!(!proposal["rateReferenceId"].as_str().unwrap().is_empty());
    let rate = proposal["rate"]["exchangeRate"].as_f64().unwrap();
    let inverted = proposal["rate"]["invertedExchangeRate"].as_f64().unwrap();
    assert!(
        (rate - 1.197_674).abs() < 1e-9 && (rate * inverted - 1.0).abs() < 1e-9,
        "{rate}"
    );
    for (name, value) in [
        ("targetCurrency", json!("XXX")),
        ("transaction.transactionTimestamp", json!(null)),
        // A whole number has no place there.
        ("cardPaymentData.bin", json!("4176669999000104")),
    ] {
        let mut wrong = body.clone();
        put(&mut wrong, name, value);
        put(&mut wrong, "operationId", shop.id().into());
        shop.service("POST", path, Some(&wrong))
            .await
            .refused(400, "validation", name);
    }
    put(&mut body, "operationId", shop.id().into());
    let request = shop.service("POST", "/100812/1/dcc-rates", Some(&body));
    request.await.refused(403, "authorization", "merchant");
}

#[tokio::test]
async fn a_balance_is_told_of_a_card_that_is_good() {
    let shop = Shop::open().await;
    let mut body = shop.payment_body(1);
    body.as_object_mut().unwrap().remove("amount");
    let told = shop.post("/balance-inquiries", &body).await.is(201);
    assert_eq!(
        (&told["responseCode"], &told["availableAmount"]["amount"]),
        (&json!("0"), &json!(10_000))
    );
    put(&mut body, "operationId", shop.id().into());
    put(
        &mut body,
        "cardPaymentData.cardData.cardNumber",
        crate::shop::DECLINED.into(),
    );
    let told = shop.post("/balance-inquiries", &body).await.is(201);
    assert_eq!(
        (&told["responseCodeCategory"], told.get("availableAmount")),
        (&json!("DECLINED"), None)
    );
}
