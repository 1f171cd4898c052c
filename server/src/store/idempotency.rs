//! Idempotency keys. A key is bound to a body and a payment before the platform is called, and to one answer after
//! that.

use super::instances::Right;
use super::sql::{Row, params};
use super::{
    Attempt, Claimed, Db, Fingerprint, IdempotencyKey, NewPayment, Payment, PaymentId, PaymentUpdate, Result,
    SessionId, SessionState, Store, StoreError, SubscriptionId, SubscriptionStatus, TokenStatus, Unusable,
    authentications, payments, sessions, statements, subscriptions, tokens,
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
    /// The payments of one subscription.
    Subscription(SubscriptionId),
}

impl Scope {
    fn stored(&self) -> &str {
        match self {
            Self::Merchant => "merchant",
            Self::ProcessPayment => "process-payment",
            Self::Session(session) => session.as_str(),
            Self::Subscription(subscription) => subscription.as_str(),
        }
    }
}

/// The table.
pub(super) const TABLE: &str = "idempotency_keys";

/// What a row's values are bound to.
pub(super) fn row_id(scope: &str, key: &str) -> String {
    [scope, key].join("\0")
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

impl Key {
    fn row_id(&self) -> String {
        row_id(self.scope.stored(), self.key.as_str())
    }
}

/// Reads an answer: the column of its status, and that of its body.
pub(super) fn answer(
    row: &Row<'_>,
    (status, body): (usize, usize),
    (table, id): (&'static str, &str),
) -> Result<Option<StoredAnswer>> {
    let (status, body) = (row.get::<Option<u16>>(status)?, row.stored(body)?);
    let Some((status, body)) = status.zip(body) else {
        return Ok(None);
    };
    let body = row.opener(table).open("answer_body", id, body)?;
    Ok(Some(StoredAnswer { status, body }))
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
    /// Too many events wait for the merchant's server.
    OutboxFull,
    /// The session is not open.
    SessionTaken,
    /// The payload belongs to another session.
    BelongsElsewhere,
    /// The session has used up its cards.
    SessionExhausted,
    /// The stored card cannot be charged.
    TokenUnusable(TokenStatus),
    /// The authentication is not for this charge.
    AuthenticationUnusable(Unusable),
    /// The subscription cannot be charged.
    SubscriptionUnusable(SubscriptionStatus),
    /// Another payment of the subscription is not settled.
    SubscriptionBusy(Payment),
}

statements! {
    BY_KEY = "SELECT fingerprint, answer_status, answer_body, payment_id FROM idempotency_keys
        WHERE scope = ? AND key = ?";
    INSERT = "INSERT INTO idempotency_keys (scope, key, fingerprint, payment_id, created_at) VALUES (?, ?, ?, ?, ?)";
    ANSWER_PAYMENT = "UPDATE idempotency_keys SET answer_status = ?, answer_body = ?
        WHERE scope = ? AND key = ? AND payment_id = ?";
    FREE = "DELETE FROM idempotency_keys WHERE scope = ? AND key = ? AND payment_id = ?";
    ANSWER = "UPDATE idempotency_keys SET answer_status = ?, answer_body = ?
        WHERE scope = ? AND key = ? AND answer_status IS NULL";
    ANSWERED = "SELECT answer_status, answer_body FROM idempotency_keys
        WHERE scope = ? AND key = ? AND answer_status IS NOT NULL";
}

/// What an earlier request with the same key came to, if there was one.
fn by_key(db: &Db<'_>, key: &Key) -> Result<Option<Claim>> {
    let id = key.row_id();
    let known = db.row(BY_KEY, params![key.scope.stored(), key.key], |row| {
        let fingerprint = row.stored(0)?.unwrap_or_default();
        let fingerprint = row.opener(TABLE).open("fingerprint", &id, fingerprint)?;
        let answer = answer(row, (1, 2), (TABLE, &id))?;
        Ok((Fingerprint::from(fingerprint), answer, row.get::<PaymentId>(3)?))
    })?;
    let Some((fingerprint, answer, payment)) = known else {
        return Ok(None);
    };
    if fingerprint != key.fingerprint {
        return Ok(Some(Claim::Reused));
    }
    if let Some(answer) = answer {
        return Ok(Some(Claim::Answered(answer)));
    }
    let payment = payments::get(db, &payment)?.ok_or(StoreError::Unknown("payment of a key"))?;
    Ok(Some(Claim::Pending(payment)))
}

impl Store {
    /// Binds the key, stores the payment and takes the session in one transaction. The session may have expired up to
    /// `grace` milliseconds ago.
    pub async fn claim_payment(
        &self,
        key: Option<Key>,
        payment: NewPayment,
        attempt: Attempt,
        grace: i64,
        now: i64,
    ) -> Result<Claim> {
        let under_way = self.under_way.clone();
        self.write_as(Right::ToBegin, move |db| {
            // Nothing is written before the last check: a claim that is refused leaves no trace.
            if let Some(key) = &key
                && let Some(claim) = by_key(db, key)?
            {
                return Ok(claim);
            }
            let mut taken = None;
            if let Some(session) = &payment.session_id {
                let open = sessions::get(db, session)?
                    .filter(|session| session.state == SessionState::Open && !session.is_expired(now, grace));
                let Some(open) = open else {
                    return Ok(Claim::SessionTaken);
                };
                match sessions::admit(db, &open, &attempt)? {
                    Ok(admitted) => taken = Some((open.id, admitted)),
                    Err(sessions::Refused::BelongsElsewhere) => return Ok(Claim::BelongsElsewhere),
                    Err(sessions::Refused::Exhausted) => return Ok(Claim::SessionExhausted),
                }
            }
            // Checked after the key, so that a repeated request gets its answer even if the token has been deleted
            // since.
            if let Some(token) = &payment.token_id {
                let token = tokens::get(db, token)?;
                let status = token.map_or(TokenStatus::Deleted, |token| token.status);
                if status != TokenStatus::Active {
                    return Ok(Claim::TokenUnusable(status));
                }
            }
            if let Some(why) = authentications::check(db, &payment, now)? {
                return Ok(Claim::AuthenticationUnusable(why));
            }
            if let Some(subscription) = &payment.subscription_id {
                match subscriptions::charge(db, subscription)? {
                    subscriptions::Chargeable::Yes => {}
                    subscriptions::Chargeable::No(status) => return Ok(Claim::SubscriptionUnusable(status)),
                    subscriptions::Chargeable::Busy(open) => return Ok(Claim::SubscriptionBusy(*open)),
                }
            }
            // Last, so that it is only said of what certainly has not been done.
            if db.is_outbox_full() {
                return Ok(Claim::OutboxFull);
            }
            let authentication = payment.authentication_id.as_ref();
            let Some(payment) = payments::insert(db, &payment, now)? else {
                return Ok(Claim::ReferenceUsed);
            };
            if let Some(authentication) = authentication {
                authentications::take(db, authentication, &payment.id)?;
            }
            if let Some((session, admitted)) = &taken {
                sessions::take(db, session, admitted)?;
            }
            if let Some(key) = &key {
                let id = key.row_id();
                let fingerprint = db
                    .seal(TABLE, &id)
                    .value("fingerprint", key.fingerprint.as_str())?;
                db.execute(
                    INSERT,
                    params![key.scope.stored(), key.key, fingerprint, payment.id, now],
                )?;
            }
            let claimed = under_way.enter(payment.id.as_str());
            Ok(Claim::New(payment, claimed))
        })
        .await
    }

    /// Whether an earlier request had this key.
    pub async fn knows_key(&self, key: &Key) -> Result<bool> {
        let key = key.clone();
        self.read(move |db| Ok(by_key(db, &key)?.is_some())).await
    }

    /// Stores a payment's new state from `decide`, if there is one, and the answer for its key. Without an answer, the
    /// key can be used again.
    pub async fn finish_payment(
        &self,
        id: &PaymentId,
        key: Option<Key>,
        decide: impl Fn(&Payment) -> Option<PaymentUpdate> + Send + 'static,
        answer: impl Fn(&Payment) -> Option<StoredAnswer> + Send + 'static,
        now: i64,
    ) -> Result<Payment> {
        let (id, wiped) = (id.clone(), self.wipes());
        self.write_as(Right::ToFinish, move |db| {
            let before = payments::get(db, &id)?.ok_or(StoreError::Unknown("payment"))?;
            let payment = match decide(&before) {
                Some(new) => payments::update(db, &id, &new, now)?,
                None => before,
            };
            if let Some(key) = &key {
                let row = key.row_id();
                let (scope, key) = (key.scope.stored(), &key.key);
                match answer(&payment) {
                    Some(answer) => {
                        let seal = db.seal(TABLE, &row);
                        let body = seal.value("answer_body", &answer.body)?;
                        db.execute(ANSWER_PAYMENT, params![answer.status, body, scope, key, id])?
                    }
                    None => db.execute(FREE, params![scope, key, id])?,
                };
            }
            if payment.session_id.is_some() {
                wiped.note();
            }
            Ok(payment)
        })
        .await
    }

    /// Stores the answer for the key of a payment that was interrupted. The first answer stays.
    pub async fn answer_key(&self, key: &Key, answer: StoredAnswer) -> Result<StoredAnswer> {
        let key = key.clone();
        self.write_as(Right::ToFinish, move |db| {
            let row = key.row_id();
            let (scope, key) = (key.scope.stored(), &key.key);
            let seal = db.seal(TABLE, &row);
            let body = seal.value("answer_body", &answer.body)?;
            db.execute(ANSWER, params![answer.status, body, scope, key])?;
            let stored = db.row(ANSWERED, params![scope, key], |stored| {
                self::answer(stored, (0, 1), (TABLE, &row))
            })?;
            stored.flatten().ok_or(StoreError::Unknown("answer of a key"))
        })
        .await
    }
}
