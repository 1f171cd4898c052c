//! Payments that a platform lists, of subscriptions that it charges by itself.

use std::time::Duration;

use super::Error;
use super::report::Report;
use super::state::Reporter;
use crate::App;
use crate::store::{ListedRule, Payment, Status};

/// What a payment becomes, given what the platform lists.
pub(crate) fn listed_rule() -> Box<ListedRule> {
    // The platform's own word, as a notification is.
    Box::new(|payment, listed| {
        let report = Report::from(&listed.outcome).numbered(Some(listed.reference.clone()));
        report.update(payment, Reporter::Notification)
    })
}

/// Settles a payment that the platform does not list as failed, once it is certain that the request did not arrive.
/// Returns whether it did so.
pub(crate) async fn never_arrived(app: &App, payment: &Payment, after: Duration) -> Result<bool, Error> {
    if payment.status != Status::Unknown {
        return Ok(false);
    }
    let age = app
        .lookups
        .age_of(payment.id.as_str(), payment.created_at, &app.clock);
    if age < after {
        return Ok(false);
    }
    let report = Report::failed();
    let decide = move |payment: &Payment| report.update(payment, Reporter::Lookup);
    app.store
        .update_payment(&payment.id, decide, app.clock.now())
        .await?;
    app.lookups.settled(payment.id.as_str());
    app.metrics.outcome(payment.platform, Status::Failed);
    tracing::warn!(payment = %payment.id, "a payment of a subscription did not arrive at the platform");
    Ok(true)
}
