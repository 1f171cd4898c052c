//! Masks what could be a card number in text that came from elsewhere.

/// Digits of a primary account number: at least twelve (Maestro), at most nineteen (ISO/IEC 7812).
const PAN_DIGITS: core::ops::RangeInclusive<usize> = 12..=19;

/// Replaces every run of 12 to 19 digits that could be a card number, blanks and dashes between the digits
/// allowed, by its length in asterisks. Longer runs are masked too: nothing in a platform's text needs them.
#[must_use]
pub fn card_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() || (!run.is_empty() && (c == ' ' || c == '-')) {
            run.push(c);
        } else {
            flush(&mut out, &mut run);
            out.push(c);
        }
    }
    flush(&mut out, &mut run);
    out
}

/// Whether the text holds a digit run that could be a card number and passes the Luhn check.
#[must_use]
pub fn holds_card_number(text: &str) -> bool {
    let mut digits = Vec::new();
    let mut found = false;
    for c in text.chars().chain(core::iter::once('\n')) {
        if let Some(digit) = c.to_digit(10) {
            digits.push(digit);
        } else if !(c == ' ' || c == '-') {
            found |= PAN_DIGITS.contains(&digits.len()) && crate::card::luhn(digits.drain(..));
            digits.clear();
        }
    }
    found
}

fn flush(out: &mut String, run: &mut String) {
    let digits = run.chars().filter(char::is_ascii_digit).count();
    if digits >= *PAN_DIGITS.start() {
        let tail = run.trim_end_matches([' ', '-']).len();
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
    fn finds_card_numbers_only_where_the_check_digit_fits() {
        assert!(holds_card_number("x 4242 4242 4242 4242 y"));
        assert!(!holds_card_number("x 4242 4242 4242 4241 y"));
        assert!(!holds_card_number("call 8800-1234"));
    }
}
