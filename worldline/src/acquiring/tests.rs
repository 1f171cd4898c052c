//! Tests the client against a small simulated acquirer.

#[allow(dead_code, reason = "the gateway's tests use the rest")]
mod acquirer;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cardseal::http::Request;
use cardseal_transport::{Failure, Response};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::client::{Client, Configuration, Factory};
use super::domain::*;
use super::errors::{Error as CallError, Mistake, OAuth2Error};
use super::oauth2;
use crate::connection::Connection;
use crate::metadata::MetadataProvider;
use acquirer::{Acquirer, PAN, PROCESSING, SECRET, Trouble};

fn client(base: &str) -> Client {
    let uri = format!("{base}/connect/token");
    let configuration = Configuration::new(base, "Shop", &uri, "me", SECRET.to_owned().into()).unwrap();
    Factory::create_client_from_configuration(&configuration).unwrap()
}

#[tokio::test]
async fn every_call_goes_where_the_platform_expects_it() {
    let (platform, base) = Acquirer::start().await;
    let client = client(&base);
    client.ping().await.unwrap();
    let merchant = client.merchant("100812", "520000214").unwrap();
    let operation = |id: &str| Some(id.to_owned());
    let amount = Some(AmountData {
        amount: Some(200),
        currency_code: Some("EUR".into()),
        number_of_decimals: Some(2),
        ..Default::default()
    });
    let payment = ApiPaymentRequest {
        amount: amount.clone(),
        operation_id: operation("o-1"),
        card_payment_data: Some(CardPaymentData {
            card_data: Some(PlainCardData {
                card_number: Some(PAN.into()),
                ..Default::default()
            }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = merchant.payments().process_payment(&payment).await.unwrap();
    assert_eq!(answer.payment_id.as_deref(), Some("p-1"));
    assert!(!format!("{payment:?}").contains(PAN), "{payment:?}");
    merchant.payments().get("p-1", true).await.unwrap();
    merchant
        .payments()
        .capture(
            "p-1",
            &ApiCaptureRequest {
                operation_id: operation("o-2"),
                ..Default::default()
            },
        )
        .await
        .unwrap();
    let missing = merchant
        .payments()
        .increment(
            "p-1",
            &ApiIncrementRequest {
                operation_id: operation("o-3"),
                ..Default::default()
            },
        )
        .await;
    assert!(matches!(missing, Err(CallError::Reference(fault)) if fault.status == 404));
    merchant
        .payments()
        .reverse(
            "p-1",
            &ApiPaymentReversalRequest {
                operation_id: operation("o-4"),
                ..Default::default()
            },
        )
        .await
        .unwrap();
    merchant
        .payments()
        .refund(
            "p-1",
            &ApiPaymentRefundRequest {
                operation_id: operation("o-5"),
                ..Default::default()
            },
        )
        .await
        .unwrap();
    merchant
        .technical_reversal(
            "o-1",
            &ApiTechnicalReversalRequest {
                operation_id: operation("o-6"),
                ..Default::default()
            },
        )
        .await
        .unwrap();
    merchant
        .verify_account(&ApiAccountVerificationRequest {
            operation_id: operation("o-7"),
            ..Default::default()
        })
        .await
        .unwrap();
    platform.answers(
        "/processing/v1/100812/520000214/balance-inquiries",
        201,
        json!({ "availableAmount": { "amount": 5, "currencyCode": "EUR", "numberOfDecimals": 2 } }),
    );
    let balance = merchant
        .inquire_balance(&ApiBalanceInquiryRequest::default())
        .await
        .unwrap();
    assert_eq!(balance.available_amount.unwrap().amount, Some(5));
    platform.answers(
        "/services/v1/100812/520000214/dcc-rates",
        200,
        json!({ "proposal": { "resultingAmount": { "amount": 7 } }, "new": 1 }),
    );
    let rates = merchant.dcc_rates(&GetDccRateRequest::default()).await.unwrap();
    assert_eq!(rates.more["new"], 1);
    let calls = platform.calls();
    let paths: Vec<_> = calls
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path))
        .collect();
    let p = format!("POST {PROCESSING}");
    assert_eq!(
        paths,
        [
            "GET /services/v1/ping".to_owned(),
            format!("{p}/payments"),
            format!("GET {PROCESSING}/payments/p-1?returnOperations=true"),
            format!("{p}/payments/p-1/captures"),
            format!("{p}/payments/p-1/increments"),
            format!("{p}/payments/p-1/authorization-reversals"),
            format!("{p}/payments/p-1/refunds"),
            format!("{p}/operations/o-1/reverse"),
            format!("{p}/account-verifications"),
            format!("{p}/balance-inquiries"),
            "POST /services/v1/100812/520000214/dcc-rates".to_owned(),
        ]
    );
    let mut traces = std::collections::BTreeSet::new();
    for seen in &calls {
        assert_eq!(seen.headers["authorization"], "Bearer token-1");
        assert!(httpdate::parse_http_date(&seen.headers["date"]).is_ok());
        let info = STANDARD.decode(&seen.headers["x-wl-servermetainfo"]).unwrap();
        let info: Value = serde_json::from_slice(&info).unwrap();
        assert_eq!(info["integrator"], "Shop");
        traces.insert(seen.headers["trace-id"].clone());
        let posted = seen.method == "POST";
        assert_eq!(seen.headers.contains_key("content-type"), posted);
    }
    assert_eq!(traces.len(), calls.len());
    // An id cannot change the path.
    for id in ["", "a/b", "a?b", "..", "a%2fb"] {
        assert!(
            client.merchant(id, "1").is_err() && client.merchant("1", id).is_err(),
            "{id}"
        );
        assert!(matches!(
            merchant.payments().get(id, false).await,
            Err(CallError::Mistake(Mistake::Value("payment_id")))
        ));
    }
    // A card number is allowed only in its own member.
    let elsewhere = ApiPaymentRequest {
        references: Some(PaymentReferences {
            merchant_reference: Some(PAN.into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    assert_eq!(
        merchant.payments().process_payment(&elsewhere).await.unwrap_err(),
        CallError::Mistake(Mistake::ClearCardData)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_is_shared_and_renewed_once_after_a_401() {
    let (platform, base) = Acquirer::start().await;
    let client = client(&base);
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.ping().await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(platform.tokens.load(Ordering::SeqCst), 1);
    let form = platform.seen.lock().unwrap()[0].clone();
    assert_eq!(form.headers["content-type"], "application/x-www-form-urlencoded");
    let pairs: BTreeMap<String, String> = url::form_urlencoded::parse(form.text.as_bytes())
        .into_owned()
        .collect();
    assert_eq!(pairs["grant_type"], "client_credentials");
    assert_eq!(
        (pairs["client_id"].as_str(), pairs["client_secret"].as_str()),
        ("me", SECRET)
    );
    assert_eq!(pairs["scope"], oauth2::SCOPES.join(" "));
    let merchant = client.merchant("100812", "520000214").unwrap();
    let request = ApiPaymentRequest {
        operation_id: Some("o-1".into()),
        ..Default::default()
    };
    platform.trouble(&[Trouble::Unauthorized]);
    merchant.payments().process_payment(&request).await.unwrap();
    assert_eq!(platform.tokens.load(Ordering::SeqCst), 2);
    let payments: Vec<_> = platform
        .calls()
        .into_iter()
        .filter(|seen| seen.path.ends_with("/payments"))
        .collect();
    assert_eq!(payments.len(), 2);
    assert_eq!(payments[0].body, payments[1].body);
    assert_ne!(
        payments[0].headers["authorization"],
        payments[1].headers["authorization"]
    );
    // After the second 401, the call fails.
    platform.trouble(&[Trouble::Unauthorized, Trouble::Unauthorized]);
    let refused = merchant.payments().process_payment(&request).await;
    assert!(matches!(refused, Err(CallError::Api(fault)) if fault.status == 401));
    // Without a token, no request is sent.
    platform.trouble(&[Trouble::Unauthorized]);
    platform.answers(
        "/connect/token",
        401,
        json!({ "error": "unauthorized_client", "error_description": "Invalid client credentials" }),
    );
    let refused = merchant.payments().process_payment(&request).await;
    assert!(
        matches!(&refused, Err(CallError::OAuth2(OAuth2Error::Refused { status: 401, code, .. })) if code == "unauthorized_client"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_published_file_is_all_that_a_client_needs_and_closing_closes_for_all() {
    let (_, base) = Acquirer::start().await;
    let (host, port) = base.trim_start_matches("http://").split_once(':').unwrap();
    let text = format!(
        "[AcquiringSDK]\nacquiring.api.integrator=<your company name>\nacquiring.api.endpoint.host={host}\n\
        acquiring.api.endpoint.scheme=http\nacquiring.api.endpoint.port={port}\n\
        acquiring.api.authorizationType=OAuth2\nacquiring.api.oauth2.tokenUri={base}/connect/token\n\
        acquiring.api.connectTimeout=5 # use -1 for no timeout\n\
        acquiring.api.socketTimeout=300 # use -1 for no timeout\n\
        acquiring.api.maxConnections=10 # to support 10 concurrent connections\n"
    );
    let path = std::env::temp_dir().join(format!("cardseal-{}.ini", uuid::Uuid::new_v4()));
    std::fs::write(&path, &text).unwrap();
    let secret = || SecretString::from(SECRET.to_owned());
    let client = Factory::create_client_from_file(&path, "me", secret()).unwrap();
    let communicator = Factory::create_communicator_from_file(&path, "me", secret()).unwrap();
    std::fs::remove_file(&path).unwrap();
    client.ping().await.unwrap();
    client.close_expired_connections();
    client.close_idle_connections(Duration::ZERO);
    client.ping().await.unwrap();
    let shared = [
        Factory::create_client_from_communicator(&communicator),
        Factory::create_client_from_communicator(&communicator),
    ];
    shared[1].ping().await.unwrap();
    shared[0].close();
    for client in &shared {
        assert_eq!(
            client.ping().await.unwrap_err(),
            CallError::Mistake(Mistake::Closed)
        );
    }
    client.ping().await.unwrap();
    // As spelled for Java, and as JSON for Node.
    Configuration::from_text(&text.replace("=OAuth2", "=OAUTH2"), "me", secret()).unwrap();
    let endpoint = json!({ "host": host, "scheme": "http", "port": port.parse::<u16>().unwrap() });
    for json in [
        json!({ "acquirerId": "100812", "merchantId": "1", "apiEndpoint": endpoint, "integrator": "x", "enableLogging": false,
            "oauth2": { "clientId": "me", "clientSecret": SECRET, "tokenUri": format!("{base}/connect/token") } }),
        json!({ "host": host, "scheme": "http", "port": endpoint["port"], "integrator": "x", "oauth2ClientId": "me",
            "oauth2ClientSecret": SECRET, "oauth2TokenUri": format!("{base}/connect/token") }),
    ] {
        let configuration = Configuration::from_json(&json.to_string()).unwrap();
        Client::new(configuration.communicator().unwrap().build())
            .ping()
            .await
            .unwrap();
    }
    for (from, to, key) in [
        ("=OAuth2", "=v1HMAC", "authorizationType"),
        ("/connect/token", "/connect/token?x=1", "oauth2.tokenUri"),
        ("connectTimeout=5", "connectTimeout=0", "connectTimeout"),
        (
            "maxConnections=10",
            "shoppingCartExtension.name=x",
            "shoppingCartExtension.creator",
        ),
    ] {
        let error = Configuration::from_text(&text.replace(from, to), "me", secret())
            .err()
            .unwrap();
        assert!(error.to_string().contains(key), "{error}");
    }
    for uri in [
        "http://host.example/token",
        "ftp://x/y",
        "token",
        "https://u:p@host/token",
    ] {
        assert!(
            Configuration::new(&base, "x", uri, "me", secret()).is_err(),
            "{uri}"
        );
    }
}

#[tokio::test]
async fn the_parts_of_the_communicator_can_be_replaced() {
    struct Own(Mutex<Vec<Request>>);
    #[async_trait]
    impl Connection for Own {
        async fn send(&self, request: Request) -> Result<Response, Failure> {
            let token = request.url.ends_with("/token");
            self.0.lock().unwrap().push(request);
            Ok(Response {
                status: if token { 200 } else { 204 },
                headers: Vec::new(),
                body: if token {
                    br#"{"access_token":"t","expires_in":-1}"#.to_vec()
                } else {
                    Vec::new()
                },
            })
        }
    }
    impl MetadataProvider for Own {
        fn headers(&self) -> Vec<(&'static str, String)> {
            vec![("x-own", "1".into())]
        }
    }
    let own = Arc::new(Own(Mutex::default()));
    let configuration = Configuration::new(
        "https://host.example",
        "x",
        "https://auth.example/token",
        "me",
        SECRET.to_owned().into(),
    )
    .unwrap();
    let builder = configuration.communicator().unwrap();
    let client = Client::new(builder.connection(own.clone()).metadata(own.clone()).build());
    // A token that has already expired is used for one call.
    client.ping().await.unwrap();
    client.ping().await.unwrap();
    let urls: Vec<_> = own
        .0
        .lock()
        .unwrap()
        .iter()
        .map(|request| request.url.clone())
        .collect();
    let (token, ping) = (
        "https://auth.example/token",
        "https://host.example/services/v1/ping",
    );
    assert_eq!(urls, [token, ping, token, ping]);
    assert!(own.0.lock().unwrap()[1].headers.contains(&("x-own", "1".into())));
}
