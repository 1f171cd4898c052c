//! JSON text, written and read in a page of code each: a general JSON library would cost more bytes than everything
//! else that a page downloads from this crate.
//!
//! [`Json`] writes compact text, byte-equal to what `JSON.stringify` writes, but for characters above U+FFFF. Those are
//! written as a pair of `\u` escapes: both forms mean the same, but a receiver that decodes UTF-8 with the field's common
//! JavaScript library misreads four-byte characters. [`Value`] reads what `JSON.stringify` writes, and refuses
//! everything that is not JSON.

use crate::wiped::Wiped;

use crate::prelude::*;

/// A growing JSON text, wiped when dropped.
///
/// Room is reserved once, so that no shorter copy of a card is left behind by growing.
pub(crate) struct Json(Wiped<String>);

impl Json {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Wiped::new(String::with_capacity(bytes)))
    }

    /// Punctuation, keys and whatever else is JSON already.
    pub(crate) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// A number.
    pub(crate) fn integer(&mut self, value: u32) -> &mut Self {
        push_decimal(&mut self.0, value.into());
        self
    }

    /// A number below 100 as two digits.
    pub(crate) fn two_digits(&mut self, value: u32) -> &mut Self {
        self.raw(if value < 10 { "0" } else { "" }).integer(value)
    }

    /// An array of bytes as numbers.
    pub(crate) fn bytes(&mut self, values: &[u8]) -> &mut Self {
        self.list(values, |json, value| {
            json.integer((*value).into());
        })
    }

    /// An array.
    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) -> &mut Self {
        self.raw("[");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]")
    }

    /// A text, quoted. What needs no escape is copied in one piece.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.0.push('"');
        let special = |byte: u8| matches!(byte, 0..0x20 | b'"' | b'\\' | 0xf0..);
        let mut rest = value;
        while let Some((plain, from)) = rest
            .bytes()
            .position(special)
            .and_then(|at| rest.split_at_checked(at))
        {
            self.0.push_str(plain);
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                self.escaped(c);
            }
            rest = chars.as_str();
        }
        self.0.push_str(rest);
        self.0.push('"');
        self
    }

    fn escaped(&mut self, c: char) {
        let short = match c {
            '"' => '"',
            '\\' => '\\',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{10000}'.. => {
                let above = u32::from(c) - 0x1_0000;
                self.escape(0xd800 + (above >> 10));
                self.escape(0xdc00 + (above & 0x3ff));
                return;
            }
            _ => {
                self.escape(u32::from(c));
                return;
            }
        };
        self.0.push('\\');
        self.0.push(short);
    }

    /// A text, or `null`.
    pub(crate) fn optional(&mut self, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.text(value),
            None => self.raw("null"),
        }
    }

    fn escape(&mut self, unit: u32) {
        self.0.push_str("\\u");
        for shift in [12, 8, 4, 0] {
            self.0.extend(char::from_digit(unit >> shift & 15, 16));
        }
    }

    pub(crate) fn into_bytes(mut self) -> Wiped<Vec<u8>> {
        Wiped::new(core::mem::take(&mut *self.0).into_bytes())
    }

    pub(crate) fn into_string(mut self) -> String {
        core::mem::take(&mut *self.0)
    }
}

/// A whole number in decimal.
pub(crate) fn push_decimal(text: &mut String, value: i64) {
    let mut rest = value.unsigned_abs();
    let mut digits = [0; 20];
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        let value = (rest % 10) as u8;
        *digit = b'0' + value;
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        text.push('-');
    }
    text.extend(
        digits
            .iter()
            .skip(digits.len() - length)
            .map(|digit| char::from(*digit)),
    );
}

/// A JSON value. Its texts may be secrets: it has no `Debug`, and is freed, not kept.
#[cfg_attr(test, derive(Clone, PartialEq))]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// Within 2^53, where JavaScript's numbers are exact.
    Integer(i64),
    /// Any other number: none is ever needed.
    Number,
    Text(Wiped<String>),
    /// A text with an unpaired surrogate, which no encoding can carry; it is left out.
    Broken,
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// How deep lists and objects may be in one another; our own and the platforms' need five.
const DEEPEST: usize = 24;

/// The largest integer up to which JavaScript's numbers are exact.
const MAX_SAFE: i64 = (1 << 53) - 1;

impl Value {
    /// Reads a whole text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader { rest: text };
        let value = reader.value(DEEPEST)?;
        reader.skip_blanks();
        reader.rest.is_empty().then_some(value)
    }

    /// A member; `Null` if there is none, or if this is no object.
    pub(crate) fn get(&self, name: &str) -> &Self {
        let Self::Object(members) = self else {
            return &Self::Null;
        };
        // As in JavaScript, the last of several wins.
        let member = members.iter().rev().find(|(key, _)| key == name);
        member.map_or(&Self::Null, |(_, value)| value)
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null
            | Self::Bool(_)
            | Self::Integer(_)
            | Self::Number
            | Self::Broken
            | Self::List(_)
            | Self::Object(_) => None,
        }
    }

    pub(crate) const fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            Self::Null
            | Self::Bool(_)
            | Self::Text(_)
            | Self::Number
            | Self::Broken
            | Self::List(_)
            | Self::Object(_) => None,
        }
    }

    /// Nothing where nothing is; otherwise it must be an object.
    pub(crate) fn as_optional_object(&self) -> Option<Option<&Self>> {
        (self.is_null() || self.is_object()).then_some((!self.is_null()).then_some(self))
    }

    pub(crate) const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    pub(crate) const fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        self.skip_blanks();
        for (word, value) in [
            ("null", Value::Null),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
        ] {
            if self.take(word) {
                return Some(value);
            }
        }
        if self.take("\"") {
            return self.text();
        }
        if self.take("[") {
            let mut items = Vec::new();
            self.items("]", depth, |reader, depth| {
                items.push(reader.value(depth)?);
                Some(())
            })?;
            return Some(Value::List(items));
        }
        if self.take("{") {
            let mut members = Vec::new();
            self.items("}", depth, |reader, depth| {
                let Value::Text(mut name) = reader.value(depth)? else {
                    return None;
                };
                reader.skip_blanks();
                if !reader.take(":") {
                    return None;
                }
                members.push((core::mem::take(&mut *name), reader.value(depth)?));
                Some(())
            })?;
            return Some(Value::Object(members));
        }
        self.number()
    }

    /// What stands between brackets, with commas between.
    fn items(
        &mut self,
        end: &str,
        depth: usize,
        mut read: impl FnMut(&mut Self, usize) -> Option<()>,
    ) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        self.skip_blanks();
        if self.take(end) {
            return Some(());
        }
        loop {
            read(self, depth)?;
            self.skip_blanks();
            if self.take(end) {
                return Some(());
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    /// What follows a quotation mark, up to the next.
    fn text(&mut self) -> Option<Value> {
        // As long as the rest can be at most, so that growing leaves no shorter copy.
        let mut text = Wiped::new(String::with_capacity(self.rest.find('"')?));
        let mut broken = false;
        loop {
            let special = |byte: u8| matches!(byte, 0..0x20 | b'"' | b'\\');
            let (plain, rest) = self.rest.split_at_checked(self.rest.bytes().position(special)?)?;
            text.push_str(plain);
            self.rest = rest;
            match self.next()? {
                '"' if broken => return Some(Value::Broken),
                '"' => return Some(Value::Text(text)),
                '\\' => text.push(match self.next()? {
                    'b' => '\u{8}',
                    't' => '\t',
                    'n' => '\n',
                    'f' => '\u{c}',
                    'r' => '\r',
                    'u' => {
                        let first = self.unit()?;
                        let second = if first >> 10 == 0x36 && self.take("\\u") {
                            self.unit()?
                        } else {
                            0
                        };
                        let pair = 0x1_0000 + ((first & 0x3ff) << 10) + (second & 0x3ff);
                        let code = if second >> 10 == 0x37 { pair } else { first };
                        // An unpaired surrogate is none; what follows one that is not its pair is lost with it.
                        broken |= second != 0 && second >> 10 != 0x37;
                        char::from_u32(code).unwrap_or_else(|| {
                            broken = true;
                            char::REPLACEMENT_CHARACTER
                        })
                    }
                    c @ ('"' | '\\' | '/') => c,
                    _ => return None,
                }),
                _ => return None,
            }
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Option<u32> {
        (0..4).try_fold(0, |unit, _| Some(unit << 4 | self.next()?.to_digit(16)?))
    }

    fn number(&mut self) -> Option<Value> {
        let negative = self.take("-");
        let (whole, mut value) = (self.digits()?, 0_i64);
        if whole.len() > 1 && whole.starts_with('0') {
            return None;
        }
        let mut exact = true;
        for digit in whole.bytes() {
            value = value.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
        }
        if self.take(".") {
            self.digits()?;
            exact = false;
        }
        if self.take("e") || self.take("E") {
            let _ = self.take("+") || self.take("-");
            self.digits()?;
            exact = false;
        }
        Some(if exact && value <= MAX_SAFE {
            Value::Integer(if negative { -value } else { value })
        } else {
            Value::Number
        })
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<&'a str> {
        let end = self
            .rest
            .bytes()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (end > 0).then_some(digits)
    }

    fn next(&mut self) -> Option<char> {
        let mut rest = self.rest.chars();
        let c = rest.next()?;
        self.rest = rest.as_str();
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod proofs;

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn quoted(text: &str) -> String {
        let mut json = Json::with_capacity(6 * text.len() + 2);
        json.text(text);
        json.into_string()
    }

    #[test]
    fn escapes_what_json_stringify_escapes_and_no_more() {
        let text: String = (0..0x300_u32)
            .chain(0x2020..0x2030)
            .filter_map(char::from_u32)
            .collect();
        assert_eq!(quoted(&text), serde_json::to_string(&text).unwrap());
    }

    #[test]
    fn writes_characters_above_the_basic_plane_as_pairs() {
        assert_eq!(
            quoted("a\u{1f600}\u{10ffff}\u{ffff}"),
            "\"a\\ud83d\\ude00\\udbff\\udfff\u{ffff}\""
        );
    }

    #[cfg(not(target_arch = "wasm32"))]
    proptest::proptest! {
        #[test]
        fn reads_back_as_what_was_written(text in "\\PC*|.*") {
            proptest::prop_assert_eq!(serde_json::from_str::<String>(&quoted(&text)).unwrap(), text);
        }
    }
}
