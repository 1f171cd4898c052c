//! Joining a request that another caller has under way.

use std::time::{Duration, Instant};

/// Between two checks whether it has ended.
const POLL: Duration = Duration::from_millis(50);

/// Waits for the end of what another request is doing, for a bounded time.
pub(crate) struct Join(Instant);

impl Join {
    pub(crate) fn within(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// Waits a moment, after which the caller checks again. False once the time is up.
    pub(crate) async fn wait(&self) -> bool {
        if Instant::now() >= self.0 {
            return false;
        }
        tokio::time::sleep(POLL).await;
        true
    }
}
