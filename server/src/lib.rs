//! Cardseal's server: opens sessions for the browser module, relays what it sealed, stores tokens, moves money.
//!
//! [`router`] is the whole application without a socket. It is written so that money moves once: see the API
//! of payments, and the store, where everything is on the disk before a platform or a caller hears of it.

pub mod access;
mod api;
pub mod api_key;
mod attempts;
pub mod body;
pub mod bounds;
pub mod clock;
pub mod config;
pub mod connections;
pub mod error;
pub mod gate;
mod jobs;
pub mod logging;
pub mod payload;
mod payments;
mod persist;
mod reason;
mod serve;
mod sessions;
pub mod store;
mod submission;
mod tokens;

use cardseal::platform::Platform;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cardseal_gateways::Transport;
use cardseal_gateways::gateway::Capabilities;
use cardseal_gateways::transport::{Reach, Reachability, Unusable};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::access::Access;
use crate::attempts::Attempts;
use crate::bounds::{Bound, Bounds};
use crate::clock::Clock;
use crate::config::{Account, Config};
use crate::gate::{Busy, Gates, Permit, Purpose};
use crate::payments::Lookups;
use crate::store::{Store, StoreError};

pub use api::{openapi, router};
pub use serve::{listen, serve};

/// The state of the application.
pub type App = Arc<Shared>;

/// What every request shares.
pub struct Shared {
    /// What the server was told.
    pub config: Config,
    /// Who may call.
    pub access: Access,
    /// What is kept.
    pub store: Store,
    /// The ways to the platforms, and how each answered last.
    transports: BTreeMap<Platform, (Transport, Arc<Reach>)>,
    /// The time.
    pub clock: Clock,
    /// How often each bound acted.
    pub bounds: Bounds,
    /// How many calls are under way at each platform.
    gates: Gates,
    /// How many cards are tried.
    attempts: Attempts,
    /// Work that a caller who hangs up must not cut short.
    tasks: TaskTracker,
    /// Ends lookups, which move no money, as soon as the server is told to stop.
    stopping: CancellationToken,
    /// Lookups of unknown payments.
    lookups: Lookups,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The HTTP client.
    #[error(transparent)]
    Transport(#[from] Unusable),
}

/// The configuration has no such platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the platform is not configured")]
pub struct UnknownPlatform {
    /// Those that it has.
    pub configured: Vec<&'static str>,
}

/// A bug ended a task early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task panicked")]
struct TaskPanicked;

impl Shared {
    /// Opens the database and settles what the last process left behind.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(config: Config) -> Result<App, StartError> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let clock = Clock::default();
        let store = Store::open_with(&config.database, config.busy_timeout).await?;
        let left = store.recover(&payments::abandoned(), clock.now()).await?;
        if left.payments + left.changes > 0 {
            tracing::warn!(
                payments = left.payments,
                changes = left.changes,
                "the last process ended while money was moving; these are now unknown and need the platform's word"
            );
        }
        if config.log_platform_calls {
            for (platform, account) in config.platforms() {
                account.gateway.log_calls(logging::platform_calls(platform.id()));
            }
        }
        for (platform, account) in config.platforms() {
            if account.gateway.capabilities().handles_clear_cards {
                tracing::warn!(
                    platform = platform.id(),
                    "sealing is on: cards pass through this server in clear; it is in full PCI DSS scope (SAQ D)"
                );
            }
        }
        if config.demo.is_some() {
            tracing::warn!(
                "DEMO MODE: the demo page may charge, refund and delete without the merchant's API key"
            );
        }
        let app = Arc::new(Self {
            access: Access::new(&config),
            transports: transports(&config)?,
            store,
            clock,
            bounds: Bounds::default(),
            attempts: Attempts::new(&config.limits),
            gates: Gates::new(config.platforms.keys().copied(), config.calls),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            lookups: Lookups::default(),
            config,
        });
        jobs::start(&app);
        Ok(app)
    }

    /// Waits until money that is moving has settled. The longest operation is a token, the call, both once more
    /// because the token is no longer taken, and the question what became of it.
    async fn settle(&self) {
        self.stopping.cancel();
        self.tasks.close();
        let longest = self.config.timeouts.request * 5 + Duration::from_secs(10);
        if tokio::time::timeout(longest, self.tasks.wait()).await.is_err() {
            tracing::error!("work is still under way; it will be unknown at the next start");
        }
    }

    /// Waits until money that is moving has settled, and closes the database.
    pub async fn stop(&self) {
        self.settle().await;
        self.store.close().await;
    }

    /// A configured platform.
    ///
    /// # Errors
    /// If it is not configured.
    pub fn account(&self, platform: Platform) -> Result<&Account, UnknownPlatform> {
        self.config
            .platforms
            .get(&platform)
            .ok_or_else(|| self.unknown_platform())
    }

    fn unknown_platform(&self) -> UnknownPlatform {
        let configured = self.config.platforms.keys().map(|platform| platform.id());
        UnknownPlatform {
            configured: configured.collect(),
        }
    }

    /// What a configured platform can do.
    ///
    /// # Errors
    /// As of [`Shared::account`].
    pub fn capabilities(&self, platform: Platform) -> Result<Capabilities, UnknownPlatform> {
        Ok(self.account(platform)?.gateway.capabilities())
    }

    /// A place among the calls under way at a platform. It is kept until the operation's last answer.
    ///
    /// # Errors
    /// If too many are under way.
    async fn enter(&self, platform: Platform, purpose: Purpose) -> Result<Permit, Busy> {
        let entered = self.gates.enter(platform, purpose).await;
        entered.inspect_err(|_| self.bounds.acted(Bound::PlatformBusy))
    }

    /// The way to a platform.
    ///
    /// # Errors
    /// If it is not configured.
    fn transport(&self, platform: Platform) -> Result<&Transport, UnknownPlatform> {
        let found = self.transports.get(&platform).map(|(transport, _)| transport);
        found.ok_or_else(|| self.unknown_platform())
    }

    /// How a platform answered last.
    fn reachability(&self, platform: Platform) -> Reachability {
        let reach = self.transports.get(&platform).map(|(_, reach)| reach.last());
        reach.unwrap_or(Reachability::Unknown)
    }

    /// Carries work through, also if the caller hangs up.
    async fn to_completion<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<TaskPanicked> + Send + 'static,
    {
        let done = self.tasks.spawn(work.in_current_span()).await;
        done.unwrap_or_else(|_| Err(TaskPanicked.into()))
    }
}

/// One client, and for each platform a record of how its last call ended.
fn transports(config: &Config) -> Result<BTreeMap<Platform, (Transport, Arc<Reach>)>, Unusable> {
    let shared = Transport::new(config.timeouts)?;
    let reporting = |id: &Platform| {
        let reach = Arc::new(Reach::of(id.id()));
        (*id, (shared.reporting(&reach), reach))
    };
    Ok(config.platforms.keys().map(reporting).collect())
}
