//! The card, the same for all platforms: parsed once, checked completely, and wiped on drop.
//!
//! No type that contains card data shows it in `Debug` output.

pub mod brand;
mod check;
pub mod digits;
pub mod expiry;
pub mod format;

use std::fmt;

use crate::object::object;
use zeroize::Zeroizing;

pub use brand::Brand;
pub use check::{Checked, NameRule, Rules, check};
pub use expiry::{Expiry, Month};

/// An input field of a card form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The primary account number.
    Number,
    /// Month and year.
    Expiry,
    /// The security code.
    Cvc,
    /// The name on the card.
    Holder,
    /// The customer's own name for the card.
    Nickname,
}

impl Field {
    /// The name in JavaScript.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::Expiry => "expiry",
            Self::Cvc => "cvc",
            Self::Holder => "holder",
            Self::Nickname => "nickname",
        }
    }
}

/// Whether a problem stops the card from being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The card is not sent.
    Error,
    /// The card is sent; the page can show a hint.
    Warning,
}

macro_rules! problems {
    ($($name:ident = $code:literal, $field:ident, $message:literal;)+) => {
        /// What can be wrong with a card. The codes are stable, and a page can translate them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum ProblemCode { $(#[doc = $message] $name,)+ }

        impl ProblemCode {
            /// Every code, in the order of the fields.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Every code as a type of TypeScript.
            pub const TYPESCRIPT: &'static str = concat!(
                "/** Stable codes of what can be wrong with a card. */\nexport type ProblemCode =",
                $("\n  | \"", $code, "\"",)+ ";\n"
            );

            /// The stable text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The field at fault.
            #[must_use]
            pub const fn field(self) -> Field {
                match self { $(Self::$name => Field::$field,)+ }
            }

            /// A sentence in English.
            #[must_use]
            pub const fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)+ }
            }
        }
    };
}

#[rustfmt::skip]
mod problem_table {
    use super::Field;
    problems! {
        NumberMissing = "number_missing", Number, "The card number is missing.";
        NumberNotDigits = "number_not_digits", Number, "The card number contains characters other than digits, spaces or hyphens.";
        NumberTooShort = "number_too_short", Number, "The card number is too short.";
        NumberTooLong = "number_too_long", Number, "The card number is too long.";
        NumberLength = "number_length", Number, "No card of this brand has a number of this length.";
        NumberCheckDigit = "number_check_digit", Number, "The card number has a typo: its check digit does not match.";
        ExpiryMissing = "expiry_missing", Expiry, "The expiry date is missing.";
        ExpiryMalformed = "expiry_malformed", Expiry, "The expiry date is not a month and a year.";
        ExpiryMonth = "expiry_month", Expiry, "The month of the expiry date is not 1 to 12.";
        ExpiryPast = "expiry_past", Expiry, "The card has expired.";
        ExpiryTooFar = "expiry_too_far", Expiry, "The expiry date is too far in the future.";
        CvcMissing = "cvc_missing", Cvc, "The security code is missing.";
        CvcNotDigits = "cvc_not_digits", Cvc, "The security code contains characters other than digits.";
        CvcLength = "cvc_length", Cvc, "The security code has the wrong length for this card.";
        HolderMissing = "holder_missing", Holder, "The name on the card is missing.";
        HolderTooShort = "holder_too_short", Holder, "The name on the card is too short.";
        HolderTooLong = "holder_too_long", Holder, "The name on the card is too long.";
        HolderCharacters = "holder_characters", Holder, "The name on the card contains characters that cannot be sent.";
        HolderIsCardNumber = "holder_is_card_number", Holder, "The name on the card looks like a card number.";
        NicknameTooShort = "nickname_too_short", Nickname, "The card's nickname is too short.";
        NicknameTooLong = "nickname_too_long", Nickname, "The card's nickname is too long.";
        NicknameCharacters = "nickname_characters", Nickname, "The card's nickname contains characters that cannot be sent.";
        NicknameIsCardNumber = "nickname_is_card_number", Nickname, "The card's nickname looks like a card number.";
    }
}
pub use problem_table::ProblemCode;

object!(ProblemCode, problem, {
    "field" = problem.field().as_str(),
    "code" = problem.as_str(),
    "message" = problem.message(),
});

/// A string that is wiped on drop and masked in `Debug` output.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes ownership of a string.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Returns the string. The method's name marks the places where a secret is read.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What the customer typed, not checked yet.
#[derive(Clone, Debug, Default)]
pub struct CardInput {
    /// Digits of any script, with spaces and dashes as typed.
    pub number: Secret,
    /// A month and a year in any form that [`Expiry::parse`] accepts.
    pub expiry: Secret,
    /// Digits of any script.
    pub cvc: Secret,
    /// The name on the card.
    pub holder: Secret,
    /// The customer's own name for the card. `None` if the form has no such field.
    pub nickname: Option<Secret>,
}

/// A checked card. Only [`check`] creates one.
#[derive(Clone, Debug)]
pub struct Card {
    pub(crate) number: Secret,
    pub(crate) expiry: Expiry,
    pub(crate) cvc: Secret,
    pub(crate) holder: Secret,
    pub(crate) nickname: Option<Secret>,
    pub(crate) warnings: &'static [ProblemCode],
}

impl Card {
    /// Checks what the customer typed.
    ///
    /// # Errors
    /// `card_invalid`, with all problems.
    pub fn parse(input: &CardInput, rules: &Rules, now_ms: f64) -> crate::Result<Self> {
        let checked = check(input, rules, now_ms);
        checked.card.ok_or_else(|| crate::Error::card(checked.problems))
    }

    /// Possible mistakes that did not stop the card.
    #[must_use]
    pub const fn warnings(&self) -> &'static [ProblemCode] {
        self.warnings
    }
}

/// Whether the digits pass the Luhn check (ISO/IEC 7812-1, annex B).
pub fn luhn(digits: impl DoubleEndedIterator<Item = u32>) -> bool {
    let sum: u32 = digits
        .rev()
        .enumerate()
        .map(|(index, digit)| {
            if index % 2 == 1 {
                digit * 2 - if digit > 4 { 9 } else { 0 }
            } else {
                digit
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Returns the digits of a typed number in ASCII, or `None` if it contains characters other than digits, spaces or
/// dashes.
#[must_use]
pub fn digits(text: &str) -> Option<Zeroizing<String>> {
    let mut digits = Zeroizing::new(String::with_capacity(text.len()));
    for c in text.chars() {
        if let Some(digit) = digits::ascii_digit(c) {
            digits.push(digit);
        } else if !is_separator(c) {
            return None;
        }
    }
    Some(digits)
}

/// Spaces of any width, invisible characters, and every kind of dash.
pub(crate) fn is_separator(c: char) -> bool {
    c.is_whitespace() || is_invisible(c) || is_dash(c)
}

/// Dashes. On East Asian keyboards, the long vowel mark shares their key, so it counts, too.
pub(crate) const fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{2010}'
            ..='\u{2015}' | '\u{2212}' | '\u{30fc}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '\u{ff70}'
    )
}

/// Invisible characters that pasted text can contain: joiners, direction marks, soft hyphens, byte order marks.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}
