//! `[platforms.ccbill]`: read once at start, every mistake recorded.

use secrecy::ExposeSecret;

use super::access::Credentials;
use super::{Api, CcBill};
use crate::settings::Settings;
use crate::transport::access::ClientCredentials;

const PRODUCTION: &str = "https://api.ccbill.com";

impl CcBill {
    /// Reads an account. `None` after a mistake, which the settings record.
    #[must_use]
    pub fn from_settings(settings: &Settings<'_>) -> Option<Self> {
        let environment = settings.environment(&["production", "custom"]);
        let custom = environment == "custom";
        let base_url = if custom {
            settings.base_url("base_url")
        } else {
            Some(PRODUCTION.into())
        };
        if !custom && settings.optional("base_url").is_some() {
            settings.mistake("base_url", "is only for environment = \"custom\"");
        }
        let number = |key, default, range| {
            let number = settings.integer(key, default, &range);
            u32::try_from(number).unwrap_or_default()
        };
        // Beyond every account, so that a missing one is a mistake.
        let client_accnum = number("client_accnum", u64::from(u32::MAX), 0..=999_999);
        if client_accnum == u32::MAX {
            settings.mistake("client_accnum", "is missing");
        }
        let client_subacc = number("client_subacc", 0, 0..=9999);
        let threeds_subacc = number("client_subacc_3ds", u64::from(u32::MAX), 0..=9999);
        let initial_period = number("initial_period", 0, 0..=36_500);
        let front_id = settings.text("frontend_application_id");
        let front_secret = settings.secret("frontend_secret");
        let back_id = settings.text("backend_application_id");
        let back_secret = settings.secret("backend_secret");
        let same = !front_id.is_empty() && front_id == back_id;
        if same {
            settings.mistake(
                "frontend_application_id",
                "must not be the back-end application: its tokens go to pages",
            );
        }
        settings.finish();
        let empty = |text: &str| text.is_empty();
        if client_accnum == u32::MAX
            || same
            || empty(&front_id)
            || empty(&back_id)
            || empty(front_secret.expose_secret())
            || empty(back_secret.expose_secret())
        {
            return None;
        }
        Some(Self {
            api: Api::new(base_url?),
            front: Credentials::new(front_id, front_secret),
            back: Credentials::new(back_id, back_secret),
            client_accnum,
            client_subacc,
            threeds_subacc: Some(threeds_subacc).filter(|number| *number != u32::MAX),
            initial_period,
            live: !custom,
            access: ClientCredentials::default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::settings::Mistakes;

    fn mistakes(change: &[(&str, Value)]) -> Vec<String> {
        let mut tree = json!({ "client_accnum": 900_684, "frontend_application_id": "f", "frontend_secret": "fs",
            "backend_application_id": "b", "backend_secret": "bs" });
        for (key, value) in change {
            tree[*key] = value.clone();
        }
        let mistakes = Mistakes::default();
        let gateway = CcBill::from_settings(&Settings::root(tree.as_object().unwrap(), &mistakes));
        let found: Vec<_> = mistakes
            .borrow()
            .iter()
            .map(|mistake| mistake.key.clone())
            .collect();
        // A mistake in the environment's word alone leaves the usual one, and the start is refused all the same.
        assert!(gateway.is_some() || !found.is_empty());
        found
    }

    #[test]
    fn names_what_is_wrong() {
        assert!(mistakes(&[]).is_empty());
        assert!(mistakes(&[("client_accnum", "900684".into())]).is_empty());
        assert_eq!(
            mistakes(&[("backend_application_id", "f".into())]),
            ["frontend_application_id"]
        );
        assert_eq!(
            mistakes(&[("base_url", "https://x.example".into())]),
            ["base_url"]
        );
        assert_eq!(mistakes(&[("environment", "custom".into())]), ["base_url"]);
        assert_eq!(mistakes(&[("environment", "sandbox".into())]), ["environment"]);
    }
}
