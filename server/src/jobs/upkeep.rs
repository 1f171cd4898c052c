//! Wipes secrets that are no longer needed, recovers abandoned work, and drops the state of rate limits that are back
//! at their full quota.

use cardseal::platform::Platform;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::payments::abandoned;
use crate::store::StoreError;
use crate::{App, Shared};

/// The interval between two rounds.
const ROUND: Duration = Duration::from_secs(1);
/// Secrets are wiped and abandoned work is recovered once in this many rounds. What a neighbour has left is looked for in
/// each.
const SWEEP: u32 = 5;

/// Starts the job. It ends with the application.
pub(super) fn start(app: &App) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        let mut failures = 0_u32;
        for round in 0_u32.. {
            let Some(app) = Weak::upgrade(&app).filter(|app| !app.jobs.is_cancelled()) else {
                return;
            };
            app.access.forget_idle();
            app.attempts.forget_idle();
            let tracked = app.tasks.token();
            match run(&app, round % SWEEP == 0).await {
                Ok(()) => failures = 0,
                Err(cause) => {
                    failures = failures.saturating_add(1);
                    // A full disk must not log a line a second.
                    if failures.is_power_of_two() {
                        tracing::error!(%cause, failures, "the maintenance of the database failed");
                    }
                }
            }
            drop((tracked, app));
            tokio::time::sleep(ROUND).await;
        }
    });
}

async fn run(app: &Shared, sweep: bool) -> Result<(), StoreError> {
    if sweep && app.store.tidies().await? {
        let pages: Vec<Platform> = app
            .config
            .platforms
            .iter()
            .filter(|(_, account)| account.gateway.capabilities().hosted_page)
            .map(|(id, _)| *id)
            .collect();
        app.store.wipe_sessions(&pages, app.clock.now()).await?;
    }
    // A neighbour's callers wait for the end of its lease.
    if sweep || app.store.is_shared() {
        let now = app.clock.now();
        if let Some(left) = app.store.recover_abandoned(&abandoned(), now).await? {
            if left.instances > 0 {
                tracing::warn!(
                    instances = left.instances,
                    payments = left.payments,
                    changes = left.changes,
                    subscriptions = left.subscriptions,
                    sessions = left.sessions,
                    "another process did not renew its lease; its work was taken over, and what it had under way is \
                     unknown until the platform is asked"
                );
                return Ok(());
            }
            tracing::error!(
                payments = left.payments,
                changes = left.changes,
                subscriptions = left.subscriptions,
                sessions = left.sessions,
                "a task ended early, or a process stopped before its work was done; the outcome is unknown"
            );
        }
    }
    app.store.empty_log().await?;
    Ok(())
}
