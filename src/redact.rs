//! The one rule for what reads like a card number in text that came from elsewhere, in three degrees:
//!
//! - [`card_digits`] masks for logs. It is the strictest: every run of twelve digits goes.
//! - [`typed_card_number`] judges what a person typed into a field for a name. A brand, a length and a check digit
//!   must fit, whatever letters stand around the digits.
//! - [`holds_card_number`] judges what a program sent. It lets identifiers pass: in hex, base64url, ULIDs and order
//!   numbers, digits follow one another by chance, but they touch letters.
//!
//! A digit is a decimal digit of any script, and the separators that people put between groups of digits are
//! skipped. None of the three touches UUIDs, by which platforms name things.

use crate::card::digits::{ascii_digit, digit};
use zeroize::Zeroizing;

/// Digits of a primary account number: at least twelve (Maestro), at most nineteen (ISO/IEC 7812).
const PAN_DIGITS: std::ops::RangeInclusive<usize> = 12..=19;

/// Twelve digits are a number of old Maestro cards, but far more often a bank's reference, which may begin the same
/// way: what is only looked for, and not masked, has one more.
const FEWEST_READ: usize = 13;

/// No group of the digits on a card is longer.
const LONGEST_GROUP: usize = 6;

/// Replaces every run of 12 to 19 digits that could be a card number, blanks and dashes between the digits
/// allowed, by its length in asterisks. Longer runs are masked too: nothing in a platform's text needs them.
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

/// A text from elsewhere as one line of a log or an error: masked, and no longer than so many characters. Control
/// characters go first, since a number is whole again without those inside it; the cut comes last, since half a number
/// would no longer be masked.
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

/// Hands over the text in pieces, each a UUID or not.
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

/// Characters of a UUID.
const UUID: usize = 36;

/// Whether neither a digit nor a letter touches the UUID: with another digit its own may be part of a number.
fn stands_alone(text: &str, at: usize) -> bool {
    let touches = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphabetic() || digit(c).is_some());
    let before = text.get(..at).and_then(|text| text.chars().next_back());
    let after = text.get(at + UUID..).and_then(|text| text.chars().next());
    !touches(before) && !touches(after)
}

/// Hex in groups of 8, 4, 4, 4 and 12, and not digits alone: that could be something else.
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

/// Whether a card number stands in what a program sent: consecutive groups of digits that together have a brand's
/// prefix, its length and a fitting check digit. Digits that touch an ASCII letter belong to an identifier, unless
/// it is a group as on a card, with blanks: no identifier has those.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    holds::<true>(text)
}

/// The same for a field that a person fills in: no letter excuses digits there.
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

/// Whether one begins at any group of digits.
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

/// Whether the last character is a letter of an identifier. After `\` or `%` it is an escape, or the format code of a
/// magnetic stripe, and what follows stands by itself.
fn ends_in_identifier(text: &str) -> bool {
    let mut back = text.chars().rev();
    back.next().is_some_and(|c| c.is_ascii_alphabetic()) && !matches!(back.next(), Some('\\' | '%'))
}

/// Whether an identifier goes on here. `D` before an expiry date and a service code separates the fields of a
/// magnetic stripe.
fn begins_in_identifier(text: &str) -> bool {
    let stripe = || {
        let rest = text.as_bytes().get(1..8).unwrap_or_default();
        text.starts_with('D') && rest.len() == 7 && rest.iter().all(u8::is_ascii_digit)
    };
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && !stripe()
}

/// Whether the first so many groups of digits make a number.
fn begins_with_number<const IDS: bool>(after_letter: bool, text: std::str::Chars<'_>) -> bool {
    let mut number = Zeroizing::new(String::with_capacity(*PAN_DIGITS.end()));
    let mut rest = text;
    // Digits of the first and the current group, and whether blanks stand between groups.
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
        // A day and a time: no brand begins so.
        assert!(!holds_card_number("20261121035004"));
        // A bank's reference number: year, day and twelve digits in all, with a fitting check digit.
        assert!(
            !holds_card_number("632512000001")
                && crate::card::luhn("632512000001".bytes().map(|b| u32::from(b - b'0')))
        );
        // Inside a longer number nobody would read one.
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
        // With a digit more at either end it is none, and its digits may be those of a card.
        for text in [
            "aaaaaaaa-aaaa-aaaa-aaaa-4242424242424242",
            "4242424242424242-aaaa-aaaa-aaaa-aaaaaaaaaaaa",
            "aaaaaaaa-aaaa-aaaa-aaaa-424242424242\u{664}\u{662}\u{664}\u{662}",
        ] {
            assert!(holds_card_number(text), "{text}");
            assert!(!card_digits(text).contains("4242"), "{text}");
        }
        // Digits alone in that form are masked.
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
