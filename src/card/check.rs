//! Finds all problems of a card in one pass.

use super::digits::ascii_digit;
use super::{Brand, Card, CardInput, Expiry, ProblemCode, Secret, Severity, digits, is_invisible, luhn};
use crate::redact;
use zeroize::Zeroizing;

/// A platform's own rules for a card.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// Whether a wrong check digit stops the card. A platform whose own test cards fail it says `Warning`.
    pub luhn: Severity,
    /// Whether warnings stop the card, too.
    pub strict: bool,
    /// Whether the security code is required. If there is one, it is always checked.
    pub cvc: bool,
    /// The name on the card.
    pub holder: NameRule,
    /// The customer's own name for the card.
    pub nickname: NameRule,
}

/// A platform's rules for a name.
#[derive(Clone, Copy, Debug)]
pub struct NameRule {
    /// Whether it is required. A missing nickname becomes brand and last four digits.
    pub required: bool,
    /// The fewest characters, unless it is empty.
    pub shortest: usize,
    /// The most characters, in UTF-16 units, as JavaScript counts.
    pub longest: usize,
    /// Whether only letters, spaces, dots, apostrophes and hyphens are allowed. Only ASCII is checked, because a
    /// table of all other letters would be too large for a page; the platform checks those.
    pub letters: bool,
}

impl NameRule {
    /// Optional, with our own limit. No platform is known to allow longer names.
    pub const OPTIONAL: Self = Self {
        required: false,
        shortest: 0,
        longest: 255,
        letters: false,
    };
}

impl Rules {
    /// The rules of a platform that has none of its own.
    pub const COMMON: Self = Self {
        luhn: Severity::Error,
        strict: false,
        cvc: true,
        holder: NameRule {
            required: true,
            shortest: 2,
            ..NameRule::OPTIONAL
        },
        nickname: NameRule::OPTIONAL,
    };
}

/// From ISO/IEC 7812, except for Maestro's twelve digits.
const NUMBER_DIGITS: (u32, u32) = (12, 19);

/// The result of [`check`].
#[derive(Clone, Debug)]
pub struct Checked {
    /// The card, if no problem stops it.
    pub card: Option<Card>,
    /// Every brand that fits the number.
    pub brands: Vec<Brand>,
    /// Everything that stops the card, in the order of the fields.
    pub problems: Vec<ProblemCode>,
    /// Possible mistakes that do not stop it.
    pub warnings: &'static [ProblemCode],
}

/// Checks every field that the customer typed.
#[must_use]
pub fn check(input: &CardInput, rules: &Rules, now_ms: f64) -> Checked {
    let mut found = Found::default();

    let number = digits(input.number.expose());
    let brands = number
        .as_ref()
        .map(|number| Brand::candidates(number))
        .unwrap_or_default();
    match &number {
        None => found.error(ProblemCode::NumberNotDigits),
        Some(number) if number.is_empty() => found.error(ProblemCode::NumberMissing),
        Some(number) => found.number(number, &brands, rules),
    }

    let expiry = Expiry::parse(input.expiry.expose());
    if let Err(code) = expiry.and_then(|expiry| expiry.check(now_ms)) {
        found.error(code);
    }

    let cvc = security_code(input.cvc.expose());
    if cvc.is_empty() {
        if rules.cvc {
            found.error(ProblemCode::CvcMissing);
        }
    } else if !cvc.bytes().all(|byte| byte.is_ascii_digit()) {
        found.error(ProblemCode::CvcNotDigits);
    } else if !matches!(cvc.len(), 3 | 4)
        || !brands.is_empty()
            && !brands
                .iter()
                .any(|brand| usize::from(brand.cvc_length()) == cvc.len())
    {
        found.error(ProblemCode::CvcLength);
    }

    let holder = input.holder.expose().trim();
    found.name(holder, rules.holder, &HOLDER);
    let nickname = input
        .nickname
        .as_ref()
        .map(|nickname| nickname.expose().trim())
        .unwrap_or_default();
    found.name(nickname, rules.nickname, &NICKNAME);

    let card = match (number, expiry) {
        (Some(number), Ok(expiry)) if found.problems.is_empty() => Some(Card {
            number: Secret::new(number.to_string()),
            expiry,
            cvc: Secret::new(cvc.to_string()),
            holder: holder.into(),
            nickname: match nickname {
                "" => rules
                    .nickname
                    .required
                    .then(|| made_up_nickname(&brands, &number)),
                given => Some(given.into()),
            },
            warnings: found.warnings,
        }),
        _ => None,
    };
    Checked {
        card,
        brands,
        problems: found.problems,
        warnings: found.warnings,
    }
}

/// Makes a nickname from brand and last four digits, for example `Visa 4242`.
fn made_up_nickname(brands: &[Brand], number: &str) -> Secret {
    let mut name = String::with_capacity(32);
    let mut begins = true;
    for c in brands.first().map_or("card", |brand| brand.id()).chars() {
        name.push(match c {
            '_' => ' ',
            c if begins => c.to_ascii_uppercase(),
            c => c,
        });
        begins = c == '_';
    }
    name.push(' ');
    name.push_str(number.get(number.len().saturating_sub(4)..).unwrap_or_default());
    Secret::new(name)
}

/// Returns a security code without surrounding spaces and invisible characters, with its digits in ASCII.
fn security_code(text: &str) -> Zeroizing<String> {
    let mut code = Zeroizing::new(String::with_capacity(text.len()));
    let visible = text.chars().filter(|c| !is_invisible(*c));
    code.extend(visible.map(|c| ascii_digit(c).unwrap_or(c)));
    Zeroizing::new(code.trim().into())
}

/// Counts UTF-16 units, by the first byte of each character; characters that start with a byte from 0xf0 have two. The
/// standard library's count would add half a kilobyte to the module.
fn characters(text: &str) -> usize {
    text.bytes().filter(|byte| byte & 0xc0 != 0x80).count()
}

/// The problems that a name can have.
struct NameCodes {
    missing: Option<ProblemCode>,
    characters: ProblemCode,
    card_number: ProblemCode,
    too_short: ProblemCode,
    too_long: ProblemCode,
}

const HOLDER: NameCodes = NameCodes {
    missing: Some(ProblemCode::HolderMissing),
    characters: ProblemCode::HolderCharacters,
    card_number: ProblemCode::HolderIsCardNumber,
    too_short: ProblemCode::HolderTooShort,
    too_long: ProblemCode::HolderTooLong,
};

const NICKNAME: NameCodes = NameCodes {
    missing: None,
    characters: ProblemCode::NicknameCharacters,
    card_number: ProblemCode::NicknameIsCardNumber,
    too_short: ProblemCode::NicknameTooShort,
    too_long: ProblemCode::NicknameTooLong,
};

#[derive(Default)]
struct Found {
    problems: Vec<ProblemCode>,
    warnings: &'static [ProblemCode],
}

impl Found {
    fn error(&mut self, code: ProblemCode) {
        self.problems.push(code);
    }

    fn name(&mut self, name: &str, rule: NameRule, codes: &NameCodes) {
        let strange = |c: char| c.is_ascii() && !matches!(c, 'a'..='z' | 'A'..='Z' | ' ' | '.' | '\'' | '-');
        // Half a surrogate pair arrives as U+FFFD.
        if name.chars().any(|c| c.is_control() || c == '\u{fffd}') {
            self.error(codes.characters);
        } else if name.is_empty() {
            if let Some(missing) = codes.missing.filter(|_| rule.required) {
                self.error(missing);
            }
        } else if redact::typed_card_number(name) {
            self.error(codes.card_number);
        } else if rule.letters && name.chars().any(strange) {
            self.error(codes.characters);
        } else if characters(name) < rule.shortest {
            self.error(codes.too_short);
        } else if characters(name) + name.bytes().filter(|byte| *byte >= 0xf0).count() > rule.longest {
            self.error(codes.too_long);
        }
    }

    fn number(&mut self, number: &str, brands: &[Brand], rules: &Rules) {
        let length = number.len();
        let allowed = Brand::lengths_of(brands);
        let (shortest, longest) = match allowed.checked_ilog2() {
            Some(longest) => (allowed.trailing_zeros(), longest),
            None => NUMBER_DIGITS,
        };
        if length < shortest as usize {
            self.error(ProblemCode::NumberTooShort);
        } else if length > longest as usize {
            self.error(ProblemCode::NumberTooLong);
        } else if allowed != 0 && allowed >> length & 1 == 0 {
            self.error(ProblemCode::NumberLength);
        } else if !luhn(number.bytes().map(|byte| u32::from(byte - b'0'))) {
            let certain = brands.is_empty() || brands.iter().any(|brand| brand.has_check_digit());
            if rules.strict || certain && rules.luhn == Severity::Error {
                self.error(ProblemCode::NumberCheckDigit);
            } else {
                self.warnings = &[ProblemCode::NumberCheckDigit];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;
    use crate::platform::Platform;

    const NOW: f64 = 1_795_219_200_000.0;
    const GREENPAY: Rules = crate::greenpay::TOKEN_RULES;

    fn typed(number: &str, expiry: &str, cvc: &str, holder: &str, nickname: Option<&str>) -> CardInput {
        CardInput {
            number: number.into(),
            expiry: expiry.into(),
            cvc: Secret::new(cvc.to_string()),
            holder: holder.into(),
            nickname: nickname.map(Secret::from),
        }
    }

    fn codes(input: &CardInput, rules: &Rules) -> Vec<&'static str> {
        check(input, rules, NOW)
            .problems
            .iter()
            .map(|problem| problem.as_str())
            .collect()
    }

    #[test]
    fn accepts_a_card_with_blanks_and_dashes() {
        let input = typed(
            " 4242 4242-4242\u{a0}4242 ",
            "12 / 30",
            "123",
            "Ana Núñez",
            Some("My Visa"),
        );
        let checked = check(&input, &GREENPAY, NOW);
        assert!(checked.problems.is_empty() && checked.warnings.is_empty());
        assert_eq!(checked.card.unwrap().number.expose(), "4242424242424242");
        assert_eq!(checked.brands, [Brand::Visa]);
    }

    #[test]
    fn digits_of_other_scripts_are_sent_in_ascii() {
        for zero in [
            '\u{ff10}',
            '\u{660}',
            '\u{6f0}',
            '\u{966}',
            '\u{1d7ce}',
            '\u{104a0}',
        ] {
            let other = |text: &str| -> String {
                text.chars()
                    .map(|c| {
                        c.to_digit(10)
                            .map_or(c, |digit| char::from_u32(u32::from(zero) + digit).unwrap())
                    })
                    .collect()
            };
            let input = typed(
                &other("4242 4242\u{ff0d}4242\u{30fc}4242"),
                &other("12/30"),
                &other("123"),
                "Ana Mora",
                None,
            );
            let card = check(&input, &Rules::COMMON, NOW).card.unwrap();
            assert_eq!(card.number.expose(), "4242424242424242");
            assert_eq!((card.expiry.month(), card.expiry.year()), (12, 2030));
            assert_eq!(card.cvc.expose(), "123");
        }
    }

    #[test]
    fn marks_that_nobody_sees_are_passed_over() {
        let input = typed(
            "\u{202d}4242\u{200b}4242\u{ad}4242\u{2066}4242\u{202c}",
            "\u{200e}12/30\u{feff}",
            "\u{202d}12\u{200b}3 \u{202c}",
            "Ana Mora",
            None,
        );
        let card = check(&input, &Rules::COMMON, NOW).card.unwrap();
        assert_eq!(
            (card.number.expose(), card.cvc.expose()),
            ("4242424242424242", "123")
        );
        let empty = typed("\u{200b}", "\u{feff}", " \u{202c}", "Ana Mora", None);
        assert_eq!(
            codes(&empty, &Rules::COMMON),
            ["number_missing", "expiry_missing", "cvc_missing"]
        );
        for (cvc, code) in [
            ("1 23", "cvc_not_digits"),
            ("12\u{bd}", "cvc_not_digits"),
            ("\u{661}\u{662}", "cvc_length"),
        ] {
            assert_eq!(
                codes(
                    &typed("4242424242424242", "12/30", cvc, "Ana Mora", None),
                    &Rules::COMMON
                ),
                [code]
            );
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_a_problem_of_the_name() {
        let mut input = typed(
            "4242424242424242",
            "12/30",
            "123",
            "Ana \u{fffd} Mora",
            Some("My \u{fffd}"),
        );
        assert_eq!(
            codes(&input, &Rules::COMMON),
            ["holder_characters", "nickname_characters"]
        );
        (input.holder, input.nickname) = ("\u{fffd}".into(), Some("Mi \u{1f4b3}".into()));
        assert_eq!(codes(&input, &Rules::COMMON), ["holder_characters"]);
    }

    #[test]
    fn reports_every_problem_at_once() {
        let input = typed("4242 x", "13/30", "12a", "\u{0}", Some("ab"));
        assert_eq!(
            codes(&input, &GREENPAY),
            [
                "number_not_digits",
                "expiry_month",
                "cvc_not_digits",
                "holder_characters",
                "nickname_too_short"
            ]
        );
        let input = CardInput::default();
        assert_eq!(
            codes(&input, &GREENPAY),
            [
                "number_missing",
                "expiry_missing",
                "cvc_missing",
                "holder_missing"
            ]
        );
    }

    #[test]
    fn a_nickname_is_made_up_where_the_platform_needs_one() {
        let made = |number: &str, nickname: Option<&str>, rules: &Rules| {
            let input = typed(number, "12/30", "123", "Ana Mora", nickname);
            let card = check(&input, rules, NOW).card.unwrap();
            card.nickname.map(|nickname| nickname.expose().to_owned())
        };
        assert_eq!(
            made("4242424242424242", None, &GREENPAY).as_deref(),
            Some("Visa 4242")
        );
        assert_eq!(
            made("4242424242424242", Some(" \u{3000}"), &GREENPAY).as_deref(),
            Some("Visa 4242")
        );
        assert_eq!(
            made("6062826786276634", None, &GREENPAY).as_deref(),
            Some("Hipercard 6634")
        );
        assert_eq!(
            made("0000000000000000", None, &GREENPAY).as_deref(),
            Some("Card 0000")
        );
        assert_eq!(
            made("4242424242424242", Some("My Visa"), &GREENPAY).as_deref(),
            Some("My Visa")
        );
        assert_eq!(made("4242424242424242", None, &Rules::COMMON), None);
    }

    #[test]
    fn the_token_of_a_network_needs_no_security_code() {
        let mut input = typed("4895370012003478", "06/29", "", "", None);
        let rules = crate::platform::rules(Platform::WorldlineAcquiring, false);
        let found = |input: &CardInput, cvc| {
            let checked = check(input, &Rules { cvc, ..rules }, NOW);
            let problems: Vec<_> = checked.problems.iter().map(|found| found.as_str()).collect();
            (checked.card.is_some(), problems)
        };
        assert_eq!(found(&input, false), (true, vec![]));
        assert_eq!(found(&input, true), (false, vec!["cvc_missing"]));
        input.cvc = "12".into();
        assert_eq!(found(&input, false), (false, vec!["cvc_length"]));
    }

    #[test]
    fn luhn_only_warns_where_the_platforms_test_cards_fail_it() {
        // Two of the platform's own documented test cards.
        for number in ["4556592228753727", "4929518506489375"] {
            let input = typed(number, "12/30", "123", "Ana Mora", Some("My Visa"));
            let checked = check(&input, &GREENPAY, NOW);
            assert!(checked.problems.is_empty());
            assert_eq!(checked.warnings, [ProblemCode::NumberCheckDigit]);
            assert_eq!(checked.card.unwrap().warnings(), checked.warnings);
            assert!(check(&input, &Rules::COMMON, NOW).card.is_none());
        }
    }

    /// Some UnionPay cards have no check digit, so a wrong one is a warning under all rules.
    #[test]
    fn strict_rules_let_no_warning_pass() {
        for number in ["4556592228753727", "6200000000000000"] {
            let input = typed(number, "12/30", "123", "Ana Mora", Some("My card"));
            let checked = |strict| check(&input, &Rules { strict, ..GREENPAY }, NOW);
            let (found, strict) = (checked(false), checked(true));
            assert_eq!((found.problems.len(), found.warnings.len()), (0, 1), "{number}");
            assert_eq!(strict.problems, found.warnings);
            assert!(strict.card.is_none() && strict.warnings.is_empty());
        }
    }

    #[test]
    fn the_security_code_has_the_brands_length() {
        let amex = |cvc| typed("378282246310005", "12/30", cvc, "Ana Mora", None);
        assert_eq!(codes(&amex("123"), &Rules::COMMON), ["cvc_length"]);
        assert!(codes(&amex("1234"), &Rules::COMMON).is_empty());
        assert_eq!(
            codes(
                &typed("4242424242424242", "12/30", "1234", "Ana Mora", None),
                &Rules::COMMON
            ),
            ["cvc_length"]
        );
    }

    #[test]
    fn the_number_has_a_length_of_its_brand() {
        let visa = |number| typed(number, "12/30", "123", "Ana Mora", None);
        assert_eq!(codes(&visa("424242424242"), &Rules::COMMON), ["number_too_short"]);
        assert_eq!(codes(&visa("42424242424242"), &Rules::COMMON), ["number_length"]);
        assert_eq!(
            codes(&visa("42424242424242424242"), &Rules::COMMON),
            ["number_too_long"]
        );
    }

    #[test]
    fn a_card_number_is_no_name() {
        let input = typed(
            "4242424242424242",
            "12/30",
            "123",
            "4242 4242 4242 4242",
            Some("5555555555554444"),
        );
        assert_eq!(
            codes(&input, &GREENPAY),
            ["holder_is_card_number", "nickname_is_card_number"]
        );
    }

    #[test]
    fn nothing_of_a_card_can_be_printed() {
        let input = typed("4242424242424242", "12/30", "987", "Ana Mora", Some("My Visa"));
        let text = format!("{input:?} {:?}", check(&input, &GREENPAY, NOW));
        for secret in ["4242", "987", "Ana", "My Visa", "2030"] {
            assert!(!text.contains(secret), "{secret}");
        }
    }
}
