//! Headers, paths, compression, other origins: everything around the JSON.

use std::io::Read;

use flate2::read::GzDecoder;
use reqwest::Method;
use serde_json::{Value, json};

use super::merchant::{Answer, GOOD_CARD, Merchant, card, sale_by_card};

#[tokio::test]
async fn needs_the_version_everywhere() {
    let merchant = Merchant::open().await;
    for path in ["/accesstoken", "/transactions", "/payment-methods"] {
        let send = async |version: Option<&str>| {
            let mut request = merchant
                .http
                .post(merchant.url(path))
                .bearer_auth(&merchant.token);
            if let Some(version) = version {
                request = request.header("X-GP-Version", version);
            }
            Answer::of(request.json(&json!({})).send().await.unwrap()).await
        };
        let answer = send(None).await;
        assert_eq!(answer.refusal(), (400, "MANDATORY_DATA_MISSING", "40005"));
        assert_eq!(answer.told(), "Request expects the following fields X-GP-Version");
        let answer = send(Some("2020-12-22")).await;
        assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
    }
}

#[tokio::test]
async fn needs_a_bearer_everywhere_else() {
    let merchant = Merchant::open().await;
    for (name, value) in [
        ("x-nothing", "1"),
        ("authorization", "Basic x"),
        ("authorization", "Bearer "),
        ("authorization", "Bearer unknown"),
    ] {
        let request = merchant.http.get(merchant.url("/transactions"));
        let request = request.header("x-gp-version", "2021-03-22").header(name, value);
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.refusal(), (401, "NOT_AUTHENTICATED", "40001"));
        assert_eq!(answer.told(), "Invalid access token");
    }
}

#[tokio::test]
async fn reads_the_body_whatever_its_type() {
    let merchant = Merchant::open().await;
    let text = sale_by_card("type", GOOD_CARD).to_string();
    for content_type in [None, Some("charset=UTF-8"), Some("text/plain"), Some("x")] {
        let mut request = merchant.request(Method::POST, "/transactions", &merchant.token);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        Answer::of(request.body(text.clone()).send().await.unwrap())
            .await
            .good();
        let mut request = merchant.http.post(merchant.url("/accesstoken"));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let body = merchant.credentials(&json!({})).to_string();
        let request = request.header("x-gp-version", "2021-03-22").body(body);
        Answer::of(request.send().await.unwrap()).await.good();
    }
    for wrong in ["", "{", "[]", "\"x\"", "{\"amount\":\"1\"}}"] {
        let request = merchant.request(Method::POST, "/transactions", &merchant.token);
        let answer = Answer::of(request.body(wrong).send().await.unwrap()).await;
        // Nothing at all is an object without fields.
        let detailed = if wrong.is_empty() { "40005" } else { "40213" };
        assert_eq!(
            (answer.http, answer.text("detailed_error_code")),
            (400, detailed),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn forgives_odd_paths() {
    let merchant = Merchant::open().await;
    let id = merchant.charged("path", "AUTO").await;
    let merchant_id = &merchant.info().merchant_id;
    for path in [
        format!("//transactions/{id}"),
        format!("/transactions//{id}/"),
        format!("/transactions/{id}?"),
        format!("/merchants/{merchant_id}/transactions/{id}"),
        "/transactions?".to_owned(),
    ] {
        merchant.get(&path).await.good();
    }
    let answer = merchant
        .get(&format!("/merchants/MER_other/transactions/{id}"))
        .await;
    assert_eq!(answer.refusal(), (403, "ACTION_NOT_AUTHORIZED", "40003"));
}

#[tokio::test]
async fn unknown_routes_have_the_platforms_error_compressed_like_others() {
    let merchant = Merchant::open().await;
    let base = merchant.info().base_url.clone();
    let above = base.strip_suffix("/ucp").unwrap().to_owned();
    let mut urls: Vec<_> = [
        "",
        "/",
        "/nothing",
        "/transactions/a/b/c",
        "/disputes//documents/DOC_1",
    ]
    .iter()
    .map(|path| ("GET", format!("{base}{path}")))
    .collect();
    urls.extend([
        ("PUT", format!("{base}/transactions")),
        ("POST", format!("{base}/batches/BAT_1")),
        ("GET", above.clone()),
        ("GET", format!("{above}/")),
        ("GET", format!("{above}/v2/transactions")),
    ]);
    for (method, url) in urls {
        for encoding in ["gzip", "identity"] {
            let request = merchant.http.request(method.parse().unwrap(), &url);
            let request = request
                .header("x-gp-version", "2021-03-22")
                .header("accept-encoding", encoding)
                .bearer_auth(&merchant.token);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 404, "{method} {url}");
            let encoded = answer.headers().get("content-encoding").is_some();
            assert_eq!(encoded, encoding == "gzip", "{method} {url}");
            let bytes = answer.bytes().await.unwrap();
            let mut text = String::new();
            if encoded {
                GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
            } else {
                text = String::from_utf8(bytes.to_vec()).unwrap();
            }
            assert_eq!(
                serde_json::from_str::<Value>(&text).unwrap(),
                json!({ "error_code": "Invalid Resource.", "detailed_error_code": "404",
                    "detailed_error_description": "Unproccesable resource found." }),
                "{method} {url}"
            );
        }
    }
}

#[tokio::test]
async fn compresses_for_who_accepts_it() {
    let merchant = Merchant::open().await;
    let send = async |path: &str, encoding: &str| {
        let request = merchant.request(Method::GET, path, &merchant.token);
        let answer = request.header("accept-encoding", encoding).send().await.unwrap();
        let encoded = answer
            .headers()
            .get("content-encoding")
            .is_some_and(|name| name == "gzip");
        (answer.status().as_u16(), encoded, answer.bytes().await.unwrap())
    };
    // Errors too.
    for (path, status) in [("/transactions", 200), ("/transactions/TRN_x", 404)] {
        let (given, encoded, bytes) = send(path, "gzip").await;
        assert_eq!((given, encoded), (status, true));
        let mut text = String::new();
        GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        serde_json::from_str::<Value>(&text).unwrap();
        let (given, encoded, bytes) = send(path, "identity").await;
        assert_eq!((given, encoded), (status, false));
        serde_json::from_slice::<Value>(&bytes).unwrap();
    }
    merchant.set(&json!({ "gzip": false }));
    assert!(!send("/transactions", "gzip").await.1);
}

#[tokio::test]
async fn pages_may_create_payment_methods_and_nothing_else() {
    let merchant = Merchant::open().await;
    let preflight = async |path: &str, origin: &str| {
        let request = merchant.http.request(Method::OPTIONS, merchant.url(path));
        request
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header(
                "access-control-request-headers",
                "authorization,content-type,x-gp-version",
            )
            .send()
            .await
            .unwrap()
    };
    let page = "http://127.0.0.1:8080";
    let answer = preflight("/payment-methods", page).await;
    assert_eq!(answer.status(), 204);
    let headers = answer.headers();
    assert_eq!(headers["access-control-allow-origin"], page);
    assert_eq!(headers["access-control-allow-methods"], "POST");
    let names: Vec<_> = headers["access-control-allow-headers"]
        .to_str()
        .unwrap()
        .split(", ")
        .collect();
    for name in [
        "accept",
        "authorization",
        "content-type",
        "x-gp-library",
        "x-gp-version",
    ] {
        assert!(names.contains(&name));
    }
    for (path, origin) in [
        ("/payment-methods", "https://shop.example"),
        ("/accesstoken", page),
        ("/transactions", page),
        ("/verifications", page),
    ] {
        let answer = preflight(path, origin).await;
        assert!(
            !answer.headers().contains_key("access-control-allow-origin"),
            "{path}"
        );
    }
    let token = merchant.page_token().await;
    let body = json!({ "usage_mode": "SINGLE", "card": card(GOOD_CARD) });
    for (token, status) in [(token.as_str(), 200), ("expired", 401)] {
        let request = merchant.request(Method::POST, "/payment-methods", token);
        let answer = request.header("origin", page).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()["access-control-allow-origin"], page);
    }
    let request = merchant.request(Method::GET, "/transactions", &merchant.token);
    let answer = request.header("origin", page).send().await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    merchant.set(&json!({ "cors_origins": ["https://shop.example"] }));
    let answer = preflight("/payment-methods", "https://shop.example").await;
    assert_eq!(answer.status(), 204);
}
