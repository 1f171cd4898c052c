//! How requests leave: a trait, the shared [`Transport`], and a connection of its own with a pool and time-outs.

use std::time::Duration;

use async_trait::async_trait;
use cardseal::http::Request;
use tokio::sync::Semaphore;

use super::properties::Endpoint;
use crate::transport::{Failure, Response, Timeouts, Transport, Unusable};

/// Sends requests. It follows no redirect and repeats nothing by itself.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Sends a request and reads the whole answer.
    async fn send(&self, request: Request) -> Result<Response, Failure>;
}

#[async_trait]
impl Connection for Transport {
    async fn send(&self, request: Request) -> Result<Response, Failure> {
        Self::send(self, request).await
    }
}

/// A pool of connections. Clients that share a communicator share it.
pub struct PooledConnection {
    transport: Transport,
    free: Semaphore,
    patience: Duration,
}

impl PooledConnection {
    /// With the time-outs and the size of an endpoint. The size is a limit: a request beyond it waits for as long as
    /// it may take to connect, and is then not sent. The socket time-out is of the whole call.
    ///
    /// # Errors
    /// Only if the system's TLS set-up is unusable.
    pub fn new(endpoint: &Endpoint) -> Result<Self, Unusable> {
        Ok(Self {
            transport: Transport::pooled(
                Timeouts {
                    connect: endpoint.connect_timeout,
                    request: endpoint.socket_timeout,
                },
                endpoint.max_connections,
            )?,
            free: Semaphore::new(endpoint.max_connections),
            patience: endpoint.connect_timeout,
        })
    }
}

#[async_trait]
impl Connection for PooledConnection {
    async fn send(&self, request: Request) -> Result<Response, Failure> {
        let Ok(Ok(_held)) = tokio::time::timeout(self.patience, self.free.acquire()).await else {
            return Err(Failure::NotSent);
        };
        self.transport.send(request).await
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
        // Who waits for longer than it may take to connect is told that nothing was sent.
        let endpoint = Endpoint {
            max_connections: 1,
            connect_timeout: Duration::from_millis(5),
            ..endpoint
        };
        let connection = PooledConnection::new(&endpoint).unwrap();
        let (first, second) = tokio::join!(connection.send(request()), connection.send(request()));
        assert_eq!(first.map(|answer| answer.status), Ok(200));
        assert_eq!(second.err(), Some(Failure::NotSent));
    }
}
