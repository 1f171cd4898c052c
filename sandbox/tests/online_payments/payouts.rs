//! Money to the holder of a card.

use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use super::shop::{DECLINED, Shop, VISA, with};

fn payout(amount: i64, number: &str) -> Value {
    json!({
        "amountOfMoney": { "amount": amount, "currencyCode": "EUR" },
        "references": { "merchantReference": "payout-1" },
        "cardPayoutMethodSpecificInput": {
            "paymentProductId": 1, "payoutReason": "Refund",
            "card": { "cardNumber": number, "cardholderName": "Zoë Müller", "expiryDate": "1230", "cvv": "123" },
        },
    })
}

#[tokio::test]
async fn credits_a_card_once() {
    let shop = Shop::open().await;
    let made = shop
        .post_with_key("/payouts", &payout(1000, VISA), "p")
        .await
        .good(201);
    let output = &made["payoutOutput"];
    assert_eq!(
        (&output["amountOfMoney"], &output["payoutReason"]),
        (
            &json!({ "amount": 1000, "currencyCode": "EUR" }),
            &json!("Refund")
        )
    );
    assert_eq!(
        output["payoutCardPaymentMethodSpecificOutput"]["card"]["cardNumber"],
        "************7977"
    );
    let id = made["id"].as_str().unwrap();
    let read = shop.get(&format!("/payouts/{id}")).await.good(200);
    assert_eq!(read, made);
    assert_eq!(read["status"], "ACCOUNT_CREDITED");
    assert_eq!(
        read["statusOutput"],
        json!({ "isCancellable": false, "statusCategory": "REFUNDED", "statusCode": 8 })
    );
    let again = shop.post_with_key("/payouts", &payout(1000, VISA), "p").await;
    assert_eq!(again.good(201), made);
    assert_eq!(shop.state()["payouts"].as_array().unwrap().len(), 1);
    let by_token = with(
        payout(5, VISA),
        "cardPayoutMethodSpecificInput",
        json!({ "token": shop.stored(VISA).await }),
    );
    shop.post("/payouts", &by_token).await.good(201);
}

#[tokio::test]
async fn tells_declines_and_mistakes() {
    let shop = Shop::open().await;
    let by_card = shop.post("/payouts", &payout(1000, DECLINED)).await.good(402);
    shop.inject("payouts", Kind::RespCode, |fault| {
        fault.value = Some("30511001".into());
    });
    let by_fault = shop.post("/payouts", &payout(1000, VISA)).await.good(402);
    for declined in [&by_card, &by_fault] {
        assert_eq!(declined["payoutResult"]["status"], "REJECTED_CREDIT");
        assert_eq!(declined["errors"].as_array().unwrap().len(), 1);
    }
    assert_eq!(by_fault["errors"][0]["errorCode"], "30511001");
    let card = "cardPayoutMethodSpecificInput";
    for (body, wanted) in [
        (payout(-1, VISA), (400, "INVALID_VALUE", "amountOfMoney.amount")),
        (
            with(payout(1, VISA), "amountOfMoney/currencyCode", json!("INVALID")),
            (400, "INVALID_VALUE", "amountOfMoney.currencyCode"),
        ),
        (
            payout(1, "123"),
            (
                400,
                "INVALID_VALUE",
                "cardPayoutMethodSpecificInput.card.cardNumber",
            ),
        ),
        (
            with(payout(1, VISA), card, Value::Null),
            (400, "PARAMETER_NOT_FOUND_IN_REQUEST", card),
        ),
        (
            with(payout(1, VISA), card, json!({ "token": "none" })),
            (404, "UNKNOWN_TOKEN_ID", "token"),
        ),
    ] {
        assert_eq!(shop.post("/payouts", &body).await.refusal(), wanted);
    }
    assert_eq!(
        shop.get("/payouts/1_0").await.refusal(),
        (404, "UNKNOWN_PAYOUT_ID", "payoutId")
    );
}
