//! Finds card numbers in text from elsewhere. There are three functions, from the strictest to the most lenient:
//!
//! - [`card_digits`] masks text for logs: every run of at least twelve digits.
//! - [`typed_card_number`] checks what a person typed into a field for a name. Brand, length and check digit must fit.
//!   Letters around the digits do not matter.
//! - [`holds_card_number`] checks what a program sent. It ignores digits that touch letters, because hex, base64url, ULIDs
//!   and order numbers contain valid card numbers by chance.
//!
//! Digits can be of any script, with separators between them. UUIDs are always left alone, because platforms use
//! them as ids.

use crate::card::digits::{ascii_digit, digit};
use zeroize::Zeroizing;

/// The digits of a card number: at least twelve (Maestro), at most nineteen (ISO/IEC 7812).
const PAN_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;

/// The fewest digits of a number that is found, not masked. Old Maestro cards have twelve, but a number of twelve
/// digits is far more often a bank's reference.
const FEWEST_READ: usize = 13;

/// The longest group of digits on a card.
const LONGEST_GROUP: usize = 6;

/// Replaces every run of at least twelve digits by asterisks. Spaces and dashes can be between the digits. Runs
/// that are too long for a card number are masked, too.
#[must_use]
pub fn card_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    pieces(text, |piece, is_uuid| {
        if is_uuid {
            out.push_str(piece);
        } else {
            mask(&mut out, piece);
        }
    });
    out
}

/// Prepares text from elsewhere as one line for a log or an error: masked, and at most `longest` characters.
/// Control characters are removed before masking, because they could be inside a number. The text is cut after
/// masking, because half a number would not be masked.
#[must_use]
pub fn line(text: &str, longest: usize) -> String {
    let printable: String = text.chars().filter(|c| !c.is_control()).collect();
    card_digits(&printable).chars().take(longest).collect()
}

fn mask(out: &mut String, text: &str) {
    let mut run = String::new();
    for c in text.chars() {
        if digit(c).is_some() || (!run.is_empty() && (is_separator(c) || c.is_control())) {
            run.push(c);
        } else {
            flush(out, &mut run);
            out.push(c);
        }
    }
    flush(out, &mut run);
}

/// Splits a text into UUIDs and the rest.
fn pieces<'a>(text: &'a str, mut piece: impl FnMut(&'a str, bool)) {
    let mut start = 0;
    let mut at = 0;
    while at < text.len() {
        match text.get(at..at + UUID) {
            Some(uuid) if is_uuid(uuid) && stands_alone(text, at) => {
                piece(text.get(start..at).unwrap_or_default(), false);
                piece(uuid, true);
                at += UUID;
                start = at;
            }
            _ => at += 1,
        }
    }
    piece(text.get(start..).unwrap_or_default(), false);
}

/// The length of a UUID.
const UUID: usize = 36;

/// Whether the UUID touches neither a digit nor a letter. Otherwise its digits could be part of a longer number.
fn stands_alone(text: &str, at: usize) -> bool {
    let touches = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic() || digit(c).is_some());
    let before = text.get(..at).and_then(|text| text.chars().next_back());
    let after = text.get(at + UUID..).and_then(|text| text.chars().next());
    !touches(before) && !touches(after)
}

/// Whether a text is hex in groups of 8, 4, 4, 4 and 12. Digits without a letter could be something else.
fn is_uuid(text: &str) -> bool {
    let dash = |index: usize| matches!(index, 8 | 13 | 18 | 23);
    text.bytes().enumerate().all(|(index, byte)| {
        if dash(index) {
            byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        }
    }) && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether text from a program contains a card number: groups of digits that together have a brand's prefix and
/// length, and a valid check digit. Digits that touch an ASCII letter belong to an identifier, unless they are
/// grouped with spaces as on a card.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    holds::<true>(text)
}

/// Whether text from a person contains a card number. Here, digits that touch letters count, too.
#[must_use]
pub fn typed_card_number(text: &str) -> bool {
    holds::<false>(text)
}

fn holds<const IDS: bool>(text: &str) -> bool {
    let mut found = false;
    pieces(text, |piece, is_uuid| {
        found |= !is_uuid && reads_as_number::<IDS>(piece)
    });
    found
}

/// Whether a card number starts at any group of digits.
fn reads_as_number<const IDS: bool>(text: &str) -> bool {
    let mut rest = text.chars();
    let mut inside = false;
    loop {
        let here = rest.clone();
        let Some(c) = rest.next() else { return false };
        let begins = !inside && digit(c).is_some();
        let before = || text.strip_suffix(here.as_str()).unwrap_or_default();
        if begins && begins_with_number::<IDS>(IDS && ends_in_identifier(before()), here.clone()) {
            return true;
        }
        inside = digit(c).is_some();
    }
}

/// Whether the text ends with a letter of an identifier. After `\` or `%`, a letter is an escape or the format code
/// of a magnetic stripe instead.
fn ends_in_identifier(text: &str) -> bool {
    let mut back = text.chars().rev();
    back.next().is_some_and(|c| c.is_ascii_alphabetic()) && !matches!(back.next(), Some('\\' | '%'))
}

/// Whether an identifier continues here. On a magnetic stripe, `D` separates the number from expiry date and
/// service code.
fn begins_in_identifier(text: &str) -> bool {
    let stripe = || {
        let rest = text.as_bytes().get(1..8).unwrap_or_default();
        text.starts_with('D') && rest.len() == 7 && rest.iter().all(u8::is_ascii_digit)
    };
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && !stripe()
}

/// Whether the first groups of digits are a card number.
fn begins_with_number<const IDS: bool>(after_letter: bool, text: std::str::Chars<'_>) -> bool {
    let mut number = Zeroizing::new(String::with_capacity(*PAN_DIGITS.end()));
    let mut rest = text;
    // The lengths of the first and the current group, and whether spaces separate the groups.
    let (mut first, mut current, mut blanks) = (0, 0, false);
    loop {
        let here = rest.as_str();
        let c = rest.next().unwrap_or('\0');
        if let Some(digit) = ascii_digit(c) {
            if number.len() == *PAN_DIGITS.end() {
                return false;
            }
            number.push(digit);
            current += 1;
            continue;
        }
        if first == 0 {
            first = current;
        }
        let excused = |group: usize| !blanks || group > LONGEST_GROUP;
        let of_identifier =
            || IDS && (after_letter && excused(first) || begins_in_identifier(here) && excused(current));
        if is_number(&number) && !of_identifier() {
            return true;
        }
        if !is_separator(c) {
            return false;
        }
        blanks |= c.is_whitespace();
        if digit(rest.clone().next().unwrap_or('\0')).is_some() {
            current = 0;
        }
    }
}

fn is_number(digits: &str) -> bool {
    let of_brand = || {
        let brands = crate::card::Brand::candidates(digits);
        crate::card::Brand::lengths_of(&brands) >> digits.len() & 1 == 1
    };
    digits.len() >= FEWEST_READ
        && crate::card::luhn(digits.bytes().map(|byte| u32::from(byte - b'0')))
        && of_brand()
}

fn is_separator(c: char) -> bool {
    crate::card::is_separator(c) || matches!(c, '.' | '/' | '_' | '\u{b7}' | '\u{2022}')
}

fn flush(out: &mut String, run: &mut String) {
    let digits = run.chars().filter(|c| digit(*c).is_some()).count();
    if digits >= *PAN_DIGITS.start() {
        let tail = run
            .trim_end_matches(|c: char| is_separator(c) || c.is_control())
            .len();
        out.extend(std::iter::repeat_n('*', digits));
        out.push_str(run.get(tail..).unwrap_or_default());
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
    fn a_line_shows_no_number_in_parts() {
        for number in [
            "4567350000427977",
            "4567\u{0}3500\n0042\t7977",
            "4567\u{1b}350000427977",
        ] {
            let shown = line(&format!("card {number} is blocked"), 300);
            assert_eq!(shown, "card **************** is blocked", "{number:?}");
        }
        assert_eq!(card_digits("4567\u{0}350000427977\u{1}"), "****************\u{1}");
        assert_eq!(line("card 4567350000427977", 12), "card *******");
        assert_eq!(line("a\r\nb", 1), "a");
    }

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
            "𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐𝟒𝟐",
            "4242\u{202d}4242\u{200b}4242\u{ff0d}4242",
            "order 7 4242424242424242",
            "4242 4242 4242 4242 12/30 123",
        ] {
            assert!(holds_card_number(text), "{text}");
            assert!(
                !card_digits(text).contains("4242") && !card_digits(text).contains(['４', '𝟒']),
                "{text}"
            );
        }
        // Date and time. No brand starts with these digits.
        assert!(!holds_card_number("20261121035004"));
        // A bank's reference number: year, day and twelve digits in all, with a fitting check digit.
        assert!(
            !holds_card_number("632512000001")
                && crate::card::luhn("632512000001".bytes().map(|b| u32::from(b - b'0')))
        );
        // Digits inside a longer number.
        assert!(!holds_card_number("9942424242424242424299"));
    }

    #[test]
    fn lets_uuids_be() {
        for id in [
            "PMT_9c17a1fa-8e72-4163-8274-9896cdf3942f",
            "00000000-0000-4000-8000-00000000000a",
        ] {
            let text = format!("Idempotency Key seen before: id={id}, é");
            assert_eq!(card_digits(&text), text);
            assert!(!holds_card_number(&text));
        }
        let both = "9c17a1fa-8e72-4163-8274-9896cdf3942f 4242424242424242";
        assert!(holds_card_number(both) && !card_digits(both).contains("4242"));
        // With another digit at either end, it is not a UUID.
        for text in [
            "aaaaaaaa-aaaa-aaaa-aaaa-4242424242424242",
            "4242424242424242-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            "aaaaaaaa-aaaa-aaaa-aaaa-424242424242\u{664}\u{662}\u{664}\u{662}",
        ] {
            assert!(holds_card_number(text), "{text}");
            assert!(!card_digits(text).contains("4242"), "{text}");
        }
        // A UUID of digits only is masked.
        assert!(!card_digits("42424242-4242-4242-4242-424242424242").contains("4242"));
    }

    #[test]
    fn lets_identifiers_pass_and_no_card_number() {
        for id in [
            "4242424242424242abcdef0123456789",
            "abcdefabcdefabcd4242424242424242",
            "ab4242424242424242cdef0123456789",
            "SO4242424242424242",
            "2024-X4242424242424242",
            "01J4242424242424242ABCDEFG",
            "inv4242-4242-4242-4242b",
            "dQw4w9WgXcQ_4242424242424242x",
        ] {
            assert!(!holds_card_number(id), "{id}");
            assert!(!holds_card_number(&format!("order {id}, please")), "{id}");
            assert!(typed_card_number(id), "{id}");
            assert!(!card_digits(id).contains("4242424242424242"), "{id}");
        }
        for text in [
            "pan 4242424242424242 x",
            "pan4242 4242 4242 4242",
            "pan3782 822463 10005",
            "4242 4242 4242 4242x",
            "4242-4242-4242-4242-x",
            "x_4242424242424242",
            "{\"number\":\"4242424242424242\"}",
            "{\\\"note\\\":\\\"\\n4242424242424242\\\"}",
            "number=4242424242424242&cvc=123",
            "カード4242424242424242です",
            "é4242424242424242é",
            ";4242424242424242=30121010000012345678?",
            "4242424242424242D30121010000012345678F",
            "%B4242424242424242^DOE/JANE^3012101?",
        ] {
            assert!(holds_card_number(text), "{text}");
            assert!(typed_card_number(text), "{text}");
        }
    }

    #[test]
    fn finds_card_numbers_only_where_the_check_digit_fits() {
        assert!(holds_card_number("x 4242 4242 4242 4242 y"));
        assert!(!holds_card_number("x 4242 4242 4242 4241 y"));
        assert!(!holds_card_number("call 8800-1234"));
    }
}
