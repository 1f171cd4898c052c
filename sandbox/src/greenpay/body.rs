//! Reads request bodies as a forgiving JavaScript server does: any field order, unknown fields, and numbers
//! instead of strings. An amount keeps its exact text.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::wire::Scalar;

/// Longer amounts are refused.
const MAX_AMOUNT_CHARS: usize = 32;

/// A JSON object whose fields are still text.
pub(crate) struct Body(HashMap<String, Box<RawValue>>);

impl Body {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }

    /// A field that is a string.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// A field that is an object.
    pub(crate) fn object(&self, name: &str) -> Option<Self> {
        Self::parse(self.0.get(name)?.get().as_bytes())
    }

    /// A field that is a list of objects.
    pub(crate) fn objects(&self, name: &str) -> Option<Vec<Self>> {
        let list: Vec<HashMap<_, _>> = serde_json::from_str(self.0.get(name)?.get()).ok()?;
        Some(list.into_iter().map(Self).collect())
    }

    /// A field that is a list of strings.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        serde_json::from_str(self.0.get(name)?.get()).ok()
    }

    /// A field that is a number or a string that is not empty.
    pub(crate) fn scalar(&self, name: &str) -> Option<Scalar> {
        match serde_json::from_str(self.0.get(name)?.get()).ok()? {
            Scalar::Text(text) if text.is_empty() => None,
            scalar @ (Scalar::Integer(_) | Scalar::Text(_)) => Some(scalar),
        }
    }

    /// A field that is a string or a number, as text.
    pub(crate) fn printed(&self, name: &str) -> Option<String> {
        self.scalar(name).map(|scalar| scalar.to_string())
    }

    /// A plain decimal number, or a string with one, as it was written.
    pub(crate) fn amount(&self, name: &str) -> Option<String> {
        let raw = self.0.get(name)?.get();
        let written = if raw.starts_with('"') {
            serde_json::from_str(raw).ok()?
        } else {
            raw.to_owned()
        };
        is_amount(&written).then_some(written)
    }
}

fn is_amount(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    text.len() <= MAX_AMOUNT_CHARS && digits(whole) && digits(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_text_of_an_amount() {
        let body =
            Body::parse(br#"{"a":10.10,"b":"0.30","c":1e2,"d":-1,"e":"","f":null,"g":".5","h":100,"i":1.}"#);
        assert!(body.is_none());
        let body = Body::parse(br#"{"a":10.10,"b":"0.30","c":1e2,"d":-1,"e":"","f":null,"g":".5","h":100}"#)
            .unwrap();
        assert_eq!(body.amount("a").as_deref(), Some("10.10"));
        assert_eq!(body.amount("b").as_deref(), Some("0.30"));
        assert_eq!(body.amount("h").as_deref(), Some("100"));
        for name in ["c", "d", "e", "f", "g", "x"] {
            assert_eq!(body.amount(name), None, "{name}");
        }
    }

    #[test]
    fn tells_numbers_from_texts() {
        let body = Body::parse(br#"{"n":1,"f":1.0,"t":"xwr-1","e":"","o":{},"z":null}"#).unwrap();
        assert_eq!(body.scalar("n"), Some(Scalar::Integer(1)));
        assert_eq!(body.scalar("f"), Some(Scalar::Integer(1)));
        assert_eq!(body.scalar("t"), Some("xwr-1".into()));
        for name in ["e", "o", "z", "x"] {
            assert_eq!(body.scalar(name), None, "{name}");
        }
        assert_eq!(body.text("n"), None);
        assert!(Body::parse(b"[]").is_none());
        assert!(Body::parse(b"").is_none());
        assert!(Body::parse(b"{\"a\":1").is_none());
    }
}
