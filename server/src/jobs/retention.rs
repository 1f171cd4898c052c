//! Removes what has outlived its use, and returns its space to the file system: in small steps, with pauses that leave
//! the database to the traffic.

use std::time::Duration;

use super::steps::{self, Next, ROUND, Steps};
use crate::config::Retention;
use crate::store::{Expiring, Shrunk, Store, StoreError, SweepPlace};
use crate::{App, Shared};

/// How many rows a step examines, and how many pages it returns.
const ROWS: u32 = 64;
const PAGES: u32 = 64;
/// After this time on the steady clock, rows that were still needed are examined again.
const FROM_START_MS: i64 = 24 * 60 * 60_000;

/// Starts the job. It ends with the application.
pub(super) fn start(app: &App) {
    steps::start(app, Sweep::default());
}

/// How far the job has come with each kind of row.
struct Sweep {
    places: [SweepPlace; Expiring::ALL.len()],
    /// Which kind comes next; after the last one, the file is shrunk.
    next: usize,
    /// When it last began at the first row, on the steady clock.
    began: Option<i64>,
    removed: usize,
    /// Whether it has said that the file cannot shrink.
    told: bool,
    /// Whether a round has begun, which this process then finishes.
    within_round: bool,
}

impl Default for Sweep {
    fn default() -> Self {
        Self {
            places: [SweepPlace::START; Expiring::ALL.len()],
            next: 0,
            began: None,
            removed: 0,
            told: false,
            within_round: false,
        }
    }
}

impl Steps for Sweep {
    const FAILURE: &'static str = "expired rows could not be removed";

    async fn step(&mut self, app: &Shared) -> Result<Next, StoreError> {
        if !self.within_round && !app.store.tidies().await? {
            return Ok(Next::After(ROUND));
        }
        let (now, steady) = (app.clock.now(), app.clock.steady());
        let more = self
            .advance(&app.store, &app.config.retention, now, steady)
            .await?;
        self.within_round = more;
        Ok(if more { Next::Step } else { Next::After(ROUND) })
    }
}

impl Sweep {
    /// Returns whether there is more to do now.
    async fn advance(
        &mut self,
        store: &Store,
        retention: &Retention,
        now: i64,
        steady: i64,
    ) -> Result<bool, StoreError> {
        // Rows that were still needed may have been released since. Until then only newer ones are examined, so that
        // a round costs nothing if nothing has expired.
        if self.began.is_none_or(|began| steady - began >= FROM_START_MS) {
            *self = Self {
                began: Some(steady),
                told: self.told,
                ..Self::default()
            };
        }
        let Some(what) = Expiring::ALL.get(self.next).copied() else {
            return self.shrink(store).await;
        };
        let Some(place) = self.places.get_mut(self.next) else {
            return Ok(false);
        };
        let before = now.saturating_sub(millis(retention.age(what)));
        let step = store.remove_expired(what, before, *place, ROWS).await?;
        *place = step.place;
        self.removed += step.removed;
        if !step.more {
            self.next += 1;
        }
        Ok(true)
    }

    async fn shrink(&mut self, store: &Store) -> Result<bool, StoreError> {
        if self.removed > 0 {
            tracing::info!(removed = self.removed, "expired rows were removed");
            store.note_removed();
            self.removed = 0;
        }
        match store.shrink(PAGES).await? {
            Shrunk::More => return Ok(true),
            Shrunk::Done => {}
            Shrunk::NotPossible if self.told => {}
            Shrunk::NotPossible => {
                self.told = true;
                tracing::warn!(
                    "the database file has much free space and is of a version that cannot return it; stop the \
                     server and run `cardseal-server --compact` once"
                );
            }
        }
        self.next = 0;
        Ok(false)
    }
}

impl Retention {
    const fn age(&self, what: Expiring) -> Duration {
        match what {
            Expiring::IdempotencyKeys => self.idempotency_keys,
            Expiring::Notifications => self.notifications,
            Expiring::Changes => self.changes,
            Expiring::Events => self.events,
            Expiring::Audit => self.audit,
            Expiring::Authentications | Expiring::Sessions => self.sessions,
        }
    }
}

fn millis(age: Duration) -> i64 {
    i64::try_from(age.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 24 * 60 * 60_000;
    const NOW: i64 = 1_800_000_000_000;

    fn days(days: u64) -> Duration {
        Duration::from_secs(days * 24 * 60 * 60)
    }

    /// Steps until there is nothing more to do, and returns how many there were.
    async fn round(sweep: &mut Sweep, store: &Store, retention: &Retention, now: i64) -> usize {
        let mut steps = 1;
        while sweep.advance(store, retention, now, now).await.unwrap() {
            steps += 1;
        }
        steps
    }

    #[tokio::test]
    async fn a_round_examines_what_is_new_and_once_a_day_everything() {
        let (_place, store) = crate::store::testing::open().await;
        let retention = Retention {
            sessions: days(30),
            idempotency_keys: days(30),
            notifications: days(30),
            changes: days(90),
            events: days(30),
            audit: days(365),
        };
        let session = async |expires_at: i64| {
            let session = crate::store::NewSession {
                platform: cardseal::platform::Platform::GreenPay,
                kind: cardseal::session::Kind::Tokenize,
                mode: cardseal::session::Mode::Relay,
                reference: uuid::Uuid::new_v4().to_string(),
                platform_state: "s".into(),
                customer: None,
                token_id: None,
                amount: None,
                description: String::new(),
                capture_later: false,
                created_at: expires_at - 1000,
                expires_at,
            };
            store.add_session(session).await.unwrap()
        };
        let stays = async |id: &crate::store::SessionId| store.session(id).await.unwrap().is_some();
        let busy = session(NOW - 40 * DAY).await;
        let attempt = crate::store::Attempt {
            body_hash: "h".into(),
            card: None,
            taker: crate::store::Taker::Platform,
        };
        store
            .claim_session(&busy, attempt, NOW - 40 * DAY - 500, 0)
            .await
            .unwrap();
        let (old, young) = (session(NOW - 31 * DAY).await, session(NOW - 29 * DAY).await);

        let mut sweep = Sweep::default();
        assert_eq!(round(&mut sweep, &store, &retention, NOW).await, 8);
        assert!(stays(&busy).await && !stays(&old).await && stays(&young).await);
        // It has ended, and expired before what was examined last.
        store.reopen_session(&busy).await.unwrap();
        round(&mut sweep, &store, &retention, NOW + DAY / 2).await;
        assert!(stays(&busy).await);
        round(&mut sweep, &store, &retention, NOW + DAY).await;
        assert!(!stays(&busy).await && stays(&young).await);
        round(&mut sweep, &store, &retention, NOW + DAY + 1).await;
        assert!(!stays(&young).await);
    }
}
