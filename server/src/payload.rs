//! Typed requests, checked by the contract's own schema.
//!
//! `utoipa` derives a JSON schema from each request's type for `/openapi.json`. Bodies are checked against the same
//! schema before serde reads them. So contract and server cannot differ, and every error can say what came, what was
//! expected, and give an example.

use std::collections::BTreeMap;

use axum::extract::{FromRequest, Request};
use regex_lite::Regex;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::App;
use crate::body::Body;
use crate::error::{ApiError, Code};
use crate::store::Fingerprint;

/// A request whose fields are checked by its own schema.
pub trait Checked: DeserializeOwned + ToSchema {
    /// The rules of its schema.
    fn rules() -> &'static Rules;
}

/// Implements [`Checked`] for types.
macro_rules! checked {
    ($($request:ty),+ $(,)?) => {$(
        impl $crate::payload::Checked for $request {
            fn rules() -> &'static $crate::payload::Rules {
                static RULES: std::sync::LazyLock<$crate::payload::Rules> =
                    std::sync::LazyLock::new($crate::payload::Rules::of::<$request>);
                &RULES
            }
        }
    )+};
}
pub(crate) use checked;

/// A request body, parsed and checked.
pub struct Payload<T> {
    /// The request.
    pub request: T,
    /// SHA-256 of the body's canonical text: two bodies that say the same have the same.
    pub fingerprint: Fingerprint,
}

impl<T: Checked> FromRequest<App> for Payload<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        Self::read(Body::from_request(request, app).await?)
    }
}

impl<T: Checked> Payload<T> {
    /// Converts the request.
    pub fn map<U>(self, other: impl FnOnce(T) -> U) -> Payload<U> {
        Payload {
            request: other(self.request),
            fingerprint: self.fingerprint,
        }
    }

    fn read(body: Body) -> Result<Self, ApiError> {
        Ok(Self {
            request: T::rules().read(body.fields, &body.numbers)?,
            fingerprint: body.fingerprint.into(),
        })
    }
}

/// The rules of an object's fields.
#[derive(Debug)]
pub struct Rules {
    fields: BTreeMap<String, Rule>,
    required: Vec<String>,
    /// Whether unknown fields are ignored rather than refused.
    open: bool,
}

/// The rule of one field.
#[derive(Debug, Default)]
pub struct Rule {
    kinds: Vec<String>,
    words: Vec<String>,
    length: Option<(u64, u64)>,
    range: Option<(u64, u64)>,
    pattern: Option<Regex>,
    object: Option<Rules>,
    example: Option<Value>,
}

impl Rules {
    /// The rules of a type's schema.
    #[must_use]
    pub fn of<T: ToSchema>() -> Self {
        let mut components = Vec::new();
        T::schemas(&mut components);
        let json = |schema| serde_json::to_value(schema).unwrap_or_default();
        let components = components.into_iter().map(|(name, schema)| (name, json(schema)));
        Self::read_schema(&json(T::schema()), &components.collect())
    }

    fn read_schema(schema: &Value, components: &Map<String, Value>) -> Self {
        let fields = schema["properties"].as_object();
        Self {
            fields: fields
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), Rule::read_schema(schema, components)))
                .collect(),
            required: texts(&schema["required"]),
            open: schema["additionalProperties"] != false,
        }
    }

    /// Checks the fields of a body and parses them. `numbers` has the body's numbers digit by digit.
    ///
    /// # Errors
    /// `unknown_field`, `field_missing`, `field_type` or `field_invalid`, with the field's name and what it takes.
    pub fn read<T: DeserializeOwned>(
        &self,
        mut fields: Map<String, Value>,
        numbers: &BTreeMap<String, String>,
    ) -> Result<T, ApiError> {
        self.check(&fields)?;
        for (name, number) in numbers {
            // If a field takes text or a number, take the number's digits, and do not go through a floating-point
            // number.
            if self.fields.get(name).is_some_and(Rule::takes_digits) {
                fields.insert(name.clone(), number.as_str().into());
            }
        }
        // The schema was derived from the type, so this cannot fail.
        serde_json::from_value(Value::Object(fields)).map_err(|_| Code::FieldInvalid.into())
    }

    fn check(&self, fields: &Map<String, Value>) -> Result<(), ApiError> {
        for (name, value) in fields {
            match self.fields.get(name) {
                Some(rule) => rule.check(name, value)?,
                None if self.open => {}
                None => return Err(self.unknown(name)),
            }
        }
        match self.required.iter().find(|name| !fields.contains_key(*name)) {
            Some(name) => Err(self.missing(name)),
            None => Ok(()),
        }
    }

    /// The error for a missing field.
    #[must_use]
    pub fn missing(&self, name: &str) -> ApiError {
        let expected = self.fields.get(name).map(Rule::expected).unwrap_or_default();
        ApiError::field(Code::FieldMissing, name).detail(&format!("`{name}` is missing; it takes {expected}"))
    }

    /// The error for a value that has the right type and is not allowed. `came` describes the value without showing
    /// it.
    #[must_use]
    pub fn invalid(&self, name: &str, came: &str) -> ApiError {
        let rule = self.fields.get(name);
        refused(Code::FieldInvalid, name, rule.unwrap_or(&Rule::default()), came)
    }

    /// The error for an unknown field. It shows the name only if that looks like a field name.
    #[must_use]
    pub fn unknown(&self, name: &str) -> ApiError {
        let known: Vec<&str> = self.fields.keys().map(String::as_str).collect();
        let takes = if known.is_empty() {
            "the request takes no fields".into()
        } else {
            format!("the request takes {}", listed(&known, "and"))
        };
        if is_ordinary(name) {
            ApiError::field(Code::UnknownField, name).detail(&format!("`{name}` is not known here; {takes}"))
        } else {
            ApiError::from(Code::UnknownField).detail(&format!("one name is not known here; {takes}"))
        }
    }
}

impl Rule {
    fn read_schema(schema: &Value, components: &Map<String, Value>) -> Self {
        let name = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next());
        if let Some(component) = name.and_then(|name| components.get(name)) {
            return Self::read_schema(component, components);
        }
        // A wrapper around a single schema.
        for wrapper in ["allOf", "oneOf"] {
            if let Some([inner]) = schema[wrapper].as_array().map(Vec::as_slice) {
                return Self::read_schema(inner, components);
            }
        }
        let bounds = |least: &str, most: &str| {
            let (least, most) = (schema[least].as_u64(), schema[most].as_u64());
            (least.is_some() || most.is_some()).then(|| (least.unwrap_or(0), most.unwrap_or(u64::MAX)))
        };
        Self {
            kinds: match schema["type"].as_str() {
                Some(kind) => vec![kind.into()],
                None => texts(&schema["type"]),
            },
            words: texts(&schema["enum"]),
            length: bounds("minLength", "maxLength"),
            range: bounds("minimum", "maximum"),
            pattern: schema["pattern"]
                .as_str()
                .and_then(|pattern| Regex::new(pattern).ok()),
            object: schema["properties"]
                .is_object()
                .then(|| Rules::read_schema(schema, components)),
            example: [&schema["example"], &schema["examples"][0]]
                .into_iter()
                .find(|example| !example.is_null())
                .cloned(),
        }
    }

    fn takes_digits(&self) -> bool {
        ["string", "number"]
            .iter()
            .all(|kind| self.kinds.iter().any(|own| own == kind))
    }

    fn check(&self, name: &str, value: &Value) -> Result<(), ApiError> {
        if let (Some(rules), Value::Object(fields)) = (&self.object, value)
            && let Err(error) = rules.check(fields)
        {
            return Err(error.within(name));
        }
        let code = if !self.takes(value) {
            Code::FieldType
        } else if !self.fits(value) {
            Code::FieldInvalid
        } else {
            return Ok(());
        };
        Err(refused(code, name, self, &kind(value)))
    }

    fn takes(&self, value: &Value) -> bool {
        self.kinds.iter().any(|kind| match kind.as_str() {
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" | "number" => value.is_number(),
            "object" => value.is_object(),
            "array" => value.is_array(),
            _ => false,
        })
    }

    fn fits(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => {
                let length = u64::try_from(text.chars().count()).unwrap_or(u64::MAX);
                let fits = |(least, most)| (least..=most).contains(&length);
                self.length.is_none_or(fits)
                    && !text.chars().any(char::is_control)
                    && self.pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
                    && (self.words.is_empty() || self.words.contains(text))
            }
            Value::Number(number) => match self.range {
                Some((least, most)) => number
                    .as_u64()
                    .is_some_and(|number| (least..=most).contains(&number)),
                None => true,
            },
            Value::Object(_) | Value::Null | Value::Bool(_) | Value::Array(_) => true,
        }
    }

    /// What the field takes, with an example.
    fn expected(&self) -> String {
        let kinds: Vec<String> = self.kinds.iter().map(|kind| self.kind(kind)).collect();
        let example = match &self.example {
            Some(example) => format!(", for example {example}"),
            None => String::new(),
        };
        format!("{}{example}", kinds.join(" or "))
    }

    fn kind(&self, kind: &str) -> String {
        match (kind, self.length, self.range) {
            ("string", ..) if !self.words.is_empty() => {
                let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
                format!("the word {}", listed(&words, "or"))
            }
            ("string", Some((least, most)), _) => {
                let pattern = self.pattern.as_ref();
                let pattern = pattern.map(|pattern| format!(" of the form `{pattern}`"));
                format!(
                    "text of {} characters{}",
                    span(least, most),
                    pattern.unwrap_or_default()
                )
            }
            ("string", ..) => "text".into(),
            ("boolean", ..) => "true or false".into(),
            ("integer", _, Some((least, most))) => format!("a whole number from {}", span(least, most)),
            ("number" | "integer", ..) => "a number".into(),
            ("object", ..) => match &self.object {
                Some(rules) if !rules.fields.is_empty() => {
                    let names: Vec<&str> = rules.fields.keys().map(String::as_str).collect();
                    format!("an object with {}", listed(&names, "and"))
                }
                Some(_) | None => "an object".into(),
            },
            _ => "a list".into(),
        }
    }
}

fn refused(code: Code, name: &str, rule: &Rule, came: &str) -> ApiError {
    ApiError::field(code, name).detail(&format!("`{name}` must be {}; got {came}", rule.expected()))
}

fn span(least: u64, most: u64) -> String {
    if least == most {
        least.to_string()
    } else {
        format!("{least} to {most}")
    }
}

/// Describes a value without showing it: it may be a secret.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "true or false".into(),
        Value::Number(_) => "a number".into(),
        Value::String(text) if text.is_empty() => "an empty text".into(),
        Value::String(text) if text.chars().any(char::is_control) => "text with a control character".into(),
        Value::String(text) => match text.chars().count() {
            1 => "other text of 1 character".into(),
            count => format!("other text of {count} characters"),
        },
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
    }
}

/// `a`, `b` or `c`.
pub(crate) fn listed(words: &[&str], last: &str) -> String {
    match words {
        [] => String::new(),
        [word] => quoted(word),
        [words @ .., end] => {
            let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
            format!("{} {last} {}", words.join(", "), quoted(end))
        }
    }
}

/// Quotes a word of the contract, but not a sentence.
fn quoted(word: &str) -> String {
    if word.contains(' ') {
        word.into()
    } else {
        format!("`{word}`")
    }
}

/// Whether a name looks like a field name, and not like a value in the wrong place. Only then may an error repeat it.
pub(crate) fn is_ordinary(name: &str) -> bool {
    name.len() <= 40
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}
