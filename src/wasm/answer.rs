//! What JavaScript gets from the platforms' answers.

use crate::greenpay::Verified;
use crate::object::object;

/// The token in an answer. Missing members are `null`.
#[derive(Default)]
pub(crate) struct ReadToken {
    pub(crate) id: String,
    pub(crate) brand: Option<String>,
    pub(crate) bin: Option<String>,
    pub(crate) last4: Option<String>,
    pub(crate) expiry: Option<ReadExpiry>,
    pub(crate) holder: Option<String>,
    pub(crate) nickname: Option<String>,
    pub(crate) signature: Option<Verified>,
    /// Only for CCBill.
    pub(crate) subscription_id: Option<Option<String>>,
}

pub(crate) struct ReadExpiry {
    pub(crate) month: u8,
    pub(crate) year: u16,
}

object!(ReadToken, token, {
    "id" = &token.id,
    "brand" = &token.brand,
    "bin" = &token.bin,
    "last4" = &token.last4,
    "expiry" = &token.expiry,
    "holder" = &token.holder,
    "nickname" = &token.nickname,
    "signature" = &token.signature,
    "subscriptionId" ? token.subscription_id.as_ref(),
});

object!(ReadExpiry, expiry, { "month" = u16::from(expiry.month), "year" = expiry.year });
