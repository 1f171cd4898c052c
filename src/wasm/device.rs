//! The browser's data for Online Payments, from the page or from the browser itself.

use js_sys::{Array, Date, JSON};
use wasm_bindgen::prelude::*;

use super::read::{Members, get, is_object, items, keys, member, wrong_type};
use crate::error::Result;
use crate::global::global;
use crate::online_payments::Browser;

/// The browser's data, as the platform gets it.
#[derive(Clone)]
pub(crate) struct Device {
    /// JSON. `None` if the page did not pass an object.
    json: Option<String>,
    screen_size: Option<String>,
}

const FIELD: &str = "device";

impl Device {
    /// Reads the data that a page passes instead.
    pub(crate) fn given(value: &JsValue) -> Result<Self> {
        let read = || -> Result<Self> {
            let data = Members::of(value).value("browserData")?.unwrap_or_default();
            let data = Members::of(&data);
            Ok(Self {
                json: json(value, DEEPEST)?.filter(|_| is_object(value)),
                screen_size: size(data.value("innerWidth")?, data.value("innerHeight")?),
            })
        };
        read().map_err(|_| wrong_type(FIELD))
    }

    /// Reads the data of this browser. What it does not have is left out.
    pub(crate) fn here() -> Self {
        let global = global();
        let screen = member(&global, "screen").unwrap_or_default();
        let navigator = member(&global, "navigator").unwrap_or_default();
        let (width, height) = (member(&global, "innerWidth"), member(&global, "innerHeight"));
        let data = [
            ("javaScriptEnabled", Some(JsValue::TRUE)),
            ("colorDepth", member(&screen, "colorDepth")),
            ("screenHeight", member(&screen, "height")),
            ("screenWidth", member(&screen, "width")),
            ("innerHeight", height.clone()),
            ("innerWidth", width.clone()),
        ];
        let offset = Date::new_0().get_timezone_offset();
        let written = |value: Option<JsValue>| value.and_then(|value| json(&value, 1).ok().flatten());
        let data = data.map(|(name, value)| (String::from(name), written(value)));
        let members = [
            ("timezoneOffsetUtcMinutes", written(Some(offset.into()))),
            ("locale", written(member(&navigator, "language"))),
            ("browserData", Some(object(data.into()))),
        ];
        let members = members.map(|(name, value)| (String::from(name), value));
        Self {
            json: Some(object(members.into())),
            screen_size: size(width, height),
        }
    }

    /// As JSON.
    pub(crate) fn json(&self) -> Result<&str> {
        self.json.as_deref().ok_or_else(|| wrong_type(FIELD))
    }

    /// The part that every call contains.
    pub(crate) fn browser(&self) -> Browser {
        let navigator = member(&global(), "navigator").unwrap_or_default();
        Browser {
            screen_size: self.screen_size.clone(),
            user_agent: member(&navigator, "userAgent").and_then(|agent| agent.as_string()),
        }
    }
}

/// Returns width and height, unless the window has none.
fn size(width: Option<JsValue>, height: Option<JsValue>) -> Option<String> {
    let pixels = |value: Option<JsValue>| match value? {
        number if number.as_f64().is_some_and(|pixels| pixels > 0.0) => primitive(&number),
        other => other.as_string().filter(|text| !text.is_empty()),
    };
    Some([&*pixels(width)?, "x", &pixels(height)?].concat())
}

/// The deepest nesting that is read, because an object can contain itself.
const DEEPEST: u32 = 20;

/// Converts a value to JSON, with only the own members of objects. `JSON.stringify` alone would also call a
/// `toJSON` of a prototype. `None` for values that JSON does not have.
fn json(value: &JsValue, depth: u32) -> Result<Option<String>> {
    if !value.is_object() {
        return Ok(primitive(value));
    }
    if depth == 0 {
        return Ok(None);
    }
    if Array::is_array(value) {
        let mut text = String::from("[");
        for (index, item) in items(value)?.iter().enumerate() {
            if index > 0 {
                text.push(',');
            }
            text.push_str(json(item, depth - 1)?.as_deref().unwrap_or("null"));
        }
        text.push(']');
        return Ok(Some(text));
    }
    let mut members = Vec::new();
    for name in keys(value)? {
        let member = get(value, &name).map_err(|_| wrong_type(FIELD))?;
        members.push((name, json(&member, depth - 1)?));
    }
    Ok(Some(object(members)))
}

fn object(members: Vec<(String, Option<String>)>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        let (Some(name), Some(value)) = (primitive(&name.into()), value) else {
            continue;
        };
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&name);
        text.push(':');
        text.push_str(&value);
    }
    text.push('}');
    text
}

/// Converts a value that is not an object, which cannot call code of the page.
fn primitive(value: &JsValue) -> Option<String> {
    JSON::stringify(value).ok().and_then(|text| text.as_string())
}
