//! What is read of the platforms' answers, as JavaScript gets it.

use serde::Serialize;

use crate::greenpay::Verified;

/// What an answer says of a token. What it does not say is `null`.
#[derive(Default, Serialize)]
pub(crate) struct ReadToken {
    pub(crate) id: String,
    pub(crate) brand: Option<String>,
    pub(crate) bin: Option<String>,
    pub(crate) last4: Option<String>,
    pub(crate) expiry: Option<ReadExpiry>,
    pub(crate) holder: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) signature: Option<Verified>,
    /// Only of CCBill.
    #[serde(rename = "subscriptionId", skip_serializing_if = "Option::is_none")]
    pub(crate) subscription_id: Option<Option<String>>,
}

#[derive(Serialize)]
pub(crate) struct ReadExpiry {
    pub(crate) month: u8,
    pub(crate) year: u16,
}
