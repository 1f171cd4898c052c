//! Cards as they arrive, in any of the ways, and what is kept of them.

use cardseal::card::luhn;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha512};
use time::OffsetDateTime;

use super::products::{self, CARTES_BANCAIRES, Product};
use super::settings::Settings;
use crate::host::keeping::redacted;

/// Further ahead no card expires.
const MAX_YEARS_AHEAD: i32 = 25;

/// What the issuer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    Approves,
    Declines,
    /// Wants the holder to authenticate.
    Challenges,
}

/// What is kept of a card: never the number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CardFacts {
    pub(crate) first6: String,
    pub(crate) last4: String,
    digits: usize,
    pub(crate) product: u32,
    /// Not written, as the number could be found from it.
    #[serde(skip, default = "no_digest")]
    pub(crate) digest: [u8; 64],
    #[serde(serialize_with = "redacted")]
    pub(crate) holder: Option<String>,
    /// Year and month.
    expiry: (i32, u8),
    pub(crate) verdict: Verdict,
}

/// Of a card that was stored before the process began: no number has it, so the card gets another token when it is typed
/// again.
const fn no_digest() -> [u8; 64] {
    [0; 64]
}

impl CardFacts {
    /// All but the last four digits hidden.
    pub(crate) fn masked(&self) -> String {
        format!("{}{}", "*".repeat(self.digits.saturating_sub(4)), self.last4)
    }

    /// As stored cards are shown in pages.
    pub(crate) fn alias(&self) -> String {
        format!(
            "{}{}{}",
            self.first6,
            "X".repeat(self.digits.saturating_sub(10)),
            self.last4
        )
    }

    /// `MMYY`.
    pub(crate) fn expiry(&self) -> String {
        let (year, month) = self.expiry;
        format!("{month:02}{:02}", year % 100)
    }

    pub(crate) fn is_expired(&self, now: OffsetDateTime) -> bool {
        self.expiry < (now.year(), u8::from(now.month()))
    }

    /// The same account with another date or name.
    pub(crate) fn same_number(&self, other: &Self) -> bool {
        self.digest == other.digest
    }

    pub(crate) fn same_card(&self, other: &Self) -> bool {
        self.same_number(other) && self.expiry == other.expiry && self.holder == other.holder
    }
}

/// What is wrong with a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CardMistake {
    Number,
    Holder,
    Expiry,
    Cvv,
    /// The product is none that the merchant may use.
    Product,
    /// The number belongs to another product.
    Mismatch,
}

/// A card before it is looked at.
#[derive(Default)]
pub(crate) struct CardInput {
    /// Nothing: by the number.
    pub(crate) product: Option<u32>,
    pub(crate) number: Option<String>,
    pub(crate) holder: Option<String>,
    pub(crate) expiry: Option<String>,
    pub(crate) cvv: Option<String>,
    /// Requests for a token may leave it out.
    pub(crate) cvv_needed: bool,
}

impl CardInput {
    pub(crate) fn read(
        &self,
        settings: &Settings,
        salt: &[u8; 32],
        now: OffsetDateTime,
    ) -> Result<CardFacts, CardMistake> {
        let number = self.number.as_deref().ok_or(CardMistake::Number)?;
        let brand = products::by_digits(number).ok_or(CardMistake::Number)?;
        let product = match self.product {
            None => brand,
            Some(id) => chosen(settings, id, brand, number)?,
        };
        if !settings.products.contains(&product.id) {
            return Err(CardMistake::Product);
        }
        let declines = listed(&settings.declined_cards, number);
        let values: Option<Vec<u32>> = number.chars().map(|digit| digit.to_digit(10)).collect();
        let valid = values.is_some_and(|digits| declines || luhn(digits.into_iter()));
        let (first6, last4) = number
            .get(..6)
            .zip(number.get(number.len().saturating_sub(4)..))
            .filter(|_| valid && brand.takes_length(number.len()))
            .ok_or(CardMistake::Number)?;
        let holder = self.holder.as_deref().filter(|name| !name.is_empty());
        if holder.is_some_and(|name| !(2..=50).contains(&name.chars().count()))
            || (holder.is_none() && settings.cardholder_name_required)
        {
            return Err(CardMistake::Holder);
        }
        let expiry = self
            .expiry
            .as_deref()
            .and_then(|text| parse_expiry(text, now))
            .ok_or(CardMistake::Expiry)?;
        check_cvv(self.cvv.as_deref(), product, self.cvv_needed)?;
        Ok(CardFacts {
            first6: first6.into(),
            last4: last4.into(),
            digits: number.len(),
            product: product.id,
            digest: Sha512::new()
                .chain_update(salt)
                .chain_update(number)
                .finalize()
                .into(),
            holder: holder.map(Into::into),
            expiry,
            verdict: if declines {
                Verdict::Declines
            } else if listed(&settings.challenge_cards, number) {
                Verdict::Challenges
            } else {
                Verdict::Approves
            },
        })
    }
}

fn listed(cards: &[String], number: &str) -> bool {
    cards.iter().any(|card| card == number)
}

fn chosen(
    settings: &Settings,
    id: u32,
    brand: &'static Product,
    number: &str,
) -> Result<&'static Product, CardMistake> {
    let product = products::by_id(id).ok_or(CardMistake::Product)?;
    let co_branded = id == CARTES_BANCAIRES && is_co_branded(settings, number);
    if product.id == brand.id || co_branded {
        Ok(product)
    } else {
        Err(CardMistake::Mismatch)
    }
}

pub(crate) fn is_co_branded(settings: &Settings, number: &str) -> bool {
    settings
        .co_branded_bins
        .iter()
        .any(|bin| number.starts_with(bin.as_str()))
}

/// Checks the security code of a card or of a stored one.
pub(crate) fn check_cvv(cvv: Option<&str>, product: &Product, needed: bool) -> Result<(), CardMistake> {
    match cvv {
        None | Some("") if !needed => Ok(()),
        Some(cvv) if cvv.len() == product.cvv_digits() && cvv.bytes().all(|byte| byte.is_ascii_digit()) => {
            Ok(())
        }
        _ => Err(CardMistake::Cvv),
    }
}

/// `MMYY` or `MMYYYY`, from this month on.
fn parse_expiry(text: &str, now: OffsetDateTime) -> Option<(i32, u8)> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (month, year) = text.split_at_checked(2)?;
    let month: u8 = month.parse().ok()?;
    let year: i32 = match year.len() {
        2 => 2000 + year.parse::<i32>().ok()?,
        4 => year.parse().ok()?,
        _ => return None,
    };
    let this = (now.year(), u8::from(now.month()));
    let last = (this.0 + MAX_YEARS_AHEAD, this.1);
    ((1..=12).contains(&month) && (this..=last).contains(&(year, month))).then_some((year, month))
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::Month;

    fn now() -> OffsetDateTime {
        let date = time::Date::from_calendar_date(2026, Month::November, 21).unwrap();
        date.midnight().assume_utc()
    }

    fn given(number: &str) -> CardInput {
        CardInput {
            number: Some(number.into()),
            holder: Some("Zoë Müller".into()),
            expiry: Some("1230".into()),
            cvv: Some("123".into()),
            cvv_needed: true,
            ..CardInput::default()
        }
    }

    fn mistake(given: &CardInput, settings: &Settings) -> Option<CardMistake> {
        given.read(settings, &[0; 32], now()).err()
    }

    #[test]
    fn knows_dates_from_this_month_for_twenty_five_years() {
        for (text, wanted) in [
            ("1126", Some((2026, 11))),
            ("112026", Some((2026, 11))),
            ("112051", Some((2051, 11))),
            ("122051", None),
            ("1026", None),
            ("1326", None),
            ("0027", None),
            ("12/30", None),
            ("12", None),
            ("é230", None),
        ] {
            assert_eq!(parse_expiry(text, now()), wanted, "{text}");
        }
    }

    #[test]
    fn finds_what_is_wrong() {
        let settings = Settings::default();
        assert_eq!(mistake(&given("4567350000427977"), &settings), None);
        assert_eq!(
            mistake(&given("4567350000427978"), &settings),
            Some(CardMistake::Number)
        );
        assert_eq!(
            mistake(&given("45673500004279 7"), &settings),
            Some(CardMistake::Number)
        );
        assert_eq!(mistake(&given(""), &settings), Some(CardMistake::Number));
        let with = |change: &dyn Fn(&mut CardInput)| {
            let mut given = given("4567350000427977");
            change(&mut given);
            mistake(&given, &settings)
        };
        assert_eq!(with(&|given| given.holder = None), Some(CardMistake::Holder));
        assert_eq!(
            with(&|given| given.holder = Some("X".into())),
            Some(CardMistake::Holder)
        );
        assert_eq!(
            with(&|given| given.expiry = Some("0126".into())),
            Some(CardMistake::Expiry)
        );
        assert_eq!(
            with(&|given| given.cvv = Some("1234".into())),
            Some(CardMistake::Cvv)
        );
        assert_eq!(with(&|given| given.cvv = None), Some(CardMistake::Cvv));
        assert_eq!(
            with(&|given| given.product = Some(3)),
            Some(CardMistake::Mismatch)
        );
        assert_eq!(
            with(&|given| given.product = Some(840)),
            Some(CardMistake::Product)
        );
        assert_eq!(
            with(&|given| given.product = Some(130)),
            Some(CardMistake::Mismatch)
        );
        assert_eq!(with(&|given| (given.cvv, given.cvv_needed) = (None, false)), None);
        let changed = Settings {
            products: vec![1, 130],
            co_branded_bins: vec!["456735".into()],
            cardholder_name_required: false,
            ..Settings::default()
        };
        let mut both = given("4567350000427977");
        both.product = Some(130);
        both.holder = None;
        assert_eq!(both.read(&changed, &[0; 32], now()).unwrap().product, 130);
        assert_eq!(
            mistake(&given("5300000000000006"), &changed),
            Some(CardMistake::Product)
        );
    }

    #[test]
    fn keeps_ten_digits_at_most() {
        let card = given("4567350000427977")
            .read(&Settings::default(), &[0; 32], now())
            .unwrap();
        assert_eq!(card.masked(), "************7977");
        assert_eq!(card.alias(), "456735XXXXXX7977");
        assert_eq!(card.expiry(), "1230");
        assert!(!format!("{card:?}").contains("4567350000427977"));
        // The official test card for declines has a wrong check digit.
        let declined = given("4321456998744563")
            .read(&Settings::default(), &[0; 32], now())
            .unwrap();
        assert_eq!(declined.verdict, Verdict::Declines);
    }
}
