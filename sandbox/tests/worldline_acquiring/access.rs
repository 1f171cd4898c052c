use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::shop::{SCOPES, Shop};

#[tokio::test]
async fn a_token_is_made_for_a_form_that_is_encoded_or_not() {
    let shop = Shop::open().await;
    // The secret has what encoding would change.
    let secret = &shop.info().credentials.client_secret;
    assert!(["+", "%", "="].iter().all(|character| secret.contains(character)));
    let answer = shop.grant(shop.form(SCOPES)).await;
    let token = answer.is(200);
    assert_eq!(
        (&token["expires_in"], &token["token_type"]),
        (&json!(300), &json!("Bearer"))
    );
    let encode = |text: &str| -> String { form_urlencoded(text) };
    let encoded = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
        shop.info().credentials.client_id,
        encode(secret),
        SCOPES.replace(' ', "+")
    );
    shop.grant(encoded).await.is(200);
    assert_eq!(shop.state()["access_tokens_made"], 2);
}

fn form_urlencoded(text: &str) -> String {
    text.replace('%', "%25")
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D")
}

#[tokio::test]
async fn a_token_is_refused_as_oauth_has_it() {
    let shop = Shop::open().await;
    let form = shop.form("services_ping");
    let wrong = form.replace("client_secret=", "client_secret=x");
    let refused = shop.grant(wrong.clone()).await;
    assert_eq!(
        refused.is(401),
        json!({ "error": "unauthorized_client",
            "error_description": "INVALID_CREDENTIALS: Invalid client credentials" })
    );
    for (form, error) in [
        (form.replace("services_ping", "services_pong"), "invalid_scope"),
        (form.replace("services_ping", ""), "invalid_scope"),
        (
            form.replace("client_credentials", "password"),
            "unsupported_grant_type",
        ),
        (
            form.replace("grant_type=client_credentials&", ""),
            "invalid_request",
        ),
    ] {
        assert_eq!(shop.grant(form).await.is(400)["error"], error);
    }
    shop.set(&json!({ "wrong_client": "invalid_client" }));
    assert_eq!(shop.grant(wrong).await.is(400)["error"], "invalid_client");
    assert_eq!(shop.state()["access_tokens_made"], 0);
}

#[tokio::test]
async fn every_operation_needs_its_scope() {
    let shop = Shop::open().await;
    let all: Vec<&str> = SCOPES.split(' ').collect();
    for (method, path, scope) in [
        ("POST", "/payments", "processing_payment"),
        ("GET", "/payments/x", "processing_payment"),
        ("POST", "/payments/x/captures", "processing_payment"),
        ("POST", "/payments/x/increments", "processing_payment"),
        (
            "POST",
            "/payments/x/authorization-reversals",
            "processing_payment",
        ),
        ("POST", "/payments/x/refunds", "processing_refund"),
        ("POST", "/refunds", "processing_refund"),
        ("GET", "/refunds/x", "processing_refund"),
        ("POST", "/refunds/x/captures", "processing_refund"),
        ("POST", "/refunds/x/authorization-reversals", "processing_refund"),
        ("POST", "/account-verifications", "processing_accountverification"),
        ("POST", "/balance-inquiries", "processing_balanceinquiry"),
        ("POST", "/operations/x/reverse", "processing_operation_reverse"),
        (
            "POST",
            "/services/v1/100812/520000214/dcc-rates",
            "processing_dcc_rate",
        ),
        ("GET", "/services/v1/ping", "services_ping"),
    ] {
        let path = if path.starts_with("/services") {
            path.to_owned()
        } else {
            format!("/processing/v1/100812/520000214{path}")
        };
        let others: Vec<&str> = all.iter().copied().filter(|other| *other != scope).collect();
        let bearer = shop.bearer(&others.join(" ")).await;
        let answer = shop
            .send(shop.request(method, &path, &bearer).json(&json!({})))
            .await;
        answer.refused(403, "authorization", scope);
        // With it alone, whatever is wrong is something else.
        let bearer = shop.bearer(scope).await;
        let answer = shop
            .send(shop.request(method, &path, &bearer).json(&json!({})))
            .await;
        assert!(
            matches!(answer.status, 204 | 400 | 404),
            "{path}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_token_ends_on_the_clock_or_when_it_is_told_to() {
    let shop = Shop::open().await;
    let ping = async |bearer: &str| shop.send(shop.request("GET", "/services/v1/ping", bearer)).await;
    let first = shop.bearer(SCOPES).await;
    assert_eq!(ping(&first).await.status, 204);
    shop.sandbox.clock().advance(Duration::from_secs(301));
    let late = ping(&first).await;
    late.refused(401, "authentication", "access token");
    assert_eq!(late.challenge, "Bearer error=\"invalid_token\"");
    let second = shop.bearer(SCOPES).await;
    assert_eq!(ping(&second).await.status, 204);
    let none = json!({});
    let told = shop
        .sandbox
        .command("worldline_acquiring", "expire_tokens", &none);
    assert_eq!(told.await.unwrap()["expired"], 2);
    assert_eq!(ping(&second).await.status, 401);
    assert_eq!(ping("made-up").await.status, 401);
    shop.set(&json!({ "token_seconds": 5 }));
    assert_eq!(shop.grant(shop.form(SCOPES)).await.is(200)["expires_in"], 5);
}

#[tokio::test]
async fn another_account_is_refused_and_another_path_is_not_there() {
    let shop = Shop::open().await;
    let bearer = shop.bearer(SCOPES).await;
    for path in [
        "/processing/v1/100813/520000214/payments",
        "/processing/v1/100812/520000215/payments",
    ] {
        let request = shop.request("POST", path, &bearer).json(&shop.payment_body(200));
        shop.send(request).await.refused(403, "authorization", "acquirer");
    }
    for (method, path) in [
        ("GET", "/processing/v1/100812/520000214/payments"),
        ("POST", "/processing/v1/100812/520000214/payments/x/voids"),
        ("POST", "/services/v1/ping"),
        ("GET", "/services/v1/pong"),
        ("POST", "/processing/v1/x"),
        ("POST", "/processing/v2/100812/520000214/payments"),
        ("POST", "/dispute-management/v1/disputes/search"),
    ] {
        let answer = shop.send(shop.request(method, path, &bearer)).await;
        // A problem that the platform's own clients can read.
        answer.refused(404, "not-found", "path");
    }
    let long = shop
        .request("POST", "/processing/v1/100812/520000214/payments", &bearer)
        .body(vec![b' '; 300_000]);
    shop.send(long).await.refused(413, "too-large", "body");
}

#[tokio::test]
async fn the_metadata_is_looked_at_where_it_is_wanted() {
    let shop = Shop::open().await;
    let bearer = shop.bearer(SCOPES).await;
    let url = format!("{}/services/v1/ping", shop.info().base_url);
    let ping = async |header: Option<String>| {
        let mut request = shop.client.get(&url).bearer_auth(&bearer);
        if let Some(header) = header {
            request = request.header("X-WL-ServerMetaInfo", header);
        }
        shop.send(request).await
    };
    for wrong in [
        None,
        Some("%".into()),
        Some(STANDARD.encode("{}")),
        Some(STANDARD.encode(r#"{"integrator":" "}"#)),
    ] {
        ping(wrong)
            .await
            .refused(400, "validation", "X-WL-ServerMetaInfo");
    }
    // Laid out as one library does.
    let pretty = serde_json::to_string_pretty(&json!({ "integrator": "Tests" })).unwrap();
    assert_eq!(ping(Some(STANDARD.encode(pretty))).await.status, 204);
    shop.set(&json!({ "metadata_required": false }));
    assert_eq!(ping(None).await.status, 204);
}
