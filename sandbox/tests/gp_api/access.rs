//! Access tokens: who gets one, for what, and for how long.

use reqwest::Method;
use serde_json::{Value, json};

use super::merchant::{Answer, GOOD_CARD, Merchant, card, sale_by_card, verification, with};

#[tokio::test]
async fn gives_a_token_to_who_knows_the_key() {
    let merchant = Merchant::open().await;
    let body = merchant.ask_token(json!({})).await.good();
    let token = body["token"].as_str().unwrap();
    assert!(token.len() == 28 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(
        (&body["type"], &body["seconds_to_expire"]),
        (&json!("Bearer"), &json!(86399))
    );
    assert_eq!(body["app_id"], merchant.info().credentials.app_id);
    assert_eq!(body["scope"]["merchant_id"], merchant.info().merchant_id);
    let accounts = body["scope"]["accounts"].as_array().unwrap();
    let names: Vec<_> = accounts
        .iter()
        .map(|account| account["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "transaction_processing",
            "tokenization",
            "settlement_reporting",
            "dispute_management",
            "EOS_RiskAssessment"
        ]
    );
    for (account, told) in accounts.iter().zip(&merchant.info().accounts) {
        assert_eq!(account["id"], told.id);
    }
    let time = body["time_created"].as_str().unwrap();
    assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"));
    assert_eq!(merchant.state()["access_tokens_made"], 2);
}

#[tokio::test]
async fn tells_a_wrong_application_from_a_wrong_key_by_text_only() {
    let merchant = Merchant::open().await;
    for (change, text) in [
        (json!({ "app_id": "nobody" }), "App credentials not recognized"),
        (
            json!({ "secret": "00" }),
            "Credentials not recognized to create access token.",
        ),
        (
            json!({ "nonce": "another" }),
            "Credentials not recognized to create access token.",
        ),
    ] {
        let answer = merchant.ask_token(change).await;
        assert_eq!(answer.refusal(), (403, "ACTION_NOT_AUTHORIZED", "40004"));
        assert_eq!(answer.told(), text);
    }
    for missing in ["app_id", "nonce", "secret", "grant_type"] {
        let answer = merchant.ask_token(json!({ missing: null })).await;
        assert_eq!(answer.refusal(), (400, "MANDATORY_DATA_MISSING", "40005"));
        assert!(answer.told().ends_with(missing));
    }
    assert_eq!(merchant.state()["access_tokens_made"], 1);
}

#[tokio::test]
async fn lives_as_long_as_asked_for_within_limits() {
    let merchant = Merchant::open().await;
    for (fields, seconds) in [
        (json!({ "seconds_to_expire": 60 }), 60),
        (json!({ "seconds_to_expire": 604_800 }), 604_800),
        (json!({ "interval_to_expire": "5_MINUTES" }), 300),
        (json!({ "interval_to_expire": "WEEK" }), 604_800),
        (
            json!({ "seconds_to_expire": 600, "interval_to_expire": "DAY" }),
            600,
        ),
        (json!({ "seconds_to_expire": null }), 86399),
    ] {
        let body = merchant.ask_token(fields).await.good();
        assert_eq!(body["seconds_to_expire"], seconds);
    }
    for fields in [
        json!({ "seconds_to_expire": 10 }),
        json!({ "seconds_to_expire": 59 }),
        json!({ "seconds_to_expire": 604_801 }),
        json!({ "seconds_to_expire": "600" }),
        json!({ "interval_to_expire": "2_MINUTES" }),
        json!({ "grant_type": "password" }),
        json!({ "restricted_token": true }),
        json!({ "permissions": "PMT_POST_Create_Single" }),
    ] {
        let answer = merchant.ask_token(fields.clone()).await;
        assert_eq!(
            answer.refusal(),
            (400, "INVALID_REQUEST_DATA", "40213"),
            "{fields}"
        );
    }
}

#[tokio::test]
async fn expires_on_the_clock() {
    let merchant = Merchant::open().await;
    let token = merchant.new_token(json!({ "seconds_to_expire": 600 })).await;
    let list = async |token: &str| {
        Answer::of(
            merchant
                .request(Method::GET, "/transactions", token)
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    merchant.advance(590);
    assert_eq!(list(&token).await.http, 200);
    merchant.advance(11);
    assert_eq!(list(&token).await.refusal(), (401, "NOT_AUTHENTICATED", "40002"));
    assert_eq!(
        list("nothing").await.refusal(),
        (401, "NOT_AUTHENTICATED", "40001")
    );
    assert_eq!(list(&merchant.token).await.http, 200);

    let told = merchant
        .sandbox
        .command("gp_api", "expire_tokens", &json!({}))
        .await
        .unwrap();
    assert_eq!(told, json!({ "expired": 1 }));
    assert_eq!(
        list(&merchant.token).await.refusal(),
        (401, "NOT_AUTHENTICATED", "40002")
    );
    let fresh = merchant.new_token(json!({})).await;
    assert_eq!(list(&fresh).await.http, 200);
}

#[tokio::test]
async fn a_narrowed_token_does_nothing_else() {
    let merchant = Merchant::open().await;
    let body = merchant
        .ask_token(json!({ "permissions": ["PMT_POST_Create_Single"] }))
        .await
        .good();
    let accounts = body["scope"]["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0]["name"], "tokenization");
    assert_eq!(accounts[0]["permissions"], json!(["PMT_POST_Create_Single"]));

    let charge = merchant.charged("perm", "LATER").await;
    let stored = merchant.stored(GOOD_CARD).await;
    let calls = |token: String| {
        let (merchant, charge, stored) = (&merchant, &charge, &stored);
        async move {
            let mut refused = Vec::new();
            for (name, method, path, body) in routes(charge, stored) {
                let request = merchant.request(method, &path, &token).json(&body);
                let answer = Answer::of(request.send().await.unwrap()).await;
                if answer.refusal() == (403, "ACTION_NOT_AUTHORIZED", "40212") {
                    refused.push(name);
                }
            }
            refused
        }
    };
    let all: Vec<_> = routes(&charge, &stored)
        .into_iter()
        .map(|(name, ..)| name)
        .collect();
    let permitted = |names: &[&str]| -> Vec<&'static str> {
        all.iter().copied().filter(|name| !names.contains(name)).collect()
    };
    for (permissions, may) in [
        (&["PMT_POST_Create_Single"][..], &["single"][..]),
        (&["PMT_POST_Create"], &["single", "multiple"]),
        (&["TRN_POST_Capture"], &["capture"]),
        (&["TRN_POST_Authorize"], &["charge"]),
        (&["TRN_POST_Refund_Standalone"], &["standalone refund"]),
        (&["TRN_POST_Refund", "TRN_POST_Reverse"], &["refund", "reversal"]),
        (&["TRN_GET_Single"], &["read transaction"]),
        (&["TRN_GET_List"], &["list transactions"]),
        (&["VER_POST_Verify"], &["verify", "read verification"]),
        (
            &["PMT_GET_Single", "PMT_GET_List"],
            &["read method", "list methods"],
        ),
        (
            &["PMT_POST_Search", "PMT_PATCH_Edit"],
            &["search methods", "edit method"],
        ),
    ] {
        let token = merchant.new_token(json!({ "permissions": permissions })).await;
        assert_eq!(calls(token).await, permitted(may), "{permissions:?}");
    }
    for wrong in [
        json!(["PMT_POST_Create_Single", "PMT_DELETE_Everything"]),
        json!([]),
    ] {
        let answer = merchant.ask_token(json!({ "permissions": wrong })).await;
        assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40119"));
    }
}

/// One call of each kind. Most fail for other reasons than permissions, which come first.
fn routes(charge: &str, stored: &str) -> Vec<(&'static str, Method, String, Value)> {
    let single = json!({ "usage_mode": "SINGLE", "card": card(GOOD_CARD) });
    let sale = sale_by_card("perm", GOOD_CARD);
    let nothing = json!({});
    let (get, post) = (Method::GET, Method::POST);
    vec![
        ("single", post.clone(), "/payment-methods".into(), single.clone()),
        (
            "multiple",
            post.clone(),
            "/payment-methods".into(),
            with(single, "usage_mode", json!("MULTIPLE")),
        ),
        ("charge", post.clone(), "/transactions".into(), sale.clone()),
        (
            "standalone refund",
            post.clone(),
            "/transactions".into(),
            with(sale, "type", json!("REFUND")),
        ),
        (
            "capture",
            post.clone(),
            format!("/transactions/{charge}/capture"),
            json!({ "amount": "99999" }),
        ),
        (
            "refund",
            post.clone(),
            format!("/transactions/{charge}/refund"),
            nothing.clone(),
        ),
        (
            "reversal",
            post.clone(),
            format!("/transactions/{charge}/reversal"),
            json!({ "amount": "1" }),
        ),
        (
            "read transaction",
            get.clone(),
            format!("/transactions/{charge}"),
            nothing.clone(),
        ),
        (
            "list transactions",
            get.clone(),
            "/transactions".into(),
            nothing.clone(),
        ),
        (
            "verify",
            post.clone(),
            "/verifications".into(),
            verification(stored),
        ),
        (
            "read verification",
            get.clone(),
            "/verifications/VER_x".into(),
            nothing.clone(),
        ),
        (
            "read method",
            get.clone(),
            format!("/payment-methods/{stored}"),
            nothing.clone(),
        ),
        ("list methods", get, "/payment-methods".into(), nothing.clone()),
        (
            "search methods",
            post,
            "/payment-methods/search".into(),
            json!({ "reference": "x" }),
        ),
        (
            "edit method",
            Method::PATCH,
            format!("/payment-methods/{stored}"),
            json!({ "name": "A B" }),
        ),
        (
            "delete method",
            Method::DELETE,
            format!("/payment-methods/{stored}"),
            nothing,
        ),
    ]
}

#[tokio::test]
async fn a_restricted_token_shows_less() {
    let merchant = Merchant::open().await;
    let token = merchant
        .new_token(json!({ "restricted_token": "YES", "permissions": ["PMT_POST_Create_Single"] }))
        .await;
    let body = json!({ "usage_mode": "SINGLE", "reference": "r", "card": card(GOOD_CARD) });
    let request = merchant
        .request(Method::POST, "/payment-methods", &token)
        .json(&body);
    let answer = Answer::of(request.send().await.unwrap()).await.good();
    assert_eq!(answer["account_id"], format!("TKA_{}", "X".repeat(32)));
    assert_eq!(answer["merchant_id"], format!("MER_{}", "X".repeat(32)));
    assert_eq!(answer["action"]["app_id"], "X".repeat(32));
    assert_eq!(answer["card"]["masked_number_last4"], "XXXXXXXXXXXX5262");
    assert!(answer["id"].as_str().unwrap().starts_with("PMT_"));
    assert_eq!(answer["reference"], "r");
}

#[tokio::test]
async fn accounts_are_matched_exactly() {
    let merchant = Merchant::open().await;
    let accounts = &merchant.info().accounts;
    let sale = sale_by_card("acc", GOOD_CARD);
    let by = |name: Value, id: Value| with(with(sale.clone(), "account_name", name), "account_id", id);
    for (name, id) in [
        (json!("transaction_processing"), Value::Null),
        (Value::Null, json!(accounts[0].id)),
        (json!("transaction_processing"), json!(accounts[0].id)),
    ] {
        merchant.post("/transactions", &by(name, id)).await.good();
    }
    for (name, id) in [
        (json!("Transaction_Processing"), Value::Null),
        (json!("tokenization"), Value::Null),
        (Value::Null, json!(accounts[1].id)),
        (json!("tokenization"), json!(accounts[0].id)),
        (Value::Null, json!("TRA_nobody")),
    ] {
        let answer = merchant.post("/transactions", &by(name, id)).await;
        assert_eq!(answer.refusal(), (403, "ACTION_NOT_AUTHORIZED", "40003"));
    }
    let answer = merchant
        .post("/transactions", &by(Value::Null, Value::Null))
        .await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40007"));
    // With one account for it, `/payment-methods` needs no name; with a wrong one it refuses.
    let method = json!({ "usage_mode": "SINGLE", "card": card(GOOD_CARD), "account_name": "tokenisation" });
    let answer = merchant.post("/payment-methods", &method).await;
    assert_eq!(answer.refusal(), (403, "ACTION_NOT_AUTHORIZED", "40003"));
}
