//! `[platforms.greenpay]`: read once at start. Every mistake is recorded.

use cardseal::crypto::public_key::PublicKey;
use cardseal::greenpay::Hosts;
use secrecy::ExposeSecret;

use super::{GreenPay, SignaturePolicy, merchant_url};
use crate::amount::{Amount, Currency};
use crate::settings::Settings;

impl GreenPay {
    /// Reads an account. `None` after a mistake, which the settings record.
    #[must_use]
    pub fn from_settings(settings: &Settings<'_>) -> Option<Self> {
        let environment = settings.environment(&["sandbox", "production", "custom"]);
        let hosts = match environment {
            "production" => Hosts::Production,
            "custom" => Hosts::Custom(settings.base_url("checkout_url").unwrap_or_default()),
            _ => Hosts::Sandbox,
        };
        let merchant_url = match merchant_url(&hosts) {
            Some(url) => {
                for key in [
                    "merchant_url",
                    "checkout_url",
                    "payment_form_url",
                    "token_form_url",
                ] {
                    if settings.optional(key).is_some() {
                        settings.mistake(key, "is only for environment = \"custom\"");
                    }
                }
                Some(url.to_owned())
            }
            None => settings.base_url("merchant_url"),
        };
        let form = |key, published: Option<&'static str>| match published {
            Some(url) => Some(url.to_owned()),
            None if environment == "custom" && settings.optional(key).is_some() => settings.base_url(key),
            None => None,
        };
        let payment_form = form("payment_form_url", hosts.payment_form());
        let token_form = form("token_form_url", hosts.token_form());
        let secret = settings.secret("secret");
        let merchant_id = settings.text("merchant_id");
        let key_text = settings.text("public_key");
        let key = (!key_text.is_empty())
            .then(|| PublicKey::parse(&key_text))
            .and_then(|key| {
                key.map_err(|error| settings.mistake("public_key", format!("cannot be used: {error}")))
                    .ok()
            });
        let policy = |key, words: &[&'static str]| match settings.word(key, words) {
            "warn" => SignaturePolicy::Warn,
            _ => SignaturePolicy::Required,
        };
        let token_policy = policy("signature_policy", &["required", "warn"]);
        let payment_policy = policy("payment_signature_policy", &["warn", "required"]);
        let terminals = terminals(settings);
        settings.check_path_secret("webhook_path_secret");
        settings.finish();
        if terminals.is_empty() || merchant_id.is_empty() || secret.expose_secret().is_empty() {
            return None;
        }
        Some(Self {
            payment_form,
            token_form,
            merchant_url: merchant_url.filter(|_| !hosts.checkout().is_empty())?,
            hosts,
            secret,
            merchant_id,
            key_text: key.as_ref()?.to_spki_base64(),
            key: key?,
            terminals,
            token_policy,
            payment_policy,
            live: environment == "production",
        })
    }
}

fn terminals(settings: &Settings<'_>) -> Vec<(Currency, String)> {
    let tables = settings.tables("terminals");
    if tables.is_empty() {
        settings.mistake("terminals", "needs at least one entry of terminal and currency");
    }
    let mut found: Vec<(Currency, String)> = Vec::new();
    for table in tables {
        let terminal = table.text("terminal");
        let code = table.text("currency");
        table.finish();
        let currency = Currency::from_code(&code).filter(|currency| Amount::from_minor(1, *currency).is_ok());
        match currency {
            _ if code.is_empty() => {}
            None => table.mistake("currency", "is not an ISO 4217 code"),
            Some(currency) if found.iter().any(|(of, _)| *of == currency) => {
                table.mistake("currency", "has a terminal already");
            }
            Some(currency) => found.push((currency, terminal)),
        }
    }
    found
}
