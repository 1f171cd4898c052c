//! What the platform is told about the caller's software: base64 of a small JSON object in one header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Headers about the caller's software.
pub trait MetadataProvider: Send + Sync {
    /// Names in lower case, with their values. `date`, `content-type`, `authorization` and the idempotence key are
    /// the communicator's own.
    fn headers(&self) -> Vec<(&'static str, String)>;
}

/// The shop software that the client is a part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShoppingCartExtension {
    /// Who made it.
    pub creator: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its id, if the platform gave it one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MetaInfo<'a> {
    platform_identifier: String,
    sdk_identifier: &'static str,
    sdk_creator: &'static str,
    integrator: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    shopping_cart_extension: Option<&'a ShoppingCartExtension>,
}

/// The header of the official SDKs with our own name in it.
pub struct ServerMetaInfo {
    header: &'static str,
    value: String,
}

impl ServerMetaInfo {
    /// Under this header's name, in lower case.
    #[must_use]
    pub fn new(header: &'static str, integrator: &str, extension: Option<&ShoppingCartExtension>) -> Self {
        let info = MetaInfo {
            platform_identifier: format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
            sdk_identifier: concat!("Cardseal/v", env!("CARGO_PKG_VERSION")),
            sdk_creator: "Cardseal",
            integrator,
            shopping_cart_extension: extension,
        };
        Self {
            header,
            // Texts alone: there is nothing in it that could not be written.
            value: STANDARD.encode(serde_json::to_vec(&info).unwrap_or_default()),
        }
    }
}

impl MetadataProvider for ServerMetaInfo {
    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![(self.header, self.value.clone())]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn says_who_calls_with_what() {
        let extension = ShoppingCartExtension {
            creator: "Maker".into(),
            name: "Cart".into(),
            version: "1".into(),
            extension_id: None,
        };
        let headers = ServerMetaInfo::new("x-gcs-servermetainfo", "Shop é", Some(&extension)).headers();
        assert_eq!(headers[0].0, "x-gcs-servermetainfo");
        let info: Value = serde_json::from_slice(&STANDARD.decode(&headers[0].1).unwrap()).unwrap();
        assert_eq!(info["integrator"], "Shop é");
        assert_eq!(
            info["sdkIdentifier"],
            concat!("Cardseal/v", env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(
            info["shoppingCartExtension"],
            json!({ "creator": "Maker", "name": "Cart", "version": "1" })
        );
        assert!(
            info["platformIdentifier"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
}
