//! Card testing: few cards per session, per customer and in all, counted before a platform hears of them.

use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use crate::shop::{APPROVED, Answer, Shop};

/// A card of GP API's that is not verified.
const DECLINED: &str = "4000120000001154";

#[track_caller]
fn later(answer: &Answer) {
    answer.problem(429, "too_many_attempts");
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    assert_eq!(answer.json["retry_after"], seconds);
}

#[track_caller]
fn never(answer: &Answer) {
    answer.problem(429, "too_many_attempts");
    assert!(!answer.headers.contains_key("retry-after"));
    assert_eq!(answer.json.get("retry_after"), None);
}

impl Shop {
    async fn try_card(&self, session: &Value, number: &str) -> (Value, Answer) {
        let answer = self.single(session, number).await;
        let body = json!({ "session": session["id"], "answer": answer });
        let answer = self.page("/v1/tokens", &body).await;
        (body, answer)
    }
}

#[tokio::test]
async fn a_session_takes_five_cards_to_its_platform_and_no_sixth() {
    let shop = Shop::gp_api(&[("CARDSEAL__LIMITS__SESSION_ATTEMPTS", "5")]).await;
    let session = shop.gp_session().await;
    let mut last = Value::Null;
    for _ in 0..5 {
        let (body, answer) = shop.try_card(&session, DECLINED).await;
        answer.problem(422, "card_declined");
        // The same text again, as after a lost answer, is no further attempt.
        let again = shop.page("/v1/tokens", &body).await;
        assert_ne!(again.status, 429, "{}", again.text);
        last = body;
    }
    // The platform would not answer: it is not asked.
    shop.gp_fault("*", Kind::DropBefore, 0, 0);
    let body =
        json!({ "session": session["id"], "answer": { "id": "PMT_00000000-0000-0000-0000-000000000001" } });
    never(&shop.page("/v1/tokens", &body).await);
    shop.sandbox.clear_faults();
    never(&shop.try_card(&session, "4263970000005262").await.1);
    assert_ne!(shop.page("/v1/tokens", &last).await.status, 429);
    // Another session is another customer's, or another try of this one.
    let other = shop.gp_session().await;
    shop.try_card(&other, "4263970000005262").await.1.is(201);
}

#[tokio::test]
async fn what_a_session_has_tried_outlives_the_server() {
    let shop = Shop::gp_api(&[("CARDSEAL__LIMITS__SESSION_ATTEMPTS", "2")]).await;
    let session = shop.gp_session().await;
    for _ in 0..2 {
        shop.try_card(&session, DECLINED)
            .await
            .1
            .problem(422, "card_declined");
    }
    let shop = shop
        .restarted("gp_api", &[("CARDSEAL__LIMITS__SESSION_ATTEMPTS", "2")])
        .await;
    never(&shop.try_card(&session, DECLINED).await.1);
}

#[tokio::test]
async fn a_payment_with_a_card_that_is_typed_counts_too() {
    let shop = Shop::with(&[("CARDSEAL__LIMITS__SESSION_ATTEMPTS", "2")]).await;
    let session = shop.payment_session("12.34").await;
    for _ in 0..2 {
        // Refused before any bank sees it, so that the session stays open.
        shop.fault("checkout/", Kind::WrongKeyDecrypt);
        shop.page("/v1/payments", &shop.seal(&session, APPROVED))
            .await
            .problem(422, "platform_rejected");
    }
    never(&shop.page("/v1/payments", &shop.seal(&session, APPROVED)).await);
}

#[tokio::test]
async fn a_customer_and_all_customers_have_their_rates() {
    let shop = Shop::gp_api(&[
        ("CARDSEAL__LIMITS__CUSTOMER_ATTEMPTS_PER_MINUTE", "3"),
        ("CARDSEAL__LIMITS__ATTEMPTS_PER_MINUTE", "5"),
    ])
    .await;
    // However many sessions one opens.
    for _ in 0..3 {
        let session = shop.gp_session().await;
        shop.try_card(&session, DECLINED)
            .await
            .1
            .problem(422, "card_declined");
    }
    let session = shop.gp_session().await;
    later(&shop.try_card(&session, DECLINED).await.1);
    let other = |index: u32| json!({ "platform": "gp_api", "customer": format!("c-{index}") });
    for index in 10..12 {
        let session = shop.page("/v1/sessions", &other(index)).await.is(201);
        shop.try_card(&session, DECLINED)
            .await
            .1
            .problem(422, "card_declined");
    }
    let session = shop.page("/v1/sessions", &other(12)).await.is(201);
    later(&shop.try_card(&session, DECLINED).await.1);
    // Stored cards are no attempts.
    shop.get("/v1/payments").await.is(200);
}

#[tokio::test]
async fn sessions_are_few_too() {
    let shop = Shop::gp_api(&[
        ("CARDSEAL__LIMITS__CUSTOMER_SESSIONS_PER_MINUTE", "2"),
        ("CARDSEAL__LIMITS__SESSIONS_PER_MINUTE", "4"),
    ])
    .await;
    let of = |customer: &str| json!({ "platform": "gp_api", "customer": customer });
    for _ in 0..2 {
        shop.page("/v1/sessions", &of("c-1")).await.is(201);
    }
    later(&shop.page("/v1/sessions", &of("c-1")).await);
    // Also where the merchant opens them for its customer.
    later(&shop.merchant("POST", "/v1/sessions", Some(&of("c-1"))).await);
    for _ in 0..2 {
        shop.page("/v1/sessions", &json!({ "platform": "gp_api" }))
            .await
            .is(201);
    }
    later(&shop.page("/v1/sessions", &json!({ "platform": "gp_api" })).await);
    shop.merchant("POST", "/v1/sessions", Some(&of("c-2")))
        .await
        .is(201);
}
