//! Connections to the platform: the trait, and a connection with a pool and timeouts. [`Transport`] implements it,
//! too.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cardseal::http::Request;
use tokio::sync::Semaphore;

use crate::properties::Endpoint;
use cardseal_transport::{Failure, IDLE, Response, Timeouts, Transport, Unusable};

/// Sends requests. An implementation must neither follow redirects nor retry.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Sends a request and reads the whole response.
    async fn send(&self, request: Request) -> Result<Response, Failure>;

    /// Closes pooled connections that have been idle for at least this long.
    fn close_idle_connections(&self, _idle: Duration) {}

    /// Closes pooled connections that the platform may have closed in the meantime.
    fn close_expired_connections(&self) {
        self.close_idle_connections(IDLE);
    }
}

#[async_trait]
impl Connection for Transport {
    async fn send(&self, request: Request) -> Result<Response, Failure> {
        Self::send(self, request).await
    }
}

/// A pool of connections.
pub struct PooledConnection {
    endpoint: Endpoint,
    transport: RwLock<Transport>,
    limit: Option<Semaphore>,
    used: Mutex<Instant>,
}

impl PooledConnection {
    /// Creates a pool with the timeouts and the `max_connections` of an endpoint.
    ///
    /// If all connections are busy, a request waits for one. It fails unsent after `connection_request_timeout`, if
    /// that is set. `socket_timeout` starts when the request has its connection, and covers the whole response.
    ///
    /// # Errors
    /// Fails only if the system's TLS setup or the proxy is unusable.
    pub fn new(endpoint: &Endpoint) -> Result<Self, Unusable> {
        Ok(Self {
            limit: Some(Semaphore::new(endpoint.max_connections)),
            ..Self::with_temporary_connections(endpoint)?
        })
    }

    /// Creates a pool that never makes a request wait: if all connections are busy, it opens another one.
    /// `max_connections` limits only how many idle connections are kept.
    ///
    /// # Errors
    /// As for [`PooledConnection::new`].
    pub fn with_temporary_connections(endpoint: &Endpoint) -> Result<Self, Unusable> {
        Ok(Self {
            transport: RwLock::new(transport(endpoint)?),
            endpoint: endpoint.clone(),
            limit: None,
            used: Mutex::new(Instant::now()),
        })
    }

    fn mark_used(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

fn transport(endpoint: &Endpoint) -> Result<Transport, Unusable> {
    Transport::through(
        Timeouts {
            connect: endpoint.connect_timeout,
            request: endpoint.socket_timeout,
        },
        match endpoint.connection_reuse {
            true => endpoint.max_connections,
            false => 0,
        },
        endpoint.proxy.as_ref(),
    )
}

#[async_trait]
impl Connection for PooledConnection {
    async fn send(&self, request: Request) -> Result<Response, Failure> {
        let _permit = match &self.limit {
            None => None,
            // First come, first served. The requests ahead end at the latest with their own timeouts.
            Some(free) => {
                let most = self.endpoint.connection_request_timeout.unwrap_or(Duration::MAX);
                match tokio::time::timeout(most, free.acquire()).await {
                    Ok(Ok(permit)) => Some(permit),
                    Ok(Err(_)) | Err(_) => return Err(Failure::NotSent),
                }
            }
        };
        let transport = self
            .transport
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.mark_used();
        let result = transport.send(request).await;
        self.mark_used();
        result
    }

    /// Closes nothing if the pool was used in this time. A busy connection is closed after its request.
    fn close_idle_connections(&self, idle: Duration) {
        if self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < idle {
            return;
        }
        // The HTTP library closes idle connections only together with their pool.
        if let Ok(fresh) = transport(&self.endpoint) {
            *self.transport.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::get;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_size_of_the_pool_is_a_limit() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (own, top) = (Arc::clone(&now), Arc::clone(&most));
        let router = Router::new().route(
            "/",
            get(move || async move {
                top.fetch_max(own.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(30)).await;
                own.fetch_sub(1, Ordering::SeqCst);
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let endpoint = Endpoint {
            max_connections: 3,
            ..Endpoint::new(url.clone(), "x")
        };
        let connection = Arc::new(PooledConnection::new(&endpoint).unwrap());
        let request = || Request {
            method: "GET",
            url: url.clone(),
            headers: Vec::new(),
            body: String::new(),
        };
        let calls: Vec<_> = (0..12)
            .map(|_| {
                let (connection, request) = (Arc::clone(&connection), request());
                tokio::spawn(async move { connection.send(request).await.map(|answer| answer.status) })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), Ok(200));
        }
        assert_eq!(most.load(Ordering::SeqCst), 3);
        // A request that waits too long fails unsent.
        let endpoint = Endpoint {
            max_connections: 1,
            connection_request_timeout: Some(Duration::from_millis(5)),
            ..endpoint
        };
        let connection = PooledConnection::new(&endpoint).unwrap();
        let (first, second) = tokio::join!(connection.send(request()), connection.send(request()));
        assert_eq!(first.map(|answer| answer.status), Ok(200));
        assert_eq!(second.err(), Some(Failure::NotSent));
        // Or it opens another connection.
        most.store(0, Ordering::SeqCst);
        let connection = PooledConnection::with_temporary_connections(&endpoint).unwrap();
        let calls = (0..4).map(|_| async { connection.send(request()).await.map(|answer| answer.status) });
        for status in all_results(calls).await {
            assert_eq!(status, Ok(200));
        }
        assert!(most.load(Ordering::SeqCst) > 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_for_a_connection_is_not_connecting() {
        // The first response takes longer than the connect timeout, and nine calls wait behind it.
        let connect_timeout = Duration::from_secs(1);
        let served = Arc::new(AtomicUsize::new(0));
        let router = Router::new().route(
            "/",
            get(move || async move {
                if served.fetch_add(1, Ordering::SeqCst) == 0 {
                    tokio::time::sleep(connect_timeout + Duration::from_millis(300)).await;
                }
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let endpoint = Endpoint {
            max_connections: 1,
            connect_timeout,
            ..Endpoint::new(url.clone(), "x")
        };
        let connection = PooledConnection::new(&endpoint).unwrap();
        let calls = (0..10).map(|_| async {
            let request = Request {
                method: "GET",
                url: url.clone(),
                headers: Vec::new(),
                body: String::new(),
            };
            connection.send(request).await.map(|answer| answer.status)
        });
        assert_eq!(all_results(calls).await, vec![Ok(200); 10]);
    }

    async fn all_results<T>(calls: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
        let mut calls: Vec<_> = calls.map(|call| (Box::pin(call), None)).collect();
        std::future::poll_fn(|context| {
            let mut done = true;
            for (call, result) in &mut calls {
                if result.is_none()
                    && let std::task::Poll::Ready(value) = call.as_mut().poll(context)
                {
                    *result = Some(value);
                }
                done &= result.is_some();
            }
            if done {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        })
        .await;
        calls.into_iter().filter_map(|(_, result)| result).collect()
    }

    #[tokio::test]
    async fn idle_connections_are_closed_when_asked_to() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (opened, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (seen, gone) = (Arc::clone(&opened), Arc::clone(&closed));
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                seen.fetch_add(1, Ordering::SeqCst);
                let gone = Arc::clone(&gone);
                tokio::spawn(async move {
                    let mut buffer = [0; 4096];
                    while socket.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                        let _ = socket
                            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                            .await;
                    }
                    gone.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        let connection = PooledConnection::new(&Endpoint::new(url.clone(), "x")).unwrap();
        let request = || Request {
            method: "GET",
            url: url.clone(),
            headers: Vec::new(),
            body: String::new(),
        };
        for _ in 0..3 {
            assert_eq!(
                connection.send(request()).await.map(|answer| answer.status),
                Ok(200)
            );
        }
        assert_eq!(opened.load(Ordering::SeqCst), 1);
        // It was used a moment ago, so it stays.
        connection.close_idle_connections(Duration::from_secs(3600));
        assert_eq!(
            connection.send(request()).await.map(|answer| answer.status),
            Ok(200)
        );
        assert_eq!(
            (opened.load(Ordering::SeqCst), closed.load(Ordering::SeqCst)),
            (1, 0)
        );
        connection.close_idle_connections(Duration::ZERO);
        // Long before it would have been closed for being idle.
        let started = Instant::now();
        while closed.load(Ordering::SeqCst) == 0 && started.elapsed() < IDLE / 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(closed.load(Ordering::SeqCst), 1);
        assert_eq!(
            connection.send(request()).await.map(|answer| answer.status),
            Ok(200)
        );
        assert_eq!(opened.load(Ordering::SeqCst), 2);
    }
}
