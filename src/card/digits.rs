//! The decimal digits of every script.

/// The zeros of all characters with the general category `Nd` in Unicode 17.0 (`DerivedGeneralCategory.txt`),
/// ascending. One to nine follow each of them.
const ZEROS: [u32; 77] = [
    0x30, 0x660, 0x6f0, 0x7c0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xc66, 0xce6, 0xd66, 0xde6, 0xe50,
    0xed0, 0xf20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50, 0x1bb0, 0x1c40,
    0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30, 0x10d40,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da,
    0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16130, 0x16a60,
    0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0,
    0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// The value of a decimal digit of any script.
#[must_use]
pub fn digit(c: char) -> Option<u32> {
    let code = u32::from(c);
    let zero = ZEROS.get(ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?)?;
    Some(code - zero).filter(|value| *value < 10)
}

/// The ASCII digit of the same value.
#[must_use]
pub fn ascii_digit(c: char) -> Option<char> {
    char::from_digit(digit(c)?, 10)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn reads_the_digits_of_every_script() {
        for (zero, nine) in [
            ('0', '9'),
            ('\u{660}', '\u{669}'),
            ('\u{966}', '\u{96f}'),
            ('\u{ff10}', '\u{ff19}'),
            ('\u{1d7ce}', '\u{1d7d7}'),
            ('\u{1d7f6}', '\u{1d7ff}'),
            ('\u{11de0}', '\u{11de9}'),
        ] {
            assert_eq!((digit(zero), digit(nine)), (Some(0), Some(9)), "{zero}");
            assert_eq!(
                (ascii_digit(zero), ascii_digit(nine)),
                (Some('0'), Some('9')),
                "{zero}"
            );
        }
        // A fraction, a superscript, a Roman and a Chinese numeral, and the neighbours of digits.
        for c in [
            '\u{bd}',
            '\u{b2}',
            '\u{2164}',
            '\u{4e09}',
            '/',
            ':',
            '\0',
            '\u{10ffff}',
            'x',
        ] {
            assert_eq!(digit(c), None, "{c:?}");
        }
        assert_eq!(('\0'..=char::MAX).filter(|c| digit(*c).is_some()).count(), 770);
    }

    /// Compares with another library's table, of Unicode 16.0, and with the standard library's, which does not have
    /// `Nd` by itself.
    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn no_digit_is_missing_and_nothing_else_is_one() {
        let parsed = regex_syntax::parse(r"\p{Nd}").unwrap();
        let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = parsed.kind()
        else {
            panic!("not a class");
        };
        let known = |c: char| {
            class
                .ranges()
                .iter()
                .any(|range| (range.start()..=range.end()).contains(&c))
        };
        for c in '\0'..=char::MAX {
            // Tolong Siki came with Unicode 17.0.
            let newer = ('\u{11de0}'..='\u{11de9}').contains(&c);
            assert_eq!(digit(c).is_some(), known(c) || newer, "{c:?}");
            assert!(digit(c).is_none() || c.is_numeric(), "{c:?}");
        }
    }
}
