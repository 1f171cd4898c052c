//! GreenPay's `_signature`.
//!
//! RSASSA-PKCS1-v1_5 with SHA-256 by the same key pair that unwraps `lk`, in hex, over a short string of two
//! fields. **It covers those two fields only**: neither the card token nor an amount nor a time. A signed
//! answer that a browser hands on proves nothing about the token in it.

use super::Scalar;
use crate::crypto::public_key::PublicKey;
use crate::crypto::rsa_verify;

/// What may have been signed. A client in the field confirms the first; the others are inferred from it. Change them here
/// alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// `status:<status>,requestId:<requestId>`: tokenize, update and delete.
    RequestId,
    /// `status:<status>,orderId:<orderId>`: payments.
    OrderId,
    /// `status:<status>,orderReference:<orderId>`: payments, second guess.
    OrderReference,
}

impl Candidate {
    /// What may be signed in a tokenization, an update or a deletion.
    pub const TOKEN: &'static [Self] = &[Self::RequestId];
    /// What may be signed in a payment.
    pub const PAYMENT: &'static [Self] = &[Self::OrderId, Self::OrderReference];

    /// The field signed beside `status`.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::RequestId => "requestId",
            Self::OrderId => "orderId",
            Self::OrderReference => "orderReference",
        }
    }

    /// The signed string, with the values as printed in the answer.
    #[must_use]
    pub fn signed_string(self, status: &Scalar, id: &Scalar) -> String {
        ["status:", &status.text(), ",", self.field(), ":", &id.text()].concat()
    }
}

/// The first candidate whose string the signature matches.
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
