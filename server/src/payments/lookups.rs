//! Lookups in progress, and the age of unknown outcomes.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Join, Joins};
use crate::clock::Clock;
use crate::hints::Tag;
use crate::store::PaymentId;

/// How many ages are remembered. Without one, a payment's age counts from its stored time.
const MOST_AGES: usize = 100_000;
/// Longer than any platform recognises an idempotency key.
const FORGET_AFTER_MS: i64 = 48 * 60 * 60_000;

/// The payments that are being looked up, and the age of unknown outcomes.
#[derive(Default)]
pub(crate) struct Lookups {
    ids: Mutex<HashSet<PaymentId>>,
    /// Who waits for one of them.
    joins: Joins,
    /// By the id of a payment or a change.
    ages: Mutex<HashMap<String, Seen>>,
}

impl Lookups {
    fn with<T>(&self, work: impl FnOnce(&mut HashSet<PaymentId>) -> T) -> T {
        work(&mut self.ids.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ages<T>(&self, work: impl FnOnce(&mut HashMap<String, Seen>) -> T) -> T {
        work(&mut self.ages.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Remembers when this process sent a charge or a change with an unknown outcome, on the steady clock.
    pub(super) fn sent(&self, id: &str, since: i64) {
        let before = Some(0);
        self.ages(|ages| {
            if make_room(ages, since) {
                ages.insert(id.into(), Seen { before, since });
            }
        });
    }

    /// The age of a charge or change. From the first call on it does not depend on the wall clock.
    pub(super) fn age(&self, id: &str, created_at: i64, clock: &Clock) -> Age {
        let steady = clock.steady();
        let first = Seen {
            // It was created in the future, so the clock has been put back by an unknown time.
            before: Some(clock.now() - created_at).filter(|age| *age >= 0),
            since: steady,
        };
        let seen = self.ages(|ages| match ages.get(id) {
            Some(seen) => *seen,
            None => {
                if make_room(ages, steady) {
                    ages.insert(id.into(), first);
                }
                first
            }
        });
        let since = steady - seen.since;
        Age {
            at_least: since,
            at_most: seen.before.map(|before| before.saturating_add(since)),
        }
    }

    /// How old a request is at least, of which the platform may have to be asked.
    pub(crate) fn age_of(&self, id: &str, created_at: i64, clock: &Clock) -> Duration {
        let age = self.age(id, created_at, clock).at_least;
        Duration::from_millis(u64::try_from(age).unwrap_or_default())
    }

    /// Forgets the age of a charge or change whose outcome is known.
    pub(crate) fn settled(&self, id: &str) {
        self.ages(|ages| ages.remove(id));
    }
}

/// When a charge or change was first seen by this process.
#[derive(Clone, Copy)]
struct Seen {
    /// Its age at that time, if known.
    before: Option<i64>,
    /// The time on the steady clock.
    since: i64,
}

/// The age of a charge or change in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Age {
    /// The least that it can be. Use it for what needs time to arrive.
    pub(super) at_least: i64,
    /// The most that it can be. Use it for what may be repeated only for a while.
    at_most: Option<i64>,
}

impl Age {
    /// Whether it is certainly below a limit.
    pub(super) fn is_below(self, limit: Duration) -> bool {
        self.at_most
            .and_then(|age| u64::try_from(age).ok())
            .is_some_and(|age| Duration::from_millis(age) < limit)
    }
}

/// Drops the oldest ages if there are too many. They are beyond every limit that an age is compared with.
fn make_room(ages: &mut HashMap<String, Seen>, steady: i64) -> bool {
    if ages.len() >= MOST_AGES {
        ages.retain(|_, seen| steady - seen.since < FORGET_AFTER_MS);
    }
    ages.len() < MOST_AGES
}

/// The right to look up a payment. One task has it at a time, until it is dropped.
pub(super) struct Turn<'a>(&'a Lookups, &'a PaymentId);

impl<'a> Turn<'a> {
    pub(super) fn take(lookups: &'a Lookups, id: &'a PaymentId) -> Option<Self> {
        lookups
            .with(|ids| ids.insert(id.clone()))
            .then_some(Self(lookups, id))
    }

    /// Waits for the turn, up to a deadline.
    pub(super) async fn wait(lookups: &'a Lookups, id: &'a PaymentId, patience: Duration) -> Option<Self> {
        let mut join = Join::within(&lookups.joins, patience);
        loop {
            let turn = Self::take(lookups, id);
            if turn.is_some() || !join.wait(id.as_str()).await {
                return turn;
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.with(|ids| ids.remove(self.1));
        self.0.joins.wake(Tag::of(self.1.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn an_age_is_counted_by_what_has_passed() {
        let (lookups, clock) = (Lookups::default(), Clock::default());
        let created = clock.now();
        assert!(lookups.age("a", created, &clock).is_below(HOUR));
        clock.advance(1800);
        // Put back by a day: half an hour has passed all the same.
        clock.advance(-86_400);
        let age = lookups.age("a", created, &clock);
        assert!(age.is_below(HOUR) && !age.is_below(HOUR / 2));
        assert!(age.at_least >= 1_800_000);
        clock.advance(1801);
        assert!(!lookups.age("a", created, &clock).is_below(HOUR));
    }

    #[test]
    fn what_was_made_in_the_future_is_of_no_known_age() {
        let (lookups, clock) = (Lookups::default(), Clock::default());
        let age = lookups.age("a", clock.now() + 86_400_000, &clock);
        assert!(!age.is_below(Duration::MAX));
        assert!(age.at_least < 1000);
        // Unless this process made it.
        lookups.sent("b", clock.steady());
        assert!(lookups.age("b", clock.now() + 86_400_000, &clock).is_below(HOUR));
    }

    #[test]
    fn ages_take_a_bounded_room() {
        let (lookups, clock) = (Lookups::default(), Clock::default());
        for index in 0..MOST_AGES + 10 {
            lookups.sent(&index.to_string(), clock.steady());
        }
        assert_eq!(lookups.ages(|ages| ages.len()), MOST_AGES);
        clock.advance(3 * 86_400);
        lookups.sent("new", clock.steady());
        assert_eq!(lookups.ages(|ages| ages.len()), 1);
    }
}
