//! Services beside payments, for servers and for pages.

use reqwest::Method;
use serde_json::{Value, json};

use super::shop::{Answer, Shop, VISA, with};

const CONTEXT: &str = "?countryCode=DE&currencyCode=EUR";
const MASTERCARD: &str = "5300000000000006";

fn surcharge(amount: i64, source: &Value) -> Value {
    json!({ "amountOfMoney": { "amount": amount, "currencyCode": "EUR" }, "cardSource": source })
}

fn conversion(amount: i64, currency: &str, source: &Value) -> Value {
    json!({ "transaction": { "amount": { "amount": amount, "currencyCode": currency } }, "cardSource": source })
}

fn card(number: &str) -> Value {
    json!({ "card": { "cardNumber": number } })
}

/// A page's call with a body, at one of the API's versions.
async fn page_post(shop: &Shop, session: &Value, version: &str, path: &str, body: &Value) -> Answer {
    let later = with(
        session.clone(),
        "customerId",
        json!(format!(
            "../{version}/{}",
            session["customerId"].as_str().unwrap()
        )),
    );
    let request = shop.page(Method::POST, &later, path).body(body.to_string());
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn tells_what_a_card_costs_more() {
    let shop = Shop::open().await;
    let path = "/services/surchargecalculation";
    let told = shop
        .post(path, &surcharge(1000, &card("53000000")))
        .await
        .good(200);
    let euros = |amount: i64| json!({ "amount": amount, "currencyCode": "EUR" });
    let one = &told["surcharges"][0];
    assert_eq!(
        (&one["result"], &one["paymentProductId"]),
        (&json!("OK"), &json!(3))
    );
    assert_eq!(
        (&one["netAmount"], &one["surchargeAmount"], &one["totalAmount"]),
        (&euros(1000), &euros(366), &euros(1366))
    );
    assert_eq!(one["surchargeRate"]["adValoremRate"], 3.3);
    let free = shop.post(path, &surcharge(1000, &card(VISA))).await.good(200);
    let one = &free["surcharges"][0];
    assert_eq!(
        (&one["result"], &one["totalAmount"], one.get("surchargeRate")),
        (&json!("NO_SURCHARGE"), &euros(1000), None)
    );
    let token = shop.stored(VISA).await;
    let stored = surcharge(1000, &json!({ "token": token }));
    assert_eq!(shop.post(path, &stored).await.good(200), free);
    for (body, wanted) in [
        (
            surcharge(1000, &json!({ "card": {} })),
            (
                400,
                "PARAMETER_NOT_FOUND_IN_REQUEST",
                "cardSource.card.cardNumber",
            ),
        ),
        (
            surcharge(-1, &card(VISA)),
            (400, "INVALID_VALUE", "amountOfMoney.amount"),
        ),
        (
            surcharge(1, &json!({ "token": "none" })),
            (404, "UNKNOWN_TOKEN_ID", "token"),
        ),
        (
            surcharge(
                1,
                &json!({ "card": { "cardNumber": MASTERCARD, "paymentProductId": 1 } }),
            ),
            (400, "CARDNUMBER_PAYMENTPRODUCTID_MISMATCH", "paymentProductId"),
        ),
    ] {
        assert_eq!(shop.post(path, &body).await.refusal(), wanted);
    }
    let session = shop.session(json!({})).await;
    let page = surcharge(1000, &card("53000000"));
    let by_page = page_post(&shop, &session, "v1", "/services/surchargeCalculation", &page).await;
    assert_eq!(by_page.good(200), told);
}

#[tokio::test]
async fn offers_the_currency_of_the_holder() {
    let shop = Shop::open().await;
    let path = "/services/dccrate";
    let told = shop
        .post(path, &conversion(1001, "EUR", &card("4012000033330026")))
        .await
        .good(200);
    assert_eq!(told["result"]["result"], "Allowed");
    let proposal = &told["proposal"];
    assert_eq!(
        (&proposal["baseAmount"], &proposal["targetAmount"]),
        (
            &json!({ "amount": 1001, "currencyCode": "EUR" }),
            &json!({ "amount": 1251, "currencyCode": "USD" })
        )
    );
    let same = shop
        .post(path, &conversion(1001, "USD", &card("401200")))
        .await
        .good(200);
    assert_eq!(
        (&same["result"]["result"], same.get("proposal")),
        (&json!("NotAvailable"), None)
    );
    let none = shop.post(path, &conversion(1001, "EUR", &card(VISA))).await;
    let error = &none.body["errors"][0];
    assert_eq!(
        (none.http, &error["id"], &error["httpStatusCode"]),
        (404, &json!("CURRENCY_CONVERSION_NOT_FOUND_REQUEST"), &json!(404))
    );
    assert_ne!(error["message"], error["id"]);
    for body in [
        conversion(-1, "EUR", &card("401200")),
        conversion(1, "EUR", &json!({})),
    ] {
        assert_eq!(shop.post(path, &body).await.http, 400);
    }
    // The only call of a page with a second version.
    let session = shop.session(json!({})).await;
    let body = conversion(1000, "EUR", &card("40120000"));
    let by_page = page_post(&shop, &session, "v2", path, &body).await.good(200);
    assert_eq!(by_page["proposal"]["targetAmount"]["amount"], 1250);
    assert_eq!(page_post(&shop, &session, "v1", path, &body).await.http, 404);
    let second = page_post(&shop, &session, "v2", "/services/surchargeCalculation", &body).await;
    assert_eq!(second.http, 404);
}

#[tokio::test]
async fn names_the_networks_behind_wallets() {
    let shop = Shop::open().await;
    shop.set(&json!({ "products": [1, 3, 117] }));
    let session = shop.session(json!({})).await;
    let wanted = json!({ "networks": ["VISA", "MASTERCARD"] });
    for product in ["302", "320"] {
        let path = format!("/products/{product}/networks{CONTEXT}");
        assert_eq!(shop.get(&path).await.good(200), wanted);
        assert_eq!(shop.page_get(&session, &path).await.good(200), wanted);
    }
    // Word for word as the platform's own client expects it.
    let card = shop
        .get(&format!("/products/1/networks{CONTEXT}"))
        .await
        .good(400);
    assert_eq!(
        card["errors"],
        json!([{
            "retriable": false, "category": "DIRECT_PLATFORM_ERROR", "code": "1431", "errorCode": "50001111",
            "httpStatusCode": 400, "id": "PAYMENT_PRODUCT_ID_MISMATCH",
            "message": "The given payment product id does not correspond to the paymentproductid in the given token.",
        }])
    );
    assert_eq!(
        shop.get(&format!("/products/-1/networks{CONTEXT}"))
            .await
            .refusal(),
        (404, "UNKNOWN_PRODUCT_ID", "paymentProductId")
    );
    assert_eq!(
        shop.get(&format!("/products/-1/directory{CONTEXT}"))
            .await
            .refusal(),
        (404, "UNKNOWN_PRODUCT_ID", "paymentProductId")
    );
    assert_eq!(
        shop.post("/products/-1/sessions", &json!({})).await.refusal(),
        (400, "INVALID_VALUE", "paymentProductId")
    );
}

#[tokio::test]
async fn has_one_group_of_products_and_a_privacy_policy() {
    let shop = Shop::open().await;
    let groups = shop.get(&format!("/productgroups{CONTEXT}")).await.good(200);
    let group = shop
        .get(&format!("/productgroups/cards{CONTEXT}"))
        .await
        .good(200);
    assert_eq!(groups, json!({ "paymentProductGroups": [group] }));
    assert_eq!(group["id"], "Cards");
    assert_eq!(
        shop.get(&format!("/productgroups/none{CONTEXT}")).await.refusal(),
        (404, "UNKNOWN_PRODUCT_GROUP_ID", "paymentProductGroupId")
    );
    assert_eq!(shop.get("/productgroups?currencyCode=EUR").await.http, 400);
    for query in ["", "?locale=nl_NL", "?locale=de_DE&paymentProductId=2"] {
        let policy = shop
            .get(&format!("/services/privacypolicy{query}"))
            .await
            .good(200);
        assert!(policy["htmlContent"].as_str().unwrap().contains("privacy"));
    }
    for (query, http) in [("?locale=invalid_locale", 400), ("?paymentProductId=9999", 404)] {
        let answer = shop.get(&format!("/services/privacypolicy{query}")).await;
        assert_eq!(answer.http, http, "{query}");
    }
}
