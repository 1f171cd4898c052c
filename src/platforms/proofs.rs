//! The browser's readers of answers held to the `Deserialize` implementations that the server uses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Theirs, json};

use super::gp_api::wire::{ErrorBody, PaymentMethod};
use super::greenpay::wire::{PaymentAnswer, PaymentResult, TokenAnswer};
use crate::json::Value;
use crate::prelude::*;

/// Any JSON that JavaScript writes, in which the names of the answers' members are common.
///
/// Integers are those that JavaScript's numbers hold exactly, and others have a fraction: `JSON.stringify` writes no
/// `1.0`. Beyond that the two readers may differ, and nothing that a platform prints there is meant to be a number.
fn any_value(names: &'static [&'static str]) -> BoxedStrategy<Theirs> {
    const WORDS: [&str; 16] = [
        "",
        "00",
        "51",
        "201",
        "DELETED",
        "SUCCESS",
        "xwr-1023",
        "Visa",
        "nd",
        "3012",
        "4242",
        "Invalid token",
        "ACTIVE",
        "PMT_1",
        "-7",
        "é\u{1f600}",
    ];
    let exact = -9_007_199_254_740_991..=9_007_199_254_740_991_i64;
    let leaf = prop_oneof![
        2 => Just(Theirs::Null),
        1 => any::<bool>().prop_map(Theirs::from),
        2 => proptest::sample::select(&[200, 201, 500, 0, -1, 1][..]).prop_map(Theirs::from),
        1 => exact.prop_map(Theirs::from),
        1 => (-1000_i16..1000).prop_map(|number| json!(f64::from(number) + 0.5)),
        6 => proptest::sample::select(&WORDS[..]).prop_map(Theirs::from),
        1 => any::<String>().prop_map(Theirs::from),
    ];
    let name =
        prop_oneof![9 => proptest::sample::select(names).prop_map(str::to_owned), 1 => any::<String>()];
    leaf.prop_recursive(4, 48, 8, move |inner| {
        let name = name.clone();
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..4).prop_map(Theirs::from),
            3 => proptest::collection::vec((name, inner), 0..12)
                .prop_map(|members| Theirs::Object(members.into_iter().collect())),
        ]
    })
    .boxed()
}

/// What the derived reader makes of a value. It also takes a list of a shape's members in order, which no platform
/// sends and ours refuses.
fn derived<T: DeserializeOwned>(value: &Theirs, shapes: &[&str]) -> Option<T> {
    let listed = value.is_array()
        || shapes
            .iter()
            .any(|shape| value.get(shape).is_some_and(Theirs::is_array));
    if listed {
        None
    } else {
        serde_json::from_value(value.clone()).ok()
    }
}

fn ours(value: &Theirs) -> Value {
    Value::parse(&value.to_string()).unwrap()
}

/// The members that both read; of others ours says nothing, so that a wrong type there is no reason to refuse.
fn only(value: &Theirs, names: &[&str]) -> Theirs {
    let Theirs::Object(members) = value else {
        return value.clone();
    };
    let kept = members.iter().filter(|(name, _)| names.contains(&&***name));
    Theirs::Object(
        kept.map(|(name, value)| (name.clone(), value.clone()))
            .collect::<Map<_, _>>(),
    )
}

const TOKEN: &[&str] = &[
    "status",
    "requestId",
    "result",
    "token",
    "last_digits",
    "bin",
    "khash",
    "expiration_date",
    "brand",
    "nickname",
    "cardHolder",
    "callback",
    "errors",
    "_signature",
];
const PAYMENT: &[&str] = &[
    "status",
    "orderId",
    "authorization",
    "last4",
    "brand",
    "result",
    "success",
    "resp_code",
    "reserved_private4",
    "retrieval_ref_num",
    "merchant_id",
    "errors",
    "callback",
    "_signature",
];
const METHOD: &[&str] = &["id", "status", "name", "card", "action"];
const METHOD_CARD: &[&str] = &[
    "masked_number_last4",
    "number_last4",
    "brand",
    "expiry_month",
    "expiry_year",
];
const METHOD_ALL: &[&str] = &[
    "id",
    "status",
    "name",
    "card",
    "action",
    "masked_number_last4",
    "number_last4",
    "brand",
    "expiry_month",
    "expiry_year",
    "result_code",
];
const ERROR: &[&str] = &["error_code", "detailed_error_code", "detailed_error_description"];

/// Members that make an answer of most values, so that not nearly all of them are refused.
fn with(mut value: Theirs, name: &str, member: &Theirs) -> Theirs {
    if let (Theirs::Object(members), false) = (&mut value, member.is_null()) {
        members.insert(name.into(), member.clone());
    }
    value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn token_answers_are_read_alike(
        value in any_value(TOKEN), status in any_value(TOKEN), result in any_value(TOKEN), errors in any_value(TOKEN),
    ) {
        let value = with(with(with(value, "status", &status), "result", &result), "errors", &errors);
        for value in [&value, &with(value.clone(), "status", &json!(201))] {
            let derived: Option<TokenAnswer> = derived(value, &["result"]);
            prop_assert_eq!(TokenAnswer::read(&ours(value)), derived, "{}", value);
        }
    }

    #[test]
    fn payment_answers_are_read_alike(
        value in any_value(PAYMENT), status in any_value(PAYMENT), result in any_value(PAYMENT), errors in any_value(PAYMENT),
    ) {
        let value = with(with(with(value, "status", &status), "result", &result), "errors", &errors);
        for value in [&value, &with(value.clone(), "status", &json!(500))] {
            let mut derived: Option<PaymentAnswer> = derived(value, &["result"]);
            if let Some(derived) = &mut derived {
                // What the bank says beyond this is not read in the browser.
                derived.result = derived.result.take().map(|result| PaymentResult {
                    success: result.success,
                    resp_code: result.resp_code,
                    reserved_private4: result.reserved_private4,
                    ..PaymentResult::default()
                });
            }
            prop_assert_eq!(PaymentAnswer::read(&ours(value)), derived, "{}", value);
        }
    }

    #[test]
    fn payment_methods_are_read_alike(
        value in any_value(METHOD_ALL), card in any_value(METHOD_CARD), action in any_value(&["result_code"]),
    ) {
        let value = with(with(value, "card", &card), "action", &action);
        let mut read = only(&value, METHOD);
        for (name, members) in [("card", METHOD_CARD), ("action", &["result_code"])] {
            if let Some(member) = read.get_mut(name) {
                *member = only(member, members);
            }
        }
        prop_assert_eq!(PaymentMethod::read(&ours(&value)), derived(&read, &["card", "action"]), "{}", value);
    }

    #[test]
    fn errors_are_read_alike(value in any_value(ERROR)) {
        prop_assert_eq!(ErrorBody::read(&ours(&value)), derived(&value, &[]), "{}", value);
    }
}
