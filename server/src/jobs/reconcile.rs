//! Reconciles unknown payments in the background, at platforms that can be asked.

use cardseal::platform::Platform;
use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::payments;
use crate::store::PaymentId;
use crate::{App, Shared};

/// The interval between two queries for unknown payments.
const ROUND: Duration = Duration::from_millis(500);
/// How many lookups may be in progress at each platform.
const LOOKUPS_PER_PLATFORM: usize = 16;

/// Starts a task for each platform that can be asked, so that a slow one does not delay the others. The tasks end
/// with the application.
pub(super) fn start(app: &App) {
    for (platform, account) in app.config.platforms() {
        if account.gateway.capabilities().payment_lookup {
            tokio::spawn(run(Arc::downgrade(app), app.jobs.clone(), platform));
        }
    }
}

async fn run(app: Weak<Shared>, stopping: CancellationToken, platform: Platform) {
    let mut lookups = tokio::task::JoinSet::new();
    let mut busy = HashSet::new();
    let mut round = tokio::time::interval(ROUND);
    round.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // If even noting the lookup fails, the payment waits for the next round.
    let mut failed: Vec<PaymentId> = Vec::new();
    loop {
        tokio::select! {
            _ = round.tick() => {
                for id in failed.drain(..) {
                    busy.remove(&id);
                }
            }
            Some(ended) = lookups.join_next() => match ended {
                Ok((id, true)) => drop(busy.remove(&id)),
                Ok((id, false)) => failed.push(id),
                Err(_) => {}
            },
            () = stopping.cancelled() => return,
        }
        if lookups.is_empty() {
            // This includes lookups that panicked.
            busy.retain(|id| failed.contains(id));
        }
        let Some(app) = Weak::upgrade(&app) else {
            return;
        };
        let free = LOOKUPS_PER_PLATFORM.saturating_sub(lookups.len());
        if free == 0 {
            continue;
        }
        // Payments that are being looked up are still due, so the query asks for that many more.
        let limit = u32::try_from(busy.len() + free).unwrap_or(u32::MAX);
        let Ok(due) = app
            .store
            .unknown_payments(platform, app.clock.steady(), limit)
            .await
        else {
            continue;
        };
        let due: Vec<PaymentId> = due
            .into_iter()
            .filter(|id| !busy.contains(id))
            .take(free)
            .collect();
        // The platform's answer could not be stored. Pause until that works.
        if !due.is_empty() && !app.store.health(app.clock.now()).await.writer {
            continue;
        }
        for id in due {
            busy.insert(id.clone());
            let app = Arc::clone(&app);
            let tracked = app.tasks.token();
            lookups.spawn(async move {
                let result = payments::reconcile(&app, &id).await;
                if let Err(error) = &result {
                    tracing::warn!(
                        payment = %id,
                        %error,
                        "the lookup of a payment failed"
                    );
                }
                drop(tracked);
                (id, result.is_ok())
            });
        }
    }
}
