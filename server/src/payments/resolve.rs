//! The merchant, who has seen the platform's own records, says what became of an unknown payment.

use cardseal_gateways::gateway::Approval;

use super::lookups::Turn;
use super::{Error, Reason};
use crate::App;
use crate::store::{ChangeResult, Payment, Settlement, Status};

/// Gives an unknown payment the status that the merchant found.
pub(crate) async fn resolve(
    app: &App,
    id: &str,
    to: Status,
    authorization: Option<String>,
) -> Result<Payment, Error> {
    app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?;
    // A lookup may send a charge again; that must not come after this word.
    let turn = Turn::wait(&app.lookups, id, app.config.limits.idempotency_wait).await;
    let _turn = turn.ok_or_else(|| Error::from(Reason::LookupInProgress).about(id))?;
    let payment = app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?;
    let approval = Approval {
        authorization,
        ..Approval::default()
    };
    let now = app.clock.now();
    match (payment.status, to) {
        (Status::Unknown, Status::Approved) => {
            let settlement = Settlement::Approved(&approval);
            app.store.resolve_payment(id, &settlement, now).await?;
        }
        (Status::Unknown, Status::Authorized) => {
            let settlement = Settlement::Authorized(&approval);
            app.store.resolve_payment(id, &settlement, now).await?;
        }
        (Status::Unknown, Status::Failed) => {
            app.store.resolve_payment(id, &Settlement::Failed, now).await?;
        }
        (Status::VoidUnknown, Status::Voided)
        | (Status::RefundUnknown, Status::Refunded)
        | (Status::CaptureUnknown, Status::Approved) => settle(app, id, ChangeResult::Done).await?,
        // It was not done: the payment is as it was.
        (Status::VoidUnknown | Status::RefundUnknown, Status::Approved | Status::Authorized)
        | (Status::CaptureUnknown, Status::Authorized) => settle(app, id, ChangeResult::Failed).await?,
        _ => return Err(Error::from(Reason::NotResolvable).about(id)),
    }
    app.lookups.settled(id);
    tracing::warn!(
        payment = id,
        from = payment.status.stored(),
        to = to.stored(),
        "resolved by the merchant"
    );
    Ok(app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?)
}

async fn settle(app: &App, payment: &str, result: ChangeResult) -> Result<(), Error> {
    let change = app.store.unknown_change(payment).await?;
    let change = change.ok_or_else(|| Error::from(Reason::NotResolvable).about(payment))?;
    app.store
        .finish_change(&change.id, result, |_| None, app.clock.now())
        .await?;
    Ok(())
}
