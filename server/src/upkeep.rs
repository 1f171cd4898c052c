//! What runs for as long as the server does: outcomes that could not be stored at once, secrets that have outlived their
//! use, and work that a task left behind.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument;

use crate::store::StoreError;
use crate::{App, Shared};

/// How long a caller waits for an outcome to be stored, before the answer says that nobody knows yet.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two tries to store an outcome: the first pause, and what it grows to.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a server that is told to stop tries once more.
const LAST_TRIES: u32 = 3;

/// Between two rounds of the upkeep.
const ROUND: Duration = Duration::from_secs(1);
/// Every so many rounds, what has expired is wiped and what was left behind recovered.
const SWEEP: u32 = 5;

/// Stores the outcome of a call to a platform, which only this process knows. While the database cannot be written, it
/// is kept in memory and tried again, with growing pauses, until it is stored or the server stops.
///
/// Returns nothing if the outcome is not stored soon. It will be.
pub(crate) async fn store_outcome<T, F, W>(app: &App, what: &'static str, id: &str, store: F) -> Option<T>
where
    T: Send + 'static,
    F: Fn(App) -> W + Send + 'static,
    W: Future<Output = Result<T, StoreError>> + Send,
{
    let cause = match store(Arc::clone(app)).await {
        Ok(value) => return Some(value),
        Err(cause) => cause,
    };
    tracing::error!(what, id, %cause, "an outcome cannot be stored; it is kept and tried again");
    let (stored, waiting) = oneshot::channel();
    let (owner, id) = (Arc::clone(app), id.to_owned());
    let retries = async move {
        let mut pause = FIRST_PAUSE;
        let mut tries_left = LAST_TRIES;
        loop {
            if owner.stopping.is_cancelled() {
                tries_left -= 1;
                tokio::time::sleep(FIRST_PAUSE).await;
            } else {
                // An early end means that the server is told to stop.
                let rest = tokio::time::sleep(pause);
                let _ = owner.stopping.run_until_cancelled(rest).await;
            }
            match store(Arc::clone(&owner)).await {
                Ok(value) => {
                    tracing::info!(what, id, "an outcome that was kept is stored");
                    // The caller may have its answer already.
                    let _ = stored.send(value);
                    return;
                }
                Err(cause) if tries_left == 0 => {
                    tracing::error!(what, id, %cause, "an outcome was not stored; it will be unknown at the next start");
                    return;
                }
                Err(cause) => tracing::error!(what, id, %cause, "an outcome still cannot be stored"),
            }
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    };
    app.tasks.spawn(retries.in_current_span());
    tokio::time::timeout(PATIENCE, waiting).await.ok()?.ok()
}

/// Starts the upkeep, which ends with the application.
pub(crate) fn start(app: &App) {
    let app = Arc::downgrade(app);
    tokio::spawn(async move {
        let mut failures = 0_u32;
        for round in 0_u32.. {
            let Some(app) = Weak::upgrade(&app).filter(|app| !app.stopping.is_cancelled()) else {
                return;
            };
            let tracked = app.tasks.token();
            match run(&app, round % SWEEP == 0).await {
                Ok(()) => failures = 0,
                Err(cause) => {
                    failures = failures.saturating_add(1);
                    // Not once a second for as long as the disk is full.
                    if failures.is_power_of_two() {
                        tracing::error!(%cause, failures, "the upkeep of the database fails");
                    }
                }
            }
            drop((tracked, app));
            tokio::time::sleep(ROUND).await;
        }
    });
}

async fn run(app: &Shared, sweep: bool) -> Result<(), StoreError> {
    if sweep {
        let pages: Vec<&str> = app
            .config
            .platforms
            .iter()
            .filter(|(_, account)| account.gateway.capabilities().hosted_page)
            .map(|(id, _)| *id)
            .collect();
        app.store.wipe_sessions(&pages, app.clock.now()).await?;
        if let Some(left) = app.store.recover_abandoned(app.clock.now()).await? {
            tracing::error!(
                payments = left.payments,
                changes = left.changes,
                sessions = left.sessions,
                "work was left behind by a task that ended early; its outcome is unknown"
            );
        }
    }
    app.store.empty_log().await?;
    Ok(())
}
