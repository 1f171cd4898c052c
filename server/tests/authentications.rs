//! Authentications: 3-D Secure at GP API, from the merchant's request to the charge, and what is refused on the way.

use std::time::Duration;

use axum::http::Request;
use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use crate::shop::{Answer, Shop};

const FRICTIONLESS: &str = "4222000006285344";
const ATTEMPTED: &str = "4222000005218627";
const NOT_AUTHENTICATED: &str = "4222000002144131";
const CHALLENGED: &str = "4222000001227408";
const NOT_ENROLLED: &str = "4111111111111111";
/// Where browsers would find the server.
const PUBLIC: &str = "http://127.0.0.1:9";

async fn shop(more: &[(&str, &str)]) -> Shop {
    let public = [("CARDSEAL__PLATFORMS__GP_API__PUBLIC_URL", PUBLIC)];
    let all: Vec<_> = public.into_iter().chain(more.iter().copied()).collect();
    Shop::gp_api(&all).await
}

fn browser() -> Value {
    json!({ "language": "en-US", "color_depth": 24, "screen_width": 1920, "screen_height": 1080,
        "timezone_offset": "-60", "window": "600x400", "method": "completed", "accept_header": "text/html",
        "user_agent": "Mozilla/5.0", "customer_ip": "203.0.113.7" })
}

impl Shop {
    async fn authenticate(&self, token: &Value, amount: &str, key: Option<&str>) -> Answer {
        let body = json!({ "token": token["id"], "amount": amount, "currency": "USD" });
        let headers: Vec<_> = key.into_iter().map(|key| ("idempotency-key", key)).collect();
        self.merchant_with("POST", "/v1/authentications", Some(&body), &headers)
            .await
    }

    async fn go_on(&self, authentication: &Value, step: &str, body: &Value) -> Answer {
        let id = authentication["id"].as_str().unwrap();
        self.page(&format!("/v1/authentications/{id}/{step}"), body).await
    }

    /// One that came to its end without a challenge.
    async fn authenticated(&self, token: &Value, amount: &str) -> Value {
        let begun = self.authenticate(token, amount, None).await.is(201);
        self.go_on(&begun, "initiate", &browser()).await.is(200);
        self.authentication(&begun).await
    }

    /// As the merchant sees it.
    async fn authentication(&self, known: &Value) -> Value {
        let id = known["id"].as_str().unwrap();
        self.get(&format!("/v1/authentications/{id}")).await.is(200)
    }

    async fn pay_with(&self, token: &Value, amount: &str, authentication: &Value, key: &str) -> Answer {
        let more = json!({ "authentication": authentication["id"] });
        self.gp_pay(token, amount, &more, key).await
    }
}

/// Sends a form as a browser's frame does.
async fn form(url: &str, field: &str, value: &str) -> (u16, String) {
    let request = crate::shop::client().post(url).body(format!("{field}={value}"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// Goes through the issuer's page of a step, and returns where that sends the frame.
async fn challenge(step: &Value, action: &str) -> String {
    let url = step["url"].as_str().unwrap();
    let (status, page) = form(
        url,
        step["field"].as_str().unwrap(),
        step["value"].as_str().unwrap(),
    )
    .await;
    assert_eq!(status, 200, "{page}");
    let action_of = |page: &str| {
        let (_, rest) = page.split_once("action=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    let origin = url.split("/gp_api").next().unwrap();
    let (_, page) = form(&format!("{origin}{}", action_of(&page)), "action", action).await;
    action_of(&page)
}

#[tokio::test]
async fn a_charge_goes_with_what_the_platform_says_of_its_customer() {
    let shop = shop(&[]).await;
    shop.gp_setting(&json!({ "authentication_required": true }));
    for (number, status, eci) in [
        (FRICTIONLESS, "authenticated", "05"),
        (ATTEMPTED, "attempted", "06"),
    ] {
        let token = shop.gp_token(number).await;
        let declined = shop
            .gp_pay(&token, "12.34", &json!({}), &format!("{number}-0"))
            .await
            .is(201);
        assert_eq!(declined["decline"]["reason"], "authentication_required");

        let begun = shop.authenticate(&token, "12.34", None).await.is(201);
        assert_eq!(
            (&begun["status"], &begun["step"]["kind"], &begun["step"]["field"]),
            (&json!("available"), &json!("method"), &json!("threeDSMethodData"))
        );
        assert_eq!(
            (&begun["amount"], &begun["token"]),
            (&json!("12.34"), &token["id"])
        );
        let page = shop.go_on(&begun, "initiate", &browser()).await.is(200);
        // The page learns how it went, and nothing that it could charge with.
        assert_eq!(page, json!({ "id": begun["id"], "status": status, "step": null }));
        assert_eq!(shop.go_on(&begun, "initiate", &browser()).await.is(200), page);
        assert_eq!(shop.go_on(&begun, "result", &json!({})).await.is(200), page);
        let known = shop.authentication(&begun).await;
        assert_eq!(
            (
                &known["status"],
                &known["eci"],
                &known["liability_shift"],
                &known["version"]
            ),
            (&json!(status), &json!(eci), &json!(true), &json!("2.2.0"))
        );
        let paid = shop.pay_with(&token, "12.34", &known, number).await.is(201);
        assert_eq!(paid["status"], "approved");
        assert_eq!(shop.authentication(&begun).await["payment"], paid["id"]);
        let booked = shop.booked();
        assert!(
            booked.last().unwrap()["authentication"]
                .as_str()
                .unwrap()
                .starts_with("AUT_")
        );
    }
    let sent = &shop.gp()["authentications"][0];
    assert_eq!(
        (&sent["method_told"], &sent["amount"]),
        (&json!("YES"), &json!("1234"))
    );
}

#[tokio::test]
async fn the_bank_asks_and_what_the_page_claims_of_it_counts_nothing() {
    let shop = shop(&[]).await;
    let token = shop.gp_token(CHALLENGED).await;
    for (action, status) in [("pass", "authenticated"), ("fail", "failed")] {
        let begun = shop.authenticate(&token, "12.34", None).await.is(201);
        let page = shop.go_on(&begun, "initiate", &browser()).await.is(200);
        assert_eq!(
            (&page["status"], &page["step"]["kind"], &page["step"]["field"]),
            (&json!("challenge"), &json!("challenge"), &json!("creq"))
        );
        // A page that lost the answer gets the same once more.
        assert_eq!(shop.go_on(&begun, "initiate", &browser()).await.is(200), page);
        // Before the customer has answered, whatever the page says.
        let early = shop.go_on(&begun, "result", &json!({})).await.is(200);
        assert_eq!(early, page);
        let refused = shop.pay_with(&token, "12.34", &begun, "early").await;
        refused.problem(409, "authentication_unusable");

        let back = challenge(&page["step"], action).await;
        assert_eq!(back, format!("{PUBLIC}/v1/authentications/returns/challenge"));
        let ended = shop.go_on(&begun, "result", &json!({})).await.is(200);
        assert_eq!((&ended["status"], &ended["step"]), (&json!(status), &Value::Null));
        let answer = shop.pay_with(&token, "12.34", &begun, action).await;
        if action == "pass" {
            assert_eq!(answer.is(201)["status"], "approved");
        } else {
            answer.problem(409, "authentication_unusable");
        }
    }
    assert_eq!(shop.booked().len(), 1);
}

#[tokio::test]
async fn it_is_of_one_card_one_amount_and_one_charge() {
    let shop = shop(&[]).await;
    let token = shop.gp_token(FRICTIONLESS).await;
    let other = shop.gp_token(ATTEMPTED).await;
    let good = shop.authenticated(&token, "12.34").await;
    for (token, amount, says) in [
        (&other, "12.34", "another card"),
        (&token, "12.35", "another amount"),
        (&token, "0.01", "another amount"),
    ] {
        let refused = shop.pay_with(token, amount, &good, "k").await;
        refused.problem(409, "authentication_unusable");
        assert!(
            refused.json["detail"].as_str().unwrap().contains(says),
            "{refused:?}"
        );
    }
    let euros =
        json!({ "token": token["id"], "amount": "12.34", "currency": "EUR", "authentication": good["id"] });
    shop.merchant("POST", "/v1/payments", Some(&euros))
        .await
        .problem(409, "authentication_unusable");
    shop.pay_with(&token, "12.34", &json!({ "id": "aut_nobody" }), "k")
        .await
        .problem(404, "authentication_not_found");
    assert!(shop.booked().is_empty());

    let paid = shop.pay_with(&token, "12.34", &good, "k").await.is(201);
    // The same request has the same answer; another one cannot use it.
    assert_eq!(shop.pay_with(&token, "12.34", &good, "k").await.is(201), paid);
    shop.pay_with(&token, "12.34", &good, "k2")
        .await
        .problem(409, "authentication_unusable");

    let late = shop.authenticated(&token, "5.00").await;
    shop.app.clock.advance(24 * 3600 + 1);
    shop.pay_with(&token, "5.00", &late, "late")
        .await
        .problem(409, "authentication_unusable");
    for (number, status) in [(NOT_AUTHENTICATED, "failed"), (NOT_ENROLLED, "not_enrolled")] {
        let token = shop.gp_token(number).await;
        let known = shop.authenticated(&token, "12.34").await;
        assert_eq!(
            (&known["status"], &known["liability_shift"]),
            (&json!(status), &json!(false))
        );
        shop.pay_with(&token, "12.34", &known, number)
            .await
            .problem(409, "authentication_unusable");
    }
    assert_eq!(shop.booked().len(), 1);
}

#[tokio::test]
async fn a_charge_that_was_certainly_not_made_frees_it() {
    let shop = shop(&[]).await;
    let token = shop.gp_token(FRICTIONLESS).await;
    let good = shop.authenticated(&token, "12.34").await;
    // Before a charge can be sent, access to the platform is refused.
    shop.sandbox
        .command("gp_api", "expire_tokens", &json!({}))
        .await
        .unwrap();
    shop.gp_fault("accesstoken", Kind::DropBefore, 0, 0);
    shop.pay_with(&token, "12.34", &good, "k")
        .await
        .problem(503, "platform_unavailable");
    assert_eq!(shop.authentication(&good).await["payment"], Value::Null);
    shop.sandbox.clear_faults();
    assert_eq!(
        shop.pay_with(&token, "12.34", &good, "k").await.is(201)["status"],
        "approved"
    );
}

#[tokio::test]
async fn lost_answers_end_with_one_authentication_and_one_charge() {
    let shop = shop(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await;
    let token = shop.gp_token(FRICTIONLESS).await;
    for kind in [
        Kind::DropAfterCommit,
        Kind::BadGatewayAfterCommit,
        Kind::DropBefore,
        Kind::BadGatewayBeforeCommit,
    ] {
        let before = shop.gp()["authentications"].as_array().unwrap().len();
        let key = format!("{kind:?}");
        shop.gp_fault("authentications", kind, 1, 0);
        let begun = shop.authenticate(&token, "12.34", Some(&key)).await.is(201);
        assert_eq!(begun["status"], "available", "{kind:?}");
        shop.gp_fault("authentications/initiate", kind, 1, 0);
        let page = shop.go_on(&begun, "initiate", &browser()).await.is(200);
        assert_eq!(page["status"], "authenticated", "{kind:?}");
        let now = shop.gp()["authentications"].as_array().unwrap().len();
        assert_eq!(now, before + 1, "{kind:?}");
        let known = shop.authentication(&begun).await;
        assert_eq!(known["liability_shift"], true);

        shop.gp_fault("transactions", kind, 1, 0);
        let answer = shop.pay_with(&token, "12.34", &begun, &key).await;
        assert!(matches!(answer.status.as_u16(), 201 | 202), "{kind:?} {answer:?}");
        let mut payment = answer.json;
        for _ in 0..40 {
            if payment["status"] != "unknown" {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            payment = shop.change(&payment, "refresh", &json!({})).await.json;
        }
        assert_eq!(payment["status"], "approved", "{kind:?}");
    }
    let booked = shop.booked();
    assert_eq!(booked.len(), 4);
    // Also the one that was sent a second time.
    assert!(
        booked.iter().all(|sale| sale["authentication"].is_string()),
        "{booked:?}"
    );
}

#[tokio::test]
async fn a_challenge_whose_answer_is_lost_is_begun_anew() {
    let shop = shop(&[]).await;
    let token = shop.gp_token(CHALLENGED).await;
    let begun = shop.authenticate(&token, "12.34", None).await.is(201);
    shop.gp_fault("authentications/initiate", Kind::DropAfterCommit, 1, 0);
    shop.go_on(&begun, "initiate", &browser())
        .await
        .problem(504, "platform_timeout");
    shop.pay_with(&token, "12.34", &begun, "k")
        .await
        .problem(409, "authentication_unusable");
    let again = shop.authenticate(&token, "12.34", None).await.is(201);
    let page = shop.go_on(&again, "initiate", &browser()).await.is(200);
    challenge(&page["step"], "pass").await;
    // A lost answer of the result is asked for once more.
    shop.gp_fault("authentications/result", Kind::DropAfterCommit, 1, 0);
    let ended = shop.go_on(&again, "result", &json!({})).await.is(200);
    assert_eq!(ended["status"], "authenticated");
}

#[tokio::test]
async fn a_key_begins_one_authentication() {
    let shop = shop(&[]).await;
    let token = shop.gp_token(FRICTIONLESS).await;
    let first = shop.authenticate(&token, "12.34", Some("k")).await.is(201);
    let again = shop.authenticate(&token, "12.34", Some("k")).await.is(201);
    assert_eq!(first, again);
    shop.authenticate(&token, "12.35", Some("k"))
        .await
        .problem(409, "idempotency_key_reused");
    // Both at once.
    let (one, two) = tokio::join!(
        shop.authenticate(&token, "12.34", Some("both")),
        shop.authenticate(&token, "12.34", Some("both"))
    );
    assert_eq!(one.is(201)["id"], two.is(201)["id"]);
    assert_eq!(shop.gp()["authentications"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn only_the_merchant_begins_one_and_only_its_id_goes_on() {
    let shop = shop(&[]).await;
    let token = shop.gp_token(FRICTIONLESS).await;
    let body = json!({ "token": token["id"], "amount": "12.34", "currency": "USD" });
    shop.page("/v1/authentications", &body)
        .await
        .problem(401, "api_key_missing");
    let begun = shop.authenticate(&token, "12.34", None).await.is(201);
    for (step, body) in [("initiate", browser()), ("result", json!({}))] {
        shop.go_on(&json!({ "id": "aut_nobody" }), step, &body)
            .await
            .problem(404, "authentication_not_found");
    }
    for (name, value) in [
        ("color_depth", json!("24")),
        ("timezone_offset", json!("UTC")),
        ("method", json!("yes")),
        ("window", json!("1x1")),
        ("language", Value::Null),
        ("user_agent", json!("x".repeat(2049))),
    ] {
        let mut wrong = browser();
        wrong[name] = value;
        let refused = shop.go_on(&begun, "initiate", &wrong).await;
        assert_eq!(refused.status, 422, "{name}");
        assert_eq!(refused.json["field"], name);
    }
    assert_eq!(shop.authentication(&begun).await["status"], "available");
    // Where no browser could come back, there is none.
    let without = Shop::gp_api(&[]).await;
    let token = without.gp_token(FRICTIONLESS).await;
    without
        .authenticate(&token, "12.34", None)
        .await
        .problem(422, "not_offered");
}

#[tokio::test]
async fn a_frame_that_the_bank_sends_back_only_tells_the_page() {
    let shop = shop(&[]).await;
    for step in ["method", "challenge"] {
        let request = Request::builder()
            .method("POST")
            .uri(format!("/v1/authentications/returns/{step}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", "https://acs.bank.example")
            .body("cres=%3Cscript%3Ealert(1)%3C%2Fscript%3E".to_owned().into())
            .unwrap();
        let answer = shop.send(request).await;
        assert_eq!(answer.status, 200);
        assert!(!answer.text.contains("alert"));
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'sha256-"),
            "{policy}"
        );
    }
    let request = crate::shop::post("/v1/authentications/returns/elsewhere", &json!({}));
    let answer = shop.send(request.body(String::new().into()).unwrap()).await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn the_database_keeps_the_proof_sealed() {
    let shop = shop(&[
        ("CARDSEAL__ENCRYPTION__CURRENT", "one"),
        (
            "CARDSEAL__ENCRYPTION__KEYS__ONE__KEY",
            "b1f5e2a07c94d83e6f1b2c7a9058d4e36a7f0c1d2b3e4958617a8b9c0d1e2f34",
        ),
    ])
    .await;
    let token = shop.gp_token(CHALLENGED).await;
    let begun = shop.authenticate(&token, "12.34", None).await.is(201);
    let page = shop.go_on(&begun, "initiate", &browser()).await.is(200);
    let id = shop.gp()["authentications"][0]["id"].as_str().unwrap().to_owned();
    assert!(shop.has_written(begun["id"].as_str().unwrap()).await);
    for secret in [id.as_str(), page["step"]["value"].as_str().unwrap()] {
        assert!(!shop.has_written(secret).await);
    }
}
