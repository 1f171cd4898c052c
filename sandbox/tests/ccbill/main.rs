//! The simulated CCBill over HTTP, by the platform's documented shapes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use cardseal_sandbox::ccbill::{Credentials, Info};
use cardseal_sandbox::{RunningSandbox, Sandbox, SandboxOptions};
use serde_json::{Value, json};

const V1: &str = "application/vnd.mcn.transaction-service.api.v.1+json";
const V2: &str = "application/vnd.mcn.transaction-service.api.v.2+json";

struct Shop {
    sandbox: RunningSandbox,
    client: reqwest::Client,
}

struct Answer {
    status: u16,
    kind: String,
    allowed: Option<String>,
    json: Value,
    text: String,
}

impl Shop {
    async fn open() -> Self {
        Self::open_with(SandboxOptions::default()).await
    }

    async fn open_with(options: SandboxOptions) -> Self {
        let _another = rustls::crypto::ring::default_provider().install_default();
        Self {
            sandbox: Sandbox::start(options).await.unwrap(),
            client: reqwest::Client::new(),
        }
    }

    fn info(&self) -> &Info {
        &self.sandbox.info().platforms.ccbill
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.timeout(Duration::from_secs(20)).send().await.unwrap();
        let header = |name| Some(answer.headers().get(name)?.to_str().unwrap().to_owned());
        let (kind, allowed) = (
            header("content-type").unwrap_or_default(),
            header("access-control-allow-origin"),
        );
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        Answer {
            status,
            kind,
            allowed,
            json: serde_json::from_str(&text).unwrap_or_default(),
            text,
        }
    }

    fn post(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{path}", self.info().base_url))
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}{path}", self.info().base_url))
    }

    async fn bearer(&self, pair: &Credentials) -> String {
        let form = self
            .post("/ccbill-auth/oauth/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .basic_auth(&pair.application_id, Some(&pair.secret))
            .body("grant_type=client_credentials");
        let answer = self.send(form).await;
        assert_eq!((answer.status, &answer.json["expires_in"]), (200, &json!(3600)));
        answer.json["access_token"].as_str().unwrap().into()
    }

    async fn front(&self) -> String {
        self.bearer(&self.info().frontend).await
    }

    async fn back(&self) -> String {
        self.bearer(&self.info().backend).await
    }

    async fn create(&self, body: &Value, accept: &str) -> Answer {
        let request = self
            .post("/payment-tokens/merchant-only-verify")
            .bearer_auth(self.front().await)
            .header("accept", accept)
            .json(body);
        self.send(request).await
    }

    async fn token(&self, more: &[(&str, Value)]) -> String {
        let mut body = card();
        for (name, value) in more {
            body[*name] = value.clone();
        }
        let answer = self.create(&body, V2).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["paymentTokenId"].as_str().unwrap().into()
    }

    async fn charge(&self, bearer: &str, path: &str, more: &[(&str, Value)], accept: &str) -> Answer {
        let mut body =
            json!({ "clientAccnum": 900_684, "clientSubacc": 0, "initialPrice": 9.99, "initialPeriod": 0 });
        for (name, value) in more {
            body[*name] = value.clone();
        }
        let request = self
            .post(&format!("/transactions/payment-tokens/{path}"))
            .bearer_auth(bearer)
            .header("accept", accept)
            .header("x-origin-ip", "192.0.2.1")
            .json(&body);
        self.send(request).await
    }
}

fn card() -> Value {
    json!({ "clientAccnum": 900_684, "clientSubacc": 0, "subscriptionId": 0,
        "customerInfo": { "customerFname": "Tyler", "customerLname": "Thomas", "city": "Tempe", "state": "AZ",
            "zipcode": "85281", "country": "US", "email": "tthomas@example.com", "ipAddress": "192.0.2.1" },
        "paymentInfo": { "creditCardPaymentInfo": { "cardNum": "4473707989493598", "nameOnCard": "Tyler Thomas",
            "expMonth": "04", "expYear": "2035", "cvv2": "123" } },
        "timeToLive": 24, "validNumberOfUse": 2 })
}

#[tokio::test]
async fn grants_tokens_by_form_and_by_query_to_those_it_knows() {
    let shop = Shop::open().await;
    let pair = shop.info().frontend.clone();
    let ask = |path: &str, secret: &str| shop.post(path).basic_auth(&pair.application_id, Some(secret));
    let query = "/ccbill-auth/oauth/token?grant_type=client_credentials";
    let answer = shop.send(ask(query, &pair.secret).json(&json!({}))).await;
    assert_eq!(
        (answer.status, &answer.json["token_type"]),
        (200, &json!("bearer"))
    );
    let answer = shop.send(ask(query, "wrong")).await;
    assert_eq!(
        (answer.status, &answer.json["error"]),
        (401, &json!("unauthorized"))
    );
    let none = shop.send(ask("/ccbill-auth/oauth/token", &pair.secret)).await;
    assert_eq!(none.status, 400);
    // No page may ask.
    let page = shop
        .send(ask(query, &pair.secret).header("origin", "http://localhost:1"))
        .await;
    assert_eq!(page.allowed, None);
}

#[tokio::test]
async fn tells_the_applications_apart_and_forgets_old_tokens() {
    let shop = Shop::open().await;
    let (front, back) = (shop.front().await, shop.back().await);
    let id = shop.token(&[]).await;
    let refused = shop.charge(&front, &id, &[], V2).await;
    assert_eq!(
        (refused.status, &refused.json["errorCode"]),
        (403, &json!(100_020))
    );
    let wrong = shop
        .post("/payment-tokens/merchant-only")
        .bearer_auth(&back)
        .json(&card());
    assert_eq!(shop.send(wrong).await.status, 403);
    assert_eq!(shop.charge(&back, &id, &[], V2).await.status, 200);
    shop.sandbox.clock().advance(Duration::from_secs(3600));
    let late = shop.charge(&back, &id, &[], V2).await;
    assert_eq!((late.status, late.text.as_str()), (401, ""));
    assert_eq!(shop.charge("made-up", &id, &[], V2).await.status, 401);
}

#[tokio::test]
async fn long_ids_are_numbers_in_version_1_and_texts_in_version_2() {
    let shop = Shop::open().await;
    let back = shop.back().await;
    for (accept, number) in [(V1, true), (V2, false)] {
        let created = shop.create(&card(), accept).await;
        assert_eq!(
            (created.status, created.kind.as_str()),
            (200, accept),
            "{}",
            created.text
        );
        assert_eq!(created.json["subscriptionId"].is_u64(), number);
        let id = created.json["paymentTokenId"].as_str().unwrap();
        assert!(id.len() == 32 && id.starts_with("01"));
        let sale = shop.charge(&back, id, &[], accept).await;
        assert_eq!(sale.json["subscriptionId"].is_u64(), number, "{}", sale.text);
        let digits = sale.json["subscriptionId"].to_string().replace('"', "");
        assert_eq!(digits.len(), 18);
        assert_eq!(sale.json["paymentUniqueId"].as_str().unwrap().len(), 22);
        let path = format!("/transactions/payment-tokens/{id}?clientAccnum=900684&clientSubacc=0");
        let sales = shop.send(shop.get(&path).bearer_auth(&back)).await;
        assert_eq!(sales.json[0]["subscriptionId"], digits);
    }
    let refused = shop.create(&card(), "text/html").await;
    assert_eq!(
        (refused.status, &refused.json["errorCode"]),
        (406, &json!(100_015))
    );
}

#[tokio::test]
async fn names_all_that_is_wrong_with_a_card_at_once() {
    let shop = Shop::open().await;
    let mut body = card();
    body["clientAccnum"] = Value::Null;
    body["customerInfo"]["email"] = "nobody".into();
    body["customerInfo"]["ipAddress"] = "2001:db8::1".into();
    let own = &mut body["paymentInfo"]["creditCardPaymentInfo"];
    own["cardNum"] = "4473707989493599".into();
    own["expMonth"] = "4".into();
    own["expYear"] = "2020".into();
    own["cvv2"] = Value::Null;
    let refused = shop.create(&body, V2).await;
    assert_eq!(
        (refused.status, refused.kind.as_str(), &refused.json["errorCode"]),
        (400, "application/vnd.com.cwie.error.v1+json", &json!(200_000))
    );
    let card = "paymentInfo.creditCardPaymentInfo";
    for (field, message) in [
        ("clientAccnum".to_owned(), "Attribute required"),
        ("customerInfo.email".into(), "Invalid email address"),
        (
            "customerInfo.ipAddress".into(),
            "Problem with the attribute values",
        ),
        (format!("{card}.cardNum"), "Invalid credit card number"),
        (format!("{card}.expMonth"), "Problem with the attribute values"),
        (format!("{card}.expYear"), "Invalid expiration year"),
        (format!("{card}.cvv2"), "Attribute required"),
    ] {
        let wanted = json!({ "field": field, "message": message });
        assert!(
            refused.json["errors"].as_array().unwrap().contains(&wanted),
            "{wanted} {}",
            refused.text
        );
    }
    // The number stands nowhere.
    assert!(!shop.sandbox.state().to_string().contains("4473707989493598"));
    assert!(!refused.text.contains("447370798949"));
}

#[tokio::test]
async fn uses_and_hours_are_counted() {
    let shop = Shop::open().await;
    let back = shop.back().await;
    let id = shop.token(&[]).await;
    // A decline counts too.
    let declined = shop
        .charge(&back, &id, &[("initialPrice", "9.05".into())], V2)
        .await;
    assert_eq!(
        (
            declined.status,
            &declined.json["approved"],
            &declined.json["declineCode"]
        ),
        (200, &json!(false), &json!(24))
    );
    assert!(declined.json["subscriptionId"].is_null() && declined.json["denialId"].is_u64());
    assert_eq!(shop.charge(&back, &id, &[], V2).await.json["approved"], true);
    let used = shop.charge(&back, &id, &[], V2).await;
    assert_eq!((used.status, &used.json["errorCode"]), (400, &json!(100_102)));
    let other = shop.token(&[]).await;
    shop.sandbox.clock().advance(Duration::from_secs(24 * 3600));
    let back = shop.back().await;
    assert_eq!(
        shop.charge(&back, &other, &[], V2).await.json["errorCode"],
        100_102
    );
    assert_eq!(
        shop.charge(&back, "01ff", &[], V2).await.json["errorCode"],
        100_101
    );
    let id = shop.token(&[]).await;
    let elsewhere = shop.charge(&back, &id, &[("clientSubacc", 1.into())], V2).await;
    assert_eq!(
        (elsewhere.status, &elsewhere.json["errorCode"]),
        (400, &json!(100_100))
    );
    let again = shop
        .charge(&back, &id, &[("createNewPaymentToken", "true".into())], V2)
        .await;
    let new = again.json["newPaymentTokenId"].as_str().unwrap();
    assert_eq!(shop.charge(&back, new, &[], V2).await.json["approved"], true);
}

#[tokio::test]
async fn prices_bring_about_faults_and_paths_are_known() {
    let shop = Shop::open().await;
    let back = shop.back().await;
    let id = shop.token(&[("validNumberOfUse", 9.into())]).await;
    for (price, status, code) in [("1000.06", 500, 100_106), ("1000.10", 500, 100_110)] {
        let answer = shop
            .charge(&back, &id, &[("initialPrice", price.into())], V2)
            .await;
        assert_eq!((answer.status, &answer.json["errorCode"]), (status, &json!(code)));
    }
    let none = shop.send(shop.get("/nothing").bearer_auth(&back)).await;
    assert_eq!((none.status, &none.json["errorCode"]), (404, &json!(130_000)));
    let wrong = shop
        .send(shop.get("/payment-tokens/x/y/z").bearer_auth(&back))
        .await;
    assert_eq!(wrong.status, 404);
    let deleted = shop
        .client
        .delete(format!("{}/payment-tokens/{id}", shop.info().base_url));
    let deleted = shop.send(deleted.bearer_auth(&back)).await;
    assert_eq!(
        (deleted.status, &deleted.json["errorCode"]),
        (405, &json!(130_000))
    );
    let form = shop
        .post(&format!("/transactions/payment-tokens/{id}"))
        .bearer_auth(&back)
        .body("x=1");
    let form = shop.send(form).await;
    assert_eq!((form.status, &form.json["errorCode"]), (415, &json!(100_004)));
}

#[tokio::test]
async fn threeds_is_asked_about_stubbed_and_checked() {
    let shop = Shop::open().await;
    let (front, back) = (shop.front().await, shop.back().await);
    for (currency, needed) in [(978, "true"), (840, "false")] {
        let path = format!(
            "/payment-tokens/threeds-required?bin=530664&last4=8087&clientAccnum=900684&clientSubacc=1&currencyCode={currency}"
        );
        let answer = shop.send(shop.get(&path).bearer_auth(&front)).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, needed));
    }
    let ask = json!({ "clientAccnum": 900_684, "clientSubacc": 1, "amount": "9.99", "currencyCode": 978 });
    let stub = shop
        .client
        .post(&shop.info().threeds_stub_url)
        .bearer_auth(&front)
        .json(&ask);
    let result = shop.send(stub).await.json;
    assert_eq!(result["status"], "Y");
    let id = shop.token(&[("clientSubacc", 1.into())]).await;
    let fields = |amount: &str| {
        vec![
            ("clientSubacc", json!(1)),
            ("currencyCode", json!("978")),
            ("threedsEci", result["eci"].clone()),
            ("threedsStatus", result["status"].clone()),
            ("threedsSuccess", json!("true")),
            ("threedsVersion", result["protocolVersion"].clone()),
            ("threedsAmount", json!(amount)),
            (
                "threedsClientTransactionId",
                result["clientTransactionId"].clone(),
            ),
            ("threedsDsTransId", result["dsTransId"].clone()),
            ("threedsAcsTransId", result["acsTransId"].clone()),
            (
                "threedsAuthenticationValue",
                result["authenticationValue"].clone(),
            ),
        ]
    };
    let path = format!("threeds/{id}");
    let wrong = shop.charge(&back, &path, &fields("9.98"), V2).await;
    let message = &wrong.json["errors"][0]["message"];
    assert_eq!(
        (wrong.status, message),
        (400, &json!("Threeds amount is not equal to initialPrice"))
    );
    let none = shop
        .charge(
            &back,
            &path,
            &[("clientSubacc", 1.into()), ("currencyCode", 978.into())],
            V2,
        )
        .await;
    assert_eq!(
        (none.status, &none.json["errors"][0]["field"]),
        (400, &json!("threedsError"))
    );
    let sale = shop.charge(&back, &path, &fields("9.990"), V2).await;
    assert_eq!(
        (sale.status, &sale.json["approved"]),
        (200, &json!(true)),
        "{}",
        sale.text
    );
}

#[tokio::test]
async fn an_authentication_of_version_2_needs_its_value() {
    let shop = Shop::open().await;
    let back = shop.back().await;
    let id = shop
        .token(&[("clientSubacc", 1.into()), ("validNumberOfUse", 9.into())])
        .await;
    let path = format!("threeds/{id}");
    let fields = |version: &str, more: &[(&'static str, Value)]| {
        let mut fields = vec![
            ("clientSubacc", json!(1)),
            ("threedsEci", json!("05")),
            ("threedsStatus", json!("Y")),
            ("threedsSuccess", json!(true)),
            ("threedsVersion", json!(version)),
            ("threedsAmount", json!("9.99")),
            ("threedsClientTransactionId", json!("id-wl9r6duc5zj")),
            ("threedsDsTransId", json!("6f38b0ba-3b2c-4dfb-a1e5-2a4ff1b6bd38")),
            ("threedsAcsTransId", json!("0d3c5f5b-8c4f-4a2e-9c11-6a5a8a9f6f10")),
        ];
        fields.extend_from_slice(more);
        fields
    };
    for version in ["2.1.0", "2.2.0"] {
        for (value, message) in [
            (Value::Null, "Attribute required"),
            (json!(""), "Attribute required"),
            (json!("x".repeat(37)), "Problem with attribute size"),
        ] {
            let more = [("threedsAuthenticationValue", value)];
            let none = shop.charge(&back, &path, &fields(version, &more), V2).await;
            let field = json!({ "field": "threedsAuthenticationValue", "message": message });
            assert_eq!(
                (none.status, &none.json["errors"]),
                (400, &json!([field])),
                "{version}"
            );
        }
        // As the platform's sample sends it: the currency of the authentication alone.
        let more = [
            (
                "threedsAuthenticationValue",
                json!("5VdhGOTXBJw9+kEBOTtaJiLUAr8="),
            ),
            ("threedsCurrency", json!("978")),
        ];
        let sale = shop.charge(&back, &path, &fields(version, &more), V2).await;
        assert_eq!(sale.json["approved"], true, "{}", sale.text);
    }
    // Version 1 has another proof.
    let cavv = [
        ("threedsXid", json!("MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=")),
        ("threedsCavv", json!("AAABBEg0VhI0VniQEjRWAAAAAAA=")),
        ("threedsCavvAlgorithm", json!("3")),
    ];
    let sale = shop.charge(&back, &path, &fields("1.0.2", &cavv), V2).await;
    assert_eq!(sale.json["approved"], true, "{}", sale.text);
    let sales = shop.sandbox.state()["ccbill"]["transactions"].clone();
    let currencies: Vec<_> = sales
        .as_array()
        .unwrap()
        .iter()
        .map(|sale| &sale["currency"])
        .collect();
    assert_eq!(currencies, [&json!(978), &json!(978), &Value::Null]);
}

#[tokio::test]
async fn a_charge_needs_no_address_unless_the_account_asks() {
    let shop = Shop::open().await;
    let back = shop.back().await;
    let with_address = shop.token(&[]).await;
    let mut customer = card()["customerInfo"].clone();
    customer.as_object_mut().unwrap().remove("ipAddress");
    let without = shop
        .token(&[("customerInfo", customer), ("validNumberOfUse", 9.into())])
        .await;
    let charge = async |id: &str, more: &Value, header: Option<&str>| {
        let mut body =
            json!({ "clientAccnum": 900_684, "clientSubacc": 0, "initialPrice": 9.99, "initialPeriod": 0 });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let mut request = shop
            .post(&format!("/transactions/payment-tokens/{id}"))
            .bearer_auth(&back);
        if let Some(address) = header {
            request = request.header("x-origin-ip", address);
        }
        shop.send(request.json(&body)).await
    };
    for id in [&with_address, &without] {
        let sale = charge(id, &json!({}), None).await;
        assert_eq!(sale.json["approved"], true, "{}", sale.text);
    }
    // What is sent has to be an address all the same.
    assert_eq!(charge(&without, &json!({}), Some("::1")).await.status, 400);
    shop.sandbox
        .change_settings("ccbill", &json!({ "charge_needs_ip_address": true }))
        .unwrap();
    let sale = charge(&with_address, &json!({}), None).await;
    assert_eq!(sale.json["approved"], true, "{}", sale.text);
    let refused = charge(&without, &json!({}), None).await;
    let field = json!({ "field": "ipAddress", "message": "Attribute required" });
    assert_eq!((refused.status, &refused.json["errors"]), (400, &json!([field])));
    for (more, header) in [
        (json!({ "ipAddress": "192.0.2.7" }), None),
        (json!({}), Some("192.0.2.8")),
    ] {
        let sale = charge(&without, &more, header).await;
        assert_eq!(sale.json["approved"], true, "{}", sale.text);
    }
    let sales = shop.sandbox.state()["ccbill"]["transactions"].clone();
    let addresses: Vec<_> = sales
        .as_array()
        .unwrap()
        .iter()
        .map(|sale| sale["ip_address"].as_str())
        .collect();
    assert_eq!(
        addresses,
        [
            Some("192.0.2.1"),
            None,
            Some("192.0.2.1"),
            Some("192.0.2.7"),
            Some("192.0.2.8")
        ]
    );
}

#[tokio::test]
async fn accept_is_a_list() {
    let shop = Shop::open().await;
    let (front, weighted) = (shop.front().await, format!("{V1};q=0.5, {V2}"));
    for (accept, kind) in [
        ("application/json, text/plain, */*", Some(V1)),
        (weighted.as_str(), Some(V2)),
        ("text/html, application/xhtml+xml", None),
    ] {
        let request = shop
            .post("/payment-tokens/merchant-only")
            .bearer_auth(&front)
            .header("accept", accept)
            .json(&card());
        let answer = shop.send(request).await;
        match kind {
            Some(kind) => assert_eq!((answer.status, answer.kind.as_str()), (200, kind), "{accept}"),
            None => assert_eq!((answer.status, &answer.json["errorCode"]), (406, &json!(100_015))),
        }
    }
}

#[tokio::test]
async fn unknown_routes_have_the_platforms_error() {
    let shop = Shop::open().await;
    let back = shop.back().await;
    for (method, path) in [
        ("GET", ""),
        ("GET", "/"),
        ("GET", "/nothing"),
        ("POST", "/transactions"),
        ("POST", "/payment-tokens/target-client"),
        ("POST", "/payment-tokens/program-specified"),
        ("GET", "/ccbill-auth/oauth/revoke"),
        ("DELETE", "/transactions/payment-tokens/01ff/x"),
    ] {
        let url = format!("{}{path}", shop.info().base_url);
        let request = shop
            .client
            .request(method.parse().unwrap(), url)
            .bearer_auth(&back);
        let answer = shop.send(request).await;
        assert_eq!(
            (
                answer.status,
                answer.kind.as_str(),
                &answer.json["errorCode"],
                &answer.json["generalMessage"],
                &answer.json["url"],
            ),
            (
                404,
                "application/vnd.com.cwie.error.v1+json",
                &json!(130_000),
                &json!("Not Found"),
                &json!(path)
            ),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_make_tokens_and_nothing_else() {
    let shop = Shop::open().await;
    let preflight = async |path: &str, origin: &str| {
        let url = format!("{}{path}", shop.info().base_url);
        let request = shop.client.request(reqwest::Method::OPTIONS, url);
        shop.send(
            request
                .header("origin", origin)
                .header("access-control-request-method", "POST"),
        )
        .await
    };
    let own = "http://127.0.0.1:8080";
    let allowed = preflight("/payment-tokens/merchant-only-verify", own).await;
    assert_eq!((allowed.status, allowed.allowed.as_deref()), (204, Some(own)));
    for (path, origin) in [
        (
            "/payment-tokens/merchant-only-verify",
            "https://elsewhere.example",
        ),
        ("/transactions/payment-tokens/01", own),
        ("/ccbill-auth/oauth/token", own),
    ] {
        assert_eq!(preflight(path, origin).await.allowed, None, "{path} {origin}");
    }
    let change = json!({ "cors_origins": ["https://elsewhere.example"] });
    shop.sandbox.change_settings("ccbill", &change).unwrap();
    let allowed = preflight("/payment-tokens/merchant-only", "https://elsewhere.example").await;
    assert_eq!(allowed.status, 204);
    // An error is readable for the page, too.
    let refused = shop
        .send(
            shop.post("/payment-tokens/merchant-only")
                .header("origin", "https://elsewhere.example"),
        )
        .await;
    assert_eq!(
        (refused.status, refused.allowed.as_deref()),
        (401, Some("https://elsewhere.example"))
    );
    for wrong in [
        json!({ "default_version": 3 }),
        json!({ "token_seconds": 0 }),
        json!({ "typo": 1 }),
    ] {
        assert!(shop.sandbox.change_settings("ccbill", &wrong).is_err());
    }
}

#[tokio::test]
async fn charges_a_card_that_was_stored_before_a_restart() {
    let file = std::env::temp_dir().join(format!("cardseal-ccbill-{}.cards", std::process::id()));
    let options = || SandboxOptions {
        seed: Some([7; 32]),
        cards: Some(file.clone()),
        ..SandboxOptions::default()
    };
    let first = Shop::open_with(options()).await;
    let id = first.token(&[]).await;
    assert_eq!(first.charge(&first.back().await, &id, &[], V2).await.status, 200);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("447370") && !text.contains("4473707989493598"),
        "{text}"
    );
    drop(first);

    let again = Shop::open_with(options()).await;
    let back = again.back().await;
    let paid = again.charge(&back, &id, &[], V2).await;
    assert_eq!(
        (paid.status, &paid.json["approved"]),
        (200, &json!(true)),
        "{}",
        paid.text
    );
    // The token is good for two uses, and the first was before.
    assert_ne!(again.charge(&back, &id, &[], V2).await.status, 200);
    drop(again);
    std::fs::remove_file(&file).unwrap();
}
