//! Lookups that are under way, and how old the unknown outcomes are.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Join;
use crate::clock::Clock;
use crate::store::PaymentId;

/// How many ages are remembered. Beyond that a payment's age counts from its stored time alone.
const MOST_AGES: usize = 100_000;
/// Longer than any platform recognises a key.
const FORGET_AFTER_MS: i64 = 48 * 60 * 60_000;

/// Payments that are being looked up, and how old the unknown ones are.
#[derive(Default)]
pub(crate) struct Lookups {
    ids: Mutex<HashSet<PaymentId>>,
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

    /// Remembers when this process itself sent a charge or a change whose outcome is unknown, by the steady clock.
    pub(super) fn sent(&self, id: &str, since: i64) {
        let before = Some(0);
        self.ages(|ages| {
            if make_room(ages, since) {
                ages.insert(id.into(), Seen { before, since });
            }
        });
    }

    /// The age of a charge or change, which from the first call on does not depend on the wall clock.
    pub(super) fn age(&self, id: &str, created_at: i64, clock: &Clock) -> Age {
        let steady = clock.steady();
        let first = Seen {
            // Created in the future: the clock was put back since, by an unknown time.
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

    /// Its outcome is known, so its age matters no more.
    pub(super) fn settled(&self, id: &str) {
        self.ages(|ages| ages.remove(id));
    }
}

/// When a charge or change was first seen by this process.
#[derive(Clone, Copy)]
struct Seen {
    /// How old it was then, if that is known.
    before: Option<i64>,
    /// By the steady clock.
    since: i64,
}

/// How old a charge or change is, in milliseconds.
#[derive(Clone, Copy)]
pub(super) struct Age {
    /// For what needs time to arrive.
    pub(super) at_least: i64,
    /// For what may be sent again only while it is young.
    at_most: Option<i64>,
}

impl Age {
    /// Whether it is certainly younger.
    pub(super) fn is_below(self, limit: Duration) -> bool {
        self.at_most
            .and_then(|age| u64::try_from(age).ok())
            .is_some_and(|age| Duration::from_millis(age) < limit)
    }
}

/// Forgets the oldest when there are too many. They are past every limit that an age is compared with.
fn make_room(ages: &mut HashMap<String, Seen>, steady: i64) -> bool {
    if ages.len() >= MOST_AGES {
        ages.retain(|_, seen| steady - seen.since < FORGET_AFTER_MS);
    }
    ages.len() < MOST_AGES
}

/// The right to look one payment up, which one task has at a time. Dropped, however the lookup ends, it is free again.
pub(super) struct Turn<'a>(&'a Lookups, &'a PaymentId);

impl<'a> Turn<'a> {
    pub(super) fn take(lookups: &'a Lookups, id: &'a PaymentId) -> Option<Self> {
        lookups
            .with(|ids| ids.insert(id.clone()))
            .then_some(Self(lookups, id))
    }

    /// The turn, once no other task has it, if that is soon.
    pub(super) async fn wait(lookups: &'a Lookups, id: &'a PaymentId, patience: Duration) -> Option<Self> {
        let join = Join::within(patience);
        loop {
            let turn = Self::take(lookups, id);
            if turn.is_some() || !join.wait().await {
                return turn;
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.with(|ids| ids.remove(self.1));
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
