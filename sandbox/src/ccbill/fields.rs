//! Reads what a client sends. Accepts numbers as strings, as samples send them, and reports all errors together.

use serde_json::{Map, Value, json};

/// The fields of one object.
pub(crate) struct Fields<'a> {
    pub(crate) map: &'a Map<String, Value>,
    prefix: &'static str,
}

/// Everything that is wrong with a request.
#[derive(Default)]
pub(crate) struct FieldErrors(Vec<Value>);

pub(crate) const REQUIRED: &str = "Attribute required";
pub(crate) const SIZE: &str = "Problem with attribute size";
pub(crate) const VALUES: &str = "Problem with the attribute values";

impl FieldErrors {
    pub(crate) fn add(&mut self, field: Option<&str>, message: &str) {
        self.0.push(json!({ "field": field, "message": message }));
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_errors(self) -> Value {
        self.0.into()
    }
}

impl<'a> Fields<'a> {
    pub(crate) const fn of(map: &'a Map<String, Value>, prefix: &'static str) -> Self {
        Self { map, prefix }
    }

    pub(crate) fn name(&self, field: &str) -> String {
        format!("{}{field}", self.prefix)
    }

    /// The value; null and an empty string count as absent.
    pub(crate) fn at(&self, field: &str) -> Option<&'a Value> {
        self.map
            .get(field)
            .filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    pub(crate) fn text(&self, field: &str, most: usize, errors: &mut FieldErrors) -> Option<&'a str> {
        let text = self.at(field)?;
        match text.as_str() {
            Some(text) if text.chars().count() <= most => Some(text),
            Some(_) => {
                errors.add(Some(&self.name(field)), SIZE);
                None
            }
            None => {
                errors.add(Some(&self.name(field)), VALUES);
                None
            }
        }
    }

    pub(crate) fn needed(&self, field: &str, most: usize, errors: &mut FieldErrors) -> Option<&'a str> {
        if self.at(field).is_none() {
            errors.add(Some(&self.name(field)), REQUIRED);
        }
        self.text(field, most, errors)
    }

    /// A whole number, or a string with one.
    pub(crate) fn number(&self, field: &str, errors: &mut FieldErrors) -> Option<u64> {
        let value = self.at(field)?;
        let number = match value {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if number.is_none() {
            errors.add(Some(&self.name(field)), VALUES);
        }
        number
    }

    pub(crate) fn needed_number(&self, field: &str, most: u64, errors: &mut FieldErrors) -> Option<u64> {
        if self.at(field).is_none() {
            errors.add(Some(&self.name(field)), REQUIRED);
        }
        let number = self.number(field, errors)?;
        if number > most {
            errors.add(Some(&self.name(field)), SIZE);
            return None;
        }
        Some(number)
    }

    /// True or false, or a string that says so.
    pub(crate) fn truth(&self, field: &str) -> Option<bool> {
        match self.at(field)? {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// Hundredths of a decimal number, or of a string with one; further decimals must be zeros.
    pub(crate) fn cents(&self, field: &str, errors: &mut FieldErrors) -> Option<u64> {
        let value = self.at(field)?;
        let cents = match value {
            Value::Number(number) => hundredths(&number.to_string()),
            Value::String(text) => hundredths(text),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if cents.is_none() {
            errors.add(Some(&self.name(field)), VALUES);
        }
        cents
    }
}

fn hundredths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || whole.len() > 12 || fraction.len() > 2 || !digits(whole) || !digits(fraction) {
        return None;
    }
    format!("{whole}{fraction:0<2}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_prices_in_every_form_of_the_samples() {
        for (text, cents) in [
            ("10", Some(1000)),
            ("50.0", Some(5000)),
            ("9.99", Some(999)),
            ("0.290", Some(29)),
            ("1000.06", Some(100_006)),
            ("1.001", None),
            ("-1", None),
            ("1e3", None),
            ("", None),
        ] {
            assert_eq!(hundredths(text), cents, "{text}");
        }
    }
}
