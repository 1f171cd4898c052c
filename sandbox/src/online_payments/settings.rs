//! Settings of the simulated Online Payments, mostly for what is not documented about the real one.

use serde::{Deserialize, Serialize};

use super::products;
use crate::host::{self, cors, delivery};

/// The settings; each has the default that the simulation starts with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Where events go, unless a request names URLs of its own.
    pub webhook_url: Option<String>,
    /// How long after each failed try an event is sent again. The real platform waits 10 minutes, 1, 2, 8 and 24
    /// hours.
    pub webhook_retry_ms: Vec<u32>,
    /// Whether every event is sent twice.
    pub webhook_duplicates: bool,
    /// Whether the second of two events in quick succession is sent first.
    pub webhook_reorder: bool,
    /// Whether an event is sent as an array of one, as in an example of the documentation.
    pub webhook_array: bool,
    /// Whether only one form of the signature is taken: path, query and `Content-Type` exactly as they came.
    pub strict_signature: bool,
    /// How far `Date` may be from this machine's time; null to accept any. The real tolerance is not known.
    pub date_tolerance_seconds: Option<u32>,
    /// How long a client session lasts. The real length is not known.
    pub session_minutes: u32,
    /// How long a hosted tokenization can be filled in. The real length is not known.
    pub hosted_tokenization_minutes: u32,
    /// How long a temporary token can be used.
    pub temporary_token_minutes: u32,
    /// HTTP status of a token or hosted tokenization that was created: 201 or 200.
    pub created_status: u16,
    /// `errorCode` of a call whose first is still running: nothing, as of the real platform, or one of the two that
    /// its libraries look for, `1409` and `30001002`.
    pub in_progress_code: Option<String>,
    /// How long captures, refunds, cancellations and waiting authorizations take.
    pub settle_after_ms: u32,
    /// Whether an authorization waits (51) before it is decided.
    pub waiting_authorizations: bool,
    /// Products that the merchant may use.
    pub products: Vec<u32>,
    /// First digits of cards that are Cartes Bancaires besides their own brand.
    pub co_branded_bins: Vec<String>,
    /// Whether a card needs the name of its holder.
    pub cardholder_name_required: bool,
    /// Test cards that the issuer declines. Their check digit is not checked.
    pub declined_cards: Vec<String>,
    /// Test cards whose holder has to authenticate. The real platform's are not known.
    pub challenge_cards: Vec<String>,
    /// Amounts of refunds that the issuer declines at once. The real platform's are not known.
    pub declined_refund_amounts: Vec<i64>,
    /// First digits of cards that cost a surcharge.
    pub surcharged_bins: Vec<String>,
    /// First digits of cards that may be charged in the currency of their holder.
    pub converted_bins: Vec<String>,
    /// Origins that may call the client API from a page; `loopback` for all of this machine, `*` for all.
    /// Which ones the real API allows is not known.
    pub cors_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            webhook_url: None,
            webhook_retry_ms: vec![200, 400, 800, 1600, 3200],
            webhook_duplicates: false,
            webhook_reorder: false,
            webhook_array: false,
            strict_signature: false,
            date_tolerance_seconds: Some(300),
            session_minutes: 60,
            hosted_tokenization_minutes: 120,
            temporary_token_minutes: 120,
            created_status: 201,
            in_progress_code: None,
            settle_after_ms: 0,
            waiting_authorizations: false,
            products: products::ALL.iter().map(|product| product.id).collect(),
            co_branded_bins: Vec::new(),
            cardholder_name_required: true,
            declined_cards: vec!["4321456998744563".into(), "4000000000000002".into()],
            challenge_cards: vec!["4000000000003220".into()],
            declined_refund_amounts: vec![1302],
            surcharged_bins: vec!["5".into()],
            converted_bins: vec!["4012".into()],
            cors_origins: vec![cors::LOOPBACK.into()],
        }
    }
}

impl host::Settings for Settings {
    fn check(&self) -> Result<(), String> {
        if !matches!(self.created_status, 200 | 201) {
            return Err("created_status is 200 or 201".into());
        }
        if let Some(id) = self.products.iter().find(|id| products::by_id(**id).is_none()) {
            return Err(format!("there is no card product {id}"));
        }
        delivery::check_optional(self.webhook_url.as_deref())
    }

    fn cors_origins(&self) -> &[String] {
        &self.cors_origins
    }

    fn notify(&mut self, url: Option<String>) {
        self.webhook_url = url;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::host::settings::changed as change;

    #[test]
    fn changes_only_what_is_named() {
        let settings = Settings::default();
        let changed = change(
            &settings,
            &json!({ "products": [1, 3], "date_tolerance_seconds": null }),
        )
        .unwrap();
        assert_eq!(changed.products, [1, 3]);
        assert_eq!(changed.date_tolerance_seconds, None);
        assert_eq!(changed.session_minutes, settings.session_minutes);
        for wrong in [
            json!({ "created_status": 204 }),
            json!({ "products": [840] }),
            json!({ "webhook_url": "https://example.com" }),
            json!({ "sessions": 1 }),
            json!([]),
        ] {
            assert!(change(&settings, &wrong).is_err(), "{wrong}");
        }
    }
}
