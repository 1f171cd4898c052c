use axum::http::Request;
use serde_json::json;

use crate::shop::{APPROVED, Shop};

async fn demo() -> (Shop, tempfile::TempDir) {
    let files = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("www/index.html", "<!doctype html>"),
        ("www/main.js", "1"),
        ("pkg/x.wasm", "\0asm"),
        ("pkg/index.js", "1"),
    ] {
        let path = files.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let www = files.path().join("www").display().to_string();
    let pkg = files.path().join("pkg").display().to_string();
    let settings = [
        ("CARDSEAL__DEMO__ENABLED", "true"),
        ("CARDSEAL__DEMO__WWW", www.as_str()),
        ("CARDSEAL__DEMO__PKG", pkg.as_str()),
    ];
    (Shop::with(&settings).await, files)
}

#[tokio::test]
async fn serves_the_page_under_a_strict_policy() {
    let (shop, _files) = demo().await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/return/eyJzdGF0dXMiOjIwMX0=/with/slashes", "text/html"),
        ("/main.js", "text/javascript"),
        ("/pkg/x.wasm", "application/wasm"),
        ("/pkg/index.js", "text/javascript"),
    ] {
        let answer = shop
            .send(Request::builder().uri(path).body(String::new().into()).unwrap())
            .await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.headers["content-type"]
                .to_str()
                .unwrap()
                .split(';')
                .next()
                .unwrap(),
            kind
        );
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        let checkout = shop.sandbox.info().listen.clone();
        for part in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval';",
            "frame-src http://127.0.0.1:8080 http://localhost:8080;",
            "form-action 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(
            policy.contains(&format!("connect-src 'self' http://{checkout};")),
            "{policy}"
        );
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    for path in ["/nothing", "/../Cargo.toml", "/pkg/nothing", "/%2e%2e/Cargo.toml"] {
        let answer = shop
            .send(Request::builder().uri(path).body(String::new().into()).unwrap())
            .await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let facts = shop.get("/v1/demo").await.is(200);
    assert_eq!((&facts["demo"], &facts["sandbox"]), (&json!(true), &json!(true)));
    assert_eq!(facts["offered"], json!(["greenpay"]));
    assert_eq!(facts["currencies"], json!(["CRC", "USD", "GTQ"]));
    assert!(
        !facts
            .to_string()
            .contains(&shop.sandbox.info().platforms.greenpay.credentials.secret)
    );
    shop.get("/v1/nothing").await.problem(404, "not_found");
}

#[tokio::test]
async fn lets_in_the_form_of_a_platform_that_has_one() {
    let (first, files) = demo().await;
    let www = files.path().join("www").display().to_string();
    let pkg = files.path().join("pkg").display().to_string();
    drop(first);
    let settings = [
        ("CARDSEAL__DEMO__ENABLED", "true"),
        ("CARDSEAL__DEMO__WWW", www.as_str()),
        ("CARDSEAL__DEMO__PKG", pkg.as_str()),
    ];
    let shop = Shop::beside("online_payments", &settings).await;
    let page = Request::builder().uri("/").body(String::new().into()).unwrap();
    let answer = shop.send(page).await;
    let policy = answer.headers["content-security-policy"].to_str().unwrap();
    let base = format!("http://{}", shop.sandbox.info().listen);
    let script = format!("{base}/hostedtokenization/js/client/tokenizer.min.js");
    for part in [
        format!("script-src 'self' 'wasm-unsafe-eval' {script};"),
        format!("frame-src {base} http://127.0.0.1:8080 http://localhost:8080;"),
        "form-action 'self';".to_owned(),
    ] {
        assert!(policy.contains(&part), "{policy}");
    }
    let facts = shop.get("/v1/demo").await.is(200);
    assert_eq!(
        facts["platforms"]["online_payments"]["tokenizer_url"],
        json!(script)
    );
}

#[tokio::test]
async fn its_own_page_needs_no_key_and_others_do() {
    let (shop, _files) = demo().await;
    let token = shop.token(APPROVED).await;
    let body = json!({ "token": token["id"], "amount": "1.00", "currency": "USD" });
    let charge = |origin: &str| {
        let request = Request::builder()
            .method("POST")
            .uri("/v1/payments")
            .header("origin", origin);
        request
            .header("content-type", "application/json")
            .body(body.to_string().into())
            .unwrap()
    };
    for origin in ["http://127.0.0.1:8080", "http://localhost:8080"] {
        shop.send(charge(origin)).await.is(201);
    }
    shop.send(charge("http://127.0.0.1:9999"))
        .await
        .problem(403, "origin_not_allowed");

    let list = |site: &str, host: &str| {
        let request = Request::builder()
            .uri("/v1/tokens")
            .header("sec-fetch-site", site)
            .header("host", host);
        request.body(String::new().into()).unwrap()
    };
    shop.send(list("same-origin", "127.0.0.1:8080")).await.is(200);
    shop.send(list("cross-site", "127.0.0.1:8080"))
        .await
        .problem(401, "api_key_missing");
    shop.send(list("same-origin", "evil.example:8080"))
        .await
        .problem(401, "api_key_missing");
    shop.send(
        Request::builder()
            .uri("/v1/tokens")
            .body(String::new().into())
            .unwrap(),
    )
    .await
    .problem(401, "api_key_missing");
}

#[tokio::test]
async fn it_does_not_start_where_it_would_be_dangerous() {
    let sandbox = crate::shop::sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let more = format!(
        "[demo]\nenabled = true\nwww = {0:?}\npkg = {0:?}\n",
        folder.path().display()
    );
    let refused = |text: String| {
        cardseal_server::config::Config::from_parts(&text, &std::collections::BTreeMap::new())
            .err()
            .unwrap()
            .to_string()
    };
    let text = |listen| crate::shop::config_text(&sandbox, &folder.path().join("x"), listen, &more);
    assert!(refused(text("0.0.0.0:8080")).contains("demo.enabled"));
    let live = text("127.0.0.1:8080").replace("environment = \"custom\"", "environment = \"production\"");
    assert!(refused(live).contains("demo.enabled"));
}
