//! Hears what other processes on the same database tell.

use std::sync::{Arc, Weak};

use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::hints::{Hint, Rate};
use crate::{App, Shared};

/// Starts the job, if there can be others. It ends with the application, or when another configuration takes over.
pub(super) fn start(app: &App) {
    if let Some(told) = app.store.hints().told() {
        tokio::spawn(run(Arc::downgrade(app), told));
    }
}

async fn run(app: Weak<Shared>, mut told: Receiver<Hint>) {
    let Some(owner) = Weak::upgrade(&app) else { return };
    let stopping = owner.jobs.clone();
    drop(owner);
    loop {
        let hint = match stopping.run_until_cancelled(told.recv()).await {
            Some(Ok(hint)) => hint,
            Some(Err(RecvError::Lagged(_))) => continue,
            Some(Err(RecvError::Closed)) | None => return,
        };
        let Some(app) = Weak::upgrade(&app) else { return };
        match hint {
            Hint::Ended(id) => app.joins.wake(id),
            Hint::Counted(Rate::Requests, client) => app.access.count(client),
            Hint::Counted(rate, key) => app.attempts.count(rate, key),
        }
    }
}
