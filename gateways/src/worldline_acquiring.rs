//! Worldline Acquiring, an acquirer's API for servers alone: cards go to it in clear.
//!
//! [`client`] is the client, with what the official SDK gives its users. The gateway of the server refuses everything so far.

pub mod client;
pub mod domain;
pub mod errors;
pub mod oauth2;

use async_trait::async_trait;
use cardseal::platform::Platform;
use secrecy::SecretString;

use crate::amount::{Amount, Currency};
use crate::error::{Error, Refusal};
use crate::gateway::{ChargeAsk, Gateway, Handed, OpenSession, Opened, Outcome, SessionAsk, StoredCard};
use crate::settings::Settings;
use crate::transport::Transport;

/// A merchant's account.
pub struct WorldlineAcquiring {}

impl WorldlineAcquiring {
    /// Reads an account. After a mistake, which the settings hold, there is none.
    #[must_use]
    pub fn from_settings(settings: &Settings<'_>) -> Option<Self> {
        settings.finish();
        Some(Self {})
    }
}

#[async_trait]
impl Gateway for WorldlineAcquiring {
    fn platform(&self) -> Platform {
        Platform::WorldlineAcquiring
    }

    fn accepts(&self, currency: Currency) -> bool {
        Amount::from_minor(1, currency).is_ok()
    }

    fn check(&self, _handed: &Handed) -> Result<(), Refusal> {
        Err(Refusal::NotOffered)
    }

    async fn open_session(&self, _transport: &Transport, _ask: &SessionAsk<'_>) -> Result<Opened, Error> {
        Err(Refusal::NotOffered.into())
    }

    async fn tokenize(
        &self,
        _transport: &Transport,
        _session: &OpenSession<'_>,
        _handed: Handed,
    ) -> Result<StoredCard, Error> {
        Err(Refusal::NotOffered.into())
    }

    async fn delete_token(&self, _transport: &Transport, _token: &SecretString) -> Result<(), Error> {
        Ok(())
    }

    async fn charge(&self, _transport: &Transport, _ask: &ChargeAsk<'_>) -> Result<Outcome, Refusal> {
        Err(Refusal::NotOffered)
    }
}
