//! Simulates the payment platforms on loopback, so that clients can be tried without an account: real decryption
//! with keys made at start, sessions that expire on a clock that can be moved, signed answers, declines, and
//! failures on request. It is for tests and demos. Never send it a real card; it keeps only the first six and last
//! four digits of any card number.
//!
//! ```no_run
//! # async fn example() -> Result<(), cardseal_sandbox::StartError> {
//! use cardseal_sandbox::{Sandbox, SandboxOptions};
//!
//! let sandbox = Sandbox::start(SandboxOptions::default()).await?;
//! let url = &sandbox.info().platforms.greenpay.merchant_url;
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```

pub mod ccbill;
pub mod gp_api;
pub mod greenpay;
mod host;
pub mod online_payments;
pub mod sealing;
pub mod worldline_acquiring;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use host::clock::Clock;
pub use host::faults;
use host::faults::{Fault, Faults};
use host::keeping::Keeper;
use host::{Control, Mounted, Platform, Shared, control};

/// The options of a sandbox.
#[derive(Clone, Debug)]
pub struct SandboxOptions {
    /// Where it listens: a loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Size of generated RSA keys, in bits. The real GreenPay uses 1024.
    pub key_bits: usize,
    /// Makes the credentials of every platform, so that they are the same at every start; without it they are new.
    /// GreenPay's key pair is `private_key`.
    pub seed: Option<[u8; 32]>,
    /// Keeps the stored cards in this file, so that their tokens are good after a restart. It has no card number. It needs
    /// the same credentials at every start, and so a `seed`.
    pub cards: Option<PathBuf>,
    /// GreenPay's private key in PEM (PKCS #1 or PKCS #8), instead of a generated one.
    pub private_key: Option<String>,
    /// Base URL of the merchant's Cardseal server, on this machine. Notifications go to its routes, each with a secret
    /// from [`Info::server_settings`]. Without it no notification is sent until a setting names a URL.
    pub server_url: Option<String>,
    /// The clock. Pass one to share it.
    pub clock: Clock,
}

impl Default for SandboxOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            key_bits: 1024,
            seed: None,
            cards: None,
            private_key: None,
            server_url: None,
            clock: Clock::default(),
        }
    }
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address is reachable from other machines.
    #[error("{0} is not a loopback address: the sandbox serves this machine only")]
    NotLoopback(SocketAddr),
    /// Listening on the address failed.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// The RSA key could not be made or read.
    #[error(transparent)]
    Key(#[from] greenpay::KeyError),
    /// An option is not valid.
    #[error("{0}")]
    Setting(String),
    /// The system's random source failed.
    #[error("the system's random source failed")]
    Random,
}

/// What a program needs to drive the sandbox.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Info {
    /// Always true: the line is printed once the sandbox is ready.
    pub ready: bool,
    /// Address and port.
    pub listen: String,
    /// Base URL of the control API.
    pub control_url: String,
    /// The platforms by id.
    pub platforms: Platforms,
    /// For each platform, by id, the table that the server reads below `[platforms.<id>]`.
    pub server_settings: Map<String, Value>,
}

/// One line per platform: its id, its type, and the type of its part of [`Info`].
macro_rules! platforms {
    ($($id:ident: $platform:ty => $info:ty;)+) => {
        /// What each platform's clients need.
        #[derive(Clone, Debug, Serialize, Deserialize)]
        pub struct Platforms {
            $(#[doc = concat!("Of `", stringify!($id), "`.")] pub $id: $info,)+
        }

        fn mount(
            shared: &Shared,
            options: &SandboxOptions,
            origin: &str,
        ) -> Result<(Platforms, Vec<Arc<dyn Mounted>>, Router), StartError> {
            let mut mounted: Vec<Arc<dyn Mounted>> = Vec::new();
            let mut router = Router::new();
            $(
                let (platform, $id) = <$platform>::start(shared, options, origin)?;
                router = router.merge(Mounted::router(platform.clone()));
                mounted.push(platform);
            )+
            Ok((Platforms { $($id),+ }, mounted, router))
        }

        #[cfg(test)]
        #[test]
        fn every_route_has_its_own_name() {
            $(host::check_names::<$platform>();)+
        }
    };
}

platforms! {
    greenpay: greenpay::GreenPay => greenpay::Info;
    gp_api: gp_api::GpApi => gp_api::Info;
    online_payments: online_payments::OnlinePayments => online_payments::Info;
    ccbill: ccbill::CcBill => ccbill::Info;
    worldline_acquiring: worldline_acquiring::WorldlineAcquiring => worldline_acquiring::Info;
}

/// Starts sandboxes.
#[derive(Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Makes keys and credentials, binds the address, and serves in the background until stopped or dropped.
    ///
    /// # Errors
    /// If an option is not valid, or the address cannot be bound.
    pub async fn start(options: SandboxOptions) -> Result<RunningSandbox, StartError> {
        let listen = options.listen;
        if !listen.ip().is_loopback() {
            return Err(StartError::NotLoopback(listen));
        }
        let listen_error = |error| StartError::Listen(listen, error);
        let listener = TcpListener::bind(listen).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let origin = format!("http://{address}");
        let (stop, stopped) = watch::channel(false);
        let shared = Shared {
            clock: options.clock.clone(),
            faults: Faults::default(),
            keeper: options.cards.clone().map(Keeper::open).transpose()?.map(Arc::new),
            stop: stopped,
        };
        let (platforms, mounted, hosts) = mount(&shared, &options, &origin)?;
        let info = Info {
            ready: true,
            listen: address.to_string(),
            control_url: format!("{origin}/_sandbox"),
            platforms,
            server_settings: mounted
                .iter()
                .map(|platform| (platform.id().to_owned(), platform.server_settings()))
                .collect(),
        };
        let control = Arc::new(Control {
            info,
            shared: shared.clone(),
            platforms: mounted,
        });
        let router = hosts.merge(control.clone().router());
        let serving = tokio::spawn(host::serve(listener, router, shared));
        Ok(RunningSandbox {
            control,
            stop,
            serving,
        })
    }
}

/// A running sandbox. Dropping it stops it without waiting.
pub struct RunningSandbox {
    control: Arc<Control>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl RunningSandbox {
    /// URLs, credentials, keys.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.control.info
    }

    /// The clock that sessions, tokens and refund windows expire by.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.control.shared.clock
    }

    /// What the platforms have recorded, as the control API shows it.
    #[must_use]
    pub fn state(&self) -> Value {
        self.control.state()
    }

    /// Adds a fault.
    ///
    /// # Errors
    /// If there is no such platform or route.
    pub fn inject(&self, fault: Fault) -> Result<(), String> {
        self.control.add_fault(fault).map_err(control::ControlError::text)
    }

    /// Removes all faults that have not applied yet.
    pub fn clear_faults(&self) {
        self.control.shared.faults.clear();
    }

    /// Replaces settings of a platform.
    ///
    /// # Errors
    /// If there is no such platform or setting, or a value is not valid.
    pub fn change_settings(&self, platform: &str, change: &Value) -> Result<(), String> {
        self.control
            .change_settings(platform, change)
            .map_err(control::ControlError::text)
    }

    /// Runs a command of a platform, such as sending a notification.
    ///
    /// # Errors
    /// If there is no such platform or command, or it fails.
    pub async fn command(&self, platform: &str, name: &str, body: &Value) -> Result<Value, String> {
        self.control
            .command(platform, name, body)
            .await
            .map_err(control::ControlError::text)
    }

    /// Resets records, settings, faults and the clock. Keys and credentials stay.
    pub fn reset(&self) {
        self.control.reset();
    }

    /// Stops listening, gives open requests a moment to finish, and returns once all connections are closed.
    pub async fn stop(self) {
        let _gone = self.stop.send(true);
        let _ended = self.serving.await;
    }
}
