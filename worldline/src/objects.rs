//! The macro that declares request and response bodies. Every member is optional, and `Debug` masks what the log
//! masks.
//!
//! A member of the wrong type affects no other member. A string that contains a number is read as that number, and
//! the other way round. Any other value of the wrong type stays in `more`, so that a caller can tell it from a
//! missing one.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "JSON has these six kinds of values and no other"
)]

use serde_json::{Map, Value};

/// Members that say how much money is meant. A string is not accepted for these numbers.
const EXACT: &[&str] = &["amount", "numberOfDecimals"];

/// A type that a member can have.
pub(crate) trait Member: Sized {
    /// Reads the member of this name.
    ///
    /// # Errors
    /// Returns the value if it has the wrong type.
    fn read(name: &str, value: Value) -> Result<Self, Value>;
}

impl Member for Value {
    fn read(_: &str, value: Value) -> Result<Self, Value> {
        Ok(value)
    }
}

impl Member for Map<String, Value> {
    fn read(_: &str, value: Value) -> Result<Self, Value> {
        match value {
            Value::Object(members) => Ok(members),
            other => Err(other),
        }
    }
}

impl Member for String {
    fn read(_: &str, value: Value) -> Result<Self, Value> {
        match value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(other),
        }
    }
}

impl Member for bool {
    fn read(_: &str, value: Value) -> Result<Self, Value> {
        match value {
            Value::Bool(flag) => Ok(flag),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            other => Err(other),
        }
    }
}

macro_rules! whole_numbers {
    ($($kind:ty),+) => {
        $(impl Member for $kind {
            fn read(name: &str, value: Value) -> Result<Self, Value> {
                let number: Option<$kind> = match &value {
                    Value::Number(number) => number.to_string().parse().ok(),
                    // Only a number that is written back in the same way: no `+1`, no `01`.
                    Value::String(text) if !EXACT.contains(&name) => {
                        text.parse().ok().filter(|number: &$kind| number.to_string() == *text)
                    }
                    _ => None,
                };
                number.ok_or(value)
            }
        })+
    };
}

whole_numbers!(u16, u32, u64, i64);

impl<T: Member> Member for Vec<T> {
    /// Reads a single value as a list of one. Items of the wrong type are left out.
    fn read(name: &str, value: Value) -> Result<Self, Value> {
        match value {
            Value::Array(items) => Ok(items
                .into_iter()
                .filter_map(|item| T::read(name, item).ok())
                .collect()),
            other => T::read(name, other).map(|item| vec![item]),
        }
    }
}

/// Takes a member out of an object. A value of the wrong type stays there.
pub(crate) fn take<T: Member>(members: &mut Map<String, Value>, name: &str) -> Option<T> {
    match members.remove(name)? {
        Value::Null => None,
        value => T::read(name, value)
            .map_err(|value| members.insert(name.into(), value))
            .ok(),
    }
}

/// The name of a field in the platforms' JSON.
pub(crate) fn camel_case(field: &str) -> String {
    let mut name = String::with_capacity(field.len());
    let mut parts = field.split('_');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

/// Declares a struct for each object. A member has the camel-case name of its field, or the name after `as`.
macro_rules! objects {
    ($($(#[$about:meta])+ $name:ident {
        $($(#[$of:meta])* $field:ident: $kind:ty $(as $wire:literal)?,)*
    })+) => {
        $($(#[$about])+
        #[derive(Clone, Default, PartialEq, serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        #[allow(missing_docs, reason = "fields that explain themselves have only the platform's name")]
        pub struct $name {
            $(
                $(#[$of])*
                $(#[serde(rename = $wire)])?
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$kind>,
            )*
            /// Members without a field, and members whose value has the wrong type.
            #[serde(flatten)]
            pub more: serde_json::Map<String, serde_json::Value>,
        }

        impl $name {
            /// Whether the platform sent this member with a value of the wrong type.
            #[must_use]
            pub fn is_unreadable(&self, name: &str) -> bool {
                self.more.contains_key(name)
            }
        }

        impl $crate::objects::Member for $name {
            fn read(_: &str, value: serde_json::Value) -> Result<Self, serde_json::Value> {
                let serde_json::Value::Object(mut members) = value else {
                    return Err(value);
                };
                Ok(Self {
                    $($field: {
                        let name: Option<&str> = None$(.or(Some($wire)))?;
                        let name = name.map_or_else(
                            || $crate::objects::camel_case(stringify!($field)),
                            str::to_owned,
                        );
                        $crate::objects::take(&mut members, &name)
                    },)*
                    more: members,
                })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                $crate::objects::Member::read("", value)
                    .map_err(|_| serde::de::Error::custom("not an object"))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                let shown = serde_json::to_value(self).map(|value| $crate::obfuscation::json(&value)).unwrap_or_default();
                write!(f, concat!(stringify!($name), " {}"), shown)
            }
        })+
    };
}

pub(crate) use objects;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[expect(unreachable_pub, reason = "the macro makes its types public")]
    mod things {
        objects! {
            /// With a member of every kind.
            Thing {
                text: String, flag: bool, count_of_all: u32, amount: u64, inner: Inner, list: Vec<Inner>,
                other: String as "OTHER",
            }

            /// One inside another.
            Inner { id: String, }
        }
    }
    use things::Thing;

    fn read(value: Value) -> Thing {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn one_odd_member_costs_nothing_but_itself() {
        let whole = json!({ "text": "t", "flag": true, "countOfAll": 3, "amount": 1000, "inner": { "id": "i" },
            "list": [{ "id": "a" }, { "id": "b" }], "OTHER": "o", "unknown": 1 });
        assert_eq!(serde_json::to_value(read(whole.clone())).unwrap(), whole);
        for name in whole.as_object().unwrap().keys() {
            for odd in [
                json!(null),
                json!(7),
                json!("x"),
                json!(true),
                json!(1.5),
                json!([]),
                json!([7]),
                json!({ "a": 1 }),
            ] {
                let mut changed = whole.clone();
                changed[name] = odd.clone();
                let written = serde_json::to_value(read(changed)).unwrap();
                for (other, value) in whole.as_object().unwrap() {
                    assert!(other == name || written[other] == *value, "{name} {odd} {other}");
                }
            }
        }
    }

    #[test]
    fn what_stands_for_the_same_is_the_same() {
        let thing = read(
            json!({ "text": 12, "flag": "false", "countOfAll": "40", "inner": { "id": 5 }, "list": { "id": "a" } }),
        );
        assert_eq!(
            (thing.text.as_deref(), thing.flag, thing.count_of_all),
            (Some("12"), Some(false), Some(40))
        );
        assert_eq!(thing.inner.unwrap().id.as_deref(), Some("5"));
        assert_eq!(thing.list.unwrap().len(), 1);
        for odd in ["040", "+40", " 40", "4e1", "40.0", ""] {
            let thing = read(json!({ "countOfAll": odd }));
            assert_eq!(thing.count_of_all, None, "{odd}");
            assert!(thing.is_unreadable("countOfAll"), "{odd}");
        }
    }

    #[test]
    fn an_amount_is_a_number_and_nothing_else() {
        for odd in [
            json!("1000"),
            json!(1000.0),
            json!(-1),
            json!([1000]),
            json!(true),
        ] {
            let thing = read(json!({ "amount": odd }));
            assert_eq!(
                (thing.amount, thing.is_unreadable("amount")),
                (None, true),
                "{odd}"
            );
        }
        let inner = read(json!({ "inner": { "id": true } })).inner.unwrap();
        assert!(inner.is_unreadable("id"));
        // What is missing is not unreadable.
        for missing in [json!({}), json!({ "amount": null })] {
            assert!(!read(missing).is_unreadable("amount"));
        }
    }
}
