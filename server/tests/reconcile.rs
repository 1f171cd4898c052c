//! Unknown payments are asked about by themselves: each platform on its own, and whatever the wall clock does.

use std::time::{Duration, Instant};

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::gp_api::APPROVED;
use crate::shop::{Shop, merchant_request, platform_settings, sandbox, send, serve};

/// A shop with two platforms that can be asked.
async fn shop(timeout: &str) -> Shop {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let (app, router) = open(&sandbox, folder.path(), timeout).await;
    Shop {
        sandbox,
        app,
        router,
        folder,
    }
}

async fn open(
    sandbox: &cardseal_sandbox::RunningSandbox,
    folder: &std::path::Path,
    timeout: &str,
) -> (cardseal_server::App, axum::Router) {
    let mut settings = platform_settings(sandbox, "gp_api");
    settings.extend(platform_settings(sandbox, "online_payments"));
    settings.push(("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS".into(), timeout.into()));
    settings.push((
        "CARDSEAL__PLATFORMS__ONLINE_PAYMENTS__RETURN_URL".into(),
        "https://shop.example/return".into(),
    ));
    // None of them waits for a place.
    settings.push(("CARDSEAL__HTTP__CALLS_PER_PLATFORM".into(), "200".into()));
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    serve(sandbox, &folder.join("cardseal.sqlite"), &settings).await
}

/// The same shop with its server started anew.
async fn reopen(shop: Shop, timeout: &str) -> Shop {
    let Shop {
        sandbox,
        app,
        router,
        folder,
    } = shop;
    app.stop().await;
    drop(router);
    // The file is free once the last task has let go.
    let gone = std::sync::Arc::downgrade(&app);
    drop(app);
    while gone.strong_count() > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (app, router) = open(&sandbox, folder.path(), timeout).await;
    Shop {
        sandbox,
        app,
        router,
        folder,
    }
}

/// Charges whose answers are lost, all at once.
async fn lost_charges(shop: &Shop, token: &Value, count: usize) {
    let mut charges = tokio::task::JoinSet::new();
    for index in 0..count {
        let body = json!({ "token": token["id"], "amount": "7.01", "currency": "USD" });
        let key = format!("k{index}");
        let request = merchant_request("POST", "/v1/payments", Some(&body), &[("idempotency-key", &key)]);
        charges.spawn(send(shop.router.clone(), request));
    }
    for charge in charges.join_all().await {
        charge.is(202);
    }
}

async fn status(shop: &Shop, payment: &Value) -> String {
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    shop.get(&path).await.is(200)["status"].as_str().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_platform_that_hangs_delays_no_other_and_no_stop() {
    // So long that each charge reaches the platform, on however busy a machine.
    let shop = shop("30000").await;
    let token = shop.gp_token(APPROVED).await;
    let other = shop.op_token().await;
    shop.gp_fault("transactions", Kind::DropAfterCommit, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    lost_charges(&shop, &token, 150).await;
    assert_eq!(shop.booked().len(), 150);
    shop.app.stop().await;
    shop.sandbox.clear_faults();
    shop.gp_fault("transactions/list", Kind::Delay, 0, 120_000);

    // From now on a lookup lasts as long as the time-out lets it.
    let shop = reopen(shop, "60000").await;
    // The queue of the platform that hangs is full by then.
    tokio::time::sleep(Duration::from_secs(2)).await;
    shop.op_fault("payments", Kind::DropAfterCommit, 3, 0);
    let payment = shop.op_charge(&other, "4.00", &json!({}), "lost").await.is(202);
    let began = Instant::now();
    while status(&shop, &payment).await != "approved" {
        assert!(began.elapsed() < Duration::from_secs(15), "not settled in time");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(shop.op_booked().len(), 1);

    // Lookups move no money: nobody waits for them.
    let began = Instant::now();
    shop.app.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn within_a_platform_everybody_has_a_turn() {
    let shop = shop("300").await;
    let token = shop.gp_token(APPROVED).await;
    shop.gp_fault("transactions", Kind::DropAfterCommit, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    lost_charges(&shop, &token, 40).await;
    shop.app.stop().await;
    shop.sandbox.clear_faults();
    // Almost as many lookups as may be under way at once hang; the others are done in the meantime.
    let mut hang = Fault::new("gp_api", "transactions/list", Kind::Delay);
    (hang.times, hang.ms) = (15, 120_000);
    shop.sandbox.inject(hang).unwrap();
    let shop = reopen(shop, "60000").await;
    let began = Instant::now();
    loop {
        let list = shop.get("/v1/payments?limit=100").await.is(200);
        let list = list["data"].as_array().unwrap();
        let unknown = list
            .iter()
            .filter(|payment| payment["status"] == "unknown")
            .count();
        if unknown <= 15 {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{unknown} of {} still unknown",
            list.len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_put_back_delays_no_lookup() {
    let shop = shop("400").await;
    let token = shop.gp_token(APPROVED).await;
    shop.gp_fault("transactions", Kind::DropAfterCommit, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    let before = shop.gp_pay(&token, "7.01", &json!({}), "before").await.is(202);
    shop.app.clock.advance(-86_400);
    let after = shop.gp_pay(&token, "7.01", &json!({}), "after").await.is(202);
    shop.sandbox.clear_faults();
    let began = Instant::now();
    for payment in [&before, &after] {
        while status(&shop, payment).await != "approved" {
            assert!(began.elapsed() < Duration::from_secs(20), "not asked about");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(shop.booked().len(), 2);
}

/// The stored times lie a day in the future when the server starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_put_back_while_the_server_is_down_delays_no_lookup() {
    let shop = shop("400").await;
    shop.app.clock.advance(86_400);
    let token = shop.gp_token(APPROVED).await;
    shop.gp_fault("transactions", Kind::DropAfterCommit, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    let payment = shop.gp_pay(&token, "7.01", &json!({}), "k").await.is(202);
    shop.app.stop().await;
    shop.sandbox.clear_faults();
    let shop = reopen(shop, "400").await;
    let began = Instant::now();
    while status(&shop, &payment).await != "approved" {
        assert!(began.elapsed() < Duration::from_secs(20), "not asked about");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(shop.booked().len(), 1);
}
