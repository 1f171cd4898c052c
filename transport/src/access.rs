//! The OAuth client-credentials flow: fetch an access token, share it, renew it before it expires, and try once more
//! with a fresh one after a 401.
//!
//! Platforms differ in how a token is asked for and what comes with it; that is the `fetch` that a caller hands in. One
//! fetch runs at a time, however many requests wait.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::Response;

/// How long before its end a token is renewed, so that none expires on its way.
const MARGIN: Duration = Duration::from_secs(60);

/// A token, or whatever a caller fetched with it. Cheap to clone.
#[derive(Clone)]
pub struct Grant<T> {
    /// What was fetched.
    pub value: T,
    number: u64,
}

/// One account's access token. `T` is the token with what belongs to it, `E` the error of fetching one.
pub struct ClientCredentials<T, E> {
    current: tokio::sync::Mutex<Option<Current<T>>>,
    /// Outside the lock, so that whoever waited through a failed fetch gets its error and does not try in turn.
    failed: Mutex<Option<(Instant, E)>>,
}

struct Current<T> {
    grant: Grant<T>,
    fresh_until: Instant,
}

impl<T, E> Default for ClientCredentials<T, E> {
    fn default() -> Self {
        Self {
            current: tokio::sync::Mutex::default(),
            failed: Mutex::default(),
        }
    }
}

impl<T: Clone, E: Clone> ClientCredentials<T, E> {
    /// The current token, or a new one from `fetch`, which returns it with its lifetime.
    ///
    /// # Errors
    /// Of `fetch`. All that waited for the same fetch get the same error.
    pub async fn token(&self, fetch: impl Future<Output = Result<(T, Duration), E>>) -> Result<Grant<T>, E> {
        let arrived = Instant::now();
        let mut current = self.current.lock().await;
        if let Some(current) = current.as_ref()
            && Instant::now() < current.fresh_until
        {
            return Ok(current.grant.clone());
        }
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, error)) = failed
            && at >= arrived
        {
            return Err(error);
        }
        let requested = Instant::now();
        match fetch.await {
            Ok((value, lifetime)) => {
                let grant = Grant {
                    value,
                    number: current.as_ref().map_or(0, |current| current.grant.number) + 1,
                };
                *current = Some(Current {
                    grant: grant.clone(),
                    // Of a token that lives for less than two margins, half its life.
                    fresh_until: requested + lifetime.saturating_sub(MARGIN).max(lifetime / 2),
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

    /// Gives up a token that the platform no longer accepts. Of many callers that find out, the first gives it up; a
    /// newer token stays.
    pub async fn give_up(&self, grant: &Grant<T>) {
        let mut current = self.current.lock().await;
        if let Some(current) = current.as_mut()
            && current.grant.number == grant.number
        {
            current.fresh_until = Instant::now();
        }
    }

    /// The same for a caller that has only the token itself.
    pub async fn give_up_where(&self, is_it: impl Fn(&T) -> bool) {
        let mut current = self.current.lock().await;
        if let Some(current) = current.as_mut()
            && is_it(&current.grant.value)
        {
            current.fresh_until = Instant::now();
        }
    }

    /// Sends a request with the token, as [`once_more_after_401`] does.
    ///
    /// # Errors
    /// Of `fetch` and of `send`.
    pub async fn send<Fetching, Sending>(
        &self,
        fetch: impl Fn() -> Fetching,
        send: impl Fn(T) -> Sending,
    ) -> Result<Response, E>
    where
        Fetching: Future<Output = Result<(T, Duration), E>>,
        Sending: Future<Output = Result<Response, E>>,
    {
        once_more_after_401(
            || self.token(fetch()),
            |grant| send(grant.value),
            async |grant| {
                self.give_up(&grant).await;
                true
            },
        )
        .await
    }
}

/// Sends an authorized request. After a 401 the authorization is given up, and the same request sent once more with a
/// new one: an unauthenticated request did nothing, so even a payment may be repeated. `give_up` says whether a new one
/// can be had.
///
/// # Errors
/// Of `authorize` and of `send`.
pub async fn once_more_after_401<A: Clone, E, Authorizing, Sending, GivingUp>(
    authorize: impl Fn() -> Authorizing,
    send: impl Fn(A) -> Sending,
    give_up: impl Fn(A) -> GivingUp,
) -> Result<Response, E>
where
    Authorizing: Future<Output = Result<A, E>>,
    Sending: Future<Output = Result<Response, E>>,
    GivingUp: Future<Output = bool>,
{
    let authorization = authorize().await?;
    let answer = send(authorization.clone()).await?;
    if answer.status != 401 || !give_up(authorization).await {
        return Ok(answer);
    }
    send(authorize().await?).await
}

/// Whether a text can be sent as a bearer token: visible ASCII, and no longer than `longest`.
#[must_use]
pub fn is_token(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::Failure;

    #[derive(Default)]
    struct Platform {
        cache: ClientCredentials<u64, Failure>,
        calls: AtomicU64,
    }

    impl Platform {
        async fn get(&self, lifetime: Duration) -> Grant<u64> {
            self.cache
                .token(async {
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
                platform.cache.give_up(grant).await;
            }
            assert_eq!(platform.calls.load(Ordering::SeqCst), round);
        }
        let old = Grant { value: 1, number: 1 };
        let newest = platform.get(hour).await;
        platform.cache.give_up(&old).await;
        assert_eq!(platform.get(hour).await.value, newest.value);
    }

    #[tokio::test]
    async fn renews_before_the_end() {
        let platform = Platform::default();
        for (lifetime, renewed) in [(0, true), (61, false), (100, false)] {
            let first = platform.get(Duration::from_secs(lifetime)).await;
            let second = platform.get(Duration::from_secs(100)).await;
            assert_eq!(second.value != first.value, renewed, "{lifetime}");
            platform.cache.give_up(&second).await;
        }
    }

    #[tokio::test]
    async fn who_waited_through_a_failure_learns_of_it() {
        let cache = ClientCredentials::<u64, Failure>::default();
        let calls = AtomicU64::new(0);
        let fail = || async {
            calls.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            Err(Failure::NotSent)
        };
        let (a, b, c) = tokio::join!(cache.token(fail()), cache.token(fail()), cache.token(fail()));
        assert!(a.is_err() && b.is_err() && c.is_err());
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        // The next one tries for itself.
        assert!(cache.token(async { Ok((5, MARGIN)) }).await.is_ok());
    }

    fn answer(status: u16) -> Response {
        Response {
            status,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    #[tokio::test]
    async fn a_401_is_tried_once_more_with_another_token() {
        for (statuses, tokens, last) in [
            (&[200][..], &[1][..], 200),
            (&[401, 200], &[1, 2], 200),
            (&[401, 401, 200], &[1, 2], 401),
            (&[403, 200], &[1], 403),
        ] {
            let access = ClientCredentials::<u64, Failure>::default();
            let fetched = AtomicU64::new(0);
            let sent = Mutex::new(Vec::new());
            let result = access
                .send(
                    async || {
                        Ok((
                            fetched.fetch_add(1, Ordering::SeqCst) + 1,
                            Duration::from_secs(3600),
                        ))
                    },
                    async |token| {
                        let mut sent = sent.lock().unwrap();
                        sent.push(token);
                        Ok(answer(statuses[sent.len() - 1]))
                    },
                )
                .await;
            assert_eq!(result.unwrap().status, last, "{statuses:?}");
            assert_eq!(*sent.lock().unwrap(), tokens, "{statuses:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_had_again_is_not_tried_again() {
        let calls = AtomicU64::new(0);
        let send = async |()| {
            calls.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Failure>(answer(401))
        };
        let result = once_more_after_401(async || Ok(()), send, async |()| false).await;
        assert_eq!((result.unwrap().status, calls.load(Ordering::SeqCst)), (401, 1));
    }

    #[tokio::test]
    async fn only_the_refused_token_is_given_up() {
        let access = ClientCredentials::<u64, Failure>::default();
        let hour = Duration::from_secs(3600);
        access.token(async { Ok((1, hour)) }).await.unwrap();
        access.give_up_where(|token| *token == 7).await;
        assert_eq!(access.token(async { Ok((2, hour)) }).await.unwrap().value, 1);
        access.give_up_where(|token| *token == 1).await;
        assert_eq!(access.token(async { Ok((2, hour)) }).await.unwrap().value, 2);
    }
}
