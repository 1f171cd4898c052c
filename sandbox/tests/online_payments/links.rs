//! Links that lead shoppers to a hosted checkout.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::shop::{Answer, Shop, VISA, order, with};

fn link(more: &Value) -> Value {
    let mut body = with(
        order(1000),
        "paymentLinkSpecificInput",
        json!({ "description": "A link", "recipientName": "Zoë" }),
    );
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

async fn visit(shop: &Shop, link: &Value) -> Answer {
    let url = link["redirectionUrl"].as_str().unwrap();
    Answer::of(shop.http.get(url).send().await.unwrap()).await
}

async fn pay(shop: &Shop, link: &Value) {
    let page = visit(shop, link).await;
    assert_eq!(page.http, 303);
    let form = format!("cardNumber={VISA}&cardholderName=Zoe+Muller&expiryDate=1230&cvv=123&action=pay");
    let paid = shop
        .http
        .post(page.header("location").unwrap())
        .body(form)
        .send()
        .await
        .unwrap();
    assert_eq!(paid.status(), 200);
}

#[tokio::test]
async fn is_paid_once_or_again_and_again() {
    let shop = Shop::open().await;
    for reusable in [false, true] {
        let made = shop
            .post("/paymentlinks", &link(&json!({ "isReusableLink": reusable })))
            .await
            .good(201);
        assert_eq!(
            (&made["status"], &made["isReusableLink"], &made["recipientName"]),
            (&json!("ACTIVE"), &json!(reusable), &json!("Zoë"))
        );
        assert_eq!(made.get("qrCodeBase64"), None);
        let path = format!("/paymentlinks/{}", made["paymentLinkId"].as_str().unwrap());
        pay(&shop, &made).await;
        let read = shop.get(&path).await.good(200);
        let id = read["paymentId"].as_str().unwrap();
        let payment = shop.get(&format!("/payments/{id}")).await.good(200);
        assert_eq!(
            payment["paymentOutput"]["references"]["merchantReference"],
            "order-1"
        );
        if reusable {
            assert_eq!(read["status"], "ACTIVE");
            pay(&shop, &made).await;
        } else {
            assert_eq!(read["status"], "PAID");
            assert_eq!(visit(&shop, &made).await.http, 404);
            assert_eq!(shop.post(&format!("{path}/cancel"), &json!({})).await.http, 409);
        }
    }
    assert_eq!(shop.payments().len(), 3);
}

#[tokio::test]
async fn ends_by_the_merchant_or_by_time() {
    let shop = Shop::open().await;
    let made = shop.post("/paymentlinks", &link(&json!({}))).await.good(201);
    let path = format!("/paymentlinks/{}", made["paymentLinkId"].as_str().unwrap());
    // A shopper stands before the page already.
    let page = visit(&shop, &made).await;
    let cancel = format!("{path}/cancel");
    let cancelled = shop.post(&cancel, &json!({})).await;
    assert_eq!((cancelled.http, cancelled.text.as_str()), (204, ""));
    let read = shop.get(&path).await.good(200);
    assert_eq!(read["status"], "CANCELLED");
    assert_eq!(read["paymentLinkEvents"][1]["type"], "CANCELLED");
    assert_eq!(visit(&shop, &made).await.http, 404);
    let page = shop
        .http
        .get(page.header("location").unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 404);
    assert_eq!(shop.post(&cancel, &json!({})).await.http, 409);
    let made = shop.post("/paymentlinks", &link(&json!({}))).await.good(201);
    let path = format!("/paymentlinks/{}", made["paymentLinkId"].as_str().unwrap());
    shop.advance(8 * 86_400);
    assert_eq!(shop.get(&path).await.good(200)["status"], "EXPIRED");
    assert_eq!(visit(&shop, &made).await.http, 404);
}

#[tokio::test]
async fn shows_itself_as_a_picture() {
    let shop = Shop::open().await;
    let made = shop
        .post("/paymentlinks", &link(&json!({ "displayQRCode": true })))
        .await
        .good(201);
    let picture = STANDARD.decode(made["qrCodeBase64"].as_str().unwrap()).unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));
    let other = shop
        .post("/paymentlinks", &link(&json!({ "displayQRCode": true })))
        .await
        .good(201);
    assert_ne!(other["qrCodeBase64"], made["qrCodeBase64"]);
}

#[tokio::test]
async fn refuses_wrong_times_and_ids() {
    let shop = Shop::open().await;
    let specific = |value: Value| json!({ "paymentLinkSpecificInput": { "expirationDate": value } });
    for wrong in ["2020-01-01T00:00:00Z", "tomorrow", ""] {
        assert_eq!(
            shop.post("/paymentlinks", &link(&specific(json!(wrong))))
                .await
                .refusal(),
            (400, "INVALID_VALUE", "paymentLinkSpecificInput.expirationDate")
        );
    }
    let top = shop
        .post(
            "/paymentlinks",
            &link(&json!({ "expirationDate": "2020-01-01T00:00:00.000+00:00" })),
        )
        .await;
    assert_eq!(top.refusal(), (400, "INVALID_VALUE", "expirationDate"));
    assert_eq!(shop.post("/paymentlinks", &json!({})).await.http, 400);
    let unknown = "/paymentlinks/00000000-0000-0000-0000-000000000000";
    assert_eq!(shop.get(unknown).await.http, 404);
    assert_eq!(
        shop.post(&format!("{unknown}/cancel"), &json!({})).await.http,
        404
    );
    assert_eq!(
        shop.get("/paymentlinks/invalid-id").await.refusal(),
        (400, "INVALID_VALUE", "paymentLinkId")
    );
}
