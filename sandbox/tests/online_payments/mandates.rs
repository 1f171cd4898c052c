//! Mandates for direct debits.

use serde_json::{Value, json};

use super::shop::{Shop, with};

fn mandate(reference: &str) -> Value {
    json!({
        "alias": "A mandate", "customerReference": "customer-1", "recurrenceType": "RECURRING",
        "signatureType": "UNSIGNED", "returnUrl": "https://shop.example/signed", "uniqueMandateReference": reference,
        "customer": {
            "bankAccountIban": { "iban": "BE45000253450589" }, "companyName": "Labs",
            "mandateAddress": { "city": "Brussels", "countryCode": "BE" },
        },
    })
}

#[tokio::test]
async fn goes_through_its_states() {
    let shop = Shop::open().await;
    let made = shop.post("/mandates", &mandate("M1")).await.good(201);
    assert_eq!(made["mandate"]["status"], "ACTIVE");
    assert_eq!(
        made["mandate"]["customer"]["bankAccountIban"]["iban"],
        "BE45000253450589"
    );
    assert_eq!(shop.get("/mandates/M1").await.good(200), made);
    for (action, http, status) in [
        ("unblock", 400, "ACTIVE"),
        ("block", 200, "BLOCKED"),
        ("block", 400, "BLOCKED"),
        ("unblock", 200, "ACTIVE"),
        ("block", 200, "BLOCKED"),
        ("revoke", 200, "REVOKED"),
        ("revoke", 400, "REVOKED"),
        ("block", 400, "REVOKED"),
        ("unblock", 400, "REVOKED"),
    ] {
        let answer = shop.post(&format!("/mandates/M1/{action}"), &json!({})).await;
        assert_eq!(answer.http, http, "{action}");
        let read = shop.get("/mandates/M1").await.good(200);
        assert_eq!(read["mandate"]["status"], status, "{action}");
    }
}

#[tokio::test]
async fn refuses_what_cannot_be_debited() {
    let shop = Shop::open().await;
    let iban = "customer/bankAccountIban/iban";
    for (body, member) in [
        (
            with(mandate("M1"), iban, json!("INVALID")),
            "customer.bankAccountIban.iban",
        ),
        (
            with(mandate("M1"), "recurrenceType", json!("SOMETIMES")),
            "recurrenceType",
        ),
        (
            with(mandate("M1"), "signatureType", json!("SMS")),
            "signatureType",
        ),
        (mandate("not/a/reference"), "uniqueMandateReference"),
    ] {
        assert_eq!(
            shop.post("/mandates", &body).await.refusal(),
            (400, "INVALID_VALUE", member)
        );
    }
    shop.post("/mandates", &mandate("M1")).await.good(201);
    assert_eq!(shop.post("/mandates", &mandate("M1")).await.http, 400);
    let unnamed = with(mandate(""), "uniqueMandateReference", Value::Null);
    let made = shop.post("/mandates", &unnamed).await.good(201);
    assert_eq!(
        made["mandate"]["uniqueMandateReference"].as_str().unwrap().len(),
        32
    );
    assert_eq!(shop.get("/mandates/none").await.http, 404);
    // Revoking has another answer, as in the tests of the platform's own clients.
    for (action, http) in [("block", 404), ("unblock", 404), ("revoke", 400)] {
        let answer = shop.post(&format!("/mandates/none/{action}"), &json!({})).await;
        assert_eq!(answer.http, http, "{action}");
    }
}
