//! Masks what could be a card number in text that came from elsewhere.
//!
//! A digit is anything that Unicode calls a decimal digit, and whatever people put between groups of digits is
//! skipped: what only a person would read as a card number is one.

/// Digits of a primary account number: at least twelve (Maestro), at most nineteen (ISO/IEC 7812).
const PAN_DIGITS: core::ops::RangeInclusive<usize> = 12..=19;

/// Replaces every run of 12 to 19 digits that could be a card number, blanks and dashes between the digits
/// allowed, by its length in asterisks. Longer runs are masked too: nothing in a platform's text needs them.
#[must_use]
pub fn card_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars() {
        if digit(c).is_some() || (!run.is_empty() && is_separator(c)) {
            run.push(c);
        } else {
            flush(&mut out, &mut run);
            out.push(c);
        }
    }
    flush(&mut out, &mut run);
    out
}

/// Whether a person would read a card number in the text: consecutive groups of digits that together have a
/// brand's prefix, its length and a fitting check digit.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    let mut groups: Vec<String> = Vec::new();
    let mut open = false;
    let mut found = false;
    for c in text.chars().chain(core::iter::once('\0')) {
        if let Some(digit) = digit(c).and_then(|digit| char::from_digit(digit, 10)) {
            match groups.last_mut() {
                Some(group) if open => group.push(digit),
                _ => groups.push(digit.into()),
            }
            open = true;
        } else {
            open = false;
            if !is_separator(c) {
                found |= (0..groups.len()).any(|start| any_number(groups.iter().skip(start)));
                groups.clear();
            }
        }
    }
    groups.iter_mut().for_each(zeroize::Zeroize::zeroize);
    found
}

/// Whether the first so many groups make a number.
fn any_number<'a>(groups: impl Iterator<Item = &'a String>) -> bool {
    let mut number = zeroize::Zeroizing::new(String::new());
    for group in groups {
        number.push_str(group);
        if number.len() > *PAN_DIGITS.end() {
            return false;
        }
        let of_brand = || {
            let lengths = crate::card::Brand::candidates(&number)
                .into_iter()
                .flat_map(|brand| brand.lengths());
            lengths
                .into_iter()
                .any(|length| usize::from(*length) == number.len())
        };
        let digits = || number.bytes().map(|byte| u32::from(byte - b'0'));
        if number.len() >= *PAN_DIGITS.start() && crate::card::luhn(digits()) && of_brand() {
            return true;
        }
    }
    false
}

/// The value of a decimal digit of the scripts that keyboards write.
fn digit(c: char) -> Option<u32> {
    const ZEROS: [u32; 12] = [
        0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xa66, 0xae6, 0xb66, 0xbe6, 0xe50, 0xed0, 0xff10,
    ];
    ZEROS
        .iter()
        .find_map(|zero| u32::from(c).checked_sub(*zero).filter(|value| *value < 10))
}

fn is_separator(c: char) -> bool {
    crate::card::is_separator(c) || matches!(c, '.' | '/' | '_' | '\u{b7}' | '\u{2022}')
}

fn flush(out: &mut String, run: &mut String) {
    let digits = run.chars().filter(|c| digit(*c).is_some()).count();
    if digits >= *PAN_DIGITS.start() {
        let tail = run.trim_end_matches(is_separator).len();
        out.extend(core::iter::repeat_n('*', digits));
        out.push_str(&run[tail..]);
    } else {
        out.push_str(run);
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    #[test]
    fn masks_card_numbers_in_any_grouping() {
        assert_eq!(
            card_digits("PAN 4242 4242-4242 4242 refused"),
            "PAN **************** refused"
        );
        assert_eq!(card_digits("4242424242424242"), "****************");
        assert_eq!(
            card_digits("order 12345, 2026-11-21 09:00"),
            "order 12345, 2026-11-21 09:00"
        );
    }

    #[test]
    fn is_not_fooled_by_other_separators_and_digits() {
        for text in [
            "4242\u{a0}4242\u{a0}4242\u{a0}4242",
            "4242–4242–4242–4242",
            "4242.4242.4242.4242",
            "4242/4242/4242/4242",
            "４２４２４２４２４２４２４２４２",
            "order 7 4242424242424242",
            "4242 4242 4242 4242 12/30 123",
        ] {
            assert!(holds_card_number(text), "{text}");
            assert!(
                !card_digits(text).contains("4242") && !card_digits(text).contains('４'),
                "{text}"
            );
        }
        // A day and a time: no brand begins so.
        assert!(!holds_card_number("20261121035004"));
        // Inside a longer number nobody would read one.
        assert!(!holds_card_number("9942424242424242424299"));
    }

    #[test]
    fn finds_card_numbers_only_where_the_check_digit_fits() {
        assert!(holds_card_number("x 4242 4242 4242 4242 y"));
        assert!(!holds_card_number("x 4242 4242 4242 4241 y"));
        assert!(!holds_card_number("call 8800-1234"));
    }
}
