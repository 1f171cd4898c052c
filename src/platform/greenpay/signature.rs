//! GreenPay's `_signature`.
//!
//! RSASSA-PKCS1-v1_5 with SHA-256, in hex, with the key pair that also unwraps `lk`. **It covers only two fields**,
//! not the card token, the amount or the time. If a signed answer comes from a browser, it proves nothing about its
//! token.

use super::Scalar;
use crate::crypto::public_key::PublicKey;
use crate::crypto::rsa_verify;

/// What the platform may have signed. A real client confirms the first; the others are inferred from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// `status:<status>,requestId:<requestId>`: tokenize, update and delete.
    RequestId,
    /// `status:<status>,orderId:<orderId>`: payments.
    OrderId,
    /// `status:<status>,orderReference:<orderId>`: payments, second guess.
    OrderReference,
    /// `status:<status>,subscriptionId:<id>`: a new subscription. Only servers see one, so the module leaves it out.
    #[cfg(not(target_arch = "wasm32"))]
    SubscriptionId,
}

impl Candidate {
    /// For tokenizations, updates and deletions.
    pub const TOKEN: &'static [Self] = &[Self::RequestId];
    /// For payments.
    pub const PAYMENT: &'static [Self] = &[Self::OrderId, Self::OrderReference];
    /// For new subscriptions.
    #[cfg(not(target_arch = "wasm32"))]
    pub const SUBSCRIPTION: &'static [Self] = &[Self::SubscriptionId];

    /// The field that is signed together with `status`.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::RequestId => "requestId",
            Self::OrderId => "orderId",
            Self::OrderReference => "orderReference",
            #[cfg(not(target_arch = "wasm32"))]
            Self::SubscriptionId => "subscriptionId",
        }
    }

    /// Returns the signed string, with the values as they are in the answer.
    #[must_use]
    pub fn signed_string(self, status: &Scalar, id: &Scalar) -> String {
        ["status:", &status.text(), ",", self.field(), ":", &id.text()].concat()
    }
}

/// Returns the first candidate that the signature matches.
#[must_use]
pub fn verify(
    key: &PublicKey,
    candidates: &[Candidate],
    status: &Scalar,
    id: &Scalar,
    signature_hex: &str,
) -> Option<Candidate> {
    candidates.iter().copied().find(|candidate| {
        rsa_verify::verify(key, candidate.signed_string(status, id).as_bytes(), signature_hex)
    })
}
