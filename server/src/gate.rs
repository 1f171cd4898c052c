//! Limits the calls in flight at each platform, so that a slow platform neither exhausts this server nor affects the
//! others.
//!
//! An operation takes its slot before its first request and holds it until its last answer. An operation that has
//! begun is never refused halfway, and one that is refused sent nothing.

use cardseal::platform::Platform;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Limits on the calls to one platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Calls in flight.
    pub under_way: usize,
    /// Calls waiting for a slot.
    pub waiting: usize,
    /// How long a call waits.
    pub wait: Duration,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To open a session. Any page can do that, so sessions get at most three quarters of the slots.
    Session,
    /// Any other operation.
    Operation,
}

/// A slot. Dropping it frees the slot.
#[must_use]
pub(crate) struct Permit {
    _places: (Option<OwnedSemaphorePermit>, OwnedSemaphorePermit),
}

/// No slot was free, or the process may begin nothing. Nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many calls to the platform are in flight")]
pub struct Busy;

/// The gates of all platforms.
pub(crate) struct Gates {
    gates: BTreeMap<Platform, Gate>,
}

impl Gates {
    pub(crate) fn new(platforms: impl Iterator<Item = Platform>, limits: CallLimits) -> Self {
        Self {
            gates: platforms.map(|platform| (platform, Gate::new(limits))).collect(),
        }
    }

    /// Takes a slot of a platform, waiting for one if necessary.
    pub(crate) async fn enter(&self, platform: Platform, purpose: Purpose) -> Result<Permit, Busy> {
        let gate = self.gates.get(&platform).ok_or(Busy)?;
        gate.enter(purpose).await
    }

    /// What each gate holds now.
    pub(crate) fn load(&self) -> impl Iterator<Item = (Platform, Load)> {
        let gates = self.gates.iter();
        gates.map(|(platform, gate)| {
            let (operations, sessions) = (&gate.operations, &gate.sessions);
            let load = Load {
                in_progress: operations.places - operations.free.available_permits().min(operations.places),
                waiting: operations.waiting() + sessions.waiting(),
            };
            (*platform, load)
        })
    }

    /// Closes the gates. Waiting calls are refused at once; calls in flight go on.
    pub(crate) fn close(&self) {
        for gate in self.gates.values() {
            gate.operations.free.close();
            gate.sessions.free.close();
        }
    }
}

/// Operations at a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) in_progress: usize,
    pub(crate) waiting: usize,
}

struct Gate {
    operations: Line,
    sessions: Line,
    wait: Duration,
}

impl Gate {
    fn new(limits: CallLimits) -> Self {
        let for_sessions = (limits.under_way - limits.under_way / 4).max(1);
        Self {
            operations: Line::new(limits.under_way, limits.waiting),
            sessions: Line::new(for_sessions, limits.waiting),
            wait: limits.wait,
        }
    }

    async fn enter(&self, purpose: Purpose) -> Result<Permit, Busy> {
        let both = async {
            let session = match purpose {
                Purpose::Session => Some(self.sessions.enter().await?),
                Purpose::Operation => None,
            };
            Ok(Permit {
                _places: (session, self.operations.enter().await?),
            })
        };
        tokio::time::timeout(self.wait, both).await.unwrap_or(Err(Busy))
    }
}

/// Slots, and a bounded queue for them.
struct Line {
    free: Arc<Semaphore>,
    waiting: Semaphore,
    places: usize,
    most_waiting: usize,
}

impl Line {
    fn new(places: usize, waiting: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(places)),
            waiting: Semaphore::new(waiting),
            places,
            most_waiting: waiting,
        }
    }

    fn waiting(&self) -> usize {
        self.most_waiting - self.waiting.available_permits().min(self.most_waiting)
    }

    async fn enter(&self) -> Result<OwnedSemaphorePermit, Busy> {
        if let Ok(place) = Arc::clone(&self.free).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = self.waiting.try_acquire().map_err(|_| Busy)?;
        Arc::clone(&self.free).acquire_owned().await.map_err(|_| Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;
    use std::time::Instant;

    use super::*;

    const SLOW: Platform = Platform::GpApi;
    const QUICK: Platform = Platform::GreenPay;

    fn gates(under_way: usize, waiting: usize, wait: Duration) -> Arc<Gates> {
        let limits = CallLimits {
            under_way,
            waiting,
            wait,
        };
        Arc::new(Gates::new([SLOW, QUICK].into_iter(), limits))
    }

    /// Polls a future once.
    async fn poll_once<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
        std::future::poll_fn(|context| match future.as_mut().poll(context) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn a_full_line_refuses_at_once_and_a_wait_ends() {
        let wait = Duration::from_millis(60);
        let gates = gates(2, 1, wait);
        let first = gates.enter(SLOW, Purpose::Operation).await.unwrap();
        let _second = gates.enter(SLOW, Purpose::Operation).await.unwrap();
        let waiting = gates.enter(SLOW, Purpose::Operation);
        tokio::pin!(waiting);
        assert!(poll_once(waiting.as_mut()).await.is_none());
        // The queue is full: the next call is refused at once.
        let refused = std::pin::pin!(gates.enter(SLOW, Purpose::Operation));
        assert_eq!(poll_once(refused).await.map(Result::err), Some(Some(Busy)));
        // Another platform has a queue of its own.
        assert!(gates.enter(QUICK, Purpose::Operation).await.is_ok());
        drop(first);
        let third = waiting.await;
        let began = Instant::now();
        assert_eq!(gates.enter(SLOW, Purpose::Operation).await.err(), Some(Busy));
        assert!(third.is_ok() && began.elapsed() >= wait);
    }

    #[tokio::test]
    async fn sessions_leave_places_for_money() {
        let gates = gates(8, 0, Duration::from_secs(60));
        let mut sessions = Vec::new();
        while let Ok(permit) = gates.enter(SLOW, Purpose::Session).await {
            sessions.push(permit);
        }
        assert_eq!(sessions.len(), 6);
        let _money = gates.enter(SLOW, Purpose::Operation).await.unwrap();
        let _more = gates.enter(SLOW, Purpose::Operation).await.unwrap();
        assert_eq!(gates.enter(SLOW, Purpose::Operation).await.err(), Some(Busy));
    }

    #[tokio::test]
    async fn closing_sends_those_away_who_wait() {
        let gates = gates(1, 1, Duration::from_secs(600));
        let _inside = gates.enter(SLOW, Purpose::Operation).await.unwrap();
        let waiting = gates.enter(SLOW, Purpose::Operation);
        tokio::pin!(waiting);
        assert!(poll_once(waiting.as_mut()).await.is_none());
        gates.close();
        assert_eq!(poll_once(waiting).await.map(Result::err), Some(Some(Busy)));
        assert_eq!(gates.enter(QUICK, Purpose::Session).await.err(), Some(Busy));
    }
}
