//! The gateway against an acquirer of a few lines.

#[allow(dead_code, reason = "the client's own tests need more of it")]
#[path = "../../../worldline/src/acquiring/tests/acquirer.rs"]
mod acquirer;

use std::sync::Mutex;
use std::time::Duration;

use base64::Engine;
use cardseal::session::{Kind, Mode};
use cardseal_worldline::acquiring::domain::*;
use cardseal_worldline::acquiring::errors::{self, Error as CallError};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::answer::rejection;
use super::*;
use crate::error::Doubt;
use crate::gateway::{Capture, Page};
use crate::settings::{Mistakes, Settings};
use crate::transport::{Response, Timeouts};
use crate::variants::variants;
use acquirer::{Acquirer, PAN, PROCESSING, SECRET, Trouble};

const CRYPTOGRAM: &str = "AgAAAAAAAIR8CQrXcIhbQAAAAAA=";
const SESSION: &str = "ses_00000000000040008000000000000001";
const PAYMENT: &str = "pay_0123456789abcdef0123456789abcdef";
const OPERATION: &str = "01234567-89ab-cdef-0123-456789abcdef";
const NOW: i64 = 1_795_255_237_686;

fn transport() -> Transport {
    Transport::new(Timeouts {
        connect: Duration::from_millis(800),
        request: Duration::from_millis(800),
    })
    .unwrap()
}

/// A key for tests, whose secret is no secret.
fn private_key() -> String {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use p256::elliptic_curve::sec1::ToSec1Point;
    let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let point = secret.public_key().to_sec1_point(false);
    json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(point.x().unwrap()),
        "y": URL_SAFE_NO_PAD.encode(point.y().unwrap()), "d": URL_SAFE_NO_PAD.encode([7; 32]) })
    .to_string()
}

fn table(base: &str, more: &Value) -> Value {
    let mut table = json!({
        "environment": "custom", "base_url": base, "token_uri": format!("{base}/connect/token"),
        "client_id": "me", "client_secret": SECRET, "acquirer_id": "100812", "merchant_id": "520000214",
        "sealing": true, "sealing_keys": [{ "kid": "k-1", "jwk": private_key() }],
    });
    table
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    table
}

fn gateway(base: &str, more: &Value) -> WorldlineAcquiring {
    let mistakes = Mistakes::default();
    let table = table(base, more);
    let gateway = WorldlineAcquiring::from_settings(&Settings::root(table.as_object().unwrap(), &mistakes));
    assert!(mistakes.borrow().is_empty(), "{:?}", mistakes.borrow());
    gateway.unwrap()
}

fn card() -> Value {
    json!({ "number": PAN, "expiry": { "month": 12, "year": 2031 }, "cvc": "012", "holder": "Zoë Müller" })
}

fn euros(text: &str) -> Amount {
    Amount::parse(text, "EUR").unwrap()
}

/// A session as the server opens it, and a card that a page sealed for it.
async fn session(
    gateway: &WorldlineAcquiring,
    kind: Kind,
    amount: Option<&Amount>,
    token: Option<&str>,
    capture: Capture,
) -> PlatformSession {
    let params = SessionParams {
        kind,
        mode: Mode::Relay,
        reference: "order-1",
        token,
        amount,
        description: "Payment",
        capture,
        page: Page::default(),
        customer_ip: None,
    };
    gateway.open_session(&transport(), &params).await.unwrap()
}

fn sealed(opened: &PlatformSession, card: &Value) -> PagePayload {
    let end = NOW / 1000 + 900;
    PagePayload::Sealed {
        data: cardseal_sandbox::sealing::seal(&opened.public["seal"], SESSION, end, card).unwrap(),
        key: None,
        product: None,
    }
}

fn of<'a>(opened: &'a PlatformSession, kind: Kind) -> OpenSession<'a> {
    OpenSession {
        id: SESSION,
        now: NOW,
        state: &opened.state,
        kind,
        reference: "order-1",
        attempt: PAYMENT,
    }
}

async fn pay(gateway: &WorldlineAcquiring, capture: Capture) -> Result<Outcome, Refusal> {
    let opened = session(gateway, Kind::Payment, Some(&euros("2.00")), None, capture).await;
    let payload = sealed(&opened, &card());
    gateway
        .pay(&transport(), &of(&opened, Kind::Payment), payload, false)
        .await
}

fn params<'a>(
    token: &'a SecretString,
    amount: &'a Amount,
    platform_id: Option<&'a str>,
    now: i64,
) -> ChargeParams<'a> {
    ChargeParams {
        token,
        amount,
        reference: "order-1",
        description: "Payment",
        attempt: PAYMENT,
        capture: Capture::Later,
        network_token: None,
        platform_id,
        requested_at: NOW,
        now,
        customer_ip: None,
        authentication: None,
        recurring: None,
    }
}

#[tokio::test]
async fn the_log_shows_no_card_and_no_secret() {
    let (platform, base) = Acquirer::start().await;
    let gateway = gateway(&base, &json!({}));
    let sink = Arc::new(Mutex::new(String::new()));
    let log = Arc::clone(&sink);
    gateway.log_calls(Arc::new(move |text: &str| log.lock().unwrap().push_str(text)));
    pay(&gateway, Capture::Auto).await.unwrap();
    platform.answers(
        &format!("{PROCESSING}/payments"),
        400,
        json!({ "title": "invalid", "detail": format!("card {PAN}, {CRYPTOGRAM}"), "status": 400 }),
    );
    let opened = session(&gateway, Kind::Payment, Some(&euros("2.00")), None, Capture::Auto).await;
    let mut with_token = card();
    with_token["network_token"] = json!({ "cryptogram": CRYPTOGRAM });
    let payload = sealed(&opened, &with_token);
    let refused = gateway
        .pay(&transport(), &of(&opened, Kind::Payment), payload, false)
        .await;
    let text = sink.lock().unwrap().clone();
    assert!(
        text.contains("\"cardNumber\":\"************0104\"") && text.contains("\"cardSecurityCode\":\"***\"")
    );
    assert!(text.contains("\"expiryDate\":\"**2031\"") && text.contains(OPERATION));
    let shown = format!("{text} {refused:?}");
    for secret in [PAN, "\"012\"", SECRET, "token-1", CRYPTOGRAM] {
        assert!(!shown.contains(secret), "{secret} is in {shown}");
    }
}

#[tokio::test]
async fn a_sealed_card_is_charged_with_what_the_merchant_fixed() {
    let (platform, base) = Acquirer::start().await;
    let gateway = gateway(&base, &json!({ "authorization_mode": "pre" }));
    let Ok(Outcome::Approved(approval)) = pay(&gateway, Capture::Auto).await else {
        panic!("not approved");
    };
    assert_eq!(
        (
            approval.platform_id.as_deref(),
            approval.authorization.as_deref(),
            approval.last4.as_deref(),
            approval.brand.as_deref()
        ),
        (Some("p-1"), Some("A1"), Some("0104"), Some("visa"))
    );
    let sent = platform.calls()[0].clone();
    assert_eq!(
        sent.body,
        json!({
            "amount": { "amount": 200, "currencyCode": "EUR", "numberOfDecimals": 2 },
            "authorizationType": "FINAL_AUTHORIZATION",
            "transactionTimestamp": "2026-11-21T10:00:37.686Z",
            "cardPaymentData": { "cardEntryMode": "ECOMMERCE", "allowPartialApproval": false, "brand": "VISA",
                "captureImmediately": true, "cardholderVerificationMethod": "CARD_SECURITY_CODE",
                "cardData": { "cardNumber": PAN, "expiryDate": "122031", "cardSecurityCode": "012" } },
            "references": { "merchantReference": "order-1" },
            "operationId": OPERATION,
        })
    );
    platform.known.lock().unwrap().clear();
    assert!(matches!(
        pay(&gateway, Capture::Later).await,
        Ok(Outcome::Authorized(_))
    ));
    let sent = platform.calls()[1].body.clone();
    assert_eq!(
        (
            &sent["authorizationType"],
            &sent["cardPaymentData"]["captureImmediately"]
        ),
        (&json!("PRE_AUTHORIZATION"), &json!(false))
    );
    // A token of a card network.
    platform.known.lock().unwrap().clear();
    let opened = session(&gateway, Kind::Payment, Some(&euros("2.00")), None, Capture::Auto).await;
    let mut token = card();
    token.as_object_mut().unwrap().remove("cvc");
    token["network_token"] = json!({ "cryptogram": CRYPTOGRAM, "eci": "05" });
    let paid = gateway
        .pay(
            &transport(),
            &of(&opened, Kind::Payment),
            sealed(&opened, &token),
            false,
        )
        .await;
    assert!(matches!(paid, Ok(Outcome::Approved(_))));
    let sent = platform.calls()[2].body["cardPaymentData"].clone();
    assert_eq!(
        (
            &sent["walletId"],
            &sent["networkTokenData"],
            &sent["cardholderVerificationMethod"]
        ),
        (
            &json!("327"),
            &json!({ "cryptogram": CRYPTOGRAM, "eci": "05" }),
            &json!("NONE")
        )
    );
}

#[tokio::test]
async fn answers_are_believed_only_as_far_as_they_fit() {
    let (platform, base) = Acquirer::start().await;
    let gateway = gateway(&base, &json!({}));
    let path = format!("{PROCESSING}/payments");
    let answer = |more: Value| {
        let mut answer = json!({ "operationId": OPERATION, "paymentId": "p-1", "status": "PENDING_CAPTURE",
            "responseCode": "0", "responseCodeCategory": "APPROVED",
            "totalAuthorizedAmount": { "amount": 200, "currencyCode": "EUR", "numberOfDecimals": 2 } });
        answer
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        answer
    };
    for (more, expected) in [
        (json!({}), "Approved"),
        (json!({ "status": "CONFIRMED" }), "Approved"),
        (json!({ "status": "AUTHORIZED" }), "Authorized"),
        (json!({ "status": "SOMETHING_NEW" }), "Pending"),
        (json!({ "status": null }), "Pending"),
        (
            json!({ "status": "PENDING", "responseCodeCategory": null }),
            "Pending",
        ),
        (json!({ "status": "NOT_AUTHORIZED" }), "Pending"),
        (json!({ "responseCodeCategory": "PARTIALLY_APPROVED" }), "Pending"),
        (
            json!({ "totalAuthorizedAmount": { "amount": 100, "currencyCode": "EUR" } }),
            "Pending",
        ),
        (json!({ "responseCodeCategory": "DECLINED" }), "Pending"),
        (
            json!({ "status": "NOT_AUTHORIZED", "responseCodeCategory": "DECLINED", "responseCode": "5" }),
            "Declined",
        ),
        (json!({ "operationId": "another" }), "WrongReference"),
        (json!({ "paymentId": null }), "Undecodable"),
        (json!({ "paymentId": "a/b" }), "Undecodable"),
    ] {
        platform.answers(&path, 201, answer(more.clone()));
        let outcome = format!("{:?}", pay(&gateway, Capture::Auto).await.unwrap());
        assert!(outcome.contains(expected), "{more}: {outcome}");
    }
    platform.answers(
        &path,
        201,
        answer(
            json!({ "status": "NOT_AUTHORIZED", "responseCodeCategory": "DECLINED",
        "responseCode": "5", "responseCodeDescription": format!("DO NOT HONOR {PAN}"),
        "additionalResponseData": { "merchantAdviceCode": "03" } }),
        ),
    );
    let Ok(Outcome::Declined(decline)) = pay(&gateway, Capture::Auto).await else {
        panic!("not declined");
    };
    assert_eq!(
        (decline.code.as_deref(), decline.reason.as_str()),
        (Some("5"), "do_not_try_again")
    );
    assert!(!format!("{decline:?}").contains(PAN));
}

#[test]
fn one_odd_member_never_costs_the_rest_nor_makes_an_approval() {
    let amount = euros("2.00");
    let read = |body: &Value| {
        let answer: ApiPaymentResponse = serde_json::from_value(body.clone()).unwrap();
        answer::outcome(&answer, OPERATION, Capture::Auto, &amount)
    };
    let approved = json!({ "operationId": OPERATION, "paymentId": "p-1", "status": "PENDING_CAPTURE",
        "statusTimestamp": "2026-11-21T10:00:37Z", "responder": "ISSUER", "responseCode": "0",
        "responseCodeCategory": "APPROVED", "responseCodeDescription": "APPROVED", "initialAuthorizationCode": "A1",
        "totalAuthorizedAmount": { "amount": 200, "currencyCode": "EUR", "numberOfDecimals": 2 },
        "references": { "schemeTransactionId": "st-1", "retrievalReferenceNumber": "42" },
        "cardPaymentData": { "brand": "VISA", "ecommerceData": { "cardSecurityCodeResult": "M" } },
        "additionalResponseData": { "merchantAdviceCode": "01" } });
    for variant in variants(&approved) {
        let outcome = read(&variant.body);
        let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
        assert!(
            matches!(
                outcome,
                Outcome::Approved(_) | Outcome::Pending(_) | Outcome::Unknown(_)
            ),
            "{said}"
        );
        let another_id = variant.path == "/paymentId" && !variant.odd.as_ref().is_some_and(Value::is_object);
        let decides = [
            "/operationId",
            "/paymentId",
            "/status",
            "/responseCodeCategory",
            "/totalAuthorizedAmount",
        ]
        .iter()
        .any(|member| variant.touches(member));
        if !decides {
            assert!(
                matches!(&outcome, Outcome::Approved(approval) if approval.platform_id.as_deref() == Some("p-1")),
                "{said}"
            );
        } else if !variant.is_absent() && !another_id {
            assert!(!matches!(outcome, Outcome::Approved(_)), "{said}");
        }
    }
    let declined = json!({ "operationId": OPERATION, "paymentId": "p-1", "status": "NOT_AUTHORIZED", "responder": "ISSUER",
        "responseCode": "5", "responseCodeCategory": "DECLINED", "responseCodeDescription": "DO NOT HONOR",
        "additionalResponseData": { "merchantAdviceCode": "03", "merchantAdviceCodeDescription": "never" } });
    for variant in variants(&declined) {
        let outcome = read(&variant.body);
        let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
        match outcome {
            Outcome::Declined(decline) => {
                assert!(
                    variant.touches("/responseCode") || decline.code.as_deref() == Some("5"),
                    "{said}: {decline:?}"
                );
            }
            Outcome::Pending(_) | Outcome::Unknown(_) => assert!(
                ["/operationId", "/status", "/responseCodeCategory"]
                    .iter()
                    .any(|member| variant.touches(member)),
                "{said}"
            ),
            Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Voided(_) => panic!("{said}"),
        }
    }
    let refused = json!({ "type": "https://x/validation-error", "title": "Bad request", "status": 400, "detail": "field a",
        "instance": "i", "requestId": "r" });
    for variant in variants(&refused) {
        let answer = Response {
            status: 400,
            headers: vec![("content-type".into(), "application/problem+json".into())],
            body: variant.body.to_string().into_bytes(),
        };
        let refusal = errors::read(&answer, &[], |bytes| serde_json::from_slice(bytes).ok()).unwrap_err();
        let said = format!("{} {:?}: {refusal:?}", variant.path, variant.odd);
        let CallError::Validation(fault) = refusal else {
            panic!("{said}");
        };
        let rejection = rejection(&fault);
        assert!(
            variant.touches("/type") || rejection.code.as_deref() == Some("validation-error"),
            "{said}"
        );
        assert!(
            variant.touches("/detail") || rejection.message == "field a",
            "{said}"
        );
        assert_eq!(rejection.status, Some(400), "{said}");
    }
}

#[test]
fn one_odd_member_never_makes_a_payment_that_is_found() {
    let amount = euros("2.00");
    let token = SecretString::from(String::new());
    let found = json!({ "paymentId": "p-1", "status": "AUTHORIZED", "statusTimestamp": "t", "initialAuthorizationCode": "A1",
        "totalAuthorizedAmount": { "amount": 200, "currencyCode": "EUR", "numberOfDecimals": 2 },
        "references": { "schemeTransactionId": "st-1" }, "cardPaymentData": { "brand": "VISA" },
        "operations": [{ "operationType": "AUTHORIZATION", "operationId": OPERATION, "responseCode": "0",
            "responseCodeCategory": "APPROVED" }] });
    for variant in variants(&found) {
        let payment: ApiPaymentResource = serde_json::from_value(variant.body.clone()).unwrap();
        let outcome = answer::found(&payment, "p-1", &params(&token, &amount, Some("p-1"), NOW));
        let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
        assert!(
            matches!(
                outcome,
                Outcome::Authorized(_) | Outcome::Pending(_) | Outcome::Unknown(_)
            ),
            "{said}"
        );
        let decides = ["/paymentId", "/status", "/totalAuthorizedAmount"]
            .iter()
            .any(|member| variant.touches(member));
        if !decides {
            assert!(matches!(outcome, Outcome::Authorized(_)), "{said}");
        } else if !variant.is_absent() {
            assert!(!matches!(outcome, Outcome::Authorized(_)), "{said}");
        }
    }
}

#[tokio::test]
async fn what_was_sealed_for_another_session_or_is_no_seal_is_not_opened() {
    let (platform, base) = Acquirer::start().await;
    let gateway = gateway(&base, &json!({}));
    let opened = session(&gateway, Kind::Payment, Some(&euros("2.00")), None, Capture::Auto).await;
    let payload = || sealed(&opened, &card());
    let other = OpenSession {
        id: "ses_2",
        ..of(&opened, Kind::Payment)
    };
    let late = OpenSession {
        now: NOW + 901_000,
        ..of(&opened, Kind::Payment)
    };
    for (session, expected) in [
        (&other, sealing::Refusal::WrongSession),
        (&late, sealing::Refusal::Expired),
    ] {
        let refused = gateway.pay(&transport(), session, payload(), false).await;
        assert_eq!(refused.unwrap_err(), Refusal::Sealed(expected));
    }
    let long = PagePayload::Sealed {
        data: "x".repeat(9000),
        key: None,
        product: None,
    };
    assert_eq!(
        gateway.check(&long),
        Err(Refusal::Sealed(sealing::Refusal::Oversized))
    );
    assert!(gateway.check(&PagePayload::Answer(json!({}))).is_err());
    assert!(platform.calls().is_empty());
    // Off, nothing of it is offered.
    let mistakes = Mistakes::default();
    let off = table(&base, &json!({ "sealing": false }));
    let off =
        WorldlineAcquiring::from_settings(&Settings::root(off.as_object().unwrap(), &mistakes)).unwrap();
    assert!(!off.capabilities().handles_clear_cards && gateway.capabilities().handles_clear_cards);
    assert_eq!(off.check(&payload()), Err(Refusal::NotOffered));
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_never_double_a_charge() {
    use Trouble::{GatewayAfter, LateAfter, LateBefore, Nothing};
    let mut tasks = JoinSet::new();
    for first in [Nothing, LateAfter, LateBefore, GatewayAfter] {
        for second in [Nothing, LateAfter, GatewayAfter] {
            tasks.spawn(async move {
                let (platform, base) = Acquirer::start().await;
                let gateway = gateway(&base, &json!({}));
                platform.trouble(&[first, second]);
                let outcome = pay(&gateway, Capture::Auto).await;
                assert!(
                    matches!(outcome, Ok(Outcome::Approved(_))),
                    "{first:?} {second:?}: {outcome:?}"
                );
                assert_eq!(platform.done(), 1, "{first:?} {second:?}");
            });
        }
    }
    tasks.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_charge_whose_answer_stays_lost_is_undone_by_its_id() {
    let (platform, base) = Acquirer::start().await;
    let gateway = gateway(&base, &json!({}));
    let (token, amount) = (SecretString::default(), euros("2.00"));
    platform.trouble(&[Trouble::GatewayAfter; 4]);
    assert!(matches!(
        pay(&gateway, Capture::Auto).await,
        Ok(Outcome::Unknown(_))
    ));
    // The answer to the reversal is lost as well; the next look finds what the first one did.
    platform.trouble(&[Trouble::GatewayAfter]);
    let find = |now| {
        let gateway = &gateway;
        let (token, amount) = (&token, &amount);
        async move {
            gateway
                .lookup(&transport(), &params(token, amount, None, now), false)
                .await
                .unwrap()
        }
    };
    assert!(matches!(find(NOW + 1000).await, Outcome::Unknown(_)));
    assert!(matches!(find(NOW + 2000).await, Outcome::Voided(_)));
    assert_eq!(platform.done(), 2);
    let reversals: Vec<_> = platform
        .calls()
        .into_iter()
        .filter(|seen| seen.path.ends_with("/reverse"))
        .collect();
    assert_eq!(
        reversals[0].path,
        format!("{PROCESSING}/operations/{OPERATION}/reverse")
    );
    assert_eq!(reversals[0].body, reversals[1].body);
    assert_ne!(reversals[0].body["operationId"], OPERATION);
    // One that never arrived is declined, once it can no longer arrive.
    platform.known.lock().unwrap().clear();
    assert!(matches!(find(NOW + 1000).await, Outcome::Unknown(_)));
    let Outcome::Declined(decline) = find(NOW + 120_000).await else {
        panic!("not declined");
    };
    assert_eq!(decline.reason, "not_processed");
    // One whose id is known is asked for.
    let params = params(&token, &amount, Some("p-1"), NOW);
    let found = gateway.lookup(&transport(), &params, false).await.unwrap();
    assert!(matches!(found, Outcome::Authorized(_)), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_made_once_and_lookup_change_by_their_id() {
    use Trouble::{GatewayAfter, LateAfter, LateBefore, Nothing};
    let (amount, part) = (euros("2.00"), euros("0.50"));
    let change = "chg_0123456789abcdef0123456789abcde0";
    let of = |moved, again, repeat| PaymentRef {
        reference: "order-1",
        authorization: None,
        platform_id: Some("p-1"),
        bin: None,
        last4: None,
        amount: &amount,
        moved,
        attempt: change,
        again,
        repeat,
    };
    let once = async |trouble: Trouble| {
        let (platform, base) = Acquirer::start().await;
        let gateway = gateway(&base, &json!({}));
        for made in 1..=3 {
            platform.known.lock().unwrap().clear();
            platform.operations.lock().unwrap().clear();
            platform.trouble(&[trouble]);
            let whole = of(&amount, false, false);
            let done = match made {
                1 => gateway.capture(&transport(), &whole, None).await,
                2 => {
                    gateway
                        .refund(&transport(), &of(&part, false, false), Some(&part))
                        .await
                }
                _ => gateway.void(&transport(), &whole).await,
            };
            assert_eq!(done.unwrap(), Change::Done, "{trouble:?}");
            assert_eq!(platform.done(), made, "{trouble:?}");
        }
        let sent = |tail: &str| {
            let mut calls = platform.calls().into_iter();
            calls.find(|seen| seen.path.ends_with(tail)).unwrap().body
        };
        assert_eq!(sent("/captures")["isFinal"], true);
        assert_eq!(sent("/refunds")["amount"]["amount"], 50);
    };
    tokio::join!(
        once(Nothing),
        once(LateAfter),
        once(LateBefore),
        once(GatewayAfter)
    );
    // After a restart: what was made is found, and is not made again.
    let (platform, base) = Acquirer::start().await;
    let gateway = gateway(&base, &json!({}));
    platform.trouble(&[Nothing]);
    gateway
        .refund(&transport(), &of(&part, false, false), None)
        .await
        .unwrap();
    let calls = platform.calls().len();
    assert_eq!(
        gateway
            .refund(&transport(), &of(&part, true, true), None)
            .await
            .unwrap(),
        Change::Done
    );
    assert_eq!(
        platform.calls()[calls..]
            .iter()
            .map(|seen| seen.method.as_str())
            .collect::<Vec<_>>(),
        ["GET"]
    );
    // What was not made is made with the same id, or not at all.
    platform.operations.lock().unwrap().clear();
    platform.known.lock().unwrap().clear();
    assert!(matches!(
        gateway
            .refund(&transport(), &of(&part, true, false), None)
            .await
            .unwrap(),
        Change::Unknown(_)
    ));
    assert_eq!(
        gateway
            .refund(&transport(), &of(&part, true, true), None)
            .await
            .unwrap(),
        Change::Done
    );
    assert_eq!(platform.done(), 2);
    // A refusal is one only if no answer was lost before.
    let path = format!("{PROCESSING}/payments/p-1/captures");
    platform.answers(
        &path,
        409,
        json!({ "type": "https://x/conflict", "title": "conflict", "status": 409 }),
    );
    let Err(Refusal::Rejected(said)) = gateway
        .capture(&transport(), &of(&part, false, false), None)
        .await
    else {
        panic!("not refused");
    };
    assert_eq!((said.code.as_deref(), said.status), (Some("conflict"), Some(409)));
    assert!(matches!(
        gateway
            .capture(&transport(), &of(&part, true, true), None)
            .await
            .unwrap(),
        Change::Unknown(_)
    ));
}

#[tokio::test]
async fn a_verification_is_stored_without_the_card_and_later_payments_refer_to_it() {
    let (platform, base) = Acquirer::start().await;
    let gateway = gateway(
        &base,
        &json!({ "stored_card_initiator": "merchant", "stored_card_use": "recurring" }),
    );
    let opened = session(&gateway, Kind::Tokenize, None, None, Capture::Auto).await;
    let stored = gateway
        .tokenize(
            &transport(),
            &of(&opened, Kind::Tokenize),
            sealed(&opened, &card()),
        )
        .await
        .unwrap();
    assert_eq!(
        (
            stored.brand.as_deref(),
            stored.last4.as_deref(),
            stored.expiry,
            stored.holder.as_deref()
        ),
        (Some("visa"), Some("0104"), Some((12, 2031)), Some("Zoë Müller"))
    );
    let token = stored.token.expose_secret().to_owned();
    assert_eq!(
        serde_json::from_str::<Value>(&token).unwrap(),
        json!({ "scheme_transaction_id": "st-1", "scheme_transaction_link_id": "link-1" })
    );
    let sent = platform.calls()[0].body.clone();
    assert_eq!(
        sent["cardPaymentData"]["cardOnFileData"],
        json!({ "isInitialTransaction": true,
            "initialCardOnFileData": { "transactionType": "RECURRING", "futureUse": "MERCHANT_INITIATED" } })
    );
    assert_eq!(sent["cardPaymentData"].get("captureImmediately"), None);
    let amount = euros("2.00");
    // The token alone charges nothing.
    let params = params(&stored.token, &amount, None, NOW);
    assert_eq!(
        gateway.charge(&transport(), &params).await,
        Err(Refusal::NotOffered)
    );
    let opened = session(
        &gateway,
        Kind::Payment,
        Some(&amount),
        Some(&token),
        Capture::Auto,
    )
    .await;
    assert!(
        !opened.public.contains_key("token")
            && !Value::Object(opened.public.clone()).to_string().contains("st-1")
    );
    let paid = gateway
        .pay(
            &transport(),
            &of(&opened, Kind::Payment),
            sealed(&opened, &card()),
            false,
        )
        .await;
    assert!(matches!(paid, Ok(Outcome::Approved(_))), "{paid:?}");
    assert_eq!(
        platform.calls()[1].body["cardPaymentData"]["cardOnFileData"],
        json!({ "isInitialTransaction": false, "subsequentCardOnFileData": { "transactionType": "RECURRING",
            "cardOnFileInitiator": "MERCHANT", "initialSchemeTransactionId": "st-1",
            "initialSchemeTransactionLinkId": "link-1" } })
    );
    gateway.delete_token(&transport(), &stored.token).await.unwrap();
    // Declined, or of no use.
    let opened = session(&gateway, Kind::Tokenize, None, None, Capture::Auto).await;
    for category in ["DECLINED", "SOMETHING"] {
        platform.answers(
            &format!("{PROCESSING}/account-verifications"),
            201,
            json!({ "operationId": "x", "responseCodeCategory": category }),
        );
        let refused = gateway
            .tokenize(
                &transport(),
                &of(&opened, Kind::Tokenize),
                sealed(&opened, &card()),
            )
            .await;
        assert!(matches!(refused, Err(Error::Doubtful(Doubt::WrongReference))));
    }
}

#[test]
fn names_every_mistake_of_the_settings_and_no_value() {
    let good = table("http://127.0.0.1:1", &json!({}));
    for (change, keys) in [
        (
            json!({ "client_id": null, "client_secret": null }),
            &["client_id", "client_secret"][..],
        ),
        (
            json!({ "acquirer_id": "hunter2/x", "merchant_id": "" }),
            &["acquirer_id", "merchant_id"],
        ),
        (json!({ "base_url": "http://hunter2.example" }), &["base_url"]),
        (json!({ "base_url": "http://127.0.0.1:1/hunter2" }), &["base_url"]),
        (json!({ "environment": "sandbox" }), &["base_url", "token_uri"]),
        (json!({ "stored_card_use": "recurring" }), &["stored_card_use"]),
        (json!({ "sealing_keys": [] }), &["sealing_keys"]),
        (
            json!({ "session_seconds": 1, "colour": "hunter2" }),
            &["session_seconds", "colour"],
        ),
    ] {
        let mut table = good.as_object().unwrap().clone();
        for (key, value) in change.as_object().unwrap() {
            if value.is_null() {
                table.remove(key);
            } else {
                table.insert(key.clone(), value.clone());
            }
        }
        let mistakes = Mistakes::default();
        let _ = WorldlineAcquiring::from_settings(&Settings::root(&table, &mistakes));
        let named = mistakes.into_inner();
        for key in keys {
            assert!(
                named.iter().any(|mistake| mistake.key == *key),
                "{key}: {named:?}"
            );
        }
        assert!(!format!("{named:?}").contains("hunter2"));
    }
}
