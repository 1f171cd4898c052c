//! The merchant host: orders, stored cards, voids and refunds.

use std::time::Duration;

use cardseal_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use super::shop::{Answer, GOOD_CARD, Shop, USD, card, with};

const NOT_READY: &str = "not ready for reversion";

#[tokio::test]
async fn takes_orders_at_the_bare_base_too() {
    let shop = Shop::open().await;
    for path in ["", "/"] {
        let order = shop.order(path, Shop::purchase("a")).await;
        assert_ne!(order.session, order.token);
    }
    assert_eq!(shop.state()["orders"][1]["amount"], "12.34");
}

#[tokio::test]
async fn takes_the_least_that_a_merchant_may_send() {
    let shop = Shop::open().await;
    for (path, fields) in [
        ("/tokenize", json!({ "requestId": 1 })),
        (
            "/",
            json!({ "terminal": USD, "amount": 0.3, "currency": "USD", "description": "a", "orderReference": "b" }),
        ),
    ] {
        let answer = shop.post(&shop.merchant(path), &shop.signed_in(&fields)).await;
        assert_eq!(answer.http, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn refuses_strangers() {
    let shop = Shop::open().await;
    for path in ["/tokenize", "/", "/tokenPayment", "/deleteToken"] {
        for (field, value) in [
            ("secret", json!("x")),
            ("merchantId", json!("x")),
            ("secret", Value::Null),
        ] {
            let body = with(
                shop.signed_in(&json!({ "requestId": "r", "orderReference": "o" })),
                field,
                value,
            );
            let answer = shop.post(&shop.merchant(path), &body).await;
            assert_eq!(
                (answer.http, answer.error()),
                (500, "Merchant doesn't exist"),
                "{path} {field}"
            );
            assert!(shop.verified(&answer.body).is_some());
        }
    }
    assert!(shop.state()["orders"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn checks_a_purchase() {
    let shop = Shop::open().await;
    for path in ["/", "/tokenPayment"] {
        for (field, value, error) in [
            ("terminal", json!("nowhere"), "Bank entity doesn't exist"),
            ("terminal", Value::Null, "Bank entity doesn't exist"),
            ("currency", json!("CRC"), "Invalid currency for the terminal"),
            ("orderReference", Value::Null, "Invalid orderReference"),
            ("orderReference", json!(""), "Invalid orderReference"),
            ("amount", json!("ten"), "Invalid amount"),
            ("amount", json!(-1), "Invalid amount"),
            ("amount", Value::Null, "Invalid amount"),
        ] {
            let body = shop.signed_in(&with(Shop::purchase("a"), field, value.clone()));
            let answer = shop.post(&shop.merchant(path), &body).await;
            assert_eq!(
                (answer.http, answer.error()),
                (500, error),
                "{path} {field} {value}"
            );
        }
    }
}

#[tokio::test]
async fn keeps_the_exact_text_of_an_amount() {
    let shop = Shop::open().await;
    let token = shop.stored(GOOD_CARD).await;
    let credentials = shop.info().credentials.clone();
    let amounts = ["10.10", "\"0.30\"", "100", "12345678901234567.89"];
    for amount in amounts {
        let body = format!(
            r#"{{"amount":{amount},"secret":"{}","merchantId":"{}","terminal":"{USD}","currency":"USD","orderReference":1001,"token":"{token}"}}"#,
            credentials.secret, credentials.merchant_id
        );
        let request = shop.http.post(shop.merchant("/tokenPayment")).body(body);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(
            (answer.http, &answer.body["orderId"]),
            (200, &json!(1001)),
            "{answer:?}"
        );
    }
    for (index, amount) in amounts.iter().enumerate() {
        assert_eq!(
            shop.state()["transactions"][index]["amount"],
            amount.trim_matches('"')
        );
    }
}

#[tokio::test]
async fn charges_a_stored_card() {
    let shop = Shop::open().await;
    let pay = async |token: Value| {
        let body = shop.signed_in(&with(Shop::purchase("stored"), "token", token));
        shop.post(&shop.merchant("/tokenPayment"), &body).await
    };
    let answer = pay(json!(shop.stored(GOOD_CARD).await)).await;
    assert_eq!((answer.http, &answer.body["last4"]), (200, &json!("4242")));
    assert_eq!(shop.verified(&answer.body), Some("orderId"));
    let answer = pay(json!(shop.stored("4094394314664828").await)).await;
    assert_eq!(
        (answer.http, &answer.body["result"]["resp_code"]),
        (500, &json!("51"))
    );
    let answer = pay(json!(uuid::Uuid::new_v4())).await;
    assert_eq!((answer.http, answer.error()), (500, "Error: Invalid card token"));
    assert_eq!(answer.body["amount"], json!(12.34));
    assert_eq!(answer.body["currency"], "USD");
    assert_eq!(answer.body["authorization"], Value::Null);
    assert_eq!(pay(json!("x")).await.error(), "Invalid input syntax for uuid");
    assert_eq!(pay(Value::Null).await.error(), "Invalid input syntax for uuid");
}

#[tokio::test]
async fn deletes_a_token() {
    let shop = Shop::open().await;
    let token = shop.stored(GOOD_CARD).await;
    let delete = async |fields: Value| {
        shop.post(&shop.merchant("/deleteToken"), &shop.signed_in(&fields))
            .await
    };
    assert_eq!(
        delete(json!({ "token": token })).await.error(),
        "Invalid requestId"
    );
    assert_eq!(
        delete(json!({ "token": "x", "requestId": "r" })).await.error(),
        "Invalid input syntax for uuid"
    );
    let answer = delete(json!({ "token": token, "requestId": "mg500" })).await;
    assert_eq!((answer.http, &answer.body["status"]), (200, &json!("DELETED")));
    assert_eq!(shop.verified(&answer.body), Some("requestId"));
    assert_eq!(answer.body["requestId"], "mg500");
    assert_eq!(
        delete(json!({ "token": token, "requestId": "mg501" }))
            .await
            .error(),
        "Invalid card token"
    );
    let body = shop.signed_in(&with(Shop::purchase("gone"), "token", json!(token)));
    assert_eq!(
        shop.post(&shop.merchant("/tokenPayment"), &body).await.error(),
        "Error: Invalid card token"
    );
}

/// The fields of a void or refund.
fn reversal(answer: &Answer) -> Value {
    json!({
        "bin": "424242", "last4": "4242", "authorization": answer.body["authorization"],
        "orderReference": answer.body["orderId"],
    })
}

async fn reverse(shop: &Shop, way: &str, fields: Value) -> Answer {
    shop.post(
        &shop.merchant(&format!("/transactions/{way}")),
        &shop.signed_in(&fields),
    )
    .await
}

#[tokio::test]
async fn voids_and_refunds_within_their_windows() {
    for (way, window) in [("void", 3 * 3600), ("refund", 7 * 24 * 3600)] {
        let shop = Shop::open().await;
        let (early, late) = (shop.paid("early").await, shop.paid("late").await);
        shop.sandbox.clock().advance(Duration::from_secs(window - 10));
        let answer = reverse(&shop, way, reversal(&early)).await;
        assert_eq!(answer.http, 200, "{answer:?}");
        assert_eq!(
            answer.body["result"],
            json!({ "orderReference": "early", way: true })
        );
        assert_eq!(
            (&answer.body["code"], &answer.body["status"]),
            (&json!(200), &json!("SUCCESS"))
        );
        shop.sandbox.clock().advance(Duration::from_secs(11));
        for payment in [&late, &early] {
            let answer = reverse(&shop, way, reversal(payment)).await;
            assert_eq!((answer.http, &answer.body["code"]), (500, &json!(500)));
            assert_eq!(answer.body["status"], "FAIL");
            assert_eq!(answer.body["result"], json!({}));
            assert_eq!(
                answer.body["errors"][0]["errors"],
                json!([["transaction", NOT_READY]])
            );
            assert_eq!(answer.body["errors"][0]["code"], 400);
        }
        let state = shop.state();
        assert_eq!(state["transactions"][0]["state"], format!("{way}ed"));
        assert_eq!(state["transactions"][1]["state"], "approved");
    }
}

#[tokio::test]
async fn reverses_only_what_matches_in_every_field() {
    let shop = Shop::open().await;
    let paid = shop.paid("a").await;
    for (field, value) in [
        ("bin", json!("424243")),
        ("last4", json!("4243")),
        ("authorization", json!("x")),
        ("orderReference", json!("b")),
    ] {
        let answer = reverse(&shop, "void", with(reversal(&paid), field, value)).await;
        assert_eq!(
            (answer.http, answer.error()),
            (500, "Error: Transaction not found"),
            "{field}"
        );
        assert_eq!(
            (&answer.body["code"], &answer.body["status"]),
            (&json!(404), &json!("FAIL"))
        );
        let answer = reverse(&shop, "void", with(reversal(&paid), field, Value::Null)).await;
        assert!(answer.error().ends_with("are required"), "{answer:?}");
    }
    let stranger = with(shop.signed_in(&reversal(&paid)), "secret", json!("x"));
    let answer = shop.post(&shop.merchant("/transactions/refund"), &stranger).await;
    assert_eq!(answer.error(), "Error: Merchant doesn't exist");
}

#[tokio::test]
async fn refuses_refunds_of_other_banks_if_told_to() {
    let shop = Shop::open().await;
    let paid = shop.paid("a").await;
    shop.set(&json!({ "refunds": false }));
    let answer = reverse(&shop, "refund", reversal(&paid)).await;
    assert_eq!(
        (answer.http, answer.error()),
        (500, "Error: Refund not available for this bank entity")
    );
    assert_eq!(reverse(&shop, "void", reversal(&paid)).await.http, 200);
}

#[tokio::test]
async fn does_not_reverse_a_decline() {
    let shop = Shop::open().await;
    let order = shop.payment_order("d").await;
    let declined = shop.check_out("/", &order, &card("4485970366452449")).await;
    let fields = with(reversal(&declined), "authorization", json!("000000"));
    assert_eq!(reverse(&shop, "void", fields).await.body["code"], 404);
}

#[tokio::test]
async fn charges_a_card_that_was_stored_before_a_restart() {
    let file = std::env::temp_dir().join(format!("cardseal-greenpay-{}.cards", std::process::id()));
    let options = || SandboxOptions {
        seed: Some([7; 32]),
        cards: Some(file.clone()),
        ..SandboxOptions::default()
    };
    let first = Shop::open_with(options()).await;
    let [good, declined, deleted] = [
        first.stored(GOOD_CARD).await,
        first.stored("4094394314664828").await,
        first.stored(GOOD_CARD).await,
    ];
    let body = first.signed_in(&json!({ "token": deleted, "requestId": "mg1" }));
    assert_eq!(first.post(&first.merchant("/deleteToken"), &body).await.http, 200);
    // As when it is killed: nothing is written at the end.
    drop(first);

    let text = std::fs::read_to_string(&file).unwrap();
    for number in [GOOD_CARD, "4094394314664828"] {
        assert!(!text.contains(number), "{text}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    let again = Shop::open_with(options()).await;
    let pay = async |token: &str| {
        let body = again.signed_in(&with(Shop::purchase("stored"), "token", json!(token)));
        again.post(&again.merchant("/tokenPayment"), &body).await
    };
    let answer = pay(&good).await;
    assert_eq!(
        (answer.http, &answer.body["last4"], &answer.body["brand"]),
        (200, &json!("4242"), &json!("Visa"))
    );
    assert_eq!(pay(&declined).await.body["result"]["resp_code"], "51");
    assert_eq!(pay(&deleted).await.error(), "Error: Invalid card token");
    // A reset forgets them, in the file too.
    again.sandbox.reset();
    assert_eq!(pay(&good).await.error(), "Error: Invalid card token");
    drop(again);
    let third = Shop::open_with(options()).await;
    assert_eq!(third.state()["card_tokens"], json!([]));
    drop(third);

    std::fs::write(&file, r#"{"greenpay":[{}]}"#).unwrap();
    let refused = Sandbox::start(options()).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains(".cards: greenpay: missing field"), "{refused}");
    std::fs::remove_file(&file).unwrap();
}
