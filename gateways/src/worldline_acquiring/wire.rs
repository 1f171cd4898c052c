//! Our amounts, cards, sessions, ids and times in the platform's forms, and back.

use cardseal::card::Brand;
use cardseal_worldline::acquiring::domain::{AmountData, CardPaymentData, NetworkTokenData, PlainCardData};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::amount::{Amount, Currency, decimals};
use crate::error::Refusal;
use crate::gateway::{Capture, OpenSession};
use crate::sealing::SealedCard;

impl From<&Amount> for AmountData {
    fn from(amount: &Amount) -> Self {
        Self {
            amount: Some(amount.minor()),
            currency_code: Some(amount.currency().code().into()),
            number_of_decimals: decimals(amount.currency()).and_then(|digits| u32::try_from(digits).ok()),
            ..Self::default()
        }
    }
}

/// Whether the platform names this amount, if it names one.
pub(super) fn is_amount(named: Option<&AmountData>, amount: &Amount) -> bool {
    let own = AmountData::from(amount);
    named.is_none_or(|named| {
        named.amount == own.amount
            && named.currency_code == own.currency_code
            && !named.is_unreadable("numberOfDecimals")
            && named
                .number_of_decimals
                .is_none_or(|digits| Some(digits) == own.number_of_decimals)
    })
}

/// Says that the number is a token of a card network and of no wallet.
const NETWORK_TOKEN: &str = "327";

/// What the server stores of a card: the scheme's names of its verification.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) scheme_transaction_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scheme_transaction_link_id: Option<String>,
}

/// What the server stores of a session.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct SessionState {
    pub(super) minor: Option<u64>,
    pub(super) currency: Option<String>,
    #[serde(default)]
    pub(super) later: bool,
    #[serde(default)]
    pub(super) stored: Option<Stored>,
}

impl SessionState {
    pub(super) fn read(session: &OpenSession<'_>) -> Self {
        serde_json::from_str(session.state.expose_secret()).unwrap_or_default()
    }

    /// The amount that the merchant fixed.
    pub(super) fn amount(&self) -> Result<Amount, Refusal> {
        let currency = self.currency.as_deref().and_then(Currency::from_code);
        currency
            .zip(self.minor)
            .and_then(|(currency, minor)| Amount::from_minor(minor, currency).ok())
            .ok_or(Refusal::Invalid("session"))
    }

    pub(super) const fn capture(&self) -> Capture {
        if self.later { Capture::Later } else { Capture::Auto }
    }
}

/// RFC 3339 with milliseconds, in UTC.
pub(super) fn timestamp(millis: i64) -> String {
    let nanos = i128::from(millis) * 1_000_000;
    let time = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        time.year(),
        u8::from(time.month()),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        time.millisecond()
    )
}

/// The form of the platform's ids for one of ours: `pay_` and 32 digits of hex.
pub(super) fn operation_id(attempt: &str) -> Result<String, Refusal> {
    let digits = attempt.rsplit('_').next().unwrap_or_default();
    uuid::Uuid::try_parse(digits)
        .map(|id| id.hyphenated().to_string())
        .map_err(|_| Refusal::Invalid("attempt"))
}

pub(super) fn brand(number: &str) -> Option<Brand> {
    Brand::candidates(number).into_iter().next()
}

/// Only the two names that the platform's own samples have.
pub(super) const fn platform_brand(brand: Brand) -> Option<&'static str> {
    if matches!(brand, Brand::Visa) {
        Some("VISA")
    } else if matches!(brand, Brand::Mastercard) {
        Some("MASTERCARD")
    } else {
        None
    }
}

/// The card as the platform wants it.
pub(super) fn card_payment_data(card: &SealedCard) -> CardPaymentData {
    let token = card.network_token.as_ref();
    let expiry: SecretString = format!("{:02}{:04}", card.month, card.year).into();
    CardPaymentData {
        brand: brand(card.number.expose_secret())
            .and_then(platform_brand)
            .map(Into::into),
        card_data: Some(PlainCardData {
            card_number: Some(card.number.clone().into()),
            expiry_date: Some(expiry.into()),
            card_security_code: card.cvc.clone().map(Into::into),
            ..Default::default()
        }),
        card_entry_mode: Some("ECOMMERCE".into()),
        cardholder_verification_method: Some(
            if card.cvc.is_some() {
                "CARD_SECURITY_CODE"
            } else {
                "NONE"
            }
            .into(),
        ),
        network_token_data: token.map(|token| NetworkTokenData {
            cryptogram: Some(token.cryptogram.clone().into()),
            eci: token.eci.clone(),
            ..Default::default()
        }),
        wallet_id: token.map(|_| NETWORK_TOKEN.into()),
        ..Default::default()
    }
}

pub(super) fn last4(number: &str) -> Option<String> {
    number.get(number.len().checked_sub(4)?..).map(Into::into)
}

/// An id of a scheme is kept and sent again as it is.
pub(super) fn scheme_id(text: Option<String>) -> Option<String> {
    text.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// Our own id of what undoes an operation: the same whenever it is undone.
pub(super) fn reversal_id(operation: &str) -> String {
    let digest = Sha256::new_with_prefix("cardseal technical reversal ")
        .chain_update(operation)
        .finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_time_and_ids_as_the_platform_does() {
        assert_eq!(timestamp(1_795_255_237_686), "2026-11-21T10:00:37.686Z");
        assert_eq!(timestamp(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(timestamp(1_709_164_800_001), "2024-02-29T00:00:00.001Z");
        assert_eq!(
            operation_id("pay_0123456789abcdef0123456789abcdef").unwrap(),
            "01234567-89ab-cdef-0123-456789abcdef"
        );
        assert!(operation_id("pay_1").is_err() && operation_id("").is_err());
    }
}
