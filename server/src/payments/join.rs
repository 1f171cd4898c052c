//! Waiting for the same request of another caller.
//!
//! Whoever works on a payment or a session holds a [`Working`]; when it is dropped, all that wait are woken, those of
//! other processes by a hint. If that is lost, they find it a second later.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::hints::{Hint, Hints, Tag};

/// The interval between two checks if nobody wakes the caller.
const CHECK: Duration = Duration::from_secs(1);

/// Who waits, by the id of the payment or session.
pub(crate) struct Joins {
    waiting: Mutex<HashMap<Tag, watch::Sender<()>>>,
    check: Duration,
    others: Hints,
}

impl Default for Joins {
    fn default() -> Self {
        Self::with(CHECK, Hints::default())
    }
}

impl Joins {
    /// Those of this process, which tell others what has ended here.
    pub(crate) fn among(others: Hints) -> Self {
        Self::with(CHECK, others)
    }

    fn with(check: Duration, others: Hints) -> Self {
        Self {
            waiting: Mutex::default(),
            check,
            others,
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<Tag, watch::Sender<()>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes all that wait for `id` when the result is dropped.
    pub(crate) fn working(self: &Arc<Self>, id: &str) -> Working {
        Working(Arc::clone(self), Tag::of(id))
    }

    /// Wakes all of this process that wait for an id.
    pub(crate) fn wake(&self, id: Tag) {
        if let Some(sender) = self.waiting().get(&id) {
            sender.send_replace(());
        }
    }
}

/// Work that others may wait for. Drop it when its result is stored.
#[must_use]
pub(crate) struct Working(Arc<Joins>, Tag);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.wake(self.1);
        self.0.others.tell(Hint::Ended(self.1));
    }
}

/// Waits for another request to end, up to a deadline.
pub(crate) struct Join<'a> {
    joins: &'a Joins,
    deadline: Instant,
    waits: Option<(Tag, watch::Receiver<()>)>,
}

impl<'a> Join<'a> {
    pub(crate) fn within(joins: &'a Joins, patience: Duration) -> Self {
        Self {
            joins,
            deadline: Instant::now() + patience,
            waits: None,
        }
    }

    /// Waits until the caller should check again whether work on `id` has ended. Returns false after the deadline.
    ///
    /// The first call returns at once: what ended between the caller's last check and this call wakes nobody.
    pub(crate) async fn wait(&mut self, id: &str) -> bool {
        if Instant::now() >= self.deadline {
            return false;
        }
        let id = Tag::of(id);
        match &mut self.waits {
            Some((own, woken)) if *own == id => {
                let check = self.deadline.min(Instant::now() + self.joins.check);
                // An error means that the time has passed.
                let _ = timeout_at(check, woken.changed()).await;
            }
            Some(_) | None => {
                self.leave();
                let mut waiting = self.joins.waiting();
                let sender = waiting.entry(id).or_default();
                self.waits = Some((id, sender.subscribe()));
            }
        }
        true
    }

    fn leave(&mut self) {
        let Some((id, woken)) = self.waits.take() else {
            return;
        };
        let mut waiting = self.joins.waiting();
        drop(woken);
        if waiting
            .get(&id)
            .is_some_and(|sender| sender.receiver_count() == 0)
        {
            waiting.remove(&id);
        }
    }
}

impl Drop for Join<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Longer than any test takes: who is not woken waits for ever.
    const NEVER: Duration = Duration::from_secs(3600);
    const PATIENCE: Duration = Duration::from_secs(60);

    /// Checks until the work is done. Returns how often that was.
    async fn checks(joins: Arc<Joins>, done: Arc<AtomicBool>) -> u32 {
        let mut join = Join::within(&joins, NEVER);
        let mut checks = 1;
        while !done.load(Ordering::SeqCst) {
            assert!(join.wait("pay_1").await);
            checks += 1;
        }
        checks
    }

    #[tokio::test]
    async fn all_that_wait_check_again_once_when_the_work_has_ended() {
        let joins = Arc::new(Joins::with(NEVER, Hints::default()));
        let done = Arc::new(AtomicBool::new(false));
        let working = joins.working("pay_1");
        let waiting: Vec<_> = (0..100)
            .map(|_| tokio::spawn(checks(Arc::clone(&joins), Arc::clone(&done))))
            .collect();
        while joins
            .waiting()
            .get(&Tag::of("pay_1"))
            .is_none_or(|sender| sender.receiver_count() < 100)
        {
            tokio::task::yield_now().await;
        }
        drop(joins.working("pay_2"));
        done.store(true, Ordering::SeqCst);
        drop(working);
        for waits in waiting {
            let checks = tokio::time::timeout(PATIENCE, waits).await.unwrap().unwrap();
            // At first, after it began to wait, and after the work.
            assert!(checks <= 3, "{checks}");
        }
        assert!(joins.waiting().is_empty());
    }

    #[tokio::test]
    async fn others_are_told_what_has_ended() {
        let (others, mut told, _heard) = Hints::to_others();
        let joins = Arc::new(Joins::among(others));
        drop(joins.working("pay_1"));
        assert_eq!(told.recv().await, Some(Hint::Ended(Tag::of("pay_1"))));
    }

    #[tokio::test]
    async fn what_another_process_ends_is_found_without_its_notice() {
        let joins = Arc::new(Joins::with(Duration::from_millis(5), Hints::default()));
        let done = Arc::new(AtomicBool::new(false));
        let waits = tokio::spawn(checks(Arc::clone(&joins), Arc::clone(&done)));
        tokio::time::sleep(Duration::from_millis(20)).await;
        done.store(true, Ordering::SeqCst);
        tokio::time::timeout(PATIENCE, waits).await.unwrap().unwrap();
        assert!(joins.waiting().is_empty());
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_deadline() {
        let joins = Joins::with(NEVER, Hints::default());
        let began = Instant::now();
        let mut join = Join::within(&joins, Duration::from_millis(30));
        while join.wait("pay_1").await {}
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(30) && took < PATIENCE, "{took:?}");
        drop(join);
        assert!(joins.waiting().is_empty());
    }

    /// The work ends at any moment between two steps of those that wait for it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn no_wake_up_is_lost() {
        let joins = Arc::new(Joins::with(NEVER, Hints::default()));
        for _ in 0..3000 {
            let done = Arc::new(AtomicBool::new(false));
            let working = joins.working("pay_1");
            let waiting: Vec<_> = (0..3)
                .map(|_| tokio::spawn(checks(Arc::clone(&joins), Arc::clone(&done))))
                .collect();
            tokio::task::yield_now().await;
            done.store(true, Ordering::SeqCst);
            drop(working);
            for waits in waiting {
                tokio::time::timeout(PATIENCE, waits).await.unwrap().unwrap();
            }
        }
        assert!(joins.waiting().is_empty());
    }
}
