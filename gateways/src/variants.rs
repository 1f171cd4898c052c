//! Answers in which one member has another type than the documented one: no platform's reading of the rest may depend on it.

use serde_json::{Value, json};

/// An answer with one member changed.
pub(crate) struct Variant {
    /// JSON pointer to the member.
    pub(crate) path: String,
    /// The whole answer.
    pub(crate) body: Value,
    /// What stands there instead: nothing, if the member is missing.
    pub(crate) odd: Option<Value>,
    /// Whether an object stood there.
    object: bool,
}

impl Variant {
    /// Whether the change is of this member, or of something inside or around it.
    pub(crate) fn touches(&self, member: &str) -> bool {
        let inside = |a: &str, b: &str| a == b || a.starts_with(&format!("{b}/"));
        inside(&self.path, member) || inside(member, &self.path)
    }

    /// Whether it is as if the member were not there.
    pub(crate) fn is_absent(&self) -> bool {
        // One object for another: all that was in it is missing.
        let empty = |odd: &Value| odd.is_null() || (self.object && odd.is_object());
        self.odd.as_ref().is_none_or(empty)
    }
}

/// Every member of an answer in turn, missing and with a value of every other type: the same value written as another
/// type as well.
pub(crate) fn variants(answer: &Value) -> Vec<Variant> {
    let mut paths = Vec::new();
    collect(answer, "", &mut paths);
    let mut variants = Vec::new();
    for path in paths {
        let original = answer.pointer(&path).unwrap();
        let mut odd = vec![
            json!(null),
            json!(true),
            json!(7),
            json!(1.5),
            json!("x"),
            json!([]),
            json!([7]),
            json!({}),
            json!({ "a": 1 }),
            json!([original.clone()]),
        ];
        match original {
            Value::Number(number) => odd.push(number.to_string().into()),
            Value::Bool(flag) => odd.push(flag.to_string().into()),
            Value::String(text) => odd.extend(text.parse::<u64>().ok().map(Value::from)),
            Value::Null | Value::Array(_) | Value::Object(_) => {}
        }
        for odd in odd.into_iter().filter(|odd| odd != original) {
            let mut body = answer.clone();
            *body.pointer_mut(&path).unwrap() = odd.clone();
            variants.push(Variant {
                path: path.clone(),
                body,
                odd: Some(odd),
                object: original.is_object(),
            });
        }
        let mut body = answer.clone();
        let (parent, name) = path.rsplit_once('/').unwrap();
        if let Some(members) = body.pointer_mut(parent).unwrap().as_object_mut() {
            members.remove(name);
            variants.push(Variant {
                path: path.clone(),
                body,
                odd: None,
                object: original.is_object(),
            });
        }
    }
    variants
}

fn collect(value: &Value, path: &str, paths: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{path}/{name}");
                collect(member, &path, paths);
                paths.push(path);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}/{index}");
                collect(item, &path, paths);
                paths.push(path);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
