//! Worldline Acquiring, an acquirer's API for servers. Requests contain the card number in clear text.
//!
//! Start with [`client`]. [`domain`] has the request and response bodies, [`errors`] the errors, and [`oauth2`]
//! gets the access tokens.

pub mod client;
pub mod domain;
pub mod errors;
pub mod oauth2;

#[cfg(test)]
mod tests;
