//! Notifications from platforms. A notification and its effect are stored in one transaction.

use cardseal::platform::Platform;
use cardseal_gateways::gateway::{Approval, StoredCard};
use cardseal_gateways::{Amount, Currency};
use sqlx::{Sqlite, Transaction};

use super::{
    NewPayment, Payment, PaymentUpdate, Result, SessionState, Store, StoreError, Storing, payments, sessions,
};

/// A verified notification.
pub struct Notice<'a> {
    /// Identifies the notification when it is sent again.
    pub digest: &'a str,
    /// The platform.
    pub platform: Platform,
    /// The route of the platform's webhook.
    pub route: &'a str,
    /// Our reference of what it is about.
    pub reference: &'a str,
}

/// What a notification is about.
pub enum NoticeSubject<'a> {
    /// A payment.
    Payment {
        /// Whether to create a missing payment, for the session with this reference.
        creates: bool,
        /// Decides what to do with the payment, and names the effect.
        decide: &'a (dyn Fn(&Payment) -> (NoticeAction, Effect) + Send + Sync),
    },
    /// A card that was stored at the platform.
    Card(&'a StoredCard),
    /// Nothing that this server stores.
    None(Effect),
}

/// What a notification does to a payment.
pub enum NoticeAction {
    /// Gives the payment a new state.
    Update(Box<PaymentUpdate>),
    /// Adds details that were missing.
    Complete(Approval),
    /// Nothing.
    Nothing,
}

/// What a notification did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The notification was processed before.
    Duplicate,
    /// Nothing matches it. It is processed if it is sent again and something matches then.
    Unmatched,
    /// It required nothing.
    Nothing,
    /// A card was declined on the platform's page. The customer may try again.
    AttemptDeclined,
    /// It created the payment that a browser had made.
    PaymentCreated,
    /// It settled a payment whose outcome was open.
    PaymentSettled,
    /// It corrected the outcome of a payment.
    PaymentCorrected,
    /// It says what was known already.
    Known,
    /// It says what was true before the last change.
    Outdated,
    /// It contradicts what is known. Nothing changes.
    Conflict,
    /// It confirmed or stored a card.
    CardStored,
}

impl Effect {
    /// The name in the database and in the log.
    #[must_use]
    pub const fn stored(self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Unmatched => "unmatched",
            Self::Nothing => "nothing",
            Self::AttemptDeclined => "attempt_declined",
            Self::PaymentCreated => "payment_created",
            Self::PaymentSettled => "payment_settled",
            Self::PaymentCorrected => "payment_corrected",
            Self::Known => "known",
            Self::Outdated => "outdated",
            Self::Conflict => "conflict",
            Self::CardStored => "card_stored",
        }
    }
}

impl Store {
    /// Whether a notification has been processed before.
    pub async fn knows_notification(&self, digest: &str) -> Result<bool> {
        let query = sqlx::query("SELECT 1 FROM notifications WHERE digest = ? AND effect <> ?");
        let query = query.bind(digest).bind(Effect::Unmatched.stored());
        Ok(self.row(query).await?.is_some())
    }

    /// Stores a notification and applies its effect, unless it has been processed before.
    pub async fn notify(&self, notice: &Notice<'_>, subject: NoticeSubject<'_>, now: i64) -> Result<Effect> {
        let mut tx = self.write().await?;
        let known: Option<String> = sqlx::query_scalar("SELECT effect FROM notifications WHERE digest = ?")
            .bind(notice.digest)
            .fetch_optional(&mut *tx)
            .await?;
        // If nothing matched the first time, something may match now.
        if known.is_some_and(|effect| effect != Effect::Unmatched.stored()) {
            return Ok(Effect::Duplicate);
        }
        let effect = match subject {
            NoticeSubject::None(effect) => effect,
            NoticeSubject::Card(card) => store_card(&mut tx, notice, card, now).await?,
            NoticeSubject::Payment { creates, decide } => {
                let payment = payments::by_reference(&mut tx, notice.platform, notice.reference).await?;
                match payment {
                    Some(payment) => apply(&mut tx, &payment, decide(&payment), now).await?,
                    None if !creates => Effect::AttemptDeclined,
                    None => match create(&mut tx, notice, now).await? {
                        Ok(payment) => {
                            apply(&mut tx, &payment, decide(&payment), now).await?;
                            Effect::PaymentCreated
                        }
                        Err(effect) => effect,
                    },
                }
            }
        };
        sqlx::query(
            "INSERT OR REPLACE INTO notifications (digest, platform, route, reference, effect, received_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(notice.digest)
        .bind(notice.platform.id())
        .bind(notice.route)
        .bind(notice.reference)
        .bind(effect.stored())
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.note_wiped();
        Ok(effect)
    }
}

async fn store_card(
    tx: &mut Transaction<'_, Sqlite>,
    notice: &Notice<'_>,
    card: &StoredCard,
    now: i64,
) -> Result<Effect> {
    let session = sessions::by_reference(tx, notice.platform, notice.reference, false).await?;
    let Some(session) = session else {
        return Ok(Effect::Unmatched);
    };
    Ok(match sessions::store_card(tx, &session.id, card, now).await? {
        Storing::Stored(_) => Effect::CardStored,
        Storing::Conflict | Storing::BelongsElsewhere | Storing::Deleted => Effect::Conflict,
    })
}

async fn apply(
    tx: &mut Transaction<'_, Sqlite>,
    payment: &Payment,
    (action, effect): (NoticeAction, Effect),
    now: i64,
) -> Result<Effect> {
    match action {
        NoticeAction::Update(update) => payments::update(tx, payment, &update, now).await?,
        NoticeAction::Complete(approval) => payments::complete(tx, &payment.id, &approval, now).await?,
        NoticeAction::Nothing => {}
    }
    Ok(effect)
}

/// Creates a payment that a browser made itself, and that is first known by its notification. If there is none to
/// create, returns the notification's effect.
async fn create(
    tx: &mut Transaction<'_, Sqlite>,
    notice: &Notice<'_>,
    now: i64,
) -> Result<Result<Payment, Effect>> {
    let session = sessions::by_reference(tx, notice.platform, notice.reference, true).await?;
    let Some(session) = session.filter(|session| session.state == SessionState::Open) else {
        return Ok(Err(Effect::Unmatched));
    };
    let amount = session.amount.as_ref().and_then(|(minor, currency)| {
        Amount::from_minor(u64::try_from(*minor).ok()?, Currency::from_code(currency)?).ok()
    });
    let Some(amount) = amount else {
        return Ok(Err(Effect::Unmatched));
    };
    let payment = NewPayment {
        platform: notice.platform,
        amount: &amount,
        token_id: None,
        session_id: Some(&session.id),
        order_reference: notice.reference,
        description: &session.description,
        customer: session.customer.as_deref(),
        brand: None,
        bin: None,
        last4: None,
        capture_later: false,
        network_token: None,
    };
    let attempt = sessions::Attempt {
        body_hash: "notification",
        card: None,
        taker: sessions::Taker::Platform,
    };
    sessions::take(tx, &session, &attempt).await?;
    let Some(id) = payments::insert(tx, &payment, now).await? else {
        return Ok(Err(Effect::Conflict));
    };
    let payment = payments::get(tx, &id).await?;
    payment.map(Ok).ok_or(StoreError::Unknown("payment"))
}
