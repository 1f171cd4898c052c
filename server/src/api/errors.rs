//! Writes the errors of the domain in HTTP.

use cardseal::session::{Kind, Mode};

use super::fields::{misplaced, mode_word};
use crate::attempts::TooMany;
use crate::error::{ApiError, Code};
use crate::reason::{Error, Reason};
use crate::store::{Status, SubscriptionStatus, Unusable};

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let mut answer = Self::from(error.reason);
        if let Some(platform) = error.platform {
            answer = answer.at(platform.id());
        }
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
            Reason::AuthenticationNotFound | Reason::AuthenticationUnusable(Unusable::Unknown) => {
                Code::AuthenticationNotFound.into()
            }
            Reason::AuthenticationUnusable(why) => {
                Self::field(Code::AuthenticationUnusable, "authentication").detail(&unusable(why))
            }
            Reason::SubscriptionNotFound => Code::SubscriptionNotFound.into(),
            Reason::SubscriptionState(status) => Self::from(Code::SubscriptionState).detail(subscription(status)),
            Reason::SubscriptionPaymentOpen => Code::SubscriptionPaymentOpen.into(),
            Reason::SessionNotFound => Code::SessionNotFound.into(),
            Reason::SessionExpired => Code::SessionExpired.into(),
            Reason::SessionUsed => Code::SessionUsed.into(),
            Reason::SessionWrongKind { kind, mode } => {
                Self::from(Code::SessionWrongKind).detail(&right_call(kind, mode))
            }
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
            Reason::CardOnItsWay => Self::from(Code::IdempotencyInProgress)
                .detail(&reason.to_string())
                .retry_after(5),
            Reason::OutboxFull => Self::from(Code::OutboxFull).retry_after(30),
            Reason::AmountInvalid => Self::field(Code::AmountInvalid, "amount"),
            Reason::AmountTooLarge => Self::field(Code::AmountInvalid, "amount").detail(&reason.to_string()),
            Reason::NoAccount(..) => {
                Self::field(Code::CurrencyNotSupported, "currency").detail(&reason.to_string())
            }
            Reason::NotOffered => Code::NotOffered.into(),
            Reason::SessionNotOffered { platform, kind, mode } => {
                Self::field(Code::NotOffered, "kind").detail(&format!(
                    "`{}` offers no session with `kind` `{}` and `mode` `{}`; docs/server.md says what each platform \
                     offers",
                    platform.id(),
                    kind.as_str(),
                    mode_word(mode)
                ))
            }
            Reason::FieldNotOffered { field, why } => {
                let error = Self::field(Code::NotOffered, field);
                match why {
                    Some(why) => error.detail(why),
                    None => error.detail(&format!("the platform does not offer what `{field}` asks for; leave it out")),
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

/// Says what a charge needs.
fn unusable(why: Unusable) -> String {
    match why {
        Unusable::Unknown => "there is no such authentication".into(),
        Unusable::OtherToken => "the authentication is of another card: `token` must be the one that it was made for".into(),
        Unusable::OtherAmount => {
            "the authentication is of another amount: `amount` and `currency` must be those that it was made for".into()
        }
        Unusable::Used => "another payment has used the authentication; begin a new one".into(),
        Unusable::Expired => "the authentication has expired; begin a new one".into(),
        Unusable::State(state) => format!(
            "the authentication is `{}`; a charge needs one that is `authenticated` or `attempted`, or none",
            state.as_str()
        ),
    }
}

/// Says what a session is for, and where its card goes.
fn right_call(kind: Kind, mode: Mode) -> String {
    let path = match kind {
        Kind::Tokenize | Kind::Update => "/v1/tokens",
        Kind::Payment => "/v1/payments",
    };
    let fields = match mode {
        Mode::Relay => "the encrypted card",
        Mode::Direct => "the platform's `answer`",
    };
    format!(
        "the session has `kind` `{}` and `mode` `{}`: send {fields} to `{path}`",
        kind.as_str(),
        mode_word(mode)
    )
}

/// Says what can be done with a subscription of this status.
const fn subscription(status: SubscriptionStatus) -> &'static str {
    match status {
        SubscriptionStatus::InFlight | SubscriptionStatus::Unknown => {
            "whether there is a subscription is not known yet; get it again later"
        }
        SubscriptionStatus::Failed => "there is no subscription: making it failed; make another one",
        SubscriptionStatus::Cancelled => "the subscription is over, for good; make another one",
        SubscriptionStatus::Pending
        | SubscriptionStatus::Active
        | SubscriptionStatus::NotPaid
        | SubscriptionStatus::OnHold => "the subscription can be paid, changed and cancelled",
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
