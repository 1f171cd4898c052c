//! How requests leave: a trait, the shared [`Transport`], and a connection of its own with a pool and time-outs.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cardseal::http::Request;
use tokio::sync::Semaphore;

use crate::properties::Endpoint;
use cardseal_transport::{Failure, IDLE, Response, Timeouts, Transport, Unusable};

/// Sends requests. It follows no redirect and repeats nothing by itself.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Sends a request and reads the whole answer.
    async fn send(&self, request: Request) -> Result<Response, Failure>;

    /// Closes connections that have been idle for at least this long, if there is a pool.
    fn close_idle_connections(&self, _idle: Duration) {}

    /// Closes connections that the other side may have closed by now, if there is a pool.
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

/// A pool of connections. Clients that share a communicator share it.
pub struct PooledConnection {
    endpoint: Endpoint,
    transport: RwLock<Transport>,
    limit: Option<Semaphore>,
    used: Mutex<Instant>,
}

impl PooledConnection {
    /// With the time-outs and the size of an endpoint. The size is a limit: a request beyond it waits until another
    /// is done, or is not sent if the endpoint bounds that wait. The socket time-out is of the whole call, from when
    /// it has its connection.
    ///
    /// # Errors
    /// Only if the system's TLS set-up, or the proxy, is unusable.
    pub fn new(endpoint: &Endpoint) -> Result<Self, Unusable> {
        Ok(Self {
            limit: Some(Semaphore::new(endpoint.max_connections)),
            ..Self::with_temporary_connections(endpoint)?
        })
    }

    /// The same, but the size limits only the idle connections that are kept: further requests open their own.
    ///
    /// # Errors
    /// Those of [`PooledConnection::new`].
    pub fn with_temporary_connections(endpoint: &Endpoint) -> Result<Self, Unusable> {
        Ok(Self {
            transport: RwLock::new(transport(endpoint)?),
            endpoint: endpoint.clone(),
            limit: None,
            used: Mutex::new(Instant::now()),
        })
    }

    fn use_now(&self) {
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
        let _held = match &self.limit {
            None => None,
            // In the order in which they came. Those in front end by their own time-outs.
            Some(free) => {
                let most = self.endpoint.connection_request_timeout.unwrap_or(Duration::MAX);
                match tokio::time::timeout(most, free.acquire()).await {
                    Ok(Ok(held)) => Some(held),
                    Ok(Err(_)) | Err(_) => return Err(Failure::NotSent),
                }
            }
        };
        let transport = self
            .transport
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.use_now();
        let result = transport.send(request).await;
        self.use_now();
        result
    }

    /// A pool that was in use since then closes nothing. A connection that is in use is closed when it is done.
    fn close_idle_connections(&self, idle: Duration) {
        if self.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < idle {
            return;
        }
        // The library closes what it keeps only together with its pool.
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
        // Who waits for longer than a wait may take is told that nothing was sent.
        let endpoint = Endpoint {
            max_connections: 1,
            connection_request_timeout: Some(Duration::from_millis(5)),
            ..endpoint
        };
        let connection = PooledConnection::new(&endpoint).unwrap();
        let (first, second) = tokio::join!(connection.send(request()), connection.send(request()));
        assert_eq!(first.map(|answer| answer.status), Ok(200));
        assert_eq!(second.err(), Some(Failure::NotSent));
        // Or opens a connection for itself.
        most.store(0, Ordering::SeqCst);
        let connection = PooledConnection::with_temporary_connections(&endpoint).unwrap();
        let calls = (0..4).map(|_| async { connection.send(request()).await.map(|answer| answer.status) });
        for status in futures_of(calls).await {
            assert_eq!(status, Ok(200));
        }
        assert!(most.load(Ordering::SeqCst) > 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting_for_a_connection_is_not_connecting() {
        // The first call is answered after longer than it may take to connect; nine wait behind it.
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
        assert_eq!(futures_of(calls).await, vec![Ok(200); 10]);
    }

    async fn futures_of<T>(calls: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
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
        // In use a moment ago: it stays.
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
        // Long before it would have been closed by itself.
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
