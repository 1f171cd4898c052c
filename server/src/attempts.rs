//! Limits on how many cards pages may try. Testing stolen cards takes many attempts; a customer needs few.
//!
//! Attempts per session are counted in the database: see [`crate::store::Store::claim_session`]. This module has the
//! rates per customer and in total. They are checked before any call to a platform.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, NotUntil, Quota, RateLimiter};

use crate::config::Limits;
use crate::store::Session;

/// How many keys can have a rate limit of their own.
const MOST_KEYS: usize = 50_000;
/// How many rate limits the keys beyond those share.
const SHARED_KEYS: u64 = 1024;

/// A rate limit per key, in bounded memory.
pub(crate) struct Keyed {
    limiter: DefaultKeyedRateLimiter<u64>,
    hasher: RandomState,
    most: usize,
}

impl Keyed {
    pub(crate) fn new(quota: Quota) -> Self {
        Self::with_most(quota, MOST_KEYS)
    }

    fn with_most(quota: Quota, most: usize) -> Self {
        Self {
            limiter: RateLimiter::keyed(quota),
            hasher: RandomState::new(),
            most,
        }
    }

    /// Counts a call. If it exceeds the limit, the error is the number of seconds to wait.
    pub(crate) fn check(&self, key: &impl Hash) -> Result<(), u64> {
        let mut key = self.hasher.hash_one(key);
        if self.limiter.len() >= self.most {
            key %= SHARED_KEYS;
        }
        self.limiter.check_key(&key).map_err(|until| seconds(&until))
    }

    /// Drops the keys that have their full quota again. Call it regularly.
    pub(crate) fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// The rate limits of attempts and sessions.
pub(crate) struct Attempts {
    customers: Keyed,
    all: DefaultDirectRateLimiter,
    customers_sessions: Keyed,
    all_sessions: DefaultDirectRateLimiter,
    per_session: u32,
}

impl Attempts {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            customers: Keyed::new(per_minute(limits.customer_attempts_per_minute)),
            all: RateLimiter::direct(per_minute(limits.attempts_per_minute)),
            customers_sessions: Keyed::new(per_minute(limits.customer_sessions_per_minute)),
            all_sessions: RateLimiter::direct(per_minute(limits.sessions_per_minute)),
            per_session: limits.session_attempts,
        }
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
            .map_err(|until| TooMany::at_once("too many cards were tried", seconds(&until)))
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
                .check(&customer)
                .map_err(|wait| TooMany::at_once("too many sessions were opened for this customer", wait))?;
        }
        if by_page {
            self.all_sessions
                .check()
                .map_err(|until| TooMany::at_once("too many sessions were opened", seconds(&until)))?;
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

    #[test]
    fn each_key_has_its_own_rate() {
        let keyed = Keyed::new(per_minute(2));
        assert_eq!([keyed.check(&"a"), keyed.check(&"a")], [Ok(()), Ok(())]);
        assert!(keyed.check(&"a").is_err_and(|wait| (1..=31).contains(&wait)));
        assert_eq!(keyed.check(&"b"), Ok(()));
    }

    #[test]
    fn keys_that_have_calmed_down_are_forgotten_and_others_are_not() {
        let often = Quota::with_period(std::time::Duration::from_nanos(1)).unwrap();
        let calm = Keyed::with_most(often, 100);
        let busy = Keyed::with_most(per_minute(1), 100);
        for keyed in [&calm, &busy] {
            assert_eq!([keyed.check(&"a"), keyed.check(&"b")], [Ok(()), Ok(())]);
            keyed.forget_idle();
        }
        assert_eq!((calm.limiter.len(), busy.limiter.len()), (0, 2));
        assert!(busy.check(&"a").is_err());
    }

    #[test]
    fn many_keys_take_a_bounded_room_and_are_limited_still() {
        let keyed = Keyed::with_most(per_minute(2), 100);
        let refused = (0..10_000).filter(|key| keyed.check(key).is_err()).count();
        assert!(keyed.limiter.len() <= 100 + SHARED_KEYS as usize);
        assert!(refused > 7000, "{refused}");
    }
}
