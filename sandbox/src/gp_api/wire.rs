//! GP API's JSON as the platform writes it, from its documentation only. What the merchant's half reads has types of its
//! own, so that both do not share a misreading. Answers that other modules write as they go have no type here.

use serde::Serialize;

/// Answer of `POST /accesstoken`.
#[derive(Serialize)]
pub(crate) struct AccessToken<'a> {
    pub(crate) token: &'a str,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) scope: Scope<'a>,
    pub(crate) app_id: &'a str,
    pub(crate) app_name: &'a str,
    pub(crate) time_created: String,
    pub(crate) seconds_to_expire: i64,
}

/// What a token reaches.
#[derive(Serialize)]
pub(crate) struct Scope<'a> {
    pub(crate) merchant_id: &'a str,
    pub(crate) merchant_name: &'a str,
    /// Those with at least one of the requested permissions.
    pub(crate) accounts: &'a [Account],
}

/// An account of the merchant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    /// `TRA_…` for transactions, `TKA_…` for tokenization, and others.
    pub(crate) id: String,
    pub(crate) name: &'static str,
    /// What a token may do with it.
    pub(crate) permissions: Vec<&'static str>,
}

/// Answer of `POST /payment-methods` and `GET /payment-methods/{id}`.
#[derive(Serialize)]
pub(crate) struct PaymentMethod<'a> {
    pub(crate) id: &'a str,
    pub(crate) time_created: String,
    pub(crate) status: &'static str,
    /// When it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) usage_mode: Option<&'a str>,
    pub(crate) merchant_id: String,
    pub(crate) merchant_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) account_name: Option<String>,
    pub(crate) reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    pub(crate) card: PaymentMethodCard<'a>,
    pub(crate) action: Action<'a>,
}

/// `card` of a payment method.
#[derive(Serialize)]
pub(crate) struct PaymentMethodCard<'a> {
    /// `XXXXXXXXXXXX1111`, when it is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) masked_number_last4: Option<String>,
    /// `xxxxxxxxxxxx1111`, when it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) number_last4: Option<String>,
    pub(crate) brand: &'a str,
    /// Two digits.
    pub(crate) expiry_month: &'a str,
    /// Two digits.
    pub(crate) expiry_year: &'a str,
}

/// `action` of an answer: what was done.
#[derive(Serialize)]
pub(crate) struct Action<'a> {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: &'a str,
    pub(crate) time_created: String,
    pub(crate) result_code: &'static str,
    pub(crate) app_id: String,
    pub(crate) app_name: String,
}
