//! Counts how often each limit of the server took effect, and logs a summary instead of a line for each time.

use std::fmt::Write;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The interval between two summaries.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(5);

/// The server's limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// A request's header did not arrive in time.
    HeaderTimeout,
    /// An idle connection was closed. This is normal.
    IdleTimeout,
    /// A request's body did not arrive in time.
    BodyTimeout,
    /// A client did not read its response.
    ResponseTimeout,
    /// A request's header was too long.
    HeaderBytes,
    /// A connection that waited for a request was closed to make room for another.
    Connections,
    /// As many connections as may be open are serving requests: new ones wait.
    ConnectionsFull,
    /// A client address has as many connections as it may have.
    ConnectionsPerAddress,
    /// The operating system refused a connection, for example because too many files are open.
    Accept,
    /// A call to a platform was refused because too many are in flight.
    PlatformBusy,
}

impl Bound {
    pub(crate) const ALL: [Self; 10] = [
        Self::HeaderTimeout,
        Self::IdleTimeout,
        Self::BodyTimeout,
        Self::ResponseTimeout,
        Self::HeaderBytes,
        Self::Connections,
        Self::ConnectionsFull,
        Self::ConnectionsPerAddress,
        Self::Accept,
        Self::PlatformBusy,
    ];

    /// The name in the log.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HeaderTimeout => "header_timeout",
            Self::IdleTimeout => "idle_timeout",
            Self::BodyTimeout => "body_timeout",
            Self::ResponseTimeout => "response_timeout",
            Self::HeaderBytes => "max_header_bytes",
            Self::Connections => "max_connections",
            Self::ConnectionsFull => "max_connections_wait",
            Self::ConnectionsPerAddress => "max_per_address",
            Self::Accept => "accept_failed",
            Self::PlatformBusy => "calls_per_platform",
        }
    }
}

/// How often each limit took effect since the start.
#[derive(Default)]
pub struct Bounds {
    counts: [AtomicU64; Bound::ALL.len()],
    reported: Mutex<[u64; Bound::ALL.len()]>,
}

impl Bounds {
    fn counter(&self, bound: Bound) -> Option<&AtomicU64> {
        let index = Bound::ALL.iter().position(|other| *other == bound)?;
        self.counts.get(index)
    }

    /// Counts one occurrence.
    pub(crate) fn acted(&self, bound: Bound) {
        if let Some(counter) = self.counter(bound) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The number of occurrences.
    #[must_use]
    pub fn count(&self, bound: Bound) -> u64 {
        self.counter(bound)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    /// Logs what took effect since the last summary: one line, or none.
    pub(crate) fn report(&self) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        let mut line = String::new();
        let mut ordinary = true;
        for (bound, reported) in Bound::ALL.into_iter().zip(reported.iter_mut()) {
            let total = self.count(bound);
            let since = total - *reported;
            if since > 0 {
                ordinary &= bound == Bound::IdleTimeout;
                let separator = if line.is_empty() { "" } else { ", " };
                // Writing to a text cannot fail.
                let _ = write!(line, "{separator}{} {since} (total {total})", bound.as_str());
            }
            *reported = total;
        }
        if line.is_empty() {
            return;
        }
        if ordinary {
            tracing::debug!(bounds = line, "bounds acted");
        } else {
            tracing::warn!(bounds = line, "bounds acted");
        }
    }
}
