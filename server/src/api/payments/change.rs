//! `POST /v1/payments/{id}/capture`, `/void` and `/refund`.
//!
//! The payment's own status is the lock: it says "under way" on the disk before the platform is asked, together
//! with a row for the change, whose id is the platform's idempotency key. Asking for what is done already answers
//! with the payment as it is; a caller who asks for parts sends an `Idempotency-Key`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use cardseal_gateways::Amount;
use cardseal_gateways::error::{Doubt, Refusal};
use cardseal_gateways::gateway::{Change as Made, PaymentRef};

use super::charge::{answer, replay, response};
use super::{bin, idempotency_key};
use crate::App;
use crate::access::Merchant;
use crate::api::sessions::parse_amount;
use crate::body::Fields;
use crate::error::{ApiError, Code};
use crate::gate::Purpose;
use crate::logging::RequestId;
use crate::store::{
    Change, ChangeClaim, ChangeResult, Claimed, Movement, NewChange, Payment, Status, StoreError,
    StoredAnswer,
};
use crate::upkeep::store_outcome;

/// Between two looks at a change that another request is making.
const LOOK: Duration = Duration::from_millis(50);

/// A change that somebody asked for.
struct Ask {
    payment: String,
    movement: Movement,
    amount: Option<u64>,
    bin: Option<String>,
    key: Option<String>,
    fingerprint: String,
    request_id: String,
}

pub(in crate::api) async fn capture(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    run(&app, id, Movement::Capture, &headers, fields, request_id).await
}

pub(in crate::api) async fn void(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    run(&app, id, Movement::Void, &headers, fields, request_id).await
}

pub(in crate::api) async fn refund(
    State(app): State<App>,
    _: Merchant,
    Path(id): Path<String>,
    Extension(RequestId(request_id)): Extension<RequestId>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, ApiError> {
    run(&app, id, Movement::Refund, &headers, fields, request_id).await
}

async fn run(
    app: &App,
    id: String,
    movement: Movement,
    headers: &HeaderMap,
    mut fields: Fields,
    request_id: String,
) -> Result<Response, ApiError> {
    let key = idempotency_key(headers)?;
    let fingerprint = fields.fingerprint();
    let bin = bin(&mut fields)?;
    let (amount, currency) = match movement {
        Movement::Void => (None, None),
        Movement::Capture | Movement::Refund => {
            (fields.optional("amount", 32)?, fields.optional("currency", 8)?)
        }
    };
    fields.finish()?;
    let payment = app.store.payment(&id).await?.ok_or(Code::PaymentNotFound)?;
    let gateway = &app.account(&payment.platform)?.gateway;
    let own = payment.amount.currency().code();
    if currency.as_deref().is_some_and(|currency| currency != own) {
        return Err(ApiError::field(Code::FieldInvalid, "currency"));
    }
    let amount = amount.map(|text| parse_amount(&text, own)).transpose()?;
    if movement == Movement::Refund
        && !gateway.capabilities().partial_refunds
        && amount.is_some_and(|amount| amount != payment.amount)
    {
        return Err(ApiError::field(Code::PartialRefundNotOffered, "amount"));
    }
    let bin = payment.bin.clone().or(bin);
    let settled = matches!(payment.status, Status::Voided | Status::Refunded);
    if gateway.capabilities().changes_need_bin && bin.is_none() && !settled {
        return Err(ApiError::field(Code::FieldMissing, "bin")
            .detail("the platform wants the card's first six digits, which are not known of this payment"));
    }
    let ask = Ask {
        payment: id,
        movement,
        amount: amount.map(|amount| amount.minor()),
        bin,
        key,
        fingerprint,
        request_id,
    };
    let owner = Arc::clone(app);
    app.to_the_end(async move { carry_out(&owner, &ask).await }).await
}

async fn carry_out(app: &App, ask: &Ask) -> Result<Response, ApiError> {
    let deadline = Instant::now() + app.config.limits.idempotency_wait;
    let (change, payment, claimed) = loop {
        let new = NewChange {
            payment: &ask.payment,
            movement: ask.movement,
            amount: ask.amount,
            bin: ask.bin.as_deref(),
            key: ask.key.as_deref().map(|key| (key, ask.fingerprint.as_str())),
        };
        match app.store.claim_change(&new, app.clock.now()).await? {
            ChangeClaim::New(change, payment, claimed) => break (change, payment, claimed),
            ChangeClaim::Answered(answer) => return Ok(replay(&answer)),
            ChangeClaim::Reused => return Err(Code::IdempotencyKeyReused.into()),
            ChangeClaim::None => return Err(Code::PaymentNotFound.into()),
            ChangeClaim::Done(payment) => return Ok(response(&told(&payment))),
            ChangeClaim::NotAllowed(payment) => return Err(state(&payment)),
            ChangeClaim::TooMuch(payment) => {
                return Err(ApiError::field(Code::AmountInvalid, "amount")
                    .about(&payment.id)
                    .detail("the amount is more than what is left of the payment"));
            }
            ChangeClaim::Pending(payment) if payment.status == ask.movement.in_flight() => {
                if Instant::now() >= deadline {
                    return Err(ApiError::from(Code::IdempotencyInProgress)
                        .about(&payment.id)
                        .retry_after(5));
                }
                tokio::time::sleep(LOOK).await;
            }
            // The process ended under the first request: what is known now is the answer.
            ChangeClaim::Pending(payment) => return Ok(replay(&told(&payment))),
        }
    };
    let sent_at = app.clock.steady();
    let (result, error) = outcome(app, &payment, &change).await;
    if result != ChangeResult::Unknown {
        app.asking.settled(&change.id);
    } else if !change.again {
        app.asking.sent(&change.id, sent_at);
    }
    let error = error.map(|error| error.about(&payment.id));
    let under_way = Payment {
        status: ask.movement.in_flight(),
        ..payment
    };
    let finish = Arc::new(Finish {
        change: change.id,
        result,
        error: error.clone(),
        request_id: ask.request_id.clone(),
        _claimed: claimed,
    });
    let stored = store_outcome(app, "change", &under_way.id, move |app| {
        let finish = Arc::clone(&finish);
        async move { finish.store(&app).await }
    })
    .await;
    match (stored, error) {
        (Some(payment), None) => Ok(response(&told(&payment))),
        (Some(_), Some(error)) => Err(error),
        // What is on the disk says "under way", and so does the answer: nobody knows yet.
        (None, _) => Ok(response(&told(&under_way))),
    }
}

/// Asks the platform. Whatever happens, there is a result to store: what was not sent has failed.
async fn outcome(app: &App, payment: &Payment, change: &Change) -> (ChangeResult, Option<ApiError>) {
    let made = match repeats(app, payment, change) {
        Ok(repeat) => ask_platform(app, payment, change, repeat).await,
        Err(error) => Err(error),
    };
    match made {
        Ok(Made::Done) => (ChangeResult::Done, None),
        Ok(Made::Unknown(doubt)) => {
            tracing::warn!(
                payment = payment.id,
                doubt = doubt.as_str(),
                "the outcome of a capture, void or refund is unknown"
            );
            (ChangeResult::Unknown, None)
        }
        // Where the platform recognises no repeats, a refusal says nothing about the first try.
        Err(error)
            if change.again
                && !app
                    .capabilities(&payment.platform)
                    .is_ok_and(|can| can.payment_lookup) =>
        {
            (ChangeResult::Unknown, Some(error))
        }
        Err(error) => (ChangeResult::Failed, Some(error)),
    }
}

/// What a change came to, until it is stored.
struct Finish {
    change: String,
    result: ChangeResult,
    error: Option<ApiError>,
    request_id: String,
    _claimed: Claimed,
}

impl Finish {
    async fn store(&self, app: &App) -> Result<Payment, StoreError> {
        let to_answer = |payment: &Payment| match &self.error {
            Some(error) if error.code() == Code::PlatformRejected => Some(StoredAnswer {
                status: error.code().status().as_u16(),
                body: error.render(&self.request_id),
            }),
            Some(_) => None,
            None => Some(told(payment)),
        };
        app.store
            .finish_change(&self.change, self.result, to_answer, app.clock.now())
            .await
    }
}

/// Asks for a change whose answer was lost once more, with the same key, or only looks for it.
pub(super) async fn again(app: &App, payment: &Payment, change: &Change) -> Result<(), ApiError> {
    let again = Change {
        again: true,
        ..change.clone()
    };
    let repeat = repeats(app, payment, change)?;
    if app.stopping.is_cancelled() {
        return Ok(());
    }
    let answer = if repeat {
        ask_platform(app, payment, &again, true).await
    } else if app.capabilities(&payment.platform)?.change_lookup {
        // Nothing is sent again: a server that stops does not wait for it.
        let lookup = ask_platform(app, payment, &again, false);
        match app.stopping.run_until_cancelled(lookup).await {
            Some(answer) => answer,
            None => return Ok(()),
        }
    } else {
        return Ok(());
    };
    let result = match answer {
        Ok(Made::Done) => ChangeResult::Done,
        Err(error) if error.code() == Code::PlatformRejected => ChangeResult::Failed,
        Ok(Made::Unknown(_)) | Err(_) => return Ok(()),
    };
    app.store
        .finish_change(&change.id, result, |_| None, app.clock.now())
        .await?;
    app.asking.settled(&change.id);
    Ok(())
}

/// Whether the platform still recognises the key of a change.
fn repeats(app: &App, payment: &Payment, change: &Change) -> Result<bool, ApiError> {
    let kept = app.capabilities(&payment.platform)?.idempotency_window;
    let age = app.asking.age(&change.id, change.created_at, &app.clock);
    Ok(age.is_below(kept))
}

async fn ask_platform(app: &App, payment: &Payment, change: &Change, repeat: bool) -> Result<Made, ApiError> {
    let gateway = Arc::clone(&app.account(&payment.platform)?.gateway);
    let (transport, payment, change) = (
        app.transport(&payment.platform)?.clone(),
        payment.clone(),
        change.clone(),
    );
    let permit = app.enter(&payment.platform, Purpose::Operation).await;
    let permit = permit.map_err(|error| error.about(&payment.id))?;
    let id = payment.id.clone();
    let moved = Amount::from_minor(change.amount, payment.amount.currency())
        .map_err(|_| ApiError::field(Code::AmountInvalid, "amount"))?;
    let part = (!change.whole).then_some(moved);
    // Its own task, so that a fault in it leaves an unknown outcome and not one that hangs.
    let call = tokio::spawn(async move {
        let _permit = permit;
        let of = PaymentRef {
            reference: &payment.order_reference,
            authorization: payment.authorization.as_deref(),
            platform_id: payment.platform_payment.as_deref(),
            bin: change.bin.as_deref(),
            last4: payment.last4.as_deref(),
            amount: &payment.amount,
            moved: &moved,
            attempt: &change.id,
            again: change.again,
            repeat,
        };
        match change.movement {
            Movement::Capture => gateway.capture(&transport, &of, part.as_ref()).await,
            Movement::Void => gateway.void(&transport, &of).await,
            Movement::Refund => gateway.refund(&transport, &of, part.as_ref()).await,
        }
    });
    let Ok(result) = call.await else {
        return Ok(Made::Unknown(Doubt::Interrupted));
    };
    result.map_err(|refusal| {
        if let Refusal::Invalid(_) = refusal {
            // The payment is in our books without it: the merchant has to go to the platform.
            return ApiError::from(Code::PaymentState).about(&id).detail(
                "the platform needs an authorization and card digits that are not known of this payment",
            );
        }
        ApiError::from(refusal).about(&id)
    })
}

/// 200 for what is known, 202 for what is not.
fn told(payment: &Payment) -> StoredAnswer {
    StoredAnswer {
        status: if payment.status.is_unknown() { 202 } else { 200 },
        ..answer(payment)
    }
}

fn state(payment: &Payment) -> ApiError {
    ApiError::from(Code::PaymentState)
        .about(&payment.id)
        .detail(match payment.status {
            Status::InFlight | Status::CaptureInFlight | Status::VoidInFlight | Status::RefundInFlight => {
                "something is under way for this payment"
            }
            Status::Unknown | Status::CaptureUnknown | Status::VoidUnknown | Status::RefundUnknown => {
                "the outcome is unknown; resolve it first, after asking the platform"
            }
            Status::Authorized => "an authorized payment can be captured or voided",
            Status::PartiallyRefunded => "what is left of the payment can be refunded, and nothing else",
            Status::Approved | Status::Declined | Status::Failed | Status::Voided | Status::Refunded => {
                "only an approved payment can be voided or refunded, and only an authorized one captured"
            }
        })
}
