//! Asks the configured platform what no file decides: whether it takes these credentials, and whether its key opens
//! what the configuration's key packs. Nothing is charged, and a card is sent only outside production: a published test
//! card.

use cardseal::card::{Card, CardInput, Secret};
use cardseal::greenpay::TOKEN_RULES;
use cardseal::http::Request;
use cardseal::platform::Platform;
use cardseal::random::{Random, SystemRandom};
use cardseal_gateways::transport::{Response, Timeouts, Transport};
use serde_json::Value;
use time::OffsetDateTime;

use super::Checks;
use crate::config::Config;
use crate::platforms;

/// Makes the checks of a platform.
///
/// # Errors
/// Why nothing could be asked.
pub(crate) async fn ask(config: &Config, platform: Platform, checks: &mut Checks) -> Result<(), String> {
    let transport = Transport::new(Timeouts::default()).map_err(|error| error.to_string())?;
    let asker = Asker {
        config,
        transport,
        platform,
    };
    (platforms::of(platform).ask)(&asker, checks).await
}

/// What a question needs.
pub(crate) struct Asker<'a> {
    pub(crate) config: &'a Config,
    transport: Transport,
    pub(crate) platform: Platform,
}

impl Asker<'_> {
    pub(crate) fn setting(&self, key: &str) -> Result<String, String> {
        self.config
            .text(self.platform, key)
            .ok_or_else(|| format!("the configuration has no platforms.{}.{key}", self.platform.id()))
    }

    /// An address of the configuration. Only `custom` environments name one, and clear HTTP is for this machine.
    pub(crate) fn base(&self, key: &str, published: &[(&str, &str)]) -> Result<String, String> {
        let environment = self.config.environment(self.platform);
        let known = published.iter().find(|(name, _)| *name == environment);
        let text = match known {
            Some((_, base)) => (*base).to_owned(),
            None => self.setting(key)?,
        };
        cardseal_gateways::transport::base_url(&text).map_err(|wrong| format!("{key} {wrong}"))
    }

    pub(crate) async fn send(&self, request: Request) -> Result<(Response, Value), String> {
        let answer = self
            .transport
            .send(request)
            .await
            .map_err(|failure| format!("the platform could not be asked: {failure}"))?;
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        Ok((answer, body))
    }
}

pub(crate) fn post(url: &str, body: &Value) -> Request {
    Request {
        method: "POST",
        url: url.into(),
        headers: vec![
            ("accept", "application/json".into()),
            ("content-type", "application/json".into()),
        ],
        body: body.to_string(),
    }
}

pub(crate) fn nonce() -> Result<String, String> {
    let mut bytes = [0; 16];
    SystemRandom.fill(&mut bytes).map_err(|error| error.to_string())?;
    Ok(hex::encode(bytes))
}

/// A card that the platform's own article shows.
pub(crate) fn test_card() -> Result<Card, String> {
    let now = OffsetDateTime::now_utc();
    let input = CardInput {
        number: crate::card::TEST_VISA.into(),
        expiry: Secret::new(format!("12/{}", now.year() + 3)),
        cvc: "123".into(),
        holder: "Cardseal Doctor".into(),
        nickname: Some("Doctor's card".into()),
    };
    Card::parse(&input, &TOKEN_RULES, crate::now_ms()).map_err(|error| error.to_string())
}
