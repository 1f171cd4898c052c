//! Access tokens that several requests share.
//!
//! One is asked for at a time, however many requests wait; it is renewed before it expires, and dropped once when
//! the platform no longer takes it. Whatever else the platform says with a token is kept beside it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

/// How long before its end a token is renewed, so that none expires on its way.
const MARGIN: Duration = Duration::from_secs(60);

/// A token with what came with it.
#[derive(Clone)]
pub struct Grant<T> {
    /// The token and its company; cheap to clone.
    pub value: T,
    number: u64,
}

/// Keeps one token.
pub struct TokenCache<T> {
    kept: tokio::sync::Mutex<Option<Kept<T>>>,
    /// Beside the lock, so that whoever waited through a failed refresh learns of it and does not try in turn.
    failed: Mutex<Option<(Instant, Error)>>,
}

struct Kept<T> {
    grant: Grant<T>,
    fresh_until: Instant,
}

impl<T> Default for TokenCache<T> {
    fn default() -> Self {
        Self {
            kept: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
        }
    }
}

impl<T: Clone + Send> TokenCache<T> {
    /// The token, or what `fetch` brings: a new one and how long it lives.
    ///
    /// # Errors
    /// Of `fetch`; all that waited for it get the same.
    pub async fn get(
        &self,
        fetch: impl Future<Output = Result<(T, Duration), Error>> + Send,
    ) -> Result<Grant<T>, Error> {
        let arrived = Instant::now();
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_ref()
            && Instant::now() < kept.fresh_until
        {
            return Ok(kept.grant.clone());
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, error)) = failed
            && at >= arrived
        {
            return Err(error);
        }
        let asked = Instant::now();
        match fetch.await {
            Ok((value, lifetime)) => {
                let grant = Grant {
                    value,
                    number: kept.as_ref().map_or(0, |kept| kept.grant.number) + 1,
                };
                *kept = Some(Kept {
                    grant: grant.clone(),
                    // Of a token that lives for less than two margins, half its life.
                    fresh_until: asked + lifetime.saturating_sub(MARGIN).max(lifetime / 2),
                });
                Ok(grant)
            }
            Err(error) => {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// The platform no longer takes this token. Of many that find out, the first drops it; a newer one stays.
    pub async fn drop_token(&self, grant: &Grant<T>) {
        let mut kept = self.kept.lock().await;
        if let Some(kept) = kept.as_mut()
            && kept.grant.number == grant.number
        {
            kept.fresh_until = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::error::Refusal;

    #[derive(Default)]
    struct Platform {
        cache: TokenCache<u64>,
        calls: AtomicU64,
    }

    impl Platform {
        async fn get(&self, lifetime: Duration) -> Grant<u64> {
            self.cache
                .get(async {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok((self.calls.fetch_add(1, Ordering::SeqCst) + 1, lifetime))
                })
                .await
                .unwrap()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn many_that_wait_ask_once() {
        let platform = Arc::new(Platform::default());
        let hour = Duration::from_secs(3600);
        for round in 1..=2 {
            let calls: Vec<_> = (0..200)
                .map(|_| {
                    let platform = Arc::clone(&platform);
                    tokio::spawn(async move { platform.get(hour).await })
                })
                .collect();
            let mut grants = Vec::new();
            for call in calls {
                grants.push(call.await.unwrap());
            }
            assert!(grants.iter().all(|grant| grant.value == round));
            // All of them find out that it is no longer taken; it is renewed once.
            for grant in &grants {
                platform.cache.drop_token(grant).await;
            }
            assert_eq!(platform.calls.load(Ordering::SeqCst), round);
        }
        let old = Grant { value: 1, number: 1 };
        let newest = platform.get(hour).await;
        platform.cache.drop_token(&old).await;
        assert_eq!(platform.get(hour).await.value, newest.value);
    }

    #[tokio::test]
    async fn renews_before_the_end() {
        let platform = Platform::default();
        for (lifetime, renewed) in [(0, true), (61, false), (100, false)] {
            let first = platform.get(Duration::from_secs(lifetime)).await;
            let second = platform.get(Duration::from_secs(100)).await;
            assert_eq!(second.value != first.value, renewed, "{lifetime}");
            platform.cache.drop_token(&second).await;
        }
    }

    #[tokio::test]
    async fn who_waited_through_a_failure_learns_of_it() {
        let cache = TokenCache::<u64>::default();
        let calls = AtomicU64::new(0);
        let fail = || async {
            calls.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            Err(Refusal::NotSent.into())
        };
        let (a, b, c) = tokio::join!(cache.get(fail()), cache.get(fail()), cache.get(fail()));
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        // The next one tries for itself.
        assert!(cache.get(async { Ok((5, MARGIN)) }).await.is_ok());
    }
}
