//! `POST /v1/sessions/{id}/page`: a page that has only the id of an open session gets what it needs of it.

use serde_json::{Value, json};

use crate::shop::{APPROVED, Shop, post};

impl Shop {
    async fn page_of(&self, session: &Value) -> crate::shop::Answer {
        let path = format!("/v1/sessions/{}/page", session["id"].as_str().unwrap());
        self.page(&path, &Value::Null).await
    }

    /// Opens a session and compares it with what its page gets.
    async fn same_again(&self, ask: &Value) -> Value {
        let opened = self.merchant("POST", "/v1/sessions", Some(ask)).await.is(201);
        let answer = self.page_of(&opened).await;
        assert_eq!(answer.headers["cache-control"], "no-store");
        let mut shown = answer.is(200);
        let (left, whole) = (&shown["expires_in"], opened["expires_in"].as_u64().unwrap());
        assert!(
            left.as_u64()
                .is_some_and(|left| left <= whole && left + 60 > whole),
            "{left}"
        );
        shown["expires_in"] = opened["expires_in"].clone();
        assert_eq!(shown, opened, "{ask}");
        opened
    }
}

#[tokio::test]
async fn every_platforms_page_gets_the_session_once_more() {
    let eur = json!({ "kind": "payment", "amount": "5.00", "currency": "EUR" });
    let usd = json!({ "kind": "payment", "amount": "5.00", "currency": "USD", "order_reference": "order-1" });
    let with = |platform: &str, mode: Option<&str>, more: &Value| {
        let mut ask = more.clone();
        ask["platform"] = platform.into();
        if let Some(mode) = mode {
            ask["mode"] = mode.into();
        }
        ask
    };
    let store = json!({ "customer": "c-1" });

    let shop = Shop::open().await;
    for mode in ["relay", "direct"] {
        shop.same_again(&with("greenpay", Some(mode), &store)).await;
    }
    shop.same_again(&with("greenpay", None, &usd)).await;
    let token = shop.token(APPROVED).await;
    let update = json!({ "kind": "update", "token": token["id"] });
    let opened = shop.same_again(&update).await;
    assert!(opened["card_token"].is_string());

    let shop = Shop::beside("gp_api", &[]).await;
    let opened = shop.same_again(&with("gp_api", None, &store)).await;
    assert!(opened["access_token"].is_string());

    let shop = Shop::beside("online_payments", &[]).await;
    let opened = shop.same_again(&with("online_payments", None, &store)).await;
    assert!(opened["clientSessionId"].is_string());
    shop.same_again(&with("online_payments", None, &eur)).await;
    shop.same_again(&with("online_payments", Some("direct"), &store))
        .await;
    shop.same_again(&with("online_payments", Some("direct"), &eur))
        .await;

    let shop = Shop::beside("worldline_acquiring", &[]).await;
    let opened = shop.same_again(&with("worldline_acquiring", None, &store)).await;
    assert!(opened["seal"]["key"].is_object());
    shop.same_again(&with("worldline_acquiring", None, &eur)).await;

    let shop = Shop::beside("ccbill", &[]).await;
    let at = json!({ "customer_ip": "192.0.2.7" });
    shop.same_again(&with("ccbill", None, &at)).await;
    let mut paying = json!({ "kind": "payment", "amount": "5.00", "currency": "USD" });
    paying["customer_ip"] = at["customer_ip"].clone();
    let opened = shop.same_again(&with("ccbill", None, &paying)).await;
    assert!(opened["access_token"].is_string());
}

#[tokio::test]
async fn only_while_the_session_is_open() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    shop.page("/v1/tokens", &shop.seal(&session, APPROVED))
        .await
        .is(201);
    shop.page_of(&session).await.problem(409, "session_used");
    let session = shop.session().await;
    shop.app.clock.advance(1801);
    shop.page_of(&session).await.problem(410, "session_expired");
    shop.page_of(&json!({ "id": "ses_nothing" }))
        .await
        .problem(404, "session_not_found");
}

#[tokio::test]
async fn only_for_pages_of_allowed_origins() {
    let shop = Shop::open().await;
    let session = shop.session().await;
    let path = format!("/v1/sessions/{}/page", session["id"].as_str().unwrap());
    let request = |origin: Option<&str>| {
        let request = post(&path, &Value::Null);
        match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        }
        .body(String::new().into())
        .unwrap()
    };
    shop.send(request(Some("https://evil.example")))
        .await
        .problem(403, "origin_not_allowed");
    shop.send(request(None)).await.problem(401, "api_key_missing");
    shop.merchant("POST", &path, None).await.is(200);
    // The outcome of the session stays the merchant's.
    let outcome = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    shop.page(&outcome, &Value::Null)
        .await
        .problem(405, "method_not_allowed");
}

/// What a page needs is wiped with the rest of the platform's session.
#[tokio::test]
async fn what_a_page_needs_is_wiped_when_the_session_is_over() {
    let shop = Shop::beside("ccbill", &[]).await;
    let ask = json!({ "platform": "ccbill", "customer_ip": "192.0.2.7" });
    let session = shop.merchant("POST", "/v1/sessions", Some(&ask)).await.is(201);
    let secret = session["access_token"].as_str().unwrap();
    let id = cardseal_server::store::SessionId::from(session["id"].as_str().unwrap().to_owned());
    let stored = |session: Option<cardseal_server::store::Session>| {
        use secrecy::ExposeSecret;
        session
            .unwrap()
            .platform_state
            .map(|state| state.expose_secret().to_owned())
    };
    let kept = stored(shop.app.store.session(&id).await.unwrap());
    assert!(kept.is_some_and(|kept| kept.contains(secret)));
    shop.app.clock.advance(8 * 24 * 60 * 60);
    let now = shop.app.clock.now();
    shop.app.store.wipe_sessions(&[], now).await.unwrap();
    assert_eq!(stored(shop.app.store.session(&id).await.unwrap()), None);
}
