//! Payments. A row is on the disk before the platform is called.

use cardseal::platform::Platform;
use cardseal_gateways::gateway::{Approval, Decline};
use cardseal_gateways::{Amount, Currency};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};

use super::{
    PaymentId, Readable, Result, SessionId, SessionResult, Store, StoreError, TokenId, platform, readable,
    sessions,
};

/// How long after the charge an unknown payment is first looked up.
const FIRST_LOOKUP_MS: i64 = 1000;

macro_rules! statuses {
    ($($(#[doc = $doc:literal])+ $name:ident = $stored:literal, $shown:literal;)+) => {
        /// The status of a payment.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Status { $($(#[doc = $doc])+ $name,)+ }

        impl Status {
            /// Every status.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The name in the database.
            #[must_use]
            pub const fn stored(self) -> &'static str {
                match self { $(Self::$name => $stored,)+ }
            }

            /// The name in JSON, where whatever is in flight is `unknown`.
            #[must_use]
            pub const fn shown(self) -> &'static str {
                match self { $(Self::$name => $shown,)+ }
            }
        }
    };
}

statuses! {
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

    pub(super) fn read(text: &str) -> Result<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|status| status.stored() == text)
            .ok_or(StoreError::Unknown("status"))
    }
}

/// A payment to be stored.
pub struct NewPayment<'a> {
    /// The platform.
    pub platform: Platform,
    /// The amount.
    pub amount: &'a Amount,
    /// The stored card that is charged.
    pub token_id: Option<&'a TokenId>,
    /// The session whose card is charged.
    pub session_id: Option<&'a SessionId>,
    /// The merchant's reference.
    pub order_reference: &'a str,
    /// What the customer reads.
    pub description: &'a str,
    /// The merchant's reference of the customer.
    pub customer: Option<&'a str>,
    /// The brand of the stored card.
    pub brand: Option<&'a str>,
    /// The first digits of the card.
    pub bin: Option<&'a str>,
    /// The last four digits of the stored card.
    pub last4: Option<&'a str>,
    /// Whether the payment is only authorized, to be captured later.
    pub capture_later: bool,
    /// Whether to charge the card network's own token. `None` means as configured.
    pub network_token: Option<bool>,
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

    pub(super) fn read(text: &str) -> Result<Self> {
        [Self::Capture, Self::Void, Self::Refund]
            .into_iter()
            .find(|movement| movement.stored() == text)
            .ok_or(StoreError::Unknown("kind"))
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

fn read(row: &SqliteRow) -> Result<Payment> {
    readable("payments", row, values)
}

fn values(row: &SqliteRow) -> Result<Payment> {
    let minor: i64 = row.try_get("amount_minor")?;
    let currency = Currency::from_code(row.try_get("currency")?).ok_or(StoreError::Unknown("currency"))?;
    let amount = u64::try_from(minor)
        .ok()
        .and_then(|minor| Amount::from_minor(minor, currency).ok());
    let parts = |name| u64::try_from(row.try_get::<i64, _>(name)?).map_err(|_| StoreError::Unknown("amount"));
    let reason: Option<String> = row.try_get("decline_reason")?;
    let code = row.try_get("decline_code")?;
    let message = row.try_get("decline_message")?;
    Ok(Payment {
        id: row.try_get("id")?,
        platform: platform(row)?,
        status: Status::read(row.try_get("status")?)?,
        amount: amount.ok_or(StoreError::Unknown("amount"))?,
        captured: parts("captured_minor")?,
        refunded: parts("refunded_minor")?,
        capture_later: row.try_get("capture_later")?,
        network_token: row.try_get("network_token")?,
        description: row.try_get("description")?,
        token_id: row.try_get("token_id")?,
        session_id: row.try_get("session_id")?,
        order_reference: row.try_get("order_reference")?,
        authorization: row.try_get("authorization")?,
        platform_payment: row.try_get("platform_payment")?,
        brand: row.try_get("brand")?,
        bin: row.try_get("bin")?,
        last4: row.try_get("last4")?,
        redirect: row.try_get("redirect_url")?,
        decline: reason.map(|reason| Decline {
            code,
            reason,
            message,
        }),
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

pub(super) async fn get(tx: &mut Transaction<'_, Sqlite>, id: &PaymentId) -> Result<Option<Payment>> {
    let row = sqlx::query("SELECT * FROM payments WHERE id = ?")
        .bind(id)
        .fetch_optional(&mut **tx)
        .await?;
    row.as_ref().map(read).transpose()
}

/// Finds the payment of a reference. If there are several, it is the one that has not failed.
pub(super) async fn by_reference(
    tx: &mut Transaction<'_, Sqlite>,
    platform: Platform,
    reference: &str,
) -> Result<Option<Payment>> {
    let row = sqlx::query(
        "SELECT * FROM payments WHERE platform = ? AND order_reference = ?
            ORDER BY status = 'failed', seq DESC LIMIT 1",
    )
    .bind(platform.id())
    .bind(reference)
    .fetch_optional(&mut **tx)
    .await?;
    row.as_ref().map(read).transpose()
}

/// Stores a payment that is about to be made. Returns `None` if the reference is taken.
pub(super) async fn insert(
    tx: &mut Transaction<'_, Sqlite>,
    payment: &NewPayment<'_>,
    now: i64,
) -> Result<Option<PaymentId>> {
    let id = PaymentId::random();
    let result = sqlx::query(
        "INSERT INTO payments (id, platform, status, amount_minor, currency, token_id, session_id,
            order_reference, description, customer, brand, bin, last4, capture_later, network_token,
            created_at, updated_at)
         VALUES (?, ?, 'in_flight', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&id)
    .bind(payment.platform.id())
    .bind(minor(payment.amount.minor())?)
    .bind(payment.amount.currency().code())
    .bind(payment.token_id)
    .bind(payment.session_id)
    .bind(payment.order_reference)
    .bind(payment.description)
    .bind(payment.customer)
    .bind(payment.brand)
    .bind(payment.bin)
    .bind(payment.last4)
    .bind(payment.capture_later)
    .bind(payment.network_token)
    .bind(now)
    .bind(now)
    .execute(&mut **tx)
    .await;
    match result {
        Ok(_) => Ok(Some(id)),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Writes the new state of a payment, and marks its session as used if the payment may have been made.
pub(super) async fn update(
    tx: &mut Transaction<'_, Sqlite>,
    payment: &Payment,
    update: &PaymentUpdate,
    now: i64,
) -> Result<()> {
    let (approval, decline) = (&update.approval, update.decline.as_ref());
    sqlx::query(
        "UPDATE payments SET status = ?, authorization = COALESCE(?, authorization),
            platform_payment = COALESCE(?, platform_payment), brand = COALESCE(brand, ?), last4 = COALESCE(?, last4),
            decline_code = ?, decline_reason = ?, decline_message = ?, redirect_url = ?,
            captured_minor = ?, look_at = ?, updated_at = ?
         WHERE id = ?",
    )
    .bind(update.status.stored())
    .bind(&approval.authorization)
    .bind(&approval.platform_id)
    .bind(&approval.brand)
    .bind(&approval.last4)
    .bind(decline.and_then(|decline| decline.code.as_deref()))
    .bind(decline.map(|decline| decline.reason.as_str()))
    .bind(decline.and_then(|decline| decline.message.as_deref()))
    .bind(&update.redirect)
    .bind(minor(update.captured)?)
    .bind(now + FIRST_LOOKUP_MS)
    .bind(now)
    .bind(&payment.id)
    .execute(&mut **tx)
    .await?;
    if let Some(session) = &payment.session_id {
        if update.status == Status::Failed {
            sessions::reopen(tx, session).await?;
        } else {
            sessions::finish(tx, session, &SessionResult::Payment(payment.id.clone())).await?;
        }
    }
    Ok(())
}

/// Adds details that the first report of an approved payment did not have.
pub(super) async fn complete(
    tx: &mut Transaction<'_, Sqlite>,
    id: &PaymentId,
    approval: &Approval,
    now: i64,
) -> Result<()> {
    sqlx::query(
        "UPDATE payments SET authorization = COALESCE(authorization, ?1),
            platform_payment = COALESCE(platform_payment, ?2), brand = COALESCE(brand, ?3),
            last4 = COALESCE(last4, ?4), updated_at = ?5
         WHERE id = ?6 AND (authorization IS NULL AND ?1 IS NOT NULL OR platform_payment IS NULL AND ?2 IS NOT NULL
            OR brand IS NULL AND ?3 IS NOT NULL OR last4 IS NULL AND ?4 IS NOT NULL)",
    )
    .bind(&approval.authorization)
    .bind(&approval.platform_id)
    .bind(&approval.brand)
    .bind(&approval.last4)
    .bind(now)
    .bind(id)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Loads a payment.
    pub async fn payment(&self, id: &PaymentId) -> Result<Option<Payment>> {
        let row = self
            .row(sqlx::query("SELECT * FROM payments WHERE id = ?").bind(id))
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Stores the first digits of a payment's card, if they were unknown.
    pub async fn note_bin(&self, id: &PaymentId, bin: &str) -> Result<()> {
        let mut tx = self.write().await?;
        sqlx::query("UPDATE payments SET bin = COALESCE(bin, ?) WHERE id = ?")
            .bind(bin)
            .bind(id)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Lists payments, newest first.
    pub async fn payments(&self, after: Option<&PaymentId>, limit: u32) -> Result<Vec<Payment>> {
        let mut list = Readable::new(after.map(PaymentId::as_str), limit);
        while let Some((after, limit)) = list.wanted() {
            let query = sqlx::query(
                "SELECT * FROM payments WHERE ?1 IS NULL OR seq < (SELECT seq FROM payments WHERE id = ?1)
                    ORDER BY seq DESC LIMIT ?2",
            );
            list.add(&self.rows(query.bind(after).bind(limit)).await?, read)?;
        }
        Ok(list.into_inner())
    }

    /// Whether a reference belongs to a payment that has not failed.
    pub async fn reference_used(&self, platform: Platform, reference: &str) -> Result<bool> {
        let row = self.row(sqlx::query(
            "SELECT 1 FROM payments WHERE platform = ? AND order_reference = ? AND status <> 'failed'",
        )
        .bind(platform.id())
        .bind(reference)).await?;
        Ok(row.is_some())
    }

    /// Finds the unknown payment of a reference, or the one with an unknown change.
    pub async fn unknown_of(&self, platform: Platform, reference: &str) -> Result<Option<PaymentId>> {
        let row = self.row(sqlx::query(
            "SELECT * FROM payments WHERE platform = ? AND order_reference = ? AND status <> 'failed'",
        )
        .bind(platform.id())
        .bind(reference)).await?;
        let payment = row.as_ref().map(read).transpose()?;
        Ok(payment
            .filter(|payment| payment.status.is_unknown())
            .map(|payment| payment.id))
    }

    /// Gives a payment its new state from `decide`, if there is one.
    pub async fn update_payment(
        &self,
        id: &PaymentId,
        decide: impl Fn(&Payment) -> Option<PaymentUpdate> + Send,
        now: i64,
    ) -> Result<()> {
        let mut tx = self.write().await?;
        if let Some(payment) = get(&mut tx, id).await?
            && let Some(new) = decide(&payment)
        {
            update(&mut tx, &payment, &new, now).await?;
        }
        tx.commit().await?;
        self.note_wiped();
        Ok(())
    }
}
