//! Requests as they are sent, and answers to charges as they are taken.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;

use super::answer::{Problem, outcome, read};
use super::*;
use crate::amount::Amount;
use crate::error::{Doubt, Rejection};
use crate::settings::{Mistakes, Settings};
use crate::transport::Timeouts;
use crate::variants::variants;

fn gateway(base_url: &str) -> CcBill {
    let tree = json!({ "environment": "custom", "base_url": base_url, "client_accnum": 900_684, "client_subacc_3ds": 1,
        "frontend_application_id": "f", "frontend_secret": "fs", "backend_application_id": "b", "backend_secret": "bs" });
    let mistakes = Mistakes::default();
    CcBill::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes)).unwrap()
}

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// A platform that grants tokens and answers every charge in one way.
async fn answering(status: u16, body: &'static str) -> String {
    let status = StatusCode::from_u16(status).unwrap();
    serve(
        Router::new()
            .route(
                "/ccbill-auth/oauth/token",
                post(async || r#"{"access_token":"t","token_type":"bearer","expires_in":3600,"scope":"x"}"#),
            )
            .route(
                "/transactions/payment-tokens/{id}",
                post(async move || (status, body)),
            ),
    )
    .await
}

async fn charged(status: u16, body: &'static str, currency: &str) -> Result<Outcome, Refusal> {
    let gateway = gateway(&answering(status, body).await);
    let amount = Amount::parse("10", currency).unwrap();
    let token = SecretString::from("01ab".to_owned());
    let params = ChargeParams {
        token: &token,
        amount: &amount,
        reference: "order-1",
        description: "",
        attempt: "a",
        capture: Capture::Auto,
        network_token: None,
        platform_id: None,
        requested_at: 0,
        now: 0,
        customer_ip: Some("192.0.2.1".parse().unwrap()),
        authentication: None,
        recurring: None,
    };
    gateway
        .charge(&Transport::new(Timeouts::default()).unwrap(), &params)
        .await
}

async fn bearer() -> Bearer<BackEnd> {
    let base = answering(200, "{}").await;
    let transport = Transport::new(Timeouts::default()).unwrap();
    gateway(&base).back.bearer(&transport, &base).await.unwrap()
}

#[tokio::test]
async fn a_charge_is_written_digit_by_digit() {
    let bearer = bearer().await;
    let api = Api::new("https://api.ccbill.com".into());
    let token = SecretString::from("019f5576d7f046c3a375e8a054f2c033".to_owned());
    let amount = Amount::parse("19.99", "AUD").unwrap();
    let mut charge = Charge {
        token: &token,
        client_accnum: 900_684,
        client_subacc: 0,
        amount: &amount,
        initial_period: 0,
        recurring: None,
        create_new_payment_token: false,
        pass_through: &[("reference", "o-1")],
        customer_ip: Ipv4Addr::new(192, 0, 2, 1),
        threeds: None,
    };
    let request = api.charge_request(&bearer, &charge).unwrap();
    assert_eq!(
        (request.method, request.url.as_str()),
        (
            "POST",
            "https://api.ccbill.com/transactions/payment-tokens/019f5576d7f046c3a375e8a054f2c033"
        )
    );
    assert_eq!(
        request.body,
        r#"{"clientAccnum":900684,"clientSubacc":0,"initialPrice":19.99,"initialPeriod":0,"currencyCode":36,"passThroughInfo":[{"name":"reference","value":"o-1"}]}"#
    );
    assert!(request.headers.contains(&("x-origin-ip", "192.0.2.1".into())));
    assert!(request.headers.contains(&("authorization", "Bearer t".into())));

    let result = json!({ "eci": "05", "status": "Y", "success": true, "protocolVersion": "2.1.0", "amount": "19.99",
        "clientTransactionId": "id-1", "currency": "036", "acsTransId": "a", "dsTransId": "d",
        "authenticationValue": "v" });
    let Ok(Verdict::Authenticated(threeds)) = Threeds::read(&result, &amount) else {
        panic!("not authenticated");
    };
    let price = Amount::parse("5.10", "AUD").unwrap();
    let recurring = Recurring {
        price,
        period: 30,
        rebills: 99,
    };
    charge.threeds = Some(&threeds);
    charge.recurring = Some(&recurring);
    charge.create_new_payment_token = true;
    charge.pass_through = &[];
    let request = api.charge_request(&bearer, &charge).unwrap();
    assert!(request.url.contains("/payment-tokens/threeds/019f"));
    assert_eq!(
        request.body,
        r#"{"clientAccnum":900684,"clientSubacc":0,"initialPrice":19.99,"initialPeriod":0,"recurringPrice":5.10,"recurringPeriod":30,"rebills":99,"currencyCode":36,"createNewPaymentToken":true,"threedsEci":"05","threedsStatus":"Y","threedsSuccess":true,"threedsVersion":"2.1.0","threedsClientTransactionId":"id-1","threedsDsTransId":"d","threedsAcsTransId":"a","threedsAuthenticationValue":"v","threedsAmount":19.99,"threedsCurrency":"036"}"#
    );

    let elsewhere = SecretString::from("../x".to_owned());
    charge.token = &elsewhere;
    assert!(matches!(
        api.charge_request(&bearer, &charge),
        Err(Refusal::Invalid("token"))
    ));
}

fn read_outcome(status: u16, body: &Value) -> Result<Outcome, Rejection> {
    let answer = Response {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    };
    match read::<ChargeAnswer>(&answer) {
        Ok(answer) => Ok(outcome(&answer)),
        Err(Problem::Doubtful(doubt)) => Ok(Outcome::Unknown(doubt)),
        Err(Problem::Rejected(rejection)) => Err(rejection),
        Err(Problem::Unauthorized) => panic!("{body}"),
    }
}

#[test]
fn one_odd_member_never_costs_the_rest_nor_makes_an_approval() {
    let approved = json!({ "declineCode": null, "declineText": null, "denialId": null, "approved": true,
        "paymentUniqueId": "z8Zprmki+WoAyOwj74Ei3w", "sessionId": null, "subscriptionId": "925014201000000206",
        "newPaymentTokenId": null });
    for variant in variants(&approved) {
        let outcome = read_outcome(200, &variant.body).unwrap();
        let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
        let decides = ["/approved", "/declineCode", "/denialId", "/subscriptionId"]
            .iter()
            .any(|member| variant.touches(member));
        match outcome {
            Outcome::Approved(_) if variant.path == "/subscriptionId" => {
                assert!(
                    variant.is_absent() || variant.odd.as_ref().is_some_and(Value::is_u64),
                    "{said}"
                );
            }
            Outcome::Approved(_) => assert!(!decides || variant.is_absent(), "{said}"),
            Outcome::Unknown(_) => assert!(decides, "{said}"),
            Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Declined(_) | Outcome::Pending(_) => {
                panic!("{said}")
            }
        }
    }
    let declined = json!({ "declineCode": 31, "declineText": "Insufficient Funds", "denialId": "925013101000000100",
        "approved": false, "paymentUniqueId": null, "sessionId": null, "newPaymentTokenId": null, "subscriptionId": null });
    for variant in variants(&declined) {
        let outcome = read_outcome(200, &variant.body).unwrap();
        let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
        match outcome {
            Outcome::Declined(decline) => assert!(
                variant.touches("/declineCode") || decline.reason == "insufficient_funds",
                "{said}: {decline:?}"
            ),
            Outcome::Unknown(_) => assert!(
                ["/approved", "/declineCode", "/subscriptionId"].contains(&variant.path.as_str())
                    && !variant.path.is_empty(),
                "{said}"
            ),
            Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Pending(_) => {
                assert_eq!(variant.path, "/approved", "{said}");
                panic!("{said}");
            }
        }
    }
    let refused = json!({ "id": "6d3c1d6e", "url": "/x", "errors": [{ "field": "email", "message": "Invalid" }],
        "generalMessage": "Validation failed!", "errorCode": 200_000, "timestamp": "t" });
    for variant in variants(&refused) {
        let said = format!("{} {:?}", variant.path, variant.odd);
        match read_outcome(400, &variant.body) {
            Err(rejection) => {
                assert!(
                    variant.touches("/errorCode") || rejection.code.as_deref() == Some("200000"),
                    "{said}"
                );
                assert!(
                    variant.touches("/generalMessage") || rejection.message.starts_with("Validation failed!"),
                    "{said}"
                );
            }
            Ok(outcome) => assert!(
                variant.path == "/errorCode" && matches!(outcome, Outcome::Unknown(_)),
                "{said}"
            ),
        }
    }
}

#[test]
fn one_odd_member_never_costs_a_token_nor_a_sale() {
    let token = json!({ "paymentTokenId": "019f", "programParticipationId": null, "originalPaymentTokenId": null,
        "clientAccnum": 900_684, "clientSubacc": 0, "createdDatetime": "t", "timeToLive": 24, "validNumberOfUse": 3,
        "subscriptionId": "924313501000000101", "cvv2Response": "M", "avsResponse": "Y" });
    let needed = ["/paymentTokenId", "/clientAccnum", "/clientSubacc"];
    for variant in variants(&token) {
        let read = serde_json::from_value::<TokenInfo>(variant.body.clone());
        let said = format!("{} {:?}: {read:?}", variant.path, variant.odd);
        let digits = |odd: &Value| odd.as_str().is_some_and(|text| text.parse::<u32>().is_ok());
        match read {
            Ok(_) if needed.contains(&variant.path.as_str()) => {
                assert!(
                    variant
                        .odd
                        .as_ref()
                        .is_some_and(|odd| odd.is_u64() || odd.is_string()),
                    "{said}"
                );
            }
            Ok(info) => assert_eq!((info.client_accnum, info.client_subacc), (900_684, 0), "{said}"),
            Err(_) => {
                assert!(needed.contains(&variant.path.as_str()), "{said}");
                assert!(
                    !variant.odd.as_ref().is_some_and(digits) || variant.path == "/paymentTokenId",
                    "{said}"
                );
            }
        }
    }
    let sales: Vec<Sale> = serde_json::from_value(json!([
        { "clientAccnum": "900684", "clientSubacc": 0, "subscriptionId": {} },
        { "clientAccnum": 900_684, "clientSubacc": "0", "subscriptionId": 925_014_201_000_000_206_u64 },
    ]))
    .unwrap();
    assert!(sales[0].subscription_id.is_none());
    assert_eq!(
        sales[1].subscription_id.as_ref().unwrap().as_str(),
        "925014201000000206"
    );
}

#[tokio::test]
async fn answers_to_charges_are_taken_at_their_word_and_no_further() {
    let sale = charged(
        200,
        r#"{"approved":true,"subscriptionId":"925014201000000206","paymentUniqueId":"z8Zprmki+WoAyOwj74Ei3w"}"#,
        "USD",
    )
    .await;
    let Ok(Outcome::Approved(approval)) = sale else {
        panic!("{sale:?}");
    };
    assert_eq!(approval.platform_id.as_deref(), Some("925014201000000206"));
    for (body, reason) in [
        (
            r#"{"approved":false,"declineCode":27,"declineText":"System Error"}"#,
            "system_error",
        ),
        (r#"{"approved":false,"declineCode":"31"}"#, "insufficient_funds"),
        (r#"{"approved":false,"declineCode":77}"#, "declined"),
        (r#"{"approved":false}"#, "declined"),
    ] {
        let declined = charged(200, body, "USD").await;
        let Ok(Outcome::Declined(decline)) = declined else {
            panic!("{body}: {declined:?}");
        };
        assert_eq!(decline.reason, reason, "{body}");
    }
    for (status, body, doubt) in [
        (200, r#"{"approved":false,"declineCode":15}"#, Doubt::Pending),
        (
            200,
            r#"{"approved":false,"declineCode":20}"#,
            Doubt::Contradictory,
        ),
        (200, r#"{"approved":true,"declineCode":24}"#, Doubt::Contradictory),
        (
            200,
            r#"{"approved":false,"subscriptionId":"1"}"#,
            Doubt::Contradictory,
        ),
        (
            200,
            r#"{"approved":true,"subscriptionId":9.2e17}"#,
            Doubt::Undecodable,
        ),
        (200, "{}", Doubt::Undecodable),
        (500, r#"{"errorCode":100106}"#, Doubt::NoAnswerBehindProxy),
        (502, "", Doubt::NoAnswerBehindProxy),
    ] {
        assert_eq!(
            charged(status, body, "USD").await,
            Ok(Outcome::Unknown(doubt)),
            "{status} {body}"
        );
    }
    for (status, body, code) in [
        (400, r#"{"errorCode":100102}"#, "100102"),
        (500, r#"{"errorCode":100110}"#, "100110"),
        (401, "", "unauthorized"),
    ] {
        let refused = charged(status, body, "USD").await;
        let Err(Refusal::Rejected(rejection)) = refused else {
            panic!("{status} {body}: {refused:?}");
        };
        assert_eq!(rejection.code.as_deref(), Some(code));
    }
    assert_eq!(
        charged(200, "{}", "CHF").await,
        Err(Refusal::CurrencyNotSupported)
    );
}

#[test]
fn only_an_address_of_version_four_is_sent() {
    for (text, taken) in [
        ("192.0.2.1", true),
        ("127.0.0.1", true),
        ("::ffff:192.0.2.1", true),
        ("2001:db8::1", false),
        ("0.0.0.0", false),
    ] {
        assert_eq!(ipv4(Some(text.parse().unwrap())).is_ok(), taken, "{text}");
    }
    assert_eq!(ipv4(None), Err(Refusal::Invalid("customer_ip")));
}

#[test]
fn what_a_page_hands_over_is_of_the_right_account() {
    let gateway = gateway("http://127.0.0.1:1");
    let plain = |account: u32, sub: u32| json!({ "paymentTokenId": "01ab", "clientAccnum": account, "clientSubacc": sub });
    let both = |sub: u32, result: Value| json!({ "paymentToken": plain(900_684, sub), "threedsInformation": result });
    for (answer, taken) in [
        (plain(900_684, 0), true),
        (plain(900_684, 1), false),
        (plain(900_685, 0), false),
        (both(1, json!({})), true),
        (both(0, json!({})), false),
        (both(0, Value::Null), true),
        (both(1, json!("Y")), false),
        (
            json!({ "paymentTokenId": "01ab", "clientAccnum": "900684", "clientSubacc": "0", "timeToLive": [] }),
            true,
        ),
        (
            json!({ "paymentTokenId": "01ab", "clientAccnum": "x", "clientSubacc": 0 }),
            false,
        ),
        (json!(["01ab", 900_684, 0, null, null, null, null, null]), false),
        (
            json!({ "paymentTokenId": "../x", "clientAccnum": 900_684, "clientSubacc": 0 }),
            false,
        ),
        (json!({}), false),
    ] {
        assert_eq!(
            gateway.check(&PagePayload::Answer(answer.clone())).is_ok(),
            taken,
            "{answer}"
        );
    }
}
