//! Reading plain JavaScript values, with errors that name the field and never hold the value.

use js_sys::{Date, JsString, Reflect};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};

use crate::card::{Field, Secret};
use crate::error::{Code, Error};

/// A plain object, maps included.
pub(crate) fn object(value: &impl Serialize) -> JsValue {
    // Fails only for what our own types do not have: keys that are no texts.
    value
        .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
        .unwrap_or(JsValue::UNDEFINED)
}

/// A member, `undefined` if there is none or the object is none.
pub(crate) fn get(object: &JsValue, name: &str) -> JsValue {
    if !object.is_object() {
        return JsValue::UNDEFINED;
    }
    Reflect::get(object, &name.into()).unwrap_or(JsValue::UNDEFINED)
}

fn wrong_type(field: &'static str) -> Error {
    Error::new(Code::TypeInvalid).at(field)
}

/// A text that may be a secret.
pub(crate) fn text(value: &JsValue, field: &'static str) -> Result<Secret, Error> {
    value
        .as_string()
        .map(Secret::new)
        .ok_or_else(|| wrong_type(field))
}

/// A member that may be missing.
pub(crate) fn optional_text(object: &JsValue, field: &'static str) -> Result<Option<String>, Error> {
    let value = get(object, field);
    if value.is_undefined() || value.is_null() {
        return Ok(None);
    }
    value.as_string().map(Some).ok_or_else(|| wrong_type(field))
}

/// A member that may be missing.
pub(crate) fn optional_bool(object: &JsValue, field: &'static str) -> Result<Option<bool>, Error> {
    let value = get(object, field);
    if value.is_undefined() {
        return Ok(None);
    }
    value.as_bool().map(Some).ok_or_else(|| wrong_type(field))
}

/// A field of a card, and whether its surrogates are paired.
pub(crate) fn card_text(card: &JsValue, field: Field) -> Result<(Option<Secret>, bool), Error> {
    let value = get(card, field.as_str());
    if value.is_undefined() || value.is_null() {
        return Ok((None, true));
    }
    let text: &JsString = value.dyn_ref().ok_or_else(|| wrong_type(field.as_str()))?;
    Ok((Some(Secret::new(text.into())), text.is_valid_utf16()))
}

/// The expiry as text; an object's month and year are written the same way.
pub(crate) fn expiry(card: &JsValue) -> Result<Secret, Error> {
    let value = get(card, "expiry");
    if !value.is_object() {
        return Ok(card_text(card, Field::Expiry)?.0.unwrap_or_default());
    }
    let part = |name, width: usize| -> Result<String, Error> {
        let part = get(&value, name);
        if let Some(text) = part.as_string() {
            return Ok(text);
        }
        match part.as_f64() {
            Some(number) if number.fract() == 0.0 && (0.0..10_000.0).contains(&number) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "just checked"
                )]
                let number = number as u16;
                Ok(format!("{number:0width$}"))
            }
            Some(_) => Ok("?".into()),
            None if part.is_undefined() || part.is_null() => Ok(String::new()),
            None => Err(wrong_type("expiry")),
        }
    };
    let (month, year) = (part("month", 1)?, part("year", 2)?);
    Ok(if month.is_empty() && year.is_empty() {
        Secret::default()
    } else {
        Secret::new(format!("{month}/{year}"))
    })
}

/// A moment in milliseconds since 1970: a number, or a text that `Date.parse` reads.
pub(crate) fn moment(value: &JsValue) -> Option<f64> {
    let moment = value
        .as_f64()
        .or_else(|| value.as_string().map(|text| Date::parse(&text)))?;
    moment.is_finite().then_some(moment)
}

/// An id that is safe in a header, a path and a log.
pub(crate) fn id(text: String, field: &'static str) -> Result<String, Error> {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if (1..=80).contains(&text.len()) && text.bytes().all(safe) {
        Ok(text)
    } else {
        Err(Error::new(Code::SessionMalformed).at(field))
    }
}

/// A base URL: `https`, or `http` to this machine, without query or fragment; relative ones where allowed.
pub(crate) fn base_url(text: &str, relative: bool, field: &'static str) -> Result<String, Error> {
    let plain = |rest: &str| {
        !rest.is_empty()
            && !rest
                .bytes()
                .any(|b| b <= b' ' || matches!(b, b'?' | b'#' | b'@' | b'\\'))
    };
    let local = |rest: &str| {
        let host = rest.split('/').next().unwrap_or_default();
        let host = if host.starts_with('[') {
            host.split_inclusive(']').next()
        } else {
            host.split(':').next()
        };
        matches!(host, Some("127.0.0.1" | "localhost" | "[::1]"))
    };
    let fine = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
        (Some(rest), _) => plain(rest),
        (None, Some(rest)) => plain(rest) && local(rest),
        (None, None) => {
            relative && (text.is_empty() || text.starts_with('/') && !text.starts_with("//") && plain(text))
        }
    };
    if fine {
        Ok(text.trim_end_matches('/').into())
    } else {
        Err(Error::new(Code::OptionInvalid).at(field))
    }
}
