use serde_json::{Value, json};

use crate::shop::{APPROVED, DECLINED, MASTERCARD, Shop, TIME, pounds, put};

#[tokio::test]
async fn the_published_payment_is_approved_and_read_again() {
    let shop = Shop::open().await;
    let body = shop.payment_body(200);
    let payment = shop.post("/payments", &body).await.is(201);
    assert_eq!(payment["operationId"], body["operationId"]);
    for (member, value) in [
        ("responseCode", json!("0")),
        ("responseCodeCategory", json!("APPROVED")),
        ("responder", json!("ISSUER")),
        ("status", json!("AUTHORIZED")),
        ("totalAuthorizedAmount", pounds(200)),
    ] {
        assert_eq!(payment[member], value, "{member}");
    }
    assert_eq!(payment["cardPaymentData"]["brand"], "VISA");
    assert_eq!(
        payment["cardPaymentData"]["ecommerceData"]["cardSecurityCodeResult"],
        "MATCH"
    );
    for member in ["responseCodeDescription", "initialAuthorizationCode", "paymentId"] {
        assert!(!payment[member].as_str().unwrap().is_empty(), "{member}");
    }
    // No fraction, which some clients cannot read.
    let time = payment["statusTimestamp"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() == 20, "{time}");
    let id = payment["paymentId"].as_str().unwrap();
    let read = shop.get(&format!("/payments/{id}")).await.is(200);
    assert_eq!(read.get("operations"), None);
    for said in ["true", "True"] {
        let read = shop
            .get(&format!("/payments/{id}?returnOperations={said}"))
            .await
            .is(200);
        for member in ["paymentId", "status", "initialAuthorizationCode", "references"] {
            assert_eq!(read[member], payment[member], "{member}");
        }
        let operations = read["operations"].as_array().unwrap();
        assert_eq!(operations.len(), 1);
        assert_eq!(
            (
                &operations[0]["operationType"],
                &operations[0]["operationId"],
                &operations[0]["amount"]
            ),
            (&json!("AUTHORIZATION"), &body["operationId"], &pounds(200))
        );
    }
    shop.get("/payments/unknown")
        .await
        .refused(404, "not-found", "payment");
}

#[tokio::test]
async fn a_decline_is_an_answer() {
    let shop = Shop::open().await;
    for (minor, advice) in [
        (1005, Value::Null),
        (1061, "01".into()),
        (1062, "02".into()),
        (1063, "03".into()),
    ] {
        let payment = shop.post("/payments", &shop.payment_body(minor)).await.is(201);
        assert_eq!(
            (
                &payment["responseCode"],
                &payment["responseCodeCategory"],
                &payment["status"],
                &payment["additionalResponseData"]["merchantAdviceCode"],
                payment.get("initialAuthorizationCode")
            ),
            (
                &json!("5"),
                &json!("DECLINED"),
                &json!("NOT_AUTHORIZED"),
                &advice,
                None
            )
        );
    }
    let mut body = shop.payment_body(200);
    put(&mut body, "cardPaymentData.cardData.cardNumber", DECLINED.into());
    let payment = shop.post("/payments", &body).await.is(201);
    assert_eq!(payment["status"], "NOT_AUTHORIZED");
    let id = payment["paymentId"].as_str().unwrap();
    shop.post(&format!("/payments/{id}/captures"), &shop.body(&json!({})))
        .await
        .refused(409, "state", "not authorized");
}

#[tokio::test]
async fn a_part_is_approved_only_where_it_is_taken() {
    let shop = Shop::open().await;
    let mut body = shop.payment_body(1064);
    let none = shop.post("/payments", &body).await.is(201);
    assert_eq!(none["responseCodeCategory"], "DECLINED");
    put(&mut body, "operationId", shop.id().into());
    put(&mut body, "cardPaymentData.allowPartialApproval", true.into());
    let part = shop.post("/payments", &body).await.is(201);
    assert_eq!(
        (
            &part["responseCodeCategory"],
            &part["status"],
            &part["totalAuthorizedAmount"]
        ),
        (&json!("PARTIALLY_APPROVED"), &json!("AUTHORIZED"), &pounds(532))
    );
}

#[tokio::test]
async fn what_is_told_later_is_pending_until_then() {
    let shop = Shop::open().await;
    let payment = shop.post("/payments", &shop.payment_body(1068)).await.is(201);
    assert_eq!(
        (&payment["status"], payment.get("responseCodeCategory")),
        (&json!("PENDING"), None)
    );
    let id = payment["paymentId"].as_str().unwrap();
    shop.post(&format!("/payments/{id}/captures"), &shop.body(&json!({})))
        .await
        .refused(409, "state", "not authorized");
    shop.sandbox.clock().advance(std::time::Duration::from_secs(61));
    let read = shop.get(&format!("/payments/{id}")).await.is(200);
    assert_eq!(
        (&read["status"], &read["totalAuthorizedAmount"]),
        (&json!("AUTHORIZED"), &pounds(1068))
    );
}

#[tokio::test]
async fn a_mistake_is_named_and_not_repeated() {
    let shop = Shop::open().await;
    let number = "cardPaymentData.cardData.cardNumber";
    let expiry = "cardPaymentData.cardData.expiryDate";
    let code = "cardPaymentData.cardData.cardSecurityCode";
    for (path, value) in [
        ("operationId", Value::Null),
        ("operationId", json!(1)),
        ("transactionTimestamp", Value::Null),
        ("transactionTimestamp", json!("yesterday")),
        ("amount", Value::Null),
        ("amount.amount", json!("200")),
        ("amount.amount", json!(0)),
        ("amount.currencyCode", json!("gbp")),
        ("amount.numberOfDecimals", json!(0)),
        ("authorizationType", json!("SALE")),
        (number, Value::Null),
        (number, json!("4176669999000105")),
        (number, json!(4_176_669_999_000_104_u64)),
        (expiry, json!("1231")),
        (expiry, json!("132031")),
        (expiry, json!("102026")),
        (code, json!("12")),
        (code, Value::Null),
        ("cardPaymentData.cardholderVerificationMethod", json!("TRUST")),
        ("cardPaymentData.captureImmediately", json!("true")),
    ] {
        let mut body = shop.payment_body(200);
        put(&mut body, path, value);
        let answer = shop.post("/payments", &body).await;
        answer.refused(400, "validation", path);
        assert!(!answer.text.contains("417666"), "{}", answer.text);
    }
    shop.post("/payments", &json!({}))
        .await
        .refused(400, "validation", "operationId");
    shop.post("/payments", &json!([]))
        .await
        .refused(400, "validation", "body");
    assert_eq!(shop.state()["payments"], json!([]));
}

#[tokio::test]
async fn the_security_code_and_the_address_are_compared() {
    let shop = Shop::open().await;
    let result = async |change: &dyn Fn(&mut Value)| {
        let mut body = shop.payment_body(200);
        change(&mut body);
        let payment = shop.post("/payments", &body).await.is(201);
        payment["cardPaymentData"]["ecommerceData"].clone()
    };
    let wrong = result(&|body| put(body, "cardPaymentData.cardData.cardSecurityCode", "999".into())).await;
    assert_eq!(wrong, json!({ "cardSecurityCodeResult": "MISMATCH" }));
    let none = result(&|body| {
        put(body, "cardPaymentData.cardData.cardSecurityCode", Value::Null);
        put(
            body,
            "cardPaymentData.cardholderVerificationMethod",
            "NONE".into(),
        );
        let address = json!({ "addressVerificationData": { "cardholderPostalCode": "1" } });
        put(body, "cardPaymentData.ecommerceData", address);
    })
    .await;
    assert_eq!(
        none,
        json!({ "cardSecurityCodeResult": "OMITTED", "addressVerificationResult": "MATCH" })
    );
}

#[tokio::test]
async fn tokens_of_networks_and_results_of_three_ds_come_with_their_proof() {
    let shop = Shop::open().await;
    let mut body = shop.payment_body(200);
    put(&mut body, "cardPaymentData.walletId", "327".into());
    shop.post("/payments", &body)
        .await
        .refused(400, "validation", "networkTokenData.cryptogram is missing");
    put(
        &mut body,
        "cardPaymentData.networkTokenData",
        json!({ "cryptogram": "AgAAAAAAAIR8CQrXcIhbQAAAAAA=", "eci": "05" }),
    );
    shop.post("/payments", &body).await.is(201);
    let state = shop.state();
    assert_eq!(state["payments"][0]["network_token"], true);
    let mut body = shop.payment_body(200);
    put(
        &mut body,
        "cardPaymentData.ecommerceData",
        json!({ "threeDSecure": { "threeDSecureType": "THREE_DS", "eci": "05", "version": "2.2.0" } }),
    );
    shop.post("/payments", &body)
        .await
        .refused(400, "validation", "authenticationValue is missing");
    put(
        &mut body,
        "cardPaymentData.ecommerceData.threeDSecure.authenticationValue",
        "AAABBEg0VhI0VniQEjRWAAAAAAA=".into(),
    );
    shop.post("/payments", &body).await.is(201);
}

#[tokio::test]
async fn a_card_on_file_is_referred_to_by_the_schemes_id() {
    let shop = Shop::open().await;
    let mut verification = shop.payment_body(1);
    verification.as_object_mut().unwrap().remove("amount");
    verification.as_object_mut().unwrap().remove("authorizationType");
    put(&mut verification, "cardPaymentData.brand", "MASTERCARD".into());
    put(
        &mut verification,
        "cardPaymentData.cardData.cardNumber",
        MASTERCARD.into(),
    );
    put(
        &mut verification,
        "cardPaymentData.cardOnFileData",
        json!({ "isInitialTransaction": true, "initialCardOnFileData":
            { "transactionType": "RECURRING", "futureUse": "MERCHANT_INITIATED" } }),
    );
    let verified = shop.post("/account-verifications", &verification).await.is(201);
    assert_eq!(
        (&verified["responseCode"], &verified["operationId"]),
        (&json!("0"), &verification["operationId"])
    );
    let references = verified["references"].clone();
    let mut later = json!({ "transactionType": "RECURRING", "cardOnFileInitiator": "MERCHANT",
        "initialSchemeTransactionId": references["schemeTransactionId"],
        "initialSchemeTransactionLinkId": references["schemeTransactionLinkId"] });
    let pay = async |later: &Value| {
        let mut body = shop.payment_body(200);
        put(&mut body, "cardPaymentData.brand", "MASTERCARD".into());
        put(
            &mut body,
            "cardPaymentData.cardData.cardNumber",
            MASTERCARD.into(),
        );
        put(
            &mut body,
            "cardPaymentData.cardOnFileData",
            json!({ "isInitialTransaction": false, "subsequentCardOnFileData": later }),
        );
        shop.post("/payments", &body).await
    };
    assert_eq!(pay(&later).await.is(201)["status"], "AUTHORIZED");
    let state = shop.state();
    assert_eq!(
        state["payments"][0]["card_on_file"]["initial_scheme_transaction_id"],
        state["verifications"][0]["scheme_transaction_id"]
    );
    for missing in ["initialSchemeTransactionId", "initialSchemeTransactionLinkId"] {
        let mut without = later.clone();
        without[missing] = Value::Null;
        pay(&without).await.refused(400, "validation", missing);
    }
    later["cardOnFileInitiator"] = "CARDHOLDER".into();
    pay(&later).await.refused(400, "validation", "transactionType");
}

#[tokio::test]
async fn a_verification_moves_no_money_and_can_be_declined() {
    let shop = Shop::open().await;
    for (number, category) in [(APPROVED, "APPROVED"), (DECLINED, "DECLINED")] {
        let body = json!({ "operationId": shop.id(), "transactionTimestamp": TIME, "cardPaymentData": {
            "cardEntryMode": "ECOMMERCE", "brand": "VISA", "cardholderVerificationMethod": "CARD_SECURITY_CODE",
            "cardData": { "cardNumber": number, "expiryDate": "122031", "cardSecurityCode": "012" } } });
        let answer = shop.post("/account-verifications", &body).await.is(201);
        assert_eq!(answer["responseCodeCategory"], category);
    }
    let state = shop.state();
    assert_eq!(state["payments"], json!([]));
    let verified: Vec<_> = state["verifications"]
        .as_array()
        .unwrap()
        .iter()
        .map(|verification| (verification["approved"].clone(), verification["last4"].clone()))
        .collect();
    assert_eq!(
        verified,
        [(json!(true), json!("0104")), (json!(false), json!("0203"))]
    );
}

/// Of a number, whoever looks sees the last four digits; of the rest nothing.
#[tokio::test]
async fn no_card_is_in_the_state() {
    let shop = Shop::open().await;
    let mut body = shop.payment_body(200);
    put(
        &mut body,
        "cardPaymentData.cardData.cardSecurityCode",
        "8264".into(),
    );
    put(
        &mut body,
        "references.merchantReference",
        format!("order {APPROVED}").into(),
    );
    put(&mut body, "operationId", MASTERCARD.into());
    put(&mut body, "cardPaymentData.brand", MASTERCARD.into());
    put(
        &mut body,
        "cardPaymentData.cardOnFileData",
        json!({ "isInitialTransaction": false, "subsequentCardOnFileData":
            { "cardOnFileInitiator": "CARDHOLDER", "initialSchemeTransactionId": APPROVED } }),
    );
    let paid = shop.post("/payments", &body).await.is(201);
    let id = paid["paymentId"].as_str().unwrap();
    let path = format!("/payments/{id}/authorization-reversals");
    shop.post(&path, &shop.body(&json!({}))).await.is(201);
    shop.post(
        &format!("/operations/{MASTERCARD}/reverse"),
        &shop.body(&json!({})),
    )
    .await
    .refused(409, "state", "stand on it");
    let state = shop.state().to_string();
    for secret in [APPROVED, MASTERCARD, "41766699", "8264", "122031"] {
        assert!(!state.contains(secret), "{secret}: {state}");
    }
    assert!(state.contains("\"last4\":\"0104\""));
}
