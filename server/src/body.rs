//! Strict parsing of request bodies.
//!
//! A body is one JSON object of bounded size, without duplicate keys. If it contains what looks like a card number
//! outside the ciphertext, it is discarded before anything else reads it.

use std::collections::BTreeMap;
use std::fmt;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::{HeaderMap, header};
use cardseal::redact::holds_card_number;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::App;
use crate::bounds::Bound;
use crate::error::{ApiError, Code};
use crate::payload::is_ordinary;

/// A request body: a JSON object.
pub struct Body {
    /// The fields.
    pub fields: Map<String, Value>,
    /// The top-level numbers, digit by digit as the caller wrote them.
    pub numbers: BTreeMap<String, String>,
    /// SHA-256 of the canonical text. Bodies that differ only in formatting have the same fingerprint.
    pub fingerprint: String,
}

impl FromRequest<App> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let json = is_json(request.headers());
        let limit = app.config.limits.body_bytes;
        let bytes = read(request, app, limit).await?;
        if bytes.is_empty() {
            // A request whose fields are all optional needs no body.
            return Self::parse(b"{}");
        }
        if !json {
            return Err(Code::UnsupportedMediaType.into());
        }
        Self::parse(&bytes)
    }
}

/// Reads a body, within a size limit and the configured time-out.
pub(crate) async fn read(mut request: Request, app: &App, limit: usize) -> Result<Bytes, ApiError> {
    DefaultBodyLimit::max(limit).apply(&mut request);
    let body = Bytes::from_request(request, &());
    let Ok(read) = tokio::time::timeout(app.config.connections.body_timeout, body).await else {
        app.bounds.acted(Bound::BodyTimeout);
        return Err(Code::RequestTimeout.into());
    };
    read.map_err(|rejection| {
        let too_large = matches!(
            rejection,
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_))
        );
        ApiError::from(if too_large {
            Code::BodyTooLarge
        } else {
            Code::BadJson
        })
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

impl Body {
    fn parse(bytes: &[u8]) -> Result<Self, ApiError> {
        let value = match serde_json::from_slice::<Strict>(bytes) {
            Ok(Strict(value)) => value,
            Err(error) => return Err(unreadable(&error)),
        };
        let Value::Object(map) = value else {
            return Err(ApiError::from(Code::BadJson)
                .detail("the body is JSON but not an object; send an object, for example {}"));
        };
        for (key, value) in &map {
            if key_holds_card(key) {
                return Err(ApiError::from(Code::ClearCardData));
            }
            if holds_card(value, &[key]) {
                return Err(if is_ordinary(key) {
                    ApiError::field(Code::ClearCardData, key)
                } else {
                    Code::ClearCardData.into()
                });
            }
        }
        let text = serde_json::to_vec(&map).unwrap_or_default();
        let (fields, fingerprint) = (map, hex::encode(Sha256::digest(text)));
        let numbers = if fields.values().any(Value::is_number) {
            digits(bytes, &fields)
        } else {
            BTreeMap::new()
        };
        Ok(Self {
            fields,
            numbers,
            fingerprint,
        })
    }
}

/// The top-level numbers as they were written. The parser keeps a number's value, not its digits, so a body with numbers
/// is read again for them.
fn digits(bytes: &[u8], fields: &Map<String, Value>) -> BTreeMap<String, String> {
    let written: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes).unwrap_or_default();
    written
        .into_iter()
        .filter(|(name, _)| fields.get(name).is_some_and(Value::is_number))
        .map(|(name, value)| (name, value.get().to_owned()))
        .collect()
}

/// Describes a parser error without the parser's own text, which may quote the body.
fn unreadable(error: &serde_json::Error) -> ApiError {
    let text = error.to_string();
    if let Some(rest) = text.strip_prefix(DUPLICATE) {
        let name = rest.split(' ').nth(1).unwrap_or_default();
        if is_ordinary(name) && !key_holds_card(name) && !name.is_empty() {
            return ApiError::field(Code::DuplicateField, name);
        }
        return Code::DuplicateField.into();
    }
    let (line, column) = (error.line(), error.column());
    ApiError::from(Code::BadJson).detail(&format!(
        "the body stops being JSON in UTF-8 at line {line}, column {column}"
    ))
}

/// Ciphertext, signatures and a platform's key hash: long runs of hex or base64 that can contain the digits of a card
/// number by chance.
const OPAQUE: &[&[&str]] = &[
    &["ld"],
    &["lk"],
    &["encrypted_customer_input"],
    &["sealed"],
    &["answer", "_signature"],
    &["answer", "result", "khash"],
];

fn holds_card(value: &Value, path: &[&str]) -> bool {
    match value {
        Value::Null | Value::Bool(_) => false,
        Value::Number(number) => holds_card_number(&plain(number)),
        Value::String(text) => !OPAQUE.contains(&path) && holds_card_number(text),
        Value::Array(items) => items.iter().any(|item| holds_card(item, path)),
        Value::Object(items) => items.iter().any(|(key, value)| {
            let mut path = path.to_vec();
            path.push(key);
            key_holds_card(key) || holds_card(value, &path)
        }),
    }
}

fn key_holds_card(key: &str) -> bool {
    holds_card_number(key)
}

/// A number in plain digits, even if it was written with a decimal point or an exponent.
fn plain(number: &serde_json::Number) -> String {
    match number.as_f64() {
        Some(value) if number.is_f64() && value.abs() < 1e20 => format!("{value:.0}"),
        _ => number.to_string(),
    }
}

const DUPLICATE: &str = "duplicate field";

/// A JSON value without duplicate keys.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_string<E>(self, value: String) -> Result<Value, E> {
                Ok(value.into())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
                let mut items = Vec::new();
                while let Some(Strict(item)) = seq.next_element()? {
                    items.push(item);
                }
                Ok(items.into())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                let mut items = Map::new();
                while let Some((key, Strict(value))) = map.next_entry::<String, Strict>()? {
                    match items.entry(key) {
                        Entry::Vacant(place) => place.insert(value),
                        Entry::Occupied(taken) => {
                            return Err(A::Error::custom(format_args!("{DUPLICATE} {} ", taken.key())));
                        }
                    };
                }
                Ok(items.into())
            }
        }
        deserializer.deserialize_any(Any).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &str) -> Option<&'static str> {
        Body::parse(body.as_bytes())
            .err()
            .map(|error| error.code().as_str())
    }

    #[test]
    fn refuses_what_is_not_an_object_of_distinct_keys() {
        for body in [
            "",
            "{",
            "[]",
            "5",
            "null",
            "{\"a\":1} x",
            "{'a':1}",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":\"\0\"}",
            "\u{feff}{}",
        ] {
            assert_eq!(code(body), Some("bad_json"), "{body:?}");
        }
        assert_eq!(
            Body::parse(b"{\"a\":\"\xff\"}").err().map(|error| error.code()),
            Some(Code::BadJson)
        );
        assert_eq!(
            code(&format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))),
            Some("bad_json")
        );
        assert_eq!(code("{\"a\":1,\"a\":1}"), Some("duplicate_field"));
        assert_eq!(
            code("{\"answer\":{\"b\":{\"a\":1,\"\\u0061\":2}}}"),
            Some("duplicate_field")
        );
    }

    #[test]
    fn refuses_card_numbers_wherever_they_stand() {
        for body in [
            r#"{"number":"4242424242424242"}"#,
            r#"{"number":"4242 4242-4242 4242"}"#,
            r#"{"number":4242424242424242}"#,
            r#"{"number":4.242424242424242e15}"#,
            r#"{"customer":"card 5555555555554444, thanks"}"#,
            r#"{"4242424242424242":1}"#,
            r#"{"answer":{"x":[{"deep":"378282246310005"}]}}"#,
            r#"{"answer":{"x":{"6011111111111117":true}}}"#,
        ] {
            assert_eq!(code(body), Some("clear_card_data"), "{body}");
        }
    }

    #[test]
    fn lets_ciphertext_and_ids_pass() {
        for body in [
            r#"{"ld":"4242424242424242","lk":"4242424242424242"}"#,
            r#"{"answer":{"_signature":"4242424242424242"}}"#,
            r#"{"encrypted_customer_input":"4242424242424242"}"#,
            r#"{"sealed":"4242424242424242"}"#,
            r#"{"session":"ses_a4242424242424242424242424242424"}"#,
            r#"{"order_reference":"1732190400000"}"#,
            r#"{"order_reference":"4242424242424241"}"#,
            r#"{"order_reference":"4242424242424242abcdef0123456789"}"#,
            r#"{"order_reference":"9c17a1fa-8e72-4163-8274-9896cdf3942f"}"#,
            r#"{"customer":"01J4242424242424242ABCDEFG"}"#,
            r#"{"answer":{"id":"TRN_a4242424242424242x_4242"}}"#,
        ] {
            assert_eq!(code(body), None, "{body}");
        }
    }

    #[test]
    fn the_fingerprint_is_of_what_is_said() {
        let of = |body: &str| Body::parse(body.as_bytes()).unwrap().fingerprint;
        assert_eq!(of(r#"{"a":1,"b":"x"}"#), of(r#" { "a": 1, "b": "\u0078" } "#));
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":2}"#));
    }
}
