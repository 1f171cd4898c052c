//! Accepts connections, limits them, and ends them when the server stops.
//!
//! `hyper` speaks HTTP/1.1. Its header timer starts at the end of the previous response, so it cannot tell an idle
//! connection from a slow header. This module has its own timers.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout};
#[cfg(feature = "tls")]
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::App;
use crate::access::bucket;
use crate::api::router;
use crate::bounds::{Bound, Bounds, REPORT_EVERY};
use crate::connections::{Admission, ConnectionLimits, Connections, Phase, Slot};
use crate::{logging, metrics};

/// The backlog of connections that the kernel holds until they are accepted.
const BACKLOG: u32 = 4096;
/// Open files reserved for the database, the log and anything else that is not a connection.
const OWN_FILES: u64 = 128;
/// The fewest connections, whatever the system's limit is.
const FEWEST_CONNECTIONS: usize = 16;
/// How long requests that move no money may take when the server stops.
const GRACE: Duration = Duration::from_secs(2);
/// How long the last responses may take to be sent.
const LAST_RESPONSES: Duration = Duration::from_secs(1);
/// The pause after the system refused to accept a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// Binds a listener with a backlog that withstands a burst of connections.
///
/// # Errors
/// If the address cannot be bound.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // As in the standard library, so that a restart does not wait for the last process's connections.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// The configuration in use, with its routes. Each request takes what is there when it begins.
pub struct Live(RwLock<(App, Router)>);

impl Live {
    /// What a server starts with.
    #[must_use]
    pub fn new(app: App) -> Arc<Self> {
        let router = router(&app);
        Arc::new(Self(RwLock::new((app, router))))
    }

    /// The application for what begins now.
    #[must_use]
    pub fn app(&self) -> App {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    fn router(&self) -> Router {
        self.0.read().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// Another one from now on.
    pub(crate) fn replace(&self, app: App) {
        let router = router(&app);
        let before = {
            let mut live = self.0.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *live, (app, router))
        };
        // Outside the lock: it may be the last one that holds it.
        drop(before);
    }
}

/// Serves until `stop` completes and operations that move money have finished.
pub async fn serve(app: &App, listener: TcpListener, stop: impl Future<Output = ()>) {
    let live = Live::new(Arc::clone(app));
    serve_live(&live, listener, None, stop, std::future::pending()).await;
}

/// The same, with a listener for metrics, and beside a future that may put another configuration in place until the
/// server stops.
pub async fn serve_live(
    live: &Arc<Live>,
    listener: TcpListener,
    metrics: Option<TcpListener>,
    stop: impl Future<Output = ()>,
    reloads: impl Future<Output = ()>,
) {
    let (limits, bounds) = {
        let app = live.app();
        (adapt(&app), Arc::clone(&app.bounds))
    };
    let server = Arc::new(Server {
        live: Arc::clone(live),
        metrics: None,
        bounds,
        connections: Connections::new(limits),
        stopping: CancellationToken::new(),
        cut: CancellationToken::new(),
    });
    let for_metrics = metrics.map(|listener| (listener, Arc::new(server.for_metrics())));
    let tasks = TaskTracker::new();
    let scrapes = async {
        match &for_metrics {
            Some((listener, server)) => accept(server, listener, &tasks).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = accept(&server, &listener, &tasks) => {}
        () = scrapes => {}
        () = report(&server.bounds) => {}
        () = reloads => {}
        () = watch_certificate(live) => {}
        () = lost(live) => {}
        () = stop => {}
    }
    let app = live.app();
    tracing::info!(connections = tasks.len(), "stopping");
    drop((listener, for_metrics));
    // Calls that wait for a slot have sent nothing.
    app.gates.close();
    app.stopping.cancel();
    server.stopping.cancel();
    tasks.close();
    // A time-out here is not a failure. Operations that move money are awaited below.
    let _ = timeout(GRACE, tasks.wait()).await;
    app.settle().await;
    let _ = timeout(LAST_RESPONSES, tasks.wait()).await;
    if !tasks.is_empty() {
        tracing::warn!(
            connections = tasks.len(),
            "connections without a payment in progress were closed"
        );
    }
    server.cut.cancel();
    tasks.wait().await;
    app.bounds.report();
    app.stop().await;
}

/// What every connection shares.
struct Server {
    live: Arc<Live>,
    /// The listener for metrics has its own routes and speaks plain HTTP.
    metrics: Option<Router>,
    bounds: Arc<Bounds>,
    connections: Arc<Connections>,
    stopping: CancellationToken,
    cut: CancellationToken,
}

impl Server {
    /// The same for metrics.
    fn for_metrics(&self) -> Self {
        let limits = ConnectionLimits {
            max: FEWEST_CONNECTIONS,
            max_per_address: None,
            ..*self.connections.limits()
        };
        Self {
            live: Arc::clone(&self.live),
            metrics: Some(metrics::router(&self.live, &self.connections)),
            bounds: Arc::clone(&self.bounds),
            connections: Connections::new(limits),
            stopping: self.stopping.clone(),
            cut: self.cut.clone(),
        }
    }

    fn router(&self) -> Router {
        self.metrics.clone().unwrap_or_else(|| self.live.router())
    }
}

/// The configured limits, lowered to what the system's limit of open files allows.
fn adapt(app: &App) -> ConnectionLimits {
    let mut limits = app.config.connections;
    if app.config.trust_forwarded_for {
        // All connections come from the proxy.
        limits.max_per_address = None;
    }
    let Some(files) = open_files() else {
        tracing::info!(max = limits.max, "connections are bounded");
        return limits;
    };
    let calls = u64::try_from(app.config.calls.under_way * app.config.platforms.len()).unwrap_or(u64::MAX);
    let room = files.saturating_sub(OWN_FILES).saturating_sub(calls);
    // Leave room for connections that are closing.
    let max = usize::try_from(room / 9 * 8).unwrap_or(usize::MAX);
    if max < limits.max {
        limits.max = max.max(FEWEST_CONNECTIONS);
        tracing::warn!(
            max = limits.max,
            configured = app.config.connections.max,
            open_files = files,
            "fewer connections than configured: the limit of open files (`ulimit -n`) leaves no room for more"
        );
    } else {
        tracing::info!(max = limits.max, open_files = files, "connections are bounded");
    }
    limits
}

/// The system's limit of open files.
#[cfg(unix)]
fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
const fn open_files() -> Option<u64> {
    None
}

/// Ends when this process can store nothing more.
async fn lost(live: &Live) {
    // Not the application itself, which a reload replaces.
    let store = Arc::clone(&live.app().store);
    store.lost().await;
    tracing::error!("this process ends, because another has taken over its work on the database");
}

/// Takes a certificate that was renewed. Does not end.
async fn watch_certificate(live: &Live) {
    // Not the application itself, which a reload replaces.
    #[cfg(feature = "tls")]
    let listener = live.app().tls.clone();
    #[cfg(feature = "tls")]
    if let Some(listener) = listener {
        listener.watch(|| live.app().config.tls.clone()).await;
    }
    let _ = live;
    std::future::pending().await
}

async fn report(bounds: &Bounds) {
    let mut dropped = 0;
    loop {
        sleep(REPORT_EVERY).await;
        bounds.report();
        dropped = logging::report_dropped(dropped);
    }
}

async fn accept(server: &Arc<Server>, listener: &TcpListener, tasks: &TaskTracker) {
    let (connections, bounds) = (&server.connections, &server.bounds);
    loop {
        if !connections.has_room() {
            bounds.acted(Bound::ConnectionsFull);
            connections.room().await;
        }
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (admission, slot) = connections.admit(bucket(peer.ip()));
                match admission {
                    Admission::Room => {}
                    Admission::InPlaceOfAnother => bounds.acted(Bound::Connections),
                    Admission::InPlaceOfOwn | Admission::Refused => {
                        bounds.acted(Bound::ConnectionsPerAddress)
                    }
                }
                if let Some(slot) = slot {
                    tasks.spawn(connection(Arc::clone(server), stream, peer, slot));
                }
            }
            // This affects one connection: its client gave up before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                        | io::ErrorKind::Interrupted
                ) => {}
            // This affects the system, most likely a lack of open files. It lasts until something is closed.
            Err(_) => {
                bounds.acted(Bound::Accept);
                connections.shed();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// How a connection ended.
enum End {
    Served(hyper::Result<()>),
    ToldToClose,
    TimedOut(Phase),
}

/// A connection. If there are many, a [`Http`] exists only while there is something to read or to write: its buffers
/// make an idle connection several times as large.
enum Connection {
    /// Waits for the next request.
    Waiting(Stream),
    Open(Box<Http>),
}

type Http = http1::Connection<TokioIo<Stream>, Requests>;

impl Connection {
    fn open(stream: Stream, requests: Requests, limits: &ConnectionLimits) -> Self {
        let http = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(limits.max_header_bytes)
            .max_buf_size(limits.max_header_bytes)
            .serve_connection(TokioIo::new(stream), requests);
        Self::Open(Box::new(http))
    }

    /// Takes the socket back from an idle `http`. What the client sent too early is read again.
    fn wait(mut http: Box<Http>, context: &mut Context<'_>) -> Result<Self, Box<Http>> {
        Pin::new(&mut *http).graceful_shutdown();
        match http.poll_without_shutdown(context) {
            Poll::Ready(Ok(())) => {
                let parts = http.into_parts();
                let mut stream = parts.io.into_inner();
                // An empty buffer still has its memory.
                if !parts.read_buf.is_empty() {
                    stream.early = parts.read_buf;
                }
                Ok(Self::Waiting(stream))
            }
            Poll::Ready(Err(_)) | Poll::Pending => Err(http),
        }
    }
}

/// Agrees with the client how to speak. `None` if that fails, takes too long, or the connection is told to close.
async fn greet(server: &Server, stream: TcpStream, slot: &Slot) -> Option<Socket> {
    #[cfg(feature = "tls")]
    if server.metrics.is_none()
        && let Some(listener) = &server.live.app().tls
    {
        let limit = server.connections.limits().header_timeout;
        return tokio::select! {
            greeted = timeout(limit, listener.accept(stream)) => match greeted {
                Ok(Ok(stream)) => Some(Socket::Tls(Box::new(stream))),
                Ok(Err(error)) => {
                    tracing::debug!(%error, "a TLS handshake failed");
                    None
                }
                Err(_) => {
                    server.bounds.acted(Bound::HeaderTimeout);
                    None
                }
            },
            () = server.stopping.cancelled() => None,
            () = slot.closed() => None,
        };
    }
    let _ = (server, slot);
    Some(Socket::Plain(stream))
}

async fn connection(server: Arc<Server>, stream: TcpStream, peer: SocketAddr, slot: Arc<Slot>) {
    // Otherwise a response may wait for the client's next packet. The first read reports any error.
    let _ = stream.set_nodelay(true);
    let limits = *server.connections.limits();
    let Some(socket) = greet(&server, stream, &slot).await else {
        return;
    };
    let requests = Requests {
        server: Arc::clone(&server),
        slot: Arc::clone(&slot),
        peer,
    };
    let mut connection = Some(Connection::Waiting(Stream {
        socket,
        early: Bytes::new(),
        slot: Arc::clone(&slot),
    }));
    let mut stopping = pin!(server.stopping.cancelled());
    let mut cut = pin!(server.cut.cancelled());
    let mut told = pin!(slot.closed());
    let mut armed = slot.deadline().unwrap_or_else(Instant::now);
    let mut timer = pin!(sleep_until(armed));
    let mut stops = false;
    let end = std::future::poll_fn(|context| {
        if !stops && stopping.as_mut().poll(context).is_ready() {
            stops = true;
            match &mut connection {
                // Do not wait for a header that may never end.
                Some(Connection::Open(http)) if slot.phase() != Phase::Header => {
                    Pin::new(&mut **http).graceful_shutdown();
                }
                Some(Connection::Open(_) | Connection::Waiting(_)) | None => {
                    return Poll::Ready(End::ToldToClose);
                }
            }
        }
        if cut.as_mut().poll(context).is_ready() || told.as_mut().poll(context).is_ready() {
            return Poll::Ready(End::ToldToClose);
        }
        loop {
            connection = match connection.take() {
                Some(Connection::Waiting(stream)) => match stream.poll_readable(context) {
                    Poll::Ready(Ok(())) => Some(Connection::open(stream, requests.clone(), &limits)),
                    Poll::Ready(Err(_)) => return Poll::Ready(End::Served(Ok(()))),
                    Poll::Pending => {
                        connection = Some(Connection::Waiting(stream));
                        break;
                    }
                },
                Some(Connection::Open(mut http)) => {
                    if let Poll::Ready(result) = Pin::new(&mut *http).poll(context) {
                        return Poll::Ready(End::Served(result));
                    }
                    if stops || !slot.is_crowded() || !slot.is_at_rest() {
                        connection = Some(Connection::Open(http));
                        break;
                    }
                    match Connection::wait(http, context) {
                        Ok(waiting) => Some(waiting),
                        // It closes, at the latest when it times out.
                        Err(http) => {
                            stops = true;
                            Some(Connection::Open(http))
                        }
                    }
                }
                None => return Poll::Ready(End::ToldToClose),
            }
        }
        // The timer is set only to fire earlier: most deadlines move on before they are reached.
        while let Some(deadline) = slot.deadline() {
            if deadline < armed || timer.is_elapsed() {
                armed = deadline;
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(context).is_pending() {
                break;
            }
            if deadline <= Instant::now() {
                return Poll::Ready(End::TimedOut(slot.phase()));
            }
        }
        Poll::Pending
    })
    .await;
    let acted = match end {
        End::Served(Err(error)) if error.is_parse_too_large() => Bound::HeaderBytes,
        // Clients may leave at any time.
        End::Served(_) | End::ToldToClose => return,
        End::TimedOut(Phase::Header) => Bound::HeaderTimeout,
        End::TimedOut(Phase::Sending) => Bound::ResponseTimeout,
        End::TimedOut(Phase::Idle | Phase::Body | Phase::Working) => Bound::IdleTimeout,
    };
    server.bounds.acted(acted);
}

/// A connection, with or without TLS.
enum Socket {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<TlsStream<TcpStream>>),
}

/// Calls a method of either kind of socket.
macro_rules! socket {
    ($socket:expr, $method:ident($($argument:expr),*)) => {
        match $socket {
            Socket::Plain(stream) => Pin::new(stream).$method($($argument),*),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => Pin::new(&mut **stream).$method($($argument),*),
        }
    };
}

/// A connection's socket. It notes when bytes arrive, and whether all that was written has been sent.
struct Stream {
    socket: Socket,
    /// Bytes that were read before the previous response had been sent.
    early: Bytes,
    slot: Arc<Slot>,
}

impl Stream {
    fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.early.is_empty() {
            return Poll::Ready(Ok(()));
        }
        match &self.socket {
            Socket::Plain(stream) => stream.poll_read_ready(context),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) if crate::tls::has_bytes(stream) => Poll::Ready(Ok(())),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => stream.get_ref().0.poll_read_ready(context),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self.early.is_empty() {
            ready!(socket!(&mut self.socket, poll_read(context, buffer)))?;
        } else {
            let length = self.early.len().min(buffer.remaining());
            buffer.put_slice(&self.early.split_to(length));
        }
        if buffer.filled().len() > before {
            self.slot.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.slot.note_sent(false);
        socket!(&mut self.socket, poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.slot.note_sent(false);
        socket!(&mut self.socket, poll_write_vectored(context, bytes))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(stream) => stream.is_write_vectored(),
            #[cfg(feature = "tls")]
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }

    /// `hyper` flushes once it has written all that it had.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(socket!(&mut self.socket, poll_flush(context)))?;
        self.slot.note_sent(true);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        socket!(&mut self.socket, poll_shutdown(context))
    }
}

/// Handles the requests of a connection.
#[derive(Clone)]
struct Requests {
    server: Arc<Server>,
    slot: Arc<Slot>,
    peer: SocketAddr,
}

impl Service<hyper::Request<Incoming>> for Requests {
    type Response = Response<ResponseBody>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let router = self.server.router();
        Box::pin(handle(router, Arc::clone(&self.slot), self.peer, request))
    }
}

async fn handle(
    router: Router,
    slot: Arc<Slot>,
    peer: SocketAddr,
    request: hyper::Request<Incoming>,
) -> io::Result<Response<ResponseBody>> {
    let phase = if request.body().is_end_stream() {
        Phase::Working
    } else {
        Phase::Body
    };
    if !slot.enter(phase) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let mut request = request.map(|body| {
        Body::new(RequestBody {
            body,
            slot: (phase == Phase::Body).then(|| Arc::clone(&slot)),
        })
    });
    request.extensions_mut().insert(ConnectInfo(peer));
    let response = router.oneshot(request).await;
    let response = response.unwrap_or_else(|never: Infallible| match never {});
    slot.enter(Phase::Sending);
    Ok(response.map(|body| ResponseBody {
        body,
        _sent: Sent(slot),
    }))
}

/// A request's body. The connection may be closed until the body has arrived or is no longer needed.
struct RequestBody {
    body: Incoming,
    slot: Option<Arc<Slot>>,
}

impl RequestBody {
    fn complete(&mut self) -> bool {
        self.slot.take().is_none_or(|slot| slot.enter(Phase::Working))
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let complete = matches!(frame, None | Some(Err(_))) || self.body.is_end_stream();
        if complete && !self.complete() {
            return Poll::Ready(Some(
                Err(io::Error::from(io::ErrorKind::ConnectionAborted).into()),
            ));
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.complete();
    }
}

/// A response's body. The connection is idle once the body has been written to the socket.
struct ResponseBody {
    body: Body,
    _sent: Sent,
}

struct Sent(Arc<Slot>);

impl Drop for Sent {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
