//! GP API: sessions, tokens, payments and their changes, notifications.

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::{Value, json};
use sha2::{Digest, Sha512};

use crate::shop::{Answer, Shop, WEBHOOK_SECRET, post};

/// From the platform's own documentation.
pub(crate) const APPROVED: &str = "4263970000005262";
const DECLINED: &str = "4000120000001154";

impl Shop {
    pub(crate) async fn gp_session(&self) -> Value {
        self.page(
            "/v1/sessions",
            &json!({ "platform": "gp_api", "customer": "c-1" }),
        )
        .await
        .is(201)
    }

    /// What a page gets from the platform for a card.
    pub(crate) async fn single(&self, session: &Value, number: &str) -> Value {
        let base = session["base_url"].as_str().unwrap();
        let token = session["access_token"].as_str().unwrap();
        single(base, token, &session["reference"], number).await
    }

    pub(crate) async fn gp_token(&self, number: &str) -> Value {
        let session = self.gp_session().await;
        let answer = self.single(&session, number).await;
        self.page(
            "/v1/tokens",
            &json!({ "session": session["id"], "answer": answer }),
        )
        .await
        .is(201)
    }

    pub(crate) async fn gp_pay(&self, token: &Value, amount: &str, more: &Value, key: &str) -> Answer {
        let mut body = json!({ "token": token["id"], "amount": amount, "currency": "USD" });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.merchant_with("POST", "/v1/payments", Some(&body), &[("idempotency-key", key)])
            .await
    }

    pub(crate) async fn change(&self, payment: &Value, verb: &str, body: &Value) -> Answer {
        let path = format!("/v1/payments/{}/{verb}", payment["id"].as_str().unwrap());
        self.merchant("POST", &path, Some(body)).await
    }

    pub(crate) fn gp(&self) -> Value {
        self.sandbox.state()["gp_api"].clone()
    }

    pub(crate) fn booked(&self) -> Vec<Value> {
        self.gp()["transactions"].as_array().unwrap().clone()
    }

    pub(crate) fn gp_fault(&self, route: &str, kind: Kind, times: u32, ms: u64) {
        let mut fault = Fault::new("gp_api", route, kind);
        (fault.times, fault.ms) = (times, ms);
        self.sandbox.inject(fault).unwrap();
    }

    /// Asks the platform about a stored card, or changes it, by other means than ours.
    pub(crate) async fn there(&self, id: &Value, change: Option<&Value>) -> Value {
        let info = &self.sandbox.info().platforms.gp_api;
        let nonce = "0123456789abcdef";
        let secret = hex::encode(Sha512::digest([nonce, &info.credentials.app_key].concat()));
        let ask = json!({ "app_id": info.credentials.app_id, "nonce": nonce, "secret": secret,
            "grant_type": "client_credentials" });
        let client = crate::shop::client();
        let send = async |request: reqwest::RequestBuilder| {
            let answer = request.header("x-gp-version", "2021-03-22").send().await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.json::<Value>().await.unwrap()
        };
        let access = send(client.post(format!("{}/accesstoken", info.base_url)).json(&ask)).await;
        let path = format!("{}/payment-methods/{}", info.base_url, id.as_str().unwrap());
        let request = match change {
            Some(change) => client.patch(path).json(change),
            None => client.get(path),
        };
        send(request.bearer_auth(access["token"].as_str().unwrap())).await
    }

    pub(crate) fn gp_setting(&self, change: &Value) {
        self.sandbox.change_settings("gp_api", change).unwrap();
    }
}

pub(crate) async fn single(base: &str, token: &str, reference: &Value, number: &str) -> Value {
    let body = json!({ "reference": reference, "usage_mode": "SINGLE", "name": "Jane Doe",
        "card": { "number": number, "cvv": "123", "expiry_month": "12", "expiry_year": "35" } });
    crate::shop::client()
        .post(format!("{base}/payment-methods"))
        .header("x-gp-version", "2021-03-22")
        .bearer_auth(token)
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_session_gives_the_page_a_token_for_one_card_and_nothing_else() {
    let shop = Shop::gp_api(&[]).await;
    let session = shop.gp_session().await;
    assert_eq!(
        (&session["mode"], &session["kind"], &session["expires_in"]),
        (&json!("direct"), &json!("tokenize"), &json!(600))
    );
    let base = session["base_url"].as_str().unwrap();
    let refused = crate::shop::client()
        .get(format!("{base}/transactions"))
        .header("x-gp-version", "2021-03-22")
        .bearer_auth(session["access_token"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 403);
    shop.page("/v1/sessions", &json!({ "platform": "gp_api", "mode": "relay" }))
        .await
        .problem(422, "not_offered");
    let ask = json!({ "platform": "gp_api", "kind": "payment", "amount": "1.00", "currency": "USD" });
    shop.merchant("POST", "/v1/sessions", Some(&ask))
        .await
        .problem(422, "not_offered");
    // Without a word, the first platform of the table is meant.
    assert_eq!(
        shop.page("/v1/sessions", &json!({})).await.is(201)["platform"],
        "greenpay"
    );
}

#[tokio::test]
async fn a_handed_over_card_is_verified_and_the_returned_id_is_the_one_that_is_charged() {
    let shop = Shop::gp_api(&[]).await;
    let session = shop.gp_session().await;
    let answer = shop.single(&session, APPROVED).await;
    let hand = json!({ "session": session["id"], "answer": answer });
    let token = shop.page("/v1/tokens", &hand).await.is(201);
    assert_eq!(
        (
            &token["status"],
            &token["brand"],
            &token["last4"],
            &token["expiry"]["year"],
            &token["customer"]
        ),
        (
            &json!("active"),
            &json!("visa"),
            &json!("5262"),
            &json!(2035),
            &json!("c-1")
        )
    );
    assert!(!token.to_string().contains("PMT_"));
    // The same again, after a lost answer.
    assert_eq!(shop.page("/v1/tokens", &hand).await.is(201), token);
    let payment = shop.gp_pay(&token, "19.99", &json!({}), "k").await.is(201);
    assert_eq!(
        (&payment["status"], &payment["captured"], &payment["refunded"]),
        (&json!("approved"), &json!("19.99"), &json!("0.00"))
    );
    let booked = shop.booked();
    assert_eq!(
        (&booked[0]["amount"], &booked[0]["usage_mode"]),
        (&json!("1999"), &json!("USE_NETWORK_TOKEN"))
    );
    assert_ne!(booked[0]["payment_method"], answer["id"]);
    let other = shop
        .gp_pay(&token, "1.00", &json!({ "network_token": false }), "k2")
        .await;
    other.is(201);
    assert_eq!(shop.booked()[1]["usage_mode"], Value::Null);
}

#[tokio::test]
async fn a_card_that_is_not_verified_and_a_token_that_is_not_returned_are_told_apart() {
    let shop = Shop::gp_api(&[]).await;
    let hand = async |number| {
        let session = shop.gp_session().await;
        let answer = shop.single(&session, number).await;
        shop.page(
            "/v1/tokens",
            &json!({ "session": session["id"], "answer": answer }),
        )
        .await
    };
    let answer = hand(DECLINED).await;
    answer.problem(422, "card_declined");
    assert_eq!(answer.json["platform_code"], "101");
    shop.gp_setting(&json!({ "verification_returns_id": false }));
    let answer = hand(APPROVED).await;
    answer.problem(502, "platform_answer_invalid");
    assert_eq!(answer.json["platform_code"], "no_token_returned");
    shop.gp_setting(&json!({ "verification_returns_id": true, "verification_keeps_id": true }));
    hand(APPROVED).await.is(201);
    let session = shop.gp_session().await;
    for answer in [
        json!({}),
        json!({ "id": "PMT_../x" }),
        json!({ "id": "PMT_1", "reference": "another" }),
    ] {
        shop.page(
            "/v1/tokens",
            &json!({ "session": session["id"], "answer": answer }),
        )
        .await
        .problem(422, "field_invalid");
    }
}

/// A page that hands over what was made for another session, whatever it says beside it.
#[tokio::test]
async fn a_payment_method_belongs_to_the_session_that_it_was_made_for() {
    for keeps_id in [false, true] {
        let shop = Shop::gp_api(&[]).await;
        shop.gp_setting(&json!({ "verification_keeps_id": keeps_id }));
        let victim = shop.gp_session().await;
        let answer = shop.single(&victim, APPROVED).await;
        let steal = async |customer: &Value| {
            let mut ask = json!({ "platform": "gp_api" });
            if !customer.is_null() {
                ask["customer"] = customer.clone();
            }
            let session = shop.page("/v1/sessions", &ask).await.is(201);
            let mut refused = Vec::new();
            for reference in [Value::Null, session["reference"].clone()] {
                let mut lie = answer.clone();
                lie["reference"] = reference;
                let hand = json!({ "session": session["id"], "answer": lie });
                refused.push(shop.page("/v1/tokens", &hand).await);
            }
            refused
        };
        // Not used yet: nobody but its own session uses it up.
        for customer in [json!("c-2"), Value::Null] {
            for refused in steal(&customer).await {
                refused.problem(409, "token_belongs_elsewhere");
            }
        }
        assert_eq!(shop.gp()["verifications_made"], 0);
        let hand = json!({ "session": victim["id"], "answer": answer });
        let token = shop.page("/v1/tokens", &hand).await.is(201);
        // Used up, or lasting under the same id.
        for customer in [json!("c-2"), Value::Null] {
            for refused in steal(&customer).await {
                assert!(refused.status.is_client_error(), "{}", refused.text);
                if keeps_id {
                    refused.problem(409, "token_belongs_elsewhere");
                }
            }
        }
        assert_eq!(shop.gp()["verifications_made"], 1);
        let list = shop.get("/v1/tokens").await.is(200);
        assert_eq!(list["data"], json!([token]));
        shop.gp_pay(&token, "1.00", &json!({}), "k").await.is(201);
    }
}

/// A page can make as many payment methods for its session as it likes. One that was never verified is not what came of
/// another.
#[tokio::test]
async fn a_payment_method_that_was_never_verified_does_not_become_a_stored_card() {
    let shop = Shop::gp_api(&[]).await;
    let session = shop.gp_session().await;
    let declined = shop.single(&session, DECLINED).await;
    shop.single(&session, APPROVED).await;
    let hand = json!({ "session": session["id"], "answer": declined });
    // The decline has used it up.
    for code in ["card_declined", "platform_rejected"] {
        shop.page("/v1/tokens", &hand).await.problem(422, code);
    }
    assert_eq!(shop.gp()["verifications_made"], 1);
    assert_eq!(shop.get("/v1/tokens").await.is(200)["data"], json!([]));
}

#[tokio::test]
async fn what_is_stored_of_a_card_is_the_platforms_word() {
    let shop = Shop::gp_api(&[]).await;
    let session = shop.gp_session().await;
    let mut answer = shop.single(&session, APPROVED).await;
    answer["name"] = "Somebody Else".into();
    answer["card"] = json!({ "brand": "AMEX", "masked_number_last4": "XXXXXXXXXXX0608", "expiry_month": "01",
        "expiry_year": "49" });
    let hand = json!({ "session": session["id"], "answer": answer });
    let token = shop.page("/v1/tokens", &hand).await.is(201);
    assert_eq!(
        [&token["brand"], &token["last4"], &token["holder"]],
        [&json!("visa"), &json!("5262"), &json!("Jane Doe")]
    );
    assert_eq!(token["expiry"], json!({ "month": 12, "year": 2035 }));
}

/// The first hand-over was verified, and nobody heard of it: the page tries again.
#[tokio::test]
async fn a_verification_whose_answers_were_all_lost_is_found_by_the_next_hand_over() {
    let shop = Shop::gp_api(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await;
    let session = shop.gp_session().await;
    let answer = shop.single(&session, APPROVED).await;
    let hand = json!({ "session": session["id"], "answer": answer });
    shop.gp_fault("verifications", Kind::DropAfterCommit, 1, 0);
    // What the platform is asked afterwards is not answered either.
    shop.gp_fault("verifications", Kind::DropBefore, 2, 0);
    let lost = shop.page("/v1/tokens", &hand).await;
    assert!(lost.status.is_server_error(), "{}", lost.text);
    let token = shop.page("/v1/tokens", &hand).await.is(201);
    assert_eq!(
        [&token["status"], &token["holder"], &token["expiry"]["year"]],
        [&json!("active"), &json!("Jane Doe"), &json!(2035)]
    );
    assert_eq!(shop.gp()["verifications_made"], 1);
    shop.gp_pay(&token, "1.00", &json!({}), "k").await.is(201);
}

#[tokio::test]
async fn a_lost_verification_is_found_again() {
    let shop = Shop::gp_api(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await;
    for kind in [
        Kind::DropAfterCommit,
        Kind::BadGatewayAfterCommit,
        Kind::DelayAfterCommit,
    ] {
        let before = shop.gp()["verifications_made"].as_u64().unwrap();
        shop.gp_fault("verifications", kind, 1, 800);
        let token = shop.gp_token(APPROVED).await;
        assert_eq!(token["status"], "active");
        assert_eq!(shop.gp()["verifications_made"], before + 1, "{kind:?}");
    }
}

#[tokio::test]
async fn declines_and_refusals_are_typed() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    for (code, reason) in [
        ("101", "declined"),
        ("102", "refer_to_issuer"),
        ("103", "card_lost_or_stolen"),
        ("111", "authentication_required"),
        ("51", "insufficient_funds"),
    ] {
        let mut fault = Fault::new("gp_api", "transactions", Kind::RespCode);
        fault.value = Some(code.into());
        shop.sandbox.inject(fault).unwrap();
        let payment = shop.gp_pay(&token, "5.00", &json!({}), code).await.is(201);
        assert_eq!(
            (
                &payment["status"],
                &payment["decline"]["code"],
                &payment["decline"]["reason"]
            ),
            (&json!("declined"), &json!(code), &json!(reason))
        );
        assert_eq!(payment["captured"], "0.00");
    }
    shop.gp_setting(&json!({ "network_tokens": false }));
    let answer = shop.gp_pay(&token, "5.00", &json!({}), "off").await;
    answer.problem(502, "platform_setup");
    assert_eq!(answer.json["platform_code"], "40212");
}

#[tokio::test]
async fn captures_a_part_all_and_up_to_the_platforms_limit() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    let later = json!({ "capture": "later" });
    for (index, (amount, captured)) in [
        (json!({}), "100.00"),
        (json!({"amount": "40.01"}), "40.01"),
        (json!({"amount": "115.00"}), "115.00"),
    ]
    .into_iter()
    .enumerate()
    {
        let payment = shop
            .gp_pay(&token, "100.00", &later, &format!("k{index}"))
            .await
            .is(201);
        assert_eq!(
            (&payment["status"], &payment["captured"]),
            (&json!("authorized"), &json!("0.00"))
        );
        shop.change(&payment, "refund", &json!({}))
            .await
            .problem(409, "payment_state");
        let answer = shop
            .change(&payment, "capture", &json!({ "amount": "115.01" }))
            .await;
        answer.problem(422, "platform_rejected");
        assert_eq!(answer.json["platform_code"], "50020");
        let done = shop.change(&payment, "capture", &amount).await.is(200);
        assert_eq!(
            (&done["status"], &done["captured"]),
            (&json!("approved"), &json!(captured))
        );
        // The same again says what is, another amount is refused.
        assert_eq!(shop.change(&payment, "capture", &amount).await.is(200), done);
        shop.change(&payment, "capture", &json!({ "amount": "1.00" }))
            .await
            .problem(409, "payment_state");
        assert_eq!(
            shop.change(&payment, "refund", &json!({})).await.is(200)["refunded"],
            captured
        );
    }
}

#[tokio::test]
async fn refunds_in_parts_and_never_more_than_was_taken() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    let payment = shop.gp_pay(&token, "10.00", &json!({}), "k").await.is(201);
    let path = format!("/v1/payments/{}/refund", payment["id"].as_str().unwrap());
    let keyed = async |amount: &str, key: &str| {
        let body = json!({ "amount": amount });
        shop.merchant_with("POST", &path, Some(&body), &[("idempotency-key", key)])
            .await
    };
    let first = keyed("3.33", "a").await;
    assert_eq!(
        (&first.json["status"], &first.json["refunded"]),
        (&json!("partially_refunded"), &json!("3.33"))
    );
    let again = keyed("3.33", "a").await;
    assert_eq!(
        (again.headers.contains_key("idempotency-replayed"), &again.text),
        (true, &first.text)
    );
    keyed("3.34", "a").await.problem(409, "idempotency_key_reused");
    keyed("6.68", "b").await.problem(422, "amount_invalid");
    shop.change(&payment, "void", &json!({}))
        .await
        .problem(409, "payment_state");
    assert_eq!(keyed("3.33", "c").await.is(200)["refunded"], "6.66");
    let all = shop.change(&payment, "refund", &json!({})).await.is(200);
    assert_eq!(
        (&all["status"], &all["refunded"]),
        (&json!("refunded"), &json!("10.00"))
    );
    assert_eq!(shop.change(&payment, "refund", &json!({})).await.is(200), all);
    let refunds: Vec<_> = shop
        .booked()
        .into_iter()
        .filter(|transaction| transaction["type"] == "REFUND")
        .map(|transaction| transaction["amount"].clone())
        .collect();
    assert_eq!(refunds, ["333", "333", "334"]);
}

#[tokio::test]
async fn a_reversal_undoes_a_payment_and_an_authorization() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    for (key, more) in [("a", json!({})), ("b", json!({ "capture": "later" }))] {
        let payment = shop.gp_pay(&token, "10.00", &more, key).await.is(201);
        assert_eq!(
            shop.change(&payment, "void", &json!({})).await.is(200)["status"],
            "voided"
        );
        shop.change(&payment, "refund", &json!({}))
            .await
            .problem(409, "payment_state");
    }
    assert!(
        shop.booked()
            .iter()
            .all(|transaction| transaction["status"] == "REVERSED")
    );
}

#[tokio::test]
async fn forgets_a_token_where_the_platform_lets_it() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    let answer = shop.merchant("DELETE", &path, None).await;
    answer.problem(502, "platform_setup");
    assert_eq!(answer.json["platform_code"], "40212");
    shop.gp_setting(&json!({ "delete_permission": true }));
    assert_eq!(
        shop.merchant("DELETE", &path, None).await.is(200)["status"],
        "deleted"
    );
    shop.gp_pay(&token, "1.00", &json!({}), "k")
        .await
        .problem(409, "token_deleted");
}

#[tokio::test]
async fn reads_and_changes_a_stored_card_at_the_platform() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    let refresh = format!("{path}/refresh");
    let there = shop.gp()["payment_methods"].as_array().unwrap().last().unwrap()["id"].clone();

    let changed = shop
        .merchant(
            "PATCH",
            &path,
            Some(&json!({ "expiry": { "month": 7, "year": 2041 } })),
        )
        .await
        .is(200);
    assert_eq!(changed["expiry"], json!({ "month": 7, "year": 2041 }));
    assert_eq!(
        (&changed["id"], &changed["last4"], &changed["holder"]),
        (&token["id"], &token["last4"], &token["holder"])
    );
    let card = shop.there(&there, None).await["card"].clone();
    assert_eq!(
        (&card["expiry_month"], &card["expiry_year"]),
        (&json!("07"), &json!("41"))
    );
    let changed = shop
        .merchant("PATCH", &path, Some(&json!({ "holder": "Zoë Íñigo" })))
        .await
        .is(200);
    assert_eq!(
        (&changed["holder"], &changed["expiry"]["year"]),
        (&json!("Zoë Íñigo"), &json!(2041))
    );
    assert_eq!(shop.there(&there, None).await["name"], "Zoë Íñigo");
    assert_eq!(shop.get(&path).await.is(200), changed);

    // Changed at the platform by somebody else, as an issuer that renews cards does.
    shop.there(
        &there,
        Some(&json!({ "card": { "expiry_month": "09", "expiry_year": "43" } })),
    )
    .await;
    assert_eq!(shop.get(&path).await.is(200)["expiry"]["year"], 2041);
    let now = shop.merchant("POST", &refresh, None).await.is(200);
    assert_eq!(now["expiry"], json!({ "month": 9, "year": 2043 }));
    assert_eq!(shop.get(&path).await.is(200), now);
    assert!(!now.to_string().contains("PMT_"));
    // It is still the card that is charged.
    shop.gp_pay(&token, "1.00", &json!({}), "k").await.is(201);
}

#[tokio::test]
async fn a_card_is_read_and_changed_by_the_merchant_and_refusals_are_typed() {
    let shop = Shop::gp_api(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await;
    let token = shop.gp_token(APPROVED).await;
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    let refresh = format!("{path}/refresh");
    let good = json!({ "expiry": { "month": 7, "year": 2041 } });
    for (method, path) in [("PATCH", &path), ("POST", &refresh)] {
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("origin", crate::shop::ORIGIN)
            .header("content-type", "application/json");
        let answer = shop.send(request.body(good.to_string().into()).unwrap()).await;
        answer.problem(401, "api_key_missing");
    }
    for (body, code, field) in [
        (json!({}), "field_missing", "expiry"),
        (json!({ "expiry": "07/41" }), "field_type", "expiry"),
        (
            json!({ "expiry": { "month": 13, "year": 2041 } }),
            "field_invalid",
            "expiry",
        ),
        (
            json!({ "expiry": { "month": 7, "year": 41 } }),
            "field_invalid",
            "expiry",
        ),
        (json!({ "expiry": { "month": 7 } }), "field_invalid", "expiry"),
        (
            json!({ "expiry": { "month": 7, "year": 2041, "day": 1 } }),
            "field_invalid",
            "expiry",
        ),
        (json!({ "holder": "" }), "field_invalid", "holder"),
        (json!({ "holder": "X" }), "field_invalid", "holder"),
        (
            json!({ "holder": "Jane Doe", "number": 1 }),
            "unknown_field",
            "number",
        ),
    ] {
        let answer = shop.merchant("PATCH", &path, Some(&body)).await;
        answer.problem(422, code);
        assert_eq!(answer.json["field"], field, "{body}");
    }
    shop.merchant("PATCH", &path, Some(&json!({ "holder": "4263970000005262" })))
        .await
        .problem(422, "clear_card_data");
    shop.merchant("POST", &refresh, Some(&json!({ "x": 1 })))
        .await
        .problem(422, "unknown_field");
    // The platform's own word.
    let past = json!({ "expiry": { "month": 1, "year": 2020 } });
    let answer = shop.merchant("PATCH", &path, Some(&past)).await;
    answer.problem(422, "platform_rejected");
    assert_eq!(answer.json["platform_code"], "40085");
    for (kind, code, status) in [
        (Kind::DropBefore, "platform_timeout", 504),
        (Kind::Html, "platform_answer_invalid", 502),
    ] {
        shop.gp_fault("payment-methods/get", kind, 1, 0);
        shop.merchant("POST", &refresh, None).await.problem(status, code);
    }
    // A change whose answer was lost is asked for again, and is what the caller wanted then.
    shop.gp_fault("payment-methods/edit", Kind::DropAfterCommit, 1, 0);
    shop.merchant("PATCH", &path, Some(&good))
        .await
        .problem(504, "platform_timeout");
    assert_eq!(shop.get(&path).await.is(200), token);
    assert_eq!(
        shop.merchant("PATCH", &path, Some(&good)).await.is(200)["expiry"]["year"],
        2041
    );

    shop.merchant("POST", "/v1/tokens/tok_none/refresh", None)
        .await
        .problem(404, "token_not_found");
    shop.gp_setting(&json!({ "delete_permission": true }));
    shop.merchant("DELETE", &path, None).await.is(200);
    shop.merchant("POST", &refresh, None)
        .await
        .problem(409, "token_deleted");
    shop.merchant("PATCH", &path, Some(&good))
        .await
        .problem(409, "token_deleted");
}

#[tokio::test]
async fn a_card_that_the_platform_forgot_is_not_forgotten_here() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.sandbox.reset();
    let answer = shop.merchant("POST", &format!("{path}/refresh"), None).await;
    answer.problem(422, "platform_rejected");
    assert_eq!(answer.json["platform_code"], "40118");
    assert_eq!(shop.get(&path).await.is(200), token);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_share_one_access_token() {
    let shop = std::sync::Arc::new(Shop::gp_api(&[]).await);
    let token = shop.gp_token(APPROVED).await;
    let charge_all = async |round: &'static str| {
        let calls: Vec<_> = (0..200)
            .map(|index| {
                let (shop, token) = (shop.clone(), token.clone());
                tokio::spawn(async move {
                    let key = format!("{round}-{index}");
                    shop.gp_pay(&token, "1.00", &json!({}), &key).await.is(201)
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap()["status"], "approved");
        }
    };
    // One for the session of the page, one for the server.
    assert_eq!(shop.gp()["access_tokens_made"], 2);
    charge_all("fresh").await;
    assert_eq!(shop.gp()["access_tokens_made"], 2);
    // All of them end in the middle of a run.
    shop.sandbox
        .command("gp_api", "expire_tokens", &json!({}))
        .await
        .unwrap();
    charge_all("expired").await;
    assert_eq!(shop.gp()["access_tokens_made"], 3);
    // Every charge has its own key, also those that were sent a second time.
    let keys: std::collections::BTreeSet<_> = shop
        .booked()
        .iter()
        .map(|charge| charge["idempotency_key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((shop.booked().len(), keys.len()), (400, 400));
}

#[tokio::test]
async fn an_access_token_that_is_not_taken_is_renewed_once_and_the_call_keeps_its_key() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    shop.sandbox
        .command("gp_api", "expire_tokens", &json!({}))
        .await
        .unwrap();
    let made = || shop.gp()["access_tokens_made"].as_u64().unwrap();
    let before = made();
    let payment = shop.gp_pay(&token, "1.00", &json!({}), "k").await.is(201);
    assert_eq!(made(), before + 1);
    assert_eq!(shop.booked()[0]["idempotency_key"], payment["id"]);
    // One that is never taken is not asked for again and again.
    let mut fault = Fault::new("gp_api", "payment-methods/get", Kind::ServerError);
    (fault.times, fault.value) = (0, Some("401".into()));
    shop.sandbox.inject(fault).unwrap();
    let refresh = format!("/v1/tokens/{}/refresh", token["id"].as_str().unwrap());
    shop.merchant("POST", &refresh, None)
        .await
        .problem(502, "platform_setup");
    assert_eq!(made(), before + 2);
}

#[tokio::test]
async fn whatever_moves_money_has_a_key_of_its_own() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    // No key comes from the caller.
    let order = json!({ "token": token["id"], "amount": "10.00", "currency": "USD", "capture": "later" });
    let payment = shop.merchant("POST", "/v1/payments", Some(&order)).await.is(201);
    for verb in ["capture", "refund"] {
        shop.change(&payment, verb, &json!({ "amount": "4.00" }))
            .await
            .is(200);
    }
    let other = shop.merchant("POST", "/v1/payments", Some(&order)).await.is(201);
    shop.change(&other, "void", &json!({})).await.is(200);
    let seen = shop.gp()["idempotency_keys"].as_object().unwrap().clone();
    let of = |start: &str| {
        seen.values()
            .filter(|id| id.as_str().unwrap().starts_with(start))
            .count()
    };
    // A verification; two charges, a capture, a refund and a reversal.
    assert_eq!((of("VER_"), of("TRN_"), seen.len()), (1, 5, 6));
}

#[tokio::test]
async fn the_account_is_one_of_the_access_token() {
    for (name, code) in [
        ("transaction_processing", None),
        ("Transaction_Processing", Some("account_not_in_scope")),
        ("tokenization", Some("account_not_in_scope")),
    ] {
        let shop = Shop::gp_api(&[("CARDSEAL__PLATFORMS__GP_API__ACCOUNT_NAME", name)]).await;
        let session = shop.gp_session().await;
        let answer = shop.single(&session, APPROVED).await;
        let hand = json!({ "session": session["id"], "answer": answer });
        let answer = shop.page("/v1/tokens", &hand).await;
        match code {
            None => assert_eq!(answer.status, 201, "{}", answer.text),
            Some(code) => {
                answer.problem(502, "platform_setup");
                assert_eq!(answer.json["platform_code"], code, "{name}");
            }
        }
    }
}

#[tokio::test]
async fn notifications_in_a_query_count_as_far_as_the_platform_confirms_them() {
    let shop = Shop::gp_api(&[]).await;
    let token = shop.gp_token(APPROVED).await;
    // Its answer is lost, and it cannot be searched for.
    shop.gp_fault("transactions", Kind::DropAfterCommit, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    let payment = shop.gp_pay(&token, "10.00", &json!({}), "k").await.is(202);
    let transaction = shop.booked()[0].clone();
    let key = shop.sandbox.info().platforms.gp_api.credentials.app_key.clone();
    let path = format!("/v1/notifications/gp_api/{WEBHOOK_SECRET}");
    let get = async |path: &str, query: &str| {
        let request = axum::http::Request::builder().uri(format!("{path}?{query}"));
        shop.send(request.body(String::new().into()).unwrap()).await
    };
    let signed = |payload: &str, key: &str| {
        let signature = hex::encode(Sha512::new().chain_update(payload).chain_update(key).finalize());
        format!("X-GP-Signature={signature}&{payload}")
    };
    let claim = format!("id={}&status=DECLINED", transaction["id"].as_str().unwrap());
    get(&path, &claim).await.problem(422, "signature_invalid");
    get(&path, &signed(&claim, "another key"))
        .await
        .problem(422, "signature_invalid");
    get(&path, "").await.problem(422, "signature_invalid");
    get(
        "/v1/notifications/gp_api/another-secret-of-16",
        &signed(&claim, &key),
    )
    .await
    .problem(404, "not_found");
    get(
        &format!("/v1/notifications/greenpay/{WEBHOOK_SECRET}"),
        &signed(&claim, &key),
    )
    .await
    .problem(405, "method_not_allowed");
    for _ in 0..3 {
        get(&path, &signed(&claim, &key)).await.is(200);
    }
    let mut database = crate::database::Database::open(&shop.database()).await;
    let stored = database.number("SELECT count(*) FROM notifications").await;
    assert_eq!(stored, 1);
    // What it claims is not what counts.
    let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["status"], "approved");
}

#[tokio::test]
async fn notifications_count_as_far_as_the_platform_confirms_them() {
    let shop = Shop::gp_api(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "300")]).await;
    let token = shop.gp_token(APPROVED).await;
    let payment = shop
        .gp_pay(&token, "10.00", &json!({ "capture": "later" }), "k")
        .await
        .is(201);
    let transaction = shop.booked()[0].clone();
    let key = shop.sandbox.info().platforms.gp_api.credentials.app_key.clone();
    let path = format!("/v1/notifications/gp_api/{WEBHOOK_SECRET}");
    let notify = async |body: &Value, key: &str| {
        let text = body.to_string();
        let signature = hex::encode(Sha512::new().chain_update(&text).chain_update(key).finalize());
        let request = post(&path, body).header("X-GP-Signature", signature);
        shop.send(request.body(text.into()).unwrap()).await
    };
    let status = async || {
        let path = format!("/v1/payments/{}", payment["id"].as_str().unwrap());
        shop.get(&path).await.is(200)["status"].clone()
    };
    // What it claims is not what counts.
    let mut claim =
        json!({ "id": transaction["id"], "reference": transaction["reference"], "status": "REVERSED" });
    notify(&claim, "another key")
        .await
        .problem(422, "signature_invalid");
    shop.send(post(&path, &claim).body(claim.to_string().into()).unwrap())
        .await
        .problem(422, "signature_invalid");
    notify(&claim, &key).await.is(200);
    notify(&claim, &key).await.is(200);
    assert_eq!(status().await, "authorized");
    // One that cannot be confirmed is not taken, and may come again.
    claim["time"] = "later".into();
    shop.gp_fault("transactions/get", Kind::DropBefore, 1, 0);
    notify(&claim, &key).await.problem(504, "platform_timeout");
    notify(&claim, &key).await.is(200);
    // Undone by other means than ours.
    let base = &shop.sandbox.info().platforms.gp_api.base_url;
    let access = shop
        .page("/v1/sessions", &json!({"platform": "gp_api"}))
        .await
        .is(201);
    assert!(access["access_token"].is_string() && base.ends_with("/gp_api/ucp"));
    notify(&json!({ "id": "TRN_nothing", "status": "CAPTURED" }), &key)
        .await
        .problem(422, "platform_rejected");
    notify(&json!({ "hello": 1 }), &key).await.is(200);
    assert_eq!(status().await, "authorized");
}
