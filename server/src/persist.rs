//! Stores the outcomes of platform calls, and retries while the database cannot be written.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument;

use crate::App;
use crate::store::StoreError;

/// How long a caller waits for an outcome to be stored. After that its answer says that the outcome is unknown.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first pause between two attempts, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often a server that is told to stop tries again.
const LAST_TRIES: u32 = 3;

/// Stores the outcome of a platform call, which only this process knows. While the database cannot be written, the
/// outcome is kept in memory and storing it is retried, with growing pauses, until it works or the server stops.
///
/// Returns `None` if the outcome is not stored within two seconds. Retries go on in the background.
pub(crate) async fn store_outcome<T, F, W>(app: &App, what: &'static str, id: &str, store: F) -> Option<T>
where
    T: Send + 'static,
    F: Fn(App) -> W + Send + 'static,
    W: Future<Output = Result<T, StoreError>> + Send,
{
    let cause = match store(Arc::clone(app)).await {
        Ok(value) => return Some(value),
        Err(StoreError::LeaseLost) => {
            taken_over(what, id);
            return None;
        }
        Err(cause) => cause,
    };
    tracing::error!(what, id, %cause, "an outcome cannot be stored; it is kept in memory and storing it is retried");
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
                // The sleep ends early if the server is told to stop.
                let rest = tokio::time::sleep(pause);
                let _ = owner.stopping.run_until_cancelled(rest).await;
            }
            match store(Arc::clone(&owner)).await {
                Ok(value) => {
                    tracing::info!(what, id, "an outcome that was kept in memory is stored");
                    // The caller may have its answer already.
                    let _ = stored.send(value);
                    return;
                }
                Err(StoreError::LeaseLost) => return taken_over(what, &id),
                Err(cause) if tries_left == 0 => {
                    tracing::error!(what, id, %cause, "an outcome was not stored; after a restart it is unknown");
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

/// Another process has called the outcome unknown, and finds it out.
fn taken_over(what: &'static str, id: &str) {
    tracing::error!(
        what,
        id,
        "an outcome was not stored: another process has taken over"
    );
}
