//! Our amounts, cards and sessions in the platform's forms, and back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cardseal_worldline::online_payments::domain::AmountOfMoney;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::amount::{Amount, Currency};
use crate::error::{Error, Refusal};
use crate::gateway::PlatformSession;

impl From<&Amount> for AmountOfMoney {
    fn from(amount: &Amount) -> Self {
        Self {
            amount: Some(amount.minor()),
            currency_code: Some(amount.currency().code().into()),
            ..Self::default()
        }
    }
}

/// Whether the platform names this amount.
pub(super) fn is_amount(named: &AmountOfMoney, amount: &Amount) -> bool {
    named.amount == Some(amount.minor()) && named.currency_code.as_deref() == Some(amount.currency().code())
}

/// The longest that a page encrypts to: a key of 4096 bits and a long name.
const LONGEST_SEALED: usize = 8192;

/// Five parts of base64url, the first of which says what the rest is.
pub(super) fn check_sealed(text: &str) -> Result<(), Refusal> {
    let wrong = Refusal::Invalid("encrypted_customer_input");
    let parts: Vec<&str> = text.split('.').collect();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let whole = parts
        .iter()
        .all(|part| !part.is_empty() && part.bytes().all(plain));
    if parts.len() != 5 || !whole || text.len() > LONGEST_SEALED {
        return Err(wrong);
    }
    let header: Option<Value> = parts
        .first()
        .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|header| serde_json::from_slice(&header).ok());
    let says = |name: &str, value: &str| header.as_ref().is_some_and(|header| header[name] == value);
    if says("alg", "RSA-OAEP") && says("enc", "A256CBC-HS512") {
        Ok(())
    } else {
        Err(wrong)
    }
}

/// Our word for the platform's number of a brand.
pub(super) fn brand(product: Option<u32>) -> Option<String> {
    let word = match product? {
        1 => "visa",
        2 => "amex",
        3 => "mastercard",
        117 => "maestro",
        125 => "jcb",
        128 => "discover",
        130 => "cartes_bancaires",
        132 => "diners",
        3012 => "bancontact",
        _ => return None,
    };
    Some(word.into())
}

/// The last four digits of a masked number.
pub(super) fn last4(masked: &str) -> Option<String> {
    let tail = masked.get(masked.len().checked_sub(4)?..)?;
    tail.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| tail.into())
}

/// `MMYY` or `MMYYYY`.
pub(super) fn expiry(text: &str) -> Option<(u8, u16)> {
    let month: u8 = text.get(..2)?.parse().ok()?;
    let year: u16 = match text.len() {
        4 => 2000 + text.get(2..)?.parse::<u16>().ok()?,
        6 => text.get(2..)?.parse().ok()?,
        _ => return None,
    };
    (1..=12).contains(&month).then_some((month, year))
}

/// What the server stores of a session.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct SessionState {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hosted_checkout_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) return_mac: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hosted_tokenization_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minor: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) currency: Option<String>,
    /// What the page got, which nothing else tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) page: Option<Map<String, Value>>,
}

impl SessionState {
    pub(super) fn of(amount: Option<&Amount>) -> Self {
        Self {
            minor: amount.map(Amount::minor),
            currency: amount.map(|amount| amount.currency().code().into()),
            ..Self::default()
        }
    }

    pub(super) fn read(state: &SecretString) -> Self {
        serde_json::from_str(state.expose_secret()).unwrap_or_default()
    }

    /// The amount that the merchant fixed.
    pub(super) fn amount(&self) -> Result<Amount, Refusal> {
        let currency = self.currency.as_deref().and_then(Currency::from_code);
        let amount = currency.zip(self.minor);
        amount
            .and_then(|(currency, minor)| Amount::from_minor(minor, currency).ok())
            .ok_or(Refusal::Invalid("session"))
    }

    /// A session that was opened in this state.
    pub(super) fn opened(
        mut self,
        public: Map<String, Value>,
        seconds: u32,
    ) -> Result<PlatformSession, Error> {
        self.page = Some(public.clone());
        let state = serde_json::to_string(&self).map_err(|_| Refusal::NotSent)?;
        Ok(PlatformSession {
            state: state.into(),
            public,
            seconds,
        })
    }
}

/// At most 40 characters.
pub(super) fn merchant_reference(reference: &str) -> Result<String, Refusal> {
    if (1..=40).contains(&reference.len()) && reference.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(reference.into())
    } else {
        Err(Refusal::Invalid("order_reference"))
    }
}
