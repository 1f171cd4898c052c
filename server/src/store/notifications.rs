//! What platforms told us. The note and its effect are one transaction.

use cardseal_gateways::gateway::{News, Notification};
use cardseal_gateways::{Amount, Currency};

use super::{NewPayment, Result, SessionState, Settlement, Status, Store, Storing, payments, sessions};

const UNMATCHED: &str = "unmatched";

/// A verified notification.
pub struct Notice<'a> {
    /// SHA-256 of the body.
    pub digest: &'a str,
    /// The platform's id in our words.
    pub platform: &'a str,
    /// Where it came in.
    pub route: &'a str,
    /// What it says.
    pub notification: &'a Notification,
    /// Whether a customer on the platform's page may try again after a decline.
    pub tries_on_page: bool,
}

impl Store {
    /// Whether a notification has been taken before.
    ///
    /// # Errors
    /// Of the database.
    pub async fn knows_notification(&self, digest: &str) -> Result<bool> {
        let row = self
            .row(
                sqlx::query("SELECT 1 FROM notifications WHERE digest = ? AND effect <> ?")
                    .bind(digest)
                    .bind(UNMATCHED),
            )
            .await?;
        Ok(row.is_some())
    }

    /// Stores a notification and does what it says. Returns what it did, for the log.
    ///
    /// # Errors
    /// Of the database.
    pub async fn notify(&self, notice: &Notice<'_>, now: i64) -> Result<&'static str> {
        let mut tx = self.write().await?;
        let known: Option<String> = sqlx::query_scalar("SELECT effect FROM notifications WHERE digest = ?")
            .bind(notice.digest)
            .fetch_optional(&mut *tx)
            .await?;
        // One that found nothing may find it when it is sent again.
        if known.is_some_and(|effect| effect != UNMATCHED) {
            return Ok("duplicate");
        }
        let (reference, effect) = match notice.notification {
            // What could not be asked for at the platform is left open, for when it is sent again.
            Notification::Hint { reference, .. } => (reference, UNMATCHED),
            Notification::Nothing { reference } => (reference, "nothing"),
            Notification::Payment { reference, news } => (
                reference,
                payment_news(&mut tx, notice, reference, news, now).await?,
            ),
            Notification::Card { reference, card } => {
                let session = sessions::by_reference(&mut tx, notice.platform, reference, false).await?;
                let effect = match session {
                    None => UNMATCHED,
                    Some(session) => match sessions::store_card(&mut tx, &session.id, card, now).await? {
                        Storing::Stored(_) => "card_stored",
                        Storing::Conflict | Storing::BelongsElsewhere | Storing::Deleted => "conflict",
                    },
                };
                (reference, effect)
            }
        };
        sqlx::query(
            "INSERT OR REPLACE INTO notifications (digest, platform, route, reference, effect, received_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(notice.digest)
        .bind(notice.platform)
        .bind(notice.route)
        .bind(reference)
        .bind(effect)
        .bind(now)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        self.note_wiped();
        Ok(effect)
    }
}

async fn payment_news(
    tx: &mut sqlx::Transaction<'_, sqlx::Sqlite>,
    notice: &Notice<'_>,
    reference: &str,
    news: &News,
    now: i64,
) -> Result<&'static str> {
    let platform = notice.platform;
    let settlement = match news {
        News::Approved(approval) => Settlement::Approved(approval),
        News::Authorized(approval) => Settlement::Authorized(approval),
        News::Voided(approval) => Settlement::Voided(approval),
        News::Declined(decline) => Settlement::Declined(decline),
        News::Failed(_) => Settlement::Failed,
    };
    let Some(payment) = payments::by_reference(tx, platform, reference).await? else {
        // One of several tries on the platform's page: the payment is what comes of the last.
        if notice.tries_on_page && matches!(news, News::Declined(_) | News::Failed(_)) {
            return Ok("attempt_declined");
        }
        return direct_payment(tx, platform, reference, &settlement, now).await;
    };
    match (payment.status, news) {
        (Status::InFlight | Status::Unknown, _) => {
            payments::settle(tx, &payment.id, &[payment.status], &settlement, now).await?;
            Ok("payment_settled")
        }
        // Whatever was believed before: the platform signed that money moved.
        (Status::Failed | Status::Declined, News::Approved(_) | News::Authorized(_))
        // Taken, or undone, by other means than ours.
        | (Status::Authorized, News::Approved(_) | News::Voided(_))
        | (Status::Approved, News::Voided(_)) => {
            payments::settle(tx, &payment.id, &[payment.status], &settlement, now).await?;
            Ok("payment_corrected")
        }
        // The first word may have been a browser's, of which only what is signed was kept.
        (Status::Approved, News::Approved(approval)) | (Status::Authorized, News::Authorized(approval)) => {
            payments::complete(tx, &payment.id, approval, now).await?;
            Ok("known")
        }
        (Status::Voided, News::Voided(_))
        | (Status::Declined, News::Declined(_))
        | (Status::Failed, News::Failed(_)) => Ok("known"),
        // Undone or paid back since; or a contradiction, for a person to look at.
        (
            Status::Voided | Status::VoidInFlight | Status::VoidUnknown,
            News::Approved(_) | News::Authorized(_) | News::Voided(_),
        )
        | (Status::Approved, News::Authorized(_))
        | (Status::CaptureInFlight | Status::CaptureUnknown, News::Approved(_) | News::Authorized(_))
        | (
            Status::PartiallyRefunded
            | Status::Refunded
            | Status::RefundInFlight
            | Status::RefundUnknown,
            News::Approved(_) | News::Authorized(_),
        ) => {
            Ok("outdated")
        }
        _ => Ok("conflict"),
    }
}

/// A payment that a browser made itself is known first by its notification.
async fn direct_payment(
    tx: &mut sqlx::Transaction<'_, sqlx::Sqlite>,
    platform: &str,
    reference: &str,
    settlement: &Settlement<'_>,
    now: i64,
) -> Result<&'static str> {
    let session = sessions::by_reference(tx, platform, reference, true).await?;
    let Some(session) = session.filter(|session| session.state == SessionState::Open) else {
        return Ok(UNMATCHED);
    };
    let amount = session.amount.as_ref().and_then(|(minor, currency)| {
        Amount::from_minor(u64::try_from(*minor).ok()?, Currency::from_code(currency)?).ok()
    });
    let Some(amount) = amount else {
        return Ok(UNMATCHED);
    };
    let payment = NewPayment {
        platform,
        amount: &amount,
        token_id: None,
        session_id: Some(&session.id),
        order_reference: reference,
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
        return Ok("conflict");
    };
    payments::settle(tx, &id, &[Status::InFlight], settlement, now).await?;
    Ok("payment_created")
}
