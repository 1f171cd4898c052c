//! JSON text, written in a page of code: a general JSON library would cost more bytes than everything else that a page
//! downloads from this crate.
//!
//! [`Json`] writes compact text, byte-equal to what `JSON.stringify` writes, but for characters above U+FFFF. Those are
//! written as a pair of `\u` escapes: both forms mean the same, but a receiver that decodes UTF-8 with the field's common
//! JavaScript library misreads four-byte characters.

use crate::wiped::Wiped;

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

    fn escape(&mut self, unit: u32) {
        self.0.push_str("\\u");
        for shift in [12, 8, 4, 0] {
            self.0.extend(char::from_digit(unit >> shift & 15, 16));
        }
    }

    pub(crate) fn into_bytes(mut self) -> Wiped<Vec<u8>> {
        Wiped::new(std::mem::take(&mut *self.0).into_bytes())
    }

    pub(crate) fn into_string(mut self) -> String {
        std::mem::take(&mut *self.0)
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
