//! Reads the configuration again on SIGHUP, and puts it in place if it has no mistake.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, Examined};
use crate::{Live, Shared, StartError, logging};

/// Reloads at every SIGHUP, one after the other. Does not end.
#[cfg(unix)]
pub async fn reload_on_hangup(
    mut hangups: tokio::signal::unix::Signal,
    live: &Arc<Live>,
    file: Option<PathBuf>,
    bound: SocketAddr,
) {
    while hangups.recv().await.is_some() {
        tracing::info!("reading the configuration again");
        let file = file.clone();
        let read = tokio::task::spawn_blocking(move || examine(file.as_deref())).await;
        if let Ok(examined) = read {
            put_in_place(live, examined, bound).await;
        }
    }
    std::future::pending().await
}

fn examine(file: Option<&Path>) -> Examined {
    Config::examine(file)
}

/// What cannot change while the server runs stays as it is; a mistake changes nothing.
async fn put_in_place(live: &Live, examined: Examined, bound: SocketAddr) {
    let mut config = match examined.into_config() {
        Ok(config) => config,
        Err(error) => {
            for mistake in error.mistakes() {
                tracing::error!(
                    setting = mistake.key,
                    reason = mistake.message,
                    "a mistake in the configuration"
                );
            }
            live.app().metrics.reloaded(false);
            tracing::error!("the configuration has mistakes; the server goes on with the one before");
            return;
        }
    };
    let running = live.app();
    let kept = config.keep(&running.config);
    config.open_demo_origins(bound);
    if let Err(error) = use_keys(&running, &config).await {
        live.app().metrics.reloaded(false);
        tracing::error!(%error, "the encryption keys could not be put in place; the configuration before stays");
        return;
    }
    match running.with_config(config) {
        Ok(app) => {
            logging::set_level(app.config.log_level);
            for warning in &app.config.warnings {
                tracing::warn!("{warning}");
            }
            for setting in kept {
                tracing::warn!(
                    setting,
                    "a setting changed that needs a restart; it stays as it was"
                );
            }
            app.metrics.reloaded(true);
            live.replace(app);
            tracing::info!("the configuration is in place; requests under way finish with the one before");
        }
        Err(error) => {
            tracing::error!(%error, "the configuration could not be put in place; the one before stays")
        }
    }
}

/// Takes the encryption keys of a configuration. If that fails, those before stay.
async fn use_keys(running: &Shared, config: &Config) -> Result<(), StartError> {
    let keys = config.encryption.keys().await?;
    Ok(running.store.use_keys(&keys).await?)
}
