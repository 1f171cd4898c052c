//! JSON shapes of GP API that more than one part needs, in both directions. The names are the platform's own.
//! Shapes that carry a secret have no `Debug`.

use crate::prelude::*;
use serde::{Deserialize, Serialize};

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
    pub id: String,
    /// Case matters.
    pub name: String,
    /// What the token may do with it.
    #[serde(default)]
    pub permissions: Vec<String>,
}

/// What a token reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// `MER_…`
    #[serde(default)]
    pub merchant_id: String,
    /// The merchant's name.
    #[serde(default)]
    pub merchant_name: String,
    /// Only the accounts with at least one of the asked permissions.
    #[serde(default)]
    pub accounts: Vec<Account>,
}

/// Answer of `POST /accesstoken`.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccessToken {
    /// The bearer token.
    pub token: String,
    /// `Bearer`.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// What it reaches.
    pub scope: Scope,
    /// The application.
    #[serde(default)]
    pub app_id: String,
    /// The application's name.
    #[serde(default)]
    pub app_name: String,
    /// When.
    #[serde(default)]
    pub time_created: String,
    /// Seconds from then.
    pub seconds_to_expire: u32,
}

/// `action` of every answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// `ACT_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What was done.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_created: Option<String>,
    /// `SUCCESS`, `DECLINED`, `NOT_VERIFIED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_code: Option<String>,
    /// The application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The application's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_name: Option<String>,
}

/// `card` of a payment method.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethodCard {
    /// `XXXXXXXXXXXX1111`, when created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_number_last4: Option<String>,
    /// `xxxxxxxxxxxx1111`, when read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_last4: Option<String>,
    /// `VISA`, `MASTERCARD`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brand: Option<String>,
    /// Two digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_month: Option<String>,
    /// Two digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry_year: Option<String>,
}

/// Answer of `POST /payment-methods` and `GET /payment-methods/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentMethod {
    /// `PMT_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_created: Option<String>,
    /// `ACTIVE`, `INACTIVE`, `DELETED`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// `SINGLE`, `MULTIPLE`, `USE_NETWORK_TOKEN`, `USE_CARD_NUMBER`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_mode: Option<String>,
    /// `MER_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant_id: Option<String>,
    /// The merchant's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merchant_name: Option<String>,
    /// `TKA_…`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// The account's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_name: Option<String>,
    /// The merchant's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The name on the card.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The card, masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<PaymentMethodCard>,
    /// What was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
}

/// Every error of the platform, always flat.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// Five digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detailed_error_code: Option<String>,
    /// A sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detailed_error_description: Option<String>,
}
