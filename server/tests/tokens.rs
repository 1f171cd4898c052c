use std::time::Duration;

use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use crate::shop::{APPROVED, Shop};

#[tokio::test]
async fn a_sealed_card_becomes_a_stored_token() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    assert!(token["id"].as_str().unwrap().starts_with("tok_"));
    assert_eq!(token["brand"], "visa");
    assert_eq!(
        (&token["bin"], &token["last4"]),
        (&json!("424242"), &json!("4242"))
    );
    assert_eq!(token["expiry"], json!({ "month": 12, "year": 2030 }));
    assert_eq!(
        (&token["holder"], &token["nickname"]),
        (&json!("Ana Núñez"), &json!("My Visa"))
    );
    assert_eq!(
        (&token["status"], &token["customer"]),
        (&json!("active"), &json!("c-1"))
    );
    let platform = shop.sandbox.state()["greenpay"]["card_tokens"][0]["token"].clone();
    assert!(!token.to_string().contains(platform.as_str().unwrap()));
    let id = token["id"].as_str().unwrap();
    assert_eq!(shop.get(&format!("/v1/tokens/{id}")).await.is(200), token);
    shop.get("/v1/tokens/tok_nothing")
        .await
        .problem(404, "token_not_found");
}

#[tokio::test]
async fn the_same_card_again_gets_the_same_token_and_another_card_none() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    let body = shop.seal(&session, APPROVED);
    let first = shop.page("/v1/tokens", &body).await.is(201);
    assert_eq!(shop.page("/v1/tokens", &body).await.is(201), first);
    shop.page("/v1/tokens", &shop.seal(&session, APPROVED))
        .await
        .problem(409, "session_used");
    assert_eq!(
        shop.sandbox.state()["greenpay"]["card_tokens"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// Nothing in the ciphertext names a session: whoever hands it over first has it.
#[tokio::test]
async fn ciphertext_of_another_session_is_refused() {
    let shop = Shop::open().await;
    let first = shop.session().await;
    let body = shop.seal(&first, APPROVED);
    shop.page("/v1/tokens", &body).await.is(201);
    let other = shop
        .page("/v1/sessions", &json!({ "customer": "c-2" }))
        .await
        .is(201);
    let mut replayed = body.clone();
    replayed["session"] = other["id"].clone();
    // The key is wrapped in the one half; of the other, single bits can be changed.
    for flipped in [false, true] {
        if flipped {
            let mut ld = body["ld"].as_str().unwrap().to_owned();
            let last = if ld.pop() == Some('0') { '1' } else { '0' };
            ld.push(last);
            replayed["ld"] = ld.into();
        }
        shop.page("/v1/tokens", &replayed)
            .await
            .problem(409, "token_belongs_elsewhere");
    }
    // Nor does it pay.
    let payment = shop.payment_session("1.00").await;
    replayed["session"] = payment["id"].clone();
    shop.page("/v1/payments", &replayed)
        .await
        .problem(409, "token_belongs_elsewhere");
    assert_eq!(shop.transactions().len(), 0);
    assert_eq!(
        shop.get("/v1/tokens").await.is(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    shop.page("/v1/tokens", &shop.seal(&other, APPROVED))
        .await
        .is(201);
}

#[tokio::test]
async fn the_same_card_twice_at_once_makes_one_token() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    let body = shop.seal(&session, APPROVED);
    let mut slow = cardseal_sandbox::faults::Fault::new("greenpay", "checkout/tokenize", Kind::Delay);
    slow.ms = 300;
    shop.sandbox.inject(slow).unwrap();
    let other = shop.seal(&session, APPROVED);
    let (first, second, third) = tokio::join!(
        shop.page("/v1/tokens", &body),
        shop.page("/v1/tokens", &body),
        async {
            let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
            while shop.get(&path).await.is(200)["status"] == "open" {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            shop.page("/v1/tokens", &other).await
        }
    );
    assert_eq!(first.is(201), second.is(201));
    third.problem(409, "session_used");
    assert_eq!(
        shop.sandbox.state()["greenpay"]["card_tokens"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn waiting_for_the_same_card_is_bounded_and_the_answer_says_when_to_try_again() {
    let shop = Shop::with(&[
        ("CARDSEAL__LIMITS__IDEMPOTENCY_WAIT_MS", "0"),
        ("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "30000"),
    ])
    .await;
    let session = shop.session().await;
    let body = shop.seal(&session, APPROVED);
    let mut slow = cardseal_sandbox::faults::Fault::new("greenpay", "checkout/tokenize", Kind::Delay);
    slow.ms = 3000;
    shop.sandbox.inject(slow).unwrap();
    let (first, second) = tokio::join!(shop.page("/v1/tokens", &body), async {
        let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
        while shop.get(&path).await.is(200)["status"] == "open" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        shop.page("/v1/tokens", &body).await
    });
    second.problem(409, "idempotency_in_progress");
    assert_eq!(second.headers["retry-after"], "5");
    assert_eq!(first.is(201), shop.page("/v1/tokens", &body).await.is(201));
}

#[tokio::test]
async fn a_refused_card_leaves_the_session_open() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    let mut wrong = shop.seal(&session, APPROVED);
    wrong["lk"] = shop.seal(&session, APPROVED)["lk"].clone();
    let answer = shop.page("/v1/tokens", &wrong).await;
    answer.problem(422, "platform_rejected");
    assert_eq!(answer.json["platform_code"], "not_decryptable");
    shop.page("/v1/tokens", &shop.seal(&session, APPROVED))
        .await
        .is(201);
}

#[tokio::test]
async fn refuses_wrong_sessions() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    let body = shop.seal(&session, APPROVED);
    let with = |id: &Value| {
        let mut body = body.clone();
        body["session"] = id.clone();
        body
    };
    shop.page("/v1/tokens", &with(&json!("ses_nothing")))
        .await
        .problem(404, "session_not_found");
    let payment = shop.payment_session("1.00").await;
    shop.page("/v1/tokens", &with(&payment["id"]))
        .await
        .problem(409, "session_wrong_kind");
    let direct = shop
        .page("/v1/sessions", &json!({ "mode": "direct" }))
        .await
        .is(201);
    shop.page("/v1/tokens", &with(&direct["id"]))
        .await
        .problem(409, "session_wrong_kind");
    shop.app.clock.advance(1801);
    shop.page("/v1/tokens", &body)
        .await
        .problem(410, "session_expired");
}

#[tokio::test]
async fn a_session_that_is_older_at_the_platform_is_told_so() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    shop.sandbox.clock().advance(Duration::from_secs(1801));
    let answer = shop.page("/v1/tokens", &shop.seal(&session, APPROVED)).await;
    answer.problem(422, "platform_rejected");
    assert_eq!(answer.json["platform_code"], "session_not_found");
}

#[tokio::test]
async fn malformed_ciphertext_goes_nowhere() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    let body = shop.seal(&session, APPROVED);
    for (field, value, code) in [
        ("ld", json!("abc"), "field_invalid"),
        ("ld", json!("zz"), "field_invalid"),
        ("ld", json!(""), "field_invalid"),
        ("ld", json!(false), "field_type"),
        ("ld", json!("ab".repeat(5000)), "field_invalid"),
        ("lk", json!(false), "field_type"),
        ("lk", json!("***"), "field_invalid"),
        ("lk", json!("A".repeat(2052)), "field_invalid"),
        ("lk", Value::Null, "field_type"),
    ] {
        let mut body = body.clone();
        body[field] = value;
        let answer = shop.page("/v1/tokens", &body).await;
        assert_eq!((answer.code(), &answer.json["field"]), (code, &json!(field)));
    }
    let mut upper = body.clone();
    upper["ld"] = body["ld"].as_str().unwrap().to_uppercase().into();
    shop.page("/v1/tokens", &upper).await.is(201);
}

#[tokio::test]
async fn an_answer_that_cannot_be_believed_stores_nothing() {
    for kind in [
        Kind::BadSignature,
        Kind::MissingSignature,
        Kind::WrongKeySignature,
    ] {
        let shop = Shop::open().await;
        let session = shop.session().await;
        shop.fault("checkout/tokenize", kind);
        shop.page("/v1/tokens", &shop.seal(&session, APPROVED))
            .await
            .problem(502, "signature_invalid");
        assert_eq!(shop.get("/v1/tokens").await.is(200)["data"], json!([]));
    }
    for kind in [Kind::ResultNull, Kind::Html, Kind::TruncatedJson, Kind::Huge] {
        let shop = Shop::open().await;
        let session = shop.session().await;
        shop.fault("checkout/tokenize", kind);
        shop.page("/v1/tokens", &shop.seal(&session, APPROVED))
            .await
            .problem(502, "platform_answer_invalid");
    }
}

#[tokio::test]
async fn either_http_status_of_a_failure_is_understood() {
    for status in [200, 500] {
        let shop = Shop::open().await;
        shop.sandbox
            .change_settings("greenpay", &json!({ "failure_http_status": status }))
            .unwrap();
        let session = shop.session().await;
        let mut wrong = shop.seal(&session, APPROVED);
        wrong["lk"] = shop.seal(&session, APPROVED)["lk"].clone();
        let answer = shop.page("/v1/tokens", &wrong).await;
        assert_eq!(answer.json["platform_code"], "not_decryptable", "{}", answer.text);
    }
}

#[tokio::test]
async fn an_update_replaces_the_card_behind_the_same_id() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let ask = json!({ "kind": "update", "token": token["id"] });
    let session = shop.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201);
    assert!(session["card_token"].is_string());
    let updated = shop
        .page("/v1/tokens", &shop.seal(&session, "5555555555554444"))
        .await
        .is(200);
    assert_eq!(updated["id"], token["id"]);
    assert_eq!(
        (&updated["brand"], &updated["last4"]),
        (&json!("mastercard"), &json!("4444"))
    );
    assert_eq!(updated["customer"], "c-1");
    assert_eq!(shop.charge(&token, "k").await.is(201)["last4"], "4444");
}

#[tokio::test]
async fn lists_page_by_page() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.insert(0, shop.token(APPROVED).await["id"].clone());
    }
    let first = shop.get("/v1/tokens?limit=2&customer=c-1").await.is(200);
    let of = |page: &Value| {
        page["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&first), ids[..2]);
    assert_eq!(first["next"], ids[1]);
    let second = shop
        .get(&format!("/v1/tokens?limit=2&after={}", ids[1].as_str().unwrap()))
        .await
        .is(200);
    assert_eq!((of(&second), &second["next"]), (ids[2..].to_vec(), &Value::Null));
    assert_eq!(
        shop.get("/v1/tokens?customer=nobody").await.is(200)["data"],
        json!([])
    );
    for query in ["limit=0", "limit=101", "limit=x", "after=", "customer=%00"] {
        shop.get(&format!("/v1/tokens?{query}"))
            .await
            .problem(422, "field_invalid");
    }
    shop.get("/v1/tokens?colour=red")
        .await
        .problem(422, "unknown_field");
    shop.get("/v1/tokens?limit=1&limit=2")
        .await
        .problem(400, "duplicate_field");
}

#[tokio::test]
async fn a_deleted_token_is_gone_here_and_there() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    let body = shop.seal(&session, APPROVED);
    let token = shop.page("/v1/tokens", &body).await.is(201);
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    let deleted = shop.merchant("DELETE", &path, None).await.is(200);
    assert_eq!(
        (&deleted["status"], &deleted["holder"]),
        (&json!("deleted"), &Value::Null)
    );
    assert_eq!(
        shop.sandbox.state()["greenpay"]["card_tokens"][0]["deleted"],
        true
    );
    shop.merchant("DELETE", &path, None).await.is(200);
    assert_eq!(shop.get("/v1/tokens").await.is(200)["data"], json!([]));
    shop.charge(&token, "k").await.problem(409, "token_deleted");
    shop.page("/v1/tokens", &body).await.problem(409, "token_deleted");
    let ask = json!({ "kind": "update", "token": token["id"] });
    shop.merchant("POST", "/v1/sessions", Some(&ask))
        .await
        .problem(409, "token_deleted");
}

#[tokio::test]
async fn a_deletion_without_an_answer_can_be_repeated() {
    let shop = Shop::open().await;
    let token = shop.token(APPROVED).await;
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.fault("merchant/deleteToken", Kind::DropAfterCommit);
    shop.merchant("DELETE", &path, None)
        .await
        .problem(504, "platform_timeout");
    assert_eq!(shop.get(&path).await.is(200)["status"], "active");
    assert_eq!(
        shop.merchant("DELETE", &path, None).await.is(200)["status"],
        "deleted"
    );
}

/// What the platform answers a browser that calls it itself.
async fn direct(shop: &Shop, session: &Value) -> Value {
    let mut body = shop.seal(session, APPROVED);
    body["session"] = session["session"].clone();
    let client = crate::shop::client();
    let url = format!("{}/tokenize", session["checkout_url"].as_str().unwrap());
    let request = client
        .post(url)
        .header("liszt-token", session["token"].as_str().unwrap())
        .json(&body);
    request.send().await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn a_token_from_a_browser_waits_for_the_platforms_word() {
    let shop = Shop::open().await;
    let session = shop
        .page("/v1/sessions", &json!({ "mode": "direct" }))
        .await
        .is(201);
    let answer = direct(&shop, &session).await;
    let hand_over = json!({ "session": session["id"], "answer": answer });
    let token = shop.page("/v1/tokens", &hand_over).await.is(201);
    assert_eq!(token["status"], "unconfirmed");
    assert_eq!(shop.page("/v1/tokens", &hand_over).await.is(201), token);
    shop.charge(&token, "k").await.problem(409, "token_unconfirmed");
    let ask = json!({ "kind": "update", "token": token["id"] });
    shop.merchant("POST", "/v1/sessions", Some(&ask))
        .await
        .problem(409, "token_unconfirmed");
    assert_eq!(shop.transactions().len(), 0);

    shop.notify("/newCard", &answer).await.is(200);
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    assert_eq!(shop.get(&path).await.is(200)["status"], "active");
    shop.charge(&token, "k").await.is(201);
}

#[tokio::test]
async fn the_platforms_word_may_come_first() {
    let shop = Shop::open().await;
    let session = shop
        .page("/v1/sessions", &json!({ "mode": "direct" }))
        .await
        .is(201);
    let answer = direct(&shop, &session).await;
    shop.notify("/newCard", &answer).await.is(200);
    let token = shop
        .page(
            "/v1/tokens",
            &json!({ "session": session["id"], "answer": answer }),
        )
        .await
        .is(201);
    assert_eq!(token["status"], "active");
    assert_eq!(
        shop.get("/v1/tokens").await.is(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_browser_that_swaps_the_token_gains_nothing() {
    let shop = Shop::open().await;
    let victim = shop.token(APPROVED).await;
    let stolen = shop.sandbox.state()["greenpay"]["card_tokens"][0]["token"].clone();
    let session = shop
        .page("/v1/sessions", &json!({ "mode": "direct" }))
        .await
        .is(201);
    let honest = direct(&shop, &session).await;
    let mut lie = honest.clone();
    lie["result"]["token"] = stolen;
    let token = shop
        .page("/v1/tokens", &json!({ "session": session["id"], "answer": lie }))
        .await
        .is(201);
    assert_eq!(token["status"], "unconfirmed");
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.charge(&token, "k").await.problem(409, "token_unconfirmed");
    // The platform's own word takes the place of the lie.
    shop.notify("/newCard", &honest).await.is(200);
    assert_eq!(shop.get(&path).await.is(200)["status"], "active");
    shop.charge(&token, "k1").await.is(201);
    // Deleting it does not delete the victim's card at the platform.
    shop.merchant("DELETE", &path, None).await.is(200);
    shop.charge(&victim, "k2").await.is(201);
}

#[tokio::test]
async fn a_lie_that_nothing_corrects_cannot_be_charged_or_deleted_at_the_platform() {
    let shop = Shop::open().await;
    let victim = shop.token(APPROVED).await;
    let stolen = shop.sandbox.state()["greenpay"]["card_tokens"][0]["token"].clone();
    let session = shop
        .page("/v1/sessions", &json!({ "mode": "direct" }))
        .await
        .is(201);
    let mut lie = direct(&shop, &session).await;
    lie["result"]["token"] = stolen;
    let token = shop
        .page("/v1/tokens", &json!({ "session": session["id"], "answer": lie }))
        .await
        .is(201);
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    shop.charge(&token, "k").await.problem(409, "token_unconfirmed");
    shop.merchant("DELETE", &path, None).await.is(200);
    shop.charge(&victim, "k2").await.is(201);
}

#[tokio::test]
async fn a_hand_over_that_is_not_the_platforms_is_refused() {
    let shop = Shop::open().await;
    let session = shop
        .page("/v1/sessions", &json!({ "mode": "direct" }))
        .await
        .is(201);
    let answer = direct(&shop, &session).await;
    let hand = async |answer: &Value| {
        shop.page(
            "/v1/tokens",
            &json!({ "session": session["id"], "answer": answer }),
        )
        .await
    };
    let mut unsigned = answer.clone();
    unsigned.as_object_mut().unwrap().remove("_signature");
    hand(&unsigned).await.problem(422, "signature_invalid");
    let mut other = answer.clone();
    other["requestId"] = "another".into();
    hand(&other).await.problem(422, "signature_invalid");
    hand(&json!({})).await.problem(422, "field_invalid");
    hand(&json!("x")).await.problem(422, "field_type");
    // A signed answer of another session.
    let second = shop
        .page("/v1/sessions", &json!({ "mode": "direct" }))
        .await
        .is(201);
    let foreign = direct(&shop, &second).await;
    hand(&foreign).await.problem(422, "field_invalid");
    hand(&answer).await.is(201);
}
