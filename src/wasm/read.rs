//! Reads what a page passes in. Only own members are read, each once; members of a prototype, above all of
//! `Object.prototype`, are ignored. A member that cannot be read has the wrong type.

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

    // `js_sys` would copy the string to Rust and back.
    #[wasm_bindgen(js_namespace = Date, js_name = parse)]
    fn parse_date(text: &JsValue) -> f64;

    #[wasm_bindgen(catch, js_namespace = Object, js_name = keys)]
    fn own_keys(object: &JsValue) -> Result<Array, JsValue>;
}

/// The error for a value of the wrong type.
pub(crate) fn wrong_type(field: &'static str) -> Error {
    Error::new(Code::TypeInvalid).at(field)
}

/// The error for an option whose value is not allowed.
pub(crate) fn not_offered(field: &'static str) -> Error {
    Error::new(Code::OptionInvalid).at(field)
}

/// Returns a value that is neither `null` nor `undefined`.
fn given(value: JsValue) -> Option<JsValue> {
    (!value.is_null_or_undefined()).then_some(value)
}

/// The own members of an object. Other values have none.
pub(crate) struct Members(JsValue);

impl Members {
    pub(crate) fn of(value: &JsValue) -> Self {
        Self(value.clone())
    }

    /// The members of a session.
    pub(crate) fn of_session(value: &JsValue) -> Result<Self> {
        if is_object(value) {
            Ok(Self::of(value))
        } else {
            Err(Code::SessionMalformed.into())
        }
    }

    /// Reads a member of any type.
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

    /// Reads several members. The error is that of the first one that fails. A common exit makes the module much
    /// smaller than one for each member.
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

    /// Reads one of several words. The first is the default.
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

    /// Reads a whole number from `least` to `most`.
    pub(crate) fn whole(&self, name: &'static str, least: f64, most: f64, code: Code) -> Result<Option<f64>> {
        let Some(value) = self.value(name)? else {
            return Ok(None);
        };
        let number = value
            .as_f64()
            .filter(|number| number.trunc() == *number && (least..=most).contains(number));
        number.map(Some).ok_or_else(|| Error::new(code).at(name))
    }

    /// Reads a time: milliseconds since 1970, or a string for `Date.parse`.
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

    /// Reads the members that every session has.
    pub(crate) fn session(&self) -> Result<SessionInput> {
        self.read(|members| members.session())
    }

    /// Reads the option `environment`: a name, or an object with a URL.
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

/// Reads members like [`Members`], but keeps the first error to the end. See [`Members::read`].
pub(crate) struct Reader<'a> {
    members: &'a Members,
    fault: &'a OnceCell<Error>,
}

impl Reader<'_> {
    /// Returns what was read, or stores the error.
    pub(crate) fn kept<T>(&self, read: Result<Option<T>>) -> Option<T> {
        read.unwrap_or_else(|error| {
            // Only the first error counts.
            let _ = self.fault.set(error);
            None
        })
    }

    /// A text.
    pub(crate) fn text(&self, name: &'static str) -> Option<String> {
        self.kept(self.members.text(name))
    }

    /// Reads a string that is wiped on drop. Empty if it is missing.
    pub(crate) fn secret(&self, name: &'static str) -> Secret {
        Secret::new(self.text(name).unwrap_or_default())
    }

    /// Reads a boolean. False if it is missing.
    pub(crate) fn flag(&self, name: &'static str) -> bool {
        self.kept(self.members.flag(name)).unwrap_or_default()
    }

    /// 1 to 255 visible ASCII characters.
    pub(crate) fn visible(&self, name: &'static str) -> Option<String> {
        self.kept(self.members.visible(name))
    }

    /// Reads the members of a nested object.
    pub(crate) fn within<'b>(&'b self, members: &'b Members) -> Reader<'b> {
        Reader {
            members,
            fault: self.fault,
        }
    }

    /// Reads the address of a session's platform, and the access token.
    pub(crate) fn access(&self) -> AccessInput {
        AccessInput {
            base_url: self.text("base_url"),
            access_token: self.text("access_token"),
        }
    }

    /// Reads the members that every session has. A value of the wrong type is not one that a session can have.
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

/// The environment of a platform.
pub(crate) enum Environment<T> {
    Named(T),
    At(BaseUrl),
}

/// Reads a member of an object of the language or the browser, also from its prototypes.
pub(crate) fn member(object: &JsValue, name: &str) -> Option<JsValue> {
    // Checked first, because wasm-bindgen leaks a table entry when a call throws.
    let found = object.is_object().then(|| get(object, name).ok())?;
    found.and_then(given)
}

/// Returns the names of an object's own members.
pub(crate) fn keys(object: &JsValue) -> Result<Vec<String>> {
    let names = own_keys(object).map_err(|_| Code::TypeInvalid)?;
    Ok(names.iter().filter_map(|name| name.as_string()).collect())
}

/// Returns the items of an array. Other values have none.
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

/// Whether a value is an object, but not an array.
pub(crate) fn is_object(value: &JsValue) -> bool {
    value.is_object() && !Array::is_array(value)
}

/// Reads a required string.
pub(crate) fn text(value: &JsValue, field: &'static str) -> Result<String> {
    value.as_string().ok_or_else(|| wrong_type(field))
}

/// Whether the page is from this machine, or there is no page. Only then may a session name this machine.
pub(crate) fn is_local() -> bool {
    member(&global(), "location").is_none_or(|location| {
        member(&location, "origin")
            .and_then(|origin| origin.as_string())
            .is_some_and(|origin| hosts::is_loopback(&origin))
    })
}
