//! Reads JSON bodies by the paths of their members. Unknown members are ignored, as the platforms' own models do.

use std::marker::PhantomData;

use serde_json::{Map, Value};

/// How a platform refuses a member.
pub(crate) trait Refuse: Sized {
    /// What the body itself is called in a refusal.
    const BODY: &'static str;
    /// Whether a missing body counts as an object without members.
    const ALLOWS_NO_BODY: bool = true;
    /// Whether an empty string counts as absent.
    const EMPTY_IS_ABSENT: bool = false;

    fn missing(path: &str) -> Self;
    fn invalid(path: &str) -> Self;
}

/// A JSON object. Members are named by their path, such as `order.amountOfMoney`.
pub(crate) struct Fields<R> {
    object: Value,
    refusal: PhantomData<fn() -> R>,
}

impl<R: Refuse> Fields<R> {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, R> {
        if R::ALLOWS_NO_BODY && bytes.trim_ascii().is_empty() {
            return Ok(Self::none());
        }
        match serde_json::from_slice(bytes) {
            Ok(object @ Value::Object(_)) => Ok(Self {
                object,
                refusal: PhantomData,
            }),
            _ => Err(R::invalid(R::BODY)),
        }
    }

    pub(crate) fn none() -> Self {
        Self {
            object: Value::Object(Map::new()),
            refusal: PhantomData,
        }
    }

    /// The JSON as text, independent of white space.
    pub(crate) fn canonical(&self) -> String {
        self.object.to_string()
    }

    /// The value at a path; null counts as absent.
    pub(crate) fn at(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let value = names.try_fold(&self.object, |value, name| value.get(name))?;
        let absent = value.is_null() || (R::EMPTY_IS_ABSENT && value == "");
        (!absent).then_some(value)
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.at(path).is_some()
    }

    /// A member of one type.
    pub(crate) fn typed<'a, T>(
        &'a self,
        path: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, R> {
        self.at(path)
            .map(|value| read(value).ok_or_else(|| R::invalid(path)))
            .transpose()
    }

    pub(crate) fn text(&self, path: &str) -> Result<Option<&str>, R> {
        self.typed(path, Value::as_str)
    }

    /// A required string.
    pub(crate) fn needed(&self, path: &str) -> Result<&str, R> {
        let text = self.text(path)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| R::missing(path))
    }

    /// A string from a list of words.
    pub(crate) fn one_of<'a>(&self, path: &str, words: &[&'a str]) -> Result<Option<&'a str>, R> {
        let known = |text| words.iter().copied().find(|word| *word == text);
        self.typed(path, |value| known(value.as_str()?))
    }

    pub(crate) fn flag(&self, path: &str) -> Result<Option<bool>, R> {
        self.typed(path, Value::as_bool)
    }
}

/// Whether a text has the form of a currency or country code: `letters` capital letters.
pub(crate) fn is_code(text: &str, letters: usize) -> bool {
    text.len() == letters && text.bytes().all(|byte| byte.is_ascii_uppercase())
}
