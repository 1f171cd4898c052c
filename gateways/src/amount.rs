//! Money: minor units and an ISO 4217 currency. Decimal text in, decimal text out, no floating point between.

use std::fmt;

/// An ISO 4217 currency.
pub use iso_currency::Currency;

/// The largest amount in minor units: fifteen digits survive any receiver that reads JSON numbers as doubles.
const MAX_MINOR: u64 = 999_999_999_999_999;

/// An amount that can be charged: above zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Amount {
    minor: u64,
    currency: Currency,
}

/// Why a text is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not an ISO 4217 code in capitals, or one without minor units (metals, test codes).
    #[error("the currency is not an ISO 4217 code")]
    Currency,
    /// Not digits with at most one point between them.
    #[error("the amount is not decimal text such as 12.34")]
    Malformed,
    /// More decimals than the currency has.
    #[error("the amount has more decimals than its currency")]
    TooManyDecimals,
    /// More than fifteen digits of minor units.
    #[error("the amount is too large")]
    TooLarge,
    /// The amount is zero.
    #[error("the amount is zero")]
    Zero,
}

impl Amount {
    /// Reads decimal text in major units: `12`, `12.3` or `12.34`. It may have no sign, exponent, grouping, space or
    /// leading zero, and no point without digits on both sides.
    ///
    /// # Errors
    /// If the text is not such an amount.
    pub fn parse(text: &str, currency: &str) -> Result<Self, AmountError> {
        let currency = Currency::from_code(currency).ok_or(AmountError::Currency)?;
        Self::from_minor(parse_minor(text, currency)?, currency)
    }

    /// From minor units.
    ///
    /// # Errors
    /// `Zero`, `TooLarge`, and `Currency` for one without minor units.
    pub fn from_minor(minor: u64, currency: Currency) -> Result<Self, AmountError> {
        match minor {
            _ if decimals(currency).is_none() => Err(AmountError::Currency),
            0 => Err(AmountError::Zero),
            1..=MAX_MINOR => Ok(Self { minor, currency }),
            _ => Err(AmountError::TooLarge),
        }
    }

    /// In the currency's smallest unit.
    #[must_use]
    pub const fn minor(&self) -> u64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// Major units with all decimals of the currency: `12.30`; `1200` for one without decimals. It is also a
    /// JSON number, exactly.
    #[must_use]
    pub fn to_decimal_text(&self) -> String {
        decimal_text(self.minor, self.currency)
    }
}

/// Minor units of decimal text, under the rules of [`Amount::parse`]. Zero is a number here.
///
/// # Errors
/// If the text is not such an amount.
pub fn parse_minor(text: &str, currency: Currency) -> Result<u64, AmountError> {
    let decimals = decimals(currency).ok_or(AmountError::Currency)?;
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(AmountError::Malformed),
        Some(parts) => parts,
        None => (text, ""),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leading_zero || !digits(whole) || !digits(fraction) {
        return Err(AmountError::Malformed);
    }
    if fraction.len() > decimals {
        return Err(AmountError::TooManyDecimals);
    }
    format!("{whole}{fraction:0<decimals$}")
        .parse()
        .ok()
        .filter(|minor| *minor <= MAX_MINOR)
        .ok_or(AmountError::TooLarge)
}

/// The text of minor units, as [`Amount::to_decimal_text`] writes it; also of zero.
#[must_use]
pub fn decimal_text(minor: u64, currency: Currency) -> String {
    let decimals = decimals(currency).unwrap_or_default();
    if decimals == 0 {
        return minor.to_string();
    }
    let digits = format!("{minor:0>width$}", width = decimals + 1);
    let (whole, fraction) = digits.split_at(digits.len() - decimals);
    format!("{whole}.{fraction}")
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal_text(), self.currency.code())
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

pub(crate) fn decimals(currency: Currency) -> Option<usize> {
    currency.exponent().map(usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_people_write() {
        for (text, currency, minor, back) in [
            ("12.34", "USD", 1234, "12.34"),
            ("12.3", "USD", 1230, "12.30"),
            ("12", "USD", 1200, "12.00"),
            ("0.01", "CRC", 1, "0.01"),
            ("0.29", "GTQ", 29, "0.29"),
            ("19.99", "USD", 1999, "19.99"),
            ("500", "JPY", 500, "500"),
            ("1.234", "KWD", 1234, "1.234"),
            ("9999999999999.99", "USD", 999_999_999_999_999, "9999999999999.99"),
        ] {
            let amount = Amount::parse(text, currency).unwrap();
            assert_eq!(
                (amount.minor(), amount.to_decimal_text().as_str()),
                (minor, back),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_everything_else() {
        for (text, currency, error) in [
            ("", "USD", AmountError::Malformed),
            (".", "USD", AmountError::Malformed),
            (".5", "USD", AmountError::Malformed),
            ("5.", "USD", AmountError::Malformed),
            ("-1", "USD", AmountError::Malformed),
            ("+1", "USD", AmountError::Malformed),
            ("1e2", "USD", AmountError::Malformed),
            ("1,000", "USD", AmountError::Malformed),
            (" 1", "USD", AmountError::Malformed),
            ("1.2.3", "USD", AmountError::Malformed),
            ("01", "USD", AmountError::Malformed),
            ("00.10", "USD", AmountError::Malformed),
            ("NaN", "USD", AmountError::Malformed),
            ("١٢", "USD", AmountError::Malformed),
            ("1.234", "USD", AmountError::TooManyDecimals),
            ("1.0", "JPY", AmountError::TooManyDecimals),
            ("0", "USD", AmountError::Zero),
            ("0.00", "USD", AmountError::Zero),
            ("10000000000000.00", "USD", AmountError::TooLarge),
            ("99999999999999999999999999", "USD", AmountError::TooLarge),
            ("1", "usd", AmountError::Currency),
            ("1", "ZZZ", AmountError::Currency),
            ("1", "XAU", AmountError::Currency),
        ] {
            assert_eq!(
                Amount::parse(text, currency).unwrap_err(),
                error,
                "{text:?} {currency}"
            );
        }
    }

    /// Written from whole numbers, so that nothing of the reader's own is used to check it.
    #[test]
    fn every_price_up_to_a_hundred_thousand_is_its_own_number_of_cents() {
        for cents in 0..=10_000_000_u64 {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            assert_eq!(parse_minor(&text, Currency::USD), Ok(cents), "{text}");
            if cents % 997 == 0 {
                assert_eq!(decimal_text(cents, Currency::USD), text);
            }
        }
        assert_eq!(Amount::parse("0.00", "USD"), Err(AmountError::Zero));
    }

    /// Prices that lose a cent, or gain digits, when they are multiplied by a hundred as floating-point numbers.
    #[test]
    fn the_prices_that_floating_point_spoils_are_exact() {
        for text in "0.29 0.57 0.58 1.13 1.14 1.15 1.16 2.01 2.03 2.05 2.07 2.26 2.28 2.30 2.32 2.51 2.53 2.55 4.02 \
            4.06 4.10 4.14 4.27 4.31 4.35 4.39 4.52 4.56 4.60 4.64 4.77 4.81 4.85 4.89 5.02 5.06 5.10 8.03 8.04 8.12 \
            8.20 8.28 8.29 8.37 8.45 8.53 8.54 8.62 8.70 8.78 8.79 8.87 8.95 9.03 9.04 9.12 9.20 9.28 9.29 9.37 9.45 \
            9.53 9.54 9.62 9.70 9.78 9.79 9.87 9.95 16.90 16.99 17.99 18.99 19.49 19.90 19.99 64.10 64.99 70.1 80.99 \
            81.10 128.95 10.20 1230.9 29.99 39.99 49.99 59.99 99.99"
            .split_whitespace()
        {
            let (whole, fraction) = text.split_once('.').unwrap();
            let cents: u64 = format!("{whole}{fraction:0<2}").parse().unwrap();
            assert_eq!(Amount::parse(text, "USD").unwrap().minor(), cents, "{text}");
        }
        for text in ["1.005", "19.999", "0.290"] {
            assert_eq!(
                Amount::parse(text, "USD"),
                Err(AmountError::TooManyDecimals),
                "{text}"
            );
        }
        // Currencies without decimals, and with three.
        assert_eq!(Amount::parse("20", "JPY").unwrap().minor(), 20);
        assert_eq!(Amount::parse("19.99", "JPY"), Err(AmountError::TooManyDecimals));
        assert_eq!(Amount::parse("19.99", "KWD").unwrap().minor(), 19_990);
        assert_eq!(Amount::parse("500", "CLP").unwrap().minor(), 500);
    }

    proptest! {
        #[test]
        fn survives_its_own_text(minor in 1..=MAX_MINOR, code in prop::sample::select(vec!["USD", "CRC", "GTQ", "JPY", "KWD", "EUR"])) {
            let amount = Amount::from_minor(minor, Currency::from_code(code).unwrap()).unwrap();
            prop_assert_eq!(Amount::parse(&amount.to_decimal_text(), code), Ok(amount));
        }

        #[test]
        fn never_reads_a_text_as_another_value(text in "[0-9]{0,8}\\.?[0-9]{0,4}") {
            if let Ok(amount) = Amount::parse(&text, "USD") {
                let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
                let minor: u64 = whole.parse::<u64>().unwrap() * 100 + format!("{fraction:0<2}").parse::<u64>().unwrap();
                prop_assert_eq!(amount.minor(), minor);
            }
        }

        #[test]
        fn never_panics(text in ".*", currency in ".*") {
            let _ = Amount::parse(&text, &currency);
        }
    }
}
