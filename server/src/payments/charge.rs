//! Charges a stored card, the card of a session, or a subscription.
//!
//! The order matters:
//! 1. The idempotency key, the payment and the claim on its session are committed in one transaction.
//! 2. A task calls the platform. It goes on if the caller hangs up.
//! 3. The outcome and the caller's answer are committed in one transaction.
//! 4. The caller gets its answer.
//!
//! If step 3 fails because the disk is full or the database locked, the outcome is kept in memory and storing it is
//! retried; the caller gets a payment with an unknown outcome. If the process ends between 1 and 3, the next start
//! marks the payment as unknown. An unknown payment never goes back to step 2.

use std::net::IpAddr;
use std::sync::Arc;

use cardseal::platform::Platform;
use cardseal::session::Kind;
use cardseal_gateways::error::{Doubt, Refusal};
use cardseal_gateways::gateway::{Capture, ChargeParams, OpenSession, Outcome, PagePayload, Recurring};
use cardseal_gateways::subscription::{SubscriptionPaid, SubscriptionRef};
use cardseal_gateways::{Amount, Currency};
use secrecy::SecretString;
use tracing::Instrument;

use super::report::Report;
use super::state::Reporter;
use super::{Error, Join, Reason, Render, Reply, Working};
use crate::App;
use crate::attempts::TooMany;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::persist::store_outcome;
use crate::store::{
    Attempt, AuthenticationId, Claim, Claimed, Fingerprint, IdempotencyKey, Key, NewPayment, Payment, Scope,
    Session, SessionResult, SessionState, Status, StoreError, StoredAnswer, Subscription, Taker, Token,
    TokenStatus,
};
use crate::submission::Submission;

/// A request for a charge.
pub(crate) struct Charge {
    pub(crate) platform: Platform,
    pub(crate) amount: Amount,
    pub(crate) source: Source,
    pub(crate) order_reference: String,
    pub(crate) description: String,
    pub(crate) customer: Option<String>,
    pub(crate) key: Option<Key>,
    /// The hash of what a page sent for its session.
    pub(crate) payload_hash: String,
    /// What identifies the card in a page's payload, if nothing else ties the payload to its session.
    pub(crate) card_claim: Option<SecretString>,
    /// How many milliseconds ago the session may have expired.
    pub(crate) grace: i64,
    pub(crate) capture: Capture,
    pub(crate) network_token: Option<bool>,
    /// Of the customer, for this charge.
    pub(crate) authentication: Option<AuthenticationId>,
    pub(crate) render: Arc<dyn Render>,
}

/// What is charged.
pub(crate) enum Source {
    /// A stored card.
    Token {
        token: Box<Token>,
        customer_ip: Option<IpAddr>,
        /// What the platform charges by itself from then on. It is not stored: the platform has it.
        recurring: Option<Recurring>,
    },
    /// The card in a page's payload.
    Payload {
        session: Box<Session>,
        payload: PagePayload,
        fraud_check: bool,
        bin: Option<String>,
    },
    /// A subscription, which has its card.
    Subscription {
        subscription: Box<Subscription>,
        token: Box<Token>,
    },
    /// Nothing more: the customer paid on the platform's page, and this is the outcome there.
    Page {
        session: Box<Session>,
        outcome: Box<Outcome>,
    },
}

impl Charge {
    /// Creates a charge of a stored card, with a reference that cannot be guessed.
    pub(crate) fn of_token(
        token: Token,
        amount: Amount,
        customer_ip: Option<IpAddr>,
        recurring: Option<Recurring>,
        render: Arc<dyn Render>,
    ) -> Self {
        Self {
            platform: token.platform,
            amount,
            order_reference: uuid::Uuid::new_v4().to_string(),
            description: "Payment".into(),
            customer: token.customer.clone(),
            source: Source::Token {
                token: Box::new(token),
                customer_ip,
                recurring,
            },
            key: None,
            payload_hash: String::new(),
            card_claim: None,
            grace: 0,
            capture: Capture::Auto,
            network_token: None,
            authentication: None,
            render,
        }
    }

    /// Creates a charge of a subscription's amount.
    pub(crate) fn of_subscription(
        subscription: Subscription,
        token: Token,
        order_reference: String,
        key: Option<Key>,
        render: Arc<dyn Render>,
    ) -> Self {
        Self {
            platform: subscription.platform,
            amount: subscription.amount,
            order_reference,
            description: subscription.description.clone(),
            customer: subscription.customer.clone(),
            source: Source::Subscription {
                subscription: Box::new(subscription),
                token: Box::new(token),
            },
            key,
            payload_hash: String::new(),
            card_claim: None,
            grace: 0,
            capture: Capture::Auto,
            network_token: None,
            authentication: None,
            render,
        }
    }

    /// Creates a charge of a session's amount.
    pub(super) fn of_session(
        session: &Session,
        source: Source,
        key: Key,
        payload_hash: String,
        render: Arc<dyn Render>,
    ) -> Result<Self, Error> {
        Ok(Self {
            platform: session.platform,
            amount: session_amount(session)?,
            source,
            order_reference: session.reference.clone(),
            description: session.description.clone(),
            customer: session.customer.clone(),
            key: Some(key),
            payload_hash,
            card_claim: None,
            grace: 0,
            capture: if session.capture_later {
                Capture::Later
            } else {
                Capture::Auto
            },
            network_token: None,
            authentication: None,
            render,
        })
    }

    /// Creates a charge of the card that a page sends for its session.
    pub(crate) async fn of_submission(
        app: &App,
        submission: Submission,
        options: SubmissionOptions,
        render: Arc<dyn Render>,
    ) -> Result<Self, Error> {
        let session = submission.session(app, &[Kind::Payment]).await?;
        let grace = submission.grace();
        let in_time = submission.is_in_time(app, &session);
        let Submission { payload, hash, .. } = submission;
        // A page without a key is protected as well: one session, one card, one payment.
        let key = Key {
            scope: Scope::Session(session.id.clone()),
            key: options.key.unwrap_or_else(|| format!("card {hash}").into()),
            fingerprint: options.fingerprint,
        };
        if in_time && sends_card(app, &session, &payload)? {
            app.attempts.admit(&session, &hash)?;
        }
        let gateway = &app.account(session.platform)?.gateway;
        if let PagePayload::Answer(answer) = &payload
            && gateway.capabilities().hosted_page
        {
            return Self::of_page(app, session, Some(answer), key, hash, render).await;
        }
        let card_claim = gateway.claim(&payload);
        let source = Source::Payload {
            session: Box::new(session.clone()),
            payload,
            fraud_check: options.fraud_check,
            bin: options.bin,
        };
        Ok(Self {
            grace,
            card_claim,
            ..Self::of_session(&session, source, key, hash, render)?
        })
    }
}

/// The options of a charge of a submission.
pub(crate) struct SubmissionOptions {
    pub(crate) key: Option<IdempotencyKey>,
    /// The fingerprint of the request's body.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) fraud_check: bool,
    /// The first digits of the card.
    pub(crate) bin: Option<String>,
}

fn session_amount(session: &Session) -> Result<Amount, Error> {
    let (minor, code) = session
        .amount
        .as_ref()
        .ok_or(Reason::Internal("a payment session has no amount"))?;
    Currency::from_code(code)
        .zip(u64::try_from(*minor).ok())
        .and_then(|(currency, minor)| Amount::from_minor(minor, currency).ok())
        .ok_or_else(|| Reason::Internal("a payment session has a wrong amount").into())
}

/// Whether a payload sends a card to the platform. An answer that a browser got there usually only reports one.
fn sends_card(app: &App, session: &Session, payload: &PagePayload) -> Result<bool, Error> {
    Ok(match payload {
        PagePayload::Sealed { .. } => true,
        PagePayload::Answer(_) => app.capabilities(session.platform)?.charges_direct_answer,
    })
}

/// Charges once per key. The charge goes on if the caller hangs up.
pub(crate) async fn charge(app: &App, charge: Charge) -> Result<Reply, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move { carry_out(&owner, charge).await })
        .await
}

async fn carry_out(app: &App, charge: Charge) -> Result<Reply, Error> {
    let mut join = Join::within(&app.joins, app.config.limits.idempotency_wait);
    let (payment, claimed) = loop {
        match claim(app, &charge).await? {
            Claim::New(payment, claimed) => break (payment, claimed),
            Claim::Answered(answer) => return Ok(Reply::Stored(answer)),
            Claim::Reused => return Err(Reason::KeyReused.into()),
            Claim::ReferenceUsed => return Err(Reason::OrderReferenceUsed.into()),
            Claim::OutboxFull => return Err(Reason::OutboxFull.into()),
            Claim::SessionExhausted => return Err(Reason::from(TooMany::CardsOfSession).into()),
            Claim::SessionTaken => {
                return match made_before(app, &charge).await? {
                    Some(payment) => Ok(Reply::replayed(payment)),
                    None => Err(session_gone(app, &charge).await?),
                };
            }
            Claim::SubscriptionUnusable(status) => return Err(Reason::SubscriptionState(status).into()),
            Claim::SubscriptionBusy(open) => {
                return Err(Error::from(Reason::SubscriptionPaymentOpen).about(&open.id));
            }
            Claim::BelongsElsewhere => return Err(Reason::BelongsElsewhere.into()),
            Claim::AuthenticationUnusable(why) => return Err(Reason::AuthenticationUnusable(why).into()),
            Claim::TokenUnusable(TokenStatus::Unconfirmed) => return Err(Reason::TokenUnconfirmed.into()),
            Claim::TokenUnusable(TokenStatus::Active | TokenStatus::Deleted) => {
                return Err(Reason::TokenDeleted.into());
            }
            Claim::Pending(payment) if payment.status == Status::InFlight => {
                if !join.wait(payment.id.as_str()).await {
                    return Err(Error::from(Reason::InProgress).about(&payment.id));
                }
            }
            // The process ended during the first request. Its answer is what is known now.
            Claim::Pending(payment) => {
                let Some(key) = &charge.key else {
                    return Err(Reason::Internal("a claim without a key").into());
                };
                let answer = charge.render.payment(&payment);
                return Ok(Reply::Stored(app.store.answer_key(key, answer).await?));
            }
        }
    };
    let working = app.joins.working(payment.id.as_str());
    let sent_at = app.clock.steady();
    let called = call_platform(app, charge.source, &payment).await;
    let (result, reference) = match called {
        Ok((outcome, reference)) => (Ok(outcome), reference),
        Err(error) => (Err(error), None),
    };
    let unknown = matches!(&result, Ok(Outcome::Unknown(_) | Outcome::Pending(_)));
    let can = app.capabilities(payment.platform);
    let asks = payment.subscription_id.is_some() || can.is_ok_and(|can| can.payment_lookup);
    if unknown && asks {
        app.lookups.sent(payment.id.as_str(), sent_at);
    }
    let finish = Finish {
        payment,
        key: charge.key,
        result,
        reference,
        render: charge.render,
        _claimed: claimed,
        _working: working,
    };
    finish.run(app).await
}

/// Finds the payment of a notification that was faster than the browser with the same answer. The browser's answer is
/// checked all the same.
async fn made_before(app: &App, charge: &Charge) -> Result<Option<Payment>, Error> {
    if let Source::Page { session, .. } = &charge.source {
        let session = app.store.session(&session.id).await?;
        let result = session.and_then(|session| session.result);
        return match result.as_ref().and_then(SessionResult::payment) {
            Some(payment) => Ok(app.store.payment(payment).await?),
            None => Ok(None),
        };
    }
    let Source::Payload {
        session,
        payload: PagePayload::Answer(answer),
        bin,
        ..
    } = &charge.source
    else {
        return Ok(None);
    };
    // Calling the platform would charge the card a second time.
    if app.capabilities(session.platform)?.charges_direct_answer {
        return Ok(None);
    }
    let Some(session) = app.store.session(&session.id).await? else {
        return Ok(None);
    };
    let Some(payment) = session
        .result
        .as_ref()
        .and_then(SessionResult::payment)
        .filter(|_| session.state == SessionState::Used)
    else {
        return Ok(None);
    };
    let gone = SecretString::default();
    let open = open_session(&session, &gone, app.clock.now(), payment.as_str());
    let gateway = &app.account(session.platform)?.gateway;
    let _permit = app.enter(session.platform, Purpose::Operation).await?;
    let transport = app.transport(session.platform, Operation::Lookup)?;
    let payload = PagePayload::Answer(answer.clone());
    match gateway.pay(transport, &open, payload, false).await? {
        Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Declined(_) | Outcome::Voided(_) => {}
        Outcome::Pending(_) | Outcome::Unknown(_) => return Ok(None),
    }
    if let Some(bin) = bin {
        app.store.note_bin(payment, bin).await?;
    }
    Ok(app.store.payment(payment).await?)
}

/// A session for its gateway. `gone` replaces a secret that has been wiped.
pub(crate) fn open_session<'a>(
    session: &'a Session,
    gone: &'a SecretString,
    now: i64,
    attempt: &'a str,
) -> OpenSession<'a> {
    OpenSession {
        id: session.id.as_str(),
        now,
        state: session.platform_state.as_ref().unwrap_or(gone),
        kind: session.kind,
        reference: &session.reference,
        attempt,
    }
}

/// Why a session could not be claimed.
async fn session_gone(app: &App, charge: &Charge) -> Result<Error, Error> {
    let (Source::Payload { session, .. } | Source::Page { session, .. }) = &charge.source else {
        return Ok(Reason::SessionUsed.into());
    };
    let session = app.store.session(&session.id).await?;
    let session = session.ok_or(Reason::SessionNotFound)?;
    let open = session.state == SessionState::Open;
    Ok(if open {
        Reason::SessionExpired
    } else {
        Reason::SessionUsed
    }
    .into())
}

async fn claim(app: &App, charge: &Charge) -> Result<Claim, Error> {
    let (token, session, bin) = match &charge.source {
        Source::Token { token, .. } | Source::Subscription { token, .. } => {
            (Some(token), None, token.bin.as_ref())
        }
        Source::Payload { session, bin, .. } => (None, Some(session), bin.as_ref()),
        Source::Page { session, .. } => (None, Some(session), None),
    };
    let payment = NewPayment {
        platform: charge.platform,
        amount: charge.amount,
        token_id: token.map(|token| token.id.clone()),
        session_id: session.map(|session| session.id.clone()),
        subscription_id: match &charge.source {
            Source::Subscription { subscription, .. } => Some(subscription.id.clone()),
            Source::Token { .. } | Source::Payload { .. } | Source::Page { .. } => None,
        },
        order_reference: charge.order_reference.clone(),
        description: charge.description.clone(),
        customer: charge.customer.clone(),
        brand: token.and_then(|token| token.brand.clone()),
        bin: bin.cloned(),
        last4: token.and_then(|token| token.last4.clone()),
        capture_later: charge.capture == Capture::Later,
        network_token: charge.network_token,
        authentication_id: charge.authentication.clone(),
    };
    let taker = match &charge.source {
        Source::Payload { session, payload, .. } if sends_card(app, session, payload)? => {
            Taker::Card(app.config.limits.session_attempts)
        }
        Source::Token { .. } | Source::Subscription { .. } | Source::Payload { .. } | Source::Page { .. } => {
            Taker::Platform
        }
    };
    let attempt = Attempt {
        body_hash: charge.payload_hash.clone(),
        card: charge.card_claim.clone(),
        taker,
    };
    let (key, now) = (charge.key.clone(), app.clock.now());
    Ok(app
        .store
        .claim_payment(key, payment, attempt, charge.grace, now)
        .await?)
}

/// Calls the platform. Beside the outcome there may be the platform's reference of the payment.
async fn call_platform(
    app: &App,
    source: Source,
    payment: &Payment,
) -> Result<(Outcome, Option<String>), Error> {
    let account = app.account(payment.platform)?;
    let operation = match &source {
        Source::Subscription { .. } => Operation::PaySubscription,
        Source::Token { .. } | Source::Payload { .. } | Source::Page { .. } => Operation::Charge,
    };
    let (gateway, transport) = (
        Arc::clone(&account.gateway),
        app.transport(payment.platform, operation)?.clone(),
    );
    let platform = payment.platform;
    let (payment, now) = (payment.clone(), app.clock.now());
    // A task of its own: if it panics, the payment is unknown and does not hang.
    let call: tokio::task::JoinHandle<Result<SubscriptionPaid, Refusal>> = match source {
        Source::Token {
            token,
            customer_ip,
            recurring,
        } => {
            let token = token.platform_token.ok_or(Reason::TokenDeleted)?;
            let authentication = app.store.authentication_of(&payment.id).await?;
            let permit = app.enter(payment.platform, Purpose::Operation).await?;
            let call = async move {
                let _permit = permit;
                let params = ChargeParams {
                    platform_id: None,
                    customer_ip,
                    authentication: authentication.as_ref(),
                    recurring: recurring.as_ref(),
                    ..charge_params(&payment, &token, now)
                };
                gateway.charge(&transport, &params).await.map(unnumbered)
            };
            tokio::spawn(call.in_current_span())
        }
        Source::Subscription { subscription, .. } => {
            let permit = app.enter(payment.platform, Purpose::Operation).await?;
            let call = async move {
                let _permit = permit;
                let of = SubscriptionRef {
                    platform_id: subscription.platform_subscription.as_deref().unwrap_or_default(),
                    reference: subscription.id.as_str(),
                    amount: &payment.amount,
                };
                gateway.pay_subscription(&transport, &of).await
            };
            tokio::spawn(call.in_current_span())
        }
        Source::Payload {
            session,
            payload,
            fraud_check,
            ..
        } => {
            let permit = app.enter(payment.platform, Purpose::Operation).await?;
            let call = async move {
                let _permit = permit;
                let gone = SecretString::default();
                let open = open_session(&session, &gone, now, payment.id.as_str());
                let paid = gateway.pay(&transport, &open, payload, fraud_check).await;
                paid.map(unnumbered)
            };
            tokio::spawn(call.in_current_span())
        }
        Source::Page { outcome, .. } => return Ok((*outcome, None)),
    };
    match call.await {
        Ok(result) => result
            .map(|paid| (paid.outcome, paid.reference))
            .map_err(|refusal| Error::from(refusal).at(platform)),
        Err(_) => Ok((Outcome::Unknown(Doubt::Interrupted), None)),
    }
}

/// An outcome of a payment that has our reference.
const fn unnumbered(outcome: Outcome) -> SubscriptionPaid {
    SubscriptionPaid {
        reference: None,
        outcome,
    }
}

/// A stored payment for its gateway, for the charge and for lookups.
pub(super) fn charge_params<'a>(payment: &'a Payment, token: &'a SecretString, now: i64) -> ChargeParams<'a> {
    ChargeParams {
        token,
        amount: &payment.amount,
        reference: &payment.order_reference,
        description: &payment.description,
        attempt: payment.id.as_str(),
        capture: if payment.capture_later {
            Capture::Later
        } else {
            Capture::Auto
        },
        network_token: payment.network_token,
        platform_id: payment.platform_payment.as_deref(),
        requested_at: payment.created_at,
        now,
        customer_ip: None,
        authentication: None,
        recurring: None,
    }
}

async fn store(finish: Arc<Finish>, app: &App) -> Result<Payment, StoreError> {
    let report = finish
        .result
        .as_ref()
        .map_or_else(|_| Report::failed(), Report::from)
        .numbered(finish.reference.clone());
    let decide = move |payment: &Payment| report.update(payment, Reporter::Call);
    let (id, key, error) = (finish.payment.id.clone(), finish.key.clone(), finish.error());
    let answer = move |payment: &Payment| finish.answer(payment, error.as_ref());
    let stored = app
        .store
        .finish_payment(&id, key, decide, answer, app.clock.now())
        .await?;
    app.metrics.outcome(stored.platform, stored.status);
    Ok(stored)
}

/// A result that is to be stored.
struct Finish {
    payment: Payment,
    key: Option<Key>,
    result: Result<Outcome, Error>,
    /// The platform's reference of it, if it is not ours.
    reference: Option<String>,
    render: Arc<dyn Render>,
    _claimed: Claimed,
    _working: Working,
}

impl Finish {
    /// Stores it.
    async fn run(self, app: &App) -> Result<Reply, Error> {
        self.log();
        let finish = Arc::new(self);
        let unstored = Arc::clone(&finish);
        let stored = store_outcome(app, "payment", finish.payment.id.as_str(), move |app| {
            let finish = Arc::clone(&unstored);
            async move { store(finish, &app).await }
        })
        .await;
        match stored {
            Some(payment) if payment.status == Status::Failed => Err(finish
                .error()
                .unwrap_or_else(|| Reason::Internal("a payment failed without an error").into())),
            Some(payment) => Ok(Reply::new(payment)),
            // The row on disk says "in flight", and so does the answer.
            None => Ok(Reply::new(finish.payment.clone())),
        }
    }

    /// The answer for repeated requests.
    fn answer(&self, payment: &Payment, error: Option<&Error>) -> Option<StoredAnswer> {
        match (payment.status, error) {
            // Nothing reached the platform, so the same key may be used again.
            (Status::Failed, Some(error)) if !error.is_rejection() => None,
            (Status::Failed, Some(error)) => Some(self.render.error(error)),
            _ => Some(self.render.payment(payment)),
        }
    }

    fn error(&self) -> Option<Error> {
        let error = self.result.as_ref().err();
        error.map(|error| error.clone().about(&self.payment.id))
    }

    fn log(&self) {
        let payment = self.payment.id.as_str();
        match &self.result {
            Ok(Outcome::Approved(approval)) if approval.unverified => tracing::warn!(
                payment,
                "an approval without a valid signature was accepted, as configured"
            ),
            Ok(Outcome::Pending(pending)) => tracing::info!(
                payment,
                doubt = pending.doubt.as_str(),
                redirect = pending.redirect.is_some(),
                "a payment is pending at the platform"
            ),
            Ok(Outcome::Unknown(doubt)) => tracing::warn!(
                payment,
                doubt = doubt.as_str(),
                "the outcome of a payment is unknown"
            ),
            Ok(Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Voided(_) | Outcome::Declined(_))
            | Err(_) => {}
        }
    }
}
