//! The reader held to `serde_json`: it takes the same texts and reads the same values, but for what is named here.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use serde_json::Value as Theirs;

use super::{DEEPEST, MAX_SAFE, Value};
use crate::prelude::*;

/// Whether two readings are the same. Of numbers only the exact integers are kept.
fn same(ours: &Value, theirs: &Theirs) -> bool {
    match (ours, theirs) {
        (Value::Null, Theirs::Null) => true,
        (Value::Bool(ours), Theirs::Bool(theirs)) => ours == theirs,
        (Value::Integer(ours), Theirs::Number(theirs)) => {
            // A minus before a zero says nothing to us.
            theirs.as_i64() == Some(*ours) || *ours == 0 && theirs.as_f64() == Some(0.0)
        }
        (Value::Number, Theirs::Number(theirs)) => theirs.as_i64().is_none_or(|n| n.abs() > MAX_SAFE),
        (Value::Text(ours), Theirs::String(theirs)) => **ours == *theirs,
        (Value::List(ours), Theirs::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Object(members), Theirs::Object(theirs)) => {
            members.iter().all(|(name, _)| theirs.contains_key(name))
                && theirs.iter().all(|(name, theirs)| same(ours.get(name), theirs))
        }
        _ => false,
    }
}

/// Reads a text with both; what one takes and the other does not must be one of the known differences.
fn compare(text: &str) -> Result<(), TestCaseError> {
    match (Value::parse(text), serde_json::from_str::<Theirs>(text)) {
        (Some(ours), Ok(theirs)) => prop_assert!(same(&ours, &theirs), "{}", text),
        (None, Err(_)) => {}
        (Some(_), Err(error)) => {
            let why = error.to_string();
            // Numbers that no float holds, and unpaired surrogates, which JavaScript writes.
            let known = ["number out of range", "surrogate", "unexpected end of hex escape"];
            prop_assert!(known.iter().any(|known| why.contains(known)), "{}: {}", text, why);
        }
        (None, Ok(theirs)) => prop_assert!(depth(&theirs) > DEEPEST, "{}", text),
    }
    Ok(())
}

fn depth(value: &Theirs) -> usize {
    match value {
        Theirs::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Theirs::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Theirs::Null | Theirs::Bool(_) | Theirs::Number(_) | Theirs::String(_) => 0,
    }
}

fn any_value() -> impl Strategy<Value = Theirs> {
    let leaf = prop_oneof![
        Just(Theirs::Null),
        any::<bool>().prop_map(Theirs::from),
        any::<i64>().prop_map(Theirs::from),
        any::<u64>().prop_map(Theirs::from),
        (-100_i64..100).prop_map(Theirs::from),
        any::<f64>().prop_map(Theirs::from),
        any::<String>().prop_map(Theirs::from),
    ];
    leaf.prop_recursive(6, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Theirs::from),
            proptest::collection::hash_map("[a-c]|.{0,3}", inner, 0..5)
                .prop_map(|members| Theirs::Object(members.into_iter().collect())),
        ]
    })
}

/// Text that is nearly JSON: its pieces in any order.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(
            &[
                "{",
                "}",
                "[",
                "]",
                ",",
                ":",
                "\"",
                "\\",
                "\\\"",
                "\\u00",
                "\\u0041",
                "\\ud83d",
                "\\ude00",
                "\\/",
                "\\n",
                "\\x",
                "null",
                "true",
                "false",
                "nul",
                "-",
                "0",
                "1",
                "00",
                ".",
                ".5",
                "e",
                "E+",
                "e-3",
                " ",
                "\t",
                "\r\n",
                "\u{a0}",
                "\u{feff}",
                "\0",
                "\u{1f}",
                "\u{7f}",
                "é",
                "\u{1f600}",
                "\"a\"",
                "\"a\":1",
                "{}",
                "[]",
                "9007199254740991",
                "9007199254740992",
                "-9007199254740992",
                "18446744073709551616",
            ][..]
        )
        .prop_map(str::to_owned),
        ".",
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn any_text_is_taken_or_refused_as_by_serde_json(text in "\\PC*|.*") {
        compare(&text)?;
    }

    #[test]
    fn any_text_of_json_s_pieces_is_taken_or_refused_as_by_serde_json(text in pieces()) {
        compare(&text)?;
        compare(&["[", &text, "]"].concat())?;
        compare(&["{\"a\":", &text, "}"].concat())?;
        compare(&["\"", &text, "\""].concat())?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_value_is_read_as_serde_json_wrote_it(value in any_value(), at: usize, with in ".?", blanks in "[ \t\r\n]{0,3}") {
        let text = value.to_string();
        prop_assert!(Value::parse(&text).is_some_and(|ours| same(&ours, &value)), "{}", text);
        compare(&serde_json::to_string_pretty(&value).unwrap())?;
        compare(&[&*blanks, &*text, &*blanks].concat())?;
        // One character lost, replaced or doubled.
        let at = text.char_indices().map(|(at, _)| at).nth(at % text.chars().count()).unwrap();
        let (before, after) = text.split_at(at);
        let rest: String = after.chars().skip(1).collect();
        compare(&[before, &*with, &*rest].concat())?;
        compare(&[before, &*with, after].concat())?;
        compare(before)?;
    }

    #[test]
    fn escaped_units_are_a_text_only_in_pairs(units: Vec<u16>, high in proptest::collection::vec(0xd7f0..0xe010_u16, 0..8)) {
        for units in [&units, &high] {
            let text: String = units.iter().map(|unit| format!("\\u{unit:04X}")).collect();
            let read = Value::parse(&["\"", &*text, "\""].concat());
            let expected = String::from_utf16(units).ok();
            match read {
                Some(Value::Text(read)) => prop_assert_eq!(Some(&*read), expected.as_ref()),
                Some(Value::Broken) => prop_assert!(expected.is_none()),
                _ => prop_assert!(false, "{}", text),
            }
        }
    }
}

#[test]
fn it_is_as_deep_as_said_and_no_deeper() {
    for (depth, taken) in [(1, true), (DEEPEST, true), (DEEPEST + 1, false), (100_000, false)] {
        let lists = ["[".repeat(depth), "]".repeat(depth)].concat();
        let objects = ["{\"a\":".repeat(depth), "1".into(), "}".repeat(depth)].concat();
        assert_eq!(Value::parse(&lists).is_some(), taken, "{depth}");
        assert_eq!(Value::parse(&objects).is_some(), taken, "{depth}");
        assert!(Value::parse(&"[".repeat(depth)).is_none());
    }
}
