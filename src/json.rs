//! Compact JSON text, byte-equal to what `JSON.stringify` writes, but for characters above U+FFFF.
//!
//! Those are written as a pair of `\u` escapes. Both forms mean the same, but a receiver that decodes UTF-8
//! with the field's common JavaScript library misreads four-byte characters. A general JSON library would
//! cost more bytes than everything else that a page downloads from this crate.

use core::fmt::Write;

use zeroize::Zeroizing;

/// A growing JSON text, wiped when dropped.
///
/// Room is reserved once, so that no shorter copy of a card is left behind by growing.
pub(crate) struct Json(Zeroizing<String>);

impl Json {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(String::with_capacity(bytes)))
    }

    /// Punctuation, keys and whatever else is JSON already.
    pub(crate) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.push_str(text);
        self
    }

    /// A number.
    pub(crate) fn integer(&mut self, value: u32) -> &mut Self {
        // Writing into a string cannot fail.
        let _ = write!(self.0, "{value}");
        self
    }

    /// A number below 100 as two digits.
    pub(crate) fn two_digits(&mut self, value: u32) -> &mut Self {
        let _ = write!(self.0, "{value:02}");
        self
    }

    /// An array of bytes as numbers.
    pub(crate) fn bytes(&mut self, values: &[u8]) -> &mut Self {
        for (index, value) in values.iter().enumerate() {
            self.raw(if index == 0 { "[" } else { "," })
                .integer((*value).into());
        }
        self.raw("]")
    }

    /// A text, quoted.
    pub(crate) fn text(&mut self, value: &str) -> &mut Self {
        self.0.push('"');
        for c in value.chars() {
            match c {
                '"' => self.0.push_str("\\\""),
                '\\' => self.0.push_str("\\\\"),
                '\u{8}' => self.0.push_str("\\b"),
                '\t' => self.0.push_str("\\t"),
                '\n' => self.0.push_str("\\n"),
                '\u{c}' => self.0.push_str("\\f"),
                '\r' => self.0.push_str("\\r"),
                '\0'..='\u{1f}' => self.escape(u32::from(c)),
                '\u{10000}'.. => {
                    let [high, low] = {
                        let above = u32::from(c) - 0x1_0000;
                        [0xd800 + (above >> 10), 0xdc00 + (above & 0x3ff)]
                    };
                    self.escape(high);
                    self.escape(low);
                }
                _ => self.0.push(c),
            }
        }
        self.0.push('"');
        self
    }

    fn escape(&mut self, unit: u32) {
        let _ = write!(self.0, "\\u{unit:04x}");
    }

    pub(crate) fn into_bytes(mut self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(core::mem::take(&mut *self.0).into_bytes())
    }

    pub(crate) fn into_string(mut self) -> String {
        core::mem::take(&mut *self.0)
    }
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
