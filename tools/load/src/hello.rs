//! The least that an HTTP server can do here: the bar for everything that a real answer costs on top.

use std::io::{Read, Write, stdin, stdout};
use std::net::Ipv4Addr;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

/// Prints its URL as one line of JSON, and serves until standard input closes.
#[tokio::main]
pub(crate) async fn serve() -> std::io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    writeln!(stdout(), r#"{{"url":"http://{address}"}}"#)?;
    // A thread, as the runtime would wait for a read of its own at the end.
    let (closed, over) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _end = stdin().read_to_end(&mut rest);
        drop(closed);
    });
    let app = Router::new().route("/", get(async || "Hello, World!"));
    tokio::select! {
        served = async { axum::serve(listener, app).await } => served,
        _ = over => Ok(()),
    }
}
