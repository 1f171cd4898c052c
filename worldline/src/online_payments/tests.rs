//! Tests the client against a small simulated platform.

#[allow(dead_code, reason = "the gateway's tests use the rest")]
mod platform;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cardseal::http::Request;
use cardseal_transport::{Failure, Response};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::client::{CallContext, Client, Configuration, Factory, ProductsQuery};
use super::domain::*;
use super::errors::{Error as CallError, Mistake};
use crate::communicator::{Authenticator, JsonMarshaller, Marshaller, NotJson, ToSign};
use crate::connection::Connection;
use crate::errors::OAuth2Error;
use crate::logging::WriterLogger;
use crate::metadata::MetadataProvider;
use platform::{KEY, Platform, SECRET, TOKEN};

fn client(base: &str) -> Client {
    let configuration = Configuration::new(base, "Shop", KEY, SECRET.to_owned().into()).unwrap();
    Client::from_configuration(&configuration).unwrap()
}

#[tokio::test]
async fn every_call_goes_where_the_platform_expects_it() {
    let (platform, base) = Platform::start().await;
    let merchant = client(&base).merchant("MyPSPID").unwrap();
    let at = |path: &str| format!("/v2/MyPSPID{path}");
    for (path, status, body) in [
        ("/sessions", 201, json!({ "clientSessionId": "s" })),
        (
            "/hostedcheckouts",
            200,
            json!({ "RETURNMAC": "m", "hostedCheckoutId": "1" }),
        ),
        ("/hostedcheckouts/1", 200, json!({ "status": "IN_PROGRESS" })),
        (
            "/hostedtokenizations",
            201,
            json!({ "hostedTokenizationId": "h" }),
        ),
        (
            "/hostedtokenizations/h",
            200,
            json!({ "tokenStatus": "CREATED", "token": { "id": "t" } }),
        ),
        (
            "/payments/1_0/details",
            200,
            json!({ "Operations": [{ "id": "1_1" }] }),
        ),
        (
            "/payments/1_0/captures",
            200,
            json!({ "captures": [{ "id": "1_1" }] }),
        ),
        (
            "/payments/1_0/refunds",
            200,
            json!({ "refunds": [{ "id": "1_2" }] }),
        ),
        ("/tokens", 201, json!({ "token": "t" })),
        ("/tokens/t", 200, json!({ "id": "t" })),
        ("/tokens/gone", 204, json!({})),
        (
            "/products?countryCode=DE&currencyCode=EUR&amount=1000&isRecurring=false&hide=fields&hide=accountsOnFile",
            200,
            json!({ "paymentProducts": [{ "id": 1 }] }),
        ),
        ("/products/1?countryCode=DE", 200, json!({ "id": 1 })),
        ("/services/testconnection", 200, json!({ "result": "OK" })),
        ("/services/getIINdetails", 200, json!({ "paymentProductId": 1 })),
        (
            "/services/privacypolicy?locale=en_GB",
            200,
            json!({ "htmlContent": "" }),
        ),
        ("/services/dccrate", 200, json!({})),
        ("/services/surchargecalculation", 200, json!({})),
        ("/webhooks/validateCredentials", 200, json!({ "result": "Valid" })),
        ("/webhooks/sendtest", 204, json!({})),
    ] {
        platform.answers(&at(path), status, body);
    }
    let session = merchant
        .sessions()
        .create(&SessionRequest::default())
        .await
        .unwrap();
    assert_eq!(session.client_session_id.as_deref(), Some("s"));
    let checkout = merchant
        .hosted_checkout()
        .create(&CreateHostedCheckoutRequest::default())
        .await
        .unwrap();
    assert_eq!(checkout.returnmac.as_deref(), Some("m"));
    let checkout = merchant.hosted_checkout().get("1").await.unwrap();
    assert_eq!(checkout.status.as_deref(), Some("IN_PROGRESS"));
    merchant
        .hosted_tokenization()
        .create(&CreateHostedTokenizationRequest::default())
        .await
        .unwrap();
    let tokenization = merchant.hosted_tokenization().get("h").await.unwrap();
    assert_eq!(tokenization.token.unwrap().id.as_deref(), Some("t"));
    // A payment by hosted tokenization.
    let request = CreatePaymentRequest {
        order: Some(Order {
            amount_of_money: Some(AmountOfMoney {
                amount: Some(1000),
                currency_code: Some("EUR".into()),
                ..Default::default()
            }),
            references: Some(References {
                merchant_reference: Some("o".into()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        hosted_tokenization_id: Some("h".into()),
        ..Default::default()
    };
    let context = CallContext::with_idempotence_key("k").unwrap();
    let payment = merchant
        .payments()
        .create(&request, Some(&context))
        .await
        .unwrap();
    assert_eq!(payment.payment.unwrap().id.as_deref(), Some("3254564310_0"));
    assert_eq!(context.idempotence_request_timestamp(), None);
    merchant
        .payments()
        .create(&request, Some(&context))
        .await
        .unwrap();
    assert_eq!(context.idempotence_request_timestamp(), Some(1_795_250_000_000));
    let payments = merchant.payments();
    assert_eq!(
        payments.get("3254564310_0").await.unwrap().status.as_deref(),
        Some("CAPTURED")
    );
    assert_eq!(
        payments.details("1_0").await.unwrap().operations.unwrap().len(),
        1
    );
    payments
        .capture("3254564310_0", &CapturePaymentRequest::default(), None)
        .await
        .unwrap();
    payments
        .refund("3254564310_0", &RefundRequest::default(), None)
        .await
        .unwrap();
    payments.cancel("3254564310_0", None, None).await.unwrap();
    assert_eq!(payments.captures("1_0").await.unwrap().captures.unwrap().len(), 1);
    assert_eq!(payments.refunds("1_0").await.unwrap().refunds.unwrap().len(), 1);
    merchant
        .tokens()
        .create(&CreateTokenRequest::default())
        .await
        .unwrap();
    assert_eq!(merchant.tokens().get("t").await.unwrap().id.as_deref(), Some("t"));
    merchant.tokens().delete("gone").await.unwrap();
    let query = ProductsQuery {
        country_code: Some("DE".into()),
        currency_code: Some("EUR".into()),
        amount: Some(1000),
        is_recurring: Some(false),
        hide: vec!["fields".into(), "accountsOnFile".into()],
        ..Default::default()
    };
    assert_eq!(
        merchant
            .products()
            .list(&query)
            .await
            .unwrap()
            .payment_products
            .unwrap()
            .len(),
        1
    );
    let query = ProductsQuery {
        country_code: Some("DE".into()),
        ..Default::default()
    };
    merchant.products().get(1, &query).await.unwrap();
    assert_eq!(
        merchant
            .services()
            .test_connection()
            .await
            .unwrap()
            .result
            .as_deref(),
        Some("OK")
    );
    let request = GetIinDetailsRequest {
        bin: Some("456735".into()),
        ..Default::default()
    };
    merchant.services().iin_details(&request).await.unwrap();
    merchant.services().privacy_policy(Some("en_GB")).await.unwrap();
    merchant.services().dcc_rate(&json!({})).await.unwrap();
    merchant
        .services()
        .surcharge_calculation(&json!({}))
        .await
        .unwrap();
    merchant
        .webhooks()
        .validate_credentials(&ValidateCredentialsRequest::default())
        .await
        .unwrap();
    merchant
        .webhooks()
        .send_test(&SendTestRequest::default())
        .await
        .unwrap();
    // Only a request with a body has a content type.
    for seen in platform.seen() {
        let typed = seen.headers.get("content-type").map(String::as_str);
        let expected =
            (seen.method == "POST" && !seen.path.ends_with("/cancel")).then_some("application/json");
        assert_eq!(typed, expected, "{} {}", seen.method, seen.path);
        assert!(seen.headers.contains_key("x-gcs-servermetainfo"), "{}", seen.path);
    }
    assert_eq!(platform.seen().len(), 26);
}

#[tokio::test]
async fn a_properties_file_is_all_that_a_client_needs() {
    let (platform, base) = Platform::start().await;
    platform.answers(
        "/v2/MyPSPID/services/testconnection",
        200,
        json!({ "result": "OK" }),
    );
    let (host, port) = base.trim_start_matches("http://").split_once(':').unwrap();
    let path = std::env::temp_dir().join(format!("cardseal-{}.prp", uuid::Uuid::new_v4()));
    let text = format!(
        "[OnlinePaymentsSDK]\nonlinepayments.api.integrator=integrator\nonlinepayments.api.endpoint.host={host}\n\
         ; optional\nonlinepayments.api..endpoint.scheme=http\nonlinepayments.api..endpoint.port={port}\n\
         onlinepayments.api.authorizationType=v1HMAC\n"
    );
    std::fs::write(&path, &text).unwrap();
    let client = Factory::create_client_from_file(&path, KEY, SECRET.to_owned().into()).unwrap();
    let communicator = Factory::create_communicator_from_file(&path, KEY, SECRET.to_owned().into()).unwrap();
    std::fs::remove_file(&path).unwrap();
    for client in [client, Factory::create_client_from_communicator(&communicator)] {
        let answer = client
            .merchant("MyPSPID")
            .unwrap()
            .services()
            .test_connection()
            .await;
        assert_eq!(answer.unwrap().result.as_deref(), Some("OK"));
    }
    // As spelled for Java, and as JSON for Node.
    Configuration::from_text(&text.replace("v1HMAC", "V1HMAC"), KEY, SECRET.to_owned().into()).unwrap();
    let json = json!({ "host": host, "scheme": "http", "port": port.parse::<u16>().unwrap(), "integrator": "integrator",
        "apiKeyId": KEY, "secretApiKey": SECRET, "shoppingCartExtension": { "creator": "a", "name": "b", "version": "c" } });
    let configuration = Configuration::from_json(&json.to_string()).unwrap();
    assert_eq!(configuration.shopping_cart_extension.as_ref().unwrap().name, "b");
    let client = Client::from_configuration(&configuration).unwrap();
    let merchant = client.merchant("MyPSPID").unwrap();
    assert_eq!(
        merchant
            .services()
            .test_connection()
            .await
            .unwrap()
            .result
            .as_deref(),
        Some("OK")
    );
    // The file is gone, or names another kind of authorization.
    assert!(Client::from_file(&path, KEY, SECRET.to_owned().into()).is_err());
    let other = text.replace("v1HMAC", "OAuth2");
    let error = Configuration::from_text(&other, KEY, SECRET.to_owned().into())
        .err()
        .unwrap();
    assert!(error.to_string().contains("authorizationType"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let (platform, base) = Platform::start().await;
    let client = client(&base);
    for id in ["", "../x", "a/b", "a?x=1", "a#b", "é"] {
        assert!(client.merchant(id).is_err(), "{id}");
    }
    let merchant = client.merchant("MyPSPID").unwrap();
    let bad = |error: CallError| matches!(error, CallError::Mistake(_));
    assert!(bad(merchant.tokens().delete("tok#frag").await.unwrap_err()));
    assert!(bad(merchant.tokens().get("tok?x=1").await.unwrap_err()));
    assert!(bad(merchant.payments().get("x/../y").await.unwrap_err()));
    assert!(bad(merchant.hosted_checkout().get("1/2").await.unwrap_err()));
    let query = ProductsQuery {
        locale: Some("en&x=1".into()),
        ..Default::default()
    };
    assert!(bad(merchant.products().list(&query).await.unwrap_err()));
    let request = GetIinDetailsRequest {
        bin: Some("4567350000427977".into()),
        ..Default::default()
    };
    assert!(bad(merchant.services().iin_details(&request).await.unwrap_err()));
    let eleven = SessionRequest {
        tokens: Some(vec!["t".into(); 11]),
        ..Default::default()
    };
    assert!(bad(merchant.sessions().create(&eleven).await.unwrap_err()));
    for key in ["", "a b", "é", "x\ny", &"k".repeat(41)] {
        assert!(CallContext::with_idempotence_key(key).is_err(), "{key:?}");
    }
    for info in ["", "a b", "x\r\ny: z"] {
        assert!(client.with_client_meta_info(info).is_err());
    }
    // A card number in any member, unless the communicator allows it.
    let mut request = CreatePaymentRequest::default();
    request.more.insert(
        "cardPaymentMethodSpecificInput".into(),
        json!({ "card": { "cardNumber": "4567350000427977", "cvv": "123" } }),
    );
    assert_eq!(
        merchant.payments().create(&request, None).await.unwrap_err(),
        CallError::Mistake(Mistake::ClearCardData)
    );
    assert!(platform.seen().is_empty());
    let configuration = Configuration::new(&base, "Shop", KEY, SECRET.to_owned().into()).unwrap();
    let communicator = configuration
        .communicator()
        .unwrap()
        .allow_clear_card_data()
        .build();
    let merchant = Factory::create_client_from_communicator(&communicator)
        .merchant("MyPSPID")
        .unwrap();
    merchant.payments().create(&request, None).await.unwrap();
    assert_eq!(platform.seen().len(), 1);
    for (base, integrator, key) in [
        ("https://host/v2", "x", "k"),
        ("http://host.example", "x", "k"),
        ("https://host", " ", "k"),
        ("https://host", "x", "k:ey"),
        ("https://host", "x", ""),
    ] {
        assert!(Configuration::new(base, integrator, key, SECRET.to_owned().into()).is_err());
    }
}

#[tokio::test]
async fn the_parts_of_the_communicator_can_be_replaced() {
    struct Own(Mutex<Vec<Request>>);
    #[async_trait]
    impl Connection for Own {
        async fn send(&self, request: Request) -> Result<Response, Failure> {
            self.0.lock().unwrap().push(request);
            Ok(Response {
                status: 200,
                headers: Vec::new(),
                body: b"OK".to_vec(),
            })
        }
    }
    #[async_trait]
    impl Authenticator for Own {
        async fn authorization(
            &self,
            _: &ToSign<'_>,
            _: &dyn Connection,
        ) -> Result<SecretString, OAuth2Error> {
            Ok("Own".to_owned().into())
        }
    }
    impl MetadataProvider for Own {
        fn headers(&self) -> Vec<(&'static str, String)> {
            vec![("x-own", "1".into())]
        }
    }
    impl Marshaller for Own {
        fn marshal(&self, value: &Value) -> Result<String, NotJson> {
            JsonMarshaller.marshal(&json!([value]))
        }
        fn unmarshal(&self, bytes: &[u8]) -> Result<Value, NotJson> {
            Ok(json!({ "result": String::from_utf8_lossy(bytes) }))
        }
    }
    struct Greedy(&'static str, &'static str);
    impl MetadataProvider for Greedy {
        fn headers(&self) -> Vec<(&'static str, String)> {
            vec![(self.0, self.1.into())]
        }
    }
    let own = Arc::new(Own(Mutex::default()));
    let configuration = Configuration::new("https://host", "Shop", KEY, SECRET.to_owned().into()).unwrap();
    let parts = || {
        configuration
            .communicator()
            .unwrap()
            .connection(own.clone())
            .authenticator(own.clone())
            .metadata(own.clone())
            .marshaller(own.clone())
    };
    let merchant = Client::new(parts().build())
        .with_client_meta_info("e30")
        .unwrap()
        .merchant("m")
        .unwrap();
    assert_eq!(
        merchant
            .services()
            .test_connection()
            .await
            .unwrap()
            .result
            .as_deref(),
        Some("OK")
    );
    merchant
        .sessions()
        .create(&SessionRequest::default())
        .await
        .unwrap();
    let sent = own.0.lock().unwrap().clone();
    assert_eq!(sent[0].url, "https://host/v2/m/services/testconnection");
    assert_eq!((sent[0].body.as_str(), sent[1].body.as_str()), ("", "[{}]"));
    for name in [
        ("x-own", "1"),
        ("authorization", "Own"),
        ("x-gcs-clientmetainfo", "e30"),
    ] {
        assert!(sent[1].headers.contains(&(name.0, name.1.to_owned())), "{name:?}");
    }
    // A header that replaces one of the communicator's, or starts another one, is refused.
    for (name, value) in [
        ("Authorization", "x"),
        ("date", "x"),
        ("content-type", "x"),
        ("x-a", "b\r\nx-c: d"),
        ("x-a", ""),
    ] {
        let client = Client::new(parts().metadata(Arc::new(Greedy(name, value))).build());
        let result = client.merchant("m").unwrap().services().test_connection().await;
        assert!(matches!(result, Err(CallError::Mistake(_))), "{name}");
    }
    let client = Client::new(
        parts()
            .metadata(Arc::new(Greedy("x-gcs-idempotence-key", "x")))
            .build(),
    );
    let context = CallContext::with_idempotence_key("k").unwrap();
    let result = client
        .merchant("m")
        .unwrap()
        .payments()
        .capture("1", &CapturePaymentRequest::default(), Some(&context))
        .await;
    assert!(matches!(result, Err(CallError::Mistake(_))));
    assert_eq!(own.0.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_log_is_switched_while_in_use_and_shows_no_secret() {
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (platform, base) = Platform::start().await;
    platform.answers(
        "/v2/MyPSPID/sessions",
        201,
        json!({ "clientSessionId": "hunter2-session", "customerId": "hunter2-customer", "clientApiUrl": "https://c.example/client" }),
    );
    platform.answers(
        &format!("/v2/MyPSPID/tokens/{TOKEN}"),
        200,
        json!({ "id": TOKEN, "paymentProductId": 1, "card": { "alias": "************7977",
            "data": { "cardWithoutCvv": { "cardNumber": "************7977", "cardholderName": "Jane Hunter2" } } } }),
    );
    platform.answers(
        "/v2/MyPSPID/hostedtokenizations/hunter2-form",
        404,
        json!({ "message": "no hunter2-form here" }),
    );
    platform.answers(
        "/v2/MyPSPID/hostedcheckouts",
        200,
        json!({ "RETURNMAC": "hunter2-mac", "hostedCheckoutId": "hunter2-checkout",
            "partialRedirectUrl": "preprod.x/hunter2", "redirectUrl": "https://payment.x/hunter2" }),
    );
    let log = Shared::default();
    let client = client(&base);
    let merchant = client.merchant("MyPSPID").unwrap();
    let call = async || {
        merchant
            .sessions()
            .create(&SessionRequest::default())
            .await
            .unwrap();
        merchant.tokens().get(TOKEN).await.unwrap();
        let _unknown = merchant.hosted_tokenization().get("hunter2-form").await;
        merchant
            .hosted_checkout()
            .create(&CreateHostedCheckoutRequest::default())
            .await
            .unwrap();
        let request = CreatePaymentRequest {
            encrypted_customer_input: Some("hunter2-sealed".into()),
            card_payment_method_specific_input: Some(CardPaymentMethodSpecificInput {
                token: Some(TOKEN.into()),
                ..Default::default()
            }),
            ..Default::default()
        };
        let context = CallContext::with_idempotence_key("a-key").unwrap();
        merchant
            .payments()
            .create(&request, Some(&context))
            .await
            .unwrap();
    };
    call().await;
    assert!(log.0.lock().unwrap().is_empty());
    client.enable_logging(Arc::new(WriterLogger::new(log.clone())));
    call().await;
    // A response that repeats secrets of the request.
    platform.answers(
        "/v2/MyPSPID/payments/5_0/refund",
        400,
        json!({ "errors": [{ "message": format!("not {TOKEN}, hunter2-reason") }] }),
    );
    let mut refund = RefundRequest::default();
    refund.more.insert("token".into(), TOKEN.into());
    refund
        .more
        .insert("encryptedPayload".into(), "hunter2-reason".into());
    let refused = merchant
        .payments()
        .refund("5_0", &refund, None)
        .await
        .unwrap_err();
    assert!(!format!("{refused:?}").contains(TOKEN));
    client.disable_logging();
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    call().await;
    assert_eq!(log.0.lock().unwrap().len(), text.len());
    for secret in [SECRET, TOKEN, KEY, "hunter2", "Hunter2", "GCS v1HMAC"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
    for known in [
        "POST /v2/MyPSPID/payments",
        "a-key",
        "3254564310_0",
        "CAPTURED",
        "/tokens/********",
        "after",
    ] {
        assert!(text.contains(known), "{known} is not in\n{text}");
    }
    // The log of a call without a response does not contain the address.
    client.enable_logging(Arc::new(WriterLogger::new(log.clone())));
    let gone = Configuration::new("http://127.0.0.1:1", "Shop", KEY, SECRET.to_owned().into()).unwrap();
    let gone = Client::from_configuration(&gone).unwrap();
    gone.enable_logging(Arc::new(WriterLogger::new(log.clone())));
    let result = gone.merchant("m").unwrap().services().test_connection().await;
    assert!(matches!(result, Err(CallError::Communication(_))));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        text.contains("not_sent") && !text.contains("127.0.0.1:1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_declined_payment_and_refund_carry_what_was_made() {
    let (platform, base) = Platform::start().await;
    let merchant = client(&base).merchant("MyPSPID").unwrap();
    platform.answers(
        "/v2/MyPSPID/payments",
        402,
        json!({ "errorId": "e", "errors": [{ "errorCode": "30511001", "message": "no funds" }],
            "paymentResult": { "creationOutput": { "token": "t" }, "payment": { "id": "5_0", "status": "REJECTED",
                "statusOutput": { "statusCode": 2, "statusCategory": "UNSUCCESSFUL" } } } }),
    );
    let Err(CallError::DeclinedPayment(declined)) = merchant
        .payments()
        .create(&CreatePaymentRequest::default(), None)
        .await
    else {
        panic!("not declined");
    };
    assert_eq!(
        declined.result.payment.as_ref().unwrap().id.as_deref(),
        Some("5_0")
    );
    assert_eq!(
        (declined.fault.status, declined.fault.code()),
        (402, Some("30511001"))
    );
    platform.answers(
        "/v2/MyPSPID/payments/5_0/refund",
        400,
        json!({ "errors": [{ "errorCode": "1" }], "refundResult": { "id": "5_1", "status": "REJECTED" } }),
    );
    let result = merchant
        .payments()
        .refund("5_0", &RefundRequest::default(), None)
        .await;
    let Err(CallError::DeclinedRefund(declined)) = result else {
        panic!("{result:?}")
    };
    assert_eq!(declined.result.id.as_deref(), Some("5_1"));
}
