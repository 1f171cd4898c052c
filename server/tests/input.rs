//! Bad bodies: a clear typed error each, and nothing done.

use axum::http::Request;
use serde_json::json;

use crate::shop::{API_KEY, ORIGIN, Shop};

const ROUTES: &[&str] = &[
    "/v1/sessions",
    "/v1/tokens",
    "/v1/payments",
    "/v1/payments/pay_x/refund",
    "/v1/payments/pay_x/resolve",
];

async fn raw(
    shop: &Shop,
    path: &str,
    content_type: &str,
    body: impl Into<axum::body::Body>,
) -> crate::shop::Answer {
    let request = Request::builder()
        .method("POST")
        .uri(path)
        .header("authorization", format!("Bearer {API_KEY}"))
        .header("content-type", content_type)
        .body(body.into())
        .unwrap();
    shop.send(request).await
}

#[tokio::test]
async fn every_route_refuses_what_is_not_strict_json() {
    let shop = Shop::open().await;
    for path in ROUTES {
        for (body, status, code) in [
            (&b"{"[..], 400, "bad_json"),
            (b"[]", 400, "bad_json"),
            (b"null", 400, "bad_json"),
            (b"{}{}", 400, "bad_json"),
            (b"{\"a\":\"\xff\"}", 400, "bad_json"),
            (b"{\"session\":\"\\ud800\"}", 400, "bad_json"),
            (b"{\"session\":\"\x00\"}", 400, "bad_json"),
            (b"{\"session\":\"a\",\"session\":\"b\"}", 400, "duplicate_field"),
            (b"{\"number\":\"4242 4242 4242 4242\"}", 422, "clear_card_data"),
            (b"{\"number\":4242424242424242}", 422, "clear_card_data"),
        ] {
            let answer = raw(&shop, path, "application/json", body.to_vec()).await;
            assert_eq!(
                (answer.status.as_u16(), answer.code()),
                (status, code),
                "{path} {body:?}"
            );
            assert!(
                !["4242 4242", "42424242"]
                    .iter()
                    .any(|part| answer.text.contains(part))
            );
        }
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
        raw(&shop, path, "application/json", deep)
            .await
            .problem(400, "bad_json");
        let huge = format!("{{\"a\":\"{}\"}}", "x".repeat(20_000));
        raw(&shop, path, "application/json", huge)
            .await
            .problem(413, "body_too_large");
        for kind in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "",
            "application/jsonx",
        ] {
            raw(&shop, path, kind, "{}")
                .await
                .problem(415, "unsupported_media_type");
        }
    }
    assert_eq!(
        shop.sandbox.state()["greenpay"]["orders"]
            .as_array()
            .unwrap()
            .len(),
        0
    );
}

#[tokio::test]
async fn fields_are_named_but_never_quoted() {
    let shop = Shop::open().await;
    let answer = raw(
        &shop,
        "/v1/sessions",
        "application/json; charset=utf-8",
        "{\"colour\":\"red\"}",
    )
    .await;
    answer.problem(422, "unknown_field");
    assert_eq!(answer.json["field"], "colour");
    let answer = raw(&shop, "/v1/sessions", "application/json", "{\"<script>\":1}").await;
    answer.problem(422, "unknown_field");
    assert_eq!(answer.json.get("field"), None);
    let answer = raw(
        &shop,
        "/v1/sessions",
        "application/json",
        "{\"customer\":\"a\\u0000b\"}",
    )
    .await;
    answer.problem(422, "field_invalid");
    assert_eq!(answer.json["field"], "customer");
}

#[tokio::test]
async fn a_payment_names_every_field_that_is_wrong_with_it() {
    let shop = Shop::open().await;
    let token = shop.token(crate::shop::APPROVED).await;
    let good = json!({ "token": token["id"], "amount": "1.00", "currency": "USD" });
    for (field, value, code) in [
        ("token", json!(5), "field_type"),
        ("amount", json!(1.5), "field_type"),
        ("amount", json!(""), "field_invalid"),
        ("amount", json!("1,00"), "amount_invalid"),
        ("amount", json!("999999999999999999"), "amount_invalid"),
        ("currency", json!("XXX"), "currency_not_supported"),
        ("description", json!("x".repeat(256)), "field_invalid"),
        ("description", json!("line\nbreak"), "field_invalid"),
        ("order_reference", json!("with blank"), "field_invalid"),
        ("order_reference", json!("é"), "field_invalid"),
        ("order_reference", json!("x".repeat(65)), "field_invalid"),
        ("customer", json!(""), "field_invalid"),
        ("surprise", json!(1), "unknown_field"),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = shop.merchant("POST", "/v1/payments", Some(&body)).await;
        assert_eq!(
            (answer.code(), &answer.json["field"]),
            (code, &json!(field)),
            "{body}"
        );
    }
    assert_eq!(shop.transactions().len(), 0);
}

#[tokio::test]
async fn a_body_that_never_ends_is_cut_off() {
    let shop = Shop::open().await;
    let request = Request::builder()
        .method("POST")
        .uri("/v1/sessions")
        .header("origin", ORIGIN)
        .header("content-type", "application/json")
        .header("content-length", "99999999")
        .body(axum::body::Body::from(vec![b' '; 200_000]))
        .unwrap();
    shop.send(request).await.problem(413, "body_too_large");
}
