//! `[platforms.gp_api]`: read once at start, every mistake recorded.

use cardseal::gp_api::Hosts;
use secrecy::ExposeSecret;

use super::GpApi;
use super::threeds::Returns;
use crate::amount::{Amount, Currency};
use crate::settings::Settings;
use crate::transport::access::ClientCredentials;

impl GpApi {
    /// Reads an account. `None` after a mistake, which the settings record.
    #[must_use]
    pub fn from_settings(settings: &Settings<'_>) -> Option<Self> {
        let environment =
            settings.environment(&["sandbox", "production", "sandbox_eu", "production_eu", "custom"]);
        let base_url = match environment {
            "production" => Some(Hosts::Production.base().to_owned()),
            "sandbox_eu" => Some(Hosts::SandboxEu.base().to_owned()),
            "production_eu" => Some(Hosts::ProductionEu.base().to_owned()),
            "custom" => settings.base_url("base_url"),
            _ => Some(Hosts::Sandbox.base().to_owned()),
        };
        if environment != "custom" && settings.optional("base_url").is_some() {
            settings.mistake("base_url", "is only for environment = \"custom\"");
        }
        let app_id = settings.text("app_id");
        let app_key = settings.secret("app_key");
        let account_name = settings.optional("account_name");
        let tokenization_account_name = settings.optional("tokenization_account_name");
        let country = settings.optional("country").unwrap_or_else(|| "US".into());
        if country.len() != 2 || !country.bytes().all(|byte| byte.is_ascii_uppercase()) {
            settings.mistake("country", "must be an ISO 3166 code of two capital letters");
        }
        let code = settings.optional("currency").unwrap_or_else(|| "USD".into());
        let currency = Currency::from_code(&code).filter(|currency| Amount::from_minor(1, *currency).is_ok());
        if currency.is_none() {
            settings.mistake("currency", "is not an ISO 4217 code");
        }
        let use_network_token = settings.boolean("use_network_token", true);
        let returns = returns(settings);
        settings.check_path_secret("webhook_path_secret");
        settings.finish();
        if app_id.is_empty() || app_key.expose_secret().is_empty() {
            return None;
        }
        Some(Self {
            base_url: base_url?,
            app_id,
            app_key,
            account_name,
            tokenization_account_name,
            country,
            currency: currency?,
            use_network_token,
            live: environment.starts_with("production"),
            returns,
            access: ClientCredentials::default(),
        })
    }
}

/// Where browsers find this server when an issuer's page of 3-D Secure sends them back.
fn returns(settings: &Settings<'_>) -> Option<Returns> {
    let contact = settings.optional("merchant_contact_url");
    if settings.optional("public_url").is_none() {
        if contact.is_some() {
            settings.mistake(
                "merchant_contact_url",
                "is only for 3-D Secure, which needs public_url",
            );
        }
        return None;
    }
    let base = settings.base_url("public_url")?;
    if contact.is_some() {
        settings.base_url("merchant_contact_url")?;
    }
    let at = |step: &str| format!("{base}/v1/authentications/returns/{step}");
    Some(Returns {
        method: at("method"),
        challenge: at("challenge"),
        contact: contact.unwrap_or_else(|| base.clone()),
    })
}
