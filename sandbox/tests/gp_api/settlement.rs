//! Settled transactions, deposits, disputes.

use serde_json::{Value, json};

use super::merchant::{GOOD_CARD, Merchant, sale_by_card, with};

fn of<'a>(answer: &'a Value, name: &str) -> &'a Vec<Value> {
    answer[name].as_array().unwrap()
}

#[tokio::test]
async fn what_was_captured_is_settled_and_paid_out() {
    let merchant = Merchant::open().await;
    merchant.set(&json!({ "settled_after_seconds": 3600 }));
    let first = merchant.charged("set-1", "AUTO").await;
    let second = merchant.charged("set-2", "LATER").await;
    let capture = json!({ "amount": "500" });
    merchant
        .post(&format!("/transactions/{second}/capture"), &capture)
        .await
        .good();
    merchant
        .post(
            &format!("/transactions/{first}/refund"),
            &json!({ "amount": "300" }),
        )
        .await
        .good();
    for not_captured in [
        with(sale_by_card("open", GOOD_CARD), "capture_mode", json!("LATER")),
        sale_by_card("declined", "4000120000001154"),
    ] {
        merchant.post("/transactions", &not_captured).await.good();
    }
    let get = async |path: &str| merchant.get(path).await.good();
    assert_eq!(get("/settlement/transactions").await["total_record_count"], 0);
    assert_eq!(get("/settlement/deposits").await["total_record_count"], 0);
    merchant.advance(3600);

    let settled = get("/settlement/transactions?page=1&page_size=10&order_by=TYPE&order=DESC").await;
    let rows: Vec<_> = of(&settled, "transactions")
        .iter()
        .map(|row| (row["type"].as_str().unwrap(), row["amount"].as_str().unwrap()))
        .collect();
    assert_eq!(rows, [("SALE", "500"), ("SALE", "1999"), ("REFUND", "300")]);
    let row = &of(&settled, "transactions")[1];
    assert_eq!(
        (&row["id"], &row["status"], &row["deposit_status"]),
        (&json!(first), &json!("FUNDED"), &json!("FUNDED"))
    );
    let card = &row["payment_method"]["card"];
    assert_eq!(card["masked_number_first6last4"], "426397XXXXXX5262");
    let arn = card["arn"].as_str().unwrap();
    assert!(arn.len() == 23 && arn.bytes().all(|byte| byte.is_ascii_digit()));
    let total = async |query: &str| {
        get(&format!("/settlement/transactions?{query}")).await["total_record_count"].clone()
    };
    let deposit = row["deposit_id"].as_str().unwrap();
    for (query, count) in [
        (format!("arn={arn}"), 1),
        ("arn=00000010037624410827527".into(), 0),
        (format!("deposit_id={deposit}"), 3),
        ("reference=set-2".into(), 1),
        ("status=FUNDED&brand=VISA".into(), 3),
        ("status=REJECTED".into(), 0),
        ("number_first6=426397&number_last4=5262".into(), 3),
        (
            "system.mid=101023947262&system.hierarchy=055-70-024-011-019".into(),
            3,
        ),
        ("system.mid=1".into(), 0),
        ("from_deposit_time_created=2999-01-01".into(), 0),
        ("to_batch_time_created=2999-01-01".into(), 3),
        ("account_name=settlement_reporting".into(), 3),
    ] {
        assert_eq!(total(&query).await, count, "{query}");
    }

    let deposits = get("/settlement/deposits").await;
    let sums = &of(&deposits, "deposits")[0];
    assert_eq!(
        (&sums["id"], &sums["amount"], &sums["sales"], &sums["refunds"]),
        (
            &json!(deposit),
            &json!("2199"),
            &json!({ "count": 2, "amount": "2499" }),
            &json!({ "count": 1, "amount": "-300" })
        )
    );
    let single = get(&format!("/settlement/deposits/{deposit}")).await;
    assert_eq!(single["action"]["type"], "DEPOSIT_SINGLE");
    assert_eq!(single["amount"], "2199");
    for (query, count) in [
        ("amount=2199", 1),
        ("amount=140", 0),
        ("masked_account_number_last4=9999", 1),
        ("status=FUNDED", 1),
    ] {
        let found = get(&format!("/settlement/deposits?{query}")).await;
        assert_eq!(found["total_record_count"], count, "{query}");
    }
    let wrong = merchant.get("/settlement/deposits?system.hierarchy=a-b").await;
    assert_eq!(wrong.refusal(), (400, "INVALID_REQUEST_DATA", "40105"));
    let unknown = merchant.get("/settlement/deposits/DEP_0000000001").await;
    assert_eq!(unknown.refusal(), (404, "RESOURCE_NOT_FOUND", "40118"));
    assert_eq!(
        unknown.told(),
        "Deposits DEP_0000000001 not found at this /ucp/settlement/deposits/DEP_0000000001"
    );
    let elsewhere = merchant
        .get("/settlement/transactions?account_name=tokenization")
        .await;
    assert_eq!(elsewhere.refusal(), (403, "ACTION_NOT_AUTHORIZED", "40003"));
}

#[tokio::test]
async fn shows_the_disputes_of_the_platforms_sandbox() {
    let merchant = Merchant::open().await;
    let get = async |path: &str| merchant.get(path).await.good();
    let dispute = get("/disputes/DIS_SAND_abcd1234").await;
    assert_eq!(
        (&dispute["id"], &dispute["stage"], &dispute["status"]),
        (
            &json!("DIS_SAND_abcd1234"),
            &json!("RETRIEVAL"),
            &json!("WITH_MERCHANT")
        )
    );
    for (query, count) in [
        ("", 4),
        ("arn=834523482349123", 1),
        ("brand=VISA", 3),
        ("status=UNDER_REVIEW", 1),
        ("stage=CHARGEBACK&order_by=id&order=DESC", 2),
        ("from_stage_time_created=2999-01-01", 0),
        ("system.mid=627384967&system.hierarchy=111-23-099-001-001", 4),
    ] {
        let found = get(&format!("/disputes?page=1&page_size=10&{query}")).await;
        assert_eq!(found["total_record_count"], count, "{query}");
        assert_eq!(of(&found, "disputes").len(), count, "{query}");
    }
    let document = get("/disputes/DIS_SAND_abcd1235/documents/DOC_MyEvidence_234234AVCDE-1").await;
    assert_eq!(document["id"], "DOC_MyEvidence_234234AVCDE-1");
    assert!(!document["b64_content"].as_str().unwrap().is_empty());
    for (path, code, detailed) in [
        ("/disputes/DIS_SAND_aaaa1111", "INVALID_REQUEST_DATA", "40073"),
        ("/disputes?arn=874091790340471", "INVALID_REQUEST_DATA", "40048"),
        (
            "/disputes/DIS_x/documents/DOC_MyEvidence_234234AVCDE-1",
            "INVALID_REQUEST_DATA",
            "40073",
        ),
        (
            "/disputes/DIS_SAND_abcd1235/documents/DOC_x",
            "MANDATORY_DATA_MISSING",
            "40071",
        ),
    ] {
        let refused = merchant.get(path).await;
        assert_eq!(refused.refusal(), (400, code, detailed), "{path}");
    }

    let file = json!({ "type": "SALES_RECEIPT", "b64_content": "R0lGODlhigPCAXAAACwAAAAAigPCAYf" });
    for (path, body, refusal) in [
        ("DIS_SAND_abcd1234/acceptance", json!({}), None),
        (
            "DIS_SAND_abcd1234ZZ/acceptance",
            json!({}),
            Some(("INVALID_DISPUTE_ACTION", "40067")),
        ),
        (
            "DIS_SAND_abcd1234/challenge",
            json!({ "documents": [file] }),
            None,
        ),
        (
            "DIS_SAND_abcd1241/challenge",
            json!({ "documents": [file, file] }),
            None,
        ),
        (
            "DIS_SAND_abcd1234/challenge",
            json!({ "documents": [file, file] }),
            Some(("INVALID_REQUEST_DATA", "40072")),
        ),
        (
            "DIS_SAND_abcd1234/challenge",
            json!({ "documents": [{}] }),
            Some(("MANDATORY_DATA_MISSING", "40065")),
        ),
        (
            "DIS_SAND_aaaa0000/challenge",
            json!({ "documents": [file] }),
            Some(("INVALID_DISPUTE_ACTION", "40060")),
        ),
    ] {
        let answer = merchant.post(&format!("/disputes/{path}"), &body).await;
        match refusal {
            None => assert_eq!(answer.good()["action"]["result_code"], "SUCCESS", "{path}"),
            Some((code, detailed)) => assert_eq!(answer.refusal(), (400, code, detailed), "{path}"),
        }
    }

    let settled = get("/settlement/disputes?status=FUNDED&deposit_id=DEP_2342423443").await;
    assert_eq!(of(&settled, "disputes")[0]["id"], "DIS_810");
    assert_eq!(get("/settlement/disputes?arn=1").await["total_record_count"], 0);
    assert_eq!(get("/settlement/disputes/DIS_810").await["id"], "DIS_810");
    let unknown = merchant.get("/settlement/disputes/DIS_010").await;
    assert_eq!(unknown.refusal(), (404, "RESOURCE_NOT_FOUND", "40118"));
    assert_eq!(
        unknown.told(),
        "Disputes DIS_010 not found at this /ucp/settlement/disputes/DIS_010"
    );
}
