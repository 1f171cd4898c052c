//! `DELETE /v1/customers/{customer}`: what goes, what stays, and what is left when a platform does not delete.

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::database::{Database, is_encrypted};
use crate::shop::{APPROVED, Answer, Shop};
use crate::storage::until;

/// A reference with characters that a path has to encode, and the path.
const CUSTOMER: &str = "ana/köln?x=1&y#%2F 17";
const PATH: &str = "/v1/customers/ana%2Fk%C3%B6ln%3Fx%3D1%26y%23%252F%2017";
const OTHER: &str = "/v1/customers/c-1";

impl Shop {
    async fn two_platforms() -> Self {
        let shop = Self::gp_api(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "20000")]).await;
        shop.gp_setting(&json!({ "delete_permission": true }));
        shop
    }

    /// A stored card of a customer at GreenPay.
    async fn card_of(&self, customer: &str) -> Value {
        let session = self
            .page("/v1/sessions", &json!({ "customer": customer }))
            .await
            .is(201);
        self.page("/v1/tokens", &self.seal(&session, APPROVED))
            .await
            .is(201)
    }

    /// A stored card of a customer at GP API.
    async fn gp_card_of(&self, customer: &str) -> Value {
        let ask = json!({ "platform": "gp_api", "customer": customer });
        let session = self.page("/v1/sessions", &ask).await.is(201);
        let answer = self.single(&session, crate::gp_api::APPROVED).await;
        let card = json!({ "session": session["id"], "answer": answer });
        self.page("/v1/tokens", &card).await.is(201)
    }

    async fn erase(&self, path: &str) -> Answer {
        self.merchant("DELETE", path, None).await
    }

    /// How many rows of the database refer to a customer.
    async fn rows_of(&self, customer: &str) -> i64 {
        let mut database = Database::open(&self.database()).await;
        let query = format!(
            "SELECT (SELECT count(*) FROM tokens WHERE customer = '{customer}') + (SELECT count(*) FROM sessions
                WHERE customer = '{customer}') + (SELECT count(*) FROM payments WHERE customer = '{customer}')",
        );
        let counted = database.number(&query).await;
        database.close().await;
        counted
    }
}

fn erased(answer: &Value) -> (u64, u64, u64) {
    let count = |what: &str| answer["erased"][what].as_u64().unwrap();
    (count("tokens"), count("sessions"), count("payments"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customers_cards_go_everywhere_and_nobody_elses() {
    let shop = Shop::two_platforms().await;
    let cards = [
        shop.card_of(CUSTOMER).await,
        shop.card_of(CUSTOMER).await,
        shop.gp_card_of(CUSTOMER).await,
    ];
    let others = [shop.card_of("c-1").await, shop.gp_card_of("c-1").await];
    let body = json!({ "token": cards[0]["id"], "amount": "12.34", "currency": "USD",
        "description": "Dinner of Ana", "order_reference": "order-7" });
    let payment = shop.merchant("POST", "/v1/payments", Some(&body)).await.is(201);
    let open = shop
        .page("/v1/sessions", &json!({ "customer": CUSTOMER }))
        .await
        .is(201);
    let ask = json!({ "kind": "payment", "amount": "1.00", "currency": "USD", "customer": CUSTOMER,
        "description": "Dinner of Ana" });
    let checkout = shop.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201);
    let before = shop.rows_of("c-1").await;

    let answer = shop.erase(PATH).await.is(200);
    assert_eq!((&answer["complete"], &answer["left"]), (&json!(true), &json!([])));
    assert_eq!(erased(&answer), (3, 5, 1), "{answer}");
    assert_eq!(shop.rows_of(CUSTOMER).await, 0);
    assert_eq!(shop.rows_of("c-1").await, before);
    for card in &cards {
        let path = format!("/v1/tokens/{}", card["id"].as_str().unwrap());
        let card = shop.get(&path).await.is(200);
        assert_eq!(card["status"], "deleted");
        for name in ["holder", "nickname", "customer", "expiry"] {
            assert!(card[name].is_null(), "{card}");
        }
    }
    let cards_at_platform = shop.sandbox.state()["greenpay"]["card_tokens"].clone();
    let kept = cards_at_platform.as_array().unwrap().iter();
    assert_eq!(kept.filter(|card| card["deleted"] == false).count(), 1);
    // What accounting needs is as it was.
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    let stays = shop.get(&path).await.is(200);
    for name in [
        "status",
        "amount",
        "currency",
        "captured",
        "order_reference",
        "last4",
        "brand",
        "created_at",
    ] {
        assert_eq!(stays[name], payment[name], "{name}");
    }
    // An open session stores no card any more. A checkout goes on without the customer.
    shop.page("/v1/tokens", &shop.seal(&open, APPROVED))
        .await
        .problem(404, "session_not_found");
    shop.page("/v1/payments", &shop.seal(&checkout, APPROVED))
        .await
        .is(201);
    assert_eq!(shop.rows_of(CUSTOMER).await, 0);
    // Again, and for somebody who was never here.
    for path in [PATH, "/v1/customers/nobody"] {
        assert_eq!(erased(&shop.erase(path).await.is(200)), (0, 0, 0), "{path}");
    }
    for other in &others {
        shop.charge(other, other["id"].as_str().unwrap()).await.is(201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_platform_does_not_delete_is_left_and_named_until_it_does() {
    let shop = Shop::two_platforms().await;
    let gone = shop.card_of(CUSTOMER).await;
    let stays = shop.gp_card_of(CUSTOMER).await;
    let fault = |kind| {
        shop.sandbox.clear_faults();
        shop.gp_fault("*", kind, 0, 0);
    };
    let left = async |code: &str, deleted: u64| {
        let answer = shop.erase(PATH).await.is(202);
        assert_eq!(
            (&answer["complete"], &answer["erased"]["tokens"]),
            (&json!(false), &json!(deleted))
        );
        let left = answer["left"].as_array().unwrap();
        assert_eq!(left.len(), 1, "{answer}");
        assert_eq!(
            (&left[0]["token"], &left[0]["platform"], &left[0]["code"]),
            (&stays["id"], &json!("gp_api"), &json!(code))
        );
        assert!(left[0]["detail"].as_str().unwrap().len() > 10 && left[0].get("session").is_none());
        let listed = shop
            .get("/v1/tokens?customer=ana%2Fk%C3%B6ln%3Fx%3D1%26y%23%252F%2017")
            .await
            .is(200);
        assert_eq!(listed["data"][0]["id"], stays["id"]);
    };
    fault(Kind::DropBefore);
    left("platform_timeout", 1).await;
    fault(Kind::DropBefore);
    left("platform_timeout", 0).await;
    shop.sandbox.clear_faults();
    shop.gp_setting(&json!({ "delete_permission": false }));
    left("platform_setup", 0).await;
    shop.charge(&stays, "k").await.is(201);
    shop.charge(&gone, "l").await.problem(409, "token_deleted");
    shop.gp_setting(&json!({ "delete_permission": true }));
    let answer = shop.erase(PATH).await.is(200);
    // The charge meanwhile was the customer's, too.
    assert_eq!(erased(&answer), (1, 0, 1));
    assert_eq!(shop.rows_of(CUSTOMER).await, 0);
}

/// It is found by the platform's reference and needs no name.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_payment_is_reconciled_without_its_customer() {
    let shop = Shop::two_platforms().await;
    let card = shop.gp_card_of(CUSTOMER).await;
    shop.gp_fault("transactions", Kind::DropAfterCommit, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    let payment = shop.gp_pay(&card, "7.01", &json!({}), "k").await.is(202);
    assert_eq!(erased(&shop.erase(PATH).await.is(200)), (1, 1, 1));
    assert_eq!(shop.rows_of(CUSTOMER).await, 0);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["status"], "unknown");
    shop.sandbox.clear_faults();
    until("it is reconciled", async || {
        shop.get(&path).await.json["status"] == "approved"
    })
    .await;
    assert_eq!(shop.booked().len(), 1);
    assert_eq!(shop.rows_of(CUSTOMER).await, 0);
    let again = shop.gp_pay(&card, "7.01", &json!({}), "k").await;
    assert_eq!(again.headers["idempotency-replayed"], "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_that_is_being_stored_is_left_for_the_next_call() {
    let shop = Shop::two_platforms().await;
    let session = shop
        .page("/v1/sessions", &json!({ "customer": CUSTOMER }))
        .await
        .is(201);
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let mut slow = Fault::new("greenpay", "checkout/tokenize", Kind::Delay);
    slow.ms = 3000;
    shop.sandbox.inject(slow).unwrap();
    let sealed = shop.seal(&session, APPROVED);
    let (token, answer) = tokio::join!(shop.page("/v1/tokens", &sealed), async {
        until("it is under way", async || {
            shop.get(&path).await.json["status"] == "busy"
        })
        .await;
        shop.erase(PATH).await.is(202)
    });
    let token = token.is(201);
    assert_eq!(answer["left"][0]["session"], session["id"], "{answer}");
    assert_eq!(answer["left"][0]["code"], "idempotency_in_progress");
    assert_eq!(shop.erase(PATH).await.is(200)["erased"]["tokens"], 1);
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["status"], "deleted");
    assert_eq!(shop.rows_of(CUSTOMER).await, 0);
}

/// Neither in the database nor in its log, as soon as that was emptied.
#[tokio::test(flavor = "multi_thread")]
async fn no_byte_of_the_customer_stays_on_the_disk() {
    let shop = Shop::two_platforms().await;
    let card = shop.card_of(CUSTOMER).await;
    shop.gp_card_of(CUSTOMER).await;
    let body =
        json!({ "token": card["id"], "amount": "12.34", "currency": "USD", "description": "Dinner of Ana" });
    shop.merchant("POST", "/v1/payments", Some(&body)).await.is(201);
    shop.page("/v1/sessions", &json!({ "customer": CUSTOMER }))
        .await
        .is(201);
    let names = [CUSTOMER, "Ana Núñez", "My Visa", "Dinner of Ana"];
    for name in names {
        let found = shop.has_written(name).await;
        assert_eq!(found, !is_encrypted(), "the search does not find {name}");
    }
    shop.erase(PATH).await.is(200);
    for name in names {
        until(name, async || !shop.has_written(name).await).await;
    }
}

#[tokio::test]
async fn a_customer_is_any_text_of_a_bounded_length() {
    let shop = Shop::open().await;
    let long = format!("/v1/customers/{}", "%C3%B6".repeat(256));
    for path in [
        long.as_str(),
        "/v1/customers/a%00b",
        "/v1/customers/%FF",
        "/v1/customers/a%0Ab",
    ] {
        let answer = shop.erase(path).await;
        answer.problem(422, "field_invalid");
        assert_eq!(answer.json["field"], "customer");
    }
    let longest = format!("/v1/customers/{}", "%C3%B6".repeat(255));
    for path in [
        longest.as_str(),
        "/v1/customers/.",
        "/v1/customers/%2E%2E",
        "/v1/customers/%2f",
        "/v1/customers/+",
    ] {
        assert_eq!(shop.erase(path).await.is(200)["complete"], true, "{path}");
    }
    shop.erase("/v1/customers/").await.problem(404, "not_found");
    shop.get(OTHER).await.problem(405, "method_not_allowed");
    let request = axum::http::Request::delete(OTHER).body(axum::body::Body::empty());
    shop.send(request.unwrap()).await.problem(401, "api_key_missing");
}
