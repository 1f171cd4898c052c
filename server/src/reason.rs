//! Why the domain refuses a request. `api/errors.rs` writes that in HTTP.

use std::sync::Arc;

use cardseal::platform::Platform;
use cardseal::session::{Kind, Mode};
use cardseal_gateways::error::Refusal;

use crate::attempts::TooMany;
use crate::gate::Busy;
use crate::store::{PaymentId, Status, StoreError, SubscriptionStatus, Unusable};
use crate::{TaskPanicked, UnknownPlatform};

/// Why a request is refused, and the payment that this is about, if any.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Error {
    pub(crate) reason: Reason,
    pub(crate) payment: Option<PaymentId>,
    /// The platform that was called, for the log.
    pub(crate) platform: Option<Platform>,
}

/// Why a request is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Reason {
    #[error("there is no such payment")]
    PaymentNotFound,
    #[error("there is no such authentication")]
    AuthenticationNotFound,
    #[error("the authentication cannot be used for this charge")]
    AuthenticationUnusable(Unusable),
    #[error("there is no such subscription")]
    SubscriptionNotFound,
    #[error("the subscription is {}", .0.shown())]
    SubscriptionState(SubscriptionStatus),
    #[error("another payment of the subscription is not settled yet")]
    SubscriptionPaymentOpen,
    #[error("there is no such session")]
    SessionNotFound,
    #[error("the session has expired")]
    SessionExpired,
    #[error("the session has been used")]
    SessionUsed,
    #[error("the session is for another kind of request")]
    SessionWrongKind { kind: Kind, mode: Mode },
    #[error(transparent)]
    TooMany(#[from] TooMany),
    #[error("the customer has not finished on the platform's page")]
    PageOpen,
    #[error("the customer left the platform's page")]
    PageCancelled,
    #[error("there is no such token")]
    TokenNotFound,
    #[error("the platform has not confirmed the token")]
    TokenUnconfirmed,
    #[error("the token has been deleted")]
    TokenDeleted,
    #[error("the card belongs to another session or customer")]
    BelongsElsewhere,
    #[error("the order reference belongs to another payment")]
    OrderReferenceUsed,
    #[error("the idempotency key belongs to another request")]
    KeyReused,
    #[error("another request with the same idempotency key is in progress")]
    InProgress,
    #[error("the payment is {}", .0.stored())]
    State(Status),
    #[error("the payment's status does not allow this outcome")]
    NotResolvable,
    #[error("the platform needs an authorization and card digits that this payment does not have")]
    CardUnknown,
    #[error("a lookup of the payment is in progress")]
    LookupInProgress,
    #[error("a card of the customer is being stored; send the request again")]
    CardOnItsWay,
    #[error("too many events wait for the merchant's server")]
    OutboxFull,
    #[error("the amount is not valid")]
    AmountInvalid,
    #[error("the amount exceeds what is left of the payment")]
    AmountTooLarge,
    #[error("the configuration of {0} has no account for {1}")]
    NoAccount(Platform, &'static str),
    #[error("the platform does not offer this")]
    NotOffered,
    #[error("{platform} offers no such session")]
    SessionNotOffered {
        platform: Platform,
        kind: Kind,
        mode: Mode,
    },
    /// The platform does not offer what the field asks for.
    #[error("the platform does not offer this: {field}")]
    FieldNotOffered {
        field: &'static str,
        why: Option<&'static str>,
    },
    /// The field does not go with the rest of the request.
    #[error("{field} does not belong here: {why}")]
    FieldMisplaced { field: &'static str, why: &'static str },
    #[error("the signature of what the browser sent is not valid")]
    BrowserSignatureInvalid,
    /// The bank declined a card that was to be stored.
    #[error(transparent)]
    CardDeclined(Refusal),
    #[error("the platform has done this, but it cannot be stored yet; send the same request again")]
    NotStoredYet,
    #[error(transparent)]
    UnknownPlatform(#[from] UnknownPlatform),
    #[error(transparent)]
    Busy(#[from] Busy),
    /// Nothing was done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A platform's answer to something other than a charge is missing or unusable.
    #[error(transparent)]
    Platform(cardseal_gateways::Error),
    #[error(transparent)]
    Store(Arc<StoreError>),
    #[error(transparent)]
    TaskPanicked(#[from] TaskPanicked),
    #[error("{0}")]
    Internal(&'static str),
}

impl Error {
    /// Sets the payment.
    pub(crate) fn about(mut self, payment: &PaymentId) -> Self {
        self.payment = Some(payment.clone());
        self
    }

    /// Sets the platform that was called.
    pub(crate) const fn at(mut self, platform: Platform) -> Self {
        self.platform = Some(platform);
        self
    }

    /// Whether the platform refused. The same request would be refused again.
    pub(crate) const fn is_rejection(&self) -> bool {
        matches!(self.reason, Reason::Refused(Refusal::Rejected(_)))
    }
}

impl<R: Into<Reason>> From<R> for Error {
    fn from(reason: R) -> Self {
        Self {
            reason: reason.into(),
            payment: None,
            platform: None,
        }
    }
}

impl From<StoreError> for Reason {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<cardseal_gateways::Error> for Reason {
    fn from(error: cardseal_gateways::Error) -> Self {
        match error {
            cardseal_gateways::Error::Refused(refusal) => Self::Refused(refusal),
            cardseal_gateways::Error::Doubtful(_)
            | cardseal_gateways::Error::Incomplete(_)
            | cardseal_gateways::Error::SignatureInvalid => Self::Platform(error),
        }
    }
}
