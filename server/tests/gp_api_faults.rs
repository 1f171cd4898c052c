//! GP API and lost answers: money moves once, and the record ends with the truth.

use std::time::{Duration, Instant};

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::crash::{Program, call};
use crate::gp_api::{APPROVED, single};
use crate::shop::{Shop, config_text, platform_settings, sandbox};

const LOST: [Kind; 6] = [
    Kind::DropAfterCommit,
    Kind::BadGatewayAfterCommit,
    Kind::GatewayTimeoutAfterCommit,
    Kind::TruncatedJson,
    Kind::DelayAfterCommit,
    Kind::Delay,
];

async fn shop() -> Shop {
    Shop::gp_api(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await
}

async fn known(shop: &Shop, payment: &Value) -> Value {
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    let until = Instant::now() + Duration::from_secs(15);
    loop {
        let payment = shop.get(&path).await.is(200);
        let unknown = payment["status"].as_str().unwrap().contains("unknown");
        if !unknown || Instant::now() > until {
            return payment;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_lost_answer_to_a_charge_ends_with_the_truth_and_one_charge() {
    let shop = shop().await;
    let token = shop.gp_token(APPROVED).await;
    for (index, kind) in LOST.into_iter().enumerate() {
        shop.gp_fault("transactions", kind, 1, 800);
        let payment = shop
            .gp_pay(&token, "7.01", &json!({}), &format!("{kind:?}"))
            .await;
        assert!(
            payment.status == 201 || payment.status == 202,
            "{kind:?} {payment:?}"
        );
        assert_eq!(
            known(&shop, &payment.json).await["status"],
            "approved",
            "{kind:?}"
        );
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(shop.booked().len(), index + 1, "{kind:?}");
    }
}

#[tokio::test]
async fn a_charge_that_never_arrived_is_made_once_with_its_own_key() {
    let shop = shop().await;
    let token = shop.gp_token(APPROVED).await;
    for (index, kind) in [
        Kind::DropBefore,
        Kind::BadGatewayBeforeCommit,
        Kind::GatewayTimeoutBeforeCommit,
    ]
    .into_iter()
    .enumerate()
    {
        shop.gp_fault("transactions", kind, 1, 0);
        let payment = shop
            .gp_pay(&token, "7.01", &json!({}), &format!("{kind:?}"))
            .await
            .is(201);
        assert_eq!(payment["status"], "approved", "{kind:?}");
        let booked = shop.booked();
        assert_eq!(booked.len(), index + 1);
        assert_eq!(booked[index]["idempotency_key"], payment["id"]);
    }
}

#[tokio::test]
async fn a_decline_whose_answer_was_lost_is_a_decline() {
    let shop = shop().await;
    let token = shop.gp_token(APPROVED).await;
    shop.gp_setting(&json!({ "readable_after_ms": 5000 }));
    let mut fault = Fault::new("gp_api", "transactions", Kind::RespCode);
    fault.value = Some("51".into());
    shop.sandbox.inject(fault).unwrap();
    shop.gp_fault("transactions", Kind::DelayAfterCommit, 1, 800);
    let payment = shop.gp_pay(&token, "7.01", &json!({}), "k").await.is(202);
    assert_eq!(payment["status"], "unknown");
    shop.gp_setting(&json!({ "readable_after_ms": 0 }));
    let payment = shop.change(&payment, "refresh", &json!({})).await;
    assert!(payment.status == 200 || payment.status == 202);
    let payment = known(&shop, &payment.json).await;
    assert_eq!(
        (&payment["status"], &payment["decline"]["reason"]),
        (&json!("declined"), &json!("insufficient_funds"))
    );
    assert_eq!(shop.booked().len(), 1);
}

/// Also where the platform's own words are that its processor failed, as with its error cards.
#[tokio::test]
async fn a_charge_that_is_readable_late_is_never_made_twice() {
    let late = async |kind| {
        let shop = shop().await;
        let token = shop.gp_token(APPROVED).await;
        shop.gp_setting(&json!({ "readable_after_ms": 6000 }));
        shop.gp_fault("transactions", kind, 1, 0);
        let first = shop.gp_pay(&token, "7.01", &json!({}), "k").await.is(202);
        // While nobody knows, nothing else may happen to it.
        shop.change(&first, "refund", &json!({}))
            .await
            .problem(409, "payment_state");
        assert_eq!(known(&shop, &first).await["status"], "approved", "{kind:?}");
        assert_eq!(shop.booked().len(), 1, "{kind:?}");
    };
    tokio::join!(late(Kind::DropAfterCommit), late(Kind::BadGatewayAfterCommit));
}

#[tokio::test]
async fn a_repeated_key_leads_to_the_original_by_its_id() {
    let shop = shop().await;
    let token = shop.gp_token(APPROVED).await;
    // Searching finds nothing for so long that the charge is sent again; the refusal names the first one.
    shop.gp_setting(&json!({ "readable_after_ms": 1600 }));
    shop.gp_fault("transactions", Kind::DropAfterCommit, 1, 0);
    let payment = shop.gp_pay(&token, "7.01", &json!({}), "k").await.is(201);
    assert_eq!(payment["status"], "approved");
    let booked = shop.booked();
    assert_eq!((booked.len(), &booked[0]["idempotency_key"]), (1, &payment["id"]));
}

#[tokio::test]
async fn a_processing_error_without_a_transaction_is_the_merchants_to_settle() {
    let shop = shop().await;
    let token = shop.gp_token(APPROVED).await;
    shop.gp_fault("transactions", Kind::BadGatewayBeforeCommit, 0, 0);
    let payment = shop.gp_pay(&token, "7.01", &json!({}), "k").await.is(202);
    for _ in 0..2 {
        let now = shop.change(&payment, "refresh", &json!({})).await.is(202);
        assert_eq!(now["status"], "unknown");
    }
    assert!(shop.booked().is_empty());
    let settled = shop
        .change(&payment, "resolve", &json!({ "status": "failed" }))
        .await
        .is(200);
    assert_eq!(settled["status"], "failed");
    // Nobody tries it again, also when the platform is well.
    shop.sandbox.clear_faults();
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(
        shop.change(&payment, "refresh", &json!({})).await.is(200),
        settled
    );
    assert!(shop.booked().is_empty());
}

#[tokio::test]
async fn a_card_on_which_the_processor_fails_is_not_stored() {
    let shop = shop().await;
    let session = shop.gp_session().await;
    let answer = shop.single(&session, "4009830000001985").await;
    let hand = json!({ "session": session["id"], "answer": answer });
    shop.page("/v1/tokens", &hand)
        .await
        .problem(504, "platform_timeout");
    // The simulated platform has used the single-use id up, which it says to the next one who asks about it.
    let answer = shop.page("/v1/tokens", &hand).await;
    answer.problem(422, "platform_rejected");
    assert_eq!(answer.json["platform_code"], "40118");
    assert_eq!(shop.get("/v1/tokens").await.is(200)["data"], json!([]));
    assert_eq!(shop.gp()["verifications_made"], 0);
}

#[tokio::test]
async fn a_platform_that_cannot_be_asked_leaves_the_payment_unknown_until_it_can() {
    let shop = shop().await;
    let token = shop.gp_token(APPROVED).await;
    shop.gp_fault("transactions", Kind::DropAfterCommit, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    let payment = shop.gp_pay(&token, "7.01", &json!({}), "k").await.is(202);
    assert_eq!(payment["status"], "unknown");
    assert_eq!(
        shop.change(&payment, "refresh", &json!({})).await.is(202)["status"],
        "unknown"
    );
    shop.sandbox.clear_faults();
    assert_eq!(known(&shop, &payment).await["status"], "approved");
    assert_eq!(shop.booked().len(), 1);
}

#[tokio::test]
async fn lost_answers_to_changes_end_with_the_truth_and_one_change() {
    let shop = shop().await;
    let token = shop.gp_token(APPROVED).await;
    for kind in LOST
        .into_iter()
        .chain([Kind::DropBefore, Kind::BadGatewayBeforeCommit])
    {
        let key = format!("{kind:?}");
        let payment = shop
            .gp_pay(&token, "10.00", &json!({ "capture": "later" }), &key)
            .await
            .is(201);
        for (verb, body, status, field) in [
            ("capture", json!({ "amount": "8.00" }), "approved", "captured"),
            (
                "refund",
                json!({ "amount": "3.00" }),
                "partially_refunded",
                "refunded",
            ),
        ] {
            shop.gp_fault(&format!("transactions/{verb}"), kind, 1, 800);
            let answer = shop.change(&payment, verb, &body).await;
            assert!(
                answer.status == 200 || answer.status == 202,
                "{kind:?} {answer:?}"
            );
            let after = known(&shop, &payment).await;
            assert_eq!(
                (&after["status"], &after[field]),
                (
                    &json!(status),
                    &json!(format!("{}.00", if verb == "capture" { 8 } else { 3 }))
                ),
                "{kind:?} {verb}"
            );
        }
        let other = shop
            .gp_pay(&token, "5.00", &json!({}), &format!("{key}-void"))
            .await
            .is(201);
        shop.gp_fault("transactions/reversal", kind, 1, 800);
        shop.change(&other, "void", &json!({})).await;
        assert_eq!(known(&shop, &other).await["status"], "voided", "{kind:?}");
        tokio::time::sleep(Duration::from_millis(900)).await;
    }
    for transaction in shop.booked() {
        if transaction["type"] == "SALE" && transaction["amount"] == "1000" {
            assert_eq!(
                (&transaction["captured"], &transaction["refunded"]),
                (&json!("800"), &json!("300"))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_platforms_answer_and_ours_ends_with_the_truth() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let mut text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", "");
    text += "[platforms.gp_api]\n";
    for (key, value) in platform_settings(&sandbox, "gp_api") {
        let key = key.rsplit("__").next().unwrap().to_lowercase();
        text += &format!("{key} = {value:?}\n");
    }
    std::fs::write(&config, text).unwrap();
    let client = crate::shop::client();
    let mut program = Program::start(&config);
    let ask = json!({ "platform": "gp_api" });
    let (_, session) = call(
        &client,
        "POST",
        format!("{}/v1/sessions", program.url),
        Some(&ask),
        None,
    )
    .await
    .unwrap();
    let answer = single(
        session["base_url"].as_str().unwrap(),
        session["access_token"].as_str().unwrap(),
        &session["reference"],
        APPROVED,
    )
    .await;
    let hand = json!({ "session": session["id"], "answer": answer });
    let (_, token) = call(
        &client,
        "POST",
        format!("{}/v1/tokens", program.url),
        Some(&hand),
        None,
    )
    .await
    .unwrap();
    let booked = || {
        sandbox.state()["gp_api"]["transactions"]
            .as_array()
            .unwrap()
            .clone()
    };
    let body = json!({ "token": token["id"], "amount": "5.00", "currency": "USD", "order_reference": "o-1" });
    // A charge, then a refund of a part of it, each cut short after the platform has done it.
    let mut payment = String::new();
    for (route, path, body, key, count, status) in [
        (
            "transactions",
            "/v1/payments".to_owned(),
            body,
            "charge",
            1,
            "approved",
        ),
        (
            "transactions/refund",
            String::new(),
            json!({ "amount": "2.00" }),
            "refund",
            2,
            "partially_refunded",
        ),
    ] {
        let path = if path.is_empty() {
            format!("/v1/payments/{payment}/refund")
        } else {
            path
        };
        let mut slow = Fault::new("gp_api", route, Kind::DelayAfterCommit);
        slow.ms = 20_000;
        sandbox.inject(slow).unwrap();
        let under_way = {
            let (client, url, body) = (client.clone(), format!("{}{path}", program.url), body.clone());
            tokio::spawn(async move { call(&client, "POST", url, Some(&body), Some(key)).await })
        };
        let patience = Instant::now() + Duration::from_secs(5);
        while booked().len() < count && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        program.kill();
        assert_eq!(under_way.await.unwrap(), None);
        program = Program::start(&config);
        let url = format!("{}/v1/payments", program.url);
        let until = Instant::now() + Duration::from_secs(15);
        let found = loop {
            let (_, list) = call(&client, "GET", url.clone(), None, None).await.unwrap();
            let found = list["data"][0].clone();
            if found["status"] == status || Instant::now() > until {
                break found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert_eq!(found["status"], status);
        payment = found["id"].as_str().unwrap().into();
        // The caller asks again with the same key and is told the same.
        let (_, again) = call(
            &client,
            "POST",
            format!("{}{path}", program.url),
            Some(&body),
            Some(key),
        )
        .await
        .unwrap();
        assert_eq!(again["status"], status);
        assert_eq!(booked().len(), count);
    }
    assert_eq!(booked()[0]["refunded"], "200");
}
