//! API keys with scopes: what each may do, and the commands that make and revoke them.

use std::path::Path;
use std::process::Command;

use axum::body::Body;
use axum::http::Request;
use cardseal_server::api_key::generate_stored;
use cardseal_server::scope::{Scope, Scopes};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use crate::crash::{Program, SERVER};
use crate::shop::{API_KEY, APPROVED, Answer, Shop, config_text, sandbox};

async fn call(shop: &Shop, key: Option<&SecretString>, method: &str, path: &str) -> Answer {
    let mut request = Request::builder()
        .method(method.to_uppercase().as_str())
        .uri(path);
    if let Some(key) = key {
        request = request.header("authorization", format!("Bearer {}", key.expose_secret()));
    }
    let body = if method == "get" { "" } else { "{}" };
    let request = request.header("content-type", "application/json");
    shop.send(request.body(Body::from(body)).unwrap()).await
}

async fn key_with(shop: &Shop, scopes: &str) -> SecretString {
    let key = generate_stored().unwrap();
    let now = shop.app.clock.now();
    let added = shop
        .app
        .store
        .add_api_key(&key, "test", scopes.parse().unwrap(), None, now);
    added.await.unwrap();
    key
}

#[tokio::test]
async fn every_operation_asks_for_the_scope_that_its_contract_names() {
    let shop = Shop::gp_api(&[("CARDSEAL__COMPAT__GP_NETWORK_TOKENS", "true")]).await;
    let mut keys = Vec::new();
    for scope in Scope::ALL {
        keys.push((*scope, key_with(&shop, scope.as_str()).await));
    }
    let document = serde_json::to_value(cardseal_server::openapi()).unwrap();
    let mut walked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let Some(security) = operation["security"].as_array() else {
                // Health, the contract itself, notifications and the demo.
                let open = ["health", "notifications", "demo"];
                assert!(
                    open.contains(&operation["tags"][0].as_str().unwrap()),
                    "{method} {path}"
                );
                continue;
            };
            let named = security[0]["api_key"].as_array().unwrap();
            assert_eq!(named.len(), 1, "{method} {path}");
            let needed = Scope::ALL.iter().find(|scope| named[0] == scope.as_str());
            let needed = *needed.unwrap_or_else(|| panic!("{method} {path}: {}", named[0]));
            let url = path.replace("{id}", "x").replace("{customer}", "x");
            let in_sample = operation["tags"][0] == "gp_api sample";
            let answer = call(&shop, None, method, &url).await;
            assert_eq!(answer.status, 401, "{method} {path}");
            let unknown = generate_stored().unwrap();
            assert_eq!(
                call(&shop, Some(&unknown), method, &url).await.status,
                401,
                "{method} {path}"
            );
            for (scope, key) in &keys {
                let answer = call(&shop, Some(key), method, &url).await;
                let status = answer.status.as_u16();
                if Scopes::of(*scope).allow(needed) {
                    assert!(
                        ![401, 403].contains(&status),
                        "{method} {path} {scope:?}: {}",
                        answer.text
                    );
                } else if in_sample {
                    assert_eq!(status, 403, "{method} {path} {scope:?}: {}", answer.text);
                } else {
                    answer.problem(403, "api_key_scope");
                    assert!(answer.json["detail"].as_str().unwrap().contains(needed.as_str()));
                }
            }
            walked += 1;
        }
    }
    assert!(walked > 20, "{walked}");
}

#[tokio::test]
async fn scopes_hold_below_a_base_path_and_for_head() {
    let shop = Shop::with(&[("CARDSEAL__SERVER__BASE_PATH", "/pay")]).await;
    let key = key_with(&shop, "read").await;
    call(&shop, Some(&key), "get", "/pay/v1/payments").await.is(200);
    assert_eq!(
        call(&shop, Some(&key), "head", "/pay/v1/payments").await.status,
        200
    );
    call(&shop, Some(&key), "post", "/pay/v1/payments")
        .await
        .problem(403, "api_key_scope");
}

#[tokio::test]
async fn a_key_ends_when_it_expires_or_is_revoked() {
    let shop = Shop::open().await;
    let now = shop.app.clock.now();
    let key = generate_stored().unwrap();
    let read = Scopes::of(Scope::Read);
    let stored = shop
        .app
        .store
        .add_api_key(&key, "a", read, Some(now + 60_000), now)
        .await
        .unwrap();
    call(&shop, Some(&key), "get", "/v1/payments").await.is(200);
    let used = shop.app.store.api_key(&stored.id).await.unwrap().unwrap().used_at;
    assert!(used.is_some_and(|at| at >= now));
    shop.app.clock.advance(61);
    call(&shop, Some(&key), "get", "/v1/payments")
        .await
        .problem(401, "api_key_expired");
    let other = key_with(&shop, "read").await;
    call(&shop, Some(&other), "get", "/v1/payments").await.is(200);
    let id = shop.app.store.find_api_key(&other).await.unwrap().unwrap().id;
    shop.app.store.revoke_api_key(&id, now).await.unwrap();
    call(&shop, Some(&other), "get", "/v1/payments")
        .await
        .problem(401, "api_key_revoked");
    // The key of the configuration goes on, and what is no key is none.
    shop.get("/v1/payments").await.is(200);
    for wrong in [
        "",
        "csk_",
        &format!("{}0", key.expose_secret()),
        &key.expose_secret()[..67],
    ] {
        let wrong = SecretString::from(wrong);
        call(&shop, Some(&wrong), "get", "/v1/payments")
            .await
            .problem(401, "api_key_invalid");
    }
    assert!(!shop.has_written(key.expose_secret()).await);
}

#[tokio::test]
async fn a_page_and_a_key_of_sessions_may_do_what_they_are_for() {
    let shop = Shop::open().await;
    // Without a key, as before.
    shop.token(APPROVED).await;
    let key = key_with(&shop, "sessions,tokens").await;
    call(&shop, Some(&key), "post", "/v1/sessions").await.is(201);
    call(&shop, Some(&key), "get", "/v1/tokens")
        .await
        .problem(403, "api_key_scope");
}

fn command(config: &Path, words: &[&str]) -> (bool, String) {
    let output = Command::new(SERVER)
        .args(words)
        .arg("--config")
        .arg(config)
        .env_clear()
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.success(), text)
}

fn answer(config: &Path, words: &[&str]) -> Value {
    let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
    let (success, text) = command(config, &words);
    assert!(success, "{text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_made_rotated_and_revoked_while_the_server_runs() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cardseal.toml");
    let text = config_text(&sandbox, &folder.path().join("x.sqlite"), "127.0.0.1:0", "");
    std::fs::write(&config, text).unwrap();
    // Also before the first start.
    let first = answer(
        &config,
        &[
            "keys", "add", "--name", "reports", "--scopes", "read", "--days", "30",
        ],
    );
    let program = Program::start(&config);
    let client = crate::shop::client();
    let status = async |key: &Value| -> (u16, Value) {
        let url = format!("{}/v1/payments", program.url);
        let answer = client
            .get(url)
            .bearer_auth(key.as_str().unwrap())
            .send()
            .await
            .unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap()["code"].clone())
    };
    assert_eq!(status(&first["key"]).await.0, 200);
    let second = answer(&config, &["keys", "rotate", first["id"].as_str().unwrap()]);
    assert_eq!(
        (&second["name"], &second["scopes"]),
        (&json!("reports"), &json!("read"))
    );
    // Both are valid for a while.
    assert_eq!(
        (status(&first["key"]).await.0, status(&second["key"]).await.0),
        (200, 200)
    );
    let third = second["id"].as_str().unwrap();
    let third = answer(&config, &["keys", "rotate", third, "--overlap-hours", "0"]);
    assert_eq!(status(&second["key"]).await, (401, json!("api_key_expired")));
    assert_eq!(
        answer(&config, &["keys", "revoke", third["id"].as_str().unwrap()])["state"],
        "revoked"
    );
    assert_eq!(status(&third["key"]).await, (401, json!("api_key_revoked")));

    let url = format!("{}/v1/audit", program.url);
    let page: Value = client
        .get(url)
        .bearer_auth(API_KEY)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let by_command: Vec<(&str, &str)> = page["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            (
                entry["operation"].as_str().unwrap(),
                entry["object"].as_str().unwrap(),
            )
        })
        .collect();
    let ids = [&first, &second, &third].map(|key| key["id"].as_str().unwrap());
    let expected = [
        ("keys revoke", ids[2]),
        ("keys rotate", ids[1]),
        ("keys rotate", ids[0]),
        ("keys add", ids[0]),
    ];
    assert_eq!(by_command, expected);

    let list = answer(&config, &["keys", "list"]);
    let states: Vec<&Value> = list.as_array().unwrap().iter().map(|key| &key["state"]).collect();
    assert_eq!(states, ["valid", "expired", "revoked"]);
    assert!(list[0]["used_at"].is_string() && list[0]["expires_at"].is_string());
    let shown = command(&config, &["keys", "list"]).1;
    for key in [&first, &second, &third] {
        let key = key["key"].as_str().unwrap();
        assert!(!list.to_string().contains(key) && !shown.contains(key));
    }
    for (words, message) in [
        (&["keys", "revoke", "key_x"][..], "no such API key"),
        (
            &["keys", "rotate", third["id"].as_str().unwrap()][..],
            "has expired or was revoked",
        ),
        (
            &["keys", "add", "--name", "x", "--scopes", "all"][..],
            "not known",
        ),
        (&["keys", "add", "--scopes", "read"][..], "not known"),
        (&["keys", "list", "--colour", "green"][..], "not known"),
    ] {
        let (success, text) = command(&config, words);
        assert!(!success && text.contains(message), "{words:?}: {text}");
    }
}
