//! Expiry dates, against a clock that the caller gives.

use super::ProblemCode;
use crate::wiped::Wiped;

/// A month of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// The year, four digits.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
}

/// A card is good to the end of its month wherever its owner is, and the last zone is twelve hours behind UTC.
const LAST_ZONE_MS: i64 = 12 * 3_600_000;
/// Longest time that a card is issued for.
const MAX_YEARS: u16 = 25;

impl Month {
    /// The month in which a moment lies in the westernmost zone.
    #[must_use]
    pub fn at(now_ms: f64) -> Self {
        // Proleptic Gregorian calendar from days, counting years from 1 March: leap days come last.
        #[expect(clippy::cast_possible_truncation, reason = "a clock's milliseconds fit")]
        let days = (now_ms as i64)
            .saturating_sub(LAST_ZONE_MS)
            .div_euclid(86_400_000)
            + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 {
            march_month + 3
        } else {
            march_month - 9
        };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year: u16::try_from(year).unwrap_or(u16::MAX),
            month: u8::try_from(month).unwrap_or(1),
        }
    }
}

/// When a card expires: at the end of this month.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Expiry(Month);

impl std::fmt::Debug for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Expiry {
    /// Reads `MM/YY`, `MM/YYYY`, `M/YY`, `MMYY` or `MMYYYY`; blanks anywhere, any of `/`, `-` and `.` between.
    ///
    /// # Errors
    /// The problem, as a code.
    pub fn parse(text: &str) -> Result<Self, ProblemCode> {
        let text: Wiped<String> = text
            .chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
            .into();
        if text.is_empty() {
            return Err(ProblemCode::ExpiryMissing);
        }
        let parts = text.split_once(['/', '-', '.', '\u{2013}', '\u{2044}']);
        let (month, year) = match parts {
            Some(parts) => parts,
            None if matches!(text.len(), 4 | 6) => {
                text.split_at_checked(2).ok_or(ProblemCode::ExpiryMalformed)?
            }
            None => return Err(ProblemCode::ExpiryMalformed),
        };
        let number = |text: &str| -> Option<u16> {
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())?
        };
        if !matches!(month.len(), 1 | 2) || !matches!(year.len(), 2 | 4) {
            return Err(ProblemCode::ExpiryMalformed);
        }
        match (number(month), number(year)) {
            (Some(month), Some(year)) => Self::new(month, year),
            _ => Err(ProblemCode::ExpiryMalformed),
        }
    }

    /// From numbers; a year below 100 is in this century.
    ///
    /// # Errors
    /// The problem, as a code.
    pub fn new(month: u16, year: u16) -> Result<Self, ProblemCode> {
        let year = if year < 100 { 2000 + year } else { year };
        match u8::try_from(month) {
            Ok(month @ 1..=12) if (1000..10_000).contains(&year) => Ok(Self(Month { year, month })),
            Ok(1..=12) => Err(ProblemCode::ExpiryMalformed),
            _ => Err(ProblemCode::ExpiryMonth),
        }
    }

    /// Whether the card is good at that time.
    ///
    /// # Errors
    /// `expiry_past` or `expiry_too_far`.
    pub fn check(self, now_ms: f64) -> Result<(), ProblemCode> {
        let now = Month::at(now_ms);
        if self.0 < now {
            Err(ProblemCode::ExpiryPast)
        } else if self.0.year > now.year + MAX_YEARS {
            Err(ProblemCode::ExpiryTooFar)
        } else {
            Ok(())
        }
    }

    /// 1 to 12.
    #[must_use]
    pub const fn month(self) -> u8 {
        self.0.month
    }

    /// Four digits.
    #[must_use]
    pub const fn year(self) -> u16 {
        self.0.year
    }

    /// The last two digits of the year.
    #[must_use]
    pub const fn short_year(self) -> u16 {
        self.0.year % 100
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    use super::*;

    /// 2026-11-21 00:00 UTC.
    const NOW: f64 = 1_795_219_200_000.0;

    #[test]
    fn reads_what_people_type() {
        let expected = Expiry::new(5, 2030);
        for text in [
            "05/30", "5/30", "05 / 30", "05/2030", "0530", "052030", " 05-30 ", "05.30",
        ] {
            assert_eq!(Expiry::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn names_what_is_wrong() {
        for (text, code) in [
            ("", ProblemCode::ExpiryMissing),
            ("  ", ProblemCode::ExpiryMissing),
            ("13/30", ProblemCode::ExpiryMonth),
            ("00/30", ProblemCode::ExpiryMonth),
            ("1/3", ProblemCode::ExpiryMalformed),
            ("123", ProblemCode::ExpiryMalformed),
            ("ab/cd", ProblemCode::ExpiryMalformed),
            ("+1/30", ProblemCode::ExpiryMalformed),
            ("12/30/1", ProblemCode::ExpiryMalformed),
            ("1\u{e9}\u{e9}", ProblemCode::ExpiryMalformed),
        ] {
            assert_eq!(Expiry::parse(text), Err(code), "{text}");
        }
    }

    #[test]
    fn is_good_to_the_end_of_its_month_in_the_last_zone() {
        let month = |text| Expiry::parse(text).unwrap();
        assert_eq!(
            Month::at(NOW),
            Month {
                year: 2026,
                month: 11
            }
        );
        assert_eq!(month("11/26").check(NOW), Ok(()));
        assert_eq!(month("10/26").check(NOW), Err(ProblemCode::ExpiryPast));
        // 2026-12-01 11:59 UTC is still November somewhere; one minute later it is not.
        assert_eq!(month("11/26").check(1_796_126_340_000.0), Ok(()));
        assert_eq!(
            month("11/26").check(1_796_126_400_000.0),
            Err(ProblemCode::ExpiryPast)
        );
        assert_eq!(month("12/51").check(NOW), Ok(()));
        assert_eq!(month("01/52").check(NOW), Err(ProblemCode::ExpiryTooFar));
        assert_eq!(month("12/99").check(NOW), Err(ProblemCode::ExpiryTooFar));
    }

    #[test]
    fn knows_leap_years_and_the_epoch() {
        assert_eq!(Month::at(12.0 * 3_600_000.0), Month { year: 1970, month: 1 });
        // 2028-02-29 and 2028-03-01, noon UTC.
        assert_eq!(Month::at(1_835_438_400_000.0), Month { year: 2028, month: 2 });
        assert_eq!(Month::at(1_835_524_800_000.0), Month { year: 2028, month: 3 });
    }
}
