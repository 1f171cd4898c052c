//! Notifications from platforms. A notification and its effect are stored in one transaction.

use cardseal::platform::Platform;
use cardseal_gateways::gateway::{Approval, StoredCard};
use cardseal_gateways::{Amount, Currency};

use super::instances::Right;
use super::sql::params;
use super::{
    Db, NewPayment, Payment, PaymentUpdate, Result, SessionState, Store, Storing, payments, sessions,
    statements,
};

/// A verified notification.
pub struct Notice {
    /// Identifies the notification when it is sent again.
    pub digest: String,
    /// The platform.
    pub platform: Platform,
    /// The route of the platform's webhook.
    pub route: String,
    /// Our reference of what it is about.
    pub reference: String,
}

/// What a notification does to a payment, and the name of that effect.
pub type NoticeRule = dyn Fn(&Payment) -> (NoticeAction, Effect) + Send;

/// What a notification is about.
pub enum NoticeSubject {
    /// A payment.
    Payment {
        /// Whether to create a missing payment, for the session with this reference.
        creates: bool,
        /// Decides what to do with the payment, and names the effect.
        decide: Box<NoticeRule>,
    },
    /// A card that was stored at the platform.
    Card(Box<StoredCard>),
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
    /// The platform was asked about a subscription.
    SubscriptionListed,
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
            Self::SubscriptionListed => "subscription_listed",
        }
    }
}

/// The table.
pub(super) const TABLE: &str = "notifications";

statements! {
    PROCESSED = "SELECT 1 FROM notifications WHERE digest = ? AND effect <> ?";
    RECORD = "INSERT INTO notifications (digest, platform, route, reference, effect, received_at)
        VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (digest) DO UPDATE SET platform = excluded.platform, route = excluded.route,
            reference = excluded.reference, effect = excluded.effect, received_at = excluded.received_at";
}

/// Whether a notification has been processed. If nothing matched it the first time, something may match now.
fn is_processed(db: &Db<'_>, digest: &str) -> Result<bool> {
    db.exists(PROCESSED, params![digest, Effect::Unmatched.stored()])
}

impl Store {
    /// Whether a notification has been processed before.
    pub async fn knows_notification(&self, digest: &str) -> Result<bool> {
        let digest = digest.to_owned();
        self.read(move |db| is_processed(db, &digest)).await
    }

    /// Stores a notification and applies its effect, unless it has been processed before.
    pub async fn notify(&self, notice: Notice, subject: NoticeSubject, now: i64) -> Result<Effect> {
        let wiped = self.wipes();
        self.write_as(Right::ToFinish, move |db| {
            if is_processed(db, &notice.digest)? {
                return Ok(Effect::Duplicate);
            }
            let effect = match &subject {
                NoticeSubject::None(effect) => *effect,
                NoticeSubject::Card(card) => store_card(db, &notice, card, now)?,
                NoticeSubject::Payment { creates, decide } => {
                    match payments::by_reference(db, notice.platform, &notice.reference)? {
                        Some(payment) => {
                            let (action, effect) = decide(&payment);
                            apply(db, &payment, action, now)?;
                            effect
                        }
                        None if !*creates => Effect::AttemptDeclined,
                        None => match create(db, &notice, now)? {
                            Ok(payment) => {
                                apply(db, &payment, decide(&payment).0, now)?;
                                Effect::PaymentCreated
                            }
                            Err(effect) => effect,
                        },
                    }
                }
            };
            let seal = db.seal(TABLE, &notice.digest);
            db.execute(
                RECORD,
                params![
                    notice.digest,
                    notice.platform.id(),
                    notice.route,
                    seal.value("reference", &notice.reference)?,
                    effect.stored(),
                    now
                ],
            )?;
            wiped.note();
            Ok(effect)
        })
        .await
    }
}

fn store_card(db: &Db<'_>, notice: &Notice, card: &StoredCard, now: i64) -> Result<Effect> {
    let session = sessions::by_reference(db, notice.platform, &notice.reference, false)?;
    let Some(session) = session else {
        return Ok(Effect::Unmatched);
    };
    Ok(match sessions::store_card(db, &session.id, card, now)? {
        Storing::Stored(_) => Effect::CardStored,
        Storing::Conflict | Storing::BelongsElsewhere | Storing::Deleted => Effect::Conflict,
    })
}

fn apply(db: &Db<'_>, payment: &Payment, action: NoticeAction, now: i64) -> Result<()> {
    match action {
        NoticeAction::Update(update) => {
            payments::update(db, &payment.id, &update, now)?;
        }
        NoticeAction::Complete(approval) => payments::complete(db, &payment.id, &approval, now)?,
        NoticeAction::Nothing => {}
    }
    Ok(())
}

/// Creates a payment that a browser made itself, and that is first known by its notification. If there is none to
/// create, returns the notification's effect.
fn create(db: &Db<'_>, notice: &Notice, now: i64) -> Result<Result<Payment, Effect>> {
    let session = sessions::by_reference(db, notice.platform, &notice.reference, true)?;
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
        amount,
        token_id: None,
        session_id: Some(session.id.clone()),
        subscription_id: None,
        order_reference: notice.reference.clone(),
        description: session.description.clone(),
        customer: session.customer.clone(),
        brand: None,
        bin: None,
        last4: None,
        capture_later: false,
        network_token: None,
        authentication_id: None,
    };
    let Some(payment) = payments::insert(db, &payment, now)? else {
        return Ok(Err(Effect::Conflict));
    };
    let attempt = sessions::Attempt {
        body_hash: "notification".into(),
        card: None,
        taker: sessions::Taker::Platform,
    };
    if let Ok(admitted) = sessions::admit(db, &session, &attempt)? {
        sessions::take(db, &session.id, &admitted)?;
    }
    Ok(Ok(payment))
}
