//! Fields that several requests share. A field's type is its schema, its example and its rule.

use std::net::IpAddr;

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::gateway::Capture;
use cardseal_gateways::{Amount, AmountError};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::error::{ApiError, Code};
use crate::payload::Rules;
use crate::store::{SessionId, TokenId};

/// Declares text fields. Each is a schema of the contract, and bodies are checked against it before serde reads them.
macro_rules! texts {
    ($($(#[$about:meta])+ $name:ident;)+) => {$(
        #[derive(Deserialize, ToSchema)]
        $(#[$about])+
        #[serde(transparent)]
        pub(in crate::api) struct $name(String);

        impl std::ops::Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )+};
}

texts! {
    /// Decimal text in major units, in quotes.
    #[schema(min_length = 1, max_length = 32, example = "12.34")]
    AmountText;
    /// The first digits of a card number.
    #[schema(min_length = 6, max_length = 8, pattern = "^[0-9]+$", example = "424242")]
    Bin;
    /// An ISO 4217 code in capitals.
    #[schema(min_length = 1, max_length = 8, example = "USD")]
    CurrencyCode;
    /// The merchant's reference of a customer.
    #[schema(min_length = 1, max_length = 255, example = "customer-17")]
    CustomerReference;
    /// An IPv4 or IPv6 address.
    #[schema(min_length = 1, max_length = 45, example = "192.0.2.1")]
    IpAddress;
    /// What the customer reads.
    #[schema(min_length = 1, max_length = 255, example = "Two tickets")]
    Description;
    /// The merchant's unique reference of a payment.
    #[schema(min_length = 1, max_length = 64, pattern = "^[!-~]+$", example = "order-1001")]
    OrderReference;
    /// The id of an authentication.
    #[schema(min_length = 1, max_length = 64, example = "aut_5f0c1d2e")]
    AuthenticationReference;
    /// The id of a session.
    #[schema(min_length = 1, max_length = 64, example = "ses_5f0c1d2e")]
    SessionReference;
    /// The id of a stored card.
    #[schema(min_length = 1, max_length = 64, example = "tok_5f0c1d2e")]
    TokenReference;
    /// The encrypted card.
    #[schema(min_length = 1, max_length = 8192)]
    EncryptedCard;
    /// The key that a card is encrypted with, wrapped.
    #[schema(min_length = 1, max_length = 2048)]
    WrappedKey;
    /// A card that is sealed to this server's key, as compact JWE.
    #[schema(min_length = 1, max_length = 16384)]
    SealedCard;
}

/// Online Payments' number of a card's brand.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(minimum = 0, maximum = 4294967295u32, example = 1)]
pub(in crate::api) struct ProductNumber(pub(in crate::api) u32);

impl AmountText {
    /// The amount in this currency.
    pub(super) fn parse(&self, currency: &str) -> Result<Amount, ApiError> {
        parse_amount(self, currency)
    }
}

impl From<TokenReference> for TokenId {
    fn from(id: TokenReference) -> Self {
        Self::from(id.0)
    }
}

impl From<SessionReference> for SessionId {
    fn from(id: SessionReference) -> Self {
        Self::from(id.0)
    }
}

impl IpAddress {
    /// The address; `rules` are of the request that has it as `customer_ip`.
    pub(super) fn parse(&self, rules: &Rules) -> Result<IpAddr, ApiError> {
        let invalid = |_| rules.invalid("customer_ip", "text that is no address");
        self.0.parse().map_err(invalid)
    }
}

pub(super) fn parse_amount(text: &str, currency: &str) -> Result<Amount, ApiError> {
    Amount::parse(text, currency).map_err(|error| match error {
        AmountError::Currency => {
            let lower = currency.bytes().any(|byte| byte.is_ascii_lowercase());
            let came = if lower { "text in small letters" } else { "other text" };
            ApiError::field(Code::CurrencyNotSupported, "currency").detail(&format!(
                "`currency` must be an ISO 4217 code in capitals, for example \"USD\"; got {came}"
            ))
        }
        AmountError::Malformed | AmountError::TooManyDecimals | AmountError::TooLarge | AmountError::Zero => {
            let example = if Amount::parse("12.34", currency).is_ok() {
                "12.34"
            } else {
                "1234"
            };
            ApiError::field(Code::AmountInvalid, "amount").detail(&format!(
                "{error}; `amount` must be decimal text above zero, for example \"{example}\" with this currency"
            ))
        }
    })
}

/// When the money is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum CaptureTime {
    /// With the authorization.
    #[default]
    Auto,
    /// By `POST /v1/payments/{id}/capture`.
    Later,
}

impl From<CaptureTime> for Capture {
    fn from(time: CaptureTime) -> Self {
        match time {
            CaptureTime::Auto => Self::Auto,
            CaptureTime::Later => Self::Later,
        }
    }
}

pub(super) fn kind() -> Object {
    words(
        "What the session is for: a new card, replacing the card of a token, or a payment.",
        &[Kind::Tokenize, Kind::Update, Kind::Payment].map(Kind::as_str),
    )
}

pub(super) fn mode() -> Object {
    words(
        "Who sends the encrypted card to the platform: this server or the browser.",
        &[mode_word(Mode::Relay), mode_word(Mode::Direct)],
    )
}

pub(super) fn capture() -> Object {
    words(
        "When the money is taken: with the authorization, or later by a capture.",
        &["auto", "later"],
    )
}

pub(super) fn platform() -> Object {
    words(
        "The platform's id. Without it, the first configured one.",
        &Platform::ALL
            .iter()
            .copied()
            .map(Platform::id)
            .collect::<Vec<_>>(),
    )
}

fn words(description: &str, words: &[&str]) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(words.to_vec()))
        .examples(words.first().map(|word| serde_json::Value::from(*word)))
        .description(Some(description))
        .build()
}

pub(super) const fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Relay => "relay",
        Mode::Direct => "direct",
    }
}

/// Refuses known fields that do not belong to this kind of request.
pub(super) fn none_left(left: &[(&str, bool)], why: &str) -> Result<(), ApiError> {
    match left.iter().find(|(_, given)| *given) {
        Some((name, _)) => Err(misplaced(name, why)),
        None => Ok(()),
    }
}

/// The error for a known field that does not belong to this kind of request.
pub(super) fn misplaced(name: &str, why: &str) -> ApiError {
    ApiError::field(Code::UnknownField, name).detail(&format!("`{name}` does not belong here: {why}"))
}
/// A status as answers show it. What is in flight has none of its own.
pub(super) fn read_status<T: Copy>(
    text: &str,
    all: &[T],
    stored: fn(T) -> &'static str,
    shown: fn(T) -> &'static str,
) -> Result<T, ApiError> {
    let own = || {
        all.iter()
            .copied()
            .filter(|status| stored(*status) == shown(*status))
    };
    own().find(|status| shown(*status) == text).ok_or_else(|| {
        let all: Vec<&str> = own().map(shown).collect();
        ApiError::field(Code::FieldInvalid, "status")
            .detail(&format!("`status` must be one of {}", all.join(", ")))
    })
}
