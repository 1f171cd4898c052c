//! Limits on how many cards pages may try. Testing stolen cards takes many attempts; a customer needs few.
//!
//! Attempts per session are counted in the database: see [`crate::store::Store::claim_session`]. This module has the
//! rates per customer and in total. They are checked before any call to a platform, and hold for all processes that share
//! the database: each tells the others what it lets through.

use std::collections::hash_map::RandomState;
use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};

use governor::clock::{Clock as _, DefaultClock};
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::{DefaultDirectRateLimiter, NotUntil, Quota, RateLimiter};
use lru::LruCache;

use crate::config::Limits;
use crate::hints::{Hint, Hints, Rate, Tag};
use crate::store::Session;

/// How many keys can have a rate of their own.
const MOST_KEYS: usize = 50_000;
/// How many rates the keys beyond those share.
const SHARED_RATES: usize = 1024;
/// How many idle keys are forgotten at a time, so that no call waits for more.
const FORGOTTEN_AT_ONCE: usize = 64;

/// A rate limit per key, in bounded memory and constant time.
///
/// A key that has its full quota again is idle: forgetting it changes nothing. If all are taken, idle ones make room
/// for new ones, the oldest first. If none is idle, new keys share rates, and known ones keep theirs: a flood from
/// many addresses neither turns the limit off nor keeps out whoever was there before.
pub(crate) struct Keyed {
    limiter: RateLimiter<u64, Rates, DefaultClock>,
    most: usize,
    quota: Quota,
    rate: Rate,
    others: Hints,
}

impl Keyed {
    pub(crate) fn new(quota: Quota, rate: Rate, others: &Hints) -> Self {
        Self::with_most(quota, MOST_KEYS, rate, others)
    }

    fn with_most(quota: Quota, most: usize, rate: Rate, others: &Hints) -> Self {
        let rates = Rates {
            keys: Mutex::new(Keys {
                own: LruCache::unbounded_with_hasher(RandomState::new()),
                shared: Vec::new(),
            }),
            most,
        };
        Self {
            limiter: RateLimiter::new(quota, rates, DefaultClock::default()),
            most,
            quota,
            rate,
            others: others.clone(),
        }
    }

    pub(crate) const fn quota(&self) -> Quota {
        self.quota
    }

    /// Counts a call. If it exceeds the limit, the error is the number of seconds to wait.
    pub(crate) fn check(&self, key: &(impl Hash + ?Sized)) -> Result<(), u64> {
        let key = Tag::of(key);
        self.count(key)?;
        self.others.tell(Hint::Counted(self.rate, key));
        Ok(())
    }

    /// Counts a call that another process let through, or one of this.
    pub(crate) fn count(&self, key: Tag) -> Result<(), u64> {
        if self.limiter.len() >= self.most {
            self.limiter.retain_recent();
        }
        self.limiter
            .check_key(&key.number())
            .map_err(|until| seconds(&until))
    }

    /// Forgets all idle keys. Call it regularly.
    pub(crate) fn forget_idle(&self) {
        loop {
            let before = self.limiter.len();
            self.limiter.retain_recent();
            if self.limiter.len() + FORGOTTEN_AT_ONCE > before {
                return;
            }
        }
    }
}

/// The state of each key's rate.
struct Rates {
    keys: Mutex<Keys>,
    most: usize,
}

struct Keys {
    /// Sorted by their last use.
    own: LruCache<u64, Nanos, RandomState>,
    shared: Vec<Option<Nanos>>,
}

impl Rates {
    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for Rates {
    type Key = u64;

    fn measure_and_replace<T, F, E>(&self, key: &u64, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut keys = self.keys();
        if let Some(state) = keys.own.get_mut(key) {
            let (value, next) = decide(Some(*state))?;
            *state = next;
            return Ok(value);
        }
        if keys.own.len() < self.most {
            let (value, next) = decide(None)?;
            keys.own.put(*key, next);
            return Ok(value);
        }
        keys.shared.resize(SHARED_RATES, None);
        let index = usize::try_from(*key).unwrap_or(usize::MAX) % SHARED_RATES;
        let Some(state) = keys.shared.get_mut(index) else {
            return decide(None).map(|(value, _)| value);
        };
        let (value, next) = decide(*state)?;
        *state = Some(next);
        Ok(value)
    }
}

impl ShrinkableKeyedStateStore<u64> for Rates {
    /// Forgets the oldest keys, a limited number at a time.
    fn retain_recent(&self, drop_below: Nanos) {
        let mut keys = self.keys();
        for _ in 0..FORGOTTEN_AT_ONCE {
            if keys.own.peek_lru().is_none_or(|(_, state)| *state > drop_below) {
                return;
            }
            keys.own.pop_lru();
        }
    }

    fn len(&self) -> usize {
        self.keys().own.len()
    }

    fn is_empty(&self) -> bool {
        self.keys().own.is_empty()
    }
}

/// A rate limit for all.
struct Total {
    limiter: DefaultDirectRateLimiter,
    rate: Rate,
    others: Hints,
}

impl Total {
    fn new(quota: Quota, rate: Rate, others: &Hints) -> Self {
        Self {
            limiter: RateLimiter::direct(quota),
            rate,
            others: others.clone(),
        }
    }

    /// Counts a call. If it exceeds the limit, the error is the number of seconds to wait.
    fn check(&self) -> Result<(), u64> {
        self.count()?;
        self.others.tell(Hint::Counted(self.rate, Tag::of("")));
        Ok(())
    }

    fn count(&self) -> Result<(), u64> {
        self.limiter.check().map_err(|until| seconds(&until))
    }
}

/// The rate limits of attempts and sessions.
pub(crate) struct Attempts {
    customers: Keyed,
    all: Total,
    customers_sessions: Keyed,
    all_sessions: Total,
    per_session: u32,
}

impl Attempts {
    pub(crate) fn new(limits: &Limits, others: &Hints) -> Self {
        let keyed = |number, rate| Keyed::new(per_minute(number), rate, others);
        let total = |number, rate| Total::new(per_minute(number), rate, others);
        Self {
            customers: keyed(limits.customer_attempts_per_minute, Rate::CustomersCards),
            all: total(limits.attempts_per_minute, Rate::AllCards),
            customers_sessions: keyed(limits.customer_sessions_per_minute, Rate::CustomersSessions),
            all_sessions: total(limits.sessions_per_minute, Rate::AllSessions),
            per_session: limits.session_attempts,
        }
    }

    /// Counts what another process let through. What is too much already changes nothing.
    pub(crate) fn count(&self, rate: Rate, key: Tag) {
        let _ = match rate {
            Rate::CustomersCards => self.customers.count(key),
            Rate::AllCards => self.all.count(),
            Rate::CustomersSessions => self.customers_sessions.count(key),
            Rate::AllSessions => self.all_sessions.count(),
            // Whoever lets callers in counts those.
            Rate::Requests => Ok(()),
        };
    }

    /// Counts a card that is sent for a session, or refuses it. The same payload sent again after a lost answer is
    /// the same attempt.
    pub(crate) fn admit(&self, session: &Session, body_hash: &str) -> Result<(), TooMany> {
        if session.body_hash.as_deref() == Some(body_hash) {
            return Ok(());
        }
        if session.attempts >= self.per_session {
            return Err(TooMany::CardsOfSession);
        }
        if let Some(customer) = &session.customer {
            self.customers
                .check(customer)
                .map_err(|wait| TooMany::at_once("too many cards were tried for this customer", wait))?;
        }
        self.all
            .check()
            .map_err(|wait| TooMany::at_once("too many cards were tried", wait))
    }

    /// Drops the state of customers that have their full quota again. Call it regularly.
    pub(crate) fn forget_idle(&self) {
        self.customers.forget_idle();
        self.customers_sessions.forget_idle();
    }

    /// Counts a session that is opened, or refuses it. A session that the merchant opens counts only for its
    /// customer.
    pub(crate) fn open_session(&self, customer: Option<&str>, by_page: bool) -> Result<(), TooMany> {
        if let Some(customer) = customer {
            self.customers_sessions
                .check(customer)
                .map_err(|wait| TooMany::at_once("too many sessions were opened for this customer", wait))?;
        }
        if by_page {
            self.all_sessions
                .check()
                .map_err(|wait| TooMany::at_once("too many sessions were opened", wait))?;
        }
        Ok(())
    }
}

/// A limit on cards or sessions was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooMany {
    /// The session has used up its cards. Waiting does not help.
    #[error("this session has had too many cards; open a new one")]
    CardsOfSession,
    /// The rate was exceeded. The next attempt is allowed after `wait` seconds.
    #[error("{what}; try again later")]
    AtOnce { what: &'static str, wait: u64 },
}

impl TooMany {
    const fn at_once(what: &'static str, wait: u64) -> Self {
        Self::AtOnce { what, wait }
    }
}

fn per_minute(number: u32) -> Quota {
    Quota::per_minute(NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN))
}

fn seconds(until: &NotUntil<<DefaultClock as governor::clock::Clock>::Instant>) -> u64 {
    until.wait_time_from(DefaultClock::default().now()).as_secs() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyed(quota: Quota, most: usize) -> Keyed {
        Keyed::with_most(quota, most, Rate::CustomersCards, &Hints::default())
    }

    #[test]
    fn each_key_has_its_own_rate() {
        let keyed = keyed(per_minute(2), MOST_KEYS);
        assert_eq!([keyed.check("a"), keyed.check("a")], [Ok(()), Ok(())]);
        assert!(keyed.check("a").is_err_and(|wait| (1..=31).contains(&wait)));
        assert_eq!(keyed.check("b"), Ok(()));
    }

    /// Two processes that tell each other everything allow as much as one.
    #[test]
    fn limits_hold_for_all_processes_together() {
        let limits = Limits {
            customer_attempts_per_minute: 3,
            attempts_per_minute: 5,
            customer_sessions_per_minute: 2,
            sessions_per_minute: 4,
            body_bytes: 0,
            browser_requests_per_minute: 1,
            browser_burst: 1,
            idempotency_wait: std::time::Duration::ZERO,
            session_attempts: 1,
        };
        let (here, mut told, _heard) = Hints::to_others();
        let (here, there) = (
            Attempts::new(&limits, &here),
            Attempts::new(&limits, &Hints::default()),
        );
        let mut pass_on = || {
            while let Ok(Hint::Counted(rate, key)) = told.try_recv() {
                there.count(rate, key);
            }
        };
        assert!(here.open_session(Some("a"), true).is_ok());
        pass_on();
        assert!(there.open_session(Some("a"), true).is_ok());
        assert!(there.open_session(Some("a"), true).is_err());
        assert!(there.open_session(Some("b"), true).is_ok());
        for _ in 0..3 {
            let _ = here.open_session(None, true);
        }
        pass_on();
        assert!(there.open_session(None, true).is_err());
        assert!(there.open_session(None, false).is_ok());
        for (of_all, customer) in [(1, "a"), (2, "a"), (3, "a")] {
            assert!(
                here.customers.check(customer).is_ok() && here.all.check().is_ok(),
                "{of_all}"
            );
        }
        pass_on();
        assert!(there.customers.check("a").is_err() && there.customers.check("b").is_ok());
        assert!(there.all.check().is_ok() && there.all.check().is_ok() && there.all.check().is_err());
        assert!(here.customers.check("a").is_err(), "what is refused tells nobody");
        assert!(told.try_recv().is_err());
    }

    #[test]
    fn keys_that_have_calmed_down_are_forgotten_and_others_are_not() {
        let often = Quota::with_period(std::time::Duration::from_nanos(1)).unwrap();
        let calm = keyed(often, 100);
        let busy = keyed(per_minute(1), 100);
        for keyed in [&calm, &busy] {
            assert_eq!([keyed.check("a"), keyed.check("b")], [Ok(()), Ok(())]);
            keyed.forget_idle();
        }
        assert_eq!((calm.limiter.len(), busy.limiter.len()), (0, 2));
        assert!(busy.check("a").is_err());
    }

    #[test]
    fn many_keys_take_a_bounded_room_and_are_limited_still() {
        let keyed = keyed(per_minute(2), 100);
        let refused = (0..10_000).filter(|key| keyed.check(key).is_err()).count();
        let keys = keyed.limiter.len();
        assert!(keys <= 100, "{keys}");
        assert!(refused > 7000, "{refused}");
    }

    #[test]
    fn a_flood_of_keys_changes_nothing_for_those_that_were_there_before() {
        let keyed = keyed(per_minute(2), 100);
        assert_eq!(keyed.check("customer"), Ok(()));
        let abuser = [(); 3].map(|()| keyed.check("abuser").is_ok());
        assert_eq!(abuser, [true, true, false]);
        for key in 0..10_000 {
            let _ = keyed.check(&key);
        }
        assert_eq!(keyed.check("customer"), Ok(()));
        assert!(keyed.check("abuser").is_err());
    }

    #[test]
    fn idle_keys_make_room_for_new_ones_at_once() {
        let often = Quota::with_period(std::time::Duration::from_nanos(1)).unwrap();
        let keyed = keyed(often, 100);
        let refused = (0..10_000).filter(|key| keyed.check(key).is_err()).count();
        let keys = keyed.limiter.len();
        assert_eq!((refused, keys <= 100), (0, true), "{keys}");
    }

    /// `cargo test --release -p cardseal-server --lib -- attempts --nocapture` prints what a call costs.
    #[test]
    fn a_call_among_many_keys_costs_what_it_costs_among_few() {
        for keys in [100_u32, 10_000, 50_000, 100_000] {
            let keyed = keyed(per_minute(60), MOST_KEYS);
            for key in 0..keys {
                let _ = keyed.check(&key);
            }
            let began = std::time::Instant::now();
            for key in 0..100_000 {
                let _ = keyed.check(&(key % keys));
            }
            println!("{keys} keys: {:?} for each call", began.elapsed() / 100_000);
            assert!(keyed.limiter.len() <= MOST_KEYS);
        }
    }
}
