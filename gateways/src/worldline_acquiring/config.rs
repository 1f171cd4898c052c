//! `[platforms.worldline_acquiring]`: read once at start, every mistake recorded.

use secrecy::ExposeSecret;

use super::WorldlineAcquiring;
use crate::sealing::KeyRing;
use crate::settings::Settings;
use cardseal_worldline::acquiring::client::{Client, Configuration};
use cardseal_worldline::properties::checked_base;
use cardseal_worldline::resource::is_id;

const SANDBOX: (&str, &str) = (
    "https://api.preprod.acquiring.worldline-solutions.com",
    "https://auth-test-eu-west-1.aws.bambora.com/connect/token",
);
const PRODUCTION: (&str, &str) = (
    "https://api.acquiring.worldline-solutions.com",
    "https://auth-eu-west-1.aws.bambora.com/connect/token",
);

impl WorldlineAcquiring {
    /// Reads an account. `None` after a mistake, which the settings record.
    #[must_use]
    pub fn from_settings(settings: &Settings<'_>) -> Option<Self> {
        let environment = settings.environment(&["sandbox", "production", "custom"]);
        let hosts = match environment {
            "production" => Some((PRODUCTION.0.to_owned(), PRODUCTION.1.to_owned())),
            "custom" => settings.base_url("base_url").zip(settings.base_url("token_uri")),
            _ => Some((SANDBOX.0.to_owned(), SANDBOX.1.to_owned())),
        };
        if environment != "custom" {
            for key in ["base_url", "token_uri"] {
                if settings.optional(key).is_some() {
                    settings.mistake(key, "is only for environment = \"custom\"");
                }
            }
        }
        if let Some((base, _)) = &hosts
            && let Err(message) = checked_base(base)
        {
            settings.mistake("base_url", message);
            return None;
        }
        let id = |key: &str| {
            let id = settings.text(key);
            if !id.is_empty() && !is_id(&id) {
                settings.mistake(key, "must be letters, digits, - or _");
            }
            id
        };
        let (acquirer_id, merchant_id) = (id("acquirer_id"), id("merchant_id"));
        let (client_id, client_secret) = (settings.text("client_id"), settings.secret("client_secret"));
        let integrator = settings
            .optional("integrator")
            .unwrap_or_else(|| "Cardseal".into());
        let later_type = match settings.word("authorization_mode", &["final", "pre"]) {
            "pre" => "PRE_AUTHORIZATION",
            _ => "FINAL_AUTHORIZATION",
        };
        let initiator = match settings.word("stored_card_initiator", &["cardholder", "merchant"]) {
            "merchant" => "MERCHANT",
            _ => "CARDHOLDER",
        };
        let stored_use = match settings.word("stored_card_use", &["unscheduled", "recurring"]) {
            "recurring" => "RECURRING",
            _ => "UNSCHEDULED_CARD_ON_FILE",
        };
        if initiator == "CARDHOLDER" && stored_use == "RECURRING" {
            settings.mistake(
                "stored_card_use",
                "can be \"recurring\" only if stored_card_initiator is \"merchant\"",
            );
        }
        let session_seconds = settings.integer("session_seconds", 900, &(60..=3600));
        let ring = KeyRing::from_settings(settings);
        settings.finish();
        if client_id.is_empty() || client_secret.expose_secret().is_empty() {
            return None;
        }
        let (base, token_uri) = hosts?;
        let configuration =
            match Configuration::new(&base, &integrator, &token_uri, &client_id, client_secret) {
                Ok(configuration) => configuration,
                Err(error) => {
                    for mistake in error.0 {
                        settings.mistake(&mistake.key, mistake.message);
                    }
                    return None;
                }
            };
        let client = Client::new(configuration.communicator_over(()).build());
        Some(Self {
            merchant: client.merchant(&acquirer_id, &merchant_id).ok()?,
            client,
            base,
            ring,
            later_type,
            initiator,
            stored_use,
            session_seconds: u32::try_from(session_seconds).unwrap_or(900),
            live: environment == "production",
        })
    }
}
