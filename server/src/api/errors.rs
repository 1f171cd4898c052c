//! Writes the errors of the domain in HTTP.

use super::fields::misplaced;
use crate::attempts::TooMany;
use crate::error::{ApiError, Code};
use crate::reason::{Error, Reason};
use crate::store::Status;

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let answer = Self::from(error.reason);
        match error.payment {
            Some(payment) => answer.about(payment.as_str()),
            None => answer,
        }
    }
}

impl From<Reason> for ApiError {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::PaymentNotFound => Code::PaymentNotFound.into(),
            Reason::SessionNotFound => Code::SessionNotFound.into(),
            Reason::SessionExpired => Code::SessionExpired.into(),
            Reason::SessionUsed => Code::SessionUsed.into(),
            Reason::SessionWrongKind => Code::SessionWrongKind.into(),
            Reason::TooMany(error) => error.into(),
            Reason::PageOpen => Code::PageOpen.into(),
            Reason::PageCancelled => Code::PageCancelled.into(),
            Reason::TokenNotFound => Code::TokenNotFound.into(),
            Reason::TokenUnconfirmed => Code::TokenUnconfirmed.into(),
            Reason::TokenDeleted => Code::TokenDeleted.into(),
            Reason::BelongsElsewhere => Code::TokenBelongsElsewhere.into(),
            Reason::OrderReferenceUsed => Self::field(Code::OrderReferenceUsed, "order_reference"),
            Reason::KeyReused => Code::IdempotencyKeyReused.into(),
            Reason::InProgress => Self::from(Code::IdempotencyInProgress).retry_after(5),
            Reason::State(status) => Self::from(Code::PaymentState).detail(state(status)),
            Reason::NotResolvable => Code::PaymentState.into(),
            Reason::CardUnknown => Self::from(Code::PaymentState).detail(&reason.to_string()),
            Reason::LookupInProgress => Self::from(Code::PaymentState)
                .detail("the platform is being asked about the payment just now; try again")
                .retry_after(5),
            Reason::AmountInvalid => Self::field(Code::AmountInvalid, "amount"),
            Reason::AmountTooLarge => Self::field(Code::AmountInvalid, "amount").detail(&reason.to_string()),
            Reason::NoAccount(..) => {
                Self::field(Code::CurrencyNotSupported, "currency").detail(&reason.to_string())
            }
            Reason::NotOffered => Code::NotOffered.into(),
            Reason::FieldNotOffered { field, why } => {
                let error = Self::field(Code::NotOffered, field);
                match why {
                    Some(why) => error.detail(why),
                    None => error,
                }
            }
            Reason::FieldMisplaced { field, why } => misplaced(field, why),
            Reason::BrowserSignatureInvalid => Code::HandedSignatureInvalid.into(),
            Reason::CardDeclined(refusal) => Self::from(refusal).with_code(Code::CardDeclined),
            Reason::NotStoredYet => Self::from(Code::StorageUnavailable)
                .detail(&reason.to_string())
                .retry_after(5),
            Reason::UnknownPlatform(error) => error.into(),
            Reason::Busy(error) => error.into(),
            Reason::Refused(refusal) => refusal.into(),
            Reason::Platform(error) => error.into(),
            Reason::Store(error) => Self::from(error.as_ref()),
            Reason::TaskPanicked(error) => error.into(),
            Reason::Internal(cause) => Self::internal(cause),
        }
    }
}

impl From<TooMany> for ApiError {
    fn from(error: TooMany) -> Self {
        let answer = Self::from(Code::TooManyAttempts).detail(&error.to_string());
        match error {
            TooMany::CardsOfSession => answer,
            TooMany::AtOnce { wait, .. } => answer.retry_after(wait),
        }
    }
}

/// Says what can be done with a payment of this status.
const fn state(status: Status) -> &'static str {
    match status {
        Status::InFlight | Status::CaptureInFlight | Status::VoidInFlight | Status::RefundInFlight => {
            "something is under way for this payment"
        }
        Status::Unknown | Status::CaptureUnknown | Status::VoidUnknown | Status::RefundUnknown => {
            "the outcome is unknown; resolve it first, after asking the platform"
        }
        Status::Authorized => "an authorized payment can be captured or voided",
        Status::PartiallyRefunded => "what is left of the payment can be refunded, and nothing else",
        Status::Approved | Status::Declined | Status::Failed | Status::Voided | Status::Refunded => {
            "only an approved payment can be voided or refunded, and only an authorized one captured"
        }
    }
}
