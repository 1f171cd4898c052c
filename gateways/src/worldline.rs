//! What clients of the Worldline family of platforms are made of, whatever the platform: the properties file, the
//! connection with its pool and time-outs, the communicator that signs, sends and reads, what an answer holds, and the log that shows
//! none of the secrets.
//!
//! A platform adds what is its own: an [`communicator::Authenticator`], the names of its headers, its types, its
//! errors.

pub mod answer;
pub mod communicator;
pub mod connection;
pub mod logging;
pub mod metadata;
pub mod obfuscate;
pub(crate) mod objects;
pub mod properties;
pub mod resource;
