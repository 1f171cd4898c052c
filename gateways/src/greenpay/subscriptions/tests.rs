//! The documented bodies and answers of subscriptions, and what becomes of odd ones.

use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::json;

use super::super::payments::tests::gateway;
use super::*;
use crate::subscription::FirstPayment;
use crate::variants::variants;

const ID: &str = "5f0c1d2e3a4b5c6d7e8f90a1b2c3d4e5";

fn response(status: u16, body: &Value) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.to_string().into_bytes(),
    }
}

fn usd(text: &str) -> Amount {
    Amount::parse(text, "USD").unwrap()
}

/// A call about the subscription of the vectors, of 12.30 USD.
fn about<T>(work: impl FnOnce(&SubscriptionRef<'_>) -> T) -> T {
    work(&SubscriptionRef {
        platform_id: ID,
        reference: "sub_1",
        amount: &usd("12.30"),
    })
}

fn signature() -> Value {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/greenpay.json")).unwrap();
    let all = vectors["signatures"].as_array().unwrap().clone();
    let vector = all
        .into_iter()
        .find(|vector| vector["id"] == "subscription-200")
        .unwrap();
    vector["signature_hex"].clone()
}

/// The documented answer to a new subscription.
fn created() -> Value {
    json!({ "status": 200, "subscriptionId": ID, "result": {}, "errors": [], "_signature": signature(),
        "nextPaymentDate": "2026-12-30" })
}

/// The documented answer to a manual payment.
fn manual() -> Value {
    json!({ "status": "SUCCESS", "code": 200, "errors": [], "result": { "status": "approved", "orderStatus": "ACTIVE",
        "merchantId": "m", "order": { "order_reference": format!("{ID}_2"), "subscriptionId": ID, "user": "sub_1",
            "amount": 12.3, "currency": "USD", "date": 1_764_500_000_000_i64, "authorization": "533793", "details": {},
            "errors": [], "reason": null } } })
}

fn retry(text: &str) -> Value {
    json!({ "attemp_date": 1, "attemp_result": { "status": 500, "orderId": format!("{ID}_1"), "authorization": null,
        "amount": 12.3, "currency": "USD", "errors": [text] } })
}

/// A row of the documented list of payments.
fn row(result: &Value, retries: &Value) -> Value {
    json!({ "id": "7", "reference_number": format!("{ID}_1"), "payment_date": "2026-12-30", "payment_result": result,
        "payment_retries": retries })
}

fn made() -> Value {
    json!({ "status": 200, "orderId": format!("{ID}_1"), "authorization": "533793", "amount": 12.3, "currency": "USD",
        "errors": [] })
}

#[test]
fn bodies_are_the_documented_ones() {
    let gateway = gateway();
    let body = Create {
        credentials: gateway.credentials(),
        terminal: "t",
        user_id: "sub_1",
        description: "Coffee",
        currency: "USD",
        tokens: ["a-token"],
        subscription: [Plan {
            amount: number(&usd("12.30")).unwrap(),
            cadence: Cadence {
                mode: "EVERY",
                unit: "MONTH",
                every: 3,
            },
            start_date: Some(1),
            end_date: None,
        }],
        initial_payment: Some(InitialPayment {
            amount: number(&usd("5")).unwrap(),
            description: "Joining",
        }),
    };
    assert_eq!(
        serde_json::to_string(&body).unwrap(),
        r#"{"secret":"s","merchantId":"m","terminal":"t","userId":"sub_1","description":"Coffee","currency":"USD","tokens":["a-token"],"subscription":[{"amount":12.30,"cadence":{"mode":"EVERY","unit":"MONTH","every":3},"startDate":1}],"initialPayment":{"amount":5.00,"description":"Joining"}}"#
    );
    let body = Modify {
        credentials: gateway.credentials(),
        subscription_id: ID,
        user: "sub_1",
        amount: None,
        token: None,
        reason: Some("moved away"),
    };
    assert_eq!(
        serde_json::to_value(&body).unwrap(),
        json!({ "secret": "s", "merchantId": "m", "subscriptionId": ID, "user": "sub_1", "reason": "moved away" })
    );
    let body = List {
        credentials: gateway.credentials(),
        page: 1,
        page_size: PAGE_SIZE,
        filters: Some(Filters { user: "sub_1" }),
        subscription_id: None,
    };
    assert_eq!(
        serde_json::to_value(&body).unwrap(),
        json!({ "secret": "s", "merchantId": "m", "page": 1, "pageSize": 100, "filters": { "user": "sub_1" } })
    );
}

#[test]
fn a_new_subscription_needs_an_id_and_no_contradiction() {
    let gateway = gateway();
    let read = |status, body: &Value| gateway.created(&response(status, body));
    let Ok(Subscribing::Done(done)) = read(200, &created()) else {
        panic!("not read")
    };
    assert_eq!(done.platform_id, ID);
    assert_eq!(done.next_payment.as_deref(), Some("2026-12-30"));
    assert!(!done.unverified, "the vector's signature");
    for variant in variants(&created()) {
        let read = read(200, &variant.body);
        let said = format!("{} {:?}: {read:?}", variant.path, variant.odd);
        match read.unwrap_or_else(|_| panic!("{said}")) {
            Subscribing::Done(done) => {
                let is_other = variant.touches("/subscriptionId");
                assert!(done.platform_id == ID || (is_other && done.unverified), "{said}");
                assert_eq!(
                    done.unverified,
                    variant.touches("/_signature") || is_other,
                    "{said}"
                );
            }
            Subscribing::Unknown(_) => assert!(
                ["/status", "/subscriptionId", "/errors"]
                    .iter()
                    .any(|member| variant.touches(member)),
                "{said}"
            ),
        }
    }
    // What the platform is known to refuse is a refusal; a failure beside an id, or without a known text, is not.
    let refusal = json!({ "status": 500, "errors": ["Error: Invalid card token"] });
    assert!(matches!(read(500, &refusal), Err(Refusal::Rejected(_))));
    for (status, body) in [
        (
            500,
            json!({ "status": 500, "errors": ["Error: Invalid card token"], "subscriptionId": ID }),
        ),
        (
            500,
            json!({ "status": 500, "errors": ["Error: connect ETIMEDOUT"] }),
        ),
        (
            500,
            json!({ "status": 500, "errors": ["Error: Invalid card token"], "subscriptionId": [ID] }),
        ),
        (200, json!({ "status": 200, "errors": [] })),
        (502, json!({})),
        (504, created()),
    ] {
        assert!(
            matches!(read(status, &body), Ok(Subscribing::Unknown(_))),
            "{body}"
        );
    }
}

#[test]
fn a_payment_counts_as_made_only_if_it_is_ours_and_whole() {
    let read = |body: &Value| about(|of| paid(&response(200, body), of));
    let paid = read(&manual()).unwrap();
    assert_eq!(paid.reference, Some(format!("{ID}_2")));
    let Outcome::Approved(approval) = paid.outcome else {
        panic!("not approved")
    };
    assert_eq!(approval.authorization.as_deref(), Some("533793"));
    assert_eq!(approval.platform_id, Some(format!("{ID}_2")));
    let decide = [
        "/status",
        "/code",
        "/errors",
        "/result/status",
        "/result/order/order_reference",
        "/result/order/subscriptionId",
        "/result/order/amount",
        "/result/order/currency",
        "/result/order/authorization",
        "/result/order/errors",
    ];
    for variant in variants(&manual()) {
        let said = format!("{} {:?}", variant.path, variant.odd);
        let decides = decide.iter().any(|member| variant.touches(member));
        match read(&variant.body) {
            Ok(SubscriptionPaid {
                outcome: Outcome::Approved(_),
                ..
            }) => {
                let harmless = !decides
                    || variant.is_absent() && variant.touches("/errors")
                    || variant.touches("/result/order/errors")
                    // The same value as another type.
                    || variant.odd.as_ref().is_some_and(|odd| odd == "12.3" || odd == "200" || *odd == json!(533_793))
                    || variant.touches("/result/order/authorization")
                    || variant.touches("/result/order/order_reference")
                    || variant.touches("/errors");
                assert!(harmless, "{said}");
            }
            Ok(SubscriptionPaid {
                outcome: Outcome::Unknown(_),
                reference: None,
            }) => assert!(decides, "{said}"),
            other => panic!("{said}: {other:?}"),
        }
    }
}

#[test]
fn a_declined_payment_says_why_and_any_other_failure_is_in_doubt() {
    let mut declined = manual();
    declined["status"] = json!("FAIL");
    declined["code"] = json!(500);
    declined["errors"] = json!(["Insufficient funds"]);
    declined["result"]["status"] = json!("declined");
    declined["result"]["order"]["authorization"] = json!(null);
    let read = |status, body: &Value| about(|of| paid(&response(status, body), of));
    let answer = read(500, &declined).unwrap();
    assert_eq!(answer.reference, Some(format!("{ID}_2")));
    let Outcome::Declined(decline) = answer.outcome else {
        panic!("not declined")
    };
    assert_eq!(decline.message.as_deref(), Some("Insufficient funds"));
    declined["result"]["order"]["authorization"] = json!("533793");
    assert!(matches!(
        read(500, &declined).unwrap().outcome,
        Outcome::Unknown(Doubt::Contradictory)
    ));
    let fail = |code: u16, text: &str| json!({ "status": "FAIL", "code": code, "errors": [text] });
    assert!(matches!(
        read(404, &fail(404, "Error: Subscription not found")),
        Err(Refusal::Rejected(_))
    ));
    assert!(matches!(
        read(500, &fail(500, "Error: Merchant doesn't exist")),
        Err(Refusal::Rejected(_))
    ));
    for (status, body) in [
        (500, fail(500, "Error: something")),
        (500, json!({})),
        (504, manual()),
    ] {
        let answer = read(status, &body).unwrap();
        assert!(matches!(answer.outcome, Outcome::Unknown(_)), "{body}");
    }
}

#[test]
fn changes_are_done_only_if_the_answer_says_so() {
    let answer = |status: &str| {
        json!({ "code": 200, "status": "SUCCESS", "errors": [], "result": { "id": ID, "merchant_id": "m", "status": status,
            "purchase_order": { "secret": "s" } } })
    };
    let token = SecretString::from("t");
    let twenty = usd("20");
    let changes = || {
        [
            SubscriptionChange::Amount(&twenty),
            SubscriptionChange::Token(&token),
            SubscriptionChange::Cancel { reason: "r" },
        ]
    };
    for (body, expected) in [
        (answer("ACTIVE"), [true, true, false]),
        (answer("ON_HOLD"), [true, true, false]),
        (answer("CANCELLED"), [false, false, true]),
        (answer("CANCELED"), [false, false, true]),
    ] {
        let done = changes().map(|change| {
            let read = about(|of| modified(&response(200, &body), of, &change)).unwrap();
            read == Change::Done
        });
        assert_eq!(done, expected, "{body}");
    }
    let mut other = answer("CANCELLED");
    other["result"]["id"] = json!("another");
    let failed = json!({ "code": 500, "status": "FAIL", "result": {}, "errors": ["Error: something"] });
    let unknown = json!({ "code": 404, "status": "FAIL", "errors": ["Error: Subscription not found"] });
    for change in changes() {
        for body in [&other, &failed] {
            let read = about(|of| modified(&response(200, body), of, &change)).unwrap();
            assert!(matches!(read, Change::Unknown(_)), "{body}");
        }
        let read = about(|of| modified(&response(404, &unknown), of, &change));
        assert!(matches!(read, Err(Refusal::Rejected(_))));
    }
}

#[test]
fn a_listed_payment_was_made_declined_or_neither() {
    let read = |entry: &Value| about(|of| read_payment(entry, of)).unwrap();
    let once = read(&row(&made(), &json!([])));
    assert_eq!(once.reference, format!("{ID}_1"));
    assert_eq!((once.amount, once.declines), (Some(usd("12.30")), 0));
    assert!(matches!(once.outcome, Outcome::Approved(_)));
    let later = read(&row(&made(), &json!([retry("Error: Invalid card token")])));
    assert!(matches!(later.outcome, Outcome::Approved(_)));
    assert_eq!(later.declines, 1);
    let twice = read(&row(
        &json!(null),
        &json!([retry("a"), retry("Error: Invalid card token")]),
    ));
    assert_eq!((twice.amount, twice.declines), (Some(usd("12.30")), 2));
    let Outcome::Declined(decline) = twice.outcome else {
        panic!("not declined")
    };
    assert_eq!(decline.reason, "invalid_card_token");
    assert!(matches!(
        read(&row(&json!(null), &json!([]))).outcome,
        Outcome::Unknown(Doubt::Pending)
    ));
    for variant in variants(&row(&made(), &json!([]))) {
        let Some(read) = about(|of| read_payment(&variant.body, of)) else {
            assert!(variant.touches("/reference_number"), "{}", variant.path);
            continue;
        };
        let said = format!("{} {:?}: {read:?}", variant.path, variant.odd);
        match read.outcome {
            Outcome::Approved(_) => {}
            Outcome::Unknown(_) => assert!(
                variant.touches("/payment_result") || variant.touches("/reference_number"),
                "{said}"
            ),
            Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Declined(_) | Outcome::Pending(_) => {
                panic!("{said}")
            }
        }
    }
    for variant in variants(&row(&json!(null), &json!([retry("no")]))) {
        if let Some(read) = about(|of| read_payment(&variant.body, of)) {
            let wrong = matches!(read.outcome, Outcome::Approved(_));
            assert!(!wrong, "{} {:?}: {read:?}", variant.path, variant.odd);
        }
    }
}

#[test]
fn a_list_that_ignores_its_filter_is_read_on() {
    let page = |number: u32, pages: Value, entries: usize| {
        let entries: Vec<Value> = (0..entries).map(|_| json!({})).collect();
        let body = json!({ "result": { "entries": entries, "page": number, "totalPages": pages } });
        super::entries(&body, number).map(|found| found.more)
    };
    assert_eq!(page(1, json!(1), 3), Some(false));
    assert_eq!(page(1, json!("2"), 100), Some(true));
    assert_eq!(page(2, json!(2), 100), Some(false));
    assert_eq!(page(1, json!(null), 100), Some(true));
    assert_eq!(page(1, json!(null), 99), Some(false));
    assert_eq!(page(9, json!(99), 0), Some(false), "an empty page ends it");
    assert!(entries(&json!({ "result": {} }), 1).is_none());
}

#[test]
fn first_payments_are_in_the_currency_of_the_rest() {
    let gateway = gateway();
    let new = NewSubscription {
        reference: "sub_1",
        token: &SecretString::from("t"),
        amount: &usd("1"),
        description: "x",
        months: 1,
        starts_at: None,
        ends_at: None,
        first: Some(FirstPayment {
            amount: &Amount::parse("1", "CRC").unwrap(),
            description: "x",
        }),
    };
    let transport = Transport::new(crate::transport::Timeouts::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let refused = runtime.block_on(gateway.create_subscription(&transport, &new));
    assert_eq!(refused, Err(Refusal::Invalid("amount")));
}

proptest! {
    /// What we write as a number comes back the same, whether the platform keeps it as a number or as a text.
    #[test]
    fn amounts_survive_the_way_there_and_back(
        minor in 1_u64..=99_999_999_999,
        currency in prop::sample::select(vec!["USD", "CRC", "GTQ"]),
    ) {
        let currency = Currency::from_code(currency).unwrap();
        let given = Amount::from_minor(minor, currency).unwrap();
        let written: Value = serde_json::from_str(number(&given).unwrap().get()).unwrap();
        for listed in [written.clone(), written.to_string().into(), given.to_decimal_text().into()] {
            let body = json!({ "amount": listed });
            prop_assert_eq!(amount(&body, "/amount", currency.code()), Some(given));
        }
    }

    /// Whatever stands there as the amount: another one is never taken for ours.
    #[test]
    fn another_amount_is_never_an_approval(text in "[0-9]{0,4}(\\.[0-9]{0,4})?|[ -~]{0,8}") {
        let mut body = manual();
        body["result"]["order"]["amount"] = json!(text);
        let paid = about(|of| paid(&response(200, &body), of)).unwrap();
        let same = ["12.3", "12.30"].contains(&text.as_str());
        prop_assert_eq!(matches!(paid.outcome, Outcome::Approved(_)), same, "{}", text);
    }

    /// No text of the platform costs more than the answer that it stands in.
    #[test]
    fn odd_texts_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), status in 100_u16..600) {
        let answer = Response { status, headers: Vec::new(), body: bytes };
        let read = about(|of| paid(&answer, of));
        let approved = read.is_ok_and(|paid| matches!(paid.outcome, Outcome::Approved(_)));
        let made = gateway().created(&answer);
        prop_assert!(!approved && !matches!(made, Ok(Subscribing::Done(_))));
    }
}
