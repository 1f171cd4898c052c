//! `/v1/subscriptions`, with the sandbox as GreenPay: each payment of the platform is a payment here, once.

use std::time::Duration;

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::database::Database;
use crate::shop::{APPROVED, Answer, DECLINED_51, Shop};
use crate::storage::until;

const DAY: u64 = 86_400;

impl Shop {
    async fn subscribe(&self, token: &Value, key: &str) -> Answer {
        let body =
            json!({ "token": token["id"], "amount": "12.30", "currency": "USD", "description": "Coffee" });
        self.merchant_with(
            "POST",
            "/v1/subscriptions",
            Some(&body),
            &[("idempotency-key", key)],
        )
        .await
    }

    async fn subscribed(&self, number: &str) -> Value {
        let token = self.token(number).await;
        let made = self.subscribe(&token, number).await.is(201);
        assert_eq!(made["status"], "active", "{made}");
        made
    }

    async fn of(&self, subscription: &Value, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let path = format!("/v1/subscriptions/{}{path}", subscription["id"].as_str().unwrap());
        self.merchant(method, &path, body).await
    }

    async fn pay_now(&self, subscription: &Value, key: &str) -> Answer {
        let path = format!(
            "/v1/subscriptions/{}/payments",
            subscription["id"].as_str().unwrap()
        );
        self.merchant_with("POST", &path, None, &[("idempotency-key", key)])
            .await
    }

    async fn refreshed(&self, subscription: &Value) -> Value {
        self.of(subscription, "POST", "/refresh", None).await.is(200)
    }

    /// The payments of a subscription: status, and the reference that the platform or the merchant gave.
    async fn paid(&self, subscription: &Value) -> Vec<Value> {
        let list = self.of(subscription, "GET", "/payments", None).await.is(200);
        list["data"].as_array().unwrap().clone()
    }

    /// Lets so many days pass at the platform, which then charges what is due.
    async fn platform_days(&self, days: u64) -> u64 {
        self.sandbox.clock().advance(Duration::from_secs(days * DAY));
        let charged = self
            .sandbox
            .command("greenpay", "charge_subscriptions", &json!({}))
            .await;
        charged.unwrap()["charged"].as_u64().unwrap()
    }

    /// The platform's own list of what it did.
    fn at_platform(&self) -> Vec<Value> {
        self.sandbox.state()["greenpay"]["subscriptions"]
            .as_array()
            .unwrap()
            .clone()
    }

    /// Each transaction that the platform has approved is one approved payment here, of the same amount, and there is no
    /// other.
    async fn agrees(&self, subscription: &Value) {
        let booked = self.transactions();
        let booked = booked.iter().filter(|each| each["approved"] == true);
        let mut booked: Vec<String> = booked.map(|each| each["authorization"].to_string()).collect();
        let here = self.paid(subscription).await;
        let here = here.iter().filter(|each| each["status"] == "approved");
        let mut here: Vec<String> = here.map(|each| each["authorization"].to_string()).collect();
        booked.sort();
        here.sort();
        assert_eq!(here, booked);
    }
}

#[tokio::test]
async fn a_stored_card_is_subscribed_listed_changed_and_cancelled() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let body = json!({ "token": token["id"], "amount": "12.30", "currency": "USD", "months": 3,
        "description": "Coffee", "starts_at": "2030-01-01T00:00:00Z", "ends_at": "2031-01-01T00:00:00Z" });
    let made = shop
        .merchant("POST", "/v1/subscriptions", Some(&body))
        .await
        .is(201);
    for (name, value) in [
        ("status", json!("active")),
        ("amount", json!("12.30")),
        ("currency", json!("USD")),
        ("months", json!(3)),
        ("customer", json!("c-1")),
        ("token", token["id"].clone()),
        ("starts_at", json!("2030-01-01T00:00:00.000Z")),
        ("ends_at", json!("2031-01-01T00:00:00.000Z")),
    ] {
        assert_eq!(made[name], value, "{made}");
    }
    let known = shop.at_platform().remove(0);
    assert_eq!(known["id"], made["platform_id"]);
    assert_eq!(
        known["user"], made["id"],
        "no reference of the customer goes there"
    );
    assert_eq!((&known["every"], &known["amount"]), (&json!(3), &json!("12.30")));
    assert_eq!(shop.of(&made, "GET", "", None).await.is(200)["id"], made["id"]);

    let amount = json!({ "amount": "20.05", "currency": "USD" });
    let changed = shop.of(&made, "PATCH", "", Some(&amount)).await.is(200);
    assert_eq!(changed["amount"], "20.05");
    assert_eq!(shop.at_platform()[0]["amount"], "20.05");
    let other = shop.token("5555555555554444").await;
    let changed = shop
        .of(&made, "PATCH", "", Some(&json!({ "token": other["id"] })))
        .await
        .is(200);
    assert_eq!(changed["token"], other["id"]);
    let payment = shop.pay_now(&made, "k").await.is(201);
    assert_eq!(
        (
            &payment["status"],
            &payment["amount"],
            &payment["last4"],
            &payment["subscription"]
        ),
        (&json!("approved"), &json!("20.05"), &json!("4444"), &made["id"])
    );

    let reason = json!({ "reason": "moved away" });
    let over = shop.of(&made, "POST", "/cancel", Some(&reason)).await.is(200);
    assert_eq!(
        (&over["status"], &over["next_payment"]),
        (&json!("cancelled"), &Value::Null)
    );
    assert_eq!(shop.at_platform()[0]["status"], "CANCELLED");
    assert_eq!(
        shop.of(&made, "POST", "/cancel", None).await.is(200),
        over,
        "it stays so"
    );
    shop.of(&made, "PATCH", "", Some(&amount))
        .await
        .problem(409, "subscription_state");
    shop.pay_now(&made, "k2").await.problem(409, "subscription_state");
    assert_eq!(
        shop.pay_now(&made, "k").await.is(201)["id"],
        payment["id"],
        "its answer stays"
    );
    assert_eq!(shop.transactions().len(), 1);
}

#[tokio::test]
async fn lists_are_cut_into_pages_and_filtered() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let mut ids = Vec::new();
    for (customer, key) in [("a", "1"), ("b", "2"), ("b", "3"), ("b", "4")] {
        let body = json!({ "token": token["id"], "amount": "1.00", "currency": "USD", "customer": customer });
        let key = [("idempotency-key", key)];
        let made = shop
            .merchant_with("POST", "/v1/subscriptions", Some(&body), &key)
            .await
            .is(201);
        ids.push(made["id"].clone());
    }
    shop.of(&json!({ "id": ids[2] }), "POST", "/cancel", None)
        .await
        .is(200);
    let list = async |query: &str| {
        let list = shop.get(&format!("/v1/subscriptions{query}")).await.is(200);
        let found = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|each| each["id"].clone());
        (found.collect::<Vec<_>>(), list["next"].clone())
    };
    let newest: Vec<Value> = ids.iter().rev().cloned().collect();
    assert_eq!(list("").await, (newest.clone(), Value::Null));
    assert_eq!(list("?customer=b").await.0, newest[..3]);
    assert_eq!(list("?status=cancelled").await.0, newest[1..2]);
    assert_eq!(list("?status=unknown").await.0, [Value::Null; 0]);
    let (first, next) = list("?limit=3").await;
    assert_eq!(first, newest[..3]);
    let after = next.as_str().unwrap();
    assert_eq!(
        list(&format!("?limit=3&after={after}")).await,
        (newest[3..].to_vec(), Value::Null)
    );
    shop.get("/v1/subscriptions?status=x")
        .await
        .problem(422, "field_invalid");
    shop.get("/v1/subscriptions?status=active&customer=b")
        .await
        .problem(422, "unknown_field");
    shop.get("/v1/subscriptions/sub_nothing")
        .await
        .problem(404, "subscription_not_found");
    shop.get("/v1/subscriptions/sub_nothing/payments")
        .await
        .problem(404, "subscription_not_found");
}

#[tokio::test]
async fn the_same_key_makes_one_subscription_and_one_payment() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let first = shop.subscribe(&token, "k").await.is(201);
    let again = shop.subscribe(&token, "k").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.json, first);
    let other = json!({ "token": token["id"], "amount": "12.31", "currency": "USD" });
    shop.merchant_with(
        "POST",
        "/v1/subscriptions",
        Some(&other),
        &[("idempotency-key", "k")],
    )
    .await
    .problem(409, "idempotency_key_reused");
    assert_eq!(shop.at_platform().len(), 1);

    let paid = shop.pay_now(&first, "k").await;
    let repeated = shop.pay_now(&first, "k").await;
    assert_eq!((paid.status.as_u16(), &paid.text), (201, &repeated.text));
    assert_eq!(repeated.headers["idempotency-replayed"], "true");
    assert_eq!(shop.transactions().len(), 1);
    // Another key is another payment.
    shop.pay_now(&first, "k2").await.is(201);
    assert_eq!(shop.transactions().len(), 2);
    shop.agrees(&first).await;
}

#[tokio::test]
async fn what_cannot_be_subscribed_is_refused_and_says_why() {
    let shop = Shop::beside("gp_api", &[]).await;
    let token = shop.token(APPROVED).await;
    let good = json!({ "token": token["id"], "amount": "12.30", "currency": "USD" });
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body
    };
    for (body, status, code) in [
        (with("token", json!("tok_nothing")), 404, "token_not_found"),
        (with("amount", json!("0")), 422, "amount_invalid"),
        (with("amount", json!("1.234")), 422, "amount_invalid"),
        (with("currency", json!("EUR")), 422, "currency_not_supported"),
        (with("months", json!(0)), 422, "field_invalid"),
        (with("months", json!(121)), 422, "field_invalid"),
        (with("starts_at", json!("tomorrow")), 422, "field_invalid"),
        (
            with("ends_at", json!("2001-01-01T00:00:00Z")),
            422,
            "field_invalid",
        ),
        (with("every", json!(1)), 422, "unknown_field"),
    ] {
        shop.merchant("POST", "/v1/subscriptions", Some(&body))
            .await
            .problem(status, code);
    }
    assert_eq!(shop.at_platform().len(), 0);
    // What the platform refuses is stored as its answer.
    shop.sandbox.reset();
    let refused = shop.subscribe(&token, "k").await;
    refused.problem(422, "platform_rejected");
    assert_eq!(refused.json["platform_code"], "invalid_card_token");
    let again = shop.subscribe(&token, "k").await;
    assert_eq!((refused.status, &refused.text), (again.status, &again.text));
    let list = shop.get("/v1/subscriptions?status=failed").await.is(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_without_subscriptions_says_so() {
    let shop = Shop::gp_api(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "20000")]).await;
    let ask = json!({ "platform": "gp_api", "customer": "c-1" });
    let session = shop.page("/v1/sessions", &ask).await.is(201);
    let answer = shop.single(&session, crate::gp_api::APPROVED).await;
    let card = json!({ "session": session["id"], "answer": answer });
    let token = shop.page("/v1/tokens", &card).await.is(201);
    let body = json!({ "token": token["id"], "amount": "1.00", "currency": "USD" });
    shop.merchant("POST", "/v1/subscriptions", Some(&body))
        .await
        .problem(422, "not_offered");
}

#[tokio::test]
async fn what_the_platform_charges_at_midnight_is_a_payment_here_by_its_webhook() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    assert_eq!(shop.platform_days(32).await, 1);
    let id = made["platform_id"].as_str().unwrap();
    let news = |number: u32, date: u32| {
        json!({ "status": "SUCCESS", "code": 200, "errors": [], "callback": "", "result": { "status": "approved",
            "order": { "subscriptionId": id, "order_reference": format!("{id}_{number}"), "date": date,
                "amount": 999_999, "authorization": "forged" } } })
    };
    shop.notify("/subscription/payment/results", &news(1, 1))
        .await
        .is(200);
    shop.notify("/subscription/payment/results", &news(1, 1))
        .await
        .is(200);
    let paid = shop.paid(&made).await;
    assert_eq!(paid.len(), 1);
    // Anybody can write such a body: what counts is the platform's list.
    assert_eq!(
        (
            &paid[0]["status"],
            &paid[0]["amount"],
            &paid[0]["order_reference"]
        ),
        (&json!("approved"), &json!("12.30"), &json!(format!("{id}_1")))
    );
    assert_eq!(paid[0]["last4"], "4242");
    shop.agrees(&made).await;
    // A payment that the body invents is none.
    shop.notify("/subscription/payment/results", &news(2, 2))
        .await
        .is(200);
    assert_eq!(shop.paid(&made).await.len(), 1);
    let mut other = news(1, 3);
    other["result"]["order"]["subscriptionId"] = json!("somebody-elses");
    shop.notify("/subscription/payment/results", &other).await.is(200);
    shop.notify("/subscription/payment/results", &json!({ "result": {} }))
        .await
        .problem(400, "bad_json");
    // Lost webhooks: whoever asks finds all.
    assert_eq!(shop.platform_days(62).await, 2);
    shop.refreshed(&made).await;
    assert_eq!(shop.paid(&made).await.len(), 3);
    shop.agrees(&made).await;
    let mut database = Database::open(&shop.database()).await;
    let effects = database
        .number("SELECT count(*) FROM notifications WHERE effect = 'subscription_listed'")
        .await;
    database.close().await;
    assert_eq!(effects, 2);
}

#[tokio::test]
async fn declined_payments_are_one_payment_until_it_is_made() {
    let shop = Shop::open().await;
    let made = shop.subscribed(DECLINED_51).await;
    let mut attempts = 0;
    while attempts < 3 {
        attempts += shop.platform_days(1).await;
        let now = shop.refreshed(&made).await;
        let status = if attempts < 3 { "active" } else { "on_hold" };
        assert_eq!(now["status"], status);
        let paid = shop.paid(&made).await;
        assert_eq!(
            paid.len(),
            usize::from(attempts > 0),
            "all attempts are for one payment"
        );
        assert!(
            paid.iter().all(|payment| payment["status"] == "declined"),
            "{paid:?}"
        );
    }
    // By hand with the same card: declined once more, and a payment of its own, because it was asked for here.
    let declined = shop.pay_now(&made, "k").await.is(201);
    assert_eq!(declined["status"], "declined");
    assert!(declined["decline"]["message"].is_string());
    let good = shop.token(APPROVED).await;
    shop.of(&made, "PATCH", "", Some(&json!({ "token": good["id"] })))
        .await
        .is(200);
    let paid = shop.pay_now(&made, "k2").await.is(201);
    assert_eq!(paid["status"], "approved");
    assert_eq!(shop.refreshed(&made).await["status"], "active");
    let statuses: Vec<Value> = shop
        .paid(&made)
        .await
        .iter()
        .map(|each| each["status"].clone())
        .collect();
    assert_eq!(statuses, ["approved", "declined", "declined"]);
    shop.agrees(&made).await;
}

#[tokio::test]
async fn a_lost_answer_to_a_payment_is_found_in_the_list_and_charged_once() {
    let shop = Shop::with(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await;
    let made = shop.subscribed(APPROVED).await;
    for kind in [
        Kind::DropAfterCommit,
        Kind::GatewayTimeoutAfterCommit,
        Kind::BadGatewayAfterCommit,
        Kind::DelayAfterCommit,
    ] {
        let mut fault = Fault::new("greenpay", "merchant/subscriptions/pay", kind);
        fault.ms = 1000;
        shop.sandbox.inject(fault).unwrap();
        let key = format!("{kind:?}");
        let unknown = shop.pay_now(&made, &key).await;
        assert_eq!(
            (unknown.status.as_u16(), &unknown.json["status"]),
            (202, &json!("unknown")),
            "{kind:?}"
        );
        let booked = shop.transactions().len();
        assert_eq!(shop.pay_now(&made, &key).await.is(202)["id"], unknown.json["id"]);
        assert_eq!(shop.transactions().len(), booked, "{kind:?} was tried again");
        let path = format!("/v1/payments/{}", unknown.json["id"].as_str().unwrap());
        shop.refreshed(&made).await;
        let known = shop.get(&path).await.is(200);
        assert_eq!(known["status"], "approved", "{kind:?}");
        assert!(known["authorization"].is_string());
        shop.agrees(&made).await;
    }
}

#[tokio::test]
async fn a_payment_that_never_arrived_is_known_to_have_failed_and_blocks_others_until_then() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    shop.fault("merchant/subscriptions/pay", Kind::DropBefore);
    let unknown = shop.pay_now(&made, "k").await.is(202);
    let busy = shop.pay_now(&made, "k2").await;
    busy.problem(409, "subscription_payment_open");
    assert_eq!(busy.json["payment"], unknown["id"]);
    let path = format!("/v1/payments/{}", unknown["id"].as_str().unwrap());
    let refresh = format!("{path}/refresh");
    assert_eq!(
        shop.merchant("POST", &refresh, None).await.is(202)["status"],
        "unknown"
    );
    shop.app.clock.advance(16 * 60);
    assert_eq!(
        shop.merchant("POST", &refresh, None).await.is(200)["status"],
        "failed"
    );
    assert_eq!(shop.pay_now(&made, "k2").await.is(201)["status"], "approved");
    shop.agrees(&made).await;
    assert_eq!(shop.transactions().len(), 1);
}

#[tokio::test]
async fn a_job_finds_what_nobody_asks_for() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    shop.fault("merchant/subscriptions", Kind::DropAfterCommit);
    let unknown = shop.subscribe(&token, "k").await.is(202);
    assert_eq!(
        (&unknown["status"], &unknown["platform_id"]),
        (&json!("unknown"), &Value::Null)
    );
    let known = async || shop.of(&unknown, "GET", "", None).await.is(200);
    until("the platform's word", async || {
        known().await["status"] == "active"
    })
    .await;
    let made = known().await;
    assert_eq!(made["platform_id"], shop.at_platform()[0]["id"]);
    // The caller's own question has the same answer.
    let again = shop.subscribe(&token, "k").await.is(201);
    assert_eq!(again["id"], made["id"]);
    assert_eq!(shop.at_platform().len(), 1);
    shop.fault("merchant/subscriptions/pay", Kind::DropAfterCommit);
    shop.pay_now(&made, "k").await.is(202);
    until("the platform's word", async || {
        shop.paid(&made).await[0]["status"] == "approved"
    })
    .await;
    // Hours later, for a webhook that was lost.
    assert_eq!(
        shop.platform_days(32).await,
        0,
        "the payment by hand was for that month"
    );
    assert_eq!(shop.platform_days(31).await, 1);
    shop.app.clock.advance(7 * 60 * 60);
    until("the platform's word", async || shop.paid(&made).await.len() == 2).await;
    shop.agrees(&made).await;
}

#[tokio::test]
async fn a_subscription_that_was_never_made_is_known_to_have_failed() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    shop.fault("merchant/subscriptions", Kind::DropBefore);
    let unknown = shop.subscribe(&token, "k").await.is(202);
    assert_eq!(shop.refreshed(&unknown).await["status"], "unknown");
    shop.pay_now(&unknown, "p")
        .await
        .problem(409, "subscription_state");
    shop.app.clock.advance(16 * 60);
    assert_eq!(shop.refreshed(&unknown).await["status"], "failed");
    shop.pay_now(&unknown, "p")
        .await
        .problem(409, "subscription_state");
    assert_eq!(shop.at_platform().len(), 0);
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_what_the_list_says() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    let amount = json!({ "amount": "20.00" });
    shop.fault("merchant/subscriptions/update", Kind::DropAfterCommit);
    assert_eq!(
        shop.of(&made, "PATCH", "", Some(&amount)).await.is(200)["amount"],
        "20.00"
    );
    shop.fault("merchant/subscriptions/cancel", Kind::DropBefore);
    let lost = shop.of(&made, "POST", "/cancel", None).await;
    lost.problem(504, "platform_timeout");
    assert_eq!(shop.of(&made, "GET", "", None).await.is(200)["status"], "active");
    shop.fault("merchant/subscriptions/cancel", Kind::DropAfterCommit);
    assert_eq!(
        shop.of(&made, "POST", "/cancel", None).await.is(200)["status"],
        "cancelled"
    );
}

#[tokio::test]
async fn what_the_merchant_does_at_the_platform_itself_is_seen() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    let info = &shop.sandbox.info().platforms.greenpay;
    let body = json!({ "secret": info.credentials.secret, "merchantId": info.credentials.merchant_id,
        "subscriptionId": made["platform_id"], "user": made["id"], "reason": "by hand" });
    let url = format!("{}/subscriptions/cancel", info.merchant_url);
    let answer = crate::shop::client().post(url).json(&body).send().await.unwrap();
    assert!(answer.status().is_success());
    shop.pay_now(&made, "k").await.problem(409, "subscription_state");
    assert_eq!(
        shop.of(&made, "GET", "", None).await.is(200)["status"],
        "cancelled"
    );
    assert_eq!(shop.transactions().len(), 0);
}

#[tokio::test]
async fn a_payment_that_was_settled_by_hand_is_the_one_that_the_list_has() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    // The job asks as well, and must not be faster.
    let mut down = Fault::new(
        "greenpay",
        "merchant/subscriptions/list/payments",
        Kind::ServerError,
    );
    shop.fault("merchant/subscriptions/pay", Kind::DropAfterCommit);
    let first = shop.pay_now(&made, "k").await.is(202);
    down.times = 50;
    shop.sandbox.inject(down).unwrap();
    let path = format!("/v1/payments/{}", first["id"].as_str().unwrap());
    let outcome = json!({ "status": "approved", "authorization": "123456" });
    let resolved = shop
        .merchant("POST", &format!("{path}/resolve"), Some(&outcome))
        .await;
    if resolved.status == 200 {
        shop.sandbox.clear_faults();
        shop.refreshed(&made).await;
        assert_eq!(shop.paid(&made).await.len(), 1);
    } else {
        // The job was faster all the same.
        resolved.problem(409, "payment_state");
    }
    assert_eq!(shop.transactions().len(), 1);
}

#[tokio::test]
async fn a_payment_of_a_subscription_is_voided_under_the_platforms_own_reference() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    let paid = shop.pay_now(&made, "k").await.is(201);
    let path = format!("/v1/payments/{}/void", paid["id"].as_str().unwrap());
    assert_eq!(
        shop.merchant("POST", &path, None).await.is(200)["status"],
        "voided"
    );
    assert_eq!(shop.transactions()[0]["state"], "voided");
    // What is listed as paid is not paid again because of that.
    shop.refreshed(&made).await;
    let all = shop.paid(&made).await;
    assert_eq!((all.len(), &all[0]["status"]), (1, &json!("voided")));
}

#[tokio::test]
async fn many_at_once_are_one_payment_and_refusals() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    let mut slow = Fault::new("greenpay", "merchant/subscriptions/pay", Kind::Delay);
    slow.ms = 500;
    shop.sandbox.inject(slow).unwrap();
    let (first, second) = tokio::join!(shop.pay_now(&made, "k"), shop.pay_now(&made, "k2"));
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409], "{first:?} {second:?}");
    assert_eq!(shop.transactions().len(), 1);
    shop.agrees(&made).await;
}

#[tokio::test]
async fn an_erased_customer_is_charged_no_more() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    shop.pay_now(&made, "k").await.is(201);
    // The platform is away: the subscription is left, and the answer says so.
    let mut away = Fault::new("greenpay", "merchant/subscriptions/cancel", Kind::ServerError);
    away.times = 1;
    shop.sandbox.inject(away).unwrap();
    let left = shop.merchant("DELETE", "/v1/customers/c-1", None).await.is(202);
    assert_eq!(left["left"][0]["subscription"], made["id"], "{left}");
    let done = shop.merchant("DELETE", "/v1/customers/c-1", None).await.is(200);
    assert_eq!(
        (&done["complete"], &done["erased"]["subscriptions"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(shop.at_platform()[0]["status"], "CANCELLED");
    let stays = shop.of(&made, "GET", "", None).await.is(200);
    assert_eq!(
        (&stays["status"], &stays["customer"], &stays["amount"]),
        (&json!("cancelled"), &Value::Null, &json!("12.30"))
    );
    assert_ne!(stays["description"], "Coffee");
    assert_eq!(shop.paid(&made).await.len(), 1);
    until("the description is gone", async || {
        !shop.has_written("Coffee").await
    })
    .await;
}

#[tokio::test]
async fn what_is_written_of_customers_is_sealed_and_the_platforms_secret_stays_out() {
    let shop = Shop::open().await;
    let made = shop.subscribed(APPROVED).await;
    shop.of(&made, "PATCH", "", Some(&json!({ "amount": "13.00" })))
        .await
        .is(200);
    let secret = shop.sandbox.info().platforms.greenpay.credentials.secret.clone();
    assert!(!shop.has_written(&secret).await, "its answers have it");
    if crate::database::is_encrypted() {
        assert!(!shop.has_written("Coffee").await);
    }
}
