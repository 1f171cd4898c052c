//! Waiting for the same request of another caller.

use std::time::{Duration, Instant};

/// The interval between two checks.
const POLL: Duration = Duration::from_millis(50);

/// Waits for another request to end, up to a deadline.
pub(crate) struct Join(Instant);

impl Join {
    pub(crate) fn within(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// Pauses before the caller checks again. Returns false after the deadline.
    pub(crate) async fn wait(&self) -> bool {
        if Instant::now() >= self.0 {
            return false;
        }
        tokio::time::sleep(POLL).await;
        true
    }
}
