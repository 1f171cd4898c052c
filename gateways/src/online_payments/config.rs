//! `[platforms.online_payments]`: read once at start, every mistake recorded.

use std::sync::Arc;

use secrecy::ExposeSecret;

use super::OnlinePayments;
use crate::settings::Settings;
use cardseal_worldline::online_payments::client::{Client, Configuration};
use cardseal_worldline::online_payments::webhooks::{InMemorySecretKeyStore, SecretKeyStore, WebhooksHelper};
use cardseal_worldline::properties::checked_base;
use cardseal_worldline::resource::is_id;

const SANDBOX: &str = "https://payment.preprod.payone.com";
const PRODUCTION: &str = "https://payment.payone.com";

/// Where every host of the platform has the script for its form in a frame.
const TOKENIZER: &str = "/hostedtokenization/js/client/tokenizer.min.js";

impl OnlinePayments {
    /// Reads an account. `None` after a mistake, which the settings record.
    #[must_use]
    pub fn from_settings(settings: &Settings<'_>) -> Option<Self> {
        let environment = settings.environment(&["sandbox", "production", "custom"]);
        let base = base(settings, environment);
        let client_api = settings
            .optional("client_api_url")
            .and_then(|_| settings.base_url("client_api_url"));
        let merchant_id = settings.text("merchant_id");
        let configuration = configuration(settings, base.as_deref());
        let later_mode = match settings.word("authorization_mode", &["final", "pre"]) {
            "pre" => "PRE_AUTHORIZATION",
            _ => "FINAL_AUTHORIZATION",
        };
        let initiator = match settings.word("stored_card_initiator", &["unsaid", "cardholder", "merchant"]) {
            "cardholder" => Some("cardholderInitiated"),
            "merchant" => Some("merchantInitiated"),
            _ => None,
        };
        let return_url = return_url(settings);
        let (webhooks, keys) = webhook_keys(settings);
        if keys == 0 && settings.optional_secret("webhook_path_secret").is_some() {
            settings.mistake(
                "webhook_keys",
                "are missing: without one no webhook can be verified",
            );
        }
        let (locale, variant) = (short(settings, "locale"), short(settings, "variant"));
        let session_seconds = settings.integer("session_seconds", 1800, &(60..=86_400));
        settings.check_path_secret("webhook_path_secret");
        settings.finish();
        if !merchant_id.is_empty() && !is_id(&merchant_id) {
            settings.mistake("merchant_id", "must be letters, digits, - or _");
        }
        let (base, configuration) = (base?, configuration?);
        let client = Client::new(configuration.communicator_over(()).build());
        Some(Self {
            merchant: client.merchant(&merchant_id).ok()?,
            client,
            merchant_id,
            tokenizer: format!("{base}{TOKENIZER}"),
            base,
            client_api,
            webhooks,
            later_mode,
            initiator,
            return_url,
            locale,
            variant,
            session_seconds: u32::try_from(session_seconds).unwrap_or(1800),
            live: environment == "production",
        })
    }
}

/// Where the platform is, by the environment's word.
fn base(settings: &Settings<'_>, environment: &str) -> Option<String> {
    let base = match environment {
        "production" => Some(PRODUCTION.to_owned()),
        "custom" => settings.base_url("base_url"),
        _ => Some(SANDBOX.to_owned()),
    };
    if environment != "custom" && settings.optional("base_url").is_some() {
        settings.mistake("base_url", "is only for environment = \"custom\"");
    }
    checked_base(&base?)
        .map_err(|message| settings.mistake("base_url", message))
        .ok()
}

/// The client's configuration. None without a secret, whose absence is a mistake already.
fn configuration(settings: &Settings<'_>, base: Option<&str>) -> Option<Configuration> {
    let api_key_id = settings.text("api_key_id");
    let secret_api_key = settings.secret("secret_api_key");
    let integrator = settings
        .optional("integrator")
        .unwrap_or_else(|| "Cardseal".into());
    let missing = secret_api_key.expose_secret().is_empty();
    match Configuration::new(base?, &integrator, &api_key_id, secret_api_key) {
        Ok(configuration) => Some(configuration).filter(|_| !missing),
        Err(error) => {
            for mistake in error.0 {
                // What is missing has been named already.
                if mistake.key != "api_key_id" || !api_key_id.is_empty() {
                    settings.mistake(&mistake.key, mistake.message);
                }
            }
            None
        }
    }
}

fn return_url(settings: &Settings<'_>) -> Option<String> {
    let Some(url) = settings.optional("return_url") else {
        settings.warning(
            "return_url",
            "is missing: no payment asks for 3-D Secure, and the customer comes back from the platform's page only \
             where the session names a return_url",
        );
        return None;
    };
    if settings.base_url("return_url").is_none() || url.len() > 200 {
        settings.mistake("return_url", "must be an address of at most 200 characters");
    }
    Some(url)
}

/// A word for the platform's pages.
fn short(settings: &Settings<'_>, key: &str) -> Option<String> {
    let text = settings.optional(key)?;
    if text.len() > 64 || text.chars().any(char::is_control) {
        settings.mistake(key, "must be at most 64 characters");
    }
    Some(text)
}

/// Several, so that one can take the place of another while both are in use.
fn webhook_keys(settings: &Settings<'_>) -> (WebhooksHelper, usize) {
    let store = InMemorySecretKeyStore::default();
    let mut count = 0;
    for key in settings.tables("webhook_keys") {
        let (id, secret) = (key.text("id"), key.secret("secret"));
        key.finish();
        if store.secret_key(&id).is_some() {
            key.mistake("id", "is given twice");
        }
        if !id.is_empty() && !secret.expose_secret().is_empty() {
            store.store_secret_key(&id, secret);
            count += 1;
        }
    }
    (WebhooksHelper::new(Arc::new(store)), count)
}
