//! What the simulated platforms have in common: the router, faults, the ledger, CORS, settings, the clock and
//! notifications. A platform adds its routes, its records and its own JSON.

pub(crate) mod access;
pub(crate) mod clock;
pub(crate) mod control;
pub(crate) mod cors;
pub(crate) mod delivery;
pub mod faults;
pub(crate) mod fields;
pub(crate) mod html;
pub(crate) mod keeping;
mod listener;
pub(crate) mod reply;
mod router;
pub(crate) mod secrets;
pub(crate) mod settings;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::sync::watch;

pub(crate) use self::clock::Clock;
pub(crate) use self::control::Control;
use self::cors::PageAccess;
use self::faults::{ActiveFault, Faults, Kind};
use self::keeping::{Keep, Keeper};
pub(crate) use self::listener::serve;
pub(crate) use self::reply::Reply;
pub(crate) use self::router::{MAX_BODY, Mount, Request, Route, Table, Unrouted, routes};
pub(crate) use self::secrets::Secrets;
pub(crate) use self::settings::Settings;
use crate::{SandboxOptions, StartError};

/// A simulated platform. The host does the rest: it finds the route, reads the body, applies faults and CORS, keeps
/// the settings, and answers the control API.
pub(crate) trait Platform: Sized + Send + Sync + 'static {
    /// Its id, in settings, faults and the control API.
    const ID: &'static str;
    /// Where its routes are.
    const MOUNTS: &'static [Mount<Self::Operation>];
    /// The answer to preflights for the routes that pages may call.
    const PAGE_ACCESS: PageAccess = PageAccess::NONE;
    /// The name that faults use for what the platform sends, if it sends anything.
    const NOTIFICATIONS: Option<&'static str> = None;

    /// Everything that it has recorded.
    type Book: Default + Send + Keep;
    /// Its settings, which change while it runs.
    type Settings: Settings;
    /// What a route does.
    type Operation: Sync + 'static;
    /// What its clients need to know.
    type Info;

    /// Makes keys and credentials.
    fn new(
        host: Host<Self::Book, Self::Settings>,
        options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Self::Info), StartError>;

    fn host(&self) -> &Host<Self::Book, Self::Settings>;

    /// Does the work of a request: all of it, or nothing.
    fn answer(self: &Arc<Self>, request: &Request<Self::Operation>, fault: &ActiveFault) -> Reply;

    /// Answers a path or a method that it does not have.
    fn unrouted(&self, _request: &Unrouted) -> Reply {
        Reply::empty(StatusCode::NOT_FOUND)
    }

    /// Answers a body that is longer than any of the platform's own clients sends.
    fn too_large(&self) -> Reply {
        Reply::empty(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// Its own 502, if it has one.
    fn bad_gateway(&self) -> Reply {
        Reply::empty(StatusCode::BAD_GATEWAY)
    }

    /// The table that the merchant's server reads below `[platforms.<id>]`.
    fn server_settings(&self) -> Value;

    /// What it has recorded, without full card numbers.
    fn state(&self) -> Value;

    /// Runs a command: something that the real platform does on its own. `None` if there is no such command.
    fn command(
        self: Arc<Self>,
        _name: String,
        _body: Value,
    ) -> impl Future<Output = Option<Result<Value, String>>> + Send {
        std::future::ready(None)
    }

    /// Routes beside the platform's API, such as its own pages.
    fn more_routes(self: Arc<Self>) -> Router {
        Router::new()
    }

    /// Serves one request under its fault.
    fn serve(
        self: Arc<Self>,
        request: Request<Self::Operation>,
        fault: ActiveFault,
    ) -> impl Future<Output = Response> + Send {
        async move {
            fault.pause(Kind::Delay).await;
            if let Some(response) = self.fail_before(&fault) {
                return response;
            }
            let reply = self.answer(&request, &fault);
            reply.log(Self::ID, request.route.name, &fault);
            fault.pause(Kind::DelayAfterCommit).await;
            self.respond(reply, &fault)
        }
    }

    /// The response of a fault that keeps the work from being done.
    fn fail_before(&self, fault: &ActiveFault) -> Option<Response> {
        if fault.is(Kind::BadGatewayBeforeCommit) {
            return Some(self.bad_gateway().into_response());
        }
        reply::fail_before(fault)
    }

    /// The reply, or what a fault makes of it once the work is done.
    fn respond(&self, reply: Reply, fault: &ActiveFault) -> Response {
        if fault.is(Kind::BadGatewayAfterCommit) {
            return self.bad_gateway().into_response();
        }
        reply.under(fault)
    }

    /// The response in a form that the client accepts.
    fn encode(&self, _accepts: &HeaderMap, response: Response) -> impl Future<Output = Response> + Send {
        std::future::ready(response)
    }

    fn start(
        shared: &Shared,
        options: &SandboxOptions,
        origin: &str,
    ) -> Result<(Arc<Self>, Self::Info), StartError> {
        Self::new(Host::new::<Self>(shared, options)?, options, origin)
    }
}

/// A platform behind a trait object, for the control API.
pub(crate) trait Mounted: Send + Sync {
    fn id(&self) -> &'static str;
    /// Names of its routes, for faults.
    fn fault_routes(&self) -> Vec<&'static str>;
    fn router(self: Arc<Self>) -> Router;
    fn server_settings(&self) -> Value;
    fn state(&self) -> Value;
    fn settings(&self) -> Value;
    /// Replaces the given settings, or says what is wrong with them.
    fn change_settings(&self, change: &Value) -> Result<(), String>;
    /// Resets records and settings. Keys and credentials stay.
    fn reset(&self);
    fn command(self: Arc<Self>, name: &str, body: &Value) -> CommandResult;
}

/// The result of a command, or why it failed. `None` if there is no such command.
pub(crate) type CommandResult = Pin<Box<dyn Future<Output = Option<Result<Value, String>>> + Send>>;

impl<P: Platform> Mounted for P {
    fn id(&self) -> &'static str {
        P::ID
    }

    fn fault_routes(&self) -> Vec<&'static str> {
        let tables = P::MOUNTS.iter().flat_map(|mount| mount.tables);
        let mut names = Vec::new();
        for route in tables.flat_map(|table| table.routes) {
            if !names.contains(&route.name) {
                names.push(route.name);
            }
        }
        names.extend(P::NOTIFICATIONS);
        names
    }

    fn router(self: Arc<Self>) -> Router {
        router::router(&self).merge(self.more_routes())
    }

    fn server_settings(&self) -> Value {
        Platform::server_settings(self)
    }

    fn state(&self) -> Value {
        Platform::state(self)
    }

    fn settings(&self) -> Value {
        self.host()
            .with(|ledger| serde_json::to_value(&ledger.settings))
            .unwrap_or_default()
    }

    fn change_settings(&self, change: &Value) -> Result<(), String> {
        self.host().with(|ledger| {
            ledger.settings = settings::changed(&ledger.settings, change)?;
            Ok(())
        })
    }

    fn reset(&self) {
        self.host().reset();
    }

    fn command(self: Arc<Self>, name: &str, body: &Value) -> CommandResult {
        Box::pin(Platform::command(self, name.to_owned(), body.clone()))
    }
}

/// What the platforms of one sandbox share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    /// The file of stored cards, if there is one.
    pub(crate) keeper: Option<Arc<Keeper>>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Shared {
    /// Returns once the sandbox stops.
    pub(crate) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        // An error means that the sandbox was dropped.
        let _gone = stop.wait_for(|stop| *stop).await.is_err();
    }
}

/// What changes while the sandbox runs, behind one lock: a request is checked and recorded in one step, so if two
/// requests use the same thing, only one finds it unused.
pub(crate) struct Ledger<B, S> {
    pub(crate) book: B,
    pub(crate) settings: S,
}

/// The host's half of a platform.
pub(crate) struct Host<B, S> {
    platform: &'static str,
    pub(crate) shared: Shared,
    /// What the platform's credentials are made of.
    pub(crate) secrets: Secrets,
    /// The secret part of the URL that notifications go to.
    pub(crate) path_secret: String,
    first_settings: S,
    ledger: Mutex<Ledger<B, S>>,
}

impl<B: Default + Keep, S: Settings> Host<B, S> {
    fn new<P: Platform>(shared: &Shared, options: &SandboxOptions) -> Result<Self, StartError> {
        let secrets = Secrets::new(P::ID, options.seed);
        let path_secret = secrets.hex("webhook path")?;
        let url = options.server_url.as_deref().map(|server| {
            let server = server.trim_end_matches('/');
            format!("{server}/v1/notifications/{}/{path_secret}", P::ID)
        });
        url.as_deref()
            .map_or(Ok(()), delivery::check)
            .map_err(StartError::Setting)?;
        let mut first_settings = S::default();
        first_settings.notify(url);
        let mut book = B::default();
        if let Some(keeper) = &shared.keeper {
            keeper.put_back(P::ID, &mut book)?;
        }
        Ok(Self {
            platform: P::ID,
            shared: shared.clone(),
            secrets,
            path_secret,
            ledger: Mutex::new(Ledger {
                book,
                settings: first_settings.clone(),
            }),
            first_settings,
        })
    }

    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Ledger<B, S>) -> T) -> T {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut ledger);
        // Before the answer: whoever has a token finds its card after a restart.
        if let Some(keeper) = &self.shared.keeper {
            keeper.keep(self.platform, &ledger.book);
        }
        result
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.shared.clock.now()
    }

    /// The fault that spoils the next notification.
    pub(crate) fn notification_fault<P: Platform>(&self) -> ActiveFault {
        let name = P::NOTIFICATIONS;
        name.map_or_else(ActiveFault::default, |name| self.shared.faults.take(P::ID, name))
    }

    fn reset(&self) {
        self.with(|ledger| {
            *ledger = Ledger {
                book: B::default(),
                settings: self.first_settings.clone(),
            }
        });
    }
}

/// Bytes of the system's random source.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], StartError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| StartError::Random)?;
    Ok(bytes)
}

/// That each route of a platform has a name of its own.
#[cfg(test)]
pub(crate) fn check_names<P: Platform>() {
    let mut names = std::collections::HashMap::new();
    let tables = P::MOUNTS.iter().flat_map(|mount| mount.tables);
    for route in tables.flat_map(|table| table.routes) {
        let called = (&route.method, route.path);
        // A table may have several prefixes.
        let other = names.insert(route.name, called);
        assert!(
            other.is_none_or(|other| other == called),
            "{} {}",
            P::ID,
            route.name
        );
    }
    assert!(!names.is_empty());
}
