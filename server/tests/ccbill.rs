//! CCBill: sessions, tokens, payments, declines, and answers that get lost.

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};

use crate::shop::{Answer, Shop, client};

/// From the platform's own examples.
const CARD: &str = "4473707989493598";
const ADDRESS: &str = "192.0.2.7";

async fn shop() -> Shop {
    Shop::beside("ccbill", &[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "700")]).await
}

impl Shop {
    async fn cc_session(&self, more: &Value) -> Answer {
        let mut ask = json!({ "platform": "ccbill", "customer": "c-1", "customer_ip": ADDRESS });
        for (name, value) in more.as_object().unwrap() {
            ask[name] = value.clone();
        }
        self.merchant("POST", "/v1/sessions", Some(&ask)).await
    }

    async fn cc_payment(&self, amount: &str, currency: &str) -> Value {
        let ask = json!({ "kind": "payment", "amount": amount, "currency": currency });
        self.cc_session(&ask).await.is(201)
    }

    async fn cc_token(&self) -> Value {
        let session = self.cc_session(&json!({})).await.is(201);
        let answer = page_token(&session, &session["client_subacc"]).await;
        self.page(
            "/v1/tokens",
            &json!({ "session": session["id"], "answer": answer }),
        )
        .await
        .is(201)
    }

    async fn cc_charge(&self, token: &Value, amount: &str) -> Answer {
        let body =
            json!({ "token": token["id"], "amount": amount, "currency": "USD", "customer_ip": ADDRESS });
        self.merchant("POST", "/v1/payments", Some(&body)).await
    }

    async fn cc_pay(&self, session: &Value, answer: &Value) -> Answer {
        self.page(
            "/v1/payments",
            &json!({ "session": session["id"], "answer": answer }),
        )
        .await
    }

    fn cc(&self) -> Value {
        self.sandbox.state()["ccbill"].clone()
    }

    fn sales(&self) -> usize {
        self.cc()["transactions"].as_array().unwrap().len()
    }

    fn cc_fault(&self, route: &str, kind: Kind) {
        let mut fault = Fault::new("ccbill", route, kind);
        fault.ms = 1500;
        self.sandbox.inject(fault).unwrap();
    }
}

async fn call(session: &Value, path: &str, body: &Value) -> (u16, Value) {
    let answer = client()
        .post(format!("{}{path}", session["base_url"].as_str().unwrap()))
        .bearer_auth(session["access_token"].as_str().unwrap())
        .header("accept", "application/vnd.mcn.transaction-service.api.v.2+json")
        .json(body)
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

/// What a page gets from the platform for a card.
async fn page_token(session: &Value, sub: &Value) -> Value {
    let mut body = json!({ "clientAccnum": session["client_accnum"], "clientSubacc": sub, "subscriptionId": 0,
        "customerInfo": { "customerFname": "Jane", "customerLname": "Doe", "email": "jane@example.com",
            "zipcode": "85281", "country": "US", "ipAddress": session["ip_address"] },
        "paymentInfo": { "creditCardPaymentInfo": { "cardNum": CARD, "nameOnCard": "Jane Doe", "expMonth": "04",
            "expYear": "2035", "cvv2": "123" } } });
    for (name, own) in [
        ("timeToLive", "time_to_live"),
        ("validNumberOfUse", "valid_number_of_use"),
    ] {
        if !session[own].is_null() {
            body[name] = session[own].clone();
        }
    }
    let (status, answer) = call(session, "/payment-tokens/merchant-only-verify", &body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn a_page_gets_a_token_that_charges_nothing() {
    let shop = shop().await;
    let session = shop.cc_session(&json!({})).await.is(201);
    assert_eq!(
        (
            &session["mode"],
            &session["ip_address"],
            &session["client_accnum"]
        ),
        (&json!("direct"), &json!(ADDRESS), &json!(900_684))
    );
    let answer = page_token(&session, &json!(0)).await;
    assert_eq!(answer["subscriptionId"].as_str().map(str::len), Some(18));
    let path = format!(
        "/transactions/payment-tokens/{}",
        answer["paymentTokenId"].as_str().unwrap()
    );
    let charge = json!({ "clientAccnum": 900_684, "clientSubacc": 0, "initialPrice": 1, "initialPeriod": 0,
        "ipAddress": ADDRESS });
    let (status, refused) = call(&session, &path, &charge).await;
    assert_eq!((status, &refused["errorCode"]), (403, &json!(100_020)));
    // Each customer has another one.
    let other = shop.cc_session(&json!({})).await.is(201);
    assert_ne!(session["access_token"], other["access_token"]);
    for more in [
        json!({ "mode": "relay" }),
        json!({ "kind": "update", "token": "tok_x" }),
    ] {
        assert!(shop.cc_session(&more).await.status.is_client_error());
    }
    // Nothing of the back end reaches a page.
    let secret = &shop.sandbox.info().platforms.ccbill.backend;
    assert!(
        !session.to_string().contains(&secret.secret)
            && !session.to_string().contains(&secret.application_id)
    );
}

#[tokio::test]
async fn a_stored_card_is_confirmed_and_charged() {
    let shop = shop().await;
    let token = shop.cc_token().await;
    assert_eq!(
        (&token["status"], &token["last4"]),
        (&json!("active"), &Value::Null)
    );
    let payment = shop.cc_charge(&token, "19.99").await.is(201);
    assert_eq!(payment["status"], "approved");
    let sale = &shop.cc()["transactions"][0];
    assert_eq!(
        (
            &sale["cents"],
            &sale["currency"],
            &sale["ip_address"],
            &sale["pass_through"][0]["value"]
        ),
        (
            &json!(1999),
            &json!(840),
            &json!(ADDRESS),
            &payment["order_reference"]
        )
    );
    // Another charge, with the same access token of the server.
    shop.cc_charge(&token, "1.00").await.is(201);
    assert_eq!(shop.cc()["access_tokens_made"]["backend"], 1);
    // One that the platform no longer takes is replaced once, and the charge is made once.
    shop.sandbox
        .command("ccbill", "expire_tokens", &json!({}))
        .await
        .unwrap();
    shop.cc_charge(&token, "2.00").await.is(201);
    assert_eq!(
        (shop.sales(), &shop.cc()["access_tokens_made"]["backend"]),
        (3, &json!(2))
    );
    let made_up = json!({ "paymentTokenId": "01ffffffffffffffffffffffffffffff", "clientAccnum": 900_684, "clientSubacc": 0 });
    let session = shop.cc_session(&json!({})).await.is(201);
    let hand = json!({ "session": session["id"], "answer": made_up });
    let refused = shop.page("/v1/tokens", &hand).await;
    refused.problem(422, "platform_rejected");
    assert_eq!(refused.json["platform_code"], "100101");
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.merchant("DELETE", &path, None).await.is(200);
    shop.cc_charge(&token, "1.00").await.problem(409, "token_deleted");
}

/// Nothing of the platform's ties a payment token to a session: the first customer who hands it over has it.
#[tokio::test]
async fn a_charge_may_begin_others_that_the_platform_makes() {
    let shop = shop().await;
    let token = shop.cc_token().await;
    let charge = async |recurring: Value| {
        let body = json!({ "token": token["id"], "amount": "2.00", "currency": "USD", "customer_ip": ADDRESS,
            "recurring": recurring });
        shop.merchant("POST", "/v1/payments", Some(&body)).await
    };
    let paid =
        charge(json!({ "amount": "19.99", "period_days": 30, "initial_period_days": 7, "times": 3 })).await;
    assert_eq!(paid.is(201)["status"], "approved");
    charge(json!({ "amount": "5.00", "period_days": 90 }))
        .await
        .is(201);
    let booked = shop.cc()["transactions"].clone();
    assert_eq!(
        booked[0]["recurring"],
        json!({ "cents": 1999, "initial_period": 7, "period": 30, "rebills": 3 })
    );
    assert_eq!(
        booked[1]["recurring"],
        json!({ "cents": 500, "initial_period": 90, "period": 90, "rebills": 99 })
    );
    for (recurring, code, field, named) in [
        (
            json!({ "amount": "5.00" }),
            "field_invalid",
            "recurring",
            "period_days",
        ),
        (
            json!({ "period_days": 30 }),
            "field_invalid",
            "recurring",
            "amount",
        ),
        (
            json!({ "amount": "5.001", "period_days": 30 }),
            "amount_invalid",
            "amount",
            "amount",
        ),
        (
            json!({ "amount": "5.00", "period_days": 30, "times": 99 }),
            "field_invalid",
            "recurring",
            "times",
        ),
        (json!(true), "field_type", "recurring", "period_days"),
    ] {
        let refused = charge(recurring.clone()).await;
        assert_eq!(
            (refused.code(), &refused.json["field"]),
            (code, &json!(field)),
            "{recurring}"
        );
        let detail = refused.json["detail"].as_str().unwrap();
        assert!(detail.contains(named), "{recurring}: {detail}");
    }
    // What was lost is not sent again: it would begin two subscriptions.
    shop.cc_fault("transactions", Kind::DropAfterCommit);
    let lost = charge(json!({ "amount": "5.00", "period_days": 30 }))
        .await
        .is(202);
    assert_eq!((&lost["status"], shop.sales()), (&json!("unknown"), 3));
    let other = shop.token(crate::shop::APPROVED).await;
    let body = json!({ "token": other["id"], "amount": "2.00", "currency": "USD",
        "recurring": { "amount": "5.00", "period_days": 30 } });
    let refused = shop.merchant("POST", "/v1/payments", Some(&body)).await;
    assert_eq!(
        (refused.code(), &refused.json["field"]),
        ("not_offered", &json!("recurring"))
    );
}

#[tokio::test]
async fn a_payment_token_is_the_first_customers() {
    let shop = shop().await;
    let session = shop.cc_session(&json!({})).await.is(201);
    let answer = page_token(&session, &session["client_subacc"]).await;
    let hand = json!({ "session": session["id"], "answer": answer });
    let token = shop.page("/v1/tokens", &hand).await.is(201);
    let again = async |more: Value| {
        let mut ask = json!({ "platform": "ccbill", "customer_ip": ADDRESS });
        for (name, value) in more.as_object().unwrap() {
            ask[name] = value.clone();
        }
        let session = shop.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201);
        let route = if more["kind"] == "payment" {
            "/v1/payments"
        } else {
            "/v1/tokens"
        };
        let hand = json!({ "session": session["id"], "answer": answer });
        shop.page(route, &hand).await
    };
    let pay = |mut more: Value| {
        more["kind"] = "payment".into();
        more["amount"] = "5.00".into();
        more["currency"] = "USD".into();
        more
    };
    for other in [json!({ "customer": "c-2" }), json!({})] {
        again(other.clone()).await.problem(409, "token_belongs_elsewhere");
        again(pay(other)).await.problem(409, "token_belongs_elsewhere");
    }
    assert_eq!(shop.sales(), 0);
    assert_eq!(again(json!({ "customer": "c-1" })).await.is(201), token);
    again(pay(json!({ "customer": "c-1" }))).await.is(201);
    assert_eq!(shop.get("/v1/tokens").await.is(200)["data"], json!([token]));
    shop.cc_charge(&token, "1.00").await.is(201);
    // The platform cannot forget it; here it is gone for good.
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.merchant("DELETE", &path, None).await.is(200);
    again(json!({ "customer": "c-1" }))
        .await
        .problem(409, "token_deleted");
    again(json!({ "customer": "c-2" }))
        .await
        .problem(409, "token_belongs_elsewhere");
    // The page that repeats its own request is told the same.
    shop.page("/v1/tokens", &hand).await.problem(409, "token_deleted");
}

/// One that paid in somebody's session pays in nobody else's.
#[tokio::test]
async fn a_payment_token_that_paid_is_the_first_customers_as_well() {
    let shop = shop().await;
    let mut session = shop.cc_payment("9.99", "USD").await;
    session["valid_number_of_use"] = 10.into();
    let answer = page_token(&session, &session["client_subacc"]).await;
    shop.cc_pay(&session, &answer).await.is(201);
    let ask = json!({ "customer": "c-2", "kind": "payment", "amount": "5.00", "currency": "USD" });
    let other = shop.cc_session(&ask).await.is(201);
    shop.cc_pay(&other, &answer)
        .await
        .problem(409, "token_belongs_elsewhere");
    let other = shop.cc_session(&json!({ "customer": "c-2" })).await.is(201);
    let hand = json!({ "session": other["id"], "answer": answer });
    shop.page("/v1/tokens", &hand)
        .await
        .problem(409, "token_belongs_elsewhere");
    assert_eq!(shop.sales(), 1);
}

#[tokio::test]
async fn a_payment_token_in_two_sessions_at_once_is_one_token() {
    let shop = shop().await;
    for round in 1..=5 {
        let session = shop.cc_session(&json!({})).await.is(201);
        let other = shop.cc_session(&json!({})).await.is(201);
        let answer = page_token(&session, &session["client_subacc"]).await;
        let hand = |session: &Value| json!({ "session": session["id"], "answer": answer });
        let (one, two) = (hand(&session), hand(&other));
        let (first, second) = tokio::join!(shop.page("/v1/tokens", &one), shop.page("/v1/tokens", &two));
        assert_eq!(first.is(201), second.is(201));
        let list = shop.get("/v1/tokens").await.is(200);
        assert_eq!(list["data"].as_array().unwrap().len(), round);
    }
}

#[tokio::test]
async fn declines_and_refusals_are_typed() {
    let shop = shop().await;
    let token = shop.cc_token().await;
    for (amount, code, reason) in [
        ("1.05", "24", "declined"),
        ("1.29", "29", "expired_card"),
        ("1.31", "31", "insufficient_funds"),
        ("1.22", "22", "bank_unreachable"),
    ] {
        let payment = shop.cc_charge(&token, amount).await.is(201);
        assert_eq!(
            (
                &payment["status"],
                &payment["decline"]["code"],
                &payment["decline"]["reason"]
            ),
            (&json!("declined"), &json!(code), &json!(reason))
        );
    }
    // Still being processed, and a fault behind which anything may have happened.
    for amount in ["1.15", "1000.06"] {
        let payment = shop.cc_charge(&token, amount).await.is(202);
        assert_eq!(payment["status"], "unknown", "{amount}");
    }
    let throttled = shop.cc_charge(&token, "1000.10").await;
    throttled.problem(422, "platform_rejected");
    assert_eq!(throttled.json["platform_code"], "100110");
    let body = json!({ "token": token["id"], "amount": "1.00", "currency": "CHF", "customer_ip": ADDRESS });
    shop.merchant("POST", "/v1/payments", Some(&body))
        .await
        .problem(422, "currency_not_supported");
}

#[tokio::test]
async fn a_customers_address_is_of_version_four_and_the_merchants_word() {
    let shop = shop().await;
    let token = shop.cc_token().await;
    for address in [Value::Null, json!("2001:db8::1"), json!("nowhere")] {
        let mut body = json!({ "token": token["id"], "amount": "1.00", "currency": "USD" });
        let mut ask = json!({ "platform": "ccbill", "kind": "payment", "amount": "1.00", "currency": "USD" });
        if !address.is_null() {
            body["customer_ip"] = address.clone();
            ask["customer_ip"] = address.clone();
        }
        for (path, body) in [("/v1/payments", body), ("/v1/sessions", ask)] {
            let answer = shop.merchant("POST", path, Some(&body)).await;
            answer.problem(422, "field_invalid");
            assert_eq!(answer.json["field"], "customer_ip", "{address}");
        }
    }
    assert_eq!(shop.sales(), 0);
    let ask = json!({ "platform": "ccbill", "customer_ip": ADDRESS });
    shop.page("/v1/sessions", &ask)
        .await
        .problem(401, "api_key_missing");
    // Elsewhere nobody asks for it.
    let ask = json!({ "platform": "greenpay", "customer_ip": ADDRESS });
    shop.merchant("POST", "/v1/sessions", Some(&ask))
        .await
        .problem(422, "unknown_field");
}

#[tokio::test]
async fn a_session_pays_once_whatever_key_it_is_asked_with() {
    let shop = shop().await;
    let session = shop.cc_payment("9.99", "USD").await;
    // A token of many uses, so that nothing but the server keeps it from being charged twice.
    let mut lasting = session.clone();
    lasting["valid_number_of_use"] = 10.into();
    let answer = page_token(&lasting, &session["client_subacc"]).await;
    let payment = shop.cc_pay(&session, &answer).await.is(201);
    assert_eq!(
        (&payment["status"], &payment["amount"]),
        (&json!("approved"), &json!("9.99"))
    );
    assert_eq!(shop.cc_pay(&session, &answer).await.is(201), payment);
    let hand = json!({ "session": session["id"], "answer": answer });
    for key in ["another", "another-one"] {
        shop.merchant_with("POST", "/v1/payments", Some(&hand), &[("idempotency-key", key)])
            .await
            .problem(409, "session_used");
    }
    assert_eq!(shop.sales(), 1);
    // And a token of one use pays one session only, as the platform sees to.
    let single = shop.cc_payment("5.00", "USD").await;
    let answer = page_token(&single, &single["client_subacc"]).await;
    shop.cc_pay(&single, &answer).await.is(201);
    let second = shop.cc_payment("5.00", "USD").await;
    let refused = shop.cc_pay(&second, &answer).await;
    refused.problem(422, "platform_rejected");
    assert_eq!(refused.json["platform_code"], "100102");
}

#[tokio::test]
async fn a_token_that_is_too_old_is_refused() {
    let shop = shop().await;
    let session = shop.cc_payment("9.99", "USD").await;
    let answer = page_token(&session, &session["client_subacc"]).await;
    shop.sandbox.clock().advance(std::time::Duration::from_secs(3601));
    let refused = shop.cc_pay(&session, &answer).await;
    refused.problem(422, "platform_rejected");
    assert_eq!(refused.json["platform_code"], "100102");
}

#[tokio::test]
async fn threeds_results_are_checked_before_they_are_sent() {
    let shop = shop().await;
    let session = shop.cc_payment("9.99", "EUR").await;
    let sub = &session["client_subacc_3ds"];
    let run = async |session: &Value, amount: &str, outcome: &str| {
        let ask = json!({ "clientAccnum": session["client_accnum"], "clientSubacc": sub, "amount": amount,
            "currencyCode": session["currency_code"], "outcome": outcome });
        let (status, result) = call(session, "/_stub/authenticate-customer", &ask).await;
        assert_eq!(status, 200, "{result}");
        json!({ "paymentToken": page_token(session, sub).await, "threedsInformation": result })
    };
    // Authenticated for another amount.
    let other = run(&session, "0.99", "Y").await;
    let refused = shop.cc_pay(&session, &other).await;
    refused.problem(422, "field_invalid");
    assert_eq!((&refused.json["field"], shop.sales()), (&json!("answer"), 0));
    let answer = run(&session, "9.990", "Y").await;
    let payment = shop.cc_pay(&session, &answer).await.is(201);
    assert_eq!(payment["status"], "approved");
    let sale = &shop.cc()["transactions"][0];
    assert_eq!((&sale["threeds"], &sale["subacc"]), (&json!(true), sub));
    // Not authenticated: nothing is sent.
    let session = shop.cc_payment("9.99", "EUR").await;
    let answer = run(&session, "9.99", "N").await;
    let payment = shop.cc_pay(&session, &answer).await.is(201);
    assert_eq!(
        (&payment["status"], &payment["decline"]["reason"], shop.sales()),
        (&json!("declined"), &json!("authentication_failed"), 1)
    );
    // A result is for a payment.
    let session = shop.cc_session(&json!({})).await.is(201);
    let hand = json!({ "session": session["id"], "answer": answer });
    shop.page("/v1/tokens", &hand).await.problem(422, "field_invalid");
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_never_sent_again() {
    let shop = shop().await;
    let token = shop.cc_token().await;
    for (index, kind) in [
        Kind::DropAfterCommit,
        Kind::BadGatewayAfterCommit,
        Kind::GatewayTimeoutAfterCommit,
        Kind::TruncatedJson,
        Kind::DelayAfterCommit,
    ]
    .into_iter()
    .enumerate()
    {
        shop.cc_fault("transactions", kind);
        let body =
            json!({ "token": token["id"], "amount": "7.01", "currency": "USD", "customer_ip": ADDRESS });
        let key = format!("{kind:?}");
        let pay = async || {
            shop.merchant_with("POST", "/v1/payments", Some(&body), &[("idempotency-key", &key)])
                .await
        };
        let payment = pay().await.is(202);
        assert_eq!(payment["status"], "unknown", "{kind:?}");
        assert_eq!(pay().await.is(202), payment);
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        shop.merchant("POST", &format!("{path}/refresh"), Some(&json!({})))
            .await
            .problem(422, "not_offered");
        // Longer than the background takes to ask, for platforms that can be asked.
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        assert_eq!(
            (shop.get(&path).await.is(200)["status"].clone(), shop.sales()),
            (json!("unknown"), index + 1)
        );
        let word = json!({ "status": "approved", "authorization": "by hand" });
        let resolved = shop
            .merchant("POST", &format!("{path}/resolve"), Some(&word))
            .await
            .is(200);
        assert_eq!(resolved["status"], "approved");
    }
    // Also of a page's payment.
    let session = shop.cc_payment("9.99", "USD").await;
    let answer = page_token(&session, &session["client_subacc"]).await;
    shop.cc_fault("transactions", Kind::DropAfterCommit);
    let before = shop.sales();
    for _ in 0..3 {
        assert_eq!(shop.cc_pay(&session, &answer).await.is(202)["status"], "unknown");
    }
    let hand = json!({ "session": session["id"], "answer": answer });
    shop.merchant_with(
        "POST",
        "/v1/payments",
        Some(&hand),
        &[("idempotency-key", "other")],
    )
    .await
    .problem(409, "session_used");
    assert_eq!(shop.sales(), before + 1);
}

#[tokio::test]
async fn what_never_arrived_is_unknown_as_well() {
    let shop = shop().await;
    let token = shop.cc_token().await;
    for kind in [Kind::DropBefore, Kind::Html, Kind::ServerError] {
        shop.cc_fault("transactions", kind);
        assert_eq!(
            shop.cc_charge(&token, "7.01").await.is(202)["status"],
            "unknown",
            "{kind:?}"
        );
    }
    assert_eq!(shop.sales(), 0);
    // Without an access token nothing was sent, for certain.
    shop.sandbox
        .command("ccbill", "expire_tokens", &json!({}))
        .await
        .unwrap();
    shop.cc_fault("oauth", Kind::ServerError);
    shop.cc_charge(&token, "7.01")
        .await
        .problem(503, "platform_unavailable");
    assert_eq!(shop.cc_charge(&token, "7.01").await.is(201)["status"], "approved");
    assert_eq!(shop.sales(), 1);
}
