//! Bounds on what is under way: calls to a platform, connections, and what a stop waits for.

use std::sync::Arc;

use cardseal_sandbox::faults::{Fault, Kind};
use cardseal_server::bounds::Bound;
use serde_json::json;

use crate::shop::{APPROVED, Shop};

#[tokio::test]
async fn a_jammed_platform_refuses_what_was_not_sent_and_holds_up_no_other() {
    let settings = [
        ("CARDSEAL__HTTP__CALLS_PER_PLATFORM", "4"),
        ("CARDSEAL__HTTP__WAITING_PER_PLATFORM", "4"),
        ("CARDSEAL__HTTP__WAIT_MS", "60000"),
        ("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "20000"),
    ];
    let shop = Arc::new(Shop::gp_api(&settings).await);
    let token = shop.token(APPROVED).await;
    let orders = || {
        shop.sandbox.state()["greenpay"]["orders"]
            .as_array()
            .unwrap()
            .len()
    };
    let before = orders();
    let mut slow = Fault::new("greenpay", "merchant/tokenize", Kind::Delay);
    (slow.times, slow.ms) = (0, 1500);
    shop.sandbox.inject(slow).unwrap();

    let pages: Vec<_> = (0..1500)
        .map(|_| {
            let shop = Arc::clone(&shop);
            tokio::spawn(async move {
                shop.page("/v1/sessions", &json!({ "platform": "greenpay" }))
                    .await
            })
        })
        .collect();
    while shop.app.bounds.count(Bound::PlatformBusy) == 0 {
        tokio::task::yield_now().await;
    }
    // While pages wait for their sessions, money of the same platform moves, and another platform's sessions open.
    assert_eq!(shop.charge(&token, "k").await.is(201)["status"], "approved");
    let other = json!({ "platform": "gp_api", "mode": "direct" });
    shop.page("/v1/sessions", &other).await.is(201);

    let (mut opened, mut refused) = (0, 0);
    for page in pages {
        let answer = page.await.unwrap();
        if answer.status == 201 {
            opened += 1;
        } else {
            answer.problem(503, "platform_busy");
            assert_eq!(answer.headers["retry-after"], "5");
            refused += 1;
        }
    }
    assert_eq!(orders(), before + opened, "refused and sent all the same");
    assert_eq!(shop.app.bounds.count(Bound::PlatformBusy), refused);
    assert!(opened >= 7 && refused > 0, "{opened} opened, {refused} refused");
}

#[tokio::test]
async fn a_charge_without_a_place_is_not_made_and_its_key_is_good_again() {
    let shop = Arc::new(
        Shop::with(&[
            ("CARDSEAL__HTTP__CALLS_PER_PLATFORM", "1"),
            ("CARDSEAL__HTTP__WAITING_PER_PLATFORM", "0"),
        ])
        .await,
    );
    let token = shop.token(APPROVED).await;
    let mut slow = Fault::new("greenpay", "merchant/tokenPayment", Kind::DelayAfterCommit);
    slow.ms = 1000;
    shop.sandbox.inject(slow).unwrap();
    let first = tokio::spawn({
        let (shop, token) = (Arc::clone(&shop), token.clone());
        async move { shop.charge(&token, "first").await }
    });
    while shop.transactions().is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let refused = shop.charge(&token, "second").await;
    refused.problem(503, "platform_busy");
    let payment = format!("/v1/payments/{}", refused.json["payment"].as_str().unwrap());
    assert_eq!(shop.get(&payment).await.is(200)["status"], "failed");

    assert_eq!(first.await.unwrap().is(201)["status"], "approved");
    assert_eq!(shop.transactions().len(), 1);
    assert_eq!(shop.charge(&token, "second").await.is(201)["status"], "approved");
    assert_eq!(shop.transactions().len(), 2);
}
