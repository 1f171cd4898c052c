//! The payments of a day beside the platform's own records, and lists by status.

use cardseal::platform::Platform;
use cardseal_gateways::gateway::{Capture, ChargeParams, Outcome, PaymentRef};
use cardseal_gateways::{Amount, Transport};
use cardseal_sandbox::faults::Kind;
use cardseal_server::store::PaymentId;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::database::Database;
use crate::gp_api::APPROVED;
use crate::shop::{Shop, platform_settings, sandbox, serve};

/// The day of a payment.
fn day(payment: &Value) -> String {
    payment["created_at"].as_str().unwrap()[..10].into()
}

async fn report(shop: &Shop, platform: &str, day: &str) -> Value {
    let path = format!("/v1/reconciliation?platform={platform}&day={day}");
    shop.get(&path).await.is(200)
}

/// Each difference in a word, with the payment here and the reference there.
fn differences(report: &Value) -> Vec<(String, Value, Value)> {
    let all = report["differences"].as_array().unwrap();
    let one = |difference: &Value| {
        let kind = difference["kind"].as_str().unwrap().to_owned();
        (
            kind,
            difference["payment"]["id"].clone(),
            difference["platform"]["reference"].clone(),
        )
    };
    all.iter().map(one).collect()
}

/// What a person does in the platform's portal, past this server.
struct Portal<'a> {
    shop: &'a Shop,
    transport: Transport,
    card: SecretString,
}

impl<'a> Portal<'a> {
    async fn new(shop: &'a Shop, token: &Value) -> Self {
        let id = token["id"].as_str().unwrap().into();
        let token = shop.app.store.token(&id).await.unwrap().unwrap();
        Self {
            shop,
            transport: Transport::new(shop.app.config.timeouts).unwrap(),
            card: token.platform_token.unwrap(),
        }
    }

    async fn charge(&self, amount: &str, reference: &str) {
        let account = self.shop.app.account(Platform::GpApi).unwrap();
        let params = ChargeParams {
            token: &self.card,
            amount: &Amount::parse(amount, "USD").unwrap(),
            reference,
            description: "by hand",
            attempt: &format!("portal-{reference}-{amount}"),
            capture: Capture::Auto,
            network_token: None,
            platform_id: None,
            requested_at: 0,
            now: 0,
            customer_ip: None,
            authentication: None,
            recurring: None,
        };
        let outcome = account.gateway.charge(&self.transport, &params).await.unwrap();
        assert!(matches!(outcome, Outcome::Approved(_)), "{outcome:?}");
    }

    async fn refund(&self, payment: &Value) {
        let id = PaymentId::from(payment["id"].as_str().unwrap());
        let stored = self.shop.app.store.payment(&id).await.unwrap().unwrap();
        let account = self.shop.app.account(Platform::GpApi).unwrap();
        let payment = PaymentRef {
            reference: &stored.order_reference,
            authorization: None,
            platform_id: stored.platform_payment.as_deref(),
            bin: None,
            last4: None,
            amount: &stored.amount,
            moved: &stored.amount,
            attempt: "portal-refund",
            again: false,
            repeat: false,
        };
        account
            .gateway
            .refund(&self.transport, &payment, None)
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_compared_with_the_platforms_list() {
    let shop = Shop::gp_api(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "2000")]).await;
    let token = shop.gp_token(APPROVED).await;
    let pay =
        async |amount: &str, more: Value, key: &str| shop.gp_pay(&token, amount, &more, key).await.is(201);

    let plain = pay("7.01", json!({}), "plain").await;
    let refunded = pay("7.02", json!({}), "refunded").await;
    shop.change(&refunded, "refund", &json!({})).await.is(200);
    let voided = pay("7.03", json!({}), "voided").await;
    shop.change(&voided, "void", &json!({})).await.is(200);
    let authorized = pay("7.04", json!({ "capture": "later" }), "authorized").await;
    assert_eq!(authorized["status"], "authorized");
    let captured = pay("9.00", json!({ "capture": "later" }), "captured").await;
    shop.change(&captured, "capture", &json!({ "amount": "4.00" }))
        .await
        .is(200);
    let today = day(&plain);
    let answer = report(&shop, "gp_api", &today).await;
    assert_eq!(
        (
            &answer["source"],
            &answer["complete"],
            &answer["platform"],
            &answer["day"]
        ),
        (&json!("list"), &json!(true), &json!("gp_api"), &json!(today))
    );
    assert_eq!(answer["differences"], json!([]), "{answer:#}");
    assert_eq!(answer["matched"], 5);

    // What happened in the portal alone.
    let portal = Portal::new(&shop, &token).await;
    portal.charge("1.00", "by-telephone").await;
    portal
        .charge("7.01", plain["order_reference"].as_str().unwrap())
        .await;
    let given_back = pay("7.05", json!({}), "given-back").await;
    portal.refund(&given_back).await;
    // What never reached the platform, and was settled by hand as if it had.
    shop.gp_fault("transactions", Kind::DropBefore, 0, 0);
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    let lost = shop.gp_pay(&token, "7.06", &json!({}), "lost").await.is(202);
    let body = json!({ "status": "approved", "authorization": "123" });
    shop.change(&lost, "resolve", &body).await.is(200);
    shop.sandbox.clear_faults();

    let answer = report(&shop, "gp_api", &today).await;
    let mut found = differences(&answer);
    found.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.to_string().cmp(&b.1.to_string())));
    let references = |payment: &Value| payment["order_reference"].clone();
    let mut expected = vec![
        (
            "charged_twice".to_owned(),
            plain["id"].clone(),
            references(&plain),
        ),
        (
            "missing_here".to_owned(),
            given_back["id"].clone(),
            references(&given_back),
        ),
        ("missing_here".to_owned(), Value::Null, json!("by-telephone")),
        ("missing_there".to_owned(), lost["id"].clone(), Value::Null),
    ];
    expected.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.to_string().cmp(&b.1.to_string())));
    assert_eq!(found, expected, "{answer:#}");
    assert_eq!(answer["matched"], 6);
    let there = answer["differences"].as_array().unwrap().iter();
    let telephone = there
        .map(|difference| &difference["platform"])
        .find(|there| there["reference"] == "by-telephone");
    let telephone = telephone.unwrap();
    assert_eq!(
        (
            &telephone["kind"],
            &telephone["amount"],
            &telephone["currency"],
            &telephone["status"]
        ),
        (
            &json!("charge"),
            &json!("1.00"),
            &json!("USD"),
            &json!("approved")
        )
    );

    // Another day has none of it, and a platform that is away is an error, not an empty report.
    assert_eq!(
        report(&shop, "gp_api", "2020-02-29").await["differences"],
        json!([])
    );
    shop.gp_fault("transactions/list", Kind::Html, 0, 0);
    shop.get(&format!("/v1/reconciliation?platform=gp_api&day={today}"))
        .await
        .problem(502, "platform_answer_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_there_is_no_list_each_payment_is_looked_up() {
    let sandbox = sandbox().await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = platform_settings(&sandbox, "online_payments");
    settings.push((
        "CARDSEAL__PLATFORMS__ONLINE_PAYMENTS__RETURN_URL".into(),
        "https://shop.example/return".into(),
    ));
    let settings: Vec<(&str, &str)> = settings
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let (app, router) = serve(&sandbox, &folder.path().join("cardseal.sqlite"), &settings).await;
    let shop = Shop {
        sandbox,
        app,
        router,
        folder,
    };
    let token = shop.op_token().await;
    let first = shop.op_charge(&token, "4.00", &json!({}), "first").await.is(201);
    let second = shop.op_charge(&token, "5.00", &json!({}), "second").await.is(201);
    shop.op_charge(&token, "6.00", &json!({}), "third").await.is(201);
    let answer = report(&shop, "online_payments", &day(&first)).await;
    assert_eq!(
        (&answer["source"], &answer["matched"], &answer["differences"]),
        (&json!("lookups"), &json!(3), &json!([])),
        "{answer:#}"
    );
    // Another state here, as after a mistake of ours.
    let id = second["id"].as_str().unwrap();
    let change = format!("UPDATE payments SET status = 'voided' WHERE id = '{id}'");
    Database::open(&shop.database()).await.run(&change).await;
    let answer = report(&shop, "online_payments", &day(&first)).await;
    let (kind, payment, _) = differences(&answer).remove(0);
    assert_eq!(
        (kind.as_str(), &payment, &answer["matched"]),
        ("status", &second["id"], &json!(2))
    );
    assert_eq!(answer["differences"][0]["platform"]["status"], "approved");
}

#[tokio::test]
async fn where_nobody_can_be_asked_the_report_says_what_is_unknown() {
    let shop = Shop::with(&[("CARDSEAL__HTTP__REQUEST_TIMEOUT_MS", "400")]).await;
    let token = shop.token(crate::shop::APPROVED).await;
    shop.charge(&token, "known").await.is(201);
    shop.sandbox
        .inject(shop.fault("merchant/tokenPayment", Kind::DropAfterCommit))
        .unwrap();
    let lost = shop.charge(&token, "lost").await.is(202);
    let answer = report(&shop, "greenpay", &day(&lost)).await;
    assert_eq!(
        (&answer["source"], &answer["matched"]),
        (&json!("none"), &json!(0))
    );
    assert_eq!(
        differences(&answer),
        [("unknown".into(), lost["id"].clone(), Value::Null)]
    );

    let list = async |query: &str| {
        let answer = shop.get(&format!("/v1/payments?{query}")).await.is(200);
        let ids = answer["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|payment| payment["id"].clone());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list("status=unknown").await, [lost["id"].clone()]);
    assert_eq!(list("status=approved").await.len(), 1);
    assert_eq!(list("status=refunded").await, [] as [Value; 0]);
    shop.change(&lost, "resolve", &json!({ "status": "failed" }))
        .await
        .is(200);
    assert_eq!(list("status=unknown").await, [] as [Value; 0]);
    assert_eq!(list("status=failed").await, [lost["id"].clone()]);
    assert_eq!(
        report(&shop, "greenpay", &day(&lost)).await["differences"],
        json!([])
    );
}

#[tokio::test]
async fn payments_are_listed_by_status_and_by_customer_page_by_page() {
    let shop = Shop::open().await;
    let token = shop.token(crate::shop::APPROVED).await;
    let mut made = Vec::new();
    for index in 0..5 {
        let body = json!({ "token": token["id"], "amount": "1.00", "currency": "USD",
            "customer": if index % 2 == 0 { "even" } else { "odd" } });
        made.push(shop.merchant("POST", "/v1/payments", Some(&body)).await.is(201)["id"].clone());
    }
    made.reverse();
    for (query, expected) in [
        ("status=approved", made.clone()),
        (
            "customer=even",
            vec![made[0].clone(), made[2].clone(), made[4].clone()],
        ),
        ("customer=odd", vec![made[1].clone(), made[3].clone()]),
        ("customer=nobody", vec![]),
        ("status=voided", vec![]),
    ] {
        let mut found = Vec::new();
        let mut after = String::new();
        loop {
            let page = shop
                .get(&format!("/v1/payments?{query}&limit=1{after}"))
                .await
                .is(200);
            found.extend(
                page["data"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|payment| payment["id"].clone()),
            );
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(found, expected, "{query}");
    }
}

#[tokio::test]
async fn a_query_that_cannot_be_read_says_what_is_expected() {
    let shop = Shop::open().await;
    for (query, code, field) in [
        ("reconciliation", "field_missing", "platform"),
        ("reconciliation?platform=greenpay", "field_missing", "day"),
        (
            "reconciliation?platform=nowhere&day=2026-11-30",
            "field_invalid",
            "platform",
        ),
        (
            "reconciliation?platform=ccbill&day=2026-11-30",
            "field_invalid",
            "platform",
        ),
        (
            "reconciliation?platform=greenpay&day=2026-11-31",
            "field_invalid",
            "day",
        ),
        (
            "reconciliation?platform=greenpay&day=30.11.2026",
            "field_invalid",
            "day",
        ),
        (
            "reconciliation?platform=greenpay&day=2026-11-3%C3%A9",
            "field_invalid",
            "day",
        ),
        (
            "reconciliation?platform=greenpay&day=+026-11-30",
            "field_invalid",
            "day",
        ),
        (
            "reconciliation?platform=greenpay&date=2026-11-30",
            "unknown_field",
            "date",
        ),
        ("payments?status=in_flight", "field_invalid", "status"),
        ("payments?status=paid", "field_invalid", "status"),
        ("payments?status=unknown&customer=a", "unknown_field", "customer"),
        ("tokens?status=active", "unknown_field", "status"),
    ] {
        let answer = shop.get(&format!("/v1/{query}")).await;
        assert_eq!(
            (answer.code(), &answer.json["field"]),
            (code, &json!(field)),
            "{query}"
        );
    }
}
