//! Starts the simulated platforms, until it is told to stop.

use std::process::ExitCode;

use cardseal_sandbox::{Sandbox, SandboxOptions};

use crate::args;
use crate::output::{self, Failure};
use crate::read;

/// Prints one line of JSON when it is ready, then serves.
pub(crate) async fn run(options: args::Sandbox) -> ExitCode {
    match serve(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output::refuse(&failure),
    }
}

async fn serve(options: args::Sandbox) -> crate::Result<()> {
    let private_key = options.private_key.as_deref().map(read::text).transpose()?;
    let started = Sandbox::start(SandboxOptions {
        listen: options.listen,
        key_bits: options.key_bits,
        private_key: private_key.map(|key| key.to_string()),
        server_url: options.server_url,
        ..SandboxOptions::default()
    });
    let sandbox = started.await.map_err(|error| Failure::usage(error.to_string()))?;
    let line = serde_json::to_string(sandbox.info()).map_err(|error| Failure::usage(error.to_string()))?;
    output::print(&format!("{line}\n"));
    stopped().await;
    sandbox.stop().await;
    Ok(())
}

#[cfg(unix)]
async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}

#[cfg(not(unix))]
async fn stopped() {
    let _told = tokio::signal::ctrl_c().await;
}
