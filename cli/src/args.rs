//! The command line. Help, completions and the man page are made from this.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Cardseal on the command line: packs and opens test cards, and says what is wrong with a key, a signature or a
/// request.
///
/// Exit codes: 0 nothing is wrong; 1 something is; 2 the call is wrong, or a file cannot be read; 3 doctor could not
/// decide.
#[derive(Debug, Parser)]
#[command(name = "cardseal", version, max_term_width = 100)]
pub struct Arguments {
    /// Report as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pack a test card as a page does, and print the request
    Pack(Pack),
    /// Open what `pack` made, with a test key
    Open(Open),
    /// Say what a public key is, and what is wrong with it
    Key(Key),
    /// Verify a signature, a notification, an event, or a copy of the package
    Verify(Verify),
    /// Say why a platform answers what it answers
    Doctor(Doctor),
    /// Start the simulated platforms
    Sandbox(Sandbox),
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page
    Man,
}

/// Shells with completions.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Shell {
    /// bash
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// A platform's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Platform(pub cardseal::platform::Platform);

impl std::str::FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        use cardseal::platform::Platform as Of;
        Of::from_id(&text.replace('-', "_")).map(Self).ok_or_else(|| {
            let ids: Vec<&str> = Of::ALL.iter().map(|platform| platform.id()).collect();
            format!("the platforms are {}", ids.join(", "))
        })
    }
}

/// Published test cards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestCard {
    /// 4242…4242
    Visa,
    /// 5555…4444
    Mastercard,
    /// 3782…0005
    Amex,
}

/// What a session is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Store a card
    #[default]
    Tokenize,
    /// Replace the card of a token
    Update,
    /// Charge a card
    Payment,
}

/// `pack`
#[derive(Debug, Args)]
pub struct Pack {
    /// The platform's id
    #[arg(long, value_name = "ID")]
    pub platform: Platform,
    /// What the card is packed for
    #[arg(long, value_enum, default_value_t)]
    pub kind: Kind,
    /// A published test card, instead of a card on standard input as JSON: {"number","expiry","cvc","holder","nickname"}
    #[arg(long, value_enum, value_name = "BRAND")]
    pub test_card: Option<TestCard>,
    /// The session as JSON, as the server or the platform returned it
    #[arg(long, value_name = "FILE")]
    pub session: Option<PathBuf>,
    /// The platform's public key: GreenPay, Online Payments
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// The id of that key: Online Payments
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,
    /// The product of the card's brand: Online Payments
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub product: u64,
    /// The customer's details as JSON: CCBill
    #[arg(long, value_name = "FILE")]
    pub customer: Option<PathBuf>,
    /// The merchant's server
    #[arg(long, value_name = "URL", default_value = "")]
    pub server: String,
    /// The form of GreenPay's counter
    #[arg(long, value_enum, default_value_t)]
    pub counter: Counter,
}

/// GreenPay's counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Counter {
    /// A number from 0 to 254
    #[default]
    Byte,
    /// A number from 0 to 2147483647
    Integer,
    /// Sixteen bytes
    Block,
}

/// `open`
#[derive(Debug, Args)]
pub struct Open {
    /// The request as JSON, as `pack` prints it, a HAR file or a call of curl; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub request: PathBuf,
    /// The test key: PEM, or a JWK for cards that were sealed
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// The id of that key, where the request names one
    #[arg(long, value_name = "ID")]
    pub key_id: Option<String>,
    /// Show the card in full
    #[arg(long)]
    pub reveal: bool,
}

/// `key`
#[derive(Debug, Args)]
pub struct Key {
    /// The key; `-` is standard input
    #[arg(value_name = "FILE", default_value = "-")]
    pub key: PathBuf,
}

/// `verify`
#[derive(Debug, Args)]
pub struct Verify {
    /// What to verify
    #[command(subcommand)]
    pub what: Verified,
}

/// What can be verified.
#[derive(Debug, Subcommand)]
pub enum Verified {
    /// GreenPay's `_signature` of an answer or a notification
    Answer {
        /// The answer as JSON; `-` is standard input
        #[arg(value_name = "FILE", default_value = "-")]
        answer: PathBuf,
        /// The merchant's public key at GreenPay
        #[arg(long, value_name = "FILE")]
        public_key: PathBuf,
    },
    /// A platform's notification, by the keys of a server's configuration
    Notification {
        /// The request as JSON with headers and the exact body, a HAR file or a call of curl; `-` is standard input
        #[arg(value_name = "FILE", default_value = "-")]
        request: PathBuf,
        /// The platform's id
        #[arg(long, value_name = "ID")]
        platform: Platform,
        /// The server's configuration
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// An event of Cardseal's server (Standard Webhooks)
    Event {
        /// The request as JSON with headers and the exact body, a HAR file or a call of curl; `-` is standard input
        #[arg(value_name = "FILE", default_value = "-")]
        request: PathBuf,
        /// The file with the secret, whsec_…
        #[arg(long, value_name = "FILE")]
        secret: PathBuf,
        /// When it was received, as 2026-11-30T12:00:00Z; default: the capture's time, or else now
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
    },
    /// A copy of the npm package in a folder, by its list of hashes
    Package {
        /// The folder: the package, or a copy of its folder pkg
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// The list, pkg/manifest.json of an installed package; never the copy's own
        #[arg(long, value_name = "FILE")]
        manifest: PathBuf,
    },
}

/// `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// The server's configuration; further ones are compared with it, such as another environment's
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// Captured requests in their order: JSON, HAR, or calls of curl; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub request: Vec<PathBuf>,
    /// The platform's answer to the last request: its body, or JSON with status, headers and body
    #[arg(long, value_name = "FILE")]
    pub answer: Option<PathBuf>,
    /// The HTTP status of that answer
    #[arg(long, value_name = "NUMBER")]
    pub status: Option<u16>,
    /// The session as JSON, as the server or the platform returned it
    #[arg(long, value_name = "FILE")]
    pub session: Option<PathBuf>,
    /// The key that the page packs with, if it is not the configuration's
    #[arg(long, value_name = "FILE")]
    pub public_key: Option<PathBuf>,
    /// The private half of a test key, which opens what is packed: GreenPay
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// The platform's id, where the request does not tell
    #[arg(long, value_name = "ID")]
    pub platform: Option<Platform>,
    /// Ask the configured platform too: opens a session, and outside production sends it a published test card
    #[arg(long)]
    pub online: bool,
    /// List every cause that is known, and what decides it
    #[arg(long)]
    pub list: bool,
}

/// `sandbox`
#[derive(Debug, Args)]
pub struct Sandbox {
    /// Loopback address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Size of the RSA key pairs
    #[arg(long, value_name = "BITS", default_value_t = 1024)]
    pub key_bits: usize,
    /// GreenPay's private key, so that `open` and `doctor` can open what is packed for the sandbox
    #[arg(long, value_name = "FILE")]
    pub private_key: Option<PathBuf>,
    /// The merchant's server on this machine, which gets the notifications
    #[arg(long, value_name = "URL")]
    pub server_url: Option<String>,
}
