//! Subscriptions: a stored card that the platform itself charges every so many months.
//!
//! The platform decides when it charges and how it numbers the payments. So a lost answer is never repeated: the
//! platform's own lists say what there is.

use secrecy::SecretString;

use crate::amount::Amount;
use crate::error::Doubt;
use crate::gateway::Outcome;

/// A subscription to be made.
pub struct NewSubscription<'a> {
    /// Our unguessable reference. The platform lists the subscription under it.
    pub reference: &'a str,
    /// The platform's token of the card.
    pub token: &'a SecretString,
    /// What each payment takes.
    pub amount: &'a Amount,
    /// The description that the customer sees.
    pub description: &'a str,
    /// Months between two payments.
    pub months: u8,
    /// When the first payment is due, in milliseconds since 1970. Without it, the platform decides.
    pub starts_at: Option<i64>,
    /// After this time nothing is charged, in milliseconds since 1970. Without it, the subscription goes on until it is
    /// cancelled.
    pub ends_at: Option<i64>,
    /// A payment of another amount, taken at once.
    pub first: Option<FirstPayment<'a>>,
}

/// A payment that is taken as a subscription is made.
pub struct FirstPayment<'a> {
    /// The amount, in the subscription's currency.
    pub amount: &'a Amount,
    /// The description that the customer sees.
    pub description: &'a str,
}

/// A subscription for the calls about it.
pub struct SubscriptionRef<'a> {
    /// The platform's own id.
    pub platform_id: &'a str,
    /// From [`NewSubscription::reference`].
    pub reference: &'a str,
    /// What a payment takes.
    pub amount: &'a Amount,
}

/// Where a subscription stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscriptionStatus {
    /// The platform charges what is due.
    Active,
    /// Its first payment was not made.
    NotPaid,
    /// Several payments failed: the platform no longer charges by itself.
    OnHold,
    /// It has not begun.
    Pending,
    /// It is over, for good.
    Cancelled,
}

/// What became of a request for a subscription. An error beside it means that there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subscribing {
    /// There is one.
    Done(Subscribed),
    /// Nobody knows. [`crate::Gateway::find_subscription`] finds it by its reference, if there is one.
    Unknown(Doubt),
}

/// A new subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// The platform's own id.
    pub platform_id: String,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// The day of the next payment, such as `2026-12-31`.
    pub next_payment: Option<String>,
    /// The signature that the answer should have is missing or wrong.
    pub unverified: bool,
}

/// A subscription as the platform lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedSubscription {
    /// The platform's own id.
    pub platform_id: String,
    /// Where it stands. `None` for a word that is not known here.
    pub status: Option<SubscriptionStatus>,
    /// What a payment takes, if it can be read.
    pub amount: Option<Amount>,
    /// The day of the next payment.
    pub next_payment: Option<String>,
}

/// A change of a subscription. Made twice, it changes nothing more.
pub enum SubscriptionChange<'a> {
    /// Another amount, in the same currency.
    Amount(&'a Amount),
    /// Another card, by the platform's token.
    Token(&'a SecretString),
    /// No more payments.
    Cancel {
        /// Why, in the merchant's words.
        reason: &'a str,
    },
}

/// What became of a payment that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionPaid {
    /// The platform's reference of the payment, if it gave one.
    pub reference: Option<String>,
    /// The outcome.
    pub outcome: Outcome,
}

/// A page of the platform's list of a subscription's payments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionPayments {
    /// What it lists.
    pub items: Vec<SubscriptionPayment>,
    /// Whether another page may follow.
    pub more: bool,
}

/// A payment of a subscription, as the platform lists it. One that was declined may be tried again under its reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionPayment {
    /// The platform's reference of it.
    pub reference: String,
    /// What it took or was to take, if that can be read.
    pub amount: Option<Amount>,
    /// Its last outcome.
    pub outcome: Outcome,
    /// How many attempts were declined.
    pub declines: u32,
}
