//! Looks up payments whose answer was lost, at platforms that can be asked.
//!
//! A charge is looked up by its reference. A charge that the platform does not know, and a change, are sent again
//! with their first idempotency key, while the platform still recognises it and does nothing twice.

use std::sync::Arc;
use std::time::Duration;

use cardseal_gateways::Transport;
use cardseal_gateways::error::{Doubt, Refusal};
use cardseal_gateways::gateway::{ChargeParams, Gateway, Outcome};
use secrecy::SecretString;

use super::charge::charge_params;
use super::lookups::Turn;
use super::report::Report;
use super::state::Reporter;
use super::{Error, Reason, change};
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::store::{Payment, PaymentId, Status};

/// How long a charge may be sent again. Hours later, the customer no longer expects it.
const REPEAT_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Looks a payment up and returns its new state. If another task is looking it up, here or in a neighbour, returns it as
/// it is.
pub(crate) async fn reconcile(app: &App, id: &PaymentId) -> Result<Payment, Error> {
    if let Some(_turn) = Turn::take(&app.lookups, id)
        && app.store.ask(id).await?
    {
        let looked_up = look_up(app, id).await;
        if let Err(cause) = app.store.asked(id).await {
            tracing::warn!(payment = %id, %cause, "the end of a lookup cannot be stored");
        }
        return looked_up;
    }
    Ok(app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?)
}

async fn look_up(app: &App, id: &PaymentId) -> Result<Payment, Error> {
    // Read within the turn, so that a payment that has been settled since is not looked up again.
    let before = app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?;
    match before.status {
        Status::Unknown => charge(app, &before).await?,
        Status::CaptureUnknown | Status::VoidUnknown | Status::RefundUnknown => {
            let unknown = app.store.unknown_change(id).await?;
            if let Some(unknown) = unknown {
                change::lookup(app, &before, &unknown).await?;
            }
        }
        Status::InFlight
        | Status::Approved
        | Status::Authorized
        | Status::Declined
        | Status::Failed
        | Status::CaptureInFlight
        | Status::VoidInFlight
        | Status::Voided
        | Status::RefundInFlight
        | Status::PartiallyRefunded
        | Status::Refunded => return Ok(before),
    }
    let payment = app.store.payment(id).await?.ok_or(Reason::PaymentNotFound)?;
    if payment.status.is_unknown() {
        app.store.note_lookup(id, app.clock.steady()).await?;
    } else {
        app.lookups.settled(id.as_str());
        // A change's outcome was counted as it was stored.
        if before.status == Status::Unknown {
            app.metrics.outcome(payment.platform, payment.status);
        }
        tracing::info!(
            payment = %id,
            status = payment.status.stored(),
            "reconciled"
        );
    }
    Ok(payment)
}

/// Does the same for a caller, if the platform can be asked. The lookup goes on if the caller hangs up.
pub(crate) async fn refresh(app: &App, id: PaymentId) -> Result<Payment, Error> {
    let payment = app.store.payment(&id).await?.ok_or(Reason::PaymentNotFound)?;
    if !app.capabilities(payment.platform)?.payment_lookup {
        return Err(Reason::NotOffered.into());
    }
    let owner = Arc::clone(app);
    app.to_completion(async move { reconcile(&owner, &id).await })
        .await
}

async fn charge(app: &App, payment: &Payment) -> Result<(), Error> {
    let gateway = &app.account(payment.platform)?.gateway;
    let token = match &payment.token_id {
        Some(token) => app
            .store
            .token(token)
            .await?
            .and_then(|token| token.platform_token),
        None => None,
    };
    let age = app
        .lookups
        .age(payment.id.as_str(), payment.created_at, &app.clock);
    let repeat = token.is_some() && age.is_below(REPEAT_WITHIN);
    let none = SecretString::default();
    let now = payment.created_at.saturating_add(age.at_least);
    // It may be sent again, and then says the same.
    let authentication = app.store.authentication_of(&payment.id).await?;
    let params = ChargeParams {
        authentication: authentication.as_ref(),
        ..charge_params(payment, token.as_ref().unwrap_or(&none), now)
    };
    // A lookup that fails says nothing about the payment.
    let failed = |cause: &dyn std::fmt::Display| {
        tracing::info!(payment = %payment.id, %cause, "a payment could not be looked up");
        Ok(())
    };
    let transport = app.transport(payment.platform, Operation::Lookup)?;
    let _permit = match app.enter(payment.platform, Purpose::Operation).await {
        Ok(permit) => permit,
        Err(busy) => return failed(&busy),
    };
    let outcome = match lookup(app, gateway.as_ref(), transport, &params, repeat).await {
        Ok(outcome) => outcome,
        Err(refusal) => return failed(&refusal),
    };
    let report = Report::from(&outcome);
    if report.adds_nothing(payment) {
        return Ok(());
    }
    let decide = move |payment: &Payment| report.update(payment, Reporter::Lookup);
    app.store
        .update_payment(&payment.id, decide, app.clock.now())
        .await?;
    Ok(())
}

/// Looks a charge up. When the server stops, only a lookup that may send the charge again is finished.
async fn lookup(
    app: &App,
    gateway: &dyn Gateway,
    transport: &Transport,
    params: &ChargeParams<'_>,
    repeat: bool,
) -> Result<Outcome, Refusal> {
    let lookup = gateway.lookup(transport, params, false);
    let Some(outcome) = app.stopping.run_until_cancelled(lookup).await else {
        return Ok(Outcome::Unknown(Doubt::Interrupted));
    };
    let outcome = outcome?;
    // The platform answered that it does not know the payment.
    let may_be_lost = outcome == Outcome::Unknown(Doubt::Interrupted);
    if may_be_lost && repeat && !app.stopping.is_cancelled() && app.store.may_begin() {
        return gateway.lookup(transport, params, true).await;
    }
    Ok(outcome)
}
