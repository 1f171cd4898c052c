//! Live formatting: what an input field shows while a person types.
//!
//! Each function takes the text after a keystroke and where the caret is in it, in UTF-16 units as a browser
//! counts, and gives the text to show and where the caret belongs: behind the same digit as before.

use crate::prelude::*;
use crate::wiped::Wiped;

use super::Brand;

/// A text to show, and the caret in it.
pub struct Formatted {
    /// The text.
    pub text: Wiped<String>,
    /// UTF-16 units; every character of the text is one.
    pub caret: usize,
}

/// Longest number (ISO/IEC 7812).
const MAX_DIGITS: usize = 19;

/// The number in the groups that stand on the card.
#[must_use]
pub fn number(text: &str, caret: usize) -> (Formatted, Vec<Brand>) {
    let (digits, before) = digits_and_caret(text, caret, MAX_DIGITS);
    let brands = Brand::candidates(&digits);
    let breaks: &[usize] = match brands.first() {
        Some(Brand::Amex) => &[4, 10],
        Some(Brand::Diners) if digits.len() <= 14 => &[4, 10],
        _ => &[4, 8, 12, 16],
    };
    (grouped(&digits, before, breaks, " "), brands)
}

/// `MM / YY`, or `MM / YYYY` where four digits of the year were given.
#[must_use]
pub fn expiry(text: &str, caret: usize) -> Formatted {
    // A single digit followed by a separator, or that no month begins with, is a month.
    let (mut digits, mut before) = digits_and_caret(text, caret, 6);
    let mut rest = text.trim_start().chars();
    let single = matches!(rest.next(), Some('1'..='9'))
        && rest
            .find(|c| !c.is_whitespace())
            .is_some_and(|c| matches!(c, '/' | '-' | '.'));
    if single || digits.starts_with(|c: char| ('2'..='9').contains(&c)) {
        digits.insert(0, '0');
        before += usize::from(before > 0);
    }
    digits.truncate(6);
    if digits.len() > 4 && !digits.get(2..).is_some_and(|year| year.starts_with("20")) {
        digits.truncate(4);
    }
    before = before.min(digits.len());
    grouped(&digits, before, &[2], " / ")
}

/// Digits only, no more than the longest code of the candidate brands.
#[must_use]
pub fn security_code(text: &str, caret: usize, number: &str) -> Formatted {
    let (number, _) = digits_and_caret(number, 0, MAX_DIGITS);
    let longest = Brand::candidates(&number)
        .into_iter()
        .map(Brand::cvc_length)
        .max()
        .unwrap_or(4);
    let (digits, before) = digits_and_caret(text, caret, longest.into());
    grouped(&digits, before, &[], "")
}

/// The digits of a text, at most so many, and how many of them stand before the caret.
fn digits_and_caret(text: &str, caret: usize, most: usize) -> (Wiped<String>, usize) {
    let mut digits = Wiped::new(String::with_capacity(most + 1));
    let mut before = 0;
    let mut unit = 0;
    for c in text.chars() {
        if c.is_ascii_digit() && digits.len() < most {
            digits.push(c);
            before += usize::from(unit < caret);
        }
        unit += c.len_utf16();
    }
    (digits, before)
}

fn grouped(digits: &str, before: usize, breaks: &[usize], separator: &str) -> Formatted {
    let mut text = Wiped::new(String::with_capacity(
        digits.len() + breaks.len() * separator.len(),
    ));
    let mut caret = 0;
    for (index, digit) in digits.chars().enumerate() {
        if breaks.contains(&index) {
            text.push_str(separator);
        }
        text.push(digit);
        if index < before {
            caret = text.len();
        }
    }
    Formatted { text, caret }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// `|` marks the caret, before and after.
    fn at(marked: &str) -> (String, usize) {
        let caret = marked.find('|').unwrap();
        (marked.replace('|', ""), marked[..caret].encode_utf16().count())
    }

    fn shown(formatted: &Formatted) -> String {
        let mut text = formatted.text.to_string();
        text.insert(formatted.caret, '|');
        text
    }

    #[test]
    fn groups_a_number_and_keeps_the_caret_behind_its_digit() {
        for (typed, expected) in [
            ("|", "|"),
            ("4242|", "4242|"),
            ("42425|", "4242 5|"),
            ("4242 |", "4242|"),
            ("4242 9|424 2", "4242 9|424 2"),
            ("42942|42", "4294 2|42"),
            ("|4242 4242", "|4242 4242"),
            ("3782822463|10005", "3782 822463| 10005"),
            ("4242-4242x\u{1f600}|4242", "4242 4242| 4242"),
            ("42424242424242424242424242|", "4242 4242 4242 4242 424|"),
            ("30569309025904|", "3056 930902 5904|"),
        ] {
            let (text, caret) = at(typed);
            assert_eq!(shown(&number(&text, caret).0), expected, "{typed}");
        }
    }

    #[test]
    fn formats_an_expiry() {
        for (typed, expected) in [
            ("|", "|"),
            ("1|", "1|"),
            ("5|", "05|"),
            ("12|", "12|"),
            ("123|", "12 / 3|"),
            ("12 / |", "12|"),
            ("1/|", "01|"),
            ("1/30|", "01 / 30|"),
            ("12/30|", "12 / 30|"),
            ("12/2030|", "12 / 2030|"),
            ("12 / 305|", "12 / 30|"),
            ("1|2 / 30", "1|2 / 30"),
            ("052030|", "05 / 2030|"),
            ("1 / 30|", "01 / 30|"),
            ("1 / 2030|", "01 / 2030|"),
            ("1| / 30", "01| / 30"),
            ("|1 / 30", "|01 / 30"),
        ] {
            let (text, caret) = at(typed);
            assert_eq!(shown(&expiry(&text, caret)), expected, "{typed}");
        }
    }

    #[test]
    fn a_security_code_is_as_long_as_its_brand_has_it() {
        assert_eq!(&*security_code("12345", 5, "4242").text, "123");
        assert_eq!(&*security_code("12345", 5, "3782").text, "1234");
        assert_eq!(&*security_code("12345", 5, "").text, "1234");
    }
}
