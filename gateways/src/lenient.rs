//! Reads members of an answer that may have another type than the documented one. Only that member is lost.
//!
//! A number is read as text where text is expected. An unreadable member counts as missing if the outcome does not depend
//! on it. If it does, the member is [`UNREADABLE`], so that its absence neither approves nor declines anything.

use serde_json::Value;

pub(crate) use cardseal::lenient::{UNREADABLE, integral};

/// A value on the way to a member is not an object.
pub(crate) struct Unreadable;

/// The member at a JSON pointer. One that is `null` is missing.
pub(crate) fn member<'a>(answer: &'a Value, pointer: &str) -> Result<Option<&'a Value>, Unreadable> {
    let mut found = answer;
    for name in pointer.split('/').skip(1) {
        found = match found {
            Value::Object(members) => match members.get(name) {
                Some(member) => member,
                None => return Ok(None),
            },
            Value::Null => return Ok(None),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => return Err(Unreadable),
        };
    }
    Ok(Some(found).filter(|found| !found.is_null()))
}

fn printed(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Number(number) => integral(number.as_f64()?).map(|integer| integer.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A text that decides nothing.
pub(crate) fn text(answer: &Value, pointer: &str) -> Option<String> {
    member(answer, pointer).ok().flatten().and_then(printed)
}

/// A text that decides.
pub(crate) fn deciding_text(answer: &Value, pointer: &str) -> Option<String> {
    match member(answer, pointer) {
        Ok(None) => None,
        Ok(Some(found)) => Some(printed(found).unwrap_or_else(|| UNREADABLE.into())),
        Err(Unreadable) => Some(UNREADABLE.into()),
    }
}

/// A flag that approves something. One that cannot be read is no approval.
pub(crate) fn approving_flag(answer: &Value, pointer: &str) -> Option<bool> {
    let found = member(answer, pointer).ok().flatten()?;
    Some(found.as_bool().unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_decides_is_never_lost() {
        for (answer, decides_nothing, decides) in [
            (json!({ "a": { "b": "x" } }), Some("x"), Some("x")),
            (json!({ "a": { "b": 7 } }), Some("7"), Some("7")),
            (json!({ "a": { "b": 7.0 } }), Some("7"), Some("7")),
            (
                json!({ "a": { "b": u64::MAX } }),
                Some("18446744073709551615"),
                Some("18446744073709551615"),
            ),
            (json!({ "a": { "b": "" } }), Some(""), Some("")),
            (json!({ "a": { "b": 7.5 } }), None, Some(UNREADABLE)),
            (json!({ "a": { "b": true } }), None, Some(UNREADABLE)),
            (json!({ "a": { "b": [] } }), None, Some(UNREADABLE)),
            (json!({ "a": { "b": {} } }), None, Some(UNREADABLE)),
            (json!({ "a": "x" }), None, Some(UNREADABLE)),
            (json!({ "a": [{ "b": "x" }] }), None, Some(UNREADABLE)),
            (json!({ "a": { "b": null } }), None, None),
            (json!({ "a": null }), None, None),
            (json!({}), None, None),
        ] {
            assert_eq!(text(&answer, "/a/b").as_deref(), decides_nothing, "{answer}");
            assert_eq!(deciding_text(&answer, "/a/b").as_deref(), decides, "{answer}");
        }
        for (flag, approves) in [
            (json!(true), Some(true)),
            (json!(false), Some(false)),
            (json!("true"), Some(false)),
            (json!(1), Some(false)),
            (json!(null), None),
        ] {
            assert_eq!(approving_flag(&json!({ "a": flag }), "/a"), approves, "{flag}");
        }
    }
}
