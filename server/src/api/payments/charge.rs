//! `POST /v1/payments`: charges a stored card, or the card of a session.
//!
//! The order of things is the point:
//! 1. the idempotency key, the payment and the taken session are on the disk, in one transaction;
//! 2. the platform is asked, by a task that a caller who hangs up does not cut short;
//! 3. what came of it and the answer to the caller are on the disk, in one transaction;
//! 4. the caller is told.
//!
//! While 3 is impossible, because the disk is full or the database locked, the outcome is kept in memory and tried
//! again; the caller is told that it is unknown. A process that ends between 1 and 3 leaves a payment that the next start
//! calls unknown. Nothing ever goes from there to 2 again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cardseal::session::Kind;
use cardseal_gateways::error::{Doubt, Refusal};
use cardseal_gateways::gateway::{Capture, ChargeAsk, Handed, OpenSession, Outcome, Progress};
use cardseal_gateways::{Amount, Currency, Error};
use secrecy::SecretString;
use tracing::Instrument;

use super::{REPLAYED, bin, idempotency_key, order_reference, resource, text_or_default};
use crate::App;
use crate::access::Browser;
use crate::api::sessions::{amount, customer_ip};
use crate::api::tokens::HandIn;
use crate::attempts::session_exhausted;
use crate::body::Fields;
use crate::error::{ApiError, Code, problem};
use crate::gate::Purpose;
use crate::logging::RequestId;
use crate::store::{
    Attempt, Claim, Claimed, Key, NewPayment, PAGE_GRACE_MS, Payment, Session, SessionState, Settlement,
    Status, StoreError, StoredAnswer, Taker, Token, TokenStatus,
};
use crate::upkeep::store_outcome;

/// Between two looks at a payment that another request is making.
const LOOK: Duration = Duration::from_millis(50);

/// A payment that somebody asked for.
struct Order {
    platform: String,
    amount: Amount,
    card: Card,
    order_reference: String,
    description: String,
    customer: Option<String>,
    key: Option<Key>,
    hash: String,
    /// What identifies the card that a page handed over, where nothing else ties that to its session.
    claim: Option<SecretString>,
    /// Milliseconds that a session may be older than it should.
    grace: i64,
    request_id: String,
    capture: Capture,
    network_token: Option<bool>,
}

/// When the money is taken.
pub(in crate::api) const CAPTURES: &[(&str, Capture)] = &[("auto", Capture::Auto), ("later", Capture::Later)];

/// What is charged.
enum Card {
    Stored {
        token: Box<Token>,
        customer_ip: Option<IpAddr>,
    },
    Handed {
        session: Box<Session>,
        handed: Handed,
        fraud_check: bool,
        bin: Option<String>,
    },
    /// What a customer did on a page of the platform's, by the platform's own word.
    Paid {
        session: Box<Session>,
        outcome: Box<Outcome>,
    },
}

pub(in crate::api) async fn create(
    State(app): State<App>,
    browser: Browser,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    mut fields: Fields,
) -> Result<Response, ApiError> {
    let key = idempotency_key(&headers)?;
    let fingerprint = fields.fingerprint();
    let order = if fields.has("session") {
        by_session(&app, &mut fields, key, fingerprint, request_id).await?
    } else {
        browser.merchant?;
        by_token(&app, &mut fields, key, fingerprint, (request_id, browser.address)).await?
    };
    fields.finish()?;
    let owner = Arc::clone(&app);
    let (answer, replayed) = app
        .to_the_end(async move { carry_out(&owner, order).await })
        .await?;
    Ok(if replayed {
        replay(&answer)
    } else {
        response(&answer)
    })
}

/// A charge that another route asks for.
pub(in crate::api) struct Charge {
    pub(in crate::api) token: Token,
    pub(in crate::api) amount: Amount,
    pub(in crate::api) network_token: Option<bool>,
    pub(in crate::api) key: Option<Key>,
    pub(in crate::api) request_id: String,
}

/// Charges a stored card and says what the caller of `POST /v1/payments` would be told.
pub(in crate::api) async fn charge_stored(app: &App, charge: Charge) -> Result<StoredAnswer, ApiError> {
    let order = Order {
        platform: charge.token.platform.clone(),
        amount: charge.amount,
        order_reference: uuid::Uuid::new_v4().to_string(),
        description: "Payment".into(),
        customer: charge.token.customer.clone(),
        key: charge.key,
        card: Card::Stored {
            token: Box::new(charge.token),
            customer_ip: None,
        },
        hash: String::new(),
        claim: None,
        grace: 0,
        request_id: charge.request_id,
        capture: Capture::Auto,
        network_token: charge.network_token,
    };
    let owner = Arc::clone(app);
    let (answer, _) = app
        .to_the_end(async move { carry_out(&owner, order).await })
        .await?;
    Ok(answer)
}

async fn by_token(
    app: &App,
    fields: &mut Fields,
    key: Option<String>,
    fingerprint: String,
    (request_id, caller): (String, Option<IpAddr>),
) -> Result<Order, ApiError> {
    let token = fields.text("token", 64)?;
    let token = app.store.token(&token).await?.ok_or(Code::TokenNotFound)?;
    let account = app.account(&token.platform)?;
    Ok(Order {
        amount: amount(account, fields)?,
        platform: token.platform.clone(),
        order_reference: order_reference(fields)?,
        description: text_or_default(fields)?,
        customer: fields
            .optional("customer", 255)?
            .or_else(|| token.customer.clone()),
        key: key.map(|key| Key {
            scope: "merchant".into(),
            key,
            fingerprint,
        }),
        card: Card::Stored {
            token: Box::new(token),
            customer_ip: customer_ip(account, fields, &Ok(()), caller)?,
        },
        hash: String::new(),
        claim: None,
        grace: 0,
        request_id,
        capture: fields.word("capture", CAPTURES, Capture::Auto)?,
        network_token: fields.optional_boolean("network_token")?,
    })
}

async fn by_session(
    app: &App,
    fields: &mut Fields,
    key: Option<String>,
    fingerprint: String,
    request_id: String,
) -> Result<Order, ApiError> {
    let hand_in = HandIn::read(fields)?;
    let fraud_check = fields.boolean("kount")?;
    let bin = bin(fields)?;
    let session = hand_in.session(app, &[Kind::Payment]).await?;
    let amount = session_amount(&session)?;
    // A page that names no key is protected all the same: one session, one card, one payment.
    let key = Key {
        scope: session.id.clone(),
        key: key.unwrap_or_else(|| format!("card {}", hand_in.hash)),
        fingerprint,
    };
    let grace = hand_in.grace();
    let open = session.state == SessionState::Open && !session.is_expired(app.clock.now(), grace);
    if open && is_attempt(app, &session, &hand_in.handed)? {
        app.attempts.admit(&session, &hand_in.hash)?;
    }
    let claim = app.account(&session.platform)?.gateway.claim(&hand_in.handed);
    let card = match &hand_in.handed {
        Handed::Answer(answer) if app.capabilities(&session.platform)?.hosted_page => {
            return paid_order(app, session, Some(answer), key, hand_in.hash, request_id).await;
        }
        Handed::Answer(_) | Handed::Sealed { .. } => Card::Handed {
            session: Box::new(session.clone()),
            handed: hand_in.handed,
            fraud_check,
            bin,
        },
    };
    Ok(Order {
        platform: session.platform,
        amount,
        order_reference: session.reference,
        description: session.description,
        customer: session.customer,
        key: Some(key),
        grace,
        hash: hand_in.hash,
        claim,
        card,
        request_id,
        capture: if session.capture_later {
            Capture::Later
        } else {
            Capture::Auto
        },
        network_token: None,
    })
}

/// What is known of a customer's doings on a page of the platform's, as an order that asks for nothing any more.
async fn paid_order(
    app: &App,
    session: Session,
    answer: Option<&serde_json::Value>,
    key: Key,
    hash: String,
    request_id: String,
) -> Result<Order, ApiError> {
    let amount = session_amount(&session)?;
    // Of a session that is used, everything is known; the key or the session's own payment answers.
    let outcome = if session.state == SessionState::Used {
        Outcome::Unknown(Doubt::Interrupted)
    } else {
        let gone = SecretString::default();
        let open = OpenSession {
            id: &session.id,
            now: app.clock.now(),
            kept: session.kept.as_ref().unwrap_or(&gone),
            kind: session.kind,
            reference: &session.reference,
            attempt: "",
        };
        let gateway = &app.account(&session.platform)?.gateway;
        let _permit = app.enter(&session.platform, Purpose::Operation).await?;
        match gateway
            .look(app.transport(&session.platform)?, &open, answer)
            .await?
        {
            Progress::Open => return Err(Code::PageOpen.into()),
            Progress::Cancelled => return Err(Code::PageCancelled.into()),
            Progress::Paid(Outcome::Unknown(doubt)) => return Err(Error::Doubtful(doubt).into()),
            Progress::Paid(outcome) => outcome,
        }
    };
    Ok(Order {
        platform: session.platform.clone(),
        amount,
        order_reference: session.reference.clone(),
        description: session.description.clone(),
        customer: session.customer.clone(),
        key: Some(key),
        // The platform took it in time, whenever we learn of it.
        grace: PAGE_GRACE_MS,
        hash,
        claim: None,
        card: Card::Paid {
            session: Box::new(session),
            outcome: Box::new(outcome),
        },
        request_id,
        capture: Capture::Auto,
        network_token: None,
    })
}

/// Asks the platform what the customer did on its page, and keeps what came of it.
pub(in crate::api) async fn look(app: &App, session: &Session, request_id: String) -> Result<(), ApiError> {
    let key = Key {
        scope: session.id.clone(),
        key: "page".into(),
        fingerprint: "page".into(),
    };
    let order = paid_order(app, session.clone(), None, key, "page".into(), request_id).await?;
    let owner = Arc::clone(app);
    app.to_the_end(async move { carry_out(&owner, order).await })
        .await?;
    Ok(())
}

fn session_amount(session: &Session) -> Result<Amount, ApiError> {
    let (minor, code) = session
        .amount
        .clone()
        .ok_or_else(|| ApiError::internal("a payment session has no amount"))?;
    Currency::from_code(&code)
        .zip(u64::try_from(minor).ok())
        .and_then(|(currency, minor)| Amount::from_minor(minor, currency).ok())
        .ok_or_else(|| ApiError::internal("a payment session has a wrong amount"))
}

/// What the caller is told, and whether it is told for a second time.
async fn carry_out(app: &App, order: Order) -> Result<(StoredAnswer, bool), ApiError> {
    let deadline = Instant::now() + app.config.limits.idempotency_wait;
    let (payment, claimed) = loop {
        match claim(app, &order).await? {
            Claim::New(payment, claimed) => break (payment, claimed),
            Claim::Answered(answer) => return Ok((answer, true)),
            Claim::Reused => return Err(Code::IdempotencyKeyReused.into()),
            Claim::ReferenceUsed => return Err(ApiError::field(Code::OrderReferenceUsed, "order_reference")),
            Claim::SessionExhausted => return Err(session_exhausted()),
            Claim::SessionTaken => {
                return match told_before(app, &order).await? {
                    Some(answer) => Ok((answer, true)),
                    None => Err(session_gone(app, &order).await?),
                };
            }
            Claim::BelongsElsewhere => return Err(Code::TokenBelongsElsewhere.into()),
            Claim::TokenUnusable(TokenStatus::Unconfirmed) => return Err(Code::TokenUnconfirmed.into()),
            Claim::TokenUnusable(TokenStatus::Active | TokenStatus::Deleted) => {
                return Err(Code::TokenDeleted.into());
            }
            Claim::Pending(payment) if payment.status == Status::InFlight => {
                if Instant::now() >= deadline {
                    return Err(ApiError::from(Code::IdempotencyInProgress)
                        .about(&payment.id)
                        .retry_after(5));
                }
                tokio::time::sleep(LOOK).await;
            }
            // The process ended under the first request: what is known now becomes its answer.
            Claim::Pending(payment) => {
                let Some(key) = &order.key else {
                    return Err(ApiError::internal("a claim without a key"));
                };
                return Ok((app.store.answer_key(key, answer(&payment)).await?, true));
            }
        }
    };
    let sent_at = app.clock.steady();
    let result = ask_platform(app, order.card, &payment).await;
    let unknown = matches!(&result, Ok(Outcome::Unknown(_) | Outcome::Pending(_)));
    let can = app.capabilities(&payment.platform);
    if unknown && can.is_ok_and(|can| can.payment_lookup) {
        app.asking.sent(&payment.id, sent_at);
    }
    let finish = Finish {
        payment,
        result,
        request_id: order.request_id,
        _claimed: claimed,
    };
    Ok((finish.run(app).await?, false))
}

/// The platform's notification was faster than the browser that hands over the same answer. What it brings is
/// checked all the same; then it is told what is known.
async fn told_before(app: &App, order: &Order) -> Result<Option<StoredAnswer>, ApiError> {
    if let Card::Paid { session, .. } = &order.card {
        let session = app.store.session(&session.id).await?;
        let Some(payment) = session.and_then(|session| session.result_id) else {
            return Ok(None);
        };
        return Ok(app.store.payment(&payment).await?.as_ref().map(answer));
    }
    let Card::Handed {
        session,
        handed: Handed::Answer(handed),
        bin,
        ..
    } = &order.card
    else {
        return Ok(None);
    };
    // Asking here would charge the card for a second time.
    if app.capabilities(&session.platform)?.charges_direct_answer {
        return Ok(None);
    }
    let Some(session) = app.store.session(&session.id).await? else {
        return Ok(None);
    };
    let Some(payment) = session
        .result_id
        .as_deref()
        .filter(|_| session.state == SessionState::Used)
    else {
        return Ok(None);
    };
    let gone = SecretString::default();
    let open = OpenSession {
        id: &session.id,
        now: app.clock.now(),
        kept: session.kept.as_ref().unwrap_or(&gone),
        kind: session.kind,
        reference: &session.reference,
        attempt: payment,
    };
    let gateway = &app.account(&session.platform)?.gateway;
    let _permit = app.enter(&session.platform, Purpose::Operation).await?;
    match gateway
        .pay(
            app.transport(&session.platform)?,
            &open,
            Handed::Answer(handed.clone()),
            false,
        )
        .await?
    {
        Outcome::Approved(_) | Outcome::Authorized(_) | Outcome::Declined(_) | Outcome::Voided(_) => {}
        Outcome::Pending(_) | Outcome::Unknown(_) => return Ok(None),
    }
    if let Some(bin) = bin {
        app.store.note_bin(payment, bin).await?;
    }
    Ok(app.store.payment(payment).await?.as_ref().map(answer))
}

/// Why a session could not be taken.
async fn session_gone(app: &App, order: &Order) -> Result<ApiError, ApiError> {
    let (Card::Handed { session, .. } | Card::Paid { session, .. }) = &order.card else {
        return Ok(Code::SessionUsed.into());
    };
    let session = app
        .store
        .session(&session.id)
        .await?
        .ok_or(Code::SessionNotFound)?;
    let open = session.state == SessionState::Open;
    Ok(if open {
        Code::SessionExpired
    } else {
        Code::SessionUsed
    }
    .into())
}

/// Whether a card goes to the platform now. What a browser did there itself can only be taken in.
fn is_attempt(app: &App, session: &Session, handed: &Handed) -> Result<bool, ApiError> {
    Ok(match handed {
        Handed::Sealed { .. } => true,
        Handed::Answer(_) => app.capabilities(&session.platform)?.charges_direct_answer,
    })
}

async fn claim(app: &App, order: &Order) -> Result<Claim, ApiError> {
    let (token, session, bin) = match &order.card {
        Card::Stored { token, .. } => (Some(token), None, token.bin.as_deref()),
        Card::Handed { session, bin, .. } => (None, Some(session), bin.as_deref()),
        Card::Paid { session, .. } => (None, Some(session), None),
    };
    let payment = NewPayment {
        platform: &order.platform,
        amount: &order.amount,
        token_id: token.map(|token| token.id.as_str()),
        session_id: session.map(|session| session.id.as_str()),
        order_reference: &order.order_reference,
        description: &order.description,
        customer: order.customer.as_deref(),
        brand: token.and_then(|token| token.brand.as_deref()),
        bin,
        last4: token.and_then(|token| token.last4.as_deref()),
        capture_later: order.capture == Capture::Later,
        network_token: order.network_token,
    };
    let taker = match &order.card {
        Card::Handed { session, handed, .. } if is_attempt(app, session, handed)? => {
            Taker::Card(app.config.limits.session_attempts)
        }
        Card::Stored { .. } | Card::Handed { .. } | Card::Paid { .. } => Taker::Platform,
    };
    let now = app.clock.now();
    Ok(app
        .store
        .claim_payment(
            order.key.as_ref(),
            &payment,
            &Attempt {
                body_hash: &order.hash,
                card: order.claim.as_ref(),
                taker,
            },
            order.grace,
            now,
        )
        .await?)
}

async fn ask_platform(app: &App, card: Card, payment: &Payment) -> Result<Outcome, ApiError> {
    let account = app.account(&payment.platform)?;
    let (gateway, transport) = (
        Arc::clone(&account.gateway),
        app.transport(&payment.platform)?.clone(),
    );
    let (payment, now) = (payment.clone(), app.clock.now());
    // Its own task, so that a fault in it leaves an unknown payment and not one that hangs.
    let call: tokio::task::JoinHandle<Result<Outcome, Refusal>> = match card {
        Card::Stored { token, customer_ip } => {
            let token = token.platform_token.ok_or(Code::TokenDeleted)?;
            let permit = app.enter(&payment.platform, Purpose::Operation).await?;
            let call = async move {
                let _permit = permit;
                let ask = ChargeAsk {
                    token: &token,
                    amount: &payment.amount,
                    reference: &payment.order_reference,
                    description: &payment.description,
                    attempt: &payment.id,
                    capture: if payment.capture_later {
                        Capture::Later
                    } else {
                        Capture::Auto
                    },
                    network_token: payment.network_token,
                    platform_id: None,
                    asked_at: payment.created_at,
                    now,
                    customer_ip,
                };
                gateway.charge(&transport, &ask).await
            };
            tokio::spawn(call.in_current_span())
        }
        Card::Handed {
            session,
            handed,
            fraud_check,
            ..
        } => {
            let permit = app.enter(&payment.platform, Purpose::Operation).await?;
            let call = async move {
                let _permit = permit;
                let gone = SecretString::default();
                let kept = session.kept.as_ref().unwrap_or(&gone);
                let open = OpenSession {
                    id: &session.id,
                    now,
                    kept,
                    kind: session.kind,
                    reference: &session.reference,
                    attempt: &payment.id,
                };
                gateway.pay(&transport, &open, handed, fraud_check).await
            };
            tokio::spawn(call.in_current_span())
        }
        Card::Paid { outcome, .. } => return Ok(*outcome),
    };
    match call.await {
        Ok(result) => Ok(result?),
        Err(_) => Ok(Outcome::Unknown(Doubt::Interrupted)),
    }
}

/// What a payment came to, until it is stored.
struct Finish {
    payment: Payment,
    result: Result<Outcome, ApiError>,
    request_id: String,
    _claimed: Claimed,
}

impl Finish {
    /// Stores it and says what the caller is told.
    async fn run(self, app: &App) -> Result<StoredAnswer, ApiError> {
        self.log();
        let finish = Arc::new(self);
        let kept = Arc::clone(&finish);
        let stored = store_outcome(app, "payment", &finish.payment.id, move |app| {
            let finish = Arc::clone(&kept);
            async move { finish.store(&app).await }
        })
        .await;
        match stored {
            Some((settled, Some(answer))) if settled.status != Status::Failed => Ok(answer),
            Some(_) => Err(finish.error().unwrap_or_else(|| Code::Internal.into())),
            // What is on the disk says "in flight", and so does the answer: nobody knows yet.
            None => Ok(answer(&finish.payment)),
        }
    }

    async fn store(&self, app: &App) -> Result<(Payment, Option<StoredAnswer>), StoreError> {
        let settlement = match &self.result {
            Ok(Outcome::Approved(approval)) => Settlement::Approved(approval),
            Ok(Outcome::Authorized(approval)) => Settlement::Authorized(approval),
            Ok(Outcome::Voided(approval)) => Settlement::Voided(approval),
            Ok(Outcome::Declined(decline)) => Settlement::Declined(decline),
            Ok(Outcome::Pending(pending)) => Settlement::Pending(pending),
            Ok(Outcome::Unknown(_)) => Settlement::Unknown,
            Err(_) => Settlement::Failed,
        };
        let error = self.error();
        let to_answer = |settled: &Payment| match (settled.status, &error) {
            // The platform never heard of it: the same key may try again.
            (Status::Failed, Some(error)) if error.code() != Code::PlatformRejected => None,
            (Status::Failed, Some(error)) => Some(StoredAnswer {
                status: error.code().status().as_u16(),
                body: error.render(&self.request_id),
            }),
            _ => Some(answer(settled)),
        };
        app.store
            .finish_payment(&self.payment.id, &settlement, to_answer, app.clock.now())
            .await
    }

    fn error(&self) -> Option<ApiError> {
        let error = self.result.as_ref().err();
        error.map(|error| error.clone().about(&self.payment.id))
    }

    fn log(&self) {
        let payment = &self.payment.id;
        match &self.result {
            Ok(Outcome::Approved(approval)) if approval.unverified => tracing::warn!(
                payment,
                "an approval without a valid signature was taken, as configured"
            ),
            Ok(Outcome::Pending(pending)) => tracing::info!(
                payment,
                doubt = pending.doubt.as_str(),
                redirect = pending.redirect.is_some(),
                "the platform has a payment and has not decided"
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

pub(super) fn answer(payment: &Payment) -> StoredAnswer {
    let status = if payment.status.is_unknown() {
        StatusCode::ACCEPTED
    } else {
        StatusCode::CREATED
    };
    StoredAnswer {
        status: status.as_u16(),
        body: resource(payment).to_string(),
    }
}

pub(super) fn response(answer: &StoredAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if status.is_client_error() || status.is_server_error() {
        return problem(status, answer.body.clone());
    }
    (
        status,
        [(header::CONTENT_TYPE, "application/json")],
        answer.body.clone(),
    )
        .into_response()
}

pub(super) fn replay(answer: &StoredAnswer) -> Response {
    let mut response = response(answer);
    response
        .headers_mut()
        .insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
