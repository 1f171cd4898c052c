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
    /// Anything but digits with at most one point between them.
    #[error("the amount is not decimal text such as 12.34")]
    Malformed,
    /// More digits behind the point than the currency has.
    #[error("the amount has more decimals than its currency")]
    TooManyDecimals,
    /// More than fifteen digits of minor units.
    #[error("the amount is too large")]
    TooLarge,
    /// Nothing to charge.
    #[error("the amount is zero")]
    Zero,
}

impl Amount {
    /// Reads decimal text in major units: `12`, `12.3` and `12.34`; no sign, exponent, grouping or blank, no
    /// leading zeros, no bare point.
    ///
    /// # Errors
    /// See [`AmountError`].
    pub fn parse(text: &str, currency: &str) -> Result<Self, AmountError> {
        let currency = Currency::from_code(currency).ok_or(AmountError::Currency)?;
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
        let minor: u64 = format!("{whole}{fraction:0<decimals$}")
            .parse()
            .map_err(|_| AmountError::TooLarge)?;
        Self::from_minor(minor, currency)
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
        let decimals = decimals(self.currency).unwrap_or_default();
        if decimals == 0 {
            return self.minor.to_string();
        }
        let digits = format!("{:0>width$}", self.minor, width = decimals + 1);
        let (whole, fraction) = digits.split_at(digits.len() - decimals);
        format!("{whole}.{fraction}")
    }
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

fn decimals(currency: Currency) -> Option<usize> {
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
