//! Jobs that work in small steps, with pauses that leave the database to the traffic.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::store::StoreError;
use crate::{App, Shared};

/// How long a job rests after a failure.
pub(super) const ROUND: Duration = Duration::from_secs(5);
/// How long it rests after a step, as a multiple of the step's own time, and the shortest rest.
const REST: u32 = 4;
const SHORTEST_REST: Duration = Duration::from_millis(10);

/// What follows a step.
pub(super) enum Next {
    /// Another one, after a rest that grows with what this one took.
    Step,
    /// Another one after this time.
    After(Duration),
    /// Nothing: the job is done.
    End,
}

/// A job of many steps.
pub(super) trait Steps: Send + 'static {
    /// What could not be done, for the log.
    const FAILURE: &'static str;

    /// Does a little.
    fn step(&mut self, app: &Shared) -> impl Future<Output = Result<Next, StoreError>> + Send;
}

/// Runs a job until it is done, or until the application ends or another configuration takes over.
pub(super) fn start<J: Steps>(app: &App, mut job: J) {
    let (app, stopping) = (Arc::downgrade(app), app.jobs.clone());
    tokio::spawn(async move {
        let mut failures = 0_u32;
        loop {
            let Some(app) = Weak::upgrade(&app).filter(|_| !stopping.is_cancelled()) else {
                return;
            };
            let tracked = app.tasks.token();
            let began = Instant::now();
            let next = job.step(&app).await;
            if next.is_ok() {
                failures = 0;
            }
            let rest = match next {
                Ok(Next::Step) => SHORTEST_REST.max(began.elapsed() * REST),
                Ok(Next::After(rest)) => rest,
                Ok(Next::End) => return,
                Err(cause) => {
                    failures = failures.saturating_add(1);
                    // A full disk must not log a line every few seconds.
                    if failures.is_power_of_two() {
                        tracing::error!(%cause, failures, "{}", J::FAILURE);
                    }
                    ROUND
                }
            };
            drop((tracked, app));
            if stopping
                .run_until_cancelled(tokio::time::sleep(rest))
                .await
                .is_none()
            {
                return;
            }
        }
    });
}
