//! Payments. A row is on the disk before the platform is called.

use cardseal::platform::Platform;
use cardseal_gateways::gateway::{Approval, Decline};
use cardseal_gateways::{Amount, Currency};

use super::instances::Right;
use super::seal::Index;
use super::sql::{Row, params};
use super::status::statuses;
use super::{
    AuthenticationId, Columns, Db, EventKind, PaymentId, Result, SessionId, SessionResult, Store, StoreError,
    SubscriptionId, TokenId, authentications, events, platform, readable, sessions, statements,
    subscriptions,
};

/// How long after the charge an unknown payment is first looked up.
const FIRST_LOOKUP_MS: i64 = 1000;

statuses! {
    /// The status of a payment.
    Status {
        /// The platform is being called.
        InFlight = "in_flight", "unknown";
        /// The payment was charged.
        Approved = "approved", "approved";
        /// The bank holds the money until it is captured.
        Authorized = "authorized", "authorized";
        /// The bank declined.
        Declined = "declined", "declined";
        /// The outcome is unknown.
        Unknown = "unknown", "unknown";
        /// Nothing was charged, and no bank was asked.
        Failed = "failed", "failed";
        /// A capture is in progress.
        CaptureInFlight = "capture_in_flight", "capture_unknown";
        /// Whether it was captured is unknown.
        CaptureUnknown = "capture_unknown", "capture_unknown";
        /// A void is in progress.
        VoidInFlight = "void_in_flight", "void_unknown";
        /// Whether it was voided is unknown.
        VoidUnknown = "void_unknown", "void_unknown";
        /// The payment was cancelled before it was settled.
        Voided = "voided", "voided";
        /// A refund is in progress.
        RefundInFlight = "refund_in_flight", "refund_unknown";
        /// Whether it was refunded is unknown.
        RefundUnknown = "refund_unknown", "refund_unknown";
        /// A part of the payment was refunded.
        PartiallyRefunded = "partially_refunded", "partially_refunded";
        /// The whole payment was refunded.
        Refunded = "refunded", "refunded";
    }
}

impl Status {
    /// Whether the outcome of the payment or of a change of it is unknown or still open.
    #[must_use]
    pub const fn is_unknown(self) -> bool {
        matches!(
            self,
            Self::InFlight
                | Self::Unknown
                | Self::CaptureInFlight
                | Self::CaptureUnknown
                | Self::VoidInFlight
                | Self::VoidUnknown
                | Self::RefundInFlight
                | Self::RefundUnknown
        )
    }
}

/// A payment to be stored.
pub struct NewPayment {
    /// The platform.
    pub platform: Platform,
    /// The amount.
    pub amount: Amount,
    /// The stored card that is charged.
    pub token_id: Option<TokenId>,
    /// The session whose card is charged.
    pub session_id: Option<SessionId>,
    /// The subscription that it is a payment of.
    pub subscription_id: Option<SubscriptionId>,
    /// The merchant's reference.
    pub order_reference: String,
    /// What the customer reads.
    pub description: String,
    /// The merchant's reference of the customer.
    pub customer: Option<String>,
    /// The brand of the stored card.
    pub brand: Option<String>,
    /// The first digits of the card.
    pub bin: Option<String>,
    /// The last four digits of the stored card.
    pub last4: Option<String>,
    /// Whether the payment is only authorized, to be captured later.
    pub capture_later: bool,
    /// Whether to charge the card network's own token. `None` means as configured.
    pub network_token: Option<bool>,
    /// The authentication of the customer that it uses.
    pub authentication_id: Option<AuthenticationId>,
}

/// A stored payment.
#[derive(Clone)]
pub struct Payment {
    /// The id.
    pub id: PaymentId,
    /// The platform.
    pub platform: Platform,
    /// The status.
    pub status: Status,
    /// The amount.
    pub amount: Amount,
    /// The captured amount in minor units.
    pub captured: u64,
    /// The refunded amount in minor units.
    pub refunded: u64,
    /// Whether the payment was only authorized at first, to be captured later.
    pub capture_later: bool,
    /// Whether to charge the card network's own token. `None` means as configured.
    pub network_token: Option<bool>,
    /// What the customer reads.
    pub description: String,
    /// The stored card that is charged.
    pub token_id: Option<TokenId>,
    /// The session whose card is charged.
    pub session_id: Option<SessionId>,
    /// The subscription that it is a payment of.
    pub subscription_id: Option<SubscriptionId>,
    /// The merchant's reference.
    pub order_reference: String,
    /// The bank's authorization.
    pub authorization: Option<String>,
    /// The platform's id of the payment.
    pub platform_payment: Option<String>,
    /// The brand of the card.
    pub brand: Option<String>,
    /// The first digits of the card.
    pub bin: Option<String>,
    /// The last four digits of the card.
    pub last4: Option<String>,
    /// The page that the customer has to visit, while the payment waits for that.
    pub redirect: Option<String>,
    /// Why it was declined.
    pub decline: Option<Decline>,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970.
    pub updated_at: i64,
}

/// Which payments a list has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentFilter {
    /// All of them.
    All,
    /// Those with this status.
    Status(Status),
    /// Those of a customer, by the merchant's reference.
    Customer(String),
    /// Those of a subscription.
    Subscription(SubscriptionId),
}

/// The new state of a stored payment.
pub struct PaymentUpdate {
    /// The status.
    pub status: Status,
    /// The bank's approval. What it does not say stays as it was.
    pub approval: Approval,
    /// Why it was declined.
    pub decline: Option<Decline>,
    /// The page that the customer has to visit.
    pub redirect: Option<String>,
    /// The captured amount in minor units.
    pub captured: u64,
    /// What the merchant is told.
    pub event: Option<EventKind>,
}

/// A capture, a void or a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Movement {
    /// Takes the money that the bank holds.
    Capture,
    /// Cancels the payment.
    Void,
    /// Pays money back.
    Refund,
}

impl Movement {
    /// The name in the database.
    #[must_use]
    pub const fn stored(self) -> &'static str {
        match self {
            Self::Capture => "capture",
            Self::Void => "void",
            Self::Refund => "refund",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        [Self::Capture, Self::Void, Self::Refund]
            .into_iter()
            .find(|movement| movement.stored() == text)
    }

    /// The payment's status while the platform is called.
    #[must_use]
    pub const fn in_flight(self) -> Status {
        match self {
            Self::Capture => Status::CaptureInFlight,
            Self::Void => Status::VoidInFlight,
            Self::Refund => Status::RefundInFlight,
        }
    }
}

/// An amount as its column has it.
pub(super) fn minor(amount: u64) -> Result<i64> {
    i64::try_from(amount).map_err(|_| StoreError::Unknown("amount"))
}

/// An amount as it was stored.
pub(super) fn stored_amount(minor: i64) -> Result<u64> {
    u64::try_from(minor).map_err(|_| StoreError::Unknown("amount"))
}

/// An amount with its currency, which stand one after the other in a row.
pub(super) fn amount(row: &mut Columns<'_>) -> Result<Amount> {
    let minor = stored_amount(row.next()?)?;
    let currency = row.word("currency", Currency::from_code)?;
    Amount::from_minor(minor, currency).map_err(|_| StoreError::Unknown("amount"))
}

/// The table.
pub(super) const TABLE: &str = "payments";

/// The columns of a payment, in the order in which [`values`] reads them. To PostgreSQL one of them is a reserved word.
macro_rules! columns {
    () => {
        "id, platform, status, amount_minor, currency, captured_minor, refunded_minor, capture_later, network_token,
            description, token_id, session_id, order_reference, \"authorization\", platform_payment, brand, bin, last4,
            redirect_url, decline_code, decline_reason, decline_message, created_at, updated_at, subscription_id"
    };
}

statements! {
    BY_ID = concat!("SELECT ", columns!(), " FROM payments WHERE id = ?");
    /// The newest that has not failed. There is at most one.
    BY_REFERENCE = concat!("SELECT ", columns!(), " FROM payments
        WHERE platform = ? AND order_reference = ? AND status <> 'failed'");
    FAILED_BY_REFERENCE = concat!("SELECT ", columns!(), " FROM payments
        WHERE platform = ? AND order_reference = ? AND status = 'failed' ORDER BY seq DESC LIMIT 1");
    LIST = concat!("SELECT ", columns!(), ", seq FROM payments WHERE seq < ? ORDER BY seq DESC LIMIT ?");
    LIST_APPROVED = concat!("SELECT ", columns!(), ", seq FROM payments
        WHERE status = 'approved' AND seq < ? ORDER BY seq DESC LIMIT ?");
    LIST_BY_STATUS = concat!("SELECT ", columns!(), ", seq FROM payments
        WHERE status = ? AND status NOT IN ('in_flight', 'approved') AND seq < ? ORDER BY seq DESC LIMIT ?");
    LIST_BY_CUSTOMER = concat!("SELECT ", columns!(), ", seq FROM payments
        WHERE customer = ? AND seq < ? ORDER BY seq DESC LIMIT ?");
    LIST_OF_SUBSCRIPTION = concat!("SELECT ", columns!(), ", seq FROM payments
        WHERE subscription_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?");
    /// The one that was asked for and is not settled. There is at most one.
    OPEN_OF_SUBSCRIPTION = concat!("SELECT ", columns!(), " FROM payments
        WHERE subscription_id = ? AND status IN ('in_flight', 'unknown')");
    /// The last one under the platform's reference, and how many attempts were declined.
    NUMBERED_OF_SUBSCRIPTION = concat!("SELECT ", columns!(), ", declines FROM payments
        WHERE subscription_id = ? AND platform_payment = ? ORDER BY seq DESC LIMIT 1");
    /// One that somebody has settled by hand, whose reference at the platform is not known.
    UNNUMBERED_OF_SUBSCRIPTION = concat!("SELECT ", columns!(), " FROM payments
        WHERE subscription_id = ? AND platform_payment IS NULL AND status = 'approved' AND amount_minor = ?
        ORDER BY seq LIMIT 1");
    NUMBER = "UPDATE payments SET platform_payment = ?, declines = MAX(declines, ?) WHERE id = ?",
        "UPDATE payments SET platform_payment = $1, declines = GREATEST(declines, $2) WHERE id = $3";
    /// Ids begin with the time at which they were made.
    MADE = concat!("SELECT ", columns!(), " FROM payments
        WHERE id > ? AND id < ? AND platform = ? ORDER BY id LIMIT ?");
    SEQ = "SELECT seq FROM payments WHERE id = ?";
    /// A reference that is taken is left to its payment.
    INSERT = "INSERT INTO payments (id, platform, status, amount_minor, currency, token_id, session_id,
            order_reference, description, customer, customer_sealed, brand, bin, last4, capture_later, network_token,
            created_at, updated_at, instance, subscription_id)
         VALUES (?, ?, 'in_flight', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?16, ?16, ?, ?)
         ON CONFLICT (platform, order_reference) WHERE status <> 'failed' DO NOTHING";
    UPDATE = concat!("UPDATE payments SET status = ?, \"authorization\" = COALESCE(?, \"authorization\"),
            platform_payment = COALESCE(?, platform_payment), brand = COALESCE(brand, ?), last4 = COALESCE(?, last4),
            decline_code = ?, decline_reason = ?, decline_message = ?, redirect_url = ?,
            captured_minor = ?, look_at = ?, updated_at = ?
         WHERE id = ? RETURNING ", columns!());
    COMPLETE = "UPDATE payments SET \"authorization\" = COALESCE(\"authorization\", ?1),
            platform_payment = COALESCE(platform_payment, ?2), brand = COALESCE(brand, ?3),
            last4 = COALESCE(last4, ?4), updated_at = ?5
         WHERE id = ?6 AND (\"authorization\" IS NULL AND ?1 IS NOT NULL OR platform_payment IS NULL AND ?2 IS NOT NULL
            OR brand IS NULL AND ?3 IS NOT NULL OR last4 IS NULL AND ?4 IS NOT NULL)";
    NOTE_BIN = "UPDATE payments SET bin = COALESCE(bin, ?) WHERE id = ?";
    REFERENCE_USED = "SELECT 1 FROM payments
        WHERE platform = ? AND order_reference = ? AND status <> 'failed'";
}

fn read(row: &Row<'_>) -> Result<Payment> {
    readable(TABLE, row, values)
}

fn values(row: &mut Columns<'_>) -> Result<Payment> {
    let id = row.next()?;
    let platform = platform(row)?;
    let status = row.word("status", Status::read)?;
    Ok(Payment {
        id,
        platform,
        status,
        amount: amount(row)?,
        captured: stored_amount(row.next()?)?,
        refunded: stored_amount(row.next()?)?,
        capture_later: row.next()?,
        network_token: row.next()?,
        description: row.opened_text("description")?,
        token_id: row.next()?,
        session_id: row.next()?,
        order_reference: row.next()?,
        authorization: row.next()?,
        platform_payment: row.next()?,
        brand: row.next()?,
        bin: row.next()?,
        last4: row.next()?,
        redirect: row.opened("redirect_url")?,
        decline: {
            let code = row.next()?;
            let reason: Option<String> = row.next()?;
            let message = row.next()?;
            reason.map(|reason| Decline {
                code,
                reason,
                message,
            })
        },
        created_at: row.next()?,
        updated_at: row.next()?,
        subscription_id: row.next()?,
    })
}

pub(super) fn get(db: &Db<'_>, id: &PaymentId) -> Result<Option<Payment>> {
    db.row(BY_ID, params![id], read)
}

/// Finds the payment of a reference. If there are several, it is the one that has not failed.
pub(super) fn by_reference(db: &Db<'_>, platform: Platform, reference: &str) -> Result<Option<Payment>> {
    let platform = platform.id();
    match db.row(BY_REFERENCE, params![platform, reference], read)? {
        Some(payment) => Ok(Some(payment)),
        None => db.row(FAILED_BY_REFERENCE, params![platform, reference], read),
    }
}

/// Stores a payment that is about to be made. Returns `None` if the reference is taken.
pub(super) fn insert(db: &Db<'_>, new: &NewPayment, now: i64) -> Result<Option<Payment>> {
    let payment = Payment {
        id: PaymentId::random(),
        platform: new.platform,
        status: Status::InFlight,
        amount: new.amount,
        captured: 0,
        refunded: 0,
        capture_later: new.capture_later,
        network_token: new.network_token,
        description: new.description.clone(),
        token_id: new.token_id.clone(),
        session_id: new.session_id.clone(),
        subscription_id: new.subscription_id.clone(),
        order_reference: new.order_reference.clone(),
        authorization: None,
        platform_payment: None,
        brand: new.brand.clone(),
        bin: new.bin.clone(),
        last4: new.last4.clone(),
        redirect: None,
        decline: None,
        created_at: now,
        updated_at: now,
    };
    let seal = db.seal(TABLE, payment.id.as_str());
    let customer = seal.found("customer", Index::Customer, new.customer.as_deref())?;
    let inserted = db.execute(
        INSERT,
        params![
            payment.id,
            payment.platform.id(),
            minor(payment.amount.minor())?,
            payment.amount.currency().code(),
            payment.token_id,
            payment.session_id,
            payment.order_reference,
            seal.value("description", &payment.description)?,
            customer.by,
            customer.sealed,
            payment.brand,
            payment.bin,
            payment.last4,
            payment.capture_later,
            payment.network_token,
            now,
            db.instance(),
            payment.subscription_id,
        ],
    )?;
    Ok((inserted == 1).then_some(payment))
}

/// Writes the new state of a payment, and marks its session as used if the payment may have been made.
pub(super) fn update(db: &Db<'_>, id: &PaymentId, update: &PaymentUpdate, now: i64) -> Result<Payment> {
    let (approval, decline) = (&update.approval, update.decline.as_ref());
    let seal = db.seal(TABLE, id.as_str());
    let payment = db.row(
        UPDATE,
        params![
            update.status.stored(),
            approval.authorization,
            approval.platform_id,
            approval.brand,
            approval.last4,
            decline.and_then(|decline| decline.code.as_deref()),
            decline.map(|decline| decline.reason.as_str()),
            decline.and_then(|decline| decline.message.as_deref()),
            seal.optional("redirect_url", update.redirect.as_deref())?,
            minor(update.captured)?,
            now + FIRST_LOOKUP_MS,
            now,
            id,
        ],
        read,
    )?;
    let payment = payment.ok_or(StoreError::Unknown("payment"))?;
    if update.status == Status::Failed {
        authentications::release(db, &payment.id)?;
    }
    if let Some(session) = &payment.session_id {
        if update.status == Status::Failed {
            sessions::reopen(db, session)?;
        } else {
            sessions::finish(db, session, &SessionResult::Payment(payment.id.clone()))?;
        }
    }
    if payment.subscription_id.is_some() {
        subscriptions::note_payment(db, &payment)?;
    }
    events::payment(db, update.event, &payment, now)?;
    Ok(payment)
}

/// The payment of a subscription that was asked for and is not settled.
pub(super) fn open_of(db: &Db<'_>, subscription: &SubscriptionId) -> Result<Option<Payment>> {
    db.row(OPEN_OF_SUBSCRIPTION, params![subscription], read)
}

/// The last payment of a subscription under the platform's reference, and how many of its attempts were declined.
pub(super) fn numbered(
    db: &Db<'_>,
    subscription: &SubscriptionId,
    reference: &str,
) -> Result<Option<(Payment, u32)>> {
    db.row(
        NUMBERED_OF_SUBSCRIPTION,
        params![subscription, reference],
        |row| Ok((read(row)?, row.last()?)),
    )
}

/// A payment of a subscription that was approved by hand, and that the platform lists under a reference not known here.
pub(super) fn unnumbered(
    db: &Db<'_>,
    subscription: &SubscriptionId,
    amount: Amount,
) -> Result<Option<Payment>> {
    db.row(
        UNNUMBERED_OF_SUBSCRIPTION,
        params![subscription, minor(amount.minor())?],
        read,
    )
}

/// Notes the platform's reference of a payment, and how many of its attempts were declined.
pub(super) fn number(db: &Db<'_>, id: &PaymentId, reference: &str, declines: u32) -> Result<()> {
    db.execute(NUMBER, params![reference, i64::from(declines), id])?;
    Ok(())
}

/// Adds details that the first report of an approved payment did not have.
pub(super) fn complete(db: &Db<'_>, id: &PaymentId, approval: &Approval, now: i64) -> Result<()> {
    db.execute(
        COMPLETE,
        params![
            approval.authorization,
            approval.platform_id,
            approval.brand,
            approval.last4,
            now,
            id
        ],
    )?;
    Ok(())
}

impl Store {
    /// Loads a payment.
    pub async fn payment(&self, id: &PaymentId) -> Result<Option<Payment>> {
        let id = id.clone();
        self.read(move |db| get(db, &id)).await
    }

    /// Stores the first digits of a payment's card, if they were unknown.
    pub async fn note_bin(&self, id: &PaymentId, bin: &str) -> Result<()> {
        let (id, bin) = (id.clone(), bin.to_owned());
        self.write(move |db| db.execute(NOTE_BIN, params![bin, id]))
            .await
            .map(|_| ())
    }

    /// Lists payments, newest first.
    pub async fn payments(
        &self,
        filter: PaymentFilter,
        after: Option<&PaymentId>,
        limit: u32,
    ) -> Result<Vec<Payment>> {
        let after = after.map(ToString::to_string);
        self.page(SEQ, after, limit, move |db, seq, limit| {
            let item = |row: &Row<'_>| Ok((read(row), row.last()?));
            match &filter {
                PaymentFilter::All => db.rows(LIST, params![seq, limit], item),
                // Most payments are, so their index would be as large as the table.
                PaymentFilter::Status(Status::Approved) => db.rows(LIST_APPROVED, params![seq, limit], item),
                PaymentFilter::Status(status) => {
                    db.rows(LIST_BY_STATUS, params![status.stored(), seq, limit], item)
                }
                PaymentFilter::Subscription(id) => {
                    db.rows(LIST_OF_SUBSCRIPTION, params![id, seq, limit], item)
                }
                PaymentFilter::Customer(customer) => {
                    db.newest(&db.forms(Index::Customer, customer)?, limit, |form| {
                        db.rows(LIST_BY_CUSTOMER, params![form, seq, limit], item)
                    })
                }
            }
        })
        .await
    }

    /// Lists payments that were made at a platform from one time to another, oldest first.
    pub async fn payments_made(
        &self,
        platform: Platform,
        from: i64,
        to: i64,
        after: Option<PaymentId>,
        limit: u32,
    ) -> Result<Vec<Payment>> {
        let after = after.unwrap_or_else(|| PaymentId::bound(from));
        let end = PaymentId::bound(to);
        let payments = self
            .list(move |db| {
                db.rows(MADE, params![after, end, platform.id(), limit], |row| {
                    Ok(read(row))
                })
            })
            .await?;
        payments.into_iter().collect()
    }

    /// Finds the payment of a reference. If there are several, it is the one that has not failed.
    pub async fn payment_of(&self, platform: Platform, reference: &str) -> Result<Option<Payment>> {
        let reference = reference.to_owned();
        self.read(move |db| by_reference(db, platform, &reference)).await
    }

    /// Whether a reference belongs to a payment that has not failed.
    pub async fn reference_used(&self, platform: Platform, reference: &str) -> Result<bool> {
        let reference = reference.to_owned();
        self.read(move |db| db.exists(REFERENCE_USED, params![platform.id(), reference]))
            .await
    }

    /// Finds the unknown payment of a reference, or the one with an unknown change.
    pub async fn unknown_of(&self, platform: Platform, reference: &str) -> Result<Option<PaymentId>> {
        let reference = reference.to_owned();
        let payment = self
            .read(move |db| db.row(BY_REFERENCE, params![platform.id(), reference], read))
            .await?;
        Ok(payment
            .filter(|payment| payment.status.is_unknown())
            .map(|payment| payment.id))
    }

    /// Gives a payment its new state from `decide`, if there is one.
    pub async fn update_payment(
        &self,
        id: &PaymentId,
        decide: impl Fn(&Payment) -> Option<PaymentUpdate> + Send + 'static,
        now: i64,
    ) -> Result<()> {
        let (id, wiped) = (id.clone(), self.wipes());
        self.write_as(Right::ToFinish, move |db| {
            if let Some(payment) = get(db, &id)?
                && let Some(new) = decide(&payment)
            {
                update(db, &payment.id, &new, now)?;
                wiped.note();
            }
            Ok(())
        })
        .await
    }
}
