//! JSON shapes of GP API that more than one part needs, in both directions. The names are the platform's own.
//! Shapes that carry a secret have no `Debug`.

use serde::{Deserialize, Deserializer, Serialize};

use crate::platforms::lenient;

/// `POST /accesstoken`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccessTokenRequest {
    /// The application, from the developer portal.
    pub app_id: String,
    /// Any text, new for every request.
    pub nonce: String,
    /// See [`super::secret`].
    pub secret: String,
    /// `client_credentials`.
    pub grant_type: String,
    /// 60 to 604800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds_to_expire: Option<u32>,
    /// For example `5_MINUTES`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_to_expire: Option<String>,
    /// What the token may do; without it, everything that the application may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<Vec<String>>,
    /// `YES` masks details of account and merchant in answers; for tokens that reach a browser.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restricted_token: Option<String>,
}

/// An account of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// `TRA_…` for transactions, `TKA_…` for tokenization, and others.
    #[serde(default, deserialize_with = "lenient::plain_text")]
    pub id: String,
    /// Case matters.
    #[serde(default, deserialize_with = "lenient::plain_text")]
    pub name: String,
    /// What the token may do with it; what cannot be read is a permission like any other.
    #[serde(default, deserialize_with = "lenient::deciding_texts")]
    pub permissions: Vec<String>,
}

/// One that cannot be read may be of any kind and allow anything.
fn accounts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Account>, D::Error> {
    lenient::list(deserializer, |account| match account {
        Some(lenient::Object::Read(account)) => account,
        Some(lenient::Object::Missing | lenient::Object::Unreadable) | None => Account {
            id: String::new(),
            name: String::new(),
            permissions: vec![lenient::UNREADABLE.into()],
        },
    })
}

/// What a token reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// `MER_…`
    #[serde(default, deserialize_with = "lenient::plain_text")]
    pub merchant_id: String,
    /// The merchant's name.
    #[serde(default, deserialize_with = "lenient::plain_text")]
    pub merchant_name: String,
    /// Only the accounts with at least one of the asked permissions.
    #[serde(default, deserialize_with = "accounts")]
    pub accounts: Vec<Account>,
}

/// Answer of `POST /accesstoken`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccessToken {
    /// The bearer token.
    pub token: String,
    /// `Bearer`.
    #[serde(rename = "type", default, deserialize_with = "lenient::plain_text")]
    pub kind: String,
    /// What it reaches.
    #[serde(deserialize_with = "lenient::needed_object")]
    pub scope: Scope,
    /// The application.
    #[serde(default, deserialize_with = "lenient::plain_text")]
    pub app_id: String,
    /// The application's name.
    #[serde(default, deserialize_with = "lenient::plain_text")]
    pub app_name: String,
    /// When the token was made, ISO 8601.
    #[serde(default, deserialize_with = "lenient::plain_text")]
    pub time_created: String,
    /// Seconds from then.
    #[serde(deserialize_with = "lenient::seconds")]
    pub seconds_to_expire: u32,
}

/// `action` of every answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// `ACT_…`
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<String>,
    /// What was done.
    #[serde(
        rename = "type",
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub kind: Option<String>,
    /// When the platform carried it out, ISO 8601.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_created: Option<String>,
    /// `SUCCESS`, `DECLINED`, `NOT_VERIFIED`.
    #[serde(
        default,
        deserialize_with = "lenient::deciding_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub result_code: Option<String>,
    /// The application.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub app_id: Option<String>,
    /// The application's name.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub app_name: Option<String>,
}

/// One that cannot be read is no success.
fn action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Action>, D::Error> {
    Ok(match lenient::Object::deserialize(deserializer)? {
        lenient::Object::Read(action) => Some(action),
        lenient::Object::Missing => None,
        lenient::Object::Unreadable => Some(Action {
            result_code: Some(lenient::UNREADABLE.into()),
            ..Action::default()
        }),
    })
}

/// `card` of a payment method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethodCard {
    /// `XXXXXXXXXXXX1111`, when created.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub masked_number_last4: Option<String>,
    /// `xxxxxxxxxxxx1111`, when read.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub number_last4: Option<String>,
    /// `VISA`, `MASTERCARD`, …
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub brand: Option<String>,
    /// Two digits.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub expiry_month: Option<String>,
    /// Two digits.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub expiry_year: Option<String>,
}

/// Answer of `POST /payment-methods` and `GET /payment-methods/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// `PMT_…`
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub id: Option<String>,
    /// When the payment method was made, ISO 8601.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub time_created: Option<String>,
    /// `ACTIVE`, `INACTIVE`, `DELETED`.
    #[serde(
        default,
        deserialize_with = "lenient::deciding_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub status: Option<String>,
    /// `SINGLE`, `MULTIPLE`, `USE_NETWORK_TOKEN`, `USE_CARD_NUMBER`.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub usage_mode: Option<String>,
    /// `MER_…`
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub merchant_id: Option<String>,
    /// The merchant's name.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub merchant_name: Option<String>,
    /// `TKA_…`
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub account_id: Option<String>,
    /// The account's name.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub account_name: Option<String>,
    /// The merchant's reference.
    #[serde(
        default,
        deserialize_with = "lenient::deciding_text",
        skip_serializing_if = "Option::is_none"
    )]
    pub reference: Option<String>,
    /// The name on the card.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub name: Option<String>,
    /// The card, masked.
    #[serde(
        default,
        deserialize_with = "lenient::object",
        skip_serializing_if = "Option::is_none"
    )]
    pub card: Option<PaymentMethodCard>,
    /// What was done.
    #[serde(default, deserialize_with = "action", skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}

/// Every error of the platform, always flat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A word.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub error_code: Option<String>,
    /// Five digits.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub detailed_error_code: Option<String>,
    /// A sentence.
    #[serde(
        default,
        deserialize_with = "lenient::text",
        skip_serializing_if = "Option::is_none"
    )]
    pub detailed_error_description: Option<String>,
}
