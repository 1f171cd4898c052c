//! Expiry dates. The caller passes the current time.

use super::digits::ascii_digit;
use super::{ProblemCode, is_dash, is_invisible};
use zeroize::Zeroizing;

/// A calendar month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// The year, four digits.
    pub year: u16,
    /// 1 to 12.
    pub month: u8,
}

/// A card is valid to the end of its month in its owner's time zone. The last zone is twelve hours behind UTC.
const LAST_ZONE_MS: i64 = 12 * 3_600_000;
/// Cards are not issued for longer.
const MAX_YEARS: u16 = 25;

impl Month {
    /// Returns the month in the westernmost time zone.
    #[must_use]
    pub fn at(now_ms: f64) -> Self {
        // Converts days to the Gregorian calendar. Years are counted from 1 March, so that leap days come last.
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

/// A card expires at the end of this month.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Expiry(Month);

impl std::fmt::Debug for Expiry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Expiry {
    /// Reads a month and a year as people, password managers and date inputs write them, with digits of any script:
    ///
    /// - With a separator, the month is first: `5/30`, `05 - 2030`, `05.30`.
    /// - The year is first if it has four digits, if `年` follows it, or if its two digits are above 12:
    ///   `2030-05`, `2030年5月`, `30/05`. (So `13/30` is a wrong month either way, and `12/13` is December.)
    /// - After a year of four digits or with `年`, a day may follow the month. It is ignored: `2030-05-31`.
    /// - Without a separator: `MMYY`, `MMYYYY`, and `YYYYMM` if the first two digits are above 12.
    /// - Spaces separate only if the text is not a date without them: `5 2030`, `2030 5`.
    ///
    /// A separator is one or more of the usual characters. Spaces around it, invisible characters, and a separator
    /// at the end are ignored.
    ///
    /// # Errors
    /// The problem, as a code.
    pub fn parse(text: &str) -> Result<Self, ProblemCode> {
        let text = normalized(text).ok_or(ProblemCode::ExpiryMalformed)?;
        if text.is_empty() {
            return Err(ProblemCode::ExpiryMissing);
        }
        let without_blanks = || text.chars().filter(|c| *c != ' ');
        let mut dense = Zeroizing::new(String::with_capacity(text.len()));
        dense.extend(without_blanks());
        if dense.bytes().any(|byte| !byte.is_ascii_digit()) {
            return Self::of_groups(&dense);
        }
        let undivided = match dense.split_at_checked(2) {
            Some((year, _)) if dense.len() == 6 && value(year) > Some(12) => {
                dense.split_at_checked(4).map(|(year, month)| (month, year))
            }
            Some(parts) if matches!(dense.len(), 4 | 6) => Some(parts),
            _ => None,
        };
        match undivided.map(|(month, year)| Self::of_parts(month, year)) {
            Some(Ok(expiry)) => Ok(expiry),
            // If there is only one group, keep this error.
            Some(Err(code)) => Self::of_groups(&text).map_err(|_| code),
            None => Self::of_groups(&text),
        }
    }

    /// Reads groups of digits.
    fn of_groups(text: &str) -> Result<Self, ProblemCode> {
        let mut rest = text;
        let mut group = || {
            let end = rest.bytes().position(|byte| !byte.is_ascii_digit());
            let (group, more) = rest
                .split_at_checked(end.unwrap_or(rest.len()))
                .unwrap_or_default();
            rest = more.get(1..).unwrap_or_default();
            group
        };
        let (first, second, day, more) = (group(), group(), group(), group());
        let marked = text
            .get(first.len()..)
            .is_some_and(|rest| rest.starts_with(AFTER_YEAR));
        let certain = marked || first.len() == 4;
        let year_first = certain || first.len() == 2 && second.len() <= 2 && value(first) > Some(12);
        // Two digits before a month and a day can be a day themselves: `30/01/15`.
        let is_day = || certain && day.len() <= 2 && matches!(value(day), Some(1..=31));
        if !more.is_empty() || !day.is_empty() && !is_day() {
            return Err(ProblemCode::ExpiryMalformed);
        }
        if year_first {
            Self::of_parts(second, first)
        } else {
            Self::of_parts(first, second)
        }
    }

    fn of_parts(month: &str, year: &str) -> Result<Self, ProblemCode> {
        match (value(month), value(year)) {
            (Some(number), Some(of_year)) if month.len() <= 2 && matches!(year.len(), 2 | 4) => {
                Self::new(number, of_year)
            }
            _ => Err(ProblemCode::ExpiryMalformed),
        }
    }

    /// Creates a date from numbers. A year below 100 is in this century.
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

    /// Checks that the card is valid at that time.
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

    /// The month as two digits.
    pub(crate) fn month_digits(self) -> Zeroizing<String> {
        two_digits(self.month().into())
    }

    /// The last two digits of the year.
    pub(crate) fn short_year_digits(self) -> Zeroizing<String> {
        two_digits(self.short_year())
    }

    /// The four digits of the year.
    pub(crate) fn year_digits(self) -> Zeroizing<String> {
        let (century, year) = (two_digits(self.year() / 100), self.short_year_digits());
        Zeroizing::new([century.as_str(), &year].concat())
    }
}

fn two_digits(number: u16) -> Zeroizing<String> {
    let mut digits = Zeroizing::new(String::with_capacity(2));
    for digit in [number / 10 % 10, number % 10] {
        digits.push(char::from_digit(digit.into(), 10).unwrap_or_default());
    }
    digits
}

/// A separator in a normalized date.
const DIVIDED: char = '/';
/// A separator in a normalized date that follows a year.
const AFTER_YEAR: char = 'Y';

/// The kinds of characters in a date.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A digit, in ASCII.
    Digit(char),
    /// A space of any width.
    Blank,
    /// A separator between month and year.
    Divided,
    /// The character `年`, which follows a year.
    AfterYear,
    /// An invisible character.
    Invisible,
    /// A character that no date contains.
    Other,
}

impl Mark {
    pub(super) fn of(c: char) -> Self {
        match c {
            _ if is_invisible(c) => Self::Invisible,
            _ if c.is_whitespace() => Self::Blank,
            '/' | '.' | ',' | '\\' | '|' | '\u{b7}' | '\u{60c}' | '\u{2044}' | '\u{2215}' | '\u{3001}'
            | '\u{3002}' | '\u{30fb}' | '\u{ff0c}' | '\u{ff0e}' | '\u{ff0f}' | '\u{ff3c}' | '\u{ff5c}'
            | '\u{ff65}' | '月' | '日' | '월' | '일' => Self::Divided,
            '年' | '년' => Self::AfterYear,
            _ => ascii_digit(c).map_or(if is_dash(c) { Self::Divided } else { Self::Other }, Self::Digit),
        }
    }
}

/// Returns the groups of digits with one character between them: [`DIVIDED`], [`AFTER_YEAR`] or a space. `None` if
/// the text contains anything else, or starts with a separator.
fn normalized(text: &str) -> Option<Zeroizing<String>> {
    let mut out = Zeroizing::new(String::with_capacity(text.len()));
    let mut between = None;
    for c in text.chars() {
        match (Mark::of(c), between) {
            (Mark::Digit(digit), _) => {
                out.extend(between.take());
                out.push(digit);
            }
            (Mark::Invisible, _) | (Mark::Blank, Some(_)) | (Mark::Divided, Some(AFTER_YEAR)) => {}
            (Mark::Blank, None) => between = (!out.is_empty()).then_some(' '),
            (Mark::Other, _) => return None,
            (Mark::Divided | Mark::AfterYear, _) if out.is_empty() => return None,
            (Mark::AfterYear, _) => between = Some(AFTER_YEAR),
            (Mark::Divided, _) => between = Some(DIVIDED),
        }
    }
    Some(out)
}

/// The number of up to four digits.
fn value(digits: &str) -> Option<u16> {
    let digit = |byte: u8| u16::from(byte.wrapping_sub(b'0'));
    matches!(digits.len(), 1..=4).then(|| digits.bytes().fold(0, |sum, byte| sum * 10 + digit(byte)))
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
            "05/30",
            "5/30",
            "05 / 30",
            "05/2030",
            "0530",
            "052030",
            " 05-30 ",
            "05.30",
            "0 5 / 3 0",
            "05 30",
            "5 2030",
            "05 2030",
            "5,30",
            "5\\30",
            "5|30",
            "5 – 30",
            "5—30",
            "5⁄30",
            "5∕30",
            "５／３０",
            "5・30",
            "5\u{a0}/\u{3000}30",
            "5//30",
            "05/30/",
            "0530 -",
            "2030-05",
            "2030/5",
            "203005",
            "2030-05-31",
            "2030/5/1",
            "2030 05",
            "2030 5 1",
            "30/05",
            "30 05",
            "30-5",
            "2030年5月",
            "2030年05月31日",
            "30年5月",
            "5月30日",
            "2030년 5월",
            "5月2030年",
            "\u{202d}05\u{200b}/\u{200e}30\u{202c}\u{feff}",
            "٠٥/٣٠",
            "०५/२०३०",
            "𝟎𝟓𝟑𝟎",
        ] {
            assert_eq!(Expiry::parse(text), expected, "{text}");
        }
    }

    /// Every form of every month of every year of the century.
    #[test]
    fn every_written_form_gives_its_month_and_year() {
        let separators = [
            "/",
            "-",
            ".",
            ",",
            "\\",
            "|",
            "–",
            "—",
            "⁄",
            "∕",
            "／",
            "・",
            " / ",
            "\u{2009}-\u{3000}",
            "\u{200f}/",
        ];
        for (month, year) in (1..=12).flat_map(|month| (2000..2100).map(move |year| (month, year))) {
            let expected = Expiry::new(month, year);
            let read = |text: String| assert_eq!(Expiry::parse(&text), expected, "{text}");
            let short = year % 100;
            read(format!("{month:02}{short:02}"));
            read(format!("{month:02}{year}"));
            read(format!("{year}{month:02}"));
            read(format!("{year}年{month}月"));
            read(format!("{year}年{month:02}月28日"));
            read(format!("{short:02}年{month}月"));
            read(format!("{month} {year}"));
            read(format!("{month:02}\u{a0}\u{a0}{short:02}"));
            read(format!("{year} {month:02}"));
            for between in separators {
                read(format!("{month}{between}{short:02}"));
                read(format!("{month:02}{between}{short:02}"));
                read(format!("{month}{between}{year}"));
                read(format!("{month:02}{between}{year}{between}"));
                read(format!("{year}{between}{month}"));
                read(format!("{year}{between}{month:02}"));
                read(format!("{year}{between}{month:02}{between}31"));
                if short > 12 {
                    read(format!("{short}{between}{month:02}"));
                    read(format!("{short}{between}{month}"));
                }
            }
        }
    }

    /// The rule before other forms were accepted. What it could read must still be read in the same way.
    fn month_first(text: &str) -> Result<Expiry, ProblemCode> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let parts = text.split_once(['/', '-', '.', '\u{2013}', '\u{2044}']);
        let undivided = || matches!(text.len(), 4 | 6).then(|| text.split_at(2));
        let (month, year) = parts.or_else(undivided).ok_or(ProblemCode::ExpiryMalformed)?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !matches!(month.len(), 1 | 2) || !matches!(year.len(), 2 | 4) || !digits(month) || !digits(year) {
            return Err(ProblemCode::ExpiryMalformed);
        }
        Expiry::new(month.parse().unwrap(), year.parse().unwrap())
    }

    #[test]
    fn what_has_the_month_first_is_read_so() {
        // Every text of up to seven of these characters.
        let characters = ['0', '1', '3', ' ', '/'];
        let mut texts = vec![String::new()];
        for _ in 0..7 {
            texts = texts
                .iter()
                .flat_map(|text| characters.iter().map(move |c| format!("{text}{c}")))
                .collect();
            for text in &texts {
                let before = month_first(text);
                assert!(before.is_err() || Expiry::parse(text) == before, "{text}");
            }
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
            ("\u{200b}", ProblemCode::ExpiryMissing),
            ("13/2030", ProblemCode::ExpiryMonth),
            ("13 30", ProblemCode::ExpiryMonth),
            ("3001", ProblemCode::ExpiryMonth),
            ("30/00", ProblemCode::ExpiryMonth),
            ("2030-13", ProblemCode::ExpiryMonth),
            ("203013", ProblemCode::ExpiryMonth),
            ("12年05月", ProblemCode::ExpiryPast),
            ("2030", ProblemCode::ExpiryMonth),
            ("12/3", ProblemCode::ExpiryMalformed),
            ("12/300", ProblemCode::ExpiryMalformed),
            ("/", ProblemCode::ExpiryMalformed),
            ("/0530", ProblemCode::ExpiryMalformed),
            ("2030", ProblemCode::ExpiryMonth),
            ("2030-05-32", ProblemCode::ExpiryMalformed),
            ("2030-05-00", ProblemCode::ExpiryMalformed),
            ("2030-05-01-01", ProblemCode::ExpiryMalformed),
            ("2030-05-01T00:00", ProblemCode::ExpiryMalformed),
            ("30/05/31", ProblemCode::ExpiryMalformed),
            ("05/31/2030", ProblemCode::ExpiryMalformed),
            ("2030/2030", ProblemCode::ExpiryMalformed),
            ("12030", ProblemCode::ExpiryMalformed),
            ("05/30\u{fffd}", ProblemCode::ExpiryMalformed),
        ] {
            let read = Expiry::parse(text).and_then(|expiry| expiry.check(NOW));
            assert_eq!(read, Err(code), "{text}");
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
