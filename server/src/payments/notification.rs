//! Applies verified notifications. Each takes effect once, however often it is sent.

use cardseal::platform::Platform;
use std::sync::Arc;

use cardseal_gateways::gateway::{Notification, PaymentEvent};

use super::report::Report;
use super::state::{Event, Reporter};
use super::{Error, reconcile};
use crate::App;
use crate::gate::Purpose;
use crate::metrics::Operation;
use crate::store::{Effect, Notice, NoticeAction, NoticeSubject, Payment, Status};

/// A verified notification.
pub(crate) struct Received<'a> {
    pub(crate) platform: Platform,
    /// The route of the platform's webhook.
    pub(crate) route: &'a str,
    /// Identifies the notification when it is sent again.
    pub(crate) digest: &'a str,
    pub(crate) notification: &'a Notification,
}

/// Stores a notification and applies its effect, once.
pub(crate) async fn take(app: &App, received: &Received<'_>) -> Result<(), Error> {
    let Received {
        platform,
        route,
        digest,
        notification,
    } = *received;
    let account = app.account(platform)?;
    // A hint counts only as far as a lookup at the platform confirms it.
    let confirmed = if let Notification::Hint { platform_id, .. } = notification
        && !app.store.knows_notification(digest).await?
    {
        let _permit = app.enter(platform, Purpose::Operation).await?;
        let transport = app.transport(platform, Operation::Lookup)?;
        Some(account.gateway.confirm(transport, platform_id).await?)
    } else {
        None
    };
    let can = account.gateway.capabilities();
    let effect = store(app, received, confirmed.as_ref().unwrap_or(notification)).await?;
    if matches!(effect, Effect::Conflict | Effect::PaymentCorrected) {
        tracing::warn!(
            platform = platform.id(),
            route,
            effect = effect.stored(),
            "a notification contradicts the known state"
        );
    } else {
        tracing::info!(
            platform = platform.id(),
            route,
            effect = effect.stored(),
            "notification processed"
        );
    }
    // The notification may be about an unknown capture, void or refund. Look that up now.
    if let Some(Notification::Payment { reference, .. } | Notification::Nothing { reference }) = &confirmed
        && can.change_lookup
        && let Some(payment) = app.store.unknown_of(platform, reference).await?
    {
        let owner = Arc::clone(app);
        app.to_completion(async move { reconcile(&owner, &payment).await })
            .await?;
    }
    Ok(())
}

async fn store(app: &App, received: &Received<'_>, notification: &Notification) -> Result<Effect, Error> {
    let notice = |reference: &String| Notice {
        digest: received.digest.to_owned(),
        platform: received.platform,
        route: received.route.to_owned(),
        reference: reference.clone(),
    };
    let now = app.clock.now();
    let effect = match notification {
        // A hint that could not be looked up stays open until it is sent again.
        Notification::Hint { reference, .. } => {
            let subject = NoticeSubject::None(Effect::Unmatched);
            app.store.notify(notice(reference), subject, now).await
        }
        // Those are taken by another module.
        Notification::Subscription {
            platform_id: reference,
        }
        | Notification::Nothing { reference } => {
            let subject = NoticeSubject::None(Effect::Nothing);
            app.store.notify(notice(reference), subject, now).await
        }
        Notification::Card { reference, card } => {
            let subject = NoticeSubject::Card(card.clone());
            app.store.notify(notice(reference), subject, now).await
        }
        Notification::Payment { reference, news } => {
            // A customer may try several times on the platform's page. The payment is the last attempt.
            let pages = app.capabilities(received.platform)?.hosted_page;
            let report = Report::from(news);
            let subject = NoticeSubject::Payment {
                creates: !(pages && matches!(news, PaymentEvent::Declined(_) | PaymentEvent::Failed(_))),
                decide: Box::new(move |payment| decide(payment, &report)),
            };
            app.store.notify(notice(reference), subject, now).await
        }
    };
    let effect = effect?;
    app.metrics.notified(received.platform, effect);
    Ok(effect)
}

/// What a report does to a payment, and the name of that effect.
fn decide(payment: &Payment, report: &Report) -> (NoticeAction, Effect) {
    if let Some(update) = report.update(payment, Reporter::Notification) {
        let effect = if matches!(payment.status, Status::InFlight | Status::Unknown) {
            Effect::PaymentSettled
        } else {
            Effect::PaymentCorrected
        };
        return (NoticeAction::Update(Box::new(update)), effect);
    }
    match (payment.status, report.event) {
        // The first report may have come from a browser, of which only the signed part was stored.
        (Status::Approved, Event::Approved) | (Status::Authorized, Event::Authorized) => {
            (NoticeAction::Complete(report.approval.clone()), Effect::Known)
        }
        (Status::Voided, Event::Voided)
        | (Status::Declined, Event::Declined)
        | (Status::Failed, Event::Failed) => (NoticeAction::Nothing, Effect::Known),
        // It has been voided or refunded since.
        (
            Status::Voided | Status::VoidInFlight | Status::VoidUnknown,
            Event::Approved | Event::Authorized | Event::Voided,
        )
        | (Status::Approved, Event::Authorized)
        | (
            Status::CaptureInFlight
            | Status::CaptureUnknown
            | Status::PartiallyRefunded
            | Status::Refunded
            | Status::RefundInFlight
            | Status::RefundUnknown,
            Event::Approved | Event::Authorized,
        ) => (NoticeAction::Nothing, Effect::Outdated),
        // A contradiction that a person has to look at.
        _ => (NoticeAction::Nothing, Effect::Conflict),
    }
}

#[cfg(test)]
mod tests {
    use cardseal_gateways::gateway::{Approval, Decline};

    use super::*;
    use crate::payments::example;

    /// What a notification does in each state: approved, authorized, voided, declined, failed.
    const EFFECTS: &[(Status, [&str; 5])] = &[
        (Status::InFlight, ["payment_settled"; 5]),
        (
            Status::Approved,
            ["known", "outdated", "payment_corrected", "conflict", "conflict"],
        ),
        (
            Status::Authorized,
            [
                "payment_corrected",
                "known",
                "payment_corrected",
                "conflict",
                "conflict",
            ],
        ),
        (
            Status::Declined,
            [
                "payment_corrected",
                "payment_corrected",
                "conflict",
                "known",
                "conflict",
            ],
        ),
        (Status::Unknown, ["payment_settled"; 5]),
        (
            Status::Failed,
            [
                "payment_corrected",
                "payment_corrected",
                "conflict",
                "conflict",
                "known",
            ],
        ),
        (Status::CaptureInFlight, SINCE),
        (Status::CaptureUnknown, SINCE),
        (Status::VoidInFlight, SINCE_VOIDED),
        (Status::VoidUnknown, SINCE_VOIDED),
        (
            Status::Voided,
            ["outdated", "outdated", "known", "conflict", "conflict"],
        ),
        (Status::RefundInFlight, SINCE),
        (Status::RefundUnknown, SINCE),
        (Status::PartiallyRefunded, SINCE),
        (Status::Refunded, SINCE),
    ];
    const SINCE: [&str; 5] = ["outdated", "outdated", "conflict", "conflict", "conflict"];
    const SINCE_VOIDED: [&str; 5] = ["outdated", "outdated", "outdated", "conflict", "conflict"];

    #[test]
    fn a_notification_changes_what_it_may_and_nothing_else() {
        let approval = || Approval {
            platform_id: Some("1".into()),
            ..Approval::default()
        };
        let decline = Decline {
            code: None,
            reason: "declined".into(),
            message: None,
        };
        let news = [
            PaymentEvent::Approved(approval()),
            PaymentEvent::Authorized(approval()),
            PaymentEvent::Voided(approval()),
            PaymentEvent::Declined(decline),
            PaymentEvent::Failed(cardseal_gateways::error::Rejection::default()),
        ];
        assert_eq!(EFFECTS.len(), Status::ALL.len());
        for (status, effects) in EFFECTS {
            for (news, expected) in news.iter().zip(effects) {
                let (action, effect) = decide(&example(*status), &Report::from(news));
                assert_eq!(effect.stored(), *expected, "{status:?} {news:?}");
                let changes = matches!(action, NoticeAction::Update(_));
                assert_eq!(changes, expected.starts_with("payment_"), "{status:?} {news:?}");
            }
        }
    }
}
