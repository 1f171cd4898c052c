//! Idempotency keys. A key is bound to a body and a payment before the platform is called, and to one answer after
//! that.

use sqlx::Row;

use super::{
    Attempt, Claimed, Fingerprint, IdempotencyKey, NewPayment, Payment, PaymentId, PaymentUpdate, Result,
    SessionId, SessionState, Store, StoreError, TokenStatus, payments, sessions, tokens,
};

/// The scope of a key. The same text in another scope is another key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The merchant's payments.
    Merchant,
    /// The merchant's payments on the route of the network-tokenization sample.
    ProcessPayment,
    /// The payments of one session.
    Session(SessionId),
}

impl Scope {
    fn stored(&self) -> &str {
        match self {
            Self::Merchant => "merchant",
            Self::ProcessPayment => "process-payment",
            Self::Session(session) => session.as_str(),
        }
    }
}

/// A caller's key.
#[derive(Clone)]
pub struct Key {
    /// The scope.
    pub scope: Scope,
    /// What the caller sent.
    pub key: IdempotencyKey,
    /// The fingerprint of the body.
    pub fingerprint: Fingerprint,
}

/// The answer to the first request with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// The result of claiming a payment.
pub enum Claim {
    /// The payment is new and stored. Call the platform, and hold the claim until the outcome is stored.
    New(Payment, Claimed),
    /// The same request, answered.
    Answered(StoredAnswer),
    /// The same request is in progress, or was interrupted before it was answered.
    Pending(Payment),
    /// The key belongs to another request.
    Reused,
    /// The merchant's reference belongs to another payment.
    ReferenceUsed,
    /// The session is not open.
    SessionTaken,
    /// The payload belongs to another session.
    BelongsElsewhere,
    /// The session has used up its cards.
    SessionExhausted,
    /// The stored card cannot be charged.
    TokenUnusable(TokenStatus),
}

impl Store {
    /// Binds the key, stores the payment and takes the session in one transaction. The session may have expired up to
    /// `grace` milliseconds ago.
    pub async fn claim_payment(
        &self,
        key: Option<&Key>,
        payment: &NewPayment<'_>,
        attempt: &Attempt<'_>,
        grace: i64,
        now: i64,
    ) -> Result<Claim> {
        let mut tx = self.write().await?;
        if let Some(key) = key {
            let row = sqlx::query("SELECT * FROM idempotency_keys WHERE scope = ? AND key = ?")
                .bind(key.scope.stored())
                .bind(&key.key)
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = row {
                if row.try_get::<Fingerprint, _>("fingerprint")? != key.fingerprint {
                    return Ok(Claim::Reused);
                }
                let status: Option<u16> = row.try_get("answer_status")?;
                let body: Option<String> = row.try_get("answer_body")?;
                if let Some((status, body)) = status.zip(body) {
                    return Ok(Claim::Answered(StoredAnswer { status, body }));
                }
                let payment = payments::get(&mut tx, &row.try_get("payment_id")?).await?;
                return Ok(Claim::Pending(
                    payment.ok_or(StoreError::Unknown("payment of a key"))?,
                ));
            }
        }
        if let Some(session) = payment.session_id {
            let open = sessions::get(&mut tx, session)
                .await?
                .filter(|session| session.state == SessionState::Open && !session.is_expired(now, grace));
            let Some(open) = open else {
                return Ok(Claim::SessionTaken);
            };
            if !sessions::bind(&mut tx, &open, attempt.card).await? {
                return Ok(Claim::BelongsElsewhere);
            }
            if !sessions::take(&mut tx, &open, attempt).await? {
                return Ok(Claim::SessionExhausted);
            }
        }
        // Checked after the key, so that a repeated request gets its answer even if the token has been deleted since.
        if let Some(token) = payment.token_id {
            let token = tokens::get(&mut tx, token).await?;
            let status = token.map_or(TokenStatus::Deleted, |token| token.status);
            if status != TokenStatus::Active {
                return Ok(Claim::TokenUnusable(status));
            }
        }
        let Some(id) = payments::insert(&mut tx, payment, now).await? else {
            return Ok(Claim::ReferenceUsed);
        };
        if let Some(key) = key {
            sqlx::query(
                "INSERT INTO idempotency_keys (scope, key, fingerprint, payment_id, created_at)
                 VALUES (?, ?, ?, ?, ?)",
            )
            .bind(key.scope.stored())
            .bind(&key.key)
            .bind(&key.fingerprint)
            .bind(&id)
            .bind(now)
            .execute(&mut *tx)
            .await?;
        }
        let payment = payments::get(&mut tx, &id)
            .await?
            .ok_or(StoreError::Unknown("payment"))?;
        let claimed = self.under_way.enter(id.as_str());
        tx.commit().await?;
        Ok(Claim::New(payment, claimed))
    }

    /// Stores a payment's new state from `decide`, if there is one, and the answer for its caller. Without an answer,
    /// the key can be used again.
    pub async fn finish_payment(
        &self,
        id: &PaymentId,
        decide: impl Fn(&Payment) -> Option<PaymentUpdate> + Send,
        answer: impl Fn(&Payment) -> Option<StoredAnswer> + Send,
        now: i64,
    ) -> Result<Payment> {
        let mut tx = self.write().await?;
        let before = payments::get(&mut tx, id)
            .await?
            .ok_or(StoreError::Unknown("payment"))?;
        if let Some(new) = decide(&before) {
            payments::update(&mut tx, &before, &new, now).await?;
        }
        let payment = payments::get(&mut tx, id)
            .await?
            .ok_or(StoreError::Unknown("payment"))?;
        let answer = answer(&payment);
        match &answer {
            Some(answer) => {
                sqlx::query(
                    "UPDATE idempotency_keys SET answer_status = ?, answer_body = ? WHERE payment_id = ?",
                )
                .bind(answer.status)
                .bind(&answer.body)
                .bind(id)
                .execute(&mut *tx)
                .await?
            }
            None => {
                sqlx::query("DELETE FROM idempotency_keys WHERE payment_id = ?")
                    .bind(id)
                    .execute(&mut *tx)
                    .await?
            }
        };
        tx.commit().await?;
        if payment.session_id.is_some() {
            self.note_wiped();
        }
        Ok(payment)
    }

    /// Stores the answer for the key of a payment that was interrupted. The first answer stays.
    pub async fn answer_key(&self, key: &Key, answer: StoredAnswer) -> Result<StoredAnswer> {
        let mut tx = self.write().await?;
        sqlx::query(
            "UPDATE idempotency_keys SET answer_status = ?, answer_body = ?
             WHERE scope = ? AND key = ? AND answer_status IS NULL",
        )
        .bind(answer.status)
        .bind(&answer.body)
        .bind(key.scope.stored())
        .bind(&key.key)
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query(
            "SELECT answer_status, answer_body FROM idempotency_keys WHERE scope = ? AND key = ?",
        )
        .bind(key.scope.stored())
        .bind(&key.key)
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(StoredAnswer {
            status: row.try_get("answer_status")?,
            body: row.try_get("answer_body")?,
        })
    }
}
