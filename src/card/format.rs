//! Formats input fields while a person types.
//!
//! Each function takes the text after a keystroke and the caret, and returns the text to show and the new caret,
//! which stays after the same digit. Carets count UTF-16 units, as `selectionStart` does. Without a caret, or with
//! one beyond the text, the caret is at the end. Only digits are kept, in ASCII.

use super::digits::ascii_digit;
use super::expiry::Mark;
use super::{Brand, Expiry, Secret};
use zeroize::Zeroizing;

/// The text to show, and the caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Formatted {
    /// The text, in ASCII.
    pub text: Secret,
    /// How many characters are before the caret.
    pub caret: usize,
}

/// The longest card number (ISO/IEC 7812).
const MOST_DIGITS: usize = 19;

/// Groups the number as on the card, and returns every brand that fits it.
#[must_use]
pub fn card_number(text: &str, caret: Option<usize>) -> (Formatted, Vec<Brand>) {
    let typed = Typed::read(text, caret, MOST_DIGITS);
    let brands = Brand::candidates(&typed.digits);
    let in_three_groups = match brands.first() {
        Some(Brand::Amex) => true,
        Some(Brand::Diners) => typed.digits.len() < 15,
        _ => false,
    };
    let breaks: &[usize] = if in_three_groups {
        &[4, 10]
    } else {
        &[4, 8, 12, 16]
    };
    (typed.grouped(breaks, " "), brands)
}

/// Formats a date as `MM / YY`, or as `MM / YYYY` if four digits of the year were typed.
///
/// A complete date in any other form that [`Expiry::parse`] accepts, such as `2029-03` from a password manager,
/// becomes `MM / YY` with the caret at the end.
#[must_use]
pub fn expiry(text: &str, caret: Option<usize>) -> Formatted {
    let typed = expiry_as_typed(text, caret);
    match Expiry::parse(text) {
        // The field has only two digits for the year, so the year must be in this century.
        Ok(whole) if whole.year() / 100 == 20 && Expiry::parse(typed.text.expose()) != Ok(whole) => {
            let mut digits = Zeroizing::new(String::with_capacity(4));
            digits.push_str(&whole.month_digits());
            digits.push_str(&whole.short_year_digits());
            let before = digits.len();
            Typed { digits, before }.grouped(&[2], EXPIRY_SEPARATOR)
        }
        _ => typed,
    }
}

const EXPIRY_SEPARATOR: &str = " / ";

/// Takes the digits in order: two for the month, the rest for the year.
fn expiry_as_typed(text: &str, caret: Option<usize>) -> Formatted {
    let mut typed = Typed::read(text, caret, 6);
    // A single digit is a month if a separator follows, or if no month of two digits starts with it.
    if begins_with_month_of_one_digit(text) || typed.digits.starts_with(|c| ('2'..='9').contains(&c)) {
        let mut padded = Zeroizing::new(String::with_capacity(7));
        padded.push('0');
        padded.push_str(&typed.digits);
        typed.digits = padded;
        typed.before += usize::from(typed.before > 0);
    }
    let four_of_year = typed.digits.get(2..4) == Some("20");
    typed.cut(if four_of_year { 6 } else { 4 });
    typed.grouped(&[2], EXPIRY_SEPARATOR)
}

fn begins_with_month_of_one_digit(text: &str) -> bool {
    let passed_over = |mark: &Mark| matches!(mark, Mark::Blank | Mark::Invisible);
    let mut marks = text.chars().map(Mark::of).filter(|mark| !passed_over(mark));
    matches!(marks.next(), Some(Mark::Digit('1'..='9'))) && marks.next() == Some(Mark::Divided)
}

/// Keeps only digits, at most as many as a security code of the number's brands has: four for American Express,
/// three for the others.
#[must_use]
pub fn security_code(text: &str, caret: Option<usize>, number: &str) -> Formatted {
    let brands = Brand::candidates(&Typed::read(number, None, MOST_DIGITS).digits);
    let most = brands.iter().map(|brand| brand.cvc_length()).max().unwrap_or(4);
    Typed::read(text, caret, most.into()).grouped(&[], "")
}

/// The digits of a text.
struct Typed {
    digits: Zeroizing<String>,
    /// How many of them are before the caret.
    before: usize,
}

impl Typed {
    /// Reads at most `most` digits of a text.
    fn read(text: &str, caret: Option<usize>, most: usize) -> Self {
        let mut digits = Zeroizing::new(String::with_capacity(most));
        let (mut before, mut at) = (0, 0);
        for c in text.chars() {
            at += c.len_utf16();
            let Some(digit) = ascii_digit(c) else { continue };
            if digits.len() == most {
                break;
            }
            digits.push(digit);
            if caret.is_none_or(|caret| at <= caret) {
                before = digits.len();
            }
        }
        Self { digits, before }
    }

    fn cut(&mut self, most: usize) {
        if let Some(first) = self.digits.get(..most) {
            self.digits = Zeroizing::new(first.into());
        }
        self.before = self.before.min(self.digits.len());
    }

    /// Inserts a separator before the digits at `breaks`. There is none after the last digit, because a person
    /// could not delete it.
    fn grouped(&self, breaks: &[usize], separator: &str) -> Formatted {
        let mut text = String::with_capacity(self.digits.len() + breaks.len() * separator.len());
        for (at, digit) in self.digits.chars().enumerate() {
            if breaks.contains(&at) {
                text.push_str(separator);
            }
            text.push(digit);
        }
        let inserted = breaks.iter().filter(|at| **at < self.before).count();
        Formatted {
            text: Secret::new(text),
            caret: self.before + inserted * separator.len(),
        }
    }
}

#[cfg(test)]
mod tests;
