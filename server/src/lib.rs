//! Cardseal's server. It opens sessions for the browser module, relays encrypted cards, stores tokens and makes
//! payments.
//!
//! [`router`] is the whole application without a socket. Money moves once, whatever is repeated or interrupted: the
//! store writes each step to disk before a platform or a caller learns of it.

pub mod access;
mod api;
pub mod api_key;
mod attempts;
mod audit;
mod authentications;
pub mod body;
pub mod bounds;
pub mod clock;
pub mod config;
pub mod connections;
mod customers;
pub mod encryption;
pub mod error;
pub mod events;
pub mod gate;
mod hints;
mod jobs;
pub mod logging;
mod metrics;
pub mod payload;
mod payments;
mod persist;
pub mod process;
mod reason;
mod reload;
pub mod remote;
pub mod scope;
mod serve;
mod sessions;
pub mod store;
mod submission;
mod subscriptions;
pub mod tls;
mod tokens;
pub mod traces;

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
use crate::encryption::KeyError;
use crate::gate::{Busy, Gates, Permit, Purpose};
use crate::metrics::{Metrics, Operation};
use crate::payments::{Joins, Lookups};
use crate::store::{Store, StoreError};

pub use api::{openapi, router};
pub use reload::reload_on_hangup;
pub use serve::{Live, listen, serve, serve_live};

/// The state of the application.
pub type App = Arc<Shared>;

/// What every request shares. A reload of the configuration makes another one, for the requests that come after it: what
/// is in an `Arc` here, or is one itself, goes on in it.
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// Checks who may call, and how often.
    pub access: Access,
    /// The database.
    pub store: Arc<Store>,
    /// The HTTP client of each platform, and how its last call ended.
    lines: BTreeMap<Platform, Arc<Line>>,
    /// Counts what happens.
    metrics: Arc<Metrics>,
    /// What speaks TLS with callers, if it is on.
    #[cfg(feature = "tls")]
    tls: Option<Arc<tls::Listener>>,
    /// The time.
    pub clock: Clock,
    /// How often each limit took effect.
    pub bounds: Arc<Bounds>,
    /// Limits the calls in flight at each platform.
    gates: Arc<Gates>,
    /// Limits how many cards are tried.
    attempts: Arc<Attempts>,
    /// Work that goes on if its caller hangs up.
    tasks: TaskTracker,
    /// Cancelled when the server is told to stop. Lookups move no money and end at once.
    stopping: CancellationToken,
    /// Cancelled when the server stops, and when another configuration takes over: its jobs go on then.
    jobs: CancellationToken,
    /// Callers that wait for the same request of another.
    joins: Arc<Joins>,
    /// Lookups of unknown payments that are in progress.
    lookups: Arc<Lookups>,
}

/// Why the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An encryption key.
    #[error(transparent)]
    Encryption(#[from] KeyError),
    /// The HTTP client.
    #[error(transparent)]
    Transport(#[from] Unusable),
    /// The TLS listener.
    #[error("TLS could not be set up")]
    Tls,
    /// The metrics.
    #[error("the metrics could not be set up")]
    Metrics,
}

/// The configuration has no such platform.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the platform is not configured")]
pub struct UnknownPlatform {
    /// The ids of those that are.
    pub configured: Vec<&'static str>,
}

/// A bug ended a task early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a task panicked")]
struct TaskPanicked;

impl Shared {
    /// Opens the database and recovers what the last process left unfinished.
    ///
    /// # Errors
    /// If the database cannot be opened, an encryption key is missing, or the HTTP client cannot be set up.
    pub async fn start(config: Config) -> Result<App, StartError> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let clock = Clock::default();
        // Before the database, which nobody has to wait for if a command fails.
        let keys = config.encryption.keys().await?;
        let store = Store::open_at(&config.database).await?;
        store.use_keys(&keys).await?;
        drop(keys);
        let left = store.recover(&payments::abandoned(), clock.now()).await?;
        if left.payments + left.changes + left.subscriptions > 0 {
            tracing::warn!(
                payments = left.payments,
                changes = left.changes,
                subscriptions = left.subscriptions,
                "a process ended during payments; their outcome is unknown until the platform is asked"
            );
        }
        let hints = store.hints().clone();
        let stopping = CancellationToken::new();
        let metrics = Metrics::new().map_err(|_| StartError::Metrics)?;
        let app = Arc::new(Self {
            access: Access::new(&config, &hints),
            lines: lines(&config, &metrics, None)?,
            metrics,
            #[cfg(feature = "tls")]
            tls: match &config.tls {
                Some(tls) => Some(tls::Listener::new(tls).map_err(|_| StartError::Tls)?),
                None => None,
            },
            store: Arc::new(store),
            clock,
            bounds: Arc::default(),
            attempts: Arc::new(Attempts::new(&config.limits, &hints)),
            gates: Arc::new(Gates::new(config.platforms.keys().copied(), config.calls)),
            tasks: TaskTracker::new(),
            jobs: stopping.child_token(),
            stopping,
            joins: Arc::new(Joins::among(hints)),
            lookups: Arc::default(),
            config,
        });
        app.begin();
        Ok(app)
    }

    fn begin(self: &Arc<Self>) {
        if self.config.log_platform_calls {
            for (platform, account) in self.config.platforms() {
                account.gateway.log_calls(logging::platform_calls(platform.id()));
            }
        }
        jobs::start(self);
    }

    /// The same server with another configuration, which takes over its jobs. Requests that hold this one finish with it.
    /// Limits that did not change go on counting.
    ///
    /// # Errors
    /// If the HTTP client cannot be set up. Nothing has changed then.
    pub(crate) fn with_config(self: &Arc<Self>, config: Config) -> Result<App, Unusable> {
        let same_limits = config.limits == self.config.limits;
        let same_gates =
            config.calls == self.config.calls && config.platforms.keys().eq(self.config.platforms.keys());
        let app = Arc::new(Self {
            access: self.access.with_config(&config, self.store.hints()),
            lines: lines(&config, &self.metrics, Some(self))?,
            metrics: Arc::clone(&self.metrics),
            #[cfg(feature = "tls")]
            tls: self.tls.clone(),
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            bounds: Arc::clone(&self.bounds),
            attempts: if same_limits {
                Arc::clone(&self.attempts)
            } else {
                Arc::new(Attempts::new(&config.limits, self.store.hints()))
            },
            gates: if same_gates {
                Arc::clone(&self.gates)
            } else {
                Arc::new(Gates::new(config.platforms.keys().copied(), config.calls))
            },
            tasks: self.tasks.clone(),
            jobs: self.stopping.child_token(),
            stopping: self.stopping.clone(),
            joins: Arc::clone(&self.joins),
            lookups: Arc::clone(&self.lookups),
            config,
        });
        #[cfg(feature = "tls")]
        if let (Some(listener), Some(tls)) = (&app.tls, &app.config.tls) {
            listener.install(tls);
        }
        self.jobs.cancel();
        app.begin();
        Ok(app)
    }

    /// Waits for operations that move money. The longest one fetches an access token, calls the platform, does both
    /// again because the token was rejected, and then looks the payment up.
    async fn settle(&self) {
        self.stopping.cancel();
        self.tasks.close();
        let longest = self.config.timeouts.request * 5 + Duration::from_secs(10);
        if tokio::time::timeout(longest, self.tasks.wait()).await.is_err() {
            tracing::error!(
                "operations are still in progress; their outcome will be unknown after the next start"
            );
        }
    }

    /// Waits for operations that move money, then closes the database.
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
    /// If the platform is not configured.
    pub fn capabilities(&self, platform: Platform) -> Result<Capabilities, UnknownPlatform> {
        Ok(self.account(platform)?.gateway.capabilities())
    }

    /// Waits for one of the platform's call slots. Hold the permit until the operation's last answer.
    ///
    /// # Errors
    /// If too many calls are in flight or waiting, or if this process may no longer begin one.
    async fn enter(&self, platform: Platform, purpose: Purpose) -> Result<Permit, Busy> {
        let entered = self.gates.enter(platform, purpose).await;
        let permit = entered.inspect_err(|_| self.bounds.acted(Bound::PlatformBusy))?;
        // It may have waited, or been stopped: what it has claimed may be another's by now.
        if self.store.may_begin() {
            Ok(permit)
        } else {
            Err(Busy)
        }
    }

    /// The HTTP client of a platform, for an operation.
    ///
    /// # Errors
    /// If it is not configured.
    fn transport(&self, platform: Platform, operation: Operation) -> Result<&Transport, UnknownPlatform> {
        let line = self.lines.get(&platform);
        let index = Operation::ALL.iter().position(|one| *one == operation);
        let found = line.and_then(|line| line.operations.get(index?));
        found.ok_or_else(|| self.unknown_platform())
    }

    /// How the last call to a platform ended.
    fn reachability(&self, platform: Platform) -> Reachability {
        let reach = self.lines.get(&platform).map(|line| line.reach.last());
        reach.unwrap_or(Reachability::Unknown)
    }

    /// Runs work to its end, even if the caller hangs up.
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

/// The calls to a platform.
struct Line {
    reach: Arc<Reach>,
    /// Those of [`Operation::ALL`].
    operations: Vec<Transport>,
}

/// One shared client, with a record for each platform of how its last call ended. What did not change since the
/// configuration before is kept, with its open connections.
fn lines(
    config: &Config,
    metrics: &Arc<Metrics>,
    before: Option<&Shared>,
) -> Result<BTreeMap<Platform, Arc<Line>>, Unusable> {
    let known = before.filter(|before| before.config.timeouts == config.timeouts);
    let known = known.map(|before| &before.lines);
    let kept = known.and_then(|known| known.values().next());
    let shared = match kept.and_then(|line| line.operations.first()) {
        Some(transport) => transport.clone(),
        None => Transport::new(config.timeouts)?,
    };
    let line = |id: &Platform| {
        let kept = known.and_then(|known| known.get(id)).cloned();
        let line = kept.unwrap_or_else(|| {
            let reach = Arc::new(Reach::of(id.id()));
            let reporting = shared.reporting(&reach);
            let operations =
                Operation::ALL.map(|operation| reporting.observed(metrics.calls(*id, operation)));
            Arc::new(Line {
                reach,
                operations: operations.into(),
            })
        });
        (*id, line)
    };
    Ok(config.platforms.keys().map(line).collect())
}
