//! Captures, voids and refunds.
//!
//! The payment's status is the lock. Before the platform is called, the status says "in flight" on disk, together
//! with a row for the change, whose id is the idempotency key at the platform. A request for something that has been
//! done already returns the payment as it is. For parts of an amount, a caller needs an `Idempotency-Key`.

use std::sync::Arc;

use cardseal_gateways::Amount;
use cardseal_gateways::error::{Doubt, Refusal};
use cardseal_gateways::gateway::{Change as Outcome, PaymentRef};

use super::state::{self, Reporter};
use super::{Error, Join, Reason, Render, Reply, Working};
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::persist::store_outcome;
use crate::store::{
    Change, ChangeClaim, ChangeDecision, ChangeId, ChangeResult, ChangeUpdate, Claimed, Fingerprint,
    IdempotencyKey, Movement, NewChange, Payment, PaymentId, Status, StoreError, StoredAnswer,
};

/// A request for a capture, a void or a refund.
pub(crate) struct ChangeRequest {
    pub(crate) payment: PaymentId,
    pub(crate) movement: Movement,
    /// In minor units. `None` means the whole amount.
    pub(crate) amount: Option<u64>,
    /// First digits of the card, for platforms that want them.
    pub(crate) bin: Option<String>,
    /// The caller's key, and the fingerprint of the body that came with it.
    pub(crate) key: Option<(IdempotencyKey, Fingerprint)>,
    pub(crate) render: Arc<dyn Render>,
}

/// Changes a payment once per key. The change goes on if the caller hangs up.
pub(crate) async fn change(app: &App, request: ChangeRequest) -> Result<Reply, Error> {
    let owner = Arc::clone(app);
    app.to_completion(async move { carry_out(&owner, request).await })
        .await
}

async fn carry_out(app: &App, request: ChangeRequest) -> Result<Reply, Error> {
    let mut join = Join::within(&app.joins, app.config.limits.idempotency_wait);
    let (change, payment, claimed) = loop {
        let (movement, amount) = (request.movement, request.amount);
        let new = NewChange {
            payment: request.payment.clone(),
            movement,
            bin: request.bin.clone(),
            key: request.key.clone(),
        };
        let decide = move |payment: &Payment| decide(payment, movement, amount);
        match app.store.claim_change(new, decide, app.clock.now()).await? {
            ChangeClaim::New(change, payment, claimed) => break (change, payment, claimed),
            ChangeClaim::Answered(answer) => return Ok(Reply::Stored(answer)),
            ChangeClaim::Reused => return Err(Reason::KeyReused.into()),
            ChangeClaim::OutboxFull => return Err(Reason::OutboxFull.into()),
            ChangeClaim::None => return Err(Reason::PaymentNotFound.into()),
            ChangeClaim::Done(payment) => return Ok(Reply::new(payment)),
            ChangeClaim::NotAllowed(payment) => {
                return Err(Error::from(Reason::State(payment.status)).about(&payment.id));
            }
            ChangeClaim::TooMuch(payment) => {
                return Err(Error::from(Reason::AmountTooLarge).about(&payment.id));
            }
            ChangeClaim::Pending(payment) if payment.status == request.movement.in_flight() => {
                if !join.wait(payment.id.as_str()).await {
                    return Err(Error::from(Reason::InProgress).about(&payment.id));
                }
            }
            // The process ended during the first request. The answer is what is known now.
            ChangeClaim::Pending(payment) => return Ok(Reply::replayed(payment)),
        }
    };
    let working = app.joins.working(payment.id.as_str());
    let sent_at = app.clock.steady();
    let (result, error) = result(app, &payment, &change).await;
    if result != ChangeResult::Unknown {
        app.lookups.settled(change.id.as_str());
    } else if !change.again {
        app.lookups.sent(change.id.as_str(), sent_at);
    }
    let error = error.map(|error| error.about(&payment.id));
    let in_flight = Payment {
        status: request.movement.in_flight(),
        ..payment
    };
    let finish = Arc::new(Finish {
        change: change.id,
        result,
        error: error.clone(),
        render: request.render,
        _claimed: claimed,
        _working: working,
    });
    let stored = store_outcome(app, "change", in_flight.id.as_str(), move |app| {
        let finish = Arc::clone(&finish);
        async move {
            let change = finish.change.clone();
            let answer = {
                let finish = Arc::clone(&finish);
                move |payment: &Payment| finish.answer(payment)
            };
            store_result(&app, &change, finish.result, Reporter::Call, answer).await
        }
    })
    .await;
    match (stored, error) {
        (Some(payment), None) => Ok(Reply::new(payment)),
        (Some(_), Some(error)) => Err(error),
        // The row on disk says "in flight", and so does the answer.
        (None, _) => Ok(Reply::new(in_flight)),
    }
}

/// What is to be done about a request, given the payment as it is.
fn decide(payment: &Payment, movement: Movement, amount: Option<u64>) -> ChangeDecision {
    let captured = payment.captured;
    let left = captured.saturating_sub(payment.refunded);
    let is_captured = amount.is_none_or(|amount| amount == captured);
    let done = match movement {
        Movement::Capture => payment.status == Status::Approved && payment.capture_later && is_captured,
        Movement::Void => payment.status == Status::Voided,
        Movement::Refund => payment.status == Status::Refunded && is_captured,
    };
    if done {
        return ChangeDecision::Done;
    }
    let Some(status) = state::next(payment.status, state::requested(movement), Reporter::Call) else {
        return ChangeDecision::NotAllowed;
    };
    if payment.status.is_unknown() {
        return ChangeDecision::Again { status };
    }
    let amount = match movement {
        Movement::Capture => amount.unwrap_or(payment.amount.minor()),
        Movement::Void => payment.amount.minor(),
        Movement::Refund => amount.unwrap_or(left),
    };
    if movement == Movement::Refund && amount > left {
        return ChangeDecision::TooMuch;
    }
    // The full amount of an untouched payment is sent without an amount.
    let whole = match movement {
        Movement::Capture => amount == payment.amount.minor(),
        Movement::Void => true,
        Movement::Refund => payment.refunded == 0 && amount == captured,
    };
    ChangeDecision::Start {
        status,
        amount,
        whole,
    }
}

/// The payment's new state after a change. `None` if the payment is not waiting for this change.
fn update(payment: &Payment, change: &Change, result: ChangeResult, by: Reporter) -> Option<ChangeUpdate> {
    let (mut captured, mut refunded) = (payment.captured, payment.refunded);
    if result == ChangeResult::Done {
        match change.movement {
            Movement::Capture => captured = change.amount,
            Movement::Void => {}
            Movement::Refund => refunded += change.amount,
        }
    }
    let event = state::changed(change.movement, result, refunded >= captured);
    let status = if result == ChangeResult::Failed {
        state::back(payment.status, event, by, change.before)?
    } else {
        state::next(payment.status, event, by)?
    };
    Some(ChangeUpdate {
        status,
        captured,
        refunded,
        event: state::told(payment.status, event, status),
    })
}

/// Stores the result of a change, and the answer for repeated requests.
pub(super) async fn store_result(
    app: &App,
    change: &ChangeId,
    result: ChangeResult,
    by: Reporter,
    answer: impl Fn(&Payment) -> Option<StoredAnswer> + Send + 'static,
) -> Result<Payment, StoreError> {
    let decide = move |payment: &Payment, change: &Change| update(payment, change, result, by);
    let stored = app
        .store
        .finish_change(change, result, decide, answer, app.clock.now())
        .await?;
    app.metrics.outcome(stored.platform, stored.status);
    Ok(stored)
}

/// Calls the platform. There is always a result to store: a change that was not sent has failed.
async fn result(app: &App, payment: &Payment, change: &Change) -> (ChangeResult, Option<Error>) {
    let outcome = match may_repeat(app, payment, change) {
        Ok(repeat) => call_platform(app, payment, change, repeat).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(Outcome::Done) => (ChangeResult::Done, None),
        Ok(Outcome::Unknown(doubt)) => {
            tracing::warn!(
                payment = %payment.id,
                doubt = doubt.as_str(),
                "the outcome of a capture, void or refund is unknown"
            );
            (ChangeResult::Unknown, None)
        }
        // If the platform does not recognise repeats, a refusal says nothing about the first attempt.
        Err(error)
            if change.again
                && !app
                    .capabilities(payment.platform)
                    .is_ok_and(|can| can.payment_lookup) =>
        {
            (ChangeResult::Unknown, Some(error))
        }
        Err(error) => (ChangeResult::Failed, Some(error)),
    }
}

/// A result that is to be stored.
struct Finish {
    change: ChangeId,
    result: ChangeResult,
    error: Option<Error>,
    render: Arc<dyn Render>,
    _claimed: Claimed,
    _working: Working,
}

impl Finish {
    /// The answer for repeated requests.
    fn answer(&self, payment: &Payment) -> Option<StoredAnswer> {
        match &self.error {
            Some(error) if error.is_rejection() => Some(self.render.error(error)),
            Some(_) => None,
            None => Some(self.render.payment(payment)),
        }
    }
}

/// Looks up a change whose answer was lost, by sending it again with the same key if the platform still recognises
/// that.
pub(super) async fn lookup(app: &App, payment: &Payment, change: &Change) -> Result<(), Error> {
    let again = Change {
        again: true,
        ..change.clone()
    };
    let repeat = may_repeat(app, payment, change)?;
    if app.stopping.is_cancelled() {
        return Ok(());
    }
    let outcome = if repeat {
        call_platform(app, payment, &again, true).await
    } else if app.capabilities(payment.platform)?.change_lookup {
        // A lookup alone moves no money, so a server that stops does not wait for it.
        let lookup = call_platform(app, payment, &again, false);
        match app.stopping.run_until_cancelled(lookup).await {
            Some(outcome) => outcome,
            None => return Ok(()),
        }
    } else {
        return Ok(());
    };
    let result = match outcome {
        Ok(Outcome::Done) => ChangeResult::Done,
        Err(error) if error.is_rejection() => ChangeResult::Failed,
        Ok(Outcome::Unknown(_)) | Err(_) => return Ok(()),
    };
    store_result(app, &change.id, result, Reporter::Lookup, |_| None).await?;
    app.lookups.settled(change.id.as_str());
    Ok(())
}

/// Whether the platform still recognises the key of a change.
fn may_repeat(app: &App, payment: &Payment, change: &Change) -> Result<bool, Error> {
    let limit = app.capabilities(payment.platform)?.idempotency_window;
    let age = app.lookups.age(change.id.as_str(), change.created_at, &app.clock);
    Ok(age.is_below(limit))
}

async fn call_platform(
    app: &App,
    payment: &Payment,
    change: &Change,
    repeat: bool,
) -> Result<Outcome, Error> {
    let gateway = Arc::clone(&app.account(payment.platform)?.gateway);
    let operation = match change.movement {
        Movement::Capture => Operation::Capture,
        Movement::Void => Operation::Void,
        Movement::Refund => Operation::Refund,
    };
    let (transport, payment, change) = (
        app.transport(payment.platform, operation)?.clone(),
        payment.clone(),
        change.clone(),
    );
    let permit = app.enter(payment.platform, Purpose::Operation).await?;
    let (id, platform) = (payment.id.clone(), payment.platform);
    let moved =
        Amount::from_minor(change.amount, payment.amount.currency()).map_err(|_| Reason::AmountInvalid)?;
    let part = (!change.whole).then_some(moved);
    // A task of its own: if it panics, the outcome is unknown and the change does not hang.
    let call = tokio::spawn(async move {
        let _permit = permit;
        let of = PaymentRef {
            // The platform has numbered the payments of a subscription itself.
            reference: match (&payment.subscription_id, &payment.platform_payment) {
                (Some(_), Some(numbered)) => numbered,
                _ => &payment.order_reference,
            },
            authorization: payment.authorization.as_deref(),
            platform_id: payment.platform_payment.as_deref(),
            bin: change.bin.as_deref(),
            last4: payment.last4.as_deref(),
            amount: &payment.amount,
            moved: &moved,
            attempt: change.id.as_str(),
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
        return Ok(Outcome::Unknown(Doubt::Interrupted));
    };
    result.map_err(|refusal| {
        let reason = match refusal {
            // The payment was stored without these details, so the merchant has to change it at the platform.
            Refusal::Invalid(_) => Reason::CardUnknown,
            refusal @ (Refusal::NotOffered
            | Refusal::CurrencyNotSupported
            | Refusal::NotSent
            | Refusal::BelongsElsewhere
            | Refusal::PageOpen
            | Refusal::Sealed(_)
            | Refusal::Rejected(_)) => Reason::Refused(refusal),
        };
        Error::from(reason).about(&id).at(platform)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payments::example;

    const MOVEMENTS: [Movement; 3] = [Movement::Capture, Movement::Void, Movement::Refund];

    #[test]
    fn a_change_starts_from_the_states_that_allow_it() {
        let (capturing, voiding) = (Some(Status::CaptureInFlight), Some(Status::VoidInFlight));
        let refunding = Some(Status::RefundInFlight);
        let allowed = [
            (Status::Authorized, [capturing, voiding, None]),
            (Status::Approved, [None, voiding, refunding]),
            (Status::PartiallyRefunded, [None, None, refunding]),
            (Status::VoidUnknown, [None, voiding, None]),
        ];
        for status in Status::ALL {
            let payment = example(*status);
            let started = MOVEMENTS.map(|movement| match decide(&payment, movement, None) {
                ChangeDecision::Start { status, .. } | ChangeDecision::Again { status } => Some(status),
                ChangeDecision::Done | ChangeDecision::NotAllowed | ChangeDecision::TooMuch => None,
            });
            let expected = allowed.iter().find(|(from, _)| from == status);
            let expected = expected.map_or([None; 3], |(_, started)| *started);
            assert_eq!(started, expected, "{status:?}");
        }
    }

    #[test]
    fn what_is_done_is_done_once() {
        let done =
            |payment: &Payment, movement, amount| decide(payment, movement, amount) == ChangeDecision::Done;
        let captured = Payment {
            capture_later: true,
            ..example(Status::Approved)
        };
        assert!(done(&captured, Movement::Capture, None));
        assert!(done(&captured, Movement::Capture, Some(1000)));
        assert!(!done(&captured, Movement::Capture, Some(999)));
        assert!(!done(&example(Status::Approved), Movement::Capture, None));
        assert!(done(&example(Status::Voided), Movement::Void, None));
        assert!(done(&example(Status::Refunded), Movement::Refund, Some(1000)));
        assert!(!done(&example(Status::Refunded), Movement::Refund, Some(1)));
    }

    #[test]
    fn a_refund_takes_what_is_left_and_no_more() {
        let payment = Payment {
            refunded: 400,
            ..example(Status::PartiallyRefunded)
        };
        let refund = |amount| decide(&payment, Movement::Refund, amount);
        let start = |amount| ChangeDecision::Start {
            status: Status::RefundInFlight,
            amount,
            whole: false,
        };
        assert_eq!(refund(None), start(600));
        assert_eq!(refund(Some(599)), start(599));
        assert_eq!(refund(Some(601)), ChangeDecision::TooMuch);
    }

    #[test]
    fn a_result_settles_the_change_that_is_waited_for_and_no_other() {
        let change = |movement, amount, before| Change {
            id: "chg_1".into(),
            payment: "pay_1".into(),
            movement,
            amount,
            whole: false,
            bin: None,
            before,
            again: false,
            created_at: 1,
        };
        let refund = |amount| change(Movement::Refund, amount, Status::Approved);
        let after = |status, change: &Change, result| {
            update(&example(status), change, result, Reporter::Lookup)
                .map(|update| (update.status, update.captured, update.refunded))
        };
        for waiting in [Status::RefundInFlight, Status::RefundUnknown] {
            let part = after(waiting, &refund(1), ChangeResult::Done);
            assert_eq!(part, Some((Status::PartiallyRefunded, 1000, 1)));
            let whole = after(waiting, &refund(1000), ChangeResult::Done);
            assert_eq!(whole, Some((Status::Refunded, 1000, 1000)));
            let failed = after(waiting, &refund(1), ChangeResult::Failed);
            assert_eq!(failed, Some((Status::Approved, 1000, 0)));
            let unknown = after(waiting, &refund(1), ChangeResult::Unknown);
            assert_eq!(unknown, Some((Status::RefundUnknown, 1000, 0)));
        }
        let capture = change(Movement::Capture, 700, Status::Authorized);
        let captured = after(Status::CaptureUnknown, &capture, ChangeResult::Done);
        assert_eq!(captured, Some((Status::Approved, 700, 0)));
        let void = change(Movement::Void, 1000, Status::Authorized);
        let failed = after(Status::VoidInFlight, &void, ChangeResult::Failed);
        assert_eq!(failed, Some((Status::Authorized, 1000, 0)));
        for status in Status::ALL {
            if ![Status::RefundInFlight, Status::RefundUnknown].contains(status) {
                assert_eq!(after(*status, &refund(1), ChangeResult::Done), None, "{status:?}");
            }
        }
    }
}
