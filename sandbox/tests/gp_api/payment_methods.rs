//! `/payment-methods`: creating, reading, listing, changing, deleting.

use cardseal_sandbox::SandboxOptions;
use reqwest::Method;
use serde_json::{Value, json};

use super::authentications::check;
use super::merchant::{Answer, GOOD_CARD, Merchant, card, sale_by_id, verification, with};

async fn send(merchant: &Merchant, method: Method, id: &str, body: Value) -> Answer {
    let path = format!("/payment-methods/{id}");
    let request = merchant.request(method, &path, &merchant.token).json(&body);
    Answer::of(request.send().await.unwrap()).await
}

#[tokio::test]
async fn makes_a_single_use_id_of_a_card() {
    let merchant = Merchant::open().await;
    let body = json!({
        "reference": "r-1", "usage_mode": "SINGLE", "card": card(GOOD_CARD), "name": "Jane Doe",
        "fingerprint_mode": "ALWAYS", "account_name": "tokenization",
    });
    let token = merchant.page_token().await;
    let request = merchant
        .request(Method::POST, "/payment-methods", &token)
        .json(&body);
    let answer = Answer::of(request.send().await.unwrap()).await.good();
    let id = answer["id"].as_str().unwrap();
    assert!(id.starts_with("PMT_") && id.len() == 40);
    for (name, value) in [
        ("status", "ACTIVE"),
        ("usage_mode", "SINGLE"),
        ("account_name", "tokenization"),
        ("reference", "r-1"),
        ("name", "Jane Doe"),
    ] {
        assert_eq!(answer[name], value);
    }
    assert_eq!(
        answer["card"],
        json!({ "masked_number_last4": "XXXXXXXXXXXX5262", "brand": "VISA", "expiry_month": "05", "expiry_year": "30" })
    );
    assert_eq!(
        (&answer["action"]["type"], &answer["action"]["result_code"]),
        (&json!("PAYMENT_METHOD_CREATE"), &json!("SUCCESS"))
    );
    let told = send(&merchant, Method::GET, id, Value::Null).await.good();
    assert_eq!(told["card"]["number_last4"], "xxxxxxxxxxxx5262");
    assert_eq!(
        (told.get("usage_mode"), told["card"].get("masked_number_last4")),
        (None, None)
    );
    assert_eq!(told["action"]["type"], "PAYMENT_METHOD_SINGLE");
}

#[tokio::test]
async fn a_single_use_id_lives_twenty_minutes() {
    let merchant = Merchant::open().await;
    let (early, late) = (merchant.single(GOOD_CARD).await, merchant.single(GOOD_CARD).await);
    let lasting = merchant.stored(GOOD_CARD).await;
    merchant.advance(20 * 60 - 30);
    merchant
        .post("/transactions", &sale_by_id("e", &early))
        .await
        .good();
    merchant.advance(31);
    for answer in [
        merchant.post("/transactions", &sale_by_id("l", &late)).await,
        merchant.post("/verifications", &verification(&late)).await,
    ] {
        assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40116"));
        assert_eq!(
            answer.told(),
            format!("payment_method {late} not found at this location.")
        );
    }
    assert_eq!(
        send(&merchant, Method::GET, &late, Value::Null).await.refusal(),
        (404, "RESOURCE_NOT_FOUND", "40118")
    );
    merchant
        .post("/transactions", &sale_by_id("m", &lasting))
        .await
        .good();
    merchant.set(&json!({ "single_use_minutes": 1 }));
    let short = merchant.single(GOOD_CARD).await;
    merchant.advance(60);
    let answer = merchant.post("/transactions", &sale_by_id("s", &short)).await;
    assert_eq!(answer.http, 404);
    let statuses: Vec<_> = merchant.state()["payment_methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(statuses, ["INACTIVE", "INACTIVE", "ACTIVE", "INACTIVE"]);
}

#[tokio::test]
async fn makes_network_tokens_where_they_are_enabled() {
    let merchant = Merchant::open().await;
    let body = json!({ "usage_mode": "USE_NETWORK_TOKEN", "card": card(GOOD_CARD) });
    let page = merchant.page_token().await;
    let create = async |token: &str| {
        let request = merchant
            .request(Method::POST, "/payment-methods", token)
            .json(&body);
        Answer::of(request.send().await.unwrap()).await
    };
    let answer = create(&page).await.good();
    assert_eq!(answer["usage_mode"], "USE_NETWORK_TOKEN");
    // Made by a page, it is for single use.
    let id = answer["id"].as_str().unwrap();
    merchant.post("/verifications", &verification(id)).await.good();
    assert_eq!(merchant.post("/verifications", &verification(id)).await.http, 404);
    // Made by a server, it lasts.
    let answer = create(&merchant.token).await.good();
    let sale = with(
        sale_by_id("nt", answer["id"].as_str().unwrap()),
        "payment_method/usage_mode",
        json!("USE_NETWORK_TOKEN"),
    );
    for _ in 0..2 {
        merchant.post("/transactions", &sale).await.good();
    }
    assert_eq!(merchant.transactions()[0]["usage_mode"], "USE_NETWORK_TOKEN");
    merchant.set(&json!({ "network_tokens": false }));
    let refused = (403, "ACTION_NOT_AUTHORIZED", "40212");
    assert_eq!(create(&merchant.token).await.refusal(), refused);
    assert_eq!(merchant.post("/transactions", &sale).await.refusal(), refused);
    let odd = json!({ "usage_mode": "TWICE", "card": card(GOOD_CARD) });
    let answer = merchant.post("/payment-methods", &odd).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
    // Without a mode it is for many uses.
    let answer = merchant
        .post("/payment-methods", &json!({ "card": card(GOOD_CARD) }))
        .await
        .good();
    assert_eq!(answer["usage_mode"], "MULTIPLE");
}

#[tokio::test]
async fn tells_unknown_from_malformed_ids() {
    let merchant = Merchant::open().await;
    let unknown = "PMT_fdbdcb02-1f84-4f6f-8fda-9b34d3e8a6ea";
    let answer = send(&merchant, Method::GET, unknown, Value::Null).await;
    assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40118"));
    assert_eq!(
        answer.told(),
        format!("PAYMENT_METHODS {unknown} not found at this /ucp/payment-methods/{unknown}")
    );
    let answer = send(&merchant, Method::GET, "PMT_x", Value::Null).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "40213"));
    assert_eq!(answer.told(), "payment_method.id: PMT_x contains unexpected data");
    let answer = send(&merchant, Method::PATCH, unknown, json!({ "name": "A B" })).await;
    assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40116"));
}

#[tokio::test]
async fn changes_a_payment_method() {
    let merchant = Merchant::open().await;
    let single = merchant.single(GOOD_CARD).await;
    let edit = async |body: Value| send(&merchant, Method::PATCH, &single, body).await;
    assert_eq!(
        edit(json!({})).await.refusal(),
        (400, "MANDATORY_DATA_MISSING", "50021")
    );
    // As official clients send it, who leave out nothing.
    let empty = edit(json!({ "card": { "expiry_month": "", "expiry_year": "" } })).await;
    assert_eq!(empty.refusal(), (400, "MANDATORY_DATA_MISSING", "50021"));
    assert_eq!(
        empty.told(),
        "Mandatory Fields missing [card expdate] See Developers Guide"
    );
    let answer = edit(json!({ "usage_mode": "SINGLE" })).await;
    assert_eq!(answer.refusal(), (400, "INVALID_REQUEST_DATA", "50020"));
    assert_eq!(answer.told(), "Tokentype can only be MULTI");
    let answer = edit(json!({ "usage_mode": "MULTIPLE" })).await.good();
    assert_eq!(
        (&answer["id"], &answer["status"], &answer["usage_mode"]),
        (&json!(single), &json!("ACTIVE"), &json!("MULTIPLE"))
    );
    for reference in ["1", "2"] {
        merchant
            .post("/transactions", &sale_by_id(reference, &single))
            .await
            .good();
    }
    let answer = edit(json!({ "name": "Ana Núñez", "card": { "expiry_month": "06", "expiry_year": "31" } }))
        .await
        .good();
    assert_eq!(
        (&answer["name"], &answer["card"]["expiry_year"]),
        (&json!("Ana Núñez"), &json!("31"))
    );
    let answer = edit(json!({ "card": { "number": "4000120000001154" } }))
        .await
        .good();
    assert_eq!(answer["card"]["masked_number_last4"], "XXXXXXXXXXXX1154");
    let answer = merchant
        .post("/transactions", &sale_by_id("3", &single))
        .await
        .good();
    assert_eq!(answer["status"], "DECLINED");
    assert_eq!(
        edit(json!({ "card": { "expiry_year": "20" } })).await.refusal(),
        (400, "INVALID_REQUEST_DATA", "40085")
    );
}

#[tokio::test]
async fn deletes_only_where_that_is_permitted() {
    let merchant = Merchant::open().await;
    let id = merchant.stored(GOOD_CARD).await;
    let delete = async || send(&merchant, Method::DELETE, &id, Value::Null).await;
    assert_eq!(delete().await.refusal(), (403, "ACTION_NOT_AUTHORIZED", "40212"));
    merchant.set(&json!({ "delete_permission": true }));
    let answer = delete().await.good();
    assert_eq!(
        (&answer["status"], &answer["action"]["result_code"]),
        (&json!("DELETED"), &json!("SUCCESS"))
    );
    assert_eq!(delete().await.refusal(), (404, "RESOURCE_NOT_FOUND", "40116"));
    let answer = merchant.post("/transactions", &sale_by_id("d", &id)).await;
    assert_eq!(answer.refusal(), (404, "RESOURCE_NOT_FOUND", "40116"));
    let read = send(&merchant, Method::GET, &id, Value::Null).await.good();
    assert_eq!(read["status"], "DELETED");
    // A token for less than everything may still not.
    let narrow = merchant
        .new_token(json!({ "permissions": ["PMT_PATCH_Edit", "PMT_GET_Single"] }))
        .await;
    let other = merchant.stored(GOOD_CARD).await;
    let request = merchant.request(Method::DELETE, &format!("/payment-methods/{other}"), &narrow);
    assert_eq!(request.send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn lists_and_searches() {
    let merchant = Merchant::open().await;
    let mut ids = Vec::new();
    for number in [GOOD_CARD, "5425230000004415", "374101000000608"] {
        for count in 0..3 {
            let reference = format!("Ref-{count}");
            let body = json!({ "reference": reference, "usage_mode": "MULTIPLE", "card": card(number) });
            let answer = merchant.post("/payment-methods", &body).await.good();
            ids.push(answer["id"].as_str().unwrap().to_owned());
        }
    }
    let listed = async |query: &str| merchant.get(&format!("/payment-methods?{query}")).await.good();
    let answer = listed("").await;
    assert_eq!(
        (&answer["total_record_count"], &answer["current_page_size"]),
        (&json!(9), &json!(5))
    );
    assert_eq!(
        answer["paging"],
        json!({ "page_size": 5, "page": 1, "order": "ASC", "order_by": "TIME_CREATED" })
    );
    assert_eq!(answer["action"]["type"], "PAYMENT_METHOD_LIST");
    let first = &answer["payment_methods"][0];
    assert_eq!(first["id"], ids[0]);
    let names: Vec<_> = first.as_object().unwrap().keys().collect();
    assert_eq!(names.len(), 5);
    let of = |answer: &Value| -> Vec<String> {
        let methods = answer["payment_methods"].as_array().unwrap();
        methods
            .iter()
            .map(|method| method["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let last = listed("page=2&page_size=4&order=DESC").await;
    assert_eq!(
        of(&last),
        [ids[4].clone(), ids[3].clone(), ids[2].clone(), ids[1].clone()]
    );
    let by_reference = listed("reference=ref-1&page_size=100").await;
    assert_eq!(
        of(&by_reference),
        [ids[1].clone(), ids[4].clone(), ids[7].clone()]
    );
    assert_eq!(by_reference["filter"], json!({ "reference": "REF-1" }));
    assert_eq!(
        of(&listed("number_last4=4415&reference=Ref-2").await),
        [ids[5].clone()]
    );
    assert_eq!(listed("status=DELETED").await["total_record_count"], 0);
    assert_eq!(
        listed("to_time_created=2020-01-01").await["total_record_count"],
        0
    );
    // Only the last thirty days, unless asked for more.
    merchant.advance(86_000);
    merchant
        .sandbox
        .clock()
        .advance(std::time::Duration::from_secs(30 * 86_400));
    let fresh = merchant.new_token(json!({})).await;
    let total = async |query: &str| {
        let path = format!("/payment-methods?{query}");
        let request = merchant.request(Method::GET, &path, &fresh);
        Answer::of(request.send().await.unwrap()).await.good()["total_record_count"].clone()
    };
    assert_eq!(total("").await, 0);
    assert_eq!(total("from_time_created=2020-01-01").await, 9);
    merchant.sandbox.clock().reset();
    for wrong in [
        "page=0",
        "page_size=x",
        "order=UP",
        "order_by=NAME",
        "from_time_created=today",
    ] {
        let answer = merchant.get(&format!("/payment-methods?{wrong}")).await;
        assert_eq!(
            answer.refusal(),
            (400, "INVALID_REQUEST_DATA", "40213"),
            "{wrong}"
        );
    }

    let search = async |body: Value| merchant.post("/payment-methods/search", &body).await;
    let found = search(json!({ "account_name": "tokenization", "card": { "number": GOOD_CARD } }))
        .await
        .good();
    assert_eq!(of(&found), ids[..3]);
    let found = search(json!({ "reference": "Ref-0", "card": { "number": GOOD_CARD } }))
        .await
        .good();
    assert_eq!(of(&found), ids[..1]);
    assert_eq!(
        search(json!({})).await.refusal(),
        (400, "INVALID_REQUEST_DATA", "40007")
    );
    let no_number = search(json!({ "account_name": "tokenization", "card": {} })).await;
    assert_eq!(no_number.refusal(), (400, "MANDATORY_DATA_MISSING", "40005"));
    assert_eq!(no_number.told(), "Request expects the following fields : number");
    for (query, count) in [
        ("from_time_last_updated=2999-01-01", 0),
        ("to_time_last_updated=2999-01-01", 9),
    ] {
        assert_eq!(listed(query).await["total_record_count"], count, "{query}");
    }
}

#[tokio::test]
async fn a_key_counts_here_as_well() {
    let merchant = Merchant::open().await;
    let body = json!({ "usage_mode": "MULTIPLE", "card": card(GOOD_CARD) });
    let made = merchant
        .post_with_key("/payment-methods", &body, "k-1")
        .await
        .good();
    let again = merchant.post_with_key("/payment-methods", &body, "k-1").await;
    assert_eq!(again.refusal(), (409, "DUPLICATE_ACTION", "40039"));
    assert_eq!(
        again.told(),
        format!("Idempotency Key seen before: id={}", made["id"].as_str().unwrap())
    );
}

#[tokio::test]
async fn charges_a_card_that_was_stored_before_a_restart() {
    const CHALLENGED: &str = "4222000001227408";
    let file = std::env::temp_dir().join(format!("cardseal-gp-api-{}.cards", std::process::id()));
    let options = || SandboxOptions {
        seed: Some([7; 32]),
        cards: Some(file.clone()),
        ..SandboxOptions::default()
    };
    let first = Merchant::open_with(options()).await;
    let good = first.stored(GOOD_CARD).await;
    let declined = first.stored("4000130000001724").await;
    let challenged = first.stored(CHALLENGED).await;
    let single = first.single(GOOD_CARD).await;
    let told = send(&first, Method::GET, &good, Value::Null).await.good();
    drop(first);
    let text = std::fs::read_to_string(&file).unwrap();
    for number in [GOOD_CARD, "4000130000001724", CHALLENGED] {
        assert!(!text.contains(number), "{text}");
    }

    let again = Merchant::open_with(options()).await;
    let told_again = send(&again, Method::GET, &good, Value::Null).await.good();
    for name in ["id", "card", "name", "reference", "status", "time_created"] {
        assert_eq!(told_again[name], told[name], "{name}");
    }
    for (id, result) in [(&good, "00"), (&declined, "102"), (&challenged, "00")] {
        let paid = again
            .post("/transactions", &sale_by_id("stored", id))
            .await
            .good();
        assert_eq!(paid["payment_method"]["result"], result, "{id}");
    }
    let asked = check(&json!({ "id": challenged }));
    let asked = again.post("/authentications", &asked).await.good();
    assert_eq!(asked["three_ds"]["enrolled_status"], "ENROLLED");
    // What is good for one use is not kept.
    assert_eq!(send(&again, Method::GET, &single, Value::Null).await.http, 404);
    drop(again);
    std::fs::remove_file(&file).unwrap();
}
