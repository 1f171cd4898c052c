//! Seals rows anew after the current key has changed: in small steps, with pauses that leave the database to the traffic.
//! It counts what is left, seals it, and counts again until nothing is left.

use std::time::Duration;

use super::steps::{self, Next, Steps};
use crate::store::{SealPlace, Store, StoreError};
use crate::{App, Shared};

/// How long it rests before it tries again what it could not do.
const RETRY: Duration = Duration::from_secs(10 * 60);
/// How many rows a step counts, and how many it seals at most.
const COUNTED: u32 = 256;
const SEALED: u32 = 64;
/// How long it rests when the database had no time for a step. The next one is smaller.
const BUSY: Duration = Duration::from_millis(500);

/// Starts the job, unless every row has the current key. It ends with that, with the application, or when another
/// configuration takes over.
pub(super) fn start(app: &App) {
    if app.store.unsealed().1 {
        return;
    }
    steps::start(app, Pass::new(&app.store));
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stepped {
    /// There is more to do.
    More,
    /// The transactions of others went before.
    Busy,
    /// Some rows cannot be sealed.
    Stuck,
    /// Every row has the current key.
    Done,
}

/// A pass over all rows.
struct Pass {
    place: SealPlace,
    /// Whether this pass seals. The first only counts.
    seals: bool,
    /// How many rows the next step seals at most.
    limit: u32,
    left: u64,
    sealed: u64,
    failed: u64,
}

impl Steps for Pass {
    const FAILURE: &'static str = "rows could not be sealed with the current key";

    async fn step(&mut self, app: &Shared) -> Result<Next, StoreError> {
        Ok(match self.advance(&app.store).await? {
            Stepped::More => Next::Step,
            Stepped::Busy => Next::After(BUSY),
            Stepped::Stuck => Next::After(RETRY),
            Stepped::Done => Next::End,
        })
    }
}

impl Pass {
    fn new(store: &Store) -> Self {
        Self {
            place: store.first_row(),
            seals: false,
            limit: SEALED,
            left: 0,
            sealed: 0,
            failed: 0,
        }
    }

    async fn advance(&mut self, store: &Store) -> Result<Stepped, StoreError> {
        let place = self.place.clone();
        let step = if self.seals {
            store.seal_anew(place, self.limit).await
        } else {
            store.count_unsealed(place, COUNTED).await
        };
        let step = match step {
            // In PostgreSQL, many rows in one transaction meet the transactions of callers too often.
            Err(StoreError::Unavailable(_)) if self.seals && self.limit > 1 => {
                self.limit /= 2;
                return Ok(Stepped::Busy);
            }
            step => step?,
        };
        self.limit = SEALED.min(self.limit * 2);
        if self.seals {
            self.left = self.left.saturating_sub(step.rows);
            self.sealed += step.rows;
            self.failed += step.failed;
        } else {
            self.left += step.rows;
        }
        store.note_unsealed(self.left);
        if let Some(next) = step.next {
            self.place = next;
            return Ok(Stepped::More);
        }
        let stuck = self.seals && self.failed > 0;
        if self.seals {
            tracing::info!(
                sealed = self.sealed,
                failed = self.failed,
                "rows were sealed with the current key"
            );
        } else if self.left == 0 {
            if !store.note_all_sealed(&self.place) {
                *self = Self::new(store);
                return Ok(Stepped::More);
            }
            match store.current_key() {
                Some(key) => {
                    tracing::info!(
                        key,
                        "every row is sealed with the current key; no row needs an earlier one"
                    );
                }
                None => tracing::info!("every row is in clear; no row needs a key"),
            }
            return Ok(Stepped::Done);
        }
        // After counting comes sealing, and after that another count.
        *self = Self {
            seals: !self.seals,
            left: if self.seals { 0 } else { self.left },
            ..Self::new(store)
        };
        Ok(if stuck { Stepped::Stuck } else { Stepped::More })
    }
}

/// Steps until the job has nothing to do.
#[cfg(test)]
pub(crate) async fn finish(store: &Store) {
    let (mut pass, mut steps) = (Pass::new(store), 0);
    loop {
        steps += 1;
        let stepped = match pass.advance(store).await {
            Err(StoreError::Unavailable(_)) => Stepped::Busy,
            stepped => stepped.unwrap(),
        };
        match stepped {
            Stepped::More | Stepped::Busy => assert!(steps < 10_000, "it does not end"),
            Stepped::Done => return,
            Stepped::Stuck => panic!("a row cannot be sealed"),
        }
    }
}
