//! The contract: what is served, what is in the documentation, and what is checked are the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::shop::Shop;

fn document() -> Value {
    serde_json::to_value(cardseal_server::openapi()).unwrap()
}

#[tokio::test]
async fn the_contract_is_served_and_documented_as_the_routes_have_it() {
    let shop = Shop::open().await;
    let served = shop.get("/openapi.json").await;
    assert_eq!(served.headers["content-type"], "application/json");
    assert!(served.is(200) == document());
    let written: Value = serde_json::from_str(include_str!("../../docs/openapi.json")).unwrap();
    assert!(
        written == document(),
        "docs/openapi.json is not of these routes: cargo run -p cardseal-server -- --openapi > docs/openapi.json"
    );
    assert_eq!(written["openapi"], "3.1.0");
}

#[test]
fn every_refusal_of_the_contract_is_a_code_with_its_status() {
    let document = document();
    let mut seen = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let content = &answer["content"]["application/problem+json"];
                let words = content["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array();
                for word in words.into_iter().flatten() {
                    let code = cardseal_server::error::Code::ALL
                        .iter()
                        .find(|code| code.as_str() == word && code.status().as_str() == status);
                    assert!(code.is_some(), "{method} {path}: {status} {word}");
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 100, "{seen}");
}

/// Every operation with its path and method.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, item)| {
        let methods = item.as_object().unwrap().iter();
        methods.map(move |(method, operation)| (format!("{method} {path}"), operation))
    })
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let document = document();
    let mut names = BTreeMap::new();
    for (at, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap();
        assert_eq!(names.insert(name, at.clone()), None, "{at}: {name}");
    }
}

/// Those that stand beside the table of the documented ones, by hand.
#[test]
fn what_a_client_may_call_is_in_the_contract() {
    let document = document();
    for path in [
        "/openapi.json",
        "/v1/demo",
        "/v1/notifications/{platform}/{secret}",
        "/v1/notifications/{platform}/{secret}/{event}",
    ] {
        assert!(document["paths"][path].is_object(), "{path}");
    }
    let about = document["info"]["description"].as_str().unwrap();
    assert!(about.contains("the demo page: its files"), "{about}");
}

/// Whoever has made something is told by the contract what can be done with it.
#[test]
fn what_is_made_links_to_what_can_be_done_with_it() {
    let document = document();
    let names: Vec<&str> = operations(&document)
        .filter_map(|(_, operation)| operation["operationId"].as_str())
        .collect();
    let mut linked = BTreeMap::new();
    for (_, operation) in operations(&document) {
        for (status, answer) in operation["responses"].as_object().unwrap() {
            for (link, target) in answer["links"].as_object().into_iter().flatten() {
                assert!(names.contains(&target["operationId"].as_str().unwrap()), "{link}");
                assert!(status.starts_with('2'), "{link} of {status}");
                linked.insert(link.clone(), ());
            }
        }
    }
    let of_ids = operations(&document).filter(|(at, _)| at.contains("{id}"));
    for (at, operation) in of_ids {
        let name = operation["operationId"].as_str().unwrap();
        assert!(linked.contains_key(name), "{at}: nothing leads to {name}");
    }
}

/// A field that several requests have is one schema, to which each of them refers.
#[test]
fn a_field_of_several_requests_is_described_once() {
    let document = document();
    let mut fields: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for (at, operation) in operations(&document) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) else {
            // A notification is the platform's own JSON.
            let free = schema == &json!({ "type": "object" }) && at.contains("/notifications/");
            assert!(schema.is_null() || free, "{at}: {schema}");
            continue;
        };
        let properties = document["components"]["schemas"][name]["properties"].as_object();
        for (field, schema) in properties.into_iter().flatten() {
            fields.entry(field).or_default().push(schema);
        }
    }
    let mut shared = 0;
    for (field, schemas) in fields {
        let bound = |schema: &&Value| schema["maxLength"].is_u64() || schema["maximum"].is_u64();
        let bounded = schemas.iter().any(bound);
        if schemas.len() > 1 {
            assert!(!bounded, "{field}: {schemas:?}");
            shared += usize::from(schemas.iter().all(|schema| schema["$ref"].is_string()));
        }
    }
    assert!(shared > 10, "{shared}");
}

#[tokio::test]
async fn a_field_is_refused_with_what_came_what_was_expected_and_an_example() {
    let shop = Shop::open().await;
    for (body, code, field, detail) in [
        (
            json!({ "kind": "payment", "amount": 12.34, "currency": "CRC" }),
            "field_type",
            "amount",
            "`amount` must be text of 1 to 32 characters, for example \"12.34\"; got a number",
        ),
        (
            json!({ "kind": "payment", "amount": "12.34", "currency": "usd" }),
            "currency_not_supported",
            "currency",
            "`currency` must be an ISO 4217 code in capitals, for example \"USD\"; got text in small letters",
        ),
        (
            json!({ "kind": "payment", "amount": "12.345", "currency": "USD" }),
            "amount_invalid",
            "amount",
            "the amount has more decimals than its currency; `amount` must be decimal text above zero, for example \
             \"12.34\" with this currency",
        ),
        (
            json!({ "kind": "payment", "currency": "USD" }),
            "field_missing",
            "amount",
            "`amount` is missing; it takes text of 1 to 32 characters, for example \"12.34\"",
        ),
        (
            json!({ "platform": "ccbill" }),
            "field_invalid",
            "platform",
            "this platform is not configured here: `platform` must be `greenpay` (a section [platforms.…] of the \
             configuration adds one)",
        ),
        (
            json!({ "mode": "sideways" }),
            "field_invalid",
            "mode",
            "`mode` must be the word `relay` or `direct`, for example \"relay\"; got other text of 8 characters",
        ),
        (
            json!({ "customer": null }),
            "field_type",
            "customer",
            "`customer` must be text of 1 to 255 characters, for example \"customer-17\"; got null",
        ),
        (
            json!({ "customer": "" }),
            "field_invalid",
            "customer",
            "`customer` must be text of 1 to 255 characters, for example \"customer-17\"; got an empty text",
        ),
        (
            json!({ "amount": "1.00" }),
            "unknown_field",
            "amount",
            "`amount` does not belong here: it is for a session with `kind` `payment`",
        ),
    ] {
        let answer = shop.merchant("POST", "/v1/sessions", Some(&body)).await;
        assert_eq!(
            (
                answer.code(),
                answer.json["field"].as_str(),
                answer.json["detail"].as_str()
            ),
            (code, Some(field), Some(detail)),
            "{body}"
        );
        assert_ne!(answer.json["title"], answer.json["detail"]);
    }
}

#[tokio::test]
async fn what_came_is_never_repeated() {
    let shop = Shop::open().await;
    for field in [
        "session",
        "ld",
        "lk",
        "sealed",
        "encrypted_customer_input",
        "answer",
    ] {
        for value in [json!("geheim\u{1}"), json!(["geheim"]), json!({ "geheim": 1 })] {
            let body = json!({ field: value });
            let answer = shop.merchant("POST", "/v1/tokens", Some(&body)).await;
            assert_eq!(answer.status.as_u16(), 422, "{body}");
            assert!(!answer.text.contains("geheim"), "{}", answer.text);
        }
    }
}

#[tokio::test]
async fn each_refusal_says_more_than_its_title() {
    let shop = Shop::open().await;
    let token = shop.token(crate::shop::APPROVED).await;
    let path = format!("/v1/tokens/{}", token["id"].as_str().unwrap());
    for answer in [
        shop.get("/nowhere").await,
        shop.merchant("GET", "/v1/tokens/tok_x", None).await,
        shop.merchant("GET", "/v1/tokens?limit=0", None).await,
        shop.merchant("GET", "/v1/tokens?limit=1&limit=1", None).await,
        shop.merchant("GET", "/v1/tokens?colour=red", None).await,
        shop.merchant("PUT", &path, None).await,
        shop.merchant("PATCH", &path, Some(&json!({}))).await,
        shop.merchant(
            "PATCH",
            &path,
            Some(&json!({ "expiry": { "month": 13, "year": 2030 } })),
        )
        .await,
    ] {
        answer.code();
        assert_ne!(answer.json["title"], answer.json["detail"], "{}", answer.text);
    }
}
