//! What the platform does wrong with money, and what is made of it: never "not charged" by a guess.

use std::time::Duration;

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::shop::{APPROVED, Shop};

async fn unknown(shop: &Shop, token: &Value, key: &str) -> Value {
    let answer = shop.charge(token, key).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    assert_eq!(answer.json["status"], "unknown");
    answer.json
}

#[tokio::test]
async fn whatever_does_not_say_no_is_unknown_and_not_tried_again() {
    let shop = Shop::with(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await;
    let token = shop.token(APPROVED).await;
    for kind in [
        Kind::DropBefore,
        Kind::DropAfterCommit,
        Kind::GatewayTimeoutAfterCommit,
        Kind::GatewayTimeoutBeforeCommit,
        Kind::ServerError,
        Kind::Html,
        Kind::NotJson,
        Kind::TruncatedJson,
        Kind::Huge,
        Kind::DelayAfterCommit,
    ] {
        let mut fault = Fault::new("greenpay", "merchant/tokenPayment", kind);
        fault.ms = 1000;
        shop.sandbox.inject(fault).unwrap();
        let key = format!("{kind:?}");
        let payment = unknown(&shop, &token, &key).await;
        let booked = shop.transactions().len();
        let again = shop.charge(&token, &key).await;
        assert_eq!((again.status.as_u16(), again.json), (202, payment), "{kind:?}");
        assert_eq!(shop.transactions().len(), booked, "{kind:?} was tried again");
    }
}

#[tokio::test]
async fn a_card_of_a_session_that_vanishes_is_unknown_and_uses_the_session_up() {
    let shop = Shop::open().await;
    let session = shop.payment_session("3.00").await;
    shop.fault("checkout/kount", Kind::DropAfterCommit);
    let mut body = shop.seal(&session, APPROVED);
    body["kount"] = true.into();
    let answer = shop.page("/v1/payments", &body).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["status"]),
        (202, &json!("unknown"))
    );
    shop.page("/v1/payments", &shop.seal(&session, APPROVED))
        .await
        .problem(409, "session_used");
    assert_eq!(shop.transactions().len(), 1);
}

#[tokio::test]
async fn the_signature_of_a_payment_counts_as_configured() {
    for kind in [
        Kind::BadSignature,
        Kind::MissingSignature,
        Kind::WrongKeySignature,
    ] {
        let lenient = Shop::open().await;
        let token = lenient.token(APPROVED).await;
        lenient.fault("merchant/tokenPayment", kind);
        assert_eq!(lenient.charge(&token, "k").await.is(201)["status"], "approved");

        let strict = Shop::with(&[(
            "CARDSEAL__PLATFORMS__GREENPAY__PAYMENT_SIGNATURE_POLICY",
            "required",
        )])
        .await;
        let token = strict.token(APPROVED).await;
        strict.fault("merchant/tokenPayment", kind);
        unknown(&strict, &token, "k").await;
        assert_eq!(strict.charge(&token, "k2").await.is(201)["status"], "approved");
    }
}

#[tokio::test]
async fn the_banks_codes_become_reasons() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    for (code, reason) in [
        ("05", "do_not_honor"),
        ("899", "timed_out_and_reversed"),
        ("996", "fraud_suspected"),
        ("77", "declined"),
    ] {
        let mut fault = Fault::new("greenpay", "merchant/tokenPayment", Kind::RespCode);
        fault.value = Some(code.into());
        shop.sandbox.inject(fault).unwrap();
        let payment = shop.charge(&token, code).await.is(201);
        assert_eq!(
            (&payment["status"], &payment["decline"]["reason"]),
            (&json!("declined"), &json!(reason))
        );
        assert_eq!(payment["decline"]["code"], code);
    }
}

#[tokio::test]
async fn an_unknown_payment_is_settled_by_the_platforms_own_word() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    shop.fault("merchant/tokenPayment", Kind::DropAfterCommit);
    let payment = unknown(&shop, &token, "k").await;
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    shop.merchant("POST", &format!("{path}/void"), None)
        .await
        .problem(409, "payment_state");

    // A second charge with the webhook of its own, to learn what a signed notification looks like.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/v1/notifications/greenpay/{}",
        listener.local_addr().unwrap(),
        crate::shop::WEBHOOK_SECRET
    );
    let router = shop.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    shop.sandbox
        .change_settings("greenpay", &json!({ "webhook_url": url }))
        .unwrap();
    let mut fault = Fault::new(
        "greenpay",
        "merchant/tokenPayment",
        Kind::GatewayTimeoutAfterCommit,
    );
    fault.webhook_after_ms = 100;
    shop.sandbox.inject(fault).unwrap();
    let second = unknown(&shop, &token, "k2").await;
    let path = format!("/v1/payments/{}", second["id"].as_str().unwrap());
    let settled = async {
        loop {
            let payment = shop.get(&path).await.is(200);
            if payment["status"] != "unknown" {
                return payment;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(5), settled)
        .await
        .unwrap();
    assert_eq!(settled["status"], "approved");
    assert!(settled["authorization"].is_string());
    // The stored answer to the key stays what it was.
    assert_eq!(shop.charge(&token, "k2").await.is(202), second);
    shop.merchant("POST", &format!("{path}/void"), None).await.is(200);
}

#[tokio::test]
async fn a_notification_that_is_faster_than_the_answer_wins() {
    let shop = Shop::with(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "800")]).await;
    let token = shop.token(APPROVED).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "http://{}/v1/notifications/greenpay/{}",
        listener.local_addr().unwrap(),
        crate::shop::WEBHOOK_SECRET
    );
    let router = shop.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    shop.sandbox
        .change_settings("greenpay", &json!({ "webhook_url": url }))
        .unwrap();
    let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::DelayAfterCommit);
    slow.ms = 2000;
    shop.sandbox.inject(slow).unwrap();
    let answer = shop.charge(&token, "k").await;
    // Whether the sandbox posts before or after its slow answer: known or unknown, never charged twice.
    assert!(answer.status == 201 || answer.status == 202, "{}", answer.text);
    assert_eq!(shop.transactions().len(), 1);
}

#[tokio::test]
async fn the_merchant_settles_what_nobody_else_does() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let resolve = async |payment: &Value, body: Value| {
        let path = format!("/v1/payments/{}/resolve", payment["id"].as_str().unwrap());
        shop.merchant("POST", &path, Some(&body)).await
    };
    shop.fault("merchant/tokenPayment", Kind::DropAfterCommit);
    let payment = unknown(&shop, &token, "a").await;
    resolve(&payment, json!({})).await.problem(422, "field_missing");
    resolve(&payment, json!({ "status": "voided" }))
        .await
        .problem(409, "payment_state");
    let authorization = shop.transactions()[0]["authorization"].clone();
    let settled = resolve(
        &payment,
        json!({ "status": "approved", "authorization": authorization }),
    )
    .await
    .is(200);
    assert_eq!(
        (&settled["status"], &settled["authorization"]),
        (&json!("approved"), &authorization)
    );
    resolve(&payment, json!({ "status": "failed" }))
        .await
        .problem(409, "payment_state");
    shop.merchant(
        "POST",
        &format!("/v1/payments/{}/void", payment["id"].as_str().unwrap()),
        None,
    )
    .await
    .is(200);

    shop.fault("merchant/tokenPayment", Kind::DropBefore);
    let payment = unknown(&shop, &token, "b").await;
    assert_eq!(
        resolve(&payment, json!({ "status": "failed" })).await.is(200)["status"],
        "failed"
    );
}

#[tokio::test]
async fn a_void_or_refund_without_an_answer_is_unknown() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let payment = shop.charge(&token, "a").await.is(201);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    shop.fault("merchant/transactions/void", Kind::DropBefore);
    let answer = shop.merchant("POST", &format!("{path}/void"), None).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["status"]),
        (202, &json!("void_unknown"))
    );
    shop.merchant("POST", &format!("{path}/refund"), None)
        .await
        .problem(409, "payment_state");
    // A void can be asked for again.
    assert_eq!(
        shop.merchant("POST", &format!("{path}/void"), None).await.is(200)["status"],
        "voided"
    );

    let payment = shop.charge(&token, "b").await.is(201);
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    shop.fault("merchant/transactions/refund", Kind::DropAfterCommit);
    let answer = shop.merchant("POST", &format!("{path}/refund"), None).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json["status"]),
        (202, &json!("refund_unknown"))
    );
    shop.merchant("POST", &format!("{path}/refund"), None)
        .await
        .problem(409, "payment_state");
    let resolved = shop
        .merchant(
            "POST",
            &format!("{path}/resolve"),
            Some(&json!({ "status": "refunded" })),
        )
        .await;
    assert_eq!(resolved.is(200)["status"], "refunded");
}

#[tokio::test]
async fn a_request_that_the_platform_calls_invalid_was_not_charged() {
    let wrong = [(
        "CARDSEAL__PLATFORMS__GREENPAY__TERMINALS__1__TERMINAL",
        "sandbox-0001-BNCR-CRC",
    )];
    let shop = Shop::with(&wrong).await;
    let token = shop.token(APPROVED).await;
    let answer = shop.charge(&token, "k").await;
    answer.problem(422, "platform_rejected");
    assert_eq!(answer.json["platform_code"], "invalid_request", "{}", answer.text);
    let nothing = [("CARDSEAL__PLATFORMS__GREENPAY__TERMINALS__1__TERMINAL", "nothing")];
    let shop = Shop::with(&nothing).await;
    let token = shop.token(APPROVED).await;
    let answer = shop.charge(&token, "k").await;
    assert_eq!(
        answer.json["platform_code"], "terminal_unknown",
        "{}",
        answer.text
    );
}
