//! Reading what a page handed over. Only own members are read, each once: what stands on a prototype, `Object.prototype`
//! above all, was not meant for us. A member that cannot be read has the wrong type.

use std::cell::OnceCell;

use js_sys::{Array, Function};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;

use crate::card::Secret;
use crate::error::{Code, Error, Result};
pub(crate) use crate::global::get;
use crate::global::global;
use crate::hosts::{self, BaseUrl};
use crate::session::{self, AccessInput, SessionInput};

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = Object, js_name = hasOwn)]
    fn has_own(object: &JsValue, name: &str) -> Result<bool, JsValue>;

    // What `js_sys` has would take the text to Rust and back.
    #[wasm_bindgen(js_namespace = Date, js_name = parse)]
    fn parse_date(text: &JsValue) -> f64;

    #[wasm_bindgen(catch, js_namespace = Object, js_name = keys)]
    fn own_keys(object: &JsValue) -> Result<Array, JsValue>;
}

/// The error for a value of the wrong type.
pub(crate) fn wrong_type(field: &'static str) -> Error {
    Error::new(Code::TypeInvalid).at(field)
}

/// The error for an option whose value is not offered.
pub(crate) fn not_offered(field: &'static str) -> Error {
    Error::new(Code::OptionInvalid).at(field)
}

/// Neither `null` nor `undefined`.
fn given(value: JsValue) -> Option<JsValue> {
    (!value.is_null_or_undefined()).then_some(value)
}

/// The own members of an object. What is no object has none.
pub(crate) struct Members(JsValue);

impl Members {
    pub(crate) fn of(value: &JsValue) -> Self {
        Self(value.clone())
    }

    /// Of a session.
    pub(crate) fn of_session(value: &JsValue) -> Result<Self> {
        if is_object(value) {
            Ok(Self::of(value))
        } else {
            Err(Code::SessionMalformed.into())
        }
    }

    /// A member as it is, if it is there.
    pub(crate) fn value(&self, name: &'static str) -> Result<Option<JsValue>> {
        if !self.0.is_object() {
            return Ok(None);
        }
        let found = has_own(&self.0, name).and_then(|own| {
            if own {
                get(&self.0, name)
            } else {
                Ok(JsValue::UNDEFINED)
            }
        });
        found.map(given).map_err(|_| wrong_type(name))
    }

    /// A text.
    pub(crate) fn text(&self, name: &'static str) -> Result<Option<String>> {
        self.value(name)?.map(|value| text(&value, name)).transpose()
    }

    /// Several members. The first that cannot be read is the error of all: one way out for all of them is a fraction of
    /// the bytes of one each.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Reader<'_>) -> T) -> Result<T> {
        let fault = OnceCell::new();
        let read = read(&Reader {
            members: self,
            fault: &fault,
        });
        match fault.into_inner() {
            Some(error) => Err(error),
            None => Ok(read),
        }
    }

    /// A function.
    pub(crate) fn function(&self, name: &'static str) -> Result<Option<Function>> {
        let function = self.value(name)?.map(|value| value.dyn_into::<Function>());
        function.transpose().map_err(|_| wrong_type(name))
    }

    /// Yes or no.
    pub(crate) fn flag(&self, name: &'static str) -> Result<Option<bool>> {
        self.value(name)?
            .map(|value| value.as_bool().ok_or_else(|| wrong_type(name)))
            .transpose()
    }

    /// One of several words; the first where there is none.
    pub(crate) fn choice<T: Copy>(&self, name: &'static str, words: &[(&str, T)]) -> Result<T> {
        let word = self.text(name)?;
        let found = words
            .iter()
            .find(|(offered, _)| word.as_deref().is_none_or(|word| word == *offered));
        found.map(|(_, value)| *value).ok_or_else(|| not_offered(name))
    }

    /// 1 to 255 visible ASCII characters.
    pub(crate) fn visible(&self, name: &'static str) -> Result<Option<String>> {
        self.text(name)?
            .map(|text| session::visible(text, 255, name, Code::OptionInvalid))
            .transpose()
    }

    /// A whole number within bounds.
    pub(crate) fn whole(&self, name: &'static str, least: f64, most: f64, code: Code) -> Result<Option<f64>> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let number = value
            .as_f64()
            .filter(|number| number.trunc() == *number && (least..=most).contains(number));
        number.map(Some).ok_or_else(|| Error::new(code).at(name))
    }

    /// A moment: milliseconds since 1970, or a date as `Date.parse` takes it.
    pub(crate) fn moment(&self, name: &'static str) -> Result<Option<f64>> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let moment = if value.is_string() {
            parse_date(&value)
        } else {
            value.as_f64().unwrap_or(f64::NAN)
        };
        if moment.is_finite() {
            Ok(Some(moment.floor()))
        } else {
            Err(session::malformed(name))
        }
    }

    /// What every session has.
    pub(crate) fn session(&self) -> Result<SessionInput> {
        self.read(|members| members.session())
    }

    /// Where a platform is, if the page says so: by a name, or by the member `base` of an object.
    pub(crate) fn environment<T: Copy>(
        &self,
        base: &'static str,
        names: &[(&str, T)],
    ) -> Result<Option<Environment<T>>> {
        const FIELD: &str = "environment";
        let Some(value) = self.value(FIELD)? else {
            return Ok(None);
        };
        if is_object(&value) {
            let url = Self::of(&value).text(base)?.unwrap_or_default();
            let url = BaseUrl::parse(&url).ok_or_else(|| not_offered(FIELD))?;
            return Ok(Some(Environment::At(url)));
        }
        self.choice(FIELD, names).map(Environment::Named).map(Some)
    }
}

/// Reads members as [`Members`] does, but keeps the first error to the end: see [`Members::read`].
pub(crate) struct Reader<'a> {
    members: &'a Members,
    fault: &'a OnceCell<Error>,
}

impl Reader<'_> {
    /// What was read, or nothing and the error of all.
    pub(crate) fn kept<T>(&self, read: Result<Option<T>>) -> Option<T> {
        read.unwrap_or_else(|error| {
            // Only the first counts.
            let _ = self.fault.set(error);
            None
        })
    }

    /// A text.
    pub(crate) fn text(&self, name: &'static str) -> Option<String> {
        self.kept(self.members.text(name))
    }

    /// A text that is wiped when dropped; an empty one where there is none.
    pub(crate) fn secret(&self, name: &'static str) -> Secret {
        Secret::new(self.text(name).unwrap_or_default())
    }

    /// Yes or no; no where there is none.
    pub(crate) fn flag(&self, name: &'static str) -> bool {
        self.kept(self.members.flag(name)).unwrap_or_default()
    }

    /// 1 to 255 visible ASCII characters.
    pub(crate) fn visible(&self, name: &'static str) -> Option<String> {
        self.kept(self.members.visible(name))
    }

    /// The same for an object in it.
    pub(crate) fn within<'b>(&'b self, members: &'b Members) -> Reader<'b> {
        Reader {
            members,
            fault: self.fault,
        }
    }

    /// Where the platform of a session is, and with what right it is called.
    pub(crate) fn access(&self) -> AccessInput {
        AccessInput {
            base_url: self.text("base_url"),
            access_token: self.text("access_token"),
        }
    }

    /// What every session has. A word of the wrong type is no word that a session has.
    pub(crate) fn session(&self) -> SessionInput {
        let word = |name| self.kept(self.members.text(name).map_err(|_| session::malformed(name)));
        SessionInput {
            id: self.text("id"),
            platform: word("platform"),
            kind: word("kind"),
            mode: word("mode"),
            created_at: self.kept(self.members.moment("created_at")),
            expires_at: self.kept(self.members.moment("expires_at")),
        }
    }
}

/// Where a platform is.
pub(crate) enum Environment<T> {
    Named(T),
    At(BaseUrl),
}

/// A member of what the language or the browser has, wherever it stands.
pub(crate) fn member(object: &JsValue, name: &str) -> Option<JsValue> {
    // Asked first: wasm-bindgen keeps a place in its table for what a call would have returned that throws.
    let found = object.is_object().then(|| get(object, name).ok())?;
    found.and_then(given)
}

/// The names of an object's own members.
pub(crate) fn keys(object: &JsValue) -> Result<Vec<String>> {
    let names = own_keys(object).map_err(|_| Code::TypeInvalid)?;
    Ok(names.iter().filter_map(|name| name.as_string()).collect())
}

/// The items of a list. What is no list has none.
pub(crate) fn items(list: &JsValue) -> Result<Vec<JsValue>> {
    if !Array::is_array(list) {
        return Ok(Vec::new());
    }
    let read = |name: &str| get(list, name).map_err(|_| Code::TypeInvalid);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "no list is longer"
    )]
    let length = read("length")?.as_f64().unwrap_or_default() as u32;
    let mut items = Vec::new();
    for index in 0..length {
        items.push(read(&index.to_string())?);
    }
    Ok(items)
}

/// Neither a list nor `null`.
pub(crate) fn is_object(value: &JsValue) -> bool {
    value.is_object() && !Array::is_array(value)
}

/// A text that must be one.
pub(crate) fn text(value: &JsValue, field: &'static str) -> Result<String> {
    value.as_string().ok_or_else(|| wrong_type(field))
}

/// Whether the page came from this machine, or there is no page: only there does a session name this machine.
pub(crate) fn is_local() -> bool {
    member(&global(), "location").is_none_or(|location| {
        member(&location, "origin")
            .and_then(|origin| origin.as_string())
            .is_some_and(|origin| hosts::is_loopback(&origin))
    })
}
