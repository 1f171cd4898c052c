//! Sessions, and what their pages may ask.

use reqwest::Method;
use serde_json::{Value, json};

use super::shop::{Answer, Shop, VISA};

const CONTEXT: &str = "?countryCode=DE&currencyCode=EUR&amount=1000&isRecurring=false&cacheBust=1";

async fn preflight(shop: &Shop, url: String, origin: &str) -> reqwest::Response {
    shop.http
        .request(Method::OPTIONS, url)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "GET")
        .header("Access-Control-Request-Headers", "authorization,x-other")
        .send()
        .await
        .unwrap()
}

#[tokio::test]
async fn opens_a_session_for_a_page() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    let base = &shop.info().base_url;
    assert_eq!(session["clientApiUrl"], format!("{base}/client"));
    assert_eq!(session["clientSessionId"].as_str().unwrap().len(), 32);
    let customer = session["customerId"].as_str().unwrap();
    assert!(customer.starts_with("9991-") && customer.len() == 37);
    assert_eq!(session.get("invalidTokens"), None);
    let key = shop.page_get(&session, "/crypto/publickey").await.good(200);
    assert_eq!(key["keyId"].as_str().unwrap().len(), 36);
    // 2048 bits.
    assert_eq!(key["publicKey"].as_str().unwrap().len(), 392);
    let again = shop.session(json!({ "tokens": ["unknown"] })).await;
    assert_eq!(again["invalidTokens"], json!(["unknown"]));
    let key_again = shop.page_get(&again, "/crypto/publickey").await.good(200);
    assert_eq!(key_again, key);
    let many: Vec<String> = (0..11).map(|number| number.to_string()).collect();
    let refused = shop.post("/sessions", &json!({ "tokens": many })).await;
    assert_eq!(refused.refusal(), (400, "INVALID_VALUE", "tokens"));
}

#[tokio::test]
async fn lets_no_page_in_without_its_session() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    let other = shop.session(json!({})).await;
    let code = |answer: &Answer| answer.body["errors"][0]["code"].as_str().unwrap().to_owned();
    for authorization in [
        None,
        Some("GCS v1Client:unknown"),
        Some("GCS v1HMAC:a:b"),
        Some(""),
    ] {
        let url = format!(
            "{}/v1/{}/crypto/publickey",
            session["clientApiUrl"].as_str().unwrap(),
            session["customerId"].as_str().unwrap()
        );
        let mut request = shop.http.get(url);
        if let Some(text) = authorization {
            request = request.header("Authorization", text);
        }
        let answer = Answer::of(request.send().await.unwrap()).await;
        assert_eq!(answer.refusal(), (403, "MISSING_OR_INVALID_AUTHORIZATION", ""));
        assert_eq!(code(&answer), "9002");
    }
    let mixed = super::shop::with(session.clone(), "customerId", other["customerId"].clone());
    let answer = shop.page_get(&mixed, "/crypto/publickey").await;
    assert_eq!(answer.refusal(), (403, "ACCESS_TO_CONSUMER_ID_NOT_ALLOWED", ""));
    shop.advance(3599);
    shop.page_get(&session, "/crypto/publickey").await.good(200);
    shop.advance(2);
    let answer = shop.page_get(&session, "/crypto/publickey").await;
    assert_eq!((answer.http, code(&answer)), (403, "9008".into()));
}

#[tokio::test]
async fn answers_pages_of_allowed_origins_only() {
    let shop = Shop::open().await;
    let session = shop.session(json!({})).await;
    let url = format!(
        "{}/v1/{}/crypto/publickey",
        session["clientApiUrl"].as_str().unwrap(),
        session["customerId"].as_str().unwrap()
    );
    let answer = preflight(&shop, url.clone(), "http://localhost:3000").await;
    assert_eq!(answer.status(), 204);
    let header = |answer: &reqwest::Response, name: &str| {
        answer
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    };
    // By name, whatever was asked for: a wildcard would not cover the first of them.
    assert_eq!(
        header(&answer, "access-control-allow-headers").as_deref(),
        Some("authorization, content-type, x-gcs-clientmetainfo")
    );
    assert_eq!(
        header(&answer, "access-control-allow-methods").as_deref(),
        Some("GET, POST")
    );
    assert_eq!(
        header(&answer, "access-control-allow-origin").as_deref(),
        Some("http://localhost:3000")
    );
    for (origin, allowed) in [("http://localhost:3000", true), ("https://evil.example", false)] {
        let request = shop.page(Method::GET, &session, "/crypto/publickey");
        let answer = request.header("Origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(
            header(&answer, "access-control-allow-origin").is_some(),
            allowed,
            "{origin}"
        );
    }
    let answer = preflight(&shop, url, "https://evil.example").await;
    assert_eq!(
        (
            answer.status().as_u16(),
            answer.headers().get("access-control-allow-origin")
        ),
        (404, None)
    );
    // A refusal can be read by the page as well.
    shop.sandbox
        .command("online_payments", "expire_sessions", &json!({}))
        .await
        .unwrap();
    let request = shop.page(Method::GET, &session, "/crypto/publickey");
    let answer = request
        .header("Origin", "http://localhost:3000")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 403);
    assert!(header(&answer, "access-control-allow-origin").is_some());
}

#[tokio::test]
async fn tells_which_products_a_card_can_be() {
    let shop = Shop::open().await;
    shop.set(&json!({ "products": [1, 3], "co_branded_bins": ["456735"] }));
    let session = shop.session(json!({})).await;
    let ask = async |bin: &str| {
        let body = json!({ "bin": bin, "paymentContext": { "countryCode": "DE", "isRecurring": false,
            "amountOfMoney": { "amount": 1000, "currencyCode": "EUR" } } });
        let request = shop.page(Method::POST, &session, "/services/getIINdetails");
        Answer::of(request.body(body.to_string()).send().await.unwrap()).await
    };
    let visa = ask("45673500").await.good(200);
    assert_eq!(
        (&visa["paymentProductId"], &visa["isAllowedInContext"]),
        (&json!(1), &json!(true))
    );
    assert_eq!(
        visa["coBrands"],
        json!([
            { "paymentProductId": 1, "isAllowedInContext": true },
            { "paymentProductId": 130, "isAllowedInContext": false },
        ])
    );
    assert_eq!(visa["cardScheme"], "Visa");
    let amex = ask("378282").await.good(200);
    assert_eq!(
        (&amex["paymentProductId"], &amex["isAllowedInContext"]),
        (&json!(2), &json!(false))
    );
    assert_eq!(amex.get("coBrands"), None);
    assert_eq!(ask("999999").await.refusal().0, 404);
    for wrong in ["45673", VISA, "45673a", ""] {
        assert_eq!(ask(wrong).await.http, 400, "{wrong}");
    }
    // The server may ask as well; without a context nothing is allowed or not.
    let answer = shop
        .post("/services/getIINdetails", &json!({ "bin": "530000" }))
        .await;
    let answer = answer.good(200);
    assert_eq!(
        (&answer["paymentProductId"], answer.get("isAllowedInContext")),
        (&json!(3), None)
    );
}

#[tokio::test]
async fn describes_its_products() {
    let shop = Shop::open().await;
    shop.set(&json!({ "products": [1, 2] }));
    let token = shop.stored(VISA).await;
    let session = shop.session(json!({ "tokens": [token] })).await;
    let list = shop
        .page_get(&session, &format!("/products{CONTEXT}&hide=fields"))
        .await
        .good(200);
    let products = list["paymentProducts"].as_array().unwrap();
    let ids: Vec<_> = products.iter().map(|product| &product["id"]).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(products[0].get("fields"), None);
    let account = &products[0]["accountsOnFile"][0];
    assert_eq!(account["attributes"][0]["value"], "456735XXXXXX7977");
    assert_eq!(account["attributes"][0]["status"], "READ_ONLY");
    let attribute = |name: &str| {
        let mut all = account["attributes"].as_array().unwrap().iter();
        all.find(|attribute| attribute["key"] == name).unwrap()
    };
    for (name, value) in [
        ("alias", "456735XXXXXX7977"),
        ("cardNumber", "456735XXXXXX7977"),
        ("cardholderName", "Zoë Müller"),
        ("expiryDate", "1230"),
    ] {
        assert_eq!(attribute(name)["value"], value, "{name}");
    }
    assert_eq!(products[1].get("accountsOnFile"), None);
    let visa = shop
        .page_get(&session, &format!("/products/1{CONTEXT}"))
        .await
        .good(200);
    let ids: Vec<&Value> = visa["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| &field["id"])
        .collect();
    assert_eq!(ids, ["cardNumber", "cardholderName", "expiryDate", "cvv"]);
    assert_eq!(visa["fields"][1]["dataRestrictions"]["isRequired"], true);
    shop.set(&json!({ "cardholder_name_required": false }));
    // The server sees the same, without anybody's stored cards.
    let visa = shop.get(&format!("/products/1{CONTEXT}")).await.good(200);
    assert_eq!(visa["fields"][1]["dataRestrictions"]["isRequired"], false);
    assert_eq!(visa.get("accountsOnFile"), None);
    let logo = visa["displayHints"]["logo"].as_str().unwrap();
    let logo = shop.http.get(logo).send().await.unwrap();
    assert_eq!(
        (logo.status().as_u16(), &logo.headers()["content-type"]),
        (200, &"image/svg+xml".parse().unwrap())
    );
    let unknown = shop.page_get(&session, &format!("/products/3{CONTEXT}")).await;
    assert_eq!(unknown.refusal(), (404, "UNKNOWN_PRODUCT_ID", "paymentProductId"));
    assert_eq!(unknown.body["errors"][0]["code"], "1007");
    for wrong in [
        "?countryCode=DE",
        "?currencyCode=EUR",
        "?countryCode=de&currencyCode=EUR",
    ] {
        assert_eq!(
            shop.page_get(&session, &format!("/products{wrong}")).await.http,
            400
        );
    }
    let none = shop
        .page_get(&session, "/products?countryCode=DE&currencyCode=EUR&amount=-1")
        .await;
    assert_eq!(none.good(200), json!({ "paymentProducts": [] }));
    assert_eq!(
        shop.page_get(&session, &format!("/products{CONTEXT}&locale=invalid_locale"))
            .await
            .refusal(),
        (400, "INVALID_VALUE", "locale")
    );
    // What is not played is not there.
    for path in [
        "/products/1/directory",
        "/services/surchargeCalculation",
        "/services/dccrate",
    ] {
        let answer = shop.page_get(&session, path).await;
        assert_eq!((answer.http, answer.text.as_str()), (404, ""));
    }
}
