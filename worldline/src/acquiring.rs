//! Worldline Acquiring, an acquirer's API for servers: cards go to it in clear.
//!
//! [`client`] has the calls, [`domain`] what goes over the wire, [`errors`] what can go wrong, and [`oauth2`] gets access
//! tokens.

pub mod client;
pub mod domain;
pub mod errors;
pub mod oauth2;

#[cfg(test)]
mod tests;
