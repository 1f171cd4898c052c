//! Writes JSON. With `serde_json`, the module would be 6.9 KB larger after compression.
//!
//! The text is the same as from `JSON.stringify`, except for characters above U+FFFF, which are written as two `\u`
//! escapes: receivers with a widespread JavaScript library decode four-byte UTF-8 wrongly.

use zeroize::Zeroizing;

/// Returns an object as JSON, which is wiped on drop. `write` is called twice: first to measure the text, so that
/// it never grows and leaves a copy of a card behind.
pub(crate) fn object(write: impl Fn(&mut Object<'_>)) -> Zeroizing<String> {
    written(&write)
}

// `dyn`, so that the code is in the module only once.
fn written(write: &dyn Fn(&mut Object<'_>)) -> Zeroizing<String> {
    let mut measured = Json::Measured(0);
    measured.object(write);
    let Json::Measured(length) = measured else {
        return Zeroizing::default();
    };
    let mut written = Json::Written(Zeroizing::new(String::with_capacity(length)));
    written.object(write);
    match written {
        Json::Written(text) => text,
        Json::Measured(_) => Zeroizing::default(),
    }
}

/// Returns an object as JSON that is not wiped, because it leaves the module.
pub(crate) fn text(write: impl Fn(&mut Object<'_>)) -> String {
    std::mem::take(&mut *object(write))
}

/// The output, or only its length.
enum Json {
    Measured(usize),
    Written(Zeroizing<String>),
}

/// The members of an object.
pub(crate) struct Object<'a> {
    json: &'a mut Json,
    empty: bool,
}

impl Object<'_> {
    /// Adds a string.
    pub(crate) fn text(&mut self, name: &str, value: &str) -> &mut Self {
        self.name(name);
        self.json.text(value);
        self
    }

    /// Adds a string, if there is one.
    pub(crate) fn optional(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        if let Some(value) = value {
            self.text(name, value);
        }
        self
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, name: &str, value: u64) -> &mut Self {
        self.name(name);
        self.json.number(value);
        self
    }

    /// Adds a boolean.
    pub(crate) fn flag(&mut self, name: &str, value: bool) -> &mut Self {
        self.raw(name, if value { "true" } else { "false" })
    }

    /// Adds a value that is already JSON.
    pub(crate) fn raw(&mut self, name: &str, json: &str) -> &mut Self {
        self.name(name);
        self.json.push(json);
        self
    }

    /// Adds bytes as an array of numbers.
    pub(crate) fn bytes(&mut self, name: &str, values: &[u8]) -> &mut Self {
        self.name(name);
        let mut before = "[";
        for value in values {
            self.json.push(before);
            self.json.number((*value).into());
            before = ",";
        }
        self.json.push("]");
        self
    }

    /// Adds an object.
    pub(crate) fn object(&mut self, name: &str, write: impl Fn(&mut Object<'_>)) -> &mut Self {
        self.name(name);
        self.json.object(&write);
        self
    }

    /// Adds an array of objects.
    pub(crate) fn objects<T>(
        &mut self,
        name: &str,
        items: &[T],
        write: impl Fn(&mut Object<'_>, &T),
    ) -> &mut Self {
        self.name(name);
        let mut before = "[";
        for item in items {
            self.json.push(before);
            self.json.object(&|object| write(object, item));
            before = ",";
        }
        self.json.push(if items.is_empty() { "[]" } else { "]" });
        self
    }

    fn name(&mut self, name: &str) {
        if !self.empty {
            self.json.push(",");
        }
        self.empty = false;
        self.json.text(name);
        self.json.push(":");
    }
}

impl Json {
    fn push(&mut self, text: &str) {
        match self {
            Self::Measured(length) => *length += text.len(),
            Self::Written(written) => written.push_str(text),
        }
    }

    fn object(&mut self, write: &dyn Fn(&mut Object<'_>)) {
        self.push("{");
        write(&mut Object {
            json: self,
            empty: true,
        });
        self.push("}");
    }

    fn number(&mut self, value: u64) {
        if value >= 10 {
            self.number(value / 10);
        }
        self.digit((value % 10) as u32);
    }

    fn digit(&mut self, digit: u32) {
        let digit = char::from_digit(digit, 16).unwrap_or_default();
        self.push(digit.encode_utf8(&mut [0; 4]));
    }

    fn text(&mut self, value: &str) {
        self.push("\"");
        let special = |byte: u8| matches!(byte, 0..0x20 | b'"' | b'\\' | 0xf0..);
        let mut rest = value;
        while let Some((plain, from)) = rest
            .bytes()
            .position(special)
            .and_then(|at| rest.split_at_checked(at))
        {
            self.push(plain);
            let mut chars = from.chars();
            if let Some(c) = chars.next() {
                self.escaped(c);
            }
            rest = chars.as_str();
        }
        self.push(rest);
        self.push("\"");
    }

    fn escaped(&mut self, c: char) {
        let short = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{8}' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\u{c}' => "\\f",
            '\r' => "\\r",
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    self.push("\\u");
                    for shift in [12, 8, 4, 0] {
                        self.digit(u32::from(*unit >> shift & 15));
                    }
                }
                return;
            }
        };
        self.push(short);
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    fn quoted(value: &str) -> String {
        let text = text(|object| {
            object.text("", value);
        });
        text.strip_prefix("{\"\":")
            .and_then(|text| text.strip_suffix('}'))
            .unwrap()
            .into()
    }

    #[test]
    fn writes_every_kind_of_member() {
        let written = object(|object| {
            object
                .text("a", "1")
                .optional("b", None)
                .optional("b", Some("\""))
                .number("c", 0)
                .number("d", u64::MAX)
                .flag("e", true)
                .raw("f", "[null]")
                .bytes("g", &[0, 10, 255])
                .object("h", |_| {})
                .objects("i", &[1, 2], |object, item| {
                    object.number("j", *item);
                })
                .objects("k", &[0; 0], |_, _| {});
        });
        assert_eq!(
            *written,
            r#"{"a":"1","b":"\"","c":0,"d":18446744073709551615,"e":true,"f":[null],"g":[0,10,255],"h":{},"i":[{"j":1},{"j":2}],"k":[]}"#
        );
        // The text did not grow, so no copy was left behind.
        assert_eq!(written.capacity(), written.len());
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
