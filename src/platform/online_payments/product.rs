//! The fields of a product, as the platform describes them: how a value is shown, and how it is validated.

use crate::card::{self, Field, ProblemCode};
use crate::error::Result;
use crate::text::{contains, split_once};

/// Returns the field of a card with this name of the platform.
#[must_use]
pub fn card_field(id: &str) -> Option<Field> {
    match id {
        "cardNumber" => Some(Field::Number),
        "cardholderName" => Some(Field::Holder),
        "expiryDate" => Some(Field::Expiry),
        "cvv" => Some(Field::Cvc),
        _ => None,
    }
}

/// What the rules need from JavaScript.
pub trait Language {
    /// Whether the text matches the pattern. True if JavaScript cannot read the pattern; then the platform checks it.
    fn matches(&self, pattern: &str, text: &str) -> bool;
    /// Converts a text to a number, or to NaN.
    fn number(&self, text: &str) -> f64;
    /// Returns the current month in local time, as twelve times the year plus the months since January.
    ///
    /// # Errors
    /// `type_invalid` if the page's clock does not return a time.
    fn month(&self) -> Result<f64>;
}

/// A rule for a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Validator {
    /// A check digit.
    Luhn,
    /// An international account number.
    Iban,
    /// From this month to 25 years from now.
    ExpirationDate,
    /// The fewest and the most UTF-16 units.
    Length(f64, f64),
    /// The smallest and the largest number.
    Range(f64, f64),
    /// A JavaScript pattern. `None` if the platform's pattern cannot be read; then the platform checks it.
    RegularExpression(Option<String>),
    /// An e-mail address.
    EmailAddress,
    /// One of these values.
    FixedList(Vec<String>),
    /// The value `true`.
    TermsAndConditions,
}

impl Validator {
    /// The platform's name of the rule.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Luhn => "luhn",
            Self::Iban => "iban",
            Self::ExpirationDate => "expirationDate",
            Self::Length(..) => "length",
            Self::Range(..) => "range",
            Self::RegularExpression(_) => "regularExpression",
            Self::EmailAddress => "emailAddress",
            Self::FixedList(_) => "fixedList",
            Self::TermsAndConditions => "termsAndConditions",
        }
    }

    /// Whether a value is valid.
    ///
    /// # Errors
    /// `type_invalid` if the page's clock does not return a time.
    pub fn takes(&self, value: &str, language: &impl Language) -> Result<bool> {
        let within = |number: f64, least: &f64, most: &f64| number >= *least && number <= *most;
        Ok(match self {
            Self::Luhn => luhn(value),
            Self::Iban => iban(value),
            Self::ExpirationDate => match months(value) {
                Some(given) => within(given - language.month()?, &0.0, &300.0),
                None => false,
            },
            #[expect(clippy::cast_precision_loss, reason = "no text is that long")]
            Self::Length(least, most) => within(units(value) as f64, least, most),
            Self::Range(least, most) => !value.is_empty() && within(language.number(value), least, most),
            Self::RegularExpression(pattern) => pattern
                .as_ref()
                .is_none_or(|pattern| language.matches(pattern, value)),
            Self::EmailAddress => email_address(value),
            Self::FixedList(values) => values.iter().any(|allowed| allowed == value),
            Self::TermsAndConditions => value == "true",
        })
    }
}

/// The rules of a field, in the platform's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restrictions {
    /// Whether a value is required.
    pub required: bool,
    /// The rules for a value that is not empty.
    pub validators: Vec<Validator>,
}

/// The name of the rule that a value is required.
const REQUIRED: &str = "required";

impl Restrictions {
    /// Returns the names of the rules that an unmasked value fails.
    ///
    /// # Errors
    /// `type_invalid` if the page's clock does not return a time.
    pub fn failed(&self, value: &str, language: &impl Language) -> Result<Vec<&'static str>> {
        if value.is_empty() {
            return Ok(self.required.then_some(REQUIRED).into_iter().collect());
        }
        let mut failed = Vec::new();
        for validator in &self.validators {
            if !validator.takes(value, language)? {
                failed.push(validator.name());
            }
        }
        Ok(failed)
    }
}

/// Returns our code for a card field that fails the rule with this name.
#[must_use]
pub fn problem(field: Field, failed: &str) -> ProblemCode {
    use ProblemCode as Code;
    match (field, failed) {
        (Field::Number, REQUIRED) => Code::NumberMissing,
        (Field::Number, "luhn") => Code::NumberCheckDigit,
        (Field::Number, "length") => Code::NumberLength,
        (Field::Number, _) => Code::NumberNotDigits,
        (Field::Holder, REQUIRED) => Code::HolderMissing,
        (Field::Holder, "length") => Code::HolderTooLong,
        (Field::Holder, _) => Code::HolderCharacters,
        (Field::Expiry, REQUIRED) => Code::ExpiryMissing,
        (Field::Expiry, "expirationDate") => Code::ExpiryPast,
        (Field::Expiry, _) => Code::ExpiryMalformed,
        (Field::Cvc, REQUIRED) => Code::CvcMissing,
        (Field::Cvc, "length") => Code::CvcLength,
        (Field::Cvc, _) => Code::CvcNotDigits,
        (Field::Nickname, _) => Code::NicknameCharacters,
    }
}

/// Whether the expiry date of a product has a year of two digits, from the field's mask or else its pattern.
#[must_use]
pub fn short_year(mask: Option<&str>, pattern: Option<&str>, language: &impl Language) -> bool {
    match mask.filter(|mask| !mask.is_empty()) {
        Some(mask) => mask.bytes().filter(|byte| *byte == b'9').count() == 4,
        None => pattern.is_some_and(|pattern| !language.matches(pattern, "122030")),
    }
}

/// Typed text with a mask applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masked {
    /// The text to show.
    pub text: String,
    /// The text without decoration.
    pub value: String,
    /// The caret, in UTF-16 units.
    pub caret: usize,
}

/// Applies a mask to typed text. `caret` is in UTF-16 units. Characters between `{{` and `}}` in the mask are
/// places for typed characters, `9` only for digits. Everything else is decoration.
#[must_use]
pub fn masked(mask: &str, text: &str, caret: f64) -> Masked {
    let mut masked = Masked::default();
    let mut typed = text.chars().peekable();
    let (mut before, mut shown, mut inside, mut found) = (0, 0, false, None);
    let mut slots = mask.chars().peekable();
    while let Some(slot) = slots.next() {
        if matches!(slot, '{' | '}') && slots.peek() == Some(&slot) {
            slots.next();
            inside = slot == '{';
            continue;
        }
        // In a stored number, `X` can replace a digit.
        let stands = |c: &char| slot != '9' || c.is_ascii_digit() || *c == 'X';
        while let Some(passed) = typed.next_if(|c| inside && !stands(c)) {
            before += passed.len_utf16();
        }
        let Some(next) = typed.peek().copied() else {
            break;
        };
        if inside {
            #[expect(clippy::cast_precision_loss, reason = "no text is that long")]
            if before as f64 >= caret && found.is_none() {
                found = Some(shown);
            }
            masked.value.push(next);
        }
        let put = if inside { next } else { slot };
        masked.text.push(put);
        shown += put.len_utf16();
        // The text may already contain the decoration.
        if inside || next == slot {
            typed.next();
            before += next.len_utf16();
        }
    }
    masked.caret = found.unwrap_or(shown);
    masked
}

fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Whether JavaScript's `\s` matches the character.
fn is_blank(c: char) -> bool {
    c != '\u{85}' && (c.is_whitespace() || c == '\u{feff}')
}

/// Whether the check digit is right. The number has at least two digits; spaces and hyphens are ignored.
fn luhn(value: &str) -> bool {
    let digits = value.chars().filter(|c| !is_blank(*c) && *c != '-');
    let every = digits.clone().all(|c| c.is_ascii_digit());
    every && digits.clone().count() > 1 && card::luhn(digits.map(|c| u32::from(c) - u32::from('0')))
}

/// Converts two digits of a month and two to four of a year to twelve times the year plus the months since January.
fn months(value: &str) -> Option<f64> {
    if !matches!(value.len(), 4..=6) || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (month, year) = value.split_at_checked(2)?;
    let (month, year): (u16, u16) = (month.parse().ok()?, year.parse().ok()?);
    let year = if year < 100 { 2000 + year } else { year };
    (1..=12)
        .contains(&month)
        .then(|| 12.0 * f64::from(year) + f64::from(month) - 1.0)
}

/// Whether a text is a valid IBAN (ISO 13616): two letters, two check digits and 11 to 30 more characters. With the
/// first four characters moved to the end, the remainder of a division by 97 is 1.
fn iban(value: &str) -> bool {
    let text: Vec<u8> = value
        .chars()
        .filter(|c| !is_blank(*c))
        .map(|c| u8::try_from(c.to_ascii_uppercase()).unwrap_or_default())
        .collect();
    let (Some((first, rest)), 15..=34) = (text.split_at_checked(4), text.len()) else {
        return false;
    };
    let fine = matches!(first, [b'A'..=b'Z', b'A'..=b'Z', b'0'..=b'9', b'0'..=b'9'])
        && rest.iter().all(|byte| matches!(byte, b'A'..=b'Z' | b'0'..=b'9'));
    let remainder = rest
        .iter()
        .chain(first)
        .fold(0, |remainder, byte| match u32::from(*byte) {
            letter @ 0x41.. => (100 * remainder + letter - 55) % 97,
            digit => (10 * remainder + digit % 16) % 97,
        });
    fine && remainder == 1
}

/// Whether a text has a name, one `@`, a host with a dot inside, and no spaces.
fn email_address(value: &str) -> bool {
    let Some((name, host)) = split_once(value, "@") else {
        return false;
    };
    let mut inside = host.chars();
    inside.next();
    inside.next_back();
    !name.is_empty() && inside.any(|c| c == '.') && !contains(host, "@") && !value.chars().any(is_blank)
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// Digits alone as the only pattern, and November 2026.
    struct Plain;

    impl Language for Plain {
        fn matches(&self, pattern: &str, text: &str) -> bool {
            match pattern {
                "^[0-9]*$" => text.bytes().all(|byte| byte.is_ascii_digit()),
                "^\\d{4}$" => text.len() == 4,
                _ => true,
            }
        }

        fn number(&self, text: &str) -> f64 {
            text.parse().unwrap_or(f64::NAN)
        }

        fn month(&self) -> Result<f64> {
            Ok(12.0 * 2026.0 + 10.0)
        }
    }

    #[test]
    fn validators_as_the_platform_describes_them() {
        let words = |words: &[&str]| words.iter().map(|word| String::from(*word)).collect();
        let pattern = |pattern: &str| Validator::RegularExpression(Some(pattern.into()));
        let cases: [(Validator, &[&str], &[&str]); 12] = [
            (
                Validator::Luhn,
                &[
                    "4567 3500-0042 7977",
                    "378282246310005",
                    "00",
                    "4567\u{feff}350000427977",
                ],
                &[
                    "4567350000427978",
                    "0",
                    "12a4",
                    "-",
                    "４５６７３５００００４２７９７７",
                ],
            ),
            (
                Validator::Length(2.0, 4.0),
                &["12", "1234", "😀"],
                &["1", "12345", "😀😀😀"],
            ),
            (Validator::Length(0.0, f64::INFINITY), &["1"], &[]),
            (Validator::Length(0.0, f64::NAN), &[], &["1"]),
            (Validator::Range(5.0, 9.0), &["5", "9", "7.5"], &["4", "10", "x"]),
            (pattern("^[0-9]*$"), &["1"], &["a"]),
            (Validator::RegularExpression(None), &["anything"], &[]),
            (
                Validator::ExpirationDate,
                &["1126", "112026", "112051", "1227"],
                &[
                    "1026",
                    "102026",
                    "122051",
                    "1326",
                    "0030",
                    "12/30",
                    "12",
                    "1",
                    "",
                    "1230 ",
                    "１１２６",
                    "11226",
                    "1120260",
                ],
            ),
            (
                Validator::EmailAddress,
                &["a@b.example", "a.b@c.d", "é@b.c.d", "a@.b.c", "a@b..c"],
                &[
                    "a@b",
                    "a b@c.example",
                    "@b.example",
                    "a@b@c.d",
                    "a@.b",
                    "a@b.",
                    "a@.",
                    "a",
                    "",
                    "a@\u{a0}b.c",
                ],
            ),
            (Validator::FixedList(words(&["a", "b"])), &["a"], &["c", "ab"]),
            (
                Validator::Iban,
                &[
                    "DE89 3704 0044 0532 0130 00",
                    "gb82west12345698765432",
                    "NO93 8601 1117 947",
                ],
                &[
                    "DE89370400440532013001",
                    "DE",
                    "12",
                    "",
                    "DE8937040044053201300é",
                    "1E89370400440532013000",
                    "DEX9370400440532013000",
                ],
            ),
            (Validator::TermsAndConditions, &["true"], &["false", "TRUE"]),
        ];
        for (validator, good, bad) in cases {
            let takes = |value| validator.takes(value, &Plain).unwrap();
            for value in good {
                assert!(takes(value), "{validator:?} {value}");
            }
            for value in bad {
                assert!(!takes(value), "{validator:?} {value}");
            }
        }
    }

    #[test]
    fn iban_remainders_are_those_of_the_whole_number() {
        // A prime, and both ends of the alphabet: the same by the decimal text of the whole number.
        for text in [
            "AZ10ZZZZZZZZZZZAAAAAAAAAAA0",
            "ZA99A0Z9A0Z9A0Z",
            "DE12500105170648489890",
        ] {
            let (first, rest) = text.split_at(4);
            let decimal: String = [rest, first]
                .concat()
                .chars()
                .map(|c| c.to_digit(36).unwrap().to_string())
                .collect();
            let remainder = decimal
                .bytes()
                .fold(0, |sum, byte| (10 * sum + u32::from(byte - b'0')) % 97);
            assert_eq!(iban(text), remainder == 1, "{text}");
        }
        let check = |digits: u32| {
            let digits = [digits / 10, digits % 10].map(|digit| digit.to_string()).concat();
            ["DE", &digits, "500105170648489890"].concat()
        };
        assert_eq!((2..99).filter(|digits| iban(&check(*digits))).count(), 1);
    }

    #[test]
    fn a_value_that_is_missing_fails_nothing_else() {
        let restrictions = |required| Restrictions {
            required,
            validators: vec![Validator::Luhn, Validator::Length(12.0, 19.0)],
        };
        let failed = |required, value| restrictions(required).failed(value, &Plain).unwrap();
        assert_eq!(failed(true, ""), ["required"]);
        assert!(failed(false, "").is_empty());
        assert_eq!(failed(true, "1"), ["luhn", "length"]);
        assert_eq!(failed(false, "4242424242424241"), ["luhn"]);
        assert!(failed(true, "4242424242424242").is_empty());
    }

    #[test]
    fn what_fails_has_a_code_of_ours() {
        for (id, failed, code) in [
            ("cardNumber", "required", "number_missing"),
            ("cardNumber", "luhn", "number_check_digit"),
            ("cardNumber", "length", "number_length"),
            ("cardNumber", "regularExpression", "number_not_digits"),
            ("cardholderName", "required", "holder_missing"),
            ("cardholderName", "length", "holder_too_long"),
            ("cardholderName", "regularExpression", "holder_characters"),
            ("expiryDate", "required", "expiry_missing"),
            ("expiryDate", "expirationDate", "expiry_past"),
            ("expiryDate", "length", "expiry_malformed"),
            ("expiryDate", "regularExpression", "expiry_malformed"),
            ("cvv", "required", "cvc_missing"),
            ("cvv", "length", "cvc_length"),
            ("cvv", "regularExpression", "cvc_not_digits"),
        ] {
            assert_eq!(problem(card_field(id).unwrap(), failed).as_str(), code);
        }
        assert_eq!(card_field("iban"), None);
    }

    #[test]
    fn the_year_is_as_long_as_the_mask_says_or_else_the_pattern() {
        assert!(short_year(Some("{{99}}/{{99}}"), None, &Plain));
        assert!(!short_year(Some("{{99}}/{{9999}}"), Some("^\\d{4}$"), &Plain));
        assert!(short_year(None, Some("^\\d{4}$"), &Plain));
        assert!(short_year(Some(""), Some("^\\d{4}$"), &Plain));
        assert!(!short_year(None, Some("^[0-9]*$"), &Plain));
        assert!(!short_year(None, None, &Plain));
    }

    #[test]
    fn masks_as_the_platform_describes_them() {
        const AMEX: &str = "{{9999}} {{999999}} {{99999}}";
        for (mask, text, caret, shown, value, at) in [
            (
                AMEX,
                "378282246310005",
                f64::INFINITY,
                "3782 822463 10005",
                "378282246310005",
                17,
            ),
            (
                AMEX,
                "3782 822463 10005 99",
                f64::INFINITY,
                "3782 822463 10005",
                "378282246310005",
                17,
            ),
            (AMEX, "37a82", f64::INFINITY, "3782", "3782", 4),
            (AMEX, "37828", 4.0, "3782 8", "37828", 5),
            (AMEX, "37828", f64::NAN, "3782 8", "37828", 6),
            (AMEX, "37828", -1.0, "3782 8", "37828", 0),
            (
                "{{9999}} {{9999}}",
                "4567XXXX",
                f64::INFINITY,
                "4567 XXXX",
                "4567XXXX",
                9,
            ),
            ("{{99}}/{{9999}}", "122030", f64::INFINITY, "12/2030", "122030", 7),
            ("({{**}})-{{*}}", "a1b", f64::INFINITY, "(a1)-b", "a1b", 6),
            ("{{**}}", "😀ab", 2.0, "😀a", "😀a", 2),
            ("{}{{9}}}", "1x", f64::INFINITY, "{}1}", "1", 4),
            (AMEX, "", f64::INFINITY, "", "", 0),
        ] {
            let expected = Masked {
                text: shown.into(),
                value: value.into(),
                caret: at,
            };
            assert_eq!(masked(mask, text, caret), expected, "{mask} {text}");
        }
    }
}
