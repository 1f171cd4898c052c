//! Answers of every kind, one member at a time.

use super::answer::{Problem, original, read};
use super::wire::{AccessToken, payment_method};
use super::*;
use crate::error::Cause;
use crate::transport::Response;
use crate::variants::variants;

#[test]
fn finds_the_original_of_a_repeated_key() {
    for (message, id) in [
        ("Idempotency Key seen before: id=TRN_abc-1_x", Some("TRN_abc-1_x")),
        (
            "Idempotency Key seen before: id=PMT_1, status=ACTIVE",
            Some("PMT_1"),
        ),
        ("Idempotency Key seen before: id=../../x", None),
        ("Idempotency Key seen before", None),
    ] {
        assert_eq!(original(message).as_deref(), id, "{message}");
    }
}

#[test]
fn tells_a_refusal_from_a_doubt() {
    let read = |status, body: &str| {
        read(&Response {
            status,
            headers: Vec::new(),
            body: body.into(),
        })
    };
    let error = |code: &str| {
        format!(
            r#"{{"error_code":"WORD","detailed_error_code":"{code}","detailed_error_description":"card 4263970000005262"}}"#
        )
    };
    let Err(Problem::Rejected(rejection)) = read(400, &error("40005")) else {
        panic!("not a refusal");
    };
    assert_eq!(rejection.code.as_deref(), Some("40005"));
    assert_eq!(rejection.name.as_deref(), Some("WORD"));
    assert!(!rejection.message.contains("4263"));
    assert!(matches!(read(502, &error("50012")), Err(Problem::Rejected(_))));
    // In nobody's words, as a proxy says it: whatever was not authenticated was not done.
    for body in ["", "<html>", "{}"] {
        let Err(Problem::Rejected(rejection)) = read(401, body) else {
            panic!("401 {body}");
        };
        assert_eq!(rejection.cause(), Cause::Setup, "{body}");
    }
    for (status, body) in [
        (502, error("50013")),
        (500, error("50134")),
        (502, "<html>".into()),
        (504, String::new()),
        (408, error("40001")),
        (200, "[]".into()),
        (200, "no".into()),
        (400, "<html>".into()),
        (400, "{}".into()),
        (302, "{}".into()),
    ] {
        assert!(
            matches!(read(status, &body), Err(Problem::Doubtful(_))),
            "{status} {body}"
        );
    }
    assert!(matches!(
        read(409, &error("40039")),
        Err(Problem::Duplicate(None))
    ));
    assert!(read(200, r#"{"id":"TRN_1"}"#).is_ok());
}

fn gateway() -> GpApi {
    let mistakes = crate::settings::Mistakes::default();
    let tree = json!({ "app_id": "a", "app_key": "k" });
    GpApi::from_settings(&crate::Settings::root(tree.as_object().unwrap(), &mistakes)).unwrap()
}

fn answered(status: u16, body: &Value) -> Result<Value, Problem> {
    read(&Response {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    })
}

#[test]
fn one_odd_member_never_costs_the_rest_nor_makes_an_approval() {
    let gateway = gateway();
    let amount = Amount::parse("19.99", "USD").unwrap();
    let outcome = |body: &Value| match answered(200, body) {
        Ok(transaction) => gateway.outcome(&transaction, Some((&amount, "r-1"))),
        Err(Problem::Doubtful(doubt)) => Outcome::Unknown(doubt),
        Err(Problem::Rejected(_) | Problem::Duplicate(_)) => panic!("{body}"),
    };
    let captured = json!({ "id": "TRN_1", "time_created": "2026-11-21T10:00:00.000Z", "type": "SALE", "status": "CAPTURED",
        "channel": "CNP", "capture_mode": "AUTO", "amount": "1999", "currency": "USD", "country": "US",
        "merchant_id": "MER_1", "account_id": "TRA_1", "reference": "r-1", "batch_id": "BAT_1",
        "payment_method": { "result": "00", "message": "(00)[ test system ] Authorised", "entry_mode": "ECOM",
            "card": { "brand": "VISA", "authcode": "123456", "masked_number_last4": "XXXXXXXXXXXX5262",
                "brand_reference": "b", "cvv_result": "MATCHED" } },
        "action": { "id": "ACT_1", "type": "AUTHORIZE", "result_code": "SUCCESS", "app_id": "a" } });
    assert!(matches!(outcome(&captured), Outcome::Approved(_)));
    for variant in variants(&captured) {
        let outcome = outcome(&variant.body);
        let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
        assert!(
            matches!(outcome, Outcome::Approved(_) | Outcome::Unknown(_)),
            "{said}"
        );
        let decides = [
            "/id",
            "/status",
            "/amount",
            "/currency",
            "/reference",
            "/action/result_code",
        ]
        .iter()
        .any(|member| variant.touches(member));
        if !decides {
            assert!(
                matches!(&outcome, Outcome::Approved(approval) if approval.platform_id.as_deref() == Some("TRN_1")),
                "{said}"
            );
        } else if !variant.is_absent() {
            assert!(!matches!(outcome, Outcome::Approved(_)), "{said}");
        }
    }
    let mut declined = captured;
    declined["status"] = "DECLINED".into();
    declined["payment_method"]["result"] = "51".into();
    declined["action"]["result_code"] = "DECLINED".into();
    for variant in variants(&declined) {
        let outcome = outcome(&variant.body);
        let said = format!("{} {:?}: {outcome:?}", variant.path, variant.odd);
        match outcome {
            Outcome::Declined(decline) => assert!(
                variant.touches("/payment_method/result") || decline.reason == "insufficient_funds",
                "{said}: {decline:?}"
            ),
            Outcome::Unknown(_) => assert!(
                ["/id", "/status", "/amount", "/currency", "/reference"]
                    .iter()
                    .any(|member| variant.touches(member)),
                "{said}"
            ),
            Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Pending(_) => {
                panic!("{said}")
            }
        }
    }
    // A code as a number is the same code.
    declined["payment_method"]["result"] = 51.into();
    assert!(
        matches!(outcome(&declined), Outcome::Declined(decline) if decline.reason == "insufficient_funds")
    );
}

#[test]
fn one_odd_member_never_costs_a_refusal_its_code() {
    let refused = json!({ "error_code": "INVALID_REQUEST_DATA", "detailed_error_code": "40213",
        "detailed_error_description": "amount contains unexpected data" });
    for variant in variants(&refused) {
        let said = format!("{} {:?}", variant.path, variant.odd);
        let Err(Problem::Rejected(rejection)) = answered(400, &variant.body) else {
            panic!("{said}");
        };
        let expected = match variant.touches("/detailed_error_code") {
            true => None,
            false => Some("40213"),
        };
        assert!(
            expected.is_none() || rejection.code.as_deref() == expected,
            "{said}: {rejection:?}"
        );
        assert!(
            variant.touches("/error_code") || rejection.name.as_deref() == Some("INVALID_REQUEST_DATA"),
            "{said}: {rejection:?}"
        );
    }
    let number = json!({ "error_code": "X", "detailed_error_code": 40_039,
        "detailed_error_description": "Idempotency Key seen before: id=TRN_1, status=CAPTURED" });
    assert!(matches!(answered(409, &number), Err(Problem::Duplicate(Some(id))) if id == "TRN_1"));
}

#[test]
fn one_odd_member_never_costs_a_stored_card_or_a_token() {
    let method = json!({ "id": "PMT_1", "status": "ACTIVE", "usage_mode": "MULTIPLE", "merchant_id": "MER_1",
        "reference": "r-1", "name": "Ada", "time_created": "t", "account_name": "n",
        "card": { "number_last4": "xxxxxxxxxxxx1111", "brand": "VISA", "expiry_month": "12", "expiry_year": "30" },
        "action": { "id": "ACT_1", "type": "DETAIL", "result_code": "SUCCESS" } });
    for variant in variants(&method) {
        let card = read_payment_method(&payment_method(&variant.body));
        let said = format!("{} {:?}: {card:?}", variant.path, variant.odd);
        let decides = ["/id", "/status", "/action/result_code"]
            .iter()
            .any(|member| variant.touches(member));
        if !decides {
            assert!(card.is_ok_and(|card| card.id == "PMT_1"), "{said}");
        } else if !variant.is_absent() {
            assert!(card.is_err(), "{said}");
        }
    }
    let token = json!({ "token": "t", "type": "Bearer", "app_id": "a", "app_name": "n", "time_created": "t",
        "seconds_to_expire": 600, "scope": { "merchant_id": "MER_1", "merchant_name": "m",
            "accounts": [{ "id": "TRA_1", "name": "transaction_processing", "permissions": ["PMT_POST_Create_Single"] }] } });
    for variant in variants(&token) {
        let said = format!("{} {:?}", variant.path, variant.odd);
        let Some(read) = AccessToken::read(&variant.body) else {
            let needed = ["/token", "/scope", "/seconds_to_expire"].contains(&variant.path.as_str());
            assert!(needed, "{said}");
            continue;
        };
        // What cannot be read may allow anything.
        let permissions = read.accounts.iter().flat_map(|account| &account.permissions);
        let plain = permissions
            .clone()
            .all(|permission| permission == "PMT_POST_Create_Single");
        let odd = variant.touches("/scope/accounts/0/permissions/0") && !variant.is_absent();
        let empty = matches!(&variant.odd, Some(Value::Array(items)) if items.is_empty());
        let same = variant.path == "/scope/accounts/0/permissions/0"
            && matches!(&variant.odd, Some(Value::String(text)) if text == "PMT_POST_Create_Single");
        assert!(!odd || empty || same || !plain, "{said}");
    }
}
