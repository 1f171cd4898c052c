//! Subscriptions: a stored card that the platform charges every month.

use std::time::Duration;

use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use super::shop::{Answer, GOOD_CARD, Shop, USD, with};

/// The platform's own card for insufficient funds.
const POOR_CARD: &str = "4094394314664828";
const DAY: u64 = 86_400;

pub(crate) fn plan(token: &str) -> Value {
    json!({
        "terminal": USD, "userId": "user-7", "description": "Coffee every month", "currency": "USD",
        "tokens": [token],
        "subscription": [{ "amount": 12.30, "cadence": { "mode": "EVERY", "unit": "MONTH", "every": 1 } }],
        "optional": {},
    })
}

impl Shop {
    async fn call(&self, path: &str, fields: Value) -> Answer {
        let body = self.signed_in(&fields);
        self.post(&self.merchant(&format!("/subscriptions{path}")), &body)
            .await
    }

    pub(crate) async fn subscribed(&self, plan: Value) -> String {
        let answer = self.call("", plan).await;
        assert_eq!(
            (answer.http, &answer.body["status"]),
            (200, &json!(200)),
            "{answer:?}"
        );
        assert_eq!(self.verified(&answer.body), Some("subscriptionId"));
        answer.body["subscriptionId"].as_str().unwrap().to_owned()
    }

    /// The one subscription, as it is listed.
    async fn listed(&self) -> Value {
        let answer = self.call("/list", json!({ "page": 1, "pageSize": 100 })).await;
        assert_eq!(answer.body["result"]["totalEntries"], 1, "{answer:?}");
        answer.body["result"]["entries"][0].clone()
    }

    async fn payments(&self, id: &str) -> Vec<Value> {
        let fields = json!({ "subscriptionId": id, "page": 1, "pageSize": 100 });
        let answer = self.call("/list/payments", fields).await;
        assert_eq!(answer.body["status"], "SUCCESS", "{answer:?}");
        answer.body["result"]["entries"].as_array().unwrap().clone()
    }

    /// Lets so many days pass, and the platform charge what is due.
    pub(crate) async fn after_days(&self, days: u64) -> u64 {
        self.sandbox.clock().advance(Duration::from_secs(days * DAY));
        let charged = self
            .sandbox
            .command("greenpay", "charge_subscriptions", &json!({}))
            .await;
        charged.unwrap()["charged"].as_u64().unwrap()
    }
}

#[tokio::test]
async fn a_card_is_charged_every_month() {
    let shop = Shop::open().await;
    let id = shop.subscribed(plan(&shop.stored(GOOD_CARD).await)).await;
    assert!(
        id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{id}"
    );
    let listed = shop.listed().await;
    assert_eq!(listed["id"], json!(id));
    assert_eq!(
        (
            &listed["status"],
            &listed["amount"],
            &listed["cadence"],
            &listed["user_id"]
        ),
        (
            &json!("ACTIVE"),
            &json!("12.3"),
            &json!("EVERY 1 MONTH"),
            &json!("user-7")
        )
    );

    assert_eq!(shop.after_days(0).await, 0, "nothing is due on the first day");
    assert_eq!(shop.after_days(32).await, 1);
    assert_eq!(shop.after_days(0).await, 0, "nothing is charged twice");
    assert_eq!(shop.after_days(62).await, 2);
    let payments = shop.payments(&id).await;
    let references: Vec<_> = payments
        .iter()
        .map(|payment| &payment["reference_number"])
        .collect();
    let expected = [1, 2, 3].map(|number| json!(format!("{id}_{number}")));
    assert_eq!(references, expected.iter().collect::<Vec<_>>());
    for payment in &payments {
        assert_eq!(payment["payment_result"]["amount"].to_string(), "12.3");
        assert!(payment["payment_result"]["authorization"].is_string());
        assert_eq!(payment["payment_retries"], json!([]));
    }
    assert_eq!(shop.state()["transactions"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn the_first_payment_may_be_another_one() {
    let shop = Shop::open().await;
    let first = json!({ "amount": 5, "description": "Joining" });
    let joined = with(
        plan(&shop.stored(GOOD_CARD).await),
        "initialPayment",
        first.clone(),
    );
    let answer = shop.call("", joined).await;
    let id = answer.body["subscriptionId"].as_str().unwrap();
    let initial = &answer.body["result"]["initialPayment"];
    assert_eq!(answer.body["result"]["success"], true);
    assert_eq!(initial["orderId"], json!(format!("{id}_0")));
    assert!(initial["authorization"].is_string());
    assert_eq!(shop.state()["transactions"][0]["amount"], "5");
    assert_eq!(shop.call("/pay", json!({ "subscriptionId": id })).await.http, 200);
    let references: Vec<_> = shop.payments(id).await;
    assert_eq!(references[1]["reference_number"], json!(format!("{id}_1")));

    let poor = with(plan(&shop.stored(POOR_CARD).await), "initialPayment", first);
    let answer = shop.call("", poor).await;
    assert_eq!((answer.http, answer.error()), (500, "Insufficient funds"));
    assert_eq!(
        answer.body["result"]["initialPayment"]["authorization"],
        Value::Null
    );
    let filters = json!({ "page": 1, "pageSize": 10, "filters": { "status": ["NOT_PAID"] } });
    assert_eq!(
        shop.call("/list", filters).await.body["result"]["totalEntries"],
        1
    );
    assert_eq!(
        shop.after_days(70).await,
        1,
        "only the first subscription is charged"
    );
}

#[tokio::test]
async fn three_declines_put_it_on_hold_and_a_payment_by_hand_takes_it_off() {
    let shop = Shop::open().await;
    let id = shop.subscribed(plan(&shop.stored(POOR_CARD).await)).await;
    let mut days = 0;
    while shop.after_days(1).await == 0 {
        days += 1;
        assert!(days < 40, "it is never due");
    }
    for status in ["ACTIVE", "ON_HOLD"] {
        assert_eq!(shop.listed().await["status"], "ACTIVE");
        assert_eq!(shop.after_days(1).await, 1, "once a day");
        assert_eq!(shop.listed().await["status"], status);
    }
    assert_eq!(shop.after_days(90).await, 0);
    let payments = shop.payments(&id).await;
    assert_eq!(payments.len(), 1, "all attempts are for one payment");
    assert_eq!(payments[0]["payment_result"], Value::Null);
    let retries = payments[0]["payment_retries"].as_array().unwrap();
    assert_eq!(retries.len(), 3);
    assert_eq!(retries[2]["attemp_result"]["orderId"], json!(format!("{id}_1")));
    assert_eq!(
        retries[2]["attemp_result"]["errors"],
        json!(["Insufficient funds"])
    );

    let card = shop.stored(GOOD_CARD).await;
    let fields = json!({ "subscriptionId": id, "user": "user-7", "token": card });
    assert_eq!(
        shop.call("/update/card_token", fields).await.body["result"]["status"],
        "ON_HOLD"
    );
    let answer = shop.call("/pay", json!({ "subscriptionId": id })).await;
    assert_eq!(answer.body["result"]["orderStatus"], "ACTIVE", "{answer:?}");
    assert_eq!(
        answer.body["result"]["order"]["order_reference"],
        json!(format!("{id}_1"))
    );
}

#[tokio::test]
async fn amount_and_card_change_and_a_cancelled_one_stays_so() {
    let shop = Shop::open().await;
    let id = shop.subscribed(plan(&shop.stored(GOOD_CARD).await)).await;
    let fields = json!({ "subscriptionId": id, "user": "user-7" });
    let answer = shop
        .call("/update", with(fields.clone(), "amount", json!(20.5)))
        .await;
    let result = &answer.body["result"];
    assert_eq!(
        (&answer.body["status"], &result["status"]),
        (&json!("SUCCESS"), &json!("ACTIVE"))
    );
    assert_eq!(result["amount"], "20.5");
    assert_eq!(
        result["purchase_order"]["secret"],
        json!(shop.info().credentials.secret),
        "as the real platform does"
    );
    let card = shop.stored("5555555555554444").await;
    let answer = shop
        .call("/update/card_token", with(fields.clone(), "token", json!(card)))
        .await;
    assert_eq!(answer.body["result"]["card_tokens"], json!([card]));
    shop.call("/pay", json!({ "subscriptionId": id })).await;
    let state = shop.state();
    assert_eq!(
        (
            &state["transactions"][0]["amount"],
            &state["transactions"][0]["last4"]
        ),
        (&json!("20.5"), &json!("4444"))
    );

    let reason = with(fields.clone(), "reason", json!("moved away"));
    let answer = shop.call("/cancel", reason.clone()).await;
    assert_eq!(answer.body["result"]["status"], "CANCELLED");
    for (path, fields) in [
        ("/cancel", reason),
        ("/update", with(fields, "amount", json!(1))),
        ("/pay", json!({ "subscriptionId": id })),
    ] {
        let answer = shop.call(path, fields).await;
        assert_eq!(
            (answer.http, answer.error()),
            (500, "Error: Subscription is cancelled")
        );
    }
    assert_eq!(shop.after_days(70).await, 0);
}

#[tokio::test]
async fn refuses_what_it_cannot_charge() {
    let shop = Shop::open().await;
    let good = plan(&shop.stored(GOOD_CARD).await);
    for (path, value, error) in [
        ("terminal", json!("nowhere"), "Bank entity doesn't exist"),
        ("currency", json!("CRC"), "Invalid currency for the terminal"),
        ("userId", Value::Null, "Invalid userId"),
        ("tokens", json!([]), "Invalid subscription"),
        ("tokens", json!(["x"]), "Invalid input syntax for uuid"),
        ("tokens", json!([uuid::Uuid::nil()]), "Invalid card token"),
        ("subscription", json!([]), "Invalid subscription"),
        ("subscription/0/amount", json!("ten"), "Invalid amount"),
        ("subscription/0/cadence/unit", json!("DAY"), "Invalid cadence"),
        ("subscription/0/cadence/mode", json!("ON"), "Invalid cadence"),
        ("subscription/0/cadence/every", json!(0), "Invalid cadence"),
        ("initialPayment", json!({}), "Invalid amount"),
        ("secret", json!("x"), "Merchant doesn't exist"),
    ] {
        let body = with(shop.signed_in(&good), path, value);
        let answer = shop.post(&shop.merchant("/subscriptions"), &body).await;
        assert_eq!((answer.http, answer.error()), (500, error), "{path}");
    }
    let id = shop.subscribed(good).await;
    for (path, fields, status, error) in [
        (
            "/update",
            json!({ "subscriptionId": "x", "user": "user-7", "amount": 1 }),
            404,
            "Error: Subscription not found",
        ),
        (
            "/update",
            json!({ "subscriptionId": id, "user": "other", "amount": 1 }),
            500,
            "Error: Invalid user",
        ),
        (
            "/update",
            json!({ "subscriptionId": id, "user": "user-7", "amount": "-1" }),
            500,
            "Error: Invalid amount",
        ),
        (
            "/update/card_token",
            json!({ "subscriptionId": id, "user": "user-7", "token": uuid::Uuid::nil() }),
            500,
            "Error: Invalid card token",
        ),
        (
            "/pay",
            json!({ "subscriptionId": "x" }),
            404,
            "Error: Subscription not found",
        ),
        (
            "/list",
            json!({ "page": 0, "pageSize": 10 }),
            500,
            "Error: Invalid page",
        ),
        (
            "/list",
            json!({ "page": 1, "pageSize": 101 }),
            500,
            "Error: Invalid page",
        ),
        (
            "/list/payments",
            json!({ "subscriptionId": "x", "page": 1, "pageSize": 1 }),
            404,
            "Error: Subscription not found",
        ),
    ] {
        let answer = shop.call(path, fields).await;
        assert_eq!(
            (&answer.body["code"], answer.error()),
            (&json!(status), error),
            "{path}"
        );
        assert_eq!(answer.body["status"], "FAIL");
    }
}

#[tokio::test]
async fn lists_by_page_and_filter() {
    let shop = Shop::open().await;
    let token = shop.stored(GOOD_CARD).await;
    for (user, amount) in [("a", 1), ("b", 20), ("b", 300)] {
        let plan = with(plan(&token), "userId", json!(user));
        shop.subscribed(with(plan, "subscription/0/amount", json!(amount)))
            .await;
    }
    for (filters, amounts) in [
        (json!({}), vec!["1", "20", "300"]),
        (json!({ "user": "b" }), vec!["20", "300"]),
        (json!({ "minAmount": 20, "maxAmount": 20 }), vec!["20"]),
        (json!({ "status": ["ACTIVE"] }), vec!["1", "20", "300"]),
        (json!({ "status": ["CANCELED", "ON_HOLD"] }), vec![]),
    ] {
        let answer = shop
            .call("/list", json!({ "page": 1, "pageSize": 100, "filters": filters }))
            .await;
        let entries = answer.body["result"]["entries"].as_array().unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| entry["amount"].as_str().unwrap())
            .collect();
        assert_eq!(found, amounts, "{filters}");
    }
    let answer = shop.call("/list", json!({ "page": 2, "pageSize": 2 })).await;
    let result = &answer.body["result"];
    assert_eq!(result["entries"].as_array().unwrap().len(), 1);
    assert_eq!((&result["totalPages"], &result["page"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn a_lost_answer_of_a_payment_is_in_the_list() {
    let shop = Shop::open().await;
    let id = shop.subscribed(plan(&shop.stored(GOOD_CARD).await)).await;
    shop.inject("merchant/subscriptions/pay", Kind::DropAfterCommit);
    let body = shop.signed_in(&json!({ "subscriptionId": id }));
    let lost = shop
        .http
        .post(shop.merchant("/subscriptions/pay"))
        .json(&body)
        .send()
        .await;
    assert!(lost.is_err());
    assert_eq!(shop.payments(&id).await.len(), 1);
}
