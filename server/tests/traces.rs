//! Traces, as a collector receives them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};

use crate::crash::Program;
use crate::operations::write;
use crate::shop::{API_KEY, APPROVED, client, config_text, sandbox, seal};

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_one_trace_from_the_caller_to_the_database_and_holds_no_card() {
    let received: Arc<Mutex<Vec<(HeaderMap, String)>>> = Arc::default();
    let collector = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = collector.local_addr().unwrap();
    let taken = Arc::clone(&received);
    let take = post(async move |headers: HeaderMap, body: String| {
        taken.lock().unwrap().push((headers, body));
        "{}"
    });
    tokio::spawn(async move {
        axum::serve(collector, Router::new().route("/v1/traces", take))
            .await
            .unwrap();
    });

    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("cardseal.toml"), folder.path().join("log"));
    let more = format!(
        "[traces]\nendpoint = \"http://{address}\"\nauthorization = \"Basic aHVudGVyMg\"\n[log]\nlevel = \"warn\"\n"
    );
    write(
        &config,
        &config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", &more),
    );
    let program = Program::start_logging(&config, std::fs::File::create(&log).unwrap());
    let (client, url) = (client(), program.url.clone());
    let send = async |path: &str, body: &Value| {
        let request = client
            .post(format!("{url}{path}"))
            .bearer_auth(API_KEY)
            .header("traceparent", CALLER);
        let answer = request.json(body).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let key = cardseal::greenpay::GreenPay::new(
        cardseal::crypto::public_key::PublicKey::parse(&sandbox.info().platforms.greenpay.public_key)
            .unwrap(),
    );
    let session = send("/v1/sessions", &json!({ "customer": "Zacharias" })).await;
    let card = seal(&key, &session, APPROVED);
    let token = send("/v1/tokens", &card).await;
    let charge = json!({ "token": token["id"], "amount": "12.34", "currency": "USD" });
    assert_eq!(send("/v1/payments", &charge).await["status"], "approved");
    // What is left is sent before it ends.
    assert_eq!(
        tokio::task::spawn_blocking(move || program.terminate())
            .await
            .unwrap(),
        Some(0)
    );

    let received = received.lock().unwrap();
    let bodies: Vec<Value> = received
        .iter()
        .map(|(_, body)| serde_json::from_str(body).unwrap())
        .collect();
    assert!(
        received
            .iter()
            .all(|(headers, _)| headers["authorization"] == "Basic aHVudGVyMg")
    );
    let mut spans = Vec::new();
    for resource in bodies
        .iter()
        .flat_map(|body| body["resourceSpans"].as_array().unwrap())
    {
        for scope in resource["scopeSpans"].as_array().unwrap() {
            spans.extend(scope["spans"].as_array().unwrap().iter().cloned());
        }
    }
    let attribute = |span: &Value, key: &str| -> Value {
        let attributes = span["attributes"].as_array().unwrap().iter();
        let mut found = attributes
            .filter(|attribute| attribute["key"] == key)
            .map(|found| found["value"].clone());
        found.next_back().unwrap_or_default()
    };
    let by_id: BTreeMap<&str, &Value> = spans
        .iter()
        .map(|span| (span["spanId"].as_str().unwrap(), span))
        .collect();
    let payment = spans.iter().find(|span| {
        span["name"] == "request" && attribute(span, "http.route")["stringValue"] == "/v1/payments"
    });
    let payment = payment.unwrap();
    assert_eq!(
        payment["traceId"], "0af7651916cd43dd8448eb211c80319c",
        "{payment}"
    );
    assert_eq!(payment["parentSpanId"], "b7ad6b7169203331", "{payment}");
    assert_eq!(attribute(payment, "http.request.method")["stringValue"], "POST");
    assert!(
        attribute(payment, "http.response.status_code")
            .to_string()
            .contains("201"),
        "{payment}"
    );
    // Whatever is below it leads up to it.
    let below = |span: &Value| {
        let mut at = span;
        while let Some(parent) = by_id.get(at["parentSpanId"].as_str().unwrap_or_default()) {
            at = parent;
        }
        at["spanId"] == payment["spanId"]
    };
    let call = spans.iter().find(|span| {
        let operation = attribute(span, "operation");
        span["name"] == "platform call" && operation["stringValue"] == "charge" && below(span)
    });
    let call = call.unwrap();
    assert_eq!(attribute(call, "platform")["stringValue"], "greenpay", "{call}");
    assert_eq!(attribute(call, "outcome")["stringValue"], "2xx", "{call}");
    let writes = spans
        .iter()
        .filter(|span| span["name"] == "database transaction" && below(span));
    assert!(writes.count() >= 2);

    let text = received.iter().map(|(_, body)| body.as_str()).collect::<String>();
    let log = std::fs::read_to_string(&log).unwrap();
    let sealed = [card["ld"].as_str().unwrap(), card["lk"].as_str().unwrap()];
    let secrets = [
        APPROVED,
        "424242",
        API_KEY,
        "Zacharias",
        "tok_",
        "12.34",
        "aHVudGVyMg",
    ];
    for secret in secrets.iter().chain(&sealed) {
        assert!(!text.contains(secret), "the traces hold {secret}");
        assert!(!log.contains(secret), "the log holds {secret}");
    }
}

#[tokio::test]
async fn traces_go_over_tls_or_stay_on_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let text = crate::operations::shop_in(
        folder.path(),
        "[traces]\nendpoint = \"http://collector.example\"\n",
    )
    .await;
    write(&folder.path().join("cardseal.toml"), &text);
    let output = crate::operations::check(folder.path(), &[]);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        out.contains("traces.endpoint must be https, or http on this machine"),
        "{out}"
    );
}
