//! The metrics as Prometheus reads them.

use std::collections::BTreeSet;

use cardseal_sandbox::faults::{Fault, Kind};
use serde_json::json;

use crate::crash::Program;
use crate::operations::{hang_up, logged, write};
use crate::shop::{API_KEY, APPROVED, ORIGIN, WEBHOOK_SECRET, client, config_text, sandbox, seal};

const TOKEN: &str = "0f4b7c1d9e2a6835";

async fn scrape(program: &Program, token: Option<&str>) -> (u16, String) {
    let mut request = client().get(format!("http://{}/metrics", program.metrics.as_ref().unwrap()));
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

/// The value of a line, by its name and labels as they are written.
fn value(text: &str, line: &str) -> f64 {
    let found = text
        .lines()
        .find_map(|one| one.strip_prefix(line)?.strip_prefix(' '));
    assert!(found.is_some(), "{line} is not in\n{text}");
    found.unwrap().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_requests_calls_and_limits_and_tell_nothing_of_customers() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("cardseal.toml"), folder.path().join("log"));
    let more = format!(
        "[metrics]\nlisten = \"127.0.0.1:0\"\ntoken = \"{TOKEN}\"\n[limits]\nbrowser_burst = 3\n\
         browser_requests_per_minute = 1\n"
    );
    write(
        &config,
        &config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", &more),
    );
    let program = Program::start_logging(&config, std::fs::File::create(&log).unwrap());
    assert_eq!(scrape(&program, None).await.0, 401);
    assert_eq!(scrape(&program, Some("another")).await.0, 401);

    let (client, url) = (client(), program.url.clone());
    let send = async |method: &str, path: &str, body: Option<&serde_json::Value>, key: bool| {
        let mut request = client.request(method.parse().unwrap(), format!("{url}{path}"));
        request = if key {
            request.bearer_auth(API_KEY)
        } else {
            request.header("origin", ORIGIN)
        };
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<serde_json::Value>().await.unwrap_or_default(),
        )
    };
    let key = cardseal::greenpay::GreenPay::new(
        cardseal::crypto::public_key::PublicKey::parse(&sandbox.info().platforms.greenpay.public_key)
            .unwrap(),
    );
    let (_, session) = send(
        "POST",
        "/v1/sessions",
        Some(&json!({ "customer": "Zacharias" })),
        true,
    )
    .await;
    let (status, token) = send("POST", "/v1/tokens", Some(&seal(&key, &session, APPROVED)), false).await;
    assert_eq!(status, 201);
    let charge = json!({ "token": token["id"], "amount": "12.34", "currency": "USD" });
    assert_eq!(send("POST", "/v1/payments", Some(&charge), true).await.0, 201);
    while send("POST", "/v1/sessions", Some(&json!({})), false).await.0 != 429 {}
    assert_eq!(
        send("BREW", &format!("/v1/tokens/{APPROVED}"), None, true)
            .await
            .0,
        405
    );
    assert_eq!(send("GET", &format!("/{APPROVED}"), None, true).await.0, 404);

    let (status, text) = scrape(&program, Some(TOKEN)).await;
    assert_eq!(status, 200);
    let requests = "cardseal_http_requests_total{method=\"POST\",route=\"/v1/payments\",status=\"2xx\"}";
    assert_eq!(value(&text, requests), 1.0);
    assert_eq!(
        value(&text, "cardseal_http_errors_total{code=\"rate_limited\"}"),
        1.0
    );
    let calls = "cardseal_platform_calls_total{operation=\"charge\",outcome=\"2xx\",platform=\"greenpay\"}";
    assert!(value(&text, calls) >= 1.0);
    let took = "cardseal_platform_call_duration_seconds_count{operation=\"tokenize\",platform=\"greenpay\"}";
    assert!(value(&text, took) >= 1.0);
    assert_eq!(
        value(&text, "cardseal_limits_acted_total{limit=\"calls_per_platform\"}"),
        0.0
    );
    assert_eq!(
        value(
            &text,
            &format!("cardseal_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"))
        ),
        1.0
    );
    for secret in [
        APPROVED,
        "424242",
        "4242\"",
        API_KEY,
        TOKEN,
        WEBHOOK_SECRET,
        "Zacharias",
        "BREW",
        "tok_",
        "pay_",
    ] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }

    hang_up(&program);
    logged(&log, "the configuration is in place", 1).await;
    let (_, text) = scrape(&program, Some(TOKEN)).await;
    assert_eq!(value(&text, requests), 1.0, "a reload began anew");
    assert_eq!(
        value(&text, "cardseal_config_reloads_total{result=\"done\"}"),
        1.0
    );

    // Nothing that callers choose makes new rows.
    let rows = |text: &str| -> BTreeSet<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
            .collect()
    };
    let before = rows(&text);
    for number in 0..50 {
        send(&format!("M{number}"), "/v1/tokens", None, true).await;
        send("GET", &format!("/v1/tokens/tok_{number}"), None, true).await;
        send("GET", &format!("/nothing/{number}"), None, true).await;
        send(
            "POST",
            "/v1/sessions",
            Some(&json!({ "platform": format!("p{number}") })),
            true,
        )
        .await;
    }
    let after = rows(&scrape(&program, Some(TOKEN)).await.1);
    let new: Vec<_> = after.difference(&before).collect();
    assert!(
        new.len() < 60 && !new.iter().any(|row| row.contains("49")),
        "{new:?}"
    );
    // Only there.
    assert_eq!(send("GET", "/metrics", None, true).await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_tell_how_long_a_payment_has_been_unknown() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let more = "[metrics]\nlisten = \"127.0.0.1:0\"\n[http]\nrequest_timeout_ms = 1000\n";
    write(
        &config,
        &config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", more),
    );
    let program = Program::start(&config);
    let (client, url) = (client(), program.url.clone());
    let post = async |path: &str, body: serde_json::Value| {
        crate::crash::call(&client, "POST", format!("{url}{path}"), Some(&body), None)
            .await
            .unwrap()
    };
    let key = cardseal::greenpay::GreenPay::new(
        cardseal::crypto::public_key::PublicKey::parse(&sandbox.info().platforms.greenpay.public_key)
            .unwrap(),
    );
    let (_, session) = post("/v1/sessions", json!({})).await;
    let (_, token) = post("/v1/tokens", seal(&key, &session, APPROVED)).await;
    let mut lost = Fault::new("greenpay", "merchant/tokenPayment", Kind::DropAfterCommit);
    lost.times = 0;
    sandbox.inject(lost).unwrap();
    let charge = json!({ "token": token["id"], "amount": "1.00", "currency": "USD" });
    assert_eq!(post("/v1/payments", charge).await.0, 202);
    let began = std::time::Instant::now();
    loop {
        let (_, text) = scrape(&program, None).await;
        assert_eq!(
            value(&text, "cardseal_payments_unknown{platform=\"greenpay\"}"),
            1.0
        );
        let age = value(
            &text,
            "cardseal_payments_oldest_unknown_seconds{platform=\"greenpay\"}",
        );
        if age >= 1.0 {
            let outcome = "cardseal_payment_outcomes_total{platform=\"greenpay\",status=\"unknown\"}";
            assert_eq!(value(&text, outcome), 1.0);
            let calls = "operation=\"charge\",outcome=\"connection_lost\",platform=\"greenpay\"";
            assert!(value(&text, &format!("cardseal_platform_calls_total{{{calls}}}")) >= 1.0);
            break;
        }
        assert!(began.elapsed().as_secs() < 60, "{text}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
