//! The gateway against a platform of a few lines.

#[path = "../../../worldline/src/online_payments/tests/platform.rs"]
mod platform;

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardseal::session::{Kind, Mode};
use cardseal_worldline::online_payments::domain::*;
use cardseal_worldline::online_payments::errors::{self, Error as CallError};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::*;
use crate::error::Doubt;
use crate::gateway::{Capture, Page};
use crate::settings::{Mistakes, Settings};
use crate::transport::{Response, Timeouts};
use crate::variants::variants;
use platform::{KEY, Platform, SECRET, TOKEN, TROUBLES, Trouble, mac};

fn transport() -> Transport {
    Transport::new(Timeouts {
        connect: Duration::from_secs(2),
        request: Duration::from_millis(2000),
    })
    .unwrap()
}

fn gateway(base: &str, more: &Value) -> OnlinePayments {
    let mut tree = json!({ "environment": "custom", "base_url": base, "merchant_id": "MyPSPID", "api_key_id": KEY,
        "secret_api_key": SECRET });
    for (name, value) in more.as_object().unwrap() {
        tree[name] = value.clone();
    }
    let mistakes = Mistakes::default();
    let gateway = OnlinePayments::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes));
    assert!(mistakes.borrow().is_empty(), "{:?}", mistakes.borrow());
    gateway.unwrap()
}

fn euros(text: &str) -> Amount {
    Amount::parse(text, "EUR").unwrap()
}

fn charge<'a>(token: &'a SecretString, amount: &'a Amount) -> ChargeParams<'a> {
    ChargeParams {
        token,
        amount,
        reference: "order-1",
        description: "Coffee",
        attempt: "pay_0123456789abcdef0123456789abcdef",
        capture: Capture::Auto,
        network_token: None,
        platform_id: None,
        requested_at: 0,
        now: 0,
        customer_ip: None,
        authentication: None,
        recurring: None,
    }
}

fn sealed() -> PagePayload {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/online-payments.json")).unwrap();
    PagePayload::Sealed {
        data: vectors["jwe"][0]["token"].as_str().unwrap().into(),
        key: None,
        product: None,
    }
}

#[tokio::test]
async fn a_decline_is_read_from_the_payment_or_from_what_stands_around_it() {
    let (platform, base) = Platform::start().await;
    platform.answers(
        "/v2/MyPSPID/payments",
        402,
        json!({ "errorId": "e", "errors": [{ "errorCode": "30511001", "message": "no funds" }],
            "paymentResult": { "creationOutput": { "token": "t" }, "payment": { "id": "5_0", "status": "REJECTED",
                "statusOutput": { "statusCode": 2, "statusCategory": "UNSUCCESSFUL" } } } }),
    );
    let gateway = gateway(&base, &json!({}));
    let (token, amount) = (TOKEN.to_owned().into(), euros("10.00"));
    let outcome = gateway
        .charge(&transport(), &charge(&token, &amount))
        .await
        .unwrap();
    let Outcome::Declined(decline) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (
            decline.code.as_deref(),
            decline.reason.as_str(),
            decline.message.as_deref()
        ),
        (Some("30511001"), "insufficient_funds", Some("no funds"))
    );
    for (code, reason) in [
        ("30591001", "suspected_fraud"),
        ("40001134", "authentication_failed"),
        ("30041001", "rejected_by_issuer"),
        ("30171001", "cancelled_by_customer"),
        ("30921001", "technical"),
        ("99999999", "declined"),
    ] {
        // In the payment itself, or around it.
        for (around, inside) in [(code, json!(null)), ("1", json!([{ "errorCode": code }]))] {
            platform.answers(
                "/v2/MyPSPID/payments",
                402,
                json!({ "errors": [{ "errorCode": around }], "paymentResult": { "payment": { "id": "5_0",
                    "status": "REJECTED", "statusOutput": { "statusCode": 2, "errors": inside } } } }),
            );
            let outcome = gateway.charge(&transport(), &charge(&token, &amount)).await;
            assert!(
                matches!(&outcome, Ok(Outcome::Declined(decline)) if decline.reason == reason),
                "{code}: {outcome:?}"
            );
        }
    }
    // A "declined" whose payment says that money is held is no decline.
    platform.answers(
        "/v2/MyPSPID/payments",
        402,
        json!({ "errors": [], "paymentResult": { "payment": { "id": "5_0", "status": "PENDING_CAPTURE",
            "statusOutput": { "statusCode": 5, "isAuthorized": true } } } }),
    );
    let outcome = gateway
        .charge(&transport(), &charge(&token, &amount))
        .await
        .unwrap();
    assert!(matches!(outcome, Outcome::Authorized(_)), "{outcome:?}");
}

fn response(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into_bytes(),
    }
}

fn parsed(status: u16, body: &Value) -> Result<Value, CallError> {
    let unmarshal = |bytes: &[u8]| serde_json::from_slice(bytes).ok();
    errors::read(&response(status, body), Some("k"), &[], unmarshal)
}

#[test]
fn one_odd_member_never_costs_the_rest_of_a_payment_nor_makes_an_approval() {
    let gateway = gateway("http://127.0.0.1:1", &json!({}));
    let amount = euros("10.00");
    let expected = payments::Expected {
        amount: &amount,
        reference: "order-1",
    };
    let captured = json!({
        "creationOutput": { "externalReference": "order-1", "isNewToken": false, "token": TOKEN,
            "tokenizationSucceeded": true },
        "merchantAction": { "actionType": "NONE", "redirectData": { "RETURNMAC": "m", "redirectURL": "https://x/" } },
        "payment": {
            "hostedCheckoutSpecificOutput": { "hostedCheckoutId": "h" }, "id": "3066019730_0", "status": "CAPTURED",
            "paymentOutput": {
                "acquiredAmount": { "amount": 1000, "currencyCode": "EUR" },
                "amountOfMoney": { "amount": 1000, "currencyCode": "EUR" },
                "cardPaymentMethodSpecificOutput": { "acquirerInformation": { "name": "ACQUIRER" },
                    "authorisationCode": "123456", "fraudResults": { "fraudServiceResult": "no-advice" },
                    "card": { "bin": "454545", "cardNumber": "************1234", "countryCode": "FR", "expiryDate": "1230" },
                    "paymentProductId": 1, "threeDSecureResults": { "eci": "9" }, "token": TOKEN },
                "merchantParameters": "", "paymentMethod": "card",
                "references": { "merchantParameters": "", "merchantReference": "order-1" } },
            "statusOutput": { "isAuthorized": false, "isCancellable": false, "isRefundable": true,
                "statusCategory": "COMPLETED", "statusCode": 9, "errors": [{ "errorCode": "0", "httpStatusCode": 200 }] } } });
    let read = |body: &Value| {
        let answer: CreatePaymentResponse = serde_json::from_value(parsed(201, body).unwrap()).unwrap();
        gateway.outcome(
            answer.payment.as_ref(),
            answer.merchant_action.as_ref(),
            Some(&expected),
        )
    };
    assert!(matches!(read(&captured), Outcome::Approved(_)));
    let deciding = [
        "/payment/id",
        "/payment/status",
        "/payment/paymentOutput/amountOfMoney/amount",
        "/payment/paymentOutput/amountOfMoney/currencyCode",
        "/payment/paymentOutput/references/merchantReference",
        "/payment/statusOutput/statusCode",
        "/payment/statusOutput/isAuthorized",
        "/payment/statusOutput/isRefundable",
    ];
    for variant in variants(&captured) {
        let outcome = read(&variant.body);
        let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
        assert!(
            matches!(
                outcome,
                Outcome::Approved(_) | Outcome::Pending(_) | Outcome::Unknown(_)
            ),
            "{said}"
        );
        let approved = matches!(&outcome, Outcome::Approved(approval)
            if approval.platform_id.as_deref() == Some("3066019730_0"));
        let decides = deciding.iter().any(|member| variant.touches(member));
        // The same code as a text, or the same flag, is the same; an amount is a number alone.
        let same = variant.path.starts_with("/payment/statusOutput/")
            && matches!(&variant.odd, Some(Value::String(text)) if ["9", "false", "true"].contains(&text.as_str()))
            || matches!(&variant.odd, Some(Value::Bool(true))) && variant.path.ends_with("isAuthorized");
        if !decides {
            assert!(approved, "{said}");
        } else if !variant.is_absent() && !same {
            assert!(!approved, "{said}");
        }
    }
}

#[test]
fn one_odd_member_never_costs_a_refusal_its_code() {
    let gateway = gateway("http://127.0.0.1:1", &json!({}));
    let declined = json!({ "errorId": "e-1", "status": 402,
        "errors": [{ "category": "PAYMENT_PLATFORM_ERROR", "code": "30511001", "errorCode": "30511001",
            "httpStatusCode": 402, "id": "ABC", "message": "no funds", "propertyName": "p", "retriable": false }],
        "paymentResult": {
            "creationOutput": { "externalReference": "order-1", "isNewToken": false },
            "payment": { "id": "5_0", "status": "REJECTED",
                "paymentOutput": { "amountOfMoney": { "amount": 1000, "currencyCode": "EUR" },
                    "references": { "merchantReference": "order-1" },
                    "cardPaymentMethodSpecificOutput": { "paymentProductId": 1 } },
                "statusOutput": { "isAuthorized": false, "isCancellable": false, "isRefundable": false,
                    "statusCategory": "UNSUCCESSFUL", "statusCode": 2,
                    "errors": [{ "errorCode": "30511001", "id": "ABC", "httpStatusCode": 402, "retriable": false }] } } } });
    for variant in variants(&declined) {
        let said = format!("{} {:?}", variant.path, variant.odd);
        let error = parsed(402, &variant.body).unwrap_err();
        if variant.path == "/paymentResult" && !variant.odd.as_ref().is_some_and(Value::is_object) {
            assert!(
                matches!(&error, CallError::Api(fault) if fault.code() == Some("30511001")),
                "{said}"
            );
            continue;
        }
        let CallError::DeclinedPayment(declined) = error else {
            panic!("{said}");
        };
        let fault = &declined.fault;
        assert!(
            variant.touches("/errors/0") || fault.code() == Some("30511001"),
            "{said}"
        );
        assert!(
            variant.touches("/errorId") || fault.error_id.as_deref() == Some("e-1"),
            "{said}"
        );
        let outcome = gateway.outcome(declined.result.payment.as_ref(), None, None);
        let decides = [
            "/id",
            "/status",
            "/statusOutput/statusCode",
            "/statusOutput/isAuthorized",
            "/statusOutput/isRefundable",
        ]
        .iter()
        .any(|member| variant.touches(&format!("/paymentResult/payment{member}")));
        match outcome {
            Outcome::Declined(decline) => assert!(
                variant.touches("/paymentResult/payment/statusOutput/errors/0/errorCode")
                    || decline.reason == "insufficient_funds",
                "{said}: {decline:?}"
            ),
            Outcome::Pending(_) | Outcome::Unknown(_) => assert!(decides, "{said}"),
            Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Voided(_) => {
                panic!("{said}: {outcome:?}")
            }
        }
    }
    // As it was sent by a platform: codes as texts and texts as codes.
    let refused = json!({ "errorId": "e", "errors": [{ "errorCode": "50001111", "httpStatusCode": "400" }] });
    assert!(
        matches!(parsed(400, &refused), Err(CallError::Validation(fault)) if fault.code() == Some("50001111"))
    );
    let refused = json!({ "type": "about:blank", "title": "Bad request", "status": "400", "detail": 17 });
    let Err(CallError::Validation(fault)) = parsed(400, &refused) else {
        panic!("no refusal");
    };
    let problem = fault.problem.unwrap();
    assert_eq!(
        (problem.status, problem.detail.as_deref()),
        (Some(400), Some("17"))
    );
    let declined = json!({ "errors": [{ "errorCode": 30_511_001 }], "paymentResult": { "payment": {
        "id": "5_0", "status": "REJECTED", "statusOutput": { "statusCode": "2" } } } });
    let Err(CallError::DeclinedPayment(declined)) = parsed(402, &declined) else {
        panic!("no decline");
    };
    assert_eq!(declined.fault.code(), Some("30511001"));
    let outcome = gateway.outcome(declined.result.payment.as_ref(), None, None);
    assert!(matches!(outcome, Outcome::Declined(_)), "{outcome:?}");
}

#[tokio::test]
async fn one_odd_member_never_makes_a_change() {
    let (platform, base) = Platform::start().await;
    let gateway = gateway(&base, &json!({}));
    let transport = transport();
    let amount = euros("10.00");
    let change = PaymentRef {
        reference: "order-1",
        authorization: None,
        platform_id: Some("5_0"),
        bin: None,
        last4: None,
        amount: &amount,
        moved: &amount,
        attempt: "chg-1",
        again: true,
        repeat: false,
    };
    let found = json!({ "id": "5_0", "status": "CANCELLED", "paymentOutput": { "amountOfMoney": { "amount": 1000,
        "currencyCode": "EUR" } }, "statusOutput": { "statusCode": 6, "isAuthorized": false, "statusCategory": "X" } });
    for variant in variants(&found) {
        platform.answers("/v2/MyPSPID/payments/5_0", 200, variant.body.clone());
        let changed = gateway.void(&transport, &change).await.unwrap();
        let decides = [
            "/id",
            "/status",
            "/statusOutput/statusCode",
            "/statusOutput/isAuthorized",
            "/statusOutput/isRefundable",
        ]
        .iter()
        .any(|member| variant.touches(member));
        let same = variant.is_absent()
            || matches!(&variant.odd, Some(Value::String(text)) if ["6", "false"].contains(&text.as_str()))
            // Another code of the same meaning.
            || matches!(&variant.odd, Some(Value::Number(_)))
            || matches!(&variant.odd, Some(Value::Bool(_)));
        let said = format!("{} {:?}: {changed:?}", variant.path, variant.odd);
        if !decides {
            assert_eq!(changed, Change::Done, "{said}");
        } else if !same {
            assert_ne!(changed, Change::Done, "{said}");
        }
    }
}

#[test]
fn a_stored_card_that_is_linked_to_another_token_is_read() {
    let linked = json!({ "ComputedToken": "abc", "GTSComputedToken": "def", "GeneratedToken": "ghi" });
    let answer = json!({ "token": "t-1", "isNewToken": true, "tokenStatus": "CREATED",
        "card": { "cardNumber": "************1111", "cardholderName": "Ada", "expiryDate": "1230" },
        "externalTokenLinked": linked });
    let read: CreatedTokenResponse = serde_json::from_value(answer.clone()).unwrap();
    let known = read.external_token_linked.as_ref().unwrap();
    assert_eq!(
        (
            known.computed_token.as_deref(),
            known.gts_computed_token.as_deref(),
            known.generated_token.as_deref()
        ),
        (Some("abc"), Some("def"), Some("ghi"))
    );
    assert_eq!(serde_json::to_value(&read).unwrap(), answer);
    let shown = format!("{read:?}");
    assert!(
        !shown.contains("abc") && !shown.contains("def") && !shown.contains("ghi"),
        "{shown}"
    );
    for variant in variants(&answer) {
        let read: CreatedTokenResponse = serde_json::from_value(variant.body.clone()).unwrap();
        assert!(
            variant.path == "/token" || read.token.as_deref() == Some("t-1"),
            "{}",
            variant.path
        );
    }
}

#[tokio::test]
async fn a_charge_says_what_is_asked_and_reads_what_became_of_it() {
    let (platform, base) = Platform::start().await;
    let more = json!({ "authorization_mode": "pre", "stored_card_initiator": "merchant",
        "return_url": "https://shop.example/return" });
    let gateway = gateway(&base, &more);
    let (token, amount) = (TOKEN.to_owned().into(), euros("10.00"));
    for (word, code, expected) in [
        ("CAPTURED", 9, "approved"),
        ("PENDING_CAPTURE", 5, "authorized"),
        ("CAPTURE_REQUESTED", 91, "pending"),
        ("AUTHORIZATION_REQUESTED", 51, "pending"),
        ("REDIRECTED", 46, "pending"),
        ("REJECTED", 2, "declined"),
        ("CANCELLED", 1, "declined"),
        ("CANCELLED", 6, "voided"),
        ("SOMETHING_NEW", 9, "pending"),
        ("CAPTURED", 5, "pending"),
        ("CAPTURED", 12345, "pending"),
    ] {
        platform.becomes(word, code);
        platform.answers.lock().unwrap().clear();
        let outcome = gateway
            .charge(&transport(), &charge(&token, &amount))
            .await
            .unwrap();
        let found = match &outcome {
            Outcome::Approved(_) => "approved",
            Outcome::Authorized(_) => "authorized",
            Outcome::Voided(_) => "voided",
            Outcome::Declined(_) => "declined",
            Outcome::Pending(pending) => {
                assert_eq!(pending.platform_id, "3254564310_0");
                "pending"
            }
            Outcome::Unknown(_) => "unknown",
        };
        assert_eq!(found, expected, "{word} {code}");
    }
    let seen = platform.seen().pop().unwrap();
    assert_eq!(
        seen.headers["x-gcs-idempotence-key"],
        "pay_0123456789abcdef0123456789abcdef"
    );
    let card = json!({ "token": TOKEN, "authorizationMode": "SALE", "transactionChannel": "ECOMMERCE",
        "unscheduledCardOnFileRequestor": "merchantInitiated",
        "unscheduledCardOnFileSequenceIndicator": "subsequent",
        "threeDSecure": { "redirectionData": { "returnUrl": "https://shop.example/return" } } });
    assert_eq!(
        seen.body,
        json!({ "order": { "amountOfMoney": { "amount": 1000, "currencyCode": "EUR" },
            "references": { "merchantReference": "order-1" } }, "cardPaymentMethodSpecificInput": card })
    );
    let mut later = charge(&token, &amount);
    later.capture = Capture::Later;
    gateway.charge(&transport(), &later).await.unwrap();
    let seen = platform.seen().pop().unwrap();
    assert_eq!(
        seen.body["cardPaymentMethodSpecificInput"]["authorizationMode"],
        "PRE_AUTHORIZATION"
    );
    // What is not ours, or cannot be sent.
    let before = platform.seen().len();
    let long = "x".repeat(41);
    let mut params = charge(&token, &amount);
    params.reference = &long;
    assert_eq!(
        gateway.charge(&transport(), &params).await,
        Err(Refusal::Invalid("order_reference"))
    );
    let odd = "a/b".to_owned().into();
    assert_eq!(
        gateway.charge(&transport(), &charge(&odd, &amount)).await,
        Err(Refusal::Invalid("token"))
    );
    assert_eq!(platform.seen().len(), before);
    platform.answers(
        "/v2/MyPSPID/payments",
        201,
        json!({ "payment": { "id": "5_0", "status": "CAPTURED", "statusOutput": { "statusCode": 9 }, "paymentOutput": {
            "amountOfMoney": { "amount": 999, "currencyCode": "EUR" } } } }),
    );
    assert_eq!(
        gateway.charge(&transport(), &charge(&token, &amount)).await,
        Ok(Outcome::Unknown(Doubt::Contradictory))
    );
    for url in [
        "https://bank.example/3ds",
        "javascript:alert(1)",
        "http://bank.example/",
    ] {
        platform.answers(
            "/v2/MyPSPID/payments",
            201,
            json!({ "merchantAction": { "actionType": "REDIRECT", "redirectData": { "redirectURL": url, "RETURNMAC": "m" } },
                "payment": { "id": "5_0", "status": "REDIRECTED", "statusOutput": { "statusCode": 46 } } }),
        );
        let outcome = gateway
            .charge(&transport(), &charge(&token, &amount))
            .await
            .unwrap();
        let Outcome::Pending(pending) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(pending.redirect.is_some(), url.starts_with("https"), "{url}");
    }
}

/// Every way in which three answers in a row can get lost.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_never_double_a_charge() {
    let transport = transport();
    let mut tasks = JoinSet::new();
    for a in TROUBLES {
        for b in TROUBLES {
            for c in TROUBLES {
                let transport = transport.clone();
                tasks.spawn(async move {
                    let (platform, base) = Platform::start().await;
                    let gateway = gateway(&base, &json!({}));
                    platform.trouble(&[a, b, c]);
                    let (token, amount) = (TOKEN.to_owned().into(), euros("10.00"));
                    let params = charge(&token, &amount);
                    let outcome = gateway.charge(&transport, &params).await;
                    let told = format!("{a:?} {b:?} {c:?}: {outcome:?}");
                    match &outcome {
                        Ok(Outcome::Approved(_)) => assert_eq!(platform.done(), 1, "{told}"),
                        Ok(Outcome::Unknown(_)) => assert!(platform.done() <= 1, "{told}"),
                        _ => panic!("{told}"),
                    }
                    platform.trouble(&[]);
                    let found = gateway.lookup(&transport, &params, true).await;
                    assert!(matches!(found, Ok(Outcome::Approved(_))), "{told} {found:?}");
                    assert_eq!(platform.done(), 1, "{told}");
                    let keys: std::collections::BTreeSet<_> = platform
                        .seen()
                        .iter()
                        .map(|seen| seen.headers["x-gcs-idempotence-key"].clone())
                        .collect();
                    assert_eq!(keys.len(), 1, "{told}");
                });
            }
        }
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_counts_only_if_no_answer_was_lost_before() {
    let message = format!("no 4567350000427977 {TOKEN}");
    let error = json!({ "errorCode": "50001111", "id": "INVALID_VALUE", "message": message });
    let refusal = json!({ "errors": [error] });
    let (platform, base) = Platform::start().await;
    let gateway = gateway(&base, &json!({}));
    let (token, amount) = (TOKEN.to_owned().into(), euros("10.00"));
    for status in [400, 401, 403, 404, 422] {
        platform.answers("/v2/MyPSPID/payments", status, refusal.clone());
        let Err(Refusal::Rejected(rejection)) = gateway.charge(&transport(), &charge(&token, &amount)).await
        else {
            panic!("{status} is no refusal");
        };
        assert_eq!(
            (
                rejection.code.as_deref(),
                rejection.name.as_deref(),
                rejection.status
            ),
            (Some("50001111"), Some("INVALID_VALUE"), Some(status))
        );
        assert!(!rejection.message.contains("4567") && !rejection.message.contains(TOKEN));
    }
    platform.trouble(&[Trouble::LateBefore]);
    let outcome = gateway.charge(&transport(), &charge(&token, &amount)).await;
    assert!(matches!(outcome, Ok(Outcome::Unknown(_))), "{outcome:?}");
    // 402 without a payment, and 409, are no refusals either.
    let mut tasks = JoinSet::new();
    for status in [402, 408, 409, 500, 502, 503, 504, 302] {
        let refusal = refusal.clone();
        tasks.spawn(async move {
            let (platform, base) = Platform::start().await;
            let gateway = self::gateway(&base, &json!({}));
            platform.answers("/v2/MyPSPID/payments", status, refusal);
            let (token, amount) = (TOKEN.to_owned().into(), euros("10.00"));
            let outcome = gateway.charge(&transport(), &charge(&token, &amount)).await;
            assert!(matches!(outcome, Ok(Outcome::Unknown(_))), "{status} {outcome:?}");
        });
    }
    tasks.join_all().await;
    // Nobody there: nothing was sent.
    let gateway = self::gateway("http://127.0.0.1:1", &json!({}));
    assert_eq!(
        gateway.charge(&transport(), &charge(&token, &amount)).await,
        Err(Refusal::NotSent)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_made_once_and_waited_for() {
    let (platform, base) = Platform::start().await;
    let gateway = gateway(&base, &json!({}));
    let transport = transport();
    let (amount, part) = (euros("10.00"), euros("4.00"));
    let change = |attempt: &'static str, again: bool, repeat: bool| PaymentRef {
        reference: "order-1",
        authorization: None,
        platform_id: Some("3254564310_0"),
        bin: None,
        last4: None,
        amount: &amount,
        moved: &part,
        attempt,
        again,
        repeat,
    };
    // Capture: requested first, then done.
    platform.becomes("CAPTURE_REQUESTED", 91);
    let of = change("chg-1", false, true);
    assert_eq!(
        gateway.capture(&transport, &of, Some(&part)).await,
        Ok(Change::Unknown(Doubt::Pending))
    );
    let seen = platform.seen().pop().unwrap();
    assert_eq!(seen.path, "/v2/MyPSPID/payments/3254564310_0/capture");
    assert_eq!(seen.body, json!({ "amount": 400, "isFinal": true }));
    platform.answers(
        "/v2/MyPSPID/payments/3254564310_0/details",
        200,
        json!({ "Operations": [{ "id": "3254564310_0", "status": "PENDING_CAPTURE", "statusOutput": { "statusCode": 5 } },
            { "id": "3254564310_1", "status": "CAPTURE_REQUESTED", "statusOutput": { "statusCode": 91 } }] }),
    );
    let again = change("chg-1", true, true);
    assert_eq!(
        gateway.capture(&transport, &again, Some(&part)).await,
        Ok(Change::Unknown(Doubt::Pending))
    );
    platform.answers(
        "/v2/MyPSPID/payments/3254564310_0/details",
        200,
        json!({ "Operations": [{ "id": "3254564310_1", "status": "CAPTURED", "statusOutput": { "statusCode": 9 } }] }),
    );
    assert_eq!(
        gateway.capture(&transport, &again, Some(&part)).await,
        Ok(Change::Done)
    );
    assert_eq!(platform.done(), 1);
    platform.answers(
        "/v2/MyPSPID/payments/3254564310_0/details",
        200,
        json!({ "Operations": [{ "id": "3254564310_1", "status": "REJECTED_CAPTURE", "statusOutput": { "statusCode": 93 } }] }),
    );
    assert!(matches!(
        gateway.capture(&transport, &again, Some(&part)).await,
        Err(Refusal::Rejected(_))
    ));
    // Once the key is too old, it is only looked for.
    let sent = platform.done();
    platform.becomes("CAPTURED", 9);
    assert_eq!(
        gateway
            .capture(&transport, &change("chg-1", true, false), None)
            .await,
        Ok(Change::Done)
    );
    platform.becomes("PENDING_CAPTURE", 5);
    assert!(matches!(
        gateway
            .capture(&transport, &change("chg-1", true, false), None)
            .await,
        Ok(Change::Unknown(_))
    ));
    // Of a refund of a part the payment does not say whether it was this one.
    platform.becomes("REFUNDED", 8);
    assert!(matches!(
        gateway
            .refund(&transport, &change("chg-1", true, false), None)
            .await,
        Ok(Change::Unknown(_))
    ));
    assert_eq!(platform.done(), sent);
    // Refund and cancellation at once.
    let of = change("chg-2", false, true);
    assert_eq!(
        gateway.refund(&transport, &of, Some(&part)).await,
        Ok(Change::Done)
    );
    let seen = platform.seen().pop().unwrap();
    assert_eq!(
        seen.body,
        json!({ "amountOfMoney": { "amount": 400, "currencyCode": "EUR" } })
    );
    platform.becomes("CANCELLED", 61);
    assert_eq!(
        gateway.void(&transport, &change("chg-3", false, true)).await,
        Ok(Change::Unknown(Doubt::Pending))
    );
    platform.becomes("CANCELLED", 6);
    assert_eq!(
        gateway.void(&transport, &change("chg-4", false, true)).await,
        Ok(Change::Done)
    );
    platform.becomes("CAPTURED", 83);
    assert!(matches!(
        gateway
            .refund(&transport, &change("chg-5", false, true), None)
            .await,
        Err(Refusal::Rejected(_))
    ));
    // Lost answers.
    platform.becomes("REFUNDED", 8);
    for (index, trouble) in [
        Trouble::LateAfter,
        Trouble::GatewayAfter,
        Trouble::ErrorAfter,
        Trouble::Busy,
        Trouble::LateBefore,
    ]
    .into_iter()
    .enumerate()
    {
        platform.trouble(&[trouble]);
        let before = platform.done();
        let key = ["chg-a", "chg-b", "chg-c", "chg-d", "chg-e"][index];
        assert_eq!(
            gateway.refund(&transport, &change(key, false, true), None).await,
            Ok(Change::Done),
            "{trouble:?}"
        );
        assert_eq!(platform.done(), before + 1, "{trouble:?}");
    }
    // Without the platform's id nothing is sent.
    let mut of = change("chg-9", false, true);
    of.platform_id = None;
    assert_eq!(
        gateway.capture(&transport, &of, None).await,
        Err(Refusal::Invalid("platform_id"))
    );
}

#[tokio::test]
async fn sessions_hand_out_what_a_page_needs_and_keep_the_rest() {
    let (platform, base) = Platform::start().await;
    let gateway = gateway(&base, &json!({ "locale": "de_DE" }));
    let amount = euros("10.00");
    let params = |kind, mode| SessionParams {
        capture: Capture::Auto,
        kind,
        mode,
        reference: "order-1",
        token: None,
        amount: (kind == Kind::Payment).then_some(&amount),
        description: "",
        page: Page {
            return_url: Some("https://shop.example/back"),
            ..Page::default()
        },
        customer_ip: None,
    };
    let answer = json!({ "clientSessionId": "abc", "customerId": "9991-abc", "clientApiUrl": "https://clientapi.example/client",
        "assetUrl": "https://assets.example/", "invalidTokens": [] });
    platform.answers("/v2/MyPSPID/sessions", 201, answer.clone());
    let opened = gateway
        .open_session(&transport(), &params(Kind::Payment, Mode::Relay))
        .await
        .unwrap();
    assert_eq!(Value::Object(opened.public), answer);
    // The amount is the merchant's: the card comes from the page, the amount from what was kept.
    let open = |state, attempt| OpenSession {
        id: "ses_1",
        now: 0,
        state,
        kind: Kind::Payment,
        reference: "order-1",
        attempt,
    };
    let outcome = gateway
        .pay(&transport(), &open(&opened.state, "pay-1"), sealed(), false)
        .await
        .unwrap();
    assert!(matches!(outcome, Outcome::Approved(_)), "{outcome:?}");
    let seen = platform.seen().pop().unwrap();
    assert_eq!(
        seen.body["order"]["amountOfMoney"],
        json!({ "amount": 1000, "currencyCode": "EUR" })
    );
    assert_eq!(seen.headers["x-gcs-idempotence-key"], "pay-1");
    assert!(seen.body["encryptedCustomerInput"].is_string());
    let nothing = SecretString::default();
    assert!(
        gateway
            .pay(&transport(), &open(&nothing, "pay-2"), sealed(), false)
            .await
            .is_err()
    );
    for bad in [
        json!({ "clientSessionId": "abc" }),
        json!({ "clientSessionId": "a b", "customerId": "c", "clientApiUrl": "https://c.example" }),
        json!({ "clientSessionId": "abc", "customerId": "c", "clientApiUrl": "javascript:x" }),
        json!({ "clientSessionId": "abc", "customerId": "c", "clientApiUrl": "http://c.example" }),
    ] {
        platform.answers("/v2/MyPSPID/sessions", 201, bad.clone());
        assert!(
            gateway
                .open_session(&transport(), &params(Kind::Tokenize, Mode::Relay))
                .await
                .is_err(),
            "{bad}"
        );
    }
    // A token from what the page encrypted.
    platform.answers(
        "/v2/MyPSPID/tokens",
        201,
        json!({ "token": TOKEN, "card": { "cardNumber": "************7977",
        "cardholderName": "Jane Doe", "expiryDate": "1230" } }),
    );
    let session = OpenSession {
        id: "ses_1",
        now: 0,
        state: &nothing,
        kind: Kind::Tokenize,
        reference: "r",
        attempt: "",
    };
    let PagePayload::Sealed { data, .. } = sealed() else {
        panic!()
    };
    let payload = |product| PagePayload::Sealed {
        data: data.clone(),
        key: None,
        product: Some(product),
    };
    let facts = |card: &StoredCard| {
        assert_eq!(card.token.expose_secret(), TOKEN);
        (
            card.brand.clone(),
            card.last4.clone(),
            card.expiry,
            card.holder.clone(),
        )
    };
    let said = |brand: Option<&str>| {
        (
            brand.map(Into::into),
            Some("7977".into()),
            Some((12, 2030)),
            Some("Jane Doe".into()),
        )
    };
    // The platform cannot be asked about it: the product that the page named is not believed.
    let card = gateway
        .tokenize(&transport(), &session, payload(3))
        .await
        .unwrap();
    assert_eq!(facts(&card), said(None));
    platform.answers(
        &format!("/v2/MyPSPID/tokens/{TOKEN}"),
        200,
        json!({ "id": TOKEN, "paymentProductId": 1, "card": { "data": { "cardWithoutCvv": {
            "cardNumber": "************7977", "cardholderName": "Jane Doe", "expiryDate": "1230" } } } }),
    );
    let card = gateway
        .tokenize(&transport(), &session, payload(3))
        .await
        .unwrap();
    assert_eq!(facts(&card), said(Some("visa")));
    let seen = platform.seen();
    let created = seen.iter().rev().find(|call| call.body["paymentProductId"] == 3);
    assert!(created.is_some());
    gateway
        .delete_token(&transport(), &"unknown".to_owned().into())
        .await
        .unwrap();
    platform.answers(
        "/v2/MyPSPID/tokens/forbidden",
        403,
        json!({ "errors": [{ "code": "9007" }] }),
    );
    assert!(
        gateway
            .delete_token(&transport(), &"forbidden".to_owned().into())
            .await
            .is_err()
    );
    assert!(
        gateway
            .open_session(&transport(), &params(Kind::Update, Mode::Relay))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_platforms_own_pages_are_asked_about_and_not_believed() {
    let (platform, base) = Platform::start().await;
    let gateway = gateway(&base, &json!({}));
    let amount = euros("1.23");
    let params = |kind| SessionParams {
        capture: Capture::Auto,
        kind,
        mode: Mode::Direct,
        reference: "order-1",
        token: None,
        amount: Some(&amount),
        description: "",
        page: Page {
            return_url: Some("https://shop.example/back"),
            locale: Some("de_DE"),
            variant: Some("t.html"),
        },
        customer_ip: None,
    };
    platform.answers(
        "/v2/MyPSPID/hostedcheckouts",
        200,
        json!({ "RETURNMAC": "mac-1", "hostedCheckoutId": "325",
        "redirectUrl": "https://payment.example/form/1" }),
    );
    let opened = gateway
        .open_session(&transport(), &params(Kind::Payment))
        .await
        .unwrap();
    assert_eq!(
        Value::Object(opened.public),
        json!({ "redirectUrl": "https://payment.example/form/1" })
    );
    let seen = platform.seen().pop().unwrap();
    assert_eq!(
        seen.body["hostedCheckoutSpecificInput"],
        json!({ "returnUrl": "https://shop.example/back",
        "locale": "de_DE", "variant": "t.html", "sessionTimeout": 30 })
    );
    assert_eq!(seen.body["order"]["references"]["merchantReference"], "order-1");
    let session = OpenSession {
        id: "ses_1",
        now: 0,
        state: &opened.state,
        kind: Kind::Payment,
        reference: "order-1",
        attempt: "",
    };
    let look =
        async |answer: Option<Value>| gateway.page_state(&transport(), &session, answer.as_ref()).await;
    platform.answers(
        "/v2/MyPSPID/hostedcheckouts/325",
        200,
        json!({ "status": "IN_PROGRESS" }),
    );
    assert_eq!(look(None).await, Ok(PageState::Open));
    assert_eq!(
        look(Some(json!({ "RETURNMAC": "mac-1", "hostedCheckoutId": "325" }))).await,
        Ok(PageState::Open)
    );
    let before = platform.seen().len();
    for wrong in [
        json!({}),
        json!({ "RETURNMAC": "mac-2" }),
        json!({ "RETURNMAC": "" }),
        json!({ "RETURNMAC": ["mac-1"] }),
    ] {
        assert_eq!(look(Some(wrong)).await, Err(Refusal::Invalid("answer").into()));
    }
    assert_eq!(platform.seen().len(), before);
    platform.answers(
        "/v2/MyPSPID/hostedcheckouts/325",
        200,
        json!({ "status": "CANCELLED_BY_CONSUMER" }),
    );
    assert_eq!(look(None).await, Ok(PageState::Cancelled));
    let created = |amount: u64, reference: &str| {
        json!({ "status": "PAYMENT_CREATED", "createdPaymentOutput": {
        "paymentStatusCategory": "SUCCESSFUL", "payment": { "id": "325_0", "status": "CAPTURED",
            "statusOutput": { "statusCode": 9, "isAuthorized": false, "isRefundable": true },
            "paymentOutput": { "amountOfMoney": { "amount": amount, "currencyCode": "EUR" },
                "references": { "merchantReference": reference } } } } })
    };
    platform.answers("/v2/MyPSPID/hostedcheckouts/325", 200, created(123, "order-1"));
    let Ok(PageState::Paid(Outcome::Approved(approval))) = look(None).await else {
        panic!("not paid")
    };
    assert_eq!(approval.platform_id.as_deref(), Some("325_0"));
    platform.answers("/v2/MyPSPID/hostedcheckouts/325", 200, created(1, "order-1"));
    assert_eq!(
        look(None).await,
        Ok(PageState::Paid(Outcome::Unknown(Doubt::Contradictory)))
    );
    platform.answers("/v2/MyPSPID/hostedcheckouts/325", 200, created(123, "order-2"));
    assert_eq!(
        look(None).await,
        Ok(PageState::Paid(Outcome::Unknown(Doubt::WrongReference)))
    );
    // The partial address is completed as published.
    platform.answers(
        "/v2/MyPSPID/hostedcheckouts",
        200,
        json!({ "RETURNMAC": "m", "hostedCheckoutId": "325",
        "partialRedirectUrl": "preprod.payone.com/hostedcheckout/1" }),
    );
    let opened = gateway
        .open_session(&transport(), &params(Kind::Payment))
        .await
        .unwrap();
    assert_eq!(
        opened.public["redirectUrl"],
        "https://payment.preprod.payone.com/hostedcheckout/1"
    );
    // Tokenization.
    platform.answers(
        "/v2/MyPSPID/hostedtokenizations",
        200,
        json!({ "hostedTokenizationId": "htp-1",
        "hostedTokenizationUrl": "https://payment.example/htp/1", "sri": "sha384-x" }),
    );
    let opened = gateway
        .open_session(&transport(), &params(Kind::Tokenize))
        .await
        .unwrap();
    assert_eq!(
        Value::Object(opened.public),
        json!({ "hostedTokenizationUrl": "https://payment.example/htp/1", "sri": "sha384-x" })
    );
    let session = OpenSession {
        id: "ses_1",
        now: 0,
        state: &opened.state,
        kind: Kind::Tokenize,
        reference: "r",
        attempt: "",
    };
    // What the platform says of a form that nobody has filled in is not documented.
    let page = "/v2/MyPSPID/hostedtokenizations/htp-1";
    let fault = |code: &str| json!({ "errorId": "e", "errors": [{ "errorCode": code }] });
    for (status, body) in [
        (404, fault("20001101")),
        (400, fault("50001111")),
        (200, json!({})),
        (200, json!({ "token": null })),
        (200, json!({ "token": { "paymentProductId": 1 } })),
    ] {
        platform.answers(page, status, body.clone());
        let open = gateway
            .tokenize(&transport(), &session, PagePayload::Answer(json!({})))
            .await
            .err();
        assert_eq!(open, Some(Refusal::PageOpen.into()), "{status} {body}");
    }
    // Anything else is what it is.
    for (status, body) in [
        (403, fault("9007")),
        (500, fault("1")),
        (404, json!({})),
        // There is a card, and nobody can read which.
        (200, json!({ "token": "t-1" })),
        (200, json!({ "token": { "id": { "a": 1 } } })),
    ] {
        platform.answers(page, status, body.clone());
        let failed = gateway
            .tokenize(&transport(), &session, PagePayload::Answer(json!({})))
            .await
            .err();
        assert!(
            failed
                .as_ref()
                .is_some_and(|error| *error != Refusal::PageOpen.into()),
            "{status} {body} {failed:?}"
        );
    }
    platform.answers(
        "/v2/MyPSPID/hostedtokenizations/htp-1",
        200,
        json!({ "tokenStatus": "CREATED", "token": {
        "id": TOKEN, "paymentProductId": 3, "card": { "alias": "************0006",
            "data": { "cardWithoutCvv": { "cardNumber": "************0006", "expiryDate": "0130" } } } } }),
    );
    let card = gateway
        .tokenize(
            &transport(),
            &session,
            PagePayload::Answer(json!({ "id": "evil" })),
        )
        .await
        .unwrap();
    assert_eq!(
        (
            card.token.expose_secret(),
            card.brand.as_deref(),
            card.last4.as_deref(),
            card.expiry
        ),
        (TOKEN, Some("mastercard"), Some("0006"), Some((1, 2030)))
    );
}

#[tokio::test]
async fn an_event_is_a_hint_and_the_platform_is_asked() {
    let (platform, base) = Platform::start().await;
    let gateway = gateway(
        &base,
        &json!({ "webhook_keys": [{ "id": "old", "secret": "s1" }, { "id": "new", "secret": "s2" }] }),
    );
    let send = |key: &str, secret: &str, body: &Value| {
        let body = body.to_string();
        let signature = mac(secret, &body);
        gateway.read_notifications(
            "",
            &[("X-GCS-Signature", &signature), ("X-GCS-KeyId", key)],
            body.as_bytes(),
        )
    };
    let event = |id: &str, about: Value| {
        let mut event =
            json!({ "apiVersion": "v1", "id": id, "merchantId": "mypspid", "type": "payment.captured" });
        event
            .as_object_mut()
            .unwrap()
            .extend(about.as_object().unwrap().clone());
        event
    };
    let payment = event(
        "e1",
        json!({ "payment": { "id": "3254564310_2", "paymentOutput": {
        "references": { "merchantReference": "order-1" } } } }),
    );
    for (key, secret) in [("old", "s1"), ("new", "s2")] {
        let noticed = send(key, secret, &payment).unwrap();
        assert_eq!((noticed.len(), noticed[0].id.as_deref()), (1, Some("e1")));
        assert!(
            matches!(&noticed[0].notification, Notification::Hint { reference, platform_id }
            if reference == "order-1" && platform_id == "3254564310_0")
        );
    }
    assert_eq!(send("old", "s2", &payment).err(), Some(Error::SignatureInvalid));
    assert_eq!(send("third", "s1", &payment).err(), Some(Error::SignatureInvalid));
    let refund = event("e2", json!({ "refund": { "id": "3254564310_1" } }));
    let others = event(
        "e3",
        json!({ "merchantId": "SomebodyElse", "payment": { "id": "1_0" } }),
    );
    let bent = event("e4", json!({ "payment": { "id": "../x" } }));
    // A trial of the address: its payment was never made.
    let mut trial = event("e5", json!({ "payment": { "id": "1_0" } }));
    trial["type"] = "payment.test".into();
    let noticed = send("old", "s1", &json!([payment, refund, others, bent, trial])).unwrap();
    assert_eq!(noticed.len(), 5);
    assert!(
        matches!(&noticed[1].notification, Notification::Hint { platform_id, .. } if platform_id == "3254564310_0")
    );
    for nothing in &noticed[2..] {
        assert!(matches!(nothing.notification, Notification::Nothing { .. }));
    }
    assert_eq!(
        send("old", "s1", &json!({ "apiVersion": "v2" })).err(),
        Some(Error::Doubtful(Doubt::Undecodable))
    );
    assert!(platform.seen().is_empty());
    platform.answers("/v2/MyPSPID/payments/3254564310_0", 200, json!({ "id": "3254564310_0", "status": "CAPTURED",
        "statusOutput": { "statusCode": 9 }, "paymentOutput": { "references": { "merchantReference": "order-1" } } }));
    assert!(matches!(gateway.confirm(&transport(), "3254564310_0").await,
        Ok(Notification::Payment { reference, news: crate::gateway::PaymentEvent::Approved(_) }) if reference == "order-1"));
    platform.answers(
        "/v2/MyPSPID/payments/3254564310_0",
        200,
        json!({ "id": "999_0", "status": "CAPTURED",
        "statusOutput": { "statusCode": 9 } }),
    );
    assert!(gateway.confirm(&transport(), "3254564310_0").await.is_err());
    assert_eq!(
        gateway
            .endpoint_verification(&[(webhooks::ENDPOINT_VERIFICATION, "abc")])
            .as_deref(),
        Some("abc")
    );
}

#[test]
fn names_every_mistake_of_the_settings_and_no_value() {
    let tree = json!({ "environment": "custom", "base_url": "https://hunter2.example/v2", "merchant_id": "hunter2/..",
        "api_key_id": "hunter2:x", "secret_api_key": "hunter2", "authorization_mode": "hunter2",
        "return_url": "http://hunter2.example", "session_seconds": 1, "webhook_path_secret": "hunter2",
        "webhook_keys": [{ "id": "x" }], "colour": "hunter2" });
    let mistakes = Mistakes::default();
    assert!(OnlinePayments::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes)).is_none());
    let found = format!("{:?}", mistakes.borrow());
    for key in [
        "base_url",
        "merchant_id",
        "authorization_mode",
        "return_url",
        "session_seconds",
        "webhook_path_secret",
        "webhook_keys[0].secret",
        "colour",
    ] {
        assert!(found.contains(key), "{key} is not in {found}");
    }
    assert!(!found.contains("hunter2"), "{found}");
    let mistakes = Mistakes::default();
    let tree = json!({ "merchant_id": "m", "api_key_id": "k", "secret_api_key": "s",
        "webhook_path_secret": "0123456789abcdef" });
    let _gateway = OnlinePayments::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes));
    assert_eq!(mistakes.borrow()[0].key, "webhook_keys");
    // One id, two secrets: which one would it be?
    let mistakes = Mistakes::default();
    let tree = json!({ "merchant_id": "m", "api_key_id": "k", "secret_api_key": "s",
        "webhook_keys": [{ "id": "a", "secret": "s1" }, { "id": "b", "secret": "s1" }, { "id": "a", "secret": "hunter2" }] });
    let _gateway = OnlinePayments::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes));
    let found = format!("{:?}", mistakes.borrow());
    assert!(
        mistakes.borrow().len() == 1 && found.contains("webhook_keys[2].id") && !found.contains("hunter2"),
        "{found}"
    );
    let mistakes = Mistakes::default();
    let tree = json!({});
    assert!(OnlinePayments::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes)).is_none());
    let keys: Vec<_> = mistakes
        .borrow()
        .iter()
        .map(|mistake| mistake.key.clone())
        .collect();
    assert_eq!(keys, ["merchant_id", "api_key_id", "secret_api_key"]);
}

#[test]
fn takes_a_sealed_card_by_its_shape() {
    let PagePayload::Sealed { data, .. } = sealed() else {
        panic!()
    };
    assert!(check_sealed(&data).is_ok());
    let parts: Vec<&str> = data.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","enc":"A256CBC-HS512"}"#);
    for bad in [
        String::new(),
        "a.b.c.d.e".into(),
        parts[..4].join("."),
        format!("{data}.x"),
        format!("{data}="),
        data.replace('.', ".."),
        [other.as_str(), parts[1], parts[2], parts[3], parts[4]].join("."),
        format!("{}.{}", "A".repeat(8000), data),
    ] {
        assert!(check_sealed(&bad).is_err(), "{bad}");
    }
}

#[test]
fn ids_of_operations_lead_to_their_payment() {
    for (id, payment) in [
        ("3254564310_0", Some("3254564310_0")),
        ("3254564310_12", Some("3254564310_0")),
        ("00000200000143570012", Some("00000200000143570012")),
        ("a_b", Some("a_b")),
        ("a_", Some("a_")),
        ("../x_1", None),
        ("", None),
    ] {
        assert_eq!(payments::payment_id(id).as_deref(), payment, "{id}");
    }
}

/// The product number outside the ciphertext is the page's word.
#[tokio::test]
async fn what_is_stored_of_an_encrypted_card_is_the_platforms_word() {
    let (platform, base) = Platform::start().await;
    let gateway = gateway(&base, &json!({}));
    let state = SecretString::default();
    let session = OpenSession {
        id: "ses_1",
        now: 0,
        state: &state,
        kind: Kind::Tokenize,
        reference: "r",
        attempt: "",
    };
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A256CBC-HS512","kid":"k"}"#);
    let hand = || PagePayload::Sealed {
        data: format!("{header}.a.b.c.d"),
        key: None,
        product: Some(1),
    };
    platform.answers(
        "/v2/MyPSPID/tokens",
        201,
        json!({ "token": TOKEN, "isNewToken": true, "tokenStatus": "CREATED",
            "card": { "cardNumber": "************0006", "expiryDate": "0130" } }),
    );
    // Not told: the card is stored all the same, without a brand.
    let card = gateway.tokenize(&transport(), &session, hand()).await.unwrap();
    assert_eq!(
        (card.token.expose_secret(), card.brand, card.last4.as_deref()),
        (TOKEN, None, Some("0006"))
    );
    platform.answers(
        &format!("/v2/MyPSPID/tokens/{TOKEN}"),
        200,
        json!({ "id": TOKEN, "paymentProductId": 3, "card": { "alias": "************0006",
            "data": { "cardWithoutCvv": { "cardNumber": "************0006", "expiryDate": "0130" } } } }),
    );
    let card = gateway.tokenize(&transport(), &session, hand()).await.unwrap();
    assert_eq!(
        (card.token.expose_secret(), card.brand.as_deref(), card.expiry),
        (TOKEN, Some("mastercard"), Some((1, 2030)))
    );
}
