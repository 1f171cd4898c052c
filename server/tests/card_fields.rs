//! `[fields]`: the isolated card fields, served with a policy of their own.

use std::collections::BTreeMap;

use axum::http::Request;
use cardseal_server::config::Config;
use serde_json::json;

use crate::shop::{Answer, Shop};

const PARENT: &str = "https://www.shop.example";
const FIELDS: &str = "https://fields.shop.example";

fn package() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("card-fields.html", "<!doctype html>"),
        ("card-fields.js", "1"),
        ("cardseal_bg.wasm", "\0asm"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

async fn shop(more: &[(&str, &str)]) -> (Shop, tempfile::TempDir) {
    let folder = package();
    let pkg = folder.path().display().to_string();
    let parents = format!("{PARENT},https://shop.example");
    let settings: Vec<(&str, &str)> = [
        ("CARDSEAL__FIELDS__ENABLED", "true"),
        ("CARDSEAL__FIELDS__ORIGIN", FIELDS),
        ("CARDSEAL__FIELDS__PARENTS", &parents),
        ("CARDSEAL__FIELDS__PKG", &pkg),
    ]
    .into_iter()
    .chain(more.iter().copied())
    .collect();
    (Shop::with(&settings).await, folder)
}

async fn file(shop: &Shop, path: &str) -> Answer {
    shop.send(Request::builder().uri(path).body(String::new().into()).unwrap())
        .await
}

fn header(answer: &Answer, name: &str) -> String {
    answer
        .headers
        .get(name)
        .map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_fields_are_served_with_a_policy_of_their_own() {
    let (shop, _folder) = shop(&[]).await;
    for (path, kind, resource) in [
        ("/fields/card-fields.html", "text/html", "cross-origin"),
        ("/fields/card-fields.js", "text/javascript", "same-origin"),
        ("/fields/cardseal_bg.wasm", "application/wasm", "same-origin"),
        ("/fields/card-fields.json", "application/json", "same-origin"),
    ] {
        let answer = file(&shop, path).await;
        assert_eq!(answer.status, 200, "{path}");
        let text = |name| header(&answer, name);
        assert!(text("content-type").starts_with(kind), "{path}");
        assert_eq!(text("cross-origin-resource-policy"), resource, "{path}");
        let policy = text("content-security-policy");
        for part in [
            "default-src 'none';".to_owned(),
            "script-src 'self' 'wasm-unsafe-eval';".to_owned(),
            "style-src 'self';".to_owned(),
            format!("connect-src 'self' http://{};", shop.sandbox.info().listen),
            format!("frame-ancestors {PARENT} https://shop.example;"),
            "form-action 'none';".to_owned(),
            "base-uri 'none';".to_owned(),
        ] {
            assert!(policy.contains(&part), "{path}: {part} is not in {policy}");
        }
        assert!(
            !policy.contains("unsafe-inline") && !policy.contains('*'),
            "{policy}"
        );
        assert_eq!(text("referrer-policy"), "no-referrer");
        assert_eq!(text("x-content-type-options"), "nosniff");
        assert_eq!(text("origin-agent-cluster"), "?1");
        assert_eq!(text("cross-origin-embedder-policy"), "require-corp");
        assert!(text("permissions-policy").contains("clipboard-read=()"));
        // A frame that others may show must not also be refused by the old header, and nothing is remembered.
        assert_eq!(text("x-frame-options") + &text("set-cookie"), "");
    }
    assert_eq!(
        file(&shop, "/fields/card-fields.json").await.is(200),
        json!({ "parents": [PARENT, "https://shop.example"], "server": "" })
    );
    for path in ["/fields/nothing", "/fields/%2e%2e/Cargo.toml", "/fields/"] {
        assert_eq!(file(&shop, path).await.status, 404, "{path}");
    }
    // Elsewhere nothing changes.
    shop.get("/v1/nothing").await.problem(404, "not_found");
    shop.get("/card-fields.html").await.problem(404, "not_found");
}

#[tokio::test]
async fn they_open_sessions_from_their_own_origin() {
    let (shop, _folder) = shop(&[]).await;
    let ask = |origin: &'static str| {
        Request::builder()
            .method("POST")
            .uri("/v1/sessions")
            .header("origin", origin)
            .body(String::new().into())
            .unwrap()
    };
    let answer = shop.send(ask(FIELDS)).await;
    assert_eq!(answer.headers["access-control-allow-origin"], FIELDS);
    answer.is(201);
    // Showing the fields is not calling the server.
    shop.send(ask(PARENT)).await.problem(403, "origin_not_allowed");
}

#[tokio::test]
async fn below_a_base_path_they_find_their_server() {
    let (shop, _folder) = shop(&[("CARDSEAL__SERVER__BASE_PATH", "/pay")]).await;
    assert_eq!(
        file(&shop, "/pay/fields/card-fields.json").await.json["server"],
        "/pay"
    );
    assert_eq!(file(&shop, "/pay/fields/card-fields.html").await.status, 200);
}

#[test]
fn settings_that_would_isolate_nothing_are_refused() {
    let folder = package();
    let pkg = folder.path().display().to_string();
    let mistakes = |settings: &[(&str, &str)]| {
        let environment: BTreeMap<String, String> = [("CARDSEAL__FIELDS__ENABLED", "true")]
            .iter()
            .chain(settings)
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        Config::from_parts("", &environment).err().unwrap().to_string()
    };
    let nothing = mistakes(&[]);
    for key in [
        "fields.origin: is missing",
        "fields.parents: is missing",
        "fields.pkg:",
    ] {
        assert!(nothing.contains(key), "{key} is not in\n{nothing}");
    }
    let same = mistakes(&[
        ("CARDSEAL__FIELDS__ORIGIN", PARENT),
        ("CARDSEAL__FIELDS__PARENTS", PARENT),
        ("CARDSEAL__FIELDS__PKG", &pkg),
    ]);
    assert!(same.contains("fields.origin: is one of `parents`"), "{same}");
    assert!(!same.contains("fields.pkg"), "{same}");
    let paths = mistakes(&[
        ("CARDSEAL__FIELDS__ORIGIN", "https://fields.shop.example/x"),
        ("CARDSEAL__FIELDS__PARENTS", "*"),
    ]);
    assert!(
        paths.contains("fields.origin: must be an origin")
            && paths.contains("fields.parents: must be origins"),
        "{paths}"
    );
}
