//! Payments and what is done to them.

use cardseal_sandbox::faults::Kind;
use serde_json::{Value, json};

use super::shop::{CHALLENGED, DECLINED, Shop, VISA, by_card, by_token, order, with};

#[tokio::test]
async fn authorizes_or_sells() {
    let shop = Shop::open().await;
    let ids = [
        shop.paid(1000, "PRE_AUTHORIZATION").await,
        shop.paid(1000, "FINAL_AUTHORIZATION").await,
        shop.paid(1000, "SALE").await,
    ];
    let without = with(
        by_card(1000, "", VISA),
        "cardPaymentMethodSpecificInput/authorizationMode",
        Value::Null,
    );
    let made = shop.post("/payments", &without).await.good(201);
    let status = &made["payment"]["statusOutput"];
    assert_eq!(
        *status,
        json!({ "statusCode": 5, "statusCategory": "PENDING_MERCHANT", "isAuthorized": true,
            "isCancellable": true, "isRefundable": false })
    );
    assert_eq!(made["creationOutput"]["externalReference"], "order-1");
    assert_eq!(made.get("merchantAction"), None);
    for (id, standing) in [
        (&ids[0], ("PENDING_CAPTURE", 5)),
        (&ids[1], ("PENDING_CAPTURE", 5)),
        (&ids[2], ("CAPTURED", 9)),
    ] {
        assert!(id.ends_with("_0") && id.len() == 12, "{id}");
        let (status, code) = shop.standing(id).await;
        assert_eq!((status.as_str(), code), standing);
    }
    let sold = shop.get(&format!("/payments/{}", ids[2])).await.good(200);
    assert_eq!(sold["statusOutput"]["isRefundable"], true);
    assert_eq!(sold["statusOutput"]["isAuthorized"], false);
    assert_eq!(sold["paymentOutput"]["acquiredAmount"]["amount"], 1000);
    assert_eq!(
        sold["paymentOutput"]["references"]["merchantReference"],
        "order-1"
    );
}

#[tokio::test]
async fn tells_a_decline_with_the_payment() {
    let shop = Shop::open().await;
    for body in [
        by_card(1302, "SALE", VISA),
        by_card(1000, "SALE", DECLINED),
        by_card(1000, "PRE_AUTHORIZATION", "4321456998744563"),
    ] {
        let answer = shop.post("/payments", &body).await;
        assert_eq!(answer.http, 402);
        assert_eq!(answer.body["errors"][0]["errorCode"], "30041001");
        let payment = &answer.body["paymentResult"]["payment"];
        assert_eq!(
            (&payment["status"], &payment["statusOutput"]["statusCode"]),
            (&json!("REJECTED"), &json!(2))
        );
        assert_eq!(payment["statusOutput"]["statusCategory"], "UNSUCCESSFUL");
        assert_eq!(payment["statusOutput"]["errors"], answer.body["errors"]);
        // It is there to be read.
        let id = payment["id"].as_str().unwrap();
        assert_eq!(shop.standing(id).await, ("REJECTED".into(), 2));
        assert_eq!(
            shop.post(&format!("/payments/{id}/capture"), &json!({}))
                .await
                .http,
            400
        );
    }
    let token = shop.stored(VISA).await;
    shop.post("/payments", &by_token(1301, &token)).await.good(201);
    // A stored card gets too old.
    shop.advance(6 * 366 * 86_400);
    assert_eq!(shop.post("/payments", &by_token(1301, &token)).await.http, 402);
}

#[tokio::test]
async fn wants_exactly_one_card_and_a_whole_amount() {
    let shop = Shop::open().await;
    let token = shop.stored(VISA).await;
    let by_token = || by_token(1000, &token);
    let money = |value: Value| with(by_token(), "order/amountOfMoney/amount", value);
    for (body, id, member) in [
        (json!({}), "PARAMETER_NOT_FOUND_IN_REQUEST", "order.amountOfMoney"),
        (
            order(1000),
            "PARAMETER_NOT_FOUND_IN_REQUEST",
            "cardPaymentMethodSpecificInput",
        ),
        (money(json!(10.5)), "INVALID_VALUE", "order.amountOfMoney.amount"),
        (
            money(json!("1000")),
            "INVALID_VALUE",
            "order.amountOfMoney.amount",
        ),
        (money(json!(-1)), "INVALID_VALUE", "order.amountOfMoney.amount"),
        (
            money(Value::Null),
            "PARAMETER_NOT_FOUND_IN_REQUEST",
            "order.amountOfMoney.amount",
        ),
        (
            with(by_token(), "order/amountOfMoney/currencyCode", json!("€")),
            "INVALID_VALUE",
            "order.amountOfMoney.currencyCode",
        ),
        (
            with(
                by_token(),
                "order/references/merchantReference",
                json!("x".repeat(41)),
            ),
            "INVALID_VALUE",
            "order.references.merchantReference",
        ),
        (
            with(by_token(), "encryptedCustomerInput", json!("x")),
            "INVALID_VALUE",
            "cardPaymentMethodSpecificInput.token",
        ),
        (
            with(by_token(), "hostedTokenizationId", json!("x")),
            "INVALID_VALUE",
            "cardPaymentMethodSpecificInput.token",
        ),
        (
            with(
                by_token(),
                "cardPaymentMethodSpecificInput/authorizationMode",
                json!("LATER"),
            ),
            "INVALID_VALUE",
            "cardPaymentMethodSpecificInput.authorizationMode",
        ),
        (
            with(
                by_token(),
                "cardPaymentMethodSpecificInput/paymentProductId",
                json!(3),
            ),
            "CARDNUMBER_PAYMENTPRODUCTID_MISMATCH",
            "paymentProductId",
        ),
        // The libraries drop a member with a wrong capital letter; so does this one, and there is no card.
        (
            with(
                order(1000),
                "CardPaymentMethodSpecificInput",
                json!({ "token": token }),
            ),
            "PARAMETER_NOT_FOUND_IN_REQUEST",
            "cardPaymentMethodSpecificInput",
        ),
    ] {
        let answer = shop.post("/payments", &body).await;
        assert_eq!(answer.refusal(), (400, id, member), "{body}");
    }
    assert!(shop.payments().is_empty());
    let unknown = super::shop::by_token(1000, "unknown");
    assert_eq!(shop.post("/payments", &unknown).await.refusal().0, 404);
}

#[tokio::test]
async fn captures_in_parts() {
    let shop = Shop::open().await;
    let id = shop.paid(1000, "PRE_AUTHORIZATION").await;
    let payid = id.strip_suffix("_0").unwrap();
    let capture = format!("/payments/{id}/capture");
    let first = shop.post(&capture, &json!({ "amount": 300 })).await.good(201);
    assert_eq!(first["id"], format!("{payid}_1"));
    assert_eq!(
        (&first["status"], &first["statusOutput"]),
        (&json!("CAPTURE_REQUESTED"), &json!({ "statusCode": 91 }))
    );
    assert_eq!(first["captureOutput"]["amountOfMoney"]["amount"], 300);
    assert_eq!(shop.standing(&id).await, ("CAPTURED".into(), 9));
    for wrong in [
        json!(701),
        json!(0),
        json!(-1),
        json!(1.5),
        json!("1"),
        json!({ "amount": 1 }),
    ] {
        let answer = shop.post(&capture, &json!({ "amount": wrong })).await;
        assert_eq!(answer.refusal(), (400, "INVALID_VALUE", "amount"));
    }
    // No cancellation once there is a capture.
    let cancelled = shop.post(&format!("/payments/{id}/cancel"), &json!({})).await;
    assert_eq!(
        cancelled.refusal(),
        (400, "ACTION_NOT_ALLOWED_ON_TRANSACTION", "paymentId")
    );
    let rest = shop.post(&capture, &json!({})).await.good(201);
    assert_eq!(
        (&rest["id"], &rest["captureOutput"]["amountOfMoney"]["amount"]),
        (&json!(format!("{payid}_2")), &json!(700))
    );
    assert_eq!(shop.post(&capture, &json!({})).await.http, 400);
    let details = shop.get(&format!("/payments/{id}/details")).await.good(200);
    let operations = details["Operations"].as_array().unwrap();
    let told: Vec<_> = operations
        .iter()
        .map(|operation| (&operation["id"], &operation["status"]))
        .collect();
    let ids: Vec<Value> = (0..3).map(|number| json!(format!("{payid}_{number}"))).collect();
    assert_eq!(told[0], (&ids[0], &json!("PENDING_CAPTURE")));
    assert_eq!(
        told[1..],
        [(&ids[1], &json!("CAPTURED")), (&ids[2], &json!("CAPTURED"))]
    );
    let captures = shop.get(&format!("/payments/{id}/captures")).await.good(200);
    assert_eq!(captures["captures"].as_array().unwrap().len(), 2);
    // An operation can be read by its own id.
    assert_eq!(
        shop.get(&format!("/payments/{payid}_1")).await.good(200)["id"],
        format!("{payid}_1")
    );
    let other = shop.paid(1000, "PRE_AUTHORIZATION").await;
    let capture = format!("/payments/{other}/capture");
    shop.post(&capture, &json!({ "amount": 300, "isFinal": true }))
        .await
        .good(201);
    assert_eq!(shop.post(&capture, &json!({ "amount": 1 })).await.http, 400);
}

#[tokio::test]
async fn refunds_what_was_captured() {
    let shop = Shop::open().await;
    let id = shop.paid(1000, "SALE").await;
    let refund = format!("/payments/{id}/refund");
    let money = |amount: i64, currency: &str| json!({ "amountOfMoney": { "amount": amount, "currencyCode": currency } });
    let first = shop.post(&refund, &money(400, "EUR")).await.good(201);
    assert_eq!(
        (&first["status"], &first["statusOutput"]["statusCode"]),
        (&json!("REFUND_REQUESTED"), &json!(81))
    );
    assert_eq!(first["refundOutput"]["amountOfMoney"]["amount"], 400);
    assert_eq!(shop.standing(&id).await, ("CAPTURED".into(), 9));
    // Less than of a payment, as in the types of the platform's own clients.
    assert_eq!(
        first["statusOutput"],
        json!({ "statusCode": 81, "statusCategory": "PENDING_CONNECT_OR_3RD_PARTY", "isCancellable": false })
    );
    assert_eq!(
        first["refundOutput"]["cardRefundMethodSpecificOutput"],
        json!({ "totalAmountPaid": 1000, "totalAmountRefunded": 400 })
    );
    assert_eq!(
        shop.post(&refund, &money(601, "EUR")).await.refusal(),
        (400, "ACTION_NOT_ALLOWED_ON_TRANSACTION", "paymentId")
    );
    for (body, member) in [
        (money(0, "EUR"), "amountOfMoney.amount"),
        (money(100, "USD"), "amountOfMoney.currencyCode"),
    ] {
        assert_eq!(
            shop.post(&refund, &body).await.refusal(),
            (400, "INVALID_VALUE", member)
        );
    }
    shop.post(&refund, &money(600, "EUR")).await.good(201);
    assert_eq!(shop.standing(&id).await, ("REFUNDED".into(), 8));
    assert_eq!(
        shop.post(&refund, &money(1, "EUR")).await.refusal().1,
        "ACTION_NOT_ALLOWED_ON_TRANSACTION"
    );
    let refunds = shop.get(&format!("/payments/{id}/refunds")).await.good(200);
    assert_eq!(refunds["refunds"].as_array().unwrap().len(), 2);
    let authorized = shop.paid(1000, "PRE_AUTHORIZATION").await;
    let refund = shop
        .post(&format!("/payments/{authorized}/refund"), &money(1, "EUR"))
        .await;
    assert_eq!(refund.http, 400);
}

#[tokio::test]
async fn declines_refunds_at_once_where_it_is_told_to() {
    let shop = Shop::open().await;
    let id = shop.paid(5000, "SALE").await;
    let refund = format!("/payments/{id}/refund");
    let money = |amount: i64| json!({ "amountOfMoney": { "amount": amount, "currencyCode": "EUR" } });
    let by_amount = shop.post(&refund, &money(1302)).await.good(402);
    let result = &by_amount["refundResult"];
    assert_eq!(
        (
            &result["id"],
            &result["status"],
            &result["statusOutput"]["statusCode"]
        ),
        (
            &json!(format!("{}_1", id.strip_suffix("_0").unwrap())),
            &json!("REJECTED"),
            &json!(83)
        )
    );
    assert_eq!(result["statusOutput"]["errors"], by_amount["errors"]);
    shop.inject("payments/refund", Kind::RespCode, |fault| {
        fault.value = Some("30511001".into());
    });
    let by_fault = shop.post(&refund, &money(100)).await.good(402);
    assert_eq!(by_fault["errors"][0]["errorCode"], "30511001");
    // Nothing was refunded: all of it is left.
    assert_eq!(shop.standing(&id).await, ("CAPTURED".into(), 9));
    shop.post(&refund, &money(5000)).await.good(201);
    shop.set(&json!({ "declined_refund_amounts": [] }));
    let id = shop.paid(5000, "SALE").await;
    let refund = format!("/payments/{id}/refund");
    shop.post(&refund, &money(1302)).await.good(201);
}

#[tokio::test]
async fn pays_again_with_the_card_of_an_earlier_payment() {
    let shop = Shop::open().await;
    let id = shop.paid(1000, "SALE").await;
    let path = format!("/payments/{id}/subsequent");
    let body = |amount: i64| {
        with(
            order(amount),
            "subsequentcardPaymentMethodSpecificInput",
            json!({ "authorizationMode": "SALE", "subsequentType": "Recurring" }),
        )
    };
    let made = shop.post_with_key(&path, &body(700), "again").await.good(201);
    let payment = &made["payment"];
    assert_ne!(payment["id"], id);
    assert_eq!(payment["status"], "CAPTURED");
    assert_eq!(payment["paymentOutput"]["amountOfMoney"]["amount"], 700);
    assert_eq!(
        shop.post_with_key(&path, &body(700), "again").await.good(201),
        made
    );
    // The holder is not there to authenticate.
    shop.set(&json!({ "challenge_cards": [VISA] }));
    shop.post(&path, &body(701)).await.good(201);
    let declined = shop.post(&path, &body(1302)).await.good(402);
    assert_eq!(declined["paymentResult"]["payment"]["status"], "REJECTED");
    assert_eq!(
        shop.post(&path, &body(-1)).await.refusal(),
        (400, "INVALID_VALUE", "order.amountOfMoney.amount")
    );
    assert_eq!(
        shop.post("/payments/9999999999/subsequent", &body(1))
            .await
            .refusal(),
        (404, "UNKNOWN_PAYMENT_ID", "paymentId")
    );
    let refused = shop
        .post("/payments", &by_card(1000, "SALE", DECLINED))
        .await
        .good(402);
    let id = refused["paymentResult"]["payment"]["id"].as_str().unwrap();
    let again = shop.post(&format!("/payments/{id}/subsequent"), &body(1)).await;
    assert_eq!(again.refusal().1, "ACTION_NOT_ALLOWED_ON_TRANSACTION");
}

#[tokio::test]
async fn sends_shoppers_to_the_page_of_another_product() {
    let shop = Shop::open().await;
    let body = |product: u32| {
        with(
            order(1000),
            "redirectPaymentMethodSpecificInput",
            json!({
                "paymentProductId": product,
                "redirectionData": { "returnUrl": "https://shop.example/back" },
            }),
        )
    };
    let made = shop.post("/payments", &body(840)).await.good(201);
    let payment = &made["payment"];
    let id = payment["id"].as_str().unwrap();
    assert_eq!(payment["status"], "REDIRECTED");
    assert_eq!(payment["paymentOutput"]["paymentMethod"], "redirect");
    assert_eq!(
        payment["paymentOutput"]["redirectPaymentMethodSpecificOutput"]["paymentProductId"],
        840
    );
    // Nothing waits for a completion: what the platform says then.
    let complete = format!("/payments/{id}/complete");
    assert_eq!(
        shop.post(&complete, &order(1000)).await.refusal(),
        (500, "UNKNOWN_SERVER_ERROR", "")
    );
    assert_eq!(
        shop.post(&complete, &json!({})).await.refusal().1,
        "PARAMETER_NOT_FOUND_IN_REQUEST"
    );
    assert_eq!(
        shop.post("/payments/1_0/complete", &order(1)).await.refusal().1,
        "UNKNOWN_PAYMENT_ID"
    );
    let url = made["merchantAction"]["redirectData"]["redirectURL"]
        .as_str()
        .unwrap();
    let passed = shop.http.post(url).body("action=pass").send().await.unwrap();
    assert_eq!(passed.status(), 303);
    let back = passed.headers()["location"].to_str().unwrap();
    assert!(back.starts_with("https://shop.example/back?RETURNMAC="));
    assert_eq!(shop.standing(id).await, ("CAPTURED".into(), 9));
    let refund = shop
        .post(&format!("/payments/{id}/refund"), &json!({}))
        .await
        .good(201);
    assert_eq!(
        refund["refundOutput"]["redirectRefundMethodSpecificOutput"]["totalAmountRefunded"],
        1000
    );
    assert_eq!(shop.payments()[0]["last4"], Value::Null);
    // Without an address of the shop's the sandbox has a page for the end.
    let alone = with(
        body(840),
        "redirectPaymentMethodSpecificInput/redirectionData",
        Value::Null,
    );
    let made = shop.post("/payments", &alone).await.good(201);
    let url = made["merchantAction"]["redirectData"]["redirectURL"]
        .as_str()
        .unwrap();
    let failed = shop.http.post(url).body("action=fail").send().await.unwrap();
    let end = failed.headers()["location"].to_str().unwrap();
    assert_eq!(shop.http.get(end).send().await.unwrap().status(), 200);
    assert_eq!(
        shop.standing(made["payment"]["id"].as_str().unwrap()).await.0,
        "REJECTED"
    );
    for (body, wanted) in [
        (body(1), (404, "UNKNOWN_PRODUCT_ID", "paymentProductId")),
        (
            with(body(840), "encryptedCustomerInput", json!("x")),
            (400, "INVALID_VALUE", "encryptedCustomerInput"),
        ),
    ] {
        assert_eq!(shop.post("/payments", &body).await.refusal(), wanted);
    }
}

#[tokio::test]
async fn cancels_what_was_authorized() {
    let shop = Shop::open().await;
    let id = shop.paid(1000, "PRE_AUTHORIZATION").await;
    let cancel = format!("/payments/{id}/cancel");
    let part = json!({ "amountOfMoney": { "amount": 400, "currencyCode": "EUR" } });
    shop.post(&cancel, &part).await.good(200);
    assert_eq!(shop.standing(&id).await, ("PENDING_CAPTURE".into(), 5));
    let too_much = shop
        .post(&format!("/payments/{id}/capture"), &json!({ "amount": 601 }))
        .await;
    assert_eq!(too_much.http, 400);
    // Without any body at all.
    let request = shop.signed(reqwest::Method::POST, &cancel, None, &[]);
    let answer = super::shop::Answer::of(request.send().await.unwrap())
        .await
        .good(200);
    let payment = &answer["payment"];
    assert_eq!(
        (&payment["status"], &payment["statusOutput"]["statusCode"]),
        (&json!("CANCELLED"), &json!(61))
    );
    assert_eq!(payment["statusOutput"]["statusCategory"], "PENDING_MERCHANT");
    assert_eq!(shop.standing(&id).await, ("CANCELLED".into(), 6));
    for action in ["cancel", "capture", "refund"] {
        let answer = shop.post(&format!("/payments/{id}/{action}"), &json!({})).await;
        assert_eq!(
            answer.refusal(),
            (400, "ACTION_NOT_ALLOWED_ON_TRANSACTION", "paymentId"),
            "{action}"
        );
    }
}

#[tokio::test]
async fn settles_on_the_sandboxes_clock() {
    let shop = Shop::open().await;
    shop.set(&json!({ "settle_after_ms": 3_600_000, "waiting_authorizations": true }));
    let made = shop
        .post("/payments", &by_card(1000, "PRE_AUTHORIZATION", VISA))
        .await
        .good(201);
    let id = made["payment"]["id"].as_str().unwrap();
    assert_eq!(shop.standing(id).await, ("AUTHORIZATION_REQUESTED".into(), 51));
    assert_eq!(
        shop.post(&format!("/payments/{id}/capture"), &json!({}))
            .await
            .http,
        400
    );
    shop.advance(3600);
    assert_eq!(shop.standing(id).await, ("PENDING_CAPTURE".into(), 5));
    shop.post(&format!("/payments/{id}/capture"), &json!({}))
        .await
        .good(201);
    assert_eq!(shop.standing(id).await, ("CAPTURE_REQUESTED".into(), 91));
    // Not captured yet: nothing to refund.
    assert_eq!(
        shop.post(&format!("/payments/{id}/refund"), &json!({}))
            .await
            .http,
        400
    );
    shop.advance(3600);
    assert_eq!(shop.standing(id).await, ("CAPTURED".into(), 9));
}

#[tokio::test]
async fn some_amounts_fail_or_stay_uncertain() {
    let shop = Shop::open().await;
    for (amount, status, code) in [
        (1303, "REJECTED_CAPTURE", 93),
        (1309, "REJECTED_CAPTURE", 93),
        (1203, "CAPTURE_REQUESTED", 92),
        (1209, "CAPTURE_REQUESTED", 92),
    ] {
        let id = shop.paid(amount, "PRE_AUTHORIZATION").await;
        shop.post(&format!("/payments/{id}/capture"), &json!({}))
            .await
            .good(201);
        assert_eq!(shop.standing(&id).await, (status.into(), code), "{amount}");
    }
    for (amount, status, code) in [(1303, "REJECTED", 83), (1203, "REFUND_REQUESTED", 82)] {
        let id = shop.paid(2000, "SALE").await;
        let body = json!({ "amountOfMoney": { "amount": amount, "currencyCode": "EUR" } });
        let refund = shop
            .post(&format!("/payments/{id}/refund"), &body)
            .await
            .good(201);
        let refund = shop.standing(refund["id"].as_str().unwrap()).await;
        assert_eq!(refund, (status.into(), code), "{amount}");
        // What was refused can be refunded again; what is uncertain cannot.
        let left = if code == 83 { 2000 } else { 2000 - amount };
        let body = json!({ "amountOfMoney": { "amount": left + 1, "currencyCode": "EUR" } });
        assert_eq!(
            shop.post(&format!("/payments/{id}/refund"), &body).await.http,
            400
        );
        let body = json!({ "amountOfMoney": { "amount": left, "currencyCode": "EUR" } });
        shop.post(&format!("/payments/{id}/refund"), &body)
            .await
            .good(201);
    }
}

#[tokio::test]
async fn sends_the_cardholder_to_authenticate() {
    let shop = Shop::open().await;
    let body = by_card(1000, "SALE", CHALLENGED);
    let missing = "cardPaymentMethodSpecificInput.threeDSecure.redirectionData.returnUrl";
    assert_eq!(
        shop.post("/payments", &body).await.refusal(),
        (400, "PARAMETER_NOT_FOUND_IN_REQUEST", missing)
    );
    let way = json!({ "redirectionData": { "returnUrl": "https://shop.example/back?o=1" } });
    let body = with(body, "cardPaymentMethodSpecificInput/threeDSecure", way);
    for (action, status, code) in [("pass", "CAPTURED", 9), ("fail", "REJECTED", 2)] {
        let made = shop.post("/payments", &body).await.good(201);
        let id = made["payment"]["id"].as_str().unwrap();
        assert_eq!(
            (
                &made["payment"]["status"],
                &made["payment"]["statusOutput"]["statusCode"]
            ),
            (&json!("REDIRECTED"), &json!(46))
        );
        assert_eq!(made["merchantAction"]["actionType"], "REDIRECT");
        let data = &made["merchantAction"]["redirectData"];
        let url = data["redirectURL"].as_str().unwrap();
        assert_eq!(shop.http.get(url).send().await.unwrap().status(), 200);
        let back = shop
            .http
            .post(url)
            .body(format!("action={action}"))
            .send()
            .await
            .unwrap();
        assert_eq!(back.status(), 303);
        let wanted = format!(
            "https://shop.example/back?o=1&RETURNMAC={}&paymentId={id}",
            data["RETURNMAC"].as_str().unwrap()
        );
        assert_eq!(back.headers()["location"], wanted);
        assert_eq!(shop.standing(id).await, (status.into(), code));
        for again in [shop.http.get(url), shop.http.post(url).body("action=pass")] {
            assert_eq!(again.send().await.unwrap().status(), 404);
        }
        assert_eq!(shop.standing(id).await, (status.into(), code));
    }
    // The merchant's own charges, and those by post, ask nobody.
    for (name, value) in [
        ("unscheduledCardOnFileRequestor", json!("merchantInitiated")),
        ("transactionChannel", json!("MAIL")),
        ("threeDSecure", json!({ "skipAuthentication": true })),
    ] {
        let path = format!("cardPaymentMethodSpecificInput/{name}");
        let made = shop
            .post("/payments", &with(body.clone(), &path, value))
            .await
            .good(201);
        assert_eq!(made["payment"]["status"], "CAPTURED", "{name}");
    }
}

#[tokio::test]
async fn knows_no_other_payments() {
    let shop = Shop::open().await;
    let id = shop.paid(1000, "SALE").await;
    let payid = id.strip_suffix("_0").unwrap();
    for id in [
        "1_0",
        payid,
        &format!("{payid}_1"),
        &format!("{payid}_00"),
        &format!("{payid}_"),
        "x",
    ] {
        let answer = shop.get(&format!("/payments/{id}")).await;
        assert_eq!(answer.refusal(), (404, "UNKNOWN_PAYMENT_ID", "paymentId"), "{id}");
        assert_eq!(answer.body["errors"][0]["errorCode"], "50001130");
        let answer = shop.post(&format!("/payments/{id}/refund"), &json!({})).await;
        assert_eq!(answer.http, 404);
    }
}
