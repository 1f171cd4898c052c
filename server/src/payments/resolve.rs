//! Resolves an unknown payment by the merchant's word, who has seen the platform's own records.

use std::time::Duration;

use cardseal_gateways::gateway::Approval;
use tokio::time::Instant;

use super::change::store_result;
use super::lookups::Turn;
use super::report::Report;
use super::state::Reporter;
use super::{Error, Reason};
use crate::App;
use crate::store::{ChangeResult, Payment, PaymentId, Status};

/// How often a neighbour's lookup is checked for its end.
const CHECK: Duration = Duration::from_millis(200);

/// Gives an unknown payment the status that the merchant reports.
pub(crate) async fn resolve(
    app: &App,
    id: &PaymentId,
    to: Status,
    authorization: Option<String>,
) -> Result<Payment, Error> {
    app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?;
    // A lookup may send a charge again. That must not happen after the merchant's resolution.
    let deadline = Instant::now() + app.config.limits.idempotency_wait;
    let turn = Turn::wait(&app.lookups, id, app.config.limits.idempotency_wait).await;
    let _turn = turn.ok_or_else(|| Error::from(Reason::LookupInProgress).about(id))?;
    // The lookup may be a neighbour's.
    while !app.store.ask(id).await? {
        if Instant::now() >= deadline {
            return Err(Error::from(Reason::LookupInProgress).about(id));
        }
        tokio::time::sleep(CHECK).await;
    }
    let resolved = resolve_now(app, id, to, authorization).await;
    if let Err(cause) = app.store.asked(id).await {
        tracing::warn!(payment = %id, %cause, "the end of a resolution cannot be stored");
    }
    resolved
}

/// Does it while nobody looks the payment up.
async fn resolve_now(
    app: &App,
    id: &PaymentId,
    to: Status,
    authorization: Option<String>,
) -> Result<Payment, Error> {
    let payment = app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?;
    match (payment.status, to) {
        (Status::Unknown, Status::Approved) => {
            set(app, id, Report::approved(authorized_as(authorization))).await?;
        }
        (Status::Unknown, Status::Authorized) => {
            set(app, id, Report::authorized(authorized_as(authorization))).await?;
        }
        (Status::Unknown, Status::Failed) => set(app, id, Report::failed()).await?,
        (Status::VoidUnknown, Status::Voided)
        | (Status::RefundUnknown, Status::Refunded)
        | (Status::CaptureUnknown, Status::Approved) => settle(app, id, ChangeResult::Done).await?,
        // The change was not made: the payment is what it was before.
        (Status::VoidUnknown | Status::RefundUnknown, Status::Approved | Status::Authorized)
        | (Status::CaptureUnknown, Status::Authorized) => settle(app, id, ChangeResult::Failed).await?,
        _ => return Err(Error::from(Reason::NotResolvable).about(id)),
    }
    app.lookups.settled(id.as_str());
    tracing::warn!(
        payment = %id,
        from = payment.status.stored(),
        to = to.stored(),
        "resolved by the merchant"
    );
    let resolved = app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?;
    if payment.status == Status::Unknown {
        app.metrics.outcome(resolved.platform, resolved.status);
    }
    Ok(resolved)
}

fn authorized_as(authorization: Option<String>) -> Approval {
    Approval {
        authorization,
        ..Approval::default()
    }
}

async fn set(app: &App, id: &PaymentId, report: Report) -> Result<(), Error> {
    let decide = move |payment: &Payment| report.update(payment, Reporter::Lookup);
    Ok(app.store.update_payment(id, decide, app.clock.now()).await?)
}

async fn settle(app: &App, payment: &PaymentId, result: ChangeResult) -> Result<(), Error> {
    let change = app.store.unknown_change(payment).await?;
    let change = change.ok_or_else(|| Error::from(Reason::NotResolvable).about(payment))?;
    store_result(app, &change.id, result, Reporter::Lookup, |_| None).await?;
    Ok(())
}
